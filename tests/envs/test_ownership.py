"""Whose memory an entry is: what all users share is not copied for each, and what was given is nobody else's."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from conformance.trajectories import DEVICES, assert_same, copied, make, slates
from torch import Tensor
from toy import Toy, ToySettings

from envs.ownership import LastObservation, arrays, choose_rows, places, replace_rows, take_rows
from envs.single import SlateEnv

SHARED = ("candidates", "candidate_ids", "popularity")


class Shelf(Toy):
    """The toy with its whole catalogue on offer, the same memory for every user, also in the state."""

    def __init__(self, settings: ToySettings, device: str = "auto") -> None:
        super().__init__(settings, device)
        self.ids_N = torch.arange(len(self.bait_N), device=self.device)
        self.features_ND = torch.cat([self.vectors_ND, self.bait_N.unsqueeze(1)], dim=1)

    @property
    def spec(self) -> Any:
        number = len(self.bait_N)
        whole = {"candidates": (number, self.features_ND.shape[1]), "candidate_ids": (number,), "popularity": (number,)}
        return dataclasses.replace(super().spec, num_candidates=number, shapes={**super().spec.shapes, **whole})

    def start(self, users: Any, noise: Any) -> Any:
        return super().start(users, noise) | {"on_offer": self.ids_N.expand(len(users["taste"]), -1)}

    def step(self, state: Any, slate_BK: Tensor, noise: Any) -> Any:
        after, outcome = super().step(state, slate_BK, noise)
        return after | {"on_offer": state["on_offer"]}, outcome

    def observe(self, state: Any) -> Any:
        number = len(state["taste"])
        return super().observe(state) | {
            "candidates": self.features_ND.expand(number, -1, -1),
            "candidate_ids": state["on_offer"],
            "popularity": self.bait_N.expand(number, -1),
        }


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shelf(device: str) -> Shelf:
    return Shelf(ToySettings(time_limit=3, tiring=0.0), device)


# Entries that all users share


def _rows_are_one(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.stride(0) == 0
    return value.strides[0] == 0 and np.shares_memory(value[0], value[-1]) and not value.flags.writeable


@pytest.mark.parametrize("as_tensors", [False, True])
def test_what_all_users_see_is_one_entry_at_every_step(shelf: Shelf, as_tensors: bool) -> None:
    env = make(shelf, 5, as_tensors=as_tensors)
    observation, _ = env.reset(seed=0)
    for slate_BK in slates(env, 7):
        assert all(_rows_are_one(observation[name]) for name in SHARED)
        assert not _rows_are_one(observation["user"])
        assert env.state is not None
        assert env.state["on_offer"].stride(0) == 0
        observation, *_, info = env.step(slate_BK.to(shelf.device) if as_tensors else slate_BK.numpy())
        if as_tensors and "final_obs" in info:
            assert all(_rows_are_one(info["final_obs"][name]) for name in SHARED)
        elif "final_obs" in info:
            final = [row for row in info["final_obs"] if row is not None]
            assert np.shares_memory(final[0]["candidates"], final[-1]["candidates"])


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("num_envs", [1, 5])
def test_shared_entries_hold_the_catalogue_for_every_user(shelf: Shelf, name: str, num_envs: int) -> None:
    whole = {"candidates": shelf.features_ND, "candidate_ids": shelf.ids_N, "popularity": shelf.bait_N}[name]
    env = make(shelf, num_envs)
    observation, _ = env.reset(seed=0)
    for slate_BK in slates(env, 4):
        np.testing.assert_array_equal(observation[name], np.stack([whole.cpu().numpy()] * num_envs))
        assert observation in env.observation_space
        observation, *_ = env.step(slate_BK.numpy())


def test_rows_that_are_reset_alone_leave_shared_entries_shared(shelf: Shelf) -> None:
    env = make(shelf, 4, as_tensors=True, autoreset_mode="DISABLED")
    env.reset(seed=0)
    for mask in ([True, False, False, False], [True, True, False, True]):
        observation, _ = env.reset(options={"reset_mask": np.array(mask)})
        assert env.state is not None
        assert env.state["on_offer"].stride(0) == 0
        assert all(_rows_are_one(observation[name]) for name in SHARED)


def test_a_shared_entry_that_a_new_session_does_not_share_is_replaced(device: str) -> None:
    class Late(Shelf):
        """All users see the items turned round after the first slate."""

        def step(self, state: Any, slate_BK: Tensor, noise: Any) -> Any:
            after, outcome = super().step(state, slate_BK, noise)
            return after | {"on_offer": self.ids_N.flip(0).expand_as(state["on_offer"])}, outcome

    late = Late(ToySettings(tiring=0.0), device)
    env = make(late, 3, as_tensors=True, autoreset_mode="DISABLED")
    env.reset(seed=0)
    env.step(next(slates(env, 1)).to(late.device))
    observation, _ = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert observation["candidate_ids"][:, 0].tolist() == [19, 0, 19]


@pytest.mark.parametrize("num_envs", [1, 5])
def test_nobody_reaches_the_catalogue_by_writing_into_what_they_see(shelf: Shelf, num_envs: int) -> None:
    before = [tensor.clone() for tensor in (shelf.features_ND, shelf.ids_N, shelf.bait_N)]
    env = make(shelf, num_envs, as_tensors=True)
    observation, _ = env.reset(seed=0)
    for slate_BK in slates(env, 4):
        for value in observation.values():
            value[0] = 7
        observation, *_, info = env.step(slate_BK.to(shelf.device))
        for value in info.get("final_obs", {}).values():
            value[0] = 7
    for tensor, kept in zip((shelf.features_ND, shelf.ids_N, shelf.bait_N), before, strict=True):
        assert torch.equal(tensor, kept)


def test_shared_arrays_refuse_to_be_written_and_a_single_users_are_their_own(shelf: Shelf) -> None:
    observation, _ = make(shelf, 2).reset(seed=0)
    with pytest.raises(ValueError, match="read-only"):
        observation["candidates"][0] = 7
    single = SlateEnv(shelf)
    observation, _ = single.reset(seed=0)
    observation["candidates"][:] = 7
    assert not (shelf.features_ND == 7).any()
    assert single.reset(seed=0)[0] in single.observation_space


def test_a_view_of_the_state_is_copied_wherever_in_it_it_begins(device: str) -> None:
    class Peephole(Toy):
        """What is seen of a user is a view of the middle of the state."""

        def observe(self, state: Any) -> Any:
            return super().observe(state) | {"response": state["response"][:, :, :], "user": state["padded"][:, 1:]}

        def start(self, users: Any, noise: Any) -> Any:
            state = super().start(users, noise)
            return state | {"padded": torch.nn.functional.pad(state["taste"], (1, 1))}

    env = make(Peephole(ToySettings(), device), 3, as_tensors=True)
    observation, _ = env.reset(seed=0)
    observation["user"][:] = 7
    assert env.state is not None
    assert not (env.state["padded"] == 7).any()


def test_the_batched_space_is_made_only_when_it_is_asked_for(shelf: Shelf) -> None:
    env = make(shelf, 3)
    env.reset(seed=0)
    assert "observation_space" not in vars(env)
    assert env.observation_space is env.observation_space
    assert env.observation_space["candidates"].shape == (3, 20, 4)


def test_arrays_follow_the_same_contract_on_every_device(shelf: Shelf) -> None:
    env = make(shelf, 2)
    env.reset(seed=0)
    assert "final_obs" not in env.step(next(slates(env, 1)).numpy())[4]
    env.steps_B = env.steps_B + 1
    info = env.step(next(slates(env, 1)).numpy())[4]
    assert info["_final_obs"].tolist() == [True, True]


# Rows


def test_rows_are_replaced_in_place_only_where_nobody_else_reads() -> None:
    state = {name: torch.arange(6.0).view(3, 2) for name in ("mine", "lent")}
    whole = torch.arange(12.0).view(3, 4)
    state |= {"left": whole[:, :2], "right": whole[:, 2:], "strided": torch.arange(6.0).view(2, 3).T}
    before = copied(state)
    new = {name: torch.full((1, 2), 7.0) for name in state}
    after = replace_rows(state, torch.tensor([1]), new, places({"lent": state["lent"]}))
    for name, value in before.items():
        assert after[name][1].tolist() == [7, 7]
        assert torch.equal(after[name][[0, 2]], value[[0, 2]])
        assert torch.equal(state[name], after[name] if name == "mine" else value), name
    assert after["mine"].data_ptr() == state["mine"].data_ptr()


def test_rows_of_entries_that_overlap_are_not_replaced_in_place() -> None:
    whole = torch.arange(8.0).view(4, 2)
    state = {"early": whole[:3], "late": whole[1:]}
    new = {name: torch.full((1, 2), 7.0) for name in state}
    after = replace_rows(state, torch.tensor([1]), new, set())
    assert after["early"].tolist() == [[0, 1], [7, 7], [4, 5]]
    assert after["late"].tolist() == [[2, 3], [7, 7], [6, 7]]


def test_rows_are_never_replaced_in_place_where_all_may_be_read() -> None:
    state = {"mine": torch.zeros(3, 2)}
    after = replace_rows(state, torch.tensor([1]), {"mine": torch.ones(1, 2)}, None)
    assert after["mine"].tolist() == [[0, 0], [1, 1], [0, 0]]
    assert not state["mine"].any()


def test_rows_of_a_shared_entry_share_it_and_others_are_taken_in_order() -> None:
    shared, own = torch.arange(4).expand(3, -1), torch.arange(3.0).view(3, 1)
    rows = take_rows({"shared": shared, "own": own}, torch.tensor([2, 0]))
    assert rows["own"].tolist() == [[2.0], [0.0]]
    assert rows["shared"].shape == (2, 4)
    assert places(rows) & places({"shared": shared})


def test_rows_are_chosen_by_a_mask_and_what_both_share_stays_shared() -> None:
    shared = torch.arange(4).expand(3, -1)
    one, other = ({"a": torch.full((3, 1, 2), value), "s": shared} for value in (1.0, 2.0))
    chosen = choose_rows(torch.tensor([True, False, True]), one, other)
    assert chosen["a"][:, 0, 1].tolist() == [1, 2, 1]
    assert chosen["s"] is shared


def test_arrays_are_copies_of_what_the_state_holds_and_of_a_single_row() -> None:
    state = {"held": torch.zeros(2, 3)}
    given = arrays({"held": state["held"][:, 1:], "new": torch.zeros(2)}, state)
    given["held"][:] = 7
    assert not state["held"].any()
    one = torch.zeros(1, 3)
    arrays({"view": one[:, 1:]}, {"other": torch.zeros(1)})["view"][:] = 7
    assert not one.any()


# The last observation


def last_observation(**ended: Tensor) -> tuple[LastObservation, dict[str, Tensor]]:
    """Return what is seen at last where rows 0 and 2 of three ended, and what all see after."""
    after = {"own": torch.arange(3.0).view(3, 1), "shared": torch.arange(4.0).expand(3, -1)}
    last = {"own": torch.tensor([[10.0], [12.0]]), "shared": torch.arange(4.0).expand(2, -1)} | ended
    return LastObservation(after, torch.tensor([0, 2]), last), after


def test_the_last_observation_has_ended_rows_as_they_were_and_others_as_they_are() -> None:
    last, after = last_observation()
    assert set(last) == {"own", "shared"}
    assert len(last) == 2
    assert last["own"].tolist() == [[10], [1], [12]]
    assert after["own"].tolist() == [[0], [1], [2]]
    assert last["shared"].stride(0) == 0
    assert torch.equal(last["shared"], after["shared"])


def test_a_shared_entry_that_was_another_is_no_longer_shared_in_the_last_observation() -> None:
    last, _ = last_observation(shared=torch.full((4,), 7.0).expand(2, -1))
    assert last["shared"].tolist() == [[7, 7, 7, 7], [0, 1, 2, 3], [7, 7, 7, 7]]
    last, _ = last_observation(shared=torch.tensor([[0.0, 1.0, 2.0, 3.0], [7.0, 7.0, 7.0, 7.0]]))
    assert last["shared"].tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [7, 7, 7, 7]]


def test_an_entry_of_the_last_observation_stays_as_it_was_read_and_is_apart() -> None:
    last, after = last_observation()
    for name in last:
        last[name][0] = 5
        assert (last[name][0] == 5).all()
        assert not (after[name] == 5).any()
    after["own"][:] = 9
    assert last["own"].tolist() == [[5], [1], [12]]


# Simulators that make it hard


class Entangled(Toy):
    """The state holds the users and slates it was given, the noise, and tensors that are also the outcome's."""

    def start(self, users: Any, noise: Any) -> Any:
        number = len(users["taste"])
        both = torch.zeros(number, 2, device=self.device)
        held = {"slate": torch.zeros(number, 2, dtype=torch.int64, device=self.device), "keys": noise["keys"]}
        held |= {"reward": torch.zeros(number, device=self.device), "left": both[:, 0], "right": both[:, 1]}
        held |= {"gone": torch.zeros(number, dtype=torch.bool, device=self.device)}
        return super().start(users, noise) | held

    def step(self, state: Any, slate_BK: Tensor, noise: Any) -> Any:
        after, outcome = super().step(state, slate_BK, noise)
        both = state["left"].unsqueeze(1) + torch.ones(2, device=self.device)
        held = {"slate": slate_BK, "keys": noise["keys"], "reward": outcome.reward, "gone": outcome.left}
        return after | held | {"left": both[:, 0], "right": both[:, 1]}, outcome


@pytest.mark.parametrize("as_tensors", [False, True])
def test_nothing_that_was_given_changes_however_a_simulator_entangles_it(device: str, as_tensors: bool) -> None:
    env = make(Entangled(ToySettings(time_limit=3, tiring=0.3), device), 6, as_tensors=as_tensors)
    panel = env.sample_users(6, seed=1)
    given: list[dict[str, Any]] = [panel, env.reset(seed=0, options={"users": panel})[0]]
    kept = [copied(tensors) for tensors in given]
    departures = 0
    for slate_BK in slates(env, 20):
        shown = slate_BK.to(device) if as_tensors else slate_BK.numpy()
        given.append({"slate": shown})
        kept.append(copied(given[-1]))
        observation, reward, left, truncated, info = env.step(shown)
        info.pop("final_obs", None)
        departures += int(left.sum())
        final = info.pop("final_info", None)
        earned = info["response"][:, :, 1].sum(1) + (final["response"][:, :, 1].sum(1) if final else 0)
        assert_same({"reward": reward}, {"reward": earned})
        assert env.state is not None
        expected = {"reward": env.state["reward"], "gone": env.state["gone"], "slate": env.state["slate"]}
        assert not any(value[left | truncated].any() for value in expected.values())
        numbers = {"reward": reward, "left": left, "truncated": truncated}
        for tensors in (observation, numbers, info, env.state_dict()):
            given.append(tensors)
            kept.append(copied(tensors))
    assert departures > 10
    for tensors, before in zip(given, kept, strict=True):
        assert_same(tensors, before)


def test_a_single_environments_state_goes_on_in_a_batch_of_one() -> None:
    toy = Toy(ToySettings(), "cpu")
    single, vector = SlateEnv(toy), make(toy, 1, as_tensors=True, autoreset_mode="DISABLED")
    single.reset(seed=0)
    slate_BK = torch.tensor([[0, 1]])
    single.step(slate_BK[0].numpy())
    vector.load_state_dict(single.vector.state_dict())
    weight_D = torch.ones(4, requires_grad=True)
    for _ in range(3):
        observation, reward, *_ = vector.step(slate_BK)
        (observation["candidates"] @ weight_D).sum().backward()  # which tensors made for inference alone refuse
        assert reward.item() == single.step(slate_BK[0].numpy())[1]

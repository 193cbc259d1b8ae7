"""Wolpertinger: what is near, what the critic chooses out of it, and how the actor is moved, each by hand."""

import dataclasses
from typing import Any

import pytest
import torch
from sketches import Garden, Loop, build, make_observation, make_spec, make_transition, snapshot
from torch import Tensor

from agents.learning.exploration import EpsilonSchedule
from agents.wolpertinger import ActorCritic, Wolpertinger, inverted, nearness
from envs.interface import Observation

SPEC = make_spec(candidates=6, slate=2)


def test_cosine_goes_by_the_angle_and_euclidean_by_the_straight_line() -> None:
    proto = torch.tensor([[[1.0, 1.0]]])
    candidates = torch.tensor([[[9.0, 9.5], [1.0, 0.5], [-1.0, -1.0], [0.9, 1.4]]])
    assert nearness(proto, candidates, "cosine")[0, 0].argsort(descending=True).tolist() == [0, 3, 1, 2]
    assert nearness(proto, candidates, "euclidean")[0, 0].argsort(descending=True).tolist() == [3, 1, 2, 0]


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_the_order_is_that_of_the_textbook(distance: str) -> None:
    generator = torch.Generator().manual_seed(0)
    protos, candidates = (torch.randn((3, number, 4), generator=generator) for number in (2, 9))
    near = nearness(protos, candidates, distance)
    if distance == "cosine":
        exact = torch.cosine_similarity(protos.unsqueeze(2), candidates.unsqueeze(1), dim=-1)
    else:
        exact = -torch.cdist(protos, candidates)
    assert torch.equal(near.argsort(dim=2), exact.argsort(dim=2))


def test_an_item_of_length_zero_is_near_nothing_and_breaks_nothing() -> None:
    near = nearness(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 0.0], [1.0, 0.1]]]), "cosine")
    assert near.isfinite().all()
    assert float(near[0, 0, 1]) > float(near[0, 0, 0]) == 0.0


class Told(ActorCritic):
    """Proto-actions that are written down, and a critic that knows the value of a place: its first feature."""

    def __init__(self, protos_KD: list[list[float]]) -> None:
        torch.nn.Module.__init__(self)
        self.protos = torch.tensor(protos_KD)
        self.actor = lambda user_BU, low_BD, high_BD: self.protos.expand(len(user_BU), -1, -1)  # type: ignore[assignment]

    def q(self, user_BU: Tensor, places_BND: Tensor, *, hold: bool = False) -> Tensor:
        return places_BND[..., 0]


PLACES = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [7.0, 7.0], [8.0, 8.0], [9.0, 9.0]]


def chosen(neighbours: int, protos: list[list[float]], noise: Tensor | None = None) -> tuple[list[int], float]:
    spec = make_spec(candidates=6, slate=len(protos))
    agent = build("wolpertinger", spec, neighbours=neighbours, distance="euclidean")
    assert isinstance(agent, Wolpertinger)
    observation = {"user": torch.zeros(1, 5), "candidates": torch.tensor([PLACES])}
    slate_BK, value_B = agent.nearest.choose(Told(protos), observation, noise)
    return slate_BK[0].tolist(), float(value_B)


def test_the_critic_chooses_among_the_nearest_and_no_others() -> None:
    assert chosen(1, [[1.1, 0.0]]) == ([1], 1.0)
    assert chosen(3, [[1.1, 0.0]]) == ([2], 2.0)
    assert chosen(6, [[1.1, 0.0]]) == ([5], 9.0)


def test_a_slot_passes_over_what_an_earlier_one_has_taken() -> None:
    assert chosen(1, [[1.1, 0.0], [1.1, 0.0], [1.1, 0.0]]) == ([1, 2, 0], 1.0)
    assert chosen(2, [[8.2, 8.2], [8.2, 8.2]]) == ([5, 4], 8.5)


def test_more_neighbours_than_candidates_are_all_of_them() -> None:
    assert chosen(100, [[0.0, 0.0]] * 6) == ([5, 4, 3, 2, 1, 0], 27 / 6)


def test_noise_moves_proto_actions_by_half_widths_and_never_out_of_the_box() -> None:
    assert chosen(1, [[0.0, 0.0]], torch.tensor([[[7 / 4.5, 7 / 4.5]]])) == ([3], 7.0)
    assert chosen(1, [[0.0, 0.0]], torch.tensor([[[1e6, 1e6]]])) == ([5], 9.0)


def test_gradients_shrink_towards_the_bound_they_drive_to_and_turn_beyond_it() -> None:
    protos = torch.tensor([[[0.75, 0.75, 1.5, 0.0]]])
    low, high = torch.zeros(1, 4), torch.ones(1, 4)
    # Descent raises a where the gradient is negative.
    gradient = torch.tensor([[[-1.0, 1.0, -1.0, 1.0]]])
    assert inverted(gradient, protos, low, high).tolist() == [[[-0.25, 0.75, 0.5, 0.0]]]


def test_a_feature_that_all_candidates_share_does_not_break_the_gradient() -> None:
    one = torch.ones(1, 1)
    assert inverted(torch.ones(1, 1, 1), torch.ones(1, 1, 1), one, one).tolist() == [[[0.0]]]


def make_agent(**settings: Any) -> Wolpertinger:
    agent = build("wolpertinger", SPEC, rollout=1, reward_scale=1.0, **settings)
    assert isinstance(agent, Wolpertinger)
    Loop(SPEC).steps(agent, 12)
    return agent


def a_batch(agent: Wolpertinger, observation: Observation) -> dict[str, Tensor]:
    slate_BK = agent.act(observation, explore=False)
    return agent.values.row(observation, slate_BK) | {"target": torch.zeros(len(slate_BK))}


def test_the_actor_climbs_the_critic_and_the_critic_does_not_learn_from_it() -> None:
    agent = make_agent()
    observation = make_observation(SPEC, 32, torch.Generator().manual_seed(1))
    batch, network = a_batch(agent, observation), agent.learner.network
    assert isinstance(network, ActorCritic)
    loss = agent._further_losses(batch)["train/actor_loss"]
    with torch.no_grad():
        protos_BKD = network.actor(batch["user"], batch["low"], batch["high"])
        exact = -float(network.q(batch["user"], protos_BKD).mean())
    assert float(loss.detach()) == pytest.approx(exact, abs=1e-6)
    network.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(weights.grad is None for weights in network.critic.parameters())
    moved = [weights.grad is not None and bool(weights.grad.any()) for weights in network.actor.parameters()]
    assert all(moved)


def test_the_critic_learns_from_the_shown_items_not_from_the_proto_actions() -> None:
    agent = make_agent()
    observation = make_observation(SPEC, 32, torch.Generator().manual_seed(1))
    batch, network = a_batch(agent, observation), agent.learner.network
    assert isinstance(network, ActorCritic)
    network.zero_grad()
    agent.values.value(network, batch).sum().backward()  # type: ignore[no-untyped-call]
    assert all(weights.grad is None for weights in network.actor.parameters())
    assert all(weights.grad is not None for weights in network.critic.parameters())


def test_both_target_networks_follow() -> None:
    agent = make_agent(polyak=0.25)
    before = snapshot(agent)
    Loop(SPEC, seed=2).steps(agent, 1)
    after = agent.state_dict()
    for part in ("actor.out.weight", "critic.user_out.weight"):
        slow, online = before[f"target.{part}"], after[f"network.{part}"]
        torch.testing.assert_close(after[f"target.{part}"], slow + 0.25 * (online - slow))
        assert not torch.equal(online, before[f"network.{part}"])


def test_the_slots_part() -> None:
    """From one starting place, with one critic, they would be one for ever."""
    agent = make_agent()
    observation = make_observation(SPEC, 32, torch.Generator().manual_seed(1))
    low, high = observation["candidates"].aminmax(dim=1)
    network: Any = agent.learner.network
    with torch.no_grad():
        protos_BKD = network.actor(observation["user"], low, high)
    assert float((protos_BKD[:, 0] - protos_BKD[:, 1]).abs().mean()) > 0.05


def test_noise_is_drawn_for_each_user_and_falls_to_nothing() -> None:
    spec = make_spec(candidates=20, slate=1)
    quiet: dict[str, Any] = {"start": 0.0, "end": 0.0}
    agent = build("wolpertinger", spec, neighbours=1, noise=0.5, exploration=EpsilonSchedule(**quiet), num_steps=10)
    one = make_observation(spec, 1, torch.Generator().manual_seed(0))
    observation = {key: value.expand(200, *value.shape[1:]) for key, value in one.items()}
    assert len(agent.act(observation, explore=False).unique()) == 1
    assert len(agent.act(observation, explore=True).unique()) > 3
    Loop(spec).steps(agent, 10)
    assert len(agent.act(observation, explore=True).unique()) == 1


def test_items_are_read_by_their_features_alone() -> None:
    """A proto-action has no id and no popularity."""
    agent = make_agent()
    observation = make_observation(SPEC, 32, torch.Generator().manual_seed(1))
    other = observation | {"candidate_ids": observation["candidate_ids"].flip(0), "popularity": torch.zeros(32, 6)}
    assert torch.equal(agent.act(observation, False), agent.act(other, False))
    assert not any("id_bias" in name or "embedding" in name for name in agent.state_dict())


class Signed(Told):
    """As `Told`, with a critic that likes the first feature or, at -1, dislikes it."""

    def __init__(self, protos_KD: list[list[float]], sign: float) -> None:
        super().__init__(protos_KD)
        self.sign = sign

    def q(self, user_BU: Tensor, places_BND: Tensor, *, hold: bool = False) -> Tensor:
        return self.sign * super().q(user_BU, places_BND, hold=hold)


@pytest.mark.parametrize(
    ("double", "value"),
    [
        (True, -2.0),  # the online networks choose the 2 among 0, 1 and 2; the target critic takes it for -2
        (False, -7.0),  # the target networks choose the 7 among 7, 8 and 9 themselves
    ],
)
def test_the_target_critic_values_the_slate_of_the_online_networks_or_else_of_the_target_networks(
    double: bool, value: float
) -> None:
    spec = make_spec(candidates=6, slate=1)
    agent = build("wolpertinger", spec, neighbours=3, distance="euclidean", noise=0.0, double=double)
    assert isinstance(agent, Wolpertinger)
    agent.learner.network, agent.target = Signed([[1.0, 0.0]], 1.0), Signed([[8.0, 8.0]], -1.0)
    observation = {"user": torch.zeros(1, 5), "candidates": torch.tensor([PLACES])}
    assert float(agent._bootstrap(observation)) == value
    assert agent.choose(observation)[1]["value"].tolist() == [value]


@pytest.mark.parametrize("double", [True, False])
def test_the_slates_value_moves_to_reward_plus_the_value_of_the_next_slate(double: bool) -> None:
    agent = build("wolpertinger", SPEC, rollout=1, reward_scale=0.5, discount=0.8, double=double, num_users=1)
    assert isinstance(agent, Wolpertinger)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in (*agent.learner.network.parameters(), *agent.target.parameters()):
            weights.add_(0.3 * torch.randn(weights.shape, generator=generator))
    seen = make_observation(SPEC, 1, generator)
    slate_BK = agent.choose(seen)[0]
    done, _ = make_transition(SPEC, seen, slate_BK, generator)
    done = dataclasses.replace(done, discount=torch.ones(1))
    chooser = agent.learner.network if double else agent.target
    following_BK = agent.nearest.choose(chooser, done.next_observation, None)[0]
    with torch.no_grad():
        value = float(agent.nearest.value(agent.target, agent.nearest.row(done.next_observation, following_BK)))
        shown = float(agent.nearest.value(agent.learner.network, agent.nearest.row(seen, slate_BK)))
    error = abs(0.5 * float(done.reward) + 0.8 * value - shown)
    expected = 0.5 * error**2 if error < 1 else error - 0.5
    assert float(agent.update(done)["train/loss"]) == pytest.approx(expected, abs=1e-5)


def test_one_neighbour_leaves_it_all_to_the_actor_and_it_learns() -> None:
    garden = Garden(128, seed=1)
    settings: dict[str, Any] = {"rollout": 4, "minibatch": 128, "hidden": 32, "reward_scale": 0.5, "polyak": 0.1}
    agent = build("wolpertinger", garden.spec, num_users=128, num_steps=240, discount=0.9, neighbours=1, **settings)
    garden.teach(agent, 240)
    assert Garden(2000, seed=2).mean_return(agent) > 0.95 * Garden.session(1)


def test_an_unknown_distance_is_refused() -> None:
    with pytest.raises(ValueError, match='distance is "manhattan"; known are cosine, euclidean'):
        build("wolpertinger", SPEC, distance="manhattan")

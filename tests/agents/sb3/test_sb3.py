"""The adapter around stable-baselines3: inputs, slates, random streams, buffers, refusals, and that it learns."""

import dataclasses
import random
import subprocess
import sys
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sketches import Loop, build, make_observation, make_spec, make_transition
from stable_baselines3.common.running_mean_std import RunningMeanStd
from toy import Toy, ToySettings

from agents.protocol import Agent, choose
from agents.sb3.dqn import SB3DQN, SB3DQNSettings
from agents.sb3.extractor import NormalisedInputs
from agents.sb3.on_policy import SB3A2CSettings, SB3PPOSettings
from agents.sb3.shared import IDS, FlatInputs, OwnRandomness, without_repeats
from envs.history import WithHistory
from envs.interface import Observation, Spec, Transition
from envs.single import SlateEnv
from envs.wrappers import SlotBySlot, flat_floats
from experiments.building import build_simulator, twin_of
from experiments.settings import RunSettings, TrainSettings

ROOT = Path(__file__).parents[3]
ON_POLICY = ["sb3_ppo", "sb3_a2c"]
SPEC = make_spec()


def batched(observation: dict[str, Any]) -> Observation:
    return {key: torch.from_numpy(value[None].copy()) for key, value in observation.items()}


def without_ids(spec: Spec) -> Spec:
    """Return a specification under which no ids are observed, as the wrappers leave them out."""
    return dataclasses.replace(spec, shapes={key: shape for key, shape in spec.shapes.items() if key != IDS})


def toy_env() -> SlateEnv:
    return SlateEnv(Toy(ToySettings(), "cpu"))


def test_the_inputs_are_those_of_the_wrappers_and_the_ids_last() -> None:
    env = toy_env()
    spec = env.vector.simulator.spec
    observation, _ = env.reset(seed=3)
    plain, slots = (FlatInputs(spec, by_slot=by_slot, limit=100) for by_slot in (False, True))
    expected, _ = flat_floats(toy_env()).reset(seed=3)
    nothing_B0, ids = torch.zeros((1, 0), dtype=torch.int64), observation["candidate_ids"]
    np.testing.assert_array_equal(plain(batched(observation), nothing_B0)[0], [*expected, *ids])
    wrapped = flat_floats(SlotBySlot(toy_env()))
    expected, _ = wrapped.reset(seed=3)
    np.testing.assert_array_equal(slots(batched(observation), nothing_B0)[0], [*expected, *ids])
    expected, *_ = wrapped.step(np.int64(4))
    np.testing.assert_array_equal(slots(batched(observation), torch.tensor([[4]]))[0], [*expected, *ids])
    assert (plain.width, slots.width) == (
        len(plain(batched(observation), nothing_B0)[0]),
        len(slots(batched(observation), nothing_B0)[0]),
    )


@pytest.mark.parametrize(("history", "rows"), [("none", 0), ("totals", 3), ("window", 6)])
def test_the_history_of_a_session_is_read_where_it_is_asked_for(history: str, rows: int) -> None:
    settings = SB3PPOSettings(history=history, history_length=3)
    run = RunSettings(train=TrainSettings(agent="sb3_ppo"), env=None, agent=settings)
    spec = build_simulator(run, Toy(ToySettings(), "cpu")).spec
    plain = FlatInputs(Toy(ToySettings(), "cpu").spec, by_slot=False, limit=500).width
    # An event is 2 marks, 2 response columns and 4 item features; the totals come in three forms.
    assert FlatInputs(spec, by_slot=False, limit=500).width == plain + 8 * rows


def test_totals_come_as_our_own_agents_read_them_and_the_window_as_it_is() -> None:
    kernel = WithHistory(Toy(ToySettings(), "cpu"), 2)
    inputs = FlatInputs(kernel.spec, by_slot=False, limit=500)
    history_BLF = torch.arange(24.0).view(1, 3, 8)
    observation = {key: torch.zeros(1, *shape) for key, shape in kernel.spec.shapes.items()} | {"history": history_BLF}
    flat_BX = inputs(observation, torch.zeros((1, 0), dtype=torch.int64))
    before = prod(kernel.spec.shapes["candidates"])
    totals_BF = torch.arange(8.0)
    assert flat_BX.shape == (1, inputs.width)
    torch.testing.assert_close(flat_BX[0, before : before + 8], totals_BF / 100)
    torch.testing.assert_close(flat_BX[0, before + 24 : before + 40], torch.arange(8.0, 24.0))


def test_numbers_come_with_the_mean_and_deviation_of_all_rows_seen_and_ids_as_embeddings() -> None:
    reader = NormalisedInputs(spaces.Box(-np.inf, np.inf, (5,), np.float32), num_ids=2, num_items=4, embedding=3)
    parts = [torch.randn(rows, 3) * torch.tensor([1.0, 50.0, 0.0]) + rows for rows in (3, 40, 7)]
    ids = [torch.randint(4, (len(part), 2)) for part in parts]
    for part, id_BM in zip(parts, ids, strict=True):
        reader.see(torch.cat([part, id_BM.float()], dim=1))
    rows, id_BM = torch.cat(parts), torch.cat(ids)
    read = reader(torch.cat([rows, id_BM.float()], dim=1))
    expected = RunningMeanStd(epsilon=0.0, shape=(3,))
    expected.update(rows.numpy())
    normal = (rows.numpy() - expected.mean) / np.sqrt(expected.var + 1e-8)
    np.testing.assert_allclose(read[:, :3].detach(), normal.clip(-10, 10), atol=1e-3)
    assert reader.embedding is not None
    assert torch.equal(read[:, 3:], reader.embedding.weight[id_BM].flatten(1))
    plain = NormalisedInputs(
        spaces.Box(-np.inf, np.inf, (5,), np.float32), num_ids=2, num_items=4, embedding=3, norm_obs=False
    )
    plain.see(torch.cat([rows, id_BM.float()], dim=1))
    assert torch.equal(plain(torch.cat([rows, id_BM.float()], dim=1))[:, :3], rows)
    far = torch.cat([rows[:1] + 1e6, id_BM[:1].float()], dim=1)
    assert float(reader(far)[:, :3].detach().max()) == 10.0


@pytest.mark.parametrize("name", [*ON_POLICY, "sb3_dqn", "sb3_maskable_ppo"])
def test_a_networks_inputs_are_normalised_and_its_step_size_falls_to_zero(name: str) -> None:
    if name == "sb3_maskable_ppo":
        pytest.importorskip("sb3_contrib")
    at_once = {"learning_starts": 0} if name == "sb3_dqn" else {}
    agent: Any = build(name, SPEC, num_steps=8, learning_rate=0.5, **at_once)
    loop = Loop(SPEC)
    rates = [loop.step(agent).get("train/learning_rate") for _ in range(8)]
    learnt = [float(rate) for rate in rates if rate is not None]
    assert learnt == sorted(learnt, reverse=True)
    assert learnt[0] <= 0.5 * 7 / 8 + 1e-6
    assert learnt[-1] == 0.0
    policy = agent.model.policy
    reader = policy.q_net.features_extractor if name == "sb3_dqn" else policy.features_extractor
    assert float(reader.rows) > 0
    assert not torch.equal(reader.running_mean, torch.zeros_like(reader.running_mean))
    if name == "sb3_dqn":
        target = policy.q_net_target.features_extractor
        assert torch.equal(target.running_mean, reader.running_mean)
        assert torch.equal(target.running_var, reader.running_var)


def test_dqn_bootstraps_from_no_candidate_that_is_taken() -> None:
    agent: Any = build("sb3_dqn", SPEC)
    observation = make_observation(SPEC, 16, torch.Generator().manual_seed(2))
    chosen_B1 = torch.arange(16).unsqueeze(1) % 6
    with torch.no_grad():
        values_BM = agent.model.q_net_target(agent.inputs(observation, chosen_B1))
        free_BM = agent.model.q_net_target(agent.inputs(observation, chosen_B1[:, :0]))
    assert torch.isneginf(values_BM.gather(1, chosen_B1)).all()
    assert torch.isneginf(values_BM).sum() == 16
    assert torch.isfinite(free_BM).all()


@pytest.mark.parametrize("name", ["sb3_ppo", "sb3_dqn"])
def test_who_pays_is_learnt_from_the_id_alone(name: str) -> None:
    steps, settings = EAGER[name]
    if name == "sb3_dqn":
        settings = settings | {"discount": 0.0, "target_update_interval": 256, "train_freq": 2}
    world = Paying(64, seed=1)
    agent = build(name, Paying.SPEC, num_users=64, num_steps=2 * steps, **settings, net_arch=(64,))
    observation = world.observe()
    for _ in range(2 * steps):
        transition = world.step(agent, observation, explore=True)
        agent.update(transition)
        observation = transition.next_observation
    fresh = Paying(1000, seed=2)
    assert float(fresh.step(agent, fresh.observe(), explore=False).reward.mean()) > 0.9


def test_a_repeat_becomes_the_best_free_position_of_its_own_slot() -> None:
    logits_BKM = torch.tensor(
        [
            [[9.0, 0.0, 0.0, 0.0], [3.0, 1.0, 2.0, 0.0], [0.0, 1.0, 5.0, 4.0]],
            [[0.0, 0.0, 0.0, 9.0], [9.0, 0.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0]],
        ]
    )
    wanted_BK = torch.tensor([[0, 0, 2], [3, 0, 1]])
    # The first slate's second slot falls back to 2, which makes the third a repeat: it falls back to 3.
    assert without_repeats(wanted_BK, logits_BKM).tolist() == [[0, 2, 3], [3, 0, 1]]


@pytest.mark.parametrize("name", ON_POLICY)
def test_the_chance_that_is_kept_is_that_of_the_sampled_action(name: str) -> None:
    spec = make_spec(candidates=3, slate=3)
    agent: Any = build(name, spec, num_users=64)
    loop = Loop(spec, 64)
    slate_BK, notes = agent.choose(loop.observation)
    transition, _ = make_transition(spec, loop.observation, slate_BK, loop.generator, notes)
    agent.update(transition)
    buffer = agent.model.rollout_buffer
    sampled_BK = torch.from_numpy(buffer.actions[0])
    assert (sampled_BK != slate_BK).any()
    assert (sampled_BK == slate_BK).all(dim=1).any()
    with torch.no_grad():
        flat_BX = torch.from_numpy(buffer.observations[0])
        values_B1, log_prob_B, _ = agent.model.policy.evaluate_actions(flat_BX, sampled_BK)
    np.testing.assert_allclose(buffer.log_probs[0], log_prob_B, atol=1e-5)
    np.testing.assert_allclose(buffer.values[0], values_B1[:, 0], atol=1e-5)


def test_streams_of_their_own_draw_what_seeded_global_streams_draw_and_leave_these_alone() -> None:
    torch.manual_seed(4)
    np.random.seed(4)  # noqa: NPY002
    expected = [(torch.rand(2).tolist(), np.random.permutation(50).tolist()) for _ in range(3)]  # noqa: NPY002
    own, drawn = OwnRandomness(4), []
    for _ in range(3):
        with own.instead():
            drawn.append((torch.rand(2).tolist(), np.random.permutation(50).tolist()))  # noqa: NPY002
        torch.rand(1), np.random.rand(1)  # noqa: NPY002
    assert drawn == expected


@pytest.mark.parametrize("name", [*ON_POLICY, "sb3_dqn"])
def test_no_global_stream_is_read_or_moved(name: str) -> None:
    def states() -> tuple[Any, ...]:
        ours: Any = np.random.get_state(legacy=False)  # noqa: NPY002
        return torch.get_rng_state().tolist(), random.getstate(), str(ours)

    np.random.seed(1)  # noqa: NPY002
    before = states()
    ours: Any = Loop(SPEC).steps(build(name, SPEC), 9)
    assert states() == before
    np.random.seed(2)  # noqa: NPY002
    theirs = Loop(SPEC).steps(build(name, SPEC), 9)
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in ours.state_dict().items())


@pytest.mark.parametrize("name", ON_POLICY)
def test_it_learns_from_its_own_slates_alone_and_says_so(name: str) -> None:
    agent, loop = build(name, SPEC), Loop(SPEC)
    slate_BK = agent.act(loop.observation)
    transition, _ = make_transition(SPEC, loop.observation, slate_BK, loop.generator)
    with pytest.raises(ValueError, match=f"{name} learns from its own slates alone"):
        agent.update(transition)
    slate_BK, notes = choose(agent, loop.observation)
    with pytest.raises(ValueError, match=f"{name} learns from its own slates alone"):
        agent.update(dataclasses.replace(transition, slate=slate_BK.flip(1), notes=notes))


def test_only_what_can_learn_from_anothers_steps_gets_a_twin() -> None:
    for settings, twin in ((SB3PPOSettings(), None), (SB3A2CSettings(), None), (SB3DQNSettings(), 0.0)):
        made = twin_of(RunSettings(train=TrainSettings(), env=None, agent=settings))
        assert (None if made is None else made.agent.discount) == twin


@pytest.mark.parametrize(
    ("num_users", "num_steps", "expected"), [(512, 900, 4), (16, 40, 40), (5000, 9, 1), (1, 9999, 2048)]
)
def test_ppo_learns_from_2048_user_steps_by_default(num_users: int, num_steps: int, expected: int) -> None:
    agent: Any = build("sb3_ppo", SPEC, num_users=num_users, num_steps=num_steps, n_steps=None)
    assert agent.model.rollout_buffer.observations.shape[:2] == (expected, num_users)


@pytest.mark.parametrize("name", [*ON_POLICY, "sb3_dqn", "sb3_maskable_ppo"])
def test_observations_wider_than_the_limit_are_refused(name: str) -> None:
    if name == "sb3_maskable_ppo":
        pytest.importorskip("sb3_contrib")
    width = FlatInputs(SPEC, by_slot=name in ("sb3_dqn", "sb3_maskable_ppo"), limit=1000).width
    build(name, SPEC, max_inputs=width)
    with pytest.raises(ValueError, match=f"{width} numbers are observed of a user and max_inputs is {width - 1}"):
        build(name, SPEC, max_inputs=width - 1)


def test_without_sb3_contrib_a_sentence_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    with pytest.raises(ValueError, match="run pip install sb3-contrib"):
        build("sb3_maskable_ppo", SPEC)


def test_settings_with_which_nothing_could_be_learnt_are_refused() -> None:
    with pytest.raises(ValueError, match="buffer_size is 8, but each slot brings 16 rows"):
        build("sb3_dqn", SPEC, buffer_size=8)
    with pytest.raises(ValueError, match="at least 2 there"):
        build("sb3_ppo", SPEC, num_users=1, n_steps=1)
    with pytest.raises(ValueError, match=r"net_arch is \(8, 0\); it "):
        SB3DQNSettings(net_arch=(8, 0))
    with pytest.raises(ValueError, match=r'unknown history "gru" \(known: none, totals, window\)'):
        SB3PPOSettings(history="gru")
    pytest.importorskip("sb3_contrib")
    with pytest.raises(ValueError, match=r"gamma is 0\.0; it is above 0 here"):
        build("sb3_maskable_ppo", SPEC, gamma=0.0)
    build("sb3_maskable_ppo", make_spec(slate=1), gamma=0.0)


def test_the_modules_can_be_imported_without_stable_baselines3() -> None:
    modules = "agents.sb3.extractor, agents.sb3.shared, agents.sb3.dqn, agents.sb3.maskable_ppo, agents.sb3.on_policy"
    program = f"import sys, {modules}; sys.exit(any(name.startswith(('stable', 'sb3_c')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ["sb3_ppo", "sb3_dqn"])
def test_a_buffer_of_another_size_is_refused(name: str) -> None:
    sizes: dict[str, list[dict[str, Any]]] = {
        "sb3_ppo": [{"n_steps": 2}, {"n_steps": 3}, {"num_users": 8}],
        "sb3_dqn": [{"buffer_size": 160}, {"buffer_size": 800}, {"num_users": 8}],
    }
    steps = {"sb3_ppo": 3, "sb3_dqn": 16}[name]
    saved = Loop(SPEC).steps(build(name, SPEC), steps).state_dict()
    for other in sizes[name]:
        with pytest.raises(ValueError, match="load it into an agent with the same settings"):
            build(name, SPEC, **other).load_state_dict(saved)


def test_dqn_keeps_what_the_wrapper_that_goes_slot_by_slot_shows() -> None:
    plain, wrapped = toy_env(), flat_floats(SlotBySlot(toy_env()))
    spec = without_ids(plain.vector.simulator.spec)
    agent = build("sb3_dqn", spec, num_users=1, discount=0.75, reward_scale=0.5)
    assert isinstance(agent, SB3DQN)
    (seen, _), (flat_X, _) = plain.reset(seed=5), wrapped.reset(seed=5)
    rows, fates = [], set()
    for step in range(30):
        slate_BK = agent.act(batched(seen), explore=True)
        following, reward, left, truncated, told = plain.step(slate_BK[0].numpy())
        for slot, action in enumerate(slate_BK[0]):
            after_X, earned, *_ = wrapped.step(action.numpy())
            ends = 0.0 if slot == 0 else 1.0 if left else 0.25
            rows.append((flat_X, after_X, [int(action)], 0.5 * earned, ends))
            flat_X = after_X
        agent.update(
            Transition(
                observation=batched(seen),
                slate=slate_BK,
                response=torch.from_numpy(told["response"][None]),
                reward=torch.tensor([reward], dtype=torch.float32),
                discount=torch.tensor([float(not left)]),
                last=torch.tensor([left or truncated]),
                next_observation=batched(following),
            )
        )
        seen = following
        if left or truncated:
            fates.add(left)
            (seen, _), (flat_X, _) = plain.reset(seed=step), wrapped.reset(seed=step)
    assert True in fates
    buffer = agent.model.replay_buffer
    columns = ("observations", "next_observations", "actions", "rewards", "dones")
    for name, expected in zip(columns, zip(*rows, strict=True), strict=True):
        np.testing.assert_array_equal(getattr(buffer, name)[:60, 0], np.array(expected))


def test_each_user_explores_by_a_coin_of_their_own_and_random_actions_are_free_candidates() -> None:
    spec = make_spec(candidates=6, slate=2)
    agent = build("sb3_dqn", spec, num_users=4000, buffer_size=8000, target_update_interval=4000)
    assert isinstance(agent, SB3DQN)
    agent.model.num_timesteps = agent.total // 20
    assert agent.epsilon == pytest.approx(0.525)
    observation = make_observation(spec, 4000, torch.Generator().manual_seed(0))
    greedy_BK, slate_BK = agent.act(observation, explore=False), agent.act(observation, explore=True)
    share = float((greedy_BK[:, 0] == slate_BK[:, 0]).float().mean())
    assert share == pytest.approx(1 - 0.525 * 5 / 6, abs=0.03)
    agent.settings = dataclasses.replace(agent.settings, learning_starts=agent.total)
    assert agent.epsilon == 1.0
    slate_BK = agent.act(observation, explore=True)
    counts_MM = torch.bincount(slate_BK[:, 0] * 6 + slate_BK[:, 1], minlength=36).view(6, 6)
    assert counts_MM.diagonal().sum() == 0
    assert int(counts_MM.max()) < 4000 / 30 * 1.4


def test_dqn_trains_as_often_as_stable_baselines3_would_and_where_a_slate_ends() -> None:
    loop = Loop(SPEC)
    agent = build("sb3_dqn", SPEC, train_freq=3, gradient_steps=5, learning_starts=32)
    updates = [int(loop.step(agent).get("train/n_updates", 0)) for _ in range(6)]
    # Two actions a slate: after actions 2, 4, 6, 8, 10, 12; due at 3, 6, 9, 12. Learning starts after 32 user-actions.
    assert updates == [0, 5, 10, 0, 15, 20]
    agent = build("sb3_dqn", SPEC, train_freq=1, gradient_steps=None)
    assert [int(loop.step(agent).get("train/n_updates", 0)) for _ in range(5)] == [0, 0, 0, 8, 16]


class Signpost:
    """Four candidates, two shown; the one that the user names pays 1 in the first slot. A random slate earns 1/4."""

    SPEC = Spec(
        num_candidates=4,
        slate_size=2,
        num_items=4,
        shapes={"user": (4,), "candidates": (4, 1), "response": (2, 2)},
        response_columns=("click", "reward"),
        neutral_response=(0.0, 0.0),
    )

    def __init__(self, batch: int, seed: int) -> None:
        self.batch, self.generator = batch, torch.Generator().manual_seed(seed)

    def observe(self) -> Observation:
        """Draw what pays."""
        paying_B = torch.randint(4, (self.batch,), generator=self.generator)
        response = torch.zeros(self.batch, 2, 2)
        user_B4 = torch.nn.functional.one_hot(paying_B, 4).float()
        return {"user": user_B4, "candidates": torch.zeros(self.batch, 4, 1), "response": response}

    def paid(self, observation: Observation, slate_BK: torch.Tensor) -> torch.Tensor:
        """Return what the first slot earns, (B,)."""
        return observation["user"].gather(1, slate_BK)[:, 0]

    def step(self, agent: Agent, observation: Observation, explore: bool) -> Transition:
        """Show slates."""
        slate_BK, notes = choose(agent, observation) if explore else (agent.act(observation), {})
        reward_B = self.paid(observation, slate_BK)
        return Transition(
            observation=observation,
            slate=slate_BK,
            response=torch.zeros(self.batch, 2, 2),
            reward=reward_B,
            discount=torch.ones(self.batch),
            last=torch.zeros(self.batch, dtype=torch.bool),
            next_observation=self.observe(),
            notes=notes,
        )


class Paying(Signpost):
    """As the signpost, but nothing tells which of the four pays but that its id is 0; they stand in any order."""

    SPEC = dataclasses.replace(Signpost.SPEC, num_items=9, shapes=Signpost.SPEC.shapes | {"candidate_ids": (4,)})

    def observe(self) -> Observation:
        """Draw the candidates: id 0 and three others."""
        seen = super().observe()
        place_B1 = seen["user"].argmax(dim=1, keepdim=True)
        others_BM = 1 + torch.randint(8, (self.batch, 4), generator=self.generator)
        ids_BM = others_BM.scatter(1, place_B1, 0)
        return {**seen, "user": torch.zeros(self.batch, 4), "candidate_ids": ids_BM}

    def paid(self, observation: Observation, slate_BK: torch.Tensor) -> torch.Tensor:
        """Return what the first slot earns, (B,)."""
        return (observation["candidate_ids"].gather(1, slate_BK)[:, 0] == 0).float()


PPO = {"learning_rate": 5e-3, "n_steps": 8, "batch_size": 128, "n_epochs": 5, "gamma": 0.5}
EAGER: dict[str, tuple[int, dict[str, Any]]] = {
    "sb3_ppo": (64, PPO),
    "sb3_a2c": (120, {"learning_rate": 1e-2, "n_steps": 2, "gamma": 0.5}),
    "sb3_maskable_ppo": (64, PPO),
    "sb3_dqn": (60, {"learning_rate": 3e-3, "buffer_size": 20_000, "batch_size": 64, "gradient_steps": 8}),
}


@pytest.mark.parametrize("name", EAGER)
def test_it_learns_to_follow_a_signpost(name: str) -> None:
    if name == "sb3_maskable_ppo":
        pytest.importorskip("sb3_contrib")
    steps, settings = EAGER[name]
    if name == "sb3_dqn":
        settings = settings | {"discount": 0.0, "target_update_interval": 256, "train_freq": 2}
    world = Signpost(64, seed=1)
    agent = build(name, Signpost.SPEC, num_users=64, num_steps=steps, **settings, net_arch=(32,))
    observation = world.observe()
    for _ in range(steps):
        transition = world.step(agent, observation, explore=True)
        agent.update(transition)
        observation = transition.next_observation
    fresh = Signpost(1000, seed=2)
    assert float(fresh.step(agent, fresh.observe(), explore=False).reward.mean()) > 0.97

"""What holds for every agent of the table; an agent that is added there is tested by itself."""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from sketches import Loop, agent_class, build, make_observation, make_spec, make_transition, same, snapshot, train
from toy import Toy, ToySettings

from agents import AGENTS
from agents.protocol import Agent, choose
from envs.interface import Observation, Tensors

INSTALLED = [name for name in AGENTS if name != "sb3_maskable_ppo" or importlib.util.find_spec("sb3_contrib")]
CASES: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in INSTALLED}
CASES |= {"slateq_given": ("slateq_given", {"choice": "multinomial_logit"})}
CASES |= {"slateq-match": ("slateq", {"choice": "learnt_by_match"})}
CASES |= {"dqn-replay": ("dqn", {"replay": 200}), "dqn-single": ("dqn", {"double": False})}
CASES |= {
    "dqn-dueling": ("dqn", {"dueling": True}),
    "dqn-rainbow": ("dqn", {"replay": 200, "steps": 3, "priority": 0.6, "updates": 2, "dueling": True}),
    "dqn-steps": ("dqn", {"replay": 200, "steps": 3, "learning_starts": 60}),
    "dqn-priority": ("dqn", {"replay": 200, "priority": 0.6}),
    "dqn_slate-ordered": ("dqn_slate", {"ordered": True, "replay": 200, "double": False}),
    "wolpertinger-replay": ("wolpertinger", {"replay": 200, "distance": "euclidean", "double": False}),
}
BY_CHANCE = {"random"}
"""Policies whose slates are drawn even when they do not explore: their random stream is all the state they have."""
BY_POSITION = {name for name in AGENTS if name.startswith("sb3_")}
"""Agents that read all candidates as one flat vector: the same candidate is another action at another position."""
STREAMS = ("generator", "numpy.keys", "numpy.position")
"""Names under which random streams are saved."""
LEARNERS = [case for case, (name, _) in CASES.items() if agent_class(name).METRICS]
SPECS = {
    "plain": make_spec(),
    "answers": make_spec(answers=2),
    "static": make_spec(static=True),
    "one slot": make_spec(slate=1),
    "all shown": make_spec(candidates=3, slate=3),
}
SPEC = make_spec(answers=1)

every_case = pytest.mark.parametrize("case", CASES)
every_learner = pytest.mark.parametrize("case", LEARNERS)
without_chance = pytest.mark.parametrize("case", [case for case in CASES if case not in BY_CHANCE])


def make(case: str, spec: Any = SPEC, **settings: Any) -> Agent:
    name, fixed = CASES[case]
    sizes = {key: settings.pop(key) for key in ("num_users", "num_steps", "seed") if key in settings}
    return build(name, spec, **sizes, **(fixed | settings))


def trained(case: str, steps: int = 14, **settings: Any) -> Agent:
    return Loop(SPEC).steps(make(case, **settings), steps)


def observe(batch: int = 8, seed: int = 11) -> Observation:
    return make_observation(SPEC, batch, torch.Generator().manual_seed(seed))


@every_case
@pytest.mark.parametrize("explore", [False, True])
@pytest.mark.parametrize("sizes", SPECS)
def test_slates_are_positions_without_repeats(case: str, explore: bool, sizes: str) -> None:
    spec = SPECS[sizes]
    agent, loop = make(case, spec), Loop(spec)
    for _ in range(10):
        slate_BK = agent.act(loop.observation, explore)
        assert slate_BK.shape == (16, spec.slate_size)
        assert slate_BK.dtype == torch.int64
        assert int(slate_BK.min()) >= 0
        assert int(slate_BK.max()) < spec.num_candidates
        ordered = slate_BK.sort(dim=1).values
        assert (ordered[:, 1:] > ordered[:, :-1]).all()
        loop.step(agent)


@every_case
def test_it_lives_through_the_toy_environment(case: str) -> None:
    simulator = Toy(ToySettings(), device="cpu")
    agent = make(case, simulator.spec)
    train(agent, simulator, num_users=16, num_steps=20)
    assert all(value.isfinite().all() for value in agent.state_dict().values())


@without_chance
@pytest.mark.parametrize("steps", [0, 2, 4, 9])
def test_acting_without_exploration_leaves_no_trace(case: str, steps: int) -> None:
    ours, theirs = trained(case, steps), trained(case, steps)
    before = snapshot(ours)
    for seed in range(3):
        ours.act(observe(5, seed), explore=False)
    assert same(before, ours.state_dict())
    for agent in (ours, theirs):
        Loop(SPEC, seed=1).steps(agent, 7)
    assert same(ours.state_dict(), theirs.state_dict())


@without_chance
def test_acting_between_exploration_and_learning_changes_nothing(case: str) -> None:
    def step(agent: Agent, loop: Loop, distract: bool) -> Tensors:
        slate_BK, notes = choose(agent, loop.observation)
        if distract:
            agent.act(observe(16, 5), explore=False)
        transition, loop.observation = make_transition(SPEC, loop.observation, slate_BK, loop.generator, notes)
        return agent.update(transition)

    calm, busy = make(case), make(case)
    calm_loop, busy_loop = Loop(SPEC), Loop(SPEC)
    for _ in range(9):
        assert same(step(calm, calm_loop, False), step(busy, busy_loop, True))
    assert same(calm.state_dict(), busy.state_dict())


@every_case
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 6, 11])
def test_a_saved_agent_goes_on_to_the_bit(case: str, steps: int, tmp_path: Path) -> None:
    ours = trained(case, steps)
    safetensors.torch.save_file({name: value.clone() for name, value in ours.state_dict().items()}, tmp_path / "saved")
    theirs = trained(case, 9, seed=5)
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "saved"))
    assert same(ours.state_dict(), theirs.state_dict())
    our_loop, their_loop = Loop(SPEC, seed=2), Loop(SPEC, seed=2)
    for _ in range(9):
        assert same(our_loop.step(ours), their_loop.step(theirs))
    assert same(ours.state_dict(), theirs.state_dict())
    assert torch.equal(ours.act(observe(), False), theirs.act(observe(), False))


@every_case
def test_an_agent_saved_between_acting_and_learning_goes_on_to_the_bit(case: str) -> None:
    ours, loop = make(case), Loop(SPEC)
    loop.steps(ours, 6)
    slate_BK, notes = choose(ours, loop.observation)
    theirs = trained(case, 5, seed=5)
    theirs.load_state_dict(snapshot(ours))
    transition, _ = make_transition(SPEC, loop.observation, slate_BK, loop.generator, notes)
    for agent in (ours, theirs):
        agent.update(transition)
        Loop(SPEC, seed=2).steps(agent, 9)
    assert same(ours.state_dict(), theirs.state_dict())


@every_case
def test_what_choosing_leaves_behind_is_its_notes_and_a_later_stream(case: str) -> None:
    ours, loop = make(case), Loop(SPEC)
    loop.steps(ours, 6)
    theirs, before = trained(case, 5, seed=5), snapshot(ours)
    slate_BK, notes = choose(ours, loop.observation)
    after = snapshot(ours)
    streams = {name: after[name] for name in STREAMS if name in after}
    assert same(before | streams, after)
    theirs.load_state_dict(before | streams)
    transition, _ = make_transition(SPEC, loop.observation, slate_BK, loop.generator, notes)
    for agent in (ours, theirs):
        agent.update(transition)
        Loop(SPEC, seed=2).steps(agent, 9)
    assert same(ours.state_dict(), theirs.state_dict())


@every_case
def test_acting_with_exploration_is_choosing_without_the_notes(case: str) -> None:
    ours, theirs = trained(case, 6), trained(case, 6)
    assert torch.equal(ours.act(observe(16), explore=True), choose(theirs, observe(16))[0])
    assert same(ours.state_dict(), theirs.state_dict())


@without_chance
def test_it_does_not_explore_unless_asked(case: str) -> None:
    agent = trained(case, 6)
    assert torch.equal(agent.act(observe()), agent.act(observe(), explore=False))


@every_learner
def test_a_state_of_a_sibling_trained_further_is_replaced_as_a_whole(case: str) -> None:
    fresh, far = make(case), trained(case, 14)
    far.load_state_dict(snapshot(fresh))
    assert same(fresh.state_dict(), far.state_dict())
    for agent in (fresh, far):
        Loop(SPEC, seed=2).steps(agent, 9)
    assert same(fresh.state_dict(), far.state_dict())


@every_case
def test_a_state_from_another_kind_of_device_can_be_loaded(case: str) -> None:
    """A stream of CUDA is 16 bytes; it cannot go on here, and a new one is made of it."""
    ours, theirs, other = trained(case), trained(case, seed=5), trained(case, seed=6)
    saved = snapshot(ours)
    theirs.load_state_dict(saved | {"generator": torch.arange(16, dtype=torch.uint8)})
    other.load_state_dict(saved | {"generator": torch.arange(16, dtype=torch.uint8)})
    assert torch.equal(theirs.act(observe(), False), other.act(observe(), False))
    assert same(theirs.state_dict(), other.state_dict())
    if case not in BY_CHANCE:
        assert torch.equal(theirs.act(observe(), False), ours.act(observe(), False))


def shapes(agent: Agent) -> dict[str, torch.Size]:
    return shapes_of(agent.state_dict())


@functools.cache
def known_state(case: str) -> Tensors:
    return snapshot(trained(case))


def shapes_of(state: Tensors) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items() if not name.startswith("rollout")}


@every_case
def test_another_kind_of_agents_state_is_refused(case: str) -> None:
    ours, own = make(case), shapes_of(known_state(case))
    for other in CASES:
        if shapes_of(known_state(other)) == own:  # the two keep the same kind of state
            continue
        with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
            ours.load_state_dict(dict(known_state(other)))


@every_learner
@pytest.mark.parametrize("spec", [make_spec(optional=False), make_spec(answers=3)], ids=["fewer keys", "more answers"])
def test_a_state_of_another_shape_is_refused(case: str, spec: Any) -> None:
    ours, theirs = trained(case), make(case, spec)
    if shapes(make(case)) == shapes(theirs):
        pytest.skip("these sizes do not matter to it")
    with pytest.raises(ValueError, match=r"\w+ \w+ \w+"):
        ours.load_state_dict(theirs.state_dict())


@without_chance
@pytest.mark.parametrize("steps", [0, 20])
def test_a_batch_gets_what_each_of_its_rows_gets_alone(case: str, steps: int) -> None:
    agent, observation = trained(case, steps), observe(12)
    together = agent.act(observation, explore=False)
    rows = [{key: value[row : row + 1] for key, value in observation.items()} for row in range(12)]
    alone = torch.cat([agent.act(row, explore=False) for row in rows])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("case", [case for case in CASES if case not in BY_CHANCE | BY_POSITION])
def test_the_order_of_candidates_does_not_matter(case: str) -> None:
    agent, observation = trained(case, 40), observe(32)
    keys = [key for key in ("candidates", "candidate_ids", "popularity") if key in observation]
    order = torch.randperm(SPEC.num_candidates, generator=torch.Generator().manual_seed(0))
    permuted = observation | {key: observation[key][:, order] for key in keys}
    chosen = observation["candidate_ids"].gather(1, agent.act(observation, False)).sort(dim=1).values
    again = permuted["candidate_ids"].gather(1, agent.act(permuted, False)).sort(dim=1).values
    assert torch.equal(chosen, again)


@every_case
def test_it_does_without_what_is_optional(case: str) -> None:
    name, _ = CASES[case]
    spec = make_spec(optional=False)
    if not set(agent_class(name).NEEDS) <= spec.shapes.keys():
        pytest.skip("it needs more, and says so")
    agent = Loop(spec).steps(make(case, spec), 12)
    observation = make_observation(spec, 4, torch.Generator().manual_seed(0))
    assert agent.act(observation, False).shape == (4, 2)


@every_case
def test_it_needs_no_more_than_it_declares(case: str) -> None:
    name, _ = CASES[case]
    needs = agent_class(name).NEEDS
    full = make_spec()
    kept = {"candidates", *needs}
    spec = dataclasses.replace(
        full, shapes={key: shape for key, shape in full.shapes.items() if key in kept | {"response"}}
    )
    observation = make_observation(full, 4, torch.Generator().manual_seed(0))
    agent = make(case, spec)
    assert agent.act({key: value for key, value in observation.items() if key in kept}, False).shape == (4, 2)


@every_case
def test_metrics_are_those_it_declares(case: str) -> None:
    name, _ = CASES[case]
    agent, loop = make(case), Loop(SPEC)
    steps = [loop.step(agent) for _ in range(12)]
    declared = {metric.name for metric in agent_class(name).METRICS}
    assert {key for learnt in steps for key in learnt} == declared
    for learnt in steps:
        assert learnt.keys() in (set(), declared)
        for value in learnt.values():
            assert isinstance(value, torch.Tensor)
            assert value.shape == ()
            assert value.isfinite()
            assert not value.requires_grad


@every_case
def test_two_with_one_seed_are_one(case: str) -> None:
    torch.manual_seed(0)
    ours = trained(case, 14)
    torch.manual_seed(1)
    theirs = trained(case, 14)
    assert same(ours.state_dict(), theirs.state_dict())


@every_case
def test_the_global_random_state_is_left_alone(case: str) -> None:
    before = torch.get_rng_state()
    trained(case, 6)
    assert torch.equal(torch.get_rng_state(), before)


@every_learner
def test_a_twin_with_discount_zero_learns_without_acting(case: str) -> None:
    if not hasattr(agent_class(CASES[case][0]).Settings, "discount"):
        pytest.skip("it learns from its own slates alone")
    agent, twin = make(case), make(case, discount=0.0)
    before, loop = snapshot(twin), Loop(SPEC)
    for _ in range(14):
        slate_BK, notes = choose(agent, loop.observation)
        transition, loop.observation = make_transition(SPEC, loop.observation, slate_BK, loop.generator)
        agent.update(dataclasses.replace(transition, notes=notes))
        twin.update(transition)
    assert not same(before, twin.state_dict())
    assert twin.act(observe(), explore=False).shape == (8, 2)


@every_learner
def test_it_learns_with_its_own_settings(case: str) -> None:
    name, fixed = CASES[case]
    cls = agent_class(name)
    agent = cls(SPEC, cls.Settings(**fixed), device=torch.device("cpu"), seed=0, num_users=16, num_steps=20)
    loop = Loop(SPEC)
    assert any(loop.step(agent) for _ in range(20))


BAD: dict[str, list[Any]] = {
    "discount": [1.1, -0.1, float("nan")],
    "trace": [1.1, -0.1],
    "average": [-0.1, 1.0],
    "history_length": [0],
    "rollout": [0],
    "minibatch": [0],
    "hidden": [0, 1],
    "embedding": [0],
    "learning_rate": [0.0, -1.0],
    "reward_scale": [0.0],
    "max_gradient_norm": [0.0],
    "choice_weight": [-1.0],
    "answer_weight": [-1.0],
    "polyak": [0.0, 1.5],
    "replay": [-1],
    "steps": [0, 3],
    "updates": [0, 2],
    "priority": [-0.1, 1.1, 0.5],
    "importance": [-0.1, 1.1],
    "epochs": [0],
    "max_slates": [0],
    "neighbours": [0],
    "noise": [-1.0, float("nan")],
    "step_size": [0.0, 2.0],
    "state_clusters": [0],
    "item_clusters": [0],
    "alpha": [-1.0, float("nan")],
    "ridge": [0.0],
    "features": [0],
    "refit": [0],
    "balance": [-0.1, 1.1],
    "cap": [0],
    "topics": [0],
    "warmup": [0],
    "entropy": [-1.0],
    "value_weight": [-1.0],
    "clip": [0.0],
    "weight_cap": [0.0],
    "gamma": [1.1, -0.1, float("nan")],
    "gae_lambda": [1.1, -0.1],
    "n_steps": [0],
    "batch_size": [0],
    "n_epochs": [0],
    "clip_range": [0.0],
    "clip_range_vf": [0.0],
    "target_kl": [0.0],
    "ent_coef": [-1.0],
    "vf_coef": [-1.0],
    "max_grad_norm": [0.0],
    "rms_prop_eps": [0.0],
    "max_inputs": [0],
    "buffer_size": [0],
    "learning_starts": [-1],
    "train_freq": [0],
    "gradient_steps": [0],
    "target_update_interval": [0],
    "tau": [0.0, 1.5],
    "exploration_fraction": [1.5],
    "exploration_initial_eps": [1.5],
    "exploration_final_eps": [-0.5],
}


@pytest.mark.parametrize("name", AGENTS)
def test_settings_that_cannot_be_are_refused_in_a_sentence(name: str) -> None:
    settings: Callable[..., Any] = agent_class(name).Settings
    for field in dataclasses.fields(agent_class(name).Settings):
        for value in BAD.get(field.name, []):
            with pytest.raises(ValueError, match=rf"{field.name} is {value}; it "):
                settings(**{field.name: value})


def test_a_replay_smaller_than_a_step_is_refused_before_training() -> None:
    with pytest.raises(ValueError, match="replay is 8, but each step brings 16 rows"):
        build("dqn", SPEC, replay=8)

"""What holds for every agent of the table; an agent that is added there is tested by itself."""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sketches import Loop, agent_class, build, live, make_observation, make_spec, make_transition, same, snapshot
from toy import Toy, ToySettings

from agents import AGENTS
from agents.protocol import Agent, choose
from envs.interface import Observation, Tensors
from experiments.checking.agents import AGENT_CHECKS
from experiments.checking.learning import its_metrics_are_those_declared
from experiments.checking.small_settings import small_agent
from experiments.checking.subjects import AgentSubject
from experiments.checking.verdicts import NotChecked

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
BY_CHANCE = {name for name in INSTALLED if getattr(agent_class(name), "BY_CHANCE", False)}
BY_POSITION = {name for name in AGENTS if name.startswith("sb3_")}
"""Agents that read all candidates as one flat vector: the same candidate is another action at another position."""
STREAMS = ("generator", "numpy.keys", "numpy.position")
"""Names under which random streams are saved."""
LEARNERS = [case for case, (name, _) in CASES.items() if agent_class(name).METRICS]
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


@functools.cache
def subject(case: str) -> AgentSubject:
    name, fixed = CASES[case]
    cls = agent_class(name)
    return AgentSubject(cls=cls, settings=cls.Settings(**(small_agent(cls.Settings) | fixed)))


@every_case
@pytest.mark.parametrize("check", AGENT_CHECKS, ids=lambda check: check.__name__)
def test_it_passes_the_check(case: str, check: Callable[[AgentSubject], None]) -> None:
    """What `slatelab check` finds in an agent of anybody's."""
    try:
        check(subject(case))
    except NotChecked as reason:
        assert check is not its_metrics_are_those_declared, "it learns nothing while it is checked"
        pytest.skip(str(reason))


@every_case
def test_it_lives_through_the_toy_environment(case: str) -> None:
    simulator = Toy(ToySettings(), device="cpu")
    agent = make(case, simulator.spec)
    live(agent, simulator, num_users=16, num_steps=20)
    assert all(value.isfinite().all() for value in agent.state_dict().values())


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


@without_chance
def test_it_does_not_explore_unless_asked(case: str) -> None:
    agent = trained(case, 6)
    assert torch.equal(agent.act(observe()), agent.act(observe(), explore=False))


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

"""What an agent is and shows: its form, its slates, and what it makes of what it is given."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from agents.protocol import Agent, choose
from envs.interface import Metric, Transition
from experiments.checking.comparing import copied, difference
from experiments.checking.showing import check_slate
from experiments.checking.sketches import OPTIONAL, USERS, make_spec, make_transition
from experiments.checking.subjects import ALWAYS, AgentSubject, live
from experiments.checking.verdicts import CheckFailed, NotChecked

METHODS = sorted(name for name in vars(Agent) if not name.startswith("_"))
"""What `Agent` asks for."""


def it_has_every_method_and_attribute_of_an_agent(subject: AgentSubject) -> None:
    """It has every method and attribute of an agent."""
    cls = subject.cls
    missing = [name for name in ("Settings", "METRICS", "NEEDS", *METHODS) if not hasattr(cls, name)]
    if missing:
        raise CheckFailed(f"it has no {', no '.join(missing)}; see agents.protocol.Agent for what they are")
    if not dataclasses.is_dataclass(cls.Settings):
        raise CheckFailed("Settings is no dataclass; put @dataclass(frozen=True, kw_only=True) above it")
    for metric in cls.METRICS:
        if not isinstance(metric, Metric):
            raise CheckFailed(
                f"METRICS holds {metric!r}, which is no envs.interface.Metric(name, unit, better, meaning)"
            )
    if isinstance(cls.NEEDS, str):
        raise CheckFailed(f'NEEDS is the word "{cls.NEEDS}"; write ("{cls.NEEDS}",)')
    shown = ALWAYS + OPTIONAL if subject.simulator is None else tuple(subject.simulator.spec.shapes)
    unknown = sorted(subject.needs - set(shown))
    if unknown:
        raise CheckFailed(
            f"it needs the observation {', '.join(unknown)}, which is not shown here (there are {', '.join(shown)}); "
            "if your own environment shows it, name it with --env"
        )
    agent = subject.build()
    absent = [name for name in ("spec", "settings") if not hasattr(agent, name)]
    if absent:
        raise CheckFailed(f"it keeps no {' and no '.join(absent)}; set self.{absent[0]} when it is built")


def slates_are_positions_without_repeats(subject: AgentSubject) -> None:
    """Slates are positions of candidates, as many as there are slots, none twice."""
    specs = {"its own sizes": subject.spec}
    if subject.simulator is None:
        told = subject.told("candidate_ids", "popularity")
        specs = {
            "usual sizes": make_spec(optional=told),
            "answers beside click and reward": make_spec(optional=told, answers=2),
            "items that stay the same": make_spec(optional=told, static=True),
            "a slate of one slot": make_spec(optional=told, slate=1),
            "as many slots as candidates": make_spec(optional=told, candidates=3, slate=3),
            "budget and history": make_spec(optional=OPTIONAL),
        }
    for sizes, spec in specs.items():
        agent, loop = subject.build(spec), subject.loop(spec)
        exploring = "choose" if hasattr(agent, "choose") else "act(explore=True)"
        for _ in range(10):
            slates = {"act(explore=False)": agent.act(loop.observation, explore=False)}
            slates[exploring] = choose(agent, loop.observation)[0]
            for who, slate_BK in slates.items():
                check_slate(f"with {sizes} {who}", slate_BK, (USERS, spec.slate_size), spec.num_candidates)
            loop.step(agent)


def a_row_gets_alone_what_it_gets_in_a_batch(subject: AgentSubject) -> None:
    """A user alone gets the slate that the same user gets in a batch."""
    _skip_by_chance(subject)
    for steps in (0, 20):
        agent, observation = subject.trained(steps), subject.observe(12)
        together = agent.act(observation, explore=False)
        for row in range(12):
            alone = agent.act({name: value[row : row + 1] for name, value in observation.items()}, explore=False)
            if not torch.equal(alone, together[row : row + 1]):
                raise CheckFailed(
                    f"a user alone gets the slate {alone.tolist()[0]}, but {together[row].tolist()} in a batch of 12; "
                    "compute each row from its own row (no mean over users)"
                )


def it_needs_no_more_than_it_declares(subject: AgentSubject) -> None:
    """It does without every observation that is optional and not named in NEEDS."""
    if subject.simulator is not None:
        raise NotChecked("it is checked in an environment of its own")
    spec = make_spec(optional=subject.told(), answers=1)
    try:
        agent = subject.loop(spec).steps(subject.build(spec), 12)
        agent.act(subject.observe(4, spec=spec), explore=False)
    except KeyError as error:
        raise CheckFailed(
            f"it reads the observation {error}, which not every environment shows; name it in NEEDS, "
            "or look into spec.shapes whether it is there"
        ) from error


def acting_without_exploration_leaves_no_trace(subject: AgentSubject) -> None:
    """Acting without exploration changes neither its state nor what it learns later."""
    _skip_by_chance(subject)
    for steps in (0, 3, 9):
        ours, theirs = subject.trained(steps), subject.trained(steps)
        before = copied(ours.state_dict())
        for seed in range(3):
            ours.act(subject.observe(5, seed), explore=False)
        entry = difference(before, ours.state_dict())
        if entry:
            raise CheckFailed(
                f'act(observation, explore=False) changes "{entry}" of its state_dict; '
                "draw from its random stream, count and learn in update or where explore is True"
            )
        for agent in (ours, theirs):
            subject.loop(seed=1).steps(agent, 7)
        entry = difference(ours.state_dict(), theirs.state_dict())
        if entry:
            raise CheckFailed(
                f'"{entry}" of its state_dict becomes another one if act(observation, explore=False) was called '
                "before; remember nothing there"
            )


def acting_between_exploration_and_learning_changes_nothing(subject: AgentSubject) -> None:
    """Acting without exploration between a step and learning from it changes nothing."""
    _skip_by_chance(subject)
    calm, busy = subject.build(), subject.build()
    calm_loop, busy_loop = subject.loop(), subject.loop()
    for _ in range(9):
        learnt = []
        for agent, loop in ((calm, calm_loop), (busy, busy_loop)):
            slate_BK, notes = choose(agent, loop.observation)
            if agent is busy:
                agent.act(subject.observe(USERS, 5), explore=False)
            transition, loop.observation = make_transition(loop.spec, loop.observation, slate_BK, loop.generator, notes)
            learnt.append(agent.update(transition))
        entry = difference(learnt[0], learnt[1]) or difference(calm.state_dict(), busy.state_dict())
        if entry:
            raise CheckFailed(
                f'"{entry}" becomes another one if act(observation, explore=False) is called between '
                "act(observation, explore=True) and update; remember nothing there"
            )


def what_it_is_given_stays_as_it_was(subject: AgentSubject) -> None:
    """It writes into neither observations nor transitions."""
    agent, loop = subject.build(), subject.loop()
    for _ in range(8):
        before = copied(loop.observation)
        agent.act(loop.observation, explore=False)
        slate_BK, notes = choose(agent, loop.observation)
        entry = difference(before, loop.observation)
        if entry:
            raise CheckFailed(f'act writes into observation["{entry}"], which is not its own; compute a new tensor')
        transition, following = make_transition(loop.spec, loop.observation, slate_BK, loop.generator, notes)
        kept = copied(_flat(transition))
        agent.update(transition)
        entry = difference(kept, _flat(transition))
        if entry:
            raise CheckFailed(f"update writes into transition.{entry}, which is not its own; compute a new tensor")
        loop.observation = following


def it_notes_a_row_for_each_user(subject: AgentSubject) -> None:
    """If it has choose, that gives the slates of act with exploration, and notes: a row for each user."""
    agent, twin, observation = subject.trained(6), subject.trained(6), subject.observe(USERS)
    try:
        slate_BK, notes = choose(agent, observation)
        named = dict(notes)
    except (TypeError, ValueError) as error:
        raise CheckFailed(f"choose has to return slates and a dict of notes ({error})") from error
    for name, value in named.items():
        if not isinstance(value, Tensor) or value.shape[:1] != (USERS,):
            form = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise CheckFailed(
                f'choose notes "{name}" as {form}, expected a tensor with a row for each of {USERS} users'
            )
    if difference({"slates": slate_BK}, {"slates": twin.act(observation, explore=True)}):
        raise CheckFailed("choose gives other slates than act(observation, explore=True); let one call the other")


def it_lives_in_an_environment(subject: AgentSubject) -> None:
    """It learns in a small environment, and all that it keeps stays finite."""
    simulator = subject.world()
    if simulator is None:
        raise NotChecked("no small environment shows all that it needs")
    agent = subject.build(simulator.spec, num_steps=20)
    live(agent, simulator, num_users=USERS, num_steps=20)
    for name, value in agent.state_dict().items():
        if not value.isfinite().all():
            raise CheckFailed(f'"{name}" of its state_dict holds NaN or infinity after 20 steps')


def _skip_by_chance(subject: AgentSubject) -> None:
    if subject.by_chance:
        raise NotChecked("it says BY_CHANCE: its slates are drawn even without exploration")


def _flat(transition: Transition) -> dict[str, Tensor]:
    """Return all tensors of a transition by their names."""
    tensors: dict[str, Any] = {}
    for field in dataclasses.fields(transition):
        value = getattr(transition, field.name)
        nested = isinstance(value, Mapping)
        tensors |= {f'{field.name}["{name}"]': value[name] for name in value} if nested else {field.name: value}
    return tensors


CHECKS = (
    it_has_every_method_and_attribute_of_an_agent,
    slates_are_positions_without_repeats,
    a_row_gets_alone_what_it_gets_in_a_batch,
    it_needs_no_more_than_it_declares,
    what_it_is_given_stays_as_it_was,
    acting_without_exploration_leaves_no_trace,
    acting_between_exploration_and_learning_changes_nothing,
    it_notes_a_row_for_each_user,
    it_lives_in_an_environment,
)

"""How an agent learns: what it reports, by which random numbers, and as a twin that never acts."""

import dataclasses

import torch
from torch import Tensor

from agents.protocol import choose
from experiments.checking.comparing import difference, global_numbers_used
from experiments.checking.sketches import make_transition
from experiments.checking.subjects import AgentSubject, snapshot
from experiments.checking.verdicts import CheckFailed, NotChecked


def its_metrics_are_those_declared(subject: AgentSubject) -> None:
    """What update returns is the finite numbers that METRICS names, or nothing."""
    agent, loop = subject.build(), subject.loop()
    declared = {metric.name for metric in subject.cls.METRICS}
    learnt = False
    for _ in range(40):
        metrics = loop.step(agent)
        if not isinstance(metrics, dict):
            raise CheckFailed(f"update returns {type(metrics).__name__}; return a dict, empty if nothing was learnt")
        for name in sorted(metrics.keys() - declared):
            raise CheckFailed(f'update returns the metric "{name}", which METRICS does not declare; add it there')
        if metrics and metrics.keys() != declared:
            raise CheckFailed(
                f"update returns no {', no '.join(sorted(declared - metrics.keys()))}, which METRICS declares"
            )
        for name, value in metrics.items():
            _check_number(name, value)
        learnt = learnt or bool(metrics)
    if declared and not learnt:
        raise NotChecked("update returned nothing in 40 steps of 16 users; check it with settings that soon learn")


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, Tensor) or value.shape != ():
        form = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise CheckFailed(f'the metric "{name}" is {form}, expected a tensor of one number, ()')
    if value.requires_grad:
        raise CheckFailed(f'the metric "{name}" carries its gradient, so that memory grows; return .detach() of it')
    if not value.isfinite():
        raise CheckFailed(f'the metric "{name}" is {value.item()}')


def two_with_one_seed_are_one(subject: AgentSubject) -> None:
    """Two with one seed are one: every random number follows from the seed it is given."""
    ours, theirs = subject.trained(), subject.trained()
    entry = difference(ours.state_dict(), theirs.state_dict())
    if entry:
        raise CheckFailed(
            f'"{entry}" of the state_dict differs between two with one seed; draw every random number, '
            "that of the first weights too, from torch.Generator(device).manual_seed(seed)"
        )


def it_leaves_global_random_numbers_alone(subject: AgentSubject) -> None:
    """The global random numbers of torch, numpy and Python are neither read nor seeded."""
    whose = global_numbers_used(lambda: subject.trained(6))
    if whose:
        raise CheckFailed(
            f"it draws or seeds the global random numbers of {whose}; draw from a generator of its own, "
            "torch.Generator(device).manual_seed(seed), the first weights too"
        )


def a_twin_learns_without_acting(subject: AgentSubject) -> None:
    """With a setting discount, a twin with discount 0 learns from steps that another one took."""
    if not hasattr(subject.build().settings, "discount"):
        raise NotChecked("it has no setting discount, so it gets no myopic twin")
    agent, twin = subject.build(), subject.build(discount=0.0)
    before, loop = snapshot(twin), subject.loop()
    learnt = False
    for _ in range(14):
        slate_BK, notes = choose(agent, loop.observation)
        transition, loop.observation = make_transition(loop.spec, loop.observation, slate_BK, loop.generator)
        agent.update(dataclasses.replace(transition, notes=notes))
        learnt = bool(twin.update(transition)) or learnt
    if learnt and not difference(before, twin.state_dict()):
        raise CheckFailed("a twin that learns from steps it did not take stays as it was; learn from transition.slate")
    with torch.no_grad():
        twin.act(subject.observe(), explore=False)


CHECKS = (
    its_metrics_are_those_declared,
    two_with_one_seed_are_one,
    it_leaves_global_random_numbers_alone,
    a_twin_learns_without_acting,
)

"""Whether an agent that is saved and loaded goes on as if nothing had happened."""

import safetensors.torch
from torch import Tensor

from agents.protocol import Agent, choose
from envs.interface import Tensors
from experiments.checking.comparing import difference
from experiments.checking.sketches import make_transition
from experiments.checking.subjects import AgentSubject, snapshot
from experiments.checking.verdicts import CheckFailed

CURE = "state_dict has to hold everything that the future depends on: weights, optimiser, counts, random stream"


def its_state_is_named_tensors(subject: AgentSubject) -> None:
    """Its state_dict is tensors by name."""
    state = subject.trained().state_dict()
    if not isinstance(state, dict):
        raise CheckFailed(f"state_dict gives {type(state).__name__}, expected a dict of tensors")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckFailed(
                f'state_dict gives "{name}" as {type(value).__name__}, expected a tensor; '
                "a number is torch.tensor(number)"
            )


def a_saved_agent_goes_on_to_the_bit(subject: AgentSubject) -> None:
    """One that is saved and loaded goes on to the bit, whenever it is saved."""
    for steps in (0, 1, 3, 6, 11):
        ours, theirs = subject.trained(steps), subject.trained(9, seed=5)
        theirs.load_state_dict(_through_a_file(snapshot(ours)))
        _check_alike(subject, ours, theirs, f"saved after {steps} steps")


def an_agent_saved_between_acting_and_learning_goes_on_to_the_bit(subject: AgentSubject) -> None:
    """One that is saved between acting and learning goes on to the bit."""
    ours, loop = subject.build(), subject.loop()
    loop.steps(ours, 6)
    slate_BK, notes = choose(ours, loop.observation)
    theirs = subject.trained(5, seed=5)
    theirs.load_state_dict(_through_a_file(snapshot(ours)))
    transition, _ = make_transition(loop.spec, loop.observation, slate_BK, loop.generator, notes)
    entry = difference(ours.update(transition), theirs.update(transition))
    if entry:
        raise CheckFailed(f'saved between acting and learning, "{entry}" differs; {CURE}, or notes of choose')
    _check_alike(subject, ours, theirs, "saved between acting and learning")


def a_loaded_state_replaces_all_that_was_learnt(subject: AgentSubject) -> None:
    """A state that is loaded replaces all that was learnt before."""
    fresh, far = subject.build(), subject.trained(14)
    far.load_state_dict(snapshot(fresh))
    _check_alike(subject, fresh, far, "saved before the first step, loaded into one that has learnt")


def _through_a_file(state: Tensors) -> Tensors:
    """Return a state as a checkpoint gives it back."""
    content = safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in state.items()})
    loaded: Tensors = safetensors.torch.load(content)
    return loaded


def _check_alike(subject: AgentSubject, ours: Agent, theirs: Agent, when: str) -> None:
    """Refuse one that was loaded and does not go on as the other."""
    entry = difference(ours.state_dict(), theirs.state_dict())
    if entry:
        raise CheckFailed(f'{when}, "{entry}" of the state_dict is another one after load_state_dict')
    our_loop, their_loop = subject.loop(seed=2), subject.loop(seed=2)
    for step in range(1, 10):
        learnt, again = our_loop.step(ours), their_loop.step(theirs)
        entry = difference(learnt, again)
        if entry:
            raise CheckFailed(f'{when}, it goes on otherwise: "{entry}" differs after {step} more steps; {CURE}')
    entry = difference(ours.state_dict(), theirs.state_dict())
    if entry:
        raise CheckFailed(f'{when}, it goes on otherwise: "{entry}" differs after 9 more steps; {CURE}')
    seen = subject.observe()
    if difference({"slate": ours.act(seen, False)}, {"slate": theirs.act(seen, False)}):
        raise CheckFailed(f"{when}, it shows other slates after 9 more steps; {CURE}")


CHECKS = (
    its_state_is_named_tensors,
    a_saved_agent_goes_on_to_the_bit,
    an_agent_saved_between_acting_and_learning_goes_on_to_the_bit,
    a_loaded_state_replaces_all_that_was_learnt,
)

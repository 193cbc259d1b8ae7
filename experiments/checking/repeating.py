"""What is the same again: from equal noise, from a seed, from a saved state, for one user or many."""

from collections.abc import Callable
from typing import Any

import safetensors.torch
import torch

from envs.interface import Tensors
from experiments.checking.comparing import copied, difference, global_numbers_used, rows_of
from experiments.checking.playing import make, scenes, slates, stream, trajectory
from experiments.checking.verdicts import CheckFailed

USERS = 8


def noise_is_drawn_from_the_generator_given(simulator: Any) -> None:
    """Users and noise are drawn from the generator that is given, from nothing else."""
    draws: dict[str, Callable[[torch.Generator], Tensors]] = {
        "sample_users": lambda generator: simulator.sample_users(USERS, "train", generator),
        "start_noise": lambda generator: simulator.start_noise(USERS, generator),
        "step_noise": lambda generator: simulator.step_noise(USERS, generator),
    }
    for name, draw in draws.items():
        one, other = draw(stream(simulator)), draw(stream(simulator))
        entry = difference(one, other)
        if entry:
            raise CheckFailed(
                f'{name} gives another "{entry}" for two generators of one seed: it draws from elsewhere; '
                "give generator=generator to every draw"
            )
        generator = stream(simulator)
        first, second = draw(generator), draw(generator)
        if any(_varies(value) for value in first.values()) and not difference(first, second):
            raise CheckFailed(
                f"{name} draws the same numbers again and again: it has a seed of its own; "
                "give generator=generator to every draw"
            )


def a_step_depends_on_state_slate_and_noise_alone(simulator: Any) -> None:
    """A step depends on state, slate and noise alone: the same three give the same again."""
    played = [(scene, _step(simulator, scene)) for scene in scenes(simulator)]
    for scene, before in played:
        entry = difference(before, _step(simulator, scene))
        if entry:
            raise CheckFailed(
                f"step gives another {entry} for the same state, slate and noise: it draws random numbers itself, or "
                "remembers something outside the state; draw in step_noise and keep everything in the state"
            )


def global_random_numbers_are_left_alone(simulator: Any) -> None:
    """The global random numbers of torch, numpy and Python are neither read nor seeded."""

    def play() -> None:
        env = make(simulator, as_tensors=True)
        env.reset(seed=3)
        for slate_BK in slates(env, 6):
            env.step(slate_BK)
        for policy in simulator.POLICIES.values():
            policy(simulator, env.state)

    whose = global_numbers_used(play)
    if whose:
        raise CheckFailed(
            f"it draws or seeds the global random numbers of {whose}; draw from the generator that is given"
        )


def a_user_alone_fares_as_in_a_batch(simulator: Any) -> None:
    """A user alone fares as the same user in a batch, to 1e-5."""
    generator = stream(simulator)
    users = simulator.sample_users(USERS, "train", generator)
    noise = simulator.start_noise(USERS, generator)
    state = simulator.start(users, noise)
    ones = [simulator.start(rows_of(users, row), rows_of(noise, row)) for row in range(USERS)]
    for slate_BK in slates(make(simulator, USERS), 5):
        shown_BK, noise = slate_BK.to(simulator.device), simulator.step_noise(USERS, generator)
        state, outcome = simulator.step(state, shown_BK, noise)
        together = _named(simulator, state, outcome)
        for row in range(USERS):
            ones[row], one = simulator.step(ones[row], shown_BK[row : row + 1], rows_of(noise, row))
            entry = difference(_named(simulator, ones[row], one), rows_of(together, row), 1e-5)
            if entry:
                raise CheckFailed(
                    f"{entry} of a user alone is not that of the same user in a batch of {USERS}; "
                    "compute each row from its own row"
                )


def one_seed_gives_one_session(simulator: Any) -> None:
    """One seed gives one session, another seed another."""
    env = make(simulator)
    first, again, other = (trajectory(env, seed) for seed in (3, 3, 4))
    for step, (mine, theirs) in enumerate(zip(first, again, strict=True)):
        entry = difference(mine, theirs)
        if entry:
            raise CheckFailed(f"{entry} differs after {step} steps between two sessions with one seed")
    if not any(difference(mine, theirs) for mine, theirs in zip(first, other, strict=True)):
        raise CheckFailed("two seeds give the same session; draw users and noise from the generator")


def a_saved_session_goes_on_to_the_bit(simulator: Any) -> None:
    """A session that is saved and loaded goes on to the bit."""
    env, other = (make(simulator, as_tensors=True) for _ in range(2))
    env.reset(seed=0)
    for slate_BK in slates(env, 7):
        env.step(slate_BK)
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in env.state_dict().items()}
    other.load_state_dict(safetensors.torch.load(safetensors.torch.save(tensors)))
    for slate_BK in slates(env, 20, seed=1):
        (mine, *_), (theirs, *_) = env.step(slate_BK), other.step(slate_BK)
        entry = difference(mine, theirs)
        if entry:
            raise CheckFailed(f'observation["{entry}"] differs after a session was saved and loaded')


def _step(simulator: Any, scene: Any) -> dict[str, Any]:
    state, outcome = simulator.step(*scene)
    return copied(_named(simulator, state, outcome))


def _named(simulator: Any, state: Tensors, outcome: Any) -> Tensors:
    """Return everything that came of a step, by a name that tells where it is."""
    return {
        **{f'observation["{name}"]': value for name, value in simulator.observe(state).items()},
        **{f'state["{name}"]': value for name, value in state.items()},
        **{f'metrics["{name}"]': value for name, value in outcome.metrics.items()},
        **{name: getattr(outcome, name) for name in ("response", "reward", "left")},
    }


def _varies(value: torch.Tensor) -> bool:
    """Tell whether something looks random: fractions that are not the same for all users."""
    return value.is_floating_point() and bool((value != value[:1]).any())


CHECKS = (
    noise_is_drawn_from_the_generator_given,
    a_step_depends_on_state_slate_and_noise_alone,
    global_random_numbers_are_left_alone,
    a_user_alone_fares_as_in_a_batch,
    one_seed_gives_one_session,
    a_saved_session_goes_on_to_the_bit,
)

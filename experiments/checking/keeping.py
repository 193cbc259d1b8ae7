"""Nobody's memory is written into, and nothing that a simulator keeps is handed out."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from envs.interface import Tensors, is_shared
from envs.ownership import places
from experiments.checking.comparing import copied, difference
from experiments.checking.playing import Scene, make, scenes, slates, stream
from experiments.checking.verdicts import CheckFailed

CURE = "return new tensors, as in state | {name: state[name] + 1}"


def a_step_leaves_what_it_is_given_as_it_was(simulator: Any) -> None:
    """A step writes into neither state nor slate nor noise, nor does looking on."""
    for scene in scenes(simulator):
        given = {"state": scene.state, "noise": scene.noise, "slate": {"slate": scene.slate}}
        for call, run in _calls(simulator, scene).items():
            before = {name: copied(tensors) for name, tensors in given.items()}
            run()
            _check_same(call, before, given)


def _calls(simulator: Any, scene: Scene) -> dict[str, Callable[[], Any]]:
    """Return what is called with a state."""
    calls: dict[str, Callable[[], Any]] = {
        "step": lambda: simulator.step(*scene),
        "observe": lambda: simulator.observe(scene.state),
        "candidate_ids": lambda: simulator.candidate_ids(scene.state),
    }
    return calls | {
        f'policy "{name}"': functools.partial(policy, simulator, scene.state)
        for name, policy in simulator.POLICIES.items()
    }


def a_start_leaves_what_it_is_given_as_it_was(simulator: Any) -> None:
    """The start of a session writes into neither users nor noise."""
    generator = stream(simulator)
    given = {
        "users": simulator.sample_users(4, "train", generator),
        "noise": simulator.start_noise(4, generator),
    }
    before = {name: copied(tensors) for name, tensors in given.items()}
    simulator.start(given["users"], given["noise"])
    _check_same("start", before, given)


def nothing_that_it_keeps_is_handed_out(simulator: Any) -> None:
    """What start, step and observe return is nothing that the simulator keeps."""
    generator = stream(simulator)
    users, noise = simulator.sample_users(4, "train", generator), simulator.start_noise(4, generator)
    _check_own("start", (simulator.start(users, noise), simulator.start(users, noise)), places(users) | places(noise))
    for state, slate_BK, noise in scenes(simulator, steps=3):
        given = places(state) | places(noise) | places({"slate": slate_BK})
        one, other = (simulator.step(state, slate_BK, noise) for _ in range(2))
        _check_own("step", (one[0], other[0]), given)
        outcomes = [
            {"response": outcome.response, "reward": outcome.reward, "left": outcome.left, **outcome.metrics}
            for _, outcome in (one, other)
        ]
        _check_own("step", (outcomes[0], outcomes[1]), given | places(one[0]) | places(other[0]))
        _check_own("observe", (simulator.observe(state), simulator.observe(state)), places(state))


def what_was_given_out_never_changes(simulator: Any) -> None:
    """Observations, rewards and states that were given out never change afterwards."""
    env = make(simulator, 8, as_tensors=True)
    given: list[dict[str, Any]] = [dict(env.reset(seed=0)[0])]
    kept = [copied(given[0])]
    for slate_BK in slates(env, 12):
        observation, reward, left, _, info = env.step(slate_BK)
        final = {f'final_obs["{name}"]': value for name, value in dict(info.pop("final_obs", {})).items()}
        for named in ({"reward": reward, "left": left} | dict(observation), info, final, env.state_dict()):
            given.append(named)
            kept.append(copied(named))
    for named, before in zip(given, kept, strict=True):
        entry = difference(named, before)
        if entry:
            raise CheckFailed(f"{entry} changed after it was given out: something writes into it later; {CURE}")


def _check_same(call: str, before: Mapping[str, Tensors], given: Mapping[str, Tensors]) -> None:
    for name, tensors in given.items():
        entry = difference(before[name], tensors)
        if entry:
            where = entry if name == entry else f'{name}["{entry}"]'
            raise CheckFailed(f"{call} writes into the {where} it is given; {CURE}")


def _check_own(call: str, twice: tuple[Tensors, Tensors], given: set[int]) -> None:
    """Refuse what two calls both return, unless it was given to them or is shared by all rows."""
    one, other = twice
    for name, value in one.items():
        if not is_shared(value) and not places({name: value}) & places(other) <= given:
            raise CheckFailed(
                f'{call} returns "{name}" in memory that the simulator keeps; rows of it are replaced when sessions '
                "begin anew, so return a copy: .clone()"
            )


CHECKS = (
    a_step_leaves_what_it_is_given_as_it_was,
    a_start_leaves_what_it_is_given_as_it_was,
    nothing_that_it_keeps_is_handed_out,
    what_was_given_out_never_changes,
)

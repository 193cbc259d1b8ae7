"""Nobody's state is written into, neither by a step nor by the caller."""

from typing import Any

import pytest
import torch
from torch import Tensor

from conformance.trajectories import assert_same, copied, make, slates
from envs.interface import is_shared
from envs.ownership import places


def can_be_written(value: Any) -> bool:
    """Tell whether an entry has rows of its own; what all users share refuses to be written as a whole."""
    return value.stride(0) > 0 if isinstance(value, Tensor) else bool(value.flags.writeable)


class Ownership:
    """What was given stays as it was."""

    def test_a_step_returns_new_memory_or_what_it_was_given(self, simulator: Any) -> None:
        env = make(simulator, as_tensors=True)
        env.reset(seed=0)
        for slate_BK in slates(env, 3):
            shown, state = slate_BK.to(simulator.device), env.state
            assert state is not None
            noise = simulator.step_noise(4, env.generator)
            one, other = (simulator.step(state, shown, noise)[0] for _ in range(2))
            given = places(state) | places(noise) | places({"slate": shown})
            for name, value in one.items():
                if not is_shared(value):
                    assert places({name: value}) & places(other) <= given, name
            begun = simulator.sample_users(4, "train", env.generator)
            drawn = simulator.start_noise(4, env.generator)
            one, other = (simulator.start(begun, drawn) for _ in range(2))
            for name, value in one.items():
                if not is_shared(value):
                    assert places({name: value}) & places(other) <= places(begun) | places(drawn), name
            env.step(shown)

    def test_what_was_given_never_changes(self, simulator: Any) -> None:
        env = make(simulator, 8, as_tensors=True)
        panel = env.sample_users(8, seed=1)
        observation, _ = env.reset(seed=0, options={"users": panel})
        env.steps_B = torch.arange(8, device=simulator.device) * (simulator.time_limit // 8)
        given = [panel, observation]
        kept = [copied(panel), copied(observation)]
        for slate_BK in slates(env, 12):
            assert env.state is not None
            observation, reward, left, truncated, info = env.step(slate_BK)
            final = dict(info.pop("final_obs", {}))
            numbers = {"reward": reward, "left": left, "truncated": truncated, "slate": slate_BK}
            for tensors in (observation, numbers, info, final, env.state_dict()):
                given.append(tensors)
                kept.append(copied(tensors))
            env.steps_B = env.steps_B + simulator.time_limit // 12
        for tensors, before in zip(given, kept, strict=True):
            assert_same(tensors, before)

    def test_a_step_does_not_write_into_the_state_it_is_given(self, simulator: Any) -> None:
        env = make(simulator, as_tensors=True)
        env.reset(seed=0)
        for slate_BK in slates(env, 4):
            slate_BK = slate_BK.to(simulator.device)
            state, slate = env.state, slate_BK.clone()
            before = copied(state)
            noise = simulator.step_noise(4, env.generator)
            kept = copied(noise)
            simulator.step(state, slate_BK, noise)
            simulator.observe(state)
            assert_same(state, before)
            assert_same(noise, kept)
            assert torch.equal(slate, slate_BK)
            env.step(slate_BK)

    @pytest.mark.parametrize("as_tensors", [False, True])
    def test_writing_into_what_is_given_changes_no_user(self, simulator: Any, as_tensors: bool) -> None:
        env, untouched = make(simulator, as_tensors=as_tensors), make(simulator, as_tensors=as_tensors)
        given: list[dict[str, Any]] = [env.reset(seed=0)[0]]
        untouched.reset(seed=0)
        for slate_BK in slates(env, 5):
            for named in given:
                for value in named.values():
                    if getattr(value, "dtype", None) not in (object, bool) and can_be_written(value):
                        value[:] = 0
            shown = slate_BK if as_tensors else slate_BK.numpy()
            observation, *_, info = env.step(shown)
            expected, *_ = untouched.step(shown)
            assert_same(observation, expected)
            info.pop("final_obs", None)
            given = [observation, info]

"""What is the same again: after a reset, for one user, in a copy, as arrays or tensors."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from conformance.trajectories import assert_same, differ, make, skip_lockstep, slates, trajectory
from encoders.errors import UsageError
from envs.single import SlateEnv


class Repeatability:
    """Equal to the bit."""

    def test_reset_without_a_seed_goes_on_with_the_stream(self, simulator: Any) -> None:
        env, again = make(simulator), make(simulator)
        first, second = trajectory(env, seed=3), trajectory(env, seed=None)
        assert differ(first, second)
        trajectory(again, seed=3)
        assert not differ(second, trajectory(again, seed=None))

    def test_the_first_reset_without_a_seed_draws_one(self, simulator: Any) -> None:
        assert differ(trajectory(make(simulator), seed=None), trajectory(make(simulator), seed=None))

    def test_the_single_environment_is_a_batch_of_one(self, simulator: Any) -> None:
        vector, single = make(simulator, 1, autoreset_mode="DISABLED"), SlateEnv(simulator)
        expected, _ = vector.reset(seed=9)
        observation, _ = single.reset(seed=9)
        assert_same(observation, {name: value[0] for name, value in expected.items()})
        repeated = [torch.zeros_like(slate_BK) for slate_BK in slates(vector, 2)]
        for slate_BK in (*slates(vector, 6), *repeated):
            expected, *numbers, told = vector.step(slate_BK.numpy())
            observation, *given, info = single.step(slate_BK[0].numpy())
            assert_same(observation, {name: value[0] for name, value in expected.items()})
            assert given == [value[0] for value in numbers]
            for name in told:
                np.testing.assert_array_equal(info[name], told[name][0])
            assert set(info) == set(told)

    @pytest.mark.parametrize("way", ["copied", "pickled"])
    def test_a_copy_of_the_single_environment_goes_on_alike(self, simulator: Any, way: str) -> None:
        env = SlateEnv(simulator)
        env.reset(seed=4)
        played, ahead = slates(make(simulator, 1), 4), slates(make(simulator, 1), 4, seed=1)
        for slate_BK in played:
            env.step(slate_BK[0].numpy())
        twin = copy.deepcopy(env) if way == "copied" else pickle.loads(pickle.dumps(env))
        for slate_BK in ahead:
            (seen, *given, _), (other, *same, _) = env.step(slate_BK[0].numpy()), twin.step(slate_BK[0].numpy())
            assert_same(seen, other)
            assert given == same

    def test_tensors_and_arrays_are_the_same_numbers(self, simulator: Any) -> None:
        skip_lockstep(simulator, as_tensors=True)
        arrays, tensors = make(simulator), make(simulator, as_tensors=True)
        arrays.reset(seed=2)
        tensors.reset(seed=2)
        for slate_BK in slates(arrays, 30):
            one, other = arrays.step(slate_BK.numpy()), tensors.step(slate_BK)
            assert_same(one[0], other[0])
            for value, tensor in zip(one[1:4], other[1:4], strict=True):
                np.testing.assert_array_equal(value, tensor.numpy())

    def test_a_panel_of_users_is_met_in_order(self, simulator: Any) -> None:
        env = make(simulator)
        panel = env.sample_users(4, seed=1, split="test")
        assert_same(panel, env.sample_users(4, seed=1, split="test"))
        first, _ = env.reset(seed=0, options={"users": panel})
        turned = {name: value.flip(0) for name, value in panel.items()}
        second, _ = make(simulator).reset(seed=7, options={"users": turned})
        np.testing.assert_array_equal(first["user"], second["user"][::-1])
        with pytest.raises(UsageError, match="holds 4 users, but 2 rows are reset"):
            env.reset(options={"users": panel, "reset_mask": np.array([True, True, False, False])})
        with pytest.raises(UsageError, match="of 4 users, but num_envs is 2"):
            make(simulator, 2).load_state_dict(env.state_dict())

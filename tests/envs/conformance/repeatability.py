"""What is the same again: from a seed, from a saved state, for one user or many, as arrays or tensors."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from conformance.trajectories import assert_same, copied, differ, make, rows_of, skip_lockstep, slates, trajectory
from encoders.errors import UsageError
from envs.single import SlateEnv
from envs.slates import random_slate


class Repeatability:
    """Equal to 1e-5, or to the bit where the memory has the same shape."""

    def test_one_seed_gives_one_trajectory_and_another_seed_another(self, simulator: Any) -> None:
        first = trajectory(make(simulator), seed=3)
        assert not differ(first, trajectory(make(simulator), seed=3))
        assert differ(first, trajectory(make(simulator), seed=4))

    def test_reset_without_a_seed_goes_on_with_the_stream(self, simulator: Any) -> None:
        env, again = make(simulator), make(simulator)
        first, second = trajectory(env, seed=3), trajectory(env, seed=None)
        assert differ(first, second)
        trajectory(again, seed=3)
        assert not differ(second, trajectory(again, seed=None))

    def test_the_first_reset_without_a_seed_draws_one(self, simulator: Any) -> None:
        assert differ(trajectory(make(simulator), seed=None), trajectory(make(simulator), seed=None))

    def test_global_random_state_is_neither_read_nor_set(self, simulator: Any) -> None:
        torch.manual_seed(1)
        before = torch.get_rng_state().clone()
        first = trajectory(make(simulator), seed=3)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(2)
        np.random.seed(2)  # noqa: NPY002 (the global state is what is tested)
        assert not differ(first, trajectory(make(simulator), seed=3))

    def test_a_batch_of_one_equals_a_row_of_a_batch(self, simulator: Any) -> None:
        generator = torch.Generator(simulator.device).manual_seed(0)
        spec, batch = simulator.spec, 8
        users = simulator.sample_users(batch, "train", generator)
        noise = simulator.start_noise(batch, generator)
        state = simulator.start(users, noise)
        ones = [simulator.start(rows_of(users, row), rows_of(noise, row)) for row in range(batch)]
        for _ in range(5):
            slate_BK = random_slate(batch, spec.num_candidates, spec.slate_size, generator)
            noise = simulator.step_noise(batch, generator)
            state, outcome = simulator.step(state, slate_BK, noise)
            observation = simulator.observe(state)
            for row in range(batch):
                ones[row], one = simulator.step(ones[row], slate_BK[row : row + 1], rows_of(noise, row))
                assert_same(simulator.observe(ones[row]), rows_of(observation, row), 1e-5)
                assert_same(one.metrics, rows_of(outcome.metrics, row), 1e-5)
                for name in ("response", "reward", "left"):
                    assert_same({name: getattr(one, name)}, rows_of({name: getattr(outcome, name)}, row), 1e-5)

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
            assert info["titles"].shape == (simulator.spec.slate_size,)

    def test_a_copy_of_the_single_environment_goes_on_alike(self, simulator: Any) -> None:
        env = SlateEnv(simulator)
        env.reset(seed=4)
        played, ahead = slates(make(simulator, 1), 4), slates(make(simulator, 1), 4, seed=1)
        for slate_BK in played:
            env.step(slate_BK[0].numpy())
        twin = copy.deepcopy(env)
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

    def test_a_state_dict_goes_on_to_the_bit(self, simulator: Any) -> None:
        env, other = make(simulator, as_tensors=True), make(simulator, as_tensors=True)
        env.reset(seed=0)
        for slate_BK in slates(env, 7):
            env.step(slate_BK)
        other.load_state_dict(copied(env.state_dict()))
        assert_same(env.observation(), other.observation())
        for slate_BK in slates(env, 40, seed=1):
            assert_same(env.step(slate_BK)[0], other.step(slate_BK)[0])
        assert_same(env.state_dict(), other.state_dict())
        with pytest.raises(UsageError, match="of 4 users, but num_envs is 2"):
            make(simulator, 2).load_state_dict(env.state_dict())

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

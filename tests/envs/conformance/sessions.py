"""How a session ends and the next one begins."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from conformance.trajectories import assert_same, make, on_host, skip_lockstep, slates
from envs.simulator import CLUSTER

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


class Sessions:
    """Autoreset, time limits and masks."""

    @pytest.mark.parametrize("as_tensors", [False, True])
    def test_same_step_autoreset_gives_the_last_observation_of_a_run_without(
        self, simulator: Any, as_tensors: bool
    ) -> None:
        skip_lockstep(simulator, as_tensors)
        same, plain = (make(simulator, 16, as_tensors=as_tensors, autoreset_mode=mode) for mode in MODES)
        same.reset(seed=5)
        plain.reset(seed=5)
        for slate_BK in slates(same, 400):
            shown = slate_BK if as_tensors else slate_BK.numpy()
            observation, reward, left, truncated, info = same.step(shown)
            expected, *rest, _ = plain.step(shown)
            assert_same(
                {"reward": reward, "left": left, "truncated": truncated},
                dict(zip(("reward", "left", "truncated"), rest, strict=True)),
            )
            ended = np.asarray(left | truncated)
            if ended.any():
                break
            assert "final_obs" not in info
            assert_same(observation, expected)
        assert ended.any()
        final = info["final_obs"]
        if as_tensors:
            assert_same(final, expected)
        else:
            assert final.dtype == object
            assert (info["_final_obs"] == ended).all()
            for row in range(16):
                if ended[row]:
                    assert_same(final[row], {name: value[row] for name, value in expected.items()})
                else:
                    assert final[row] is None
        going = {name: np.asarray(value)[~ended] for name, value in observation.items()}
        assert_same(going, {name: np.asarray(value)[~ended] for name, value in expected.items()})
        assert not np.asarray(observation["response"])[ended].any()
        assert (on_host(same.steps_B)[ended] == 0).all()

    def test_around_whom_users_are_drawn_stays_out_of_states_and_observations(self, simulator: Any) -> None:
        stream = torch.Generator(simulator.device).manual_seed(0)
        users = simulator.sample_users(64, "test", stream)
        cluster_B = users.get(CLUSTER, torch.arange(64))
        assert (cluster_B.dtype, cluster_B.shape) == (torch.int64, (64,))
        assert len(cluster_B.unique()) > 1
        state = simulator.start(users, simulator.start_noise(64, stream))
        assert CLUSTER not in {**state, **simulator.observe(state)}

    def test_time_truncates_and_does_not_terminate(self, short: Any) -> None:
        env = make(short, 32, autoreset_mode="DISABLED")
        env.reset(seed=0)
        gone = np.zeros(32, dtype=bool)
        for step, slate_BK in enumerate(slates(env, 3), start=1):
            _, _, left, truncated, _ = env.step(slate_BK.numpy())
            assert not (left & truncated).any()
            assert (truncated == ((step == 3) & ~left)).all()
            gone |= left
        assert (truncated | gone).all()
        assert truncated.any()

    def test_reset_mask_resets_these_rows_alone(self, simulator: Any) -> None:
        env = make(simulator, autoreset_mode="DISABLED")
        env.reset(seed=0)
        for slate_BK in slates(env, 3):
            before, *_ = env.step(slate_BK.numpy())
        mask = np.array([True, False, False, True])
        after, info = env.reset(options={"reset_mask": mask})
        assert (info["slate_ids"] == -1).all()
        assert_same(
            {name: value[~mask] for name, value in after.items()},
            {name: value[~mask] for name, value in before.items()},
        )
        assert not after["response"][mask].any()
        assert not np.array_equal(after["user"][mask], before["user"][mask])
        assert env.steps_B.tolist() == [0, 3, 3, 0]

    def test_a_reset_mask_without_a_row_changes_nothing(self, simulator: Any) -> None:
        env = make(simulator)
        before, _ = env.reset(seed=0)
        after, _ = env.reset(options={"reset_mask": np.zeros(4, dtype=bool)})
        assert_same(before, after)

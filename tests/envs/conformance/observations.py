"""What is observed, whatever is shown: spaces, metrics and empty slots."""

from typing import Any

import numpy as np
import pytest

from conformance.trajectories import make, slates
from envs.interface import repeats


class Observations:
    """Spaces and metrics are those declared, and a repeated position shows nothing."""

    @pytest.mark.parametrize("pattern", ["random", "same", "zero", "last", "pairs"])
    def test_observations_stay_in_their_space_whatever_is_shown(self, simulator: Any, pattern: str) -> None:
        env = make(simulator, 16)
        observation, _ = env.reset(seed=0)
        size, offered = simulator.spec.slate_size, simulator.spec.num_candidates
        fixed = {
            "same": np.full(size, offered // 2),
            "zero": np.zeros(size, dtype=np.int64),
            "last": np.full(size, offered - 1),
            "pairs": np.arange(size) // 2 % offered,
        }
        for slate_BK in slates(env, 120):
            shown = np.tile(fixed[pattern], (16, 1)) if pattern in fixed else slate_BK.numpy()
            observation, reward, _, _, info = env.step(shown)
            assert observation in env.observation_space
            assert np.isfinite(reward).all()
            assert all(np.isfinite(info[metric.name]).all() for metric in simulator.METRICS)
            ids_BM = np.sort(observation.get("candidate_ids", np.tile(np.arange(offered), (16, 1))), axis=1)
            assert (np.diff(ids_BM, axis=1) > 0).all()

    def test_reset_starts_without_a_response_or_a_slate(self, simulator: Any) -> None:
        observation, _ = make(simulator).reset(seed=0)
        assert not observation["response"].any()
        assert not observation["slate_items"].any()

    def test_spaces_and_response_follow_the_spec(self, simulator: Any) -> None:
        env, spec = make(simulator, 2), simulator.spec
        observation, _ = env.reset(seed=0)
        assert {name: value.shape[1:] for name, value in observation.items()} == dict(spec.shapes)
        assert spec.response_columns[:2] == ("click", "reward")
        assert spec.shapes["response"] == (spec.slate_size, len(spec.response_columns))
        assert len(spec.neutral_response) == len(spec.response_columns)
        assert simulator.item_vectors().shape[0] == spec.num_items

    def test_metrics_are_those_declared(self, simulator: Any) -> None:
        env = make(simulator)
        env.reset(seed=0)
        *_, info = env.step(next(slates(env, 1)).numpy())
        assert set(info) - {"final_obs", "_final_obs"} == {
            *(metric.name for metric in simulator.METRICS),
            *("response", "slate_ids", "titles"),
        }
        assert info["titles"].shape == info["slate_ids"].shape == (4, simulator.spec.slate_size)

    def test_a_repeated_position_is_an_empty_slot(self, simulator: Any) -> None:
        if simulator.spec.slate_size == 1:
            pytest.skip("a slate of one slot has no position to repeat")
        env = make(simulator, 64)
        env.reset(seed=0)
        clicks = 0.0
        for slate_BK in slates(env, 20):
            slate_BK[:, -1] = slate_BK[:, 0]
            *_, info = env.step(slate_BK.numpy())
            assert not info["response"][:, -1].any()
            clicks += info["response"][:, :, 0].sum()
            if "repeats" in info:
                assert (info["repeats"] == 1).all()
        assert clicks > 0

    def test_reference_policies_show_full_slates_without_repeats(self, simulator: Any) -> None:
        env = make(simulator, 16, as_tensors=True)
        env.reset(seed=0)
        for policy in simulator.POLICIES.values():
            for _ in range(5):
                slate_BK = policy(simulator, env.state)
                assert not repeats(slate_BK).any()
                env.step(slate_BK)

"""What a step tells beside its observation."""

from typing import Any

from conformance.trajectories import make, slates


class Observations:
    """Info holds the metrics that are declared, and what was shown."""

    def test_metrics_are_those_declared(self, simulator: Any) -> None:
        env = make(simulator)
        env.reset(seed=0)
        *_, info = env.step(next(slates(env, 1)).numpy())
        assert set(info) - {"final_obs", "_final_obs"} == {
            *(metric.name for metric in simulator.METRICS),
            *("response", "slate_ids", "titles"),
        }
        assert info["titles"].shape == info["slate_ids"].shape == (4, simulator.spec.slate_size)

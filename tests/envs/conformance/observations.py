"""What a step tells beside its observation."""

from typing import Any

from conformance.trajectories import make, slates
from envs.adapters.title_bytes import read_titles


class Observations:
    """Info holds the metrics that are declared, and what was shown."""

    def test_metrics_are_those_declared(self, simulator: Any) -> None:
        env = make(simulator, autoreset_mode="DISABLED")  # what a step gave, not the session that follows it
        env.reset(seed=0)
        *_, info = env.step(next(slates(env, 1)).numpy())
        assert {name for name in info if "final_" not in name} == {
            *(metric.name for metric in simulator.METRICS),
            *("response", "slate_ids", "titles"),
        }
        assert info["slate_ids"].shape == (4, simulator.spec.slate_size)
        assert read_titles(info["titles"]).tolist() == simulator.titles(info["slate_ids"]).tolist()

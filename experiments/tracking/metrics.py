"""Names of metrics in metrics.csv and TensorBoard; each is declared in METRICS beside the code that computes it."""

from collections.abc import Iterable

from envs.interface import Metric

STEP = "time/total_timesteps"
"""First column of metrics.csv: user-steps so far."""


def tag(name: str) -> str:
    """Return the name in the log of what a simulator measures: with its own group, or under ``rec/``."""
    return name if "/" in name else f"rec/{name}"


def layout(logged: Iterable[Metric], evaluated: Iterable[Metric]) -> dict[str, dict[str, list[object]]]:
    """Return TensorBoard's custom-scalars layout: a category for each group, a chart for each metric.

    Args:
        logged: metrics of the training.
        evaluated: metrics of the evaluation; one chart holds those of all policies.
    """
    charts: dict[str, dict[str, list[object]]] = {}
    for metric in logged:
        group, _, name = metric.name.rpartition("/")
        charts.setdefault(group, {})[f"{name} ({metric.unit})"] = ["Multiline", [f"{metric.name}$"]]
    for metric in evaluated:
        charts.setdefault("eval", {})[f"{metric.name} ({metric.unit})"] = ["Multiline", [f"eval/.*/{metric.name}$"]]
    return charts

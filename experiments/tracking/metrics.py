"""What `experiments` itself measures, declared once for log, dashboard, tables and glossary."""

from collections.abc import Iterable

from envs.interface import Metric

ROLLOUT: tuple[Metric, ...] = (
    Metric(
        "rollout/ep_rew_mean",
        "reward",
        "higher",
        "mean return of the training sessions that ended since the last row",
    ),
    Metric(
        "rollout/ep_len_mean",
        "slates",
        "higher",
        "mean length of the training sessions that ended since the last row",
    ),
    Metric("rollout/sessions", "sessions", "neither", "training sessions that ended since the last row"),
    Metric("rec/ctr", "clicks / slate", "higher", "clicks per slate shown in training, exploration included"),
    Metric("rec/reward", "reward / slate", "higher", "reward per slate shown in training, exploration included"),
)
"""Measured while training."""

TIMINGS: tuple[Metric, ...] = (
    Metric("time/fps", "user-steps / s", "higher", "user-steps over seconds of learning, since the start"),
    Metric("time/time_elapsed", "s", "neither", "seconds of learning since the start"),
)
"""The only columns of metrics.csv in which two runs of one seed differ."""

STEP = "time/total_timesteps"
"""First column of metrics.csv: user-steps so far."""

EVALUATION: tuple[Metric, ...] = (
    Metric("return", "reward", "higher", "sum of rewards over a user's session, undiscounted"),
    Metric("length", "slates", "higher", "slates shown until the user left or time ran out"),
    Metric("ctr", "clicks / slate", "higher", "all clicks over all slates shown"),
    Metric(
        "diversity",
        "1 - cosine",
        "neither",
        "1 - mean cosine of two items of one slate, mean over the session",
    ),
    Metric(
        "recall",
        "share of slates",
        "higher",
        "slates whose candidates held the likeliest click of the whole catalogue, where the simulator can tell",
    ),
    Metric("coverage", "share", "higher", "items shown at least once over the catalogue; no interval"),
    Metric("gini", "0 to 1", "lower", "Gini coefficient of how often each item was shown; no interval"),
)
"""Measured at evaluation for every policy, beside the simulator's own metrics (mean over the session)."""

METRICS: tuple[Metric, ...] = (
    *ROLLOUT,
    *TIMINGS,
    *(metric._replace(name=f"eval/{metric.name}") for metric in EVALUATION),
)
"""All of them, under their names in TensorBoard (``eval/POLICY/NAME`` there)."""


def tag(name: str) -> str:
    """Return the TensorBoard tag of a simulator's metric: its own group, or ``rec/``."""
    return name if "/" in name else f"rec/{name}"


def layout(metrics: Iterable[Metric]) -> dict[str, dict[str, list[object]]]:
    """Return TensorBoard's custom-scalars layout: a category for each group, a chart for each metric."""
    charts: dict[str, dict[str, list[object]]] = {}
    for metric in metrics:
        group, _, name = metric.name.rpartition("/")
        charts.setdefault(group, {})[f"{name} ({metric.unit})"] = ["Multiline", [metric.name]]
    return charts

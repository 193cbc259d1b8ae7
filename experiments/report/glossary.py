"""The glossary of everything that is measured: ``docs/metrics.md`` is what this module prints."""

from collections.abc import Iterable, Mapping, Sequence

from agents import AGENTS
from envs import ENVIRONMENTS
from envs.interface import Metric
from experiments import evaluation
from experiments.config import agent_class, short_name, simulator_class
from experiments.report.numbers import markdown_table
from experiments.tracking import logbook, monitor
from experiments.tracking.metrics import STEP, tag

HEAD = f"""\
# What is measured

Columns of `metrics.csv` and scalars in TensorBoard, by the name they have there; the first column of `metrics.csv`,
`{STEP}`, counts user-steps. A metric is declared in `METRICS` beside the code that computes it:
log, TensorBoard's layout and this page follow. `python -m experiments.report.glossary` prints this page."""


def glossary() -> str:
    """Return the page."""
    environments = {short_name(name): simulator_class(name).METRICS for name in ENVIRONMENTS}
    agents = {name: agent_class(name).METRICS for name in AGENTS}
    tagged = {name: [metric._replace(name=tag(metric.name)) for metric in own] for name, own in environments.items()}
    sections = {
        "Training": _table([*monitor.METRICS, *logbook.METRICS]),
        "Evaluation": "Of every policy, as `eval/POLICY/NAME` and in `summary.json`.\n\n" + _table(evaluation.METRICS),
        "Environments": "In training under these names; at evaluation as `eval/POLICY/NAME`, without `rec/`.\n\n"
        + _shared(tagged, "environments"),
        "Agents": "In training.\n\n" + _shared(agents, "agents"),
    }
    return "\n\n".join([HEAD, *(f"## {title}\n\n{text}" for title, text in sections.items())]) + "\n"


def _table(metrics: Iterable[Metric]) -> str:
    return markdown_table(["name", "unit", "better", "meaning"], map(_cells, metrics), numbers=False)


def _shared(declared: Mapping[str, Sequence[Metric]], owners: str) -> str:
    """Return a row for each metric, with all who declare it alike."""
    by_metric: dict[Metric, list[str]] = {}
    for owner, metrics in declared.items():
        for metric in metrics:
            by_metric.setdefault(metric, []).append(owner)
    rows = [[*_cells(metric), ", ".join(by_metric[metric])] for metric in sorted(by_metric)]
    return markdown_table(["name", "unit", "better", "meaning", owners], rows, numbers=False)


def _cells(metric: Metric) -> list[str]:
    return [f"`{metric.name}`", metric.unit, metric.better, metric.meaning]


if __name__ == "__main__":
    print(glossary(), end="")

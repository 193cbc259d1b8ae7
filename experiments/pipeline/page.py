"""ladder.md: the ladder for people."""

from collections.abc import Mapping
from typing import Any

from experiments.pipeline.ladder import LADDER
from experiments.pipeline.metrics import METRICS
from experiments.report.numbers import NONE, interval, markdown_table, signed
from experiments.statistics import Estimate, read_estimate

Plain = Mapping[str, Any]
HEADS = ("rung", *(metric.name for metric in METRICS))


def three_decimals(value: float) -> str:
    """Return how metrics of a ranking are written: `.132`."""
    return f"{value:.3f}".replace("0.", ".", 1)


def rows(plain: Plain, scenario: str) -> list[tuple[str, ...]]:
    """Return the rows of a table of one scenario, in the ladder's order; a rung that failed says why."""
    lines: list[tuple[str, ...]] = []
    for rung in LADDER:
        why = plain["failed"].get(rung, {}).get(scenario)
        found = plain["rungs"].get(rung, {}).get(scenario)
        if why is not None:
            lines.append((rung, f"failed: {why}", *[""] * (len(METRICS) - 1)))
        elif found is not None:
            lines.append((rung, *(interval(read_estimate(found[metric.name]), three_decimals) for metric in METRICS)))
    return lines


def differences(plain: Plain, scenario: str, metric: str) -> list[tuple[str, ...]]:
    """Return the rows of a table of paired differences, rung − baseline."""
    baselines = list(plain["paired"])
    return [
        (rung, *(_difference(plain["paired"][name], rung, scenario, metric) for name in baselines))
        for rung, found in plain["rungs"].items()
        if scenario in found
    ]


def _difference(compared: Plain, rung: str, scenario: str, metric: str) -> str:
    found = compared.get(rung, {}).get(scenario)
    return NONE if found is None else interval(Estimate(**found[metric]), signed(three_decimals))


def title(plain: Plain, scenario: str) -> str:
    """Return the heading of a scenario's table."""
    users, items = (plain["protocol"][scenario][name] for name in ("users", "ranked items"))
    kind = "held out of training" if scenario == "cold" else "all"
    return f"{scenario}: {users:,} users, {items:,} items ({kind})"


def ladder_page(plain: Plain) -> str:
    """Return the page."""
    about = plain["data"]
    parts = [
        f"# The ladder on {about['name']}",
        f"{about['ratings']:,} ratings by {about['users']:,} users of {about['items']:,} items; texts read by "
        f"{plain['encoder']['name']}. Made by:",
        f"```console\n{plain['command']}\n```",
        f"Test: the newest {plain['settings']['test_share']:.0%} of each user's ratings, rounded up, of equal times "
        f"the later in the file. Relevant: a rating of {plain['protocol']['liked']:g} or more. All items are ranked "
        "that the user did not rate before; equal scores in the order of a hash of the item's id. recall@k divides by "
        "min(k, relevant). Settings are chosen by nDCG@100 on an inner split of what may be learnt from. In brackets: "
        "95 % bootstrap over users.",
    ]
    for scenario in plain["protocol"]:
        if scenario in ("warm", "cold"):
            parts += [f"## {title(plain, scenario)}", markdown_table(HEADS, rows(plain, scenario))]
            if best := plain["best_retriever"].get(scenario):
                parts.append(f"Chosen by the inner split among those with one vector an item and one a user: {best}.")
            if plain["paired"]:
                heads = ("recall@10, paired", *(f"− {name}" for name in plain["paired"]))
                parts.append(markdown_table(heads, differences(plain, scenario, "recall@10")))
    parts += ["## What was chosen, and what it cost", markdown_table(COSTS, _costs(plain))]
    versions = ", ".join(f"{name} {number}" for name, number in plain["versions"].items())
    parts.append(f"Data {about['fingerprint']}; {versions}.")
    return "\n\n".join(parts) + "\n"


def described(choice: Mapping[str, Any]) -> list[str]:
    """Return chosen settings in words."""
    return [f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in choice.items()]


COSTS = ("stage", "settings", "seconds", "peak memory (MiB)", "trained parameters")


def _costs(plain: Plain) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for stage, cost in plain["costs"].items():
        scenario, _, rung = stage.partition("/")
        choice = plain["chosen"].get(rung, {}).get(scenario, {"settings": {}})["settings"]
        words = ", ".join(described(choice))
        figures = (f"{cost['seconds']:.1f}", f"{cost['peak_memory_mib']:,.0f}", f"{cost['parameters']:,}")
        lines.append((stage.replace("/", " "), words, *figures))
    return lines

"""How numbers and names are written in tables."""

import math
from collections.abc import Callable, Iterable, Sequence

from encoders import PRIVILEGED
from experiments.statistics import Estimate

NONE, DIVERGED = "n/a", "†"
FEW = 20
"""Clusters below which bootstrap intervals are clearly too narrow."""
Numeral = Callable[[float], str]
"""How the numbers of one table are written."""


def words(policy: str) -> str:
    """Return a policy's name in the summary as words: `hand rule`, and `near-oracle` by its usual spelling."""
    return policy.replace("near_", "near-").replace("_", " ")


def marked(encoder: str) -> str:
    """Return how an encoder is called in tables: one that looks at what no text says is marked."""
    return f"{encoder} (privileged)" if encoder in PRIVILEGED else encoder


def decimals(scale: float) -> int:
    """Return how many decimals show numbers of a size: 2 from 1 to 100, fewer above, more below."""
    if scale == 0 or not math.isfinite(scale):
        return 2
    exponent = math.floor(math.log10(scale))
    return min(2 - exponent, 8) if exponent < 0 else max(0, min(2, 3 - exponent))


def rounded(scale: float) -> Numeral:
    """Return how numbers of a size are written."""
    return lambda value: f"{value:z.{decimals(scale)}f}"


def two_decimals(value: float) -> str:
    """Return how scores, and numbers on a terminal, are written."""
    return f"{value:z.2f}"


def signed(numeral: Numeral) -> Numeral:
    """Return how differences are written: with their sign."""
    return lambda value: text if (text := numeral(value)).startswith("-") else f"+{text}"


def interval(estimate: Estimate, numeral: Numeral) -> str:
    """Return `mean [low, high]`; n/a where the mean is not finite."""
    if not math.isfinite(estimate.mean):
        return NONE
    text = numeral(estimate.mean)
    if estimate.ci_low is None or estimate.ci_high is None:
        return text
    return f"{text} [{numeral(estimate.ci_low)}, {numeral(estimate.ci_high)}]"


def crowd(users: int, clusters: int | None, kind: str = "users") -> str:
    """Return who was met: `1,000 users around 131 raters or personas`."""
    around = "" if clusters in (None, users) else f" around {clusters:,} raters or personas"
    return f"{users:,} {kind}{around}"


def few(users: int, clusters: int | None) -> str:
    """Return a warning where there are too few clusters for an interval to be trusted, else nothing."""
    if not clusters or clusters >= FEW:
        return ""
    kind = "users" if clusters == users else "raters or personas"
    return f"Intervals over {clusters} {kind} are too narrow: take them as a hint, and trust those over {FEW} or more."


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = True) -> str:
    """Return a table whose first column is text; the others are too, or numbers."""
    lines = [heads, ["---", *["---:" if numbers else "---"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)

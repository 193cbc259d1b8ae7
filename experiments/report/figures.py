"""The figures of a report. The one module above the environments that imports matplotlib."""

import io
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from experiments.building import MYOPIC_TWIN
from experiments.report.comparison import Comparison, contestants
from experiments.report.numbers import DIVERGED, NONE, decimals, words
from experiments.report.runs import FinishedRun
from experiments.statistics import Estimate, best_first

WIDTH, DPI = 10.0, 200
"""Inches and dots per inch: sharp at 1,000 pixels on a dense screen."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, which the colour-blind tell apart; one for each variant of an agent."""
INK, MUTED, FAINT = "#222222", "#6E6E6E", "#E6E6E6"
GUIDE: dict[str, Any] = {"color": "#A8A8A8", "linewidth": 1.2, "linestyle": (0, (5, 3)), "zorder": 1}
ORACLES = ("myopic_oracle", "near_oracle")
ROW, SEED_STEP = 0.36, 0.19
"""Inches between policies, and between the seeds of one."""
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.axisbelow": True,
}


def returns(comparisons: Sequence[Comparison]) -> bytes:
    """Return a PNG: the mean return of every policy with its interval, a panel for each comparison."""
    users = {comparison.users for comparison in comparisons}
    counted = f"{users.pop():,} " if len(users) == 1 else ""
    title = f"Mean return per session, {counted}test users, 95 % intervals"
    heights = [sum(map(_row_height, contestants(comparison).values())) for comparison in comparisons]
    with _style():
        figure, axes = _panels(title, comparisons, heights)
        for panel, comparison in zip(axes, comparisons, strict=True):
            _draw_returns(panel, comparison, _colours(comparisons))
        return _png(figure)


def learning(comparisons: Sequence[Comparison]) -> bytes:
    """Return a PNG: the return of training sessions over user-steps, a panel for each comparison."""
    title = "Return of training sessions while learning"
    with _style():
        figure, axes = _panels(title, comparisons, [3.2] * len(comparisons))
        for panel, comparison in zip(axes, comparisons, strict=True):
            _draw_learning(panel, comparison, _colours(comparisons))
        return _png(figure)


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move values apart, as little as in order is possible, until neighbours are ``gap`` from each other.

    Args:
        values: where labels would stand.
        gap: height of a label, positive.

    Returns:
        Where they stand, in the order given.
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    clusters: list[tuple[float, list[int]]] = []
    for index in order:
        centre, members = values[index], [index]
        while clusters and clusters[-1][0] + gap * (len(clusters[-1][1]) + len(members)) / 2 > centre:
            below, fellows = clusters.pop()
            total = len(fellows) + len(members)
            centre = (below * len(fellows) + centre * len(members)) / total
            members = fellows + members
        clusters.append((centre, members))
    moved = list(values)
    for centre, members in clusters:
        for rank, index in enumerate(members):
            moved[index] = centre + (rank - (len(members) - 1) / 2) * gap
    return moved


def median_and_band(runs: Sequence[FinishedRun]) -> tuple[Any, Any, Any, Any]:
    """Return user-steps, median, lowest and highest return of the seeds, each (points,), over the shared range."""
    curves = [(np.array(list(run.curve)), np.array(list(run.curve.values()))) for run in runs if run.curve]
    if not curves:
        return (np.zeros(0),) * 4
    low, high = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    grid = np.unique(np.concatenate([steps for steps, _ in curves]))
    grid = grid[(grid >= low) & (grid <= high)]
    values_sp = np.stack([np.interp(grid, steps, curve) for steps, curve in curves])
    return grid, np.median(values_sp, axis=0), values_sp.min(axis=0), values_sp.max(axis=0)


def _draw_returns(axes: Any, comparison: Comparison, colours: Mapping[str, str]) -> None:
    rows = sorted(contestants(comparison).items(), key=lambda row: -best_first(_mean(row[1])))
    ends = [end for _, seeds in rows for each in seeds for end in each["return"][:3] if end is not None]
    places = max(decimals(max(map(abs, filter(math.isfinite, ends)), default=0.0)) - 1, 0)
    for name in ORACLES:
        if name in comparison.baselines:
            axes.axvline(comparison.baselines[name]["return"].mean, **GUIDE)
    y, ticks = 0.0, []
    for label, seeds in rows:
        height = _row_height(seeds)
        ticks.append(y + height / 2)
        look = _look(label, colours)
        for index, each in enumerate(seeds):
            _draw_interval(axes, each["return"], ticks[-1] + (index - (len(seeds) - 1) / 2) * SEED_STEP, look)
        mean = _mean(seeds)
        axes.annotate(
            f"{mean:z.{places}f}" if math.isfinite(mean) else NONE,
            (1.0, ticks[-1]),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center_baseline",
            color=look["color"],
            fontweight="bold" if label in colours else "normal",
        )
        y += height
    axes.set_ylim(0, y)
    marks = comparison.diverged()
    axes.set_yticks(
        ticks, [_row_label(label, seeds) + (f" {DIVERGED}" if label in marks else "") for label, seeds in rows]
    )
    for tick, (label, _) in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set(color=_look(label, colours)["color"], fontweight="bold" if label in colours else "normal")
    axes.tick_params(axis="y", labelsize=10.5)
    axes.margins(x=0.04)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)


def _mean(seeds: Sequence[Mapping[str, Estimate]]) -> float:
    return float(np.mean([each["return"].mean for each in seeds]))


def _draw_interval(axes: Any, estimate: Estimate, y: float, look: Mapping[str, Any]) -> None:
    if estimate.ci_low is not None and estimate.ci_high is not None:
        axes.plot([estimate.ci_low, estimate.ci_high], [y, y], color=look["color"], linewidth=look["linewidth"])
    axes.plot(estimate.mean, y, markeredgecolor="white", markeredgewidth=1.0, **{**look, "linewidth": 0})


def _draw_learning(axes: Any, comparison: Comparison, colours: Mapping[str, str]) -> None:
    labels: list[tuple[float, str, str, str]] = []
    for label, runs in sorted(comparison.variants().items()):
        colour = colours[label]
        steps_p, median_p, low_p, high_p = median_and_band(runs)
        if not len(steps_p):
            continue
        axes.plot(steps_p, median_p, color=colour, linewidth=2.2, solid_capstyle="round")
        if len(runs) > 1:
            axes.fill_between(steps_p, low_p, high_p, color=colour, alpha=0.18, linewidth=0)
        labels.append((float(median_p[-1]), _row_label(label, runs), colour, "bold"))
    if not labels:
        axes.text(0.5, 0.5, "no training session was logged", transform=axes.transAxes, ha="center", color=MUTED)
    for name in ORACLES:
        if name in comparison.baselines:
            level = comparison.baselines[name]["return"].mean
            axes.axhline(level, **GUIDE)
            labels.append((level, words(name), MUTED, "normal"))
    axes.margins(x=0, y=0.06)
    low, high = axes.get_ylim()
    places = spread([value for value, *_ in labels], (high - low) * 0.075)
    for (_, text, colour, weight), place in zip(labels, places, strict=True):
        axes.annotate(
            text,
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center_baseline",
            color=colour,
            fontweight=weight,
        )
    axes.set_ylim(low, high)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    if axes.get_subplotspec().is_last_row():
        axes.set_xlabel(
            "user-steps · line: median over seeds, band: lowest to highest, exploration included · "
            "dashed: on test users",
            fontsize=9.5,
        )


def _panels(title: str, comparisons: Sequence[Comparison], heights: Sequence[float]) -> tuple[Figure, list[Any]]:
    total = sum(heights) + 0.75 * len(heights) + 0.6
    figure = Figure(figsize=(WIDTH, total), layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12), facecolor="white")
    figure.suptitle(title, x=0.015, ha="left", fontsize=14, fontweight="bold")
    axes = figure.subplots(len(comparisons), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for panel, comparison in zip(axes, comparisons, strict=True):
        panel.set_title(comparison.title, loc="left", fontsize=11.5, color=INK, pad=8)
    return figure, list(axes)


def _look(label: str, colours: Mapping[str, str]) -> dict[str, Any]:
    if label in colours:
        return {"color": colours[label], "marker": "o", "markersize": 9, "linewidth": 2.6}
    marker = "D" if label in [words(name) for name in ORACLES] else "o"
    return {"color": MUTED, "marker": marker, "markersize": 7 if marker == "o" else 6.5, "linewidth": 1.6}


def _colours(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """Return one colour for each variant of an agent, the same in every panel."""
    labels = sorted({label for comparison in comparisons for label in comparison.variants()})
    return {label: COLOURS[index % len(COLOURS)] for index, label in enumerate(labels)}


def _row_height(seeds: Sequence[Any]) -> float:
    return ROW + SEED_STEP * (len(seeds) - 1)


def _row_label(label: str, seeds: Sequence[Any]) -> str:
    return f"{label}, {len(seeds)} seeds" if len(seeds) > 1 and not label.startswith(f"{MYOPIC_TWIN} ") else label


def _style() -> AbstractContextManager[None]:
    style: AbstractContextManager[None] = mpl.rc_context(STYLE)
    return style


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    # Without the version of matplotlib, so that the same runs make the same file.
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()

"""Draw how much of each hidden world each encoder finds in texts.

    slatelab readout --out readout.json
    python benchmarks/worlds_figure.py readout.json

writes ``docs/figures/worlds.png``: a panel for each environment, a group of bars for what is hidden, a bar for each
encoder, its height the held-out R² of a ridge read-out.
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "worlds.png"
PRIVILEGED = "world"
"""The encoder that reads nothing; it is no part of the picture."""


def main() -> None:
    """Read the figures of `slatelab readout` and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readout", type=Path)
    parser.add_argument("--out", type=Path, default=FIGURE)
    arguments = parser.parse_args()
    found = json.loads(arguments.readout.read_text())["r2"]
    figure, axes = plt.subplots(1, len(found), figsize=(3.2 * len(found), 3.4), sharey=True, layout="constrained")
    for panel, (env, encoders) in zip(np.atleast_1d(axes), found.items(), strict=True):
        names = [name for name in encoders if name != PRIVILEGED]
        hidden, width = list(encoders[names[0]]), 0.8 / len(names)
        for place, name in enumerate(names):
            heights = [max(encoders[name][what]["texts"], 0.0) for what in hidden]
            panel.bar(np.arange(len(hidden)) + (place - (len(names) - 1) / 2) * width, heights, width, label=name)
        panel.set_title(env.removeprefix("slatelab/"))
        panel.set_xticks(range(len(hidden)), ["all vectors", *hidden[1:]], rotation=40, ha="right")
        panel.spines[["top", "right"]].set_visible(False)
    axes = np.atleast_1d(axes)
    axes[0].set_ylabel("held-out R² of a ridge read-out")
    axes[0].legend(frameon=False)
    figure.savefig(arguments.out, dpi=120)


if __name__ == "__main__":
    main()

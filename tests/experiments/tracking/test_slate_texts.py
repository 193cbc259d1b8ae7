"""The table of sampled slates in TensorBoard: what a title says is text there."""

import html
import re

import numpy as np
import pytest
from tensorboard.plugin_util import markdown_to_safe_html
from toy import Toy, ToySettings

from envs.slates import top_k
from experiments.tracking.slates import plain_markdown, sample_slates

TITLES = [
    "![poster](http://example.org/poster.png)",
    '<img src="http://example.org/poster.png">',
    "[here](http://example.org)",
    "<http://example.org>",
    "**loud** _soft_ `code` ~~gone~~",
    "M*A*S*H (1970)",
    "Back\\slash \\* & &amp; <b>",
    "# No heading",
    "1. No list",
    "two\nlines",
    "Amélie! [director's cut]",
]


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_shown_as_it_is_written_and_nothing_is_fetched(title: str) -> None:
    shown = markdown_to_safe_html(f"| a | b |\n|---|---|\n| 1 | {plain_markdown(title)} |")
    cell = re.findall("<td>(.*?)</td>", shown, re.DOTALL)[1]
    assert "<" not in cell
    assert html.unescape(cell) == " ".join(title.split())


def test_the_table_of_slates_holds_titles_as_text() -> None:
    class Illustrated(Toy):
        def titles(self, item_ids: np.ndarray) -> np.ndarray:
            return np.array(TITLES * 2, dtype=object)[np.asarray(item_ids) % len(TITLES)]

    simulator = Illustrated(ToySettings(tiring=-1.0), "cpu")
    table = sample_slates(simulator, lambda state, seen: top_k(-seen["candidate_ids"].float(), 2))
    shown = markdown_to_safe_html(table)
    assert shown.count("<tr>") == table.count("\n")
    assert "<img" not in shown
    assert "<a" not in shown

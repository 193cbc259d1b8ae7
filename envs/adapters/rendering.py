"""A slate for the eye: text, printed text, or a picture."""

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from envs.simulator import Simulator

RENDERING: dict[str, Any] = {"render_modes": ["human", "ansi", "rgb_array"], "render_fps": 1}
"""What Gymnasium wants to know of it."""
WIDTH, LINE, MARGIN, DPI = 640, 32, 12, 100
"""Pixels: width of a picture, height of a line, space around; pixels an inch."""
LETTERS = 68
"""Of a title, what a line has room for."""
INK, MUTED, PAPER, CLICKED, EMPTY = "#222222", "#6E6E6E", "#FFFFFF", "#CDE8DC", "#F3F3F3"


class Scene(NamedTuple):
    """What one user was shown last."""

    titles: Sequence[str]
    """Of the K slots; empty before the first slate."""
    clicks: Sequence[bool]
    """Of the K slots."""
    caption: str
    """What else is known of the step."""


class Seen(NamedTuple):
    """What B users were shown last, in arrays or tensors."""

    slate_ids: Any
    """(B, K) int64; -1 where a session has just begun."""
    clicks: Any
    """(B, K) bool."""
    reward: Any
    """(B,)."""
    steps: Any
    """(B,) int64, slates of the session."""
    left: Any
    """(B,) bool."""
    truncated: Any
    """(B,) bool."""


def scenes(simulator: "Simulator", seen: Seen) -> Iterator[Scene]:
    """Yield the scene of every user."""
    from encoders.arrays import as_tensor  # torch takes its time, and `import envs` reads this module

    ids_BK, clicks_BK, *numbers = (as_tensor(value).cpu().numpy() for value in seen)
    for ids_K, clicks_K, reward, steps, left, truncated in zip(ids_BK, clicks_BK, *numbers, strict=True):
        if ids_K[0] < 0:
            yield Scene([""] * len(ids_K), clicks_K, "a new session begins")
            continue
        end = ", and the user left" if left else ", and time is up" if truncated else ""
        titles = [str(title) for title in simulator.titles(ids_K)]
        yield Scene(titles, clicks_K, f"slate {steps}, reward {reward:.4g}{end}")


def render(mode: str | None, shown: Iterable[Scene]) -> tuple[Any, ...] | None:
    """Return texts (``ansi``) or pictures (``rgb_array``), or print the texts (``human``); else warn."""
    if mode == "rgb_array":
        return tuple(map(as_picture, shown))
    if mode == "ansi":
        return tuple(map(as_text, shown))
    if mode == "human":
        for scene in shown:
            write(as_text(scene))
    else:
        offered = ", ".join(RENDERING["render_modes"])
        gym.logger.warn(f"render mode {mode!r} shows nothing; make the environment with one of: {offered}")
    return None


def as_text(scene: Scene) -> str:
    """Return the caption, then the titles of the slate, one a line, the clicked ones marked with ``>``."""
    slots = zip(scene.clicks, scene.titles, strict=True)
    return "\n".join([scene.caption, *(f"{'>' if click else ' '} {title}" for click, title in slots if title)])


def write(text: str) -> None:
    """Print text; what the terminal cannot show becomes a question mark."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


def as_picture(scene: Scene) -> NDArray[np.uint8]:
    """Return a picture of a slate, (height, width, 3): the caption, then a line a slot, the clicked ones coloured.

    The size depends on the number of slots alone.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    height = (len(scene.titles) + 1) * LINE + 2 * MARGIN
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
    canvas = FigureCanvasAgg(figure)

    def line(at: int, text: str, colour: str, weight: str = "normal") -> None:
        place = (2 * MARGIN / WIDTH, 1 - (MARGIN + (at + 0.5) * LINE) / height)
        figure.text(*place, _cut(text), color=colour, weight=weight, size=11, va="center", parse_math=False)

    line(0, scene.caption, MUTED)
    for slot, (title, click) in enumerate(zip(scene.titles, scene.clicks, strict=True), start=1):
        place = (MARGIN / WIDTH, 1 - (MARGIN + (slot + 1) * LINE - 2) / height)
        size = (1 - 2 * MARGIN / WIDTH, (LINE - 4) / height)
        figure.add_artist(Rectangle(place, *size, facecolor=CLICKED if click else EMPTY))
        line(slot, title, INK, "bold" if click else "normal")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of a script that the font lacks: a box is drawn
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LETTERS else f"{flat[: LETTERS - 1]}…"

"""Where tables are printed."""

import sys

from rich.console import Console

PIPED_WIDTH = 100


def console() -> Console:
    """Return a console on stdout: as wide as the terminal, or of fixed width when piped."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)

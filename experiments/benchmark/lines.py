"""What goes on in a benchmark, line by line, for whoever watches."""

import io
import re

from experiments.benchmark.jobs import Tell

NOISE = re.compile(r"training |training: .* 0 s left$")
"""Lines that a training says to whoever waits for it alone."""


class Lines(io.TextIOBase):
    """Takes what is printed, and tells the lines that matter to whoever watches, under a title."""

    def __init__(self, title: str, tell: Tell) -> None:
        self.title, self.begun, self._tell_line = title, "", tell

    def write(self, text: str) -> int:
        """Tell whole lines."""
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            if line and not NOISE.match(line):
                self._tell_line(f"{self.title}: {line}")
        return len(text)

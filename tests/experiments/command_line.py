"""Arguments of a small run of the toy, and how a command ended."""

from typing import NamedTuple

TOY = ["--env", "toy:Toy-v0", "--agent", "toy:ToyAgent", "--device", "cpu"]
SMALL = [*TOY, "--steps", "2000", "--num-users", "16", "--log-every", "160", "--eval-users", "50"]

SHORT = [*TOY, "--steps", "32", "--num-users", "16", "--eval-users", "9"]


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """Return the last line of stderr."""
        return self.err.strip().splitlines()[-1]

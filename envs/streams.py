"""The random stream of an environment: what befalls its users, with what they are offered beside it."""

import zlib
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from envs.interface import Tensors, restore_stream


class Stream(torch.Generator):
    """A random stream with another beside it, that candidates are drawn from.

    Who is met and all that befalls them is the same whatever is on offer: other candidate sources, or more candidates,
    take nothing from the stream itself. A simulator that draws candidates asks `for_candidates`.

    Args:
        device: where the numbers are drawn.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.candidates = torch.Generator(device)

    def manual_seed(self, seed: int) -> Self:
        """Begin anew, both of the streams."""
        super().manual_seed(seed)
        self.candidates.manual_seed(beside(seed, "candidates"))
        return self

    def state_dict(self) -> Tensors:
        """Return where the streams are."""
        return {"generator": self.get_state(), "candidate_generator": self.candidates.get_state()}

    def load_state_dict(self, saved: Tensors) -> None:
        """Go on from a `state_dict`; candidates that were not saved, as before there were two, begin anew."""
        restore_stream(self, saved["generator"])
        candidates = saved.get("candidate_generator")
        if candidates is not None:
            restore_stream(self.candidates, candidates)
        else:
            place: Tensor = self.get_state()
            self.manual_seed(self.initial_seed())
            self.set_state(place)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes a copy; torch's own knows nothing of the candidates."""
        return _go_on, (str(self.device), self.state_dict())


def _go_on(device: str, saved: Tensors) -> Stream:
    stream = Stream(device)
    stream.load_state_dict(saved)
    return stream


def beside(seed: int, purpose: Literal["candidates", "panel"]) -> int:
    """Return the seed of a stream that is to have nothing in common with the one of ``seed``."""
    entropy = [seed, zlib.crc32(purpose.encode())]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])


def for_candidates(generator: torch.Generator) -> torch.Generator:
    """Return what candidates are drawn from: the stream beside, of a plain generator itself."""
    return generator.candidates if isinstance(generator, Stream) else generator

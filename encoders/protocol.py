"""What every text encoder offers, and what it may be given."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from encoders.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@runtime_checkable
class Encoder(Protocol):
    """A function from texts to unit vectors, fixed as long as its fingerprint stays the same."""

    @property
    def dim(self) -> int:
        """The length D of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the weights and of every setting that changes the output; never of the device."""
        ...

    def encode(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Return one unit vector a text, in the order of the texts: float32 (len(texts), D).

        Raises:
            UsageError: a text is blank or no string (see ``check_texts``).
        """
        ...


def check_texts(texts: Sequence[str]) -> list[str]:
    """Return ``texts`` as a list, or say which of them cannot be encoded.

    A blank text is refused rather than given a vector: all blank items would share one point and be
    retrieved together.

    Raises:
        UsageError: one string instead of a list, an entry that is no string, or a blank text.
    """
    if isinstance(texts, str):
        raise UsageError("encode wants a list of texts, not one string; write encode([text])")
    listed = list(texts)
    for position, text in enumerate(listed):
        if not isinstance(text, str):
            raise UsageError(f"text {position} is a {type(text).__name__}, not a string; fill in or drop missing texts")
        if not text or text.isspace():
            raise UsageError(f"text {position} is blank; give it at least a title, or leave it out")
    return listed

"""What every text encoder offers, what it may be given, and what it has to give."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from encoders.errors import Failure, UsageError

UNIT = 1e-2
"""How far the length of a vector may lie from 1; half precision rounds by less."""


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

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one unit vector a text, in the order of the texts: float32 (len(texts), D).

        Raises:
            UsageError: a text is blank or no string (see ``check_texts``).
        """
        ...


@runtime_checkable
class Fittable(Protocol):
    """An encoder that learns from the texts of a catalogue which words are rare."""

    def fit(self, texts: Sequence[str]) -> Encoder:
        """Return the encoder fitted on texts, with a fingerprint that tells them."""
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
    try:
        listed = list(texts)
    except TypeError as error:
        raise UsageError(f"encode wants a list of texts, not {texts!r}") from error
    for position, text in enumerate(listed):
        check_text(text, f"text {position}")
    return listed


def check_text(text: Any, name: str) -> None:
    """Refuse what cannot be encoded, under a name of the text.

    Raises:
        UsageError: it is no string, or blank.
    """
    if not isinstance(text, str):
        raise UsageError(f"{name} is a {type(text).__name__}, not a string; fill in or drop missing texts")
    if not text or text.isspace():
        raise UsageError(f"{name} is blank; give it at least a title, or leave it out")


def unreadable_texts(encoder: Any, texts: Sequence[str]) -> list[bool]:
    """Tell of each text whether an encoder can read nothing of it; False where the encoder cannot say."""
    tell: Callable[[Sequence[str]], list[bool]] | None = getattr(encoder, "unreadable", None)
    return [False] * len(texts) if tell is None else tell(texts)


def check_encoder(encoder: Any, name: str) -> Encoder:
    """Return a user's encoder, or say what it lacks.

    Raises:
        UsageError: it has no ``encode``, or a ``dim`` or ``fingerprint`` of another kind.
    """
    lacking = [part for part in ("encode", "dim", "fingerprint") if not hasattr(encoder, part)]
    if lacking:
        raise UsageError(f'encoder "{name}" lacks {", ".join(lacking)}; see encoders.Encoder for what it needs')
    for part in ("dim", "fingerprint"):
        if callable(getattr(encoder, part)):
            raise UsageError(f'encoder "{name}": {part} is a method; write @property above it')
    if not isinstance(encoder.dim, int | np.integer) or encoder.dim < 1:
        raise UsageError(f'encoder "{name}": dim is {encoder.dim!r}; it has to be a whole number above 0')
    if not isinstance(encoder.fingerprint, str) or not encoder.fingerprint:
        raise UsageError(f'encoder "{name}": fingerprint is {encoder.fingerprint!r}; it has to be a string')
    if not callable(encoder.encode):
        raise UsageError(f'encoder "{name}": encode is no method')
    checked: Encoder = encoder
    return checked


def check_vectors(vectors: Any, texts: Sequence[str], dim: int) -> npt.NDArray[np.float32]:
    """Return what an encoder gave for ``texts`` as float32 (len(texts), dim).

    Raises:
        Failure: it is no array of numbers, of another shape, or a row is not finite or not of unit length.
    """
    try:
        checked_ND = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError, RuntimeError) as error:  # (torch: a tensor with gradients, or on a GPU)
        raise Failure(
            f"the encoder gives a {type(vectors).__name__} that is no array of numbers ({error}); let encode return "
            "a numpy array, of a tensor tensor.detach().cpu().numpy()"
        ) from error
    if checked_ND.shape != (len(texts), dim):
        raise Failure(
            f"the encoder gives shape {checked_ND.shape} for {len(texts)} texts, expected ({len(texts)}, {dim}); "
            "correct its dim or its encode"
        )
    lengths_N = np.linalg.norm(checked_ND, axis=1)
    broken = np.flatnonzero(~(np.abs(lengths_N - 1.0) < UNIT))
    if not len(broken):
        return checked_ND
    where, more = f'the text "{texts[broken[0]][:40]}"', len(broken) - 1
    if np.isfinite(lengths_N[broken]).all() and lengths_N[broken].all():
        raise Failure(
            f"the encoder gives a vector of length {lengths_N[broken[0]]:.3g} for {where} and {more} more that "
            "are not of length 1; divide each by its length"
        )
    raise Failure(
        f"the encoder gives no finite vector for {where} and {more} others; check the weights, or what it does "
        'with such a text, or try precision "float32"'
    )

"""Cosine scores: of two vectors, of two texts, and of a whole set."""

import logging

import numpy as np
import numpy.typing as npt

from encoders.errors import UsageError
from encoders.protocol import Encoder, check_text, unreadable_texts

logger = logging.getLogger("slatelab.encoders")


def cosine(left_D: npt.ArrayLike, right_D: npt.ArrayLike) -> float:
    """Return the cosine of two vectors, in [-1, 1].

    Equation: cos(a, b) = a·b / (‖a‖ ‖b‖); cos([1,2,3,4,5], [5,4,3,2,1]) = 35/55.

    Raises:
        UsageError: the shapes differ, or a vector is zero or not finite.
    """
    left, right = np.asarray(left_D, dtype=np.float64), np.asarray(right_D, dtype=np.float64)
    if left.shape != right.shape or left.ndim != 1:
        raise UsageError(f"cosine wants two vectors of one length, not shapes {left.shape} and {right.shape}")
    lengths = float(np.linalg.norm(left) * np.linalg.norm(right))
    if not np.isfinite(lengths) or lengths == 0.0:
        raise UsageError("cosine wants finite vectors that are not zero")
    return float(np.clip(left @ right / lengths, -1.0, 1.0))


def interest(user_text: str, item_text: str, encoder: Encoder) -> float:
    """Return how near an item's text is to a user's, as the cosine of their vectors, in [-1, 1].

    A text of which the encoder can read nothing costs a warning.

    Raises:
        UsageError: a text is blank.
    """
    texts = {"the user's text": user_text, "the item's text": item_text}
    for name, text in texts.items():
        check_text(text, name)
    for name, unread in zip(texts, unreadable_texts(encoder, list(texts.values())), strict=True):
        if unread:
            logger.warning("%s says nothing to this encoder, so the score means nothing: choose another encoder", name)
    user_D, item_D = encoder.encode(list(texts.values()))
    return cosine(user_D, item_D)


def mean_pairwise_cosine(vectors_ND: npt.NDArray[np.float32]) -> float:
    """Return the mean cosine over all pairs of different rows, in O(N·D).

    Equation: (‖Σ v‖² − N) / (N (N − 1)) for unit rows v.

    Raises:
        UsageError: there are fewer than two rows.
    """
    count = len(vectors_ND)
    if count < 2:
        raise UsageError(f"a mean over pairs wants at least 2 vectors, not {count}")
    total_D = vectors_ND.sum(axis=0, dtype=np.float64)
    return float((total_D @ total_D - count) / (count * (count - 1)))

"""The encoder ``tfidf``: which words a text has, weighted by how rare they are."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from encoders.errors import UsageError
from encoders.protocol import check_texts
from encoders.settings import EncoderSettings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HASHES = 1_024
"""D of the encoder that has not seen a corpus."""
COMPONENTS = 64
"""D at most of the one that has."""
LEAST_TEXTS = 2
"""Texts in which a word has to stand to count."""


class HashedTerms:
    """Count the words of a text, in buckets by their hash; `fit` makes the encoder that knows which are rare.

    Source:
        Weinberger et al. 2009, arXiv 0902.2206, for the signed hashes.
    """

    dim = HASHES
    fingerprint = hashlib.sha256(f"signed hashes of words into {HASHES}".encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Return unit vectors, float32 (len(texts), 1024).

        Raises:
            UsageError: a text is blank or no string.
        """
        from sklearn.feature_extraction.text import HashingVectorizer

        return _units(HashingVectorizer(n_features=HASHES, norm=None).transform(check_texts(texts)).toarray())

    def fit(self, texts: Sequence[str]) -> "TermVectors":
        """Return the encoder for a corpus.

        Raises:
            UsageError: no word stands in two of the texts.
        """
        return TermVectors(check_texts(texts))


class TermVectors:
    """Weigh the words of a text by their rarity in a corpus and keep the leading directions: latent semantic indexing.

    Equation:
        x_w = (1 + log n_w) (1 + log((1 + N) / (1 + N_w))), of unit length, for a word that stands n_w times in the text
        and in N_w of the corpus' N texts; then the coordinates along the leading singular vectors of the corpus.
    Source:
        Deerwester et al. 1990, JASIS 41(6).

    Args:
        corpus: the texts that the words are counted in.

    Raises:
        UsageError: no word stands in two of them.
    """

    def __init__(self, corpus: Sequence[str]) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._words: Any = TfidfVectorizer(sublinear_tf=True, min_df=min(LEAST_TEXTS, len(corpus)))
        try:
            weights_NW = self._words.fit_transform(corpus)
        except ValueError as error:
            raise UsageError(
                "no word stands in two of the texts, so tfidf finds nothing they share; choose another encoder"
            ) from error
        self.dim = max(min(COMPONENTS, *(size - 1 for size in weights_NW.shape)), 1)
        self._directions: Any = TruncatedSVD(self.dim, random_state=0).fit(weights_NW)
        told = json.dumps([self.dim, sorted(self._words.vocabulary_), [len(corpus), *corpus]], ensure_ascii=True)
        self.fingerprint = hashlib.sha256(told.encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Return unit vectors, float32 (len(texts), dim); a text without a known word gets the same as any other such.

        Raises:
            UsageError: a text is blank or no string.
        """
        return _units(self._directions.transform(self._words.transform(check_texts(texts))))


def _units(vectors_ND: "npt.NDArray[Any]") -> "npt.NDArray[np.float32]":
    """Scale rows to unit length; a row of zeros becomes the first axis."""
    import numpy as np

    lengths_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    vectors_ND = np.where(lengths_N1 > 0, vectors_ND, np.eye(1, vectors_ND.shape[1]))
    return (vectors_ND / np.where(lengths_N1 > 0, lengths_N1, 1.0)).astype(np.float32)


def tfidf_encoder(settings: EncoderSettings) -> HashedTerms:
    """Return weighted words: the rarer in the catalogue, the more they count."""
    return HashedTerms()

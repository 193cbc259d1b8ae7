"""Text in, unit vectors out: text encoders, their cache on disk, and exact cosine retrieval.

The package imports nothing heavy by itself: each public name is loaded when it is first used (PEP 562), so
that the command line can list encoders without torch.

Example:
    >>> import encoders
    >>> sorted(encoders.ENCODERS)
    ['minilm', 'random', 'tfidf', 'tiny']
"""

import importlib
from typing import TYPE_CHECKING, Any

from encoders.errors import Failure, UsageError
from encoders.registry import load_object, lookup, unknown_name

if TYPE_CHECKING:
    from encoders.bert import BertEncoder, masked_mean
    from encoders.cache import CachedEncoder
    from encoders.files import cache_folder, write_atomically
    from encoders.index import CosineIndex
    from encoders.loading import load_encoder
    from encoders.protocol import Encoder
    from encoders.score import cosine, interest, mean_pairwise_cosine
    from encoders.settings import EncoderSettings
    from encoders.sources import FolderSource, MemorySource

ENCODERS = {
    "minilm": "encoders.minilm:minilm_encoder",
    "random": "encoders.hashed:random_encoder",
    "tfidf": "encoders.lexical:tfidf_encoder",
    "tiny": "encoders.tiny:tiny_encoder",
}
"""From encoder name to the function that builds it out of an ``EncoderSettings``."""
PRIVILEGED = {
    "world": "The vectors of the hidden world itself: privileged, a ceiling, in environments over texts alone.",
}
"""Names that an environment takes for an encoder, and what each stands for: it looks at what no text says."""

_HOME = {
    "BertEncoder": "bert",
    "CachedEncoder": "cache",
    "CosineIndex": "index",
    "Encoder": "protocol",
    "EncoderSettings": "settings",
    "FolderSource": "sources",
    "MemorySource": "sources",
    "cache_folder": "files",
    "cosine": "score",
    "interest": "score",
    "load_encoder": "loading",
    "masked_mean": "bert",
    "mean_pairwise_cosine": "score",
    "write_atomically": "files",
}

__all__ = [
    "ENCODERS",
    "PRIVILEGED",
    "BertEncoder",
    "CachedEncoder",
    "CosineIndex",
    "Encoder",
    "EncoderSettings",
    "Failure",
    "FolderSource",
    "MemorySource",
    "UsageError",
    "cache_folder",
    "cosine",
    "interest",
    "load_encoder",
    "load_object",
    "lookup",
    "masked_mean",
    "mean_pairwise_cosine",
    "unknown_name",
    "write_atomically",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"encoders.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted(__all__)

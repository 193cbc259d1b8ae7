"""What turns the states of tokens into the vector of a text, beside the weights: pooling, length, prompt, width."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.errors import Failure

DEFAULT_MAX_LENGTH = 512
"""Tokens kept of a text where neither model nor tokenizer names a limit."""
POOLINGS = ("mean", "cls")
_AFTER_PADDING = (
    *("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta"),
    *("roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
)
"""Model types that count positions from the padding id, so that the first few of them are never used."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What turns token states into the vector of a text."""

    pooling: str = "mean"
    """"mean" over the real tokens, or "cls": the first token."""
    max_length: int = DEFAULT_MAX_LENGTH
    """Tokens kept of a text, the special ones included."""
    lower_case: bool = False
    """Whether texts are lowered before the tokenizer sees them."""
    prompt: str | None = None
    """What is put before every text."""
    width: int | None = None
    """Numbers kept of a vector, the first ones; without it all."""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.pooling not in POOLINGS:
            raise Failure(f'pooling "{self.pooling}" is not supported (known: {", ".join(POOLINGS)})')
        if self.max_length < 3:
            raise Failure(f"max_length is {self.max_length}; it must be at least 3 tokens")
        if self.width is not None and self.width < 1:
            raise Failure(f"width is {self.width}; it must be at least 1")


def read_json(path: Path) -> Any:
    """Return the parsed file, or None where there is no such file.

    Raises:
        Failure: the file is no JSON.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failure(f"cannot read {path} as JSON ({error}); copy the model folder again") from error


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, empty where there is no such file.

    Raises:
        Failure: the file holds anything else.
    """
    content = read_json(path)
    if content is not None and not isinstance(content, dict):
        raise Failure(f"{path} holds no JSON object; copy the model folder again")
    return content or {}


def read_limit(folder: Path, asked: Any = None) -> int:
    """Return how many tokens of a text a model in a folder reads.

    Args:
        folder: with the model's ``config.json`` and the tokenizer.
        asked: what is asked for in place of the tokenizer's own ``model_max_length``.
    """
    if asked is None:
        asked = read_object(folder / "tokenizer_config.json").get("model_max_length")
    return token_limit(read_object(folder / "config.json"), asked)


def token_limit(config: Mapping[str, Any], asked: Any) -> int:
    """Return the smaller of the tokens asked for and the positions that a model has.

    Args:
        config: of the model.
        asked: tokens, or None.

    Raises:
        Failure: one of them is no number.
    """
    positions = config.get("max_position_embeddings")
    limits = {"max_position_embeddings": positions, "the limit of tokens": asked}
    for name, limit in limits.items():
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise Failure(f"{name} is {limit!r} in the model's folder, expected a number")
    if positions is not None and config.get("model_type") in _AFTER_PADDING:
        positions -= (config.get("pad_token_id") or 0) + 1
    # (XLNet says -1 where it has no limit.)
    found = [limit for limit in (positions, asked) if limit is not None and limit >= 0]
    return int(min(found, default=DEFAULT_MAX_LENGTH))


def read_width(folder: Path) -> int:
    """Return the width of a model's states from its ``config.json``.

    Raises:
        Failure: the configuration does not say.
    """
    config = read_object(folder / "config.json")
    for key in ("hidden_size", "dim", "d_model", "n_embd"):
        if isinstance(config.get(key), int):
            return int(config[key])
    raise Failure(f"{folder / 'config.json'} names no hidden_size; this is not a text encoder's folder")

"""Read from a model folder what a sentence encoder needs beside weights: pooling, length, width."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.errors import Failure

DEFAULT_MAX_LENGTH = 256
POOLINGS = ("mean", "cls")
_LEGACY_FLAGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What turns token states into the vector of a text."""

    pooling: str = "mean"
    """"mean" over the real tokens, or "cls": the first token."""
    max_length: int = DEFAULT_MAX_LENGTH
    """Tokens kept of a text, the special ones included."""
    lower_case: bool = False
    """Whether texts are lowered before the tokenizer sees them."""

    def __post_init__(self) -> None:
        """Check the values."""
        if self.pooling not in POOLINGS:
            raise Failure(f'pooling "{self.pooling}" is not supported (known: {", ".join(POOLINGS)})')
        if self.max_length < 3:
            raise Failure(f"max_length is {self.max_length}; it must be at least 3 tokens")


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


def read_layout(folder: Path) -> Layout:
    """Return the layout of a transformers or sentence-transformers folder.

    Raises:
        Failure: the folder asks for a pooling or a module this package does not have.
    """
    _refuse_unknown_modules(folder)
    sentence = read_json(folder / "sentence_bert_config.json") or {}
    config = read_json(folder / "config.json") or {}
    limit = sentence.get("max_seq_length") or DEFAULT_MAX_LENGTH
    positions = config.get("max_position_embeddings") or limit
    return Layout(
        pooling=_read_pooling(folder),
        max_length=min(int(limit), int(positions)),
        lower_case=bool(sentence.get("do_lower_case", False)),
    )


def read_width(folder: Path) -> int:
    """Return the length of the model's vectors from its ``config.json``.

    Raises:
        Failure: the configuration does not say.
    """
    config = read_json(folder / "config.json") or {}
    for key in ("hidden_size", "dim", "d_model", "n_embd"):
        if isinstance(config.get(key), int):
            return int(config[key])
    raise Failure(f"{folder / 'config.json'} names no hidden_size; this is not a text encoder's folder")


def _read_pooling(folder: Path) -> str:
    path = folder / "1_Pooling" / "config.json"
    config = read_json(path)
    if config is None:
        return "mean"
    modes = config.get("pooling_mode")
    if modes is None:
        flags = [key for key, on in config.items() if key.startswith("pooling_mode_") and on is True]
        modes = [_LEGACY_FLAGS.get(flag, flag.removeprefix("pooling_mode_")) for flag in flags]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise Failure(f"{path} asks for pooling {modes}; this package pools by one of {', '.join(POOLINGS)}")
    return str(modes[0])


def _refuse_unknown_modules(folder: Path) -> None:
    modules = read_json(folder / "modules.json") or []
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    unknown = [kind for kind in kinds if kind not in _KNOWN_MODULES]
    if unknown:
        raise Failure(
            f"{folder / 'modules.json'} has a {unknown[0]} module, which this package does not run; choose a "
            f"model made of {', '.join(_KNOWN_MODULES)} alone"
        )

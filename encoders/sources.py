"""Where a model comes from: a folder that is read when first needed, or objects already in memory."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from encoders.dense import Dense, Step
from encoders.errors import Failure, UsageError
from encoders.files import file_sha256
from encoders.layout import Layout, read_object, read_width, token_limit
from encoders.modules import read_folder, read_head

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
_ELSEWHERE = {"_name_or_path", "transformers_version", "dtype", "torch_dtype"}
"""Entries of a model's configuration that say where it was made, or what the weights themselves say."""


class ModelSource(Protocol):
    """A transformers model with its tokenizer, and how to pool it."""

    @property
    def layout(self) -> Layout:
        """Pooling and maximal length."""
        ...

    @property
    def dim(self) -> int:
        """Width of a text's vector."""
        ...

    @property
    def head(self) -> tuple[Step, ...]:
        """What is done to the pooled states, in order."""
        ...

    def digest(self) -> str:
        """Return a hash of weights, configuration and tokenizer."""
        ...

    def tokenizer(self) -> Any:
        """Return the tokenizer."""
        ...

    def model(self) -> Any:
        """Return the model."""
        ...


class FolderSource:
    """A local transformers or sentence-transformers folder; it is loaded when it is first needed.

    No code of the folder is run: weights come from safetensors files alone, and ``trust_remote_code`` is off.

    Raises:
        Failure: the folder lacks a file, or asks for something this package does not have.
    """

    def __init__(self, folder: Path | str) -> None:
        self.head = read_head(Path(folder))
        self.folder, self.layout = read_folder(Path(folder))
        if not (self.folder / "config.json").is_file():
            raise Failure(f"{self.folder} has no config.json; give the folder of a transformers model")
        self._weights = sorted(self.folder.glob("model*.safetensors"))
        if not self._weights:
            raise Failure(
                f"{self.folder} has no model.safetensors; other weight files can run code when loaded, so "
                "save the model with save_pretrained, which writes safetensors, or choose another model"
            )
        if (self.folder / "adapter_config.json").is_file():
            raise Failure(f"{self.folder} holds an adapter; merge it into the model and save that, or choose another")
        if read_object(self.folder / "config.json").get("is_encoder_decoder"):
            raise Failure(f"{self.folder} is an encoder-decoder; choose an encoder such as a BERT")
        layers = [step for step in self.head if isinstance(step, Dense)]
        self.dim = layers[-1].width if layers else read_width(self.folder)

    def digest(self) -> str:
        """Return a hash of the files, without building the model."""
        config = self.folder / "config.json"
        tokenizer = [self.folder / name for name in _TOKENIZER_FILES if (self.folder / name).is_file()]
        tokenizer += sorted(self.folder.glob("*.model"))
        listing = "".join(f"{path.name} {file_sha256(path)}\n" for path in (*self._weights, config, *tokenizer))
        listing += "".join(f"{step.digest() if step else 'unit length'}\n" for step in self.head)
        return hashlib.sha256(listing.encode()).hexdigest()

    def tokenizer(self) -> Any:
        """Return the tokenizer.

        Raises:
            Failure: transformers cannot build it.
        """
        import transformers

        with self._loading() as options:
            return transformers.AutoTokenizer.from_pretrained(self.folder, **options)

    def model(self) -> Any:
        """Return the model.

        Raises:
            Failure: transformers cannot build it, or weights are missing.
        """
        import transformers

        with self._loading() as options:
            model, report = transformers.AutoModel.from_pretrained(
                self.folder, use_safetensors=True, output_loading_info=True, **options
            )
        # A pooler is not used here and often not shipped; anything else missing would be random numbers.
        missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        if missing:
            raise Failure(f"the weights in {self.folder} lack {missing[0]} ({len(missing)} in all); copy it again")
        return model

    @contextmanager
    def _loading(self) -> Iterator[dict[str, Any]]:
        """Let transformers load from the folder, with options that run no code of it and ask no hub."""
        try:
            with _quiet_transformers():
                yield {"local_files_only": True, "trust_remote_code": False}
        except Exception as error:  # transformers and safetensors raise a dozen kinds for a broken folder
            first_line = str(error).strip().partition("\n")[0]
            raise Failure(f"cannot load the model in {self.folder}: {first_line}") from error


class MemorySource:
    """A model and a tokenizer that are already loaded, such as one being fine-tuned.

    Args:
        model: takes ``input_ids`` and ``attention_mask`` (B, T), gives ``last_hidden_state`` (B, T, D).
        tokenizer: a fast tokenizer of transformers.
        layout: pooling and maximal length; without it the mean over as many tokens as both can read.

    Raises:
        UsageError: the tokenizer is not a fast one, so that it cannot be told from another.
    """

    def __init__(self, model: Any, tokenizer: Any, layout: Layout | None = None) -> None:
        if not hasattr(tokenizer, "backend_tokenizer"):
            raise UsageError(f"{type(tokenizer).__name__} is no fast tokenizer; give one of transformers.AutoTokenizer")
        self._model, self._tokenizer = model, tokenizer
        self.head: tuple[Step, ...] = ()
        self.layout = layout or Layout(max_length=token_limit(self._config(), tokenizer.model_max_length))
        self.dim = int(model.config.hidden_size)

    def digest(self) -> str:
        """Return a hash of weights, configuration and tokenizer as they are now, whatever device they are on."""
        import torch

        hashed = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            hashed.update(memoryview(values))
        config = {name: value for name, value in self._config().items() if name not in _ELSEWHERE}
        hashed.update(json.dumps(config, sort_keys=True, default=str).encode())
        backend = json.loads(self._tokenizer.backend_tokenizer.to_str())
        # What the last call has left behind; every call of ours says both anew.
        del backend["truncation"], backend["padding"]
        hashed.update(json.dumps([self._tokenizer.truncation_side, backend], sort_keys=True).encode())
        return hashed.hexdigest()

    def tokenizer(self) -> Any:
        """Return the tokenizer."""
        return self._tokenizer

    def model(self) -> Any:
        """Return the model."""
        return self._model

    def _config(self) -> dict[str, Any]:
        config = self._model.config
        entries: dict[str, Any] = config.to_dict() if hasattr(config, "to_dict") else vars(config)
        return entries


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Silence loading bars and reports of transformers, and put its settings back afterwards."""
    from transformers.utils import logging

    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()

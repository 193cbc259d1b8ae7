"""Where a model comes from: a folder that is read when first needed, or objects already in memory."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from encoders.errors import Failure
from encoders.files import file_sha256
from encoders.layout import Layout, read_json, read_layout, read_width

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)


class ModelSource(Protocol):
    """A transformers model with its tokenizer, and how to pool it."""

    @property
    def layout(self) -> Layout:
        """Pooling and maximal length."""
        ...

    @property
    def dim(self) -> int:
        """Width of the model's states."""
        ...

    def digest(self) -> str:
        """Return a hash of weights, configuration and tokenizer."""
        ...

    def load(self) -> tuple[Any, Any]:
        """Return (model, tokenizer)."""
        ...


class FolderSource:
    """A local transformers or sentence-transformers folder; weights are read when ``load`` is called.

    No code of the folder is run: weights come from safetensors files alone, and ``trust_remote_code`` is off.

    Raises:
        Failure: the folder lacks a file, or asks for something this package does not have.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not (self.folder / "config.json").is_file():
            raise Failure(f"{self.folder} has no config.json; give the folder of a transformers model")
        self._weights = sorted(self.folder.glob("model*.safetensors"))
        if not self._weights:
            raise Failure(
                f"{self.folder} has no model.safetensors; other weight files can run code when loaded, so "
                "save the model with save_pretrained, which writes safetensors, or choose another model"
            )
        self.layout = read_layout(self.folder)
        self.dim = read_width(self.folder)

    def digest(self) -> str:
        """Return a hash of the files, without building the model."""
        config = self.folder / "config.json"
        tokenizer = [self.folder / name for name in _TOKENIZER_FILES if (self.folder / name).is_file()]
        listing = "".join(f"{path.name} {file_sha256(path)}\n" for path in (*self._weights, config, *tokenizer))
        return hashlib.sha256(listing.encode()).hexdigest()

    def load(self) -> tuple[Any, Any]:
        """Return (model, tokenizer).

        Raises:
            Failure: transformers cannot build them, or weights are missing.
        """
        import transformers

        if (read_json(self.folder / "config.json") or {}).get("is_encoder_decoder"):
            raise Failure(f"{self.folder} is an encoder-decoder; choose an encoder such as a BERT")
        options = {"local_files_only": True, "trust_remote_code": False}
        try:
            with _quiet_transformers():
                tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, **options)
                model, report = transformers.AutoModel.from_pretrained(
                    self.folder, use_safetensors=True, output_loading_info=True, **options
                )
        except Exception as error:  # transformers and safetensors raise a dozen kinds for a broken folder
            first_line = str(error).strip().partition("\n")[0]
            raise Failure(f"cannot load the model in {self.folder}: {first_line}") from error
        # A pooler is not used here and often not shipped; anything else missing would be random numbers.
        missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        if missing:
            raise Failure(f"the weights in {self.folder} lack {missing[0]} ({len(missing)} in all); copy it again")
        return model, tokenizer


class MemorySource:
    """A model and a tokenizer that are already loaded, such as one being fine-tuned.

    Args:
        model: takes ``input_ids`` and ``attention_mask`` (B, T), gives ``last_hidden_state`` (B, T, D).
        tokenizer: a transformers tokenizer.
        layout: pooling and maximal length.
    """

    def __init__(self, model: Any, tokenizer: Any, layout: Layout | None = None) -> None:
        self._model, self._tokenizer = model, tokenizer
        self.layout = layout or Layout()
        self.dim = int(model.config.hidden_size)

    def digest(self) -> str:
        """Return a hash of the weights as they are now, whatever device they are on."""
        import torch

        hashed = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            hashed.update(memoryview(values))
        hashed.update(self._tokenizer.backend_tokenizer.to_str().encode())
        return hashed.hexdigest()

    def load(self) -> tuple[Any, Any]:
        """Return (model, tokenizer)."""
        return self._model, self._tokenizer


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

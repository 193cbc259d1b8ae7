"""Tuned encoders as folders of sentence-transformers: the text encoder, then the item tower as dense layers."""

import json
from pathlib import Path
from typing import Any

from encoders.bert import BertEncoder
from encoders.dense import write_dense
from encoders.errors import Failure, UsageError
from encoders.files import cure, write_atomically
from encoders.protocol import Encoder
from encoders.tuning.tuned import Tuned

_LIBRARY = "sentence_transformers.models"
_GELU, _NONE = "torch.nn.modules.activation.GELU", "torch.nn.modules.linear.Identity"


def save_encoder(folder: Path | str, base: Encoder, tuned: Tuned) -> None:
    """Write a folder that sentence-transformers and `load_encoder` load to the vectors of `Tuned.items`.

    Its modules are Transformer, Pooling, Normalize, a Dense for each layer of the item tower, and Normalize. The towers
    themselves lie beside them, for `Tuned.load`: of users the folder alone says nothing.

    Args:
        folder: made if it is not there.
        base: the encoder whose vectors the towers were fitted on.
        tuned: the towers.

    Raises:
        UsageError: the encoder is not a transformers model alone, or its vectors are of another width.
        Failure: the folder cannot be written to.
    """
    encoder = getattr(base, "encoder", base)  # (within its cache)
    if not isinstance(encoder, BertEncoder) or encoder.source.head or encoder.layout.width is not None:
        raise UsageError(
            "only a text encoder that is a transformers model and a pooling can be saved with a head on it, such as "
            'minilm; fit the towers on "minilm" or on the folder of such a model'
        )
    if encoder.dim != tuned.dim:
        raise UsageError(
            f"the encoder gives vectors of {encoder.dim} numbers, and the towers were fitted on {tuned.dim}; give the "
            "encoder that they were fitted on"
        )
    folder, layers = Path(folder), tuned.item_tower.linears
    try:
        folder.mkdir(parents=True, exist_ok=True)
        encoder.source.model().save_pretrained(folder, safe_serialization=True)
        tokenizer = encoder.source.tokenizer()
        tokenizer.save_pretrained(folder)
    except OSError as error:
        raise Failure(f"cannot write {folder}: {error.strerror or error}; {cure(error)}") from error
    kinds = ["Transformer", "Pooling", "Normalize", *["Dense"] * len(layers), "Normalize"]
    paths = ["", *(f"{place}_{kind}" for place, kind in enumerate(kinds) if place)]
    for path, layer in zip(paths[3:], layers, strict=False):
        write_dense(folder / path, layer.weight, layer.bias, _NONE if layer is layers[-1] else _GELU)
    for path in (paths[2], paths[-1]):
        (folder / path).mkdir(exist_ok=True)
    tuned.save(folder)
    _write_settings(folder, encoder, paths[1])
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"{_LIBRARY}.{kind}"}
        for place, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    _write(folder / "modules.json", modules)


def _write_settings(folder: Path, encoder: BertEncoder, pooling: str) -> None:
    """Write what turns states of tokens into the pooled vector."""
    layout = encoder.layout
    _write(
        folder / "sentence_bert_config.json",
        {"max_seq_length": layout.max_length, "do_lower_case": layout.lower_case},
    )
    _write(
        folder / pooling / "config.json",
        {
            "word_embedding_dimension": encoder.dim,
            "pooling_mode_cls_token": layout.pooling == "cls",
            "pooling_mode_mean_tokens": layout.pooling == "mean",
        },
    )
    prompts = {"prompts": {"text": layout.prompt}, "default_prompt_name": "text"} if layout.prompt else {}
    _write(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine", **prompts})


def _write(path: Path, content: Any) -> None:
    write_atomically(path, json.dumps(content, indent=1).encode())

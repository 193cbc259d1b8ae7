"""Find an encoder by name, folder, hub name or import path."""

import inspect
from collections.abc import Sequence
from pathlib import Path

from encoders import ENCODERS, PRIVILEGED
from encoders.errors import Failure, UsageError
from encoders.files import at_home
from encoders.protocol import Encoder, Fittable, check_encoder
from encoders.registry import load_object, lookup, unknown_name
from encoders.settings import EncoderSettings

EXPORTED = "encoder"
"""The folder within that of a run which holds the encoder that it tuned."""


def load_encoder(
    name: str,
    *,
    device: str = "auto",
    precision: str = "float32",
    batch_size: int = 32,
    cache: bool = True,
    corpus: Sequence[str] | None = None,
) -> Encoder:
    """Return the encoder called ``name``.

    Args:
        name: a key of ``ENCODERS``; the local folder of a transformers model, or of a run of ``slatelab pipeline``
            that exported one; ``"module:Class"``, which is called with an ``EncoderSettings``; or a hub name such as
            ``"BAAI/bge-small-en-v1.5"``.
        device: "auto" (CUDA if there is one), "cpu", "cuda", "cuda:N" or "mps".
        precision: "float32", "bfloat16" or "float16" (GPU only).
        batch_size: texts in one forward pass.
        cache: whether vectors are kept on disk, in ``cache_folder()``.
        corpus: texts for an encoder that is `Fittable`, such as ``tfidf``, to learn from; others pass it over.

    Raises:
        UsageError: the name, device or precision is not known here.
        Failure: the model cannot be had or is broken.
    """
    settings = EncoderSettings(device=device, precision=precision, batch_size=batch_size)
    encoder = _build(name, settings)
    if corpus is not None and isinstance(encoder, Fittable):
        encoder = encoder.fit(corpus)
    if not cache:
        return encoder
    from encoders.cache import CachedEncoder

    return CachedEncoder(encoder)


def _build(name: str, settings: EncoderSettings) -> Encoder:
    if name in ENCODERS:
        built: Encoder = lookup("encoder", name, ENCODERS)(settings)
        return built
    if name in PRIVILEGED:
        raise UsageError(
            f'encoder "{name}" reads no texts: it stands for the vectors of an environment\'s hidden world; give it as '
            f"the encoder of an environment over texts (--encoder {name}), or choose one of {', '.join(ENCODERS)}"
        )
    folder = at_home(name)
    if name and folder.is_dir():
        folder = _within_run(folder)
        from encoders.bert import BertEncoder

        return BertEncoder.from_folder(folder, settings)
    if ":" in name:
        return _build_own(name, settings)
    if name.startswith((".", "/", "~")) or "\\" in name:
        raise UsageError(f'encoder "{name}": there is no such folder; check the path')
    if "/" in name:
        from encoders.bert import BertEncoder
        from encoders.hub import hub_folder

        return BertEncoder.from_folder(hub_folder(name), settings)
    raise unknown_name("encoder", name, ENCODERS)


def _within_run(folder: Path) -> Path:
    """Return the folder of the encoder that a run of `slatelab pipeline` exported, or the folder itself."""
    if any((folder / file).is_file() for file in ("config.json", "modules.json")):
        return folder
    exported = folder / EXPORTED
    return exported if exported.is_dir() else folder


def _build_own(name: str, settings: EncoderSettings) -> Encoder:
    """Build a user's own encoder, and say what it lacks."""
    own = load_object("encoder", name)
    try:
        inspect.signature(own).bind(settings)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f'encoder "{name}" cannot be built from an EncoderSettings ({error}); write def __init__(self, settings)'
        ) from error
    try:
        built = own(settings)
    except (UsageError, Failure):
        raise
    except Exception as error:
        raise Failure(f'encoder "{name}" cannot be built: {type(error).__name__}: {error}') from error
    return check_encoder(built, name)

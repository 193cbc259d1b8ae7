"""Open an index that was saved in a folder, whatever its kind."""

import hashlib
import json
from pathlib import Path

from encoders.errors import Failure, UsageError
from encoders.files import at_home
from encoders.retrieval.ann import FaissIndex
from encoders.retrieval.exact import ExactIndex
from encoders.retrieval.protocol import Index
from encoders.retrieval.storing import CONTENT, HEADER


def load_index(folder: Path | str) -> Index:
    """Return the index that was saved in a folder.

    Raises:
        UsageError: there is no index there, or the extra that it needs is not installed.
        Failure: a file is not as it was written.
    """
    folder = at_home(str(folder))
    if not (folder / HEADER).is_file():
        raise UsageError(f"{folder} holds no index ({HEADER} is missing); check the path, or save one there")
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        content = (folder / CONTENT).read_bytes()
        kind, settings, checksum = str(header["kind"]), dict(header["settings"]), str(header["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"the index in {folder} cannot be read ({error}); save it again") from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise Failure(f"{folder / CONTENT} is not as it was written; save the index again")
    if kind == "exact":
        return ExactIndex.from_bytes(content)
    return FaissIndex.from_bytes(content, settings)

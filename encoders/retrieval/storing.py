"""An index on disk: what it holds in one file, and beside it what kind it is and the file's checksum. No pickle."""

import hashlib
import json
from pathlib import Path
from typing import Any

from encoders.errors import Failure, UsageError
from encoders.files import at_home, write_atomically
from encoders.retrieval.protocol import Index

HEADER = "index.json"
CONTENT = "index.bin"


def write_index(folder: Path | str, kind: str, content: bytes, settings: dict[str, Any]) -> None:
    """Write what an index holds, then the header that vouches for it.

    Raises:
        Failure: the folder cannot be written to.
    """
    folder = at_home(str(folder))
    header = {"kind": kind, "sha256": hashlib.sha256(content).hexdigest(), "settings": settings}
    write_atomically(folder / CONTENT, content)
    write_atomically(folder / HEADER, (json.dumps(header, indent=2) + "\n").encode())


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
        from encoders.retrieval.exact import ExactIndex

        return ExactIndex.from_bytes(content)
    from encoders.retrieval.ann import FaissIndex

    return FaissIndex.from_bytes(content, settings)

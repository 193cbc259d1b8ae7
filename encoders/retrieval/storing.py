"""An index on disk: what it holds in one file, and beside it what kind it is and the file's checksum. No pickle."""

import hashlib
import json
from pathlib import Path
from typing import Any

from encoders.files import at_home, write_atomically

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

"""RecBole's atomic files: tab-separated tables with `name:type` headers, the exchange format of the field.

A folder holds `NAME.inter` (who met what), `NAME.item` (what the items are) and perhaps `NAME.user`, which is
not read. The format is described under "Atomic Files" in RecBole's documentation, https://recbole.io/docs/
"""

from __future__ import annotations

from pathlib import Path

from encoders.errors import UsageError
from envs.catalog import DataSet
from envs.tables.atomic import read_atomic
from envs.tables.fields import Fields
from envs.tables.rated import assemble


def load_atomic(
    folder: Path | str, title_field: str | None = None, genre_field: str | None = None, fields: Fields | None = None
) -> DataSet:
    """Load the data set in `folder`, as `envs.tables.rated.assemble` makes it.

    Args:
        folder: where the files lie; hidden ones are passed over.
        title_field: the column of titles; else the first that looks like it.
        genre_field: the column of genres; else the first that looks like it, if any.
        fields: the columns, where more than these two are to be named.

    Raises:
        UsageError: if a file is missing or malformed; the message names the file, the line and the column.
        Failure: if a file cannot be read.
    """
    fields = fields or Fields(title=title_field or "", genre=genre_field or "")
    interactions = read_atomic(_find(Path(folder), ".inter"))
    return assemble(interactions.path.stem, interactions, read_atomic(_find(Path(folder), ".item")), fields)


def _find(folder: Path, suffix: str) -> Path:
    """Return the only file of `folder` with that suffix."""
    names = visible(folder)
    found = [name for name in names if name.endswith(suffix)]
    if len(found) == 1:
        return folder / found[0]
    number = "no" if not found else "more than one"
    raise UsageError(f"there is {number} file NAME{suffix} in {folder} (there is: {listed(names)}); leave one there")


def visible(folder: Path) -> list[str]:
    """Return the names of what lies in a folder, sorted, without hidden files such as macOS leaves.

    Raises:
        UsageError: if it is not a folder.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder; name the one that holds the ratings and the items with --env.data (slatelab "
            "evaluate: --data)"
        )
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def listed(names: list[str]) -> str:
    """Return the first few names, in words."""
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "nothing"

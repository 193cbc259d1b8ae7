"""Files of ratings and items in every form that is read, damaged."""

import csv
import functools
import io

import numpy as np
from cases import Case
from mutations import damaged, with_other_words

from encoders.errors import Failure, UsageError
from envs.folder import load_folder

USERS, ITEMS = 12, 15


@functools.cache
def _forms() -> dict[str, dict[str, bytes]]:
    """Return small data in each form: name of the form to file name and content."""
    rng = np.random.default_rng(0)
    items = [(f"i{item}", f"A film, number {item}", ("Drama|Comedy", "Action")[item % 2]) for item in range(ITEMS)]
    rated = [
        (f"u{user}", f"i{item}", f"{int(rng.integers(1, 6))}.0", f"{rng.integers(10**9)}")
        for user in range(USERS)
        for item in rng.permutation(ITEMS)[:10]
    ]
    atomic = {
        "my.inter": _joined("\t", ["user_id:token", "item_id:token", "rating:float", "timestamp:float"], *rated),
        "my.item": _joined("\t", ["item_id:token", "title:token_seq", "genre:token_seq"], *items),
    }
    tables = {
        "ratings.csv": _csv(["userId", "movieId", "rating", "timestamp"], *rated),
        "movies.csv": _csv(["movieId", "title", "genres"], *items),
    }
    dat = {"ratings.dat": _joined("::", *rated), "movies.dat": _joined("::", *items)}
    return {"atomic": atomic, "csv": tables, "dat": dat}


def _joined(separator: str, *rows: list[str] | tuple[str, ...]) -> bytes:
    return "".join(separator.join(row) + "\n" for row in rows).encode()


def _csv(*rows: list[str] | tuple[str, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


SEPARATORS = {"atomic": "\t", "csv": ",", "dat": "::"}


def data_files(case: Case) -> None:
    """A damaged folder is read, and what is read is sound, or it is refused."""
    rng = case.rng
    form = rng.choice(sorted(_forms()))
    files = dict(_forms()[form])
    name = rng.choice(sorted(files))
    if rng.random() < 0.5:
        files[name] = damaged(files[name], rng)
    else:
        text = files[name].decode()
        files[name] = with_other_words(text, SEPARATORS[form], rng).encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        del files[name]
    for file, content in files.items():
        (case.folder / file).write_bytes(content)
    case.note(f"{form}: {name} is {files.get(name, b'gone')[:300]!r}")
    found = case.attempt(lambda: load_folder(case.folder))
    if isinstance(found, UsageError | Failure):
        return
    number = len(found.catalog)
    assert all(isinstance(title, str) for title in found.catalog.titles)
    assert np.isfinite(found.ratings.stars).all()
    assert (found.ratings.items < number).all()

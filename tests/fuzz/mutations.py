"""Small damages to bytes and texts, and values that nobody expects."""

import random
from typing import Any

import numpy as np
import torch

WORDS = ("", " ", "None", "nan", "inf", "-1", "0", "1", "2.5", "1e400", "true", "[]", "a\tb", "a|b", "é", "雨", "\x00")
"""Words for a field of a table, a setting or a flag."""
STRANGE_TEXTS = (
    *WORDS,
    "\ud800",
    "\u202e backwards",
    "\N{ZERO WIDTH JOINER}" * 50,
    "word " * 3000,
    "[MASK] [SEP]",
    "<b>&amp;",
    "[bold]x[/bold]",
    "\r\n",
    "🙂" * 200,
)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to three small damages: bits, cuts, insertions, repeated or moved pieces."""
    for _ in range(rng.randint(1, 3)):
        content = rng.choice((_flipped, _cut, _inserted, _repeated, _zeroed))(content, rng)
    return content


def _flipped(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return content
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def _cut(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] if rng.random() < 0.5 else content[:at] + content[at + rng.randint(1, 40) :]


def _inserted(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    new = rng.choice((b"\x00", b"\n", b"\t", b'"', b",", b"\xff\xfe", b"\xef\xbb\xbf", rng.randbytes(5)))
    return content[:at] + new + content[at:]


def _repeated(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    piece = content[at : at + rng.randint(1, 60)]
    return content[:at] + piece * rng.randint(2, 5) + content[at:]


def _zeroed(content: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(content))
    length = len(content[at : at + rng.randint(1, 16)])
    return content[:at] + bytes(length) + content[at + length :]


def with_other_words(text: str, separator: str, rng: random.Random) -> str:
    """Return a table's text with some fields replaced, left out or doubled."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 4)):
        row = rng.randrange(len(lines))
        fields = lines[row].split(separator)
        at = rng.randrange(len(fields))
        word = [rng.choice(WORDS)]
        fields[at : at + 1] = rng.choice((word, word, word, [], [fields[at]] * 2))
        lines[row] = separator.join(fields)
    if rng.random() < 0.2:
        rng.shuffle(lines)
    return "\n".join(lines)


def strange_value(rng: random.Random) -> Any:
    """Return something that is seldom meant."""
    shape = rng.choice(((), (0,), (1,), (4,), (4, 2), (2, 4), (4, 2, 1), (5, 2), (4, 0)))
    array = np.asarray(rng.choice((0, -1, 1, 7, 100)) * np.ones(shape))
    return rng.choice(
        (
            lambda: rng.choice(
                (None, True, False, -1, 0, 1, 3, 2**63, -(2**63), 10**30, 0.5, float("nan"), float("inf"), 1j)
            ),
            lambda: rng.choice((*STRANGE_TEXTS, b"bytes", object(), print, slice(3), {}, {1: 2}, set(), range(4))),
            lambda: rng.choice(([], [[]], [[0], [0, 1]], [None], ["a", "b"], [[0, 1]] * 4, [[0.5, 1.5]] * 4)),
            lambda: array.astype(rng.choice(("i1", ">i4", "i8", "f2", "f8", "c16", "?", "O", "U3", "M8[s]"))),
            lambda: np.ma.masked_array(array, mask=True),
            lambda: torch.full(
                shape, rng.choice((0, -1, 1, 7)), dtype=rng.choice((torch.int8, torch.int64, torch.bool))
            ),
            lambda: torch.full(shape, rng.choice((0.0, -1.0, float("nan")))),
            lambda: torch.zeros(4, 2).to_sparse(),
            lambda: torch.zeros(shape, requires_grad=True),
            lambda: torch.empty(shape, device="meta"),
        )
    )()

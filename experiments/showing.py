"""Tables as lines of text, and as HTML for a notebook."""

import html
from collections.abc import Iterable, Sequence


def text_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as lines of text, its first column to the left and the others to the right."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]
    return "\n".join([title, *map(str.rstrip, told)])


def html_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], bold: int | None = None) -> str:
    """Return a table as HTML.

    Args:
        title: its caption.
        heads: of the columns; none without a head line.
        rows: of text.
        bold: the row in bold type.
    """
    head = f"<thead>{_row('th', heads)}</thead>" if heads else ""
    body = "".join(_row("th" if place == bold else "td", row) for place, row in enumerate(rows))
    return f"<table><caption>{html.escape(title)}</caption>{head}<tbody>{body}</tbody></table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

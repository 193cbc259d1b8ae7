"""Titles as people read them, out of catalogues that sort them: `Apartment, The (1960)` is `The Apartment (1960)`."""

import re

ARTICLES = (
    *("The", "A", "An"),
    *("La", "Le", "Les", "L'", "L’", "Un", "Une"),
    *("El", "Los", "Las", "Una"),
    *("Il", "Lo", "I", "Gli"),
    *("Der", "Die", "Das", "Ein", "Eine"),
    *("De", "Den", "Det", "Het", "O", "Os", "As", "Da"),
)
"""What stands behind the last comma of a sorted title; `Da` is slang (`Hip Hop Witch, Da`)."""

_SORTED = re.compile(
    r"(?P<start>^|\()(?P<alias>a\.k\.a\.:? )?(?P<title>[^()]+?(?:\([^()]*\))?), "
    rf"(?P<article>{'|'.join(ARTICLES)})(?= ?\)| ?:| \(|\s*$)"
)


def reading_order(title: str) -> str:
    """Return a title with its articles in front, also those of other titles in brackets; the rest as it is.

    `City of Lost Children, The (Cité des enfants perdus, La) (1995)` becomes
    `The City of Lost Children (La Cité des enfants perdus) (1995)`.
    """
    return _SORTED.sub(_article_first, title)


def _article_first(found: re.Match[str]) -> str:
    article = found["article"]
    space = "" if article[-1] in "'’" else " "
    return f"{found['start']}{found['alias'] or ''}{article}{space}{found['title']}"

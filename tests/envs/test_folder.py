"""Folders are read in the forms people have them, and what was read is said."""

import logging
from pathlib import Path

import numpy as np
import pytest

from encoders.errors import UsageError
from envs.catalog import DataSet
from envs.folder import GENRES_100K, load_folder
from envs.tables.fields import Fields

TITLES = ("The Apartment (1960)", "Les Misérables (1995)", "Heat (1995)")
GENRES = (["Comedy", "Drama"], [], ["Western"])
RATED = [("7", "10", "4", "30"), ("8", "30", "2", "20"), ("7", "30", "5", "10")]


def _write(folder: Path, **files: str | bytes) -> Path:
    """Write files, the dots of whose names are given as two underscores."""
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def _rows(separator: str, header: bool = False) -> str:
    rows = [("userId", "movieId", "rating", "timestamp"), *RATED] if header else RATED
    return "".join(separator.join(row) + "\n" for row in rows)


def _latest(folder: Path) -> Path:
    movies = 'movieId,title,genres\n10,"Apartment, The (1960)",Comedy|Drama\n20,"Misérables, Les (1995)",'
    movies += "(no genres listed)\n30,Heat (1995),Western\n"
    tags = "userId,movieId,tag,timestamp\n7,10,funny,1\n"
    links = "movieId,imdbId,tmdbId\n10,1,2\n"
    return _write(folder, ratings__csv=_rows(",", True), movies__csv=movies, tags__csv=tags, links__csv=links)


def _one_million(folder: Path) -> Path:
    movies = "10::Apartment, The (1960)::Comedy|Drama\n20::Misérables, Les (1995)::\n30::Heat (1995)::Western\n"
    return _write(folder, ratings__dat=_rows("::"), movies__dat=movies.encode("latin-1"), users__dat="7::F::1\n")


def _hundred_thousand(folder: Path) -> Path:
    items = [("10", "Apartment, The (1960)"), ("20", "Misérables, Les (1995)"), ("30", "Heat (1995)")]
    lines = [
        "|".join([item, title, "01-Jan-1990", "", "http://…", *("1" if name in has else "0" for name in GENRES_100K)])
        for (item, title), has in zip(items, (GENRES[0], ["unknown"], GENRES[2]), strict=True)
    ]
    return _write(
        folder,
        u__data=_rows("\t"),
        u__item="".join(f"{line}\r\n" for line in lines).encode("cp1252"),
        u__user="7|1|F|x|y\n",
    )


def _atomic(folder: Path) -> Path:
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    items = "item_id:token\ttitle:token_seq\tgenre:token_seq\n10\tApartment, The (1960)\tComedy Drama\n"
    items += "20\tMisérables, Les (1995)\t\n30\tHeat (1995)\tWestern\n"
    return _write(folder, toy__inter=head + _rows("\t"), toy__item=items, **{"__" + "_toy__inter": b"\x00\x05\x16\x07"})


@pytest.mark.parametrize("write", [_latest, _one_million, _hundred_thousand, _atomic])
def test_a_folder_is_read_as_it_is(write: object, tmp_path: Path) -> None:
    assert callable(write)
    dataset: DataSet = load_folder(write(tmp_path))
    catalog, ratings = dataset.catalog, dataset.ratings
    assert catalog.titles == TITLES
    assert [[catalog.genre_names[at] for at in np.flatnonzero(row)] for row in catalog.genres] == [
        sorted(names) for names in GENRES
    ]
    assert (catalog.item_ids, ratings.user_ids) == (("10", "20", "30"), ("7", "8"))
    assert (ratings.users.tolist(), ratings.items.tolist()) == ([0, 1, 0], [0, 2, 2])
    assert (ratings.stars.tolist(), ratings.timestamps.tolist()) == ([4, 2, 5], [30, 20, 10])


def test_what_was_read_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "slatelab.envs"):
        load_folder(_latest(tmp_path))
    assert caplog.messages == [
        "ratings.csv: 3 ratings by 2 users, from 2 to 5 (half are 4 or less, eight tenths from 2.4 to 4.8)\n"
        "movies.csv: 3 items; titles from title, genres from genres (split at |)\n"
        "3 genres: Comedy, Drama, Western\n"
        "  The Apartment (1960). Genres: Comedy, Drama\n"
        "  Les Misérables (1995).\n"
        "  Heat (1995). Genres: Western"
    ]


def test_all_columns_can_be_named(tmp_path: Path) -> None:
    plays = "who;what;much;when\n7;10;4;2015-03-01 12:30\n8;30;2;2015-03-01\n"
    things = 'what;label;shelf;story\n10;Kettle;Kitchen / Old;"A kettle; it sings"\n30;Lamp;;\n'
    fields = Fields(user="who", item="what", rating="much", time="when", title="label", genre="shelf")
    _write(tmp_path, plays__csv=plays, things__csv=things)
    with pytest.raises(UsageError, match=r"no csv file .* users and items .*plays.csv: who, .* user_field"):
        load_folder(tmp_path)
    dataset = load_folder(tmp_path, Fields(**vars(fields) | {"genre_separator": "/", "texts": ("story",)}))
    assert dataset.catalog.texts == ("Kettle. Genres: Kitchen, Old. A kettle; it sings", "Lamp.")
    assert np.diff(dataset.ratings.timestamps).tolist() == [-12.5 * 3600]
    assert load_folder(tmp_path, Fields(**vars(fields) | {"genre": "none"})).catalog.genre_names == ()


def test_times_beyond_all_time_keep_their_order(tmp_path: Path) -> None:
    folder = _one_million(tmp_path)
    (folder / "ratings.dat").write_text("7::10::4::1e30\n8::30::2::5\n7::30::5::-1e30\n")
    assert np.argsort(load_folder(folder).ratings.timestamps).tolist() == [2, 1, 0]


def test_a_csv_without_ratings_says_who_used_what(tmp_path: Path) -> None:
    _write(tmp_path, a__csv="user,item\nu,i\nv,j\n", b__csv="item,title\ni,x\nj,y\n")
    dataset = load_folder(tmp_path)
    assert dataset.ratings.stars.tolist() == [1, 1]
    assert dataset.star_range == (1, 1)


REFUSED = {
    "nothing": ({}, "holds neither atomic files .* nor MovieLens' nor csv files .there is: nothing"),
    "two of a kind": (
        {"a__csv": "user,item,rating\nu,i,1\n", "b__csv": "item,title\ni,x\n", "c__csv": "item,title\ni,x\n"},
        r"more than one csv file .b.csv, c.csv. .* items and titles",
    ),
    "a line too short": (
        {"a__csv": "user,item,rating\nu,i,1\n\nu,i\n", "b__csv": "item,title\ni,x\n"},
        r"a.csv, line 4: 2 columns where there should be 3 .user, item, rating.",
    ),
    "no line": ({"a__csv": "user,item,rating\n", "b__csv": "item,title\ni,x\n"}, r"a.csv has no line below its header"),
    "empty": ({"a__csv": ""}, r"a.csv is empty; give it a header"),
    "a column twice": (
        {"a__csv": "user,item,rating,user\nu,i,1,u\n", "b__csv": "item,title\ni,x\n"},
        r"a.csv, line 1, column 4: 'user' occurs twice",
    ),
    "a date that is none": (
        {"a__csv": "user,item,rating,date\nu,i,1,soon\n", "b__csv": "item,title\ni,x\n"},
        r"a.csv, line 2, column date: 'soon' is not a number",
    ),
    "half a MovieLens": ({"ratings__dat": "1::2::3::4\n"}, r"cannot read .*movies.dat"),
    "another separator": (
        {"ratings__dat": "1,2,3,4\n", "movies__dat": "2::x::y\n"},
        r"ratings.dat, line 1: 1 columns where there should be 4",
    ),
}


@pytest.mark.parametrize(("files", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_answered_with_its_place(files: dict[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, RuntimeError), match=sentence):
        load_folder(_write(tmp_path, **files))


def test_a_column_of_stories_is_not_taken_for_genres(tmp_path: Path) -> None:
    items = "".join(f"i{at},title {at},story {at}\n" for at in range(2_001))
    _write(tmp_path, a__csv="user,item,rating\nu,i1,1\n", b__csv=f"item,title,genre\n{items}")
    with pytest.raises(UsageError, match=r"b.csv, column genre: it holds 2,001 genres, and 2,000 are the most"):
        load_folder(tmp_path)

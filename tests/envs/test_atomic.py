"""Atomic files are read as written, and a malformed one is answered with file, line and column."""

import logging
from pathlib import Path

import numpy as np
import pytest

from encoders.errors import UsageError
from envs.atomic import load_atomic

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
INTER += "u1\ti2\t4\t20\nu2\ti1\t2.5\t30\nu1\ti1\t5\t10\n"
ITEM = "item_id:token\tmovie_title:token_seq\tclass:token_seq\ni1\tHeat\tAction Crime\ni2\tBabe\t\n"


def _write(folder: Path, inter: str | bytes | None = INTER, item: str | bytes | None = ITEM) -> Path:
    for suffix, content in ((".inter", inter), (".item", item)):
        if content is not None:
            (folder / f"toy{suffix}").write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_a_folder_becomes_a_data_set(tmp_path: Path) -> None:
    films = load_atomic(_write(tmp_path))
    assert films.name == "toy"
    assert films.catalog.texts == ("Heat. Genres: Action, Crime", "Babe.")
    assert films.ratings.user_ids == ("u1", "u2")
    assert films.ratings.users.tolist() == [0, 1, 0]
    assert films.ratings.items.tolist() == [1, 0, 0]
    assert films.ratings.stars.tolist() == [4.0, 2.5, 5.0]
    assert films.ratings.timestamps.tolist() == [20, 30, 10]
    assert films.star_range == (2.5, 5.0)


def test_windows_line_ends_a_byte_order_mark_and_comma_separated_genres_are_read(tmp_path: Path) -> None:
    item = "\ufeff" + ITEM.replace("Action Crime", "Action, Slice of Life").replace("\n", "\r\n")
    films = load_atomic(_write(tmp_path, INTER.replace("\n", "\r\n"), item))
    assert films.catalog.texts[0] == "Heat. Genres: Action, Slice of Life"


def test_without_ratings_and_times_every_line_is_a_one_in_order(tmp_path: Path) -> None:
    films = load_atomic(_write(tmp_path, "user_id:token\titem_id:token\nu1\ti2\nu2\ti1\n"))
    assert films.ratings.stars.tolist() == [1.0, 1.0]
    assert films.ratings.timestamps.tolist() == [0, 1]
    assert films.star_range == (1.0, 1.0)


def test_columns_can_be_named(tmp_path: Path) -> None:
    item = "item_id:token\tlabel:token\tshelf:token_seq\ni1\tHeat\tA\ni2\tBabe\tB\n"
    folder = _write(tmp_path, item=item)
    with pytest.raises(UsageError, match=r"toy.item, line 1: no column looks like a title .*title_field"):
        load_atomic(folder)
    assert load_atomic(folder, "label", "shelf").catalog.texts == ("Heat. Genres: A", "Babe. Genres: B")
    with pytest.raises(UsageError, match=r"there is no column colour:token_seq .*label:token"):
        load_atomic(folder, "label", "colour")


def test_interactions_with_unknown_items_are_dropped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "slatelab.envs"):
        films = load_atomic(_write(tmp_path, INTER + "u3\tnone\t1\t1\n"))
    assert "dropped 1 interactions" in caplog.text
    assert (len(films.ratings), films.ratings.user_ids) == (3, ("u1", "u2"))


def test_quoted_entries_are_read_as_recbole_reads_them(tmp_path: Path) -> None:
    item = '"item_id:token"\t"movie_title:token_seq"\tclass:token_seq\n'
    item += 'i1\t"The ""Big""\tSleep"\tCrime\n"i2"\t"Two\nlines"\tCrime\ni3\t7" single\tPop\n'
    catalog = load_atomic(_write(tmp_path, item=item)).catalog
    assert catalog.item_ids == ("i1", "i2", "i3")
    assert catalog.titles == ('The "Big"\tSleep', "Two\nlines", '7" single')
    with pytest.raises(UsageError, match=r"toy.item, line 6, column item_id: 'i3' is already on line 5"):
        load_atomic(_write(tmp_path, item=item + "i3\tagain\tPop\n"))


@pytest.mark.parametrize("title", ['"Great Performances" Cats', '"Open', '"Open and\tclosed"'])
def test_marks_that_do_not_fit_quoting_are_text(title: str, tmp_path: Path) -> None:
    item = f'item_id:token\tmovie_title:token_seq\ni1\t{title.partition("	")[0]}\ni2\t"Heat"\n'
    assert load_atomic(_write(tmp_path, item=item)).catalog.titles == (title.partition("\t")[0], '"Heat"')


def test_lines_without_a_user_or_an_item_are_dropped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "slatelab.envs"):
        films = load_atomic(_write(tmp_path, INTER + "\ti1\t1\t1\n  \ti2\t1\t1\n", ITEM + "\tNothing\tDrama\n"))
    assert "dropped 2 lines without a user_id" in caplog.text
    assert "dropped 1 lines without a item_id" in caplog.text
    assert films.ratings.user_ids == ("u1", "u2")
    assert films.catalog.item_ids == ("i1", "i2")


def test_several_ratings_of_one_pair_become_their_mean_at_the_newest_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "slatelab.envs"):
        ratings = load_atomic(_write(tmp_path, INTER + "u1\ti2\t1\t99\nu1\ti2\t1\t5\n")).ratings
    assert "2 ratings repeat the user and the item of another; 3 ratings are left" in caplog.text
    assert (ratings.users.tolist(), ratings.items.tolist()) == ([0, 1, 0], [1, 0, 0])
    assert (ratings.stars.tolist(), ratings.timestamps.tolist()) == ([2.0, 2.5, 5.0], [99, 30, 10])


def test_a_comma_separated_file_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"toy.inter, line 1: the columns are separated by commas, .* name the file NAME.csv"
    ):
        load_atomic(_write(tmp_path, INTER.replace("\t", ",")))


def test_what_macos_leaves_beside_a_file_is_passed_over(tmp_path: Path) -> None:
    for suffix in (".inter", ".item"):
        (tmp_path / f"._toy{suffix}").write_bytes(b"\x00\x05\x16\x07")
    assert len(load_atomic(_write(tmp_path)).ratings) == 3


HEAD = "user_id:token\titem_id:token\trating:float\n"
MALFORMED = {
    "no type": (
        "user_id\titem_id:token\nu\ti1\n",
        r"toy.inter, line 1, column 1: 'user_id' is not name:type",
    ),
    "unknown type": (
        "user_id:token\titem_id:int\nu\ti1\n",
        r"toy.inter, line 1, column 2: unknown type 'int'",
    ),
    "column twice": ("user_id:token\tuser_id:token\nu\ti1\n", r"line 1, column 2: user_id occurs twice"),
    "too few columns": (HEAD + "u\ti1\t3\nu\ti1\n", r"toy.inter, line 3: 2 columns where the header has 3"),
    "too many columns": (HEAD + "u\ti1\t3\t4\n", r"toy.inter, line 2: 4 columns where the header has 3"),
    "a word for a number": (
        HEAD + "u\ti1\t3\nu\ti1\tgood\n",
        r"line 3, column rating: 'good' is not a number",
    ),
    "not a number": (HEAD + "u\ti1\tnan\n", r"toy.inter, line 2, column rating: 'nan' is not finite"),
    "infinite": (HEAD + "u\ti1\t3\nu\ti1\tinf\n", r"toy.inter, line 3, column rating: 'inf' is not finite"),
    "rating of another type": (HEAD.replace("float", "token") + "u\ti1\t3\n", r"rating has the type token"),
    "no user": ("item_id:token\ni1\n", r"toy.inter, line 1: no column looks like a user .*--env.user-field"),
    "no user in any line": (HEAD + "\ti1\t3\n", r"toy.inter, column user_id: no line has a user"),
    "only unknown items": (HEAD + "u\tnone\t3\n", r"toy.inter, column item_id: no item is in toy.item"),
    "empty": ("", r"toy.inter is empty"),
    "header alone": (HEAD, r"toy.inter has a header but no line below it"),
    "another encoding": (
        HEAD.encode() + b"u\ti1\t3\n\xe9\ti1\t3\n",
        r"toy.inter, line 3: the text is not UTF-8",
    ),
}


@pytest.mark.parametrize(("inter", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_interactions_are_answered_with_their_place(inter: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load_atomic(_write(tmp_path, inter))


def test_an_item_id_on_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"toy.item, line 4, column item_id: 'i1' is already on line 2"):
        load_atomic(_write(tmp_path, item=ITEM + "i1\tHeat\t\n"))


def test_a_missing_file_is_answered_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        load_atomic(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"no file NAME.inter .*there is: nothing"):
        load_atomic(tmp_path)
    with pytest.raises(UsageError, match=r"no file NAME.item .*there is: toy.inter"):
        load_atomic(_write(tmp_path, item=None))
    (tmp_path / "more.inter").touch()
    with pytest.raises(UsageError, match=r"more than one file NAME.inter"):
        load_atomic(tmp_path)


def test_recboles_own_ml_100k_opens_where_it_is_installed() -> None:
    recbole = pytest.importorskip("recbole")
    films = load_atomic(Path(recbole.__file__).parent / "dataset_example" / "ml-100k")
    assert (len(films.ratings), len(films.ratings.user_ids)) == (100_000, 943)
    assert np.isin(films.ratings.stars, [1, 2, 3, 4, 5]).all()

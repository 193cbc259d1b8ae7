"""How the entries of a column are taken apart is decided by the whole column, and can be said."""

import pytest

from encoders.errors import UsageError
from envs.tables.sequences import take_apart

DECIDED = {
    "commas, and an entry with one value of two words": (
        ["Action, Science Fiction", "Science Fiction", "Drama", ""],
        ",",
        [["Action", "Science Fiction"], ["Science Fiction"], ["Drama"], []],
    ),
    "bars": (["A|B", "C", "(no genres listed)", "B|A|B"], "|", [["A", "B"], ["C"], [], ["B", "A"]]),
    "bars around names with commas": (["Arts, Crafts|Toys", "Toys"], "|", [["Arts, Crafts", "Toys"], ["Toys"]]),
    "semicolons": (["A; B", "C"], ";", [["A", "B"], ["C"]]),
    "lists as JSON": (['["Drama", "War"]', "[]"], "lists", [["Drama", "War"], []]),
    "lists as Python": (["['Movies & TV', \"Kid's\"]", "['Books']"], "lists", [["Movies & TV", "Kid's"], ["Books"]]),
    "lists of objects": (["[{'id': 18, 'name': 'Drama'}]"], "lists", [["Drama"]]),
    "quoted values": (["'Movies & TV', 'Books'", "'Books'"], "lists", [["Movies & TV", "Books"], ["Books"]]),
    "spaces": (["Drama War", "Drama", ""], " ", [["Drama", "War"], ["Drama"], []]),
    "spaces, and entries that recur": (
        ["Drama War", "War", "Drama"] * 3,
        " ",
        [["Drama", "War"], ["War"], ["Drama"]] * 3,
    ),
    "spaces, and no word twice": (["Action Crime", "War"], " ", [["Action", "Crime"], ["War"]]),
    "names with a sign": (["Home & Kitchen", "Books"], "none", [["Home & Kitchen"], ["Books"]]),
    "names that recur whole": (
        ["Science Fiction", "Drama"] * 3,
        "none",
        [["Science Fiction"], ["Drama"]] * 3,
    ),
    "names with commas that recur whole": (
        ["Clothing, Shoes & Jewelry", "Books"] * 3,
        "none",
        [["Clothing, Shoes & Jewelry"], ["Books"]] * 3,
    ),
    "nothing": (["", ""], " ", [[], []]),
}


@pytest.mark.parametrize(("column", "separator", "values"), DECIDED.values(), ids=DECIDED.keys())
def test_the_separator_speaks_from_the_column(column: list[str], separator: str, values: list[list[str]]) -> None:
    assert take_apart(column, "auto", spaces=True) == (values, separator)


def test_a_space_separates_only_where_it_may() -> None:
    assert take_apart(["Science Fiction", "Drama"], "auto", spaces=False)[0] == [["Science Fiction"], ["Drama"]]


@pytest.mark.parametrize(
    ("separator", "values"),
    [("/", ["a", "b,c|d"]), (",", ["a/b", "c|d"]), ("none", ["a/b,c|d"]), ("lists", ["a/b,c|d"])],
)
def test_a_separator_that_is_named_counts(separator: str, values: list[str]) -> None:
    assert take_apart(["a/b,c|d"], separator, spaces=True) == ([values], separator)


def test_an_empty_separator_is_refused() -> None:
    with pytest.raises(UsageError, match="separator of genres is empty"):
        take_apart(["a"], "", spaces=True)


@pytest.mark.parametrize("entry", ["[" * 5_000, "[1, 2]", "['a' for a in 'b']", "'open", "[None]"])
def test_what_is_no_list_of_words_is_one_value(entry: str) -> None:
    assert take_apart([entry], "lists", spaces=True)[0] == [[entry]]

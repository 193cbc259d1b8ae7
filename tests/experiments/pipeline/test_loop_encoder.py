"""An encoder for the loop learns from train users alone, and finds what they go for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_texts import ITEMS, KINDS, ToyTexts, ToyTextsSettings

from encoders import load_encoder
from encoders.errors import UsageError
from encoders.tuning.settings import TuningSettings
from envs.ratings import Ratings, RatingsSettings
from envs.shop.settings import ShopSettings
from envs.shop.simulator import Shop
from envs.streams import Stream
from experiments.checking.small_settings import write_shop
from experiments.pipeline.loop_encoder import Log, LoopSettings, clicks, export, log_of, loop_encoder, recall

SMALL = LoopSettings(
    train_users=1000,
    validation_users=50,
    tuning=TuningSettings(loss="elsa", width=8, hidden=0, epochs=30, learning_rate=1e-2, device="cpu"),
)


@pytest.fixture(scope="module")
def toy() -> ToyTexts:
    return ToyTexts(ToyTextsSettings(encoder="random", candidate_source="random"), "cpu")


def test_what_users_click_is_logged_with_what_they_knew(toy: ToyTexts) -> None:
    logged = clicks(toy, "train", 200, 0)
    again = clicks(toy, "train", 200, 0)
    np.testing.assert_array_equal(logged, again)
    first = logged[:, 0]
    assert (logged.max(axis=1) < ITEMS).all()
    assert ((logged >= 0).sum(axis=1) <= toy.time_limit).all()
    real = logged >= 0
    shown = logged.copy()
    last = np.take_along_axis(logged, real.sum(axis=1, keepdims=True) - 1, axis=1)
    alike = (shown % len(KINDS) == last % len(KINDS))[real]
    assert alike.mean() > 0.4  # most are of the kind of what was known; a quarter would be chance
    assert len(np.unique(first)) > 20


def test_tuned_on_clicks_random_vectors_become_those_of_kinds(toy: ToyTexts) -> None:
    frozen = load_encoder("random", device="cpu").encode(toy.texts)
    same = np.arange(ITEMS)[:, None] % len(KINDS) == np.arange(ITEMS) % len(KINDS)
    gaps = []
    for vectors in (frozen, loop_encoder(toy, SMALL).items(frozen)):
        cosines = vectors @ vectors.T - np.eye(ITEMS)
        gaps.append(cosines[same].mean() - cosines[~same].mean())
    assert gaps[1] > gaps[0] + 0.2


def test_the_run_folder_it_is_written_into_is_an_encoder_for_the_loop(tmp_path: Path) -> None:
    toy = ToyTexts(ToyTextsSettings(encoder="tiny"), "cpu")
    tuned, folder = loop_encoder(toy, SMALL), export(toy, tmp_path, SMALL)
    assert folder == tmp_path / "encoder"
    expected = tuned.items(load_encoder("tiny", device="cpu").encode(toy.texts))
    found = load_encoder(str(tmp_path), device="cpu", cache=False).encode(toy.texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert ToyTexts(ToyTextsSettings(encoder=str(tmp_path)), "cpu").view.vectors.shape == (ITEMS, 4)


def test_an_encoder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    toy = ToyTexts(ToyTextsSettings(encoder="tiny"), "cpu")
    (tmp_path / "encoder.part").mkdir()  # what a kill leaves is no hindrance
    (tmp_path / "encoder.part" / "half").write_text("")
    export(toy, tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]
    assert not (tmp_path / "encoder" / "half").exists()
    with pytest.raises(UsageError, match="exists"):
        export(toy, tmp_path, SMALL)


def test_users_noise_and_slates_are_streams_of_their_own(toy: ToyTexts, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    plain = Stream.manual_seed
    monkeypatch.setattr(Stream, "manual_seed", lambda self, seed: (seeds.append(seed), plain(self, seed))[1])
    clicks(toy, "train", 5, 0)
    clicks(toy, "validation", 5, 0)
    assert len(seeds) == 6
    assert len(set(seeds)) == len(seeds)


def test_only_train_raters_are_learnt_from(tmp_path: Any) -> None:
    write_shop(tmp_path)
    simulator = Ratings(RatingsSettings(data=str(tmp_path), encoder="tiny", num_features=8), device="cpu")
    preferences = simulator.world.users.preferences
    log = log_of(simulator, SMALL)
    np.testing.assert_array_equal(log.train, preferences.liked[preferences.split["train"]])
    np.testing.assert_array_equal(log.validation, preferences.liked[preferences.split["validation"]])
    before = loop_encoder(simulator, SMALL)
    preferences.liked[preferences.split["test"]] = -1
    vectors = load_encoder("tiny", device="cpu").encode(log.texts)
    np.testing.assert_array_equal(loop_encoder(simulator, SMALL).items(vectors), before.items(vectors))


@pytest.mark.slow
def test_own_words_go_together_with_what_their_speaker_clicks() -> None:
    simulator = Shop(ShopSettings(encoder="tiny"), "cpu")
    log = log_of(simulator, replace(SMALL, train_users=50, validation_users=20))
    assert len(log.texts) == log.num_items + len(simulator.view.words)
    assert ((log.train >= log.num_items).sum(axis=1) == 1).all()


def test_recall_by_hand() -> None:
    vectors = np.concatenate([np.eye(4, dtype=np.float32)[np.arange(80) % 4], np.eye(4, dtype=np.float32)[:2]])
    texts = ("",) * 82
    likes = np.array([[0, 4, 8, 80], [1, 2, 3, 81]])  # the first says what they like; the second a third of it
    log = Log(texts=texts, num_items=80, train=likes, validation=likes)
    assert recall(vectors, log, 0) == pytest.approx((1 + 1 / 3) / 2, abs=0.35)
    apart = Log(texts=texts, num_items=80, train=likes, validation=np.array([[0, 4, 8, 81]]))
    assert recall(vectors, apart, 0) < 0.4


def test_the_privileged_encoder_and_nobody_are_refused(toy: ToyTexts) -> None:
    privileged = ToyTexts(ToyTextsSettings(encoder="world"), "cpu")
    with pytest.raises(UsageError, match="reads no texts"):
        loop_encoder(privileged, SMALL)
    with pytest.raises(UsageError, match="train_users is 0"):
        LoopSettings(train_users=0)

"""What reading explains: a share of the variance of what is hidden, on items that the reader has not seen."""

import numpy as np
import pytest
from toy_texts import ToyTexts, ToyTextsSettings

from envs.text.readout import VECTORS, explained, held_out_r2

RNG = np.random.default_rng(0)
TEXTS_NE = RNG.normal(size=(400, 20))
PLANTED_NA = TEXTS_NE @ RNG.normal(size=(20, 3))


def test_a_linear_relation_is_read_in_full() -> None:
    assert held_out_r2(TEXTS_NE, PLANTED_NA) > 0.9999


def test_the_share_that_noise_leaves_is_told() -> None:
    noise_NA = RNG.normal(size=PLANTED_NA.shape) * PLANTED_NA.std(axis=0)
    assert held_out_r2(TEXTS_NE, PLANTED_NA + noise_NA) == pytest.approx(0.5, abs=0.06)


def test_few_items_do_not_make_the_share_look_larger() -> None:
    # In sample, 20 numbers explain two thirds of 60 items of which they say a half.
    noise_NA = RNG.normal(size=PLANTED_NA.shape) * PLANTED_NA.std(axis=0)
    assert held_out_r2(TEXTS_NE[:60], (PLANTED_NA + noise_NA)[:60]) < 0.5


@pytest.mark.parametrize("width", [20, 390])
def test_vectors_that_say_nothing_explain_nothing_however_many_numbers_they_have(width: int) -> None:
    # Without a penalty, 390 numbers would tell 320 items by heart, and nonsense of the others.
    nothing_NE = RNG.normal(size=(400, width))
    nothing_NE /= np.linalg.norm(nothing_NE, axis=1, keepdims=True)
    assert held_out_r2(nothing_NE, PLANTED_NA) == pytest.approx(0.0, abs=0.05)


def test_all_columns_count_by_their_variance() -> None:
    read_N, unread_N = TEXTS_NE[:, 0], RNG.normal(size=400)
    read_N, unread_N = read_N / read_N.std(), unread_N / unread_N.std()
    assert held_out_r2(TEXTS_NE, np.stack([3 * read_N, unread_N], axis=1)) == pytest.approx(0.9, abs=0.02)


def test_an_offset_of_what_is_hidden_explains_nothing() -> None:
    nothing_NE = RNG.normal(size=(400, 20))
    assert held_out_r2(nothing_NE, PLANTED_NA + 100) == pytest.approx(0.0, abs=0.05)


def test_what_does_not_vary_has_no_share() -> None:
    assert np.isnan(held_out_r2(TEXTS_NE, np.ones((400, 1))))


def test_equal_items_give_equal_figures() -> None:
    assert held_out_r2(TEXTS_NE[:, :3], PLANTED_NA) == held_out_r2(TEXTS_NE[:, :3], PLANTED_NA)


def test_a_domain_tells_what_is_read_of_its_world_and_of_each_attribute() -> None:
    world, tiny, random = (
        explained(ToyTexts(ToyTextsSettings(encoder=name), "cpu")) for name in ("world", "tiny", "random")
    )
    assert list(tiny) == [VECTORS, "kind", "worth"]
    assert world[VECTORS].texts > 0.9999
    assert world[VECTORS].view == pytest.approx(world[VECTORS].texts)
    assert random[VECTORS].texts < 0.1 < tiny[VECTORS].texts < world[VECTORS].texts
    # The four components that the view keeps say less than the 32 numbers of the encoder.
    assert tiny["kind"].view < tiny["kind"].texts

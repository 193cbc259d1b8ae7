"""The choice models by hand, their chances as distributions, and clicks that follow the chances."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.choice import CHOICE_MODELS, ChoiceParameters
from envs.recsim.interest_settings import check_choice

ATTRACTION = [0.5, 0.2, 0.4]
LOGITS = torch.tensor([[math.log(chance / (1 - chance)) for chance in ATTRACTION]])
NO_CLICK = torch.zeros(1)


def chances(name: str, scores: torch.Tensor, empty: list[bool] | None = None, **parameters: float) -> list[float]:
    """Return the chances of one slate."""
    mask = None if empty is None else torch.tensor([empty])
    row = CHOICE_MODELS[name].chances(scores, NO_CLICK, mask, ChoiceParameters(**parameters))
    return [pytest.approx(value, abs=1e-6) for value in row[0].tolist()]


def test_proportional_weights_are_scores_above_the_minimum() -> None:
    scores = torch.tensor([[-1.0, 0.0, 1.0]])
    # Weights 0, 1, 2 and 1 for no click.
    assert chances("multinomial_proportional", scores, min_score=-1) == [0, 0.25, 0.5, 0.25]
    assert chances("multinomial_proportional", scores, [False, False, True], min_score=-1) == [0, 0.5, 0, 0.5]


def test_an_exponential_cascade_stops_at_the_first_click() -> None:
    scores = torch.tensor([[math.log(2), math.log(4), math.log(1)]])
    # beta sigma = 0.1: the slots are clicked with 0.2, 0.4 and 0.1 once reached.
    expected = [0.2, 0.8 * 0.4, 0.8 * 0.6 * 0.1, 0.8 * 0.6 * 0.9]
    assert chances("exponential_cascade", scores, attention=0.5, score_scaling=0.2) == expected
    skipped = [0.2, 0, 0.8 * 0.1, 0.8 * 0.9]
    assert chances("exponential_cascade", scores, [False, True, False], attention=0.5, score_scaling=0.2) == skipped


def test_a_proportional_cascade_weighs_by_the_scores_and_keeps_chances_in_bounds() -> None:
    scores = torch.tensor([[1.0, 3.0, -2.0]])
    expected = [0.2, 0.8 * 0.4, 0, 0.8 * 0.6]
    assert chances("proportional_cascade", scores, attention=0.5, score_scaling=0.2, min_score=-1) == expected
    assert chances("proportional_cascade", scores, attention=1, score_scaling=1) == [1, 0, 0, 0]


@pytest.mark.parametrize("name", ["exponential_cascade", "proportional_cascade"])
def test_attention_multiplies_what_a_cascade_makes_of_a_score(name: str) -> None:
    # However high the score, 0.65 of those who reach a slot consider it.
    scores = torch.tensor([[90.0, 0.0, 90.0]])
    row = CHOICE_MODELS[name].chances(scores, NO_CLICK, None, ChoiceParameters(min_score=-1))[0].tolist()
    middle = 0.65 * 0.05
    expected = [0.65, 0.35 * middle, 0.35 * (1 - middle) * 0.65, 0.35 * (1 - middle) * 0.35]
    assert row == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", CHOICE_MODELS)
def test_the_lowest_number_there_is_clicks_no_empty_slot_and_goes_on_after_none_without_continuation(name: str) -> None:
    parameters = ChoiceParameters(min_score=-2, score_scaling=0.3, continuation=0.0)
    empty, lowest = torch.tensor([[True, False, False]]), torch.zeros(1, 3)
    clicks = CHOICE_MODELS[name].clicks(LOGITS, torch.tensor([0.3]), empty, lowest, parameters)
    both = name in ("position_based", "user_browsing")
    assert clicks.tolist() == [[False, True, both]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=6), st.data())
def test_no_click_is_likelier_than_its_slot_is_looked_at(scores: list[float], drawn: st.DataObject) -> None:
    share = drawn.draw(st.floats(0, 1, width=32))
    parameters = ChoiceParameters(attention=share, examination=share, continuation=share, min_score=-3)
    for name, model in CHOICE_MODELS.items():
        row = model.chances(torch.tensor([scores]), torch.ones(1), None, parameters)[0]
        assert torch.isfinite(row).all(), name
        assert ((row >= 0) & (row <= 1 + 1e-6)).all(), name
        if name.endswith("cascade"):
            reached = 1 - row[:-1].cumsum(dim=0) + row[:-1]
            assert (row[:-1] <= share * reached + 1e-6).all(), name
        if name == "position_based":
            assert (row[:-1] <= share ** torch.arange(len(scores)) + 1e-6).all(), name


def test_position_based_clicks_are_independent_and_rarer_further_down() -> None:
    slots = [0.5, 0.8 * 0.2, 0.64 * 0.4]
    none = math.prod(1 - slot for slot in slots)
    assert chances("position_based", LOGITS, examination=0.8) == [*slots, none]


def test_dependent_click_goes_on_after_a_click_with_the_continuation() -> None:
    reached = 1 - 0.5 * 0.75
    slots = [0.5, reached * 0.2, reached * (1 - 0.2 * 0.75) * 0.4]
    assert chances("dependent_click", LOGITS, continuation=0.25) == [*slots, 0.5 * 0.8 * 0.6]


def test_dependent_click_without_continuation_is_a_cascade() -> None:
    assert chances("dependent_click", LOGITS, continuation=0) == [0.5, 0.5 * 0.2, 0.5 * 0.8 * 0.4, 0.5 * 0.8 * 0.6]


def test_user_browsing_looks_by_the_distance_to_the_last_click() -> None:
    # By enumeration: a click resets the examination to 1, a slot without one multiplies it by 0.8.
    slots, none = [0.0] * 3, 0.0
    for pattern in product([False, True], repeat=3):
        examination, chance = 1.0, 1.0
        for click, attraction in zip(pattern, ATTRACTION, strict=True):
            chance *= examination * attraction if click else 1 - examination * attraction
            examination = 1.0 if click else 0.8 * examination
        slots = [slot + chance * click for slot, click in zip(slots, pattern, strict=True)]
        none += chance * (not any(pattern))
    assert chances("user_browsing", LOGITS, examination=0.8) == [*slots, none]


@pytest.mark.parametrize("name", CHOICE_MODELS)
def test_clicks_follow_the_chances(name: str) -> None:
    number, parameters = 60_000, ChoiceParameters(min_score=-2, score_scaling=0.3)
    scores, outside = LOGITS.expand(number, -1), torch.full((number,), 0.3)
    empty = torch.tensor([[False, True, False]]).expand(number, -1)
    uniform = torch.rand((number, 3), generator=torch.Generator().manual_seed(0))
    for mask in (None, empty):
        clicks = CHOICE_MODELS[name].clicks(scores, outside, mask, uniform, parameters)
        expected = CHOICE_MODELS[name].chances(scores[:1], outside[:1], None if mask is None else mask[:1], parameters)
        assert clicks.dtype == torch.bool
        rates = torch.cat([clicks.float().mean(dim=0), (~clicks.any(dim=1)).float().mean()[None]])
        # Five standard errors.
        torch.testing.assert_close(rates, expected[0], atol=5 * 0.5 / math.sqrt(number), rtol=0)
        assert mask is None or not clicks[mask].any()
        assert CHOICE_MODELS[name].several or clicks.sum(dim=1).max() == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=6), st.floats(-9, 9, width=32), st.data())
def test_every_click_chance_is_a_distribution(scores: list[float], no_click: float, drawn: st.DataObject) -> None:
    empty = torch.tensor([drawn.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))])
    for name, model in CHOICE_MODELS.items():
        row = model.chances(torch.tensor([scores]), torch.tensor([no_click]), empty, ChoiceParameters(min_score=-10))
        assert ((row >= 0) & (row <= 1 + 1e-6)).all(), name
        assert (row[:, :-1][empty] == 0).all(), name
        if not model.several:
            assert row.sum().item() == pytest.approx(1, abs=1e-5), name


def test_wrong_parameters_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="it is a chance, from 0 to 1"):
        ChoiceParameters(continuation=1.5)
    with pytest.raises(ValueError, match="score_scaling is 0"):
        ChoiceParameters(score_scaling=0.0)
    with pytest.raises(ValueError, match='did you mean "user_browsing"'):
        check_choice("user_browsin", ChoiceParameters(), 1.0)
    with pytest.raises(ValueError, match="position_based clicks several slots"):
        check_choice("position_based", ChoiceParameters(), 1.0, several=False)
    with pytest.raises(ValueError, match="not above min_score"):
        check_choice("multinomial_proportional", ChoiceParameters(), 0.0)

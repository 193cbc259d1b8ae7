"""Choice probabilities by hand, and draws that follow them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.errors import UsageError
from envs.choice import (
    CHOICE_MODELS,
    FEW_OPTIONS,
    PLAIN_CHOICE,
    ChoiceParameters,
    check_choice,
    logit_weights,
    multinomial_logit,
    sample_choice,
)
from envs.interface import FEW_USERS, mask_out


def test_multinomial_logit_of_hand_computed_weights() -> None:
    # Weights 1, 2, 3 and 4 for no click: tenths.
    logits = torch.tensor([[0.0, math.log(2), math.log(3)]])
    chances = multinomial_logit(logits, torch.tensor([math.log(4)]))
    torch.testing.assert_close(chances, torch.tensor([[0.1, 0.2, 0.3, 0.4]]))


def test_an_empty_slot_has_no_chance_and_the_others_share_it() -> None:
    logits = torch.tensor([[0.0, math.log(2), math.log(3)]] * 2)
    empty = torch.tensor([[False, True, False], [True, True, True]])
    chances = multinomial_logit(logits, torch.tensor([math.log(4)] * 2), empty)
    torch.testing.assert_close(chances, torch.tensor([[0.125, 0.0, 0.375, 0.5], [0.0, 0.0, 0.0, 1.0]]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=6), st.floats(-80, 80, width=32), st.data())
def test_rows_are_distributions_that_a_shift_does_not_change(
    logits: list[float], no_click: float, drawn: st.DataObject
) -> None:
    empty = torch.tensor([drawn.draw(st.lists(st.booleans(), min_size=len(logits), max_size=len(logits)))])
    values, outside = torch.tensor([logits]), torch.tensor([no_click])
    chances = multinomial_logit(values, outside, empty)
    assert (chances >= 0).all()
    assert chances.sum().item() == pytest.approx(1, abs=1e-5)
    assert (chances[:, :-1][empty] == 0).all()
    torch.testing.assert_close(chances, multinomial_logit(values + 1, outside + 1, empty), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", [name for name, model in CHOICE_MODELS.items() if model.weights])
def test_options_are_chosen_in_proportion_to_their_weights_whatever_stands_beside_them(name: str) -> None:
    model, parameters = CHOICE_MODELS[name], ChoiceParameters(min_score=-1.0)
    assert model.weights is not None
    scores_BM = torch.tensor([[0.5, -1.0, 2.0, -3.0, 0.0], [1.0, 1.0, 0.25, -0.5, 3.0]])
    no_click_B = torch.tensor([0.25, 1.0])
    weights_BM, no_click_weight_B = model.weights(scores_BM, no_click_B, parameters)
    for slate in ([0, 1, 2], [4, 3]):
        shown_BC = torch.cat([weights_BM[:, slate], no_click_weight_B.unsqueeze(1)], dim=1)
        chances_BC = model.chances(scores_BM[:, slate], no_click_B, None, parameters)
        torch.testing.assert_close(chances_BC, shown_BC / shown_BC.sum(dim=1, keepdim=True))


def test_weights_of_a_logit_are_finite_and_above_zero_however_far_apart_scores_are() -> None:
    weights_BM, no_click_weight_B = logit_weights(
        torch.tensor([[900.0, -900.0]]), torch.tensor([0.0]), ChoiceParameters()
    )
    assert weights_BM[0, 0] == 1
    assert 0 < weights_BM[0, 1] == no_click_weight_B[0] < 1e-20


def test_sample_choice_inverts_the_cumulative_distribution() -> None:
    chances = torch.tensor([[0.25, 0.25, 0.5]]).repeat(5, 1)
    uniform = torch.tensor([0.0, 0.24, 0.25, 0.49, 0.99])
    assert sample_choice(chances, uniform).tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("options", [2, 5, FEW_OPTIONS, FEW_OPTIONS + 1])
def test_many_users_choose_as_few_do(options: int) -> None:
    generator = torch.Generator().manual_seed(0)
    chances = torch.rand((10 * FEW_USERS, options), generator=generator).square()
    uniform = torch.rand(10 * FEW_USERS, generator=generator)
    few = [sample_choice(*some) for some in zip(chances.split(FEW_USERS), uniform.split(FEW_USERS), strict=True)]
    assert torch.equal(sample_choice(chances, uniform), torch.cat(few))


@pytest.mark.parametrize("users", [1, FEW_USERS + 1])
def test_chances_that_are_not_numbers_choose_no_option(users: int) -> None:
    chances = torch.tensor([[0.25, math.nan, 0.5]]).repeat(users, 1)
    assert (sample_choice(chances, torch.full((users,), 0.5)) == 3).all()


def test_frequencies_follow_the_probabilities() -> None:
    chances = torch.tensor([[0.1, 0.0, 0.3, 0.6]])
    uniform = torch.rand(100_000, generator=torch.Generator().manual_seed(0))
    counts = sample_choice(chances.expand(100_000, -1), uniform).bincount(minlength=4)
    assert counts[1] == 0
    # Five standard errors.
    torch.testing.assert_close(counts / 100_000, chances[0], atol=5 * 0.5 / math.sqrt(100_000), rtol=0)


@pytest.mark.parametrize("uniform", [0.0, 2.0**-24, 0.5, 1 - 2.0**-24])
def test_an_option_without_a_chance_is_never_drawn(uniform: float) -> None:
    generator = torch.Generator().manual_seed(0)
    chances = torch.rand((2000, 6), generator=generator)
    none = torch.rand((2000, 6), generator=generator) < 0.5
    none[:, 0] &= ~none.all(dim=1)
    chances = chances.masked_fill(none, 0)
    chances = chances / chances.sum(dim=1, keepdim=True)
    drawn = sample_choice(chances, torch.full((2000,), uniform))
    assert (chances.gather(1, drawn.unsqueeze(1)) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_largest_number_below_one_draws_an_option(dtype: torch.dtype) -> None:
    chances = torch.rand((100_000, 5), generator=torch.Generator().manual_seed(0), dtype=dtype)
    chances = chances / chances.sum(dim=1, keepdim=True)
    largest = torch.nextafter(torch.ones((), dtype=dtype), torch.zeros((), dtype=dtype))
    assert (sample_choice(chances, largest.expand(100_000)) == 4).all()


def test_mask_out_writes_minus_infinity_into_a_copy() -> None:
    values = torch.tensor([[1.0, 2.0]])
    assert mask_out(values, torch.tensor([[True, False]])).tolist() == [[-math.inf, 2.0]]
    assert values.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("name", CHOICE_MODELS)
@pytest.mark.parametrize("mass", [1e300, -1e300, 200.0, float("nan"), float("inf")])
def test_a_no_click_mass_that_no_model_can_weigh_is_refused(name: str, mass: float) -> None:
    if name == "multinomial_proportional" and mass == 200.0:
        return
    with pytest.raises(UsageError, match="no_click_mass"):
        check_choice(name, PLAIN_CHOICE, mass)

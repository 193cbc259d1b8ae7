"""Slates: hand-computed values, and the optimum against every slate there is."""

from itertools import combinations, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.interface import FEW_USERS, repeats, take_candidates
from envs.slates import SLATE_RULES, greedy_slate, optimal_slate, random_slate, slate_value, top_k, top_k_slate
from envs.tensors import blanked, repeats_if_any


def test_slate_value_by_hand() -> None:
    # (2 * 0.5 + 1 * 3 + 1 * -1) / (2 + 1 + 1)
    value = slate_value(torch.ones(1, 2), torch.tensor([[3.0, -1.0]]), torch.tensor([2.0]), torch.tensor([0.5]))
    assert value.tolist() == [0.75]


def test_top_k_gives_the_best_first() -> None:
    assert top_k(torch.tensor([[0.1, 0.9, -1.0, 0.5]]), 3).tolist() == [[1, 3, 0]]


def test_the_optimal_slate_leaves_out_what_is_clicked_much_for_little() -> None:
    # With one slot: 10 * 1 / 11 = 0.91 against 1 * 3 / 2 = 1.5 and 2 * 2 / 3 = 1.33.
    weights, values = torch.tensor([[10.0, 1.0, 2.0]]), torch.tensor([[1.0, 3.0, 2.0]])
    slate, value = optimal_slate(weights, values, torch.ones(1), torch.zeros(1), 1)
    assert slate.tolist() == [[1]]
    assert value.item() == pytest.approx(1.5)


def test_what_is_excluded_is_not_shown_though_all_else_does_harm() -> None:
    weights, values = torch.tensor([[0.0, 1.0, 2.0]]), torch.tensor([[5.0, -1.0, -3.0]])
    excluded = torch.tensor([[True, False, False]])
    slate, value = optimal_slate(weights, values, torch.ones(1), torch.zeros(1), 2, excluded_BM=excluded)
    assert slate.tolist() == [[1, 2]]
    assert value.item() == pytest.approx(-7 / 4)


numbers = st.one_of(st.sampled_from([0.0, 1.0, -1.0]), st.floats(-10, 10, width=32))


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(1, 8), st.sampled_from([1e-3, 1.0, 50.0]), numbers)
def test_the_optimal_slate_is_the_best_of_all_slates(
    drawn: st.DataObject, candidates: int, no_click_weight: float, no_click_value: float
) -> None:
    size = drawn.draw(st.integers(1, candidates))
    choice_weights = st.one_of(st.just(0.0), st.floats(2.0**-10, 32, width=32))
    weights = torch.tensor([drawn.draw(st.lists(choice_weights, min_size=candidates, max_size=candidates))])
    values = torch.tensor([drawn.draw(st.lists(numbers, min_size=candidates, max_size=candidates))])
    outside, nothing = torch.tensor([no_click_weight]), torch.tensor([no_click_value])
    slate, value = optimal_slate(weights, values, outside, nothing, size)
    every = torch.tensor(list(combinations(range(candidates), size)))
    best = slate_value(
        weights[0, every], values[0, every], outside.expand(len(every)), nothing.expand(len(every))
    ).max()
    assert not repeats(slate).any()
    torch.testing.assert_close(value[0], best, atol=1e-4, rtol=1e-4)
    shown = slate_value(weights.gather(1, slate), values.gather(1, slate), outside, nothing)
    torch.testing.assert_close(value, shown)


def test_more_rounds_never_lose_and_reach_the_optimum_of_wide_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    weights, values = (
        (3 * torch.randn((500, 30), generator=generator)).exp(),
        torch.randn((500, 30), generator=generator),
    )
    outside, nothing = torch.ones(500), torch.randn(500, generator=generator)
    reached = [optimal_slate(weights, values, outside, nothing, 5, rounds)[1] for rounds in (2, 4, 12, 40)]
    for fewer, more in pairwise(reached):
        assert (more >= fewer - 1e-5).all()
    torch.testing.assert_close(reached[2], reached[3])


def test_greedy_and_top_k_slates_by_hand() -> None:
    # One slot of value 0.5 and weight 1 is no click. Greedy: first (0.5 + 4 * 1) / 5 = 0.9 against (0.5 + 1 * 2) / 2 =
    # 1.25 and (0.5 + 2 * 1.2) / 3 = 0.97; then, from 2.5 / 2: 6.5 / 6 = 1.08 against 4.9 / 4 = 1.225.
    weights, values = torch.tensor([[4.0, 1.0, 2.0]]), torch.tensor([[1.0, 2.0, 1.2]])
    outside, nothing = torch.ones(1), torch.tensor([0.5])
    slate, value = greedy_slate(weights, values, outside, nothing, 2)
    assert slate.tolist() == [[1, 2]]
    assert value.item() == pytest.approx(1.225)
    # w (Q - 0.5) is 2, 1.5 and 1.4: the first two, worth (0.5 + 4 + 2) / 6.
    slate, value = top_k_slate(weights, values, outside, nothing, 2)
    assert slate.tolist() == [[0, 1]]
    assert value.item() == pytest.approx(6.5 / 6)


def test_no_rule_beats_the_optimal_slate_and_greedy_is_near_it() -> None:
    generator = torch.Generator().manual_seed(0)
    weights, values = torch.rand((400, 8), generator=generator), torch.randn((400, 8), generator=generator)
    outside, nothing = torch.rand(400, generator=generator) + 0.1, torch.randn(400, generator=generator)
    reached = {name: rule(weights, values, outside, nothing, 3) for name, rule in SLATE_RULES.items()}
    for slate, value in reached.values():
        assert not repeats(slate).any()
        shown = slate_value(weights.gather(1, slate), values.gather(1, slate), outside, nothing)
        torch.testing.assert_close(value, shown)
        assert (value <= reached["optimal"][1] + 1e-5).all()
    means = {name: float(value.mean()) for name, (_, value) in reached.items()}
    assert means["optimal"] >= means["greedy"] > means["top_k"]


def test_users_do_not_touch_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    weights, values = torch.rand((16, 7), generator=generator), torch.randn((16, 7), generator=generator)
    outside, nothing = torch.rand(16, generator=generator), torch.randn(16, generator=generator)
    slates, values_of = optimal_slate(weights, values, outside, nothing, 3)
    for row in range(16):
        one = slice(row, row + 1)
        slate, value = optimal_slate(weights[one], values[one], outside[one], nothing[one], 3)
        assert slate.tolist() == slates[one].tolist()
        torch.testing.assert_close(value, values_of[one])


def test_random_slates_are_uniform_and_never_repeat() -> None:
    slates = random_slate(20_000, 6, 3, torch.Generator().manual_seed(0))
    assert not repeats(slates).any()
    for slot in range(3):
        share = slates[:, slot].bincount(minlength=6) / 20_000
        torch.testing.assert_close(share, torch.full((6,), 1 / 6), atol=0.015, rtol=0)


def test_repeats_marks_all_but_the_first() -> None:
    slates = torch.tensor([[1, 2, 3], [2, 2, 2], [5, 1, 5]])
    assert repeats(slates).tolist() == [[False] * 3, [False, True, True], [False, False, True]]


@pytest.mark.parametrize("users", [1, FEW_USERS, FEW_USERS + 1, 500])
@pytest.mark.parametrize("slots", [1, 2, 3, 7])
def test_repeats_are_the_same_for_few_users_and_for_many(users: int, slots: int) -> None:
    slates = torch.randint(6, (users, slots), generator=torch.Generator().manual_seed(users))
    expected = [[item in slate[:slot] for slot, item in enumerate(slate)] for slate in slates.tolist()]
    marked = repeats(slates)
    assert marked.tolist() == expected
    assert marked.is_contiguous()


@pytest.mark.parametrize("users", [1, FEW_USERS + 1])
def test_slates_without_repeats_have_no_marks(users: int) -> None:
    slates = torch.tensor([[4, 0, 2]]).repeat(users, 1)
    assert repeats_if_any(slates) is None
    slates[-1] = torch.tensor([4, 0, 4])
    marked = repeats_if_any(slates)
    assert marked is not None
    assert torch.equal(marked, repeats(slates))


def test_few_slates_are_marked_unless_there_is_one_without_repeats() -> None:
    for slates in ([[4, 0, 4]], [[4, 0, 2], [1, 1, 0]], [[4, 0, 2], [1, 3, 0]]):
        marked = repeats_if_any(torch.tensor(slates))
        assert marked is not None
        assert torch.equal(marked, repeats(torch.tensor(slates)))


def test_empty_slots_are_blanked() -> None:
    values, blank, out = torch.tensor([[1.0, 2.0]]), torch.tensor(-1.0), torch.zeros(1, 2)
    empty = torch.tensor([[True, False]])
    assert blanked(values, None, blank).tolist() == [[1.0, 2.0]]
    assert blanked(values, empty, blank).tolist() == [[-1.0, 2.0]]
    assert blanked(values, None, blank, out=out) is out
    assert out.tolist() == [[1.0, 2.0]]
    assert blanked(values, empty, blank, out=out) is out
    assert out.tolist() == [[-1.0, 2.0]]


def test_take_candidates_picks_numbers_and_vectors() -> None:
    values = torch.tensor([[10.0, 11.0, 12.0], [20.0, 21.0, 22.0]])
    slate = torch.tensor([[2, 0], [1, 1]])
    assert take_candidates(values, slate).tolist() == [[12.0, 10.0], [21.0, 21.0]]
    vectors = torch.stack([values, -values], dim=2)
    assert take_candidates(vectors, slate)[:, :, 1].tolist() == [[-12.0, -10.0], [-21.0, -21.0]]

"""Candidates are distinct and unseen, whatever is drawn."""

import pytest
import torch

from envs.candidates import DRAWS_PER_SLOT, exploration_noise, explore, forget_when_exhausted


def test_draws_take_the_last_places_and_pass_over_what_is_known() -> None:
    # Two slots. 3 is among the nearest, 7 is seen, 5 is taken, 5 again is passed over, 6 is taken, 8 is left over.
    nearest = torch.tensor([[0, 1, 2, 3]])
    seen = torch.zeros(1, 10, dtype=torch.bool)
    seen[0, 7] = True
    assert explore(nearest, seen, torch.tensor([[3, 7, 5, 5, 6, 8]])).tolist() == [[0, 1, 6, 5]]


def test_without_usable_draws_the_nearest_stay() -> None:
    nearest = torch.tensor([[4, 1, 2]])
    seen = torch.zeros(1, 5, dtype=torch.bool)
    seen[0, [0, 3]] = True
    assert explore(nearest, seen, torch.tensor([[0, 3, 4]])).tolist() == [[4, 1, 2]]
    # One usable draw for two slots.
    seen[0, 3] = False
    assert explore(nearest, seen, torch.tensor([[0, 3, 4, 3, 0, 1]])).tolist() == [[4, 1, 3]]


def test_without_slots_the_nearest_stay() -> None:
    nearest = torch.tensor([[1, 0]])
    draws = exploration_noise(1, 3, 0, torch.Generator())
    assert explore(nearest, torch.zeros(1, 3, dtype=torch.bool), draws) is nearest


@pytest.mark.parametrize("slots", [1, 4, 8])
@pytest.mark.parametrize("items", [9, 12, 200])
def test_candidates_are_distinct_unseen_and_keep_the_nearest_first(items: int, slots: int) -> None:
    batch, offered = 300, 8
    generator = torch.Generator().manual_seed(slots)
    order = torch.rand((batch, items), generator=generator).argsort(dim=1)
    nearest, rest = order[:, :offered], order[:, offered:]
    seen = torch.zeros(batch, items, dtype=torch.bool).scatter(1, rest[:, : rest.shape[1] // 2], True)
    before = seen.clone()
    draws = exploration_noise(batch, items, slots, generator)
    assert draws.shape == (batch, DRAWS_PER_SLOT * slots)
    candidates = explore(nearest, seen, draws)
    assert torch.equal(seen, before)
    assert (candidates.sort(dim=1).values.diff(dim=1) > 0).all()
    assert not seen.gather(1, candidates).any()
    assert torch.equal(candidates[:, : offered - slots], nearest[:, : offered - slots])
    if items == 200:
        changed = (candidates != nearest).sum(dim=1)
        assert (changed == slots).float().mean() > 0.8


def test_exploration_is_uniform_over_what_is_left() -> None:
    batch, items = 20_000, 10
    nearest = torch.tensor([[0, 1, 2]]).expand(batch, -1)
    seen = (torch.arange(items) == 9).expand(batch, -1)
    draws = exploration_noise(batch, items, 1, torch.Generator().manual_seed(0))
    last = explore(nearest, seen, draws)[:, 2]
    share = last.bincount(minlength=items)[3:9] / (last > 2).sum()
    torch.testing.assert_close(share, torch.full((6,), 1 / 6), atol=0.015, rtol=0)


def test_only_exhausted_users_forget() -> None:
    seen = torch.tensor([[True, True, False, False], [True, True, True, False]])
    unseen = torch.tensor([2, 1])
    kept_seen, kept_unseen = forget_when_exhausted(seen, unseen, 2)
    assert kept_seen.tolist() == [[True, True, False, False], [False] * 4]
    assert kept_seen.dtype == torch.bool
    assert kept_unseen.tolist() == [2, 4]
    assert seen.sum() == 5
    assert unseen.tolist() == [2, 1]

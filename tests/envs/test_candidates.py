"""Candidates are distinct and unseen, whatever is drawn."""

import pytest
import torch
from torch import Tensor

from encoders.errors import UsageError
from envs.candidates import (
    DRAWS_PER_SLOT,
    CandidateSource,
    SourceName,
    exploration_noise,
    explore,
    forget_when_exhausted,
)
from envs.movies_settings import MoviesSettings
from envs.tensors import inner_products


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


VECTORS_ND = torch.nn.functional.normalize(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), dim=1)


def _source(name: SourceName, num_exploration: int = 2) -> CandidateSource:
    settings = MoviesSettings(candidate_source=name, num_candidates=6, num_exploration=num_exploration, slate_size=2)
    return CandidateSource(settings, VECTORS_ND)


def _offer(source: CandidateSource, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    profile_BD = torch.nn.functional.normalize(torch.randn(50, 4, generator=generator), dim=1)
    seen_BN = torch.rand(50, 20, generator=generator) < 0.4
    seen_BN[:, :6] = False
    return source.offer(profile_BD, seen_BN, source.noise(50, generator)), profile_BD, seen_BN


@pytest.mark.parametrize("name", ["random", "cosine", "cosine_explore"])
def test_a_source_offers_distinct_unseen_items(name: SourceName) -> None:
    offered_BM, _, seen_BN = _offer(_source(name))
    assert offered_BM.shape == (50, 6)
    assert not seen_BN.gather(1, offered_BM).any()
    assert all(len(set(row)) == 6 for row in offered_BM.tolist())


def test_cosine_offers_the_nearest_and_exploration_replaces_the_farthest_of_them() -> None:
    nearest_BM, profile_BD, seen_BN = _offer(_source("cosine"))
    assert torch.equal(nearest_BM, (profile_BD @ VECTORS_ND.T).masked_fill(seen_BN, -2).topk(6).indices)
    explored_BM, _, _ = _offer(_source("cosine_explore"))
    assert torch.equal(explored_BM[:, :4], nearest_BM[:, :4])
    assert (explored_BM[:, 4:] != nearest_BM[:, 4:]).float().mean() > 0.5


def test_random_offers_every_unseen_item_alike_often() -> None:
    source, generator = _source("random"), torch.Generator().manual_seed(0)
    seen_BN = torch.zeros(20_000, 20, dtype=torch.bool)
    seen_BN[:, 3] = True
    offered_BM = source.offer(torch.zeros(20_000, 4), seen_BN, source.noise(20_000, generator))
    shares_N = torch.bincount(offered_BM.flatten(), minlength=20) / 20_000
    assert shares_N[3] == 0
    assert (shares_N[torch.arange(20) != 3] - 6 / 19).abs().max() < 0.02


def test_all_offers_the_catalogue_in_its_order_without_a_copy() -> None:
    source = _source("all")
    offered_BM, _, _ = _offer(source)
    assert (source.num_candidates, source.least_unseen) == (20, 2)
    assert torch.equal(offered_BM, torch.arange(20).expand(50, 20))
    values_ND = torch.randn(20, 3)
    shared = source.features(values_ND, offered_BM)
    assert shared.shape == (50, 20, 3)
    assert shared.data_ptr() == values_ND.data_ptr()


def test_a_source_that_cannot_be_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match='did you mean "cosine_explore"'):
        _source("cosine_explor")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="num_exploration is 7"):
        _source("cosine_explore", num_exploration=7)


def test_inner_products_of_own_items_are_those_of_the_catalogue() -> None:
    users_BF, items_NF, ids_BK = torch.randn(3, 4), torch.randn(9, 4), torch.tensor([[0, 8], [3, 3], [5, 1]])
    all_BN = inner_products(users_BF, items_NF, None)
    torch.testing.assert_close(inner_products(users_BF, items_NF, ids_BK), all_BN.gather(1, ids_BK))


@pytest.mark.parametrize("name", ["cosine", "cosine_explore"])
def test_items_of_equal_vectors_are_offered_in_order_of_id_to_one_user_as_to_many(name: SourceName) -> None:
    generator = torch.Generator().manual_seed(0)
    kind_N = torch.randint(6, (41,), generator=generator)
    vectors_ND = torch.nn.functional.normalize(torch.randn(6, 16, generator=generator), dim=1)[kind_N]
    settings = MoviesSettings(candidate_source=name, num_candidates=8, num_exploration=2, slate_size=2)
    source, seen_BN = CandidateSource(settings, vectors_ND), torch.rand(60, 41, generator=generator) < 0.3
    profile_BD = torch.nn.functional.normalize(torch.randn(60, 16, generator=generator), dim=1)
    noise = source.noise(60, generator)
    offered_BM = source.offer(profile_BD, seen_BN, noise)
    near_BM = offered_BM[:, :6]
    equal = kind_N[near_BM[:, 1:]] == kind_N[near_BM[:, :-1]]
    assert (near_BM[:, 1:] > near_BM[:, :-1])[equal].all()
    for row in range(60):
        one = slice(row, row + 1)
        assert torch.equal(source.offer(profile_BD[one], seen_BN[one], noise[one])[0], offered_BM[row])


def test_what_is_known_is_never_on_offer_even_when_all_else_was_shown() -> None:
    settings = MoviesSettings(candidate_source="random", num_candidates=4, num_exploration=0, slate_size=4)
    source, generator = CandidateSource(settings, torch.eye(10)), torch.Generator().manual_seed(0)
    known_BH = torch.tensor([[0, 1, 1], [7, 8, 9]])
    state = {"profile": torch.zeros(2, 10), **source.fresh(2, known_BH)}
    assert state["unseen"].tolist() == [8, 7]
    for _ in range(12):
        assert torch.equal(state["unseen"], (~state["seen"]).sum(dim=1))
        items_BK = source.candidates(state, source.noise(2, generator))
        assert not (items_BK.unsqueeze(2) == known_BH.unsqueeze(1)).any()
        state |= source.remember(state, items_BK, source.closed(state, items_BK))

"""Features of user and item: each by hand, and what is asked of them without writing them down."""

import pytest
import torch
from sketches import make_observation

from agents.features.pair_features import PRODUCTS, PairFeatures, Pairs
from envs.interface import Observation, Spec


def make_spec(user: int, item: int, *, candidates: int = 4, popularity: bool = True, budget: bool = True) -> Spec:
    shapes: dict[str, tuple[int, ...]] = {"user": (user,), "candidates": (candidates, item), "response": (2, 2)}
    shapes |= {"slate_items": (2, item), "candidate_ids": (candidates,)}
    shapes |= {"popularity": (candidates,)} if popularity else {}
    shapes |= {"budget": (1,)} if budget else {}
    return Spec(
        num_candidates=candidates,
        slate_size=2,
        num_items=20,
        shapes=shapes,
        response_columns=("click", "reward"),
        neutral_response=(0.0, 0.0),
    )


def make_features(spec: Spec, limit: int = 64) -> PairFeatures:
    return PairFeatures(spec, limit, torch.Generator().manual_seed(3))


def observe(spec: Spec, batch: int = 6, seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    observation = make_observation(spec, batch, generator)
    if "budget" in spec.shapes:
        observation["budget"] = torch.rand((batch, 1), generator=generator)
    return observation


def test_the_features_of_a_pair_are_those_of_the_user_of_the_item_and_their_products() -> None:
    spec = make_spec(5, 2, candidates=2)
    observation = {
        "user": torch.tensor([[3.0, 4.0, 5.0, 6.0, 7.0]]),
        "candidates": torch.tensor([[[1.0, 0.0], [0.0, -2.0]]]),
        "popularity": torch.tensor([[0.5, -0.5]]),
        "budget": torch.tensor([[0.9]]),
    }
    features = make_features(spec)
    rows = features(observation).rows()
    user = [1.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.9]
    # Item, its cosine with the profile (3, 4), popularity; then the item times (3, 4) and times (5, 6).
    first = [*user, 1.0, 0.0, 0.6, 0.5, 3.0, 0.0, 5.0, 0.0]
    second = [*user, 0.0, -2.0, -0.8, -0.5, 0.0, -8.0, 0.0, -12.0]
    torch.testing.assert_close(rows, torch.tensor([[first, second]], dtype=torch.float64))
    assert features.width == 15


def test_a_slates_features_are_those_of_its_candidates() -> None:
    spec = make_spec(5, 2)
    features, observation = make_features(spec), observe(spec)
    slate_BK = torch.tensor([[3, 0]]).expand(6, -1)
    torch.testing.assert_close(features(observation, slate_BK).rows(), features(observation).rows()[:, [3, 0]])


@pytest.mark.parametrize("limit", [1, 2, 3, 64])
@pytest.mark.parametrize(("user", "item"), [(3, 3), (7, 3), (9, 4), (6, 1)])
@pytest.mark.parametrize("optional", [True, False])
def test_inner_products_and_lengths_are_those_of_the_features_written_down(
    limit: int, user: int, item: int, optional: bool
) -> None:
    spec = make_spec(user, item, popularity=optional, budget=optional)
    features = make_features(spec, limit)
    pairs = features(observe(spec))
    rows_BMW, generator = pairs.rows(), torch.Generator().manual_seed(1)
    assert rows_BMW.shape == (6, 4, features.width)
    one_W, each_BW = (
        torch.randn(size, generator=generator, dtype=torch.float64) for size in ((features.width,), (6, features.width))
    )
    torch.testing.assert_close(pairs.inner(one_W).double(), rows_BMW @ one_W, atol=1e-5, rtol=1e-5)
    expected_BM = (rows_BMW * each_BW.unsqueeze(1)).sum(dim=2)
    torch.testing.assert_close(pairs.inner(each_BW).double(), expected_BM, atol=1e-5, rtol=1e-5)
    root_WW = torch.randn((features.width, features.width), generator=generator, dtype=torch.float64)
    matrix_WW = root_WW @ root_WW.T + 0.1 * torch.eye(features.width)
    expected_BM = torch.einsum("bmv,vw,bmw->bm", rows_BMW, matrix_WW, rows_BMW).sqrt()
    torch.testing.assert_close(pairs.length(matrix_WW).double(), expected_BM, atol=1e-5, rtol=1e-5)


def test_lengths_are_right_where_the_model_is_sure_though_the_matrix_is_not() -> None:
    """One-hot features add up to the constant: 1e7 rows leave open how much of the reward is whose."""
    spec = make_spec(3, 3, popularity=False, budget=False)
    one_hot = torch.eye(3)[torch.tensor([0, 1, 2, 0])]
    pairs = make_features(spec)(observe(spec) | {"candidates": one_hot.expand(6, -1, -1)})
    rows_NW = pairs.rows().flatten(0, 1)
    gram_WW = torch.eye(rows_NW.shape[1], dtype=torch.float64) + 1e7 * rows_NW.T @ rows_NW
    matrix_WW = torch.linalg.inv(gram_WW)
    assert float(matrix_WW.max()) > 0.2
    expected = (rows_NW * torch.linalg.solve(gram_WW, rows_NW.T).T).sum(dim=1).sqrt()
    assert float(expected.max()) < 1e-3
    torch.testing.assert_close(pairs.length(matrix_WW).flatten().double(), expected, atol=0, rtol=1e-2)


def test_wide_vectors_are_projected_and_the_cosine_stays_exact() -> None:
    spec = make_spec(200, 60, popularity=False, budget=False)
    features, observation = make_features(spec, limit=16), observe(spec)
    pairs = features(observation)
    assert pairs.user.shape == (6, 17)
    assert pairs.items.shape == (6, 4, 17)
    assert pairs.pieces.shape == (6, 3, 16)
    assert features.width == 17 + 17 + 3 * 16
    profile_B1D = observation["user"][:, None, :60]
    exact = torch.cosine_similarity(profile_B1D, observation["candidates"], dim=2)
    torch.testing.assert_close(pairs.items[..., -1], exact)
    # The sum of the products with the profile is its inner product with the item, as far as the projection keeps it.
    assert features.projections["items"].shape == (60, 16)
    kept = (pairs.items[..., :16].double() * pairs.pieces[:, :1]).sum(dim=2)
    projected = observation["candidates"].double() @ features.projections["items"]
    profile = observation["user"][:, :60].double() @ features.projections["items"]
    torch.testing.assert_close(kept, (projected @ profile.unsqueeze(2)).squeeze(2), atol=1e-5, rtol=1e-5)


def test_projections_keep_inner_products_in_the_mean() -> None:
    spec = make_spec(40, 30, popularity=False, budget=False)
    observation = observe(spec, batch=1)
    exact_BM = (observation["candidates"] @ observation["user"][:, :30].unsqueeze(2)).squeeze(2)
    drawn = []
    for seed in range(400):
        pairs = PairFeatures(spec, 8, torch.Generator().manual_seed(seed))(observation)
        drawn.append((pairs.items[..., :8].double() * pairs.pieces[:, :1]).sum(dim=2))
    spread_BM = torch.stack(drawn).std(dim=0) / 400**0.5
    assert float(((torch.stack(drawn).mean(dim=0) - exact_BM) / spread_BM).abs().max()) < 4


def test_products_stay_within_their_limit() -> None:
    assert make_features(make_spec(300, 3), limit=6).num_pieces == PRODUCTS * 6 // 3
    assert make_features(make_spec(300, 150), limit=6).num_pieces == 2


def test_a_user_narrower_than_the_items_is_refused() -> None:
    with pytest.raises(ValueError, match="the user vector has 2 entries, the items have 3 features"):
        make_features(make_spec(2, 3))


def test_pairs_do_not_share_memory_with_what_is_observed() -> None:
    spec = make_spec(6, 3)
    observation = observe(spec)
    before = {name: value.clone() for name, value in observation.items()}
    pairs: Pairs = make_features(spec)(observation)
    pairs.length(torch.eye(pairs.rows().shape[2], dtype=torch.float64))
    assert all(torch.equal(value, before[name]) for name, value in observation.items())

"""What a shop sees: features of its products, profiles that turn, traces of what came back, and nothing hidden."""

import math

import torch
from shoppers import FIRST, NEVER, SLATE, build, noise, shopper
from torch.nn.functional import normalize

from envs.shop.simulator import Shop
from envs.shop.words import CATEGORIES
from envs.simulator import CLUSTER
from envs.slates import random_slate


def test_feature_rows_are_of_one_length_so_that_cosine_ranks_by_text(shop: Shop) -> None:
    features, vectors = shop.view.features, shop.view.vectors
    torch.testing.assert_close(features.norm(dim=1), torch.full((3000,), math.sqrt(3)), atol=1e-5, rtol=0)
    user = shop.observe(shopper(shop, []))["user"][0]
    width, dim = features.shape[1], vectors.shape[1]
    assert width == dim + 4
    assert not user[dim:].any()
    cosine = torch.cosine_similarity(user[:width].unsqueeze(0), features, dim=1)
    assert torch.equal(cosine.topk(20).indices, (vectors @ user[:dim]).topk(20).indices)


def test_price_and_discount_stand_beside_the_text(shop: Shop) -> None:
    items, marks = shop.world.products, shop.view.features[:, shop.view.vectors.shape[1] :]
    for item in (0, 1234, 2999):
        turn, off = math.pi / 2 * float(items.dearness[item]), float(items.discounted[item])
        torch.testing.assert_close(marks[item], torch.tensor([math.cos(turn), math.sin(turn), 1 - off, off]))


def test_a_linear_regression_on_what_is_observed_tells_good_products_from_bad(shop: Shop) -> None:
    features = torch.cat([shop.view.features, torch.ones(3000, 1)], dim=1).double()
    worth = (shop.world.products.quality - shop.world.products.hype).double()
    fit, held_out = torch.arange(3000) % 2 == 0, torch.arange(3000) % 2 == 1
    weights = torch.linalg.lstsq(features[fit], worth[fit].unsqueeze(1), driver="gelsd").solution
    guess = (features[held_out] @ weights)[:, 0]
    assert torch.corrcoef(torch.stack([guess, worth[held_out]]))[0, 1] > 0.35


def test_a_session_begins_with_the_own_words_of_the_persona(shop: Shop) -> None:
    users = shop.sample_users(50, "test", torch.Generator().manual_seed(0))
    state = shop.start(users, shop.start_noise(50, torch.Generator().manual_seed(0)))
    assert shop.view.people is not None
    assert torch.equal(state["profile"], shop.view.people[users[CLUSTER]])


def test_a_purchase_turns_the_profile_to_what_goes_with_it_and_what_sets_it_apart(shop: Shop) -> None:
    vectors, categories = shop.view.vectors, shop.world.products.categories
    state = shopper(shop, [10, 200, 900, 1500, 2100])
    after, _ = shop.step(state, SLATE, noise(shop, FIRST))
    one, other = CATEGORIES[0].follows
    beside = normalize(vectors[(categories == one) | (categories == other)].mean(dim=0), dim=0)
    centre = normalize(vectors[categories == 0].mean(dim=0), dim=0)
    turned = state["profile"][0] + 0.6 * (beside - centre) + 0.2 * (vectors[10] - centre)
    torch.testing.assert_close(after["profile"][0], normalize(turned, dim=0), atol=1e-5, rtol=0)
    torch.testing.assert_close(after["recent"][0], 0.05 * shop.view.features[10])
    assert not after["valued"].any()
    torch.testing.assert_close(after["progress"], torch.tensor([[0.02, 0.2, 0, 0, 0, 0, 0]]))


def test_a_slate_of_which_nothing_is_bought_turns_the_profile_from_its_categories(shop: Shop) -> None:
    state = shopper(shop, [1, 2, 900, 1500, 2100])
    after, _ = shop.step(state, SLATE, noise(shop, NEVER))
    categories = shop.world.products.categories
    assert categories[[1, 2, 900, 1500, 2100]].tolist() == [0, 0, 7, 12, 16]
    centres = [normalize(shop.view.vectors[categories == row].mean(dim=0), dim=0) for row in (0, 0, 7, 12, 16)]
    tired = state["profile"][0] - 0.2 * torch.stack(centres).mean(dim=0)
    torch.testing.assert_close(after["profile"][0], normalize(tired, dim=0), atol=1e-5, rtol=0)
    assert not after["recent"].any()
    torch.testing.assert_close(after["progress"], torch.tensor([[0.02, 0, 0, 0, 0, 0, 0]]))


def test_after_a_purchase_what_goes_with_it_is_looked_up_and_more_of_the_same_is_not() -> None:
    simulator = build(encoder="world", candidate_source="cosine")
    categories = simulator.world.products.categories
    state = shopper(simulator, [10, 200, 900, 1500, 2100])
    state["profile"] = simulator.view.vectors[11:12].clone()
    after, _ = simulator.step(state, SLATE, noise(simulator, FIRST))
    offered = torch.bincount(categories[after["candidates"][0]], minlength=24)
    near = simulator.offer.candidates(state, noise(simulator, FIRST)["candidates"])
    assert torch.bincount(categories[near[0]], minlength=24).argmax() == 0
    assert offered[list(CATEGORIES[0].follows)].sum() > offered[0]


def test_what_is_hidden_cannot_be_seen(shop: Shop) -> None:
    state = shopper(shop, [10])
    hidden = ("need", "owned", "taste", "fancy", "price_sensitivity", "trust", "patience", "decisiveness", "stamina")
    other = state | {name: state[name] + 1 for name in hidden} | {"failed": 1 - state["failed"]}
    one, another = shop.observe(state), shop.observe(other)
    assert all(torch.equal(one[name], another[name]) for name in one)


def test_products_shown_are_not_offered_again_and_counted_once(shop: Shop) -> None:
    state = shopper(shop, [])
    shown = state["candidates"][0, :3]
    after, outcome = shop.step(state, torch.tensor([[0, 1, 1, 2, 0]]), noise(shop, NEVER))
    assert outcome.metrics["repeats"].tolist() == [2]
    assert after["unseen"].item() == 3000 - 3
    assert after["seen"][0].nonzero().squeeze(1).tolist() == sorted(shown.tolist())
    assert not set(shown.tolist()) & set(after["candidates"][0].tolist())


def test_metrics_of_retrieval_are_means_over_the_next_candidates(shop: Shop) -> None:
    generator = torch.Generator().manual_seed(0)
    state = shop.start(shop.sample_users(8, "train", generator), shop.start_noise(8, generator))
    after, outcome = shop.step(state, random_slate(8, 30, 5, generator), shop.step_noise(8, generator))
    vectors_BMD = shop.view.vectors[after["candidates"]]
    cosine_B = (after["profile"].unsqueeze(1) * vectors_BMD).sum(dim=2).mean(dim=1)
    need_BMC = after["need"].unsqueeze(1) * shop.world.products.genres[after["candidates"]]
    torch.testing.assert_close(outcome.metrics["retrieval/cosine"], cosine_B)
    torch.testing.assert_close(outcome.metrics["retrieval/need"], need_BMC.sum(dim=2).mean(dim=1))


def test_the_profile_of_the_control_stays_whatever_is_bought(control: Shop) -> None:
    state = shopper(control, [10, 200, 900, 1500, 2100])
    for choice in (FIRST, NEVER):
        after, _ = control.step(state, SLATE, noise(control, choice))
        for name in ("profile", "recent", "valued", "progress"):
            assert torch.equal(after[name], state[name]), name

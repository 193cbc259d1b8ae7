"""Shop-v0: its texts, its equations by hand, and what its reference policies earn."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

import envs
from encoders.errors import UsageError
from envs.interface import Tensors
from envs.shop.catalog import (
    ITEMS_A_CATEGORY,
    PERSONAS,
    Personas,
    ShopCatalog,
    follow_up,
    generate_catalog,
    generate_personas,
)
from envs.shop.needs import NeedEvents, drawn_kind, moved_needs
from envs.shop.orders import deliver, order
from envs.shop.settings import ShopMyopicSettings, ShopSettings
from envs.shop.simulator import Shop
from envs.shop.words import CATEGORIES, GROUPS
from envs.simulator import SPLITS, State
from envs.slates import random_slate
from experiments.sessions import Sessions, play

NEVER = 1 - 2.0**-24
"""The uniform draw that buys, returns and needs nothing."""
FIRST = 0.0
"""The uniform draw that buys the first product."""
SLATE = torch.tensor([[0, 1, 2, 3, 4]])


@pytest.fixture
def shop(kernel: Callable[[str], Any]) -> Shop:
    simulator: Shop = kernel(envs.ENVIRONMENTS["slatelab/Shop-v0"])
    return simulator


@pytest.fixture
def control(kernel: Callable[[str], Any]) -> Shop:
    simulator: Shop = kernel(envs.ENVIRONMENTS["slatelab/ShopMyopic-v0"])
    return simulator


@pytest.fixture(scope="module")
def products() -> ShopCatalog:
    return generate_catalog()


@pytest.fixture(scope="module")
def personas() -> Personas:
    return generate_personas()


def _user(simulator: Shop, offered: list[int]) -> State:
    """Return one user without needs, tastes or care for prices, to whom `offered` are the first candidates."""
    users = simulator.sample_users(1, "train", torch.Generator().manual_seed(0))
    for name in ("need", "taste", "price_sensitivity"):
        users[name] = torch.zeros_like(users[name])
    state = simulator.start(users, simulator.start_noise(1, torch.Generator().manual_seed(0)))
    state["candidates"] = state["candidates"].clone()
    state["candidates"][0, : len(offered)] = torch.tensor(offered)
    return state


def _noise(simulator: Shop, choice: float, back: float = NEVER, stars: float = 0.0, need: float = NEVER) -> Tensors:
    noise = simulator.step_noise(1, torch.Generator().manual_seed(0))
    return noise | {
        "choice": torch.tensor([[choice]]),
        "return": torch.tensor([back]),
        "stars": torch.tensor([stars]),
        "need": torch.tensor([[need, 0.5]]),
    }


def _worst_and_best(simulator: Shop) -> tuple[int, int]:
    worth = simulator.products.quality - simulator.products.hype
    return int(worth.argmin()), int(worth.argmax())


# texts


def test_titles_are_unique_and_every_category_has_as_many_products(products: ShopCatalog) -> None:
    assert len(set(products.catalog.titles)) == len(products.catalog) == 3000
    assert np.bincount(products.categories).tolist() == [ITEMS_A_CATEGORY] * 24
    assert (products.catalog.genres.argmax(axis=1) == products.categories).all()


def test_a_text_has_title_price_and_the_words_of_its_own_category(products: ShopCatalog) -> None:
    for item, (title, text) in enumerate(zip(products.catalog.titles, products.catalog.texts, strict=True)):
        category = CATEGORIES[products.categories[item]]
        group = GROUPS[products.categories[item] // 4]
        assert text.startswith(f"{title}, {products.prices[item]:.0f} euros. ")
        assert any(title.startswith(brand) for brand in group.brands)
        assert any(title.endswith(noun) for noun in category.nouns)
        assert sum(feature in text for feature in category.features) >= 2
        assert ("% off" in text) == bool(products.discounted[item])
        assert not set("{}|") & set(text)


def test_nouns_and_brands_belong_to_one_place(products: ShopCatalog) -> None:
    nouns = [noun for category in CATEGORIES for noun in category.nouns]
    brands = [brand for group in GROUPS for brand in group.brands]
    assert len(set(nouns)) == len(nouns)
    assert len(set(brands)) == len(brands)


def test_what_is_told_goes_with_what_is_planted(products: ShopCatalog) -> None:
    shouts = np.array(["!" in text.replace("% off!", "") for text in products.catalog.texts])
    long = np.array(["Ten-year" in text for text in products.catalog.texts])
    assert np.corrcoef(shouts, products.hype)[0, 1] > 0.5
    assert np.corrcoef(products.discounted, products.hype)[0, 1] > 0.4
    assert np.corrcoef(products.dearness, products.quality)[0, 1] > 0.3
    assert np.corrcoef(long, products.quality)[0, 1] > 0.3
    assert abs(np.corrcoef(products.hype, products.quality)[0, 1]) < 0.1
    for planted in (products.hype, products.quality, products.popularity):
        assert planted.mean() == pytest.approx(0, abs=1e-5)
        assert planted.std() == pytest.approx(1, abs=1e-5)


def test_dearness_is_the_rank_of_the_price_in_the_category(products: ShopCatalog) -> None:
    for category in range(24):
        rows = products.categories == category
        order_of = products.dearness[rows].argsort()
        assert (np.diff(products.prices[rows][order_of]) >= 0).all()
        assert products.dearness[rows].mean() == pytest.approx(0.5)


def test_one_seed_gives_one_shop_and_another_seed_another(products: ShopCatalog, personas: Personas) -> None:
    assert generate_catalog().catalog.texts == products.catalog.texts
    assert generate_catalog(1).catalog.texts != products.catalog.texts
    assert generate_personas().texts == personas.texts


def test_personas_are_unique_and_say_what_they_need_and_can_pay(personas: Personas) -> None:
    assert len(set(personas.texts)) == len(personas.texts) == sum(PERSONAS.values())
    for text, needs in zip(personas.texts, personas.needs, strict=True):
        wanted = np.flatnonzero(needs)
        assert len(wanted) == 3
        assert all(CATEGORIES[category].wanted in text for category in wanted)
    assert personas.interests.sum(axis=1) == pytest.approx(1.0)
    poor = np.array(["Money is tight" in text for text in personas.texts])
    assert set(personas.price_sensitivity[poor]) == {3.0}
    assert set(personas.price_sensitivity) == {3.0, 1.5, 0.5}


def test_two_other_categories_go_with_each_and_each_goes_with_some() -> None:
    follows = follow_up()
    assert (follows.sum(axis=1) == 2).all()
    assert not follows.diagonal().any()
    assert (follows.sum(axis=0) >= 1).all()


# features and users


def test_feature_rows_are_of_one_length_so_that_cosine_ranks_by_text(shop: Shop) -> None:
    items = shop.products
    torch.testing.assert_close(items.features.norm(dim=1), torch.full((3000,), math.sqrt(3)), atol=1e-5, rtol=0)
    user = shop.observe(_user(shop, []))["user"][0]
    width, dim = items.features.shape[1], items.vectors.shape[1]
    assert width == dim + 4
    assert not user[dim:].any()
    cosine = torch.cosine_similarity(user[:width].unsqueeze(0), items.features, dim=1)
    assert torch.equal(cosine.topk(20).indices, (items.vectors @ user[:dim]).topk(20).indices)


def test_a_linear_regression_on_what_is_observed_tells_good_products_from_bad(shop: Shop) -> None:
    features = torch.cat([shop.products.features, torch.ones(3000, 1)], dim=1).double()
    worth = (shop.products.quality - shop.products.hype).double()
    fit, held_out = torch.arange(3000) % 2 == 0, torch.arange(3000) % 2 == 1
    weights = torch.linalg.lstsq(features[fit], worth[fit].unsqueeze(1), driver="gelsd").solution
    guess = (features[held_out] @ weights)[:, 0]
    assert torch.corrcoef(torch.stack([guess, worth[held_out]]))[0, 1] > 0.35


def test_splits_draw_from_disjoint_personas(shop: Shop) -> None:
    drawn = {}
    for split in SPLITS:
        users = shop.sample_users(6000, split, torch.Generator().manual_seed(0))
        drawn[split] = {tuple(row) for row in users["need"].tolist()}
    assert {split: len(rows) for split, rows in drawn.items()} == PERSONAS
    assert not drawn["train"] & drawn["validation"]
    assert not drawn["train"] & drawn["test"]
    assert not drawn["validation"] & drawn["test"]


def test_drawn_users_differ_from_their_persona_by_the_perturbation(shop: Shop) -> None:
    pool = shop.users.personas
    drawn = shop.sample_users(20_000, "train", torch.Generator().manual_seed(0))
    persona_B = torch.cdist(drawn["need"], pool["need"][:600]).argmin(dim=1)
    error_BS = drawn["taste"] - pool["taste"][persona_B]
    factor_B = drawn["price_sensitivity"] / pool["price_sensitivity"][persona_B]
    assert error_BS.std().item() == pytest.approx(0.3, abs=0.01)
    assert factor_B.log().std().item() == pytest.approx(0.3, abs=0.01)


# purchase


def test_the_purchase_logit_is_the_documented_sum(shop: Shop) -> None:
    items, chosen = shop.products, [5, 700, 2900]
    state = _user(shop, chosen)
    state["need"] = state["need"].index_fill(1, items.categories[5], 0.7)
    state["taste"] = torch.linspace(-1, 1, 6).unsqueeze(0)
    state["price_sensitivity"], state["trust"] = torch.tensor([1.5]), torch.tensor([-0.4])
    logits = shop.appeal(state, torch.tensor([chosen]))[0]
    for column, item in enumerate(chosen):
        cosine = float(state["profile"][0] @ items.vectors[item])
        taste = -1 + 2 * int(items.styles[item]) / 5
        expected = 3 * cosine + 0.8 * float(items.hype[item]) + 0.5 * taste + 0.5 * -0.4
        expected += 4 * 0.7 * (item == 5) - 1.5 * (float(items.dearness[item]) - 0.5)
        assert logits[column].item() == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(shop.appeal(state, None)[0, chosen], logits)


def test_purchase_chances_are_those_of_the_logits(shop: Shop) -> None:
    state = _user(shop, [1, 300, 900, 1500, 2100])
    weights = [math.exp(logit) for logit in shop.appeal(state, state["candidates"].gather(1, SLATE))[0].tolist()]
    edge = weights[0] / (sum(weights) + math.exp(4.5))
    for uniform, clicks in ((edge - 1e-4, [1, 0]), (edge + 1e-4, [0, 1])):
        _, outcome = shop.step(state, SLATE, _noise(shop, uniform))
        assert outcome.response[0, :2].tolist() == [[click, click] for click in clicks]
        assert outcome.reward.tolist() == [1]


def test_trust_sells_and_price_sells_less_to_those_who_mind(shop: Shop) -> None:
    dear = int(shop.products.dearness.argmax())
    state = _user(shop, [dear])
    item = torch.tensor([[dear]])
    plain = shop.appeal(state, item)
    assert shop.appeal(state | {"trust": torch.tensor([0.5])}, item) > plain
    assert shop.appeal(state | {"price_sensitivity": torch.tensor([2.0])}, item) < plain


def test_buying_ends_the_need_of_its_category_alone(shop: Shop) -> None:
    state = _user(shop, [10, 200, 900, 1500, 2100])
    state["need"] = torch.full_like(state["need"], 0.6)
    after, outcome = shop.step(state, SLATE, _noise(shop, FIRST))
    expected = torch.full((24,), 0.6)
    expected[0] = 0
    torch.testing.assert_close(after["need"][0], expected)
    assert after["owned"][0].tolist() == [1.0] + [0.0] * 23
    assert after["ordered"].tolist() == [[-1, -1, 10]]
    assert (outcome.metrics["dearness"] == shop.products.dearness[10]).all()
    # A second one of the category has lost the whole of the need's weight.
    second = torch.tensor([[11]])
    with_need = shop.appeal(after | {"need": state["need"]}, second)
    torch.testing.assert_close(with_need - shop.appeal(after, second), torch.tensor([[2.4]]))


def test_without_a_purchase_only_time_passes_and_the_profile_tires(shop: Shop) -> None:
    chosen = [1, 300, 900, 1500, 2100]
    state = _user(shop, chosen)
    state["owned"] = torch.full_like(state["owned"], 0.5)
    after, outcome = shop.step(state, SLATE, _noise(shop, NEVER))
    assert outcome.reward.tolist() == [0]
    assert not outcome.response.any()
    assert after["trust"].item() == 0
    assert after["patience"].item() == 23
    assert after["ordered"].tolist() == [[-1, -1, -1]]
    assert not after["need"].any()
    torch.testing.assert_close(after["owned"], 0.97 * state["owned"])
    tired = state["profile"] - 0.2 * shop.products.vectors[chosen].mean(dim=0)
    torch.testing.assert_close(after["profile"], normalize(tired, dim=1))
    torch.testing.assert_close(after["progress"], torch.tensor([[0.02, 0, 0, 0, 0, 0, 0]]))


def test_a_purchase_turns_the_profile_to_what_goes_with_it(shop: Shop) -> None:
    items = shop.products
    state = _user(shop, [10, 200, 900, 1500, 2100])
    after, _ = shop.step(state, SLATE, _noise(shop, FIRST))
    beside = [(items.categories == category) for category in CATEGORIES[0].follows]
    mean = normalize(items.vectors[beside[0] | beside[1]].mean(dim=0), dim=0)
    turned = state["profile"] + 0.6 * (mean - items.vectors[10])
    torch.testing.assert_close(after["profile"], normalize(turned, dim=1), atol=1e-5, rtol=0)
    torch.testing.assert_close(after["bought"][0], 0.05 * items.vectors[10])


# delivery and return


def test_satisfaction_rises_with_quality_and_falls_with_hype_and_so_do_returns(shop: Shop) -> None:
    items, everything = shop.products, torch.arange(3000).unsqueeze(0)
    state = _user(shop, [])
    state["taste"] = torch.full_like(state["taste"], 0.5)
    expected = torch.tanh(0.5 * items.quality - 0.5 * items.hype + 0.15)
    satisfaction = shop.satisfaction(state, everything)
    torch.testing.assert_close(satisfaction[0], expected)
    told = torch.tensor([[-0.7, 0.3, -1.0]])
    assert shop.return_chance(told)[0].tolist() == pytest.approx([0.5, 1 / (1 + math.exp(6)), 1 / (1 + math.exp(-1.8))])
    assert (shop.return_chance(satisfaction.sort(descending=True).values).diff() >= 0).all()


def test_the_line_of_orders_hands_over_in_turn() -> None:
    line = {"ordered": torch.tensor([[4, -1], [-1, 9]]), "failed": torch.tensor([[1.0, 0.0], [0.0, 1.0]])}
    moved = order(line, torch.tensor([7, 8]), torch.tensor([1.0, 0.0]), torch.tensor([True, True]))
    assert moved["ordered"].tolist() == [[-1, 7], [9, -1]]
    assert moved["failed"].tolist() == [[0, 1], [1, 0]]
    assert line["ordered"].tolist() == [[4, -1], [-1, 9]]
    parcel = deliver(line, torch.tensor([-0.6, 0.9]), torch.tensor([0.5, 0.0]))
    assert parcel["came"].tolist() == [1, 0]
    assert parcel["returned"].tolist() == [1, 0]
    assert parcel["satisfaction"].tolist() == pytest.approx([-0.6, 0])
    assert parcel["verdict"].tolist() == [-0.5, 0]  # round(3 - 1.2 + 0.25) = 2 stars


@pytest.mark.parametrize(("satisfaction", "error", "stars"), [(1, 9, 5), (-1, -9, 1), (0.2, 0, 3), (0.3, 0, 4)])
def test_stars_are_rounded_and_stay_on_the_scale(satisfaction: float, error: float, stars: int) -> None:
    line = {"ordered": torch.tensor([[0]]), "failed": torch.zeros(1, 1)}
    verdict = deliver(line, torch.tensor([satisfaction]), torch.tensor([error]))["verdict"]
    assert verdict.tolist() == [(stars - 3) / 2]


def _sell(simulator: Shop, item: int, back: float) -> list[tuple[State, float]]:
    """Sell an item, then nothing; return the state and the reward of five steps."""
    state, seen = _user(simulator, [item]), []
    for step in range(5):
        noise = _noise(simulator, FIRST if step == 0 else NEVER, back)
        state, outcome = simulator.step(state, SLATE, noise)
        seen.append((state, outcome.reward.item()))
    return seen


def test_an_overpromising_product_comes_back_after_three_slates(shop: Shop) -> None:
    worst, _ = _worst_and_best(shop)
    category = int(shop.products.categories[worst])
    seen = _sell(shop, worst, FIRST)
    assert [reward for _, reward in seen] == [1, 0, 0, -1, 0]
    before, after = seen[2][0], seen[3][0]
    assert before["trust"].item() == before["need"][0, category].item() == 0
    satisfaction = float(shop.satisfaction(before, torch.tensor([[worst]])))
    assert after["trust"].item() == pytest.approx(0.3 * satisfaction)
    assert satisfaction < -0.8
    assert after["need"][0].nonzero().flatten().tolist() == [category]
    assert after["need"][0, category].item() == 0.5
    assert after["owned"][0, category].item() == 0
    assert after["patience"].item() == pytest.approx(21 - math.exp(-2 * 0.3 * satisfaction), rel=1e-5)
    told = shop.observe(after)["user"][0, -7:].tolist()
    # No fifth of a purchase is left but its decay; delivered, one star, and its traces; one return.
    assert told == pytest.approx([0.08, 0.2 * 0.8**3, 1, -1, -0.2, -0.05, 0.05], abs=1e-6)
    torch.testing.assert_close(after["verdicts"][0], -0.05 * shop.products.features[worst])


def test_a_good_product_is_kept_and_makes_people_want_what_goes_with_it(shop: Shop) -> None:
    _, best = _worst_and_best(shop)
    category = int(shop.products.categories[best])
    seen = _sell(shop, best, NEVER)
    assert [reward for _, reward in seen] == [1, 0, 0, 0, 0]
    after = seen[3][0]
    satisfaction = float(shop.satisfaction(after, torch.tensor([[best]])))
    expected = torch.zeros(24)
    expected[list(CATEGORIES[category].follows)] = 0.8 * satisfaction
    torch.testing.assert_close(after["need"][0], expected)
    assert after["owned"][0, category].item() == pytest.approx(0.97**3)
    assert after["trust"].item() == pytest.approx(0.3 * satisfaction)
    assert after["patience"].item() == pytest.approx(21 - math.exp(-2 * 0.3 * satisfaction), rel=1e-5)
    assert shop.observe(after)["user"][0, -1].item() == 0


def test_what_is_returned_opens_no_other_need_even_if_it_was_good(shop: Shop) -> None:
    _, best = _worst_and_best(shop)
    state = _user(shop, [])
    state["ordered"], state["failed"] = torch.tensor([[best, -1, -1]]), torch.tensor([[1.0, 0.0, 0.0]])
    after, outcome = shop.step(state, SLATE, _noise(shop, NEVER))
    assert outcome.reward.tolist() == [-1]
    assert after["need"][0].nonzero().flatten().tolist() == [int(shop.products.categories[best])]


def test_trust_stays_as_it_is_while_nothing_is_delivered(shop: Shop) -> None:
    state = _user(shop, [])
    state["trust"] = torch.tensor([-0.6])
    after, outcome = shop.step(state, SLATE, _noise(shop, NEVER))
    assert after["trust"].tolist() == outcome.metrics["trust"].tolist() == state["trust"].tolist()
    assert after["patience"].item() == pytest.approx(24 - math.exp(1.2), rel=1e-5)


def test_who_leaves_returns_what_is_on_its_way_at_once(shop: Shop) -> None:
    worst, _ = _worst_and_best(shop)
    state = _user(shop, [worst])
    state["ordered"], state["failed"] = torch.tensor([[worst, 1, worst]]), torch.tensor([[1.0, 0.0, 1.0]])
    state["patience"] = torch.tensor([1.0])
    _, outcome = shop.step(state, SLATE, _noise(shop, FIRST, FIRST))
    assert outcome.left.item()
    # One sold; one returned in its turn, one on its way, and the one just sold.
    assert outcome.reward.tolist() == [1 - 3]
    assert outcome.metrics["returns"].tolist() == [3]
    state["patience"] = torch.tensor([9.0])
    _, outcome = shop.step(state, SLATE, _noise(shop, FIRST, FIRST))
    assert not outcome.left.item()
    assert outcome.reward.tolist() == [1 - 1]


@pytest.mark.parametrize(("trust", "patience", "left"), [(0.0, 1.0, True), (0.0, 1.01, False), (0.5, 0.5, False)])
def test_a_user_leaves_when_patience_is_used_up_and_trust_stretches_it(
    shop: Shop, trust: float, patience: float, left: bool
) -> None:
    state = _user(shop, [])
    state["patience"], state["trust"] = torch.tensor([patience]), torch.tensor([trust])
    _, outcome = shop.step(state, SLATE, _noise(shop, NEVER))
    assert outcome.left.tolist() == [left]


# needs


def _events(bought: int = -1, returned: int = -1, kept: float = 0.0, beside: int = -1) -> NeedEvents:
    def row(category: int) -> Tensor:
        return torch.zeros(1, 4) if category < 0 else torch.eye(4)[category : category + 1]

    return NeedEvents(bought=row(bought), returned=row(returned), kept=torch.tensor([kept]), beside=row(beside))


@pytest.mark.parametrize(
    ("events", "arises", "need", "owned"),
    [
        (_events(), False, [0.2, 0.9, 0, 0], [0, 0, 0.97, 0.485]),
        (_events(bought=1), False, [0.2, 0, 0, 0], [0, 1, 0.97, 0.485]),
        (_events(returned=2), False, [0.2, 0.9, 0.5, 0], [0, 0, 0, 0.485]),
        (_events(returned=1), False, [0.2, 0.9, 0, 0], [0, 0, 0.97, 0.485]),
        (_events(kept=0.5, beside=0), False, [0.4, 0.9, 0, 0], [0, 0, 0.97, 0.485]),
        (_events(kept=0.5, beside=1), False, [0.2, 0.9, 0, 0], [0, 0, 0.97, 0.485]),
        (_events(kept=1.0, beside=3), False, [0.2, 0.9, 0, 0.8 * 0.515], [0, 0, 0.97, 0.485]),
        (_events(kept=1.0, beside=1, bought=1), False, [0.2, 0, 0, 0], [0, 1, 0.97, 0.485]),
        (_events(), True, [0.2, 0.9, 0, 0.515], [0, 0, 0.97, 0.485]),
    ],
)
def test_needs_move_as_documented(events: NeedEvents, arises: bool, need: list[float], owned: list[float]) -> None:
    state = {
        "need": torch.tensor([[0.2, 0.9, 0, 0]]),
        "owned": torch.tensor([[0, 0, 1, 0.5]]),
        "interest": torch.tensor([[0.1, 0.1, 0.1, 0.7]]),
    }
    uniform = torch.tensor([[0.14 if arises else 0.16, 0.5]])
    moved = moved_needs(state, events, uniform, ShopSettings())
    torch.testing.assert_close(moved["need"], torch.tensor([need]))
    torch.testing.assert_close(moved["owned"], torch.tensor([owned]))


def test_new_needs_follow_the_interests() -> None:
    interest = torch.tensor([[0.5, 0.0, 0.2, 0.3]]).expand(40_000, -1)
    drawn = drawn_kind(interest, torch.rand(40_000, generator=torch.Generator().manual_seed(0)))
    assert (drawn.sum(dim=1) == 1).all()
    torch.testing.assert_close(drawn.mean(dim=0), interest[0], atol=0.01, rtol=0)
    assert drawn[:, 1].sum() == 0


# candidates


def test_products_shown_are_not_offered_again_and_counted_once(shop: Shop) -> None:
    state = _user(shop, [])
    shown = state["candidates"][0, :3]
    after, outcome = shop.step(state, torch.tensor([[0, 1, 1, 2, 0]]), _noise(shop, NEVER))
    assert outcome.metrics["repeats"].tolist() == [2]
    assert after["unseen"].item() == 3000 - 3
    assert after["seen"][0].nonzero().squeeze(1).tolist() == sorted(shown.tolist())
    assert not set(shown.tolist()) & set(after["candidates"][0].tolist())


def test_the_best_product_is_the_unseen_one_of_the_highest_logit(shop: Shop) -> None:
    generator = torch.Generator().manual_seed(1)
    state = shop.start(shop.sample_users(3, "test", generator), shop.start_noise(3, generator))
    best_B = shop.best_items(state)
    assert torch.equal(best_B, shop.appeal(state, torch.arange(3000).expand(3, -1)).argmax(dim=1))
    state["seen"] = state["seen"].scatter(1, best_B.unsqueeze(1), True)
    assert (shop.best_items(state) != best_B).all()


def test_of_the_whole_catalogue_a_product_already_shown_is_neither_sold_nor_shown() -> None:
    simulator = Shop(ShopSettings(encoder="tiny", candidate_source="all"), device="cpu")
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(100, "test", generator)
    state = simulator.start(users, simulator.start_noise(100, generator))
    assert simulator.spec.num_candidates == simulator.spec.num_items == 3000
    slate_BK = Shop.POLICIES["myopic_oracle"](simulator, state)
    state, first = simulator.step(state, slate_BK, simulator.step_noise(100, generator))
    assert first.reward.mean() > 0.5
    _, again = simulator.step(state, slate_BK, simulator.step_noise(100, generator))
    assert again.response.sum() == 0
    assert (again.metrics["repeats"] == 5).all()
    # Where all but the worst were shown before, an oracle shows those that disappoint, and no product twice.
    worth_N = simulator.products.quality - simulator.products.hype
    state["seen"] = torch.ones_like(state["seen"]).index_fill(1, worth_N.argsort()[:8], False)
    for policy in Shop.POLICIES.values():
        assert not state["seen"].gather(1, policy(simulator, state)).any()


# reference policies


def _sessions(simulator: Shop, name: str, users: int = 200) -> Sessions:
    generator = torch.Generator().manual_seed(4)

    def act(state: State, observation: Tensors) -> Tensor:
        if name == "random":
            return random_slate(len(observation["user"]), 30, 5, generator)
        slate_BK: Tensor = simulator.POLICIES[name](simulator, state)
        return slate_BK

    panel = simulator.sample_users(users, "validation", torch.Generator().manual_seed(4))
    return play(simulator, panel, act, 4)


def test_reference_policies_stand_in_the_documented_order(shop: Shop) -> None:
    played = {name: _sessions(shop, name) for name in ("random", *Shop.POLICIES)}
    earned = {name: sessions.totals["reward"] for name, sessions in played.items()}
    gained = earned["near_oracle"] - 1.3 * earned["myopic_oracle"]
    assert gained.mean() > 3 * gained.std() / math.sqrt(len(gained))
    better = earned["myopic_oracle"] - earned["random"]
    assert better.mean() > 2 * better.std() / math.sqrt(len(better))
    returned = {
        name: float(played[name].totals["returns"].sum() / played[name].totals["clicks"].sum()) for name in played
    }
    assert returned["near_oracle"] < 0.1 < returned["myopic_oracle"]
    assert max(sessions.length.max() for sessions in played.values()) < 200
    documented = {anchor.policy: anchor.mean for anchor in Shop.ANCHORS}
    assert documented["random"] < documented["myopic_oracle"] < documented["hand_rule"] < documented["near_oracle"]
    assert documented["near_oracle"] > 1.3 * documented["myopic_oracle"]


def test_the_satisfaction_that_the_planner_pays_for_pays(shop: Shop) -> None:
    planned = _sessions(shop, "near_oracle").totals
    greedy = _sessions(shop, "myopic_oracle").totals
    assert planned["trust"].sum() > 0 > greedy["trust"].sum()


def test_the_control_ends_after_its_patience_and_earns_what_it_sells(control: Shop) -> None:
    for name in Shop.POLICIES:
        sessions = _sessions(control, name, 64)
        assert (sessions.length == 24).all()
        assert torch.equal(sessions.totals["reward"], sessions.totals["clicks"])
        assert sessions.totals["returns"].sum() == 0


def test_nothing_lasts_in_the_control(control: Shop) -> None:
    generator = torch.Generator().manual_seed(0)
    users = control.sample_users(32, "train", generator)
    state = before = control.start(users, control.start_noise(32, generator))
    everything = torch.arange(3000).expand(32, -1)
    for _ in range(8):
        state, _ = control.step(state, random_slate(32, 30, 5, generator), control.step_noise(32, generator))
    assert (state["ordered"] >= 0).any()
    torch.testing.assert_close(control.appeal(state, everything), control.appeal(before, everything))


def test_in_the_control_the_near_oracle_is_the_myopic_oracle(control: Shop) -> None:
    generator = torch.Generator().manual_seed(0)
    state = control.start(control.sample_users(64, "train", generator), control.start_noise(64, generator))
    one, other = (control.POLICIES[name](control, state) for name in ("myopic_oracle", "near_oracle"))
    assert torch.equal(one.sort(dim=1).values, other.sort(dim=1).values)
    earned = {anchor.policy: anchor.mean for anchor in type(control).ANCHORS}
    assert earned["near_oracle"] == earned["myopic_oracle"] == max(earned.values())
    assert earned["random"] == min(earned.values())


# settings


def test_products_can_be_chosen_by_a_cascade() -> None:
    simulator = Shop(ShopSettings(encoder="tiny", choice_model="exponential_cascade", delivery=1), device="cpu")
    generator = torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(2000, "test", generator), simulator.start_noise(2000, generator))
    slate_BK = Shop.POLICIES["myopic_oracle"](simulator, state).flip(1)
    after, outcome = simulator.step(state, slate_BK, simulator.step_noise(2000, generator))
    clicks_BK = outcome.response[:, :, 0]
    assert clicks_BK.sum(dim=1).max() == 1
    # The slate stands upside down: who walks it from the top still buys there most.
    assert clicks_BK.mean(dim=0).argmax() == 0
    assert torch.equal(after["ordered"][:, 0] >= 0, clicks_BK.any(dim=1))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"delivery": 0}, "delivery is 0"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"trust_decay": 1.1}, "trust_decay is 1.1; it is a share"),
        ({"wear": -0.1}, "wear is -0.1"),
        ({"patience": math.inf}, "patience is inf; make it finite"),
        ({"hype_weight": math.nan}, "hype_weight is nan"),
        ({"return_cost": -1.0}, "return_cost is -1"),
        ({"profile_turn": 1.0}, "profile_turn is 1.0"),
        ({"num_exploration": 31}, "num_exploration is 31"),
        ({"candidate_source": "cosin"}, 'did you mean "cosine"'),
        ({"choice_model": "user_browsing"}, "clicks several slots"),
    ],
)
@pytest.mark.parametrize("kind", [ShopSettings, ShopMyopicSettings])
def test_settings_that_cannot_be_are_refused(kind: type[ShopSettings], settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        kind(**settings)


def test_more_candidates_than_products_are_refused() -> None:
    with pytest.raises(UsageError, match="larger than the catalogue of 3000"):
        envs.make_simulator("envs.shop.simulator:Shop", "cpu", encoder="tiny", num_candidates=3001)

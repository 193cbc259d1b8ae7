"""What is generated for Shop-v0: products and personas, what is told of them and what is planted."""

import numpy as np
import pytest
import torch

from envs.shop.catalog import (
    ITEMS_A_CATEGORY,
    NOUNS,
    PERSONAS,
    Personas,
    ShopCatalog,
    follow_up,
    generate_catalog,
    generate_personas,
)
from envs.shop.simulator import Shop
from envs.shop.words import CATEGORIES, GROUPS
from envs.simulator import CLUSTER, SPLITS


@pytest.fixture(scope="module")
def products() -> ShopCatalog:
    return generate_catalog()


@pytest.fixture(scope="module")
def personas() -> Personas:
    return generate_personas()


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
        assert sum(feature in text for feature in category.features) >= 2
        assert ("% off" in text) == bool(products.discounted[item])
        assert not set("{}|") & set(text)


def test_a_product_is_called_by_its_kind_one_of_its_category(products: ShopCatalog) -> None:
    for title, category, kind in zip(products.catalog.titles, products.categories, products.kinds, strict=True):
        assert title.endswith(f" {NOUNS[kind]}")
        assert NOUNS[kind] in CATEGORIES[category].nouns
    assert set(products.kinds) == set(range(len(NOUNS)))


def test_nouns_and_brands_belong_to_one_place() -> None:
    brands = [brand for group in GROUPS for brand in group.brands]
    assert len(set(NOUNS)) == len(NOUNS)
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


def test_products_of_a_kind_share_a_code_of_unit_length(shop: Shop, products: ShopCatalog) -> None:
    codes = shop.world.products.kinds
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(3000))
    assert len(codes.unique(dim=0)) == len(NOUNS)
    pairs = torch.cat([codes, torch.as_tensor(products.kinds).unsqueeze(1)], dim=1)
    assert len(pairs.unique(dim=0)) == len(NOUNS)


def test_splits_draw_from_disjoint_personas(shop: Shop) -> None:
    drawn, planted = {}, shop.world.users.personas["need"]
    for split in SPLITS:
        users = shop.sample_users(6000, split, torch.Generator().manual_seed(0))
        assert torch.equal(users["need"], planted[users[CLUSTER]])
        drawn[split] = set(users[CLUSTER].tolist())
    assert {split: len(rows) for split, rows in drawn.items()} == PERSONAS
    assert len(set.union(*drawn.values())) == sum(PERSONAS.values())


def test_drawn_users_differ_from_their_persona_by_the_perturbation(shop: Shop) -> None:
    pool = shop.world.users.personas
    drawn = shop.sample_users(20_000, "train", torch.Generator().manual_seed(0))
    persona_B = drawn[CLUSTER]
    error_BS = drawn["taste"] - pool["taste"][persona_B]
    factor_B = drawn["price_sensitivity"] / pool["price_sensitivity"][persona_B]
    assert error_BS.std().item() == pytest.approx(0.3, abs=0.01)
    assert factor_B.log().std().item() == pytest.approx(0.3, abs=0.01)
    # The noise has a length of 0.3, of which 7 of its 8 dimensions lead away from the persona's own direction.
    cosine_B = (drawn["fancy"] * pool["fancy"][persona_B]).sum(dim=1)
    torch.testing.assert_close(drawn["fancy"].norm(dim=1), torch.ones(20_000))
    sine_B = (1 - cosine_B.square()).clamp(min=0).sqrt()
    assert (sine_B / cosine_B).square().mean().item() == pytest.approx(0.09 * 7 / 8, rel=0.1)

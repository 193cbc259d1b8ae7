"""The generated products and personas of Shop-v0: texts with planted attributes, seeded, all of them invented."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.catalog import Catalog
from envs.shop.words import (
    BUDGETS,
    CATEGORIES,
    GROUPS,
    GUARANTEES,
    HONEST,
    MODELS,
    NEUTRAL,
    OVERPROMISING,
    STYLES,
    Category,
)
from envs.simulator import Split

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

ITEMS_A_CATEGORY = 125
PERSONAS: dict[Split, int] = {"train": 600, "validation": 200, "test": 200}
"""Personas of each split."""
CATALOGUE_SEED = 20_260_101
LATER_NEEDS = 0.25
"""Weight of every category among those in which a need may come up later; a persona's interests add 0.5 or 1."""


@dataclass(frozen=True, eq=False)
class ShopCatalog:
    """Hold N products: what can be read of them, and what is planted."""

    catalog: Catalog
    """Titles, texts, and the categories as genres (one-hot, C)."""
    categories: IntArray
    """(N,) in [0, C)."""
    kinds: IntArray
    """(N,) in [0, J): which of the words for its category it is called by, such as dome tent or family tent."""
    styles: IntArray
    """(N,) in [0, S)."""
    prices: FloatArray
    """(N,) euros."""
    dearness: FloatArray
    """(N,) in (0, 1): the rank of the price among the products of its category."""
    discounted: FloatArray
    """(N,) 0 or 1: whether a discount is advertised."""
    quality: FloatArray
    """(N,) standardised; hidden."""
    hype: FloatArray
    """(N,) standardised: how much more is promised than another would; hidden."""
    popularity: FloatArray
    """(N,) standardised sales rank."""


@dataclass(frozen=True, eq=False)
class Personas:
    """Hold P personas: their own words, and what is planted."""

    texts: tuple[str, ...]
    needs: FloatArray
    """(P, C) 0 or more: what they need now."""
    interests: FloatArray
    """(P, C) chances, rows sum to 1: where a need may come up later."""
    tastes: FloatArray
    """(P, S) how they like each style; 0 is neutral."""
    price_sensitivity: FloatArray
    """(P,)."""


def _standardised(values: NDArray[np.float64]) -> FloatArray:
    standardised: FloatArray = ((values - values.mean()) / values.std()).astype(np.float32)
    return standardised


def follow_up() -> FloatArray:
    """Return which categories (columns) a good product of a category (rows) makes people want, 0 or 1, (C, C)."""
    follows_CC = np.zeros((len(CATEGORIES), len(CATEGORIES)), dtype=np.float32)
    for row, category in enumerate(CATEGORIES):
        follows_CC[row, list(category.follows)] = 1.0
    return follows_CC


def generate_catalog(seed: int = CATALOGUE_SEED) -> ShopCatalog:
    """Return the products, 125 of each category.

    Dearer products are somewhat better; discounts and big words go with hype, long guarantees with quality.
    """
    rng = np.random.default_rng(seed)
    products = len(CATEGORIES) * ITEMS_A_CATEGORY
    categories_N = np.repeat(np.arange(len(CATEGORIES)), ITEMS_A_CATEGORY)
    styles_N = rng.integers(len(STYLES), size=products)
    quality_N, hype_N = rng.normal(size=(2, products))
    dear_N = 0.5 * quality_N + 0.85 * rng.normal(size=products)
    discounted_N = rng.random(products) < 1 / (1 + np.exp(1.0 - 2.0 * hype_N))
    words_N = np.digitize(hype_N + 0.5 * rng.normal(size=products), (-0.5, 0.5))
    guarantees_N = np.digitize(quality_N + 0.7 * rng.normal(size=products), (-0.8, 0.2, 1.2))
    sales_N = 0.6 * hype_N + 0.2 * quality_N - 0.4 * dear_N + 0.7 * rng.normal(size=products)
    medians_N = np.array([category.price for category in CATEGORIES])[categories_N]
    prices_N = np.round(medians_N * np.exp(0.4 * dear_N))
    ranks_CI = dear_N.reshape(len(CATEGORIES), -1).argsort(axis=1).argsort(axis=1)
    names, kinds_N = _names(rng)
    nouns = [NOUNS[kind] for kind in kinds_N]
    titles = tuple(f"{name} {noun}" for name, noun in zip(names, nouns, strict=True))
    texts = tuple(
        _text(rng, titles[item], nouns[item], price, CATEGORIES[category], (style, words, guarantee, bool(discounted)))
        for item, (price, category, style, words, guarantee, discounted) in enumerate(
            zip(prices_N, categories_N, styles_N, words_N, guarantees_N, discounted_N, strict=True)
        )
    )
    plurals = tuple(category.plural for category in CATEGORIES)
    genres_NC = np.eye(len(CATEGORIES), dtype=np.float32)[categories_N]
    return ShopCatalog(
        catalog=Catalog(tuple(f"product-{item}" for item in range(products)), titles, texts, plurals, genres_NC),
        categories=categories_N,
        kinds=kinds_N,
        styles=styles_N,
        prices=prices_N.astype(np.float32),
        dearness=((ranks_CI.flatten() + 0.5) / ITEMS_A_CATEGORY).astype(np.float32),
        discounted=discounted_N.astype(np.float32),
        quality=_standardised(quality_N),
        hype=_standardised(hype_N),
        popularity=_standardised(sales_N),
    )


NOUNS = tuple(noun for category in CATEGORIES for noun in category.nouns)
"""(J,) what products are called, category by category."""


def _names(rng: np.random.Generator) -> tuple[list[str], IntArray]:
    """Return brand and model of every product, no two the same in a category, and its kind."""
    names: list[str] = []
    kinds: list[int] = []
    before = 0
    for group in GROUPS:
        models = [f"{brand} {model}" for brand in group.brands for model in MODELS]
        for category in group.categories:
            names += [models[row] for row in rng.choice(len(models), size=ITEMS_A_CATEGORY, replace=False)]
            kinds += (before + rng.integers(len(category.nouns), size=ITEMS_A_CATEGORY)).tolist()
            before += len(category.nouns)
    return names, np.array(kinds)


def _text(
    rng: np.random.Generator,
    title: str,
    noun: str,
    price: float,
    category: Category,
    hints: tuple[int, int, int, bool],
) -> str:
    """Describe a product; ``hints`` are its style, how big its words are (0 to 2), its guarantee and its discount."""
    style, words, guarantee, discounted = hints
    one, other = rng.choice(len(category.features), size=2, replace=False)
    promises = (HONEST, NEUTRAL, OVERPROMISING)[words]
    sentences = [
        f"{title}, {price:.0f} euros.",
        f"{STYLES[style][0]} {noun} with {category.features[one]} and {category.features[other]}.",
        promises[rng.integers(len(promises))].format(plural=category.plural),
        GUARANTEES[guarantee],
    ]
    if discounted:
        sentences.append(f"Now {rng.integers(4, 12) * 5} % off!")
    return " ".join(sentences)


def generate_personas(seed: int = CATALOGUE_SEED + 1) -> Personas:
    """Return the personas of all splits, train first; no two tell the same."""
    rng = np.random.default_rng(seed)
    personas = sum(PERSONAS.values())
    told: dict[str, _Planted] = {}
    while len(told) < personas:
        text, planted = _persona(rng)
        told.setdefault(text, planted)
    needs, interests, tastes, sensitivity = zip(*told.values(), strict=True)
    return Personas(
        texts=tuple(told),
        needs=np.array(needs, dtype=np.float32),
        interests=np.array(interests, dtype=np.float32),
        tastes=np.array(tastes, dtype=np.float32),
        price_sensitivity=np.array(sensitivity, dtype=np.float32),
    )


class _Planted(NamedTuple):
    needs: FloatArray
    interests: FloatArray
    tastes: FloatArray
    price_sensitivity: float


def _persona(rng: np.random.Generator) -> tuple[str, _Planted]:
    """Return what a persona says of themselves and what is planted."""
    first, second = rng.choice(len(GROUPS), size=2, replace=False)
    size = len(GROUPS[0].categories)
    needs_C = np.zeros(len(CATEGORIES), dtype=np.float32)
    interests_C = np.full(len(CATEGORIES), LATER_NEEDS, dtype=np.float32)
    interests_C[first * size : (first + 1) * size] += 1.0
    interests_C[second * size : (second + 1) * size] += 0.5
    wanted = [*(first * size + rng.choice(size, size=2, replace=False)), second * size + rng.integers(size)]
    needs_C[wanted] = rng.uniform(0.7, 1.2, size=len(wanted))
    tastes_S = rng.normal(scale=0.3, size=len(STYLES)).astype(np.float32)
    liked, disliked = rng.choice(len(STYLES), size=2, replace=False)
    tastes_S[liked], tastes_S[disliked] = 1.0, -1.0
    sensitivity, sayings = BUDGETS[rng.integers(len(BUDGETS))]
    lives = (GROUPS[first].lives, GROUPS[second].lives)
    one, other = (life[rng.integers(len(life))] for life in lives)
    names = [CATEGORIES[category].wanted for category in wanted]
    text = (
        f"I {one} and {other}. I am looking for {names[0]}, {names[1]} and {names[2]}. "
        f"I like things {STYLES[liked][1]}, and care less for things {STYLES[disliked][1]}. "
        f"{sayings[rng.integers(len(sayings))]}"
    )
    return text, _Planted(needs_C, interests_C / interests_C.sum(), tastes_S, sensitivity)

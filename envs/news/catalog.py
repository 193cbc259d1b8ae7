"""The generated articles and personas of News-v0: texts with planted attributes, all of them invented."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs.catalog import Catalog
from envs.news.words import (
    AFTER,
    BEFORE,
    DEEP,
    EVENTS,
    LURES,
    ORDINARY,
    OUTLETS,
    PLACES,
    READERS,
    SECTIONS,
    TEASERS,
    THIN,
    Event,
)
from envs.simulator import Split

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

WEEK = 168
"""Hours of the generated week."""
ARTICLES_A_SECTION = 150
ARTICLES_AN_EVENT = 45
PERSONAS: dict[Split, int] = {"train": 600, "validation": 200, "test": 200}
"""Personas of each split."""
CATALOGUE_SEED = 20_260_201
TOLD_TASTES = (1.2, 1.0, 0.8)
"""Taste of a persona for the three sections they tell."""
TASTE_SPREAD = 0.4
"""Standard deviation of a persona's taste for a section."""
NEIGHBOUR_SHARE = 0.3
"""Articles that stand in a second section as well."""
SUBJECTS = tuple(
    dict.fromkeys(
        [*(subject for section in SECTIONS for subject in section.subjects), *(event.name for event in EVENTS)]
    )
)
"""(J,) what articles are about, no two the same."""


@dataclass(frozen=True, eq=False)
class NewsCatalog:
    """Hold N articles in the order of their publication: what can be read of them, and what is planted."""

    catalog: Catalog
    """Titles, texts, and the sections as genres (multi-hot, T)."""
    outlets: IntArray
    """(N,) index into `OUTLETS`."""
    hours: FloatArray
    """(N,) hour of publication, rising, in [0, 168)."""
    events: IntArray
    """(N,) index into `EVENTS`; -1 for articles of no event."""
    subjects: IntArray
    """(N,) in [0, J): what an article is about; every event is a subject of its own."""
    clickbait: FloatArray
    """(N,) in [0, 1]: how much more the headline promises than the article holds; the headline betrays it."""
    depth: FloatArray
    """(N,) standardised; the second sentence hints at it."""
    popularity: FloatArray
    """(N,) standardised reach; clickbait reaches further."""


@dataclass(frozen=True, eq=False)
class Personas:
    """Hold P personas: their own words, and what is planted."""

    texts: tuple[str, ...]
    """Unique."""
    tastes: FloatArray
    """(P, T) how they like each section; 0 is neutral."""
    lures: FloatArray
    """(P,) how strongly clickbait draws them; 1 is ordinary."""


def generate_catalog(seed: int = CATALOGUE_SEED) -> NewsCatalog:
    """Return the articles, 150 of each section and 45 of each event, over one week."""
    rng = np.random.default_rng(seed)
    section_of = {section.name: row for row, section in enumerate(SECTIONS)}
    of_event = [section_of[event.section] for event in EVENTS]
    everyday = len(SECTIONS) * ARTICLES_A_SECTION
    sections_N = np.concatenate(
        [np.repeat(np.arange(len(SECTIONS)), ARTICLES_A_SECTION), np.repeat(of_event, ARTICLES_AN_EVENT)]
    )
    articles = len(sections_N)
    events_N = np.repeat(np.arange(-1, len(EVENTS)), [everyday] + [ARTICLES_AN_EVENT] * len(EVENTS))
    hours_N = np.concatenate([_everyday_hours(rng, everyday), *(_event_hours(rng, event) for event in EVENTS)])
    order_N = hours_N.argsort(kind="stable")
    sections_N, events_N, hours_N = sections_N[order_N], events_N[order_N], hours_N[order_N]

    outlets_N = rng.integers(len(OUTLETS), size=articles)
    baits_N = rng.random(articles) < np.array([share for _, share, _ in OUTLETS])[outlets_N]
    teases_N = rng.random(articles) < 0.3
    depth_N = np.array([depth for _, _, depth in OUTLETS])[outlets_N] - 0.5 * baits_N + 0.8 * rng.normal(size=articles)
    tiers_N = np.digitize(depth_N + 0.4 * rng.normal(size=articles), (-0.6, 0.6))
    beside_N = rng.random(articles) < NEIGHBOUR_SHARE
    headlines = _Headlines(rng)
    titles, texts, strengths = [], [], np.zeros(articles)
    subjects_N = np.zeros(articles, dtype=np.int64)
    genres_NT = np.zeros((articles, len(SECTIONS)), dtype=np.float32)
    for row in range(articles):
        section, event = SECTIONS[sections_N[row]], events_N[row]
        happening = EVENTS[event] if event >= 0 else None
        strengths[row], subjects_N[row], title = headlines.unused(
            sections_N[row], happening, hours_N[row], int(baits_N[row]) + int(baits_N[row] or teases_N[row])
        )
        names = [section.name, section.neighbour] if beside_N[row] else [section.name]
        genres_NT[row, [section_of[name] for name in names]] = 1.0
        mark = "" if title[-1] in "?!" else "."
        second = _pick(rng, (THIN, ORDINARY, DEEP)[tiers_N[row]])
        titles.append(title)
        texts.append(f"{title}{mark} {second} {OUTLETS[outlets_N[row]][0]}, {' and '.join(names)}.")

    reach_N = 1.2 * strengths + 0.4 * (events_N >= 0) + 0.7 * rng.normal(size=articles)
    return NewsCatalog(
        catalog=Catalog(
            tuple(f"article-{row}" for row in range(articles)),
            tuple(titles),
            tuple(texts),
            tuple(section_of),
            genres_NT,
        ),
        outlets=outlets_N,
        hours=hours_N.astype(np.float32),
        events=events_N,
        subjects=subjects_N,
        clickbait=strengths.astype(np.float32),
        depth=_standardised(depth_N),
        popularity=_standardised(reach_N),
    )


def _standardised(values: NDArray[np.float64]) -> FloatArray:
    standardised: FloatArray = ((values - values.mean()) / values.std()).astype(np.float32)
    return standardised


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[rng.integers(len(words))]


def _everyday_hours(rng: np.random.Generator, articles: int) -> NDArray[np.float64]:
    """Return hours of publication over the week, fewer at night."""
    hours_H = np.arange(WEEK)
    rate_H = 1.0 - 0.8 * np.cos(2 * np.pi * (hours_H - 2) / 24)
    whole_N = rng.choice(hours_H, size=articles, p=rate_H / rate_H.sum())
    return whole_N + rng.random(articles)


def _event_hours(rng: np.random.Generator, event: Event) -> NDArray[np.float64]:
    """Return hours of publication around an event: a third before it, if it was planned, and ever fewer after it."""
    after_A = rng.exponential(9.0, size=ARTICLES_AN_EVENT)
    before_A = -rng.exponential(6.0, size=ARTICLES_AN_EVENT)
    early_A = rng.random(ARTICLES_AN_EVENT) < (1 / 3 if event.planned else 0.0)
    offsets_A = np.where(early_A, before_A, after_A)
    return (event.hour + offsets_A).clip(0, WEEK - 0.01)


class _Headlines:
    """Write headlines, none of them twice."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._written: set[str] = set()

    def unused(self, section: int, event: Event | None, hour: float, tone: int) -> tuple[float, int, str]:
        """Return clickbait strength, subject and headline; ``tone`` is 0 sober, 1 teasing, 2 clickbait."""
        while True:
            strength, subject, headline = self._draw(SECTIONS[section].subjects, section, event, hour, tone)
            if headline not in self._written:
                self._written.add(headline)
                return strength, SUBJECTS.index(subject), headline

    def _draw(
        self, subjects: tuple[str, ...], section: int, event: Event | None, hour: float, tone: int
    ) -> tuple[float, str, str]:
        rng, place = self._rng, _pick(self._rng, PLACES)
        subject = _pick(rng, subjects) if event is None else event.name
        if tone > 0:
            templates = LURES if tone == 2 else TEASERS
            strength, template = templates[rng.integers(len(templates))]
            return strength, subject, template.format(p=place, s=subject)
        if event is None:
            words = SECTIONS[section]
            template = f"{_pick(rng, words.actors)} {_pick(rng, words.actions)}"
            return 0.0, subject, template.format(p=place, s=subject)
        template = _pick(rng, BEFORE if hour < event.hour else AFTER)
        return 0.0, subject, template.format(p=place, e=subject, E=subject[0].upper() + subject[1:])


def generate_personas(seed: int = CATALOGUE_SEED + 1) -> Personas:
    """Return the personas of all splits, in the order of `PERSONAS`."""
    rng = np.random.default_rng(seed)
    personas = sum(PERSONAS.values())
    tastes_PT = rng.normal(scale=TASTE_SPREAD, size=(personas, len(SECTIONS)))
    lures_P = np.zeros(personas)
    texts: dict[str, None] = {}
    while len(texts) < personas:
        told = rng.permutation(len(SECTIONS))[: len(TOLD_TASTES)]
        first, second, third = (_pick(rng, SECTIONS[section].lives) for section in told)
        lure, sayings = READERS[rng.integers(len(READERS))]
        text = (
            f"I {first} and {second}. I also {third}. {_pick(rng, sayings)} "
            f"My pages are {', '.join(SECTIONS[section].name for section in told[:2])} and {SECTIONS[told[2]].name}."
        )
        if text in texts:
            continue
        tastes_PT[len(texts), told] = TOLD_TASTES
        lures_P[len(texts)] = lure
        texts[text] = None
    return Personas(tuple(texts), tastes_PT.astype(np.float32), lures_P.astype(np.float32))

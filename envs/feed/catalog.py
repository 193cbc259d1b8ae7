"""The generated posts, creators and personas of Feed-v0: texts with planted attributes, all of them invented."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from envs.catalog import Catalog
from envs.feed.topics_hobbies import HOBBIES
from envs.feed.topics_world import WORLD
from envs.feed.words import FIRST_NAMES, NOURISHING, PLAIN, STIRRING, TEMPERS
from envs.simulator import Split

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

TOPICS = HOBBIES + WORLD
SUBJECTS = tuple(dict.fromkeys(subject for topic in TOPICS for subject in topic.subjects))
"""(J,) what posts are about, no two the same."""
CREATORS_A_TOPIC = 10
POSTS_A_CREATOR = 15
PERSONAS: dict[Split, int] = {"train": 600, "validation": 200, "test": 200}
"""Personas of each split."""
CATALOGUE_SEED = 20_260_301
BENTS = ((0.75, 0.2, 0.05), (0.35, 0.4, 0.25), (0.05, 0.3, 0.65))
"""Shares of stirring, plain and nourishing posts of the three kinds of creators."""
INTEREST_SHARES = (0.34, 0.27, 0.19)
"""Taste of a persona for each of the three topics they tell; the rest is spread over all others."""


@dataclass(frozen=True, eq=False)
class FeedCatalog:
    """Hold N posts: what can be read of them, and what is planted."""

    catalog: Catalog
    """Titles, texts, and the topics as genres (one-hot, T)."""
    topics: IntArray
    """(N,) in [0, T)."""
    subjects: IntArray
    """(N,) in [0, J): what of its topic a post is about."""
    creators: IntArray
    """(N,) in [0, C)."""
    creator_names: tuple[str, ...]
    """(C,) unique."""
    outrage: FloatArray
    """(N,) in [0, 1]: how much a post stirs up; hidden."""
    nourishment: FloatArray
    """(N,) in [0, 1]: how much good it does; hidden."""
    popularity: FloatArray
    """(N,) standardised reach; posts that stir up reach further."""


@dataclass(frozen=True, eq=False)
class Personas:
    """Hold P personas: their own words, and what is planted."""

    texts: tuple[str, ...]
    """Unique."""
    tastes: FloatArray
    """(P, T), rows sum to 1."""
    tempers: FloatArray
    """(P,) how strongly posts that stir up draw them; 1 is ordinary."""


def generate_catalog(seed: int = CATALOGUE_SEED) -> FeedCatalog:
    """Return the posts, 15 of each of 200 creators."""
    rng = np.random.default_rng(seed)
    num_topics, num_creators = len(TOPICS), len(TOPICS) * CREATORS_A_TOPIC
    names = _creator_names(rng)
    bents_C = rng.integers(len(BENTS), size=num_creators)
    creators_N = np.repeat(np.arange(num_creators), POSTS_A_CREATOR)
    topics_N = creators_N // CREATORS_A_TOPIC
    below_N3 = rng.random((len(creators_N), 1)) < np.cumsum(BENTS, axis=1)[bents_C[creators_N]]
    tones_N = below_N3.argmax(axis=1)

    headlines = [_headlines(topic.subjects, rng) for topic in TOPICS]
    titles, texts = [], []
    strengths, subjects_N = np.zeros(len(creators_N)), np.zeros(len(creators_N), dtype=np.int64)
    for post, (creator, topic, tone) in enumerate(zip(creators_N, topics_N, tones_N, strict=True)):
        strengths[post], subject, headline = headlines[topic][tone].pop()
        subjects_N[post] = SUBJECTS.index(subject)
        words = TOPICS[topic]
        second = rng.choice((words.grievances, words.scenes, words.lessons)[tone])
        titles.append(f"{names[creator]}: {headline}")
        mark = "" if headline[-1] in "?!" else "."
        texts.append(f"{headline}{mark} {second} By {names[creator]}. #{words.tag.replace(' ', '')}")

    outrage_N, nourishment_N = strengths * (tones_N == 0), strengths * (tones_N == 2)
    reach_C = rng.normal(size=num_creators)
    reach_N = 0.8 * outrage_N + 0.5 * reach_C[creators_N] + 0.7 * rng.normal(size=len(creators_N))
    catalog = Catalog(
        item_ids=tuple(f"post-{post}" for post in range(len(titles))),
        titles=tuple(titles),
        texts=tuple(texts),
        genre_names=tuple(topic.tag for topic in TOPICS),
        genres=np.eye(num_topics, dtype=np.float32)[topics_N],
    )
    return FeedCatalog(
        catalog=catalog,
        topics=topics_N,
        subjects=subjects_N,
        creators=creators_N,
        creator_names=names,
        outrage=outrage_N.astype(np.float32),
        nourishment=nourishment_N.astype(np.float32),
        popularity=((reach_N - reach_N.mean()) / reach_N.std()).astype(np.float32),
    )


def _creator_names(rng: np.random.Generator) -> tuple[str, ...]:
    """Return ten names for each topic, each channel word twice, no first name twice in a topic."""
    names = []
    for topic in TOPICS:
        firsts = rng.permutation(FIRST_NAMES)[:CREATORS_A_TOPIC]
        channels = [topic.channels[position % len(topic.channels)] for position in range(CREATORS_A_TOPIC)]
        names += [f"{_of(first)} {channel}" for first, channel in zip(firsts, channels, strict=True)]
    return tuple(names)


def _of(name: str) -> str:
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def _headlines(subjects: Sequence[str], rng: np.random.Generator) -> tuple[list[tuple[float, str, str]], ...]:
    """Return strength, subject and headline of one topic, shuffled, for each of the three tones."""
    decks = []
    for templates in (STIRRING, tuple((0.0, plain) for plain in PLAIN), NOURISHING):
        deck = [
            (strength, subject, template.format(s=subject, S=subject[0].upper() + subject[1:]))
            for (strength, template), subject in product(templates, subjects)
        ]
        decks.append([deck[position] for position in rng.permutation(len(deck))])
    return tuple(decks)


def generate_personas(seed: int = CATALOGUE_SEED + 1) -> Personas:
    """Return the personas of all splits, in the order of `PERSONAS`."""
    rng = np.random.default_rng(seed)
    personas, told = sum(PERSONAS.values()), len(INTEREST_SHARES)
    spread_PT = rng.dirichlet(np.full(len(TOPICS), 0.5), size=personas)
    tastes_PT = (1 - sum(INTEREST_SHARES)) * spread_PT
    texts: dict[str, None] = {}
    tempers_P = np.zeros(personas)
    while len(texts) < personas:
        topics = rng.permutation(len(TOPICS))[:told]
        first, second, third = (str(rng.choice(TOPICS[topic].lives)) for topic in topics)
        temper = rng.integers(len(TEMPERS))
        text = f"I {first} and {second}. And I {third}. {rng.choice(TEMPERS[temper][1])}"
        if text in texts:
            continue
        tastes_PT[len(texts), topics] += INTEREST_SHARES
        tempers_P[len(texts)] = TEMPERS[temper][0]
        texts[text] = None
    return Personas(tuple(texts), tastes_PT.astype(np.float32), tempers_P.astype(np.float32))

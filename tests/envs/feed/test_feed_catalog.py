"""What is generated for Feed-v0: posts, creators and personas, what is told of them and what is planted."""

import numpy as np
import pytest
import torch
from scrollers import build

from envs.feed.catalog import PERSONAS, SUBJECTS, TOPICS, FeedCatalog, generate_catalog, generate_personas
from envs.feed.simulator import Feed
from envs.simulator import CLUSTER, SPLITS


@pytest.fixture(scope="module")
def posts() -> FeedCatalog:
    return generate_catalog()


def test_posts_are_unique_seeded_and_evenly_spread(posts: FeedCatalog) -> None:
    again, other = generate_catalog(), generate_catalog(seed=1)
    assert len(posts.catalog) == len(set(posts.catalog.titles)) == len(set(posts.catalog.texts)) == 3000
    assert posts.catalog.texts == again.catalog.texts
    assert posts.catalog.texts != other.catalog.texts
    np.testing.assert_array_equal(posts.outrage, again.outrage)
    assert np.bincount(posts.topics).tolist() == [150] * 20
    assert np.bincount(posts.creators).tolist() == [15] * 200
    assert len(set(posts.creator_names)) == 200
    assert posts.catalog.genres.argmax(axis=1).tolist() == posts.topics.tolist()


def test_a_post_names_its_creator_and_topic_and_is_well_formed(posts: FeedCatalog) -> None:
    for text, title, topic, creator in zip(
        posts.catalog.texts, posts.catalog.titles, posts.topics, posts.creators, strict=True
    ):
        assert text.endswith(f" By {posts.creator_names[creator]}. #{TOPICS[topic].tag.replace(' ', '')}")
        assert title.startswith(f"{posts.creator_names[creator]}: ")
        assert title.split(": ", 1)[1] in text
        assert not {"{", "}", "  "} & {text[i : i + n] for n in (1, 2) for i in range(len(text))}


def test_a_post_is_about_the_subject_that_its_headline_names_one_of_its_topic(posts: FeedCatalog) -> None:
    assert len(set(SUBJECTS)) == len(SUBJECTS)
    for title, topic, subject in zip(posts.catalog.titles, posts.topics, posts.subjects, strict=True):
        assert SUBJECTS[subject] in TOPICS[topic].subjects
        assert SUBJECTS[subject].lower() in title.lower()


def test_planted_attributes_exclude_each_other_and_show_in_words_and_reach(posts: FeedCatalog) -> None:
    stirs, nourishes = posts.outrage > 0, posts.nourishment > 0
    assert not (stirs & nourishes).any()
    assert 0.25 < stirs.mean() < 0.45
    assert 0.25 < nourishes.mean() < 0.45
    assert (np.array(["!" in text for text in posts.catalog.texts]) == stirs).all()
    assert posts.popularity[stirs].mean() > posts.popularity[~stirs].mean() + 0.5
    assert abs(posts.popularity.mean()) < 1e-5
    assert posts.popularity.std() == pytest.approx(1, abs=1e-5)
    by_creator = np.array([posts.outrage[posts.creators == creator].mean() for creator in range(200)])
    assert by_creator.std() > 0.15


def test_personas_are_unique_and_tell_their_three_interests() -> None:
    personas = generate_personas()
    assert len(personas.texts) == len(set(personas.texts)) == sum(PERSONAS.values())
    np.testing.assert_allclose(personas.tastes.sum(axis=1), 1, atol=1e-5)
    assert (personas.tastes >= 0).all()
    for text, taste in zip(personas.texts, personas.tastes, strict=True):
        first = next(position for position, topic in enumerate(TOPICS) if text.startswith(_starts(topic.lives)))
        assert taste[first] >= 0.34 - 1e-6
    calm = np.array(["Shouting puts me off" in text for text in personas.texts])
    assert set(personas.tempers[calm]) == {np.float32(0.5)}
    assert set(personas.tempers) == {np.float32(x) for x in (0.5, 1.0, 1.6)}


def _starts(lives: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"I {life} and " for life in lives)


def test_posts_of_a_subject_and_of_a_creator_share_codes_of_unit_length(feed: Feed, posts: FeedCatalog) -> None:
    ours = feed.world.posts
    kinds = ((ours.subjects, posts.subjects), (ours.creator_codes, posts.creators))
    for codes, kind in kinds:
        torch.testing.assert_close(codes.norm(dim=1), torch.ones(3000))
        assert len(codes.unique(dim=0)) == len(np.unique(kind))
        pairs = torch.cat([codes, torch.as_tensor(kind).unsqueeze(1)], dim=1)
        assert len(pairs.unique(dim=0)) == len(np.unique(kind))


def test_splits_draw_from_disjoint_personas(feed: Feed) -> None:
    first = 0
    for split in SPLITS:
        users = feed.sample_users(6000, split, torch.Generator().manual_seed(0))
        assert users[CLUSTER].unique().tolist() == list(range(first, first + PERSONAS[split]))
        first += PERSONAS[split]


def test_drawn_users_differ_from_their_persona_and_from_each_other(feed: Feed) -> None:
    users, pool = feed.sample_users(20_000, "train", torch.Generator().manual_seed(0)), feed.world.users.personas
    torch.testing.assert_close(users["taste"].sum(dim=1), torch.ones(20_000))
    factor_B = users["temper"] / pool["temper"][users[CLUSTER]]
    assert factor_B.log().std().item() == pytest.approx(0.3, abs=0.01)
    # Of the log shares of two topics the difference has the noise of both, whatever the sum is.
    log_BT = users["taste"].log() - pool["taste"][users[CLUSTER]].log()
    assert (log_BT[:, 0] - log_BT[:, 1]).std().item() == pytest.approx(0.3 * 2**0.5, abs=0.01)
    # The noise has a length of 0.3, of which 7 of its 8 dimensions lead away from the persona's own direction.
    cosine_B = (users["fancy"] * pool["fancy"][users[CLUSTER]]).sum(dim=1)
    torch.testing.assert_close(users["fancy"].norm(dim=1), torch.ones(20_000))
    sine_B = (1 - cosine_B.square()).clamp(min=0).sqrt()
    assert (sine_B / cosine_B).square().mean().item() == pytest.approx(0.09 * 7 / 8, rel=0.1)


def test_without_perturbation_users_are_their_personas() -> None:
    simulator = build(perturbation=0.0)
    users = simulator.sample_users(500, "train", torch.Generator().manual_seed(0))
    for name in ("taste", "temper", "fancy"):
        torch.testing.assert_close(users[name], simulator.world.users.personas[name][users[CLUSTER]])

"""What is generated for News-v0: the articles of a week and its readers, what is told of them and what is planted."""

import numpy as np
import pytest
import torch

from envs.news.catalog import PERSONAS, SUBJECTS, NewsCatalog, generate_catalog, generate_personas
from envs.news.items import LOUD
from envs.news.simulator import News
from envs.news.words import EVENTS, LURES, OUTLETS, SECTIONS
from envs.simulator import CLUSTER, SPLITS


@pytest.fixture(scope="module")
def week() -> NewsCatalog:
    return generate_catalog()


def test_the_catalogue_is_seeded_unique_and_in_order(week: NewsCatalog) -> None:
    again, other = generate_catalog(), generate_catalog(seed=1)
    assert week.catalog.texts == again.catalog.texts
    np.testing.assert_array_equal(week.depth, again.depth)
    assert week.catalog.texts != other.catalog.texts
    number = len(week.catalog)
    assert number == 3030
    assert len(set(week.catalog.titles)) == len(set(week.catalog.texts)) == number
    assert (np.diff(week.hours) >= 0).all()
    assert week.hours.min() >= 0
    assert week.hours.max() < 168
    assert not any("{" in text or "  " in text or ".." in text for text in week.catalog.texts)
    for values in (week.depth, week.popularity):
        assert abs(values.mean()) < 1e-4
        assert abs(values.std() - 1) < 1e-4


def test_headlines_betray_clickbait_and_second_sentences_hint_at_depth(week: NewsCatalog) -> None:
    loud_N = np.array([LOUD.search(title) is not None for title in week.catalog.titles])
    assert loud_N[week.clickbait > 0.6].all()
    assert not loud_N[week.clickbait == 0].any()
    assert set(np.unique(week.clickbait)) <= {np.float32(value) for value in (0, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9, 1)}
    for strength, template in LURES:
        marked_N = np.array([template.split("{")[0] in title for title in week.catalog.titles])
        if template[0] != "{" and len(template.split("{")[0]) > 12:
            np.testing.assert_allclose(week.clickbait[marked_N], strength)
    sources_N = np.array(["name their sources" in text for text in week.catalog.texts])
    gallery_N = np.array(["gallery of thirty" in text for text in week.catalog.texts])
    assert week.depth[sources_N].mean() > 0.5 > -0.5 > week.depth[gallery_N].mean()
    assert np.corrcoef(week.clickbait, week.depth)[0, 1] < -0.3
    assert np.corrcoef(week.clickbait, week.popularity)[0, 1] > 0.3
    baits_O = np.array([(week.clickbait > 0.6)[week.outlets == row].mean() for row in range(len(OUTLETS))])
    assert np.corrcoef(baits_O, [share for _, share, _ in OUTLETS])[0, 1] > 0.95


def test_articles_stand_in_their_sections_and_around_their_events(week: NewsCatalog) -> None:
    section_of = {section.name: row for row, section in enumerate(SECTIONS)}
    assert set(week.catalog.genres.sum(axis=1)) == {1.0, 2.0}
    for row, event in enumerate(EVENTS):
        own_N = week.events == row
        assert own_N.sum() == 45
        assert (week.catalog.genres[own_N, section_of[event.section]] == 1).all()
        assert all(event.name.lower() in week.catalog.titles[item].lower() for item in np.flatnonzero(own_N))
        before = (week.hours[own_N] < event.hour).sum()
        assert (before > 0) == event.planned


def test_an_event_is_a_subject_of_its_own_and_others_are_of_their_section(week: NewsCatalog) -> None:
    assert len(set(SUBJECTS)) == len(SUBJECTS)
    for event, subject, sections in zip(week.events, week.subjects, week.catalog.genres, strict=True):
        if event >= 0:
            assert SUBJECTS[subject] == EVENTS[event].name
        else:
            assert any(SUBJECTS[subject] in SECTIONS[section].subjects for section in np.flatnonzero(sections))


def test_a_headline_that_names_a_subject_names_its_own(week: NewsCatalog) -> None:
    named = 0
    for title, subject in zip(week.catalog.titles, week.subjects, strict=True):
        if SUBJECTS[subject].lower() in title.lower():
            named += 1
        else:
            longest = max((other for other in SUBJECTS if other in title), key=len, default="")
            assert len(longest) < 12, title
    assert named > len(week.subjects) / 2


def test_articles_of_a_subject_share_a_code_of_unit_length(news: News, week: NewsCatalog) -> None:
    codes = news.world.items.subjects
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(3030))
    used = len(np.unique(week.subjects))
    assert len(codes.unique(dim=0)) == used
    pairs = torch.cat([codes, torch.as_tensor(week.subjects).unsqueeze(1)], dim=1)
    assert len(pairs.unique(dim=0)) == used


def test_personas_are_unique_and_say_which_sections_they_like() -> None:
    personas = generate_personas()
    assert len(set(personas.texts)) == len(personas.texts) == sum(PERSONAS.values())
    assert set(np.unique(personas.lures).tolist()) == {np.float32(value) for value in (0.6, 1.0, 1.4)}
    for text, tastes in zip(personas.texts, personas.tastes, strict=True):
        told = text.split("My pages are ")[1].rstrip(".").replace(" and ", ", ").split(", ")
        by_name = dict(zip([section.name for section in SECTIONS], tastes.tolist(), strict=True))
        assert [by_name[name] for name in told] == pytest.approx([1.2, 1.0, 0.8])


def test_splits_draw_from_disjoint_personas_at_hours_of_the_week(news: News) -> None:
    first = 0
    assert list(PERSONAS) == list(SPLITS)
    for split in SPLITS:
        users = news.sample_users(6000, split, torch.Generator().manual_seed(0))
        assert users[CLUSTER].unique().tolist() == list(range(first, first + PERSONAS[split]))
        assert torch.equal(users["lure"], news.world.users.personas["lure"][users[CLUSTER]])
        assert ((users["clock"] >= 24) & (users["clock"] <= 120)).all()
        assert users["clock"].mean().item() == pytest.approx(72, abs=2)
        first += PERSONAS[split]


def test_readers_of_a_persona_differ_from_it_by_the_documented_noise(news: News) -> None:
    users, pool = news.sample_users(20_000, "train", torch.Generator().manual_seed(0)), news.world.users.personas
    error = users["taste"] - pool["taste"][users[CLUSTER]]
    assert error.std().item() == pytest.approx(0.3, abs=0.01)
    # The noise has a length of 0.3, of which 7 of its 8 dimensions lead away from the persona's own direction.
    cosine_B = (users["fancy"] * pool["fancy"][users[CLUSTER]]).sum(dim=1)
    torch.testing.assert_close(users["fancy"].norm(dim=1), torch.ones(20_000))
    sine_B = (1 - cosine_B.square()).clamp(min=0).sqrt()
    assert (sine_B / cosine_B).square().mean().item() == pytest.approx(0.09 * 7 / 8, rel=0.1)

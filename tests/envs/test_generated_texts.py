"""What the generators write is English: verbs and pronouns agree in number with what they speak of."""

import re
from collections.abc import Iterable

import pytest

from envs.feed.catalog import TOPICS
from envs.feed.catalog import generate_catalog as generate_feed
from envs.feed.catalog import generate_personas as generate_feed_personas
from envs.news.catalog import generate_catalog as generate_news
from envs.news.catalog import generate_personas as generate_news_personas
from envs.news.words import EVENTS, PLACES, SECTIONS
from envs.shop.catalog import generate_catalog as generate_shop
from envs.shop.catalog import generate_personas as generate_shop_personas
from envs.shop.words import CATEGORIES

SUBJECTS = {
    "news": [
        *(words for section in SECTIONS for words in (*section.actors, *section.subjects)),
        *(event.name for event in EVENTS),
    ],
    "feed": [subject for topic in TOPICS for subject in topic.subjects],
    "shop": [words for category in CATEGORIES for words in (*category.nouns, category.plural)],
}
CATALOGUES = {"news": generate_news, "feed": generate_feed, "shop": generate_shop}
PERSONAS = {"news": generate_news_personas, "feed": generate_feed_personas, "shop": generate_shop_personas}
OPENING = r"(?:^|[:.!?;–] |\b(?:what|how|why|where|when|that|if|because|and|but|so) )"
"""What stands before the subject of a clause."""
PLURAL_VERBS = {"are", "were", "have", "do", "get", "make", "leave", "win", "lose"}


def is_plural(subject: str) -> bool:
    """Return whether the noun a subject is about is plural: `bats in town` is, `a chain of huts` is not."""
    head = re.split(r" (?:of|in|from|near|for|at|after) ", subject)[0].split()[-1]
    return head.endswith("s") and not head.endswith("ss") and head != "series"


def disagreements(texts: Iterable[str], subjects: Iterable[str]) -> set[str]:
    """Return the clauses whose subject is plural and whose verb singular, or the other way round."""
    places = "|".join(PLACES)
    plural_of = {re.escape(words).replace(r"\{p\}", f"(?:{places})"): is_plural(words) for words in subjects}
    found = set()
    for number in (False, True):
        known = "|".join(sorted((words for words, plural in plural_of.items() if plural is number), key=len)[::-1])
        clause = re.compile(rf"{OPENING}({known}) ([a-z]+)\b", re.IGNORECASE)
        for text in texts:
            for match in clause.finditer(text):
                verb = match[2]
                singular = verb.endswith("s") and verb not in ("as", "its", "towards", "always")
                if (singular and number) or (verb in PLURAL_VERBS and not number):
                    found.add(match[0])
    return found


def test_a_disagreement_is_seen() -> None:
    wrong = ["In Carrow: this is what epic poems does to people!", "Epic poems wins.", "what the derby do to us"]
    assert len(disagreements(wrong, ["epic poems", "the derby"])) == 3
    assert disagreements(["Carrow Rovers trains for the derby"], ["{p} Rovers", "the derby"]) == {
        "Carrow Rovers trains"
    }
    right = ["this is what epic poems do", "what the derby does to us", "one secret about epic poems leaves us cold"]
    assert not disagreements(right, ["epic poems", "the derby"])


@pytest.mark.parametrize("domain", CATALOGUES)
def test_verbs_agree_with_their_subjects(domain: str) -> None:
    catalog = CATALOGUES[domain]().catalog
    texts = (*catalog.titles, *catalog.texts, *PERSONAS[domain]().texts)
    assert disagreements(texts, SUBJECTS[domain]) == set()


def test_no_product_is_called_it_or_they() -> None:
    for title, text in zip(*((catalog := generate_shop().catalog).titles, catalog.texts), strict=True):
        said = re.findall(r"\b(?:its?|they|them|their)\b", text.replace("before it is too late", ""))
        assert not said, f"{title}: {text}"

"""A generated data set whose texts tell what people like, in part."""

from pathlib import Path

import numpy as np

WORDS = {
    "war": "battle soldier front trench siege",
    "love": "kiss wedding heart letter summer",
    "space": "star rocket orbit moon alien",
    "crime": "heist murder police gang trial",
}
USERS, ITEMS, RATED = 90, 160, 24


def write_toy(folder: Path, seed: int = 0, shuffled: str = "", users: int = USERS, rated: int = RATED) -> Path:
    """Write atomic files: each user likes the items of two topics, the popular ones more often.

    Args:
        folder: to make.
        seed: of what is drawn.
        shuffled: "pairs" lets users rate at random, by popularity alone; "texts" gives items each other's texts.
        users: how many.
        rated: ratings of each.
    """
    rng = np.random.default_rng(seed)
    topics = list(WORDS)
    topic_N = rng.integers(len(topics), size=ITEMS)
    titles = [
        f"{' '.join(rng.choice(WORDS[topics[topic]].split(), 2, replace=False))} {chr(97 + item % 26)}{item}"
        for item, topic in enumerate(topic_N)
    ]
    if shuffled == "texts":
        titles = [titles[item] for item in rng.permutation(ITEMS)]
    fame_N = 1.0 / (1.0 + rng.permutation(ITEMS)) ** 0.5
    lines = []
    for user in range(users):
        own = rng.choice(len(topics), 2, replace=False)
        liked_N = np.isin(topic_N, own) if shuffled != "pairs" else np.ones(ITEMS, dtype=bool)
        chance_N = fame_N * np.where(liked_N, 1.0, 0.15)
        for place, item in enumerate(rng.choice(ITEMS, rated, replace=False, p=chance_N / chance_N.sum())):
            stars = rng.choice([4, 5]) if liked_N[item] else rng.choice([1, 2, 3])
            lines.append(f"u{user}\ti{item}\t{stars}\t{place // 2}")
    folder.mkdir(parents=True, exist_ok=True)
    items = [f"i{item}\t{title}" for item, title in enumerate(titles)]
    (folder / "toy.item").write_text("\n".join(["item_id:token\ttitle:token_seq", *items]) + "\n")
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "toy.inter").write_text("\n".join([header, *lines]) + "\n")
    return folder

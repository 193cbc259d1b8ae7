"""A folder of one's own ratings, as small as can be."""

from pathlib import Path

SMALL_SHOP = '[env]\nencoder = "tiny"\nnum_features = 4\nnum_candidates = 12\nnum_exploration = 4\nslate_size = 3\n'
"""Settings of slatelab/Ratings-v0 that fit it, as TOML."""


def write_shop(folder: Path, stars: str = "12345") -> None:
    """Write 24 items and what 40 users think of them; other stars are other tastes."""
    folder.mkdir()
    items = "".join(f"i{item},Kettle {item},{'Old' if item % 2 else 'New'}\n" for item in range(24))
    (folder / "items.csv").write_text(f"item,title,genre\n{items}")
    rated = "".join(
        f"u{user},i{item},{stars[(user * item) % 5]}\n" for user in range(40) for item in range(24) if (user + item) % 3
    )
    (folder / "ratings.csv").write_text(f"user,item,rating\n{rated}")

"""``slatelab score``."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro


@dataclass(frozen=True, kw_only=True)
class ScoreFlags:
    """Print how near an item's text is to a user's: the cosine of their vectors, from -1 to 1."""

    user_text: tyro.conf.Positional[str]
    """What is known of the user, such as "I like to read books and watch movies."."""
    item_text: tyro.conf.Positional[str]
    """What is known of the item, such as "This movie is about a boy and a girl falling in love."."""
    encoder: str = "minilm"
    """Text encoder: a name, a local folder or a hub name."""
    device: str = "auto"
    """Torch device."""


def main(arguments: Sequence[str]) -> int:
    """Score one pair of texts."""
    flags = tyro.cli(ScoreFlags, prog="slatelab score", args=list(arguments))
    from encoders import load_encoder
    from encoders.score import interest

    encoder = load_encoder(flags.encoder, device=flags.device)
    print(f"{interest(flags.user_text, flags.item_text, encoder):.4f}")
    return 0

"""How a post of Feed-v0 sets its tone, who posts, and how a persona says their temper. All invented."""

from typing import NamedTuple


class Topic(NamedTuple):
    """What people post about."""

    tag: str
    """As in `#gardening`."""
    lives: tuple[str, ...]
    """How a persona who cares says it, after `I`."""
    channels: tuple[str, ...]
    """What a creator's channel is called, after a first name, as in `Ines's Greenhouse`."""
    subjects: tuple[str, ...]
    """What a post is about; fits behind `about`."""
    scenes: tuple[str, ...]
    """Second sentences of plain posts."""
    grievances: tuple[str, ...]
    """Second sentences of posts that stir up."""
    lessons: tuple[str, ...]
    """Second sentences of posts that do good."""


PLAIN = (
    *("A minute about {s}", "Some notes on {s}", "This week: {s}", "{S}, once more", "Back to {s}"),
    *("A few thoughts about {s}", "Quick question about {s}", "What I think about {s}", "Today it is about {s}"),
    "An update on {s}",
)
"""Headlines without a tone."""

STIRRING = (
    (0.3, "Am I the only one who is annoyed about {s}?"),
    (0.4, "Nobody wants to hear this about {s}"),
    (0.5, "The ugly truth about {s}"),
    (0.6, "What they never tell you about {s}"),
    (0.7, "I am sick and tired of the lies about {s}"),
    (0.8, "You are being cheated, and it is about {s}"),
    (0.85, "Share this before they delete it: the scandal about {s}"),
    (0.9, "Wake up! They are laughing at you about {s}"),
    (0.95, "It is all over: the disaster about {s} that nobody stops"),
    (1.0, "SHAME on everyone who stays silent about {s}!"),
)
"""How much a headline stirs up, from 0 to 1."""

NOURISHING = (
    (0.3, "A calm look at {s}"),
    (0.4, "Three small ideas about {s}"),
    (0.5, "A beginner asks, we answer: {s}"),
    (0.6, "What changed my mind about {s}"),
    (0.7, "All I wish I had known about {s}"),
    (0.75, "A gentle introduction to {s}"),
    (0.8, "Step by step, for everyone: {s}"),
    (0.9, "What a lifetime taught her about {s}"),
    (0.95, "The loveliest thing I know about {s}"),
    (1.0, "Thank you all: what we learned together about {s}"),
)
"""How much good a headline promises, from 0 to 1."""

FIRST_NAMES = (
    *("Ines", "Bram", "Yuki", "Tomas", "Leila", "Oskar", "Priya", "Mateo", "Hanne", "Kofi", "Saoirse", "Milan"),
    *("Zofia", "Idris", "Amelie", "Jonas", "Noor", "Pavel", "Greta", "Emeka", "Lucia", "Anders", "Mina", "Rafael"),
    *("Edith", "Ravi", "Clara", "Samir", "Tove", "Hugo", "Adaeze", "Viktor", "Elena", "Callum", "Marit", "Diego"),
    *("Nadia", "Felix", "Aiko", "Stellan"),
)

TEMPERS = (
    (1.6, ("I get worked up quickly online.", "I cannot leave an argument alone.", "Bad news keeps me reading.")),
    (1.0, ("I scroll a little on the bus.", "I look at my phone in the evening.", "I mostly read along.")),
    (0.5, ("I like it calm and friendly.", "Shouting puts me off.", "I want to learn something when I go online.")),
)
"""How strongly posts that stir up draw a persona, and how they say it."""

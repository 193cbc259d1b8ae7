"""How towers are fitted."""

from dataclasses import dataclass

from encoders.errors import UsageError

LOSSES = ("softmax", "infonce", "elsa")
POOLINGS = ("mean", "attention")


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """Settings of a fit of a user tower and an item tower.

    Raises:
        UsageError: a value out of range.
    """

    loss: str = "softmax"
    """"softmax" over many items, "infonce" against the other users' targets, or "elsa"."""
    pooling: str = "mean"
    """How a history becomes one vector: "mean", or "attention" with a learnt query and recency."""
    width: int = 128
    """E: numbers of a tuned vector."""
    hidden: int = 512
    """Units of the hidden layer over the text vectors; 0 for a linear head."""
    temperature: float = 0.1
    """What cosines are divided by to be logits."""
    popularity_weight: float = 0.0
    """What log(1 + likes) of an item adds to its logit; 0 leaves popularity to what the text tells of it."""
    learning_rate: float = 1e-3
    """Step of AdamW."""
    weight_decay: float = 1e-2
    """Decay of the item tower's weights, per unit of learning rate."""
    batch_size: int = 1024
    """Users in a step."""
    epochs: int = 60
    """Passes over the users, at most."""
    validate_every: int = 5
    """Epochs between two looks at the validation."""
    patience: int = 3
    """Looks without a better validation after which the fit stops."""
    least_history: float = 0.2
    """Least share of a user's likes that is the history, the rest being targets; drawn anew each time."""
    most_history: float = 0.9
    """Largest such share."""
    many: int = 16_384
    """Items scored in a step of "softmax" and "elsa": all of a catalogue up to this size, else so many drawn."""
    hard_negatives: int = 0
    """Negatives a user that are drawn of the ranks 10 to 50, for "infonce", which otherwise meets few hard ones."""
    seed: int = 0
    """Seed of weights and draws."""
    device: str = "auto"
    """Torch device."""

    def __post_init__(self) -> None:
        """Check the values at once."""
        for name, known in (("loss", LOSSES), ("pooling", POOLINGS)):
            if getattr(self, name) not in known:
                raise UsageError(f'unknown {name} "{getattr(self, name)}" (known: {", ".join(known)})')
        for name in ("width", "batch_size", "epochs", "validate_every", "patience", "many"):
            self._refuse(name, "at least 1", getattr(self, name) >= 1)
        for name in ("hidden", "hard_negatives", "seed", "weight_decay", "popularity_weight"):
            self._refuse(name, "at least 0", 0 <= getattr(self, name) < float("inf"))
        for name in ("temperature", "learning_rate"):
            self._refuse(name, "above 0", 0 < getattr(self, name) < float("inf"))
        self._refuse("least_history", "from 0 to most_history", 0 <= self.least_history <= self.most_history)
        self._refuse("most_history", "at most 1", self.most_history <= 1)
        if self.hard_negatives and self.loss != "infonce":
            raise UsageError(f'hard_negatives go with the loss "infonce"; "{self.loss}" scores many items anyway')

    def _refuse(self, name: str, rule: str, holds: bool) -> None:
        if not holds:
            raise UsageError(f"{name} is {getattr(self, name)}; it has to be {rule}")

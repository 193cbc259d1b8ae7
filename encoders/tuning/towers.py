"""The two towers: an item's text vector becomes its tuned one, a history of tuned ones becomes a user's."""

import itertools
from typing import cast

import torch
from torch import Tensor, nn

from encoders.tuning.settings import TuningSettings


class ItemTower(nn.Module):
    """A head on frozen text vectors: linear, or of one hidden layer; it has no parameter of any single item.

    Equation:
        v = norm(W2 gelu(W1 x + b1) + b2), or norm(W1 x + b1) where `hidden` is 0

    Args:
        dim: D, numbers of a text vector.
        settings: width and hidden layer.
        generator: draws the weights.
    """

    def __init__(self, dim: int, settings: TuningSettings, generator: torch.Generator) -> None:
        super().__init__()
        sizes = [dim, *([settings.hidden] if settings.hidden else []), settings.width]
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out, device="meta").to_empty(device="cpu")
            for fan_in, fan_out in itertools.pairwise(sizes)
        )
        with torch.no_grad():
            for layer in self.linears:
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * layer.in_features**-0.5)
                layer.bias.zero_()

    @property
    def linears(self) -> list[nn.Linear]:
        """The layers, first to last."""
        return [cast(nn.Linear, layer) for layer in self.layers]

    def forward(self, vectors_ND: Tensor) -> Tensor:
        """Return the tuned vectors, unit rows (N, E)."""
        *before, last = self.linears
        for layer in before:
            vectors_ND = nn.functional.gelu(layer(vectors_ND))
        return nn.functional.normalize(last(vectors_ND), dim=1)

    def folded(self, centre_D: Tensor, scale: float) -> dict[str, Tensor]:
        """Return the weights of the tower that does to x what this one does to (x - centre) / scale."""
        state = {name: value.detach().clone() for name, value in self.state_dict().items()}
        state["layers.0.weight"] /= scale
        state["layers.0.bias"] -= state["layers.0.weight"] @ centre_D
        return state


class UserTower(nn.Module):
    """Pool what a user liked, add what was disliked with a learnt weight, and what all users share.

    Equation:
        u = norm(pool(likes) + w mean(dislikes) + b); with attention, pool weighs the l-th newest like v by
        softmax_l(q . v - r log(1 + l)), which is the mean as long as q and r are 0.

    Args:
        settings: width and pooling.
    """

    def __init__(self, settings: TuningSettings) -> None:
        super().__init__()
        self.dislike_weight = nn.Parameter(torch.zeros(()))
        self.shared = nn.Parameter(torch.zeros(settings.width))
        self.attends = settings.pooling == "attention"
        if self.attends:
            self.query = nn.Parameter(torch.zeros(settings.width))
            self.recency = nn.Parameter(torch.zeros(()))

    def forward(self, items_NE: Tensor, liked_BL: Tensor, disliked_BK: Tensor) -> Tensor:
        """Return the users' vectors (B, E): unit rows, zero only where nothing is known and nothing is shared.

        Args:
            items_NE: tuned vectors of items.
            liked_BL: rows of ``items_NE``, newest first, -1 where there is no more.
            disliked_BK: in the same form.
        """
        logits_BL = (
            self._logits(items_NE, liked_BL) if self.attends else torch.zeros(liked_BL.shape, device=items_NE.device)
        )
        liked_BE = _pool(items_NE, liked_BL, logits_BL)
        disliked_BE = _pool(items_NE, disliked_BK, torch.zeros(disliked_BK.shape, device=items_NE.device))
        return nn.functional.normalize(liked_BE + self.dislike_weight * disliked_BE + self.shared, dim=1)

    def _logits(self, items_NE: Tensor, liked_BL: Tensor) -> Tensor:
        age_BL = (liked_BL >= 0).cumsum(dim=1).clamp(min=1)
        return (items_NE @ self.query)[liked_BL.clamp(min=0)] - self.recency * age_BL.log()


def _pool(items_NE: Tensor, ids_BL: Tensor, logits_BL: Tensor) -> Tensor:
    """Return the mean of some items weighted by the softmax of logits, (B, E); zero where a row names none."""
    if ids_BL.shape[1] == 0:
        return items_NE.new_zeros((len(ids_BL), items_NE.shape[1]))
    known_BL = ids_BL >= 0
    lowest = torch.finfo(logits_BL.dtype).min
    weights_BL = logits_BL.masked_fill(~known_BL, lowest).softmax(dim=1) * known_BL
    # (No (B, L, E) is ever held.)
    return nn.functional.embedding_bag(ids_BL.clamp(min=0), items_NE, per_sample_weights=weights_BL, mode="sum")

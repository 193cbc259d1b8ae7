"""Features of a user and an item together, for models that are linear in them.

    x(user, item) = [1, user, budget | item, cosine, popularity | piece_1 * item, ..., piece_P * item]

The pieces are the user vector, cut into lengths of D entries (what is left over is in no piece); `*` multiplies entry
by entry. The first piece is the profile. Further ones say something wherever an environment keeps traces of the session
in the space of the items, such as the mean of what was clicked; where it keeps other numbers there, they are features
without a meaning, which cost a little precision and no more.

All but the products are features of the user alone or of the item alone. So for one user x is linear in the item, and
what a model asks about M items is answered without writing x down for each of them.

Shapes: S features of the user, Q of the item, F <= D item features after projection, W = S + Q + P F in all.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from agents.features.similarity import profile_cosines
from envs.interface import Observation, Spec, Tensors, take_candidates

PRODUCTS = 4
"""Products of user and item are at most this many times as wide as the limit."""


class Pairs(NamedTuple):
    """B users, each with M items."""

    user: Tensor
    """(B, S) float64: it is small, and sums over all users are made of it."""
    items: Tensor
    """(B, M, Q) float32; the first F columns are the item features."""
    pieces: Tensor
    """(B, P, F) float64."""

    def rows(self) -> Tensor:
        """Return x of every pair, (B, M, W) float64."""
        items_BMQ = self.items.double()
        user_BMS = self.user.unsqueeze(1).expand(-1, items_BMQ.shape[1], -1)
        products_BMPF = items_BMQ[:, :, None, : self.pieces.shape[2]] * self.pieces.unsqueeze(1)
        return torch.cat([user_BMS, items_BMQ, products_BMPF.flatten(2)], dim=2)

    def inner(self, weights: Tensor) -> Tensor:
        """Return x . w of every pair, (B, M) float32.

        Args:
            weights: w (W,), or (B, W) with one of each user's own; float64.
        """
        own = self.user.shape[1]
        user_B = (self.user * weights[..., :own]).sum(dim=1)
        slope_BQ = self._folded(weights[..., own:])
        return user_B.float().unsqueeze(1) + (self.items @ slope_BQ.float().unsqueeze(2)).squeeze(2)

    def length(self, matrix_WW: Tensor) -> Tensor:
        """Return sqrt(x^T C x) of every pair, (B, M) float32.

        Args:
            matrix_WW: C, symmetric and positive definite; float64.
        """
        # Of the root of a form a length can be taken in single precision; summed up from the form as it stands, large
        # terms would cancel where the model is sure.
        form_TTB = self._forms(matrix_WW)
        form_BTT = form_TTB.flatten(0, 1).T.contiguous().view(-1, *form_TTB.shape[:2])
        root_BTT = torch.linalg.cholesky_ex(form_BTT).L.float()
        lengths_BM: Tensor = torch.linalg.vector_norm(self.items @ root_BTT[:, :-1] + root_BTT[:, -1:], dim=2)
        return lengths_BM

    def _folded(self, weights: Tensor) -> Tensor:
        """Return the coefficients of an item's Q features for each user, (B, Q).

        Args:
            weights: (Q + P F,) or (B, Q + P F), the coefficients of item and products.
        """
        number, sizes = self.items.shape[2], self.pieces.shape[1:]
        products_BF = (weights[..., number:].reshape(*weights.shape[:-1], *sizes) * self.pieces).sum(dim=-2)
        return weights[..., :number] + pad(products_BF, (0, number - sizes[1]))

    def _forms(self, matrix_WW: Tensor) -> Tensor:
        """Return C as each user has it, over an item's Q features and 1, (Q + 1, Q + 1, B)."""
        own, number, (pieces, width) = self.user.shape[1], self.items.shape[2], self.pieces.shape[1:]
        first = own + number
        mixed = matrix_WW[own:first, first:].reshape(number, pieces, width)
        products = matrix_WW[first:, first:].reshape(pieces, width, pieces, width)
        # Users last: each product is then a matrix product for every feature, and nothing large is rearranged.
        pieces_PFB = self.pieces.permute(1, 2, 0).contiguous()
        mixed_FQB = torch.einsum("qpf,pfb->fqb", mixed, pieces_PFB)
        half_GPFB = torch.einsum("pfrg,rgb->gpfb", products, pieces_PFB)
        form_TTB = matrix_WW.new_empty((number + 1, number + 1, len(self.user)))
        form_TTB[:number, :number] = matrix_WW[own:first, own:first, None]
        form_TTB[:width, :number] += mixed_FQB
        form_TTB[:number, :width] += mixed_FQB.transpose(0, 1)
        form_TTB[:width, :width] += half_GPFB.mul_(pieces_PFB).sum(dim=1)
        form_TTB[number, :number] = self._folded(self.user @ matrix_WW[:own, own:]).T
        form_TTB[:number, number] = form_TTB[number, :number]
        form_TTB[number, number] = (self.user @ matrix_WW[:own, :own] * self.user).sum(dim=1)
        return form_TTB


class PairFeatures:
    """Make `Pairs` of observations.

    A user vector or item features wider than a limit are projected onto that many random directions (Johnson and
    Lindenstrauss 1984), which keeps inner products in the mean; pieces and items share theirs. The cosine is exact.

    Args:
        spec: sizes of the environment.
        limit: the widest that user vector and item features may be.
        generator: draws the projections, on the device where they are used.
    """

    def __init__(self, spec: Spec, limit: int, generator: torch.Generator) -> None:
        self.item_width, user_width = spec.shapes["candidates"][-1], spec.shapes["user"][0]
        if self.item_width > user_width:
            raise ValueError(
                f"the user vector has {user_width} entries, the items have {self.item_width} features; "
                "the first entries of the user vector have to be a profile in the space of the items"
            )
        self.has_budget, self.has_popularity = "budget" in spec.shapes, "popularity" in spec.shapes
        self.projections: Tensors = {}
        for name, width in (("user", user_width), ("items", self.item_width)):
            if width > limit:
                drawn = torch.randn((width, limit), generator=generator, device=generator.device, dtype=torch.float64)
                self.projections[name] = drawn / limit**0.5
        narrow = min(self.item_width, limit)
        self.num_pieces = min(user_width // self.item_width, PRODUCTS * limit // narrow)
        own = 1 + min(user_width, limit) + self.has_budget
        self.width = own + narrow + 1 + self.has_popularity + self.num_pieces * narrow

    def __call__(self, observation: Observation, slate_BK: Tensor | None = None) -> Pairs:
        """Return the users with all their candidates, or with a slate's."""
        if slate_BK is not None:
            shown = ("candidates", "popularity") if self.has_popularity else ("candidates",)
            observation = observation | {key: take_candidates(observation[key], slate_BK) for key in shown}
        user_BU, further = observation["user"], [profile_cosines(observation)]
        if self.has_popularity:
            further.append(observation["popularity"])
        pieces_BPD = user_BU[:, : self.num_pieces * self.item_width].reshape(-1, self.num_pieces, self.item_width)
        own = [torch.ones_like(user_BU[:, :1], dtype=torch.float64), self._projected("user", user_BU.double())]
        if self.has_budget:
            own.append(observation["budget"].double())
        return Pairs(
            user=torch.cat(own, dim=1),
            items=torch.cat([self._projected("items", observation["candidates"]), torch.stack(further, dim=2)], dim=2),
            pieces=self._projected("items", pieces_BPD.double()),
        )

    def _projected(self, name: str, values: Tensor) -> Tensor:
        return values @ self.projections[name].to(values.dtype) if name in self.projections else values

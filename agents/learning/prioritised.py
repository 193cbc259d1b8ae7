"""Prioritised replay on the device: rows that surprised are drawn more often, and count less for it."""

import torch
from torch import Tensor

from agents.learning.replay import Replay
from agents.state import check_shapes
from agents.streams import Streams
from envs.interface import Tensors

SMALLEST = 1e-6
"""Added to every error, so that no row is lost for good."""


class PrioritisedReplay(Replay):
    """A replay whose rows are drawn in proportion to a power of their last error.

    Equation:
        P(i) = p_i^alpha / sum_j p_j^alpha with p_i = |error_i| + 1e-6; a row that is new has the highest p of
        any draw so far, and 1 before there was one.
        A draw counts w_i = (N P(i))^-beta, divided by the largest w of the draw.
    Source:
        Schaul et al. 2016, arXiv 1511.05952, the proportional variant and algorithm 1, with one draw from each of
        n equal parts of the mass.
    Deviation:
        No sum tree: the running sums of all rows are made anew for every draw, which is one pass on the device and
        leaves nothing that a restart could change.

    Args:
        capacity: rows kept of a seed.
        alpha: 0 draws uniformly, 1 in proportion to the errors.
        streams: sources of the samples.
    """

    def __init__(self, capacity: int, alpha: float, streams: Streams) -> None:
        super().__init__(capacity, streams)
        self.alpha = alpha
        self._mass_SC = torch.zeros((len(streams), capacity), device=streams.device)
        self._largest_S = torch.zeros(len(streams), device=streams.device)

    def add(self, rows: Tensors) -> None:
        """Append rows (S B, ...) with the highest priority so far."""
        places = self._places(self.streams.each(len(next(iter(rows.values())))))
        self._mass_SC[:, places] = torch.where(self._largest_S > 0, self._largest_S, 1.0).unsqueeze(1)
        super().add(rows)

    def draw(self, number: int, beta: float) -> Tensors:
        """Return rows (S number, ...), ``number`` of each seed.

        Args:
            number: rows of a seed.
            beta: 0 leaves every draw its full weight, 1 makes up for the priorities.

        Returns:
            the rows, with ``weight`` (S number,) float32 in (0, 1] and ``place`` (S number,) int64 for `rank`.
        """
        sums_SC = self._mass_SC[:, : len(self)].double().cumsum(dim=1)
        total_S1 = sums_SC[:, -1:]
        part_N = torch.arange(number, device=self.streams.device)
        uniform_SN = self.streams.uniform(len(self.streams) * number).view(len(self.streams), number)
        points_SN = (part_N + uniform_SN.double()) / number * total_S1
        # Rounding can carry the last point to the very end, where there is no row.
        places_SN = torch.searchsorted(sums_SC, points_SN, right=True).clamp(max=len(self) - 1)
        chance_SN = self._mass_SC.gather(1, places_SN) / total_S1
        weight_SN = (len(self) * chance_SN) ** -beta
        weight_SN = weight_SN / weight_SN.amax(dim=1, keepdim=True)
        return self.take(places_SN) | {"weight": weight_SN.flatten().float(), "place": places_SN.flatten()}

    def rank(self, place_B: Tensor, error_B: Tensor) -> None:
        """Give rows that were drawn the priority of their error.

        Args:
            place_B: (S N,) int64, as `draw` gave them.
            error_B: (S N,) absolute errors before any clipping.
        """
        seeds = len(self.streams)
        mass_SN = ((error_B + SMALLEST) ** self.alpha).view(seeds, -1)
        self._mass_SC.scatter_(1, place_B.view(seeds, -1), mass_SN)
        self._largest_S = torch.maximum(self._largest_S, mass_SN.amax(dim=1))

    def state_dict(self) -> Tensors:
        """Return the rows held, their priorities and the highest so far, and the place of the ring."""
        held = {"mass": self._mass_SC[:, : len(self)].clone(), "largest": self._largest_S.clone()}
        return super().state_dict() | held

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it was saved with another capacity.
        """
        check_shapes(tensors, {"largest": self._largest_S})
        super().load_state_dict(tensors)
        self._mass_SC = torch.zeros_like(self._mass_SC)
        self._mass_SC[:, : len(self)] = tensors["mass"].to(self._mass_SC)
        self._largest_S = tensors["largest"].to(self._largest_S)

"""What a network reads of an observation."""

import math

import torch
from torch import Tensor

from envs.interface import Observation, Spec, Tensors, take_candidates


class Reader:
    """Pick what a network reads of an observation: what is known of the user, and the candidates.

    Args:
        spec: sizes of the environment.
        history: whether the history of the session is read.

    Raises:
        ValueError: it is to be read, but is not observed.
    """

    def __init__(self, spec: Spec, history: bool = False) -> None:
        if history and "history" not in spec.shapes:
            raise ValueError("a history is to be read, but the environment shows none; build it with one")
        self.has_history = history
        self.has_popularity = "popularity" in spec.shapes
        self.has_ids = "candidate_ids" in spec.shapes
        self.has_budget = "budget" in spec.shapes
        optional = ("popularity", "candidate_ids", "budget")
        self.keys = ("user", "candidates", *(key for key in optional if key in spec.shapes))
        self.state_width = spec.shapes["user"][0] + self.has_budget
        self.history_shape = spec.shapes["history"] if history else (0, 0)
        if history:
            self.keys = (*self.keys, "history")
        self.user_width = self.state_width + math.prod(self.history_shape)
        self.item_width = spec.shapes["candidates"][-1] + self.has_popularity

    def row(self, observation: Observation, slate_BK: Tensor | None = None) -> Tensors:
        """Return ``user``, ``features`` and, where observed, ``ids`` of all candidates or of a slate's, (B, ...)."""
        features, ids = self.items(observation, slate_BK)
        row = {"user": self.user(observation), "features": features}
        return row if ids is None else row | {"ids": ids}

    def user(self, observation: Observation) -> Tensor:
        """Return the user, the budget where it is observed, and the history row by row where it is read, (B, U)."""
        parts = [observation["user"]]
        if self.has_budget:
            parts.append(observation["budget"])
        if self.has_history:
            parts.append(observation["history"].flatten(1))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    def items(self, observation: Observation, slate_BK: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return features (B, M or K, width) and ids (B, M or K) of all candidates or of a slate's."""
        features = observation["candidates"]
        popularity = observation["popularity"] if self.has_popularity else None
        ids = observation["candidate_ids"] if self.has_ids else None
        if slate_BK is not None:
            features = take_candidates(features, slate_BK)
            popularity = take_candidates(popularity, slate_BK) if popularity is not None else None
            ids = take_candidates(ids, slate_BK) if ids is not None else None
        if popularity is not None:
            features = torch.cat([features, popularity.unsqueeze(-1)], dim=-1)
        return features, ids

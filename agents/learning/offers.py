"""What was on offer, kept for learning: by row, or once where all users are offered the same."""

import torch

from agents.networks.reader import Reader
from agents.state import above, below, check_alike, to_device
from agents.streams import Streams
from envs.interface import Observation, Tensors, is_shared


def read_offer(reader: Reader, observation: Observation) -> Tensors:
    """Return ``features`` (B, M, F) and, where observed, ``ids`` (B, M); not copied where all rows share them."""
    keys = [key for key in reader.keys if key in ("candidates", "popularity", "candidate_ids")]
    shared = all(is_shared(observation[key]) for key in keys)
    features, ids = reader.items({key: observation[key][:1] for key in keys} if shared else observation)
    offer = {"features": features} if ids is None else {"features": features, "ids": ids}
    if not shared:
        return offer
    return {name: value.expand(len(observation[keys[0]]), *value.shape[1:]) for name, value in offer.items()}


class Offers:
    """Keep the candidates of the steps of a rollout.

    Args:
        streams: as many seeds as rows are shared by.
    """

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self._steps: list[Tensors] = []
        self._shared: list[bool] = []
        self._loaded = False

    def add(self, offer: Tensors) -> None:
        """Append what `read_offer` gave at one step."""
        if self._loaded:
            # What was saved is only now seen beside what this agent keeps.
            last = {name: value[0] for name, value in self._steps[-1].items()}
            check_alike("offer", {name: value[0] for name, value in offer.items()}, last)
        self._loaded = False
        shared = all(is_shared(value) for value in offer.values())
        self._steps.append({name: (value[:1] if shared else value).clone() for name, value in offer.items()})
        self._shared.append(shared)

    def take(self, rows: int) -> tuple[Tensors, Tensors]:
        """Return what was kept and start over.

        Args:
            rows: B.

        Returns:
            columns (T B, ...), the rows of a seed together; and what all rows share at all steps, (1, ...). One of the
            two is empty.
        """
        shared = self._same_at_all_steps() if all(self._shared) else {}
        columns = {} if shared else {name: self.streams.seed_by_seed(value) for name, value in self._wide(rows).items()}
        self._steps, self._shared = [], []
        return columns, shared

    def _same_at_all_steps(self) -> Tensors:
        """Return what all users share, (1, ...), if it did not change from step to step; else nothing."""
        values = {name: torch.cat([step[name] for step in self._steps]) for name in self._steps[0]}
        # One look at the device in a rollout.
        if bool(torch.stack([(value == value[:1]).all() for value in values.values()]).all()):
            return {name: value[:1] for name, value in values.items()}
        return {}

    def _wide(self, rows: int) -> Tensors:
        """Return what was kept with an entry for every user, (T, B, ...)."""
        return {
            name: torch.stack([step[name].expand(rows, *step[name].shape[1:]) for step in self._steps])
            for name in self._steps[0]
        }

    def state_dict(self) -> Tensors:
        """Return what was kept so far: ``rollout.offer`` (T, B, ...), or ``offer`` (S, T, ...) where rows share it."""
        if not self._steps:
            return {}
        if not all(self._shared):
            return above("rollout.offer", self._wide(max(len(step["features"]) for step in self._steps)))
        kept = {name: torch.cat([step[name] for step in self._steps]) for name in self._steps[0]}
        return above("offer", {name: torch.stack([value] * len(self.streams)) for name, value in kept.items()})

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`, which may stand among other tensors."""
        by_row, shared = below("rollout.offer", tensors), below("offer", tensors)
        kept = by_row or {name: value[0].unsqueeze(1) for name, value in shared.items()}
        columns = to_device(kept, self.streams.device)
        self._steps = [dict(zip(columns, step, strict=True)) for step in zip(*columns.values(), strict=True)]
        self._shared = [not by_row] * len(self._steps)
        self._loaded = bool(self._steps)

"""Add up what happens in training, on the device, and give one row of numbers now and then."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from envs.interface import Metric, Tensors, Transition
from experiments.tracking.metrics import tag

RETURN, LENGTH, SESSIONS = "rollout/ep_rew_mean", "rollout/ep_len_mean", "rollout/sessions"
CTR, REWARD = "rec/ctr", "rec/reward"
METRICS = (
    Metric(RETURN, "reward", "higher", "mean return of the training sessions that ended since the last row"),
    Metric(LENGTH, "slates", "higher", "mean length of the training sessions that ended since the last row"),
    Metric(SESSIONS, "sessions", "neither", "training sessions that ended since the last row"),
    Metric(CTR, "clicks / slate", "higher", "clicks per slate shown in training, exploration included"),
    Metric(REWARD, "reward / slate", "higher", "reward per slate shown in training, exploration included"),
)
"""What a monitor measures in every environment, with every agent."""


class Monitor:
    """Sums since the last row, and the running return of every user's session.

    Args:
        num_users: users of one seed.
        device: where the sums are kept; nothing is copied from it between two rows.
        seeds: S, whose users stand one seed after the other; each has rows of its own.
    """

    def __init__(self, num_users: int, device: torch.device, seeds: int = 1) -> None:
        self.num_users, self.seeds = num_users, seeds
        self.return_B = torch.zeros(seeds * num_users, device=device)
        self.length_B = torch.zeros(seeds * num_users, device=device)
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, transition: Transition, measured: Mapping[str, Tensor], learnt: Mapping[str, Tensor]) -> None:
        """Add one step of all users.

        Args:
            transition: what happened.
            measured: metrics of the environment, each one number a user, (S B,).
            learnt: metrics of the agent, each one number or one a seed.
        """
        reward_B, last_B = transition.reward, transition.last
        self.return_B = self.return_B + reward_B
        self.length_B = self.length_B + 1
        ended_B = last_B.float()
        for name, value_B in (
            (RETURN, self.return_B * ended_B),
            (LENGTH, self.length_B * ended_B),
            (SESSIONS, ended_B),
        ):
            self._add(name, value_B.view(self.seeds, -1).sum(dim=1))
        clicks_B = transition.response[:, :, 0].sum(dim=1)
        for name, value_B in {CTR: clicks_B, REWARD: reward_B, **measured}.items():
            self._add(tag(name), value_B.detach().float().view(self.seeds, -1).mean(dim=1))
        for name, value in learnt.items():
            self._add(tag(name), value.detach().float().expand(self.seeds))
        self.return_B = self.return_B.masked_fill(last_B, 0.0)
        self.length_B = self.length_B.masked_fill(last_B, 0.0)

    def row(self) -> dict[str, float]:
        """Return the means since the last row and begin anew; what was not measured is left out."""
        return self.rows()[0]

    def rows(self) -> list[dict[str, float]]:
        """Return the `row` of every seed and begin anew."""
        if not self.sums:
            return [{} for _ in range(self.seeds)]
        sums_S = torch.stack(list(self.sums.values()), dim=1).tolist()
        rows = [self._means(dict(zip(self.sums, sums, strict=True))) for sums in sums_S]
        self.sums, self.counts = {}, {}
        return rows

    def _means(self, totals: dict[str, float]) -> dict[str, float]:
        sessions = totals.get(SESSIONS, 0.0)
        row = {name: total / self.counts[name] for name, total in totals.items()}
        for name in (RETURN, LENGTH):
            row.pop(name, None)
            if sessions:
                row[name] = totals[name] / sessions
        row[SESSIONS] = sessions
        return row

    def seed_state(self, index: int) -> Tensors:
        """Return the `state_dict` that a monitor of one of the seeds would have."""
        rows = slice(index * self.num_users, (index + 1) * self.num_users)
        sums = {f"sum.{name}": value[index : index + 1] for name, value in self.sums.items()}
        return {**self.state_dict(), "return": self.return_B[rows], "length": self.length_B[rows], **sums}

    def state_dict(self) -> Tensors:
        """Return the sums as flat named tensors."""
        sums = {f"sum.{name}": value for name, value in self.sums.items()}
        counts = {f"count.{name}": torch.tensor(value) for name, value in self.counts.items()}
        return {"return": self.return_B, "length": self.length_B, **sums, **counts}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`."""
        device = self.return_B.device
        self.return_B, self.length_B = tensors["return"].to(device), tensors["length"].to(device)
        self.sums = {name: tensors[f"sum.{name}"].to(device) for name in _names(tensors, "sum.")}
        self.counts = {name: int(tensors[f"count.{name}"]) for name in _names(tensors, "count.")}

    def _add(self, name: str, value: Tensor) -> None:
        self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.counts[name] = self.counts.get(name, 0) + 1


def _names(tensors: Tensors, prefix: str) -> Sequence[str]:
    return [name.removeprefix(prefix) for name in tensors if name.startswith(prefix)]

"""Add up what happens in training, on the device, and give one row of numbers now and then."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from envs.interface import Tensors
from experiments.metrics import tag

RETURN, LENGTH, SESSIONS = "rollout/ep_rew_mean", "rollout/ep_len_mean", "rollout/sessions"
CTR, REWARD = "rec/ctr", "rec/reward"


class Monitor:
    """Sums since the last row, and the running return of every user's session.

    Args:
        num_users: B.
        device: where the sums are kept; nothing is copied from it between two rows.
    """

    def __init__(self, num_users: int, device: torch.device) -> None:
        self.return_B = torch.zeros(num_users, device=device)
        self.length_B = torch.zeros(num_users, device=device)
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def record(self, response_BKR: Tensor, reward_B: Tensor, last_B: Tensor) -> None:
        """Count one step of all users.

        Args:
            response_BKR: (B, K, R); column 0 is the click.
            reward_B: (B,).
            last_B: (B,) bool, sessions that ended.
        """
        self.return_B = self.return_B + reward_B
        self.length_B = self.length_B + 1
        ended_B = last_B.float()
        self._add(RETURN, (self.return_B * ended_B).sum())
        self._add(LENGTH, (self.length_B * ended_B).sum())
        self._add(SESSIONS, ended_B.sum())
        self._add(CTR, response_BKR[:, :, 0].sum(dim=1).mean())
        self._add(REWARD, reward_B.mean())
        self.return_B = self.return_B.masked_fill(last_B, 0.0)
        self.length_B = self.length_B.masked_fill(last_B, 0.0)

    def record_means(self, values: Mapping[str, Tensor]) -> None:
        """Count metrics, each a scalar or one number a user."""
        for name, value in values.items():
            self._add(tag(name), value.detach().float().mean())

    def row(self) -> dict[str, float]:
        """Return the means since the last row and begin anew; what was not measured is left out."""
        if not self.sums:
            return {}
        sums = torch.stack(list(self.sums.values())).tolist()
        totals = dict(zip(self.sums, sums, strict=True))
        sessions = totals.get(SESSIONS, 0.0)
        row = {name: total / self.counts[name] for name, total in totals.items()}
        for name in (RETURN, LENGTH):
            row.pop(name, None)
            if sessions:
                row[name] = totals[name] / sessions
        row[SESSIONS] = sessions
        self.sums, self.counts = {}, {}
        return row

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

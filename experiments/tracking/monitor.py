"""Add up what happens in training, on the device, and give one row of numbers now and then."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from agents.state import check_alike
from envs.interface import Metric, Tensors, Transition
from experiments.tracking.metrics import tag

RETURN, LENGTH, SESSIONS = "rollout/ep_rew_mean", "rollout/ep_len_mean", "rollout/sessions"
OF_SESSIONS = (RETURN, LENGTH, SESSIONS)
CTR, REWARD = "rec/ctr", "rec/reward"
METRICS = (
    Metric(RETURN, "reward", "higher", "mean return of the training sessions that are counted, see `rollout/sessions`"),
    Metric(LENGTH, "slates", "higher", "mean length of the training sessions that are counted"),
    Metric(
        SESSIONS,
        "sessions",
        "neither",
        "training sessions that are counted: first those that every user began with, once all of them have ended; then "
        "those that ended since, as soon as they are as many as there are users",
    ),
    Metric(CTR, "clicks / slate", "higher", "clicks per slate shown in training, exploration included"),
    Metric(REWARD, "reward / slate", "higher", "reward per slate shown in training, exploration included"),
)
"""What a monitor measures in every environment, with every agent."""


class Monitor:
    """Sums since the last row, and the running return of every user's session.

    All users begin at once, so the sessions that end first are the short ones: their mean would rise though nothing is
    learnt. So until every user's first session has ended no other is counted, and means are given of at least as many
    sessions as there are users, which is a whole generation where sessions end in step.

    Args:
        num_users: users of one seed.
        device: where the sums are kept; nothing is copied from it between two rows.
        seeds: S, whose users stand one seed after the other; each has rows of its own.
    """

    def __init__(self, num_users: int, device: torch.device, seeds: int = 1) -> None:
        self.num_users, self.seeds = num_users, seeds
        self.return_B = torch.zeros(seeds * num_users, device=device)
        self.length_B = torch.zeros(seeds * num_users, device=device)
        self.first_B = torch.ones(seeds * num_users, dtype=torch.bool, device=device)
        """Whether a user's first session goes on."""
        self.ended = {name: torch.zeros(seeds, device=device) for name in OF_SESSIONS}
        """Sums over the sessions that are counted, (S,)."""
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
        self._count(last_B)
        clicks_B = transition.response[:, :, 0].sum(dim=1)
        for name, value_B in {CTR: clicks_B, REWARD: reward_B, **measured}.items():
            self._add(tag(name), value_B.detach().float().view(self.seeds, -1).mean(dim=1))
        for name, value in learnt.items():
            self._add(tag(name), value.detach().float().expand(self.seeds))
        self.return_B = self.return_B.masked_fill(last_B, 0.0)
        self.length_B = self.length_B.masked_fill(last_B, 0.0)

    def _count(self, last_B: Tensor) -> None:
        """Add the sessions that ended to those that are counted."""
        first_SB = self.first_B.view(self.seeds, -1)
        counted_B = (last_B.view(self.seeds, -1) & (first_SB | ~first_SB.any(dim=1, keepdim=True))).view(-1).float()
        for name, value_B in ((RETURN, self.return_B), (LENGTH, self.length_B), (SESSIONS, counted_B)):
            self.ended[name] = self.ended[name] + (value_B * counted_B).view(self.seeds, -1).sum(dim=1)
        self.first_B = self.first_B & ~last_B

    def row(self) -> dict[str, float]:
        """Return the means since the last row and begin anew; what was not measured is left out."""
        return self.rows()[0]

    def rows(self) -> list[dict[str, float]]:
        """Return the `row` of every seed and begin anew."""
        names = [*OF_SESSIONS, *self.sums]
        sums_S = torch.stack([*self.ended.values(), *self.sums.values()], dim=1).tolist()
        rows = [self._means(dict(zip(names, sums, strict=True))) for sums in sums_S]
        given_S = torch.tensor([SESSIONS in row for row in rows], device=self.return_B.device)
        self.ended = {name: total_S.masked_fill(given_S, 0.0) for name, total_S in self.ended.items()}
        self.sums, self.counts = {}, {}
        return rows

    def _means(self, totals: dict[str, float]) -> dict[str, float]:
        row = {name: totals[name] / count for name, count in self.counts.items()}
        sessions = totals[SESSIONS]
        if sessions < self.num_users:
            return row
        return {RETURN: totals[RETURN] / sessions, LENGTH: totals[LENGTH] / sessions, SESSIONS: sessions, **row}

    def seed_state(self, index: int) -> Tensors:
        """Return the `state_dict` that a monitor of one of the seeds would have."""
        rows = slice(index * self.num_users, (index + 1) * self.num_users)
        users = {"return": self.return_B[rows], "length": self.length_B[rows], "first": self.first_B[rows]}
        sums = {f"sum.{name}": value[index : index + 1] for name, value in (self.ended | self.sums).items()}
        return {**self.state_dict(), **users, **sums}

    def state_dict(self) -> Tensors:
        """Return the sums as flat named tensors."""
        sums = {f"sum.{name}": value for name, value in (self.ended | self.sums).items()}
        counts = {f"count.{name}": torch.tensor(value) for name, value in self.counts.items()}
        return {"return": self.return_B, "length": self.length_B, "first": self.first_B, **sums, **counts}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`; in one of an earlier version the first sessions count as ended.

        Raises:
            DoesNotFit: it is of another number of users, or an entry is missing, not known or of another type.
        """
        self._check(tensors)
        device = self.return_B.device
        self.return_B, self.length_B = tensors["return"].to(device), tensors["length"].to(device)
        self.first_B = tensors.get("first", torch.zeros_like(self.first_B)).to(device)
        sums = {name: tensors[f"sum.{name}"].to(device) for name in _names(tensors, "sum.")}
        self.ended = {name: sums.pop(name, torch.zeros_like(value)) for name, value in self.ended.items()}
        self.sums = sums
        self.counts = {name: int(tensors[f"count.{name}"]) for name in _names(tensors, "count.") if name in sums}

    def _check(self, tensors: Tensors) -> None:
        expected = {"return": self.return_B, "length": self.length_B}
        if "first" in tensors:
            expected["first"] = self.first_B
        counted = set(_names(tensors, "count."))
        measured = counted | set(_names(tensors, "sum."))
        expected |= {f"sum.{name}": torch.zeros(self.seeds) for name in measured}
        # Sums over sessions have no count; in earlier versions they had one.
        expected |= {f"count.{name}": torch.tensor(0) for name in measured - set(OF_SESSIONS) | counted}
        check_alike("monitor", expected, tensors)

    def _add(self, name: str, value: Tensor) -> None:
        self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.counts[name] = self.counts.get(name, 0) + 1


def _names(tensors: Tensors, prefix: str) -> Sequence[str]:
    return [name.removeprefix(prefix) for name in tensors if name.startswith(prefix)]

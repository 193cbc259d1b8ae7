"""Full-slate DQN: a value for every slate that can be made of the candidates, learnt as a whole."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from agents.learning.learner import Learner
from agents.learning.slate_value import SlateValueAgent, SlateValueSettings
from agents.networks.known_user import KnownUser
from agents.networks.layers import Embedding, LayerNorm, Linear
from agents.networks.reader import Reader
from agents.settings import check_at_least
from agents.streams import Streams
from envs.interface import Observation, Spec, Tensors

PART = 2**22
"""Numbers in a hidden layer over slates that are worked out at once: a part that stays in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class FullSlateSettings(SlateValueSettings):
    """Settings of full-slate DQN."""

    network: str = "action_in"
    """Only ``action_in``: user and slate go into one network."""
    ordered: bool = False
    """Whether the slots of a slate differ: M! / (M - K)! slates instead of the M over K sets."""
    max_slates: int = 1000
    """More slates than this are refused."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        if self.network != "action_in":
            raise ValueError(f"network is {self.network}; it has to be action_in, since slates are valued as a whole")
        check_at_least(self, 1, "max_slates")


def all_slates(num_candidates: int, slate_size: int, ordered: bool) -> Tensor:
    """Return every slate of K of M positions, (A, K) int64: as sets, in rising order, or as sequences."""
    make = itertools.permutations if ordered else itertools.combinations
    return torch.tensor(list(make(range(num_candidates), slate_size)))


def incidence(table_AK: Tensor, num_candidates: int, ordered: bool) -> Tensor:
    """Return which candidate stands in which slate, as a matrix that sums over a slate.

    Returns:
        (A, M) with 1 / sqrt(K) for the items of a slate; ordered: (A, M K), at m K + k for item m in slot k.
    """
    slate_size = table_AK.shape[1]
    places_AK, width = table_AK, num_candidates
    if ordered:
        places_AK = table_AK * slate_size + torch.arange(slate_size, device=table_AK.device)
        width = num_candidates * slate_size
    zeros_AX = torch.zeros((len(table_AK), width), device=table_AK.device)
    return zeros_AX.scatter(1, places_AK, slate_size**-0.5)


class SlateNetwork(nn.Module):
    """Score whole slates.

    Equation:
        Q(s, A) = w . relu(norm(f(user) + 1/sqrt(K) sum_k V_k g(item_k))) + b, with f and g one hidden layer each;
        V_k is the same for all k unless slots differ. All but w and b is worked out once for each item.

    Args:
        users: what is known of users, U numbers.
        item_width: features of an item.
        num_items: size of the id table, 0 for none.
        slots: K where they differ, else 1.
        hidden: width of every layer.
        embedding: width of the id embedding.
        streams: source of the first weights; the rows of a seed meet its own.
    """

    def __init__(
        self,
        *,
        users: KnownUser,
        item_width: int,
        num_items: int,
        slots: int,
        hidden: int,
        embedding: int,
        streams: Streams,
    ) -> None:
        super().__init__()
        self.users, self.slots, self.hidden = users, slots, hidden
        self.user_hidden, self.user_out = Linear(users.width, hidden, streams), Linear(hidden, hidden, streams)
        self.item_hidden = Linear(item_width + (embedding if num_items else 0), hidden, streams)
        self.item_out = Linear(hidden, slots * hidden, streams)
        self.user_norm, self.item_norm, self.norm = (LayerNorm(hidden, streams) for _ in range(3))
        self.out = Linear(hidden, 1, streams, gain=0.0)
        self.embedding = Embedding(num_items, embedding, streams, std=0.1) if num_items else None

    def forward(self, row: Tensors, incidence_AX: Tensor) -> Tensor:
        """Return the value (B, A) of slates made of a row's items: ``user``, ``features`` and ``ids`` where read."""
        known_BU = self.users(row["user"])
        user_B1H = self.user_out(torch.relu(self.user_norm(self.user_hidden(known_BU)))).unsqueeze(1)
        features_BMF = row["features"]
        if self.embedding is not None:
            features_BMF = torch.cat([features_BMF, self.embedding(row["ids"])], dim=-1)
        item_BMX = self.item_out(torch.relu(self.item_norm(self.item_hidden(features_BMF))))
        item_BXH = item_BMX.reshape(len(item_BMX), -1, self.hidden)
        part = max(1, PART // (len(item_BXH) * self.hidden))
        values = [
            self.out(torch.relu(self.norm(user_B1H + torch.matmul(slates_PX, item_BXH)))).squeeze(2)
            for slates_PX in torch.split(incidence_AX, part)
        ]
        return torch.cat(values, dim=1)


class WholeSlates:
    """Value slates as a whole: the best is the best of all there are.

    Args:
        spec: sizes of the environment.
        reader: what of an observation the network reads.
        ordered: whether the slots of a slate differ.
        device: where the slates are to be.
    """

    def __init__(self, spec: Spec, reader: Reader, ordered: bool, device: torch.device) -> None:
        self.reader = reader
        self.columns = ("user", "features", *(("ids",) if reader.has_ids else ()))
        self.table_AK = all_slates(spec.num_candidates, spec.slate_size, ordered).to(device)
        self._all_AX = incidence(self.table_AK, spec.num_candidates, ordered)
        itself_1K = torch.arange(spec.slate_size, device=device).unsqueeze(0)
        self._itself_1X = incidence(itself_1K, spec.slate_size, ordered)

    def row(self, observation: Observation, slate_BK: Tensor | None = None) -> Tensors:
        """Return user and items of a slate, or of all candidates, (B, ...)."""
        return self.reader.row(observation, slate_BK)

    def value(self, network: nn.Module, row: Tensors) -> Tensor:
        """Return Q(s, A) of the slate in a row, (B,)."""
        value_B1: Tensor = network(row, self._itself_1X)
        return value_B1.squeeze(1)

    @torch.no_grad()
    def best(self, network: nn.Module, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the best of all slates (B, K), and its value (B,)."""
        value_B, index_B = network(self.row(observation), self._all_AX).max(dim=1)
        return self.table_AK[index_B], value_B


class FullSlate(SlateValueAgent):
    """Learn the value of a slate as one action, and show the best of all slates.

    Equation:
        Q(s, A) as in `SlateNetwork`, moved under Huber loss towards the lambda-return, or with replay towards the
        n-step return, with V(s) = Q_target(s, argmax_A Q_online(s, A)) over every slate of the candidates on offer.
    Source:
        The baseline of Ie et al. 2019, arXiv 1905.12767, section 6, and of Sunehag et al. 2015, arXiv 1512.01124; sets
        as sums of what is learnt of their items: Zaheer et al. 2017, arXiv 1703.06114.
    Deviation:
        There, an action is an output; candidates change here, so a slate goes in and its value comes out.

    Raises:
        ValueError: there are more slates than ``max_slates``.
    """

    Settings: ClassVar[type[FullSlateSettings]] = FullSlateSettings

    def __init__(
        self,
        spec: Spec,
        settings: FullSlateSettings,
        *,
        device: torch.device,
        seed: int | Sequence[int],
        num_users: int,
        num_steps: int,
    ) -> None:
        count = (math.perm if settings.ordered else math.comb)(spec.num_candidates, spec.slate_size)
        if count > settings.max_slates:
            kind = "sequences" if settings.ordered else "sets"
            raise ValueError(
                f"there are {count:,} {kind} of {spec.slate_size} out of {spec.num_candidates} candidates, more than "
                f"max_slates, {settings.max_slates:,}; offer fewer candidates, or use dqn"
            )
        streams = Streams(seed, device)
        learner = Learner(spec, settings, num_heads=1, num_state_heads=1, num_steps=num_steps, streams=streams)
        reader = learner.reader
        network = SlateNetwork(
            users=KnownUser(reader, history=settings.history, hidden=settings.hidden, streams=streams),
            item_width=reader.item_width,
            num_items=spec.num_items if reader.has_ids else 0,
            slots=spec.slate_size if settings.ordered else 1,
            hidden=settings.hidden,
            embedding=settings.embedding,
            streams=streams,
        )
        learner.use(network)
        super().__init__(spec, settings, learner, WholeSlates(spec, reader, settings.ordered, device), num_users)

"""Trackers: what a network reads of a session, made of its history; `TRACKERS` names them.

tracker(history (B, L + 1, F)) -> (B, width). Row 0 of a history holds the totals, rows 1 to L the last events, newest
first; the first column of an event is 1, and 0 where there was none. With weights for S seeds, rows are (S B, ...).
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from agents.networks.layers import Embedding, LayerNorm, Linear
from agents.streams import Streams

SCALE = 100.0
"""Totals of this size count 1."""


def squash(values: Tensor) -> Tensor:
    """Return sign(x) log(1 + |x|): small numbers as they are, large ones so that they do not drown the rest."""
    return values.sign() * values.abs().log1p()


class Totals(nn.Module):
    """The totals of the session, each in three forms; nothing is learnt.

    Equation:
        [x / 100, sign(x) log(1 + |x|) / log(101), x / max(1, number of events)]

    A network whose first layer is normalised sees how large inputs are beside each other, so all three are around 1. In
    the first, what adds up stays linear: the time that is left, where it follows from time spent and clicks, is one
    weight a total. The second tells early steps apart, and the third is the session's mean.

    Args:
        length: L; any.
        width: F.
        hidden: not used.
        streams: not used.
    """

    def __init__(self, length: int, width: int, hidden: int, streams: Streams) -> None:
        super().__init__()
        self.width = 3 * width

    def forward(self, history_BLF: Tensor) -> Tensor:
        """Return (B, 3 F)."""
        totals_BF = history_BLF[:, 0]
        mean_BF = totals_BF / totals_BF[:, :1].clamp(min=1)
        return torch.cat([totals_BF / SCALE, squash(totals_BF) / math.log1p(SCALE), mean_BF], dim=1)


class Recurrent(nn.Module):
    """A gated recurrent unit over the last L events, oldest first, beside the totals.

    Equation:
        r, z = sigmoid(W x + U h + b); n = tanh(W_n x + b_n + r (U_n h + c_n)); h <- (1 - z) n + z h, from h = 0.
    Source:
        Cho et al. 2014, arXiv 1406.1078.
    Deviation:
        What comes in is squashed. Where there was no event, h stays.

    Args:
        length: L, at least 1.
        width: F.
        hidden: width of h.
        streams: source of the first weights, one set for each of S seeds.
    """

    def __init__(self, length: int, width: int, hidden: int, streams: Streams) -> None:
        super().__init__()
        check_length(length)
        self.totals = Totals(length, width, hidden, streams)
        self.width, self.hidden = self.totals.width + hidden, hidden
        self.event_in = Linear(width, 3 * hidden, streams)
        self.state_in = Linear(hidden, 3 * hidden, streams)

    def forward(self, history_BLF: Tensor) -> Tensor:
        """Return the totals and h after the newest event, (B, 3 F + hidden)."""
        events_BLF = history_BLF[:, 1:]
        came_in_BLX = self.event_in(squash(events_BLF))
        state_BH = came_in_BLX.new_zeros(len(history_BLF), self.hidden)
        for age in reversed(range(events_BLF.shape[1])):
            following_BH = self._step(came_in_BLX[:, age], state_BH)
            state_BH = torch.where(events_BLF[:, age, :1] > 0, following_BH, state_BH)
        return torch.cat([self.totals(history_BLF), state_BH], dim=1)

    def _step(self, came_in_BX: Tensor, state_BH: Tensor) -> Tensor:
        """Return h after one event, given W x + b of all three."""
        gates_B2H, new_BH = came_in_BX.tensor_split((2 * self.hidden,), dim=1)
        kept_B2H, kept_BH = self.state_in(state_BH).tensor_split((2 * self.hidden,), dim=1)
        reset_BH, keep_BH = torch.sigmoid(gates_B2H + kept_B2H).chunk(2, dim=1)
        return torch.lerp(torch.tanh(new_BH + reset_BH * kept_BH), state_BH, keep_BH)


class Attention(nn.Module):
    """One block of self-attention over the last L events, read off at the newest, beside the totals.

    Equation:
        e_t = W x_t + p_t, with p_t learnt for each age t, and n_t = LayerNorm(e_t); a = softmax over all events of
        (Q n_0) . n_t / sqrt(hidden); h = e_0 + V sum_t a_t n_t; h <- h + MLP(LayerNorm(h)).
    Source:
        Kang and McAuley 2018, arXiv 1808.09781. No event looks ahead there, so that the newest one's row is all that
        has to be computed; with one head of full width, the matrices of query and key make one, as do those of value
        and output, so that neither has to be applied to every event.
    Deviation:
        Normalisation comes before each part, as in Xiong et al. 2020, arXiv 2002.04745; one more slot, of score and
        value 0, may be looked at, so that there is something to look at before the first event; what comes in is
        squashed.

    Args:
        length: L, at least 1.
        width: F.
        hidden: width of the block.
        streams: source of the first weights, one set for each of S seeds.
    """

    def __init__(self, length: int, width: int, hidden: int, streams: Streams) -> None:
        super().__init__()
        check_length(length)
        self.totals = Totals(length, width, hidden, streams)
        self.width, self.hidden = self.totals.width + hidden, hidden
        self.event_in = Linear(width, hidden, streams)
        self.ages = Embedding(length, hidden, streams, std=0.5)
        self.query, self.value = Linear(hidden, hidden, streams), Linear(hidden, hidden, streams)
        self.wide, self.narrow = Linear(hidden, hidden, streams), Linear(hidden, hidden, streams)
        self.norm_1, self.norm_2 = LayerNorm(hidden, streams), LayerNorm(hidden, streams)

    def forward(self, history_BLF: Tensor) -> Tensor:
        """Return the totals and what the newest event makes of all, (B, 3 F + hidden)."""
        events_BLF = history_BLF[:, 1:]
        came_in_SBLH = self.event_in(squash(events_BLF)).unflatten(0, (len(self.ages.weight), -1))
        events_BLH = (came_in_SBLH + self.ages.weight.unsqueeze(1)).flatten(0, 1)
        absent_BL = events_BLF[..., 0] == 0
        normal_BLH = self.norm_1(events_BLH)
        query_BH1 = self.query(normal_BLH[:, 0]).unsqueeze(2) / self.hidden**0.5
        scores_BL = torch.bmm(normal_BLH, query_BH1).squeeze(2).masked_fill(absent_BL, -torch.inf)
        looks_BL = torch.cat([torch.zeros_like(scores_BL[:, :1]), scores_BL], dim=1).softmax(dim=1)[:, 1:]
        seen_BH = torch.bmm(looks_BL.unsqueeze(1), normal_BLH).squeeze(1)
        state_BH = events_BLH[:, 0].masked_fill(absent_BL[:, :1], 0.0) + self.value(seen_BH)
        state_BH = state_BH + self.narrow(torch.relu(self.wide(self.norm_2(state_BH))))
        return torch.cat([self.totals(history_BLF), state_BH], dim=1)


def check_length(length: int) -> None:
    """Refuse a history without events, where events are read."""
    if length < 1:
        raise ValueError(f"history_length is {length}; it is at least 1 where single events are read")


TRACKERS: Mapping[str, type[Totals] | type[Recurrent] | type[Attention]] = {
    "totals": Totals,
    "gru": Recurrent,
    "attention": Attention,
}
"""Name to tracker: nothing to learn; what happened when; which of the last events matter now."""

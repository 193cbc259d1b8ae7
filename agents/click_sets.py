"""What a user does where several slots can be clicked: the chance of each click, and values of sets of clicks."""

import torch
from torch import Tensor, nn

from agents.dqn_users import KnownUser
from agents.layers import Embedding, LayerNorm, Linear
from agents.learner import LearnerSettings
from agents.networks import Inputs
from agents.streams import Streams
from envs.interface import is_shared


def click_logits(attraction: Tensor, examination: Tensor) -> Tensor:
    """Return the log odds of clicks under the position-based model.

    Equation:
        logit p with p = sigmoid(a) sigmoid(e); so -log(e^-a + e^-e + e^(-a-e)).
    Source:
        Richardson et al. 2007; Craswell et al. 2008.

    Args:
        attraction: a of items.
        examination: e of the slots they stand in, of a shape that goes with it.
    """
    neither = -attraction - examination
    return -torch.logaddexp(torch.logaddexp(-attraction, -examination), neither)


class SetValue(nn.Module):
    """The value of a state in which a user has just clicked a set of items.

    Equation:
        F(s, C) = MLP([user, sum_{i in C} m(i), |C|]), with m(i) = MLP([item, embedding of the id]) a learnt mark

    Sums are what a set is known by (Zaheer et al. 2017, arXiv 1703.06114). Two hidden layers with LayerNorm and ReLU
    over the sum, one for a mark; the last layer starts at zero, so every value does.

    Args:
        inputs: what of an observation is read.
        settings: of the learner; ``history``, ``hidden`` and ``embedding`` are used.
        num_items: size of the id table, 0 for none.
        marks: width of a mark.
        streams: source of the first weights, one set for each of S seeds; the rows of a seed meet its own.
    """

    def __init__(
        self, inputs: Inputs, settings: LearnerSettings, *, num_items: int, marks: int, streams: Streams
    ) -> None:
        super().__init__()
        hidden, embedding = settings.hidden, settings.embedding
        self.known = KnownUser(inputs, settings, streams)
        self.user_hidden = Linear(self.known.width, hidden, streams)
        self.set_hidden = Linear(marks + 1, hidden, streams)
        self.hidden_2 = Linear(hidden, hidden, streams)
        self.norm_1, self.norm_2, self.item_norm = (LayerNorm(hidden, streams) for _ in range(3))
        self.out = Linear(hidden, 1, streams, gain=0.0)
        self.embedding = Embedding(num_items, embedding, streams, std=0.1) if num_items else None
        self.item_hidden = Linear(inputs.item_width + (embedding if num_items else 0), hidden, streams)
        self.item_out = Linear(hidden, marks, streams)

    def marks(self, features: Tensor, ids: Tensor | None) -> Tensor:
        """Return the mark of each item and a one that counts it, (..., marks + 1)."""
        if self.embedding is not None and ids is not None:
            features = torch.cat([features, self.embedding(ids)], dim=-1)
        mark = self.item_out(torch.relu(self.item_norm(self.item_hidden(features))))
        return torch.cat([mark, torch.ones_like(mark[..., :1])], dim=-1)

    def user(self, user_BU: Tensor) -> Tensor:
        """Return what `forward` reads of the user, (B, hidden); the same for every set."""
        hidden: Tensor = self.user_hidden(self.known(user_BU))
        return hidden

    def forward(self, user_BH: Tensor, set_BX: Tensor) -> Tensor:
        """Return F (B,) of sets that are given as the sums of their marks, (B, marks + 1)."""
        hidden = torch.relu(self.norm_1(user_BH + self.set_hidden(set_BX)))
        value_B1: Tensor = self.out(torch.relu(self.norm_2(self.hidden_2(hidden))))
        return value_B1.squeeze(1)

    def slope(self, user_BH: Tensor, set_BX: Tensor) -> Tensor:
        """Return dF / dset, (B, marks + 1)."""
        with torch.enable_grad():
            set_BX = set_BX.detach().requires_grad_()
            slope_BX: Tensor = torch.autograd.grad(self(user_BH.detach(), set_BX).sum(), set_BX)[0]
        return slope_BX


class ClickSets(nn.Module):
    """A choice network and the value of sets of clicks, and the slates that the two together ask for.

    Args:
        choice: a network of `agents.networks` with one head, the attraction of a candidate, and K state heads, the
            examination of each slot.
        value: of sets.
    """

    def __init__(self, choice: nn.Module, value: SetValue) -> None:
        super().__init__()
        self.choice, self.value = choice, value

    def forward(
        self, user_BU: Tensor, features_BKF: Tensor, ids_BK: Tensor | None, clicks_BK: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the log odds of a click on each slot (B, K), and the value of what was clicked (B,)."""
        attraction_B1K, examination_BK = self.choice(user_BU, features_BKF, ids_BK)
        set_BX = (clicks_BK.unsqueeze(2) * self.value.marks(features_BKF, ids_BK)).sum(dim=1)
        return click_logits(attraction_B1K[:, 0], examination_BK), self.value(self.value.user(user_BU), set_BX)

    @torch.no_grad()
    def plan(
        self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor | None, seeds: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Fill the slots, the most examined first, each with what raises the value of the expected clicks most.

        Equation:
            i_k = argmax over i of sigmoid(a_i) m(i) . dF(s, x) / dx,
            at x = sum_{j < k} sigmoid(e_j) sigmoid(a_{i_j}) m(i_j)

        Args:
            user_BU: (B, U).
            features_BMF: (B, M, F).
            ids_BM: (B, M) or None.
            seeds: S, where rows are those of several seeds.

        Returns:
            slates (B, K) without repeats, and F of the clicks that are expected of them (B,).
        """
        attraction_B1M, examination_BK = self.choice(user_BU, features_BMF, ids_BM)
        attracted_BM, examined_BK = attraction_B1M[:, 0].sigmoid(), examination_BK.sigmoid()
        if is_shared(features_BMF) and (ids_BM is None or is_shared(ids_BM)):
            # All rows are offered the same: each seed reads it once.
            features_BMF = features_BMF[:1].expand(seeds, -1, -1)
            ids_BM = None if ids_BM is None else ids_BM[:1].expand(seeds, -1).contiguous()
        marks_GMX = self.value.marks(features_BMF, ids_BM)
        marks_RX, groups = marks_GMX.flatten(0, 1), len(marks_GMX)
        starts_B1 = marks_GMX.shape[1] * torch.arange(groups, device=user_BU.device)
        starts_B1 = starts_B1.repeat_interleave(len(user_BU) // groups).unsqueeze(1)
        user_BH = self.value.user(user_BU)
        set_BX = torch.zeros_like(marks_RX[:1]).repeat(len(user_BU), 1)
        examined_BK, order_BK = examined_BK.sort(dim=1, descending=True, stable=True)
        slots = []
        for examined_B in examined_BK.T:
            slope_GNX = self.value.slope(user_BH, set_BX).view(groups, -1, marks_RX.shape[1])
            gain_BM = torch.bmm(slope_GNX, marks_GMX.transpose(1, 2)).flatten(0, 1) * attracted_BM
            for shown_B1 in slots:
                gain_BM.scatter_(1, shown_B1, -torch.inf)
            slot_B1 = gain_BM.argmax(dim=1, keepdim=True)
            expected_B1 = examined_B.unsqueeze(1) * attracted_BM.gather(1, slot_B1)
            set_BX = set_BX + expected_B1 * marks_RX[(slot_B1 + starts_B1).squeeze(1)]
            slots.append(slot_B1)
        slate_BK = torch.empty_like(order_BK).scatter_(1, order_BK, torch.cat(slots, dim=1))
        return slate_BK, self.value(user_BH, set_BX)

"""What a user does where several slots can be clicked: the chance of each click, and values of sets of clicks."""

import torch
from torch import Tensor, nn

from agents.networks.known_user import KnownUser
from agents.networks.layers import Embedding, LayerNorm, Linear
from agents.networks.reader import Reader
from agents.streams import Streams
from envs.interface import is_shared, mask_out

SHARPNESS = 3.0
"""Gain of the first weights of kinds: at first already an item is mostly of one kind."""


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


def count_click(reached_BPJ: Tensor, chance_BP: Tensor) -> Tensor:
    """Count one more click.

    Equation:
        P(N_p >= j) <- P(N_p >= j) + q_p (P(N_p >= j - 1) - P(N_p >= j)), with P(N_p >= 0) = 1.

    Args:
        reached_BPJ: P(N_p >= j) for j = 1 to J, of the clicks N_p on each kind so far.
        chance_BP: q_p, the chance that there is a click now and that it is on kind p.

    Returns:
        (B, P, J).
    """
    one_less_BPJ = torch.cat([torch.ones_like(reached_BPJ[..., :1]), reached_BPJ[..., :-1]], dim=2)
    return torch.lerp(reached_BPJ, one_less_BPJ, chance_BP.unsqueeze(2))


class ClickValue(nn.Module):
    """What a user's clicks are worth: each adds to a state's value by how many of its kind were clicked before it.

    Equation:
        F(s, C) = V(s) + sum over kinds p of sum_{j = 1..J} P(N_p >= j) d_pj(s), N_p the clicks on kind p, each clicked
        item i of a kind drawn from c(i); with V, d = MLP(user) and c(i) = softmax MLP([item, embedding of the id]).

    Two hidden layers with LayerNorm and ReLU over the user, one over the item; V and d start at zero.

    Args:
        reader: what of an observation is read.
        num_items: size of the id table, 0 for none.
        kinds: P.
        slate_size: the most clicks, J.
        history: what reads the history, a name of `TRACKERS`, or ``none``.
        hidden: width of the hidden layers.
        embedding: width of the id embedding.
        streams: source of the first weights, one set for each of S seeds; the rows of a seed meet its own.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        num_items: int,
        kinds: int,
        slate_size: int,
        history: str,
        hidden: int,
        embedding: int,
        streams: Streams,
    ) -> None:
        super().__init__()
        self.num_kinds, self.slate_size = kinds, slate_size
        self.known = KnownUser(reader, history=history, hidden=hidden, streams=streams)
        self.hidden_1, self.hidden_2 = Linear(self.known.width, hidden, streams), Linear(hidden, hidden, streams)
        self.norm_1, self.norm_2, self.item_norm = (LayerNorm(hidden, streams) for _ in range(3))
        self.out = Linear(hidden, 1 + kinds * slate_size, streams, gain=0.0)
        self.embedding = Embedding(num_items, embedding, streams, std=0.1) if num_items else None
        self.item_hidden = Linear(reader.item_width + (embedding if num_items else 0), hidden, streams)
        self.item_out = Linear(hidden, kinds, streams, gain=SHARPNESS)

    def kinds(self, features: Tensor, ids: Tensor | None) -> Tensor:
        """Return the chance that an item is of each kind, (..., P)."""
        if self.embedding is not None and ids is not None:
            features = torch.cat([features, self.embedding(ids)], dim=-1)
        kinds: Tensor = self.item_out(torch.relu(self.item_norm(self.item_hidden(features)))).softmax(dim=-1)
        return kinds

    def forward(self, user_BU: Tensor) -> tuple[Tensor, Tensor]:
        """Return V (B,) and what the j-th click on each kind adds, d (B, P, J)."""
        hidden = torch.relu(self.norm_1(self.hidden_1(self.known(user_BU))))
        out = self.out(torch.relu(self.norm_2(self.hidden_2(hidden))))
        return out[:, 0], out[:, 1:].unflatten(1, (self.num_kinds, self.slate_size))


class ClickSets(nn.Module):
    """A choice network and the value of clicks, and the slates that the two together ask for.

    Args:
        choice: a network of `agents.networks.scoring` with one head, the attraction of a candidate, and K state heads,
            the examination of each slot.
        value: of clicks.
    """

    def __init__(self, choice: nn.Module, value: ClickValue) -> None:
        super().__init__()
        self.choice, self.value = choice, value

    def forward(
        self, user_BU: Tensor, features_BKF: Tensor, ids_BK: Tensor | None, clicks_BK: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the log odds of a click on each slot (B, K), and the value of what was clicked (B,)."""
        attraction_B1K, examination_BK = self.choice(user_BU, features_BKF, ids_BK)
        clicked_BKP = clicks_BK.unsqueeze(2) * self.value.kinds(features_BKF, ids_BK)
        value_B, gain_BPJ = self.value(user_BU)
        reached_BPJ = torch.zeros_like(gain_BPJ)
        for clicked_BP in clicked_BKP.unbind(dim=1):
            reached_BPJ = count_click(reached_BPJ, clicked_BP)
        return click_logits(attraction_B1K[:, 0], examination_BK), value_B + (reached_BPJ * gain_BPJ).sum(dim=(1, 2))

    @torch.no_grad()
    def plan(
        self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor | None, seeds: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Fill the slots, the most examined first, each with what is expected to add most.

        Equation:
            i_k = argmax over i of sigmoid(a_i) sum_p c_p(i) sum_j P(N_p = j - 1) d_pj, with N the clicks of the slots
            before.

        Args:
            user_BU: (B, U).
            features_BMF: (B, M, F).
            ids_BM: (B, M) or None.
            seeds: S, where rows are those of several seeds.

        Returns:
            slates (B, K) without repeats, and the expected F of their clicks (B,).
        """
        attraction_B1M, examination_BK = self.choice(user_BU, features_BMF, ids_BM)
        attracted_BM, examined_BK = attraction_B1M[:, 0].sigmoid(), examination_BK.sigmoid()
        kinds_GMP, row_B1 = self._kinds(features_BMF, ids_BM, len(user_BU), seeds)
        kinds_RP, groups = kinds_GMP.flatten(0, 1), len(kinds_GMP)
        value_B, gain_BPJ = self.value(user_BU)
        reached_BPJ = torch.zeros_like(gain_BPJ)
        examined_BK, order_BK = examined_BK.sort(dim=1, descending=True, stable=True)
        taken_BM, one_BP = torch.zeros_like(attracted_BM, dtype=torch.bool), torch.ones_like(gain_BPJ[..., 0])
        slots = []
        for examined_B1 in examined_BK.split(1, dim=1):
            more_BP = ((count_click(reached_BPJ, one_BP) - reached_BPJ) * gain_BPJ).sum(dim=2)
            gain_GNM = torch.bmm(more_BP.view(groups, -1, more_BP.shape[1]), kinds_GMP.transpose(1, 2))
            gain_BM = mask_out(gain_GNM.flatten(0, 1) * attracted_BM, taken_BM)
            best_B1, slot_B1 = gain_BM.max(dim=1, keepdim=True)
            taken_BM.scatter_(1, slot_B1, True)
            clicked_B1 = examined_B1 * attracted_BM.gather(1, slot_B1)
            reached_BPJ = count_click(reached_BPJ, clicked_B1 * kinds_RP[(row_B1 + slot_B1).squeeze(1)])
            value_B = value_B + (examined_B1 * best_B1).squeeze(1)
            slots.append(slot_B1)
        slate_BK = torch.empty_like(order_BK).scatter_(1, order_BK, torch.cat(slots, dim=1))
        return slate_BK, value_B

    def _kinds(self, features_BMF: Tensor, ids_BM: Tensor | None, batch: int, seeds: int) -> tuple[Tensor, Tensor]:
        """Return the kinds of what G groups of rows are offered (G, M, P), and where each row's start in G M (B, 1)."""
        if is_shared(features_BMF) and (ids_BM is None or is_shared(ids_BM)):
            # All rows are offered the same: each seed reads it once.
            features_BMF = features_BMF[:1].expand(seeds, -1, -1)
            ids_BM = None if ids_BM is None else ids_BM[:1].expand(seeds, -1).contiguous()
        kinds_GMP = self.value.kinds(features_BMF, ids_BM)
        groups, offered = kinds_GMP.shape[:2]
        starts_G = offered * torch.arange(groups, device=kinds_GMP.device)
        return kinds_GMP, starts_G.repeat_interleave(batch // groups).unsqueeze(1)

"""Networks that score a candidate for a user, all called alike; `NETWORKS` names them.

network(user (B, U), features (B, M, F), ids (B, M) or None) -> (B, H, M) for candidates, (B, S) for the state alone
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.networks.layers import Embedding, LayerNorm, Linear
from agents.networks.reader import Reader
from agents.networks.trackers import TRACKERS
from agents.streams import Streams
from envs.interface import Spec, is_shared


class TwoTower(nn.Module):
    """Score candidates under H heads, and the state alone under S heads.

    Equation:
        output_h(user, item) = f_h(user) . g(item) / sqrt(R) + b_h(user) + c_h(item)

    Both towers are one hidden layer with LayerNorm and ReLU; the item tower also reads a learnt embedding of the id,
    and c_h has a bias for every id. The last layers of f, b and c start at zero, so every output does.

    Args:
        user_width: U.
        item_width: features of an item.
        num_items: size of the id table, 0 for none.
        num_heads: H.
        num_state_heads: S.
        static_items: an id has the same features wherever it occurs, so that the tower reads each id once a batch.
        hidden: width of the hidden layers; the rank of the inner product is half of it.
        embedding: width of the id embedding.
        streams: source of the first weights, one set for each of S seeds; the rows of a seed meet its own.
    """

    def __init__(
        self,
        *,
        user_width: int,
        item_width: int,
        num_items: int,
        num_heads: int,
        num_state_heads: int = 0,
        static_items: bool = False,
        hidden: int,
        embedding: int,
        streams: Streams,
    ) -> None:
        super().__init__()
        rank = hidden // 2
        self.num_heads, self.rank, self.static_items = num_heads, rank, static_items
        self.user_hidden = Linear(user_width, hidden, streams)
        self.user_norm = LayerNorm(hidden, streams)
        self.user_out = Linear(hidden, num_heads * (rank + 1), streams, gain=0.0)
        self.state_out = Linear(hidden, num_state_heads, streams, gain=0.0) if num_state_heads else None
        self.item_hidden = Linear(item_width + (embedding if num_items else 0), hidden, streams)
        self.item_norm = LayerNorm(hidden, streams)
        self.item_out = Linear(hidden, rank, streams)
        self.item_bias = Linear(hidden, num_heads, streams, gain=0.0)
        self.embedding = Embedding(num_items, embedding, streams, std=0.1) if num_items else None
        self.id_bias = Embedding(num_items, num_heads, streams, std=0.0) if num_items else None

    def users(self, user_BU: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return f (B, H, R), b (B, H) and the state's own outputs (B, S)."""
        hidden = torch.relu(self.user_norm(self.user_hidden(user_BU)))
        out = self.user_out(hidden).unflatten(-1, (self.num_heads, self.rank + 1))
        state = self.state_out(hidden) if self.state_out is not None else hidden[:, :0]
        return out[..., :-1], out[..., -1], state

    def items(self, features_BMF: Tensor, ids_BM: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return g (B, M, R) and c (B, M, H)."""
        if ids_BM is None or not self.static_items:
            return self._tower(features_BMF, ids_BM)
        ids_I, inverse_BM = ids_BM.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        places = torch.arange(ids_BM.numel(), device=ids_BM.device)
        first_I = torch.empty_like(ids_I).scatter_(0, inverse_BM.flatten(), places)
        # Several seeds encode what any of them was offered, each with its own weights.
        seeds, number = len(self.item_out.weight), len(ids_I)
        item_R, bias_H = self._tower(features_BMF.flatten(0, 1)[first_I].repeat(seeds, 1), ids_I.repeat(seeds))
        if seeds > 1:
            starts_S = number * torch.arange(seeds, device=ids_BM.device)
            inverse_BM = (inverse_BM.view(seeds, -1) + starts_S.unsqueeze(1)).view(inverse_BM.shape)
        return functional.embedding(inverse_BM, item_R), functional.embedding(inverse_BM, bias_H)

    def _tower(self, features: Tensor, ids: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return g (..., R) and c (..., H)."""
        if self.embedding is not None and ids is not None:
            features = torch.cat([features, self.embedding(ids)], dim=-1)
        hidden = torch.relu(self.item_norm(self.item_hidden(features)))
        bias = self.item_bias(hidden)
        if self.id_bias is not None and ids is not None:
            bias = bias + self.id_bias(ids)
        return self.item_out(hidden), bias

    def forward(self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, H, M) for every user's own candidates, and those for the state (B, S)."""
        if is_shared(features_BMF) and (ids_BM is None or is_shared(ids_BM)):
            return self._shared(user_BU, features_BMF, ids_BM)
        user_BHR, user_bias_BH, state_BS = self.users(user_BU)
        item_BMR, item_bias_BMH = self.items(features_BMF, ids_BM)
        product_BHM = torch.bmm(user_BHR, item_BMR.transpose(1, 2)) / self.rank**0.5
        return product_BHM + user_bias_BH.unsqueeze(2) + item_bias_BMH.transpose(1, 2), state_BS

    def _shared(self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what `forward` does where all rows are offered the same: each seed encodes it once."""
        user_BHR, user_bias_BH, state_BS = self.users(user_BU)
        seeds = len(self.item_out.weight)
        ids_SM = None if ids_BM is None else ids_BM[:1].expand(seeds, -1).contiguous()
        item_SMR, item_bias_SMH = self.items(features_BMF[:1].expand(seeds, -1, -1), ids_SM)
        flat_SXR = user_BHR.reshape(seeds, -1, self.rank) / self.rank**0.5
        product_SXM = torch.bmm(flat_SXR, item_SMR.transpose(1, 2))
        own_SBHM = product_SXM.view(seeds, -1, self.num_heads, product_SXM.shape[-1])
        out_SBHM = own_SBHM + item_bias_SMH.transpose(1, 2).unsqueeze(1)
        return out_SBHM.flatten(0, 1) + user_bias_BH.unsqueeze(2), state_BS


class FeatureHeads(nn.Module):
    """Score candidates by weights on their features that the user's state gives; ids are not read.

    Equation:
        output_h(user, item) = w_h(user) . features(item) + b_h(user)

    Where features are one-hot this is one output for each kind of item, with nothing to compute for an item. Two
    hidden layers with LayerNorm and ReLU; the last layer starts at zero, so every output does.

    Args:
        user_width: U.
        item_width: F, features of an item.
        num_heads: H.
        num_state_heads: S.
        hidden: width of both hidden layers.
        streams: source of the first weights, one set for each of S seeds; the rows of a seed meet its own.
    """

    def __init__(
        self,
        *,
        user_width: int,
        item_width: int,
        num_heads: int,
        num_state_heads: int = 0,
        hidden: int,
        streams: Streams,
    ) -> None:
        super().__init__()
        self.num_heads, self.item_width = num_heads, item_width
        self.hidden_1, self.hidden_2 = Linear(user_width, hidden, streams), Linear(hidden, hidden, streams)
        self.norm_1, self.norm_2 = (LayerNorm(hidden, streams) for _ in range(2))
        self.out = Linear(hidden, num_heads * (item_width + 1) + num_state_heads, streams, gain=0.0)

    def forward(self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, H, M) for every user's own candidates, and those for the state (B, S)."""
        hidden = torch.relu(self.norm_1(self.hidden_1(user_BU)))
        hidden = torch.relu(self.norm_2(self.hidden_2(hidden)))
        out, of_items = self.out(hidden), self.num_heads * (self.item_width + 1)
        weights_BHF = out[:, :of_items].unflatten(1, (self.num_heads, self.item_width + 1))
        scores_BHM = torch.bmm(weights_BHF[..., :-1], features_BMF.transpose(1, 2))
        return scores_BHM + weights_BHF[..., -1:], out[:, of_items:]


class ActionIn(nn.Module):
    """Score candidates one by one from user and item together: an action goes in, its values come out.

    Equation:
        output_h(user, item) = MLP_h([user, item, embedding of the id]), its first layer split as W_u user + W_a item

    Two hidden layers with LayerNorm and ReLU; the last layers start at zero, so every output does.

    Args:
        user_width: U.
        item_width: F, features of an item.
        num_items: size of the id table, 0 for none.
        num_heads: H.
        num_state_heads: S.
        hidden: width of both hidden layers.
        embedding: width of the id embedding.
        streams: source of the first weights, one set for each of S seeds; the rows of a seed meet its own.
    """

    def __init__(
        self,
        *,
        user_width: int,
        item_width: int,
        num_items: int,
        num_heads: int,
        num_state_heads: int = 0,
        hidden: int,
        embedding: int,
        streams: Streams,
    ) -> None:
        super().__init__()
        self.user_hidden = Linear(user_width, hidden, streams)
        self.item_hidden = Linear(item_width + (embedding if num_items else 0), hidden, streams)
        self.hidden_2 = Linear(hidden, hidden, streams)
        self.norm_1, self.norm_2, self.state_norm = (LayerNorm(hidden, streams) for _ in range(3))
        self.out = Linear(hidden, num_heads, streams, gain=0.0)
        self.state_out = Linear(hidden, num_state_heads, streams, gain=0.0)
        self.embedding = Embedding(num_items, embedding, streams, std=0.1) if num_items else None

    def forward(self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, H, M) for every user's own candidates, and those for the state (B, S)."""
        if self.embedding is not None and ids_BM is not None:
            features_BMF = torch.cat([features_BMF, self.embedding(ids_BM)], dim=-1)
        user_BX = self.user_hidden(user_BU)
        hidden = torch.relu(self.norm_1(user_BX.unsqueeze(1) + self.item_hidden(features_BMF)))
        hidden = torch.relu(self.norm_2(self.hidden_2(hidden)))
        state_BS = self.state_out(torch.relu(self.state_norm(user_BX)))
        return self.out(hidden).transpose(1, 2), state_BS


class Tracked(nn.Module):
    """A network that reads what a tracker makes of the session's history in place of the history itself.

    Args:
        network: built for users of the width of the state and of the tracker.
        tracker: see `agents.networks.trackers`.
        history_shape: (L + 1, F), the last entries of what comes in as the user.
    """

    def __init__(self, network: nn.Module, tracker: nn.Module, history_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.tracker, self.history_shape = network, tracker, tuple(history_shape)

    def forward(self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, H, M) for every user's own candidates, and those for the state (B, S)."""
        width = user_BU.shape[1] - math.prod(self.history_shape)
        history_BLF = user_BU[:, width:].unflatten(1, self.history_shape)  # type: ignore[no-untyped-call]
        user_BU = torch.cat([user_BU[:, :width], self.tracker(history_BLF)], dim=1)
        outputs: tuple[Tensor, Tensor] = self.network(user_BU, features_BMF, ids_BM)
        return outputs


NETWORKS: Mapping[str, type[nn.Module]] = {
    "two_tower": TwoTower,
    "feature_heads": FeatureHeads,
    "action_in": ActionIn,
}
"""Name to network: fast and with ids; fastest, for few distinct feature rows; the most expressive."""


def build_network(
    name: str,
    spec: Spec,
    reader: Reader,
    *,
    num_heads: int,
    num_state_heads: int,
    hidden: int,
    embedding: int,
    streams: Streams,
    history: str = "none",
) -> nn.Module:
    """Build a network of `NETWORKS` for an environment of these sizes, with a tracker of `TRACKERS` if asked."""
    if history != "none":
        rows, width = reader.history_shape
        tracker = TRACKERS[history](rows - 1, width, hidden, streams)
        user_width = reader.state_width + tracker.width
    else:
        tracker, user_width = None, reader.user_width
    network = _build(name, spec, reader, user_width, num_heads, num_state_heads, hidden, embedding, streams)
    return network if tracker is None else Tracked(network, tracker, reader.history_shape)


def _build(
    name: str,
    spec: Spec,
    reader: Reader,
    user_width: int,
    num_heads: int,
    num_state_heads: int,
    hidden: int,
    embedding: int,
    streams: Streams,
) -> nn.Module:
    sizes = {"user_width": user_width, "item_width": reader.item_width, "hidden": hidden}
    heads = {"num_heads": num_heads, "num_state_heads": num_state_heads}
    if name == "feature_heads":
        return FeatureHeads(**sizes, **heads, streams=streams)
    ids = {"num_items": spec.num_items if reader.has_ids else 0, "embedding": embedding}
    if name == "action_in":
        return ActionIn(**sizes, **heads, **ids, streams=streams)
    return TwoTower(**sizes, **heads, **ids, static_items=spec.static_items, streams=streams)

"""A choice that is learnt as a curve of how well an item matches its user."""

import torch
from torch import Tensor, nn

from agents.networks.layers import Linear
from agents.streams import Streams

CURVE_WIDTH = 16
"""Hidden units of a curve."""


def match(user_BU: Tensor, features_BMF: Tensor, width: int) -> Tensor:
    """Return how well items match their user: the inner product of the first ``width`` entries of both, (B, M)."""
    return torch.einsum("bd,bmd->bm", user_BU[:, :width], features_BMF[..., :width])


class MatchedChoice(nn.Module):
    """A network with one more head before its own, the logit of a choice, which is a curve of the match alone.

    Equation:
        v_i = f(user . features(item)), and 0 of no click; f has one hidden layer with ReLU, and starts at 0.

    A curve is learnt from few choices, and shares no weight with the values, whose gradients are smaller and later.

    Args:
        network: as in `agents.networks.scoring`.
        width: entries of user and features that are compared.
        streams: source of the first weights, one set for each of S seeds; the rows of a seed meet its own.
    """

    def __init__(self, network: nn.Module, width: int, streams: Streams) -> None:
        super().__init__()
        self.network, self.width = network, width
        self.curve_hidden = Linear(1, CURVE_WIDTH, streams)
        self.curve_out = Linear(CURVE_WIDTH, 1, streams, gain=0.0)

    def forward(self, user_BU: Tensor, features_BMF: Tensor, ids_BM: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs (B, 1 + H, M) for every user's own candidates, and those for the state (B, 1 + S)."""
        out_BHM, state_BS = self.network(user_BU, features_BMF, ids_BM)
        match_BM1 = match(user_BU, features_BMF, self.width).unsqueeze(2)
        logits_BM = self.curve_out(torch.relu(self.curve_hidden(match_BM1))).squeeze(2)
        no_click_B1 = torch.zeros_like(state_BS[:, :1])
        return torch.cat([logits_BM.unsqueeze(1), out_BHM], dim=1), torch.cat([no_click_B1, state_BS], dim=1)

"""The value of a slate as the mean of its items' values; the best slate is then the K highest items."""

import torch
from torch import Tensor, nn

from agents.networks.layers import Linear
from agents.networks.reader import Reader
from agents.networks.scoring import ActionIn, FeatureHeads, TwoTower
from envs.interface import Observation, Spec, Tensors
from envs.slates import top_k


class ItemValues:
    """Read a network with one output for each item and one for the state.

    Equation:
        Q(s, A) = 1/K sum_{i in A} Q(s, i) with Q(s, i) = V(s) + a(s, i);
        dueling: Q(s, i) = V(s) + a(s, i) - mean of a(s, j) over all candidates j on offer.
    Source:
        Wang et al. 2016, arXiv 1511.06581, equation 9.

    Args:
        spec: sizes of the environment.
        reader: what of an observation the network reads.
        dueling: whether to centre. A row then keeps the features of all candidates: centred on the shown ones alone,
            the value of their mean would be V(s), and nothing would be learnt about items.
    """

    def __init__(self, spec: Spec, reader: Reader, dueling: bool) -> None:
        self.slate_size, self.reader, self.dueling = spec.slate_size, reader, dueling
        self.columns = ("user", "features", *(("ids",) if reader.has_ids else ()), *(("slate",) if dueling else ()))

    def row(self, observation: Observation, slate_BK: Tensor) -> Tensors:
        """Return what has to be kept of an observation for the value of a slate, (B, ...)."""
        if self.dueling:
            return self.reader.row(observation) | {"slate": slate_BK}
        return self.reader.row(observation, slate_BK)

    def value(self, network: nn.Module, row: Tensors) -> Tensor:
        """Return Q(s, A) of the slate in a row, (B,)."""
        out_BM, state_B1 = self._outputs(network, row)
        out_BK = out_BM.gather(1, row["slate"]) if self.dueling else out_BM
        value_B: Tensor = out_BK.mean(dim=1) + state_B1.squeeze(1)
        return value_B

    @torch.no_grad()
    def best(self, network: nn.Module, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the K candidates of highest value (B, K), and the value of that slate (B,)."""
        out_BM, state_B1 = self._outputs(network, self.reader.row(observation))
        slate_BK = top_k(out_BM, self.slate_size)
        return slate_BK, out_BM.gather(1, slate_BK).mean(dim=1) + state_B1.squeeze(1)

    def _outputs(self, network: nn.Module, row: Tensors) -> tuple[Tensor, Tensor]:
        """Return a (B, items), centred if dueling, and V (B, 1)."""
        out_B1M, state_B1 = network(row["user"], row["features"], row.get("ids"))
        out_BM = out_B1M[:, 0]
        return out_BM - out_BM.mean(dim=1, keepdim=True) if self.dueling else out_BM, state_B1


def pin_constants(network: nn.Module) -> None:
    """Hold still the weights that add one number to all items' outputs, for a network of one head that is centred.

    Centring takes that number away again, so their gradient is zero but for rounding, which Adam would blow up to full
    steps.
    """
    for module in network.modules():
        if isinstance(module, TwoTower):
            _pin_output(module.user_out, module.rank)
            for constant in (module.item_out.bias, module.item_bias.bias):
                constant.register_hook(torch.zeros_like)  # type: ignore[no-untyped-call]
        elif isinstance(module, FeatureHeads):
            _pin_output(module.out, module.item_width)
        elif isinstance(module, ActionIn):
            module.out.bias.register_hook(torch.zeros_like)  # type: ignore[no-untyped-call]


def _pin_output(layer: Linear, output: int) -> None:
    moves_SO = torch.ones_like(layer.bias)
    moves_SO[:, output] = 0.0
    layer.bias.register_hook(lambda gradient: gradient * moves_SO)  # type: ignore[no-untyped-call]
    layer.weight.register_hook(lambda gradient: gradient * moves_SO.unsqueeze(2))  # type: ignore[no-untyped-call]

"""Layers with weights for S seeds at once: rows (S B, ...) go in, those of a seed meet its own weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.streams import Streams


def _parameter(shape: tuple[int, ...], streams: Streams, std: float) -> nn.Parameter:
    """Return weights N(0, std^2), (S, *shape), those of a seed from its own stream."""
    each = [
        torch.empty(shape, device=streams.device).normal_(std=std, generator=stream) if std else torch.zeros(shape)
        for stream in streams.generators
    ]
    return nn.Parameter(torch.stack(each).to(streams.device))


class Linear(nn.Module):
    """A linear map with weights N(0, gain^2 / inputs) and biases 0 at first.

    Args:
        inputs: width of what comes in.
        outputs: width of what goes out.
        streams: source of the weights; S of them.
        gain: 0 for a layer that starts at zero.
    """

    def __init__(self, inputs: int, outputs: int, streams: Streams, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = _parameter((outputs, inputs), streams, gain / max(inputs, 1) ** 0.5)
        self.bias = _parameter((outputs,), streams, 0.0)

    def forward(self, rows: Tensor) -> Tensor:
        """Map (S B, ..., inputs) to (S B, ..., outputs)."""
        seeds = len(self.weight)
        if seeds == 1:
            return functional.linear(rows, self.weight[0], self.bias[0])
        flat = rows.reshape(seeds, -1, rows.shape[-1])
        mapped = torch.baddbmm(self.bias.unsqueeze(1), flat, self.weight.transpose(1, 2))
        return mapped.view(*rows.shape[:-1], -1)


class LayerNorm(nn.Module):
    """Layer normalisation (Ba et al. 2016, arXiv 1607.06450) of the last axis.

    Args:
        width: of the last axis.
        streams: as many seeds as there are streams; nothing is drawn.
    """

    def __init__(self, width: int, streams: Streams) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones((len(streams), width), device=streams.device))
        self.bias = nn.Parameter(torch.zeros((len(streams), width), device=streams.device))

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise (S B, ..., width)."""
        seeds, width = self.weight.shape
        if seeds == 1:
            return functional.layer_norm(rows, (width,), self.weight[0], self.bias[0])
        normal = functional.layer_norm(rows, (width,)).view(seeds, -1, width)
        return torch.addcmul(self.bias.unsqueeze(1), normal, self.weight.unsqueeze(1)).view(rows.shape)


class Embedding(nn.Module):
    """A table of vectors N(0, std^2) at first.

    Args:
        number: rows of the table.
        width: of a vector.
        streams: source of the vectors; S of them.
        std: 0 for a table that starts at zero.
    """

    def __init__(self, number: int, width: int, streams: Streams, std: float) -> None:
        super().__init__()
        self.weight = _parameter((number, width), streams, std)

    def forward(self, ids: Tensor) -> Tensor:
        """Look up (S B, ...) int64, giving (S B, ..., width)."""
        seeds, number, _ = self.weight.shape
        if seeds == 1:
            return functional.embedding(ids, self.weight[0])
        starts = number * torch.arange(seeds, device=ids.device)
        apart = ids.reshape(seeds, -1) + starts.unsqueeze(1)
        return functional.embedding(apart.view(ids.shape), self.weight.flatten(0, 1))

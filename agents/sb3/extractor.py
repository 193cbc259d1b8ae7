"""What the networks of stable-baselines3 read of a flat observation: numbers of one size, and what stands for an id.

A features extractor by their convention, without importing them: built with the observation space, it says
``features_dim``.
"""

import torch
from gymnasium import spaces
from torch import Tensor, nn

LIMIT = 10.0
"""Deviations beyond which a number is cut, as in VecNormalize of stable-baselines3."""
LEAST = 1e-8
"""Added to variances, as there."""


class NormalisedInputs(nn.Module):
    """Give every number mean 0 and deviation 1 over what was seen so far, and every id a learnt embedding.

    Equation:
        (x - mean) / sqrt(variance + 1e-8), cut at -10 and 10, and beside it e(id) for each id.
    Source:
        VecNormalize of stable-baselines3 (Raffin et al. 2021); moments of all rows together: Chan et al. 1979.

    Args:
        observation_space: of vectors, whose last numbers are ids.
        num_ids: how many of them.
        num_items: size of the table of embeddings; without ids it has none.
        embedding: width of an embedding.
        norm_obs: whether numbers are normalised; if not they come as they are.
    """

    # Their DQN copies to its target network what is called so.
    running_mean: Tensor
    running_var: Tensor
    rows: Tensor

    def __init__(
        self,
        observation_space: spaces.Space[object],
        *,
        num_ids: int,
        num_items: int,
        embedding: int,
        norm_obs: bool = True,
    ) -> None:
        super().__init__()
        assert observation_space.shape is not None
        self.width, self.num_ids, self.norm_obs = observation_space.shape[0] - num_ids, num_ids, norm_obs
        self.features_dim = self.width + num_ids * embedding
        self.register_buffer("running_mean", torch.zeros(self.width))
        self.register_buffer("running_var", torch.ones(self.width))
        self.register_buffer("rows", torch.tensor(0.0, dtype=torch.float64))
        self.embedding = nn.Embedding(num_items, embedding) if num_ids else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, flat_BX: Tensor) -> Tensor:
        """Return what the layers read, (B, features_dim)."""
        numbers_BX = flat_BX[:, : self.width]
        if self.norm_obs:
            numbers_BX = (numbers_BX - self.running_mean) / (self.running_var + LEAST).sqrt()
            numbers_BX = numbers_BX.clamp(-LIMIT, LIMIT)
        if self.embedding is None:
            return numbers_BX
        ids_BM = flat_BX[:, self.width :].long()
        return torch.cat([numbers_BX, self.embedding(ids_BM).flatten(1)], dim=1)

    @torch.no_grad()
    def see(self, flat_BX: Tensor) -> None:
        """Let these rows count for mean and variance, as many as they are beside those seen before."""
        if not self.norm_obs:
            return
        numbers_BX = flat_BX[:, : self.width]
        variance_X, mean_X = torch.var_mean(numbers_BX, dim=0, correction=0)
        share = len(numbers_BX) / (float(self.rows) + len(numbers_BX))
        apart_X = mean_X - self.running_mean
        self.running_mean.add_(share * apart_X)
        self.running_var.lerp_(variance_X, share).add_(share * (1 - share) * apart_X.square())
        self.rows.add_(len(numbers_BX))

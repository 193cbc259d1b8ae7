"""K-means, on the device and from a generator."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

FAR = 1e9
"""Where centroids stand that no point is nearest to."""


def nearest(points_NF: Tensor, centroids_CF: Tensor) -> Tensor:
    """Return the nearest centroid of every point, (N,) int64."""
    return torch.cdist(points_NF, centroids_CF).argmin(dim=1)


def kmeans(points_NF: Tensor, number: int, generator: torch.Generator, iterations: int = 20) -> Tensor:
    """Return k-means centroids.

    Source:
        Lloyd 1982; starts as in k-means++, Arthur & Vassilvitskii 2007.

    Args:
        points_NF: (N, F) distinct points.
        number: C.
        generator: draws the starts; on the device of the points.
        iterations: rounds of assignment and averaging.

    Returns:
        (C, F); with fewer points than C each point is a centroid, and the others are far from everything.
    """
    centroids_CF = torch.full((number, points_NF.shape[1]), FAR, device=points_NF.device)
    count = min(number, len(points_NF))
    gap_N = torch.ones(len(points_NF), device=points_NF.device)
    for index in range(count):
        centroids_CF[index] = points_NF[torch.multinomial(gap_N, 1, generator=generator)[0]]
        distance_N = (points_NF - centroids_CF[index]).square().sum(dim=1)
        gap_N = distance_N if index == 0 else torch.minimum(gap_N, distance_N)
    for _ in range(iterations):
        # A product instead of index_add, whose sums depend on the order of threads on a GPU.
        member_NC = one_hot(nearest(points_NF, centroids_CF), number).to(points_NF.dtype)
        size_C1 = member_NC.sum(dim=0).unsqueeze(1)
        centroids_CF = torch.where(size_C1 > 0, member_NC.T @ points_NF / size_C1.clamp(min=1), centroids_CF)
    return centroids_CF

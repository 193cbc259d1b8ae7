"""The line of orders of Shop-v0: what is bought is handed over some slates later, and may be sent back then.

A line is two tensors (B, L) for a delay of L slates, the next delivery first: ``ordered``, int64 items or -1, and
``failed``, 1 for what will be sent back.
"""

import torch
from torch import Tensor

from envs.interface import Tensors


def order(line: Tensors, item_B: Tensor, bought_B: Tensor, fails_B: Tensor) -> Tensors:
    """Move the line up by one and put what was bought at its end.

    Args:
        line: ``ordered`` and ``failed``.
        item_B: int64, what was bought, if anything.
        bought_B: float, 1 where something was.
        fails_B: bool, whether it will be sent back.

    Returns:
        the new line.
    """
    item_B1 = torch.where(bought_B > 0, item_B, -1).unsqueeze(1)
    fails_B1 = (bought_B * fails_B).unsqueeze(1)
    return {
        "ordered": torch.cat([line["ordered"][:, 1:], item_B1], dim=1),
        "failed": torch.cat([line["failed"][:, 1:], fails_B1], dim=1),
    }


def deliver(line: Tensors, satisfaction_B: Tensor, error_B: Tensor) -> Tensors:
    """Hand over what stands first in the line.

    Equation:
        stars = clip(round(3 + 2 z + 0.5 e), 1, 5), of which (stars - 3) / 2 is the verdict.

    Args:
        line: ``ordered`` and ``failed``.
        satisfaction_B: z with the item that stands first; ignored where none does.
        error_B: e.

    Returns:
        each (B,) float32, 0 where nothing came: ``came``, ``satisfaction``, ``verdict`` in [-1, 1], ``returned``.
    """
    came_B = (line["ordered"][:, 0] >= 0).float()
    stars_B = (3 + 2 * satisfaction_B + 0.5 * error_B).round().clamp(1, 5)
    return {
        "came": came_B,
        "satisfaction": came_B * satisfaction_B,
        "verdict": came_B * (stars_B - 3) / 2,
        "returned": line["failed"][:, 0],
    }

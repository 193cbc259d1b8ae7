"""The latest clicks that a user of `slatelab/Boredom-v0` remembers."""

from collections.abc import Callable

import torch
from torch import Tensor

from envs.boredom.settings import BoredomSettings
from envs.interface import Tensors


class ClickMemory:
    """Topics and ages, in steps, of the L latest clicks, newest first.

    Both are (B, L + 1): to the last place goes what is not remembered. An age of the window or more is no click. All
    but the topics is counted in float32, which is exact, and takes a fraction of the time of integers and booleans.
    """

    def __init__(self, settings: BoredomSettings, device: torch.device) -> None:
        self._size, self._num_topics, self._device = settings.boredom_memory, settings.num_topics, device
        # No clicks ever move the last place.
        places = [*range(self._size), self._size + settings.slate_size]
        self._places_L, self._window, self._size_0, self._one = (
            torch.tensor(value, dtype=torch.float32, device=device)
            for value in (places, settings.boredom_window, self._size, 1)
        )

    def empty(self, number: int) -> Tensors:
        """Return the memory of users who have clicked nothing."""
        size = (number, self._size + 1)
        return {
            "recent_topics": torch.zeros(size, dtype=torch.int64, device=self._device),
            "recent_ages": self._window.expand(size).contiguous(),
        }

    def after(self, memory: Tensors, click_BK: Tensor, above_BK: Tensor, topics_BK: Tensor) -> Tensors:
        """Return the memory one step and one slate later; the lower of two clicks counts as the newer.

        Args:
            memory: ``recent_topics`` and ``recent_ages``.
            click_BK: 1.0 where clicked.
            above_BK: clicks on a slot and those above it.
            topics_BK: int64 main topics of what was shown.
        """
        clicks_B1 = above_BK[:, -1:]
        # New clicks go to places 0, 1, ... from the bottom of the slate; no click, or one too many, to the last place.
        last_BK = clicks_B1 + self._size_0 - above_BK
        place_BK = torch.sub(last_BK, click_BK, alpha=self._size).clamp(max=self._size).long()
        moved_BL = self._places_L - clicks_B1
        older_BL = moved_BL.clamp(0, self._size).long()
        was_there_BL = (moved_BL + self._one).clamp(0, 1)
        return {
            "recent_topics": memory["recent_topics"].gather(1, older_BL).scatter_(1, place_BK, topics_BK),
            "recent_ages": (memory["recent_ages"].gather(1, older_BL) + self._one) * was_there_BL,
        }

    def counted(self, memory: Tensors) -> Tensor:
        """Return the recent clicks on each main topic, (B, D) float32."""
        ages_BL = memory["recent_ages"]
        counts_BD = torch.zeros(len(ages_BL), self._num_topics, device=self._device)
        return counts_BD.scatter_add_(1, memory["recent_topics"], marks(torch.lt, ages_BL, self._window))


def marks(compare: Callable[..., Tensor], values: Tensor, bound: Tensor) -> Tensor:
    """Return 1.0 where the comparison holds, else 0.0: booleans first, and numbers made of these, would be slower."""
    return compare(values, bound, out=torch.empty_like(values))

"""The last n steps of all users, out of which rows with n-step returns are made for a replay."""

import torch
from torch import Tensor

from agents.learning.targets import n_step_return
from agents.state import above, below, check_alike, to_device
from envs.interface import Tensors


class StepWindow:
    """Hold a step back until the n - 1 steps after it are known; each step comes out once, n - 1 steps late.

    Args:
        steps: n, at least 1.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._held: list[Tensors] = []
        self._loaded = False

    def add(self, step: Tensors) -> Tensors | None:
        """Append a step of B users.

        Args:
            step: named tensors (B, ...), among them ``reward``, ``discount`` (gamma, or 0 where the user left),
                ``last`` and, under ``next.``, what is observed after it.

        Returns:
            the oldest step, with the reward and discount of its n-step return and what is observed at its end, but
            without ``last``; None while there are fewer than n.
        """
        if self._loaded:
            # What was saved is only now seen beside what this agent keeps.
            check_alike("rollout", step, self._held[-1])
        self._loaded = False
        self._held.append(step)
        if len(self._held) < self.steps:
            return None
        columns = (torch.stack([each[name] for each in self._held]) for name in ("reward", "discount", "last"))
        reward_B, discount_B, stop_B = n_step_return(*columns)
        first = self._held[0]
        following = below("next", self._held[-1])
        for index, each in enumerate(self._held[:-1]):
            stops_B = stop_B == index
            following = {name: _where(stops_B, each[f"next.{name}"], value) for name, value in following.items()}
        kept = {name: value for name, value in first.items() if name != "last"}
        self._held = self._held[1:]
        return kept | {"reward": reward_B, "discount": discount_B} | above("next", following)

    def state_dict(self) -> Tensors:
        """Return the steps held back, (steps, B, ...), and their number."""
        names = self._held[0] if self._held else {}
        held = {name: torch.stack([step[name] for step in self._held]) for name in names}
        return held | {"held": torch.tensor(len(self._held))}

    def load_state_dict(self, tensors: Tensors, device: torch.device, *, begun: bool) -> None:
        """Go on from a `state_dict`.

        Args:
            tensors: the saved state.
            device: where the steps are to be.
            begun: whether steps have come out already, so that n - 1 are held.

        Raises:
            ValueError: it is that of another n.
        """
        number = int(tensors["held"])
        if number >= self.steps or (begun and number < self.steps - 1):
            raise ValueError(
                f"the saved state holds {number} steps back, this agent {self.steps - 1}; "
                "load it into an agent with the same settings"
            )
        own = to_device({name: value for name, value in tensors.items() if name != "held"}, device)
        self._held = [{name: value[index] for name, value in own.items()} for index in range(number)]
        self._loaded = number > 0


def _where(mask_B: Tensor, chosen: Tensor, other: Tensor) -> Tensor:
    return torch.where(mask_B.view(-1, *[1] * (other.dim() - 1)), chosen, other)

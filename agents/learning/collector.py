"""Collect rollouts of parallel users and hand them over with their lambda-returns."""

from collections.abc import Callable

import torch
from torch import Tensor

from agents.learning.learner import Learner
from agents.learning.rollout import Rollout
from agents.learning.targets import lambda_returns
from agents.state import to_device
from envs.interface import Observation, Tensors, Transition

CONSUMED = ("reward", "discount", "last", "final_value")
"""Columns of a rollout that the targets are made of."""


class ReturnCollector:
    """Turn T steps of B users into T B rows with a target each.

    The value of each next state is the one that the agent noted when it chose the next slate, so that a forward pass
    serves both. Only at a truncation, and at the rollout's last step, is a state valued for the target alone.

    Args:
        learner: whose settings (discount, trace, rollout, reward_scale) and streams are used.
        value_of: V (B,) of an observation.
        row_of: what is kept of a step for a network to read, as named tensors (B, ...).
    """

    def __init__(
        self,
        learner: Learner,
        value_of: Callable[[Observation], Tensor],
        row_of: Callable[[Transition], Tensors],
    ) -> None:
        self.learner, self.settings = learner, learner.settings
        self.value_of, self.row_of = value_of, row_of
        self.rollout = Rollout(self.settings.rollout)

    def add(self, transition: Transition) -> Tensors | None:
        """Append a step.

        Args:
            transition: the step; its notes hold V of the observation as ``value`` (B,), or, where this agent did not
                choose the slate, nothing: V is then computed here.

        Returns:
            when the rollout is full, the rows (T B, ...), those of a seed together: what `row_of` keeps, ``response``,
            ``value`` and ``target``; otherwise None. Values and targets are scaled by reward_scale.
        """
        step = {
            **self.row_of(transition),
            "response": transition.response,
            "reward": transition.reward * self.settings.reward_scale,
            "discount": transition.discount * self.settings.discount,
            "last": transition.last,
            "value": transition.notes["value"] if "value" in transition.notes else self._value(transition),
            "final_value": self._final_value(transition),
        }
        self.rollout.add(step)
        return self._rows(self.rollout.take()) if self.rollout.full else None

    def _value(self, transition: Transition) -> Tensor:
        if self.settings.discount == 0:
            return torch.zeros_like(transition.reward)
        return self.value_of(transition.observation)

    def _final_value(self, transition: Transition) -> Tensor:
        ends_rollout = self.rollout.size + 1 == self.rollout.length
        truncated_B = transition.last & (transition.discount > 0)
        if self.settings.discount == 0 or not (ends_rollout or bool(truncated_B.any())):
            return torch.zeros_like(transition.reward)
        value_B = self.value_of(transition.next_observation)
        return value_B if ends_rollout else torch.where(truncated_B, value_B, 0.0)

    def state_dict(self) -> Tensors:
        """Return the steps collected so far."""
        return self.rollout.state_dict()

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it holds more steps than a rollout has.
        """
        self.rollout.load_state_dict(to_device(tensors, self.learner.device))

    def _rows(self, rollout: Tensors) -> Tensors:
        next_value_TB = torch.cat([rollout["value"][1:], rollout["final_value"][-1:]])
        next_value_TB = torch.where(rollout["last"], rollout["final_value"], next_value_TB)
        target_TB = lambda_returns(
            rollout["reward"], rollout["discount"], next_value_TB, rollout["last"], self.settings.trace
        )
        kept = {name: value for name, value in rollout.items() if name not in CONSUMED} | {"target": target_TB}
        return {name: self.learner.streams.seed_by_seed(value) for name, value in kept.items()}

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

    The value of each next state is the one that `act` computed when it chose the next slate, so that a forward pass
    serves both. Only at a truncation, and at the rollout's last step, is a state valued for the target alone.

    Args:
        learner: whose settings (discount, trace, rollout, reward_scale) and inputs are used.
        value_of: V (B,) of an observation.
        row_of: what is kept for a network to read, of an observation and the slate shown (B, K), as named tensors
            (B, ...); by default the user and the slate's items.
    """

    def __init__(
        self,
        learner: Learner,
        value_of: Callable[[Observation], Tensor],
        row_of: Callable[[Observation, Tensor], Tensors] | None = None,
    ) -> None:
        self.learner, self.settings = learner, learner.settings
        self.value_of = value_of
        self.row_of = row_of or self._shown
        self.rollout = Rollout(self.settings.rollout)

    def add(self, transition: Transition, value_B: Tensor | None) -> Tensors | None:
        """Append a step.

        Args:
            transition: the step.
            value_B: V of the observation as `act` computed it; None where this agent did not choose the slate, and
                the value is computed here.

        Returns:
            when the rollout is full, the rows (T B, ...), those of a seed together: what `row_of` keeps (by default
            ``user``, ``features`` and, where observed, ``ids``), ``response``, ``value`` and ``target``; otherwise
            None. Values and targets are scaled by reward_scale.
        """
        step = {
            **self.row_of(transition.observation, transition.slate),
            "response": transition.response,
            "reward": transition.reward * self.settings.reward_scale,
            "discount": transition.discount * self.settings.discount,
            "last": transition.last,
            "value": self._value(transition) if value_B is None else value_B,
            "final_value": self._final_value(transition),
        }
        self.rollout.add(step)
        return self._rows(self.rollout.take()) if self.rollout.full else None

    def _shown(self, observation: Observation, slate_BK: Tensor) -> Tensors:
        features, ids = self.learner.inputs(observation, slate_BK)
        row = {"user": self.learner.inputs.user(observation), "features": features}
        return row if ids is None else row | {"ids": ids}

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
        told = {name: value for name, value in rollout.items() if name not in CONSUMED} | {"target": target_TB}
        return {name: self._seed_by_seed(value) for name, value in told.items()}

    def _seed_by_seed(self, value_TB: Tensor) -> Tensor:
        """Return the rows (T B, ...) of (T, B, ...), those of a seed together."""
        seeds = len(self.learner.streams)
        if seeds == 1:
            return value_TB.flatten(0, 1)
        split_TSB = value_TB.reshape(len(value_TB), seeds, -1, *value_TB.shape[2:])
        return split_TSB.transpose(0, 1).flatten(0, 2)

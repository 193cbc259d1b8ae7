"""The frame of agents that learn values from rollouts: one value a step, rows when a rollout is full, saving."""

from torch import Tensor

from agents.learning.collector import ReturnCollector
from agents.learning.learner import Learner
from agents.state import above, below, check_names
from envs.interface import Tensors, Transition


class RolloutAgent:
    """Base of agents with a `Learner` and a `ReturnCollector`; they add `act`, and `update` over `rows_after`."""

    learner: Learner
    collector: ReturnCollector

    def __init__(self) -> None:
        # V of the observation that `act` chose a slate for, until the step is told.
        self._value_B: Tensor | None = None

    def rows_after(self, transition: Transition) -> Tensors | None:
        """Collect one step; return the rows of the rollout if it is full now."""
        # Each value serves one step: a slate that this agent did not choose is valued by the collector.
        value_B, self._value_B = self._value_B, None
        rows = self.collector.add(transition, value_B)
        self.learner.steps += 1
        return rows

    def state_dict(self) -> Tensors:
        """Return weights, moments, the rollout so far, the step count and the random stream."""
        return self.learner.state_dict() | above("rollout", self.collector.state_dict())

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's.
        """
        check_names(tensors, ("steps", "generator"), ("averaged", "network", "optimizer", "rollout"))
        self.learner.load_state_dict(tensors)
        self._value_B = None
        self.collector.load_state_dict(below("rollout", tensors))

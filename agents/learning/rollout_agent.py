"""What agents share that learn from rollouts of parallel users: what they hold, and saving it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.learning.collector import ReturnCollector
from agents.learning.learner import GradientSettings, Learner
from agents.state import above, below, check_names
from agents.streams import Streams
from envs.interface import Observation, Spec, Tensors, Transition


class RolloutAgent:
    """Hold a `Learner`, and a `ReturnCollector` that asks it for the values of states.

    A subclass builds its learner (`_build`), says what a state is worth (`_value`) and, if not the slate's items
    alone, what is kept of a step (`_row`). It adds `act`, `choose`, which notes the ``value`` of the state, and
    `update`.
    """

    settings: GradientSettings

    def __init__(
        self,
        spec: Spec,
        settings: GradientSettings,
        *,
        device: torch.device,
        seed: int | Sequence[int],
        num_users: int,
        num_steps: int,
    ) -> None:
        self.spec, self.settings = spec, settings
        self.learner = self._build(num_steps, Streams(seed, device))
        self.collector = ReturnCollector(self.learner, self._value, self._row)

    def _build(self, num_steps: int, streams: Streams) -> Learner:
        """Return the network with its optimiser; build here what else is needed."""
        raise NotImplementedError

    def _value(self, observation: Observation) -> Tensor:
        """Return V of states, (B,)."""
        raise NotImplementedError

    def _row(self, transition: Transition) -> Tensors:
        """Return what is kept of a step for the network to read: user and items of the slate, (B, ...)."""
        return self.learner.reader.row(transition.observation, transition.slate)

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
        self.collector.load_state_dict(below("rollout", tensors))

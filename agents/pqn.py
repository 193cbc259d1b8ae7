"""PQN: Q-learning over items from the rollouts of parallel users, without replay and without a target network."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from agents.learning.item_values import ItemValues
from agents.learning.learner import Learner, LearnerSettings
from agents.learning.rollout_agent import RolloutAgent
from agents.settings import check_at_least
from agents.streams import Streams
from envs.interface import Metric, Observation, Tensors, Transition


@dataclass(frozen=True, kw_only=True)
class PQNSettings(LearnerSettings):
    """Settings of PQN."""

    trace: float = 0.65
    """Lambda of the returns, in [0, 1]."""
    epochs: int = 2
    """Times that each rollout is gone through."""
    learning_rate: float = 1e-3
    """RAdam's step size at first; it falls to 0 on a straight line."""
    max_gradient_norm: float = 10.0
    """Gradients are scaled down to this norm."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_at_least(self, 1, "epochs")


class PQN(RolloutAgent):
    """Learn the value of a slate as the mean of its items' values, with the online network's own bootstraps.

    Equation:
        Q(s, A) = 1/K sum_{i in A} Q(s, i) moves by squared error towards Q(lambda): the lambda-return with
        V(s) = max_A Q(s, A), taken when the slate was chosen and kept for all epochs.
    Source:
        Gallici et al. 2024, arXiv 2407.04811, algorithm 1; RAdam: Liu et al. 2020, arXiv 1908.03265. LayerNorm, which
        keeps it stable without a target network, is in every network here.
    Deviation:
        Action-in and additive over the slate, as DQN here; Q(lambda) is not cut where the slate was random, as in the
        source.
    """

    Settings: ClassVar[type[PQNSettings]] = PQNSettings
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    MANY_SEEDS: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "scaled reward squared", "lower", "half the squared error of the slate's value"),
        Metric("train/value", "reward", "higher", "mean value of the slates learnt from"),
        Metric("train/learning_rate", "", "neither", "RAdam's step size"),
        Metric("rollout/exploration_rate", "share", "neither", "users who get a random slate"),
    )

    settings: PQNSettings

    def _build(self, num_steps: int, streams: Streams) -> Learner:
        """Return a network with one output for each item and one for the state, under RAdam."""
        spec, settings = self.spec, self.settings
        learner = Learner(spec, settings, num_heads=1, num_state_heads=1, num_steps=num_steps, streams=streams)
        learner.optimizer = torch.optim.RAdam(learner.network.parameters(), lr=settings.learning_rate)
        self.values = ItemValues(spec, learner.reader, dueling=False)
        return learner

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the slates of the K highest values, (B, K)."""
        if explore:
            return self.choose(observation)[0]
        return self.values.best(self.learner.steady_network, observation)[0]

    def choose(self, observation: Observation) -> tuple[Tensor, Tensors]:
        """Return the best slates, for some users random ones, (B, K), and the value of the best, ``value`` (B,)."""
        slate_BK, value_B = self.values.best(self.learner.network, observation)
        return self.learner.explore(slate_BK), {"value": value_B}

    def _value(self, observation: Observation) -> Tensor:
        """Return the value of the best slate, (B,)."""
        return self.values.best(self.learner.network, observation)[1]

    def update(self, transition: Transition) -> Tensors:
        """Collect one step; learn when the rollout is full."""
        self.learner.steps += 1
        rows = self.collector.add(transition)
        if rows is None:
            return {}
        read = {name: rows[name] for name in (*self.values.columns, "target")}
        epochs = range(self.settings.epochs)
        losses = [self._descend(batch) for _ in epochs for batch in self.learner.minibatches(read)]
        loss, value = torch.stack(losses).mean(dim=0)
        return {"train/loss": loss, "train/value": value / self.settings.reward_scale, **self.learner.schedules()}

    def _descend(self, batch: Tensors) -> Tensor:
        """Take one gradient step; return loss and mean value."""
        value_B = self.values.value(self.learner.network, batch)
        loss = self.learner.mean(0.5 * functional.mse_loss(value_B, batch["target"], reduction="none"))
        self.learner.descend(loss)
        return torch.stack([loss, self.learner.mean(value_B)]).detach()

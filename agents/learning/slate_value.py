"""What agents that learn the value of a slate share: targets from rollouts or replay, and a target network."""

import copy
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.learning.collector import ReturnCollector
from agents.learning.learner import Learner, LearnerSettings
from agents.learning.prioritised import PrioritisedReplay
from agents.learning.replay import Replay
from agents.learning.step_window import StepWindow
from agents.settings import check_at_least, check_shares, refuse
from agents.state import above, below, check_names, flat_module, load_module
from envs.interface import Metric, Observation, Spec, Tensors, Transition

OF_REPLAY = {"steps": 1, "updates": 1, "learning_starts": 0, "priority": 0.0}
"""Settings that only replay reads, and the value at which they do nothing."""


@dataclass(frozen=True, kw_only=True)
class SlateValueSettings(LearnerSettings):
    """Settings of agents that learn the value of a slate, from rollouts or with replay."""

    polyak: float = 0.02
    """Share of the online weights that flows into the target network at each gradient step."""
    double: bool = True
    """Choose the next slate with the online network and value it with the target network."""
    replay: int = 0
    """User-steps kept for replay, with n-step targets; 0 learns from each rollout once, with lambda-returns."""
    steps: int = 1
    """Steps of reward before the target bootstraps, with replay."""
    updates: int = 1
    """Gradient steps after each step of all users, with replay."""
    learning_starts: int = 0
    """User-steps to collect before the first gradient step, with replay."""
    priority: float = 0.0
    """Power of the error in the chance of a replayed row, in [0, 1]; 0 draws uniformly."""
    importance: float = 0.4
    """Power of the importance weights at first, in [0, 1], with a priority; it rises to 1 on a straight line."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        refuse(self, ("polyak",), "lies in (0, 1]", lambda value: 0 < value <= 1)
        check_at_least(self, 0, "replay", "learning_starts")
        check_at_least(self, 1, "steps", "updates")
        check_shares(self, "priority", "importance")
        if self.learning_starts > self.replay > 0:
            raise ValueError(f"learning_starts is {self.learning_starts}; it is at most replay, {self.replay}")
        for name, idle in OF_REPLAY.items():
            if not self.replay and getattr(self, name) != idle:
                raise ValueError(f"{name} is {getattr(self, name)}; it does something only with a replay above 0")


class SlateValues(Protocol):
    """How slates are valued. The network comes in, so that the target network can be asked too."""

    columns: tuple[str, ...]
    """Names of what a row keeps."""

    def row(self, observation: Observation, slate_BK: Tensor) -> Tensors:
        """Return what has to be kept of an observation for the value of a slate, (B, ...)."""

    def value(self, network: nn.Module, row: Tensors) -> Tensor:
        """Return Q(s, A) of the slate in a row, (B,), with gradients."""

    def best(self, network: nn.Module, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the slate of highest value out of the candidates on offer (B, K), and its value (B,)."""


class SlateValueAgent:
    """Move the value of the shown slate towards what it earned and the value of the best slate next.

    Equation:
        Q(s, A) moves under Huber loss towards the lambda-return of a rollout or, with replay, the n-step return
        R + D V(s'), each with V(s) = Q_target(s, argmax_A Q_online(s, A)); without ``double``, max_A Q_target(s, A).

    Args:
        spec: sizes of the environment.
        settings: the agent's.
        learner: the online network and its optimiser.
        values: how the network values slates.
        num_users: B, users of one seed.

    Raises:
        ValueError: the replay holds less than one step of all users.
    """

    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "scaled reward squared", "lower", "Huber loss of the slate's value"),
        Metric("train/value", "reward", "higher", "mean value of the slates learnt from"),
        Metric("train/learning_rate", "", "neither", "Adam's step size"),
        Metric("rollout/exploration_rate", "share", "neither", "users who get a random slate"),
    )
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    MANY_SEEDS: ClassVar[bool] = True

    def __init__(
        self, spec: Spec, settings: SlateValueSettings, learner: Learner, values: SlateValues, num_users: int
    ) -> None:
        if 0 < settings.replay < num_users:
            raise ValueError(f"replay is {settings.replay}, but each step brings {num_users} rows; make it 0 or larger")
        self.spec, self.settings, self.learner, self.values = spec, settings, learner, values
        self.target = copy.deepcopy(learner.network).requires_grad_(False)
        self.collector = ReturnCollector(learner, self._bootstrap, self._row)
        self.window = StepWindow(settings.steps)
        self.replay = self._ring() if settings.replay else None

    def _ring(self) -> Replay:
        settings, streams = self.settings, self.learner.streams
        if settings.priority:
            return PrioritisedReplay(settings.replay, settings.priority, streams)
        return Replay(settings.replay, streams)

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the slates of highest value, (B, K)."""
        if explore:
            return self.choose(observation)[0]
        return self.values.best(self.learner.steady_network, observation)[0]

    @torch.no_grad()
    def choose(self, observation: Observation) -> tuple[Tensor, Tensors]:
        """Return the best slates, for some users random ones, (B, K), and for rollouts ``value`` (B,) of the best."""
        slate_BK = self._greedy(observation)
        notes = {} if self.replay is not None else {"value": self._worth(observation, slate_BK)}
        return self.learner.explore(slate_BK), notes

    def _greedy(self, observation: Observation) -> Tensor:
        """Return the slates of highest value by the online network, (B, K), before any is drawn at random."""
        return self.values.best(self.learner.network, observation)[0]

    def _worth(self, observation: Observation, slate_BK: Tensor) -> Tensor:
        """Return V of states for which the online network chooses this slate, (B,)."""
        if not self.settings.double:
            return self.values.best(self.target, observation)[1]
        return self.values.value(self.target, self.values.row(observation, slate_BK))

    @torch.no_grad()
    def _bootstrap(self, observation: Observation) -> Tensor:
        """Return V of states, (B,)."""
        return self._worth(observation, self.values.best(self.learner.network, observation)[0])

    def _row(self, transition: Transition) -> Tensors:
        """Return what is kept of a step for the value of its slate, (B, ...)."""
        return self.values.row(transition.observation, transition.slate)

    def update(self, transition: Transition) -> Tensors:
        """Learn: from a full rollout, or with replay from samples at every step."""
        self.learner.steps += 1
        learnt = self._from_rollout(transition) if self.replay is None else self._from_replay(transition, self.replay)
        if not learnt:
            return {}
        means = {name: torch.stack([batch[name] for batch in learnt]).mean(dim=0) for name in learnt[0]}
        return means | self.learner.schedules()

    def _from_rollout(self, transition: Transition) -> list[Tensors]:
        rows = self.collector.add(transition)
        if rows is None:
            return []
        read = {name: rows[name] for name in (*self.values.columns, "target")}
        return [self._descend(batch) for batch in self.learner.minibatches(read)]

    def _from_replay(self, transition: Transition, replay: Replay) -> list[Tensors]:
        step = {
            **self._row(transition),
            "reward": transition.reward * self.settings.reward_scale,
            "discount": transition.discount * self.settings.discount,
            "last": transition.last,
            **above("next", {name: transition.next_observation[name] for name in self.learner.reader.keys}),
        }
        row = self.window.add(step)
        if row is not None:
            replay.add(row)
        if len(replay) < max(self.settings.learning_starts, 1):
            return []
        return [self._descend(self._sample(replay)) for _ in range(self.settings.updates)]

    def _sample(self, replay: Replay) -> Tensors:
        """Return replayed rows with their targets."""
        number = self.settings.minibatch
        if isinstance(replay, PrioritisedReplay):
            first = self.settings.importance
            batch = replay.draw(number, first + (1 - first) * self.learner.progress)
        else:
            batch = replay.sample(number)
        if self.settings.discount == 0:
            return batch | {"target": batch["reward"]}
        return batch | {"target": batch["reward"] + batch["discount"] * self._bootstrap(below("next", batch))}

    def _descend(self, batch: Tensors) -> Tensors:
        """Take one gradient step; return loss and mean value."""
        value_B = self.values.value(self.learner.network, batch)
        error_B = functional.smooth_l1_loss(value_B, batch["target"], reduction="none")
        if "weight" in batch:
            error_B = error_B * batch["weight"]
        losses = {"train/loss": self.learner.mean(error_B), **self._further_losses(batch)}
        self.learner.descend(torch.stack(list(losses.values())).sum(dim=0))
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.learner.network.parameters(), strict=True):
                slow.lerp_(fast, self.settings.polyak)
            if isinstance(self.replay, PrioritisedReplay):
                self.replay.rank(batch["place"], (value_B - batch["target"]).abs())
        value = self.learner.mean(value_B.detach()) / self.settings.reward_scale
        return {name: loss.detach() for name, loss in losses.items()} | {"train/value": value}

    def _further_losses(self, batch: Tensors) -> Tensors:
        """Return what else is descended together with the value's loss, by the name under which it is logged."""
        return {}

    def state_dict(self) -> Tensors:
        """Return both networks, moments, what was collected, the step count and the random stream."""
        if self.replay is None:
            held = above("rollout", self.collector.state_dict())
        else:
            held = above("rollout", self.window.state_dict()) | above("replay", self.replay.state_dict())
        return self.learner.state_dict() | flat_module("target", self.target) | held

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's.
        """
        names = ("steps", "generator", *self._names(tensors))
        check_names(tensors, names, ("network", "averaged", "optimizer", "target", "rollout"))
        self.learner.load_state_dict(tensors)
        load_module("target", self.target, tensors)
        collected = below("rollout", tensors)
        if self.replay is None:
            self.collector.load_state_dict(collected)
        else:
            self.window.load_state_dict(collected, self.learner.device, begun=int(tensors["replay.added"]) > 0)
            self.replay.load_state_dict(below("replay", tensors))

    def _names(self, tensors: Tensors) -> tuple[str, ...]:
        """Return what a saved state holds of a replay: its columns only once there are rows."""
        if self.replay is None:
            return ()
        own = tuple(f"replay.{name}" for name in self.replay.state_dict() if not name.startswith("rows."))
        if not int(tensors.get("replay.added", torch.tensor(0))):
            return (*own, "rollout.held")
        following = tuple(f"next.{name}" for name in self.learner.reader.keys)
        columns = (*self.values.columns, "reward", "discount", *following)
        return (*own, "rollout.held", *(f"replay.rows.{name}" for name in columns))

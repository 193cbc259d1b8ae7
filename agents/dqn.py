"""Action-in DQN over items: Q(s, i) from user and item features, slates of the K highest."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from agents.learner import Learner, LearnerSettings
from agents.replay import Replay
from agents.returns import ReturnCollector
from agents.state import above, below, check_names, flat_module, load_module
from agents.streams import Streams
from envs.interface import Metric, Observation, Spec, Tensors, Transition
from envs.slates import top_k


@dataclass(frozen=True, kw_only=True)
class DQNSettings(LearnerSettings):
    """Settings of DQN."""

    polyak: float = 0.02
    """Share of the online weights that flows into the target network at each gradient step."""
    double: bool = True
    """Choose the next slate with the online network and value it with the target network."""
    replay: int = 0
    """User-steps kept for replay with one-step targets; 0 learns from each rollout once, with lambda-returns."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        if not 0 < self.polyak <= 1:
            raise ValueError(f"polyak is {self.polyak}; it lies in (0, 1]")
        if self.replay < 0:
            raise ValueError(f"replay is {self.replay}; it is at least 0")


class DQN:
    """Learn the value of a slate as the mean of its items' values; the best slate is then the K highest items.

    Equation:
        Q(s, A) = 1/K sum_{i in A} Q(s, i), moved under Huber loss towards the lambda-return with
        V(s) = Q_target(s, top-K of Q_online(s, .)).
    Source:
        Mnih et al. 2015; double: van Hasselt et al. 2016, arXiv 1509.06461; additive over the slate as the value
        decomposition of Sunehag et al. 2018, arXiv 1706.05296; parallel users as Gallici et al. 2024, arXiv 2407.04811.
    Deviation:
        The action's features go in, so that candidate sets may change; masks are not needed, since the slate is taken
        from the candidates on offer.
    """

    Settings: ClassVar[type[DQNSettings]] = DQNSettings
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    MANY_SEEDS: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "scaled reward squared", "lower", "Huber loss of the slate's value"),
        Metric("train/value", "reward", "higher", "mean value of the slates learnt from"),
        Metric("train/learning_rate", "", "neither", "Adam's step size"),
        Metric("rollout/exploration_rate", "share", "neither", "users who get a random slate"),
    )

    def __init__(
        self,
        spec: Spec,
        settings: DQNSettings,
        *,
        device: torch.device,
        seed: int | Sequence[int],
        num_users: int,
        num_steps: int,
    ) -> None:
        if 0 < settings.replay < num_users:
            raise ValueError(f"replay is {settings.replay}, but each step brings {num_users} rows; make it 0 or larger")
        self.spec, self.settings = spec, settings
        streams = Streams(seed, device)
        self.learner = Learner(spec, settings, num_heads=1, num_state_heads=1, num_steps=num_steps, streams=streams)
        self.target = copy.deepcopy(self.learner.network).requires_grad_(False)
        self.collector = ReturnCollector(self.learner, lambda observation: self._plan(observation)[1])
        self.replay = Replay(settings.replay, streams) if settings.replay else None
        self._value_B: Tensor | None = None

    def act(self, observation: Observation, explore: bool) -> Tensor:
        """Return the slates of the K highest values, (B, K)."""
        if not explore:
            return top_k(self._values(self.learner.network, observation), self.spec.slate_size)
        slate_BK, self._value_B = self._plan(observation)
        return self.learner.explore(slate_BK)

    @torch.no_grad()
    def _values(self, network: torch.nn.Module, observation: Observation) -> Tensor:
        """Return Q of every candidate, (B, M)."""
        out_B1M, state_B1 = network(self.learner.inputs.user(observation), *self.learner.inputs(observation))
        values_BM: Tensor = out_B1M[:, 0] + state_B1
        return values_BM

    def _plan(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the greedy slate (B, K) and its value by the target network (B,)."""
        online_BM = self._values(self.learner.network, observation)
        target_BM = self._values(self.target, observation)
        slate_BK = top_k(online_BM, self.spec.slate_size)
        valued_BK = slate_BK if self.settings.double else top_k(target_BM, self.spec.slate_size)
        return slate_BK, target_BM.gather(1, valued_BK).mean(dim=1)

    def update(self, transition: Transition) -> Tensors:
        """Learn: from a full rollout, or with replay from a sample at every step."""
        batches = self._rollout_batches(transition) if self.replay is None else self._replayed(transition, self.replay)
        self.learner.steps += 1
        losses = [self._descend(batch) for batch in batches]
        if not losses:
            return {}
        loss, value = torch.stack(losses).mean(dim=0)
        return {"train/loss": loss, "train/value": value / self.settings.reward_scale, **self.learner.schedules()}

    def _rollout_batches(self, transition: Transition) -> list[Tensors]:
        # Each value serves one step: a slate that this agent did not choose is valued by the collector.
        value_B, self._value_B = self._value_B, None
        rows = self.collector.add(transition, value_B)
        if rows is None:
            return []
        return list(self.learner.minibatches(rows))

    def _replayed(self, transition: Transition, replay: Replay) -> list[Tensors]:
        features, ids = self.learner.inputs(transition.observation, transition.slate)
        row = {
            "user": self.learner.inputs.user(transition.observation),
            "features": features,
            "reward": transition.reward * self.settings.reward_scale,
            "discount": transition.discount * self.settings.discount,
            **above("next", {name: transition.next_observation[name] for name in self.learner.inputs.keys}),
        }
        replay.add(row if ids is None else row | {"ids": ids})
        batch = replay.sample(self.settings.minibatch)
        _, value_B = self._plan(below("next", batch))
        return [batch | {"target": batch["reward"] + batch["discount"] * value_B}]

    def _descend(self, batch: Tensors) -> Tensor:
        """Take one gradient step; return loss and mean value."""
        out_B1K, state_B1 = self.learner.network(batch["user"], batch["features"], batch.get("ids"))
        value_B = (out_B1K[:, 0] + state_B1).mean(dim=1)
        loss = self.learner.mean(functional.smooth_l1_loss(value_B, batch["target"], reduction="none"))
        self.learner.descend(loss)
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.learner.network.parameters(), strict=True):
                slow.lerp_(fast, self.settings.polyak)
        return torch.stack([loss, self.learner.mean(value_B)]).detach()

    def state_dict(self) -> Tensors:
        """Return both networks, moments, what was collected, the step count and the random stream."""
        held = above("rollout", self.collector.state_dict())
        if self.replay is not None:
            held |= above("replay", self.replay.state_dict())
        return self.learner.state_dict() | flat_module("target", self.target) | held

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's.
        """
        names = ("steps", "generator") if self.replay is None else ("steps", "generator", "replay.added")
        prefixes = ("network", "optimizer", "target", "rollout" if self.replay is None else "replay")
        check_names(tensors, names, prefixes)
        self.learner.load_state_dict(tensors)
        load_module("target", self.target, tensors)
        self._value_B = None
        self.collector.load_state_dict(below("rollout", tensors))
        if self.replay is not None:
            self.replay.load_state_dict(below("replay", tensors))

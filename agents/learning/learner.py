"""What gradient-trained agents share: network, optimiser with a falling step size, exploration, saving.

Several seeds can be trained at once: rows of S seeds stand one seed after the other, (S B, ...), every weight has a
leading axis S, and nothing of one seed reaches another.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from agents.learning.exploration import EpsilonSchedule, epsilon_greedy
from agents.learning.rollout import minibatches
from agents.networks.reader import Reader
from agents.networks.scoring import NETWORKS, build_network
from agents.networks.trackers import TRACKERS
from agents.settings import check_above_zero, check_at_least, check_shares, refuse
from agents.state import check_shapes, flat_module, flat_optimizer, load_module, load_optimizer
from agents.streams import Streams
from envs.interface import Spec, Tensors


@dataclass(frozen=True, kw_only=True)
class GradientSettings:
    """Settings of every gradient-trained agent, however it explores and whatever it calls its discount."""

    trace: float = 0.9
    """Lambda of the returns, in [0, 1]."""
    rollout: int = 8
    """Steps of all users between updates."""
    minibatch: int = 1024
    """User-steps in one gradient step."""
    learning_rate: float = 5e-3
    """Step size of the optimiser at first; it falls to 0 on a straight line."""
    network: str = "two_tower"
    """What scores the candidates: ``two_tower``, ``feature_heads`` or ``action_in``."""
    hidden: int = 128
    """Width of the hidden layers."""
    embedding: int = 16
    """Width of the learnt embedding of an item's id, where ids are observed."""
    history: str = "none"
    """What is read of the session so far: ``none``, ``totals`` of its events, or also the last of them one by one by a
    ``gru`` or by ``attention``."""
    history_length: int = 16
    """Events that are read one by one."""
    reward_scale: float = 0.1
    """Factor on rewards inside the learner, so that values are around 1."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    average: float = 0.0
    """Share that stays, at each gradient step, of the running mean of the weights which slates without exploration are
    made with; 0 uses the latest weights."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_shares(self, "trace")
        refuse(self, ("average",), "lies in [0, 1)", lambda value: 0 <= value < 1)
        if self.network not in NETWORKS:
            raise ValueError(f'unknown network "{self.network}" (known: {", ".join(NETWORKS)})')
        if self.history not in ("none", *TRACKERS):
            raise ValueError(f'unknown history "{self.history}" (known: none, {", ".join(TRACKERS)})')
        check_above_zero(self, "learning_rate", "reward_scale", "max_gradient_norm")
        check_at_least(self, 1, "rollout", "minibatch", "embedding", "history_length")
        check_at_least(self, 2, "hidden")


@dataclass(frozen=True, kw_only=True)
class LearnerSettings(GradientSettings):
    """Settings of agents that learn values, with a discount and random slates to explore."""

    discount: float = 0.98
    """Gamma in [0, 1]; 0 learns the myopic model, 1 suits sessions that end."""
    exploration: EpsilonSchedule = field(default_factory=EpsilonSchedule)
    """Share of random slates."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_shares(self, "discount")


class Learner:
    """A network that scores candidates, Adam with a step size that falls to zero, random streams and a step count.

    Args:
        spec: sizes of the environment.
        settings: the agent's.
        num_heads: outputs for each candidate.
        num_state_heads: outputs for the state alone.
        num_steps: updates after which the step size is zero.
        streams: sources of weights, exploration and minibatches, one a seed; they decide the device.
    """

    def __init__(
        self,
        spec: Spec,
        settings: LearnerSettings,
        *,
        num_heads: int,
        num_state_heads: int,
        num_steps: int,
        streams: Streams,
    ) -> None:
        self.settings, self.num_steps, self.streams = settings, num_steps, streams
        self.num_candidates = spec.num_candidates
        self.reader = Reader(spec, history=settings.history != "none")
        self.steps, self.descents = 0, 0
        self.use(
            build_network(
                settings.network,
                spec,
                self.reader,
                num_heads=num_heads,
                num_state_heads=num_state_heads,
                hidden=settings.hidden,
                embedding=settings.embedding,
                streams=streams,
                history=settings.history,
            )
        )

    def use(self, network: torch.nn.Module) -> None:
        """Learn the weights of this network, if it is to be another than one of `NETWORKS`; before the first step."""
        self.network = network
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(
            network.parameters(), lr=self.settings.learning_rate, fused=True
        )
        self.averaged = copy.deepcopy(network).requires_grad_(False) if self.settings.average else None

    @property
    def device(self) -> torch.device:
        """Where everything is."""
        return self.streams.device

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return min(self.steps / max(self.num_steps, 1), 1.0)

    @property
    def epsilon(self) -> float:
        """Share of users who get a random slate now."""
        return self.settings.exploration(self.progress)

    @property
    def learning_rate(self) -> float:
        """Adam's step size now."""
        return self.settings.learning_rate * (1.0 - self.progress)

    @property
    def steady_network(self) -> torch.nn.Module:
        """The network that slates are chosen with where nothing is explored: the mean of its weights, or the latest.

        Source:
            Polyak and Juditsky 1992; as a running mean, Izmailov et al. 2018, arXiv 1803.05407, section 3.
        """
        return self.network if self.averaged is None else self.averaged

    def explore(self, slate_BK: Tensor) -> Tensor:
        """Give some users random slates, (B, K)."""
        return epsilon_greedy(slate_BK, self.num_candidates, self.epsilon, self.streams)

    def minibatches(self, rows: Tensors) -> Iterator[Tensors]:
        """Yield the rows (N, ...) in random order, `minibatch` of each seed at a time."""
        return minibatches(rows, self.settings.minibatch, self.streams)

    def mean(self, values_B: Tensor, weights_B: Tensor | None = None) -> Tensor:
        """Return the mean over the rows of each seed, weighted if asked: a scalar of a single seed, else (S,)."""
        if weights_B is None:
            means_S = values_B.reshape(len(self.streams), -1).mean(dim=1)
        else:
            weights_SB = weights_B.reshape(len(self.streams), -1)
            total_S = (values_B.reshape(len(self.streams), -1) * weights_SB).sum(dim=1)
            means_S = total_S / weights_SB.sum(dim=1).clamp(min=1e-6)
        return means_S.squeeze(0) if len(means_S) == 1 else means_S

    def descend(self, loss: Tensor) -> None:
        """Take one gradient step.

        Args:
            loss: a `mean` over rows; the weights of a seed see that seed's alone.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate
        self.optimizer.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self._clip_gradients()
        self.optimizer.step()
        self._average()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the mean of the weights; early on over as many steps as there are, so that the start is forgotten."""
        if self.averaged is None:
            return
        self.descents += 1
        kept = min(self.settings.average, (self.descents - 1) / (self.descents + 9))
        for mean, latest in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(latest, 1.0 - kept)

    def _clip_gradients(self) -> None:
        """Scale the gradients of each seed down to `max_gradient_norm`."""
        limit, parameters = self.settings.max_gradient_norm, list(self.network.parameters())
        if len(self.streams) == 1:
            torch.nn.utils.clip_grad_norm_(parameters, limit)
            return
        gradients = [weights.grad for weights in parameters if weights.grad is not None]
        squares_S = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0)
        factor_S = (limit / (squares_S.sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor_S.view(-1, *[1] * (gradient.dim() - 1)))

    def schedules(self) -> Tensors:
        """Return step size and exploration for the log."""
        rates = {"train/learning_rate": self.learning_rate, "rollout/exploration_rate": self.epsilon}
        return {name: torch.tensor(rate) for name, rate in rates.items()}

    def state_dict(self) -> Tensors:
        """Return weights, moments, step count and random streams."""
        averaged = {}
        if self.averaged is not None:
            averaged = flat_module("averaged", self.averaged) | {"averaged.descents": torch.tensor(self.descents)}
        return {
            **averaged,
            **flat_module("network", self.network),
            **flat_optimizer("optimizer", self.optimizer),
            "steps": torch.tensor(self.steps),
            "generator": self.streams.state(),
        }

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: the weights have other shapes.
        """
        load_module("network", self.network, tensors)
        if self.averaged is not None:
            check_shapes(tensors, {"averaged.descents": torch.tensor(0)})
            weights = {name: value for name, value in tensors.items() if name != "averaged.descents"}
            load_module("averaged", self.averaged, weights)
            self.descents = int(tensors["averaged.descents"])
        load_optimizer("optimizer", self.optimizer, tensors)
        self.steps = int(tensors["steps"])
        self.streams.restore(tensors["generator"])

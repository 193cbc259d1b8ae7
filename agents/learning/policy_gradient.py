"""What agents share that learn a Plackett-Luce policy over slates from their own rollouts."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.learning.exploration import EpsilonSchedule
from agents.learning.learner import GradientSettings, Learner, LearnerSettings
from agents.learning.offers import Offers, read_offer
from agents.learning.plackett_luce import entropy, sample_slate
from agents.learning.rollout_agent import RolloutAgent
from agents.settings import check_at_least, check_shares
from agents.state import below, check_names
from agents.streams import Streams
from envs.interface import Metric, Observation, Tensors, Transition
from envs.slates import top_k

SHIFT_WEIGHT = 1e-3
"""Weight of the squared log of the softmax's denominator. A number added to all logits of a row changes no chance, so
that without it nothing but rounding would move the network's biases, and Adam makes whole steps of that."""


@dataclass(frozen=True, kw_only=True)
class PolicySettings(GradientSettings):
    """Settings of agents that learn a policy from their own rollouts."""

    gamma: float = 0.99
    """Discount of a step, in [0, 1]; not called discount, since a twin could not learn from another's slates."""
    rollout: int = 4
    learning_rate: float = 2e-3
    epochs: int = 1
    """Passes over the rollout in each update."""
    entropy: float = 0.01
    """Weight of the entropy of the softmax over the candidates, in nats; it keeps slates varied."""
    value_weight: float = 0.5
    """Weight of the loss of the learnt value of a state."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_shares(self, "gamma")
        check_at_least(self, 1, "epochs")
        check_at_least(self, 0, "entropy", "value_weight")

    def of_learner(self) -> LearnerSettings:
        """Return those of a learner: the shared ones, gamma as its discount, and no random slates."""
        shared = {field.name: getattr(self, field.name) for field in dataclasses.fields(GradientSettings)}
        never = EpsilonSchedule(start=0.0, end=0.0)
        return LearnerSettings(**shared, discount=self.gamma, exploration=never)


class PolicyAgent(RolloutAgent):
    """Draw slates from a Plackett-Luce policy, and learn policy and value from rollouts of the agent's own slates.

    The network has one head for candidates, the logits of the policy, and one for the state, its value V. Returns are
    lambda-returns G_t; G_t - V(s_t) is the generalised advantage estimate (Schulman et al. 2016, arXiv 1506.02438).
    Where time ran out, V of the final observation stands for what would have followed.

    A subclass says how likely the slots of a slate are, `log_probabilities`, and what is minimised, `policy_loss`.
    """

    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "scaled advantage", "lower", "what is minimised for the policy"),
        Metric("train/value_loss", "scaled reward squared", "lower", "Huber loss of the value of states"),
        Metric("train/entropy", "nats", "neither", "entropy of the first slot's softmax over the candidates"),
        Metric("train/capped", "share", "neither", "steps reused at a weight that was cut"),
        Metric("train/value", "reward", "higher", "mean value of the states learnt from"),
        Metric("train/learning_rate", "", "neither", "Adam's step size"),
    )
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    MANY_SEEDS: ClassVar[bool] = True
    STOCHASTIC: ClassVar[bool] = True

    settings: PolicySettings

    def _build(self, num_steps: int, streams: Streams) -> Learner:
        """Return a network with one head for candidates, the logits, and one for the state."""
        self.offers, settings = Offers(streams), self.settings.of_learner()
        return Learner(self.spec, settings, num_heads=1, num_state_heads=1, num_steps=num_steps, streams=streams)

    def log_probabilities(self, logits_BM: Tensor, slate_BK: Tensor) -> Tensor:
        """Return a log-probability for each slot of a slate, (B, K)."""
        raise NotImplementedError

    def policy_loss(self, batch: Tensors, log_probs_BK: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is minimised for the policy (B,), and whether the weight of a step was cut (B,).

        Args:
            batch: ``response`` (B, K, R), ``advantage`` (B,), and ``log_probs`` (B, K) of when the slate was drawn.
            log_probs_BK: the same by the policy of now, with gradients.
        """
        raise NotImplementedError

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return slates drawn from the policy if exploring, else those of the K highest logits, (B, K)."""
        if explore:
            return self.choose(observation)[0]
        return top_k(self._read(observation, self.learner.steady_network)[0], self.spec.slate_size)

    def choose(self, observation: Observation) -> tuple[Tensor, Tensors]:
        """Return slates drawn from the policy (B, K), ``value`` (B,) of the state and ``log_probs`` (B, K) of slots."""
        logits_BM, value_B = self._read(observation, self.learner.network)
        slate_BK = sample_slate(logits_BM, self.spec.slate_size, self.learner.streams)
        return slate_BK, {"value": value_B, "log_probs": self.log_probabilities(logits_BM, slate_BK)}

    def _value(self, observation: Observation) -> Tensor:
        """Return the value of the state, (B,)."""
        return self._read(observation, self.learner.network)[1]

    @torch.no_grad()
    def _read(self, observation: Observation, network: nn.Module) -> tuple[Tensor, Tensor]:
        """Return the logits of the candidates (B, M) and the value of the state (B,)."""
        reader = self.learner.reader
        return self._score(network, reader.user(observation), read_offer(reader, observation))

    def _score(self, network: nn.Module, user_BU: Tensor, offer: Tensors) -> tuple[Tensor, Tensor]:
        out_B1M, value_B1 = network(user_BU, offer["features"], offer.get("ids"))
        return out_B1M[:, 0], value_B1[:, 0]

    def _row(self, transition: Transition) -> Tensors:
        """Return what the rollout keeps of a step beside the candidates."""
        observation, slate_BK = transition.observation, transition.slate
        log_probs_BK = transition.notes.get("log_probs")
        if log_probs_BK is None:
            # A slate that this agent did not choose is taken as one of its own.
            log_probs_BK = self.log_probabilities(self._read(observation, self.learner.network)[0], slate_BK)
        return {"user": self.learner.reader.user(observation), "slate": slate_BK, "log_probs": log_probs_BK}

    def update(self, transition: Transition) -> Tensors:
        """Collect one step; learn when the rollout is full."""
        self.learner.steps += 1
        self.offers.add(read_offer(self.learner.reader, transition.observation))
        rows = self.collector.add(transition)
        if rows is None:
            return {}
        columns, shared = self.offers.take(len(transition.slate))
        rows |= columns | {"advantage": self._normal(rows["target"] - rows["value"])}
        batches = (batch for _ in range(self.settings.epochs) for batch in self.learner.minibatches(rows))
        loss, value_loss, nats, capped = torch.stack([self._descend(batch, shared) for batch in batches]).mean(dim=0)
        return {
            "train/loss": loss,
            "train/value_loss": value_loss,
            "train/entropy": nats,
            "train/capped": capped,
            "train/value": self.learner.mean(rows["value"]) / self.settings.reward_scale,
            "train/learning_rate": self.learner.schedules()["train/learning_rate"],
        }

    def _normal(self, advantage_N: Tensor) -> Tensor:
        """Give the advantages of each seed mean 0 and deviation 1."""
        advantage_SN = advantage_N.view(len(self.learner.streams), -1)
        deviation_S1, mean_S1 = torch.std_mean(advantage_SN, dim=1, keepdim=True, correction=0)
        return ((advantage_SN - mean_S1) / (deviation_S1 + 1e-6)).flatten()

    def _descend(self, batch: Tensors, shared: Tensors) -> Tensor:
        """Take one gradient step; return loss, value loss, entropy and the share of steps whose weight was cut."""
        rows = len(batch["target"])
        offer = {name: value.expand(rows, *value.shape[1:]) for name, value in shared.items()}
        logits_BM, value_B = self._score(self.learner.network, batch["user"], batch | offer)
        mean, settings = self.learner.mean, self.settings
        loss_B, capped_B = self.policy_loss(batch, self.log_probabilities(logits_BM, batch["slate"]))
        loss, nats = mean(loss_B), mean(entropy(logits_BM))
        value_loss = mean(functional.smooth_l1_loss(value_B, batch["target"], reduction="none"))
        shift_loss = SHIFT_WEIGHT * mean(logits_BM.logsumexp(dim=1).square())
        self.learner.descend(loss + settings.value_weight * value_loss - settings.entropy * nats + shift_loss)
        return torch.stack([loss, value_loss, nats, mean(capped_B.to(loss.dtype))]).detach()

    def state_dict(self) -> Tensors:
        """Return weights, moments, the rollout so far, the step count and the random stream."""
        return super().state_dict() | self.offers.state_dict()

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's.
        """
        check_names(tensors, ("steps", "generator"), ("network", "averaged", "optimizer", "rollout", "offer"))
        self.learner.load_state_dict(tensors)
        steps = {name: value for name, value in below("rollout", tensors).items() if not name.startswith("offer.")}
        self.collector.load_state_dict(steps)
        self.offers.load_state_dict(tensors)

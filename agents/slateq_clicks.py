"""SlateQ where several slots are clicked: choice by position, and a value for each further click on a kind."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from agents.learning.learner import Learner, LearnerSettings
from agents.learning.offers import read_offer
from agents.learning.rollout_agent import RolloutAgent
from agents.networks.click_sets import ClickSets, ClickValue
from agents.settings import check_above_zero, check_at_least
from agents.streams import Streams
from envs.interface import Metric, Observation, Tensors, Transition


@dataclass(frozen=True, kw_only=True)
class SlateQClicksSettings(LearnerSettings):
    """Settings of SlateQ over sets of clicks."""

    average: float = 0.99
    """As in `LearnerSettings`."""
    trace: float = 0.7
    """Lambda of the returns, in [0, 1]."""
    rollout: int = 16
    """Steps of all users between updates."""
    minibatch: int = 128
    """User-steps in one gradient step: many small ones, since the value has cliffs to learn."""
    learning_rate: float = 2e-3
    """Adam's step size at first; it falls to 0 on a straight line."""
    epochs: int = 2
    """Times that each rollout is gone through."""
    kinds: int = 16
    """Kinds of items whose clicks are counted; which item is of which is learnt."""
    choice_weight: float = 1.0
    """Weight of the choice model's cross-entropy."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_at_least(self, 1, "epochs", "kinds")
        check_above_zero(self, "choice_weight")


class SlateQClicks(RolloutAgent):
    """Rank slates by the long-term value of all that the user will click in them.

    Equation:
        Q(s, A) = E_C F(s, C) over the sets C of clicks, each slot clicked with the chance sigmoid(a_i) sigmoid(e_k);
        F(s, C) = V(s) + sum over kinds p of sum_{j = 1..N_p} d_pj(s), N_p the clicks on items of kind p, in the mean
        over the kinds of the clicked items. F of what was clicked moves towards the lambda-return, with V(s') = Q of
        the slate planned for s'. Of a single click V + d_p1 is SlateQ's Q(s, i), of items by kind, and V its value of
        no click.
    Source:
        Ie et al. 2019, arXiv 1905.12767, for single clicks; without replay and target network as Gallici et al. 2024,
        arXiv 2407.04811. Clicks by position: Craswell et al. 2008.
    Deviation:
        The paper decomposes a slate's value into values of single items, which cannot tell the fifth click on one topic
        from the first. Clicks of different slots are taken as independent: where at most one slot is clicked, SlateQ
        plans better. What clicks on one kind do to the worth of another is left out. Slates are filled greedily, the
        most examined slot first, also where every item left would do harm.
    """

    Settings: ClassVar[type[SlateQClicksSettings]] = SlateQClicksSettings
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    MANY_SEEDS: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "scaled reward squared", "lower", "Huber loss of the value of what the user clicked"),
        Metric("train/choice_loss", "nats", "lower", "cross-entropy of the learnt clicks of a slate"),
        Metric("train/value", "reward", "higher", "mean value of the planned slates"),
        Metric("train/learning_rate", "", "neither", "Adam's step size"),
        Metric("rollout/exploration_rate", "share", "neither", "users who get a random slate"),
    )

    settings: SlateQClicksSettings

    def _build(self, num_steps: int, streams: Streams) -> Learner:
        """Return a network of the chance of each click and of the value of sets of clicks."""
        spec, settings = self.spec, self.settings
        heads = {"num_heads": 1, "num_state_heads": spec.slate_size}
        learner = Learner(spec, settings, **heads, num_steps=num_steps, streams=streams)
        value = ClickValue(
            learner.reader,
            num_items=spec.num_items if learner.reader.has_ids else 0,
            kinds=settings.kinds,
            slate_size=spec.slate_size,
            history=settings.history,
            hidden=settings.hidden,
            embedding=settings.embedding,
            streams=streams,
        )
        learner.use(ClickSets(learner.network, value))
        return learner

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the planned slates, (B, K)."""
        return self.choose(observation)[0] if explore else self._plan(observation, self.learner.steady_network)[0]

    def choose(self, observation: Observation) -> tuple[Tensor, Tensors]:
        """Return planned slates, for some users random ones, (B, K), and the value of the planned, ``value`` (B,)."""
        slate_BK, value_B = self._plan(observation, self.learner.network)
        return self.learner.explore(slate_BK), {"value": value_B}

    def _value(self, observation: Observation) -> Tensor:
        """Return the value of the planned slate, (B,)."""
        return self._plan(observation, self.learner.network)[1]

    def _plan(self, observation: Observation, network: Any) -> tuple[Tensor, Tensor]:
        """Return slates (B, K) and their values (B,)."""
        reader, seeds = self.learner.reader, len(self.learner.streams)
        offer = read_offer(reader, observation)
        planned: tuple[Tensor, Tensor] = network.plan(
            reader.user(observation), offer["features"], offer.get("ids"), seeds=seeds
        )
        return planned

    def update(self, transition: Transition) -> Tensors:
        """Collect one step; learn when the rollout is full."""
        self.learner.steps += 1
        rows = self.collector.add(transition)
        if rows is None:
            return {}
        epochs = range(self.settings.epochs)
        losses = [self._descend(batch) for _ in epochs for batch in self.learner.minibatches(rows)]
        value_loss, choice_loss = torch.stack(losses).mean(dim=0)
        return {
            "train/loss": value_loss,
            "train/choice_loss": choice_loss,
            "train/value": self.learner.mean(rows["value"]) / self.settings.reward_scale,
            **self.learner.schedules(),
        }

    def _descend(self, batch: Tensors) -> Tensor:
        """Take one gradient step; return the two losses."""
        clicks_BK = batch["response"][..., 0]
        logits_BK, value_B = self.learner.network(batch["user"], batch["features"], batch.get("ids"), clicks_BK)
        cross_BK = functional.binary_cross_entropy_with_logits(logits_BK, clicks_BK, reduction="none")
        choice_loss = self.learner.mean(cross_BK.sum(dim=1))
        value_loss = self.learner.mean(functional.smooth_l1_loss(value_B, batch["target"], reduction="none"))
        self.learner.descend(value_loss + self.settings.choice_weight * choice_loss)
        return torch.stack([value_loss, choice_loss]).detach()

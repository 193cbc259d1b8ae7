"""SlateQ with a learnt choice model and a learnt value of no click; with discount 0, the myopic model."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from agents.learning.learner import Learner, LearnerSettings
from agents.learning.rollout_agent import RolloutAgent
from agents.networks.matched_choice import MatchedChoice, match
from agents.settings import check_at_least
from agents.streams import Streams
from envs.choice import CHOICE_MODELS, ChoiceParameters, logit_weights
from envs.interface import Metric, Observation, Tensors, Transition
from envs.slates import SLATE_RULES, slate_value

CHOICE, VALUE, ANSWERS = 0, 1, 2
"""Heads of the network: choice logit, value, then one head for each response column beyond click and reward."""


TARGETS = ("q", "sarsa")


LEARNT = ("learnt", "learnt_by_match")
"""Choice models that are learnt: by a head of the network, or as a curve of the match of user and item alone."""
GIVEN = {name: model.weights for name, model in CHOICE_MODELS.items() if model.weights is not None}
"""Choice models that can be given, as weights."""


@dataclass(frozen=True, kw_only=True)
class SlateQSettings(LearnerSettings):
    """Settings of SlateQ."""

    average: float = 0.99
    """As in `LearnerSettings`; a single late set of weights plays up to a fifth worse than their mean."""
    slate: str = "optimal"
    """How a slate is made of weights and values: ``optimal``, ``greedy`` or ``top_k``."""
    target: Literal["q", "sarsa"] = "q"
    """What follows a step is valued by the best slate, or by the one that was shown, exploration included."""
    no_click_value: bool = True
    """Whether no click has a value that is learnt; without, its value is 0, as in the paper."""
    choice: str = "learnt"
    """The choice model planned with: ``learnt``; ``learnt_by_match``, as a curve of interest . features, for users who
    choose by nothing else; or one that is given, and exact if users are of that kind: ``multinomial_logit`` or
    ``multinomial_proportional``, with interest . features as the score of an item."""
    no_click_score: float = 1.0
    """Score of no click in a given choice model."""
    min_score: float = -1.0
    """The score that counts nothing in a given ``multinomial_proportional``."""
    choice_weight: float = 1.0
    """Weight of the choice model's cross-entropy."""
    answer_weight: float = 0.1
    """Weight of the loss that predicts the further response columns (such as stars) of the clicked item."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        for name, known in (("slate", SLATE_RULES), ("target", TARGETS), ("choice", (*LEARNT, *GIVEN))):
            if getattr(self, name) not in known:
                raise ValueError(f'{name} is "{getattr(self, name)}"; known are {", ".join(known)}')
        if self.choice == "multinomial_proportional" and not self.no_click_score > self.min_score:
            raise ValueError(f"no_click_score {self.no_click_score} has to be above min_score {self.min_score}")
        check_at_least(self, 0, "choice_weight", "answer_weight")
        if self.choice in LEARNT and self.choice_weight == 0:
            raise ValueError("choice_weight is 0; a learnt choice model needs it above 0, or give one (choice)")


class SlateQ(RolloutAgent):
    """Rank slates by the long-term value of what the user will do with them.

    Equation:
        Q(s, A) = sum_i P(i | s, A) Q(s, i) + P(no click | s, A) Q(s, no click). The value of what the user did moves
        towards the lambda-return, with V(s) = max over A of Q(s, A) found by Dinkelbach's optimal slates.
    Source:
        Ie et al. 2019, arXiv 1905.12767; without replay and target network as Gallici et al. 2024, arXiv 2407.04811.
    Deviation:
        The paper gives no click the value 0, which makes click probability the objective; here it is learnt
        (``no_click_value``). The choice model, a multinomial logit, is learnt from the same interaction unless one is
        given (``choice``), as in the paper.
    """

    Settings: ClassVar[type[SlateQSettings]] = SlateQSettings
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    MANY_SEEDS: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "scaled reward squared", "lower", "Huber loss of the value of what the user did"),
        Metric("train/choice_loss", "nats", "lower", "cross-entropy of the learnt choice model"),
        Metric("train/answer_loss", "squared", "lower", "squared error of the predicted answers of clicked items"),
        Metric("train/value", "reward", "higher", "mean value of the optimal slate"),
        Metric("train/learning_rate", "", "neither", "Adam's step size"),
        Metric("rollout/exploration_rate", "share", "neither", "users who get a random slate"),
    )

    settings: SlateQSettings

    def _build(self, num_steps: int, streams: Streams) -> Learner:
        """Return a network with a choice logit and a value of each item and of no click, and an item's answers."""
        self.num_answers, self._rule = len(self.spec.response_columns) - 2, SLATE_RULES[self.settings.slate]
        self._parameters = ChoiceParameters(min_score=self.settings.min_score)
        self._profile = self.spec.shapes["candidates"][-1]
        matched = self.settings.choice == "learnt_by_match"
        heads = {"num_heads": ANSWERS + self.num_answers - matched, "num_state_heads": 2 - matched}
        learner = Learner(self.spec, self.settings, **heads, num_steps=num_steps, streams=streams)
        if matched:
            learner.use(MatchedChoice(learner.network, self._profile, streams))
        return learner

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the optimal slates under the choice model and the values, (B, K)."""
        return self.choose(observation)[0] if explore else self._plan(observation, self.learner.steady_network)[0]

    def choose(self, observation: Observation) -> tuple[Tensor, Tensors]:
        """Return optimal slates, for some users random ones, (B, K), and what the state is worth, ``value`` (B,)."""
        options = self._options(observation, self.learner.network)
        slate_BK, value_B = self._rule(*options, self.spec.slate_size)
        slate_BK = self.learner.explore(slate_BK)
        if self.settings.target == "sarsa":
            weights_BM, values_BM, *no_click = options
            value_B = slate_value(weights_BM.gather(1, slate_BK), values_BM.gather(1, slate_BK), *no_click)
        return slate_BK, {"value": value_B}

    def _value(self, observation: Observation) -> Tensor:
        """Return the value of the best slate, (B,)."""
        return self._plan(observation, self.learner.network)[1]

    def _plan(self, observation: Observation, network: torch.nn.Module) -> tuple[Tensor, Tensor]:
        """Return the slates of highest value (B, K), and their values (B,)."""
        return self._rule(*self._options(observation, network), self.spec.slate_size)

    @torch.no_grad()
    def _options(self, observation: Observation, network: torch.nn.Module) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return choice weights and values of the candidates (B, M), and those of no click (B,)."""
        row = self.learner.reader.row(observation)
        out_BHM, state_B2 = network(row["user"], row["features"], row.get("ids"))
        values_BM, no_click_value_B = out_BHM[:, VALUE], state_B2[:, VALUE]
        if not self.settings.no_click_value:
            no_click_value_B = torch.zeros_like(no_click_value_B)
        if self.settings.choice in LEARNT:
            weights = logit_weights(out_BHM[:, CHOICE], state_B2[:, CHOICE], self._parameters)
        else:
            scores_BM = match(row["user"], row["features"], self._profile)
            no_click_B = torch.full_like(no_click_value_B, self.settings.no_click_score)
            weights = GIVEN[self.settings.choice](scores_BM, no_click_B, self._parameters)
        weights_BM, no_click_weight_B = weights
        return weights_BM, values_BM, no_click_weight_B, no_click_value_B

    def update(self, transition: Transition) -> Tensors:
        """Collect one step; learn when the rollout is full."""
        self.learner.steps += 1
        rows = self.collector.add(transition)
        if rows is None:
            return {}
        losses = [self._descend(batch) for batch in self.learner.minibatches(rows)]
        value_loss, choice_loss, answer_loss = torch.stack(losses).mean(dim=0)
        return {
            "train/loss": value_loss,
            "train/choice_loss": choice_loss,
            "train/answer_loss": answer_loss,
            "train/value": self.learner.mean(rows["value"]) / self.settings.reward_scale,
            **self.learner.schedules(),
        }

    def _descend(self, batch: Tensors) -> Tensor:
        """Take one gradient step; return the three losses."""
        out_BHK, state_B2 = self.learner.network(batch["user"], batch["features"], batch.get("ids"))
        clicks_BK = batch["response"][..., 0]
        chosen_B1 = torch.where(clicks_BK.any(dim=1), clicks_BK.argmax(dim=1), clicks_BK.shape[1]).unsqueeze(1)
        logits_BC = torch.cat([out_BHK[:, CHOICE], state_B2[:, CHOICE, None]], dim=1)
        values_BC = torch.cat([out_BHK[:, VALUE], state_B2[:, VALUE, None]], dim=1)
        mean = self.learner.mean
        choice_loss = mean(functional.cross_entropy(logits_BC, chosen_B1[:, 0], reduction="none"))
        error_B = functional.smooth_l1_loss(values_BC.gather(1, chosen_B1)[:, 0], batch["target"], reduction="none")
        value_loss = mean(error_B, None if self.settings.no_click_value else clicks_BK.amax(dim=1))
        answer_loss = self._answer_loss(out_BHK[:, ANSWERS:], batch["response"][..., 2:], clicks_BK)
        settings = self.settings
        choice_weight = settings.choice_weight if settings.choice in LEARNT else 0.0
        self.learner.descend(value_loss + choice_weight * choice_loss + settings.answer_weight * answer_loss)
        return torch.stack([value_loss, choice_loss, answer_loss]).detach()

    def _answer_loss(self, predicted_BAK: Tensor, answers_BKA: Tensor, clicks_BK: Tensor) -> Tensor:
        """Return the squared error of the predicted answers, averaged over clicked items."""
        if not self.num_answers:
            return self.learner.mean(predicted_BAK.new_zeros(len(predicted_BAK)))
        neutral_A = answers_BKA.new_tensor(self.spec.neutral_response[2:])
        error_BKA = predicted_BAK.transpose(1, 2) - (answers_BKA - neutral_A)
        return self.learner.mean(error_BKA.square().mean(dim=2), clicks_BK)


class SlateQGiven(SlateQ):
    """SlateQ that is told how users choose (``choice``), as in the paper: what learning it costs shows beside it."""

    def _build(self, num_steps: int, streams: Streams) -> Learner:
        """Return the network, if a choice model is given."""
        if self.settings.choice in LEARNT:
            raise ValueError(
                f"choice is {self.settings.choice}, but here the environment's own is given, where users choose by "
                f"interest . features: one of {', '.join(GIVEN)}; or take slateq, which learns it"
            )
        return super()._build(num_steps, streams)


@dataclass(frozen=True, kw_only=True)
class MyopicSettings(SlateQSettings):
    """Settings of the myopic model: those of SlateQ with discount 0."""

    discount: float = 0.0


class Myopic(SlateQ):
    """Rank slates by the reward they are expected to bring at once: SlateQ with discount 0."""

    Settings: ClassVar[type[SlateQSettings]] = MyopicSettings

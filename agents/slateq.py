"""SlateQ with a learnt choice model and a learnt value of no click; with discount 0, the myopic model."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from agents.exploration import EpsilonSchedule, epsilon_greedy
from agents.networks import ItemInputs, TwoTower
from agents.rollout import Rollout, minibatches
from agents.state import flat_module, flat_optimizer, load_module, load_optimizer
from agents.targets import lambda_returns
from envs.interface import Metric, Observation, Spec, Tensors, Transition
from envs.slates import optimal_slate

CHOICE, VALUE, ANSWERS = 0, 1, 2  # heads of the network; one answer head for each further response column


@dataclass(frozen=True, kw_only=True)
class SlateQSettings:
    """Settings of SlateQ."""

    discount: float = 0.98
    """Gamma in [0, 1); 0 learns the myopic model."""
    trace: float = 0.9
    """Lambda of the returns, in [0, 1]."""
    rollout: int = 8
    """Steps of all users between updates."""
    minibatch: int = 1024
    """User-steps in one gradient step."""
    learning_rate: float = 5e-3
    """Adam's step size at first; it falls to 0 on a straight line."""
    hidden: int = 128
    """Width of the hidden layers."""
    embedding: int = 16
    """Width of the learnt embedding of an item's id, where ids are observed."""
    reward_scale: float = 0.1
    """Factor on rewards inside the learner, so that values are around 1."""
    answer_weight: float = 0.1
    """Weight of the loss that predicts the further response columns (such as stars) of the clicked item."""
    choice_weight: float = 1.0
    """Weight of the choice model's cross-entropy."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    exploration: EpsilonSchedule = field(default_factory=EpsilonSchedule)
    """Share of random slates."""


class SlateQ:
    """Rank slates by the long-term value of what the user will do with them.

    Equation:
        Q(s, A) = sum_i P(i | s, A) Q(s, i) + P(no click | s, A) Q(s, no click); the value of what the user did moves
        towards the lambda-return with V(s) = max over A of Q(s, A), by Dinkelbach's optimal slates.
    Source:
        Ie et al. 2019, arXiv 1905.12767; without replay and target network as in Gallici et al. 2024, arXiv 2407.04811.
    Deviation:
        The paper gives no click the value 0, which makes click probability the objective; here it is learnt. The choice
        model (multinomial logit) is learnt from the same interaction.
    """

    Settings: ClassVar[type[SlateQSettings]] = SlateQSettings
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "squared reward", "lower", "Huber loss of the value of what the user did"),
        Metric("train/choice_loss", "nats", "lower", "cross-entropy of the learnt choice model"),
        Metric("train/answer_loss", "squared", "lower", "squared error of the predicted response of clicked items"),
        Metric("train/value", "reward", "higher", "mean value of the optimal slate"),
        Metric("train/learning_rate", "", "neither", "Adam's step size"),
        Metric("rollout/exploration_rate", "share", "neither", "users who get a random slate"),
    )

    def __init__(
        self,
        spec: Spec,
        settings: SlateQSettings,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        if not 0 <= settings.discount < 1:
            raise ValueError(f"discount is {settings.discount}; it lies in [0, 1)")
        self.spec, self.settings, self.num_steps = spec, settings, num_steps
        self.generator = torch.Generator(device).manual_seed(seed)
        self.inputs = ItemInputs(spec)
        self.num_answers = len(spec.response_columns) - 2
        self.network = TwoTower(
            user_width=spec.shapes["user"][0],
            item_width=self.inputs.width,
            num_items=spec.num_items if self.inputs.has_ids else 0,
            num_heads=ANSWERS + self.num_answers,
            num_state_heads=2,
            hidden=settings.hidden,
            embedding=settings.embedding,
            generator=self.generator,
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate, fused=True)
        self.rollout = Rollout(settings.rollout)
        self.steps = 0
        self._value_B: Tensor | None = None

    def act(self, observation: Observation, explore: bool) -> Tensor:
        """Return the optimal slates under the learnt choice and values, (B, K)."""
        slate_BK, value_B = self._plan(observation)
        if not explore:
            return slate_BK
        self._value_B = value_B
        epsilon = self.settings.exploration(self.steps / max(self.num_steps, 1))
        return epsilon_greedy(slate_BK, self.spec.num_candidates, epsilon, self.generator)

    @torch.no_grad()
    def _plan(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Return the optimal slate (B, K) and its value (B,)."""
        out_BHM, state_B2 = self.network(observation["user"], *self.inputs(observation))
        # Only ratios of weights matter: taking the largest logit off keeps them finite.
        logits_BM, no_click_B = out_BHM[:, CHOICE], state_B2[:, CHOICE]
        largest_B = torch.maximum(logits_BM.amax(dim=1), no_click_B)
        return optimal_slate(
            (logits_BM - largest_B.unsqueeze(1)).exp(),
            out_BHM[:, VALUE],
            (no_click_B - largest_B).exp(),
            state_B2[:, VALUE],
            self.spec.slate_size,
        )

    def update(self, transition: Transition) -> Tensors:
        """Collect one step; learn when the rollout is full."""
        features, ids = self.inputs(transition.observation, transition.slate)
        step = {
            "user": transition.observation["user"],
            "features": features,
            "response": transition.response,
            "reward": transition.reward * self.settings.reward_scale,
            "discount": transition.discount * self.settings.discount,
            "last": transition.last,
            "value": torch.zeros_like(transition.reward) if self._value_B is None else self._value_B,
            "final_value": self._final_value(transition, self.rollout.size + 1 == self.rollout.length),
        }
        if ids is not None:
            step["ids"] = ids
        self.rollout.add(step)
        self.steps += 1
        return self._learn(self.rollout.take()) if self.rollout.full else {}

    def _final_value(self, transition: Transition, end_of_rollout: bool) -> Tensor:
        """Return V of the next observation where no later `act` will give it: at a truncation or the rollout's end."""
        needed_B = transition.last & (transition.discount > 0)
        if self.settings.discount == 0 or not (end_of_rollout or bool(needed_B.any())):
            return torch.zeros_like(transition.reward)
        return self._plan(transition.next_observation)[1]

    def _learn(self, rollout: Tensors) -> Tensors:
        next_value_TB = torch.cat([rollout["value"][1:], rollout["final_value"][-1:]])
        next_value_TB = torch.where(rollout["last"], rollout["final_value"], next_value_TB)
        rollout["target"] = lambda_returns(
            rollout["reward"], rollout["discount"], next_value_TB, rollout["last"], self.settings.trace
        )
        names = ("user", "features", "response", "target", "ids")
        rows = {name: rollout[name].flatten(0, 1) for name in names if name in rollout}
        progress = self.steps / max(self.num_steps, 1)
        learning_rate = self.settings.learning_rate * max(1.0 - progress, 0.0)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        losses = [self._descend(batch) for batch in minibatches(rows, self.settings.minibatch, self.generator)]
        value, choice, answer = torch.stack(losses).mean(dim=0)
        return {
            "train/loss": value,
            "train/choice_loss": choice,
            "train/answer_loss": answer,
            "train/value": rollout["value"].mean() / self.settings.reward_scale,
            "train/learning_rate": torch.tensor(learning_rate),
            "rollout/exploration_rate": torch.tensor(self.settings.exploration(progress)),
        }

    def _descend(self, batch: Tensors) -> Tensor:
        """Take one gradient step; return the three losses."""
        settings = self.settings
        out_BHK, state_B2 = self.network(batch["user"], batch["features"], batch.get("ids"))
        clicks_BK = batch["response"][..., 0]
        clicked_B = clicks_BK.any(dim=1)
        slot_B = torch.where(clicked_B, clicks_BK.argmax(dim=1), clicks_BK.shape[1])
        logits = torch.cat([out_BHK[:, CHOICE], state_B2[:, CHOICE, None]], dim=1)
        values = torch.cat([out_BHK[:, VALUE], state_B2[:, VALUE, None]], dim=1)
        choice_loss = functional.cross_entropy(logits, slot_B)
        value_loss = functional.smooth_l1_loss(values.gather(1, slot_B[:, None])[:, 0], batch["target"])
        answer_loss = self._answer_loss(out_BHK[:, ANSWERS:], batch["response"][..., 2:], clicks_BK)
        loss = value_loss + settings.choice_weight * choice_loss + settings.answer_weight * answer_loss
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.max_gradient_norm)
        self.optimizer.step()
        return torch.stack([value_loss, choice_loss, answer_loss]).detach()

    def _answer_loss(self, predicted_BAK: Tensor, response_BKA: Tensor, clicks_BK: Tensor) -> Tensor:
        if not self.num_answers:
            return predicted_BAK.new_zeros(())
        neutral_A = response_BKA.new_tensor(self.spec.neutral_response[2:])
        error_BKA = predicted_BAK.transpose(1, 2) - (response_BKA - neutral_A)
        return (error_BKA.square().mean(dim=2) * clicks_BK).sum() / clicks_BK.sum().clamp(min=1)

    def state_dict(self) -> Tensors:
        """Return weights, moments, the rollout so far, the step count and the random stream."""
        return {
            **flat_module("network", self.network),
            **flat_optimizer("optimizer", self.optimizer),
            **{f"rollout.{name}": value for name, value in self.rollout.state_dict().items()},
            "steps": torch.tensor(self.steps),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`."""
        load_module("network", self.network, tensors)
        load_optimizer("optimizer", self.optimizer, tensors)
        start = "rollout."
        self.rollout.load_state_dict(
            {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
        )
        self.steps = int(tensors["steps"])
        self.generator.set_state(tensors["generator"].cpu())


@dataclass(frozen=True, kw_only=True)
class MyopicSettings(SlateQSettings):
    """Settings of the myopic model: those of SlateQ with discount 0."""

    discount: float = 0.0


class Myopic(SlateQ):
    """Rank slates by the reward they are expected to bring at once: SlateQ with discount 0."""

    Settings: ClassVar[type[SlateQSettings]] = MyopicSettings

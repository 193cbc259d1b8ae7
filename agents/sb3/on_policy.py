"""PPO and A2C of stable-baselines3, and what all agents share that learn from their own slates alone."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from torch import Tensor

from agents.sb3.shared import (
    STREAMS,
    FlatInputs,
    OwnRandomness,
    build_model,
    check_shared,
    held_rows,
    load_model_state,
    load_rows,
    logged,
    model_state,
    nothing_chosen,
    without_repeats,
)
from agents.settings import check_above_zero, check_at_least, check_shares
from agents.state import above, below, check_names, check_shapes
from envs.interface import Metric, Observation, Spec, Tensors, Transition

USER_STEPS = 2048
"""What PPO of stable-baselines3 learns from at once by default, with its default of one environment."""
COLUMNS = ("observations", "actions", "rewards", "episode_starts", "values", "log_probs")
"""What its rollout buffer holds before the returns are computed."""


@dataclass(frozen=True, kw_only=True)
class OnPolicySettings:
    """Settings that PPO and A2C share, with the names of stable-baselines3."""

    learning_rate: float = 3e-4
    """The optimiser's step size at first; it falls to 0 on a straight line."""
    n_steps: int | None = None
    """Slates of each user between updates; None: 2048 slates of all users together, at most the whole training."""
    gamma: float = 0.99
    """Discount a slate, in [0, 1]; not called discount, since a twin could not learn from another's slates."""
    gae_lambda: float = 0.95
    """Lambda of the advantages, in [0, 1]."""
    normalize_advantage: bool = True
    """Give the advantages of a minibatch mean 0 and deviation 1."""
    ent_coef: float = 0.0
    """Weight of the entropy."""
    vf_coef: float = 0.5
    """Weight of the value's squared error."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    net_arch: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers, the same for policy and value."""
    embedding: int = 16
    """Width of the learnt embedding of an item's id, where ids are observed."""
    norm_obs: bool = True
    """Give the numbers observed mean 0 and deviation 1, as VecNormalize does with a setting of this name."""
    reward_scale: float = 1.0
    """Factor on rewards inside the learner; values around 1 are learnt soonest, which VecNormalize would see to."""
    history: str = "none"
    """What is observed of the session so far: ``none``, its ``totals``, or also a ``window`` of its last slates."""
    history_length: int = 8
    """Slates in the window."""
    max_inputs: int = 4096
    """Numbers observed of a user above which an environment is refused."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_shared(self)
        check_shares(self, "gamma", "gae_lambda")
        check_at_least(self, 1, "n_steps")
        check_at_least(self, 0, "ent_coef", "vf_coef")


@dataclass(frozen=True, kw_only=True)
class SB3PPOSettings(OnPolicySettings):
    """Settings of PPO, with the names and defaults of stable-baselines3."""

    batch_size: int = 64
    """Rows of a minibatch."""
    n_epochs: int = 10
    """Passes over the rollout in each update."""
    clip_range: float = 0.2
    """How far the chance of an action may move from what it was, as a share of it."""
    clip_range_vf: float | None = None
    """How far a value may move, in units of the reward; None for any."""
    target_kl: float | None = None
    """Kullback-Leibler divergence, in nats, above 1.5 times which an update ends early; None for never."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_at_least(self, 2, "batch_size")
        check_at_least(self, 1, "n_epochs")
        check_above_zero(self, "clip_range", "clip_range_vf", "target_kl")


@dataclass(frozen=True, kw_only=True)
class SB3A2CSettings(OnPolicySettings):
    """Settings of A2C, with the names and defaults of stable-baselines3."""

    learning_rate: float = 7e-4
    n_steps: int | None = 5
    """Slates of each user between updates; None: 2048 slates of all users together, at most the whole training."""
    gae_lambda: float = 1.0
    normalize_advantage: bool = False
    use_rms_prop: bool = True
    """RMSprop instead of Adam."""
    rms_prop_eps: float = 1e-5
    """RMSprop's epsilon."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        super().__post_init__()
        check_above_zero(self, "rms_prop_eps")


class OnPolicy:
    """Drive an on-policy algorithm of stable-baselines3: `choose` samples from its policy, `update` fills its buffer.

    A slate is one action, or K of them where a subclass chooses it slot by slot.
    """

    NAME: ClassVar[str]
    BY_SLOT: ClassVar[bool] = False
    STOCHASTIC: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]]
    NEEDS: ClassVar[tuple[str, ...]] = ("candidates", "response")
    EXTRA_COLUMNS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        spec: Spec,
        settings: OnPolicySettings,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        self.spec, self.settings, self.num_users = spec, settings, num_users
        self.inputs = FlatInputs(spec, by_slot=self.BY_SLOT, limit=settings.max_inputs)
        self.actions = spec.slate_size if self.BY_SLOT else 1
        self.total = max(1, num_steps * num_users * self.actions)
        length = settings.n_steps or max(1, min(USER_STEPS // num_users, num_steps))
        if settings.normalize_advantage and length * self.actions * num_users < 2:
            raise ValueError("n_steps is 1 with one user; it is at least 2 there, for advantages to be normalised")
        arguments = dataclasses.asdict(settings) | {
            "n_steps": length * self.actions,
            "gamma": settings.gamma ** (1 / self.actions),
        }
        self.random = OwnRandomness(seed)
        with self.random.instead():
            self.model = build_model(self._algorithm(), self.inputs, self._space(), num_users, arguments)
        self.columns = (*COLUMNS, *self.EXTRA_COLUMNS)
        self.starts_B = torch.ones(num_users)

    def _algorithm(self) -> Any:
        """Return the class of stable-baselines3."""
        raise NotImplementedError

    def _space(self) -> spaces.Space[Any]:
        """Return the space of one action."""
        return spaces.MultiDiscrete([self.spec.num_candidates] * self.spec.slate_size)

    def _sample(self, observation: Observation, explore: bool) -> Tensors:
        """Return ``slate (B, K)`` and for its S actions ``actions (B, S, ·)``, ``values`` and ``log_probs (B, S)``."""
        flat_BX = self.inputs(observation, nothing_chosen(observation))
        policy = self.model.policy
        distribution, values_B1 = policy.get_distribution(flat_BX), policy.predict_values(flat_BX)
        # Exploration draws from our stream; the mode draws nothing.
        with self.random.instead():
            wanted_BK = distribution.get_actions(deterministic=not explore)
        logits_BKM = torch.stack([slot.logits for slot in distribution.distribution], dim=1)
        return {
            "slate": without_repeats(wanted_BK, logits_BKM),
            "actions": wanted_BK.unsqueeze(1),
            "values": values_B1,
            "log_probs": distribution.log_prob(wanted_BK).unsqueeze(1),
        }

    @torch.no_grad()
    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return slates sampled from the policy, or its likeliest, (B, K)."""
        return self._sample(observation, explore)["slate"].to(observation["candidates"].device)

    @torch.no_grad()
    def choose(self, observation: Observation) -> tuple[Tensor, Tensors]:
        """Return slates sampled from the policy (B, K), and note on the CPU what the buffer keeps of the choice."""
        chosen = self._sample(observation, explore=True)
        return chosen["slate"].to(observation["candidates"].device), chosen

    def update(self, transition: Transition) -> Tensors:
        """Put a step into the buffer of stable-baselines3; let it learn when that is full.

        Raises:
            ValueError: the step comes without notes, or with those of other slates.
        """
        chosen = transition.notes
        if not chosen or not torch.equal(chosen["slate"], transition.slate.cpu()):
            raise ValueError(
                f"{self.NAME} learns from its own slates alone: call choose(…), show the slates it returns, and hand "
                "that step with its notes to update"
            )
        self._add(transition, chosen)
        buffer = self.model.rollout_buffer
        if not buffer.full:
            return {}
        with torch.no_grad():
            following_B = self._value(transition.next_observation)
        buffer.compute_returns_and_advantage(last_values=following_B, dones=transition.last.cpu().numpy())
        with self.random.instead():
            self.model.train()
        # Only now, so that chances noted within a rollout are those that the update begins with.
        self.model.policy.features_extractor.see(torch.from_numpy(buffer.observations).view(-1, self.inputs.width))
        buffer.reset()
        return logged(self.model, self.METRICS)

    def _value(self, observation: Observation) -> Tensor:
        """Return the value of an observation, (B,)."""
        value_B1: Tensor = self.model.policy.predict_values(self.inputs(observation, nothing_chosen(observation)))
        return value_B1.squeeze(1)

    def _add(self, transition: Transition, chosen: Tensors) -> None:
        reward_B = transition.reward.cpu() * self.settings.reward_scale
        truncated_B = (transition.last & (transition.discount > 0)).cpu()
        if truncated_B.any():
            with torch.no_grad():
                final_B = self._value(transition.next_observation)
            reward_B = torch.where(truncated_B, reward_B + self.model.gamma * final_B, reward_B)
        slate_BK, none_B = chosen["slate"], torch.zeros(self.num_users)
        for index in range(self.actions):
            so_far_BS = slate_BK[:, :index]
            self.model.rollout_buffer.add(
                self.inputs(transition.observation, so_far_BS).numpy(),
                chosen["actions"][:, index].numpy(),
                (reward_B if index == self.actions - 1 else none_B).numpy(),
                (none_B if index else self.starts_B).numpy(),
                chosen["values"][:, index],
                chosen["log_probs"][:, index],
                **self._extra(so_far_BS),
            )
        self.model.num_timesteps += self.num_users * self.actions
        self.model._update_current_progress_remaining(self.model.num_timesteps, self.total)
        self.starts_B = transition.last.cpu().float()

    def _extra(self, so_far_BS: Tensor) -> dict[str, Any]:
        """Return what else the buffer keeps of an action."""
        return {}

    def state_dict(self) -> Tensors:
        """Return weights, moments, counters, random streams and the rollout so far."""
        buffer = self.model.rollout_buffer
        return {
            **model_state(self.NAME, self.model),
            **self.random.state_dict(),
            "starts": self.starts_B,
            **above("rollout", held_rows(buffer, self.columns, buffer.pos)),
        }

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's, or has other sizes.
        """
        names = (*STREAMS, "starts", f"{self.NAME}.steps", f"{self.NAME}.updates")
        check_names(tensors, names, ("policy", "optimizer", "rollout"))
        check_shapes(tensors, {"starts": self.starts_B})
        load_model_state(self.NAME, self.model, tensors)
        self.random.load_state_dict(tensors)
        self.starts_B = tensors["starts"].cpu()
        buffer = self.model.rollout_buffer
        buffer.reset()
        rows = below("rollout", tensors)
        load_rows(buffer, self.columns, rows, position=max((len(value) for value in rows.values()), default=0))


_SHARED = (
    Metric("train/value_loss", "scaled reward squared", "lower", "mean squared error of the value"),
    Metric("train/entropy_loss", "nats", "neither", "minus the mean entropy of the policy"),
    Metric("train/explained_variance", "share", "higher", "1 - variance of value errors over that of returns"),
    Metric("train/learning_rate", "", "neither", "the optimiser's step size"),
    Metric("train/n_updates", "", "neither", "passes over a rollout so far"),
)
PPO_METRICS = (
    Metric("train/loss", "", "lower", "policy, value and entropy loss of the last minibatch, weighted"),
    Metric("train/policy_gradient_loss", "", "lower", "clipped surrogate loss of the policy"),
    Metric("train/approx_kl", "nats", "neither", "how far the policy has moved in this update"),
    Metric("train/clip_fraction", "share", "neither", "rows whose chance moved beyond clip_range"),
    Metric("train/clip_range", "share", "neither", "how far a chance may move"),
    *_SHARED,
)


class SB3PPO(OnPolicy):
    """PPO of stable-baselines3: a clipped policy gradient over whole slates, with independent slots.

    Equation:
        pi(A | s) = prod_k pi_k(A_k | s); each step of Adam lowers - min(rho G, clip(rho, 1 - c, 1 + c) G)
        + vf_coef (V - R)^2 - ent_coef H(pi), with rho = pi(A | s) / pi_old(A | s), G the advantage of GAE(lambda) and
        R the lambda-return.
    Source:
        Schulman et al. 2017, arXiv 1707.06347, in the form of stable-baselines3 (Raffin et al. 2021).
    Deviation:
        A position that repeats an earlier one of its slate is replaced by the best free one of that slot's logits; the
        chance that is learnt from stays that of the action as it was sampled. Inputs are normalised and ids embedded.
    """

    Settings: ClassVar[type[SB3PPOSettings]] = SB3PPOSettings
    NAME: ClassVar[str] = "sb3_ppo"
    METRICS: ClassVar[tuple[Metric, ...]] = PPO_METRICS

    def _algorithm(self) -> Any:
        from stable_baselines3 import PPO

        return PPO


class SB3A2C(OnPolicy):
    """A2C of stable-baselines3: a policy gradient over whole slates, with independent slots.

    Equation:
        pi(A | s) = prod_k pi_k(A_k | s); one step of RMSprop lowers - G log pi(A | s) + vf_coef (V - R)^2
        - ent_coef H(pi), with G the advantage of GAE(lambda) and R the lambda-return.
    Source:
        Mnih et al. 2016, arXiv 1602.01783, in the form of stable-baselines3 (Raffin et al. 2021).
    Deviation:
        A position that repeats an earlier one of its slate is replaced by the best free one of that slot's logits; the
        chance that is learnt from stays that of the action as it was sampled. Inputs are normalised and ids embedded.
    """

    Settings: ClassVar[type[SB3A2CSettings]] = SB3A2CSettings
    NAME: ClassVar[str] = "sb3_a2c"
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/policy_loss", "", "lower", "policy gradient loss"),
        *_SHARED,
    )

    def _algorithm(self) -> Any:
        from stable_baselines3 import A2C

        return A2C

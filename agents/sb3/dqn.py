"""DQN of stable-baselines3, which fills a slate slot by slot."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

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
)
from agents.settings import check_at_least, check_shares, refuse
from agents.state import above, below, check_names
from envs.interface import Metric, Observation, Spec, Tensors, Transition

COLUMNS = ("observations", "next_observations", "actions", "rewards", "dones")
"""What the replay buffer of stable-baselines3 holds."""
ROWS_A_GRADIENT_STEP = 4
"""Actions for each gradient step by the defaults of stable-baselines3, with its default of one environment."""


@dataclass(frozen=True, kw_only=True)
class SB3DQNSettings:
    """Settings of DQN, with the names of stable-baselines3; an action fills one slot, a slate is K of them."""

    learning_rate: float = 1e-4
    """Adam's step size at first; it falls to 0 on a straight line."""
    buffer_size: int = 100_000
    """Actions kept for replay; stable-baselines3 keeps a million, gigabytes of these observations."""
    learning_starts: int = 100
    """Actions of all users before learning; they are random."""
    batch_size: int = 32
    """Actions in one gradient step."""
    tau: float = 1.0
    """Share of the online weights that flows into the target network when it is updated."""
    discount: float = 0.99
    """Gamma a slate, in [0, 1]; within a slate nothing is discounted."""
    train_freq: int = 4
    """Actions of each user between updates; updates wait for the end of a slate."""
    gradient_steps: int | None = None
    """Gradient steps of an update; None: one for every 4 actions of all users, as with one user by default."""
    target_update_interval: int = 10_000
    """Actions of all users between updates of the target network."""
    exploration_fraction: float = 0.1
    """Share of the training after which exploration has fallen to its end."""
    exploration_initial_eps: float = 1.0
    """Share of random actions at first."""
    exploration_final_eps: float = 0.05
    """Share of random actions from then on."""
    max_grad_norm: float = 10.0
    """Gradients are scaled down to this norm."""
    net_arch: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
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
        shares = ("discount", "exploration_fraction", "exploration_initial_eps", "exploration_final_eps")
        check_shares(self, *shares)
        refuse(self, ("tau",), "lies in (0, 1]", lambda value: 0 < value <= 1)
        check_at_least(self, 0, "learning_starts")
        counts = ("buffer_size", "batch_size", "train_freq", "gradient_steps", "target_update_interval")
        check_at_least(self, 1, *counts)


class SB3DQN:
    """DQN of stable-baselines3: the slate slot by slot, one value for every candidate from one flat observation.

    Equation:
        Q(s, A_1 … A_{k-1}; A_k) moves under Huber loss towards max Q_target(s, A_1 … A_k; ·) within a slate, and
        towards r + gamma d max Q_target(s'; ·) at its last slot.
    Source:
        Mnih et al. 2015, in the form of stable-baselines3 (Raffin et al. 2021).
    Deviation:
        Each user has a coin of their own, where stable-baselines3 flips one for all. Candidates taken are masked in
        acting, exploring and the bootstrapped maximum. Its gamma is 1 and its ``dones`` hold 1 - gamma d, so that a
        discount counts once a slate and a time limit is no end. Inputs are normalised and ids embedded.
    """

    Settings: ClassVar[type[SB3DQNSettings]] = SB3DQNSettings
    NAME: ClassVar[str] = "sb3_dqn"
    NEEDS: ClassVar[tuple[str, ...]] = ("candidates", "response")
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "scaled reward squared", "lower", "Huber loss of the value of an action"),
        Metric("train/learning_rate", "", "neither", "Adam's step size"),
        Metric("train/n_updates", "", "neither", "gradient steps so far"),
        Metric("rollout/exploration_rate", "share", "neither", "random actions"),
    )

    def __init__(
        self,
        spec: Spec,
        settings: SB3DQNSettings,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        from stable_baselines3 import DQN

        if settings.buffer_size < num_users:
            raise ValueError(
                f"buffer_size is {settings.buffer_size}, but each slot brings {num_users} rows; make it larger"
            )
        self.spec, self.settings, self.num_users = spec, settings, num_users
        self.inputs = FlatInputs(spec, by_slot=True, limit=settings.max_inputs)
        self.total = max(1, num_steps * num_users * spec.slate_size)
        shared = settings.train_freq * num_users // ROWS_A_GRADIENT_STEP
        self.gradient_steps = settings.gradient_steps or max(1, shared)
        arguments = dataclasses.asdict(settings)
        del arguments["discount"]
        # A discount of our own stands in `dones`, so there is no time limit to be handled either.
        arguments |= {"gamma": 1.0, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
        arguments["gradient_steps"] = self.gradient_steps
        self.random = OwnRandomness(seed)
        with self.random.instead():
            actions = spaces.Discrete(spec.num_candidates)
            self.model = build_model(DQN, self.inputs, actions, num_users, arguments)
        # The maximum in its loss runs over what the target network gives.
        self.model.q_net_target.register_forward_hook(self._without_taken)

    def _without_taken(self, network: nn.Module, given: tuple[Tensor, ...], values_BM: Tensor) -> Tensor:
        """Return the values without those of candidates that are in the slate already."""
        taken_BM = given[0][:, self.inputs.taken_columns] > 0
        return values_BM.masked_fill(taken_BM, -torch.inf)

    @property
    def epsilon(self) -> float:
        """Share of random actions now."""
        steps = self.model.num_timesteps
        if steps < self.settings.learning_starts:
            return 1.0
        return float(self.model.exploration_schedule(1 - steps / self.total))

    @torch.no_grad()
    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return slates whose every slot is the free candidate of the highest value, (B, K)."""
        chosen_BS, epsilon = nothing_chosen(observation), self.epsilon
        for _ in range(self.spec.slate_size):
            taken_BM = self.inputs.taken(chosen_BS)
            values_BM = self.model.q_net(self.inputs(observation, chosen_BS))
            slot_B1 = values_BM.masked_fill(taken_BM, -torch.inf).argmax(dim=1, keepdim=True)
            if explore:
                slot_B1 = self._explore(slot_B1, taken_BM, epsilon)
            chosen_BS = torch.cat([chosen_BS, slot_B1], dim=1)
        return chosen_BS.to(observation["candidates"].device)

    def _explore(self, slot_B1: Tensor, taken_BM: Tensor, epsilon: float) -> Tensor:
        """Give some users a random free candidate, (B, 1)."""
        generator = self.random.generator
        coin_B1 = torch.rand(slot_B1.shape, generator=generator) < epsilon
        keys_BM = torch.rand(taken_BM.shape, generator=generator).masked_fill(taken_BM, -1.0)
        return torch.where(coin_B1, keys_BM.argmax(dim=1, keepdim=True), slot_B1)

    def update(self, transition: Transition) -> Tensors:
        """Put the K actions of a slate into the buffer of stable-baselines3; let it learn when that is due."""
        calls = self.model._n_calls
        self._add(transition)
        updates = self.model._n_calls // self.settings.train_freq - calls // self.settings.train_freq
        if not updates or self.model.num_timesteps <= self.settings.learning_starts:
            return {}
        with self.random.instead():
            self.model.train(updates * self.gradient_steps, self.settings.batch_size)
        return logged(self.model, self.METRICS)

    def _add(self, transition: Transition) -> None:
        model, slate_BK = self.model, transition.slate.cpu()
        slots = range(self.spec.slate_size)
        seen = [self.inputs(transition.observation, slate_BK[:, :slot]).numpy() for slot in slots]
        seen.append(self.inputs(transition.next_observation, slate_BK[:, :0]).numpy())
        for network in (model.q_net, model.q_net_target):
            network.features_extractor.see(torch.from_numpy(np.concatenate(seen[:-1])))
        none_B = torch.zeros(self.num_users)
        paid_B = transition.reward.cpu() * self.settings.reward_scale
        ends_B = 1 - self.settings.discount * transition.discount.cpu()
        for slot in slots:
            final = slot == slots[-1]
            reward_B, done_B = (paid_B, ends_B) if final else (none_B, none_B)
            action_B = slate_BK[:, slot].numpy()
            model.replay_buffer.add(seen[slot], seen[slot + 1], action_B, reward_B.numpy(), done_B.numpy(), [])
            model.num_timesteps += self.num_users
            model._update_current_progress_remaining(model.num_timesteps, self.total)
            # It updates the target network when that is due.
            model._on_step()

    def state_dict(self) -> Tensors:
        """Return both networks, moments, counters, random streams and the replay buffer."""
        buffer = self.model.replay_buffer
        rows = held_rows(buffer, COLUMNS, buffer.size())
        replay = above("rows", rows) | {"position": torch.tensor(buffer.pos)}
        return model_state(self.NAME, self.model) | self.random.state_dict() | above("replay", replay)

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's, or has other sizes.
        """
        names = (*STREAMS, "replay.position", f"{self.NAME}.steps", f"{self.NAME}.updates")
        check_names(tensors, names, ("policy", "optimizer", "replay"))
        load_model_state(self.NAME, self.model, tensors)
        self.model._n_calls = self.model.num_timesteps // self.num_users
        self.random.load_state_dict(tensors)
        buffer = self.model.replay_buffer
        load_rows(buffer, COLUMNS, below("replay.rows", tensors), position=int(tensors["replay.position"]))

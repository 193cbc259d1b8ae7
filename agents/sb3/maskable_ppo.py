"""MaskablePPO of sb3-contrib, which has to be installed for it."""

import importlib
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from torch import Tensor

from agents.sb3.on_policy import PPO_METRICS, OnPolicy, SB3PPOSettings
from agents.sb3.shared import nothing_chosen
from envs.interface import Metric, Observation, Spec, Tensors


class SB3MaskablePPO(OnPolicy):
    """MaskablePPO of sb3-contrib: PPO that fills a slate slot by slot, without what is in it already.

    Equation:
        PPO's over K actions a slate; pi(A_k | s, A_1 … A_{k-1}) is 0 for the candidates taken. The reward comes with
        the last slot, and gamma a slate is gamma^(1/K) an action.
    Source:
        Huang & Ontañón 2020, arXiv 2006.14171, in the form of sb3-contrib.
    Deviation:
        n_steps counts slates, so that a rollout ends with a full one; gae_lambda counts slots. Inputs are normalised
        and ids embedded.
    """

    Settings: ClassVar[type[SB3PPOSettings]] = SB3PPOSettings
    NAME: ClassVar[str] = "sb3_maskable_ppo"
    BY_SLOT: ClassVar[bool] = True
    METRICS: ClassVar[tuple[Metric, ...]] = PPO_METRICS
    EXTRA_COLUMNS: ClassVar[tuple[str, ...]] = ("action_masks",)

    def __init__(
        self,
        spec: Spec,
        settings: SB3PPOSettings,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        if settings.gamma == 0 and spec.slate_size > 1:
            raise ValueError("gamma is 0.0; it is above 0 here, since the reward comes with the last slot of a slate")
        super().__init__(spec, settings, device=device, seed=seed, num_users=num_users, num_steps=num_steps)

    def _algorithm(self) -> Any:
        try:
            return importlib.import_module("sb3_contrib").MaskablePPO
        except ModuleNotFoundError as error:
            if error.name != "sb3_contrib":
                raise
            raise ValueError(
                "it comes from sb3-contrib, which is not installed; run pip install sb3-contrib"
            ) from error

    def _space(self) -> spaces.Space[Any]:
        return spaces.Discrete(self.spec.num_candidates)

    def _sample(self, observation: Observation, explore: bool) -> Tensors:
        policy, chosen_BS = self.model.policy, nothing_chosen(observation)
        actions, values, log_probs = [], [], []
        for _ in range(self.actions):
            flat_BX = self.inputs(observation, chosen_BS)
            distribution = policy.get_distribution(flat_BX, action_masks=~self.inputs.taken(chosen_BS))
            with self.random.instead():
                action_B = distribution.get_actions(deterministic=not explore)
            actions.append(action_B)
            log_probs.append(distribution.log_prob(action_B))
            values.append(policy.predict_values(flat_BX).squeeze(1))
            chosen_BS = torch.cat([chosen_BS, action_B.unsqueeze(1)], dim=1)
        return {
            "slate": chosen_BS,
            "actions": torch.stack(actions, dim=1).unsqueeze(2),
            "values": torch.stack(values, dim=1),
            "log_probs": torch.stack(log_probs, dim=1),
        }

    def _extra(self, so_far_BS: Tensor) -> dict[str, Any]:
        return {"action_masks": (~self.inputs.taken(so_far_BS)).numpy()}

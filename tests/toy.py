"""A small environment and a small agent for the tests of `experiments`: 20 items, 6 on offer, slates of 2.

Some items are clickbait (clicked, tiring), others are nourishing (clicked less, keep the user).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

import envs
from envs.choice import multinomial_logit, sample_choice
from envs.interface import Metric, Observation, Policy, Spec, Tensors, Transition, repeats, take_candidates
from envs.simulator import Anchor, Outcome, Split, State, resolve_device
from envs.slates import random_slate, top_k

N, M, K, D = 20, 6, 2, 3


@dataclass(frozen=True, kw_only=True)
class ToySettings:
    """Settings of the toy environment."""

    tiring: float = 0.6
    """How much clickbait raises the chance to leave."""
    time_limit: int = 12
    """Slates."""
    encoder: str = "none"
    """Not used; there to be set by --encoder."""


class ToySimulator:
    """Users who leave early when they are fed clickbait."""

    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("bait", "share", "lower", "share of the slate that is clickbait"),
        Metric("retrieval/best", "share", "higher", "whether the best item is on offer"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (Anchor("near_oracle", 4.0, 3.9, 4.1),)
    POLICIES: ClassVar[Mapping[str, Policy]] = {}
    Settings: ClassVar[type[Any]] = ToySettings

    def __init__(self, settings: ToySettings, device: str = "auto") -> None:
        self.settings = settings
        self.device = resolve_device(device)
        self.time_limit = settings.time_limit
        generator = torch.Generator().manual_seed(0)
        vectors = torch.randn((N, D), generator=generator)
        self.vectors_ND = (vectors / vectors.norm(dim=1, keepdim=True)).to(self.device)
        self.bait_N = (torch.arange(N, device=self.device) % 2).float()

    @property
    def spec(self) -> Spec:
        """Sizes."""
        shapes = {
            "user": (D + 1,),
            "candidates": (M, D + 1),
            "response": (K, 2),
            "slate_items": (K, D + 1),
            "popularity": (M,),
            "candidate_ids": (M,),
        }
        return Spec(
            num_candidates=M,
            slate_size=K,
            num_items=N,
            shapes=shapes,
            response_columns=("click", "reward"),
            neutral_response=(0.0, 0.0),
        )

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw tastes."""
        taste_BD = torch.randn((number, D), generator=generator, device=self.device)
        return {"taste": taste_BD / taste_BD.norm(dim=1, keepdim=True)}

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the first candidates."""
        return {"keys": torch.rand((number, N), generator=generator, device=self.device)}

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw choice, leaving, next candidates."""
        uniform = torch.rand((number, 2), generator=generator, device=self.device)
        return {"uniform": uniform, **self.start_noise(number, generator)}

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin."""
        batch = len(noise["keys"])
        zeros = torch.zeros((batch, K, 2), device=self.device)
        items = torch.zeros((batch, K, D + 1), device=self.device)
        return {
            **users,
            "on_offer": noise["keys"].topk(M, dim=1).indices,
            "response": zeros,
            "slate_items": items,
        }

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Show a slate."""
        ids_BK = state["on_offer"].gather(1, slate_BK)
        bait_BK = self.bait_N[ids_BK]
        no_click_B = torch.zeros(len(slate_BK), device=self.device)
        chances_BC = multinomial_logit(self._appeal(state, ids_BK), no_click_B, repeats(slate_BK))
        choice_B = sample_choice(chances_BC, noise["uniform"][:, 0])
        click_BK = torch.nn.functional.one_hot(choice_B, K + 1)[:, :K].float()
        reward_B = click_BK.sum(dim=1)
        leave_B = 0.05 + self.settings.tiring * bait_BK.mean(dim=1)
        response_BKR = torch.stack([click_BK, click_BK], dim=2)
        items_BKD = torch.cat([self.vectors_ND[ids_BK], bait_BK.unsqueeze(2)], dim=2)
        offer_BM = noise["keys"].topk(M, dim=1).indices
        best_B = (state["on_offer"] == 0).any(dim=1).float()
        after = {
            "taste": state["taste"],
            "on_offer": offer_BM,
            "response": response_BKR,
            "slate_items": items_BKD,
        }
        metrics = {"bait": bait_BK.mean(dim=1), "retrieval/best": best_B}
        left_B = noise["uniform"][:, 1] < leave_B
        return after, Outcome(response=response_BKR, reward=reward_B, left=left_B, metrics=metrics)

    def _appeal(self, state: State, ids: Tensor) -> Tensor:
        vectors_BCD = self.vectors_ND[ids]
        return torch.einsum("bcd,bd->bc", vectors_BCD, state["taste"]) + self.bait_N[ids]

    def observe(self, state: State) -> Observation:
        """What is seen."""
        ids_BM = state["on_offer"]
        features_BMD = torch.cat([self.vectors_ND[ids_BM], self.bait_N[ids_BM].unsqueeze(2)], dim=2)
        return {
            "user": torch.nn.functional.pad(state["taste"], (0, 1)),
            "candidates": features_BMD,
            "response": state["response"],
            "slate_items": state["slate_items"],
            "popularity": self.bait_N[ids_BM] + ids_BM / N,
            "candidate_ids": ids_BM,
        }

    def candidate_ids(self, state: State) -> Tensor:
        """The items on offer."""
        return state["on_offer"]

    def titles(self, item_ids: np.ndarray) -> np.ndarray:
        """Names such as ``item 3``."""
        named: np.ndarray = np.vectorize(lambda item: f"item {item}", otypes=[object])(item_ids)
        return named

    def item_vectors(self) -> np.ndarray:
        """The catalogue."""
        vectors: np.ndarray = self.vectors_ND.cpu().numpy()
        return vectors


class Toy(ToySimulator):
    """The toy with its reference policies."""

    @staticmethod
    def myopic_oracle(simulator: Any, state: Tensors) -> Tensor:
        """Show what is clicked most."""
        return top_k(simulator._appeal(state, state["on_offer"]), K)

    @staticmethod
    def near_oracle(simulator: Any, state: Tensors) -> Tensor:
        """Show what is clicked most of what does not tire."""
        appeal_BM = simulator._appeal(state, state["on_offer"])
        return top_k(appeal_BM - 10 * simulator.bait_N[state["on_offer"]], K)

    POLICIES: ClassVar[Mapping[str, Policy]] = {"myopic_oracle": myopic_oracle, "near_oracle": near_oracle}


@dataclass(frozen=True, kw_only=True)
class ToyExploration:
    """Settings within the settings."""

    rate: float = 0.3
    """Share of random slates."""


@dataclass(frozen=True, kw_only=True)
class ToyAgentSettings:
    """Settings of the toy agent."""

    discount: float = 0.9
    """Gamma."""
    learning_rate: float = 0.05
    """Step size."""
    mode: str | None = None
    """A setting that may be None."""
    exploration: ToyExploration = ToyExploration()
    """How it explores."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount is {self.discount}; it has to lie in [0, 1]")


class ToyAgent:
    """Learn a linear value of the shown items, by semi-gradient SARSA-like updates, epsilon-greedy."""

    Settings: ClassVar[type[Any]] = ToyAgentSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (Metric("train/loss", "squared error", "lower", "the squared TD error"),)
    NEEDS: ClassVar[tuple[str, ...]] = ("candidates",)

    def __init__(
        self,
        spec: Spec,
        settings: ToyAgentSettings,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.generator = torch.Generator(device).manual_seed(seed)
        self.weight_D = torch.zeros(D + 2, device=device)

    def act(self, observation: Observation, explore: bool) -> Tensor:
        """Return the K most valued, or at random in a third of the rows."""
        greedy_BK = top_k(self._values(observation["candidates"]), K)
        if not explore:
            return greedy_BK
        batch = len(greedy_BK)
        random_BK = random_slate(batch, M, K, self.generator)
        coin_B = torch.rand(batch, generator=self.generator, device=greedy_BK.device)
        explores_B = coin_B < self.settings.exploration.rate
        return torch.where(explores_B.unsqueeze(1), random_BK, greedy_BK)

    def update(self, transition: Transition) -> Tensors:
        """Take one gradient step on the mean value of the slate."""
        features_BD = self._features(take_candidates(transition.observation["candidates"], transition.slate)).mean(1)
        following_B = self._values(transition.next_observation["candidates"]).topk(K, dim=1).values.mean(dim=1)
        target_B = transition.reward + self.settings.discount * transition.discount * following_B
        error_B = target_B - features_BD @ self.weight_D
        self.weight_D = self.weight_D + self.settings.learning_rate * (error_B.unsqueeze(1) * features_BD).mean(dim=0)
        return {"train/loss": error_B.square().mean()}

    def _features(self, items: Tensor) -> Tensor:
        return torch.cat([items, torch.ones_like(items[..., :1])], dim=-1)

    def _values(self, items: Tensor) -> Tensor:
        return self._features(items) @ self.weight_D

    def state_dict(self) -> Tensors:
        """Return weights and random stream."""
        return {"weight": self.weight_D, "generator": self.generator.get_state()}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on."""
        self.weight_D = tensors["weight"].to(self.weight_D.device)
        self.generator.set_state(tensors["generator"].cpu())


envs.register("slatelab/Toy-v0", "toy:Toy")

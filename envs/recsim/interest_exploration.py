"""Two kinds of users and two topics of unlike quality: `slatelab/InterestExploration-v0`."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from envs.choice import CHOICE_MODELS
from envs.interface import Metric, Observation, Policy, Spec, Tensors, repeats
from envs.recsim.exploration_policies import hand_rule, myopic_oracle
from envs.recsim.interest_settings import InterestExplorationSettings
from envs.simulator import Anchor, Outcome, Split, State, resolve_device
from envs.streams import for_candidates


class InterestExploration:
    """Find out which of two topics a user likes: RecSim's interest exploration.

    Description:
        Most documents are of topic 1, which most users do not like; those of topic 0 are rarer and better. What a user
        likes never changes and has to be found out from their clicks.

        With these published defaults quality decides nearly everything: ranking by it earns almost what knowing the
        user does, so little exploration is needed.

        Source: Ie et al. 2019, arXiv 1909.04847, and the code of RecSim. All splits have the same users.

        Deviation: RecSim's user never leaves, and nothing is observed of them; here time ends the session, and
        ``user`` sums it up. A position that repeats is shown twice by RecSim, each with its own chance; here it is an
        empty slot, so that no policy gains by repeating.

    Observation:
        ``user`` (6): what was clicked, summed over the session and divided by the slates shown so far (topic 0,
        topic 1, quality); the share of the slots so far of each topic; steps / 100. ``candidates`` (M, 3): one-hot
        topic and quality. ``response`` (K, 4) of every shown document: click, reward, quality, and topic (its number
        / 2; zeros in an empty slot). ``slate_items`` (K, 3). Affinities are hidden. Documents have no ids.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        Clicks of the step: 0 or 1, up to K under a choice model of several clicks.

    User model:
        Users: type 0 (30 %) or 1 (70 %); affinity to topic T is lognormal, of log mean
        ((0.1, 0.7), (0.7, 0.1))[type, T] and log deviation 0.1. Documents: topic 0 (20 %) or 1 (80 %); quality is
        lognormal, of log mean (0.8, 0.2)[topic] and log deviation 0.1; M are drawn anew at every step.
        Log means and log deviations are mean and standard deviation of the logarithm.

        Choice: multinomial logit of affinity + quality, with logit 5 for no click. Nothing evolves.

    Episode end:
        Truncated after 100 slates.

    Arguments:
        The fields of `InterestExplorationSettings`. ``choice_model`` may be any; those that read from the top weigh
        affinity + quality against the same no-click score, the cascades by themselves.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 10,000 users of the test split; nothing lasts, so the
        near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/InterestExploration-v0 --agent random --steps 0 --eval-users 10000``
        measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[InterestExplorationSettings]] = InterestExplorationSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("quality", "score", "higher", "mean quality of the filled slots"),
        Metric("affinity", "score", "higher", "mean affinity of the user to the filled slots"),
        Metric("repeats", "slots", "lower", "empty slots: positions that repeat an earlier one of the slate"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 22.92, 22.82, 23.02),
        Anchor("myopic_oracle", 39.37, 39.21, 39.53),
        Anchor("hand_rule", 38.79, 38.61, 38.96),
        Anchor("near_oracle", 39.37, 39.21, 39.53),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": myopic_oracle,
    }

    def __init__(self, settings: InterestExplorationSettings, device: str = "auto") -> None:
        self.settings = settings
        self.device = resolve_device(device)
        self.time_limit = settings.time_limit
        self.num_topics = len(settings.topics)
        self._log_affinity = torch.tensor(settings.affinities, device=self.device)
        self._log_quality = torch.tensor(settings.qualities, device=self.device)
        # Upper ends of the types and topics on [0, 1); a uniform number past all but the last is of the last.
        self._type_ends = torch.tensor(settings.user_types, device=self.device).cumsum(0)[:-1].contiguous()
        self._topic_ends = torch.tensor(settings.topics, device=self.device).cumsum(0)[:-1].contiguous()
        self._clicks = CHOICE_MODELS[settings.choice_model].clicks

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw affinities."""
        device = self.device
        type_B = torch.bucketize(torch.rand(number, generator=generator, device=device), self._type_ends, right=True)
        error_BD = torch.randn((number, self.num_topics), generator=generator, device=device)
        return {"affinity": (self._log_affinity[type_B] + self.settings.affinity_deviation * error_BD).exp()}

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the first documents."""
        size, offered = (number, self.settings.num_candidates), for_candidates(generator)
        return {
            "topics": torch.rand(size, generator=offered, device=self.device),
            "qualities": torch.randn(size, generator=offered, device=self.device),
        }

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the choice and the next documents."""
        size = (number, self.settings.slate_size)
        uniform = torch.rand(size, generator=generator, device=self.device)
        return {"choice": uniform, **self.start_noise(number, generator)}

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin a session: nothing shown, nothing clicked."""
        number, slots, width = len(users["affinity"]), self.settings.slate_size, self.num_topics + 1
        return {
            "affinity": users["affinity"],
            "clicked": torch.zeros(number, width, device=self.device),
            "seen": torch.zeros(number, self.num_topics, device=self.device),
            "steps": torch.zeros(number, 1, device=self.device),
            "slate_items": torch.zeros(number, slots, width, device=self.device),
            "response": torch.zeros(number, slots, 4, device=self.device),
            **self._offer(noise),
        }

    def scores(self, state: State, topics_BK: Tensor, quality_BK: Tensor) -> Tensor:
        """Return affinity + quality of documents, (B, K)."""
        return state["affinity"].gather(1, topics_BK) + quality_BK

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Let every user click."""
        settings = self.settings
        topics_BK, quality_BK = state["topics"].gather(1, slate_BK), state["quality"].gather(1, slate_BK)
        empty_BK = repeats(slate_BK)
        scores_BK = self.scores(state, topics_BK, quality_BK)
        no_click_B = torch.full_like(scores_BK[:, 0], settings.no_click_mass)
        click_BK = self._clicks(scores_BK, no_click_B, empty_BK, noise["choice"], settings.choice).float()

        filled_BK = (~empty_BK).float()
        items_BKD = self._features(topics_BK, quality_BK) * filled_BK.unsqueeze(2)
        share_BK = topics_BK / self.num_topics
        response_BK4 = torch.stack([click_BK, click_BK, quality_BK * filled_BK, share_BK * filled_BK], dim=2)
        reward_B, filled_B = click_BK.sum(dim=1), filled_BK.sum(dim=1)
        advanced = {
            "affinity": state["affinity"],
            "clicked": state["clicked"] + (click_BK.unsqueeze(2) * items_BKD).sum(dim=1),
            "seen": state["seen"] + items_BKD[:, :, :-1].sum(dim=1),
            "steps": state["steps"] + 1,
            "slate_items": items_BKD,
            "response": response_BK4,
            **self._offer(noise),
        }
        metrics = {
            "quality": (quality_BK * filled_BK).sum(dim=1) / filled_B,
            "affinity": ((scores_BK - quality_BK) * filled_BK).sum(dim=1) / filled_B,
            "repeats": settings.slate_size - filled_B,
        }
        left_B = torch.zeros_like(reward_B, dtype=torch.bool)
        return advanced, Outcome(response=response_BK4, reward=reward_B, left=left_B, metrics=metrics)

    def _offer(self, noise: Tensors) -> Tensors:
        topics_BM = torch.bucketize(noise["topics"].contiguous(), self._topic_ends, right=True)
        log_quality_BM = self._log_quality[topics_BM] + self.settings.quality_deviation * noise["qualities"]
        return {"topics": topics_BM, "quality": log_quality_BM.exp()}

    def _features(self, topics: Tensor, quality: Tensor) -> Tensor:
        return torch.cat([one_hot(topics, self.num_topics).float(), quality.unsqueeze(-1)], dim=-1)

    def observe(self, state: State) -> Observation:
        """Return a summary of the session, documents on offer, the last slate and its response."""
        steps_B1 = state["steps"]
        rate_B1 = 1 / steps_B1.clamp(min=1)
        seen_BD = state["seen"] / self.settings.slate_size
        return {
            "user": torch.cat([state["clicked"] * rate_B1, seen_BD * rate_B1, steps_B1 / self.time_limit], dim=1),
            "candidates": self._features(state["topics"], state["quality"]),
            "response": state["response"],
            "slate_items": state["slate_items"],
        }

    def slate_items(self, state: State) -> Tensor:
        """Return what was observed of the items shown, (B, K, D)."""
        return state["slate_items"]

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action; an item of the catalogue is a topic."""
        slots, offered, topics = self.settings.slate_size, self.settings.num_candidates, self.num_topics
        return Spec(
            num_candidates=offered,
            slate_size=slots,
            num_items=topics,
            shapes={
                "user": (2 * topics + 2,),
                "candidates": (offered, topics + 1),
                "response": (slots, 4),
                "slate_items": (slots, topics + 1),
            },
            bounds=dict.fromkeys(("user", "candidates", "slate_items", "response"), (0, math.inf)),
            response_columns=("click", "reward", "quality", "topic"),
            neutral_response=(0.0, 0.0, 0.0, 0.0),
        )

    def candidate_ids(self, state: State) -> Tensor:
        """Return the (B, M) topics on offer, which repeat."""
        return state["topics"]

    def titles(self, item_ids: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return names such as ``topic 1``, in the shape of ``item_ids``."""
        return np.array([f"topic {topic}" for topic in range(self.num_topics)], dtype=object)[item_ids]

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the topics, each with its median quality, (2, 3)."""
        topics = torch.arange(self.num_topics, device=self.device)
        return self._features(topics, self._log_quality.exp()).cpu().numpy()

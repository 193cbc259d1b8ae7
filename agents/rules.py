"""Rules that rank by cosine and keep the slate diverse: maximal marginal relevance, and a cap on every topic."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from agents.baselines import Fixed
from agents.features.clusters import kmeans, nearest
from agents.features.similarity import profile_cosines
from agents.settings import check_at_least, check_shares
from agents.state import above, below, check_names, check_shapes, to_device
from envs.interface import Metric, Observation, Spec, Tensors, Transition, mask_out, restore_stream, take_candidates

SAMPLE = 4096
"""Candidates that a step of the warm-up keeps."""


@dataclass(frozen=True, kw_only=True)
class MMRSettings:
    """Settings of maximal marginal relevance."""

    balance: float = 0.7
    """Lambda in [0, 1]: weight of an item's relevance against its novelty; 1 is `cosine`."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_shares(self, "balance")


class MMR(Fixed):
    """Fill the slate with what is near to the profile and unlike what the slate already holds.

    Equation:
        next item = argmax over i of lambda cos(profile, i) - (1 - lambda) max over j in the slate of cos(i, j); the
        first item is the nearest to the profile.
    Source:
        Carbonell & Goldstein 1998.
    Deviation:
        None; the first item of lambda = 0, which the equation leaves open, is that of every other lambda.
    """

    Settings: ClassVar[type[Any]] = MMRSettings
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the slates, (B, K), in the order in which they were filled."""
        unit_BMD, cosine_BM = normalize(observation["candidates"], dim=2), profile_cosines(observation)
        balance, slots = self.settings.balance, [cosine_BM.argmax(dim=1, keepdim=True)]
        taken_BM = torch.zeros_like(cosine_BM, dtype=torch.bool).scatter(1, slots[0], True)
        nearest_BM = torch.full_like(cosine_BM, -1.0)
        for _ in range(1, self.spec.slate_size):
            latest_BD1 = take_candidates(unit_BMD, slots[-1]).transpose(1, 2)
            nearest_BM = torch.maximum(nearest_BM, (unit_BMD @ latest_BD1).squeeze(2))
            score_BM = balance * cosine_BM - (1 - balance) * nearest_BM
            slots.append(mask_out(score_BM, taken_BM).argmax(dim=1, keepdim=True))
            taken_BM = taken_BM.scatter(1, slots[-1], True)
        return torch.cat(slots, dim=1)


@dataclass(frozen=True, kw_only=True)
class TopicCappedSettings:
    """Settings of the topic-capped rule."""

    cap: int = 2
    """Items of one topic in a slate, at most."""
    topics: int = 20
    """Clusters of item features that count as topics, where features are not one-hot."""
    warmup: int = 4
    """Steps of all users from whose candidates the clusters are made."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_at_least(self, 1, "cap", "topics", "warmup")


class TopicCapped:
    """Show the nearest candidates to the profile, at most so many of one topic.

    Equation:
        next item = the highest cos(profile, i) among the topics of which the slate holds fewer than the cap; where
        there is none left, the cap is raised by one for the rest of the slate.

    The topic is the largest feature where features are one-hot, else the nearest of some clusters (k-means) of the
    candidates that the warm-up has seen. Until the warm-up is over it is the largest feature.
    """

    Settings: ClassVar[type[TopicCappedSettings]] = TopicCappedSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/topics", "topics", "neither", "mean number of different topics in a slate"),
    )
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")

    def __init__(
        self,
        spec: Spec,
        settings: TopicCappedSettings,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        self.spec, self.settings = spec, settings
        self.generator = torch.Generator(device).manual_seed(seed)
        self.steps = 0
        width = spec.shapes["candidates"][-1]
        self.num_topics = max(width, settings.topics)
        self.centroids_CD = torch.zeros(settings.topics, width, device=device)
        self.largest = torch.ones((), dtype=torch.bool, device=device)
        """Whether the topic is the largest feature."""
        self._collected: list[Tensor] = []

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the slates, (B, K), in the order in which they were filled."""
        topic_BM, cosine_BM = self._topics(observation["candidates"]), profile_cosines(observation)
        held_BC = torch.zeros((len(topic_BM), self.num_topics), dtype=torch.long, device=topic_BM.device)
        taken_BM = torch.zeros_like(topic_BM, dtype=torch.bool)
        slots = []
        for _ in range(self.spec.slate_size):
            # Cosines differ by 2 at most: an item over the cap comes after all that are less over it.
            over_BM = (held_BC.gather(1, topic_BM) - self.settings.cap + 1).clamp(min=0)
            score_BM = mask_out(cosine_BM - 4 * over_BM, taken_BM)
            slots.append(score_BM.argmax(dim=1, keepdim=True))
            taken_BM = taken_BM.scatter(1, slots[-1], True)
            topic_B1 = topic_BM.gather(1, slots[-1])
            held_BC = held_BC.scatter_add(1, topic_B1, torch.ones_like(topic_B1))
        return torch.cat(slots, dim=1)

    def _topics(self, items_BMD: Tensor) -> Tensor:
        """Return the topic of every candidate, (B, M) int64."""
        clusters_BM = nearest(items_BMD.flatten(0, 1), self.centroids_CD).view(items_BMD.shape[:2])
        return torch.where(self.largest, items_BMD.argmax(dim=2), clusters_BM)

    def update(self, transition: Transition) -> Tensors:
        """Keep candidates of the warm-up, and cluster them at its end; learn nothing from the response."""
        self.steps += 1
        if self.steps > self.settings.warmup:
            topic_BK = self._topics(take_candidates(transition.observation["candidates"], transition.slate))
            held_BC = one_hot(topic_BK, self.num_topics).amax(dim=1)
            return {"train/topics": held_BC.sum(dim=1).float().mean()}
        items_ND = transition.observation["candidates"].flatten(0, 1)
        rows = torch.randint(len(items_ND), (SAMPLE,), generator=self.generator, device=self.generator.device)
        self._collected.append(items_ND[rows])
        if self.steps == self.settings.warmup:
            self._cluster()
        return {}

    def _cluster(self) -> None:
        items_ND = torch.cat(self._collected)
        kinds_ND: Tensor = items_ND.unique(dim=0)  # type: ignore[no-untyped-call]
        self.largest = (items_ND == one_hot(items_ND.argmax(dim=1), items_ND.shape[1])).all()
        self.centroids_CD = kmeans(kinds_ND, self.settings.topics, self.generator)
        self._collected = []

    def state_dict(self) -> Tensors:
        """Return the topics, what the warm-up has collected, the step count and the random stream."""
        return {
            "centroids": self.centroids_CD,
            "largest": self.largest,
            **above("seen", {str(index): items for index, items in enumerate(self._collected)}),
            "steps": torch.tensor(self.steps),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's, or has other sizes.
        """
        check_names(tensors, ("centroids", "largest", "steps", "generator"), ("seen",))
        check_shapes(tensors, {"centroids": self.centroids_CD, "largest": self.largest})
        own = to_device(tensors, self.generator.device)
        self.centroids_CD, self.largest = own["centroids"], own["largest"]
        self.steps = int(tensors["steps"])
        seen = below("seen", own)
        self._collected = [seen[str(index)] for index in range(len(seen))]
        restore_stream(self.generator, tensors["generator"])

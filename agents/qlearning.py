"""Tabular Q-learning over clusters of user states and clusters of items."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from agents.features.clusters import kmeans, nearest
from agents.learning.exploration import EpsilonSchedule, epsilon_greedy
from agents.settings import check_at_least, refuse
from agents.state import above, below, check_names, check_shapes, to_device
from agents.streams import Streams
from envs.interface import Metric, Observation, Spec, Tensors, Transition, take_candidates


@dataclass(frozen=True, kw_only=True)
class QLearningSettings:
    """Settings of tabular Q-learning."""

    discount: float = 0.95
    """Gamma in [0, 1); 0 learns the myopic table."""
    step_size: float = 0.5
    """Learning rate of a cell at first; it falls to a hundredth of it on a straight line."""
    state_clusters: int = 64
    """Rows of the table: clusters of the observed user vectors."""
    item_clusters: int = 64
    """Columns of the table: clusters of item features (with popularity, where observed)."""
    warmup: int = 4
    """Steps of all users with random slates, from which the clusters are made."""
    exploration: EpsilonSchedule = field(default_factory=EpsilonSchedule)
    """Share of random slates."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        refuse(self, ("discount",), "lies in [0, 1)", lambda value: 0 <= value < 1)
        refuse(self, ("step_size",), "lies in (0, 1]", lambda value: 0 < value <= 1)
        check_at_least(self, 1, "state_clusters", "item_clusters", "warmup")


class QLearning:
    """Keep a table Q[user cluster, item cluster]; show the candidates of the best clusters.

    Equation:
        Q[s, c] moves by step_size sum_u w_u (r + gamma max Q[s', c'] - Q[s, c]) / max(1, sum_u w_u), over this step's
        users in s: w = 1 for the cluster c of the clicked item; without a click, w = 1 / K for that of each shown item.
        The maximum runs over the clusters of the next candidates.
    Source:
        Watkins & Dayan 1992; clusters by k-means.
    Deviation:
        All users write into one table at once, so that a cell moves towards the mean of their targets.
    """

    Settings: ClassVar[type[QLearningSettings]] = QLearningSettings
    NEEDS: ClassVar[tuple[str, ...]] = ("user", "candidates")
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train/loss", "reward squared", "lower", "mean squared temporal difference"),
        Metric("train/value", "reward", "higher", "mean of the table"),
        Metric("train/learning_rate", "", "neither", "step size of a cell"),
        Metric("rollout/exploration_rate", "share", "neither", "users who get a random slate"),
    )

    def __init__(
        self,
        spec: Spec,
        settings: QLearningSettings,
        *,
        device: torch.device,
        seed: int,
        num_users: int,
        num_steps: int,
    ) -> None:
        self.spec, self.settings, self.num_steps = spec, settings, num_steps
        self.streams = Streams(seed, device)
        self.steps = 0
        width = spec.shapes["candidates"][-1] + ("popularity" in spec.shapes)
        self.states_CU = torch.zeros(settings.state_clusters, spec.shapes["user"][0], device=device)
        self.items_CF = torch.zeros(settings.item_clusters, width, device=device)
        self.table_SC = torch.zeros(settings.state_clusters, settings.item_clusters, device=device)
        self._collected: list[Tensors] = []

    @property
    def progress(self) -> float:
        """Share of the training that is done."""
        return min(self.steps / max(self.num_steps, 1), 1.0)

    def act(self, observation: Observation, explore: bool = False) -> Tensor:
        """Return the slates of the best clusters, ties by order of retrieval, (B, K)."""
        if explore and self.steps < self.settings.warmup:
            batch = len(observation["user"])
            return self.streams.slates(batch, self.spec.num_candidates, self.spec.slate_size)
        values_BM = self.table_SC[self._state(observation)].gather(1, self._clusters(observation))
        # Many candidates share a cluster, and they come in order of retrieval: a stable sort keeps it.
        slate_BK = values_BM.sort(dim=1, descending=True, stable=True).indices[:, : self.spec.slate_size]
        if not explore:
            return slate_BK
        epsilon = self.settings.exploration(self.progress)
        return epsilon_greedy(slate_BK, self.spec.num_candidates, epsilon, self.streams)

    def update(self, transition: Transition) -> Tensors:
        """Collect the warm-up, then learn from every step."""
        self.steps += 1
        if self.steps <= self.settings.warmup:
            observation = transition.observation
            self._collected.append({"user": observation["user"], "items": self._features(observation).flatten(0, 1)})
            if self.steps == self.settings.warmup:
                self._cluster()
            return {}
        return self._learn(transition)

    def _learn(self, transition: Transition) -> Tensors:
        state_B1 = self._state(transition.observation).unsqueeze(1)
        shown_BK = take_candidates(self._clusters(transition.observation), transition.slate)
        clicks_BK = transition.response[..., 0]
        weights_BK = torch.where(clicks_BK.any(dim=1, keepdim=True), clicks_BK, 1.0 / clicks_BK.shape[1])
        next_observation = transition.next_observation
        next_BM = self.table_SC[self._state(next_observation)].gather(1, self._clusters(next_observation))
        best_B = next_BM.amax(dim=1)
        target_B1 = (transition.reward + self.settings.discount * transition.discount * best_B).unsqueeze(1)
        cells_BK = state_B1 * self.settings.item_clusters + shown_BK
        error_BK = target_B1 - self.table_SC.flatten()[cells_BK]
        sums = torch.zeros_like(self.table_SC).flatten()
        counts = sums.scatter_add(0, cells_BK.flatten(), weights_BK.flatten())
        sums = sums.scatter_add(0, cells_BK.flatten(), (weights_BK * error_BK).flatten())
        step_size = self.settings.step_size * (1 - 0.99 * self.progress)
        self.table_SC = self.table_SC + step_size * (sums / counts.clamp(min=1)).view_as(self.table_SC)
        return {
            "train/loss": (weights_BK * error_BK.square()).sum() / weights_BK.sum(),
            "train/value": self.table_SC.mean(),
            "train/learning_rate": torch.tensor(step_size),
            "rollout/exploration_rate": torch.tensor(self.settings.exploration(self.progress)),
        }

    def _features(self, observation: Observation) -> Tensor:
        if "popularity" not in self.spec.shapes:
            return observation["candidates"]
        return torch.cat([observation["candidates"], observation["popularity"].unsqueeze(-1)], dim=-1)

    def _state(self, observation: Observation) -> Tensor:
        """Return the user cluster (B,)."""
        return nearest(observation["user"], self.states_CU)

    def _clusters(self, observation: Observation) -> Tensor:
        """Return the item cluster of every candidate (B, M)."""
        features_BMF = self._features(observation)
        return nearest(features_BMF.flatten(0, 1), self.items_CF).view(features_BMF.shape[:2])

    def _cluster(self) -> None:
        users_NU, items_NF = (distinct([step[key] for step in self._collected]) for key in ("user", "items"))
        self.states_CU = kmeans(users_NU, self.settings.state_clusters, self.streams.generators[0])
        self.items_CF = kmeans(items_NF, self.settings.item_clusters, self.streams.generators[0])
        self._collected = []

    def state_dict(self) -> Tensors:
        """Return clusters, table, what the warm-up has collected, the step count and the random stream."""
        seen = {f"{index}.{name}": value for index, step in enumerate(self._collected) for name, value in step.items()}
        return {
            **self._tables(),
            **above("seen", seen),
            "steps": torch.tensor(self.steps),
            "generator": self.streams.state(),
        }

    def _tables(self) -> Tensors:
        return {"states": self.states_CU, "items": self.items_CF, "table": self.table_SC}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is another agent's, or has other sizes.
        """
        tables = self._tables()
        check_names(tensors, (*tables, "steps", "generator"), ("seen",))
        check_shapes(tensors, tables)
        own = to_device(tensors, self.streams.device)
        self.states_CU, self.items_CF, self.table_SC = own["states"], own["items"], own["table"]
        self.steps = int(tensors["steps"])
        seen = below("seen", own)
        steps = range(len(seen) // 2)
        self._collected = [{key: seen[f"{step}.{key}"] for key in ("user", "items")} for step in steps]
        self.streams.restore(tensors["generator"])


def distinct(points: list[Tensor]) -> Tensor:
    """Return the distinct rows (N, F) of several tensors, in order."""
    rows: Tensor = torch.cat(points).unique(dim=0)  # type: ignore[no-untyped-call]
    return rows

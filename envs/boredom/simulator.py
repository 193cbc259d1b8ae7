"""Users who tire of a topic they click too often: `slatelab/Boredom-v0` and its re-ranking form."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag, normalize, pad

from envs.boredom.memory import ClickMemory, marks
from envs.boredom.mixtures import count_ends, sparse_directions
from envs.boredom.policies import hand_rule, myopic_oracle, near_oracle
from envs.boredom.settings import BoredomRerankSettings, BoredomSettings
from envs.choice import CHOICE_MODELS
from envs.interface import UNIT, Metric, Observation, Policy, Spec, Tensors
from envs.simulator import Anchor, Outcome, Split, State, resolve_device
from envs.slates import top_k
from envs.streams import for_candidates
from envs.tensors import blanked, repeats_if_any

LIKED_DECAY, CLICKS_DECAY = 0.95, 0.8
"""A step, of the traces in ``user``: of item vectors, of clicks."""


class _Constants(NamedTuple):
    """Constants of the equations as tensors: of a Python number each operation would make one first."""

    zero: Tensor
    one: Tensor
    items: Tensor
    threshold: Tensor
    duration: Tensor
    slots: Tensor
    offset: Tensor
    slope: Tensor
    liked_decay: Tensor
    liked_share: Tensor
    clicks_decay: Tensor
    clicks_share: Tensor


def _constants(settings: BoredomSettings, device: torch.device) -> _Constants:
    slots = settings.slate_size
    whole = settings.boredom_threshold, settings.boredom_duration
    traces = LIKED_DECAY, (1 - LIKED_DECAY) / slots, CLICKS_DECAY, (1 - CLICKS_DECAY) / slots
    constants = map(float, (*whole, slots, settings.offset, settings.slope, *traces))
    return _Constants(
        *(torch.tensor(constant, device=device) for constant in (0.0, 1.0, settings.num_items, *constants))
    )


class Boredom:
    """Ever more of what is liked is what bores: SARDINE's simulator, a slate of ten out of a thousand items.

    Description:
        Items and users are mixtures of a few of ten topics, and an item is clicked where the mixtures agree. Users
        like several topics, but the items that agree best are mostly of one; a few slates of these bore the user, who
        then clicks nothing for a while. It pays to spread the clicks over the topics a user likes.

        Source: Deffayet et al. 2024, SARDINE, arXiv 2311.16586, with the parameters of the authors' package: its
        SlateTopK-Bored. `envs.boredom.settings.PRESETS` has the other environments of that package.

        Deviation: the first slate, which the package shows at random before the session, is left out. Influence
        moves the taste to the mean of the clicked vectors, as the paper says; the package takes the mean over their
        entries too, and so moves it to a constant vector. The catalogue is drawn by the same rule from
        ``catalog_seed``. All splits have the same users. A session is truncated, not terminated. What every
        environment of the package turns off is left out: less click on slates of one topic, and on bored users.
        An item that is shown twice can be clicked twice there; here the second is an empty slot, so that no policy
        gains by repeating. The package's ideal state is the current taste, the recent clicks and a counter of each
        topic, which is 1 while nothing bores as when boredom begins; with ``observe_state`` the same stand in ``user``
        beside the traces, and the counter is 0 while nothing bores, so that the two can be told apart.

    Observation:
        ``user`` (3 D + 2): decayed sums over the session, per slot and 0.95 a step, of the clicked vectors and of the
        shown vectors; recent clicks on each main topic / 5, at most 1; decayed clicks per slot (0.8 a step);
        steps / 100. With ``observe_state`` also the taste that boredom leaves (D) and the steps of boredom left of
        each topic / 5 (D). ``candidates`` (M, D): items, the same for all users while M is the catalogue.
        ``candidate_ids`` (M). ``response`` (K, 2): click, reward. ``slate_items`` (K, D). Taste and boredom are hidden.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        Clicks of the step, 0 to K.

    User model:
        Items e: 2 or 3 of the D = 10 topics, entries U[0, 1], unit length; the largest is the main topic. User u: 3 to
        5 topics (binomial), entries U[0, 1], unit length.

        1. Relevance of an item = sigmoid(100 (e.u / max |e| - 0.65)).
        2. Clicks are independent: position-based, with probability 0.85^rank relevance, rank from 0.
        3. Recent are the latest 10 clicks, as far as they are of the last 5 steps; of one slate the lowest is the
           latest. A main topic with 5 recent clicks or more bores for the next 5 steps.
        4. While any topic bores, u counts as 0 (``churn_and_return``); or the entries of boring topics count as 0
           (``loss_of_interest``).
        5. Influence, off here: with clicks, u <- normalise(omega u + (1 - omega) mean of the clicked e).

    Episode end:
        Truncated after 100 slates.

    Arguments:
        The fields of `BoredomSettings`.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 2,000 users of the test split; the most clicks that position
        allows is 535. See `envs.boredom.policies`.

        ``slatelab train --env slatelab/Boredom-v0 --agent random --steps 0 --eval-users 2000`` measures them. With the
        package's own item vectors random earns 43.4 ± 0.5 here and 43.5 ± 0.5 there, the myopic oracle 145.8 ± 2.2 and
        145.1 ± 2.3 (1,000 users each).

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[BoredomSettings]] = BoredomSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("relevance", "[0, 1]", "higher", "mean relevance of the slots, before anyone looks at them"),
        Metric("bored", "share", "lower", "whether a topic bored the user when the slate was shown"),
        Metric("repeats", "slots", "lower", "empty slots: positions that repeat an earlier one of the slate"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 43.57, 43.21, 43.92),
        Anchor("cosine", 86.29, 83.92, 88.57),
        Anchor("myopic_oracle", 146.44, 144.62, 148.22),
        Anchor("hand_rule", 318.30, 312.19, 323.70),
        Anchor("near_oracle", 494.86, 492.33, 497.12),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }

    def __init__(self, settings: BoredomSettings, device: str = "auto") -> None:
        self.settings = settings
        self.device = resolve_device(device)
        self.time_limit = settings.time_limit
        self.items = self.load_items().to(self.device)
        self.topics = self.items.argmax(dim=1)
        # Row N stands for a slot that shows nothing.
        self._items = pad(self.items, (0, 0, 0, 1))
        self._topics = pad(self.topics, (0, 1))
        self._longest: Tensor = self.items.norm(dim=1).max()
        self._ids = torch.arange(settings.num_items, device=self.device)
        self._memory = ClickMemory(settings, self.device)
        self._ones_D1 = torch.ones(settings.num_topics, 1, device=self.device)
        self._ones_K = torch.ones(settings.slate_size, device=self.device)
        self._constants = _constants(settings, self.device)
        self._count_ends = count_ends(*settings.user_topics, settings.num_topics).to(self.device)
        topics = self.topics.tolist()
        self._titles = np.array([f"item {item}, topic {topic}" for item, topic in enumerate(topics)], dtype=object)
        self._clicks = CHOICE_MODELS[settings.choice_model].clicks

    def load_items(self) -> Tensor:
        """Draw the catalogue, (N, D) unit vectors; a subclass may return others."""
        settings, generator = self.settings, torch.Generator().manual_seed(self.settings.catalog_seed)
        fewest, most = settings.item_topics
        counts_N = torch.randint(fewest, most + 1, (settings.num_items,), generator=generator)
        return sparse_directions(counts_N, settings.num_topics, generator)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw tastes."""
        uniform_B = torch.rand(number, generator=generator, device=self.device)
        counts_B = self.settings.user_topics[0] + torch.bucketize(uniform_B, self._count_ends, right=True)
        return {"taste": sparse_directions(counts_B, self.settings.num_topics, generator)}

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the first items on offer, if not all are."""
        settings = self.settings
        if settings.num_candidates == settings.num_items:
            return {}
        size, offered = (number, settings.num_items), for_candidates(generator)
        return {"offer": torch.rand(size, generator=offered, device=self.device)}

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the clicks and the next items on offer, if not all are."""
        size = (number, self.settings.slate_size)
        uniform = torch.rand(size, generator=generator, device=self.device)
        return {"choice": uniform, **self.start_noise(number, generator)}

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin a session: nothing shown, nothing clicked, nothing boring."""
        settings, taste_BD = self.settings, users["taste"]
        number = len(taste_BD)
        return {
            "taste": taste_BD,
            "boredom": torch.zeros_like(taste_BD),
            "recent": torch.zeros_like(taste_BD),
            **self._memory.empty(number),
            "liked": torch.zeros_like(taste_BD),
            "seen": torch.zeros_like(taste_BD),
            "clicks": torch.zeros(number, 1, device=self.device),
            "steps": torch.zeros(number, 1, device=self.device),
            "slate_items": torch.zeros(number, settings.slate_size, settings.num_topics, device=self.device),
            "response": torch.zeros(number, settings.slate_size, 2, device=self.device),
            **self._offer(noise),
        }

    def _offer(self, noise: Tensors) -> Tensors:
        return {"offer": top_k(noise["offer"], self.settings.num_candidates)} if "offer" in noise else {}

    def current_taste(self, state: State) -> Tensor:
        """Return what is left of the taste under boredom, (B, D)."""
        boredom_BD = state["boredom"]
        if self.settings.boredom_type == "churn_and_return":
            boredom_BD = boredom_BD @ self._ones_D1
        return state["taste"] * marks(torch.eq, boredom_BD, self._constants.zero)

    def logits(self, match: Tensor) -> Tensor:
        """Return the log odds of relevance of inner products of taste and item, in their shape."""
        return self._constants.slope * (match / self._longest - self._constants.offset)

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Let every user click what is relevant, and tire."""
        settings, constants = self.settings, self._constants
        empty_BK = repeats_if_any(slate_BK)
        shown_BK = blanked(self._item_ids(state, slate_BK), empty_BK, constants.items)
        items_BKD = embedding(shown_BK, self._items)
        match_BK = torch.bmm(items_BKD, self.current_taste(state).unsqueeze(2)).squeeze(2)
        logits_BK = self.logits(match_BK)
        no_click_B = torch.zeros_like(logits_BK[:, 0])
        click_BK = self._clicks(logits_BK, no_click_B, empty_BK, noise["choice"], settings.choice).float()
        above_BK = click_BK.cumsum(dim=1)
        clicks_B1 = above_BK[:, -1:].contiguous()

        # Far cheaper than products of the (B, K, D) items; an empty slot shows a row of zeros.
        clicked_BD = embedding_bag(shown_BK, self._items, mode="sum", per_sample_weights=click_BK)
        seen_BD = embedding_bag(shown_BK, self._items, mode="sum")
        memory = self._memory.after(state, click_BK, above_BK, self._topics.take(shown_BK))
        recent_BD = self._memory.counted(memory)
        # Click and reward, which are the same.
        response_BK2 = torch.view_as_real(torch.complex(click_BK, click_BK))
        advanced = {
            "taste": self._influenced(state["taste"], clicked_BD, clicks_B1),
            "boredom": self._bored(state["boredom"], recent_BD),
            "recent": recent_BD,
            **memory,
            "liked": constants.liked_decay * state["liked"] + constants.liked_share * clicked_BD,
            "seen": constants.liked_decay * state["seen"] + constants.liked_share * seen_BD,
            "clicks": constants.clicks_decay * state["clicks"] + constants.clicks_share * clicks_B1,
            "steps": state["steps"] + constants.one,
            "slate_items": items_BKD,
            "response": response_BK2,
            **self._offer(noise),
        }
        filled_BK = torch.ones_like(click_BK) if empty_BK is None else (~empty_BK).float()
        filled_B = filled_BK @ self._ones_K
        metrics = {
            "relevance": (torch.sigmoid(logits_BK) * filled_BK).sum(dim=1) / filled_B,
            "bored": (state["boredom"] @ self._ones_D1).squeeze(1).clamp(max=1),
            "repeats": constants.slots - filled_B,
        }
        reward_B = clicks_B1.squeeze(1)
        left_B = torch.zeros_like(reward_B, dtype=torch.bool)
        return advanced, Outcome(response=response_BK2, reward=reward_B, left=left_B, metrics=metrics)

    def _bored(self, boredom_BD: Tensor, recent_BD: Tensor) -> Tensor:
        """Return the steps of boredom left; a topic that bores already is not made to bore for longer."""
        constants = self._constants
        left_BD = (boredom_BD - constants.one).clamp(min=0)
        begins_BD = marks(torch.ge, recent_BD, constants.threshold) * marks(torch.eq, left_BD, constants.zero)
        return left_BD + constants.duration * begins_BD

    def _influenced(self, taste_BD: Tensor, clicked_BD: Tensor, clicks_B1: Tensor) -> Tensor:
        """Return the taste after the mean of the clicked items has drawn it to itself."""
        omega = self.settings.influence
        if omega == 1:
            return taste_BD
        moved_BD = normalize(omega * taste_BD + (1 - omega) / clicks_B1.clamp(min=1) * clicked_BD, dim=1)
        return torch.where(clicks_B1 > 0, moved_BD, taste_BD)

    def observe(self, state: State) -> Observation:
        """Return traces of the session, items on offer, the last slate and its response; all share one catalogue."""
        settings = self.settings
        parts = [
            state["liked"],
            state["seen"],
            (state["recent"] / self._constants.threshold).clamp(max=1),
            state["clicks"],
            state["steps"] / self.time_limit,
        ]
        if settings.observe_state:
            parts += [self.current_taste(state), state["boredom"] / settings.boredom_duration]
        ids_BM = self.candidate_ids(state)
        shared = "offer" not in state
        return {
            "user": torch.cat(parts, dim=1),
            "candidates": self.items.expand(len(ids_BM), -1, -1) if shared else embedding(ids_BM, self.items),
            "candidate_ids": ids_BM,
            "response": state["response"],
            "slate_items": state["slate_items"],
        }

    def slate_items(self, state: State) -> Tensor:
        """Return what was observed of the items shown, (B, K, D)."""
        return state["slate_items"]

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action."""
        settings = self.settings
        slots, offered, topics = settings.slate_size, settings.num_candidates, settings.num_topics
        return Spec(
            num_candidates=offered,
            slate_size=slots,
            num_items=settings.num_items,
            static_items=True,
            shapes={
                "user": (topics * (5 if settings.observe_state else 3) + 2,),
                "candidates": (offered, topics),
                "candidate_ids": (offered,),
                "response": (slots, 2),
                "slate_items": (slots, topics),
            },
            bounds={"user": (0, math.inf), "candidates": (0, UNIT), "slate_items": (0, UNIT), "response": (0, 1)},
            response_columns=("click", "reward"),
            neutral_response=(0.0, 0.0),
        )

    def candidate_ids(self, state: State) -> Tensor:
        """Return the (B, M) items on offer; of the whole catalogue a view, not a copy."""
        return state["offer"] if "offer" in state else self._ids.expand(len(state["taste"]), -1)

    def _item_ids(self, state: State, slate_BK: Tensor) -> Tensor:
        return state["offer"].gather(1, slate_BK) if "offer" in state else slate_BK

    def titles(self, item_ids: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return names such as ``item 12, topic 3``, in the shape of ``item_ids``."""
        return self._titles[item_ids]

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the catalogue, (N, D)."""
        return self.items.cpu().numpy()


class BoredomRerank(Boredom):
    """Ten items to put in order, again and again: SARDINE's SlateRerank-Bored.

    Description:
        As `Boredom`, but the catalogue is as long as the slate, so that order alone counts; relevance is less sharp,
        lower places are seen less, and a bored user still clicks what is on top. With more ``num_items`` the ten on
        offer are drawn anew at each step.

    Observation:
        As `Boredom`; recent clicks are divided by 4, steps by 10.

    Action:
        MultiDiscrete([10] * 10); a repeated position is an empty slot.

    Reward:
        Clicks of the step, 0 to 10.

    User model:
        As `Boredom`, with relevance sigmoid(5 (e.u / max |e| - 0.3)), clicks 0.7^rank relevance, and a main topic that
        bores from 4 recent clicks.

    Episode end:
        Truncated after 10 slates.

    Arguments:
        The fields of `BoredomRerankSettings`.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 2,000 users of the test split.

        ``slatelab train --env slatelab/BoredomRerank-v0 --agent random --steps 0 --eval-users 2000`` measures them.
        Returns depend on the ten items. With the package's own, random earns 13.3 ± 0.1 here and 13.1 ± 0.1 there, the
        myopic oracle 14.2 ± 0.1 and 13.9 ± 0.1 (5,000 users each): its first slate, left out here, counts for ten.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[BoredomSettings]] = BoredomRerankSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 12.39, 12.25, 12.53),
        Anchor("cosine", 11.65, 11.52, 11.78),
        Anchor("myopic_oracle", 13.59, 13.45, 13.74),
        Anchor("hand_rule", 14.37, 14.19, 14.54),
        Anchor("near_oracle", 17.45, 17.27, 17.64),
    )

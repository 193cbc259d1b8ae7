"""Videos for users whose interests move and whose time runs out: `slatelab/InterestEvolution-v0`."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from envs.choice import CHOICE_MODELS, sample_choice
from envs.interface import Metric, Observation, Policy, Spec, Tensors
from envs.recsim.evolution_policies import best_at_rate, hand_rule, myopic_oracle, near_oracle
from envs.recsim.interest_settings import InterestEvolutionSettings
from envs.simulator import Anchor, Outcome, Split, State, resolve_device
from envs.streams import for_candidates
from envs.tensors import blanked, repeats_if_any


class _Constants(NamedTuple):
    """Constants of the equations as tensors: of a Python number each operation would make one first."""

    zero: Tensor
    half: Tensor
    one: Tensor
    minus_one: Tensor
    topics: Tensor
    bonus: Tensor
    no_click_penalty: Tensor
    interest_step: Tensor
    deviation: Tensor
    no_click_mass: Tensor


def _constants(settings: InterestEvolutionSettings, device: torch.device) -> _Constants:
    deviation = settings.quality_deviation * math.sqrt(2)
    rates = settings.bonus, settings.no_click_penalty, settings.interest_step, deviation, float(settings.no_click_mass)
    constants = 0.0, 0.5, 1.0, -1.0, settings.num_topics
    return _Constants(*(torch.tensor(constant, device=device) for constant in (*constants, *rates)))


class InterestEvolution:
    """Videos by topic, where good ones give the user time back: RecSim's interest evolution.

    Description:
        A user with a budget of minutes watches videos of 20 topics until the budget is used up. Videos of high quality
        give part of their time back, those of low quality cost more than they last. What is liked and what is good are
        independent, so the slates clicked most are not those that keep the user watching.

        Source: Ie et al. 2019, arXiv 1905.12767, section 6, and RecSim, arXiv 1909.04847, whose code is followed
        where it says more than the papers. All splits have the same distribution of users.

        Deviation: quality is cut at 4.9 standard deviations from its mean. A position that repeats is shown twice by
        RecSim, each with its own chance; here it is an empty slot, so that no policy gains by repeating.

    Observation:
        ``user`` (20): interests, in [-1, 1]. ``candidates`` (M, 20): one-hot topics. ``response`` (K, 5) of every
        shown video: click, reward, minutes watched, quality, and topic (its number / 20; zeros in an empty slot).
        ``slate_items`` (K, 20): one-hot topics. With ``observe_budget`` also ``budget`` (1): minutes left / 200.
        Quality before a video is shown and, unless observed, the budget are hidden. Videos have no ids.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        Minutes watched, 0 to 4; the return is the watch time of the session.

    User model:
        Videos: topic t uniform, quality q ~ N(mean_t, 0.1) with means linspace(-3, 0, 14) and then linspace(0, 3, 6),
        4 minutes long; M are drawn anew at every step. 0.1 is the standard deviation: RecSim's code calls it a variance
        and draws with it as the scale. User: interests u ~ U[-1, 1]^20, budget b = 200 minutes.

        1. Choice: multinomial proportional with scores u_t, no-click mass 1 and minimum -1: weights u_t + 1 against 2.
        2. Click: watch w = min(b, 4) minutes; b <- b - w + (0.9 / 3.4) w q. No click: b <- b - 0.5.
        3. The interest in a clicked topic moves by d = 0.3 (1 - |u_t|) (1 - u_t): up with probability (u_t + 1) / 2,
           else down; clipped to [-1, 1]. That is the formula of RecSim's code, where 1 - u_t is the way from the
           interest to the video, whose feature is 1.

    Episode end:
        Terminated when the budget is used up; truncated after 1,000 slates (not reached with the defaults).

    Arguments:
        The fields of `InterestEvolutionSettings`. ``choice_model`` may be any that clicks at most one slot.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 10,000 users of the test split; the baseline cosine is
        the myopic oracle.

        ``slatelab train --env slatelab/InterestEvolution-v0 --agent random --steps 0 --eval-users 10000``
        measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[InterestEvolutionSettings]] = InterestEvolutionSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("quality", "[-3, 3]", "higher", "quality of the clicked video; 0 without a click"),
        Metric("budget", "minutes", "neither", "time the user has left"),
        Metric("repeats", "slots", "lower", "empty slots: positions that repeat an earlier one of the slate"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 160.63, 160.38, 160.86),
        Anchor("myopic_oracle", 168.25, 167.82, 168.68),
        Anchor("hand_rule", 265.08, 264.34, 265.74),
        Anchor("near_oracle", 281.17, 280.21, 282.09),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }

    def __init__(self, settings: InterestEvolutionSettings, device: str = "auto") -> None:
        self.settings = settings
        self.device = resolve_device(device)
        self.time_limit = settings.time_limit
        low = int(settings.low_quality_share * settings.num_topics)
        below = torch.linspace(settings.min_quality, 0, low)
        above = torch.linspace(0, settings.max_quality, settings.num_topics - low)
        self.mean_quality = torch.cat([below, above]).to(self.device)
        # The last row stands for a slot that shows nothing.
        self._topics = torch.eye(settings.num_topics + 1, settings.num_topics, device=self.device)
        self._ones = torch.ones(settings.slate_size, device=self.device)
        # By choice, the last of which is no click: the response, with the click where its reward will be too, whether
        # there is a click, and a slot, which is any slot if there is none.
        clicks = torch.eye(settings.slate_size + 1, settings.slate_size, device=self.device)
        self._answers = pad(clicks.unsqueeze(2).expand(-1, -1, 2), (0, 3))
        self._clicked = clicks.sum(dim=1)
        self._slots = torch.arange(settings.slate_size + 1, device=self.device).clamp(max=settings.slate_size - 1)
        self._shares = torch.arange(settings.num_topics + 1, device=self.device) / settings.num_topics
        self._shares[-1] = 0
        self._constants = _constants(settings, self.device)
        self._titles = np.array([f"topic {topic}" for topic in range(settings.num_topics)], dtype=object)
        self._chances = CHOICE_MODELS[settings.choice_model].chances

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw interests."""
        size = (number, self.settings.num_topics)
        return {"interests": 2 * torch.rand(size, generator=generator, device=self.device) - 1}

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the first videos."""
        size = (number, self.settings.num_candidates)
        return {"videos": torch.rand(size, generator=for_candidates(generator), device=self.device)}

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw choice, direction of the interest and the next videos."""
        uniform = torch.rand((number, 2), generator=generator, device=self.device)
        choice_B1, direction_B1 = uniform.split_with_sizes((1, 1), 1)
        return {"choice": choice_B1.squeeze(1), "direction": direction_B1, **self.start_noise(number, generator)}

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin a session: full budget, nothing shown yet."""
        settings, number = self.settings, len(users["interests"])
        return {
            "interests": users["interests"],
            "budget": torch.full((number,), settings.time_budget, device=self.device),
            "shown": torch.full((number, settings.slate_size), settings.num_topics, device=self.device),
            "response": torch.zeros(number, settings.slate_size, 5, device=self.device),
            **self._offer(noise["videos"]),
        }

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Let every user watch one video of the slate or none, and change."""
        settings, constants = self.settings, self._constants
        topics_BK, empty_BK = state["topics"].gather(1, slate_BK), repeats_if_any(slate_BK)
        interest_BK = state["interests"].gather(1, topics_BK)
        quality_BK = self.quality(topics_BK, state["ranks"].gather(1, slate_BK))
        no_click_B = constants.no_click_mass.expand_as(state["budget"])
        chances_BC = self._chances(interest_BK, no_click_B, empty_BK, settings.choice)
        choice_B = sample_choice(chances_BC, noise["choice"])
        click_B, slot_B1 = self._clicked.take(choice_B), self._slots.take(choice_B).unsqueeze(1)

        minutes_B = state["budget"].clamp(0, settings.document_length) * click_B
        quality_B = quality_BK.gather(1, slot_B1).squeeze(1) * click_B
        watched_cost_B = minutes_B * (constants.one - constants.bonus * quality_B)
        # A click is 0 or 1, and chooses between the two.
        budget_B = state["budget"] - torch.lerp(constants.no_click_penalty, watched_cost_B, click_B)
        interest_B1 = self._moved(interest_BK.gather(1, slot_B1), click_B.unsqueeze(1), noise["direction"])

        shown_BK = blanked(topics_BK, empty_BK, constants.topics)
        response_BK5 = self._answers.index_select(0, choice_B)
        _, reward_BK, watched_BK, seen_BK, share_BK = response_BK5.unbind(2)
        reward_BK.mul_(minutes_B.unsqueeze(1))
        watched_BK.copy_(reward_BK)
        blanked(quality_BK, empty_BK, constants.zero, out=seen_BK)
        torch.take(self._shares, shown_BK, out=share_BK)
        advanced = {
            "interests": state["interests"].scatter(1, topics_BK.gather(1, slot_B1), interest_B1),
            "budget": budget_B,
            "shown": shown_BK,
            "response": response_BK5,
            **self._offer(noise["videos"]),
        }
        repeats_B = torch.zeros_like(budget_B) if empty_BK is None else empty_BK.float() @ self._ones
        metrics = {"quality": quality_B, "budget": budget_B, "repeats": repeats_B}
        left_B = budget_B <= constants.zero
        return advanced, Outcome(response=response_BK5, reward=minutes_B, left=left_B, metrics=metrics)

    def quality(self, topics: Tensor, ranks: Tensor) -> Tensor:
        """Return the quality of videos by topic and rank in [0, 1) among the videos of the topic, in their shape."""
        centred = torch.add(self._constants.minus_one, ranks, alpha=2).clamp(-LAST_RANK, LAST_RANK)
        return self.mean_quality.take(topics) + self._constants.deviation * centred.erfinv()

    @cached_property
    def watch_rate(self) -> float:
        """Minutes watched for a minute of budget spent, at best, over many users and offers; for the near-oracle.

        It is the root of the expected excess over the rate, which falls as the rate rises: found by bisection.
        """
        generator = torch.Generator(self.device).manual_seed(0)
        interests_BD = self.sample_users(RATE_SAMPLES, "train", generator)["interests"]
        topics_BM = self._offer(self.start_noise(RATE_SAMPLES, generator)["videos"])["topics"]
        low, high = 0.0, 8.0
        for _ in range(12):
            rate = (low + high) / 2
            _, excess_B = best_at_rate(self, interests_BD, topics_BM, rate)
            low, high = (rate, high) if excess_B.mean() > 0 else (low, rate)
        return (low + high) / 2

    def _moved(self, interest_B1: Tensor, click_B1: Tensor, direction_B1: Tensor) -> Tensor:
        """Return the interest in the chosen topic after the step, (B, 1)."""
        constants = self._constants
        size_B1 = constants.interest_step * (constants.one - interest_B1.abs()) * (constants.one - interest_B1)
        # Below zero, that is up, with probability (interest + 1) / 2.
        down_B1 = direction_B1 - torch.add(constants.half, interest_B1, alpha=0.5)
        return (interest_B1 - torch.copysign(size_B1 * click_B1, down_B1)).clamp(-1, 1)

    def _offer(self, uniform_BM: Tensor) -> Tensors:
        """Make a video of each uniform number: its whole part is the topic, the rest its rank in quality."""
        videos_BM = uniform_BM * self._constants.topics
        return {"topics": videos_BM.long(), "ranks": videos_BM.frac()}

    def observe(self, state: State) -> Observation:
        """Return interests, topics on offer, the last slate and its response."""
        observation = {
            "user": state["interests"],
            "candidates": torch.embedding(self._topics, state["topics"]),
            "response": state["response"],
            "slate_items": self.slate_items(state),
        }
        if self.settings.observe_budget:
            observation["budget"] = state["budget"].unsqueeze(1) / self.settings.time_budget
        return observation

    def slate_items(self, state: State) -> Tensor:
        """Return the topics shown, one-hot, (B, K, D); zeros in an empty slot."""
        return torch.embedding(self._topics, state["shown"])

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action; an item of the catalogue is a topic."""
        slots, offered, topics = self.settings.slate_size, self.settings.num_candidates, self.settings.num_topics
        inf, longest = math.inf, self.settings.document_length
        shapes: dict[str, tuple[int, ...]] = {
            "user": (topics,),
            "candidates": (offered, topics),
            "response": (slots, 5),
            "slate_items": (slots, topics),
        }
        return Spec(
            num_candidates=offered,
            slate_size=slots,
            num_items=topics,
            shapes=shapes | {"budget": (1,)} if self.settings.observe_budget else shapes,
            bounds={
                "user": (-1, 1),
                "candidates": (0, 1),
                "slate_items": (0, 1),
                "response": ((0, 0, 0, -inf, 0), (1, longest, longest, inf, 1)),
                "budget": (-inf, 1),
            },
            response_columns=("click", "reward", "minutes", "quality", "topic"),
            neutral_response=(0.0, 0.0, 0.0, 0.0, 0.0),
        )

    def candidate_ids(self, state: State) -> Tensor:
        """Return the (B, M) topics on offer, which may repeat."""
        return state["topics"]

    def titles(self, item_ids: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return names such as ``topic 7``, in the shape of ``item_ids``."""
        return self._titles[item_ids]

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the (20, 20) one-hot topics."""
        return self._topics[:-1].cpu().numpy()


LAST_RANK = 1 - 2.0**-20
"""Of 2 rank - 1: no quality is more than 4.9 standard deviations from the mean, and none infinite."""

RATE_SAMPLES = 4096
"""Users and offers over which the best rate is found."""

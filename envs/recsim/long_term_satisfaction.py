"""Clickbait against satisfaction: `slatelab/LongTermSatisfaction-v0`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.errors import UsageError
from envs.interface import Metric, Observation, Policy, Spec, Tensors, repeats
from envs.simulator import Anchor, Outcome, Split, State, check_sizes, resolve_device
from envs.slates import top_k

BINS = 10
"""Items of the catalogue: clickbait scores to one decimal."""


@dataclass(frozen=True, kw_only=True)
class LongTermSatisfactionSettings:
    """Settings of `slatelab/LongTermSatisfaction-v0`."""

    num_candidates: int = 10
    """M, documents offered at each step, drawn anew."""
    slate_size: int = 1
    """K, documents shown at each step; the user consumes the first."""
    time_budget: int = 60
    """Slates after which the user leaves."""
    time_limit: int = 1000
    """Slates after which a session is truncated."""
    memory_discount: float = 0.7
    """beta, share of the net positive exposure that stays after a step."""
    sensitivity: float = 0.01
    """s, slope of satisfaction in the net positive exposure."""
    innovation_deviation: float = 0.05
    """eta, standard deviation of the noise of net positive exposure."""
    choc_mean: float = 5.0
    """mu_c, log engagement with pure clickbait at full satisfaction."""
    choc_deviation: float = 1.0
    """sigma_c, standard deviation of log engagement with pure clickbait."""
    kale_mean: float = 4.0
    """mu_k, log engagement with what is no clickbait, at full satisfaction."""
    kale_deviation: float = 1.0
    """sigma_k, standard deviation of log engagement with what is no clickbait."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        check_sizes(self.slate_size, self.num_candidates, self.num_candidates)
        for name in ("time_budget", "time_limit"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; make it 1 or more")
        if not 0 <= self.memory_discount < 1:
            raise UsageError(f"memory_discount is {self.memory_discount}; make it 0 or more and less than 1")
        for name in ("innovation_deviation", "choc_deviation", "kale_deviation"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}; make it finite and not negative")


class LongTermSatisfaction:
    """Clickbait engages now and wears satisfaction down: RecSim's "choc and kale".

    Description:
        Every document has a clickbait score x. Clickbait ("choc") engages more than what nourishes ("kale"), but it
        lowers the net positive exposure (NPE) that makes a user engage at all.

        With these published defaults the sensitivity is so small that satisfaction hardly moves: always showing the
        most clickbait is optimal, and the phenomenon the environment is named after is absent.

        Source: Ie et al. 2019, arXiv 1909.04847. Deviation: the paper's user observes nothing of the session; here
        ``user`` sums it up. All splits have the same distribution of users.

    Observation:
        ``user`` (4): decayed mean of the clickbait consumed (0.8 a step), decayed means of log engagement / 5 (0.8 and
        0.95 a step), steps / 60. ``candidates`` (M, 1): clickbait scores. ``response`` (K, 2): click, reward.
        ``slate_items`` (K, 1). NPE and satisfaction are hidden. Documents have no ids.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        Engagement, positive.

    User model:
        Documents: x ~ U[0, 1]; M are drawn anew at every step. NPE_0 = (U[0, 1] - 0.5) / (1 - 0.7).

        1. The user always consumes the first slot.
        2. Satisfaction SAT = sigmoid(0.01 NPE). Engagement = exp(N((5 x + 4 (1 - x)) SAT, x + (1 - x))).
        3. NPE <- 0.7 NPE - 2 (x - 0.5) + N(0, 0.05).

    Episode end:
        Terminated after 60 slates, the user's time budget; truncated at ``time_limit``.

    Arguments:
        The fields of `LongTermSatisfactionSettings`. There is no choice model to swap: the user always consumes the
        first slot, so that nothing is chosen, and a model of choice would make it another environment.

    Anchors:
        Mean return with its 95 % interval over 10,000 users of the test split; the hand rule shows the
        least clickbait.

        random         948.85 [945.62, 952.10]
        myopic_oracle  1117.08 [1113.42, 1120.90]
        hand_rule      786.27 [783.67, 788.97]
        near_oracle    1117.08 [1113.42, 1120.90]

        ``slatelab train --env slatelab/LongTermSatisfaction-v0 --agent random --steps 0 --eval-users 10000``
        measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[LongTermSatisfactionSettings]] = LongTermSatisfactionSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("clickbait", "[0, 1]", "neither", "clickbait score of the consumed document"),
        Metric("satisfaction", "[0, 1]", "higher", "SAT with which the document was met"),
        Metric("repeats", "slots", "lower", "empty slots: positions that repeat an earlier one of the slate"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 948.85, 945.62, 952.10),
        Anchor("myopic_oracle", 1117.08, 1113.42, 1120.90),
        Anchor("hand_rule", 786.27, 783.67, 788.97),
        Anchor("near_oracle", 1117.08, 1113.42, 1120.90),
    )
    POLICIES: ClassVar[Mapping[str, Policy]]

    def __init__(self, settings: LongTermSatisfactionSettings, device: str = "auto") -> None:
        self.settings = settings
        self.device = resolve_device(device)
        self.time_limit = settings.time_limit
        # Of clickbait and twice log engagement. Made once: to make them in a step waits for a GPU.
        self._keep = torch.tensor([0.8, 0.8, 0.95], device=self.device)
        self._gain = torch.tensor([0.2, 0.2 / 5, 0.05 / 5], device=self.device)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw the net positive exposure that users come with."""
        uniform_B = torch.rand(number, generator=generator, device=self.device)
        return {"exposure": (uniform_B - 0.5) / (1 - self.settings.memory_discount)}

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the first documents."""
        size = (number, self.settings.num_candidates)
        return {"documents": torch.rand(size, generator=generator, device=self.device)}

    def step_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw engagement, change of exposure and the next documents."""
        normal = torch.randn((number, 2), generator=generator, device=self.device)
        return {"engagement": normal[:, 0], "innovation": normal[:, 1], **self.start_noise(number, generator)}

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin a session: nothing consumed."""
        number, slots = len(users["exposure"]), self.settings.slate_size
        return {
            "exposure": users["exposure"],
            "steps": torch.zeros(number, dtype=torch.int64, device=self.device),
            "traces": torch.zeros(number, 3, device=self.device),
            "slate_items": torch.zeros(number, slots, 1, device=self.device),
            "response": torch.zeros(number, slots, 2, device=self.device),
            "documents": noise["documents"],
        }

    def log_engagement(self, clickbait: Tensor, exposure: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of log engagement, in the shape of the arguments."""
        settings = self.settings
        satisfaction = torch.sigmoid(settings.sensitivity * exposure)
        mean = (clickbait * settings.choc_mean + (1 - clickbait) * settings.kale_mean) * satisfaction
        return mean, clickbait * settings.choc_deviation + (1 - clickbait) * settings.kale_deviation

    def expected_engagement(self, clickbait: Tensor, exposure: Tensor) -> Tensor:
        """Return the mean of the log-normal engagement."""
        mean, deviation = self.log_engagement(clickbait, exposure)
        return (mean + deviation.square() / 2).exp()

    def next_exposure(self, clickbait: Tensor, exposure: Tensor) -> Tensor:
        """Return the mean of the net positive exposure after a document."""
        return self.settings.memory_discount * exposure - 2 * (clickbait - 0.5)

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Let every user consume the first document."""
        settings, exposure_B = self.settings, state["exposure"]
        shown_BK, empty_BK = state["documents"].gather(1, slate_BK), repeats(slate_BK)
        clickbait_B = shown_BK[:, 0]
        mean_B, deviation_B = self.log_engagement(clickbait_B, exposure_B)
        log_engagement_B = mean_B + deviation_B * noise["engagement"]
        engagement_B = log_engagement_B.exp()
        answer_B2 = torch.stack([torch.ones_like(engagement_B), engagement_B], dim=1)
        unread = torch.zeros_like(state["response"][:, 1:])
        response_BK2 = torch.cat([answer_B2.unsqueeze(1), unread], dim=1)
        traced_B3 = torch.stack([clickbait_B, log_engagement_B, log_engagement_B], dim=1)
        steps_B = state["steps"] + 1
        advanced = {
            "exposure": self.next_exposure(clickbait_B, exposure_B)
            + settings.innovation_deviation * noise["innovation"],
            "steps": steps_B,
            "traces": self._keep * state["traces"] + self._gain * traced_B3,
            "slate_items": shown_BK.masked_fill(empty_BK, 0.0).unsqueeze(2),
            "response": response_BK2,
            "documents": noise["documents"],
        }
        metrics = {
            "clickbait": clickbait_B,
            "satisfaction": torch.sigmoid(settings.sensitivity * exposure_B),
            "repeats": empty_BK.sum(dim=1).float(),
        }
        left_B = steps_B >= settings.time_budget
        return advanced, Outcome(response=response_BK2, reward=engagement_B, left=left_B, metrics=metrics)

    def observe(self, state: State) -> Observation:
        """Return traces of the session, documents on offer, the last slate and its response."""
        progress_B1 = state["steps"].unsqueeze(1) / self.settings.time_budget
        return {
            "user": torch.cat([state["traces"], progress_B1], dim=1),
            "candidates": state["documents"].unsqueeze(2),
            "response": state["response"],
            "slate_items": state["slate_items"],
        }

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action; an item of the catalogue is a clickbait score to one decimal."""
        slots, offered = self.settings.slate_size, self.settings.num_candidates
        return Spec(
            num_candidates=offered,
            slate_size=slots,
            num_items=BINS,
            shapes={"user": (4,), "candidates": (offered, 1), "response": (slots, 2), "slate_items": (slots, 1)},
            response_columns=("click", "reward"),
            neutral_response=(0.0, 0.0),
        )

    def candidate_ids(self, state: State) -> Tensor:
        """Return the (B, M) first decimals of the clickbait scores on offer, which may repeat."""
        return (state["documents"] * BINS).long().clamp(max=BINS - 1)

    def titles(self, item_ids: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return names such as ``clickbait 0.7``, in the shape of ``item_ids``."""
        return np.array([f"clickbait {item / BINS:.1f}" for item in range(BINS)], dtype=object)[item_ids]

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the middle clickbait score of each item, (10, 1)."""
        return ((np.arange(BINS) + 0.5) / BINS).astype(np.float32)[:, None]

    @cached_property
    def exposure_value(self) -> tuple[Tensor, Tensor]:
        """The value of net positive exposure by planning backwards: a grid (G,) and values (time_budget + 1, G).

        Row t is the expected engagement still to come with t slates left, playing optimally, with the noise of the
        exposure left out and the mean taken over a fixed sample of offers.
        """
        reach = max(1.0, 0.5) / (1 - self.settings.memory_discount)
        grid_G = torch.linspace(-reach, reach, 201, device=self.device)
        generator = torch.Generator(self.device).manual_seed(0)
        offers_SM = self.start_noise(64, generator)["documents"]
        engagement_SMG = self.expected_engagement(offers_SM.unsqueeze(2), grid_G)
        after_SMG = self.next_exposure(offers_SM.unsqueeze(2), grid_G)
        values = [torch.zeros_like(grid_G)]
        for _ in range(self.settings.time_budget):
            total_SMG = engagement_SMG + interpolate(values[-1], after_SMG, reach)
            values.append(total_SMG.amax(dim=1).mean(dim=0))
        return grid_G, torch.stack(values)


def interpolate(values: Tensor, points: Tensor, reach: float) -> Tensor:
    """Return a function known on an even grid over [-reach, reach], between its points and constant outside.

    Args:
        values: (G,) or, with a leading axis of ``points``, (B, G).
        points: (B, ...).
        reach: positive.
    """
    last = values.shape[-1] - 1
    place = ((points + reach) * (last / (2 * reach))).clamp(0, last)
    left = place.long().clamp(max=last - 1)
    if values.dim() == 2:
        low, high = values.gather(1, left), values.gather(1, left + 1)
    else:
        low, high = values[left], values[left + 1]
    return low + (place - left) * (high - low)


def myopic_oracle(simulator: LongTermSatisfaction, state: State) -> Tensor:
    """Show what engages most now: the most clickbait, with the defaults."""
    expected_BM = simulator.expected_engagement(state["documents"], state["exposure"].unsqueeze(1))
    return top_k(expected_BM, simulator.settings.slate_size)


def hand_rule(simulator: LongTermSatisfaction, state: State) -> Tensor:
    """Show the least clickbait, as one would who believes in the long-term effect."""
    return top_k(-state["documents"], simulator.settings.slate_size)


def near_oracle(simulator: LongTermSatisfaction, state: State) -> Tensor:
    """Show the document of the highest engagement now plus the value of the exposure it leaves.

    Equation:
        max over x of E[engagement(x, NPE)] + V_(t-1)(0.7 NPE - 2 (x - 0.5)), V by backward induction.
    """
    grid_G, values = simulator.exposure_value
    documents_BM, exposure_B1 = state["documents"], state["exposure"].unsqueeze(1)
    remaining_B = (simulator.settings.time_budget - 1 - state["steps"]).clamp(min=0)
    after_BM = simulator.next_exposure(documents_BM, exposure_B1)
    future_BM = interpolate(values[remaining_B], after_BM, -float(grid_G[0]))
    total_BM = simulator.expected_engagement(documents_BM, exposure_B1) + future_BM
    return top_k(total_BM, simulator.settings.slate_size)


LongTermSatisfaction.POLICIES = {
    "myopic_oracle": myopic_oracle,
    "hand_rule": hand_rule,
    "near_oracle": near_oracle,
}

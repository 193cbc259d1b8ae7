"""Clickbait against satisfaction: `slatelab/LongTermSatisfaction-v0`."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from envs.interface import Metric, Observation, Policy, Spec, Tensors, repeats
from envs.recsim.satisfaction_policies import hand_rule, interpolate, myopic_oracle, near_oracle
from envs.recsim.satisfaction_settings import LongTermSatisfactionSettings
from envs.simulator import Anchor, Outcome, Split, State, resolve_device
from envs.streams import for_candidates
from envs.traces import Trace, Traces

BINS = 10
"""Items of the catalogue: clickbait scores to one decimal."""


class LongTermSatisfaction:
    """Clickbait engages now and wears satisfaction down: RecSim's "choc and kale".

    Description:
        Every document has a clickbait score x. Clickbait ("choc") engages more than what nourishes ("kale"), but it
        lowers the net positive exposure (NPE) that makes a user engage at all.

        With these published defaults the sensitivity is so small that satisfaction hardly moves: always showing the
        most clickbait is optimal, and the phenomenon the environment is named after is absent.

        Source: Ie et al. 2019, arXiv 1909.04847, and the code of RecSim. All splits have the same distribution of
        users.

        Deviation: nothing is observed of RecSim's user; here ``user`` sums up the session. RecSim cuts the engagement
        that is observed, not the one that is its reward, at 100; here both are the same number, uncut, since the
        second column of every response is the reward, which learners learn from. What ``user`` follows is its
        logarithm. A position that repeats is shown twice by RecSim; here it is an empty slot, so that no policy gains
        by repeating (which of the slots repeats changes nothing: the first one alone is consumed).

    Observation:
        ``user`` (4): decayed mean of the ``clickbait`` consumed (0.8 a step), decayed means of log engagement / 5,
        ``recent_engagement`` (0.8) and ``engagement`` (0.95), steps / 60. ``candidates`` (M, 1): clickbait scores.
        ``response`` (K, 2): click, reward. ``slate_items`` (K, 1). NPE and satisfaction are hidden. Documents have no
        ids.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        Engagement, positive.

    User model:
        Documents: x ~ U[0, 1]; M are drawn anew at every step. NPE_0 = (U[0, 1] - 0.5) / (1 - 0.7).

        1. The user always consumes the first slot.
        2. Satisfaction SAT = sigmoid(0.01 NPE). Engagement = exp(N((5 x + 4 (1 - x)) SAT, x + (1 - x))).
        3. NPE <- 0.7 NPE - 2 (x - 0.5) + N(0, 0.05).

        The second number of N is a standard deviation.

    Episode end:
        Terminated after 60 slates, the user's time budget; truncated at ``time_limit``.

    Arguments:
        The fields of `LongTermSatisfactionSettings`. There is no choice model to swap: the user always consumes the
        first slot, so that nothing is chosen, and a model of choice would make it another environment.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 10,000 users of the test split; the hand rule shows the
        least clickbait.

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
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }
    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("clickbait", 0.8, 0.2),
        Trace("recent_engagement", 0.8, 0.2 / 5, of="engagement"),
        Trace("engagement", 0.95, 0.05 / 5),
    )
    """In ``traces``; what follows engagement follows its logarithm."""

    def __init__(self, settings: LongTermSatisfactionSettings, device: str = "auto") -> None:
        self.settings = settings
        self.device = resolve_device(device)
        self.time_limit = settings.time_limit
        self._traces = Traces(self.TRACES, self.device)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw the net positive exposure that users come with."""
        uniform_B = torch.rand(number, generator=generator, device=self.device)
        return {"exposure": (uniform_B - 0.5) / (1 - self.settings.memory_discount)}

    def start_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the first documents."""
        size = (number, self.settings.num_candidates)
        return {"documents": torch.rand(size, generator=for_candidates(generator), device=self.device)}

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
            "traces": self._traces.empty(number),
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
        events = {"clickbait": clickbait_B, "engagement": log_engagement_B}
        steps_B = state["steps"] + 1
        advanced = {
            "exposure": self.next_exposure(clickbait_B, exposure_B)
            + settings.innovation_deviation * noise["innovation"],
            "steps": steps_B,
            "traces": self._traces.after(state["traces"], events),
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

    def slate_items(self, state: State) -> Tensor:
        """Return what was observed of the items shown, (B, K, D)."""
        return state["slate_items"]

    @cached_property
    def spec(self) -> Spec:
        """Sizes of observation and action; an item of the catalogue is a clickbait score to one decimal."""
        slots, offered = self.settings.slate_size, self.settings.num_candidates
        return Spec(
            num_candidates=offered,
            slate_size=slots,
            num_items=BINS,
            shapes={"user": (4,), "candidates": (offered, 1), "response": (slots, 2), "slate_items": (slots, 1)},
            bounds={"candidates": (0, 1), "slate_items": (0, 1), "response": (0, math.inf)},
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

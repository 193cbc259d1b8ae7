"""Action-in DQN over items: Q(s, i) from user and item features, slates of the K highest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from agents.learning.item_values import ItemValues, pin_constants
from agents.learning.learner import Learner
from agents.learning.slate_value import SlateValueAgent, SlateValueSettings
from agents.streams import Streams
from envs.interface import Spec


@dataclass(frozen=True, kw_only=True)
class DQNSettings(SlateValueSettings):
    """Settings of DQN."""

    dueling: bool = False
    """Whether an item's value is that of the state plus an advantage, centred over the candidates on offer."""


class DQN(SlateValueAgent):
    """Learn the value of a slate as the mean of its items' values; the best slate is then the K highest items.

    Equation:
        Q(s, A) = 1/K sum_{i in A} Q(s, i), moved under Huber loss towards the lambda-return, or with replay towards the
        n-step return, with V(s) = Q_target(s, top-K of Q_online(s, .)).
    Source:
        Mnih et al. 2015; double: van Hasselt et al. 2016, arXiv 1509.06461; dueling: Wang et al. 2016, arXiv
        1511.06581; prioritised replay: Schaul et al. 2016, arXiv 1511.05952; n steps: Hessel et al. 2018, arXiv
        1710.02298; additive over the slate as the value decomposition of Sunehag et al. 2018, arXiv 1706.05296;
        parallel users as Gallici et al. 2024, arXiv 2407.04811.
    Deviation:
        The action's features go in, so that candidate sets may change; masks are not needed, since the slate is taken
        from the candidates on offer.
    """

    Settings: ClassVar[type[DQNSettings]] = DQNSettings

    def __init__(
        self,
        spec: Spec,
        settings: DQNSettings,
        *,
        device: torch.device,
        seed: int | Sequence[int],
        num_users: int,
        num_steps: int,
    ) -> None:
        streams = Streams(seed, device)
        learner = Learner(spec, settings, num_heads=1, num_state_heads=1, num_steps=num_steps, streams=streams)
        if settings.dueling:
            pin_constants(learner.network)
        super().__init__(spec, settings, learner, ItemValues(spec, learner.reader, settings.dueling), num_users)

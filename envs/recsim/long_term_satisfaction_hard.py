"""Clickbait where it matters: `slatelab/LongTermSatisfactionHard-v0`."""

from collections.abc import Mapping
from typing import ClassVar

from envs.interface import Policy
from envs.recsim.long_term_satisfaction import LongTermSatisfaction
from envs.recsim.satisfaction_policies import hand_rule, harvest_rule, myopic_oracle, near_oracle
from envs.recsim.satisfaction_settings import LongTermSatisfactionHardSettings, LongTermSatisfactionSettings
from envs.simulator import Anchor


class LongTermSatisfactionHard(LongTermSatisfaction):
    """As `LongTermSatisfaction`, where clickbait ruins a session and shunning it wastes what was built up.

    Description:
        Satisfaction follows the exposure sixty times as strongly as in the published defaults. So whoever shows what
        engages most now earns less than random slates do. To show the least clickbait is no answer either: kale
        engages little, and satisfaction levels off. What pays is to build satisfaction up, spend it on a document
        that is clickbait through and through, and build it up again.

        The settings stay within the published model. With the sensitivity alone raised, to 0.3 say, always showing
        the least clickbait earns 98.6 % of the near-oracle, and there is nothing to plan.

    Observation, Action, Reward, Episode end:
        As `LongTermSatisfaction`. The exposure stays hidden, but with this memory it follows from the decayed mean of
        the clickbait consumed, up to its noise and start: see ``harvest_rule``.

    User model:
        1. The user always consumes the first slot.
        2. Satisfaction SAT = sigmoid(0.6 NPE). Engagement = exp(N((5 x + 3 (1 - x)) SAT, x + (1 - x))).
        3. NPE <- 0.8 NPE - 2 (x - 0.5) + N(0, 0.05). NPE_0 = (U[0, 1] - 0.5) / (1 - 0.8).

        The second number of N is a standard deviation.

    Arguments:
        The fields of `LongTermSatisfactionHardSettings`.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 10,000 users of the test split; the hand rule shows the least
        clickbait. The best myopic policy loses 91 % to the near-oracle, the hand rule 25 %, and 6 % the harvest rule,
        which sees what agents see.

        ``slatelab train --env slatelab/LongTermSatisfactionHard-v0 --agent random --steps 0 --eval-users 10000``
        measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[LongTermSatisfactionSettings]] = LongTermSatisfactionHardSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 900.12, 895.26, 904.93),
        Anchor("myopic_oracle", 200.31, 198.77, 201.84),
        Anchor("hand_rule", 1763.30, 1757.35, 1769.54),
        Anchor("harvest_rule", 2215.84, 2205.72, 2227.15),
        Anchor("near_oracle", 2356.00, 2345.43, 2367.60),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "harvest_rule": harvest_rule,
        "near_oracle": near_oracle,
    }

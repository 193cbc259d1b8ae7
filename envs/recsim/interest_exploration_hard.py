"""Six kinds of users and a topic that suits them all: `slatelab/InterestExplorationHard-v0`."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from envs.choice import CHOICE_MODELS
from envs.interface import Policy, Tensors, repeats
from envs.recsim.exploration_hard_policies import explorer, hand_rule, myopic_bayes
from envs.recsim.exploration_policies import myopic_oracle
from envs.recsim.interest_exploration import InterestExploration
from envs.recsim.interest_settings import InterestExplorationHardSettings
from envs.simulator import Anchor, Outcome, State

RAREST = 1e-30
"""Least chance of an answer; one that no type would give leaves the belief as it is instead of breaking it."""


class InterestExplorationHard(InterestExploration):
    """As `InterestExploration`, where only who tries rare topics finds out what a user loves.

    Description:
        Half of the documents are of topic 0, which every user likes. The other half are spread over six topics, of
        which each of the six types of user loves one and dislikes the rest; all topics have the same quality. Before
        anything is known of a user, topic 0 promises more clicks than any other. It tells nothing of the user's type,
        so whoever maximises the clicks of each slate stays with it and never learns better.

        Nothing a slate does changes the user: all that lasts is what is known. The phenomenon is therefore not seen
        in the myopic oracle, which knows the user and so is the near-oracle, but in ``myopic_bayes``: the best policy
        that knows the model, sees what agents see, and looks at this slate alone. The near-oracle is an upper bound
        that no policy without its privilege reaches; ``explorer`` shows how much of the gap can be had without.

    Observation:
        As `InterestExploration`, with seven topics: ``user`` (16), ``candidates`` (M, 8), ``slate_items`` (K, 8).
        The type and the belief over types are hidden.

    Action, Reward, Episode end:
        As `InterestExploration`.

    User model:
        Users: six types alike in number; log affinity 1.1 to topic 0, 1.7 to the type's own topic, 0.1 to the other
        five, the same for all users of a type. Documents: topic 0 (50 %), six others (8.3 % each); quality is
        lognormal, of log mean 0.2 and log deviation 0.1. Choice as in `InterestExploration`.

        Belief b over the types, from observables alone: b_0 = shares of the types; after a slate,
        b(type) <- b(type) P(answer | slate, type), normalised. It is exact while affinity_deviation is 0 and the
        choice model clicks at most one slot or is position_based; for the two others the slots are taken as
        independent, and with a deviation the type's median stands for the user.

    Arguments:
        The fields of `InterestExplorationHardSettings`.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 10,000 users of the test split. The best myopic play from
        observables loses 26 % to the near-oracle; without privilege the explorer loses 1 %, the hand rule 8 %.

        ``slatelab train --env slatelab/InterestExplorationHard-v0 --agent random --steps 0 --eval-users 10000``
        measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[InterestExplorationHardSettings]] = InterestExplorationHardSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 42.35, 42.25, 42.45),
        Anchor("myopic_bayes", 53.52, 53.38, 53.67),
        Anchor("hand_rule", 66.57, 66.45, 66.68),
        Anchor("explorer", 71.21, 71.12, 71.30),
        Anchor("myopic_oracle", 72.17, 72.08, 72.26),
        Anchor("near_oracle", 72.17, 72.08, 72.26),
    )

    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "myopic_bayes": myopic_bayes,
        "hand_rule": hand_rule,
        "explorer": explorer,
        "near_oracle": myopic_oracle,
    }

    def __init__(self, settings: InterestExplorationHardSettings, device: str = "auto") -> None:
        super().__init__(settings, device)
        self._model = CHOICE_MODELS[settings.choice_model]
        self._typical_TD = self._log_affinity.exp()
        self._log_shares_T = torch.tensor(settings.user_types, device=self.device).log()

    def start(self, users: Tensors, noise: Tensors) -> State:
        """Begin a session: of the user's type only the shares are known."""
        number = len(users["affinity"])
        return super().start(users, noise) | {"log_belief": self._log_shares_T.repeat(number, 1)}

    def step(self, state: State, slate_BK: Tensor, noise: Tensors) -> tuple[State, Outcome]:
        """Let every user click, and learn of their type from it."""
        advanced, outcome = super().step(state, slate_BK, noise)
        clicks_BK = outcome.response[:, :, 0]
        evidence_BT = self.log_likelihood(state, slate_BK, clicks_BK)
        return advanced | {"log_belief": (state["log_belief"] + evidence_BT).log_softmax(dim=1)}, outcome

    def answers(self, state: State, slates_BLK: Tensor) -> Tensor:
        """Return the chances of each answer to L slates, for each type of user, (T, B, L, A).

        The first K answers are clicks on the slots. With at most one click a slate, the last is none, and they are a
        distribution; else K more are the slots not clicked.
        """
        number, count, slots = slates_BLK.shape
        positions_BX = slates_BLK.reshape(number, -1)
        topics_BX, quality_BX = state["topics"].gather(1, positions_BX), state["quality"].gather(1, positions_BX)
        scores_NK = (self._typical_TD[:, topics_BX] + quality_BX).reshape(-1, slots)
        empty_NK = repeats(slates_BLK.reshape(-1, slots)).repeat(len(self._typical_TD), 1)
        no_click_N = torch.full_like(scores_NK[:, 0], self.settings.no_click_mass)
        chances_NC = self._model.chances(scores_NK, no_click_N, empty_NK, self.settings.choice)
        if self._model.several:
            chances_NC = torch.cat([chances_NC[:, :-1], 1 - chances_NC[:, :-1]], dim=1)
        return chances_NC.reshape(-1, number, count, chances_NC.shape[1])

    def log_likelihood(self, state: State, slate_BK: Tensor, clicks_BK: Tensor) -> Tensor:
        """Return the log chance of the clicks, up to a constant, for each type of user, (B, T)."""
        none = 1 - clicks_BK if self._model.several else 1 - clicks_BK.sum(dim=1, keepdim=True)
        answer_BA = torch.cat([clicks_BK, none], dim=1)
        log_chances_TBA = self.answers(state, slate_BK.unsqueeze(1))[:, :, 0].clamp(min=RAREST).log()
        return (log_chances_TBA * answer_BA).sum(dim=2).T

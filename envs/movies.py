"""Films, with users fitted on real ratings: `slatelab/Movies-v0` and its negative control."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from envs.candidates import inner_products
from envs.catalog import DataSet, merge_repeated, with_min_ratings
from envs.fitted.policies import hand_rule, near_oracle
from envs.fitted.users import FittedUsers
from envs.interface import Metric, Policy, Tensors
from envs.movielens import load_movielens
from envs.movies_settings import MoviesMyopicSettings, MoviesSettings
from envs.simulator import Anchor, Split, State
from envs.text_domain import OFFER_METRICS, Chosen, Reaction, TextDomain, myopic_oracle
from envs.traces import Trace


class Movies(TextDomain):
    """Films for users fitted on real ratings: what is clicked most is not what keeps people longest.

    Description:
        A user of a film service looks at slates of K films until their patience runs out. Catalogue, ratings and
        genres are MovieLens latest-small (films with ten ratings or more: 2,245). Text features are the encoder's
        vectors of "title (year). Genres: …", centred, the 32 leading principal components, unit length.

        Users are drawn around real raters. A biased matrix factorisation is fitted on the train raters' ratings;
        validation and test raters are folded in, and the root mean squared error on hidden ratings of the test
        raters is 0.857 stars against 0.878 for biases alone and 0.951 for the films' means. A drawn user has the
        factors of a rater of the split plus noise of 0.3 standard deviations.

    Observation:
        ``user`` (3 D + 4): the profile, the decayed mean of the clicked vectors of the session (0.8 a step), their mean
        weighted by the stars told (0.95 a step), and four traces: ``slates`` / 50, decayed ``clicks`` (0.8 a step),
        decayed stars, ``recent_stars`` (0.8) and ``stars`` (0.95; 0 is 3 stars, 1 is 5).
        ``candidates`` (M, D) text features; ``popularity`` (M) standardised log rating count; ``candidate_ids`` (M).
        ``response`` (K, 3): click, reward, stars told; ``slate_items`` (K, D). Preference, satiation, mood and
        patience are hidden.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        1 for a click, else 0. `reward` alone says so: the step, the response and the oracles ask it.

    User model:
        Affinity a_i = standardised over the catalogue(p.q_i + b_i); satiation g_i = s.genres_i, genre rows of unit
        length.

        1. Candidates: 18 nearest to the profile x by cosine among the films not shown in this session, 12 uniform
           (``candidate_source``; of the whole catalogue, ``all``, a film already shown cannot be clicked).
        2. Click: multinomial logit with v_i = 3 cos(x, x_i) + popularity_i + 0.2 a_i - 2 g_i, no-click v_0 = 2.
        3. Satisfaction z = tanh(2 (a_i - 0.3 g_i)) with the clicked film; -0.2 without a click.
        4. Stars told after a click: clip(round(3 + a_i - 0.3 g_i + 0.5 N(0, 1)), 1, 5).
        5. Mood m <- 0.8 m + 0.2 z. Patience starts at 16 and loses exp(-3.5 m) a slate.
        6. Satiation s <- 0.8 s + 0.2 genres(clicked); profile x <- normalise(0.95 x + 0.05 x_clicked).

        So clicks follow text, fame and novelty, while how long a user stays follows their own hidden taste.

    Episode end:
        Terminated when patience is used up; truncated after 500 slates (never reached by the reference policies).
        Once fewer than M films are left unseen, all are offered again.

    Arguments:
        The fields of `MoviesSettings`.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 2,000 users of the test split; the dynamics were calibrated
        with these policies on validation users, before any agent was trained. (The hand rule came later; it sees
        what agents see.)

        ``slatelab train --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[MoviesSettings]] = MoviesSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("satisfaction", "[-1, 1]", "higher", "what the user really felt about the step"),
        Metric("mood", "[-1, 1]", "higher", "decayed mean of satisfaction; it stretches patience"),
        *OFFER_METRICS,
        Metric("retrieval/affinity", "s.d.", "higher", "mean fitted preference for the candidates"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 16.57, 16.20, 16.95),
        Anchor("cosine", 18.59, 18.15, 19.03),
        Anchor("popularity", 18.49, 18.15, 18.81),
        Anchor("hand_rule", 21.10, 20.67, 21.54),
        Anchor("myopic_oracle", 21.80, 21.34, 22.23),
        Anchor("near_oracle", 34.65, 34.19, 35.11),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }
    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("slates", 1.0, 0.02),
        Trace("clicks", 0.8, 0.2),
        Trace("recent_stars", 0.8, 0.2, of="stars"),
        Trace("stars", 0.95, 0.05),
    )

    settings: MoviesSettings

    def __init__(self, settings: MoviesSettings, device: str = "auto") -> None:
        self.settings = settings
        dataset = with_min_ratings(merge_repeated(self.load_dataset()), settings.min_ratings)
        super().__init__(settings, device, dataset.catalog)
        by_text = settings.user_vector == "text"
        self.users = FittedUsers(dataset, settings.encoder, settings.num_features, by_text, self.device)
        self.films, self.fingerprint = self.users.items, self.users.fingerprint
        self.set_items(self.films.vectors, self.films.vectors, self.films.popularity)

    def load_dataset(self) -> DataSet:
        """Return catalogue and ratings; a subclass that returns others makes the same environment of them."""
        return load_movielens()

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users around the raters of a split."""
        settings = self.settings
        return self.users.draw(number, split, generator, settings.perturbation, settings.history_size)

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Begin with no satiation, neutral mood and full patience."""
        number, num_features = users["profile"].shape
        zeros = torch.zeros(number, 1, device=self.device)
        return {
            "satiation": zeros.repeat(1, self.films.genres.shape[1]),
            "mood": zeros[:, 0],
            "patience": zeros[:, 0] + self.settings.patience,
            "recent": zeros.repeat(1, num_features),
            "liked": zeros.repeat(1, num_features),
        }

    def opinion(self, state: State, items_BK: Tensor | None) -> Tensors:
        """Return ``appeal``, ``affinity`` and ``satiation`` of films, each (B, K); (B, N) for None."""
        settings, films = self.settings, self.films
        affinity_BK = inner_products(state["factors"], films.factors, items_BK)
        satiation_BK = inner_products(state["satiation"], films.genres, items_BK)
        cosine_BK = inner_products(state["profile"], films.vectors, items_BK)
        popularity_BK = films.popularity if items_BK is None else films.popularity[items_BK]
        logits_BK = (
            settings.cosine_weight * cosine_BK
            + settings.popularity_weight * popularity_BK
            + settings.affinity_weight * affinity_BK
            - settings.satiation_weight * satiation_BK
        )
        return {"appeal": logits_BK, "affinity": affinity_BK, "satiation": satiation_BK}

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the click logit of films, (B, K); of the whole catalogue (B, N) for None."""
        return self.opinion(state, items_BK)["appeal"]

    def satisfaction(self, affinity: Tensor, satiation: Tensor) -> Tensor:
        """Return the satisfaction with a clicked film, in [-1, 1], in the shape of the arguments."""
        settings = self.settings
        return torch.tanh(settings.satisfaction_slope * (affinity - settings.satisfaction_satiation * satiation))

    def react_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the error of the stars."""
        return {"stars": torch.randn(number, generator=generator, device=self.device)}

    def react(self, state: State, chosen: Chosen, noise: Tensors) -> Reaction:
        """Let users feel, give stars, and stay or leave."""
        settings, click_B = self.settings, chosen.click
        affinity_B, satiation_B = (
            chosen.opinion[name].gather(1, chosen.slot)[:, 0] for name in ("affinity", "satiation")
        )
        satisfaction_B = torch.where(
            click_B > 0, self.satisfaction(affinity_B, satiation_B), settings.no_click_satisfaction
        )
        mood_B = settings.mood_decay * state["mood"] + (1 - settings.mood_decay) * satisfaction_B
        patience_B = state["patience"] - torch.exp(-settings.mood_effect * mood_B)
        exact_B = 3 + affinity_B - settings.satisfaction_satiation * satiation_B + 0.5 * noise["stars"]
        stars_B = exact_B.round().clamp(1, 5)
        verdict_B = click_B * ((stars_B - 3) / 2)
        return Reaction(
            moved={**self._moved(state, chosen, verdict_B), "mood": mood_B, "patience": patience_B},
            answers={"stars": stars_B},
            events={"stars": verdict_B},
            left=patience_B <= 0,
            metrics={"satisfaction": satisfaction_B},
        )

    def _moved(self, state: State, chosen: Chosen, verdict_B: Tensor) -> State:
        """Move what depends on the clicked film: satiation, profile and the vectors of the session."""
        settings, films, item_B = self.settings, self.films, chosen.item.squeeze(1)
        click_B1, verdict_B1 = chosen.click.unsqueeze(1), verdict_B.unsqueeze(1)
        vector_BD = click_B1 * films.vectors[item_B]
        decay, drift = settings.satiation_decay, settings.profile_drift
        profile_BD = (1 - drift * click_B1) * state["profile"] + drift * vector_BD
        return {
            "satiation": decay * state["satiation"] + (1 - decay) * click_B1 * films.genres[item_B],
            "profile": normalize(profile_BD, dim=1),
            "recent": 0.8 * state["recent"] + 0.2 * vector_BD,
            "liked": 0.95 * state["liked"] + 0.05 * verdict_B1 * vector_BD,
        }

    def measure(self, state: State) -> Tensors:
        """Return the mood, and the mean preference for what is on offer."""
        # As in `closeness`, without a copy of the candidates' factors.
        mean_BF = embedding_bag(state["candidates"], self.films.factors, mode="mean")
        return {"mood": state["mood"], "retrieval/affinity": (state["factors"] * mean_BF).sum(dim=1)}

    def user_features(self, state: State) -> Tensor:
        """Return profile and traces, (B, 3 D + 4); preference, satiation and mood stay hidden."""
        return torch.cat([state["profile"], state["recent"], state["liked"], state["progress"]], dim=1)

    def neutral_answers(self) -> Mapping[str, float]:
        """Return the columns of a response beside click and reward; 3 stars say nothing."""
        return {"stars": 3.0}


class MoviesMyopic(Movies):
    """The negative control of `Movies`: nothing a slate does lasts, so greedy play is optimal.

    Description:
        As `Movies`, with a fixed horizon of 16 slates, no satiation and no drift of the profile (only the films already
        shown are gone). An agent that plans ahead can gain nothing here; one that loses pays for its planning.

    Anchors:
        `ANCHORS`, measured as for `Movies`; the near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/MoviesMyopic-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings = MoviesMyopicSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 12.66, 12.58, 12.73),
        Anchor("cosine", 13.55, 13.48, 13.62),
        Anchor("popularity", 12.97, 12.90, 13.04),
        Anchor("hand_rule", 13.63, 13.57, 13.69),
        Anchor("myopic_oracle", 13.75, 13.68, 13.81),
        Anchor("near_oracle", 13.75, 13.68, 13.81),
    )

"""Films, with users fitted on real ratings: `slatelab/Movies-v0` and its negative control."""

from collections.abc import Mapping
from typing import ClassVar

from encoders.errors import UsageError
from envs.catalog import DataSet, merge_repeated, with_min_ratings
from envs.fitted.policies import hand_rule, near_oracle
from envs.fitted.users import rater_texts
from envs.fitted.world import RatedWorld
from envs.interface import Metric, Policy
from envs.movielens import load_movielens
from envs.movies_settings import MoviesMyopicSettings, MoviesSettings
from envs.simulator import Anchor, check_sizes, resolve_device
from envs.text.domain import OFFER_METRICS, TextDomain, myopic_oracle, read_texts
from envs.text.view import View
from envs.traces import Trace


class StarredView(View):
    """What a film service sees: clicks, and the stars told."""

    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("slates", 1.0, 0.02),
        Trace("clicks", 0.8, 0.2),
        Trace("recent_stars", 0.8, 0.2, of="verdict"),
        Trace("stars", 0.95, 0.05, of="verdict"),
    )


class Movies(TextDomain[RatedWorld]):
    """Films for users fitted on real ratings: what is clicked most is not what keeps people longest.

    Description:
        A user of a film service looks at slates of K films until their patience runs out. Catalogue, ratings and
        genres are MovieLens latest-small (films with ten ratings or more: 2,245).

        Users are drawn around real raters, and two things are learnt of these. *What they are drawn to*: who
        watched what, whatever they thought of it, gives every film a direction e_i (the 23 leading singular
        directions of the watched matrix of the train raters, scaled for busy raters and famous films) and every
        rater an interest, the mean direction of what they watched. *What they like*: a biased matrix
        factorisation of the train raters' stars; validation and test raters are folded in, and the root mean
        squared error on hidden ratings of the test raters is 0.857 stars against 0.878 for biases alone and
        0.951 for the films' means. A drawn user has the interest and the factors of a rater of the split plus
        noise of 0.3 (of the interest's length; in standard deviations). Ten liked films of the rater's are
        known to the system as a history, and are not on offer. (``world_method="poisson"`` finds the directions in
        another way, see docs/worlds.md; anchors are those of the default.)

    What the system sees:
        Text features are the encoder's vectors of "title (year). Genres: …", centred, the 32 leading principal
        components, unit length. The profile x starts as the mean of the history's and moves to clicks, x <-
        normalise(0.95 x + 0.05 x_clicked). Candidates: 18 nearest to x by cosine among the films neither known nor
        shown in this session, 12 uniform ones (``candidate_source``; of the whole catalogue, ``all``, a film already
        shown cannot be clicked). No encoder has a say in what users click or feel.

    Observation:
        ``user`` (3 D + 4): the profile, the decayed mean of the clicked vectors of the session (0.8 a step), their mean
        weighted by the stars told (0.95 a step), and four traces: ``slates`` / 50, decayed ``clicks`` (0.8 a step),
        decayed stars, ``recent_stars`` (0.8) and ``stars`` (0.95; 0 is 3 stars, 1 is 5).
        ``candidates`` (M, D) text features; ``popularity`` (M) standardised log rating count; ``candidate_ids`` (M).
        ``response`` (K, 3): click, reward, stars told; ``slate_items`` (K, D). Interest, preference, satiation, mood
        and patience are hidden, and so is how people differ.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        1 for a click, else 0. `World.reward` alone says so: the step, the response and the oracles ask it.

    User model:
        Interest u, unit length. Affinity a_i = standardised over the catalogue(p.q_i + b_i); satiation g_i =
        s.genres_i, genre rows of unit length. People differ: decisiveness d, love of fame f, love of variety w and
        stamina r are exp(0.2 N(0, 1)) each.

        1. Click: multinomial logit with v_0 + d (v_i - v_0), where v_i = 6 u.e_i + 0.5 f popularity_i - 2 w g_i and
           no click has v_0 = 3.
        2. Satisfaction z = tanh(2 (a_i - 0.3 g_i)) with the clicked film; -0.2 without a click.
        3. Stars told after a click: clip(round(3 + a_i - 0.3 g_i + 0.5 N(0, 1)), 1, 5).
        4. Mood m <- 0.8 m + 0.2 z. Patience starts at 20 r and loses exp(-3.5 m) a slate.
        5. Satiation s <- 0.8 s + 0.2 genres(clicked); interest u <- normalise(0.95 u + 0.05 e_clicked).

        So clicks follow what people are drawn to, fame and novelty, while how long they stay follows what they like.

    Episode end:
        Terminated when patience is used up; truncated after 500 slates (never reached by the reference policies).
        Once fewer than M films are left unseen, all but the known are offered again.

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
    METRICS: ClassVar[tuple[Metric, ...]] = (*RatedWorld.METRICS, *OFFER_METRICS)
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 14.35, 12.64, 16.27),
        Anchor("cosine", 16.24, 14.22, 18.45),
        Anchor("popularity", 15.59, 14.80, 16.34),
        Anchor("myopic_oracle", 18.75, 17.00, 20.63),
        Anchor("hand_rule", 18.56, 16.67, 20.58),
        Anchor("near_oracle", 30.29, 28.36, 32.35),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }
    settings: MoviesSettings

    def __init__(self, settings: MoviesSettings, device: str = "auto") -> None:
        self.settings = settings
        dataset = with_min_ratings(merge_repeated(self.load_dataset()), settings.min_ratings)
        world = RatedWorld(dataset, settings, resolve_device(device))
        self._check_left_after_history(len(dataset.catalog))
        people = rater_texts(dataset.catalog.texts, world.users.preferences.liked)
        reading = read_texts(settings, dataset.catalog, people if settings.user_vector == "text" else (), world)
        super().__init__(settings, world, StarredView(reading, world.popularity, settings), dataset.catalog)

    def load_dataset(self) -> DataSet:
        """Return catalogue and ratings; a subclass that returns others makes the same environment of them."""
        return load_movielens()

    def _check_left_after_history(self, num_items: int) -> None:
        check_sizes(self.settings.slate_size, self.settings.num_candidates, num_items)
        offered, known = self.settings.num_candidates, self.settings.history_size
        if num_items - known < offered:
            raise UsageError(
                f"of {num_items} items {known} may be known already, so {offered} cannot be offered; lower "
                "num_candidates, history_size or min_ratings"
            )


class MoviesMyopic(Movies):
    """The negative control of `Movies`: nothing a slate does lasts, so greedy play is optimal.

    Description:
        As `Movies`, where patience loses 1 a slate, nothing satiates and no interest drifts (only the films already
        shown are gone). Candidates are uniform, and what the system sees of a user stays as it was at first, so that
        there is nothing to explore for later. An agent that plans ahead can gain nothing here; one that loses pays for
        its planning.

    Anchors:
        `ANCHORS`, measured as for `Movies`; the near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/MoviesMyopic-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings = MoviesMyopicSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 9.82, 9.58, 10.06),
        Anchor("cosine", 12.85, 12.59, 13.10),
        Anchor("popularity", 14.90, 14.63, 15.18),
        Anchor("myopic_oracle", 16.62, 16.42, 16.83),
        Anchor("hand_rule", 15.29, 15.06, 15.52),
        Anchor("near_oracle", 16.62, 16.42, 16.83),
    )

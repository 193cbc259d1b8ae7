"""A social feed of generated posts and personas: `slatelab/Feed-v0` and its negative control."""

from collections.abc import Mapping
from typing import ClassVar

from envs.feed.catalog import generate_catalog, generate_personas
from envs.feed.policies import hand_rule, near_oracle
from envs.feed.settings import FeedMyopicSettings, FeedSettings
from envs.feed.view import FeedView
from envs.feed.world import FeedWorld
from envs.interface import Metric, Policy
from envs.simulator import Anchor, resolve_device
from envs.text.domain import OFFER_METRICS, TextDomain, myopic_oracle, read_texts


class Feed(TextDomain[FeedWorld]):
    """A social feed: what stirs people up is engaged with most, and drives them away.

    Description:
        A user of a social feed scrolls through slates of K posts, visit by visit, until one day they do not come back.
        Catalogue and users are synthetic: 3,000 posts by 200 creators over 20 topics, and 1,000 personas (600 train,
        200 validation, 200 test), are generated from templates and word lists with a fixed seed; nobody in them is
        real. A post stirs up (outrage o, a third of them), is plain, or does good (nourishment n, a third), and its
        wording lets one guess which. Most creators lean to one side, and posts that stir up reach further. A persona
        tells three interests and a temper in their own words; a drawn user has the persona's tastes and temper times
        exp(0.3 N(0, 1)). Which subjects of a topic a persona fancies is planted too, and told by what they engage with
        alone.

    Observation:
        ``user`` (3 (D + 16) + 8): the profile (padded by zeros), the decayed mean of the features engaged with (0.9 a
        slate), their mean weighted by the answers (0.95 a slate), four traces: ``slates`` / 50, decayed ``engagements``
        (0.8), decayed answers, ``recent_answers`` (0.8) and ``answers`` (0.95; 0 is 3 of 5, 1 is 5); log(1 + x) / 10 of
        the slates of this visit, the visits before it, the days away before it and the day.
        ``candidates`` (M, D + 16): text features and a random code of the creator, of unit length; ``candidate_ids``
        (M); ``popularity`` (M) standardised reach. ``response`` (K, 3): click, reward, and the answer, 1 to 5, whether
        the post was worth the time; ``slate_items`` (K, D + 16). Tastes, fancies, temper, satiation, weariness,
        well-being, energy, outrage and nourishment are hidden.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        1 for engaging with a post (a click), else 0.

    What the system sees:
        Texts through the encoder of the settings: a post's vector x_i has the 32 leading principal components of its
        text vector, centred, unit length; beside it a code of its creator. Engagement and feeling know none of it.

        1. The profile x is at first what the persona says, in the same space, centred on the mean of all people's
           words. After an engagement, x <- normalise(0.95 x + 0.05 x_i).
        2. Candidates: 15 nearest to the profile by cosine among the posts not shown before, 15 uniform
           (``candidate_source``; of the whole catalogue, ``all``, a post already shown cannot be engaged with).

    User model:
        Taste p is a share for each topic, q what it was at the start; h is temper (about 1.6, 1 or 0.5); post i has
        topic t and creator c, outrage o_i and nourishment n_i; u is what the user fancies and k_i the subject of the
        post, unit vectors of 8 numbers. Decisiveness, fame, variety and stamina are factors of each user,
        exp(0.2 N(0, 1)).

        1. Engagement: multinomial logit with v_i = 9 sqrt(p_t) + 2 cos(u, k_i) + fame popularity_i + h o_i
           - variety (g_t + 3 f_c), no-click v_0 = 6; g is satiation with topics, f weariness of creators; v_i - v_0 is
           stretched by decisiveness.
        2. Feeling z = tanh(1.4 n_i - 0.8 o_i - 2 max(p_t - q_t, 0)); -0.3 without engagement. The last term is the echo
           chamber: in what the feed has made of a taste, nothing is new.
        3. Answer: clip(round(3 + 2 z + 0.7 N(0, 1)), 1, 5). Well-being w <- 0.9 w + 0.1 z.
        4. On engagement, p <- 0.96 p + 0.04 onehot(t). Always, g <- 0.9 g + 0.1 onehot(t) and f <- 0.9 f + 0.1
           onehot(c), the second terms for an engagement alone.
        5. A visit starts with an energy of U[3, 9] times stamina and each slate costs 1 - 0.3 o_i: what stirs up keeps
           people scrolling. When none is left the visit ends, and the user comes back with chance
           C = 0.97 sigmoid(15 (w + 0.2)), after 1 + floor(10 (1 - C) Exp(1)) days; a day away leaves 0.7 of g and f.

        So what is engaged with most now makes each visit longer, taste narrower and the next visit less likely. The
        myopic oracle knows all tastes and chases the outrage: every slate is the likeliest to be engaged with, and
        fewer users come back. The hand rule knows none, puts back what shouts, keeps its users, and earns more.

    Episode end:
        Terminated when the user does not come back; truncated after 500 slates (never reached by the reference
        policies). Once fewer than M posts are left unseen, all are offered again.

    Arguments:
        The fields of `FeedSettings`.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 2,000 users of the test split; the dynamics were calibrated
        with these policies on validation users, before any agent was trained.

        ``slatelab train --env slatelab/Feed-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[FeedSettings]] = FeedSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (*FeedWorld.METRICS, *OFFER_METRICS)
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 11.07, 10.51, 11.66),
        Anchor("cosine", 11.99, 11.44, 12.57),
        Anchor("popularity", 8.80, 8.52, 9.11),
        Anchor("myopic_oracle", 13.04, 12.54, 13.56),
        Anchor("hand_rule", 13.95, 13.31, 14.57),
        Anchor("near_oracle", 21.20, 20.31, 22.08),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }

    settings: FeedSettings

    def __init__(self, settings: FeedSettings, device: str = "auto") -> None:
        feed, personas = generate_catalog(), generate_personas()
        world = FeedWorld(feed, personas, settings, resolve_device(device))
        reading = read_texts(settings, feed.catalog, personas.texts, world)
        super().__init__(settings, world, FeedView(reading, world.posts, settings), feed.catalog)


class FeedMyopic(Feed):
    """The negative control of `Feed`: nothing a slate does lasts, so greedy play is optimal.

    Description:
        As `Feed`, with one visit of 20 slates times the user's stamina, in which tastes stay as they are and nothing
        tires (only the posts already shown are gone). An agent that plans ahead can gain nothing here.

    What the system sees:
        As in `Feed`, but that nothing of it moves, except for the calendar: profile, vectors and traces of ``user``
        stay as they were at first, and candidates are 30 uniform unseen posts, so that there is nothing to explore for
        later.

    Anchors:
        `ANCHORS`, measured as for `Feed`; the near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/FeedMyopic-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings = FeedMyopicSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 5.90, 5.75, 6.06),
        Anchor("cosine", 11.62, 11.31, 11.93),
        Anchor("popularity", 10.49, 10.27, 10.72),
        Anchor("myopic_oracle", 14.95, 14.75, 15.16),
        Anchor("hand_rule", 10.10, 9.86, 10.33),
        Anchor("near_oracle", 14.95, 14.75, 15.16),
    )

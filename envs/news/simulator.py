"""News of a generated week for generated readers: `slatelab/News-v0` and its negative control."""

from collections.abc import Mapping
from typing import ClassVar

from encoders.errors import UsageError
from envs.interface import Metric, Policy
from envs.news.catalog import generate_catalog, generate_personas
from envs.news.offer import NewsOffer
from envs.news.policies import hand_rule, near_oracle
from envs.news.settings import NewsMyopicSettings, NewsSettings
from envs.news.view import NewsView
from envs.news.world import NewsWorld
from envs.simulator import Anchor, resolve_device
from envs.text.domain import OFFER_METRICS, TextDomain, myopic_oracle, read_texts


class News(TextDomain[NewsWorld]):
    """Clickbait is clicked today, and costs the trust that makes readers stay.

    Description:
        A reader of a news service looks at slates of K headlines, one every 15 minutes of a generated week, until
        their patience runs out. Articles, outlets, places and readers are synthetic: 3,030 texts made of word lists and
        templates, in 16 sections, by 16 outlets, 630 of them about 14 events (a storm, a final, an election). Planted
        in each: the hour of publication; its subject (or the event); how much of a clickbait it is (from a sober
        headline, 0, to "You won't believe what happened to …", 1); depth, at which the second sentence hints (sources
        and figures, or a gallery and three adverts); reach, which clickbait raises. Outlets differ in both. A persona
        says in a few sentences which sections they care for and how they read; 600, 200 and 200 of them make the train,
        validation and test splits, and a drawn reader is a persona plus noise of 0.3 in the taste for each section.
        Which subjects a persona follows is planted too, and told by what they click alone.

    Observation:
        ``user`` (3 D + 13): the profile and four zeros, so that it lies in the space of the candidates; the decayed
        mean of the clicked text vectors (0.8 a step); their mean weighted by the log of the reading time over 2 minutes
        (0.95 a step); six traces: ``slates`` / 50, decayed clicks, ``recent_clicks`` (0.8 a step) and ``clicks``
        (0.95), decayed log reading time, ``recent_reading`` (0.8) and ``reading`` (0.95), and its negative part,
        ``bad_reading`` (0.95); sine and cosine of the hour of the day; hours / 168 of the week.
        ``candidates`` (M, D + 4): text features; freshness f and sqrt(1 - f²); burst b and sqrt(1 - b²).
        ``popularity`` (M) standardised reach; ``candidate_ids`` (M). ``response`` (K, 3): click, reward, minutes read;
        ``slate_items`` (K, D + 4), at the hour of that slate. Tastes, what is followed, trust, fatigue and patience are
        hidden.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        1 for a click, else 0.

    What the system sees:
        Texts through the encoder of the settings: an article's vector x_i has the 32 leading principal components of
        its text vector, centred, unit length. Clicks, reading and trust know none of it.

        1. The profile x is at first what the persona says, in the same space, centred on the mean of all people's
           words. After a click, x <- normalise(0.95 x + 0.05 x_clicked).
        2. Candidates: 20 nearest to the profile by cosine and 10 uniform, of the articles that are published, not
           older than 36 hours and not shown in this session. (Who has seen so many that M might be lacking is offered
           older ones too. ``candidate_source`` ``all`` lists the whole week; what is not on offer cannot be clicked.)
        3. Freshness f and burst b of the hour, as below, stand beside the text.

    User model:
        Section rows s_i have unit length; u what the user follows and k_i the subject of the article, unit vectors of 8
        numbers. Clickbait c_i in [0, 1], depth q_i standardised; lure l is 0.6, 1 or 1.4. Decisiveness, variety and
        stamina are factors of each user, exp(0.2 N(0, 1)).

        1. The hour h starts uniform in [24, 120] and moves on by 1/4 a slate. Freshness f_i = exp(-age_i / 8 h). Burst
           b_i = exp((h - h_e) / 6 h) before the hour h_e of the article's event, exp(-(h - h_e) / 10 h) after it, 0
           without an event.
        2. Click: multinomial logit with v_i = 2 t.s_i + 3 cos(u, k_i) + 3 f_i + 2.5 b_i + 2.5 l T c_i
           - 2 variety g.s_i + 2 (T - 0.6), no-click v_0 = 5; v_i - v_0 is stretched by decisiveness.
        3. Satisfaction after a click z = tanh(0.6 q_i + 0.3 t.s_i - 1.5 c_i); minutes read = 2 exp(z + 0.3 N(0, 1)).
        4. Trust starts at 0.6: T <- T + 0.1 (1 - T) max(z, 0) + 0.12 T min(z, 0) + 0.01 max(0.6 - T, 0); z = 0 without
           a click. Patience starts at 24 times stamina and loses exp(-3 (T - 0.6)) a slate.
        5. Fatigue g <- 0.8 g + 0.2 s_clicked.

        So clickbait takes the click from what would have pleased, and the trust it costs lowers all later clicks and
        brings the end of the session nearer. Headline, outlet and minutes betray it. The myopic oracle knows all tastes
        and chases the clickbait: every slate is the likeliest to be clicked, and the session is short. The hand rule
        knows none, passes over loud headlines, keeps its readers, and earns more.

    Episode end:
        Terminated when patience is used up; truncated after 300 slates (never reached by the reference policies).
        Once fewer than M published articles are left unseen, all are offered again.

    Arguments:
        The fields of `NewsSettings`.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 2,000 users of the test split; the dynamics were calibrated
        with these policies on validation users, before any agent was trained. See `envs.news.policies`.

        ``slatelab train --env slatelab/News-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[NewsSettings]] = NewsSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (*NewsWorld.METRICS, *OFFER_METRICS)
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 8.64, 8.44, 8.85),
        Anchor("cosine", 9.48, 9.27, 9.70),
        Anchor("popularity", 7.24, 7.11, 7.38),
        Anchor("myopic_oracle", 10.22, 10.04, 10.39),
        Anchor("hand_rule", 11.27, 11.00, 11.54),
        Anchor("near_oracle", 16.27, 15.83, 16.71),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }

    settings: NewsSettings

    def __init__(self, settings: NewsSettings, device: str = "auto") -> None:
        news, personas = generate_catalog(), generate_personas()
        world = NewsWorld(news, personas, settings, resolve_device(device))
        reading = read_texts(settings, news.catalog, personas.texts, world)
        super().__init__(settings, world, NewsView(reading, world.items, settings), news.catalog)
        self.offer = NewsOffer(settings, world.items, self.source)
        published, needed = int((news.hours <= settings.first_hour).sum()), self.source.least_unseen
        if published < needed:
            raise UsageError(
                f"{published} articles are published by first_hour {settings.first_hour}, but {needed} have to be on "
                "offer; let sessions start later or offer fewer candidates"
            )


class NewsMyopic(News):
    """The negative control of `News`: nothing a slate does lasts, so greedy play is optimal.

    Description:
        As `News`, with a horizon of 24 slates times the user's stamina, whatever is shown, trust that stays at 0.6 and
        no fatigue. Only the articles already shown are gone; the clock moves on whatever is shown.

    What the system sees:
        As in `News`, but that nothing of it moves, except for the hour: profile, vectors and traces of ``user`` stay as
        they were at first, and candidates are drawn at random from the articles on offer. (Of the nearest ones those
        that nobody clicks would come back until they are shown, so that an unattractive slot would make room.) An agent
        that plans ahead can gain nothing here; one that loses pays for its planning.

    Anchors:
        `ANCHORS`, measured as for `News`; the near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/NewsMyopic-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings = NewsMyopicSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 10.47, 10.20, 10.75),
        Anchor("cosine", 13.08, 12.75, 13.41),
        Anchor("popularity", 13.21, 12.87, 13.56),
        Anchor("myopic_oracle", 18.85, 18.56, 19.14),
        Anchor("hand_rule", 10.12, 9.89, 10.36),
        Anchor("near_oracle", 18.85, 18.56, 19.14),
    )

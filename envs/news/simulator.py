"""News of a generated week for generated readers: `slatelab/News-v0` and its negative control."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from encoders.errors import UsageError
from envs.candidates import inner_products
from envs.features import TextFeatures
from envs.fingerprints import fingerprint
from envs.interface import Metric, Policy, Tensors
from envs.news.catalog import WEEK, generate_catalog, generate_personas
from envs.news.items import NUM_TIMES, NewsItems, NewsUsers
from envs.news.offer import NewsOffer
from envs.news.policies import hand_rule, near_oracle
from envs.news.settings import NewsMyopicSettings, NewsSettings
from envs.simulator import Anchor, Split, State
from envs.text_domain import OFFER_METRICS, Chosen, Reaction, TextDomain, myopic_oracle
from envs.traces import Trace


class News(TextDomain):
    """Clickbait is clicked today, and costs the trust that makes readers stay.

    Description:
        A reader of a news service looks at slates of K headlines, one every 15 minutes of a generated week, until
        their patience runs out. Articles, outlets, places and readers are synthetic: 3,030 texts made of word lists and
        templates, in 16 sections, by 16 outlets, 630 of them about 14 events (a storm, a final, an election). Planted
        in each: the hour of publication; how much of a clickbait it is (from a sober headline, 0, to "You won't believe
        what happened to …", 1); depth, at which the second sentence hints (sources and figures, or a gallery and three
        adverts); reach, which clickbait raises. Outlets differ in both. A persona says in a few sentences which
        sections they care for and how they read; 600, 200 and 200 of them make the train, validation and test splits,
        and a drawn reader is a persona plus noise of 0.3 in the taste for each section. Text features are the encoder's
        vectors of article and persona, centred, the 32 leading principal components, unit length.

    Observation:
        ``user`` (3 D + 13): the profile and four zeros, so that it lies in the space of the candidates; the decayed
        mean of the clicked text vectors (0.8 a step); their mean weighted by the log of the reading time over 2 minutes
        (0.95 a step); six traces: ``slates`` / 50, decayed clicks, ``recent_clicks`` (0.8 a step) and ``clicks``
        (0.95), decayed log reading time, ``recent_reading`` (0.8) and ``reading`` (0.95), and its negative part,
        ``bad_reading`` (0.95); sine and cosine of the hour of the day; hours / 168 of the week.
        ``candidates`` (M, D + 4): text features; freshness f and sqrt(1 - f²); burst b and sqrt(1 - b²).
        ``popularity`` (M) standardised reach; ``candidate_ids`` (M). ``response`` (K, 3): click, reward, minutes read;
        ``slate_items`` (K, D + 4), at the hour of that slate. Taste, trust, fatigue and patience are hidden.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        1 for a click, else 0.

    User model:
        Section rows s_i have unit length. Clickbait c_i in [0, 1], depth q_i standardised; lure l is 0.6, 1 or 1.4.

        1. The hour h starts uniform in [24, 120] and moves on by 1/4 a slate. Freshness f_i = exp(-age_i / 8 h). Burst
           b_i = exp((h - h_e) / 6 h) before the hour h_e of the article's event, exp(-(h - h_e) / 10 h) after it, 0
           without an event.
        2. Candidates: 20 nearest to the profile x by cosine and 10 uniform, of the articles that are published, not
           older than 36 hours and not shown in this session. (Who has seen so many that M might be lacking is offered
           older ones too. ``candidate_source`` ``all`` lists the whole week; what is not on offer cannot be clicked.)
        3. Click: multinomial logit with
           v_i = 3 cos(x, x_i) + 3 f_i + 2.5 b_i + 2.5 l T c_i + t.s_i - 2 g.s_i + 2 (T - 0.6), no-click v_0 = 4.5.
        4. Satisfaction after a click z = tanh(0.6 q_i + 0.3 t.s_i - 1.5 c_i); minutes read = 2 exp(z + 0.3 N(0, 1)).
        5. Trust starts at 0.6: T <- T + 0.1 (1 - T) max(z, 0) + 0.12 T min(z, 0) + 0.01 max(0.6 - T, 0); z = 0 without
           a click. Patience starts at 24 and loses exp(-3 (T - 0.6)) a slate.
        6. Fatigue g <- 0.8 g + 0.2 s_clicked; profile x <- normalise(0.95 x + 0.05 x_clicked).

        So clickbait takes the click from what would have pleased, and the trust it costs lowers all later clicks and
        brings the end of the session nearer. Headline, outlet and minutes betray it.

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
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("trust", "[0, 1]", "higher", "what readers expect of the next headline; it stretches patience"),
        Metric("satisfaction", "[-1, 1]", "higher", "satisfaction with the article read; 0 for none"),
        Metric("minutes", "minutes", "higher", "time spent on the article; 0 for none"),
        Metric("clickbait", "[0, 1]", "lower", "clickbait of the article clicked; 0 for none"),
        Metric("freshness", "[0, 1]", "higher", "mean freshness of the slate"),
        *OFFER_METRICS,
        Metric("retrieval/freshness", "[0, 1]", "higher", "mean freshness of the candidates"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 10.69, 10.54, 10.84),
        Anchor("cosine", 12.83, 12.66, 13.01),
        Anchor("popularity", 7.06, 6.97, 7.15),
        Anchor("myopic_oracle", 11.77, 11.62, 11.91),
        Anchor("hand_rule", 14.81, 14.60, 15.01),
        Anchor("near_oracle", 19.72, 19.48, 19.98),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }

    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("slates", 1.0, 0.02),
        Trace("recent_clicks", 0.8, 0.2, of="clicks"),
        Trace("clicks", 0.95, 0.05),
        Trace("recent_reading", 0.8, 0.2, of="reading"),
        Trace("reading", 0.95, 0.05),
        Trace("bad_reading", 0.95, 0.05),
    )
    STATIC_ITEMS = False

    settings: NewsSettings
    offer: NewsOffer

    def __init__(self, settings: NewsSettings, device: str = "auto") -> None:
        news = generate_catalog()
        super().__init__(settings, device, news.catalog)
        texts = TextFeatures(news.catalog.texts, settings.encoder, settings.num_features, self.device)
        self.items = NewsItems(news, texts.items, settings)
        personas = generate_personas()
        self.users = NewsUsers(personas, texts, settings, self.device)
        self.fingerprint = fingerprint(news.catalog.fingerprint, personas.texts, texts.fingerprint)
        self.set_items(self.items.vectors, self.items.vectors, self.items.popularity)
        self.offer = NewsOffer(settings, self.items, self.source)
        published, needed = int((news.hours <= settings.first_hour).sum()), self.source.least_unseen
        if published < needed:
            raise UsageError(
                f"{published} articles are published by first_hour {settings.first_hour}, but {needed} have to be on "
                "offer; let sessions start later or offer fewer candidates"
            )

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users around the personas of a split, and the hour at which each session starts."""
        return self.users.draw(number, split, generator)

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Begin with no fatigue, the trust that users come with, full patience."""
        settings, zeros = self.settings, torch.zeros(len(users["clock"]), 1, device=self.device)
        return {
            "trust": zeros[:, 0] + settings.trust,
            "patience": zeros[:, 0] + settings.patience,
            "fatigue": torch.zeros_like(users["taste"]),
            "recent": torch.zeros_like(users["profile"]),
            "valued": torch.zeros_like(users["profile"]),
            "slate_clock": users["clock"],
        }

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the click logit of articles, (B, K); of the whole catalogue (B, N) for None."""
        settings, items, trust_B1 = self.settings, self.items, state["trust"].unsqueeze(1)
        fresh_BK, burst_BK = items.timing(state["clock"], items_BK)
        clickbait_BK = items.clickbait if items_BK is None else items.clickbait[items_BK]
        liking_BT = settings.taste_weight * state["taste"] - settings.fatigue_weight * state["fatigue"]
        return (
            settings.cosine_weight * inner_products(state["profile"], items.vectors, items_BK)
            + settings.freshness_weight * fresh_BK
            + settings.burst_weight * burst_BK
            + settings.lure_weight * (state["lure"].unsqueeze(1) * trust_B1) * clickbait_BK
            + inner_products(liking_BT, items.sections, items_BK)
            + settings.trust_weight * (trust_B1 - settings.trust)
        )

    def satisfaction(self, state: State, items_BK: Tensor) -> Tensor:
        """Return the satisfaction with articles once they are read, (B, K) in [-1, 1]."""
        settings, items = self.settings, self.items
        return torch.tanh(
            settings.satisfaction_depth * items.depth[items_BK]
            + settings.satisfaction_taste * inner_products(state["taste"], items.sections, items_BK)
            - settings.disappointment * items.clickbait[items_BK]
        )

    def trust_change(self, trust: Tensor, satisfaction: Tensor) -> Tensor:
        """Return what an article read adds to trust, in the common shape of the arguments."""
        gain = self.settings.trust_gain * (1 - trust) * satisfaction.clamp(min=0)
        return gain + self.settings.trust_loss * trust * satisfaction.clamp(max=0)

    def react_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the error of the reading time."""
        return {"minutes": torch.randn(number, generator=generator, device=self.device)}

    def react(self, state: State, chosen: Chosen, noise: Tensors) -> Reaction:
        """Let users read, and stay or leave."""
        settings, click_B, item_B = self.settings, chosen.click, chosen.item.squeeze(1)
        satisfaction_B = click_B * self.satisfaction(state, chosen.item)[:, 0]
        minutes_B = click_B * settings.reading_minutes * torch.exp(satisfaction_B + 0.3 * noise["minutes"])
        # Of no click the logarithm of 0, times 0: hence the floor.
        verdict_B = click_B * (minutes_B / settings.reading_minutes).clamp(min=0.05).log()
        recovery_B = settings.trust_recovery * (settings.trust - state["trust"]).clamp(min=0)
        trust_B = state["trust"] + self.trust_change(state["trust"], satisfaction_B) + recovery_B
        patience_B = state["patience"] - torch.exp(-settings.trust_effect * (trust_B - settings.trust))
        moved = {
            **self._moved(state, item_B, click_B, verdict_B),
            "trust": trust_B,
            "patience": patience_B,
            "slate_clock": state["clock"],
        }
        return Reaction(
            moved=moved,
            answers={"minutes": minutes_B},
            events={"reading": verdict_B, "bad_reading": verdict_B.clamp(max=0)},
            left=patience_B <= 0,
            metrics={
                "satisfaction": satisfaction_B,
                "minutes": minutes_B,
                "clickbait": click_B * self.items.clickbait[item_B],
                "freshness": self.items.timing(state["clock"], chosen.items)[0].mean(dim=1),
            },
        )

    def _moved(self, state: State, item_B: Tensor, click_B: Tensor, verdict_B: Tensor) -> State:
        """Move what depends on the clicked article: fatigue, profile and the vectors of the session."""
        settings, items = self.settings, self.items
        decay, drift, click_B1 = settings.fatigue_decay, settings.profile_drift, click_B.unsqueeze(1)
        vector_BD = click_B1 * items.vectors[item_B]
        profile_BD = (1 - drift * click_B1) * state["profile"] + drift * vector_BD
        return {
            "fatigue": decay * state["fatigue"] + (1 - decay) * click_B1 * items.sections[item_B],
            "profile": normalize(profile_BD, dim=1),
            "recent": 0.8 * state["recent"] + 0.2 * vector_BD,
            "valued": 0.95 * state["valued"] + 0.05 * verdict_B.unsqueeze(1) * vector_BD,
        }

    def measure(self, state: State) -> Tensors:
        """Return trust, and the freshness of what is on offer."""
        fresh_BM, _ = self.items.timing(state["clock"], self.source.rows(state["candidates"]))
        return {"trust": state["trust"], "retrieval/freshness": fresh_BM.mean(dim=1)}

    def user_features(self, state: State) -> Tensor:
        """Return profile, traces and clock, (B, 3 D + 13); tastes, trust and patience stay hidden."""
        turn_B1 = (state["clock"] * (2 * math.pi / 24)).unsqueeze(1)
        user = [
            pad(state["profile"], (0, NUM_TIMES)),
            state["recent"],
            state["valued"],
            state["progress"],
            turn_B1.sin(),
            turn_B1.cos(),
            state["clock"].unsqueeze(1) / WEEK,
        ]
        return torch.cat(user, dim=1)

    def candidate_features(self, state: State) -> Tensor:
        """Return what is observed of the candidates at this hour, (B, M, F)."""
        return self.items.features(super().candidate_features(state), state["clock"], state["candidates"])

    def shown_features(self, state: State) -> Tensor:
        """Return what was observed of the articles shown, at the hour of that slate, (B, K, F)."""
        slate_BK = state["slate"].clamp(min=0)
        return self.items.features(super().shown_features(state), state["slate_clock"], slate_BK)

    def neutral_answers(self) -> Mapping[str, float]:
        """Return the columns of a response beside click and reward; the minutes of satisfaction 0 say nothing."""
        return {"minutes": self.settings.reading_minutes}


class NewsMyopic(News):
    """The negative control of `News`: nothing a slate does lasts, so greedy play is optimal.

    Description:
        As `News`, with a fixed horizon of 24 slates, trust that stays at 0.6, no fatigue, no drift of the profile, and
        candidates drawn at random from the articles on offer. (Of the nearest ones those that nobody clicks would come
        back until they are shown, so that an unattractive slot would make room: worth 2 % of the return.) Only the
        articles already shown are gone; the clock moves on whatever is shown. An agent that plans ahead can gain
        nothing here; one that loses pays for its planning.

    Anchors:
        `ANCHORS`, measured as for `News`; the near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/NewsMyopic-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings = NewsMyopicSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 8.74, 8.62, 8.87),
        Anchor("cosine", 11.61, 11.47, 11.74),
        Anchor("popularity", 10.91, 10.77, 11.05),
        Anchor("myopic_oracle", 16.20, 16.08, 16.32),
        Anchor("hand_rule", 9.94, 9.82, 10.06),
        Anchor("near_oracle", 16.20, 16.08, 16.32),
    )

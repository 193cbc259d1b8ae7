"""A social feed of generated posts and personas: `slatelab/Feed-v0` and its negative control."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot, pad

from envs.candidates import inner_products
from envs.features import TextFeatures
from envs.feed.catalog import generate_catalog, generate_personas
from envs.feed.policies import hand_rule, near_oracle
from envs.feed.population import CREATOR_CODE, FeedUsers, Posts
from envs.feed.settings import FeedMyopicSettings, FeedSettings
from envs.fingerprints import fingerprint
from envs.interface import Metric, Policy, Tensors
from envs.simulator import Anchor, Split, State
from envs.text_domain import OFFER_METRICS, Chosen, Reaction, TextDomain, myopic_oracle
from envs.traces import Trace


class Feed(TextDomain):
    """A social feed: what stirs people up is engaged with most, and drives them away.

    Description:
        A user of a social feed scrolls through slates of K posts, visit by visit, until one day they do not come back.
        Catalogue and users are synthetic: 3,000 posts by 200 creators over 20 topics, and 1,000 personas (600 train,
        200 validation, 200 test), are generated from templates and word lists with a fixed seed; nobody in them is
        real. A post stirs up (outrage o, a third of them), is plain, or does good (nourishment n, a third), and its
        wording lets one guess which. Most creators lean to one side, and posts that stir up reach further. A persona
        tells three interests and a temper in their own words; a drawn user has the persona's tastes and temper times
        exp(0.3 N(0, 1)). Text features are the encoder's vectors, centred, the 32 leading principal components, unit
        length; the start profile is the persona's text in the same space.

    Observation:
        ``user`` (3 (D + 16) + 8): the profile (padded by zeros), the decayed mean of the features engaged with (0.9 a
        slate), their mean weighted by the answers (0.95 a slate), four traces: ``slates`` / 50, decayed ``engagements``
        (0.8), decayed answers, ``recent_answers`` (0.8) and ``answers`` (0.95; 0 is 3 of 5, 1 is 5); log(1 + x) / 10 of
        the slates of this visit, the visits before it, the days away before it and the day.
        ``candidates`` (M, D + 16): text features and a random code of the creator, of unit length; ``candidate_ids``
        (M); ``popularity`` (M) standardised reach. ``response`` (K, 3): click, reward, and the answer, 1 to 5, whether
        the post was worth the time; ``slate_items`` (K, D + 16). Tastes, temper, satiation, weariness, well-being,
        energy, outrage and nourishment are hidden.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        1 for engaging with a post (a click), else 0.

    User model:
        Taste p is a share for each topic, q what it was at the start; h is temper; post i has topic t and creator c.

        1. Candidates: 15 nearest to the profile x by cosine among the posts not shown before, 15 uniform
           (``candidate_source``; of the whole catalogue, ``all``, a post already shown cannot be engaged with).
        2. Engagement: multinomial logit with v_i = 9 sqrt(p_t) + 2 cos(x, x_i) + popularity_i + h o_i - g_t
           - 3 f_c, no-click v_0 = 7.25; g is satiation with topics, f weariness of creators.
        3. Feeling z = tanh(1.4 n_i - 0.8 o_i - 2 max(p_t - q_t, 0)); -0.3 without engagement. The last term is the echo
           chamber: in what the feed has made of a taste, nothing is new.
        4. Answer: clip(round(3 + 2 z + 0.7 N(0, 1)), 1, 5). Well-being w <- 0.9 w + 0.1 z.
        5. On engagement, p <- 0.96 p + 0.04 onehot(t), x <- normalise(0.95 x + 0.05 x_i). Always, g <- 0.9 g + 0.1
           onehot(t) and f <- 0.9 f + 0.1 onehot(c), the second terms for an engagement alone.
        6. A visit starts with an energy of U[3, 9] and each slate costs 1 - 0.3 o_i: what stirs up keeps people
           scrolling. When none is left the visit ends, and the user comes back with chance
           C = 0.97 sigmoid(15 (w + 0.2)), after 1 + floor(10 (1 - C) Exp(1)) days; a day away leaves 0.7 of g and f.

        So what is engaged with most now makes each visit longer, taste narrower and the next visit less likely.

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
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("wellbeing", "[-1, 1]", "higher", "decayed mean of how slates made the user feel; it brings them back"),
        Metric("outrage", "[0, 1]", "lower", "how much the post engaged with stirs up; 0 without one"),
        Metric("nourishment", "[0, 1]", "higher", "how much good the post engaged with does; 0 without one"),
        Metric("narrowness", "0 to 1", "lower", "sum of the squared shares of the user's taste: 1 is a single topic"),
        Metric("visits", "visits", "higher", "visits that ended"),
        *OFFER_METRICS,
        Metric("retrieval/taste", "share", "higher", "mean taste of the user for the candidates' topics"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 10.19, 9.84, 10.51),
        Anchor("cosine", 11.65, 11.34, 11.96),
        Anchor("popularity", 6.71, 6.53, 6.90),
        Anchor("myopic_oracle", 12.04, 11.76, 12.34),
        Anchor("hand_rule", 12.60, 12.28, 12.92),
        Anchor("near_oracle", 17.31, 16.84, 17.77),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }
    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("slates", 1.0, 0.02),
        Trace("engagements", 0.8, 0.2, of="clicks"),
        Trace("recent_answers", 0.8, 0.2, of="answers"),
        Trace("answers", 0.95, 0.05),
    )

    settings: FeedSettings

    def __init__(self, settings: FeedSettings, device: str = "auto") -> None:
        feed = generate_catalog()
        super().__init__(settings, device, feed.catalog)
        texts = TextFeatures(feed.catalog.texts, settings.encoder, settings.num_features, self.device)
        personas = generate_personas()
        self.posts, self.users = Posts(feed, texts.items), FeedUsers(personas, texts, self.device)
        self.fingerprint = fingerprint(feed.catalog.fingerprint, personas.texts, texts.fingerprint)
        self.set_items(self.posts.vectors, self.posts.features, self.posts.popularity)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users around the personas of a split."""
        return self.users.draw(number, split, generator, self.settings.perturbation)

    def begin_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the length of the first visit."""
        return {"energy": torch.rand(number, generator=generator, device=self.device)}

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Begin the first visit with no satiation, no weariness and neutral well-being."""
        width, zeros = self.posts.features.shape[1], torch.zeros(len(users["taste"]), 1, device=self.device)
        return {
            "own_taste": users["taste"],
            "satiation": torch.zeros_like(users["taste"]),
            "weariness": zeros.repeat(1, self.posts.num_creators),
            "wellbeing": zeros[:, 0],
            "energy": self._energy(noise["energy"]),
            "recent": zeros.repeat(1, width),
            "valued": zeros.repeat(1, width),
            "visit": zeros.repeat(1, 4),
        }

    def _energy(self, uniform_B: Tensor) -> Tensor:
        settings = self.settings
        return settings.min_energy + (settings.max_energy - settings.min_energy) * uniform_B

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the engagement logit of items, (B, K); of the whole catalogue (B, N) for None."""
        settings = self.settings
        fame_N = settings.popularity_weight * self.posts.popularity
        stir_N = settings.outrage_weight * self.posts.outrage
        return (
            settings.taste_weight * self.posts.of_topic(state["taste"].sqrt(), items_BK)
            + settings.cosine_weight * inner_products(state["profile"], self.posts.vectors, items_BK)
            + (fame_N if items_BK is None else fame_N[items_BK])
            + state["temper"].unsqueeze(1) * (stir_N if items_BK is None else stir_N[items_BK])
            - settings.satiation_weight * self.posts.of_topic(state["satiation"], items_BK)
            - settings.weariness_weight * self.posts.of_creator(state["weariness"], items_BK)
        )

    def feeling(self, state: State, items_BK: Tensor) -> Tensor:
        """Return how posts make the user feel if they engage with them, (B, K) in [-1, 1]."""
        settings = self.settings
        effect_N = settings.nourishment_effect * self.posts.nourishment - settings.outrage_effect * self.posts.outrage
        stale_BT = (state["taste"] - state["own_taste"]).clamp(min=0)
        return torch.tanh(effect_N[items_BK] - settings.staleness_effect * self.posts.of_topic(stale_BT, items_BK))

    def comeback_chance(self, wellbeing: Tensor) -> Tensor:
        """Return the chance to come back after a visit, in the shape of the well-being."""
        settings = self.settings
        return settings.comeback * torch.sigmoid(settings.comeback_slope * (wellbeing - settings.comeback_threshold))

    def react_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the error of the answer, and whether, when and for how long users come back."""
        device = self.device
        return {
            "answer": torch.randn(number, generator=generator, device=device),
            "comeback": torch.rand(number, generator=generator, device=device),
            "absence": torch.rand(number, generator=generator, device=device),
            "energy": torch.rand(number, generator=generator, device=device),
        }

    def react(self, state: State, chosen: Chosen, noise: Tensors) -> Reaction:
        """Let users feel, and go on, come back later or leave."""
        settings, click_B, item_B = self.settings, chosen.click, chosen.item.squeeze(1)
        felt_B = self.feeling(state, chosen.item)[:, 0]
        felt_B = click_B * felt_B + (1 - click_B) * settings.no_click_feeling
        worth_B = (3 + 2 * felt_B + settings.told_noise * noise["answer"]).round().clamp(1, 5)
        wellbeing_B = settings.wellbeing_decay * state["wellbeing"] + (1 - settings.wellbeing_decay) * felt_B
        outrage_B = click_B * self.posts.outrage[item_B]
        energy_B = state["energy"] - (1 - settings.hook * outrage_B)
        ended_B = energy_B <= 0
        chance_B = self.comeback_chance(wellbeing_B)
        days_B = ended_B * self._days_away(chance_B, noise["absence"])
        verdict_B = click_B * ((worth_B - 3) / 2)
        moved = {
            **self._habits(state, item_B, click_B, days_B),
            **self._vectors(state, item_B, click_B, verdict_B),
            "visit": self._calendar(state["visit"], days_B),
            "wellbeing": wellbeing_B,
            "energy": torch.where(ended_B, self._energy(noise["energy"]), energy_B),
        }
        return Reaction(
            moved=moved,
            answers={"worth": worth_B},
            events={"answers": verdict_B},
            left=ended_B & (noise["comeback"] >= chance_B),
            metrics={
                "outrage": outrage_B,
                "nourishment": click_B * self.posts.nourishment[item_B],
                "visits": ended_B.float(),
            },
        )

    def _days_away(self, chance_B: Tensor, uniform_B: Tensor) -> Tensor:
        """Return whole days until the next visit, 1 or more, (B,): the longer, the less sure it is."""
        exponential_B = -torch.log1p(-uniform_B)
        return 1 + (self.settings.absence * (1 - chance_B) * exponential_B).floor()

    def _habits(self, state: State, item_B: Tensor, click_B: Tensor, days_B: Tensor) -> Tensors:
        """Move taste, satiation with topics and weariness of creators; days away let the last two fade."""
        settings = self.settings
        click_B1, keep = click_B.unsqueeze(1), settings.habit_decay
        topic_BT = click_B1 * one_hot(self.posts.topics[item_B], self.posts.num_topics)
        creator_BC = click_B1 * one_hot(self.posts.creators[item_B], self.posts.num_creators)
        rest_B1 = (settings.overnight**days_B).unsqueeze(1)
        return {
            "taste": (1 - settings.echo * click_B1) * state["taste"] + settings.echo * topic_BT,
            "satiation": rest_B1 * (keep * state["satiation"] + (1 - keep) * topic_BT),
            "weariness": rest_B1 * (keep * state["weariness"] + (1 - keep) * creator_BC),
        }

    def _vectors(self, state: State, item_B: Tensor, click_B: Tensor, verdict_B: Tensor) -> Tensors:
        """Move the profile and the vectors of the session."""
        drift, click_B1 = self.settings.profile_drift, click_B.unsqueeze(1)
        features_BF = click_B1 * self.posts.features[item_B]
        profile_BD = (1 - drift * click_B1) * state["profile"] + drift * click_B1 * self.posts.vectors[item_B]
        return {
            "profile": normalize(profile_BD, dim=1),
            "recent": 0.9 * state["recent"] + 0.1 * features_BF,
            "valued": 0.95 * state["valued"] + 0.05 * verdict_B.unsqueeze(1) * features_BF,
        }

    def _calendar(self, visit_B4: Tensor, days_B: Tensor) -> Tensor:
        """Move slates in this visit, visits before it, days of the last absence and the day."""
        slates_B, visits_B, absence_B, day_B = visit_B4.unbind(dim=1)
        away_B = days_B > 0
        slates_B, absence_B = torch.where(away_B, 0.0, slates_B + 1), torch.where(away_B, days_B, absence_B)
        return torch.stack([slates_B, visits_B + away_B, absence_B, day_B + days_B], dim=1)

    def measure(self, state: State) -> Tensors:
        """Return well-being, how narrow tastes are, and the taste for what is on offer."""
        return {
            "wellbeing": state["wellbeing"],
            "narrowness": state["taste"].square().sum(dim=1),
            "retrieval/taste": self.posts.of_topic(state["taste"], self.source.rows(state["candidates"])).mean(dim=1),
        }

    def user_features(self, state: State) -> Tensor:
        """Return profile, traces and calendar, (B, 3 (D + 16) + 8); tastes and well-being stay hidden."""
        padded_BF = pad(state["profile"], (0, CREATOR_CODE))
        numbers_B8 = torch.cat([state["progress"], 0.1 * torch.log1p(state["visit"])], dim=1)
        return torch.cat([padded_BF, state["recent"], state["valued"], numbers_B8], dim=1)

    def neutral_answers(self) -> Mapping[str, float]:
        """Return the columns of a response beside click and reward; an answer of 3 says nothing."""
        return {"worth": 3.0}


class FeedMyopic(Feed):
    """The negative control of `Feed`: nothing a slate does lasts, so greedy play is optimal.

    Description:
        As `Feed`, with one visit of 20 slates, in which taste and profile stay as they are and nothing tires (only the
        posts already shown are gone). An agent that plans ahead can gain nothing here.

    Anchors:
        `ANCHORS`, measured as for `Feed`; the near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/FeedMyopic-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings = FeedMyopicSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 8.54, 8.39, 8.70),
        Anchor("cosine", 10.93, 10.76, 11.11),
        Anchor("popularity", 7.14, 7.02, 7.26),
        Anchor("hand_rule", 9.88, 9.72, 10.05),
        Anchor("myopic_oracle", 11.74, 11.59, 11.89),
        Anchor("near_oracle", 11.74, 11.59, 11.89),
    )

"""The world of Feed-v0: topics, subjects and creators, outrage and nourishment, visits and well-being."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from envs.feed.catalog import FeedCatalog, Personas
from envs.feed.population import FeedUsers, Posts
from envs.feed.settings import FeedSettings
from envs.fingerprints import fingerprint
from envs.interface import Metric, Tensors
from envs.simulator import Split, State
from envs.tensors import inner_products
from envs.text.planted import by_kind, side_by_side
from envs.text.world import DECISIVENESS, Chosen, Reaction, World, spread_out

FACTORS = (DECISIVENESS, "fame", "variety", "stamina")
"""In what people differ beside their tastes: how sure they choose, how reach draws them, how soon a topic or a creator
tires them, how long a visit is."""


class FeedWorld(World):
    """Users whom what stirs up draws, and drives away.

    Equations: see `envs.feed.simulator.Feed`.

    Args:
        feed: the generated posts.
        personas: the generated personas.
        settings: of users, engagement and visits.
        device: where everything goes.
    """

    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("wellbeing", "[-1, 1]", "higher", "decayed mean of how slates made the user feel; it brings them back"),
        Metric("outrage", "[0, 1]", "lower", "how much the post engaged with stirs up; 0 without one"),
        Metric("nourishment", "[0, 1]", "higher", "how much good the post engaged with does; 0 without one"),
        Metric("narrowness", "0 to 1", "lower", "sum of the squared shares of the user's taste: 1 is a single topic"),
        Metric("visits", "visits", "higher", "visits that ended"),
        Metric("retrieval/taste", "share", "higher", "mean taste of the user for the candidates' topics"),
    )

    settings: FeedSettings

    def __init__(self, feed: FeedCatalog, personas: Personas, settings: FeedSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.posts, self.users = Posts(feed, device), FeedUsers(personas, device)
        self.popularity = self.posts.popularity
        topics_NT = one_hot(self.posts.topics, self.posts.num_topics).float()
        self.attributes = {
            "topic": topics_NT,
            "subject": self.posts.subjects,
            "outrage": self.posts.outrage.unsqueeze(1),
            "nourishment": self.posts.nourishment.unsqueeze(1),
        }
        self.vectors = side_by_side([topics_NT, self.posts.subjects])
        planted = self.users.personas
        self.people = side_by_side(
            [settings.taste_weight * planted["taste"].sqrt(), settings.fancy_weight * planted["fancy"]],
        )
        self.fingerprint = fingerprint(feed.catalog.fingerprint, personas.texts, feed.outrage, feed.nourishment)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users around the personas of a split."""
        drawn = self.users.draw(number, split, generator, self.settings.perturbation)
        return drawn | spread_out(FACTORS, number, self.settings.spread, generator, self.device)

    def begin_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw the length of the first visit."""
        return {"energy": torch.rand(number, generator=generator, device=self.device)}

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Begin the first visit with no satiation, no weariness and neutral well-being."""
        zeros = torch.zeros(len(users["taste"]), 1, device=self.device)
        return {
            "own_taste": users["taste"],
            "satiation": torch.zeros_like(users["taste"]),
            "weariness": zeros.repeat(1, self.posts.num_creators),
            "wellbeing": zeros[:, 0],
            "energy": self._energy(users, noise["energy"]),
            "visit": zeros.repeat(1, 4),
        }

    def _energy(self, users: Tensors, uniform_B: Tensor) -> Tensor:
        settings = self.settings
        return users["stamina"] * (settings.min_energy + (settings.max_energy - settings.min_energy) * uniform_B)

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the engagement logit of items, (B, K); of the whole catalogue (B, N) for None."""
        settings, posts = self.settings, self.posts
        popularity_BK, outrage_BK = posts.popularity, posts.outrage
        if items_BK is not None:
            popularity_BK, outrage_BK = popularity_BK[items_BK], outrage_BK[items_BK]
        variety_B1 = state["variety"].unsqueeze(1)
        liking_BT = settings.taste_weight * state["taste"].sqrt()
        liking_BT = liking_BT - settings.satiation_weight * variety_B1 * state["satiation"]
        weariness_BC = settings.weariness_weight * variety_B1 * state["weariness"]
        return (
            by_kind(liking_BT, posts.topics, items_BK)
            + settings.fancy_weight * inner_products(state["fancy"], posts.subjects, items_BK)
            + settings.popularity_weight * state["fame"].unsqueeze(1) * popularity_BK
            + settings.outrage_weight * state["temper"].unsqueeze(1) * outrage_BK
            - by_kind(weariness_BC, posts.creators, items_BK)
        )

    def feeling(self, state: State, items_BK: Tensor) -> Tensor:
        """Return how posts make the user feel if they engage with them, (B, K) in [-1, 1]."""
        settings = self.settings
        effect_N = settings.nourishment_effect * self.posts.nourishment - settings.outrage_effect * self.posts.outrage
        stale_BT = (state["taste"] - state["own_taste"]).clamp(min=0)
        return torch.tanh(
            effect_N[items_BK] - settings.staleness_effect * by_kind(stale_BT, self.posts.topics, items_BK)
        )

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
            "visit": self._calendar(state["visit"], days_B),
            "wellbeing": wellbeing_B,
            "energy": torch.where(ended_B, self._energy(state, noise["energy"]), energy_B),
        }
        return Reaction(
            moved=moved,
            answers={"worth": worth_B},
            verdict=verdict_B,
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
            "retrieval/taste": by_kind(state["taste"], self.posts.topics, state["candidates"]).mean(dim=1),
        }

    def neutral_answers(self) -> Mapping[str, float]:
        """Return the columns of a response beside click and reward; an answer of 3 says nothing."""
        return {"worth": 3.0}

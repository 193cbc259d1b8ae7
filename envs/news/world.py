"""The world of News-v0: sections, subjects, freshness, events, clickbait and what it costs in trust."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from envs.fingerprints import fingerprint
from envs.interface import Metric, Tensors
from envs.news.catalog import NewsCatalog, Personas
from envs.news.items import NewsItems, NewsUsers
from envs.news.settings import NewsSettings
from envs.simulator import Split, State
from envs.tensors import inner_products
from envs.text.planted import side_by_side
from envs.text.world import DECISIVENESS, Chosen, Reaction, World, spread_out

FACTORS = (DECISIVENESS, "variety", "stamina")
"""In what people differ beside their tastes: how sure they choose, how soon they have read enough of a section, how
long they stay."""


class NewsWorld(World):
    """Readers whom clickbait draws, and disappoints.

    Equations: see `envs.news.simulator.News`.

    Args:
        news: the generated articles.
        personas: the generated personas.
        settings: of readers, clicks and trust.
        device: where everything goes.
    """

    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("trust", "[0, 1]", "higher", "what readers expect of the next headline; it stretches patience"),
        Metric("satisfaction", "[-1, 1]", "higher", "satisfaction with the article read; 0 for none"),
        Metric("minutes", "minutes", "higher", "time spent on the article; 0 for none"),
        Metric("clickbait", "[0, 1]", "lower", "clickbait of the article clicked; 0 for none"),
        Metric("freshness", "[0, 1]", "higher", "mean freshness of the slate"),
        Metric("retrieval/freshness", "[0, 1]", "higher", "mean freshness of the candidates"),
    )

    settings: NewsSettings

    def __init__(self, news: NewsCatalog, personas: Personas, settings: NewsSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.items, self.users = NewsItems(news, settings, device), NewsUsers(personas, settings, device)
        self.popularity = self.items.popularity
        self.attributes = {
            "section": self.items.sections,
            "subject": self.items.subjects,
            "clickbait": self.items.clickbait.unsqueeze(1),
            "depth": self.items.depth.unsqueeze(1),
        }
        self.vectors = side_by_side([self.items.sections, self.items.subjects])
        planted = self.users.personas
        self.people = side_by_side(
            [settings.taste_weight * planted["taste"], settings.fancy_weight * planted["fancy"]],
        )
        self.fingerprint = fingerprint(news.catalog.fingerprint, personas.texts, news.clickbait, news.depth, news.hours)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users around the personas of a split, and the hour at which each session starts."""
        drawn = self.users.draw(number, split, generator)
        return drawn | spread_out(FACTORS, number, self.settings.spread, generator, self.device)

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Begin with no fatigue, the trust that users come with, full patience."""
        settings = self.settings
        return {
            "trust": torch.full_like(users["stamina"], settings.trust),
            "patience": settings.patience * users["stamina"],
            "fatigue": torch.zeros_like(users["taste"]),
            "slate_clock": users["clock"],
        }

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the click logit of articles, (B, K); of the whole catalogue (B, N) for None."""
        settings, items, trust_B1 = self.settings, self.items, state["trust"].unsqueeze(1)
        fresh_BK, burst_BK = items.timing(state["clock"], items_BK)
        clickbait_BK = items.clickbait if items_BK is None else items.clickbait[items_BK]
        fatigue_BT = settings.fatigue_weight * state["variety"].unsqueeze(1) * state["fatigue"]
        return (
            inner_products(settings.taste_weight * state["taste"] - fatigue_BT, items.sections, items_BK)
            + settings.fancy_weight * inner_products(state["fancy"], items.subjects, items_BK)
            + settings.freshness_weight * fresh_BK
            + settings.burst_weight * burst_BK
            + settings.lure_weight * (state["lure"].unsqueeze(1) * trust_B1) * clickbait_BK
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
        decay = settings.fatigue_decay
        tired_BT = (1 - decay) * click_B.unsqueeze(1) * self.items.sections[item_B]
        return Reaction(
            moved={
                "fatigue": decay * state["fatigue"] + tired_BT,
                "trust": trust_B,
                "patience": patience_B,
            },
            answers={"minutes": minutes_B},
            verdict=verdict_B,
            events={"bad_reading": verdict_B.clamp(max=0)},
            left=patience_B <= 0,
            metrics={
                "satisfaction": satisfaction_B,
                "minutes": minutes_B,
                "clickbait": click_B * self.items.clickbait[item_B],
                "freshness": self.items.timing(state["clock"], chosen.items)[0].mean(dim=1),
            },
        )

    def measure(self, state: State) -> Tensors:
        """Return trust, and the freshness of what is on offer."""
        fresh_BM, _ = self.items.timing(state["clock"], state["candidates"])
        return {"trust": state["trust"], "retrieval/freshness": fresh_BM.mean(dim=1)}

    def neutral_answers(self) -> Mapping[str, float]:
        """Return the columns of a response beside click and reward; the minutes of satisfaction 0 say nothing."""
        return {"minutes": self.settings.reading_minutes}

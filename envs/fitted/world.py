"""The world of films and of your own ratings: drawn to what others watch too, satisfied by what is truly liked."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from envs.catalog import DataSet
from envs.fitted.users import FittedUsers
from envs.interface import Metric, Tensors
from envs.movies_settings import MoviesSettings
from envs.simulator import CLUSTER, Split, State
from envs.tensors import inner_products
from envs.text.world import DECISIVENESS, HISTORY, Chosen, Reaction, World, spread_out

FACTORS = (DECISIVENESS, "fame", "variety", "stamina")
"""In what people differ beside their tastes: how sure they choose, how fame draws them, how soon they have enough of a
genre, how long they stay."""


class RatedWorld(World):
    """Users around real raters: what they click follows who used what, how they feel follows who liked what.

    Equations: see `envs.movies.Movies`.

    Args:
        dataset: items and ratings.
        settings: of users, clicks and moods.
        device: where everything goes.

    Raises:
        UsageError: too few raters, or no signal in what they rated.
    """

    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("satisfaction", "[-1, 1]", "higher", "what the user really felt about the step"),
        Metric("mood", "[-1, 1]", "higher", "decayed mean of satisfaction; it stretches patience"),
        Metric("really_rated", "share", "higher", "clicks on films that the user's rater rated in the data, per slate"),
        Metric("retrieval/affinity", "s.d.", "higher", "mean fitted preference for the candidates"),
        Metric("retrieval/interest", "cosine", "higher", "mean cosine of the candidates with the hidden interest"),
    )

    settings: MoviesSettings

    def __init__(self, dataset: DataSet, settings: MoviesSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.users = FittedUsers(dataset, device, settings.world_method)
        self.items = self.users.items
        self.vectors, self.people, self.popularity = self.items.directions, self.users.interests, self.items.popularity
        self.fingerprint = self.users.fingerprint
        self.explicit = self.users.preferences.explicit
        self.attributes = {"genres": self.items.genres, "liking": self.items.factors[:, :-2]}

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users around the raters of a split, each with ten films of that rater's as a history."""
        settings = self.settings
        drawn, tastes = self.users.draw(number, split, generator, settings.perturbation, settings.history_size)
        factors = spread_out(FACTORS, number, settings.spread, generator, self.device)
        return {CLUSTER: drawn.raters, "rater": drawn.raters, HISTORY: drawn.history, **tastes, **factors}

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Begin with no satiation, neutral mood and full patience."""
        zeros_B = torch.zeros_like(users["stamina"])
        return {
            "satiation": zeros_B.unsqueeze(1).repeat(1, self.items.genres.shape[1]),
            "mood": zeros_B,
            "patience": self.settings.patience * users["stamina"],
        }

    def opinion(self, state: State, items_BK: Tensor | None) -> Tensors:
        """Return ``appeal``, ``affinity`` and ``satiation`` of films, each (B, K); (B, N) for None."""
        settings, items = self.settings, self.items
        affinity_BK = inner_products(state["factors"], items.factors, items_BK)
        satiation_BK = inner_products(state["satiation"], items.genres, items_BK)
        interest_BK = inner_products(state["interest"], items.directions, items_BK)
        popularity_BK = items.popularity if items_BK is None else items.popularity[items_BK]
        appeal_BK = (
            settings.interest_weight * interest_BK
            + settings.popularity_weight * state["fame"].unsqueeze(1) * popularity_BK
            + settings.affinity_weight * affinity_BK
            - settings.satiation_weight * state["variety"].unsqueeze(1) * satiation_BK
        )
        return {"appeal": appeal_BK, "affinity": affinity_BK, "satiation": satiation_BK}

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
        item_B, click_B1 = chosen.item.squeeze(1), click_B.unsqueeze(1)
        affinity_B, satiation_B = (
            chosen.opinion[name].gather(1, chosen.slot)[:, 0] for name in ("affinity", "satiation")
        )
        satisfaction_B = torch.where(
            click_B > 0, self.satisfaction(affinity_B, satiation_B), settings.no_click_satisfaction
        )
        mood_B = settings.mood_decay * state["mood"] + (1 - settings.mood_decay) * satisfaction_B
        patience_B = state["patience"] - torch.exp(-settings.mood_effect * mood_B)
        exact_B = 3 + affinity_B - settings.satisfaction_satiation * satiation_B + 0.5 * noise["stars"]
        stars_B = exact_B.round().clamp(1, 5) if self.explicit else torch.full_like(exact_B, 3.0)
        decay, drift = settings.satiation_decay, settings.interest_drift
        drawn_BW = (1 - drift * click_B1) * state["interest"] + drift * click_B1 * self.items.directions[item_B]
        return Reaction(
            moved={
                "satiation": decay * state["satiation"] + (1 - decay) * click_B1 * self.items.genres[item_B],
                "interest": normalize(drawn_BW, dim=1),
                "mood": mood_B,
                "patience": patience_B,
            },
            answers={"stars": stars_B},
            verdict=click_B * ((stars_B - 3) / 2),
            left=patience_B <= 0,
            metrics={
                "satisfaction": satisfaction_B,
                "really_rated": click_B * self.users.really_rated(state["rater"], item_B),
            },
        )

    def measure(self, state: State) -> Tensors:
        """Return the mood, and the mean preference for and interest in what is on offer."""
        # As in `TextDomain.closeness`, without copies of the candidates' rows.
        liked_BF = embedding_bag(state["candidates"], self.items.factors, mode="mean")
        drawn_BW = embedding_bag(state["candidates"], self.items.directions, mode="mean")
        return {
            "mood": state["mood"],
            "retrieval/affinity": (state["factors"] * liked_BF).sum(dim=1),
            "retrieval/interest": (state["interest"] * drawn_BW).sum(dim=1),
        }

    def neutral_answers(self) -> Mapping[str, float]:
        """Return the columns of a response beside click and reward; 3 stars say nothing."""
        return {"stars": 3.0}

"""A toy over texts: `ToyTexts-v0`, a hidden world of four kinds of items, of which each text says one word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

import envs
from envs.catalog import Catalog
from envs.interface import Policy, Tensors
from envs.simulator import Split, State, resolve_device
from envs.slates import top_k
from envs.tensors import inner_products
from envs.text.domain import TextDomain, myopic_oracle, read_texts
from envs.text.settings import TextDomainSettings
from envs.text.view import View
from envs.text.world import HISTORY, Chosen, Reaction, World

ITEMS = 60
KINDS = ("song", "boat", "soup", "tree")


@dataclass(frozen=True, kw_only=True)
class ToyTextsSettings(TextDomainSettings):
    """Settings of `ToyTexts`."""

    num_candidates: int = 8
    num_exploration: int = 3
    slate_size: int = 2
    encoder: str = "tiny"
    num_features: int = 4
    no_click_logit: float = 1.0
    time_limit: int = 6


class ToyTextsWorld(World):
    """Users who click what is of the kind of the one item that they know."""

    def __init__(self, settings: ToyTextsSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        kinds_N4 = one_hot(torch.arange(ITEMS, device=device) % len(KINDS)).float()
        worth_N1 = torch.linspace(-1, 1, ITEMS, device=device)[torch.arange(ITEMS) * 7 % ITEMS].unsqueeze(1)
        self.vectors, self.popularity = normalize(kinds_N4 + 0.1, dim=1), torch.zeros(ITEMS, device=device)
        self.attributes = {"kind": kinds_N4, "worth": worth_N1}

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users, each of whom knows an item."""
        known_B1 = torch.randint(ITEMS, (number, 1), generator=generator, device=self.device)
        return {HISTORY: known_B1, "interest": self.vectors[known_B1[:, 0]]}

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the click logit of items."""
        return 3 * inner_products(state["interest"], self.vectors, items_BK)

    def react(self, state: State, chosen: Chosen, noise: Tensors) -> Reaction:
        """Let nobody leave."""
        return Reaction(moved={}, left=chosen.click < 0)


def near_oracle(simulator: "ToyTexts", state: State) -> Tensor:
    """Show the likeliest clicks."""
    return top_k(simulator.offered(state), simulator.settings.slate_size)


class ToyTexts(TextDomain[ToyTextsWorld]):
    """A world of a page, seen through an encoder."""

    Settings: ClassVar[type[Any]] = ToyTextsSettings
    POLICIES: ClassVar[Mapping[str, Policy]] = {"myopic_oracle": myopic_oracle, "near_oracle": near_oracle}

    def __init__(self, settings: ToyTextsSettings, device: str = "auto") -> None:
        texts = tuple(f"a {KINDS[item % len(KINDS)]}, number {item}" for item in range(ITEMS))
        catalog = Catalog(texts, texts, texts, (), torch.zeros(ITEMS, 0).numpy())
        world = ToyTextsWorld(settings, resolve_device(device))
        view = View(read_texts(settings, catalog, (), world), world.popularity, settings)
        super().__init__(settings, world, view, catalog)


envs.register("ToyTexts-v0", "toy_texts:ToyTexts")

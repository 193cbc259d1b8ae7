"""The world of Shop-v0: needs, tastes and prices, purchases, deliveries, returns and trust."""

from typing import ClassVar

import torch
from torch import Tensor

from envs.fingerprints import fingerprint
from envs.interface import Metric, Tensors
from envs.shop.catalog import Personas, ShopCatalog
from envs.shop.items import ShopItems, ShopUsers
from envs.shop.needs import NeedEvents, moved_needs
from envs.shop.orders import deliver, order
from envs.shop.settings import ShopSettings
from envs.simulator import Split, State
from envs.tensors import inner_products
from envs.text.planted import by_kind, side_by_side
from envs.text.world import DECISIVENESS, Chosen, Reaction, World, spread_out


class ShopWorld(World):
    """Users with needs, who buy what is hyped and return what disappoints.

    Equations: see `envs.shop.simulator.Shop`.

    Args:
        shop: the generated products.
        personas: the generated personas.
        settings: of users, purchases and trust.
        device: where everything goes.
    """

    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("trust", "[-1, 1]", "higher", "decayed mean of the satisfaction with what was delivered"),
        Metric("satisfaction", "[-1, 1]", "higher", "satisfaction with what was delivered in this step; 0 for nothing"),
        Metric("returns", "products", "lower", "products returned"),
        Metric("need", "need", "neither", "open needs, summed over the categories"),
        Metric("dearness", "0 to 1", "neither", "rank in its category of the price of what was bought; 0 for nothing"),
        Metric("retrieval/need", "need", "higher", "mean need of the user for the candidates"),
    )

    settings: ShopSettings

    def __init__(self, shop: ShopCatalog, personas: Personas, settings: ShopSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.products, self.users = ShopItems(shop, device), ShopUsers(personas, device)
        self.popularity = self.products.popularity
        styles_NS = torch.eye(len(self.users.personas["taste"][0]), device=device)[self.products.styles]
        self.attributes = {
            "category": self.products.genres,
            "style": styles_NS,
            "kind": self.products.kinds,
            "quality": self.products.quality.unsqueeze(1),
            "hype": self.products.hype.unsqueeze(1),
        }
        self.vectors = side_by_side([self.products.genres, styles_NS, self.products.kinds])
        self.people = side_by_side(
            [
                settings.need_weight * self.users.personas["need"],
                settings.taste_weight * self.users.personas["taste"],
                settings.fancy_weight * self.users.personas["fancy"],
            ]
        )
        self.fingerprint = fingerprint(shop.catalog.fingerprint, personas.texts, shop.quality, shop.hype)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users around the personas of a split."""
        drawn = self.users.draw(number, split, generator, self.settings.perturbation)
        names = (DECISIVENESS, "stamina")
        return drawn | spread_out(names, number, self.settings.spread, generator, self.device)

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Begin with nothing ordered or owned, no trust or distrust, full patience."""
        settings, number = self.settings, len(users["need"])
        zeros_B = torch.zeros(number, device=self.device)
        return {
            "owned": torch.zeros_like(users["need"]),
            "trust": zeros_B,
            "patience": settings.patience * users["stamina"],
            "ordered": torch.full((number, settings.delivery), -1, device=self.device),
            "failed": zeros_B.unsqueeze(1).repeat(1, settings.delivery),
        }

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the purchase logit of items, (B, K); of the whole catalogue (B, N) for None."""
        settings, products = self.settings, self.products
        hype_BK, dearness_BK = products.hype, products.dearness
        if items_BK is not None:
            hype_BK, dearness_BK = hype_BK[items_BK], dearness_BK[items_BK]
        return (
            settings.need_weight * by_kind(state["need"], products.categories, items_BK)
            + settings.taste_weight * by_kind(state["taste"], products.styles, items_BK)
            + settings.fancy_weight * inner_products(state["fancy"], products.kinds, items_BK)
            + settings.hype_weight * hype_BK
            + settings.trust_weight * state["trust"].unsqueeze(1)
            - state["price_sensitivity"].unsqueeze(1) * (dearness_BK - 0.5)
        )

    def satisfaction(self, state: State, items_BK: Tensor) -> Tensor:
        """Return the satisfaction with products once they are delivered, (B, K) in [-1, 1]."""
        settings, products = self.settings, self.products
        return torch.tanh(
            settings.usual_satisfaction
            + settings.quality_satisfaction * products.quality[items_BK]
            - settings.hype_satisfaction * products.hype[items_BK]
            + settings.taste_satisfaction * state["taste"].gather(1, products.styles[items_BK])
        )

    def return_chance(self, satisfaction: Tensor) -> Tensor:
        """Return the chance that a product is sent back, in the shape of the satisfaction with it."""
        if not self.settings.return_cost:
            return torch.zeros_like(satisfaction)
        return torch.sigmoid(self.settings.return_slope * (self.settings.return_threshold - satisfaction))

    def react_noise(self, number: int, generator: torch.Generator) -> Tensors:
        """Draw whether what is bought will be sent back, the error of the stars, and new needs."""
        device = self.device
        return {
            "return": torch.rand(number, generator=generator, device=device),
            "stars": torch.randn(number, generator=generator, device=device),
            "need": torch.rand((number, 2), generator=generator, device=device),
        }

    def react(self, state: State, chosen: Chosen, noise: Tensors) -> Reaction:
        """Order what is bought, receive what was ordered, and stay or leave."""
        settings, bought_B, item_B = self.settings, chosen.click, chosen.item.squeeze(1)
        came_B = state["ordered"][:, 0].clamp(min=0)
        satisfaction_B2 = self.satisfaction(state, torch.stack([came_B, item_B], dim=1))
        parcel = {"item": came_B} | deliver(state, satisfaction_B2[:, 0], noise["stars"])
        fails_B = noise["return"] < self.return_chance(satisfaction_B2[:, 1])
        orders = order(state, item_B, bought_B, fails_B)
        kept_B = (1 - settings.trust_decay) * parcel["came"]
        trust_B = state["trust"] + kept_B * (parcel["satisfaction"] - state["trust"])
        patience_B = state["patience"] - torch.exp(-settings.trust_effect * trust_B)
        left_B = patience_B <= 0
        # Who leaves still sends back what fails them, so that nothing is sold for good by ending the session.
        returned_B = parcel["returned"] + left_B * orders["failed"].sum(dim=1)
        moved = {
            **orders,
            **self._needs(state, parcel, item_B, bought_B, noise["need"]),
            "trust": trust_B,
            "patience": patience_B,
        }
        return Reaction(
            moved=moved,
            verdict=parcel["verdict"],
            judged=came_B,
            events={"came": parcel["came"], "returns": parcel["returned"]},
            extra_reward=-settings.return_cost * returned_B,
            left=left_B,
            metrics={
                "satisfaction": parcel["satisfaction"],
                "returns": returned_B,
                "dearness": self.products.dearness[item_B] * bought_B,
            },
        )

    def _needs(self, state: State, parcel: Tensors, item_B: Tensor, bought_B: Tensor, uniform_B2: Tensor) -> Tensors:
        products = self.products
        events = NeedEvents(
            bought=bought_B.unsqueeze(1) * products.genres[item_B],
            returned=parcel["returned"].unsqueeze(1) * products.genres[parcel["item"]],
            kept=parcel["satisfaction"].clamp(min=0) * (1 - parcel["returned"]),
            beside=products.follows[products.categories[parcel["item"]]],
        )
        return moved_needs(state, events, uniform_B2, self.settings)

    def measure(self, state: State) -> Tensors:
        """Return trust, open needs, and the need for what is on offer."""
        need_BM = by_kind(state["need"], self.products.categories, state["candidates"])
        return {
            "trust": state["trust"],
            "need": state["need"].sum(dim=1),
            "retrieval/need": need_BM.mean(dim=1),
        }

"""A shop for generated products and personas: `slatelab/Shop-v0` and its negative control."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize, pad

from envs.candidates import inner_products
from envs.features import TextFeatures
from envs.fingerprints import fingerprint
from envs.interface import Metric, Policy, Tensors
from envs.shop.catalog import generate_catalog, generate_personas
from envs.shop.items import ShopItems, ShopUsers, by_kind
from envs.shop.needs import NeedEvents, moved_needs
from envs.shop.orders import deliver, order
from envs.shop.policies import hand_rule, near_oracle
from envs.shop.settings import ShopMyopicSettings, ShopSettings
from envs.simulator import Anchor, Split, State
from envs.text_domain import OFFER_METRICS, Chosen, Reaction, TextDomain, myopic_oracle
from envs.traces import Trace


class Shop(TextDomain):
    """A shop in which what sells best today comes back tomorrow: overpromising products are bought, and returned.

    Description:
        A user with a few needs looks at slates of K products until their patience runs out. A product answers a need
        of its category, and buying it ends that need. It is delivered some slates later: what promised more than it
        holds is returned, its reward is taken back, and the user trusts the shop less. A good product builds trust and
        makes the user want what goes with it, such as a bag for the camera.

        Catalogue and users are synthetic. 3,000 products in 24 categories, with invented brands, are put together from
        word lists; price, discount, quality, hype (how much more is promised than another would) and style are planted
        and told, in part, by the text: big words and discounts go with hype, price and guarantees with quality. Text
        features are the encoder's vectors of the texts, centred, the 32 leading principal components, unit length. A
        linear regression on what is observed of a product explains 35 % of its quality less hype on products held out.

        Users are drawn around 600 train, 200 validation and 200 test personas, generated texts of who they are, what
        they look for, what style they like and how they spend; the start profile x is the persona's text in the space
        of the products' texts. Tastes get noise of 0.3, price sensitivities a lognormal factor of 0.3.

    Observation:
        ``user`` (3 D + 15): the profile (D and four zeros); the decayed sum of the bought products' text features
        (0.95 a step); the decayed sum of the delivered products' features times the verdict told, (stars - 3) / 2
        (0.95 a step); and seven traces: ``slates`` / 50, decayed ``purchases`` (0.8 a step), whether a product ``came``
        in this step, the ``verdict`` on it (0 for none), decayed verdicts, ``recent_verdicts`` (0.8) and ``verdicts``
        (0.95), decayed ``returns`` (0.95).
        ``candidates`` (M, D + 4): text features; price as cosine and sine of a quarter turn times dearness, the rank
        of the price in the category from 0 to 1; full price, discounted (one of them 1). ``popularity`` (M)
        standardised sales; ``candidate_ids`` (M). ``response`` (K, 2): click, which is a purchase, and its reward;
        ``slate_items`` (K, D + 4). Needs, tastes, price sensitivity, quality, hype, trust and patience are hidden.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        1 for a purchase, less 1 for every product returned in this step: -3 to 1 (a return is in ``reward`` and in
        ``user``, not in the ``response`` of a slot).

    User model:
        Need n_c of category c; q quality, h hype (both standardised), d dearness; t taste for the product's style;
        b price sensitivity (about 3, 1.5 or 0.5); T trust, at first 0; owned o_c, at first 0.

        1. Candidates: 20 nearest to the profile by cosine among the products not shown in this session, 10 uniform
           (``candidate_source``; of the whole catalogue, ``all``, a product already shown cannot be bought).
        2. Purchase: multinomial logit with v_i = 4 n_c + 3 cos(x, x_i) + 0.8 h + 0.5 t + 0.5 T - b (d - 0.5), and
           v_0 = 4.5 for none. It ends the need, n_c <- 0, and o_c <- 1; what is owned wears by 3 % a step.
        3. Delivery, three slates later: satisfaction z = tanh(0.5 q - 0.5 h + 0.3 t), trust T <- 0.7 T + 0.3 z, stars
           told: clip(round(3 + 2 z + 0.5 N(0, 1)), 1, 5).
        4. Return with probability sigmoid(-6 (z + 0.7)): o_c <- 0 and n_c becomes at least 0.5. Who leaves returns
           what is still on its way at once.
        5. A product that is kept opens a need of 0.8 z (1 - o_c') in the two categories c' that go with it, if z > 0
           (unless it is larger already). With chance 0.15 a step a need of 1 - o_c' opens in a category drawn from
           the persona's interests.
        6. Patience starts at 24 and loses exp(-2 T) a slate.
        7. Profile after a purchase: x <- normalise(x + 0.6 (m - x_bought)), with m the unit mean of the products that
           go with it; without one x <- normalise(x - 0.2 mean of the slate).

    Episode end:
        Terminated when patience is used up; truncated after 500 slates (never reached: trust is at most 1, so nobody
        stays for more than 178). Once fewer than M products are left unseen, all are offered again.

    Arguments:
        The fields of `ShopSettings`.

    Anchors:
        `ANCHORS`: mean return with its 95 % interval over 2,000 users of the test split; the dynamics were calibrated
        with these policies on validation users, before any agent was trained.

        ``slatelab train --env slatelab/Shop-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings: ClassVar[type[ShopSettings]] = ShopSettings
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("trust", "[-1, 1]", "higher", "decayed mean of the satisfaction with what was delivered"),
        Metric("satisfaction", "[-1, 1]", "higher", "satisfaction with what was delivered in this step; 0 for nothing"),
        Metric("returns", "products", "lower", "products returned"),
        Metric("need", "need", "neither", "open needs, summed over the categories"),
        Metric("dearness", "0 to 1", "neither", "rank in its category of the price of what was bought; 0 for nothing"),
        *OFFER_METRICS,
        Metric("retrieval/need", "need", "higher", "mean need of the user for the candidates"),
    )
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 5.25, 5.15, 5.35),
        Anchor("cosine", 5.50, 5.39, 5.61),
        Anchor("popularity", 4.57, 4.47, 4.66),
        Anchor("hand_rule", 6.85, 6.72, 6.98),
        Anchor("myopic_oracle", 6.14, 6.04, 6.25),
        Anchor("near_oracle", 15.63, 15.39, 15.86),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }

    TRACES: ClassVar[tuple[Trace, ...]] = (
        Trace("slates", 1.0, 0.02),
        Trace("purchases", 0.8, 0.2, of="clicks"),
        Trace("came", 0.0, 1.0),
        Trace("verdict", 0.0, 1.0),
        Trace("recent_verdicts", 0.8, 0.2, of="verdict"),
        Trace("verdicts", 0.95, 0.05, of="verdict"),
        Trace("returns", 0.95, 0.05),
    )

    settings: ShopSettings

    def __init__(self, settings: ShopSettings, device: str = "auto") -> None:
        shop = generate_catalog()
        super().__init__(settings, device, shop.catalog)
        features = TextFeatures(shop.catalog.texts, settings.encoder, settings.num_features, self.device)
        self.products = ShopItems(shop, features.items)
        personas = generate_personas()
        self.users = ShopUsers(personas, features, self.device)
        self.fingerprint = fingerprint(shop.catalog.fingerprint, personas.texts, features.fingerprint)
        self.set_items(self.products.vectors, self.products.features, self.products.popularity)

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        """Draw users around the personas of a split."""
        return self.users.draw(number, split, generator, self.settings.perturbation)

    def begin(self, users: Tensors, noise: Tensors) -> State:
        """Begin with nothing ordered or owned, no trust or distrust, full patience."""
        settings, products, device, number = self.settings, self.products, self.device, len(users["need"])
        zeros = torch.zeros(number, 1, device=device)
        return {
            "owned": torch.zeros_like(users["need"]),
            "trust": zeros[:, 0],
            "patience": zeros[:, 0] + settings.patience,
            "ordered": torch.full((number, settings.delivery), -1, device=device),
            "failed": zeros.repeat(1, settings.delivery),
            "bought": zeros.repeat(1, products.vectors.shape[1]),
            "verdicts": zeros.repeat(1, products.features.shape[1]),
        }

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Return the purchase logit of items, (B, K); of the whole catalogue (B, N) for None."""
        settings, products = self.settings, self.products
        hype_BK, dearness_BK = products.hype, products.dearness
        if items_BK is not None:
            hype_BK, dearness_BK = hype_BK[items_BK], dearness_BK[items_BK]
        return (
            settings.need_weight * by_kind(state["need"], products.categories, items_BK)
            + settings.cosine_weight * inner_products(state["profile"], products.vectors, items_BK)
            + settings.taste_weight * by_kind(state["taste"], products.styles, items_BK)
            + settings.hype_weight * hype_BK
            + settings.trust_weight * state["trust"].unsqueeze(1)
            - state["price_sensitivity"].unsqueeze(1) * (dearness_BK - 0.5)
        )

    def satisfaction(self, state: State, items_BK: Tensor) -> Tensor:
        """Return the satisfaction with products once they are delivered, (B, K) in [-1, 1]."""
        settings, products = self.settings, self.products
        return torch.tanh(
            settings.quality_satisfaction * products.quality[items_BK]
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
            **self._vectors(state, parcel, chosen.items, item_B, bought_B),
            "trust": trust_B,
            "patience": patience_B,
        }
        return Reaction(
            moved=moved,
            events={"came": parcel["came"], "verdict": parcel["verdict"], "returns": parcel["returned"]},
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

    def _vectors(self, state: State, parcel: Tensors, items_BK: Tensor, item_B: Tensor, bought_B: Tensor) -> Tensors:
        """Move the profile and the vectors of the session."""
        settings, products = self.settings, self.products
        bought_B1, verdict_B1 = bought_B.unsqueeze(1), parcel["verdict"].unsqueeze(1)
        vector_BD = bought_B1 * products.vectors[item_B]
        beside_BD = bought_B1 * products.beside[products.categories[item_B]]
        refused_BD = (1 - bought_B1) * embedding_bag(items_BK, products.vectors, mode="mean")
        turn_BD = settings.profile_turn * (beside_BD - vector_BD) - settings.profile_tiring * refused_BD
        return {
            "profile": normalize(state["profile"] + turn_BD, dim=1),
            "bought": 0.95 * state["bought"] + 0.05 * vector_BD,
            "verdicts": 0.95 * state["verdicts"] + 0.05 * verdict_B1 * products.features[parcel["item"]],
        }

    def measure(self, state: State) -> Tensors:
        """Return trust, open needs, and the need for what is on offer."""
        need_BM = by_kind(state["need"], self.products.categories, self.source.rows(state["candidates"]))
        return {
            "trust": state["trust"],
            "need": state["need"].sum(dim=1),
            "retrieval/need": need_BM.mean(dim=1),
        }

    def user_features(self, state: State) -> Tensor:
        """Return profile and traces, (B, 3 D + 15); needs, tastes, budget and trust stay hidden."""
        profile_BF = pad(state["profile"], (0, self.features.shape[1] - self.vectors.shape[1]))
        return torch.cat([profile_BF, state["bought"], state["verdicts"], state["progress"]], dim=1)


class ShopMyopic(Shop):
    """The negative control of `Shop`: nothing a slate does lasts, so greedy play is optimal.

    Description:
        As `Shop`, with a fixed horizon of 24 slates, needs that stay as they are, no returns, no trust and a profile
        that never turns; candidates are 30 uniform unseen products, so that no slate uses up the near ones. An agent
        that plans ahead can gain nothing here; one that loses pays for its planning.

    Anchors:
        `ANCHORS`, measured as for `Shop`; the near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/ShopMyopic-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings = ShopMyopicSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 8.36, 8.24, 8.47),
        Anchor("cosine", 18.50, 18.38, 18.61),
        Anchor("popularity", 10.89, 10.78, 11.01),
        Anchor("hand_rule", 15.43, 15.29, 15.58),
        Anchor("myopic_oracle", 19.47, 19.37, 19.56),
        Anchor("near_oracle", 19.47, 19.37, 19.56),
    )

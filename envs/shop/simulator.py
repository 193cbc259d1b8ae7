"""A shop for generated products and personas: `slatelab/Shop-v0` and its negative control."""

from collections.abc import Mapping
from typing import ClassVar

from envs.interface import Metric, Policy
from envs.shop.catalog import generate_catalog, generate_personas
from envs.shop.policies import hand_rule, near_oracle
from envs.shop.settings import ShopMyopicSettings, ShopSettings
from envs.shop.view import ShopView
from envs.shop.world import ShopWorld
from envs.simulator import Anchor, resolve_device
from envs.text.domain import OFFER_METRICS, TextDomain, myopic_oracle, read_texts


class Shop(TextDomain[ShopWorld]):
    """A shop in which what sells best today comes back tomorrow: overpromising products are bought, and returned.

    Description:
        A user with a few needs looks at slates of K products until their patience runs out. A product answers a need
        of its category, and buying it ends that need. It is delivered some slates later: what promised more than it
        holds is returned, its reward is taken back, and the user trusts the shop less. A good product builds trust and
        makes the user want what goes with it, such as a bag for the camera.

        Catalogue and users are synthetic. 3,000 products in 24 categories, with invented brands, are put together from
        word lists; kind (one of 96: a dome tent is not a family tent), price, discount, quality, hype (how much more is
        promised than another would) and style are planted and told, in part, by the text: big words and discounts go
        with hype, price and guarantees with quality.

        Users are drawn around 600 train, 200 validation and 200 test personas, generated texts of who they are, what
        they look for, what style they like and how they spend. Tastes get noise of 0.3, price sensitivities a lognormal
        factor of 0.3. What kinds a persona fancies is planted too, and told by what they buy alone.

    Observation:
        ``user`` (3 D + 19): the profile (D and four zeros); the decayed mean of the bought products' features (0.95 a
        step); the decayed mean of the delivered products' features times the verdict told, (stars - 3) / 2 (0.95 a
        step); and seven traces: ``slates`` / 50, decayed ``purchases`` (0.8 a step), whether a product ``came`` in this
        step, the ``verdict`` on it (0 for none), decayed verdicts, ``recent_verdicts`` (0.8) and ``verdicts`` (0.95),
        decayed ``returns`` (0.95).
        ``candidates`` (M, D + 4): text features; price as cosine and sine of a quarter turn times dearness, the rank
        of the price in the category from 0 to 1; full price, discounted (one of them 1). ``popularity`` (M)
        standardised sales; ``candidate_ids`` (M). ``response`` (K, 2): click, which is a purchase, and its reward;
        ``slate_items`` (K, D + 4). Needs, tastes, fancies, price sensitivity, quality, hype, trust and patience are
        hidden.

    Action:
        MultiDiscrete([M] * K): positions in the candidate set; a repeated one is an empty slot.

    Reward:
        1 for a purchase, less 1 for every product returned in this step: -3 to 1 (a return is in ``reward`` and in
        ``user``, not in the ``response`` of a slot).

    What the system sees:
        Texts through the encoder of the settings: a product's vector x_i has the 32 leading principal components of its
        text vector, centred, unit length. A linear regression on what is observed of a product explains 37 % of its
        quality less hype on products held out. Clicks, satisfaction and returns know none of it.

        1. The profile x is at first what the persona says, in the same space, centred on the mean of all people's
           words.
        2. After a purchase in category c, x <- normalise(x + 0.6 (b_c - m_c) + 0.2 (x_bought - m_c)), with m_c the unit
           mean vector of the category and b_c that of what goes with it: from what is owned now to what goes with it,
           and to what set the product apart. Without one, x <- normalise(x - 0.2 mean of m over the slate).
        3. Candidates: 20 nearest to the profile by cosine among the products not shown in this session, 10 uniform
           (``candidate_source``; of the whole catalogue, ``all``, a product already shown cannot be bought).

    User model:
        Need n_c of category c; q quality, h hype (both standardised), d dearness; t taste for the product's style; f
        what the user fancies and k_i the kind of the product, unit vectors of 8 numbers; b price sensitivity (about 3,
        1.5 or 0.5); T trust, at first 0; owned o_c, at first 0. Decisiveness and stamina are factors of each user,
        exp(0.2 N(0, 1)).

        1. Purchase: multinomial logit with v_i = 4 n_c + 3 cos(f, k_i) + 0.8 h + t + 0.5 T - b (d - 0.5), and
           v_0 = 4.5 for none; v_i - v_0 is stretched by decisiveness. It ends the need, n_c <- 0, and o_c <- 1; what is
           owned wears by 3 % a step.
        2. Delivery, three slates later: satisfaction z = tanh(0.4 + 0.5 q - 0.5 h + 0.5 t), trust T <- 0.7 T + 0.3 z,
           stars told: clip(round(3 + 2 z + 0.5 N(0, 1)), 1, 5).
        3. Return with probability sigmoid(-6 (z + 0.7)): o_c <- 0 and n_c becomes at least 0.5. Who leaves returns
           what is still on its way at once.
        4. A product that is kept opens a need of 0.8 z (1 - o_c') in the two categories c' that go with it, if z > 0
           (unless it is larger already). With chance 0.15 a step a need of 1 - o_c' opens in a category drawn from
           the persona's interests.
        5. Patience starts at 16 times stamina and loses exp(-2 T) a slate.

    Episode end:
        Terminated when patience is used up; truncated after 500 slates (out of reach: trust is at most 1, so nobody
        stays for more than 119 slates times their stamina). Once fewer than M products are left unseen, all are offered
        again.

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
    METRICS: ClassVar[tuple[Metric, ...]] = (*ShopWorld.METRICS, *OFFER_METRICS)
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 6.43, 6.20, 6.63),
        Anchor("cosine", 6.64, 6.37, 6.92),
        Anchor("popularity", 5.67, 5.52, 5.83),
        Anchor("myopic_oracle", 9.08, 8.83, 9.33),
        Anchor("hand_rule", 8.65, 8.30, 9.00),
        Anchor("near_oracle", 19.77, 19.24, 20.30),
    )
    POLICIES: ClassVar[Mapping[str, Policy]] = {
        "myopic_oracle": myopic_oracle,
        "hand_rule": hand_rule,
        "near_oracle": near_oracle,
    }

    settings: ShopSettings

    def __init__(self, settings: ShopSettings, device: str = "auto") -> None:
        shop, personas = generate_catalog(), generate_personas()
        world = ShopWorld(shop, personas, settings, resolve_device(device))
        reading = read_texts(settings, shop.catalog, personas.texts, world)
        super().__init__(settings, world, ShopView(reading, world.products, settings), shop.catalog)


class ShopMyopic(Shop):
    """The negative control of `Shop`: nothing a slate does lasts, so greedy play is optimal.

    Description:
        As `Shop`, with a horizon of 16 slates times the user's stamina, whatever is shown, needs that stay as they are,
        no returns and no trust.

    What the system sees:
        As in `Shop`, but that nothing of it moves: profile, vectors and traces of ``user`` stay as they were at first,
        and candidates are 30 uniform unseen products, so that there is nothing to explore for later, and no slate uses
        up the near ones. An agent that plans ahead can gain nothing here; one that loses pays for its planning.

    Anchors:
        `ANCHORS`, measured as for `Shop`; the near-oracle is the myopic oracle.

        ``slatelab train --env slatelab/ShopMyopic-v0 --agent random --steps 0 --eval-users 2000`` measures them.

    Version history:
        v0: first version.
    """

    Settings = ShopMyopicSettings
    ANCHORS: ClassVar[tuple[Anchor, ...]] = (
        Anchor("random", 5.32, 5.19, 5.46),
        Anchor("cosine", 10.81, 10.57, 11.07),
        Anchor("popularity", 7.32, 7.16, 7.49),
        Anchor("myopic_oracle", 12.52, 12.32, 12.72),
        Anchor("hand_rule", 8.52, 8.27, 8.78),
        Anchor("near_oracle", 12.52, 12.32, 12.72),
    )

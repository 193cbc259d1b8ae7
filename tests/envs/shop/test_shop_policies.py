"""What the reference policies of Shop-v0 show and earn, and which settings there can be."""

import itertools
import math
from typing import Any

import pytest
import torch
from shoppers import build
from torch import Tensor

import envs
from encoders.errors import UsageError
from envs.interface import Tensors
from envs.shop.settings import ShopMyopicSettings, ShopSettings
from envs.shop.simulator import Shop
from envs.simulator import State
from envs.slates import random_slate
from experiments.sessions import Sessions, play


def _sessions(simulator: Shop, name: str, users: int = 200) -> Sessions:
    generator = torch.Generator().manual_seed(4)

    def act(state: State, observation: Tensors) -> Tensor:
        if name == "random":
            return random_slate(len(observation["user"]), 30, 5, generator)
        slate_BK: Tensor = simulator.POLICIES[name](simulator, state)
        return slate_BK

    panel = simulator.sample_users(users, "validation", torch.Generator().manual_seed(4))
    return play(simulator, panel, act, 4)


def test_reference_policies_stand_in_the_documented_order(shop: Shop) -> None:
    played = {name: _sessions(shop, name) for name in ("random", *Shop.POLICIES)}
    earned = {name: sessions.totals["reward"] for name, sessions in played.items()}
    gained = earned["near_oracle"] - 1.3 * earned["myopic_oracle"]
    assert gained.mean() > 3 * gained.std() / math.sqrt(len(gained))
    better = earned["myopic_oracle"] - earned["random"]
    assert better.mean() > 2 * better.std() / math.sqrt(len(better))
    returned = {
        name: float(played[name].totals["returns"].sum() / played[name].totals["clicks"].sum()) for name in played
    }
    assert returned["near_oracle"] < 0.1 < returned["myopic_oracle"]
    assert max(sessions.length.max() for sessions in played.values()) < 200
    documented = {anchor.policy: anchor.mean for anchor in Shop.ANCHORS}
    assert documented["random"] < documented["myopic_oracle"] < documented["near_oracle"]
    assert documented["near_oracle"] > 1.3 * documented["myopic_oracle"]


def test_the_satisfaction_that_the_planner_pays_for_pays(shop: Shop) -> None:
    planned, greedy = (_sessions(shop, name) for name in ("near_oracle", "myopic_oracle"))
    trust = [float(played.totals["trust"].sum() / played.length.sum()) for played in (planned, greedy)]
    assert trust[0] > 2 * trust[1]
    assert planned.length.mean() > 1.5 * greedy.length.mean()


def test_the_near_oracle_shows_the_slate_of_most_purchases_kept_and_a_price_on_satisfaction() -> None:
    simulator = build(num_candidates=8, num_exploration=3, slate_size=3)
    generator = torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(2000, "test", generator), simulator.start_noise(2000, generator))
    slates_L3 = torch.tensor(list(itertools.combinations(range(8), 3)))
    appeal_BM = simulator.world.appeal(state, state["candidates"])
    weights_BM = (4.5 + state["decisiveness"].unsqueeze(1) * (appeal_BM - 4.5)).exp()
    z_BM = simulator.world.satisfaction(state, state["candidates"])
    values_BM = 1 - 1 / (1 + (6 * (z_BM + 0.7)).exp()) + 3 * z_BM
    weights_BL3 = weights_BM[:, slates_L3]
    worth_BL = (weights_BL3 * values_BM[:, slates_L3]).sum(dim=2) / (weights_BL3.sum(dim=2) + math.exp(4.5))
    shown_BK = Shop.POLICIES["near_oracle"](simulator, state).sort(dim=1).values
    assert torch.equal(shown_BK, slates_L3[worth_BL.argmax(dim=1)])


def test_the_hand_rule_ranks_by_what_everybody_sees(shop: Shop) -> None:
    generator = torch.Generator().manual_seed(0)
    state = shop.start(shop.sample_users(20, "test", generator), shop.start_noise(20, generator))
    seen = shop.observe(state)
    closeness_BM = (seen["user"][:, None, :32] * seen["candidates"][..., :32]).sum(dim=2)
    dearness_BM = torch.atan2(seen["candidates"][..., 33], seen["candidates"][..., 32]) / (math.pi / 2)
    scores_BM = 3 * closeness_BM + 1.5 * dearness_BM - seen["candidates"][..., 35]
    best_BK = scores_BM.topk(5, dim=1).indices
    assert torch.equal(Shop.POLICIES["hand_rule"](shop, state).sort(dim=1).values, best_BK.sort(dim=1).values)


def test_the_control_ends_after_its_patience_and_earns_what_it_sells(control: Shop) -> None:
    generator = torch.Generator().manual_seed(4)
    stamina_B = control.sample_users(64, "validation", generator)["stamina"]
    for name in Shop.POLICIES:
        sessions = _sessions(control, name, 64)
        assert torch.equal(sessions.length, (16 * stamina_B).ceil().double())
        assert torch.equal(sessions.totals["reward"], sessions.totals["clicks"])
        assert sessions.totals["returns"].sum() == 0


def test_in_the_control_the_near_oracle_is_the_myopic_oracle(control: Shop) -> None:
    generator = torch.Generator().manual_seed(0)
    state = control.start(control.sample_users(64, "train", generator), control.start_noise(64, generator))
    one, other = (control.POLICIES[name](control, state) for name in ("myopic_oracle", "near_oracle"))
    assert torch.equal(one.sort(dim=1).values, other.sort(dim=1).values)
    earned = {anchor.policy: anchor.mean for anchor in type(control).ANCHORS}
    assert earned["near_oracle"] == earned["myopic_oracle"] == max(earned.values())
    assert earned["random"] == min(earned.values())


def test_of_the_whole_catalogue_a_product_already_shown_is_neither_sold_nor_shown() -> None:
    simulator = build(candidate_source="all")
    generator = torch.Generator().manual_seed(0)
    users = simulator.sample_users(100, "test", generator)
    state = simulator.start(users, simulator.start_noise(100, generator))
    assert simulator.spec.num_candidates == simulator.spec.num_items == 3000
    slate_BK = Shop.POLICIES["myopic_oracle"](simulator, state)
    state, first = simulator.step(state, slate_BK, simulator.step_noise(100, generator))
    assert first.reward.mean() > 0.5
    _, again = simulator.step(state, slate_BK, simulator.step_noise(100, generator))
    assert again.response.sum() == 0
    assert (again.metrics["repeats"] == 5).all()
    # Where all but the worst were shown before, an oracle shows those that disappoint, and no product twice.
    worth_N = simulator.world.products.quality - simulator.world.products.hype
    state["seen"] = torch.ones_like(state["seen"]).index_fill(1, worth_N.argsort()[:8], False)
    for policy in Shop.POLICIES.values():
        assert not state["seen"].gather(1, policy(simulator, state)).any()


# settings


def test_products_can_be_chosen_by_a_cascade() -> None:
    simulator, generator = build(choice_model="exponential_cascade", delivery=1), torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(2000, "test", generator), simulator.start_noise(2000, generator))
    slate_BK = Shop.POLICIES["myopic_oracle"](simulator, state).flip(1)
    after, outcome = simulator.step(state, slate_BK, simulator.step_noise(2000, generator))
    clicks_BK = outcome.response[:, :, 0]
    assert clicks_BK.sum(dim=1).max() == 1
    # The slate stands upside down: who walks it from the top still buys there most.
    assert clicks_BK.mean(dim=0).argmax() == 0
    assert torch.equal(after["ordered"][:, 0] >= 0, clicks_BK.any(dim=1))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"delivery": 0}, "delivery is 0"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"spread": -0.1}, "spread is -0.1; make it finite and not negative"),
        ({"trust_decay": 1.1}, "trust_decay is 1.1; it is a share"),
        ({"wear": -0.1}, "wear is -0.1"),
        ({"patience": math.inf}, "patience is inf; make it finite"),
        ({"hype_weight": math.nan}, "hype_weight is nan"),
        ({"return_cost": -1.0}, "return_cost is -1"),
        ({"profile_turn": 1.0}, "profile_turn is 1.0"),
        ({"num_exploration": 31}, "num_exploration is 31"),
        ({"candidate_source": "cosin"}, 'did you mean "cosine"'),
        ({"choice_model": "user_browsing"}, "clicks several slots"),
    ],
)
@pytest.mark.parametrize("kind", [ShopSettings, ShopMyopicSettings])
def test_settings_that_cannot_be_are_refused(kind: type[ShopSettings], settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        kind(**settings)


def test_more_candidates_than_products_are_refused() -> None:
    with pytest.raises(UsageError, match="larger than the catalogue of 3000"):
        envs.make_simulator("envs.shop.simulator:Shop", "cpu", encoder="random", num_candidates=3001)

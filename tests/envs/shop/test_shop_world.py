"""The world of Shop-v0, its equations by hand: purchases, deliveries, returns, trust and needs."""

import math

import pytest
import torch
from shoppers import FIRST, NEVER, SLATE, noise, shopper, worst_and_best
from torch import Tensor
from torch.nn.functional import normalize

from envs.shop.needs import NeedEvents, drawn_kind, moved_needs
from envs.shop.orders import deliver, order
from envs.shop.settings import ShopSettings
from envs.shop.simulator import Shop
from envs.shop.words import CATEGORIES
from envs.simulator import State
from envs.slates import random_slate

# purchase


def test_the_purchase_logit_is_the_documented_sum(shop: Shop) -> None:
    items, chosen = shop.world.products, [5, 700, 2900]
    state = shopper(shop, chosen)
    state["need"] = state["need"].index_fill(1, items.categories[5], 0.7)
    state["taste"] = torch.linspace(-1, 1, 6).unsqueeze(0)
    state["price_sensitivity"], state["trust"] = torch.tensor([1.5]), torch.tensor([-0.4])
    logits = shop.world.appeal(state, torch.tensor([chosen]))[0]
    for column, item in enumerate(chosen):
        cosine = float(state["fancy"][0] @ items.kinds[item])
        taste = -1 + 2 * int(items.styles[item]) / 5
        expected = 3 * cosine + 0.8 * float(items.hype[item]) + 1.0 * taste + 0.5 * -0.4
        expected += 4 * 0.7 * (item == 5) - 1.5 * (float(items.dearness[item]) - 0.5)
        assert logits[column].item() == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(shop.world.appeal(state, None)[0, chosen], logits)


def test_people_stand_among_the_products_where_their_needs_tastes_and_fancies_lead(shop: Shop) -> None:
    world, state = shop.world, shopper(shop, [])
    planted = {name: values[:40] for name, values in world.users.personas.items()}
    alike = {name: torch.zeros(40) for name in ("trust", "price_sensitivity")}
    indifferent = {name: torch.zeros_like(planted[name]) for name in ("need", "taste", "fancy")}
    personal_PN = world.appeal(state | planted | alike, None) - world.appeal(state | indifferent | alike, None)
    assert world.people is not None
    standing_PN = world.people[:40] @ world.vectors.T
    torch.testing.assert_close(normalize(standing_PN, dim=1), normalize(personal_PN, dim=1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("decisiveness", [1.0, 1.5])
def test_purchase_chances_are_those_of_the_logits_stretched_by_decisiveness(shop: Shop, decisiveness: float) -> None:
    state = shopper(shop, [1, 300, 900, 1500, 2100]) | {"decisiveness": torch.tensor([decisiveness])}
    state["need"] = torch.ones_like(state["need"])
    logits = shop.world.appeal(state, state["candidates"].gather(1, SLATE))[0].tolist()
    weights = [math.exp(4.5 + decisiveness * (logit - 4.5)) for logit in logits]
    edge = weights[0] / (sum(weights) + math.exp(4.5))
    assert 0.01 < edge < 0.99
    for uniform, clicks in ((edge - 1e-4, [1, 0]), (edge + 1e-4, [0, 1])):
        _, outcome = shop.step(state, SLATE, noise(shop, uniform))
        assert outcome.response[0, :2].tolist() == [[click, click] for click in clicks]
        assert outcome.reward.tolist() == [1]


def test_trust_sells_and_price_sells_less_to_those_who_mind(shop: Shop) -> None:
    dear = int(shop.world.products.dearness.argmax())
    state = shopper(shop, [dear])
    item = torch.tensor([[dear]])
    plain = shop.world.appeal(state, item)
    assert shop.world.appeal(state | {"trust": torch.tensor([0.5])}, item) > plain
    assert shop.world.appeal(state | {"price_sensitivity": torch.tensor([2.0])}, item) < plain


def test_buying_ends_the_need_of_its_category_alone(shop: Shop) -> None:
    state = shopper(shop, [10, 200, 900, 1500, 2100])
    state["need"] = torch.full_like(state["need"], 0.6)
    after, outcome = shop.step(state, SLATE, noise(shop, FIRST))
    expected = torch.full((24,), 0.6)
    expected[0] = 0
    torch.testing.assert_close(after["need"][0], expected)
    assert after["owned"][0].tolist() == [1.0] + [0.0] * 23
    assert after["ordered"].tolist() == [[-1, -1, 10]]
    assert (outcome.metrics["dearness"] == shop.world.products.dearness[10]).all()
    # A second one of the category has lost the whole of the need's weight.
    second = torch.tensor([[11]])
    with_need = shop.world.appeal(after | {"need": state["need"]}, second)
    torch.testing.assert_close(with_need - shop.world.appeal(after, second), torch.tensor([[2.4]]))


def test_without_a_purchase_only_time_passes(shop: Shop) -> None:
    state = shopper(shop, [1, 300, 900, 1500, 2100])
    state["owned"] = torch.full_like(state["owned"], 0.5)
    after, outcome = shop.step(state, SLATE, noise(shop, NEVER))
    assert outcome.reward.tolist() == [0]
    assert not outcome.response.any()
    assert after["trust"].item() == 0
    assert after["patience"].item() == 15
    assert after["ordered"].tolist() == [[-1, -1, -1]]
    assert not after["need"].any()
    torch.testing.assert_close(after["owned"], 0.97 * state["owned"])


def test_the_best_product_is_the_unseen_one_of_the_highest_logit(shop: Shop) -> None:
    generator = torch.Generator().manual_seed(1)
    state = shop.start(shop.sample_users(3, "test", generator), shop.start_noise(3, generator))
    best_B = shop.best_items(state)
    assert torch.equal(best_B, shop.world.appeal(state, torch.arange(3000).expand(3, -1)).argmax(dim=1))
    state["seen"] = state["seen"].scatter(1, best_B.unsqueeze(1), True)
    assert (shop.best_items(state) != best_B).all()


# delivery and return


def test_satisfaction_rises_with_quality_and_falls_with_hype_and_so_do_returns(shop: Shop) -> None:
    items, everything = shop.world.products, torch.arange(3000).unsqueeze(0)
    state = shopper(shop, [])
    state["taste"] = torch.linspace(-1, 1, 6).unsqueeze(0)
    taste_N = -1 + 2 * items.styles / 5
    expected = torch.tanh(0.4 + 0.5 * items.quality - 0.5 * items.hype + 0.5 * taste_N)
    satisfaction = shop.world.satisfaction(state, everything)
    torch.testing.assert_close(satisfaction[0], expected)
    told = torch.tensor([[-0.7, 0.3, -1.0]])
    chances = [0.5, 1 / (1 + math.exp(6)), 1 / (1 + math.exp(-1.8))]
    assert shop.world.return_chance(told)[0].tolist() == pytest.approx(chances)


def test_what_will_come_back_is_drawn_with_the_chance_of_its_satisfaction(shop: Shop) -> None:
    worst, _ = worst_and_best(shop)
    state = shopper(shop, [worst])
    satisfaction = float(shop.world.satisfaction(state, torch.tensor([[worst]])))
    chance = 1 / (1 + math.exp(6 * (satisfaction + 0.7)))
    for back, fails in ((chance - 1e-3, 1), (chance + 1e-3, 0)):
        after, _ = shop.step(state, SLATE, noise(shop, FIRST, back))
        assert after["failed"].tolist() == [[0, 0, fails]]


def test_the_line_of_orders_hands_over_in_turn() -> None:
    line = {"ordered": torch.tensor([[4, -1], [-1, 9]]), "failed": torch.tensor([[1.0, 0.0], [0.0, 1.0]])}
    moved = order(line, torch.tensor([7, 8]), torch.tensor([1.0, 0.0]), torch.tensor([True, True]))
    assert moved["ordered"].tolist() == [[-1, 7], [9, -1]]
    assert moved["failed"].tolist() == [[0, 1], [1, 0]]
    assert line["ordered"].tolist() == [[4, -1], [-1, 9]]
    parcel = deliver(line, torch.tensor([-0.6, 0.9]), torch.tensor([0.5, 0.0]))
    assert parcel["came"].tolist() == [1, 0]
    assert parcel["returned"].tolist() == [1, 0]
    assert parcel["satisfaction"].tolist() == pytest.approx([-0.6, 0])
    assert parcel["verdict"].tolist() == [-0.5, 0]  # round(3 - 1.2 + 0.25) = 2 stars


@pytest.mark.parametrize(("satisfaction", "error", "stars"), [(1, 9, 5), (-1, -9, 1), (0.2, 0, 3), (0.3, 0, 4)])
def test_stars_are_rounded_and_stay_on_the_scale(satisfaction: float, error: float, stars: int) -> None:
    line = {"ordered": torch.tensor([[0]]), "failed": torch.zeros(1, 1)}
    verdict = deliver(line, torch.tensor([satisfaction]), torch.tensor([error]))["verdict"]
    assert verdict.tolist() == [(stars - 3) / 2]


def _sell(simulator: Shop, item: int, back: float) -> list[tuple[State, float]]:
    """Sell an item, then nothing; return the state and the reward of five steps."""
    state, seen = shopper(simulator, [item]), []
    for step in range(5):
        drawn = noise(simulator, FIRST if step == 0 else NEVER, back)
        state, outcome = simulator.step(state, SLATE, drawn)
        seen.append((state, outcome.reward.item()))
    return seen


def test_an_overpromising_product_comes_back_after_three_slates(shop: Shop) -> None:
    worst, _ = worst_and_best(shop)
    category = int(shop.world.products.categories[worst])
    seen = _sell(shop, worst, FIRST)
    assert [reward for _, reward in seen] == [1, 0, 0, -1, 0]
    before, after = seen[2][0], seen[3][0]
    assert before["trust"].item() == before["need"][0, category].item() == 0
    satisfaction = float(shop.world.satisfaction(before, torch.tensor([[worst]])))
    assert after["trust"].item() == pytest.approx(0.3 * satisfaction)
    assert satisfaction < -0.8
    assert after["need"][0].nonzero().flatten().tolist() == [category]
    assert after["need"][0, category].item() == 0.5
    assert after["owned"][0, category].item() == 0
    assert after["patience"].item() == pytest.approx(13 - math.exp(-2 * 0.3 * satisfaction), rel=1e-5)
    told = shop.observe(after)["user"][0, -7:].tolist()
    # No fifth of a purchase is left but its decay; delivered, one star, and its traces; one return.
    assert told == pytest.approx([0.08, 0.2 * 0.8**3, 1, -1, -0.2, -0.05, 0.05], abs=1e-6)
    torch.testing.assert_close(after["valued"][0], -0.05 * shop.view.features[worst])


def test_a_good_product_is_kept_and_makes_people_want_what_goes_with_it(shop: Shop) -> None:
    _, best = worst_and_best(shop)
    category = int(shop.world.products.categories[best])
    seen = _sell(shop, best, NEVER)
    assert [reward for _, reward in seen] == [1, 0, 0, 0, 0]
    after = seen[3][0]
    satisfaction = float(shop.world.satisfaction(after, torch.tensor([[best]])))
    expected = torch.zeros(24)
    expected[list(CATEGORIES[category].follows)] = 0.8 * satisfaction
    torch.testing.assert_close(after["need"][0], expected)
    assert after["owned"][0, category].item() == pytest.approx(0.97**3)
    assert after["trust"].item() == pytest.approx(0.3 * satisfaction)
    assert after["patience"].item() == pytest.approx(13 - math.exp(-2 * 0.3 * satisfaction), rel=1e-5)
    assert shop.observe(after)["user"][0, -1].item() == 0


def test_trust_keeps_seven_tenths_at_a_delivery(shop: Shop) -> None:
    _, best = worst_and_best(shop)
    state = shopper(shop, []) | {"trust": torch.tensor([-0.5]), "ordered": torch.tensor([[best, -1, -1]])}
    satisfaction = float(shop.world.satisfaction(state, torch.tensor([[best]])))
    after, outcome = shop.step(state, SLATE, noise(shop, NEVER))
    assert after["trust"].item() == pytest.approx(0.7 * -0.5 + 0.3 * satisfaction)
    assert outcome.metrics["satisfaction"].item() == pytest.approx(satisfaction)


def test_what_is_returned_opens_no_other_need_even_if_it_was_good(shop: Shop) -> None:
    _, best = worst_and_best(shop)
    state = shopper(shop, [])
    state["ordered"], state["failed"] = torch.tensor([[best, -1, -1]]), torch.tensor([[1.0, 0.0, 0.0]])
    after, outcome = shop.step(state, SLATE, noise(shop, NEVER))
    assert outcome.reward.tolist() == [-1]
    assert after["need"][0].nonzero().flatten().tolist() == [int(shop.world.products.categories[best])]


def test_trust_stays_as_it_is_while_nothing_is_delivered(shop: Shop) -> None:
    state = shopper(shop, [])
    state["trust"] = torch.tensor([-0.6])
    after, outcome = shop.step(state, SLATE, noise(shop, NEVER))
    assert after["trust"].tolist() == outcome.metrics["trust"].tolist() == state["trust"].tolist()
    assert after["patience"].item() == pytest.approx(16 - math.exp(1.2), rel=1e-5)


def test_who_leaves_returns_what_is_on_its_way_at_once(shop: Shop) -> None:
    worst, _ = worst_and_best(shop)
    state = shopper(shop, [worst])
    state["ordered"], state["failed"] = torch.tensor([[worst, 1, worst]]), torch.tensor([[1.0, 0.0, 1.0]])
    state["patience"] = torch.tensor([1.0])
    _, outcome = shop.step(state, SLATE, noise(shop, FIRST, FIRST))
    assert outcome.left.item()
    # One sold; one returned in its turn, one on its way, and the one just sold.
    assert outcome.reward.tolist() == [1 - 3]
    assert outcome.metrics["returns"].tolist() == [3]
    state["patience"] = torch.tensor([9.0])
    _, outcome = shop.step(state, SLATE, noise(shop, FIRST, FIRST))
    assert not outcome.left.item()
    assert outcome.reward.tolist() == [1 - 1]


@pytest.mark.parametrize(("trust", "patience", "left"), [(0.0, 1.0, True), (0.0, 1.01, False), (0.5, 0.5, False)])
def test_a_user_leaves_when_patience_is_used_up_and_trust_stretches_it(
    shop: Shop, trust: float, patience: float, left: bool
) -> None:
    state = shopper(shop, [])
    state["patience"], state["trust"] = torch.tensor([patience]), torch.tensor([trust])
    _, outcome = shop.step(state, SLATE, noise(shop, NEVER))
    assert outcome.left.tolist() == [left]


def test_people_come_with_sixteen_slates_of_patience_times_their_stamina(shop: Shop) -> None:
    generator = torch.Generator().manual_seed(0)
    users = shop.sample_users(100, "train", generator)
    state = shop.start(users, shop.start_noise(100, generator))
    torch.testing.assert_close(state["patience"], 16 * users["stamina"])
    assert len(users["stamina"].unique()) == 100


# needs


def _events(bought: int = -1, returned: int = -1, kept: float = 0.0, beside: int = -1) -> NeedEvents:
    def row(category: int) -> Tensor:
        return torch.zeros(1, 4) if category < 0 else torch.eye(4)[category : category + 1]

    return NeedEvents(bought=row(bought), returned=row(returned), kept=torch.tensor([kept]), beside=row(beside))


@pytest.mark.parametrize(
    ("events", "arises", "need", "owned"),
    [
        (_events(), False, [0.2, 0.9, 0, 0], [0, 0, 0.97, 0.485]),
        (_events(bought=1), False, [0.2, 0, 0, 0], [0, 1, 0.97, 0.485]),
        (_events(returned=2), False, [0.2, 0.9, 0.5, 0], [0, 0, 0, 0.485]),
        (_events(returned=1), False, [0.2, 0.9, 0, 0], [0, 0, 0.97, 0.485]),
        (_events(kept=0.5, beside=0), False, [0.4, 0.9, 0, 0], [0, 0, 0.97, 0.485]),
        (_events(kept=0.5, beside=1), False, [0.2, 0.9, 0, 0], [0, 0, 0.97, 0.485]),
        (_events(kept=1.0, beside=3), False, [0.2, 0.9, 0, 0.8 * 0.515], [0, 0, 0.97, 0.485]),
        (_events(kept=1.0, beside=1, bought=1), False, [0.2, 0, 0, 0], [0, 1, 0.97, 0.485]),
        (_events(), True, [0.2, 0.9, 0, 0.515], [0, 0, 0.97, 0.485]),
    ],
)
def test_needs_move_as_documented(events: NeedEvents, arises: bool, need: list[float], owned: list[float]) -> None:
    state = {
        "need": torch.tensor([[0.2, 0.9, 0, 0]]),
        "owned": torch.tensor([[0, 0, 1, 0.5]]),
        "interest": torch.tensor([[0.1, 0.1, 0.1, 0.7]]),
    }
    uniform = torch.tensor([[0.14 if arises else 0.16, 0.5]])
    moved = moved_needs(state, events, uniform, ShopSettings())
    torch.testing.assert_close(moved["need"], torch.tensor([need]))
    torch.testing.assert_close(moved["owned"], torch.tensor([owned]))


def test_new_needs_follow_the_interests() -> None:
    interest = torch.tensor([[0.5, 0.0, 0.2, 0.3]]).expand(40_000, -1)
    drawn = drawn_kind(interest, torch.rand(40_000, generator=torch.Generator().manual_seed(0)))
    assert (drawn.sum(dim=1) == 1).all()
    torch.testing.assert_close(drawn.mean(dim=0), interest[0], atol=0.01, rtol=0)
    assert drawn[:, 1].sum() == 0


# the control


def test_nothing_lasts_in_the_control(control: Shop) -> None:
    generator = torch.Generator().manual_seed(0)
    users = control.sample_users(32, "train", generator)
    state = before = control.start(users, control.start_noise(32, generator))
    everything = torch.arange(3000).expand(32, -1)
    for _ in range(8):
        state, _ = control.step(state, random_slate(32, 30, 5, generator), control.step_noise(32, generator))
    assert (state["ordered"] >= 0).any()
    torch.testing.assert_close(control.world.appeal(state, everything), control.world.appeal(before, everything))

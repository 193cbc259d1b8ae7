"""What trackers make of a history: totals and gates by hand, order, padding, and what can be learnt through them."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.networks.layers import LayerNorm, Linear
from agents.networks.trackers import TRACKERS, Attention, Recurrent, Totals, squash
from agents.streams import Streams

L, F, HIDDEN = 6, 5, 8
CPU = torch.device("cpu")
every_tracker = pytest.mark.parametrize("name", TRACKERS)
every_reader = pytest.mark.parametrize("name", [name for name in TRACKERS if name != "totals"])


def make(name: str, seed: int | list[int] = 0, length: int = L, width: int = F, hidden: int = HIDDEN) -> Any:
    return TRACKERS[name](length, width, hidden, Streams(seed, CPU))


def histories(number: int, length: int = L, least: int = 0, seed: int = 0) -> Tensor:
    """Draw histories of ``least`` to ``length`` events, the first columns 1 or 0."""
    generator = torch.Generator().manual_seed(seed)
    events_BLF = 2 * torch.rand(number, length, F, generator=generator) - 1
    events_BLF[..., 0] = 1
    counts_B = least + torch.arange(number) % (length + 1 - least)
    events_BLF = events_BLF * (torch.arange(length) < counts_B.unsqueeze(1)).unsqueeze(2)
    return torch.cat([events_BLF.sum(dim=1, keepdim=True), events_BLF], dim=1)


def shake(tracker: Any, seed: int = 1) -> Any:
    """Move every weight, those that start at zero too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in tracker.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
    return tracker


# Equations


def test_large_numbers_are_squashed_and_small_ones_are_not() -> None:
    squashed = squash(torch.tensor([0.0, 0.001, -0.001, math.e - 1, 1 - math.e**5]))
    torch.testing.assert_close(squashed, torch.tensor([0.0, 0.001, -0.001, 1.0, -5.0]), rtol=1e-3, atol=0)


def test_totals_by_hand() -> None:
    history_BLF = torch.zeros(2, L + 1, 3)
    history_BLF[0, 0] = torch.tensor([4.0, 100.0, -50.0])
    history_BLF[0, 1:] = 7.0
    out = make("totals", width=3)(history_BLF)
    log = math.log(101)
    expected = [0.04, 1.0, -0.5, math.log(5) / log, 1.0, -math.log(51) / log, 1.0, 25.0, -12.5]
    torch.testing.assert_close(out, torch.tensor([expected, [0.0] * 9]))


@torch.no_grad()
def test_the_gru_is_that_of_torch_over_the_events_there_were_oldest_first() -> None:
    tracker, history_BLF = shake(make("gru")), histories(14)
    cell = torch.nn.GRUCell(F, HIDDEN)
    cell.load_state_dict(
        {
            "weight_ih": tracker.event_in.weight[0],
            "bias_ih": tracker.event_in.bias[0],
            "weight_hh": tracker.state_in.weight[0],
            "bias_hh": tracker.state_in.bias[0],
        }
    )
    out = tracker(history_BLF)
    assert torch.equal(out[:, : 3 * F], tracker.totals(history_BLF))
    for user in range(14):
        state_1H = torch.zeros(1, HIDDEN)
        for age in reversed(range(user % (L + 1))):
            state_1H = cell(squash(history_BLF[user, 1 + age]).unsqueeze(0), state_1H)
        torch.testing.assert_close(out[user, 3 * F :], state_1H[0], rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_attention_is_the_newest_row_of_a_causal_block() -> None:
    tracker, history_BLF = shake(make("attention")), histories(14)
    out = tracker(history_BLF)
    assert torch.equal(out[:, : 3 * F], tracker.totals(history_BLF))
    for user in range(14):
        count = user % (L + 1)
        here = [tracker.event_in(squash(history_BLF[user, 1 + t])) + tracker.ages.weight[0, t] for t in range(count)]
        normal = [tracker.norm_1(row) for row in here]
        state_H = here[0] if count else torch.zeros(HIDDEN)
        weights = [math.exp(float(tracker.query(normal[0]) @ row) / math.sqrt(HIDDEN)) for row in normal]
        seen = [weight / (1 + sum(weights)) * row for weight, row in zip(weights, normal, strict=True)]
        state_H = state_H + tracker.value(sum(seen, torch.zeros(HIDDEN)))
        state_H = state_H + tracker.narrow(torch.relu(tracker.wide(tracker.norm_2(state_H))))
        torch.testing.assert_close(out[user, 3 * F :], state_H, rtol=1e-5, atol=1e-5)


# What they read


@every_tracker
def test_the_width_is_that_of_what_comes_out(name: str) -> None:
    tracker = make(name)
    out = tracker(histories(9))
    assert out.shape == (9, tracker.width)
    assert out.isfinite().all()
    assert tracker.width == 3 * F + (0 if name == "totals" else HIDDEN)


@every_tracker
def test_what_stands_where_no_event_was_is_ignored(name: str) -> None:
    tracker, history_BLF = shake(make(name)), histories(14)
    spoilt_BLF = history_BLF.clone()
    spoilt_BLF[:, 1:, 1:] += 9.0 * (history_BLF[:, 1:, :1] == 0)
    assert not torch.equal(spoilt_BLF, history_BLF)
    assert torch.equal(tracker(spoilt_BLF), tracker(history_BLF))


@every_tracker
def test_order_matters_to_those_who_read_events_and_not_to_the_totals(name: str) -> None:
    tracker, history_BLF = make(name), histories(9, least=L)
    turned_BLF = history_BLF.clone()
    turned_BLF[:, 2], turned_BLF[:, 4] = history_BLF[:, 4], history_BLF[:, 2]
    differ_B = (tracker(turned_BLF) - tracker(history_BLF)).abs().amax(dim=1) > 1e-4
    assert differ_B.tolist() == [name != "totals"] * 9


@every_reader
def test_totals_reach_beyond_the_last_events(name: str) -> None:
    tracker, history_BLF = make(name), histories(3, least=L)
    older_BLF = history_BLF.clone()
    older_BLF[:, 0] += 1.0
    assert not torch.equal(tracker(older_BLF), tracker(history_BLF))


@every_tracker
def test_gradients_reach_every_weight_and_every_event(name: str) -> None:
    tracker, history_BLF = make(name), histories(21).requires_grad_()
    out = tracker(history_BLF)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in tracker.parameters())
    assert history_BLF.grad is not None
    assert history_BLF.grad.isfinite().all()
    reached_BL = history_BLF.grad[:, 1:, 1:].any(dim=2)
    present_BL = history_BLF[:, 1:, 0] > 0
    assert torch.equal(reached_BL, present_BL if name != "totals" else torch.zeros_like(present_BL))


@every_tracker
def test_a_batch_gets_what_each_of_its_rows_gets_alone(name: str) -> None:
    tracker, history_BLF = shake(make(name)), histories(14)
    alone = torch.cat([tracker(row) for row in history_BLF.split(1)])
    torch.testing.assert_close(tracker(history_BLF), alone, rtol=1e-5, atol=1e-5)


# Seeds


@every_tracker
def test_two_seeds_at_once_are_each_alone(name: str) -> None:
    both, history_BLF = make(name, [3, 4]), histories(14)
    out = both(history_BLF)
    out.square().sum().backward() if name != "totals" else None
    for place, seed in enumerate((3, 4)):
        alone, rows_BLF = make(name, seed), history_BLF[7 * place : 7 * place + 7]
        expected = alone(rows_BLF)
        torch.testing.assert_close(out[7 * place : 7 * place + 7], expected, rtol=1e-5, atol=1e-5)
        expected.square().sum().backward() if name != "totals" else None
        for ours, theirs in zip(both.parameters(), alone.parameters(), strict=True):
            assert torch.equal(ours[place], theirs[0])
            torch.testing.assert_close(ours.grad[place], theirs.grad[0], rtol=1e-4, atol=1e-5)


def test_the_global_random_state_is_left_alone_and_seeds_differ() -> None:
    before = torch.get_rng_state()
    ours, again, other = (make("gru", seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(ours.event_in.weight, again.event_in.weight)
    assert not torch.equal(ours.event_in.weight, other.event_in.weight)


@pytest.mark.parametrize("tracker", [Recurrent, Attention])
def test_a_history_without_events_is_refused_where_they_are_read(tracker: type[Recurrent] | type[Attention]) -> None:
    with pytest.raises(ValueError, match="history_length is 0; it is at least 1"):
        tracker(0, F, HIDDEN, Streams(0, CPU))


def test_totals_need_no_events() -> None:
    history_BLF = histories(4)
    assert torch.equal(Totals(0, F, HIDDEN, Streams(0, CPU))(history_BLF[:, :1]), make("totals")(history_BLF))


# What can be learnt


def trained(modules: list[torch.nn.Module], losses: Iterator[Tensor], steps: int) -> float:
    """Descend by Adam with a step size that falls to zero; return the last loss."""
    weights = [weight for module in modules for weight in module.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-2)
    for step, loss in zip(range(steps), losses, strict=False):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize(("name", "bounds"), [("gru", (0, 0.03)), ("attention", (0, 0.01)), ("totals", (0.2, 0.4))])
def test_what_happened_half_a_history_ago_is_recalled_by_those_who_read_events(
    name: str, bounds: tuple[float, float]
) -> None:
    length, streams = 8, Streams(0, CPU)
    tracker = TRACKERS[name](length, F, 32, streams)
    out = Linear(tracker.width, 1, streams)

    def losses() -> Iterator[Tensor]:
        for seed in range(400):
            history_BLF = histories(128, length, least=length // 2 + 1, seed=seed)
            yield (out(tracker(history_BLF))[:, 0] - history_BLF[:, 1 + length // 2, 3]).square().mean()

    least, most = bounds
    assert least < trained([tracker, out], losses(), 400) < most


def test_a_normalised_network_reads_what_is_left_off_the_totals_to_three_hundredths() -> None:
    streams, generator = Streams(0, CPU), torch.Generator().manual_seed(0)
    tracker = TRACKERS["totals"](0, F, 0, streams)
    hidden, norm, out = Linear(10 + tracker.width, 64, streams), LayerNorm(64, streams), Linear(64, 1, streams)

    def losses() -> Iterator[Tensor]:
        for _ in range(400):
            # Slates, those without a click, minutes, quality, and something else.
            slates_B1, other_B11 = (
                120 * torch.rand(512, 1, generator=generator),
                torch.rand(512, 11, generator=generator),
            )
            share_B2 = torch.rand(512, 2, generator=generator)
            clicks_B1 = slates_B1 * share_B2[:, :1]
            totals = [
                slates_B1,
                slates_B1 - clicks_B1,
                4 * clicks_B1,
                clicks_B1 * share_B2[:, 1:],
                40 * other_B11[:, :1],
            ]
            history_BLF = torch.cat(totals, dim=1).unsqueeze(1)
            budget_B = 1 + history_BLF[:, 0] @ torch.tensor([0.0, -0.5, -1.0, 1.06, 0.0]) / 200
            seen = torch.cat([other_B11[:, 1:], tracker(history_BLF)], dim=1)
            yield (out(torch.relu(norm(hidden(seen))))[:, 0] - budget_B).square().mean()

    assert trained([hidden, norm, out], losses(), 400) ** 0.5 < 0.03

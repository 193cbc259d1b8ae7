"""Prioritised replay: chances and weights by hand, and the distribution of what is drawn."""

import pytest
import torch

from agents.learning.prioritised import SMALLEST, PrioritisedReplay
from agents.streams import Streams

CPU = torch.device("cpu")


def filled(alpha: float, errors: list[float], *, capacity: int = 8, seed: int = 0) -> PrioritisedReplay:
    """Return a replay whose row i is the number i with this error."""
    replay = PrioritisedReplay(capacity, alpha, Streams(seed, CPU))
    numbers = torch.arange(len(errors))
    replay.add({"n": numbers})
    replay.rank(numbers, torch.tensor(errors))
    return replay


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_rows_are_drawn_in_proportion_to_a_power_of_their_error(alpha: float) -> None:
    errors = [1.0, 2.0, 4.0, 0.5]
    replay = filled(alpha, errors)
    counts = torch.zeros(4)
    for _ in range(50):
        counts += replay.draw(400, 1.0)["n"].bincount(minlength=4)
    mass = torch.tensor(errors) ** alpha
    # Of 20,000 draws, one from each 400th of the mass: far below the 140 of independent draws.
    torch.testing.assert_close(counts, 20_000 * mass / mass.sum(), atol=60, rtol=0)


def test_a_draw_has_one_row_of_each_equal_part_of_the_mass() -> None:
    replay = filled(1.0, [1.0, 2.0, 4.0, 1.0])
    for _ in range(20):
        assert replay.draw(8, 1.0)["n"].sort().values.tolist() == [0, 1, 1, 2, 2, 2, 2, 3]


def test_only_rows_that_are_held_are_drawn_and_the_last_one_can_be() -> None:
    replay = PrioritisedReplay(1000, 1.0, Streams(0, CPU))
    replay.add({"n": torch.arange(3)})
    drawn = torch.cat([replay.draw(100, 1.0)["n"] for _ in range(50)])
    assert drawn.unique().tolist() == [0, 1, 2]


def test_the_weights_are_those_of_the_paper() -> None:
    errors, beta = [1.0, 2.0, 5.0], 0.5
    batch = filled(1.0, errors).draw(400, beta)
    chances = torch.tensor(errors) / 8
    weights = (3 * chances) ** -beta
    expected = (weights / weights.max())[batch["n"]]
    torch.testing.assert_close(batch["weight"], expected, atol=1e-5, rtol=1e-4)
    assert float(batch["weight"].max()) == 1.0
    assert filled(1.0, errors).draw(40, 0.0)["weight"].unique().tolist() == [1.0]


def test_the_weights_make_up_for_the_priorities_where_beta_is_one() -> None:
    """The weighted mean over draws is then the plain mean over rows."""
    errors = [0.2, 1.0, 3.0, 8.0]
    batch = filled(0.7, errors).draw(4000, 1.0)
    value_N = torch.tensor([10.0, -4.0, 3.0, 1.0])
    weighted = (batch["weight"] * value_N[batch["n"]]).sum() / batch["weight"].sum()
    assert float(weighted) == pytest.approx(float(value_N.mean()), abs=0.05)


def test_new_rows_have_the_highest_priority_so_far_and_one_before_there_is_any() -> None:
    replay = PrioritisedReplay(8, 0.5, Streams(0, CPU))
    replay.add({"n": torch.arange(2)})
    assert replay.state_dict()["mass"].tolist() == [[1.0, 1.0]]
    replay.rank(torch.tensor([0, 1]), torch.tensor([0.04, 0.25]))
    replay.add({"n": torch.arange(2)})
    mass = replay.state_dict()["mass"][0]
    torch.testing.assert_close(mass, torch.tensor([0.2, 0.5, 0.5, 0.5]), atol=1e-4, rtol=0)
    replay.rank(torch.tensor([1]), torch.tensor([0.01]))
    replay.add({"n": torch.arange(1)})
    assert float(replay.state_dict()["mass"][0, 4]) == pytest.approx(0.5, abs=1e-4), "the highest so far, not now"


def test_an_overwritten_row_takes_its_priority_with_it() -> None:
    replay = filled(1.0, [9.0, 1.0, 1.0], capacity=3)
    replay.rank(torch.tensor([0]), torch.tensor([0.5]))
    replay.add({"n": torch.tensor([7])})
    state = replay.state_dict()
    assert state["rows.n"].tolist() == [[7, 1, 2]]
    torch.testing.assert_close(state["mass"], torch.tensor([[9.0, 1.0, 1.0]]), atol=1e-4, rtol=0)


def test_a_row_without_error_is_not_lost() -> None:
    replay = filled(1.0, [0.0, 1.0])
    assert float(replay.state_dict()["mass"][0, 0]) == pytest.approx(SMALLEST)


def test_seeds_draw_from_their_own_rows_by_their_own_priorities() -> None:
    both = PrioritisedReplay(4, 1.0, Streams([3, 4], CPU))
    both.add({"n": torch.arange(8)})
    errors = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 9.0, 0.0, 0.0])
    both.rank(torch.arange(4).repeat(2), errors)
    alone = PrioritisedReplay(4, 1.0, Streams(4, CPU))
    alone.add({"n": torch.arange(4, 8)})
    alone.rank(torch.arange(4), errors[4:])
    ours, theirs = both.draw(50, 0.5), alone.draw(50, 0.5)
    assert int(ours["n"][:50].max()) < 4
    for name, value in theirs.items():
        assert torch.equal(ours[name][50:], value), name
    assert both.state_dict()["largest"].tolist() == pytest.approx([1.0, 9.0], abs=1e-5)


@pytest.mark.parametrize("rows", [0, 3, 8])
def test_a_saved_replay_goes_on_to_the_bit(rows: int) -> None:
    errors = torch.linspace(0.1, 3.0, 8)[:rows].tolist()
    ours = filled(0.6, errors) if rows else PrioritisedReplay(8, 0.6, Streams(0, CPU))
    theirs = filled(0.6, [5.0, 1.0], seed=9)
    theirs.load_state_dict({name: value.clone() for name, value in ours.state_dict().items()})
    theirs.streams.restore(ours.streams.state())
    for replay in (ours, theirs):
        replay.add({"n": torch.tensor([90, 91])})
    one, other = ours.draw(64, 0.4), theirs.draw(64, 0.4)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    for replay, batch in ((ours, one), (theirs, other)):
        replay.rank(batch["place"], batch["n"] * 0.3)
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


def test_more_rows_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a replay of 2 rows cannot take 3 at once"):
        PrioritisedReplay(2, 1.0, Streams(0, CPU)).add({"n": torch.arange(3)})

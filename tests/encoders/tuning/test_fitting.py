"""Towers fitted on a small world: what they learn, that they repeat, and what they refuse."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from encoders.errors import Failure, UsageError
from encoders.tuning import draws
from encoders.tuning.fitting import tune
from encoders.tuning.histories import Histories
from encoders.tuning.settings import LOSSES, POOLINGS, TuningSettings
from encoders.tuning.tuned import Tuned

TASTES, EACH, DIM, USERS, LIKES = 4, 30, 24, 160, 8
SMALL = TuningSettings(width=16, hidden=0, epochs=40, learning_rate=1e-2, validate_every=10, device="cpu")
Vectors = npt.NDArray[np.float32]


def world(shuffled: bool = False) -> tuple[Vectors, Histories, npt.NDArray[np.int64]]:
    """Return text vectors that tell of a taste in one faint direction, who liked what, and what each likes next.

    The last ten items of each taste are in no history: they are new. Shuffled, who liked what says nothing.
    """
    generator = np.random.default_rng(0)
    tastes_N = np.repeat(np.arange(TASTES), EACH)
    vectors_ND = generator.normal(size=(len(tastes_N), DIM))
    vectors_ND[:, :TASTES] = 1.5 * np.eye(TASTES)[tastes_N]
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    taste_U = generator.integers(TASTES, size=USERS)
    known = np.arange(EACH - 10)
    picked = np.stack([generator.permutation(known)[: LIKES + 1] for _ in range(USERS)])
    liked_UL = taste_U[:, None] * EACH + picked
    if shuffled:
        liked_UL = generator.permutation(liked_UL.ravel()).reshape(liked_UL.shape)
    none = np.full((USERS, 1), -1)
    histories = Histories(liked=liked_UL[:, 1:], disliked=none, num_items=len(tastes_N))
    return vectors_ND.astype(np.float32), histories, taste_U


def taste_found(items_NE: Vectors, users_UE: Vectors, taste_U: npt.NDArray[np.int64], new: bool) -> float:
    """Return the share of the ten nearest items, among new or all, that are of the user's taste."""
    places = np.arange(len(items_NE)) % EACH >= (EACH - 10 if new else 0)
    ids = np.flatnonzero(places)
    nearest = ids[np.argsort(-(users_UE @ items_NE[ids].T), axis=1, kind="stable")[:, :10]]
    return float((nearest // EACH == taste_U[:, None]).mean())


def scored(tuned: Tuned, vectors: Vectors, histories: Histories, taste_U: npt.NDArray[np.int64]) -> float:
    items = tuned.items(vectors)
    return taste_found(items, tuned.users(items, histories.liked, histories.disliked), taste_U, new=True)


def frozen(vectors: Vectors, histories: Histories, taste_U: npt.NDArray[np.int64]) -> float:
    return taste_found(vectors, vectors[histories.liked].mean(axis=1), taste_U, new=True)


@pytest.mark.parametrize("loss", LOSSES)
def test_tuned_towers_find_new_items_that_frozen_vectors_do_not(loss: str) -> None:
    vectors, histories, taste_U = world()
    tuned = tune(vectors, histories, replace(SMALL, loss=loss))
    assert scored(tuned, vectors, histories, taste_U) > frozen(vectors, histories, taste_U) + 0.15


def test_shuffled_pairs_teach_nothing() -> None:
    vectors, histories, taste_U = world()
    _, shuffled, _ = world(shuffled=True)
    tuned = tune(vectors, shuffled, SMALL)
    assert scored(tuned, vectors, histories, taste_U) < frozen(vectors, histories, taste_U)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_same_arguments_give_the_same_towers_to_the_bit(loss: str) -> None:
    vectors, histories, _ = world()
    settings = replace(SMALL, loss=loss, epochs=2, pooling="attention", hidden=8, batch_size=50)
    first, second = (tune(vectors, histories, settings).items(vectors) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = tune(vectors, histories, replace(settings, seed=1)).items(vectors)
    assert not np.array_equal(first, other)


def test_no_global_random_state_is_read_or_set() -> None:
    vectors, histories, _ = world()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    tune(vectors, histories, replace(SMALL, epochs=1))
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


def test_the_best_towers_seen_are_returned_and_the_fit_stops_early() -> None:
    vectors, histories, _ = world()
    worth = iter([1.0, 3.0, 2.0, 2.5, 9.0])
    epochs: list[int] = []
    settings = replace(SMALL, epochs=50, validate_every=2, patience=2)
    tuned = tune(vectors, histories, settings, validation=lambda _: next(worth), watch=lambda n, _: epochs.append(n))
    assert tuned.epochs == 4
    assert epochs == list(range(1, 9))
    np.testing.assert_array_equal(
        tuned.items(vectors), tune(vectors, histories, replace(settings, epochs=4)).items(vectors)
    )


def test_items_that_nobody_met_change_nothing() -> None:
    vectors, histories, _ = world()
    settings = replace(SMALL, epochs=2)
    known = histories.met
    renumbered = np.searchsorted(known, histories.liked)
    alone = Histories(liked=renumbered, disliked=histories.disliked, num_items=len(known))
    centre = vectors[known].mean(axis=0)
    new = np.setdiff1d(np.arange(len(vectors)), known)
    same_mean = vectors.copy()
    same_mean[new] = centre
    all_items = tune(same_mean, histories, settings)
    few_items = tune(vectors[known], alone, settings)
    # (They are centred and scaled together, by which alone the two could differ; the scale is all that is left.)
    assert np.abs(all_items.items(vectors) - few_items.items(vectors)).mean() < 0.05


def test_dislikes_pull_as_the_towers_learnt_it() -> None:
    vectors, histories, taste_U = world()
    generator = np.random.default_rng(1)
    others = (taste_U[:, None] + generator.integers(1, TASTES, size=(USERS, 5))) % TASTES
    disliked = others * EACH + generator.integers(EACH - 10, size=others.shape)
    tuned = tune(vectors, replace(histories, disliked=disliked), SMALL)
    assert tuned.user_tower.dislike_weight < -0.05


def test_attention_finds_the_newest_like_where_it_alone_tells() -> None:
    vectors, histories, taste_U = world()
    generator = np.random.default_rng(2)
    settings = replace(SMALL, pooling="attention", most_history=0.5)
    tuned = tune(vectors, histories, settings)
    assert tuned.user_tower.query.abs().max() > 0
    items = tuned.items(vectors)
    noise = generator.integers(len(vectors), size=(USERS, 6))
    with torch.no_grad():
        tuned.user_tower.recency.fill_(4.0)
    told = np.concatenate([histories.liked[:, :2], noise], axis=1)
    newest = taste_found(items, tuned.users(items, told, histories.disliked), taste_U, new=True)
    oldest = taste_found(items, tuned.users(items, told[:, ::-1].copy(), histories.disliked), taste_U, new=True)
    assert newest > oldest + 0.2


def test_a_popularity_offset_is_taken_out_of_what_is_learnt() -> None:
    vectors, histories, _ = world()
    popular = np.where(np.arange(len(vectors)) % EACH < 3, 1000.0, 0.0)
    with_it = tune(vectors, histories, replace(SMALL, popularity_weight=1.0, epochs=3), popularity_N=popular)
    without = tune(vectors, histories, replace(SMALL, epochs=3), popularity_N=popular)
    assert with_it.popularity_weight == pytest.approx(0.1)
    assert without.popularity_weight == 0
    assert not np.array_equal(with_it.items(vectors), without.items(vectors))


@pytest.mark.parametrize("loss", ["softmax", "elsa"])
def test_few_drawn_items_teach_too(loss: str) -> None:
    vectors, histories, taste_U = world()
    tuned = tune(vectors, histories, replace(SMALL, loss=loss, many=20, batch_size=32))
    assert scored(tuned, vectors, histories, taste_U) > frozen(vectors, histories, taste_U) + 0.15


def test_hard_negatives_are_drawn_of_the_ranks_asked_for() -> None:
    scores = torch.arange(20.0).repeat(3, 1)
    drawn = draws.between_ranks(scores, 2, 5, 200, torch.Generator().manual_seed(0))
    assert set(drawn.unique().tolist()) == {15, 16, 17}
    few = draws.between_ranks(scores[:, :3], 10, 50, 4, torch.Generator().manual_seed(0))
    assert set(few.unique().tolist()) == {0}


def test_infonce_learns_with_hard_negatives() -> None:
    vectors, histories, taste_U = world()
    tuned = tune(vectors, histories, replace(SMALL, loss="infonce", hard_negatives=1))
    assert scored(tuned, vectors, histories, taste_U) > frozen(vectors, histories, taste_U) + 0.1


def test_every_user_has_something_told_and_something_to_find() -> None:
    liked = torch.tensor([[4, 2, -1, -1], [0, 1, 2, 3]]).repeat(100, 1)
    settings = replace(SMALL, least_history=0.0, most_history=1.0)
    draw = draws.part(liked, torch.full((200, 0), -1), settings, torch.Generator().manual_seed(0))
    told, to_find = draw.history >= 0, draw.targets >= 0
    assert told.any(dim=1).all()
    assert to_find.any(dim=1).all()
    assert torch.equal(told ^ to_find, liked >= 0)


def test_users_of_whom_nothing_is_known_have_finite_vectors() -> None:
    vectors, histories, _ = world()
    for pooling in POOLINGS:
        tuned = tune(vectors, histories, replace(SMALL, pooling=pooling, epochs=1))
        none = np.full((2, 3), -1)
        users = tuned.users(tuned.items(vectors), none, none[:, :0])
        np.testing.assert_allclose(np.linalg.norm(users, axis=1), 1.0, atol=1e-5)


def test_what_cannot_be_fitted_is_told_in_a_sentence() -> None:
    vectors, histories, _ = world()
    with pytest.raises(UsageError, match=r"100 text vectors for 120 items"):
        tune(vectors[:100], histories, SMALL)
    with pytest.raises(UsageError, match="no user likes two items"):
        tune(vectors, replace(histories, liked=histories.liked[:, :1]), SMALL)
    with pytest.raises(UsageError, match="item 3 is not finite"):
        tune(np.where(np.arange(120)[:, None] == 3, np.nan, vectors).astype(np.float32), histories, SMALL)
    with pytest.raises(UsageError, match="120 counts"):
        tune(vectors, histories, SMALL, popularity_N=np.ones(7))
    with pytest.raises(Failure, match="lower learning_rate"):
        tune(vectors, histories, replace(SMALL, loss="infonce", temperature=1e-42))
    with pytest.raises(UsageError, match="fitted on 24"):
        tune(vectors, histories, replace(SMALL, epochs=1)).items(vectors[:, :10])


def test_histories_that_cannot_be_are_told_in_a_sentence() -> None:
    ids = np.array([[0, 5]])
    with pytest.raises(UsageError, match="ids from 0 to 5; items are 0 to 4"):
        Histories(liked=ids, disliked=ids[:, :0], num_items=5)
    with pytest.raises(UsageError, match="shape"):
        Histories(liked=ids.astype(np.float64), disliked=ids, num_items=6)
    with pytest.raises(UsageError, match="1 users and disliked 2"):
        Histories(liked=ids, disliked=np.zeros((2, 0), dtype=np.int64), num_items=6)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"loss": "sofmax"}, "unknown loss"),
        ({"pooling": "max"}, "unknown pooling"),
        ({"width": 0}, "width is 0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"least_history": 0.95}, "least_history"),
        ({"most_history": 1.1}, "most_history is 1.1"),
        ({"weight_decay": float("nan")}, "weight_decay is nan"),
        ({"hard_negatives": 2}, "infonce"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        TuningSettings(**wrong)  # type: ignore[arg-type]

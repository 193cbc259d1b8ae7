"""Calls from Python: slates, reset options, texts, the index."""

import copy
import functools
from typing import Any

import numpy as np
import torch
from cases import Case
from mutations import STRANGE_TEXTS, strange_value
from toy import K, M, Toy, ToySettings

from encoders import CosineIndex, load_encoder
from encoders.errors import Failure, UsageError
from envs.single import SlateEnv
from envs.vector import SlateVectorEnv

REFUSED = (UsageError, Failure)


@functools.cache
def _toy() -> Toy:
    return Toy(ToySettings(), device="cpu")


def slates(case: Case) -> None:
    """A slate is taken, or refused so that nothing has happened."""
    rng = case.rng
    env = SlateVectorEnv(_toy(), 4, as_tensors=rng.random() < 0.5)
    single = SlateEnv(_toy())
    env.reset(seed=case.number)
    single.reset(seed=case.number)
    for _ in range(5):
        slate = strange_value(rng)
        case.note(f"slate {slate!r}")
        before = copy.deepcopy(env.state_dict())
        given = case.attempt(lambda slate=slate: env.step(slate))
        if isinstance(given, REFUSED):
            _check_same(before, env.state_dict())
        else:
            _check_observation(given[0])
        case.attempt(lambda slate=slate: single.step(slate))
    env.step(np.tile(np.arange(K), (4, 1)))
    single.step(np.arange(K))


def resets(case: Case) -> None:
    """A reset is done, or refused so that nothing has happened."""
    rng = case.rng
    env = SlateVectorEnv(_toy(), 4, as_tensors=rng.random() < 0.5)
    env.reset(seed=case.number)
    good = env.sample_users(4, seed=0)
    for _ in range(5):
        users = rng.choice(
            (good, {**good, "taste": strange_value(rng)}, {"more": strange_value(rng)}, strange_value(rng))
        )
        mask = rng.choice(([True, False, True, False], np.zeros(4, dtype=bool), strange_value(rng)))
        everything = {"users": users, "reset_mask": mask, "more": strange_value(rng)}
        names = rng.sample(sorted(everything), rng.randint(0, 3))
        options = rng.choice(({name: everything[name] for name in names}, None, strange_value(rng)))
        seed = rng.choice((None, None, 0, strange_value(rng)))
        case.note(f"reset(seed={seed!r}, options={options!r})")
        before = copy.deepcopy(env.state_dict())
        given = case.attempt(lambda seed=seed, options=options: env.reset(seed=seed, options=options))
        if isinstance(given, REFUSED):
            _check_same(before, env.state_dict())
        else:
            _check_observation(given[0])
    env.step(np.tile(np.arange(K), (4, 1)))


@functools.cache
def _encoder() -> Any:
    return load_encoder("tiny")


def texts(case: Case) -> None:
    """Texts become finite unit vectors, or are refused."""
    rng = case.rng
    batch: Any = [rng.choice(STRANGE_TEXTS) + rng.choice(("", " and a film")) for _ in range(rng.randint(0, 5))]
    if rng.random() < 0.2:
        batch = strange_value(rng)
    case.note(f"encode({batch!r})")
    vectors = case.attempt(lambda: _encoder().encode(batch))
    if not isinstance(vectors, REFUSED):
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(batch), _encoder().dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def index(case: Case) -> None:
    """A search gives ids of items, or is refused."""
    rng = case.rng
    items = np.random.default_rng(case.number).normal(size=(7, 2)).astype(np.float32)
    vectors = rng.choice((items, items, items[::-1], strange_value(rng)))
    case.note(f"CosineIndex({vectors!r})")
    built = case.attempt(lambda: CosineIndex(vectors))
    if isinstance(built, REFUSED):
        built = CosineIndex(items)
    queries = rng.choice((items[:4], torch.from_numpy(items[:4]), strange_value(rng)))
    number = rng.choice((1, 3, len(built), strange_value(rng)))
    exclude = rng.choice((None, np.array([[0], [-1], [3], [6]]), strange_value(rng)))
    case.note(f"search({queries!r}, {number!r}, exclude={exclude!r})")
    found = case.attempt(lambda: built.search(queries, number, exclude=exclude))
    if not isinstance(found, REFUSED):
        ids_Bk, scores_Bk = (np.asarray(part) for part in found)
        assert ids_Bk.shape == scores_Bk.shape
        assert ((ids_Bk >= -1) & (ids_Bk < len(built))).all()
        assert not np.isnan(scores_Bk).any()


def _check_same(before: Any, after: Any) -> None:
    for name, value in before.items():
        assert torch.equal(value, after[name]), f"{name} changed though the call was refused"


def _check_observation(observation: Any) -> None:
    assert observation["candidates"].shape == (4, M, 4)
    assert all(np.isfinite(np.asarray(value)).all() for value in observation.values())

"""Ratings-v0 makes of a folder of one's own what Movies-v0 makes of MovieLens, or says what the folder lacks."""

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conformance.trajectories import make, slates

import envs
from encoders.errors import UsageError
from envs.catalog import DataSet
from envs.fitted.preferences import PREDICTORS
from envs.ratings import Ratings, RatingsSettings
from experiments.checking.small_settings import write_shop

PLAIN: dict[str, Any] = {"encoder": "tiny", "num_features": 8}


def _recbole() -> Path | None:
    """Return the folder of ml-100k within an installed recbole, which is not imported."""
    spec = find_spec("recbole")
    places = (spec.submodule_search_locations or []) if spec is not None else []
    found = [Path(place) / "dataset_example" / "ml-100k" for place in places]
    return next((folder for folder in found if folder.is_dir()), None)


ML_100K = _recbole()


def _build(folder: Path, **settings: Any) -> Ratings:
    return Ratings(RatingsSettings(data=str(folder), **PLAIN | settings), device="cpu")


def _plays(simulator: Ratings) -> None:
    env = make(simulator, 32, as_tensors=True)
    env.reset(seed=0)
    clicks = 0.0
    for slate_BK in slates(env, 40):
        observation, reward, *_, info = env.step(slate_BK)
        assert all(value.isfinite().all() for value in observation.values())
        assert all(info[metric.name].isfinite().all() for metric in simulator.METRICS)
        clicks += float(reward.sum())
    assert clicks > 0


def test_without_a_folder_it_says_how_to_give_one() -> None:
    with pytest.raises(UsageError, match=r"needs your data: give --env.data FOLDER, in Python data=FOLDER"):
        envs.make_simulator("envs.ratings:Ratings", "cpu", **PLAIN)


def test_the_command_line_says_it_as_well_and_lists_the_environment(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "experiments"]
    train = ["train", "--env", "slatelab/Ratings-v0", "--encoder", "tiny", "--out", str(tmp_path / "run")]
    refused = subprocess.run([*command, *train], capture_output=True, text=True, check=False, timeout=100)
    assert refused.returncode == 2
    assert "give --env.data FOLDER" in refused.stderr
    assert "Traceback" not in refused.stderr
    listed = subprocess.run([*command, "list", "envs"], capture_output=True, text=True, check=False, timeout=100)
    assert listed.returncode == 0
    assert "slatelab/Ratings-v0" in listed.stdout
    assert "cannot be imported" not in listed.stdout


def test_catalogue_titles_and_users_are_those_of_the_folder(tmp_path: Path) -> None:
    write_shop(tmp_path)
    simulator = _build(tmp_path)
    assert simulator.spec.num_items == 80
    assert str(simulator.titles(torch.tensor([3]).numpy())[0]).endswith(" 3")
    assert simulator.world.items.genres.shape == (80, 3)
    panels = [simulator.world.users.pools[split].raters for split in ("train", "validation", "test")]
    assert sum(len(raters) for raters in panels) == len(torch.cat(panels).unique()) <= 60
    _plays(simulator)


def test_the_planted_preference_is_found(tmp_path: Path) -> None:
    write_shop(tmp_path)
    simulator = _build(tmp_path)
    errors = simulator.world.users.preferences.errors["test"]
    assert errors["factors"] < 0.97 * errors["biases"]
    factors_UF = torch.as_tensor(simulator.world.users.preferences.rater_factors)
    preferred_UN = factors_UF @ simulator.world.items.factors[:, :-2].T
    liked_U3 = torch.stack([preferred_UN[:, genre::3].mean(dim=1) for genre in range(3)], dim=1)
    assert (liked_U3.argmax(dim=1) == torch.arange(60) % 3).float().mean() > 0.8


@pytest.mark.parametrize(
    "scale",
    [
        lambda stars: 20.0 * stars - 10,
        lambda stars: (stars - 3) / 2,
        lambda stars: 1.0 * (stars > 2),
        lambda stars: 10.0**stars,
        lambda stars: 1e-12 * stars,
    ],
    ids=["0 to 100", "-1 to 1", "0 or 1", "uneven", "tiny"],
)
def test_any_scale_gives_users_who_tell_one_to_five_stars(tmp_path: Path, scale: Callable[[int], float]) -> None:
    write_shop(tmp_path, scale)
    simulator = _build(tmp_path)
    users = simulator.sample_users(200, "train", torch.Generator().manual_seed(0))
    affinity_BN = users["factors"] @ simulator.world.items.factors.T
    torch.testing.assert_close(affinity_BN.mean(dim=1), torch.zeros(200), atol=1e-3, rtol=0)
    torch.testing.assert_close(affinity_BN.std(dim=1), torch.ones(200), atol=1e-3, rtol=0)
    env = make(simulator, 64, as_tensors=True)
    env.reset(seed=0)
    told = set()
    for slate_BK in slates(env, 20):
        response_BKR = env.step(slate_BK)[4]["response"]
        told |= set(response_BKR[..., 2][response_BKR[..., 0] > 0].tolist())
    assert told == {1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.parametrize("users", [12, 24])
def test_play_counts_of_few_raters_give_users(users: int, tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    write_shop(tmp_path, lambda stars: float(1 + int(np.exp(drawn.normal(1.5 * stars, 1.0)))))
    inter = tmp_path / "shop.inter"
    inter.write_text("\n".join(inter.read_text().splitlines()[: 1 + users * 30]) + "\n")
    _plays(_build(tmp_path, min_ratings=1))


def test_copies_of_ratings_count_once(tmp_path: Path) -> None:
    """Also where a loader of one's own brings them."""

    class Copies(Ratings):
        def load_dataset(self) -> DataSet:
            dataset = super().load_dataset()
            rows = np.tile(np.arange(len(dataset.ratings)), 5)
            return replace(dataset, ratings=dataset.ratings.take(rows))

    write_shop(tmp_path)
    settings = RatingsSettings(data=str(tmp_path), min_ratings=20, **PLAIN)
    once, copied = Ratings(settings, device="cpu"), Copies(settings, device="cpu")
    assert copied.spec.num_items == once.spec.num_items < 80
    assert copied.world.users.preferences.errors == once.world.users.preferences.errors


def test_a_linear_change_of_scale_changes_nobody(tmp_path: Path) -> None:
    for name, scale in (("stars", float), ("points", lambda stars: 20.0 * stars - 10)):
        (tmp_path / name).mkdir()
        write_shop(tmp_path / name, scale)
    simulators = [_build(tmp_path / name) for name in ("stars", "points")]
    drawn = [simulator.sample_users(50, "test", torch.Generator().manual_seed(0)) for simulator in simulators]
    torch.testing.assert_close(drawn[0]["interest"], drawn[1]["interest"])
    affinities = [
        users["factors"] @ simulator.world.items.factors.T for users, simulator in zip(drawn, simulators, strict=True)
    ]
    torch.testing.assert_close(*affinities, atol=1e-3, rtol=0)


def test_a_second_world_has_the_same_people_with_other_interests_and_is_known_by_its_fingerprint(
    tmp_path: Path,
) -> None:
    write_shop(tmp_path)
    first, second = _build(tmp_path), _build(tmp_path, world_method="poisson")
    users = [world.sample_users(50, "test", torch.Generator().manual_seed(0)) for world in (first, second)]
    for name in ("rater", "factors", "history", "stamina"):
        assert torch.equal(users[0][name], users[1][name])
    assert not torch.allclose(users[0]["interest"], users[1]["interest"], atol=0.1)
    assert first.fingerprint != second.fingerprint
    assert torch.equal(first.view.vectors, second.view.vectors)
    _plays(second)


def test_an_unknown_world_method_is_told_by_name() -> None:
    with pytest.raises(UsageError, match=r'unknown world_method "nmf" \(known: svd, poisson\)'):
        RatingsSettings(world_method="nmf")  # type: ignore[arg-type]


def test_without_genres_nobody_is_satiated(tmp_path: Path) -> None:
    write_shop(tmp_path, genres=False)
    simulator = _build(tmp_path)
    assert simulator.world.items.genres.shape == (80, 0)
    _plays(simulator)
    env = make(simulator, 8, as_tensors=True)
    env.reset(seed=0)
    for slate_BK in slates(env, 10):
        env.step(slate_BK)
    assert env.state is not None
    assert not simulator.world.opinion(env.state, env.state["candidates"])["satiation"].any()


def _write_implicit(folder: Path) -> None:
    write_shop(folder)
    lines = (folder / "shop.inter").read_text().splitlines()
    kept = ["\t".join(line.split("\t")[:2]) for line in lines]
    (folder / "shop.inter").write_text("\n".join(kept) + "\n")


@pytest.mark.parametrize("write", [_write_implicit, lambda folder: write_shop(folder, lambda _: 4.0)])
def test_without_ratings_engagement_makes_a_world(
    tmp_path: Path, write: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    with caplog.at_level("WARNING", "slatelab.envs"):
        simulator = _build(tmp_path)
    assert "who used what, not how well it was liked" in caplog.text
    users = simulator.sample_users(50, "train", torch.Generator().manual_seed(0))
    assert not (users["factors"] @ simulator.world.items.factors.T).abs().gt(1e-3).any()
    appeal_BN = users["interest"] @ simulator.world.vectors.T
    assert appeal_BN.std(dim=0).mean() > 0.1
    env = make(simulator, 64, as_tensors=True)
    env.reset(seed=0)
    told, felt = set(), []
    for slate_BK in slates(env, 20):
        info = env.step(slate_BK)[4]
        told |= set(info["response"][..., 2][info["response"][..., 0] > 0].tolist())
        felt.append(info["satisfaction"][info["response"][..., 0].any(dim=1)])
    assert told == {3.0}
    assert torch.cat(felt).max() <= 0
    assert torch.cat(felt).min() < -0.05


def test_where_everybody_rated_everything_is_refused_in_a_sentence(tmp_path: Path) -> None:
    write_shop(tmp_path)
    rated = [f"u{user}\ti{item}\t{1 + (user + item) % 5}\t0" for user in range(20) for item in range(80)]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (tmp_path / "shop.inter").write_text("\n".join([head, *rated]) + "\n")
    with pytest.raises(UsageError, match="everybody rated nearly the same items; bring ratings by people who chose"):
        _build(tmp_path)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"title_field": "label"}, r"shop.item, line 1: there is no column label"),
        ({"genre_field": "shelf"}, r"shop.item, line 1: there is no column shelf"),
        ({"min_ratings": 61}, r"no item of shop has 61 ratings or more .* lower the minimum"),
        ({"num_candidates": 81}, r"num_candidates 81 is larger than the catalogue of 80 items"),
        ({"num_candidates": 71}, r"of 80 items 10 may be known already, so 71 cannot be offered"),
        ({"data": "gone"}, r"gone is not a folder"),
    ],
)
def test_what_does_not_fit_the_folder_is_refused(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    write_shop(tmp_path)
    with pytest.raises(UsageError, match=sentence):
        Ratings(RatingsSettings(**{"data": str(tmp_path)} | PLAIN | settings), device="cpu")


def test_columns_can_be_named(tmp_path: Path) -> None:
    write_shop(tmp_path)
    item = tmp_path / "shop.item"
    item.write_text(item.read_text().replace("title:token_seq\tgenre", "label:token_seq\tshelf"))
    simulator = _build(tmp_path, title_field="label", genre_field="shelf")
    assert simulator.world.items.genres.shape == (80, 3)


def test_too_few_raters_are_refused(tmp_path: Path) -> None:
    write_shop(tmp_path)
    inter = tmp_path / "shop.inter"
    lines = inter.read_text().splitlines()
    inter.write_text("\n".join(lines[: 1 + 9 * 30]) + "\n")
    with pytest.raises(UsageError, match="there are only 9 raters; bring 10 or more"):
        _build(tmp_path, min_ratings=1)


@pytest.mark.skipif(ML_100K is None, reason="recbole, which carries ml-100k, is not installed")
def test_ml_100k_of_recbole_becomes_an_environment() -> None:
    assert ML_100K is not None
    simulator = _build(ML_100K, num_features=32, min_ratings=10)
    assert simulator.spec.num_items == 1152
    errors = simulator.world.users.preferences.errors["test"]
    assert all(math.isfinite(errors[name]) for name in PREDICTORS)
    assert errors["factors"] < errors["biases"] < errors["item_mean"]
    _plays(simulator)

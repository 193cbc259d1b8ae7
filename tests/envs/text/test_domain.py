"""The frame of the text domains: what a subclass has to give is enough, and a missing hook is told at once."""

import ast
import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from conformance import EnvironmentConformance
from torch import Tensor
from torch.nn.functional import normalize

import envs
from encoders.errors import UsageError
from envs.catalog import Catalog
from envs.interface import Tensors, repeats
from envs.simulator import Split, State, resolve_device
from envs.slates import random_slate
from envs.tensors import inner_products
from envs.text.domain import TextDomain, read_texts
from envs.text.settings import TextDomainSettings
from envs.text.view import View
from envs.text.world import HISTORY, Chosen, Reaction, World

ITEMS = 40


@dataclass(frozen=True, kw_only=True)
class PlainSettings(TextDomainSettings):
    """Settings of a text domain with nothing of its own."""

    num_candidates: int = 8
    num_exploration: int = 3
    slate_size: int = 3
    encoder: str = "random"
    num_features: int = 5
    no_click_logit: float = 0.5


class PlainWorld(World):
    """As little as a world can be: users who click what is near, and leave when they click nothing."""

    def __init__(self, settings: PlainSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.vectors = normalize(torch.randn(ITEMS, 5, generator=torch.Generator().manual_seed(0)), dim=1).to(device)
        self.popularity = self.vectors[:, 0]

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        known_BH = torch.randint(ITEMS, (number, 1), generator=generator, device=self.device)
        return {HISTORY: known_BH, "interest": self.vectors[known_BH[:, 0]]}

    def appeal(self, state: State, items_BK: Tensor | None) -> Tensor:
        return 3 * inner_products(state["interest"], self.vectors, items_BK)

    def react(self, state: State, chosen: Chosen, noise: Tensors) -> Reaction:
        return Reaction(moved={}, left=chosen.click == 0)


class WeightedWorld(PlainWorld):
    """The same, where a click pays what the item is worth."""

    def reward(self, state: State, items_BK: Tensor | None) -> Tensor:
        worth_N = torch.linspace(0.5, 2.0, ITEMS, device=self.device)
        return worth_N.expand(len(state["interest"]), -1) if items_BK is None else worth_N[items_BK]


class Plain(TextDomain[PlainWorld]):
    """A world of three hooks, seen as every view sees it."""

    Settings: ClassVar[type[Any]] = PlainSettings
    WORLD: ClassVar[type[PlainWorld]] = PlainWorld

    def __init__(self, settings: PlainSettings, device: str = "auto") -> None:
        names = tuple(f"item {item}" for item in range(ITEMS))
        catalog = Catalog(names, names, names, (), torch.zeros(ITEMS, 0).numpy())
        world = self.WORLD(settings, resolve_device(device))
        view = View(read_texts(settings, catalog, (), world), world.popularity, settings)
        super().__init__(settings, world, view, catalog)


class Weighted(Plain):
    """The same, where a click pays what the item is worth."""

    WORLD = WeightedWorld


class TestPlain(EnvironmentConformance):
    """Three hooks make an environment."""

    env_id: ClassVar[str] = "slatelab/Plain-v0"
    simulator_path: ClassVar[str] = "test_domain:Plain"

    @pytest.fixture(autouse=True)
    def _registered(self) -> None:
        if self.env_id not in envs.known_ids():
            envs.register(self.env_id, self.simulator_path)


@pytest.mark.parametrize("hook", ["sample_users", "appeal", "react"])
def test_a_missing_hook_is_told_at_construction(hook: str) -> None:
    incomplete = type("Incomplete", (PlainWorld,), {hook: getattr(World, hook)})
    with pytest.raises(TypeError, match=hook):
        incomplete(PlainSettings(), torch.device("cpu"))


class Unknown(PlainWorld):
    """Users of whom a system knows nothing."""

    def sample_users(self, number: int, split: Split, generator: torch.Generator) -> Tensors:
        return {"interest": super().sample_users(number, split, generator)["interest"]}


def test_users_of_whom_nothing_is_known_are_refused_in_a_sentence() -> None:
    simulator = type("Strangers", (Plain,), {"WORLD": Unknown})(PlainSettings(), "cpu")
    with pytest.raises(UsageError, match="nothing of these users"):
        simulator.spec  # noqa: B018


@pytest.mark.parametrize("source", ["random", "cosine", "cosine_explore", "all"])
def test_the_frame_offers_everything_again_to_who_has_seen_all(source: Any) -> None:
    simulator, generator = Plain(PlainSettings(candidate_source=source), "cpu"), torch.Generator().manual_seed(0)
    state = simulator.start(simulator.sample_users(4, "train", generator), simulator.start_noise(4, generator))
    assert state["unseen"].tolist() == [ITEMS - 1] * 4  # (one each is known)
    offered, shown = simulator.spec.num_candidates, 0
    for _ in range(60):
        state, outcome = simulator.step(
            state, random_slate(4, offered, 3, generator), simulator.step_noise(4, generator)
        )
        assert torch.equal(state["unseen"], (~state["seen"]).sum(dim=1))
        shown += int((outcome.metrics["repeats"] < 3).sum())
    assert shown > 4 * ITEMS / 3


def _playing(simulator: TextDomain[Any]) -> tuple[State, torch.Generator]:
    generator = torch.Generator().manual_seed(1)
    return simulator.start(
        simulator.sample_users(20, "train", generator), simulator.start_noise(20, generator)
    ), generator


def test_reward_alone_says_what_a_click_pays() -> None:
    simulator = Weighted(PlainSettings(), "cpu")
    state, generator = _playing(simulator)
    slate_BK = random_slate(20, 8, 3, generator)
    ids_BK = state["candidates"].gather(1, slate_BK)
    after, outcome = simulator.step(state, slate_BK, simulator.step_noise(20, generator))
    click_BK, reward_BK = outcome.response.unbind(dim=2)
    torch.testing.assert_close(reward_BK, click_BK * torch.linspace(0.5, 2.0, ITEMS)[ids_BK])
    torch.testing.assert_close(outcome.reward, reward_BK.sum(dim=1))
    assert torch.equal(after["response"], outcome.response)
    assert 0 < click_BK.sum() < 20


@pytest.mark.parametrize("source", ["cosine_explore", "all"])
def test_the_myopic_oracle_shows_the_slate_of_the_most_expected_reward(source: Any) -> None:
    simulator = Weighted(PlainSettings(candidate_source=source, slate_size=2), "cpu")
    state, generator = _playing(simulator)
    for _ in range(3):  # so that some of the catalogue cannot be clicked any more
        slate_BK = simulator.POLICIES["myopic_oracle"](simulator, state)
        state, _ = simulator.step(state, slate_BK, simulator.step_noise(20, generator))
    weights_BM = simulator.offered(state).exp()
    rewards_BM = simulator.world.reward(state, simulator.source.rows(state["candidates"]))
    slates = torch.tensor(list(itertools.combinations(range(simulator.spec.num_candidates), 2)))
    weights_BS2 = weights_BM[:, slates]
    expected_BS = (weights_BS2 * rewards_BM[:, slates]).sum(dim=2) / (weights_BS2.sum(dim=2) + torch.tensor(0.5).exp())
    best_B2 = slates[expected_BS.argmax(dim=1)]
    chosen_B2 = simulator.POLICIES["myopic_oracle"](simulator, state).sort(dim=1).values
    assert torch.equal(chosen_B2, best_B2)
    likeliest_B2 = simulator.offered(state).topk(2, dim=1).indices.sort(dim=1).values
    assert not torch.equal(chosen_B2, likeliest_B2)


def test_what_movies_pay_is_said_in_one_place(kernel: Callable[[str], Any]) -> None:
    movies = kernel("envs.movies:Movies")
    twice, world = copy.copy(movies), copy.copy(movies.world)
    world.reward = lambda state, items_BK: 2.0
    twice.world = world
    state, generator = _playing(movies)
    slate_BK, noise = random_slate(20, 30, 5, generator), movies.step_noise(20, generator)
    (_, once), (_, double) = movies.step(state, slate_BK, noise), twice.step(state, slate_BK, noise)
    assert once.reward.any()
    torch.testing.assert_close(double.reward, 2 * once.reward)
    torch.testing.assert_close(double.response[..., 1], 2 * once.response[..., 1])
    assert torch.equal(double.response[..., [0, 2]], once.response[..., [0, 2]])
    planned = type(movies).POLICIES["near_oracle"]
    assert not torch.equal(planned(twice, state), planned(movies, state))
    assert not repeats(planned(twice, state)).any()


@pytest.mark.parametrize("path", sorted(Path(envs.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_policies_are_named_in_the_body_of_the_class(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        targets = node.targets if isinstance(node, ast.Assign) else []
        assert not any(isinstance(target, ast.Attribute) and target.attr == "POLICIES" for target in targets)


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_policies_of_ours_live_in_a_file_of_their_own(env_id: str) -> None:
    cls = envs.simulator_class(env_id)
    homes = {policy.__module__ for policy in cls.POLICIES.values()}
    assert all(home == "envs.text.domain" or home.endswith("policies") for home in homes)


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_measured_returns_stand_in_anchors_alone(env_id: str) -> None:
    cls = envs.simulator_class(env_id)
    assert "\n    Anchors:\n        `ANCHORS`" in cls.__doc__ or not cls.ANCHORS
    for anchor in cls.ANCHORS:
        for figure in (anchor.mean, anchor.ci_low, anchor.ci_high):
            assert f"{figure:.2f}" not in cls.__doc__, f"{figure:.2f} stands in the docstring too"


def test_a_folder_that_is_called_world_does_not_stand_for_the_worlds_own_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "world").mkdir()
    monkeypatch.chdir(tmp_path)
    assert PlainSettings(encoder="world").encoder == "world"
    assert PlainSettings(encoder="./world").encoder == str(tmp_path / "world")

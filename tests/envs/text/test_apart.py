"""World and view apart: what users want, click and feel is the same whatever reads the texts, offers or ranks them."""

from typing import Any

import pytest
import torch

import envs
from envs.simulator import State
from envs.slates import random_slate
from envs.text.domain import TextDomain

DOMAINS = ("Movies", "Shop", "News", "Feed")
READERS = ("random", "tiny", "world")
SEEN = {"profile", "recent", "valued", "progress"}
"""Entries of a state that are the view's."""
OFFERED = {"candidates", "slate"}


def opened(domain: str, **settings: Any) -> TextDomain[Any]:
    """Return a text domain on the CPU."""
    cls = envs.simulator_class(f"slatelab/{domain}-v0")
    simulator = cls(cls.Settings(**settings), "cpu")
    assert isinstance(simulator, TextDomain)
    return simulator


@pytest.fixture(scope="module", params=DOMAINS)
def readers(request: pytest.FixtureRequest) -> dict[str, TextDomain[Any]]:
    """Return one domain as several encoders see it, the whole catalogue on offer."""
    return {name: opened(request.param, encoder=name, candidate_source="all") for name in READERS}


def played(simulator: TextDomain[Any], steps: int = 12) -> list[tuple[State, Any]]:
    """Show slates that depend on nothing but a seed, by item, since the whole catalogue is on offer in its order."""
    noise, slates = torch.Generator().manual_seed(3), torch.Generator().manual_seed(4)
    users = simulator.sample_users(16, "test", noise)
    state = simulator.start(users, simulator.start_noise(16, noise))
    told: list[tuple[State, Any]] = [(state | users, None)]
    for _ in range(steps):
        slate_BK = random_slate(16, simulator.spec.num_candidates, simulator.settings.slate_size, slates)
        state, outcome = simulator.step(state, slate_BK, simulator.step_noise(16, noise))
        told.append((state, outcome))
    return told


def test_users_clicks_and_rewards_are_those_of_any_other_encoder_to_the_bit(
    readers: dict[str, TextDomain[Any]],
) -> None:
    first, *others = [played(simulator) for simulator in readers.values()]
    assert sum(float(outcome.response[..., 0].sum()) for _, outcome in first[1:]) > 0
    for other in others:
        for (state, outcome), (state_too, outcome_too) in zip(first, other, strict=True):
            assert state.keys() == state_too.keys()
            for name in state.keys() - SEEN:
                assert torch.equal(state[name], state_too[name]), name
            if outcome is not None:
                assert torch.equal(outcome.response, outcome_too.response)
                assert torch.equal(outcome.reward, outcome_too.reward)
                assert torch.equal(outcome.left, outcome_too.left)


def test_what_is_seen_differs_from_encoder_to_encoder(readers: dict[str, TextDomain[Any]]) -> None:
    random, tiny = (played(readers[name], 3)[-1][0] for name in ("random", "tiny"))
    for name in ("profile", "recent"):
        assert not torch.allclose(random[name], tiny[name], atol=1e-3)
    assert torch.equal(random["progress"], tiny["progress"])


@pytest.mark.parametrize("domain", DOMAINS)
def test_candidates_differ_from_encoder_to_encoder(domain: str) -> None:
    offered = []
    for encoder in READERS[:2]:
        simulator, generator = opened(domain, encoder=encoder, candidate_source="cosine"), torch.Generator()
        generator.manual_seed(0)
        users = simulator.sample_users(8, "test", generator)
        offered.append(simulator.start(users, simulator.start_noise(8, generator))["candidates"])
    assert (offered[0] != offered[1]).any(dim=1).all()


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_worlds_own_vectors_offer_more_of_what_users_want_than_random_ones(domain: str) -> None:
    wanted = {}
    for encoder in ("random", "world"):
        simulator, generator = opened(domain, encoder=encoder, candidate_source="cosine"), torch.Generator()
        generator.manual_seed(0)
        users = simulator.sample_users(64, "validation", generator)
        state = simulator.start(users, simulator.start_noise(64, generator))
        wanted[encoder] = simulator.world.appeal(state, state["candidates"]).mean(dim=1)
    assert (wanted["world"] > wanted["random"]).float().mean() > 0.9


@pytest.mark.parametrize("domain", DOMAINS)
def test_without_spread_people_are_alike_but_for_their_tastes(domain: str) -> None:
    names = {"decisiveness", "stamina", "fame", "variety"}
    spread, alike = opened(domain, encoder="random"), opened(domain, encoder="random", spread=0.0)
    for simulator, differ in ((spread, True), (alike, False)):
        users = simulator.sample_users(500, "train", torch.Generator().manual_seed(0))
        drawn = torch.stack([users[name] for name in names & users.keys()])
        assert len(drawn) >= 2
        if differ:
            torch.testing.assert_close(drawn.log().std(dim=1), torch.full((len(drawn),), 0.2), atol=0.03, rtol=0)
            assert torch.corrcoef(drawn).fill_diagonal_(0).abs().max() < 0.2
        else:
            assert torch.equal(drawn, torch.ones_like(drawn))


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_view_of_a_control_stays_as_it_is(domain: str) -> None:
    simulator = opened(f"{domain}Myopic", encoder="random")
    first, *_, (last, outcome) = played(simulator, 6)
    for name in SEEN:
        assert torch.equal(first[0][name], last[name])
    assert simulator.settings.candidate_source == "random"
    assert outcome.response[..., 0].any()


def test_what_a_history_holds_is_never_on_offer() -> None:
    simulator, generator = opened("Movies", encoder="random", candidate_source="cosine"), torch.Generator()
    users = simulator.sample_users(32, "test", generator)
    state = simulator.start(users, simulator.start_noise(32, generator))
    for _ in range(4):
        assert not (state["candidates"].unsqueeze(2) == users["history"].unsqueeze(1)).any()
        slate_BK = random_slate(32, 30, 5, generator)
        state, _ = simulator.step(state, slate_BK, simulator.step_noise(32, generator))

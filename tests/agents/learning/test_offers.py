"""Candidates kept for learning: once where all users share them, and then with the same outcome."""

import itertools
from typing import Any

import pytest
import torch
from sketches import build, make_observation, make_spec, make_transition
from torch import Tensor

from agents.learning.offers import Offers, read_offer
from agents.learning.policy_gradient import PolicyAgent
from agents.networks.reader import Reader
from agents.networks.scoring import NETWORKS, build_network
from agents.state import of_seed
from agents.streams import Streams
from envs.interface import Observation, Spec, Tensors, is_shared

KEYS = ("candidates", "candidate_ids", "popularity")


def streams(seeds: int = 1) -> Streams:
    return Streams(list(range(seeds)), torch.device("cpu"))


def share(observation: Observation) -> Observation:
    """Offer all users what the first is offered, in one memory."""
    batch = len(observation["user"])
    return observation | {
        key: observation[key][:1].expand(batch, *observation[key].shape[1:]) for key in KEYS if key in observation
    }


def copy(observation: Observation) -> Observation:
    return {key: value.contiguous() for key, value in observation.items()}


def shared_observation(spec: Spec, batch: int, seed: int = 3) -> Observation:
    return share(make_observation(spec, batch, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("optional", [True, False])
def test_what_all_share_is_read_without_a_copy(optional: bool) -> None:
    spec = make_spec(optional=optional)
    seen = shared_observation(spec, 6)
    offer, plain = (read_offer(Reader(spec), each) for each in (seen, copy(seen)))
    assert offer.keys() == ({"features", "ids"} if optional else {"features"})
    for name, value in offer.items():
        assert is_shared(value)
        assert not is_shared(plain[name])
        assert torch.equal(value, plain[name])


def test_what_is_shared_in_part_is_not_shared() -> None:
    spec = make_spec()
    seen = shared_observation(spec, 6)
    popularity_BM = torch.randn(6, spec.num_candidates)
    offer = read_offer(Reader(spec), seen | {"popularity": popularity_BM})
    assert not is_shared(offer["features"])
    assert torch.equal(offer["features"][..., -1], popularity_BM)


def test_one_user_shares_with_nobody() -> None:
    assert not is_shared(torch.zeros(1, 4).expand(1, 4))
    assert is_shared(torch.zeros(1, 4).expand(2, 4))
    assert not is_shared(torch.zeros(2, 4))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("heads", [1, 2])
def test_shared_candidates_are_scored_as_copies_are(
    network: str, seeds: int, static: bool, optional: bool, heads: int
) -> None:
    spec = make_spec(static=static, optional=optional)
    reader = Reader(spec)
    sizes: dict[str, Any] = {"num_heads": heads, "num_state_heads": 1, "hidden": 8, "embedding": 4}
    net = build_network(network, spec, reader, **sizes, streams=streams(seeds))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in net.parameters():
            weights.add_(torch.randn(weights.shape, generator=generator))
    seen = shared_observation(spec, 6)
    outputs = []
    for each in (seen, copy(seen)):
        net.zero_grad()
        offer = read_offer(reader, each)
        out, state = net(reader.user(each), offer["features"], offer.get("ids"))
        (out.square().sum() + state.sum()).backward()
        gradients = [weights.grad.clone() for weights in net.parameters() if weights.grad is not None]
        outputs.append([out.detach(), state.detach(), *gradients])
    assert outputs[0][0].shape == (6, heads, spec.num_candidates)
    for ours, theirs in zip(*outputs, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def offer_at(number: int, batch: int, shared: bool) -> Tensors:
    """Return features that tell the step, and the user where they are not shared."""
    features = 10.0 * number + torch.arange(batch).float().view(batch, 1, 1).expand(batch, 2, 3)
    return {"features": features[:1].expand(batch, 2, 3) if shared else features}


def firsts(value: Tensor) -> list[float]:
    return value[:, 0, 0].tolist()


@pytest.mark.parametrize(("seeds", "expected"), [(1, [0, 1, 2, 3, 10, 11, 12, 13]), (2, [0, 1, 10, 11, 2, 3, 12, 13])])
def test_what_is_not_shared_comes_back_by_row_those_of_a_seed_together(seeds: int, expected: list[int]) -> None:
    offers = Offers(streams(seeds))
    for number in range(2):
        offers.add(offer_at(number, 4, shared=False))
    columns, shared = offers.take(4)
    assert not shared
    assert firsts(columns["features"]) == expected


def test_what_is_shared_comes_back_once() -> None:
    offers = Offers(streams())
    for _ in range(3):
        offers.add(offer_at(7, 4, shared=True))
    columns, shared = offers.take(4)
    assert not columns
    assert shared["features"].shape == (1, 2, 3)
    assert firsts(shared["features"]) == [70]


@pytest.mark.parametrize("kinds", list(itertools.product([True, False], repeat=2)))
def test_what_changes_from_step_to_step_comes_back_by_row(kinds: tuple[bool, ...]) -> None:
    offers = Offers(streams())
    for number, shared in enumerate(kinds):
        offers.add(offer_at(number, 2, shared))
    columns, _ = offers.take(2)
    expected = [10 * number + (0 if shared else row) for number, shared in enumerate(kinds) for row in range(2)]
    assert firsts(columns["features"]) == expected


def test_it_starts_over_after_take() -> None:
    offers = Offers(streams())
    for number in (1, 2):
        offers.add(offer_at(number, 2, shared=True))
        assert firsts(offers.take(2)[1]["features"]) == [10 * number]
    assert offers.state_dict() == {}


def test_what_is_kept_does_not_change_with_the_observation() -> None:
    offers = Offers(streams())
    offer = offer_at(1, 2, shared=False)
    offer["features"] = offer["features"].contiguous()
    offers.add(offer)
    offer["features"].zero_()
    assert firsts(offers.take(2)[0]["features"]) == [10, 11]


@pytest.mark.parametrize("kinds", [(), (True,), (False,), (True, True), (True, False), (False, True)])
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_saved_state_goes_on(kinds: tuple[bool, ...], seeds: int) -> None:
    ours, theirs = Offers(streams(seeds)), Offers(streams(seeds))
    theirs.add(offer_at(9, 4, shared=False))
    for number, shared in enumerate(kinds):
        ours.add(offer_at(number, 4, shared))
    theirs.load_state_dict(ours.state_dict() | {"rollout.slate": torch.zeros(2, 4)})
    taken = []
    for offers in (ours, theirs):
        offers.add(offer_at(8, 4, shared=True))
        taken.append(offers.take(4))
    for one, other in zip(*taken, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[name]) for name, value in one.items())


class Crowd:
    """Made-up users who are all offered the same, in one memory or as copies."""

    def __init__(self, spec: Spec, shared: bool, batch: int) -> None:
        self.spec, self.shared = spec, shared
        self.generator = torch.Generator().manual_seed(5)
        self.observation = self._observe(make_observation(spec, batch, self.generator))

    def _observe(self, observation: Observation) -> Observation:
        same = share(observation)
        return same if self.shared else copy(same)

    def steps(self, agent: PolicyAgent, number: int) -> None:
        for _ in range(number):
            slate_BK, notes = agent.choose(self.observation)
            transition, following = make_transition(self.spec, self.observation, slate_BK, self.generator, notes)
            agent.update(transition)
            self.observation = self._observe(following)


def crowd_agent(name: str, spec: Spec, seed: Any = 0) -> Any:
    return build(name, spec, seed=seed, rollout=3, minibatch=16, num_users=12)


@pytest.mark.parametrize("name", ["reinforce", "actor_critic"])
@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("seed", [0, [0, 4]])
def test_an_agent_learns_from_shared_candidates_what_it_learns_from_copies(name: str, static: bool, seed: Any) -> None:
    spec = make_spec(static=static)
    agents = [crowd_agent(name, spec, seed) for _ in range(2)]
    for agent, shared in zip(agents, (True, False), strict=True):
        Crowd(spec, shared, 12).steps(agent, 9)
    ours, theirs = (agent.learner.network.state_dict() for agent in agents)
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5])
def test_an_agent_saved_within_a_rollout_of_shared_candidates_goes_on_to_the_bit(steps: int) -> None:
    spec = make_spec(static=True)
    ours, theirs, crowd = crowd_agent("actor_critic", spec), crowd_agent("actor_critic", spec, 7), Crowd(spec, True, 12)
    crowd.steps(ours, steps)
    Crowd(spec, False, 12).steps(theirs, 4)
    saved = {key: value.clone() for key, value in ours.state_dict().items()}
    theirs.load_state_dict(saved)
    Crowd(spec, True, 12).steps(ours, 7)
    Crowd(spec, True, 12).steps(theirs, 7)
    ended = theirs.state_dict()
    assert all(torch.equal(value, ended[key]) for key, value in ours.state_dict().items())


def test_a_seed_can_be_split_off_within_a_rollout_of_shared_candidates() -> None:
    spec = make_spec(static=True)
    both = crowd_agent("reinforce", spec, [2, 6])
    Crowd(spec, True, 12).steps(both, 5)
    one = crowd_agent("reinforce", spec, 0)
    one.load_state_dict(of_seed(both.state_dict(), 1, 2))
    assert one.state_dict()["offer.features"].shape == (1, 2, spec.num_candidates, 4)
    Crowd(spec, True, 6).steps(one, 4)

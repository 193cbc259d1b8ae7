"""stable-baselines3 and its own helpers on our environments: it trains, saves, loads and judges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecCheckNan, VecMonitor, VecNormalize

import envs
from envs.wrappers import SlotBySlot, flat_floats

ID = "slatelab/Toy-v0"
SHORT: dict[str, Any] = {"n_steps": 16, "device": "cpu", "seed": 0}


@pytest.fixture(autouse=True)
def _registered() -> None:
    if ID not in envs.known_ids():
        envs.register(ID, "toy:Toy")


def slots(env: Any) -> Any:
    """Return what DQN takes: one choice a step, one vector."""
    return flat_floats(SlotBySlot(env))


def test_make_vec_env_makes_it_by_its_id_and_draws_it() -> None:
    vec = make_vec_env(ID, 2, seed=0, env_kwargs={"time_limit": 3})
    vec.reset()
    _, _, dones, infos = vec.step(np.array([[0, 1], [2, 3]]))
    frame = vec.render()
    assert frame.ndim == 3
    assert frame.dtype == np.uint8
    assert {frozenset(info) - {"terminal_observation", "episode", "TimeLimit.truncated"} for info in infos} == {
        frozenset(vec.reset_infos[0])
    }
    assert vec.get_attr("spec")[0].max_episode_steps == 3
    assert dones.shape == (2,)


@pytest.mark.parametrize("algorithm", [PPO, A2C])
def test_policy_gradients_take_an_id_or_many_environments(algorithm: Any, tmp_path: Path) -> None:
    by_id = algorithm("MultiInputPolicy", ID, **SHORT)
    by_id.learn(40)
    vec = VecMonitor(VecNormalize(DummyVecEnv([lambda: gym.make(ID)] * 2), norm_obs_keys=["user", "candidates"]))
    model = algorithm("MultiInputPolicy", vec, **SHORT)
    model.learn(64)
    model.save(tmp_path / "model")
    vec.venv.save(tmp_path / "scales.pkl")
    again = algorithm.load(tmp_path / "model", env=vec, device="cpu")
    observation = vec.reset()
    np.testing.assert_array_equal(
        model.predict(observation, deterministic=True)[0], again.predict(observation, deterministic=True)[0]
    )
    VecNormalize.load(tmp_path / "scales.pkl", DummyVecEnv([lambda: gym.make(ID)] * 2))
    again.learn(32, reset_num_timesteps=False)


def test_dqn_takes_slots_and_its_replay_is_saved(tmp_path: Path) -> None:
    vec = make_vec_env(ID, 2, wrapper_class=slots, seed=0)
    model = DQN("MlpPolicy", vec, learning_starts=20, buffer_size=200, device="cpu", seed=0)
    model.learn(60)
    model.save(tmp_path / "dqn")
    model.save_replay_buffer(tmp_path / "replay")
    again = DQN.load(tmp_path / "dqn", env=vec, device="cpu")
    again.load_replay_buffer(tmp_path / "replay")
    assert again.replay_buffer.size() == model.replay_buffer.size() > 0
    again.learn(20, reset_num_timesteps=False)


@pytest.mark.parametrize("under", [lambda env: env, SlotBySlot, slots], ids=["slates", "slots", "flat"])
def test_a_policy_is_evaluated_on_one_environment_and_on_many(under: Callable[[Any], Any]) -> None:
    policy = "MlpPolicy" if under is slots else "MultiInputPolicy"
    model = PPO(policy, under(gym.make(ID, time_limit=4)), **SHORT)
    single, _ = evaluate_policy(model, Monitor(under(gym.make(ID, time_limit=4))), n_eval_episodes=3)
    many, _ = evaluate_policy(
        model, make_vec_env(ID, 2, wrapper_class=under, env_kwargs={"time_limit": 4}), n_eval_episodes=3
    )
    assert 0 <= single <= 4
    assert 0 <= many <= 4


def test_an_evaluation_callback_and_a_check_for_nan_find_nothing(tmp_path: Path) -> None:
    vec = VecCheckNan(make_vec_env(ID, 2), raise_exception=True)
    callback = EvalCallback(make_vec_env(ID, 1), eval_freq=16, n_eval_episodes=2, log_path=str(tmp_path), verbose=0)
    PPO("MultiInputPolicy", vec, **SHORT).learn(64, callback=callback)
    assert np.isfinite(np.load(tmp_path / "evaluations.npz")["results"]).all()


def test_monitor_writes_its_file(tmp_path: Path) -> None:
    vec = make_vec_env(ID, 2, monitor_dir=str(tmp_path), env_kwargs={"time_limit": 2})
    vec.reset()
    for _ in range(3):
        vec.step(np.array([[0, 1], [2, 3]]))
    assert len((tmp_path / "0.monitor.csv").read_text().splitlines()) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
def test_processes_of_their_own_train_as_well(start_method: str) -> None:
    makers = [_made] * 2
    vec = SubprocVecEnv(makers, start_method=start_method)
    try:
        model = PPO("MultiInputPolicy", vec, **SHORT)
        model.learn(32)
        assert vec.env_method("render")[0].ndim == 3
        assert vec.env_is_wrapped(Monitor) == [False, False]
    finally:
        vec.close()


def _made() -> Any:
    if ID not in envs.known_ids():
        envs.register(ID, "toy:Toy")
    return gym.make(ID, render_mode="rgb_array")


@pytest.mark.slow
@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_every_environment_trains_under_the_helpers_of_stable_baselines3(env_id: str, tmp_path: Path) -> None:
    from experiments.checking.small_settings import small_environment

    settings = small_environment(envs.simulator_class(env_id).Settings)
    for algorithm, policy, wrap in (
        (PPO, "MultiInputPolicy", None),
        (A2C, "MultiInputPolicy", None),
        (DQN, "MlpPolicy", slots),
    ):
        options = {"n_steps": 50} if algorithm is not DQN else {"learning_starts": 50, "buffer_size": 500}
        vec = VecMonitor(make_vec_env(env_id, 2, wrapper_class=wrap, env_kwargs=settings))
        model = algorithm(policy, vec, device="cpu", seed=0, **options)
        model.learn(200)
        model.save(tmp_path / algorithm.__name__)
        algorithm.load(tmp_path / algorithm.__name__, env=vec, device="cpu")
        assert np.isfinite(evaluate_policy(model, vec, n_eval_episodes=2)[0])
    check_env(gym.make(env_id, **settings), warn=False, skip_render_check=False)

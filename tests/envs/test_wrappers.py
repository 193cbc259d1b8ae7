"""The wrappers for agents of stable-baselines3: a slate slot by slot is the same slate, and PPO and DQN train."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from conformance.trajectories import assert_same
from gymnasium.utils.env_checker import check_env
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_checker import check_env as check_env_sb3
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from toy import Toy, ToySettings

import envs
from encoders.errors import UsageError
from envs.single import SlateEnv
from envs.wrappers import SlotBySlot, flat_floats
from experiments.checking.standards import ALLOWED_BY_SB3

DOMAINS = [name for name in ("Movies", "Shop", "News", "Feed") if f"slatelab/{name}-v0" in envs.ENVIRONMENTS]
WRAPPED_HERE = ("is different from the unwrapped version",)


@pytest.fixture
def single(kernel: Callable[[str], Any]) -> Callable[..., SlateEnv]:
    """Return what makes the single environment of an id over a simulator that is built already."""

    def of(env_id: str, time_limit: int | None = None) -> SlateEnv:
        simulator = copy.copy(kernel(envs.ENVIRONMENTS[env_id]))
        simulator.time_limit = time_limit or simulator.time_limit
        return SlateEnv(simulator)

    return of


def _toy(**settings: Any) -> SlateEnv:
    return SlateEnv(Toy(ToySettings(**settings), "cpu"))


@pytest.mark.parametrize("wrap", [SlotBySlot, flat_floats, lambda env: flat_floats(SlotBySlot(env))])
@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_both_checkers_accept_every_wrapped_environment(
    single: Callable[..., SlateEnv], env_id: str, wrap: Callable[[Any], Any]
) -> None:
    env = wrap(single(env_id))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=True)
        check_env_sb3(env, warn=True)
    allowed = WRAPPED_HERE if wrap is not SlotBySlot else WRAPPED_HERE + ALLOWED_BY_SB3
    assert [str(w.message) for w in caught if not any(part in str(w.message) for part in allowed)] == []


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_a_slate_slot_by_slot_is_the_slate_at_once(single: Callable[..., SlateEnv], env_id: str) -> None:
    plain, wrapped = single(env_id), SlotBySlot(single(env_id))
    spec = plain.vector.simulator.spec
    expected, _ = plain.reset(seed=4)
    observation, nothing = wrapped.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(8):
        slate_K = rng.integers(spec.num_candidates, size=spec.slate_size)  # may repeat
        for candidate in slate_K[:-1]:
            kept = {name: observation[name] for name in expected}
            observation, *given, info = wrapped.step(candidate)
            assert given == [0.0, False, False]
            assert_same(info, nothing)
            assert_same({name: observation[name] for name in expected}, kept)
        observation, *given, info = wrapped.step(slate_K[-1])
        expected, *numbers, told = plain.step(slate_K)
        assert given == numbers
        assert_same({name: observation[name] for name in expected}, expected)
        assert_same(info, told)
        if given[1] or given[2]:
            break


def test_the_observation_says_what_is_taken_and_which_slot_is_next() -> None:
    env = SlotBySlot(_toy(time_limit=100, tiring=0.0))
    observation, _ = env.reset(seed=0)
    assert (observation["taken"].tolist(), observation["slot"].tolist()) == ([0, 0, 0, 0, 0, 0], [1, 0])
    assert env.action_masks().all()
    observation, *_ = env.step(4)
    assert (observation["taken"].tolist(), observation["slot"].tolist()) == ([0, 0, 0, 0, 1, 0], [0, 1])
    assert env.action_masks().tolist() == [True, True, True, True, False, True]
    observation, *_ = env.step(1)
    assert (observation["taken"].tolist(), observation["slot"].tolist()) == ([0, 0, 0, 0, 0, 0], [1, 0])


def test_a_candidate_taken_twice_is_an_empty_slot() -> None:
    env = SlotBySlot(_toy(time_limit=1000, tiring=-1.0))
    env.reset(seed=0)
    clicks = np.zeros(2)
    for _ in range(60):
        env.step(3)
        *_, info = env.step(3)
        clicks += info["response"][:, 0]
    assert clicks[0] > 0
    assert clicks[1] == 0


def test_a_reset_drops_a_half_chosen_slate() -> None:
    env = SlotBySlot(_toy())
    env.reset(seed=0)
    env.step(2)
    observation, _ = env.reset(seed=0)
    assert not observation["taken"].any()
    assert env.step(1)[1] == 0.0


def test_masks_are_found_under_other_wrappers() -> None:
    env = flat_floats(SlotBySlot(_toy()))
    env.reset(seed=0)
    env.step(5)
    assert env.get_wrapper_attr("action_masks")().tolist() == [True] * 5 + [False]


def test_a_flat_observation_holds_every_float_and_no_id() -> None:
    plain, flat = _toy(), flat_floats(_toy())
    observation, _ = plain.reset(seed=1)
    vector, _ = flat.reset(seed=1)
    assert vector.dtype == np.float32
    assert vector.shape == flat.observation_space.shape
    floats = [value.ravel() for name, value in observation.items() if name != "candidate_ids"]
    np.testing.assert_array_equal(np.sort(vector), np.sort(np.concatenate(floats)))


def test_what_cannot_be_wrapped_is_refused_in_a_sentence() -> None:
    pole = gym.make("CartPole-v1")
    for wrap in (SlotBySlot, flat_floats):
        with pytest.raises(UsageError, match="CartPole"):
            wrap(pole)
    env = SlotBySlot(_toy())
    with pytest.raises(UsageError, match="call reset"):
        env.step(0)
    env.reset(seed=0)
    for action in (6, -1, 1.0, [0, 1], True, "first"):
        with pytest.raises(UsageError, match="it has to be one candidate, 0 to 5"):
            env.step(action)


@pytest.mark.parametrize("domain", DOMAINS)
def test_ppo_and_dqn_of_stable_baselines3_train_on_every_domain(single: Callable[..., SlateEnv], domain: str) -> None:
    env_id = f"slatelab/{domain}-v0"
    ppo = PPO("MlpPolicy", flat_floats(single(env_id)), n_steps=64, n_epochs=2, device="cpu", seed=0)
    assert ppo.learn(128).num_timesteps == 128
    wrapped = flat_floats(SlotBySlot(single(env_id, time_limit=10)))
    dqn = DQN("MlpPolicy", wrapped, learning_starts=100, buffer_size=1000, device="cpu", seed=0)
    before = copy.deepcopy(dqn.q_net.state_dict())
    dqn.learn(200)
    assert dqn.num_timesteps == 200
    assert any(not value.equal(before[name]) for name, value in dqn.q_net.state_dict().items())
    wrapped.reset(seed=0)
    action, _ = dqn.predict(wrapped.reset(seed=0)[0], deterministic=True)
    assert action in wrapped.action_space


@pytest.mark.slow
def test_ppo_learns_slot_by_slot_to_spare_the_tired() -> None:
    env = flat_floats(SlotBySlot(_toy(time_limit=50)))
    env.reset(seed=0)
    model = PPO("MlpPolicy", env, n_steps=500, batch_size=100, gamma=0.98, learning_rate=1e-3, device="cpu", seed=0)
    returns = []
    for steps in (0, 10_000):
        model.learn(steps) if steps else None
        earned, _ = evaluate_policy(
            model, Monitor(env), n_eval_episodes=300, deterministic=False, return_episode_rewards=True
        )
        returns.append(np.array(earned))
    untrained, trained = returns
    error = np.sqrt(trained.var() / len(trained) + untrained.var() / len(untrained))
    assert trained.mean() - 1.96 * error > 1.1 * untrained.mean()

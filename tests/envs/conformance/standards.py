"""What Gymnasium asks for."""

import warnings
from typing import Any, ClassVar

import gymnasium as gym
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, VectorEnv

import envs
from conformance.trajectories import make, slates, small_settings


class Standards:
    """Its checker, `gym.make`, `gym.make_vec` and a wrapper of theirs."""

    env_id: ClassVar[str]
    simulator_path: ClassVar[str]

    def test_gymnasium_check_env_finds_nothing(self) -> None:
        env = gym.make(self.env_id, **small_settings(self.simulator_path))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(env.unwrapped, skip_render_check=False)

    def test_gym_make_and_make_vec_give_what_the_id_says(self) -> None:
        single = gym.make(f"envs:{self.env_id}", **small_settings(self.simulator_path))
        observation, _ = single.reset(seed=0)
        assert observation in single.observation_space
        vector = gym.make_vec(self.env_id, num_envs=3, device="cpu", **small_settings(self.simulator_path))
        assert isinstance(vector, VectorEnv)
        assert vector.num_envs == 3
        observations, _ = vector.reset(seed=0)
        assert observations in vector.observation_space
        assert vector.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        assert self.env_id in envs.known_ids()
        assert envs.simulator_class(self.env_id) is type(vector.unwrapped.simulator)

    def test_gymnasium_counts_episodes_with_its_own_wrapper(self, short: Any) -> None:
        env = gym.wrappers.vector.RecordEpisodeStatistics(make(short))
        env.reset(seed=0)
        for slate_BK in slates(make(short), 8):
            env.step(slate_BK.numpy())
        assert env.episode_count >= 8
        assert max(env.length_queue) <= 3

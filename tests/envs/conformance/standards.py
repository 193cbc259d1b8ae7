"""What Gymnasium asks for."""

import warnings
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.passive_env_checker import env_render_passive_checker
from gymnasium.vector import AutoresetMode, VectorEnv

import envs
from conformance.trajectories import make, slates, small_settings
from envs.adapters.rendering import RENDERING
from envs.single import SlateEnv


class Standards:
    """Its checker, `gym.make`, `gym.make_vec` and a wrapper of theirs."""

    env_id: ClassVar[str]
    simulator_path: ClassVar[str]

    def test_gymnasium_check_env_finds_nothing(self) -> None:
        env = gym.make(self.env_id, **small_settings(self.simulator_path))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(env.unwrapped, skip_render_check=True)
        limit = env.unwrapped.vector.simulator.time_limit
        assert env.spec is not None
        assert env.spec.max_episode_steps == limit

    @pytest.mark.parametrize("render_mode", RENDERING["render_modes"])
    def test_slates_are_rendered(self, short: Any, render_mode: str, capsys: pytest.CaptureFixture[str]) -> None:
        env = SlateEnv(short, render_mode=render_mode)
        env.reset(seed=0)
        env_render_passive_checker(env)
        new = env.render()
        slate = np.arange(short.spec.slate_size)
        *_, info = env.step(slate)
        frame = env.render()
        titles = [str(title) for title in short.titles(info["slate_ids"])]
        if render_mode == "rgb_array":
            assert frame.shape == new.shape
            assert frame.dtype == np.uint8
            assert (frame != new).any()
        else:
            told = frame or capsys.readouterr().out
            lines = told.splitlines()[-len(titles) :]
            assert [line[2:] for line in lines] == titles
            assert [line[0] == ">" for line in lines] == list(info["response"][:, 0] > 0)

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

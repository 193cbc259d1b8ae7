"""What cannot be is refused in a sentence that names the cure."""

from typing import Any, ClassVar

import numpy as np
import pytest

import envs
from conformance.trajectories import make, small_settings
from encoders.errors import UsageError


class Refusals:
    """Wrong slates and wrong settings."""

    simulator_path: ClassVar[str]

    def test_wrong_slates_are_refused_in_a_sentence(self, simulator: Any) -> None:
        env, spec = make(simulator, 2), simulator.spec
        good = np.tile(np.arange(spec.slate_size), (2, 1))
        with pytest.raises(UsageError, match="call reset"):
            env.step(good)
        env.reset(seed=0)
        refused = {
            "a position outside the": (good + spec.num_candidates, good - 1),
            "have shape": (good[0], good[:, :-1], good[:1], np.zeros((0,), dtype=np.int64)),
            "integer positions": (good.astype(np.float32), good.astype(bool)),
            "an array of slates cannot": ([[0], [0, 1]], None, "slate"),
        }
        for sentence, actions in refused.items():
            for action in actions:
                with pytest.raises(UsageError, match=sentence):
                    env.step(action)
        for dtype in (np.int8, np.uint8, np.int32, np.uint32):
            env.step(good.astype(dtype))
        env.step(good.tolist())

    def test_wrong_settings_are_refused_in_a_sentence(self, simulator: Any) -> None:
        for sentence, options in (
            ("num_envs is 0", {"num_envs": 0}),
            ('unknown split "tset"', {"split": "tset"}),
            ("there is no autoreset mode sometimes", {"autoreset_mode": "sometimes"}),
            ("max_episode_steps is 0", {"max_episode_steps": 0}),
        ):
            with pytest.raises(UsageError, match=sentence):
                make(simulator, **options)
        env = make(simulator)
        for sentence, arguments in (
            ("the reset options are", {"options": {"user": {}}}),
            ("one seed serves", {"seed": [1, 2, 3, 4]}),
            ("the first reset has to start every row", {"options": {"reset_mask": np.arange(4) > 1}}),
            ("reset_mask has to be 4 booleans", {"options": {"reset_mask": np.ones(3, dtype=bool)}}),
        ):
            with pytest.raises(UsageError, match=sentence):
                env.reset(**arguments)
        with pytest.raises(UsageError, match='unknown split "tset"'):
            env.sample_users(2, seed=0, split="tset")
        with pytest.raises(UsageError, match="call reset"):
            env.state_dict()
        with pytest.raises(UsageError, match='did you mean "time_limit"'):
            envs.make_simulator(self.simulator_path, time_limits=3)
        with pytest.raises(UsageError, match='device "abacus" cannot be used'):
            envs.make_simulator(self.simulator_path, "abacus", **small_settings(self.simulator_path))

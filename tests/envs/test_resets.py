"""What a reset is told is checked before anything changes."""

from typing import Any

import numpy as np
import pytest
from conformance.trajectories import assert_same, copied, make
from toy import Toy, ToySettings

from encoders.errors import UsageError
from envs.single import SlateEnv


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seed": 1.5}, "seed is 1.5; it has to be a whole number from 0"),
        ({"seed": True}, "seed is True"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"seed": "1"}, "seed is '1'"),
        ({"options": [1]}, r"the reset options are \[1\]; they are a dict"),
        ({"options": np.ones(2)}, "they are a dict with users"),
        ({"options": {1: 2, "x": 3}}, "they are a dict with users or reset_mask, or both"),
        ({"seed": 1, "options": {"reset_mask": "all"}}, "reset_mask cannot be taken for an array of numbers"),
        ({"seed": 1, "options": {"users": 3}}, "users are a int"),
        ({"seed": 1, "options": {"users": {"taste": None}}}, 'users."taste".* cannot be taken for an array'),
    ],
)
def test_a_reset_that_is_refused_changes_nothing(arguments: dict[str, Any], sentence: str) -> None:
    env, single = make(Toy(ToySettings(), device="cpu")), SlateEnv(Toy(ToySettings(), device="cpu"))
    env.reset(seed=0)
    single.reset(seed=0)
    drawn, before = single.np_random.bit_generator.state, copied(env.state_dict())
    for each in (env, single):
        with pytest.raises(UsageError, match=sentence):
            each.reset(**arguments)
    assert_same(env.state_dict(), before)
    assert single.np_random.bit_generator.state == drawn


def test_a_seed_of_numpy_is_the_seed_of_python() -> None:
    env = make(Toy(ToySettings(), device="cpu"))
    for seed in (7, 2**63 + 7):
        assert_same(env.reset(seed=np.uint64(seed))[0], env.reset(seed=seed)[0])

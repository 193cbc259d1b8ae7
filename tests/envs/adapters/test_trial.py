"""What breaks the contract is said when the environment is made, and users that are handed over are looked at."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conformance.trajectories import assert_same, make
from toy import Toy, ToySettings

from encoders.errors import UsageError
from envs.many_seeds import ManySeedsVectorEnv
from envs.single import SlateEnv
from envs.vector import SlateVectorEnv


def _answering(**parts: Callable[[Any], Any]) -> Toy:
    """Return a toy whose outcome has some parts changed."""

    class Changed(Toy):
        def step(self, state: Any, slate_BK: Any, noise: Any) -> Any:
            after, outcome = super().step(state, slate_BK, noise)
            for name, change in parts.items():
                setattr(outcome, name, change(getattr(outcome, name)))
            return after, outcome

    return Changed(ToySettings(), "cpu")


@pytest.mark.parametrize("wrap", [SlateVectorEnv, SlateEnv, lambda simulator: ManySeedsVectorEnv(simulator, (1, 2), 3)])
@pytest.mark.parametrize(
    ("part", "change", "sentence"),
    [
        ("reward", lambda value: value.long(), r"Changed.step gives reward as torch.int64.*\.float\(\) makes it"),
        ("reward", lambda value: value.double(), "reward as torch.float64; it has to be torch.float32"),
        ("reward", lambda value: value.unsqueeze(1), r"reward in the shape \(2, 1\) for 2 users; it has to be \(2,\)"),
        ("reward", lambda value: value.sum(), r"reward in the shape \(\) for 2 users"),
        ("reward", lambda value: 1.0, "reward as a float; it has to be a tensor"),
        ("left", lambda value: value.float(), r"left as torch.float32.*\.bool\(\) makes it"),
        ("left", lambda value: value.unsqueeze(1), r"left in the shape \(2, 1\)"),
        (
            "response",
            lambda value: value[:, :1],
            r"response in the shape \(2, 1, 2\) for 2 users; it has to be \(2, 2, 2\)",
        ),
        ("response", lambda value: value.int(), "response as torch.int32"),
        ("metrics", lambda value: {}, "gives no metric 'bait'"),
        ("metrics", lambda value: {**value, "bait": value["bait"].mean()}, r"the metric 'bait' in the shape \(\)"),
    ],
)
def test_an_outcome_that_breaks_the_contract_is_refused_when_the_environment_is_made(
    wrap: Callable[[Any], Any], part: str, change: Callable[[Any], Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        wrap(_answering(**{part: change}))


def test_the_trial_touches_no_stream_but_its_own() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    toy = Toy(ToySettings(), "cpu")
    first, _ = make(toy).reset(seed=3)
    make(toy)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same(first, make(toy).reset(seed=3)[0])


@pytest.mark.parametrize(
    ("users", "sentence"),
    [
        ({}, 'users lack "taste"'),
        ({"tastes": np.zeros((3, 3))}, "users (lack|have an unknown entry)"),
        ({"taste": np.zeros((3, 3)), "mood": np.zeros(3)}, 'have an unknown entry "mood"'),
        ({"taste": np.zeros((2, 3))}, "holds 2 users, but 3 rows are reset"),
        ({"taste": np.zeros((3, 4))}, r"has the shape \(3, 4\), expected \(3, 3\)"),
        ({"taste": np.zeros(3)}, r"has the shape \(3,\), expected \(3, 3\)"),
        ({"taste": 0.5}, r"has the shape \(\), expected \(3, 3\)"),
        ({"taste": np.full((3, 3), 1j)}, "holds torch.complex128, expected torch.float32"),
        ({"taste": [["a"] * 3] * 3}, 'users\\["taste"\\] cannot be taken for'),
        ({"taste": None}, 'users\\["taste"\\] cannot be taken for'),
        ({"taste": [[1.0], [1.0, 2.0], [3.0]]}, 'users\\["taste"\\] cannot be taken for'),
        ([1, 2, 3], "users are a list"),
        (7, "users are a int"),
    ],
)
def test_users_that_cannot_be_are_refused_in_a_sentence(users: Any, sentence: str) -> None:
    env = make(Toy(ToySettings(), "cpu"), 3)
    with pytest.raises(UsageError, match=sentence):
        env.reset(seed=0, options={"users": users})
    env.reset(seed=0)
    with pytest.raises(UsageError, match=sentence):
        env.reset(options={"users": users})


def test_users_may_come_as_lists_and_as_wider_numbers() -> None:
    env = make(Toy(ToySettings(), "cpu"), 2)
    panel = env.sample_users(2, seed=1)["taste"]
    expected = env.reset(seed=0, options={"users": {"taste": panel}})[0]
    for given in (panel.tolist(), panel.numpy().astype(np.float64), panel.double()):
        assert_same(env.reset(seed=0, options={"users": {"taste": given}})[0], expected)


@pytest.mark.parametrize("options", [["users"], "users", 3])
def test_reset_options_that_are_no_mapping_are_refused(options: Any) -> None:
    for env in (make(Toy(ToySettings(), "cpu")), SlateEnv(Toy(ToySettings(), "cpu"))):
        with pytest.raises(UsageError, match="options"):
            env.reset(options=options)


@pytest.mark.parametrize("mask", ["all", [True], [[True] * 4], [1, 0, 0, 1], None, 3, [[True], [True, False]]])
def test_a_mask_that_is_none_is_refused(mask: Any) -> None:
    env = make(Toy(ToySettings(), "cpu"))
    env.reset(seed=0)
    if mask is None:
        env.reset(options={"reset_mask": None})
        return
    with pytest.raises(UsageError, match=r"reset_mask (has to be 4 booleans|cannot be taken for)"):
        env.reset(options={"reset_mask": mask})

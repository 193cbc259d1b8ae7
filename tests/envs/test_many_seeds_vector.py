"""Several seeds in one batch of users: each goes through what it goes through alone."""

import pytest
import torch
from conformance.trajectories import small_settings
from toy import Toy, ToySettings

import envs
from encoders.errors import UsageError
from envs.interface import Tensors
from envs.many_seeds import ManySeedsVectorEnv
from envs.simulator import Simulator
from envs.slates import random_slate
from envs.vector import SlateVectorEnv

SEEDS, USERS, STEPS = (3, 8, 4), 5, 30
IDS = ("slatelab/InterestEvolution-v0", "slatelab/Boredom-v0", "slatelab/LongTermSatisfactionHard-v0", "toy")


def kernel(name: str) -> Simulator:
    if name == "toy":
        return Toy(ToySettings(), device="cpu")
    cls = envs.simulator_class(name)
    simulator: Simulator = cls(cls.Settings(**small_settings(envs.ENVIRONMENTS[name])), device="cpu")
    return simulator


def assert_equal(ours: Tensors, theirs: Tensors) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", IDS)
def test_each_seed_goes_through_what_it_goes_through_alone(name: str) -> None:
    simulator = kernel(name)
    many = ManySeedsVectorEnv(simulator, SEEDS, USERS)
    alone = [SlateVectorEnv(simulator, USERS, as_tensors=True) for _ in SEEDS]
    seen, _ = many.reset()
    for env, seed in zip(alone, SEEDS, strict=True):
        env.reset(seed=seed)
    generator = torch.Generator().manual_seed(0)
    ended = 0
    for _ in range(STEPS):
        slate_BK = random_slate(USERS * len(SEEDS), simulator.spec.num_candidates, simulator.spec.slate_size, generator)
        seen, reward_B, left_B, truncated_B, info = many.step(slate_BK)
        ended += int((left_B | truncated_B).sum())
        for index, env in enumerate(alone):
            rows = slice(index * USERS, (index + 1) * USERS)
            own, own_reward_B, own_left_B, own_truncated_B, own_info = env.step(slate_BK[rows])
            assert_equal({key: value[rows] for key, value in seen.items()}, own)
            torch.testing.assert_close(reward_B[rows], own_reward_B, rtol=1e-5, atol=1e-5)
            assert torch.equal(left_B[rows], own_left_B)
            assert torch.equal(truncated_B[rows], own_truncated_B)
            torch.testing.assert_close(info["response"][rows], own_info["response"], rtol=1e-5, atol=1e-5)
            assert_equal(many.seed_state(index), env.state_dict())
    assert ended or simulator.time_limit > STEPS


def test_a_saved_batch_goes_on_to_the_bit() -> None:
    simulator = Toy(ToySettings(), device="cpu")
    ours, theirs = (ManySeedsVectorEnv(simulator, SEEDS, USERS) for _ in range(2))
    ours.reset()
    theirs.reset()
    slate_BK = torch.arange(simulator.spec.slate_size).expand(USERS * len(SEEDS), -1)
    for _ in range(7):
        ours.step(slate_BK)
    theirs.load_state_dict({name: value.clone() for name, value in ours.state_dict().items()})
    for _ in range(7):
        one, other = ours.step(slate_BK), theirs.step(slate_BK)
        assert torch.equal(one[1], other[1])
        assert all(torch.equal(value, other[0][name]) for name, value in one[0].items())


def test_no_seeds_and_a_second_seed_are_refused() -> None:
    simulator = Toy(ToySettings(), device="cpu")
    with pytest.raises(UsageError, match="at least one is needed"):
        ManySeedsVectorEnv(simulator, [], USERS)
    with pytest.raises(UsageError, match="given at the start"):
        ManySeedsVectorEnv(simulator, SEEDS, USERS).reset(seed=1)

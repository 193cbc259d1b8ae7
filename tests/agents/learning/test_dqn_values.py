"""Values of items and slates: the dueling identity, what a row keeps, and what centring must not leave to Adam."""

import copy
from typing import Any

import pytest
import torch
from sketches import Garden, build, make_observation, make_spec, make_transition

from agents.dqn import DQN
from agents.learning.item_values import ItemValues
from agents.networks.reader import Reader
from agents.networks.scoring import NETWORKS
from envs.interface import Observation

SPEC = make_spec(candidates=5, slate=2)


class Written:
    """A network whose outputs are written down: one for each id, and one for the state."""

    def __init__(self, outputs: list[float], state: float) -> None:
        self.outputs, self.state = torch.tensor(outputs), state

    def __call__(self, user_BU: Any, features_BMF: Any, ids_BM: Any) -> Any:
        return self.outputs[ids_BM].unsqueeze(1), torch.full((len(user_BU), 1), self.state)


def observe(*ids: int) -> Observation:
    return {
        "user": torch.zeros(1, 5),
        "candidates": torch.zeros(1, len(ids), 3),
        "popularity": torch.zeros(1, len(ids)),
        "candidate_ids": torch.tensor([ids]),
    }


def values_of(dueling: bool, ids: tuple[int, ...], slate: tuple[int, int]) -> float:
    network: Any = Written([0.0, 10.0, 20.0, 30.0, 40.0, 90.0], state=7.0)
    values = ItemValues(SPEC, Reader(SPEC), dueling)
    return float(values.value(network, values.row(observe(*ids), torch.tensor([slate]))))


def test_a_slates_value_is_the_mean_of_its_items() -> None:
    assert values_of(False, (0, 1, 2, 3, 4), (4, 1)) == 7 + (40 + 10) / 2


def test_dueling_takes_off_the_mean_over_all_on_offer_not_over_the_shown() -> None:
    assert values_of(True, (0, 1, 2, 3, 4), (4, 1)) == 7 + (40 + 10) / 2 - 20
    assert values_of(True, (0, 1, 2, 3, 5), (4, 1)) == 7 + (90 + 10) / 2 - 30


@pytest.mark.parametrize("dueling", [False, True])
def test_the_best_slate_has_the_value_that_its_row_has(dueling: bool) -> None:
    network: Any = Written([0.0, 10.0, 20.0, 30.0, 40.0, 90.0], state=7.0)
    values = ItemValues(SPEC, Reader(SPEC), dueling)
    slate_BK, value_B = values.best(network, observe(3, 0, 5, 1, 4))
    assert slate_BK.tolist() == [[2, 4]]
    assert float(value_B) == float(values.value(network, values.row(observe(3, 0, 5, 1, 4), slate_BK)))


def trained(network: str, **settings: Any) -> DQN:
    """Return an agent that has learnt enough for its outputs to differ."""
    garden = Garden(64, seed=1)
    agent = build("dqn", garden.spec, num_users=64, num_steps=40, network=network, reward_scale=0.5, **settings)
    garden.teach(agent, 40)
    assert isinstance(agent, DQN)
    return agent


@pytest.mark.parametrize("network", NETWORKS)
def test_over_all_candidates_advantages_sum_to_zero_and_the_mean_value_is_that_of_the_state(network: str) -> None:
    agent, observation = trained(network, dueling=True), Garden(64, seed=3).observe()
    candidates = observation["candidates"].shape[1]
    with torch.no_grad():
        values_BM = torch.stack(
            [
                agent.values.value(agent.learner.network, agent.values.row(observation, torch.full((64, 1), place)))
                for place in range(candidates)
            ],
            dim=1,
        )
        reader = agent.learner.reader
        state_B1 = agent.learner.network(reader.user(observation), *reader.items(observation))[1]
    assert float(values_BM.std(dim=1).mean()) > 1e-3
    torch.testing.assert_close(values_BM.mean(dim=1), state_B1[:, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_centring_takes_away_is_not_moved_by_the_noise_of_its_gradient(network: str) -> None:
    """Adam makes a full step of any gradient, were it rounding noise: shifting all outputs must change nothing."""
    agent = trained(network, dueling=True)
    own: Any = agent.learner.network
    with torch.no_grad():
        constants = {
            "two_tower": lambda: [own.item_bias.bias, own.item_out.bias, own.user_out.bias[:, -1]],
            "feature_heads": lambda: [own.out.bias[:, -2], own.out.weight[:, -2]],
            "action_in": lambda: [own.out.bias],
        }[network]()
        assert [float(constant.abs().max()) for constant in constants] == [0.0] * len(constants)


def test_only_with_dueling_a_row_keeps_all_candidates() -> None:
    for dueling, kept in ((False, 2), (True, 5)):
        agent = build("dqn", SPEC, dueling=dueling, replay=100, num_users=16)
        generator = torch.Generator().manual_seed(0)
        observation = make_observation(SPEC, 16, generator)
        slate_BK = agent.act(observation, explore=True)
        agent.update(make_transition(SPEC, observation, slate_BK, generator)[0])
        assert agent.state_dict()["replay.rows.features"].shape == (1, 16, kept, 4)
        assert ("replay.rows.slate" in agent.state_dict()) == dueling


def test_the_target_network_is_only_asked_for_the_slate_that_was_chosen() -> None:
    agent = build("dqn", make_spec(candidates=20, slate=3))
    assert isinstance(agent, DQN)
    asked: list[int] = []
    target = copy.deepcopy(agent.target)

    def watch(user_BU: Any, features_BMF: Any, ids_BM: Any) -> Any:
        asked.append(features_BMF.shape[1])
        return target(user_BU, features_BMF, ids_BM)

    agent.target = watch  # type: ignore[assignment]
    agent.choose(make_observation(agent.spec, 16, torch.Generator().manual_seed(0)))
    assert asked == [3]

"""Driven by us, stable-baselines3 learns what it learns by itself: same world, same seed, same weights.

By itself it is given our features extractor, shown what ours is shown, and a step size that falls on a line.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sketches import build
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from agents.protocol import Agent, choose
from agents.sb3.extractor import NormalisedInputs
from envs.interface import Observation, Spec, Transition

B, M, STEPS, SEED, GAMMA, SCALE = 3, 4, 12, 5, 0.9, 0.5
ITEMS = 7


class Script:
    """Users whose every observation, ending and reward is drawn beforehand; only the first slot is paid for."""

    def __init__(self, slate_size: int) -> None:
        draw = torch.Generator().manual_seed(8)
        self.slate_size = slate_size
        shape = (STEPS + 1, B)
        self.seen = {
            "candidates": torch.randn((*shape, M, 2), generator=draw),
            "response": torch.randn((*shape, slate_size, 2), generator=draw),
            "user": torch.randn((*shape, 3), generator=draw),
        }
        self.final = {name: torch.randn(value.shape, generator=draw) for name, value in self.seen.items()}
        for seen in (self.seen, self.final):
            seen["candidate_ids"] = torch.randint(ITEMS, (*shape, M), generator=draw)
        self.reward = torch.randn((*shape, M), generator=draw)
        fate = torch.rand(shape, generator=draw)
        self.left, self.truncated = fate < 0.2, (fate >= 0.2) & (fate < 0.4)
        self.spec = Spec(
            num_candidates=M,
            slate_size=slate_size,
            num_items=ITEMS,
            shapes={name: tuple(value.shape[2:]) for name, value in self.seen.items()},
            response_columns=("click", "reward"),
            neutral_response=(0.0, 0.0),
        )

    def now(self, step: int) -> Observation:
        """Return what is seen at a step."""
        return {name: value[step] for name, value in self.seen.items()}

    def taught(self, name: str, **settings: Any) -> Agent:
        """Return one of our agents that has lived through it."""
        sizes: dict[str, Any] = {"num_users": B, "num_steps": STEPS, "seed": SEED, "reward_scale": SCALE}
        agent = build(name, self.spec, **sizes, **settings)
        for step in range(STEPS):
            slate_BK, notes = choose(agent, self.now(step))
            left_B, last_B = self.left[step], self.left[step] | self.truncated[step]
            after = {
                name: torch.where(last_B.view(-1, *[1] * (value.dim() - 1)), self.final[name][step], value)
                for name, value in self.now(step + 1).items()
            }
            agent.update(
                Transition(
                    observation=self.now(step),
                    slate=slate_BK,
                    response=torch.zeros(B, self.slate_size, 2),
                    reward=self.reward[step].gather(1, slate_BK[:, :1])[:, 0],
                    discount=(~left_B).float(),
                    last=last_B,
                    next_observation=after,
                    notes=notes,
                )
            )
        return agent


class ScriptVec(VecEnv):
    """The script as stable-baselines3 meets it: flat, and where ``by_slot``, one slot at a time."""

    def __init__(self, script: Script, *, by_slot: bool) -> None:
        self.script, self.by_slot, self.time = script, by_slot, 0
        slots = script.slate_size
        width = sum(value[0, 0].numel() for value in script.seen.values()) + (slots + M if by_slot else 0)
        action: Any = spaces.Discrete(M) if by_slot else spaces.MultiDiscrete([M] * slots)
        super().__init__(B, spaces.Box(-np.inf, np.inf, (width,), np.float32), action)
        self.chosen: list[Any] = []

    def flat(self, seen: Observation) -> Any:
        """Return one vector a user."""
        marks = [np.zeros((B, self.script.slate_size), np.float32), 1 - self.action_masks().astype(np.float32)]
        marks[0][:, len(self.chosen)] = 1
        parts = [seen[name].flatten(1).numpy() for name in ("candidates", "response")]
        ids = seen["candidate_ids"].numpy().astype(np.float32)
        return np.concatenate([*parts, *(marks if self.by_slot else []), seen["user"].numpy(), ids], axis=1)

    def action_masks(self) -> Any:
        """Return what is free, (B, M)."""
        free_BM = np.ones((B, M), dtype=bool)
        for chosen_B in self.chosen:
            free_BM[np.arange(B), chosen_B] = False
        return free_BM

    def reset(self) -> Any:
        """Begin."""
        return self.flat(self.script.now(0))

    def step_async(self, actions: Any) -> None:
        """Take actions."""
        self.chosen = [*self.chosen, actions] if self.by_slot else [actions[:, 0]]

    def step_wait(self) -> Any:
        """Return what follows."""
        script, time = self.script, self.time
        if self.by_slot and len(self.chosen) < script.slate_size:
            told: list[dict[str, Any]] = [{} for _ in range(B)]
            return self.flat(script.now(time)), np.zeros(B), np.zeros(B, dtype=bool), told
        reward_B = SCALE * script.reward[time].numpy()[np.arange(B), self.chosen[0]].astype(np.float64)
        self.chosen, self.time = [], time + 1
        final_BX = self.flat({name: value[time] for name, value in script.final.items()})
        last_B = (script.left[time] | script.truncated[time]).numpy()
        told = [
            {"terminal_observation": final_BX[row], "TimeLimit.truncated": bool(script.truncated[time, row])}
            if last_B[row]
            else {}
            for row in range(B)
        ]
        return self.flat(script.now(time + 1)), reward_B, last_B, told

    def env_method(self, name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Return the masks, which is all that is asked for."""
        return list(self.action_masks())

    def get_attr(self, name: str, indices: Any = None) -> list[Any]:
        """Return nothing."""
        return [None] * B

    def set_attr(self, name: str, value: Any, indices: Any = None) -> None:
        """Do nothing."""

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return no."""
        return [False] * B

    def close(self) -> None:
        """Do nothing."""


READS = {
    "net_arch": [16],
    "features_extractor_class": NormalisedInputs,
    "features_extractor_kwargs": {"num_ids": M, "num_items": ITEMS, "embedding": 4},
}


class SeesRollouts(BaseCallback):
    """Shows the features extractor each rollout, once it has been learnt from."""

    rollout: Any = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        model: Any = self.model
        self.rollout = torch.from_numpy(model.rollout_buffer.observations.copy()).flatten(0, 1)

    def _on_rollout_start(self) -> None:
        if self.rollout is not None:
            model: Any = self.model
            model.policy.features_extractor.see(self.rollout)

    def _on_training_end(self) -> None:
        self._on_rollout_start()


class SeesSteps(BaseCallback):
    """Shows the features extractors of both networks what was acted on."""

    def _on_step(self) -> bool:
        model: Any = self.model
        for network in (model.q_net, model.q_net_target):
            network.features_extractor.see(torch.from_numpy(model._last_obs))
        return True


def falling(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with a step size that falls to 0 on a line."""
    return settings | {"learning_rate": lambda left: left * settings["learning_rate"]}


def assert_same_weights(agent: Any, theirs: Any) -> None:
    """Compare, after making sure that something was learnt."""
    fresh = type(theirs)("MlpPolicy", theirs.env, seed=SEED, policy_kwargs=dict(READS), device="cpu").policy
    ours, expected = agent.model.policy.state_dict(), theirs.policy.state_dict()
    assert ours.keys() == expected.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    assert any((value - fresh.state_dict()[name]).abs().max() > 0.01 for name, value in ours.items())


SETTINGS: dict[str, Any] = {
    "sb3_ppo": {
        "learning_rate": 0.02,
        "n_steps": 4,
        "batch_size": 6,
        "n_epochs": 3,
        "ent_coef": 0.1,
        "gae_lambda": 0.8,
    },
    "sb3_a2c": {"learning_rate": 0.02, "n_steps": 4, "ent_coef": 0.1, "gae_lambda": 0.8},
    "sb3_dqn": {
        "learning_rate": 0.02,
        "learning_starts": 0,
        "batch_size": 8,
        "buffer_size": 24,
        "train_freq": 2,
        "gradient_steps": 3,
        "target_update_interval": 9,
        "tau": 0.5,
        "exploration_initial_eps": 0.0,
        "exploration_final_eps": 0.0,
    },
}


@pytest.mark.parametrize("slate_size", [1, 2])
@pytest.mark.parametrize(("name", "algorithm"), [("sb3_ppo", PPO), ("sb3_a2c", A2C)])
def test_an_on_policy_agent_has_the_weights_of_stable_baselines3_after_three_rollouts(
    name: str, algorithm: Callable[..., Any], slate_size: int
) -> None:
    script, settings = Script(slate_size), SETTINGS[name]
    agent = script.taught(name, gamma=GAMMA, **settings)
    env = ScriptVec(script, by_slot=False)
    theirs = algorithm(
        "MlpPolicy", env, seed=SEED, gamma=GAMMA, policy_kwargs=dict(READS), device="cpu", **falling(settings)
    )
    theirs.learn(B * STEPS, callback=SeesRollouts())
    assert_same_weights(agent, theirs)


@pytest.mark.parametrize("slate_size", [1, 2])
def test_maskable_ppo_has_the_weights_of_sb3_contrib_after_three_rollouts(slate_size: int) -> None:
    contrib = pytest.importorskip("sb3_contrib")
    script, settings = Script(slate_size), SETTINGS["sb3_ppo"]
    agent = script.taught("sb3_maskable_ppo", gamma=GAMMA, **settings)
    env = ScriptVec(script, by_slot=True)
    own = falling(settings) | {"n_steps": 4 * slate_size, "gamma": GAMMA ** (1 / slate_size)}
    theirs = contrib.MaskablePPO("MlpPolicy", env, seed=SEED, policy_kwargs=dict(READS), device="cpu", **own)
    theirs.learn(B * STEPS * slate_size, callback=SeesRollouts())
    assert_same_weights(agent, theirs)


class GreedyDQN(DQN):
    """DQN without its coin, which draws from numpy's stream even where it cannot fall."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        """Return the greedy action."""
        return super().predict(observation, state, episode_start, deterministic=True)


def test_dqn_has_the_weights_of_stable_baselines3_after_its_own_run() -> None:
    script, settings = Script(1), SETTINGS["sb3_dqn"]
    agent = script.taught("sb3_dqn", discount=GAMMA, **settings)
    env = ScriptVec(script, by_slot=True)
    theirs = GreedyDQN(
        "MlpPolicy", env, seed=SEED, gamma=GAMMA, policy_kwargs=dict(READS), device="cpu", **falling(settings)
    )
    theirs.learn(B * STEPS, callback=SeesSteps())
    assert_same_weights(agent, theirs)

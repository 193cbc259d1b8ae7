"""A simulator behind Gymnasium's vector interface, in numpy or, without leaving the device, in tensors."""

from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from encoders import index
from encoders.errors import UsageError
from envs.interface import Observation, Tensors, restore_stream
from envs.simulator import Simulator, Split, State, check_split


class SlateVectorEnv(VectorEnv[Any, Any, Any]):
    """B users in parallel.

    Autoreset is ``SAME_STEP`` (a session that ends is followed by another user's in the same step, with the last
    observation in ``info["final_obs"]``) or ``DISABLED`` (reset ended rows with ``options={"reset_mask": mask_B}``).

    With tensors on a GPU a step never waits for the device: sessions begin in all rows and only those that are due are
    taken, so that more noise is drawn than on a CPU, and ``final_obs`` is there at every step (rows that go on hold
    what is observed anyway).

    What all users see alike, such as a whole catalogue on offer, is one entry shared by all rows (stride 0, read-only
    in numpy).

    Args:
        simulator: the kernel.
        num_envs: B.
        split: whose users are drawn at a reset.
        as_tensors: take and give tensors on the simulator's device; ``final_obs`` is then a batched dict.
        autoreset_mode: ``SAME_STEP`` or ``DISABLED``.
    """

    def __init__(
        self,
        simulator: Simulator,
        num_envs: int = 1,
        *,
        split: Split = "train",
        as_tensors: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ) -> None:
        mode = check_autoreset(autoreset_mode)
        if num_envs < 1:
            raise UsageError(f"num_envs is {num_envs}; at least one user is needed")
        self.simulator = simulator
        self.num_envs = num_envs
        self.split: Split = check_split(split)
        self.as_tensors = as_tensors
        self.autoreset_mode = mode
        self.metadata = {"autoreset_mode": mode, "render_modes": []}
        self.single_observation_space = observation_space(simulator)
        self.single_action_space = action_space(simulator)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.generator = torch.Generator(simulator.device)
        self.state: State | None = None
        self.steps_B = torch.zeros(num_envs, dtype=torch.int64, device=simulator.device)
        self._seeded = False
        self._lockstep = as_tensors and not index.may_look(simulator.device)

    @cached_property
    def observation_space(self) -> gym.Space[Any]:  # type: ignore[override]
        """Return the batched space; made when it is asked for, since its bounds are as large as an observation."""
        return batch_space(self.single_observation_space, self.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin sessions.

        Args:
            seed: starts the random stream anew; without one the first reset draws a seed and later ones go on.
            options: ``users`` (from `sample_users`): who is met, in order; ``reset_mask`` (B,) bool: only these rows,
                which may be none.
        """
        if isinstance(seed, list):
            raise UsageError("one seed serves the whole batch: pass reset(seed=int), not a list of seeds")
        super().reset(seed=seed)
        options = options or {}
        unknown = set(options) - {"users", "reset_mask"}
        if unknown:
            raise UsageError(f"unknown reset option {sorted(unknown)}; known are users and reset_mask")
        if seed is not None or not self._seeded:
            entropy = seed if seed is not None else int(self.np_random.integers(2**63))
            self.generator.manual_seed(entropy)
            self._seeded = True
        rows = self._rows_to_reset(options.get("reset_mask"))
        if len(rows):
            self._start(rows, self._tensors(options["users"]) if "users" in options else None)
        return self._give(self.observation()), self._info({}, torch.zeros_like(self.steps_B, dtype=torch.bool))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Show slates (B, K); positions outside the candidate set are refused, repeated ones are empty slots."""
        slate_BK = self._check_actions(actions)
        if self.state is None:
            raise UsageError("call reset() before step()")
        noise = self._draw_step()
        shown_BK = self.simulator.candidate_ids(self.state).gather(1, slate_BK)
        self.state, outcome = self.simulator.step(self.state, slate_BK, noise)
        self.steps_B = self.steps_B + 1
        left_B = outcome.left
        truncated_B = (self.steps_B >= self.simulator.time_limit) & ~left_B
        last_B = left_B | truncated_B
        info: dict[str, Any] = {"response": outcome.response, "slate_ids": shown_BK, **outcome.metrics}
        info = self._apart(info)
        observation = self.observation()
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._begin(last_B):
            info["final_obs"] = observation
            observation = self.observation()
        info = self._info(info, last_B)
        if self.as_tensors:
            return observation, outcome.reward, left_B, truncated_B, info
        reward_B = outcome.reward.double().cpu().numpy()
        return self._give(observation), reward_B, left_B.cpu().numpy(), truncated_B.cpu().numpy(), info

    def observation(self) -> Observation:
        """Return what the agents see now, as tensors; to write into them changes nothing here."""
        if self.state is None:
            raise UsageError("call reset() before observation()")
        return self._apart(self.simulator.observe(self.state))

    def sample_users(self, number: int, seed: int, split: Split | None = None) -> Tensors:
        """Draw a panel of users for ``reset(options={"users": panel})``; the same seed draws the same panel."""
        generator = torch.Generator(self.simulator.device).manual_seed(seed)
        return self.simulator.sample_users(number, check_split(split or self.split), generator)

    def state_dict(self) -> Tensors:
        """Return everything the future depends on: the users' state, the step counts, the random stream."""
        if self.state is None:
            raise UsageError("call reset() before state_dict()")
        prefixed = {f"state.{name}": value for name, value in self.state.items()}
        return prefixed | {"steps": self.steps_B, "generator": self.generator.get_state()}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict` of an environment with the same settings and number of users.

        Raises:
            UsageError: the tensors are of another number of users.
        """
        device = self.simulator.device
        if len(tensors["steps"]) != self.num_envs:
            raise UsageError(f"the state is of {len(tensors['steps'])} users, but num_envs is {self.num_envs}")
        self.state = {
            name.removeprefix("state."): value.to(device)
            for name, value in tensors.items()
            if name.startswith("state.")
        }
        self.steps_B = tensors["steps"].to(device)
        restore_stream(self.generator, tensors["generator"])
        self._seeded = True

    def _rows_to_reset(self, mask: Any) -> Tensor:
        device = self.simulator.device
        if mask is None:
            return torch.arange(self.num_envs, device=device)
        mask_B = torch.as_tensor(mask, device=device)
        if mask_B.shape != (self.num_envs,) or mask_B.dtype != torch.bool:
            raise UsageError(f"reset_mask has to be {self.num_envs} booleans, one for each user")
        if self.state is None and not bool(mask_B.all()):
            raise UsageError("the first reset has to start every row; pass no reset_mask")
        return mask_B.nonzero().squeeze(1)

    def _begin(self, last_B: Tensor) -> bool:
        """Begin sessions where the last ones ended; tell whether there may be such."""
        if not self._lockstep:
            rows = last_B.nonzero().squeeze(1)
            if len(rows):
                self._start(rows, None)
            return len(rows) > 0
        assert self.state is not None
        rows = torch.arange(self.num_envs, device=self.simulator.device)
        started = self.simulator.start(self._draw_users(rows), self._draw_start(rows))
        self.state = {name: _choose(last_B, started[name], value) for name, value in self.state.items()}
        self.steps_B = self.steps_B.masked_fill(last_B, 0)
        return True

    def _start(self, rows: Tensor, users: Tensors | None) -> None:
        """Begin sessions in some rows."""
        number = len(rows)
        if users is None:
            users = self._draw_users(rows)
        for name, value in users.items():
            if len(value) != number:
                raise UsageError(f'users["{name}"] holds {len(value)} users, but {number} rows are reset')
        started = self.simulator.start(users, self._draw_start(rows))
        if self.state is None or number == self.num_envs:
            self.state = started
        else:
            self.state = {
                name: value if _same_memory(value, started[name]) else value.index_copy(0, rows, started[name])
                for name, value in self.state.items()
            }
        self.steps_B = self.steps_B.index_fill(0, rows, 0)

    def _draw_step(self) -> Tensors:
        """Draw the noise of a step."""
        return self.simulator.step_noise(self.num_envs, self.generator)

    def _draw_users(self, rows: Tensor) -> Tensors:
        """Draw who begins in some rows, which are in order."""
        return self.simulator.sample_users(len(rows), self.split, self.generator)

    def _draw_start(self, rows: Tensor) -> Tensors:
        """Draw the noise of sessions that begin in some rows."""
        return self.simulator.start_noise(len(rows), self.generator)

    def _check_actions(self, actions: Any) -> Tensor:
        spec = self.simulator.spec
        try:
            slate_BK = torch.as_tensor(actions)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(f"the slates are no array of integers (users, slots): {error}") from error
        expected = (self.num_envs, spec.slate_size)
        if slate_BK.shape != expected:
            raise UsageError(f"the slates have shape {tuple(slate_BK.shape)}, expected (users, slots) = {expected}")
        if slate_BK.is_floating_point() or slate_BK.is_complex() or slate_BK.dtype == torch.bool:
            raise UsageError(f"a slate holds integer positions in the candidate set, not {slate_BK.dtype}")
        slate_BK = slate_BK.long()
        # Slates that come from a GPU are not looked into: the step would have to wait for it.
        if index.may_look(slate_BK.device) and bool(((slate_BK < 0) | (slate_BK >= spec.num_candidates)).any()):
            raise UsageError(
                f"a slate names a position outside the {spec.num_candidates} candidates; "
                f"positions are 0 to {spec.num_candidates - 1}"
            )
        return slate_BK.to(self.simulator.device)

    def _apart(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """Copy what shares memory with state or catalogue, so that nobody can change them by writing into it.

        An entry shared by all rows is copied once, not for each of them.
        """
        assert self.state is not None
        owned = {value.untyped_storage().data_ptr() for value in self.state.values()}

        def own(value: Tensor) -> Tensor:
            if _is_shared(value):
                return value[:1].clone().expand_as(value)
            # An entry shared by all of a single row looks like any other view.
            lent = value.untyped_storage().data_ptr() in owned or (len(value) == 1 and value._is_view())
            return value.clone() if lent else value

        return {name: own(value) for name, value in tensors.items()}

    def _tensors(self, users: Any) -> Tensors:
        device = self.simulator.device
        return {name: torch.as_tensor(value, device=device) for name, value in users.items()}

    def _give(self, observation: Observation) -> Any:
        if self.as_tensors:
            return observation
        return {name: _array(value) for name, value in observation.items()}

    def _info(self, info: dict[str, Any], last_B: Tensor) -> dict[str, Any]:
        if self.as_tensors:
            return info
        given = {name: value.cpu().numpy() for name, value in info.items() if name != "final_obs"}
        if "slate_ids" in given:
            given["titles"] = self.simulator.titles(given["slate_ids"])
        if "final_obs" in info:
            last = last_B.cpu().numpy()
            final = self._give(info["final_obs"])
            rows = np.full(self.num_envs, None, dtype=object)
            for row in last.nonzero()[0]:
                rows[row] = {name: value[row] for name, value in final.items()}
            given |= {"final_obs": rows, "_final_obs": last}
        return given


def _is_shared(value: Tensor) -> bool:
    """Tell whether all rows are one and the same memory."""
    return len(value) > 1 and value.stride(0) == 0


def _same_memory(one: Tensor, other: Tensor) -> bool:
    """Tell whether a shared entry and the rows of another are the same memory, so that none can replace the other."""
    rows_are_one = _is_shared(one) and (_is_shared(other) or len(other) == 1)
    return rows_are_one and one.data_ptr() == other.data_ptr() and one[0].stride() == other[0].stride()


def _choose(mask_B: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return the rows of one where the mask is set, else those of the other."""
    if _same_memory(one, other):
        return one
    return torch.where(mask_B.view(-1, *[1] * (one.dim() - 1)), one, other)


def _array(value: Tensor) -> np.ndarray[Any, Any]:
    """Return an entry as an array; one that all rows share stays so, and is read-only."""
    if _is_shared(value):
        return np.broadcast_to(value[0].cpu().numpy(), tuple(value.shape))
    array: np.ndarray[Any, Any] = value.cpu().numpy()
    return array


def check_autoreset(mode: AutoresetMode | str) -> AutoresetMode:
    """Return the autoreset mode, given itself, by its name or by its value, if it is offered; else raise UsageError."""
    offered = (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED)
    for known in offered:
        if mode in (known, known.name, known.value):
            return known
    name = mode.name if isinstance(mode, AutoresetMode) else mode
    raise UsageError(f"autoreset mode {name} is not offered; use {' or '.join(known.name for known in offered)}")


def observation_space(simulator: Simulator) -> gym.spaces.Dict:
    """Return the flat Dict space of one user's observation."""
    spec = simulator.spec
    spaces: dict[str, gym.Space[Any]] = {}
    for name, shape in spec.shapes.items():
        if name == "candidate_ids":
            spaces[name] = gym.spaces.Box(0, spec.num_items - 1, shape, np.int64)
        else:
            limit = np.finfo(np.float32).max
            spaces[name] = gym.spaces.Box(-limit, limit, shape, np.float32)
    return gym.spaces.Dict(spaces)


def action_space(simulator: Simulator) -> gym.spaces.MultiDiscrete:
    """Return the space of one slate: K positions below M."""
    spec = simulator.spec
    return gym.spaces.MultiDiscrete(np.full(spec.slate_size, spec.num_candidates))

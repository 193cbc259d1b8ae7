"""A simulator behind Gymnasium's vector interface, in numpy or, without leaving the device, in tensors."""

from functools import cached_property
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from encoders import devices
from encoders.arrays import as_tensor
from encoders.errors import UsageError
from envs.interface import Observation, Tensors, restore_stream
from envs.ownership import LastObservation, apart, arrays, choose_rows, places, replace_rows, take_rows
from envs.simulator import Outcome, Simulator, Split, State, check_split
from envs.tensors import scalar


class Shown(NamedTuple):
    """What came of slates, before any session begins anew."""

    ids: Tensor
    """(B, K) int64, the items of the slates."""
    outcome: Outcome
    lent: set[int]
    """Where the state before, the slates and the noise are stored; empty where no session begins by itself."""


class SlateVectorEnv(VectorEnv[Any, Any, Any]):
    """B users in parallel.

    Autoreset is ``SAME_STEP`` (a session that ends is followed by another user's in the same step, with the last
    observation in ``info["final_obs"]``) or ``DISABLED`` (reset ended rows with ``options={"reset_mask": mask_B}``).

    With tensors ``final_obs`` has all rows; those that go on hold what is observed anyway. On a CPU its entries are put
    together when they are read.

    With tensors on a GPU a step never waits for the device: sessions begin in all rows and only those that are due are
    taken, so that more noise is drawn than on a CPU, and ``final_obs`` is there at every step. Nor does a reset with a
    mask that is there already, unless it says whose sessions begin.

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
        self._lockstep = as_tensors and not devices.may_look(simulator.device)

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
        mask_B = self._check_mask(options.get("reset_mask"))
        users = self._tensors(options["users"]) if "users" in options else None
        if mask_B is not None and users is None and self._lockstep and not devices.may_look(mask_B.device):
            self._start_where(mask_B)
        else:
            rows = self._all_rows() if mask_B is None else mask_B.nonzero().squeeze(1).to(self.simulator.device)
            if len(rows):
                self._start(rows, users, None)
        assert self.state is not None
        return self._observe(self.state), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Show slates (B, K); positions outside the candidate set are refused, repeated ones are empty slots."""
        shown_BK, outcome, lent = self.show(actions)
        assert self.state is not None
        reward_B, left_B = outcome.reward, outcome.left
        late_B = self.steps_B >= self.simulator.time_limit
        truncated_B = late_B > left_B  # late, and the user has not left
        info = self._give({"response": outcome.response, "slate_ids": shown_BK, **outcome.metrics}, self.state)
        if not self.as_tensors:
            info["titles"] = self.simulator.titles(info["slate_ids"])
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            lent |= places({"reward": reward_B, "left": left_B})
            observation = self._autoreset(late_B | left_B, lent, info)
        else:
            observation = self._observe(self.state)
        if self.as_tensors:
            return observation, reward_B, left_B, truncated_B, info
        reward = reward_B.cpu().numpy().astype(np.float64)
        return observation, reward, left_B.cpu().numpy(), truncated_B.cpu().numpy(), info

    def show(self, actions: Any) -> Shown:
        """Show slates (B, K), as `step` does, but hand nothing out and begin no session."""
        slate_BK = self._check_actions(actions)
        if self.state is None:
            raise UsageError("call reset() before step()")
        shown_BK = self._shown(self.state, slate_BK)
        noise = self._draw_step()
        autoresets = self.autoreset_mode is AutoresetMode.SAME_STEP
        lent = places(self.state) | places({**noise, "slate": slate_BK}) if autoresets else set()
        self.state, outcome = self.simulator.step(self.state, slate_BK, noise)
        self.steps_B = self.steps_B + scalar(1, torch.int64)
        return Shown(shown_BK, outcome, lent)

    def observation(self) -> Observation:
        """Return what the agents see now, as tensors; to write into them changes nothing here."""
        if self.state is None:
            raise UsageError("call reset() before observation()")
        return apart(self.simulator.observe(self.state), self.state)

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

    def _check_mask(self, mask: Any) -> Tensor | None:
        if mask is None:
            return None
        mask_B = as_tensor(mask)
        if mask_B.shape != (self.num_envs,) or mask_B.dtype != torch.bool:
            raise UsageError(f"reset_mask has to be {self.num_envs} booleans, one for each user")
        if self.state is None and not bool(mask_B.all()):
            raise UsageError("the first reset has to start every row; pass no reset_mask")
        return None if self.state is None else mask_B

    def _all_rows(self) -> Tensor:
        return torch.arange(self.num_envs, device=self.simulator.device)

    def _autoreset(self, last_B: Tensor, lent: set[int], info: dict[str, Any]) -> Any:
        """Begin sessions where the last ones ended; return what is observed, and put the last observation in info."""
        assert self.state is not None
        if self._lockstep:
            info["final_obs"] = self._observe(self.state)
            self._start_where(last_B)
            return self._observe(self.state)
        rows = last_B.nonzero().squeeze(1)
        if not len(rows):
            return self._observe(self.state)
        ended = self._observe(self.state if len(rows) == self.num_envs else take_rows(self.state, rows))
        self._start(rows, None, lent)
        observation = self._observe(self.state)
        if self.as_tensors:
            info["final_obs"] = ended if len(rows) == self.num_envs else LastObservation(observation, rows, ended)
        else:
            info |= {"final_obs": _rowwise(ended, rows, self.num_envs), "_final_obs": last_B.cpu().numpy()}
        return observation

    def _start_where(self, mask_B: Tensor) -> None:
        """Begin sessions where the mask is set, without a look at it."""
        assert self.state is not None
        rows = self._all_rows()
        started = self.simulator.start(self._draw_users(rows), self._draw_start(rows))
        self.state = choose_rows(mask_B, started, self.state)
        self.steps_B = self.steps_B.masked_fill(mask_B, 0)

    def _start(self, rows: Tensor, users: Tensors | None, lent: set[int] | None) -> None:
        """Begin sessions in some rows; what is lent of the state, None for all of it, is not written in place."""
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
            self.state = replace_rows(self.state, rows, started, lent)
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
            slate_BK = as_tensor(actions)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(f"the slates are no array of integers (users, slots): {error}") from error
        expected = (self.num_envs, spec.slate_size)
        if slate_BK.shape != expected:
            raise UsageError(f"the slates have shape {tuple(slate_BK.shape)}, expected (users, slots) = {expected}")
        dtype = slate_BK.dtype
        if dtype.is_floating_point or dtype.is_complex or dtype == torch.bool:
            raise UsageError(f"a slate holds integer positions in the candidate set, not {dtype}")
        device = self.simulator.device
        # Slates that come from a GPU are not looked into: the step would have to wait for it.
        if slate_BK.device != device and devices.may_look(slate_BK.device):
            lowest, highest = torch.aminmax(slate_BK.long())
            if int(lowest) < 0 or int(highest) >= spec.num_candidates:
                raise self._outside()
        return slate_BK.to(device, torch.int64)

    def _shown(self, state: State, slate_BK: Tensor) -> Tensor:
        """Return the items of slates; on a CPU this is where a position outside the candidate set is noticed."""
        offered_BM = self.simulator.candidate_ids(state)
        try:
            return offered_BM.gather(1, slate_BK)
        except RuntimeError as error:
            if "out of bounds" not in str(error):
                raise
            raise self._outside() from error

    def _outside(self) -> UsageError:
        number = self.simulator.spec.num_candidates
        return UsageError(f"a slate names a position outside the {number} candidates; positions are 0 to {number - 1}")

    def _tensors(self, users: Any) -> Tensors:
        device = self.simulator.device
        return {name: as_tensor(value).to(device) for name, value in users.items()}

    def _observe(self, state: State) -> Any:
        return self._give(self.simulator.observe(state), state)

    def _give(self, tensors: Tensors, state: State) -> Any:
        """Return what is the caller's own, as tensors or arrays."""
        return apart(tensors, state) if self.as_tensors else arrays(tensors, state)


def _rowwise(ended: dict[str, Any], rows: Tensor, number: int) -> np.ndarray[Any, Any]:
    """Return Gymnasium's array of objects: for a row that ended a dict of its last observation, else None."""
    rowwise = np.full(number, None, dtype=object)
    for at, row in enumerate(rows.tolist()):
        rowwise[row] = {name: value[at] for name, value in ended.items()}
    return rowwise


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

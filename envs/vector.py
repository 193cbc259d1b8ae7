"""A simulator behind Gymnasium's vector interface, in numpy or, without leaving the device, in tensors."""

from functools import cached_property
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from encoders import devices
from encoders.errors import UsageError
from envs.adapters import slate_info
from envs.adapters.given import check_autoreset, check_options, check_slates, items_of
from envs.adapters.limits import shortest, with_limit
from envs.adapters.rendering import RENDERING, Seen, render, scenes
from envs.adapters.spaces import action_space, observation_space
from envs.adapters.title_bytes import title_table
from envs.adapters.trial import check_users, try_out
from envs.interface import Observation, Tensors
from envs.ownership import LastObservation, apart, arrays, choose_rows, places, replace_rows, take_rows
from envs.simulator import Outcome, Simulator, Split, State, check_seed, check_split
from envs.streams import Stream, beside
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
    observation in ``info["final_obs"]`` and what came of the last slate in ``info["final_info"]``), ``NEXT_STEP`` (in
    the step after it, which shows that user nothing and earns 0) or ``DISABLED`` (ended rows are reset with
    ``options={"reset_mask": mask_B}``).

    ``info`` has the same entries at every reset and step, see `envs.adapters.slate_info`.

    With tensors ``final_obs`` has all rows; those that go on hold what is observed anyway. On a CPU its entries are put
    together when they are read. ``info`` tells of the step in every row then, so that there is no ``final_info``.

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
        autoreset_mode: ``SAME_STEP``, ``NEXT_STEP`` or ``DISABLED``.
        max_episode_steps: slates after which a session is truncated, where the simulator's own limit is longer.
        render_mode: how `render` shows the last slates: ``human``, ``ansi``, ``rgb_array`` or None.

    Raises:
        UsageError: an argument that cannot be, or a simulator that breaks its contract.
    """

    def __init__(
        self,
        simulator: Simulator,
        num_envs: int = 1,
        *,
        split: Split = "train",
        as_tensors: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        mode = check_autoreset(autoreset_mode)
        if num_envs < 1:
            raise UsageError(f"num_envs is {num_envs}; at least one user is needed")
        self.simulator = simulator
        self.num_envs = num_envs
        self.split: Split = check_split(split)
        self.as_tensors = as_tensors
        self.autoreset_mode = mode
        self.time_limit = shortest(simulator.time_limit, max_episode_steps)
        self.metadata = {"autoreset_mode": mode, **RENDERING}
        self.render_mode = render_mode
        self.single_observation_space = observation_space(simulator)
        self.single_action_space = action_space(simulator)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.generator = Stream(simulator.device)
        self.state: State | None = None
        self.steps_B = torch.zeros(num_envs, dtype=torch.int64, device=simulator.device)
        self._due_B = self.steps_B.bool()  # under NEXT_STEP: whose session has ended
        self._trial = try_out(simulator, self.split)
        self._seen: Seen | None = None
        self._spec: EnvSpec | None = None
        self._seeded = False
        self._lockstep = as_tensors and not devices.may_look(simulator.device)

    @property
    def spec(self) -> EnvSpec | None:
        """Return how Gymnasium makes this environment, with its time limit."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = with_limit(spec, self.time_limit)

    @cached_property
    def title_table(self) -> NDArray[np.uint8]:
        """Return the titles of the catalogue as `info` tells them, (N + 1, W); the last row, of item -1, is blank."""
        return title_table(self.simulator)

    @cached_property
    def _blank(self) -> dict[str, Any]:
        """Return info of users to whom nothing was shown yet."""
        return self._tell(slate_info.of_no_slate(self._trial.told, self.num_envs))

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
        seed = None if seed is None else check_seed(seed)
        mask_B, users = check_options(options, self.num_envs, self.state is not None)
        blindly = mask_B is not None and users is None and self._lockstep and not devices.may_look(mask_B.device)
        rows = self._all_rows() if blindly or mask_B is None else mask_B.nonzero().squeeze(1)
        met = None if users is None or not len(rows) else check_users(users, self._trial.users, len(rows))
        # What cannot be was refused above: from here on things change.
        super().reset(seed=seed)
        if seed is not None or not self._seeded:
            self.generator.manual_seed(int(self.np_random.integers(2**63)) if seed is None else seed)
            self._seeded = True
        if blindly and mask_B is not None:
            self._start_where(mask_B, None)
        elif len(rows):
            self._start(rows.to(self.simulator.device), met, None)
        self._due_B = torch.zeros_like(self._due_B) if mask_B is None else self._due_B & ~mask_B.to(self._due_B.device)
        info = {name: value.clone() if self.as_tensors else value.copy() for name, value in self._blank.items()}
        self._look(info, *[torch.zeros(self.num_envs)] * 4)
        return self._observe(), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Show slates (B, K); positions outside the candidate set are refused, repeated ones are empty slots."""
        ids_BK, outcome, lent = self.show(actions)
        reward_B, left_B, steps_B = outcome.reward, outcome.left, self.steps_B
        late_B = steps_B >= self.time_limit
        truncated_B = late_B > left_B  # late, and the user has not left
        told = slate_info.of_slates(ids_BK, outcome)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            lent |= places({"reward": reward_B, "left": left_B})
            observation, info = self._renew(late_B | left_B, told, lent)
        else:
            if self.autoreset_mode is AutoresetMode.NEXT_STEP:
                due_B = self._due_B
                if self._lockstep or bool(due_B.any()):
                    told, reward_B = slate_info.blanked(told, due_B), reward_B.masked_fill(due_B, 0)
                    left_B, truncated_B = left_B & ~due_B, truncated_B & ~due_B
                    self._start_where(due_B, lent)
                self._due_B = left_B | truncated_B
            observation, info = self._observe(), self._tell(told)
        self._look(info, reward_B, steps_B, left_B, truncated_B)
        if self.as_tensors:
            return observation, reward_B, left_B, truncated_B, info
        reward = reward_B.cpu().numpy().astype(np.float64)
        return observation, reward, left_B.cpu().numpy(), truncated_B.cpu().numpy(), info

    def render(self) -> tuple[Any, ...] | None:
        """Return every user's last slate as text (``ansi``) or picture (``rgb_array``), or print it (``human``)."""
        return render(self.render_mode, () if self._seen is None else scenes(self.simulator, self._seen))

    def show(self, actions: Any) -> Shown:
        """Show slates (B, K), as `step` does, but hand nothing out and begin no session."""
        slate_BK = check_slates(actions, self.num_envs, self.simulator.spec, self.simulator.device)
        if self.state is None:
            raise UsageError("call reset() before step()")
        shown_BK = items_of(slate_BK, self.simulator.candidate_ids(self.state))
        noise = self._draw_step()
        autoresets = self.autoreset_mode is not AutoresetMode.DISABLED
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
        generator = torch.Generator(self.simulator.device).manual_seed(beside(check_seed(seed), "panel"))
        return self.simulator.sample_users(number, check_split(split or self.split), generator)

    def state_dict(self) -> Tensors:
        """Return everything the future depends on: the users' state, the step counts, the random streams."""
        if self.state is None:
            raise UsageError("call reset() before state_dict()")
        prefixed = {f"state.{name}": value for name, value in self.state.items()}
        due = {"due": self._due_B} if self.autoreset_mode is AutoresetMode.NEXT_STEP else {}
        return prefixed | {"steps": self.steps_B, **due, **self.generator.state_dict()}

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict` of an environment with the same settings and number of users.

        Raises:
            UsageError: the tensors are of another number of users.
        """
        device = self.simulator.device
        for name in ("steps", "generator"):
            if name not in tensors:
                raise UsageError(f'the state has no "{name}"; give what state_dict() returned')
        if tensors["steps"].shape != (self.num_envs,):
            raise UsageError(f"the state is of {tensors['steps'].numel()} users, but num_envs is {self.num_envs}")
        self.state = {
            name.removeprefix("state."): value.to(device)
            for name, value in tensors.items()
            if name.startswith("state.")
        }
        self.steps_B = tensors["steps"].to(device)
        self._due_B = tensors.get("due", torch.zeros_like(self._due_B)).to(device)
        self.generator.load_state_dict(tensors)
        self._seeded = True

    def _all_rows(self) -> Tensor:
        return torch.arange(self.num_envs, device=self.simulator.device)

    def _renew(self, last_B: Tensor, told: Tensors, lent: set[int]) -> tuple[Any, dict[str, Any]]:
        """Begin sessions where the last ones ended; return what is observed, and info with what was at last."""
        if self._lockstep:
            info = self._tell(told) | {"final_obs": self._observe()}
            self._start_where(last_B, lent)
            return self._observe(), info
        rows = last_B.nonzero().squeeze(1)
        if not len(rows):
            return self._observe(), self._tell(told)
        assert self.state is not None
        everybody = len(rows) == self.num_envs
        ended = self._observe(self.state if everybody else take_rows(self.state, rows))
        info = self._tell(told)
        self._start(rows, None, lent)
        observation = self._observe()
        if self.as_tensors:
            final_obs = ended if everybody else LastObservation(observation, rows, ended)
            return observation, info | {"final_obs": final_obs}
        mask = last_B.cpu().numpy()
        info, last = slate_info.at_ends(info, mask)
        final_info = last | {f"_{name}": mask for name in last}
        final_obs = _rowwise(ended, rows, self.num_envs)
        return observation, info | {
            **{"final_obs": final_obs, "_final_obs": mask},
            **{"final_info": final_info, "_final_info": mask},
        }

    def _start_where(self, mask_B: Tensor, lent: set[int] | None) -> None:
        """Begin sessions where the mask is set, in lockstep without a look at it."""
        if not self._lockstep:
            self._start(mask_B.nonzero().squeeze(1), None, lent)
            return
        assert self.state is not None
        rows = self._all_rows()
        started = self.simulator.start(self._draw_users(rows), self._draw_start(rows))
        self.state = choose_rows(mask_B, started, self.state)
        self.steps_B = self.steps_B.masked_fill(mask_B, 0)

    def _start(self, rows: Tensor, users: Tensors | None, lent: set[int] | None) -> None:
        """Begin sessions in some rows; what is lent of the state, None for all of it, is not written in place."""
        number = len(rows)
        met = self._draw_users(rows) if users is None else users
        started = self.simulator.start(met, self._draw_start(rows))
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

    def _observe(self, state: State | None = None) -> Any:
        """Return what is seen of a state, by default of the present one."""
        seen = self.state if state is None else state
        assert seen is not None
        return self._give(self.simulator.observe(seen), seen)

    def _tell(self, told: Tensors) -> dict[str, Any]:
        """Return info of all users."""
        assert self.state is not None
        info: dict[str, Any] = self._give(told, self.state)
        if not self.as_tensors:
            info["titles"] = self.title_table[info["slate_ids"]]
        return info

    def _look(self, info: dict[str, Any], *numbers: Tensor) -> None:
        """Remember what came of the last slates, if it may be rendered."""
        if self.render_mode is not None:
            self._seen = Seen(info["slate_ids"], info["response"][..., 0] > 0, *numbers)
        if self.render_mode == "human":
            self.render()

    def _give(self, tensors: Tensors, state: State) -> Any:
        """Return what is the caller's own, as tensors or arrays."""
        return apart(tensors, state) if self.as_tensors else arrays(tensors, state)


def _rowwise(ended: dict[str, Any], rows: Tensor, number: int) -> np.ndarray[Any, Any]:
    """Return Gymnasium's array of objects: for a row that ended a dict of its last observation, else None."""
    rowwise = np.full(number, None, dtype=object)
    for at, row in enumerate(rows.tolist()):
        rowwise[row] = {name: value[at] for name, value in ended.items()}
    return rowwise

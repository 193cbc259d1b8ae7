"""The vector environment in lockstep: a GPU is never waited for."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from conformance.trajectories import DEVICES, assert_same, make, rows_of, slates
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from toy import Toy, ToySettings

import envs
from encoders import CosineIndex, devices
from envs.vector import SlateVectorEnv


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def on(device: str, kernel: Callable[..., Any]) -> Callable[[str], Any]:
    """Return what builds the simulator of an id on the device, with sessions of three slates at most."""

    def of(env_id: str) -> Any:
        limited = copy.copy(kernel(envs.ENVIRONMENTS[env_id], device))
        limited.time_limit = 3
        return limited

    return of


@pytest.fixture
def lockstep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat a CPU as a GPU is."""
    monkeypatch.setattr(devices, "may_look", lambda device: False)


# Lockstep: what is done where the host must not wait


def _expected(
    simulator: Any, env: SlateVectorEnv, slate_BK: Tensor, steps_B: list[int]
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], list[bool]]:
    """Return state, last observation, next observation and ends of a step, each user by themselves."""
    generator = copy.deepcopy(env.generator)
    number = len(slate_BK)
    state, outcome = simulator.step(env.state, slate_BK, simulator.step_noise(number, generator))
    ended = [bool(left) or steps + 1 >= 3 for left, steps in zip(outcome.left, steps_B, strict=True)]
    final = simulator.observe(state)
    users = simulator.sample_users(number, "train", generator)
    started = simulator.start(users, simulator.start_noise(number, generator))
    rows = [rows_of(started if ended[row] else state, row) for row in range(number)]
    joined = {name: torch.cat([each[name] for each in rows]) for name in state}
    return joined, final, simulator.observe(joined), ended


@pytest.mark.usefixtures("lockstep")
@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_in_lockstep_each_user_goes_on_or_begins_anew_by_themselves(on: Callable[[str], Any], env_id: str) -> None:
    simulator, steps_B = on(env_id), [0, 1, 2, 0, 1, 2]
    env = make(simulator, 6, as_tensors=True)
    env.reset(seed=3)
    env.steps_B = torch.tensor(steps_B, device=simulator.device)
    seen = 0
    for slate_BK in slates(env, 5):
        shown = slate_BK.to(simulator.device)
        state, final, following, ended = _expected(simulator, env, shown, steps_B)
        observation, _, left_B, truncated_B, info = env.step(shown)
        assert (left_B | truncated_B).tolist() == ended
        steps_B = [0 if end else steps + 1 for end, steps in zip(ended, steps_B, strict=True)]
        assert env.steps_B.tolist() == steps_B
        assert env.state is not None
        assert_same(_on_cpu(env.state), _on_cpu(state))
        assert_same(_on_cpu(info["final_obs"]), _on_cpu(final))
        assert_same(_on_cpu(observation), _on_cpu(following), 1e-6)
        seen += 0 < sum(ended) < 6
    assert seen > 1


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.cpu() for name, value in tensors.items()}


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_without_lockstep_only_ended_sessions_are_drawn_anew_and_all_else_goes_on(
    kernel: Callable[..., Any], env_id: str
) -> None:
    simulator = copy.copy(kernel(envs.ENVIRONMENTS[env_id]))
    simulator.time_limit = 3
    env = make(simulator, 6, as_tensors=True)
    env.reset(seed=3)
    env.steps_B = torch.tensor([0, 1, 2, 0, 1, 2])
    for slate_BK in slates(env, 5):
        assert env.state is not None
        generator = copy.deepcopy(env.generator)
        before = {name: value.clone() for name, value in env.state.items()}
        state, _ = simulator.step(before, slate_BK, simulator.step_noise(6, generator))
        observation, _, left_B, truncated_B, info = env.step(slate_BK)
        rows = (left_B | truncated_B).nonzero().squeeze(1)
        assert len(rows)
        users = simulator.sample_users(len(rows), "train", generator)
        started = simulator.start(users, simulator.start_noise(len(rows), generator))
        joined = {name: value.index_copy(0, rows, started[name]) for name, value in state.items()}
        assert_same(env.state, joined)
        assert_same(info["final_obs"], simulator.observe(state), 1e-6)
        assert_same(observation, simulator.observe(joined))


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_users_who_go_on_see_the_same_in_lockstep_or_not(
    kernel: Callable[[str], Any], env_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = copy.copy(kernel(envs.ENVIRONMENTS[env_id]))
    simulator.time_limit = 3
    plain = make(simulator, 6, as_tensors=True)
    monkeypatch.setattr(devices, "may_look", lambda device: False)
    other = make(simulator, 6, as_tensors=True)
    shown = next(slates(plain, 1))
    results = []
    for env in (plain, other):
        env.reset(seed=3)
        env.steps_B = torch.tensor([2, 0, 1, 2, 0, 1])
        results.append(env.step(shown))
    for value, expected in zip(results[1][1:4], results[0][1:4], strict=True):
        assert torch.equal(value, expected)
    going = ~(results[0][2] | results[0][3])
    assert going.any()
    assert not going[0]
    assert_same(results[1][4].pop("final_obs"), results[0][4].pop("final_obs"))
    assert_same(results[1][4], results[0][4])
    for name, value in results[0][0].items():
        assert torch.equal(results[1][0][name][going], value[going]), name


class Guard(TorchDispatchMode):
    """Refuse the operations that make a GPU's host wait: numbers read back, shapes that depend on values."""

    WAITS = ("_local_scalar_dense", "item", "nonzero", "nonzero_static", "masked_select", "equal", "is_nonzero")
    SHAPED = ("_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount", "repeat_interleave")

    allowed = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masked = name.startswith("index") and any(
            isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8)
            for part in (args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else ())
        )
        if not self.allowed and (name in self.WAITS + self.SHAPED or masked):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


class Calls(TorchFunctionMode):
    """Refuse tensors made of Python numbers, and tensors read by Python, numpy or another device."""

    MADE = (torch.tensor, torch.as_tensor, torch.from_numpy)
    READ = (Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.item, Tensor.__bool__, Tensor.__int__, Tensor.__float__)

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self.guard = guard

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func in self.MADE and not (args and isinstance(args[0], Tensor))
        if made or func in self.READ:
            raise AssertionError(f"{func} waits for the device")
        if func is torch.nn.functional.one_hot and (len(args) > 1 or "num_classes" in kwargs):
            # On a CPU alone it looks whether the classes are in range.
            self.guard.allowed += 1
            try:
                return func(*args, **kwargs)
            finally:
                self.guard.allowed -= 1
        return func(*args, **kwargs)


@contextmanager
def never_waits(device: torch.device) -> Iterator[None]:
    """Raise where the host waits for the device; on a CPU, where it would for a GPU."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
    else:
        guard = Guard()
        with guard, Calls(guard):
            yield


@pytest.mark.usefixtures("lockstep")
@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_no_step_waits_for_the_device(on: Callable[[str], Any], env_id: str) -> None:
    simulator = on(env_id)
    env = make(simulator, 6, as_tensors=True)
    env.reset(seed=0)
    shown = [slate_BK.to(simulator.device) for slate_BK in slates(env, 4)]
    with never_waits(simulator.device):
        for slate_BK in shown:
            observation, *_ = env.step(slate_BK)
    assert env.steps_B.max() < 3  # sessions have begun anew
    assert all(value.isfinite().all() for value in observation.values())


@pytest.mark.usefixtures("lockstep")
@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_a_mask_that_is_on_the_device_is_reset_without_waiting(on: Callable[[str], Any], env_id: str) -> None:
    simulator = on(env_id)
    env = make(simulator, 6, as_tensors=True, autoreset_mode="DISABLED")
    env.reset(seed=0)
    mask_B = torch.tensor([True, False, False, True, False, False], device=simulator.device)
    shown = [slate_BK.to(simulator.device) for slate_BK in slates(env, 2)]
    for slate_BK in shown:
        before, *_ = env.step(slate_BK)
        generator = copy.deepcopy(env.generator)
        with never_waits(simulator.device):
            after, _ = env.reset(options={"reset_mask": mask_B})
        users = simulator.sample_users(6, "train", generator)
        begun = simulator.observe(simulator.start(users, simulator.start_noise(6, generator)))
        for name, value in after.items():
            torch.testing.assert_close(value[mask_B], begun[name][mask_B], msg=name)
            assert torch.equal(value[~mask_B], before[name][~mask_B]), name
    assert env.steps_B.tolist() == [0, 2, 2, 0, 2, 2]


@pytest.mark.usefixtures("lockstep")
def test_in_lockstep_a_mask_may_say_whose_sessions_begin(device: str) -> None:
    env = make(Toy(ToySettings(tiring=0.0), device), 4, as_tensors=True, autoreset_mode="DISABLED")
    env.reset(seed=0)
    panel = env.sample_users(2, seed=1)
    for mask in (np.array([False, True, True, False]), torch.tensor([False, True, True, False], device=device)):
        observation, _ = env.reset(options={"reset_mask": mask, "users": panel})
        assert torch.equal(observation["user"][1:3, :3], panel["taste"])


@pytest.mark.usefixtures("lockstep")
@pytest.mark.parametrize("candidate_source", ["random", "cosine", "all"])
def test_no_source_of_candidates_waits_for_the_device(device: str, candidate_source: str) -> None:
    simulator = envs.make_simulator(
        "envs.movies:Movies", device, encoder="tiny", candidate_source=candidate_source, time_limit=2
    )
    env = make(simulator, 3, as_tensors=True)
    env.reset(seed=0)
    shown = [slate_BK.to(simulator.device) for slate_BK in slates(env, 3)]
    with never_waits(simulator.device):
        for slate_BK in shown:
            observation, *_ = env.step(slate_BK)
    assert (observation["candidate_ids"].sort(dim=1).values.diff(dim=1) > 0).all()


@pytest.mark.parametrize(
    "waits",
    [
        lambda x: float(x.sum()),
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.where(x > 0),
        lambda x: x.masked_select(x > 0),
        lambda x: torch.unique(x),
        lambda x: x.index_put_((x > 0,), x[:1]),
        lambda x: x * torch.tensor([1.0, 2.0, 3.0], device=x.device),
        lambda x: x.cpu().numpy(),
        lambda x: x.tolist(),
        lambda x: "yes" if (x > 0).all() else "no",
    ],
)
def test_what_waits_is_noticed(device: str, waits: Callable[[Tensor], Any]) -> None:
    x = torch.arange(-1.0, 2.0, device=device)
    with pytest.raises((AssertionError, RuntimeError), match=r"waits for the device|synchroniz"), never_waits(x.device):
        waits(x)


@pytest.mark.usefixtures("lockstep")
def test_the_index_finds_the_same_where_it_may_not_look() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(40, 4, generator=generator), dim=1)
    vectors = torch.cat([vectors, vectors[:9]])  # ties
    queries, seen = torch.randn(7, 4, generator=generator), torch.rand(7, 49, generator=generator) < 0.5
    seen[0], seen[1, 3:] = True, True
    searching = CosineIndex(vectors)
    with never_waits(vectors.device):
        blind = searching.search(queries, 12, exclude=seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "may_look", lambda device: True)
        looking = searching.search(queries, 12, exclude=seen)
    assert torch.equal(blind[0], looking[0])
    torch.testing.assert_close(blind[1], looking[1])  # all are settled there, near ones alone here
    ids_BE = torch.tensor([[0, 48]]).expand(7, -1)
    assert not torch.isin(searching.search(queries, 47, exclude=ids_BE)[0], ids_BE[0]).any()

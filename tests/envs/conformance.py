"""What every environment has to do, whoever wrote it: inherit `EnvironmentConformance` and name the id.

class TestMine(EnvironmentConformance):
    env_id = "slatelab/Mine-v0"
    simulator_path = "mine:Mine"
"""

import copy
import dataclasses
import functools
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.env_checker import check_env as check_env_sb3
from torch import Tensor

import envs
from encoders import index
from encoders.errors import UsageError
from encoders.registry import load_object
from envs.interface import is_shared, repeats
from envs.memory import places
from envs.single import SlateEnv
from envs.slates import random_slate
from envs.vector import SlateVectorEnv

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
MODES = [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]
ALLOWED_BY_SB3 = ("It seems that your observation", "unconventional shape", "flatten")
"""SB3 warns of boxes that are neither vectors nor images; its default extractor flattens them."""


def small_settings(simulator_path: str) -> dict[str, Any]:
    """Return the settings that make a simulator quick to build: the tiny encoder, if it reads text; a folder's path."""
    fields = dataclasses.fields(load_object("environment", simulator_path).Settings)
    settings = {"encoder": "tiny", "data": rated_shop()}
    return {name: value for name, value in settings.items() if any(field.name == name for field in fields)}


@functools.cache
def rated_shop() -> str:
    """Return a folder of atomic files, 80 items and 60 raters who like one genre, that goes away with the process."""
    _folders.append(tempfile.TemporaryDirectory())
    write_shop(Path(_folders[-1].name))
    return _folders[-1].name


_folders: list[tempfile.TemporaryDirectory[str]] = []


def write_shop(folder: Path, scale: Callable[[int], float] = float, genres: bool = True) -> None:
    """Write ratings, 1 to 5 before they are scaled, as atomic files."""
    rng = np.random.default_rng(0)
    names = ("Home", "Garden", "Kitchen")
    items = [
        f"i{item}\t{' '.join(rng.choice(['red', 'old', 'tiny', 'lamp', 'bowl'], 3))} {item}\t{names[item % 3]}"
        for item in range(80)
    ]
    head = "item_id:token\ttitle:token_seq\tgenre:token_seq"
    lines = [head, *items]
    (folder / "shop.item").write_text("\n".join(line if genres else line.rsplit("\t", 1)[0] for line in lines) + "\n")
    rated = [
        f"u{user}\ti{item}\t{scale(int(rng.integers(1, 4)) + 2 * (item % 3 == user % 3))}\t{rng.integers(10**9)}"
        for user in range(60)
        for item in rng.permutation(80)[:30]
    ]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "shop.inter").write_text("\n".join([head, *rated]) + "\n")


def make(simulator: Any, num_envs: int = 4, **options: Any) -> SlateVectorEnv:
    """Return a vector environment over a simulator that is built already."""
    return SlateVectorEnv(simulator, num_envs, **options)


def slates(env: SlateVectorEnv, steps: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield random slates for every user."""
    spec, generator = env.simulator.spec, torch.Generator().manual_seed(seed)
    for _ in range(steps):
        yield random_slate(env.num_envs, spec.num_candidates, spec.slate_size, generator)


def copied(observation: dict[str, Any]) -> dict[str, Any]:
    """Return a deep copy of named arrays or tensors."""
    return {name: copy.deepcopy(value) for name, value in observation.items()}


def trajectory(env: Any, seed: int | None, steps: int = 6) -> list[dict[str, Any]]:
    """Return reset and steps as named arrays, copied."""
    observation, _ = env.reset(seed=seed)
    seen = [copied(observation)]
    for slate_BK in slates(env, steps):
        observation, reward, left, truncated, _ = env.step(slate_BK.numpy())
        seen.append(copied(observation) | {"reward": reward, "left": left, "truncated": truncated})
    return seen


def on_host(value: Any) -> Any:
    """Return an array or tensor as an array."""
    return value.cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def assert_same(one: dict[str, Any], other: dict[str, Any], tolerance: float = 0.0) -> None:
    """Compare named arrays or tensors, integers exactly."""
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_allclose(on_host(value), on_host(other[name]), 0, tolerance, err_msg=name)


def differ(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Tell whether two trajectories differ anywhere."""
    return any(not np.array_equal(value, b[name]) for a, b in zip(one, other, strict=True) for name, value in a.items())


def can_be_written(value: Any) -> bool:
    """Tell whether an entry has rows of its own; what all users share refuses to be written as a whole."""
    return value.stride(0) > 0 if isinstance(value, Tensor) else bool(value.flags.writeable)


def rows_of(tensors: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """Return a batch of one."""
    return {name: value[row : row + 1] for name, value in tensors.items()}


def skip_lockstep(simulator: Any, as_tensors: bool) -> None:
    """Skip what compares streams of noise: with tensors on a GPU more is drawn, see tests/envs/test_vector.py."""
    if as_tensors and not index.may_look(simulator.device):
        pytest.skip("in lockstep sessions begin in all rows")


class EnvironmentConformance:
    """The tests, on every device there is; a subclass says which environment."""

    env_id: ClassVar[str]
    simulator_path: ClassVar[str]

    @pytest.fixture(params=DEVICES)
    def simulator(self, kernel: Callable[..., Any], request: pytest.FixtureRequest) -> Any:
        return kernel(self.simulator_path, request.param)

    @pytest.fixture
    def short(self, simulator: Any) -> Any:
        """The same environment, with sessions of three slates at most."""
        limited = copy.copy(simulator)
        limited.time_limit = 3
        return limited

    # Gymnasium and stable-baselines3

    def test_gymnasium_check_env_finds_nothing(self) -> None:
        env = gym.make(self.env_id, **small_settings(self.simulator_path))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(env.unwrapped, skip_render_check=False)

    def test_stable_baselines3_check_env_warns_of_shapes_alone(self) -> None:
        env = gym.make(self.env_id, **small_settings(self.simulator_path))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env_sb3(env, warn=True)
        others = [str(w.message) for w in caught if not any(part in str(w.message) for part in ALLOWED_BY_SB3)]
        assert others == []

    def test_gym_make_and_make_vec_give_what_the_id_says(self) -> None:
        single = gym.make(f"envs:{self.env_id}", **small_settings(self.simulator_path))
        observation, _ = single.reset(seed=0)
        assert observation in single.observation_space
        vector = gym.make_vec(self.env_id, num_envs=3, device="cpu", **small_settings(self.simulator_path))
        assert isinstance(vector, VectorEnv)
        assert vector.num_envs == 3
        observations, _ = vector.reset(seed=0)
        assert observations in vector.observation_space
        assert vector.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        assert self.env_id in envs.known_ids()
        assert envs.simulator_class(self.env_id) is type(vector.unwrapped.simulator)

    def test_gymnasium_counts_episodes_with_its_own_wrapper(self, short: Any) -> None:
        env = gym.wrappers.vector.RecordEpisodeStatistics(make(short))
        env.reset(seed=0)
        for slate_BK in slates(make(short), 8):
            env.step(slate_BK.numpy())
        assert env.episode_count >= 8
        assert max(env.length_queue) <= 3

    # seeding

    def test_one_seed_gives_one_trajectory_and_another_seed_another(self, simulator: Any) -> None:
        first = trajectory(make(simulator), seed=3)
        assert not differ(first, trajectory(make(simulator), seed=3))
        assert differ(first, trajectory(make(simulator), seed=4))

    def test_reset_without_a_seed_goes_on_with_the_stream(self, simulator: Any) -> None:
        env, again = make(simulator), make(simulator)
        first, second = trajectory(env, seed=3), trajectory(env, seed=None)
        assert differ(first, second)
        trajectory(again, seed=3)
        assert not differ(second, trajectory(again, seed=None))

    def test_the_first_reset_without_a_seed_draws_one(self, simulator: Any) -> None:
        assert differ(trajectory(make(simulator), seed=None), trajectory(make(simulator), seed=None))

    def test_global_random_state_is_neither_read_nor_set(self, simulator: Any) -> None:
        torch.manual_seed(1)
        before = torch.get_rng_state().clone()
        first = trajectory(make(simulator), seed=3)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(2)
        np.random.seed(2)  # noqa: NPY002 (the global state is what is tested)
        assert not differ(first, trajectory(make(simulator), seed=3))

    # spaces

    @pytest.mark.parametrize("pattern", ["random", "same", "zero", "last", "pairs"])
    def test_observations_stay_in_their_space_whatever_is_shown(self, simulator: Any, pattern: str) -> None:
        env = make(simulator, 16)
        observation, _ = env.reset(seed=0)
        size, offered = simulator.spec.slate_size, simulator.spec.num_candidates
        fixed = {
            "same": np.full(size, offered // 2),
            "zero": np.zeros(size, dtype=np.int64),
            "last": np.full(size, offered - 1),
            "pairs": np.arange(size) // 2 % offered,
        }
        for slate_BK in slates(env, 120):
            shown = np.tile(fixed[pattern], (16, 1)) if pattern in fixed else slate_BK.numpy()
            observation, reward, _, _, info = env.step(shown)
            assert observation in env.observation_space
            assert np.isfinite(reward).all()
            assert all(np.isfinite(info[metric.name]).all() for metric in simulator.METRICS)
            ids_BM = np.sort(observation.get("candidate_ids", np.tile(np.arange(offered), (16, 1))), axis=1)
            assert (np.diff(ids_BM, axis=1) > 0).all()

    def test_reset_starts_without_a_response_or_a_slate(self, simulator: Any) -> None:
        observation, _ = make(simulator).reset(seed=0)
        assert not observation["response"].any()
        assert not observation["slate_items"].any()

    def test_spaces_and_response_follow_the_spec(self, simulator: Any) -> None:
        env, spec = make(simulator, 2), simulator.spec
        observation, _ = env.reset(seed=0)
        assert {name: value.shape[1:] for name, value in observation.items()} == dict(spec.shapes)
        assert spec.response_columns[:2] == ("click", "reward")
        assert spec.shapes["response"] == (spec.slate_size, len(spec.response_columns))
        assert len(spec.neutral_response) == len(spec.response_columns)
        assert simulator.item_vectors().shape[0] == spec.num_items

    def test_metrics_are_those_declared(self, simulator: Any) -> None:
        env = make(simulator)
        env.reset(seed=0)
        *_, info = env.step(next(slates(env, 1)).numpy())
        assert set(info) - {"final_obs", "_final_obs"} == {
            *(metric.name for metric in simulator.METRICS),
            *("response", "slate_ids", "titles"),
        }
        assert info["titles"].shape == info["slate_ids"].shape == (4, simulator.spec.slate_size)

    # empty slots

    def test_a_repeated_position_is_an_empty_slot(self, simulator: Any) -> None:
        if simulator.spec.slate_size == 1:
            pytest.skip("a slate of one slot has no position to repeat")
        env = make(simulator, 64)
        env.reset(seed=0)
        clicks = 0.0
        for slate_BK in slates(env, 20):
            slate_BK[:, -1] = slate_BK[:, 0]
            *_, info = env.step(slate_BK.numpy())
            assert not info["response"][:, -1].any()
            clicks += info["response"][:, :, 0].sum()
            if "repeats" in info:
                assert (info["repeats"] == 1).all()
        assert clicks > 0

    def test_reference_policies_show_full_slates_without_repeats(self, simulator: Any) -> None:
        env = make(simulator, 16, as_tensors=True)
        env.reset(seed=0)
        for policy in simulator.POLICIES.values():
            for _ in range(5):
                slate_BK = policy(simulator, env.state)
                assert not repeats(slate_BK).any()
                env.step(slate_BK)

    # the end of a session

    @pytest.mark.parametrize("as_tensors", [False, True])
    def test_same_step_autoreset_gives_the_last_observation_of_a_run_without(
        self, simulator: Any, as_tensors: bool
    ) -> None:
        skip_lockstep(simulator, as_tensors)
        same, plain = (make(simulator, 16, as_tensors=as_tensors, autoreset_mode=mode) for mode in MODES)
        same.reset(seed=5)
        plain.reset(seed=5)
        for slate_BK in slates(same, 400):
            shown = slate_BK if as_tensors else slate_BK.numpy()
            observation, reward, left, truncated, info = same.step(shown)
            expected, *rest, _ = plain.step(shown)
            assert_same(
                {"reward": reward, "left": left, "truncated": truncated},
                dict(zip(("reward", "left", "truncated"), rest, strict=True)),
            )
            ended = np.asarray(left | truncated)
            if ended.any():
                break
            assert "final_obs" not in info
            assert_same(observation, expected)
        assert ended.any()
        final = info["final_obs"]
        if as_tensors:
            assert_same(final, expected)
        else:
            assert final.dtype == object
            assert (info["_final_obs"] == ended).all()
            for row in range(16):
                if ended[row]:
                    assert_same(final[row], {name: value[row] for name, value in expected.items()})
                else:
                    assert final[row] is None
        going = {name: np.asarray(value)[~ended] for name, value in observation.items()}
        assert_same(going, {name: np.asarray(value)[~ended] for name, value in expected.items()})
        assert not np.asarray(observation["response"])[ended].any()
        assert (on_host(same.steps_B)[ended] == 0).all()

    def test_time_truncates_and_does_not_terminate(self, short: Any) -> None:
        env = make(short, 32, autoreset_mode="DISABLED")
        env.reset(seed=0)
        gone = np.zeros(32, dtype=bool)
        for step, slate_BK in enumerate(slates(env, 3), start=1):
            _, _, left, truncated, _ = env.step(slate_BK.numpy())
            assert not (left & truncated).any()
            assert (truncated == ((step == 3) & ~left)).all()
            gone |= left
        assert (truncated | gone).all()
        assert truncated.any()

    def test_reset_mask_resets_these_rows_alone(self, simulator: Any) -> None:
        env = make(simulator, autoreset_mode="DISABLED")
        env.reset(seed=0)
        for slate_BK in slates(env, 3):
            before, *_ = env.step(slate_BK.numpy())
        mask = np.array([True, False, False, True])
        after, info = env.reset(options={"reset_mask": mask})
        assert info == {}
        assert_same(
            {name: value[~mask] for name, value in after.items()},
            {name: value[~mask] for name, value in before.items()},
        )
        assert not after["response"][mask].any()
        assert not np.array_equal(after["user"][mask], before["user"][mask])
        assert env.steps_B.tolist() == [0, 3, 3, 0]

    def test_a_reset_mask_without_a_row_changes_nothing(self, simulator: Any) -> None:
        env = make(simulator)
        before, _ = env.reset(seed=0)
        after, _ = env.reset(options={"reset_mask": np.zeros(4, dtype=bool)})
        assert_same(before, after)

    # equal, to 1e-5 or to the bit

    def test_a_batch_of_one_equals_a_row_of_a_batch(self, simulator: Any) -> None:
        generator = torch.Generator(simulator.device).manual_seed(0)
        spec, batch = simulator.spec, 8
        users = simulator.sample_users(batch, "train", generator)
        noise = simulator.start_noise(batch, generator)
        state = simulator.start(users, noise)
        ones = [simulator.start(rows_of(users, row), rows_of(noise, row)) for row in range(batch)]
        for _ in range(5):
            slate_BK = random_slate(batch, spec.num_candidates, spec.slate_size, generator)
            noise = simulator.step_noise(batch, generator)
            state, outcome = simulator.step(state, slate_BK, noise)
            observation = simulator.observe(state)
            for row in range(batch):
                ones[row], one = simulator.step(ones[row], slate_BK[row : row + 1], rows_of(noise, row))
                assert_same(simulator.observe(ones[row]), rows_of(observation, row), 1e-5)
                assert_same(one.metrics, rows_of(outcome.metrics, row), 1e-5)
                for name in ("response", "reward", "left"):
                    assert_same({name: getattr(one, name)}, rows_of({name: getattr(outcome, name)}, row), 1e-5)

    def test_the_single_environment_is_a_batch_of_one(self, simulator: Any) -> None:
        vector, single = make(simulator, 1, autoreset_mode="DISABLED"), SlateEnv(simulator)
        expected, _ = vector.reset(seed=9)
        observation, _ = single.reset(seed=9)
        assert_same(observation, {name: value[0] for name, value in expected.items()})
        for slate_BK in slates(vector, 6):
            expected, *numbers, _ = vector.step(slate_BK.numpy())
            observation, *given, info = single.step(slate_BK[0].numpy())
            assert_same(observation, {name: value[0] for name, value in expected.items()})
            assert given == [value[0] for value in numbers]
            assert info["titles"].shape == (simulator.spec.slate_size,)

    def test_tensors_and_arrays_are_the_same_numbers(self, simulator: Any) -> None:
        skip_lockstep(simulator, as_tensors=True)
        arrays, tensors = make(simulator), make(simulator, as_tensors=True)
        arrays.reset(seed=2)
        tensors.reset(seed=2)
        for slate_BK in slates(arrays, 30):
            one, other = arrays.step(slate_BK.numpy()), tensors.step(slate_BK)
            assert_same(one[0], other[0])
            for value, tensor in zip(one[1:4], other[1:4], strict=True):
                np.testing.assert_array_equal(value, tensor.numpy())

    def test_a_state_dict_goes_on_to_the_bit(self, simulator: Any) -> None:
        env, other = make(simulator, as_tensors=True), make(simulator, as_tensors=True)
        env.reset(seed=0)
        for slate_BK in slates(env, 7):
            env.step(slate_BK)
        other.load_state_dict(copied(env.state_dict()))
        assert_same(env.observation(), other.observation())
        for slate_BK in slates(env, 40, seed=1):
            assert_same(env.step(slate_BK)[0], other.step(slate_BK)[0])
        assert_same(env.state_dict(), other.state_dict())
        with pytest.raises(UsageError, match="of 4 users, but num_envs is 2"):
            make(simulator, 2).load_state_dict(env.state_dict())

    def test_a_panel_of_users_is_met_in_order(self, simulator: Any) -> None:
        env = make(simulator)
        panel = env.sample_users(4, seed=1, split="test")
        assert_same(panel, env.sample_users(4, seed=1, split="test"))
        first, _ = env.reset(seed=0, options={"users": panel})
        turned = {name: value.flip(0) for name, value in panel.items()}
        second, _ = make(simulator).reset(seed=7, options={"users": turned})
        np.testing.assert_array_equal(first["user"], second["user"][::-1])
        with pytest.raises(UsageError, match="holds 4 users, but 2 rows are reset"):
            env.reset(options={"users": panel, "reset_mask": np.array([True, True, False, False])})

    # nobody's state is written into

    def test_a_step_returns_new_memory_or_what_it_was_given(self, simulator: Any) -> None:
        env = make(simulator, as_tensors=True)
        env.reset(seed=0)
        for slate_BK in slates(env, 3):
            shown, state = slate_BK.to(simulator.device), env.state
            assert state is not None
            noise = simulator.step_noise(4, env.generator)
            one, other = (simulator.step(state, shown, noise)[0] for _ in range(2))
            given = places(state) | places(noise) | places({"slate": shown})
            for name, value in one.items():
                if not is_shared(value):
                    assert places({name: value}) & places(other) <= given, name
            begun = simulator.sample_users(4, "train", env.generator)
            drawn = simulator.start_noise(4, env.generator)
            one, other = (simulator.start(begun, drawn) for _ in range(2))
            for name, value in one.items():
                if not is_shared(value):
                    assert places({name: value}) & places(other) <= places(begun) | places(drawn), name
            env.step(shown)

    def test_what_was_given_never_changes(self, simulator: Any) -> None:
        env = make(simulator, 8, as_tensors=True)
        panel = env.sample_users(8, seed=1)
        observation, _ = env.reset(seed=0, options={"users": panel})
        env.steps_B = torch.arange(8, device=simulator.device) * (simulator.time_limit // 8)
        given = [panel, observation]
        kept = [copied(panel), copied(observation)]
        for slate_BK in slates(env, 12):
            assert env.state is not None
            observation, reward, left, truncated, info = env.step(slate_BK)
            final = dict(info.pop("final_obs", {}))
            numbers = {"reward": reward, "left": left, "truncated": truncated, "slate": slate_BK}
            for tensors in (observation, numbers, info, final, env.state_dict()):
                given.append(tensors)
                kept.append(copied(tensors))
            env.steps_B = env.steps_B + simulator.time_limit // 12
        for tensors, before in zip(given, kept, strict=True):
            assert_same(tensors, before)

    def test_a_step_does_not_write_into_the_state_it_is_given(self, simulator: Any) -> None:
        env = make(simulator, as_tensors=True)
        env.reset(seed=0)
        for slate_BK in slates(env, 4):
            slate_BK = slate_BK.to(simulator.device)
            state, slate = env.state, slate_BK.clone()
            before = copied(state)
            noise = simulator.step_noise(4, env.generator)
            kept = copied(noise)
            simulator.step(state, slate_BK, noise)
            simulator.observe(state)
            assert_same(state, before)
            assert_same(noise, kept)
            assert torch.equal(slate, slate_BK)
            env.step(slate_BK)

    @pytest.mark.parametrize("as_tensors", [False, True])
    def test_writing_into_what_is_given_changes_no_user(self, simulator: Any, as_tensors: bool) -> None:
        env, untouched = make(simulator, as_tensors=as_tensors), make(simulator, as_tensors=as_tensors)
        given: list[dict[str, Any]] = [env.reset(seed=0)[0]]
        untouched.reset(seed=0)
        for slate_BK in slates(env, 5):
            for named in given:
                for value in named.values():
                    if getattr(value, "dtype", None) not in (object, bool) and can_be_written(value):
                        value[:] = 0
            shown = slate_BK if as_tensors else slate_BK.numpy()
            observation, *_, info = env.step(shown)
            expected, *_ = untouched.step(shown)
            assert_same(observation, expected)
            info.pop("final_obs", None)
            given = [observation, info]

    # what is refused

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
            "no array of integers": ([[0], [0, 1]], None, "slate"),
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
            ("NEXT_STEP is not offered", {"autoreset_mode": AutoresetMode.NEXT_STEP}),
            ("autoreset mode sometimes is not offered", {"autoreset_mode": "sometimes"}),
        ):
            with pytest.raises(UsageError, match=sentence):
                make(simulator, **options)
        env = make(simulator)
        for sentence, arguments in (
            ("unknown reset option", {"options": {"user": {}}}),
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

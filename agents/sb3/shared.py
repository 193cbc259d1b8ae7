"""What the agents of stable-baselines3 share: flat inputs, random streams of their own, building, logging, saving.

Networks, losses, buffers and optimisers are those of stable-baselines3, on the CPU as it advises for small networks. It
is imported when an agent is built, not before, since that takes seconds.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import isnan, prod
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from agents.networks.trackers import Totals
from agents.sb3.extractor import NormalisedInputs
from agents.settings import check_above_zero, check_at_least, refuse
from agents.state import above, below, check_shapes, flat_module, flat_optimizer, load_module, load_optimizer
from agents.streams import Streams
from envs.interface import Metric, Observation, Spec, Tensors, restore_stream

IDS = "candidate_ids"
"""The observation that comes last, for `agents.sb3.extractor`: distances between ids mean nothing to a network."""
OURS = ("net_arch", "embedding", "norm_obs", "reward_scale", "history", "history_length", "max_inputs")
"""Settings that the constructors of stable-baselines3 do not take."""
HISTORIES = ("none", "totals", "window")
"""What may be observed of the session so far; whoever trains adds it to the observation."""
EXPLAINED = "train/explained_variance"
STREAMS = ("generator", "numpy.keys", "numpy.position")
"""Names under which `OwnRandomness` is saved."""


def check_shared(settings: Any) -> None:
    """Refuse what cannot be in the settings that all these agents have."""
    check_above_zero(settings, "learning_rate", "max_grad_norm", "reward_scale")
    check_at_least(settings, 1, "max_inputs", "history_length", "embedding")
    if settings.history not in HISTORIES:
        raise ValueError(f'unknown history "{settings.history}" (known: {", ".join(HISTORIES)})')
    refuse(settings, ("net_arch",), "holds widths of at least 1", lambda widths: all(width >= 1 for width in widths))


class FlatInputs:
    """Make one float32 vector of what a user sees, the same as `envs.wrappers.flat_floats` does, and its ids last.

    Of a history the totals come as our own agents read them, see `agents.networks.trackers.Totals`: raw sums of
    a hundred slates would drown the rest. The window follows as it is.

    Args:
        spec: sizes of the environment.
        by_slot: add ``taken`` (M), 1 for the candidates that are in the slate already, and ``slot`` (K), one-hot, the
            slot that is chosen next, as `envs.wrappers.SlotBySlot` does.
        limit: numbers above which the environment is refused.

    Raises:
        ValueError: it is wider than the limit.
    """

    def __init__(self, spec: Spec, *, by_slot: bool, limit: int) -> None:
        self.num_candidates, self.slate_size, self.by_slot = spec.num_candidates, spec.slate_size, by_slot
        self.num_items, self.num_ids = spec.num_items, spec.num_candidates if IDS in spec.shapes else 0
        shapes = {key: shape for key, shape in spec.shapes.items() if key != IDS}
        if by_slot:
            shapes |= {"taken": (spec.num_candidates,), "slot": (spec.slate_size,)}
        if "history" in shapes:
            length, width = shapes["history"][0] - 1, shapes["history"][1]
            self.totals = Totals(length, width, hidden=0, streams=Streams([], torch.device("cpu")))
            shapes["history"] = (self.totals.width + length * width,)
        self.keys = sorted(shapes)
        widths = [prod(shapes[key]) for key in self.keys]
        self.width = sum(widths) + self.num_ids
        before = sum(width for key, width in zip(self.keys, widths, strict=True) if key < "taken")
        self.taken_columns = slice(before, before + spec.num_candidates)
        if self.width > limit:
            raise ValueError(
                f"{self.width:,} numbers are observed of a user and max_inputs is {limit:,}; stable-baselines3 reads "
                "all candidates as one vector: offer fewer of them, or choose another agent"
            )

    def __call__(self, observation: Observation, chosen_BS: Tensor) -> Tensor:
        """Return the vectors (B, width) on the CPU; ``chosen_BS`` are the S slots that are filled so far."""
        parts = {key: observation[key].flatten(1).cpu() for key in self.keys if key in observation}
        if "history" in parts:
            history_BLF = observation["history"].cpu()
            parts["history"] = torch.cat([self.totals(history_BLF), history_BLF[:, 1:].flatten(1)], dim=1)
        if self.by_slot:
            slot_BK = torch.zeros(len(chosen_BS), self.slate_size)
            slot_BK[:, chosen_BS.shape[1]] = 1
            parts |= {"taken": self.taken(chosen_BS).float(), "slot": slot_BK}
        ids = [observation[IDS].cpu().float()] if self.num_ids else []
        return torch.cat([*(parts[key] for key in self.keys), *ids], dim=1)

    def taken(self, chosen_BS: Tensor) -> Tensor:
        """Mark the candidates that are in the slate already, (B, M) bool on the CPU."""
        taken_BM = torch.zeros((len(chosen_BS), self.num_candidates), dtype=torch.bool)
        return taken_BM.scatter(1, chosen_BS.cpu(), True)


def nothing_chosen(observation: Observation) -> Tensor:
    """Return slates of which no slot is filled, (B, 0)."""
    return torch.zeros((len(observation["candidates"]), 0), dtype=torch.int64)


def without_repeats(wanted_BK: Tensor, logits_BKM: Tensor) -> Tensor:
    """Replace each position that stands earlier in its slate by the best of its slot's that is free.

    Args:
        wanted_BK: (B, K) positions.
        logits_BKM: (B, K, M), how good each position is in each slot.

    Returns:
        (B, K).
    """
    taken_BM = torch.zeros_like(logits_BKM[:, 0], dtype=torch.bool)
    slots = []
    for wanted_B1, logits_BM in zip(wanted_BK.unsqueeze(2).unbind(1), logits_BKM.unbind(1), strict=True):
        best_B1 = logits_BM.masked_fill(taken_BM, -torch.inf).argmax(dim=1, keepdim=True)
        slot_B1 = torch.where(taken_BM.gather(1, wanted_B1), best_B1, wanted_B1)
        taken_BM = taken_BM.scatter(1, slot_B1, True)
        slots.append(slot_B1)
    return torch.cat(slots, dim=1)


class OwnRandomness:
    """Random streams for code that draws from the global ones of torch and numpy, which stay as they are.

    Args:
        seed: of both; the same numbers follow as after seeding the global streams with it.
    """

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.numpy = np.random.RandomState(seed % 2**32)

    @contextmanager
    def instead(self) -> Iterator[None]:
        """Let what runs within draw from these streams."""
        torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
        torch.set_rng_state(self.generator.get_state())
        np.random.set_state(self.numpy.get_state())  # noqa: NPY002
        try:
            yield
        finally:
            self.generator.set_state(torch.get_rng_state())
            self.numpy.set_state(np.random.get_state())  # noqa: NPY002
            torch.set_rng_state(torch_before)
            np.random.set_state(numpy_before)  # noqa: NPY002

    def state_dict(self) -> Tensors:
        """Return where the streams are, under the names of `STREAMS`."""
        state: Any = self.numpy.get_state(legacy=False)
        keys = torch.from_numpy(state["state"]["key"].astype(np.int64))
        values = (self.generator.get_state(), keys, torch.tensor(state["state"]["pos"]))
        return dict(zip(STREAMS, values, strict=True))

    def load_state_dict(self, tensors: Tensors) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is no random stream.
        """
        check_shapes(tensors, dict(list(self.state_dict().items())[1:]))
        stream, keys, position = (tensors[name] for name in STREAMS)
        restore_stream(self.generator, stream)
        state: Any = self.numpy.get_state(legacy=False)
        state["state"] = {"key": keys.cpu().numpy().astype(np.uint32), "pos": int(position)}
        self.numpy.set_state(state)


def build_model(
    algorithm: Any, inputs: FlatInputs, actions: spaces.Space[Any], num_users: int, arguments: Mapping[str, Any]
) -> Any:
    """Build an algorithm of stable-baselines3 that is driven from outside.

    Args:
        algorithm: its class.
        inputs: what it reads.
        actions: its action space.
        num_users: B, its ``n_envs``.
        arguments: of its constructor; of those in `OURS`, those on the network go to the policy. The learning rate
            falls from the one given to 0 on a straight line.
    """
    from stable_baselines3.common.logger import Logger

    own = {name: value for name, value in arguments.items() if name not in OURS}
    own["learning_rate"] = lambda left: left * arguments["learning_rate"]
    policy = {
        "net_arch": list(arguments["net_arch"]),
        "features_extractor_class": NormalisedInputs,
        "features_extractor_kwargs": {
            "num_ids": inputs.num_ids,
            "num_items": inputs.num_items,
            "embedding": arguments["embedding"],
            "norm_obs": arguments["norm_obs"],
        },
    }
    # There is no environment to hand over, since we drive: its sizes are set as where a saved model is loaded.
    model = algorithm("MlpPolicy", None, policy_kwargs=policy, device="cpu", _init_setup_model=False, **own)
    model.observation_space = spaces.Box(-np.inf, np.inf, (inputs.width,), np.float32)
    model.action_space, model.n_envs = actions, num_users
    model._setup_model()
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def logged(model: Any, metrics: Iterable[Metric]) -> Tensors:
    """Return what a model has logged of these metrics since the last time."""
    values = {metric.name: float(model.logger.name_to_value[metric.name]) for metric in metrics}
    model.logger.dump()
    # Of returns that do not vary no variance can be explained, which is no sign of divergence.
    return {name: torch.tensor(value) for name, value in values.items() if name != EXPLAINED or not isnan(value)}


def model_state(name: str, model: Any) -> Tensors:
    """Return weights, moments and counters of a model; the counters bear the agent's name, so that others refuse it."""
    counters = {"steps": torch.tensor(model.num_timesteps), "updates": torch.tensor(model._n_updates)}
    weights = flat_module("policy", model.policy) | flat_optimizer("optimizer", model.policy.optimizer)
    return weights | above(name, counters)


def load_model_state(name: str, model: Any, tensors: Tensors) -> None:
    """Go on from a `model_state`.

    Raises:
        ValueError: the weights have other shapes.
    """
    load_module("policy", model.policy, tensors)
    load_optimizer("optimizer", model.policy.optimizer, tensors)
    counters = below(name, tensors)
    model.num_timesteps, model._n_updates = int(counters["steps"]), int(counters["updates"])


def held_rows(buffer: Any, columns: Iterable[str], number: int) -> Tensors:
    """Return the first rows of a buffer's columns, without copying them."""
    return {name: torch.from_numpy(getattr(buffer, name)[:number]) for name in columns if number}


def load_rows(buffer: Any, columns: Iterable[str], tensors: Tensors, position: int) -> None:
    """Put saved rows where they were, and the buffer to where it writes next.

    Args:
        buffer: of stable-baselines3.
        columns: what it holds.
        tensors: what `held_rows` gave.
        position: the row that is written next; behind the rows held, unless they fill the buffer.

    Raises:
        ValueError: they do not fit.
    """
    number = max((len(value) for value in tensors.values()), default=0)
    fitting = {name: (number, *getattr(buffer, name).shape[1:]) for name in columns if number}
    full = number == buffer.buffer_size
    if {name: tuple(value.shape) for name, value in tensors.items()} != fitting or not (
        (full or position == number) and position < buffer.buffer_size
    ):
        raise ValueError(
            f"the saved buffer of {number} rows does not fit this agent's of {buffer.buffer_size}; "
            "load it into an agent with the same settings, environment and number of users"
        )
    for name in fitting:
        getattr(buffer, name)[:number] = tensors[name].cpu().numpy()
    buffer.pos, buffer.full = position, full

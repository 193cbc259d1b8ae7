"""Turn what a learner holds into flat named tensors and back, to the bit and without executing code."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


class DoesNotFit(ValueError):  # noqa: N818 (as `UsageError` and `Failure` are: what it says of itself)
    """A saved state is that of something else than it is given to."""


def flat_module(prefix: str, module: torch.nn.Module) -> dict[str, Tensor]:
    """Return the weights of a module under ``prefix.``."""
    return above(prefix, module.state_dict())


def load_module(prefix: str, module: torch.nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load the weights that `flat_module` gave.

    Raises:
        ValueError: names or shapes differ.
    """
    try:
        module.load_state_dict(below(prefix, tensors))
    except RuntimeError as error:
        raise ValueError(f"the saved weights do not fit this agent: {' '.join(str(error).split())}") from error


def flat_optimizer(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the moments of an optimiser under ``prefix.``; learning rates are settings and not part of it."""
    state = optimizer.state_dict()["state"]
    return {f"{prefix}.{index}.{name}": value for index, entry in state.items() for name, value in entry.items()}


def load_optimizer(prefix: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load the moments that `flat_optimizer` gave.

    Raises:
        ValueError: they are of other weights.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for path, value in below(prefix, tensors).items():
        index, name = path.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    names = {name for entry in state.values() for name in entry}
    for place, entry in state.items():
        # Of each weight its moments, and one number: how many steps it has taken.
        weight = weights[place] if place < len(weights) else torch.empty(0)
        moment, count = (weight.shape, weight.dtype), (torch.Size(), torch.float32)
        forms = {name: (value.shape, value.dtype) for name, value in entry.items()}
        if forms != {name: count if name == "step" else moment for name in names}:
            raise ValueError(f'the saved "{prefix}.{place}" does not fit the weights of this agent')
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def check_names(tensors: Mapping[str, Tensor], names: Iterable[str], prefixes: Iterable[str] = ()) -> None:
    """Refuse a saved state that is another kind of agent's.

    Args:
        tensors: the saved state.
        names: what it has to hold.
        prefixes: what it may hold besides, under ``prefix.``.

    Raises:
        ValueError: a name is missing, or one too many.
    """
    wanted, starts = set(names), tuple(f"{prefix}." for prefix in prefixes)
    for name in sorted(wanted - tensors.keys()):
        raise ValueError(f'the saved state has no "{name}": it is that of another agent or of other settings')
    for name in sorted(tensors.keys() - wanted):
        if not name.startswith(starts):
            raise ValueError(f'the saved state has a "{name}": it is that of another agent or of other settings')


def check_shapes(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse a saved state of other sizes or types.

    Args:
        tensors: the saved state.
        own: what the agent holds now.

    Raises:
        ValueError: a name is missing, or a size or type differs.
    """
    for name, value in own.items():
        if name not in tensors:
            raise ValueError(f'the saved state has no "{name}": it is that of another agent or of other settings')
        if tensors[name].dtype != value.dtype:
            raise ValueError(f'the saved "{name}" is {tensors[name].dtype}, this agent\'s {value.dtype}')
        if tensors[name].shape != value.shape:
            raise ValueError(
                f'the saved "{name}" is {tuple(tensors[name].shape)}, this agent\'s {tuple(value.shape)}; '
                "load it into an agent with the same settings and environment"
            )


def check_alike(prefix: str, expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors of other names, shapes or types than expected; random streams are as long as their device's.

    Args:
        prefix: under which they are named in what is said.
        expected: tensors as they ought to be.
        tensors: those that are looked at.

    Raises:
        DoesNotFit: naming the first that differs.
    """
    differing = sorted(expected.keys() ^ tensors.keys())
    if differing:
        what = "missing" if differing[0] in expected else "not known here"
        raise DoesNotFit(f'the saved "{prefix}.{differing[0]}" is {what}')
    for name, value in expected.items():
        form, other = (f"{each.dtype} {tuple(each.shape)}" for each in (value, tensors[name]))
        if form != other and name.rpartition(".")[2] != "generator":
            raise DoesNotFit(f'the saved "{prefix}.{name}" is {other}, expected {form}')


def to_device(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return the tensors on a device; they are read from a checkpoint on the CPU."""
    return {name: value.to(device) for name, value in tensors.items()}


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names start with ``prefix.``, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def above(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with ``prefix.`` before their names."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def of_seed(tensors: Mapping[str, Tensor], index: int, seeds: int) -> dict[str, Tensor]:
    """Return the state that one of S seeds would have if it had been trained alone.

    What is under ``rollout.`` is (T, S B, ...), the streams under ``generator`` are (S, bytes), numbers count for all
    seeds, and everything else has a leading axis S.
    """

    def own(name: str, value: Tensor) -> Tensor:
        if not value.dim():
            return value
        if name == "generator":
            return value[index]
        if name.startswith("rollout."):
            return value.chunk(seeds, dim=1)[index]
        return value[index : index + 1]

    return {name: own(name, value) for name, value in tensors.items()}

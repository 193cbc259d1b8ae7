"""Which device a name means, and what may be done there without waiting for it."""

import os

import torch

from encoders.errors import UsageError


def resolve_device(device: str) -> torch.device:
    """Turn a device setting into a device; ``auto`` is CUDA where there is one, ``cpu:0`` is ``cpu``.

    Raises:
        UsageError: the device does not exist here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
        if resolved.type == "meta":
            raise RuntimeError("it holds no numbers")
        if resolved.type == "cpu" and resolved.index:
            raise RuntimeError("there is one CPU")
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f'device "{device}" cannot be used here; choose "auto" or "cpu" ({reason})') from error
    return torch.device("cpu") if resolved.type == "cpu" else resolved


def may_look(device: torch.device) -> bool:
    """Tell whether to look into tensors on a device: on a GPU the host would have to wait for it."""
    return device.type == "cpu"


def prefer_one_thread() -> None:
    """Let torch use one CPU thread, unless ``OMP_NUM_THREADS`` says how many.

    A step of learning is many small operations; sharing each out costs more than it brings.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)

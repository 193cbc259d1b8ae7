"""What is handed to an environment: autoreset mode, reset options, slates; looked at before anything changes."""

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from encoders import devices
from encoders.arrays import as_tensor
from encoders.errors import UsageError
from envs.interface import Spec


def check_autoreset(mode: AutoresetMode | str) -> AutoresetMode:
    """Return the autoreset mode, given itself, by its name or by its value, if it is one; else raise UsageError."""
    for known in AutoresetMode:
        if mode in (known, known.name, known.value):
            return known
    raise UsageError(f"there is no autoreset mode {mode}; use {', '.join(known.name for known in AutoresetMode)}")


def check_options(options: Any, num_envs: int, begun: bool) -> tuple[Tensor | None, Any]:
    """Return the mask of a reset, None for every row, and its users, None where there are none.

    Args:
        options: of the reset.
        num_envs: B.
        begun: whether there was a reset before, so that some rows may go on.

    Raises:
        UsageError: options that are not ``users`` or ``reset_mask``, or no mask of B rows.
    """
    given = {} if options is None else options
    if not isinstance(given, Mapping) or given.keys() - {"users", "reset_mask"}:
        raise UsageError(f"the reset options are {options}; they are a dict with users or reset_mask, or both")
    mask, users = given.get("reset_mask"), given.get("users")
    if mask is None:
        return None, users
    mask_B = as_tensor(mask, "a reset_mask")
    if mask_B.shape != (num_envs,) or mask_B.dtype != torch.bool:
        raise UsageError(f"reset_mask has to be {num_envs} booleans, one for each user")
    if not begun and not bool(mask_B.all()):
        raise UsageError("the first reset has to start every row; pass no reset_mask")
    return (mask_B if begun else None), users


def check_slates(actions: Any, num_envs: int, spec: Spec, device: torch.device) -> Tensor:
    """Return slates as positions on the device, (B, K) int64; those on a GPU are not looked into.

    Raises:
        UsageError: another shape or type, or a position outside the candidate set.
    """
    slate_BK = as_tensor(actions, "an array of slates")
    expected = (num_envs, spec.slate_size)
    if slate_BK.shape != expected:
        raise UsageError(f"the slates have shape {tuple(slate_BK.shape)}, expected (users, slots) = {expected}")
    dtype = slate_BK.dtype
    if dtype.is_floating_point or dtype.is_complex or dtype == torch.bool:
        raise UsageError(f"a slate holds integer positions in the candidate set, not {dtype}")
    # Slates that come from a GPU are not looked into: the step would have to wait for it.
    if slate_BK.device != device and devices.may_look(slate_BK.device):
        lowest, highest = torch.aminmax(slate_BK.long())
        if int(lowest) < 0 or int(highest) >= spec.num_candidates:
            raise _outside(spec.num_candidates)
    return slate_BK.to(device, torch.int64)


def items_of(slate_BK: Tensor, offered_BM: Tensor) -> Tensor:
    """Return the items of slates, (B, K); on a CPU this is where a position outside the candidate set is noticed.

    Raises:
        UsageError: there is one.
    """
    try:
        return offered_BM.gather(1, slate_BK)
    except RuntimeError as error:
        if "out of bounds" not in str(error):
            raise
        raise _outside(offered_BM.shape[1]) from error


def _outside(offered: int) -> UsageError:
    return UsageError(f"a slate names a position outside the {offered} candidates; positions are 0 to {offered - 1}")

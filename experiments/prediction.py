"""Ask a trained agent for slates as users of Gymnasium and stable-baselines3 do: numpy or tensors, batched or not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from agents.protocol import Agent
from encoders.arrays import as_tensor
from encoders.errors import UsageError
from envs.interface import Observation


def predict(
    agent: Agent, observation: Mapping[str, Any], deterministic: bool, device: torch.device
) -> npt.NDArray[np.int64] | Tensor:
    """Return what an agent shows, in the form of the observation: an array or a tensor, of one user or of B.

    Args:
        agent: asked.
        observation: of its environment, as `gym.make`, `gym.make_vec` or a vector environment of stable-baselines3 give
            it: each entry of one user's shape, or with a leading axis B.
        deterministic: its best slates; else as it explores.
        device: the agent's.

    Returns:
        (K,) or (B, K) int64, positions in the candidate set; a tensor is on the observation's device.

    Raises:
        UsageError: an entry is missing or of another shape.
    """
    seen, batched = _batch(agent, observation)
    with torch.no_grad():
        slate_BK = agent.act({name: value.to(device) for name, value in seen.items()}, explore=not deterministic)
    slate = slate_BK if batched else slate_BK[0]
    given = [value for value in observation.values() if isinstance(value, Tensor)]
    return slate.to(given[0].device) if given else slate.cpu().numpy()


def _batch(agent: Agent, observation: Mapping[str, Any]) -> tuple[Observation, bool]:
    """Return an observation as a batch of tensors, and whether it was one already."""
    shapes = agent.spec.shapes
    if not isinstance(observation, Mapping):
        raise UsageError(
            f"the observation is a {type(observation).__name__}; it has to be the dict that the environment gives"
        )
    missing = [name for name in shapes if name not in observation]
    if missing:
        made = "; make the environment with history=… as the agent was trained" if "history" in missing else ""
        raise UsageError(f"the observation lacks {', '.join(missing)}, which the agent was trained with{made}")
    seen = {name: as_tensor(observation[name], f'the observation "{name}"') for name in shapes}
    first = next(iter(shapes))
    # What stands before one user's shape: nothing, or the number of users.
    leading = seen[first].shape[: max(0, seen[first].dim() - len(shapes[first]))]
    for name, value in seen.items():
        if value.shape != (*leading, *shapes[name]) or len(leading) > 1:
            raise UsageError(
                f'the observation "{name}" has shape {tuple(value.shape)}; it has to be {shapes[name]} for one user, '
                "or that with one leading axis for several, in all entries alike"
            )
    batched = len(leading) == 1
    floats = {name: value.float() if value.is_floating_point() else value.long() for name, value in seen.items()}
    return {name: value if batched else value.unsqueeze(0) for name, value in floats.items()}, batched

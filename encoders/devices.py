"""What may be done on a device without waiting for it."""

import torch


def may_look(device: torch.device) -> bool:
    """Tell whether to look into tensors on a device: on a GPU the host would have to wait for it."""
    return device.type == "cpu"

"""Titles as numbers, which every converter, recorder and replay buffer takes: UTF-8, a row of bytes a title."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.arrays import as_tensor
from envs.simulator import Simulator

LONGEST = 200
"""Bytes of a title that are told; catalogues have some of thousands."""


def title_table(simulator: Simulator) -> NDArray[np.uint8]:
    """Return the titles of the catalogue, (N + 1, W), padded with zeros; the last row, of item -1, is blank."""
    titles = simulator.titles(np.arange(simulator.spec.num_items))
    encoded = [str(title).encode("utf-8", "replace")[:LONGEST] for title in titles]
    width = max(1, *map(len, encoded))
    return np.array([*encoded, b""], dtype=f"S{width}").view(np.uint8).reshape(-1, width)


def read_titles(titles: Any) -> NDArray[np.object_]:
    """Return the texts of ``info["titles"]``, in its shape less the last axis.

    Args:
        titles: (..., W) uint8, an array or a tensor.
    """
    codes = np.ascontiguousarray(as_tensor(titles).cpu().numpy())
    texts = codes.view(f"S{codes.shape[-1]}")[..., 0]
    return np.array(np.char.decode(texts, "utf-8", "ignore"), dtype=object)

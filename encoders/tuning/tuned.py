"""A fitted pair of towers: what turns text vectors into tuned ones, and histories into users; saved and loaded."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.errors import Failure, UsageError
from encoders.files import write_atomically
from encoders.tuning.histories import Ints, check_ids
from encoders.tuning.settings import TuningSettings
from encoders.tuning.towers import ItemTower, UserTower

Floats = NDArray[np.float32]

WEIGHTS, CONFIG = "towers.safetensors", "towers.json"
ROWS = 4_096
"""Items or users in one pass."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """Hold two fitted towers; it is used on the CPU."""

    item_tower: ItemTower
    """From text vectors as the encoder gives them."""
    user_tower: UserTower
    """From histories over tuned vectors."""
    settings: TuningSettings
    """How they were fitted."""
    epochs: int
    """Passes over the users after which the fit was best."""

    @property
    def dim(self) -> int:
        """D, the numbers of a text vector that is taken."""
        return self.item_tower.linears[0].in_features

    @property
    def num_parameters(self) -> int:
        """How many numbers were fitted."""
        towers = (self.item_tower, self.user_tower)
        return sum(weights.numel() for tower in towers for weights in tower.parameters())

    @property
    def popularity_weight(self) -> float:
        """What log(1 + likes) weighs beside the cosine of user and item, as it did in the loss."""
        return self.settings.popularity_weight * self.settings.temperature

    def items(self, vectors_ND: Floats) -> Floats:
        """Return the tuned vectors of items from their texts' alone, unit rows float32 (N, E).

        Raises:
            UsageError: text vectors of another width, or not finite.
        """
        checked_ND = check_vectors_fit(vectors_ND, self.dim)
        with torch.inference_mode():
            return torch.cat([self.item_tower(part) for part in torch.split(checked_ND, ROWS)]).numpy()

    def users(self, items_NE: Floats, liked_UL: Ints, disliked_UK: Ints) -> Floats:
        """Return the vectors of users, unit rows float32 (U, E).

        Args:
            items_NE: what `items` gave.
            liked_UL: rows of ``items_NE``, int64, newest first, -1 where there is no more.
            disliked_UK: in the same form.

        Raises:
            UsageError: an id that is no row, or vectors of another width.
        """
        if items_NE.ndim != 2 or items_NE.shape[1] != self.settings.width:
            raise UsageError(f"items have shape {items_NE.shape}; these towers want (N, {self.settings.width})")
        check_ids(liked_UL, "liked", len(items_NE))
        check_ids(disliked_UK, "disliked", len(items_NE))
        items = torch.as_tensor(items_NE)
        parts = zip(*(torch.split(torch.as_tensor(ids), ROWS) for ids in (liked_UL, disliked_UK)), strict=True)
        with torch.inference_mode():
            return torch.cat([self.user_tower(items, liked_BL, disliked_BK) for liked_BL, disliked_BK in parts]).numpy()

    def save(self, folder: Path | str) -> None:
        """Write both towers to a folder: safetensors and JSON.

        Raises:
            Failure: the folder cannot be written to.
        """
        from safetensors.torch import save

        header = {"settings": asdict(self.settings), "dim": self.dim, "epochs": self.epochs}
        weights = {
            f"{side}.{name}": value.contiguous()
            for side, tower in (("item", self.item_tower), ("user", self.user_tower))
            for name, value in tower.state_dict().items()
        }
        write_atomically(Path(folder) / WEIGHTS, save(weights))
        write_atomically(Path(folder) / CONFIG, json.dumps(header, indent=1).encode())

    @classmethod
    def load(cls, folder: Path | str) -> "Tuned":
        """Return what was saved in a folder; no code of it is run.

        Raises:
            Failure: a file is missing or not what `save` writes.
        """
        from safetensors.torch import load

        folder = Path(folder)
        try:
            header = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            weights = load((folder / WEIGHTS).read_bytes())
            settings = TuningSettings(**header["settings"])
            item_tower, user_tower = new_towers(int(header["dim"]), settings)
            item_tower.load_state_dict(_of("item", weights))
            user_tower.load_state_dict(_of("user", weights))
            return cls(item_tower=item_tower, user_tower=user_tower, settings=settings, epochs=int(header["epochs"]))
        except Exception as error:  # safetensors, torch and json raise a dozen kinds for a broken file
            first_line = str(error).strip().partition("\n")[0]
            raise Failure(f"cannot load tuned towers from {folder}: {first_line}; save them again") from error


def new_towers(dim: int, settings: TuningSettings) -> tuple[ItemTower, UserTower]:
    """Return towers with the weights that the settings' seed draws."""
    return ItemTower(dim, settings, torch.Generator().manual_seed(settings.seed)), UserTower(settings)


def check_vectors_fit(vectors_ND: Any, dim: int | None = None) -> torch.Tensor:
    """Return text vectors as float32 (N, D), or say what is wrong with them.

    Raises:
        UsageError: no matrix, another width than ``dim``, or a number that is not finite.
    """
    vectors = np.asarray(vectors_ND)
    if vectors.ndim != 2 or 0 in vectors.shape or vectors.dtype.kind != "f":
        raise UsageError(f"text vectors have shape {vectors.shape} of {vectors.dtype}; give numbers, a row an item")
    if dim is not None and vectors.shape[1] != dim:
        raise UsageError(
            f"text vectors have {vectors.shape[1]} numbers, and the towers were fitted on {dim}; give those of the "
            "encoder that they were fitted on, or fit them anew"
        )
    checked = torch.tensor(vectors, dtype=torch.float32)
    if not torch.isfinite(checked).all():
        row = int((~torch.isfinite(checked).all(dim=1)).nonzero()[0])
        raise UsageError(f"the text vector of item {row} is not finite; encode it anew")
    return checked


def _of(side: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{side}."): value for name, value in weights.items() if name.startswith(f"{side}.")}

"""What stands between the pooled vector of a text and its final one: dense layers and scalings to unit length."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.errors import Failure
from encoders.files import file_sha256, write_atomically
from encoders.layout import read_object

if TYPE_CHECKING:
    import torch

ACTIVATIONS = {
    "torch.nn.modules.activation.GELU": "gelu",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.linear.Identity": "",
}
"""From the name of an activation in a folder to the function it is; nothing is imported by a folder's word."""
WEIGHTS = "model.safetensors"
_NAMES = ("module_input_name", "module_output_name")


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A linear layer and what is applied to its result; its weights are read when they are needed."""

    folder: Path
    """Where ``model.safetensors`` lies."""
    width: int
    """Numbers of its result."""
    activation: str
    """A key of `ACTIVATIONS`."""

    def digest(self) -> str:
        """Return what tells this layer from another."""
        return f"dense {self.activation} {file_sha256(self.folder / WEIGHTS)}"

    def apply(self, vectors_BD: "torch.Tensor") -> "torch.Tensor":
        """Return the layer's result for some vectors.

        Raises:
            Failure: the weights are missing or of another shape.
        """
        import torch

        weights = self._weights()
        try:
            moved = (
                weights[name].to(vectors_BD.device) for name in ("linear.weight", "linear.bias") if name in weights
            )
            result_BE = torch.nn.functional.linear(vectors_BD, *moved)
        except (RuntimeError, TypeError) as error:
            raise Failure(f"{self.folder / WEIGHTS} does not fit the model: {error}; copy it again") from error
        name = ACTIVATIONS[self.activation]
        function: Any = getattr(torch.nn.functional, name) if name else lambda vectors: vectors
        activated: torch.Tensor = function(result_BE)
        return activated

    def _weights(self) -> "dict[str, torch.Tensor]":
        from safetensors.torch import load

        path = self.folder / WEIGHTS
        try:
            return {name: value.float() for name, value in load(path.read_bytes()).items()}
        except Exception as error:  # safetensors raises its own kinds
            raise Failure(f"cannot load {path}: {error}; copy the model folder again") from error


Step = Dense | None
"""A dense layer; None scales to unit length."""


def read_dense(folder: Path) -> Dense:
    """Return the layer that a folder of sentence-transformers describes.

    Raises:
        Failure: it asks for something else than a linear layer and a known activation, or has no safetensors.
    """
    path = folder / "config.json"
    config = read_object(path)
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    followed = (*_NAMES, "in_features", "out_features", "bias", "activation_function")
    wrong = {name: value for name, value in config.items() if name not in followed and value not in (None, False)}
    wrong |= {name: config[name] for name in _NAMES if config.get(name) not in (None, "sentence_embedding")}
    if activation not in ACTIVATIONS:
        wrong["activation_function"] = activation
    for name, value in wrong.items():
        raise Failure(f"{path} asks for {name} = {value!r}, which this package does not follow; choose another model")
    if not isinstance(width := config.get("out_features"), int) or width < 1:
        raise Failure(f"{path} names no out_features; copy the model folder again")
    if not (folder / WEIGHTS).is_file():
        raise Failure(f"{folder} has no {WEIGHTS}; other weight files can run code when loaded, so save it as one")
    return Dense(folder=folder, width=width, activation=activation)


def write_dense(folder: Path, weight_EF: "torch.Tensor", bias_E: "torch.Tensor", activation: str) -> None:
    """Write a layer as sentence-transformers does.

    Raises:
        Failure: the folder cannot be written to.
    """
    from safetensors.torch import save

    config = {
        "in_features": weight_EF.shape[1],
        "out_features": weight_EF.shape[0],
        "bias": True,
        "activation_function": activation,
    }
    write_atomically(folder / "config.json", json.dumps(config, indent=1).encode())
    weights = {"linear.weight": weight_EF.contiguous(), "linear.bias": bias_E.contiguous()}
    write_atomically(folder / WEIGHTS, save(weights))

"""How an encoder is run: device, precision, batch size."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from encoders.errors import UsageError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """Settings of a run of an encoder.

    Raises:
        UsageError: a value outside the listed ones, float16 on the CPU, or a device that is not there.
    """

    device: str = "auto"
    """Where the model runs: "auto" (CUDA if there is one, else the CPU), "cpu", "cuda", "cuda:1", "mps"."""
    precision: str = "float32"
    """Number format of the weights: "float32", "bfloat16" or "float16"; vectors are always float32."""
    batch_size: int = 32
    """Texts in one forward pass."""

    def __post_init__(self) -> None:
        """Check the values now rather than at the first text."""
        if self.precision not in PRECISIONS:
            raise UsageError(f'unknown precision "{self.precision}" (known: {", ".join(PRECISIONS)})')
        if self.batch_size < 1:
            raise UsageError(f"batch_size is {self.batch_size}; it must be at least 1")
        # Only what depends on the machine needs torch, which takes seconds to import.
        if self.device not in ("auto", "cpu") or self.precision == "float16":
            self.resolve_device()

    def resolve_device(self) -> "torch.device":
        """Return the torch device that ``device`` means on this machine."""
        from encoders.devices import resolve_device

        device = resolve_device(self.device)
        if device.type == "cpu" and self.precision == "float16":
            raise UsageError('precision "float16" needs a GPU; on the CPU choose "float32" or "bfloat16"')
        return device

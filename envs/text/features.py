"""Item features out of text vectors: centred, the leading principal components, unit length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders import load_encoder
from encoders.errors import UsageError

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """An affine map from text vectors to unit feature vectors, fitted on a catalogue.

    Raw BERT vectors share one large common direction, which crowds all cosines; centring takes it off.
    """

    mean: FloatArray
    """(E,) mean text vector of the catalogue."""
    components: FloatArray
    """(D, E) orthonormal rows, the directions of most variance first."""

    @classmethod
    def fit(cls, vectors_NE: FloatArray, num_components: int) -> "PrincipalComponents":
        """Fit on the (N, E) text vectors of a catalogue.

        Raises:
            UsageError: not 1 <= num_components <= min(N, E).
        """
        largest = min(vectors_NE.shape)
        if not 1 <= num_components <= largest:
            raise UsageError(
                f"num_features is {num_components}, but {vectors_NE.shape[0]} items with text vectors of "
                f"{vectors_NE.shape[1]} numbers give 1 to {largest} principal components"
            )
        mean_E = vectors_NE.mean(axis=0, dtype=np.float64)
        _, _, directions = np.linalg.svd(vectors_NE - mean_E, full_matrices=False)
        components_DE = directions[:num_components]
        # A direction's sign is arbitrary: make its largest entry positive, the same on every machine.
        largest_D = np.abs(components_DE).argmax(axis=1)
        components_DE = components_DE * np.sign(np.take_along_axis(components_DE, largest_D[:, None], axis=1))
        return cls(mean_E.astype(np.float32), components_DE.astype(np.float32))

    def __call__(self, vectors_BE: FloatArray, mean: FloatArray | None = None) -> FloatArray:
        """Map text vectors (B, E) to unit feature vectors (B, D); a vector at the mean maps to zero.

        Args:
            vectors_BE: the text vectors.
            mean: (E,) of texts of their kind, where that is not the catalogue's.
        """
        projected_BD = (vectors_BE - (self.mean if mean is None else mean)) @ self.components.T
        length_B1 = np.linalg.norm(projected_BD, axis=1, keepdims=True)
        units_BD: FloatArray = (projected_BD / np.maximum(length_B1, 1e-12)).astype(np.float32)
        return units_BD


class TextFeatures:
    """Features of a catalogue's texts, and of other texts in the same space.

    Args:
        item_texts: the N texts that the components are fitted on.
        encoder_name: text encoder: a name, a local folder or a hub name.
        num_features: D, principal components kept.
        device: where the features go.

    Raises:
        UsageError: unknown encoder, or more features than the texts have components.
    """

    items: Tensor
    """(N, D) float32 unit features of the catalogue."""

    def __init__(self, item_texts: Sequence[str], encoder_name: str, num_features: int, device: torch.device) -> None:
        self._encoder, self._device = load_encoder(encoder_name, device=str(device), corpus=item_texts), device
        vectors_NE = self._encoder.encode(item_texts)
        self._components = PrincipalComponents.fit(vectors_NE, num_features)
        self.items = self._put(vectors_NE)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder."""
        return self._encoder.fingerprint

    def of_people(self, texts: Sequence[str]) -> Tensor:
        """Map what n people say of themselves to unit features, (n, D) float32.

        They are centred on their own mean: what all people's words have in common, and no product's, says nothing of
        one of them, and would draw all of them to the same items.
        """
        vectors_NE = self._encoder.encode(texts)
        return self._put(vectors_NE, vectors_NE.mean(axis=0, dtype=np.float64).astype(np.float32))

    def _put(self, vectors_BE: FloatArray, mean: FloatArray | None = None) -> Tensor:
        return torch.as_tensor(self._components(vectors_BE, mean), device=self._device)

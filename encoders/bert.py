"""Any transformers encoder as a function from texts to unit vectors."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from encoders.progress import Progress, show_progress
from encoders.protocol import check_texts, check_vectors
from encoders.score import mean_pairwise_cosine
from encoders.settings import EncoderSettings
from encoders.sources import FolderSource, MemorySource, ModelSource
from encoders.tokens import pad, tokenize, unreadable

if TYPE_CHECKING:
    import torch

logger = logging.getLogger("slatelab.encoders")

WINDOW = 16_384
"""Texts tokenized and sorted by length at once; bounds the memory of token lists."""
CROWDED = 0.9
ENOUGH_TO_JUDGE = 50
MANY_UNREADABLE = 0.01
"""From this share of the texts on it is said that they cannot be read."""


class BertEncoder:
    """Encode texts with a transformers model: pooled states of the last layer, scaled to unit length.

    A folder is hashed at once but built only when a text must be encoded. A model in memory is moved to the
    device and cast to the precision at once, in place.

    Args:
        source: where model and tokenizer come from.
        settings: device, precision and batch size.

    Raises:
        UsageError: the device or precision is not to be had here.
    """

    def __init__(self, source: ModelSource, settings: EncoderSettings | None = None) -> None:
        self.settings = settings or EncoderSettings()
        self.layout = source.layout
        self.dim = min(source.dim, source.layout.width or source.dim)
        self.source = source
        self._judged = self._warned = False
        self._read = self._unread = 0
        self._model: tuple[Any, torch.device] | None = None
        if isinstance(source, MemorySource):
            self._load()

    @classmethod
    def from_folder(cls, folder: Path | str, settings: EncoderSettings | None = None) -> "BertEncoder":
        """Return the encoder of a local transformers or sentence-transformers folder."""
        return cls(FolderSource(folder), settings)

    @property
    def fingerprint(self) -> str:
        """A hash of weights, configuration, tokenizer, layout and precision; the device is no part of it."""
        layout = {name: value for name, value in asdict(self.layout).items() if value is not None}
        parts = {"source": self.source.digest(), "precision": self.settings.precision, **layout}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, float32 (len(texts), dim), in the order of the texts.

        Texts longer than ``layout.max_length`` tokens are cut. An empty list gives (0, dim).

        Raises:
            UsageError: a text is blank or no string.
            Failure: the model gives numbers that are not finite.
        """
        listed = check_texts(texts)
        vectors_ND = np.empty((len(listed), self.dim), dtype=np.float32)
        with show_progress(len(listed)) as progress:
            for start in range(0, len(listed), WINDOW):
                window = listed[start : start + WINDOW]
                vectors_ND[start : start + WINDOW] = self._encode_window(window, progress)
        checked_ND = check_vectors(vectors_ND, listed, self.dim)
        self._judge(checked_ND)
        return checked_ND

    def unreadable(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether the tokenizer knows nothing of it; all such texts are near to each other.

        Raises:
            UsageError: a text is blank or no string.
        """
        return unreadable(self._tokenizer, tokenize(self._tokenizer, check_texts(texts), self.layout), self.layout)

    @cached_property
    def _tokenizer(self) -> Any:
        return self.source.tokenizer()

    def _load(self) -> tuple[Any, "torch.device"]:
        """Return (model, device), built on the first call."""
        if self._model is None:
            import torch

            device = self.settings.resolve_device()
            model = self.source.model().to(device=device, dtype=getattr(torch, self.settings.precision))
            self._model = model, device
        return self._model

    def _encode_window(self, texts: list[str], progress: Progress) -> npt.NDArray[np.float32]:
        """Encode in batches of like length, which wastes little on padding."""
        import torch

        (model, device), tokenizer = self._load(), self._tokenizer
        tokens = tokenize(tokenizer, texts, self.layout)
        self._count_unreadable(texts, unreadable(tokenizer, tokens, self.layout))
        order = np.argsort([-len(ids) for ids in tokens], kind="stable")
        vectors_ND = np.empty((len(texts), self.dim), dtype=np.float32)
        was_training = model.training
        model.eval()
        try:
            with torch.inference_mode():
                for start in range(0, len(order), self.settings.batch_size):
                    batch = order[start : start + self.settings.batch_size]
                    ids_BT, mask_BT = pad([tokens[i] for i in batch], tokenizer.pad_token_id or 0, device)
                    states_BTD = model(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state.float()
                    mean = self.layout.pooling == "mean"
                    pooled_BD = masked_mean(states_BTD, mask_BT) if mean else states_BTD[:, 0]
                    for step in self.source.head:
                        pooled_BD = step.apply(pooled_BD) if step else torch.nn.functional.normalize(pooled_BD, dim=1)
                    units_BD = torch.nn.functional.normalize(pooled_BD[:, : self.dim], dim=1)
                    vectors_ND[batch] = units_BD.cpu().numpy()
                    progress.advance(len(batch))
        finally:
            model.train(was_training)
        return vectors_ND

    def _count_unreadable(self, texts: list[str], unread: list[bool]) -> None:
        """Warn once if many texts say nothing to the tokenizer."""
        self._read += len(texts)
        self._unread += sum(unread)
        if self._warned or not self._unread or self._unread < MANY_UNREADABLE * self._read:
            return
        self._warned = True
        logger.warning(
            '%.0f %% of the texts (%d of %d) say nothing to this encoder, such as "%s": its tokenizer knows none of '
            "their words, so they are near to each other whatever they say; choose an encoder of their language",
            *(100 * self._unread / self._read, self._unread, self._read, texts[unread.index(True)][:40]),
        )

    def _judge(self, vectors_ND: npt.NDArray[np.float32]) -> None:
        """Warn once if all texts look alike to the model, as they do to a raw BERT."""
        if self._judged or len(vectors_ND) < ENOUGH_TO_JUDGE:
            return
        self._judged = True
        mean = mean_pairwise_cosine(vectors_ND)
        logger.info("mean pairwise cosine of %d vectors: %.3f", len(vectors_ND), mean)
        if mean > CROWDED:
            logger.warning(
                "the vectors crowd together (mean pairwise cosine %.2f of %d texts), so retrieval can hardly "
                "tell items apart; fine-tune the encoder, centre its vectors, or choose a sentence encoder "
                "such as minilm",
                mean,
                len(vectors_ND),
            )


def masked_mean(states_BTD: "torch.Tensor", mask_BT: "torch.Tensor") -> "torch.Tensor":
    """Return the mean of the states at which the mask is 1, (B, D); zero where it is 1 nowhere.

    Equation: Σ_t m_t h_t / max(1, Σ_t m_t).
    Source: Reimers and Gurevych 2019, Sentence-BERT (mean pooling).
    """
    weights_BT1 = mask_BT.to(states_BTD.dtype).unsqueeze(-1)
    return (states_BTD * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1).clamp(min=1.0)

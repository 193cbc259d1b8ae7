"""Any transformers encoder as a function from texts to unit vectors."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from encoders.errors import Failure
from encoders.progress import Progress, show_progress
from encoders.protocol import check_texts
from encoders.score import mean_pairwise_cosine
from encoders.settings import EncoderSettings
from encoders.sources import FolderSource, MemorySource, ModelSource

if TYPE_CHECKING:
    import torch

logger = logging.getLogger("slatelab.encoders")

WINDOW = 16_384
"""Texts tokenized and sorted by length at once; bounds the memory of token lists."""
CROWDED = 0.9
ENOUGH_TO_JUDGE = 50


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
        self.dim = source.dim
        self._source = source
        self._judged = False
        self._parts: tuple[Any, Any, torch.device] | None = None
        if isinstance(source, MemorySource):
            self._load()

    @classmethod
    def from_folder(cls, folder: Path | str, settings: EncoderSettings | None = None) -> "BertEncoder":
        """Return the encoder of a local transformers or sentence-transformers folder."""
        return cls(FolderSource(folder), settings)

    @property
    def fingerprint(self) -> str:
        """A hash of weights, tokenizer, pooling, lengths and precision; the device is no part of it."""
        parts = {"source": self._source.digest(), "precision": self.settings.precision, **asdict(self.layout)}
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
        self._refuse_broken(vectors_ND, listed)
        self._judge(vectors_ND)
        return vectors_ND

    def _load(self) -> tuple[Any, Any, "torch.device"]:
        """Return (model, tokenizer, device), built on the first call."""
        if self._parts is None:
            import torch

            device = self.settings.resolve_device()
            model, tokenizer = self._source.load()
            model = model.to(device=device, dtype=getattr(torch, self.settings.precision))
            self._parts = model, tokenizer, device
        return self._parts

    def _encode_window(self, texts: list[str], progress: Progress) -> npt.NDArray[np.float32]:
        """Encode in batches of like length, which wastes little on padding."""
        import torch

        model, tokenizer, device = self._load()
        tokens = tokenize(tokenizer, texts, self.layout.max_length, self.layout.lower_case)
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
                    vectors_ND[batch] = torch.nn.functional.normalize(pooled_BD, dim=1).cpu().numpy()
                    progress.advance(len(batch))
        finally:
            model.train(was_training)
        return vectors_ND

    def _refuse_broken(self, vectors_ND: npt.NDArray[np.float32], texts: list[str]) -> None:
        lengths_N = np.linalg.norm(vectors_ND, axis=1)
        broken = np.flatnonzero(~(np.abs(lengths_N - 1.0) < 1e-3))
        if len(broken):
            raise Failure(
                f'the encoder gives no finite vector for text {broken[0]} ("{texts[broken[0]][:40]}") and '
                f'{len(broken) - 1} others; try precision "float32", or check the weights'
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


def tokenize(tokenizer: Any, texts: list[str], max_length: int, lower_case: bool = False) -> list[list[int]]:
    """Return the token ids of each text, cut to ``max_length``, without padding.

    Unpaired surrogates, which no tokenizer can read, become question marks.
    """
    readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    if lower_case:
        readable = [text.lower() for text in readable]
    encoded = tokenizer(readable, truncation=True, max_length=max_length, padding=False)
    return list(encoded["input_ids"])


def pad(tokens: list[list[int]], pad_id: int, device: "torch.device") -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return ids and mask, int64 (B, T), padded on the right to the longest; the mask is 1 at real tokens."""
    import torch

    lengths_B = torch.tensor([len(ids) for ids in tokens])
    rows = [torch.tensor(ids, dtype=torch.int64) for ids in tokens]
    ids_BT = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_id)
    mask_BT = (torch.arange(ids_BT.shape[1]) < lengths_B[:, None]).to(torch.int64)
    return ids_BT.to(device), mask_BT.to(device)


def masked_mean(states_BTD: "torch.Tensor", mask_BT: "torch.Tensor") -> "torch.Tensor":
    """Return the mean of the states at which the mask is 1, (B, D); zero where it is 1 nowhere.

    Equation: Σ_t m_t h_t / max(1, Σ_t m_t).
    Source: Reimers and Gurevych 2019, Sentence-BERT (mean pooling).
    """
    weights_BT1 = mask_BT.to(states_BTD.dtype).unsqueeze(-1)
    return (states_BTD * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1).clamp(min=1.0)

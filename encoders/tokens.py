"""From texts to the ids of tokens, and what of a text a tokenizer can read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from encoders.layout import Layout

if TYPE_CHECKING:
    import torch


def tokenize(tokenizer: Any, texts: Sequence[str], layout: Layout) -> list[list[int]]:
    """Return the token ids of each text with the layout's prompt, cut to its ``max_length``, without padding.

    Unpaired surrogates, which no tokenizer can read, become question marks.
    """
    readable = [f"{layout.prompt or ''}{text}".encode("utf-8", "replace").decode("utf-8") for text in texts]
    if layout.lower_case:
        readable = [text.lower() for text in readable]
    encoded = tokenizer(readable, truncation=True, max_length=layout.max_length, padding=False)
    return list(encoded["input_ids"])


def unreadable(tokenizer: Any, tokens: Sequence[Sequence[int]], layout: Layout) -> list[bool]:
    """Tell of each text whether its tokens say nothing: all of them are unknown, special or the prompt's.

    All such texts of one length get one vector, whatever they say.
    """
    # The unknown token is one of the special ones.
    nothing = {*tokenizer.all_special_ids, *tokenizer(layout.prompt or "")["input_ids"]}
    return [nothing.issuperset(ids) for ids in tokens]


def pad(tokens: list[list[int]], pad_id: int, device: "torch.device") -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return ids and mask, int64 (B, T), padded on the right to the longest; the mask is 1 at real tokens."""
    import torch

    lengths_B = torch.tensor([len(ids) for ids in tokens])
    rows = [torch.tensor(ids, dtype=torch.int64) for ids in tokens]
    ids_BT = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_id)
    mask_BT = (torch.arange(ids_BT.shape[1]) < lengths_B[:, None]).to(torch.int64)
    return ids_BT.to(device), mask_BT.to(device)

"""The encoder ``tiny``: a small random BERT for tests, without weights to fetch."""

import string
from typing import Any

from encoders.bert import BertEncoder
from encoders.layout import Layout
from encoders.settings import EncoderSettings
from encoders.sources import MemorySource

WIDTH = 32
LAYERS = 2
MAX_LENGTH = 128
SEED = 20_240_101
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def tiny_encoder(settings: EncoderSettings) -> BertEncoder:
    """Return a random BERT (2 layers, 32 wide) that is the same in every process.

    It runs the same code as a real encoder. Its vectors tell texts apart by their letters, not by
    what they mean: use it in tests. Accents are dropped, and other letters outside ASCII are unknown to it.
    """
    source = MemorySource(tiny_model(), tiny_tokenizer(), Layout(max_length=MAX_LENGTH))
    return BertEncoder(source, settings)


def tiny_vocabulary() -> dict[str, int]:
    """Return a WordPiece vocabulary of special tokens, printable characters and pairs of letters."""
    characters = sorted(set(string.printable) - set(string.whitespace) - set(string.ascii_uppercase))
    pairs = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase]
    pieces = [*characters, *pairs]
    tokens = [*_SPECIAL, *pieces, *(f"##{piece}" for piece in pieces)]
    return {token: number for number, token in enumerate(tokens)}


def tiny_tokenizer() -> Any:
    """Return the transformers tokenizer of ``tiny_vocabulary``."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = tiny_vocabulary()
    fast = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    fast.normalizer = normalizers.BertNormalizer(lowercase=True)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = dict(zip(names, _SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=fast, model_max_length=MAX_LENGTH, **special)


def tiny_model(seed: int = SEED) -> Any:
    """Return a BERT whose weights are drawn from ``seed``; torch's global random state stays as it was."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(tiny_vocabulary()),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=MAX_LENGTH,
    )
    # Building a model draws from the global generator, so its state is put back and the draws are replaced.
    with torch.random.fork_rng(devices=[]):
        model = BertModel(config, add_pooling_layer=False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                # Wide word embeddings keep different texts apart; a usual BERT's 0.02 would crowd them.
                scale = 1.0 if "word_embeddings" in name else 0.1
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
            else:
                weight.fill_(1.0 if name.endswith("LayerNorm.weight") else 0.0)
    return model.eval()

"""BertEncoder: pooling, batching, order, fingerprints, and what it refuses."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from encoders import (
    BertEncoder,
    EncoderSettings,
    Failure,
    FolderSource,
    MemorySource,
    UsageError,
    masked_mean,
)
from encoders.layout import Layout
from encoders.tiny import tiny_encoder, tiny_model, tiny_tokenizer

TEXTS = [
    "Heat (1995). Genres: Action, Crime",
    "Up",
    "The Good, the Bad and the Ugly (1966). Genres: Western, Adventure, and a very long remark about it",
    "Amélie (2001). Genres: Comedy, Romance",
    "千と千尋の神隠し",
]


class Planar(torch.nn.Module):
    """A model whose state at token t is (1, 0) for an even id and (0, 1) for an odd one."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=2)
        self.scale = torch.nn.Parameter(torch.tensor([scale]))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        states = torch.nn.functional.one_hot(input_ids % 2, 2).float() * self.scale
        # Garbage under the padding, to be sure that the mask is used.
        return SimpleNamespace(last_hidden_state=torch.where(attention_mask[..., None] > 0, states, 1e6))


@pytest.fixture(scope="module")
def tiny() -> BertEncoder:
    return tiny_encoder(EncoderSettings(device="cpu", batch_size=2))


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def edit_json(path: Path, **changes: object) -> None:
    path.parent.mkdir(exist_ok=True)
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**before, **changes}))


def test_masked_mean_is_the_hand_computed_one() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]], [[5.0, 7.0], [9.0, 9.0], [9.0, 9.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    torch.testing.assert_close(masked_mean(states, mask), torch.tensor([[2.0, 4.0], [5.0, 7.0]]))


def test_a_vector_is_the_unit_masked_mean_of_the_states_of_its_tokens() -> None:
    tokenizer = tiny_tokenizer()
    encoder = BertEncoder(MemorySource(Planar(), tokenizer), EncoderSettings(device="cpu"))
    texts = ["a", "a much longer text beside it"]
    for row, text in zip(encoder.encode(texts), texts, strict=True):
        ids = np.array(tokenizer(text)["input_ids"])
        expected = np.array([(ids % 2 == 0).mean(), (ids % 2 == 1).mean()])
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-6)


def test_vectors_are_float32_of_unit_length(tiny: BertEncoder) -> None:
    vectors = tiny.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), tiny.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_padding_and_batching_change_nothing_and_order_is_kept(tiny: BertEncoder) -> None:
    together = tiny_encoder(EncoderSettings(device="cpu", batch_size=5)).encode(TEXTS)
    alone = np.concatenate([tiny.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(tiny.encode(TEXTS[::-1]), alone[::-1], atol=1e-5)
    assert (alone @ alone.T)[~np.eye(len(TEXTS), dtype=bool)].max() < 0.99, "texts must differ for this to mean it"


def test_windows_and_long_texts_are_put_together(tiny: BertEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tiny.encode(TEXTS)
    monkeypatch.setattr("encoders.bert.WINDOW", 2)
    np.testing.assert_allclose(tiny.encode(TEXTS), whole, atol=1e-5)
    assert tiny.encode(["word " * 5_000]).shape == (1, tiny.dim)


def test_no_texts_give_no_rows(tiny: BertEncoder) -> None:
    assert tiny.encode([]).shape == (0, tiny.dim)


def test_an_unpaired_surrogate_is_encoded(tiny: BertEncoder) -> None:
    assert np.isfinite(tiny.encode(["broken \ud83d emoji"])).all()


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["good", " \n"], "text 1 is blank"),
        (["good", ""], "text 1 is blank"),
        (7, "encode wants a list of texts, not 7"),
        ([float("nan")], "text 0 is a float"),
        ("one string", "write encode"),
    ],
)
def test_what_is_no_text_is_refused_by_a_sentence(tiny: BertEncoder, texts: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        tiny.encode(texts)


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), 0.0])
def test_a_vector_that_is_not_finite_or_zero_is_a_failure(scale: float) -> None:
    source = MemorySource(Planar(scale), tiny_tokenizer())
    with pytest.raises(Failure, match='no finite vector for the text "a"'):
        BertEncoder(source, EncoderSettings(device="cpu")).encode(["a"])


def test_encoding_leaves_training_mode_gradients_and_global_randomness_as_they_were() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    model = tiny_model().train()
    encoder = BertEncoder(MemorySource(model, tiny_tokenizer()), EncoderSettings(device="cpu"))
    np.testing.assert_array_equal(encoder.encode(TEXTS), encoder.encode(TEXTS))  # no dropout
    assert model.training
    assert torch.equal(torch.rand(1), expected)


def test_crowded_vectors_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    encoder = BertEncoder(MemorySource(Planar(), tiny_tokenizer()), EncoderSettings(device="cpu"))
    with caplog.at_level(logging.WARNING, "slatelab.encoders"):
        encoder.encode(["a"] * 49)
        assert not caplog.records
        encoder.encode(["a"] * 50)
        encoder.encode(["a"] * 50)
    assert [record.getMessage()[:28] for record in caplog.records] == ["the vectors crowd together ("]


def test_the_fingerprint_follows_weights_pooling_length_and_precision_but_not_batches() -> None:
    def fingerprint(seed: int = 1, precision: str = "float32", batch_size: int = 8, **layout: object) -> str:
        source = MemorySource(tiny_model(seed), tiny_tokenizer(), Layout(**layout))  # type: ignore[arg-type]
        settings = EncoderSettings(device="cpu", precision=precision, batch_size=batch_size)
        return BertEncoder(source, settings).fingerprint

    others = [
        fingerprint(seed=2),
        fingerprint(precision="bfloat16"),
        fingerprint(pooling="cls"),
        fingerprint(max_length=17),
    ]
    assert len({fingerprint(), *others}) == 5
    assert fingerprint() == fingerprint(batch_size=16)


def test_the_fingerprint_does_not_follow_the_device(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = BertEncoder.from_folder(tiny_folder, EncoderSettings(device="cpu"))
    monkeypatch.setattr(torch, "empty", lambda *sizes, device: None)
    cuda = BertEncoder.from_folder(tiny_folder, EncoderSettings(device="cuda"))
    assert cpu.fingerprint == cuda.fingerprint


def test_the_fingerprint_follows_a_weight_changed_in_place() -> None:
    model = tiny_model()
    encoder = BertEncoder(MemorySource(model, tiny_tokenizer()), EncoderSettings(device="cpu"))
    before = encoder.fingerprint
    model.embeddings.word_embeddings.weight.data[7, 7] += 1e-3
    assert encoder.fingerprint != before


def test_the_fingerprint_of_a_model_in_memory_stays_the_same_over_calls() -> None:
    encoder = tiny_encoder(EncoderSettings(device="cpu"))
    before = encoder.fingerprint
    encoder.encode(TEXTS)
    assert encoder.fingerprint == before


def test_the_fingerprint_of_a_model_in_memory_follows_its_configuration_and_the_side_that_is_cut() -> None:
    model, tokenizer = tiny_model(), tiny_tokenizer()
    encoder = BertEncoder(MemorySource(model, tokenizer), EncoderSettings(device="cpu"))
    before = encoder.fingerprint
    model.config.num_attention_heads = 2
    after_heads = encoder.fingerprint
    tokenizer.truncation_side = "left"
    assert len({before, after_heads, encoder.fingerprint}) == 3


def test_a_model_in_memory_reads_as_many_tokens_as_model_and_tokenizer_can() -> None:
    tokenizer = tiny_tokenizer()
    assert MemorySource(tiny_model(), tokenizer).layout.max_length == 128
    tokenizer.model_max_length = 30
    assert MemorySource(tiny_model(), tokenizer).layout.max_length == 30


def test_a_tokenizer_without_a_fast_form_is_refused_by_a_sentence() -> None:
    with pytest.raises(UsageError, match="is no fast tokenizer"):
        MemorySource(tiny_model(), SimpleNamespace(model_max_length=128))


def test_many_texts_that_cannot_be_read_are_warned_of_once_with_their_share(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tiny: BertEncoder
) -> None:
    khmer = ["ខ្ញុំចូលចិត្តអាន", "រឿងស្នេហា"]
    assert tiny.unreadable([*khmer, "Heat", "Heat ខ្ញុំ", "\u200b"]) == [True, True, False, False, True]
    encoder = tiny_encoder(EncoderSettings(device="cpu"))
    monkeypatch.setattr("encoders.bert.CROWDED", 1.0)
    with caplog.at_level(logging.WARNING, "slatelab.encoders"):
        encoder.encode([f"Heat {number}" for number in range(200)])
        encoder.encode([khmer[0]])
        assert not caplog.records
        encoder.encode([*khmer, "Up"])
        encoder.encode(khmer)
    assert [record.getMessage()[:45] for record in caplog.records] == ["1 % of the texts (3 of 204) say nothing to th"]


def test_a_text_is_unreadable_whatever_the_prompt_says() -> None:
    source = MemorySource(tiny_model(), tiny_tokenizer(), Layout(max_length=128, prompt="query: "))
    encoder = BertEncoder(source, EncoderSettings(device="cpu"))
    assert encoder.unreadable(["រឿងស្នេហា", "love"]) == [True, False]


def test_a_saved_folder_gives_the_vectors_of_the_model_it_was_saved_from(
    tiny: BertEncoder, tiny_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    encoder = BertEncoder.from_folder(tiny_folder, EncoderSettings(device="cpu"))
    np.testing.assert_allclose(encoder.encode(TEXTS[:4]), tiny.encode(TEXTS[:4]), atol=1e-5)
    printed = capfd.readouterr()
    assert printed.err == ""
    assert printed.out == ""


def test_the_fingerprint_of_a_folder_follows_its_files(tiny_folder: Path) -> None:
    before = BertEncoder.from_folder(tiny_folder).fingerprint
    tiny_model(seed=5).save_pretrained(tiny_folder)
    after_weights = BertEncoder.from_folder(tiny_folder).fingerprint
    edit_json(tiny_folder / "tokenizer_config.json", model_max_length=17)
    assert len({before, after_weights, BertEncoder.from_folder(tiny_folder).fingerprint}) == 3


def test_the_fingerprint_of_a_folder_follows_the_precision(tiny_folder: Path) -> None:
    def fingerprint(precision: str) -> str:
        return BertEncoder.from_folder(tiny_folder, EncoderSettings(device="cpu", precision=precision)).fingerprint

    assert fingerprint("float32") != fingerprint("bfloat16")


def test_weights_that_can_run_code_are_refused(tiny_folder: Path) -> None:
    (tiny_folder / "model.safetensors").rename(tiny_folder / "pytorch_model.bin")
    with pytest.raises(Failure, match=r"no model\.safetensors"):
        FolderSource(tiny_folder)


def test_code_in_the_folder_is_not_run(tiny_folder: Path, tmp_path: Path) -> None:
    edit_json(tiny_folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.C", "AutoModel": "own.M"})
    (tiny_folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(Failure, match="cannot load"):
        BertEncoder.from_folder(tiny_folder).encode(["a"])
    assert not (tmp_path / "ran").exists()


def test_missing_weights_are_not_replaced_by_random_ones(tiny_folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(tiny_folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, tiny_folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Failure, match=r"lack encoder.layer.1.output.dense.weight \(1 in all\)"):
        BertEncoder.from_folder(tiny_folder).encode(["a"])


def test_cut_weights_are_a_failure(tiny_folder: Path) -> None:
    weights = tiny_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(Failure, match="cannot load the model"):
        BertEncoder.from_folder(tiny_folder).encode(["a"])


def test_bfloat16_is_near_float32(tiny: BertEncoder) -> None:
    half = tiny_encoder(EncoderSettings(device="cpu", precision="bfloat16"))
    cosines = (half.encode(TEXTS) * tiny.encode(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.99


def test_the_first_cpu_is_the_cpu() -> None:
    assert EncoderSettings(device="cpu:0").resolve_device() == torch.device("cpu")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"device": "cpu", "precision": "float16"}, "needs a GPU"),
        ({"precision": "int8"}, "unknown precision"),
        ({"device": "gpu"}, 'device "gpu" cannot be used here'),
        ({"device": "cuda:99"}, 'device "cuda:99" cannot be used here'),
        ({"device": "meta"}, "it holds no numbers"),
        ({"device": "cpu:1"}, "there is one CPU"),
        ({"batch_size": 0}, "at least 1"),
    ],
)
def test_settings_are_checked_at_construction(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        EncoderSettings(**settings)  # type: ignore[arg-type]

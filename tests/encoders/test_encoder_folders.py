"""Folders of sentence-transformers: every setting that they hold is followed, or refused by its name."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from encoders import BertEncoder, EncoderSettings, Failure, FolderSource
from encoders.layout import Layout, token_limit
from encoders.modules import read_folder
from encoders.tiny import tiny_model, tiny_tokenizer

TEXT = "Heat (1995). Genres: Action"
LONG = "word and other things " * 30
Write = Callable[..., Path]


def put_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a plain transformers model that reads 128 tokens."""
    folder = tmp_path_factory.mktemp("models") / "plain"
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def write(plain: Path, tmp_path: Path) -> Write:
    """Return a function that writes a folder as sentence-transformers 6.2 does, with other content of some files."""

    def write_folder(*kinds: str, **files: Any) -> Path:
        folder = shutil.copytree(plain, tmp_path / "model")
        base, own = "sentence_transformers.base.modules", "sentence_transformers.sentence_transformer.modules"
        modules = [
            {
                "idx": place,
                "name": str(place),
                "path": f"{place}_{kind}" if place else "",
                "type": f"{base if kind in ('Transformer', 'Normalize') else own}.{kind.lower()}.{kind}",
            }
            for place, kind in enumerate(kinds or ("Transformer", "Pooling", "Normalize"))
        ]
        unit = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
        contents = {
            "modules": modules,
            "sentence_bert_config": {
                "transformer_task": "feature-extraction",
                "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
                "module_output_name": "token_embeddings",
            },
            "config_sentence_transformers": {
                "__version__": {"sentence_transformers": "6.2.0"},
                "default_prompt_name": None,
                "model_type": "SentenceTransformer",
                "prompts": {"document": "", "query": ""},
                "similarity_fn_name": "cosine",
            },
            "Pooling": {"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": True},
            "Dropout": {"dropout": 0.3},
            "Normalize": unit,
        }
        paths = {module["type"].rpartition(".")[2]: f"{module['path']}/config" for module in modules[1:]}
        for name, content in contents.items():
            if name in paths or name[0].islower():
                given = files.get(name, {})
                whole = content | given if isinstance(given, dict) and isinstance(content, dict) else given or content
                put_json(folder / f"{paths.get(name, name)}.json", whole)
        return folder

    return write_folder


def states(text: str, max_length: int = 128) -> torch.Tensor:
    ids = tiny_tokenizer()(text, truncation=True, max_length=max_length)["input_ids"]
    return tiny_model()(input_ids=torch.tensor([ids])).last_hidden_state[0].detach()


def assert_encodes(folder: Path, text: str, expected: torch.Tensor) -> None:
    (vector,) = BertEncoder.from_folder(folder, EncoderSettings(device="cpu")).encode([text])
    np.testing.assert_allclose(vector, expected / expected.norm(), atol=1e-5)


def test_pooling_is_read_where_the_modules_say(write: Write) -> None:
    folder = write("Transformer", "Normalize", "Pooling", Pooling={"pooling_mode": "cls"})
    assert_encodes(folder, TEXT, states(TEXT)[0])


def test_dropout_changes_nothing(write: Write) -> None:
    folder = write("Transformer", "Pooling", "Dropout", "Normalize", "Dropout")
    assert_encodes(folder, TEXT, states(TEXT).mean(dim=0))


def test_the_limit_of_tokens_is_the_tokenizers_own(write: Write) -> None:
    folder = write()
    path = folder / "tokenizer_config.json"
    put_json(path, json.loads(path.read_text()) | {"model_max_length": 40})
    assert read_folder(folder)[1].max_length == 40
    assert_encodes(folder, LONG, states(LONG, 40).mean(dim=0))


def test_the_limit_of_tokens_of_an_older_folder_is_the_one_beside_the_tokenizer(write: Write) -> None:
    assert read_folder(write(sentence_bert_config={"max_seq_length": 50}))[1].max_length == 50


def test_a_plain_folder_reads_as_many_tokens_as_model_and_tokenizer_can(plain: Path) -> None:
    assert read_folder(plain) == (plain, Layout(max_length=128))
    assert_encodes(plain, LONG, states(LONG, 128).mean(dim=0))


@pytest.mark.parametrize(
    ("config", "asked", "limit"),
    [
        ({"max_position_embeddings": 512}, None, 512),
        ({"max_position_embeddings": 512}, 10**30, 512),
        ({"max_position_embeddings": 512}, 400, 400),
        ({"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": 1}, 10**30, 512),
        ({"max_position_embeddings": -1}, None, 512),
        ({}, 2048, 2048),
        ({}, None, 512),
    ],
)
def test_a_limit_is_the_smaller_of_what_is_asked_and_what_the_model_has(
    config: dict[str, Any], asked: int | None, limit: int
) -> None:
    assert token_limit(config, asked) == limit


def test_a_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(Failure, match="'many' in the model's folder, expected a number"):
        token_limit({"max_position_embeddings": 512}, "many")


def test_texts_are_lowered_where_the_folder_says(write: Write) -> None:
    assert read_folder(write(sentence_bert_config={"do_lower_case": True}))[1].lower_case


def test_the_prompt_for_every_text_and_the_width_are_followed(write: Write) -> None:
    asked = {"prompts": {"query": "query: "}, "default_prompt_name": "query", "truncate_dim": 10}
    folder = write(config_sentence_transformers=asked)
    assert BertEncoder.from_folder(folder).dim == 10
    assert_encodes(folder, TEXT, states(f"query: {TEXT}").mean(dim=0)[:10])


def test_prompts_that_are_not_for_every_text_are_named(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "slatelab.encoders"):
        layout = read_folder(write(config_sentence_transformers={"prompts": {"query": "query: ", "document": ""}}))[1]
    assert layout.prompt is None
    assert "has prompts (query) but none for every text" in caplog.text


def test_a_model_in_a_folder_of_its_own_is_found(write: Write) -> None:
    folder = write()
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    put_json(folder / "modules.json", modules)
    inner = folder / "0_Transformer"
    inner.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).rename(inner / name)
    put_json(inner / "sentence_bert_config.json", {"max_seq_length": 30})
    assert_encodes(folder, LONG, states(LONG, 30).mean(dim=0))


@pytest.mark.parametrize("flag", [True, False])
def test_the_flags_of_older_poolings_are_read(write: Write, flag: bool) -> None:
    folder = write()
    put_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, "pooling_mode_cls_token": flag})
    assert read_folder(folder)[1].pooling == ("cls" if flag else "mean")


def test_layouts_that_differ_in_prompt_or_width_have_fingerprints_of_their_own(write: Write) -> None:
    folder = write()
    found = {BertEncoder.from_folder(folder).fingerprint}
    for change in ({"prompts": {"q": "a "}, "default_prompt_name": "q"}, {"truncate_dim": 8}):
        put_json(folder / "config_sentence_transformers.json", change)
        found.add(BertEncoder.from_folder(folder).fingerprint)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("file", "setting", "value"),
    [
        ("sentence_bert_config", "transformer_task", "fill-mask"),
        ("sentence_bert_config", "module_output_name", "sentence_embedding"),
        ("sentence_bert_config", "modality_config", {"text": {"method": "get_text_features"}}),
        ("sentence_bert_config", "processing_kwargs", {"text": {"max_length": 9}}),
        ("sentence_bert_config", "query_length", 32),
        ("sentence_bert_config", "model_args", {"attn_implementation": "eager"}),
        ("sentence_bert_config", "never_heard_of", 3),
        ("config_sentence_transformers", "model_type", "SparseEncoder"),
        ("config_sentence_transformers", "similarity_fn_name", "manhattan"),
        ("config_sentence_transformers", "default_prompt_name", "nowhere"),
        ("config_sentence_transformers", "truncate_dim", "half"),
        ("config_sentence_transformers", "prompts", ["query: "]),
        ("Pooling", "never_heard_of", 3),
        ("Normalize", "module_input_name", "token_embeddings"),
    ],
)
def test_a_setting_that_is_not_followed_is_refused_by_its_name(
    write: Write, file: str, setting: str, value: object
) -> None:
    folder = write(**{file: {setting: value}})
    with pytest.raises(Failure, match=f"asks for {setting} = .*which this package does not follow"):
        FolderSource(folder)


def test_a_dot_product_is_a_cosine_only_of_vectors_of_unit_length(write: Write) -> None:
    asked = {"similarity_fn_name": "dot"}
    folder = write("Transformer", "Normalize", "Pooling", config_sentence_transformers=asked)
    with pytest.raises(Failure, match="similarity_fn_name = 'dot'"):
        FolderSource(folder)
    shutil.rmtree(folder)
    FolderSource(write(config_sentence_transformers=asked))


def test_a_prompt_whose_tokens_are_not_pooled_is_refused(write: Write) -> None:
    asked = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    with pytest.raises(Failure, match="include_prompt"):
        FolderSource(write(config_sentence_transformers=asked, Pooling={"include_prompt": False}))


@pytest.mark.parametrize("mode", ["max", ["mean", "cls"], ["lasttoken"]])
def test_another_pooling_is_refused(write: Write, mode: object) -> None:
    with pytest.raises(Failure, match="asks for pooling"):
        FolderSource(write(Pooling={"pooling_mode": mode}))


@pytest.mark.parametrize(
    ("modules", "sentence"),
    [
        ([{"path": "", "type": "sentence_transformers.models.Dense"}], "Dense module"),
        ([{"path": "", "type": "own_code.Transformer"}], r"Transformer module \(own_code\)"),
        ([{"path": "../other", "type": "sentence_transformers.models.Transformer"}], "outside the folder"),
        ([{"path": "", "type": "sentence_transformers.models.Transformer"}] * 2, "two Transformer modules"),
        ([{"path": "", "type": "sentence_transformers.models.Transformer"}], "and pool it"),
        ({"path": ""}, "no list of modules"),
        ([3], "no list of modules"),
    ],
)
def test_other_modules_are_refused(write: Write, modules: object, sentence: str) -> None:
    folder = write()
    put_json(folder / "modules.json", modules)
    with pytest.raises(Failure, match=sentence):
        FolderSource(folder)


@pytest.mark.parametrize("path", ["1_Pooling/config.json", "sentence_bert_config.json"])
def test_half_of_a_folder_is_refused(plain: Path, tmp_path: Path, path: str) -> None:
    folder = shutil.copytree(plain, tmp_path / "half")
    put_json(folder / path, {})
    with pytest.raises(Failure, match="copy the whole model folder"):
        FolderSource(folder)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("config.json", {"model_type": "bert"}, "hidden_size"),
        ("config.json", {"model_type": "t5", "d_model": 8, "is_encoder_decoder": True}, "encoder-decoder"),
        ("config.json", [1], "no JSON object"),
        ("adapter_config.json", {}, "adapter"),
    ],
)
def test_what_is_no_encoder_is_refused(plain: Path, tmp_path: Path, file: str, content: object, sentence: str) -> None:
    folder = shutil.copytree(plain, tmp_path / "other")
    put_json(folder / file, content)
    with pytest.raises(Failure, match=sentence):
        FolderSource(folder)

"""Tuned encoders on disk: what is loaded is what was saved, by us and by sentence-transformers."""

from pathlib import Path

import numpy as np
import pytest

from encoders import load_encoder
from encoders.errors import Failure, UsageError
from encoders.tuning.fitting import tune
from encoders.tuning.histories import Histories
from encoders.tuning.saving import save_encoder
from encoders.tuning.settings import TuningSettings
from encoders.tuning.tuned import CONFIG, WEIGHTS, Tuned

TEXTS = [
    f"{name} ({year}). Genres: Drama" for name in ("Heat", "Toy Story", "Alien", "Vertigo") for year in (1958, 1995)
]


def fitted(hidden: int = 8, pooling: str = "mean") -> Tuned:
    vectors = load_encoder("tiny", device="cpu", cache=False).encode(TEXTS)
    liked = np.array([[0, 1, 2], [2, 3, -1], [4, 5, 6]])
    histories = Histories(liked=liked, disliked=np.array([[7], [-1], [-1]]), num_items=len(TEXTS))
    settings = TuningSettings(width=6, hidden=hidden, pooling=pooling, epochs=3, device="cpu")
    return tune(vectors, histories, settings)


@pytest.mark.parametrize("hidden", [0, 8])
def test_a_saved_encoder_gives_the_tuned_vectors(tmp_path: Path, hidden: int) -> None:
    base, tuned = load_encoder("tiny", device="cpu", cache=False), fitted(hidden)
    save_encoder(tmp_path / "tuned", base, tuned)
    expected = tuned.items(base.encode(TEXTS))
    loaded = load_encoder(str(tmp_path / "tuned"), device="cpu", cache=False)
    assert loaded.dim == 6
    np.testing.assert_allclose(loaded.encode(TEXTS), expected, atol=1e-5)


def test_sentence_transformers_loads_a_saved_encoder_to_the_same_vectors(tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    base, tuned = load_encoder("tiny", device="cpu", cache=False), fitted()
    save_encoder(tmp_path, base, tuned)
    theirs = library.SentenceTransformer(str(tmp_path), device="cpu", local_files_only=True).encode(TEXTS)
    np.testing.assert_allclose(theirs, tuned.items(base.encode(TEXTS)), atol=1e-5)


def test_other_weights_of_the_head_are_another_encoder(tmp_path: Path) -> None:
    base = load_encoder("tiny", device="cpu", cache=False)
    save_encoder(tmp_path / "one", base, fitted())
    save_encoder(tmp_path / "same", base, fitted())
    save_encoder(tmp_path / "other", base, fitted(hidden=9))
    one, same, other = (
        load_encoder(str(tmp_path / name), device="cpu").fingerprint for name in ("one", "same", "other")
    )
    assert one == same != other


def test_towers_are_loaded_as_they_were_saved(tmp_path: Path) -> None:
    tuned = fitted(pooling="attention")
    tuned.save(tmp_path)
    loaded = Tuned.load(tmp_path)
    vectors = load_encoder("tiny", device="cpu", cache=False).encode(TEXTS)
    items = tuned.items(vectors)
    np.testing.assert_array_equal(loaded.items(vectors), items)
    told = np.array([[3, 1]]), np.array([[2]])
    np.testing.assert_array_equal(loaded.users(items, *told), tuned.users(items, *told))
    assert (loaded.settings, loaded.epochs) == (tuned.settings, tuned.epochs)


def test_a_broken_file_of_towers_is_told_in_a_sentence(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    for name in (WEIGHTS, CONFIG):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:-30])
        with pytest.raises(Failure, match="cannot load tuned towers"):
            Tuned.load(tmp_path)
        (tmp_path / name).write_bytes(whole)


def test_an_encoder_that_towers_do_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="transformers model"):
        save_encoder(tmp_path, load_encoder("random", cache=False), fitted())
    save_encoder(tmp_path / "one", load_encoder("tiny", device="cpu"), fitted())
    has_a_head = load_encoder(str(tmp_path / "one"), device="cpu")
    with pytest.raises(UsageError, match="transformers model"):
        save_encoder(tmp_path / "two", has_a_head, fitted())


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("torch.nn.modules.activation.GELU", "os.system", "activation_function"),
        ('"bias": true', '"bias": true, "use_residual": true', "use_residual"),
    ],
)
def test_a_dense_layer_that_is_not_followed_is_refused(tmp_path: Path, before: str, after: str, told: str) -> None:
    save_encoder(tmp_path, load_encoder("tiny", device="cpu"), fitted())
    config = tmp_path / "3_Dense" / "config.json"
    config.write_text(config.read_text().replace(before, after))
    with pytest.raises(Failure, match=told):
        load_encoder(str(tmp_path), device="cpu")


def test_a_dense_layer_without_safetensors_is_refused(tmp_path: Path) -> None:
    save_encoder(tmp_path, load_encoder("tiny", device="cpu"), fitted())
    (tmp_path / "3_Dense" / "model.safetensors").rename(tmp_path / "3_Dense" / "pytorch_model.bin")
    with pytest.raises(Failure, match=r"3_Dense has no model\.safetensors"):
        load_encoder(str(tmp_path), device="cpu")

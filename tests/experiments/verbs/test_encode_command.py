"""``slatelab encode``: a row for each line, or a sentence."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from encoders import load_encoder
from experiments.cli import main


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffHeat (1995)\r\nAmélie (2001)\nHeat (1995)".encode())
    return path


def test_each_line_becomes_a_row(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = load_encoder("tiny", device="cpu").encode(["Heat (1995)", "Amélie (2001)", "Heat (1995)"])
    for name in ("vectors.npy", "vectors.safetensors"):
        out = tmp_path / name
        assert main(["encode", str(texts), "--encoder", "tiny", "--device", "cpu", "--out", str(out)]) == 0
        found = np.load(out) if out.suffix == ".npy" else load_file(out)["vectors"]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert "3 vectors of 32 numbers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is no file"),
        (b"", "is empty"),
        (b"Heat\n \nAlien\n", "line 2 is blank"),
        (b"Heat\nAm\xe9lie\n", "line 2 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_encoded_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, told: str
) -> None:
    path = tmp_path / "texts.txt"
    if content is not None:
        path.write_bytes(content)
    assert main(["encode", str(path), "--encoder", "tiny", "--out", str(tmp_path / "v.npy")]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "v.npy").exists()


def test_an_ending_without_a_format_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", "nowhere.txt", "--out", "vectors.csv"]) == 2
    assert ".npy or .safetensors" in capsys.readouterr().err

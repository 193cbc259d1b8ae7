"""metrics.csv under hard conditions."""

import shutil
from pathlib import Path

import pytest

from encoders import Failure
from experiments.tracking.metrics_file import MetricsFile


@pytest.mark.parametrize("made_again", [False, True])
def test_a_removed_folder_is_told_so_and_gets_no_file_without_a_head(tmp_path: Path, made_again: bool) -> None:
    path = tmp_path / "run" / "metrics.csv"
    metrics = MetricsFile(path, ["a"])
    metrics.write(10, {"a": 1.0})
    assert path.read_text().splitlines()[1:] == ["10,1.0"]
    shutil.rmtree(path.parent)
    if made_again:
        path.parent.mkdir()
    with pytest.raises(Failure, match="removed or moved meanwhile"):
        metrics.write(20, {"a": 1.0})
    assert not path.exists()

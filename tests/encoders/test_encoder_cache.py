"""CachedEncoder and the files beneath it: nothing twice, nothing lost, nothing half-written."""

import errno
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import encoders
from encoders import CachedEncoder, Failure, UsageError, cache_folder, cosine, write_atomically
from encoders import cache as cache_module
from encoders import files as files_module
from encoders import store as store_module
from encoders.cache import text_key

ROOT = Path(encoders.__file__).resolve().parents[1]


class Counting:
    """Encode a text as a unit vector drawn from its hash, and count what is asked."""

    def __init__(self, dim: int = 8, fingerprint: str = "counting-1", fails_after: int | None = None) -> None:
        self.dim, self.fingerprint, self.fails_after = dim, fingerprint, fails_after
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if self.fails_after is not None and len(self.asked) >= self.fails_after:
            raise KeyboardInterrupt
        self.asked += texts
        rows = [np.random.default_rng(list(text_key(text))).normal(size=self.dim) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(-1, self.dim)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


TEXTS = [f"film number {i}" for i in range(100)]


def shards(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.npy"))


def test_a_second_run_encodes_nothing_and_gives_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Counting(), Counting()
    expected = CachedEncoder(first, tmp_path).encode(TEXTS)
    with caplog.at_level(logging.INFO, "slatelab.encoders"):
        found = CachedEncoder(second, tmp_path).encode(TEXTS)
    assert len(first.asked) == 100
    assert second.asked == []
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, Counting().encode(TEXTS))
    assert "encoded 0 new texts, 100 from the cache" in caplog.text


def test_only_new_texts_are_encoded_and_each_once(tmp_path: Path) -> None:
    CachedEncoder(Counting(), tmp_path).encode(TEXTS[:60])
    inner = Counting()
    mixed = [*TEXTS[50:], TEXTS[99], TEXTS[0]]
    found = CachedEncoder(inner, tmp_path).encode(mixed)
    assert sorted(inner.asked) == sorted(TEXTS[60:])
    np.testing.assert_array_equal(found, Counting().encode(mixed))


def test_another_fingerprint_is_another_cache(tmp_path: Path) -> None:
    CachedEncoder(Counting(), tmp_path).encode(TEXTS)
    other = Counting(fingerprint="counting-2")
    CachedEncoder(other, tmp_path).encode(TEXTS)
    assert len(other.asked) == 100


def test_a_fingerprint_that_changes_under_way_is_followed(tmp_path: Path) -> None:
    inner = Counting()
    cached = CachedEncoder(inner, tmp_path)
    cached.encode(TEXTS)
    inner.fingerprint = "fine-tuned"
    cached.encode(TEXTS)
    assert len(inner.asked) == 200


def test_no_texts_give_no_rows_and_blank_ones_are_refused(tmp_path: Path) -> None:
    cached = CachedEncoder(Counting(), tmp_path)
    assert cached.encode([]).shape == (0, 8)
    with pytest.raises(UsageError, match="text 0 is blank"):
        cached.encode([" "])


def _rows(value: float, count: int) -> np.ndarray:
    return np.full((count, 8), value, dtype=np.float32)


@pytest.mark.parametrize(
    ("encode", "sentence"),
    [
        (lambda texts: _rows(np.nan, len(texts)), 'no finite vector for the text "film number'),
        (lambda texts: _rows(np.inf, len(texts)), "no finite vector"),
        (lambda texts: _rows(0.0, len(texts)), "no finite vector"),
        (lambda texts: _rows(2.0, len(texts)), "of length 5.66 for the text"),
        (lambda texts: np.ones((len(texts), 3), dtype=np.float32), "correct its dim"),
        (lambda texts: np.ones(8, dtype=np.float32), "gives shape (8,)"),
        (lambda texts: [[1.0], [1.0, 2.0]], "no array of numbers"),
        (lambda texts: ["red"], "no array of numbers"),
        (lambda texts: torch.ones((len(texts), 8), requires_grad=True), "tensor.detach().cpu().numpy()"),
    ],
)
def test_what_is_no_unit_vector_is_a_failure_and_never_kept(
    tmp_path: Path, encode: Callable[[Sequence[str]], object], sentence: str
) -> None:
    inner = Counting()
    inner.encode = encode  # type: ignore[method-assign, assignment]
    with pytest.raises(Failure, match=re.escape(sentence)):
        CachedEncoder(inner, tmp_path).encode(TEXTS)
    assert not shards(tmp_path)
    assert CachedEncoder(Counting(), tmp_path).encode(TEXTS).shape == (100, 8)


def test_a_crash_half_way_keeps_the_chunks_that_were_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "CHUNK", 30)
    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(Counting(fails_after=60), tmp_path).encode(TEXTS)
    again = Counting()
    CachedEncoder(again, tmp_path).encode(TEXTS)
    assert len(again.asked) == 40


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "pickle"])
def test_a_broken_shard_is_ignored_with_a_warning_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    CachedEncoder(Counting(), tmp_path).encode(TEXTS)
    (shard,) = shards(tmp_path)
    content = bytearray(shard.read_bytes())
    if damage == "cut":
        content = content[:-10]
    elif damage == "empty":
        content = bytearray()
    elif damage == "flipped":
        content[-5] ^= 1
    else:
        content = bytearray(b"\x80\x04N.")
    shard.write_bytes(content)
    again = Counting()
    with caplog.at_level(logging.WARNING, "slatelab.encoders"):
        found = CachedEncoder(again, tmp_path).encode(TEXTS)
    assert "is broken" in caplog.text
    assert len(again.asked) == 100
    np.testing.assert_array_equal(found, Counting().encode(TEXTS))
    last = Counting()
    CachedEncoder(last, tmp_path).encode(TEXTS)
    assert last.asked == []


def test_many_shards_are_merged_and_lose_nothing(tmp_path: Path) -> None:
    cached = CachedEncoder(Counting(), tmp_path)
    for text in TEXTS:
        cached.encode([text])
    assert len(shards(tmp_path)) < store_module.MANY
    np.testing.assert_array_equal(cached.encode(TEXTS), Counting().encode(TEXTS))
    fresh = Counting()
    np.testing.assert_array_equal(CachedEncoder(fresh, tmp_path).encode(TEXTS), Counting().encode(TEXTS))
    assert fresh.asked == []


def test_a_shard_merged_away_by_another_process_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in TEXTS[:20]:
        CachedEncoder(Counting(), tmp_path).encode([text])
    true_open = store_module.VectorStore._open
    merged = []

    def open_late(store: store_module.VectorStore, path: Path) -> np.ndarray:
        if not merged:
            merged.append(path)
            with monkeypatch.context() as inside:
                inside.setattr(store_module, "MANY", 2)
                CachedEncoder(Counting(), tmp_path).encode(TEXTS[:1])
        return true_open(store, path)

    monkeypatch.setattr(store_module.VectorStore, "_open", open_late)
    inner = Counting()
    CachedEncoder(inner, tmp_path).encode(TEXTS[:20])
    assert len(shards(tmp_path)) == 1
    assert inner.asked == []


def test_a_shard_that_another_process_merges_at_once_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_write = store_module.VectorStore._write

    def write_and_lose(store: store_module.VectorStore, shard: np.ndarray) -> Path | None:
        path = true_write(store, shard)
        assert path is not None
        path.unlink()
        return path

    monkeypatch.setattr(store_module.VectorStore, "_write", write_and_lose)
    inner = Counting()
    cached = CachedEncoder(inner, tmp_path)
    first = cached.encode(TEXTS[:3])
    assert np.array_equal(cached.encode(TEXTS[:3]), first)
    assert inner.asked == list(TEXTS[:3])


def test_two_processes_at_once_share_a_cache(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
import numpy as np
from {Path(__file__).stem} import Counting, TEXTS
from encoders import CachedEncoder
for turn in range(4):
    cached = CachedEncoder(Counting(), Path({str(tmp_path)!r}))
    for text in TEXTS[::1 if sys.argv[1] == "a" else -1]:
        assert np.array_equal(cached.encode([text]), Counting().encode([text]))
"""
    running = [
        subprocess.Popen([sys.executable, "-c", code, name], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    for process in running:
        _, printed = process.communicate(timeout=120)
        assert process.returncode == 0, printed
        assert "broken" not in printed
    inner = Counting()
    np.testing.assert_array_equal(CachedEncoder(inner, tmp_path).encode(TEXTS), Counting().encode(TEXTS))
    assert inner.asked == []


def test_processes_that_start_cold_together_encode_each_text_once(tmp_path: Path) -> None:
    code = f"""
import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from {Path(__file__).stem} import Counting, TEXTS
from encoders import CachedEncoder

class Slow(Counting):
    def encode(self, texts):
        time.sleep(1.0)
        return super().encode(texts)

inner = Slow()
cached = CachedEncoder(inner, Path({str(tmp_path)!r}))
print("ready", flush=True)
sys.stdin.readline()
cached.encode(TEXTS)
print(len(inner.asked))
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes) for _ in range(3)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    asked = [int(process.communicate(timeout=120)[0]) for process in running]
    assert sorted(asked) == [0, 0, len(TEXTS)]


def test_a_cache_that_cannot_be_written_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    inner = Counting()
    cached = CachedEncoder(inner, tmp_path / "file")
    with caplog.at_level(logging.WARNING, "slatelab.encoders"):
        cached.encode(TEXTS[:50])
        found = cached.encode(TEXTS)
    np.testing.assert_array_equal(found, Counting().encode(TEXTS))
    assert len(inner.asked) == 100, "what was encoded stays in memory"
    assert caplog.text.count("SLATELAB_CACHE") == 1


def test_ten_thousand_vectors_are_read_in_well_under_half_a_second(tmp_path: Path) -> None:
    texts = [f"{i} title" for i in range(10_000)]
    quick = Counting(dim=384)
    quick.encode = lambda asked: np.full((len(asked), 384), 384**-0.5, dtype=np.float32)  # type: ignore[method-assign]
    CachedEncoder(quick, tmp_path).encode(texts)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        assert CachedEncoder(Counting(dim=384), tmp_path).encode(texts).shape == (10_000, 384)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


def test_the_cache_folder_is_the_named_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLATELAB_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    CachedEncoder(Counting()).encode(["a"])
    assert len(shards(tmp_path)) == 1
    monkeypatch.delenv("SLATELAB_CACHE")
    assert cache_folder().name == "slatelab"


@pytest.mark.parametrize("found", [None, Path("~/.cache/slatelab")], ids=["refused", "not resolved"])
def test_without_a_home_directory_nothing_is_kept_for_the_next_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, found: Path | None
) -> None:
    import platformdirs

    def look(name: str) -> Path:
        if found is None:
            raise RuntimeError("could not determine the home directory")
        return found

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLATELAB_CACHE")
    monkeypatch.setattr(platformdirs, "user_cache_path", look)
    files_module._passing_folder.cache_clear()
    folder = cache_folder()
    assert folder == cache_folder()
    assert folder.is_dir()
    assert folder.is_absolute()
    assert caplog.text.count("there is no home directory") == 1
    CachedEncoder(Counting()).encode(["a"])
    assert len(shards(folder)) == 1
    assert not list(tmp_path.iterdir())


def test_a_cache_named_in_a_home_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLATELAB_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(UsageError, match="write the path in full"):
        cache_folder()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "that you may write to"),
        (errno.ENOENT, "removed or moved meanwhile"),
        (errno.ENOTDIR, "a file is in the way"),
        (errno.ENAMETOOLONG, "choose a shorter name"),
        (errno.EIO, "check the disk"),
    ],
)
def test_the_cure_fits_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(Failure, match=words) as caught:
        write_atomically(tmp_path / "b.bin", b"new")
    assert ("free some space" in str(caught.value)) == (code == errno.ENOSPC)


def test_a_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.bin"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.bin"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "b.bin"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(Failure, match="No space left on device; free some space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.bin"]


WRITER = """
import os, sys, time
from pathlib import Path
from encoders.files import write_atomically
true_fsync = os.fsync
def wait(number):
    true_fsync(number)
    print("written", flush=True)
    time.sleep(100)
os.fsync = wait
write_atomically(Path(sys.argv[1]), b"content")
"""


def test_what_a_killed_process_left_half_written_is_swept_at_the_next_start(tmp_path: Path) -> None:
    """While the process lives its part stays."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "vectors" / "0ab" / "shard.npy")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        CachedEncoder(Counting(), tmp_path / "vectors")
        assert len(list(tmp_path.rglob("*.part"))) == 1
    finally:
        writer.kill()
        writer.communicate()
    assert len(list(tmp_path.rglob("*.part"))) == 1
    CachedEncoder(Counting(), tmp_path / "vectors")
    assert not list(tmp_path.rglob("*.part"))


def test_a_cached_text_scores_one_with_itself(tmp_path: Path) -> None:
    vectors = CachedEncoder(Counting(), tmp_path).encode(["a", "a"])
    assert cosine(vectors[0], vectors[1]) == pytest.approx(1.0)

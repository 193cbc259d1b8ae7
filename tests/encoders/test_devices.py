"""How many CPU threads the commands take."""

import pytest
import torch

from encoders import devices


@pytest.mark.parametrize(("asked", "taken"), [(None, [1]), ("4", [])])
def test_one_thread_unless_the_environment_says_how_many(
    asked: str | None, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    devices.prefer_one_thread()
    assert seen == taken

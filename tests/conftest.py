"""What every test shares: a cache of its own session, never the user's."""

import os
from collections.abc import Iterator

import pytest

# Workers share the cores: one thread each, also in the processes that tests start. Set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point ``$SLATELAB_CACHE`` at a folder that goes away with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLATELAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield

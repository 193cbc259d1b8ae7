"""What every test shares: a cache of its own session, never the user's."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point ``$SLATELAB_CACHE`` at a folder that goes away with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLATELAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield

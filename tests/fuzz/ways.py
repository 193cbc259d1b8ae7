"""Every way in."""

from collections.abc import Mapping

from calls import index, resets, slates, texts
from cases import Way
from checkpoints import checkpoints
from data_files import data_files
from settings_files import flags, toml

WAYS: Mapping[str, Way] = {
    "data": data_files,
    "toml": toml,
    "flags": flags,
    "checkpoints": checkpoints,
    "slates": slates,
    "resets": resets,
    "texts": texts,
    "index": index,
}
"""Name to a function of a case that raises where something is wrong."""

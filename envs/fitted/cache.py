"""Fitted preferences on disk, so that the same ratings and settings are fitted once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from encoders.cache import cache_folder, write_atomically
from encoders.errors import Failure
from encoders.files import one_at_a_time, sweep_parts
from envs.catalog import DataSet
from envs.fingerprints import fingerprint
from envs.fitted.preferences import PREDICTORS, SPLITS, Preferences, PreferenceSettings, fit_preferences

CODE_VERSION = 2  # raise it when the same settings no longer give the same preferences

_logger = logging.getLogger("slatelab.envs")
_ARRAYS = ("item_factors", "item_biases", "rater_factors", "rater_biases", "liked", "directions", "interests")


def load_or_fit(dataset: DataSet, settings: PreferenceSettings, cache_dir: Path | None = None) -> Preferences:
    """Return the fitted preferences, from the cache where the same ratings and settings were fitted before.

    `cache_dir` is the folder of the cached files; by default `preferences` in the project's cache folder.
    A file that cannot be read or written is logged as a warning, and the preferences are fitted.

    Raises:
        UsageError: as `fit_preferences`.
    """
    folder = cache_dir if cache_dir is not None else cache_folder() / "preferences"
    sweep_parts(folder)
    path = folder / f"{_cache_key(dataset, settings)}.safetensors"
    fitted = _read(path)
    if fitted is not None:
        return fitted
    with one_at_a_time(path):
        fitted = _read(path)  # another process may have fitted them while this one waited
        return _fit(dataset, settings, path) if fitted is None else fitted


def _read(path: Path) -> Preferences | None:
    """Return the preferences in a file; None if there is none, or, with a warning, if it is broken."""
    if not path.exists():
        return None
    try:
        return _unpack(path.read_bytes())
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        _logger.warning("the cached preferences %s are broken (%s); fitting them anew", path, error)
        with contextlib.suppress(OSError):
            path.unlink()
        return None


def _fit(dataset: DataSet, settings: PreferenceSettings, path: Path) -> Preferences:
    """Fit preferences and keep them in a file."""
    preferences = fit_preferences(dataset, settings)
    try:
        write_atomically(path, _pack(preferences))
    except (OSError, Failure) as error:
        _logger.warning("cannot cache the preferences as %s (%s); going on without", path, error)
    return preferences


def fit_fingerprint(dataset: DataSet, settings: PreferenceSettings) -> str:
    """Return the fingerprint of preferences: of ratings, settings and the version of the code that fits them."""
    return fingerprint(dataset.fingerprint, json.dumps([CODE_VERSION, settings.facts()], sort_keys=True))


def _cache_key(dataset: DataSet, settings: PreferenceSettings) -> str:
    """Return a hash of everything that the fitted preferences depend on."""
    ratings = dataset.ratings
    facts = [CODE_VERSION, settings.facts(), dataset.star_range, len(dataset.catalog), len(ratings.user_ids)]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for column in (ratings.users, ratings.items, ratings.stars, ratings.timestamps):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:32]


def _checksum(arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return the SHA-256 of the arrays and their names, uint8 (32,)."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)


def _pack(preferences: Preferences) -> bytes:
    """Return the preferences as safetensors, with a checksum."""
    arrays = {name: getattr(preferences, name) for name in _ARRAYS}
    arrays["global_mean"] = np.array([preferences.global_mean])
    arrays["explicit"] = np.array([preferences.explicit])
    arrays["errors"] = np.array([[preferences.errors[part][name] for name in PREDICTORS] for part in SPLITS])
    arrays.update({f"split.{part}": preferences.split[part] for part in SPLITS})
    arrays["checksum"] = _checksum(arrays)
    return safetensors.numpy.save(arrays)


def _unpack(content: bytes) -> Preferences:
    """Return the preferences in `content`; a ValueError or KeyError says that it is not as it was written."""
    arrays = safetensors.numpy.load(content)
    if not np.array_equal(arrays.pop("checksum"), _checksum(arrays)):
        raise ValueError("the checksum does not fit")
    return Preferences(
        **{name: arrays[name] for name in _ARRAYS},
        global_mean=float(arrays["global_mean"][0]),
        explicit=bool(arrays["explicit"][0]),
        split={part: arrays[f"split.{part}"] for part in SPLITS},
        errors={
            part: {name: float(error) for name, error in zip(PREDICTORS, row, strict=True)}
            for part, row in zip(SPLITS, arrays["errors"], strict=True)
        },
    )

"""How the folder of a run comes into being: whole, held by one process, and over nothing but a former run."""

import contextlib
import glob
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from encoders.errors import Failure, UsageError
from encoders.files import cure
from experiments.folder import RunFolder
from experiments.locking import locked
from experiments.settings import RunSettings


@contextlib.contextmanager
def created(folder: RunFolder, run: RunSettings, overwrite: bool = False) -> Iterator[None]:
    """Make the folder of a run with its config.toml, and keep other processes out of it while the block lives.

    It is made under another name and moved into place, which works over nothing: what was put there meanwhile stays. A
    former run is moved aside first and deleted last, so that a kill at any moment leaves a whole run, the old or the
    new one.

    Args:
        folder: which does not exist, is empty, or may be overwritten.
        run: what is written to config.toml.
        overwrite: put it in the place of a former run.

    Raises:
        UsageError: something is there that is no run, or a run that another process is at work in.
        Failure: the folder cannot be made.
    """
    place = folder.path.resolve()
    if place == Path.cwd():
        raise UsageError(f"{folder.path} is the folder you are in; name one that is not there yet with --out")
    new = RunFolder(_beside(place, "part"))
    with contextlib.ExitStack() as stack:
        try:
            new.path.mkdir(parents=True)
            new.write_config(run)
            stack.enter_context(locked(new.path, folder.busy))
            if overwrite and folder.config.is_file():
                _move_aside(folder, place)
            _move_into_place(new, folder, place)
        except OSError as error:
            raise Failure(f"cannot make the run folder {folder.path}: {error.strerror}; {cure(error)}") from error
        finally:
            shutil.rmtree(new.path, ignore_errors=True)
        _delete_former(place)
        yield


def _beside(place: Path, suffix: str) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}.{suffix}")


def _move_aside(folder: RunFolder, place: Path) -> None:
    with locked(place, folder.busy):
        former = _beside(place, "old")
        place.rename(former)
        # Looked at where nobody knows it any more: what is in it now stays what is in it.
        stranger = RunFolder(former).stranger()
        if stranger is not None:
            former.rename(place)
            raise UsageError(folder.untouched(stranger))


def _move_into_place(new: RunFolder, folder: RunFolder, place: Path) -> None:
    with contextlib.suppress(OSError):
        place.rmdir()  # an empty folder is as good as none
    try:
        new.path.rename(place)
    except OSError:
        folder.check_free(overwrite=False)
        raise


def _delete_former(place: Path) -> None:
    """Delete the runs that were moved aside, by this process or by one that was killed."""
    for former in place.parent.glob(f".{glob.escape(place.name)}.*.old"):
        with contextlib.suppress(UsageError, OSError), locked(former, "somebody else deletes it"):
            for entry in RunFolder(former).entries():
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            former.rmdir()

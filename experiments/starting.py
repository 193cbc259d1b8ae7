"""Begin a training, or go on with one, in the folder of its run."""

import contextlib
from collections.abc import Iterator, Sequence

from agents.protocol import Agent
from agents.state import DoesNotFit, check_alike
from encoders.errors import UsageError
from encoders.files import sweep_parts
from envs.interface import Tensors
from envs.simulator import Simulator, resolve_device
from experiments.building import build_agent
from experiments.checkpoint import check_content, check_same, load_checkpoint, read_header
from experiments.config import read_tables
from experiments.creation import created
from experiments.divergence import in_tensors
from experiments.folder import RunFolder
from experiments.locking import locked
from experiments.loop import learn
from experiments.memory import enough_memory
from experiments.progress import say
from experiments.settings import RunSettings
from experiments.sizes import Sizes, read_spec
from experiments.tracking.logbook import Logbook
from experiments.training import Training, member_state


@contextlib.contextmanager
def start(
    run: RunSettings, folder: RunFolder, overwrite: bool = False, kernel: Simulator | None = None
) -> Iterator[Training]:
    """Train a new agent in a folder that does not exist yet, or may be overwritten; see `start_seeds`."""
    with start_seeds([run], [folder], overwrite, kernel) as training:
        yield training


@contextlib.contextmanager
def start_seeds(
    runs: Sequence[RunSettings],
    folders: Sequence[RunFolder],
    overwrite: bool = False,
    kernel: Simulator | None = None,
) -> Iterator[Training]:
    """Train several seeds at once, each in a folder of its own, as if alone; `resume` goes on with any of them.

    Everything that can be wrong with the settings is found before a folder is touched. Other processes are kept out of
    the folders while the block lives. Seconds of learning are shared equally among the seeds.

    Args:
        runs: settings that differ in the seed alone; of several runs, of an agent that can train many seeds at once.
        folders: one for each run; they do not exist yet, or may be overwritten.
        overwrite: replace folders that exist.
        kernel: the environment's simulator, if it is built already.
    """
    for folder in folders:
        folder.check_free(overwrite)
    training = _build(runs, kernel)
    with contextlib.ExitStack() as stack:
        for run, folder in zip(runs, folders, strict=True):
            stack.enter_context(created(folder, run, overwrite))
        _learn(training, folders)
        yield training


@contextlib.contextmanager
def resume(run: RunSettings, folder: RunFolder, kernel: Simulator | None = None) -> Iterator[Training]:
    """Go on with a run where its last checkpoint left it; without one, from the start.

    Other processes are kept out of the folder while the block lives.

    Args:
        run: the settings.
        folder: of the run.
        kernel: the environment's simulator, if it is built already.

    Raises:
        UsageError: the checkpoint was made with other settings, or another process is at work in the folder.
        Failure: it is broken.
    """
    folder.check_is_run()
    if not folder.checkpoint.is_file():
        say(f"{folder.path} has no checkpoint yet: beginning anew")
        with start(run, folder, overwrite=True, kernel=kernel) as training:
            yield training
        return
    with locked(folder.path, folder.busy):
        sweep_parts(folder.path)
        training = restore(run, folder, kernel)
        _tell_divergence(folder, training.state_dict())
        if read_tables(folder.config).get("env") != run.tables()["env"]:
            folder.write_config(run)  # data or encoder were moved
        say(f"going on after {training.user_steps:,} user-steps")
        _learn(training, [folder], resumed=True)
        yield training


def restore(run: RunSettings, folder: RunFolder, kernel: Simulator | None = None) -> Training:
    """Build a training as its last checkpoint has it."""
    tensors, header = load_checkpoint(folder.checkpoint)
    check_same(header, run, folder.path)
    training = _build([run], kernel)
    check_content(header, training.simulator, folder.path)
    with _fitting(folder):
        training.load_state_dict(tensors, header)
    return training


def restore_agent(run: RunSettings, folder: RunFolder) -> Agent | None:
    """Build the agent alone as its last checkpoint has it; None where one of before does not tell the sizes."""
    spec = read_header(folder.checkpoint).spec
    if spec is None:
        return None
    tensors, header = load_checkpoint(folder.checkpoint)
    check_same(header, run, folder.path)
    agent = build_agent([run], Sizes(spec=read_spec(spec), device=resolve_device(run.train.device)))
    saved = member_state(tensors, "agent")
    with _fitting(folder):
        agent.load_state_dict(saved)
        check_alike("agent", agent.state_dict(), saved)
    _tell_divergence(folder, saved)
    return agent


def _tell_divergence(folder: RunFolder, tensors: Tensors) -> None:
    trouble = in_tensors(tensors)
    if trouble is not None:
        say(f"{folder.path} has diverged: {trouble} in its checkpoint")


@contextlib.contextmanager
def _fitting(folder: RunFolder) -> Iterator[None]:
    """Turn what goes wrong with a checkpoint's tensors into a sentence."""
    try:
        yield
    except Exception as error:  # (an agent is anybody's code)
        raise _misfit(folder, error) from error


def _misfit(folder: RunFolder, error: Exception) -> UsageError:
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return UsageError(
        f"the checkpoint in {folder.path} does not fit this agent and environment ({kind}{error}); "
        "was the code changed since?"
    )


def _build(runs: Sequence[RunSettings], kernel: Simulator | None) -> Training:
    if kernel is None:
        say(f"loading the catalogue of {runs[0].train.env} …")
    with enough_memory(runs[0]):
        return Training(runs, kernel)


def _learn(training: Training, folders: Sequence[RunFolder], resumed: bool = False) -> None:
    logbooks = [Logbook(folder, seed, resumed) for folder, seed in zip(folders, training.seeds(), strict=True)]
    try:
        with enough_memory(training.runs[0]):
            learn(training, logbooks)
    except DoesNotFit as error:  # what was saved is seen beside what comes at the first step
        raise _misfit(folders[0], error) from error
    finally:
        for logbook in logbooks:
            logbook.close()

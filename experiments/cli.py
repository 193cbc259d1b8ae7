"""The command line ``slatelab``: find the verb, turn what goes wrong into a sentence and an exit code."""

import errno
import sys
from collections.abc import Sequence

from encoders.errors import Failure, UsageError
from encoders.files import cure
from encoders.registry import lookup, unknown_name
from experiments.namesakes import PACKAGES, hidden_by_us, own_packages_first
from experiments.output import steady_output

VERBS = {
    "train": ("experiments.verbs.train:main", "train an agent and compare it with every baseline"),
    "evaluate": ("experiments.verbs.evaluate:main", "compare the agent of a run with every baseline anew"),
    "benchmark": ("experiments.verbs.benchmark:main", "train agents in environments with several seeds: a scoreboard"),
    "pipeline": (
        "experiments.verbs.pipeline:main",
        "climb the ladder of recommenders on a data set, encoders among them",
    ),
    "check": ("experiments.verbs.check:main", "check an environment or agent of your own, or any other"),
    "list": ("experiments.verbs.list:main", "list environments, agents, encoders"),
    "report": ("experiments.verbs.report:main", "compare finished runs in tables and figures"),
    "dashboard": ("experiments.verbs.dashboard:main", "show runs in TensorBoard"),
    "readout": ("experiments.verbs.readout:main", "say how much of a hidden world the texts of its items tell"),
    "encode": ("experiments.verbs.encode:main", "turn a file of texts into vectors"),
    "score": ("experiments.verbs.score:main", "say how near an item's text is to a user's"),
}
"""Name to import path and help line. A line here is all that a new verb needs beside its own file."""

OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C."""
    with steady_output():
        return _run(list(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: list[str]) -> int:
    """Do what a command line says; turn what goes wrong into a sentence and an exit code."""
    try:
        return _dispatch(arguments)
    except UsageError as error:
        return _complain(error, USAGE)
    except Failure as error:
        return _complain(error, FAILURE)
    except OSError as error:
        return _complain(_about_file(error), FAILURE)
    except ImportError as error:
        told = hidden_by_us(error.name) or _about_package(error)
        if told is None:
            raise
        return _complain(told, FAILURE)
    except (MemoryError, RuntimeError) as error:
        from experiments.memory import shortage

        told = shortage(error)
        if told is None:
            raise
        return _complain(told, FAILURE)
    except KeyboardInterrupt as stop:
        return _complain(f"interrupted; {stop}" if str(stop) else "interrupted", INTERRUPTED)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else OK


def _dispatch(arguments: list[str]) -> int:
    own_packages_first()
    if any("\0" in argument for argument in arguments):
        raise UsageError("an argument holds a zero byte, which no name or path can; leave it out")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_usage())
        return OK if arguments else USAGE
    if arguments[0] == "--version":
        from experiments.checkpoint import installed_version

        print(f"slatelab {installed_version()}")
        return OK
    verb, *rest = arguments
    if verb not in VERBS:
        raise unknown_name("command", verb, VERBS)
    code: int = lookup("command", verb, {name: path for name, (path, _) in VERBS.items()})(rest)
    return code


def _about_package(error: ImportError) -> str | None:
    """Return that a package is not installed; None where something else is wrong with an import."""
    if not isinstance(error, ModuleNotFoundError) or (error.name or "").partition(".")[0] in PACKAGES:
        return None
    return f'the package "{error.name}" is not installed; install slatelab again, or add it'


def _about_file(error: OSError) -> str:
    """Return what the system says about a file, and the cure where it is known."""
    if error.strerror is None:
        return str(error)
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{error.strerror}{where}; free some space, then repeat the command (a training goes on with --resume RUN)"
        )
    return f"{error.strerror}{where}; {cure(error)}"


def _complain(error: BaseException | str, code: int) -> int:
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"slatelab: {text}", file=sys.stderr)
    return code


def _usage() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in VERBS.items()]
    return "\n".join(
        [
            "usage: slatelab COMMAND …",
            "",
            "Does reinforcement learning make a recommender better over a whole session?",
            "",
            *lines,
            "",
            "slatelab COMMAND --help says more. slatelab train alone trains SlateQ on real films.",
        ]
    )

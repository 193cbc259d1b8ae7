"""The two ways in which a command may end badly, each with its exit code."""


class UsageError(ValueError):
    """What the user asked for cannot be: a wrong name, option or value. Exit code 2."""


class Failure(RuntimeError):  # noqa: N818 (the word the command line prints)
    """What the user asked for is right but did not work: a broken file, a full disk. Exit code 1."""

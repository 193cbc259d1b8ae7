"""``slatelab``, and ``python -m experiments``: see to it that the packages are ours, then run the command line."""

import sys

from experiments.namesakes import namesake, own_packages_first


def main() -> int:
    """Run the command line of this process and return its exit code."""
    own_packages_first()
    told = namesake()
    if told is not None:
        print(f"slatelab: {told}", file=sys.stderr)
        return 1
    # Not before: it imports two of the packages.
    from experiments.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())

"""The commands of ``slatelab``, one module each with ``main(arguments) -> exit code``."""

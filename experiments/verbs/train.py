"""``slatelab train``."""

from collections.abc import Sequence

from experiments.verbs.train_flags import TrainArguments, parse_train


def main(arguments: Sequence[str]) -> int:
    """Train or resume, evaluate, print the table and leave everything in the run folder."""
    return _train(parse_train(arguments))


def _train(parsed: TrainArguments) -> int:
    from encoders.devices import prefer_one_thread
    from experiments.folder import RunFolder, default_folder
    from experiments.progress import log_to_stderr, say
    from experiments.run import Run
    from experiments.starting import resume, start
    from experiments.trust import resuming
    from experiments.verbs.tables import print_evaluation

    log_to_stderr()
    prefer_one_thread()
    resumed = parsed.flags.resume
    folder = default_folder(parsed.run) if resumed is None else RunFolder(resumed)
    if resumed is not None and folder.summary.is_file():
        say(f"{folder.path} is finished: see {folder.summary}, or slatelab evaluate {folder.quoted}")
        return 0
    begun = resumed is not None
    with resume(parsed.run, folder) if begun else start(parsed.run, folder, parsed.flags.overwrite) as training:
        run = Run.of(folder, training)
        try:
            result = run.evaluate()
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(f"go on with {resuming(folder.path, parsed.run.tables())}") from stop
        run.write_summary(result)
    print_evaluation(result)
    say(f"the run is in {folder.path}; slatelab dashboard {folder.quoted} shows it")
    return 0

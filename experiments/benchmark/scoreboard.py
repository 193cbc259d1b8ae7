"""What a benchmark's folder holds: finished runs and how they stand, and what is missing and why."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from encoders.errors import Failure, UsageError
from experiments import config
from experiments.benchmark.cells import RETURNS
from experiments.benchmark.notes import Notes
from experiments.benchmark.record import Record, read_record
from experiments.benchmark.standings import Earned, Entrant, Standing, everybody, interquartile, standings
from experiments.building import MYOPIC_TWIN
from experiments.folder import RunFolder
from experiments.sessions import SAMPLED, Sessions
from experiments.statistics import Estimate, best_first

MEASURED = ("done", "diverged")
NAMED = ("env", "agent", "seed")


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """One environment, agent and seed, as far as it has come."""

    env: str
    agent: str
    seed: int
    status: str
    """``done``, ``diverged``, ``n/a``, ``failed``, ``unfinished`` or ``left out``."""
    reason: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What its record or note says."""
    earned: Earned | None = None
    """What it earned, if it was measured."""
    twin: Earned | None = None
    """What its twin with discount 0 earned, if it has one."""
    drawn: Earned | None = None
    """What slates drawn from its policy earned, if it learns a chance of slates."""


@dataclass(frozen=True, kw_only=True)
class Arena:
    """One environment."""

    env: str
    users: int
    """Of the panel; 0 where nobody was measured."""
    clusters: int
    """Raters or personas they are drawn around, or users if they are drawn around nobody."""
    standings: Sequence[Standing]
    """The best first."""
    cells: Sequence[CellResult]
    """By agent and seed."""

    def of(self, agent: str) -> Standing | None:
        """Return how an agent stands, or None where no run of it was measured."""
        return next((standing for standing in self.standings if standing.seeds and standing.name == agent), None)


@dataclass(frozen=True, kw_only=True)
class Scoreboard:
    """Everything that is there."""

    commands: Sequence[str]
    arenas: Sequence[Arena]
    troubles: Sequence[str]
    """What could not be read, in sentences."""

    def overall(self) -> dict[str, tuple[Estimate, int] | None]:
        """Return each agent's interquartile mean of scores and over how many environments; the best first."""
        found: dict[str, tuple[Estimate, int] | None] = {}
        for agent in dict.fromkeys(cell.agent for arena in self.arenas for cell in arena.cells):
            standing = [arena.of(agent) for arena in self.arenas]
            scores = [each.scores for each in standing if each is not None and each.scores is not None]
            found[agent] = (interquartile(scores), len(scores)) if scores else None
        return dict(
            sorted(found.items(), key=lambda entry: math.inf if entry[1] is None else best_first(entry[1][0].mean))
        )


def read_scoreboard(out: Path) -> Scoreboard:
    """Read a benchmark's folder.

    Raises:
        UsageError: there is no benchmark in it.
        Failure: its notes are broken.
    """
    if not out.is_dir():
        raise UsageError(f"there is no benchmark folder {out}")
    notes, troubles = Notes.read(out), list[str]()
    records: dict[str, Record] = {}
    for path in sorted((out / RETURNS).glob("*.safetensors")):
        try:
            records[path.stem] = read_record(path)
        except Failure as error:
            troubles.append(str(error))
    baselines = {str(record.about["env"]): record for record in records.values() if "agent" not in record.about}
    cells = _cells(out, records, notes, baselines)
    if not cells:
        command = shlex.join(["slatelab", "benchmark", "--out", str(out)])
        raise UsageError(f"{out} holds no run of a benchmark yet; {command} makes some")
    arenas = []
    for env in dict.fromkeys(cell.env for cell in cells):
        if env not in baselines:
            troubles.append(f"the baselines of {env} are missing; repeat slatelab benchmark")
        of_env = [cell for cell in cells if cell.env == env]
        arenas.append(_arena(env, of_env, baselines[env].sessions if env in baselines else {}))
    return Scoreboard(commands=notes.commands, arenas=arenas, troubles=troubles)


def _cells(out: Path, records: Mapping[str, Record], notes: Notes, baselines: Mapping[str, Record]) -> list[CellResult]:
    """Return the cells that have a run folder or a note."""
    found: dict[str, CellResult] = {}
    for path in sorted(out.glob("[!.]*/config.toml")):
        folder = RunFolder(path.parent)
        train = config.read_tables(path).get("train", {})
        if train.keys() >= set(NAMED):
            found[folder.path.name] = _cell(folder, train, records.get(folder.path.name), baselines)
    for name, note in notes.cells.items():
        if name not in found or found[name].status not in MEASURED:
            named = {key: note[key] for key in (*NAMED, "status", "reason")}
            found[name] = CellResult(**named, about=note)
    return sorted(found.values(), key=lambda cell: (cell.env, cell.agent, cell.seed))


def _cell(
    folder: RunFolder, train: Mapping[str, Any], record: Record | None, baselines: Mapping[str, Record]
) -> CellResult:
    named = {key: train[key] for key in NAMED}
    if record is None or not folder.summary.is_file():
        return CellResult(**named, status="unfinished", reason="repeat the command to finish it")
    about, of_env = record.about, baselines.get(train["env"])
    if of_env is None or about["panel"] != of_env.about["panel"]:
        reason = f"it met {about['users']:,} test users, and the baselines others"
        if of_env is not None and about["users"] == of_env.about["users"]:
            reason = "the baselines met an environment of other data, texts or settings, or of another encoder"
        reason += "; repeat the command that made it"
        return CellResult(**named, status="left out", reason=reason, about=about)
    twin = None if train["agent"] == MYOPIC_TWIN else record.sessions.get(MYOPIC_TWIN)
    drawn = record.sessions.get(train["agent"] + SAMPLED)
    return CellResult(
        **named,
        status=about["status"],
        reason=about["reason"],
        about=about,
        earned=_earned(record.sessions[train["agent"]]),
        twin=None if twin is None else _earned(twin),
        drawn=None if drawn is None else _earned(drawn),
    )


def _arena(env: str, cells: Sequence[CellResult], baselines: Mapping[str, Sessions]) -> Arena:
    agents: dict[str, Entrant] = {}
    for agent in dict.fromkeys(cell.agent for cell in cells):
        runs = [cell.earned for cell in cells if cell.agent == agent and cell.earned is not None]
        twins = [cell.twin for cell in cells if cell.agent == agent and cell.twin is not None]
        if runs:
            agents[agent] = Entrant(runs=runs, twins=twins if len(twins) == len(runs) else ())
        drawn = [cell.drawn for cell in cells if cell.agent == agent and cell.drawn is not None]
        if drawn:
            agents[agent + SAMPLED] = Entrant(runs=drawn)
    earned = {name: _earned(played) for name, played in baselines.items()}
    # All met one panel.
    panel = [each.cluster.tolist() for each in everybody(agents, earned)[:1]]
    return Arena(
        env=env,
        users=sum(map(len, panel)),
        clusters=len(set().union(*panel)),
        standings=standings(env, agents, earned),
        cells=cells,
    )


def _earned(played: Sessions) -> Earned:
    return Earned(
        returns=played.totals["reward"].cpu().numpy(),
        cluster=played.cluster.cpu().numpy(),
        length=float(played.length.mean()),
        ctr=float(played.totals["clicks"].sum() / played.length.sum()),
    )

"""What a benchmark's folder holds: finished runs and how they stand, and what is missing and why."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from encoders.errors import Failure, UsageError
from experiments import config
from experiments.benchmark.cells import RETURNS, encoder_in_name, encoder_name
from experiments.benchmark.notes import Notes
from experiments.benchmark.record import Record, read_record
from experiments.benchmark.standings import Earned, Entrant, Standing, everybody, interquartile, standings
from experiments.building import MYOPIC_TWIN
from experiments.folder import RunFolder
from experiments.report.numbers import marked
from experiments.sessions import SAMPLED, Sessions
from experiments.statistics import Estimate, best_first

MEASURED = ("done", "diverged")
NAMED = ("env", "agent", "seed")
Seen = tuple[str, str]
"""Environment, and what a cell's name says of the encoder."""
Known = Mapping[Seen, Record]


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """One environment, agent and seed, as far as it has come."""

    env: str
    agent: str
    seed: int
    status: str
    """``done``, ``diverged``, ``n/a``, ``failed``, ``unfinished`` or ``left out``."""
    reason: str = ""
    encoder: str = ""
    """What its name says of the encoder; nothing for the environment's own."""
    read_by: str = ""
    """The encoder; nothing where there are no texts."""
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
    """One environment, seen through one encoder."""

    env: str
    encoder: str = ""
    """Through which it is seen; nothing where there are no texts."""
    apart: bool = False
    """Whether the environment is seen through others too."""
    users: int
    """Of the panel; 0 where nobody was measured."""
    clusters: int
    """Raters or personas they are drawn around, or users if they are drawn around nobody."""
    standings: Sequence[Standing]
    """The best first."""
    cells: Sequence[CellResult]
    """By agent and seed."""

    @property
    def title(self) -> str:
        """Return its name, with the encoder where there are several."""
        return f"{self.env}, {marked(self.encoder)}" if self.apart else self.env

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

    def by_encoder(self) -> "dict[str, Scoreboard]":
        """Return what was seen through each encoder, under its name; all as one where no environment saw several."""
        if not any(arena.apart for arena in self.arenas):
            return {"": self}
        named = dict.fromkeys(arena.encoder for arena in self.arenas)
        return {name: replace(self, arenas=[arena for arena in self.arenas if arena.encoder == name]) for name in named}

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
    baselines = {_seen(record.about): record for record in records.values() if "agent" not in record.about}
    cells = _cells(out, records, notes, baselines)
    if not cells:
        command = shlex.join(["slatelab", "benchmark", "--out", str(out)])
        raise UsageError(f"{out} holds no run of a benchmark yet; {command} makes some")
    arenas = []
    seen = dict.fromkeys((cell.env, cell.encoder) for cell in cells)
    for env, encoder in seen:
        known = baselines.get((env, encoder))
        of_arena = [cell for cell in cells if (cell.env, cell.encoder) == (env, encoder)]
        arena = _arena(of_arena, {} if known is None else known.sessions)
        arena = replace(arena, apart=sum(other == env for other, _ in seen) > 1)
        if known is None:
            troubles.append(f"the baselines of {arena.title} are missing; repeat slatelab benchmark")
        arenas.append(arena)
    return Scoreboard(commands=notes.commands, arenas=arenas, troubles=troubles)


def _seen(about: Mapping[str, Any]) -> Seen:
    return str(about["env"]), str(about.get("encoder", ""))


def _cells(out: Path, records: Mapping[str, Record], notes: Notes, baselines: Known) -> list[CellResult]:
    """Return the cells that have a run folder or a note."""
    found: dict[str, CellResult] = {}
    for path in sorted(out.glob("[!.]*/config.toml")):
        folder = RunFolder(path.parent)
        settings = config.read_tables(path)
        if settings.get("train", {}).keys() >= set(NAMED):
            found[folder.path.name] = _cell(folder, settings, records.get(folder.path.name), baselines)
    for name, note in notes.cells.items():
        if name not in found or found[name].status not in MEASURED:
            named = {key: note[key] for key in (*NAMED, "status", "reason")}
            encoder = note.get("encoder", "")
            found[name] = CellResult(**named, encoder=encoder, read_by=encoder, about=note)
    return sorted(found.values(), key=lambda cell: (cell.env, cell.encoder, cell.agent, cell.seed))


def _cell(folder: RunFolder, settings: config.Tables, record: Record | None, baselines: Known) -> CellResult:
    train = settings["train"]
    encoder = encoder_in_name(folder.path.name, train)
    named = {key: train[key] for key in NAMED}
    named |= {"encoder": encoder, "read_by": encoder or encoder_name(str(settings.get("env", {}).get("encoder", "")))}
    if record is None or not folder.summary.is_file():
        return CellResult(**named, status="unfinished", reason="repeat the command to finish it")
    about, of_env = record.about, baselines.get((train["env"], encoder))
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


def _arena(cells: Sequence[CellResult], baselines: Mapping[str, Sessions]) -> Arena:
    env = cells[0].env
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
        encoder=next((cell.read_by for cell in cells if cell.read_by), ""),
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

"""Put a finished benchmark into the documentation: all its tables on one page, and its rows on each agent's page.

    slatelab benchmark --seeds 5 --seeds-at-once --no-myopic-companion --workers 2
    python benchmarks/scoreboard_pages.py runs/benchmark

writes ``docs/scoreboard.md``, the tables of scores in ``docs/results.md`` (between two marks) and the last section of
each ``docs/agents/AGENT.md``.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from encoders.cache import write_atomically
from encoders.errors import Failure, UsageError
from experiments.benchmark.page import absence, difference, scoreboard_page, scores, share, steps
from experiments.benchmark.scoreboard import Arena, Scoreboard, read_scoreboard
from experiments.benchmark.standings import HAND_RULE, MYOPIC
from experiments.config import short_name
from experiments.report.numbers import NONE, decimals, interval, markdown_table
from experiments.sessions import SAMPLED

DOCS = Path(__file__).parents[1] / "docs"
SECTION = "## Scoreboard"
"""The last heading of an agent's page; what follows it is written anew."""
MARKS = "<!-- scores -->", "<!-- end of scores -->"
"""Between them stand the tables of scores in results.md."""
TEXTS = ("Movies", "Shop", "News", "Feed")
"""How the environments over texts begin; they have a table of their own."""
READING = "Columns: [benchmark.md](../benchmark.md#columns). All agents: [scoreboard.md](../scoreboard.md)."


def section(board: Scoreboard, agent: str) -> str:
    """Return an agent's rows, one for each environment."""
    command = board.commands[-1] if board.commands else "slatelab benchmark"
    rows = [row(arena, agent) for arena in board.arenas if any(cell.agent == agent for cell in arena.cells)]
    rows += [row(arena, agent + SAMPLED) for arena in board.arenas if arena.of(agent + SAMPLED) is not None]
    table = markdown_table(["environment", "seeds", "user-steps", "return", "score", "− myopic", "− hand rule"], rows)
    return f"{SECTION}\n\n`{command}`\n\n{table}\n\n{READING}\n"


def score_tables(board: Scoreboard) -> str:
    """Return the agents' scores in the environments over texts, and in the others."""
    tables = []
    for texts, title in ((False, "RecSim's and SARDINE's environments"), (True, "The text domains")):
        arenas = [arena for arena in board.arenas if short_name(arena.env).startswith(TEXTS) is texts]
        if arenas:
            tables += [f"**{title}**", scores(dataclasses.replace(board, arenas=arenas))]
    return "\n\n".join(tables)


def between_marks(text: str, new: str) -> str:
    """Return a page with something else between its two marks.

    Raises:
        Failure: it has not one of each.
    """
    if [text.count(mark) for mark in MARKS] != [1, 1]:
        raise Failure(f"the page needs one {MARKS[0]} and one {MARKS[1]}; put them where the scores shall stand")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n\n{new}\n\n{MARKS[1]}{after}"


def row(arena: Arena, agent: str) -> list[str]:
    """Return how an agent stands in one environment."""
    trained, standing = agent.removesuffix(SAMPLED), arena.of(agent)
    name = short_name(arena.title) + ("" if agent == trained else ", sampled")
    if standing is None:
        return [name, "0", "", absence(arena, agent), "", "", ""]
    places = decimals(abs(standing.returned.mean))

    def number(value: float) -> str:
        return f"{value:z.{places}f}"

    differences = [difference(standing.differences.get(rival), number) for rival in (MYOPIC, HAND_RULE)]
    score = NONE if standing.score is None else share(standing.score)
    return [name, str(standing.seeds), steps(arena, trained), interval(standing.returned, number), score, *differences]


def main() -> int:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path, help="the folder of a benchmark (its --out)")
    out = parser.parse_args().benchmark
    try:
        board = read_scoreboard(out)
        results = DOCS / "results.md"
        scored = between_marks(results.read_text(encoding="utf-8"), score_tables(board))
    except (Failure, UsageError) as error:
        print(error, file=sys.stderr)
        return 2
    write_atomically(DOCS / "scoreboard.md", scoreboard_page(board).encode())
    write_atomically(results, scored.encode())
    for path in sorted((DOCS / "agents").glob("*.md")):
        text = path.read_text(encoding="utf-8").partition(f"\n{SECTION}")[0].rstrip("\n")
        write_atomically(path, f"{text}\n\n{section(board, path.stem)}".encode())
    print(f"wrote {DOCS / 'scoreboard.md'}, {results} and the agents' pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a few users are shown, as a Markdown table with titles."""

import html
import re

import torch

from envs.simulator import Outcome, Simulator
from envs.streams import Stream
from experiments.seeds import derive_seed
from experiments.sessions import Act

USERS, SLATES, SEED = 3, 3, 77
RATINGS = ("stars", "rating")
"""Response columns that hold what a user gave the film after watching."""


@torch.no_grad()
def sample_slates(simulator: Simulator, act: Act) -> str:
    """Return the first slates that a policy shows to a few validation users, the clicked title in bold.

    The users and their noise are the same at every call.
    """
    generator = Stream(simulator.device).manual_seed(derive_seed(SEED, "sampled slates"))
    users = simulator.sample_users(USERS, "validation", generator)
    state = simulator.start(users, simulator.start_noise(USERS, generator))
    present = torch.ones(USERS, dtype=torch.bool, device=simulator.device)
    lines: list[tuple[int, str]] = []
    for rank in range(1, SLATES + 1):
        slate_BK = act(state, simulator.observe(state))
        ids_BK = simulator.candidate_ids(state).gather(1, slate_BK)
        state, outcome = simulator.step(state, slate_BK, simulator.step_noise(USERS, generator))
        for user in present.nonzero().squeeze(1).tolist():
            shown = _titles(simulator, ids_BK[user], outcome, user)
            left = " *left*" if bool(outcome.left[user]) else ""
            lines.append((user, f"| {user + 1} | {rank} | {shown}{left} |"))
        present = present & ~outcome.left
    rows = [line for _, line in sorted(lines, key=lambda entry: entry[0])]
    return "\n".join(["| user | slate | shown, **clicked** |", "|---|---|---|", *rows])


def plain_markdown(text: str) -> str:
    """Return a line of Markdown that shows a text as it stands in a table's cell: no link, no picture, no markup."""
    line = html.escape(" ".join(text.split()), quote=False).replace("|", "/")
    return re.sub(r"([\\`*_\[\]!])", r"\\\1", line)


def _titles(simulator: Simulator, ids_K: torch.Tensor, outcome: Outcome, user: int) -> str:
    columns = simulator.spec.response_columns
    stars = next((columns.index(name) for name in RATINGS if name in columns), None)
    shown = []
    for slot, title in enumerate(simulator.titles(ids_K.cpu().numpy())):
        text = plain_markdown(str(title))
        if bool(outcome.response[user, slot, 0] > 0):
            given = "" if stars is None else f" ({float(outcome.response[user, slot, stars]):.1f} stars)"
            text = f"**{text}**{given}"
        shown.append(text)
    return " · ".join(shown)

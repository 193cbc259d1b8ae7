"""A saved state with an entry missing, or of another shape or type, is refused, at the next step at the latest."""

import contextlib
import itertools
import re
from collections.abc import Callable

import pytest
import torch
from sketches import Loop
from test_agents_contract import CASES, SPEC, make, trained
from torch import Tensor

from agents.state import DoesNotFit, check_alike
from envs.interface import Tensors

CHANGES: dict[str, Callable[[Tensor], Tensor | None]] = {
    "missing": lambda value: None,
    "longer": lambda value: torch.cat([value, value[:1]]) if value.dim() else torch.stack([value, value]),
    "of another type": lambda value: value.double() if value.dtype != torch.float64 else value.float(),
}


def _kinds(state: Tensors) -> list[str]:
    """Return one name of each kind of entry: the weights of a network are all alike."""
    kinds = {re.sub(r"\d+", "0", re.sub(r"^(network|averaged|policy|target)\..*", r"\1", name)): name for name in state}
    return sorted(kinds.values())


@pytest.mark.parametrize("case", CASES)
def test_a_state_of_other_form_is_refused(case: str) -> None:
    saved = trained(case).state_dict()
    passed = []
    for name, change in zip(_kinds(saved), itertools.cycle(CHANGES)):
        value = CHANGES[change](saved[name])
        others = {key: entry.clone() for key, entry in saved.items() if key != name}
        state = others if value is None else {**others, name: value}
        agent = make(case)
        try:
            agent.load_state_dict(state)
            check_alike("agent", agent.state_dict(), state)  # as `Training` does
        except Exception:
            continue
        with contextlib.suppress(DoesNotFit):
            Loop(SPEC).steps(agent, 1)
            passed.append(f"{name} {change}")
    assert not passed

"""Break the mathematics one expression at a time and see whether a test dies; print what lives.

    python tests/mutation.py [MODULE ...] [--sample 40] [--seed 0] [--minutes 60] [--out mutants.jsonl]

A module has more mutants than a machine has time: a sample is drawn, by a seed. The tests that cover the module are
collected once; then, for each mutant, a child of that process gives one function its broken code and runs them until
the first that fails. A line of ``--out`` holds each result; a mutant that is dead there is not tried again until its
module changes, one that lives is, since tests may have been added. A mutant lives because a test is missing, or
because it changes nothing that can be seen: which of two ways with one outcome is gone (few users or many, one seed or
several), the order of what min and max compare, what a discount of 0 meets, the strictness of a zip over what is of one
length anyway. What has run while a module was imported is not broken afterwards.
"""

import argparse
import ast
import gc
import importlib
import json
import os
import random
import shlex
import signal
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import pytest
import torch

torch.set_num_threads(1)

ROOT = Path(__file__).parents[1]
PRELOADED = ("gymnasium", "numpy", "safetensors.torch", "scipy.stats", "stable_baselines3")
"""What is loaded once for all modules."""
AGENTS, LEARNING = "tests/agents/", "tests/agents/learning/"
CONTRACT, SEEDS = AGENTS + "test_agents_contract.py", AGENTS + "test_many_seeds.py"
DQN = (AGENTS + "test_dqn_step.py", LEARNING + "test_dqn_values.py", LEARNING + "test_dqn_replay.py")
POLICIES = (LEARNING + "test_policy_step.py", LEARNING + "test_plackett_luce.py", SEEDS, CONTRACT)
ONLY_POLICIES = ("-k", "policy or plackett or reinforce or actor_critic")
COVERED: dict[str, tuple[str, ...]] = {
    "agents/learning/targets.py": (LEARNING + "test_targets.py", LEARNING + "test_n_step.py"),
    "agents/learning/collector.py": (LEARNING + "test_collector.py",),
    "agents/learning/rollout.py": (LEARNING + "test_rollout.py", SEEDS, "-k", "rollout or pqn"),
    "agents/learning/exploration.py": (LEARNING + "test_exploration.py",),
    "agents/learning/learner.py": (
        LEARNING + "test_averaging.py",
        AGENTS + "test_slateq_step.py",
        SEEDS,
        CONTRACT,
        "-k",
        "slateq or averag or mean or step",
    ),
    "agents/learning/step_window.py": (
        *(LEARNING + "test_n_step.py", AGENTS + "test_saved_forms.py"),
        *("-k", "n_step or dqn-rainbow"),
    ),
    "agents/learning/replay.py": (LEARNING + "test_replay.py", LEARNING + "test_dqn_replay.py"),
    "agents/learning/prioritised.py": (LEARNING + "test_prioritised.py", LEARNING + "test_dqn_replay.py"),
    "agents/learning/offers.py": (LEARNING + "test_offers.py",),
    "agents/learning/item_values.py": DQN,
    "agents/learning/slate_value.py": (*DQN, AGENTS + "test_wolpertinger.py", CONTRACT, "-k", "dqn or wolpertinger"),
    "agents/learning/plackett_luce.py": (LEARNING + "test_plackett_luce.py",),
    "agents/learning/policy_gradient.py": (*POLICIES, *ONLY_POLICIES),
    "envs/slates.py": ("tests/envs/test_slates.py",),
    "envs/choice.py": (
        *("tests/envs/test_choice.py", "tests/envs/test_click_models.py", "tests/envs/recsim/test_interests.py"),
        *("-k", "test_choice or test_click_models or refused"),
    ),
    "envs/click_models.py": ("tests/envs/test_click_models.py",),
    "experiments/statistics.py": (
        "tests/experiments/test_statistics.py",
        "tests/experiments/benchmark/test_standings.py",
    ),
    "agents/slateq.py": (AGENTS + "test_slateq_step.py", SEEDS, CONTRACT, "-k", "slateq and not clicks"),
    "agents/slateq_clicks.py": (AGENTS + "networks/test_click_sets.py", SEEDS, CONTRACT, "-k", "click"),
    "agents/qlearning.py": (AGENTS + "test_qlearning_step.py", SEEDS, CONTRACT, "-k", "qlearning"),
    "agents/pqn.py": (AGENTS + "test_pqn_step.py", SEEDS, CONTRACT, "-k", "pqn"),
    "agents/dqn.py": (*DQN, SEEDS, CONTRACT, "-k", "dqn and not sb3"),
    "agents/full_slate.py": (AGENTS + "test_full_slate.py", CONTRACT, "-k", "full_slate or dqn_slate"),
    "agents/wolpertinger.py": (AGENTS + "test_wolpertinger.py", SEEDS, CONTRACT, "-k", "wolpertinger"),
    "agents/reinforce.py": (*POLICIES, *ONLY_POLICIES),
    "agents/actor_critic.py": (*POLICIES, *ONLY_POLICIES),
}
"""Module to the arguments of pytest that run what covers it."""
OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
PAIRS = ("max min", "maximum minimum", "amax amin", "argmax argmin", "any all", "sum mean", "zeros ones")
PAIRS = (*PAIRS, "zeros_like ones_like", "cumsum cumprod", "floor ceil")
NAMES = {one: other for pair in map(str.split, PAIRS) for one, other in (pair, pair[::-1])}


class Mutant(NamedTuple):
    """One change of one node of a syntax tree."""

    function: ast.FunctionDef
    node: ast.expr | ast.stmt
    fields: dict[str, Any]

    def apply(self) -> str:
        """Change the tree; return what was and what is."""
        before = ast.unparse(self.node)
        for name, value in self.fields.items():
            setattr(self.node, name, value)
        ast.fix_missing_locations(self.node)
        lines = [text.splitlines()[0] for text in (before, ast.unparse(self.node))]
        return f"line {self.node.lineno}: {lines[0]}  ->  {lines[1]}"


def mutants(tree: ast.Module) -> list[Mutant]:
    """Return every mutant of the functions of a module, always in the same order."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bodies = [tree.body, *(node.body for node in classes)]
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    return [
        Mutant(function, node, fields)
        for function in functions
        for node in _inside(function)
        for fields in _changes(node)
    ]


def _inside(function: ast.FunctionDef) -> Iterator[ast.expr | ast.stmt]:
    """Walk through the statements of a function, but not its annotations, texts and what is raised."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if text or isinstance(node, ast.Raise | ast.JoinedStr | ast.arguments):
            continue
        if isinstance(node, ast.expr | ast.stmt):
            yield node
        skipped = node.annotation if isinstance(node, ast.AnnAssign) else None
        waiting.extend(child for child in reversed(list(ast.iter_child_nodes(node))) if child is not skipped)


def _changes(node: ast.expr | ast.stmt) -> Iterator[dict[str, Any]]:
    """Yield other values for fields of a node: each is a mutant."""
    match node:
        case ast.BinOp() | ast.BoolOp() | ast.AugAssign():
            yield from ({"op": other()} for other in OPERATORS.get(type(node.op), ()))
        case ast.Compare():
            yield from ({"ops": [other(), *node.ops[1:]]} for other in OPERATORS.get(type(node.ops[0]), ()))
        case ast.UnaryOp():
            yield {"operand": ast.UnaryOp(node.op, node.operand)}  # twice is not at all
        case ast.Constant(value=bool() as value):
            yield {"value": not value}
        case ast.Constant(value=int() as value):
            yield {"value": value + 1}
        case ast.Constant(value=float() as value):
            yield {"value": 2 * value or 1.0}
        case ast.IfExp():
            yield {"body": node.orelse, "orelse": node.body}
        case ast.If() | ast.While():
            yield {"test": ast.UnaryOp(ast.Not(), node.test)}
        case ast.Assign(targets=[ast.Name(id=name)]) if name in _names(node.value):
            yield {"value": ast.Name(name, ast.Load())}  # as if it were not there
        case ast.Expr(value=value):
            yield {"value": ast.BoolOp(ast.And(), [ast.Constant(0), value])}  # dropped; its names stay known
        case ast.Call():
            yield from _changed_call(node)


def _names(value: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(value) if isinstance(part, ast.Name)}


def _changed_call(call: ast.Call) -> Iterator[dict[str, Any]]:
    match call.func:
        case ast.Attribute(value=of, attr=name) if name in NAMES:
            yield {"func": ast.Attribute(of, NAMES[name], ast.Load())}
        case ast.Name(id=name) if name in NAMES:
            yield {"func": ast.Name(NAMES[name], ast.Load())}
    if [keyword.arg for keyword in call.keywords] in (["min"], ["max"]):  # of a clamp
        yield {"keywords": [ast.keyword(NAMES[str(call.keywords[0].arg)], call.keywords[0].value)]}
    if len(call.args) > 1 and not any(isinstance(part, ast.Starred) for part in call.args):
        yield {"args": [*call.args[:-2], call.args[-1], call.args[-2]]}


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def break_function(held: Sequence[FunctionType], file: str, tree: ast.Module, function: ast.FunctionDef) -> None:
    """Give a function, wherever it is held, the code that it has in a tree."""
    here = (function.name, min(part.lineno for part in (function, *function.decorator_list)))
    codes = _codes(compile(tree, file, "exec"))
    new = next(code for code in codes if (code.co_name, code.co_firstlineno) == here)
    for one in held:
        if (one.__code__.co_name, one.__code__.co_firstlineno) == here:
            one.__code__ = new


class Tries:
    """A plugin of pytest that, once tests are collected, lets a child run them for each mutant.

    Args:
        path: of the module, from the root.
        chosen: which mutants are tried.
        until: when no further one is.
        out: what a line for each is added to.
    """

    def __init__(self, path: str, chosen: Sequence[int], until: float, out: Path) -> None:
        self.path, self.chosen, self.until, self.out = path, chosen, until, out
        self.source = (ROOT / path).read_text()
        self.in_child = self.broken = False

    def pytest_runtestloop(self) -> bool | None:
        """Try the mutants; in a child return nothing, so that pytest goes on and runs the tests."""
        began, file = time.monotonic(), str(ROOT / self.path)
        functions = [one for one in gc.get_objects() if isinstance(one, FunctionType)]
        held = [one for one in functions if one.__code__.co_filename == file]
        gc.freeze()  # a collection in a child would copy the memory of its parent
        if self._child_fails(600):
            self.broken = True
            return None if self.in_child else True
        seconds = 10 + int(5 * (time.monotonic() - began))
        for index in self.chosen if not self.in_child else ():
            if time.monotonic() > self.until:
                break
            tree = ast.parse(self.source)
            mutant = mutants(tree)[index]
            change = mutant.apply()
            fails = self._child_fails(seconds)
            if self.in_child:
                break_function(held, file, tree, mutant.function)
                return None
            tried = {
                "module": self.path,
                "source": mark(self.source),
                "mutant": index,
                "lives": not fails,
                "is": change,
            }
            with self.out.open("a") as lines:
                lines.write(json.dumps(tried) + "\n")
        return None if self.in_child else True

    def _child_fails(self, seconds: int) -> bool:
        """Return whether in a child, which returns from here too, a test fails or does not end in time."""
        child = os.fork()
        if not child:
            self.in_child = True
            signal.alarm(seconds)
            return False
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            raise RuntimeError(f"pytest itself ended with {os.WEXITSTATUS(status)}")
        return status != 0


def mark(source: str) -> int:
    """Return what tells a module from what it was before."""
    return zlib.crc32(source.encode())


def read(out: Path, path: str) -> dict[int, dict[str, Any]]:
    """Return what is known of the mutants of a module as it is, by number."""
    lines = map(json.loads, out.read_text().splitlines() if out.exists() else ())
    now = mark((ROOT / path).read_text())
    return {line["mutant"]: line for line in lines if (line["module"], line["source"]) == (path, now)}


def try_module(path: str, arguments: argparse.Namespace, until: float) -> tuple[int, int]:
    """Try mutants of a module; return how many are known by now, and how many of them live."""
    everything = len(mutants(ast.parse((ROOT / path).read_text())))
    drawn = sorted(random.Random(arguments.seed).sample(range(everything), min(arguments.sample, everything)))
    known = read(arguments.out, path)
    left = [index for index in drawn if index not in known or known[index]["lives"]]
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        plain = ["-o", "addopts=", "-q", "-x", "-s", "-n0", "-m", "not slow", "-p", "no:cacheprovider"]
        tries = Tries(path, left, until, arguments.out)
        code = pytest.main([*plain, *COVERED[path]], plugins=[tries])
        os._exit(code if tries.in_child else code or tries.broken)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{path}: tests fail as it is, or are not found: python -m pytest {shlex.join(COVERED[path])}")
    tried = [line for index, line in sorted(read(arguments.out, path).items()) if index in drawn]
    alive = [line["is"] for line in tried if line["lives"]]
    print(f"{path}: {len(tried)} of {everything} mutants tried, {len(alive)} live", flush=True)
    for change in alive:
        print(f"  {change}", flush=True)
    return len(tried), len(alive)


def main() -> None:
    """Mutate the modules that are named, or all; print what lives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(COVERED)}")
    parser.add_argument("--sample", type=int, default=40, help="mutants of a module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--minutes", type=float, default=60.0, help="after which no further mutant is tried")
    parser.add_argument("--out", type=Path, default=ROOT / "mutants.jsonl")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.modules) - COVERED.keys())
    if unknown:
        parser.error(f"no tests are known to cover {', '.join(unknown)}; add them to COVERED")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for name in PRELOADED:
        importlib.import_module(name)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])  # the first one loads half of torch
    until = time.monotonic() + 60 * arguments.minutes
    results = [try_module(path, arguments, until) for path in arguments.modules or COVERED]
    print(f"{sum(tried for tried, _ in results)} mutants, {sum(alive for _, alive in results)} live")


if __name__ == "__main__":
    main()

"""What is measured is declared, once, and what is declared is measured and laid out."""

import csv
import json
from pathlib import Path

import torch
import toy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from envs.interface import Transition
from experiments import evaluation
from experiments.tracking import logbook, monitor
from experiments.tracking.metrics import tag


def test_a_monitor_measures_what_it_declares() -> None:
    counting = monitor.Monitor(1, torch.device("cpu"))
    over = Transition(
        observation={},
        slate=torch.zeros(1, 2),
        response=torch.zeros(1, 2, 2),
        reward=torch.zeros(1),
        discount=torch.zeros(1),
        last=torch.tensor([True]),
        next_observation={},
    )
    counting.add(over, {}, {})
    assert counting.row().keys() == {metric.name for metric in monitor.METRICS}


def test_columns_of_the_log_are_what_monitor_environment_agent_and_logbook_declare(finished: Path) -> None:
    with (finished / "metrics.csv").open() as file:
        _, *columns = next(csv.reader(file))
    own = [tag(metric.name) for metric in toy.Toy.METRICS]
    ours, theirs = ([metric.name for metric in declared] for declared in (monitor.METRICS, toy.ToyAgent.METRICS))
    assert columns == [*ours, *own, *theirs, *(metric.name for metric in logbook.METRICS)]


def test_evaluation_measures_what_it_and_the_environment_declare(finished: Path) -> None:
    policies = json.loads((finished / "summary.json").read_text())["policies"]
    declared = {metric.name for metric in (*evaluation.METRICS, *toy.Toy.METRICS)}
    for estimates in policies.values():
        assert estimates.keys() == declared - {"recall"}  # (the toy does not retrieve)


def test_dashboard_has_a_chart_for_every_metric_of_training_and_evaluation(finished: Path) -> None:
    events = EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    written = events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    layout = Layout.FromString(written)
    tags = {pattern for group in layout.category for chart in group.chart for pattern in chart.multiline.tag}
    for name in ("rollout/ep_rew_mean", "rec/bait", "train/loss", "time/fps", "eval/.*/return", "eval/.*/bait"):
        assert f"{name}$" in tags

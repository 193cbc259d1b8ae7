"""`slatelab readout`: how much of hidden worlds each encoder finds in texts."""

import json
from collections.abc import Callable
from pathlib import Path

from command_line import Result

from encoders import ENCODERS, PRIVILEGED
from envs import simulator_class
from envs.text.domain import TextDomain
from experiments.verbs.readout import DOMAINS, READERS

Slatelab = Callable[..., Result]
TOY = ("readout", "--envs", "toy_texts:ToyTexts-v0", "--encoders", "random", "world", "--device", "cpu")


def test_it_prints_a_share_for_each_encoder_and_keeps_the_figures(slatelab: Slatelab, tmp_path: Path) -> None:
    result = slatelab(*TOY, "--out", "r2.json")
    assert result.code == 0, result.err
    for word in ("toy_texts:ToyTexts-v0", "vectors", "kind", "worth", "random", "world", "1.00 (1.00)"):
        assert word in result.out
    kept = json.loads((tmp_path / "r2.json").read_text())
    assert kept["command"].startswith("slatelab readout --envs toy_texts:ToyTexts-v0")
    shares = kept["r2"]["toy_texts:ToyTexts-v0"]
    assert shares["world"]["vectors"]["view"] > 0.99 > 0.1 > shares["random"]["vectors"]["texts"]


def test_an_environment_without_texts_is_refused_in_a_sentence(slatelab: Slatelab, tmp_path: Path) -> None:
    result = slatelab("readout", "--envs", "toy_texts:ToyTexts-v0", "toy:Toy-v0")
    assert result.code == 2
    assert "toy:Toy-v0 has no texts" in result.sentence
    assert not result.out


def test_an_unknown_encoder_is_refused_in_a_sentence(slatelab: Slatelab) -> None:
    result = slatelab(*TOY[:3], "--encoders", "minlm")
    assert result.code == 2
    assert 'did you mean "minilm"' in result.sentence


def test_without_a_word_it_reads_our_domains_with_every_encoder() -> None:
    assert all(issubclass(simulator_class(env), TextDomain) for env in DOMAINS)
    assert set(READERS) == {*ENCODERS, *PRIVILEGED}

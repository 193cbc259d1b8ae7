"""An encoder for the loop: fitted on what train users alone liked or clicked, chosen on validation users."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders import load_encoder
from encoders.errors import UsageError
from encoders.loading import EXPORTED
from encoders.retrieval.protocol import unit_rows
from encoders.tuning.fitting import tune
from encoders.tuning.histories import Histories
from encoders.tuning.saving import save_encoder
from encoders.tuning.settings import TuningSettings
from encoders.tuning.tuned import Tuned
from envs.interface import Observation
from envs.simulator import CLUSTER, Split, State
from envs.slates import top_k
from envs.streams import Stream
from envs.text.domain import TextDomain
from envs.text.settings import WORLD
from envs.text.world import HISTORY
from experiments.seeds import derive_seed
from experiments.sessions import play

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
TOLD = 10
"""Likes of a validation user that are told at most where they say nothing of themselves: a history of Movies."""
FOUND = 30
"""Nearest items among which what else they liked should be: as many as an environment offers."""
ROW = "row"
"""The entry of logged users with the number of each."""
LOOP_TUNING = TuningSettings(loss="elsa", width=32, batch_size=128, validate_every=10)
"""As wide as what a view keeps of an encoder, so that nothing that was learnt is lost there."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """Settings of an encoder for the loop."""

    train_users: int = 3000
    """Users of the train split whose sessions are logged, where an environment has no ratings."""
    validation_users: int = 500
    """The same of the validation split, by whom the fit is stopped."""
    seed: int = 0
    """Of users, noise and slates that are logged, and of the fit: a stream of its own for each."""
    tuning: TuningSettings = field(default_factory=lambda: LOOP_TUNING)
    """Loss, towers and how they are fitted; the seed of the fit follows from the one above."""

    def __post_init__(self) -> None:
        """Refuse numbers of users that log nothing."""
        for name in ("train_users", "validation_users"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; make it 1 or more")


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """Hold what a system knows of users before an encoder is tuned on it; ids are of texts."""

    texts: tuple[str, ...]
    """Of the N items, then what P people say of themselves."""
    num_items: int
    """N."""
    train: Ints
    """(U, L) what train users liked, and N + p for who says p of themselves; -1 where there is no more."""
    validation: Ints
    """The same of validation users."""


def loop_encoder(
    simulator: TextDomain[Any], settings: LoopSettings, watch: Callable[[int, Mapping[str, float]], None] | None = None
) -> Tuned:
    """Return towers fitted on train users of a text domain, over the texts as its own encoder reads them.

    Own words are one more text that goes together with what their speaker clicked, so that a profile made of them lies
    among the items that it should find. Test users, and what is hidden in the world, have no part in it.

    Args:
        simulator: of a text domain with a frozen encoder.
        settings: users and fit.
        watch: as `encoders.tuning.fitting.tune` has it.

    Raises:
        UsageError: the encoder is ``world``, or nobody liked two things.
    """
    if simulator.settings.encoder == WORLD:
        raise UsageError(f'encoder "{WORLD}" reads no texts, so nothing can be tuned; name one that does')
    log = log_of(simulator, settings)
    vectors_ND = load_encoder(simulator.settings.encoder, device=str(simulator.device), corpus=simulator.texts).encode(
        log.texts
    )
    nobody = np.zeros((len(log.train), 0), dtype=np.int64)
    histories = Histories(liked=log.train, disliked=nobody, num_items=len(log.texts))
    return tune(
        vectors_ND,
        histories,
        replace(settings.tuning, seed=derive_seed(settings.seed, "tuning"), device=str(simulator.device)),
        validation=lambda tuned: recall(tuned.items(vectors_ND), log, settings.seed),
        watch=watch,
    )


def export(
    simulator: TextDomain[Any],
    out: Path,
    settings: LoopSettings,
    watch: Callable[[int, Mapping[str, float]], None] | None = None,
) -> Path:
    """Fit an encoder for the loop and write it into a run folder, which `--encoder` takes; return its own folder.

    Args:
        simulator: as `loop_encoder`.
        out: the run folder.
        settings: users and fit.
        watch: as `loop_encoder`.

    Raises:
        UsageError: as `loop_encoder`; an encoder that is no transformers model; the folder holds one already.
        Failure: the folder cannot be written to.
    """
    if (out / EXPORTED).exists():
        raise UsageError(f"{out / EXPORTED} exists, and runs may look through it; name another --out, or remove it")
    tuned = loop_encoder(simulator, settings, watch)
    part = out / f"{EXPORTED}.part"  # so that a kill leaves no half of an encoder
    shutil.rmtree(part, ignore_errors=True)
    save_encoder(part, load_encoder(simulator.settings.encoder, device=str(simulator.device)), tuned)
    return part.rename(out / EXPORTED)


def log_of(simulator: TextDomain[Any], settings: LoopSettings) -> Log:
    """Return what is known of train and validation users: their ratings where there are such, else logged clicks."""
    preferences = getattr(getattr(simulator.world, "users", None), "preferences", None)
    if preferences is not None:
        train, validation = (preferences.liked[preferences.split[split]] for split in ("train", "validation"))
    else:
        train = clicks(simulator, "train", settings.train_users, settings.seed)
        validation = clicks(simulator, "validation", settings.validation_users, settings.seed)
    return Log(
        texts=(*simulator.texts, *simulator.view.words),
        num_items=len(simulator.texts),
        train=train,
        validation=validation,
    )


def clicks(simulator: TextDomain[Any], split: Split, number: int, seed: int) -> Ints:
    """Return what users clicked under random slates of candidates, what they knew and their own words, (number, L).

    A plain policy that shows whatever the retriever of the frozen encoder, with its random share, puts on offer. What
    is clicked on a session's last slate goes unlogged.

    Args:
        simulator: of a text domain.
        split: of the users.
        number: of users, one session each.
        seed: of users, slates and noise, a stream for each.
    """
    generator = Stream(simulator.device).manual_seed(derive_seed(seed, "logged users", split))
    users = simulator.sample_users(number, split, generator)
    rows: list[Tensor] = []
    items: list[Tensor] = []

    def act(state: State, observation: Observation) -> Tensor:
        clicked_BK = observation["response"][:, :, 0] > 0
        rows.append(state[ROW].unsqueeze(1).expand_as(clicked_BK)[clicked_BK])
        items.append(state["slate"][clicked_BK])
        chances_BM = torch.rand(state["candidates"].shape, generator=slates, device=simulator.device)
        return top_k(simulator.open_alone(chances_BM, state), simulator.settings.slate_size)

    slates = Stream(simulator.device).manual_seed(derive_seed(seed, "logged slates", split))
    noise_seed = derive_seed(seed, "logged noise", split)
    play(simulator, users | {ROW: torch.arange(number, device=simulator.device)}, act, noise_seed)
    if simulator.view.words:
        rows.append(torch.arange(number, device=simulator.device))
        items.append(len(simulator.texts) + users[CLUSTER])
    if HISTORY in users:
        known_BH = users[HISTORY]
        rows.append(torch.arange(number, device=simulator.device).repeat_interleave(known_BH.shape[1]))
        items.append(known_BH.flatten())
    return _padded(torch.cat(rows).cpu().numpy(), torch.cat(items).cpu().numpy(), number)


def _padded(rows: Ints, items: Ints, number: int) -> Ints:
    """Return the items of each row, the last first, int64 (number, L), -1 where there is no more."""
    order = np.lexsort((-np.arange(len(rows)), rows))
    counts = np.bincount(rows, minlength=number)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded = np.full((number, max(int(counts.max(initial=0)), 1)), -1, dtype=np.int64)
    padded[rows[order], places] = items[order]
    return padded


def recall(vectors_NE: Floats, log: Log, seed: int) -> float:
    """Return how much of what validation users liked lies near what is told of them, the mean over users.

    Told are their own words, or half of their likes, at most ten. Found is what is among the thirty nearest by cosine
    of centred vectors, as an environment looks candidates up, out of at most thirty.

    Args:
        vectors_NE: unit rows of items, then of people's words.
        log: what was logged.
        seed: of which likes are told.
    """
    generator, number = np.random.default_rng(derive_seed(seed, "told likes")), log.num_items
    items_NE = unit_rows(vectors_NE[:number] - vectors_NE[:number].mean(axis=0))
    words_PE = vectors_NE[number:] - vectors_NE[number:].mean(axis=0) if len(vectors_NE) > number else vectors_NE[:0]
    shares = []
    for row_L in log.validation:
        liked, said = np.unique(row_L[(row_L >= 0) & (row_L < number)]), row_L[row_L >= number] - number
        if len(said):
            told, profile_E = said[:0], words_PE[said[0]]
        else:
            told = generator.permutation(liked)[: min(TOLD, len(liked) // 2)]
            profile_E = items_NE[told].sum(axis=0)
        rest = np.setdiff1d(liked, told)
        if len(rest) and profile_E.any():
            scores_N = items_NE @ profile_E
            scores_N[told] = -np.inf
            nearest = np.argsort(-scores_N, kind="stable")[:FOUND]
            shares.append(np.isin(rest, nearest).sum() / min(len(rest), FOUND))
    return float(np.mean(shares)) if shares else 0.0

"""Fit a user tower and an item tower on what people liked."""

import copy
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.devices import resolve_device
from encoders.errors import Failure, UsageError
from encoders.tuning import draws, losses
from encoders.tuning.histories import Histories
from encoders.tuning.settings import TuningSettings
from encoders.tuning.tuned import Tuned, check_vectors_fit, new_towers

logger = logging.getLogger("slatelab.encoders")

Watch = Callable[[int, Mapping[str, float]], None]
USER_SPEED = 5.0
"""The user tower's few numbers learn faster than the item tower's many by this factor."""
HARD_RANKS = (10, 50)
"""Ranks that hard negatives are drawn from: those before may well be liked."""


def tune(
    vectors_ND: NDArray[np.float32],
    histories: Histories,
    settings: TuningSettings,
    *,
    popularity_N: NDArray[Any] | None = None,
    validation: Callable[[Tuned], float] | None = None,
    watch: Watch | None = None,
) -> Tuned:
    """Return towers fitted on frozen text vectors and histories.

    Items that nobody liked or disliked are not met in the fit, neither as targets nor as negatives, so that items held
    out of the histories are new to the towers. The same arguments give the same towers to the bit on one machine's CPU.

    Args:
        vectors_ND: the items' text vectors.
        histories: who liked what.
        settings: loss, towers and how they are fitted.
        popularity_N: how often each item was liked; counted in the histories without it.
        validation: what the towers are worth, the larger the better; the best ones seen are returned, and the fit
            stops when `patience` looks find nothing better. Without it the last ones are.
        watch: told the number of epochs so far, and ``loss``, and at a look ``validation``.

    Raises:
        UsageError: vectors for another number of items; no user with two likes; popularity that does not fit.
        Failure: the loss is not finite.
    """
    fit = _Fit(vectors_ND, histories, settings, popularity_N)
    best: Tuned | None = None
    best_score, looks_since = -math.inf, 0
    for epoch in range(1, settings.epochs + 1):
        told = {"loss": fit.epoch()}
        is_look = epoch % settings.validate_every == 0 or epoch == settings.epochs
        if validation is not None and is_look:
            found = fit.tuned(epoch)
            told["validation"] = float(validation(found))
            looks_since += 1
            if best is None or told["validation"] > best_score:
                best, best_score, looks_since = found, told["validation"], 0
        if watch is not None:
            watch(epoch, told)
        if looks_since >= settings.patience:
            break
    return best or fit.tuned(settings.epochs)


class _Fit:
    """Holds what changes while towers are fitted, and what they are fitted on."""

    def __init__(
        self, vectors_ND: Any, histories: Histories, settings: TuningSettings, popularity_N: NDArray[Any] | None
    ) -> None:
        self.settings = settings
        self.device = resolve_device(settings.device)
        vectors = check_vectors_fit(vectors_ND)
        if len(vectors) != histories.num_items:
            raise UsageError(f"there are {len(vectors)} text vectors for {histories.num_items} items; give one each")
        learnable = histories.learnable
        if not len(learnable):
            raise UsageError(
                "no user likes two items, so nothing tells what goes together; bring more likes a user, or lower what "
                "counts as a like"
            )
        self.liked_UL, self.disliked_UK = (
            torch.as_tensor(ids[learnable], device=self.device) for ids in (histories.liked, histories.disliked)
        )
        self.met_M = torch.as_tensor(histories.met, device=self.device)
        counts_N = _popularity(histories, popularity_N).to(self.device)
        self.offsets_N = settings.popularity_weight * counts_N.log1p()
        self.log_q_N = torch.as_tensor(histories.popularity, device=self.device).clamp(min=1).float().log()
        self.centre_D = vectors.mean(dim=0)
        self.scale = float((vectors - self.centre_D).std()) or 1.0
        self.vectors_ND = ((vectors - self.centre_D) / self.scale).to(self.device)
        self.generator = torch.Generator().manual_seed(settings.seed + 1)
        item_tower, user_tower = new_towers(vectors.shape[1], settings)
        self.item_tower, self.user_tower = item_tower.to(self.device), user_tower.to(self.device)
        self.optimiser = torch.optim.AdamW(
            [
                {"params": list(item_tower.parameters()), "weight_decay": settings.weight_decay},
                {"params": list(user_tower.parameters()), "lr": USER_SPEED * settings.learning_rate},
            ],
            lr=settings.learning_rate,
            weight_decay=0.0,
        )

    def epoch(self) -> float:
        """Meet every user once and return the mean loss."""
        loss_of = {"softmax": self._softmax, "infonce": self._infonce, "elsa": self._elsa}[self.settings.loss]
        total, steps = torch.zeros((), device=self.device), 0
        for draw in self._draws():
            loss = loss_of(draw)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total, steps = total + loss.detach(), steps + 1
        mean = float(total) / steps
        if not math.isfinite(mean):
            raise Failure(f"the loss is {mean}; lower learning_rate or raise temperature")
        return mean

    def tuned(self, epochs: int) -> Tuned:
        """Return the towers as they are now, on the CPU, for text vectors as they were given."""
        item_tower, user_tower = new_towers(self.vectors_ND.shape[1], self.settings)
        item_tower.load_state_dict(self.item_tower.folded(self.centre_D.to(self.device), self.scale))
        user_tower.load_state_dict(copy.deepcopy(self.user_tower.state_dict()))
        for tower in (item_tower, user_tower):
            tower.requires_grad_(False)
        return Tuned(item_tower=item_tower, user_tower=user_tower, settings=self.settings, epochs=epochs)

    def _draws(self) -> Iterator[draws.Draw]:
        order_U = torch.randperm(len(self.liked_UL), generator=self.generator).to(self.device)
        for users_B in torch.split(order_U, self.settings.batch_size):
            yield draws.part(self.liked_UL[users_B], self.disliked_UK[users_B], self.settings, self.generator)

    def _scored(self, *needed: Tensor, many: int) -> tuple[draws.Scored, Tensor]:
        """Return the items of a step and their tuned vectors."""
        ids = torch.cat([ids.reshape(-1) for ids in needed])
        found = draws.scored(self.met_M, len(self.vectors_ND), ids, many, self.generator)
        return found, self.item_tower(self.vectors_ND[found.ids])

    def _logits(self, users_BE: Tensor, items_CE: Tensor, ids_C: Tensor) -> Tensor:
        return users_BE @ items_CE.T / self.settings.temperature + self.offsets_N[ids_C]

    def _softmax(self, draw: draws.Draw) -> Tensor:
        found, items_CE = self._scored(draw.liked, draw.disliked, many=self.settings.many)
        history_BL = found.places(draw.history)
        users_BE = self.user_tower(items_CE, history_BL, found.places(draw.disliked))
        told_BC = losses.multi_hot(history_BL, len(items_CE))
        targets_BC = losses.multi_hot(found.places(draw.targets), len(items_CE)) & ~told_BC  # (a like may repeat)
        masked_BC = told_BC | (~found.drawn & ~targets_BC)
        return losses.softmax(self._logits(users_BE, items_CE, found.ids), targets_BC, masked_BC, math.log(found.share))

    def _elsa(self, draw: draws.Draw) -> Tensor:
        found, items_CE = self._scored(draw.liked, many=self.settings.many)
        return losses.elsa(items_CE, losses.multi_hot(found.places(draw.liked), len(items_CE)).float())

    def _infonce(self, draw: draws.Draw) -> Tensor:
        targets_B = draws.one_each(draw.targets, self.generator)
        own_BN = losses.multi_hot(draw.liked, len(self.vectors_ND))
        columns_C = torch.cat([targets_B, self._mined(draw, own_BN)])
        found, items_CE = self._scored(draw.history, draw.disliked, columns_C, many=0)
        users_BE = self.user_tower(items_CE, found.places(draw.history), found.places(draw.disliked))
        columns_CE = items_CE[found.places(columns_C)]
        return losses.infonce(
            self._logits(users_BE, columns_CE, columns_C),
            losses.in_batch_mask(targets_B, columns_C, own_BN),
            self.log_q_N[columns_C],
        )

    def _mined(self, draw: draws.Draw, own_BN: Tensor) -> Tensor:
        """Return hard negatives of the batch's users, int64: all rows meet those of each."""
        if not self.settings.hard_negatives:
            return draw.liked.new_zeros(0)
        with torch.no_grad():
            items_ME = self.item_tower(self.vectors_ND[self.met_M])
            place_N = torch.full((len(self.vectors_ND) + 1,), draws.PAD, device=self.device)
            place_N[self.met_M] = torch.arange(len(self.met_M), device=self.device)
            users_BE = self.user_tower(items_ME, place_N[draw.history], place_N[draw.disliked])
            scores_BM = self._logits(users_BE, items_ME, self.met_M)
            scores_BM = scores_BM.masked_fill(own_BN[:, self.met_M], float("-inf"))
            mined = draws.between_ranks(scores_BM, *HARD_RANKS, self.settings.hard_negatives, self.generator)
            return self.met_M[mined].reshape(-1)


def _popularity(histories: Histories, popularity_N: NDArray[Any] | None) -> Tensor:
    """Return the items' likes, float32 (N,)."""
    counts = np.asarray(histories.popularity if popularity_N is None else popularity_N, dtype=np.float32)
    if counts.shape != (histories.num_items,) or not np.isfinite(counts).all() or (counts < 0).any():
        raise UsageError(f"popularity has shape {counts.shape}; give {histories.num_items} counts of 0 or more")
    return torch.as_tensor(counts)

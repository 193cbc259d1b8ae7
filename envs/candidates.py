"""Candidate sources: which M of the catalogue's N items an agent may choose from."""

from typing import Literal, Protocol, get_args

import torch
from torch import Tensor
from torch.nn.functional import embedding

from encoders.errors import UsageError
from encoders.index import CosineIndex
from encoders.registry import unknown_name
from envs.simulator import State

SourceName = Literal["random", "cosine", "cosine_explore", "all"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)

DRAWS_PER_SLOT = 3
"""Random items drawn for each exploration slot; what is already seen or drawn is passed over."""


class CandidateSettings(Protocol):
    """The settings of an environment that say what is on offer."""

    @property
    def candidate_source(self) -> str:
        """One of `SOURCES`."""

    @property
    def num_candidates(self) -> int:
        """M."""

    @property
    def num_exploration(self) -> int:
        """E, how many of the M are random under ``cosine_explore``."""

    @property
    def slate_size(self) -> int:
        """K."""


class Offer(Protocol):
    """What is on offer to whom, and what of it can be clicked; it keeps entries of its own in the state."""

    def fresh(self, number: int, known_BH: Tensor | None = None) -> State:
        """Return its entries of sessions that begin; what users know already, if anything, is never on offer."""

    def closed(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Mark items that cannot be clicked, (B, K) bool; of the whole catalogue (B, N) for None."""

    def candidates(self, state: State, noise: Tensor) -> Tensor:
        """Return the items on offer, (B, M) int64."""

    def remember(self, state: State, items_BK: Tensor, empty_BK: Tensor) -> State:
        """Return its entries after a slate; the state is the one before it."""


class CandidateSource:
    """Offer every user M of the N items, none of which was shown before: the plainest `Offer`.

    ``random``: M uniform unseen ones. ``cosine``: the M unseen ones nearest to the user's profile. ``cosine_explore``:
    the same, with E of the M places given to uniform unseen ones. ``all``: the whole catalogue, in its order; what a
    user has seen is still on offer then, but cannot be clicked.

    Args:
        settings: whose fields name the source and its sizes; ``num_candidates`` does not count for ``all``.
        vectors_ND: unit features of the catalogue.
    """

    num_candidates: int
    """M."""
    least_unseen: int
    """A user with fewer unseen items than this is offered all of them again, see `forget_when_exhausted`."""

    def __init__(self, settings: CandidateSettings, vectors_ND: Tensor) -> None:
        name = settings.candidate_source
        self.whole = name == "all"
        self.num_items = len(vectors_ND)
        self.num_candidates = self.num_items if self.whole else settings.num_candidates
        self.least_unseen = settings.slate_size if self.whole else settings.num_candidates
        self._index = CosineIndex(vectors_ND) if name.startswith("cosine") else None
        self._num_exploration = settings.num_exploration if name == "cosine_explore" else 0
        self._all_N = torch.arange(self.num_items, device=vectors_ND.device)

    def noise(self, number: int, generator: torch.Generator) -> Tensor:
        """Draw what `offer` needs: items for the exploration places, or a key for each item where all are random."""
        if self.whole or self._index is not None:
            return exploration_noise(number, self.num_items, self._num_exploration, generator)
        return torch.rand((number, self.num_items), generator=generator, device=generator.device)

    def offer(self, profile_BD: Tensor, seen_BN: Tensor, noise: Tensor) -> Tensor:
        """Return the items on offer, (B, M) int64, distinct in each row.

        Args:
            profile_BD: unit vectors of the users.
            seen_BN: bool, items not to offer; at least ``least_unseen`` others are left in each row.
            noise: from `noise`.
        """
        if self.whole:
            return self._all_N.expand(len(profile_BD), -1)
        if self._index is None:
            return noise.masked_fill(seen_BN, -1).topk(self.num_candidates, dim=1).indices
        nearest_BM, _ = self._index.search(profile_BD, self.num_candidates, exclude=seen_BN)
        return explore(nearest_BM, seen_BN, noise)

    def rows(self, candidates_BM: Tensor) -> Tensor | None:
        """Return the candidates as `inner_products` wants them: None for the whole catalogue."""
        return None if self.whole else candidates_BM

    def fresh(self, number: int, known_BH: Tensor | None = None) -> State:
        """Return ``seen`` (number, N) and ``unseen`` (number,), the number of unseen items: nothing was shown.

        What users know already counts as seen, and is in ``known`` (number, H).
        """
        device = self._all_N.device
        seen_BN = torch.zeros(number, self.num_items, dtype=torch.bool, device=device)
        unseen_B = torch.full((number,), self.num_items, device=device)
        if known_BH is None:
            return {"seen": seen_BN, "unseen": unseen_B}
        unseen_B = unseen_B - num_distinct(known_BH)
        return {"seen": seen_BN.scatter(1, known_BH, True), "unseen": unseen_B, "known": known_BH}

    def closed(self, state: State, items_BK: Tensor | None) -> Tensor:
        """Mark items that were seen before, (B, K) bool; (B, N) for None."""
        return state["seen"] if items_BK is None else state["seen"].gather(1, items_BK)

    def candidates(self, state: State, noise: Tensor) -> Tensor:
        """Return the items on offer, (B, M) int64, by ``profile`` and ``seen`` of the state."""
        return self.offer(state["profile"], state["seen"], noise)

    def remember(self, state: State, items_BK: Tensor, empty_BK: Tensor) -> State:
        """Return ``seen`` (B, N) and ``unseen`` (B,) after a slate.

        Args:
            state: before it.
            items_BK: the slate.
            empty_BK: slots whose item was in the slate or seen already.
        """
        seen_BN, unseen_B = forget_when_exhausted(
            state["seen"].scatter(1, items_BK, True),
            state["unseen"] - (~empty_BK).sum(dim=1),
            self.least_unseen,
            state.get("known"),
        )
        return {"seen": seen_BN, "unseen": unseen_B}

    def features(self, values_ND: Tensor, candidates_BM: Tensor) -> Tensor:
        """Return the candidates' rows of ``values_ND``, (B, M, D); for the whole catalogue a view, not a copy."""
        if self.whole:
            return values_ND.expand(len(candidates_BM), -1, -1)
        return embedding(candidates_BM, values_ND)


def check_source(settings: CandidateSettings) -> None:
    """Refuse an unknown source, or more exploration places than candidates.

    Raises:
        UsageError: either of them.
    """
    if settings.candidate_source not in SOURCES:
        raise unknown_name("candidate_source", settings.candidate_source, SOURCES)
    explored, offered = settings.num_exploration, settings.num_candidates
    if not 0 <= explored <= offered:
        raise UsageError(f"num_exploration is {explored}; of {offered} candidates make 0 to all random")


def exploration_noise(number: int, num_items: int, num_slots: int, generator: torch.Generator) -> Tensor:
    """Draw the items that `explore` may put into E slots, (number, 3 E) int64 in [0, num_items)."""
    size = (number, DRAWS_PER_SLOT * num_slots)
    return torch.randint(num_items, size, generator=generator, device=generator.device)


def explore(nearest_BM: Tensor, seen_BN: Tensor, draws_BJ: Tensor) -> Tensor:
    """Give the last E of the M nearest items' places to random items.

    The first E draws that are unseen, not among the M nearest and not drawn before take the last E places, so no item
    stands twice in a row; where too few draws are left, the nearest items keep their places.

    Args:
        nearest_BM: (B, M) int64, distinct in each row.
        seen_BN: (B, N) bool, items not to offer.
        draws_BJ: (B, 3 E) int64 from `exploration_noise`; E may be 0.

    Returns:
        (B, M) int64, distinct in each row.
    """
    slots = draws_BJ.shape[1] // DRAWS_PER_SLOT
    if slots == 0:
        return nearest_BM
    last = nearest_BM.shape[1]
    taken_BN = seen_BN.scatter(1, nearest_BM, True)
    usable_BJ = ~(taken_BN.gather(1, draws_BJ) | _drawn_before(draws_BJ))
    rank_BJ = usable_BJ.cumsum(dim=1) - 1
    # Every draw is written to the place of its rank; what is not usable or left over goes to a column that is cut off.
    place_BJ = torch.where(usable_BJ & (rank_BJ < slots), last - 1 - rank_BJ, last)
    padded = torch.cat([nearest_BM, nearest_BM[:, :1]], dim=1)
    return padded.scatter(1, place_BJ, draws_BJ)[:, :last]


def _drawn_before(draws_BJ: Tensor) -> Tensor:
    """Mark the draws that stand earlier in their row, (B, J) bool; a stable sort is cheaper than all J² pairs."""
    drawn_BJ, order_BJ = draws_BJ.sort(dim=1, stable=True)
    same_BJ = torch.nn.functional.pad(drawn_BJ[:, 1:] == drawn_BJ[:, :-1], (1, 0))
    return torch.zeros_like(same_BJ).scatter(1, order_BJ, same_BJ)


def forget_when_exhausted(
    seen_BN: Tensor, unseen_B: Tensor, num_candidates: int, known_BH: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Clear the memory of every user with fewer than M unseen items left, so that a candidate set always exists.

    Args:
        seen_BN: (B, N) bool.
        unseen_B: (B,) int64, how many are unseen; kept as a count because summing (B, N) costs more than the rest.
        num_candidates: M.
        known_BH: int64, items that stay seen, if there are such.

    Returns:
        both arguments, with the exhausted users' rows started over.
    """
    exhausted_B = unseen_B < num_candidates
    # As bytes: a bool operation that is broadcast over rows is not vectorised, and this is B x N of them.
    kept_B1 = (~exhausted_B).view(torch.uint8).unsqueeze(1)
    kept_BN = (seen_BN.view(torch.uint8) * kept_B1).view(torch.bool)
    if known_BH is None:
        return kept_BN, unseen_B.masked_fill(exhausted_B, seen_BN.shape[1])
    anew_B = seen_BN.shape[1] - num_distinct(known_BH)
    return kept_BN.scatter_(1, known_BH, True), torch.where(exhausted_B, anew_B, unseen_B)


def num_distinct(ids_BH: Tensor) -> Tensor:
    """Return how many different items each row has, (B,) int64."""
    sorted_BH = ids_BH.sort(dim=1).values
    return 1 + (sorted_BH[:, 1:] != sorted_BH[:, :-1]).sum(dim=1)

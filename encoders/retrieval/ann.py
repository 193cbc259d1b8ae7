"""Approximate retrieval by FAISS, an extra: `pip install "slatelab[ann]"`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from encoders.errors import Failure, UsageError
from encoders.retrieval.protocol import (
    Floats,
    Ids,
    allowed_mask,
    check_ids,
    check_k,
    check_vectors,
    excluded_places,
    item_vectors,
    kept_mask,
    new_ids,
    unit_rows,
)
from encoders.retrieval.storing import write_index

Kind = Literal["flat", "ivf", "hnsw"]
SAMPLE = 64
"""Vectors a cluster that `ivf` is clustered on."""


def load_faiss() -> Any:
    """Return FAISS, imported only now: it brings an OpenMP of its own, as torch does.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise UsageError(
            'approximate retrieval needs FAISS, which is not installed: pip install "slatelab[ann]"; '
            "encoders.retrieval.exact.ExactIndex needs nothing"
        ) from error
    return faiss


@dataclass(frozen=True, kw_only=True)
class FaissSettings:
    """What is approximated, and how well."""

    kind: Kind = "ivf"
    """`flat` looks at all, `ivf` at the nearest lists of a clustering, `hnsw` walks a graph of neighbours."""
    lists: int = 0
    """Clusters of `ivf`; 0 for about sqrt(N), from 1 to N / 39, as FAISS' clustering wants."""
    probes: int = 16
    """Lists that a query of `ivf` looks at."""
    links: int = 32
    """Neighbours of an item in the graph of `hnsw`."""
    build_effort: int = 100
    """Candidates looked at for each item while the graph is built."""
    search_effort: int = 64
    """Candidates that a query of `hnsw` keeps on its walk; at least k are."""

    def __post_init__(self) -> None:
        """Refuse settings that build no index."""
        if self.kind not in get_args(Kind):
            raise UsageError(f'unknown kind of index "{self.kind}" (known: {", ".join(get_args(Kind))})')
        for name in ("probes", "links", "build_effort", "search_effort"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; make it 1 or more")
        if self.lists < 0:
            raise UsageError(f"lists is {self.lists}; make it 0 or more")


class FaissIndex:
    """Look at some items and find nearly all: FAISS behind the methods of `Index`, which says what they do.

    Equal cosines come in FAISS' order. Excluded items are searched for and left out, so many of them cost speed.

    Args:
        vectors: one row an item, (N, D); `ivf` clusters these.
        ids: of the rows, 0 or more; 0 to N - 1 without it.
        settings: kind and effort.

    Raises:
        UsageError: as `add`; FAISS is not installed.
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        ids: NDArray[Any] | Sequence[int] | None = None,
        settings: FaissSettings | None = None,
    ) -> None:
        self.settings, self._faiss = settings or FaissSettings(), load_faiss()
        checked = np.arange(len(vectors), dtype=np.int64) if ids is None else check_ids(ids)
        units = unit_rows(item_vectors(vectors, checked))
        if not len(units):
            raise UsageError("an index wants one vector or more")
        self._ids = np.sort(checked)
        self._index = self._built(units, checked)

    def _built(self, units: Floats, ids: Ids) -> Any:
        faiss, settings, (count, width) = self._faiss, self.settings, units.shape
        if settings.kind == "ivf":
            lists = settings.lists or max(1, min(int(count**0.5), count // 39))
            index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, min(lists, count), faiss.METRIC_INNER_PRODUCT)
            index.cp.max_points_per_centroid = SAMPLE  # (of FAISS' own 256 the clustering of a million takes minutes)
            index.train(units)
        elif settings.kind == "hnsw":
            graph = faiss.IndexHNSWFlat(width, settings.links, faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = settings.build_effort
            index = faiss.IndexIDMap2(graph)
        else:
            index = faiss.IndexIDMap2(faiss.IndexFlatIP(width))
        index.add_with_ids(units, ids)
        return index

    @property
    def ids(self) -> Ids:
        """The ids of the N items, ascending, int64 (N,)."""
        return self._ids

    def __len__(self) -> int:
        """Return the number of items N."""
        return len(self._ids)

    def search(
        self,
        queries: NDArray[Any],
        k: int,
        exclude: NDArray[Any] | None = None,
        allowed: NDArray[Any] | Sequence[int] | None = None,
    ) -> tuple[Ids, Floats]:
        """Return ``k`` near items of each query, nearest first; see `Index`."""
        check_k(k, len(self))
        rows = check_vectors(queries, "the queries", self._index.d)
        units = unit_rows(rows)
        barred = np.empty((len(rows), 0), dtype=np.int64)
        if exclude is not None:
            places = excluded_places(self._ids, exclude, len(rows))
            barred = np.where(places < 0, -1, self._ids[places])
        wanted = min(k + barred.shape[1], len(self))
        found, scores = self._found(units, wanted, allowed)
        if barred.shape[1]:
            bad = (found[:, :, None] == barred[:, None, :]).any(axis=2)
            order = np.argsort(bad, axis=1, kind="stable")[:, :k]
            found, scores, bad = (np.take_along_axis(part, order, axis=1) for part in (found, scores, bad))
            found[bad] = -1
        scores[found < 0] = -np.inf
        return found[:, :k], scores[:, :k]

    def _found(self, units: Floats, wanted: int, allowed: Any) -> tuple[Ids, Floats]:
        faiss, settings = self._faiss, self.settings
        chosen = {}
        if allowed is not None:
            open_ids = self._ids[allowed_mask(self._ids, allowed)]
            chosen["sel"] = faiss.IDSelectorBatch(open_ids)
        if settings.kind == "ivf":
            parameters = faiss.SearchParametersIVF(nprobe=settings.probes, **chosen)
        elif settings.kind == "hnsw":
            parameters = faiss.SearchParametersHNSW(efSearch=max(settings.search_effort, wanted), **chosen)
        else:
            parameters = faiss.SearchParameters(**chosen)
        scores, found = self._index.search(units, wanted, params=parameters)
        return found.astype(np.int64), scores

    def add(self, ids: NDArray[Any] | Sequence[int], vectors: NDArray[Any]) -> None:
        """Take in items with new ids, without clustering anew; see `Index`."""
        added = new_ids(self._ids, ids)
        self._index.add_with_ids(unit_rows(item_vectors(vectors, added, self._index.d)), added)
        self._ids = np.sort(np.concatenate([self._ids, added]))

    def remove(self, ids: NDArray[Any] | Sequence[int]) -> None:
        """Drop items; a graph is built anew without them. See `Index`."""
        kept = kept_mask(self._ids, ids)
        if self.settings.kind == "hnsw":
            units = np.stack([self._index.reconstruct(int(item)) for item in self._ids[kept]])
            self._index = self._built(units, self._ids[kept])
        else:
            self._index.remove_ids(self._ids[~kept])
        self._ids = self._ids[kept]

    def save(self, folder: Path | str) -> None:
        """Write the index to a folder, in FAISS' own form; see `Index`."""
        write_index(folder, "faiss", self._faiss.serialize_index(self._index).tobytes(), asdict(self.settings))

    @classmethod
    def from_bytes(cls, content: bytes, settings: dict[str, Any]) -> "FaissIndex":
        """Return the index of what `save` wrote.

        Raises:
            UsageError: FAISS is not installed.
            Failure: it is something else.
        """
        faiss = load_faiss()
        loaded = cls.__new__(cls)
        try:
            loaded.settings, loaded._faiss = FaissSettings(**settings), faiss
            loaded._index = faiss.deserialize_index(np.frombuffer(content, dtype=np.uint8))
            if loaded.settings.kind == "ivf":
                lists = loaded._index.invlists
                parts = [
                    faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number)).copy()
                    for number in range(lists.nlist)
                    if lists.list_size(number)
                ]
                loaded._ids = np.sort(np.concatenate(parts)).astype(np.int64)
            else:
                loaded._ids = np.sort(faiss.vector_to_array(loaded._index.id_map)).astype(np.int64)
        except (RuntimeError, TypeError, AttributeError, ValueError) as error:
            raise Failure(f"this is no FAISS index ({str(error).splitlines()[0]}); save it again") from error
        return loaded

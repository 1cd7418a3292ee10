"""A large matrix -> a graph for approximate nearest neighbors. The only user of faiss."""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg.search.matching import Nearest, nearest_rows
from scatseg.writing import replaced

ABOVE = 200_000
"""Rows from which on a graph is built, if faiss is installed; below, exact search is fast."""

_NEIGHBORS = 32
"""Links per row of the graph (M of the reference)."""

_BREADTH_BUILDING = 100
"""Candidates for the links of a new row (efConstruction)."""

_BREADTH = 128
"""Minimum number of candidates of a search (ef): recall@10 is then above 0.95 on music."""


def is_installed() -> bool:
    """Return whether the `ann` extra is installed."""
    return find_spec("faiss") is not None


def graph_name(matrix: Path, n_rows: int) -> str:
    """Return the file name of the graph of the first `n_rows` rows of a matrix."""
    return f"{matrix.stem}-{n_rows}.hnsw"


def write_graph(matrix: NDArray[np.float32], path: Path) -> None:
    """Build the graph of a matrix (n_rows, n_dims) and write it atomically.

    References
    ----------
    Y. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using
    hierarchical navigable small world graphs", IEEE TPAMI 42(4), 2020.
    """
    import faiss

    graph = _graph(matrix)
    with replaced(path) as temporary:
        faiss.write_index(graph, os.fspath(temporary))


def _graph(matrix: NDArray[np.float32]) -> Any:
    import faiss

    graph = faiss.IndexHNSWFlat(matrix.shape[1], _NEIGHBORS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = _BREADTH_BUILDING
    graph.add(np.ascontiguousarray(matrix))
    return graph


def read_graph(path: Path) -> Any:
    """Memory-map a graph."""
    import faiss

    return faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP)


def near_rows(
    graph: Any, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None
) -> Nearest:
    """Find approximate nearest rows; arguments and results are those of `nearest_rows`."""
    import faiss

    parameters = faiss.SearchParametersHNSW()
    parameters.efSearch = max(_BREADTH, 2 * k)
    if allowed is not None:
        bits = np.packbits(allowed, bitorder="little")
        parameters.sel = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits))
    similarities, rows = graph.search(np.ascontiguousarray(queries), k, params=parameters)
    found = np.where(rows >= 0, similarities, -np.inf).astype(np.float32)
    return Nearest(rows.astype(np.intp), found)


def measured(matrix: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> dict[str, float]:
    """Compare a graph with exact search, one query at a time.

    Returns
    -------
    facts : dict
        "recall" of the k nearest, milliseconds of both, and their ratio.
    """
    graph = _graph(matrix)
    exact = nearest_rows(matrix, queries, k)
    began = time.perf_counter()
    for query in queries:
        nearest_rows(matrix, query[None], k)
    middle = time.perf_counter()
    found = np.concatenate([near_rows(graph, query[None], k).rows for query in queries])
    end = time.perf_counter()
    shared = [np.isin(a, b).mean() for a, b in zip(found, exact.rows, strict=True)]
    return {
        "recall": float(np.mean(shared)),
        "exact_ms": 1000 * (middle - began) / len(queries),
        "graph_ms": 1000 * (end - middle) / len(queries),
        "times_faster": (middle - began) / (end - middle),
    }

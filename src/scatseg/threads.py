"""Temporary limits of BLAS, OpenMP and torch to one thread; the number of cores.

The number of BLAS threads is a setting of the process: of two concurrent callers, the second would
restore the limit set by the first.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def n_cores() -> int:
    """Return the number of cores that this process may use, as a scheduler may grant only some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _OneBlasThread:
    """Limits BLAS to one thread, from the first entry to the last exit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_inside:
                pools = _pools("blas", len(sys.modules))
                _disown(pools)
                self._undo.callback(_disown, pools)
                self._undo.callback(pools.limit(limits=1).restore_original_limits)
                self._undo.callback(_disown, pools)
            self._n_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside:
                self._undo.close()


one_blas_thread = _OneBlasThread()
"""A context in which BLAS uses one thread, in the whole process."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS to one thread, and OpenMP in the calling thread."""
    with one_blas_thread, _pools("openmp", len(sys.modules)).limit(limits=1):
        yield


@contextlib.contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to one thread, for computations of many small operations.

    Where other programs use the cores, its threads wait for each other after every one.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=2)
def _pools(kind: str, n_modules: int) -> ThreadpoolController:  # noqa: ARG001 - part of the key
    """Find the loaded libraries, cached until the next import, as it takes milliseconds."""
    return ThreadpoolController().select(user_api=kind)


def _disown(pools: ThreadpoolController) -> None:
    """Allow this thread to change limits set by another, which threadpoolctl 3.8 ignores."""
    for library in pools.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)

"""Libraries that compute with several threads, kept to one for a while: the same bits everywhere.

How many threads BLAS takes is a setting of the whole process. Of two callers that change it at the
same time, the second would restore what the first had set.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache

from threadpoolctl import ThreadpoolController


class _OneBlasThread:
    """Keeps BLAS to one thread, from the first who enters until the last has left."""

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
"""A context in which BLAS takes one thread, in the whole process."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS to one thread, and OpenMP, which asks its caller's thread only."""
    with one_blas_thread, _pools("openmp", len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=2)
def _pools(kind: str, n_modules: int) -> ThreadpoolController:  # noqa: ARG001 - part of the key
    """Look which libraries are loaded, which takes milliseconds: once after each import."""
    return ThreadpoolController().select(user_api=kind)


def _disown(pools: ThreadpoolController) -> None:
    """Let this thread change what another one has set: threadpoolctl 3.8 ignores it otherwise."""
    for library in pools.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)

"""Threads of torch on the CPU."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to one thread, unless OMP_NUM_THREADS is set.

    Losses are made of many small operations. Where other programs use the cores, threads wait for
    each other after every one, and a step takes up to 50 times as long as with one thread.
    """
    if os.environ.get("OMP_NUM_THREADS"):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

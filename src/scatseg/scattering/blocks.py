"""Signals of any length -> blocks of one period, transformed sequentially or in parallel."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from scatseg.scattering.arrays import Arrays, Tensor, arrays_of, is_tensor
from scatseg.scattering.plan import Block, Layout
from scatseg.threads import n_cores, one_blas_thread

Compute = Callable[[Arrays, Tensor, Block], Tensor]
"""A block of signals (..., period), and which it is -> rows of coefficients (..., n_rows, n)."""


def reflected(xp: Arrays, x: Tensor, start: int, length: int) -> Tensor:
    """Read `length` samples from `start` on, mirrored at both ends as often as needed."""
    n_samples, stop = x.shape[-1], start + length
    if start >= 0 and stop <= n_samples:
        return x[..., start:stop]
    period = max(2 * n_samples - 2, 1)

    def mirror(first: int, last: int) -> Tensor:
        at = np.arange(first, last) % period
        return x[..., np.minimum(at, period - at) % n_samples]

    parts = [mirror(start, min(stop, 0))] if start < 0 else []
    if stop > 0 and start < n_samples:
        parts.append(x[..., max(start, 0) : stop])
    if stop > n_samples:
        parts.append(mirror(max(start, n_samples), stop))
    return xp.concatenate(parts, -1)


def _computed(compute: Compute, xp: Arrays, x: Tensor, block: Block) -> Tensor:
    """Compute a block of arrays, with signals near the smallest numbers scaled up meanwhile.

    Coefficients are proportional to the signal, and the scale is a power of two. Without it, a
    sound that decays exponentially ends in denormal numbers, whose arithmetic takes ten times as
    long.
    """
    if is_tensor(x):
        return compute(xp, x, block)
    least = np.sqrt(np.finfo(x.dtype).tiny)
    peak = np.abs(x).max(axis=-1, keepdims=True)
    exponent = np.where(peak < least, np.frexp(peak)[1], 0)
    if not exponent.any():
        return compute(xp, x, block)
    rows = compute(xp, np.ldexp(x, -exponent), block)
    return np.ldexp(rows, exponent.reshape(*x.shape[:-1], *[1] * (rows.ndim - x.ndim + 1)))


def transformed(x: Tensor, cut: Layout, compute: Compute, xp: Arrays, n_workers: int) -> Tensor:
    """Transform signals block by block.

    Parameters
    ----------
    x : array or tensor, shape (n_signals, n_samples)
    cut : Layout
        Blocks of such a signal.
    compute : callable
        Function from a block to coefficients.
    xp : Arrays
        Operations for `x`.
    n_workers : int
        Number of threads over signals and blocks, without effect on the coefficients. For tensors,
        torch's own threads are used.

    Returns
    -------
    S : array or tensor, shape (n_signals, n_rows, n_frames)
    """
    if is_tensor(x):
        blocks = [compute(xp, reflected(xp, x, b.start, cut.period), b) for b in cut.blocks]
        return blocks[0] if len(blocks) == 1 else xp.concatenate(blocks, -1)
    tasks = [(i, block) for i in range(len(x)) for block in cut.blocks]

    def work(task: tuple[int, Block]) -> Tensor:
        i, block = task
        return _computed(compute, xp, reflected(xp, x[i], block.start, cut.period), block)

    S = None
    for (i, block), rows in zip(tasks, _mapped(work, tasks, n_workers), strict=True):
        if S is None:
            S = np.empty((len(x), len(rows), cut.n_frames), dtype=rows.dtype)
        S[i, :, block.frames] = rows
    return S


def streamed(
    chunks: Iterable[Tensor], cut: Callable[[int], Layout], longest: int, compute: Compute
) -> Iterator[Tensor]:
    """Transform a streamed signal, in the same blocks as the whole signal.

    Parameters
    ----------
    chunks : iterable of array or tensor, shape (..., n)
        Chunks of the signal, of any lengths.
    cut : callable
        Function from a number of samples to the blocks of such a signal.
    longest : int
        Period of the blocks of all longer signals.
    compute : callable
        Function from a block to coefficients.

    Yields
    ------
    rows : array or tensor, shape (..., n_rows, n)
        The next frames.

    Raises
    ------
    ValueError
        When the chunks are empty.
    """
    held = _Held()
    n_done = 0
    for chunk in chunks:
        held.append(chunk)
        while held.n_samples > longest:
            cut_here = cut(held.n_samples)
            block = cut_here.block(n_done)
            if block.start + longest > held.n_samples:
                break
            yield held.compute(block, longest, compute)
            n_done += 1
            # Reflection at the end may reach a period further back.
            held.drop(block.start - longest)
    if not held.n_samples:
        msg = "a stream needs at least one sample, got none"
        raise ValueError(msg)
    cut_here = cut(held.n_samples)
    for k in range(n_done, len(cut_here)):
        yield held.compute(cut_here.block(k), cut_here.period, compute)


class _Held:
    """The last samples of a streamed signal."""

    def __init__(self) -> None:
        self.n_samples = 0
        self._first = 0
        self._pieces: list[Tensor] = []

    def append(self, piece: Tensor) -> None:
        """Append a copy, as live input may reuse its buffer."""
        if piece.shape[-1]:
            self._pieces.append(piece.clone() if is_tensor(piece) else piece.copy())
            self.n_samples += piece.shape[-1]

    def drop(self, before: int) -> None:
        """Drop the samples before one of the first piece held."""
        if self._first < before:
            self._pieces[0] = self._pieces[0][..., before - self._first :]
            self._first = before

    def compute(self, block: Block, period: int, compute: Compute) -> Tensor:
        xp = arrays_of(self._pieces[0])
        if len(self._pieces) > 1:
            self._pieces = [xp.concatenate(self._pieces, -1)]
        here = reflected(xp, self._pieces[0], block.start - self._first, period)
        with one_blas_thread:
            return _computed(compute, xp, here, block)


def from_zero(xp: Arrays, x: Tensor, cut: Layout) -> Tensor:
    """Read a signal's only block so that it begins with the signal: on the grid of all strides."""
    behind = reflected(xp, x, 0, cut.period + cut.start)
    return xp.concatenate([behind, reflected(xp, x, cut.start, -cut.start)], -1)


def each_signal(x: Tensor, transform: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
    """Transform arrays (n_signals, n_samples) signal by signal, a tensor's signals together."""
    if is_tensor(x):
        return transform(x)
    return [np.stack(paths) for paths in zip(*map(transform, x), strict=True)]


def n_threads(workers: int | None) -> int:
    """Return the number of threads of a transform: OMP_NUM_THREADS if set, else all cores.

    It is set in the workers of a collection, so that they do not compete.
    """
    if workers is not None:
        return workers
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return n_cores()


Task = TypeVar("Task")


def _mapped(
    work: Callable[[Task], Tensor], tasks: Sequence[Task], n_workers: int
) -> Iterator[Tensor]:
    """Map tasks in order, few at a time, each with one BLAS thread for deterministic results."""
    with one_blas_thread:
        if min(n_workers, len(tasks)) == 1:
            yield from map(work, tasks)
            return
        with ThreadPoolExecutor(n_workers) as pool:
            waiting = deque(pool.submit(work, task) for task in tasks[: 2 * n_workers])
            for task in tasks[2 * n_workers :]:
                yield waiting.popleft().result()
                waiting.append(pool.submit(work, task))
            while waiting:
                yield waiting.popleft().result()

"""Parallel work on many tracks, isolated from crashes. The only user of joblib."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import hashlib
import os
import shutil
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TextIO, TypeVar

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from scatseg.runs import Failure, Source

Item = TypeVar("Item")
Result = TypeVar("Result")

_DEATHS_ALLOWED = 2  # of processes, before a track or the whole work fails


class Receipt(NamedTuple):
    """The outcome of one track.

    `status` is "done", "kept" (finished before) or "failed"; `failure` is the reason,
    `warnings` are reasons to doubt the result, and `result` is what the caller needs of it.
    `partial` are failures of parts of a track that is done otherwise.
    """

    track: str
    status: Literal["done", "kept", "failed"]
    seconds: float = 0.0
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    result: object = None
    partial: tuple[Failure, ...] = ()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """That of the track, or those of its parts."""
        return self.partial if self.failure is None else (self.failure,)


def map_sources(
    work: Callable[[Source], Receipt],
    sources: Sequence[Source],
    *,
    n_jobs: int,
    marks: Path,
    isolate: bool = False,
    time_limit: float | None = None,
) -> Iterator[Receipt]:
    """Process every source, in worker processes that may crash.

    When a worker is killed, the tracks in progress are repeated, each alone; a track that kills its
    worker twice has failed. So has, at once, one that exceeds the time limit: it ends its worker,
    and the others in progress are repeated.

    Parameters
    ----------
    work : callable
        Source -> Receipt; picklable, and must not raise errors for a bad track.
    sources : sequence of Source
        Sources to process.
    n_jobs : int
        Number of processes, -1 for all cores; 1 uses the current one, unless there is a time limit.
    marks : Path
        A temporary folder in which workers mark the tracks in progress.
    isolate : bool, default False
        Whether a single source, too, is processed in a worker if `n_jobs` is more than 1.
    time_limit : float, optional
        Seconds that a source may take, also in code that never returns to Python.

    Yields
    ------
    receipt : Receipt
        In order of completion.
    """
    n_jobs = _n_processes(n_jobs)
    if time_limit is None and (n_jobs == 1 or len(sources) <= (0 if isolate else 1)):
        _remove(marks)
        yield from map(work, sources)
        return
    marks.mkdir(exist_ok=True)
    try:
        yield from _in_mortal_processes(
            work, sources, n_jobs=n_jobs, marks=marks, time_limit=time_limit
        )
    finally:
        _remove(marks)


def _n_processes(n_jobs: int) -> int:
    """Return a number of processes; a negative one counts from that of the cores, as in joblib."""
    if not n_jobs:
        msg = "n_jobs must be a number of processes, or -1 for all cores, got 0"
        raise ValueError(msg)
    return n_jobs if n_jobs > 0 else joblib.effective_n_jobs(n_jobs)


def _in_mortal_processes(
    work: Callable[[Source], Receipt],
    sources: Sequence[Source],
    *,
    n_jobs: int,
    marks: Path,
    time_limit: float | None,
) -> Iterator[Receipt]:
    left = {source.id: source for source in sources}
    deaths: Counter[str] = Counter()
    while left:
        suspects = [source for id_, source in left.items() if deaths[id_]]
        batch = suspects[:1] or list(left.values())
        try:
            for receipt in _in_processes(
                work, batch, n_jobs=n_jobs, marks=marks, time_limit=time_limit
            ):
                del left[receipt.track]
                yield receipt
        except TerminatedWorkerError:
            marked = _marked(marks, left)
            late = {id_: place for id_, place in marked.items() if place}
            for id_, place in late.items():
                del left[id_]
                reason = f"stopped after {time_limit:g} s, the time limit of a track, at {place}"
                yield Receipt(id_, "failed", time_limit or 0.0, Failure(id_, "process", reason))
            if late:
                continue  # the others were stopped by the end of its worker
            # A crash before the mark is written can only be attributed by working alone.
            for id_ in marked or [source.id for source in batch]:
                deaths[id_] += 1
                if deaths[id_] >= _DEATHS_ALLOWED:
                    del left[id_]
                    reason = "the process died on this track twice: out of memory, or a crash"
                    yield Receipt(id_, "failed", 0.0, Failure(id_, "process", reason))


def _in_processes(
    work: Callable[[Source], Receipt],
    batch: Sequence[Source],
    *,
    n_jobs: int,
    marks: Path,
    time_limit: float | None,
) -> Iterator[Receipt]:
    _clear(marks)
    parallel = joblib.Parallel(
        n_jobs=max(n_jobs, 2),  # joblib's one job is this process: instead, one works, one waits
        pre_dispatch=1 if n_jobs == 1 else "2 * n_jobs",
        batch_size=1,
        backend="loky",
        return_as="generator_unordered",
    )
    jobs = (
        joblib.delayed(_marked_work)(work, source, marks, os.getpid(), time_limit)
        for source in batch
    )
    yield from _results(parallel(jobs))


def _results(running: Generator[Result]) -> Iterator[Result]:
    """Yield the results of joblib's processes, and end these without a warning if given up."""
    try:
        for result in running:  # noqa: UP028 - `yield from` would close it here, with a warning
            yield result
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            running.close()


def _marked_work(
    work: Callable[[Source], Receipt],
    source: Source,
    marks: Path,
    driver: int,
    time_limit: float | None,
) -> Receipt:
    _die_with(driver)
    mark = marks / _mark_name(source.id)
    with mark.open("w", encoding="utf-8") as file, _ended_after(time_limit, file):
        receipt = work(source)
    mark.unlink(missing_ok=True)  # missing if the work was interrupted
    return receipt


@contextlib.contextmanager
def _ended_after(time_limit: float | None, file: TextIO) -> Iterator[None]:
    """End this process after a time, with what it is doing written to a file.

    That is done by a thread of C, which needs no lock of the interpreter.
    """
    if time_limit is None:
        yield
        return
    faulthandler.dump_traceback_later(min(time_limit, threading.TIMEOUT_MAX), file=file, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _mark_name(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", "surrogateescape")).hexdigest()


def _marked(marks: Path, left: Mapping[str, Source]) -> dict[str, str]:
    """Return the sources in progress, with the line of code at which a time limit ended them."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in marks.iterdir()}
    return {id_: _stopped_at(texts[name]) for id_ in left if (name := _mark_name(id_)) in texts}


def _stopped_at(dump: str) -> str:
    """Return the innermost call of the main thread, which comes last; "" of no dump."""
    calls = dump.rpartition("(most recent call first):\n")[2]
    return calls.partition("\n")[0].strip().removeprefix("File ")


def _clear(marks: Path) -> None:
    for path in marks.iterdir():
        path.unlink()


def _remove(marks: Path) -> None:
    # A worker that outlives an interrupt may write a mark meanwhile, which is harmless.
    shutil.rmtree(marks, ignore_errors=True)


@functools.cache
def _die_with(driver: int) -> None:
    """End this worker soon after its parent process is gone; called once."""
    if sys.platform == "win32":
        return  # there a parent's number says nothing about its life

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def map_pure(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_jobs: int
) -> Iterator[Result]:
    """Map a picklable function over items in order, in parallel if n_jobs is not 1.

    When a worker is killed, what it left undone is repeated, once.

    Raises
    ------
    ChildProcessError
        When workers were killed twice.
    """
    n_jobs = _n_processes(n_jobs)
    if n_jobs == 1 or len(items) < 2:
        yield from map(function, items)
        return
    n_done = n_deaths = 0
    while n_done < len(items):
        parallel = joblib.Parallel(n_jobs=n_jobs, backend="loky", return_as="generator")
        try:
            for result in _results(parallel(map(joblib.delayed(function), items[n_done:]))):
                n_done += 1
                yield result
        except TerminatedWorkerError as error:
            n_deaths += 1
            if n_deaths >= _DEATHS_ALLOWED:
                msg = "processes died twice: out of memory, or a crash; try fewer of them (--jobs)"
                raise ChildProcessError(msg) from error

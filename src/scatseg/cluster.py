"""Parallel work on many tracks, on a cluster that runs already. The only user of dask."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from scatseg.runs import Failure, Source
from scatseg.workers import Receipt

_ONE_TRACK = threading.Lock()

_BETWEEN_LOOKS = 0.1
"""Seconds between two looks for finished tracks."""

_PATIENCE = 30.0
"""Seconds without a finished track until the workers of the scheduler are counted."""


def map_on_cluster(
    work: Callable[[Source], Receipt], sources: Sequence[Source], *, scheduler: str | None = None
) -> Iterator[Receipt]:
    """Process every source on the workers of a dask scheduler, which may crash.

    Workers need scatseg, and the same files under the same absolute paths. A track whose workers
    die is repeated alone, and fails if they die again. A scheduler without workers is waited for,
    with a warning, as some clusters start them on demand; its setting
    "distributed.scheduler.no-workers-timeout" ends that.

    Parameters
    ----------
    work : callable
        Source -> Receipt; picklable, and must not raise errors for a bad track.
    sources : sequence of Source
        Sources to process.
    scheduler : str, optional
        Address like "tcp://host:8786"; by default that of dask's configuration
        (DASK_SCHEDULER_ADDRESS or DASK_SCHEDULER_FILE).

    Yields
    ------
    receipt : Receipt
        In order of completion.

    Raises
    ------
    ConnectionError
        When no scheduler answers, or none is configured.

    Warns
    -----
    UserWarning
        When tracks wait, but the scheduler has no workers.
    """
    from distributed.scheduler import KilledWorker

    with _connected(scheduler) as client:
        suspects = []
        for source, outcome in _outcomes(client, work, sources):
            if isinstance(outcome, KilledWorker):
                suspects.append(source)
            else:
                yield _receipt(source, outcome)
        for source in suspects:  # alone, as workers may have died of another track
            for _, outcome in _outcomes(client, work, [source]):
                yield _receipt(source, outcome)


@contextlib.contextmanager
def _connected(scheduler: str | None) -> Iterator[Any]:
    import dask
    from distributed import Client

    configured = (dask.config.get(key, None) for key in ("scheduler-address", "scheduler-file"))
    if scheduler is None and not any(configured):
        msg = "no dask scheduler is configured: give its address, or set DASK_SCHEDULER_ADDRESS"
        raise ConnectionError(msg)
    try:
        client = Client(scheduler, set_as_default=False)
    except (OSError, ValueError) as error:
        msg = f"no dask scheduler answers at {scheduler or 'the configured address'}: {error}"
        raise ConnectionError(msg) from error
    with client:
        yield client


def _outcomes(
    client: Any, work: Callable[[Source], Receipt], sources: Sequence[Source]
) -> Iterator[tuple[Source, Receipt | Exception]]:
    """Yield every source with its receipt, or with the error that kept it from one."""
    from distributed import as_completed

    # One name for all tasks, so that the scheduler queues them instead of assigning them at once.
    futures = client.map(_one_track, [work] * len(sources), sources, pure=False, key="track")
    of_future = dict(zip(futures, sources, strict=True))
    for future in _finished(client, as_completed(futures, loop=client.loop)):
        try:
            outcome = future.result()
        except Exception as error:  # of the cluster: lost workers, a missing package
            outcome = error
        future.release()
        yield of_future[future], outcome


def _finished(client: Any, waiting: Any) -> Iterator[Any]:
    """Yield futures as they finish, and say so when nobody is there to finish them."""
    is_warned, patient_until = False, time.monotonic() + _PATIENCE
    while not waiting.is_empty():
        if batch := waiting.next_batch(block=False):
            yield from batch
            is_warned, patient_until = False, time.monotonic() + _PATIENCE
        elif is_warned or time.monotonic() < patient_until:
            time.sleep(_BETWEEN_LOOKS)
        else:
            patient_until = time.monotonic() + _PATIENCE
            if not client.scheduler_info()["workers"]:
                msg = (
                    f"the dask scheduler at {client.scheduler.address} has no workers: start some, "
                    f"or stop with Ctrl-C; {waiting.count()} tracks wait"
                )
                warnings.warn(msg, stacklevel=2)
                is_warned = True


def _one_track(work: Callable[[Source], Receipt], source: Source) -> Receipt:
    """Process one track at a time in a process, however many threads the worker has."""
    with _ONE_TRACK:
        return work(source)


def _receipt(source: Source, outcome: Receipt | Exception) -> Receipt:
    if isinstance(outcome, Receipt):
        return outcome
    reason = f"the cluster could not process this track: {type(outcome).__name__}: {outcome}"
    return Receipt(source.id, "failed", 0.0, Failure(source.id, "process", reason))

"""Libraries use one thread exactly as long as any caller requests it."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import sklearn.cluster  # noqa: F401 - brings OpenMP
from threadpoolctl import ThreadpoolController, threadpool_limits

from scatseg.cli.index import index
from scatseg.threads import one_blas_thread, one_thread


def threads_of(kind):
    return {each["num_threads"] for each in ThreadpoolController().select(user_api=kind).info()}


@pytest.fixture(autouse=True)
def two_threads():
    """Start from two threads on any machine."""
    with threadpool_limits(2):
        yield


def test_there_is_one_thread_inside_and_all_are_back_outside():
    with one_thread():
        assert (threads_of("blas"), threads_of("openmp")) == ({1}, {1})
    assert (threads_of("blas"), threads_of("openmp")) == ({2}, {2})


def test_any_thread_may_be_the_last():
    with ThreadPoolExecutor(1) as other:
        other.submit(one_blas_thread.__enter__).result()
        with one_blas_thread:
            other.submit(one_blas_thread.__exit__).result()
            assert threads_of("blas") == {1}
        assert threads_of("blas") == {2}
        other.submit(one_blas_thread.__enter__).result()
        assert threads_of("blas") == {1}
        other.submit(one_blas_thread.__exit__).result()
    assert threads_of("blas") == {2}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores cannot be granted here")
def test_as_many_processes_are_started_as_cores_are_granted(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    context = index.make_context("index", ["somewhere"])
    assert context.params["jobs"] == 2

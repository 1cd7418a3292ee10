"""Runs on a dask scheduler: the same bytes, and deaths of workers affect no other track."""

import contextlib
import importlib.util
import warnings

import numpy as np
import pytest
from tests.test_cli import scatseg
from tests.test_collection import (
    JOB,
    SR,
    contents,
    statuses,
    write_deadly_module,
    write_tracks,
)

from scatseg import audio, cluster
from scatseg.analysis import SegmentJob
from scatseg.collection import segment_collection
from scatseg.runs import Source, read_failures

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the dask extra"
)


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """Address of a scheduler whose two workers have another current folder than the test."""
    dask = pytest.importorskip("dask", reason="needs the dask extra")
    distributed = pytest.importorskip("distributed", reason="needs the dask extra")
    write_deadly_module(tmp_path, monkeypatch)  # workers inherit the path
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.scheduler.no-workers-timeout": "60s",  # a test fails rather than hangs
        "temporary-directory": str(elsewhere),
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        monkeypatch.chdir(elsewhere)
        local = distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=None, silence_logs=50
        )
        stack.enter_context(local)
        monkeypatch.chdir(tmp_path)
        yield local.scheduler_address


@pytest.mark.slow
@needs_dask
@pytest.mark.filterwarnings("default")  # those of dask, and of its sockets
def test_a_cluster_gives_the_bytes_of_one_process(scheduler, tmp_path):
    sources = write_tracks(tmp_path / "audio", ["one", "two", "three"])
    (tmp_path / "audio" / "bad.wav").write_bytes(b"")
    sources = (*sources, Source("bad", tmp_path / "audio" / "bad.wav"))
    here = segment_collection(sources, tmp_path / "here", JOB)
    relative = [Source(source.id, source.path.relative_to(tmp_path)) for source in sources]
    run = (tmp_path / "there").relative_to(tmp_path)
    there = segment_collection(relative, run, JOB, cluster=scheduler)
    assert statuses(there) == statuses(here)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    again = segment_collection(sources[:3], tmp_path / "there", JOB, cluster="tcp://nowhere:1")
    assert set(statuses(again).values()) == {"kept"}


@pytest.mark.slow
@needs_dask
@pytest.mark.filterwarnings("default")
def test_a_track_that_kills_workers_of_a_cluster_fails_alone(scheduler, tmp_path):
    sources = write_tracks(tmp_path / "audio", [f"good{i}" for i in range(4)])
    poison = tmp_path / "audio" / "poison.wav"
    audio.save(poison, np.sin(np.arange(2 * SR)), SR)
    job = SegmentJob(segmenters=JOB.segmenters, features="deadly_features:deadly")
    receipts = segment_collection(
        [Source("poison", poison), *sources], tmp_path / "run", job, cluster=scheduler
    )
    assert {id_ for id_, status in statuses(receipts).items() if status == "failed"} == {"poison"}
    (failure,) = read_failures(tmp_path / "run")
    assert failure.stage == "process"
    assert "KilledWorker" in failure.error
    assert len(list((tmp_path / "run" / "tracks").iterdir())) == 4


@pytest.mark.slow
@needs_dask
@pytest.mark.filterwarnings("default")
def test_a_scheduler_without_workers_is_waited_for_with_a_warning(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_PATIENCE", 0.2)
    sources = write_tracks(tmp_path / "audio", ["one", "two"])
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as empty:

        def start_a_worker(message, *_, **__):
            messages.append(str(message))
            empty.scale(1)

        messages = []
        monkeypatch.setattr(warnings, "showwarning", start_a_worker)
        receipts = segment_collection(
            sources, tmp_path / "run", JOB, cluster=empty.scheduler_address
        )
        assert set(statuses(receipts).values()) == {"done"}
    (message,) = [message for message in messages if "dask scheduler" in message]
    assert f"{empty.scheduler_address} has no workers: start some" in message
    assert "2 tracks wait" in message


@needs_dask
@pytest.mark.parametrize("backend", ["dask", "dask:nonsense"])
def test_a_scheduler_that_cannot_be_reached_is_wrong_usage(backend, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    write_tracks(tmp_path / "audio", ["one"])
    arguments = ["segment", tmp_path / "audio", "-o", tmp_path / "run", "--backend", backend]
    assert scatseg(*arguments) == 2
    assert "no dask scheduler" in capsys.readouterr().err


def test_a_backend_that_is_not_there_is_wrong_usage(tmp_path, monkeypatch, capsys):
    assert scatseg("segment", tmp_path, "--backend", "spark") == 2
    assert "no backend 'spark': choose loky, dask:ADDRESS or dask" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert scatseg("segment", tmp_path, "--backend", "dask") == 2
    assert 'pip install "scatseg[dask]"' in capsys.readouterr().err

"""Work in processes: a time limit ends a track wherever it hangs, and no other."""

import functools
import importlib
import os

import joblib
import pytest
from joblib.externals.loky import get_reusable_executor
from tests.test_cli import scatseg
from tests.test_collection import JOB, write_tracks

from scatseg import workers
from scatseg.collection import segment_collection
from scatseg.runs import Source

HANGING = """
import re
import time
from scatseg.workers import Receipt

def work(source):
    if source.id == "loop":
        while True:
            pass
    if source.id == "regular expression":  # which keeps the interpreter's lock
        re.match("(a+)+$", 50 * "a" + "b")
    return Receipt(source.id, "done")
"""


@pytest.fixture
def module_of(tmp_path, monkeypatch):
    """Return a function that makes a module of a name and code, importable in workers."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path), prepend=os.pathsep)
    get_reusable_executor().shutdown(wait=True)  # workers of earlier tests have a different path

    def made(name, code):
        (tmp_path / f"{name}.py").write_text(code)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return made


@pytest.fixture
def hanging_work(module_of):
    """Work that hangs in two ways."""
    return module_of("hanging_work", HANGING).work


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_track_that_hangs_is_stopped_and_the_others_are_done(n_jobs, hanging_work, tmp_path):
    names = ("one", "loop", "two", "regular expression", "three")
    sources = [Source(name, tmp_path / name) for name in names]
    marks = tmp_path / ".running"
    receipts = workers.map_sources(
        hanging_work, sources, n_jobs=n_jobs, marks=marks, time_limit=1.5
    )
    found = {receipt.track: receipt for receipt in receipts}
    assert {id_ for id_, each in found.items() if each.status == "done"} == {"one", "two", "three"}
    for name, place in (("loop", " in work"), ("regular expression", " in match")):
        stage, error = found[name].failure[1:]
        assert stage == "process"
        assert error.startswith("stopped after 1.5 s, the time limit of a track, at ")
        assert error.endswith(place)
    assert not marks.exists()


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_single_track_can_be_stopped(n_jobs, hanging_work, tmp_path):
    receipts = workers.map_sources(
        hanging_work,
        [Source("loop", tmp_path)],
        n_jobs=n_jobs,
        marks=tmp_path / ".running",
        time_limit=0.5,
    )
    assert [receipt.status for receipt in receipts] == ["failed"]


@pytest.mark.parametrize(
    ("given", "limit"), [((), None), (("--time-limit", 90), 90)], ids=["none", "90 s"]
)
@pytest.mark.parametrize("command", ["segment", "index"])
def test_the_limit_of_the_command_line_reaches_the_workers(
    command, given, limit, tmp_path, monkeypatch
):
    limits = []

    def in_processes(work, batch, *, time_limit, **_):
        limits.append(time_limit)
        return map(work, batch)

    monkeypatch.setattr(workers, "_in_processes", in_processes)
    write_tracks(tmp_path / "audio", ["one", "two"])
    options = ("--features", "mfcc", "--jobs", 2)
    assert scatseg(command, tmp_path / "audio", "-o", tmp_path / "out", *options, *given) == 0
    assert limits == [limit]


@pytest.mark.parametrize(("n_jobs", "expected"), [(-1, 6), (-2, 5), (1, 1), (3, 3)])
def test_numbers_of_processes_are_those_of_scikit_learn(n_jobs, expected, tmp_path, monkeypatch):
    numbers = []

    def in_processes(work, batch, *, n_jobs, **_):
        numbers.append(n_jobs)
        return map(work, batch)

    monkeypatch.setattr(joblib, "effective_n_jobs", lambda n: 7 + n)
    monkeypatch.setattr(workers, "_in_processes", in_processes)
    sources = [Source(name, tmp_path) for name in ("one", "two")]
    marks = tmp_path / ".running"
    receipts = workers.map_sources(done, sources, n_jobs=n_jobs, marks=marks, time_limit=9)
    assert [receipt.track for receipt in receipts] == ["one", "two"]
    assert numbers == [expected]


def test_no_process_is_refused(tmp_path):
    message = "n_jobs must be a number of processes, or -1 for all cores, got 0"
    with pytest.raises(ValueError, match=message):
        list(workers.map_sources(done, [], n_jobs=0, marks=tmp_path / ".running"))
    with pytest.raises(ValueError, match=message):
        list(workers.map_pure(done, [], n_jobs=0))


def done(source):
    return workers.Receipt(source.id, "done")


DYING = """
import os
import signal

def half(number, *, mark, always):
    if number == 6 and (always or not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number // 2
"""


@pytest.fixture
def half(module_of, tmp_path):
    """A function that kills its worker at 6, the first time or always."""
    return functools.partial(module_of("dying_work", DYING).half, mark=tmp_path / "mark")


@pytest.mark.slow
def test_work_goes_on_after_a_worker_was_killed(half):
    results = workers.map_pure(functools.partial(half, always=False), range(0, 40, 2), n_jobs=2)
    assert list(results) == list(range(20))


@pytest.mark.slow
def test_work_that_kills_its_workers_ends_with_an_error(half):
    results = workers.map_pure(functools.partial(half, always=True), range(0, 40, 2), n_jobs=2)
    with pytest.raises(ChildProcessError, match=r"died twice: .* try fewer of them \(--jobs\)"):
        list(results)


def test_a_limit_that_cannot_be_kept_is_wrong_usage(tmp_path, capsys):
    (source,) = write_tracks(tmp_path / "audio", ["one"])
    assert scatseg("segment", source.path, "--time-limit", 9) == 2
    assert "a time limit needs a run folder" in capsys.readouterr().err
    with pytest.raises(ValueError, match="a time limit needs the backend loky"):
        segment_collection([source], tmp_path / "run", JOB, cluster="", time_limit=9)
    assert not (tmp_path / "run").exists()

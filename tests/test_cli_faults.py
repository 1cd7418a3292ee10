"""The command line when something is wrong: what it says, what it leaves alone, how it exits."""

import errno
import os
import subprocess
import sys

import click
import numpy as np
import pytest

import scatseg as scatseg_package
from scatseg import __main__, audio, cli, workers
from scatseg.runs import Source

SR = 8000
FAST = ("--features", "logmel", "--segmenter", "foote:half_width=4,min_duration=2", "--jobs", 1)


def scatseg(*arguments):
    """Run the command line in this process and return its exit status."""
    with pytest.raises(SystemExit) as exited:
        cli.main([str(argument) for argument in arguments])
    return exited.value.code


def write_tones(path, low=220):
    """Write eight seconds: four of one tone, four of another."""
    path.parent.mkdir(exist_ok=True, parents=True)
    t = np.arange(4 * SR) / SR
    y = np.concatenate([np.sin(2 * np.pi * f * t) for f in (low, 1500)])
    audio.save(path, 0.5 * y, SR)
    return path


@pytest.fixture
def tones(tmp_path):
    return write_tones(tmp_path / "tones.wav")


@pytest.fixture
def cut(tones):
    """A recording that ends before its header says so."""
    path = tones.with_name("cut.wav")
    path.write_bytes(tones.read_bytes()[:80_000])
    return path


# ---- warnings of recordings ---------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("segment", *FAST), ("features", "--features", "mfcc"), ("index", "--jobs", 1)]
)
def test_a_damaged_recording_is_done_with_a_warning(command, cut, tmp_path, capsys):
    name, *options = command
    assert scatseg(name, cut, "-o", tmp_path / "out", *options) == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert warning.startswith("cut: warning: ")


def test_quiet_leaves_out_warnings(cut, tmp_path, capsys):
    assert scatseg("-q", "segment", cut, "-o", tmp_path / "out", *FAST) == 0
    assert capsys.readouterr().err == ""


# ---- interrupts, full disks and readers that leave ----------------------------------------


@pytest.mark.parametrize(
    ("where", "arguments", "goes_on"),
    [
        ("scatseg.collection.segment_collection", ("segment", *FAST, "-o", "run"), True),
        ("scatseg.search.gathering.build_index", ("index", "-o", "index"), True),
        ("scatseg.audio.decode", ("features", "-o", "features"), False),
    ],
)
def test_only_commands_that_go_on_say_so(
    where, arguments, goes_on, tones, tmp_path, monkeypatch, capsys
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(where, interrupted)
    name, *options = arguments
    assert scatseg(name, tones, *options) == cli.INTERRUPTED
    said = capsys.readouterr().err
    assert "interrupted" in said
    assert ("the same command goes on" in said) == goes_on


def test_an_interrupt_of_the_imports_is_one_line(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.delattr(scatseg_package, "cli")
    monkeypatch.setitem(sys.modules, "scatseg.cli", None)
    monkeypatch.setattr("builtins.__import__", interrupted)
    with pytest.raises(SystemExit) as exited:
        __main__.main()
    assert exited.value.code == cli.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupt_takes_the_marks_of_workers_along(tmp_path, monkeypatch):
    def interrupted(*_, marks, **__):
        (marks / "at work").touch()
        yield _received(sources[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "_in_processes", interrupted)
    sources = [Source(name, tmp_path / name) for name in "ab"]
    with pytest.raises(KeyboardInterrupt):
        list(workers.map_sources(_received, sources, n_jobs=2, marks=tmp_path / ".running"))
    assert not (tmp_path / ".running").exists()


def test_marks_that_a_killed_run_left_go_with_one_process_too(tmp_path):
    (tmp_path / ".running").mkdir()
    (tmp_path / ".running" / "left").touch()
    sources = [Source(name, tmp_path / name) for name in "ab"]
    list(workers.map_sources(_received, sources, n_jobs=1, marks=tmp_path / ".running"))
    assert not (tmp_path / ".running").exists()


def _received(source):
    return workers.Receipt(source.id, "done")


def test_descriptions_of_an_interrupted_index_wait_for_their_recordings(tmp_path):
    one, two = (write_tones(tmp_path / "sounds" / f"{name}.wav", low=220) for name in ("a", "b"))
    index = tmp_path / "index"
    assert scatseg("index", one, "-o", index, "--jobs", 1) == 0
    waiting = index / "tracks" / f"b.{'0' * 16}.npz"
    stale = index / "tracks" / f"a.{'0' * 16}.npz"
    for path in (waiting, stale):
        path.write_bytes(next((index / "tracks").iterdir()).read_bytes())
    write_tones(one, low=330)
    assert scatseg("index", one, "-o", index, "--jobs", 1) == 0
    assert (waiting.exists(), stale.exists()) == (True, False)
    assert scatseg("index", two, "-o", index, "--jobs", 1) == 0
    assert not waiting.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device is full")  # noqa: PTH110
def test_output_that_cannot_be_written_is_one_line():
    command = f"{sys.executable} -m scatseg doctor >/dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == cli.NOTHING_DONE
    assert done.stderr == "Error: No space left on device\n"


def test_features_that_cannot_be_written_do_not_stop_the_others(tmp_path, capsys):
    folder = tmp_path / "music"
    for name in ("a", "b"):
        write_tones(folder / f"{name}.wav")
    (tmp_path / "out" / "a.npz").mkdir(parents=True)
    found = scatseg("features", folder, "--features", "mfcc", "-o", tmp_path / "out")
    assert found == cli.SOME_FAILED
    assert "a.npz" in capsys.readouterr().err
    assert (tmp_path / "out" / "b.npz").is_file()


def test_a_reader_that_has_gone_leaves_success(monkeypatch, tones):
    def gone(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(click, "echo", gone)
    assert scatseg("segment", tones, "--dry-run") == cli.DONE

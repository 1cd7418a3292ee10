"""The command line when something is wrong: what it says, what it leaves alone, how it exits."""

import ctypes
import errno
import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import numpy as np
import pytest
from tests.commands import scatseg

from scatseg import audio, cli, datasets, formats, runs, workers
from scatseg.analysis import SegmentJob
from scatseg.collection import segment_source
from scatseg.runs import Source
from scatseg.segmentation import Segmentation

SR = 8000
FAST = ("--features", "logmel", "--segmenter", "foote:half_width=4,min_duration=2", "--jobs", 1)


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
        ("scatseg.search.building.add_recordings", ("index", "-o", "index"), True),
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
    assert ("the same command resumes" in said) == goes_on


posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")


def test_an_index_is_no_run_folder(tones, tmp_path, capsys):
    index = tmp_path / "music.index"
    assert scatseg("index", tones, "-o", index, "--features", "mfcc", "--jobs", 1) == 0
    before = sorted(index.rglob("*"))
    assert scatseg("segment", tones, "-o", index, *FAST) == cli.USAGE
    assert scatseg("evaluate", tones, tones, "-o", index) == cli.USAGE
    assert capsys.readouterr().err.count("is an index for search") == 2
    assert sorted(index.rglob("*")) == before


def test_the_page_of_a_search_is_no_run_folder(tones, tmp_path, capsys):
    index, page = tmp_path / "music.index", tmp_path / "hits"
    assert scatseg("index", tones, "-o", index, "--features", "mfcc", "--jobs", 1) == 0
    assert scatseg("search", index, tones, "--exclude", "none", "-o", page) == 0
    before = {path: path.read_bytes() for path in page.rglob("*") if path.is_file()}
    assert scatseg("segment", tones, "-o", page, *FAST) == cli.USAGE
    assert scatseg("evaluate", tones, tones, "-o", page) == cli.USAGE
    assert capsys.readouterr().err.count("has the page of a search") == 2
    assert {path: path.read_bytes() for path in page.rglob("*") if path.is_file()} == before


@posix
def test_sigterm_interrupts_once_and_has_its_own_status(tones, tmp_path, monkeypatch, capsys):
    said = []

    def terminated(*_, **__):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:  # what is tidied up here is not interrupted
            signal.raise_signal(signal.SIGTERM)
            said.append("tidied up")

    monkeypatch.setattr("scatseg.collection.segment_collection", terminated)
    assert scatseg("segment", tones, "-o", tmp_path / "run", *FAST) == cli.TERMINATED == 143
    told = capsys.readouterr().err
    assert told == "terminated: finished work is kept, the same command resumes\n"
    assert said == ["tidied up"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@posix
def test_sigterm_is_left_to_a_program_that_handles_it(monkeypatch, tones, tmp_path):
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        monkeypatch.setattr(
            "scatseg.audio.decode", lambda *_, **__: signal.raise_signal(signal.SIGTERM)
        )
        with pytest.raises(AttributeError):  # of None, after the signal
            cli.main(["features", str(tones), "-o", str(tmp_path / "out"), "--features", "mfcc"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


@posix
def test_an_interrupt_that_a_callback_from_c_loses_is_repeated(monkeypatch, capsys):
    def lost(*_, **__):
        callback = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))
        callback()
        for _ in range(100):
            time.sleep(0.05)

    hook = sys.unraisablehook
    monkeypatch.setattr("scatseg.cli.doctor.doctor.callback", lost)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever other tests left
    try:
        assert scatseg("doctor") == cli.INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.strip() == "interrupted"
    assert sys.unraisablehook is hook


@posix
def test_the_command_line_runs_in_other_threads_too(capsys):
    thread = threading.Thread(target=lambda: scatseg("--version"))
    thread.start()
    thread.join()
    assert capsys.readouterr().out.startswith("scatseg")


@posix
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "options"), [("segment", FAST), ("index", ("--features", "mfcc"))]
)
def test_a_terminated_run_is_tidy_and_keeps_what_is_done(command, options, tmp_path):
    for number in range(40):
        write_tones(tmp_path / "music" / f"{number:02}.wav", low=200 + number)
    out = tmp_path / "out"
    arguments = ["-m", "scatseg", command, tmp_path / "music", "-o", out, *options, "--jobs", 2]
    words = [sys.executable, *map(str, arguments)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        first = process.stderr.readline()
        assert first.startswith("[1/40]")
        # A worker that is killed while it writes leaves such a file.
        (out / "tracks" / f".scatseg-{'0' * 16}.tmp").touch()
        process.send_signal(signal.SIGTERM)
        *_, last = process.stderr.readlines()
        assert process.wait() == cli.TERMINATED
    assert last == "terminated: finished work is kept, the same command resumes\n"
    assert not (out / ".running").exists()
    assert not list(out.rglob("*.tmp"))
    assert 0 < len(list((out / "tracks").iterdir())) < 40


INTERRUPTED_IMPORT = """
import sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "scatseg.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from scatseg.__main__ import main
main()
"""


def test_an_interrupt_of_the_imports_is_one_line():
    command = [sys.executable, "-c", INTERRUPTED_IMPORT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (cli.INTERRUPTED, "interrupted\n")


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


def test_work_that_is_given_up_is_not_warned_of(tmp_path):
    job = SegmentJob(segmenters=("foote",), features="logmel")
    work = functools.partial(segment_source, run=tmp_path, job=job, beats={})
    sources = [Source(f"{number}", tmp_path / "gone.wav") for number in range(50)]
    receipts = workers.map_sources(work, sources, n_jobs=2, marks=tmp_path / ".running")
    assert next(receipts).status == "failed"
    receipts.close()  # any warning is an error here
    numbers = workers.map_pure(abs, range(50), n_jobs=2)
    assert next(numbers) == 0
    numbers.close()


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


@pytest.fixture
def fill_disk(monkeypatch):
    """Let no file of more than the given number of bytes be written, as on a full disk."""

    def filled(largest):
        fsync = os.fsync

        def full(descriptor):
            if os.fstat(descriptor).st_size > largest:
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", full)

    return filled


def test_a_full_disk_stops_a_run_that_goes_on_where_it_was(
    tmp_path, fill_disk, monkeypatch, capsys
):
    folder, run = tmp_path / "music", tmp_path / "run"
    command = ("segment", folder, "-o", run, "--no-report", *FAST)
    write_tones(folder / "a.wav")
    assert scatseg(*command) == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    write_tones(folder / "b.wav", low=330)
    fill_disk(0)
    assert scatseg(*command) == cli.NOTHING_DONE
    told = capsys.readouterr().err.splitlines()[-1]
    full = f"{run / 'failures.csv'}: No space left on device"
    assert told == f"Error: {full}: make room there, then run the same command again"
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    monkeypatch.undo()
    assert scatseg(*command) == 0
    assert "a: kept" in capsys.readouterr().err


def test_a_track_that_finds_no_room_is_named_and_the_others_are_done(tmp_path, fill_disk, rng):
    run, noise, silence = (tmp_path / name for name in ("run", "noise.wav", "silence.wav"))
    audio.save(noise, rng.uniform(-1, 1, 60 * SR), SR)
    audio.save(silence, np.zeros(60 * SR), SR)
    fill_disk(6000)  # the arrays of silence take less
    arguments = ("segment", noise, silence, "-o", run, "--no-report", *FAST)
    assert scatseg(*arguments) == cli.SOME_FAILED
    (failure,) = runs.read_failures(run)
    assert (failure.track, failure.stage) == ("noise", "write")
    assert failure.error.endswith(f"No space left on device: '{run / 'arrays' / 'noise.npz'}'")
    assert [path.name for path in (run / "tracks").iterdir()] == ["silence.jams"]
    assert [path.name for path in (run / "arrays").iterdir()] == ["silence.npz"]


def test_a_recording_that_finds_no_room_beside_the_report_is_named(
    tones, tmp_path, monkeypatch, capsys
):
    def full(_, place):
        raise OSError(errno.ENOSPC, "No space left on device", str(place))

    run = tmp_path / "run"
    monkeypatch.setattr(shutil, "copyfile", full)
    assert scatseg("segment", tones, "-o", run, *FAST) == cli.NOTHING_DONE
    copy = run / "assets" / "audio" / "tones.wav"
    assert f"Error: {copy}: No space left on device: make room" in capsys.readouterr().err
    monkeypatch.undo()
    assert scatseg("segment", tones, "-o", run, *FAST) == 0
    assert "tones: kept" in capsys.readouterr().err
    assert copy.is_file()


def test_a_sound_that_finds_no_room_is_named(tmp_path, fill_disk, capsys):
    sound = tmp_path / "ripple.wav"
    fill_disk(0)
    assert scatseg("synth", "ripple", "-o", sound) == cli.NOTHING_DONE
    assert f"Error: {sound}: No space left on device: make room" in capsys.readouterr().err


def test_features_that_cannot_be_written_do_not_stop_the_others(tmp_path, capsys):
    folder = tmp_path / "music"
    for name in ("a", "b"):
        write_tones(folder / f"{name}.wav")
    (tmp_path / "out" / "a.npz").mkdir(parents=True)
    found = scatseg("features", folder, "--features", "mfcc", "-o", tmp_path / "out")
    assert found == cli.SOME_FAILED
    refused = tmp_path / "out" / "a.npz"
    assert f"a: {refused}: Is a directory\n" in capsys.readouterr().err
    assert (tmp_path / "out" / "b.npz").is_file()


def test_a_reader_that_has_gone_leaves_success(monkeypatch, tones):
    def gone(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(click, "echo", gone)
    assert scatseg("segment", tones, "--dry-run") == cli.DONE


# ---- recordings of one name ---------------------------------------------------------------


def test_another_recording_of_the_same_name_does_not_replace_the_first(tmp_path, capsys):
    run = tmp_path / "run"
    first = write_tones(tmp_path / "A" / "song.flac")
    second = write_tones(tmp_path / "B" / "song.wav", low=330)
    assert scatseg("segment", first, "-o", run, "--no-report", *FAST) == 0
    before = (run / "tracks" / "song.jams").read_bytes()
    assert scatseg("segment", second, "-o", run, "--no-report", *FAST) == cli.USAGE
    assert f"holds {first} as 'song': {second} needs another -o" in capsys.readouterr().err
    assert (run / "tracks" / "song.jams").read_bytes() == before


@pytest.mark.parametrize("move", [Path.rename, shutil.copytree])
def test_a_folder_that_was_moved_or_copied_goes_on(move, tmp_path, capsys):
    run = tmp_path / "run"
    write_tones(tmp_path / "A" / "song.wav")
    assert scatseg("segment", tmp_path / "A", "-o", run, "--no-report", *FAST) == 0
    move(tmp_path / "A", tmp_path / "B")
    assert scatseg("segment", tmp_path / "B", "-o", run, "--no-report", *FAST) == 0
    assert "song: kept" in capsys.readouterr().err


def test_what_was_exported_of_former_answers_goes_with_them(tones, tmp_path):
    run = tmp_path / "run"
    common = ("-o", run, "--no-report", "--features", "logmel", "--jobs", 1)
    two = ("--segmenter", "foote", "--segmenter", "foote:half_width=4")
    both = ("--format", "lab", "--format", "csv")
    assert scatseg("segment", tones, *common, *two, *both) == 0
    assert len(list((run / "exports").iterdir())) == 4
    assert scatseg("segment", tones, *common, *two[:2], "--format", "lab") == 0
    assert [path.name for path in (run / "exports").iterdir()] == ["tones.lab"]


# ---- options that go together -------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [("--format", "jams"), ("--segmenter", "foote", "--segmenter", "laplacian")]
)
def test_what_only_a_run_can_hold_needs_one(options, tones, capsys):
    assert scatseg("segment", tones, *options) == cli.USAGE
    assert "add -o FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('features = ["mfcc", "logmel"]', "features takes one value, got ['mfcc', 'logmel']"),
        ("jobs = ", "options.toml is not TOML: "),
        ("# caf\xe9", "options.toml is not TOML: "),
    ],
)
def test_a_config_that_cannot_be_used_is_named(text, message, tones, tmp_path, capsys):
    config = tmp_path / "options.toml"
    config.write_text(text, encoding="latin-1")
    found = scatseg("segment", tones, "-o", tmp_path / "run", "--config", config)
    assert found == cli.USAGE
    assert message in capsys.readouterr().err


def test_an_experiment_that_is_no_toml_is_named(tmp_path, capsys):
    path = tmp_path / "e.toml"
    path.write_text("[[step]")
    assert scatseg("run", path) == cli.USAGE
    assert f"{path} is not TOML" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("segment", "{sound}", "-o", "{file}"),
        ("index", "{sound}", "-o", "{file}"),
        ("search", "{file}", "{sound}", "-o", "{file}"),
        ("synth", "ripple", "--grid", "2", "-o", "{file}"),
        ("synth", "ripple", "-o", "{file}/a.wav"),
        ("features", "{sound}", "-o", "{file}"),
        ("features", "{sound}", "-o", "{file}/a.npz"),
        ("plot", "waveform", "{sound}", "-o", "{file}/a.png"),
        ("convert", "{answer}", "-o", "{file}/a.csv"),
        ("gear", "-o", "{file}"),
        ("match", "sweep", "-o", "{file}"),
    ],
)
class TestPlacesForFolders:
    def test_a_file_is_refused_at_once(self, arguments, tones, tmp_path, capsys):
        file = tmp_path / "file"
        file.touch()
        assert _in_place(file, arguments, tones, tmp_path) == cli.USAGE
        assert f"{file} is a file, a folder is needed" in capsys.readouterr().err

    def test_a_folder_that_cannot_be_written_is_refused_at_once(
        self, arguments, tones, tmp_path, capsys
    ):
        folder = tmp_path / "sealed"
        folder.mkdir(mode=0o500)
        if os.access(folder, os.W_OK):
            pytest.skip("root can write everywhere")
        assert _in_place(folder / "new", arguments, tones, tmp_path) == cli.USAGE
        assert f"nothing can be written to {folder}" in capsys.readouterr().err


def _in_place(place, arguments, sound, tmp_path):
    answer = tmp_path / "a.lab"
    formats.write(answer, Segmentation([0, 4], "A"))
    places = {"sound": sound, "answer": answer, "file": place}
    return scatseg(*(each.format(**places) for each in arguments))


@pytest.mark.parametrize(
    "arguments", [("convert", "{answer}", "-o", "-", "--format", "csv"), ("segment", "-")]
)
def test_a_dash_is_no_file(arguments, tones, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert _in_place(tmp_path, arguments, tones, tmp_path) == cli.USAGE
    assert "name a file, - stands for none here" in capsys.readouterr().err
    assert not (tmp_path / "-").exists()


def test_a_folder_in_the_place_of_a_sound_is_refused(tmp_path, capsys):
    assert scatseg("synth", "ripple", "-o", tmp_path) == cli.USAGE
    assert "is a folder, a file is needed" in capsys.readouterr().err


def test_points_of_a_sweep_over_shifts_are_refused(tmp_path, capsys):
    assert scatseg("match", "sweep", "--points", 5, "-o", tmp_path / "out") == cli.USAGE
    assert "--points is for a parameter" in capsys.readouterr().err


# ---- messages -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convert", "{empty}", "-o", "out", "--format", "lab"), "no segmentation in this folder"),
        (("convert", "no.lab", "-o", "out.csv"), "no.lab: no such file or folder\n"),
        (("plot", "track", "{sound}", "-o", "a.png", "--reference", "no"), "'no' does not exist"),
        (("plot", "s1", "{sound}", "-o", "a.png", "--from", "50"), "got 50 s to the end"),
        (
            ("segment", "{sound}", "--segmenter", "foote", "--set", "frame=abc"),
            "frame must be a number of seconds, got 'abc'",
        ),
        (("gear", "--grid", "3", "-o", "out"), "take fewer (--neighbors)"),
        (("plot", "s2", "{sound}", "-o", "a.png", "--time", "2:00"), "must lie from 0 to 8"),
        (("plot", "jtfs", "{sound}", "-o", "a.png", "--time", "2:00"), "must lie from 0 to 8"),
        (("plot", "s2", "{sound}", "-o", "a.png", "--carrier", "1e9"), "no carrier is near 1e+09"),
        (("plot", "novelty", "{silence}", "-o", "a.png"), "silence has no novelty to draw"),
    ],
)
def test_messages_name_what_is_wrong(arguments, message, tones, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    places = {"sound": tones, "empty": tmp_path / "empty", "silence": tmp_path / "silence.wav"}
    places["empty"].mkdir()
    audio.save(places["silence"], np.zeros(4 * SR), SR)
    assert scatseg(*(each.format(**places) for each in arguments)) != 0
    assert message in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="names there have no line breaks")
@pytest.mark.parametrize(
    "arguments",
    [
        ("convert", "{there}", "-o", "out.csv"),
        ("convert", "no\n.lab", "-o", "out.csv"),
        ("evaluate", "no\n", "no", "-o", "out"),
        ("search", "no\n", "{there}"),
        ("segment", "{there}", "-o", "{there}"),
        ("plot", "s1", "no\n.wav", "-o", "out.png"),
    ],
)
def test_names_with_line_breaks_stay_on_one_line(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "no\n.lab"
    there.write_text("no time\n")
    assert scatseg(*(each.format(there=there) for each in arguments)) != 0
    assert "no\\n" in capsys.readouterr().err.splitlines()[-1]


def test_references_without_annotations_are_named(tones, tmp_path, capsys):
    run, empty = tmp_path / "run", tmp_path / "empty"
    empty.mkdir()
    assert scatseg("segment", tones, "-o", run, "--no-report", *FAST) == 0
    assert scatseg("evaluate", run, empty, "-o", tmp_path / "scores") == cli.NOTHING_DONE
    told = capsys.readouterr().err
    assert f"references: {empty}: no annotation in it" in told
    assert "--map" not in told


# ---- what is chosen of several answers ----------------------------------------------------


@pytest.fixture
def answers(tmp_path):
    """A file with phrases and sections of one system, and the sections of another."""
    path = tmp_path / "answers.jams"
    found = [("x", "phrase", "abab"), ("x", "section", "AB"), ("y", "section", "C")]
    formats.write(
        path,
        [
            formats.Annotation(
                segmentation=Segmentation(np.linspace(0, 8, len(labels) + 1), labels),
                system=system,
                level=level,
            )
            for system, level, labels in found
        ],
    )
    return path


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ((), "abab"),
        (("--level", "section"), "AB"),
        (("--system", "y"), "C"),
        (("--system", "x", "--level", "section"), "AB"),
    ],
)
def test_convert_writes_the_answer_that_is_chosen(options, labels, answers, tmp_path):
    assert scatseg("convert", answers, "-o", tmp_path / "a.lab", *options) == 0
    (found,) = formats.read(tmp_path / "a.lab")
    assert "".join(found.segmentation.labels) == labels


def test_convert_says_what_is_left_out_unless_quiet(answers, tmp_path, capsys):
    arguments = ("convert", answers, "-o", tmp_path / "a.lab")
    assert scatseg(*arguments) == 0
    assert "left out 2" in capsys.readouterr().err
    assert scatseg("-q", *arguments) == 0
    assert capsys.readouterr().err == ""


def test_convert_lists_the_answers_where_none_is_chosen(answers, tmp_path, capsys):
    found = scatseg("convert", answers, "-o", tmp_path / "a.lab", "--level", "bar")
    assert found == cli.NOTHING_DONE
    assert "there are x phrase, x section, y section" in capsys.readouterr().err


def test_convert_says_what_was_asked_and_what_has_no_name(tmp_path, capsys):
    formats.write(tmp_path / "a.lab", Segmentation([0, 4], "A"))
    arguments = (tmp_path / "a.lab", "-o", tmp_path / "b.lab", "--level", "bar")
    assert scatseg("convert", *arguments) == cli.NOTHING_DONE
    assert "nothing of level 'bar'; there are one without names" in capsys.readouterr().err


def test_what_a_pattern_matches_is_never_written_over_one_another(tmp_path, capsys):
    for name in ("a", "b"):
        formats.write(tmp_path / f"{name}.lab", Segmentation([0, 4], "A"))
    pattern, out = tmp_path / "*.lab", tmp_path / "out"
    assert scatseg("convert", pattern, "-o", out) == cli.USAGE
    assert "converting into a folder needs --format" in capsys.readouterr().err
    assert scatseg("convert", pattern, "-o", out, "--format", "csv") == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.csv", "b.csv"]
    options = ("-o", out / "a.csv", "--format", "csv")
    assert scatseg("convert", pattern, *options) == cli.USAGE
    assert "a.csv is a file, a folder is needed" in capsys.readouterr().err


def test_of_a_run_convert_takes_the_tracks(answers, tmp_path):
    for name in ("tracks", "references"):
        (tmp_path / "run" / name).mkdir(parents=True)
        shutil.copy(answers, tmp_path / "run" / name / "song.jams")
    (tmp_path / "run" / "run.json").write_text("{}")
    out = tmp_path / "out"
    assert scatseg("convert", tmp_path / "run", "-o", out, "--format", "lab") == 0
    assert [path.name for path in out.iterdir()] == ["song.lab"]


@pytest.mark.parametrize("options", [("-o", "{out}.foo"), ("-o", "{out}.lab", "--duration", "-5")])
def test_what_convert_cannot_do_is_wrong_usage(options, answers, tmp_path):
    options = [option.format(out=tmp_path / "a") for option in options]
    assert scatseg("convert", answers, *options) == cli.USAGE


def test_answers_in_several_formats_are_scored_once(tmp_path):
    form = Segmentation([0, 4, 8], "AB")
    for extension in ("lab", "csv", "TextGrid"):
        formats.write(tmp_path / f"a.{extension}", form)
    found = datasets.read_estimates(tmp_path)
    assert list(found.systems) == [tmp_path.name]
    assert (found.problems, len(found.notes)) == ((), 2)


def test_of_two_different_answers_both_files_are_named(tmp_path):
    for extension, labels in (("csv", "AB"), ("lab", "AC")):
        formats.write(tmp_path / f"a.{extension}", Segmentation([0, 4, 8], labels))
    (problem,) = datasets.read_estimates(tmp_path).problems
    assert "a.lab is left out: " in problem.reason
    assert "a.csv is " in problem.reason


# ---- reports ------------------------------------------------------------------------------


def test_the_page_of_another_command_is_not_replaced(tmp_path, capsys):
    runs.write_run(tmp_path, options={"synth": "am-chirp"}, started="", seconds=0.0)
    (tmp_path / "index.html").write_text("descents")
    assert scatseg("report", tmp_path) == cli.USAGE
    told = capsys.readouterr().err
    assert f"Error: {tmp_path}: this is no run of segment or evaluate" in told
    assert (tmp_path / "index.html").read_text() == "descents"


def test_an_index_has_no_report(tones, tmp_path, capsys):
    assert scatseg("index", tones, "-o", tmp_path / "index", "--jobs", 1) == 0
    assert scatseg("report", tmp_path / "index") == cli.USAGE
    assert "is no run of segment or evaluate" in capsys.readouterr().err


# ---- custom code --------------------------------------------------------------------------

BOOM = """
class Boom:
    def predict(self, features):
        raise RuntimeError("the model is gone")
"""


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("command", [["segment"], ["plot", "track", "-o", "out.png"]])
def test_an_error_of_a_custom_segmenter_is_one_line(
    command, verbose, tones, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_boom.py").write_text(BOOM)
    loudness = ["-v"] if verbose else []
    options = ["--segmenter", "my_boom:Boom", "--features", "mfcc"]
    assert scatseg(*command, tones, *options, *loudness) == cli.NOTHING_DONE
    said = capsys.readouterr().err
    last = said.splitlines()[-1]
    assert "my_boom:Boom" in last
    assert last.endswith("RuntimeError: the model is gone")
    assert ("Traceback" in said) == verbose
    assert (said.count("\n") == 1) != verbose


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "return Features([[1.0], [y[0] * float('nan')]], [0, 1, 2])",
            "ValueError: X must be finite",
        ),
        ("open('weights.pt')", "FileNotFoundError: [Errno 2] No such file or directory"),
        ("sys.exit(3)", "SystemExit: 3"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [["segment"], ["plot", "track", "-o", "out.png"], ["features", "-o", "out"]],
    ids=lambda command: command[0],
)
def test_an_error_in_custom_features_names_them(
    command, line, said, tones, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    name = f"my_flaw_{len(line)}"
    code = f"import sys\nfrom scatseg import Features\ndef hear(y, sr):\n    {line}\n"
    (tmp_path / f"{name}.py").write_text(code)
    assert scatseg(*command, tones, "--features", f"mfcc+{name}:hear") == cli.NOTHING_DONE
    (last,) = capsys.readouterr().err.splitlines()
    assert f": {name}:hear: {said}" in last


def test_an_error_elsewhere_does_not_name_custom_features(tones, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_brief.py").write_text(
        "from scatseg import Features\ndef hear(y, sr):\n    return Features([[1.0]], [0, 1])\n"
    )
    assert scatseg("segment", tones, "--features", "mfcc+my_brief:hear") == cli.NOTHING_DONE
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("edges must span 0 to 1 s")


@pytest.mark.parametrize(
    ("others", "status", "summary"),
    [
        (("foote",), cli.SOME_FAILED, "1 track segmented (1 not by every system), 0 failed"),
        ((), cli.NOTHING_DONE, "0 tracks segmented, 1 failed"),
    ],
    ids=["some", "all"],
)
def test_a_system_that_fails_is_told_and_the_others_are_scored(
    others, status, summary, tones, tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_boom.py").write_text(BOOM)
    run = tmp_path / "run"
    systems = [f"--segmenter={name}" for name in (*others, "my_boom:Boom")]
    command = ("segment", tones, "-o", run, "--features", "mfcc", *systems, "--jobs", 1)
    for _ in range(2):  # it is tried again
        assert scatseg(*command) == status
        said = capsys.readouterr().err
        assert summary in said
        assert "tones: segment (my_boom:Boom): RuntimeError: the model is gone" in said
    failures = (run / "failures.csv").read_text().splitlines()[1:]
    assert failures == ["tones,segment (my_boom:Boom),RuntimeError: the model is gone"]
    if others:
        (tmp_path / "tones.lab").write_text("0\t1\tA\n")
        assert scatseg("evaluate", run, tmp_path / "tones.lab", "-o", run) == cli.DONE
        scores = (run / "summary.csv").read_text()
        assert "foote" in scores
        assert "my_boom" not in scores


def test_an_error_of_custom_features_is_one_line_per_recording(
    tones, tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_deaf.py").write_text("def hear(y, sr):\n    raise RuntimeError('deaf')\n")
    copy = shutil.copy(tones, tmp_path / "copy.wav")
    asked = ("features", tones, copy, "--features", "my_deaf:hear", "-o", tmp_path / "out")
    assert scatseg(*asked) == cli.NOTHING_DONE
    said = "my_deaf:hear: RuntimeError: deaf"
    lines = [f"[1/2] copy: {said}", f"[2/2] tones: {said}"]
    assert capsys.readouterr().err.splitlines() == lines

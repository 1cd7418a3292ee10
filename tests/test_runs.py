"""Recordings of a run and their ids; failures.csv and the lock."""

import errno
import itertools
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scatseg import runs
from scatseg.runs import (
    Failure,
    RunLockedError,
    find_sources,
    locked,
    read_failures,
    read_run_facts,
    safe_id,
    write_failures,
    write_run,
)


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def ids(found):
    return [source.id for source in found.sources]


def test_a_folder_is_walked_by_extension(tmp_path):
    touch(tmp_path, "a.wav", "cd1/b.FLAC", "notes.txt", ".hidden.wav", ".trash/c.wav")
    found = find_sources([tmp_path], extensions=[".wav", ".flac"])
    assert ids(found) == ["a", "cd1__b"]
    assert found.failures == ()


def test_an_unreadable_folder_is_a_failure(tmp_path, monkeypatch):
    (tmp_path / "music" / "locked").mkdir(parents=True)
    (tmp_path / "music" / "one.wav").touch()
    scandir = os.scandir

    def refused(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    found = find_sources([tmp_path / "music"], extensions=[".wav"])
    assert [source.id for source in found.sources] == ["one"]
    (failure,) = found.failures
    assert failure.track == runs.shown(tmp_path / "music" / "locked")
    assert failure.error == "unreadable folder: Permission denied"


def test_linked_folders_are_searched_once_after_all_others(tmp_path):
    music, disk = tmp_path / "music", tmp_path / "disk"
    for file in (music / "b" / "one.wav", disk / "two.wav"):
        file.parent.mkdir(parents=True)
        file.touch()
    for name, target in {"a": music / "b", "loop": music, "c": disk, "d": disk}.items():
        (music / name).symlink_to(target, target_is_directory=True)
    (music / "gone").symlink_to(tmp_path / "nowhere", target_is_directory=True)
    found = find_sources([music], extensions=[".wav"])
    assert [source.id for source in found.sources] == ["b__one", "c__two"]


def test_a_named_file_is_taken_whatever_its_extension(tmp_path):
    touch(tmp_path, "take.raw")
    assert ids(find_sources([tmp_path / "take.raw"], extensions=[".wav"])) == ["take"]


def test_a_pattern_is_expanded(tmp_path):
    touch(tmp_path, "a1.wav", "a2.wav", "b.wav")
    assert ids(find_sources([tmp_path / "a*.wav"], extensions=[".wav"])) == ["a1", "a2"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path):
    touch(tmp_path, "song [live].wav", "song l.wav")
    found = find_sources([tmp_path / "song [live].wav"], extensions=[".wav"])
    assert ids(found) == ["song [live]"]


def test_paths_that_lead_nowhere_are_listed(tmp_path):
    touch(tmp_path, "empty/readme.txt")
    paths = [tmp_path / "empty", tmp_path / "*.ogg", tmp_path / "gone.ogg"]
    found = find_sources(paths, extensions=[".ogg"])
    assert found.sources == ()
    assert [failure.stage for failure in found.failures] == ["find", "find", "find"]
    assert "no audio in this folder" in found.failures[0].error
    assert "matches no file" in found.failures[1].error
    assert found.failures[2].error == "no such file or folder"


def test_a_file_given_twice_is_one_track(tmp_path):
    touch(tmp_path, "a.wav")
    assert ids(find_sources([tmp_path, tmp_path / "a.wav"], extensions=[".wav"])) == ["a"]


def test_equal_stems_are_told_apart_by_their_extension(tmp_path):
    touch(tmp_path, "a.wav", "a.flac", "b.wav")
    found = find_sources([tmp_path], extensions=[".wav", ".flac"])
    assert ids(found) == ["a.flac", "a.wav", "b"]


def test_equal_paths_in_two_folders_are_told_apart_by_the_folder(tmp_path):
    touch(tmp_path, "one/audio/a.wav", "two/audio/a.wav")
    found = find_sources([tmp_path / "one/audio", tmp_path / "two/audio"], extensions=[".wav"])
    assert ids(found) == ["one__a.wav", "two__a.wav"]


def test_ids_differ_where_a_file_system_ignores_case(tmp_path):
    touch(tmp_path, "a.wav", "A.WAV")
    found = find_sources([tmp_path], extensions=[".wav"])
    assert len({id_.casefold() for id_ in ids(found)}) == len(found.sources)


def test_naming_files_takes_a_time_linear_in_their_number(tmp_path, monkeypatch):
    n_compared = itertools.count()

    class Id(str):
        def casefold(self):
            next(n_compared)
            return super().casefold()

    monkeypatch.setattr(runs, "safe_id", lambda name: Id(name))
    touch(tmp_path, *(f"{i}.wav" for i in range(100)))
    assert len(find_sources([tmp_path], extensions=[".wav"]).sources) == 100
    assert next(n_compared) <= 300


@given(st.lists(st.text(min_size=1, max_size=300), unique=True, min_size=1, max_size=20))
def test_safe_ids_are_portable(names):
    for name in names:
        id_ = safe_id(name)
        assert 0 < len(id_.encode()) <= 120
        assert not set(id_) & set('/\\<>:"|?*\0\n\r\t')
        assert not id_.startswith(("-", " ", ".")) or id_[0] == "_"
        assert safe_id(name) == id_


def test_names_that_lose_something_stay_apart():
    assert len({safe_id(name) for name in ("what?", "what!", "what*", "what", "what.")}) == 5


def test_failures_read_back_sorted_and_on_one_line_each(tmp_path):
    failures = [Failure("b", "read", "first\nsecond"), Failure("a", "find", 'say "no", twice')]
    write_failures(tmp_path, failures)
    assert read_failures(tmp_path) == [failures[1], Failure("b", "read", "first second")]
    assert (tmp_path / "failures.csv").read_text().count("\n") == 3


def test_names_that_are_not_utf8_are_written(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    runs.write_json(tmp_path / "scores.json", {"source": name})
    runs.write_csv(tmp_path / "scores.csv", ["source"], [[name]])
    assert json.loads((tmp_path / "scores.json").read_text()) == {"source": name}
    assert (tmp_path / "scores.csv").read_text() == "source\ncaf\\udce9\n"


def test_run_json_says_how_to_do_it_again(tmp_path):
    write_run(tmp_path, options={"features": "mfcc"}, started="2026-01-01T00:00:00", seconds=1.5)
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["options"] == {"features": "mfcc"}
    assert {"python", "scatseg", "kymatio", "numpy"} <= set(facts["versions"])
    assert facts["command"] == ["scatseg", *sys.argv[1:]]


def test_a_run_is_written_by_one_process_at_a_time(tmp_path):
    script = f"""
from pathlib import Path
from scatseg.runs import locked
with locked(Path({os.fspath(tmp_path)!r})):
    print("held", flush=True)
    input()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunLockedError, match="written by another scatseg"), locked(tmp_path):
            pass
        holder.kill()
    with locked(tmp_path):
        assert tmp_path.is_dir()


def test_run_json_that_is_no_object_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(ValueError, match=r"run\.json must hold a JSON object: delete it"):
        read_run_facts(tmp_path)


def test_a_file_system_without_locks_is_not_another_process(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("scatseg.runs._lock", refuse)
    with pytest.raises(OSError, match="No locks available"), locked(tmp_path):
        pass


def test_a_file_reached_by_two_paths_is_one_track(tmp_path, monkeypatch):
    touch(tmp_path, "music/a.wav")
    monkeypatch.chdir(tmp_path)
    for paths in (["music", tmp_path / "music"], ["music/a.wav", tmp_path / "music" / "a.wav"]):
        assert ids(find_sources(paths, extensions=[".wav"])) == ["a"]


def test_copies_inside_a_run_are_not_tracks(tmp_path):
    touch(tmp_path, "a.wav", "run/run.json", "run/tracks/a.jams", "run/assets/audio/a.wav")
    assert ids(find_sources([tmp_path], extensions=[".wav"])) == ["a"]


def test_recordings_beside_which_a_run_was_put_are_still_tracks(tmp_path):
    touch(tmp_path, "a.wav", "cd1/b.wav", "run.json", "tracks/a.jams", "assets/audio/a.wav")
    assert ids(find_sources([tmp_path], extensions=[".wav"])) == ["a", "cd1__b"]


def test_ids_fit_a_file_system_in_any_script():
    id_ = safe_id("\u3042" * 80 + "/" + "\u3044" * 80)
    assert len(id_.encode()) <= 120


def test_a_damaged_list_of_failures_is_read_as_far_as_it_goes(tmp_path):
    write_failures(tmp_path, [Failure("a", "read", "why")])
    with (tmp_path / "failures.csv").open("a") as file:
        file.write("\n")
    assert read_failures(tmp_path) == [Failure("a", "read", "why")]

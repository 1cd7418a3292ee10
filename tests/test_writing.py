"""Files are whole or absent, and errors name them."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from scatseg.writing import atomic_write, naming_file, private_folder, replaced, tidied, writing_as


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that is full when data is flushed; as in Python, the error names no file."""

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)


def test_the_whole_file_is_replaced(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"a longer content")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_named_by_the_file_and_leaves_the_old_one(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="No space left") as caught:
        atomic_write(path, b"new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, os.fspath(path))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_on_disk_before_it_has_the_name(tmp_path, monkeypatch):
    events = []
    replace = Path.replace
    monkeypatch.setattr("os.fsync", lambda _: events.append("fsync"))
    monkeypatch.setattr(Path, "replace", lambda *a: (events.append("replace"), replace(*a)))
    atomic_write(tmp_path / "x", b"new")
    assert events == ["fsync", "replace"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere") as caught:
        atomic_write(tmp_path / "nowhere" / "x", b"new")
    assert caught.value.filename == os.fspath(tmp_path / "nowhere" / "x")


def test_an_interrupt_leaves_no_temporary_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), replaced(tmp_path / "x"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_fails_names_its_target(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", source, None, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with (
        pytest.raises(OSError, match="No space left") as caught,
        replaced(tmp_path / "x") as temporary,
    ):
        shutil.copyfile(tmp_path / "source", temporary)
    assert caught.value.filename == os.fspath(tmp_path / "x")


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replaced(tmp_path / "x") as temporary:
        shutil.copyfile(tmp_path / "gone", temporary)
    assert caught.value.filename == os.fspath(tmp_path / "gone")


def test_errors_without_a_name_get_one(tmp_path):
    with pytest.raises(FileExistsError) as caught, naming_file(tmp_path):
        raise OSError(errno.EEXIST, "File exists")
    assert caught.value.filename == os.fspath(tmp_path)


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    kept, left = tmp_path / "track.jams", tmp_path / f".scatseg-{'0' * 16}.tmp"
    with tidied([tmp_path, tmp_path / "absent"]):
        kept.touch()
        left.touch()
    assert list(tmp_path.iterdir()) == [kept]


def test_a_writer_removes_only_its_own_temporary_files(tmp_path):
    with replaced(tmp_path / "x") as other:
        with tidied([tmp_path], writer="mine"), writing_as("mine"), replaced(tmp_path / "y") as own:
            shutil.copyfile(own, own.with_name(f"{own.stem}0.tmp"))
        assert set(tmp_path.iterdir()) == {other, tmp_path / "y"}


@pytest.mark.skipif(os.name == "nt", reason="no modes of folders")
def test_a_folder_that_others_can_write_is_no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = private_folder("cache")
    assert private_folder("cache") == first
    first.chmod(0o777)
    assert private_folder("cache") != first

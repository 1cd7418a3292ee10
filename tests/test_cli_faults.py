"""The command line when something is wrong: what it says, what it leaves alone, how it exits."""

import numpy as np
import pytest

from scatseg import audio, cli

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

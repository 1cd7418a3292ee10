"""The main pipeline on real recordings, from the command line."""

import resource
import subprocess
import sys

import pytest

from scatseg import formats
from scatseg.evaluation import evaluate
from scatseg.score_tables import read_scores

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

MOST_MEMORY = 2 * 2**30  # bytes


def scatseg(*arguments):
    command = [sys.executable, "-m", "scatseg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_song_is_segmented_scored_and_reported(shared, tmp_path):
    music = shared / "corpus" / "real_sargon"
    run = tmp_path / "run"
    page = scatseg("segment", music / "audio", "-o", run).splitlines()[-1]
    assert page == str(run / "index.html")
    scatseg("evaluate", run, music / "annotations", "-o", run)
    (estimate, *_) = formats.read_jams(run / "tracks" / "Mindless_cut.jams").annotations
    (reference,) = formats.read(music / "annotations" / "Mindless_cut.jams")
    expected = evaluate(reference.segmentation, estimate.segmentation)
    written = {
        score.metric: score.value
        for score in read_scores(run / "scores.csv")
        if score.system == "default"
    }
    assert written == pytest.approx(expected, nan_ok=True)
    assert "Mindless_cut" in (run / "index.html").read_text()
    assert (run / "assets" / "audio" / "Mindless_cut.mp3").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory as Linux counts it")
def test_half_an_hour_fits_into_two_gigabytes(shared, tmp_path):
    track = shared / "corpus" / "real_unannotated" / "planetblupi_long.ogg"
    scatseg("segment", track, "-o", tmp_path / "run", "--audio", "none")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert peak < MOST_MEMORY
    (found, *_) = formats.read_jams(tmp_path / "run/tracks/planetblupi_long.jams").annotations
    assert found.segmentation.end == pytest.approx(27.9 * 60, abs=10)
    assert len(found.segmentation) > 10


def test_bar_lines_are_those_of_the_clearer_form(shared, tmp_path):
    songs = shared / "corpus" / "real_lyrics"
    name = "JonathanCoulton-IFeelFantastic"
    scatseg("segment", songs / "audio" / f"{name}.ogg", "-o", tmp_path / "run", "--audio", "none")
    (found, *_) = formats.read_jams(tmp_path / "run" / "tracks" / f"{name}.jams").annotations
    (known,) = formats.read(songs / "annotations" / f"{name}.lab")
    scores = evaluate(known.segmentation, found.segmentation)
    assert scores["F-measure@0.5"] > 0.6  # 0 with the bar lines of the strongest accents

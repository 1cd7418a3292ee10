"""mirdata's loaders, from a fake of its interface: nothing is downloaded."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from tests.commands import datasets

from scatseg import loaders
from scatseg.datasets import read_references
from scatseg.loaders import LoaderError


def sections(*boundaries, labels, unit="s"):
    times = np.asarray(boundaries, float)
    return SimpleNamespace(
        intervals=np.column_stack([times[:-1], times[1:]]),
        interval_unit=unit,
        labels=None if labels is None else list(labels),
    )


TRACKS = {
    "01": SimpleNamespace(sections=sections(0, 10, 20, labels="AB"), audio_path="secret.wav"),
    "02": SimpleNamespace(sections=None),
    "03": SimpleNamespace(
        sections_uppercase=SimpleNamespace(
            annotators=["5", "5"],
            annotations=[sections(0, 8, labels="A"), sections(0, 4, 8, labels="AB")],
        ),
        sections_lowercase=SimpleNamespace(annotators=["5", None], annotations=[None, None]),
    ),
    "04": SimpleNamespace(sections=sections(0, 10_000, 20_000, labels=None, unit="ms")),
    "05": SimpleNamespace(sections=sections(0, 480, labels="A", unit="ticks")),
}


@pytest.fixture
def mirdata(monkeypatch):
    """Replace mirdata by a fake; return the calls it receives."""
    asked = SimpleNamespace(downloads=[], error=None, remotes=dict.fromkeys(("annotations",)))

    def download(partial_download):
        sys.stderr.write("WARNING: Downloading annotations\n")  # as mirdata logs
        asked.downloads.append(partial_download)
        if asked.error:
            raise asked.error

    def initialize(name, data_home):
        asked.name, asked.data_home = name, data_home
        return SimpleNamespace(remotes=asked.remotes, download=download, load_tracks=lambda: TRACKS)

    module = ModuleType("mirdata")
    module.list_datasets = lambda: ["acousticbrainz_genre", "beatles", "salami"]
    module.initialize = initialize
    monkeypatch.setitem(sys.modules, "mirdata", module)
    return asked


@pytest.mark.usefixtures("mirdata")
def test_only_loaders_with_sections_are_listed():
    assert loaders.names() == ("mirdata:beatles", "mirdata:salami")


def test_missing_extra_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mirdata", None)
    with pytest.raises(LoaderError, match=r"pip install 'scatseg\[datasets\]'"):
        loaders.names()


@pytest.mark.usefixtures("mirdata")
def test_sections_are_written_as_jams_by_track_annotator_and_level(tmp_path):
    export = loaders.fetch("mirdata:beatles", tmp_path)
    assert [path.name for path in export.written] == ["01.jams", "03.jams", "04.jams"]
    tracks = read_references(tmp_path / "mirdata-beatles").tracks
    found = {
        track: {(a.annotator, a.level): a.segmentation.boundaries for a in several}
        for track, several in tracks.items()
    }
    assert found == {
        "01": {("1", "section"): (0, 10, 20)},
        "03": {("1", "upper"): (0, 8), ("2", "upper"): (0, 4, 8)},
        "04": {("1", "section"): (0, 10, 20)},
    }
    assert tracks["01"][0].segmentation.labels == ("A", "B")


@pytest.mark.usefixtures("mirdata")
def test_times_that_are_no_seconds_are_a_problem_of_that_track(tmp_path):
    ((path, reason),) = loaders.fetch("beatles", tmp_path).problems
    assert path.name == "05.jams"
    assert reason == "annotator 1, level section: times are in 'ticks', not in seconds"


def test_recordings_are_not_downloaded(mirdata, tmp_path):
    mirdata.remotes = dict.fromkeys(("audio", "annotations_sections", "metadata", "audio_more"))
    loaders.fetch("beatles", tmp_path)
    assert mirdata.downloads == [["annotations_sections", "metadata"]]


def test_loader_with_nothing_but_recordings_is_refused(mirdata, tmp_path):
    mirdata.remotes = {"all": None}
    with pytest.raises(LoaderError, match="no annotations without the recordings"):
        loaders.fetch("beatles", tmp_path)
    assert mirdata.downloads == []


@pytest.mark.usefixtures("mirdata")
def test_loader_without_sections_is_refused_with_those_that_have_some(tmp_path):
    with pytest.raises(LoaderError, match="'acousticbrainz_genre'; there are beatles, salami"):
        loaders.fetch("mirdata:acousticbrainz_genre", tmp_path)


@pytest.mark.parametrize("error", [OSError("checksum"), ValueError("no index")])
def test_failed_download_is_an_error_with_its_cause(mirdata, tmp_path, error):
    mirdata.error = error
    with pytest.raises(LoaderError, match=f"mirdata:beatles cannot be downloaded: {error}"):
        loaders.fetch("beatles", tmp_path)


@pytest.mark.usefixtures("mirdata")
def test_fetch_of_a_loader_prints_its_folder(tmp_path):
    result = datasets("fetch", "mirdata:beatles", "-o", tmp_path)
    assert (result.return_value, result.stdout) == (0, f"{tmp_path / 'mirdata-beatles'}\n")
    assert "05.jams: annotator 1" in result.stderr


@pytest.mark.usefixtures("mirdata")
def test_quiet_leaves_out_what_mirdata_logs(tmp_path):
    assert "Downloading" in datasets("fetch", "mirdata:beatles", "-o", tmp_path).stderr
    result = datasets("fetch", "mirdata:beatles", "-o", tmp_path, "-q")
    assert result.return_value == 0
    assert result.stderr.splitlines() == [
        f"{tmp_path / 'mirdata-beatles' / '05.jams'}: annotator 1, level section: "
        "times are in 'ticks', not in seconds"
    ]


@pytest.mark.usefixtures("mirdata")
def test_list_names_loaders(tmp_path):
    assert "mirdata:beatles\nmirdata:salami\n" in datasets("list", "-o", tmp_path).stdout


def test_list_without_the_extra_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mirdata", None)
    result = datasets("list", "-o", tmp_path)
    assert result.return_value == 0
    assert "pip install 'scatseg[datasets]'" in result.stderr

"""Published sets of sounds, from a fake of mirdata's interface: nothing is downloaded."""

import csv
import sys
from types import ModuleType, SimpleNamespace

import pytest
from tests.commands import datasets

from scatseg.labelled import read_labelled
from scatseg.loaders import LoaderError
from scatseg.sound_sets import SOUND_SETS, tabulate


class Tracks:
    """A fake dataset: tracks by id, or the error that loading them raises."""

    def __init__(self, tracks, error=None):
        self.tracks, self.error, self.downloads = tracks, error, []

    @property
    def track_ids(self):
        if self.error:
            raise self.error
        return list(self.tracks)

    def track(self, track_id):
        return self.tracks[track_id]()

    def download(self, partial_download):
        self.downloads.append(partial_download)


@pytest.fixture
def mirdata(monkeypatch):
    """Replace mirdata by a fake whose only dataset is `mirdata.dataset`."""
    held = SimpleNamespace(dataset=None)

    def initialize(name, data_home):
        held.name, held.data_home = name, data_home
        return held.dataset

    module = ModuleType("mirdata")
    module.list_datasets = lambda: ["beatles", *SOUND_SETS]
    module.initialize = initialize
    monkeypatch.setitem(sys.modules, "mirdata", module)
    return held


@pytest.fixture
def recording(tmp_path):
    """Return a function that creates an empty recording in the folder and returns its path."""

    def lay(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return str(path)

    return lay


def track(**attributes):
    return lambda: SimpleNamespace(**attributes)


SOLO = {"instrument": "flute", "song_id": 7, "subset": "training"}


def test_a_table_holds_labels_groups_and_the_published_split(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks(
        {
            "b": track(audio_path=recording("audio/b.wav"), **SOLO),
            "a": track(audio_path=recording("audio/a.wav"), **{**SOLO, "subset": "test"}),
        }
    )
    table = tabulate("mirdata:medley_solos_db", tmp_path, relative_to=tmp_path)
    assert table.rows == (
        ("file", "label", "group", "split"),
        ("audio/a.wav", "flute", "7", "test"),
        ("audio/b.wav", "flute", "7", "training"),
    )


def test_players_are_groups_or_the_session_where_nobody_is_named(mirdata, recording, tmp_path):
    note = {"instrument": "cello", "klass": "bad", "microphone": "akg", "pack_info": {"name": "p"}}
    mirdata.dataset = Tracks(
        {
            "1": track(audio_path=recording("1.wav"), sound_info={"player": "Ana"}, **note),
            "2": track(audio_path=recording("2.wav"), sound_info={"player": None}, **note),
        }
    )
    rows = tabulate("good_sounds", tmp_path, relative_to=tmp_path).rows[1:]
    assert rows == (("1.wav", "cello", "Ana", "bad", "akg"), ("2.wav", "cello", "p", "bad", "akg"))


def test_notes_of_instruments_have_folds_and_techniques(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks(
        {
            "n": track(
                audio_path=recording("n.wav"),
                instrument_full="Viola",
                technique_full="ordinario",
                split=3,
                pitch="A4",
                dynamics="pp",
            )
        }
    )
    assert tabulate("tinysol", tmp_path, relative_to=tmp_path).rows == (
        ("file", "label", "split", "technique", "meta"),
        ("n.wav", "Viola", "3", "ordinario", "A4 pp"),
    )


def test_recordings_that_are_not_there_are_counted(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks(
        {
            "a": track(audio_path=recording("a.wav"), stroke_name="ta", tonic="C#"),
            "b": track(audio_path=str(tmp_path / "b.wav"), stroke_name="ta", tonic="C#"),
        }
    )
    table = tabulate("mridangam_stroke", tmp_path, relative_to=tmp_path)
    assert table.rows[1:] == (("a.wav", "ta", "C#"),)
    assert table.notes == (f"1 recording missing, for one {tmp_path / 'b.wav'}",)


def test_tracks_that_mirdata_does_not_know_are_problems(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks(
        {
            "a": track(audio_path=recording("a.wav"), **SOLO),
            "b": track(audio_path=recording("b.wav"), **{**SOLO, "instrument": None}),
            "c": {}.popitem,
        }
    )
    table = tabulate("medley_solos_db", tmp_path, relative_to=tmp_path)
    assert [row[0] for row in table.rows[1:]] == ["a.wav"]
    assert [str(path) for path, _ in table.problems] == ["b", "c"]


def test_fault_filtered_lists_are_the_split_of_gtzan(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks(
        {
            name: track(audio_path=recording(f"genres/{name}.wav"), genre="blues")
            for name in ("blues.00000", "blues.00001", "blues.00002", "blues.00003")
        }
    )
    for number, part in enumerate(("train", "valid", "test")):
        (tmp_path / f"{part}_filtered.txt").write_text(f"blues/blues.0000{number}.wav\n")
    table = tabulate("gtzan_genre", tmp_path, relative_to=tmp_path)
    assert [row[-1] for row in table.rows] == ["split", "train", "validation", "test"]
    assert table.notes == ("1 recording left out: in no fault-filtered list",)


def test_gtzan_without_its_lists_is_listed_with_a_warning(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks({"x": track(audio_path=recording("x.wav"), genre="jazz")})
    table = tabulate("gtzan_genre", tmp_path, relative_to=tmp_path)
    assert table.rows == (("file", "label"), ("x.wav", "jazz"))
    assert "repeats artists and whole recordings" in table.notes[0]


def test_nothing_is_downloaded_unasked_and_no_recording_ever(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks({"a": track(audio_path=recording("a.wav"), **SOLO)})
    tabulate("medley_solos_db", tmp_path, relative_to=tmp_path)
    assert mirdata.dataset.downloads == []
    tabulate("medley_solos_db", tmp_path, relative_to=tmp_path, fetch=True)
    assert mirdata.dataset.downloads == [["index", "annotations"]]


@pytest.mark.parametrize("name", SOUND_SETS)
def test_annotations_that_are_fetched_hold_no_recordings(name):
    assert not {"audio", "audios", "all", "mini", "remote_data"}.intersection(
        SOUND_SETS[name].annotations
    )


def test_without_mirdata_s_index_it_says_how_to_get_it(mirdata, tmp_path):
    mirdata.dataset = Tracks({}, error=FileNotFoundError("index must be downloaded"))
    with pytest.raises(LoaderError, match=r"index must be downloaded.*--fetch downloads these"):
        tabulate("tinysol", tmp_path, relative_to=tmp_path)


def test_a_folder_without_recordings_says_where_one_was_looked_for(mirdata, tmp_path):
    mirdata.dataset = Tracks({"a": track(audio_path=str(tmp_path / "audio" / "a.wav"), **SOLO)})
    with pytest.raises(LoaderError, match=r"as mirdata lays them out are needed: 1 rec.*a\.wav"):
        tabulate("medley_solos_db", tmp_path, relative_to=tmp_path)


def test_other_loaders_are_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(LoaderError, match="'beatles'; there are good_sounds, gtzan_genre, medley"):
        tabulate("mirdata:beatles", tmp_path, relative_to=tmp_path)


def test_a_set_without_a_folder_is_refused(tmp_path):
    with pytest.raises(LoaderError, match="the folder of tinysol is needed, there is none"):
        tabulate("tinysol", tmp_path / "none", relative_to=tmp_path)


def test_the_table_that_is_written_is_read_from_where_it_lies(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks({"a": track(audio_path=recording("set/audio/a.wav"), **SOLO)})
    out = tmp_path / "tables" / "solos.csv"
    out.parent.mkdir()
    result = datasets("index", "mirdata:medley_solos_db", tmp_path / "set", "-o", out)
    assert (result.return_value, result.stdout) == (0, f"{out}\n")
    (clip,) = read_labelled(out).clips
    assert (clip.label, clip.group, clip.split) == ("flute", "7", "training")


def test_without_an_output_the_table_is_for_the_folder_itself(mirdata, recording, tmp_path):
    mirdata.dataset = Tracks({"a": track(audio_path=recording("set/audio/a.wav"), **SOLO)})
    result = datasets("index", "mirdata:medley_solos_db", tmp_path / "set")
    assert list(csv.reader(result.stdout.splitlines()))[1][0] == "audio/a.wav"


def test_what_cannot_be_listed_is_one_message_and_exits_with_3(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mirdata", None)
    result = datasets("index", "mirdata:tinysol", tmp_path)
    assert result.return_value == 3
    assert result.stderr == "mirdata's loaders need the extra: pip install 'scatseg[datasets]'\n"


@pytest.mark.usefixtures("mirdata")
def test_sets_of_sounds_are_listed_beside_loaders_with_sections(tmp_path):
    assert "mirdata:tinysol: TinySOL: 14 instruments" in datasets("list", "-o", tmp_path).stdout

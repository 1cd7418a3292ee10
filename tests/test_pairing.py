"""Pairing of annotations with recordings by name and duration, including ambiguous cases."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.commands import datasets

from scatseg.audio import AudioError, save
from scatseg.formats import Annotation, FormatError, write
from scatseg.pairing import (
    Described,
    Pair,
    audio_duration,
    describe,
    map_csv,
    pair,
    read_metadata,
)
from scatseg.segmentation import Segmentation

SKY = Described(title="Blue Sky", artist="Ann", durations=(200.0,))
SEA = Described(title="Deep Sea", artist="Bob", durations=(300.0, 301.5))
HOME = Described(title="Home", artist="Cat", durations=(100.0,))


@pytest.mark.parametrize(
    ("recording", "duration", "expected"),
    [
        ("7", 200.0, "name and duration"),
        ("7", None, "name"),
        ("7_remaster", 199.0, "name and duration"),
        ("01 Ann - Blue Sky", 201.9, "name and duration"),
        ("Ann/Blue_Sky", None, "name"),
        ("ANN: blue-sky (mono)", 200.0, "name and duration"),
        ("Blue Sky", 200.0, "name and duration"),
    ],
)
def test_recording_is_paired_by_the_strongest_evidence(recording, duration, expected):
    assert pair({recording: duration}, {"7": SKY}).pairs == (Pair(recording, "7", expected),)


@pytest.mark.parametrize(
    ("recording", "duration"),
    [
        ("Blue Skyline - Ann", 250.0),  # not a whole word
        ("Blue Sky", None),  # a title alone is not enough
        ("Somebody - Blue Sky", 150.0),
        ("track 9", None),
        ("track 9", 203.0),
    ],
)
def test_recording_without_evidence_is_unmatched(recording, duration):
    result = pair({recording: duration}, {"7": SKY}, by_duration=True)
    assert (result.pairs, result.doubtful) == ((), {})
    assert result.unmatched_recordings == (recording,)
    assert result.unmatched_references == ("7",)


def test_duration_alone_pairs_only_on_request():
    assert pair({"track 9": 200.0}, {"7": SKY}).unmatched_recordings == ("track 9",)
    asked = pair({"track 9": 200.0}, {"7": SKY}, by_duration=True)
    assert asked.pairs == (Pair("track 9", "7", "duration"),)


def test_any_of_several_durations_will_do():
    assert pair({"Bob Deep Sea": 303.4}, {"8": SEA}).pairs[0].by == "name and duration"


def test_name_without_the_duration_is_doubtful():
    result = pair({"Ann - Blue Sky (live)": 260.0, "7": 20.0}, {"7": SKY})
    assert result.pairs == ()
    assert result.doubtful == {"7": ("7",), "Ann - Blue Sky (live)": ("7",)}


def test_duration_decides_between_tracks_of_one_name():
    twice = {"1": SKY, "2": Described(title="Blue Sky", artist="Ann", durations=(260.0,))}
    assert pair({"Ann - Blue Sky": 259.0}, twice).pairs[0].reference == "2"


def test_tracks_of_one_name_and_duration_are_ambiguous():
    result = pair({"Ann - Blue Sky": 200.0}, {"1": SKY, "2": SKY})
    assert (result.pairs, result.ambiguous) == ((), {"Ann - Blue Sky": ("1", "2")})


def test_track_number_that_is_another_id_does_not_mislead():
    references = {"7": HOME, "12": SKY}
    assert pair({"7-Ann-Blue Sky": 200.0}, references).pairs[0].reference == "12"


def test_artist_and_title_are_stronger_than_a_title():
    references = {"1": SKY, "2": Described(title="Sky", artist="Zed", durations=(200.0,))}
    assert pair({"Ann - Blue Sky": 200.0}, references).pairs[0].reference == "1"


def test_duration_alone_decides_only_where_nobody_else_has_a_claim():
    result = pair({"x": 200.0, "y": 200.5}, {"7": SKY}, by_duration=True)
    assert result.pairs == ()
    assert result.ambiguous == {"x": ("7",), "y": ("7",)}


def test_duration_alone_does_not_take_what_a_name_has_taken():
    result = pair({"7": 200.0, "x": 200.0}, {"7": SKY}, by_duration=True)
    assert result.pairs == (Pair("7", "7", "name and duration"),)
    assert result.unmatched_recordings == ("x",)


def test_tolerance_is_what_is_allowed():
    assert pair({"7": 200.5}, {"7": SKY}, tolerance=0.5).pairs
    assert not pair({"7": 200.5}, {"7": SKY}, tolerance=0.4).pairs


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_tolerance_is_not_negative(tolerance):
    with pytest.raises(ValueError, match="tolerance must be a number of seconds, 0 or more"):
        pair({}, {}, tolerance=tolerance)


NAMES = st.lists(st.text("ab_. 1", min_size=1, max_size=5), max_size=6, unique=True)
DURATIONS = st.one_of(st.none(), st.integers(0, 9).map(float))


@settings(deadline=None)
@given(NAMES, NAMES, st.data())
def test_every_recording_and_every_reference_is_accounted_for_once(recordings, references, data):
    lengths = {name: data.draw(DURATIONS) for name in recordings}
    known = {
        name: Described(
            title=data.draw(st.sampled_from(["", "a", "a b"])),
            artist=data.draw(st.sampled_from(["", "b"])),
            durations=tuple(data.draw(st.lists(st.integers(0, 9).map(float), max_size=2))),
        )
        for name in references
    }
    result = pair(lengths, known, by_duration=data.draw(st.booleans()))
    paired = [each.recording for each in result.pairs]
    listed = [*paired, *result.ambiguous, *result.doubtful, *result.unmatched_recordings]
    assert sorted(listed) == sorted(recordings)
    used = {each.reference for each in result.pairs}
    assert sorted([*used, *result.unmatched_references]) == sorted(references)


# ---- What is known about tracks -----------------------------------------------------------


def test_salami_s_and_harmonix_s_tables_are_read(tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "metadata.csv").write_text(
        "SONG_ID,SOURCE,SONG_DURATION,SONG_TITLE,ARTIST\n"
        "2,Codaich,264,For_God_And_Country,The_Smashing_Pumpkins\n4,IA,,,\n"
    )
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "metadata.csv").write_bytes(
        'File,Title,Artist,Duration\n0001_x,Déjà vu,"Beyoncé, Jay-Z",123.5\n'.encode("latin-1")
    )
    assert read_metadata(tmp_path) == {
        "2": Described(
            title="For_God_And_Country", artist="The_Smashing_Pumpkins", durations=(264.0,)
        ),
        "4": Described(),
        "0001_x": Described(title="Déjà vu", artist="Beyoncé, Jay-Z", durations=(123.5,)),
    }


def test_a_table_separated_by_semicolons_is_read(tmp_path):
    text = "\ufeffFile;Title;Duration\r\n1;Blue, Sky;123,5\r\n"
    (tmp_path / "metadata.csv").write_bytes(text.encode())
    assert read_metadata(tmp_path) == {"1": Described(title="Blue, Sky", durations=(123.5,))}


def test_accents_and_underscores_do_not_matter():
    known = {"1": Described(title="Déjà_vu", artist="Beyoncé")}
    assert pair({"03 beyonce - DEJA VU": None}, known).pairs[0].by == "name"


def test_table_of_something_else_tells_nothing(tmp_path):
    (tmp_path / "metadata.csv").write_text("mood,tempo\nsad,60\n\n,\n")
    assert read_metadata(tmp_path) == {}


def test_damaged_tables_are_refused_with_file_and_line(tmp_path):
    table = tmp_path / "metadata.csv"
    table.write_text('id,title\n1,"For God\n2,Blue Sky\n')
    with pytest.raises(FormatError, match=r"metadata\.csv, line 2: .*is a quote not closed\?"):
        read_metadata(tmp_path)
    table.write_bytes(b"\x00\xd8\x01")
    with pytest.raises(FormatError, match=r"metadata\.csv is not a text file"):
        read_metadata(tmp_path)


def test_durations_are_where_annotations_end_and_what_metadata_say():
    annotations = [Annotation(segmentation=Segmentation([0, end], "A")) for end in (40, 41, 40)]
    metadata = {"a": Described(title="A", durations=(43.0,)), "gone": SKY}
    assert describe({"a": annotations}, metadata) == {
        "a": Described(title="A", durations=(40.0, 41.0, 43.0))
    }


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg", "x.mp3"])
def test_duration_of_a_recording_is_told_without_decoding_it(tmp_path, name, rng, monkeypatch):
    save(tmp_path / name, rng.uniform(-0.5, 0.5, 66150).astype("float32"), 22050)
    monkeypatch.setattr("scatseg.pairing.decode", None)
    assert audio_duration(tmp_path / name) == pytest.approx(3.0, abs=0.1)


def test_text_has_no_duration(tmp_path):
    (tmp_path / "x.wav").write_text("no audio at all")
    with pytest.raises(AudioError, match=r"x\.wav"):
        audio_duration(tmp_path / "x.wav")


def test_map_is_a_table_that_quotes_what_it_must():
    assert map_csv([Pair('a, "b"', "7", "name")]) == 'estimate,reference\n"a, ""b""",7\n'


# ---- The command line ---------------------------------------------------------------------


@pytest.fixture
def music(tmp_path, rng):
    """Three recordings, two annotated tracks with a table of titles."""
    audio, annotations = tmp_path / "audio", tmp_path / "annotations"
    audio.mkdir()
    annotations.mkdir()
    for name, seconds in (("Ann - Blue Sky", 3.0), ("2", 9.0), ("unknown", 7.0)):
        save(audio / f"{name}.wav", rng.uniform(-0.1, 0.1, int(8000 * seconds)), 8000)
    write(annotations / "1.lab", Segmentation([0, 1, 3.1], "AB"))
    write(annotations / "2.lab", Segmentation([0, 1, 4], "AB"))
    (annotations / "metadata.csv").write_text("File,Title,Artist\n1,Blue Sky,Ann\n")
    return audio, annotations


def test_match_writes_a_map_and_lists_what_it_could_not_decide(music, tmp_path):
    result = datasets("match", *music, "-o", tmp_path / "map.csv")
    assert (tmp_path / "map.csv").read_text() == "estimate,reference\nAnn - Blue Sky,1\n"
    assert result.stdout == f"{tmp_path / 'map.csv'}\n"
    assert result.stderr.splitlines() == [
        "recordings paired: 1 (1 by name and duration)",
        "2: named like 2, but of another duration",
        "unknown: no annotations fit",
        "annotated tracks without a recording: 1 (2)",
    ]
    assert result.return_value == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "is a folder, a file is needed"),
        ("no/map.csv", "there is no folder no, make it first"),
    ],
)
def test_match_refuses_a_map_that_cannot_be_written(name, reason, music, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = datasets("match", *music, "-o", name)
    assert reason in str(result.exception)
    assert result.stdout == ""


def test_match_prints_the_map_where_no_file_is_named(music):
    assert datasets("match", *music, "--tolerance", "5").stdout == (
        "estimate,reference\n2,2\nAnn - Blue Sky,1\n"
    )


def test_match_by_duration_pairs_what_has_no_name(music):
    audio, annotations = music
    (audio / "2.wav").unlink()
    result = datasets("match", audio, annotations, "--tolerance", "4", "--by-duration")
    assert "unknown,2\n" in result.stdout


def test_match_of_a_file_that_is_no_audio_goes_by_its_name(music):
    audio, annotations = music
    (audio / "2.wav").write_text("no audio")
    result = datasets("match", audio, annotations)
    assert "2,2\n" in result.stdout
    assert "2.wav" in result.stderr


def test_match_of_nothing_is_3(tmp_path, music):
    (tmp_path / "none").mkdir()
    assert datasets("match", tmp_path / "none", music[1]).return_value == 3

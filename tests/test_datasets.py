"""Collections on disk: names, duplicates, hostile folders and matching ids."""

import errno
import os
import shutil
from itertools import chain

import pytest

from scatseg.datasets import (
    Track,
    parse_name,
    read_estimates,
    read_references,
)
from scatseg.formats import Annotation, Jams, write, write_jams
from scatseg.runs import Note
from scatseg.segmentation import Segmentation

ABA = Segmentation([0, 10, 25, 40], ["A", "B", "A"])
AB = Segmentation([0, 20, 40], ["A", "B"])
CD = Segmentation([0, 30, 40], ["C", "D"])


@pytest.fixture
def folder(tmp_path):
    """Write segmentations into a folder by file name."""

    def fill(files):
        for name, segmentation in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, segmentation)
        return tmp_path

    return fill


def write_annotations(path, *annotations, **jams):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jams(path, Jams(annotations=annotations, duration=40.0, **jams))


def names(references):
    return {
        track: [(each.annotator, each.level) for each in annotations]
        for track, annotations in references.tracks.items()
    }


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("song.lab", ("song", "", "")),
        ("folder/song.TextGrid", ("song", "", "")),
        ("song.section.lab", ("song", "section", "")),
        ("pop909_002.phrase12.lab", ("pop909_002", "phrase", "12")),
        ("01.Intro.lab", ("01.Intro", "", "")),
        ("01.intro.lab", ("01.intro", "", "")),
        ("Mr. Blue Sky.lab", ("Mr. Blue Sky", "", "")),
        ("feat. X.section2.csv", ("feat. X", "section", "2")),
        ("song.v2.lab", ("song.v2", "", "")),
        ("song.section.jams", ("song.section", "", "")),
        ("section.lab", ("section", "", "")),
        (".section.lab", (".section", "", "")),
        ("salami/3/parsed/textfile1_functions.txt", ("3", "function", "1")),
        ("salami/3/parsed/textfile1b_uppercase.txt", ("3", "upper-b", "1")),
        ("elsewhere/textfile1_uppercase.txt", ("textfile1_uppercase", "", "")),
    ],
)
def test_name_tells_track_level_and_annotator(path, expected):
    assert parse_name(path) == expected


def test_levels_of_one_s_own_are_understood():
    assert parse_name("song.theme2.lab", levels={"theme"}) == ("song", "theme", "2")


def test_name_that_is_not_utf8_has_an_id_that_a_text_file_can_hold():
    assert parse_name(os.fsdecode(b"caf\xe9.lab")).track_id == "caf?"


# --- references --------------------------------------------------------------------------------


def test_one_file_per_track(folder):
    root = folder({"b.lab": ABA, "a.csv": AB, "deep/er/c.TextGrid": CD, "d.svl": AB})
    references = read_references(root)
    assert list(references.tracks) == ["a", "b", "c", "d"]
    assert references.tracks["b"][0].segmentation == ABA
    assert (references.problems, references.notes) == ((), ())


def test_unnamed_annotator_and_level_are_named_one(folder):
    assert names(read_references(folder({"a.lab": AB}))) == {"a": [("1", "1")]}


def test_one_file_can_be_named_itself(folder):
    root = folder({"a.section2.lab": AB, "b.lab": AB})
    assert names(read_references(root / "a.section2.lab")) == {"a": [("2", "section")]}


def test_families_of_files_are_annotators_and_levels(folder):
    root = folder({f"a.{kind}{n}.lab": ABA for kind in ("phrase", "section") for n in (1, 2)})
    assert names(read_references(root)) == {
        "a": [("1", "phrase"), ("2", "phrase"), ("1", "section"), ("2", "section")]
    }


def test_jams_holds_several_annotators_and_levels(tmp_path):
    said = [
        Annotation(segmentation=ABA, annotator="Anna", level="phrase"),
        Annotation(segmentation=AB, annotator="Anna", level="section"),
        Annotation(segmentation=CD, annotator="Ben", level="section"),
    ]
    write_annotations(tmp_path / "song.jams", *said)
    assert read_references(tmp_path).tracks == {"song": tuple(said)}


def test_annotation_in_jams_and_lab_is_used_once(tmp_path):
    write_annotations(
        tmp_path / "song.jams",
        Annotation(segmentation=ABA, annotator="Anna", level="phrase"),
        Annotation(segmentation=AB, annotator="Ben", level="phrase"),
    )
    rounded = Segmentation([0, 10.0004, 25, 40], ABA.labels)
    write(tmp_path / "song.phrase1.lab", rounded)
    write(tmp_path / "song.phrase2.lab", AB)
    references = read_references(tmp_path)
    assert names(references) == {"song": [("Anna", "phrase"), ("Ben", "phrase")]}
    assert references.notes == tuple(
        Note("ignored", "song", str(tmp_path / name), "the same as another file of the track")
        for name in ("song.phrase1.lab", "song.phrase2.lab")
    )


@pytest.mark.parametrize(
    ("file", "segmentation"),
    [
        ("song.section1.lab", ABA),
        ("song.phrase1.lab", Segmentation([0, 10, 25, 40], ["A", "B", "C"])),
        ("song.phrase1.lab", Segmentation([0, 10.01, 25, 40], ["A", "B", "A"])),
    ],
    ids=["level", "labels", "times"],
)
def test_lab_that_differs_from_the_jams_is_another_annotation(tmp_path, file, segmentation):
    said = Annotation(segmentation=ABA, annotator="Anna", level="phrase")
    write_annotations(tmp_path / "song.jams", said)
    write(tmp_path / file, segmentation)
    assert len(read_references(tmp_path).tracks["song"]) == 2


def test_annotators_who_agree_are_both_kept(folder):
    root = folder({"a.section1.lab": ABA, "a.section2.lab": ABA})
    assert names(read_references(root)) == {"a": [("1", "section"), ("2", "section")]}


def test_same_file_twice_is_used_once(folder):
    references = read_references(folder({"x/a.lab": ABA, "y/a.lab": ABA}))
    assert names(references) == {"a": [("1", "1")]}
    assert references.problems == ()


def test_contradicting_files_of_one_name_are_a_problem(folder):
    references = read_references(folder({"x/a.csv": ABA, "x/a.lab": AB}))
    assert references.tracks["a"][0].segmentation == ABA
    (problem,) = references.problems
    assert problem.path.name == "a.lab"
    assert "a.csv, which is used as annotator '1' at level '1'" in problem.reason


def test_files_of_one_name_in_two_folders_are_two_tracks(folder):
    root = folder({"A/01.lab": ABA, "B/01.lab": AB, "B/02.lab": AB})
    assert list(read_references(root).tracks) == ["02", "A__01", "B__01"]
    assert read_estimates(root).systems[root.name] == {"02": AB, "A__01": ABA, "B__01": AB}


def test_file_without_a_level_is_no_level_of_a_track_in_another_folder(folder):
    root = folder({"better.section1.lab": ABA, "Disc 2/better.lab": AB, "Disc 2/02.lab": AB})
    assert list(read_references(root).tracks) == ["02", "Disc 2__better", "better"]
    assert set(read_estimates(root).systems[root.name]) == {"02", "Disc 2__better", "better"}


def test_levels_in_several_folders_are_those_of_one_track(folder):
    root = folder({"upper/02.upper.lab": AB, "lower/02.lower.lab": ABA, "jams/02.jams": AB})
    found = names(read_references(root))
    assert sorted(found.pop("02")) == [("1", "1"), ("1", "lower"), ("1", "upper")]
    assert not found


def test_name_with_composed_or_separate_accents_is_one(folder):
    root = folder({"nfc/caf\u00e9.lab": ABA, "nfd/cafe\u0301.lab": ABA})
    assert list(read_references(root / "nfc").tracks) == list(read_references(root / "nfd").tracks)


def test_salami_layout_is_read_by_folder(tmp_path):
    parsed = tmp_path / "472" / "parsed"
    parsed.mkdir(parents=True)
    for annotator, level in (("1", "uppercase"), ("1", "lowercase"), ("2", "functions")):
        path = parsed / f"textfile{annotator}_{level}.txt"
        path.write_text("0.0\tSilence\n0.4\tA\n10.0\tB\n40.5\tEnd")
    (tmp_path / "472" / "textfile1.txt").write_text("0.0\tSilence\n0.4\tA, a, Intro\n")
    references = read_references(tmp_path)
    assert names(references) == {"472": [("1", "lower"), ("1", "upper"), ("2", "function")]}
    first = references.tracks["472"][0].segmentation
    assert first == Segmentation([0, 0.4, 10, 40.5], ["Silence", "A", "B"])
    assert references.problems == ()


def test_salami_s_folder_of_one_track_is_read_from_inside(tmp_path, monkeypatch):
    parsed = tmp_path / "472" / "parsed"
    parsed.mkdir(parents=True)
    (parsed / "textfile1_uppercase.txt").write_text("0.0\tA\n40.5\tEnd")
    monkeypatch.chdir(parsed)
    assert list(read_references(".").tracks) == ["472"]


def test_beats_beside_segments_are_left_alone(folder):
    root = folder({"a.section1.lab": ABA})
    (root / "a.beats.txt").write_text("0.38\t1\n1.05\t2\n1.71\t3\n")
    references = read_references(root)
    assert names(references) == {"a": [("1", "section")]}
    ignored = Note("ignored", "a.beats", str(root / "a.beats.txt"), "no segmentation, by its name")
    assert references.notes == (ignored,)


def test_harmonix_as_published_is_read_without_its_beats(tmp_path):
    for name, text in {
        "segments/0001_12step.txt": "0.0 intro\n10.5 verse\n20.25 end\n",
        "beats_and_downbeats/0001_12step.txt": "0.0\t1\t1\n0.5\t2\t1\n1.0\t3\t1\n",
        "metadata.csv": "File,Title,Artist\n0001_12step,1 2 Step,Ciara\n",
    }.items():
        path = tmp_path / "dataset" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    references = read_references(tmp_path)
    assert names(references) == {"0001_12step": [("1", "1")]}
    expected = Segmentation([0, 10.5, 20.25], ["intro", "verse"])
    assert references.tracks["0001_12step"][0].segmentation == expected
    assert references.problems == ()


def test_folder_that_is_called_beats_is_read_when_it_is_named_itself(tmp_path):
    (tmp_path / "beats").mkdir()
    write(tmp_path / "beats" / "a.lab", AB)
    assert list(read_references(tmp_path / "beats").tracks) == ["a"]
    assert list(read_references(tmp_path).tracks) == []


def test_text_that_is_no_segmentation_is_noted_not_a_problem(folder):
    root = folder({"a.lab": ABA})
    (root / "thanks.txt").write_text("to everyone\n")
    references = read_references(root)
    assert references.problems == ()
    (note,) = references.notes
    assert note[:3] == ("ignored", "thanks", str(root / "thanks.txt"))
    assert note.message.startswith("no segmentation: line 1")


def test_annotations_in_formats_of_other_tools_are_noted(folder):
    root = folder({"a.lab": ABA})
    (root / "b.rttm").write_text("SPEAKER b 1 0.0 10.0 <NA> <NA> verse <NA> <NA>\n")
    (root / "README.tsv").write_text("id\ttitle\n")
    for found in (read_references(root), read_estimates(root)):
        other, note = found.notes
        assert (other.file, other.message) == (
            str(root / "README.tsv"),
            "no segmentation, by its name",
        )
        assert note[:3] == ("ignored", "b", str(root / "b.rttm"))
        assert note.message.startswith(".rttm is not read: convert it to one of .csv .jams .lab")
        assert found.problems == ()


@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_broken_row_of_times_is_a_problem(tmp_path, name):
    (tmp_path / name).write_text("start,end,label\n0.0,10.0,A\n12.0,ten,B\n")
    references = read_references(tmp_path)
    assert [problem.path.name for problem in references.problems] == [name]
    assert references.notes == ()


def test_run_folder_s_references_are_its_references_not_its_estimates(folder):
    root = folder({"references/a.jams": ABA, "tracks/a.jams": AB, "tracks/b.jams": AB})
    references = read_references(root)
    assert list(references.tracks) == ["a"]
    assert references.tracks["a"][0].segmentation == ABA


def test_run_folder_without_references_is_no_reference(folder):
    root = folder({"tracks/a.jams": AB})
    match = "this run was not evaluated: .* no references"
    with pytest.raises(FileNotFoundError, match=match) as caught:
        read_references(root)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(root))


def test_repairs_are_listed_with_their_file(tmp_path):
    (tmp_path / "a.lab").write_text("0,0\t10,5\tA\n10,5\t40,0\tB\n")
    (note,) = read_references(tmp_path).notes
    assert note[:3] == ("repair", "a", str(tmp_path / "a.lab"))
    assert note.message.startswith("line 1: decimal comma")


def test_missing_folder_is_an_error(tmp_path):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError, match="there is no such file or folder") as caught:
        read_references(nowhere)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(nowhere))


def test_folder_without_annotations_has_none(tmp_path):
    (tmp_path / "cover.png").write_bytes(b"\x89PNG")
    assert read_references(tmp_path).tracks == {}


HOSTILE = {
    "empty.lab": b"",
    "binary.lab": bytes(range(256)),
    "words.lab": b"this is not a segmentation\n",
    "nan.lab": b"0.0\tnan\tA\n",
    "negative.lab": b"-5.0\t10.0\tA\n",
    "backwards.lab": b"10.0\t5.0\tA\n",
    "overlap.lab": b"0.0\t30.0\tA\n10.0\t40.0\tB\n",
    "broken.jams": b'{"annotations": [',
    "list.jams": b"[]",
    "nothing.jams": b'{"annotations": []}',
    "beats.jams": b'{"annotations": [{"namespace": "beat", "data": []}]}',
    "bomb.svl": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
    "cut.svl": b"<sonic-visualiser><data>",
    "cut.TextGrid": b'File type = "ooTextFile"\nObject class = "TextGrid"\n',
    "b.section1.txt": b"no times at all\n",
}


def test_hostile_files_are_listed_and_stop_nothing(folder):
    root = folder({"good.lab": ABA, "zz/last.lab": AB})
    for name, content in HOSTILE.items():
        (root / name).write_bytes(content)
    (root / "gone.lab").symlink_to(root / "nowhere.lab")
    (root / "folder.lab").mkdir()
    (root / ".hidden.lab").write_bytes(b"no")
    references = read_references(root)
    assert list(references.tracks) == ["good", "last"]
    assert {problem.path.name for problem in references.problems} == {*HOSTILE, "gone.lab"}
    assert all(problem.reason for problem in references.problems)


def test_linked_folders_are_entered(folder, tmp_path_factory):
    root = folder({"a.lab": ABA})
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere / "b.lab", AB)
    (root / "link").symlink_to(elsewhere, target_is_directory=True)
    assert list(read_references(root).tracks) == ["a", "b"]


def test_folder_that_links_to_itself_is_read_once(folder):
    root = folder({"a.lab": ABA, "deep/b.lab": AB})
    (root / "deep" / "loop").symlink_to(root, target_is_directory=True)
    references = read_references(root)
    assert list(references.tracks) == ["a", "b"]
    assert references.notes == ()


@pytest.mark.corpus
@pytest.mark.slow
def test_corpus_folders_are_read_without_a_problem(shared):
    corpus = shared / "corpus"
    expected = {
        "pop909_dev/annotations": (60, 4),
        "pop909_dev/annotations_uniq": (60, 4),
        "pop909_train/annotations": (340, 4),
        "real_bach": (8, 1),
        "real_lyrics": (10, 1),
        "real_lyrics_nd": (2, 1),
        "real_sargon": (1, 1),
    }
    for name, (n_tracks, n_each) in expected.items():
        references = read_references(corpus / name)
        assert references.problems == ()
        assert len(references.tracks) == n_tracks
        assert {len(each) for each in references.tracks.values()} == {n_each}


@pytest.mark.corpus
def test_tracker_levels_are_pattern_and_section(shared):
    references = read_references(shared / "corpus" / "tracker")
    levels = {tuple(level for _, level in each) for each in names(references).values()}
    assert levels == {("pattern", "section")}


@pytest.mark.corpus
@pytest.mark.slow
def test_salami_as_published_has_no_file_that_is_not_accounted_for(shared, tmp_path):
    shutil.unpack_archive(shared / "corpus/salami_annotations.tar.gz", tmp_path, filter="data")
    references = read_references(tmp_path)
    n_files = len(list(tmp_path.rglob("parsed/*.txt")))
    n_read = sum(map(len, references.tracks.values()))
    assert n_read + len(references.problems) == n_files
    assert len(references.tracks) > 1300


# --- estimates ---------------------------------------------------------------------------------


def estimate(segmentation, system, level="1"):
    return Annotation(segmentation=segmentation, system=system, level=level)


def test_run_folder_holds_systems_each_with_its_default_level(tmp_path):
    answers = [estimate(ABA, "foote"), estimate(CD, "laplace", "2"), estimate(AB, "laplace", "1")]
    write_annotations(tmp_path / "run/tracks/a.jams", *answers)
    write_annotations(tmp_path / "run/tracks/b.jams", estimate(AB, "foote"))
    write_annotations(tmp_path / "run/references/a.jams", Annotation(segmentation=CD))
    (tmp_path / "run/failures.csv").write_text("track,stage,error\n")
    estimates = read_estimates(tmp_path / "run")
    assert estimates.systems == {"foote": {"a": ABA, "b": AB}, "laplace": {"a": CD}}
    assert (estimates.problems, estimates.notes) == ((), ())


def test_exports_of_a_run_are_of_its_systems(tmp_path):
    for track in ("a", "a.b"):
        answers = [estimate(ABA, "mine"), estimate(CD, "x:y")]
        write_annotations(tmp_path / f"run/tracks/{track}.jams", *answers)
    for stem, form in (("a", AB), ("a.x_y-1274e286", CD), ("a.b", ABA), ("by hand", CD)):
        path = tmp_path / f"run/exports/{stem}.lab"
        path.parent.mkdir(exist_ok=True)
        write(path, [Annotation(segmentation=form)])
    estimates = read_estimates(tmp_path / "run/exports")
    assert estimates.systems == {
        "mine": {"a": AB, "a.b": ABA},
        "x:y": {"a": CD},
        "exports": {"by hand": CD},
    }


def test_exports_of_a_run_of_one_system_are_told_apart_from_it_by_name(tmp_path):
    write_annotations(tmp_path / "run/tracks/a.jams", estimate(ABA, "foote"))
    (tmp_path / "run/exports").mkdir()
    write(tmp_path / "run/exports/a.lab", [Annotation(segmentation=AB)])
    assert read_estimates(tmp_path / "run/exports").systems == {"exports": {"a": AB}}


def test_run_in_which_all_failed_has_no_answers(folder):
    root = folder({"references/a.jams": AB})
    (root / "tracks").mkdir()
    (root / "run.json").write_text("{}")
    assert read_estimates(root).systems == {}


def test_folder_of_tracks_alone_is_not_a_run(folder):
    root = folder({"mine/tracks/a.lab": ABA, "mine/more/b.lab": AB}) / "mine"
    assert read_estimates(root).systems == {"mine": {"a": ABA, "b": AB}}


def test_plain_folder_is_a_system_of_its_own_name(folder):
    root = folder({"msaf/a.lab": ABA, "msaf/more/b.csv": AB})
    assert read_estimates(root / "msaf").systems == {"msaf": {"a": ABA, "b": AB}}


def test_current_folder_has_a_name_too(folder, monkeypatch):
    monkeypatch.chdir(folder({"msaf/a.lab": ABA}) / "msaf")
    assert list(read_estimates(".").systems) == ["msaf"]


def test_single_file_belongs_to_its_folder(folder):
    root = folder({"msaf/a.lab": ABA, "msaf/b.lab": AB})
    assert read_estimates(root / "msaf" / "b.lab").systems == {"msaf": {"b": AB}}


def test_first_level_of_a_family_of_files_counts(folder):
    root = folder({"x/a.phrase.lab": ABA, "x/a.section.lab": AB})
    estimates = read_estimates(root / "x")
    assert (estimates.systems, estimates.problems) == ({"x": {"a": ABA}}, ())


def test_all_levels_of_a_family_of_files_are_kept(folder):
    root = folder({"x/a.phrase.lab": ABA, "x/a.section.lab": AB, "x/b.phrase.lab": CD})
    (levels,) = read_estimates(root / "x").levels.values()
    assert {track: [each.level for each in given] for track, given in levels.items()} == {
        "a": ["phrase", "section"]
    }


def test_tiers_of_a_text_grid_are_levels_of_one_answer(tmp_path):
    tiers = [Annotation(segmentation=s, level=name) for s, name in ((ABA, "fine"), (AB, "coarse"))]
    write(tmp_path / "a.TextGrid", tiers)
    (levels,) = read_estimates(tmp_path).levels.values()
    assert [each.segmentation for each in levels["a"]] == [ABA, AB]


def test_annotators_of_a_family_of_files_are_systems_of_their_own(folder):
    root = folder({"x/a.section1.lab": ABA, "x/a.section2.lab": AB, "x/b.section1.lab": CD})
    assert read_estimates(root / "x").systems == {"x/1": {"a": ABA, "b": CD}, "x/2": {"a": AB}}


def test_second_answer_for_a_track_is_a_problem(folder):
    root = folder({"x/a.csv": ABA, "x/a.lab": AB})
    estimates = read_estimates(root / "x")
    assert estimates.systems == {"x": {"a": ABA}}
    assert "is already the estimate of x for a" in estimates.problems[0].reason


def test_annotators_who_share_a_file_are_systems_of_their_own(tmp_path):
    answers = [Annotation(segmentation=s, annotator=a) for s, a in ((ABA, "ann"), (AB, "bob"))]
    write_annotations(tmp_path / "x/a.jams", *answers)
    estimates = read_estimates(tmp_path / "x")
    assert estimates.systems == {"x/ann": {"a": ABA}, "x/bob": {"a": AB}}
    assert (estimates.levels, estimates.problems) == ({}, ())


def test_broken_estimate_is_listed_and_stops_nothing(folder):
    root = folder({"x/a.lab": ABA})
    (root / "x" / "b.jams").write_text("{")
    estimates = read_estimates(root / "x")
    assert estimates.systems == {"x": {"a": ABA}}
    assert [problem.path.name for problem in estimates.problems] == ["b.jams"]


def test_track_has_an_id_a_recording_and_references():
    track = Track(track_id="a", references=(Annotation(segmentation=ABA),))
    assert (track.track_id, track.audio_path, len(track.references)) == ("a", None, 1)


def test_no_reference_is_lost_between_files_and_tracks(folder):
    root = folder({f"{i}.lab": ABA for i in range(5)})
    read_back = chain.from_iterable(read_references(root).tracks.values())
    assert [each.segmentation for each in read_back] == [ABA] * 5

"""Scoring folders of estimates and references, matched by name or by a map, in groups."""

import csv
import json
import re

import pytest

from scatseg import freshness, scoring
from scatseg.evaluation import HIERARCHY, evaluate_hierarchy, reference_hierarchies
from scatseg.formats import Annotation, Jams, write, write_jams
from scatseg.runs import Failure, Note, read_failures, write_failures
from scatseg.score_tables import read_scores
from scatseg.scoring import score_folder
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.summaries import ALL_TRACKS
from scatseg.track_tables import read_groups, read_partners

COARSE = Segmentation([0, 20, 40], ["A", "B"])
FINE = Segmentation([0, 10, 20, 30, 40], list("abac"))


@pytest.fixture
def folders(tmp_path):
    """A folder of estimates, one of references by two annotators, and one to write into."""
    for name in ("estimates", "references"):
        (tmp_path / name).mkdir()
    for track in ("one", "two"):
        write(tmp_path / "estimates" / f"{track}.lab", [Annotation(segmentation=FINE)])
        for annotator in "12":
            path = tmp_path / "references" / f"{track}.section{annotator}.lab"
            write(path, [Annotation(segmentation=COARSE)])
    return tmp_path / "estimates", tmp_path / "references", tmp_path / "out"


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_is_written_in_every_form(folders):
    estimates, references, out = folders
    outcome = score_folder([estimates], [references], out)
    assert outcome.n_tracks == 2
    written = {path.name for path in out.iterdir()}
    assert written >= {
        "scores.csv", "summary.csv", "summary.json", "summary.md", "summary.tex", "comparisons.csv"
    }  # fmt: skip


def test_results_do_not_depend_on_the_number_of_processes(folders, tmp_path, monkeypatch):
    estimates, references, out = folders
    score_folder([estimates], [references], out)
    monkeypatch.setattr(scoring, "_FEW_TRACKS", 0)
    score_folder([estimates], [references], tmp_path / "two", n_jobs=2)
    for path in out.glob("*.*"):
        assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes()


def test_few_tracks_are_scored_without_workers(folders, monkeypatch):
    def in_one_process(function, items, *, n_jobs):
        assert n_jobs == 1
        return map(function, items)

    estimates, references, out = folders
    monkeypatch.setattr(scoring, "map_pure", in_one_process)
    assert score_folder([estimates], [references], out, n_jobs=2).n_tracks == 2


@pytest.mark.parametrize("place", ["estimates", "references/out", "out"])
def test_evaluating_again_into_any_folder_changes_nothing(folders, tmp_path, place):
    estimates, references, _ = folders
    out = tmp_path / place
    score_folder([estimates], [references], out)
    before = (out / "scores.csv").read_bytes()
    score_folder([estimates], [references], out)
    assert (out / "scores.csv").read_bytes() == before


def test_references_and_scores_of_tracks_that_are_gone_are_removed(folders):
    estimates, references, out = folders
    score_folder([estimates], [references], out)
    (estimates / "one.lab").unlink()
    score_folder([estimates], [references], out)
    assert [path.name for path in (out / "references").iterdir()] == ["two.jams"]
    (estimates / "two.lab").rename(estimates / "other.lab")
    score_folder([estimates], [references], out)
    assert not (out / "scores.csv").exists()


def test_references_in_the_folder_of_the_scores_stay(folders):
    estimates, references, out = folders
    score_folder([estimates], [references], out)
    (out / "tracks").mkdir()
    write(out / "tracks" / "two.jams", [Annotation(segmentation=FINE, system="x")])
    score_folder([out], [out], out)
    assert {path.name for path in (out / "references").iterdir()} == {"one.jams", "two.jams"}


def test_answer_that_cannot_be_compared_hinders_no_other_system(folders, tmp_path):
    estimates, references, out = folders
    late = tmp_path / "late"
    late.mkdir()
    write(late / "one.lab", [Annotation(segmentation=Segmentation([50, 60], "A"))])
    write(late / "two.lab", [Annotation(segmentation=FINE)])
    outcome = score_folder([estimates, late], [references], out)
    scored = {(s.system, s.track) for s in read_scores(out / "scores.csv") if s.system[0] in "el"}
    assert scored == {("estimates", "one"), ("estimates", "two"), ("late", "two")}
    assert [failure.error.split(": ")[0] for failure in outcome.failures] == [
        f"late against annotator '{annotator}', level 'section'" for annotator in "12"
    ]


def test_scores_are_outdated_once_a_scored_track_changes(folders):
    _, references, out = folders
    (out / "tracks").mkdir(parents=True)
    before, after = (
        Jams(annotations=(Annotation(segmentation=form, system="x", level="1"),), duration=40)
        for form in (FINE, COARSE)
    )
    for name in ("one", "two"):
        write_jams(out / "tracks" / f"{name}.jams", before)
    score_folder([out], [references], out)
    clean = (out / "summary.md").read_text()
    told = "1 of 2 scored tracks changed or gone since the evaluation"
    for jams in (before, after, before):
        write_jams(out / "tracks" / "one.jams", jams)
        for _ in range(2):
            freshness.mark_outdated(out)
        marked = (out / "summary.md").read_text()
        assert freshness.outdated(out).startswith(told) == (jams is after)
        assert marked.startswith(f"**Outdated:** {told}") == (jams is after)
        assert marked.endswith(clean)
        assert (marked == clean) == (jams is before)
        assert (out / "scores-outdated.txt").exists() == (jams is after)
    write_jams(out / "tracks" / "one.jams", after)
    freshness.mark_outdated(out)
    note = (out / "scores-outdated.txt").read_text().splitlines()
    assert (note[0].startswith(told), note[-1]) == (True, "one")
    score_folder([out], [references], out)
    assert freshness.outdated(out) == ""
    assert not (out / "scores-outdated.txt").exists()
    assert "Outdated" not in (out / "summary.md").read_text()


def test_scores_of_estimates_elsewhere_do_not_become_outdated(folders):
    estimates, references, out = folders
    score_folder([estimates], [references], out)
    assert freshness.scored_fingerprints(out) == {}


@pytest.mark.parametrize("which", ["estimates", "references"])
def test_a_file_that_cannot_be_read_is_not_reported_as_missing(folders, which):
    estimates, references, out = folders
    for path in (estimates if which == "estimates" else references).glob("one*"):
        path.write_text("0\t10\tA\n10\tno time\tB\n")
    outcome = score_folder([estimates], [references], out)
    assert {failure.track for failure in outcome.failures} == {"one"}
    assert outcome.notes == ()


def test_a_map_may_name_a_reference_that_cannot_be_read(folders):
    estimates, references, out = folders
    (estimates / "one.lab").rename(estimates / "Song No. 1.lab")
    for path in references.glob("one*"):
        path.write_text("0\t10\tA\n10\tno time\tB\n")
    outcome = score_folder([estimates], [references], out, partners={"Song No. 1": "one"})
    assert (outcome.n_tracks, outcome.notes) == (1, ())


# --- odd names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["{}.mp3.lab", "{}_foote.lab"])
def test_systems_that_name_files_differently_are_compared_track_by_track(folders, tmp_path, names):
    estimates, references, out = folders
    (tmp_path / "foote").mkdir()
    for track in ("one", "two"):
        path = tmp_path / "foote" / names.format(track)
        write(path, [Annotation(segmentation=COARSE)])
    outcome = score_folder([estimates, tmp_path / "foote"], [references], out)
    found = {(each.system, each.other): each.n for each in outcome.results.comparisons}
    assert found["estimates", "foote"] == 2
    assert [(note.kind, note.track) for note in outcome.notes] == [("name", "one"), ("name", "two")]


def test_systems_in_sub_folders_of_one_are_called_that(folders, tmp_path):
    _, references, out = folders
    for system, form in (("foote", COARSE), ("mine", FINE)):
        folder = tmp_path / "both" / system
        folder.mkdir(parents=True)
        write(folder / "one.lab", [Annotation(segmentation=form)])
    notes = score_folder([tmp_path / "both"], [references], out).notes
    told = {note.track: note.message for note in notes if note.kind == "no reference"}
    assert told.keys() == {"foote__one", "mine__one"}
    assert all("give them one by one" in message for message in told.values())


def test_an_empty_folder_of_estimates_is_called_that(folders, tmp_path):
    estimates, references, out = folders
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = score_folder([estimates, empty], [references], out)
    assert outcome.notes == (Note("estimates", "", str(empty), "no segmentation in it"),)


def test_renders_of_one_song_are_tracks_of_their_own(folders, tmp_path):
    estimates, references, out = folders
    (tmp_path / "renders").mkdir()
    for name in ("one_band", "one_piano"):
        write(tmp_path / "renders" / f"{name}.lab", [Annotation(segmentation=COARSE)])
    score_folder([estimates, tmp_path / "renders"], [references], out)
    tracks = {score.track for score in read_scores(out / "scores.csv")}
    assert tracks == {"one", "one_band", "one_piano", "two"}


def test_map_brings_odd_names_together(folders):
    estimates, references, out = folders
    (estimates / "one.lab").rename(estimates / "Song No. 1.lab")
    outcome = score_folder([estimates], [references], out, partners={"Song No. 1": "one"})
    assert {score.track for score in read_scores(out / "scores.csv")} == {"Song No. 1", "two"}
    assert outcome.notes == ()


def test_map_goes_before_the_names(folders):
    estimates, references, out = folders
    for annotator in "12":
        path = references / f"two.section{annotator}.lab"
        write(path, [Annotation(segmentation=FINE)])
    score_folder([estimates], [references], out, partners={"one": "two"})
    values = {
        score.track: score.value
        for score in read_scores(out / "scores.csv")
        if (score.system, score.metric) == ("estimates", "Reference segments")
    }
    assert values == {"one": 4, "two": 4}


def test_name_in_the_map_that_nobody_answered_is_noted(folders):
    estimates, references, out = folders
    outcome = score_folder([estimates], [references], out, partners={"three": "two"})
    assert outcome.notes == (
        Note("map", "three", "", "is in the map, but no estimate has that id"),
    )


def test_reference_in_the_map_that_is_not_there_is_refused(folders):
    estimates, references, out = folders
    with pytest.raises(ValueError, match="the map names 'tow', but no reference has that id"):
        score_folder([estimates], [references], out, partners={"one": "tow"})


def test_a_track_in_a_folder_whose_name_has_one_reference_is_told_to_use_folders(folders):
    estimates, references, out = folders
    (estimates / "live").mkdir()
    write(estimates / "live" / "one.lab", [Annotation(segmentation=COARSE)])
    (note,) = score_folder([estimates], [references], out).notes
    assert (note.kind, note.track) == ("no reference", "live__one")
    assert "put references in folders as the recordings are" in note.message


def test_what_has_no_partner_and_other_lengths_are_noted(folders):
    estimates, references, out = folders
    (estimates / "one.lab").rename(estimates / "other.lab")
    longer = Segmentation([0, 20, 41.5], "AB")
    write(estimates / "two.lab", [Annotation(segmentation=longer)])
    outcome = score_folder([estimates], [references], out)
    apart = (
        "estimates ends at 41.5 s, annotator {} at 40.0 s: cropped; are they of the same recording?"
    )
    assert outcome.notes == (
        Note("no reference", "other", "", "is an estimate without a reference"),
        Note("no estimate", "one", "", "is a reference without an estimate"),
        *(Note("duration", "two", "", apart.format(annotator)) for annotator in "12"),
    )


def test_every_note_is_written_and_counted(folders):
    estimates, references, out = folders
    for i in range(7):
        write(estimates / f"stranger{i}.lab", [Annotation(segmentation=FINE)])
    (estimates / "one.lab").write_text("0,0\t20\tA\n20\t40\t\n")
    outcome = score_folder([estimates], [references], out)
    with (out / "notes.csv").open(newline="") as file:
        assert tuple(Note(**row) for row in csv.DictReader(file)) == outcome.notes
    assert [note.track for note in outcome.notes if note.kind == "no reference"] == [
        f"stranger{i}" for i in range(7)
    ]
    repair = "line 1: decimal comma read as a point, here and below"
    assert Note("repair", "one", str(estimates / "one.lab"), repair) in outcome.notes
    counts = json.loads((out / "summary.json").read_text())["notes"]
    assert counts == {"repair": 1, "no reference": 7}


def test_notes_say_why_nothing_was_scored(folders):
    estimates, references, out = folders
    for name in ("one", "two"):
        (estimates / f"{name}.lab").rename(estimates / f"{name}th.lab")
    score_folder([estimates], [references], out)
    assert "no reference,oneth,,is an estimate" in (out / "notes.csv").read_text()


def test_failures_of_the_segmentation_stay_and_those_of_an_earlier_evaluation_go(folders):
    estimates, references, out = folders
    out.mkdir()
    kept = Failure("three", "read", "no music")
    write_failures(out, [kept, Failure("one", "evaluate", "mended since")])
    (references / "two.section3.lab").write_text("soon\t20\tA\n")
    score_folder([estimates], [references], out)
    refused, listed = read_failures(out)[-1], read_failures(out)
    assert (refused.track, refused.stage) == ("two", "evaluate")
    assert listed == [kept, refused]


def test_a_track_that_cannot_be_scored_fails_alone(folders):
    estimates, references, out = folders
    write(references / "two.jams", [Annotation(segmentation=COARSE, level=HIERARCHY)])
    outcome = score_folder([estimates], [references], out)
    assert outcome.n_tracks == 1
    (failure,) = outcome.failures
    assert (failure.track, failure.stage) == ("two", "evaluate")
    assert failure.error == f"{HIERARCHY!r} means all levels at once; rename that level"


def test_damaged_run_json_is_found_before_anything_is_scored(folders):
    estimates, references, out = folders
    out.mkdir()
    (out / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json is not JSON"):
        score_folder([estimates], [references], out)
    assert [path.name for path in out.iterdir()] == ["run.json"]


@pytest.mark.parametrize("name", ["scores.csv", "failures.csv"])
def test_damaged_tables_of_an_earlier_run_are_named_before_anything_is_scored(folders, name):
    estimates, references, out = folders
    score_folder([estimates], [references], out)
    before = (out / "summary.csv").read_bytes()
    table(out / name, f'track,stage,error\na,"{"b" * 2**18}')
    match = rf"{re.escape(name)}, line 2: field larger .* is a quote not closed\?"
    with pytest.raises(ValueError, match=match):
        score_folder([estimates], [references], out)
    assert (out / "summary.csv").read_bytes() == before


def test_a_run_in_place_of_its_references_is_refused(folders, tmp_path):
    estimates, references, _ = folders
    write(references / "one.section2.lab", [Annotation(segmentation=Segmentation([0, 40], ["A"]))])
    run = tmp_path / "run"
    (run / "tracks").mkdir(parents=True)
    for track in ("one", "two"):
        write(run / "tracks" / f"{track}.jams", [Annotation(segmentation=FINE, system="x")])
    with pytest.raises(FileNotFoundError, match=r"not evaluated.*give it before its references"):
        score_folder([references], [run], run)
    assert score_folder([run], [references], run).n_tracks == 2
    before = (run / "scores.csv").read_bytes()
    with pytest.raises(ValueError, match=r"to be swapped: .*run is a run, .*give the run first"):
        score_folder([references], [run], run)
    assert (run / "scores.csv").read_bytes() == before
    assert score_folder([estimates], [run], tmp_path / "other").n_tracks == 2


def test_map_is_read_with_spaces_blank_lines_and_further_columns(tmp_path):
    text = '\ufeffestimate,by,reference\n a ,x, b \n\n"c, d",y,e\n'
    assert read_partners(table(tmp_path / "map.csv", text)) == {"a": "b", "c, d": "e"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("estimate\na\n", "line 1: expected a column 'reference', got 'estimate'"),
        ("", "line 1: expected a column 'estimate', got ''"),
        ("sep=;\nestimate\na\n", "line 2: expected a column 'reference', got 'estimate'"),
        ("sep=;\nestimate;reference\na\n", "line 3: expected 2 fields, got 1"),
        ("estimate,reference\na\n", "line 2: expected 2 fields, got 1"),
        ("estimate,reference\na,b\nc,\n", "line 3: expected an estimate and a reference"),
        ("estimate,reference\na,b\na,c\n", "line 3: 'a' is already paired with 'b'"),
        ("estimate,reference,reference\na,b,c\n", "line 1: two columns are called 'reference'"),
        (f'estimate,reference\na,"b\n{"c" * 2**18}', "line 2: field larger .* quote not closed"),
        ('estimate,reference\na,b\nc,"d\ne,f\n', "line 3: unexpected end .* quote not closed"),
    ],
)
def test_broken_map_is_refused_with_its_line(tmp_path, text, reason):
    with pytest.raises(ValueError, match=rf"map\.csv, {reason}"):
        read_partners(table(tmp_path / "map.csv", text))


@pytest.mark.parametrize(
    "data",
    [
        "estimate;reference;;\r\ncaf\u00e9;a;;\r\n;;;\r\n".encode("cp1252"),
        "estimate\treference\r\ncaf\u00e9\ta\r\n".encode("utf-16"),
        "\ufeffsep=;\r\nestimate;reference\r\ncaf\u00e9;a\r\n".encode(),
        "sep=\t\r\nestimate\treference\r\ncaf\u00e9\ta\r\n".encode("cp1252"),
        b"\xef\xbb\xbfestimate,reference\r\ncaf\xc3\xa9,a,,\r\n",
    ],
)
def test_map_is_read_as_spreadsheets_write_it(tmp_path, data):
    (tmp_path / "map.csv").write_bytes(data)
    assert read_partners(tmp_path / "map.csv") == {"caf\u00e9": "a"}


# --- groups ------------------------------------------------------------------------------------


def test_tracks_are_summarized_by_a_column_of_the_metadata(folders, tmp_path):
    estimates, references, out = folders
    metadata = table(tmp_path / "meta.csv", "id,genre\none,jazz\ntwo,rock\n")
    outcome = score_folder([estimates], [references], out, metadata=metadata, group_by="genre")
    rows = json.loads((out / "summary.json").read_text())
    assert {row["group"] for row in rows["rows"]} == {ALL_TRACKS, "jazz", "rock"}
    assert rows["group_by"] == "genre"
    assert outcome.notes == ()


def test_group_is_found_by_the_reference_in_the_map(folders, tmp_path):
    estimates, references, out = folders
    (estimates / "one.lab").rename(estimates / "Song No. 1.lab")
    metadata = table(tmp_path / "meta.csv", "id,genre\none,jazz\ntwo,rock\n")
    outcome = score_folder(
        [estimates], [references], out,
        partners={"Song No. 1": "one"}, metadata=metadata, group_by="genre",
    )  # fmt: skip
    assert outcome.notes == ()


def test_track_without_a_group_is_noted(folders, tmp_path):
    estimates, references, out = folders
    metadata = table(tmp_path / "meta.csv", "id,genre\none,jazz\ntwo,\n")
    outcome = score_folder([estimates], [references], out, metadata=metadata, group_by="genre")
    assert outcome.notes == (Note("group", "two", "", "has no group in the metadata"),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id,genre\none,jazz\n", "line 1: expected a column 'render', got 'id, genre'"),
        ("id,render\na,all tracks\n", "line 2: 'all tracks' names the group of every track"),
        ("id,render\na,x\na,y\n", "line 3: 'a' already has the render 'x'; keep one"),
    ],
)
def test_metadata_that_cannot_be_used_are_refused(tmp_path, text, reason):
    with pytest.raises(ValueError, match=rf"meta\.csv, {reason}"):
        read_groups(table(tmp_path / "meta.csv", text), "render")


# --- several levels ----------------------------------------------------------------------------


@pytest.fixture
def deep(tmp_path):
    """A run of a system with two levels, and references with two levels."""
    run, references = tmp_path / "run", tmp_path / "references"
    (run / "tracks").mkdir(parents=True)
    references.mkdir()
    levels = ((FINE, "fine"), (COARSE, "coarse"))
    estimates = tuple(Annotation(segmentation=s, system="deep", level=name) for s, name in levels)
    write_jams(run / "tracks" / "song.jams", Jams(annotations=estimates, duration=40.0))
    known = tuple(Annotation(segmentation=s, annotator="ann", level=name) for s, name in levels)
    write_jams(references / "song.jams", Jams(annotations=known, duration=40.0))
    return run, references


def test_answers_of_several_levels_are_scored_as_hierarchies(deep, tmp_path):
    run, references = deep
    outcome = score_folder([run], [references], tmp_path / "out")
    scores = [
        score for score in read_scores(tmp_path / "out" / "scores.csv") if score.system == "deep"
    ]
    whole = {score.metric: score.value for score in scores if score.level == HIERARCHY}
    form = Hierarchy([COARSE, FINE])
    assert whole == evaluate_hierarchy(form, form)
    flat = {s.level: s.value for s in scores if s.metric == "Estimated segments"}
    assert flat == {"fine": 4, "coarse": 2}
    assert (outcome.failures, outcome.notes) == ((), ())


def test_levels_in_a_folder_of_files_of_any_tool_are_found_too(deep, tmp_path):
    run, references = deep
    score_folder([run / "tracks"], [references], tmp_path / "out")
    assert HIERARCHY in {score.level for score in read_scores(tmp_path / "out" / "scores.csv")}


def test_scored_run_in_a_folder_of_runs_is_its_tracks_only(deep, tmp_path):
    run, references = deep
    parent = tmp_path / "runs"
    parent.mkdir()
    run = run.rename(parent / "run")
    score_folder([parent], [references], tmp_path / "out")
    before = (tmp_path / "out" / "scores.csv").read_bytes()
    score_folder([run], [references], run)
    score_folder([parent], [references], tmp_path / "out")
    assert (tmp_path / "out" / "scores.csv").read_bytes() == before


def test_levels_of_a_family_of_files_are_scored_by_name_and_as_a_hierarchy(deep, tmp_path):
    _, references = deep
    estimates = tmp_path / "tool"
    estimates.mkdir()
    for name, form in (("fine", FINE), ("coarse", COARSE)):
        write(estimates / f"song.{name}1.lab", [Annotation(segmentation=form)])
    score_folder([estimates], [references], tmp_path / "out")
    scores = [s for s in read_scores(tmp_path / "out" / "scores.csv") if s.system == "tool"]
    assert {s.value for s in scores if s.metric == "F-measure@0.5"} == {1}
    assert {s.value for s in scores if s.level == HIERARCHY} == {1}


def test_levels_of_a_system_that_end_at_different_times_are_noted(deep, tmp_path):
    run, references = deep
    forms = (FINE, Segmentation([0, 20, 39], "AB"))
    estimates = tuple(
        Annotation(segmentation=form, system="deep", level=str(i)) for i, form in enumerate(forms)
    )
    write_jams(run / "tracks" / "song.jams", Jams(annotations=estimates, duration=40.0))
    outcome = score_folder([run], [references], tmp_path / "out")
    message = (
        "the levels of deep end at 39.00 to 40.00 s; as a hierarchy, all are extended to the latest"
    )
    assert outcome.notes == (Note("levels", "song", "", message),)
    assert HIERARCHY in {score.level for score in read_scores(tmp_path / "out" / "scores.csv")}


def test_levels_that_end_at_different_times_are_noted(deep, tmp_path):
    run, references = deep
    known = (
        Annotation(segmentation=COARSE, annotator="ann", level="coarse"),
        Annotation(segmentation=Segmentation([0, 10, 39.5], "ab"), annotator="ann", level="fine"),
    )
    assert list(reference_hierarchies(known)) == ["ann"]
    write_jams(references / "song.jams", Jams(annotations=known, duration=40.0))
    outcome = score_folder([run], [references], tmp_path / "out")
    levels = "the levels of annotator ann end at 39.50 to 40.00 s"
    assert outcome.notes == (
        Note("levels", "song", "", f"{levels}; as a hierarchy, all are extended to the latest"),
    )

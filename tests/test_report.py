"""Report pages show the content of a run folder, and nothing else."""

import contextlib
import csv
import errno
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from scatseg import report
from scatseg.audio import save
from scatseg.evaluation import Score, score_collection
from scatseg.formats import Annotation, Jams, read_jams, write_jams
from scatseg.freshness import fingerprint
from scatseg.plotting import FontWarning, similarity_colors
from scatseg.report import build
from scatseg.report.contents import Run, Track
from scatseg.report.pages import PAGES, asset, index_data, page_html, thinned
from scatseg.report.png import palette_png, png_size
from scatseg.report.score_figures import draw_scores
from scatseg.report.sound import relative_url
from scatseg.score_tables import scores_csv, summary_csv, summary_json
from scatseg.segmentation import Segmentation
from scatseg.summaries import assess, summarize
from scatseg.writing import replaced

SCRIPT = "</script><script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
ODD_ID = "50% #1 naïve?"

FOOTE = Segmentation([0, 1, 2, 3], ["A", "B", "A"])
EVEN = Segmentation([0, 1.5, 3], ["A", "B"])
VERSE = Segmentation([0, 1, 2, 3], ["verse", IMAGE, "verse"])
HALF = Segmentation([0, 2, 3], ["verse", "solo"])


REFERENCES = (
    Annotation(segmentation=VERSE, annotator="ann"),
    Annotation(segmentation=HALF, annotator="bob"),
)


@pytest.fixture(scope="module")
def score_files():
    """Names and contents of the files that an evaluation writes."""
    tracks = ("first", ODD_ID)
    estimates = {"foote": dict.fromkeys(tracks, FOOTE), "even": dict.fromkeys(tracks, EVEN)}
    scores = score_collection(dict.fromkeys(tracks, REFERENCES), estimates)
    groups = {"first": "piano", ODD_ID: "band"}
    results = assess(scores, groups=groups, group_by="render")
    return {
        "scores.csv": scores_csv(scores),
        "summary.csv": summary_csv(results.summaries),
        "summary.json": summary_json(results),
    }


@pytest.fixture
def sources(tmp_path):
    """A folder with one recording that browsers can play, and one that they cannot."""
    folder = tmp_path / "music"
    folder.mkdir()
    y = np.sin(np.arange(3 * 8000) / 8).astype(np.float32) / 2
    save(folder / "song.wav", y, 8000)
    soundfile.write(folder / "old.aiff", y, 8000)
    return folder


@pytest.fixture
def run(tmp_path, sources, score_files):
    """A run of two systems with two annotators: two tracks, and one that failed."""
    folder = tmp_path / "run"
    estimates = (
        Annotation(segmentation=FOOTE, system="foote", level="section"),
        Annotation(segmentation=EVEN, system="even", level="section"),
    )
    write_track(folder, "first", estimates, title=SCRIPT, audio=sources / "song.wav")
    write_track(folder, ODD_ID, estimates, title="", audio=sources / "gone.mp3")
    for track_id in ("first", ODD_ID):
        write_reference(folder, track_id, REFERENCES)
    write_arrays(folder, "first")
    for name, text in score_files.items():
        (folder / name).write_text(text, encoding="utf-8")
    facts = {
        "versions": {"scatseg": "0.1.0"},
        "options": {"features": "mfcc", "segmenter": {"half_width": 12.0}},
        "host": {"node": "secret-host"},
        "started": "1999-12-31T23:59:59",
    }
    places = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**facts, **places}))
    write_failures(folder, [("broken", "decode", f"not audio {IMAGE}")])
    return folder


def write_track(folder, track_id, estimates, *, title="", audio=None, warnings=()):
    (folder / "tracks").mkdir(parents=True, exist_ok=True)
    run_json = folder / "run.json"
    run_facts = json.loads(run_json.read_text()) if run_json.exists() else {}
    if audio:
        run_facts["audio"] = {**run_facts.get("audio", {}), track_id: str(audio)}
        run_json.write_text(json.dumps(run_facts))
    facts = {"warnings": list(warnings)}
    jams = Jams(annotations=tuple(estimates), duration=3.0, title=title, sandbox={"scatseg": facts})
    write_jams(folder / "tracks" / f"{track_id}.jams", jams)


def write_reference(folder, track_id, references):
    (folder / "references").mkdir(exist_ok=True)
    jams = Jams(annotations=tuple(references), duration=3.0)
    write_jams(folder / "references" / f"{track_id}.jams", jams)


def write_arrays(folder, track_id):
    (folder / "arrays").mkdir(exist_ok=True)
    edges = np.linspace(0, 3, 7)
    np.savez(
        folder / "arrays" / f"{track_id}.npz",
        S=np.eye(6, dtype=np.uint8) * 255,
        S_edges=edges,
        waveform=np.array([[-127, -3], [127, 5]], dtype=np.int8),
        novelty_foote=np.array([0, 0, 4, 0, 2, 0, 0], dtype=np.float32),
        novelty_edges_foote=edges,
    )


def write_failures(folder, rows):
    with (folder / "failures.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("track", "stage", "error"), *rows])


def data_of(page):
    """Read the data of a page as the browser does."""
    html = page.read_text(encoding="utf-8")
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(text)


def page_data(run, track_id="first"):
    return data_of(run / "pages" / f"{track_id}.html")


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ---- the index ----------------------------------------------------------------------------


def test_build_returns_the_index(run):
    assert build(run, figures=False) == run / "index.html"


def test_index_leads_to_every_track(run):
    rows = data_of(build(run, figures=False))["tracks"]
    pages = [run / unquote(row["url"]) for row in rows]
    assert [page.stem for page in pages] == sorted([ODD_ID, "first"])
    assert all(page.is_file() for page in pages)


@pytest.mark.parametrize(
    ("levels", "headings"),
    [
        (["1"], ["Scores"]),
        (["section"], ["Scores, level section"]),
        (["1", "phrase"], ["Scores, level without a name", "Scores, level phrase"]),
        (["1", "2"], ["Scores, level 1", "Scores, level 2"]),
        (["1", "hierarchy"], ["Scores", "Scores, all levels at once"]),
    ],
)
def test_scores_are_headed_by_levels_that_have_a_name(levels, headings):
    scores = [Score("t", "ann", level, "foote", "V-measure", 1.0) for level in levels]
    data = index_data(Run(folder=Path("run"), summary=tuple(summarize(scores))))
    assert [level["title"] for level in data["summary"]] == headings


def test_index_lists_failures(run):
    failures = data_of(build(run, figures=False))["failures"]
    assert failures == [["broken", "decode", f"not audio {IMAGE}"]]


def test_index_says_what_was_run_but_not_where_or_when(run):
    index = build(run, figures=False)
    data = data_of(index)
    assert data["options"] == [["features", "mfcc"], ["segmenter.half_width", "12.0"]]
    assert data["versions"] == [["scatseg", "0.1.0"]]
    assert not re.search("secret-host|1999-12-31", index.read_text())


def test_index_shows_means_over_annotators_with_the_best_marked(run):
    (level,) = data_of(build(run, figures=False))["summary"]
    column = level["columns"].index("F-measure@0.5")
    cells = {row["system"]: row["cells"][column] for row in level["rows"] if not row["annotator"]}
    # Against ann (1, 2): foote finds both, even finds 1.5 twice at 0.5 s, one match: P 1, R 1/2.
    # Against bob (2): foote has P 1/2, R 1; even P 1, R 1.
    assert cells["foote"]["mean"] == pytest.approx((1 + 2 / 3) / 2)
    assert cells["even"]["mean"] == pytest.approx((2 / 3 + 1) / 2)
    assert cells["no boundary"]["mean"] == 0
    assert not cells["other annotators"]["best"]
    assert cells["foote"]["best"]


def test_baseline_that_equals_the_best_system_is_not_the_best_system():
    names = ("foote", "even", "baseline:none")
    rows = summarize([Score("t", "1", "1", name, "V-measure", 0.0) for name in names])
    run = Run(folder=Path("run"), summary=tuple(rows), baselines=frozenset(names[2:]))
    (level,) = index_data(run)["summary"]
    assert [row["cells"][0]["best"] for row in level["rows"]] == [True, True, False]


def test_no_system_is_the_best_where_they_scored_different_tracks():
    scores = [Score("a", "1", "1", name, "V-measure", 0.5) for name in ("foote", "even")]
    scores.append(Score("b", "1", "1", "foote", "V-measure", 0.9))
    (level,) = index_data(Run(folder=Path("run"), summary=tuple(summarize(scores))))["summary"]
    assert [row["cells"][0]["best"] for row in level["rows"]] == [False, False]


def test_systems_that_print_alike_are_both_the_best():
    values = {"foote": 0.50001, "even": 0.50002, "laplacian": 0.4}
    scores = [Score("a", "1", "1", name, "V-measure", value) for name, value in values.items()]
    (level,) = index_data(Run(folder=Path("run"), summary=tuple(summarize(scores))))["summary"]
    assert [row["cells"][0]["best"] for row in level["rows"]] == [True, True, False]


def test_segments_of_the_references_are_those_of_all_tracks():
    scores = [Score("a", "1", "1", "foote", "Reference segments", 2.0)]
    scores += [
        Score(track, "1", "1", "baseline:none", "Reference segments", count)
        for track, count in (("a", 2.0), ("b", 6.0))
    ]
    (level,) = index_data(Run(folder=Path("run"), summary=tuple(summarize(scores))))["summary"]
    assert level["segments"] == 4.0


@pytest.mark.parametrize(("n_tracks", "warned"), [(1, False), (14, True), (15, False)])
def test_intervals_of_few_tracks_are_called_too_narrow(n_tracks, warned):
    scores = [Score(str(i), "1", "1", "foote", "V-measure", i / 20) for i in range(n_tracks)]
    (level,) = index_data(Run(folder=Path("run"), summary=tuple(summarize(scores))))["summary"]
    assert ("under 15 tracks are too narrow" in level["note"]) is warned


def test_index_tells_baselines_from_systems(run):
    (level,) = data_of(build(run, figures=False))["summary"]
    kinds = {row["system"]: row["kind"] for row in level["rows"]}
    assert kinds == {
        "foote": "system",
        "even": "system",
        "no boundary": "baseline",
        "evenly spaced": "baseline",
        "random": "baseline",
        "other annotators": "ceiling",
    }


def test_index_shows_the_interval_and_the_median_of_each_mean():
    scores = [Score(str(i), "1", "section", "foote", "V-measure", i**2 / 99) for i in range(9)]
    (summary,) = summarize(scores)
    (level,) = index_data(Run(folder=Path("run"), summary=(summary,)))["summary"]
    (cell,) = level["rows"][0]["cells"]
    shown = [cell[key] for key in ("low", "median", "mean", "high")]
    expected = [summary.low, summary.median, summary.mean, summary.high]
    assert len(set(expected)) == 4
    assert shown == pytest.approx(expected, abs=1e-6)


def test_index_tells_groups_and_annotators_from_all_tracks(run):
    data = data_of(build(run, figures=False))
    rows = [row for row in data["summary"][0]["rows"] if row["system"] == "foote"]
    assert [(row["group"], row["annotator"], row["tracks"]) for row in rows] == [
        ("", "", 2),
        ("", "best of annotators", 2),
        ("", "ann", 2),
        ("", "bob", 2),
        ("band", "", 1),
        ("piano", "", 1),
    ]
    assert data["groupBy"] == "render"


def test_index_compares_systems_with_each_other_and_with_baselines(run):
    (level,) = data_of(build(run, figures=False))["summary"]
    found = [each for each in level["comparisons"] if each["metric"] == "F-measure@0.5"]
    assert [(each["system"], each["other"], each["baseline"]) for each in found] == [
        ("foote", "even", False),
        ("foote", "no boundary", True),
        ("foote", "evenly spaced", True),
        ("foote", "random", True),
        ("even", "no boundary", True),
        ("even", "evenly spaced", True),
        ("even", "random", True),
    ]
    assert found[1]["outcomes"] == [2, 0, 0]


def test_scores_of_an_older_version_ask_for_a_new_evaluation(run):
    (run / "summary.json").write_text('{"rows": [{"system": "foote"}]}')
    with pytest.raises(
        ValueError, match=r"summary\.json has no 'group': `scatseg evaluate` writes"
    ):
        build(run, figures=False)


def test_figures_of_the_scores_are_drawn_and_shown_on_request_only(run):
    assert data_of(build(run, figures=False))["figures"] == []
    figures = data_of(build(run))["figures"]
    assert [figure["title"] for figure in figures] == [
        "Scores",
        "Average ranks",
        "F-measure@0.5 of each track",
        "F-measure@3.0 of each track",
    ]
    assert all((run / figure[kind]).is_file() for figure in figures for kind in ("png", "svg"))
    sizes = [imread(run / figure["png"]).shape[:2] for figure in figures]
    assert [(figure["height"], figure["width"]) for figure in figures] == sizes


def test_figure_of_scores_that_are_gone_is_removed(run):
    (run / "figures" / "scores").mkdir(parents=True)
    (run / "figures" / "scores" / "9-old-systems.png").touch()
    draw_scores(run)
    assert not (run / "figures" / "scores" / "9-old-systems.png").exists()


def test_figures_use_the_seed_of_the_tables(tmp_path):
    scores = [Score(f"t{i}", "1", "x", "foote", "F-measure@0.5", i**0.5 / 4) for i in range(16)]
    pixels = []
    for seed in (0, 0, 1):
        (tmp_path / "scores.csv").write_text(scores_csv(scores))
        (tmp_path / "summary.json").write_text(summary_json(assess(scores, seed=seed)))
        pixels.append(draw_scores(tmp_path)[0].svg.read_bytes())
    assert pixels[0] == pixels[1] != pixels[2]


def test_names_of_levels_cannot_leave_the_folder_of_the_figures(tmp_path):
    level = "../../" + SCRIPT
    scores = [
        Score(f"t{i}", "1", level, name, "V-measure", i / 3) for i in range(3) for name in "xy"
    ]
    (tmp_path / "scores.csv").write_text(scores_csv(scores))
    drawn = draw_scores(tmp_path)
    assert {figure.png.parent for figure in drawn} <= {tmp_path / "figures" / "scores"}
    assert [path.name for path in tmp_path.glob("*")] == sorted(["figures", "scores.csv"])


def test_tracks_carry_the_scores_of_the_first_system(run):
    data = data_of(build(run, figures=False))
    assert data["default"] == "foote"
    column = data["columns"].index("F-measure@0.5")
    assert data["tracks"][0]["scores"][column] == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)


@pytest.mark.parametrize("id_", ["first", ODD_ID], ids=["first track", "other track"])
def test_a_track_on_which_the_default_system_failed_shows_no_other_one(run, id_):
    path = run / "tracks" / f"{id_}.jams"
    whole = read_jams(path)
    others = tuple(each for each in whole.annotations if each.system != "foote")
    noted = {"scatseg": {**whole.sandbox.get("scatseg", {}), "default": "foote"}}
    write_jams(path, replace(whole, annotations=others, sandbox=noted))
    data = data_of(build(run, figures=False))
    rows = {row["id"]: row for row in data["tracks"]}
    failed, fine = rows.pop(id_), rows.popitem()[1]
    assert data["default"] == "foote"
    assert (failed["segments"], fine["segments"]) == (None, 3)
    assert len(fine["strips"]) - len(failed["strips"]) == 1
    assert "even" not in {strip["name"].split(" ")[0] for strip in failed["strips"]}


def test_unscored_run_counts_segments_instead(run):
    for name in ("scores.csv", "summary.csv", "summary.json"):
        (run / name).unlink()
    data = data_of(build(run, figures=False))
    assert data["summary"] == []
    foote = {"system": "foote · section", "tracks": 2, "segments": 3, "length": 1}
    assert data["systems"][0] == foote


def test_run_without_a_single_success_has_an_index(tmp_path):
    write_failures(tmp_path, [("a", "decode", "empty"), ("b", "decode", "empty")])
    data = data_of(build(tmp_path))
    assert (data["tracks"], len(data["failures"])) == ([], 2)


def test_scores_without_a_run_count_the_tracks_of_all_levels(tmp_path):
    level = {"a": "1", "b": "pattern", "c": "pattern"}
    scores = [Score(a, "ann", level[a], "foote", "V-measure", 1.0) for a in level]
    (tmp_path / "scores.csv").write_text(scores_csv(scores), encoding="utf-8")
    (tmp_path / "summary.json").write_text(summary_json(assess(scores)), encoding="utf-8")
    (tmp_path / "failures.csv").touch()
    assert data_of(build(tmp_path, figures=False))["counts"] == "3 tracks, 1 system"


def test_scores_without_a_run_have_an_index_with_their_figures(tmp_path, score_files):
    for name, text in score_files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    options = {
        "estimates": ["/home/ann/secret/foote"],
        "references": ["/home/ann/secret/salami"],
        **{"map": "", "metadata": "", "group_by": "", "seed": 3},
    }
    facts = {"evaluation": {"options": options, "versions": {"mir_eval": "0.8"}}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    data = data_of(build(tmp_path))
    shown = [["estimates", "foote"], ["references", "salami"], ["seed", "3"]]
    assert data["evaluation"] == shown
    assert (data["counts"], data["tracks"]) == ("2 tracks, 2 systems", [])
    assert data["versions"] == [["mir_eval", "0.8"]]
    assert data["summary"][0]["comparisons"]
    assert {(tmp_path / figure["png"]).is_file() for figure in data["figures"]} == {True}


def test_page_of_scores_removes_nothing_from_its_folder(tmp_path, score_files):
    for name, text in score_files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "run.json").write_text("{}")
    mine = [tmp_path / name / "mine.txt" for name in ("pages", "figures", "assets/audio")]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.touch()
    build(tmp_path)
    assert all(path.exists() for path in mine)


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is no run folder: it has no run\.json") as caught:
        build(tmp_path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(tmp_path))


def test_a_thousand_tracks_fit_into_one_index():
    form = Segmentation(np.arange(13), "ABABCABABCAB")
    jams = Jams(annotations=(Annotation(segmentation=form, system="foote"),), duration=12.0)
    tracks = tuple(Track(id=f"track {i:04}", jams=jams) for i in range(1000))
    page = page_html("index", index_data(Run(folder=Path("run"), tracks=tracks)))
    assert page.count(b"track%20") == 1000
    assert len(page) < 1_000_000


# ---- the page of a track ------------------------------------------------------------------


def looks(data):
    """Return the style of each label, by name of the strip."""
    return {
        strip["name"]: {label: tuple(data["styles"][k]) for *_, label, k in strip["segments"]}
        for strip in data["references"] + data["estimates"]
    }


def test_page_gives_annotators_one_look_per_label_and_systems_that_of_what_they_overlap(run):
    build(run, figures=False)
    found = looks(page_data(run))
    ann, bob, foote, even = (
        found[name] for name in ("ann", "bob", "foote · section", "even · section")
    )
    assert bob["verse"] == ann["verse"]
    # A of foote is where ann and bob say verse, B where ann says IMAGE.
    assert foote == {"A": ann["verse"], "B": ann[IMAGE]}
    # To ann, the first half is mostly verse; the second overlaps equally with bob's solo.
    assert even == {"A": ann["verse"], "B": bob["solo"]}


def test_index_and_page_of_a_track_share_their_looks(run):
    row = data_of(build(run, figures=False))["tracks"][1]
    page = page_data(run)
    assert row["styles"] == page["styles"]
    assert row["strips"] == [page["references"][0], page["estimates"][0]]


def test_page_shows_the_curve_with_what_its_system_picked(run):
    build(run, figures=False)
    (curve,) = page_data(run)["curves"]
    assert (curve["name"], curve["title"]) == ("foote", "novelty foote")
    assert curve["heights"] == [0, 0, 1, 0, 0.5, 0, 0]
    assert curve["boundaries"] == [1, 2]


def test_page_calls_a_curve_of_probabilities_so_and_keeps_their_height(run):
    sure = Annotation(segmentation=FOOTE, system="foote", confidence=(None, 0.8, 0.4))
    write_track(run, "first", [sure])
    arrays = dict(np.load(run / "arrays" / "first.npz"))
    np.savez(
        run / "arrays" / "first.npz", **arrays | {"novelty_foote": arrays["novelty_foote"] / 5}
    )
    build(run, figures=False)
    (curve,) = page_data(run)["curves"]
    assert curve["title"] == "probability of a boundary, foote"
    assert curve["heights"] == [0, 0, 0.8, 0, 0.4, 0, 0]


def test_page_shows_all_scores_of_its_track(run):
    build(run, figures=False)
    scores = page_data(run)["scores"]
    row = next(r for r in scores["rows"] if (r["system"], r["reference"]) == ("even", "bob"))
    assert row["values"][scores["metrics"].index("F-measure@0.5")] == 1
    assert "Adjusted Rand Index" in scores["metrics"]


def test_references_of_the_scores_are_named_as_their_strips(run):
    numbered = [replace(each, annotator=str(i)) for i, each in enumerate(REFERENCES, 1)]
    write_reference(run, "first", numbered)
    scores = score_collection({"first": numbered}, {"foote": {"first": FOOTE}})
    (run / "scores.csv").write_text(scores_csv(scores), encoding="utf-8")
    build(run, figures=False)
    data = page_data(run)
    strips = [strip["name"] for strip in data["references"]]
    assert strips == ["annotator 1", "annotator 2"]
    assert {row["reference"] for row in data["scores"]["rows"]} == set(strips)


def test_undefined_score_is_left_out_rather_than_nan(run):
    build(run, figures=False)
    scores = page_data(run)["scores"]
    row = next(r for r in scores["rows"] if r["system"] == "no boundary")
    assert row["values"][scores["metrics"].index("Ref-to-est deviation")] is None


def test_pages_lead_to_their_neighbors(run):
    build(run, figures=False)
    data = page_data(run, ODD_ID)
    assert data["previous"] is None
    assert (run / "pages" / unquote(data["next"]["url"])).is_file()
    assert page_data(run)["next"] is None


def test_similarity_image_shows_the_matrix(run):
    build(run, figures=False)
    image = imread(run / "pages" / unquote(page_data(run)["similarity"]["url"]))
    seen = np.round(255 * image[:, :, :3]).astype(int)
    darkest, *_, brightest = similarity_colors().astype(int)
    np.testing.assert_array_equal(seen[np.eye(6, dtype=bool)], [brightest] * 6)
    np.testing.assert_array_equal(seen[~np.eye(6, dtype=bool)], [darkest] * 30)


@pytest.mark.parametrize(("level", "color"), [(255, -1), (0, 0)])
def test_similarity_image_of_a_sound_that_never_changes_is_of_one_color(run, level, color):
    edges = np.linspace(0, 3, 7)
    np.savez(run / "arrays" / "first.npz", S=np.full((6, 6), level, np.uint8), S_edges=edges)
    build(run, figures=False)
    image = imread(run / "pages" / unquote(page_data(run)["similarity"]["url"]))
    seen = np.round(255 * image[:, :, :3]).astype(int)
    assert (seen == similarity_colors()[color]).all()


def test_downloads_exist(run):
    (run / "summary.json").unlink()  # no figures of scores
    build(run)
    links = {link["text"]: link["url"] for link in page_data(run, ODD_ID)["downloads"]}
    assert set(links) == {
        "estimates (JAMS)", "references (JAMS)", "figure (PNG)", "figure (SVG)"
    }  # fmt: skip
    assert all((run / "pages" / unquote(url)).is_file() for url in links.values())


def test_page_without_arrays_has_its_strips(run):
    build(run, figures=False)
    data = page_data(run, ODD_ID)
    assert (data["waveform"], data["similarity"], data["curves"]) == (None, None, [])
    assert len(data["estimates"]) == 2


def test_warnings_of_the_run_are_shown(run):
    write_track(run, "first", [Annotation(segmentation=FOOTE, system="foote")], warnings=["short"])
    index = build(run, figures=False)
    assert page_data(run)["warnings"] == ["short"]
    assert [row["warnings"] for row in data_of(index)["tracks"]] == [0, 1]


@pytest.mark.parametrize("damage", ["truncated", "wrong shape"])
def test_damaged_arrays_cost_the_pictures_and_are_named(run, damage):
    path = run / "arrays" / "first.npz"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    else:
        np.savez(path, S=np.zeros((3, 3), np.uint8), S_edges=np.arange(9.0))
    build(run, figures=False)
    data = page_data(run)
    assert data["similarity"] is None
    assert re.search(r"^first\.npz.*--force$", data["warnings"][0])


def test_damaged_jams_is_listed_among_the_failures(run):
    (run / "tracks" / "first.jams").write_text("{")
    data = data_of(build(run, figures=False))
    assert len(data["tracks"]) == 1
    assert data["failures"][-1][:2] == ["first", "report"]


def test_jams_that_cannot_be_opened_is_listed_among_the_failures(run):
    path = run / "tracks" / "first.jams"
    path.unlink()
    path.mkdir()
    data = data_of(build(run, figures=False))
    assert len(data["tracks"]) == 1
    assert data["failures"][-1][:2] == ["first", "report"]
    assert data["failures"][-1][2].startswith(f"{path}: ")


def test_thinned_curve_keeps_its_highest_peaks(rng):
    novelty = rng.random(10_000)
    peaks = rng.choice(10_000, 5, replace=False)
    novelty[peaks] += 1
    edges, heights = thinned(np.arange(10_000.0), novelty, 500)
    assert len(edges) == 500
    assert set(peaks) <= set(edges[heights >= 1])


# ---- sound --------------------------------------------------------------------------------


def sound_after(run, **options):
    build(run, figures=False, **options)
    return page_data(run)["sound"]


def test_recording_is_copied_beside_the_page(run, sources):
    sound = sound_after(run)
    copy = run / "pages" / sound["url"]
    assert sound["url"] == "../assets/audio/first.wav"
    assert copy.read_bytes() == (sources / "song.wav").read_bytes()


def test_what_browsers_do_not_play_becomes_flac(run, sources):
    estimates = [Annotation(segmentation=FOOTE, system="foote")]
    write_track(run, "first", estimates, audio=sources / "old.aiff")
    assert sound_after(run)["url"] == "../assets/audio/first.flac"
    assert (run / "assets/audio/first.flac").read_bytes()[:4] == b"fLaC"


@pytest.mark.parametrize("coding", ["DOUBLE", "IMA_ADPCM"])
def test_waves_that_browsers_do_not_play_become_flac(coding, run, sources):
    wave = sources / "odd.wav"
    soundfile.write(wave, np.zeros(8000), 8000, subtype=coding)
    write_track(run, "first", [Annotation(segmentation=FOOTE, system="foote")], audio=wave)
    assert f"WAV files coded as {coding}" in sound_after(run, audio="link")["note"]
    before = sound_after(run)
    assert before["url"] == "../assets/audio/first.flac"
    assert not (run / "assets/audio/first.wav").exists()
    wave.unlink()
    assert sound_after(run) == before


def test_changed_recording_is_copied_again(run, sources):
    sound_after(run)
    save(sources / "song.wav", np.zeros(100, np.float32), 8000)
    sound_after(run)
    copy = run / "assets" / "audio" / "first.wav"
    assert copy.read_bytes() == (sources / "song.wav").read_bytes()


def test_copy_outlives_its_recording(run, sources):
    before = sound_after(run)
    (sources / "song.wav").unlink()
    assert sound_after(run) == before


def test_missing_recording_is_named(run, sources):
    build(run, figures=False)
    sound = page_data(run, ODD_ID)["sound"]
    assert sound == {"url": "", "note": f"audio not found at {sources / 'gone.mp3'}"}


def test_broken_recording_is_named(run, sources):
    (sources / "broken.aiff").write_text("no sound at all")
    estimates = [Annotation(segmentation=FOOTE, system="foote")]
    write_track(run, "first", estimates, audio=sources / "broken.aiff")
    assert "audio could not be copied from" in sound_after(run)["note"]


def test_recording_can_be_linked_instead(run, sources):
    url = sound_after(run, audio="link")["url"]
    assert (run / "pages" / url).resolve() == (sources / "song.wav").resolve()
    assert not (run / "assets" / "audio" / "first.wav").exists()


def test_silent_report_keeps_no_copy_of_an_earlier_one(run):
    sound_after(run)
    assert sound_after(run, audio="none")["url"] == ""
    assert not any((run / "assets" / "audio").glob("*"))


# ---- safety and repetition ----------------------------------------------------------------


FOLDERS = ("pages", "figures", "figures/scores", "assets/audio", "assets/similarity")


def test_report_leaves_the_files_that_another_report_is_writing(run):
    with contextlib.ExitStack() as others:
        for folder in FOLDERS:
            (run / folder).mkdir(parents=True)
            others.enter_context(replaced(run / folder / "x"))
        build(run)
    assert all((run / folder / "x").exists() for folder in FOLDERS)


def test_report_removes_what_a_report_left_that_was_killed_long_ago(run):
    for folder in FOLDERS:
        (run / folder).mkdir(parents=True)
        left = run / folder / f".scatseg-{'0' * 16}.tmp"
        left.touch()
        os.utime(left, (0, 0))
    build(run)
    assert not list(run.rglob("*.tmp"))


def test_report_removes_what_its_own_processes_left(run, monkeypatch):
    (run / "pages").mkdir()

    def killed(name, data):
        if name == "track":
            with replaced(run / "pages" / "x") as temporary:
                shutil.copyfile(temporary, temporary.with_name(f"{temporary.stem}0.tmp"))
        return page_html(name, data)

    monkeypatch.setattr(report, "page_html", killed)
    build(run, figures=False)
    assert {path.suffix for path in (run / "pages").iterdir()} == {".html"}


def test_nothing_from_the_run_becomes_markup(run):
    index = build(run, figures=False)
    for page in (index, *(run / "pages").glob("*.html")):
        html = page.read_text(encoding="utf-8")
        assert "alert(1)</" not in html
        assert "<img" not in html
        assert html.count("<script") == (3 if page == index else 4)  # of ours, and the data


@pytest.mark.parametrize("text", ["<!--", "]]>", "&lt;", "\u2028", "\u2029", "\ud800", '"\\', "歌"])
def test_data_survive_the_page_unchanged(text, tmp_path):
    page = tmp_path / "page.html"
    page.write_bytes(page_html("index", {"title": text}))
    assert data_of(page) == {"title": text}
    assert page.read_bytes().isascii()


def test_pages_allow_nothing_from_outside():
    for name in PAGES:
        page = page_html(name, {}).decode()
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
        sources = {word for rule in policy.split("; ") for word in rule.split()[1:]}
        assert policy.startswith("default-src 'none'; ")
        assert sources == {"'none'", "'self'", "file:", "data:"}


def test_data_are_no_template():
    text = "$data $root ${name} $5"
    assert json.dumps(text).encode() in page_html("track", {"title": text})


@pytest.mark.parametrize(
    "name",
    [
        *("frame.html", "index.html", "track.html", "hits.html", "descents.html", "style.css"),
        *("page.js", "index.js", "player.js", "track.js", "hits.js", "descents.js"),
    ],
)
def test_assets_name_no_other_host(name):
    text = asset(name).decode().replace("xmlns='http://www.w3.org/2000/svg'", "")
    assert "//" not in re.sub(r"^\s*// .*$|%3E.*$", "", text, flags=re.M)


def test_any_number_of_processes_gives_the_same_bytes(run, monkeypatch):
    write_track(run, "wide", (Annotation(segmentation=EVEN),), title="\N{CUNEIFORM SIGN A}")
    (run / "arrays" / f"{ODD_ID}.npz").write_bytes(b"damaged")
    monkeypatch.setattr(report, "_FEW_TRACKS", 2)
    found = []
    for n_jobs in (1, 2):
        with pytest.warns(FontWarning, match="drawn as boxes in figures: \N{CUNEIFORM SIGN A};"):
            build(run, n_jobs=n_jobs)
        found.append(contents(run))
        assert page_data(run, ODD_ID)["warnings"][-1].endswith("--force")
        for name in ("pages", "figures", "assets"):
            shutil.rmtree(run / name)
    assert found[0] == found[1]


def test_building_twice_gives_the_same_bytes(run):
    build(run)
    first = contents(run)
    build(run)
    assert contents(run) == first


def test_place_of_the_run_does_not_matter(run, tmp_path):
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(run, copy)
    build(run, figures=False)
    build(copy, figures=False)
    assert contents(copy) == contents(run)


def test_pages_of_tracks_that_are_gone_are_removed(run):
    build(run, figures=False)
    (run / "figures").mkdir()
    (run / "figures" / "first.svg").touch()
    (run / "tracks" / "first.jams").unlink()
    (run / "summary.json").unlink()  # no figures of scores
    build(run)
    left = [path.name for path in contents(run) if path.parts[0] in ("pages", "figures", "assets")]
    assert not any(name.startswith("first") for name in left)


def test_report_touches_nothing_of_the_run_itself(run):
    before = contents(run)
    build(run, figures=False)
    after = contents(run)
    assert {path: after[path] for path in before} == before


# ---- urls and images ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("a b.jams", "../tracks/a%20b.jams"),
        ("50%.jams", "../tracks/50%25.jams"),
        ("#1?.jams", "../tracks/%231%3F.jams"),
        ("javascript:x", "../tracks/javascript%3Ax"),
        ("ü.jams", "../tracks/%C3%BC.jams"),
        ("\udcff.jams", "../tracks/%FF.jams"),
    ],
)
def test_addresses_are_percent_encoded(name, url):
    assert relative_url(Path("run/tracks") / name, Path("run/pages/a.html")) == url


def test_image_holds_the_color_of_every_pixel(rng, tmp_path):
    indices = rng.integers(0, 256, (5, 9))
    colors = rng.integers(0, 256, (256, 3))
    (tmp_path / "image.png").write_bytes(palette_png(indices, colors))
    seen = np.round(255 * imread(tmp_path / "image.png")[:, :, :3])
    np.testing.assert_array_equal(seen, colors[indices])


def test_size_of_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="a PNG image begins with a header of 24 bytes"):
        png_size(b"RIFF" * 9)


def test_image_refuses_colors_that_it_has_not():
    with pytest.raises(ValueError, match="below the number of colors, 1, got 1"):
        palette_png([[0, 1]], [[0, 0, 0]])


def test_outdated_scores_are_left_out_and_the_page_says_so(run):
    jams = {path.stem: read_jams(path) for path in (run / "tracks").glob("*.jams")}
    summary = json.loads((run / "summary.json").read_text())
    summary["estimates"] = {id_: fingerprint(each.annotations) for id_, each in jams.items()}
    (run / "summary.json").write_text(json.dumps(summary))
    build(run, figures=False)
    assert data_of(run / "index.html")["outdated"] == ""
    assert page_data(run)["scores"]["rows"]
    write_track(run, "first", [Annotation(segmentation=HALF, system="other", level="section")])
    build(run, figures=False)
    index = data_of(run / "index.html")
    assert index["outdated"].startswith("1 of 2 scored tracks changed or gone since the eval")
    assert index["summary"] == []
    assert page_data(run)["scores"]["rows"] == []
    assert "its scores are left out" in page_data(run)["warnings"][0]
    assert page_data(run, ODD_ID)["scores"]["rows"]


def test_pages_of_the_published_reports_have_the_scripts_and_style_of_the_package():
    copies = [*Path(__file__).parents[1].glob("reports/*/*/assets/*.*")]
    assert copies
    for path in copies:
        assert path.read_bytes() == asset(path.name), path

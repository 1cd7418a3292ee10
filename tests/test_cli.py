"""The command line as its users meet it: output, files, exit statuses."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from tests.commands import scatseg

from scatseg import analysis, audio, cli, figures, formats, plotting
from scatseg.cli import experiment
from scatseg.cli.options import FormatName
from scatseg.cli.outcome import usage_errors
from scatseg.figures import structure
from scatseg.segmentation import Segmentation

SR = 8000


@pytest.fixture
def music(tmp_path):
    """Two recordings of eight seconds: four of one tone, four of another."""
    folder = tmp_path / "music"
    folder.mkdir()
    for name, low in (("one", 220), ("two", 330)):
        t = np.arange(4 * SR) / SR
        y = np.concatenate([np.sin(2 * np.pi * f * t) for f in (low, 1500)])
        audio.save(folder / f"{name}.wav", 0.5 * y, SR)
    return folder


FAST = ("--features", "logmel", "--segmenter", "foote:half_width=4,min_duration=2", "--jobs", 1)


def test_formats_of_the_command_line_are_those_of_the_package():
    assert list(FormatName.choices) == list(formats.FORMATS)


def test_segment_writes_a_run_and_ends_with_its_page(music, tmp_path, capsys):
    run = tmp_path / "run"
    assert scatseg("segment", music, "-o", run, *FAST) == 0
    out, err = capsys.readouterr()
    assert out == f"{run / 'index.html'}\n"
    assert (run / "index.html").is_file()
    assert "[2/2] two: done" in err
    assert sorted(path.name for path in (run / "tracks").iterdir()) == ["one.jams", "two.jams"]
    assert json.loads((run / "run.json").read_text())["command"][0] == "scatseg"


def test_segment_without_a_run_prints_the_sections(music, capsys):
    assert scatseg("segment", music / "one.wav", *FAST) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[2] for row in rows] == ["A", "B"]
    np.testing.assert_allclose([float(row[0]) for row in rows], [0, 4], atol=0.5)


def test_segment_of_several_needs_a_run(music, capsys):
    assert scatseg("segment", music) == cli.USAGE
    assert "2 tracks need a run folder: add -o FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "is_quiet"),
    [(["-q"], [], True), ([], ["-q"], True), ([], [], False), (["-q"], ["-v"], False)],
)
def test_quiet_is_said_before_the_command_or_after(
    before, after, is_quiet, music, tmp_path, capsys
):
    assert scatseg(*before, "segment", music, "-o", tmp_path / "run", *after, *FAST) == 0
    assert ("segmented" in capsys.readouterr().err) != is_quiet


def test_quiet_says_only_the_result(music, tmp_path, capsys):
    run = tmp_path / "run"
    assert scatseg("-q", "segment", music, "-o", run, *FAST) == 0
    assert capsys.readouterr() == (f"{run / 'index.html'}\n", "")


def test_dry_run_lists_and_writes_nothing(music, tmp_path, capsys):
    assert scatseg("segment", music, "-o", tmp_path / "run", "--dry-run") == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["one", "two"]
    assert not (tmp_path / "run").exists()


def test_some_failures_are_listed_and_exit_with_1(music, tmp_path, capsys):
    (music / "broken.wav").write_text("no music")
    assert scatseg("segment", music, "-o", tmp_path / "run", *FAST) == cli.SOME_FAILED
    assert "2 tracks segmented, 1 failed" in capsys.readouterr().err
    assert 'broken,read,"NotAudioError' in (tmp_path / "run" / "failures.csv").read_text()


def test_nothing_done_exits_with_3(tmp_path):
    (tmp_path / "broken.wav").write_text("no music")
    run = tmp_path / "run"
    assert scatseg("segment", tmp_path / "broken.wav", "-o", run, *FAST) == cli.NOTHING_DONE
    assert (run / "failures.csv").read_text().count("\n") == 2
    assert (run / "index.html").is_file()


@pytest.mark.parametrize("what", ["missing.wav", "empty", "*.ogg"])
def test_nothing_found_exits_with_3_and_writes_nothing(what, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    run = tmp_path / "run"
    assert scatseg("segment", tmp_path / what, "-o", run, *FAST) == cli.NOTHING_DONE
    assert f"{tmp_path / what}: " in capsys.readouterr().err
    assert not run.exists()


def test_a_mistyped_path_is_forgotten_by_the_next_call(music, tmp_path):
    run, typo = tmp_path / "run", tmp_path / "musci"
    assert scatseg("segment", music, typo, "-o", run, *FAST) == cli.SOME_FAILED
    assert f"{typo},find,no such file or folder" in (run / "failures.csv").read_text()
    assert scatseg("segment", music, "-o", run, *FAST) == 0
    assert (run / "failures.csv").read_text().count("\n") == 1


def test_tracks_whose_recordings_cannot_be_looked_at_are_kept(music, tmp_path, monkeypatch, capsys):
    run, stat = tmp_path / "run", os.stat
    assert scatseg("segment", music, "-o", run, *FAST) == 0

    def refused(path, *arguments, **options):
        if os.fspath(path) == str(music / "two.wav"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refused)
    assert scatseg("segment", music / "one.wav", "-o", run, *FAST, "--prune") == 0
    assert "without a recording" not in capsys.readouterr().err
    assert (run / "tracks" / "two.jams").is_file()
    assert (run / "assets" / "audio" / "two.wav").is_file()


def test_tracks_whose_recordings_are_gone_are_named_and_pruned(music, tmp_path, capsys):
    run, references = tmp_path / "run", tmp_path / "references"
    options = ("-o", run, "--format", "lab", *FAST)
    references.mkdir()
    (references / "one.lab").write_text("0\t4\tA\n4\t8\tB\n")
    assert scatseg("segment", music, *options) == 0
    assert scatseg("evaluate", run, references, "-o", run, "--jobs", 1) == 0
    assert "without a recording" not in capsys.readouterr().err
    (music / "one.wav").rename(music / "new.wav")
    assert scatseg("segment", music, *options) == 0
    named = "1 track without a recording: one"
    assert f"the run still has {named}; --prune removes" in capsys.readouterr().err
    assert (run / "tracks" / "one.jams").exists()
    assert scatseg("segment", music, *options, "--prune") == 0
    assert f"removed {named}; the scores include them until" in capsys.readouterr().err
    assert (run / "scores-outdated.txt").read_text().splitlines()[-1] == "one"
    left = [
        path.stem for name in ("tracks", "arrays", "exports") for path in (run / name).iterdir()
    ]
    assert sorted(left) == 3 * ["new"] + 3 * ["two"]
    assert not list((run / "pages").glob("one*"))
    assert scatseg("segment", music, *options, "--prune") == 0
    told = capsys.readouterr().err
    assert "without a recording" not in told
    assert "the scores are outdated: 1 of 1 scored track changed or gone" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--features", "mfccc"], "unknown feature 'mfccc'"),
        (["--features", "mfcc:n=3"], "its options are n_mfcc, hop_length"),
        (["--segmenter", "fote"], "unknown segmenter 'fote'"),
        (["--granularity", "2"], "2.0 is not in the range 0<=x<=1"),
        (["--n-segments", "0"], "0 is not in the range x>=1"),
        (["--n-labels", "0"], "0 is not in the range x>=1"),
        (
            ["--segmenter", "laplacian", "--n-labels", "2"],
            "segmenter here has an option 'n_labels'",
        ),
        (["--format", "xml"], "'xml' is not one of"),
        (["--set", "half_widht=3"], "no segmenter here has an option 'half_widht'"),
        (["--set", "half_width"], "--set needs key=value"),
        (["--config", "nowhere.toml"], "does not exist"),
    ],
)
def test_wrong_usage_is_one_message_and_exits_with_2(arguments, message, music, tmp_path, capsys):
    assert scatseg("segment", music, "-o", tmp_path / "run", *arguments) == cli.USAGE
    out, err = capsys.readouterr()
    assert message in err
    assert "Traceback" not in err
    assert out == ""


def test_a_file_in_the_place_of_the_run_is_wrong_usage(music, tmp_path, capsys):
    (tmp_path / "run").write_text("a file")
    assert scatseg("segment", music, "-o", tmp_path / "run", *FAST) == cli.USAGE
    assert "is a file, a folder is needed" in capsys.readouterr().err


def test_number_of_segments_is_what_was_asked_for(music, tmp_path):
    run = tmp_path / "run"
    assert scatseg("segment", music, "-o", run, *FAST, "--n-segments", 1) == 0
    (found,) = formats.read_jams(run / "tracks" / "one.jams").annotations
    assert len(found.segmentation) == 1


def test_number_of_labels_is_what_was_asked_for(music, tmp_path):
    run = tmp_path / "run"
    assert scatseg("segment", music, "-o", run, *FAST, "--n-segments", 2, "--n-labels", 1) == 0
    (found,) = formats.read_jams(run / "tracks" / "one.jams").annotations
    assert found.segmentation.labels == ("A", "A")


def test_options_come_from_a_file_and_the_command_line_wins(music, tmp_path):
    config = tmp_path / "options.toml"
    config.write_text(
        'features = "mfcc"\nsegmenter = ["foote"]\njobs = 1\nn-segments = 1\nformat = ["lab"]\n'
    )
    run = tmp_path / "run"
    arguments = ("--config", config, "--features", "logmel")
    assert scatseg("segment", music, "-o", run, *arguments) == 0
    options = json.loads((run / "run.json").read_text())["options"]
    (features,) = set(options["features"].values())
    assert features.startswith("LogMel(")
    assert "n_segments=1" in options["segmenters"]["foote"]
    assert (run / "exports" / "one.lab").is_file()


def test_an_unknown_key_in_the_file_is_wrong_usage(music, tmp_path, capsys):
    config = tmp_path / "options.toml"
    config.write_text("fetures = 'mfcc'\n")
    assert scatseg("segment", music, "-o", tmp_path / "run", "--config", config) == cli.USAGE
    assert "unknown option 'fetures'" in capsys.readouterr().err


@pytest.fixture
def evaluated(music, tmp_path):
    run, references = tmp_path / "run", tmp_path / "references"
    references.mkdir()
    for name in ("one", "two"):
        formats.write(references / f"{name}.lab", Segmentation([0, 4, 8], ["x", "y"]))
    assert scatseg("segment", music, "-o", run, "--no-report", *FAST) == 0
    return run, references


def test_evaluate_scores_a_run(evaluated, capsys):
    run, references = evaluated
    capsys.readouterr()
    assert scatseg("evaluate", run, references, "-o", run, "--jobs", 1) == 0
    out, _ = capsys.readouterr()
    assert "foote" in out
    assert "baseline:none" in out
    assert out.splitlines()[-1] == str(run / "index.html")
    for name in ("scores.csv", "summary.csv", "summary.json", "summary.md", "references/one.jams"):
        assert (run / name).is_file()


def test_on_a_terminal_a_bar_shows_how_far_the_scoring_is(evaluated, tmp_path, monkeypatch, capsys):
    arguments = ("evaluate", *evaluated, "-o", tmp_path / "out", "--jobs", 1, "--no-report")
    for is_terminal, options, shown in (
        (True, (), True),
        (True, ("-q",), False),
        (False, (), False),
    ):
        monkeypatch.setattr(sys.stderr, "isatty", lambda answer=is_terminal: answer)
        capsys.readouterr()
        assert scatseg(*options, *arguments) == 0
        assert ("0/2" in capsys.readouterr().err) is shown


def test_scoring_with_two_processes_gives_the_same_bytes(evaluated, tmp_path):
    run, references = evaluated
    for jobs in (1, 2):
        scatseg("evaluate", run, references, "-o", tmp_path / f"by{jobs}", "--jobs", jobs)
    one, two = (tmp_path / f"by{jobs}" / "scores.csv" for jobs in (1, 2))
    assert one.read_bytes() == two.read_bytes()


def test_evaluate_compares_folders_of_other_tools(evaluated, tmp_path, capsys):
    run, references = evaluated
    other = tmp_path / "othertool"
    other.mkdir()
    formats.write(other / "one.lab", Segmentation([0, 4, 8], ["p", "q"]))
    assert scatseg("evaluate", run, other, references, "-o", tmp_path / "scores", "--jobs", 1) == 0
    table = capsys.readouterr().out
    assert "othertool" in table
    rows = (tmp_path / "scores" / "scores.csv").read_text().splitlines()
    assert "one,1,1,othertool,F-measure@0.5,1.0" in [row.replace(",,", ",1,") for row in rows]


def test_evaluate_without_a_partner_exits_with_3(evaluated, tmp_path, capsys):
    run, _ = evaluated
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    formats.write(strangers / "three.lab", Segmentation([0, 8], ["x"]))
    out = tmp_path / "scores"
    assert scatseg("evaluate", run, strangers, "-o", out) == cli.NOTHING_DONE
    told = capsys.readouterr().err
    assert "no estimate: three: is a reference without an estimate" in told
    assert "--map says which belong together" in told
    table = tmp_path / "map.csv"
    table.write_text("estimate,reference\nfive,three\n")
    assert scatseg("evaluate", run, strangers, "-o", out, "--map", table) == cli.NOTHING_DONE
    assert "--map says" not in capsys.readouterr().err


@pytest.mark.parametrize("own_folder", [True, False])
def test_where_nothing_is_scored_the_page_shows_no_former_scores(evaluated, tmp_path, own_folder):
    run, references = evaluated
    out = tmp_path / "scores" if own_folder else run
    assert scatseg("evaluate", run, references, "-o", out, "--jobs", 1) == 0
    assert "F-measure@0.5" in (out / "index.html").read_text().partition('"summary":')[2]
    for path in references.iterdir():
        path.rename(path.with_stem(f"another {path.stem}"))
    assert scatseg("evaluate", run, references, "-o", out, "--jobs", 1) == cli.NOTHING_DONE
    assert '"summary":[]' in (out / "index.html").read_text()


def test_notes_are_shown_by_kind_and_with_v_all(evaluated, tmp_path, capsys):
    run, references = evaluated
    for i in range(7):
        formats.write(references / f"other{i}.lab", Segmentation([0, 8], ["x"]))
    arguments = ("evaluate", run, references, "-o", tmp_path / "scores", "--jobs", 1)
    for options, n_shown in (((), 5), (("-v",), 7), (("-q",), 0)):
        capsys.readouterr()
        assert scatseg(*options, *arguments) == 0
        err = capsys.readouterr().err
        assert err.count("is a reference without an estimate") == n_shown
        assert ("no estimate: 2 more in" in err) is (n_shown == 5)


def test_long_lines_of_a_broken_file_do_not_fill_the_screen(evaluated, tmp_path, capsys):
    run, references = evaluated
    (references / "long.lab").write_text(f"{'soon' * 1000}\t8\tx\n")
    arguments = ("evaluate", run, references, "-o", tmp_path / "scores", "--jobs", 1)
    assert scatseg(*arguments) == cli.SOME_FAILED
    err = capsys.readouterr().err
    assert "long.lab: line 1: expected the segment's start in seconds" in err
    assert max(map(len, err.splitlines())) < 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "-1 is not in the range x>=0"),
        (["--seed", "x"], "'x' is not a valid integer"),
        (["--group-by", "genre"], "--group-by COLUMN needs --metadata FILE"),
        (["-o", "a file"], "a file is a file, a folder is needed"),
    ],
)
def test_wrong_usage_of_evaluate_writes_nothing(
    evaluated, tmp_path, arguments, message, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("a file").write_text("mine")
    arguments = arguments if "-o" in arguments else [*arguments, "-o", "out"]
    assert scatseg("evaluate", *evaluated, *arguments) == cli.USAGE
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("out").exists()
    assert Path("a file").read_text() == "mine"


def test_evaluation_into_a_folder_of_its_own_has_a_page(evaluated, tmp_path, capsys):
    out = tmp_path / "scores"
    capsys.readouterr()
    assert scatseg("evaluate", *evaluated, "-o", out, "--figures") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "index.html")
    assert (out / "assets" / "index.js").is_file()
    assert list((out / "figures" / "scores").glob("*.png"))


def test_evaluation_without_a_page_can_still_draw(evaluated, tmp_path, capsys):
    out = tmp_path / "scores"
    capsys.readouterr()
    assert scatseg("evaluate", *evaluated, "-o", out, "--figures", "--no-report") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "figures" / "scores")
    assert not (out / "index.html").exists()


def test_damaged_run_json_is_refused_before_scoring(evaluated, tmp_path, capsys):
    out = tmp_path / "scores"
    out.mkdir()
    (out / "run.json").write_text("{")
    assert scatseg("evaluate", *evaluated, "-o", out) == cli.USAGE
    assert "run.json is not JSON" in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in out.iterdir()] == ["run.json"]


def test_report_can_be_built_again(evaluated, capsys):
    run, _ = evaluated
    capsys.readouterr()
    assert scatseg("report", run) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run / "index.html")
    assert (run / "figures" / "one.png").is_file()
    assert (run / "figures" / "one.svg").is_file()


def test_report_names_a_track_that_it_cannot_read(evaluated, capsys):
    run, _ = evaluated
    (run / "tracks" / "one.jams").write_text("{")
    capsys.readouterr()
    assert scatseg("report", run, "--no-figures") == cli.SOME_FAILED
    told = capsys.readouterr()
    assert re.match(r"one: .*one\.jams.* JSON", told.err)
    assert told.out.splitlines() == [str(run / "index.html")]


def test_features_are_saved_with_their_names(music, tmp_path, capsys):
    target = tmp_path / "one.npz"
    assert scatseg("features", music / "one.wav", "-o", target, "--features", "mfcc") == 0
    assert capsys.readouterr().out == f"{target}\n"
    with np.load(target) as saved:
        assert saved["X"].shape == (len(saved["edges"]) - 1, len(saved["names"]))
        assert saved["edges"][-1] == 8


def test_features_of_a_folder_go_into_a_folder(music, tmp_path):
    (music / "broken.wav").write_text("no music")
    target = tmp_path / "features"
    assert scatseg("features", music, "-o", target, "--features", "mfcc") == cli.SOME_FAILED
    assert sorted(path.name for path in target.iterdir()) == ["one.npz", "two.npz"]


def test_long_recordings_are_described_in_pieces_as_in_memory(music, tmp_path, monkeypatch):
    options = ("--features", "scattering:J=8,Q=4", "--sr", SR)
    assert scatseg("features", music / "one.wav", "-o", tmp_path / "whole.npz", *options) == 0
    monkeypatch.setattr(cli.features, "_LONG", 1)
    assert scatseg("features", music / "one.wav", "-o", tmp_path / "pieces.npz", *options) == 0
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "pieces.npz") as pieces:
        np.testing.assert_array_equal(pieces["edges"], whole["edges"])
        np.testing.assert_allclose(pieces["X"], whole["X"], atol=2e-3)


def test_features_tell_beforehand_what_they_take(music, capsys):
    options = ("--features", "jtfs:J=8", "--sr", SR)
    assert scatseg("features", "--plan", music, *options) == cli.DONE
    out, _ = capsys.readouterr()
    assert out.startswith("one\nsignal      8 s\n")
    assert "two\n" in out
    assert "latency" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plan", "--features", "mfcc"], "--plan needs scattering or jtfs"),
        (["--features", "mfcc"], "features need -o OUTPUT"),
    ],
)
def test_features_say_what_they_need(music, arguments, message, capsys):
    assert scatseg("features", music / "one.wav", *arguments) == cli.USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["track", "features", "similarity", "novelty", "waveform"])
def test_every_kind_of_picture_is_drawn(kind, music, tmp_path):
    target = tmp_path / f"{kind}.png"
    arguments = () if kind == "waveform" else ("--features", "logmel")
    assert scatseg("plot", kind, music / "one.wav", "-o", target, *arguments) == 0
    assert target.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in target.with_suffix(".svg").read_bytes()


def test_similarity_in_any_key_needs_features_that_have_one(music, tmp_path, capsys):
    target = tmp_path / "keys.png"
    asked = ("plot", "similarity", music / "one.wav", "-o", target, "--any-key", "--features")
    assert scatseg(*asked, "chroma") == 0
    assert "in any key" in target.with_suffix(".svg").read_text(encoding="utf-8")
    assert scatseg(*asked, "mfcc") == cli.USAGE
    assert "none of it can be transposed" in capsys.readouterr().err


def test_similarity_in_any_key_describes_once_and_draws_no_more_frames(
    music, tmp_path, monkeypatch
):
    described, sizes = [], []
    extracted, plot = structure.extracted, plotting.plot_similarity

    def count(*arguments):
        described.append(arguments)
        return extracted(*arguments)

    def measure(S, edges, **options):
        sizes.append(np.shape(S))
        return plot(S, edges, **options)

    monkeypatch.setattr(structure, "extracted", count)
    monkeypatch.setattr(analysis.extractors, "extracted", count)
    monkeypatch.setattr(plotting, "plot_similarity", measure)
    monkeypatch.setattr(structure, "PICTURE_FRAMES", 7)
    structure.draw_similarity(
        music / "one.wav", tmp_path / "keys.png", features="chroma", any_key=True
    )
    assert len(described) == 1
    assert sizes == [(7, 7)]


def test_similarity_of_silence_is_refused(tmp_path):
    audio.save(tmp_path / "silence.wav", np.zeros(SR), SR)
    for any_key in (False, True):
        with pytest.raises(ValueError, match="silence has no self-similarity"):
            structure.draw_similarity(
                tmp_path / "silence.wav", tmp_path / "silence.png", any_key=any_key
            )


SMALL = {
    "scalogram": ("--J", 8),
    "s1": ("--J", 8, "--T", 64),
    "s2": ("--J", 9, "--Q", "8,2", "--carrier", 220, "--time", 4),
    "jtfs": ("--J", 9, "--rate", 20, "--scale", 1),
    "compare": ("--J", 8),
    "orders": ("--J", 9),
    "invariance": ("--J", 8, "--T", "256,512"),
    "stability": ("--J", 8, "--Q", 1),
}


@pytest.mark.parametrize("kind", SMALL)
def test_scattering_of_an_excerpt_is_drawn_with_its_numbers(kind, music, tmp_path):
    target = tmp_path / f"{kind}.png"
    where = ("--sr", SR, "--from", "0:03", "--to", 5)
    assert scatseg("plot", kind, music / "one.wav", "-o", target, *where, *SMALL[kind]) == 0
    assert target.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in target.with_suffix(".svg").read_bytes()
    with np.load(target.with_suffix(".npz")) as saved:
        assert min(np.size(saved[name]) for name in saved.files) > 0


@pytest.mark.parametrize(("kind", "n"), [("compare", 3), ("invariance", 48), ("stability", 26)])
def test_on_a_terminal_a_bar_shows_how_far_slow_figures_are(
    kind, n, music, tmp_path, monkeypatch, capsys
):
    excerpt = ("-o", tmp_path / "x.png", "--sr", SR, "--from", 3, "--to", 4, *SMALL[kind])
    for is_terminal, options, shown in (
        (True, (), True),
        (True, ("-q",), False),
        (False, (), False),
    ):
        monkeypatch.setattr(sys.stderr, "isatty", lambda answer=is_terminal: answer)
        assert scatseg(*options, "plot", kind, music / "one.wav", *excerpt) == 0
        out, err = capsys.readouterr()
        assert out == f"{tmp_path / 'x.png'}\n"
        assert (f"0/{n} " in err) is shown


def test_an_excerpt_is_shown_at_its_place_in_the_recording(music, tmp_path):
    target = tmp_path / "s1.png"
    where = ("--sr", SR, "--from", "0:03", "--to", 5)
    assert scatseg("plot", "s1", music / "one.wav", "-o", target, *where, "--J", 8) == 0
    with np.load(tmp_path / "s1.npz") as saved:
        low, high = saved["times"] < 3.9, saved["times"] > 4.1
        loudest = saved["frequencies"][saved["values"].argmax(axis=0)]
        assert saved["times"][0] == 3
    np.testing.assert_allclose(np.log2(loudest[low] / 220), 0, atol=1 / 12)
    np.testing.assert_allclose(np.log2(loudest[high] / 1500), 0, atol=1 / 12)


@pytest.mark.parametrize("kind", ["waveform", "features"])
def test_an_excerpt_is_drawn_at_its_place(kind, music, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: drawn.append(figure))
    where = ("--from", "0:03", "--to", 5)
    assert scatseg("plot", kind, music / "one.wav", "-o", tmp_path / "x.png", *where) == 0
    panel = drawn[0].axes[0]
    assert panel.get_xlim() == (3, 5)
    assert panel.dataLim.intervalx == pytest.approx([3, 5], abs=0.001)


@pytest.mark.parametrize("kind", ["track", "similarity", "novelty"])
def test_an_excerpt_shows_a_part_of_the_structure_of_the_whole(kind, music, tmp_path, drawn):
    asked = ("plot", kind, music / "one.wav", "-o", tmp_path / "x.png", "--features", "logmel")
    for start, end in ((None, None), (3, 5), (5, 7)):
        where = () if start is None else ("--from", start, "--to", end)
        assert scatseg(*asked, "--segmenter", "foote", *where) == 0
    spans = [[ax.get_xlim() for ax in figure.axes if ax.get_xlabel()] for figure in drawn]
    assert spans == [[(0, 8)], [(3, 5)], [(5, 7)]]
    titles = [(figure._suptitle or figure.texts[0]).get_text()[:15] for figure in drawn]
    assert [" 0:0" in title for title in titles] == [False, True, True]


def test_boundaries_in_an_excerpt_are_those_of_the_whole(music, tmp_path, drawn):
    asked = ("plot", "novelty", music / "one.wav", "-o", tmp_path / "x.png", *FAST[:4])
    found = []
    for where in ((), ("--from", 3, "--to", 5), ("--from", 5, "--to", 7)):
        assert scatseg(*asked, *where) == 0
        dots = [line.get_xdata() for line in drawn[-1].axes[0].lines if line.get_marker() == "o"]
        found.append([time for each in dots for time in each])
    assert found[0] == pytest.approx([4], abs=0.5)
    assert found[1:] == [found[0], []]


def test_curve_of_the_default_is_named_a_probability(aba_signal, tmp_path, drawn):
    audio.save(tmp_path / "aba.wav", *aba_signal)
    asked = ("plot", "novelty", tmp_path / "aba.wav", "-o", tmp_path / "x.png")
    for segmenter, what in (("default", "boundary probability"), ("laplacian", "novelty")):
        assert scatseg(*asked, "--segmenter", segmenter) == 0
        assert drawn[-1].axes[0].get_ylabel() == what
        assert drawn[-1]._suptitle.get_text() == f"aba: {what} and boundaries"


def test_a_reference_is_named_so(music, tmp_path, drawn):
    (tmp_path / "one.lab").write_text("0\t8\tverse\n", encoding="utf-8")
    asked = ("plot", "track", music / "one.wav", "--features", "logmel", "--segmenter", "foote")
    where = ("--reference", tmp_path / "one.lab", "-o", tmp_path / "x.png")
    assert scatseg(*asked, *where) == 0
    names = [label.get_text() for ax in drawn[0].axes for label in ax.get_yticklabels()]
    assert "reference" in names


@pytest.fixture
def drawn(monkeypatch):
    """Figures in place of their files."""
    made = []
    monkeypatch.setattr(plotting, "save_figure", lambda figure, _: made.append(figure))
    return made


def test_a_joint_path_is_named_by_its_own_rate_and_scale(music, tmp_path, drawn):
    options = ("--sr", SR, "--J", 9, "--rate", 20, "--scale", 1)
    assert scatseg("plot", "jtfs", music / "one.wav", "-o", tmp_path / "x.png", *options) == 0
    rising = drawn[0].axes[1].get_title(loc="left")
    assert rising == "rising at 21.9 Hz and 1.4 cycles per octave: 15.6 octaves per second"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("jtfs", "{}", "--J", 9, "--rate", 9999), "no rate is near 9999 Hz: they lie from "),
        (("jtfs", "{}", "--J", 9, "--scale", 50), "no scale is near 50 cycles per octave: they"),
        (("wavelet2d", "--J", 10, "--rate", 50000), "no rate is near 50000 Hz: they lie from "),
    ],
)
def test_paths_far_from_all_are_refused(arguments, message, music, tmp_path, capsys):
    asked = (str(each).format(music / "one.wav") for each in arguments)
    assert scatseg("plot", *asked, "--sr", SR, "-o", tmp_path / "x.png") == cli.USAGE
    assert message in capsys.readouterr().err


def test_default_rates_of_joint_wavelets_may_be_far(tmp_path):
    assert scatseg("plot", "wavelet2d", "--J", 6, "-o", tmp_path / "x.png") == 0


def test_high_frequencies_are_written_without_exponents(tmp_path, drawn):
    assert scatseg("plot", "wavelet", "--xi", 50000, "-o", tmp_path / "x.png") == 0
    assert scatseg("plot", "filterbank", "--J", 5, "-o", tmp_path / "x.png") == 0
    assert "bandwidth 4330 Hz" in drawn[0].axes[1].get_title(loc="left")
    assert drawn[1].axes[0].get_title(loc="left").endswith("up to 9600 Hz")


@pytest.mark.filterwarnings("default::scatseg.audio.AudioWarning")
@pytest.mark.parametrize("kind", ["waveform", "s1"])
def test_an_excerpt_that_ends_too_late_is_drawn_with_one_line(kind, music, tmp_path, capsys):
    asked = ("plot", kind, music / "one.wav", "-o", tmp_path / "x.png", "--from", 5)
    assert scatseg(*asked, "--to", "0:09") == 0
    told = capsys.readouterr().err
    assert told == f"{music / 'one.wav'}: 9 s is after its end: drawn up to 8 s\n"
    assert scatseg(*asked, "--to", 8) == 0
    assert scatseg(*asked, "--to", 9, "-q") == 0
    assert not capsys.readouterr().err
    assert scatseg(*asked[:-1], 8.5) == cli.USAGE


@pytest.mark.filterwarnings("default::scatseg.plotting.FontWarning")
def test_characters_without_a_font_are_told_in_one_line(music, tmp_path, capsys):
    sound = music / "\N{CUNEIFORM SIGN A}.wav"
    (music / "one.wav").rename(sound)
    assert scatseg("plot", "waveform", sound, "-o", tmp_path / "x.png") == 0
    told = capsys.readouterr().err
    assert told.startswith("no known font has these characters")
    assert told.count("\n") == 1


@pytest.mark.parametrize("kind", ["s1", "s2", "jtfs", "orders", "stability"])
def test_too_short_an_excerpt_is_told_what_the_options_can_do(kind, music, tmp_path, capsys):
    asked = ("plot", kind, music / "one.wav", "--from", 3, "--to", 3.1, "-o", tmp_path / "x.png")
    needed = "4096 samples need at least as many, got 2205 (0.1 s at 22050 Hz): choose a smaller T"
    assert scatseg(*asked, "--J", 12) == cli.USAGE
    assert f"T = 2^J = {needed} or J, or a longer sound" in capsys.readouterr().err
    if kind != "stability":  # which has no T
        assert scatseg(*asked, "--T", 4096) == cli.USAGE
        assert f"T = {needed}, or a longer sound" in capsys.readouterr().err


def test_every_axis_of_the_techniques_and_its_colors_are_labeled(tmp_path, drawn):
    assert scatseg("plot", "techniques", "--sr", SR, "-o", tmp_path / "x.png") == 0
    *axes, bar = drawn[0].axes
    assert bar.get_ylabel() == "dB re largest of a panel"
    assert {ax.get_ylabel() for ax in axes[2::3]} == {"energy re largest"}
    ends = [ax.get_xlim() for ax in axes[-3:-1]]
    assert ends == [(0, 3), (0, 3)]


def test_the_energy_of_a_technique_peaks_near_its_rate(tmp_path, drawn):
    assert scatseg("plot", "techniques", "--sr", SR, "-o", tmp_path / "x.png") == 0
    for energy, true in (ax.lines for ax in drawn[0].axes[2:-1:3]):
        found = energy.get_xdata()[energy.get_ydata().argmax()]
        assert abs(np.log2(found / true.get_xdata()[0])) <= 0.5


def test_axes_of_joint_wavelets_are_labeled(tmp_path, drawn):
    assert scatseg("plot", "wavelet2d", "--J", 10, "-o", tmp_path / "x.png") == 0
    assert (drawn[0].get_supxlabel(), drawn[0].get_supylabel()) == ("time (s)", "octaves")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("parameters", "--J", 2), "J must lie from 3 to 18, got 2"),
        (("parameters", "--J", 19), "J must lie from 3 to 18, got 19"),
        (("techniques", "--sr", 5000), "sr must be at least 5462 Hz, for averages of 16384"),
    ],
)
def test_options_too_small_for_a_picture_are_named(arguments, message, tmp_path, capsys):
    assert scatseg("plot", *arguments, "-o", tmp_path / "x.png") == cli.USAGE
    assert message in capsys.readouterr().err


SMALL_BANKS = {
    "wavelet": ("--xi", 100, "--sr", SR),
    "filterbank": ("--J", 5, "--Q", 2),
    "wavelet2d": ("--J-fr", 2, "--J", 10, "--rate", 20),
    "parameters": ("--J", 4, "--Q", 2),
}


@pytest.mark.parametrize("kind", SMALL_BANKS)
def test_wavelets_are_drawn_with_their_numbers(kind, tmp_path):
    target = tmp_path / f"{kind}.svg"
    assert scatseg("plot", kind, "-o", target, *SMALL_BANKS[kind]) == 0
    assert b"<svg" in target.read_bytes()
    with np.load(target.with_suffix(".npz")) as saved:
        assert min(np.size(saved[name]) for name in saved.files) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s1", "--from", "soon"), "'soon' is not a time like 62.5 or 1:02.5"),
        (("s1", "--from", "nan"), "'nan' is not a time"),
        (("s1", "--to", "1:nan"), "'1:nan' is not a time"),
        (("s1", "--to", "inf"), "'inf' is not a time"),
        (("s1", "--to", "1:99:00"), "'1:99:00' is not a time"),
        (("s1", "--to", "1:60"), "'1:60' is not a time"),
        (("s1", "--to", "0.5:02"), "'0.5:02' is not a time"),
        (("s1", "--from", 5, "--to", 3), "an excerpt must lie within 0 and 8.000 s"),
        (("s2", "--Q", "8,1,1"), "'8,1,1' is neither one integer nor two"),
        (("s2", "--J", 1), "leaves no second-order path"),
        (("stability", "--Q", "many"), "'many' is not a list of positive integers"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_wrong_usage(arguments, message, music, tmp_path, capsys):
    kind, *options = arguments
    target = tmp_path / "out.png"
    assert scatseg("plot", kind, music / "one.wav", "-o", target, *options) == cli.USAGE
    assert message in capsys.readouterr().err


def test_pictures_have_the_extension_of_pictures(music, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "draw_s1", None)  # is not called
    assert scatseg("plot", "s1", music / "one.wav", "-o", tmp_path / "s1.jpg") == cli.USAGE
    assert "figures are written as .png or .svg" in capsys.readouterr().err


def test_convert_goes_there_and_back(tmp_path, capsys):
    form = Segmentation([0, 4, 8], ["verse", "the chorus"])
    formats.write(tmp_path / "a.lab", form)
    assert scatseg("convert", tmp_path / "a.lab", "-o", tmp_path / "a.TextGrid") == 0
    assert scatseg("convert", tmp_path / "a.TextGrid", "-o", tmp_path / "b.jams") == 0
    assert formats.read(tmp_path / "b.jams")[0].segmentation == form
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "b.jams")


def test_an_output_that_ends_as_a_folder_is_one(tmp_path, capsys):
    formats.write(tmp_path / "a.lab", Segmentation([0, 4, 8], ["verse", "the chorus"]))
    convert = ("convert", tmp_path / "a.lab", "-o", f"{tmp_path}/new/")
    assert scatseg(*convert) == cli.USAGE
    assert "converting into a folder needs --format" in capsys.readouterr().err
    assert scatseg(*convert, "--format", "csv") == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.csv"]


def test_convert_lists_repairs_and_refuses_what_it_cannot_read(tmp_path, capsys):
    (tmp_path / "dirty.lab").write_text("5 9 b\n0 5 a\n")
    (tmp_path / "hopeless.lab").write_text("a b c\n")
    paths = (tmp_path / "dirty.lab", tmp_path / "hopeless.lab")
    arguments = ("-o", tmp_path / "out", "--format", "csv")
    assert scatseg("convert", *paths, *arguments) == cli.SOME_FAILED
    err = capsys.readouterr().err
    assert "dirty.lab: " in err
    assert "hopeless.lab" in err


def test_doctor_knows_what_is_installed(capsys):
    assert scatseg("doctor", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["versions"]["numpy"] == np.__version__
    assert ".flac" in facts["decoders"]
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert set(facts["extras"]) == project["optional-dependencies"].keys() - {"dev", "train"}


def test_an_interrupt_exits_with_130(monkeypatch, music, tmp_path, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scatseg.collection.segment_collection", interrupted)
    assert scatseg("segment", music, "-o", tmp_path / "run", *FAST) == cli.INTERRUPTED
    assert "the same command resumes" in capsys.readouterr().err


def test_python_m_scatseg_is_scatseg():
    command = [sys.executable, "-m", "scatseg", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("scatseg ")


# Those without steps are the options of a script beside them.
PIPELINES = [
    path
    for path in sorted((Path(__file__).parents[1] / "pipelines").glob("*.toml"))
    if "step" in tomllib.loads(path.read_text())
]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_every_pipeline_is_a_list_of_commands(path):
    steps = tomllib.loads(path.read_text())["step"]
    commands = dict(experiment.leaves(cli.cli))
    for step in steps:
        line = experiment.step_arguments(commands, path, step, {})
        assert line[: len(step["command"].split())] == step["command"].split()


@pytest.mark.usefixtures("music")
def test_an_experiment_gives_the_bytes_of_its_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("experiment.toml").write_text(
        """
[[step]]
command = "segment"
arguments = ["music"]
output = "declared"
features = "logmel"
segmenter = ["foote:half_width=4", "laplacian"]
jobs = 1
format = ["lab"]
"""
    )
    assert scatseg("run", "experiment.toml") == 0
    options = ("--features", "logmel", "--format", "lab", "--jobs", 1)
    names = ("--segmenter", "foote:half_width=4", "--segmenter", "laplacian")
    assert scatseg("segment", "music", "-o", "typed", *options, *names) == 0
    declared, typed = (_contents(Path(name)) for name in ("declared", "typed"))
    assert declared.keys() == typed.keys()
    assert {name for name in typed if declared[name] != typed[name]} == set()


def _contents(run):
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name not in ("run.json", ".lock")
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs at least one"),
        ("[[step]]\ncommand = 'sement'", "a step's command is one of"),
        ("[[step]]\ncommand = 'segment'\nfetures = 'mfcc'", "segment has no option 'fetures'"),
        ("[[step]", "at line 1"),
        ("step = [1]", "needs at least one [[step]]"),
        ("[[step]]\ncommand = 'run'\narguments = 'e.toml'", "a step's command is one of"),
        ("[[step]]\ncommand = 'segment'\nreport = 'no'", "report is true or false, got 'no'"),
        ("[[step]]\ncommand = 'segment'\noutput = ['a', 'b']", "output takes one value, got"),
        ("[[step]]\ncomand = 'segment'", "a step has no `command`"),
        ("jobs = 1\n[[step]]\ncommand = 'doctor'", "only [[step]], got 'jobs'"),
        ("[[step]]\ncommand = 'doctor'\n[[steps]]\n", "only [[step]], got 'steps'"),
        ("[[step]]\ncommand = 'segment'\narguments = [['a']]", "arguments one by one"),
        ("[[step]]\ncommand = 'segment'\nverbose = 2", "verbose is true or false, got 2"),
        (
            "[[step]]\ncommand = 'doctor'\n[[step]]\ncommand = 'segment'\naudio = 'no'",
            "audio: 'no' is not one of",
        ),
        ("[[step]]\ncommand = 'doctor'\n[[step]]\ncommand = 'synth'\noutput = ''", "it is empty"),
        (
            "[[step]]\ncommand = 'doctor'\n[[step]]\ncommand = 'segment'\narguments = ['']",
            "segment has an empty argument",
        ),
        (
            "[[step]]\ncommand = 'doctor'\n[[step]]\ncommand = 'search find'\nto = 'inf'",
            "to: 'inf' is not a time",
        ),
        (
            "[[step]]\ncommand = 'doctor'\n[[step]]\ncommand = 'segment'\njobs = 0",
            "jobs: 0 is not in the range",
        ),
        (
            "[[step]]\ncommand = 'doctor'\n[[step]]\ncommand = 'evaluate'\narguments = 'run'",
            "evaluate needs output and arguments (ESTIMATES REFERENCES)",
        ),
    ],
)
def test_an_experiment_that_cannot_run_is_refused_before_it_starts(text, message, tmp_path, capsys):
    (tmp_path / "e.toml").write_text(text)
    assert scatseg("run", tmp_path / "e.toml") == cli.USAGE
    told = capsys.readouterr()
    assert message in told.err
    assert told.out == ""


@pytest.mark.usefixtures("music")
def test_a_step_may_have_what_it_needs_from_its_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "segment.toml").write_text("paths = ['music']\noutput = 'run'\njobs = 1")
    step = "[[step]]\ncommand = 'segment'\nfeatures = 'logmel'\nconfig = 'segment.toml'"
    (tmp_path / "e.toml").write_text(f"{step}\nsegmenter = 'foote:half_width=4,min_duration=2'")
    assert scatseg("run", "e.toml") == 0
    assert (tmp_path / "run" / "index.html").is_file()


@pytest.mark.usefixtures("music")
def test_a_value_of_an_experiment_can_be_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("e.toml").write_text(
        "[[step]]\ncommand = 'segment'\narguments = ['music']\noutput = 'run'\n"
        "features = 'mfcc'\nsegmenter = 'foote'\njobs = 1\nreport = false\n"
    )
    assert scatseg("run", "e.toml", "--set", "features=logmel") == 0
    options = json.loads(Path("run/run.json").read_text())["options"]
    (features,) = set(options["features"].values())
    assert features.startswith("LogMel(")


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ({"command": "segment", "set": {"sr": 8000, "frame": 1}}, "--set sr=8000 --set frame=1"),
        ({"command": "match resynthesize", "interpolate": ["a", "b"]}, "--interpolate a b"),
        ({"command": "report", "figures": False, "audio": "none"}, "--no-figures --audio none"),
        ({"command": "report", "verbose": True, "jobs": 2}, "--verbose --jobs 2"),
    ],
)
def test_a_step_is_written_as_it_would_be_typed(step, line):
    commands = dict(experiment.leaves(cli.cli))
    words = experiment.step_arguments(commands, Path("e.toml"), step, {})
    assert words == [*step["command"].split(), *line.split()]


def test_an_experiment_of_windows_may_name_the_folder_of_the_user(
    music, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "e.toml").write_text(
        "[[step]]\ncommand = 'segment'\narguments = '~/music'\noutput = '~/a run'\ndry_run = true",
        encoding="utf-8-sig",
    )
    assert scatseg("run", tmp_path / "e.toml") == 0
    told = capsys.readouterr()
    assert str(music / "one.wav") in told.out
    assert f"--output '{tmp_path / 'a run'}'" in told.err  # as it can be typed again


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "", "-o", "run"),
        ("segment", "music", "-o", ""),
        ("index", "music", "-o", ""),
        ("convert", "music", "-o", ""),
    ],
)
def test_an_empty_path_is_not_the_current_folder(words, music, monkeypatch, capsys):
    monkeypatch.chdir(music.parent)
    assert scatseg(*words) == cli.USAGE
    assert "it is empty" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["music"]


def test_steps_of_an_experiment_say_as_much_as_it_is_told_to(evaluated, tmp_path, capsys):
    for i in range(7):
        formats.write(evaluated[1] / f"other{i}.lab", Segmentation([0, 8], ["x"]))
    text = (
        f"[[step]]\ncommand = 'evaluate'\narguments = {[str(path) for path in evaluated]}\n"
        f"output = '{tmp_path / 'scores'}'\nreport = false\njobs = 1\n"
    )
    (tmp_path / "e.toml").write_text(text)
    for options, n_shown in (((), 5), (("-v",), 7), (("-q",), 0)):
        capsys.readouterr()
        assert scatseg(*options, "run", tmp_path / "e.toml") == 0
        assert capsys.readouterr().err.count("is a reference without an estimate") == n_shown


def test_help_shows_every_command(capsys):
    assert scatseg("--help") == 0
    text = capsys.readouterr().out
    for name in cli.cli.commands:
        assert f"  {name} " in text


@pytest.mark.skipif(os.name == "nt", reason="pipes differ")
def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m scatseg doctor | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("python")
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("music")
def test_changes_keep_their_spelling_and_reach_steps_that_lack_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("e.toml").write_text(
        "[[step]]\ncommand = 'segment'\narguments = ['music']\noutput = 'run'\n"
        "features = 'logmel'\nsegmenter = 'foote'\njobs = 1\nreport = false\n"
    )
    changes = ("--set", "output=runs/other", "--set", "n_segments=1")
    assert scatseg("run", "e.toml", *changes) == 0
    options = json.loads(Path("runs/other/run.json").read_text())["options"]
    assert "n_segments=1" in options["segmenters"]["foote"]
    assert scatseg("run", "e.toml", "--set", "nonsense=1") == cli.USAGE


@pytest.mark.usefixtures("music")
def test_a_feature_of_the_current_folder_is_found_and_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("my_own_feature.py").write_text(
        "from scatseg.spectral import LogMel\n\ndef mine(y, sr):\n    return LogMel()(y, sr)\n"
    )
    arguments = ("segment", "music", "-o", "run", "--features", "my_own_feature:mine", "--jobs", 1)
    assert scatseg(*arguments) == 0
    assert scatseg(*arguments) == 0
    assert "two: kept" in capsys.readouterr().err
    assert "0x" not in Path("run/tracks/one.jams").read_text()


def test_results_convert_to_formats_that_hold_one(music, tmp_path, capsys):
    run = tmp_path / "run"
    systems = ("--segmenter", "foote", "--segmenter", "laplacian")
    options = ("--features", "logmel", "--no-report", "--jobs", 1, *systems)
    assert scatseg("segment", music, "-o", run, *options) == 0
    out = tmp_path / "labs"
    assert scatseg("convert", run / "tracks", "-o", out, "--format", "lab") == 0
    assert sorted(path.name for path in out.iterdir()) == ["one.lab", "two.lab"]
    assert "(--level and --system choose)" in capsys.readouterr().err
    first = formats.read_jams(run / "tracks" / "one.jams").annotations[0].segmentation
    assert formats.read(out / "one.lab")[0].segmentation.labels == first.labels


def test_references_may_lie_in_several_folders(evaluated, tmp_path, capsys):
    run, references = evaluated
    more = tmp_path / "more"
    more.mkdir()
    (references / "two.lab").rename(more / "two.lab")
    arguments = ("evaluate", run, references, "--references", more, "-o", run, "--jobs", 1)
    assert scatseg(*arguments, "--no-report") == 0
    facts = json.loads((run / "run.json").read_text())
    assert facts["evaluation"]["options"]["references"] == [str(references), str(more)]
    assert "partner" not in capsys.readouterr().err


def test_a_second_folder_for_the_same_tracks_says_how_to_name_two_annotators(
    evaluated, tmp_path, capsys
):
    run, references = evaluated
    more = tmp_path / "more"
    shutil.copytree(references, more)
    again = ("evaluate", run, references, "--references", more, "-o", run, "--no-report")
    assert scatseg(*again) == cli.USAGE
    assert "one.section1.lab, one.section2.lab" in capsys.readouterr().err
    for number, folder in enumerate((references, more), 1):
        for path in folder.glob("*.lab"):
            path.rename(references / f"{path.stem}.section{number}.lab")
    assert scatseg("evaluate", run, references, "-o", run, "--no-report") == 0
    assert "human ceiling" in capsys.readouterr().out


@pytest.mark.parametrize(
    "setting", ["granularity=high", "frame=abc", "frame=0", "half_width=-1", "sr=0", "sr=22050.5"]
)
def test_values_that_make_no_sense_are_wrong_usage(setting, music, tmp_path):
    arguments = ("-o", tmp_path / "run", "--segmenter", "foote", "--set", setting)
    assert scatseg("segment", music, *arguments) == cli.USAGE


def test_one_name_in_a_config_stands_for_a_list(music, tmp_path):
    config = tmp_path / "options.toml"
    config.write_text('features = "logmel"\nsegmenter = "foote"\n[set]\nhalf_width = 3\n')
    run = tmp_path / "run"
    assert scatseg("segment", music, "-o", run, "--config", config, "--jobs", 1) == 0
    options = json.loads((run / "run.json").read_text())["options"]
    assert "half_width=3" in options["segmenters"]["foote"]


@pytest.mark.parametrize("error", [BrokenPipeError, ChildProcessError])
def test_a_reader_that_has_gone_and_killed_workers_are_not_the_users_mistake(error):
    with pytest.raises(error), usage_errors():
        raise error


def test_segmenting_again_after_an_evaluation_warns_of_outdated_scores(music, tmp_path, capsys):
    run, references = tmp_path / "run", tmp_path / "references"
    references.mkdir()
    for name in ("one", "two"):
        (references / f"{name}.lab").write_text("0\t4\tA\n4\t8\tB\n")
    assert scatseg("segment", music, "-o", run, *FAST) == 0
    assert scatseg("evaluate", run, references, "-o", run, "--jobs", 1) == 0
    assert scatseg("segment", music, "-o", run, *FAST) == 0
    assert "outdated" not in capsys.readouterr().err
    assert scatseg("segment", music, "-o", run, *FAST, "--segmenter", "foote", "--no-report") == 0
    told = "warning: the scores are outdated: 2 of 2 scored tracks changed or gone since"
    assert told in capsys.readouterr().err
    assert (run / "summary.md").read_text().startswith("**Outdated:** 2 of 2 scored tracks")
    assert scatseg("report", run, "--no-figures") == 0
    assert told in capsys.readouterr().err

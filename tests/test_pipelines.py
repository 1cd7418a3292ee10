"""The scripts in pipelines/, each on two short songs of the form A B A B."""

import importlib
import json
import shutil
import sys
import tomllib
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from scatseg import audio, formats
from scatseg.bars import Bars
from scatseg.formats import Annotation, Jams
from scatseg.rhythm import find_grid
from scatseg.runs import Source
from scatseg.scoring import score_folder
from scatseg.search.building import add_recordings
from scatseg.search.descriptions import Describer
from scatseg.segmentation import Segmentation
from scatseg.segmenters import segmenter

PIPELINES = Path(__file__).parents[1] / "pipelines"
SR = 22050
FORM = Segmentation([0, 8, 16, 24, 32], "ABAB")
LATE = Segmentation([0, 10, 18, 26, 32], "ABAB")  # each boundary late by two seconds
CHORDS = {"A": ((220, 277, 330), (147, 220, 294)), "B": ((330, 415, 988), (196, 587, 740))}


@pytest.fixture
def script(monkeypatch):
    """Import a script such that it can import its neighbors."""
    monkeypatch.syspath_prepend(PIPELINES)
    return importlib.import_module


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `main` of a script with a command line and return its output."""

    def ran(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
        main()
        return capsys.readouterr().out

    return ran


def strummed(chord, seconds, rng):
    """Synthesize a decaying chord with a noisy attack."""
    t = np.arange(round(seconds * SR)) / SR
    tone = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in chord) / len(chord)
    return tone * np.exp(-3 * t) + 0.3 * rng.normal(size=t.size) * np.exp(-60 * t)


def played(rng):
    """Synthesize half-second chords, sixteen per section; repeated sections are equal."""
    of_letter = {
        letter: np.concatenate([strummed(chords[i // 2 % 2], 0.5, rng) for i in range(16)])
        for letter, chords in CHORDS.items()
    }
    return 0.5 * np.concatenate([of_letter[letter] for letter in FORM.labels])


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A folder of audio/<song>_mix.wav, references/<song>_mix.jams, annotations/<song>.*.lab."""
    folder = tmp_path_factory.mktemp("songs")
    for name in ("audio", "references", "annotations"):
        (folder / name).mkdir()
    for seed, name in enumerate(("one", "two")):
        y = played(np.random.default_rng(seed)).clip(-1, 1)
        audio.save(folder / "audio" / f"{name}_mix.wav", y, SR)
        formats.write(folder / "annotations" / f"{name}.phrase1.lab", [annotated(FORM)])
        write_jams(folder / "references" / f"{name}_mix.jams", annotated(FORM, annotator="1"))
    return folder


def annotated(segmentation, **options):
    return Annotation(segmentation=segmentation, level="section", **options)


def write_jams(path, *annotations):
    path.parent.mkdir(parents=True, exist_ok=True)
    formats.write_jams(path, Jams(annotations=annotations, duration=FORM.end))


def cells(markdown):
    """Read the rows of a table, by their first cell."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows if not row[0].startswith("---")}


# Reports about sets of songs.


def test_a_report_asks_for_every_song_once(script, run, tmp_path):
    report = script("song_report")
    for name in "abc":
        (tmp_path / "audio" / f"{name}.wav").parent.mkdir(exist_ok=True)
        (tmp_path / "audio" / f"{name}.wav").touch()
    asked = []

    def find(file, songs, options):
        asked.append(file.stem)
        return f"{file.stem} of {songs['title']}, {options['extra']}"

    def section(found, options):
        del options
        return "\n".join(found.values())

    options = tmp_path / "options.toml"
    options.write_text(
        f"""
        output = "{(tmp_path / "report" / "report.md").as_posix()}"
        kept = "{(tmp_path / "kept").as_posix()}"
        extra = "all of it"

        [[set]]
        title = "every other"
        audio = ["{(tmp_path / "audio").as_posix()}"]
        every = 2
        """
    )
    written = partial(report.write_report, "A title", "For help.\n\nHow it was done.\n")
    for _ in range(2):
        run(lambda: written(find, section), options)
    assert asked == ["a", "c"]
    assert (tmp_path / "report" / "report.md").read_text() == (
        "# A title\n\nHow it was done.\n\n## every other\n\n"
        "a of every other, all of it\nc of every other, all of it\n"
    )


def test_the_table_has_own_answers_peers_and_the_same_songs(script, run, tmp_path, monkeypatch):
    structure_table = script("structure_table")
    folder, peers = tmp_path / "runs" / "pop909", tmp_path / "peers"
    for song in ("pop909_001_band", "pop909_002_band", "pop909_003_piano"):
        write_jams(tmp_path / "references" / f"{song}.jams", annotated(FORM, annotator="1"))
        answers = [annotated(FORM, system="default"), annotated(LATE, system="foote")]
        write_jams(folder / "tracks" / f"{song}.jams", *answers)
    score_folder([folder / "tracks"], [tmp_path / "references"], folder / "scores")
    peers.mkdir()
    columns = ["set", "song", "ref", "alg", *structure_table.METRICS]
    rows = [
        columns,
        *(["dev", song, "section1", "theirs", *["0.25"] * 5] for song in ("002", "003")),
    ]
    (peers / "peers.csv").write_text("".join(f"{','.join(row)}\n" for row in rows))
    monkeypatch.setattr(structure_table, "SETS", {"pop909": "Three songs"})
    monkeypatch.setattr(structure_table, "PEERS", {"peers.csv": {"dev": "pop909"}})
    run(structure_table.main, tmp_path / "runs", peers, "-o", tmp_path / "table.md")
    found = cells((tmp_path / "table.md").read_text())
    right, wrong = "1.000 [1.00, 1.00]", "0.000 [0.00, 0.00]"
    assert found["default"] == ["3", *[right] * 5]
    assert found["default, on the same songs"] == ["2", *[right] * 5]
    assert found["foote"][:3] == ["3", wrong, right]
    assert found["theirs"] == ["2", *["0.250 [0.25, 0.25]"] * 5]
    assert "baseline:random" in found


def test_probabilities_are_compared_with_what_every_annotator_says(script, run, tmp_path):
    halves, thirds = (Segmentation(times, "AB") for times in ([0, 4, 12], [0, 4.4, 12]))
    quarters = Segmentation([0, 4, 8, 12], "ABA")
    answers = [
        Annotation(
            segmentation=quarters, system="default", level="phrase", confidence=(None, 0.9, 0.3)
        ),
        Annotation(segmentation=halves, system="default", level="section", confidence=(None, 0.5)),
        Annotation(segmentation=quarters, system="foote", level="1"),
    ]
    references = [
        Annotation(segmentation=halves, annotator="1", level="phrase"),
        Annotation(segmentation=quarters, annotator="2", level="phrase"),
        Annotation(segmentation=thirds, annotator="1", level="section"),
    ]
    write_jams(tmp_path / "run" / "tracks" / "song.jams", *answers)
    write_jams(tmp_path / "run" / "scores" / "references" / "song.jams", *references)
    run(script("reliability").main, tmp_path / "run", "-o", tmp_path / "found.md")
    phrases, sections = (tmp_path / "found.md").read_text().split("\n## ")[1:]
    assert cells(phrases) == {
        "probability": ["boundaries", "mean", "correct"],
        "0.2 to 0.4": ["2", "0.300", "0.500"],
        "0.8 to 1.0": ["2", "0.900", "1.000"],
        "all": ["4", "0.600", "0.750"],
    }
    assert phrases.rstrip().endswith("Expected calibration error 0.150.")
    assert cells(sections)["0.4 to 0.6"] == ["1", "0.500", "1.000"]


def test_a_run_without_probabilities_has_none_to_compare(script, run, tmp_path, capsys):
    found = [
        annotated(FORM, system="default"),
        Annotation(segmentation=FORM, system="default", level="phrase"),
    ]
    write_jams(tmp_path / "run" / "tracks" / "song.jams", *found)
    write_jams(
        tmp_path / "run" / "scores" / "references" / "song.jams", annotated(FORM, annotator="1")
    )
    with pytest.raises(SystemExit):
        run(script("reliability").main, tmp_path / "run", "-o", tmp_path / "found.md")
    assert "has no probabilities of the level phrase: segment it anew" in capsys.readouterr().err


def test_a_form_that_is_softer_or_later_is_the_same(script, songs, monkeypatch):
    robustness = script("robustness")
    known = ("as it is", "20 dB softer", "2 s of silence at both ends")
    monkeypatch.setattr(robustness, "CHANGES", {name: robustness.CHANGES[name] for name in known})
    monkeypatch.setattr(robustness, "Bars", partial(Bars, features=("mfcc", "cqt")))
    options = {"references": songs / "references"}
    found = {"one": robustness.found_in(songs / "audio" / "one_mix.wav", options, {})}
    assert found["one"]["as it is"]["F05"] > 0
    rows = cells(robustness.section(found, {}))
    assert rows["as it is"][:2] == ["1", "1.000"]
    assert rows["20 dB softer"] == rows["2 s of silence at both ends"] == rows["as it is"]


def test_boundaries_that_moved_have_not_stayed(script):
    assert script("robustness").stayed(LATE, FORM) == 0


def test_a_grid_that_is_the_annotated_one_scores_all(script, songs, tmp_path):
    grid = script("grid")
    file = songs / "audio" / "one_mix.wav"
    found = find_grid(audio.load(file, sr=SR)[0], SR)
    values = np.where(np.isin(found.beats, found.downbeats), 1, 2)
    beats = [{"time": t, "value": int(v)} for t, v in zip(found.beats, values, strict=True)]
    known = {"annotations": [{"namespace": "beat", "data": beats}]}
    (tmp_path / "one_mix.jams").write_text(json.dumps(known))
    scores = grid.found_in(file, {"beats": tmp_path}, {})
    rows = cells(grid.section({"one_mix": scores}, {}))
    all_right = ["1.000 [nan, nan]"] * 3
    assert rows["beats"] == rows["bar lines"] == ["1", *all_right]
    assert [rows[name] for name in grid.READINGS] == [["1"], *[["0"]] * 4]


@pytest.mark.parametrize(
    ("lines", "reading"),
    [
        (slice(0, None, 4), "as annotated"),
        (slice(0, None, 8), "every second"),
        (slice(4, None, 8), "every second"),
        (slice(0, None, 2), "twice as many"),
        (slice(1, None, 4), "shifted by beats"),
        (slice(3, None, 4), "shifted by beats"),
        (slice(0, None, 3), "something else"),
    ],
)
def test_bar_lines_are_named_by_what_they_are_most_like(script, lines, reading):
    beats = 0.5 * np.arange(160)
    assert script("grid").reading_of(beats[lines], beats, beats[::4]) == reading


def test_what_a_minute_costs_is_told_of_each_song_and_of_all(script, run, songs, tmp_path):
    cost = script("cost")
    run(cost.main, songs / "audio", "-n", 1, "-o", tmp_path / "cost.md")
    rows = cells((tmp_path / "cost.md").read_text())
    assert list(rows) == ["recording", "one_mix", "two_mix", "all together"]
    seconds = np.array([[[1, 2]] * 4, [[3, 4]] * 4])
    rows = cells(cost.table(["a", "b"], np.array([1, 3]), seconds))
    assert rows["a"] == ["1.0", *["1.00"] * 4, "4.00", "8.00"]
    assert rows["b"] == ["3.0", *["1.00"] * 4, "4.00", "5.33"]
    assert rows["all together"] == ["4.0", *["1.00"] * 4, "4.00", "6.00"]


@pytest.mark.parametrize(
    ("rounds", "reason"), [(0, "at least one round is needed, got 0"), (1, "is empty")]
)
def test_costs_of_nothing_are_refused(script, run, tmp_path, capsys, rounds, reason):
    (tmp_path / "audio").mkdir()
    with pytest.raises(SystemExit, match="2"):
        run(script("cost").main, tmp_path / "audio", "-n", rounds, "-o", tmp_path / "cost.md")
    assert reason in capsys.readouterr().err


def test_the_ablation_compares_features_on_both_grids(script, songs, tmp_path):
    ablation = script("ablation")
    beats = [{"time": t, "duration": 0, "value": 1 + t % 4} for t in range(32)]
    known = {"annotations": [{"namespace": "beat", "data": beats}]}
    (tmp_path / "one_mix.jams").write_text(json.dumps(known))
    options = {
        "kinds": {"MFCC": "mfcc", "chroma": "chroma"},
        "rows": {"MFCC": ["MFCC"], "both": ["MFCC", "chroma"]},
        "than": "MFCC",
    }
    of_set = {"references": songs / "references", "beats": tmp_path}
    found = {"one_mix": ablation.found_in(songs / "audio" / "one_mix.wav", of_set, options)}
    scores = dict(found["one_mix"])
    assert sorted(scores) == sorted(
        (name, learned, grid)
        for name in ("MFCC", "both")
        for learned in ("learned", "unlearned")
        for grid in ("estimated", "true")
    )
    lines = ablation.section(found, options).splitlines()[2:]
    for line in lines:
        name, learned, grid, n_songs, *means, difference = map(
            str.strip, line.strip("|").split("|")
        )
        own, other = scores[name, learned, grid], scores["MFCC", learned, grid]
        assert n_songs == "1"
        assert means == [f"{own[metric]:.3f}" for metric in ablation.SHOWN]
        less = own["F3"] - other["F3"]
        assert difference.startswith("" if name == "MFCC" else f"{less:+.3f} [")
    assert len(lines) == len(scores)


def test_a_song_is_scored_by_each_setting_of_the_weights(script, songs):
    weights = script("weights")
    options = {"settings": 4, "seed": 0, "factors": {"lengths": [0, 2], "network": [0, 1]}}
    file, of_set = songs / "audio" / "one_mix.wav", {"references": songs / "references"}
    features = Bars()(audio.load(file, sr=SR)[0], SR)
    found = [each.predict(features) for each in weights.settings(options)]
    assert weights.settings(options)[0] == segmenter("default")
    known = weights.read_jams(songs / "references" / "one_mix.jams")
    expected = [weights.scored_by_all(known, each.levels[each.default]) for each in found]
    assert weights.found_in(file, of_set, options) == [[s["F05"], s["F3"]] for s in expected]


def test_weights_are_chosen_by_all_other_songs(script):
    weights = script("weights")
    # Three settings: the second is best on song "b" only, the third on all others.
    of_song = {"a": (0.5, 0.4, 0.6), "b": (0.5, 1.0, 0.3), "c": (0.5, 0.4, 0.6)}
    found = {"set": {song: [[0, value] for value in of_song[song]] for song in of_song}}
    options = {"set": [{"title": "set", "counts": ["F3"]}]}
    lines = weights.together(found, options).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:5]]
    assert rows == [
        ["set", "3", "default", "0.000", "0.500"],
        ["set", "3", "best of 3", "0.000", "0.600"],
        ["set", "3", "leave-one-song-out", "0.000", f"{(0.4 + 0.3 + 0.4) / 3:.3f}"],
    ]
    assert lines[-1] == "Settings better than the default: 1."


# Searches with known answers.


def test_excerpts_of_an_index_are_found_again(script, run, songs, tmp_path):
    sources = [Source(path.stem, path) for path in sorted((songs / "audio").iterdir())]
    add_recordings(tmp_path / "index", sources, Describer(features="mfcc"))
    known_items = script("known_items")
    arguments = ["-n", 2, "--only", "untouched", "gain", "-o", tmp_path / "found"]
    printed = run(known_items.main, tmp_path / "index", *arguments)
    told = json.loads((tmp_path / "found" / "known_items.json").read_text())
    assert (told["excerpts"], told["recordings"]) == (2, 2)
    assert {name: each["in_ten"] for name, each in told["changes"].items()} == {
        "untouched": 1.0,
        "gain": 1.0,
    }
    assert len((tmp_path / "found" / "known_items.csv").read_text().splitlines()) == 1 + 2 * 2
    assert "in ten" in printed


def test_sections_that_come_again_find_each_other(script, run, songs, tmp_path, monkeypatch):
    sections = script("sections")
    monkeypatch.setattr(sections, "FEATURES", ("mfcc", "chroma"))
    arguments = [songs / "audio", songs / "annotations", "--store", tmp_path / "store"]
    run(sections.main, *arguments, "-o", tmp_path / "found")
    told = json.loads((tmp_path / "found" / "sections.json").read_text())
    assert (told["songs"], told["queries"]) == (2, 8)
    assert {name: each["MAP"]["mean"] for name, each in told["systems"].items()} == {
        f"{features}{way}": 1.0 for features in sections.FEATURES for way in sections.WAYS
    }


def test_intervals_of_sections_draw_songs(script, run, tmp_path, monkeypatch):
    sections = script("sections")
    monkeypatch.setattr(sections, "FEATURES", ("mfcc", "chroma"))
    monkeypatch.setattr(sections, "WAYS", ("",))
    value_of = {"one": 0.2, "two": 0.8}
    queries = [("one", 0), ("one", 1), ("one", 2), ("two", 0)]
    values = {q: dict.fromkeys(("MAP", "P@5", "MRR"), value_of[q[0]]) for q in queries}
    run(lambda: sections.tell({"mfcc": values, "chroma": values}, tmp_path))
    told = json.loads((tmp_path / "sections.json").read_text())["systems"]["mfcc"]["MAP"]
    assert (told["mean"], told["low"], told["high"]) == pytest.approx((0.35, 0.2, 0.8))


# Training songs.


@pytest.fixture
def annotated_midi(tmp_path):
    """A song of eight 4/4 bars at 120 BPM in the format of the training corpus."""
    mido = pytest.importorskip("mido", reason="needs the extra train")
    for name in ("midi", "annotations"):
        (tmp_path / name).mkdir()
    made = mido.MidiFile(ticks_per_beat=480)
    made.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)]))
    for channel, pitches in {0: (72, 76), 2: (60, 67), 3: (36, 43), 9: (36, 38)}.items():
        track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=0)])
        for beat in range(32):
            note = pitches[beat // 16]
            track.append(mido.Message("note_on", channel=channel, note=note, velocity=90))
            track.append(mido.Message("note_off", channel=channel, note=note, time=480))
        made.tracks.append(track)
    for arrangement in ("piano", "band"):
        made.save(tmp_path / "midi" / f"song.{arrangement}.mid")
    beats = [f"{0.5 * i} {1 + i % 4}" for i in range(32)]
    (tmp_path / "annotations" / "song.beats.txt").write_text("\n".join(beats))
    for level in ("phrase1", "phrase2", "section1", "section2"):
        rows = "0\t8\tA\n8\t16\tB\n"
        (tmp_path / "annotations" / f"song.{level}.lab").write_text(rows)
    return tmp_path


def bars_of(npz):
    """Read the prepared song, and check that its boundary is a bar line."""
    with np.load(npz) as arrays:
        made = dict(arrays)
    slower = made["boundaries/section1"][-1] / 16
    assert 1 / 1.08 < slower < 1.08
    inner = made["true/edges"][1:-1]
    np.testing.assert_allclose(inner, 2 * slower * np.arange(1, len(inner) + 1), rtol=1e-6)
    assert np.isclose(inner, made["boundaries/section1"][1]).any()
    return made


def test_a_sketch_has_the_bars_of_its_song(script, run, annotated_midi):
    options = annotated_midi / "options.toml"
    options.write_text(
        f"""
        [sketch]
        songs = "{annotated_midi.as_posix()}"
        output = "{(annotated_midi / "bars").as_posix()}"
        rounds = 2
        seed = 100
        positions = 4
        """
    )
    run(script("sketch_songs").main, options)
    files = sorted((annotated_midi / "bars").iterdir())
    assert [file.name for file in files] == ["song.s0.piano.npz", "song.s1.band.npz"]
    for file in files:
        made = bars_of(file)
        for grid in ("true", "estimated"):
            n_bars = len(made[f"{grid}/edges"]) - 1
            assert {made[f"{grid}/{kind}"].shape for kind in ("cqt", "mfcc", "chroma")} == {
                (n_bars, 4 * size) for size in (84, 20, 12)
            }


def test_a_render_has_the_bars_of_its_song(script, run, annotated_midi):
    as_trained = tomllib.loads((PIPELINES / "train_structure.toml").read_text())["render"]
    soundfont = Path(as_trained["soundfont"])
    if shutil.which("fluidsynth") is None or not soundfont.is_file():
        pytest.skip(f"needs fluidsynth and a soundfont at {soundfont}")
    options = annotated_midi / "options.toml"
    options.write_text(
        f"""
        [render]
        songs = "{annotated_midi.as_posix()}"
        output = "{(annotated_midi / "bars").as_posix()}"
        soundfont = "{soundfont.as_posix()}"
        rounds = 1
        seed = 0
        features = ["mfcc", "chroma"]
        only_in = {{}}
        """
    )
    printed = run(script("render_songs").main, options)
    made = bars_of(annotated_midi / "bars" / "song.0.piano.npz")
    assert made["true/mfcc"].shape == (len(made["true/edges"]) - 1, 8 * 20)
    assert made["true/chroma"].shape == (len(made["true/edges"]) - 1, 8 * 12)
    assert "song.0.piano.npz" in printed

"""Runs over many tracks: resumable, isolated and deterministic."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from joblib.externals.loky import get_reusable_executor
from tests import hostile

from scatseg import audio, formats, pieces, runs, workers
from scatseg.analysis import SegmentJob, analyze
from scatseg.collection import segment_collection
from scatseg.report import build
from scatseg.runs import Source, find_sources, read_failures, write_run
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.segmenters import Curve, Prediction
from scatseg.workers import Receipt

JOB = SegmentJob(segmenters=("foote:half_width=4,min_duration=2",), features="logmel:n_mels=12")
SR = 8000


def write_tracks(folder, names):
    """Recordings of eight seconds: four seconds each of two tones."""
    folder.mkdir()
    for i, name in enumerate(names):
        t = np.arange(4 * SR) / SR
        y = np.concatenate([np.sin(2 * np.pi * f * t) for f in (220 + 20 * i, 1000)])
        audio.save(folder / f"{name}.wav", 0.5 * y, SR)
    return find_sources([folder], extensions=[".wav"]).sources


def contents(run):
    """Bytes of all results except run.json, which has times and host data."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in ("run.json", ".lock")
    }


@pytest.fixture
def sources(tmp_path):
    return write_tracks(tmp_path / "audio", ["one", "two", "three"])


def exports(run):
    return {path.name: path.read_bytes() for path in (run / "exports").iterdir()}


def statuses(receipts):
    return {receipt.track: receipt.status for receipt in receipts}


def test_every_track_is_segmented(sources, tmp_path):
    segment_collection(sources, tmp_path / "run", JOB)
    jams = formats.read_jams(tmp_path / "run" / "tracks" / "one.jams")
    (found,) = jams.annotations
    assert found.system == JOB.segmenters[0]
    np.testing.assert_allclose(found.segmentation.boundaries, [0, 4, 8], atol=0.5)
    assert found.segmentation.labels == ("A", "B")
    assert jams.duration == 8


def test_the_default_level_of_the_default_system_comes_first(sources, tmp_path):
    job = SegmentJob(segmenters=("laplacian", "foote"), features="logmel")
    segment_collection(sources[:1], tmp_path / "run", job)
    (path,) = (tmp_path / "run" / "tracks").iterdir()
    annotations = formats.read_jams(path).annotations
    systems = [found.system for found in annotations]
    assert systems == ["laplacian"] * (len(systems) - 1) + ["foote"]
    expected, *_ = analyze(*audio.load(sources[0].path), job)
    assert annotations[0].segmentation == expected[0].segmentation


def test_data_of_the_report_figures_are_kept(sources, tmp_path):
    segment_collection(sources[:1], tmp_path / "run", JOB)
    with np.load(tmp_path / "run" / "arrays" / f"{sources[0].id}.npz") as arrays:
        system = JOB.segmenters[0]
        assert arrays["S"].dtype == np.uint8
        assert arrays["S_edges"][-1] == 8
        assert arrays[f"novelty_{system}"].shape == arrays[f"novelty_edges_{system}"].shape
        assert arrays["waveform"].min() < -60
        assert arrays["waveform"].shape[0] == 2


@pytest.mark.parametrize("sr", [8000.0, np.int64(8000)])
def test_the_rate_of_a_job_is_a_whole_number_of_any_type(sr):
    assert repr(SegmentJob(sr=sr)) == repr(SegmentJob(sr=8000))
    with pytest.raises(ValueError, match="sr must be a whole number of Hz from 1000 to 1000000"):
        SegmentJob(sr=sr / 10)


def test_a_second_call_keeps_finished_tracks(sources, tmp_path):
    segment_collection(sources, tmp_path / "run", JOB)
    before = contents(tmp_path / "run")
    again = segment_collection(sources, tmp_path / "run", JOB)
    assert set(statuses(again).values()) == {"kept"}
    assert contents(tmp_path / "run") == before


def test_finished_tracks_need_no_worker(sources, tmp_path, monkeypatch):
    segment_collection(sources[:2], tmp_path / "run", JOB)
    in_workers = []

    def in_processes(work, batch, **_):
        in_workers.extend(source.id for source in batch)
        return map(work, batch)

    monkeypatch.setattr(workers, "_in_processes", in_processes)
    job = dataclasses.replace(JOB, exports=("lab",))
    for named in (sources[:2], sources):
        segment_collection(named, tmp_path / "run", job, n_jobs=2)
    assert in_workers == [sources[2].id]
    assert len(list((tmp_path / "run" / "exports").iterdir())) == len(sources)
    segment_collection(sources, tmp_path / "run", job, n_jobs=2, force=True)
    assert in_workers[1:] == [source.id for source in sources]


def test_force_recomputes_finished_tracks(sources, tmp_path):
    segment_collection(sources, tmp_path / "run", JOB)
    again = segment_collection(sources, tmp_path / "run", JOB, force=True)
    assert set(statuses(again).values()) == {"done"}


def test_changed_options_trigger_recomputation(sources, tmp_path):
    segment_collection(sources, tmp_path / "run", JOB)
    other = SegmentJob(segmenters=JOB.segmenters, features="logmel:n_mels=13")
    again = segment_collection(sources, tmp_path / "run", other)
    assert set(statuses(again).values()) == {"done"}


def test_changed_custom_code_triggers_recomputation(sources, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "segmenter_of_ones_own.py"
    code = "from scatseg.segmenters import FooteSegmenter\nclass Mine(FooteSegmenter): pass\n"
    module.write_text(code, encoding="utf-8")
    job = SegmentJob(segmenters=("segmenter_of_ones_own:Mine",), features="logmel")
    for change, status in (("", "done"), ("", "kept"), ("# otherwise\n", "done")):
        module.write_text(code + change, encoding="utf-8")
        (receipt,) = segment_collection(sources[:1], tmp_path / "run", job)
        assert receipt.status == status


def test_changed_audio_triggers_recomputation(sources, tmp_path):
    segment_collection(sources, tmp_path / "run", JOB)
    audio.save(sources[0].path, np.sin(np.arange(SR)), SR)
    again = statuses(segment_collection(sources, tmp_path / "run", JOB))
    assert again == {source.id: "kept" for source in sources} | {sources[0].id: "done"}


def test_a_damaged_result_is_recomputed(sources, tmp_path):
    segment_collection(sources, tmp_path / "run", JOB)
    target = tmp_path / "run" / "tracks" / "one.jams"
    whole = target.read_bytes()
    target.write_bytes(whole[:100])
    assert statuses(segment_collection(sources, tmp_path / "run", JOB))["one"] == "done"
    assert target.read_bytes() == whole


def test_a_bad_file_does_not_stop_the_run(sources, tmp_path):
    bad = tmp_path / "audio" / "bad.wav"
    bad.write_text("this is not music")
    receipts = segment_collection([*sources, Source("bad", bad)], tmp_path / "run", JOB, n_jobs=2)
    assert statuses(receipts) == {source.id: "done" for source in sources} | {"bad": "failed"}
    (failure,) = read_failures(tmp_path / "run")
    assert (failure.track, failure.stage) == ("bad", "read")
    assert failure.error.startswith("NotAudioError: ")


def test_a_repaired_file_is_removed_from_the_failures(tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("this is not music")
    segment_collection([Source("bad", bad)], tmp_path / "run", JOB)
    audio.save(bad, np.sin(np.arange(SR)), SR)
    segment_collection([Source("bad", bad)], tmp_path / "run", JOB)
    assert read_failures(tmp_path / "run") == []


def test_a_file_that_is_gone_is_removed_from_the_failures(sources, tmp_path):
    bad, away = tmp_path / "audio" / "bad.wav", tmp_path / "audio" / "away.wav"
    run = tmp_path / "run"
    for path in (bad, away):
        path.write_text("this is not music")
    both = [Source(path.stem, path) for path in (bad, away)]
    segment_collection(both, run, JOB)
    write_run(run, options={}, started="", seconds=0.0, sources=both)
    away.unlink()
    segment_collection(sources, run, JOB)
    assert [failure.track for failure in read_failures(run)] == ["bad"]


def test_receipts_are_reported_immediately(sources, tmp_path):
    told = []
    receipts = segment_collection(sources, tmp_path / "run", JOB, on_receipt=told.append)
    assert told == receipts
    assert all(isinstance(receipt, Receipt) and receipt.seconds > 0 for receipt in told)


def test_output_is_bytewise_independent_of_the_number_of_processes(sources, tmp_path):
    job = SegmentJob(segmenters=("laplacian",), features="scattering:J=9")
    segment_collection(sources, tmp_path / "alone", job, n_jobs=1)
    segment_collection(sources, tmp_path / "together", job, n_jobs=2)
    assert contents(tmp_path / "alone") == contents(tmp_path / "together")


BARS = SegmentJob(features="bars:features=mfcc,positions=2")


@pytest.mark.parametrize("name", ["one.csv", "one.beats.txt"])
def test_bar_lines_are_read_from_a_beat_file(sources, tmp_path, name):
    beats = tmp_path / "beats"
    beats.mkdir()
    lines = "".join(f"{0.5 * i + 0.25},{i % 2 + 1}\n" for i in range(16))
    (beats / name).write_text(lines, encoding="utf-8")
    job = dataclasses.replace(BARS, beats=beats)
    run = tmp_path / "run"
    segment_collection(sources, run, job)
    edges = np.load(run / "arrays" / "one.npz")["novelty_edges_default"]
    np.testing.assert_allclose(edges, [0, *np.arange(0.25, 8, 1), 8])
    facts = formats.read_jams(run / "tracks" / "two.jams").sandbox["scatseg"]
    assert "no beats of this name in beats, or several: they were estimated" in facts["warnings"]


@pytest.mark.parametrize(
    ("ids", "files", "pairs"),
    [
        (["a__1", "b__1"], ["a/1.txt", "b/1.txt"], {"a__1": "a/1.txt", "b__1": "b/1.txt"}),
        (["a__1", "b__1"], ["1.txt"], {}),
        (["a__1", "a__2"], ["1.txt", "2.csv"], {"a__1": "1.txt", "a__2": "2.csv"}),
        (["1", "2"], ["a/1.txt", "b/1.txt", "b/2.txt"], {"2": "b/2.txt"}),
        (["1_piano"], ["a/1.beats.txt"], {"1_piano": "a/1.beats.txt"}),
    ],
)
def test_beat_files_are_matched_by_folder_or_by_a_unique_name(tmp_path, ids, files, pairs):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    job = dataclasses.replace(BARS, beats=tmp_path)
    found = job.beats_of([Source(id_, Path("nowhere")) for id_ in ids])
    assert found == {id_: tmp_path / name for id_, name in pairs.items()}


class EachRow:
    """A segmenter that returns each frame as a section."""

    hears = "bars:features=mfcc,positions=2"

    def predict(self, features):
        return Segmentation(features.edges, [str(i) for i in range(len(features))])


class EachSecond(EachRow):
    hears = "bars:features=mfcc,positions=2,length=1"


class Leaver(EachRow):
    """A segmenter that ends the process, or is interrupted, in its second recording."""

    hears = "logmel:n_mels=12"
    n_before = 0

    def __init__(self, raises="SystemExit"):
        self._error = {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[raises]

    def predict(self, features):
        Leaver.n_before += 1
        if Leaver.n_before == 2:
            raise self._error(3)
        return super().predict(features)


def test_an_exit_in_custom_code_is_a_failure_of_the_track(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(Leaver, "n_before", 0)
    job = SegmentJob(segmenters=(f"{__name__}:Leaver",))
    receipts = segment_collection(sources, tmp_path / "run", job)
    assert [receipt.status for receipt in receipts] == ["done", "failed", "done"]
    (failure,) = read_failures(tmp_path / "run")
    assert failure == (sources[1].id, f"segment ({__name__}:Leaver)", "SystemExit: 3")


class Flawed(EachRow):
    """A segmenter that fails in its second recording."""

    n_before = 0

    def predict(self, features):
        Flawed.n_before += 1
        if Flawed.n_before == 2:
            return 1 / 0
        return super().predict(features)


def flawed_features(*_):
    return 1 / 0


class OfFlawed(EachRow):
    hears = f"{__name__}:flawed_features"


class AlsoOfFlawed(OfFlawed):
    pass


@pytest.mark.parametrize("is_first", [True, False])
def test_a_system_that_fails_leaves_the_others_and_is_tried_again(
    sources, tmp_path, monkeypatch, is_first
):
    monkeypatch.setattr(Flawed, "n_before", 0)
    flawed, run = f"{__name__}:Flawed", tmp_path / "run"
    names = (flawed, *JOB.segmenters) if is_first else (*JOB.segmenters, flawed)
    job = SegmentJob(segmenters=names, features=JOB.features, exports=("lab",))
    receipts = segment_collection(sources, run, job)
    failure = (sources[1].id, f"segment ({flawed})", "ZeroDivisionError: division by zero")
    assert [receipt.status for receipt in receipts] == ["done"] * 3
    assert [receipt.partial for receipt in receipts] == [(), (failure,), ()]
    assert read_failures(run) == [failure]
    systems = [
        tuple(each.system for each in formats.read_jams(run / f"tracks/{id_}.jams").annotations)
        for id_ in statuses(receipts)
    ]
    assert systems == [names, JOB.segmenters, names]
    # An export without a system in its name is that of the default one.
    assert (run / "exports" / f"{sources[1].id}.lab").exists() != is_first
    again = segment_collection(sources, run, job)
    assert [receipt.status for receipt in again] == ["kept", "done", "kept"]
    assert read_failures(run) == []
    segment_collection(sources, tmp_path / "whole", job)
    assert contents(run) == contents(tmp_path / "whole")


def test_features_that_fail_leave_the_systems_of_others(sources, tmp_path):
    names = tuple(f"{__name__}:{kind}" for kind in ("OfFlawed", "EachSecond", "AlsoOfFlawed"))
    run, job = tmp_path / "run", SegmentJob(segmenters=names)
    (receipt,) = segment_collection(sources[1:2], run, job)
    stage = f"features ({__name__}:flawed_features)"
    assert [each.stage for each in receipt.partial] == [stage]
    (found,) = formats.read_jams(run / f"tracks/{receipt.track}.jams").annotations
    assert found.system == names[1]
    (receipt,) = segment_collection(sources[1:2], run, SegmentJob(segmenters=(names[0], names[2])))
    assert receipt.failure.stage == stage


def test_an_interrupt_in_custom_code_ends_the_run(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(Leaver, "n_before", 0)
    job = SegmentJob(segmenters=(f"{__name__}:Leaver:raises=KeyboardInterrupt",))
    with pytest.raises(KeyboardInterrupt):
        segment_collection(sources, tmp_path / "run", job)


def test_beats_do_not_affect_frames_of_fixed_length(sources, tmp_path):
    beats = tmp_path / "one.csv"
    beats.write_text("".join(f"{2 * i + 0.25},1\n" for i in range(4)), encoding="utf-8")
    names = [f"{__name__}:{kind.__name__}" for kind in (EachRow, EachSecond)]
    y, sr = audio.load(sources[0].path, sr=SR)
    found = analyze(y, sr, SegmentJob(segmenters=tuple(names), beats=beats), beats=beats)
    bars, seconds = (each.segmentation.boundaries for each in found.annotations)
    np.testing.assert_allclose(bars, [0, 0.25, 2.25, 4.25, 6.25, 8])
    np.testing.assert_allclose(seconds, range(9), atol=1e-3)


def test_changed_beats_trigger_recomputation(sources, tmp_path):
    beats = tmp_path / "one.csv"
    for text, status in (("1\n2\n3\n", "done"), ("1\n2\n3\n", "kept"), ("1\n2\n4\n", "done")):
        beats.write_text(text, encoding="utf-8")
        job = dataclasses.replace(BARS, beats=beats)
        (receipt,) = segment_collection(sources[:1], tmp_path / "run", job)
        assert receipt.status == status


def test_removed_beats_trigger_recomputation(sources, tmp_path):
    (tmp_path / "one.csv").write_text("1\n2\n3\n", encoding="utf-8")
    given = dataclasses.replace(BARS, beats=tmp_path / "one.csv")
    for job, status in ((given, "done"), (BARS, "done"), (BARS, "kept"), (given, "done")):
        (receipt,) = segment_collection(sources[:1], tmp_path / "run", job)
        assert receipt.status == status


def test_an_empty_path_of_beats_is_not_the_current_folder():
    with pytest.raises(ValueError, match="beats must be the path of a file or a folder, it is emp"):
        SegmentJob(beats="")


def test_beats_may_be_named_by_a_string(sources, tmp_path):
    (tmp_path / "one.csv").write_text("1\n2\n3\n", encoding="utf-8")
    named = dataclasses.replace(BARS, beats=str(tmp_path / "one.csv"))
    assert named == dataclasses.replace(BARS, beats=tmp_path / "one.csv")
    (receipt,) = segment_collection(sources[:1], tmp_path / "run", named)
    assert receipt.status == "done"
    with pytest.raises(TypeError, match="beats must be the path of a file or a folder, got list"):
        dataclasses.replace(BARS, beats=[0.5, 1.0])


def test_one_beat_file_for_several_recordings_raises(sources, tmp_path):
    (tmp_path / "one.csv").write_text("1\n2\n3\n", encoding="utf-8")
    job = dataclasses.replace(BARS, beats=tmp_path / "one.csv")
    with pytest.raises(ValueError, match=r"3 recordings need a folder of beats, but .*one\.csv"):
        segment_collection(sources, tmp_path / "run", job)


def test_beats_in_milliseconds_are_a_failure_with_the_reason(sources, tmp_path):
    lines = "".join(f"{500 * i}\n" for i in range(16))
    (tmp_path / "one.csv").write_text(lines, encoding="utf-8")
    job = dataclasses.replace(BARS, beats=tmp_path / "one.csv")
    (receipt,) = segment_collection(sources[:1], tmp_path / "run", job)
    assert "one.csv: beats must be seconds within the recording of 8.0 s, but 15 of" in (
        receipt.failure.error
    )


class Sure:
    """A segmenter with a boundary of given probability at each second."""

    def __init__(self, calibrated=True, share=1.0):
        self.calibrated = calibrated
        self.share = share

    def predict(self, features):
        levels = [Segmentation(t, "ABCDEFGH"[: len(t) - 1]) for t in ([0, 3, 8], range(9))]
        assert features.duration == 8
        return Hierarchy(levels, ["section", "phrase"], default=1)

    def predict_with_novelty(self, features):
        edges = np.arange(17) / 2
        heights = self.share * edges / features.duration
        curve = Curve(edges, heights, is_probability=self.calibrated)
        return Prediction(self.predict(features), curve)


@pytest.mark.parametrize(
    ("calibrated", "confidence"), [("True", (None, *np.arange(1, 8) / 8)), ("False", ())]
)
def test_boundaries_have_probabilities_where_known(sources, tmp_path, calibrated, confidence):
    name = f"{__name__}:Sure:calibrated={calibrated}"
    job = SegmentJob(segmenters=(name,), features="logmel", exports=("csv",))
    segment_collection(sources[:1], tmp_path / "run", job)
    phrases, sections = formats.read_jams(tmp_path / "run" / "tracks" / "one.jams").annotations
    assert phrases.confidence == confidence
    assert sections.confidence == ()  # it has no curve
    (exported,) = formats.read(tmp_path / "run" / "exports" / "one.csv")
    assert exported.confidence == confidence


def test_sections_of_the_default_segmenter_have_section_probabilities():
    piece = pieces.compose("aaba")
    found = analyze(piece.y, piece.sr, SegmentJob(segmenters=("default",))).annotations
    phrases, sections = (
        dict(zip(each.segmentation.boundaries, each.confidence, strict=False)) for each in found
    )
    assert set(sections) < set(phrases)
    inner = [start for start in sections if start > 0]
    assert all(0 < sections[start] <= 1 for start in inner)
    assert any(sections[start] != phrases[start] for start in inner)


@pytest.mark.parametrize(
    ("share", "warnings"),
    [
        ("1.0", []),
        ("0.8", ["{}: the form is uncertain, about 3 of 7 boundaries are expected to be correct"]),
    ],
)
def test_a_form_with_few_probable_boundaries_warns(sources, tmp_path, share, warnings):
    name = f"{__name__}:Sure:share={share}"
    job = SegmentJob(segmenters=(name,), features="logmel")
    segment_collection(sources[:1], tmp_path / "run", job)
    facts = formats.read_jams(tmp_path / "run" / "tracks" / "one.jams").sandbox["scatseg"]
    assert facts["warnings"] == [warning.format(name) for warning in warnings]


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        ({"n_segments": 2}, []),
        ({"n_segments": 40}, ["{}: 40 sections requested, 2 found"]),
        ({"n_labels": 2}, []),
        ({"n_labels": 9}, ["{}: 9 labels requested, 2 found"]),
    ],
)
def test_fewer_sections_or_labels_than_requested_warn(sources, settings, warnings):
    job = dataclasses.replace(JOB, settings=settings)
    y, sr = audio.load(sources[0].path, sr=SR)
    expected = tuple(warning.format(job.segmenters[0]) for warning in warnings)
    assert analyze(y, sr, job).warnings == expected


@pytest.mark.parametrize(
    ("y", "message"), [(np.zeros(0), "n_samples > 0"), (np.full(SR, np.nan), "must be finite")]
)
def test_a_signal_that_is_empty_or_not_finite_raises(y, message):
    with pytest.raises(ValueError, match=message):
        analyze(y, SR, JOB)


def test_beats_that_cannot_be_read_are_a_failure_with_the_reason(sources, tmp_path):
    (tmp_path / "one.csv").write_text("verse,chorus\n", encoding="utf-8")
    job = dataclasses.replace(BARS, beats=tmp_path / "one.csv")
    (receipt,) = segment_collection(sources[:1], tmp_path / "run", job)
    assert receipt.status == "failed"
    assert "one.csv: no beats" in receipt.failure.error


def test_uncertain_bar_lines_are_a_warning_of_the_track(sources, tmp_path):
    segment_collection(sources[:1], tmp_path / "run", BARS)
    facts = formats.read_jams(tmp_path / "run" / "tracks" / "one.jams").sandbox["scatseg"]
    assert facts["warnings"][0] == "no clear pulse: bars could not be estimated"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beats": Path("nowhere")}, "nowhere: a file or a folder of beats is needed"),
        ({"beats": Path(), "features": "mfcc"}, "without a length, got mfcc"),
        ({"beats": Path(), "segmenters": ("foote",)}, "length, got scattering"),
        ({"beats": Path(), "segmenters": ("grid-free",)}, "got bars:length=0.5,positions=1"),
    ],
)
def test_unused_beats_raise(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentJob(**options)


def test_silence_is_one_segment_called_silence():
    annotations, pictures, _ = analyze(np.zeros(3 * SR, np.float32), SR, JOB)
    (found,) = annotations
    assert found.segmentation.labels == ("silence",)
    assert found.segmentation.boundaries == (0.0, 3.0)
    assert "S" not in pictures


@pytest.mark.parametrize("first", ["phrase", "section"])
def test_silence_has_the_levels_of_its_system_in_order(first):
    name = f"default:level={first}"
    annotations = analyze(
        np.zeros(3 * SR, np.float32), SR, SegmentJob(segmenters=(name, "foote"))
    ).annotations
    levels = [(found.system, found.level) for found in annotations]
    second = {"phrase": "section", "section": "phrase"}[first]
    assert levels == [(name, first), (name, second), ("foote", "1")]


@pytest.mark.parametrize("height", [0.0, 5e-6])
def test_silence_warns_once(tmp_path, height):
    soundfile.write(tmp_path / "quiet.wav", np.full(3 * SR, height), SR, subtype="FLOAT")
    (source,) = find_sources([tmp_path / "quiet.wav"], extensions=[".wav"]).sources
    segment_collection([source], tmp_path / "run", JOB)
    facts = formats.read_jams(tmp_path / "run" / "tracks" / "quiet.jams").sandbox["scatseg"]
    (warning,) = facts["warnings"]
    assert warning.startswith("silent: ")


@pytest.mark.parametrize("sr", [SR, 22050])
def test_a_constant_warns_that_nothing_is_heard(tmp_path, sr):
    soundfile.write(tmp_path / "constant.wav", np.full(20 * sr, 0.5), sr)
    y, sr = audio.load(tmp_path / "constant.wav", sr=22050)
    warnings = analyze(y, sr, SegmentJob()).warnings
    assert warnings[1:] == ("nothing is heard: the signal is a constant 0.5",)


def test_a_recording_too_short_for_two_sections_warns():
    y = np.sin(np.arange(3 * SR) / 5).astype(np.float32)
    (warning,) = analyze(y, SR, JOB).warnings
    reason = "too short to find sections: 3 of at least 4 s"
    assert warning == f"{JOB.segmenters[0]}: {reason}"


def test_other_formats_are_written_beside(sources, tmp_path):
    job = SegmentJob(segmenters=("foote", "laplacian"), features="logmel", exports=("lab", "csv"))
    segment_collection(sources[:1], tmp_path / "run", job)
    names = {path.name for path in (tmp_path / "run" / "exports").iterdir()}
    id_ = sources[0].id
    assert names == {
        f"{id_}{middle}{end}" for middle in ("", ".laplacian") for end in (".lab", ".csv")
    }
    (written,) = formats.read(tmp_path / "run" / "exports" / f"{id_}.lab")
    jams = formats.read_jams(tmp_path / "run" / "tracks" / f"{id_}.jams")
    assert written.segmentation.labels == jams.annotations[0].segmentation.labels


def test_a_finished_track_that_cannot_be_exported_fails_and_is_not_tried_again(
    sources, tmp_path, monkeypatch
):
    run, tried = tmp_path / "run", []
    segment_collection(sources, run, JOB)
    before = {path: path.read_bytes() for path in sorted((run / "tracks").iterdir())}

    def export(path, *_, **__):
        tried.append(path.name)
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(formats, "write", export)
    job = dataclasses.replace(JOB, exports=("lab",))
    receipts = segment_collection(sources, run, job)
    assert {receipt.failure.stage for receipt in receipts} == {"export"}
    assert sorted(tried) == sorted(f"{source.id}.lab" for source in sources)
    assert {path: path.read_bytes() for path in sorted((run / "tracks").iterdir())} == before


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"force": True},
        {"segmenters": (*JOB.segmenters, "foote")},
        {"segmenters": ("foote", *JOB.segmenters)},
        {"features": "logmel:n_mels=8"},
        {"exports": ("lab", "textgrid", "csv")},
        {"versions": {"librosa": "0.0"}},
    ],
    ids=repr,
)
def test_exports_corrected_by_hand_are_kept_whatever_changes(
    change, sources, tmp_path, monkeypatch
):
    run, (source, *_) = tmp_path / "run", sources
    job = dataclasses.replace(JOB, exports=("lab", "textgrid"))
    segment_collection(sources[:2], run, job)
    paths = [run / "exports" / f"{source.id}.{suffix}" for suffix in ("lab", "TextGrid")]
    for path in paths:
        path.write_bytes(path.read_bytes() + b"\n")
    corrected = [path.read_bytes() for path in paths]
    if "versions" in change:
        monkeypatch.setattr(runs, "versions", lambda _: change["versions"])
    options = {key: value for key, value in change.items() if key not in ("force", "versions")}
    changed = dataclasses.replace(job, **options)
    first, second = segment_collection(sources[:2], run, changed, force=change.get("force", False))
    assert [path.read_bytes() for path in paths] == corrected
    is_new = first.status == "done"
    assert is_new == any(key != "exports" for key in change)
    kept = [f"exports/{path.name}" for path in paths] if is_new else []
    assert [text.split()[0] for text in first.warnings if "by hand" in text] == kept
    assert not [text for text in second.warnings if "by hand" in text]
    for path in paths:
        path.unlink()
    assert statuses(segment_collection(sources[:2], run, changed)) == {
        source.id: "kept" for source in sources[:2]
    }
    segment_collection(sources[:2], tmp_path / "anew", changed)
    assert exports(run) == exports(tmp_path / "anew")


def test_exports_that_nobody_corrected_are_replaced_with_their_track(sources, tmp_path):
    job = SegmentJob(
        segmenters=("foote", "laplacian"), features="logmel", exports=tuple(formats.FORMATS)
    )
    segment_collection(sources[:1], tmp_path / "run", job)
    changed = dataclasses.replace(
        job, segmenters=("laplacian",), settings={"n_segments": 4}, exports=("lab", "jams")
    )
    (receipt,) = segment_collection(sources[:1], tmp_path / "run", changed)
    assert receipt.status == "done"
    assert not [text for text in receipt.warnings if "by hand" in text]
    segment_collection(sources[:1], tmp_path / "anew", changed)
    assert exports(tmp_path / "run") == exports(tmp_path / "anew")


def test_an_export_without_its_track_is_kept_unless_it_is_the_same(sources, tmp_path):
    run, job = tmp_path / "run", dataclasses.replace(JOB, exports=("lab",))
    segment_collection(sources[:2], run, job)
    for source in sources[:2]:
        (run / "tracks" / f"{source.id}.jams").unlink()
    path = run / "exports" / f"{sources[0].id}.lab"
    path.write_text("0 20 HAND\n")
    first, second = segment_collection(sources[:2], run, job)
    assert path.read_text() == "0 20 HAND\n"
    assert len(first.warnings) == 1
    assert not second.warnings


def test_exports_of_kept_tracks_are_written_too(sources, tmp_path):
    segment_collection(sources, tmp_path / "run", JOB)
    job = SegmentJob(segmenters=JOB.segmenters, features=JOB.features, exports=("lab",))
    receipts = segment_collection(sources, tmp_path / "run", job)
    assert set(statuses(receipts).values()) == {"kept"}
    assert len(list((tmp_path / "run" / "exports").iterdir())) == len(sources)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "mfccc"}, "unknown feature 'mfccc': choose from scattering"),
        ({"segmenters": ("fote",)}, "unknown segmenter 'fote': choose from laplacian"),
        ({"segmenters": ("foote", "foote")}, "each system needs a name of its own"),
        ({"segmenters": ()}, "each system needs a name of its own"),
        ({"settings": {"half_widht": 3}}, "no segmenter here has an option 'half_widht'"),
        ({"exports": ("xml",)}, "unknown format 'xml'"),
        ({"segmenters": ("foote:half_widht=3",)}, "its options are frame, half_width"),
    ],
)
def test_an_invalid_job_raises_on_construction(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentJob(**options)


def test_settings_apply_to_the_segmenters_that_have_them():
    job = SegmentJob(segmenters=("foote", "laplacian"), settings={"n_labels": 3, "frame": 1})
    assert job.systems()["foote"].n_labels == 3
    assert {each.frame for each in job.systems().values()} == {1}


class Even:
    """A segmenter that is no dataclass: segments of equal length."""

    hears = "logmel"

    def __init__(self, n_segments=4):
        self.n_segments = n_segments

    def predict(self, features):
        edges = np.linspace(0, features.duration, self.n_segments + 1)
        return Segmentation(edges, [str(i) for i in range(self.n_segments)])


def test_settings_apply_to_segmenters_that_are_no_dataclasses(sources, tmp_path):
    for n, status in ((3, "done"), (3, "kept"), (5, "done")):
        job = SegmentJob(segmenters=(f"{__name__}:Even",), settings={"n_segments": n})
        (receipt,) = segment_collection(sources[:1], tmp_path / "run", job)
        assert receipt.status == status
        (found,) = formats.read_jams(tmp_path / "run" / "tracks" / "one.jams").annotations
        assert len(found.segmentation) == n


def test_a_setting_that_no_segmenter_has_names_those_there_are():
    with pytest.raises(ValueError, match=r"has an option 'frame': there are n_segments$"):
        SegmentJob(segmenters=(f"{__name__}:Even",), settings={"frame": 1})
    with pytest.raises(ValueError, match=r"has an option 'frame': there are none$"):
        SegmentJob(segmenters=(f"{__name__}:EachRow",), settings={"frame": 1})


DEADLY = """
import os
from scatseg.spectral import LogMel

def deadly(y, sr):
    if len(y) < 3 * sr:
        os._exit(9)
    return LogMel(n_mels=12)(y, sr)
"""


def write_deadly_module(tmp_path, monkeypatch):
    """Write a feature that kills its process on recordings of under three seconds."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "deadly_features.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.fspath(folder), prepend=os.pathsep)


@pytest.fixture
def deadly_module(tmp_path, monkeypatch):
    write_deadly_module(tmp_path, monkeypatch)
    get_reusable_executor().shutdown(wait=True)  # workers of earlier tests have a different path
    return "deadly_features:deadly"


@pytest.mark.slow
def test_a_track_that_kills_its_worker_fails_alone(tmp_path, deadly_module):
    sources = write_tracks(tmp_path / "audio", [f"good{i}" for i in range(5)])
    for name in ("poison1", "poison2"):
        path = tmp_path / "audio" / f"{name}.wav"
        audio.save(path, np.sin(np.arange(2 * SR)), SR)
        sources = (*sources, Source(name, path))
    job = SegmentJob(segmenters=JOB.segmenters, features=deadly_module)
    receipts = statuses(segment_collection(sources, tmp_path / "run", job, n_jobs=2))
    assert {id_ for id_, status in receipts.items() if status == "failed"} == {"poison1", "poison2"}
    assert {failure.stage for failure in read_failures(tmp_path / "run")} == {"process"}
    assert len(list((tmp_path / "run" / "tracks").iterdir())) == 5


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills a process group")
def test_a_killed_run_is_resumed_to_the_same_bytes(tmp_path):
    sources = write_tracks(tmp_path / "audio", [f"track{i}" for i in range(24)])
    job = SegmentJob(segmenters=("foote", "laplacian"), features="scattering:J=9")
    segment_collection(sources, tmp_path / "whole", job)
    run = tmp_path / "killed"
    script = f"""
from pathlib import Path
from scatseg.analysis import SegmentJob
from scatseg.collection import segment_collection
from scatseg.runs import find_sources
sources = find_sources([{os.fspath(tmp_path / "audio")!r}], extensions=[".wav"]).sources
job = SegmentJob(segmenters=("foote", "laplacian"), features="scattering:J=9")
segment_collection(sources, Path({os.fspath(run)!r}), job, n_jobs=2)
"""
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    with process:
        _wait_for(lambda: any(run.glob("tracks/*.jams")))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        _wait_for(lambda: not _group_is_alive(process.pid))
    assert len(list(run.glob("tracks/*.jams"))) < len(sources)
    receipts = segment_collection(sources, run, job, n_jobs=2)
    assert "kept" in statuses(receipts).values()
    assert contents(run) == contents(tmp_path / "whole")


def _wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


def _group_is_alive(group):
    """Whether any worker of the killed process is still running."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return any(
            _group_of(process.name) == group
            for process in Path("/proc").iterdir()
            if process.name.isdigit()
        )
    return False


def _group_of(pid):
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(int(pid))
    return None


@pytest.mark.slow
def test_hostile_files_are_listed_and_good_ones_processed(tmp_path):
    """All inputs of `tests/hostile.py`, which states the expected outcomes."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    cases = hostile.make(folder)
    assert len(cases) >= 48
    silent_folder = tmp_path / "no audio"
    silent_folder.mkdir()
    paths = [case.path for case in cases]
    found = find_sources([*paths, silent_folder], extensions=audio.AUDIO_EXTENSIONS)
    job = SegmentJob(segmenters=("laplacian", "foote"), features="scattering:J=10")
    run = tmp_path / "run"
    receipts = segment_collection(found.sources, run, job, n_jobs=2, failures=found.failures)

    failed = {receipt.track: receipt.failure.error for receipt in receipts if receipt.failure}
    ids = {source.path: source.id for source in found.sources}
    expected = {ids[case.path]: case.outcome for case in cases if case.path in ids}
    assert {id_ for id_, outcome in expected.items() if outcome != "ok"} == set(failed)
    for id_, error in failed.items():
        assert error.startswith(expected[id_] + ": "), error
    missing = {os.fspath(case.path) for case in cases if case.path not in ids}
    assert {failure.track for failure in found.failures} == {*missing, os.fspath(silent_folder)}
    listed = {failure.track for failure in read_failures(run)}
    assert len(listed) == len(failed) + len(found.failures)
    done = {path.stem for path in (run / "tracks").iterdir()}
    assert done == {id_ for id_, outcome in expected.items() if outcome == "ok"}
    for path in (run / "tracks").iterdir():
        for annotation in formats.read_jams(path).annotations:
            assert annotation.segmentation.start == 0
            assert len(annotation.segmentation) >= 1
    assert build(run, figures=False).is_file()

"""SALAMI as published: every pair of annotators is scored, as by mir_eval; how far they agree."""

import shutil
import warnings
from itertools import combinations
from typing import NamedTuple

import mir_eval
import numpy as np
import pytest

from scatseg import evaluate
from scatseg.datasets import read_references
from scatseg.segmentation import Segmentation

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

FILES = {"upper": "uppercase", "lower": "lowercase", "function": "functions"}


class Pair(NamedTuple):
    song: str
    level: str
    reference: Segmentation
    estimate: Segmentation


@pytest.fixture(scope="module")
def folder(shared, tmp_path_factory):
    root = tmp_path_factory.mktemp("salami")
    shutil.unpack_archive(shared / "corpus/salami_annotations.tar.gz", root, filter="data")
    return root / "annotations"


@pytest.fixture(scope="module")
def references(folder):
    return read_references(folder)


@pytest.fixture(scope="module")
def pairs(references):
    """Every pair of annotators of every song at every level, annotator 1 as the reference."""
    return [
        Pair(song, level, one.segmentation, other.segmentation)
        for song, several in references.tracks.items()
        for level in FILES
        for one, other in combinations([each for each in several if each.level == level], 2)
    ]


def rows(folder, song, level, annotator):
    """Read a file independently: of duplicate times, the last counts, as in mirdata."""
    path = folder / song / "parsed" / f"textfile{annotator}_{FILES[level]}.txt"
    events = [line.split("\t") for line in path.read_text().split("\n") if line]
    times = np.array([float(time) for time, _ in events])
    keep = np.append(np.diff(times) > 0, True)
    labels = [label for (_, label), kept in zip(events, keep, strict=True) if kept]
    return np.column_stack([times[keep][:-1], times[keep][1:]]), labels[:-1]


def mir_eval_scores(reference, estimate):
    """Score with mir_eval only, adding trimmed variants of its untrimmed scores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = mir_eval.segment.evaluate(*reference, *estimate)
        ref_intervals, _ = mir_eval.util.adjust_intervals(*reference, t_min=0.0)
        est_intervals, _ = mir_eval.util.adjust_intervals(
            *estimate, t_min=0.0, t_max=ref_intervals.max()
        )
        trimmed = {}
        for window in (0.5, 3.0):
            hits = mir_eval.segment.detection(ref_intervals, est_intervals, window, trim=True)
            names = (f"{name}@{window}" for name in ("Precision", "Recall", "F-measure"))
            trimmed.update(zip(names, hits, strict=True))
        distances = mir_eval.segment.deviation(ref_intervals, est_intervals, trim=True)
        names = ("Ref-to-est deviation", "Est-to-ref deviation")
        trimmed.update(zip(names, distances, strict=True))
    untrimmed = {f"{key} (untrimmed)": scores.pop(key) for key in trimmed}
    return {**scores, **trimmed, **untrimmed}


def test_every_annotator_and_level_is_read(references):
    assert references.problems == ()
    assert len(references.tracks) == 1359
    counted = [(each.annotator, each.level) for s in references.tracks.values() for each in s]
    for level in FILES:
        assert (counted.count(("1", level)), counted.count(("2", level))) == (1348, 895)
        assert counted.count(("1", f"{level}-b")) + counted.count(("2", f"{level}-b")) == 4
    assert len(counted) == 3 * (1348 + 895 + 4)


def test_every_time_that_is_said_twice_is_a_repair_that_is_listed(folder, references):
    twice = sum(
        len(times) - len(set(times))
        for path in folder.glob("*/parsed/*.txt")
        for times in [[line.split("\t")[0] for line in path.read_text().split("\n") if line]]
    )
    repairs = [
        r for several in references.tracks.values() for each in several for r in each.repairs
    ]
    assert len(repairs) == twice
    assert all("has no length, left out" in repair for repair in repairs)
    assert [note.kind for note in references.notes].count("repair") == twice


def test_every_pair_of_annotators_is_scored(pairs):
    assert len(pairs) == 3 * 884
    for pair in pairs:
        scores = evaluate(pair.reference, pair.estimate)
        assert 0 <= scores["F-measure@0.5"] <= scores["F-measure@3.0"] <= 1, pair


def test_scores_are_those_of_mir_eval_on_the_files_themselves(folder, pairs):
    for pair in pairs[::60]:  # all of them take minutes, and were equal to 6e-14
        sides = [rows(folder, pair.song, pair.level, annotator) for annotator in "12"]
        scores = evaluate(pair.reference, pair.estimate)
        expected = mir_eval_scores(*sides)
        assert {key: scores[key] for key in expected} == pytest.approx(
            expected, abs=1e-9, nan_ok=True
        ), pair


AGREEMENT = ("F-measure@0.5", "F-measure@3.0", "Pairwise F-measure", "NCE F-measure")


@pytest.mark.parametrize(
    ("repaired", "n_songs", "expected"),
    [
        # mir_eval rejects the others: duplicate times make segments of zero length
        (False, 616, [0.645, 0.735, 0.721, 0.751]),
        (True, 884, [0.641, 0.728, 0.719, 0.748]),
    ],
    ids=["without repair", "all"],
)
def test_humans_agree_as_far_as_is_known(references, repaired, n_songs, expected):
    agreement = []
    for several in references.tracks.values():
        upper = [each for each in several if each.level == "upper"]
        if len(upper) == 2 and (repaired or not any(each.repairs for each in upper)):
            scores = evaluate(*(each.segmentation for each in upper))
            agreement.append([scores[key] for key in AGREEMENT])
    assert len(agreement) == n_songs
    np.testing.assert_allclose(np.mean(agreement, axis=0), expected, atol=5e-4)

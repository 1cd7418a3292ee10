"""Scoring compared with calling mir_eval for the same numbers, in one run.

`pytest tests/benchmarks/test_evaluation_speed.py --benchmark-enable -s` prints the ratio, too.
"""

import sys
import time

import mir_eval
import numpy as np
import pytest

from scatseg.evaluation import evaluate, evaluate_hierarchy
from scatseg.segmentation import Hierarchy, Segmentation, letter_labels
from scatseg.workers import map_pure

SALAMI = 1300  # pairs
N_JOBS = 2


def song(rng, n_segments=13):
    inner = np.sort(rng.uniform(1, 239, size=n_segments - 1))
    labels = letter_labels(rng.integers(0, 5, size=n_segments))
    return Segmentation([0, *inner, 240], labels)


def with_mir_eval(reference, estimate):
    sides = (reference.intervals, list(reference.labels), estimate.intervals, list(estimate.labels))
    return mir_eval.segment.evaluate(*sides)


def hierarchy_with_mir_eval(reference, estimate):
    sides = (
        part
        for hierarchy in (reference, estimate)
        for part in (
            [level.intervals for level in hierarchy],
            [list(level.labels) for level in hierarchy],
        )
    )
    return mir_eval.hierarchy.evaluate(*sides)


def score(pair):
    return evaluate(*pair)


@pytest.mark.benchmark(group="one pair, 240 s")
@pytest.mark.parametrize("judge", [evaluate, with_mir_eval], ids=["scatseg", "mir_eval"])
def test_one_pair(judge, benchmark):
    rng = np.random.default_rng(seed=440)
    reference, estimate = song(rng), song(rng)
    scores = benchmark(judge, reference, estimate)
    expected = with_mir_eval(reference, estimate)
    for name in ("Pairwise F-measure", "Adjusted Mutual Information", "V-measure"):
        np.testing.assert_allclose(scores[name], expected[name], rtol=0, atol=1e-9)


@pytest.mark.benchmark(group="one pair of two levels, 240 s")
@pytest.mark.parametrize(
    "judge", [evaluate_hierarchy, hierarchy_with_mir_eval], ids=["scatseg", "mir_eval"]
)
@pytest.mark.filterwarnings("ignore:Segment hierarchy is inconsistent")
def test_one_pair_of_hierarchies(judge, benchmark):
    rng = np.random.default_rng(seed=440)
    reference, estimate = (Hierarchy([song(rng, 5), song(rng, 13)]) for _ in range(2))
    if benchmark.disabled and judge is hierarchy_with_mir_eval:
        pytest.skip("takes ten seconds, and tests/test_evaluation.py compares the numbers")
    scores = benchmark.pedantic(judge, (reference, estimate), rounds=3)
    assert 0 < scores["L-Measure"] < 1


def test_a_collection_of_the_size_of_salami(benchmark, capsys):
    """All pairs here, every 26th by a loop over mir_eval; the ratio is per pair."""
    rng = np.random.default_rng(seed=440)
    n_pairs = 26 if benchmark.disabled else SALAMI
    pairs = [(song(rng), song(rng)) for _ in range(n_pairs)]
    ours = benchmark.pedantic(lambda: list(map_pure(score, pairs, n_jobs=N_JOBS)), rounds=1)
    some = pairs[:: max(1, n_pairs // 50)] if not benchmark.disabled else pairs[:1]
    started = time.perf_counter()
    theirs = [with_mir_eval(*pair) for pair in some]
    looped = (time.perf_counter() - started) / len(some) * n_pairs
    np.testing.assert_allclose(ours[0]["V-measure"], theirs[0]["V-measure"], rtol=0, atol=1e-9)
    if not benchmark.disabled:
        seconds = benchmark.stats.stats.total
        benchmark.extra_info["mir_eval, seconds"] = looped
        with capsys.disabled():
            sys.stdout.write(
                f"\n{n_pairs} pairs: {seconds:.1f} s on {N_JOBS} processes, "
                f"mir_eval in a loop {looped:.1f} s, {looped / seconds:.0f} times as long\n"
            )

"""Scoring a pair of four-minute songs, beside calling mir_eval for the same numbers."""

import mir_eval
import numpy as np
import pytest

from scatseg.evaluation import evaluate
from scatseg.segmentation import Segmentation, letter_labels


def song(rng):
    boundaries = np.concatenate([[0], np.sort(rng.uniform(1, 239, size=12)), [240]])
    return Segmentation(boundaries, letter_labels(rng.integers(0, 5, size=13)))


def with_mir_eval(reference, estimate):
    sides = (reference.intervals, list(reference.labels), estimate.intervals, list(estimate.labels))
    return mir_eval.segment.evaluate(*sides)


@pytest.mark.benchmark(group="one pair, 240 s")
@pytest.mark.parametrize("judge", [evaluate, with_mir_eval], ids=["scatseg", "mir_eval"])
def test_one_pair(judge, benchmark):
    rng = np.random.default_rng(seed=440)
    reference, estimate = song(rng), song(rng)
    scores = benchmark(judge, reference, estimate)
    expected = with_mir_eval(reference, estimate)
    for name in ("Pairwise F-measure", "Adjusted Mutual Information", "V-measure"):
        np.testing.assert_allclose(scores[name], expected[name], rtol=0, atol=1e-9)

"""Contingency tables: what chance gives, and what huge numbers of labels take."""

import tracemalloc

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from scatseg import agreement
from scatseg.agreement import contingency, label_scores
from scatseg.segmentation import Segmentation

counts = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def by_definition(rows, columns):
    """Average the information of every number of shared frames, as likely as it is by chance."""
    n = sum(rows)
    total = 0.0
    for a in rows:
        for b in columns:
            shared = np.arange(max(1, a + b - n), min(a, b) + 1)
            likely = scipy.stats.hypergeom(n, a, b).pmf(shared)
            total += (likely * shared / n * np.log(n * shared / (a * b))).sum()
    return total


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_expected_information_is_that_of_its_definition_in_one_block_or_many(rows, columns):
    rows, columns = [*rows, sum(columns)], [*columns, sum(rows)]
    sides = np.array(rows), np.array(columns)
    expected = by_definition(rows, columns)
    assert agreement._expected_information(*sides) == pytest.approx(expected, abs=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "_MOST_TERMS", 3)
        assert agreement._expected_information(*sides) == pytest.approx(expected, abs=1e-12)


def test_table_counts_only_labels_that_meet():
    table = contingency(Segmentation([0, 1, 2], "AB"), Segmentation([0, 1, 2], "xy"))
    assert (table.rows.tolist(), table.columns.tolist()) == ([10, 10], [10, 10])
    assert (table.row_of.tolist(), table.column_of.tolist()) == ([0, 1], [0, 1])


def test_thousands_of_labels_are_scored_in_little_memory(rng):
    def form():
        inner = np.unique(np.round(rng.uniform(0.05, 1199, 2000), 3))
        return Segmentation([0, *inner, 1200], [str(i) for i in range(len(inner) + 1)])

    pair = form(), form()
    tracemalloc.start()
    try:
        label_scores(*pair)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6

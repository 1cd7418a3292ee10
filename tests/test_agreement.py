"""Contingency tables: expected information by chance, and memory for many labels."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measuring import peak_memory

from scatseg import agreement
from scatseg.agreement import contingency, hierarchy_scores, label_scores
from scatseg.segmentation import Segmentation

counts = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def by_definition(rows, columns):
    """Average the information over the number of shared frames, weighted by its probability."""
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


A = Segmentation([0, 10], ["a"])


@pytest.mark.parametrize("sides", [(3, A), ([], A), (A, None), (A, [A])])
def test_labels_of_one_segmentation_each_are_compared(sides):
    with pytest.raises(TypeError, match=r"(reference|estimate) must be one Segmentation, got"):
        label_scores(*sides)


@pytest.mark.parametrize("sides", [([], [A]), (A, [A]), ([A], 3), ([A], [None]), ([A], [])])
def test_several_levels_are_compared(sides):
    with pytest.raises(TypeError, match=r"(reference|estimate) must be one Segmentation per level"):
        hierarchy_scores(*sides)


def test_table_counts_only_labels_that_meet():
    table = contingency(Segmentation([0, 1, 2], "AB"), Segmentation([0, 1, 2], "xy"))
    assert (table.rows.tolist(), table.columns.tolist()) == ([10, 10], [10, 10])
    assert (table.row_of.tolist(), table.column_of.tolist()) == ([0, 1], [0, 1])


def form(rng, duration, n_segments):
    """Make a form whose labels are all different."""
    inner = np.unique(np.round(rng.uniform(0.05, duration - 1, n_segments), 3))
    return Segmentation([0, *inner, duration], [str(i) for i in range(len(inner) + 1)])


def test_thousands_of_labels_are_scored_in_little_memory(rng):
    assert peak_memory(label_scores, form(rng, 1200, 2000), form(rng, 1200, 2000)) < 100e6


def test_levels_of_thousands_of_labels_are_scored_in_little_memory(rng):
    reference, estimate = ([form(rng, 1200, n) for n in (1000, 2000)] for _ in range(2))
    assert peak_memory(hierarchy_scores, reference, estimate) < 100e6


def test_levels_score_the_same_in_one_block_or_many(rng, monkeypatch):
    sides = [[form(rng, 60, n) for n in (5, 15)] for _ in range(2)]
    at_once = hierarchy_scores(*sides)
    monkeypatch.setattr(agreement, "_MOST_TERMS", 3)
    assert hierarchy_scores(*sides) == pytest.approx(at_once, abs=1e-12)

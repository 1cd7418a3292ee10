"""The types of an answer: what can be written down, and what cannot."""

import dataclasses

import numpy as np
import pytest

from scatseg.segmentation import Hierarchy, Segmentation, letter_labels

FORM = Segmentation([0, 10, 25, 40], ["A", "B", "A"])


def test_segments_come_in_order_with_start_end_and_label():
    assert list(FORM) == [(0, 10, "A"), (10, 25, "B"), (25, 40, "A")]


def test_length_counts_the_segments():
    assert len(FORM) == 3


def test_start_and_end_are_the_outer_boundaries():
    form = Segmentation([2.5, 10, 40], ["A", "B"])
    assert (form.start, form.end) == (2.5, 40)


def test_intervals_are_those_of_mir_eval():
    np.testing.assert_array_equal(FORM.intervals, [[0, 10], [10, 25], [25, 40]])


def test_any_numbers_and_labels_become_floats_and_strings():
    form = Segmentation(np.array([0, 1, 2], dtype=np.int16), [7, "B"])
    assert form.boundaries == (0.0, 1.0, 2.0)
    assert form.labels == ("7", "B")
    assert all(type(time) is float for time in form.boundaries)


@pytest.mark.parametrize(
    ("boundaries", "labels", "reason"),
    [
        ([], [], r"a list of at least two times, got shape \(0,\)"),
        ([1.0], [], r"a list of at least two times, got shape \(1,\)"),
        ([[0, 1], [1, 2]], ["A", "B"], r"shape \(2, 2\): Segmentation.from_intervals takes starts"),
        ([0, np.nan, 2], ["A", "B"], "must be finite, got nan"),
        ([0, 1, np.inf], ["A", "B"], "must be finite, got inf"),
        ([-0.5, 1, 2], ["A", "B"], "cannot be negative, got -0.5 s"),
        ([0, 2, 1], ["A", "B"], r"boundary 2 \(1.0 s\) does not come after boundary 1 \(2.0 s\)"),
        ([0, 1, 1], ["A", "B"], r"boundary 2 \(1.0 s\) does not come after boundary 1 \(1.0 s\)"),
        ([0, 1, 2], ["A"], r"n labels need n \+ 1 boundaries, got 1 label and 3 boundaries"),
        ([0, 1], ["A", "B"], "got 2 labels and 2 boundaries"),
    ],
)
def test_what_is_not_a_segmentation_is_refused(boundaries, labels, reason):
    with pytest.raises(ValueError, match=reason):
        Segmentation(boundaries, labels)


def test_a_segmentation_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'labels'"):
        FORM.labels = ("A", "B", "C")


def test_equal_content_is_equal_and_hashes_alike():
    again = Segmentation(np.array([0.0, 10, 25, 40]), iter("ABA"))
    assert again == FORM
    assert {again, FORM} == {FORM}


@pytest.mark.parametrize(
    "other", [Segmentation([0, 10, 25, 41], "ABA"), Segmentation([0, 10, 25, 40], "ABB")]
)
def test_other_boundaries_or_labels_are_not_equal(other):
    assert other != FORM


def test_intervals_that_miss_each_other_by_rounding_follow_each_other():
    found = Segmentation.from_intervals([[0, 0.1 + 0.2], [0.3, 1]], ["A", "B"])
    assert found == Segmentation([0, 0.3, 1], ["A", "B"])


def test_from_intervals_reads_what_intervals_writes():
    assert Segmentation.from_intervals(FORM.intervals, FORM.labels) == FORM


@pytest.mark.parametrize(
    ("intervals", "reason"),
    [
        (
            [[0, 1], [1.5, 2], [2, 3]],
            "a gap after segment 0: it ends at 1.0 s and the next starts at 1.5",
        ),
        (
            [[0, 1], [1, 2.5], [2, 3]],
            "an overlap after segment 1: it ends at 2.5 s and the next .* 2.0 s",
        ),
        (
            [[0, 1000], [1000.00001, 2000]],
            "a gap after segment 0: it ends at 1000.0 s and the next starts at 1000.00001 s",
        ),
        ([[0, np.nan], [1, 2]], "must be finite, but the end of segment 0 is nan s"),
        ([[0, 1], [np.nan, 2]], "must be finite, but the start of segment 1 is nan s"),
        ([[0, 1], [1, np.inf]], "must be finite, but the end of segment 1 is inf s"),
        (np.zeros((0, 2)), r"need shape \(n_segments, 2\), n_segments > 0, got \(0, 2\)"),
        ([[0, 1, 2]], r"need shape \(n_segments, 2\), n_segments > 0, got \(1, 3\)"),
        ([0, 1], r"need shape \(n_segments, 2\), n_segments > 0, got \(2,\)"),
    ],
)
def test_intervals_that_do_not_follow_each_other_are_refused(intervals, reason):
    with pytest.raises(ValueError, match=reason):
        Segmentation.from_intervals(intervals, ["A"] * len(intervals))


@pytest.mark.parametrize(
    ("time", "label"), [(0, "A"), (9.99, "A"), (10, "B"), (25, "A"), (40, "A")]
)
def test_a_boundary_belongs_to_the_section_that_follows(time, label):
    assert FORM.label_at(time) == label


@pytest.mark.parametrize("time", [-0.1, 40.1])
def test_nothing_sounds_outside(time):
    with pytest.raises(ValueError, match=f"{time:g} s lies outside 0 to 40 s"):
        FORM.label_at(time)


@pytest.mark.parametrize(
    ("start", "end", "boundaries", "labels"),
    [
        (0, 60, [0, 20, 40, 60], "ABA"),
        (25, 60, [25, 40, 60], "BA"),
        (20, 40, [20, 40], "B"),
        (30, 99, [30, 40, 60], "BA"),
        (22, 23, [22, 23], "B"),
    ],
)
def test_a_part_keeps_its_times_and_labels(start, end, boundaries, labels):
    form = Segmentation([0, 20, 40, 60], "ABA")
    assert form.between(start, end) == Segmentation(boundaries, labels)


@pytest.mark.parametrize(("start", "end"), [(60, 70), (30, 30), (40, 20)])
def test_a_part_without_segments_is_refused(start, end):
    with pytest.raises(ValueError, match="the segments span 0 to 60 s, none lies between"):
        Segmentation([0, 20, 40, 60], "ABA").between(start, end)


def test_merging_joins_neighbors_of_one_label_only():
    form = Segmentation([0, 1, 2, 3, 4, 5], ["A", "A", "B", "A", "A"])
    assert form.merged() == Segmentation([0, 2, 3, 5], ["A", "B", "A"])


def test_merging_leaves_a_form_without_such_neighbors_alone():
    assert FORM.merged() == FORM


def test_a_hierarchy_goes_through_its_levels_coarse_to_fine():
    coarse = Segmentation([0, 40], ["A"])
    hierarchy = Hierarchy([coarse, FORM])
    assert list(hierarchy) == [coarse, FORM]
    assert len(hierarchy) == 2


def test_levels_are_numbered_and_the_first_is_the_default():
    hierarchy = Hierarchy([Segmentation([0, 40], ["A"]), FORM])
    assert hierarchy.names == ("1", "2")
    assert hierarchy.default == 0


def test_equal_hierarchies_are_equal_and_hash_alike():
    assert {Hierarchy([FORM], ["form"]), Hierarchy((FORM,), ("form",))} == {
        Hierarchy([FORM], ["form"])
    }


def test_a_level_is_found_by_its_name_and_by_its_index():
    coarse = Segmentation([0, 40], ["A"])
    hierarchy = Hierarchy([coarse, FORM], ["section", "phrase"])
    assert hierarchy["section"] is hierarchy[0] is coarse
    assert hierarchy["phrase"] is hierarchy[-1] is FORM
    with pytest.raises(KeyError, match="no level is named 'verse', there are section, phrase"):
        hierarchy["verse"]
    with pytest.raises(IndexError):
        hierarchy[2]


def test_another_default_is_another_hierarchy():
    assert Hierarchy([FORM, FORM]) != Hierarchy([FORM, FORM], default=1)


@pytest.mark.parametrize(
    ("levels", "options", "reason"),
    [
        ([], {}, "needs at least one level"),
        (
            [FORM, Segmentation([1, 40], ["A"])],
            {},
            "level 1 spans 1 to 40 s and level 0 0 to 40 s",
        ),
        (
            [FORM, FORM, Segmentation([0, 39], ["A"])],
            {},
            "level 2 spans 0 to 39 s and level 0 0 to",
        ),
        (
            [FORM, Segmentation([0, 40.00001], ["A"])],
            {},
            "level 1 spans 0 to 40.00001 s and level 0 0 to 40 s",
        ),
        ([FORM, FORM], {"names": ["a"]}, r"each level needs a name of its own, got \['a'\] for 2"),
        ([FORM, FORM], {"names": ["a", "a"]}, r"a name of its own, got \['a', 'a'\] for 2"),
        ([FORM, FORM], {"default": 2}, "default must be 0 to 1, got 2"),
        ([FORM, FORM], {"default": -1}, "default must be 0 to 1, got -1"),
    ],
)
def test_what_is_not_a_hierarchy_is_refused(levels, options, reason):
    with pytest.raises(ValueError, match=reason):
        Hierarchy(levels, **options)


def test_levels_may_differ_by_rounding_also_at_0():
    rounded = Segmentation([1e-12, 40 - 1e-9], ["A"])
    assert Hierarchy([FORM, rounded]).levels == (FORM, rounded)


@pytest.mark.parametrize("levels", [FORM, [FORM, [0, 40]]])
def test_levels_of_a_hierarchy_are_segmentations(levels):
    with pytest.raises(TypeError, match=r"levels are Segmentations, .*, got (tuple|list)"):
        Hierarchy(levels)


def test_letters_follow_the_first_appearance():
    assert letter_labels([3, 3, -1, 3, 0]) == ("A", "A", "B", "A", "C")


@pytest.mark.parametrize(
    ("index", "name"),
    [(25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")],
)
def test_letters_go_on_after_z(index, name):
    assert letter_labels(range(index + 1))[-1] == name


def test_no_segments_need_no_letters():
    assert letter_labels([]) == ()

"""Figures show their data, deterministically."""

import html
import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from scatseg.extractors import extractor
from scatseg.features import FeatureName, Features
from scatseg.formats import Annotation
from scatseg.plotting import (
    NEUTRAL,
    PALETTE,
    NoveltyCurve,
    annotation_strips,
    axes_figure,
    clock,
    decibel,
    fonts,
    hertz_text,
    label_styles,
    matched_styles,
    missing_characters,
    panel_figure,
    plot_features,
    plot_novelty,
    plot_segmentation,
    plot_similarity,
    plot_strips,
    plot_waveform,
    save_figure,
    similarity_colors,
    similarity_limits,
    track_figure,
)
from scatseg.segmentation import Segmentation

# Full color vision, then protan-, deuter- and tritanopia after Machado et al. (2009), table 1,
# as matrices over linear RGB.
VISION = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


@pytest.fixture
def ax():
    return Figure(figsize=(6, 2)).add_subplot()


def linear_rgb(colors):
    values = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in colors]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    ratio = np.clip(rgb, 0, 1) @ TO_XYZ.T / TO_XYZ.sum(axis=1)
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.column_stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])]
    )


def drawn_text(figure, tmp_path):
    """Return the strings of an SVG, which matplotlib writes in comments."""
    _, svg = save_figure(figure, tmp_path / "drawn")
    builder = ElementTree.TreeBuilder(insert_comments=True)
    root = ElementTree.parse(svg, ElementTree.XMLParser(target=builder)).getroot()
    comments = (node.text for node in root.iter() if node.tag is ElementTree.Comment)
    return {html.unescape(text).strip().replace("- -", "--") for text in comments}


# ---- colors -------------------------------------------------------------------------------


@pytest.mark.parametrize("vision", VISION)
def test_colors_stay_apart_for_every_kind_of_eye(vision):
    seen = lab(linear_rgb(PALETTE) @ np.array(VISION[vision]).T)
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


def test_dark_text_is_readable_on_every_color():
    luminance = linear_rgb([*PALETTE, NEUTRAL, "#16191D"]) @ TO_XYZ[1]
    contrast = (luminance[:-1] + 0.05) / (luminance[-1] + 0.05)
    assert contrast.min() > 4.5  # WCAG 2 level AA


def test_more_than_20_labels_look_different():
    styles = label_styles(f"label {i}" for i in range(32))
    assert len(set(styles.values())) == 32


def test_a_label_keeps_its_look_when_labels_come_after_it():
    assert label_styles("ABC")["B"] == label_styles("ABCDEFGHIJKLMNOPQRSTUVWXYZ")["B"]


def test_silence_is_gray_and_takes_no_color_from_others():
    styles = label_styles(["silence", "A"])
    assert (styles["silence"].color, styles["A"].color) == (NEUTRAL, PALETTE[0])


def test_similarity_colors_brighten_steadily():
    hexes = ["#{:02x}{:02x}{:02x}".format(*color) for color in similarity_colors()]
    assert (np.diff(linear_rgb(hexes) @ TO_XYZ[1]) > -1e-3).all()


def styles_of(references, estimates):
    forms = [
        [Segmentation(times, labels) for times, labels in side] for side in (references, estimates)
    ]
    return matched_styles(*forms)


def test_systems_that_agree_look_alike_whatever_their_letters():
    one, two = styles_of([], [([0, 10, 20, 30], "ABA"), ([0, 11, 20, 30], "BAB")])
    assert (one["A"], one["B"]) == (two["B"], two["A"])


def test_one_letter_for_other_music_looks_different():
    one, two = styles_of([], [([0, 10, 30], "AB"), ([0, 29, 30], "AB")])
    assert two["A"] == one["B"]
    assert two["B"] not in one.values()


def test_looks_are_given_so_that_most_seconds_are_shared_and_each_once():
    reference, estimate = styles_of([([0, 10, 20], "xy")], [([0, 6, 9, 20], "ABC")])
    # A shares 6 s with x, B 3 s, C 1 s and 10 s with y.
    assert (estimate["A"], estimate["C"]) == (reference["x"], reference["y"])
    assert estimate["B"] not in reference.values()


def test_annotators_are_compared_by_their_words():
    one, two = styles_of(
        [([0, 10, 30], ["verse", "chorus"]), ([0, 20, 30], ["chorus", "verse"])], []
    )
    assert (one["verse"], one["chorus"]) == (two["verse"], two["chorus"])


def test_what_the_reference_does_not_know_is_shared_among_systems():
    reference, one, two = styles_of([([0, 30], "x")], [([0, 20, 30], "AB"), ([0, 20, 30], "CD")])
    assert one["A"] == two["C"] == reference["x"]
    assert one["B"] == two["D"] != reference["x"]


def test_silence_of_one_is_not_the_music_of_another():
    one, two = styles_of([], [([0, 10], ["silence"]), ([0, 10], ["A"])])
    assert one["silence"].color == NEUTRAL
    assert two["A"].color != NEUTRAL


def test_figure_of_a_track_compares_systems_by_what_they_overlap():
    reference = Segmentation([0, 1, 2], ["x", "y"])
    figure = track_figure(
        duration=2,
        references=[("ann", reference)],
        estimates=[("foote", Segmentation([0, 1, 2], ["y", "x"]))],
    )
    above, below = ([box.get_facecolor() for box in ax.patches] for ax in figure.axes)
    assert above == below
    assert above[0] != above[1]


# ---- times --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "step", "text"),
    [
        (0, 1, "0:00"),
        (59.6, 1, "1:00"),
        (600, 60, "10:00"),
        (3599.9, 1, "1:00:00"),
        (0.15, 0.05, "0:00.15"),
        (59.999, 0.1, "1:00.0"),
    ],
)
def test_clock_carries_into_minutes_and_hours(seconds, step, text):
    assert clock(seconds, step) == text


@pytest.mark.parametrize("duration", [0.02, 0.7, 5, 63, 240, 1674, 36000])
def test_time_axis_has_a_handful_of_different_times(ax, duration):
    plot_waveform(np.ones((2, 8)), duration, ax=ax)
    times = [label.get_text() for label in ax.get_xticklabels()]
    inside = [t for t, x in zip(times, ax.get_xticks(), strict=True) if 0 <= x <= duration]
    assert 2 <= len(inside) <= 9
    assert len(set(inside)) == len(inside)


# ---- what is drawn ------------------------------------------------------------------------


def test_similarity_shows_uneven_frames_at_their_times(ax):
    edges = [0, 1, 10]
    plot_similarity([[0, 0], [0, 1]], edges, ax=ax)
    (image,) = ax.images
    assert image.get_cursor_data(mouse_at(ax, 5, 5)) == 1
    assert image.get_cursor_data(mouse_at(ax, 0.5, 0.5)) == 0


def test_similarity_runs_right_and_down(ax):
    plot_similarity(np.eye(3), [0, 1, 2, 3], ax=ax)
    assert ax.get_xlim() == (0, 3)
    assert ax.get_ylim() == (3, 0)


def test_similarity_of_an_excerpt_that_is_not_in_the_recording_is_refused(ax):
    with pytest.raises(ValueError, match=r"between 0 and 3 s, got 5 to 7 s"):
        plot_similarity(np.eye(3), [0, 1, 2, 3], ax=ax, span=(5, 7))


@pytest.mark.parametrize(("level", "shade"), [(1, 1), (254.4 / 255, 1), (0, 0)])
def test_what_is_alike_throughout_is_bright_and_what_is_not_is_dark(ax, tmp_path, level, shade):
    plot_similarity(np.full((4, 4), level), np.arange(5), ax=ax)
    assert ax.images[0].norm(level) == pytest.approx(shade, abs=0.01)
    save_figure(ax.figure, tmp_path / "constant")


@pytest.mark.parametrize("level", [0, 2.5])
def test_z_scores_that_are_alike_throughout_are_bright(ax, level):
    plot_similarity(np.full((4, 4), level), np.arange(5), ax=ax, z_scores=True)
    assert ax.images[0].norm(level) == 1


def test_z_scores_name_their_unit_and_span_what_is_there(ax):
    Z = np.kron([[3.0, -1.0], [-1.0, 3.0]], np.ones((5, 5)))
    plot_similarity(Z, np.arange(11), ax=ax, z_scores=True)
    assert ax.images[0].get_clim() == (-1, 3)
    (bar,) = (each for each in ax.figure.axes if each is not ax)
    assert bar.get_ylabel() == "similarity (z-score)"


def test_similarities_that_are_one_level_apart_are_told_apart():
    S = np.array([[254, 254], [254, 255]]) / 255
    assert similarity_limits(np.kron(S, np.ones((5, 5)))) == pytest.approx((254 / 255, 1))


def test_what_draws_an_image_returns_it(ax):
    features = Features(np.eye(3), [0, 1, 2, 3])
    assert plot_features(features, ax=ax) is ax.images[0]
    ax.clear()
    assert plot_similarity(features.X, features.edges, ax=ax) is ax.images[0]


@pytest.mark.parametrize("engine", ["tight", "constrained"])
def test_the_color_bar_stands_beside_a_panel_under_either_layout(engine):
    figure = Figure(layout=engine)
    ax = figure.subplots()
    plot_similarity(np.eye(4), np.arange(5), ax=ax)
    figure.draw_without_rendering()
    bar = next(each for each in figure.axes if each is not ax)
    assert bar.get_position().x0 > ax.get_position().x1


def test_similarity_has_times_and_the_scale_of_its_colors(ax):
    plot_similarity([[1, 0.5], [0.5, 1]], [0, 1, 2], ax=ax)
    (bar,) = (each for each in ax.figure.axes if each is not ax)
    assert bar.get_ylabel() == "similarity"
    assert ax.get_xlabel() == ax.get_ylabel() == "time (minutes:seconds)"


def test_novelty_marks_boundaries_on_the_curve(ax):
    plot_novelty([0, 2, 0, 4, 0], [0, 1, 2, 3, 4], ax=ax, boundaries=[1, 3])
    dots = ax.lines[-1].get_xydata()
    np.testing.assert_allclose(dots, [[1, 2], [3, 4]])


@pytest.mark.parametrize(("n_boundaries", "n_dots"), [(100, 100), (101, 0)])
def test_novelty_of_very_many_boundaries_is_not_hidden_by_dots(ax, n_boundaries, n_dots):
    boundaries = np.arange(1, n_boundaries + 1)
    plot_novelty(np.ones(301), np.arange(301), ax=ax, boundaries=[*boundaries, 500], span=(0, 300))
    (lines,) = (each for each in ax.collections if isinstance(each, LineCollection))
    assert len(lines.get_segments()) == n_boundaries
    assert sum(len(each.get_xdata()) for each in ax.lines if each.get_marker() == "o") == n_dots


def test_no_novelty_at_all_can_be_drawn(ax):
    plot_novelty(np.zeros(5), np.arange(5), ax=ax)
    assert ax.get_ylim() == (0, 1)


def test_waveform_spans_the_recording(ax):
    plot_waveform([[-1, -0.5], [1, 0.5]], 60, ax=ax)
    assert ax.get_xlim() == (0, 60)
    assert ax.collections[0].get_datalim(ax.transData).y1 == 1


def test_segments_are_boxes_from_start_to_end(ax, aba):
    plot_segmentation(aba, ax=ax, row=3)
    boxes = [(box.get_x(), box.get_width(), box.get_y()) for box in ax.patches]
    np.testing.assert_allclose(boxes, [(0, 20, 2.6), (20, 20, 2.6), (40, 20, 2.6)])
    assert ax.get_yticks().size == 0


@pytest.mark.parametrize("form", [Segmentation([0, 9], ["A"]), Segmentation([0, 4, 9], ["A", "B"])])
def test_a_strip_is_in_view_as_a_whole(ax, form):
    plot_segmentation(form, ax=ax, row=3)
    bottom, top = ax.get_ylim()
    assert bottom <= 2.6
    assert top >= 3.4


def test_equal_labels_of_different_strips_have_one_color(ax):
    strips = [
        ("one", Segmentation([0, 1, 2], ["A", "B"])),
        ("two", Segmentation([0, 1, 2], ["B", "A"])),
    ]
    plot_strips(strips, ax=ax)
    a, b, b2, a2 = (box.get_facecolor() for box in ax.patches)
    assert (a, b) == (a2, b2)
    assert a != b


def test_first_strip_is_on_top(ax, aba):
    plot_strips([("one", aba), ("two", aba)], ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    assert ax.yaxis_inverted()


def test_strips_are_named_by_maker_and_level(aba):
    annotations = [
        Annotation(segmentation=aba, annotator="SALAMI 3", level="function"),
        Annotation(segmentation=aba, system="foote", level="1"),
        Annotation(segmentation=aba),
    ]
    names = [name for name, _ in annotation_strips(annotations)]
    assert names == ["SALAMI 3 · function", "foote", "segments"]
    ((name, _),) = annotation_strips(annotations[2:], unnamed="reference")
    assert name == "reference"


def test_label_is_cut_to_its_segment(ax, tmp_path):
    labels = ["wide enough", "only the beginning fits", "too narrow"]
    plot_segmentation(Segmentation([0, 80, 99.5, 100], labels), ax=ax)
    (cut,) = (text for text in drawn_text(ax.figure, tmp_path) if text.endswith("…"))
    assert labels[1].startswith(cut[:-1])
    assert len(cut) > 5
    assert drawn_text(ax.figure, tmp_path) & set(labels) == {"wide enough"}


def test_labels_stay_clear_of_the_ends_of_their_boxes(ax, monkeypatch):
    shown = {}
    extent = Text.get_window_extent
    monkeypatch.setattr(Text, "draw", lambda text, _: shown.update({text.get_text(): extent(text)}))
    for width in np.arange(2, 6, 0.05):
        ax.clear()
        shown.clear()
        plot_segmentation(Segmentation([0, width, 100], ["inst", "A"]), ax=ax)
        ax.figure.draw_without_rendering()
        box = ax.patches[0].get_window_extent()
        for label in shown.keys() & {"inst", "ins…", "in…", "i…"}:
            assert box.x0 + 1 < shown[label].x0
            assert shown[label].x1 < box.x1 - 1


@pytest.mark.parametrize("label", ["$x$", r"$\frac{", "a_b^c", "100 %", "<b>&amp;", "--", "a -- b"])
def test_label_is_written_as_it_is(ax, tmp_path, label):
    plot_strips([(f"by {label}", Segmentation([0, 1], [label]))], ax=ax)
    assert {label, f"by {label}"} <= drawn_text(ax.figure, tmp_path)


@pytest.mark.parametrize("label", ["", "\x07bell", "two\nlines", "\ud800", "歌", "🎵", "\u202eabc"])
@pytest.mark.filterwarnings("ignore::scatseg.plotting.FontWarning")
def test_any_label_can_be_drawn(ax, tmp_path, label):
    plot_strips([(label, Segmentation([0, 1], [label]))], ax=ax)
    assert drawn_text(ax.figure, tmp_path)


def test_features_show_first_column_at_the_bottom(ax):
    X = np.array([[0.0, 5], [0, 5], [1, 5]])
    plot_features(Features(X, [0, 1, 2, 3]), ax=ax)
    (image,) = ax.images
    bottom = [image.get_cursor_data(mouse_at(ax, x, 0.5)) for x in (0.5, 1.5, 2.5)]
    assert bottom[0] == bottom[1] < bottom[2]


def test_constant_features_are_drawn_at_their_mean(ax):
    X = np.stack([np.full(7, 0.1), np.arange(7)], axis=1)
    assert X[:, 0].std() > 0  # rounding
    image = plot_features(Features(X, np.arange(8)), ax=ax)
    assert image.get_cursor_data(mouse_at(ax, 3.5, 0.5)) == pytest.approx(0, abs=1e-9)


def test_feature_names_are_written_as_they_are(ax, tmp_path):
    plot_features(Features(np.eye(2), [0, 1, 2], [FeatureName("$x$", 0)] * 2), ax=ax)
    assert "$x$" in drawn_text(ax.figure, tmp_path)


def ticks_of(ax):
    ticks = zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)
    return {label.get_text(): float(place) for label, place in ticks}


@pytest.mark.parametrize(
    ("kind", "what"), [("carrier", "frequency (Hz)"), ("modulation", "rate (Hz)")]
)
@pytest.mark.parametrize("falling", [False, True])
def test_columns_of_frequencies_are_marked_at_round_ones(ax, kind, what, falling):
    hertz = [0.0, 5.0, 10.0, 20.0, 40.0, 80.0]
    hertz = hertz[::-1] if falling else hertz
    names = [FeatureName("spectrum", i, **{kind: each}) for i, each in enumerate(hertz)]
    plot_features(Features(np.eye(6), np.arange(7), names), ax=ax)
    assert ax.get_ylabel() == what
    between = 4 + np.log2(50 / 40)  # columns from 0 Hz to 50 Hz
    expected = {"5": 1.5, "10": 2.5, "20": 3.5, "50": between + 0.5}
    if falling:
        expected = {text: 6 - place for text, place in expected.items()}
    assert ticks_of(ax) == pytest.approx(expected)
    assert ax.yaxis_inverted() == falling  # low at the bottom


def test_frequencies_have_no_more_marks_than_room(ax):
    names = [FeatureName("tempogram", i, modulation=40 / (i + 1)) for i in range(400)]
    plot_features(Features(np.eye(400), np.arange(401), names), ax=ax)
    places = sorted(ticks_of(ax).values())
    assert len(places) > 2
    assert min(np.diff(places)) >= 400 / 20


@pytest.mark.parametrize(
    "names",
    [
        [FeatureName("scattering", i, carrier=1.0 + i, modulation=1.0) for i in range(3)],
        [FeatureName("cqt", i, carrier=1.0 + i, place=i % 2) for i in range(3)],
        [FeatureName("cqt", i, carrier=hertz) for i, hertz in enumerate([1.0, 3.0, 2.0])],
        [FeatureName("cqt", i, carrier=None if i else 1.0) for i in range(3)],
        [FeatureName("mfcc", i) for i in range(3)],
    ],
    ids=["second order", "in parts", "unsorted", "incomplete", "none"],
)
def test_other_columns_are_named_by_family(ax, names):
    plot_features(Features(np.eye(3), np.arange(4), names), ax=ax)
    assert ax.get_ylabel() == "columns, by family"


def test_chroma_is_named_by_pitch_class(ax, aba_signal):
    y, sr = aba_signal
    plot_features(extractor("chroma")(y[: 2 * sr], sr), ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()][:3] == ["C", "C♯", "D"]
    assert ax.get_yticks()[9] == 9.5  # A


def test_features_have_the_scale_of_their_colors(ax):
    plot_features(Features(np.eye(2), [0, 1, 2]), ax=ax)
    (bar,) = (each for each in ax.figure.axes if each is not ax)
    assert bar.get_ylabel() == "standard deviations from the mean"


def test_features_are_grouped_by_family_and_order(ax):
    names = [FeatureName("scattering", i, order=1 + i // 2) for i in range(4)]
    plot_features(Features(np.eye(4), np.arange(5), names), ax=ax)
    labels = {
        label.get_text(): tick
        for label, tick in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)
    }
    assert labels == {"scattering S1": 1, "scattering S2": 3}


def test_features_of_bars_are_named_by_their_place(ax):
    one = [FeatureName("jtfs", i, order=1 + i % 2) for i in range(100)]
    few = [FeatureName("mfcc", 0)]
    names = [name.at(place) for part in (one, few) for place in range(2) for name in part]
    plot_features(Features(np.ones((4, 202)), np.arange(5), names), ax=ax)
    words = [label.get_text() for label in ax.get_yticklabels()]
    assert words == ["jtfs in part 1", "jtfs in part 2", "mfcc"]


def test_features_of_frames_without_parts_are_named_by_order(ax):
    names = [FeatureName("jtfs", i, order=order, place=0) for i, order in enumerate((1, 1, 2))]
    plot_features(Features(np.eye(3), [0, 1, 2, 3], names), ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["jtfs S1", "jtfs S2"]


# ---- the figure of a track ----------------------------------------------------------------


@pytest.fixture
def whole(aba):
    edges = np.linspace(0, 60, 61)
    labels = np.repeat([0, 1, 0], 20)
    novelty = np.zeros(61)
    novelty[[20, 40]] = 1
    return track_figure(
        duration=60,
        references=[("annotator", aba)],
        estimates=[("foote", aba), ("spectral", aba)],
        waveform=np.vstack([-np.ones(100), np.ones(100)]),
        S=(labels[:, None] == labels).astype(float),
        S_edges=edges,
        curves={"foote": NoveltyCurve(novelty, edges, [20, 40])},
        title="A title",
    )


def test_panels_share_the_time_axis(whole):
    assert len({ax.get_xlim() for ax in whole.axes}) == 1
    assert len({(ax.get_position().x0, ax.get_position().x1) for ax in whole.axes}) == 1


def test_panels_of_a_track_are_named_and_the_lowest_says_what_time_is(whole, tmp_path):
    assert {"waveform", "novelty foote", "similarity"} <= drawn_text(whole, tmp_path)
    labels = [ax.get_xlabel() for ax in whole.axes]
    assert labels == [""] * 4 + ["time (minutes:seconds)"]


def test_a_probability_is_named_so(tmp_path):
    curve = NoveltyCurve(np.ones(3), np.arange(3), is_probability=True)
    figure = track_figure(duration=2, curves={"default": curve})
    words = drawn_text(figure, tmp_path)
    assert {"boundary probability", "default"} <= words
    assert "novelty default" not in words


def test_the_scale_of_similarity_stands_beside_its_times(whole):
    panel = whole.axes[-1]
    whole.draw_without_rendering()
    (scale,) = panel.child_axes
    left = min(label.get_window_extent().x0 for label in panel.get_yticklabels())
    gap = (left - scale.get_window_extent().x1) / whole.dpi
    assert 0 < gap < 0.5


def test_references_stand_above_estimates(whole):
    heights = {
        label.get_text(): ax.get_position().y0
        for ax in whole.axes
        for label in ax.get_yticklabels()
    }
    assert heights["annotator"] > heights["foote"]


def test_panels_do_not_overlap(whole):
    spans = sorted((ax.get_position().y0, ax.get_position().y1) for ax in whole.axes)
    assert all(low[1] < high[0] for low, high in itertools.pairwise(spans))


def test_an_excerpt_is_cut_from_the_figure_of_the_whole(aba, tmp_path):
    edges = np.arange(61.0)
    curve = NoveltyCurve(np.ones(61), edges, [20, 40])
    before = ("early", Segmentation([0, 25], ["x"]))
    how = {"references": [("by ear", aba), before], "curves": {"foote": curve}}
    how |= {"S": np.eye(60), "S_edges": edges, "title": "A title", "after": " 0:30"}
    figure = track_figure(start=30, duration=20, **how)
    strips, novelty, similarity = figure.axes
    assert {ax.get_xlim() for ax in figure.axes} == {(30, 50)}
    assert similarity.get_ylim() == (50, 30)
    assert [label.get_text() for label in strips.get_yticklabels()] == ["by ear"]
    assert [patch.get_x() for patch in strips.patches] == [30, 40]
    assert [line.get_xdata().tolist() for line in novelty.lines[1:]] == [[40]]
    whole = track_figure(duration=60, **how).axes[0]
    colors = [[patch.get_facecolor() for patch in ax.patches] for ax in (whole, strips)]
    assert colors[1] == colors[0][1:3]
    assert "A title 0:30" in drawn_text(figure, tmp_path)


def test_estimates_alone_make_a_figure(aba, tmp_path):
    figure = track_figure(duration=60, estimates=[("foote", aba)])
    assert "foote" in drawn_text(figure, tmp_path)


def test_labels_that_fit_nowhere_are_listed(tmp_path):
    labels = [f"section number {n}" for n in range(30)]
    figure = track_figure(duration=30, references=[("by ear", Segmentation(range(31), labels))])
    assert set(labels) <= drawn_text(figure, tmp_path)
    assert len(figure.axes) == 2


def test_labels_that_fit_somewhere_are_not_listed():
    form = Segmentation([0, 1, 30], ["a long label", "a long label"])
    figure = track_figure(duration=30, references=[("by ear", form)])
    assert len(figure.axes) == 1


def test_a_list_of_labels_says_how_many_it_leaves_out(tmp_path):
    labels = [f"section number {n}" for n in range(70)]
    figure = track_figure(duration=70, references=[("by ear", Segmentation(range(71), labels))])
    assert "and 10 more" in drawn_text(figure, tmp_path)


def test_panel_figure_is_as_wide_as_that_of_a_track(whole, aba):
    panel = panel_figure(lambda ax: plot_segmentation(aba, ax=ax), height=1.0)
    assert panel.get_figwidth() == whole.get_figwidth()
    assert len(panel.axes[0].patches) == 3


def test_shared_axes_are_written_at_the_edge_only():
    figure = axes_figure(lambda _: None, heights=[1, 1], columns=2, share=True)
    written = [
        len(ax.get_xticklabels()) > 0 and ax.xaxis.get_tick_params()["labelbottom"]
        for ax in figure.axes
    ]
    assert written == [False, False, True, True]


@pytest.mark.parametrize(
    ("hertz", "text"), [(2.8, "2.8"), (999.7, "1k"), (440, "440"), (11025, "11k")]
)
def test_hertz_are_short(hertz, text):
    assert hertz_text(hertz) == text


def test_decibels_are_below_the_largest_and_stop_at_the_floor():
    np.testing.assert_allclose(decibel([2, 0.2, 0]), [0, -20, -60])


def test_silence_is_at_the_floor():
    np.testing.assert_array_equal(decibel(np.zeros(2)), [-60, -60])


@pytest.mark.parametrize("make", ["axes", "track"])
def test_a_long_title_is_cut_to_the_page(make):
    name = "WWW " * 60
    if make == "axes":
        figure = axes_figure(lambda _: None, heights=[1], title=name, after=" 0:01: T = 1 s")
        text = figure._suptitle
        assert text.get_text().endswith("… 0:01: T = 1 s")
    else:
        figure = track_figure(duration=2, estimates=[("x", Segmentation([0, 2], "A"))], title=name)
        (text,) = figure.texts
        assert text.get_text().endswith("…")
    figure.draw_without_rendering()
    shown = text.get_window_extent()
    assert 0.8 * figure.bbox.x1 < shown.x1 < figure.bbox.x1


def test_saved_figure_is_the_same_every_time(whole, tmp_path):
    first = save_figure(whole, tmp_path / "a")
    second = save_figure(whole, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("name", ["form", "form.png", "form.svg"])
def test_a_figure_is_saved_under_a_name_with_or_without_suffix(ax, tmp_path, name):
    paths = save_figure(ax.figure, str(tmp_path / name))
    assert paths == (tmp_path / "form.png", tmp_path / "form.svg")


def test_saved_figure_ignores_the_style_of_the_user(aba, tmp_path):
    import matplotlib

    def saved(name):
        figure = track_figure(duration=60, estimates=[("foote", aba)], title="A title")
        return [path.read_bytes() for path in save_figure(figure, tmp_path / name)]

    plain = saved("plain")
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30, "savefig.dpi": 10}):
        assert saved("styled") == plain


# ---- characters that DejaVu Sans lacks ----------------------------------------------------

# Stands for Chinese: STIX, which is part of matplotlib, has this character.
FOREIGN = "\N{SCRIPT SMALL G}"


@pytest.fixture
def installed(monkeypatch):
    """Set the installed fallback fonts."""
    fonts.cjk_fonts.cache_clear()

    def only(*names):
        monkeypatch.setattr(fonts, "_CJK_FONTS", names)

    yield only
    fonts.cjk_fonts.cache_clear()


def titled(title):
    return axes_figure(lambda axes: axes[0, 0].set_title(title), heights=[0.5])


class Searched(fonts.font_manager.FontManager):
    """Fonts found on the system."""

    def __init__(self):
        pass


def test_characters_come_from_another_font_where_the_first_lacks_them(installed, tmp_path):
    installed("STIXGeneral")
    (svg,) = save_figure(titled(FOREIGN), tmp_path / "title")[1:]
    assert 'id="STIX' in svg.read_text(encoding="utf-8")


def test_fonts_installed_since_matplotlib_looked_are_found(installed, monkeypatch, tmp_path):
    installed("STIXGeneral")
    found = fonts.font_manager.fontManager
    stix = [entry for entry in found.ttflist if entry.name == "STIXGeneral"]
    monkeypatch.setattr(found, "ttflist", [each for each in found.ttflist if each not in stix])
    monkeypatch.setattr(Searched, "ttflist", stix, raising=False)
    monkeypatch.setattr(fonts.font_manager, "FontManager", Searched)
    save_figure(titled(FOREIGN), tmp_path / "title")  # without a warning


def test_characters_that_no_font_has_are_collected_from_several_figures(installed, tmp_path):
    installed()
    with missing_characters() as missing:  # without a warning
        save_figure(titled("千本"), tmp_path / "a")
        save_figure(titled("本"), tmp_path / "b")
    assert missing == {"千", "本"}


def test_save_appends_the_suffix_to_names_with_dots(whole, tmp_path):
    paths = save_figure(whole, tmp_path / "01. Intro.v2")
    assert [path.name for path in paths] == ["01. Intro.v2.png", "01. Intro.v2.svg"]
    assert imread(paths[0]).ndim == 3


def test_plotting_leaves_pyplot_alone():
    folder = Path(plot_features.__code__.co_filename).parent
    sources = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    assert len(sources) > 1
    assert not any("pyplot" in source for source in sources)


def mouse_at(ax, x, y):
    """Create a mouse event at (x, y) in data coordinates."""
    from matplotlib.backend_bases import MouseEvent

    return MouseEvent("motion_notify_event", ax.figure.canvas, *ax.transData.transform((x, y)))


@pytest.mark.parametrize(
    ("S", "edges"), [(np.eye(3), [0, 1, 2]), (np.ones((3, 2)), [0, 1, 2, 3]), (np.eye(3), 4)]
)
def test_a_similarity_is_drawn_between_edges(S, edges, ax):
    with pytest.raises(ValueError, match=r"n frames need n \+ 1 edges and S \(n, n\), got shapes"):
        plot_similarity(S, edges, ax=ax)


@pytest.mark.parametrize(("novelty", "edges"), [([0, 1], [0, 1, 2]), ([], []), (np.eye(2), [0, 1])])
def test_a_novelty_curve_is_drawn_at_edges(novelty, edges, ax):
    with pytest.raises(ValueError, match="novelty needs a value per edge, got shapes"):
        plot_novelty(novelty, edges, ax=ax)

"""Reading and writing segmentations: round trips, dirty files, refusals."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scatseg.formats import (
    FORMATS,
    Annotation,
    FormatError,
    Jams,
    jams_text,
    read,
    read_jams,
    write,
    write_jams,
)
from scatseg.formats.sounds import parse_sounds
from scatseg.formats.text import csv_rows
from scatseg.segmentation import Hierarchy, Segmentation

TEXT_FORMATS = ["lab", "csv", "audacity", "textgrid"]  # times to the nanosecond
LOSSY = [*TEXT_FORMATS, "svl"]  # labels of one line
quick = settings(max_examples=60, deadline=None)

any_label = st.text(max_size=12)
half_a_minute = st.floats(1e-3, 30)
plain_labels = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), max_size=12)


@st.composite
def segmentations(draw, labels=plain_labels, step=half_a_minute):
    """Sections that last a millisecond at least, not always from 0."""
    start = draw(st.one_of(st.just(0.0), st.floats(0, 600)))
    steps = draw(st.lists(step, min_size=1, max_size=12))
    boundaries = start + np.concatenate([[0.0], np.cumsum(steps)])
    names = draw(st.lists(labels, min_size=len(steps), max_size=len(steps)))
    return Segmentation(boundaries, names)


def parse(name, text, duration=None):
    data = text if isinstance(text, bytes) else text.encode()
    return FORMATS[name].parse(data, duration)


def round_trip(name, *annotations):
    return parse(name, FORMATS[name].text(annotations))


def lab(text, duration=None):
    (annotation,) = parse("lab", text, duration)
    return annotation


def form(*boundaries, labels):
    return Segmentation(boundaries, labels)


# ---- Round trips --------------------------------------------------------------------------


@quick
@given(segmentations(labels=any_label, step=st.floats(1e-5, 1e4)))
def test_jams_keeps_everything_exactly(segmentation):
    annotation = Annotation(segmentation=segmentation, annotator="Ann", level="phrase")
    assert round_trip("jams", annotation) == (annotation,)


@quick
@given(segmentations(), st.data())
def test_jams_and_csv_keep_how_sure_each_boundary_is(segmentation, data):
    sure = data.draw(st.lists(st.floats(0, 1), min_size=len(segmentation) - 1))
    confidence = (None, *sure[: len(segmentation) - 1]) if len(segmentation) > 1 else ()
    annotation = Annotation(segmentation=segmentation, system="s", confidence=confidence)
    assert round_trip("jams", annotation) == (annotation,)
    (back,) = round_trip("csv", annotation)
    assert back.confidence == confidence


def test_csv_has_a_column_of_confidence_where_it_is_known():
    annotation = Annotation(segmentation=AB, confidence=(None, 0.75))
    assert FORMATS["csv"].text([annotation]) == (
        "start,end,label,confidence\n0.000,10.000,A,\n10.000,20.000,B,0.75\n"
    )


@pytest.mark.parametrize("value", ["", "high", "nan"])
def test_a_column_of_confidence_without_numbers_says_nothing(value):
    (annotation,) = parse("csv", f"time,label,confidence\n0,A,{value}\n5,End,\n")
    assert annotation.confidence == ()


def test_a_confidence_for_each_segment_or_none_at_all():
    with pytest.raises(ValueError, match="2 segments need as many confidences or none, got 1"):
        Annotation(segmentation=form(0, 1, 2, labels="AB"), confidence=(0.5,))


@pytest.mark.parametrize("name", ["csv", "jams"])
def test_confidences_may_be_of_numpy(name, tmp_path):
    sure = np.array([0.5, 0.25], dtype=np.float32)
    write(tmp_path / "song", Annotation(segmentation=AB, confidence=sure), format=name)
    assert read(tmp_path / "song", format=name)[0].confidence == (0.5, 0.25)
    with pytest.raises(ValueError, match="confidences must be finite, or None where unknown"):
        Annotation(segmentation=AB, confidence=(0.5, np.nan))


def test_jams_keeps_an_end_that_start_and_duration_miss():
    segmentation = form(0, 8.03, 25.7, labels="AB")
    assert 8.03 + (25.7 - 8.03) != 25.7
    (back,) = round_trip("jams", Annotation(segmentation=segmentation))
    assert back.segmentation == segmentation


@pytest.mark.parametrize("name", LOSSY)
@quick
@given(segmentation=segmentations())
@example(segmentation=Segmentation([0, 1, 2], ["", " "]))
def test_labels_of_one_line_survive(name, segmentation):
    (back,) = round_trip(name, Annotation(segmentation=segmentation))
    assert back.segmentation.labels == tuple(label.strip() for label in segmentation.labels)


@pytest.mark.parametrize("name", TEXT_FORMATS)
@quick
@given(segmentation=segmentations())
def test_text_keeps_times_to_the_nanosecond(name, segmentation):
    (back,) = round_trip(name, Annotation(segmentation=segmentation))
    np.testing.assert_allclose(
        back.segmentation.boundaries, segmentation.boundaries, rtol=0, atol=1e-9
    )


@quick
@given(segmentations())
def test_svl_keeps_times_to_the_sample(segmentation):
    (back,) = round_trip("svl", Annotation(segmentation=segmentation))
    np.testing.assert_allclose(
        back.segmentation.boundaries, segmentation.boundaries, rtol=0, atol=0.51 / 44100
    )


@pytest.mark.parametrize("name", FORMATS)
@quick
@given(segmentation=segmentations())
def test_what_was_written_needs_no_repair(name, segmentation):
    (back,) = round_trip(name, Annotation(segmentation=segmentation))
    assert back.repairs == ()


@pytest.mark.parametrize("name", FORMATS)
@quick
@given(segmentation=segmentations(labels=any_label))
def test_a_second_round_trip_changes_nothing(name, segmentation):
    once = round_trip(name, Annotation(segmentation=segmentation))
    assert round_trip(name, *once) == once


@pytest.mark.parametrize("name", LOSSY)
def test_a_label_of_several_lines_becomes_one_line(name):
    (back,) = round_trip(name, Annotation(segmentation=form(0, 1, labels=["\tguitar\nsolo\0 "])))
    assert back.segmentation.labels == ("guitar solo",)


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_text_refuses_a_segment_shorter_than_it_can_tell(name):
    with pytest.raises(FormatError, match=r"segment 2 .* less than the nanosecond"):
        FORMATS[name].text([Annotation(segmentation=form(0, 1, 1 + 1e-12, 2, labels="ABC"))])


def test_svl_refuses_a_segment_shorter_than_a_sample():
    with pytest.raises(FormatError, match=r"at 1 s is shorter than a sample at 44100 Hz"):
        FORMATS["svl"].text([Annotation(segmentation=form(0, 1, 1 + 1e-6, 2, labels="ABC"))])


# ---- Known files --------------------------------------------------------------------------

ABA = form(0, 10, 25.5, 40, labels=["verse", 'the "big" chorus', "verse"])

WRITTEN = {
    "lab": '0.000\t10.000\tverse\n10.000\t25.500\tthe "big" chorus\n25.500\t40.000\tverse\n',
    "audacity": (
        "0.000000\t10.000000\tverse\n"
        '10.000000\t25.500000\tthe "big" chorus\n'
        "25.500000\t40.000000\tverse\n"
    ),
    "csv": (
        "start,end,label\n0.000,10.000,verse\n"
        '10.000,25.500,"the ""big"" chorus"\n25.500,40.000,verse\n'
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_text_is_written_like_this(name):
    assert FORMATS[name].text([Annotation(segmentation=ABA)]) == WRITTEN[name]


DATA = Path(__file__).parent / "data" / "formats"


@pytest.mark.parametrize(
    "name", ["long.TextGrid", "short.TextGrid", "loose.TextGrid", "regions.svl", "instants.svl"]
)
def test_files_of_other_programs_are_read(name):
    (annotation,) = read(DATA / name)
    assert annotation == Annotation(segmentation=ABA, level="sections")


def test_svl_is_what_sonic_visualiser_reads():
    # its reader wants these attributes, three dimensions for regions, and whole frames
    from xml.etree import ElementTree

    (annotation,) = read(DATA / "regions.svl")
    tree = ElementTree.fromstring(FORMATS["svl"].text([annotation]))
    model, dataset, layer = (
        tree.find("data/model"),
        tree.find("data/dataset"),
        tree.find(".//layer"),
    )
    assert {k: model.get(k) for k in ("type", "dimensions", "subtype", "sampleRate")} == {
        "type": "sparse",
        "dimensions": "3",
        "subtype": "region",
        "sampleRate": "44100",
    }
    assert model.get("dataset") == dataset.get("id")
    assert (layer.get("type"), layer.get("model")) == ("regions", model.get("id"))
    assert [tuple(point.attrib.values()) for point in dataset] == [
        ("0", "0", "441000", "verse"),
        ("441000", "1", "683550", 'the "big" chorus'),
        ("1124550", "0", "639450", "verse"),
    ]


def test_values_are_the_labels_of_a_layer_without_labels():
    svl = (
        '<sv><data><model id="1" sampleRate="10" dataset="2"/><dataset id="2">'
        '<point frame="0" value="1" label=""/><point frame="50" value="2" label=""/>'
        "</dataset></data></sv>"
    )
    (annotation,) = parse("svl", svl, duration=9.0)
    assert annotation.segmentation == form(0, 5, 9, labels="12")


def test_each_layer_of_an_svl_is_an_annotation():
    points = '<point frame="0" duration="10" label="A"/></dataset>'
    svl = (
        '<sv><model id="1" sampleRate="10" dataset="2"/><model id="3" sampleRate="20" dataset="4"/>'
        f'<dataset id="2">{points}<dataset id="4">{points}<dataset id="9"></dataset></sv>'
    )
    assert [a.segmentation.end for a in parse("svl", svl)] == [1.0, 0.5]


def test_utf_16_textgrid_is_read():
    text = FORMATS["textgrid"].text([Annotation(segmentation=form(0, 1, labels=["é"]))])
    (annotation,) = parse("textgrid", text.encode("utf-16"))
    assert annotation.segmentation.labels == ("é",)
    assert annotation.repairs == ("byte order mark left out, read as utf-16-le",)


def test_each_tier_is_an_annotation_named_by_its_level():
    coarse = Annotation(segmentation=form(0, 4, labels="A"), level="section")
    fine = Annotation(segmentation=form(0, 2, 4, labels="ab"), level="phrase")
    assert round_trip("textgrid", coarse, fine) == (coarse, fine)


def test_tiers_of_one_level_are_named_by_annotator_too():
    sources = [
        Annotation(segmentation=form(0, 4, labels="A"), annotator=who, level="section")
        for who in ("Ann", "Bob")
    ]
    assert [a.level for a in round_trip("textgrid", *sources)] == ["Ann section", "Bob section"]


def test_times_of_a_textgrid_have_a_decimal_place():
    text = FORMATS["textgrid"].text([Annotation(segmentation=form(0, 10, 20.25, labels="AB"))])
    lines = [line.strip() for line in text.splitlines()]
    ends = [line for line in lines if line.startswith(("xmin", "xmax"))]
    starts = ["xmin = 0.0", "xmin = 0.0", "xmin = 0.0", "xmin = 10.0"]
    assert ends[::2] == starts
    assert ends[1::2] == ["xmax = 20.25", "xmax = 20.25", "xmax = 10.0", "xmax = 20.25"]


def test_an_empty_tier_is_left_out_with_a_word():
    text = (DATA / "long.TextGrid").read_text()
    text = text.replace("size = 1", "size = 2", 1)
    text += 'item [2]:\n class = "TextTier"\n name = "bell"\n xmin = 0\n xmax = 40\n size = 0\n'
    (annotation,) = parse("textgrid", text)
    assert annotation.repairs == ("tier 'bell' is empty, left out",)


# ---- Dirty tables -------------------------------------------------------------------------

AB = form(0, 10, 20, labels="AB")

DIRTY = {
    "crlf": ("0\t10\tA\r\n10\t20\tB\r\n", ()),
    "old Mac": ("0\t10\tA\r10\t20\tB", ()),
    "spaces": ("  0   10  A \n10 20    B\n\n\n", ()),
    "comments": ("# by hand\n0 10 A\n# so\n10 20 B\n", ()),
    "header": ("Start\tEnd\tLabel\n0\t10\tA\n10\t20\tB\n", ()),
    "header of points": ("time\tlabel\n0\tA\n10\tB\n20\t\n", ()),
    "frequencies": ("0\t10\tA\n\\\t100.0\t200.0\n10\t20\tB\n\\\t-1.0\t200.0\n", ()),
    "points and End": ("0.0\tA\n10.0\tB\n20.0\tEnd\n", ()),
    "points and end": ("0.0 A\n10.0 B\n20.0 end", ()),
    "points and a time": ("0.0\tA\n10.0\tB\n20.0\n", ()),
    "Audacity points": ("0\t0\tA\n10\t10\tB\n20\t20\tEnd\n", ()),
    "rounding noise": ("0\t10.0000004\tA\n10\t20\tB\n", ()),
    "bom": (b"\xef\xbb\xbf0\t10\tA\n10\t20\tB\n", ["byte order mark left out, read as utf-8"]),
    "utf-16": (
        "0\t10\tA\n10\t20\tB\n".encode("utf-16-be"),
        ["not UTF-8, read as utf-16-be"],
    ),
    "blank": ("0\t10\tA\n\n10\t20\tB\n", ["line 2: blank, left out"]),
    "decimal commas": (
        "0\t10,0\tA\n10,0\t20,0\tB\n",
        ["line 1: decimal comma read as a point, here and below"],
    ),
    "end mark": (
        "0\t10\tA\n10\t20\tB\n20\tEnd\n",
        ["line 3: end marker ignored, each row has its own end"],
    ),
    "end mark out of order": (
        "20\tEnd\n0\t10\tA\n10\t20\tB\n",
        ["line 1: end marker ignored, each row has its own end"],
    ),
    "numbered, as by Isophonics": (
        "0.000\t10.0\t0\tA\n10.0\t20.0\t1\tB\n",
        ["column 3: numbers left out, column 4 has the labels"],
    ),
    "unsorted": ("10\t20\tB\n0\t10\tA\n", ["line 2: out of order, all rows sorted by time"]),
    "unsorted points": (
        "10\tB\n20\tEnd\n0\tA\n",
        ["line 3: out of order, all rows sorted by time"],
    ),
    "no length": (
        "0\t10\tA\n10\t10\tx\n10\t20\tB\n",
        ["line 2: 'x' at 10 s has no length, left out"],
    ),
    "points at one time": (
        "0\tA\n10\tx\n10\tB\n20\tEnd\n20\tSilence\n",
        [
            "line 2: 'x' at 10 s has no length, left out",
            "line 5: 'Silence' at 20 s has no length, left out",
        ],
    ),
    "repeated": ("0\t10\tA\n10\t20\tB\n10\t20\tB\n", ["line 3: repeats line 2, left out"]),
    "small gap": ("0\t9.99\tA\n10\t20\tB\n", ["line 2: gap of 10 ms before it closed"]),
    "small overlap": ("0\t10.005\tA\n10\t20\tB\n", ["line 2: overlap of 5 ms before it closed"]),
    "sliver": (
        "0\t10\tA\n10\t10.004\tx\n10\t20\tB\n",
        [
            "line 3: overlap of 4 ms before it closed",
            "line 2: begins with the longer line 3, left out",
        ],
    ),
    "all before 0": (
        "-0.0008\t-0.0002\tx\n0\t10\tA\n10\t20\tB\n",
        ["line 1: -0.0008 s taken as 0 s", "line 1: 'x' at 0 s has no length, left out"],
    ),
    "a little before 0": ("-0.0005\t10\tA\n10\t20\tB\n", ["line 1: -0.0005 s taken as 0 s"]),
}


@pytest.mark.parametrize(("text", "repairs"), DIRTY.values(), ids=DIRTY)
def test_dirty_lab_is_understood_and_each_repair_told(text, repairs):
    assert lab(text) == Annotation(segmentation=AB, repairs=tuple(repairs))


def test_a_gap_becomes_a_segment_without_label():
    annotation = lab("0\t10\tA\n12\t20\tB\n")
    assert annotation.segmentation == form(0, 10, 12, 20, labels=["A", "", "B"])
    assert annotation.repairs == ("line 2: gap from 10 to 12 s filled, labeled ''",)


@pytest.mark.parametrize(
    ("data", "codec"), [(b"0 1 caf\xe9", "cp1252"), (b"0 1 caf\xe9\x81", "latin-1")]
)
def test_text_that_is_not_utf_8_is_read_as_western(data, codec):
    annotation = lab(data)
    assert annotation.segmentation.labels[0].startswith("café")
    assert annotation.repairs == (f"not UTF-8, read as {codec}",)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("label", ["A", "Ā", "Куплет"])  # a NUL in the first, the second, no byte
def test_utf_16_is_told_by_its_zero_bytes(codec, label):
    annotation = lab(f"0\t10\t{label}\n10\t20\tB\n".encode(codec))
    assert annotation.segmentation == form(0, 10, 20, labels=[label, "B"])
    assert annotation.repairs == (f"not UTF-8, read as {codec}",)


def test_a_label_keeps_spaces_quotes_commas_and_numbers():
    annotation = lab("0\t10\tguitar  solo\n10\t20\tI, i, (drums\n20\t30\t'x' \"y\"\n30\t40\t2 b\n")
    assert annotation.segmentation.labels == ("guitar  solo", "I, i, (drums", "'x' \"y\"", "2 b")


def test_points_may_have_numbers_for_labels():
    annotation = lab("0.0\t1\n10.5\t2\n21.0\t1\n30.5\tEnd\n")
    assert annotation.segmentation == form(0, 10.5, 21, 30.5, labels="121")


def test_intervals_may_have_no_labels():
    assert lab("0.0\t10\n10\t21.0\n").segmentation == form(0, 10, 21, labels=["", ""])


def test_times_alone_are_boundaries():
    assert lab("0.0\n10\n21.0\n").segmentation == form(0, 10, 21, labels=["", ""])


def test_silence_is_a_label_like_others():
    assert lab("0\tSilence\n1\tA\n2\tSilence\n3\tEnd").segmentation.labels == (
        "Silence",
        "A",
        "Silence",
    )


def test_sections_may_begin_after_the_start():
    assert lab("5\t10\tA\n10\t20\tB\n").segmentation.start == 5.0


def test_the_duration_ends_the_last_point():
    assert lab("0\tA\n10\tB\n", duration=20.0).segmentation == AB


def test_an_end_row_is_believed_more_than_the_duration():
    assert lab("0\tA\n10\tB\n20\tEnd\n", duration=20.3).segmentation == AB


@given(st.permutations(range(6)))
def test_rows_may_come_in_any_order(order):
    rows = [f"{10 * i}\t{10 * i + 10}\t{9 - i}" for i in order]
    assert lab("\n".join(rows)).segmentation == form(*range(0, 70, 10), labels="987654")


REFUSED = {
    "empty": ("", "holds no segment"),
    "comments only": ("# nothing\n\n", "holds no segment"),
    "words": ("hello world\n", "line 1: expected the segment's start in seconds, got 'hello'"),
    "binary": (bytes(range(1, 256)), "line 1: expected the segment's start"),
    "odd utf-16": (b"\xff\xfe0\x001", "is not a text file"),
    "clock times": ("0:00 A\n1:30 End\n", "line 1: expected the segment's start .* '0:00'"),
    "nan": ("0\t10\tA\n10\tnan\tB\n", "line 2: a time must be a finite number of seconds, got nan"),
    "nan everywhere": ("nan\tnan\tA\nnan\tnan\tB\n", "line 1: .* finite .* got nan"),
    "inf": ("0\t10\tA\n10\tinf\tB\n", "line 2: .* finite .* got inf"),
    "too large": ("0\t10\tA\n10\t1e999\tB\n", "line 2: .* finite .* got inf"),
    "negative": ("-1\t10\tA\n10\t20\tB\n", "line 1: a time cannot be negative, got -1 s"),
    "backwards": (
        "0\t10\tA\n10\t20\tB\n30\t25\tC\n",
        r"line 3: the end \(25 s\) comes before the start \(30 s\)",
    ),
    "overlap": (
        "0\t12\tA\n10\t20\tB\n",
        r"line 2: starts at 10 s, before the segment of line 1 ends \(12 s\)",
    ),
    "nested": ("0\t30\tA\n10\t20\tB\n", "line 2: starts at 10 s, before"),
    "no end": ("0\t10\tA\n10\tB\n20\t30\tC", "line 2: expected the segment's end .* got 'B'"),
    "end too early": ("0\t10\tA\n10\tEnd\n20\t30\tC", "line 2: expected the segment's end .*"),
    "no length": ("5\t5\tEnd\n", "line 1: says where a segment ends, but none begins before"),
    "open end": (
        "0\tA\n10\tB\n",
        "line 2: the segment 'B' has no end; add a row .* label End, or give the duration",
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_lab_that_cannot_be_understood_is_refused(text, reason):
    with pytest.raises(FormatError, match=reason):
        lab(text)


def test_a_point_after_the_recording_is_refused():
    with pytest.raises(FormatError, match=r"line 2: starts at 10 s, after .* end at 9 s"):
        lab("0\tA\n10\tB\n", duration=9.0)


CSV = {
    "bare": "0,10,A\n10,20,B\n",
    "header": "start,end,label\n0,10,A\n10,20,B\n",
    "other order": "Label;Onset;Offset\nA;0;10\nB;10;20\n",
    "two words": "Start Time; End time;Label\n0;10;A\n10;20;B\n",
    "points": "time,label\n0,A\n10,B\n20,End\n",
    "bare points": "0,A\n10,B\n20,End\n",
    "semicolons": "0;10;A\n10;20;B\n",
    "tabs": "start\tend\tlabel\n0\t10\tA\n10\t20\tB\n",
    "quotes and spaces": '"0", "10", "A"\n"10", "20", "B"\n',
    "row numbers": ",start,end,label\n0,0,10,A\n1,10,20,B\n",
    "row numbers and semicolons": ";start;end;label\n0;0;10;A\n1;10;20;B\n",
    "unnamed tabs": "\tstart\tend\tlabel\n0\t0\t10\tA\n1\t10\t20\tB\n",
    "vertical bars": "start|end|label\n0|10|A\n10|20|B\n",
    "stated separator in capitals": "SEP=;\nstart;end;label\n0;10;A\n10;20;B\n",
    "stated separator": "sep=;\r\nstart;end;label\r\n0;10;A\r\n10;20;B\r\n",
    "stated separator only": "sep=|\n0|10|A\n10|20|B\n",
    "columns without names": ",time,label,\n0,0,A,\n1,10,B,\n2,20,End,\n",
    "spreadsheet": "# mine\n0,10,A,,\n10,20,B,,\n,,,,\n",
}


@pytest.mark.parametrize("text", CSV.values(), ids=CSV)
def test_csv_is_read_with_any_header_and_separator(text):
    (annotation,) = parse("csv", text)
    assert annotation.segmentation == AB


def test_csv_with_semicolons_may_have_decimal_commas():
    (annotation,) = parse("csv", "0,0;10,0;A\n10,0;20,0;B\n")
    assert annotation.segmentation == AB
    assert annotation.repairs == ("line 1: decimal comma read as a point, here and below",)


def test_a_header_says_that_numbers_are_labels():
    (annotation,) = parse("csv", "time,label\n0,1\n1,2\n", duration=3.0)
    assert annotation.segmentation == form(0, 1, 3, labels="12")


REGIONS = "0.0{0}3{0}10.0{0}A\n10.0{0}3{0}5.5{0}B b\n15.5{0}3{0}4.5{0}A\n"


@pytest.mark.parametrize(("name", "separator"), [("lab", "\t"), ("lab", " "), ("csv", ",")])
@pytest.mark.parametrize("duration", [None, 20.0])
def test_regions_of_sonic_visualiser_have_a_value_and_a_duration(name, separator, duration):
    (annotation,) = parse(name, REGIONS.format(separator), duration)
    assert annotation.segmentation == form(0, 10, 15.5, 20, labels=["A", "B b", "A"])
    assert annotation.repairs == (
        "read as regions: time, value, duration and label; values left out",
    )


@pytest.mark.parametrize("header", ["TIME,VALUE,DURATION,LABEL", "time,value,duration,name"])
def test_a_header_may_name_durations(header):
    (annotation,) = parse("csv", header + "\n0,7,10,A\n10,9,10,B\n")
    assert annotation == Annotation(segmentation=AB)
    (annotation,) = parse("csv", "start,duration,label\n0,10,A\n10,10,B\n")
    assert annotation == Annotation(segmentation=AB)


def test_a_header_of_regions_is_read_in_text():
    header = "TIME\tVALUE\tDURATION\tLABEL\n"
    assert lab(header + "0\t7\t10\tA\n10\t9\t10\tB\n") == Annotation(segmentation=AB)
    assert lab(header + "0\t7\t10\tA\n").segmentation == form(0, 10, labels="A")
    with pytest.raises(FormatError, match=r"line 3: expected the segment's end .* ''"):
        lab(header + "0\t7\t10\tA\n10\t9\n")


@pytest.mark.parametrize("header", ["start duration label", "time value label"])
def test_other_headers_of_text_are_not_mistaken_for_labels(header):
    with pytest.raises(FormatError, match="line 1: expected the segment's"):
        lab(header + "\n0 10 A\n10 10 B\n")


def test_a_wrong_end_does_not_make_regions():
    with pytest.raises(FormatError, match=r"line 2: the end \(5 s\) comes before"):
        lab("0\t10\t1\tA\n10\t5\t2\tB\n20\t30\t1\tA\n")


CSV_REFUSED = {
    "empty": ("", "holds no segment"),
    "comments only": ("# nothing\n", "holds no segment"),
    "header only": ("start,end,label\n", "holds no segment"),
    "unknown column": ("start,end,mood\n0,1,A\n", "line 1: .* header such as start,end,label"),
    "column twice": ("start,time\n0,1\n", "line 1: .* header such as"),
    "decimal commas": ("0,0,10,0,A\n", "line 1: expected start, end, label, got 5 fields"),
    "third field": ("0,A,x\n10,B\n20,End\n", "line 1: expected start and label .* third field"),
    "duration": ("start,duration,label\n0,long,A\n", "line 2: expected the segment's end .*'long'"),
    "open quote": ('0,10,A\n10,20,"B\n20,30,C\n', "line 2: unexpected end of data"),
    "no start": ("0,10,A\n,20,B\n20,30,C\n", "line 2: expected the segment's start .* ''"),
}


@pytest.mark.parametrize(("text", "reason"), CSV_REFUSED.values(), ids=CSV_REFUSED)
def test_csv_that_cannot_be_understood_is_refused(text, reason):
    with pytest.raises(FormatError, match=reason):
        parse("csv", text)


def test_lines_are_counted_through_labels_of_several_lines():
    with pytest.raises(FormatError, match="line 4: a time cannot be negative"):
        parse("csv", 'start,end,label\n0,10,"A\nA"\n-5,20,B\n')
    with pytest.raises(FormatError, match="line 5: a time cannot be negative"):
        parse("csv", 'sep=;\nstart;end;label\n0;10;"A\nA"\n-5;20;B\n')


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_columns_are_separated_as_in_the_header(end, mark):
    others = ",;\t".replace(mark, "")
    text = end.join(["", f"file{mark}label", *[others * 3] * 3, ""])
    rows = [fields for _, fields in csv_rows(text)]
    assert rows == [[], ["file", "label"], *[[others * 3]] * 3]


@pytest.mark.parametrize(("mark", "kind"), [(";", "semicolons"), ("|", "vertical bars")])
def test_a_table_of_sounds_says_what_separates_its_columns(mark, kind):
    table = parse_sounds(f"sep={mark}\nfile{mark}label\na.wav{mark}x\n".encode())
    assert table.rows == ((3, ("a.wav", "x")),)
    assert table.notes == (f"columns are separated by {kind}",)


def test_rows_are_numbered_by_their_first_lines():
    text = 'a,b\n1,"2\n2\n2"\n3,4\n"5\n5",6\n7,8\n'
    assert [line for line, _ in csv_rows(text)] == [1, 2, 5, 6, 8]
    assert [line for line, _ in csv_rows("sep=,\n" + text)] == [2, 3, 6, 7, 9]
    with pytest.raises(FormatError, match=r"^line 9: .* is a quote not closed\?"):
        list(csv_rows("sep=,\n" + text.replace("7", '"7')))


def svl(body, doctype="<!DOCTYPE sonic-visualiser>"):
    return f'<?xml version="1.0"?>\n{doctype}\n<sv>{body}</sv>'


OTHERS_REFUSED = {
    "no XML": ("svl", "0 1 A", "is not XML"),
    "cut svl": (
        "svl",
        svl('<model dataset="1" sampleRate="9"/><dataset id="1"><point frame="0"/></dataset>')[:-5],
        "is not XML",
    ),
    "no layer": ("svl", svl("<data></data>"), "holds no layer"),
    "no rate": (
        "svl",
        svl('<dataset id="1"><point frame="0"/></dataset>'),
        "line 3: .* no sampleRate",
    ),
    "no frame": (
        "svl",
        svl('<model dataset="1" sampleRate="9"/><dataset id="1"><point time="0"/></dataset>'),
        "line 3: a point needs a frame, got None",
    ),
    "entity bomb": (
        "svl",
        svl("&a;", '<!DOCTYPE sv [<!ENTITY a "aaaa">]>'),
        "line 2: declarations in <!DOCTYPE sv> are refused",
    ),
    "outside entity": ("svl", svl("", '<!DOCTYPE sv SYSTEM "file:///x">'), "are refused"),
    "no TextGrid": ("textgrid", 'File type = "ooTextFile"\n"Pitch"\n', "line 2: is not a TextGrid"),
    "cut TextGrid": ("textgrid", '"ooTextFile" "TextGrid" 0 1 <exists> 1', "ends where the class"),
    "half a tier": ("textgrid", '"ooTextFile" "TextGrid" 0 1 1.5', "line 1: .* number of tiers"),
    "no tier": ("textgrid", '"ooTextFile" "TextGrid" 0 1 0', "holds no tier"),
    "other tier": ("textgrid", '"ooTextFile" "TextGrid" 0 1 1 "Tier"', "got 'Tier'"),
    "label for time": ("textgrid", '"ooTextFile" "TextGrid" "A"', "expected xmin, a number"),
    "time for label": ("textgrid", '"ooTextFile"\n5', "line 2: expected the object class .* got 5"),
    "no JSON": ("jams", "{", "is not JSON"),
    "deep JSON": ("jams", "[" * 100_000, "is not JSON"),
    "no JAMS": ("jams", "[]", "is not JAMS"),
}


@pytest.mark.parametrize(("name", "text", "reason"), OTHERS_REFUSED.values(), ids=OTHERS_REFUSED)
def test_other_files_that_cannot_be_understood_are_refused(name, text, reason):
    with pytest.raises(FormatError, match=reason):
        parse(name, text)


@pytest.mark.parametrize("name", FORMATS)
@quick
@given(data=st.data())
def test_damage_is_read_or_refused_but_never_crashes(name, data):
    good = FORMATS[name].text([Annotation(segmentation=ABA)]).encode()
    start = data.draw(st.integers(0, len(good)))
    length = data.draw(st.integers(0, 30))
    patch = data.draw(
        st.one_of(st.binary(max_size=20), st.sampled_from([b"", b"-", b"e9", b"nan"]))
    )
    try:
        annotations = parse(name, good[:start] + patch + good[start + length :])
    except FormatError:
        return
    assert annotations


# ---- JAMS ---------------------------------------------------------------------------------


def jams_file(*annotations, **metadata):
    return json.dumps({"annotations": annotations, "file_metadata": metadata, "sandbox": {}})


def item(*observations, namespace="segment_open", sandbox=None, **metadata):
    data = [{"time": t, "duration": d, "value": v, "confidence": None} for t, d, v in observations]
    return {
        "namespace": namespace,
        "annotation_metadata": metadata,
        "data": data,
        "sandbox": sandbox or {},
    }


A1 = (0, 1, "A")


def named(*items):
    return [(a.annotator, a.level) for a in parse("jams", jams_file(*items))]


ESTIMATE = Jams(
    annotations=(
        Annotation(segmentation=AB, system="scattering", level="phrase", confidence=(None, 0.75)),
        Annotation(segmentation=form(0, 20, labels="A"), system="scattering", level="section"),
        Annotation(segmentation=AB, annotator="Ann", level="phrase"),
    ),
    duration=20.25,
    title="Été",
    sandbox={"scatseg": {"audio": "/music/\udcff.wav", "warnings": ["clipped"]}},
)


def test_jams_file_is_read_as_it_was_written(tmp_path):
    write_jams(tmp_path / "a.jams", ESTIMATE)
    assert read_jams(tmp_path / "a.jams") == ESTIMATE


def test_jams_names_system_and_level_in_the_tools():
    metadata = json.loads(jams_text(ESTIMATE))["annotations"][1]["annotation_metadata"]
    assert metadata["annotation_tools"] == "scatseg:scattering:section"


def test_jams_bytes_do_not_depend_on_the_order_of_the_sandbox():
    def text(sandbox):
        return jams_text(Jams(annotations=(), duration=1.0, sandbox=sandbox))

    assert text({"a": 1, "b": {"c": 2, "d": 3}}) == text({"b": {"d": 3, "c": 2}, "a": 1})


def test_jams_refuses_to_write_what_is_not_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        jams_text(Jams(annotations=(), duration=float("nan")))


@pytest.mark.filterwarnings("ignore")  # of the jams package and what it imports
def test_jams_is_valid_for_the_jams_package(tmp_path):
    jams = pytest.importorskip("jams")
    write_jams(tmp_path / "a.jams", ESTIMATE)
    loaded = jams.load(str(tmp_path / "a.jams"), validate=True, strict=True)
    intervals, labels = loaded.annotations[0].to_interval_values()
    np.testing.assert_array_equal(intervals, AB.intervals)
    assert labels == list(AB.labels)


@pytest.mark.parametrize("value", [None, "high", True, float("nan"), 10**400, {}])
def test_a_confidence_that_is_no_number_says_nothing(value):
    source = item(A1)
    source["data"][0]["confidence"] = value
    (annotation,) = parse("jams", jams_file(source))
    assert annotation.confidence == ()


def test_annotators_are_known_by_name_then_id_then_number():
    assert named(
        item(A1, annotator={"name": "Ann", "id": "7"}),
        item(A1, annotator={"id": "8"}),
        item(A1, annotator={"email": "x@y.z"}),
        item(A1, annotator={"email": "x@y.z"}, namespace="segment_salami_upper"),
        item(A1),
    ) == [("Ann", ""), ("8", ""), ("3", ""), ("3", "upper"), ("4", "")]


def test_anonymous_annotations_of_one_kind_have_two_annotators():
    kinds = ["segment_salami_upper", "segment_salami_lower"]
    assert named(*(item(A1, namespace=kind) for kind in kinds * 2)) == [
        ("1", "upper"),
        ("1", "lower"),
        ("2", "upper"),
        ("2", "lower"),
    ]


def test_level_comes_from_the_sandbox_or_the_namespace():
    assert named(
        item(A1, sandbox={"level": "phrase"}),
        item(A1, namespace="segment_salami_function"),
        item(A1, namespace="segment_salami_lower", sandbox={"level": "mine"}),
        item(A1, namespace="segment_tut"),
    ) == [("", "phrase"), ("", "function"), ("", "mine"), ("", "")]


def test_tools_are_the_levels_of_an_annotator_who_used_several():
    ann, bob = {"name": "Ann"}, {"name": "Bob"}
    assert named(
        item(A1, annotator=ann, annotation_tools="phrase"),
        item(A1, annotator=ann, annotation_tools="section"),
        item(A1, annotator=bob, annotation_tools="Sonic Visualiser"),
    ) == [("Ann", "phrase"), ("Ann", "section"), ("Bob", "")]


def test_multi_segment_gives_an_annotation_per_level():
    rows = [(0, 4, {"label": "A", "level": 0}), (0, 1, {"label": "a", "level": 1})]
    rows += [(1, 3, {"label": "b", "level": 1})]
    annotations = parse("jams", jams_file(item(*rows, namespace="multi_segment")))
    assert [(a.level, a.segmentation) for a in annotations] == [
        ("0", form(0, 4, labels="A")),
        ("1", form(0, 1, 4, labels="ab")),
    ]


def test_old_jams_with_lists_of_columns_is_read():
    old = item()
    old["data"] = {"time": [0, 1], "duration": [1, 2], "value": ["A", "B"], "confidence": [1, 1]}
    (annotation,) = parse("jams", jams_file(old))
    assert annotation.segmentation == form(0, 1, 3, labels="AB")
    assert annotation.confidence == (1.0, 1.0)


def test_an_annotation_knows_its_end_better_than_its_last_observation():
    source = {**item((8.03, 25.7 - 8.03, "A")), "time": 0.7, "duration": 25.0}
    (annotation,) = parse("jams", jams_file(source))
    assert annotation.segmentation == form(8.03, 25.7, labels="A")


def test_other_namespaces_are_passed_over():
    assert len(named(item((0, 0, 1), namespace="beat"), item(A1))) == 1


def test_an_annotation_without_data_is_left_out_with_a_word():
    (annotation,) = parse("jams", jams_file(item(), item(A1)))
    assert annotation.repairs == ("annotation 1 (segment_open) has no data, left out",)


def test_duration_of_the_recording_is_told_or_the_last_end(tmp_path):
    (tmp_path / "told.jams").write_text(jams_file(item(A1), duration=1.5))
    (tmp_path / "untold.jams").write_text(jams_file(item(A1)))
    assert read_jams(tmp_path / "told.jams").duration == 1.5
    assert read_jams(tmp_path / "untold.jams").duration == 1.0


JAMS_REFUSED = {
    "beats only": (jams_file(item((0, 0, 1), namespace="beat")), "no segmentation, only beat"),
    "no data": (jams_file(item()), "holds no segmentation, only segment_open without data"),
    "names of kinds": (
        json.dumps({"annotations": [{"namespace": ["chord"]}, {"namespace": {"a": 1}}]}),
        r"holds no segmentation, only \['chord'\], {'a': 1}",
    ),
    "nothing": (jams_file(), "holds no segmentation, only an empty list"),
    "no time": (jams_file(item((None, 1, "A"))), "annotation 1, observation 1: .* got None"),
    "true": (jams_file(item((True, 1, "A"))), "observation 1: .* seconds, got True"),
    "NaN": (jams_file(item((0, float("nan"), "A"))), "observation 1: .* seconds, got nan"),
    "huge": (jams_file(item((0, 10**400, "A"))), "observation 1: .* seconds, got 1000"),
    "text duration": (jams_file(item(A1), duration="1:30"), "file_metadata, duration: .* '1:30'"),
    "no label": (jams_file(item((0, 1, None))), "observation 1: expected a label, got None"),
    "negative": (jams_file(item((-3, 1, "A"))), "observation 1: a time cannot be negative"),
    "overlap": (
        jams_file(item((0, 9, "A"), (3, 9, "B"))),
        "annotation 1, observation 2: starts at 3 s, before the segment of annotation 1, obs",
    ),
    "no list": (jams_file({**item(), "data": "x"}), "annotation 1: expected a list of obs"),
    "uneven": (
        jams_file({**item(), "data": {"time": [0], "duration": [], "value": []}}),
        "annotation 1: expected lists of equal length for time, duration, value$",
    ),
    "uneven confidence": (
        jams_file(
            {**item(), "data": {"time": [0], "duration": [1], "value": ["A"], "confidence": []}}
        ),
        "annotation 1: expected lists of equal length for time, duration, value, confidence",
    ),
}


@pytest.mark.parametrize(("text", "reason"), JAMS_REFUSED.values(), ids=JAMS_REFUSED)
def test_jams_that_cannot_be_understood_is_refused(text, reason):
    with pytest.raises(FormatError, match=reason):
        parse("jams", text)


# ---- Files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.jams", "x.lab", "x.TXT", "x.csv", "x.svl", "x.TextGrid"])
def test_the_extension_says_the_format(tmp_path, name):
    write(tmp_path / name, ABA)
    (annotation,) = read(tmp_path / name)
    assert annotation.segmentation == ABA


def test_a_named_format_is_stronger_than_the_extension(tmp_path):
    write(tmp_path / "x.jams", ABA, format="audacity")
    assert (tmp_path / "x.jams").read_text() == WRITTEN["audacity"]
    assert read(tmp_path / "x.jams", format="audacity")[0].segmentation == ABA


def test_an_unknown_extension_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"x\.mid: no format goes by '.mid'; .* \.jams \.lab"):
        read(tmp_path / "x.mid")


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(FormatError, match="there is no format 'midi', only jams, lab"):
        write(tmp_path / "x.lab", ABA, format="midi")


def test_an_error_names_file_and_line(tmp_path):
    path = tmp_path / "song.lab"
    path.write_text("0 10 A\n5 20 B\n")
    with pytest.raises(FormatError, match=r"song\.lab: line 2: starts at 5 s"):
        read(path)


def test_a_jams_error_names_the_file(tmp_path):
    (tmp_path / "song.jams").write_text("{}")
    with pytest.raises(FormatError, match=r"song\.jams: is not JAMS"):
        read_jams(tmp_path / "song.jams")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.lab"):
        read(tmp_path / "x.lab")


def test_a_sound_may_last_less_than_a_second(tmp_path):
    (tmp_path / "x.lab").write_text("0\tA\n0.25\tB\n")
    (annotation,) = read(tmp_path / "x.lab", duration=0.5)
    assert annotation.segmentation == form(0, 0.25, 0.5, labels="AB")


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_must_be_positive(tmp_path, duration):
    with pytest.raises(ValueError, match="duration must be a positive number of seconds"):
        read(tmp_path / "x.lab", duration=duration)


def test_jams_and_textgrid_hold_several_segmentations_and_the_others_one(tmp_path):
    two = [Annotation(segmentation=ABA, level=level) for level in "ab"]
    for name, kind in FORMATS.items():
        path = tmp_path / f"x{kind.extension}"
        if name in ("jams", "textgrid"):
            write(path, two, format=name)
            assert len(read(path)) == 2
        else:
            reason = f"{name} holds one segmentation, got 2: choose one, or .*jams, textgrid"
            with pytest.raises(FormatError, match=reason):
                write(path, two, format=name)


@pytest.mark.parametrize("level", ["", "phrase"])
def test_jams_invents_no_annotator(level, tmp_path):
    written = Annotation(segmentation=ABA, level=level)
    write(tmp_path / "x.jams", written)
    assert read(tmp_path / "x.jams") == (written,)


@pytest.mark.parametrize("name", ["x.jams", "x.TextGrid"])
def test_levels_of_a_hierarchy_are_written_under_their_names(name, tmp_path):
    fine = form(0, 1, 2, 3, 4, labels="abab")
    coarse = form(0, 2, 4, labels="AA")
    write(tmp_path / name, Hierarchy([coarse, fine], ["section", "phrase"], default=1))
    assert read(tmp_path / name) == (
        Annotation(segmentation=fine, level="phrase"),
        Annotation(segmentation=coarse, level="section"),
    )


@pytest.mark.parametrize("content", [[ABA, ABA], (ABA.intervals, ABA.labels), None, "A"])
def test_what_is_no_annotation_cannot_be_written(content, tmp_path):
    with pytest.raises(TypeError, match="a Hierarchy or Annotations can be written"):
        write(tmp_path / "x.jams", content)


def test_a_path_in_the_place_of_the_content_is_told(tmp_path):
    with pytest.raises(TypeError, match=r"got \w*Path: the path comes first"):
        write(ABA, tmp_path / "x.lab")


@pytest.mark.parametrize("name", ["songs", "songs.lab"])
def test_a_folder_is_not_read_as_a_file(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(FormatError, match=f"{name}: a file is needed, this is a folder"):
        read(tmp_path / name)


def test_nothing_cannot_be_written(tmp_path):
    with pytest.raises(FormatError, match="jams holds one segmentation or more, got none"):
        write(tmp_path / "x.jams", [])


def test_a_failed_write_leaves_the_old_file_and_names_the_new(tmp_path):
    path = tmp_path / "x.lab"
    path.write_text("old")
    with pytest.raises(FormatError, match=r"x\.lab: segment 1 .* nanosecond"):
        write(path, form(0, 1e-12, labels="A"))
    assert path.read_text() == "old"


# ---- The corpus ---------------------------------------------------------------------------


@pytest.mark.corpus
def test_pop909_jams_and_lab_hold_the_same_annotations(shared):
    folder = shared / "corpus" / "pop909_dev" / "annotations"
    files = sorted(folder.glob("*.jams"))
    assert files
    for path in files:
        jams = read_jams(path)
        assert len(jams.annotations) == 4
        for annotation in jams.annotations:
            number = annotation.annotator.removeprefix("human_label")
            (twin,) = read(folder / f"{path.stem}.{annotation.level}{number}.lab")
            assert annotation.segmentation.labels == twin.segmentation.labels
            np.testing.assert_allclose(
                annotation.segmentation.boundaries, twin.segmentation.boundaries, atol=6e-5
            )


@pytest.mark.corpus
def test_sargon_is_read(shared):
    (annotation,) = read(shared / "corpus" / "real_sargon" / "annotations" / "Mindless_cut.jams")
    assert annotation.annotator == "Oriol Nieto"
    assert annotation.segmentation.labels == (
        "Silence",
        "Intro",
        "MainRiff",
        "Pre-verse",
        "Pre-verse",
    )
    assert annotation.segmentation.end == pytest.approx(63.402018)


@pytest.mark.corpus
@pytest.mark.slow
def test_every_file_of_salami_is_read(shared):
    with tarfile.open(shared / "corpus" / "salami_annotations.tar.gz") as archive:
        members = [m for m in archive if m.name.startswith("annotations/") and m.isfile()]
        assert len(members) > 8000
        for member in members:
            data = archive.extractfile(member).read()
            times = [float(line.split(b"\t")[0]) for line in data.splitlines()]
            annotation = lab(data)
            assert annotation.segmentation.boundaries == tuple(sorted(set(times)))


def test_estimates_without_a_level_stay_without_one(tmp_path):
    form = Segmentation([0, 1, 2], ["A", "B"])
    estimates = [Annotation(segmentation=form, system=name) for name in ("foote", "laplacian")]
    write(tmp_path / "a.jams", estimates)
    assert [found.level for found in read(tmp_path / "a.jams")] == ["", ""]

"""700 pairs of corrupted files with known answers: scored as if clean, or rejected with a reason.

A clean form is written as rows, of which rows, text and bytes are corrupted in turn. Every step
states the repairs that the reader should report, and the expected result.
"""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from scatseg import evaluate
from scatseg.datasets import read_references
from scatseg.segmentation import Segmentation

N_PAIRS = 700
LABELS = ["verse", "guitar solo", 'the "big" one', "I, i, (drums", "it's", "2nd  time", "Silence"]


@dataclass
class Sheet:
    """Rows of a file that is being corrupted, and the expected result."""

    rows: list[list[str]]
    points: bool
    boundaries: list[float]
    labels: list[str]
    suffix: str = ".lab"
    separator: str = "\t"
    line_end: str = "\n"
    encoding: str = "utf-8"
    tells: list[str] = field(default_factory=list)  # part of the text of each expected repair

    @property
    def expected(self):
        return Segmentation(self.boundaries, self.labels)

    def text(self):
        if self.suffix == ".csv":
            text = io.StringIO()
            csv.writer(text, delimiter=self.separator, lineterminator=self.line_end).writerows(
                self.rows
            )
            return text.getvalue()
        return self.line_end.join(self.separator.join(row) for row in self.rows) + self.line_end


def clean_form(rng):
    """Compose 4 to 9 sections; the first label has an accent."""
    n = int(rng.integers(4, 10))
    boundaries = np.concatenate([[0.0], np.cumsum(rng.integers(2_000, 9_000, n)) / 1000])
    labels = ["refrén", *rng.choice(LABELS, n - 1)]
    return Segmentation([round(time, 3) for time in boundaries], labels)


def sheet_of(form, rng):
    """Write a form as spans or as points, as one of the formats."""
    points = bool(rng.random() < 0.4)
    if points:
        rows = [[f"{start:.3f}", label] for start, _, label in form]
        rows.append([f"{form.end:.3f}", str(rng.choice(["End", "end", ""]))])
    else:
        rows = [[f"{start:.3f}", f"{end:.3f}", label] for start, end, label in form]
    kinds = [(".lab", "\t"), (".lab", "  "), (".txt", "\t"), (".csv", ","), (".csv", ";")]
    suffix, separator = kinds[int(rng.integers(len(kinds)))]
    return Sheet(
        rows=rows,
        points=points,
        boundaries=list(form.boundaries),
        labels=list(form.labels),
        suffix=suffix,
        separator=separator,
    )


# ---- Dirt that can be understood ----------------------------------------------------------


def say_twice(sheet, rng):
    i = int(rng.integers(len(sheet.rows) - sheet.points))
    sheet.rows.insert(i, list(sheet.rows[i]))
    sheet.tells.append("has no length, left out" if sheet.points else "repeats line")


def add_no_length(sheet, rng):
    i = int(rng.integers(1, len(sheet.labels)))
    time = f"{sheet.boundaries[i]:.3f}"
    sheet.rows.insert(i, [time, "x"] if sheet.points else [time, time, "x"])
    sheet.tells.append("'x' at")


def shuffle(sheet, rng):
    if sheet.points and any(row[1] == "x" for row in sheet.rows):
        return  # of simultaneous points, the last counts
    order = rng.permutation(len(sheet.rows))
    sheet.rows[:] = [sheet.rows[i] for i in order]
    starts = [float(row[0]) for row in sheet.rows if row[1:] != ["End"] or sheet.points]
    if starts != sorted(starts):
        sheet.tells.append("out of order, all rows sorted by time")


def mark_end(sheet, rng):
    time = f"{sheet.boundaries[-1]:.3f}"
    if sheet.points:
        sheet.rows.append([time, "Silence"])
        sheet.tells.append("'Silence' at")
    else:
        short = rng.random() < 0.5
        sheet.rows.append([time, "End"] if short else [time, time, "End"])
        sheet.tells.append("end marker ignored" if short else "'End' at")


def lose_last_label(sheet, _):
    if not sheet.points:
        sheet.rows[-1].pop()
        sheet.labels[-1] = ""


def lose_a_row(sheet, rng):
    if not sheet.points:
        i = int(rng.integers(1, len(sheet.labels) - 1))
        del sheet.rows[i]
        sheet.labels[i] = ""
        sheet.tells.append("filled, labeled ''")


def slip(sheet, rng):
    if not sheet.points:
        i = int(rng.integers(len(sheet.labels) - 1))
        slip, what = (0.004, "overlap") if rng.random() < 0.5 else (-0.004, "gap")
        sheet.rows[i][1] = f"{sheet.boundaries[i + 1] + slip:.3f}"
        sheet.tells.append(f"{what} of 4 ms before it closed")


def begin_before_zero(sheet, _):
    sheet.rows[0][0] = "-0.0004"
    sheet.tells.append("taken as 0 s")


ROW_DIRT = [
    # in this order, so that later steps do not undo earlier ones
    lose_last_label,
    lose_a_row,
    slip,
    begin_before_zero,
    say_twice,
    add_no_length,
    mark_end,
    shuffle,
]
APART = [  # incompatible: combined, they have a different correct result
    {lose_a_row, slip},
    {lose_a_row, add_no_length},
]


def use_commas(sheet, _):
    if (sheet.suffix, sheet.separator) == (".csv", ","):
        return
    for row in sheet.rows:
        for i in range(1 if sheet.points else min(2, len(row))):
            if row[i].replace(".", "").lstrip("-").isdigit():
                row[i] = row[i].replace(".", ",")
    sheet.tells.append("decimal comma read as a point")


def use_tabs_in_labels(sheet, _):
    if sheet.suffix == ".csv":
        return
    for row in sheet.rows:
        row[-1] = row[-1].replace(" ", "\t")


def add_spaces(sheet, _):
    for row in sheet.rows:
        row[-1] = f"{row[-1]}  "
        if sheet.suffix != ".csv":
            row[0] = f" {row[0]}"


def end_lines_otherwise(sheet, rng):
    sheet.line_end = str(rng.choice(["\r\n", "\r"]))


def leave_a_line_blank(sheet, rng):
    sheet.rows.insert(int(rng.integers(1, len(sheet.rows))), [""])
    sheet.tells.append("blank, left out")


def add_a_comment(sheet, _):
    sheet.rows.insert(1, ["# by hand"])


def add_a_mark(sheet, rng):
    sheet.encoding = str(rng.choice(["utf-8-sig", "utf-16"]))
    sheet.tells.append("byte order mark left out")


def use_latin_1(sheet, _):
    sheet.encoding = "latin-1"
    sheet.tells.append("not UTF-8, read as cp1252")


TEXT_DIRT = [
    use_commas,
    use_tabs_in_labels,
    add_spaces,
    end_lines_otherwise,
    leave_a_line_blank,
    add_a_comment,
    add_a_mark,
    use_latin_1,
]
APART.append({add_a_mark, use_latin_1})


# ---- Dirt that cannot ---------------------------------------------------------------------


def _time_row(sheet, rng):
    """Choose an inner row with all fields."""
    full = [i for i, row in enumerate(sheet.rows) if len(row) == (2 if sheet.points else 3)]
    return full[int(rng.integers(1, len(full) - 1))]


def write_words_for_a_time(sheet, rng):
    i = _time_row(sheet, rng)
    sheet.rows[i][0] = str(rng.choice(["soon", "1:30", "1.2.3", "--", "0x10"]))
    return "expected the segment's start in seconds"


def write_no_number(sheet, rng):
    sheet.rows[_time_row(sheet, rng)][0] = str(rng.choice(["nan", "inf", "-inf", "1e999"]))
    return "a time must be a finite number of seconds"


def write_a_negative_time(sheet, rng):
    sheet.rows[_time_row(sheet, rng)][0] = "-7.5"
    return "a time cannot be negative"


def end_before_the_start(sheet, rng):
    i = _time_row(sheet, rng)
    sheet.rows[i][-2 if not sheet.points else 0] = "-3" if sheet.points else "0.001"
    return "a time cannot be negative" if sheet.points else "comes before the start"


def overlap(sheet, rng):
    if sheet.points:
        return write_a_negative_time(sheet, rng)
    i = _time_row(sheet, rng)
    sheet.rows[i][1] = f"{sheet.boundaries[-1] + 5:.3f}"
    return "segments cannot overlap"


def lose_the_end(sheet, rng):
    if not sheet.points:
        return overlap(sheet, rng)
    del sheet.rows[-1]
    return "has no end"


FATAL = [
    write_words_for_a_time,
    write_no_number,
    write_a_negative_time,
    end_before_the_start,
    overlap,
    lose_the_end,
]


@dataclass(frozen=True, kw_only=True)
class Dirty:
    """A corrupted file and its expected result."""

    name: str
    data: bytes
    expected: Segmentation | None  # None if it must be rejected
    tells: tuple[str, ...]
    reason: str


def dirty(name, form, rng, *, fatal):
    """Corrupt a form in one to four ways; if fatal, in one more that cannot be repaired."""
    kinds = [*ROW_DIRT, *TEXT_DIRT]
    chosen = set()
    for i in rng.permutation(len(kinds))[: int(rng.integers(1, 5))]:
        if not any({kinds[i], other} in APART for other in chosen):
            chosen.add(kinds[i])
    sheet, reason = sheet_of(form, rng), ""
    if fatal:
        chosen -= set(ROW_DIRT)
        reason = FATAL[int(rng.integers(len(FATAL)))](sheet, rng)
    for kind in kinds:
        if kind in chosen:
            kind(sheet, rng)
    return Dirty(
        name=f"{name}{sheet.suffix}",
        data=sheet.text().encode(sheet.encoding),
        expected=None if fatal else sheet.expected,
        tells=tuple(sheet.tells),
        reason=reason,
    )


@pytest.fixture(scope="module")
def pairs():
    """Make (reference, estimate) pairs, every fifth with one file that must be rejected."""
    rng = np.random.default_rng(seed=440)
    made = []
    for i in range(N_PAIRS):
        fatal = int(rng.integers(2)) if i % 5 == 0 else None
        forms = clean_form(rng), clean_form(rng)
        made.append(
            tuple(
                dirty(f"song {i:03}", form, rng, fatal=fatal == side)
                for side, form in enumerate(forms)
            )
        )
    return made


@pytest.fixture(scope="module")
def folders(pairs, tmp_path_factory):
    """Write them into two folders and read both as references."""
    read_back = []
    for side, folder in enumerate(("references", "estimates")):
        root = tmp_path_factory.mktemp(folder)
        for pair in pairs:
            (root / pair[side].name).write_bytes(pair[side].data)
        read_back.append(read_references(root))
    return read_back


def understood(references):
    return {track: several[0].segmentation for track, several in references.tracks.items()}


def test_the_dirt_is_of_every_kind_and_a_good_part_of_it_fatal(pairs):
    files = [each for pair in pairs for each in pair]
    tells = " ".join(tell for each in files for tell in each.tells)
    for part in ("repeats", "has no length", "out of order", "end marker", "decimal comma"):
        assert tells.count(part) > 10
    assert len({each.reason for each in files}) == 1 + len(
        {"start", "finite", "negative", "before", "overlap", "no end"}
    )
    assert sum(each.expected is None for each in files) == N_PAIRS / 5


def test_every_file_is_understood_or_refused_as_it_must_be(pairs, folders):
    for side, references in enumerate(folders):
        forms = understood(references)
        for pair in pairs:
            assert forms.get(Path(pair[side].name).stem) == pair[side].expected, pair[side]


def test_every_refusal_names_file_line_and_reason(pairs, folders):
    for side, references in enumerate(folders):
        said = " | ".join(problem.reason for problem in references.problems)
        for each in (pair[side] for pair in pairs if pair[side].expected is None):
            (message,) = (
                part for part in said.split(" | ") if each.name in part and ": line " in part
            )
            assert each.reason in message, each


def test_every_repair_is_listed_with_its_file(pairs, folders):
    for side, references in enumerate(folders):
        for each in (pair[side] for pair in pairs if pair[side].expected is not None):
            listed = [note for note in references.notes if Path(note.file).name == each.name]
            for tell in each.tells:
                assert any(tell in note.message for note in listed), (each, listed)


def test_a_dirty_pair_scores_as_the_clean_one(pairs, folders):
    references, estimates = map(understood, folders)
    n_scored = 0
    for clean_reference, clean_estimate in pairs:
        track = Path(clean_reference.name).stem
        if track not in references or track not in estimates:
            continue
        n_scored += 1
        scores = evaluate(references[track], estimates[track])
        expected = evaluate(clean_reference.expected, clean_estimate.expected)
        assert scores == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert n_scored == N_PAIRS * 4 / 5

"""Types of segmentations: boundaries and labels, flat or hierarchical."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.counts import counted
from scatseg.naming import check_several

SILENCE = "silence"
"""The label of silent segments."""

ROUNDING = 1e-6
"""Seconds by which times that should be equal may differ."""


@dataclass(frozen=True)
class Segmentation:
    """Contiguous labeled segments of one recording.

    With n + 1 boundaries and n labels, gaps, overlaps and missing labels cannot be represented.

    Parameters
    ----------
    boundaries : sequence of float, length n_segments + 1
        Seconds, finite, not negative, strictly increasing. The first is the start of
        the first section, the last the end of the last.
    labels : sequence of str, length n_segments
        Repetitions of a section have equal labels.

    Raises
    ------
    ValueError
        When the boundaries are not as above, or do not match the labels.

    Examples
    --------
    >>> form = Segmentation([0, 10, 25, 40], ["A", "B", "A"])
    >>> form.intervals
    array([[ 0., 10.],
           [10., 25.],
           [25., 40.]])
    >>> form.label_at(12.0)
    'B'
    """

    boundaries: tuple[float, ...]
    labels: tuple[str, ...]

    def __init__(self, boundaries: ArrayLike, labels: Iterable[str]) -> None:
        times = np.asarray(boundaries, dtype=np.float64)
        names = tuple(str(label) for label in labels)
        if times.ndim != 1 or times.size < 2:
            msg = f"boundaries must be a list of at least two times, got shape {times.shape}"
            if times.ndim == 2 and times.shape[1] == 2:
                msg += ": Segmentation.from_intervals takes starts and ends"
            raise ValueError(msg)
        if not np.isfinite(times).all():
            msg = f"boundaries must be finite, got {times[~np.isfinite(times)][0]}"
            raise ValueError(msg)
        if times[0] < 0:
            msg = f"boundaries cannot be negative, got {times[0]:g} s"
            raise ValueError(msg)
        steps = np.diff(times)
        if (steps <= 0).any():
            i = int(np.argmax(steps <= 0))
            msg = (
                f"boundaries must increase, but boundary {i + 1} ({times[i + 1]} s) "
                f"does not come after boundary {i} ({times[i]} s)"
            )
            raise ValueError(msg)
        if len(names) != times.size - 1:
            given = counted(len(names), "label"), counted(times.size, "boundary", "boundaries")
            msg = f"n labels need n + 1 boundaries, got {' and '.join(given)}"
            raise ValueError(msg)
        object.__setattr__(self, "boundaries", tuple(times.tolist()))
        object.__setattr__(self, "labels", names)

    @classmethod
    def from_intervals(cls, intervals: ArrayLike, labels: Iterable[str]) -> Segmentation:
        """Make a Segmentation from mir_eval's intervals, which must be contiguous.

        Differences of up to a microsecond are taken as rounding errors.

        Parameters
        ----------
        intervals : array_like of float, shape (n_segments, 2)
            Start and end in seconds, each start equal to the previous end. Where they differ by
            rounding, the start is used.
        labels : iterable of str, length n_segments
            One label per interval.

        Raises
        ------
        ValueError
            When intervals are empty or not finite, have another shape, a gap or an overlap, or do
            not match the labels.
        """
        spans = np.asarray(intervals, dtype=np.float64)
        if spans.ndim != 2 or spans.shape[1] != 2 or not len(spans):
            msg = f"intervals need shape (n_segments, 2), n_segments > 0, got {spans.shape}"
            raise ValueError(msg)
        if not np.isfinite(spans).all():
            i, side = np.argwhere(~np.isfinite(spans))[0]
            where = f"the {('start', 'end')[side]} of segment {i}"
            msg = f"intervals must be finite, but {where} is {spans[i, side]} s"
            raise ValueError(msg)
        joins = spans[1:, 0] - spans[:-1, 1]
        apart = np.abs(joins) > ROUNDING
        if apart.any():
            i = int(np.flatnonzero(apart)[0])
            what = "a gap" if joins[i] > 0 else "an overlap"
            ends = f"it ends at {spans[i, 1]} s and the next starts at {spans[i + 1, 0]} s"
            msg = f"segments must follow each other, but there is {what} after segment {i}: {ends}"
            raise ValueError(msg)
        return cls(np.append(spans[:, 0], spans[-1, 1]), labels)

    @property
    def intervals(self) -> NDArray[np.float64]:
        """Start and end of each segment in seconds, shape (n_segments, 2), as in mir_eval."""
        times = np.asarray(self.boundaries)
        return np.column_stack([times[:-1], times[1:]])

    @property
    def start(self) -> float:
        """First boundary in seconds."""
        return self.boundaries[0]

    @property
    def end(self) -> float:
        """Last boundary in seconds."""
        return self.boundaries[-1]

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[float, float, str]]:
        """Iterate over (start, end, label) in order."""
        return iter(zip(self.boundaries[:-1], self.boundaries[1:], self.labels, strict=True))

    def label_at(self, time: float) -> str:
        """Return the label at `time` (seconds); a boundary belongs to the segment that follows.

        Raises
        ------
        ValueError
            When `time` is outside the segmentation.
        """
        if not self.start <= time <= self.end:
            msg = f"{time:g} s lies outside {self.start:g} to {self.end:g} s"
            raise ValueError(msg)
        i = int(np.searchsorted(self.boundaries, time, side="right")) - 1
        return self.labels[min(i, len(self) - 1)]

    def between(self, start: float, end: float) -> Segmentation:
        """Return the part from `start` to `end`, in seconds, at its times.

        Raises
        ------
        ValueError
            When no segment lies between them.

        Examples
        --------
        >>> Segmentation([0, 10, 25, 40], ["A", "B", "C"]).between(12, 30)
        Segmentation(boundaries=(12.0, 25.0, 30.0), labels=('B', 'C'))
        """
        intervals = np.clip(self.intervals, start, end)
        there = intervals[:, 0] < intervals[:, 1]
        if not there.any():
            whole = f"the segments span {self.start:g} to {self.end:g} s"
            msg = f"{whole}, none lies between {start:g} and {end:g} s"
            raise ValueError(msg)
        return Segmentation.from_intervals(intervals[there], np.asarray(self.labels)[there])

    def merged(self) -> Segmentation:
        """Merge adjacent segments with equal labels.

        Examples
        --------
        >>> Segmentation([0, 1, 2, 3], ["A", "A", "B"]).merged()
        Segmentation(boundaries=(0.0, 2.0, 3.0), labels=('A', 'B'))
        """
        keep = [0, *(i for i in range(1, len(self)) if self.labels[i] != self.labels[i - 1])]
        times = [*(self.boundaries[i] for i in keep), self.end]
        return Segmentation(times, [self.labels[i] for i in keep])


@dataclass(frozen=True)
class Hierarchy:
    """Segmentations of one recording at several levels, from coarse to fine.

    Parameters
    ----------
    levels : sequence of Segmentation
        Coarse to fine, with the same start and end up to a microsecond.
    names : sequence of str, optional
        One name per level; "1", "2", ... when absent.
    default : int, default 0
        The level to show where only one can be shown.

    Raises
    ------
    TypeError
        When a level is not a Segmentation.
    ValueError
        When there is no level, levels differ in start or end, names repeat or do not match the
        levels, or `default` is out of range.

    Examples
    --------
    >>> sections = Segmentation([0, 20, 40], ["A", "B"])
    >>> phrases = Segmentation([0, 10, 20, 40], ["a", "a", "b"])
    >>> form = Hierarchy([sections, phrases], ["section", "phrase"])
    >>> form["phrase"].labels, form[0] == sections
    (('a', 'a', 'b'), True)
    """

    levels: tuple[Segmentation, ...]
    names: tuple[str, ...]
    default: int

    def __init__(
        self, levels: Sequence[Segmentation], names: Sequence[str] | None = None, default: int = 0
    ) -> None:
        check_several("names", names)
        levels = tuple(levels)
        names = tuple(str(i + 1) for i in range(len(levels))) if names is None else tuple(names)
        if not levels:
            msg = "a hierarchy needs at least one level, got none"
            raise ValueError(msg)
        for i, level in enumerate(levels):
            if not isinstance(level, Segmentation):
                msg = f"levels are Segmentations, several in a list, got {type(level).__name__}"
                raise TypeError(msg)
            if not (
                math.isclose(level.start, levels[0].start, abs_tol=ROUNDING)
                and math.isclose(level.end, levels[0].end, abs_tol=ROUNDING)
            ):
                first = levels[0]
                msg = (
                    f"levels must share start and end, but level {i} spans {level.start:.10g} to "
                    f"{level.end:.10g} s and level 0 {first.start:.10g} to {first.end:.10g} s"
                )
                raise ValueError(msg)
        if len(names) != len(levels) or len(set(names)) != len(names):
            msg = f"each level needs a name of its own, got {list(names)} for {len(levels)}"
            raise ValueError(msg)
        if not 0 <= default < len(levels):
            msg = f"default must be 0 to {len(levels) - 1}, got {default}"
            raise ValueError(msg)
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "default", default)

    def __len__(self) -> int:
        """Return the number of levels."""
        return len(self.levels)

    def __iter__(self) -> Iterator[Segmentation]:
        """Iterate over the levels, coarse to fine."""
        return iter(self.levels)

    def __getitem__(self, level: str | int) -> Segmentation:
        """Return a level by its name, or by its index, coarse to fine.

        Raises
        ------
        KeyError
            When no level has this name.
        IndexError
            When there are fewer levels.
        """
        if not isinstance(level, str):
            return self.levels[level]
        if level not in self.names:
            msg = f"no level is named {level!r}, there are {', '.join(self.names)}"
            raise KeyError(msg)
        return self.levels[self.names.index(level)]


def letter_labels(codes: Iterable[Hashable]) -> tuple[str, ...]:
    """Name clusters "A", "B", ... in order of first appearance.

    Parameters
    ----------
    codes : iterable of hashable
        The cluster of each segment.

    Returns
    -------
    labels : tuple of str
        "Z" is followed by "AA", "AB", ...

    Examples
    --------
    >>> letter_labels([7, 2, 7, 0])
    ('A', 'B', 'A', 'C')
    """
    codes = list(codes)
    order: dict[Hashable, str] = {}
    for code in codes:
        order.setdefault(code, _letters(len(order)))
    return tuple(order[code] for code in codes)


def _letters(index: int) -> str:
    name = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        name = chr(ord("A") + digit) + name
    return name

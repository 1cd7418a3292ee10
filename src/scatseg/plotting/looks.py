"""Labels -> colors and textures, matched between annotations and estimates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from scatseg.segmentation import SILENCE, Segmentation

# Pairwise at least 20 CIELAB units apart, also for the color-blind (simulated after Machado et al.,
# 2009), and light enough for dark text.
PALETTE = (
    "#61C4FF",
    "#E6754B",
    "#FBDC8E",
    "#399378",
    "#FF98B9",
    "#BDEFFF",
    "#B6D632",
    "#9081FA",
)
"""Colors of labels, in order of assignment."""

NEUTRAL = "#C4C9CF"
"""Color of silence."""

# When the colors run out, they repeat with the next texture.
_N_TEXTURES = 4


class LabelStyle(NamedTuple):
    """Color and texture of a label.

    Parameters
    ----------
    color : str
        "#RRGGBB".
    texture : int
        0 plain, 1 diagonals, 2 dots, 3 crosses.
    """

    color: str
    texture: int


def label_styles(labels: Iterable[str]) -> dict[str, LabelStyle]:
    """Assign a color and texture to each label, in order of first appearance.

    Parameters
    ----------
    labels : iterable of str
        Labels of everything in the figure, with or without duplicates.

    Returns
    -------
    styles : dict from str to LabelStyle
        32 different styles, then they repeat. Silence is gray.

    Examples
    --------
    >>> label_styles(["A", "silence", "B", "A"])["B"]
    LabelStyle(color='#E6754B', texture=0)
    """
    names = dict.fromkeys(labels)
    styles = {SILENCE: LabelStyle(NEUTRAL, 0)} if SILENCE in names else {}
    for i, name in enumerate(name for name in names if name != SILENCE):
        texture = i // len(PALETTE) % _N_TEXTURES
        styles[name] = LabelStyle(PALETTE[i % len(PALETTE)], texture)
    return styles


def matched_styles(
    references: Sequence[Segmentation], estimates: Sequence[Segmentation]
) -> list[dict[str, LabelStyle]]:
    """Assign styles so that matching labels of annotators and systems look the same.

    Equal labels of annotators have equal styles. The letters of systems are arbitrary, so their
    labels are matched to earlier ones by the time that they overlap.

    Parameters
    ----------
    references, estimates : sequence of Segmentation
        Segmentations of annotators and systems. All are matched to the first one first.

    Returns
    -------
    styles : list of dict from str to LabelStyle
        Styles of the labels of each segmentation, references first. Labels of an estimate are
        matched one-to-one to those before it, to maximize the overlap in seconds; unmatched labels
        get new styles. Silence is always included, and gray.

    Examples
    --------
    >>> reference = Segmentation([0, 10, 30], ["verse", "chorus"])
    >>> estimate = Segmentation([0, 11, 30], ["B", "A"])
    >>> names, letters = matched_styles([reference], [estimate])
    >>> names["verse"] == letters["B"], names["chorus"] == letters["A"]
    (True, True)
    """
    forms = [*references, *estimates]
    first_uses: list[tuple[int, str]] = []  # of each style: segmentation and label
    numbers: list[dict[str, int]] = []
    for k, form in enumerate(forms):
        labels = [label for label in dict.fromkeys(form.labels) if label != SILENCE]
        if k < len(references):
            given = {label: i for i, (_, label) in enumerate(first_uses) if label in labels}
        else:
            given = _matched(form, labels, forms[:k], first_uses)
        for label in labels:
            if label not in given:
                given[label] = len(first_uses)
                first_uses.append((k, label))
        numbers.append(given)
    looks = list(label_styles(str(i) for i in range(len(first_uses))).values())
    return [
        {SILENCE: LabelStyle(NEUTRAL, 0)} | {label: looks[i] for label, i in given.items()}
        for given in numbers
    ]


def _matched(
    form: Segmentation,
    labels: Sequence[str],
    earlier: Sequence[Segmentation],
    first_uses: Sequence[tuple[int, str]],
) -> dict[str, int]:
    """Match labels one-to-one to the styles in `first_uses`, if they overlap at all."""
    seconds = [_shared_seconds(form, each) for each in earlier]
    shared = np.array([[seconds[i][label, its] for i, its in first_uses] for label in labels])
    shared = shared.reshape(len(labels), len(first_uses))
    pairs = zip(*linear_sum_assignment(shared, maximize=True), strict=True)
    return {labels[i]: int(j) for i, j in pairs if shared[i, j] > 0}


def _shared_seconds(form: Segmentation, other: Segmentation) -> Counter[tuple[str, str]]:
    """Sum the overlap in seconds of each pair of labels."""
    starts, ends = (np.asarray(column)[:, np.newaxis] for column in form.intervals.T)
    its_starts, its_ends = other.intervals.T
    shared = np.minimum(ends, its_ends) - np.maximum(starts, its_starts)
    seconds: Counter[tuple[str, str]] = Counter()
    for i, j in np.argwhere(shared > 0).tolist():
        seconds[form.labels[i], other.labels[j]] += shared[i, j]
    return seconds

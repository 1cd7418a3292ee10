"""Ids of estimates and of references -> which belong together, and what looks as if it did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scatseg.formats import Annotation
from scatseg.segmentation import Segmentation

_SAME_RECORDING = 1.0  # seconds between the ends of one recording


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Which estimate goes with which reference.

    Parameters
    ----------
    pairs : mapping of str to str
        Estimate id -> reference id. Several estimates (renders, remasters) may share one.
    ambiguous : mapping of str to tuple of str
        Estimate id -> the reference ids among which nothing decides.
    unmatched_estimates : tuple of str
        Estimate ids with no candidate at all.
    unmatched_references : tuple of str
        Reference ids that are in no pair.
    """

    pairs: Mapping[str, str]
    ambiguous: Mapping[str, tuple[str, ...]]
    unmatched_estimates: tuple[str, ...]
    unmatched_references: tuple[str, ...]


def match_ids(estimate_ids: Iterable[str], reference_ids: Iterable[str]) -> Matching:
    """Find the reference of every estimate by their ids.

    An estimate goes with the reference of the same id. Else one id must begin with the
    other, which ends there or goes on with "_", "-" or "."; of several candidates the one
    that shares most with the estimate counts, if it is the only one. A reference that has an
    estimate of its own id takes no other: "song_2" is no version of "song" where there is a
    "song". For the same reason a reference goes only to those estimates that share most with it.
    An estimate that still has none goes by its id without the folders ("A__song" by "song"), if
    it is the only one of that name.

    Parameters
    ----------
    estimate_ids, reference_ids : iterable of str
        Ids without extensions; order and repetitions play no role.

    Returns
    -------
    matching : Matching
        Every estimate id is in a pair, ambiguous or unmatched; all sorted.

    Examples
    --------
    >>> matching = match_ids(["pop909_002_piano", "song"], ["pop909_002", "song.mp3", "other"])
    >>> matching.pairs
    {'pop909_002_piano': 'pop909_002', 'song': 'song.mp3'}
    >>> matching.unmatched_references
    ('other',)
    """
    estimates, references = sorted(set(estimate_ids)), sorted(set(reference_ids))
    equal = set(estimates) & set(references)
    others = set(estimates) - equal
    free = set(references) - equal
    versions = {stem for estimate in others for stem in _stems(estimate)}
    longer: dict[str, list[str]] = {}  # estimate -> references that go on where it ends
    for reference in sorted(free - versions):
        stem = next((stem for stem in _stems(reference) if stem in others), None)
        if stem is not None:
            longer.setdefault(stem, []).append(reference)
    pairs: dict[str, str] = {}
    ambiguous: dict[str, tuple[str, ...]] = {}
    for estimate in estimates:
        candidates = [estimate] if estimate in equal else longer.get(estimate, [])
        if not candidates:
            candidates = [stem for stem in _stems(estimate) if stem in free][:1]
        if len(candidates) == 1:
            pairs[estimate] = candidates[0]
        elif candidates:
            ambiguous[estimate] = tuple(candidates)
    left = [each for each in estimates if each not in pairs and each not in ambiguous]
    names = [each.rpartition("__")[2] for each in left]
    still_free = free - set(pairs.values()) - {each for some in ambiguous.values() for each in some}
    pairs |= {
        each: name
        for each, name in zip(left, names, strict=True)
        if name in still_free and names.count(name) == 1
    }
    used = set(pairs.values())
    return Matching(
        pairs=pairs,
        ambiguous=ambiguous,
        unmatched_estimates=tuple(e for e in estimates if e not in pairs and e not in ambiguous),
        unmatched_references=tuple(r for r in references if r not in used),
    )


def _stems(id_: str) -> Iterator[str]:
    """List what the id begins with, up to a separator, longest first."""
    return (id_[:i] for i in range(len(id_) - 1, 0, -1) if id_[i] in "_-.")


def duration_notes(
    references: Mapping[str, Sequence[Annotation]],
    estimates: Mapping[str, Mapping[str, Segmentation]],
) -> tuple[str, ...]:
    """Name the estimates that end over a second before or after their reference.

    Parameters
    ----------
    references : mapping of str to sequence of Annotation
        Track -> its annotations.
    estimates : mapping of str to mapping
        System -> track -> its answer, tracks named as in `references`.

    Returns
    -------
    notes : tuple of str
        One per system and track: the two may not be the same recording.
    """
    notes = []
    for system, answers in estimates.items():
        for track, estimate in answers.items():
            ends = [reference.segmentation.end for reference in references.get(track, ())]
            if not ends:
                continue
            nearest = min(ends, key=lambda end: abs(end - estimate.end))
            if abs(nearest - estimate.end) > _SAME_RECORDING:
                notes.append(
                    f"{track}: {system} ends at {estimate.end:.1f} s, the reference at "
                    f"{nearest:.1f} s; are they of the same recording?"
                )
    return tuple(notes)

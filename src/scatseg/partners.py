"""Ids of estimates and references -> matches, and notes on mismatched durations."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scatseg.evaluation import Answer, at_level
from scatseg.formats import Annotation
from scatseg.runs import Note, safe_id
from scatseg.segmentation import Hierarchy, Segmentation

_SAME_RECORDING = 1.0  # seconds: maximum difference of ends of one recording
_HASH, _HASHED = re.compile("-[0-9a-f]{8}$"), "#"  # at the end of safe ids, and a mark for it
_SAME_END = 0.1  # seconds; levels are compared in steps of this size


@dataclass(frozen=True, kw_only=True)
class Matching:
    """A matching of estimates and references.

    Parameters
    ----------
    pairs : mapping of str to str
        Estimate id -> reference id. Several estimates (renders, remasters) may share one.
    ambiguous : mapping of str to tuple of str
        Estimate id -> equally good reference ids.
    unmatched_estimates : tuple of str
        Estimate ids without a candidate.
    unmatched_references : tuple of str
        Reference ids in no pair.
    """

    pairs: Mapping[str, str]
    ambiguous: Mapping[str, tuple[str, ...]]
    unmatched_estimates: tuple[str, ...]
    unmatched_references: tuple[str, ...]


def match_ids(estimate_ids: Iterable[str], reference_ids: Iterable[str]) -> Matching:
    """Match estimates with references by id.

    An estimate matches the reference of the same id, or of the same name: a run stores "Help!"
    under the id `runs.safe_id("Help!")`. Otherwise, one id must be a prefix of the
    other, followed by "_", "-" or "."; the candidate with the longest common prefix is used, if it
    is unique. A reference with an estimate of the same id matches no other: "song_2" is not a
    version of "song" if there is a "song". Likewise, a reference matches only the estimates with
    the longest common prefix. Remaining estimates are matched by name without folders ("A__song" as
    "song", `runs.safe_id("A/Help!")` as "Help!"), if it is unique.

    Parameters
    ----------
    estimate_ids, reference_ids : iterable of str
        Ids without extensions; order and duplicates do not matter.

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
    estimates, references = set(estimate_ids), set(reference_ids)
    as_estimate = _stored(estimates, among=references)
    as_reference = _stored(references, among=estimates)
    matching = _match_stored(sorted(as_estimate), sorted(as_reference))
    return Matching(
        pairs={as_estimate[e]: as_reference[r] for e, r in sorted(matching.pairs.items())},
        ambiguous={
            as_estimate[e]: tuple(sorted(as_reference[r] for r in several))
            for e, several in sorted(matching.ambiguous.items())
        },
        unmatched_estimates=tuple(sorted(as_estimate[e] for e in matching.unmatched_estimates)),
        unmatched_references=tuple(sorted(as_reference[r] for r in matching.unmatched_references)),
    )


def _stored(ids: Collection[str], *, among: Collection[str]) -> dict[str, str]:
    """Map each id to itself, but those stored `among` others under a safe id from that.

    Examples
    --------
    >>> _stored({"Help!", "Plain"}, among={"Help_-cd9b8e68.foote"}) == {
    ...     "Help_-cd9b8e68": "Help!", "Plain": "Plain"}
    True
    """
    ordered, found = sorted(among), {}
    for each in ids:
        safe = safe_id(each)
        is_stored = safe not in ids and any(_beginning(ordered, safe))
        found[safe if is_stored else each] = each
    return found


def _beginning(ordered: Sequence[str], start: str) -> Iterator[str]:
    """Yield those of sorted names that begin with a text.

    Examples
    --------
    >>> list(_beginning(["one", "only", "two"], "on"))
    ['one', 'only']
    """
    for i in range(bisect_left(ordered, start), len(ordered)):
        if not ordered[i].startswith(start):
            return
        yield ordered[i]


def _match_stored(estimates: Sequence[str], references: Sequence[str]) -> Matching:
    """Match ids that are equal if those of the recordings are."""
    equal = set(estimates) & set(references)
    others = set(estimates) - equal
    free = set(references) - equal
    versions = {stem for estimate in others for stem in _stems(estimate)}
    longer: dict[str, list[str]] = {}  # estimate -> references of which it is a prefix
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
    taken = {*pairs.values(), *(each for some in ambiguous.values() for each in some)}
    proven = _match_hashes(left, sorted(free - taken))
    pairs |= proven
    left = [each for each in left if each not in proven]
    taken |= set(proven.values())
    by_name: dict[str, list[str]] = {}
    for each in sorted(free - taken):
        for name in _names(each):
            by_name.setdefault(name, []).append(each)
    names = [each.rpartition("__")[2] for each in left]
    names = [name if name in by_name else _HASH.sub(_HASHED, name) for name in names]
    counts = Counter(names)
    pairs |= {
        each: by_name[name][0]
        for each, name in zip(left, names, strict=True)
        if len(by_name.get(name, [])) == 1 and counts[name] == 1
    }
    used = set(pairs.values())
    return Matching(
        pairs=pairs,
        ambiguous=ambiguous,
        unmatched_estimates=tuple(e for e in estimates if e not in pairs and e not in ambiguous),
        unmatched_references=tuple(r for r in references if r not in used),
    )


def _match_hashes(estimates: Sequence[str], references: Sequence[str]) -> dict[str, str]:
    """Match safe ids with the only reference whose name in the same folders has that hash.

    Examples
    --------
    >>> _match_hashes(["A__Help_-d901c5e6"], ["Help!", "Help?"])
    {'A__Help_-d901c5e6': 'Help!'}
    """
    readable: dict[str, list[str]] = {}
    for each in references:
        readable.setdefault(_HASH.sub("", safe_id(each)), []).append(each)
    ordered, found = sorted(readable), {}
    for estimate in estimates:
        folders, _, start = _HASH.sub("", estimate).rpartition("__")
        if not folders or not _HASH.search(estimate):
            continue
        folder = folders.replace("__", "/")
        for name in _beginning(ordered, start):
            for reference in readable[name]:
                if safe_id(f"{folder}/{reference}") == estimate:
                    found[estimate] = reference
    counts = Counter(found.values())
    return {each: reference for each, reference in found.items() if counts[reference] == 1}


def match_systems(
    estimate_ids: Mapping[str, Collection[str]], reference_ids: Collection[str]
) -> Matching:
    """Match the estimates of several systems with references, separately for each system.

    Matches therefore do not depend on the names used by other systems. An id is the same recording
    in all systems: it has a reference if it has the same one in each system with this id.

    Parameters
    ----------
    estimate_ids : mapping of str to collection of str
        System -> ids, see `match_ids`.
    reference_ids : collection of str
        Ids without extensions.

    Returns
    -------
    matching : Matching
        Every estimate id is in a pair, ambiguous or unmatched; all sorted.

    Examples
    --------
    >>> match_systems({"foote": ["song"], "other": ["song.mp3"]}, ["song"]).pairs
    {'song': 'song', 'song.mp3': 'song'}
    """
    candidates: dict[str, set[str]] = {}
    unmatched: set[str] = set()
    for ids in estimate_ids.values():
        matching = match_ids(ids, reference_ids)
        unmatched.update(matching.unmatched_estimates)
        for id_, reference in matching.pairs.items():
            candidates.setdefault(id_, set()).add(reference)
        for id_, several in matching.ambiguous.items():
            candidates.setdefault(id_, set()).update(several)
    fitting = {id_: sorted(candidates[id_]) for id_ in sorted(candidates.keys() - unmatched)}
    pairs = {id_: fits[0] for id_, fits in fitting.items() if len(fits) == 1}
    return Matching(
        pairs=pairs,
        ambiguous={id_: tuple(fits) for id_, fits in fitting.items() if len(fits) > 1},
        unmatched_estimates=tuple(sorted(unmatched)),
        unmatched_references=tuple(sorted(set(reference_ids) - set(pairs.values()))),
    )


def shared_tracks(
    pairs: Mapping[str, str], estimate_ids: Mapping[str, Iterable[str]]
) -> dict[str, str]:
    """Return the track of every estimate, so that systems can be compared by track.

    Estimates of different systems with different ids are one track if they share a reference, and
    no system has two estimates for it: renders of a song are separate tracks.

    Parameters
    ----------
    pairs : mapping of str to str
        Estimate id -> reference id, see `match_systems`.
    estimate_ids : mapping of str to iterable of str
        System -> ids.

    Returns
    -------
    tracks : dict of str to str
        Estimate id -> track: the id used by most systems.

    Examples
    --------
    >>> pairs = {"song_foote": "song", "song_mine": "song"}
    >>> shared_tracks(pairs, {"foote": ["song_foote"], "mine": ["song_mine"]})
    {'song_foote': 'song_foote', 'song_mine': 'song_foote'}
    """
    by_reference: dict[str, list[list[str]]] = {}
    for ids in estimate_ids.values():
        mine: dict[str, list[str]] = {}
        for id_ in ids:
            if id_ in pairs:
                mine.setdefault(pairs[id_], []).append(id_)
        for reference, given in mine.items():
            by_reference.setdefault(reference, []).append(given)
    tracks: dict[str, str] = {}
    for several in by_reference.values():
        names = Counter(id_ for given in several for id_ in given)
        one = max(map(len, several)) == 1
        tracks |= {id_: names.most_common(1)[0][0] if one else id_ for id_ in names}
    return tracks


def _names(reference: str) -> set[str]:
    """Return an id, and its safe id with a mark for the hash, which depends on folders.

    Examples
    --------
    >>> sorted(_names("Help!"))
    ['Help!', 'Help_#']
    """
    safe = safe_id(reference)
    return {reference} if safe == reference else {reference, _HASH.sub(_HASHED, safe)}


def _stems(id_: str) -> Iterator[str]:
    """Yield the prefixes of an id up to a separator, longest first."""
    return (id_[:i] for i in range(len(id_) - 1, 0, -1) if id_[i] in "_-.")


def duration_notes(
    track: str, references: Sequence[Annotation], answers: Mapping[str, Answer]
) -> list[Note]:
    """Return notes on starts and ends that differ by more than a second, and their effect.

    Parameters
    ----------
    track : str
        Id of the recording.
    references : sequence of Annotation
        Its annotations.
    answers : mapping of str to Answer
        System -> its estimate.

    Returns
    -------
    notes : list of Note
        Of the kind "duration": between annotators, then between each system and annotator, with the
        question whether they are of the same recording if no annotator ends near the system. Of the
        kind "levels": hierarchies whose levels end more than 0.1 s apart.
    """
    ends: dict[str, list[float]] = {}
    for each in references:
        ends.setdefault(each.annotator, []).append(each.segmentation.end)
    said = []
    latest = {annotator: max(times) for annotator, times in ends.items()}
    if latest and max(latest.values()) - min(latest.values()) > _SAME_RECORDING:
        each_end = ", ".join(f"{name} ends at {end:.1f} s" for name, end in latest.items())
        said.append(f"annotators differ: {each_end}; each is compared over its duration")
    for system, answer in answers.items():
        said += _apart(system, answer, references)
    notes = [Note("duration", track, "", message) for message in dict.fromkeys(said)]
    several = {name: answer for name, answer in answers.items() if _n_levels(answer) > 1}
    if several:
        spans = {f"annotator {annotator}": times for annotator, times in ends.items()}
        for system, answer in several.items():
            if not isinstance(answer, Segmentation | Hierarchy):
                spans[system] = [each.segmentation.end for each in answer]
        notes += [
            Note(
                "levels",
                track,
                "",
                f"the levels of {name} end at {min(times):.2f} to {max(times):.2f} s; as a "
                "hierarchy, all are extended to the latest",
            )
            for name, times in spans.items()
            if max(times) - min(times) > _SAME_END
        ]
    return notes


def _apart(system: str, answer: Answer, references: Sequence[Annotation]) -> Iterator[str]:
    """Yield descriptions of starts and ends that differ by more than a second."""
    pairs = [(each, at_level(answer, each.level)) for each in references]
    near = any(abs(e.end - r.segmentation.end) <= _SAME_RECORDING for r, e in pairs)
    question = "" if near else "; are they of the same recording?"
    for reference, estimate in pairs:
        annotator, known = reference.annotator, reference.segmentation
        if abs(estimate.end - known.end) > _SAME_RECORDING:
            change = "cropped" if estimate.end > known.end else "extended by an extra segment"
            yield (
                f"{system} ends at {estimate.end:.1f} s, annotator {annotator} at {known.end:.1f} "
                f"s: {change}{question}"
            )
        if abs(estimate.start - known.start) > _SAME_RECORDING:
            yield (
                f"{system} begins at {estimate.start:.1f} s, annotator {annotator} at "
                f"{known.start:.1f} s: extended to 0 s by an extra segment"
            )


def _n_levels(answer: Answer) -> int:
    return 1 if isinstance(answer, Segmentation) else len(answer)

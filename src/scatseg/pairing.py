"""Recordings and published annotations -> pairs, by name and duration."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from scatseg.audio import decode
from scatseg.audio.sources import opened, printable, source_of
from scatseg.formats import Annotation
from scatseg.formats.text import number, table_rows
from scatseg.partners import match_ids
from scatseg.writing import rows_as_csv

# Columns of tables of metadata, in lower case.
_ID = frozenset({"song_id", "file", "id", "track_id"})
_TITLE = frozenset({"song_title", "title"})
_ARTIST = frozenset({"artist"})
_DURATION = frozenset({"song_duration", "duration"})

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class Described:
    """Metadata of a track.

    Parameters
    ----------
    title, artist : str, default ""
        From a metadata table.
    durations : tuple of float, default ()
        Candidate durations in seconds, from annotations and metadata.
    """

    title: str = ""
    artist: str = ""
    durations: tuple[float, ...] = ()


class Pair(NamedTuple):
    """A recording, its reference, and the basis of the match: "name", "duration" or both."""

    recording: str
    reference: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The result of pairing, sorted by recording.

    Parameters
    ----------
    pairs : tuple of Pair
        Several recordings may share a reference if they match it by name.
    ambiguous : mapping of str to tuple of str
        Recording -> equally good references.
    doubtful : mapping of str to tuple of str
        Recording -> references that match by name, but not by duration (another version, perhaps).
    unmatched_recordings, unmatched_references : tuple of str
        Recordings with no candidate; references in no pair.
    """

    pairs: tuple[Pair, ...] = ()
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    doubtful: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unmatched_recordings: tuple[str, ...] = ()
    unmatched_references: tuple[str, ...] = ()


def pair(
    recordings: Mapping[str, float | None],
    references: Mapping[str, Described],
    *,
    tolerance: float = 2.0,
    by_duration: bool = False,
) -> Pairing:
    """Pair recordings with references by name and duration.

    Names are compared in this order: the reference's id, as in `partners.match_ids`; artist and
    title, both as whole words in the recording's id; the title alone, if durations are known and
    agree. The first that leads to a reference of matching duration is used.

    Parameters
    ----------
    recordings : mapping of str to float or None
        Id -> duration in seconds; None if unknown, which matches any.
    references : mapping of str to Described
        Id -> metadata.
    tolerance : float, default 2
        Maximum difference of matching durations in seconds.
    by_duration : bool, default False
        Also pair a recording without a name match with a reference of its duration, if both are
        unique. In large collections, most of such pairs are due to chance.

    Returns
    -------
    pairing : Pairing
        Every recording is in a pair, ambiguous, doubtful or unmatched.

    Raises
    ------
    ValueError
        When the tolerance is negative or NaN.

    Examples
    --------
    >>> known = {"7": Described(title="Blue Sky", artist="Ann", durations=(200.0,))}
    >>> pair({"01 Ann - Blue Sky": 200.4, "Ann - Blue Sky (live)": 260.0}, known).pairs
    (Pair(recording='01 Ann - Blue Sky', reference='7', by='name and duration'),)
    """
    if not tolerance >= 0:
        msg = f"tolerance must be a number of seconds, 0 or more, got {tolerance}"
        raise ValueError(msg)
    by_id = match_ids(recordings, references)
    words = {
        each: (_words(known.artist), _words(known.title)) for each, known in references.items()
    }
    pairs: list[Pair] = []
    ambiguous: dict[str, tuple[str, ...]] = {}
    doubtful: dict[str, tuple[str, ...]] = {}
    nameless: dict[str, float | None] = {}
    for recording, duration in sorted(recordings.items()):
        same_id = by_id.ambiguous.get(recording, ())
        if recording in by_id.pairs:
            same_id = (by_id.pairs[recording],)
        artist_and_title, title = _named_in(recording, words)
        agreed = {
            each: _agree(duration, references[each].durations, tolerance)
            for each in (*same_id, *artist_and_title, *title)
        }
        verdict = _verdict([same_id, artist_and_title], title, agreed)
        if len(verdict.fitting) == 1:
            pairs.append(Pair(recording, verdict.fitting[0], verdict.by))
        elif verdict.fitting:
            ambiguous[recording] = verdict.fitting
        elif verdict.named:
            doubtful[recording] = verdict.named
        else:
            nameless[recording] = duration
    taken = {each.reference for each in pairs}
    free = {name: known for name, known in references.items() if name not in taken}
    alone, several = _by_duration(nameless, free, tolerance) if by_duration else ([], {})
    pairs += alone
    used = {each.reference for each in pairs}
    found = {each.recording for each in alone} | several.keys()
    return Pairing(
        pairs=tuple(sorted(pairs)),
        ambiguous=dict(sorted({**ambiguous, **several}.items())),
        doubtful=doubtful,
        unmatched_recordings=tuple(name for name in nameless if name not in found),
        unmatched_references=tuple(sorted(references.keys() - used)),
    )


class _Verdict(NamedTuple):
    """References that match by name and duration, with the basis; else those by name alone."""

    fitting: tuple[str, ...]
    by: str
    named: tuple[str, ...]


def _verdict(
    clear: Sequence[Sequence[str]], vague: Sequence[str], agreed: Mapping[str, bool | None]
) -> _Verdict:
    """Use the first kind of name that leads to a reference of matching duration."""
    for candidates in clear:
        fitting = tuple(sorted(each for each in candidates if agreed[each] is not False))
        if fitting:
            certain = all(agreed[each] for each in fitting)
            return _Verdict(fitting, "name and duration" if certain else "name", ())
    fitting = tuple(sorted(each for each in vague if agreed[each]))
    if fitting:
        return _Verdict(fitting, "name and duration", ())
    return _Verdict((), "", tuple(sorted({each for candidates in clear for each in candidates})))


def _agree(duration: float | None, known: Sequence[float], tolerance: float) -> bool | None:
    """Return whether a duration matches a known one; None if either is unknown."""
    if duration is None or not known:
        return None
    return min(abs(duration - each) for each in known) <= tolerance


def _by_duration(
    recordings: Mapping[str, float | None], references: Mapping[str, Described], tolerance: float
) -> tuple[list[Pair], dict[str, tuple[str, ...]]]:
    """Pair by duration if both candidates are unique; others are ambiguous."""
    candidates = {
        recording: tuple(
            sorted(
                each
                for each, known in references.items()
                if _agree(duration, known.durations, tolerance)
            )
        )
        for recording, duration in recordings.items()
    }
    claims = Counter(each for several in candidates.values() for each in several)
    pairs, ambiguous = [], {}
    for recording, several in candidates.items():
        if len(several) == 1 and claims[several[0]] == 1:
            pairs.append(Pair(recording, several[0], "duration"))
        elif several:
            ambiguous[recording] = several
    return pairs, ambiguous


def _words(name: str) -> str:
    """Normalize a name to words without case, accents and punctuation, with spaces around each.

    Examples
    --------
    >>> _words("01_Déjà-vu (Live).")
    ' 01 deja vu live '
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return f" {' '.join(_WORD.findall(letters))} "


def _named_in(
    recording: str, references: Mapping[str, tuple[str, str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the references whose artist and title, or title alone, are contained in a name."""
    name = _words(recording)
    titled = [each for each, (_, title) in references.items() if title.strip() and title in name]
    with_artist = [
        each for each in titled if references[each][0].strip() and references[each][0] in name
    ]
    return tuple(with_artist), tuple(each for each in titled if each not in with_artist)


def describe(
    references: Mapping[str, Sequence[Annotation]], metadata: Mapping[str, Described] | None = None
) -> dict[str, Described]:
    """Combine annotations and metadata of tracks.

    Parameters
    ----------
    references : mapping of str to sequence of Annotation
        Track -> its annotations, from `datasets.read_references`.
    metadata : mapping of str to Described, optional
        From `read_metadata`; tracks without annotations are ignored.

    Returns
    -------
    described : dict of str to Described
        One per track of `references`, with the ends of annotations and the durations of metadata.
    """
    described = {}
    for track, annotated in references.items():
        known = (metadata or {}).get(track, Described())
        ends = {each.segmentation.end for each in annotated}
        durations = tuple(sorted(ends.union(known.durations)))
        described[track] = replace(known, durations=durations)
    return described


def read_metadata(root: str | Path) -> dict[str, Described]:
    """Read titles, artists and durations from the files metadata.csv in a folder.

    Parameters
    ----------
    root : path
        A folder of annotations, as from `registry.fetch`. The columns of SALAMI and Harmonix are
        supported.

    Returns
    -------
    metadata : dict of str to Described
        By id; empty if there is no such file. Rows without an id and unknown columns are ignored.

    Raises
    ------
    OSError
        When a table cannot be read.
    FormatError
        When a table is not text, or a quote is not closed; with file and line.
    """
    found: dict[str, Described] = {}
    for path in sorted(Path(root).rglob("metadata.csv")):
        for row in _rows(path):
            id_ = _cell(row, _ID)
            duration = number(_cell(row, _DURATION))
            if id_:
                found[id_] = Described(
                    title=_cell(row, _TITLE),
                    artist=_cell(row, _ARTIST),
                    durations=(duration,) if duration is not None and duration > 0 else (),
                )
    return found


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Read the rows of a table by column."""
    rows = table_rows(path)
    _, columns = next(rows, (1, []))
    for _, fields in rows:
        yield dict(zip(columns, fields, strict=False))


def _cell(row: Mapping[str, str], names: frozenset[str]) -> str:
    """Return the first value in a column of one of these names; "" if there is none."""
    for column, value in row.items():
        if column.strip().lower() in names and value.strip():
            return value.strip()
    return ""


def audio_duration(path: str | Path) -> float:
    """Return the duration of a recording, from its header or else by decoding it.

    Returns
    -------
    duration : float
        Seconds.

    Raises
    ------
    AudioError
        When the file is not audio.
    """
    with opened(path) as file, source_of(file, printable(path)) as source:
        if source.declared_frames is not None and source.sr > 0:
            return source.declared_frames / source.sr
    return decode(path).duration


def map_csv(pairs: Iterable[Pair]) -> str:
    """Format pairs as a table for `scatseg evaluate --map`.

    Examples
    --------
    >>> print(map_csv([Pair("Ann - Blue Sky", "7", "name")]))
    estimate,reference
    Ann - Blue Sky,7
    """
    header = ("estimate", "reference")
    return rows_as_csv([header, *((each.recording, each.reference) for each in pairs)])

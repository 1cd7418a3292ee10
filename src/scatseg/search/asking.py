"""A query by path or id -> an answer for display, storage and playback."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from scatseg import audio
from scatseg.explain import Reason, described
from scatseg.search.hits import Hit
from scatseg.search.index import Index
from scatseg.search.queries import asks_for_whole, check_excerpt
from scatseg.search.store import IndexedTrack

Exclude = Literal["none", "self", "track", "group"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of a query.

    Parameters
    ----------
    query : str
        Id of a recording in the index, or the name of a file.
    path : Path
        Its file.
    start, end : float
        The excerpt searched for, in seconds.
    hits : tuple of Hit
        Most similar first.
    options : dict
        Search options.
    notes : tuple of str
        Warnings about the file, and the search method.
    """

    query: str
    path: Path
    start: float
    end: float
    hits: tuple[Hit, ...]
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Convert to JSON values."""
        return {
            "query": {
                "track": self.query,
                "path": str(self.path),
                "from": round(self.start, 4),
                "to": round(self.end, 4),
            },
            "options": self.options,
            "notes": list(self.notes),
            "hits": [_hit_json(hit) for hit in self.hits],
        }


def ask(
    index: Index,
    query: str | os.PathLike[str],
    *,
    start: float | None = None,
    end: float | None = None,
    top: int = 10,
    exclude: Exclude = "self",
    transpose: int = 0,
    tempo: float = 0.0,
) -> Answer:
    """Find passages similar to a recording or an excerpt.

    Parameters
    ----------
    index : Index
        The index to search.
    query : str or path-like
        Id of a recording in the index, or a path.
    start, end : float, optional
        Excerpt in seconds.
    top, transpose, tempo : int, int, float
        See `Index.search`.
    exclude : {"self", "none", "track", "group"}
        Exclude the passage itself, its recording, or the recording's group. Files outside the index
        have no group.

    Returns
    -------
    answer : Answer
        Hits and search options.

    Raises
    ------
    AudioError
        When the recording cannot be read.
    SearchIndexError
        When nothing is indexed.
    SoundError
        When the excerpt is silent or too short.
    ValueError
        When the excerpt is outside the recording, or there is no group to exclude.
    """
    if exclude not in get_args(Exclude):
        msg = f"exclude must be one of {', '.join(get_args(Exclude))}, got {exclude!r}"
        raise ValueError(msg)
    track = index.track(query)
    path = Path(query if track is None else track.path)
    if track is None and not path.exists():
        index.check_not_empty()
        msg = f"{query}: neither a file, nor the id of a recording of the index"
        ids = {each.id.casefold(): each.id for each in index.tracks}
        near = difflib.get_close_matches(os.fspath(query).casefold(), ids)
        if near:
            msg += f"; there are {', '.join(ids[each] for each in near)}"
        raise audio.AudioError(msg)
    recording = audio.decode(path, sr=index.describer.sr)
    first, last = check_excerpt(recording.duration, start, end)
    excluded, passage = _excluded(index, track, exclude, first, last)
    hits = index.search(
        recording.y,
        recording.sr,
        start=start,
        end=end,
        top=top,
        exclude=excluded,
        passage=passage,
        transpose=transpose,
        tempo=tempo,
    )
    is_whole = asks_for_whole(recording.duration, start, end)
    manner = "" if is_whole else index.manner(last - first)
    return Answer(
        query=path.name if track is None else track.id,
        path=path,
        start=first,
        end=last,
        hits=tuple(hits),
        options={"exclude": exclude, "top": top, "transpose": transpose, "tempo": tempo},
        notes=(*recording.warnings, *([manner] if manner else [])),
    )


def _excluded(
    index: Index, track: IndexedTrack | None, exclude: Exclude, start: float, end: float
) -> tuple[frozenset[str], tuple[str, float, float] | None]:
    """Return the recordings and the passage to exclude."""
    if exclude == "group" and track is None:
        msg = "a file that is not in the index has no group: ask by the id of a recording that is"
        raise ValueError(msg)
    if track is None or exclude == "none":
        return frozenset(), None
    if exclude == "self":
        return frozenset(), (track.id, start, end)
    if exclude == "track":
        return frozenset({track.id}), None
    if not track.group:
        msg = f"{track.id} has no group; give it one in an index.csv and index again"
        raise ValueError(msg)
    same = {other.id for other in index.tracks if other.group == track.group}
    return frozenset(same | {track.id}), None


def _hit_json(hit: Hit) -> dict[str, Any]:
    found: dict[str, Any] = {
        "track": hit.track,
        "path": hit.path,
        "from": round(hit.start, 4),
        "to": round(hit.end, 4),
        "similarity": round(hit.similarity, 6),
        "timbre": round(hit.timbre, 6),
        "course": None if hit.course is None else round(hit.course, 6),
        "semitones": hit.semitones,
        "tempo": round(hit.tempo, 4),
    }
    if hit.likeness is not None:
        found["why"] = hit.likeness.sentence()
        found["alike"] = [_reason_json(each) for each in hit.likeness.alike]
        found["apart"] = [_reason_json(each) for each in hit.likeness.apart]
    return found


def _reason_json(reason: Reason) -> dict[str, Any]:
    return {
        "text": described(reason),
        "order": reason.band.order,
        "carrier_hz": None if reason.carrier is None else round(reason.carrier, 2),
        "rate_hz": None if reason.rate is None else round(reason.rate, 3),
        "spin": reason.band.spin,
        "share": round(reason.relevance, 6),
    }

"""A search result -> a folder with a page that plays every hit next to the query."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from scatseg.audio import AudioError, Recording, decode, save
from scatseg.report.pages import asset, page_html
from scatseg.report.sound import relative_url
from scatseg.runs import safe_id
from scatseg.search.asking import Answer
from scatseg.writing import atomic_write, is_full

_LONGEST = 60.0
"""Maximum playable seconds of a hit."""

_OURS = re.compile(r"query\.flac|hit-\d{2,}\.flac")
"""Names of the sound files of a page."""


class _Excerpt(NamedTuple):
    """An excerpt of a recording, and the file to write it to."""

    path: Path
    start: float
    end: float
    file: Path


def build_hits(answer: Answer, folder: Path) -> Path:
    """Write the page of a search result, its sounds and its data.

    Parameters
    ----------
    answer : Answer
        Result of `scatseg.search.asking.ask`.
    folder : Path
        Folder for `index.html`, `hits.json`, `assets/` and `audio/`, created if missing. Outdated
        sounds of an earlier result are removed from `audio/`; other files are kept.

    Returns
    -------
    page : Path
        The page to open. It works offline.
    """
    page = folder / "index.html"
    for name in ("assets", "audio"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for old in (folder / "audio").iterdir():
        if _OURS.fullmatch(old.name):
            old.unlink()
    facts = answer.as_json()
    query, *sounds = _sounds(answer, folder / "audio", page)
    hits = [
        found | sound | {"title": _title(found["track"], found["path"])}
        for found, sound in zip(facts["hits"], sounds, strict=True)
    ]
    for name in ("style.css", "page.js", "hits.js"):
        atomic_write(folder / "assets" / name, asset(name))
    text = json.dumps(facts, indent=2) + "\n"
    atomic_write(folder / "hits.json", text.encode("utf-8", "backslashreplace"))
    data = {
        "title": _title(answer.query, answer.path),
        "query": facts["query"] | query,
        "hits": hits,
        "notes": facts["notes"],
        "downloads": [{"text": "hits.json", "url": "hits.json"}],
    }
    atomic_write(page, page_html("hits", data))
    return page


def _title(name: str, path: str | Path) -> str:
    """Return the file name that an id was made from, as in the report of a run, else the name."""
    stem = Path(path).stem
    return stem if safe_id(stem) == name else name


def _sounds(answer: Answer, folder: Path, page: Path) -> list[dict[str, Any]]:
    """Write the audio of the query and every hit, at the sampling rates of their recordings."""
    excerpts = [_Excerpt(answer.path, answer.start, answer.end, folder / "query.flac")]
    excerpts += [
        _Excerpt(Path(hit.path), hit.start, hit.end, folder / f"hit-{i:02d}.flac")
        for i, hit in enumerate(answer.hits, 1)
    ]
    decoded = functools.lru_cache(maxsize=1)(functools.partial(decode, sr=None))
    # Grouped by recording, so that each is decoded once.
    sounds = {each: _sound(each, decoded, page) for each in sorted(excerpts)}
    return [sounds[each] for each in excerpts]


def _sound(excerpt: _Excerpt, decoded: Callable[[Path], Recording], page: Path) -> dict[str, Any]:
    path, start, end, file = excerpt
    try:
        recording = decoded(path)
        first, last = (round(t * recording.sr) for t in (start, min(end, start + _LONGEST)))
        save(file, recording.y[first:last], recording.sr)
    except (OSError, AudioError) as error:
        if is_full(error):
            raise
        return {"url": "", "note": f"cannot be played: {error}"}
    cut_off = end - start > _LONGEST
    note = f"plays the first {_LONGEST:g} s of {end - start:.0f} s" if cut_off else ""
    return {"url": relative_url(file, page), "note": note}

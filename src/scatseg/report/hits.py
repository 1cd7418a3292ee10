"""An answer of a search -> a folder with a page on which every hit plays beside the query."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from scatseg.audio import AudioError, save
from scatseg.formats import atomic_write
from scatseg.report.pages import asset, page_html
from scatseg.report.sound import relative_url
from scatseg.search.asking import Answer, cut

_LONGEST = 60.0
"""Seconds of a hit that can be played."""

_OURS = re.compile(r"query\.flac|hit-\d{2,}\.flac")
"""Names of sounds beside a page."""


def build_hits(answer: Answer, folder: Path) -> Path:
    """Write the page of an answer, its sounds and its numbers.

    Parameters
    ----------
    answer : Answer
        Of `scatseg.search.asking.ask`.
    folder : Path
        Made when missing: `index.html`, `hits.json`, `assets/`, `audio/`. What an earlier answer
        left in `audio/`, by the names that it gives, is removed; other files stay.

    Returns
    -------
    page : Path
        The page to open. It works without a network.
    """
    page = folder / "index.html"
    for name in ("assets", "audio"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for old in (folder / "audio").iterdir():
        if _OURS.fullmatch(old.name):
            old.unlink()
    facts = answer.as_json()
    query = _sound(answer.path, answer.start, answer.end, folder / "audio" / "query.flac", page)
    hits = [
        found | _sound(Path(hit.path), hit.start, hit.end, folder / "audio" / name, page)
        for i, (hit, found) in enumerate(zip(answer.hits, facts["hits"], strict=True), 1)
        for name in [f"hit-{i:02d}.flac"]
    ]
    for name in ("style.css", "page.js", "hits.js"):
        atomic_write(folder / "assets" / name, asset(name))
    text = json.dumps(facts, indent=2) + "\n"
    atomic_write(folder / "hits.json", text.encode("utf-8", "backslashreplace"))
    data = {
        "title": answer.query,
        "query": facts["query"] | query,
        "hits": hits,
        "notes": facts["notes"],
        "downloads": [{"text": "hits.json", "url": "hits.json"}],
    }
    atomic_write(page, page_html("hits", data))
    return page


def _sound(path: Path, start: float, end: float, file: Path, page: Path) -> dict[str, Any]:
    """Put a stretch of a recording beside the page."""
    try:
        y, sr = cut(path, start, min(end, start + _LONGEST))
        save(file, y, sr)
    except (OSError, AudioError) as error:
        return {"url": "", "note": f"cannot be played: {error}"}
    cut_off = end - start > _LONGEST
    note = f"plays the first {_LONGEST:g} s of {end - start:.0f} s" if cut_off else ""
    return {"url": relative_url(file, page), "note": note}

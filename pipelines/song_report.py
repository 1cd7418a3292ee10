"""Markdown reports on sets of songs, with cached results per song."""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from scatseg.runs import versions
from scatseg.writing import atomic_write

Options = Mapping[str, Any]


def write_report(
    title: str,
    about: str,
    find: Callable[[Path, Options, Options], Any],
    section: Callable[[dict[str, Any], Options], str] | None = None,
    *,
    together: Callable[[dict[str, dict[str, Any]], Options], str] | None = None,
) -> None:
    """Evaluate all songs of a TOML file and write a report; results per song are cached.

    Parameters
    ----------
    title : str
        Title of the report.
    about : str
        Docstring of the script: its first line is the command-line help, the rest the method.
    find : callable
        `(file, options of its set, all options)` -> JSON-serializable result for one song.
    section : callable, optional
        `({song: result}, all options)` -> Markdown for each set.
    together : callable, optional
        `({title of a set: {song: result}}, all options)` -> Markdown for all sets.
    """
    summary, _, method = about.partition("\n\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("options", type=Path, help="a TOML file, named as the script")
    options = tomllib.loads(parser.parse_args().options.read_text(encoding="utf-8"))
    kept, output = Path(options["kept"]), Path(options["output"])
    kept.mkdir(parents=True, exist_ok=True)
    parts = [f"# {title}", method.rstrip()]
    sets: dict[str, dict[str, Any]] = {}
    for songs in options["set"]:
        found = sets[songs["title"]] = {}
        files = sorted(file for folder in songs["audio"] for file in Path(folder).iterdir())
        for file in files[:: songs.get("every", 1)]:
            store = kept / f"{file.stem}.{asked_for(file, songs, options)}.json"
            if not store.exists():
                with threadpool_limits(1):
                    answer = find(file, songs, options)
                atomic_write(store, json.dumps(answer).encode())
                print(file.stem, flush=True)
            found[file.stem] = json.loads(store.read_text(encoding="utf-8"))
        if section:
            parts.append(f"## {songs['title']}\n\n{section(found, options)}")
    if together:
        parts.append(together(sets, options))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(output)


def asked_for(file: Path, songs: Options, options: Options) -> str:
    """Return the cache key of a result: a hash of the song, all its options, and versions."""
    of_all = {key: options[key] for key in options if key not in ("set", "kept", "output")}
    facts = [str(file.resolve()), songs, of_all, versions(("scatseg", "librosa", "numpy", "scipy"))]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows, including the header and its rule."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

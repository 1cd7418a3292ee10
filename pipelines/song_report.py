"""A report about sets of songs, one by one or together; what was found of a song is kept."""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from scatseg.formats import atomic_write
from scatseg.runs import versions

Options = Mapping[str, Any]


def write_report(
    title: str,
    about: str,
    find: Callable[[Path, Options, Options], Any],
    section: Callable[[dict[str, Any], Options], str] | None = None,
    *,
    together: Callable[[dict[str, dict[str, Any]], Options], str] | None = None,
) -> None:
    """Run what the options on the command line ask for; songs that were done are not done again.

    Parameters
    ----------
    title : str
        The report's.
    about : str
        The script's docstring: help on the command line, and what the report says of itself.
    find : callable
        `(file, options of its set, all options)` -> what is found of one song, as JSON can say it.
    section : callable, optional
        `({song: what was found of it}, all options)` -> Markdown, of each set.
    together : callable, optional
        `({title of a set: {song: what was found of it}}, all options)` -> Markdown, of all sets.
    """
    summary, _, method = about.partition("\n\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("options", type=Path, help="a TOML file, as the script names it")
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
    """Hash what an answer depends on: the song, the options of its set and of all, and versions."""
    of_all = {key: options[key] for key in options if key not in ("set", "kept", "output")}
    facts = [str(file.resolve()), songs, of_all, versions(("scatseg", "librosa", "numpy", "scipy"))]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows, the head and its rule among them."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

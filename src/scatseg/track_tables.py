"""User tables of tracks: matching names and groups."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scatseg.formats.text import table_rows
from scatseg.partners import match_ids
from scatseg.runs import Note
from scatseg.summaries import ALL_TRACKS


def read_partners(path: Path) -> dict[str, str]:
    """Read the references of estimates from a table.

    Parameters
    ----------
    path : Path
        CSV, also separated by semicolons or tabs, with the columns `estimate` and `reference`, ids
        without extension; further columns are ignored.

    Returns
    -------
    partners : dict of str to str
        Estimate id -> reference id.

    Raises
    ------
    ValueError
        When a column or a name is missing, a column or the reference of an estimate is there twice,
        or a quote is not closed; with file and line.
    """
    partners: dict[str, str] = {}
    for line, row in _table(path, ("estimate", "reference")):
        estimate, reference = row["estimate"], row["reference"]
        if not (estimate and reference):
            msg = f"{path}, line {line}: expected an estimate and a reference, got {row}"
            raise ValueError(msg)
        if partners.setdefault(estimate, reference) != reference:
            msg = (
                f"{path}, line {line}: {estimate!r} is already paired with {partners[estimate]!r}; "
                f"keep one reference"
            )
            raise ValueError(msg)
    return partners


def read_groups(path: Path, column: str) -> dict[str, str]:
    """Read a column of a table of tracks.

    Parameters
    ----------
    path : Path
        CSV as for `read_partners`; the first column contains ids of tracks or of their references.
    column : str
        Name of the column: genre, render, annotator, ...

    Returns
    -------
    groups : dict of str to str
        Id -> value, without those whose value is empty.

    Raises
    ------
    ValueError
        When there is no such column, a column is there twice, an id has two values, a value is the
        name of the group of all tracks, or a quote is not closed; with file and line.
    """
    groups: dict[str, str] = {}
    for line, row in _table(path, (column,)):
        id_, value = next(iter(row.values())), row[column]
        if value == ALL_TRACKS:
            msg = f"{path}, line {line}: {value!r} names the group of every track; rename it"
            raise ValueError(msg)
        if value and groups.setdefault(id_, value) != value:
            msg = f"{path}, line {line}: {id_!r} already has the {column} {groups[id_]!r}; keep one"
            raise ValueError(msg)
    return groups


def _table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table with a header: line number and fields, without the spaces around them."""
    rows = table_rows(path)
    first, names = next(rows, (1, []))
    header = [_spelled(name) for name in names]
    missing = [name for name in columns if name not in header]
    if missing:
        msg = f"{path}, line {first}: expected a column {missing[0]!r}, got {', '.join(header)!r}"
        raise ValueError(msg)
    repeated = [name for name in header if name and header.count(name) > 1]
    if repeated:
        msg = f"{path}, line {first}: two columns are called {repeated[0]!r}; rename one"
        raise ValueError(msg)
    for line, row in rows:
        fields = [_spelled(field) for field in row]
        if not any(fields):
            continue
        while len(fields) > len(header) and not fields[-1]:
            fields.pop()
        if len(fields) != len(header):
            msg = f"{path}, line {line}: expected {len(header)} fields, got {len(fields)}"
            raise ValueError(msg)
        yield line, dict(zip(header, fields, strict=True))


def _spelled(field: str) -> str:
    """Normalize as ids of files are: "é" is one character."""
    return unicodedata.normalize("NFC", field).strip()


def groups_of(
    tracks: Mapping[str, str], groups: Mapping[str, str]
) -> tuple[dict[str, str], list[Note]]:
    """Find the group of every track by its id or its reference's, and note those without.

    Parameters
    ----------
    tracks : mapping of str to str
        Track -> the id of its reference.
    groups : mapping of str to str
        Id -> group, see `read_groups`.

    Returns
    -------
    found : dict of str to str
        Track -> group.
    notes : list of Note
        Of the kind "group"; none where there are no groups at all.
    """
    if not groups:
        return {}, []
    alike = match_ids(tracks, groups).pairs
    candidates = {track: (track, id_, alike.get(track, "")) for track, id_ in tracks.items()}
    found = {
        track: next((groups[id_] for id_ in ids if id_ in groups), None)
        for track, ids in candidates.items()
    }
    pairs = {track: group for track, group in found.items() if group is not None}
    return pairs, [
        Note("group", track, "", "has no group in the metadata")
        for track in tracks
        if track not in pairs
    ]

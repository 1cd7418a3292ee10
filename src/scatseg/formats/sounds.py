"""An index.csv of sounds -> its rows, and the file of each."""

from __future__ import annotations

import contextlib
import posixpath
import unicodedata
from pathlib import Path
from typing import NamedTuple

from scatseg.counts import counted
from scatseg.formats.rows import FormatError
from scatseg.formats.text import csv_rows, decoded, plain, separator

INDEX = "index.csv"
"""The table of a folder of sounds."""


class SoundTable(NamedTuple):
    """The content of an index.csv.

    Parameters
    ----------
    header : tuple of str
        Names of the columns, distinct except "" for columns without one.
    rows : tuple of (int, tuple of str)
        Number of the line and the cells of each row that is not empty. Cells may be missing at the
        end, or be more than the header names, see `excess`; empty ones beyond it are left out.
    notes : tuple of str
        One sentence each for another encoding than UTF-8, and another separator than commas.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...]

    def excess(self, cells: tuple[str, ...]) -> str:
        """Describe a row with more cells than the header; "" for others."""
        if len(cells) <= len(self.header):
            return ""
        return f"has {counted(len(cells), 'cell')}, but the header names {len(self.header)}"


def parse_sounds(data: bytes) -> SoundTable:
    r"""Read a table of sounds.

    Parameters
    ----------
    data : bytes
        The content of the file, separated by commas, semicolons or tabs; the first line is the
        header. Cells are stripped, and on one line.

    Raises
    ------
    FormatError
        When it is not text, a quote is not closed, or two columns have one name.

    Examples
    --------
    >>> parse_sounds(b"file;label\n\nb.wav; snare;\n")
    SoundTable(header=('file', 'label'), rows=((3, ('b.wav', 'snare')),),
        notes=('columns are separated by semicolons',))
    """
    text, notes = decoded(data)
    if any(_is_no_text(character) for character in text[:1000]):
        msg = f"a folder of sounds or an {INDEX} is needed, got a binary file"
        raise FormatError(msg)
    delimiter = separator(text)
    if delimiter != ",":
        kind = {"\t": "tabs", "|": "vertical bars"}.get(delimiter, "semicolons")
        notes.append(f"columns are separated by {kind}")
    lines = csv_rows(text)
    rows = []
    header = tuple(plain(name) for name in next(lines, (1, []))[1])
    for line, fields in lines:
        cells = [plain(cell) for cell in fields]
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if any(cells):
            rows.append((line, tuple(cells)))
    named = [name.lower() for name in header if name]
    if len(set(named)) < len(named):
        msg = f"each column needs a name of its own, got {', '.join(header)}"
        raise FormatError(msg)
    return SoundTable(header, tuple(rows), tuple(notes))


def _is_no_text(character: str) -> bool:
    """Return whether a character is a control or replacement character."""
    return unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs") and not character.isspace()


def sound_name(cell: str) -> str:
    r"""Return the path in a table in its shortest form, with `/`; "" if there is none.

    Examples
    --------
    >>> sound_name("./kick/../snare/a.wav"), sound_name(r"snare\a.wav"), sound_name("")
    ('snare/a.wav', 'snare/a.wav', '')
    """
    name = cell.replace("\\", "/")
    return posixpath.normpath(name) if name else ""


def sound_file(folder: Path, name: str) -> Path | None:
    """Find the file of a name in the folder of the table, or in `audio` there."""
    for parent in (folder, folder / "audio"):
        with contextlib.suppress(OSError):  # as of a name that is too long
            if (parent / name).is_file():
                return parent / name
    return None

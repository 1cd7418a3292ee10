"""A recording and a page -> what the page plays, or why it does not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

from scatseg.audio import AudioError, decode, save

AudioMode = Literal["copy", "link", "none"]

PLAYABLE = frozenset({".wav", ".mp3", ".ogg", ".opus", ".flac", ".m4a"})
"""Suffixes of what every current browser plays."""


class Sound(NamedTuple):
    """What a page plays.

    Parameters
    ----------
    url : str
        Relative to the page, percent-encoded; "" when there is nothing to play.
    note : str
        Why there is nothing to play.
    file : Path or None
        The copy that the url points to.
    """

    url: str = ""
    note: str = ""
    file: Path | None = None


def place_sound(source: Path | None, page: Path, folder: Path, *, mode: AudioMode) -> Sound:
    """Make a recording reachable from a page.

    Parameters
    ----------
    source : Path or None
        The recording.
    page : Path
        The page that will play it; its stem names the copy.
    folder : Path
        Where copies live.
    mode : {"copy", "link", "none"}
        Copy it (what browsers do not play becomes FLAC), point to where it is, or neither.

    Returns
    -------
    sound : Sound
        A copy that is already there and as old as its source is used again, also after the
        source has gone.
    """
    if mode == "none":
        return Sound(note="this report was built without audio")
    if source is None:
        return Sound(note="the run does not say where the audio is")
    if mode == "link":
        return _linked(source, page)
    playable = source.suffix.lower() in PLAYABLE
    copy = folder / (page.stem + (source.suffix.lower() if playable else ".flac"))
    if not source.is_file():
        if copy.is_file():
            return Sound(url=relative_url(copy, page), file=copy)
        return Sound(note=f"audio not found at {source}")
    try:
        _refresh(source, copy, convert=not playable)
    except (OSError, AudioError) as error:
        return Sound(note=f"audio could not be copied from {source}: {error}")
    return Sound(url=relative_url(copy, page), file=copy)


def relative_url(target: Path, page: Path) -> str:
    """Address a file from a page, percent-encoded.

    Examples
    --------
    >>> relative_url(Path("run/tracks/50% #1.jams"), Path("run/pages/a.html"))
    '../tracks/50%25%20%231.jams'
    """
    return quote(os.fsencode(Path(os.path.relpath(target, page.parent)).as_posix()))


def _linked(source: Path, page: Path) -> Sound:
    if not source.is_file():
        return Sound(note=f"audio not found at {source}")
    if source.suffix.lower() not in PLAYABLE:
        return Sound(note=f"browsers do not play {source.suffix} files; build with audio copied")
    try:
        return Sound(url=relative_url(source, page))
    except ValueError:  # on another drive there is no relative way
        return Sound(url=source.absolute().as_uri())


def _refresh(source: Path, copy: Path, *, convert: bool) -> None:
    """Write the copy unless it is there already, and give it its source's time."""
    stamp = source.stat().st_mtime_ns
    if copy.is_file() and copy.stat().st_mtime_ns == stamp:
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.with_name(f".{copy.stem}.partial{copy.suffix}")
    try:
        if convert:
            recording = decode(source, sr=44100)
            save(partial, recording.y, recording.sr)
        else:
            shutil.copyfile(source, partial)
        os.utime(partial, ns=(stamp, stamp))
        partial.replace(copy)
    finally:
        partial.unlink(missing_ok=True)

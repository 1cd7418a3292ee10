"""A recording and a page -> the audio of the page, or the reason why there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

from scatseg.audio import AudioError, decode, save
from scatseg.audio.sources import wave_coding
from scatseg.writing import is_full, replaced

AudioMode = Literal["copy", "link", "none"]

PLAYABLE = frozenset({".wav", ".mp3", ".ogg", ".opus", ".flac", ".m4a"})
"""Suffixes of formats that all current browsers play."""

_PLAYABLE_WAVES = frozenset({"", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW", "ALAW"})
"""Codings of samples in WAV files that they play; "" is none that is known."""


class Sound(NamedTuple):
    """Audio of a page.

    Parameters
    ----------
    url : str
        Relative to the page, percent-encoded; "" without audio.
    note : str
        Reason why there is no audio.
    file : Path or None
        The copy that the url refers to.
    """

    url: str = ""
    note: str = ""
    file: Path | None = None


def place_sound(source: Path | None, page: Path, folder: Path, *, mode: AudioMode) -> Sound:
    """Copy or link a recording for a page.

    Parameters
    ----------
    source : Path or None
        The recording.
    page : Path
        The page; its stem names the copy.
    folder : Path
        Folder for copies.
    mode : {"copy", "link", "none"}
        Copy the file (converted to FLAC if browsers cannot play it), link to it, or neither.

    Returns
    -------
    sound : Sound
        An existing copy with the time of its source is reused, also if the source is gone.

    Raises
    ------
    OSError
        When the disk is full.
    """
    if mode == "none":
        return Sound(note="this report was built without audio")
    if source is None:
        return Sound(note="the run does not say where the audio is")
    if mode == "link":
        return _linked(source, page)
    if not os.path.isfile(source):  # noqa: PTH113 - which may not be allowed to look
        for suffix in dict.fromkeys((_suffix(source), ".flac")):
            copy = folder / (page.stem + suffix)
            if copy.is_file():
                return Sound(url=relative_url(copy, page), file=copy)
        return Sound(note=f"audio not found at {source}")
    try:
        playable = _is_playable(source)
        copy = folder / (page.stem + (_suffix(source) if playable else ".flac"))
        _refresh(source, copy, convert=not playable)
    except (OSError, AudioError) as error:
        if is_full(error):
            raise
        return Sound(note=f"audio could not be copied from {source}: {error}")
    return Sound(url=relative_url(copy, page), file=copy)


def relative_url(target: Path, page: Path) -> str:
    """Return the URL of a file relative to a page, percent-encoded.

    Examples
    --------
    >>> relative_url(Path("run/tracks/50% #1.jams"), Path("run/pages/a.html"))
    '../tracks/50%25%20%231.jams'
    """
    return quote(os.fsencode(Path(os.path.relpath(target, page.parent)).as_posix()))


def _linked(source: Path, page: Path) -> Sound:
    if not os.path.isfile(source):  # noqa: PTH113
        return Sound(note=f"audio not found at {source}")
    try:
        if not _is_playable(source):
            return Sound(note=f"browsers do not play {_kind(source)}; build with audio copied")
        return Sound(url=relative_url(source, page))
    except AudioError as error:
        return Sound(note=f"audio could not be linked to: {error}")
    except ValueError:  # no relative path to another drive
        return Sound(url=source.absolute().as_uri())


def _suffix(source: Path) -> str:
    return source.suffix.lower()


def _is_playable(source: Path) -> bool:
    """Return whether all current browsers play a file."""
    suffix = _suffix(source)
    return suffix in PLAYABLE and (suffix != ".wav" or wave_coding(source) in _PLAYABLE_WAVES)


def _kind(source: Path) -> str:
    coding = wave_coding(source) if _suffix(source) == ".wav" else ""
    return f"WAV files coded as {coding}" if coding else f"{source.suffix} files"


def _refresh(source: Path, copy: Path, *, convert: bool) -> None:
    """Write the copy unless it is up to date, with the modification time of its source."""
    stamp = source.stat().st_mtime_ns
    if copy.is_file() and copy.stat().st_mtime_ns == stamp:
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    if convert:
        recording = decode(source, sr=44100)
        save(copy, recording.y, recording.sr)
    else:
        with replaced(copy) as temporary:
            shutil.copyfile(source, temporary)
    os.utime(copy, ns=(stamp, stamp))

"""Decode an open file into blocks of samples: libsndfile for most formats, FFmpeg for the rest."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import reduce
from io import FileIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from scatseg.audio.errors import MissingAudioError, NotAudioError, UnreadableAudioError
from scatseg.counts import one_line

Signal = NDArray[np.float32]
AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_BLOCK = 2**16  # samples decoded at a time, all channels together
_STEP = 4096  # frames asked of libsndfile at a time: what a decoding error can take with it
_MPEG_STEP = 1152  # the same for MP3, where every truncated file ends in an error: one frame
_N_NOTES = 10  # lines kept of what a decoder wrote to standard error


@dataclass(kw_only=True)
class Source:
    """An open file; `notes` and `faults` (missing data) grow while `blocks` are consumed."""

    format: str
    sr: int
    channels: int
    declared_frames: int | None
    slack: float = 0.0  # seconds that may be missing before it counts as cut off
    blocks: Iterator[Signal] = field(default_factory=lambda: iter(()))  # (n_frames, channels)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def printable(path: AnyPath) -> str:
    """Spell a path so that it can be printed on one line anywhere."""
    return one_line(os.fsencode(path).decode("utf-8", "backslashreplace"))


_WAVE = frozenset({"WAV", "WAVEX"})

_CAUSES = {24: "Its header states an impossible sampling rate or number of channels"}
"""libsndfile's error numbers, where its own words ("SF_INFO struct incomplete") do not help."""


@contextmanager
def opened(path: AnyPath) -> Iterator[FileIO]:
    """Open a regular file, unbuffered: libsndfile shares the descriptor's position.

    An error of the file system, also later while reading, becomes an UnreadableAudioError: a
    MissingAudioError if there is no such file.
    """
    source, name = Path(os.fsdecode(path)), printable(path)
    try:
        mode = source.stat().st_mode
        if stat.S_ISREG(mode):
            with source.open("rb", buffering=0) as file:
                yield file
            return
    except OSError as error:
        msg = f"{name}: an audio file that can be read is needed: {error.strerror}"
        if isinstance(error, FileNotFoundError):
            raise MissingAudioError(msg, str(source)) from error
        raise UnreadableAudioError(msg) from error
    what = "a folder; name the files in it" if stat.S_ISDIR(mode) else "a device or a pipe"
    msg = f"{name}: an audio file is needed, this is {what}"
    raise UnreadableAudioError(msg)


def source_of(file: FileIO, name: str) -> AbstractContextManager[Source]:
    """Choose the decoder by the first bytes; one pass over the file."""
    file.seek(0)
    head = file.read(16)
    if not head:
        msg = f"{name}: audio is needed, the file is empty (0 bytes)"
        raise NotAudioError(msg)
    if head.startswith(codecs.BOM_UTF16_LE):  # which also reads as a header of MPEG layer I
        raise _not_audio(name, head, "Text (UTF-16)")
    for offset, magic, kind in _FFMPEG_MAGIC:
        if head[offset:].startswith(magic):
            return _ffmpeg_source(file, name, head, kind)
    start = _mpeg_start(file)
    if start is not None:
        return _mpeg_source(file, name, head, start)
    return _sndfile_source(file, name, head)


def _not_audio(name: str, head: bytes, cause: str | soundfile.LibsndfileError) -> NotAudioError:
    if not isinstance(cause, str):
        cause = _CAUSES.get(cause.code, cause.error_string)
    msg = (
        f"{name}: WAV, FLAC, Ogg, MP3 or the like is needed, but the decoder says "
        f"{cause.rstrip('.')!r} and the file begins with {head[:8]!r}; "
        "play it to see whether it is whole, or convert it with ffmpeg"
    )
    return NotAudioError(msg)


class _ForwardSound(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read from the beginning to the end.

    After each block SoundFile seeks to where it already is, if it can. In MP3 that primes
    the decoder anew and changes the samples that follow (by up to 0.6 of full scale); in
    Ogg it doubles the time.
    """

    def seekable(self) -> bool:
        """Return False."""
        return False


def _sound_source(sound: soundfile.SoundFile, step: int) -> Source:
    source = Source(
        format=sound.format,
        sr=sound.samplerate,
        channels=sound.channels,
        declared_frames=_declared_frames(sound),
    )
    source.blocks = _sound_blocks(sound, source, step)
    return source


def _sound_blocks(sound: soundfile.SoundFile, source: Source, step: int) -> Iterator[Signal]:
    """Yield blocks (n_frames, channels); a decoding error ends them and is kept as a fault.

    No frame is asked for behind the last one: of a FLAC file, libsndfile would decode what follows.
    """
    n_frames = max(step, _BLOCK // source.channels)
    left = sound.frames
    got = 1
    while got and left:
        block = np.empty((min(n_frames, left), source.channels), np.float32)
        filled = 0
        try:
            while filled < len(block) and got:
                got = len(sound.read(out=block[filled : filled + step]))
                filled += got
        except soundfile.LibsndfileError as error:
            source.faults.append(f"decoding stopped early: {error.error_string.rstrip('.')}")
            got = 0
        left -= filled
        if filled:
            yield block[:filled]


_CLAMPED = re.compile(r"^ *(data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.M)
_LARGE_HEADER = 65536  # bytes of a file without sound
_UNKNOWN_BYTES = 0x7FFF_F000  # from here on a stated size is a placeholder of a streaming writer


def _declared_frames(sound: soundfile.SoundFile) -> int | None:
    """Return the number of frames in the header; libsndfile omits those missing from the file."""
    n_frames: int = sound.frames
    if n_frames > 2**62:
        return None
    for chunk, *sizes in _CLAMPED.findall(sound.extra_info):
        stated, actual = map(int, sizes)
        if chunk.lower().startswith("riff") and sound.format not in ("W64", "RF64"):
            continue
        if stated >= _UNKNOWN_BYTES:
            return None
        if n_frames and stated > actual:
            bytes_per_frame = max(1, actual // n_frames)
            return n_frames + -(-(stated - actual) // bytes_per_frame)
    return n_frames


_OGG_FIRST, _OGG_LAST = 2, 4  # flags of a page


@contextmanager
def _sndfile_source(file: FileIO, name: str, head: bytes) -> Iterator[Source]:
    """Decode with libsndfile, which detects the format by content, not by name."""
    faults = [*_ogg_faults(file)]
    file.seek(0)
    try:
        sound = _ForwardSound(file.fileno(), closefd=False)
    except soundfile.LibsndfileError as error:
        start = _mpeg_within(file)
        if start is None:
            raise _not_audio(name, head, error) from error
        with _mpeg_source(file, name, head, start) as source:
            source.faults.append(f"the first {start} bytes are not whole frames of MP3: left out")
            yield source
        return
    with sound:
        source = _sound_source(sound, _STEP)
        source.faults += faults
        if source.format == "FLAC":
            source.blocks = _flac_blocks(source.blocks, source, file)
        n_bytes = os.fstat(file.fileno()).st_size
        if source.declared_frames == 0 and n_bytes > _LARGE_HEADER:
            source.faults.append(
                f"its header says 0 samples, but the file has {n_bytes:,} bytes, like a recording "
                "that was interrupted; ffmpeg -i FILE COPY.wav may repair it"
            )
        yield source


_FLAC_BUFFER = 8192  # bytes that libFLAC reads at a time, so at most what it is ahead of the sound


def _flac_blocks(blocks: Iterator[Signal], source: Source, file: FileIO) -> Iterator[Signal]:
    """Yield the blocks, then check whether sound follows the last sample that was declared."""
    n_frames = 0
    for block in blocks:
        n_frames += len(block)
        yield block
    if n_frames != source.declared_frames:
        return
    file.seek(-min(file.tell(), _FLAC_BUFFER), os.SEEK_CUR)
    ahead = file.read(_FLAC_BUFFER)
    n_left, n_bytes = _drained(file.fileno())[1], file.tell()
    if not any(tag in ahead for tag in _TAGS):
        cause = (
            f"its header declares only {n_frames} samples, or several files were joined; "
            "ffmpeg -i FILE COPY.wav may read all"
        )
        _add_undecoded(source, n_frames, n_left, n_bytes, cause)


def _add_undecoded(source: Source, n_frames: int, n_left: int, n_bytes: int, cause: str) -> None:
    """Add a fault if the bytes left are more than a second, at the rate of those decoded."""
    seconds = n_frames / source.sr * n_left / max(1, n_bytes - n_left)
    if seconds > 1:
        source.faults.append(
            f"the last {n_left} of {n_bytes} bytes (about {seconds:.0f} s) were not decoded: "
            f"{cause}"
        )


def _ogg_faults(file: FileIO) -> Iterator[str]:
    """Check the pages of an Ogg file: with pages missing it decodes short, without an error."""
    n_bytes = file.seek(0, os.SEEK_END)
    position, ended = 0, False
    file.seek(0)
    header = file.read(27)
    if header[:4] != b"OggS":
        return
    while len(header) == 27 and header[:4] == b"OggS":
        if ended and header[5] & _OGG_FIRST:
            yield f"joined Ogg files: all after byte {position} of {n_bytes} is ignored"
            return
        ended = bool(header[5] & _OGG_LAST)
        position += 27 + header[26] + sum(file.read(header[26]))
        file.seek(position)
        header = file.read(27)
    if not ended or position > n_bytes:
        stop = f"stops at byte {position} of {n_bytes}" if position < n_bytes else "has no end"
        yield f"cut off or damaged: the Ogg stream {stop}"


def _mpeg_start(file: FileIO) -> int | None:
    """Find the first MPEG audio frame after ID3 tags and padding; None if there is none."""
    start = 0
    while True:
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            break
        start += 10 + reduce(lambda size, byte: size << 7 | byte & 127, head[6:10], 0)
    file.seek(start)
    padded = file.read(65536)
    frame = padded.lstrip(b"\0")
    is_frame = len(frame) > 3 and frame[0] == 255 and frame[1] & 0xE0 == 0xE0 and frame[1] & 6 != 0
    return start + len(padded) - len(frame) if is_frame else None


_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")  # of a frame of layer III
_IN_A_ROW = 4  # frames, which garbage does not hold
_KILOBITS = {  # per second, of MPEG 1, and of MPEG 2 and 2.5
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mpeg_within(file: FileIO) -> int | None:
    """Find MP3 that begins in the middle of a frame, as of a stream, or behind other bytes."""
    file.seek(0)
    data = file.read(2**17)
    for found in _SYNC.finditer(data):
        position, n_frames = found.start(), 0
        while n_frames < _IN_A_ROW and (n_bytes := _frame_bytes(data[position : position + 4])):
            position += n_bytes
            n_frames += 1
        if n_frames == _IN_A_ROW:
            return found.start()
    return None


def _frame_bytes(header: bytes) -> int:
    """Return the size of a frame of layer III, 0 if this is no header of one."""
    if len(header) < 4 or not _SYNC.match(header):
        return 0
    version, rate = header[1] >> 3 & 3, header[2] >> 2 & 3
    bits, is_padded = header[2] >> 4, header[2] >> 1 & 1
    if rate == 3 or bits in (0, 15):
        return 0
    hertz = (44100, 48000, 32000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 1152 if version == 3 else 576
    return samples // 8 * 1000 * _KILOBITS[version == 3][bits - 1] // hertz + is_padded


_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI")  # what may follow the sound


@contextmanager
def _mpeg_source(file: FileIO, name: str, head: bytes, start: int) -> Iterator[Source]:
    """Decode MP3 with libsndfile through a pipe.

    If a file does not declare its length, libsndfile guesses it from the first frame and
    stops there, which may be a quarter of a file of variable bit rate. From a pipe it cannot
    guess: it decodes to the end and reports when the length is unknown.
    """
    n_bytes = file.seek(0, os.SEEK_END) - start
    with tempfile.TemporaryFile() as said, _piped(file, start) as reader:
        try:
            with _stderr_into(said):
                sound = _ForwardSound(reader, closefd=False)
        except soundfile.LibsndfileError as error:
            raise _not_audio(name, head, error) from error
        with sound:
            source = _sound_source(sound, _MPEG_STEP)
            source.slack = 0.1  # some encoders count the frame that holds the header
            blocks = _mpeg_blocks(source.blocks, source, reader, n_bytes)
            source.blocks = _overheard(blocks, said)
            yield source
        source.notes += _decoder_notes(said)


def _mpeg_blocks(
    blocks: Iterator[Signal], source: Source, reader: int, n_bytes: int
) -> Iterator[Signal]:
    """Yield the blocks, then check whether the pipe holds more than tags."""
    n_frames = 0
    for block in blocks:
        n_frames += len(block)
        yield block
    rest, n_left = _drained(reader)
    if not rest.startswith(_TAGS):
        cause = "damaged, or several files joined"
        _add_undecoded(source, n_frames, n_left, n_bytes, cause)


@contextmanager
def _piped(file: FileIO, start: int) -> Iterator[int]:
    """Feed a file from `start` on into a pipe and yield the pipe's read end."""
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb") as sink:
            file.seek(start)
            shutil.copyfileobj(file, sink)

    with ThreadPoolExecutor(max_workers=1) as pool:
        fed = pool.submit(feed)
        try:
            yield reader
        finally:
            _drained(reader)  # or the feeder would wait for ever
            os.close(reader)
    fed.result()


def _drained(reader: int) -> tuple[bytes, int]:
    """Read a descriptor to its end; return the first bytes and how many there were."""
    first = chunk = os.read(reader, 2**16)
    n_bytes = len(first)
    while chunk:
        chunk = os.read(reader, 2**16)
        n_bytes += len(chunk)
    return first, n_bytes


_STDERR = threading.Lock()  # descriptor 2 belongs to the whole process


@contextmanager
def _stderr_into(said: IO[bytes]) -> Iterator[None]:
    """Capture what C libraries (libmpg123, FFmpeg) write directly to descriptor 2.

    Output of other threads is captured, too, so hold this for one decoder call only.
    """
    with _STDERR:
        saved = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _overheard(blocks: Iterator[Signal], said: IO[bytes]) -> Iterator[Signal]:
    """Yield the blocks and capture the decoder's messages while it produces them.

    Nothing is captured between blocks, while the caller may be decoding another file.
    """
    while True:
        with _stderr_into(said):
            block = next(blocks, None)
        if block is None:
            return
        yield block


def _decoder_notes(said: IO[bytes]) -> list[str]:
    said.seek(0)
    lines = filter(None, said.read().decode(errors="replace").splitlines())
    return [f"decoder: {line}" for line in list(dict.fromkeys(lines))[:_N_NOTES]]


_FFMPEG_MAGIC = (  # (offset, bytes there, what it is)
    (4, b"ftyp", "MPEG-4 (m4a, mp4)"),
    (0, bytes.fromhex("3026b2758e66cf11"), "Windows Media (wma)"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
    (0, b"\x1aE\xdf\xa3", "Matroska (mka, webm)"),
)


@contextmanager
def _ffmpeg_source(file: FileIO, name: str, head: bytes, kind: str) -> Iterator[Source]:
    """Decode with FFmpeg what libsndfile cannot."""
    try:
        import av
    except ImportError as error:
        msg = f'{name}: {kind} needs FFmpeg to decode: pip install "scatseg[ffmpeg]"'
        raise NotAudioError(msg) from error
    file.seek(0)
    with tempfile.TemporaryFile() as said:
        try:
            with _stderr_into(said):
                container = av.open(file)
        except av.FFmpegError as error:
            raise _not_audio(name, head, error.strerror) from error
        with container:
            if not container.streams.audio:
                raise _not_audio(name, head, f"{kind} without an audio stream")
            source = _ffmpeg_stream(container)
            source.blocks = _overheard(source.blocks, said)
            yield source
        source.notes += _decoder_notes(said)


def _ffmpeg_stream(container: Any) -> Source:
    stream = container.streams.audio[0]
    # Raw AAC has no header: there FFmpeg's duration is a guess from the bit rate.
    known = stream.duration is not None and container.format.name != "aac"
    source = Source(
        format=stream.codec_context.name.upper(),
        sr=stream.rate,
        channels=stream.channels,
        declared_frames=round(stream.duration * stream.time_base * stream.rate) if known else None,
        slack=0.1,  # encoders pad, and not all of them say by how much
    )
    source.blocks = _ffmpeg_blocks(container, source)
    return source


def _ffmpeg_blocks(container: Any, source: Source) -> Iterator[Signal]:
    import av

    resampler = av.AudioResampler(format="flt")  # to interleaved float32, rate unchanged
    try:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                yield part.to_ndarray().reshape(-1, source.channels)
    except av.FFmpegError as error:
        source.faults.append(f"decoding stopped early: {error.strerror}")


def file_hash(path: AnyPath) -> str:
    """Compute the SHA-256 of a file's content, in hexadecimal.

    Raises
    ------
    UnreadableAudioError
        When the file cannot be read, or is none.
    """
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wave_coding(path: AnyPath) -> str:
    """Return libsndfile's name of how the samples of a WAV file are coded; "" of other files.

    Raises
    ------
    UnreadableAudioError
        When the file cannot be read.
    """
    with opened(path) as file:
        try:
            with soundfile.SoundFile(file) as sound:
                return str(sound.subtype) if sound.format in _WAVE else ""
        except soundfile.LibsndfileError:
            return ""

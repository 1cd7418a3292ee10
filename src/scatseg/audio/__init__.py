"""A file -> a mono float32 signal at a given sampling rate, with warnings about the file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import ArrayLike, NDArray

from scatseg.audio.errors import (
    AudioError,
    AudioWarning,
    InvalidSamplesError,
    MissingAudioError,
    NotAudioError,
    TooLongError,
    TooShortError,
    TruncatedAudioError,
    UnreadableAudioError,
)
from scatseg.audio.sources import (
    AnyPath,
    Signal,
    Source,
    file_hash,
    opened,
    printable,
    source_of,
)
from scatseg.counts import rounded, told_apart
from scatseg.rates import check_rate
from scatseg.writing import atomic_write

__all__ = [
    "AUDIO_EXTENSIONS",
    "SILENT_PEAK",
    "AudioError",
    "AudioWarning",
    "InvalidSamplesError",
    "MissingAudioError",
    "NotAudioError",
    "Recording",
    "Stream",
    "TooLongError",
    "TooShortError",
    "TruncatedAudioError",
    "UnreadableAudioError",
    "declared_samples",
    "decode",
    "file_hash",
    "load",
    "save",
    "stream",
]

AUDIO_EXTENSIONS = frozenset(
    {".aac", ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mp3", ".oga", ".ogg"}
    | {".opus", ".rf64", ".w64", ".wav", ".wave", ".wma"}
)
"""Lower-case extensions of audio files in folders; `decode` detects formats by content."""

SILENT_PEAK = 1e-5
"""Peak relative to full scale (-100 dB) up to which a recording is silent."""

_SAVED_AS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}

_RATES = (100, 10_000_000)  # Hz: range of valid sampling rates
_LARGEST = 1e15  # largest valid sample, whose square fits a float32
_CANCELLED = 0.01  # power of the mix at cancellation, relative to that of independent channels
_LOUD = 2.0  # peak above which scaling causes a warning: lossy codecs overshoot to about 1.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A decoded file and its properties.

    Parameters
    ----------
    y : ndarray of float32, shape (n_samples,)
        Mono signal, finite, in [-1, 1].
    sr : int
        Sampling rate of `y` in Hz.
    native_sr : int
        Sampling rate of the file in Hz.
    channels : int
        Channels of the file.
    format : str
        Container or codec, as the decoder names it: "WAV", "FLAC", "OGG", "MP3", "AAC", ...
    declared_frames : int or None
        Samples per channel according to the file; None if not stated.
    read_frames : int
        Samples per channel that were decoded.
    warnings : tuple of str
        One sentence per problem.
    """

    y: Signal = field(repr=False)
    sr: int
    native_sr: int
    channels: int
    format: str
    declared_frames: int | None
    read_frames: int
    warnings: tuple[str, ...]

    @property
    def duration(self) -> float:
        """Duration in seconds."""
        return self.y.size / self.sr


def load(path: AnyPath, *, sr: int | None = 22050) -> tuple[Signal, int]:
    """Decode a file into a mono signal.

    Parameters
    ----------
    path : str, bytes or path-like
        Any audio file; the format is detected by content, not by name.
    sr : int or None, default 22050
        Sampling rate in Hz to resample to (soxr, high quality); None keeps the file's own.

    Returns
    -------
    y : ndarray of float32, shape (n_samples,)
        In [-1, 1]; see `decode` on channels and peaks.
    sr : int
        Sampling rate of `y` in Hz.

    Raises
    ------
    AudioError
        One of its subclasses; see `decode`. Of a missing file, also a FileNotFoundError.

    Warns
    -----
    AudioWarning
        Once per problem: truncation, silence, channels that cancel, ...

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/tone.flac", np.sin(np.arange(8000)), 8000)
    ...     y, sr = load(f"{folder}/tone.flac", sr=16000)
    >>> y.shape, y.dtype, sr
    ((16000,), dtype('float32'), 16000)
    """
    recording = decode(path, sr=sr)
    for text in recording.warnings:
        warnings.warn(f"{printable(path)}: {text}", AudioWarning, stacklevel=2)
    return recording.y, recording.sr


def decode(
    path: AnyPath, *, sr: int | None = 22050, strict: bool = False, max_bytes: int = 4 * 2**30
) -> Recording:
    """Decode a file into a mono signal, with properties of the file.

    The file is decoded, mixed to mono and resampled in blocks, so that only the result is held in
    memory.

    Channels are averaged. If they cancel each other (antiphase stereo), only the loudest is used. A
    signal that exceeds full scale is divided by its peak, not clipped: silently for the usual
    overshoot of lossy codecs and resampling, with a warning from a peak of 2.

    Parameters
    ----------
    path : str, bytes or path-like
        Any audio file; the content decides about its format, not the name.
    sr : int or None, default 22050
        Sampling rate in Hz to resample to (soxr, high quality); None keeps the file's own.
        n samples at rate r become n * sr / r, rounded half up.
    strict : bool, default False
        Raise an error for truncated or damaged files instead of a warning.
    max_bytes : int, default 4 GiB
        Limit on the size of `y`, checked against the header first and then while decoding.

    Returns
    -------
    recording : Recording
        The signal, declared and decoded lengths, and warnings.

    Raises
    ------
    UnreadableAudioError
        The file is a folder, a device, or not readable; a MissingAudioError, also a
        FileNotFoundError, if there is none.
    NotAudioError
        The file cannot be decoded, or needs the `ffmpeg` extra.
    InvalidSamplesError
        A sample is NaN, infinite or out of range.
    TooShortError
        Fewer than two samples, before or after resampling.
    TooLongError
        `y` would exceed `max_bytes`.
    TruncatedAudioError
        With `strict`: fewer samples than declared, a missing end, or damage.
    """
    take, said = _checked_take(path, sr=sr, strict=strict, max_bytes=max_bytes, keep=True)
    if take.peak > 1:
        np.divide(take.y, take.peak, out=take.y)
    return Recording(
        y=take.y,
        sr=take.sr,
        native_sr=take.source.sr,
        channels=take.source.channels,
        format=take.source.format,
        declared_frames=take.source.declared_frames,
        read_frames=take.tally.n_frames,
        warnings=said,
    )


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A file that can be read repeatedly in blocks, with the same samples as `decode`.

    Parameters
    ----------
    path : str, bytes or path-like
        The file.
    sr : int
        Sampling rate of the blocks in Hz.
    n_samples : int
        Total number of samples.
    channel : int or None
        The channel used; None for the mean of all.
    peak : float
        Largest sample before scaling.
    warnings : tuple of str
        One sentence per problem.
    """

    path: AnyPath
    sr: int
    n_samples: int
    channel: int | None
    peak: float
    warnings: tuple[str, ...]

    def __iter__(self) -> Iterator[Signal]:
        """Decode the file to mono float32 blocks in [-1, 1] of at most a few seconds."""
        scale = np.float32(max(self.peak, 1.0))
        name = printable(self.path)
        with opened(self.path) as file, source_of(file, name) as source:
            tally = _Tally(power=np.zeros(source.channels))
            mono = _mixed(source, tally, name, self.channel)
            for block in _resampled(mono, source.sr, self.sr):
                yield block / scale


def stream(path: AnyPath, *, sr: int | None = 22050, strict: bool = False) -> Stream:
    """Check a file by decoding it once, and return a stream of its samples.

    For recordings that do not fit into memory. Parameters, errors and samples are those of
    `decode`.
    """
    take, said = _checked_take(path, sr=sr, strict=strict, max_bytes=2**62, keep=False)
    return Stream(
        path=path,
        sr=take.sr,
        n_samples=take.n_samples,
        channel=take.channel,
        peak=take.peak,
        warnings=said,
    )


def declared_samples(path: AnyPath, *, sr: int | None = 22050) -> int | None:
    """Return the number of samples that `decode` will return, according to the header.

    Parameters
    ----------
    path : str, bytes or path-like
        Any audio file.
    sr : int or None, default 22050
        Sampling rate in Hz; None for the file's own.

    Returns
    -------
    n_samples : int or None
        None if not in the header. A damaged file has fewer.

    Raises
    ------
    UnreadableAudioError, NotAudioError
        As `decode`.
    """
    if sr is not None:
        check_rate(sr)
    name = printable(path)
    with opened(path) as file, source_of(file, name) as source:
        if source.declared_frames is None:
            return None
        rate = source.sr if sr is None else int(sr)
        return (2 * source.declared_frames * rate + source.sr) // (2 * source.sr)  # half up


def save(path: AnyPath, y: ArrayLike, sr: int) -> None:
    """Write a mono signal atomically.

    Parameters
    ----------
    path : str, bytes or path-like
        The extension determines the format: .wav and .flac (16-bit), .ogg (Vorbis), .opus or .mp3.
        An existing file is replaced.
    y : array_like of float, shape (n_samples,)
        Finite and in [-1, 1]; nothing is clipped.
    sr : int
        Sampling rate in Hz.

    Raises
    ------
    InvalidSamplesError
        When y is not finite, or exceeds full scale.
    ValueError
        When sr is not a positive whole number.
    AudioError
        When y is not one-dimensional, or the format is unknown or does not support the sampling
        rate.
    OSError
        When the file cannot be written.
    """
    target, name = Path(os.fsdecode(path)), printable(path)
    if target.suffix.lower() not in _SAVED_AS:
        msg = f"{name}: cannot save as {target.suffix!r}; use one of {', '.join(_SAVED_AS)}"
        raise AudioError(msg)
    container, codec = _SAVED_AS[target.suffix.lower()]
    samples = np.asarray(y, dtype=np.float32)
    if samples.ndim != 1:
        msg = f"{name}: y must have shape (n_samples,), got {samples.shape}; average its channels"
        raise AudioError(msg)
    peak = float(np.abs(samples).max(initial=0))
    if not peak <= 1:
        advice = "; divide by it" if np.isfinite(peak) else ""
        msg = f"{name}: y must be finite and in [-1, 1], but its peak is {peak:g}{advice}"
        raise InvalidSamplesError(msg)
    check_rate(sr)
    encoded = BytesIO()
    try:
        with soundfile.SoundFile(encoded, "w", int(sr), 1, codec, format=container) as sound:
            sound.write(samples)
    except soundfile.LibsndfileError as error:
        msg = (
            f"{name}: {container} {codec} at {sr} Hz cannot be written: {error.error_string} "
            "Try another sr, or .wav"
        )
        raise AudioError(msg) from error
    atomic_write(target, encoded.getvalue())


@dataclass(kw_only=True)
class _Tally:
    """Statistics accumulated over blocks."""

    power: NDArray[np.float64]  # (channels,) sums of squares
    mixed: float = 0.0  # sum of squares of the mix
    n_frames: int = 0

    @property
    def cancelled(self) -> bool:
        return self.mixed < _CANCELLED * float(self.power.sum()) / self.power.size**2


@dataclass(frozen=True, kw_only=True, eq=False)
class _Take:
    """One pass over a file; `y` is empty where samples were only counted."""

    source: Source
    tally: _Tally
    channel: int | None
    y: Signal
    sr: int
    n_samples: int
    peak: float


def _checked_take(
    path: AnyPath, *, sr: int | None, strict: bool, max_bytes: int, keep: bool
) -> tuple[_Take, tuple[str, ...]]:
    """Decode a file, again if its channels cancel each other; return it with warnings."""
    if sr is not None:
        check_rate(sr)
    name = printable(path)
    said: list[str] = []
    with opened(path) as file:
        take = _take(file, name, sr=sr, channel=None, max_bytes=max_bytes, keep=keep)
        if take.tally.cancelled:
            loudest = int(np.argmax(take.tally.power))
            said.append(
                f"the {take.source.channels} channels cancel each other when mixed; "
                f"channel {loudest + 1}, the loudest, is used alone"
            )
            take = _take(file, name, sr=sr, channel=loudest, max_bytes=max_bytes, keep=keep)
    faults = [*_shortage(take.source, take.tally.n_frames), *take.source.faults]
    _check_amount(take, name, faults, strict=strict)
    return take, (*faults, *said, *_level(take.peak), *take.source.notes)


def _take(
    file: FileIO, name: str, *, sr: int | None, channel: int | None, max_bytes: int, keep: bool
) -> _Take:
    """Decode all of the file: the mix, or one channel."""
    with source_of(file, name) as source:
        rate = source.sr if sr is None else int(sr)
        _check_header(source, name, rate, max_bytes)
        tally = _Tally(power=np.zeros(source.channels))
        samples = bytearray()  # grows in place: joining blocks at the end would need both
        n_samples, peak = 0, 0.0
        for block in _resampled(_mixed(source, tally, name, channel), source.sr, rate):
            n_samples += block.size
            peak = max(peak, float(np.abs(block).max(initial=0)))
            if keep:
                samples += block.data
            if 4 * n_samples > max_bytes:
                limit = rounded(_hours(rate, max_bytes), 4)
                msg = f"{name}: it does not end, {_limited(limit, rate, max_bytes)}"
                raise TooLongError(msg)
    return _Take(
        source=source,
        tally=tally,
        channel=channel,
        y=np.frombuffer(samples, np.float32),
        sr=rate,
        n_samples=n_samples,
        peak=peak,
    )


def _check_header(source: Source, name: str, sr: int, max_bytes: int) -> None:
    low, high = _RATES
    if not low <= source.sr <= high:
        msg = (
            f"{name}: a sampling rate of {low} to {high} Hz is needed, but its header says "
            f"{source.sr} Hz; correct the header or export it again"
        )
        raise NotAudioError(msg)
    declared = source.declared_frames or 0
    if declared * sr / source.sr * 4 > max_bytes:
        hours, limit = told_apart(declared / source.sr / 3600, _hours(sr, max_bytes), digits=4)
        msg = f"{name}: its header declares {hours} h, {_limited(limit, sr, max_bytes)}"
        raise TooLongError(msg)


def _hours(sr: int, max_bytes: int) -> float:
    return max_bytes / 4 / sr / 3600


def _limited(hours: str, sr: int, max_bytes: int) -> str:
    return (
        f"but at {sr} Hz the limit is {hours} h "
        f"({max_bytes / 2**20:.4g} MiB); cut it, lower sr, or raise max_bytes"
    )


def _mixed(source: Source, tally: _Tally, name: str, channel: int | None) -> Iterator[Signal]:
    """Check, count and mix each block."""
    for block in source.blocks:
        small = np.abs(block) < _LARGEST
        if not small.all():
            row, column = np.argwhere(~small)[0]
            position = tally.n_frames + int(row)
            msg = (
                f"{name}: samples must be finite and small, but sample {position} "
                f"({position / source.sr:.3f} s) of channel {column + 1} is {block[row, column]}; "
                "repair the file or export it again"
            )
            raise InvalidSamplesError(msg)
        # Elementwise sums of columns, so that rounding does not depend on BLAS and its threads.
        mono = reduce(np.add, block.T) / np.float32(source.channels)
        tally.n_frames += len(block)
        tally.power += [np.dot(column, column) for column in block.T]
        tally.mixed += float(np.dot(mono, mono))
        yield mono if channel is None else block[:, channel].copy()


def _resampled(blocks: Iterator[Signal], native_sr: int, sr: int) -> Iterator[Signal]:
    if native_sr == sr:
        yield from blocks
        return
    stream = soxr.ResampleStream(native_sr, sr, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _shortage(source: Source, n_frames: int) -> Iterator[str]:
    """Yield a warning if fewer samples were decoded than declared."""
    declared = source.declared_frames
    if declared is not None and n_frames < declared - source.slack * source.sr:
        yield (
            f"cut off or damaged: {n_frames} of {declared} declared samples could be decoded "
            f"({n_frames / source.sr:.2f} of {declared / source.sr:.2f} s)"
        )


def _check_amount(take: _Take, name: str, faults: list[str], *, strict: bool) -> None:
    n_frames = take.tally.n_frames
    missing = "; ".join(faults)
    if faults and not n_frames:
        msg = f"{name}: audio is needed, but nothing could be decoded: {missing}"
        raise NotAudioError(msg)
    if min(n_frames, take.n_samples) < 2:
        resampled = f", which makes {take.n_samples} at {take.sr} Hz"
        msg = (
            f"{name}: at least 2 samples are needed, got {n_frames} at {take.source.sr} Hz"
            f"{resampled if take.sr != take.source.sr else ''}; leave the file out or record it "
            "again"
        )
        raise TooShortError(msg)
    if faults and strict:
        msg = f"{name}: a whole file is needed, but {missing}; get another copy, or allow it"
        raise TruncatedAudioError(msg)


def _level(peak: float) -> Iterator[str]:
    """Yield warnings about the level."""
    if peak == 0:
        yield "silent: every sample is 0"
    if peak > _LOUD:
        yield f"samples reach {peak:.4g} times full scale; the signal was divided by this"

"""Broken and unusual files found in music collections, each with its expected outcome."""

import functools
import io
import os
import struct
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

SR = 22050
OK = "ok"
UNREADABLE = "UnreadableAudioError"
MISSING = "MissingAudioError"
NOT_AUDIO = "NotAudioError"
INVALID = "InvalidSamplesError"
TOO_SHORT = "TooShortError"
TOO_LONG = "TooLongError"


@dataclass(frozen=True)
class Hostile:
    """One hostile input.

    `outcome` is "ok" where the file must be segmented, else the name of the error that
    decoding it must raise.
    """

    name: str
    path: Path
    outcome: str


@dataclass(frozen=True)
class Case:
    """Create the file: `build` takes the path."""

    name: str
    filename: str | bytes
    build: Callable[[Path], None]
    outcome: str


def make(folder):
    """Write all of them into `folder` (about 9 MB, a second or two)."""
    made = []
    for case in CASES:
        path = folder / os.fsdecode(case.filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        case.build(path)
        readable_after_all = case.name == "no permission" and os.access(path, os.R_OK)  # root
        made.append(Hostile(case.name, path, OK if readable_after_all else case.outcome))
    return made


# Signals.


@functools.cache
def music(seconds=2.0, sr=SR):
    """Two successive chords with different tremolo, shape (n_samples,)."""
    t = np.arange(int(seconds * sr)) / sr
    first = sum(np.sin(2 * np.pi * f * t) for f in (110, 165, 220)) * (1 + np.sin(8 * np.pi * t))
    second = sum(np.sin(2 * np.pi * f * t) for f in (147, 185, 294)) * (1 + np.sin(14 * np.pi * t))
    return np.where(t < seconds / 2, first, second) / 8


def noise(seconds=2.0, sr=SR):
    return np.random.default_rng(seed=7).normal(scale=0.1, size=int(seconds * sr))


def clicks(times, seconds=2.0, sr=SR):
    y = np.zeros(int(seconds * sr))
    y[[int(t * sr) for t in times]] = 0.9
    return y


def spoiled(value, position):
    y = music().copy()
    y[position] = value
    return y


# Bytes.


def sound(y, sr=SR, container="WAV", codec="PCM_16", **options):
    """Encode a signal (n_samples,) or (n_samples, channels)."""
    file = io.BytesIO()
    soundfile.write(file, y, sr, format=container, subtype=codec, **options)
    return file.getvalue()


def poked(data, offset, fmt, value):
    """Overwrite one field of a header."""
    changed = bytearray(data)
    struct.pack_into(fmt, changed, offset, value)
    return bytes(changed)


def wav(y=None, sr=SR, codec="PCM_16"):
    return sound(music() if y is None else y, sr, codec=codec)


def flac():
    return sound(music(), container="FLAC")


@functools.cache
def mp3(mode="CONSTANT", seconds=2.0):
    stereo = np.column_stack([music(seconds, 44100), noise(seconds, 44100)])
    return sound(stereo, 44100, "MP3", "MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.5)


def headless_mp3(seconds=6.0):
    """Variable bit rate from quiet to dense, without the frame that states the length."""
    y = np.concatenate([1e-3 * music(seconds / 3, 44100), noise(seconds * 2 / 3, 44100)])
    data = sound(y, 44100, "MP3", "MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.3)
    return data[data.index(b"\xff\xfb", 4) :]


def flac_declaring(n_frames):
    """A FLAC whose header claims `n_frames` samples per channel (36 bits)."""
    data = flac()
    (fields,) = struct.unpack_from(">Q", data, 18)
    return poked(data, 18, ">Q", fields >> 36 << 36 | n_frames)


def cut(data, share=0.6):
    return data[: int(len(data) * share)]


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("song.ogg", bytes(1000))
    return file.getvalue()


def random_bytes():
    return np.random.default_rng(seed=11).bytes(20_000)


# Ways to create the file of a case.


def _file(content, *args, **options):
    return lambda path: path.write_bytes(content(*args, **options))


def _wav_of(signal, *args, sr=SR, codec="PCM_16", **options):
    return lambda path: path.write_bytes(wav(signal(*args, **options), sr, codec))


def _bytes(data):
    return lambda path: path.write_bytes(data)


def _sealed(path):
    path.write_bytes(wav())
    path.chmod(0)


def _at_rate(sr, seconds=2.0):
    return lambda path: path.write_bytes(wav(music(seconds, sr), sr))


def _encoded(container, codec, sr=SR):
    return lambda path: path.write_bytes(sound(music(2.0, sr), sr, container, codec))


def _columns(*columns):
    return lambda path: path.write_bytes(wav(np.column_stack([column() for column in columns])))


_is_song = _file(wav)
_HTML = b"<!DOCTYPE html><html><head><title>404</title></head><body>Not found</body></html>\n" * 20
_DATA_SIZE, _RATE, _CHANNELS = 40, 24, 22  # offsets in the header of a plain WAV

BROKEN = [
    Case("empty", "empty.wav", _bytes(b""), NOT_AUDIO),
    Case("text", "text.wav", _bytes(b"Dear diary, today I sang.\n" * 40), NOT_AUDIO),
    Case(
        "UTF-16 text", "text16.mp3", _bytes("\ufeffAllegro. ".encode("utf-16-le") * 99), NOT_AUDIO
    ),
    Case("text named .au", "text.au", _bytes(b"headerless formats\n" * 40), NOT_AUDIO),
    Case("HTML", "download.mp3", _bytes(_HTML), NOT_AUDIO),
    Case("ZIP", "archive.ogg", _file(zipped), NOT_AUDIO),
    Case("zero bytes", "zeros.wav", _bytes(bytes(5000)), NOT_AUDIO),
    *(
        Case(f"random .{end}", f"random.{end}", _file(random_bytes), NOT_AUDIO)
        for end in ("mp3", "flac", "ogg", "wav")
    ),
    Case("magic alone", "magic.flac", _bytes(b"fLaC"), NOT_AUDIO),
    Case("ID3 tag alone", "tag.mp3", _bytes(b"ID3\x03\0\0\0\0\x01\0" + bytes(128)), NOT_AUDIO),
    Case("rate 0", "rate0.wav", lambda p: p.write_bytes(poked(wav(), _RATE, "<I", 0)), NOT_AUDIO),
    Case("rate 1", "rate1.wav", lambda p: p.write_bytes(poked(wav(), _RATE, "<I", 1)), NOT_AUDIO),
    Case(
        "rate 2**31 - 1",
        "rate31.wav",
        lambda p: p.write_bytes(poked(wav(), _RATE, "<I", 2**31 - 1)),
        NOT_AUDIO,
    ),
    Case(
        "0 channels",
        "channels0.wav",
        lambda p: p.write_bytes(poked(wav(), _CHANNELS, "<H", 0)),
        NOT_AUDIO,
    ),
    Case("cut WAV", "cut.wav", lambda p: p.write_bytes(cut(wav())), OK),
    Case("cut FLAC", "cut.flac", lambda p: p.write_bytes(cut(flac())), OK),
    Case("cut MP3", "cut.mp3", lambda p: p.write_bytes(cut(mp3())), OK),
    Case(
        "cut Ogg",
        "cut.ogg",
        lambda p: p.write_bytes(cut(sound(music(6.0, 44100), 44100, "OGG", "VORBIS"), 0.9)),
        OK,
    ),
    Case("MP3 without a length", "headless.mp3", _file(headless_mp3), OK),
    Case("two MP3 joined", "joined.mp3", lambda p: p.write_bytes(mp3() + mp3()), OK),
    Case("MP3 with a hole", "hole.mp3", lambda p: p.write_bytes(_with_hole(mp3())), OK),
    Case(
        "WAV declaring 1 GB",
        "giant.wav",
        lambda p: p.write_bytes(poked(wav(), _DATA_SIZE, "<I", 10**9)),
        OK,
    ),
    Case(
        "streamed WAV",
        "streamed.wav",
        lambda p: p.write_bytes(poked(wav(), _DATA_SIZE, "<I", 0xFFFF_FFFF)),
        OK,
    ),
    Case("FLAC declaring 1.6 GB", "gigabyte.flac", _file(flac_declaring, 4 * 10**8), OK),
    Case("FLAC declaring 36 days", "giant.flac", _file(flac_declaring, 2**36 - 1), TOO_LONG),
    Case("FLAC of unknown length", "streamed.flac", _file(flac_declaring, 0), OK),
]


def _with_hole(data):
    middle = len(data) // 2
    return data[:middle] + bytes(700) + data[middle + 700 :]


EXTREMES = [
    Case("0 samples", "samples0.wav", _wav_of(np.zeros, 0), TOO_SHORT),
    Case("1 sample", "samples1.wav", _wav_of(np.full, 1, 0.5), TOO_SHORT),
    Case("2 samples", "samples2.wav", _wav_of(np.full, 2, 0.5), OK),
    Case("2 samples at 768 kHz", "samples2_768k.wav", _wav_of(np.ones, 2, sr=768_000), TOO_SHORT),
    Case("10 ms", "10ms.wav", _wav_of(music, 0.01), OK),
    Case("100 ms", "100ms.wav", _wav_of(music, 0.1), OK),
    Case("1 s", "1s.wav", _wav_of(music, 1.0), OK),
    Case("silence", "silence.wav", _wav_of(np.zeros, 2 * SR), OK),
    Case("last bit", "lastbit.wav", lambda p: p.write_bytes(wav(noise() * 3e-4)), OK),
    Case("1e-30", "quiet.wav", lambda p: p.write_bytes(wav(music() * 1e-30, codec="FLOAT")), OK),
    Case(
        "denormal", "denormal.wav", lambda p: p.write_bytes(wav(music() * 1e-41, codec="FLOAT")), OK
    ),
    Case("DC", "dc.wav", _wav_of(np.full, 2 * SR, 0.5), OK),
    Case("DC and noise", "dcnoise.wav", lambda p: p.write_bytes(wav(0.5 + noise())), OK),
    Case("one click", "click.wav", _wav_of(clicks, [1.0]), OK),
    Case("click train", "clicks.wav", _wav_of(clicks, np.arange(0, 2, 0.05)), OK),
    Case("white noise", "noise.wav", _wav_of(noise), OK),
    Case("tone", "tone.wav", lambda p: p.write_bytes(wav(np.sin(np.arange(2 * SR) / 8) / 2)), OK),
    Case("Nyquist", "nyquist.wav", lambda p: p.write_bytes(wav((-1.0) ** np.arange(2 * SR))), OK),
    Case("square", "square.wav", lambda p: p.write_bytes(wav(np.sign(music() + 1e-9))), OK),
    Case("peak 10", "peak10.wav", lambda p: p.write_bytes(wav(25 * music(), codec="FLOAT")), OK),
    Case("NaN", "nan.wav", _wav_of(spoiled, np.nan, SR, codec="FLOAT"), INVALID),
    Case("NaN at the end", "nanend.wav", _wav_of(spoiled, np.nan, -1, codec="FLOAT"), INVALID),
    Case("infinite", "inf.wav", _wav_of(spoiled, np.inf, SR, codec="FLOAT"), INVALID),
    Case("minus infinite", "minusinf.wav", _wav_of(spoiled, -np.inf, SR, codec="DOUBLE"), INVALID),
    Case("3e38", "large.wav", _wav_of(spoiled, 3e38, SR, codec="FLOAT"), INVALID),
    Case("1e300", "enormous.wav", _wav_of(spoiled, 1e300, SR, codec="DOUBLE"), INVALID),
    Case("antiphase", "antiphase.wav", _columns(music, lambda: -music()), OK),
    Case("one channel silent", "left.wav", _columns(music, lambda: 0 * music()), OK),
    Case("33 channels", "channels33.wav", _columns(*[music] * 33), OK),
    Case("1 kHz", "1k.wav", _at_rate(1000), OK),
    Case("8 kHz", "8k.wav", _at_rate(8000), OK),
    Case("11.025 kHz", "11k.wav", _at_rate(11025), OK),
    Case("96 kHz", "96k.wav", _at_rate(96_000, 1.0), OK),
    Case("192 kHz", "192k.wav", _at_rate(192_000, 0.5), OK),
    Case("768 kHz", "768k.wav", _at_rate(768_000, 0.5), OK),
]

FORMATS = [
    Case("8 bits", "8bit.wav", _encoded("WAV", "PCM_U8"), OK),
    Case("24 bits", "24bit.wav", _encoded("WAV", "PCM_24"), OK),
    Case("64-bit floats", "double.wav", _encoded("WAV", "DOUBLE"), OK),
    Case("A-law", "alaw.wav", _encoded("WAV", "ALAW"), OK),
    Case("mu-law", "ulaw.au", _encoded("AU", "ULAW"), OK),
    Case("ADPCM", "adpcm.wav", _encoded("WAV", "IMA_ADPCM"), OK),
    Case("AIFF", "apple.aiff", _encoded("AIFF", "PCM_16"), OK),
    Case("AU", "sun.au", _encoded("AU", "PCM_16"), OK),
    Case("CAF", "core.caf", _encoded("CAF", "ALAC_16"), OK),
    Case("W64", "sony.w64", _encoded("W64", "PCM_16"), OK),
    Case("RF64", "long.rf64", _encoded("RF64", "PCM_16"), OK),
    Case("Opus", "song.opus", _encoded("OGG", "OPUS", 48000), OK),
    Case("Vorbis", "song.ogg", _encoded("OGG", "VORBIS"), OK),
    Case("MP3", "song.mp3", _file(mp3, "VARIABLE"), OK),
    Case("FLAC named .mp3", "wrong.mp3", _file(flac), OK),
    Case("FLAC named .wav", "wrong.wav", _file(flac), OK),
    Case("MP3 named .wav", "mp3.wav", _file(mp3), OK),
    Case("WAV named .flac", "wav.flac", _is_song, OK),
]

NAMES = [
    Case("spaces", "  two  spaces .wav", _is_song, OK),
    Case("quotes", 'it\'s "quoted" `twice`\\.wav', _is_song, OK),
    Case("NFC", unicodedata.normalize("NFC", "Señor café.wav"), _is_song, OK),
    Case("NFD", unicodedata.normalize("NFD", "Señor café.wav"), _is_song, OK),
    Case("emoji", "\U0001f3bb \U0001f469\u200d\U0001f3a4.wav", _is_song, OK),
    Case("right to left", "\u202e\u05e9\u05dc\u05d5\u05dd.wav", _is_song, OK),
    Case("newline", "two\nlines.wav", _is_song, OK),
    Case("leading dash", "-rf.wav", _is_song, OK),
    Case("percent", "100%25 %s %n.wav", _is_song, OK),
    Case("glob", "[a-z]*?.wav", _is_song, OK),
    Case("comma and semicolon", "a,b;c\td.wav", _is_song, OK),
    Case("formula", "=1+1.wav", _is_song, OK),
    Case("image tag", "<img src=x onerror=alert(1)>.wav", _is_song, OK),
    Case("script tag", "</script><script>alert(1)<.wav", _is_song, OK),  # a folder named "<"
    Case("200 characters", "n" * 200 + ".wav", _is_song, OK),
    Case("dots", "..a...b..wav", _is_song, OK),
    Case("reserved", "CON.wav", _is_song, OK),
    Case("same stem, WAV", "twin.wav", _is_song, OK),
    Case("same stem, FLAC", "twin.flac", _file(flac), OK),
    Case("upper case", "SHOUT.WAV", _is_song, OK),
]
if sys.platform == "linux":  # elsewhere names must be Unicode
    NAMES.append(Case("not UTF-8", b"caf\xe9 \xff\xfe.wav", _is_song, OK))

PLACES = [
    Case("no permission", "sealed.wav", _sealed, UNREADABLE),
    Case("a folder", "folder.wav", Path.mkdir, UNREADABLE),
    Case("dangling link", "dangling.wav", lambda p: p.symlink_to("nowhere.wav"), MISSING),
    Case("link to itself", "loop.wav", lambda p: p.symlink_to(p.name), UNREADABLE),
    Case("link to a file", "link.wav", lambda p: p.symlink_to("1s.wav"), OK),
]

CASES = BROKEN + EXTREMES + FORMATS + NAMES + PLACES

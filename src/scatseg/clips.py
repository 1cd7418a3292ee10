"""Sound files -> one vector each, with caching."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scatseg import __version__, audio, naming
from scatseg.extractors import Stack, built, extracted
from scatseg.features import Extractor, FeatureName, JointScattering, Scattering
from scatseg.labelled import Clip
from scatseg.rates import limited_rate
from scatseg.runs import Failure
from scatseg.threads import one_thread
from scatseg.transformers import ALL_FRAMES, FeatureTransformer
from scatseg.workers import map_pure
from scatseg.writing import atomic_write

# Defaults of names. Coefficients are uncompressed, as medians are learned from the training set.
# J=12 reaches modulations down to 1.9 Hz at 22050 Hz.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "scattering": {"J": 12, "compression": None, "renormalize": False},
    "jtfs": {"J": 12, "compression": None, "renormalize": False},
}


# Limits, so that a model file cannot exhaust the memory.
_MOST_SECONDS = 3600
_MOST_FRAMED = 2**22
"""Length in samples of sounds of which all frames are kept: 190 s at 22050 Hz."""

_FRAME_SAMPLES = 2048
"""Minimum length in samples of a frame of features other than scattering."""

_SAVE_EVERY = 60.0
"""Seconds after which new vectors are saved to the cache: a killed process loses no more."""

_WORTH_PROCESSES = 10.0
"""Seconds of work that processes share; for less, their start takes longer than they save."""


class ClipStoreError(ValueError):
    """Stored vectors that cannot be read."""


class Columns(NamedTuple):
    """The columns of vectors.

    Parameters
    ----------
    titles : tuple of str
        Titles, as in "std scattering S2 440 Hz rate 5.38 Hz".
    names : tuple of FeatureName
        Names in physical units.
    uncompressed : ndarray of bool, shape (n_columns,)
        Mask of scattering coefficients without a logarithm.
    n_frames : int, default 1
        Number of adjacent columns that are the frames of one feature, with equal names.
    """

    titles: tuple[str, ...]
    names: tuple[FeatureName, ...]
    uncompressed: NDArray[np.bool_]
    n_frames: int = 1


@dataclass(frozen=True, kw_only=True)
class ClipFeatures:
    """Feature settings of clips: length, peak normalization, features, aggregation.

    Parameters
    ----------
    features : str, default "scattering"
        Feature names, as in `scatseg.extractor`. The defaults of `scattering` and `jtfs` are J=12
        without compression and renormalization.
    sr : int, default 22050
        Sampling rate in Hz.
    seconds : float, optional
        Cut or pad to this length; by default, the full length is used.
    least_seconds : float, default 1.0
        Shorter sounds are padded with silence, as padding by reflection would turn a decay into a
        steady sound.
    aggregate : str, default "mean"
        See `FeatureTransformer`. "none" needs `seconds`.

    Raises
    ------
    ValueError
        When a name or an option is unknown, a length is less than a sample or over an hour, or the
        sampling rate not a positive whole number or over 1 MHz; when all frames are kept without a
        length, or of more than 4,194,304 samples.
    """

    features: str = "scattering"
    sr: int = 22050
    seconds: float | None = None
    least_seconds: float = 1.0
    aggregate: str = "mean"

    def __post_init__(self) -> None:
        lengths = [self.least_seconds, *([] if self.seconds is None else [self.seconds])]
        if not all(0 < length <= _MOST_SECONDS for length in lengths):
            msg = (
                f"lengths must be positive and at most {_MOST_SECONDS} s, got {self.seconds} and "
                f"{self.least_seconds} s"
            )
            raise ValueError(msg)
        object.__setattr__(self, "sr", limited_rate(self.sr))
        if self.seconds is not None and not round(self.seconds * self.sr):
            msg = f"sounds need at least one sample, got {self.seconds:g} s at {self.sr} Hz"
            raise ValueError(msg)
        if self.aggregate == ALL_FRAMES:
            self._check_framed()
        self.transformer()

    def _check_framed(self) -> None:
        if self.seconds is None:
            msg = (
                f"aggregate {ALL_FRAMES} keeps all frames of sounds of one length: give seconds "
                "(--seconds)"
            )
            raise ValueError(msg)
        if round(self.seconds * self.sr) > _MOST_FRAMED:
            most = _MOST_FRAMED / self.sr
            msg = f"aggregate {ALL_FRAMES} is for at most {most:.3g} s, got {self.seconds:g} s"
            raise ValueError(msg)

    def transformer(self) -> FeatureTransformer:
        """Create the transformer from signals to vectors."""
        made = FeatureTransformer(_extractor(self.features), sr=self.sr, aggregate=self.aggregate)
        n_samples = self.sr
        if self.aggregate == ALL_FRAMES and self.seconds is not None:
            n_samples = round(self.seconds * self.sr)
        return made.fit([np.zeros(n_samples, dtype=np.float32)])

    @property
    def averaging_seconds(self) -> float:
        """Averaging time of the features in seconds; they resolve shorter sounds poorly."""
        scales = [
            part.T or 2**part.J
            if isinstance(part, Scattering | JointScattering)
            else _FRAME_SAMPLES
            for part in self._parts()
        ]
        return max(scales) / self.sr

    def columns(self) -> Columns:
        """Return the columns of vectors."""
        made = self.transformer()
        titles = tuple(str(title) for title in made.get_feature_names_out())
        n_each = len(titles) // len(made.feature_names_)
        raw = np.concatenate([self._uncompressed(part) for part in self._parts()])
        if self.aggregate == ALL_FRAMES:
            names = tuple(name for name in made.feature_names_ for _ in range(n_each))
            uncompressed = np.repeat(raw, n_each)
        else:
            names = made.feature_names_ * n_each
            uncompressed = np.tile(raw, n_each)
        return Columns(titles, names, uncompressed, made.n_frames_)

    def _parts(self) -> tuple[Extractor, ...]:
        extract = _extractor(self.features)
        return extract.parts if isinstance(extract, Stack) else (extract,)

    def _uncompressed(self, part: Extractor) -> NDArray[np.bool_]:
        """Return which features of an extractor are scattering coefficients without a logarithm."""
        n_features = len(extracted(part, np.zeros(self.sr, dtype=np.float32), self.sr).names)
        raw = isinstance(part, Scattering | JointScattering) and part.compression is None
        return np.full(n_features, raw)

    def fingerprint(self) -> str:
        """Return a hash of the options, of custom code, and of the names of the columns."""
        extract = _extractor(self.features)
        options = {**asdict(self), "features": naming.placeless(extract)}
        if own := naming.code_of(extract, self.features):
            options["code"] = own
        text = json.dumps([options, self.columns().titles], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def prepared(self, y: NDArray[np.floating]) -> NDArray[np.float32]:
        """Cut or pad a signal, and scale it to a peak of 1.

        Raises
        ------
        ValueError
            When it is silent.
        """
        if self.seconds is None:
            n_samples = max(len(y), round(self.least_seconds * self.sr))
        else:
            n_samples = round(self.seconds * self.sr)
        cut = np.asarray(y[:n_samples], dtype=np.float32)
        peak = float(np.abs(cut).max())
        if peak <= audio.SILENT_PEAK:
            msg = "silent: there is nothing to describe; leave the file out"
            raise ValueError(msg)
        return np.pad(cut / np.float32(peak), (0, n_samples - len(cut)))


def _extractor(text: str) -> Extractor:
    parts = tuple(
        built(name, {**_DEFAULTS.get(name, {}), **options})
        for name, options in naming.parse_names(text)
    )
    return parts[0] if len(parts) == 1 else Stack(parts=parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class DescribedClips:
    """Vectors of sounds.

    Parameters
    ----------
    clips : tuple of Clip
        Clips with a vector.
    X : ndarray of float, shape (n_clips, n_columns)
        Their vectors.
    seconds : ndarray of float, shape (n_clips,)
        Durations before cutting and padding.
    hashes : tuple of str
        SHA-256 of their files.
    columns : Columns
        Columns of X.
    failures : tuple of Failure
        Clips that failed.
    """

    clips: tuple[Clip, ...]
    X: NDArray[np.float64]
    seconds: NDArray[np.float64]
    hashes: tuple[str, ...]
    columns: Columns
    failures: tuple[Failure, ...] = ()

    def of(self, clips: Sequence[Clip]) -> DescribedClips:
        """Select clips, in the order given."""
        number = {clip.id: i for i, clip in enumerate(self.clips)}
        rows = [number[clip.id] for clip in clips]
        return replace(
            self,
            clips=tuple(clips),
            X=self.X[rows],
            seconds=self.seconds[rows],
            hashes=tuple(self.hashes[row] for row in rows),
        )


def describe_clips(
    clips: Sequence[Clip],
    features: ClipFeatures,
    *,
    store: Path | None = None,
    n_jobs: int = 1,
    on_clip: Callable[[str], object] | None = None,
) -> DescribedClips:
    """Compute the vectors of sound files.

    Parameters
    ----------
    clips : sequence of Clip
        Files.
    features : ClipFeatures
        Feature settings.
    store : Path, optional
        A cache folder, created if missing. Vectors are stored by file content, options, version of
        this package and custom code.
    n_jobs : int, default 1
        Maximum number of processes, -1 for all cores; the first files, and few short ones, are read
        in this one.
    on_clip : callable, optional
        Called with the id of every finished file.

    Returns
    -------
    described : DescribedClips
        Files that cannot be read, or are silent, are failures.

    Raises
    ------
    ClipStoreError
        When the store cannot be read.
    """
    file = None if store is None else store / f"{_made_by(features)}.npz"
    kept = {} if file is None else _read_store(file)
    columns = features.columns()
    # The cache is read here, as starting processes takes longer than reading a few files.
    stored = [_stored(clip.path, kept) for clip in clips]
    new = [clip.path for clip, found in zip(clips, stored, strict=True) if found is None]
    work = functools.partial(_describe, features=features, transformer=features.transformer())
    made = _each(work, new, n_jobs=n_jobs)
    done: dict[str, tuple[NDArray[np.float64], float]] = {}
    described, failures = [], []
    saved = time.monotonic()
    try:
        for clip, found in zip(clips, stored, strict=True):
            key, vector, seconds, reason = next(made) if found is None else found
            if vector is None:
                failures.append(Failure(clip.id, "features", reason))
            else:
                described.append((clip, vector, seconds, key))
                done[key] = (vector, seconds)
            if file is not None and time.monotonic() - saved > _SAVE_EVERY:
                _save(file, done)
                saved = time.monotonic()
            if on_clip is not None:
                on_clip(clip.id)
    finally:  # also of an interrupt
        if file is not None and not done.keys() <= kept.keys():
            _save(file, done)
    return DescribedClips(
        clips=tuple(clip for clip, *_ in described),
        X=np.array([vector for _, vector, *_ in described]).reshape(-1, len(columns.names)),
        seconds=np.array([seconds for *_, seconds, _ in described]),
        hashes=tuple(key for *_, key in described),
        columns=columns,
        failures=tuple(failures),
    )


class _Described(NamedTuple):
    key: str
    vector: NDArray[np.float64] | None = None
    seconds: float = 0.0
    reason: str = ""


def _each(
    work: Callable[[Path], _Described], paths: Sequence[Path], *, n_jobs: int
) -> Iterator[_Described]:
    """Describe files, in processes from where the rest is expected to be worth their start."""
    started = time.perf_counter()
    for n_done, path in enumerate(paths):
        left = paths[n_done:]
        if n_done and (time.perf_counter() - started) / n_done * len(left) > _WORTH_PROCESSES:
            yield from map_pure(work, left, n_jobs=n_jobs)
            return
        yield work(path)


def _made_by(features: ClipFeatures) -> str:
    """Return a hash of everything that determines a vector except the sound, including code."""
    facts = [features.fingerprint(), __version__]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _stored(path: Path, kept: Mapping[str, tuple[NDArray[np.float64], float]]) -> _Described | None:
    """Look up the vector of a file in the cache."""
    if not kept:
        return None
    try:
        key = audio.file_hash(path)
    except audio.AudioError:
        return None  # the error is reported when features are computed
    return _Described(key, *kept[key]) if key in kept else None


def _describe(path: Path, *, features: ClipFeatures, transformer: FeatureTransformer) -> _Described:
    """Compute the vector of one file; errors are returned."""
    try:
        key = audio.file_hash(path)
        recording = audio.decode(path, sr=features.sr)
        signal = features.prepared(recording.y)
        with one_thread():  # vectors do not depend on the number of threads, nor of processes
            vector = transformer.transform([signal])[0].astype(np.float64)
    except (Exception, SystemExit) as error:  # custom code may raise anything
        return _Described("", reason=f"{type(error).__name__}: {error}")
    return _Described(key, vector, recording.duration)


def _read_store(file: Path) -> dict[str, tuple[NDArray[np.float64], float]]:
    if not file.exists():
        return {}
    try:
        with np.load(file, allow_pickle=False) as arrays:
            keys, X, seconds = (arrays[name] for name in ("keys", "X", "seconds"))
        return {
            str(key): (row, float(length))
            for key, row, length in zip(keys, X, seconds, strict=True)
        }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        msg = f"{file}: stored vectors cannot be read ({error}); delete the file, it is made again"
        raise ClipStoreError(msg) from error


def _save(file: Path, vectors: Mapping[str, tuple[NDArray[np.float64], float]]) -> None:
    """Add vectors to a store, which another process may have changed since it was read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, _store_bytes({**_read_store(file), **vectors}))


def _store_bytes(vectors: Mapping[str, tuple[NDArray[np.float64], float]]) -> bytes:
    keys = sorted(vectors)
    data = io.BytesIO()
    np.savez(
        data,
        keys=np.array(keys),
        X=np.array([vectors[key][0] for key in keys]),
        seconds=np.array([vectors[key][1] for key in keys]),
    )
    return data.getvalue()

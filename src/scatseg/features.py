"""Features (vectors and their frame edges), and the scattering extractors."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.compression import Compression, check_compression, compressed
from scatseg.counts import counted, told_apart
from scatseg.feature_names import FeatureName, numbered, path_names
from scatseg.scattering.arguments import check_mono, check_positive, hold_pair
from scatseg.scattering.costs import Cost
from scatseg.scattering.joint import TimeFrequencyScattering
from scatseg.scattering.plan import Accuracy
from scatseg.scattering.time import Scattering1D
from scatseg.scattering.units import physical_meta
from scatseg.segmentation import ROUNDING

__all__ = [
    "Extractor",
    "FeatureName",
    "Features",
    "JointScattering",
    "Scattering",
    "averaging_grid",
    "check_features",
    "frame_edges",
    "uniform_edges",
]


@dataclass(frozen=True, eq=False, repr=False)
class Features:
    """One vector per frame, with the frame edges in seconds.

    Boundary `b` is at `edges[b]`, for uniform frames, beats and bars alike. The arrays are
    read-only: those given are copied, unless they cannot change.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One row per frame, finite. float32 and float64 are kept; float16 becomes float32, all else
        float64.
    edges : ndarray of float64, shape (n_frames + 1,)
        Seconds, strictly increasing, from 0 to the duration of the recording.
    names : sequence of FeatureName or str, length n_features, optional
        Name of each column. A str is a family; columns with equal strings are numbered. By default,
        all columns are of the family "feature".
    notes : sequence of str, default ()
        Warnings, such as uncertain bar lines.
    rival : Features, optional
        The same features of the same recording on other bar lines that are nearly as probable.

    Raises
    ------
    TypeError
        When names are not as above.
    ValueError
        When the shapes do not match, X is complex or not finite, edges do not increase from 0, or
        the rival has another duration or other columns.

    Examples
    --------
    >>> features = Features([[0.1, 40], [0.3, 50], [0.2, 60]], [0, 1, 2, 3], ["rms", "zcr"])
    >>> features
    Features(3 frames x 2, 3.0 s, rms+zcr)
    """

    X: NDArray[np.floating]
    edges: NDArray[np.float64]
    names: tuple[FeatureName, ...]
    notes: tuple[str, ...]
    rival: Features | None

    def __init__(
        self,
        X: ArrayLike,
        edges: ArrayLike,
        names: Sequence[FeatureName | str] | None = None,
        *,
        notes: Sequence[str] = (),
        rival: Features | None = None,
    ) -> None:
        rows = np.asarray(X)
        if rows.dtype.kind == "c":
            msg = f"X must be real, got {rows.dtype}: pass magnitudes or powers"
            raise ValueError(msg)
        if rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float32 if rows.dtype == np.float16 else np.float64)
        times = np.asarray(edges, dtype=np.float64)
        if rows.ndim != 2 or not rows.size:
            msg = f"X must have shape (n_frames, n_features), neither of them 0, got {rows.shape}"
            raise ValueError(msg)
        n_frames, n_features = rows.shape
        if times.shape != (n_frames + 1,):
            given = f"{counted(n_frames, 'frame')} and edges of shape {times.shape}"
            msg = f"n frames need n + 1 edges, got {given}"
            raise ValueError(msg)
        rises = (np.diff(times, prepend=-1.0) > 0) & np.isfinite(times)
        if times[0] != 0 or not rises.all():
            i = int(rises.argmin())
            msg = f"edges must increase from 0, got {times[i]:g} s as edges[{i}]"
            raise ValueError(msg)
        if not np.isfinite(rows).all():
            frame, column = np.argwhere(~np.isfinite(rows))[0]
            msg = f"X must be finite, got {rows[frame, column]} in frame {frame}, column {column}"
            raise ValueError(msg)
        names = ["feature"] * n_features if names is None else names
        if len(names) != n_features:
            msg = f"{n_features} features need as many names, got {len(names)}"
            raise ValueError(msg)
        object.__setattr__(self, "X", _frozen(rows, X))
        object.__setattr__(self, "edges", _frozen(times, edges))
        object.__setattr__(self, "names", numbered(names))
        object.__setattr__(self, "notes", (notes,) if isinstance(notes, str) else tuple(notes))
        object.__setattr__(self, "rival", rival)
        if rival is None:
            return
        if rival.names != self.names or abs(rival.duration - self.duration) > ROUNDING:
            msg = f"the rival must have the columns and duration of {self}, got {rival}"
            raise ValueError(msg)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name in ("X", "edges"):  # copies and unpickled arrays are writable
            state[name].flags.writeable = False
        self.__dict__.update(state)

    def __repr__(self) -> str:
        size = f"{counted(len(self), 'frame')} x {self.X.shape[1]}"
        families = "+".join(dict.fromkeys(name.family for name in self.names))
        return f"Features({size}, {self.duration:.1f} s, {families})"

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.X)

    @property
    def duration(self) -> float:
        """Duration of the recording in seconds."""
        return float(self.edges[-1])

    @property
    def centers(self) -> NDArray[np.float64]:
        """Center of each frame in seconds, shape (n_frames,)."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    def seconds_to_frames(self, seconds: float) -> int:
        """Convert a duration to a number of frames of median length, at least 1."""
        return max(1, round(seconds / float(np.median(np.diff(self.edges)))))

    def columns(self, kept: NDArray[np.bool_]) -> Features:
        """Select features by a mask of shape (n_features,).

        Raises
        ------
        ValueError
            When `kept` is no such mask, or selects nothing.
        """
        mask = np.asarray(kept)
        if mask.dtype != bool or mask.shape != (len(self.names),):
            msg = (
                f"a mask of bool, shape ({len(self.names)},), is needed, "
                f"got {mask.dtype} of shape {mask.shape}"
            )
            raise ValueError(msg)
        if not mask.any():
            msg = f"the mask selects none of {counted(len(mask), 'feature')}"
            raise ValueError(msg)
        names = [self.names[i] for i in np.flatnonzero(mask)]
        rival = None if self.rival is None else self.rival.columns(mask)
        return Features(self.X[:, mask], self.edges, names, notes=self.notes, rival=rival)

    def pooled(self, edges: ArrayLike) -> Features:
        """Average over other frames, such as a coarser grid, beats or bars.

        Parameters
        ----------
        edges : array_like of float, shape (n_pooled + 1,)
            Seconds, strictly increasing, from 0 to the duration.

        Returns
        -------
        pooled : Features
            Row i is the mean of X over `[edges[i], edges[i + 1])`, with frames weighted by overlap.
        """
        times = np.array(edges, dtype=np.float64)
        if times.ndim != 1 or times.size < 2:
            msg = f"edges must have shape (n_pooled + 1,), n_pooled > 0, got {times.shape}"
            raise ValueError(msg)
        if times[0] != 0 or not abs(times[-1] - self.duration) <= ROUNDING:  # true for NaN
            end, last = told_apart(self.duration, times[-1], digits=6)
            msg = f"edges must span 0 to {end} s, got {times[0]:g} to {last} s"
            raise ValueError(msg)
        times[-1] = self.duration
        if not (np.diff(times) > 0).all():
            msg = "edges must increase: two of them are equal, out of order or not a number"
            raise ValueError(msg)
        lengths, durations = np.diff(self.edges)[:, None], np.diff(times)[:, None]
        frame = np.clip(np.searchsorted(self.edges, times, side="right") - 1, 0, len(self) - 1)
        part = (times - self.edges[frame])[:, None]
        means = np.empty((len(durations), self.X.shape[1]), dtype=self.X.dtype)
        n_blocks = 1 + self.X.size // _BLOCK
        for block in np.array_split(np.arange(means.shape[1]), n_blocks):
            X = self.X[:, block]
            sums = np.zeros((len(self) + 1, len(block)))
            np.cumsum(X * lengths, axis=0, out=sums[1:])
            means[:, block] = np.diff(sums[frame] + part * X[frame], axis=0) / durations
        means.flags.writeable = False  # so that it is not copied
        return Features(means, times, self.names, notes=self.notes)


def _frozen(array: NDArray[Any], given: object) -> NDArray[Any]:
    """Return an array, or a copy if what it was made of could change it, read-only."""
    is_converted = isinstance(given, list | tuple) or (
        isinstance(given, np.ndarray) and not np.may_share_memory(array, given)
    )
    if not is_converted and _is_writable(array):
        array = array.copy(order="K")
    array.flags.writeable = False
    return array


def _is_writable(array: object) -> bool:
    """Return whether an array, or one that it is a view of, can be written to."""
    return isinstance(array, np.ndarray) and (array.flags.writeable or _is_writable(array.base))


def check_features(features: object) -> None:
    """Raise a TypeError unless `features` are Features."""
    if not isinstance(features, Features):
        msg = (
            f"features of a recording are needed, got {type(features).__name__}: compute them by "
            "an extractor, as scatseg.Bars()(y, sr), or make them of rows by Features(X, edges)"
        )
        raise TypeError(msg)


def uniform_edges(duration: float, frame: float) -> NDArray[np.float64]:
    """Divide a duration into equal frames.

    Parameters
    ----------
    duration : float
        Seconds, positive.
    frame : float
        Approximate frame length in seconds, positive; the nearest that divides the duration is
        used.

    Returns
    -------
    edges : ndarray of float64, shape (n_frames + 1,)
        From 0 to exactly `duration`.

    Raises
    ------
    ValueError
        When either is not positive and finite.

    Examples
    --------
    >>> uniform_edges(2.2, 0.5)
    array([0.  , 0.55, 1.1 , 1.65, 2.2 ])
    """
    for name, value in (("duration", duration), ("frame", frame)):
        check_positive(name, value)
    n_frames = max(1, round(duration / frame))
    edges = np.linspace(0, duration, n_frames + 1)
    edges[-1] = duration
    return edges


class Extractor(Protocol):
    """Any callable from a signal to Features: a function or an object with options."""

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the read-only signal `y` (n_samples,), sampled at `sr` Hz."""


def frame_edges(centers: NDArray[np.floating], duration: float) -> NDArray[np.float64]:
    """Place edges halfway between frame centers, and at 0 and the duration.

    Parameters
    ----------
    centers : ndarray of float, shape (n_frames,)
        Seconds, increasing, the first 0.
    duration : float
        Seconds. Frames that begin at or after it are dropped.
    """
    inner = (np.asarray(centers[:-1]) + centers[1:]) / 2
    return np.concatenate([[0.0], inner[inner < duration], [duration]])


@dataclass(frozen=True, kw_only=True)
class Scattering:
    """First- and second-order scattering coefficients, compressed, one row per frame.

    Frame k is centered at sample k * stride. Order 0, the inaudible mean of the signal, is left
    out. Order 1 is log(1 + S1 / eps). Order 2 is normalized by its parent first-order path, so that
    it measures modulation independently of level.

    Parameters
    ----------
    J : int, default 13
        Log2 of the largest scale in samples (13: modulations down to 0.9 Hz at 22050 Hz).
    Q : int or (int, int), default 8
        Wavelets per octave in the first and second layer.
    T : int, optional
        Averaging scale in samples. By default 2**J, reduced for recordings shorter than 16 times
        that (see `averaging_grid`); a T longer than the recording is reduced, too.
    stride : int, optional
        Samples between frames, a power of two; by default half of T. At most T if T was reduced.
    max_order : {2, 1}
        Highest order.
    eps : float, default 0.1
        Offset of the logarithm relative to the level of the recording, so that gain does not
        matter; see `compression`.
    accuracy : {"default", "fast", "exact"}
        See `scatseg.scattering.Scattering1D`.
    compression : {"mean", "median"} or None
        Reference level of the logarithm, see `scatseg.compression.compressed`: "mean", one level
        per order; "median", the median of each path. None for no logarithm.
    renormalize : bool, default True
        Whether to divide order 2 by its parent first-order path.

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014, section V for the normalization of order 2.

    Examples
    --------
    >>> t = np.arange(2 * 22050) / 22050
    >>> y = (1 + np.sin(2 * np.pi * 7 * t)) * np.sin(2 * np.pi * 440 * t)  # a tremolo of 7 Hz
    >>> features = Scattering(J=12)(y, 22050)
    >>> features
    Features(44 frames x 545, 2.0 s, scattering)
    >>> second = features.columns(np.array([name.order == 2 for name in features.names]))
    >>> print(second.names[second.X.mean(axis=0).argmax()])
    scattering S2 424.3 Hz rate 7.54 Hz
    """

    J: int = 13
    Q: int | tuple[int, int] = 8
    T: int | None = None
    stride: int | None = None
    max_order: Literal[1, 2] = 2
    eps: float = 0.1
    accuracy: Accuracy = "default"
    compression: Compression = "mean"
    renormalize: bool = True

    def __post_init__(self) -> None:
        self._transform(self.T, self.stride)  # checks its options
        _check(self)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz."""
        return _extracted(self, y, sr)

    def plan(self, n_samples: int) -> Cost:
        """Estimate the cost of a recording of `n_samples`."""
        return _fitting(self, n_samples).plan(n_samples)

    def stream(self, chunks: Iterable[NDArray[np.floating]], sr: int) -> Features:
        """Compute the features of a signal streamed in chunks (n,) of any lengths."""
        return _streamed(self, chunks, sr)

    def _transform(self, T: int | None, stride: int | None) -> Scattering1D:
        return Scattering1D(
            J=self.J,
            Q=self.Q,
            T=T,
            stride=stride,
            max_order=self.max_order,
            accuracy=self.accuracy,
        )


@dataclass(frozen=True, kw_only=True)
class JointScattering:
    """Joint time-frequency scattering, compressed, one row per frame.

    It measures modulations along time and log-frequency jointly: rising and falling chirps differ
    in spin. Frame k is centered at sample k * stride. Paths are normalized by the level of their
    carriers, as in `Scattering`.

    Parameters
    ----------
    J : int, default 12
        Log2 of the largest scale in samples (12: modulations down to 1.9 Hz at 22050 Hz).
    J_fr : int, default 3
        Log2 of the largest scale along log-frequency, in first-order filters.
    Q : int or (int, int), default 8
        Wavelets per octave in the first and second layer.
    Q_fr : int, default 1
        Wavelets per octave along log-frequency.
    T : int, optional
        Averaging scale in samples, as in `Scattering`. It should be much shorter than the
        recording: in the mirrored signal beyond its ends, rising becomes falling.
    F : int, optional
        Averaging scale along log-frequency, 2**J_fr by default, 0 for none.
    stride : int, optional
        Samples between frames, as in `Scattering`.
    eps : float, default 0.1
        Offset of the logarithm relative to the level of the recording.
    accuracy : {"default", "fast", "exact"}
        See `scatseg.scattering.TimeFrequencyScattering`.
    compression : {"mean", "median"} or None
        As in `Scattering`, with the levels of carriers as order 1, all other paths as order 2.
    renormalize : bool, default True
        Whether to divide all other paths by the level of their carriers.

    References
    ----------
    J. Andén, V. Lostanlen and S. Mallat, "Joint time-frequency scattering", IEEE Transactions on
    Signal Processing 67(14), 2019.

    Examples
    --------
    >>> t = np.arange(2 * 22050) / 22050
    >>> rising = np.sin(2 * np.pi * 220 * 4**t / np.log(4))  # from 220 Hz, two octaves per second
    >>> features = JointScattering(J=11)(rising, 22050)
    >>> spins = np.array([name.spin or 0 for name in features.names])
    >>> level = features.X.mean(axis=0)
    >>> bool(level[spins > 0].sum() > level[spins < 0].sum())
    True
    """

    J: int = 12
    J_fr: int = 3
    Q: int | tuple[int, int] = 8
    Q_fr: int = 1
    T: int | None = None
    F: int | None = None
    stride: int | None = None
    eps: float = 0.1
    accuracy: Accuracy = "default"
    compression: Compression = "mean"
    renormalize: bool = True

    def __post_init__(self) -> None:
        _ = self._transform(self.T, self.stride).meta()  # checks its options
        _check(self)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Compute the features of the signal `y` (n_samples,), sampled at `sr` Hz."""
        return _extracted(self, y, sr)

    def plan(self, n_samples: int) -> Cost:
        """Estimate the cost of a recording of `n_samples`."""
        return _fitting(self, n_samples).plan(n_samples)

    def stream(self, chunks: Iterable[NDArray[np.floating]], sr: int) -> Features:
        """Compute the features of a signal streamed in chunks (n,) of any lengths."""
        return _streamed(self, chunks, sr)

    def _transform(self, T: int | None, stride: int | None) -> TimeFrequencyScattering:
        return TimeFrequencyScattering(
            self.J,
            self.J_fr,
            Q=self.Q,
            Q_fr=self.Q_fr,
            T=T,
            F=self.F,
            stride=stride,
            accuracy=self.accuracy,
        )


def averaging_grid(
    n_samples: int, *, J: int, T: int | None = None, stride: int | None = None
) -> tuple[int, int]:
    """Choose averaging scale and stride for the length of a recording.

    The signal is padded by reflection, which reverses time. Averaging over a 16th of the recording
    preserves the direction of modulations: for a chirp over four octaves that fades in and out, the
    energy of its spin is over 50 times that of the other, against 7 for a quarter, 1 for the whole.

    Parameters
    ----------
    n_samples : int
        Length of the recording.
    J : int
        Log2 of the desired scale if `T` is not given.
    T : int, optional
        Desired scale, kept unless it is longer than the recording.
    stride : int, optional
        Desired samples between frames; by default half of T.

    Returns
    -------
    T, stride : int
        In samples. T is at least 2**J / 32 or the desired scale, even in shorter clips.

    Examples
    --------
    >>> averaging_grid(10 * 22050, J=13), averaging_grid(22050, J=13), averaging_grid(1, J=13)
    ((8192, 4096), (1024, 512), (256, 128))
    """
    wanted = 2**J if T is None else T
    most = max(_power_of_two(n_samples // _FITS), 2**J // 32)
    scale = wanted if T is not None and n_samples >= T else min(wanted, most)
    if stride is None:
        return scale, max(1, _power_of_two(scale) // 2)
    return scale, stride if scale == wanted else min(stride, scale)


def _power_of_two(most: int) -> int:
    """Return the largest power of two up to `most`, at least 1."""
    return int(2 ** max(0, int(most).bit_length() - 1))


def _check(extract: Scattering | JointScattering) -> None:
    hold_pair(extract)
    if extract.T in (0, "global"):
        msg = f"T must be an averaging scale of at least 1 sample, got {extract.T!r}"
        raise ValueError(msg)
    check_compression(extract.compression, extract.eps)


def _fitting(
    extract: Scattering | JointScattering, n_samples: int
) -> Scattering1D | TimeFrequencyScattering:
    """Return the transform for the length of a recording."""
    T, stride = averaging_grid(n_samples, J=extract.J, T=extract.T, stride=extract.stride)
    return extract._transform(T if n_samples >= T else None, stride)


def _extracted(extract: Scattering | JointScattering, y: NDArray[np.floating], sr: int) -> Features:
    """Compute features of a whole signal."""
    y = check_mono(y, sr)
    transform = _fitting(extract, len(y))
    S = cast(NDArray[np.floating], transform(y))
    return _described(extract, transform, S, len(y), sr)


def _streamed(
    extract: Scattering | JointScattering, chunks: Iterable[NDArray[np.floating]], sr: int
) -> Features:
    """Compute features of a streamed signal as of the whole; those shorter than 16 T are joined."""
    pieces = iter(chunks)
    long = _FITS * (2**extract.J if extract.T is None else extract.T)
    head, n_samples = [], 0
    for piece in pieces:
        head.append(piece)
        n_samples += len(piece)
        if n_samples >= long:
            break
    else:
        return extract(np.concatenate([np.empty(0, dtype=np.float32), *head]), sr)

    def measured() -> Iterator[NDArray[np.floating]]:
        nonlocal n_samples
        yield from head
        for piece in pieces:
            n_samples += len(piece)
            yield piece

    transform = _fitting(extract, n_samples)
    S = np.concatenate(list(transform.stream(measured())), axis=-1)
    return _described(extract, transform, S, n_samples, sr)


def _described(
    extract: Scattering | JointScattering,
    transform: Scattering1D | TimeFrequencyScattering,
    S: NDArray[np.floating],
    n_samples: int,
    sr: int,
) -> Features:
    """Convert coefficients (n_paths, n_frames) of a whole recording to Features."""
    family = "jtfs" if isinstance(extract, JointScattering) else "scattering"
    meta, names = _paths(transform, family, sr)
    X = compressed(
        S.T, meta, eps=extract.eps, compression=extract.compression, renormalize=extract.renormalize
    )
    X.flags.writeable = False  # large for joint scattering: it is not copied
    edges = frame_edges(np.arange(len(X)) * cast(int, transform.stride) / sr, n_samples / sr)
    return Features(X, edges, names)


@functools.lru_cache(maxsize=16)  # as long as the transform of a short sound
def _paths(
    transform: Scattering1D | TimeFrequencyScattering, family: str, sr: int
) -> tuple[dict[str, Any], tuple[FeatureName, ...]]:
    """Return the parameters of the paths, and the names of all but order 0."""
    meta = transform.meta()
    return meta, tuple(path_names(family, physical_meta(meta, sr, transform.options.Q[0])))


_BLOCK = 2**22
"""Values pooled at a time: their sums, and products, take 64 MB."""

_FITS = 16
"""Minimum length of a recording in averaging scales."""

"""Features (vectors and the times where they meet), and the scattering extractors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.compression import Compression, check_compression, compressed
from scatseg.counts import counted
from scatseg.scattering.arguments import check_mono
from scatseg.scattering.costs import Cost
from scatseg.scattering.joint import TimeFrequencyScattering
from scatseg.scattering.plan import Accuracy
from scatseg.scattering.time import Scattering1D
from scatseg.scattering.units import physical_meta


@dataclass(frozen=True)
class FeatureName:
    """What one column of `Features.X` measures, in physical units.

    Parameters
    ----------
    family : str
        The kind of feature: "scattering", "mfcc", "chroma", ...
    index : int
        Place within its family.
    order : int or None
        Scattering order.
    carrier : float or None
        Center frequency in Hz of what is measured.
    modulation : float or None
        Modulation rate in Hz: how fast the carrier's envelope moves.
    scale : float or None
        Modulation along log-frequency in cycles per octave.
    spin : int or None
        Direction of a joint modulation: +1 rising, -1 falling, 0 neither.
    place : int or None
        Which part of the frame is described, from 0, where frames are bars or otherwise long
        enough to have several.
    """

    family: str
    index: int
    order: int | None = None
    carrier: float | None = None
    modulation: float | None = None
    scale: float | None = None
    spin: int | None = None
    place: int | None = None

    def at(self, place: int | None) -> FeatureName:
        """Name the same in another part of the frame, or in all of it."""
        return FeatureName(
            self.family,
            self.index,
            self.order,
            self.carrier,
            self.modulation,
            self.scale,
            self.spin,
            place,
        )

    def __str__(self) -> str:
        parts = [self.family if self.order is None else f"{self.family} S{self.order}"]
        if self.carrier is not None:
            parts.append(f"{_rounded(self.carrier, 4)} Hz")
        if self.modulation is not None:
            parts.append(f"rate {_rounded(self.modulation, 3)} Hz")
        if self.scale is not None:
            parts.append(f"scale {_rounded(self.scale, 3)} c/o")
        if self.spin:
            parts.append("rising" if self.spin > 0 else "falling")
        if len(parts) == 1:
            parts.append(str(self.index))
        if self.place is not None:
            parts.append(f"in part {self.place + 1}")
        return " ".join(parts)


def _rounded(value: float, digits: int) -> str:
    """Keep so many significant digits: 11025 is 11020 and not 1.102e+04."""
    return f"{float(f'{value:.{digits}g}'):g}"


@dataclass(frozen=True, eq=False, repr=False)
class Features:
    """One vector per frame, and where in time the frames meet.

    A boundary `b` between frames happens at `edges[b]`: uniform frames, beats and bars
    are one case.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_features)
        One row per frame, finite.
    edges : ndarray of float64, shape (n_frames + 1,)
        Seconds, strictly increasing, from 0 to the duration of the recording.
    names : sequence of FeatureName or str, length n_features
        What each column measures. A word is a family: columns of one word are one kind of feature,
        others are of another kind. Numbered columns of the family "feature" when absent.
    notes : sequence of str, default ()
        What to know before trusting them: that bar lines are uncertain, for example.

    Raises
    ------
    TypeError
        When names are not as above.
    ValueError
        When the shapes do not fit, X is not finite, or edges do not increase from 0.

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

    def __init__(
        self,
        X: ArrayLike,
        edges: ArrayLike,
        names: Sequence[FeatureName | str] | None = None,
        *,
        notes: Sequence[str] = (),
    ) -> None:
        rows = np.asarray(X)
        if rows.dtype.kind != "f":
            rows = rows.astype(np.float64)
        times = np.asarray(edges, dtype=np.float64)
        if rows.ndim != 2 or not rows.size:
            msg = f"X must have shape (n_frames, n_features), neither of them 0, got {rows.shape}"
            raise ValueError(msg)
        n_frames, n_features = rows.shape
        if times.shape != (n_frames + 1,):
            given = f"{counted(n_frames, 'frame')} and edges of shape {times.shape}"
            msg = f"n frames need n + 1 edges, got {given}"
            raise ValueError(msg)
        if times[0] != 0 or not (np.diff(times) > 0).all() or not np.isfinite(times[-1]):
            msg = f"edges must increase from 0, got {times[0]:g} to {times[-1]:g} s"
            raise ValueError(msg)
        if not np.isfinite(rows).all():
            frame, column = np.argwhere(~np.isfinite(rows))[0]
            msg = f"X must be finite, got {rows[frame, column]} in frame {frame}, column {column}"
            raise ValueError(msg)
        if names is None:
            names = ["feature"] * n_features
        if len(names) != n_features:
            msg = f"{n_features} features need as many names, got {len(names)}"
            raise ValueError(msg)
        object.__setattr__(self, "X", rows)
        object.__setattr__(self, "edges", times)
        object.__setattr__(self, "names", _numbered(names))
        object.__setattr__(self, "notes", (notes,) if isinstance(notes, str) else tuple(notes))

    def __repr__(self) -> str:
        size = f"{counted(len(self), 'frame')} x {self.X.shape[1]}"
        families = "+".join(dict.fromkeys(name.family for name in self.names))
        return f"Features({size}, {self.duration:.1f} s, {families})"

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.X)

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return float(self.edges[-1])

    @property
    def centers(self) -> NDArray[np.float64]:
        """Middle of each frame in seconds, shape (n_frames,)."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    def seconds_to_frames(self, seconds: float) -> int:
        """Count the frames that make up a time span, at least 1.

        Frames may be uneven (beats): the median length decides.
        """
        return max(1, round(seconds / float(np.median(np.diff(self.edges)))))

    def columns(self, kept: NDArray[np.bool_]) -> Features:
        """Keep some of the features, by a mask of shape (n_features,)."""
        names = [name for name, keep in zip(self.names, kept, strict=True) if keep]
        return Features(self.X[:, kept], self.edges, names, notes=self.notes)

    def pooled(self, edges: ArrayLike) -> Features:
        """Average over other frames: a coarser grid, beats or bars.

        Parameters
        ----------
        edges : array_like of float, shape (n_pooled + 1,)
            Seconds, strictly increasing, from 0 to the duration.

        Returns
        -------
        pooled : Features
            Row i is the mean of X over `[edges[i], edges[i + 1])`, each old frame weighted
            by the time it spends there. Exact also for edges between frames.
        """
        times = np.array(edges, dtype=np.float64)
        if times.ndim != 1 or times.size < 2:
            msg = f"edges must have shape (n_pooled + 1,), n_pooled > 0, got {times.shape}"
            raise ValueError(msg)
        if times[0] != 0 or abs(times[-1] - self.duration) > 1e-6:
            msg = f"edges must span 0 to {self.duration:g} s, got {times[0]:g} to {times[-1]:g} s"
            raise ValueError(msg)
        times[-1] = self.duration
        if not (np.diff(times) > 0).all():
            msg = "edges must increase: two of them are equal, out of order or not a number"
            raise ValueError(msg)
        lengths = np.diff(self.edges)
        sums = np.zeros((len(self) + 1, self.X.shape[1]))
        np.cumsum(self.X * lengths[:, None], axis=0, out=sums[1:])
        frame = np.clip(np.searchsorted(self.edges, times, side="right") - 1, 0, len(self) - 1)
        part = (times - self.edges[frame])[:, None]
        integral = sums[frame] + part * self.X[frame]
        X = np.diff(integral, axis=0) / np.diff(times)[:, None]
        return Features(X.astype(self.X.dtype), times, self.names, notes=self.notes)


def _numbered(names: Sequence[FeatureName | str]) -> tuple[FeatureName, ...]:
    """Make names of words, numbered within their families."""
    if isinstance(names, str) or not all(isinstance(each, FeatureName | str) for each in names):
        msg = f"names must be a FeatureName or a str for each column, got {names!r:.100}"
        raise TypeError(msg)
    counted: Counter[str] = Counter()
    numbered = []
    for each in names:
        name = FeatureName(each, counted[each]) if isinstance(each, str) else each
        counted[name.family] += 1
        numbered.append(name)
    return tuple(numbered)


def uniform_edges(duration: float, frame: float) -> NDArray[np.float64]:
    """Cut a duration into equal frames.

    Parameters
    ----------
    duration : float
        Seconds, positive.
    frame : float
        Wanted frame length in seconds; the nearest that divides the duration is used.

    Returns
    -------
    edges : ndarray of float64, shape (n_frames + 1,)
        From 0 to exactly `duration`.

    Examples
    --------
    >>> uniform_edges(2.2, 0.5)
    array([0.  , 0.55, 1.1 , 1.65, 2.2 ])
    """
    n_frames = max(1, round(duration / frame))
    edges = np.linspace(0, duration, n_frames + 1)
    edges[-1] = duration
    return edges


class Extractor(Protocol):
    """Anything that turns a signal into Features: a function or an object with options."""

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Describe the signal `y` (n_samples,) sampled at `sr` Hz, frame by frame."""


def frame_edges(centers: NDArray[np.floating], duration: float) -> NDArray[np.float64]:
    """Put edges halfway between frame centers, and at 0 and the duration.

    Parameters
    ----------
    centers : ndarray of float, shape (n_frames,)
        Seconds, increasing, the first one 0.
    duration : float
        Seconds. Frames that begin at or after it are dropped.
    """
    inner = (np.asarray(centers[:-1]) + centers[1:]) / 2
    return np.concatenate([[0.0], inner[inner < duration], [duration]])


@dataclass(frozen=True, kw_only=True)
class Scattering:
    """First- and second-order scattering coefficients, compressed, one row per frame.

    Frame k is centered at sample k * stride. The mean of the signal (order 0) is left out:
    it is not heard. Order 1 is log(1 + S1 / eps). Order 2 is divided by the first-order path that
    it comes from, so that it tells how the envelope moves and not how loud it is.

    Parameters
    ----------
    J : int, default 13
        Log2 of the largest scale in samples (13: modulations down to 2.7 Hz at 22050 Hz).
    Q : int or (int, int), default 8
        Wavelets per octave in the first and second layer.
    T : int, optional
        Averaging scale in samples. When absent, 2**J, and less in a recording shorter than 16 of
        these; when longer than the recording, what fits it (`averaging_grid`).
    stride : int, optional
        Samples between frames, a power of two, half of T when absent. At most T where the
        recording made that shorter.
    max_order : {2, 1}
        Whether to compute the second order.
    eps : float, default 0.1
        What counts as quiet, relative to the recording, so that loudness does not matter; see
        `compression`.
    accuracy : {"default", "fast", "exact"}
        See `scatseg.scattering.Scattering1D`.
    compression : {"mean", "median"} or None
        What the logarithm is relative to, see `scatseg.compression.compressed`: "mean", one
        level for each order; "median", each path's own median. None for no logarithm.
    renormalize : bool, default True
        Whether order 2 is divided by the first-order path that it comes from.

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014, section V for the normalization of order 2.
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
        """Describe the signal `y` (n_samples,) sampled at `sr` Hz, frame by frame."""
        y = check_mono(y, sr)
        T, stride = averaging_grid(len(y), J=self.J, T=self.T, stride=self.stride)
        transform = self._transform(T if len(y) >= T else None, stride)
        S = cast(NDArray[np.floating], transform(y))
        return _described(self, transform, S, len(y), sr)

    def plan(self, n_samples: int) -> Cost:
        """Tell what a recording of `n_samples` will take."""
        T, stride = averaging_grid(n_samples, J=self.J, T=self.T, stride=self.stride)
        return self._transform(T if n_samples >= T else None, stride).plan(n_samples)

    def stream(self, chunks: Iterable[NDArray[np.floating]], sr: int) -> Features:
        """Describe a signal that comes in pieces (n,) of any lengths, without holding it."""
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

    Beside how fast each band moves, it tells which way the movement goes along log-frequency:
    rising and falling chirps differ in spin. Frame k is centered at sample k * stride. What a
    path passes is divided by the level of the carriers it comes from, as in `Scattering`.

    Parameters
    ----------
    J : int, default 12
        Log2 of the largest scale in samples (12: modulations down to 5.4 Hz at 22050 Hz).
    J_fr : int, default 3
        Log2 of the largest scale along log-frequency, in first-order filters.
    Q : int or (int, int), default 8
        Wavelets per octave in the first and second layer.
    Q_fr : int, default 1
        Wavelets per octave along log-frequency.
    T : int, optional
        Averaging scale in samples, as in `Scattering`. Keep it well inside the recording: averaged
        over a mirrored end, rising becomes falling.
    F : int, optional
        Averaging scale along log-frequency, 2**J_fr when absent, 0 for none.
    stride : int, optional
        Samples between frames, as in `Scattering`.
    eps : float, default 0.1
        What counts as quiet, relative to the recording.
    accuracy : {"default", "fast", "exact"}
        See `scatseg.scattering.TimeFrequencyScattering`.
    compression : {"mean", "median"} or None
        As in `Scattering`; the carriers' levels are its order 1, all other paths its order 2.
    renormalize : bool, default True
        Whether all other paths are divided by the level of their carriers.

    References
    ----------
    J. Andén, V. Lostanlen and S. Mallat, "Joint time-frequency scattering", IEEE Transactions on
    Signal Processing 67(14), 2019.
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
        """Describe the signal `y` (n_samples,) sampled at `sr` Hz, frame by frame."""
        y = check_mono(y, sr)
        T, stride = averaging_grid(len(y), J=self.J, T=self.T, stride=self.stride)
        transform = self._transform(T if len(y) >= T else None, stride)
        S = cast(NDArray[np.floating], transform(y))
        return _described(self, transform, S, len(y), sr)

    def plan(self, n_samples: int) -> Cost:
        """Tell what a recording of `n_samples` will take."""
        T, stride = averaging_grid(n_samples, J=self.J, T=self.T, stride=self.stride)
        return self._transform(T if n_samples >= T else None, stride).plan(n_samples)

    def stream(self, chunks: Iterable[NDArray[np.floating]], sr: int) -> Features:
        """Describe a signal that comes in pieces (n,) of any lengths, without holding it."""
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
    """Choose an averaging scale well inside a recording, and the samples between frames.

    A transform sees a recording followed by its mirror image, in which time runs backwards.
    Averages over a 16th of the recording keep what tells rising from falling: the energies of
    the two spins differ by a factor of over 50 for a chirp, 7 over a quarter of it, 1 over all.

    Parameters
    ----------
    n_samples : int
        Length of the recording.
    J : int
        Log2 of the scale that is wanted where `T` is absent.
    T : int, optional
        The scale that is wanted, kept unless it is longer than the recording.
    stride : int, optional
        Samples between frames that are wanted, half of T when absent.

    Returns
    -------
    T, stride : int
        In samples. T is at least a 32nd of 2**J or what is wanted, in clips shorter than that
        too.

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
    """Find the largest power of two that is not more, or 1."""
    return int(2 ** max(0, int(most).bit_length() - 1))


def _check(extract: Scattering | JointScattering) -> None:
    if extract.T in (0, "global"):
        msg = f"T must be an averaging scale of at least 1 sample, got {extract.T!r}"
        raise ValueError(msg)
    check_compression(extract.compression, extract.eps)


def _streamed(
    extract: Scattering | JointScattering, chunks: Iterable[NDArray[np.floating]], sr: int
) -> Features:
    """Describe pieces as their whole, whose averaging scale its first samples decide."""
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

    grid = averaging_grid(n_samples, J=extract.J, T=extract.T, stride=extract.stride)
    transform = extract._transform(*grid)
    S = np.concatenate(list(transform.stream(measured())), axis=-1)
    return _described(extract, transform, S, n_samples, sr)


def _described(
    extract: Scattering | JointScattering,
    transform: Scattering1D | TimeFrequencyScattering,
    S: NDArray[np.floating],
    n_samples: int,
    sr: int,
) -> Features:
    """Coefficients (n_paths, n_frames) of a whole recording -> Features."""
    meta = transform.meta()
    X = compressed(
        S.T,
        meta,
        eps=extract.eps,
        compression=extract.compression,
        renormalize=extract.renormalize,
    )
    edges = frame_edges(np.arange(len(X)) * cast(int, transform.stride) / sr, n_samples / sr)
    family = "jtfs" if isinstance(extract, JointScattering) else "scattering"
    Q1 = extract.Q[0] if isinstance(extract.Q, tuple) else extract.Q
    return Features(X, edges, _names(family, physical_meta(meta, sr, Q1)))


def _names(family: str, columns: dict[str, NDArray[Any]]) -> list[FeatureName]:
    """Name all paths but order 0, in physical units."""
    n_paths = len(columns["order"])
    absent = np.full(n_paths, np.nan)

    def present(column: str, i: int) -> float | None:
        value = float(columns.get(column, absent)[i])
        return None if np.isnan(value) else value

    names = []
    for i in range(1, n_paths):
        spin = present("spin", i)
        names.append(
            FeatureName(
                family,
                i,
                order=int(columns["order"][i]),
                carrier=present("carrier_hz", i),
                modulation=present("modulation_hz", i),
                scale=present("scale_cpo", i),
                spin=None if spin is None else int(spin),
            )
        )
    return names


_FITS = 16
"""How many averaging scales fit a recording at least."""

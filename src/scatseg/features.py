"""Features (vectors and the times where they meet), and the scattering extractors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.scattering.joint import TimeFrequencyScattering
from scatseg.scattering.plan import Accuracy
from scatseg.scattering.time import Scattering1D


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
    """

    family: str
    index: int
    order: int | None = None
    carrier: float | None = None
    modulation: float | None = None
    scale: float | None = None
    spin: int | None = None

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
        return " ".join(parts) if len(parts) > 1 else f"{parts[0]} {self.index}"


def _rounded(value: float, digits: int) -> str:
    """Keep so many significant digits: 11025 is 11020 and not 1.102e+04."""
    return f"{float(f'{value:.{digits}g}'):g}"


@dataclass(frozen=True, eq=False)
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
    names : sequence of FeatureName, length n_features
        What each column measures. Numbered columns of the family "feature" when absent.

    Raises
    ------
    ValueError
        When the shapes do not fit, X is not finite, or edges do not increase from 0.
    """

    X: NDArray[np.floating]
    edges: NDArray[np.float64]
    names: tuple[FeatureName, ...] = field(repr=False)

    def __init__(
        self,
        X: ArrayLike,
        edges: ArrayLike,
        names: Sequence[FeatureName] | None = None,
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
            msg = f"{n_frames} frames need {n_frames + 1} edges, got shape {times.shape}"
            raise ValueError(msg)
        if times[0] != 0 or not (np.diff(times) > 0).all() or not np.isfinite(times[-1]):
            msg = f"edges must increase from 0, got {times[0]:g} to {times[-1]:g} s"
            raise ValueError(msg)
        if not np.isfinite(rows).all():
            frame, column = np.argwhere(~np.isfinite(rows))[0]
            msg = f"X must be finite, got {rows[frame, column]} in frame {frame}, column {column}"
            raise ValueError(msg)
        if names is None:
            names = [FeatureName("feature", i) for i in range(n_features)]
        if len(names) != n_features:
            msg = f"{n_features} features need as many names, got {len(names)}"
            raise ValueError(msg)
        object.__setattr__(self, "X", rows)
        object.__setattr__(self, "edges", times)
        object.__setattr__(self, "names", tuple(names))

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
        return Features(X.astype(self.X.dtype), times, self.names)


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
        Averaging scale in samples, 2**J when absent.
    stride : int, optional
        Samples between frames, a power of two, half of T when absent.
    max_order : {2, 1}
        Whether to compute the second order.
    eps : float, default 0.1
        What counts as quiet, relative to the mean first-order coefficient of the recording, so
        that loudness does not matter. Never less than 1e-6 of full scale.
    accuracy : {"default", "fast", "exact"}
        See `scatseg.scattering.Scattering1D`.

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

    def __post_init__(self) -> None:
        self._transform()  # checks its options
        if not self.eps > 0:
            msg = f"eps must be positive, got {self.eps}"
            raise ValueError(msg)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Describe the signal `y` (n_samples,) sampled at `sr` Hz, frame by frame."""
        transform = self._transform()
        meta = transform.meta()
        S = np.maximum(cast(NDArray[np.floating], transform(y)), 0).T
        X = _compressed(S, meta, self.eps)[:, 1:]
        centers = np.arange(len(X)) * transform.options.stride / sr
        return Features(X, frame_edges(centers, len(y) / sr), _scattering_names(meta, sr)[1:])

    def _transform(self) -> Scattering1D:
        transform = Scattering1D(
            J=self.J,
            Q=self.Q,
            T=self.T,
            stride=self.stride,
            max_order=self.max_order,
            accuracy=self.accuracy,
        )
        if self.stride is not None:
            return transform
        return replace(transform, stride=max(1, transform.options.stride // 2))


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
        Averaging scale in samples, 2**J when absent. Keep it well inside the recording: averaged
        over a mirrored end, rising becomes falling.
    F : int, optional
        Averaging scale along log-frequency, 2**J_fr when absent.
    stride : int, optional
        Samples between frames, a power of two, half of T when absent.
    eps : float, default 0.1
        What counts as quiet, relative to the mean first-order coefficient of the recording.
    accuracy : {"default", "fast", "exact"}
        See `scatseg.scattering.TimeFrequencyScattering`.

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

    def __post_init__(self) -> None:
        _ = self._transform().meta()  # checks its options
        if not self.eps > 0:
            msg = f"eps must be positive, got {self.eps}"
            raise ValueError(msg)

    def __call__(self, y: NDArray[np.floating], sr: int) -> Features:
        """Describe the signal `y` (n_samples,) sampled at `sr` Hz, frame by frame."""
        transform = self._transform()
        meta = transform.meta()
        S = np.maximum(cast(NDArray[np.floating], transform(y)), 0).T
        X = _compressed_joint(S, meta, self.eps)[:, 1:]
        centers = np.arange(len(X)) * self._stride() / sr
        n_octave = self.Q[0] if isinstance(self.Q, tuple) else self.Q
        names = _joint_names(meta, sr, n_octave)[1:]
        return Features(X, frame_edges(centers, len(y) / sr), names)

    def _stride(self) -> int:
        T = 2**self.J if self.T is None else self.T
        return max(1, 2 ** (T.bit_length() - 2)) if self.stride is None else self.stride

    def _transform(self) -> TimeFrequencyScattering:
        return TimeFrequencyScattering(
            self.J,
            self.J_fr,
            Q=self.Q,
            Q_fr=self.Q_fr,
            T=self.T,
            F=self.F,
            stride=self._stride(),
            accuracy=self.accuracy,
        )


def _compressed(S: NDArray[np.floating], meta: dict[str, Any], eps: float) -> NDArray[np.floating]:
    """Logarithm of order 1, and of order 2 over its parent; order 0 is left as it is."""
    order = meta["order"]
    first, second = order == 1, order == 2
    floor = max(eps * float(S[:, first].mean()), _LEAST_LEVEL)
    parent = 1 + meta["n"][second, 0].astype(int)
    X = S.copy()
    X[:, first] = np.log1p(S[:, first] / floor)
    X[:, second] = np.log1p(S[:, second] / (S[:, parent] + floor) / _MODULATION_FLOOR)
    return X


def _compressed_joint(
    S: NDArray[np.floating], meta: dict[str, Any], eps: float
) -> NDArray[np.floating]:
    """Logarithm of the carriers' levels, and of all other paths over the level they come from."""
    n1 = meta["n"][:, 0]
    level = (meta["order"] == 1) & (meta["n_fr"] == 0)
    other = (meta["order"] > 0) & ~level
    parents = np.flatnonzero(level)
    floor = max(eps * float(S[:, level].mean()), _LEAST_LEVEL)
    parent = parents[np.searchsorted(n1[parents], n1[other], side="right") - 1]
    X = S.copy()
    X[:, level] = np.log1p(S[:, level] / floor)
    X[:, other] = np.log1p(S[:, other] / (S[:, parent] + floor) / _MODULATION_FLOOR)
    return X


def _joint_names(meta: dict[str, Any], sr: int, n_octave: int) -> list[FeatureName]:
    """Name paths; `n_octave` first-order filters make an octave."""
    hertz = meta["xi"] * sr
    names = []
    for i, order in enumerate(meta["order"]):
        carrier, modulation = (float(hertz[i, k]) if k < order else None for k in (0, 1))
        names.append(
            FeatureName(
                "jtfs",
                i,
                order=int(order),
                carrier=carrier,
                modulation=modulation,
                scale=float(abs(meta["xi_fr"][i]) * n_octave) if order else None,
                spin=int(meta["spin"][i]) if order > 1 else None,
            )
        )
    return names


def _scattering_names(meta: dict[str, Any], sr: int) -> list[FeatureName]:
    hertz = meta["xi"] * sr
    names = []
    for i, order in enumerate(meta["order"]):
        carrier, modulation = (float(hertz[i, k]) if k < order else None for k in (0, 1))
        names.append(
            FeatureName("scattering", i, order=int(order), carrier=carrier, modulation=modulation)
        )
    return names


_LEAST_LEVEL = 1e-6
"""Of full scale: what float32 arithmetic can still tell from nothing."""

_MODULATION_FLOOR = 0.05
"""Share of a first-order coefficient below which its modulation counts as none."""

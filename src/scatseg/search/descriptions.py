"""A recording -> its description in an index: statistics per second, and frames for alignment."""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import naming
from scatseg.audio import SILENT_PEAK
from scatseg.counts import told_apart
from scatseg.extractors import built, extracted
from scatseg.features import Extractor, FeatureName, Features, JointScattering, Scattering
from scatseg.rates import limited_rate
from scatseg.threads import one_thread

CELL = 1.0
"""Length in seconds of the cells over which statistics are stored; windows are whole cells."""

LEAST_SECONDS = 1.0
"""Shorter recordings are padded with silence."""

SHORTEST = 0.05
"""Minimum length of a recording in seconds."""

LOWEST_CARRIER = 30.0
"""Lowest carrier in Hz; lower ones are felt rather than heard, and rare in recordings."""

_QUIET = 1e-3
"""Added to levels before the logarithm for alignment, relative to the mean level."""

_LEAST_LEVEL = 1e-6
"""Of full scale."""

_FINER = 4
"""Oversampling of the frames of a query relative to those of the index."""

# Defaults of names. With 12 carriers per octave, a semitone is one carrier. Frames are 93 ms apart;
# coefficients are uncompressed, as the reference level is learned from the collection.
_STRIDE = 2048
_RAW: Mapping[str, Any] = {
    "J": 12,
    "T": 4096,
    "stride": _STRIDE,
    "compression": None,
    "renormalize": False,
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "scattering": {**_RAW, "Q": (12, 1)},
    "jtfs": _RAW,
}


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a description.

    Parameters
    ----------
    names : tuple of FeatureName
        Names in physical units.
    uncompressed : ndarray of bool, shape (n_columns,)
        Mask of scattering coefficients without a logarithm.
    kept : ndarray of bool, shape (n_features,)
        Mask of these columns among those of the extractor.
    """

    names: tuple[FeatureName, ...]
    uncompressed: NDArray[np.bool_]
    kept: NDArray[np.bool_]

    @classmethod
    def of(cls, names: Sequence[FeatureName], uncompressed: NDArray[np.bool_]) -> Columns:
        """Select the features of an extractor without those below `LOWEST_CARRIER`."""
        kept = np.array([name.carrier is None or name.carrier >= LOWEST_CARRIER for name in names])
        return cls(tuple(itertools.compress(names, kept)), uncompressed[kept], kept)

    @functools.cached_property
    def levels(self) -> NDArray[np.bool_]:
        """Mask of the levels of carriers: order 1 of uncompressed scattering."""
        plain = [name.order == 1 and not name.scale for name in self.names]
        levels: NDArray[np.bool_] = self.uncompressed & np.array(plain)
        return levels

    @functools.cached_property
    def aligned(self) -> NDArray[np.bool_]:
        """Mask of the columns for alignment: the levels of carriers, else all."""
        return self.levels if self.levels.any() else np.ones(len(self.names), dtype=bool)


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """The data of a recording in an index.

    Parameters
    ----------
    means, deviations : ndarray of float32 or float16, shape (n_cells, n_columns)
        Statistics of the features within each cell of one second; the last cell may be shorter or
        longer. Stored in half precision.
    frames : ndarray of float32 or float16, shape (n_frames, n_aligned)
        Logarithms of the carriers' levels, or other features unchanged.
    duration : float
        Seconds.
    hop : float
        Seconds between frames; frame k is centered at k * hop.
    """

    means: NDArray[np.floating] = field(repr=False)
    deviations: NDArray[np.floating] = field(repr=False)
    frames: NDArray[np.floating] = field(repr=False)
    duration: float
    hop: float

    @property
    def cells(self) -> NDArray[np.float64]:
        """Edges of the cells in seconds, shape (n_cells + 1,)."""
        return cell_edges(max(self.duration, LEAST_SECONDS))

    def npz(self) -> bytes:
        """Serialize deterministically, in half precision."""
        data = io.BytesIO()
        np.savez(
            data,
            means=_half(self.means),
            deviations=_half(self.deviations),
            frames=_half(self.frames),
            times=np.array([self.duration, self.hop]),
        )
        return data.getvalue()


def _half(X: NDArray[np.floating]) -> NDArray[np.float16]:
    half: NDArray[np.float16] = np.clip(X, -6e4, 6e4).astype(np.float16)
    return half


class DescriptionError(ValueError):
    """A stored description that cannot be read."""


def read_description(path: Path, *, frames_only: bool = False) -> Description:
    """Read a stored description.

    Parameters
    ----------
    path : Path
        An .npz file.
    frames_only : bool, default False
        Skip the statistics, which are not needed for alignment.

    Raises
    ------
    DescriptionError
        When it is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            duration, hop = (float(value) for value in arrays["times"])
            statistics = [
                np.empty((0, 0), np.float16) if frames_only else arrays[name]
                for name in ("means", "deviations")
            ]
            return Description(
                means=statistics[0],
                deviations=statistics[1],
                frames=arrays["frames"],
                duration=duration,
                hop=hop,
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        msg = f"{path}: a stored description cannot be read ({error}); index its recording again"
        raise DescriptionError(msg) from error


def cell_edges(duration: float) -> NDArray[np.float64]:
    """Divide a duration into cells; a remainder of at least half a cell is one, too.

    Examples
    --------
    >>> cell_edges(2.4), cell_edges(2.6)
    (array([0. , 1. , 2.4]), array([0. , 1. , 2. , 2.6]))
    """
    n_cells = max(1, int(np.floor(duration / CELL + 0.5)))
    edges = np.arange(n_cells + 1, dtype=np.float64) * CELL
    edges[-1] = duration
    return edges


@dataclass(frozen=True, kw_only=True)
class Describer:
    """Feature settings of an index.

    Parameters
    ----------
    features : str, default "scattering"
        Feature names, as in `scatseg.extractor`. The defaults of `scattering` and `jtfs` are J=12,
        T=4096 and stride 2048, neither compressed nor renormalized, and for `scattering` 12
        carriers per octave.
    sr : int, default 22050
        Sampling rate in Hz.

    Raises
    ------
    TypeError
        When features are not a name (custom ones must be given as `module:callable`).
    ValueError
        When a name or an option is unknown, or the sampling rate is not a positive whole number or
        over 1 MHz.
    """

    features: str = "scattering"
    sr: int = 22050

    def __post_init__(self) -> None:
        if not isinstance(self.features, str):
            msg = f"features need a name, one's own as module:callable, got {self.features!r}"
            raise TypeError(msg)
        object.__setattr__(self, "sr", limited_rate(self.sr))
        self.columns()

    def fingerprint(self) -> str:
        """Return the settings and the custom code that determine a description, as text."""
        extract = _extractor(self.features)
        own = naming.code_of(extract, self.features)
        settings = {"features": naming.placeless(extract), "sr": self.sr}
        return json.dumps(settings | ({"code": own} if own else {}))

    def columns(self) -> Columns:
        """Return the columns of a description."""
        return _columns(self.features, self.sr)

    def describe(self, y: NDArray[np.floating]) -> Description:
        """Compute the description of a signal (n_samples,).

        Raises
        ------
        ValueError
            When it is silent, or too short.
        """
        check_sound(y, self.sr)
        duration = len(y) / self.sr
        features = self.extract(y)
        X = features.X.astype(np.float64)
        level = self.level(X)
        edges = cell_edges(features.duration)
        means = features_like(features, X).pooled(edges).X
        squares = features_like(features, X**2).pooled(edges).X
        scale = np.where(self.columns().uncompressed, 1 / level, 1.0)
        hop = self.hop
        n_frames = max(1, int(np.ceil(features.duration / hop)))
        times = np.arange(n_frames, dtype=np.float64) * hop
        return Description(
            means=(means * scale).astype(np.float32),
            deviations=(np.sqrt(np.maximum(squares - means**2, 0)) * scale).astype(np.float32),
            frames=self.to_align(rows_at(features, times)),
            duration=duration,
            hop=hop,
        )

    @property
    def hop(self) -> float:
        """Seconds between frames for alignment."""
        extract = _extractor(self.features)
        stride: int = getattr(extract, "stride", None) or _STRIDE
        return stride / self.sr

    def extract(self, y: NDArray[np.floating], *, fine: bool = False) -> Features:
        """Compute the features, of at least one second; with `fine`, in denser frames."""
        extract = _extractor(self.features)
        if fine and isinstance(extract, Scattering | JointScattering) and extract.stride:
            extract = dataclasses.replace(extract, stride=max(1, extract.stride // _FINER))
        padded = np.pad(y, (0, max(0, round(LEAST_SECONDS * self.sr) - len(y))))
        with one_thread():  # for deterministic rounding
            features = extracted(extract, padded.astype(np.float32), self.sr)
        columns = self.columns()
        if features.X.shape[1] != len(columns.kept):
            n_columns, expected = features.X.shape[1], len(columns.kept)
            msg = (
                f"{self.features} has {n_columns} columns here and {expected} of silence: an index "
                "needs features with a fixed number of columns"
            )
            raise ValueError(msg)
        X = features.X[:, columns.kept]
        X = np.where(columns.uncompressed, np.maximum(X, 0), X)
        return Features(X, features.edges, columns.names)

    def level(self, X: NDArray[np.floating]) -> float:
        """Compute the level of features (n_frames, n_columns); 1 without carrier levels."""
        levels = self.columns().levels
        return max(float(X[:, levels].mean()), _LEAST_LEVEL) if levels.any() else 1.0

    def to_align(self, X: NDArray[np.floating]) -> NDArray[np.float32]:
        """Convert features (n_frames, n_columns) to rows for alignment."""
        columns = self.columns()
        rows = X[:, columns.aligned]
        if columns.levels.any():
            rows = np.log(rows / self.level(X) + _QUIET)
        return np.asarray(rows, dtype=np.float32)


def features_like(features: Features, X: NDArray[np.floating]) -> Features:
    """Return features with the same frames and names, but other values."""
    return Features(X, features.edges, features.names)


def rows_at(features: Features, times: NDArray[np.float64]) -> NDArray[np.floating]:
    """Interpolate rows linearly at times in seconds, held at both ends; exact at frame centers."""
    centers = features.centers.copy()
    if len(centers) > 2:  # the first frame, too, is centered a hop before the second
        centers[0] = 2 * centers[1] - centers[2]
    place = np.interp(times, centers, np.arange(len(centers)))
    nearest = np.round(place)
    place = np.where(np.abs(place - nearest) < 1e-6, nearest, place)
    below = np.minimum(place.astype(int), len(centers) - 1)
    above = np.minimum(below + 1, len(centers) - 1)
    part = (place - below)[:, None].astype(features.X.dtype)
    rows: NDArray[np.floating] = (1 - part) * features.X[below] + part * features.X[above]
    return rows


class SoundError(ValueError):
    """A sound without usable content: silent, too short, not finite."""


def check_sound(y: NDArray[np.floating], sr: int) -> None:
    """Raise an error for a sound without usable content.

    Raises
    ------
    SoundError
        When a signal is shorter than 50 ms, not finite, or never exceeds -100 dB.
    """
    if np.ndim(y) != 1:
        msg = f"a signal must have shape (n_samples,), got {np.shape(y)}"
        raise ValueError(msg)
    if len(y) < SHORTEST * sr:
        needed, got = told_apart(SHORTEST, len(y) / sr)
        msg = f"too short: {needed} s are needed, got {got} s"
        raise SoundError(msg)
    peak = float(np.abs(y).max())
    if not np.isfinite(peak):
        msg = "a signal must be finite, it holds NaN or inf"
        raise SoundError(msg)
    if peak <= SILENT_PEAK:
        msg = "silent: there is nothing to compare"
        raise SoundError(msg)


@functools.cache
def _extractor(text: str) -> Extractor:
    named = naming.parse_names(text)
    for name, options in named:
        built(name, options)  # so that an error names only options given by the user
    parts: tuple[Extractor, ...] = tuple(
        built(name, {**_DEFAULTS.get(name, {}), **options}) for name, options in named
    )
    if len(parts) > 1:
        msg = f"an index holds one kind of features, got {text!r}; make an index for each"
        raise ValueError(msg)
    return parts[0]


@functools.cache
def _columns(text: str, sr: int) -> Columns:
    extract = _extractor(text)
    names = extracted(extract, np.zeros(sr, dtype=np.float32), sr).names
    raw = isinstance(extract, Scattering | JointScattering) and extract.compression is None
    return Columns.of(names, np.full(len(names), raw))

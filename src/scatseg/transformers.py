"""Signals or files -> one vector each: extractors as scikit-learn transformers."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from scatseg import audio
from scatseg.compression import median_levels
from scatseg.counts import counted
from scatseg.extractors import Stack, extracted, extracted_together, extractor
from scatseg.features import Extractor, FeatureName, Features
from scatseg.rates import check_rate
from scatseg.threads import one_thread

FilePath = str | os.PathLike[str]
Signal = NDArray[np.floating]

_PROBE_SECONDS = 1.0
"""Seconds of silence used to obtain the names of features."""

_NEGATIVE = 1e-6
"""Negative values up to this share of the largest are rounding errors."""


def _mean(features: Features) -> NDArray[np.floating]:
    return np.asarray(np.average(features.X, axis=0, weights=np.diff(features.edges)))


def _std(features: Features) -> NDArray[np.floating]:
    weights = np.diff(features.edges)
    variance = np.average((features.X - _mean(features)) ** 2, axis=0, weights=weights)
    return np.asarray(np.sqrt(variance))


def _median(features: Features) -> NDArray[np.floating]:
    return np.asarray(np.median(features.X, axis=0))


def _max(features: Features) -> NDArray[np.floating]:
    return np.asarray(features.X.max(axis=0))


STATISTICS: Mapping[str, Callable[[Features], NDArray[np.floating]]] = {
    "mean": _mean,
    "std": _std,
    "median": _median,
    "max": _max,
}
"""Frames over time -> one vector; mean and std weight each frame by its duration."""

ALL_FRAMES = "none"
"""The aggregation that keeps all frames."""


class FeatureTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Compute one vector per signal or file: features aggregated over time, or of all frames.

    Nothing is learned from the data: `fit` checks options and names columns. Signals may differ in
    length if their features are aggregated, vectors do not.

    Parameters
    ----------
    features : str or extractor, default "scattering"
        A name ("scattering:J=12,Q=12/2+mfcc", see `scatseg.extractor`) or a callable
        `(y, sr) -> Features`. Features joined by `+` are not scaled: scale columns in the next
        step.
    sr : int, default 22050
        Sampling rate of the signals in Hz. Files are resampled to it.
    aggregate : str, default "mean"
        Statistics over frames: one or more of "mean", "std", "median" and "max", joined by `+`.
        Mean and std weight each frame by its duration. Or "none" for all frames of signals of one
        length, in columns `feature * n_frames + frame`; the frames are those of the first of
        several features, the others are averaged over them.
    n_jobs : int, optional
        Number of processes, as in scikit-learn: 1 by default, -1 for all cores.

    Attributes
    ----------
    feature_names_ : tuple of FeatureName
        Names of the features in physical units, before aggregation.
    n_frames_ : int
        Number of frames kept of each feature; 1 if they are aggregated.
    frame_centers_ : ndarray of float64, shape (n_frames_,)
        Centers of these frames in seconds. Only if all frames are kept.
    n_samples_ : int
        Length of the signals. Only if all frames are kept.

    See Also
    --------
    MedianLogCompressor : Logarithm relative to the medians of the training set.

    Notes
    -----
    For a logarithm relative to the medians of the training set instead of the recording, use
    `FeatureTransformer("scattering:compression=none,renormalize=false")` followed by
    `MedianLogCompressor()`.

    Examples
    --------
    >>> t = np.arange(22050) / 22050
    >>> tones = [np.sin(2 * np.pi * hertz * t) for hertz in (220, 440, 880)]
    >>> transformer = FeatureTransformer("scattering:J=10,max_order=1")
    >>> X = transformer.fit_transform(tones)
    >>> [str(name) for name in transformer.get_feature_names_out()[X.argmax(axis=1)]]
    ['scattering S1 212.1 Hz', 'scattering S1 424.3 Hz', 'scattering S1 848.5 Hz']
    """

    def __init__(
        self,
        features: str | Extractor = "scattering",
        *,
        sr: int = 22050,
        aggregate: str = "mean",
        n_jobs: int | None = None,
    ) -> None:
        self.features = features
        self.sr = sr
        self.aggregate = aggregate
        self.n_jobs = n_jobs

    def fit(self, X: Iterable[ArrayLike | FilePath], y: object = None) -> FeatureTransformer:  # noqa: ARG002
        """Check the options and name the columns.

        Parameters
        ----------
        X : sequence of array_like or path, array_like or DataFrame, shape (n_signals, n_samples)
            Signals or files. Of files, the first is read if all frames are kept, otherwise none.
        y : ignored
            For compatibility with pipelines.

        Returns
        -------
        self : FeatureTransformer

        Raises
        ------
        TypeError
            When X can be read only once, as a generator.
        ValueError
            When an option is invalid, or X does not hold signals.
        """
        check_rate(self.sr)
        _statistics(self.aggregate)
        rows = _rows(X)
        n_samples = round(_PROBE_SECONDS * self.sr)
        if self.aggregate == ALL_FRAMES:
            n_samples = self.n_samples_ = len(_loaded(rows[0], self.sr))
        silence = np.zeros(n_samples, dtype=np.float32)
        described = [extracted(part, silence, self.sr) for part in _parts(self.features)]
        self.feature_names_: tuple[FeatureName, ...] = tuple(
            name for features in described for name in features.names
        )
        self.n_frames_ = 1
        if self.aggregate == ALL_FRAMES:
            self.frame_centers_ = described[0].centers
            self.n_frames_ = len(self.frame_centers_)
        return self

    def transform(self, X: Iterable[ArrayLike | FilePath]) -> NDArray[np.floating]:
        """Compute the feature vectors of signals.

        Parameters
        ----------
        X : sequence of array_like or path, array_like or DataFrame, shape (n_signals, n_samples)
            Mono signals at `sr`, or files that `scatseg.load` reads. Each of any length, unless all
            frames are kept.

        Returns
        -------
        vectors : ndarray of float, shape (n_signals, n_features)
            Rows as in X, columns as in `get_feature_names_out`.

        Raises
        ------
        TypeError
            When X can be read only once, as a generator.
        ValueError
            When a signal is empty, not a vector, not real or not finite, or all frames are kept and
            lengths or numbers of frames differ; the message names it.
        AudioError
            When a file cannot be read.
        """
        check_is_fitted(self)
        rows, parts = _rows(X), _parts(self.features)
        if self.aggregate == ALL_FRAMES:
            grid = (self.n_samples_, self.n_frames_)
            work = [
                delayed(_frames)(row, i, parts, int(self.sr), grid) for i, row in enumerate(rows)
            ]
        else:
            work = [delayed(_vector)(row, parts, int(self.sr), self.aggregate) for row in rows]
        return np.stack(Parallel(n_jobs=self.n_jobs)(work))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:  # noqa: ARG002
        """Return the names of columns in physical units: "scattering S2 440 Hz rate 5.38 Hz".

        Parameters
        ----------
        input_features : ignored
            Signals have samples, not features.

        Returns
        -------
        names : ndarray of str, shape (n_features,)
            Prefixed by the statistic, unless it is "mean" alone. If all frames are kept, the center
            of the frame follows: "scattering S1 440 Hz at 0.37 s". A name that several extractors
            give to their features is numbered: "scattering S1 440 Hz (2)".
        """
        check_is_fitted(self)
        names = _numbered(self.feature_names_)
        if self.aggregate == ALL_FRAMES:
            times = _distinct(self.frame_centers_)
            return np.array([f"{name} at {at} s" for name in names for at in times], dtype=object)
        statistics = _statistics(self.aggregate)
        prefixes = [""] if statistics == ["mean"] else [f"{name} " for name in statistics]
        return np.array([f"{prefix}{name}" for prefix in prefixes for name in names], dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Declare to scikit-learn that rows may be paths, and dtypes are not preserved."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.requires_fit = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _numbered(names: Iterable[FeatureName]) -> list[str]:
    """Format names, and number those that occur again, as of one scattering at two scales."""
    counts: Counter[str] = Counter()
    titles = []
    for title in map(str, names):
        counts[title] += 1
        titles.append(title if counts[title] == 1 else f"{title} ({counts[title]})")
    return titles


def _distinct(seconds: NDArray[np.float64]) -> list[str]:
    """Format increasing times with 2 decimals, or as many as it takes to tell them apart."""
    step = float(np.diff(seconds).min()) if len(seconds) > 1 else 1.0
    digits = max(2, math.floor(-math.log10(step)) + 1)
    return [f"{each:.{digits}f}" for each in seconds]


class MedianLogCompressor(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Compress scattering coefficients by a logarithm relative to the training set's medians.

    log(1 + x / (eps * median)) is linear below eps times the median of a column, logarithmic above,
    and gives loud and quiet columns the same weight.

    Parameters
    ----------
    eps : float, default 0.1
        Offset relative to the column's median. Positive.
    n_frames : int, default 1
        Number of adjacent columns that are frames of one feature, as of `FeatureTransformer` with
        aggregate="none": they share their median.

    Attributes
    ----------
    levels_ : ndarray of float, shape (n_features,)
        Medians of the columns; at least 1e-6 of the largest median, so that rounding errors of
        nearly empty columns are not amplified.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, if they had any.

    References
    ----------
    V. Lostanlen, J. Andén and M. Lagrange, "Extended playing techniques: the next milestone in
    musical instrument recognition", DLfM 2018.

    Examples
    --------
    >>> X = np.array([[1.0, 100.0], [2.0, 200.0], [4.0, 400.0]])
    >>> MedianLogCompressor().fit_transform(X)
    array([[1.792, 1.792],
           [2.398, 2.398],
           [3.045, 3.045]])
    """

    def __init__(self, eps: float = 0.1, *, n_frames: int = 1) -> None:
        self.eps = eps
        self.n_frames = n_frames

    def fit(self, X: ArrayLike, y: object = None) -> MedianLogCompressor:  # noqa: ARG002
        """Compute the medians of the columns.

        Parameters
        ----------
        X : array_like of float, shape (n_signals, n_features)
            Coefficients, non-negative up to rounding.
        y : ignored
            For compatibility with pipelines.

        Returns
        -------
        self : MedianLogCompressor

        Raises
        ------
        ValueError
            When X is negative or not finite, eps not positive, or the number of columns no
            multiple of `n_frames`.
        """
        if not self.eps > 0:
            msg = f"eps must be positive, got {self.eps!r}"
            raise ValueError(msg)
        rows = frames_as_rows(self._checked(X, reset=True), self.n_frames)
        self.levels_ = np.repeat(median_levels(rows), self.n_frames)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Compress coefficients.

        Parameters
        ----------
        X : array_like of float, shape (n_signals, n_features)
            Coefficients, non-negative up to rounding.

        Returns
        -------
        compressed : ndarray of float, shape (n_signals, n_features)
            log(1 + X / (eps * levels_)), in the precision of X.
        """
        check_is_fitted(self)
        coefficients = self._checked(X, reset=False)
        quiet = (self.eps * self.levels_).astype(coefficients.dtype)
        return cast(NDArray[np.floating], np.log1p(coefficients / quiet))

    def _checked(self, X: ArrayLike, *, reset: bool) -> NDArray[np.floating]:
        array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])
        if array.min() < -_NEGATIVE * array.max():
            msg = (
                f"Negative values in data passed to MedianLogCompressor: {array.min():g}. It needs "
                "coefficients that are not compressed yet, such as those of compression=none"
            )
            raise ValueError(msg)
        return cast(NDArray[np.floating], np.maximum(array, 0))

    def __sklearn_tags__(self) -> Any:
        """Declare to scikit-learn that input is non-negative, and dtypes are preserved."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def frames_as_rows(X: NDArray[np.floating], n_frames: int) -> NDArray[np.floating]:
    """Return the frames of all signals below each other.

    Parameters
    ----------
    X : ndarray of float, shape (n_signals, n_features * n_frames)
        Columns `feature * n_frames + frame`.
    n_frames : int
        Number of frames. Positive.

    Returns
    -------
    rows : ndarray of float, shape (n_signals * n_frames, n_features)

    Raises
    ------
    ValueError
        When the number of columns is no multiple of `n_frames`.

    Examples
    --------
    >>> frames_as_rows(np.array([[1.0, 2.0, 10.0, 20.0]]), 2)
    array([[ 1., 10.],
           [ 2., 20.]])
    """
    n_columns = X.shape[1]
    if not n_frames >= 1 or n_columns % n_frames:
        msg = f"n_frames must divide {counted(n_columns, 'column')}, got {n_frames!r}"
        raise ValueError(msg)
    paths = X.reshape(len(X), n_columns // n_frames, n_frames)
    return paths.swapaxes(1, 2).reshape(-1, paths.shape[1])


def _statistics(aggregate: object) -> list[str]:
    """Return the names of statistics, none if all frames are kept."""
    if aggregate == ALL_FRAMES:
        return []
    names = aggregate.split("+") if isinstance(aggregate, str) else []
    if not names or len(set(names)) < len(names) or not set(names) <= set(STATISTICS):
        msg = (
            f"aggregate must be one or more of {', '.join(STATISTICS)}, or {ALL_FRAMES} by itself, "
            f"got {aggregate!r}"
        )
        raise ValueError(msg)
    return names


def _parts(features: str | Extractor) -> tuple[Extractor, ...]:
    """Return the extractors, those of a `Stack` separately.

    A `Stack` scales its parts to a variance of 1 over a recording, so that recordings could not be
    compared.
    """
    if not (isinstance(features, str) or callable(features)):
        msg = f'features must be a name like "scattering:J=12" or an extractor, got {features!r}'
        raise ValueError(msg)
    extract = extractor(features) if isinstance(features, str) else features
    return extract.parts if isinstance(extract, Stack) else (extract,)


def _rows(X: Any) -> list[FilePath | Signal]:
    """Return checked signals, and paths as they are."""
    if issparse(X):
        msg = "sparse data are no signals: pass a sequence of arrays or of paths"
        raise ValueError(msg)
    if isinstance(X, Iterator):
        msg = f"a {type(X).__name__} can be read only once: put what it yields into a list"
        raise TypeError(msg)
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):  # a DataFrame iterates over its columns
        X = X.to_numpy()
        if X.dtype.kind not in "fiub":
            msg = (
                f"a DataFrame must hold numbers, one signal per row, got {X.dtype}: "
                "of paths, pass their column"
            )
            raise ValueError(msg)
    if not isinstance(X, Iterable):
        X = np.asarray(X)
    single = isinstance(X, str | os.PathLike) or getattr(X, "ndim", 1) == 0
    rows = [] if single else list(X)
    if single or (rows and np.ndim(rows[0]) == 0 and not isinstance(rows[0], str | os.PathLike)):
        msg = (
            "X must be a sequence of signals or of paths, got a single one or none. "
            "Reshape your data to (1, n_samples), or put what you have into a list"
        )
        raise ValueError(msg)
    if not rows:
        msg = "X holds no signals: at least 1 is needed"
        raise ValueError(msg)
    return [
        row if isinstance(row, str | os.PathLike) else _signal(row, i) for i, row in enumerate(rows)
    ]


def _signal(row: Any, index: int) -> Signal:
    signal = np.asarray(row)
    if signal.ndim != 1 or not signal.size:
        msg = f"signal {index} of X must have shape (n_samples,), n_samples > 0, got {signal.shape}"
        raise ValueError(msg)
    if signal.dtype.kind not in "fiub":
        complex_ = "Complex data not supported: " if signal.dtype.kind == "c" else ""
        msg = f"{complex_}signal {index} of X must be real numbers, got {signal.dtype}"
        raise ValueError(msg)
    signal = signal.astype(np.result_type(signal.dtype, np.float32), copy=False)
    if not np.isfinite(signal).all():
        msg = f"signal {index} of X must be finite, it holds NaN or inf"
        raise ValueError(msg)
    return signal


def _loaded(row: FilePath | Signal, sr: int) -> Signal:
    return row if isinstance(row, np.ndarray) else audio.load(row, sr=sr)[0]


def _vector(
    row: FilePath | Signal, parts: Sequence[Extractor], sr: int, aggregate: str
) -> NDArray[np.floating]:
    """Compute the feature vector of one signal or file."""
    y = _loaded(row, sr)
    with one_thread():  # as in the processes of n_jobs, so that vectors do not depend on it
        described = [extracted(part, y, sr) for part in parts]
    return np.concatenate(
        [STATISTICS[name](features) for name in _statistics(aggregate) for features in described]
    )


def _frames(
    row: FilePath | Signal, index: int, parts: Sequence[Extractor], sr: int, grid: tuple[int, int]
) -> NDArray[np.floating]:
    """Compute all frames of one signal or file, feature by feature.

    `grid` holds the expected numbers of samples and frames.
    """
    n_samples, n_frames = grid
    what = f"signal {index} of X" if isinstance(row, np.ndarray) else os.fspath(row)
    y = _loaded(row, sr)
    if len(y) != n_samples:
        msg = (
            f"{what} has {counted(len(y), 'sample')}, the first in `fit` had {n_samples:,}: to "
            f"keep all frames (aggregate={ALL_FRAMES!r}), cut or pad signals to one length"
        )
        raise ValueError(msg)
    with one_thread():
        on_grid = extracted_together(parts, y, sr)
    if len(on_grid[0]) != n_frames:
        msg = (
            f"{what} has {counted(len(on_grid[0]), 'frame')}, silence of its length {n_frames}: to "
            f"keep all frames (aggregate={ALL_FRAMES!r}), their number must not depend on the sound"
        )
        raise ValueError(msg)
    return np.concatenate([features.X.T.ravel() for features in on_grid])

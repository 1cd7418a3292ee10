"""Scores over tracks -> confidence intervals, tests and rankings.

The unit of resampling, pairing and ranking is the track.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_RESAMPLES = 10_000
"""Bootstrap samples: the bounds of a 95 % interval are reproducible to about 1 % of its width."""

_TIE = 1e-9  # smaller differences are rounding errors
_BLOCK = 2**22  # weights in memory at a time


class Outcomes(NamedTuple):
    """Numbers of tracks on which one system is better than, equal to and worse than another."""

    wins: int
    ties: int
    losses: int


def bootstrap_intervals(
    samples: Sequence[ArrayLike],
    *,
    confidence: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Compute the percentile bootstrap interval of the mean of each sample.

    Parameters
    ----------
    samples : sequence of array_like of float, each of shape (n_values,)
        Finite values in any order; samples may differ in length.
    confidence : float, default 0.95
        Share of the resampled means within the interval, strictly between 0 and 1.
    n_resamples : int, default 10000
        Number of bootstrap samples.
    seed : int, default 0
        Equal seeds give equal intervals, regardless of other samples.

    Returns
    -------
    intervals : ndarray of float, shape (n_samples, 2)
        Lower and upper bound, rounded to 1e-12; NaN for a sample of less than two values.

    Raises
    ------
    ValueError
        When a value is not finite or an option is out of range.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An introduction to the bootstrap", Chapman & Hall, 1993,
    chapter 13.

    Examples
    --------
    >>> bootstrap_intervals([[0.2, 0.4, 0.6, 0.8]]).round(2)
    array([[0.3, 0.7]])
    """
    if not 0 < confidence < 1:
        msg = f"confidence must lie between 0 and 1, got {confidence:g}"
        raise ValueError(msg)
    if n_resamples < 1:
        msg = f"n_resamples must be at least 1, got {n_resamples}"
        raise ValueError(msg)
    arrays = [np.sort(_finite_vector(sample)) for sample in samples]
    intervals = np.full((len(arrays), 2), np.nan)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    for size in {len(array) for array in arrays if len(array) > 1}:
        numbers = [i for i, array in enumerate(arrays) if len(array) == size]
        means = _resampled_means(np.column_stack([arrays[i] for i in numbers]), n_resamples, seed)
        # Rounded, as the order of summation in a matrix product depends on size and machine.
        intervals[numbers] = np.quantile(means, tails, axis=0).T.round(12)
    return intervals


def grouped_intervals(
    samples: Sequence[ArrayLike], groups: ArrayLike, *, seed: int = 0
) -> NDArray[np.float64]:
    """Compute the cluster bootstrap 95 % interval of the mean of each sample.

    Whole groups are resampled, since values that share a player or a recording are not independent.

    Parameters
    ----------
    samples : sequence of array_like of float, each of shape (n_values,)
        Finite values.
    groups : array_like, shape (n_values,)
        Group of each value; None and NaN are none.
    seed : int, default 0
        As in `bootstrap_intervals`, to which the result is equal if all groups differ.

    Returns
    -------
    intervals : ndarray of float, shape (n_samples, 2)
        Lower and upper bound, rounded to 1e-12; NaN for less than two groups.

    Raises
    ------
    ValueError
        When a value is not finite, or has no group.

    References
    ----------
    A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application", Cambridge University
    Press, 1997, section 3.8.

    Examples
    --------
    >>> grouped_intervals([[0.2, 0.2, 0.8, 0.8]], ["x", "x", "y", "y"]).round(2)
    array([[0.2, 0.8]])
    """
    names = np.asarray(groups)
    if any(name is None or name != name for name in names.ravel().tolist()):  # NaN
        msg = f"a group for each value is needed, got None or NaN for some of {len(names)}"
        raise ValueError(msg)
    _, group, sizes = np.unique(names, return_inverse=True, return_counts=True)
    counts = {len(np.asarray(sample)) for sample in samples} - {len(group)}
    if counts:
        msg = f"a group for each value is needed, got {len(group)} groups of {counts.pop()} values"
        raise ValueError(msg)
    if len(sizes) == len(group):
        return bootstrap_intervals(samples, seed=seed)
    if len(sizes) < 2:
        return np.full((len(samples), 2), np.nan)
    sums = [np.bincount(group, _finite_vector(sample)) for sample in samples]
    *drawn, n_values = _resampled_means(np.column_stack([*sums, sizes]), N_RESAMPLES, seed).T
    means = np.array(drawn).reshape(len(samples), -1) / n_values
    intervals: NDArray[np.float64] = np.quantile(means, [0.025, 0.975], axis=1).T.round(12)
    return intervals


def _finite_vector(sample: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(sample, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        msg = (
            f"a sample must be finite numbers in one row, got {array}: leave out what is undefined"
        )
        raise ValueError(msg)
    return array


def _finite_table(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        msg = f"values must have shape (n_tracks, n_systems), none of them 0, got {array.shape}"
        raise ValueError(msg)
    if not np.isfinite(array).all():
        track, system = np.argwhere(~np.isfinite(array))[0]
        msg = (
            f"values must be finite, got {array[track, system]} of system {system} on track "
            f"{track}: leave out tracks without a value of every system"
        )
        raise ValueError(msg)
    return array


def _resampled_means(
    columns: NDArray[np.float64], n_resamples: int, seed: int
) -> NDArray[np.float64]:
    """Compute means of columns (n, m) over n rows drawn with replacement, n_resamples times."""
    return resampled_sums(columns, n_resamples=n_resamples, seed=seed) / len(columns)


def resampled_sums(
    columns: ArrayLike, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """Sum as many rows as there are, drawn with replacement, in little memory.

    Parameters
    ----------
    columns : array_like of float, shape (n_rows, n_columns)
        At least one row.
    n_resamples : int, default 10000
        Number of samples.
    seed : int, default 0
        Equal seeds draw equal rows from equally many.

    Returns
    -------
    sums : ndarray of float64, shape (n_resamples, n_columns)

    Raises
    ------
    ValueError
        When there is no row, or the shape is another.
    """
    values = np.asarray(columns, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        msg = f"columns must have shape (n_rows, n_columns), n_rows > 0, got {values.shape}"
        raise ValueError(msg)
    n = len(values)
    rng = np.random.default_rng([seed, n])
    sums = np.empty((n_resamples, values.shape[1]))
    block = max(1, _BLOCK // n)
    for start in range(0, n_resamples, block):
        rows = min(block, n_resamples - start)
        drawn = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        sums[start : start + rows] = counts @ values
    return sums


def count_outcomes(differences: ArrayLike) -> Outcomes:
    """Count wins, ties and losses.

    Parameters
    ----------
    differences : array_like of float, shape (n_tracks,)
        Finite, positive where the first system is better. Differences under 1e-9 are ties.

    Examples
    --------
    >>> count_outcomes([0.2, 0.0, -0.1, 0.3])
    Outcomes(wins=2, ties=1, losses=1)
    """
    values = _finite_vector(differences)
    wins, losses = int((values > _TIE).sum()), int((values < -_TIE).sum())
    return Outcomes(wins, values.size - wins - losses, losses)


def signed_rank_test(differences: ArrayLike) -> float:
    """Compute Wilcoxon's signed-rank test of paired differences.

    Parameters
    ----------
    differences : array_like of float, shape (n_tracks,)
        Finite. Rounded to 1e-9; zeros are discarded, as by Wilcoxon.

    Returns
    -------
    p : float
        Two-sided p-value; 1 if there is no difference. The method is that of
        `scipy.stats.wilcoxon`: exact for at most 50 differences without ties; with ties, by all
        permutations for at most 13; else by the normal approximation.

    Raises
    ------
    ValueError
        When a difference is not finite.

    References
    ----------
    F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1(6), 1945.
    J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006.

    Examples
    --------
    >>> signed_rank_test([0.1, 0.2, 0.3, 0.4, 0.5])
    0.0625
    """
    import scipy.stats

    values = np.round(_finite_vector(differences), 9)  # so that ties are found
    values = values[values != 0]
    if not values.size:
        return 1.0
    return float(scipy.stats.wilcoxon(values).pvalue)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for multiple tests by Holm's method.

    Parameters
    ----------
    p_values : array_like of float, shape (n_tests,)
        In [0, 1].

    Returns
    -------
    adjusted : ndarray of float, shape (n_tests,)
        Adjusted p-values, in the given order, which control the family-wise error rate.

    Raises
    ------
    ValueError
        When a p-value is not in [0, 1], or they are not in one row.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6(2), 1979.

    Examples
    --------
    >>> holm([0.04, 0.01, 0.03])
    array([0.06, 0.03, 0.06])
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        msg = f"p-values must be in [0, 1] and in one row, got {values}"
        raise ValueError(msg)
    order = np.argsort(values)
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return adjusted


def average_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Compute the average rank of systems over tracks, 1 for the highest value.

    Parameters
    ----------
    values : array_like of float, shape (n_tracks, n_systems)
        Finite, higher is better. Ties have the mean of their ranks.

    Returns
    -------
    ranks : ndarray of float, shape (n_systems,)
        In [1, n_systems].

    Raises
    ------
    ValueError
        When a value is not finite, or the shape is another.

    Examples
    --------
    >>> average_ranks([[0.9, 0.5, 0.5], [0.6, 0.7, 0.1]])
    array([1.5 , 1.75, 2.75])
    """
    import scipy.stats

    rounded = np.round(_finite_table(values), 9)
    ranks: NDArray[np.float64] = scipy.stats.rankdata(-rounded, axis=1).mean(axis=0)
    return ranks


def friedman_test(values: ArrayLike) -> float:
    """Compute Friedman's test of no difference between systems.

    Parameters
    ----------
    values : array_like of float, shape (n_tracks, n_systems)
        Finite, higher is better.

    Returns
    -------
    p : float
        p-value by the chi-squared approximation, corrected for ties; 1 if all values are tied.

    Raises
    ------
    ValueError
        When a value is not finite, or the shape is another.

    References
    ----------
    M. Friedman, "The use of ranks to avoid the assumption of normality implicit in the analysis
    of variance", JASA 32(200), 1937.
    """
    import scipy.stats

    rounded = np.round(_finite_table(values), 9)
    n_tracks, n_systems = rounded.shape
    ranks = scipy.stats.rankdata(rounded, axis=1)
    spread = ((ranks - (n_systems + 1) / 2) ** 2).sum()
    if spread == 0:
        return 1.0
    between = ((ranks.sum(axis=0) - n_tracks * (n_systems + 1) / 2) ** 2).sum()
    return float(scipy.stats.chi2.sf((n_systems - 1) * between / spread, n_systems - 1))


def critical_difference(n_systems: int, n_tracks: int, *, alpha: float = 0.05) -> float:
    """Compute Nemenyi's critical difference of average ranks.

    Parameters
    ----------
    n_systems, n_tracks : int
        At least 2 and 1.
    alpha : float, default 0.05
        Family-wise error over all pairs of systems.

    Returns
    -------
    difference : float
        In ranks.

    Raises
    ------
    ValueError
        When there are fewer systems or tracks, or `alpha` is not strictly between 0 and 1.

    References
    ----------
    P. Nemenyi, "Distribution-free multiple comparisons", Princeton University, 1963. J. Demšar,
    "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006, section 3.2.2.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)  # Demšar's example
    1.25
    """
    import scipy.stats

    if n_systems < 2 or n_tracks < 1:
        msg = f"ranks need 2 systems and 1 track or more, got {n_systems} and {n_tracks}"
        raise ValueError(msg)
    if not 0 < alpha < 1:
        msg = f"alpha must lie between 0 and 1, got {alpha:g}"
        raise ValueError(msg)
    q = scipy.stats.studentized_range.ppf(1 - alpha, n_systems, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_systems * (n_systems + 1) / (6 * n_tracks)))


def indistinct_groups(ranks: ArrayLike, difference: float) -> list[tuple[int, ...]]:
    """Find the maximal groups of systems whose ranks are within the critical difference.

    Parameters
    ----------
    ranks : array_like of float, shape (n_systems,)
        Average ranks.
    difference : float
        The critical difference; systems whose ranks are that far apart, or further, differ.

    Returns
    -------
    groups : list of tuple of int
        Indices of systems, best first; groups of one are left out.

    Examples
    --------
    >>> indistinct_groups([1.0, 1.5, 2.2, 4.0], 1.0)
    [(0, 1), (1, 2)]
    """
    values = np.asarray(ranks, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    groups: list[tuple[int, ...]] = []
    last_end = 0
    for start in range(len(order)):
        within = values[order[start:]] - values[order[start]] < difference
        end = start + int(within.sum())
        if end - start > 1 and end > last_end:
            groups.append(tuple(order[start:end].tolist()))
        last_end = max(last_end, end)
    return groups

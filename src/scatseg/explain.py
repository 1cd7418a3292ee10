"""Feature attributions -> relevance by carrier, modulation rate and direction, and a sentence.

The relevance of a feature is its contribution to a score. It is summed over bands that are
perceptually one: a scattering order, an octave of carriers, an octave of modulation rates, a
direction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.counts import rounded
from scatseg.features import FeatureName
from scatseg.scattering.arguments import check_integer

_STEPS = 32
"""Integration steps from the average clip to the one explained."""

_CLEAR = 0.25
"""Minimum relevance relative to the largest."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Features that are perceptually one.

    Parameters
    ----------
    family : str
        "scattering", "jtfs", "mfcc", ...
    order : int or None
        Scattering order.
    carrier : int or None
        Octave of carriers: from 2**carrier to 2**(carrier + 1) Hz; None at 0 Hz.
    rate : int or None
        Octave of modulation rates: from 2**(rate - 0.5) to 2**(rate + 0.5) Hz; None at 0 Hz.
    spin : int or None
        +1 rising, -1 falling, 0 or None neither.
    """

    family: str
    order: int | None = None
    carrier: int | None = None
    rate: int | None = None
    spin: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reason:
    """The contribution of a band.

    Parameters
    ----------
    band : Band
        The band.
    relevance : float
        Contribution of its features to the score; may be negative.
    evidence : float
        Audible part of the relevance: what is positive, of features above average, weighted by
        their share of the energy. Narrow and wide filters respond to the same modulation; the
        evidence is largest where it is strongest. Non-negative.
    rate, carrier : float or None
        Hz: geometric means over features, weighted by evidence or, without any, by absolute
        relevance.
    """

    band: Band
    relevance: float
    evidence: float = 0.0
    rate: float | None = None
    carrier: float | None = None


def band_of(name: FeatureName) -> Band:
    """Return the band of a feature.

    Examples
    --------
    >>> band_of(FeatureName("scattering", 7, order=2, carrier=700.0, modulation=6.5))
    Band(family='scattering', order=2, carrier=9, rate=3, spin=None)
    """
    return Band(
        family=name.family,
        order=name.order,
        carrier=int(np.floor(np.log2(name.carrier))) if name.carrier else None,
        rate=int(np.round(np.log2(name.modulation))) if name.modulation else None,
        spin=name.spin or None,
    )


def linear_relevance(weights: ArrayLike, Z: ArrayLike) -> NDArray[np.float64]:
    """Attribute the score of a linear classifier to features.

    Parameters
    ----------
    weights : array_like of float, shape (n_features,)
        Weights of the class explained, minus the mean over classes.
    Z : array_like of float, shape (..., n_features)
        Standardized features: 0 is the mean of the training set.

    Returns
    -------
    relevance : ndarray of float, shape (..., n_features)
        Sums to the score minus that of the average clip.

    Examples
    --------
    >>> linear_relevance([2.0, -1.0], [1.0, 3.0])
    array([ 2., -3.])
    """
    return np.asarray(weights, dtype=np.float64) * np.asarray(Z, dtype=np.float64)


def integrated_gradients(
    gradient: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    z: ArrayLike,
    *,
    n_steps: int = _STEPS,
) -> NDArray[np.float64]:
    """Attribute the score of a differentiable classifier to features by integrated gradients.

    Parameters
    ----------
    gradient : callable
        Gradient of the score at points (n_points, n_features), of the same shape.
    z : array_like of float, shape (n_features,)
        Standardized features of the clip explained.
    n_steps : int, default 32
        Integration steps from the average clip, 0, to z; at least 1.

    Returns
    -------
    relevance : ndarray of float, shape (n_features,)
        Sums to the score minus that of the average clip, up to the integration error. Equal to
        `linear_relevance` for a linear score.

    References
    ----------
    M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.

    Examples
    --------
    >>> integrated_gradients(lambda points: 2 * points, [1.0, 3.0])  # of the sum of squares
    array([1., 9.])
    """
    check_integer("n_steps", n_steps, 1)
    point = np.asarray(z, dtype=np.float64)
    middles = (np.arange(n_steps) + 0.5) / n_steps
    mean: NDArray[np.float64] = gradient(middles[:, None] * point).mean(axis=0)
    return point * mean


def permutation_importance(
    score: Callable[[NDArray[np.floating]], float],
    X: NDArray[np.floating],
    names: Sequence[FeatureName],
    *,
    n_repeats: int = 5,
    seed: int = 0,
) -> list[Reason]:
    """Compute the permutation importance of each band.

    Parameters
    ----------
    score : callable
        Score of X, such as accuracy; larger is better.
    X : ndarray of float, shape (n_clips, n_features)
        Features of clips not used in training.
    names : sequence of FeatureName, length n_features
        Feature names. All features of a band are permuted together, as they are correlated.
    n_repeats : int, default 5
        Permutations per band to average over, at least 1.
    seed : int, default 0
        Seed of the permutations.

    Returns
    -------
    reasons : list of Reason
        One per band, most important first; `relevance` is the mean decrease of the score.

    References
    ----------
    L. Breiman, "Random forests", Machine Learning 45(1), 2001.
    """
    check_integer("n_repeats", n_repeats, 1)
    if np.shape(X)[1:] != (len(names),):
        msg = f"X must have shape (n_clips, {len(names)}), one column per name, got {np.shape(X)}"
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    whole = score(X)
    reasons = []
    for band, columns in _columns_by_band(tuple(names)).items():
        falls = []
        for _ in range(n_repeats):
            shuffled = X.copy()
            shuffled[:, columns] = X[rng.permutation(len(X))][:, columns]
            falls.append(whole - score(shuffled))
        fall = np.full(len(columns), float(np.mean(falls)) / len(columns))
        reasons.append(_reason(band, fall, np.maximum(fall, 0), columns, names))
    return sorted(reasons, key=lambda reason: -reason.relevance)


def reasons_for(
    relevance: ArrayLike,
    names: Sequence[FeatureName],
    *,
    Z: ArrayLike | None = None,
    energy: ArrayLike | None = None,
) -> list[Reason]:
    """Sum relevance by band.

    Parameters
    ----------
    relevance : array_like of float, shape (n_features,)
        Relevance of each feature.
    names : sequence of FeatureName, length n_features
        Feature names.
    Z : array_like of float, shape (n_features,), optional
        Standardized features; those at or below 0 give no evidence. By default, all count.
    energy : array_like of float, shape (n_features,), optional
        Non-negative; normalized within each family and order. Uniform by default.

    Returns
    -------
    reasons : list of Reason
        One per band, most relevant first. They sum to the sum of `relevance`.

    Raises
    ------
    ValueError
        When `relevance`, `Z` or `energy` is not one value per name.
    """
    values = _per_name("relevance", relevance, names)
    there = np.ones(len(names)) if Z is None else _per_name("Z", Z, names) > 0
    loudness = np.ones(len(names)) if energy is None else _per_name("energy", energy, names)
    evidence = np.maximum(values, 0) * there * _shares(loudness, names)
    reasons = [
        _reason(band, values[columns], evidence[columns], columns, names)
        for band, columns in _columns_by_band(tuple(names)).items()
    ]
    return sorted(reasons, key=lambda reason: -reason.relevance)


def _per_name(argument: str, given: ArrayLike, names: Sequence[FeatureName]) -> NDArray[np.float64]:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != (len(names),):
        msg = f"{argument} must have shape ({len(names)},), one per name, got {values.shape}"
        raise ValueError(msg)
    return values


def _shares(energy: NDArray[np.float64], names: Sequence[FeatureName]) -> NDArray[np.float64]:
    """Normalize energy within each family and order."""
    kind = _kinds(tuple(names))
    totals = np.bincount(kind, energy)[kind]
    return energy / np.where(totals > 0, totals, 1)


@functools.lru_cache(maxsize=16)
def _kinds(names: tuple[FeatureName, ...]) -> NDArray[np.intp]:
    """Assign a number to each family and order of features."""
    kinds = [f"{name.family} {name.order}" for name in names]
    return np.asarray(np.unique(kinds, return_inverse=True)[1], dtype=np.intp)


@functools.lru_cache(maxsize=16)
def _columns_by_band(names: tuple[FeatureName, ...]) -> Mapping[Band, NDArray[np.intp]]:
    columns: dict[Band, list[int]] = {}
    for i, name in enumerate(names):
        columns.setdefault(band_of(name), []).append(i)
    return {band: np.array(found) for band, found in columns.items()}


def _reason(
    band: Band,
    relevance: NDArray[np.float64],
    evidence: NDArray[np.float64],
    columns: NDArray[np.intp],
    names: Sequence[FeatureName],
) -> Reason:
    """Sum the values of the features of a band."""
    weights = evidence if evidence.any() else np.abs(relevance)
    weights = weights / weights.sum() if weights.any() else np.full(len(columns), 1 / len(columns))

    def mean_hertz(hertz: list[float | None]) -> float | None:
        there = np.array([value for value in hertz if value])
        if len(there) < len(hertz):
            return None
        return float(2 ** (weights @ np.log2(there)))

    return Reason(
        band=band,
        relevance=float(relevance.sum()),
        evidence=float(evidence.sum()),
        rate=mean_hertz([names[i].modulation for i in columns]),
        carrier=mean_hertz([names[i].carrier for i in columns]),
    )


def audible_in(seconds: float, reasons: Sequence[Reason]) -> list[Reason]:
    """Keep the bands that a sound can show: of modulations, those with a period or more in it.

    Coefficients at slower rates depend on the duration and decay of the sound.

    Parameters
    ----------
    seconds : float
        Duration of the sound, without padding.
    reasons : sequence of Reason
        From `reasons_for`.

    Examples
    --------
    >>> slow, fast = (
    ...     Reason(band=Band(family="jtfs", rate=rate), relevance=1.0, rate=2.0**rate)
    ...     for rate in (1, 4)
    ... )
    >>> audible_in(0.1, [slow, fast]) == [fast]
    True
    """
    return [each for each in reasons if each.rate is None or each.rate * seconds >= 1]


def carriers_and_rates(
    reasons: Sequence[Reason], *, spin: int | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Arrange relevance as a map of carriers by rates.

    Parameters
    ----------
    reasons : sequence of Reason
        From `reasons_for`. Bands without a carrier are left out.
    spin : int, optional
        Direction to select; None for bands without one.

    Returns
    -------
    carriers, rates : ndarray of int, shape (n_carriers,), (n_rates,)
        Octaves as in `Band`, without gaps.
    relevance : ndarray of float, shape (n_carriers, n_rates + 1)
        Bands without a rate (order 1) in the first column, then by rate. NaN where there is no
        band.
    """
    bands = [each for each in reasons if each.band.carrier is not None]
    with_rate = [each.band.rate for each in bands if each.band.rate is not None]
    with_carrier = [each.band.carrier for each in bands if each.band.carrier is not None]
    carriers = _octaves(with_carrier)
    rates = _octaves(with_rate)
    relevance = np.full((len(carriers), len(rates) + 1), np.nan)
    for each in bands:
        if each.band.carrier is None or (each.band.rate is not None and each.band.spin != spin):
            continue
        row = each.band.carrier - carriers[0]
        column = 0 if each.band.rate is None else each.band.rate - rates[0] + 1
        relevance[row, column] = np.nan_to_num(relevance[row, column]) + each.relevance
    return carriers, rates, relevance


def _octaves(found: Sequence[int]) -> NDArray[np.intp]:
    return np.arange(min(found), max(found) + 1) if found else np.arange(0)


def decisive(reasons: Sequence[Reason]) -> Reason | None:
    """Choose the band to name in an explanation: the most relevant audible one.

    Parameters
    ----------
    reasons : sequence of Reason
        From `reasons_for`.

    Returns
    -------
    reason : Reason or None
        The most relevant band with evidence, among those with at least a quarter of the largest
        relevance; or of these, a band an octave of modulation rates apart with more evidence, since
        its filters respond to the same modulation. If there is no such band, the most relevant one.
        None if no relevance is positive.

    Examples
    --------
    >>> low, high = (Band(family="scattering", order=1, carrier=octave) for octave in (8, 12))
    >>> strong = Reason(band=low, relevance=1.0, evidence=0.1)
    >>> decisive([Reason(band=high, relevance=0.1, evidence=0.9), strong]) == strong
    True
    """
    strongest = max(reasons, key=lambda each: each.relevance, default=None)
    if strongest is None or strongest.relevance <= 0:
        return None
    least = _CLEAR * strongest.relevance
    supporting = [each for each in reasons if each.evidence > 0 and each.relevance >= least]
    if not supporting:
        return strongest
    first = max(supporting, key=lambda each: each.relevance)
    beside = [each for each in supporting if _within_an_octave(each.band, first.band)]
    return max(beside, key=lambda each: each.evidence)


def _within_an_octave(band: Band, other: Band) -> bool:
    """Return whether bands differ by at most an octave of modulation rates."""
    if band.rate is None or other.rate is None:
        return band == other
    return replace(band, rate=other.rate) == other and abs(band.rate - other.rate) <= 1


def sentence(label: str, reasons: Sequence[Reason], *, called: str | None = None) -> str:
    """Explain a class by its decisive band in one sentence.

    Parameters
    ----------
    label : str
        The class explained.
    reasons : sequence of Reason
        From `reasons_for`.
    called : str, optional
        The predicted class, if different.

    Returns
    -------
    text : str
        Names the `decisive` band; "little" means that its absence is the evidence.

    Examples
    --------
    >>> band = Band(family="scattering", order=2, carrier=9, rate=3)
    >>> sentence("trill", [Reason(band=band, relevance=1.0, evidence=0.5, rate=6.5)])
    'called trill because of amplitude modulation at 6.5 Hz (band 5.7-11 Hz) around 0.51-1 kHz'
    >>> sentence("trill", [], called="vibrato")
    'called vibrato; no evidence for trill'
    """
    most = decisive(reasons)
    what = "" if most is None else f"{'' if most.evidence > 0 else 'little '}{described(most)}"
    if called not in (None, label):
        evidence = f"strongest evidence for {label}: {what}" if what else f"no evidence for {label}"
        return f"called {called}; {evidence}"
    return f"called {label} " + (f"because of {what}" if what else "without clear evidence")


def kind_of(band: Band) -> tuple[object, ...]:
    """Return a key for summing over carriers; bands without a rate keep their octave."""
    if band.rate is None:
        return (band.family, band.order, band.carrier)
    return (band.family, band.order, band.rate, band.spin)


def described(reason: Reason) -> str:
    """Describe a band in words.

    Examples
    --------
    >>> described(Reason(band=Band(family="scattering", order=1, carrier=10), relevance=1.0))
    'energy around 1-2 kHz'
    """
    band = reason.band
    where = "" if band.carrier is None else f" around {hertz_range(band.carrier)}"
    if band.rate is None or reason.rate is None:
        return f"energy{where}" if where else band.family
    low, high = 2 ** (band.rate - 0.5), 2 ** (band.rate + 0.5)
    moves = {1: "rising", -1: "falling"}.get(band.spin or 0, "amplitude")
    rate = f"{rounded(reason.rate, 2)} Hz (band {rounded(low, 2)}-{rounded(high, 2)} Hz)"
    return f"{moves} modulation at {rate}{where}"


def hertz_range(octave: int) -> str:
    """Format an octave of carriers.

    Examples
    --------
    >>> hertz_range(7), hertz_range(10)
    ('128-256 Hz', '1-2 kHz')
    """
    low, high = 2.0**octave, 2.0 ** (octave + 1)
    if high >= 1000:
        return f"{low / 1000:.2g}-{high / 1000:.2g} kHz"
    return f"{low:.3g}-{high:.3g} Hz"

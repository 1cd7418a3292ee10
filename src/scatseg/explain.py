"""What decided -> relevance by carrier, modulation rate and direction, and a sentence that says it.

Pure functions of arrays. A relevance says by how much one column of standardized features raised a
score; it is summed over columns that a listener would call one thing: a scattering order, an octave
of carriers, an octave of modulation rates, a direction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.features import FeatureName

_STEPS = 32
"""Points on the way from the average clip to the one that is explained."""

_CLEAR = 0.25
"""Of the largest relevance: what has less is pale beside it in a picture."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Columns that a listener would call one thing.

    Parameters
    ----------
    family : str
        "scattering", "jtfs", "mfcc", ...
    order : int or None
        Scattering order.
    carrier : int or None
        Octave of carriers: from 2**carrier to 2**(carrier + 1) Hz.
    rate : int or None
        Octave of modulation rates: from 2**(rate - 0.5) to 2**(rate + 0.5) Hz.
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
    """What a band contributed.

    Parameters
    ----------
    band : Band
        Which columns.
    relevance : float
        By how much they raised the score; negative where they lowered it.
    evidence : float
        How much of that can be heard in the sound: what raised the score by being there and not by
        being absent, weighted by its share of the energy. Narrow and wide filters hear one
        modulation; this is where it is loudest. Not negative.
    rate, carrier : float or None
        Hz: geometric means of the columns, weighted by the evidence or, without any, by the size of
        the relevance.
    """

    band: Band
    relevance: float
    evidence: float = 0.0
    rate: float | None = None
    carrier: float | None = None


def band_of(name: FeatureName) -> Band:
    """Tell to which band a column belongs.

    Examples
    --------
    >>> band_of(FeatureName("scattering", 7, order=2, carrier=700.0, modulation=6.5))
    Band(family='scattering', order=2, carrier=9, rate=3, spin=None)
    """
    return Band(
        family=name.family,
        order=name.order,
        carrier=None if name.carrier is None else int(np.floor(np.log2(name.carrier))),
        rate=None if name.modulation is None else int(np.round(np.log2(name.modulation))),
        spin=name.spin or None,
    )


def linear_relevance(weights: ArrayLike, Z: ArrayLike) -> NDArray[np.float64]:
    """Split the score of a linear classifier among the columns.

    Parameters
    ----------
    weights : array_like of float, shape (n_features,)
        Of the class that is explained, less the mean of all classes.
    Z : array_like of float, shape (..., n_features)
        Standardized features: 0 is the average of the training set.

    Returns
    -------
    relevance : ndarray of float, shape (..., n_features)
        Sums to the score less that of the average clip.

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
    """Split the score of a smooth classifier among the columns.

    Parameters
    ----------
    gradient : callable
        (n_points, n_features) -> the score's gradient there, of the same shape.
    z : array_like of float, shape (n_features,)
        Standardized features of the clip that is explained.
    n_steps : int, default 32
        Points on the straight line from the average clip, 0, to z.

    Returns
    -------
    relevance : ndarray of float, shape (n_features,)
        Sums to the score less that of the average clip, but for the error of the integration. Of a
        linear score, `linear_relevance`.

    References
    ----------
    M. Sundararajan, A. Taly and Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.

    Examples
    --------
    >>> integrated_gradients(lambda points: 2 * points, [1.0, 3.0])  # of the sum of squares
    array([1., 9.])
    """
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
    """Find by how much a score falls when a band's columns are shuffled among clips.

    Parameters
    ----------
    score : callable
        X -> what is to be explained, such as accuracy; larger is better.
    X : ndarray of float, shape (n_clips, n_features)
        Features of clips that were not trained on.
    names : sequence of FeatureName, length n_features
        What the columns measure. All columns of a band are shuffled together, as neighbors hold
        the same and would stand in for each other.
    n_repeats : int, default 5
        Shuffles of each band, whose effects are averaged.
    seed : int, default 0
        Of the shuffles.

    Returns
    -------
    reasons : list of Reason
        Per band, the most important first; `relevance` is the mean fall of the score.

    References
    ----------
    L. Breiman, "Random forests", Machine Learning 45(1), 2001.
    """
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
        Of each column.
    names : sequence of FeatureName, length n_features
        What the columns measure.
    Z : array_like of float, shape (n_features,), optional
        Standardized features: what is below 0 is less than usual. When absent, all is there.
    energy : array_like of float, shape (n_features,), optional
        Not negative. Shares are those of all columns of one family and order. When absent, all
        columns have the same.

    Returns
    -------
    reasons : list of Reason
        Per band, what raised the score most first. They sum to the sum of `relevance`.

    Raises
    ------
    ValueError
        When there are not as many names as columns.
    """
    values = np.asarray(relevance, dtype=np.float64)
    if values.shape != (len(names),):
        msg = f"relevance must have shape ({len(names)},), one per name, got {values.shape}"
        raise ValueError(msg)
    there = np.ones(len(names)) if Z is None else np.asarray(Z, dtype=np.float64) > 0
    evidence = np.maximum(values, 0) * there * _shares(energy, names)
    reasons = [
        _reason(band, values[columns], evidence[columns], columns, names)
        for band, columns in _columns_by_band(tuple(names)).items()
    ]
    return sorted(reasons, key=lambda reason: -reason.relevance)


def _shares(energy: ArrayLike | None, names: Sequence[FeatureName]) -> NDArray[np.float64]:
    """Divide energy by that of all columns of its family and order."""
    values = np.ones(len(names)) if energy is None else np.asarray(energy, dtype=np.float64)
    kind = _kinds(tuple(names))
    totals = np.bincount(kind, values)[kind]
    return values / np.where(totals > 0, totals, 1)


@functools.lru_cache(maxsize=16)
def _kinds(names: tuple[FeatureName, ...]) -> NDArray[np.intp]:
    """Give each family and order of columns a number."""
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
    """Sum the values of one band's columns."""
    weights = evidence if evidence.any() else np.abs(relevance)
    weights = weights / weights.sum() if weights.any() else np.full(len(columns), 1 / len(columns))

    def mean_hertz(hertz: list[float | None]) -> float | None:
        there = np.array([value for value in hertz if value is not None])
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


def carriers_and_rates(
    reasons: Sequence[Reason], *, spin: int | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Lay relevance out as a map.

    Parameters
    ----------
    reasons : sequence of Reason
        As `reasons_for` gives them. What has no carrier is left out.
    spin : int, optional
        The direction that is laid out; None for what has none.

    Returns
    -------
    carriers, rates : ndarray of int, shape (n_carriers,), (n_rates,)
        Octaves as in `Band`, without gaps.
    relevance : ndarray of float, shape (n_carriers, n_rates + 1)
        In the first column what has no rate (order 1), then by rate. NaN where nothing is.
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
    """Choose the band that a sentence names: the strongest of what can be heard.

    Parameters
    ----------
    reasons : sequence of Reason
        As `reasons_for` gives them.

    Returns
    -------
    reason : Reason or None
        Of the bands with evidence the one with the largest relevance, if that is at least a quarter
        of the largest there is. Filters an octave of modulation rates below and above hear the same
        modulation, more faintly: of those as clear as that, the one with the most evidence stands
        for all. Where nothing so strong can be heard, the band with the largest relevance. None
        where no relevance is positive.

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
    heard = [each for each in reasons if each.evidence > 0 and each.relevance >= least]
    if not heard:
        return strongest
    first = max(heard, key=lambda each: each.relevance)
    beside = [each for each in heard if _hears_the_same(each.band, first.band)]
    return max(beside, key=lambda each: each.evidence)


def _hears_the_same(band: Band, other: Band) -> bool:
    """Tell whether bands differ in at most an octave of modulation rates."""
    if band.rate is None or other.rate is None:
        return band == other
    return replace(band, rate=other.rate) == other and abs(band.rate - other.rate) <= 1


def sentence(label: str, reasons: Sequence[Reason], *, called: str | None = None) -> str:
    """Say in one sentence what spoke most for a class.

    Parameters
    ----------
    label : str
        The class.
    reasons : sequence of Reason
        As `reasons_for` gives them.
    called : str, optional
        The class that it was taken for, where that is another one.

    Returns
    -------
    text : str
        What is `decisive`; "little" of it where its absence spoke for the class.

    Examples
    --------
    >>> band = Band(family="scattering", order=2, carrier=9, rate=3)
    >>> sentence("trill", [Reason(band=band, relevance=1.0, evidence=0.5, rate=6.5)])
    'called trill because of amplitude modulation at 6.5 Hz (5.7-11 Hz) around 0.51-1 kHz'
    >>> sentence("trill", [], called="vibrato")
    'called vibrato; nothing speaks for trill'
    """
    most = decisive(reasons)
    what = "" if most is None else f"{'' if most.evidence > 0 else 'little '}{described(most)}"
    if called not in (None, label):
        speaks = f"what speaks most for {label}: {what}" if what else f"nothing speaks for {label}"
        return f"called {called}; {speaks}"
    return f"called {label} " + (f"because of {what}" if what else "although nothing speaks for it")


def kind_of(band: Band) -> tuple[object, ...]:
    """Tell what is added up over carriers; without a rate each octave of them is for itself."""
    if band.rate is None:
        return (band.family, band.order, band.carrier)
    return (band.family, band.order, band.rate, band.spin)


def described(reason: Reason) -> str:
    """Say what a band is.

    Examples
    --------
    >>> described(Reason(band=Band(family="scattering", order=1, carrier=10), relevance=1.0))
    'energy around 1-2 kHz'
    """
    band = reason.band
    where = "" if band.carrier is None else f" around {_hertz_range(band.carrier)}"
    if band.rate is None or reason.rate is None:
        return f"energy{where}" if where else band.family
    low, high = 2 ** (band.rate - 0.5), 2 ** (band.rate + 0.5)
    moves = {1: "rising", -1: "falling"}.get(band.spin or 0, "amplitude")
    rate = f"{reason.rate:.2g} Hz ({low:.2g}-{high:.2g} Hz)"
    return f"{moves} modulation at {rate}{where}"


def _hertz_range(octave: int) -> str:
    low, high = 2.0**octave, 2.0 ** (octave + 1)
    if high >= 1000:
        return f"{low / 1000:.2g}-{high / 1000:.2g} kHz"
    return f"{low:.3g}-{high:.3g} Hz"

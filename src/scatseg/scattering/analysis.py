"""Filters -> Littlewood-Paley sums, and tables in hertz, octaves and seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.scattering.arguments import check_positive
from scatseg.scattering.filterbank import Filter, Filterbank, FrequentialFilter, Wavelet

HALF_POWER = math.sqrt(math.log(2))
"""Distance of a Gaussian's half-power (-3 dB) point from its center, in standard deviations."""

HALF_POWER_WIDTH = 2 * HALF_POWER
"""Half-power bandwidth of a Gaussian in standard deviations."""

_TAIL = 3.0902
"""Standard deviations beyond which a Gaussian has a thousandth of its mass, on one side."""

_NYQUIST = 0.5  # cycles per sample


def littlewood_paley(
    layer: Filterbank | Sequence[Wavelet | FrequentialFilter],
    frequency: ArrayLike,
    phi: Wavelet | None = None,
) -> NDArray[np.float64]:
    """Compute the Littlewood-Paley sum of a layer: the energy kept at each frequency.

    It is ``|phi(w)|^2 + 1/2 sum (|psi(w)|^2 + |psi(-w)|^2)``. If it is at most 1 everywhere, the
    transform is non-expansive.

    Parameters
    ----------
    layer : Filterbank, or sequence of filters
        For a bank, its first layer and low-pass.
    frequency : array_like of float, shape (n_frequencies,)
        In cycles per sample; in cycles per filter for filters along log-frequency.
    phi : Wavelet, optional
        Low-pass filter to include.

    Returns
    -------
    kept : ndarray of float64, shape (n_frequencies,)
        Non-negative.

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014, equation 6.

    Examples
    --------
    >>> from scatseg.scattering.filterbank import filterbank
    >>> littlewood_paley(filterbank(8, (8, 1), 256), [0.0, 0.1]).round(2)
    array([1.  , 0.56])
    """
    w = np.asarray(frequency, dtype=np.float64)
    psi, phi = _members(layer, phi)
    total = np.zeros_like(w) if phi is None else np.abs(phi.response(w)) ** 2
    for filter_ in psi:
        total += (np.abs(filter_.response(w)) ** 2 + np.abs(filter_.response(-w)) ** 2) / 2
    return total


@dataclass(frozen=True, kw_only=True)
class FrameBounds:
    """The frame bounds A and B: minimum and maximum of the Littlewood-Paley sum over a band.

    Parameters
    ----------
    lower, upper : float
        The bounds: the filters keep at least `lower` and at most `upper` times a signal's energy.
    lower_at, upper_at : float
        Their frequencies, in the units of the filters.
    """

    lower: float
    upper: float
    lower_at: float
    upper_at: float


def frame_bounds(
    layer: Filterbank | Sequence[Wavelet | FrequentialFilter],
    *,
    phi: Wavelet | None = None,
    band: tuple[float, float] = (0.0, _NYQUIST),
) -> FrameBounds:
    """Compute the frame bounds of filters over a band.

    Parameters
    ----------
    layer, phi
        As in `littlewood_paley`.
    band : (float, float), default (0, 0.5)
        Band in cycles per sample. Kymatio's wavelets keep hardly any energy just below 0.5, so
        their lower bound over the whole axis is not informative.

    Returns
    -------
    bounds : FrameBounds
        Accurate to about 1e-4 for smooth filters.

    Raises
    ------
    ValueError
        If the band is not increasing, within 0 and 0.5.

    Examples
    --------
    >>> from scatseg.scattering.filterbank import filterbank
    >>> bounds = frame_bounds(filterbank(8, (8, 1), 256), band=(0, 0.45))
    >>> round(bounds.lower, 2), round(bounds.upper, 3)
    (0.19, 1.0)
    """
    low, high = band
    if not 0 <= low < high <= _NYQUIST:
        msg = f"band must go from low to high within 0 and {_NYQUIST}, got {band}"
        raise ValueError(msg)
    psi, phi = _members(layer, phi)
    probes = probe_frequencies(psi if phi is None else (*psi, phi))
    frequency = np.unique(np.clip(np.abs(probes), low, high))
    kept = littlewood_paley(psi, frequency, phi)

    def refined(at: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        around = frequency[[max(at - 1, 0), at, min(at + 1, len(frequency) - 1)]]
        near = np.unique(np.append(np.linspace(around[0], around[-1], 65), around[1]))
        return near, littlewood_paley(psi, near, phi)

    near_least, least = refined(int(kept.argmin()))
    near_most, most = refined(int(kept.argmax()))
    return FrameBounds(
        lower=float(least.min()),
        upper=float(most.max()),
        lower_at=float(near_least[least.argmin()]),
        upper_at=float(near_most[most.argmax()]),
    )


def largest_gain(psi: Sequence[Wavelet], *, phi: Wavelet | None = None) -> float:
    """Find the largest gain of wavelets that keeps their Littlewood-Paley sum at most 1.

    Parameters
    ----------
    psi : sequence of Wavelet
        Wavelets to scale.
    phi : Wavelet, optional
        Low-pass filter to include in the sum, not scaled.

    Returns
    -------
    gain : float
        Below 1 where the sum exceeds 1.
    """
    frequency = probe_frequencies(psi if phi is None else (*psi, phi))
    kept = littlewood_paley(psi, frequency)
    room = np.ones_like(kept) if phi is None else 1 - np.abs(phi.response(frequency)) ** 2
    # Towards 0 both vanish.
    seen = kept > 1e-6 * kept.max()
    return float(np.sqrt((room[seen] / kept[seen]).min()))


def long_enough(phi: Filter, psi: Sequence[Wavelet]) -> Filter | None:
    """Return a low-pass if it is as long as the longest wavelet, else None.

    A shorter one overlaps the bands of wavelets, also in Kymatio's banks: their Littlewood-Paley
    sum reaches 1.6.

    Parameters
    ----------
    phi : Filter
        The low-pass.
    psi : sequence of Wavelet
        Wavelets of one layer.
    """
    return phi if phi.sigma <= (1 + 1e-9) * min(filter_.sigma for filter_ in psi) else None


def probe_frequencies(filters: Sequence[Wavelet | FrequentialFilter]) -> NDArray[np.float64]:
    """Choose frequencies that resolve all filters, even the narrowest, and the whole axis.

    Parameters
    ----------
    filters : sequence of Wavelet
        Each is sampled at its center and at quarters of its width around it.

    Returns
    -------
    frequency : ndarray of float64, shape (n_frequencies,)
        In [0, 0.5], increasing.
    """
    centers = np.array([filter_.xi for filter_ in filters])
    widths = np.array([filter_.sigma for filter_ in filters])
    around = np.abs(centers[:, None] + widths[:, None] * np.linspace(-4, 4, 33))
    everywhere = np.linspace(0, _NYQUIST, 513)
    return np.unique(np.concatenate([around[around <= _NYQUIST], everywhere]))


def _members(
    layer: Filterbank | Sequence[Wavelet | FrequentialFilter], phi: Wavelet | None
) -> tuple[Sequence[Wavelet | FrequentialFilter], Wavelet | None]:
    if isinstance(layer, Filterbank):
        return layer.psi1, layer.phi if phi is None else phi
    return layer, phi


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterTable:
    """Filters along time in physical units: arrays with one value per filter.

    Bandwidth and support are those of the Gaussian of the filter's `sigma`, from which a Morlet
    wavelet differs by at most 2 %.

    Parameters
    ----------
    center : ndarray of float64, shape (n_filters,)
        Hertz; 0 for a low-pass.
    bandwidth : ndarray of float64, shape (n_filters,)
        Half-power (-3 dB) bandwidth in hertz; two-sided for a low-pass.
    quality : ndarray of float64, shape (n_filters,)
        Center over bandwidth; 0 for a low-pass.
    octave : ndarray of float64, shape (n_filters,)
        As `librosa.hz_to_octs`: 4 is A at 440 Hz, 5 the octave above; -inf for a low-pass.
    time_support : ndarray of float64, shape (n_filters,)
        Seconds around the filter's center in time that contain all but a thousandth of its L1 norm
        on each side (Kymatio's criterion). About 10 T for a low-pass of scale T.
    """

    center: NDArray[np.float64]
    bandwidth: NDArray[np.float64]
    quality: NDArray[np.float64]
    octave: NDArray[np.float64]
    time_support: NDArray[np.float64]


def describe_filters(filters: Sequence[Wavelet], sr: float) -> FilterTable:
    """Tabulate filters along time in hertz, octaves and seconds.

    Parameters
    ----------
    filters : sequence of Wavelet
        For example, those of one layer.
    sr : float
        Samples per second.

    Returns
    -------
    table : FilterTable
        In the order of the filters.

    Raises
    ------
    ValueError
        If `sr` is not positive.

    Examples
    --------
    >>> from scatseg.scattering.filterbank import filterbank
    >>> table = describe_filters(filterbank(8, (8, 1), 256).psi1, sr=22050)
    >>> table.center[:3].round(), table.bandwidth[:3].round()
    (array([9600., 8803., 8072.]), array([831., 762., 699.]))
    """
    check_positive("sr", sr)
    center = sr * np.array([filter_.xi for filter_ in filters], dtype=np.float64)
    sigma = np.array([filter_.sigma for filter_ in filters], dtype=np.float64)
    bandwidth = sr * _bandwidth(sigma)
    with np.errstate(divide="ignore"):
        octave = np.log2(center / 440) + 4
    return FilterTable(
        center=center,
        bandwidth=bandwidth,
        quality=center / bandwidth,
        octave=octave,
        time_support=_support(sigma) / sr,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class FrequentialTable:
    """Filters along log-frequency in octaves: arrays with one value per filter.

    Parameters
    ----------
    center : ndarray of float64, shape (n_filters,)
        Cycles per octave, never negative; 0 for a low-pass.
    bandwidth : ndarray of float64, shape (n_filters,)
        Cycles per octave between the -3 dB points, as in `FilterTable`.
    spin : ndarray of int64, shape (n_filters,)
        1 for rising chirps, -1 for falling ones, 0 for a low-pass.
    support : ndarray of float64, shape (n_filters,)
        Octaves that contain all but a thousandth of the L1 norm on each side.
    """

    center: NDArray[np.float64]
    bandwidth: NDArray[np.float64]
    spin: NDArray[np.int64]
    support: NDArray[np.float64]


def describe_frequential(filters: Sequence[FrequentialFilter], Q: int) -> FrequentialTable:
    """Tabulate filters along log-frequency in octaves.

    Parameters
    ----------
    filters : sequence of FrequentialFilter
        For example, the `psi` of a frequential bank.
    Q : int
        First-order filters per octave.

    Returns
    -------
    table : FrequentialTable
        In the order of the filters.

    Raises
    ------
    ValueError
        If `Q` is not positive.

    Examples
    --------
    >>> from scatseg.scattering.filterbank import frequential_bank
    >>> table = describe_frequential(frequential_bank(3, 1, 8).psi, Q=8)
    >>> table.center, table.spin
    (array([0.  , 2.8 , 1.4 , 0.7 , 0.35, 2.8 , 1.4 , 0.7 , 0.35]),
     array([ 0,  1,  1,  1,  1, -1, -1, -1, -1]))
    """
    check_positive("Q", Q)
    sigma = np.array([filter_.sigma for filter_ in filters], dtype=np.float64)
    return FrequentialTable(
        center=Q * np.abs(np.array([filter_.xi for filter_ in filters], dtype=np.float64)),
        bandwidth=Q * _bandwidth(sigma),
        spin=np.array([filter_.spin for filter_ in filters], dtype=np.int64),
        support=_support(sigma) / Q,
    )


def _bandwidth(sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the half-power bandwidth in cycles per sample."""
    return HALF_POWER_WIDTH * sigma


def _support(sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the number of samples that contain all but a thousandth of the L1 norm per side."""
    return 2 * _TAIL / (2 * math.pi * sigma)

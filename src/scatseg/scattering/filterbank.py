"""Morlet filters with Kymatio's parameters, evaluated only on their support.

The only user of Kymatio. Frequencies are in cycles per sample. A filter is a formula, not an array,
and can be evaluated on any grid, for any signal length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SIGMA0 = 0.1
"""Width of the low-pass filter at scale 1, in cycles per sample (Kymatio's constant)."""

ALPHA = 5.0
"""Widths from its center beyond which Kymatio takes a filter as zero."""

_VISIBLE = 9.6
"""Widths beyond which a Gaussian is below 1e-20 and negligible."""

_WHOLE = 3.0
"""Samples times width beyond which a wavelet has decayed (to 1e-19) within the period."""

_STEP = 1 / 512
"""Samples times width between evaluations of the modulus of a long wavelet."""

_SHORT = 1024
"""Number of bins above which a filter that covers half of them is computed in time."""


class Wavelet(Protocol):
    """The interface of filters: `Filter`, and any other object with these members.

    Filters are parts of cache keys: they are immutable and compare by value.
    """

    @property
    def xi(self) -> float:
        """Center frequency in cycles per sample, in [0, 0.5)."""

    @property
    def sigma(self) -> float:
        """Standard deviation of the Gaussian of the same bandwidth, in cycles per sample."""

    @property
    def j(self) -> int:
        """Log2 of the largest stride without aliasing."""

    def response(
        self, frequency: NDArray[np.float64], /
    ) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Fourier transform at frequencies in cycles per sample, of period 1."""

    def band(
        self, n_bins: int, eps: float, /
    ) -> tuple[int, NDArray[np.float64] | NDArray[np.complex128]]:
        """Return first bin and values of the support on `n_bins` bins, as `Filter.band`."""


@dataclass(frozen=True)
class Filter:
    """A Morlet wavelet, or a Gaussian low-pass if `xi` is 0.

    Parameters
    ----------
    xi : float
        Center frequency in cycles per sample, in [0, 0.5).
    sigma : float
        Standard deviation of the Gaussian in the Fourier domain, in cycles per sample.
    j : int
        Log2 of the largest stride without aliasing.

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014.
    """

    xi: float
    sigma: float
    j: int

    def response(self, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fourier transform at frequencies in cycles per sample, of L1 norm 1 in time."""
        nearest = frequency - np.round(frequency)
        return _unnormalized(self.xi, self.sigma, nearest) / _l1_norm(self, _n_whole(self))

    def band(self, n_bins: int, eps: float) -> tuple[int, NDArray[np.float64]]:
        """Cut the filter to its support on a grid of Fourier bins.

        Parameters
        ----------
        n_bins : int
            Period of the grid: bin b is the frequency b / n_bins.
        eps : float
            Threshold of the support relative to the peak.

        Returns
        -------
        start : int
            First bin, negative where the support extends below frequency 0. Bins are circular:
            `start % n_bins` is its index in an FFT.
        H : ndarray of float64, shape (n_support,)
            The response on bins `start`, `start + 1`, ...; at most `n_bins` of them.
        """
        depth = math.log(10 / eps)
        above = _reach(self.sigma, depth)
        # Below 0, the term that cancels the mean may be above the threshold.
        below = _reach(self.sigma, depth - (self.xi / self.sigma) ** 2 / 2)
        low = min(self.xi - above, -below) if below else self.xi - above
        bins = bins_around(self.xi, low, self.xi + above, n_bins)
        if len(bins) > n_bins // 2 and n_bins > _SHORT:
            H = _transformed(self.xi, self.sigma, n_bins).take(bins, mode="wrap")
        else:
            H = _unnormalized(self.xi, self.sigma, bins / n_bins)
        H /= _l1_norm(self, min(n_bins, _n_whole(self)))
        size = np.abs(H)
        inside = np.flatnonzero(size > eps * size.max())
        return int(bins[inside[0]]), H[inside[0] : inside[-1] + 1]


def bins_around(xi: float, low: float, high: float, n_bins: int) -> NDArray[np.intp]:
    """Return the Fourier bins from frequency `low` to `high`, at most one period around `xi`."""
    start, stop = math.floor(low * n_bins), math.ceil(high * n_bins) + 1
    if stop - start > n_bins:
        start = round(xi * n_bins) - n_bins // 2
        stop = start + n_bins
    return np.arange(start, stop)


@dataclass(frozen=True)
class Filterbank:
    """The filters of a two-layer scattering transform.

    Parameters
    ----------
    psi1, psi2 : tuple of Filter or other `Wavelet`
        Wavelets of the first and second layer, from high to low frequency.
    phi : Filter
        The averaging filter of both.
    """

    psi1: tuple[Wavelet, ...]
    psi2: tuple[Wavelet, ...]
    phi: Filter


@lru_cache(maxsize=64)
def filterbank(J: int, Q: tuple[int, int], T: int) -> Filterbank:
    """Create the filters of `Scattering1D` with Kymatio's parameters.

    Parameters
    ----------
    J : int
        Log2 of the largest scale in samples.
    Q : (int, int)
        Wavelets per octave in the first and second layer.
    T : int
        Averaging scale in samples.
    """
    return Filterbank(
        psi1=_wavelets(J, Q[0]),
        psi2=_wavelets(J, Q[1]),
        phi=Filter(0.0, SIGMA0 / T, math.floor(math.log2(T))),
    )


def _wavelets(J: int, Q: int) -> tuple[Filter, ...]:
    from kymatio.scattering1d.filter_bank import compute_params_filterbank

    xi, sigma, j = compute_params_filterbank(SIGMA0 / 2**J, Q, ALPHA)
    return tuple(Filter(*row) for row in zip(xi, sigma, j, strict=True))


def _reach(sigma: float, depth: float) -> float:
    """Return the distance at which a Gaussian falls to exp(-depth); 0 for negative depth."""
    return sigma * math.sqrt(2 * max(0.0, depth))


def _unnormalized(xi: float, sigma: float, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the Gaussian at `xi` minus the one at 0 that cancels its mean, both of period 1."""
    H = _periodic_gaussian(frequency - xi, sigma)
    kappa = _kappa(xi, sigma)
    if kappa > 1e-20 * H.max(initial=0):
        H -= kappa * _periodic_gaussian(frequency, sigma)
    return H


def _kappa(xi: float, sigma: float) -> float:
    """Return the factor of the Gaussian at 0 that cancels the mean of the one at `xi`."""
    if xi == 0:
        return 0.0
    there, here = _periodic_gaussian(np.array([xi, 0.0]), sigma)
    return float(there / here)


def _transformed(xi: float, sigma: float, n_bins: int) -> NDArray[np.float64]:
    """Compute `_unnormalized` on a whole grid via time, for wide filters with short wavelets."""
    H: NDArray[np.float64] = np.fft.hfft(_in_time(xi, sigma, 1.0), n_bins)
    return H


def _in_time(xi: float, sigma: float, step: float) -> NDArray[np.complex128]:
    """Compute the (Hermitian) inverse transform of `_unnormalized` at 0, `step`, ... samples."""
    t = step * np.arange(math.ceil(_VISIBLE / (2 * math.pi * sigma * step)) + 1)
    oscillation = np.exp(2j * math.pi * xi * t) - _kappa(xi, sigma)
    return np.asarray(gaussian_in_time(sigma, t) * oscillation)


def gaussian_in_time(sigma: float, t: NDArray[np.floating | np.integer]) -> NDArray[np.float64]:
    """Compute the inverse Fourier transform of a Gaussian around 0, of height 1, at samples `t`."""
    return np.asarray(sigma * math.sqrt(2 * math.pi) * np.exp(-2 * (math.pi * sigma * t) ** 2))


def _periodic_gaussian(offset: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Sum a Gaussian around 0 over its periods, as far as they are not negligible."""
    nearest = offset - np.round(offset)
    total = _gaussian(nearest, sigma)
    for period in range(1, math.floor(_VISIBLE * sigma + 0.5) + 1):
        for shift in (-period, period):
            seen = np.flatnonzero(np.abs(nearest + shift) < _VISIBLE * sigma)
            total[seen] += _gaussian(nearest[seen] + shift, sigma)
    return total


def _gaussian(offset: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    exponent = np.square(offset)
    exponent *= -1 / (2 * sigma**2)
    # Clip at 1e-304: from -708 on, results are denormal, which is several times slower.
    np.maximum(exponent, -700.0, out=exponent)
    return np.exp(exponent, out=exponent)


def _n_whole(filter_: Filter) -> int:
    """Return the number of samples after which a longer period does not change the norm."""
    return math.ceil(_WHOLE / filter_.sigma)


@lru_cache(maxsize=4096)
def _l1_norm(filter_: Filter, n_samples: int) -> float:
    """Compute the L1 norm in time over a period of `n_samples`; the modulus is even."""
    xi, sigma = filter_.xi, filter_.sigma
    if n_samples * sigma >= _WHOLE:
        step = max(1.0, _STEP / sigma)
        size = step * np.abs(_in_time(xi, sigma, step))
        return float(2 * size.sum() - size[0])
    # The wavelet overlaps itself, with kinks in its modulus: every sample is needed.
    reach = _VISIBLE * sigma
    bins = np.arange(math.floor(-reach * n_samples), math.ceil((xi + reach) * n_samples) + 1)
    H = np.zeros(n_samples)
    H[bins % n_samples] = _unnormalized(xi, sigma, bins / n_samples)
    size = np.abs(np.fft.rfft(H)) / n_samples
    return float(2 * size.sum() - size[0] - (size[-1] if n_samples % 2 == 0 else 0))


@dataclass(frozen=True)
class FrequentialFilter:
    """A filter along log-frequency, on the index of the first-order filters.

    Parameters
    ----------
    wavelet : Filter
        The filter with its center at or above 0; cycles per sample are cycles per filter.
    spin : {0, 1, -1}
        0 for a low-pass, else the sign of the center: 1 for rising chirps, -1 for falling ones.
    """

    wavelet: Filter
    spin: int

    @property
    def xi(self) -> float:
        """Center frequency in cycles per filter, negative for spin -1."""
        return -self.wavelet.xi if self.spin < 0 else self.wavelet.xi

    @property
    def sigma(self) -> float:
        """Standard deviation of the Gaussian in the Fourier domain, in cycles per filter."""
        return self.wavelet.sigma

    @property
    def j(self) -> int:
        """Log2 of the largest stride without aliasing."""
        return self.wavelet.j

    def response(self, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fourier transform at frequencies in cycles per filter, as `Filter.response`."""
        return self.wavelet.response(-frequency if self.spin < 0 else frequency)

    def band(self, n_bins: int, eps: float) -> tuple[int, NDArray[np.float64]]:
        """Return the filter on its support on a grid of Fourier bins, as `Filter.band`."""
        start, H = self.wavelet.band(n_bins, eps)
        return (1 - start - len(H), H[::-1]) if self.spin < 0 else (start, H)


@dataclass(frozen=True)
class FrequentialBank:
    """The filters along log-frequency of a joint scattering transform.

    Parameters
    ----------
    psi : tuple of FrequentialFilter
        The low-pass first (n_fr = 0), then the wavelets of spin 1, then those of spin -1.
    phi : FrequentialFilter
        The averaging filter.
    """

    psi: tuple[FrequentialFilter, ...]
    phi: FrequentialFilter


@lru_cache(maxsize=64)
def frequential_bank(J_fr: int, Q_fr: int, F: int) -> FrequentialBank:
    """Create the filters along log-frequency with Kymatio's parameters.

    Parameters
    ----------
    J_fr : int
        Log2 of the largest scale in first-order filters.
    Q_fr : int
        Wavelets per octave.
    F : int
        Averaging scale in first-order filters.
    """
    low = FrequentialFilter(Filter(0.0, SIGMA0 / 2**J_fr, J_fr), 0)
    wavelets = _wavelets(J_fr, Q_fr)
    return FrequentialBank(
        psi=(low, *(FrequentialFilter(psi, spin) for spin in (1, -1) for psi in wavelets)),
        phi=FrequentialFilter(Filter(0.0, SIGMA0 / F, math.floor(math.log2(F))), 0),
    )

"""Morlet filters with Kymatio's parameters, evaluated only where they are not zero.

The door to Kymatio. Frequencies are in cycles per sample. A filter is a formula and not
an array: it can be evaluated on any grid, so no signal length is special.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIGMA0 = 0.1
"""Width of the low-pass filter at scale 1, in cycles per sample (Kymatio's constant)."""

ALPHA = 5.0
"""Widths beyond its center after which Kymatio takes a filter for zero."""

_NORM_GRID = 8192
"""Points on which the L1 norm of a dilated filter is measured; it moves by less than 1e-9."""

_NARROW = 2.0
"""Bins of width below which a filter's wavelet meets its own end and the L1 norm differs."""


@dataclass(frozen=True)
class Filter:
    """A Morlet wavelet, or a Gaussian low-pass where `xi` is 0.

    Parameters
    ----------
    xi : float
        Center frequency in cycles per sample, in [0, 0.5).
    sigma : float
        Standard deviation of the Gaussian in the Fourier domain, in cycles per sample.
    j : int
        Log2 of the largest stride that keeps what the filter passes.

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
        return _unnormalized(self.xi, self.sigma, frequency) / _l1_norm(self)

    def band(self, n_bins: int, eps: float) -> tuple[int, NDArray[np.float64]]:
        """Cut the filter to its support on a grid of Fourier bins.

        Parameters
        ----------
        n_bins : int
            Period of the grid: bin b is the frequency b / n_bins.
        eps : float
            What is smaller than `eps` times the peak, at both ends, is cut off.

        Returns
        -------
        start : int
            First bin, negative where the support reaches below frequency 0. Bins are
            circular: `start % n_bins` is its place in an FFT.
        H : ndarray of float64, shape (n_support,)
            The response on bins `start`, `start + 1`, ...; at most `n_bins` of them.
        """
        reach = self.sigma * math.sqrt(2 * math.log(10 / eps))
        low = min(self.xi, self._correction_reach(eps)) - reach
        start, stop = math.floor(low * n_bins), math.ceil((self.xi + reach) * n_bins) + 1
        if stop - start > n_bins:
            start = round(self.xi * n_bins) - n_bins // 2
            stop = start + n_bins
        H = _unnormalized(self.xi, self.sigma, np.arange(start, stop) / n_bins)
        H /= _l1_norm(self) if n_bins * self.sigma > _NARROW else _l1_norm_on(self, n_bins)
        inside = np.flatnonzero(np.abs(H) > eps * np.abs(H).max())
        return start + int(inside[0]), H[inside[0] : inside[-1] + 1]

    def _correction_reach(self, eps: float) -> float:
        """Return 0 where the term that cancels the mean is visible at 0, else the center."""
        return 0.0 if math.exp(-(self.xi**2) / (2 * self.sigma**2)) > eps / 10 else self.xi


@dataclass(frozen=True)
class Filterbank:
    """The filters of a two-layer scattering transform.

    Parameters
    ----------
    psi1, psi2 : tuple of Filter
        Wavelets of the first and second layer, from high to low frequency.
    phi : Filter
        The low-pass filter that averages both.
    """

    psi1: tuple[Filter, ...]
    psi2: tuple[Filter, ...]
    phi: Filter


@lru_cache(maxsize=64)
def filterbank(J: int, Q: tuple[int, int], T: int) -> Filterbank:
    """Make the filters of `Scattering1D`, with the parameters that Kymatio gives them.

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


def _unnormalized(xi: float, sigma: float, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian at `xi`, minus the one at 0 that cancels its mean, periodized as by Kymatio."""
    n_periods = min(math.ceil(math.sqrt(2 * sigma**2 * math.log(1e7)) + 1), 5)
    periods = range(1 - n_periods, n_periods)

    def gauss(center: float, at: NDArray[np.float64]) -> NDArray[np.float64]:
        at = at % 1.0
        total = np.zeros_like(at)
        for period in periods:
            total += np.exp(-((at + period - center) ** 2) / (2 * sigma**2))
        return total

    if xi == 0:
        return gauss(0.0, frequency)
    zero = np.zeros(1)
    kappa = gauss(xi, zero) / gauss(0.0, zero)
    return gauss(xi, frequency) - kappa * gauss(0.0, frequency)


@lru_cache(maxsize=4096)
def _l1_norm(filter_: Filter) -> float:
    """Sum of moduli in time, measured on a dilated copy that fits a small grid."""
    highest = filter_.xi + 2 * ALPHA * filter_.sigma
    dilation = 2.0 ** max(0, math.floor(-math.log2(2 * highest))) if highest < 0.5 else 1.0
    return _l1_norm_on(Filter(dilation * filter_.xi, dilation * filter_.sigma, 0), _NORM_GRID)


@lru_cache(maxsize=4096)
def _l1_norm_on(filter_: Filter, n_bins: int) -> float:
    H = _unnormalized(filter_.xi, filter_.sigma, np.arange(n_bins) / n_bins)
    return float(np.abs(np.fft.ifft(H)).sum())


@dataclass(frozen=True)
class FrequentialFilter:
    """A filter along log-frequency, on the index of the first-order filters.

    Parameters
    ----------
    wavelet : Filter
        The filter with its center at or above 0; cycles per sample are cycles per filter.
    spin : {0, 1, -1}
        0 for a low-pass, else the sign of the center: 1 sees rising chirps, -1 falling ones.
    """

    wavelet: Filter
    spin: int

    @property
    def xi(self) -> float:
        """Center frequency in cycles per filter, negative for spin -1."""
        return -self.wavelet.xi if self.spin < 0 else self.wavelet.xi

    @property
    def j(self) -> int:
        """Log2 of the largest stride that keeps what the filter passes."""
        return self.wavelet.j

    def band(self, n_bins: int, eps: float) -> tuple[int, NDArray[np.float64]]:
        """Cut the filter to its support on a grid of Fourier bins, as `Filter.band`."""
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
        The low-pass filter that averages what the wavelets passed.
    """

    psi: tuple[FrequentialFilter, ...]
    phi: FrequentialFilter


@lru_cache(maxsize=64)
def frequential_bank(J_fr: int, Q_fr: int, F: int) -> FrequentialBank:
    """Make the filters along log-frequency, with the parameters that Kymatio gives them.

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

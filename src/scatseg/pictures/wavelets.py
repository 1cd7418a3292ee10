"""Wavelets and filter banks in physical units: in time, in frequency, and joint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scatseg.counts import rounded, told_apart
from scatseg.pictures.transforms import nearest
from scatseg.scattering import Scattering1D, TimeFrequencyScattering
from scatseg.scattering.analysis import HALF_POWER_WIDTH, frame_bounds, littlewood_paley
from scatseg.scattering.arguments import check_integer, check_positive, qualities
from scatseg.scattering.filterbank import Filter, filterbank, frequential_bank

if TYPE_CHECKING:
    from scatseg.scattering.filterbank import Wavelet as AnyFilter

_REACH = 8.0
"""Support of a wavelet on each side, in standard deviations in time."""

_RATES = (4.0, 8.0, 16.0)
"""Default rates of joint wavelets in Hz."""

_WIDEST = 5.0
"""Octaves on each side of a joint wavelet: the range of hearing has ten."""

_PER_CYCLE = 8
"""Points per cycle of the fastest rate and of the finest scale."""

_MOST_POINTS = 2000
"""Maximum number of points over time."""

_N_POINTS = 2000
"""Number of frequencies at which curves are evaluated, more than a figure has columns."""

_EPS = 1e-7
"""Values of a wavelet's spectrum below this fraction of its peak are dropped."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Wavelet:
    """A Morlet wavelet in time and in frequency.

    Parameters
    ----------
    xi : float
        Center frequency in Hz.
    sigma : float
        Standard deviation in Hz of the Gaussian in the Fourier domain.
    times : ndarray of float, shape (n_samples,)
        Seconds around the center of the wavelet.
    values : ndarray of complex, shape (n_samples,)
        The wavelet per second: its modulus integrates to 1.
    frequencies : ndarray of float, shape (n_samples,)
        Hz, negative ones first.
    response : ndarray of float, shape (n_samples,)
        The Fourier transform, real.
    """

    xi: float
    sigma: float
    times: NDArray[np.float64]
    values: NDArray[np.complex128]
    frequencies: NDArray[np.float64]
    response: NDArray[np.float64]

    @property
    def duration(self) -> float:
        """Standard deviation of the modulus in time, in seconds."""
        return 1 / (2 * math.pi * self.sigma)

    @property
    def bandwidth(self) -> float:
        """Half-power bandwidth in Hz."""
        return HALF_POWER_WIDTH * self.sigma

    @property
    def quality(self) -> float:
        """Center frequency over bandwidth."""
        return self.xi / self.bandwidth


def morlet(xi: float, Q: int, *, sr: float | None = None) -> Wavelet:
    """Compute one wavelet of a constant-Q bank.

    Parameters
    ----------
    xi : float
        Center frequency in Hz.
    Q : int
        Wavelets per octave.
    sr : float, optional
        Sampling rate in Hz; by default high enough for the wavelet to look continuous.

    Raises
    ------
    ValueError
        When `xi` is not between 0 and half the sampling rate, or Q not an integer of at least 1.
    """
    check_integer("Q", Q, 1)
    if sr is not None:
        check_positive("sr", sr)
    sr = 64 * xi if sr is None else sr
    if not 0 < xi < sr / 2:
        half, got = told_apart(sr / 2, xi, digits=6)
        msg = f"xi must lie between 0 and half the sampling rate ({half} Hz), got {got} Hz"
        raise ValueError(msg)
    sigma = xi * _relative_width(Q)
    n = 2 ** math.ceil(math.log2(16 * _REACH * sr / (2 * math.pi * sigma)))
    # Longer than the wavelet, for a smooth spectrum.
    frequencies = np.fft.fftshift(np.fft.fftfreq(n))
    response = Filter(xi / sr, sigma / sr, 0).response(frequencies)
    values = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(response)))
    return Wavelet(
        xi=xi,
        sigma=sigma,
        times=(np.arange(n) - n // 2) / sr,
        values=values * sr,
        frequencies=frequencies * sr,
        response=response,
    )


def _relative_width(Q: int) -> float:
    """Return bandwidth over center frequency in a bank of Q wavelets per octave."""
    # The first wavelet of a bank of many octaves is in its constant-Q part.
    highest = filterbank(20, (Q, 1), 1).psi1[0]
    return highest.sigma / highest.xi


@dataclass(frozen=True, kw_only=True, eq=False)
class BankCurves:
    """Frequency responses of the filters of a scattering transform.

    Parameters
    ----------
    J, Q, T : int, (int, int), int
        Options of `scatseg.scattering.Scattering1D`.
    sr : float
        Sampling rate in Hz.
    frequencies : ndarray of float, shape (n,)
        Hz, evenly spaced in octaves, up to half the sampling rate.
    centers : (ndarray of float, ndarray of float)
        Center frequencies in Hz of the first and second layer, descending.
    wavelets : (ndarray of float, ndarray of float), shapes (n_wavelets, n)
        Magnitudes of the first and second layer.
    low_pass : ndarray of float, shape (n,)
        Magnitude of the low-pass filter.
    sums : (ndarray of float, ndarray of float), shape (n,)
        Littlewood-Paley sum of each layer: |phi|^2 plus half the wavelets' power at positive and
        negative frequencies. It lies in [0, 1] where T is at least 2**J.
    bounds : ((float, float), (float, float))
        Least and largest sum of each layer from 0 Hz to its highest wavelet.
    n_paths : int
        Paths of orders 0, 1 and 2.
    """

    J: int
    Q: tuple[int, int]
    T: int
    sr: float
    frequencies: NDArray[np.float64]
    centers: tuple[NDArray[np.float64], NDArray[np.float64]]
    wavelets: tuple[NDArray[np.float64], NDArray[np.float64]]
    low_pass: NDArray[np.float64]
    sums: tuple[NDArray[np.float64], NDArray[np.float64]]
    bounds: tuple[tuple[float, float], tuple[float, float]]
    n_paths: int


def bank_curves(
    J: int,
    Q: int | tuple[int, int],
    *,
    T: int | None = None,
    sr: float,
    lowest: float | None = None,
) -> BankCurves:
    """Evaluate a filter bank over log-frequency.

    Parameters
    ----------
    J, Q, T
        Options of `scatseg.scattering.Scattering1D`; T is 2**J by default.
    sr : float
        Sampling rate in Hz.
    lowest : float, optional
        Lowest frequency of the curves in Hz; a quarter of the lowest center by default.

    Raises
    ------
    ValueError
        When an option is out of range.
    """
    check_positive("sr", sr)
    if lowest is not None:
        check_positive("lowest", lowest)
    transform = Scattering1D(J=J, Q=Q, T=T)
    T = 2**J if T is None else T
    Q = qualities(Q)
    bank = filterbank(J, Q, T)
    layers = (bank.psi1, bank.psi2)
    begin = min(layer[-1].xi for layer in layers) / 4 if lowest is None else lowest / sr
    at = np.geomspace(begin, 0.5, _N_POINTS)
    wavelets = [np.abs([psi.response(at) for psi in layer]) for layer in layers]
    sums = [littlewood_paley(layer, at, bank.phi) for layer in layers]
    bounds = [frame_bounds(layer, phi=bank.phi, band=(0, layer[0].xi)) for layer in layers]
    first, second = (np.array([psi.xi for psi in layer]) * sr for layer in layers)
    return BankCurves(
        J=J,
        Q=Q,
        T=T,
        sr=sr,
        frequencies=at * sr,
        centers=(first, second),
        wavelets=(wavelets[0], wavelets[1]),
        low_pass=np.abs(bank.phi.response(at)),
        sums=(sums[0], sums[1]),
        bounds=((bounds[0].lower, bounds[0].upper), (bounds[1].lower, bounds[1].upper)),
        n_paths=transform.output_size(),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class JointTiles:
    """Real parts of joint wavelets over time and log-frequency, for all rates, scales and spins.

    Parameters
    ----------
    rates : ndarray of float, shape (n_rates,)
        Hz, ascending.
    scales : ndarray of float, shape (n_scales,)
        Cycles per octave, ascending.
    times : ndarray of float, shape (n_times,)
        Seconds around the center.
    octaves : ndarray of float, shape (n_octaves,)
        Octaves around the center, ascending: at most five on each side.
    values : ndarray of float, shape (n_rates, n_scales, 2, n_octaves, n_times)
        Spin 1 (rising), then spin -1 (falling), each normalized to peak 1.
    """

    rates: NDArray[np.float64]
    scales: NDArray[np.float64]
    times: NDArray[np.float64]
    octaves: NDArray[np.float64]
    values: NDArray[np.float64]


def joint_tiles(
    J_fr: int,
    Q_fr: int,
    *,
    J: int = 13,
    Q: int | tuple[int, int] = 8,
    sr: float = 22050,
    rates: Sequence[float] | None = None,
    n_points: int = 161,
) -> JointTiles:
    """Evaluate the wavelets of joint time-frequency scattering on one grid.

    Parameters
    ----------
    J_fr, Q_fr, J, Q
        Options of `scatseg.scattering.TimeFrequencyScattering`.
    sr : float, default 22050
        Sampling rate in Hz.
    rates : sequence of float, optional
        Rates in Hz; the nearest wavelets of the second layer are used. By default those nearest to
        4, 8 and 16 Hz, however far.
    n_points : int, default 161
        Points along time and along log-frequency, or eight per cycle where these are more.

    Raises
    ------
    ValueError
        When an option is out of range, the transform has no such wavelets, or there is no rate, or
        one is not positive, over an octave from all wavelets, or too fast to be drawn beside the
        slowest.
    """
    check_positive("sr", sr)
    check_integer("n_points", n_points, 1)
    Q = qualities(Q)
    TimeFrequencyScattering(J=J, J_fr=J_fr, Q=Q, Q_fr=Q_fr)  # checks the options
    layer = filterbank(J, Q, 2**J).psi2
    if rates is not None:
        if not len(rates) or not min(rates) > 0:
            msg = f"rates must be positive, in Hz, got {list(rates)}"
            raise ValueError(msg)
        available = np.array([psi.xi for psi in layer]) * sr
        for rate in rates:
            nearest(available, rate, "rate")
    in_time = _nearest(layer, np.asarray(_RATES if rates is None else rates) / sr)
    along = [psi.wavelet for psi in frequential_bank(J_fr, Q_fr, 2**J_fr).psi if psi.spin > 0]
    along.sort(key=lambda psi: psi.xi)
    longest, widest = _reach(in_time), min(_reach(along), _WIDEST * Q[0])
    per_time, per_octave = _n_points(in_time, longest), _n_points(along, widest)
    if per_time > _MOST_POINTS:
        slowest, fastest = (rounded(psi.xi * sr) for psi in (in_time[0], in_time[-1]))
        msg = (
            f"wavelets at {slowest} and {fastest} Hz cannot be seen over one time axis: choose "
            "rates that are closer"
        )
        raise ValueError(msg)
    times = np.linspace(-longest, longest, max(n_points, per_time))
    filters = np.linspace(-widest, widest, max(n_points, per_octave))
    psi_t = np.array([_at(psi, times) for psi in in_time])
    # Filters are ordered from high to low, octaves from low to high.
    psi_f = np.array([_at(psi, -filters) for psi in along])
    rising = np.einsum("rt,so->rsot", psi_t, psi_f).real
    falling = np.einsum("rt,so->rsot", psi_t, psi_f.conj()).real
    values = np.stack([rising, falling], axis=2)
    return JointTiles(
        rates=np.array([psi.xi for psi in in_time]) * sr,
        scales=np.array([psi.xi for psi in along]) * Q[0],
        times=times / sr,
        octaves=filters / Q[0],
        values=values / np.abs(values).max(axis=(2, 3, 4), keepdims=True),
    )


def _reach(filters: Sequence[AnyFilter]) -> float:
    """Return three standard deviations of the longest wavelet."""
    return 3 / (2 * math.pi * min(psi.sigma for psi in filters))


def _n_points(filters: Sequence[AnyFilter], reach: float) -> int:
    """Return how many points up to `reach` on both sides sample the fastest wavelet well."""
    return math.ceil(2 * reach * max(psi.xi for psi in filters) * _PER_CYCLE) + 1


def _nearest(filters: Sequence[AnyFilter], xi: NDArray[np.float64]) -> list[AnyFilter]:
    """Return the filters nearest to the frequencies in octaves, without duplicates, ascending."""
    octaves = np.log2([psi.xi for psi in filters])
    chosen = {int(np.abs(octaves - wanted).argmin()) for wanted in np.log2(xi)}
    return sorted((filters[n] for n in chosen), key=lambda psi: psi.xi)


def _at(psi: AnyFilter, times: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Evaluate a wavelet at arbitrary times in samples: once, not again after each period."""
    n = 2 ** math.ceil(math.log2(2 * _REACH / (2 * math.pi * psi.sigma)))
    start, H = psi.band(n, _EPS)
    bins = start + np.arange(len(H))
    values: NDArray[np.complex128] = np.exp(2j * np.pi / n * np.outer(times, bins)) @ H / n
    values[np.abs(times) > n / 2] = 0
    return values

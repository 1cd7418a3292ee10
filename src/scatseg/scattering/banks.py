"""Filter banks other than Kymatio's Morlet wavelets: gammatone, mel, and custom ones.

A bank for `Scattering1D` is a `Filterbank` of objects that implement `Wavelet`. `SampledFilter`
makes one from a function of frequency; `check_filterbank` validates a bank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scatseg.counts import told_apart
from scatseg.scattering.analysis import (
    HALF_POWER,
    HALF_POWER_WIDTH,
    frame_bounds,
    largest_gain,
    long_enough,
    probe_frequencies,
)
from scatseg.scattering.filterbank import SIGMA0, Filterbank, Wavelet, bins_around, filterbank

Response = Callable[[NDArray[np.float64]], NDArray[np.float64] | NDArray[np.complex128]]

_BLIND = 1e-6
"""Maximum response at frequency 0, relative to the peak."""

_ABOVE_ONE = 1e-3
"""Maximum excess of a Littlewood-Paley sum over 1: distances grow by at most 0.05 %."""

_ALIASED = 1e-3
"""Level relative to the peak above which a filter must not alias at its stride."""

# Where a gammatone filter's amplitude (1 + x^2)^-2 has fallen to 2^-1/2, 1e-4 and 1e-5, x being
# the distance from its resonance over b.
_GAMMATONE_HALF_POWER = math.sqrt(2**0.25 - 1)
_GAMMATONE_TAIL = math.sqrt(1e2 - 1)
_GAMMATONE_END = math.sqrt(10**2.5 - 1)


@dataclass(frozen=True)
class SampledFilter:
    """A filter given by a formula, evaluated where it is not zero.

    Parameters
    ----------
    xi : float
        Center frequency in cycles per sample, in (0, 0.5).
    sigma : float
        Standard deviation of a Gaussian of about the same bandwidth, in cycles per sample: the
        distance of the -3 dB points over 1.665.
    j : int
        Log2 of the largest stride without aliasing.
    response : callable
        Fourier transform at frequencies in cycles per sample, shape (n,), of period 1, real or
        complex, decreasing on both sides of `xi`. Filters are cache keys and compare by their
        responses, so use a frozen dataclass with `__call__`.

    Examples
    --------
    >>> narrow = SampledFilter(0.25, 0.02, 0, Triangle(low=0.2, center=0.25, high=0.3))
    >>> start, H = narrow.band(40, 1e-3)
    >>> start, H
    (9, array([0.5, 1. , 0.5]))
    """

    xi: float
    sigma: float
    j: int
    response: Response

    def band(
        self, n_bins: int, eps: float
    ) -> tuple[int, NDArray[np.float64] | NDArray[np.complex128]]:
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
            First bin, negative where the support extends below frequency 0.
        H : ndarray, shape (n_support,)
            The response on bins `start`, `start + 1`, ...; at most `n_bins` of them.
        """
        below, above = self._reach(eps / 2)
        bins = bins_around(self.xi, self.xi - below, self.xi + above, n_bins)
        H = self.response(bins / n_bins)
        size = np.abs(H)
        inside = np.flatnonzero(size > eps * size.max())
        if not inside.size:  # narrower than a bin
            inside = np.array([round(self.xi * n_bins) - bins[0]])
        return int(bins[inside[0]]), H[inside[0] : inside[-1] + 1]

    def _reach(self, level: float) -> tuple[float, float]:
        """Bound the distances from the center, up to 0.5, at which the response exceeds a level."""
        steps = np.geomspace(self.sigma / 16, 0.5, 240)
        sides = [np.abs(self.response(self.xi + side * steps)) for side in (-1.0, 1.0)]
        peak = max(float(np.abs(self.response(np.array([self.xi])))[0]), *(s.max() for s in sides))
        seen = [np.flatnonzero(side > level * peak) for side in sides]
        below, above = (
            steps[min(int(at[-1]) + 1, len(steps) - 1)] if at.size else steps[0] for at in seen
        )
        return float(below), float(above)


@dataclass(frozen=True, kw_only=True)
class Gammatone:
    """Fourier transform of a gammatone wavelet of order 4, sampled at the integers.

    The wavelet is the backward difference of t^3 exp(-2 pi b t) exp(2 pi i r t), t >= 0. Unlike the
    gammatone function, the difference has zero mean; it shifts the peak slightly above the
    resonance r.

    Parameters
    ----------
    xi : float
        Center frequency in cycles per sample, in (0, 0.5): where the response peaks, at 1.
    b : float
        Decay in cycles per sample, below about 2 `xi`.

    References
    ----------
    R. F. Lyon, A. G. Katsiamis and E. M. Drakakis, "History and future of auditory filter
    models", ISCAS 2010. A. Venkitaraman, A. Adiga and C. S. Seelamantula, "Auditory-motivated
    Gammatone wavelet transform", Signal Processing 94, 2014 (there, the derivative).
    """

    xi: float
    b: float

    def __post_init__(self) -> None:
        most = 2 * math.tan(math.pi * self.xi) / math.pi
        if not 0 < self.xi < 0.5 or not 0 < self.b < most:
            limit, got = told_apart(most, self.b)
            msg = f"a gammatone at {self.xi} in (0, 0.5) needs b in (0, {limit}), got {got}"
            raise ValueError(msg)

    @property
    def resonance(self) -> float:
        """Frequency of the oscillation in cycles per sample."""
        # There the slopes of the difference, pi cot(pi xi), and of the resonance cancel.
        slope = self.b * math.pi / math.tan(math.pi * self.xi)
        return self.xi - self.b * (2 - math.sqrt(4 - slope**2)) / slope

    def __call__(self, frequency: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Evaluate at frequencies in cycles per sample."""
        peak = float(np.abs(self._unscaled(np.array([self.xi])))[0])
        return self._unscaled(frequency) / peak

    def _unscaled(self, frequency: NDArray[np.float64]) -> NDArray[np.complex128]:
        delay: NDArray[np.complex128] = np.exp(-2j * math.pi * frequency)
        turn = np.exp(2 * math.pi * (-self.b + 1j * self.resonance)) * delay
        # The sum of n^3 turn^n, times 1 - delay. Powers of complex arrays are slow.
        square = np.square(1 - turn)
        H: NDArray[np.complex128] = turn * (1 + turn * (4 + turn)) / np.square(square)
        return H * (1 - delay)


@dataclass(frozen=True, kw_only=True)
class Triangle:
    """A triangular response over positive frequencies, 0 elsewhere.

    Parameters
    ----------
    low, center, high : float
        Where it begins, peaks at 1 and ends, in cycles per sample; increasing, in [0, 0.5].
    """

    low: float
    center: float
    high: float

    def __call__(self, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        """Evaluate at frequencies in cycles per sample."""
        nearest = frequency - np.round(frequency)
        rising = (nearest - self.low) / (self.center - self.low)
        falling = (self.high - nearest) / (self.high - self.center)
        return np.maximum(np.minimum(rising, falling), 0.0)


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A response times a constant.

    Parameters
    ----------
    response : callable
        As in `SampledFilter`.
    gain : float
        The constant.
    """

    response: Response
    gain: float

    def __call__(
        self, frequency: NDArray[np.float64]
    ) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Evaluate at frequencies in cycles per sample."""
        return self.gain * self.response(frequency)


@lru_cache(maxsize=64)
def gammatone(J: int, Q: tuple[int, int], T: int) -> Filterbank:
    """Create a bank with gammatone wavelets instead of Morlet wavelets in the first layer.

    Centers and -3 dB bandwidths are those of `filterbank`. Gammatones are causal, with a sharp
    attack and a long decay, and therefore respond differently to time-reversed sounds.

    Parameters
    ----------
    J : int
        Log2 of the largest scale in samples.
    Q : (int, int)
        Wavelets per octave in the first and second layer.
    T : int
        Averaging scale in samples.

    Returns
    -------
    bank : Filterbank
        Its Littlewood-Paley sum is at most 1. The second layer and the low-pass are Kymatio's.

    Raises
    ------
    ValueError
        If `J` is too small for `Q`: Kymatio's filters would be wider than their centers.

    Examples
    --------
    >>> bank = gammatone(8, (8, 1), 256)
    >>> len(bank.psi1), round(bank.psi1[0].xi, 3)
    (54, 0.435)
    """
    morlet = filterbank(J, Q, T)
    if any(psi.sigma > psi.xi / 2 for psi in morlet.psi1):
        msg = f"Q must be smaller or J larger, got J={J}, Q={Q}: wavelets are wider than 2**J holds"
        raise ValueError(msg)
    decay = HALF_POWER / _GAMMATONE_HALF_POWER
    psi1 = [_gammatone_filter(psi.xi, decay * psi.sigma) for psi in morlet.psi1]
    return _bounded(psi1, morlet)


@lru_cache(maxsize=64)
def erb_gammatone(
    J: int,
    n_filters: int,
    sr: float,
    T: int,
    *,
    Q2: int = 1,
    fmin: float = 50.0,
    fmax: float | None = None,
) -> Filterbank:
    """Create a bank with gammatone wavelets of ERB spacing and bandwidth in the first layer.

    Parameters
    ----------
    J : int
        Log2 of the largest scale in samples.
    n_filters : int
        Wavelets in the first layer, equally spaced on the ERB-rate scale.
    sr : float
        Samples per second.
    T : int
        Averaging scale in samples.
    Q2 : int, default 1
        Wavelets per octave in the second layer.
    fmin, fmax : float, optional
        Lowest and highest center in hertz; 50 and 0.4 `sr` by default.

    Returns
    -------
    bank : Filterbank
        Its Littlewood-Paley sum is at most 1. The second layer and the low-pass are Kymatio's.

    Raises
    ------
    ValueError
        If the range is not within 0 and sr / 2, from low to high, or if the narrowest filter is
        longer than 2**J samples.

    References
    ----------
    B. R. Glasberg and B. C. J. Moore, "Derivation of auditory filter shapes from notched-noise
    data", Hearing Research 47, 1990; b is 1.019 times its equivalent rectangular bandwidth.
    """
    highest = 0.4 * sr if fmax is None else fmax
    _check_range(n_filters, fmin, highest, sr)
    rates = np.linspace(_erb_rate(highest), _erb_rate(fmin), n_filters)
    hertz = (10 ** (rates / 21.4) - 1) / 4.37e-3
    b = 1.019 * 24.7 * (4.37e-3 * hertz + 1)
    psi1 = [
        _gammatone_filter(float(xi), float(decay))
        for xi, decay in zip(hertz / sr, b / sr, strict=True)
    ]
    _check_scale(J, psi1)
    return _bounded(psi1, filterbank(J, (1, Q2), T))


@lru_cache(maxsize=64)
def mel(
    J: int,
    n_mels: int,
    sr: float,
    T: int,
    *,
    Q2: int = 1,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
) -> Filterbank:
    """Create a bank with triangular mel filters (librosa's, of equal height) in the first layer.

    Parameters
    ----------
    J : int
        Log2 of the largest scale in samples.
    n_mels : int
        Bands in the first layer.
    sr : float
        Samples per second.
    T : int
        Averaging scale in samples.
    Q2 : int, default 1
        Wavelets per octave in the second layer.
    fmin, fmax : float, optional
        Lower edge of the lowest band and upper edge of the highest, in hertz; 0 and sr / 2 by
        default.
    htk : bool, default False
        Whether to use HTK's mel scale instead of Slaney's.

    Returns
    -------
    bank : Filterbank
        Its Littlewood-Paley sum is at most 1. The second layer and the low-pass are Kymatio's.

    Raises
    ------
    ValueError
        If the range is not within 0 and sr / 2, from low to high, or if the narrowest filter is
        longer than 2**J samples.

    Examples
    --------
    >>> bank = mel(10, 40, 22050, 1024)
    >>> [round(22050 * psi.xi) for psi in bank.psi1[-3:]]
    [243, 162, 81]
    """
    highest = sr / 2 if fmax is None else fmax
    _check_range(n_mels, fmin, highest, sr)
    mels = np.linspace(_hertz_to_mel(highest, htk), _hertz_to_mel(fmin, htk), n_mels + 2)
    edges = np.minimum(_mel_to_hertz(mels, htk), highest) / sr
    psi1 = [
        SampledFilter(
            xi=float(center),
            # A triangle is above 2^-1/2 over that much less than its base.
            sigma=float((high - low) * (1 - math.sqrt(0.5)) / HALF_POWER_WIDTH),
            j=_log2_stride(float(high)),
            response=Triangle(low=float(low), center=float(center), high=float(high)),
        )
        for high, center, low in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    _check_scale(J, psi1)
    return _bounded(psi1, filterbank(J, (1, Q2), T))


def check_filterbank(bank: Filterbank) -> None:
    """Check that a scattering transform can use a filter bank.

    Parameters
    ----------
    bank : Filterbank
        Any filters. The low-pass is included in the Littlewood-Paley sum of a layer if it is as
        long as the longest wavelet; a shorter one overlaps their bands, also in Kymatio's banks.

    Raises
    ------
    ValueError
        If a layer is empty or not in order (`xi` never increases, `j` never decreases), if a
        filter is not hashable, not finite, does not have zero mean or aliases at its stride, or if
        the sum is above 1.

    Examples
    --------
    >>> check_filterbank(mel(10, 40, 22050, 1024))
    """
    if not isinstance(bank, Filterbank):
        msg = f"filterbank must be a Filterbank, as scatseg.scattering.banks makes, got {bank!r}"
        raise ValueError(msg)
    for name, psi in (("psi1", bank.psi1), ("psi2", bank.psi2)):
        _check_hashable(name, psi)
    _check_filters(bank)


def check_low_pass(bank: Filterbank, T: int) -> None:
    """Check that the low-pass of a bank is that of the averaging scale `T` in samples.

    Raises
    ------
    ValueError
        When it is not; the message names the T of the bank.
    """
    if bank.phi.xi != 0 or not math.isclose(bank.phi.sigma * T, SIGMA0, rel_tol=1e-9):
        msg = (
            f"filterbank averages over {SIGMA0 / bank.phi.sigma:g} samples, T={T}: "
            "make the bank with the T of the transform"
        )
        raise ValueError(msg)


def _check_hashable(name: str, psi: Sequence[Wavelet]) -> None:
    try:
        hash(psi)
    except TypeError as error:
        msg = f"{name} must be a tuple of frozen dataclasses, to be part of a key, got {error}"
        raise ValueError(msg) from error


@lru_cache(maxsize=64)
def _check_filters(bank: Filterbank) -> None:
    for name, psi in (("psi1", bank.psi1), ("psi2", bank.psi2)):
        _check_order(name, psi)
        for n, filter_ in enumerate(psi):
            _check_filter(f"{name}[{n}]", filter_)
        phi = long_enough(bank.phi, psi)
        bounds = frame_bounds(psi, phi=phi)
        if bounds.upper > 1 + _ABOVE_ONE:
            msg = (
                f"the Littlewood-Paley sum of {name} must be at most 1, got {bounds.upper:.4g} at "
                f"{bounds.upper_at:.4g} cycles per sample: "
                f"multiply its filters by {largest_gain(psi, phi=phi):.4g}"
            )
            raise ValueError(msg)


def _check_order(name: str, psi: Sequence[Wavelet]) -> None:
    if not psi:
        msg = f"{name} must have at least one filter, got none"
        raise ValueError(msg)
    for n, (before, after) in enumerate(pairwise(psi)):
        if after.xi > before.xi or after.j < before.j:
            msg = (
                f"filters must go from high to low frequency, with j that never decreases, got "
                f"xi={before.xi:.4g}, j={before.j} and then xi={after.xi:.4g}, j={after.j} "
                f"at {name}[{n + 1}]: sort them"
            )
            raise ValueError(msg)


def _check_filter(name: str, psi: Wavelet) -> None:
    if not (0 < psi.xi < 0.5 and psi.sigma > 0 and psi.j >= 0):
        msg = (
            f"{name} must have xi in (0, 0.5), sigma above 0 and j of at least 0, "
            f"got xi={psi.xi}, sigma={psi.sigma}, j={psi.j}"
        )
        raise ValueError(msg)
    frequency = probe_frequencies((psi,))
    size = np.abs(psi.response(np.concatenate([frequency, -frequency])))
    if not np.isfinite(size).all():
        at = float(np.tile(frequency, 2)[~np.isfinite(size)][0])
        msg = f"{name} must be finite, got NaN or Inf at {at:.4g} cycles per sample"
        raise ValueError(msg)
    constant = float(np.abs(psi.response(np.zeros(1)))[0])
    if constant > _BLIND * size.max():
        msg = (
            f"{name} must not pass a constant, got {constant:.3g} at frequency 0 for a peak of "
            f"{size.max():.3g}: subtract a low-pass, or take the difference"
        )
        raise ValueError(msg)
    n_bins = 2 ** math.ceil(math.log2(32 / psi.sigma))
    width = len(psi.band(n_bins, _ALIASED)[1]) / n_bins
    if width > 2.0**-psi.j:
        msg = (
            f"{name} passes {width:.3g} cycles per sample, which a stride of 2**{psi.j} cannot "
            f"hold: lower its j to {max(0, math.floor(-math.log2(width)))} or less"
        )
        raise ValueError(msg)


def _gammatone_filter(xi: float, b: float) -> SampledFilter:
    return SampledFilter(
        xi=xi,
        sigma=b * _GAMMATONE_HALF_POWER / HALF_POWER,
        # Its tails are long: aliases are below 1e-4 of the peak, and below 1e-5 where they overlap.
        j=_log2_stride(max(xi + _GAMMATONE_TAIL * b, _GAMMATONE_END * b)),
        response=Gammatone(xi=xi, b=b),
    )


def _bounded(psi1: Sequence[SampledFilter], rest: Filterbank) -> Filterbank:
    """Scale filters so that their Littlewood-Paley sum is at most 1, and complete the bank."""
    gain = largest_gain(psi1, phi=long_enough(rest.phi, psi1))
    if gain < 1:
        psi1 = [replace(psi, response=Scaled(response=psi.response, gain=gain)) for psi in psi1]
    return replace(rest, psi1=tuple(psi1))


def _log2_stride(upper: float) -> int:
    """Return log2 of the largest stride at which `upper` is below half the Nyquist frequency."""
    return max(0, math.floor(-math.log2(min(upper, 0.5))) - 1)


def _check_range(n_filters: int, fmin: float, fmax: float, sr: float) -> None:
    if n_filters < 1:
        msg = f"a bank needs at least one filter, got {n_filters}"
        raise ValueError(msg)
    if not 0 <= fmin < fmax <= sr / 2:
        msg = f"fmin and fmax must increase within 0 and sr / 2 = {sr / 2}, got {fmin}, {fmax}"
        raise ValueError(msg)


def _check_scale(J: int, psi: Sequence[SampledFilter]) -> None:
    narrowest = min(filter_.sigma for filter_ in psi)
    if narrowest < SIGMA0 / 2**J:
        needed = math.ceil(math.log2(SIGMA0 / narrowest))
        msg = (
            f"the narrowest filter needs J of at least {needed}, got {J}: "
            "raise J, or take fewer filters or a higher fmin"
        )
        raise ValueError(msg)


def _erb_rate(hertz: float) -> float:
    return 21.4 * math.log10(1 + 4.37e-3 * hertz)


# Slaney's mel scale is linear up to 1 kHz, then has 27 mels to the factor of 6.4.
_HERTZ_PER_MEL = 200 / 3
_MEL_BEND = 1000 / _HERTZ_PER_MEL
_MEL_STEP = math.log(6.4) / 27


def _hertz_to_mel(hertz: float, htk: bool) -> float:
    if htk:
        return 2595 * math.log10(1 + hertz / 700)
    if hertz < 1000:
        return hertz / _HERTZ_PER_MEL
    return _MEL_BEND + math.log(hertz / 1000) / _MEL_STEP


def _mel_to_hertz(mels: NDArray[np.float64], htk: bool) -> NDArray[np.float64]:
    if htk:
        return np.asarray(700 * (10 ** (mels / 2595) - 1))
    above = 1000 * np.exp(_MEL_STEP * (mels - _MEL_BEND))
    return np.where(mels < _MEL_BEND, _HERTZ_PER_MEL * mels, above)

"""Signals -> their transforms as arrays, with axes in Hz and seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.counts import rounded
from scatseg.scattering import Scattering1D, TimeFrequencyScattering
from scatseg.scattering.arguments import check_channel, check_integer, check_mono, qualities
from scatseg.spectral import CQT

_LEAST = 1e-6
"""Fraction of full scale below which levels are rounding error."""

_FAINT = 1e-2
"""Fraction of the largest first-order coefficient below which modulations fade out."""

_MOST_COLUMNS = 2000
"""Maximum number of frames in a figure."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeFrequency:
    """A time-frequency representation.

    Parameters
    ----------
    values : ndarray of float, shape (n_bands, n_frames)
        NaN where undefined.
    frequencies : ndarray of float, shape (n_bands,)
        Hz, ascending.
    times : ndarray of float, shape (n_frames,)
        Centers of the frames in seconds.
    end : float
        End of the signal in seconds, within the last frame.
    """

    values: NDArray[np.floating]
    frequencies: NDArray[np.float64]
    times: NDArray[np.float64]
    end: float


def outline(y: ArrayLike, n_stretches: int = 2000) -> NDArray[np.floating]:
    """Return minimum and maximum of equal stretches, shape (2, n_stretches) or shorter."""
    y = check_channel(y)
    check_integer("n_stretches", n_stretches, 1)
    starts = np.linspace(0, len(y), min(n_stretches, len(y)), endpoint=False).astype(int)
    return np.stack([np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)])


def scalogram(y: NDArray[np.floating], sr: int, *, J: int, Q: int) -> TimeFrequency:
    """Compute the scalogram |y * psi|, the wavelet transform before it is averaged.

    Parameters
    ----------
    y : ndarray of float, shape (n_samples,)
        Signal.
    sr : int
        Sampling rate in Hz.
    J : int
        Log2 of the largest scale in samples.
    Q : int
        Wavelets per octave.

    Returns
    -------
    picture : TimeFrequency
        At most 2000 frames; faster changes are averaged within a frame.
    """
    y = check_mono(y, sr)
    hop = _next_power_of_two(len(y) / _MOST_COLUMNS)
    return first_order(y, sr, J=J, Q=Q, T=hop, stride=hop)


def first_order(
    y: NDArray[np.floating],
    sr: int,
    *,
    J: int,
    Q: int,
    T: int | None = None,
    stride: int | None = None,
) -> TimeFrequency:
    """Compute first-order scattering coefficients: the scalogram, averaged over T samples.

    Parameters
    ----------
    y, sr, J, Q
        As for `scalogram`.
    T : int, optional
        Averaging scale in samples, 2**J by default.
    stride : int, optional
        Samples between frames, T/8 or more by default.
    """
    y = check_mono(y, sr)
    T = 2**J if T is None else T
    stride = _fine_stride(len(y), T) if stride is None else stride
    transform = Scattering1D(J=J, Q=Q, T=T, stride=stride, max_order=1)
    S = np.maximum(cast(NDArray[np.floating], transform(y))[:0:-1], 0)
    frequencies = transform.meta()["xi"][:0:-1, 0] * sr
    return TimeFrequency(
        values=S, frequencies=frequencies, times=_times(S, stride, sr), end=len(y) / sr
    )


def spectrogram(
    y: NDArray[np.floating], sr: int, *, n_fft: int = 2048, hop: int | None = None
) -> TimeFrequency:
    """Compute a magnitude spectrogram with a Hann window, without 0 Hz.

    Parameters
    ----------
    y, sr
        As for `scalogram`.
    n_fft : int, default 2048
        Window length in samples.
    hop : int, optional
        Samples between frames; frame k is centered at sample `k * hop`. By default at least a
        quarter of the window, and large enough for at most 2000 frames.
    """
    y = check_mono(y, sr)
    check_integer("n_fft", n_fft, 2)
    hop = max(n_fft // 4, 1, _next_power_of_two(len(y) / _MOST_COLUMNS)) if hop is None else hop
    check_integer("hop", hop, 1)
    window = np.hanning(n_fft + 1)[:-1]
    padded = np.pad(y, n_fft // 2)
    # There is one frame too many if the length is a multiple of the hop.
    n_frames = -(-len(y) // hop)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][:n_frames]
    magnitudes = np.abs(np.fft.rfft(frames * window, axis=1))[:, 1:].T / window.sum()
    frequencies = np.arange(1, n_fft // 2 + 1) * sr / n_fft
    return TimeFrequency(
        values=magnitudes,
        frequencies=frequencies,
        times=_times(magnitudes, hop, sr),
        end=len(y) / sr,
    )


def constant_q(
    y: NDArray[np.floating], sr: int, *, bins_per_octave: int = 36, hop: int | None = None
) -> TimeFrequency:
    """Compute magnitudes of librosa's constant-Q transform, divided by their mean.

    Parameters
    ----------
    y, sr
        As for `scalogram`.
    bins_per_octave : int, default 36
        Bins per octave.
    hop : int, optional
        Samples between frames, as for `spectrogram`; at least 512 by default.
    """
    y = check_mono(y, sr)
    hop = max(512, _next_power_of_two(len(y) / _MOST_COLUMNS)) if hop is None else hop
    eps = 1e-3
    transform = CQT(n_octaves=9, bins_per_octave=bins_per_octave, hop_length=hop, eps=eps)
    features = transform(y, sr)
    carriers = np.array([cast(float, name.carrier) for name in features.names])
    C = eps * np.expm1(features.X.T.astype(np.float64))
    return TimeFrequency(values=C, frequencies=carriers, times=_times(C, hop, sr), end=len(y) / sr)


@dataclass(frozen=True, kw_only=True, eq=False)
class SecondOrder:
    """Second-order scattering coefficients, normalized by their first-order coefficients.

    Parameters
    ----------
    values : ndarray of float, shape (n_carriers, n_rates, n_frames)
        S2 / S1, which is invariant to gain. NaN where there is no path: a carrier has no modulation
        faster than its bandwidth.
    level : ndarray of float, shape (n_carriers, n_frames)
        S1.
    carriers, rates : ndarray of float, shapes (n_carriers,) and (n_rates,)
        Center frequencies of the first- and second-order wavelets in Hz, ascending.
    times : ndarray of float, shape (n_frames,)
        Centers of the frames in seconds.
    end : float
        End of the signal in seconds, within the last frame.
    """

    values: NDArray[np.floating]
    level: NDArray[np.floating]
    carriers: NDArray[np.float64]
    rates: NDArray[np.float64]
    times: NDArray[np.float64]
    end: float

    @property
    def busiest(self) -> float:
        """Carrier in Hz with the highest modulation energy."""
        energy = np.nansum((self.values * self.level[:, None]) ** 2, axis=(1, 2))
        has_path = ~np.isnan(self.values[..., 0]).all(axis=1)
        return float(self.carriers[np.where(has_path, energy, -1).argmax()])

    def by_carrier(self, carrier: float) -> TimeFrequency:
        """Return the modulations over time of the carrier nearest to `carrier` Hz.

        Raises
        ------
        ValueError
            When the carrier is too low to have second-order paths.
        """
        row = _nearest(self.carriers, carrier)
        there = ~np.isnan(self.values[row, :, 0])
        if not there.any():
            lowest = self.carriers[~np.isnan(self.values[..., 0]).all(axis=1)].min()
            msg = (
                f"carriers below {rounded(lowest)} Hz have no second-order path, got {carrier:g} Hz"
            )
            raise ValueError(msg)
        return TimeFrequency(
            values=self.values[row, there],
            frequencies=self.rates[there],
            times=self.times,
            end=self.end,
        )

    def by_rate(self) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
        """Compute the energy of each rate, over all carriers.

        Returns
        -------
        rates : ndarray of float, shape (n_rates,)
            Hz, ascending.
        energy : ndarray of float, shape (n_rates,)
            Mean over time of the sum of S2 squared.
        """
        squares = np.square(self.values * self.level[:, None])
        energy = np.nansum(squares, axis=0).mean(axis=1)
        return self.rates, cast(NDArray[np.floating], energy)

    def map(self, time: float | None = None) -> NDArray[np.floating]:
        """Return values by carrier and rate at a time, or their mean weighted by level.

        Returns
        -------
        values : ndarray of float, shape (n_carriers, n_rates)
            NaN where there is no path.
        """
        if time is not None:
            return self.values[:, :, int(np.abs(self.times - time).argmin())]
        total = self.level.sum(axis=1)[:, None]
        weighted = (self.values * self.level[:, None]).sum(axis=2)
        return cast(NDArray[np.floating], weighted / np.maximum(total, _LEAST))


def second_order(
    y: NDArray[np.floating],
    sr: int,
    *,
    J: int,
    Q: int | tuple[int, int] = 8,
    T: int | None = None,
) -> SecondOrder:
    """Compute second-order scattering coefficients by carrier and modulation rate.

    Parameters
    ----------
    y, sr
        As for `scalogram`.
    J, Q, T
        Options of `scatseg.scattering.Scattering1D`.

    References
    ----------
    J. Andén and S. Mallat, "Deep scattering spectrum", IEEE Transactions on Signal
    Processing 62(16), 2014, section V.
    """
    y = check_mono(y, sr)
    T = 2**J if T is None else T
    stride = _fine_stride(len(y), T)
    transform = Scattering1D(J=J, Q=Q, T=T, stride=stride)
    S = np.maximum(cast(NDArray[np.floating], transform(y)), 0)
    meta = transform.meta()
    first, second = meta["order"] == 1, meta["order"] == 2
    n1, n2 = meta["n"][second].astype(int).T
    if not len(n1):
        msg = f"J={J} leaves no second-order path; choose a larger one"
        raise ValueError(msg)
    level = S[first]
    floor = max(_FAINT * float(level.max()), _LEAST)
    # The fastest second-order wavelets are in no path.
    n2 -= n2.min()
    values = np.full((len(level), n2.max() + 1, S.shape[1]), np.nan, dtype=S.dtype)
    values[n1, n2] = S[second] / (level[n1] + floor)
    rates = np.empty(n2.max() + 1)
    rates[n2] = meta["xi"][second, 1] * sr
    return SecondOrder(
        values=values[::-1, ::-1],
        level=level[::-1],
        carriers=meta["xi"][first, 0][::-1] * sr,
        rates=rates[::-1],
        times=_times(S, stride, sr),
        end=len(y) / sr,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Orders:
    """Energy of each scattering order over time.

    Parameters
    ----------
    energies : ndarray of float, shape (n_orders, n_frames)
        Sums of squares of the coefficients of orders 0, 1, 2.
    signal : ndarray of float, shape (n_frames,)
        Power of the signal, averaged like the coefficients. It bounds the sum of the orders:
        analytic wavelets see only half of the spectrum of a real signal.
    times : ndarray of float, shape (n_frames,)
        Centers of the frames in seconds.
    end : float
        End of the signal in seconds, within the last frame.
    """

    energies: NDArray[np.floating]
    signal: NDArray[np.floating]
    times: NDArray[np.float64]
    end: float


def orders(
    y: NDArray[np.floating],
    sr: int,
    *,
    J: int,
    Q: int | tuple[int, int] = 8,
    T: int | None = None,
) -> Orders:
    """Compute the energy of each scattering order over time.

    Parameters
    ----------
    y, sr, J, Q, T
        As for `second_order`.
    """
    y = check_mono(y, sr)
    T = 2**J if T is None else T
    stride = _fine_stride(len(y), T)
    transform = Scattering1D(J=J, Q=Q, T=T, stride=stride)
    S = cast(NDArray[np.floating], transform(y))
    order = transform.meta()["order"]
    average = Scattering1D(J=J, T=T, stride=stride, max_order=1)
    power = cast(NDArray[np.floating], average(np.square(y)))[0]
    return Orders(
        energies=np.array([np.square(S[order == k]).sum(axis=0) for k in range(3)]),
        signal=np.maximum(power, 0),
        times=_times(S, stride, sr),
        end=len(y) / sr,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Joint:
    """Joint time-frequency scattering coefficients by rate, scale and carrier.

    Parameters
    ----------
    values : ndarray of float, shape (n_rates, n_scales, n_carriers, n_frames)
        NaN where there is no path.
    rates : ndarray of float, shape (n_rates,)
        Modulation in time, Hz, ascending.
    scales : ndarray of float, shape (n_scales,)
        Modulation along log-frequency in cycles per octave, ascending: negative for falling,
        positive for rising, 0 for parallel modulation of all carriers.
    carriers : ndarray of float, shape (n_carriers,)
        Hz, ascending.
    times : ndarray of float, shape (n_frames,)
        Centers of the frames in seconds.
    end : float
        End of the signal in seconds, within the last frame.
    """

    values: NDArray[np.floating]
    rates: NDArray[np.float64]
    scales: NDArray[np.float64]
    carriers: NDArray[np.float64]
    times: NDArray[np.float64]
    end: float

    def rate_scale(self, time: float | None = None) -> NDArray[np.floating]:
        """Compute the energy by rate and scale at a time, or over all frames.

        Returns
        -------
        energy : ndarray of float, shape (n_rates, n_scales)
            Mean square over frames, summed over carriers.
        """
        frames = slice(None) if time is None else [int(np.abs(self.times - time).argmin())]
        squares = np.square(self.values[..., frames])
        return cast(NDArray[np.floating], np.nansum(squares, axis=2).mean(axis=-1))

    def spin_energy(self) -> tuple[float, float]:
        """Compute the energy of rising and of falling modulations."""
        energy = self.rate_scale()
        rising, falling = (energy[:, mask].sum() for mask in (self.scales > 0, self.scales < 0))
        return float(rising), float(falling)

    @property
    def strongest(self) -> tuple[float, float]:
        """Rate in Hz and scale in cycles per octave with the highest energy over both spins."""
        energy = self.rate_scale()
        energy = np.where(self.scales > 0, energy + energy[:, ::-1], 0)
        rate, scale = np.unravel_index(energy.argmax(), energy.shape)
        return float(self.rates[rate]), float(self.scales[scale])

    def by_path(self, rate: float, scale: float) -> TimeFrequency:
        """Return the path nearest to a rate and a scale (signed by its spin) over time.

        `nearest` tells which it is.
        """
        row = _nearest(self.rates, rate)
        if scale:
            same = np.flatnonzero(np.sign(self.scales) == np.sign(scale))
            column = same[_nearest(np.abs(self.scales[same]), abs(scale))]
        else:
            column = int(np.flatnonzero(self.scales == 0)[0])
        values = self.values[row, column]
        there = ~np.isnan(values[:, 0])
        return TimeFrequency(
            values=values[there],
            frequencies=self.carriers[there],
            times=self.times,
            end=self.end,
        )


def joint(
    y: NDArray[np.floating],
    sr: int,
    *,
    J: int,
    J_fr: int = 3,
    Q: int | tuple[int, int] = 8,
    Q_fr: int = 1,
    T: int | None = None,
) -> Joint:
    """Compute joint time-frequency scattering without averaging over carriers.

    Parameters
    ----------
    y, sr
        As for `scalogram`.
    J, J_fr, Q, Q_fr, T
        Options of `scatseg.scattering.TimeFrequencyScattering`. Keep T below a sixteenth of the
        signal: averages over a reflected end mix rising and falling.
    """
    y = check_mono(y, sr)
    T = 2**J if T is None else T
    stride = _fine_stride(len(y), T)
    transform = TimeFrequencyScattering(
        J, J_fr, Q=Q, Q_fr=Q_fr, T=T, stride=stride, F=1, format="joint"
    )
    S = np.maximum(cast(NDArray[np.floating], transform(y)), 0)
    meta = transform.meta()
    second = np.flatnonzero(meta["order"] == 2)
    rates = np.unique(meta["xi"][second, 1])
    scales = np.unique(meta["xi_fr"])
    Q1, _ = qualities(Q)
    carriers = _carriers(J, Q1)
    shape = (len(rates), len(scales), len(carriers), S.shape[-1])
    values = np.full(shape, np.nan, dtype=S.dtype)
    for path in second:
        n1_max = meta["n"][path, 0].stop
        row = np.searchsorted(rates, meta["xi"][path, 1])
        column = np.searchsorted(scales, meta["xi_fr"][path])
        # Carriers come from high to low and are reversed.
        values[row, column, ::-1][:n1_max] = S[path, :n1_max]
    return Joint(
        values=values,
        rates=rates * sr,
        scales=scales * Q1,
        carriers=carriers * sr,
        times=_times(S, stride, sr),
        end=len(y) / sr,
    )


def _carriers(J: int, Q: int) -> NDArray[np.float64]:
    """First-order center frequencies in cycles per sample, ascending."""
    meta: dict[str, Any] = Scattering1D(J=J, Q=Q, max_order=1).meta()
    return cast(NDArray[np.float64], meta["xi"][:0:-1, 0])


def _times(frames: NDArray[Any], stride: int, sr: int) -> NDArray[np.float64]:
    return np.arange(frames.shape[-1]) * stride / sr


def _fine_stride(n_samples: int, T: int) -> int:
    """Choose the samples between frames: an eighth of T, more for long signals."""
    return min(
        max(_next_power_of_two(T / 8), _next_power_of_two(n_samples / 600)), _next_power_of_two(T)
    )


def _next_power_of_two(value: float) -> int:
    """Return the smallest power of two from `value` on, up to rounding errors; at least 1."""
    return int(2 ** max(0, math.ceil(math.log2(max(value, 1)) - 1e-9)))


def nearest(values: NDArray[np.float64], wanted: float, what: str, unit: str = "Hz") -> float:
    """Return the value nearest in octaves, of positive ones.

    Raises
    ------
    ValueError
        When `wanted` is not positive, or over an octave from all of them.

    Examples
    --------
    >>> nearest(np.array([4.0, 8.0, 16.0]), 9, "rate")
    8.0
    """
    found = float(values[_nearest(values, wanted)])
    if abs(math.log2(found / wanted)) > 1:
        low, high = rounded(values.min()), rounded(values.max())
        msg = f"no {what} is near {wanted:g} {unit}: they lie from {low} to {high} {unit}"
        raise ValueError(msg)
    return found


def _nearest(frequencies: NDArray[np.float64], wanted: float) -> int:
    """Return the index of the frequency nearest in octaves."""
    if not wanted > 0:
        msg = f"a frequency must be positive, got {wanted:g}"
        raise ValueError(msg)
    return int(np.abs(np.log2(frequencies / wanted)).argmin())

"""Plots of wavelets, filter banks and scattering coefficients, computed by `scatseg.pictures`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import matplotlib
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike, NDArray

from scatseg.counts import rounded
from scatseg.plotting.canvas import COLORS, INK, LINE, TIME, color_bar, mark_hertz, mark_minutes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import QuadMesh

    from scatseg.pictures import (
        BankCurves,
        DistanceCurves,
        Joint,
        JointTiles,
        Orders,
        SecondOrder,
        TimeFrequency,
        Wavelet,
    )

_NOTHING = "#E8EAED"
_DASHES = (0, (3, 2))
_LEVELS = "magma"
_RATIOS = "viridis"
_SIGNED = "RdBu_r"

_LOWEST_AUDIBLE = 20.0
"""Hz: lower bands are omitted."""

_FLOOR = -60.0
"""dB relative to the maximum at the dark end of the color scale."""

_MOST_FRAMES = 4000
"""Maximum number of frames drawn, more than a figure has columns; averages of several if needed."""

_TINY = float(np.finfo(np.float32).tiny)


def decibel(
    values: ArrayLike, *, floor: float = _FLOOR, loudest: float | None = None
) -> NDArray[np.float64]:
    """Convert magnitudes to decibels relative to `loudest` (the largest), at least `floor`.

    Examples
    --------
    >>> decibel([1.0, 0.1, 0.0])
    array([  0., -20., -60.])
    """
    magnitudes = np.asarray(values, dtype=np.float64)
    largest = float(np.nanmax(magnitudes)) if loudest is None else loudest
    if largest <= 0:
        return np.where(np.isnan(magnitudes), np.nan, floor)
    return 20 * np.log10(np.maximum(magnitudes / largest, 10 ** (floor / 20)))


def plot_wavelet(wavelet: Wavelet, *, ax: Axes) -> None:
    """Draw a wavelet in time: real part, imaginary part and modulus, normalized to peak 1."""
    inside = np.abs(wavelet.times) <= 4 * wavelet.duration
    unit, scale = ("ms", 1000) if wavelet.duration < 0.25 else ("s", 1)
    times = wavelet.times[inside] * scale
    values = wavelet.values[inside] / np.abs(wavelet.values).max()
    ax.plot(times, values.real, color=COLORS[0], linewidth=0.9, label="real part")
    ax.plot(times, values.imag, color=COLORS[1], linewidth=0.9, label="imaginary part")
    ax.plot(times, np.abs(values), color=INK, linewidth=1.2, label="modulus")
    ax.set(xlim=(times[0], times[-1]), ylim=(-1.1, 1.1))
    ax.set(xlabel=f"time ({unit})", ylabel="amplitude (peak 1)")
    ax.set_title(
        f"in time: standard deviation {wavelet.duration * scale:.3g} {unit}", fontsize=8, loc="left"
    )
    ax.legend(loc="upper right", frameon=False, fontsize=7)


def plot_response(wavelet: Wavelet, *, ax: Axes) -> None:
    """Draw the magnitude of a wavelet's Fourier transform over log-frequency."""
    low = max(wavelet.xi / 8, wavelet.frequencies[wavelet.frequencies > 0].min())
    high = min(wavelet.xi * 4, wavelet.frequencies.max())
    inside = (wavelet.frequencies >= low) & (wavelet.frequencies <= high)
    hertz, H = wavelet.frequencies[inside], np.abs(wavelet.response[inside])
    half = (wavelet.xi - wavelet.bandwidth / 2, wavelet.xi + wavelet.bandwidth / 2)
    ax.axvspan(*half, color=LINE, alpha=0.12, linewidth=0)
    ax.plot(hertz, H, color=LINE, linewidth=1.2)
    ax.axvline(wavelet.xi, color=INK, linewidth=0.6, linestyle=_DASHES)
    mark_hertz(ax.xaxis)
    ax.set(xlim=(low, high), ylim=(0, 1.08), xlabel="frequency (Hz)", ylabel="magnitude")
    ax.set_title(
        f"in frequency: {wavelet.xi:g} Hz, half-power bandwidth "
        f"{rounded(wavelet.bandwidth)} Hz, quality factor {wavelet.quality:.3g}",
        fontsize=8,
        loc="left",
    )


def plot_bank(curves: BankCurves, *, ax: Axes, layer: Literal[0, 1] = 0) -> None:
    """Draw the filters of a layer, the low-pass, their Littlewood-Paley sum and its bounds.

    The bounds hold up to the center of the highest wavelet; above, the sum falls.
    """
    hertz = curves.frequencies
    for H in curves.wavelets[layer]:
        ax.plot(hertz, H, color=LINE, linewidth=0.6, alpha=0.7)
    ax.plot(hertz, curves.low_pass, color=COLORS[1], linewidth=1.2)
    total = curves.sums[layer]
    ax.plot(hertz, total, color=INK, linewidth=0.9)
    ax.hlines(
        curves.bounds[layer],
        hertz[0],
        curves.centers[layer][0],
        color=INK,
        linewidth=0.5,
        linestyles=_DASHES,
    )
    mark_hertz(ax.xaxis)
    ax.set(
        xlim=(hertz[0], hertz[-1]),
        ylim=(0, 1.08 * max(1, float(total.max()))),
        xlabel="frequency (Hz)",
        ylabel="magnitude",
    )


def bank_key() -> list[Line2D]:
    """Return the legend handles of `plot_bank`."""
    return [
        Line2D([], [], color=LINE, linewidth=0.6, alpha=0.7, label="wavelets"),
        Line2D([], [], color=COLORS[1], linewidth=1.2, label="low-pass"),
        Line2D([], [], color=INK, linewidth=0.9, label="Littlewood-Paley sum"),
        Line2D(
            [],
            [],
            color=INK,
            linewidth=0.5,
            linestyle=_DASHES,
            label="its bounds up to the highest wavelet",
        ),
    ]


def plot_joint_tile(
    tiles: JointTiles, *, ax: Axes, rate: int = 0, scale: int = 0, spin: Literal[1, -1] = 1
) -> ScalarMappable:
    """Draw the real part of one joint wavelet, red above and blue below zero.

    Parameters
    ----------
    tiles : JointTiles
        All joint wavelets.
    ax : Axes
        Axes to draw on.
    rate, scale : int
        Indices into `tiles.rates` and `tiles.scales`.
    spin : {1, -1}
        Rising or falling.

    Returns
    -------
    image : ScalarMappable
        The image.
    """
    values = tiles.values[rate, scale, 0 if spin > 0 else 1]
    image = ax.pcolorfast(
        (tiles.times[0], tiles.times[-1]),
        (tiles.octaves[0], tiles.octaves[-1]),
        values,
        cmap=matplotlib.colormaps[_SIGNED],
        vmin=-1,
        vmax=1,
    )
    ax.xaxis.set_major_formatter(lambda t, _: f"{t:g}".replace("-", "\N{MINUS SIGN}"))
    ax.set(xlabel="time (s)", ylabel="octaves")
    return image


def plot_time_frequency(
    picture: TimeFrequency,
    *,
    ax: Axes,
    color: Literal["decibel", "ratio"] = "decibel",
    what: str = "frequency",
    lowest: float = _LOWEST_AUDIBLE,
    loudest: float | None = None,
    bar: bool = True,
) -> QuadMesh:
    """Draw a time-frequency representation with a color bar.

    Parameters
    ----------
    picture : TimeFrequency
        Magnitudes.
    ax : Axes
        Axes to draw on.
    color : {"decibel", "ratio"}
        Draw decibels relative to the largest magnitude, or the values themselves.
    what : str, default "frequency"
        Name of the vertical axis, in Hz.
    lowest : float, default 20
        Lowest frequency drawn, in Hz.
    loudest : float, optional
        Magnitude of 0 dB, to compare several plots; the largest by default.
    bar : bool, default True
        Whether to draw a color bar.

    Returns
    -------
    mesh : QuadMesh
        The image.
    """
    there = picture.frequencies >= min(lowest, picture.frequencies[-1])
    times, values = _drawable(_time_edges(picture), picture.values[there])
    edges = times, _log_edges(picture.frequencies[there])
    if color == "decibel":
        mesh = _level_mesh(ax, *edges, values, loudest=loudest, bar=bar)
    else:
        mesh = _ratio_mesh(ax, *edges, values)
    mark_hertz(ax.yaxis)
    mark_minutes(ax.xaxis)
    ax.set(xlabel=TIME, ylabel=f"{what} (Hz)")
    return mesh


def plot_carriers_and_rates(
    second: SecondOrder, *, ax: Axes, time: float | None = None
) -> QuadMesh:
    """Draw second-order coefficients by carrier and rate, at a time in seconds or averaged."""
    audible = second.carriers >= min(_LOWEST_AUDIBLE, second.carriers[-1])
    values = second.map(time)[audible]
    there = ~np.isnan(values).all(axis=0)
    rates = second.rates[there]
    mesh = _ratio_mesh(
        ax, _log_edges(rates), _log_edges(second.carriers[audible]), values[:, there]
    )
    mark_hertz(ax.xaxis)
    mark_hertz(ax.yaxis)
    ax.set(xlabel="modulation rate (Hz)", ylabel="carrier (Hz)")
    return mesh


def plot_rates_and_scales(joint: Joint, *, ax: Axes, time: float | None = None) -> QuadMesh:
    """Draw the energy of joint scattering, falling left and rising right.

    Parameters
    ----------
    joint : Joint
        Joint scattering coefficients.
    ax : Axes
        Axes to draw on.
    time : float, optional
        Time in seconds; the mean over time by default.
    """
    level = np.sqrt(joint.rate_scale(time).astype(np.float64))
    n_scales = len(joint.scales)
    columns = np.linspace(-0.5, n_scales - 0.5, n_scales + 1)
    mesh = _level_mesh(ax, columns, _log_edges(joint.rates), level, floor=-40.0)
    mark_hertz(ax.yaxis)
    ax.set_xticks(columns[:-1] + 0.5, [f"{abs(scale):.2g}" for scale in joint.scales])
    ax.set(
        xlabel="falling  \N{LEFTWARDS ARROW}  cycles per octave  \N{RIGHTWARDS ARROW}  rising",
        ylabel="modulation rate (Hz)",
    )
    return mesh


def plot_rates(
    rates: NDArray[np.float64],
    energy: NDArray[np.floating],
    *,
    ax: Axes,
    true: float | None = None,
) -> None:
    """Draw energy by modulation rate, normalized to peak 1, and the true rate as a dashed line.

    Parameters
    ----------
    rates : ndarray of float, shape (n_rates,)
        Hz.
    energy : ndarray of float, shape (n_rates,)
        Non-negative.
    ax : Axes
        Axes to draw on.
    true : float, optional
        True rate in Hz.
    """
    relative = energy / max(float(energy.max()), _TINY)
    ax.plot(rates, relative, color=LINE, linewidth=1.0, marker="o", markersize=2.5)
    if true is not None:
        ax.axvline(true, color=INK, linewidth=0.8, linestyle=_DASHES)
    mark_hertz(ax.xaxis)
    ax.set(ylim=(0, 1.08), yticks=[0, 0.5, 1])
    ax.set(xlabel="modulation rate (Hz)", ylabel="energy re largest")


def plot_orders(orders: Orders, *, ax: Axes) -> None:
    """Draw the energy of each order over time, in decibels relative to the loudest frame."""
    loudest = max(float(orders.signal.max()), _TINY)
    rows: list[tuple[str, str, NDArray[np.floating]]] = [("signal", INK, orders.signal)]
    rows += [
        (f"order {k}", color, np.asarray(energy))
        for k, (color, energy) in enumerate(zip(COLORS, orders.energies, strict=False))
    ]
    for name, color, energy in rows:
        level = 10 * np.log10(np.maximum(energy / loudest, 10 ** ((_FLOOR - 20) / 10)))
        ax.plot(orders.times, level, color=color, linewidth=1.0, label=name)
    ax.set(xlim=(orders.times[0], orders.end), ylim=(_FLOOR, 3), ylabel="dB re loudest moment")
    ax.set_xlabel(TIME)
    mark_minutes(ax.xaxis)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=7)


def plot_distances(curves: DistanceCurves, *, ax: Axes, xlabel: str) -> None:
    """Draw relative distances against the size of a change on logarithmic axes."""
    for color, (name, distances) in zip(COLORS, curves.distances.items(), strict=False):
        is_plain = name.startswith("spectrogram")
        ax.plot(
            curves.sizes,
            distances,
            color=INK if is_plain else color,
            linestyle="--" if is_plain else "-",
            marker="o",
            markersize=2.5,
            linewidth=1.0,
            label=name,
        )
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="relative distance")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.grid(visible=True, which="major", color=_NOTHING, linewidth=0.6)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=7)


def _level_mesh(
    ax: Axes,
    x_edges: NDArray[np.float64],
    y_edges: NDArray[np.float64],
    values: ArrayLike,
    *,
    floor: float = _FLOOR,
    loudest: float | None = None,
    bar: bool = True,
) -> QuadMesh:
    """Draw magnitudes in decibels."""
    shown = decibel(values, floor=floor, loudest=loudest)
    mesh = _mesh(ax, x_edges, y_edges, shown, _LEVELS, (floor, 0.0))
    if bar:
        color_bar(ax, mesh, "dB re largest", "min")
    return mesh


def _ratio_mesh(
    ax: Axes,
    x_edges: NDArray[np.float64],
    y_edges: NDArray[np.float64],
    values: NDArray[np.floating],
) -> QuadMesh:
    """Draw second-order coefficients divided by their first-order coefficients."""
    high = max(float(np.nanpercentile(values, 99.5)), 1e-3)
    mesh = _mesh(ax, x_edges, y_edges, values, _RATIOS, (0.0, high))
    color_bar(ax, mesh, "S2 / S1", "max")
    return mesh


def _mesh(
    ax: Axes,
    x_edges: NDArray[np.float64],
    y_edges: NDArray[np.float64],
    values: NDArray[np.floating],
    colors: str,
    limits: tuple[float, float],
) -> QuadMesh:
    """Draw cells; NaN is gray."""
    ax.set_facecolor(_NOTHING)
    mesh = ax.pcolormesh(
        x_edges,
        y_edges,
        np.ma.masked_invalid(values),
        cmap=matplotlib.colormaps[colors],
        vmin=limits[0],
        vmax=limits[1],
        rasterized=True,
    )
    ax.set(xlim=(x_edges[0], x_edges[-1]), ylim=(y_edges[0], y_edges[-1]))
    return mesh


def _time_edges(picture: TimeFrequency) -> NDArray[np.float64]:
    """Return frame edges, from the start of the signal, where the first is centered, to its end."""
    times = picture.times
    return np.array([times[0], *(times[:-1] + times[1:]) / 2, picture.end])


def _drawable(
    edges: NDArray[np.float64], values: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """Average neighboring frames where there are more than a figure can show."""
    n_frames = values.shape[1]
    starts = np.arange(0, n_frames, -(-n_frames // _MOST_FRAMES))
    lengths = np.diff(starts, append=n_frames)
    means = np.add.reduceat(values, starts, axis=1) / lengths.astype(values.dtype)
    return np.append(edges[starts], edges[-1]), means


def _log_edges(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return band edges, at the geometric means of the centers."""
    if len(hertz) == 1:
        return np.array([hertz[0] / 2**0.5, hertz[0] * 2**0.5])
    inner = np.sqrt(hertz[:-1] * hertz[1:])
    first, last = hertz[0] ** 2 / inner[0], hertz[-1] ** 2 / inner[-1]
    return np.concatenate([[first], inner, [last]])

"""Figures of the scattering transforms of a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scatseg import pictures, plotting
from scatseg.counts import rounded, told_apart
from scatseg.figures.files import (
    SHORT,
    Excerpt,
    Sound,
    average_text,
    check_average,
    check_output,
    numbers_of,
    plot_outline,
    read_sound,
    write,
)
from scatseg.pictures import TimeFrequency
from scatseg.plotting import clock

Follow = Callable[[Iterable[TimeFrequency], int], Iterable[TimeFrequency]]
"""Iterates over pictures as they are computed, given their number, to show progress."""


def draw_scalogram(
    path: Path,
    output: Path,
    *,
    stretch: Excerpt = (None, None),
    sr: int = 22050,
    J: int = 12,
    Q: int = 12,
) -> Path:
    """Draw the scalogram of a recording.

    Parameters
    ----------
    path : Path
        An audio file.
    output : Path
        A .png or .svg file; both are saved.
    stretch : (float or None, float or None)
        Start and end of the excerpt in seconds.
    sr : int, default 22050
        Sampling rate in Hz.
    J, Q : int
        Log2 of the largest scale in samples; wavelets per octave.
    """
    check_output(output)
    sound = read_sound(path, stretch, sr)
    picture = sound.placed(pictures.scalogram(sound.y, sr, J=J, Q=Q))
    return write(
        output,
        lambda axes: _plot_one(picture, axes),
        numbers_of(picture),
        heights=[3.6],
        title=sound.name,
        after=f"{sound.place}: scalogram, {Q} wavelets per octave",
    )


def draw_s1(
    path: Path,
    output: Path,
    *,
    stretch: Excerpt = (None, None),
    sr: int = 22050,
    J: int = 12,
    Q: int = 12,
    T: int | None = None,
) -> Path:
    """Draw first-order scattering coefficients; as `draw_scalogram`, averaged over T samples."""
    check_output(output)
    sound = read_sound(path, stretch, sr)
    check_average(sound, T, J)
    picture = sound.placed(pictures.first_order(sound.y, sr, J=J, Q=Q, T=T))
    return write(
        output,
        lambda axes: _plot_one(picture, axes),
        numbers_of(picture),
        heights=[3.6],
        title=sound.name,
        after=f"{sound.place}: first order, T = {average_text(T, J, sr)}",
    )


def draw_s2(
    path: Path,
    output: Path,
    *,
    stretch: Excerpt = (None, None),
    sr: int = 22050,
    J: int = 14,
    Q: tuple[int, int] = (8, 1),
    T: int | None = None,
    carrier: float | None = None,
    time: float | None = None,
) -> Path:
    """Draw second-order scattering coefficients: by carrier and rate, and one carrier over time.

    Parameters
    ----------
    path, output, stretch, sr
        As for `draw_scalogram`.
    J, Q, T
        Options of `scatseg.scattering.Scattering1D`.
    carrier : float, optional
        Carrier in Hz to show over time: the nearest is shown, within an octave; by default the one
        with the highest modulation energy.
    time : float, optional
        Time in seconds at which to show all carriers; the mean over time by default.
    """
    check_output(output)
    sound = read_sound(path, stretch, sr)
    _check_time(sound, time)
    check_average(sound, T, J)
    second = sound.placed(pictures.second_order(sound.y, sr, J=J, Q=Q, T=T))
    if carrier is None:
        carrier = second.busiest
    else:
        carrier = pictures.nearest(second.carriers, carrier, "carrier")
    one = second.by_carrier(carrier)
    when = "mean over time" if time is None else f"at {clock(time, 0.1)}"

    def panels(axes: NDArray[Any]) -> None:
        plotting.plot_carriers_and_rates(second, ax=axes[0, 0], time=time)
        axes[0, 0].set_title(f"all carriers, {when}", fontsize=8, loc="left")
        plotting.plot_time_frequency(one, ax=axes[1, 0], color="ratio", what="rate", lowest=0)
        title = f"the carrier at {rounded(carrier)} Hz"
        axes[1, 0].set_title(title, fontsize=8, loc="left")

    return write(
        output,
        panels,
        {
            "map": second.map(time),
            "carriers": second.carriers,
            "rates": second.rates,
            **numbers_of(one, "carrier_"),
        },
        heights=[3.4, 2.0],
        title=sound.name,
        after=f"{sound.place}: second order, T = {average_text(T, J, sr)}",
    )


def draw_jtfs(
    path: Path,
    output: Path,
    *,
    stretch: Excerpt = (None, None),
    sr: int = 22050,
    J: int = 13,
    J_fr: int = 4,
    Q: tuple[int, int] = (8, 1),
    Q_fr: int = 1,
    T: int | None = None,
    rate: float | None = None,
    scale: float | None = None,
    time: float | None = None,
) -> Path:
    """Draw joint scattering: energy by rate and scale, and falling and rising paths over time.

    Parameters
    ----------
    path, output, stretch, sr
        As for `draw_scalogram`.
    J, J_fr, Q, Q_fr, T
        Options of `scatseg.scattering.TimeFrequencyScattering`.
    rate, scale : float, optional
        Hz and cycles per octave of the path to show over time: the nearest is shown, within an
        octave; the strongest by default.
    time : float, optional
        Time in seconds at which to show all rates and scales; the mean over time by default.
    """
    check_output(output)
    sound = read_sound(path, stretch, sr)
    _check_time(sound, time)
    check_average(sound, T, J)
    joint = sound.placed(pictures.joint(sound.y, sr, J=J, J_fr=J_fr, Q=Q, Q_fr=Q_fr, T=T))
    strongest, scales = joint.strongest, joint.scales[joint.scales > 0]
    rate = strongest[0] if rate is None else pictures.nearest(joint.rates, rate, "rate")
    if scale is None:
        scale = strongest[1]
    else:
        scale = pictures.nearest(scales, abs(scale), "scale", "cycles per octave")
    paths = {spin: joint.by_path(rate, spin * scale) for spin in (1, -1)}
    when = "mean over time" if time is None else f"at {clock(time, 0.1)}"

    def panels(axes: NDArray[Any]) -> None:
        plotting.plot_rates_and_scales(joint, ax=axes[0, 0], time=time)
        axes[0, 0].set_title(f"all rates and scales, {when}", fontsize=8, loc="left")
        loudest = max(float(path.values.max()) for path in paths.values())
        for ax, (spin, path) in zip(axes[1:, 0], paths.items(), strict=True):
            plotting.plot_time_frequency(path, ax=ax, loudest=loudest, what="carrier")
            name = "rising" if spin > 0 else "falling"
            title = f"{name} at {rounded(rate)} Hz and {rounded(scale, 2)} cycles per octave"
            speed = f"{rounded(rate / scale)} octaves per second"
            ax.set_title(f"{title}: {speed}", fontsize=8, loc="left")

    return write(
        output,
        panels,
        {
            "energy": joint.rate_scale(time),
            "rates": joint.rates,
            "scales": joint.scales,
            **numbers_of(paths[1], "rising_"),
            **numbers_of(paths[-1], "falling_"),
        },
        heights=[2.4, 2.0, 2.0],
        title=sound.name,
        after=f"{sound.place}: joint scattering, T = {average_text(T, J, sr)}",
    )


def draw_compare(
    path: Path,
    output: Path,
    *,
    stretch: Excerpt = (None, None),
    sr: int = 22050,
    J: int = 12,
    Q: int = 12,
    follow: Follow | None = None,
) -> Path:
    """Draw waveform, spectrogram, constant-Q transform and scalogram over one time axis.

    Other parameters are those of `draw_scalogram`.

    Parameters
    ----------
    follow : callable, optional
        Iterates over the transforms as they are computed, given their number.
    """
    check_output(output)
    sound = read_sound(path, stretch, sr)
    transforms: dict[str, Callable[[NDArray[np.floating], int], TimeFrequency]] = {
        "spectrogram": pictures.spectrogram,
        "constant-Q transform": pictures.constant_q,
        "scalogram": partial(pictures.scalogram, J=J, Q=Q),
    }
    computed = (sound.placed(transform(sound.y, sr)) for transform in transforms.values())
    shown = follow(computed, len(transforms)) if follow else computed
    made = dict(zip(transforms, shown, strict=True))

    def panels(axes: NDArray[Any]) -> None:
        plot_outline(sound, axes[0, 0])
        for ax, (name, picture) in zip(axes[1:, 0], made.items(), strict=True):
            plotting.plot_time_frequency(picture, ax=ax)
            ax.set_title(name, fontsize=8, loc="left")
            ax.set_ylim(20, sr / 2)

    numbers = {
        key: array
        for name, picture in made.items()
        for key, array in numbers_of(picture, f"{name.split()[0]}_").items()
    }
    return write(
        output,
        panels,
        numbers,
        heights=[0.7, 2.0, 2.0, 2.0],
        title=sound.name,
        after=sound.place,
        share="col",
    )


def draw_orders(
    path: Path,
    output: Path,
    *,
    stretch: Excerpt = (None, None),
    sr: int = 22050,
    J: int = 13,
    Q: tuple[int, int] = (8, 1),
    T: int | None = None,
) -> Path:
    """Draw the energy of the scattering orders of a recording over time.

    Parameters are those of `draw_s2`.
    """
    check_output(output)
    sound = read_sound(path, stretch, sr)
    check_average(sound, T, J)
    spread = sound.placed(pictures.orders(sound.y, sr, J=J, Q=Q, T=T))
    return write(
        output,
        lambda axes: plotting.plot_orders(spread, ax=axes[0, 0]),
        {"energies": spread.energies, "signal": spread.signal, "times": spread.times},
        heights=[2.4],
        title=sound.name,
        after=f"{sound.place}: energy by order, T = {average_text(T, J, sr)}",
    )


def draw_invariance(
    path: Path,
    output: Path,
    *,
    stretch: Excerpt = (None, None),
    sr: int = 22050,
    J: int = 10,
    Q: int = 8,
    T: Sequence[int] = (2**9, 2**11, 2**13),
    follow: pictures.Follow | None = None,
) -> Path:
    """Draw the relative change of coefficients as a function of delay.

    Parameters
    ----------
    path, output, sr
        As for `draw_scalogram`.
    stretch : (float or None, float or None)
        Start and end of the excerpt in seconds; the middle six seconds if both are None.
    J, Q : int
        Options of `scatseg.scattering.Scattering1D`.
    T : sequence of int
        Averaging scales in samples: one curve each.
    follow : callable, optional
        As for `scatseg.pictures.invariance`, to show progress.
    """
    check_output(output)
    sound = read_sound(path, stretch, sr, longest=SHORT)
    curves = pictures.invariance(sound.y, sr, T=T, J=J, Q=Q, follow=follow)
    return _write_distances(
        output, sound, curves, "delay (s)", after=": distance from itself, delayed"
    )


def draw_stability(
    path: Path,
    output: Path,
    *,
    stretch: Excerpt = (None, None),
    sr: int = 22050,
    J: int = 10,
    Q: Sequence[int] = (1, 8),
    follow: pictures.Follow | None = None,
) -> Path:
    """Draw the relative change of time-averaged coefficients under time stretching by resampling.

    Parameters are those of `draw_invariance`; there is one curve for each `Q`.
    """
    check_output(output)
    sound = read_sound(path, stretch, sr, longest=SHORT)
    check_average(sound, None, J)
    curves = pictures.stability(sound.y, sr, J=J, Q=Q, follow=follow)
    return _write_distances(
        output,
        sound,
        curves,
        "relative increase in duration",
        after=": distance from itself, played slower",
    )


def _plot_one(picture: TimeFrequency, axes: NDArray[Any]) -> None:
    plotting.plot_time_frequency(picture, ax=axes[0, 0])


def _write_distances(
    output: Path, sound: Sound, curves: pictures.DistanceCurves, xlabel: str, *, after: str
) -> Path:
    names = np.array(list(curves.distances))
    numbers = {
        "sizes": curves.sizes,
        "names": names,
        "distances": np.array([curves.distances[name] for name in names]),
    }
    return write(
        output,
        lambda axes: plotting.plot_distances(curves, ax=axes[0, 0], xlabel=xlabel),
        numbers,
        heights=[3.0],
        title=sound.name,
        after=f"{sound.place}{after}",
    )


def _check_time(sound: Sound, time: float | None) -> None:
    """Raise a ValueError for a time outside the excerpt."""
    if time is not None and not sound.start <= time <= sound.end:
        limit, got = told_apart(sound.start if time < sound.start else sound.end, time, digits=5)
        ends = f"{limit} to {sound.end:g}" if time < sound.start else f"{sound.start:g} to {limit}"
        msg = f"a time must lie from {ends} s, got {got}"
        raise ValueError(msg)

"""Figures of wavelets, filter banks, and the effect of their options."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scatseg import pictures, plotting
from scatseg.counts import rounded
from scatseg.figures.files import check_output, numbers_of, write
from scatseg.scattering.arguments import MOST_OCTAVES
from scatseg.synth import synthesizer

_MOST_LEVEL = 11
"""Maximum number of tiles in a row with a unit in their titles."""

_MOST_TIMES = 8
"""Maximum number of tiles in a row with times beside each other."""

_CYCLE = 0.03
"""Minimum height of a cycle along log-frequency in inches: on fewer pixels, stripes that rise look
like stripes that fall."""

_BETWEEN = 0.2
"""Space between two rows of joint wavelets in inches."""

_TECHNIQUES = {
    "vibrato": (6.0, 0.5),
    "trill": (5.5, 2.0),
    "tremolo": (10.0, 0.9),
    "flatterzunge": (25.0, 0.6),
    "bisbigliando": (7.5, 0.9),
}
"""Rate in Hz and depth of the playing techniques, as in `scatseg.synth`."""

_PITCH = 440.0
"""Their pitch in Hz."""

_TECHNIQUE_SECONDS = 3.0
_LONGEST_AVERAGE = 2**14
"""Samples over which they are averaged."""


def draw_wavelet(output: Path, *, xi: float = 440, Q: int = 8, sr: float | None = None) -> Path:
    """Draw a Morlet wavelet in time and in frequency.

    Parameters
    ----------
    output : Path
        A .png or .svg file; both are saved.
    xi : float, default 440
        Center frequency in Hz.
    Q : int, default 8
        Wavelets per octave.
    sr : float, optional
        Sampling rate in Hz.
    """
    check_output(output)
    wavelet = pictures.morlet(xi, Q, sr=sr)

    def panels(axes: NDArray[Any]) -> None:
        plotting.plot_wavelet(wavelet, ax=axes[0, 0])
        plotting.plot_response(wavelet, ax=axes[1, 0])

    return write(
        output,
        panels,
        {
            "times": wavelet.times,
            "values": wavelet.values,
            "frequencies": wavelet.frequencies,
            "response": wavelet.response,
        },
        heights=[2.2, 1.8],
        title=f"Morlet wavelet at {xi:g} Hz, Q = {Q}",
    )


def draw_filterbank(
    output: Path,
    *,
    J: int = 12,
    Q: tuple[int, int] = (8, 1),
    T: int | None = None,
    sr: float = 22050,
) -> Path:
    """Draw the filters of both layers of a scattering transform.

    Parameters
    ----------
    output : Path
        As for `draw_wavelet`.
    J, Q, T
        Options of `scatseg.scattering.Scattering1D`.
    sr : float, default 22050
        Sampling rate in Hz.
    """
    check_output(output)
    curves = pictures.bank_curves(J, Q, T=T, sr=sr)

    def panels(axes: NDArray[Any]) -> None:
        layers: tuple[Literal[0, 1], ...] = (0, 1)
        for ax, layer in zip(axes[:, 0], layers, strict=True):
            plotting.plot_bank(curves, ax=ax, layer=layer)
            n, (low, high) = len(curves.centers[layer]), curves.bounds[layer]
            highest = rounded(curves.centers[layer][0])
            ax.set_title(
                f"order {layer + 1}: {n} wavelets, {curves.Q[layer]} per octave; "
                f"sum from {low:.2f} to {high:.2f} up to {highest} Hz",
                fontsize=8,
                loc="left",
            )

    return write(
        output,
        panels,
        _bank_numbers(curves),
        heights=[2.2, 2.2],
        title=f"Filter bank J = {J}, Q = {Q[0]}, {Q[1]}, T = {curves.T} "
        f"({curves.T / sr:.3g} s) at {sr:g} Hz",
        share=True,
        key=plotting.bank_key(),
    )


def draw_wavelet2d(
    output: Path,
    *,
    J_fr: int = 3,
    Q_fr: int = 1,
    J: int = 13,
    Q: tuple[int, int] = (8, 1),
    sr: float = 22050,
    rates: Sequence[float] | None = None,
) -> Path:
    """Draw joint wavelets: a row for each rate and spin, a column for each scale.

    Parameters
    ----------
    output : Path
        As for `draw_wavelet`.
    J_fr, Q_fr, J, Q
        Options of `scatseg.scattering.TimeFrequencyScattering`.
    sr : float, default 22050
        Sampling rate in Hz.
    rates : sequence of float, optional
        Rates in Hz; the nearest available ones are drawn, by default those of
        `scatseg.pictures.joint_tiles`.
    """
    check_output(output)
    tiles = pictures.joint_tiles(J_fr, Q_fr, J=J, Q=Q, sr=sr, rates=rates)
    n = len(tiles.rates)
    is_wide = len(tiles.scales) <= _MOST_LEVEL
    unit = "c/o: cycles per octave" if is_wide else "cycles per octave"

    def panels(axes: NDArray[Any]) -> None:
        # Rising from fast to slow, then falling from slow to fast: mirror-symmetric.
        rows: list[tuple[int, Literal[1, -1]]] = [(rate, 1) for rate in reversed(range(n))]
        rows += [(rate, -1) for rate in range(n)]
        for (row, scale), ax in np.ndenumerate(axes):
            rate, spin = rows[row]
            image = plotting.plot_joint_tile(tiles, ax=ax, rate=rate, scale=scale, spin=spin)
            arrow = "\N{NORTH EAST ARROW}" if spin > 0 else "\N{SOUTH EAST ARROW}"
            ax.set(xlabel="", ylabel=f"{rounded(tiles.rates[rate])} Hz {arrow}")
            ax.locator_params(axis="x", nbins=4, min_n_ticks=1)
            if len(tiles.scales) > _MOST_TIMES:
                ax.tick_params(axis="x", labelrotation=90)
            if row == 0:
                title = f"{tiles.scales[scale]:.2g}{' c/o' if is_wide else ''}"
                ax.set_title(title, fontsize=8 if is_wide else 6)
        plotting.color_bar(axes, image, "real part (peak 1)", "neither")
        plotting.label_all(axes, x="time (s)", y="octaves")

    return write(
        output,
        panels,
        {
            "values": tiles.values,
            "rates": tiles.rates,
            "scales": tiles.scales,
            "times": tiles.times,
            "octaves": tiles.octaves,
        },
        heights=[_tile_height(tiles)] * (2 * n),
        columns=len(tiles.scales),
        title=f"Joint wavelets: octaves over time, by rate and by scale ({unit})",
        share=True,
    )


def _tile_height(tiles: pictures.JointTiles) -> float:
    """Return the height of joint wavelets in inches, so that the stripes of the finest are seen."""
    n_cycles = float(np.ptp(tiles.octaves) * max(tiles.scales))
    return max(0.95, _CYCLE * n_cycles + _BETWEEN)


def draw_parameters(
    output: Path,
    *,
    J: int = 8,
    Q: int = 8,
    sr: float = 22050,
    vary: Mapping[str, Sequence[int]] | None = None,
) -> Path:
    """Draw the effect of J, Q and T on first-order filters: a row each, with the others fixed.

    Parameters
    ----------
    output : Path
        As for `draw_wavelet`.
    J, Q : int
        Values when another option is varied; J is at least 3.
    sr : float, default 22050
        Sampling rate in Hz.
    vary : mapping from {"J", "Q", "T"} to sequence of int, optional
        Three values of each. By default, J varies by 2, Q is 1, Q and 2Q, and T is 2**J, an eighth
        of it and eight times as much.
    """
    check_output(output)
    if vary is None and not 3 <= J <= MOST_OCTAVES - 2:
        msg = (
            f"J varies by 2, and T from 2^(J - 3): J must lie from 3 to {MOST_OCTAVES - 2}, got {J}"
        )
        raise ValueError(msg)
    vary = vary or {"J": (J - 2, J, J + 2), "Q": (1, Q, 2 * Q), "T": (2 ** (J - 3), 2**J, 2**J * 8)}
    sheet = [
        [(name, value, _varied(name, value, J, Q, sr)) for value in values]
        for name, values in vary.items()
    ]

    def panels(axes: NDArray[Any]) -> None:
        for (row, column), ax in np.ndenumerate(axes):
            name, value, curves = sheet[row][column]
            plotting.plot_bank(curves, ax=ax)
            lowest, paths = curves.centers[0].min(), curves.n_paths
            plotting.mark_hertz(ax.xaxis, digits=(1,))
            ax.set_title(
                f"{name} = {value}: {len(curves.centers[0])} wavelets, {paths} paths,\n"
                f"from {rounded(lowest)} Hz, T = {1000 * curves.T / sr:.3g} ms",
                fontsize=7,
                loc="left",
            )

        tallest = max(float(curves.sums[0].max()) for row in sheet for _, _, curves in row)
        axes[0, 0].set_ylim(0, 1.08 * tallest)

    numbers = {
        f"{name}{value}_{key}": array
        for each in sheet
        for name, value, curves in each
        for key, array in _bank_numbers(curves).items()
    }
    return write(
        output,
        panels,
        numbers,
        heights=[1.5] * len(sheet),
        columns=len(sheet[0]),
        title=f"Effect of J, Q and T; J = {J} and Q = {Q} where another is varied",
        share=True,
        key=plotting.bank_key(),
    )


def _varied(name: str, value: int, J: int, Q: int, sr: float) -> pictures.BankCurves:
    options = {"J": J, "Q": Q, "T": 2**J} | {name: value}
    if name == "J":
        options["T"] = 2**value
    pair = (options["Q"], 1)
    return pictures.bank_curves(options["J"], pair, T=options["T"], sr=sr, lowest=sr / 2 ** (J + 6))


def _bank_numbers(curves: pictures.BankCurves) -> dict[str, NDArray[Any]]:
    numbers = {"frequencies": curves.frequencies, "low_pass": curves.low_pass}
    for layer in (0, 1):
        numbers[f"centers{layer + 1}"] = curves.centers[layer]
        numbers[f"wavelets{layer + 1}"] = curves.wavelets[layer]
        numbers[f"sum{layer + 1}"] = curves.sums[layer]
    return numbers


def draw_techniques(output: Path, *, sr: int = 22050) -> Path:
    """Draw five playing techniques: scalogram, first order, and modulation rates by second order.

    Parameters
    ----------
    output : Path
        As for `draw_wavelet`.
    sr : int, default 22050
        Sampling rate in Hz, at least 5462.
    """
    check_output(output)
    lowest = math.ceil(_LONGEST_AVERAGE / _TECHNIQUE_SECONDS)
    if sr < lowest:
        msg = (
            f"sr must be at least {lowest} Hz, for averages of {_LONGEST_AVERAGE} samples in "
            f"sounds of {_TECHNIQUE_SECONDS:g} s, got {sr}"
        )
        raise ValueError(msg)
    names = list(_TECHNIQUES)
    sounds = {
        name: synthesizer(f"{name}:sr={sr},duration={_TECHNIQUE_SECONDS}")(
            np.array([rate, depth, _PITCH])
        )
        for name, (rate, depth) in _TECHNIQUES.items()
    }
    first = {name: pictures.scalogram(y, sr, J=11, Q=12) for name, y in sounds.items()}
    average = {
        name: pictures.first_order(y, sr, J=11, Q=12, T=_LONGEST_AVERAGE)
        for name, y in sounds.items()
    }
    second = {
        name: pictures.second_order(y, sr, J=14, Q=(8, 2)).by_rate() for name, y in sounds.items()
    }

    def panels(axes: NDArray[Any]) -> None:
        for row, name in zip(axes, names, strict=True):
            for ax, picture in zip(row[:2], (first[name], average[name]), strict=True):
                mesh = plotting.plot_time_frequency(picture, ax=ax, lowest=200, bar=False)
                plotting.mark_minutes(ax.xaxis, most=4)
            rates, energy = second[name]
            plotting.plot_rates(rates, energy, ax=row[2], true=_TECHNIQUES[name][0])
            plotting.mark_hertz(row[2].xaxis, digits=(1,))
            row[0].set_ylabel(f"{name}\nfrequency (Hz)")
            row[1].set_ylabel("")
            row[2].yaxis.tick_right()
            row[2].yaxis.set_label_position("right")
        plotting.color_bar(axes[:, :2], mesh, "dB re largest of a panel", "min")
        for ax, title in zip(
            axes[0], ("scalogram", "first order", "second order; dashed: true rate"), strict=True
        ):
            ax.set_title(title, fontsize=8, loc="left")

    numbers = {f"{name}_{key}": v for name in names for key, v in numbers_of(first[name]).items()}
    for name, (rates, energy) in second.items():
        numbers |= {f"{name}_rates": rates, f"{name}_second": energy}
    return write(
        output,
        panels,
        numbers,
        heights=[1.3] * len(names),
        columns=3,
        title="Five playing techniques",
        share="col",
    )

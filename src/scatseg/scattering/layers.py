"""Shared steps of the transforms: spectra, first and second layer, averages of one block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scatseg.scattering.arrays import Arrays, Tensor
from scatseg.scattering.plan import BlockPlan, FirstLayer, Frames, HopWindow, SecondLayer


class Spectra(NamedTuple):
    """Fourier bins of |x * psi1|, from -n_negative on, for a run of first-order filters."""

    rows: slice
    bins: Tensor
    n_negative: int

    @property
    def low(self) -> Tensor:
        """The bins from 0 on."""
        return self.bins[..., self.n_negative :]

    def up_to(self, stop: int) -> Spectra:
        """Drop the bins from `stop` on."""
        return self._replace(bins=self.bins[..., : stop + self.n_negative])


def signal_spectrum(xp: Arrays, plan: BlockPlan, x: Tensor) -> Tensor:
    """Compute the Fourier transform of a real block on the bins used by the plan."""
    half = xp.rfft(x, "backward")
    return bins_between(xp, half, plan.period, plan.lowest, plan.highest)


def bins_between(xp: Arrays, half: Tensor, period: int, start: int, stop: int) -> Tensor:
    """Read bins `start` to `stop`, circular, of a real signal's bins 0 to period // 2."""
    n_half = half.shape[-1]
    if start <= -n_half or stop > period:
        around = [half, xp.mirrored(half[..., 1 : period - n_half + 1])]
        first = start % period
        n_turns = -(-(first + stop - start) // period)
        return xp.concatenate(around * n_turns, -1)[..., first : first + stop - start]
    parts = [xp.mirrored(half[..., 1 : 1 - start])] if start < 0 else []
    parts.append(half[..., max(start, 0) : stop])
    if stop > n_half:
        parts.append(xp.mirrored(half[..., period - stop + 1 : period - n_half + 1]))
    return parts[0] if len(parts) == 1 else xp.concatenate(parts, -1)


def first_moduli(
    xp: Arrays, plan: BlockPlan, spectrum: Tensor
) -> Iterator[tuple[FirstLayer, Tensor, Spectra]]:
    """Yield |x * psi1| of each run of filters, and the Fourier bins of it that are used."""
    for layer in plan.first:
        U = xp.modulus(xp.first_bands(spectrum, plan.lowest, layer))
        V = xp.rfft(U, "forward")
        bins = bins_between(xp, V, layer.n_points, -layer.n_negative, layer.n_read)
        yield layer, U, Spectra(layer.rows, bins, layer.n_negative)


def second_bands(
    xp: Arrays, layers: Sequence[SecondLayer], moduli: Sequence[Spectra]
) -> Iterator[Tensor]:
    """Yield U1 * psi2 at baseband for all paths of each second filter, (..., n_rows, n_points)."""
    stops = [layer.start + layer.response.shape[0] for layer in layers]
    for i, layer in enumerate(layers):
        # Slice step by step, since the gradient of a slice is as long as its source.
        moduli = [V.up_to(max(stops[i:])) for V in moduli]
        parts = []
        for rows, bins, n_negative in moduli:
            if rows.start >= layer.n_rows:
                break
            here = slice(layer.start + n_negative, stops[i] + n_negative)
            parts.append(bins[..., : layer.n_rows - rows.start, here])
        yield xp.second_bands(parts, layer)


def averaged(xp: Arrays, low: Tensor, frames: Frames) -> Tensor:
    """Average real signals, given by their Fourier bins from 0 up, at the frames."""
    n_low, n_points = frames.averager.shape[0], frames.n_points
    z = low[..., :n_low] * frames.averager
    if n_low > n_points:
        z = xp.padded(z, -(-n_low // n_points) * n_points)
        z = z.reshape(*z.shape[:-1], -1, n_points).sum(-2)
    return xp.ifft(z, n_points).real[..., : frames.n_frames]


def averaged_samples(xp: Arrays, U: Tensor, frames: Frames, window: HopWindow | None) -> Tensor:
    """Average real signals, given by their samples over the period, at the frames."""
    n_points = U.shape[-1]
    if window is None:
        n_low = frames.averager.shape[0]
        low = bins_between(xp, xp.rfft(U, "forward"), n_points, 0, n_low)
        return averaged(xp, low, frames)
    n_samples, n_reach = window.weights.shape
    by_hop = xp.product(U.reshape(-1, n_samples), window.weights)
    by_hop = by_hop.reshape(*U.shape[:-1], -1, n_reach)
    return by_hop[..., window.hops, range(n_reach)].sum(-1)

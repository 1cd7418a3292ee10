"""`meta` of a transform in cycles per sample -> hertz, octaves, cycles per octave."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.scattering.analysis import HALF_POWER_WIDTH
from scatseg.scattering.arguments import check_positive

A4 = 440.0
"""Reference frequency of octaves in Hz."""


def physical_meta(
    meta: Mapping[str, Any], sr: float, filters_per_octave: int | None = None
) -> dict[str, NDArray[Any]]:
    """Return the parameters of a transform's paths in physical units.

    Parameters
    ----------
    meta : mapping
        From `Scattering1D.meta` or `TimeFrequencyScattering.meta`, in any format.
    sr : float
        Sampling rate in Hz, positive.
    filters_per_octave : int, optional
        Wavelets per octave in the first layer, Q or Q[0]. Needed for joint scattering, whose
        scales are in first-order filters.

    Returns
    -------
    columns : dict of str to ndarray, shape (n_paths,)
        "key" : tuple
            Filter indices, as in `meta`.
        "order" : int
            Scattering order.
        "carrier_hz", "bandwidth_hz"
            Center and width of the first-order band. NaN in order 0 and in format "joint",
            where carriers are an axis.
        "carrier_octave"
            The center in octaves above A4 (440 Hz).
        "modulation_hz", "modulation_bandwidth_hz"
            Center and width of the second-order band: modulation rate of the carrier's envelope.
            NaN below order 2.

        and for joint scattering also

        "scale_cpo", "scale_bandwidth_cpo"
            Center and width along log-frequency in cycles per octave; the center of the low-pass
            is 0. NaN in order 0. The low end of the bank, evenly spaced in Hz, is treated as
            spaced in octaves.
        "spin" : float
            Direction: 1 rising, -1 falling, 0 none. NaN below order 2.

    Raises
    ------
    ValueError
        When `sr` is not positive, or `filters_per_octave` is needed and not positive or missing.

    Notes
    -----
    Widths are half-power bandwidths of the Gaussian envelopes, where neighbors in a geometric bank
    cross. The term that cancels the mean narrows wavelets by up to 1 % at Q = 1. The width of a
    low-pass along log-frequency is two-sided.

    Examples
    --------
    >>> from scatseg.scattering import Scattering1D
    >>> columns = physical_meta(Scattering1D(J=6, Q=8).meta(), sr=22050)
    >>> [round(float(columns[name][100]), 1) for name in ("carrier_hz", "modulation_hz")]
    [2200.8, 482.3]
    """
    check_positive("sr", sr)
    n_paths = len(meta["key"])
    xi, sigma = (_two_layers(meta[name]) * sr for name in ("xi", "sigma"))
    columns: dict[str, NDArray[Any]] = {
        "key": np.fromiter(meta["key"], dtype=object, count=n_paths),
        "order": np.array(meta["order"]),
        "carrier_hz": xi[:, 0],
        "carrier_octave": np.log2(xi[:, 0] / A4),
        "bandwidth_hz": HALF_POWER_WIDTH * sigma[:, 0],
        "modulation_hz": xi[:, 1],
        "modulation_bandwidth_hz": HALF_POWER_WIDTH * sigma[:, 1],
    }
    if "spin" not in meta:
        return columns
    if filters_per_octave is None or filters_per_octave < 1:
        msg = (
            "joint scattering needs filters_per_octave, the Q of its first layer, "
            f"got {filters_per_octave}"
        )
        raise ValueError(msg)
    return columns | {
        "scale_cpo": np.abs(meta["xi_fr"]) * filters_per_octave,
        "scale_bandwidth_cpo": HALF_POWER_WIDTH * meta["sigma_fr"] * filters_per_octave,
        # Wavelets of order 1 act on moduli, where both directions are equal.
        "spin": np.where(columns["order"] > 1, meta["spin"], np.nan),
    }


def _two_layers(column: ArrayLike) -> NDArray[np.float64]:
    """Convert to shape (n_paths, 2), with NaN in a missing second layer."""
    layers = np.array(column, dtype=np.float64)
    return np.pad(layers, ((0, 0), (0, 2 - layers.shape[1])), constant_values=np.nan)


def to_frame(columns: Mapping[str, Any]) -> Any:
    """Convert to a DataFrame with one row per path.

    Parameters
    ----------
    columns : mapping
        From `physical_meta`, or `meta` of a transform; columns of two layers are numbered, as
        "xi1" and "xi2".

    Returns
    -------
    table : pandas.DataFrame
        Row i describes row i of the output.

    Raises
    ------
    ImportError
        When pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        msg = "a table of paths needs pandas: pip install pandas, or use the dict of columns"
        raise ImportError(msg) from error
    flat: dict[str, Any] = {}
    for name, values in columns.items():
        if getattr(values, "ndim", 1) == 2:
            flat |= {f"{name}{layer + 1}": values[:, layer] for layer in range(values.shape[1])}
        else:
            flat[name] = values
    return pandas.DataFrame(flat)

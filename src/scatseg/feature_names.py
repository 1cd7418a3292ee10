"""Names of the columns of features, in physical units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from scatseg.counts import rounded


@dataclass(frozen=True)
class FeatureName:
    """The name of a column of `Features.X`, in physical units.

    Parameters
    ----------
    family : str
        Feature family: "scattering", "mfcc", "chroma", ...
    index : int
        Index within the family.
    order : int or None
        Scattering order.
    carrier : float or None
        Center frequency in Hz.
    modulation : float or None
        Modulation rate of the carrier's envelope in Hz.
    scale : float or None
        Modulation along log-frequency in cycles per octave.
    spin : int or None
        Direction of a joint modulation: +1 rising, -1 falling, 0 neither.
    place : int or None
        Position in the frame, from 0, for frames with several positions, such as bars.
    """

    family: str
    index: int
    order: int | None = None
    carrier: float | None = None
    modulation: float | None = None
    scale: float | None = None
    spin: int | None = None
    place: int | None = None

    def at(self, place: int | None) -> FeatureName:
        """Return the name at another position in the frame; None is the whole frame."""
        return _at(self, place)

    def __str__(self) -> str:
        parts = [self.family if self.order is None else f"{self.family} S{self.order}"]
        if self.carrier is not None:
            parts.append(f"{rounded(self.carrier, 4)} Hz")
        if self.modulation is not None:
            # A tempogram has nothing but rates. Those of lags n and n + 1 differ by 1 / n.
            digits = 3 if self.carrier is not None else max(4, len(str(self.index)) + 1)
            parts.append(f"rate {rounded(self.modulation, digits)} Hz")
        if self.scale is not None:
            parts.append(f"scale {rounded(self.scale, 3)} c/o")
        if self.spin:
            parts.append("rising" if self.spin > 0 else "falling")
        if len(parts) == 1:
            parts.append(str(self.index))
        if self.place is not None:
            parts.append(f"in part {self.place + 1}")
        return " ".join(parts)


@lru_cache(maxsize=2**14)  # bars and half-bars have thousands of names, the same in all recordings
def _at(name: FeatureName, place: int | None) -> FeatureName:
    return replace(name, place=place)


def numbered(names: Sequence[FeatureName | str]) -> tuple[FeatureName, ...]:
    """Convert strings to names, numbered within their families."""
    if set(map(type, names)) == {FeatureName}:  # thousands, of most features
        return cast("tuple[FeatureName, ...]", tuple(names))
    if isinstance(names, str) or not all(isinstance(each, FeatureName | str) for each in names):
        msg = f"names must be a FeatureName or a str for each column, got {names!r:.100}"
        raise TypeError(msg)
    n_named: Counter[str] = Counter()
    found = []
    for each in names:
        name = FeatureName(each, n_named[each]) if isinstance(each, str) else each
        n_named[name.family] += 1
        found.append(name)
    return tuple(found)


def path_names(family: str, columns: Mapping[str, NDArray[Any]]) -> list[FeatureName]:
    """Name all scattering paths but order 0, of `scattering.units.physical_meta`."""
    n_paths = len(columns["order"])
    absent = np.full(n_paths, np.nan)

    def present(column: str, i: int) -> float | None:
        value = float(columns.get(column, absent)[i])
        return None if np.isnan(value) else value

    names = []
    for i in range(1, n_paths):
        spin = present("spin", i)
        names.append(
            FeatureName(
                family,
                i,
                order=int(columns["order"][i]),
                carrier=present("carrier_hz", i),
                modulation=present("modulation_hz", i),
                scale=present("scale_cpo", i),
                spin=None if spin is None else int(spin),
            )
        )
    return names

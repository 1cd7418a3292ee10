"""Scattering coefficients -> those of the sound transposed, or at another tempo."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse

from scatseg.features import FeatureName


@functools.lru_cache(maxsize=64)
def shift_matrix(
    names: tuple[FeatureName, ...], octaves: float, rate_octaves: float = 0.0
) -> scipy.sparse.csr_array:
    """Compute the matrix that shifts columns along carriers and modulation rates.

    Parameters
    ----------
    names : tuple of FeatureName
        Names of columns. Those without a carrier, or rate, are not shifted.
    octaves : float
        Upward shift of carriers.
    rate_octaves : float, default 0
        Upward shift of rates, for a faster sound.

    Returns
    -------
    matrix : sparse array of float32, shape (n_columns, n_columns)
        X @ matrix are the shifted columns, interpolated linearly on a logarithmic scale, and
        extended at the ends.

    Examples
    --------
    >>> names = tuple(FeatureName("scattering", i, carrier=55.0 * 2**i) for i in range(3))
    >>> np.array([1.0, 5.0, 9.0]) @ shift_matrix(names, 1.0)
    array([1., 1., 5.])
    """
    matrix = scipy.sparse.csr_array(scipy.sparse.eye_array(len(names), dtype=np.float32))
    if octaves:
        matrix = matrix @ _moved(
            names, octaves, lambda name: name.carrier, lambda name: (name.modulation,)
        )
    if rate_octaves:
        matrix = matrix @ _moved(
            names, rate_octaves, lambda name: name.modulation, lambda name: (name.carrier,)
        )
    return matrix


def _moved(
    names: Sequence[FeatureName],
    octaves: float,
    hertz: Callable[[FeatureName], float | None],
    rest: Callable[[FeatureName], tuple[object, ...]],
) -> scipy.sparse.csr_array:
    """Interpolate along one axis, among columns that agree in all other properties."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, name in enumerate(names):
        if hertz(name) is not None:
            key = (name.family, name.order, name.scale, name.spin, *rest(name))
            groups.setdefault(key, []).append(i)
    # Each column is a sum of two, shifted or not.
    sources = np.tile(np.arange(len(names)), (2, 1))
    parts = np.stack([np.ones(len(names)), np.zeros(len(names))])
    for found in groups.values():
        place = np.log2([hertz(names[i]) or 1.0 for i in found])
        order = np.argsort(place)
        columns, place = np.array(found)[order], place[order]
        source = np.interp(place - octaves, place, np.arange(len(place)))
        below = np.minimum(source.astype(int), len(place) - 1)
        above = np.minimum(below + 1, len(place) - 1)
        part = source - below
        sources[:, columns] = columns[below], columns[above]
        parts[:, columns] = 1 - part, part
    targets = np.tile(np.arange(len(names)), 2)
    return scipy.sparse.csr_array(
        (parts.ravel().astype(np.float32), (sources.ravel(), targets)), shape=(len(names),) * 2
    )

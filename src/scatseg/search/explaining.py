"""Two passages -> the carriers and modulation rates in which they agree and differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scatseg.explain import Reason, audible_in, described, kind_of, reasons_for
from scatseg.search.descriptions import Columns
from scatseg.search.projection import Projection

_SAME = 5e-3
"""Squared distance of unit vectors below which they are equal."""

N_REASONS = 3
"""Number of bands named."""


class Likeness(NamedTuple):
    """An explanation of the similarity of two passages.

    Parameters
    ----------
    similarity : float
        Cosine of their vectors, in [-1, 1].
    alike : tuple of Reason
        Octaves of carriers and modulation rates above average in both that contribute most. Each
        `relevance` is a part of the similarity.
    apart : tuple of Reason
        Octaves in which they differ most, without those in `alike`. Each `relevance` is a part of
        the squared distance.
    """

    similarity: float
    alike: tuple[Reason, ...] = ()
    apart: tuple[Reason, ...] = ()

    def sentence(self) -> str:
        """Describe the explanation in words."""
        parts = []
        if self.alike:
            parts.append(f"alike in {described(self.alike[0])}")
        if self.apart:
            parts.append(f"differs most in {described(self.apart[0])}")
        return "; ".join(parts)


def explain_likeness(
    query: ArrayLike,
    hit: ArrayLike,
    projection: Projection,
    columns: Columns,
    *,
    seconds: tuple[float, float],
) -> Likeness:
    """Attribute the similarity of two passages to features, and sum it by band.

    Parameters
    ----------
    query, hit : array_like of float, shape (2 * n_columns,)
        Statistics, relative to their level.
    projection : Projection
        That of the index.
    columns : Columns
        Columns of the statistics.
    seconds : (float, float)
        Durations of query and hit. Modulations alike have a period or more in both, those apart in
        the longer one.

    Returns
    -------
    likeness : Likeness
        Reasons of both kinds, strongest first.
    """
    X = np.stack([np.asarray(query, dtype=np.float64), np.asarray(hit, dtype=np.float64)])
    Z = projection.standardized(X)
    pulled = projection.metric(Z)
    lengths = np.sqrt(np.maximum((Z * pulled).sum(axis=1), np.finfo(np.float64).tiny))
    shared = (Z[0] * pulled[1] + Z[1] * pulled[0]) / (2 * lengths[0] * lengths[1])
    units = Z / lengths[:, None]
    difference = units[0] - units[1]
    distance = difference * projection.metric(difference[None])[0]
    reasons = _reasons(shared, columns, Z.min(axis=0), X.min(axis=0))
    alike = _strongest(audible_in(min(seconds), reasons))
    apart: tuple[Reason, ...] = ()
    if float(distance.sum()) > _SAME:
        reasons = _reasons(distance, columns, np.abs(Z[0] - Z[1]), X.max(axis=0))
        apart = _strongest(audible_in(max(seconds), reasons), but=alike)
    return Likeness(float(np.clip(shared.sum(), -1, 1)), alike, apart)


def _reasons(
    relevance: NDArray[np.float64],
    columns: Columns,
    there: NDArray[np.float64],
    energy: NDArray[np.float64],
) -> list[Reason]:
    """Sum relevance by band, over means and standard deviations."""
    return reasons_for(relevance, columns.names * 2, Z=there, energy=np.maximum(energy, 0))


def _strongest(reasons: Sequence[Reason], but: Sequence[Reason] = ()) -> tuple[Reason, ...]:
    """Find the rates, summed over carriers, and the carriers with the most evidence.

    Each rate is represented by its strongest band. Without evidence, relevance is used. Bands with
    the rates and carriers of the reasons `but` are left out.
    """
    named = {kind_of(each.band) for each in but}
    found = [each for each in reasons if kind_of(each.band) not in named]
    supporting = [each for each in found if each.evidence > 0 and each.relevance > 0]
    if not supporting:
        return tuple(each for each in found[:N_REASONS] if each.relevance > 0)
    kinds: dict[tuple[object, ...], list[Reason]] = {}
    for each in supporting:
        kinds.setdefault(kind_of(each.band), []).append(each)
    ordered = sorted(kinds.values(), key=lambda kind: -sum(each.evidence for each in kind))
    return tuple(max(kind, key=lambda each: each.evidence) for kind in ordered[:N_REASONS])

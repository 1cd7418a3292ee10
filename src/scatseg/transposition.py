"""Features -> self-similarity under transposition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from scatseg.features import FeatureName, Features
from scatseg.similarity import (
    LEAST_SPREAD,
    centered,
    cosine,
    principal_directions,
    usual_similarity,
    with_silence,
    z_scored,
)

SHIFTS = tuple(range(-5, 7))
"""Semitones: all twelve transpositions, up to a tritone."""


def can_be_transposed(features: Features) -> NDArray[np.bool_]:
    """Find the features that can be transposed exactly.

    Those are twelve pitch classes ("chroma") and constant-Q bins with a whole number of bins per
    semitone ("cqt"), at each position in the bar. Cepstra and modulations lack the resolution.

    Returns
    -------
    pitched : ndarray of bool, shape (n_features,)

    Examples
    --------
    >>> can_be_transposed(Features(np.ones((1, 14)), [0, 1], ["chroma"] * 12 + ["rms", "zcr"]))
    array([ True,  True,  True,  True,  True,  True,  True,  True,  True,
            True,  True,  True, False, False])
    """
    pitched = np.zeros(len(features.names), dtype=bool)
    for columns, _ in _scales(features.names):
        pitched[columns] = True
    return pitched


def transposed(features: Features, semitones: int) -> Features:
    """Transpose features.

    Parameters
    ----------
    features : Features
        Features; those that cannot be transposed are unchanged, see `can_be_transposed`.
    semitones : int
        Upward shift. Pitch classes are rotated; constant-Q bins are shifted and padded with 0.

    Raises
    ------
    ValueError
        When `semitones` is not a whole number.

    Examples
    --------
    >>> c_major = Features([[1.0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]], [0, 1], ["chroma"] * 12)
    >>> transposed(c_major, 2).X
    array([[0., 0., 1., 0., 0., 0., 1., 0., 0., 1., 0., 0.]])
    """
    semitones = _whole(semitones)
    X = features.X.copy()
    for columns, bins in _scales(features.names):
        X[:, columns] = _moved(features.X[:, columns], semitones, bins)
    return Features(X, features.edges, features.names, notes=features.notes)


def _whole(semitones: float) -> int:
    if not isinstance(semitones, Real) or not float(semitones).is_integer():
        msg = f"a shift must be a whole number of semitones, got {semitones!r}"
        raise ValueError(msg)
    return int(semitones)


def _moved(X: NDArray[np.floating], semitones: int, bins: int | None) -> NDArray[np.floating]:
    """Shift pitches (..., n_pitches) up, by `bins` per semitone; rotate if None (pitch classes)."""
    n_pitches = X.shape[-1]
    if bins is None:
        return np.roll(X, semitones, axis=-1)
    by = int(np.clip(semitones * bins, -n_pitches, n_pitches))
    moved = np.zeros_like(X)
    moved[..., max(by, 0) : n_pitches + min(by, 0)] = X[..., max(-by, 0) : n_pitches - max(by, 0)]
    return moved


_EVEN = 0.01
"""Relative tolerance of the spacing of constant-Q bins, for rounding of their carriers."""


def _scales(names: Sequence[FeatureName]) -> list[tuple[list[int], int | None]]:
    """Find the ordered columns of each pitch scale and its bins per semitone (None for chroma)."""
    scales: dict[tuple[str, int | None], list[int]] = {}
    for i, name in enumerate(names):
        if name.family in ("chroma", "cqt"):
            scales.setdefault((name.family, name.place), []).append(i)
    found: list[tuple[list[int], int | None]] = []
    for (family, _), columns in scales.items():
        columns.sort(key=lambda i: names[i].index)
        indices = [names[i].index for i in columns]
        if indices != list(range(indices[0], indices[0] + len(indices))):
            continue
        if family == "chroma":
            if len(columns) == 12:
                found.append((columns, None))
        elif bins := _bins_per_semitone([names[i] for i in columns]):
            found.append((columns, bins))
    return found


def _bins_per_semitone(names: Sequence[FeatureName]) -> int:
    """Return the number of constant-Q bins per semitone, or 0 if it is not a whole number."""
    carriers = np.array([np.nan if name.carrier is None else name.carrier for name in names])
    if len(carriers) < 2 or not (carriers > 0).all():
        return 0
    semitones = 12 * np.diff(np.log2(carriers))
    if not (semitones > 0).all():
        return 0
    bins = 1 / semitones
    whole = round(float(bins[0]))
    return whole if np.abs(bins - whole).max() < _EVEN * whole else 0


def transposed_similarities(
    features: Features,
    *,
    heard: NDArray[np.bool_],
    shifts: Sequence[int] = SHIFTS,
    power: float = 0.5,
) -> Iterator[NDArray[np.float64]]:
    """Compute the similarity of every frame with every transposed frame, for each shift.

    Parameters
    ----------
    features : Features
        Only transposable features are compared, see `can_be_transposed`; without any, nothing is
        yielded.
    heard : ndarray of bool, shape (n_frames,)
        False for silent frames, see `similarity.heard_frames`.
    shifts : sequence of int, default -5 to 6
        Upward shifts in semitones.
    power : float, default 0.5
        See `similarity.whitened`.

    Yields
    ------
    Z : ndarray of float64, shape (n_frames, n_frames)
        One per shift: `Z[i, j]` is the similarity of frame i with frame j transposed, z-scored as
        by `similarity.fused_similarity`, to which it is equal at shift 0. Mean and standard
        deviation are those of untransposed or of transposed frames, whichever is larger. Rows and
        columns of silent frames are 0. Components of a transposed frame outside the span of the
        recording lower its similarity.

    References
    ----------
    M. Goto, "A chorus section detection method for musical audio signals and its application to
    a music listening station", IEEE Transactions on Audio, Speech, and Language Processing 14(5),
    2006. M. Müller and M. Clausen, "Transposition-invariant self-similarity matrices", ISMIR 2007.

    Examples
    --------
    Notes C, E, G, A, and the first two a whole tone higher:

    >>> X = np.eye(12)[[0, 4, 7, 9, 2, 6]]
    >>> notes = Features(X, np.arange(7), ["chroma"] * 12)
    >>> (Z,) = transposed_similarities(notes, heard=np.ones(6, dtype=bool), shifts=[-2])
    >>> Z[0, 4] == Z[1, 5] == Z.max()
    np.True_
    """
    scales: dict[tuple[str, int, int | None], list[list[int]]] = {}
    for columns, bins in _scales(features.names):
        family = features.names[columns[0]].family
        scales.setdefault((family, len(columns), bins), []).append(columns)
    if not (scales and heard.any()):
        return
    kinds = [
        _Kind.of(features.X[np.ix_(heard, np.ravel(columns))], len(columns), bins, power)
        for (*_, bins), columns in scales.items()
    ]
    for shift in map(_whole, shifts):
        Z = np.asarray(sum(kind.similarity(shift) for kind in kinds) / len(kinds))
        yield with_silence(Z, heard=heard)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Kind:
    """One family of pitch features with its whitening, for comparison with transposed frames.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_places * n_pitches)
        The same pitches at each position in the bar.
    n_places : int
        Number of positions.
    bins : int or None
        Bins per semitone; None for pitch classes.
    directions, scale : ndarray of float64
        Principal directions, shape (n_places * n_pitches, n_directions), and the whitening factor
        of each.
    whitened : ndarray of float64, shape (n_frames, n_directions)
    usual : (float, float)
        Mean and standard deviation of the cosine similarity of untransposed frames.
    """

    X: NDArray[np.floating]
    n_places: int
    bins: int | None
    directions: NDArray[np.float64]
    scale: NDArray[np.float64]
    whitened: NDArray[np.float64]
    usual: tuple[float, float]

    @classmethod
    def of(cls, X: NDArray[np.floating], n_places: int, bins: int | None, power: float) -> _Kind:
        rows = centered(X, around=X)
        directions, singular = principal_directions(rows)
        scale = singular ** (power - 1)
        whitened = rows @ directions * scale
        return cls(
            X=X,
            n_places=n_places,
            bins=bins,
            directions=directions,
            scale=scale,
            whitened=whitened,
            usual=usual_similarity(cosine(whitened)),
        )

    def similarity(self, semitones: int) -> NDArray[np.float64]:
        """Compute the z-scored similarity of each frame with each transposed frame."""
        places = self.X.reshape(len(self.X), self.n_places, -1)
        moved = _moved(places, semitones, self.bins).reshape(self.X.shape)
        rows = centered(moved, around=self.X)
        inside = rows @ self.directions
        length = np.linalg.norm(rows, axis=1)
        share = np.ones_like(length)  # stays 1 for a frame equal to the mean
        np.divide(np.linalg.norm(inside, axis=1), length, out=share, where=length > 0)
        S = cosine(self.whitened, inside * self.scale)
        S *= share
        # Whitening decorrelates the original frames, but not the transposed ones.
        mean, deviation = self.usual
        if deviation and semitones:
            mean, deviation = max(mean, float(S.mean())), max(deviation, float(S.std()))
        return z_scored(S, usual=(mean, deviation), least_spread=LEAST_SPREAD)

"""Features -> how alike moments are when one is moved to another key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scatseg.features import FeatureName, Features
from scatseg.similarity import (
    LEAST_SPREAD,
    centered,
    cosine,
    principal_directions,
    usual_similarity,
    z_scored,
)

SHIFTS = tuple(range(-5, 7))
"""Semitones: every pitch class moved to every other, by the shorter way."""


def can_be_transposed(features: Features) -> NDArray[np.bool_]:
    """Tell which features say exactly what would be heard in another key.

    Those are twelve pitch classes ("chroma") and constant-Q bins a whole fraction of a semitone
    apart ("cqt"), at each place in the frame. Cepstra and modulations do not tell keys apart so
    finely.

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
    """Tell what the features would be like in another key.

    Parameters
    ----------
    features : Features
        Some of which can be transposed, see `can_be_transposed`; the others stay as they are.
    semitones : int
        How far up. Pitch classes go round; constant-Q bins go beyond their range, and 0 comes.

    Examples
    --------
    >>> c_major = Features([[1.0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]], [0, 1], ["chroma"] * 12)
    >>> transposed(c_major, 2).X
    array([[0., 0., 1., 0., 0., 0., 1., 0., 0., 1., 0., 0.]])
    """
    X = features.X.copy()
    for columns, bins in _scales(features.names):
        X[:, columns] = _moved(features.X[:, columns], semitones, bins)
    return Features(X, features.edges, features.names, notes=features.notes)


def _moved(X: NDArray[np.floating], semitones: int, bins: int | None) -> NDArray[np.floating]:
    """Move pitches (..., n_pitches) up by so many bins per semitone, None for pitch classes.

    These go round in a circle, and others beyond the ends of their range.
    """
    n_pitches = X.shape[-1]
    if bins is None:
        return np.roll(X, semitones, axis=-1)
    by = int(np.clip(semitones * bins, -n_pitches, n_pitches))
    moved = np.zeros_like(X)
    moved[..., max(by, 0) : n_pitches + min(by, 0)] = X[..., max(-by, 0) : n_pitches - max(by, 0)]
    return moved


_EVEN = 0.01
"""Share by which constant-Q bins may differ in width: by rounding of their carriers, not more."""


def _scales(names: Sequence[FeatureName]) -> list[tuple[list[int], int | None]]:
    """Find the columns of each scale of pitches, in order, and its bins per semitone.

    Pitch classes, which have no ends, have None.
    """
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
    """Count the constant-Q bins in which a semitone lies; 0 where it is no whole number."""
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
    """Compare every frame with every other when that is moved to another key.

    Parameters
    ----------
    features : Features
        What can be transposed of them is compared, see `can_be_transposed`; without any there is
        nothing to compare.
    heard : ndarray of bool, shape (n_frames,)
        False where a frame is silent, see `similarity.heard_frames`.
    shifts : sequence of int, default -5 to 6
        By how many semitones up.
    power : float, default 0.5
        See `similarity.whitened`.

    Yields
    ------
    Z : ndarray of float64, shape (n_frames, n_frames)
        One for each shift: `Z[i, j]` is the similarity of frame i with frame j moved. The units are
        those of `similarity.fused_similarity`, which it is at 0: 0 is as alike as two frames are on
        average, and 1 a standard deviation more, as they are or when one is moved, whichever is
        more. Silent frames are 0. What of a moved frame is like nothing in the recording counts
        against it.

    References
    ----------
    M. Goto, "A chorus section detection method for musical audio signals and its application to
    a music listening station", IEEE Transactions on Audio, Speech, and Language Processing 14(5),
    2006. M. Müller and M. Clausen, "Transposition-invariant self-similarity matrices", ISMIR 2007.

    Examples
    --------
    Notes C, E, G, A and the first two a tone higher:

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
    for shift in shifts:
        Z = np.zeros((len(heard), len(heard)))
        Z[np.ix_(heard, heard)] = np.mean([kind.similarity(shift) for kind in kinds], axis=0)
        yield Z


@dataclass(frozen=True, eq=False, kw_only=True)
class _Kind:
    """One kind of features of all frames, ready to be compared with what they would be like moved.

    Parameters
    ----------
    X : ndarray of float, shape (n_frames, n_places * n_pitches)
        The same pitches at each place in the frame.
    n_places : int
        How many places.
    bins : int or None
        Bins per semitone; None for pitch classes.
    directions, scale : ndarray of float64
        In which frames differ, shape (n_places * n_pitches, n_directions), and what is multiplied
        along each to whiten them.
    whitened : ndarray of float64, shape (n_frames, n_directions)
    usual : (float, float)
        Mean and deviation of the cosines of frames as they are.
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
        """Compare each frame with each when that is moved, in units of what is usual."""
        places = self.X.reshape(len(self.X), self.n_places, -1)
        moved = _moved(places, semitones, self.bins).reshape(self.X.shape)
        rows = centered(moved, around=self.X)
        inside = rows @ self.directions
        length = np.linalg.norm(rows, axis=1)
        share = np.ones_like(length)  # also of a frame that is the mean
        np.divide(np.linalg.norm(inside, axis=1), length, out=share, where=length > 0)
        S = cosine(self.whitened, inside * self.scale) * share
        # Whitening sets apart the frames that it was made of, but not those that were moved.
        mean, deviation = self.usual
        if deviation and semitones:
            mean, deviation = max(mean, float(S.mean())), max(deviation, float(S.std()))
        return z_scored(S, usual=(mean, deviation), least_spread=LEAST_SPREAD)

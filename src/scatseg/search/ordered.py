"""Aligned passages -> their similarity frame by frame.

Sections of one song share its timbre and differ in the course of events. They are therefore
compared frame by frame, after subtracting the mean of the song.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from scatseg.features import Features
from scatseg.search.descriptions import LOWEST_CARRIER
from scatseg.search.projection import FLATTENING

SCATTERING = "scattering:J=12,Q=12/1,T=1024,stride=1024,compression=none,renormalize=false"
"""Features to compare: uncompressed, with an averaging scale short enough to resolve notes."""

MOMENT = 0.19
"""Frame length in seconds, averaged after compression."""

_SHAPES = {1: 20, 2: 10}
"""Number of cosine coefficients of a spectrum along its carriers, by order."""

_LATEST = 0.5
"""Maximum offset between the starts of two passages in seconds."""


def shapes(features: Features) -> list[NDArray[np.float64]]:
    """Compute cepstra of scattering coefficients along log-frequency.

    Coefficients are compressed by log(1 + x / mean), with the mean over the recording for each
    order and rate, followed by a cosine transform along carriers.

    Parameters
    ----------
    features : Features
        Features `SCATTERING`, or others, which are unchanged.

    Returns
    -------
    shapes : list of ndarray of float64, each of shape (n_frames, n_shapes)
        One for first order, one for second order (all rates concatenated); one for other features.
    """
    spectra: dict[tuple[int, float], list[int]] = {}
    for i, name in enumerate(features.names):
        if name.order in _SHAPES and (name.carrier or 0.0) >= LOWEST_CARRIER:
            spectra.setdefault((name.order, name.modulation or 0.0), []).append(i)
    if not spectra:
        return [features.X.astype(np.float64)]
    found: dict[int, list[NDArray[np.float64]]] = {}
    for (order, _), columns in sorted(spectra.items()):
        if len(columns) >= 2 * _SHAPES[order]:
            carriers = np.array([features.names[i].carrier or 0.0 for i in columns])
            X = features.X[:, np.array(columns)[np.argsort(-carriers)]].astype(np.float64)
            levels = np.log1p(X / max(float(X.mean()), np.finfo(np.float64).tiny))
            cosines = scipy.fft.dct(levels, axis=1, norm="ortho")[:, : _SHAPES[order]]
            found.setdefault(order, []).append(cosines)
    return [np.concatenate(each, axis=1) for each in found.values()]


def evened(recordings: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Subtract the mean of each recording, and whiten all recordings partially.

    Parameters
    ----------
    recordings : sequence of ndarray of float64, each of shape (n_frames, n_columns)
        A collection.

    Returns
    -------
    recordings : list of ndarray of float64, each of shape (n_frames, n_dims)
        Coordinates along the principal directions of the collection.
    """
    moved = [X - X.mean(axis=0) for X in recordings]
    covariance = sum(X.T @ X for X in moved) / sum(len(X) for X in moved)
    variances, directions = np.linalg.eigh(covariance)
    there = variances > 1e-9 * variances[-1]
    scales = (variances[there] / variances[-1]) ** (-FLATTENING / 2)
    return [(X @ directions[:, there]) * scales for X in moved]


def alike_in_order(
    passages: Sequence[NDArray[np.float64]], *, hop: float, latest: float = _LATEST
) -> NDArray[np.float64]:
    """Compute the frame-by-frame similarity of passages.

    Frames beyond the end of the other passage have similarity 0.

    Parameters
    ----------
    passages : sequence of ndarray of float64, each of shape (n_frames, n_dims)
        From `evened`.
    hop : float
        Seconds between frames.
    latest : float, default 0.5
        Maximum offset between the starts in seconds.

    Returns
    -------
    similarity : ndarray of float64, shape (n_passages, n_passages)
        Cosine at the best offset, in [-1, 1].

    Examples
    --------
    >>> first = np.random.default_rng(0).normal(size=(40, 5))
    >>> alike_in_order([first, first], hop=0.2)
    array([[1., 1.],
           [1., 1.]])
    """
    reach = round(latest / hop)
    size = scipy.fft.next_fast_len(max(len(each) for each in passages) + reach, real=True)
    spectra = [scipy.fft.rfft(each, size, axis=0) for each in passages]
    norms = np.array([max(float(np.linalg.norm(each)), 1e-9) for each in passages])
    similarity = np.zeros((len(passages), len(passages)))
    for i, spectrum in enumerate(spectra):
        for j in range(i + 1):
            products = scipy.fft.irfft((spectrum.conj() * spectra[j]).sum(axis=1), size)
            near = np.concatenate([products[: reach + 1], products[size - reach :]])
            similarity[i, j] = similarity[j, i] = near.max() / (norms[i] * norms[j])
    return np.clip(similarity, -1, 1)

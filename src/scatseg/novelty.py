"""Self-similarity -> novelty: how much changes across each frame edge."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from scatseg.similarity import check_square, to_lags


def checkerboard_novelty(S: NDArray[np.floating], *, half_width_frames: int) -> NDArray[np.float64]:
    """Compare what lies before each edge with what lies after it, by Foote's kernel.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.
    half_width_frames : int
        Frames looked at on each side, weighted by a Gaussian of half that width.

    Returns
    -------
    novelty : ndarray of float64, shape (n_frames + 1,)
        Similarity within both sides minus that across, never negative, 0 at both ends. Near the
        ends a side has fewer frames; each side counts by its mean: a constant is nowhere new.

    References
    ----------
    J. Foote, "Automatic audio segmentation using a measure of audio novelty", ICME 2000.
    """
    n = check_square(S)
    if half_width_frames < 1:
        msg = f"half_width_frames must be at least 1, got {half_width_frames}"
        raise ValueError(msg)
    w = min(half_width_frames, n)
    offset = np.arange(-w, w)
    taper = np.exp(-2 * ((offset + 0.5) / w) ** 2)
    frame = np.arange(n + 1)[:, None] + offset
    weight = np.where((frame >= 0) & (frame < n), taper, 0)
    past, future = weight * (offset < 0), weight * (offset >= 0)
    past /= np.maximum(past.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    future /= np.maximum(future.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    contrast = future - past

    padded = np.pad(np.asarray(S, dtype=np.float64), w)
    row, column = padded.strides
    windows = as_strided(
        padded, (n + 1, 2 * w, 2 * w), (row + column, row, column), writeable=False
    )
    novelty = np.einsum("nab,na,nb->n", windows, contrast, contrast, optimize=True)
    novelty[[0, -1]] = 0
    return np.asarray(np.maximum(novelty, 0))


def structure_novelty(
    R: NDArray[np.bool_] | NDArray[np.floating],
    *,
    time_width_frames: float,
    lag_width_frames: float,
) -> NDArray[np.float64]:
    """Find where the pattern of repetitions changes (structure features).

    Parameters
    ----------
    R : ndarray, shape (n_frames, n_frames)
        Recurrence of frames, as `similarity.recurrence` makes it.
    time_width_frames, lag_width_frames : float
        Standard deviations of the Gaussian that blurs the lag matrix.

    Returns
    -------
    novelty : ndarray of float64, shape (n_frames + 1,)
        Squared distance of the structure features on both sides of each edge, 0 at both ends.

    References
    ----------
    J. Serrà et al., "Unsupervised music structure annotation by time series structure features
    and segment similarity", IEEE Transactions on Multimedia 16(5), 2014.
    """
    lags = to_lags(np.asarray(R, dtype=np.float64))
    features = scipy.ndimage.gaussian_filter(
        lags, sigma=(lag_width_frames, time_width_frames), mode=("wrap", "nearest")
    )
    novelty = np.zeros(len(R) + 1)
    novelty[1:-1] = (np.diff(features, axis=1) ** 2).sum(axis=0)
    return novelty

"""Self-similarity -> novelty at each frame edge."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from scatseg.scattering.arguments import check_integer
from scatseg.similarity import check_square, to_lags


def checkerboard_novelty(S: NDArray[np.floating], *, half_width_frames: int) -> NDArray[np.float64]:
    """Compute novelty by correlating a checkerboard kernel along the diagonal.

    Parameters
    ----------
    S : ndarray of float, shape (n_frames, n_frames)
        Symmetric similarity.
    half_width_frames : int
        Half width of the kernel; its Gaussian taper has a standard deviation of half of that.

    Returns
    -------
    novelty : ndarray of float64, shape (n_frames + 1,)
        Twice the difference of the mean similarity within sides and that across; non-negative, 0 at
        both ends. Near the ends a side has fewer frames; sides are normalized, so a constant has no
        novelty.

    References
    ----------
    J. Foote, "Automatic audio segmentation using a measure of audio novelty", ICME 2000.
    """
    S = check_square(S)
    n = len(S)
    check_integer("half_width_frames", half_width_frames, 1)
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
    """Compute novelty from structure features, where the pattern of repetitions changes.

    Parameters
    ----------
    R : ndarray, shape (n_frames, n_frames)
        Recurrence matrix, as from `similarity.recurrence`.
    time_width_frames, lag_width_frames : float
        Standard deviations of the Gaussian filter applied to the lag matrix.

    Returns
    -------
    novelty : ndarray of float64, shape (n_frames + 1,)
        Squared distance of the structure features on either side of each edge, 0 at both ends.

    References
    ----------
    J. Serrà et al., "Unsupervised music structure annotation by time series structure features
    and segment similarity", IEEE Transactions on Multimedia 16(5), 2014.
    """
    lags = to_lags(np.asarray(check_square(R), dtype=np.float64))
    features = scipy.ndimage.gaussian_filter(
        lags, sigma=(lag_width_frames, time_width_frames), mode=("wrap", "nearest")
    )
    novelty = np.zeros(len(lags) + 1)
    novelty[1:-1] = (np.diff(features, axis=1) ** 2).sum(axis=0)
    return novelty

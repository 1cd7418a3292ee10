"""Joint time-frequency scattering, slow and readable: every path on its full grid, in float64.

Written from the formulas alone, with its own filters, and sharing nothing with the package.
"""

import math

import numpy as np


def gauss(center, sigma, n_bins):
    """Gaussian in the Fourier domain, periodized."""
    n_periods = min(math.ceil(math.sqrt(2 * sigma**2 * math.log(1e7)) + 1), 5)
    w = np.arange((1 - n_periods) * n_bins, n_periods * n_bins) / n_bins
    if n_periods == 1:
        w = (w + 0.5) % 1 - 0.5
    G = np.exp(-((w - center) ** 2) / (2 * sigma**2))
    return G.reshape(2 * n_periods - 1, n_bins).mean(axis=0)


def filter_(xi, sigma, n_bins):
    """Morlet wavelet, or low-pass where xi is 0, with L1 norm 1."""
    H = low = gauss(0, sigma, n_bins)
    if xi != 0:
        H = gauss(xi, sigma, n_bins)
        H = H - H[0] / low[0] * low
    return H / np.abs(np.fft.ifft(H)).sum()


def bank(J, Q):
    """Return (xi, sigma, j) of each wavelet, from high to low frequency."""
    xi = max(1 / (1 + 2 ** (3 / Q)), 0.35)
    r = 2 ** (-1 / Q)
    sigma = xi * (1 - r) / (1 + r) / math.sqrt(2 * math.log(math.sqrt(2)))
    sigma_min = 0.1 / 2**J
    filters, elbow = [], sigma
    if sigma > sigma_min:
        filters.append((xi, sigma))
        while sigma > sigma_min / r:
            xi, sigma = xi * r, sigma * r
            filters.append((xi, sigma))
        elbow = xi
    filters += [(elbow * (1 - q / Q), sigma_min) for q in range(1, Q)]
    return [(xi, s, math.floor(-math.log2(min(xi + 5 * s, 0.5))) - 1) for xi, s in filters]


def period(n_samples, T):
    """Length to which a signal is padded."""
    phi = np.abs(np.fft.ifft(filter_(0, 0.1 / T, n_samples)))[: n_samples // 2]
    tails = np.cumsum(phi[::-1])[::-1]
    below = np.flatnonzero(tails <= 1e-3)
    pad = 3 * (below[0] + 1 if below.size else n_samples // 2)
    return 2 ** min(
        math.ceil(math.log2(n_samples + 2 * pad)), math.floor(math.log2(3 * n_samples - 2))
    )


def convolved(x, H, stride=1, axis=-1):
    """Circular convolution subsampled by `stride`; H is on a finer grid."""
    n = x.shape[axis]
    H = H.reshape(-1, n).sum(axis=0)
    H = H if axis in (-1, 1) else H[:, None]
    y = np.fft.ifft(np.fft.fft(x, axis=axis) * H, axis=axis)
    return np.take(y, range(0, n, stride), axis=axis)


def joint_scattering(
    x, J, J_fr, Q, Q_fr=1, T=None, F=None, stride=None, stride_fr=None, format="joint"
):
    """Return the coefficients by key, rows along log-frequency first."""
    n_samples, Q1 = len(x), Q[0]
    scale, scale_fr = (
        (2**J if T in (None, 0, "global") else T),
        (2**J_fr if F in (None, 0, "global") else F),
    )
    local, local_fr = T not in (0, "global"), F not in (0, "global")
    hop = stride or 2 ** int(math.log2(scale))
    hop_fr = stride_fr or 2 ** min(int(math.log2(scale_fr)), J_fr)
    M = period(n_samples, scale)
    left = (M - n_samples) // 2
    x = np.roll(np.pad(x, (left, M - n_samples - left), mode="reflect"), -left)
    phi = filter_(0, 0.1 / scale, M)

    U1, S1, j1 = [], [], []
    for xi, sigma, j in bank(J, Q1):
        step = min(2**j, hop) if local else 2**j
        U1.append(np.abs(convolved(x, filter_(xi, sigma, M), step)))
        S1.append(convolved(U1[-1], phi, hop // step).real)
        j1.append(j)

    N_fr = ((J + 1) * Q1 + 8 * min(scale_fr, 2**J_fr)) // 2**J_fr * 2**J_fr
    psi_fr = [(0, 0.1 / 2**J_fr, J_fr)]
    psi_fr += [(spin * xi, sigma, j) for spin in (1, -1) for xi, sigma, j in bank(J_fr, Q_fr)]
    phi_fr = filter_(0, 0.1 / scale_fr, N_fr)

    def along_rows(Y, xi, sigma, j):
        """Modulus of the convolution along log-frequency, and its stride."""
        step = min(2**j, hop_fr) if local_fr else 2**j
        Y = np.pad(Y, ((0, N_fr - len(Y)), (0, 0)))
        return np.abs(convolved(Y, filter_(xi, sigma, N_fr), step, axis=0)), step

    def rows(Z, n1_max, n_fr, step):
        """Average along log-frequency and keep the rows of the format."""
        wanted = step
        if n_fr > 0 and F == "global":
            return {0: Z.sum(axis=0)}
        if n_fr > 0 and local_fr:
            Z = convolved(Z, phi_fr, hop_fr // step, axis=0).real
            step = wanted = hop_fr
        if n_fr == 0:
            wanted = 2**J_fr
        n_rows = 1 + n1_max // wanted if format == "joint" else -(-n1_max // wanted)
        n_rows = min(n_rows, N_fr // wanted)
        return {i * wanted: Z[i * wanted // step] for i in range(n_rows)}

    x_low = convolved(x, phi, hop).real[: -(-n_samples // hop)]
    order0 = x_low if local else x[:n_samples] if T == 0 else x.sum(keepdims=True)
    paths = {(): {0: order0}}
    n_frames = -(-n_samples // hop)
    for n_fr, (xi, sigma, j) in enumerate(psi_fr):
        if xi >= 0:
            Z, step = along_rows(np.array(S1), xi, sigma, j)
            Z = Z.sum(axis=1, keepdims=True) if T == "global" else Z[:, :n_frames]
            paths[(n_fr,)] = rows(Z, len(S1), n_fr, step)
    for n2, (xi2, sigma2, j2) in enumerate(bank(J, Q[1])):
        psi2, step2 = filter_(xi2, sigma2, M), min(2**j2, hop) if local else 2**j2
        Y = [convolved(U, psi2, step2 * len(U) // M) for U, j in zip(U1, j1, strict=True) if j < j2]
        for n_fr, (xi, sigma, j) in enumerate(psi_fr if Y else []):
            Z, step = along_rows(np.array(Y), xi, sigma, j)
            if local:
                Z = convolved(Z, phi, hop // step2).real[:, :n_frames]
            else:
                Z = Z[:, : -(-n_samples // step2)] if T == 0 else Z.sum(axis=1, keepdims=True)
            paths[n2, n_fr] = rows(Z, len(Y), n_fr, step)
    if format == "time":
        by_row = {(n1, *key): row for key, rows in paths.items() if key for n1, row in rows.items()}
        return {(): order0, **by_row}
    return {key: np.array(list(rows.values())) if key else order0 for key, rows in paths.items()}

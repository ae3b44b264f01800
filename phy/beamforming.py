"""Beams and combiners.

Transmit convention: user u receives h_u^T f (no conjugate), so with H[u, m] and F[m, u] the effective channel
is H @ F, and the matched beam is the conjugate of h. Receive convention: y = H x + n, output W @ y.
Every function works on stacks: leading axes are broadcast.
"""

from __future__ import annotations

import numpy as np

from phy.parameters import ParameterError


def _unit_columns(f: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(f, axis=-2, keepdims=True)
    return f / np.where(norm > 0.0, norm, 1.0)


def mrt(h: np.ndarray) -> np.ndarray:
    """Maximum-ratio transmission: conj(h) / |h|, complex[..., M] from h complex[..., M]; unit norm, 0 for h =
    0.
    """
    norm = np.linalg.norm(h, axis=-1, keepdims=True)
    return np.conj(h) / np.where(norm > 0.0, norm, 1.0)


def effective_gain(h: np.ndarray, f: np.ndarray) -> np.ndarray:
    """h^T f over the last axis, complex[...]: the scalar channel behind any given beam."""
    return (h * f).sum(axis=-1)


def mrc(h: np.ndarray) -> np.ndarray:
    """Maximum-ratio combiner w with w @ (h x + n) = |h| x + n', n' of the same n0: conj(h) / |h|."""
    return mrt(h)


def zf(h: np.ndarray) -> np.ndarray:
    """Zero-forcing beams: H^H (H H^H)^-1 with columns of unit norm.

    Args:
        h: complex[..., U, M], U <= M.

    Returns: complex[..., M, U]; H @ F is diagonal with positive real entries.
    """
    if h.shape[-2] > h.shape[-1]:
        raise ParameterError(f"zero forcing of {h.shape[-2]} users with {h.shape[-1]} antennas: needs U <= M")
    return _unit_columns(np.linalg.pinv(h))


def rzf(h: np.ndarray, regularisation: float) -> np.ndarray:
    """Regularised zero-forcing beams: H^H (H H^H + a I)^-1, columns of unit norm.

    Args:
        h: complex[..., U, M].
        regularisation: a >= 0; U * n0 / es is the usual choice (Peel, Hochwald, Swindlehurst, IEEE Trans.
            Commun. 53(1), 2005). 0 is `zf`, a -> inf is `mrt`.

    Returns: complex[..., M, U].
    """
    hh = np.conj(np.swapaxes(h, -1, -2))
    gram = h @ hh + regularisation * np.eye(h.shape[-2])
    return _unit_columns(
        np.swapaxes(np.linalg.solve(np.swapaxes(gram, -1, -2), np.swapaxes(hh, -1, -2)), -1, -2)
    )


def lmmse(h: np.ndarray, n0_over_es: float) -> np.ndarray:
    """Linear MMSE receiver for y = H x + n with E|x|^2 = 1: (H^H H + (n0/es) I)^-1 H^H.

    Args:
        h: complex[..., R, U], columns are the users' channels.

    Returns: complex[..., U, R]; biased (divide by the diagonal of W H for unbiased symbols). n0_over_es = 0
    is the zero-forcing receiver.
    """
    hh = np.conj(np.swapaxes(h, -1, -2))
    return np.linalg.solve(hh @ h + n0_over_es * np.eye(h.shape[-1]), hh)


def sinr_receive(w: np.ndarray, h: np.ndarray, es_over_n0: float) -> np.ndarray:
    """SINR per user of combiner w complex[..., U, R] on H complex[..., R, U]; float[..., U]."""
    a = np.abs(w @ h) ** 2
    signal = np.diagonal(a, axis1=-2, axis2=-1)
    noise = (np.abs(w) ** 2).sum(axis=-1) / es_over_n0
    return signal / (a.sum(axis=-1) - signal + noise)


def sinr_transmit(h: np.ndarray, f: np.ndarray, es_over_n0: np.ndarray) -> np.ndarray:
    """SINR per user of beams F complex[..., M, U] with energies es_over_n0[..., U]; float[..., U].

    User u receives |h_u^T f_u|^2 es_u against the other users' beams and its noise.
    """
    a = np.abs(h @ f) ** 2 * np.asarray(es_over_n0)[..., None, :]
    signal = np.diagonal(a, axis1=-2, axis2=-1)
    return signal / (a.sum(axis=-1) - signal + 1.0)


def dft_codebook(num_ant: int, oversampling: int = 1) -> np.ndarray:
    """DFT beams for a uniform linear array, complex128[num_ant * oversampling, num_ant], rows of unit norm.

    Row i is the matched beam (conjugate response over sqrt(M)) of the direction with 2 spacing sin(angle) =
    i-th point of a regular grid on [-1, 1).
    """
    n = num_ant * oversampling
    u = 2.0 * np.arange(n) / n - 1.0
    return np.exp(-1j * np.pi * np.outer(u, np.arange(num_ant))) / np.sqrt(num_ant)


def best_beam(h: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Index of the row of `codebook` with the largest |h^T f|, int[...] for h complex[..., M]."""
    return np.abs(h @ codebook.T).argmax(axis=-1)

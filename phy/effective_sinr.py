"""Effective SINR: one number for a block whose resource elements have many SINRs.

The effective SINR is the SINR over AWGN at which the block would do as well (S. Nanda, K. M. Rege,
"Frame error rates for convolutional codes on fading channels and the concept of effective Eb/N0", IEEE Trans.
Veh. Technol. 47(4), 1998). Two mappings, each with a factor beta to be fitted (`phy.beta_fit`):

* exponential (EESM): g_eff = -beta ln mean exp(-g / beta) (Ericsson, 3GPP R1-031303, 2003);
* mutual information (MIESM): g_eff = beta I^-1(mean I(g / beta)), I being the mutual information between
  code bits and demapper (BICM: G. Caire, G. Taricco, E. Biglieri, IEEE Trans. Inf. Theory 44(3), 1998) or
  between symbol and observation (IEEE 802.16m-08/004r5, 4.3.2).

Every mapping returns the SINR itself for equal SINRs, whatever beta, and lies between least and largest. All
functions take stacks: SINRs float[..., F] in linear units, F elements (or subcarriers with weights) a block.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial.hermite import hermgauss
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from phy.modulation import bits_from_symbols, check_order, constellation
from phy.parameters import ParameterError
from phy.qam import NORM

Reals = NDArray[np.float64]

METHODS = ("eesm", "miesm", "miesm_symbol")  # exponential; mutual information: BICM, symbol-wise
_NODES = (
    128  # Gauss-Hermite: relative error of the missing information below 1e-4 as long as it is > 1e-6 bit
)
_COARSE_DB, _FINE_DB = 0.25, 0.01  # quadrature points; the table that PCHIP makes of them
_LOW_DB, _LOSS_FLOOR = -40.0, 1e-10  # the table's ends


_quadrature = cache(hermgauss)


def _rail(bits_per_symbol: int) -> tuple[Reals, NDArray[np.uint8]]:
    """Levels float64[L] of one rail of the constellation of unit energy and their labels uint8[L, bits]."""
    m = bits_per_symbol
    if m == 1:
        return np.array([1.0, -1.0]), np.array([[0], [1]], np.uint8)
    half = m // 2
    values = np.arange(1 << half)
    symbols = np.zeros(values.size, np.uint8)
    for j in range(half):  # rail bit j from the top is symbol bit 2 j from the top
        symbols |= (((values >> (half - 1 - j)) & 1) << (m - 1 - 2 * j)).astype(np.uint8)
    odd = np.round(constellation(m)[symbols].real.astype(np.float64) * np.sqrt(NORM[m]))
    return odd / np.sqrt(NORM[m]), bits_from_symbols(symbols, m).reshape(-1, m)[:, ::2]


def missing_information(snr: ArrayLike, bits_per_symbol: int, bicm: bool = True) -> Reals:
    """Bits per symbol that AWGN takes away, m - I, by Gauss-Hermite quadrature over the noise of one rail.

    Args:
        snr: float[...], Es/N0, linear.
        bits_per_symbol: 1, 2, 4, 6, 8, Gray labels of TS 38.211 5.1.
        bicm: m - sum over the bits of I(bit; y), each bit demapped alone; otherwise m - I(symbol; y).

    Square QAM is two independent rails with noise n0/2 each; BPSK is one rail. Small values keep their
    relative precision, which m - I computed from I would not.
    """
    check_order(bits_per_symbol)
    levels, labels = _rail(bits_per_symbol)
    nodes, weights = _quadrature(_NODES)
    weights = weights / (np.sqrt(np.pi) * levels.size)
    distance = levels[:, None] - levels[None, :]
    same = (labels[:, None, :] == labels[None, :, :]).astype(np.float64)
    amplitude = np.sqrt(np.asarray(snr, np.float64))
    loss = np.zeros(amplitude.size)
    for i, a in enumerate(amplitude.ravel()):
        # likelihood of level t over that of the level s sent, at noise `nodes` sqrt(n0); at most exp(nodes^2)
        shift = (a * distance)[:, :, None]
        ratio = np.exp(-shift * (shift + 2.0 * nodes))
        if bicm:
            own = np.einsum("stb,stn->sbn", same, ratio)
            other = np.einsum("stb,stn->sbn", 1.0 - same, ratio)
            loss[i] = (np.log1p(other / own) @ weights).sum()
        else:
            np.einsum("ssn->sn", ratio)[:] = 0.0  # the level sent itself: likelihood 1
            loss[i] = (np.log1p(ratio.sum(axis=1)) @ weights).sum()
    rails = 1 if bits_per_symbol == 1 else 2
    return (rails / np.log(2.0) * loss).reshape(amplitude.shape)


@cache
def _loss_table(bits_per_symbol: int, bicm: bool) -> tuple[Reals, Reals]:
    """(snr, ln of the missing information), from snr = 0 on in steps of 0.01 dB.

    Against linear SNR the logarithm of the loss is straight at both ends: ln m - c snr and -c' snr.
    """
    grid_db = [_LOW_DB]
    loss = [float(missing_information(10.0 ** (_LOW_DB / 10.0), bits_per_symbol, bicm))]
    while loss[-1] > _LOSS_FLOOR:
        grid_db.append(grid_db[-1] + _COARSE_DB)
        loss.append(float(missing_information(10.0 ** (grid_db[-1] / 10.0), bits_per_symbol, bicm)))
    # interpolated in ln(-ln(loss / m)), nearly a straight line against dB
    curve = PchipInterpolator(grid_db, np.log(-np.log(np.array(loss) / bits_per_symbol)))
    fine_db = np.linspace(_LOW_DB, grid_db[-1], round((grid_db[-1] - _LOW_DB) / _FINE_DB) + 1)
    snr = np.concatenate([[0.0], 10.0 ** (fine_db / 10.0)])
    log_loss = np.log(bits_per_symbol) - np.concatenate([[0.0], np.exp(curve(fine_db))])
    return snr, log_loss


def _log_loss(snr: Reals, bits_per_symbol: int, bicm: bool) -> Reals:
    """ln of the missing information, piecewise linear in snr >= 0; the last line goes on beyond the table."""
    grid, table = _loss_table(bits_per_symbol, bicm)
    slope = (table[-1] - table[-2]) / (grid[-1] - grid[-2])
    return np.interp(snr, grid, table) + slope * np.maximum(snr - grid[-1], 0.0)


def _snr_of(log_loss: Reals, bits_per_symbol: int, bicm: bool) -> Reals:
    """Inverse of `_log_loss`."""
    grid, table = _loss_table(bits_per_symbol, bicm)
    slope = (table[-1] - table[-2]) / (grid[-1] - grid[-2])
    return np.interp(-log_loss, -table, grid) + np.minimum(log_loss - table[-1], 0.0) / slope


def mutual_information(snr: ArrayLike, bits_per_symbol: int, bicm: bool = True) -> Reals:
    """I in bits per symbol at linear SNRs float[...] >= 0, from the table (see `missing_information`)."""
    check_order(bits_per_symbol)
    return -bits_per_symbol * np.expm1(
        _log_loss(np.asarray(snr, np.float64), bits_per_symbol, bicm) - np.log(bits_per_symbol)
    )


def _checked(snr: ArrayLike, beta: float, weights: ArrayLike | None) -> tuple[Reals, Reals]:
    g = np.asarray(snr, np.float64)
    if g.ndim < 1 or g.shape[-1] < 1 or not np.all((g >= 0.0) & (g < np.inf)):
        raise ParameterError(f"snr of shape {g.shape}: must be float[..., F >= 1], >= 0 and finite")
    if not 0.0 < beta < np.inf:
        raise ParameterError(f"beta = {beta}: must be > 0 and finite")
    w = np.ones(g.shape[-1]) if weights is None else np.asarray(weights, np.float64)
    if w.shape != g.shape[-1:] or not (np.all(w >= 0.0) and w.sum() > 0.0):
        raise ParameterError(f"weights of shape {w.shape}: must be float[{g.shape[-1]}], >= 0, not all 0")
    return g, w / w.sum()


def eesm(snr: ArrayLike, beta: float, weights: ArrayLike | None = None) -> Reals:
    """Exponential effective SINR float64[...] of SINRs float[..., F], linear; exact for equal SINRs.

    Args:
        beta: > 0; towards 0 the least SINR decides, towards infinity the mean.
        weights: float[F], elements at each SINR (equal if left out).
    """
    g, w = _checked(snr, beta, weights)
    least = np.where(w > 0.0, g, np.inf).min(axis=-1)
    excess = -np.expm1(-(g - least[..., None]) / beta) @ w
    return least - beta * np.log1p(-np.minimum(excess, 1.0))


def miesm(
    snr: ArrayLike, beta: float, bits_per_symbol: int, bicm: bool = True, weights: ArrayLike | None = None
) -> Reals:
    """Mutual-information effective SINR float64[...] of SINRs float[..., F], linear; arguments as `eesm`."""
    check_order(bits_per_symbol)
    g, w = _checked(snr, beta, weights)
    log_loss = _log_loss(g / beta, bits_per_symbol, bicm)
    top = np.where(w > 0.0, log_loss, -np.inf).max(axis=-1)
    mean = top + np.log(np.exp(np.minimum(log_loss - top[..., None], 0.0)) @ w)
    return beta * _snr_of(mean, bits_per_symbol, bicm)


def effective_snr(
    snr: ArrayLike, method: str, beta: float, bits_per_symbol: int, weights: ArrayLike | None = None
) -> Reals:
    """`eesm` or `miesm` by name: "eesm", "miesm" (BICM) or "miesm_symbol"."""
    if method == "eesm":
        return eesm(snr, beta, weights)
    if method not in METHODS:
        raise ParameterError(f"method = {method!r}: must be one of " + ", ".join(METHODS))
    return miesm(snr, beta, bits_per_symbol, method == "miesm", weights)

"""Several cells on the same resource elements: the interference is the other cells' actual signal.

Nothing Gaussian stands in for an interferer: at receiver i, element by element,
y_i = sum over j of amplitude[i, j] x_j + n, with x_j the symbols that cell j really sends there (0 while it
is silent). The receiver knows its own amplitude, equalises with it and slices. An interferer that arrives
within the cyclic prefix is a phase per subcarrier, so delays go into `amplitude`; `transmit_cells_waveform`
does the same at sample level.

Users that share elements by beams or by a multi-user receiver are the same thing with other amplitudes:
`beam_amplitudes` (downlink, any beam matrix) and `combiner_amplitudes` (uplink, any combiner).
"""

from __future__ import annotations

import numpy as np

from phy import cell_kernels
from phy.bursts import Bursts, Received, Soft, burst_bits, check_bursts, snr_to_db
from phy.modulation import demap_hard
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.philox import LANE_RE_NOISE, complex_normals
from phy.samples import frame_noise


def cell_amplitudes(h: np.ndarray, es: np.ndarray) -> np.ndarray:
    """Amplitudes behind maximum-ratio combining of the own link, complex64[M, M, F].

    Args:
        h: complex[M, M, R, F], channel from transmitter j to the R antennas of receiver i: h[i, j], E|h|^2 =
            1.
        es: float[M, M], received energy per element and antenna for |h| = 1; 0 for a cell without power.
    """
    own = np.einsum("iirf->irf", h)
    norm = np.sqrt((np.abs(own) ** 2).sum(axis=1, keepdims=True))
    w = np.conj(own) / np.where(norm > 0.0, norm, 1.0)
    combined = np.einsum("irf,ijrf->ijf", w, h)
    return np.ascontiguousarray(combined * np.sqrt(np.asarray(es, np.float64))[:, :, None], np.complex64)


def beam_amplitudes(h: np.ndarray, beams: np.ndarray, es: np.ndarray) -> np.ndarray:
    """Downlink with one beam a user on the same elements: amplitude[u, v] = h_u^T f_v sqrt(es_v).

    Args:
        h: complex[U, M, F], channel of each user; beams: complex[M, U] or complex[M, U, F], unit-norm columns
            for power es (`phy.beamforming`, or what an agent chooses).
        es: float[U], energy per element that each beam sends, at the receiver for |h^T f| = 1.

    Returns: complex64[U, U, F].
    """
    f = beams if beams.ndim == 3 else np.repeat(beams[:, :, None], h.shape[2], axis=2)
    gain = np.einsum("umf,mvf->uvf", h, f)
    return np.ascontiguousarray(gain * np.sqrt(np.asarray(es, np.float64))[None, :, None], np.complex64)


def combiner_amplitudes(h: np.ndarray, combiners: np.ndarray, es: np.ndarray) -> np.ndarray:
    """Uplink of several users to one receiver: amplitude[u, v] = w_u h_v sqrt(es_v) with w_u scaled to unit
    norm.

    Args:
        h: complex[R, U, F], columns are the users' channels; combiners: complex[U, R] or complex[U, R, F],
            any scale (`beamforming.lmmse`, `mrc`).
        es: float[U], received energy per element and antenna for |h| = 1.

    Returns: complex64[U, U, F]; the noise after each combiner has n0, the own amplitude equalises the bias
        away.
    """
    w = combiners if combiners.ndim == 3 else np.repeat(combiners[:, :, None], h.shape[2], axis=2)
    norm = np.linalg.norm(w, axis=1, keepdims=True)
    gain = np.einsum("urf,rvf->uvf", w / np.where(norm > 0.0, norm, 1.0), h)
    return np.ascontiguousarray(gain * np.sqrt(np.asarray(es, np.float64))[None, :, None], np.complex64)


def delay_phases(ofdm: Ofdm, delay_samples: np.ndarray, num_subcarriers: int) -> np.ndarray:
    """exp(-2j pi k tau / fft_size) for whole delays tau int[M, M], complex128[M, M, F]; multiply onto h."""
    k = ofdm.bins(num_subcarriers)
    return np.exp(-2j * np.pi * np.asarray(delay_samples)[..., None] * k / ofdm.fft_size)


def transmit_cells(bursts: Bursts, cell: np.ndarray, amplitude: np.ndarray) -> tuple[Received, np.ndarray]:
    """Hard decisions of co-channel cells, superposed at symbol level.

    Args:
        bursts: all bursts of all cells in one slot; bursts of a cell must not overlap in their elements. `h`,
            `es` and `num_subcarriers` are not used. Noise is keyed as in `transmit_bit`.
        cell: int64[B], cell of each burst; cell i's receiver is receiver i.
        amplitude: complex64[M, M, F], amplitude[i, j, f] of transmitter j at receiver i after combining with
            a unit-norm combiner (`cell_amplitudes`), element RE on subcarrier RE % F; includes sqrt(es).

    Returns: Received, whose snr_db is the expected SINR (mean wanted over mean unwanted power, only cells
    that send there), and float64[B], the SINR in dB of the very samples (wanted energy over energy of the
    disturbance).
    """
    _check(bursts, cell, amplitude)
    b = bursts
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    sinr_db, measured_db = _through_cells(b, cell, amplitude, received, errors, None, None)
    return Received(received, errors, sinr_db), measured_db


def demap_cells(bursts: Bursts, cell: np.ndarray, amplitude: np.ndarray) -> Soft:
    """Max-log LLRs of the same superposition, arguments as in `transmit_cells`; signs are its decisions.

    The receiver knows its own amplitude, n0, and the mean power of every cell on the elements where that
    cell sends, not the symbols. It takes the interference for Gaussian noise: the effective n0 of an element
    is n0 + the sum of |amplitude[i, j]|^2 over the cells j that send there. With few strong interferers that
    is a mismatched metric (their symbols are discrete), with many it is exact in the limit.

    Returns: Soft, snr_db is the expected SINR.
    """
    _check(bursts, cell, amplitude)
    b = bursts
    start = np.concatenate([[0], np.cumsum(b.num_bits)]).astype(np.int64)
    llr = np.empty(int(start[-1]), np.float32)
    sinr_db, _ = _through_cells(b, cell, amplitude, None, None, llr, start)
    return Soft(llr, start, sinr_db)


def equalised_cells(
    bursts: Bursts, cell: np.ndarray, amplitude: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What `transmit_cells` slices, and what was sent, complex64[symbols] a burst: NumPy, for looking at.

    Arguments as there; interference and noise are in the symbols, equalised by the own amplitude.
    """
    _check(bursts, cell, amplitude)
    b = bursts
    num = b.num_symbols()
    grid = np.zeros((amplitude.shape[0], int((b.first_symbol + num).max(initial=0))), np.complex64)
    cell_kernels.fill_grids(b.payload, b.offset, b.num_bits, b.bits_per_symbol, b.first_symbol, cell, grid)
    received, sent = [], []
    for i, own in enumerate(cell.tolist()):
        first, n = int(b.first_symbol[i]), int(num[i])
        a = amplitude[own][:, (first + np.arange(n)) % amplitude.shape[2]].astype(np.complex128)
        noise = complex_normals(int(b.key[i]), int(b.slot[i]), int(LANE_RE_NOISE), first, n)
        arrived = (a * grid[:, first : first + n]).sum(axis=0)
        # the noise turns with the equaliser's phase in the kernel, too: it is drawn behind it
        received.append(
            (arrived / a[own] + noise * np.sqrt(0.5 * b.n0) / np.abs(a[own])).astype(np.complex64)
        )
        sent.append(grid[own, first : first + n].copy())
    return received, sent


def _through_cells(
    b: Bursts,
    cell: np.ndarray,
    amplitude: np.ndarray,
    received: np.ndarray | None,
    errors: np.ndarray | None,
    llr: np.ndarray | None,
    start: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """(expected SINR, SINR of the samples), float64[B] in dB each; the other outputs are written."""
    total = int((b.first_symbol + b.num_symbols()).max(initial=0))
    grid = np.zeros((amplitude.shape[0], total), np.complex64)
    cell_kernels.fill_grids(b.payload, b.offset, b.num_bits, b.bits_per_symbol, b.first_symbol, cell, grid)
    sinr, measured = np.empty(b.size), np.empty(b.size)
    cell_kernels.transmit_cells(
        b.payload, b.offset, b.num_bits, b.bits_per_symbol, float(b.n0), b.first_symbol, b.key, b.slot, cell,
        amplitude, grid, received, errors, sinr, measured, llr, start,
    )  # fmt: skip
    return snr_to_db(sinr), snr_to_db(measured)


def _check(b: Bursts, cell: np.ndarray, amplitude: np.ndarray) -> None:
    check_bursts(b)
    if amplitude.ndim != 3 or amplitude.shape[0] != amplitude.shape[1] or amplitude.dtype != np.complex64:
        raise ParameterError(f"amplitude: must be complex64[M, M, F], is {amplitude.dtype} {amplitude.shape}")
    if cell.shape != b.offset.shape or cell.dtype != np.int64:
        raise ParameterError(f"cell: must be int64 of shape {b.offset.shape}, is {cell.dtype} {cell.shape}")
    if cell.size and not (cell.min() >= 0 and cell.max() < amplitude.shape[0]):
        raise ParameterError(f"cell: must be in [0, {amplitude.shape[0]}), is {cell.min()} to {cell.max()}")


def transmit_cells_waveform(
    bursts: Bursts, cell: np.ndarray, taps: np.ndarray, ofdm: Ofdm, num_subcarriers: int
) -> Received:
    """`transmit_cells` at sample level, one antenna: modulated waveforms through tapped delay lines, added
    up.

    Args:
        taps: complex[M, M, L], impulse response from transmitter j to receiver i per sample, with sqrt(es).

    Returns: Received; snr_db holds the wanted energy over n0.
    """
    b = bursts
    bins = ofdm.bins(num_subcarriers)
    l = np.arange(taps.shape[2])
    response = (taps @ np.exp(-2j * np.pi * np.outer(l, bins) / ofdm.fft_size)).astype(np.complex64)
    _check(b, cell, response)
    num_cells = taps.shape[0]
    symbols = -(-int((b.first_symbol + b.num_symbols()).max(initial=0)) // num_subcarriers)
    grid = np.zeros((num_cells, symbols * num_subcarriers), np.complex64)
    cell_kernels.fill_grids(b.payload, b.offset, b.num_bits, b.bits_per_symbol, b.first_symbol, cell, grid)
    spectrum = np.zeros((num_cells, symbols, ofdm.fft_size), np.complex64)
    spectrum[:, :, bins] = grid.reshape(num_cells, symbols, num_subcarriers)
    useful = np.fft.ifft(spectrum, axis=-1, norm="ortho")
    stream = np.concatenate([useful[:, :, ofdm.fft_size - ofdm.cp_len :], useful], axis=2)
    stream = stream.reshape(num_cells, -1)
    received = b.payload.copy()
    errors = np.zeros(b.size, np.int64)
    snr = np.empty(b.size)
    for i in range(num_cells):
        mine = np.flatnonzero(cell == i)
        if mine.size == 0:
            continue
        # one receiver, one noise stream: the bursts of a cell share key and slot
        h = response[i, i][None, :]
        key, slot = int(b.key[mine[0]]), int(b.slot[mine[0]])
        y = frame_noise(ofdm, h, bins, float(b.n0), key, slot, 0, symbols)[:, 0].reshape(-1)
        for tap in range(taps.shape[2]):
            y[tap:] += (taps[i, :, tap].astype(np.complex64) @ stream)[: y.size - tap]
        y = y.reshape(symbols, -1)[:, ofdm.cp_len :]
        z = np.fft.fft(y, axis=-1, norm="ortho")[:, bins] / h
        flat = z.reshape(-1)
        for k in mine:
            part = slice(int(b.first_symbol[k]), int(b.first_symbol[k] + b.num_symbols()[k]))
            decided = demap_hard(flat[part], int(b.bits_per_symbol[k]))[: b.num_bits[k]]
            errors[k] = np.count_nonzero(decided != burst_bits(b, int(k)))
            o, n = int(b.offset[k]), int(b.num_bits[k])
            whole = np.unpackbits(received[o : o + (n + 7) // 8])
            whole[:n] = decided
            received[o : o + (n + 7) // 8] = np.packbits(whole)
            snr[k] = float((np.abs(h) ** 2).mean() / b.n0) if b.n0 > 0.0 else np.inf
    return Received(received, errors, snr_to_db(snr))

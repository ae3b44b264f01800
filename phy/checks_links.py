"""Checks of links with more in them: interference from another cell's symbols, and estimated channels."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from phy import channel
from phy.checks_row import Row, counts_z, decibel
from phy.checks_subjects import Effort, Subjects, make_bursts, symbol_errors
from phy.estimation import Estimator
from phy.theory import q_function

_WANTED, _OTHER = 0, 1


def interference_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """QPSK against another cell's QPSK on the same elements, in phase.

    The other cell shifts each rail by +-sqrt(ei/2), so the bit error rate is the mean of two Q functions
    (Gaussian interference of the same energy would give another one); SINR = es / (ei + n0).
    """
    rows = []
    for es_db, ei_db in ((10.0, 4.0), (8.0, 0.0)):
        num = 8 * effort.symbols
        one = make_bursts(2, 0.0, num, np.ones((2, 1, 1)), rng, 4000)
        es, ei = 10.0 ** (es_db / 10.0), 10.0 ** (ei_db / 10.0)
        amplitude = np.zeros((2, 2, 1), np.complex64)
        amplitude[_WANTED, :, 0] = math.sqrt(es), math.sqrt(ei)
        amplitude[_OTHER, _OTHER, 0] = 1.0
        received, measured_db = s.transmit_cells(one, np.array([_WANTED, _OTHER]), amplitude)
        counts = symbol_errors(one, received)[:num]
        levels = math.sqrt(es / 2.0) + np.array([1.0, -1.0]) * math.sqrt(ei / 2.0)
        expected = float(q_function(levels / math.sqrt(one.n0 / 2.0)).mean())
        rate, z, _ = counts_z(counts, 2, expected)
        due_db = decibel(es / (ei + one.n0))
        name = f"Es/N0 {es_db:g} dB, Ei/N0 {ei_db:g} dB"
        # SINR of the samples: its relative spread is below 2 / sqrt(n) (chi-square noise, QPSK signals)
        loose = 6.0 * 2.0 / math.sqrt(num) * 10.0 / math.log(10.0)
        rows += [
            Row("interference", f"BER of QPSK, {name}", "transmit_cells", rate, expected, "", z,
                samples=counts.size),
            Row("interference", f"SINR reported, {name}", "transmit_cells", float(received.snr_db[_WANTED]),
                due_db, "dB", tolerance=1e-3),
            Row("interference", f"SINR of the samples, {name}", "transmit_cells",
                float(measured_db[_WANTED]), due_db, "dB", tolerance=loose),
        ]  # fmt: skip
    return rows


def estimation_rows(s: Subjects, rng: Generator, effort: Effort) -> list[Row]:
    """QPSK over Rayleigh fading, the channel estimated by least squares from two pilots of energy es.

    The error of the estimate is n0 / (2 es). Every subcarrier has a fade and an estimate of its own, which
    its elements share, so the subcarrier is the independent unit.
    """
    rows = []
    width, elements, num_bursts = 200, 2, min(effort.symbols // 40, 2500)
    ofdm = s.ofdm()
    for snr_db in (6.0, 14.0):
        h = channel.rayleigh(rng, (num_bursts, 1, width))
        bursts = make_bursts(2, snr_db, width * elements, h, rng, 4100)
        received = s.transmit_estimated(bursts, ofdm, Estimator("ls", 1))
        counts = symbol_errors(bursts, received).reshape(num_bursts, elements, width).sum(axis=1)
        snr = 10.0 ** (snr_db / 10.0)
        expected = float(s.ber_estimated(snr, 1.0 / (2.0 * snr)))
        rate, z, design = counts_z(counts.reshape(-1), 2 * elements, expected)
        rows.append(
            Row(
                "estimation", f"BER of QPSK, LS from 2 pilots, Es/N0 {snr_db:g} dB", "transmit_estimated",
                rate, expected, "", z, samples=counts.size, details={"design_effect": design},
            )
        )  # fmt: skip
    return rows

"""Beams and combiners against their defining properties."""

from __future__ import annotations

import numpy as np
import pytest

from phy import beamforming as bf
from phy import channel
from phy.parameters import ParameterError

RNG = np.random.default_rng(1)


def test_mrt_collects_the_whole_norm_and_no_beam_does_better():
    h = channel.rayleigh(RNG, (50, 6))
    f = bf.mrt(h)
    assert np.allclose(np.linalg.norm(f, axis=-1), 1.0)
    assert np.allclose(bf.effective_gain(h, f), np.linalg.norm(h, axis=-1), atol=1e-12)
    other = bf.mrt(channel.rayleigh(RNG, (50, 6)))
    assert np.all(np.abs(bf.effective_gain(h, other)) <= np.linalg.norm(h, axis=-1) + 1e-12)
    assert np.all(bf.mrt(np.zeros(3)) == 0.0)


def test_outdated_mrt_gain_is_one_plus_m_minus_one_rho_squared():
    n, num_ant = 40_000, 6
    old = channel.rayleigh(RNG, (n, num_ant))
    for rho in (0.0, 0.6, 1.0):
        h = channel.gauss_markov_step(RNG, old, rho)
        gain = np.abs(bf.effective_gain(h, bf.mrt(old))) ** 2
        assert abs(gain.mean() - (1 + (num_ant - 1) * rho**2)) < 4.5 * gain.std() / np.sqrt(n)


def test_zero_forcing_removes_the_other_users():
    h = channel.rayleigh(RNG, (20, 3, 6))
    f = bf.zf(h)
    e = h @ f
    off = e - np.einsum("nuu->nu", e)[:, :, None] * np.eye(3)
    assert np.allclose(off, 0.0, atol=1e-10)
    assert np.allclose(np.linalg.norm(f, axis=-2), 1.0)
    assert np.all(np.einsum("nuu->nu", e).real > 0)
    with pytest.raises(ParameterError, match="4 users with 2 antennas"):
        bf.zf(np.ones((4, 2)))


def test_rzf_lies_between_zf_and_mrt():
    h = channel.rayleigh(RNG, (20, 3, 6))
    assert np.allclose(bf.rzf(h, 1e-12), bf.zf(h), atol=1e-8)
    assert np.allclose(np.swapaxes(bf.rzf(h, 1e12), -1, -2), bf.mrt(h), atol=1e-8)
    # the usual regularisation is never far below the better of the two
    for es in (0.1, 1.0, 10.0, 100.0):

        def rate(f, es=es):
            return np.log2(1 + bf.sinr_transmit(h, f, np.full((20, 3), es))).sum(axis=1).mean()

        best = max(rate(bf.zf(h)), rate(np.swapaxes(bf.mrt(h), -1, -2)))
        assert rate(bf.rzf(h, 3 / (3 * es))) > 0.99 * best


def test_lmmse_maximises_the_sinr_and_reduces_to_mrc():
    h = channel.rayleigh(RNG, (30, 4, 2))
    es = 5.0
    best = bf.sinr_receive(bf.lmmse(h, 1 / es), h, es)
    # closed form: es h^H (sum of the others es h h^H + I)^-1 h
    for u in range(2):
        other = h[:, :, 1 - u]
        cov = es * other[:, :, None] * other[:, None, :].conj() + np.eye(4)
        hu = h[:, :, u]
        expected = es * np.einsum("nr,nr->n", hu.conj(), np.linalg.solve(cov, hu[:, :, None])[:, :, 0]).real
        assert np.allclose(best[:, u], expected)
    for w in (bf.lmmse(h, 0.0), np.swapaxes(bf.mrc(np.swapaxes(h, -1, -2)), -1, -2).swapaxes(-1, -2)):
        assert np.all(bf.sinr_receive(w, h, es) <= best + 1e-9)
    single = channel.rayleigh(RNG, (30, 4, 1))
    got = bf.sinr_receive(bf.lmmse(single, 1 / es), single, es)[:, 0]
    assert np.allclose(got, es * (np.abs(single) ** 2).sum(axis=(1, 2)))


def test_codebook_beams_are_orthonormal_and_point_where_they_say():
    book = bf.dft_codebook(8)
    assert np.allclose(book @ book.conj().T, np.eye(8), atol=1e-12)
    for i in range(1, 8):
        angle = np.arcsin(2 * i / 8 - 1)
        h = channel.array_response(angle, 8)
        assert bf.best_beam(h, book) == i
        assert abs(bf.effective_gain(h, book[i])) == pytest.approx(np.sqrt(8))
    assert bf.dft_codebook(4, 3).shape == (12, 4)

"""The check passes on the simulator and catches 0.2 dB put in any place, naming what it was put into."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from phy import __main__ as cli
from phy import channel, check, link, modulation, philox, samples, theory, units
from phy.cells import transmit_cells
from phy.checks_row import Row, counts_z, family_bound, law_z, mean_z, signed_root
from phy.checks_subjects import Effort, Fading, Subjects, fading_models
from phy.estimation import transmit_bit_estimated
from phy.injection import transmit_injected
from phy.link import demap_llr, transmit_bit, transmit_waveform
from phy.ofdm import Ofdm
from phy.parameters import ParameterError
from phy.waveform import equalised_waveform

FAULT_DB = 0.2
UP = 10.0 ** (FAULT_DB / 10.0)
SMALL = Effort(samples=60_000, symbols=16_000, targets=(0.05, 0.01))


def louder(bursts):
    """The same bursts with 0.2 dB more received energy."""
    return replace(bursts, es=bursts.es * UP)


def louder_fading(name):
    model = fading_models()[name]
    return Fading(lambda rng, n: model.draw(rng, n) * math.sqrt(UP), model.law)


class ShortPrefix(Ofdm):
    """Accounts for the prefix 0.2 dB wrong."""

    @property
    def prefix_overhead(self):
        return 1.0 - (1.0 - super().prefix_overhead) * UP


class CheapPilots(Ofdm):
    """Accounts for the pilots 0.2 dB wrong, in energy and rate."""

    @property
    def pilot_overhead(self):
        return 1.0 - (1.0 - super().pilot_overhead) * UP


class FastClock(Ofdm):
    """A symbol period 0.2 dB short: rate too high, energy right."""

    @property
    def symbol_s(self):
        return super().symbol_s / UP


def only_q(z):
    """0.2 dB more energy on Q alone."""
    return z.real + 1j * z.imag * math.sqrt(UP)


def reported(received):
    return replace(received, snr_db=received.snr_db + FAULT_DB)


A = math.sqrt(UP)
ENERGY = ("symbols", "noise", "units", "accounting", "reported")
SAMPLES = ("accounting", "samples", "sample-noise", "papr", "reported")
LINK = ("given", "paths", "ber", "reported")
LLR = ("llr", "reported")
WAVE = {"through_samples", "frame_noise"}  # rows of the sample level measure one through the other
BIT = {"transmit_bit"}
LOUD_OTHER = np.array([[1.0, A], [1.0, 1.0]], np.float32)[:, :, None]
# place of the fault -> (changed subjects, subjects that may be reported, parts that the fast tier runs)
FAULTS = {
    "energy of the constellation": (
        {"constellation": lambda m: modulation.constellation(m) * A}, {"constellation"}, ENERGY,
    ),
    "energy of one constellation": (
        {"constellation": lambda m: modulation.constellation(m) * (A if m == 6 else 1.0)},
        {"constellation"}, ENERGY,
    ),
    "energy of the mapper": ({"map_bits": lambda b, m: modulation.map_bits(b, m) * A}, {"map_bits"}, ENERGY),
    "noise energy": ({"awgn": lambda rng, x, n0: channel.awgn(rng, x, n0 * UP)}, {"awgn"}, ENERGY),
    "noise energy on Q": (
        {"awgn": lambda rng, x, n0: x + only_q(channel.awgn(rng, 0.0 * x, n0))}, {"awgn"}, ENERGY,
    ),
    "correlated I and Q": (
        {"awgn": lambda rng, x, n0: x + (lambda z: z + 0.1 * z.real * 1j)(channel.awgn(rng, 0 * x, n0))},
        {"awgn"}, ENERGY,
    ),
    "kernel noise": ({"kernel_noise": lambda *a: philox.complex_normals(*a) * A}, {"kernel_noise"}, ENERGY),
    "Es/N0 to Eb/N0": (
        {"es_to_eb_db": lambda *a: units.es_to_eb_db(*a) + FAULT_DB}, {"es_to_eb_db"}, ENERGY,
    ),
    "Eb/N0 to Es/N0": (
        {"eb_to_es_db": lambda *a: units.eb_to_es_db(*a) - FAULT_DB}, {"eb_to_es_db"}, ENERGY,
    ),
    "thermal noise": (
        {"noise_density": lambda f: units.noise_density_w_per_hz(f + 0.2)}, {"noise_density"}, ENERGY,
    ),
    "prefix accounting": ({"ofdm": ShortPrefix}, {"ofdm"}, SAMPLES),
    "pilot accounting": ({"ofdm": CheapPilots}, {"ofdm"}, SAMPLES),
    "symbol rate": ({"ofdm": FastClock}, {"ofdm"}, SAMPLES),
    "noise on the samples": (
        {"frame_noise": lambda *a: samples.frame_noise(*a) * np.float32(A)}, {"frame_noise"}, SAMPLES,
    ),
    "gain of modulator and demodulator": (
        {"through_samples": lambda o, g, t, b, n: samples.through_samples(o, g * np.float32(A), t, b, n)},
        WAVE, SAMPLES,
    ),
    "es at level bit": ({"transmit_bit": lambda b: transmit_bit(louder(b))}, BIT, LINK),
    "n0 at level bit": (
        {"transmit_bit": lambda b: transmit_bit(replace(b, n0=b.n0 * UP))}, BIT, LINK,
    ),
    "SNR of one modulation": (
        {"transmit_bit": lambda b: transmit_bit(louder(b) if b.bits_per_symbol[0] == 8 else b)}, BIT, LINK,
    ),
    "array gain": (
        {"transmit_bit": lambda b: transmit_bit(louder(b) if b.h.shape[1] == 6 else b)}, BIT, LINK,
    ),
    "SNR reported": ({"transmit_bit": lambda b: reported(transmit_bit(b))}, BIT, ("reported",)),
    "es of the injection": (
        {"transmit_injected": lambda b: transmit_injected(louder(b))}, {"transmit_injected"}, LINK[1:2],
    ),
    "es at sample level": (
        {"transmit_waveform": lambda b, *a: transmit_waveform(louder(b), *a)}, {"transmit_waveform"},
        LINK[:2],
    ),
    "es of the equalised samples": (
        {"equalised_waveform": lambda b, *a: equalised_waveform(louder(b), *a)}, {"equalised_waveform"},
        ("equalised",),
    ),
    "gain of the equaliser": (
        {"equalised_waveform": lambda *a: (equalised_waveform(*a)[0] * A,)}, {"equalised_waveform"},
        ("equalised",),
    ),
    "es of the soft receiver": (
        {"demap_llr": lambda b, **k: demap_llr(louder(b), **k)}, {"demap_llr"}, ("llr",),
    ),
    "amplitudes of the cells": (
        {"transmit_cells": lambda b, c, a: transmit_cells(b, c, a * np.float32(A))}, {"transmit_cells"},
        ("interference",),
    ),
    "energy of the interferer": (
        {"transmit_cells": lambda b, c, a: transmit_cells(b, c, a * LOUD_OTHER)}, {"transmit_cells"},
        ("interference",),
    ),
    "es behind the channel estimate": (
        {"transmit_estimated": lambda b, *a: transmit_bit_estimated(louder(b), *a)}, {"transmit_estimated"},
        ("estimation",),
    ),
    "closed form, AWGN": (
        {"ber_awgn": lambda m, g, *a: theory.ber_awgn(m, g * UP, *a)},
        {"transmit_bit", "transmit_injected", "transmit_waveform"}, LINK,
    ),
    "closed form, fading": (
        {"ber_rician": lambda m, g, *a: theory.ber_rician(m, g * UP, *a)},
        {"transmit_bit", "transmit_injected"}, LINK,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def subjects_reported():
    """Run the check with some subjects changed: the subjects of the rows that fail."""

    def failing(changed, parts=None, seed=3):
        report = check.run(Subjects(**changed), seed=seed, effort=SMALL, parts=parts)
        assert report.status == (1 if report.failures else 0)
        return {row.subject for row in report.failures}, report

    return failing


@pytest.mark.parametrize("place", list(FAULTS))
def test_two_tenths_of_a_decibel_are_caught(subjects_reported, place):
    changed, allowed, parts = FAULTS[place]
    found, report = subjects_reported(changed, parts)
    assert report.status == 1
    assert found
    assert found <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("place", list(FAULTS))
def test_they_are_caught_among_all_rows(subjects_reported, place):
    changed, allowed, _ = FAULTS[place]
    found, _ = subjects_reported(changed)
    assert found
    assert found <= allowed


@pytest.mark.parametrize("name", list(fading_models()))
def test_power_of_every_channel_model_is_caught(subjects_reported, name):
    found, report = subjects_reported({"fading": {name: louder_fading(name)}}, ["fading"])
    assert found == {"fading"}
    assert all(row.name.endswith(name) for row in report.failures)


def test_a_swapped_llr_sign_is_caught(subjects_reported):
    def swapped(bursts, **options):
        soft = link.demap_llr(bursts, **options)
        return replace(soft, llr=-soft.llr)

    assert subjects_reported({"demap_llr": swapped}, LLR)[0] == {"demap_llr"}


def test_an_error_that_is_not_a_number_is_caught(subjects_reported):
    found, report = subjects_reported({"awgn": lambda rng, x, n0: x * np.nan}, ENERGY)
    assert found == {"awgn"}
    assert report.status == 1


def test_the_right_law_is_part_of_the_contract(subjects_reported):
    """Unit energy alone does not do: a Rayleigh model that is Rician with K = 1."""
    models = {"Rayleigh": Fading(lambda rng, n: channel.rician(rng, (n, 1), 1.0), (0.0, 1))}
    _, report = subjects_reported({"fading": models}, ["fading"])
    assert [row.name for row in report.failures] == ["law of |h|^2, Rayleigh"]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_simulator_passes(seed):
    report = check.run(seed=seed, effort=SMALL)
    assert report.failures == ()
    assert report.status == 0
    assert abs(report.largest.z) <= report.bound
    assert {row.subject for row in report.rows} >= {"fading", "awgn", "ofdm", "transmit_waveform"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 13))
def test_the_simulator_passes_in_full_and_scores_are_standard_normal(seed):
    """Also: the scores of the independent points have unit spread, so the bound means what it says."""
    report = check.run(seed=seed)
    assert report.failures == ()
    z = np.array([row.z for row in report.rows if row.group == "BER"])
    assert z.size >= 200
    assert abs(z.mean()) < 4.0 / math.sqrt(z.size)
    assert abs(z.std() - 1.0) < 4.0 / math.sqrt(2.0 * z.size)


def test_every_combination_has_a_row():
    report = check.run(seed=5, effort=replace(SMALL, symbols=4000), parts=["ber"])
    seen = {
        (row.details["modulation"], row.details["channel"], row.details["num_rx_ant"])
        for row in report.rows
        if row.group == "BER" and row.subject == "transmit_bit"
    }
    assert len(seen) == 5 * 3 * 4
    for row in report.rows:
        if row.group == "BER":
            m = row.details["bits_per_symbol"]
            assert row.details["eb_n0_db"] == pytest.approx(row.details["es_n0_db"] - 10 * math.log10(m))


def test_scores_are_normal_scores():
    """mean, counts with dependent bits, and the law: known cases and simulated spread."""
    rng = np.random.default_rng(1)
    z = np.array([mean_z(rng.exponential(size=500), 1.0)[1] for _ in range(400)])
    assert abs(z.std() - 1.0) < 4.0 / math.sqrt(800)
    # all bits of a symbol wrong together: the design effect is the number of bits
    z = []
    for _ in range(400):
        counts = 4 * (rng.random(3000) < 0.02)
        _, score, design = counts_z(counts, 4, 0.02)
        z.append(score)
        assert design == pytest.approx(4.0, rel=1e-3)
    assert abs(np.std(z) - 1.0) < 4.0 / math.sqrt(800)
    assert law_z(rng.random(2000), lambda x: x)[1] < 4.0 < law_z(rng.random(2000) ** 1.3, lambda x: x)[1]
    assert signed_root(0.5, 0.5, 100) == 0.0
    assert signed_root(0.6, 0.5, 10_000) == pytest.approx(20.0, rel=0.02)  # 0.1 / sqrt(0.25 / 10 000)
    assert signed_root(0.0, 0.5, 100) < -10.0
    assert family_bound(1, 0.05) == pytest.approx(1.959964, abs=1e-5)
    assert not Row("g", "n", "s", math.nan, 0.0, z=math.nan).passes(5.0)
    assert not Row("g", "n", "s", math.nan, 0.0, tolerance=1.0).passes(5.0)


def test_the_command_prints_writes_and_exits(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(check, "QUICK", SMALL)
    out, table = tmp_path / "check.json", tmp_path / "check.csv"
    assert cli.main(["check", "--quick", "--rows", "--json", str(out), "--csv", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "E|x|^2 = 1 per constellation symbol" in printed
    assert "the contract holds" in printed
    content = json.loads(out.read_text())
    assert content["schema"] == "phy-check/1"
    assert content["passes"] is True
    assert content["largest_abs_z"] <= content["bound"]
    with table.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(content["rows"])
    monkeypatch.setattr(check, "Subjects", lambda: Subjects(awgn=FAULTS["noise energy"][0]["awgn"]))
    assert cli.main(["check", "--quick", "--only", "noise,symbols"]) == 1
    assert "FAIL noise: awgn, energy per symbol" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["chek"], "invalid choice: 'chek'"),
        (["check", "--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["check", "--seed", "-1"], "seed = -1: must be >= 0"),
        (["check", "--only", "nois"], "part 'nois': must be one of symbols, noise"),
        (["check", "--json", "missing/folder/x.json"], "must be a file in an existing folder"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_mistakes_are_one_line(arguments, line, capsys):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    with pytest.raises(ParameterError):
        check.run(seed=-1)

"""Banks: packets, decoding, batched scores, and the shipped ones against what their provenance records."""

from __future__ import annotations

import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netsim.semantics import bank as banks
from netsim.semantics.bank import Extract, ImageBank, embedded_bank, load_bank, read_bank, write_bank
from netsim.semantics.datasets import TASKS, MissingData
from netsim.semantics.image_codec import CLASSIFIERS, load_codec
from netsim.semantics.importance import MODES
from netsim.semantics.quantizer import Quantizer
from phy.parameters import ParameterError


def made_up(num_items: int = 40) -> ImageBank:
    """A bank whose classes are separable: class c lights its own 51 maps."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 10, num_items).astype(np.uint8)
    weight = rng.normal(0, 0.05, (10, 512)).astype(np.float32)
    codes = rng.integers(0, 40, (num_items, 512, 49), dtype=np.uint8)
    for c in range(10):
        weight[c, 51 * c : 51 * c + 51] += 1.0
        codes[labels == c, 51 * c : 51 * c + 51] += 60
    return ImageBank(
        task="mnist",
        source="made up",
        labels=labels,
        codes=codes,
        item_keys=rng.integers(0, 2**63, num_items, dtype=np.uint64),
        quantizer=Quantizer(4.0),
        fc_weight=weight,
        fc_bias=np.zeros(10, np.float32),
        provenance={},
    )


BANK = made_up()


def test_full_packet_has_the_size_of_the_paper() -> None:
    assert BANK.packet_bits(0.0) == 200_704
    assert BANK.packet_bits(0.5) == 100_352
    assert BANK.packet_bits(1.0) == 392
    assert BANK.using(bits=4).packet_bits(0.0) == 100_352


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("eta", [0.0, 0.3, 0.9, 1.0])
def test_packet_holds_the_most_important_maps_and_decodes_to_them(mode: str, eta: float) -> None:
    bank = BANK.using(mode)
    payload = bank.encode(5, eta)
    kept = bank.num_kept(eta)
    assert payload.dtype == np.uint8
    assert payload.size * 8 == bank.packet_bits(eta)
    features = bank.decode(payload, 5, kept)
    wanted = bank.quantizer.decode(bank.codes[5])
    missing = bank.rankings[5, kept:]
    wanted[missing] = 0.0
    np.testing.assert_array_equal(features, wanted)


@pytest.mark.parametrize("bits", [3, 8])
@pytest.mark.parametrize("mode", MODES)
def test_batched_prediction_equals_decode_and_classify(mode: str, bits: int) -> None:
    bank = BANK.using(mode, bits)
    rng = np.random.default_rng(11)
    items = rng.integers(0, bank.num_items, 25)
    etas = rng.uniform(0, 1, 25)
    payload, offset, num_bits = bank.encode_batch(items, etas)
    received = payload ^ np.packbits(rng.random(payload.size * 8) < 0.05)
    kept = np.array([bank.num_kept(e) for e in etas])
    ends = offset + (num_bits + 7) // 8
    features = np.stack([bank.decode(received[a:b], i, k) for a, b, i, k in zip(offset, ends, items, kept)])
    np.testing.assert_array_equal(bank.predict(received, offset, items, kept), bank.classify(features))
    right = bank.classify(features) == bank.labels[items]
    np.testing.assert_array_equal(bank.score(received, offset, items, kept), right.astype(np.float32))


@pytest.mark.parametrize("mode", MODES)
def test_noiseless_packets_give_exactly_the_accuracy_of_the_quantised_features(mode: str) -> None:
    """Spec toscn, acceptance check 15."""
    bank = BANK.using(mode)
    items = np.arange(bank.num_items)
    for eta in (0.0, 0.5, 0.9):
        payload, offset, _ = bank.encode_batch(items, np.full(len(items), eta))
        scores = bank.score(payload, offset, items, np.full(len(items), bank.num_kept(eta)))
        assert scores.mean() == pytest.approx(bank.noiseless_accuracy(eta), abs=1e-6)
    whole = bank.classify(bank.quantizer.decode(bank.codes))
    np.testing.assert_array_equal(whole, bank.predicted)


def test_heavy_bit_errors_reduce_the_score() -> None:
    """The server reads the bits it is given: random payloads are classified like random guesses."""
    items = np.arange(BANK.num_items).repeat(10)
    payload, offset, _ = BANK.encode_batch(items, np.zeros(len(items)))
    kept = np.full(len(items), 512)
    assert BANK.score(payload, offset, items, kept).mean() == 1.0
    noise = np.random.default_rng(5).integers(0, 256, payload.size, dtype=np.uint8)
    assert BANK.score(noise, offset, items, kept).mean() < 0.3


def test_batch_is_fast_enough_for_a_slot() -> None:
    """25 full packets in a few ms (measured 1 ms); the bound allows for a loaded machine."""
    items = np.arange(25)
    payload, offset, _ = BANK.encode_batch(items, np.zeros(25))
    kept = np.full(25, 512)
    BANK.predict(payload, offset, items, kept)
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        BANK.predict(payload, offset, items, kept)
        took.append(time.perf_counter() - begun)
    assert min(took) < 10e-3


def test_empty_batch() -> None:
    none = np.empty(0, np.int64)
    payload, offset, num_bits = BANK.encode_batch(none, np.empty(0))
    assert payload.size == offset.size == num_bits.size == 0
    assert BANK.score(payload, offset, none, none).size == 0


def test_bank_file_round_trip_is_byte_identical_and_damage_is_one_line(tmp_path: Path) -> None:
    codec = load_codec("mnist")
    whole = Extract(
        BANK.codes, BANK.labels, BANK.item_keys, {"data": "made up", "codec_sha256": codec.sha256}
    )
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    for path in (first, second):
        write_bank(path, whole, zipfile.ZIP_DEFLATED)
    assert first.read_bytes() == second.read_bytes()
    np.testing.assert_array_equal(read_bank(first, codec, "test").codes, BANK.codes)

    second.write_bytes(first.read_bytes()[:-2000])
    with pytest.raises(ParameterError, match=r"b.npz: not a bank"):
        read_bank(second, codec, "test")
    write_bank(second, replace(whole, provenance={"data": "", "codec_sha256": "0"}), zipfile.ZIP_STORED)
    with pytest.raises(ParameterError, match="made by another codec"):
        read_bank(second, codec, "test")
    write_bank(second, replace(whole, codes=BANK.codes[:, :5]), zipfile.ZIP_STORED)
    with pytest.raises(ParameterError, match=r"must be \(n, 512, 49\)"):
        read_bank(second, codec, "test")


@pytest.mark.parametrize("task", TASKS)
def test_embedded_bank_loads_quickly_and_has_its_recorded_accuracy(task: str) -> None:
    begun = time.perf_counter()
    bank = embedded_bank(task)
    took_s = time.perf_counter() - begun
    assert took_s < 1.0
    assert bank.num_items >= 100
    for name in CLASSIFIERS:
        bank = embedded_bank(task, name)
        exact, quantised = (bank.provenance[k][name] for k in ("accuracy", "accuracy_8bit"))
        assert bank.noiseless_accuracy() == pytest.approx(quantised, abs=1e-9)
        assert abs(quantised - exact) <= 1 / bank.num_items, "at most one image of a small bank"
        whole = bank.provenance["codec"]["test_accuracy"][name]
        assert abs(bank.test_accuracy - whole) < 0.003, "spec toscn, acceptance check 15"
    assert "embedded bank" in bank.source


def test_embedded_bank_is_a_fair_sample_of_the_test_set() -> None:
    """Chosen by hash: its accuracy lies in a 99.9 % normal interval (Bonferroni over 3) of the set's."""
    for task in TASKS:
        bank = embedded_bank(task)
        whole = bank.test_accuracy
        sd = np.sqrt(whole * (1 - whole) / bank.num_items)
        assert abs(bank.noiseless_accuracy() - whole) < 3.59 * sd
        assert np.all(np.diff(bank.item_keys.astype(object)) > 0), "smallest hashes, in their order"


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSIM_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "embedded bank" in load_bank("mnist", "auto").source
    with pytest.raises(MissingData, match="no test images of mnist"):
        load_bank("mnist", "data")
    with pytest.raises(ParameterError, match="must be one of auto, embedded, data"):
        load_bank("mnist", "web")
    with pytest.raises(ParameterError, match="no embedded bank of 'svhn'"):
        load_bank("svhn", "embedded")


def test_damaged_user_data_is_an_error_and_never_replaced_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mnist").mkdir()
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / "mnist" / name).write_bytes(b"broken")
    monkeypatch.setenv("NETSIM_DATA", str(tmp_path))
    with pytest.raises(ParameterError, match="starts with two zero bytes"):
        load_bank("mnist", "auto")


def test_live_extraction_is_cached_and_agrees_with_the_codec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import struct

    (tmp_path / "mnist").mkdir()
    rng = np.random.default_rng(9)
    for name, array in (
        ("t10k-images-idx3-ubyte", rng.integers(0, 256, (12, 28, 28), dtype=np.uint8)),
        ("t10k-labels-idx1-ubyte", rng.integers(0, 10, 12, dtype=np.uint8)),
    ):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (tmp_path / "mnist" / name).write_bytes(head + array.tobytes())
    monkeypatch.setenv("NETSIM_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    first = load_bank("mnist", "data")
    assert first.num_items == 12
    assert len(list((tmp_path / "data" / "cache").glob("mnist-*.npz"))) == 1

    def forbidden(*_: object) -> None:
        raise AssertionError("extracted again")

    monkeypatch.setattr(banks, "extract", forbidden)
    np.testing.assert_array_equal(load_bank("mnist", "auto").codes, first.codes)
    assert "features extracted here" in first.source


def test_bank_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from netsim.semantics.bank import load_bank; b = load_bank('mnist', 'embedded');"
        "b.encode(0, 0.5); b.noiseless_accuracy(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

"""CRC against catalogue values, against bitwise long division, and its promise about burst errors."""

import binascii

import numpy as np
import pytest

from phy.coding import crc
from phy.parameters import ParameterError

# Check values over the ASCII text "123456789" in the public catalogue of parametrised CRC algorithms, entries
# CRC-8/LTE, CRC-16/XMODEM, CRC-24/LTE-A and CRC-24/LTE-B; it has no entry for NR's 6, 11 and 24C.
CATALOGUE = {"8": 0xEA, "16": 0x31C3, "24A": 0xCDE703, "24B": 0x23EF52}


def long_division(bits: np.ndarray, name: str) -> int:
    """Remainder of bits(D) * D^L divided by the generator, by schoolbook division on Python ints."""
    spec = crc.CRCS[name]
    divisor = (1 << spec.num_bits) | spec.polynomial
    value = int("".join(map(str, bits.tolist())), 2) << spec.num_bits
    while value.bit_length() > spec.num_bits:
        value ^= divisor << (value.bit_length() - divisor.bit_length())
    return value


@pytest.mark.parametrize("name,value", CATALOGUE.items())
def test_catalogue_check_value(name, value):
    payload = np.frombuffer(b"123456789", dtype=np.uint8)
    assert int(crc.remainder_bytes(payload, name)) == value
    assert int(crc.remainder(np.unpackbits(payload), name)) == value


@pytest.mark.parametrize("name", list(crc.CRCS))
@pytest.mark.parametrize("num_bits", [1, 7, 8, 9, 61, 200, 1003])
def test_equals_long_division(name, num_bits):
    bits = np.random.default_rng(num_bits).integers(0, 2, (3, num_bits), dtype=np.uint8)
    assert crc.remainder(bits, name).tolist() == [long_division(row, name) for row in bits]


def test_equals_the_standard_library():
    payload = np.random.default_rng(1).integers(0, 256, 777, dtype=np.uint8)
    assert int(crc.remainder_bytes(payload, "16")) == binascii.crc_hqx(payload.tobytes(), 0)


@pytest.mark.parametrize("name", list(crc.CRCS))
def test_attach_then_check_and_every_short_burst_is_found(name):
    num_parity = crc.CRCS[name].num_bits
    rng = np.random.default_rng(7)
    block = crc.attach(rng.integers(0, 2, (4, 5, 50), dtype=np.uint8), name)
    assert block.shape == (4, 5, 50 + num_parity)
    assert crc.check(block, name).all()
    for length in range(1, num_parity + 1):  # a CRC of L bits finds every burst of at most L bits
        bad = block.copy()
        start = rng.integers(0, bad.shape[-1] - length + 1)
        bad[..., start : start + length] ^= 1
        assert not crc.check(bad, name).any()


def test_kernels_equal_py_func():
    rng = np.random.default_rng(3)
    table = crc._TABLES["24A"]
    for kernel, high, width in [(crc.crc_bits_kernel, 2, 45), (crc.crc_bytes_kernel, 256, 19)]:
        rows = rng.integers(0, high, (5, width), dtype=np.uint8)
        fast, slow = np.zeros(5, np.uint32), np.zeros(5, np.uint32)
        kernel(rows, table, fast)
        with np.errstate(over="ignore"):
            kernel.py_func(rows, table, slow)
        assert fast.tolist() == slow.tolist()


def test_errors_are_one_line():
    with pytest.raises(ParameterError, match="crc = '32': must be one of"):
        crc.attach(np.zeros(8, np.uint8), "32")
    with pytest.raises(ParameterError, match="must be >= 24"):
        crc.check(np.zeros(8, np.uint8), "24A")

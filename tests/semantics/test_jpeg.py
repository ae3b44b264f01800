"""JPEG frames: what is sent comes back, whatever else arrives gives no picture."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from netsim.semantics import jpeg
from phy.parameters import ParameterError


def picture(channels: int, seed: int = 0) -> np.ndarray:
    """A smooth random picture uint8[c, 28, 28]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (channels, 4, 4))
    return np.repeat(np.repeat(coarse, 7, axis=1), 7, axis=2).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [1, 50, 95])
def test_a_frame_gives_the_picture_that_pillow_gives(channels, quality):
    image = picture(channels)
    frame = jpeg.encode_frame(image, quality)
    whole = io.BytesIO()
    pixels = image[0] if channels == 1 else np.moveaxis(image, 0, 2)
    Image.fromarray(np.ascontiguousarray(pixels)).save(whole, "JPEG", quality=quality, subsampling="4:2:0")
    expected = np.asarray(Image.open(whole))
    filled = frame + bytes(40)
    assert jpeg.checked_frame(filled) == frame
    decoded = jpeg.decode_frame(frame, image.shape)
    np.testing.assert_array_equal(decoded, expected[None] if channels == 1 else np.moveaxis(expected, 2, 0))
    constant = len(jpeg.constant_part(image.shape, quality)) + 2
    assert len(frame) == len(whole.getvalue()) - constant + jpeg.OVERHEAD_BYTES


def test_any_single_wrong_bit_is_noticed():
    """The CRC covers length, quality and scan; with the length wrong it is looked for elsewhere."""
    frame = jpeg.encode_frame(picture(1), 50)
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        assert jpeg.checked_frame(bytes(damaged)) is None


@pytest.mark.parametrize("received", [b"", b"\0" * 6, b"\xff" * 100])
def test_what_is_no_frame_gives_none(received):
    assert jpeg.checked_frame(received) is None


@pytest.mark.parametrize(
    "body", [b"\0\0\0", b"\0\0\x60", b"\0\x02\x32\xff\xff", b"\0\x04\x32\xff\xd9\xff\xd9"]
)
def test_frames_with_a_good_crc_and_no_picture_do_no_harm(body):
    """Impossible quality, empty or senseless scan: no exception, at most a grey picture."""
    frame = body + zlib.crc32(body).to_bytes(4, "big")
    assert jpeg.checked_frame(frame) == frame
    decoded = jpeg.decode_frame(frame, (1, 28, 28))
    assert decoded is None or decoded.shape == (1, 28, 28)


def test_best_frames_fill_the_budget_and_never_exceed_it():
    images = np.stack([picture(1, seed) for seed in range(5)])
    sizes = [len(f) for f in jpeg.best_frames(images, 200) if f is not None]
    assert len(sizes) == 5 and max(sizes) <= 200
    assert jpeg.best_frames(images, jpeg.OVERHEAD_BYTES) == [None] * 5
    best = jpeg.best_frames(images, 60_000)
    assert best == [jpeg.encode_frame(image, jpeg.QUALITIES[-1]) for image in images]


def test_bad_arguments_are_one_line():
    with pytest.raises(ParameterError, match=r"quality = 96: must be in \[1, 95\]"):
        jpeg.encode_frame(picture(1), 96)
    with pytest.raises(ParameterError, match="must be \\(1 or 3"):
        jpeg.encode_frame(np.zeros((2, 8, 8), np.uint8), 50)

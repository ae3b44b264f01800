"""JPEG pictures as frames of bits: the classical rival of the feature maps (TOSCN Fig. 5).

A JPEG file of a 28 x 28 picture is mostly constant: markers, quantisation and Huffman tables follow from
size, colours and quality, which both ends know. Only the entropy-coded scan travels, in a frame::

    length of the scan in bytes   16 bit
    quality                        8 bit (1..95)
    scan                           8 * length bit
    CRC-32 of all of the above    32 bit   (ITU-T V.42, as in Ethernet and zlib)

The receiver puts the constant part back. A frame whose length, CRC, quality or picture is impossible gives no
picture: the server then has to guess.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib

import numpy as np

from phy.parameters import ParameterError

QUALITIES = (1, 3, 5, 8, 10, 15, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95)
OVERHEAD_BYTES = 2 + 1 + 4
_HEAD = struct.Struct(">HB")
_START_OF_SCAN, _END = b"\xff\xda", b"\xff\xd9"


def _file(image: np.ndarray, quality: int) -> bytes:
    """A whole baseline JPEG file of uint8[c, h, w] with the standard Huffman tables, colours at 4:2:0."""
    from PIL import Image

    pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, 2)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "JPEG", quality=quality, subsampling="4:2:0")
    return out.getvalue()


@functools.lru_cache(maxsize=256)
def constant_part(shape: tuple[int, int, int], quality: int) -> bytes:
    """All that precedes the scan in a JPEG file of a picture of `shape` (c, h, w), at 1 <= quality <= 95."""
    if shape[0] not in (1, 3) or min(shape) < 1:
        raise ParameterError(f"picture of shape {shape}: must be (1 or 3, height, width)")
    if not 1 <= quality <= 95:
        raise ParameterError(f"quality = {quality}: must be in [1, 95]")
    file = _file(np.zeros(shape, np.uint8), quality)
    at = 2  # after the start-of-image marker, segments with their length in front (ITU-T T.81 B.1.1.4)
    while True:
        end = at + 2 + int.from_bytes(file[at + 2 : at + 4], "big")
        if file[at : at + 2] == _START_OF_SCAN:
            return file[:end]
        at = end


def encode_frame(image: np.ndarray, quality: int) -> bytes:
    """The frame of a picture uint8[c, h, w]."""
    c, h, w = image.shape
    start = constant_part((c, h, w), quality)
    file = _file(image, quality)
    assert file.startswith(start) and file.endswith(_END), "the tables depend on size and quality only"
    scan = file[len(start) : -len(_END)]
    if len(scan) > 0xFFFF:
        raise ParameterError(f"scan of {len(scan)} bytes: must be at most 65535, the frame's length field")
    body = _HEAD.pack(len(scan), quality) + scan
    return body + zlib.crc32(body).to_bytes(4, "big")


def checked_frame(received: bytes) -> bytes | None:
    """The frame at the beginning of what was received (filling may follow), None if length or CRC is
    wrong.
    """
    if len(received) < OVERHEAD_BYTES:
        return None
    end = _HEAD.size + _HEAD.unpack_from(received)[0]
    if end + 4 > len(received) or zlib.crc32(received[:end]).to_bytes(4, "big") != received[end : end + 4]:
        return None
    return received[: end + 4]


def decode_frame(frame: bytes, shape: tuple[int, int, int]) -> np.ndarray | None:
    """The picture uint8[c, h, w] of a frame that passed `checked_frame`; None if it holds none."""
    from PIL import Image

    quality = _HEAD.unpack_from(frame)[1]
    if not 1 <= quality <= 95:
        return None
    file = constant_part(shape, quality) + frame[_HEAD.size : -4] + _END
    try:
        with Image.open(io.BytesIO(file), formats=("JPEG",)) as picture:
            pixels = np.asarray(picture)
    except (OSError, SyntaxError, ValueError):
        return None
    return pixels[None] if shape[0] == 1 else np.moveaxis(pixels, 2, 0)


def best_frames(images: np.ndarray, most_bytes: int) -> list[bytes | None]:
    """For each picture uint8[n, c, h, w] the frame of highest quality that has at most `most_bytes`; None
    where even the lowest has more.
    """
    found: list[bytes | None] = []
    for image in images:
        chosen = None
        for quality in QUALITIES:
            frame = encode_frame(image, quality)
            if len(frame) > most_bytes:
                break
            chosen = frame
        found.append(chosen)
    return found

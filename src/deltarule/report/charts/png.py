"""PNG: the smallest writer of pictures, for heat maps of many cells."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np


def data_address(pixels: Any) -> str:
    """Pixels as a `data:` address that an <image> shows. pixels: (height, width, 4) bytes, red to opacity.

    Source: PNG Specification (Third Edition), W3C 2025: signature, then chunks of length, kind, bytes, CRC.
    """
    pixels = np.ascontiguousarray(pixels, dtype=np.uint8)
    height, width, _ = pixels.shape
    # Each line of pixels follows the number of its filter; 0 is none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    )
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")

"""Palette indices -> the bytes of a PNG image, reproducibly; size of a PNG image."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import ArrayLike


def palette_png(indices: ArrayLike, colors: ArrayLike) -> bytes:
    r"""Encode an image of at most 256 colors.

    Parameters
    ----------
    indices : array_like of uint8, shape (height, width)
        Color index of each pixel.
    colors : array_like of uint8, shape (n_colors, 3)
        Red, green and blue, 0 to 255.

    Returns
    -------
    data : bytes
        A PNG file, without time or text chunks.

    Examples
    --------
    >>> palette_png([[0, 1]], [[0, 0, 0], [255, 255, 255]])[:4]
    b'\x89PNG'
    """
    pixels = np.asarray(indices, dtype=np.uint8)
    palette = np.asarray(colors, dtype=np.uint8)
    if pixels.ndim != 2 or not pixels.size:
        msg = f"indices must have shape (height, width), neither of them 0, got {pixels.shape}"
        raise ValueError(msg)
    if pixels.max() >= len(palette):
        msg = f"indices must be below the number of colors, {len(palette)}, got {pixels.max()}"
        raise ValueError(msg)
    height, width = pixels.shape
    # Each row starts with its filter type: 2, the difference from the row above.
    lines = np.empty((height, width + 1), dtype=np.uint8)
    lines[:, 0] = 2
    lines[0, 1:] = pixels[0]
    lines[1:, 1:] = pixels[1:] - pixels[:-1]
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": palette.tobytes(),
        b"IDAT": zlib.compress(lines.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks.items())


def png_size(data: bytes) -> tuple[int, int]:
    r"""Return the width and height of a PNG image in pixels.

    Parameters
    ----------
    data : bytes
        At least the first 24 bytes of a PNG file.

    Examples
    --------
    >>> png_size(palette_png([[0, 1, 0]], [[0, 0, 0], [255, 255, 255]]))
    (3, 1)
    """
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        msg = f"a PNG image begins with a header of 24 bytes, got {data[:24]!r}"
        raise ValueError(msg)
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

#!/usr/bin/env python3
"""Draws bulkhead.ico: a hull seen from the side, three compartments, one of them flooded. No library needed.

    backend-win32/package/resources/icon.py backend-win32/package/resources/bulkhead.ico
"""

import struct
import sys
import zlib

SIZES = 16, 32, 48, 256
SAMPLES = 4  # per pixel and axis
CLEAR, STEEL, AIR, WATER = (0, 0, 0, 0), (38, 50, 66, 255), (238, 242, 246, 255), (41, 128, 205, 255)


def inside_hull(x, y, inset):
    """A box whose lower corners are round; the unit square is the icon."""
    left, right, top, bottom, radius = 0.06 + inset, 0.94 - inset, 0.2 + inset, 0.82 - inset, 0.24 - inset
    if not (left <= x <= right and top <= y <= bottom):
        return False
    corner_x, corner_y = min(max(x, left + radius), right - radius), bottom - radius
    return y <= corner_y or (x - corner_x) ** 2 + (y - corner_y) ** 2 <= radius**2


def colour(x, y):
    if not inside_hull(x, y, 0):
        return CLEAR
    if not inside_hull(x, y, 0.07) or abs(x - 0.36) < 0.035 or abs(x - 0.64) < 0.035:
        return STEEL
    return WATER if 0.36 < x < 0.64 and y > 0.38 else AIR


def pixel(column, row, size):
    """The mean of the samples, weighted by how opaque they are."""
    samples = [
        colour((column + (i + 0.5) / SAMPLES) / size, (row + (j + 0.5) / SAMPLES) / size)
        for i in range(SAMPLES)
        for j in range(SAMPLES)
    ]
    alpha = sum(s[3] for s in samples)
    mix = [sum(s[c] * s[3] for s in samples) // alpha if alpha else 0 for c in range(3)]
    return (*mix, alpha // len(samples))


def png(size):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y, size)) for x in range(size)) for y in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def bitmap(size):
    """Bottom row first, BGRA, then a mask that nobody looks at where there is alpha."""
    header = struct.pack("<IiiHHIIiiII", 40, size, 2 * size, 1, 32, 0, 0, 0, 0, 0, 0)
    rows = b"".join(
        bytes((b, g, r, a)) for y in reversed(range(size)) for r, g, b, a in (pixel(x, y, size) for x in range(size))
    )
    return header + rows + bytes((size + 31) // 32 * 4 * size)


def main():
    images = [png(size) if size == 256 else bitmap(size) for size in SIZES]
    offset = 6 + 16 * len(images)
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack("<HHH", 0, 1, len(images)))
        for size, image in zip(SIZES, images):
            file.write(struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(image), offset))
            offset += len(image)
        for image in images:
            file.write(image)


main()

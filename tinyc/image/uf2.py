"""UF2, the file that a boot loader takes as a copy onto its drive.

Format: https://github.com/microsoft/uf2, README.md; families: its utils/uf2families.json.
"""

from __future__ import annotations

import struct

PAYLOAD = 256
"""Bytes of flash in a block of 512; right for any page of flash up to that size."""

_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_FAMILY_PRESENT = 0x2000
_DATA = 476


def uf2(image: bytes, address: int, family: int) -> bytes:
    """``image``, which begins at ``address``, for boot loaders of that family ID.

    The blocks begin at multiples of `PAYLOAD`; what they hold beyond the image is 0xff, as
    erased flash is.
    """
    start = address - address % PAYLOAD
    flat = b"\xff" * (address - start) + image
    flat += b"\xff" * (-len(flat) % PAYLOAD)
    count = len(flat) // PAYLOAD
    blocks = []
    for number in range(count):
        at = number * PAYLOAD
        header = struct.pack(
            "<8I", *_MAGIC[:2], _FAMILY_PRESENT, start + at, PAYLOAD, number, count, family
        )
        data = flat[at : at + PAYLOAD].ljust(_DATA, b"\0")
        blocks.append(header + data + struct.pack("<I", _MAGIC[2]))
    return b"".join(blocks)

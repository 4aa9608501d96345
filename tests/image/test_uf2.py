"""UF2 files, read back block by block."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyc.image.uf2 import PAYLOAD, uf2


def read_uf2(data: bytes, family: int) -> dict[int, bytes]:
    """Address -> payload, by https://github.com/microsoft/uf2, README.md, File format."""
    assert data and len(data) % 512 == 0
    found = {}
    for number in range(len(data) // 512):
        block = data[512 * number : 512 * (number + 1)]
        first, second, flags, address, size, index, count, kind = struct.unpack("<8I", block[:32])
        assert (first, second) == (0x0A324655, 0x9E5D5157)
        assert block[:4] == b"UF2\n"
        assert struct.unpack("<I", block[508:]) == (0x0AB16F30,)
        assert flags == 0x2000 and kind == family
        assert (index, count) == (number, len(data) // 512)
        assert size == PAYLOAD and address % PAYLOAD == 0
        assert not any(block[32 + size : 508])
        assert address not in found
        found[address] = block[32 : 32 + size]
    return found


@given(st.binary(min_size=1, max_size=3000), st.integers(0, (1 << 32) - 5000))
def test_every_byte_comes_back(image: bytes, address: int) -> None:
    blocks = read_uf2(uf2(image, address, 0xE48BFF56), 0xE48BFF56)
    assert list(blocks) == list(range(min(blocks), min(blocks) + 256 * len(blocks), 256))
    flat = b"".join(blocks.values())
    at = address - min(blocks)
    assert flat[at : at + len(image)] == image
    assert set(flat[:at]) | set(flat[at + len(image) :]) <= {0xFF}
    assert at < 256 and len(flat) - at - len(image) < 256


@pytest.mark.parametrize(("size", "blocks"), [(1, 1), (256, 1), (257, 2), (512, 2)])
def test_no_block_is_empty(size: int, blocks: int) -> None:
    assert len(uf2(bytes(size), 0x10000000, 1)) == 512 * blocks

"""What programmers take besides an ELF: BIN, Intel HEX, UF2."""

from __future__ import annotations

from pathlib import Path

from ..files.folder import written
from ..target.boards import Board
from .uf2 import uf2


def write_flat(elf: Path, board: Board, only: str | None = None) -> None:
    """Beside the ELF the BIN (from the flash's first byte), the Intel HEX and, where the board
    has a boot loader for it, the UF2. only: one of ``.bin``, ``.hex``, ``.uf2``."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        segments = [
            (segment["p_paddr"], segment.data())
            for segment in ELFFile(file).iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
        ]
    base = min(address for address, _ in segments)
    end = max(address + len(data) for address, data in segments)
    flat = bytearray(b"\xff" * (end - base))
    for address, data in segments:
        flat[address - base : address - base + len(data)] = data
    forms = {".bin": bytes(flat), ".hex": _intel_hex(flat, base)}
    if board.debug and board.debug.uf2 is not None:
        forms[".uf2"] = uf2(bytes(flat), base, board.debug.uf2)
    for suffix, data in forms.items():
        if only in (None, suffix):
            with written(elf.with_suffix(suffix)) as file:
                file.write(data)


def _intel_hex(flat: bytearray, base: int) -> bytes:
    lines = []

    def record(address: int, kind: int, data: bytes) -> None:
        body = bytes([len(data), address >> 8 & 0xFF, address & 0xFF, kind]) + data
        lines.append(":" + (body + bytes([-sum(body) & 0xFF])).hex().upper())

    upper = -1
    for offset in range(0, len(flat), 16):
        address = base + offset
        if address >> 16 != upper:
            upper = address >> 16
            record(0, 4, upper.to_bytes(2, "big"))
        record(address & 0xFFFF, 0, bytes(flat[offset : offset + 16]))
    record(0, 1, b"")
    return ("\n".join(lines) + "\n").encode()

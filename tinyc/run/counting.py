"""Counting on an emulated core: which blocks run, and what is read from flash, layer by layer."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError
from ..target.boards import Board
from .cycles import CycleModel, Price
from .native import shared_library

KEEP, RUN, OUTSIDE = 0, 0xFFFF, 0xFFFE


class _Counter(ctypes.Structure):
    """``struct counter`` of blockcount.c."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("halfwords", ctypes.c_uint64),
        ("owner", ctypes.c_void_p),
        ("count", ctypes.c_void_p),
        ("taken", ctypes.c_void_p),
        ("size", ctypes.c_void_p),
        ("previous_end", ctypes.c_uint64),
        ("previous_slot", ctypes.c_uint64),
        ("block", ctypes.c_uint64),
        ("unaligned", ctypes.c_uint64),
        ("unaligned_block", ctypes.c_uint64),
        ("active", ctypes.c_uint32),
        ("current", ctypes.c_uint32),
        ("reads", ctypes.c_void_p),
        ("misses", ctypes.c_void_p),
        ("lines", ctypes.c_void_p),
        ("line_bits", ctypes.c_uint32),
        ("sets", ctypes.c_uint32),
        ("ways", ctypes.c_uint32),
        ("caches_code", ctypes.c_uint32),
        ("cpsr", ctypes.c_int32),
        ("reg_read", ctypes.c_void_p),
        ("reg_write", ctypes.c_void_p),
    )


class Counts:
    """Executions of each block in each layer, on a board. code: what lies at ``base``.

    owner [halfwords]: what a function's code says of the layer that runs: a layer's number from
    1, `RUN` none, `KEEP` the same as before (functions that layers call), `OUTSIDE` that there is
    no inference until `RUN` code comes;
    count, taken [layers + 1, halfwords]: by the block's first halfword, how often it ran and how
    often the next block was not the one behind it; size: bytes of that block; reads, misses
    [layers + 1]: of data from flash, and of lines that its cache did not hold.
    """

    def __init__(self, board: Board, base: int, code: bytes, layers: int = 0) -> None:
        self.board, self.base, self.code = board, base, code
        halfwords = len(code) // 2
        self.owner = np.zeros(halfwords, np.uint16)
        shape = (layers + 1, halfwords)
        self.count, self.taken = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
        self.size = np.zeros(halfwords, np.uint32)
        self.reads, self.misses = (np.zeros(layers + 1, np.uint64) for _ in range(2))
        waits = board.waits
        self._line = waits.line if waits else 16
        cache = waits.cache if waits else None
        self._lines = np.zeros(cache.bytes // self._line if cache else 0, np.uint64)
        self._reads_counted = False
        self.state = _Counter(
            base, halfwords,
            *(a.ctypes.data for a in (self.owner, self.count, self.taken, self.size)),
            reads=self.reads.ctypes.data, misses=self.misses.ctypes.data,
            lines=self._lines.ctypes.data, line_bits=self._line.bit_length() - 1,
            sets=len(self._lines) // cache.ways if cache else 0, ways=cache.ways if cache else 0,
            caches_code=cache is not None and cache.code,
        )  # fmt: skip

    def own(self, address: int, size: int, owner: int) -> None:
        """Have the function there say what runs."""
        low = (address & ~1) - self.base
        self.owner[low // 2 : (low + size + 1) // 2] = owner

    def attach(self, uc: Any) -> None:
        """Hook a machine that has translated nothing yet: blocks translated before a hook stay
        uncounted."""
        import unicorn

        try:
            library = ctypes.CDLL(str(shared_library(Path(__file__).with_name("blockcount.c"))))
        except (CompileError, OSError):  # no compiler, or a cache that cannot be executed
            uc.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
            return
        self._hook(uc, unicorn.UC_HOOK_BLOCK, library.tinyc_count_block)
        if self.board.core.unicorn == "M0":
            # Armv6-M refuses unaligned accesses (Armv6-M ARM, A3.2.1); Unicorn serves them.
            kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
            self._hook(uc, kinds, library.tinyc_check_access)
        waits = self.board.waits
        if waits and (waits.read or waits.miss):
            self._count_reads(uc, library.tinyc_count_read)
        self._reads_counted = waits is not None

    def _count_reads(self, uc: Any, function: Any) -> None:
        import unicorn
        from unicorn import arm_const as arm
        from unicorn.unicorn_py3.unicorn import uclib

        for name in ("reg_read", "reg_write"):
            address = ctypes.cast(getattr(uclib, f"uc_{name}"), ctypes.c_void_p).value
            setattr(self.state, name, address)
        self.state.cpsr = arm.UC_ARM_REG_CPSR
        flash = self.board.flash
        self._hook(uc, unicorn.UC_HOOK_MEM_READ, function, (flash.origin, flash.end - 1))

    def _hook(self, uc: Any, kind: int, function: Any, span: tuple[int, int] = (1, 0)) -> None:
        """What the binding's hook_add does, for a function in C; span: the first and the last
        address, the default all."""
        from unicorn.unicorn_py3.unicorn import uclib

        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            uc._uch, ctypes.byref(handle), kind, ctypes.cast(function, ctypes.c_void_p),
            ctypes.cast(ctypes.byref(self.state), ctypes.c_void_p),
            ctypes.c_uint64(span[0]), ctypes.c_uint64(span[1]),
        )  # fmt: skip
        if status:
            raise CompileError("E802", "Unicorn", f"refuses a hook with status {status}")

    def _block(self, _uc: Any, address: int, size: int, _data: Any) -> None:
        """`tinyc_count_block` for a machine without a C compiler."""
        state, index = self.state, (address - self.base) >> 1
        if state.active and state.previous_end not in (0, address):
            self.taken.flat[state.previous_slot] += np.uint64(1)
        state.previous_end = 0
        if not 0 <= index < len(self.owner):
            return
        owner = int(self.owner[index])
        if owner == OUTSIDE:
            state.active = 0
        elif owner == RUN:
            state.active, state.current = 1, 0
        elif owner != KEEP:
            state.current = owner
        if state.active:
            state.previous_slot = state.current * len(self.owner) + index
            self.count.flat[state.previous_slot] += np.uint64(1)
            self.size[index] = size
            state.previous_end = address + size

    def prices(self) -> list[Price]:
        """Of the run function itself and of each layer."""
        model = CycleModel(self.board.core, self.code, self.base, self._line)
        prices = []
        for layer, (count, taken) in enumerate(zip(self.count, self.taken, strict=True)):
            price = model.price(
                (self.base + 2 * int(i), int(self.size[i]), int(count[i]), int(taken[i]))
                for i in np.flatnonzero(count)
            )
            if self._reads_counted:
                flash = {"reads": int(self.reads[layer]), "misses": int(self.misses[layer])}
                price = replace(price, **flash)
            prices.append(price)
        return prices

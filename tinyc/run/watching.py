"""What each layer of an inference read and made, and the tables that it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..emit.layers import takes_strips
from ..ir import Array, Value
from ..plan import Plan, Step
from ..plan.rows import height, row_bytes

if TYPE_CHECKING:
    from ..image.build import Image


@dataclass(frozen=True)
class Watched:
    """given: step (by index) -> what lay where its variable inputs are when it was called, for
    those layers that are called once for a whole tensor; made: -> its outputs as it returned; the
    layers that were not called are in neither; tables: symbol -> the bytes of the constant array,
    as the firmware has them."""

    given: Mapping[int, tuple[Array, ...]]
    made: Mapping[int, tuple[Array, ...]]
    tables: Mapping[str, bytes]


def as_array(data: bytes, value: Value) -> Array:
    """``data``, little-endian, as an array of a value's type."""
    dtype = value.type.dtype.numpy
    found = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    return found.reshape(value.type.shape)


class Watcher:
    """Hooks of Unicorn's on an image of ``plan``: at the first instruction of each layer's
    function, where its arguments are (AAPCS32: four in registers, the others on the stack), and
    at the first one behind it in those who call layers."""

    def __init__(self, image: Image, plan: Plan) -> None:
        self.image, self.plan = image, plan
        self.given: dict[int, tuple[Array, ...]] = {}
        self._bytes: dict[int, list[bytearray]] = {}
        self._rows: dict[int, int] = {}
        self._called: tuple[Step, int, list[int]] | None = None
        self._uc: Any = None

    def attach(self, uc: Any) -> None:
        """To a machine that has not run yet."""
        import unicorn

        self._uc = uc
        for step in self.plan.steps:
            at = self.image.symbols[step.symbol][0] & ~1
            uc.hook_add(unicorn.UC_HOOK_CODE, self._enter, step, at, at)
        for name in ("main", *self.image.c_library.entries):
            address, size = self.image.symbols[name]
            begin = address & ~1
            uc.hook_add(unicorn.UC_HOOK_CODE, self._leave, None, begin, begin + size - 1)

    def watched(self) -> Watched:
        """Of the last inference of the run that has ended."""
        made = {
            index: tuple(map(as_array, map(bytes, found), self.plan.steps[index].node.outputs))
            for index, found in self._bytes.items()
        }
        tables = {}
        for constant, symbol in self.image.c_library.tables.items():
            tables[symbol] = self._read(self.image.symbols[symbol][0], constant.data.nbytes)
        return Watched(self.given, made, tables)

    def _read(self, address: int, size: int) -> bytes:
        return bytes(self._uc.mem_read(address, size))

    def _word(self, address: int) -> int:
        return int.from_bytes(self._read(address, 4), "little")

    def _argument(self, number: int) -> int:
        from unicorn import arm_const as arm

        if number < 4:
            return int(self._uc.reg_read(arm.UC_ARM_REG_R0 + number))
        return self._word(self._uc.reg_read(arm.UC_ARM_REG_SP) + 4 * (number - 4))

    def _enter(self, _uc: Any, _address: int, _size: int, step: Step) -> None:
        ins, outs = step.node.variable_inputs, step.node.outputs
        pointers = [self._argument(len(ins) + i) for i in range(len(outs))]
        rows = 1
        if takes_strips(step):
            last = len(ins) + len(outs) + bool(step.binding.scratch)
            rows = self._word(self._argument(last) + 4)  # out_h of struct tinyc_strip
        if not step.part:
            self.given[step.index] = tuple(
                as_array(self._read(self._argument(i), v.type.bytes), v) for i, v in enumerate(ins)
            )
        self._called = step, rows, pointers

    def _leave(self, *_: Any) -> None:
        if self._called is None:
            return
        step, rows, pointers = self._called
        self._called = None
        index, outs = step.index, step.node.outputs
        known = self._bytes.setdefault(index, [bytearray(v.type.bytes) for v in outs])
        if step.part in ("", "sum"):
            for found, value, at in zip(known, outs, pointers, strict=True):
                found[:] = self._read(at, value.type.bytes) if rows else found
            return
        (found,), (value,), (at,) = known, outs, pointers
        first, size = self._rows.get(index, 0) % height(value), row_bytes(value)
        found[first * size : (first + rows) * size] = self._read(at, rows * size)
        self._rows[index] = first + rows

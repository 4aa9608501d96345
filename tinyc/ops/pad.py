"""PAD, PADV2: a constant around a tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import DType, Node, Quant, Value
from ..op import REQUANTIZE, expect_arity, expect_shape, fail, register
from ..quant import rounded
from ._move import Move, Movement, case, every_dtype, move_kernel, same_kind


def import_paddings(src: TfliteOp, x: Value, operand: Value) -> tuple[tuple[int, int], ...]:
    """(before, after) of each axis from the operand [rank, 2]; raises E301."""
    flat = src.constant_ints(operand)
    if len(flat) != 2 * len(x.type.shape) or min(flat, default=0) < 0:
        raise src.fail(f"its paddings are {list(flat)}", CONVERT_AGAIN, "E301")
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def check_paddings(node: Node, paddings: tuple[tuple[int, int], ...]) -> None:
    """One pair for each axis, none negative, and the output's shape as they give it."""
    x = node.inputs[0].type
    if len(paddings) != len(x.shape) or any(p < 0 for pair in paddings for p in pair):
        raise fail(node, f"its paddings are {list(paddings)}", CONVERT_AGAIN, "E301")
    shape = tuple(sum(pair) + d for pair, d in zip(paddings, x.shape, strict=True))
    expect_shape(node, node.output.type, shape, "output")
    same_kind(node, x, node.output.type)


@register
@dataclass(frozen=True)
class Pad(Movement):
    """Input of any dtype; output larger by ``paddings``, (before, after) of each axis.

    value: what stands there, as stored (quantized types: a quantized number).
    """

    paddings: tuple[tuple[int, int], ...]
    value: int | float

    tflite = ("PAD", "PADV2")

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        x, operand, *rest = src.operands(3 if src.name == "PADV2" else 2)
        value: int | float = x.type.zero_point if x.type.quant else 0
        if rest:
            (scalar,) = rest
            if scalar.data is None or scalar.data.size != 1 or scalar.type.dtype != x.type.dtype:
                raise src.fail(
                    "its value is no constant of the input's type",
                    "pad with a constant number", "E305",
                )  # fmt: skip
            if scalar.type.quant not in (None, x.type.quant):
                raise src.fail(
                    "its value differs from the input in quantization", REQUANTIZE, "E304"
                )
            value = scalar.data.ravel()[0].item()
        return [src.node(cls(import_paddings(src, x, operand), value), [x])]

    def check(self, node: Node) -> None:
        expect_arity(node, 1)
        check_paddings(node, self.paddings)
        dtype = node.output.type.dtype
        if dtype not in (DType.F32, DType.BOOL):
            low, high = dtype.limits
            if not low <= self.value <= high:
                raise fail(node, f"its value {self.value} is no {dtype.value}", CONVERT_AGAIN)

    def narrowed(self, quant: Quant) -> Pad:
        return replace(self, value=int(rounded(np.array(self.value), quant)))

    def fill(self, node: Node) -> int | float:
        return int(self.value) if node.output.type.dtype is DType.BOOL else self.value

    def moves(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> Iterator[Move]:
        inside = tuple(
            slice(before, before + size)
            for (before, _), size in zip(self.paddings, inputs[0].shape, strict=True)
        )
        yield Move(0, inputs[0], 0, outputs[0][inside])

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        for dtype in every_dtype():
            value = {DType.F32: -0.1, DType.BOOL: True, DType.I16: -32768}.get(dtype, -7)
            yield case(cls(((1, 2),), value), dtype, [(3,)], (6,))
            op = cls(((0, 0), (1, 0), (0, 2), (3, 1)), value)
            yield case(op, dtype, [(1, 4, 3, 2)], (1, 5, 5, 6))
            yield case(cls(((0, 0), (0, 0)), value), dtype, [(2, 3)], (2, 3))


Pad.kernels = (move_kernel("pad"),)

"""How C computes MAXIMUM, MINIMUM."""

from __future__ import annotations

from typing import Any

from ..ir import DType, Node
from ..ops.maximum_minimum import Maximum
from .base import provide, provide_tvm
from .binary import binary_kernel
from .formula import Formula
from .tvm import tvm
from .tvm.elementwise import Element
from .tvm.elementwise import binary_kernel as tir_kernel


def _formula(node: Node) -> Formula:
    name, dtype = type(node.op).__name__.lower(), node.output.type.dtype
    suffix, file = {
        DType.I8: ("s8", "extremes"), DType.I16: ("s16", "extremes"),
        DType.F32: ("f32", "arithmetic_f32"),
    }[dtype]  # fmt: skip
    return Formula(f"tinyc_{name}_{suffix}", f"tinyc_{file}.h")


def _sign(node: Node) -> str:
    return f"({type(node.op).__name__.lower()})"


provide(
    Maximum,
    binary_kernel("maximum_minimum_s8", DType.I8, _sign, _formula),
    binary_kernel("maximum_minimum_s16", DType.I16, _sign, _formula),
    binary_kernel("maximum_minimum_f32", DType.F32, _sign, _formula),
)


def _element(node: Node[Maximum]) -> Element:
    te = tvm().te
    choose = te.max if node.op.greater else te.min

    def element(x: Any, y: Any) -> Any:
        return choose(x, y).astype("int8")

    return element


provide_tvm(
    Maximum,
    tir_kernel("maximum_minimum_s8_tvm", _sign, _element),
)

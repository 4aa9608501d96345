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
    if dtype is DType.F32:
        return Formula(f"tinyc_{name}_f32", "tinyc_arithmetic_f32.h")
    return Formula(f"tinyc_{name}_s{8 * dtype.size}", "tinyc_extremes.h")


def _sign(node: Node) -> str:
    return f"({type(node.op).__name__.lower()})"


provide(
    Maximum,
    binary_kernel("maximum_minimum_s8", DType.I8, _sign, _formula),
    binary_kernel("maximum_minimum_s16", DType.I16, _sign, _formula),
    binary_kernel("maximum_minimum_i32", DType.I32, _sign, _formula),
    binary_kernel("maximum_minimum_i64", DType.I64, _sign, _formula),
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

"""How C computes MAXIMUM, MINIMUM."""

from __future__ import annotations

from typing import Any

from ..ir import DType, Node
from ..ops.maximum_minimum import Maximum
from .base import Binding, provide, provide_tvm
from .binary import binary_kernel, bind_binary, caption
from .tvm import tvm
from .tvm.elementwise import Element
from .tvm.elementwise import binary_kernel as tir_kernel


def _bind(node: Node) -> Binding:
    assert isinstance(node.op, Maximum)
    name = type(node.op).__name__.lower()
    return bind_binary(
        node, {"caption": caption(node, f"({name})"), "sign": node.op.sign}, support=()
    )


provide(
    Maximum,
    binary_kernel("maximum_minimum_s8", DType.I8, _bind, "maximum_minimum.c.j2"),
    binary_kernel("maximum_minimum_s16", DType.I16, _bind, "maximum_minimum.c.j2"),
    binary_kernel("maximum_minimum_f32", DType.F32, _bind, "maximum_minimum.c.j2"),
)


def _element(node: Node) -> Element:
    assert isinstance(node.op, Maximum)
    te = tvm().te
    choose = te.max if node.op.sign == ">" else te.min

    def element(x: Any, y: Any) -> Any:
        return choose(x, y).astype("int8")

    return element


provide_tvm(
    Maximum,
    tir_kernel("maximum_minimum_s8_tvm", lambda node: f"({type(node.op).__name__})", _element),
)

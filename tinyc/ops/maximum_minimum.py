"""MAXIMUM and MINIMUM of broadcast operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Binding, Op, fail, register
from ..tir import tvm
from ._binary import NUMBERS, binary_cases, binary_kernel, bind_binary, caption, check_binary
from ._tir_elementwise import Element
from ._tir_elementwise import binary_kernel as tir_kernel


@register
@dataclass(frozen=True)
class Maximum(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all int8 or all int16, of one
    quantization, or all float32."""

    tflite = ("MAXIMUM",)
    elementwise = True
    keeps_quant = True
    sign: ClassVar[str] = ">"

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(), src.operands(2))]

    def check(self, node: Node) -> None:
        check_binary(node, NUMBERS)
        types = [v.type for v in (*node.inputs, node.output)]
        if len({(t.quant.scale, t.quant.zero_point) for t in types if t.quant}) > 1:
            raise fail(
                node,
                "its operands and output differ in scale or zero point",
                "quantize the model with the TFLite converter, which gives them one",
                "E304",
            )

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x, y = inputs
        return (np.where(x > y if self.sign == ">" else x < y, x, y),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from binary_cases(rng, cls(), NUMBERS, one_quant=True)


@register
@dataclass(frozen=True)
class Minimum(Maximum):
    """The lesser of x and y; otherwise as `Maximum`."""

    tflite = ("MINIMUM",)
    sign = "<"


def _bind(node: Node) -> Binding:
    assert isinstance(node.op, Maximum)
    name = type(node.op).__name__.lower()
    return bind_binary(
        node, {"caption": caption(node, f"({name})"), "sign": node.op.sign}, support=()
    )


Maximum.kernels = (
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


Maximum.tir = (
    tir_kernel("maximum_minimum_s8_tvm", lambda node: f"({type(node.op).__name__})", _element),
)

"""SELECT and SELECT_V2: x where a condition holds, else y."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node, TensorType, Value
from ..op import Binding, Kernel, Op, expect_dtype, register
from ._binary import SHAPES, bind_binary, check_broadcast, operand
from ._conv import random_type
from ._move import same_kind
from .reshape import Reshape


@register
@dataclass(frozen=True)
class Select(Op):
    """Inputs: condition (bool), x, y, which broadcast; output of their common shape, of x's and
    y's type and quantization."""

    tflite = ("SELECT", "SELECT_V2")
    elementwise = True
    keeps_quant = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        condition, x, y = src.operands(3)
        shape = condition.type.shape
        if src.name != "SELECT" or len(shape) != 1 or len(x.type.shape) < 2:
            return [src.node(cls(), [condition, x, y])]
        # Each of its conditions holds for a whole slice of the first axis.
        type = replace(condition.type, shape=(*shape, *(1,) * (len(x.type.shape) - 1)))
        if condition.data is not None:
            rows = src.const("condition", condition.data.reshape(type.shape))
            return [src.node(cls(), [rows, x, y])]
        rows = Value(f"{src.outputs[0].name}/condition", type, src.origin)
        reshape = Node(Reshape(), (condition,), (rows,), src.origin)
        return [reshape, src.node(cls(), [rows, x, y])]

    def check(self, node: Node) -> None:
        check_broadcast(node, 3)
        condition, x, y = node.inputs
        expect_dtype(node, condition.type, (DType.BOOL,), "the condition")
        same_kind(node, x.type, y.type)
        same_kind(node, x.type, node.output.type)

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.where(*inputs),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        for dtype in (DType.I8, DType.U8, DType.F32, DType.I32, DType.BOOL):
            for i, (a, b) in enumerate(SHAPES):
                shapes = ((a, b, b), (b, a, b), (b, b, a), ((), a, b))[i % 4]
                type = random_type(rng, dtype, ())
                types = [TensorType(s, type.dtype, type.quant) for s in shapes]
                inputs = (
                    operand(rng, "c", TensorType(shapes[0], DType.BOOL), i == 4),
                    operand(rng, "x", types[1], i == 5),
                    operand(rng, "y", types[2], i in (5, 6)),
                )
                out = TensorType(np.broadcast_shapes(*shapes), type.dtype, type.quant)
                yield Node(cls(), inputs, (Value("z", out, "case"),), "case")


def _bind(node: Node) -> Binding:
    shapes = ["x".join(map(str, v.type.shape)) or "scalar" for v in node.inputs]
    return bind_binary(node, {"caption": f"{shapes[0]} ? {shapes[1]} : {shapes[2]}"}, support=())


Select.kernels = (
    Kernel("select", "select.c.j2", frozenset(),
           lambda node: None if node.variable_inputs else "all operands are constant", _bind),
)  # fmt: skip

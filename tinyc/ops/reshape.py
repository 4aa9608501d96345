"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import DType, Node
from ..op import Op, expect_arity, fail, register
from ._move import case, same_kind, wrap_axis


@register
@dataclass(frozen=True)
class Reshape(Op):
    """Input and output of any dtype and shape, with equal element count and quantization."""

    tflite = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
    view = True
    keeps_quant = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        x, *rest = src.operands(1, 2)
        shape, actual = x.type.shape, src.outputs[0].type.shape
        if src.name == "RESHAPE":
            if rest and not rest[0].constant:
                # Keras computes it from SHAPE; static shapes leave it one value, the output's.
                wanted = actual
            else:
                wanted = src.constant_ints(rest[0]) if rest else src.ints_option("new_shape")
            if wanted == (0,):  # how old converters write the shape of a scalar
                wanted = ()
            if not rest and not wanted:
                wanted = actual
        elif src.name == "SQUEEZE":
            axes = {wrap_axis(src, a, len(shape)) for a in src.ints_option("squeeze_dims")}
            wanted = tuple(d for i, d in enumerate(shape) if d != 1 or (axes and i not in axes))
        else:
            if len(rest) != 1 or len(src.constant_ints(rest[0])) != 1:
                raise src.fail("its axis is no single number", CONVERT_AGAIN, "E301")
            axis = wrap_axis(src, src.constant_ints(rest[0])[0], len(shape) + 1)
            wanted = (*shape[:axis], 1, *shape[axis:])
        if -1 in wanted:
            known = math.prod(d for d in wanted if d != -1)
            free = x.type.elements // known if known > 0 else 0
            wanted = tuple(free if d == -1 else d for d in wanted)
        if wanted != actual:
            raise src.fail(
                f"gives the shape {list(wanted)}, its output has {list(actual)}",
                CONVERT_AGAIN,
                "E301",
            )
        return [src.node(cls(), [x])]

    def check(self, node: Node) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        same_kind(node, x, out)
        if x.elements != out.elements:
            raise fail(
                node, f"{list(x.shape)} and {list(out.shape)} differ in size", CONVERT_AGAIN, "E301"
            )

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return (inputs[0].reshape(node.output.type.shape),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield case(cls(), DType.I8, [(2, 3, 5)], (5, 6))
        yield case(cls(), DType.F32, [(1, 1)], ())

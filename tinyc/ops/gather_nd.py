"""GATHER_ND: slices at computed places of the first axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType
from ._move import case, every_dtype, same_kind
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register


@register
@dataclass(frozen=True)
class GatherNd(Op):
    """Inputs: any dtype [d1, ..., dn, rest...], and int32 or int64 indices [at..., n]; output
    [at..., rest...].

    Indices are data, which no rule can bound: one outside of its axis takes the nearest element
    (TFLite's kernel ends with an error instead).
    """

    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2)
        (x, indices), out = (v.type for v in node.inputs), node.output.type
        same_kind(node, x, out)
        expect_dtype(node, indices, (DType.I32, DType.I64), "indices")
        depth = indices.shape[-1] if indices.shape else 0
        if not 1 <= depth <= len(x.shape):
            raise fail(
                node,
                f"indices of shape {list(indices.shape)} do not name places in {list(x.shape)}",
                CONVERT_AGAIN,
                "E301",
            )
        expect_shape(node, out, (*indices.shape[:-1], *x.shape[depth:]), "output")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, indices = inputs
        last = np.array(x.shape[: indices.shape[-1]]) - 1
        places = np.moveaxis(np.clip(indices, 0, last), -1, 0)
        return (np.asarray(x[tuple(places)]),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        def node(dtype: DType, x: tuple[int, ...], *at: int, wide: bool = False) -> Node[Self]:
            drawn = case(cls(), dtype, [x, at], (*at[:-1], *x[at[-1] :]))
            kind = TensorType(at, DType.I64 if wide else DType.I32)
            source, indices = drawn.inputs
            return replace(drawn, inputs=(source, replace(indices, type=kind)))

        for dtype in every_dtype():
            yield node(dtype, (60,), 4, 1)
            yield node(dtype, (2, 60, 3), 2, 3, 2, wide=True)
            yield node(dtype, (50, 3, 7), 5, 3)
        yield node(DType.I8, (4, 3), 2)
        table: Node[Self] = node(DType.I8, (90, 5), 4, 1)
        x, indices = table.inputs
        data = rng.integers(-128, 128, x.type.shape).astype(np.int8)
        yield replace(table, inputs=(replace(x, data=data), indices))
        computed: Node[Self] = node(DType.F32, (90, 5), 4, 1)
        x, indices = computed.inputs
        fixed = replace(indices, data=np.array([[8], [0], [-3], [90]], np.int32))
        yield replace(computed, inputs=(x, fixed))
        pairs = case(cls(), DType.I32, [(3, 2)], (3,))
        yield replace(pairs, inputs=pairs.inputs * 2)

"""uint8 tensors, as TensorFlow 1 and the Edge TPU's tools quantize, as int8 ones.

A number less 128, with a zero point less 128, is the same real number: operators see such
tensors and need no uint8 kernels. Where uint8 remains (inputs and outputs of the graph, CAST and
the like), QUANTIZE goes from one to the other, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from ...ir import DType, Node, Quant, Value
from .rule import TfliteOp

_RAW = ("CAST", "SHAPE", "RESIZE_BILINEAR")
"""Operators that compute with uint8 as they find it."""
_EITHER = (
    "QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SLICE",
    "STRIDED_SLICE", "SPLIT", "SPLIT_V", "UNPACK",
)  # fmt: skip
"""Operators that take bytes of either kind and need not be rid of uint8."""


def _is_unsigned(value: Value | None) -> bool:
    return value is not None and value.type.dtype is DType.U8 and value.type.quant is not None


def _is_signed(value: Value | None) -> bool:
    return value is not None and value.type.dtype is DType.I8 and value.type.quant is not None


class Unsigned:
    """The int8 values that stand for the uint8 ones of a graph, all subgraphs together."""

    def __init__(self) -> None:
        self._signed: dict[Value, Value] = {}
        self._unsigned: dict[Value, Value] = {}

    def of(self, value: Value) -> Value:
        """The uint8 value for which ``value`` stands, or itself."""
        return self._unsigned.get(value, value)

    def rewritten(self, src: TfliteOp, final: Iterable[Value | None]) -> TfliteOp:
        """``src`` with int8 values in the place of uint8 ones.

        final: outputs of the graph, which QUANTIZE writes as they are. Raises CompileError E346.
        """
        values = [v for v in (*src.inputs, *src.outputs) if _is_unsigned(v)]
        if not values or src.name in _RAW or all(v is None or v.constant for v in src.inputs):
            return src
        if src.name != "QUANTIZE" and any(map(_is_signed, (*src.inputs, *src.outputs))):
            raise src.fail(
                "mixes uint8 and int8 operands", "quantize all of a layer's tensors alike", "E346"
            )
        known = any(v in self._signed for v in src.inputs if v is not None)
        keep = {v for v in final if v is not None} if src.name == "QUANTIZE" else set()
        makes = src.name == "QUANTIZE" and not _is_unsigned(src.inputs[0])
        if src.name in _EITHER and not known and not (makes and src.outputs[0] not in keep):
            return src

        def signed(value: Value) -> Value:
            raw = value in keep or not _is_unsigned(value)
            return value if raw else self._as_signed(value)

        inputs = tuple(v and signed(v) for v in src.inputs)
        return replace(src, inputs=inputs, outputs=tuple(map(signed, src.outputs)), unsigned=True)

    def _as_signed(self, value: Value) -> Value:
        if value not in self._signed:
            quant = value.type.quant
            assert quant is not None
            zero = tuple(z - 128 for z in quant.zero_point)
            kind = replace(value.type, dtype=DType.I8, quant=Quant(quant.scale, zero, quant.axis))
            data = None
            if value.data is not None:
                data = (value.data ^ np.uint8(128)).view(np.int8)
            name = value.name if value.constant else f"{value.name}_i8"
            signed = replace(value, name=name, type=kind, data=data)
            self._signed[value], self._unsigned[signed] = signed, value
        return self._signed[value]

    def bridged(
        self,
        nodes: Iterable[Node],
        sources: Iterable[Value],
        results: Iterable[Value],
        convert: Callable[[Value, Value], Node],
    ) -> tuple[Node, ...]:
        """``nodes`` with a ``convert`` before each first reading of a form of a value that is
        there in the other one alone."""
        there = set(sources)
        found: list[Node] = []

        def need(value: Value) -> None:
            other = self._signed.get(value, self._unsigned.get(value))
            if value not in there and not value.constant and other in there:
                found.append(convert(other, value))
                there.add(value)

        for node in nodes:
            for value in node.inputs:
                need(value)
            found.append(node)
            there.update(node.outputs)
        for value in results:
            need(value)
        return tuple(found)

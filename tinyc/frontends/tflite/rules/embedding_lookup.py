"""Import EMBEDDING_LOOKUP: GATHER of a table's rows, with its operands in the other order."""

from __future__ import annotations

from dataclasses import replace

from ....ir import DType, Node, Value
from ....ops.dequantize import Dequantize
from ....ops.gather import GatherComputed
from ..rule import TfliteOp, rule


@rule(GatherComputed, "EMBEDDING_LOOKUP")
def embedding_lookup(src: TfliteOp) -> list[Node]:
    indices, table = src.operands(2)
    (out,) = src.outputs
    if (table.type.dtype, out.type.dtype) != (DType.I8, DType.F32):
        return [src.node(GatherComputed(0), [table, indices])]
    # The rows of an int8 table as numbers.
    quant = table.type.quant
    if quant is None or quant.per_channel or any(quant.zero_point):
        raise src.fail(
            "its int8 table of float32 rows is not quantized with one scale and the zero point 0",
            "convert the model with dynamic-range quantization, or in float32",
            "E304",
        )
    rows = Value(f"{out.name}/rows", replace(out.type, dtype=DType.I8, quant=quant), src.origin)
    gather = replace(src.node(GatherComputed(0), [table, indices]), outputs=(rows,))
    return [gather, src.node(Dequantize(), [rows])]

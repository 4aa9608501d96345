"""Import UNIDIRECTIONAL_SEQUENCE_LSTM."""

from __future__ import annotations

from ....ir import DType, Node
from ....ops.base import CONVERT_AGAIN, REQUANTIZE
from ....ops.lstm import KERAS, HybridLstm, Lstm
from ....ops.lstm16 import Lstm16
from .. import schema
from ..rule import TfliteOp, rule
from .hybrid import is_hybrid

# Operands of the TFLite operator that only other kinds of LSTM have.
_OTHER_KINDS = {
    "peephole connections": (9, 10, 11), "a projection": (16, 17),
    "layer normalization": (20, 21, 22, 23),
}  # fmt: skip


@rule(Lstm, "UNIDIRECTIONAL_SEQUENCE_LSTM")
def lstm(src: TfliteOp) -> list[Node]:
    if len(src.inputs) not in (20, 24) or len(src.outputs) != 1:
        what = f"has {len(src.inputs)} inputs and {len(src.outputs)} outputs"
        raise src.fail(f"{what}, not 24 and 1", CONVERT_AGAIN, "E301")
    for kind, places in _OTHER_KINDS.items():
        if any(src.inputs[p] is not None for p in places if p < len(src.inputs)):
            raise src.fail(f"has {kind}, which is not supported", KERAS, "E343")
    if src.option("diagonal"):
        raise src.fail("has diagonal weights, which are not supported", KERAS, "E343")
    code = src.option("activation")
    curve = schema.ACTIVATIONS[code] if 0 <= code < len(schema.ACTIVATIONS) else str(code)
    coupled = src.inputs[1] is None
    first = 1 if coupled else 0
    x = src.inputs[0]
    operands = [src.inputs[p + g] for p in (1, 5, 12) for g in range(first, 4)]
    of_input_gate = [src.inputs[p] for p in (1, 5, 12)]
    if x is None or None in operands or (coupled and any(of_input_gate)):
        raise src.fail("lacks weights or a bias", CONVERT_AGAIN, "E301")
    given = [v for v in operands if v is not None]
    (h, h_next), (c, c_next) = src.carry(18), src.carry(19)
    hidden = None
    if x.type.dtype is DType.I8:
        inner = src.intermediates[4] if len(src.intermediates) == 5 else None
        if inner is None or inner.quant is None:
            raise src.fail("lacks the quantization of its hidden numbers", REQUANTIZE, "E304")
        hidden = inner.quant
    op = Lstm(curve, src.float_option("cell_clip"), bool(src.option("time_major")), coupled, hidden)
    if is_hybrid(x, given[0]):
        asymmetric = bool(src.option("asymmetric"))
        op = HybridLstm(curve, op.clip, op.time_major, coupled, None, asymmetric)
    if x.type.dtype is DType.I16:
        op = Lstm16(curve, op.clip, op.time_major, coupled)
    return [Node(op, (x, *given, h, c), (src.outputs[0], h_next, c_next), src.origin)]

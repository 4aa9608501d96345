"""Import RNN and UNIDIRECTIONAL_SEQUENCE_RNN."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.rnn import HybridRnn, Rnn
from .. import schema
from ..rule import TfliteOp, rule
from .hybrid import is_hybrid

_STATE = 4


@rule(Rnn, "UNIDIRECTIONAL_SEQUENCE_RNN")
def sequence(src: TfliteOp) -> list[Node]:
    return _import(src, 3, bool(src.option("time_major")))


@rule(Rnn, "RNN")
def step(src: TfliteOp) -> list[Node]:
    return _import(src, 2, False)


def _import(src: TfliteOp, rank: int, time_major: bool) -> list[Node]:
    if len(src.inputs) != 5 or len(src.outputs) != 1:
        what = f"has {len(src.inputs)} inputs and {len(src.outputs)} outputs"
        raise src.fail(f"{what}, not 5 and 1", CONVERT_AGAIN, "E301")
    x, weights, recurrent, bias, _ = src.inputs
    if x is None or weights is None or recurrent is None or bias is None:
        raise src.fail("lacks its input, weights or bias", CONVERT_AGAIN, "E301")
    if len(x.type.shape) != rank:
        raise src.fail(f"its input is {x.type}, not of rank {rank}", CONVERT_AGAIN)
    code = src.option("activation")
    curve = schema.ACTIVATIONS[code] if 0 <= code < len(schema.ACTIVATIONS) else str(code)
    before, after = src.carry(_STATE)
    operands = (x, weights, recurrent, bias, before)
    op = Rnn(curve, time_major)
    if is_hybrid(x, weights):
        op = HybridRnn(curve, time_major, bool(src.option("asymmetric")))
    return [Node(op, operands, (src.outputs[0], after), src.origin)]

"""Import SignalFramer, SignalStacker, SignalDelay and SignalOverlapAdd."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.reshape import Reshape
from ....ops.signal_frames import (
    SignalDelay,
    SignalFramer,
    SignalOverlapAdd,
    SignalStacker,
)
from ..rule import TfliteOp, rule

_Keeping = SignalFramer | SignalStacker | SignalDelay | SignalOverlapAdd


def _node(src: TfliteOp, op: _Keeping) -> list[Node]:
    (x,) = src.operands(1, outputs=2 if op.counts else 1)
    what = op.problem(x.type) if x.type.shape else "its input is a scalar"
    if what:
        raise src.fail(what, CONVERT_AGAIN, "E301")
    before, after = src.keep(op.initial(x.type))
    return [Node(op, (x, before), (*src.outputs, after), src.origin)]


@rule(SignalFramer, "CUSTOM SignalFramer")
def framer(src: TfliteOp) -> list[Node]:
    o = src.custom_options("frame_size", "frame_step", "prefill")
    return _node(src, SignalFramer(o["frame_size"], o["frame_step"], bool(o["prefill"])))


@rule(SignalStacker, "CUSTOM SignalStacker")
def stacker(src: TfliteOp) -> list[Node]:
    o = src.custom_options(
        "num_channels", "stacker_left_context", "stacker_right_context", "stacker_step"
    )
    (x,) = src.operands(1, outputs=2)
    if x.type.shape != (o["num_channels"],):
        what = f"has {o['num_channels']} channels, its input is {x.type}"
        raise src.fail(what, CONVERT_AGAIN, "E301")
    left, right = o["stacker_left_context"], o["stacker_right_context"]
    return _node(src, SignalStacker(left, right, o["stacker_step"]))


@rule(SignalDelay, "CUSTOM SignalDelay")
def delay(src: TfliteOp) -> list[Node]:
    length = src.custom_options("delay_length")["delay_length"]
    if not length:
        return [src.node(Reshape(), src.operands(1))]
    return _node(src, SignalDelay(length))


@rule(SignalOverlapAdd, "CUSTOM SignalOverlapAdd")
def overlap_add(src: TfliteOp) -> list[Node]:
    return _node(src, SignalOverlapAdd(src.custom_options("frame_step")["frame_step"]))

"""How C computes SignalFramer, SignalStacker, SignalDelay and SignalOverlapAdd."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import DType, Node, Op
from ..ops.signal_frames import SignalDelay, SignalFramer, SignalOverlapAdd, SignalStacker
from .base import Binding, provide
from .conv import portable
from .signal import call


def _call(node: Node[Op], function: str, numbers: Sequence[int], header: str = "") -> Binding:
    outputs = ("out", "valid", "next") if len(node.outputs) == 3 else ("out", "next")
    return call(
        node, function, header or "tinyc_frames.h", ("in", "old"), outputs, numbers,
        inplace=1, renewed=len(outputs) - 1,
    )  # fmt: skip


def _rows(node: Node, axes: int = 1) -> int:
    """How many there are of the last ``axes`` axes."""
    shape = node.inputs[0].type.shape
    total = node.inputs[0].type.elements
    for size in shape[-axes:]:
        total //= size
    return total


def _framer(node: Node[SignalFramer]) -> Binding:
    op, (*_, steps, _) = node.op, node.outputs[0].type.shape
    return _call(node, "tinyc_framer", (_rows(node), steps, op.size, op.kept, op.step))


def _stacker(node: Node[SignalStacker]) -> Binding:
    op, channels = node.op, node.inputs[0].type.elements
    return _call(node, "tinyc_stacker", (channels, op.left + op.right, op.step))


def _delay(node: Node[SignalDelay]) -> Binding:
    length = node.inputs[0].type.shape[-1]
    return _call(node, "tinyc_delay", (_rows(node), 1, length, node.op.length, length))


def _overlap_add(node: Node[SignalOverlapAdd]) -> Binding:
    *_, frames, size = node.inputs[0].type.shape
    numbers = _rows(node, 2), frames, size, node.op.step
    if node.inputs[0].type.dtype is DType.F32:
        return _call(node, "tinyc_overlap_add_f32", numbers, "tinyc_overlap_add_f32.h")
    return _call(node, "tinyc_overlap_add_s16", numbers)


provide(SignalFramer, portable("signal_framer", DType.I16, _framer, "signal.c.j2"))
provide(SignalStacker, portable("signal_stacker", DType.I16, _stacker, "signal.c.j2"))
provide(SignalDelay, portable("signal_delay", DType.I16, _delay, "signal.c.j2"))
provide(
    SignalOverlapAdd,
    portable("signal_overlap_add_s16", DType.I16, _overlap_add, "signal.c.j2"),
    portable("signal_overlap_add_f32", DType.F32, _overlap_add, "signal.c.j2"),
)

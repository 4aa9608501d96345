"""How C computes SignalWindow and SignalFftAutoScale."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.signal_window import SignalFftAutoScale, SignalWindow
from .base import Binding, provide
from .conv import portable
from .signal import call

_HEADER = "tinyc_signal.h"


def _window(node: Node[SignalWindow]) -> Binding:
    x, weights = node.inputs
    count = weights.type.elements
    numbers = x.type.elements // count, count, node.op.shift
    return call(node, "tinyc_window_s16", _HEADER, ("in", "weights"), numbers=numbers)


def _scale(node: Node[SignalFftAutoScale]) -> Binding:
    numbers = (node.inputs[0].type.elements,)
    outputs = ("out", "shift")
    return call(node, "tinyc_fft_auto_scale", _HEADER, outputs=outputs, numbers=numbers)


provide(SignalWindow, portable("signal_window", DType.I16, _window, "signal.c.j2"))
provide(
    SignalFftAutoScale,
    portable("signal_fft_auto_scale", DType.I16, _scale, "signal.c.j2"),
)

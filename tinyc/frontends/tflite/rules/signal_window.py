"""Import SignalWindow and SignalFftAutoScale."""

from __future__ import annotations

from ....ir import Node
from ....ops.signal_window import SignalFftAutoScale, SignalWindow
from ..rule import TfliteOp, rule


@rule(SignalWindow, "CUSTOM SignalWindow")
def window(src: TfliteOp) -> list[Node]:
    return [src.node(SignalWindow(src.custom_options("shift")["shift"]), src.operands(2))]


@rule(SignalFftAutoScale, "CUSTOM SignalFftAutoScale")
def fft_auto_scale(src: TfliteOp) -> list[Node]:
    return [src.node(SignalFftAutoScale(), src.operands(1, outputs=2))]

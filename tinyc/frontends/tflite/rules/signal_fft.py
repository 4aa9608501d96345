"""Import SignalRfft, SignalIrfft and SignalEnergy."""

from __future__ import annotations

from ....ir import Node
from ....ops.signal_fft import SignalEnergy, SignalIrfft, SignalRfft
from ..rule import TfliteOp, family, rule


@family({"CUSTOM SignalRfft": SignalRfft, "CUSTOM SignalIrfft": SignalIrfft})
def transform(op: type[SignalRfft] | type[SignalIrfft], src: TfliteOp) -> list[Node]:
    return [src.node(op(src.custom_options("fft_length")["fft_length"]), src.operands(1))]


@rule(SignalEnergy, "CUSTOM SignalEnergy")
def energy(src: TfliteOp) -> list[Node]:
    o = src.custom_options("start_index", "end_index")
    return [src.node(SignalEnergy(o["start_index"], o["end_index"]), src.operands(1))]

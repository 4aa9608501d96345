"""Import the operators from SignalFilterBank to SignalFilterBankLog."""

from __future__ import annotations

import numpy as np

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.signal_filter_bank import (
    SignalFilterBank,
    SignalFilterBankLog,
    SignalFilterBankSpectralSubtraction,
    SignalFilterBankSquareRoot,
    SignalPcan,
)
from ..rule import TfliteOp, rule


def _expect_channels(src: TfliteOp, count: int) -> None:
    if src.outputs[0].type.shape != (count,):
        what = f"has {count} channels, its output is {src.outputs[0].type}"
        raise src.fail(what, CONVERT_AGAIN, "E301")


@rule(SignalFilterBank, "CUSTOM SignalFilterBank")
def filter_bank(src: TfliteOp) -> list[Node]:
    operands = src.operands(6)
    _expect_channels(src, src.custom_options("num_channels")["num_channels"])
    return [src.node(SignalFilterBank(), operands)]


@rule(SignalFilterBankSquareRoot, "CUSTOM SignalFilterBankSquareRoot")
def square_root(src: TfliteOp) -> list[Node]:
    return [src.node(SignalFilterBankSquareRoot(), src.operands(2))]


@rule(SignalFilterBankSpectralSubtraction, "CUSTOM SignalFilterBankSpectralSubtraction")
def spectral_subtraction(src: TfliteOp) -> list[Node]:
    (x,) = src.operands(1, outputs=2)
    o = src.custom_options(
        "smoothing", "one_minus_smoothing", "alternate_smoothing", "alternate_one_minus_smoothing",
        "min_signal_remaining", "spectral_subtraction_bits", "smoothing_bits", "clamping",
        "num_channels",
    )  # fmt: skip
    _expect_channels(src, o["num_channels"])
    op = SignalFilterBankSpectralSubtraction(
        o["smoothing"], o["one_minus_smoothing"], o["alternate_smoothing"],
        o["alternate_one_minus_smoothing"], o["min_signal_remaining"],
        o["spectral_subtraction_bits"], o["smoothing_bits"], bool(o["clamping"]),
    )  # fmt: skip
    # What it says of the noise is what it keeps.
    before, _ = src.keep(np.zeros(o["num_channels"], np.uint32), src.outputs[1])
    return [src.node(op, [x, before])]


@rule(SignalPcan, "CUSTOM SignalPCAN")
def pcan(src: TfliteOp) -> list[Node]:
    return [src.node(SignalPcan(src.custom_options("snr_shift")["snr_shift"]), src.operands(3))]


@rule(SignalFilterBankLog, "CUSTOM SignalFilterBankLog")
def log(src: TfliteOp) -> list[Node]:
    o = src.custom_options("output_scale", "input_correction_bits")
    op = SignalFilterBankLog(o["output_scale"], o["input_correction_bits"])
    return [src.node(op, src.operands(1))]

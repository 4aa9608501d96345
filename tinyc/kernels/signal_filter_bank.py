"""How C computes the operators from SignalFilterBank to SignalFilterBankLog."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..ir import Node, OpT
from ..ops.signal_filter_bank import (
    SignalFilterBank,
    SignalFilterBankLog,
    SignalFilterBankSpectralSubtraction,
    SignalFilterBankSquareRoot,
    SignalPcan,
    log_table,
)
from .base import Binding, Constant, Kernel, provide
from .signal import call

_HEADER = "tinyc_signal.h"


def _count(node: Node) -> int:
    return node.outputs[0].type.elements


def _filter_bank(node: Node[SignalFilterBank]) -> Binding:
    operands = "in", "weights", "unweights", "begins", "places", "widths"
    return call(node, "tinyc_filter_bank", _HEADER, operands, numbers=(_count(node) + 1,))


def _root(node: Node[SignalFilterBankSquareRoot]) -> Binding:
    operands = "in", "shift"
    return call(node, "tinyc_filter_bank_root", _HEADER, operands, numbers=(_count(node),))


def _subtraction(node: Node[SignalFilterBankSpectralSubtraction]) -> Binding:
    op = node.op
    fields: dict[str, int | Sequence[int]] = {
        "smoothing": (op.smoothing & 0xFFFFFFFF, op.odd_smoothing & 0xFFFFFFFF),
        "kept": (op.kept & 0xFFFFFFFF, op.odd_kept & 0xFFFFFFFF),
        "remaining": op.remaining & 0xFFFFFFFF,
        "bits": op.bits,
        "extra_bits": op.extra_bits,
        "clamping": int(op.clamping),
    }
    return call(
        node, "tinyc_spectral_subtraction", _HEADER, ("in", "noise"), ("out", "noise_next"),
        (_count(node),), fields=("tinyc_subtraction", fields), inplace=1, renewed=1,
    )  # fmt: skip


def _pcan(node: Node[SignalPcan]) -> Binding:
    numbers = _count(node), node.op.snr_shift
    return call(node, "tinyc_pcan", _HEADER, ("in", "noise", "gains"), numbers=numbers)


def _log(node: Node[SignalFilterBankLog]) -> Binding:
    table = Constant("curve", log_table(), "log2 from 1 to 2, less its chord, times 65536")
    numbers = _count(node), node.op.scale, node.op.shift
    return call(node, "tinyc_filter_bank_log", _HEADER, numbers=numbers, tables=(table,))


def _portable(name: str, bind: Callable[[Node[OpT]], Binding]) -> Kernel[OpT]:
    return Kernel(name, "signal.c.j2", frozenset(), lambda node: None, bind)


provide(SignalFilterBank, _portable("signal_filter_bank", _filter_bank))
provide(SignalFilterBankSquareRoot, _portable("signal_filter_bank_square_root", _root))
provide(
    SignalFilterBankSpectralSubtraction,
    _portable("signal_filter_bank_spectral_subtraction", _subtraction),
)
provide(SignalPcan, _portable("signal_pcan", _pcan))
provide(SignalFilterBankLog, _portable("signal_filter_bank_log", _log))

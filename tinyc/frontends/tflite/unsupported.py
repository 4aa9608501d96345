"""What to say of an operator that has no import rule."""

from __future__ import annotations

from ...errors import CompileError
from ..refusal import DYNAMIC, PLUGIN, SUPPORTED
from .source import Source, SourceOp

LEFT_OUT = {
    ("UNIQUE", "WHERE"): DYNAMIC,
    ("CALL", "STABLEHLO_CASE", "STABLEHLO_WHILE"): "convert a model without loops and branches: "
    "give recurrent layers unroll=True",
    ("COMPLEX_ABS", "IMAG", "REAL", "RFFT2D"): "there are no complex numbers: compute the spectrum "
    "before the model, or by TensorFlow Lite Micro's Signal operators",
    ("BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "LSTM"): "give the recurrent "
    "layer unroll=True and convert the model again",
    ("CUSTOM edgetpu-custom-op", "CUSTOM ethos-u"): "it is code for an accelerator: give the model "
    "as it was before that one's compiler took it",
}
"""Operators that have no rule on purpose -> why, or what to do instead."""
_HINTS = {name: hint for names, hint in LEFT_OUT.items() for name in names}


def unsupported(source: Source, op: SourceOp) -> CompileError:
    """E300 for ``op``."""
    hint = _HINTS.get(op.name, PLUGIN if op.name.startswith("CUSTOM ") else SUPPORTED)
    if op.name.startswith("CUSTOM Flex"):
        hint = "convert the model without tf.lite.OpsSet.SELECT_TF_OPS"
    place = f"{source.file}: {source.place(op)}"
    return CompileError("E300", place, "this operator is not supported", hint)

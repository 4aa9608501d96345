"""What to say of an operator that has no import rule."""

from __future__ import annotations

from ...errors import CompileError
from ..refusal import PLUGIN, SUPPORTED
from .source import Source, SourceOp

_CONTROL = "convert a model without loops and branches: give recurrent layers unroll=True"
_DYNAMIC = (
    "the size of its output depends on the data, and sizes are fixed at compile time: end the "
    "model before it"
)
_HINTS = {
    **dict.fromkeys(("WHERE", "UNIQUE"), _DYNAMIC),
    **dict.fromkeys(("CALL", "STABLEHLO_WHILE", "STABLEHLO_CASE"), _CONTROL),
    **dict.fromkeys(
        ("LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN"),
        "give the recurrent layer unroll=True and convert the model again",
    ),
}  # fmt: skip


def unsupported(source: Source, op: SourceOp) -> CompileError:
    """E300 for ``op``."""
    hint = _HINTS.get(op.name, SUPPORTED)
    if op.name.startswith("CUSTOM "):
        hint = PLUGIN
    if op.name.startswith("CUSTOM Flex"):
        hint = "convert the model without tf.lite.OpsSet.SELECT_TF_OPS"
    place = f"{source.file}: {source.place(op)}"
    return CompileError("E300", place, "this operator is not supported", hint)

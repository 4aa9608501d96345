"""Ways of quantizing a whole model that tinyc has no kernels for, each told once."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import CompileError
from ...ir import DType
from .source import Source, SourceTensor

# Operator -> places of its input and of its weights.
_WEIGHTED = {
    "CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "FULLY_CONNECTED": (0, 1),
    "BATCH_MATMUL": (0, 1), "TRANSPOSE_CONV": (2, 1), "CONV_3D": (0, 1), "SVDF": (0, 1),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (0, 2), "LSTM": (0, 2), "RNN": (0, 1),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (0, 1),
}  # fmt: skip
_FULL_INTEGER = (
    "with full integer quantization (optimizations = [tf.lite.Optimize.DEFAULT], a "
    "representative_dataset and supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8])"
)


_HYBRID = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "SVDF", "RNN",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM",
)  # fmt: skip
"""Operators that take int8 weights beside float32 activations."""


def _hybrid(name: str, weights: SourceTensor) -> bool:
    return name in _HYBRID and weights.dtype is DType.I8


def _narrow(t: SourceTensor) -> bool:
    return t.dtype in (DType.I8, DType.U8) and t.data is not None


_KINDS: list[tuple[str, Callable[[str, SourceTensor, SourceTensor], bool], str, str]] = [
    (
        "E330", lambda name, x, w: x.dtype is DType.F32 and _narrow(w) and not _hybrid(name, w),
        "is dynamic-range quantized: {} of its layers have 8-bit weights and float32 inputs, as "
        f"only {', '.join(_HYBRID)} with int8 weights may",
        f"convert it {_FULL_INTEGER}, or without optimizations and pass --calibrate data.npz",
    ),
]  # fmt: skip


def unsupported_quantization(source: Source) -> list[CompileError]:
    """E330 for a model of such a kind."""
    pairs = []
    for op in source.ops:
        places = _WEIGHTED.get(op.name)
        if places is None or len(op.inputs) <= max(places):
            continue
        x, weights = (source.tensors.get(op.inputs[p]) for p in places)
        if x is not None and weights is not None:
            pairs.append((op.name, x, weights))
    errors = []
    for id, matches, what, hint in _KINDS:
        count = sum(matches(*pair) for pair in pairs)
        if count:
            errors.append(CompileError(id, source.file, what.format(count), hint))
    return errors

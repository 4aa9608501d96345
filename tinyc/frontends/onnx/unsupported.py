"""What to say of an operator that has no import rule."""

from __future__ import annotations

from ...errors import CompileError
from ..refusal import DYNAMIC, PLUGIN, SUPPORTED
from .rule import OnnxOp

LEFT_OUT = {
    ("Compress", "NonMaxSuppression", "NonZero", "Unique"): DYNAMIC,
    ("Loop", "Scan", "SequenceMap"): "export the model without loops: of a fixed number of steps, "
    "written out",
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli",
     "Multinomial"): "make what is drawn an input of the model",
    ("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger",
     "com.microsoft.DynamicQuantizeMatMul", "com.microsoft.MatMulIntegerToFloat"):
        "quantize the model with calibration data, by onnxruntime.quantization.quantize_static, "
        "not by the range of each run",
}  # fmt: skip
"""Operators that have no rule on purpose -> why, or what to do instead."""
_HINTS = {name: hint for names, hint in LEFT_OUT.items() for name in names}


def unsupported(src: OnnxOp) -> CompileError:
    """E300 for an operator."""
    hint = _HINTS.get(src.name, PLUGIN if "." in src.name else SUPPORTED)
    return src.fail("this operator is not supported", hint, "E300")

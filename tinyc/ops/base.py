"""The register of operators, and the helpers of their rules.

Each file in `tinyc.ops` defines one operator (or a family that differs in a letter) as a
frozen dataclass whose fields are the attributes, and registers it: the rule, the numpy reference,
its properties and awkward cases. It knows no file format and no C.
"""

from __future__ import annotations

import math
from typing import TypeVar

from .. import plugins
from ..errors import CompileError
from ..ir import DType, Node, Op, TensorType

_OPS: dict[str, type[Op]] = {}
OpClass = TypeVar("OpClass", bound=type[Op])


def register(cls: OpClass) -> OpClass:
    """Class decorator: make an operator known to frontends, planner, tests and docs. Raises
    CompileError E252 where another has its name."""
    plugins.claim(f"operator {cls.__name__}")
    _OPS[cls.__name__] = cls
    return cls


def all_ops() -> tuple[type[Op], ...]:
    """Every registered operator, sorted by name."""
    plugins.load(__package__)
    return tuple(_OPS[name] for name in sorted(_OPS))


# Helpers for `check` ---------------------------------------------------------------------

CONVERT_AGAIN = "the file is malformed; convert the model again"
"""What to do about a file that breaks the format."""
REQUANTIZE = (
    "quantize the float model again with the TFLite converter: Optimize.DEFAULT and a "
    "representative_dataset"
)
"""What to do about a quantization that TFLite's int8 kernels would not take either."""


def fail(node: Node, what: str, hint: str = "", id: str = "E302") -> CompileError:
    """The error for a node that breaks its operator's rule (``raise fail(...)``)."""
    return CompileError(id, node.origin, what, hint)


def expect_arity(node: Node, inputs: int, outputs: int = 1) -> None:
    if len(node.inputs) != inputs or len(node.outputs) != outputs:
        raise fail(
            node,
            f"has {len(node.inputs)} inputs and {len(node.outputs)} outputs, "
            f"not {inputs} and {outputs}",
            "the file is malformed; convert the model again",
        )


def expect_shape(node: Node, actual: TensorType, shape: tuple[int, ...], name: str) -> None:
    if actual.shape != shape:
        raise fail(
            node,
            f"{name} has shape {list(actual.shape)}, its operands give {list(shape)}",
            "the file is malformed; convert the model again",
        )


def expect_dtype(node: Node, actual: TensorType, allowed: tuple[DType, ...], name: str) -> None:
    """``allowed``: I8/U8/I16 in it must come with per-tensor or per-channel quantization."""
    if actual.dtype not in allowed:
        names = ", ".join(d.value for d in allowed)
        raise fail(
            node,
            f"{name} is {actual.dtype.value}; supported: {names}",
            "convert the model in float32, or with full integer (int8) quantization",
            "E303",
        )


LARGEST_SCALE = 2.0**40
"""Of an activation, as 2**-40 is the least: no product or quotient of three leaves float32."""
MASKED_SCALE = 2.0**127
"""The same of the scores that a softmax reads: a mask may have set some to the lowest float32."""


def expect_quant(
    node: Node,
    actual: TensorType,
    name: str,
    per_channel: bool = False,
    largest: float = LARGEST_SCALE,
    centred: bool = True,
) -> None:
    """An integer tensor must carry a valid quantization (per tensor unless ``per_channel``), an
    activation no scale over ``largest``, int16 no zero point if ``centred``; scales of weights may
    be as small as a dead channel makes them."""
    if actual.quant is None:
        raise fail(
            node,
            f"{name} has no quantization",
            REQUANTIZE,
            "E304",
        )
    if actual.quant.per_channel and not per_channel:
        raise fail(node, f"{name} is quantized per channel", REQUANTIZE, "E304")
    if centred and actual.dtype is DType.I16 and any(actual.quant.zero_point):
        raise fail(
            node,
            f"{name} is int16 with the zero point {actual.quant.zero_point[0]}",
            "quantize the model again with the TFLite converter, whose int16 tensors have 0",
            "E342",
        )
    if not per_channel and not 2.0**-40 <= actual.scale <= largest:
        raise fail(
            node,
            f"{name} has the scale {actual.scale:.6g}",
            "quantize the model again, with data like the real one",
            "E304",
        )


def expect_ratio(node: Node, reach: int, *ratios: float) -> None:
    """Integers up to ``reach`` times each of ``ratios``, quotients of scales, must stay in 32 bits:
    a fixed-point product shifts them left by the ratio's power of two first."""
    for ratio in ratios:
        if not math.isfinite(ratio) or reach << max(math.frexp(ratio)[1], 0) >= 1 << 31:
            raise fail(
                node,
                f"rescales numbers of up to {reach} by {ratio:.6g}, which 32 bits do not hold",
                "quantize the model again, with data like the real one",
                "E304",
            )

"""What is known at compile time: arithmetic on shapes, and everything else of constants alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CompileError
from ...ir import Array, Value
from .rule import OnnxOp

if TYPE_CHECKING:
    from onnx import TypeProto

MAX_ELEMENTS = 1 << 26  # of one constant
RANDOM = frozenset(
    "RandomNormal RandomUniform RandomNormalLike RandomUniformLike Multinomial Bernoulli".split()
)
"""Operators that give something else each time."""

FOLDED = frozenset("Constant ConstantOfShape EyeLike Range Shape Size".split())
"""Operators that have no rule, since they give constants."""


def constants(src: OnnxOp) -> list[Array] | None:
    """The outputs of an operator whose operands are constants, or of which only the shape
    matters, by the reference implementation of the onnx package; None for any other.

    Raises CompileError E301 for operands that do not fit, E302 for what that has not.
    """
    first = src.operands[0] if src.operands else None
    if src.name in ("Shape", "Size") and isinstance(first, Value):
        shape = np.array(first.type.shape, np.int64)
        if src.name == "Size":
            return [np.array(shape.prod(), np.int64)]
        end = src.integer("end", len(shape))
        return [shape[slice(src.integer("start", 0), end)]]
    if any(isinstance(v, Value) for v in src.operands) or src.name in RANDOM:
        return None
    if any(a.type in (5, 10) for a in src.proto.attribute):  # GRAPH, GRAPHS
        return None
    return _evaluate(src)


def _evaluate(src: OnnxOp) -> list[Array]:
    from onnx import reference

    _expect_room(src)
    given = {
        name: array
        for name, array in zip(src.proto.input, src.operands, strict=True)
        if array is not None
    }
    try:
        with np.errstate(all="ignore"):
            evaluator = reference.ReferenceEvaluator(src.proto, {src.proto.domain: src.opset})
            found = evaluator.run(None, given)
    except CompileError:
        raise
    except Exception as error:  # whatever its implementation of the operator raises
        said = " ".join(str(error).split())[:120]
        raise src.fail(
            f"its constant operands cannot be evaluated ({type(error).__name__}: {said})",
            "simplify the model, for example with onnxsim", "E301",
        ) from None  # fmt: skip
    return [np.asarray(a) for a in found]


def _expect_room(src: OnnxOp) -> None:
    """Raise CompileError E302 where an output's shape, as far as it is known before, is that of no
    model for a microcontroller."""
    from onnx import defs, helper, numpy_helper, shape_inference

    types, data = {}, {}
    for name, array in zip(src.proto.input, src.operands, strict=True):
        if isinstance(array, np.ndarray):
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            types[name] = helper.make_tensor_type_proto(kind, array.shape)
            if array.size <= 1 << 10:
                data[name] = numpy_helper.from_array(array, name)
    try:
        schema = defs.get_schema(src.proto.op_type, src.opset, src.proto.domain)
        inferred = shape_inference.infer_node_outputs(
            schema, src.proto, types, data, opset_imports=[helper.make_opsetid("", src.opset)]
        )
    except Exception:  # the evaluation tells what is wrong
        return
    for kind in inferred.values():
        if math.prod(_sizes(kind)) > MAX_ELEMENTS:
            raise src.fail(
                f"gives a constant of the shape {list(_sizes(kind))}",
                "use a smaller model: no microcontroller has that much",
            )


def _sizes(kind: TypeProto) -> tuple[int, ...]:
    return tuple(d.dim_value for d in kind.tensor_type.shape.dim)

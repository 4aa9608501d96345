"""The functions of elements, and what is printed around them."""

from __future__ import annotations

from tinyc.emit.emitter import emit
from tinyc.ir import DType, Graph, Node, Quant, TensorType, Value, verify
from tinyc.ops.comparison import Less
from tinyc.ops.qlinear_arithmetic import QLinearAdd
from tinyc.plan import plan


def test_each_member_has_a_line() -> None:
    scales = {"x": 1.0, "y": 0.5, "z": 2.0}
    x, y, z = (
        Value(n, TensorType((3,), DType.I8, Quant((s,), (0,))), "case") for n, s in scales.items()
    )
    graph = verify(Graph("sum", (x, y), (z,), (Node(QLinearAdd(), (x, y), (z,), "case"),)))
    code = emit(plan(graph, "cortex-m4", frozenset())).files["src/sum.c"]
    assert (
        """
    static const struct tinyc_qlinear_add constants = {
        .floats = {.x = 0.5f, .y = 0.25f, .fixed = 0.0f},
        .exact = {.x = 2, .y = 1, .fixed = 0, .point = 2},
        .near = {.x = 2097152, .y = 1048576, .fixed = 0, .point = 22, .window = 337},
        .offset = 0,
    };
"""
        in code
    )


def test_a_value_is_compared_with_itself() -> None:
    """Compilers refuse `x[i] < x[i]`."""
    x = Value("x", TensorType((2, 3), DType.I32), "case")
    y = Value("y", TensorType((2, 3), DType.BOOL), "case")
    graph = verify(Graph("same", (x,), (y,), (Node(Less(), (x, x), (y,), "case"),)))
    code = emit(plan(graph, "cortex-m4", frozenset())).files["src/same.c"]
    assert "*out++ = x < y;" in code and "in[i0] < in[i0]" not in code

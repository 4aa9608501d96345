"""The functions of elements, and what is printed around them."""

from __future__ import annotations

from tinyc.emit.emitter import emit
from tinyc.ir import DType, Graph, Node, TensorType, Value, verify
from tinyc.kernels.formula import Formula
from tinyc.ops.comparison import Less
from tinyc.plan import plan


def test_each_member_has_a_line() -> None:
    fields = {"x": 1, "y": -2, "to": {"low": -128, "high": 127}, "from": {"shift": 0}, "z": 3}
    assert Formula("f", struct="s", fields=fields).params()["fields"] == [
        ".x = 1",
        ".y = -2",
        ".to = {.low = -128, .high = 127}",
        ".from = {.shift = 0}",
        ".z = 3",
    ]


def test_a_value_is_compared_with_itself() -> None:
    """Compilers refuse `x[i] < x[i]`."""
    x = Value("x", TensorType((2, 3), DType.I32), "case")
    y = Value("y", TensorType((2, 3), DType.BOOL), "case")
    graph = verify(Graph("same", (x,), (y,), (Node(Less(), (x, x), (y,), "case"),)))
    code = emit(plan(graph, "cortex-m4", frozenset())).files["src/same.c"]
    assert "*out++ = x < y;" in code and "in[i0] < in[i0]" not in code

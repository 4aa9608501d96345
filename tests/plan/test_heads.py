"""What outputs stand for, how labels find them, and how near numbers are to others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinyc.emit.emitter import emit
from tinyc.errors import CompileError
from tinyc.frontends.order import Wanted, in_order
from tinyc.ir import DType, Graph, Node, Op, Quant, TensorType, Value, verify
from tinyc.ir.ports import input_ports, output_ports
from tinyc.ops.arg_max import ArgMax
from tinyc.ops.concat import Concat
from tinyc.ops.dequantize import Dequantize
from tinyc.ops.logistic import Logistic
from tinyc.ops.quantize import Quantize
from tinyc.ops.relu import Relu
from tinyc.ops.reshape import Reshape
from tinyc.ops.softmax import Softmax
from tinyc.passes import optimize
from tinyc.plan import plan
from tinyc.plan.heads import classifiers, deviation, heads, labelled, rules

SIGMOID = Quant((1 / 256,), (-128,))


def value(name: str, *shape: int, quant: Quant | None = None, dtype: DType = DType.F32) -> Value:
    return Value(name, TensorType(shape, dtype, quant), "test")


def chain(x: Value, *steps: tuple[Op, Value]) -> Graph:
    """``x`` through operators, each with its output."""
    nodes = []
    for op, output in steps:
        nodes.append(Node(op, (x,), (output,), output.name))
        x = output
    return verify(Graph("g", nodes[0].inputs, (x,), tuple(nodes)))


def copy(*outputs: Value) -> Graph:
    """A graph that gives each of ``outputs``: a copy of an input of its type."""
    inputs = tuple(Value(f"in_{v.name}", v.type, "test") for v in outputs)
    nodes = [Node(Concat(0), (i,), (o,), o.name) for i, o in zip(inputs, outputs, strict=True)]
    return verify(Graph("g", inputs, outputs, tuple(nodes)))


def test_kinds() -> None:
    soft = chain(value("x", 1, 4), (Softmax(1.0), value("p", 1, 4)), (Reshape(), value("r", 4)))
    (head,) = heads(soft)
    assert (head.kind, head.classes, head.certain) == ("scores", 4, True)
    i8 = value("x", 1, 1, quant=Quant((0.1,), (0,)), dtype=DType.I8)
    out = value("s", 1, 1, quant=SIGMOID, dtype=DType.I8)
    (head,) = heads(chain(i8, (Logistic(), out), (Dequantize(), value("f", 1, 1))))
    assert (head.kind, head.threshold, head.certain) == ("decision", 0.5, True)
    index = value("i", 1, dtype=DType.I32)
    (head,) = heads(chain(value("x", 1, 7), (ArgMax(1, False), index)))
    assert (head.kind, head.classes, head.certain) == ("index", 7, True)
    wide = value("big", 1, 65)
    found = heads(copy(value("a", 1, 1), value("b", 1, 3), value("c", 1, 2, 3), wide, out, index))
    assert [h.kind for h in found] == [
        "decision", "scores", "numbers", "numbers", "decision", "index",
    ]  # fmt: skip
    assert [h.threshold for h in found if h.kind == "decision"] == [0.0, 0.5]
    assert not any(h.certain for h in found)


def test_which_output_labels_are_of() -> None:
    number, scores = value("n", 1, 1), value("s", 1, 3)
    assert labelled(heads(copy(number, scores))).port.name == "s"
    assert labelled(heads(copy(number))).port.name == "n"
    assert labelled(heads(copy(value("map", 1, 2, 3)))) is None
    x, soft = value("x", 1, 3), value("p", 1, 3)
    plain = value("linear", 1, 3)
    nodes = (Node(Concat(0), (x,), (plain,), "a"), Node(Softmax(1.0), (x,), (soft,), "b"))
    found = heads(verify(Graph("g", (x,), (plain, soft), nodes)))
    assert labelled(found).port.name == "p"
    assert classifiers(found, {}) == {1} and classifiers(found, {0: None}) == {0, 1}
    assert classifiers(heads(copy(scores, value("b", 1, 2), number)), {}) == {0, 1}


def test_decisions() -> None:
    i8 = value("y", 1, 1, quant=SIGMOID, dtype=DType.I8)
    (head,) = heads(copy(i8))
    rows = np.array([[[-1]], [[0]], [[1]], [[127]]], np.int8)
    assert head.decide(rows, i8.type).tolist() == [0, 1, 1, 1]
    assert head.least == 0
    (logit,) = heads(copy(value("y", 1, 1, quant=Quant((0.1,), (5,)), dtype=DType.I8)))
    assert logit.least == 5
    (real,) = heads(copy(value("y", 1, 1)))
    assert real.decide(np.array([[-0.1], [0.2]], np.float32)).tolist() == [0, 1]
    assert real.least == 0.0
    for zero in (-128, -1, 100):
        for scale in (1 / 256, 1 / 255, 0.7):
            y = value("y", 1, 1, quant=Quant((scale,), (zero,)), dtype=DType.I8)
            (head,) = heads(copy(y))
            every = np.arange(-128, 128, dtype=np.int8).reshape(-1, 1, 1)
            ones = every.ravel()[head.decide(every, y.type) == 1]
            assert head.least == (ones[0] if len(ones) else 127), (zero, scale)


def test_rules_follow_the_float_functions() -> None:
    i8 = value("x", 1, 4, quant=Quant((0.1,), (0,)), dtype=DType.I8)
    back = value("q", 1, 4, quant=SIGMOID, dtype=DType.I8)
    through = [(Dequantize(), value("f", 1, 4)), (Softmax(1.0), value("p", 1, 4))]
    assert rules(chain(i8, *through, (Quantize(), back))) == ("step",)
    assert rules(chain(i8, *through)) == ("float",)
    relu = [(Dequantize(), value("f", 1, 4)), (Relu("relu"), value("p", 1, 4))]
    assert rules(chain(i8, *relu, (Quantize(), back))) == ("bits",)
    assert rules(chain(i8, (Softmax(1.0), back))) == ("bits",)


def test_deviation() -> None:
    def of(a: list[float], b: list[float], rule: str, dtype: type) -> tuple[list[bool], float]:
        wrong, most = deviation(np.array([a], dtype).T, np.array([b], dtype).T, rule)
        return wrong.tolist(), most

    assert of([3, -4, 5], [3, -3, 7], "bits", np.int8) == ([False, True, True], 2.0)
    assert of([3, -4, 5], [3, -3, 7], "step", np.int8) == ([False, False, True], 2.0)
    assert of([-128], [127], "step", np.int8) == ([True], 255.0)
    assert of([0.0], [-0.0], "bits", np.float32) == ([True], 0.0)
    near, far = 1 + 0.9e-4, 1 + 1.2e-4
    wrong, most = of([near, far, 2000.1, 1e-6], [1, 1, 2000, 0], "float", np.float32)
    assert wrong == [False, True, False, False] and most == pytest.approx(0.1, rel=1e-2)
    inf, nan = math.inf, math.nan
    assert of([inf, nan], [inf, nan], "float", np.float32) == ([False, False], 0.0)
    assert of([inf, nan, 0], [-inf, 0, nan], "float", np.float32)[0] == [True, True, True]


# Names and order -----------------------------------------------------------------------------


def named(names: list[str], *values: Value) -> Graph:
    graph = copy(*values)
    return Graph("g", graph.inputs, graph.outputs, graph.nodes, "", tuple(names), tuple(names))


def wanted(*names: str, shape: tuple[int, ...] | None = (3,)) -> list[Wanted]:
    return [Wanted(name, (name,), shape, "float32") for name in names]


def test_names_are_unique() -> None:
    values = [value(n, 1, 3) for n in "abcdef"]
    graph = named(["a b", "A_b", "x", "x", "x_1", "7"], *values)
    names = ["a b", "A_b", "x", "x_2", "x_1", "7"]
    assert [p.name for p in input_ports(graph)] == names
    assert [p.identifier for p in output_ports(graph)] == ["a_b", "a_b_1", "x", "x_2", "x_1", "m_7"]
    header = emit(plan(optimize(graph), "cortex-m4", frozenset())).files["include/g.h"]
    for port in input_ports(graph):
        line = f"static inline float *g_input_{port.identifier}(void *arena)"
        assert header.count(line) == 1
        assert f"/* '{port.name}' */\n{line}\n{{\n    return g_input_{port.index}(arena);" in header


def test_order_by_name_then_by_shape() -> None:
    a, b, c = value("a", 1, 3), value("b", 1, 3), value("c", 1, 2, 2)
    graph = named(["a", "b", "c"], a, b, c)
    want = [*wanted("b"), *wanted("c", shape=(2, 2)), *wanted("a")]
    found = in_order(graph, want, want, "m")
    assert [v.name for v in found.outputs] == ["b", "c", "a"]
    assert found.input_names == found.output_names == ("b", "c", "a")
    # One of the others can be meant, and by its shape.
    want = [*wanted("else", shape=(2, 2)), *wanted("b", "a")]
    assert [v.name for v in in_order(graph, want, want, "m").outputs] == ["c", "b", "a"]
    # A name that the file has in another spelling.
    spelt = named(["in/A", "b", "c"], a, b, c)
    want = [*wanted("b", "in_a"), *wanted("c", shape=(2, 2))]
    assert [v.name for v in in_order(spelt, want, want, "m").outputs] == ["b", "a", "c"]
    # What the author calls it may be what the file calls another: its surest name counts.
    swapped = [Wanted("a", ("b", "a"), (3,), "float32"), Wanted("b", ("a", "b"), (3,), "float32")]
    two = in_order(named(["a", "b"], a, b), swapped, swapped, "m")
    assert [v.name for v in two.outputs] == ["b", "a"] and two.output_names == ("a", "b")


def test_ambiguous_order_is_an_error() -> None:
    graph = named(["p", "q", "c"], value("a", 1, 3), value("b", 1, 3), value("c", 1, 3))
    for want in (wanted("c", "x", "y"), wanted("c", "x"), []):
        with pytest.raises(CompileError) as caught:
            in_order(graph, want, want, "m.py:net")
        assert caught.value.id == "E227" and "'p'" in str(caught.value) and "'q'" in str(caught)


def test_numbered_names_are_in_order() -> None:
    """Keras numbers what a subclassed model takes and gives; ten stands behind two."""
    names = [f"output_{n}" for n in (1, 10, 2, 3, 4, 5, 6, 7, 8, 9)]
    graph = named(names, *(value(f"v{n[7:]}", 1, 3) for n in names))
    found = in_order(graph, [], [], "m")
    assert [v.name for v in found.outputs] == [f"v{n}" for n in range(1, 11)]
    assert found.output_names == tuple(f"output_{n}" for n in range(1, 11))
    one = named(["anything"], value("a", 1, 3))
    assert in_order(one, [], [], "m").output_names == ("anything",)

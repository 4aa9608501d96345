"""Graphs and plans as text."""

from __future__ import annotations

import numpy as np
import pytest
from test_passes import convolution, graph, value

from tinyc.ir import Graph, Node, printer
from tinyc.ops.base import all_ops
from tinyc.ops.concat import Concat
from tinyc.ops.gather import Gather
from tinyc.ops.split import Split

LONG = "model_1/block_7/" * 12 + "activation_2"


def small(name: str = "activation_2") -> Graph:
    x = value("x", 1, 6, 6, 1)
    weights = np.arange(-9, 9).reshape(2, 3, 3, 1)
    node = convolution(x, weights, np.array([70, -8]), name, ((0, 1), (2, 2)))
    return graph([x], [node], [node.output])


def test_a_node_is_a_line() -> None:
    assert str(small()).splitlines() == [
        "graph test",
        "  %0 = input: 1x6x6x1 i8 s=0.05 z=-11   // x",
        "  %1 = conv2d %0, @0, @1, stride=1x1, padding=0+1x2, activation=relu: "
        "1x5x8x2 i8 s=0.05 z=-11   // activation_2",
        "  return %1",
        "  @0 = -9..8: 2x3x3x1 i8 s=0.01 z=0   // activation_2/w",
        "  @1 = [70, -8]: 2 i32   // activation_2/b",
    ]


def test_a_long_name_keeps_its_end() -> None:
    (line,) = (line for line in str(small(LONG)).splitlines() if "%1 = " in line)
    assert len(line) == printer.WIDTH and "// ..." in line and line.endswith("activation_2")


def test_many_operands_and_outputs_are_counted() -> None:
    x = value("x", 1, 30)
    parts = tuple(value(f"part{i}", 1, 3) for i in range(10))
    nodes = [
        Node(Split(1, (3,) * 10), (x,), parts, "split"),
        Node(Concat(1), parts, (y := value("y", 1, 30),), "concat"),
        Node(Gather(1, tuple(range(29))), (y,), (z := value("z", 1, 29),), "gather"),
    ]
    text = str(graph([x], nodes, [z]))
    assert "%1..%10 = split %0, axis=1, sizes=[3, 3, 3, 3, 3, and 5 more]: 10 of 1x3 i8" in text
    assert "%11 = concat %1, %2, %3, %4, %5, and 5 more, axis=1: 1x30 i8" in text
    assert "indices=[0, 1, 2, 3, 4, and 24 more]" in text


@pytest.mark.parametrize("op", all_ops(), ids=lambda op: op.__name__)
def test_each_line_is_of_a_terminal(op) -> None:
    for node in op.cases(np.random.default_rng(0)):
        sources = tuple(dict.fromkeys(v for v in node.inputs if not v.constant))
        text = str(Graph(LONG[-20:], sources, node.outputs, (node,)))
        assert max(map(len, text.splitlines())) <= printer.WIDTH
        assert f" = {printer.operator(node.op)} " in text
        assert "\xa0" not in text

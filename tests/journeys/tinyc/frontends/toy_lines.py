"""A format of one line: how many elements a network takes, and what it adds to them in turn."""

from __future__ import annotations

from pathlib import Path

from ..ir import DType, Graph, Node, Quant, TensorType, Value
from ..ops.toy_raise import ToyRaise
from .base import Frontend, Model, register


def _read(model: str, trust: bool) -> Model:
    elements, *raises = map(int, Path(model).read_text().split())
    kind = TensorType((1, elements), DType.I8, Quant((1.0,), (0,)))
    values = [Value(f"v{i}", kind, model) for i in range(len(raises) + 1)]
    nodes = [
        Node(ToyRaise(by), (values[i],), (values[i + 1],), f"{model}: number {i}")
        for i, by in enumerate(raises)
    ]
    return Model(Graph(Path(model).stem, (values[0],), (values[-1],), tuple(nodes)))


register(Frontend("toy_lines", lambda model: Path(model).suffix == ".toy", _read))

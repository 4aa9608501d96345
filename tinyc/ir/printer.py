"""The lines of a graph as text that a person reads: one for each node, one for each constant.

``%3 = conv2d %2, @0, @1, stride=1x1: 1x25x5x64 i8 s=0.58 z=83   // activation_2``: values are
numbered in the order in which they are made, constants in that in which they are read, with their
range or their few numbers.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ..errors import printable
from .node import Node, Op, Value
from .types import Array, Quant, TensorType

WIDTH = 120
_FEW = 6
"""Operands, or numbers of a list, of which all are printed."""
_LEAST_NAME = 10
"""Columns in which a name is still worth its place."""
_NO_BREAK = "\xa0"
_USUAL = {"activation": "none", "inner_activation": "none", "multiplier": 1}
"""Attributes that are not worth a word at these values; nor are False, None, paddings of 0 and
steps of 1."""
_PADDINGS = ("padding", "paddings", "crops")
_STEPS = ("dilation", "step")
_SIZES = ("kernel", "stride", "dilation", "cut", "size", "block")


class Names:
    """The numbers that values have in a graph's text."""

    def __init__(self, made: Iterable[Value], read: Iterable[Value]) -> None:
        """made: the variables, in the order in which they are; read: all that is, likewise."""
        self.variables = {value: f"%{i}" for i, value in enumerate(made)}
        constants = dict.fromkeys(v for v in read if v.constant)
        self.constants = {value: f"@{i}" for i, value in enumerate(constants)}

    def items(self) -> Iterable[tuple[Value, str]]:
        return {**self.variables, **self.constants}.items()

    def __getitem__(self, value: Value) -> str:
        return self.constants[value] if value.constant else self.variables[value]


def described(type: TensorType) -> str:
    """A type with its quantization: ``1x25x5x64 i8 s=0.58 z=83``; of channels the extremes."""
    if type.quant is None:
        return str(type)
    return f"{type} {_quant(type.quant)}"


def line(body: str, name: str = "", indent: int = 2) -> str:
    """``body``, wrapped if need be, and as far as it fits beside it ``name`` as a comment."""
    lines = textwrap.wrap(
        body, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 6),
        break_on_hyphens=False,
    )  # fmt: skip
    room = WIDTH - len(lines[-1]) - len("   // ")
    name = printable(name, 10**6)
    if len(name) > room:  # the first of the layers that became this one, and the end of its path
        name = name.split(";")[0]
    if len(name) > room:
        name = f"...{name[3 - room :]}" if room >= _LEAST_NAME else ""
    lines[-1] += f"   // {name}" if name else ""
    return "\n".join(lines).replace(_NO_BREAK, " ")


def attributes(op: Op) -> dict[str, str]:
    """The attributes of an operator as text, without those that say nothing."""
    found: dict[str, Any] = (
        {f.name: getattr(op, f.name) for f in fields(op)} if is_dataclass(op) else {}
    )
    return {
        name: _attribute(name, value)
        for name, value in found.items()
        if value is not False and value is not None and value != _USUAL.get(name)
        if name not in _PADDINGS or np.any(value)
        if name not in _STEPS or np.any(np.not_equal(value, 1))
    }


def operator(op: Op) -> str:
    """The operator's name in snake case: ``depthwise_conv2d``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(op).__name__).lower()


def few(items: Sequence[str], most: int = _FEW) -> str:
    """``items`` with commas between them, the last of more than ``most`` only counted."""
    more = [f"and {len(items) - most + 1} more"] if len(items) > most else []
    return ", ".join([*(items[: most - 1] if more else items), *more])


def node_line(node: Node, names: Names) -> str:
    """What a node makes, of what, and the types."""
    made = [names[v] for v in node.outputs]
    read = [names[v] for v in node.inputs]
    given = [f"{name}={value}" for name, value in attributes(node.op).items()]
    types = list(dict.fromkeys(described(v.type) for v in node.outputs))
    type = f"{len(made)} of {types[0]}" if len(made) > len(types) == 1 else few(types, 3)
    left = made[0] if len(made) == 1 else f"{made[0]}..{made[-1]}"
    body = f"{left} = {operator(node.op)} {', '.join([few(read), *given])}: "
    return line(body + type.replace(" ", _NO_BREAK), node.outputs[0].name)


def _attribute(name: str, value: Any) -> str:
    if isinstance(value, Op):
        return f"{operator(value)}({', '.join(f'{k}={v}' for k, v in attributes(value).items())})"
    if isinstance(value, Quant):
        return f"({_quant(value)})"
    if isinstance(value, tuple):
        if name in _PADDINGS:
            return "x".join(_joined("+", pair) for pair in value)
        return "x".join(map(str, value)) if name in _SIZES else f"[{few([*map(str, value)])}]"
    return _number(value, 6)


def _quant(quant: Quant) -> str:
    return f"s={_extremes(quant.scale)} z={_extremes(quant.zero_point)}"


def _extremes(numbers: Sequence[float]) -> str:
    return _joined("..", (min(numbers), max(numbers)))


def _joined(mark: str, pair: Sequence[float]) -> str:
    """Two numbers with a mark between them, or the one that they both are."""
    return mark.join(dict.fromkeys(_number(x, 3) for x in pair))


def numbers(data: Array) -> str:
    """A constant's few numbers, or the least and the greatest of them."""
    flat = data.ravel().tolist()
    if len(flat) > _FEW:
        return _extremes(flat)
    return f"[{', '.join(_number(x, 6) for x in flat)}]"


def _number(x: float, digits: int) -> str:
    return f"{x:.{digits}g}" if isinstance(x, float) else str(x)

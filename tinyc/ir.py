"""The intermediate representation: frozen values, checked after every pass.

A `Graph` is a list of `Node`s in a valid order over `Value`s. A `Value` with data is a
constant. Values and nodes are compared by identity; a pass builds new ones where it
changes something and shares the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .op import Op


class DType(Enum):
    """An element type; ``value`` is its short name in captions and tables."""

    I8 = "i8"
    U8 = "u8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    F32 = "f32"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype:
        return np.dtype(_NUMPY[self])

    @property
    def c(self) -> str:
        """The C99 type that holds one element."""
        return _C[self]

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest value of an integer type."""
        info = np.iinfo(self.numpy)
        return int(info.min), int(info.max)


_NUMPY = {
    DType.I8: np.int8, DType.U8: np.uint8, DType.I16: np.int16, DType.I32: np.int32,
    DType.I64: np.int64, DType.F32: np.float32, DType.BOOL: np.bool_,
}  # fmt: skip
_C = {
    DType.I8: "int8_t", DType.U8: "uint8_t", DType.I16: "int16_t", DType.I32: "int32_t",
    DType.I64: "int64_t", DType.F32: "float", DType.BOOL: "uint8_t",
}  # fmt: skip


@dataclass(frozen=True)
class Quant:
    """Affine quantization ``real = scale * (q - zero_point)``.

    scale: float32 values held as Python floats, one, or one for each index of ``axis``;
    zero_point: as many integers.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scale) > 1


@dataclass(frozen=True)
class TensorType:
    """Shape, element type and quantization (None for floats, indices and plain integers)."""

    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.size

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantization."""
        assert self.quant is not None and not self.quant.per_channel
        return self.quant.scale[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantization; 0 for an unquantized type."""
        return self.quant.zero_point[0] if self.quant else 0

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape)) or 'scalar'} {self.dtype.value}"


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph; ``data`` (read-only, of the type's shape and dtype) if constant."""

    name: str
    type: TensorType
    origin: str
    data: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.data is not None:
            assert self.data.shape == self.type.shape, (self.name, self.data.shape, self.type)
            assert self.data.dtype == self.type.dtype.numpy, (self.name, self.data.dtype)
            self.data.setflags(write=False)

    @property
    def constant(self) -> bool:
        return self.data is not None


@dataclass(frozen=True, eq=False)
class Node:
    """One operator applied: ``op`` holds the attributes, inputs and outputs are values."""

    op: Op
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    origin: str

    @property
    def output(self) -> Value:
        """The only output of a node that has one."""
        (value,) = self.outputs
        return value

    @property
    def variable_inputs(self) -> tuple[Value, ...]:
        """The inputs that are not constants, each once, in their order."""
        return tuple(dict.fromkeys(v for v in self.inputs if not v.constant))


@dataclass(frozen=True)
class Missed:
    """Why a pass could not bring a node into a better ``form``: that with this origin and an
    operator of this type. Origins last through the passes, names of values do not."""

    origin: str
    op: type[Op]
    form: str
    reason: str


@dataclass(frozen=True, eq=False)
class State:
    """What a network keeps between its runs.

    entry: its value when a run starts; exit: when it has ended, which the next run starts with
    (of the same shape, element type and quantization); initial: what the first one starts with,
    an array of that type.
    """

    entry: Value
    exit: Value
    initial: np.ndarray


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: ``nodes`` in an order in which each reads only what stands before it.

    notes: what was taken for granted in reading it, one sentence each, for the user to hear;
    missed: of the passes that it went through; input_names, output_names: what the model calls
    them, see `tinyc.ports`.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    sha256: str = ""
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missed: tuple[Missed, ...] = ()
    states: tuple[State, ...] = ()

    @property
    def sources(self) -> tuple[Value, ...]:
        """What a run starts from: the inputs, then the states as the last run left them."""
        return (*self.inputs, *(state.entry for state in self.states))

    @property
    def results(self) -> tuple[Value, ...]:
        """What a run must leave: the outputs, then the states for the next one."""
        return (*self.outputs, *(state.exit for state in self.states))

    def with_results(self, final: Callable[[Value], Value]) -> Graph:
        """The graph with each of its `results` replaced."""
        states = tuple(replace(state, exit=final(state.exit)) for state in self.states)
        return replace(self, outputs=tuple(map(final, self.outputs)), states=states)

    def uses(self) -> dict[Value, list[Node]]:
        """Value -> the nodes that read it, in order (a node once for each reading)."""
        uses: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                uses.setdefault(value, []).append(node)
        return uses

    def producers(self) -> dict[Value, Node]:
        return {value: node for node in self.nodes for value in node.outputs}

    def substitute(self, mapping: Mapping[Value, Value], drop: Sequence[Node] = ()) -> Graph:
        """The graph with values replaced in every place that reads them, without ``drop``."""

        def final(value: Value) -> Value:
            while value in mapping:
                value = mapping[value]
            return value

        dropped = set(drop)
        nodes = []
        for node in self.nodes:
            if node in dropped:
                continue
            inputs = tuple(final(v) for v in node.inputs)
            nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))
        return replace(self, nodes=tuple(nodes)).with_results(final)

    def __str__(self) -> str:
        lines = [f"graph {self.name}({', '.join(_show(v) for v in self.inputs)}):"]
        lines += [f"  state {_show(state.entry)}" for state in self.states]
        for node in self.nodes:
            outs = ", ".join(_show(v) for v in node.outputs)
            lines.append(f"  {outs} = {node.op}({', '.join(_show(v) for v in node.inputs)})")
        for state in self.states:
            lines.append(f"  keep {state.entry.name} = {state.exit.name}")
        return "\n".join([*lines, f"  return {', '.join(v.name for v in self.outputs)}"])


def _show(value: Value) -> str:
    kind = "const " if value.constant else ""
    return f"{value.name}: {kind}{value.type}"


def verify(graph: Graph) -> Graph:
    """Return ``graph`` if it is well-formed: each value is defined once, before it is read,
    and each node fulfils its operator's rule. Raises AssertionError (a bug in a pass) or
    the operator's CompileError."""
    known = set(graph.sources)
    assert len(known) == len(graph.sources), "an input or a state stands twice"
    for node in graph.nodes:
        for value in node.inputs:
            assert value.constant or value in known, f"{value.name} is read before it is defined"
        for value in node.outputs:
            assert value not in known and not value.constant, f"{value.name} is defined twice"
            known.add(value)
        node.op.check(node)
    for value in graph.results:
        assert value.constant or value in known, f"output {value.name} is not defined"
    for state in graph.states:
        assert state.entry.type == state.exit.type, f"state {state.entry.name} changes its type"
        assert state.initial.shape == state.entry.type.shape
        assert state.initial.dtype == state.entry.type.dtype.numpy
    return graph


def interpret(
    graph: Graph, inputs: Sequence[np.ndarray], states: Sequence[np.ndarray] | None = None
) -> dict[Value, np.ndarray]:
    """Run the numpy reference of every node; returns every value that is not a constant.

    states: what the last run left of each of the graph's, see `kept`; the initial ones if None.
    """
    kept_before = [state.initial for state in graph.states] if states is None else states
    env: dict[Value, np.ndarray] = {}
    for value, array in zip(graph.sources, (*inputs, *kept_before), strict=True):
        assert array.shape == value.type.shape and array.dtype == value.type.dtype.numpy
        env[value] = array
    for node in graph.nodes:
        arrays = [v.data if v.data is not None else env[v] for v in node.inputs]
        with np.errstate(all="ignore"):  # floats overflow as silently as in C
            results = node.op.evaluate(node, *arrays)
        for value, array in zip(node.outputs, results, strict=True):
            assert array.shape == value.type.shape, (node.origin, array.shape, value.type)
            assert array.dtype == value.type.dtype.numpy, (node.origin, array.dtype, value.type)
            env[value] = array
    return env


def kept(graph: Graph, values: Mapping[Value, np.ndarray]) -> list[np.ndarray]:
    """What the next run starts with, out of the ``values`` of a run (`interpret`)."""
    return [s.exit.data if s.exit.data is not None else values[s.exit] for s in graph.states]

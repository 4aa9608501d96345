"""The values of a graph that is being lifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import CompileError
from ...ir import Array, Node, TensorType, Value
from ...ops.base import CONVERT_AGAIN
from .lists import Lists
from .rule import TfliteOp
from .source import MAX_COPIED, Source, SourceOp
from .unsigned import Unsigned
from .variables import Name, Variables


@dataclass(frozen=True)
class Step:
    """What became of an operator: nodes or errors, the tensors that these depend on, and whether
    it leaves something for the next run."""

    op: SourceOp
    nodes: tuple[Node, ...] = ()
    errors: tuple[CompileError, ...] = ()
    reads: frozenset[int] = frozenset()
    carries: bool = False


class Scope:
    """The values of a graph, or of a subgraph, that is being lifted, by the index of their tensor.

    defined: the tensors that are computed so far; unknown: those whose shape an operator that
    is not supported would have to tell; errors: of the graph's inputs; caller, label: of the
    subgraph of a loop or a branch, the graph that it stands in and a mark for its values' names;
    resources: handle -> the variable that it is of.
    """

    def __init__(
        self,
        source: Source,
        variables: Variables,
        caller: Scope | None = None,
        arguments: Sequence[Value] = (),
        label: str = "",
    ) -> None:
        self.source = source
        self.variables = variables
        self.depth: int = caller.depth + 1 if caller else 0
        self.unsigned: Unsigned = caller.unsigned if caller else Unsigned()
        self.lists: Lists = caller.lists if caller else Lists()
        self.operators: list[int] = caller.operators if caller else [0]  # of all subgraphs
        self.label = label
        self.resources: dict[int, Name] = {}
        self.defined = set(source.inputs)
        self.errors: list[CompileError] = []
        self.values: dict[int, Value] = {}
        self._names: set[str] = set()
        self.unknown: set[int] = set()
        self._folded = 0  # bytes
        self.values.update(zip(source.inputs, arguments, strict=False))

    def value(self, index: int) -> Value:
        if index not in self.values:
            t = self.source.tensors[index]
            name = t.name if t.name not in self._names else f"{t.name}:{index}"
            name += self.label
            self._names.add(name)
            origin = f"{self.source.file}: tensor {index} '{t.name}'"
            kind = TensorType(t.shape, t.dtype, t.quant)
            self.values[index] = Value(name, kind, origin, t.data)
        return self.values[index]

    def type(self, index: int) -> TensorType | None:
        t = self.source.tensors.get(index)
        return None if t is None else TensorType(t.shape, t.dtype, t.quant)

    def error(self, op: SourceOp, what: str, hint: str = CONVERT_AGAIN) -> CompileError:
        return TfliteOp(self.source.file, op, (), ()).fail(what, hint)

    def is_constant(self, index: int, empty: bool = True) -> bool:
        """Whether a tensor has data; empty: or none of its own, since it has no elements."""
        t = self.source.tensors.get(index)
        return t is not None and t.data is not None and (empty or t.data.size > 0)

    def is_open(self, index: int) -> bool:
        """Whether the file leaves more of a tensor's shape open than its batch."""
        t = self.source.tensors.get(index)
        return t is None or min(t.signature[1:], default=0) < 0

    def expect_room(self, more: int, src: TfliteOp) -> None:
        """Count ``more`` bytes of constants that are computed here; raises CompileError E302 if
        they are too many."""
        self._folded += more
        if self._folded > MAX_COPIED:
            raise src.fail(
                f"brings the constants that are computed at compile time to over "
                f"{MAX_COPIED >> 20} MB",
                "use a smaller model: no microcontroller has that much",
            )

    def fold(self, index: int, array: Array, src: TfliteOp) -> None:
        value, t = self.value(index), self.source.tensors[index]
        if array.shape != value.type.shape and not t.signature:
            raise src.fail(
                f"gives the shape {list(array.shape)}, its output has {list(value.type.shape)}",
                CONVERT_AGAIN, "E301",
            )  # fmt: skip
        kind = replace(value.type, shape=array.shape)
        # A copy: an operator may hand on a view of its input.
        self.values[index] = replace(value, type=kind, data=np.array(array, kind.dtype.numpy))

"""Loops, branches and variables: what is resolved while a graph is lifted, and leaves no node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...errors import CompileError
from ...ir import Node, Value
from .flatbuffer import MalformedError
from .lists import HANDLE, LISTS
from .rule import TfliteOp
from .scope import Scope, Step
from .source import MAX_NAME, MAX_OPERATORS, Source, SourceOp

CONTROL = (
    "WHILE", "IF", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", *LISTS,
)  # fmt: skip
"""Operators that are resolved here and have no rule of their own."""
MAX_DEPTH = 16
"""Of subgraphs that call subgraphs."""
UNROLLED = "convert a model whose loops have a fixed number of steps: a fixed input length"


class Control(Scope):
    """A scope in which `CONTROL` is resolved."""

    def inner(self, source: Source, arguments: Sequence[Value], label: str) -> Control:
        """A scope of a subgraph that is called here with ``arguments``."""
        return type(self)(source, self.variables, self, arguments, f"{self.label}{label}")

    def live_steps(self) -> list[Step]:
        """What the outputs of this scope depend on, imported."""
        raise AssertionError(f"{type(self).__name__} imports nothing")

    def resolve(self, op: SourceOp) -> Step:
        """A loop of as many steps as the file tells, or a branch that it tells, in its place; a
        variable that outlives a run."""
        reads = frozenset(i for i in op.inputs if i != -1)
        if self.unknown.intersection(reads):  # whose own error is told
            self.unknown.update(op.outputs)
            return Step(op, reads=reads)
        try:
            if op.name == "WHILE":
                nodes, errors = self._unroll(op)
            elif op.name == "IF":
                nodes, errors = self._branch(op)
            elif op.name in LISTS:
                nodes, errors = self._list(op), []
            else:
                self._variable(op)
                nodes, errors = [], []
        except (CompileError, MalformedError) as error:
            self.unknown.update(op.outputs)
            if isinstance(error, MalformedError):
                error = replace(self.error(op, f"malformed options: {error}"), id="E301")
            return Step(op, errors=(error,), reads=reads)
        if errors:
            self.unknown.update(op.outputs)
        return Step(op, tuple(nodes), tuple(errors), reads)

    def _call(
        self, op: SourceOp, option: str, arguments: Sequence[Value], label: str
    ) -> tuple[list[Node], list[Value], list[CompileError]]:
        """The nodes of a subgraph for ``arguments``, the values of its outputs, and errors."""
        called = self.source.subgraphs[TfliteOp(self.source.file, op, (), ()).option(option)]
        if len(called.inputs) != len(arguments) or self.depth >= MAX_DEPTH:
            raise self.error(op, f"calls a subgraph of {len(called.inputs)} inputs {self.depth} "
                                  f"deep with {len(arguments)}")  # fmt: skip
        inner = self.inner(called, arguments, label)
        steps = inner.live_steps()
        known = called.tensors.keys() | inner.values.keys()
        outputs = [inner.value(i) for i in called.outputs if i in known]
        errors = [error for step in steps for error in step.errors]
        if len(outputs) != len(called.outputs):
            errors += [called.refused[i] for i in called.outputs if i not in known]
        return [node for step in steps for node in step.nodes], outputs, errors

    def _arguments(self, op: SourceOp) -> list[Value]:
        for i in op.inputs:
            if i in self.source.refused and i not in self.values:
                raise self.source.refused[i]
            if i == -1 or i in self.unknown or not (i in self.defined or self.value(i).constant):
                raise self.error(op, f"reads tensor {i} before it is computed")
        return [self.value(i) for i in op.inputs]

    def _bind(self, op: SourceOp, values: Sequence[Value]) -> None:
        if len(values) != len(op.outputs):
            raise self.error(op, f"has {len(op.outputs)} outputs, its subgraph {len(values)}")
        self.values.update(zip(op.outputs, values, strict=True))

    def _list(self, op: SourceOp) -> list[Node]:
        """One of `LISTS`."""
        listed = op.outputs and op.outputs[0] in self.source.refused
        if listed:
            name = f"list {op.outputs[0]}{self.label}"
            output = Value(name, HANDLE, f"{self.source.file}: {self.source.place(op)}")
        else:
            (output,) = (self.value(i) for i in op.outputs)
        src = TfliteOp(self.source.file, op, tuple(self._arguments(op)), (output,))
        value, nodes = self.lists.resolve(src, output)
        for node in nodes:
            node.op.check(node)
        self.values[op.outputs[0]] = value
        return nodes

    def _unroll(self, op: SourceOp) -> tuple[list[Node], list[CompileError]]:
        values = self._arguments(op)
        nodes: list[Node] = []
        for count in range(MAX_OPERATORS):
            _, flags, errors = self._call(op, "cond", values, f"@{op.index}.{count}?")
            if errors:
                return nodes, errors
            if len(flags) != 1 or flags[0].data is None or flags[0].data.size != 1:
                raise self.error(op, "its number of steps depends on the input", UNROLLED)
            if not flags[0].data.all():
                break
            body, values, errors = self._call(op, "body", values, f"@{op.index}.{count}")
            nodes += body
            if errors:
                return nodes, errors
        self._bind(op, values)
        return nodes, []

    def _branch(self, op: SourceOp) -> tuple[list[Node], list[CompileError]]:
        condition, *values = self._arguments(op)
        if condition.data is None or condition.data.size != 1:
            raise self.error(
                op, "which branch it takes depends on the input",
                "compute both and choose by a multiplication",
            )  # fmt: skip
        branch = "then" if condition.data.all() else "else"
        nodes, values, errors = self._call(op, branch, values, f"@{op.index}")
        if not errors:
            self._bind(op, values)
        return nodes, errors

    def _variable(self, op: SourceOp) -> None:
        if op.name != "READ_VARIABLE":
            self.defined.difference_update(op.outputs)  # at most a handle, which is no number
        if op.name == "CALL_ONCE":
            with self.variables.initializing():
                _, _, errors = self._call(op, "init", (), f"@{op.index}")
            if errors:
                raise errors[0]
            return
        if op.name == "VAR_HANDLE":
            texts = [op.options.string(i, MAX_NAME) if op.options else "" for i in (0, 1)]
            self.resources.update(dict.fromkeys(op.outputs, (texts[0], texts[1])))
            self.defined.difference_update(op.outputs)  # a handle is no number to compute with
            return
        name = self.resources.get(op.inputs[0]) if op.inputs else None
        if name is None:
            raise self.error(op, "reads no variable of this subgraph")
        origin = self.error(op, "").origin
        if op.name == "READ_VARIABLE" and len(op.outputs) == 1:
            kept = self.variables.read(name, self.value(op.outputs[0]), origin)
            self.values[op.outputs[0]] = kept
        elif op.name == "ASSIGN_VARIABLE" and len(op.inputs) == 2:
            (value,) = self._arguments(replace(op, inputs=op.inputs[1:]))
            self.variables.assign(name, value, origin)
        else:
            raise self.error(op, f"has {len(op.inputs)} inputs and {len(op.outputs)} outputs")

"""Bytes -> `Source`: the flatbuffer is verified, its indices are checked."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial

import numpy as np

from ...errors import CompileError
from ...ir import Array
from . import schema
from .flatbuffer import MalformedError, Table
from .signature import port_names
from .source import CALLS, MAX_NAME, MAX_NUMBERS, MAX_OPERATORS, SCHEMA_VERSION, Source, SourceOp
from .tensors import TensorReader


def parse(raw: bytes, file: str, name: str) -> Source:
    """Verify the flatbuffer and take what the lift needs. Raises CompileError E301/E303."""
    if raw[4:8] != b"TFL3":
        hint = "give a .tflite file (identifier TFL3), a Keras model, or FILE.py:FUNCTION"
        raise CompileError("E301", file, "this is no TFLite model", hint)
    try:
        return _parse(raw, file, name)
    except MalformedError as error:
        raise CompileError(
            "E301", file, f"malformed: {error}", "convert or copy it again"
        ) from None


def _parse(raw: bytes, file: str, name: str) -> Source:
    return _Parser(raw, file, name).first()


class _Parser:
    """Reads the first subgraph and those that its operators call."""

    def __init__(self, raw: bytes, file: str, name: str) -> None:
        self._malformed = partial(CompileError, "E301", file, hint="convert or copy it again")
        self._file, self._name, self._sha256 = file, name, hashlib.sha256(raw).hexdigest()
        self._model = model = Table.root(raw)
        version = int(model.scalar(0, "u32"))
        if version != SCHEMA_VERSION:
            raise self._malformed(f"is of version {version} of the schema, not {SCHEMA_VERSION}")
        self._graphs = model.tables(2)
        if not self._graphs:
            raise self._malformed("has no subgraph")
        self._codes = model.tables(1)
        self._names: dict[int, str] = {}
        self._reader = TensorReader(raw, model.tables(4), file)
        self._numbers = 0
        self._found: dict[int, Source] = {}

    def first(self) -> Source:
        waiting = [0]
        while waiting:
            index = waiting.pop()
            if not 0 <= index < len(self._graphs):
                raise self._malformed(f"calls subgraph {index} of {len(self._graphs)}")
            if index not in self._found:
                self._found[index] = self._subgraph(index)
                waiting += _called(self._found[index])
        return self._found[0]

    def _subgraph(self, index: int) -> Source:
        graph = self._graphs[index]
        tables = graph.tables(0)
        ops = self._operators(graph, len(tables))
        inputs = self._indices(graph.array(1, np.int32), "the graph's inputs", len(tables))
        outputs = self._indices(graph.array(2, np.int32), "the graph's outputs", len(tables))
        named = {*inputs, *outputs}
        named.update(i for op in ops for i in (*op.inputs, *op.outputs, *op.intermediates))
        tensors, refused = {}, {}
        for i in sorted(named - {-1}):
            try:
                tensors[i] = self._reader.read(tables[i], i)
            except CompileError as error:
                refused[i] = replace(error)  # without the frames that it came through
        names = {i: t.name for i, t in tensors.items()}
        input_names, output_names = port_names(self._model, index, (inputs, outputs), names)
        return Source(
            file=self._file,
            name=self._name,
            sha256=self._sha256,
            tensors=tensors,
            refused=refused,
            ops=tuple(ops),
            inputs=inputs,
            outputs=outputs,
            input_names=input_names,
            output_names=output_names,
            notes=() if index else _other_signatures(self._model, self._file),
            subgraphs=self._found,
        )

    def _indices(
        self, array: Array, what: str, count: int, optional: bool = False
    ) -> tuple[int, ...]:
        self._numbers += len(array)
        if self._numbers > MAX_NUMBERS:
            raise self._malformed(f"its operators have over {MAX_NUMBERS:,} operands")
        wrong = (array < (-1 if optional else 0)) | (array >= count)
        if np.any(wrong):
            raise self._malformed(f"{what} names tensor {array[wrong][0]} of {count}")
        return tuple(map(int, array))

    def _operators(self, graph: Table, tensors: int) -> list[SourceOp]:
        operators = graph.tables(3)
        if len(operators) > MAX_OPERATORS:
            raise self._malformed(f"has {len(operators):,} operators, over {MAX_OPERATORS:,}")
        ops = []
        for i, op in enumerate(operators):
            opcode = int(op.scalar(0, "u32"))
            if opcode >= len(self._codes):
                raise self._malformed(f"op {i} names operator code {opcode} of {len(self._codes)}")
            if opcode not in self._names:
                self._names[opcode] = _operator(self._codes[opcode])
            inputs = self._indices(op.array(1, np.int32), f"op {i}", tensors, optional=True)
            outputs = self._indices(op.array(2, np.int32), f"op {i}", tensors)
            name = self._names[opcode]
            kind = int(op.scalar(3, "u8"))
            inner = self._indices(op.array(8, np.int32), f"op {i}", tensors, optional=True)
            ops.append(SourceOp(i, name, inputs, outputs, op.table(4), op.bytes(5), kind, inner))
        return ops


def _called(source: Source) -> list[int]:
    """The subgraphs that the operators of one call."""
    found = []
    for op in source.ops:
        if op.name in CALLS and op.options is not None:
            slots = [schema.OPTIONS[op.name][option][0] for option in CALLS[op.name]]
            found += [int(op.options.scalar(slot, "i32")) for slot in slots]
    return found


def _other_signatures(model: Table, file: str) -> tuple[str, ...]:
    """A note of the signatures that belong to other subgraphs than the first."""
    others = [d for d in model.tables(7) if int(d.scalar(4, "u32"))]
    if not others:
        return ()
    names = ", ".join(f"'{d.string(2, MAX_NAME)}'" for d in others[:3])
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return (f"{file}: its first signature is compiled, without {names}{more}",)


def _operator(code: Table) -> str:
    """What `SourceOp.name` calls an entry of the operator codes."""
    number = max(int(code.scalar(0, "i8")), int(code.scalar(3, "i32")))
    known = 0 <= number < len(schema.OPERATORS)
    text = schema.OPERATORS[number] if known else f"operator {number}"
    return f"CUSTOM {code.string(1, MAX_NAME)}" if text == "CUSTOM" else text

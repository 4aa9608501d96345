"""Bytes -> `Source`: the flatbuffer is verified, its indices are checked."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial

import numpy as np

from ...errors import CompileError
from .. import schema
from ..flatbuffer import MalformedError, Table
from .source import MAX_NAME, MAX_NUMBERS, MAX_OPERATORS, Source, SourceOp
from .tensors import TensorReader


def parse(raw: bytes, file: str, name: str) -> Source:
    """Verify the flatbuffer and take what the lift needs. Raises CompileError E301/E303."""
    if raw[4:8] != b"TFL3":
        raise CompileError(
            "E301", file, "this is no TFLite model", "give a .tflite file (identifier TFL3)"
        )
    try:
        return _parse(raw, file, name)
    except MalformedError as error:
        raise CompileError(
            "E301", file, f"malformed: {error}", "convert or copy it again"
        ) from None


def _parse(raw: bytes, file: str, name: str) -> Source:
    malformed = partial(CompileError, "E301", file, hint="convert or copy it again")
    model = Table.root(raw)
    subgraphs = model.tables(2)
    if not subgraphs:
        raise malformed("has no subgraph")
    # The others are bodies of control flow, or further signatures.
    graph = subgraphs[0]
    tables = graph.tables(0)
    numbers = 0

    def indices(array: np.ndarray, what: str, optional: bool = False) -> tuple[int, ...]:
        nonlocal numbers
        numbers += len(array)
        if numbers > MAX_NUMBERS:
            raise malformed(f"its operators have over {MAX_NUMBERS:,} operands")
        wrong = (array < (-1 if optional else 0)) | (array >= len(tables))
        if np.any(wrong):
            raise malformed(f"{what} names tensor {array[wrong][0]} of {len(tables)}")
        return tuple(map(int, array))

    codes = model.tables(1)
    names: dict[int, str] = {}
    operators = graph.tables(3)
    if len(operators) > MAX_OPERATORS:
        raise malformed(f"has {len(operators):,} operators, over {MAX_OPERATORS:,}")
    ops = []
    for i, op in enumerate(operators):
        opcode = int(op.scalar(0, "u32"))
        if opcode >= len(codes):
            raise malformed(f"op {i} names operator code {opcode} of {len(codes)}")
        if opcode not in names:
            names[opcode] = _operator(codes[opcode])
        inputs = indices(op.array(1, np.int32), f"op {i}", optional=True)
        outputs = indices(op.array(2, np.int32), f"op {i}")
        ops.append(SourceOp(i, names[opcode], inputs, outputs, op.table(4), op.bytes(5)))
    inputs = indices(graph.array(1, np.int32), "the graph's inputs")
    outputs = indices(graph.array(2, np.int32), "the graph's outputs")
    named = {*inputs, *outputs}.union(*(op.inputs for op in ops), *(op.outputs for op in ops))
    reader = TensorReader(raw, model.tables(4), file)
    tensors, refused = {}, {}
    for i in sorted(named - {-1}):
        try:
            tensors[i] = reader.read(tables[i], i)
        except CompileError as error:
            refused[i] = replace(error)  # without the frames that it came through
    return Source(
        file=file,
        name=name,
        sha256=hashlib.sha256(raw).hexdigest(),
        tensors=tensors,
        refused=refused,
        ops=tuple(ops),
        inputs=inputs,
        outputs=outputs,
        notes=_other_signatures(model, file),
    )


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

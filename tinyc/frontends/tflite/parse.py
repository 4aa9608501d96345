"""Bytes -> `Source`: the flatbuffer is verified, its indices are checked."""

from __future__ import annotations

import hashlib
from functools import partial

import numpy as np

from ...errors import CompileError
from .. import schema
from ..flatbuffer import MalformedError, Table
from .source import Source, SourceOp
from .tensors import read_tensor


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
    if len(subgraphs) != 1:
        raise CompileError(
            "E302", file, f"has {len(subgraphs)} subgraphs, not one",
            "convert a model without control flow and with one signature",
        )  # fmt: skip
    graph = subgraphs[0]
    buffers = model.tables(4)
    tensors = tuple(read_tensor(t, i, raw, buffers, file) for i, t in enumerate(graph.tables(0)))

    def indices(array: np.ndarray, what: str, optional: bool = False) -> tuple[int, ...]:
        for i in array:
            if not (0 <= i < len(tensors) or (optional and i == -1)):
                raise malformed(f"{what} names tensor {i} of {len(tensors)}")
        return tuple(map(int, array))

    codes = []
    for code in model.tables(1):
        number = max(int(code.scalar(0, "i8")), int(code.scalar(3, "i32")))
        known = 0 <= number < len(schema.OPERATORS)
        text = schema.OPERATORS[number] if known else f"operator {number}"
        codes.append(f"CUSTOM {code.string(1)}" if text == "CUSTOM" else text)
    ops = []
    for i, op in enumerate(graph.tables(3)):
        opcode = int(op.scalar(0, "u32"))
        if opcode >= len(codes):
            raise malformed(f"op {i} names operator code {opcode} of {len(codes)}")
        inputs = indices(op.array(1, np.int32), f"op {i}", optional=True)
        outputs = indices(op.array(2, np.int32), f"op {i}")
        ops.append(SourceOp(i, codes[opcode], inputs, outputs, op.table(4), op.bytes(5)))
    return Source(
        file=file,
        name=name,
        sha256=hashlib.sha256(raw).hexdigest(),
        tensors=tensors,
        ops=tuple(ops),
        inputs=indices(graph.array(1, np.int32), "the graph's inputs"),
        outputs=indices(graph.array(2, np.int32), "the graph's outputs"),
    )

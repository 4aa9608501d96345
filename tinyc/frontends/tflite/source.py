"""A TFLite file's own tables, as Python values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import CompileError
from ...ir import Array, DType, Quant
from .flatbuffer import Table

SCHEMA_VERSION = 3  # of every .tflite file

# Bounds of the work on a malformed file, each far beyond any microcontroller.
MAX_ELEMENTS = 1 << 26  # of one tensor
MAX_COPIED = 1 << 28  # bytes of all constants that are not the file's own bytes
MAX_OPERATORS = 1 << 14  # of a subgraph, and of all steps of its loops
MAX_NUMBERS = 1 << 20  # operands of all operators, and scales of all tensors
MAX_NAME = 1000  # bytes of a name

CALLS = {"CALL_ONCE": ("init",), "WHILE": ("cond", "body"), "IF": ("then", "else")}
"""Operators that run other subgraphs -> the options that name these."""


@dataclass(frozen=True)
class SourceOp:
    """One operator as the file states it; tensor index -1 is an absent optional input.

    name: ``CUSTOM <code>`` for a custom operator, whose options are the bytes ``custom``;
    options_type: what ``options`` are, a code of BuiltinOptions; intermediates: tensors that only
    tell how numbers within the operator are quantized.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: bytes | memoryview = b""
    options_type: int = 0
    intermediates: tuple[int, ...] = ()

    def place(self, output: str | None) -> str:
        """Where it stands in its graph. output: the name of what it gives, of which the first is
        told where a converter has joined several."""
        label = "" if output is None else f" '{output.partition(';')[0]}'"
        return f"op {self.index}{label} ({self.name})"


@dataclass(frozen=True)
class SourceTensor:
    """One tensor. A sparse constant is stored here in full, a float16 one as float32, one of
    int4 or int2 as int8; narrow: such a type's name, since only constants may be of it.

    signature: the shape with -1 for each size that the file leaves open, () if it leaves none;
    ``shape`` then has a number there that need not be right; variable: it keeps its contents
    from one inference to the next.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None
    data: Array | None
    signature: tuple[int, ...] = ()
    variable: bool = False
    narrow: str = ""


@dataclass(frozen=True)
class Source:
    """A subgraph of a TFLite file.

    tensors: those that an operator or the graph names, by index; refused: the others of these,
    with what is wrong with each, which matters only if a supported operator reads it; notes: see
    `tinyc.ir.Graph`; subgraphs: all of the file's that operators call, by index.
    """

    file: str
    name: str
    sha256: str
    tensors: Mapping[int, SourceTensor]
    refused: Mapping[int, CompileError]
    ops: tuple[SourceOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    subgraphs: Mapping[int, Source] = field(default_factory=dict, repr=False)

    def place(self, op: SourceOp) -> str:
        """Where one of its operators stands."""
        named = self.tensors.get(op.outputs[0]) if op.outputs else None
        return op.place(None if named is None else named.name)

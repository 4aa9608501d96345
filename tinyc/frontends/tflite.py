"""Read a TFLite file: bytes -> `Source` (the file's own tables) -> typed `Graph`."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import CompileError, CompileErrors
from ..ir import DType, Graph, Node, Quant, TensorType, Value, verify
from ..op import Op, tflite_importers
from . import schema
from .flatbuffer import MalformedError, Table
from .signature import port_names

CONVERT_AGAIN = "the file is malformed; convert the model again"
MAX_ELEMENTS = 1 << 26  # far beyond any microcontroller; bounds the work on a malformed file


@dataclass(frozen=True)
class SourceOp:
    """One operator as the file states it; tensor index -1 is an absent optional input.

    name: ``CUSTOM <code>`` for a custom operator, whose options are the bytes ``custom``.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: bytes = b""


@dataclass(frozen=True)
class SourceTensor:
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None
    data: np.ndarray | None


@dataclass(frozen=True)
class Source:
    """A TFLite file's first subgraph."""

    file: str
    name: str
    sha256: str
    tensors: tuple[SourceTensor, ...]
    ops: tuple[SourceOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TfliteOp:
    """What an import rule sees. ``inputs`` and ``outputs`` are the graph's values; an absent
    optional input is None."""

    file: str
    source: SourceOp
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def origin(self) -> str:
        label = self.outputs[0].name if self.outputs else ""
        return f"{self.file}: op {self.source.index} '{label}' ({self.name})"

    def option(self, name: str) -> int:
        """An integer option by the name it has in `schema.OPTIONS`, or its default."""
        return int(self._option(name))

    def float_option(self, name: str) -> float:
        """A float option; raises E301 unless it is finite."""
        value = float(self._option(name))
        if not math.isfinite(value):
            raise self.fail(f"{name} is {value}", CONVERT_AGAIN, "E301")
        return value

    def _option(self, name: str) -> int | float:
        slot, kind, default = schema.OPTIONS[self.name][name]
        return (
            default
            if self.source.options is None
            else self.source.options.scalar(slot, kind, default)
        )

    def ints_option(self, name: str) -> tuple[int, ...]:
        slot, _, _ = schema.OPTIONS[self.name][name]
        if self.source.options is None:
            return ()
        return tuple(map(int, self.source.options.array(slot, np.int32)))

    def custom_options(self, *names: str) -> dict[str, int]:
        """The integers ``names`` of a custom operator's options, a FlexBuffers map.

        Raises E301 unless the buffer is a map that holds every one of them.
        """
        from flatbuffers import flexbuffers

        hint = "convert the model again with larq_compute_engine"
        try:
            options = flexbuffers.GetRoot(bytearray(self.source.custom)).AsMap
            keys = [key.AsKey for key in options.Keys]
            found = {name: options.Values[keys.index(name)].AsInt for name in names if name in keys}
        except Exception as error:  # the reader trusts every offset of what it reads
            text = f"its custom options cannot be read ({type(error).__name__})"
            raise self.fail(text, hint, "E301") from None
        missing = [name for name in names if name not in found]
        if missing:
            raise self.fail(f"its custom options lack {', '.join(missing)}", hint, "E301")
        wrong = [name for name, value in found.items() if not -(1 << 31) <= value < 1 << 31]
        if wrong:
            raise self.fail(f"its {wrong[0]} is {found[wrong[0]]}", hint, "E301")
        return found

    def activation(self) -> str:
        """The fused activation: ``none``, ``relu``, ``relu6`` or ``relu_n1_to_1``."""
        return self.activation_name(self.option("activation"))

    def activation_name(self, code: int) -> str:
        """The name of a fused activation's code; raises E302 unless it is one of those four."""
        name = schema.ACTIVATIONS[code] if 0 <= code < len(schema.ACTIVATIONS) else str(code)
        if name not in ("none", "relu", "relu6", "relu_n1_to_1"):
            raise self.fail(
                f"fused activation {name} is not supported",
                "use RELU, RELU6 or RELU_N1_TO_1, or a separate activation layer",
            )
        return name

    def padding(self) -> str:
        """``same`` or ``valid``."""
        return self.padding_name(self.option("padding"))

    def padding_name(self, code: int) -> str:
        """``same`` or ``valid`` of a padding's code; raises E301 for any other."""
        if code not in (0, 1):
            raise self.fail(f"padding {code} is unknown", CONVERT_AGAIN, "E301")
        return schema.PADDINGS[code]

    def operands(self, least: int, most: int | None = None, outputs: int | None = 1) -> list[Value]:
        """The present inputs; raises E301 unless there are ``least`` to ``most`` of them, without
        a gap, and ``outputs`` outputs (None: any number)."""
        most = least if most is None else most
        present = [v for v in self.inputs if v is not None]
        if not least <= len(present) <= most or None in self.inputs[: len(present)]:
            want = str(least) if least == most else f"{least} to {most}"
            raise self.fail(f"has {len(present)} inputs, not {want}", CONVERT_AGAIN, "E301")
        if not self.outputs or (outputs is not None and len(self.outputs) != outputs):
            raise self.fail(
                f"has {len(self.outputs)} outputs, not {outputs}", CONVERT_AGAIN, "E301"
            )
        return present

    def constant_ints(self, value: Value) -> tuple[int, ...]:
        """The data of a constant integer operand (a shape, axes, paddings), flat."""
        if value.data is None:
            raise self.fail(
                f"operand '{value.name}' is computed at run time",
                "make it a constant: only static shapes are supported",
                "E305",
            )
        if value.type.dtype not in (DType.I32, DType.I64, DType.I16, DType.I8):
            raise self.fail(
                f"operand '{value.name}' is not of an integer type", CONVERT_AGAIN, "E301"
            )
        return tuple(int(x) for x in value.data.ravel())

    def node(self, op: Op, inputs: tuple[Value, ...] | list[Value] | None = None) -> Node:
        """A node with this operator's outputs and origin; ``inputs`` default to all present."""
        chosen = [v for v in self.inputs if v is not None] if inputs is None else inputs
        return Node(op, tuple(chosen), self.outputs, self.origin)

    def const(self, suffix: str, data: np.ndarray, quant: Quant | None = None) -> Value:
        """A new constant beside this operator."""
        dtype = next(d for d in DType if d.numpy == data.dtype)
        name = f"{self.outputs[0].name}/{suffix}"
        return Value(name, TensorType(data.shape, dtype, quant), self.origin, data)

    def fail(self, what: str, hint: str = "", id: str = "E302") -> CompileError:
        return CompileError(id, self.origin, what, hint)


def read(path: Path, name: str | None = None) -> Graph:
    """Read a ``.tflite`` file and lift it.

    name: the model's name (default: the file's stem). Raises CompileError (E2xx: no such
    file, E3xx: malformed) or CompileErrors (each unsupported operator, all at once).
    """
    file = path.name
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CompileError(
            "E202", str(path), "no such file", "give the path of a .tflite file"
        ) from None
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
    return lift(parse(raw, file, name or path.stem))


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
    tensors = tuple(_tensor(t, i, raw, buffers, file) for i, t in enumerate(graph.tables(0)))

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
    ends = (
        indices(graph.array(1, np.int32), "the graph's inputs"),
        indices(graph.array(2, np.int32), "the graph's outputs"),
    )
    input_names, output_names = port_names(model, 0, ends, [t.name for t in tensors])
    return Source(
        file=file,
        name=name,
        sha256=hashlib.sha256(raw).hexdigest(),
        tensors=tensors,
        ops=tuple(ops),
        inputs=ends[0],
        outputs=ends[1],
        input_names=input_names,
        output_names=output_names,
    )


def _tensor(t: Table, index: int, raw: bytes, buffers: list[Table], file: str) -> SourceTensor:
    name = t.string(3) or f"tensor_{index}"
    origin = f"{file}: tensor {index} '{name}'"
    shape = tuple(map(int, t.array(0, np.int32)))
    signature = tuple(map(int, t.array(7, np.int32)))
    if any(d < 0 for d in shape) or any(d < 0 for d in signature[1:]):
        raise CompileError(
            "E305", origin, f"has the dynamic shape {list(signature or shape)}",
            "convert the model with a fixed input shape and batch 1",
        )  # fmt: skip
    if 0 in shape or math.prod(shape) > MAX_ELEMENTS or len(shape) > 8:
        raise CompileError("E301", origin, f"has the shape {list(shape)}", CONVERT_AGAIN)
    code = int(t.scalar(1, "i8"))
    if code not in schema.TENSOR_TYPES:
        known = 0 <= code < len(schema.TENSOR_TYPE_NAMES)
        what = schema.TENSOR_TYPE_NAMES[code] if known else f"of the unknown type {code}"
        raise CompileError(
            "E303", origin, f"is {what}", "convert the model with int8 or float32 tensors"
        )
    dtype = schema.TENSOR_TYPES[code]
    buffer = int(t.scalar(2, "u32"))
    if buffer >= max(len(buffers), 1):
        raise CompileError(
            "E301", origin, f"names buffer {buffer} of {len(buffers)}", CONVERT_AGAIN
        )
    data = None
    if buffer:
        content = buffers[buffer].bytes(0)
        offset, size = int(buffers[buffer].scalar(1, "u64")), int(buffers[buffer].scalar(2, "u64"))
        if not content and offset > 1:  # files over 2 GB keep data behind the flatbuffer
            content = raw[offset : offset + size]
        if content:
            if len(content) != math.prod(shape) * dtype.size:
                raise CompileError(
                    "E301", origin,
                    f"holds {len(content)} bytes, its shape {list(shape)} takes "
                    f"{math.prod(shape) * dtype.size}", CONVERT_AGAIN,
                )  # fmt: skip
            flat = np.frombuffer(content, dtype.numpy.newbyteorder("<"))
            data = flat.reshape(shape).astype(dtype.numpy)
    if t.table(6) is not None:
        raise CompileError(
            "E303", origin, "is stored sparse", "convert without sparsity; tinyc finds zeros itself"
        )
    return SourceTensor(name, shape, dtype, _quant(t.table(4), shape, dtype, origin), data)


def _quant(q: Table | None, shape: tuple[int, ...], dtype: DType, origin: str) -> Quant | None:
    if q is None or dtype in (DType.F32, DType.BOOL):
        return None
    scale, zero = q.array(2, np.float32), q.array(3, np.int64)
    if not len(scale):
        return None
    axis = int(q.scalar(6, "i32"))
    if not len(zero):
        zero = np.zeros(len(scale), np.int64)
    low, high = dtype.limits
    good = (
        len(zero) == len(scale)
        and np.all(np.isfinite(scale))
        and np.all(scale > 0)
        and np.all((zero >= low) & (zero <= high))
        and (len(scale) == 1 or (0 <= axis < len(shape) and shape[axis] == len(scale)))
    )
    if not good:
        raise CompileError(
            "E304", origin, "has an invalid quantization", "quantize the model again"
        )
    return Quant(tuple(map(float, scale)), tuple(map(int, zero)), axis)


def lift(source: Source) -> Graph:
    """Lift by each operator's import rule; raises CompileErrors with every problem found."""
    errors: list[CompileError] = []
    values: dict[int, Value] = {}
    names: set[str] = set()

    def value(index: int) -> Value:
        if index not in values:
            t = source.tensors[index]
            name = t.name if t.name not in names else f"{t.name}:{index}"
            names.add(name)
            origin = f"{source.file}: tensor {index} '{t.name}'"
            values[index] = Value(name, TensorType(t.shape, t.dtype, t.quant), origin, t.data)
        return values[index]

    if not source.inputs or not source.outputs:
        raise CompileError("E301", source.file, "has no input or no output", CONVERT_AGAIN)
    importers = tflite_importers()
    nodes: list[Node] = []
    defined = set(source.inputs)
    for index in source.inputs:
        if source.tensors[index].data is not None or source.inputs.count(index) > 1:
            raise CompileError(
                "E301",
                source.file,
                f"input tensor {index} is constant or stands twice",
                CONVERT_AGAIN,
            )
    for op in source.ops:
        src = TfliteOp(
            source.file,
            op,
            tuple(None if i == -1 else value(i) for i in op.inputs),
            tuple(value(i) for i in op.outputs),
        )
        for i in op.inputs:
            if i != -1 and i not in defined and source.tensors[i].data is None:
                errors.append(
                    src.fail(f"reads tensor {i} before it is computed", CONVERT_AGAIN, "E301")
                )
        for i in op.outputs:
            if i in defined or source.tensors[i].data is not None:
                errors.append(src.fail(f"writes tensor {i} a second time", CONVERT_AGAIN, "E301"))
            defined.add(i)
        importer = importers.get(op.name)
        if importer is None:
            errors.append(
                src.fail("this operator is not supported", "see `tinyc ops` for what is", "E300")
            )
            continue
        try:
            imported = importer.from_tflite(src)
            for node in imported:
                node.op.check(node)
            nodes += imported
        except CompileError as error:
            errors.append(error)
        except MalformedError as error:
            errors.append(src.fail(f"malformed options: {error}", CONVERT_AGAIN, "E301"))
    for index in source.outputs:
        if index not in defined and source.tensors[index].data is None:
            errors.append(
                CompileError(
                    "E301", source.file, f"output tensor {index} is never computed", CONVERT_AGAIN
                )
            )
    if errors:
        raise errors[0] if len(errors) == 1 else CompileErrors(tuple(errors))
    return verify(
        Graph(
            name=model_name(source.name),
            inputs=tuple(value(i) for i in source.inputs),
            outputs=tuple(value(i) for i in source.outputs),
            nodes=tuple(nodes),
            sha256=source.sha256,
            input_names=source.input_names,
            output_names=source.output_names,
        )
    )


# Model names that would hide a header of C99 or collide with a file of the firmware.
_TAKEN = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal "
    "stdarg stdbool stddef stdint stdio stdlib string tgmath time wchar wctype "
    "main startup memory semihosting".split()
)


def model_name(text: str) -> str:
    """`identifier` of a file's stem, kept apart from every file that is built with the model:
    it names ``include/<model>.h``, ``src/<model>.c`` and the prefix of every symbol."""
    name = identifier(text)
    taken = name in _TAKEN or name.startswith(("tinyc", "console_"))
    return f"m_{name}" if taken else name


def identifier(text: str) -> str:
    """``text`` as a C identifier in lower case, at most 48 characters."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:48].strip("_") or "model"
    return f"m_{name}" if name[0].isdigit() else name

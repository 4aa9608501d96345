"""`Source` -> typed `Graph`, by each operator's import rule."""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import CompileError, CompileErrors
from ...ir import Graph, Node, TensorType, Value, verify
from ...op import tflite_importers
from ..flatbuffer import MalformedError
from . import static
from .kinds import unsupported_quantization
from .names import model_name
from .parse import parse
from .rule import TfliteOp
from .shapes import result_shapes
from .source import CONVERT_AGAIN, MAX_COPIED, MAX_FILE, Source, SourceOp
from .unsupported import unsupported

_TAKES_EMPTY = ("CONCATENATION", "SHAPE", "RANK", "FILL", "BROADCAST_TO", "BROADCAST_ARGS")
"""Operators to which a first operand without elements means something."""


def read(path: Path, name: str | None = None) -> Graph:
    """Read a ``.tflite`` file and lift it.

    name: the model's name (default: the file's stem). Raises CompileError (E2xx: no such
    file, E3xx: malformed) or CompileErrors (each unsupported operator, all at once).
    """
    return lift(parse(_content(path), path.name, name or path.stem))


def _content(path: Path) -> bytes:
    """The bytes of a regular file. Raises CompileError E202, E203 and E333 (too large)."""
    hint = "give the path of a .tflite file"
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise CompileError("E203", str(path), "is a folder", hint)
        if not stat.S_ISREG(status.st_mode):
            raise CompileError("E203", str(path), "is no regular file", hint)
        if status.st_size > MAX_FILE:
            raise CompileError(
                "E333", str(path), f"has {status.st_size:,} bytes",
                "give a smaller model: no microcontroller has that much memory",
            )  # fmt: skip
        return path.read_bytes()
    except FileNotFoundError:
        raise CompileError("E202", str(path), "no such file", hint) from None
    except ValueError:  # NUL in the path
        raise CompileError("E202", str(path), "is no path", hint) from None
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None


def lift(source: Source) -> Graph:
    """Lift by each operator's import rule what the outputs depend on.

    Operators whose operands are constant are evaluated, so that a rule finds a constant where it
    demands one. Raises CompileErrors with every problem found.
    """
    if not source.inputs or not source.outputs:
        raise CompileError("E301", source.file, "has no input or no output", CONVERT_AGAIN)
    lifting = _Lifting(source)
    notes = lifting.take_inputs()
    steps = [lifting.step(op) for op in source.ops]
    live = _live(steps, set(source.outputs))
    # A tensor that is refused gives one error, whoever reads it.
    found = [*lifting.errors, *(error for step in live for error in step.errors)]
    errors = list({id(error): error for error in found}.values())
    for index in source.outputs:
        if index in source.refused:
            errors += [] if errors else [source.refused[index]]
        elif index not in lifting.defined and source.tensors[index].data is None:
            errors.append(
                CompileError(
                    "E301", source.file, f"output tensor {index} is never computed", CONVERT_AGAIN
                )
            )
    if errors:
        errors = _by_kind_of_model(source, errors)
        raise errors[0] if len(errors) == 1 else CompileErrors(tuple(errors))
    return verify(
        Graph(
            name=model_name(source.name),
            inputs=tuple(lifting.value(i) for i in source.inputs),
            outputs=tuple(lifting.value(i) for i in source.outputs),
            nodes=tuple(node for step in live for node in step.nodes),
            sha256=source.sha256,
            notes=(*source.notes, *notes),
        )
    )


@dataclass(frozen=True)
class _Step:
    """What became of an operator: nodes or errors, and the tensors that these depend on."""

    op: SourceOp
    nodes: tuple[Node, ...] = ()
    errors: tuple[CompileError, ...] = ()
    reads: frozenset[int] = frozenset()


class _Lifting:
    """The values of a graph that is being lifted, by the index of their tensor.

    defined: the tensors that are computed so far; unknown: those whose shape an operator that
    is not supported would have to tell; errors: of the graph's inputs.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.defined = set(source.inputs)
        self.errors: list[CompileError] = []
        self._values: dict[int, Value] = {}
        self._names: set[str] = set()
        self._unknown: set[int] = set()
        self._importers = tflite_importers()
        self._folded = 0  # bytes

    def value(self, index: int) -> Value:
        if index not in self._values:
            t = self.source.tensors[index]
            name = t.name if t.name not in self._names else f"{t.name}:{index}"
            self._names.add(name)
            origin = f"{self.source.file}: tensor {index} '{t.name}'"
            kind = TensorType(t.shape, t.dtype, t.quant)
            self._values[index] = Value(name, kind, origin, t.data)
        return self._values[index]

    def take_inputs(self) -> tuple[str, ...]:
        """Check the graph's inputs; returns what there is to say of them."""
        source, notes = self.source, []
        for index in source.inputs:
            if index in source.refused:
                self.errors.append(source.refused[index])
                self._unknown.add(index)
                continue
            t = source.tensors[index]
            if t.data is not None or source.inputs.count(index) > 1:
                raise CompileError(
                    "E301",
                    source.file,
                    f"input tensor {index} is constant, empty or stands twice",
                    CONVERT_AGAIN,
                )
            if any(d < 0 for d in t.signature[1:]):
                self._unknown.add(index)
                self.errors.append(
                    CompileError(
                        "E305", f"{source.file}: tensor {index} '{t.name}'",
                        f"has the dynamic shape {list(t.signature)}",
                        "fix every size but the batch, as in keras.Input((28, 28, 1)), and "
                        "convert the model again",
                    )
                )  # fmt: skip
            elif t.signature:
                notes.append(
                    f"{source.file}: the batch of input '{t.name}' {list(t.signature)} is open; "
                    f"it is compiled for {t.shape[0]}"
                )
        return tuple(notes)

    def step(self, op: SourceOp) -> _Step:
        """Import one operator, or evaluate it."""
        source = self.source
        inputs = [i for i in op.inputs if i != -1]
        early = [i for i in inputs if i not in self.defined and not self._is_constant(i)]
        written = [i for i in op.outputs if i in self.defined or self._is_constant(i, empty=False)]
        self.defined.update(op.outputs)
        known = op.name in self._importers or op.name in static.FOLDED
        failed = _Step(op, reads=frozenset(inputs))
        refused = [i for i in (*inputs, *op.outputs) if i in source.refused]
        if refused or (known and self._unknown.intersection(inputs)):
            self._unknown.update(op.outputs)
            errors = [source.refused[i] for i in refused] if known else [unsupported(source, op)]
            return replace(failed, errors=tuple(errors))
        src = TfliteOp(
            source.file,
            op,
            tuple(None if i == -1 else self.value(i) for i in op.inputs),
            tuple(self.value(i) for i in op.outputs),
        )
        try:
            if known:
                self._expect_operands(src, early, written)
                self._expect_room(0, src)
            array = static.constant(src)
            if array is not None:
                self._expect_room(array.nbytes, src)
                self._fold(op.outputs[0], array, src)
                return _Step(op)
            if op.name not in self._importers:
                raise unsupported(source, op)
            nodes = self._import(src)
            self._expect_wide(src)
        except (CompileError, MalformedError) as error:
            # What stands for a constant would only give more errors of the same cause.
            hidden = all(v is None or v.constant for v in src.inputs)
            self._unknown.update(i for i in op.outputs if hidden or self._is_open(i))
            if isinstance(error, MalformedError):
                error = src.fail(f"malformed options: {error}", CONVERT_AGAIN, "E301")
            # A copy has none of the frames, and arrays, that the error came through.
            return replace(failed, errors=(replace(error),))
        used = {value for node in nodes for value in node.inputs}
        return _Step(op, nodes, reads=frozenset(i for i in inputs if self._values[i] in used))

    def _is_constant(self, index: int, empty: bool = True) -> bool:
        """Whether a tensor has data; empty: or none of its own, since it has no elements."""
        t = self.source.tensors.get(index)
        return t is not None and t.data is not None and (empty or t.data.size > 0)

    def _expect_operands(self, src: TfliteOp, early: list[int], written: list[int]) -> None:
        """Raise CompileError E301 or E302 unless each operand is there when it is read.

        early: tensors that are read before they are computed; written: those of a second time.
        """
        for i in early:
            if self.source.tensors[i].variable:
                raise src.fail(
                    f"keeps state in the variable tensor {i}",
                    "models that keep state between inferences are not supported: make the state "
                    "an input and an output of the model",
                )
            raise src.fail(f"reads tensor {i} before it is computed", CONVERT_AGAIN, "E301")
        if written:
            raise src.fail(f"writes tensor {written[0]} a second time", CONVERT_AGAIN, "E301")
        for place, value in enumerate(src.inputs):
            # An empty vector is no axes, the shape of a scalar, or no bias.
            if value is None or value.type.elements or src.name in _TAKES_EMPTY:
                continue
            if place == 0 or len(value.type.shape) > 1:
                raise src.fail(
                    f"reads '{value.name}', which is empty: {list(value.type.shape)}",
                    "take the layer out that makes it",
                )

    def _expect_wide(self, src: TfliteOp) -> None:
        """Raise CompileError E303 if a type that only constants may have is computed with."""
        for i in (*src.source.inputs, *src.source.outputs):
            if i != -1 and self.source.tensors[i].narrow and not self.value(i).constant:
                raise src.fail(
                    f"computes with {self.source.tensors[i].narrow}, which only constants may be",
                    "convert the model with int8 or float32 activations", "E303",
                )  # fmt: skip

    def _import(self, src: TfliteOp) -> tuple[Node, ...]:
        """The nodes of an operator; constants in their place where they read nothing else."""
        src = self._close_shapes(src)
        if src.outputs and all(v.constant for v in src.outputs):
            return ()  # all of them are empty
        nodes = self._importers[src.name].from_tflite(src)
        for node in nodes:
            node.op.check(node)
        if len(nodes) != 1 or not nodes[0].inputs or nodes[0].variable_inputs:
            return tuple(nodes)
        (node,) = nodes
        self._expect_room(sum(v.type.bytes for v in node.outputs), src)
        arrays = node.op.evaluate(node, *(v.data for v in node.inputs if v.data is not None))
        found = dict(zip(node.outputs, arrays, strict=True))
        for index in src.source.outputs:
            if self._values[index] in found:
                self._fold(index, found[self._values[index]], src)
        return ()

    def _close_shapes(self, src: TfliteOp) -> TfliteOp:
        """``src`` with outputs of the shapes that its operands give them where the file leaves
        them open. Raises CompileError E305 where they do not."""
        tensors = [self.source.tensors[i] for i in src.source.outputs]
        if not any(t.signature for t in tensors):
            return src
        shapes = result_shapes(src)
        for index, t, place in zip(src.source.outputs, tensors, range(len(tensors)), strict=True):
            full = shapes[place] if shapes else ()
            if t.signature and len(full) == len(t.signature) and min(full) > 0:
                shape = tuple(f if s < 0 else s for s, f in zip(t.signature, full, strict=True))
                value = self.value(index)
                self._values[index] = replace(value, type=replace(value.type, shape=shape))
            elif self._is_open(index):
                raise src.fail(
                    f"gives the shape {list(t.signature)}, which depends on the model's input",
                    "fix every size but the batch and convert the model again", "E305",
                )  # fmt: skip
        return replace(src, outputs=tuple(self.value(i) for i in src.source.outputs))

    def _is_open(self, index: int) -> bool:
        """Whether the file leaves more of a tensor's shape open than its batch."""
        t = self.source.tensors.get(index)
        return t is None or min(t.signature[1:], default=0) < 0

    def _expect_room(self, more: int, src: TfliteOp) -> None:
        """Count ``more`` bytes of constants that are computed here; raises CompileError E302 if
        they are too many."""
        self._folded += more
        if self._folded > MAX_COPIED:
            raise src.fail(
                f"brings the constants that are computed at compile time to over "
                f"{MAX_COPIED >> 20} MB",
                "use a smaller model: no microcontroller has that much",
            )

    def _fold(self, index: int, array: np.ndarray, src: TfliteOp) -> None:
        value, t = self.value(index), self.source.tensors[index]
        if array.shape != value.type.shape and not t.signature:
            raise src.fail(
                f"gives the shape {list(array.shape)}, its output has {list(value.type.shape)}",
                CONVERT_AGAIN, "E301",
            )  # fmt: skip
        kind = replace(value.type, shape=array.shape)
        # A copy: an operator may hand on a view of its input.
        self._values[index] = replace(value, type=kind, data=np.array(array, kind.dtype.numpy))


def _live(steps: list[_Step], needed: set[int]) -> list[_Step]:
    """The steps that the tensors ``needed`` depend on, and those that have no output: they are
    there for their effect."""
    kept = []
    for step in reversed(steps):
        if not step.op.outputs or needed.intersection(step.op.outputs):
            needed |= step.reads
            kept.append(step)
    return kept[::-1]


def _by_kind_of_model(source: Source, errors: list[CompileError]) -> list[CompileError]:
    """One error in the place of those that each layer gives for the quantization of them all."""
    kinds = unsupported_quantization(source)
    if not kinds:
        return errors
    return [*kinds, *(e for e in errors if e.id not in ("E303", "E304"))]

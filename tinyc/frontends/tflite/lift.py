"""`Source` -> typed `Graph`, by each operator's import rule."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import CompileError, CompileErrors
from ...ir import Array, Graph, Node, TensorType, Value, verify
from ...ir.names import model_name
from ...ops.base import CONVERT_AGAIN
from . import rules, static
from .flatbuffer import MalformedError
from .kinds import unsupported_quantization
from .parse import parse
from .rule import TfliteOp
from .shapes import result_shapes
from .source import MAX_COPIED, MAX_FILE, MAX_NAME, MAX_OPERATORS, Source, SourceOp
from .unsigned import Unsigned
from .unsupported import unsupported
from .variables import Name, Variables

CONTROL = (
    "WHILE", "IF", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE",
)  # fmt: skip
"""Operators that are resolved here and have no rule of their own."""
MAX_DEPTH = 16
"""Of subgraphs that call subgraphs."""
_UNROLLED = "convert a model whose loops have a fixed number of steps: a fixed input length"

_KEEPS = "keeps state in the variable tensor {}"
_NO_STATE = "make the state an input and an output of the model"

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
    variables = Variables()
    lifting = _Lifting(source, variables)
    notes = lifting.take_inputs()
    live = lifting.live_steps()
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
    errors += [] if errors else variables.problems()
    if errors:
        errors = _by_kind_of_model(source, errors)
        raise errors[0] if len(errors) == 1 else CompileErrors(tuple(errors))
    graph = Graph(
        name=model_name(source.name),
        inputs=tuple(lifting.value(i) for i in source.inputs),
        outputs=tuple(lifting.value(i) for i in source.outputs),
        nodes=tuple(node for step in live for node in step.nodes),
        sha256=source.sha256,
        input_names=source.input_names,
        output_names=source.output_names,
        notes=(*source.notes, *notes),
        states=variables.states(),
    )
    return verify(replace(graph, nodes=lifting.bridged(graph)))


@dataclass(frozen=True)
class _Step:
    """What became of an operator: nodes or errors, the tensors that these depend on, and whether
    it leaves something for the next run."""

    op: SourceOp
    nodes: tuple[Node, ...] = ()
    errors: tuple[CompileError, ...] = ()
    reads: frozenset[int] = frozenset()
    carries: bool = False


class _Lifting:
    """The values of a graph that is being lifted, by the index of their tensor.

    defined: the tensors that are computed so far; unknown: those whose shape an operator that
    is not supported would have to tell; errors: of the graph's inputs; caller, label: of the
    subgraph of a loop or a branch, the graph that it stands in and a mark for its values' names.
    """

    def __init__(
        self,
        source: Source,
        variables: Variables,
        caller: _Lifting | None = None,
        arguments: Sequence[Value] = (),
        label: str = "",
    ) -> None:
        self.source = source
        self.variables = variables
        self.depth: int = caller.depth + 1 if caller else 0
        self.unsigned: Unsigned = caller.unsigned if caller else Unsigned()
        self.operators: list[int] = caller.operators if caller else [0]  # of all subgraphs
        self._label = label
        self._resources: dict[int, Name] = {}
        self.defined = set(source.inputs)
        self.errors: list[CompileError] = []
        self._values: dict[int, Value] = {}
        self._names: set[str] = set()
        self._unknown: set[int] = set()
        self._judged: set[Value] = set()  # constants that were found not finite
        self._rules = rules.load()
        self._folded = 0  # bytes
        self._values.update(zip(source.inputs, arguments, strict=False))

    def live_steps(self) -> list[_Step]:
        """What the outputs depend on, imported."""
        return _live([self.step(op) for op in self.source.ops], set(self.source.outputs))

    def bridged(self, graph: Graph) -> tuple[Node, ...]:
        """The nodes of ``graph`` with QUANTIZE where uint8 becomes int8, or int8 uint8."""
        quantize = self._rules["QUANTIZE"].op

        def convert(x: Value, y: Value) -> Node:
            return Node(quantize(), (x,), (y,), y.origin)

        return self.unsigned.bridged(graph.nodes, graph.sources, graph.results, convert)

    def value(self, index: int) -> Value:
        if index not in self._values:
            t = self.source.tensors[index]
            name = t.name if t.name not in self._names else f"{t.name}:{index}"
            name += self._label
            self._names.add(name)
            origin = f"{self.source.file}: tensor {index} '{t.name}'"
            kind = TensorType(t.shape, t.dtype, t.quant)
            self._values[index] = Value(name, kind, origin, t.data)
        return self._values[index]

    def _type(self, index: int) -> TensorType | None:
        t = self.source.tensors.get(index)
        return None if t is None else TensorType(t.shape, t.dtype, t.quant)

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
        self.operators[0] += 1
        if self.operators[0] > MAX_OPERATORS:
            what = f"its loops take over {MAX_OPERATORS:,} operators"
            return _Step(op, errors=(self._error(op, what, _UNROLLED),))
        if op.name in CONTROL:
            return self._control(op)
        known = op.name in self._rules or op.name in static.FOLDED
        failed = _Step(op, reads=frozenset(inputs))
        refused = [i for i in (*inputs, *op.outputs) if i in source.refused]
        if refused or (known and self._unknown.intersection(inputs)):
            self._unknown.update(op.outputs)
            errors = [source.refused[i] for i in refused] if known else [unsupported(source, op)]
            return replace(failed, errors=tuple(errors))
        kept = [i for i in early if source.tensors[i].variable and not self.depth]
        for i in kept:
            origin = self._error(op, "").origin
            self._values[i] = self.variables.read(_held(i), self.value(i), origin)
        src = TfliteOp(
            source.file,
            op,
            tuple(None if i == -1 else self.value(i) for i in op.inputs),
            tuple(self.value(i) for i in op.outputs),
            tuple(self._type(i) for i in op.intermediates),
        )
        try:
            if known:
                self._expect_operands(src, [i for i in early if i not in kept], written)
                self._expect_room(0, src)
            array = static.constant(src)
            if array is not None:
                self._expect_room(array.nbytes, src)
                self._fold(op.outputs[0], array, src)
                return _Step(op)
            if op.name not in self._rules:
                raise unsupported(source, op)
            nodes = self._import(src)
            self._expect_wide(src)
            self._carry(src, kept)
        except (CompileError, MalformedError) as error:
            # What stands for a constant would only give more errors of the same cause.
            hidden = all(v is None or v.constant for v in src.inputs)
            self._unknown.update(i for i in op.outputs if hidden or self._is_open(i))
            if isinstance(error, MalformedError):
                error = src.fail(f"malformed options: {error}", CONVERT_AGAIN, "E301")
            # A copy has none of the frames, and arrays, that the error came through.
            return replace(failed, errors=(replace(error),))
        used = {self.unsigned.of(value) for node in nodes for value in node.inputs}
        reads = frozenset(i for i in inputs if self._values[i] in used)
        return _Step(op, nodes, reads=reads, carries=bool(src.carried))

    # Loops, branches and variables ------------------------------------------------------------

    def _error(self, op: SourceOp, what: str, hint: str = CONVERT_AGAIN) -> CompileError:
        return TfliteOp(self.source.file, op, (), ()).fail(what, hint)

    def _control(self, op: SourceOp) -> _Step:
        """A loop of as many steps as the file tells, or a branch that it tells, in its place; a
        variable that outlives a run."""
        reads = frozenset(i for i in op.inputs if i != -1)
        if self._unknown.intersection(reads):  # whose own error is told
            self._unknown.update(op.outputs)
            return _Step(op, reads=reads)
        try:
            if op.name == "WHILE":
                nodes, errors = self._unroll(op)
            elif op.name == "IF":
                nodes, errors = self._branch(op)
            else:
                self._variable(op)
                nodes, errors = [], []
        except (CompileError, MalformedError) as error:
            self._unknown.update(op.outputs)
            if isinstance(error, MalformedError):
                error = replace(self._error(op, f"malformed options: {error}"), id="E301")
            return _Step(op, errors=(error,), reads=reads)
        if errors:
            self._unknown.update(op.outputs)
        return _Step(op, tuple(nodes), tuple(errors), reads)

    def _call(
        self, op: SourceOp, option: str, arguments: Sequence[Value], label: str
    ) -> tuple[list[Node], list[Value], list[CompileError]]:
        """The nodes of a subgraph for ``arguments``, the values of its outputs, and errors."""
        called = self.source.subgraphs[TfliteOp(self.source.file, op, (), ()).option(option)]
        if len(called.inputs) != len(arguments) or self.depth >= MAX_DEPTH:
            raise self._error(op, f"calls a subgraph of {len(called.inputs)} inputs {self.depth} "
                                  f"deep with {len(arguments)}")  # fmt: skip
        inner = _Lifting(called, self.variables, self, arguments, f"{self._label}{label}")
        steps = inner.live_steps()
        outputs = [inner.value(i) for i in called.outputs if i in called.tensors]
        errors = [error for step in steps for error in step.errors]
        if len(outputs) != len(called.outputs):
            errors += [called.refused[i] for i in called.outputs if i in called.refused]
        return [node for step in steps for node in step.nodes], outputs, errors

    def _arguments(self, op: SourceOp) -> list[Value]:
        for i in op.inputs:
            if i in self.source.refused:
                raise self.source.refused[i]
            if i == -1 or i in self._unknown or not (i in self.defined or self.value(i).constant):
                raise self._error(op, f"reads tensor {i} before it is computed")
        return [self.value(i) for i in op.inputs]

    def _bind(self, op: SourceOp, values: Sequence[Value]) -> None:
        if len(values) != len(op.outputs):
            raise self._error(op, f"has {len(op.outputs)} outputs, its subgraph {len(values)}")
        self._values.update(zip(op.outputs, values, strict=True))

    def _unroll(self, op: SourceOp) -> tuple[list[Node], list[CompileError]]:
        values = self._arguments(op)
        nodes: list[Node] = []
        for count in range(MAX_OPERATORS):
            _, flags, errors = self._call(op, "cond", values, f"@{op.index}.{count}?")
            if errors:
                return nodes, errors
            if len(flags) != 1 or flags[0].data is None or flags[0].data.size != 1:
                raise self._error(op, "its number of steps depends on the input", _UNROLLED)
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
            raise self._error(
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
            self._resources.update(dict.fromkeys(op.outputs, (texts[0], texts[1])))
            self.defined.difference_update(op.outputs)  # a handle is no number to compute with
            return
        name = self._resources.get(op.inputs[0]) if op.inputs else None
        if name is None:
            raise self._error(op, "reads no variable of this subgraph")
        origin = self._error(op, "").origin
        if op.name == "READ_VARIABLE" and len(op.outputs) == 1:
            kept = self.variables.read(name, self.value(op.outputs[0]), origin)
            self._values[op.outputs[0]] = kept
        elif op.name == "ASSIGN_VARIABLE" and len(op.inputs) == 2:
            (value,) = self._arguments(replace(op, inputs=op.inputs[1:]))
            self.variables.assign(name, value, origin)
        else:
            raise self._error(op, f"has {len(op.inputs)} inputs and {len(op.outputs)} outputs")

    # Operators ----------------------------------------------------------------------------

    def _is_constant(self, index: int, empty: bool = True) -> bool:
        """Whether a tensor has data; empty: or none of its own, since it has no elements."""
        t = self.source.tensors.get(index)
        return t is not None and t.data is not None and (empty or t.data.size > 0)

    def _expect_operands(self, src: TfliteOp, early: list[int], written: list[int]) -> None:
        """Raise CompileError E301, E302 or E324 unless each operand is there when it is read, and
        is a number where it is constant.

        early: tensors that are read before they are computed; written: those of a second time.
        """
        for i in early:
            if self.source.tensors[i].variable:
                raise src.fail(_KEEPS.format(i), _NO_STATE)
            raise src.fail(f"reads tensor {i} before it is computed", CONVERT_AGAIN, "E301")
        if written:
            raise src.fail(f"writes tensor {written[0]} a second time", CONVERT_AGAIN, "E301")
        for value in src.inputs:
            if value is None or value in self._judged or _finite(value.data, src.name):
                continue
            self._judged.add(value)
            raise src.fail(
                f"its operand '{value.name}' holds NaN or infinity",
                "train the model again, or keep its constants within float32",
                "E324",
            )
        for place, value in enumerate(src.inputs):
            # An empty vector is no axes, the shape of a scalar, or no bias.
            if value is None or value.type.elements or src.name in _TAKES_EMPTY:
                continue
            if place == 0 or len(value.type.shape) > 1:
                raise src.fail(
                    f"reads '{value.name}', which is empty: {list(value.type.shape)}",
                    "take the layer out that makes it",
                )

    def _carry(self, src: TfliteOp, kept: list[int]) -> None:
        """Keep what an operator leaves in the variable tensors ``kept``, which are its operands.
        Raises CompileError E302 unless its rule tells of each, E301 if it tells of others."""
        carried = {src.source.inputs[place]: value for place, value in src.carried.items()}
        for i in kept:
            if i not in carried:
                raise src.fail(_KEEPS.format(i), _NO_STATE)
        if len(carried) < len(src.carried) or not carried.keys() <= set(kept):
            raise src.fail("its state is no variable tensor of its own", CONVERT_AGAIN, "E301")
        for i, value in carried.items():
            self.variables.assign(_held(i), value, src.origin)

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
        final = {self._values.get(i) for i in self.source.outputs}
        src = self.unsigned.rewritten(src, final)
        nodes = self._rules[src.name].apply(src)
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
            if t.signature and len(full) == len(t.signature) and min(full) >= 0:
                shape = tuple(f if s < 0 else s for s, f in zip(t.signature, full, strict=True))
                value = self.value(index)
                # What has no elements is a constant, as in `TensorReader.read`.
                data = np.zeros(shape, value.type.dtype.numpy) if 0 in shape else None
                kind = replace(value.type, shape=shape)
                self._values[index] = replace(value, type=kind, data=data)
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

    def _fold(self, index: int, array: Array, src: TfliteOp) -> None:
        value, t = self.value(index), self.source.tensors[index]
        if array.shape != value.type.shape and not t.signature:
            raise src.fail(
                f"gives the shape {list(array.shape)}, its output has {list(value.type.shape)}",
                CONVERT_AGAIN, "E301",
            )  # fmt: skip
        kind = replace(value.type, shape=array.shape)
        # A copy: an operator may hand on a view of its input.
        self._values[index] = replace(value, type=kind, data=np.array(array, kind.dtype.numpy))


def _held(index: int) -> Name:
    """What `Variables` knows a variable tensor by."""
    return "", f"tensor {index}"


def _finite(data: Array | None, reader: str) -> bool:
    """Whether a constant holds finite numbers alone, or infinity to pad with, which no maximum
    is taken from."""
    if data is None or data.dtype != np.float32:
        return True
    return bool(np.isfinite(data).all()) or (reader == "PADV2" and not np.isnan(data).any())


def _live(steps: list[_Step], needed: set[int]) -> list[_Step]:
    """The steps that the tensors ``needed`` depend on, and those that are there for their effect:
    they have no output, or a state."""
    kept = []
    for step in reversed(steps):
        if step.carries or not step.op.outputs or needed.intersection(step.op.outputs):
            needed |= step.reads
            kept.append(step)
    return kept[::-1]


def _by_kind_of_model(source: Source, errors: list[CompileError]) -> list[CompileError]:
    """One error in the place of those that each layer gives for the quantization of them all."""
    kinds = unsupported_quantization(source)
    if not kinds:
        return errors
    return [*kinds, *(e for e in errors if e.id not in ("E303", "E304"))]

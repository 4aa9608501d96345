"""`Source` -> typed `Graph`, by each operator's import rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import CompileError
from ...ir import Array, Graph, Node, Value, verify
from ...ir.names import model_name
from ...ops.base import CONVERT_AGAIN, LARGEST_SCALE
from ...ops.softmax import Softmax
from ..content import content
from ..refusal import Part, refused
from . import rules, static
from .control import CONTROL, UNROLLED, Control
from .flatbuffer import MalformedError
from .kinds import unsupported_quantization
from .parse import parse
from .rule import TfliteOp
from .scope import Scope, Step
from .shapes import DETECTIONS, result_shapes
from .source import MAX_OPERATORS, Source, SourceOp
from .unsupported import unsupported
from .variables import Name, Variables

_KEEPS = "keeps state in the variable tensor {}"
_NO_STATE = "make the state an input and an output of the model"

_TAKES_EMPTY = ("CONCATENATION", "SHAPE", "RANK", "FILL", "BROADCAST_TO", "BROADCAST_ARGS")
"""Operators to which a first operand without elements means something."""


def read(path: Path, name: str | None = None) -> Graph:
    """Read a ``.tflite`` file and lift it.

    name: the model's name (default: the file's stem). Raises CompileError (E2xx: no such
    file, E3xx: malformed) or CompileErrors (each unsupported operator, all at once).
    """
    return lift(parse(content(path, ".tflite"), path.name, name or path.stem))


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
        raise refused(source.file, _by_kind_of_model(source, errors), lifting.parts(live))
    nodes = tuple(node for step in live for node in step.nodes)
    graph = Graph(
        name=model_name(source.name),
        inputs=tuple(lifting.value(i) for i in source.inputs),
        outputs=tuple(lifting.value(i) for i in source.outputs),
        nodes=nodes,
        sha256=source.sha256,
        input_names=source.input_names,
        output_names=source.output_names,
        notes=(*source.notes, *notes, *_blurred(nodes)),
        states=variables.states(),
    )
    return verify(replace(graph, nodes=lifting.bridged(graph)))


def _blurred(nodes: Sequence[Node]) -> list[str]:
    """Notes about scores whose scale a mask's lowest number has made."""
    return [
        f"{node.origin}: its input has the scale {quant.scale[0]:.3g}, that of a mask: "
        "all scores that are not masked are one to it; convert the model in float32, and use "
        "--calibrate"
        for node in nodes
        if isinstance(node.op, Softmax)
        and (quant := node.inputs[0].type.quant) is not None
        and quant.scale[0] > LARGEST_SCALE
    ]


class _Lifting(Control):
    """A scope whose operators are imported, each by its rule."""

    def __init__(
        self,
        source: Source,
        variables: Variables,
        caller: Scope | None = None,
        arguments: Sequence[Value] = (),
        label: str = "",
    ) -> None:
        super().__init__(source, variables, caller, arguments, label)
        self._judged: set[Value] = set()  # constants that were found not finite
        self._rules = rules.load()

    def live_steps(self) -> list[Step]:
        """What the outputs depend on, imported."""
        return _live([self.step(op) for op in self.source.ops], set(self.source.outputs))

    def parts(self, live: Sequence[Step]) -> list[Part]:
        """What became of the operators ``live``."""
        return [
            Part(
                self.source.place(step.op),
                step.errors,
                known=not self.unknown.intersection(step.op.inputs),
            )
            for step in live
        ]

    def bridged(self, graph: Graph) -> tuple[Node, ...]:
        """The nodes of ``graph`` with QUANTIZE where uint8 becomes int8, or int8 uint8."""
        quantize = self._rules["QUANTIZE"].op

        def convert(x: Value, y: Value) -> Node:
            return Node(quantize(), (x,), (y,), y.origin)

        return self.unsigned.bridged(graph.nodes, graph.sources, graph.results, convert)

    def take_inputs(self) -> tuple[str, ...]:
        """Check the graph's inputs; returns what there is to say of them."""
        source, notes = self.source, []
        for index in source.inputs:
            if index in source.refused:
                self.errors.append(source.refused[index])
                self.unknown.add(index)
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
                self.unknown.add(index)
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

    def step(self, op: SourceOp) -> Step:
        """Import one operator, or evaluate it."""
        source = self.source
        inputs = [i for i in op.inputs if i != -1]
        early = [i for i in inputs if i not in self.defined and not self.is_constant(i)]
        written = [i for i in op.outputs if i in self.defined or self.is_constant(i, empty=False)]
        self.defined.update(op.outputs)
        self.operators[0] += 1
        if self.operators[0] > MAX_OPERATORS:
            what = f"its loops take over {MAX_OPERATORS:,} operators"
            return Step(op, errors=(self.error(op, what, UNROLLED),))
        if op.name in CONTROL:
            return self.resolve(op)
        known = op.name in self._rules or op.name in static.FOLDED
        failed = Step(op, reads=frozenset(inputs))
        refused = [i for i in (*inputs, *op.outputs) if i in source.refused]
        if refused or (known and self.unknown.intersection(inputs)):
            self.unknown.update(op.outputs)
            errors = [source.refused[i] for i in refused] if known else [unsupported(source, op)]
            return replace(failed, errors=tuple(errors))
        kept = [i for i in early if source.tensors[i].variable and not self.depth]
        for i in kept:
            origin = self.error(op, "").origin
            self.values[i] = self.variables.read(_held(i), self.value(i), origin)
        src = TfliteOp(
            source.file,
            op,
            tuple(None if i == -1 else self.value(i) for i in op.inputs),
            tuple(self.value(i) for i in op.outputs),
            tuple(self.type(i) for i in op.intermediates),
            variables=self.variables,
        )
        try:
            if known:
                self._expect_operands(src, [i for i in early if i not in kept], written)
                self.expect_room(0, src)
            arrays = static.constants(src)
            if arrays is not None:
                for index, array in zip(op.outputs, arrays, strict=True):
                    self.expect_room(array.nbytes, src)
                    self.fold(index, array, src)
                return Step(op)
            if op.name not in self._rules:
                raise unsupported(source, op)
            nodes = self._import(src)
            self._expect_wide(src)
            self._carry(src, kept)
        except (CompileError, MalformedError) as error:
            # What stands for a constant would only give more errors of the same cause.
            hidden = all(v is None or v.constant for v in src.inputs)
            self.unknown.update(i for i in op.outputs if hidden or self.is_open(i))
            if isinstance(error, MalformedError):
                error = src.fail(f"malformed options: {error}", CONVERT_AGAIN, "E301")
            # A copy has none of the frames, and arrays, that the error came through.
            return replace(failed, errors=(replace(error),))
        used = {self.unsigned.of(value) for node in nodes for value in node.inputs}
        reads = frozenset(i for i in inputs if self.values[i] in used)
        return Step(op, nodes, reads=reads, carries=bool(src.carried or src.kept))

    # Operators ----------------------------------------------------------------------------

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
        final = {self.values.get(i) for i in self.source.outputs}
        src = self.unsigned.rewritten(src, final)
        nodes = self._rules[src.name].apply(src)
        for node in nodes:
            node.op.check(node)
        if len(nodes) != 1 or not nodes[0].inputs or nodes[0].variable_inputs:
            return tuple(nodes)
        (node,) = nodes
        self.expect_room(sum(v.type.bytes for v in node.outputs), src)
        arrays = node.op.evaluate(node, *(v.data for v in node.inputs if v.data is not None))
        found = dict(zip(node.outputs, arrays, strict=True))
        for index in src.source.outputs:
            if self.values[index] in found:
                self.fold(index, found[self.values[index]], src)
        return ()

    def _close_shapes(self, src: TfliteOp) -> TfliteOp:
        """``src`` with outputs of the shapes that its operands give them where the file leaves
        them open. Raises CompileError E305 where they do not."""
        tensors = [self.source.tensors[i] for i in src.source.outputs]
        unstated = src.name == DETECTIONS and not any(t.shape for t in tensors)
        if not unstated and not any(t.signature for t in tensors):
            return src
        shapes = result_shapes(src)
        for index, t, place in zip(src.source.outputs, tensors, range(len(tensors)), strict=True):
            full = shapes[place] if shapes else ()
            signature = (-1,) * len(full) if unstated else t.signature
            if signature and len(full) == len(signature) and min(full) >= 0:
                shape = tuple(f if s < 0 else s for s, f in zip(signature, full, strict=True))
                value = self.value(index)
                # What has no elements is a constant, as in `TensorReader.read`.
                data = np.zeros(shape, value.type.dtype.numpy) if 0 in shape else None
                kind = replace(value.type, shape=shape)
                self.values[index] = replace(value, type=kind, data=data)
            elif self.is_open(index):
                raise src.fail(
                    f"gives the shape {list(t.signature)}, which depends on the model's input",
                    "fix every size but the batch and convert the model again", "E305",
                )  # fmt: skip
        return replace(src, outputs=tuple(self.value(i) for i in src.source.outputs))


def _held(index: int) -> Name:
    """What `Variables` knows a variable tensor by."""
    return "", f"tensor {index}"


def _finite(data: Array | None, reader: str) -> bool:
    """Whether a constant holds finite numbers alone, or infinity to pad with, which no maximum
    is taken from."""
    if data is None or data.dtype != np.float32:
        return True
    return bool(np.isfinite(data).all()) or (reader == "PADV2" and not np.isnan(data).any())


def _live(steps: list[Step], needed: set[int]) -> list[Step]:
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

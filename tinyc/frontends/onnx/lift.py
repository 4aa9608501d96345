"""`onnx.ModelProto` -> typed `Graph`, by each operator's import rule."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CompileError
from ...ir import Array, DType, Graph, Node, TensorType, Value, verify
from ...ir.names import model_name
from ...ops.base import CONVERT_AGAIN
from ...ops.quantize import Quantize
from ...passes.fold_affine import fold_affine
from ...passes.fuse_activation import fuse_activation
from ...passes.remove_dead import remove_dead
from ...passes.sink_transposes import sink_transposes
from ..images import images_last
from ..refusal import Part, refused
from . import qdq, rules, static
from .gelu import join_gelu
from .parse import opset, parse
from .rule import STORED, OnnxOp
from .tensors import Numbers
from .unsupported import unsupported

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto


def read(path: Path, name: str | None = None) -> Graph:
    """Read an ``.onnx`` file and lift it.

    name: the model's name (default: the file's stem). Raises CompileError, see `parse`, or
    CompileErrors (each problem of the graph, all at once).
    """
    model, raw = parse(path)
    digest = hashlib.sha256(raw).hexdigest()
    return lift(model, path.name, name or path.stem, digest)


def lift(model: ModelProto, file: str, name: str, sha256: str = "") -> Graph:
    """Lift by each operator's import rule what the outputs depend on.

    Operators whose operands are constant are evaluated. Raises CompileErrors with every problem
    found.
    """
    lifting = _Lifting(model, file, qdq.grouped(model, file))
    inputs = lifting.take_inputs(model.graph)
    lifting.run(model.graph, [o.name for o in model.graph.output])
    outputs = [lifting.output(o.name) for o in model.graph.output]
    if errors := lifting.errors:
        raise refused(file, errors, lifting.parts)
    if not inputs or not outputs:
        raise CompileError("E301", file, "has no input or no output", CONVERT_AGAIN)
    graph = verify(
        Graph(
            name=model_name(name),
            inputs=tuple(inputs),
            outputs=tuple(v for v in outputs if v is not None),
            nodes=tuple(lifting.nodes),
            sha256=sha256,
            input_names=tuple(v.name for v in inputs),
            output_names=tuple(o.name for o in model.graph.output),
            notes=tuple(lifting.notes),
        )
    )
    graph = sink_transposes(images_last(join_gelu(graph)), exact=False)
    return verify(remove_dead(fuse_activation(fold_affine(graph, layers=True))))


class _Lifting:
    """The values of a graph that is being lifted, by their names: constants as the file has them,
    None for those of which nothing is known since their operator failed."""

    def __init__(self, model: ModelProto, file: str, numbers: Mapping[str, Numbers]) -> None:
        self.file = file
        self.numbers = numbers
        self.model = model
        self.values: dict[str, Value | Array | None] = {}
        self.nodes: list[Node] = []
        self.errors: list[CompileError] = []
        self.parts: list[Part] = []
        self.notes: list[str] = []
        self._producers: dict[Value, Node] = {}
        self._uses: Counter[str] = Counter()
        self._rules = rules.load()
        self._count = 0

    # Inputs and outputs -------------------------------------------------------------------

    def take_inputs(self, graph: GraphProto) -> list[Value]:
        """The graph's inputs, but for those that are constants with a name."""
        fixed = {i.name for i in graph.initializer} | {
            i.values.name for i in graph.sparse_initializer
        }
        found = []
        for info in graph.input:
            if info.name in fixed:
                continue
            try:
                value = self._input(info)
            except CompileError as error:
                self.errors.append(error)
                self.values[info.name] = None
            else:
                self.values[info.name] = self._as_signed(value)
                found.append(value)
        return found

    def _input(self, info: ValueInfoProto) -> Value:
        origin = f"{self.file}: input '{info.name}'"
        tensor = info.type.tensor_type
        if not info.type.HasField("tensor_type"):
            raise CompileError("E303", origin, "is no tensor", "take tensors as the inputs")
        from onnx import TensorProto, helper

        named = TensorProto.DataType.Name(tensor.elem_type).lower()
        try:
            dtype = STORED[helper.tensor_dtype_to_np_dtype(tensor.elem_type)]
        except KeyError:
            hint = "export the model in float32, or with int8 inputs"
            raise CompileError("E303", origin, f"is {named}", hint) from None
        if not tensor.HasField("shape"):
            raise CompileError("E305", origin, "has no shape", _FIX.format(info.name))
        sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
        if any(d < 1 for d in sizes[1:]) or 0 in sizes:
            shown = [d.dim_param or d.dim_value or "?" for d in tensor.shape.dim]
            text = ", ".join(map(str, shown))
            raise CompileError(
                "E305", origin, f"has the dynamic shape [{text}]", _FIX.format(info.name)
            )
        if sizes and sizes[0] < 0:
            sizes[0] = 1
            self.notes.append(f"{origin}: its batch is open; it is compiled for 1")
        if np.prod(sizes, dtype=object) > static.MAX_ELEMENTS or len(sizes) > 8:
            raise CompileError("E301", origin, f"has the shape {sizes}", CONVERT_AGAIN)
        numbers = self.numbers.get(info.name)
        quant = numbers.quant() if numbers and dtype in (DType.I8, DType.U8) else None
        return Value(info.name, TensorType(tuple(sizes), dtype, quant), origin)

    def _as_signed(self, value: Value) -> Value:
        """What operators see of an input: quantized uint8 as int8, see `rules.qlinear`."""
        if value.type.dtype is not DType.U8 or value.type.quant is None:
            return value
        kind = TensorType(value.type.shape, DType.I8, self.numbers[value.name].quant(128))
        return self._converted(value, replace(value, name=f"{value.name}_i8", type=kind))

    def _converted(self, value: Value, to: Value) -> Value:
        """``to``, the same numbers of another type."""
        self.nodes.append(Node(Quantize(), (value,), (to,), value.origin))
        return to

    def output(self, name: str) -> Value | None:
        """The value of one of the graph's outputs; None, and an error, if there is none."""
        found = self.values.get(name)
        if isinstance(found, Value):
            numbers = self.numbers.get(name)
            if numbers is None or numbers.zero.dtype != np.uint8 or found.type.dtype is DType.U8:
                return found
            kind = TensorType(found.type.shape, DType.U8, numbers.quant())
            return self._converted(found, replace(found, name=f"{name}_u8", type=kind))
        origin = f"{self.file}: output '{name}'"
        if name not in self.values:
            what = "is never computed"
            self.errors.append(CompileError("E301", origin, what, CONVERT_AGAIN))
        elif found is not None:
            dtype = STORED.get(found.dtype)
            if dtype is not None:
                data = np.ascontiguousarray(found, dtype.numpy).reshape(found.shape)
                return Value(name, TensorType(data.shape, dtype), origin, data)
            hint = "take it out of the outputs"
            self.errors.append(CompileError("E303", origin, f"is {found.dtype}", hint))
        return None

    # Nodes --------------------------------------------------------------------------------

    def run(self, graph: GraphProto, wanted: Sequence[str]) -> None:
        """Import what the values ``wanted`` depend on."""
        from onnx import numpy_helper

        for tensor in graph.initializer:
            self.values[tensor.name] = numpy_helper.to_array(tensor)
        live = _live(graph, wanted)
        self._uses.update(name for node in live for name in _reads(node))
        self._uses.update(wanted)
        for node in live:
            self._step(node)

    def _step(self, proto: NodeProto) -> None:
        """Import one operator, or evaluate it; its outputs are None where that fails."""
        names = [name for name in proto.output if name]
        problems: tuple[CompileError, ...] = ()
        known = all(self.values.get(name) is not None for name in proto.input if name)
        place = f"node {self._count} '{proto.name or next(iter(names), '')}' ({proto.op_type})"
        try:
            found = self._import(proto)
        except CompileError as error:
            # A copy has none of the frames, and arrays, that the error came through.
            problems = (replace(error),)
            self.errors += problems
            found = None
        self.parts.append(Part(place, problems, known))
        self.values.update(dict.fromkeys(names))
        if found is not None:
            pairs = zip(proto.output, found, strict=False)
            self.values.update({name: value for name, value in pairs if name})

    def _import(self, proto: NodeProto) -> Sequence[Value | Array | None] | None:
        """The values of an operator's outputs; None where an operand is not known, for which
        there is an error already."""
        index, self._count = self._count, self._count + 1
        operands = [self.values.get(name) for name in proto.input]
        src = OnnxOp(
            self.file, index, proto, opset(self.model, proto.domain), tuple(operands),
            tuple(self._uses[name] for name in proto.input), self._producers,
        )  # fmt: skip
        unread = [name for name in proto.input if name and name not in self.values]
        if unread:
            raise src.fail(f"reads '{unread[0]}' before it is computed", CONVERT_AGAIN, "E301")
        if again := [name for name in proto.output if name and name in self.values]:
            raise src.fail(f"writes '{again[0]}' a second time", CONVERT_AGAIN, "E301")
        unknown = any(name and self.values[name] is None for name in proto.input)
        if unknown:
            if src.name not in (*self._rules, *static.FOLDED, "If"):
                raise unsupported(src)
            return None
        if src.name == "If":
            branch = "then_branch" if src.constant_number(0, 0) else "else_branch"
            graph = next(a.g for a in proto.attribute if a.name == branch)
            self.run(graph, names := [o.name for o in graph.output])
            return [self.values[name] for name in names]
        arrays = static.constants(src)
        if arrays is not None:
            return arrays
        if src.name not in self._rules:
            raise unsupported(src)
        try:
            made = self._rules[src.name].apply(src)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Of what the package's own check lets through.
            what = f"its operands or attributes do not fit: {error}"
            raise src.fail(what, CONVERT_AGAIN, "E301") from None
        values = [made] if isinstance(made, Value) else list(made)
        for node in src.nodes:
            node.op.check(node)
        return self._take(src, values)

    def _take(self, src: OnnxOp, values: Sequence[Value]) -> list[Value | Array]:
        """Keep an operator's nodes, whose values get the names that the file gives them."""
        made = {v for node in src.nodes for v in node.outputs}
        named: dict[Value, Value] = {}
        for name, value in zip(src.proto.output, values, strict=False):
            if name and value in made and value not in named:
                named[value] = replace(value, name=name)
        for node in src.nodes:
            inputs = tuple(named.get(v, v) for v in node.inputs)
            outputs = tuple(named.get(v, v) for v in node.outputs)
            final = replace(node, inputs=inputs, outputs=outputs)
            self.nodes.append(final)
            self._producers.update(dict.fromkeys(outputs, final))
        return [named.get(v, v) if v.data is None else v.data for v in values]


_FIX = (
    "fix every size but the batch: python -m onnxruntime.tools.make_dynamic_shape_fixed "
    "--input_name {} --input_shape 1,3,32,32 model.onnx fixed.onnx"
)


def _live(graph: GraphProto, wanted: Iterable[str]) -> list[NodeProto]:
    """The nodes that the values ``wanted`` depend on."""
    needed, kept = set(wanted), []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(_reads(node))
            kept.append(node)
    return kept[::-1]


def _reads(node: NodeProto) -> Iterator[str]:
    """What a node, and the graphs in it, read."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _reads(inner)
            yield from (o.name for o in graph.output)

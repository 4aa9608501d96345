"""What an operator's import rule sees of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import CompileError
from ...ir import Array, DType, Node, Op, Quant, TensorType, Value
from ...ops.base import CONVERT_AGAIN
from ...ops.reshape import Reshape
from ...ops.transpose import Transpose
from ..rulebook import Rulebook

if TYPE_CHECKING:
    from onnx import NodeProto

STORED: dict[np.dtype[Any], DType] = {d.numpy: d for d in DType} | {np.dtype(np.float16): DType.F32}
"""numpy's type of a tensor of the file -> the one that it has in the graph."""


@dataclass(frozen=True)
class OnnxOp:
    """What an import rule sees, and where it puts its nodes.

    operands: the inputs, constants as the file has them, variables as values of the graph, None
    for one that is left out; opset: the version of the operator set that the name is of;
    producers: value -> the node that computes it, of all that was imported before; uses: how often
    the file reads each operand; nodes: those that were made for this operator.
    """

    file: str
    index: int
    proto: NodeProto
    opset: int
    operands: tuple[Value | Array | None, ...]
    uses: tuple[int, ...] = ()
    producers: dict[Value, Node] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The type of operator, with its domain if that is not ONNX's own."""
        domain = self.proto.domain
        return self.proto.op_type if domain in ("", "ai.onnx") else f"{domain}.{self.proto.op_type}"

    @property
    def label(self) -> str:
        """What the file calls the node, else its first output."""
        return self.proto.name or next(filter(None, self.proto.output), "")

    @property
    def origin(self) -> str:
        return f"{self.file}: node {self.index} '{self.label}' ({self.name})"

    @property
    def outputs(self) -> int:
        """How many outputs the file names, up to the last that it wants."""
        return max((i for i, name in enumerate(self.proto.output, 1) if name), default=0)

    def fail(self, what: str, hint: str = "", id: str = "E302") -> CompileError:
        return CompileError(id, self.origin, what, hint)

    # Attributes ---------------------------------------------------------------------------

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer attribute; raises E301 where it is missing and has no default."""
        return int(self._attribute(name, default, int))

    def number(self, name: str, default: float | None = None) -> float:
        """A float attribute, the nearest float32; raises E301 as `integer`."""
        return float(self._attribute(name, default, float))

    def text(self, name: str, default: str | None = None) -> str:
        """A string attribute; raises E301 as `integer`."""
        found = self._attribute(name, default, (str, bytes))
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)

    def texts(self, name: str) -> tuple[str, ...]:
        """An attribute of strings, none where it is missing; raises E301 as `integer`."""
        return tuple(t.decode("utf-8", "replace") for t in self._attribute(name, (), (list, tuple)))

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """An attribute of integers; raises E301 as `integer`."""
        return tuple(int(i) for i in self._attribute(name, default, (list, tuple)))

    def has(self, name: str) -> bool:
        return any(a.name == name for a in self.proto.attribute)

    def _attribute(self, name: str, default: Any, kind: Any) -> Any:
        from onnx import helper

        given = next((a for a in self.proto.attribute if a.name == name), None)
        found = default if given is None else helper.get_attribute_value(given)
        if not isinstance(found, kind):
            what = f"lacks the attribute {name}" if found is None else f"its {name} is {found!r}"
            raise self.fail(what, CONVERT_AGAIN, "E301")
        return found

    # Operands -----------------------------------------------------------------------------

    def present(self, place: int) -> bool:
        """Whether an optional operand is there."""
        return place < len(self.operands) and self.operands[place] is not None

    def value(self, place: int) -> Value:
        """An operand as a value of the graph. Raises E301 if it is left out, E303 if it is a
        constant of a type that the graph has not, E324 if it is one that is not finite."""
        found = self.operands[place] if place < len(self.operands) else None
        if found is None:
            raise self.fail(f"lacks its operand {place}", CONVERT_AGAIN, "E301")
        if isinstance(found, Value):
            return found
        dtype = STORED.get(found.dtype)
        if dtype is None:
            raise self.fail(
                f"operand {place} is {found.dtype}", "convert the model in float32", "E303"
            )
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise self.fail(
                f"its operand {place} holds NaN or infinity",
                "train the model again, or keep its constants within float32", "E324",
            )  # fmt: skip
        name = self.proto.input[place] or f"{self.label}/{place}"
        data = np.ascontiguousarray(found, dtype.numpy).reshape(found.shape)
        return Value(name, TensorType(data.shape, dtype), self.origin, data)

    def values(self, least: int, most: int | None = None) -> list[Value]:
        """The operands, of which there are ``least`` to ``most``, without a gap; raises as
        `value`."""
        given = len(self.operands)
        while given and self.operands[given - 1] is None:
            given -= 1
        most = least if most is None else most
        if not least <= given <= most:
            want = str(least) if least == most else f"{least} to {most}"
            raise self.fail(f"has {given} operands, not {want}", CONVERT_AGAIN, "E301")
        return [self.value(i) for i in range(given)]

    def constant(self, place: int) -> Array:
        """An operand that is fixed at compile time; raises E305 if it is not, E301 if there is
        none."""
        found = self.operands[place] if place < len(self.operands) else None
        if found is None:
            raise self.fail(f"lacks its operand {place}", CONVERT_AGAIN, "E301")
        if isinstance(found, Value):
            raise self.fail(
                f"operand '{found.name}' depends on the model's input",
                "make it a constant: what it sets is fixed at compile time", "E305",
            )  # fmt: skip
        return found

    def numbers(self, place: int) -> Array:
        """A constant operand of float32 numbers; raises as `value` and `constant`."""
        self.constant(place)
        array = self.value(place).array
        if array.dtype != np.float32:
            raise self.fail(f"operand {place} is {array.dtype}", "convert it in float32", "E303")
        return array

    def constant_integers(self, place: int) -> tuple[int, ...]:
        """A constant operand of integers, flat; raises as `constant`."""
        array = self.constant(place)
        if array.dtype.kind not in "iu":
            raise self.fail(f"operand {place} is {array.dtype}", CONVERT_AGAIN, "E301")
        return tuple(int(i) for i in array.ravel())

    def constant_number(self, place: int, default: float) -> float:
        """A constant operand of one number, ``default`` where it is left out; raises as
        `constant`."""
        if not self.present(place):
            return default
        array = self.constant(place)
        if array.size != 1:
            raise self.fail(f"operand {place} is no single number", CONVERT_AGAIN, "E301")
        return float(array.reshape(()))

    def axis(self, axis: int, rank: int) -> int:
        """``axis``, counted from the end if negative, as an index under ``rank``; raises E301."""
        if not -rank <= axis < rank:
            raise self.fail(f"axis {axis} is out of range of rank {rank}", CONVERT_AGAIN, "E301")
        return axis % rank

    def broadcast(self, *shapes: Sequence[int]) -> tuple[int, ...]:
        """The shape that operands of ``shapes`` have in common; raises E301."""
        try:
            return np.broadcast_shapes(*map(tuple, shapes))
        except ValueError:
            named = " and ".join(str(list(s)) for s in shapes)
            raise self.fail(f"{named} do not broadcast", CONVERT_AGAIN, "E301") from None

    # Nodes --------------------------------------------------------------------------------

    def emit(
        self,
        op: Op,
        inputs: Sequence[Value],
        shape: Sequence[int],
        kind: DType | Quant | None = None,
    ) -> Value:
        """The output of a new node; its element type is ``kind``, int8 of a quantization, else,
        with the quantization, that of the first operand."""
        return self.emit_all(op, inputs, [(shape, kind)])[0]

    def emit_all(
        self,
        op: Op,
        inputs: Sequence[Value],
        outputs: Sequence[tuple[Sequence[int], DType | Quant | None]],
    ) -> list[Value]:
        """As `emit`, of a node with several outputs: (shape, element type) of each. Of constants
        they are constants."""
        values = []
        for i, (shape, kind) in enumerate(outputs):
            like = replace(inputs[0].type, shape=tuple(shape))
            if isinstance(kind, Quant):
                like = TensorType(like.shape, DType.I8, kind)
            elif kind not in (None, like.dtype):
                like = TensorType(like.shape, kind)
            name = f"{self.label}/{len(self.nodes)}" + (f"/{i}" if i else "")
            values.append(Value(name, like, self.origin))
        node = Node(op, tuple(inputs), tuple(values), self.origin)
        if node.variable_inputs:
            self.nodes.append(node)
            return values
        op.check(node)
        found = op.evaluate(node, *(v.array for v in inputs))
        return [replace(v, data=np.array(a)) for v, a in zip(values, found, strict=True)]

    def const(self, suffix: str, data: Array, quant: Quant | None = None) -> Value:
        """A new constant beside this operator."""
        kind = TensorType(data.shape, STORED[data.dtype], quant)
        return Value(f"{self.label}/{suffix}", kind, self.origin, data)

    def transposed(self, x: Value, axes: Sequence[int]) -> Value:
        """``x`` with its axes in another order, see `Transpose`."""
        return self.emit(Transpose(tuple(axes)), [x], [x.type.shape[a] for a in axes])

    def reshaped(self, x: Value, shape: Sequence[int]) -> Value:
        """``x`` under another shape; itself if it has it."""
        return x if x.type.shape == tuple(shape) else self.emit(Reshape(), [x], shape)


RULES: Rulebook[Callable[[OnnxOp], Value | Sequence[Value]]] = Rulebook(
    f"{__package__}.rules", "ONNX's "
)
"""A rule takes an operator, and returns the values of its outputs, in the file's order."""
rule, family = RULES.rule, RULES.family

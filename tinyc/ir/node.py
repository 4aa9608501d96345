"""Values, operators and nodes: what a graph is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, Self

import numpy as np
from typing_extensions import TypeIs, TypeVar

from .types import Array, Quant, TensorType

Order = tuple[int, ...]
"""Axis i of a tensor is axis ``order[i]`` of the one that it is stored as."""


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph; ``data`` (read-only, of the type's shape and dtype) if constant."""

    name: str
    type: TensorType
    origin: str
    data: Array | None = None

    def __post_init__(self) -> None:
        if self.data is not None:
            assert self.data.shape == self.type.shape, (self.name, self.data.shape, self.type)
            assert self.data.dtype == self.type.dtype.numpy, (self.name, self.data.dtype)
            self.data.setflags(write=False)

    @property
    def constant(self) -> bool:
        return self.data is not None

    @property
    def array(self) -> Array:
        """The data of a constant."""
        assert self.data is not None, f"{self.name} is no constant"
        return self.data


@dataclass(frozen=True)
class Along:
    """How outputs go along an axis of an operand: index i there depends on ``span`` indices of the
    operand, from ``first + i * stride`` on (what lies outside of it is padding), and on nothing
    else that differs from index to index.

    axis: what becomes of that axis in every output; None if they have it no more.
    """

    axis: int | None
    span: int = 1
    stride: int = 1
    first: int = 0


class Op:
    """Base of every operator; a subclass is a frozen dataclass of attributes.

    Its methods take nodes of its own, ``Node[Self]``: what `check` has let through.

    view: True if the output is the input's bytes unchanged (RESHAPE), which needs no code;
    elementwise: True if each output element depends on the operands' at its place alone, as far as
    they have it, broadcast.

    How an int8 node of it is quantized, of which `tinyc.compress.calibrate` makes one:
    keeps_quant: all its real operands and outputs are quantized alike;
    fixed_quant: what its output must have;
    weight_axis: it has the operands (x, weights, bias), with int8 weights that are symmetric for
    each index of this axis, and an int32 bias;
    float_constants: its constants stay float32;
    calibrates: False if a float32 node cannot be made an int8 one there.
    """

    view: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    keeps_quant: ClassVar[bool] = False
    fixed_quant: ClassVar[Quant | None] = None
    weight_axis: ClassVar[int | None] = None
    float_constants: ClassVar[bool] = False
    calibrates: ClassVar[bool] = True

    def check(self, node: Node[Self]) -> None:
        """The shape, dtype and quantization rule: raises CompileError unless the node fulfils
        all of it, so that neither reference nor kernel can read out of bounds."""
        raise AssertionError(f"{type(self).__name__} has no rule")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        """The numpy reference, bit-exact with TFLite's reference kernel."""
        raise AssertionError(f"{type(self).__name__} has no reference")

    def narrowed(self, quant: Quant) -> Op:
        """The attributes of a float32 node, for one whose int8 output has ``quant``."""
        return self

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        """The operator that computes the same, to the bit, where each operand is stored in
        another ``order``, and the order of what it then gives; None if there is none. Operands of
        an elementwise one all have its output's rank then."""
        return (self, order) if self.elementwise else None

    def suited(self, node: Node[Self], order: Order) -> Order | None:
        """An order near to ``order``, of a first operand, for which `transposed` has an operator
        though it has none for that; None if there is none."""
        return None

    def absorbing(self, node: Node[Self], places: Array) -> tuple[Value, ...] | None:
        """The operands with which the operator computes the same (but for the order of float32
        sums) where the elements of its first one are stored elsewhere; None if there are none.

        places: for each element, in row-major order, the flat index of where it stands, int64.
        """
        return None

    def ordered(self, node: Node[Self], places: Array) -> tuple[Value, ...] | None:
        """The operands with which the operator gives the same elements in another order; None if
        there are none.

        places: for each element then, in row-major order, the flat index of where it was, int64.
        """
        return None

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        """How the outputs go along ``axis`` of one of the operands; None if what they hold there
        depends on all of it."""
        x, out = node.inputs[operand].type.shape, node.outputs[0].type.shape
        at = axis + len(out) - len(x)
        if not self.elementwise or any(
            _extent(v, at - len(out)) > 1 for v in node.inputs if v.constant
        ):
            return None
        return Along(at)

    def shortened(self, axis: int, count: int) -> Op:
        """The operator for outputs of ``count`` indices along ``axis`` of the operands, which have
        then no more than those depend on, see `along`."""
        return self

    def channelwise(self, node: Node[Self]) -> bool:
        """Whether each index of the output's last axis depends on that index of the operands' last
        axes alone, modulo their extents, and the operator means the same for any number of them;
        variable operands of one shape but for those that are broadcast."""
        return self.elementwise

    def macs(self, node: Node[Self]) -> int:
        """Multiply-accumulates of one inference, 0 for operators without any."""
        return 0

    def binary_macs(self, node: Node[Self]) -> int:
        """How many of `macs` multiply signs."""
        return 0

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        """Awkward nodes for the generic test of reference and kernels (see tests/ops/test_ops.py):
        odd sizes, one channel, extreme zero points, and whatever the operator finds hard."""
        return iter(())


def _extent(value: Value, axis: int) -> int:
    """Of an axis, counted from the last one, which is -1; 1 if there is none."""
    shape = value.type.shape
    return shape[axis] if -axis <= len(shape) else 1


OpT = TypeVar("OpT", bound=Op)
OpT_co = TypeVar("OpT_co", bound=Op, covariant=True, default=Op)


@dataclass(frozen=True, eq=False)
class Node(Generic[OpT_co]):
    """One operator applied: ``op`` holds the attributes, inputs and outputs are values.

    ``Node[Conv2d]`` is one of that operator or of one derived from it, ``Node`` one of any;
    being frozen, the first is a case of the second.
    """

    op: OpT_co
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    origin: str

    @property
    def output(self) -> Value:
        """The only output of a node that has one."""
        (value,) = self.outputs
        return value

    @property
    def variable_inputs(self) -> tuple[Value, ...]:
        """The inputs that are not constants, each once, in their order."""
        return tuple(dict.fromkeys(v for v in self.inputs if not v.constant))


def applies(node: Node | None, kind: type[OpT]) -> TypeIs[Node[OpT]]:
    """Whether there is a node, and its operator is a ``kind``: ``isinstance`` of ``node.op``, by
    which a type checker knows the node too."""
    return node is not None and isinstance(node.op, kind)

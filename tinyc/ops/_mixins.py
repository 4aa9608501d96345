"""What many operators have, each with its fields: ``Conv2d`` is `Weighted` and `Windowed`.

The fields of the last base come first, so ``class Conv2d(Weighted, Windowed)`` takes stride,
dilation, padding, then activation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from ..ir import Along, Array, Node, Op

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


@dataclass(frozen=True)
class Windowed(Op):
    """A window slides over [n, h, w, c].

    stride, dilation: (height, width); padding: ((top, bottom), (left, right)) in elements.
    """

    stride: Pair
    dilation: Pair
    padding: Padding

    def window(self, node: Node[Self]) -> Pair:
        """(height, width) of the filter, in taps."""
        _, height, width, _ = node.inputs[1].type.shape
        return height, width

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        if operand or axis not in (1, 2):
            return None
        taps, dilation = self.window(node)[axis - 1], self.dilation[axis - 1]
        before, _ = self.padding[axis - 1]
        return Along(axis, (taps - 1) * dilation + 1, self.stride[axis - 1], -before)


class Rowwise(Op):
    """Each row, which lies along the last axis, is computed by itself."""

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        return Along(axis) if axis < len(node.inputs[0].type.shape) - 1 else None


@dataclass(frozen=True)
class Activated(Op):
    """The output is clamped to the range of an ``activation``, a name that
    `tinyc.ir.quant.activation_range` knows."""

    activation: str


@dataclass(frozen=True)
class Unsigned(Op):
    """unsigned: int8 in the place of the file's uint8, whose numbers and zero points, 128 more, are
    what is computed with."""

    unsigned: bool = field(default=False, kw_only=True)

    @property
    def offset(self) -> int:
        """From int8 to the numbers of the file."""
        return 128 if self.unsigned else 0


@dataclass(frozen=True)
class Weighted(Activated):
    """The operands are (x, weights, bias): sums of products, one for each output channel.

    unsigned: the layer was one of uint8, whose weights may have a zero point and whose multiplier
    may be computed otherwise; rounds_once: int8 sums are multiplied by a double and rounded once,
    halves away from zero; float_scaled: they are multiplied by a float32 and rounded halves to
    even, as by ONNX Runtime, and weights may have a zero point.
    """

    unsigned: bool = field(default=False, kw_only=True)
    float_scaled: bool = field(default=False, kw_only=True)

    rounds_once: ClassVar[bool] = False
    weight_axis: ClassVar[int]

    def sums(self, node: Node[Self], x: Array, weights: Array, zero: int) -> Array:
        """Sums [..., channels] of x minus ``zero`` times the weights, without the bias."""
        raise AssertionError(f"{type(self).__name__} has no sums")

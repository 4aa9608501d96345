"""How layers go through their images by rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ..ir import Node, Value, applies
from ..kernels.base import Binding, Kernel
from ..ops._mixins import Windowed
from ..ops.conv2d import Conv2d
from .step import Step

FEWEST = 3
"""An image of fewer rows has none to spare."""


def height(value: Value) -> int:
    """Rows of an image [1, h, w, c]."""
    return value.type.shape[1]


def row_bytes(value: Value) -> int:
    return value.type.bytes // height(value)


@dataclass(frozen=True)
class Reach:
    """The window of a layer along the height: how many rows of the input it spans, by how many it
    moves on from one row of the output to the next, and how many it begins above the image."""

    rows: int
    stride: int
    top: int

    def first_seen(self, y: int) -> int:
        """The first row of the input that row ``y`` of the output, and those after it, depend
        on."""
        return max(0, y * self.stride - self.top)


def _reach(step: Step) -> Reach | None:
    """Of a layer that goes, or can go, through one image by rows, from the first on."""
    node = step.node
    by_rows = step.binding.ordered or step.binding.strips is not None
    if not (by_rows and applies(node, Windowed)):
        return None
    if node.variable_inputs != node.inputs[:1] or node.inputs[0].type.shape[0] != 1:
        return None
    op = node.op
    rows, _ = op.window(node)
    return Reach((rows - 1) * op.dilation[0] + 1, op.stride[0], op.padding[0][0])


def distance(step: Step) -> int | None:
    """How many bytes behind the start of the output the input may lie at the least, if it is not
    needed any more: so many that each row of the output, or as many as are made at a time, end
    before the first row of the input that is read afterwards. None for layers that do not go
    through an image row by row.
    """
    reach = None if step.part else _reach(step)
    if reach is None or not step.binding.ordered:
        return None
    x, y = step.node.inputs[0], step.node.output
    read, made = row_bytes(x), row_bytes(y)
    if (
        applies(step.node, Conv2d)
        and reach == Reach(1, 1, 0)
        and x.type.shape[:3] == y.type.shape[:3]
    ):
        # A pixel sees one, so a row is as many as are computed at a time.
        pixels = height(x) * x.type.shape[2]
        return _pixels_between(
            pixels, step.binding.tile, x.type.bytes // pixels, y.type.bytes // pixels
        )
    rows = step.binding.rows
    return max(
        min(i + rows, height(y)) * made - reach.first_seen(i) * read
        for i in range(0, height(y), rows)
    )


def _pixels_between(pixels: int, tile: int, read: int, made: int) -> int:
    """`distance` of a layer that makes ``tile`` pixels of ``made`` bytes, each of one of ``read``,
    at a time."""
    last = (pixels - 1) // tile * tile
    # The greatest is at one of the ends, the last of which may be short.
    firsts = (0, max(last - tile, 0), last)
    return max(min(first + tile, pixels) * made - first * read for first in firsts)


@dataclass(frozen=True, eq=False)
class Stage:
    """A layer as one of a chain. step: bound to make a part of its output;
    part: ``strip``, some rows at once; ``row``, each row by itself; ``sum``, its output is made
    when the last row of its input has come."""

    step: Step
    reach: Reach
    part: str

    @cached_property
    def images(self) -> tuple[Value, ...]:
        """What it reads by rows."""
        return self.step.node.variable_inputs

    @cached_property
    def output(self) -> Value:
        return self.step.node.output

    @cached_property
    def row_bytes(self) -> int:
        """Of the output."""
        return row_bytes(self.output)


def staged(step: Step, most: int | None = None) -> Stage | None:
    """A layer as one of a chain that makes no more than ``most`` rows at a time; None if it needs
    its input as a whole."""
    node = step.node
    images = (*node.variable_inputs, *node.outputs)
    if step.schedule is not None or len(node.outputs) != 1 or not node.variable_inputs:
        return None
    if any(len(v.type.shape) != 4 or v.type.shape[0] != 1 for v in images):
        return None
    if height(images[0]) < FEWEST:
        return None
    sums = step.kernel.by_rows
    if sums is not None and sums.reject(node) is None:
        return _bound(step, sums, sums.bind(node), Reach(height(node.inputs[0]), 1, 0), "sum")
    reach = _reach(step)
    if reach is not None:
        binding = step.binding.strips or step.binding
        rows = height(node.output)
        fewer = rows - min(most or rows, rows)
        scratch = binding.scratch + binding.strip_scratch - fewer * binding.row_scratch
        return _bound(step, step.kernel, replace(binding, scratch=scratch), reach, "strip")
    row = _row(node) if node.op.elementwise else None
    if row is None or step.kernel.reject(row) is not None:
        return None
    return _bound(step, step.kernel, step.kernel.bind(row), Reach(1, 1, 0), "row")


def _bound(step: Step, kernel: Kernel, binding: Binding, reach: Reach, part: str) -> Stage:
    return Stage(replace(step, kernel=kernel, binding=binding, part=part), reach, part)


def _row(node: Node) -> Node | None:
    """An element-wise node of one row; None if its rows differ in more than the images."""
    if any(v.type.shape != node.output.type.shape for v in node.variable_inputs):
        return None
    if any(v.constant and len(v.type.shape) > 2 and v.type.shape[-3] > 1 for v in node.inputs):
        return None

    def cut(value: Value) -> Value:
        if value.constant:
            return value
        batches, _, *rest = value.type.shape
        return replace(value, type=replace(value.type, shape=(batches, 1, *rest)))

    cuts = {value: cut(value) for value in (*node.inputs, *node.outputs)}
    return replace(
        node,
        inputs=tuple(cuts[v] for v in node.inputs),
        outputs=tuple(cuts[v] for v in node.outputs),
    )

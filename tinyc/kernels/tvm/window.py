"""Which bytes of its input each output of a convolution or a dense layer reads, for TIR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir import Node
from ...ops._mixins import Windowed
from ...ops.fully_connected import FullyConnected
from . import tvm

SMALL = 2048
"""Bytes of a padded input up to which all of it is staged at once."""


@dataclass(frozen=True)
class Window:
    """Which bytes of an int8 input each output reads: at each of ``runs``, (row, byte within the
    row) from where its window begins, ``length`` bytes side by side.

    in_h, row: of the input, in rows and bytes; pad: (rows above, bytes before); step: (rows,
    bytes) from one output to the next; rows, width: of the output, whose ``width`` is tiled;
    out_w: columns of the image where the tiles run across its rows, else 0.
    """

    batches: int
    in_h: int
    row: int
    pad: tuple[int, int]
    step: tuple[int, int]
    rows: int
    width: int
    runs: tuple[tuple[int, int], ...]
    length: int
    out_w: int = 0

    def staged(self, length: int) -> tuple[int, int]:
        """(rows, bytes of a row) of the padded input of which runs of ``length`` are read."""
        rows, columns = (
            (self.width // self.out_w, self.out_w) if self.out_w else (self.rows, self.width)
        )
        y, x = self.runs[-1]
        return (rows - 1) * self.step[0] + y + 1, (columns - 1) * self.step[1] + x + length

    def begin(self, row: Any, x: Any) -> tuple[Any, Any]:
        """(row, byte) at which the window of an output begins."""
        if self.out_w:
            row, x = x // self.out_w, x % self.out_w
        return row * self.step[0], x * self.step[1]

    def run(self, index: Any) -> tuple[Any, Any]:
        """``runs[index]`` of an index that is an expression; runs form a grid."""
        columns = sum(y == self.runs[0][0] for y, _ in self.runs)
        dy = self.runs[columns][0] if columns < len(self.runs) else 0
        if columns == 1:
            return index * dy, 0
        return index // columns * dy, index % columns * self.runs[1][1]


def window_of(node: Node[Windowed], per_channel: bool = False) -> Window:
    """The window of a convolution; per_channel: of a depthwise one, a run for each tap."""
    op = node.op
    x, weights = node.inputs[0].type, node.inputs[1].type
    n, in_h, in_w, c = x.shape
    _, kh, kw, _ = weights.shape
    _, oh, ow, _ = node.output.type.shape
    (top, bottom), (left, right) = op.padding
    padded = (top, bottom, left, right) != (0, 0, 0, 0)
    dy, dx = op.dilation
    if (kh, kw, *op.stride) == (1, 1, 1, 1) and not padded and not per_channel:
        return Window(n, 1, in_h * in_w * c, (0, 0), (0, c), 1, in_h * in_w, ((0, 0),), c)
    if dx == 1 and not per_channel:
        runs, length = [(ky * dy, 0) for ky in range(kh)], kw * c
    else:
        runs = [(ky * dy, kx * dx * c) for ky in range(kh) for kx in range(kw)]
        length = c
    whole = (in_h + top + bottom) * (in_w + left + right) * c
    across = ow % 4 != 0 and (not padded or whole <= SMALL) and not per_channel
    rows, width, out_w = (1, oh * ow, ow) if across else (oh, ow, 0)
    step = (op.stride[0], op.stride[1] * c)
    pad = (top, left * c)
    return Window(n, in_h, in_w * c, pad, step, rows, width, tuple(runs), length, out_w)


def dense_window(node: Node[FullyConnected]) -> Window:
    depth = node.inputs[1].type.shape[1]
    batches = node.inputs[0].type.elements // depth
    return Window(1, 1, batches * depth, (0, 0), (0, depth), 1, batches, ((0, 0),), depth)


def stage(x: Any, window: Window, length: int, fill: int) -> tuple[Any, bool]:
    """The input between its padding, or the input itself where no run reads outside of it."""
    te, tirx = tvm().te, tvm().tirx
    (top, left), in_h, row = window.pad, window.in_h, window.row
    height, width = window.staged(length)
    if (top, left) == (0, 0) and height <= in_h and width <= row:
        return x, False

    def inside(i: Any, j: Any) -> Any:
        return te.all(i >= top, i < top + in_h, j >= left, j < left + row)

    padded = te.compute(
        (window.batches, height, width),
        lambda b, i, j: te.if_then_else(
            inside(i, j), x[b, i - top, j - left], tirx.const(fill, x.dtype)
        ),
        "padded",
    )
    return padded, True


def clamped(pixel: Any, width: int, pixels: int) -> Any:
    """What is past the last pixel of a tile reads the last one again."""
    return pixel if width % pixels == 0 else tvm().te.min(pixel, width - 1)

"""TIR forms of what sums products: convolutions, pointwise ones and dense layers as a product of
matrices over tiles of channels and pixels, and depthwise convolutions tap by tap.

Padding is staged: the rows of the input that a tile needs are copied between their padding into
working memory, where the input's zero point stands for it. So each sum has all of its products,
and the input's offset belongs into the bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir import DType, Node
from ...ir.quant import activation_range
from ...ops._conv import weight_zero
from .. import conv_dsp
from ..base import Constant, Kernel, Schedule
from ..conv import channel_table
from . import intrinsics, tvm
from .lower import Form, kernel

DSP = frozenset({"dsp"})
SMALL = 2048
"""Bytes of a padded input up to which all of it is staged at once."""
MAX_UNROLLED_TAPS = 25
"""Larger depthwise filters keep their loops: unrolled code would outgrow its gain."""
SUPPORT = ("tinyc_requant.h", "tinyc_dot.h", "tinyc_tensor.h")
SUPPORT_DSP = ("tinyc_requant.h", "tinyc_dot.h", "tinyc_tensor.h", "tinyc_tensor_dsp.h")


# Windows ------------------------------------------------------------------------------------


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


def window_of(node: Node, per_channel: bool = False) -> Window:
    """The window of a convolution; per_channel: of a depthwise one, a run for each tap."""
    op: Any = node.op
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


def dense_window(node: Node) -> Window:
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


# Last steps ---------------------------------------------------------------------------------

Finish = Callable[[Any, Any, Any, Any], Any]
"""(sum, bias, multiplier, shift) -> the int8 output, all of them expressions."""


def finish_dsp(node: Node) -> Finish:
    """The last steps as calls of tinyc_dsp.h."""
    call = tvm().tirx.call_pure_extern
    out = node.output.type
    low, high = activation_range(node.op.activation, out)
    half = 1 + 2 * out.zero_point

    def finish(acc: Any, bias: Any, multiplier: Any, shift: Any) -> Any:
        y = call("int32", "tinyc_requant2_dsp", acc + bias, multiplier, shift, half)
        return call("int8", "tinyc_clamp_s8", y, low, high)

    return finish


def finish_portable(node: Node, function: str = "tinyc_requant2") -> Finish:
    """The last steps as calls of tinyc_requant.h; function: how it rounds."""
    call = tvm().tirx.call_pure_extern
    out = node.output.type
    low, high = activation_range(node.op.activation, out)
    zero = out.zero_point

    def finish(acc: Any, bias: Any, multiplier: Any, shift: Any) -> Any:
        total = call("int32", "tinyc_add_bias", acc, bias)
        y = call("int32", function, total, multiplier, shift)
        return (call("int32", "tinyc_clamp", y, low - zero, high - zero) + zero).astype("int8")

    return finish


# Products of matrices -----------------------------------------------------------------------


@dataclass(frozen=True)
class Product:
    """rows: weights [outs, runs * length]; table: int32 [outs, 3]; finish: the last steps."""

    node: Node
    caption: str
    window: Window
    rows: np.ndarray
    table: Constant
    finish: Finish

    def packed(self, channels: int, length: int) -> np.ndarray:
        """The weights as [groups of channels, channels, runs, length], with zeros up to whole
        groups and to runs of ``length``."""
        split = self.rows.reshape(len(self.rows), len(self.window.runs), self.window.length)
        missing = ((0, -len(split) % channels), (0, 0), (0, length - self.window.length))
        return np.pad(split, missing).reshape(-1, channels, split.shape[1], length)


def product_dsp(product: Product, schedule: Schedule) -> Form:
    """Widened columns of a tile of pixels, then each group of channels over them, by a
    micro-kernel of SMLADs."""
    module, window = tvm(), product.window
    te, zero = module.te, product.node.inputs[0].type.zero_point
    channels, pixels = schedule["channels"], schedule["pixels"]
    runs = len(window.runs)
    each = max(-(-window.length // 4), 2 if runs == 1 else 1)  # quads of a run
    quads = runs * each
    packed = product.packed(channels, 4 * each)
    groups = len(packed)
    packed = packed.reshape(groups, channels, quads, 2, 2)  # input 2 * half + row of a quad
    paired = (channels, pixels) == (2, 4)
    order = (0, 2, 4, 3, 1) if paired else (0, 2, 1, 3, 4)
    note = "byte-interleaved by input pair" if paired else "four inputs of each in turn"
    weights = Constant(
        "weights", packed.transpose(order), f"weights of {channels} channels, {note}"
    )

    x = te.placeholder((window.batches, window.in_h, window.row), "int8", "in")
    w = te.placeholder(weights.data.shape, "int8", "weights")
    t = te.placeholder(product.table.data.shape, "int32", "channels")
    source, staged = stage(x, window, 4 * each, zero)
    k, r, h = (te.reduce_axis((0, n), name) for n, name in ((quads, "quad"), (2, "r"), (2, "h")))
    shape = (window.batches, window.rows, -(-window.width // pixels))

    def column(b: Any, row: Any, tile: Any, quad: Any, r: Any, p: Any, h: Any) -> Any:
        y0, x0 = window.begin(row, clamped(tile * pixels + p, window.width, pixels))
        dy, dx = window.run(quad // each)
        return source[b, y0 + dy, x0 + dx + quad % each * 4 + r + 2 * h].astype("int16")

    columns = te.compute((*shape, quads, 2, pixels, 2), column, "columns")

    def total(b: Any, row: Any, tile: Any, g: Any, i: Any, p: Any) -> Any:
        at = (k, r, h, i) if paired else (k, i, h, r)
        wide = (columns[b, row, tile, k, r, p, h], w[(g, *at)])
        return te.sum(wide[0].astype("int32") * wide[1].astype("int32"), axis=[k, r, h])

    acc = te.compute((*shape, groups, channels, pixels), total, "acc")
    s = module.s_tir.Schedule(_finished(product, acc, [x, w, t], channels, pixels))
    row, tile, group = _tiled(s, schedule)
    columns_block, acc_block = s.get_sblock("columns"), s.get_sblock("acc")
    s.compute_at(acc_block, group, preserve_unit_loops=True)
    s.set_scope(acc_block, 0, "local")
    s.compute_at(columns_block, tile, preserve_unit_loops=True)
    if staged:
        s.compute_at(s.get_sblock("padded"), row, preserve_unit_loops=True)
    quad, r, pixel, h = s.get_loops(columns_block)[-4:]
    run, quad = s.split(quad, [None, each])
    s.reorder(pixel, run, quad, r, h)
    s.tensorize(r, intrinsics.widen(pixels))
    i, p = s.get_loops(acc_block)[-5:-3]
    if pixels == 1:
        s.reorder(p, i)
    s.decompose_reduction(acc_block, i)
    s.tensorize(i, intrinsics.gemm(quads, channels, pixels))
    return Form(product.caption, s, (weights, product.table), support=SUPPORT_DSP)


def product_portable(product: Product, schedule: Schedule) -> Form:
    """A tile of sums in registers, the input read where it lies."""
    module, window = tvm(), product.window
    te, zero = module.te, product.node.inputs[0].type.zero_point
    channels, pixels = schedule["channels"], schedule["pixels"]
    packed = product.packed(channels, window.length).transpose(0, 2, 3, 1)
    note = f"weights of {channels} channels, input by input"
    weights = Constant("weights", packed, note)

    x = te.placeholder((window.batches, window.in_h, window.row), "int8", "in")
    w = te.placeholder(packed.shape, "int8", "weights")
    t = te.placeholder(product.table.data.shape, "int32", "channels")
    source, staged = stage(x, window, window.length, zero)
    run = te.reduce_axis((0, len(window.runs)), "run")
    k = te.reduce_axis((0, window.length), "k")
    shape = (window.batches, window.rows, -(-window.width // pixels))

    def total(b: Any, row: Any, tile: Any, g: Any, i: Any, p: Any) -> Any:
        y0, x0 = window.begin(row, clamped(tile * pixels + p, window.width, pixels))
        dy, dx = window.run(run)
        wide = (source[b, y0 + dy, x0 + dx + k], w[g, run, k, i])
        return te.sum(wide[0].astype("int32") * wide[1].astype("int32"), axis=[run, k])

    acc = te.compute((*shape, len(packed), channels, pixels), total, "acc")
    s = module.s_tir.Schedule(_finished(product, acc, [x, w, t], channels, pixels))
    row, _tile, group = _tiled(s, schedule)
    acc_block = s.get_sblock("acc")
    s.compute_at(acc_block, group, preserve_unit_loops=True)
    s.set_scope(acc_block, 0, "local")
    if staged:
        s.compute_at(s.get_sblock("padded"), row, preserve_unit_loops=True)
    i, p, run_loop, k_loop = s.get_loops(acc_block)[-4:]
    s.reorder(run_loop, k_loop, p, i)
    init = s.decompose_reduction(acc_block, run_loop)
    for loop in (p, i, *s.get_loops(init)[-2:]):
        s.unroll(loop)
    return Form(product.caption, s, (weights, product.table), support=SUPPORT)


def clamped(pixel: Any, width: int, pixels: int) -> Any:
    """What is past the last pixel of a tile reads the last one again."""
    return pixel if width % pixels == 0 else tvm().te.min(pixel, width - 1)


def _finished(product: Product, acc: Any, operands: list[Any], channels: int, pixels: int) -> Any:
    """The function of a product: its sums, then the last steps of each."""
    te, window, table = tvm().te, product.window, operands[2]

    def last(b: Any, row: Any, p: Any, o: Any) -> Any:
        total = acc[b, row, p // pixels, o // channels, o % channels, p % pixels]
        return product.finish(total, table[o, 0], table[o, 1], table[o, 2])

    shape = (window.batches, window.rows, window.width, len(product.rows))
    return te.create_prim_func([*operands, te.compute(shape, last, "out")])


def _tiled(s: Any, schedule: Schedule) -> tuple[Any, Any, Any]:
    """Tile the output; returns its loops over rows, tiles of pixels and groups of channels.
    ``unroll``: of the last steps nothing, the loop over pixels, or all."""
    channels, pixels = schedule["channels"], schedule["pixels"]
    _, row, p, o = s.get_loops(s.get_sblock("out"))
    tile, p = s.split(p, [None, pixels])
    group, o = s.split(o, [None, channels])
    s.reorder(tile, group, o, p)
    for loop in (p, o)[: schedule["unroll"]]:
        s.unroll(loop)
    return row, tile, group


# Depthwise ----------------------------------------------------------------------------------


def depthwise_dsp(node: Node, table: Constant, finish: Finish, schedule: Schedule) -> Form:
    """Four channels of a pixel at a time, tap by tap."""
    module, window = tvm(), window_of(node, per_channel=True)
    te, zero = module.te, node.inputs[0].type.zero_point
    data = node.inputs[1].data
    assert data is not None
    _, kh, kw, c = data.shape
    packed = data.reshape(kh * kw, c // 4, 4).transpose(1, 0, 2)
    weights = Constant("weights", packed, "weights of four channels, tap by tap")

    x = te.placeholder((window.batches, window.in_h, window.row), "int8", "in")
    w = te.placeholder((c // 4, kh, kw, 4), "int8", "weights")
    t = te.placeholder(table.data.shape, "int32", "channels")
    source, staged = stage(x, window, window.length, zero)
    ky, kx = te.reduce_axis((0, kh), "ky"), te.reduce_axis((0, kw), "kx")

    def total(b: Any, row: Any, p: Any, g: Any, i: Any) -> Any:
        y0, x0 = window.begin(row, p)
        dy, dx = window.run(ky * kw + kx)
        wide = (source[b, y0 + dy, x0 + dx + g * 4 + i], w[g, ky, kx, i])
        return te.sum(wide[0].astype("int32") * wide[1].astype("int32"), axis=[ky, kx])

    acc = te.compute((window.batches, window.rows, window.width, c // 4, 4), total, "acc")
    out = te.compute(
        (window.batches, window.rows, window.width, c),
        lambda b, row, p, o: finish(acc[b, row, p, o // 4, o % 4], t[o, 0], t[o, 1], t[o, 2]),
        "out",
    )
    s = module.s_tir.Schedule(te.create_prim_func([x, w, t, out]))
    _, row, p, o = s.get_loops(s.get_sblock("out"))
    group, o = s.split(o, [None, 4])
    inner = group
    if schedule["channels_first"]:
        s.reorder(group, p)
        inner = p
    acc_block = s.get_sblock("acc")
    s.compute_at(acc_block, inner, preserve_unit_loops=True)
    s.set_scope(acc_block, 0, "local")
    if staged:
        s.compute_at(s.get_sblock("padded"), row, preserve_unit_loops=True)
    i, ky_loop, kx_loop = s.get_loops(acc_block)[-3:]
    s.reorder(ky_loop, kx_loop, i)
    init = s.decompose_reduction(acc_block, ky_loop)
    for loop in (s.get_loops(init)[-1], o, *(kx_loop, ky_loop)[: schedule["unroll"]]):
        s.unroll(loop)
    s.tensorize(i, intrinsics.tap())
    return Form(_depthwise_caption(node), s, (weights, table), support=SUPPORT_DSP)


def depthwise_portable(node: Node, table: Constant, finish: Finish, schedule: Schedule) -> Form:
    """One channel of a tile of pixels at a time."""
    module, window = tvm(), window_of(node, per_channel=True)
    te, zero = module.te, node.inputs[0].type.zero_point
    op: Any = node.op
    pixels, multiplier = schedule["pixels"], op.multiplier
    data = node.inputs[1].data
    assert data is not None
    _, kh, kw, outs = data.shape
    packed = data.reshape(kh * kw, outs).T
    weights = Constant("weights", packed, "weights, channel by channel")

    x = te.placeholder((window.batches, window.in_h, window.row), "int8", "in")
    w = te.placeholder((outs, kh, kw), "int8", "weights")
    t = te.placeholder(table.data.shape, "int32", "channels")
    source, staged = stage(x, window, window.length, zero)
    ky, kx = te.reduce_axis((0, kh), "ky"), te.reduce_axis((0, kw), "kx")
    tiles = -(-window.width // pixels)

    def total(b: Any, row: Any, tile: Any, o: Any, p: Any) -> Any:
        y0, x0 = window.begin(row, clamped(tile * pixels + p, window.width, pixels))
        dy, dx = window.run(ky * kw + kx)
        wide = (source[b, y0 + dy, x0 + dx + o // multiplier], w[o, ky, kx])
        return te.sum(wide[0].astype("int32") * wide[1].astype("int32"), axis=[ky, kx])

    acc = te.compute((window.batches, window.rows, tiles, outs, pixels), total, "acc")

    def last(b: Any, row: Any, p: Any, o: Any) -> Any:
        return finish(acc[b, row, p // pixels, o, p % pixels], t[o, 0], t[o, 1], t[o, 2])

    out = te.compute((window.batches, window.rows, window.width, outs), last, "out")
    s = module.s_tir.Schedule(te.create_prim_func([x, w, t, out]))
    _, row, p, o = s.get_loops(s.get_sblock("out"))
    tile, p = s.split(p, [None, pixels])
    s.reorder(o, tile, p)
    acc_block = s.get_sblock("acc")
    s.compute_at(acc_block, tile, preserve_unit_loops=True)
    s.set_scope(acc_block, 0, "local")
    if staged:
        s.compute_at(s.get_sblock("padded"), row, preserve_unit_loops=True)
    p_loop, ky_loop, kx_loop = s.get_loops(acc_block)[-3:]
    s.reorder(ky_loop, kx_loop, p_loop)
    init = s.decompose_reduction(acc_block, ky_loop)
    for loop in (p_loop, s.get_loops(init)[-1], *((kx_loop,) if kw <= 5 else ())):
        s.unroll(loop)
    return Form(_depthwise_caption(node), s, (weights, table), support=SUPPORT)


def _depthwise_caption(node: Node) -> str:
    _, kh, kw, _ = node.inputs[1].type.shape
    return f"{kh}x{kw} depthwise convolution of {node.inputs[0].type.shape[3]} channels"


# Kernels ------------------------------------------------------------------------------------


def _weights(node: Node) -> np.ndarray:
    """[outs, inputs of each]."""
    data = node.inputs[1].data
    assert data is not None
    if data.shape[0] == 1 and data.ndim == 4 and hasattr(node.op, "multiplier"):
        return data.reshape(-1, data.shape[3]).T
    return data.reshape(len(data), -1)


def _last_steps(node: Node, dsp: bool) -> tuple[Constant, Finish]:
    """Table and last steps of a layer that rounds twice: SMMULR's where it can be used."""
    rows = _weights(node)
    if dsp and conv_dsp.reject(node, rows) is None:
        table = conv_dsp.table(node, rows, fold=True)
        return Constant(table.suffix, table.data[: len(rows)], table.note), finish_dsp(node)
    return channel_table(node, rows), finish_portable(node)


def _conv_product(node: Node, dsp: bool) -> Product:
    _, kh, kw, depth = node.inputs[1].type.shape
    caption = f"{kh}x{kw} convolution, {depth} to {node.output.type.shape[3]} channels"
    table, finish = _last_steps(node, dsp)
    return Product(node, caption, window_of(node), _weights(node), table, finish)


def _dense_product(node: Node, dsp: bool) -> Product:
    rows = _weights(node)
    caption = f"dense layer, {rows.shape[1]} to {len(rows)}"
    finish = finish_portable(node, "tinyc_requant1")
    return Product(node, caption, dense_window(node), rows, channel_table(node, rows), finish)


def _reject_conv(node: Node) -> str | None:
    x, weights = (v.type for v in node.inputs[:2])
    if weights.shape[3] != x.shape[3]:
        return "grouped"
    return _reject_dense(node)


def _reject_dense(node: Node) -> str | None:
    if node.inputs[0].type.dtype is not DType.I8:
        return "not i8"
    return "the weights have a zero point" if weight_zero(node) else None


def _reject_depthwise_dsp(node: Node) -> str | None:
    op: Any = node.op
    if op.multiplier > 1 or node.output.type.shape[3] % 4:
        return "a depth multiplier, or channels that are no multiple of 4"
    return _reject_dense(node)


def _tiles(*tiles: tuple[int, int], unroll: tuple[int, ...]) -> list[Schedule]:
    return [{"channels": c, "pixels": p, "unroll": u} for c, p in tiles for u in unroll]


def _dsp_tiles(node: Node, window: Window) -> list[Schedule]:
    few, many = (4, 1), (2, 4)
    return _tiles(*((few, many) if window.width < 3 else (many, few)), unroll=(2, 1, 0))


def _portable_tiles(node: Node, window: Window) -> list[Schedule]:
    tiles = [(4, 1), (2, 2), (1, 4), (2, 1), (4, 2), (2, 4), (8, 1)]
    return _tiles(*(t for t in tiles if t[1] <= max(window.width, 1)), unroll=(0, 2))


def _products(
    name: str, reject: Callable[[Node], str | None], product: Callable[[Node, bool], Product],
    window: Callable[[Node], Window],
) -> tuple[Kernel, ...]:  # fmt: skip
    return (
        kernel(
            f"{name}_s8_tvm_dsp", DSP, reject,
            lambda node: _dsp_tiles(node, window(node)),
            lambda node, schedule: product_dsp(product(node, True), schedule),
        ),
        kernel(
            f"{name}_s8_tvm", frozenset(), reject,
            lambda node: _portable_tiles(node, window(node)),
            lambda node, schedule: product_portable(product(node, False), schedule),
        ),
    )  # fmt: skip


def _depthwise_schedules(node: Node, dsp: bool) -> list[Schedule]:
    if dsp:
        _, kh, kw, _ = node.inputs[1].type.shape
        taps = (kh * kw, kw, 1)  # of unrolled code
        depths = [u for u in (2, 1, 0) if taps[2 - u] <= MAX_UNROLLED_TAPS]
        return [{"channels_first": f, "unroll": u} for u in depths for f in (0, 1)]
    return [{"pixels": n} for n in (1, 2, 4) if n <= node.output.type.shape[2]]


CONV2D = _products("conv2d", _reject_conv, _conv_product, window_of)
FULLY_CONNECTED = _products("fully_connected", _reject_dense, _dense_product, dense_window)
DEPTHWISE_CONV2D = (
    kernel(
        "depthwise_conv2d_s8_tvm_dsp", DSP, _reject_depthwise_dsp,
        lambda node: _depthwise_schedules(node, True),
        lambda node, s: depthwise_dsp(node, *_last_steps(node, True), s),
    ),
    kernel(
        "depthwise_conv2d_s8_tvm", frozenset(), _reject_dense,
        lambda node: _depthwise_schedules(node, False),
        lambda node, s: depthwise_portable(node, *_last_steps(node, False), s),
    ),
)  # fmt: skip

"""TIR forms of convolutions, pointwise ones and dense layers: a product of
matrices over tiles of channels and pixels.

Padding is staged: the rows of the input that a tile needs are copied between their padding into
working memory, where the input's zero point stands for it. So each sum has all of its products,
and the input's offset belongs into the bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ir import Array, Node, OpT
from ...ops.conv2d import Conv2d
from ...ops.fully_connected import FullyConnected
from ..base import Constant, Kernel, Schedule
from ..conv import channel_table
from . import intrinsics, tvm
from .lower import Form, kernel
from .steps import (
    DSP,
    SUPPORT,
    SUPPORT_DSP,
    Finish,
    finish_portable,
    last_steps,
    reject_sums,
    weight_rows,
)
from .window import Window, clamped, dense_window, stage, window_of


@dataclass(frozen=True)
class Product:
    """rows: weights [outs, runs * length]; table: int32 [outs, 3]; finish: the last steps."""

    node: Node
    caption: str
    window: Window
    rows: Array
    table: Constant
    finish: Finish

    def packed(self, channels: int, length: int) -> Array:
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


# Kernels ------------------------------------------------------------------------------------


def _conv_product(node: Node[Conv2d], dsp: bool) -> Product:
    _, kh, kw, depth = node.inputs[1].type.shape
    caption = f"{kh}x{kw} convolution, {depth} to {node.output.type.shape[3]} channels"
    table, finish = last_steps(node, dsp)
    return Product(node, caption, window_of(node), weight_rows(node), table, finish)


def _dense_product(node: Node[FullyConnected], dsp: bool) -> Product:
    rows = weight_rows(node)
    caption = f"dense layer, {rows.shape[1]} to {len(rows)}"
    finish = finish_portable(node, "tinyc_requant1")
    return Product(node, caption, dense_window(node), rows, channel_table(node, rows), finish)


def _reject_conv(node: Node[Conv2d]) -> str | None:
    x, weights = (v.type for v in node.inputs[:2])
    if weights.shape[3] != x.shape[3]:
        return "grouped"
    return reject_sums(node)


def _tiles(*tiles: tuple[int, int], unroll: tuple[int, ...]) -> list[Schedule]:
    return [{"channels": c, "pixels": p, "unroll": u} for c, p in tiles for u in unroll]


def _dsp_tiles(node: Node, window: Window) -> list[Schedule]:
    few, many = (4, 1), (2, 4)
    return _tiles(*((few, many) if window.width < 3 else (many, few)), unroll=(2, 1, 0))


def _portable_tiles(node: Node, window: Window) -> list[Schedule]:
    tiles = [(4, 1), (2, 2), (1, 4), (2, 1), (4, 2), (2, 4), (8, 1)]
    return _tiles(*(t for t in tiles if t[1] <= max(window.width, 1)), unroll=(0, 2))


def _products(
    name: str, reject: Callable[[Node[OpT]], str | None],
    product: Callable[[Node[OpT], bool], Product], window: Callable[[Node[OpT]], Window],
) -> tuple[Kernel[OpT], ...]:  # fmt: skip
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


CONV2D = _products("conv2d", _reject_conv, _conv_product, window_of)
FULLY_CONNECTED = _products("fully_connected", reject_sums, _dense_product, dense_window)

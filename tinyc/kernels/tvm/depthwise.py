"""TIR forms of depthwise convolutions, tap by tap."""

from __future__ import annotations

from typing import Any

from ...ir import Node
from ...ops.depthwise_conv2d import DepthwiseConv2d
from ..base import Constant, Kernel, Schedule
from . import intrinsics, tvm
from .lower import Form, kernel
from .steps import DSP, SUPPORT, SUPPORT_DSP, Finish, last_steps, reject_sums
from .window import clamped, stage, window_of

MAX_UNROLLED_TAPS = 25
"""Larger depthwise filters keep their loops: unrolled code would outgrow its gain."""


def depthwise_dsp(
    node: Node[DepthwiseConv2d], table: Constant, finish: Finish, schedule: Schedule
) -> Form:
    """Four channels of a pixel at a time, tap by tap."""
    module, window = tvm(), window_of(node, per_channel=True)
    te, zero = module.te, node.inputs[0].type.zero_point
    data = node.inputs[1].array
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


def depthwise_portable(
    node: Node[DepthwiseConv2d], table: Constant, finish: Finish, schedule: Schedule
) -> Form:
    """One channel of a tile of pixels at a time."""
    module, window = tvm(), window_of(node, per_channel=True)
    te, zero = module.te, node.inputs[0].type.zero_point
    pixels, multiplier = schedule["pixels"], node.op.multiplier
    data = node.inputs[1].array
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


def _depthwise_caption(node: Node[DepthwiseConv2d]) -> str:
    _, kh, kw, _ = node.inputs[1].type.shape
    return f"{kh}x{kw} depthwise convolution of {node.inputs[0].type.shape[3]} channels"


def _reject_depthwise_dsp(node: Node[DepthwiseConv2d]) -> str | None:
    if node.op.multiplier > 1 or node.output.type.shape[3] % 4:
        return "a depth multiplier, or channels that are no multiple of 4"
    return reject_sums(node)


def _depthwise_schedules(node: Node[DepthwiseConv2d], dsp: bool) -> list[Schedule]:
    if dsp:
        _, kh, kw, _ = node.inputs[1].type.shape
        taps = (kh * kw, kw, 1)  # of unrolled code
        depths = [u for u in (2, 1, 0) if taps[2 - u] <= MAX_UNROLLED_TAPS]
        return [{"channels_first": f, "unroll": u} for u in depths for f in (0, 1)]
    return [{"pixels": n} for n in (1, 2, 4) if n <= node.output.type.shape[2]]


DEPTHWISE_CONV2D: tuple[Kernel[DepthwiseConv2d], ...] = (
    kernel(
        "depthwise_conv2d_s8_tvm_dsp", DSP, _reject_depthwise_dsp,
        lambda node: _depthwise_schedules(node, True),
        lambda node, s: depthwise_dsp(node, *last_steps(node, True), s),
    ),
    kernel(
        "depthwise_conv2d_s8_tvm", frozenset(), reject_sums,
        lambda node: _depthwise_schedules(node, False),
        lambda node, s: depthwise_portable(node, *last_steps(node, False), s),
    ),
)  # fmt: skip

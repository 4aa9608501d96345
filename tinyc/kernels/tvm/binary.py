"""TIR form of convolutions of signs: set bits of x ^ w, word by word, and what follows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir import DType, Node
from ...ops._bits import WORD, words
from ...ops._conv import NO_PADDING
from ...ops.lce_bconv2d import LceBconv2d
from ..base import Constant, Kernel, Schedule
from . import tvm
from .lower import Form, kernel

SUPPORT = ("tinyc_requant.h", "tinyc_bits.h", "tinyc_tensor.h")


def form(node: Node[LceBconv2d], schedule: Schedule, ending: tuple[Constant, ...]) -> Form:
    """A tile of counts in registers. Padding of ones is words of zeros; a tap in padding of zeros
    counts half of its channels. ending: the constants of what follows (lce_bconv2d.ending)."""
    module = tvm()
    te, tirx = module.te, module.tirx
    op = node.op
    data = node.inputs[1].array
    outs, kh, kw, depth = data.shape
    n, in_h, in_w, _ = node.inputs[0].type.shape
    _, oh, ow, _ = node.output.type.shape
    kind, tile = node.output.type.dtype, schedule["channels"]
    (top, bottom), (left, right) = op.padding
    zeros = op.pad_value == 0 and op.padding != NO_PADDING
    groups = -(-outs // (WORD if kind is DType.I32 else tile)) * (
        WORD // tile if kind is DType.I32 else 1
    )
    rows = np.zeros((groups * tile, kh, kw, depth), np.uint32)
    rows[:outs] = data.view(np.uint32)
    packed = rows.reshape(groups, tile, kh, kw, depth).transpose(0, 2, 3, 4, 1)
    weights = Constant("weights", packed, f"weights of {tile} channels, word by word")

    x = te.placeholder((n, in_h, in_w, depth), "int32", "in")
    w = te.placeholder(packed.shape, "uint32", "weights")
    ky, kx, k = (te.reduce_axis((0, m), name) for m, name in ((kh, "ky"), (kw, "kx"), (depth, "k")))
    (sy, sx), (dy, dx) = op.stride, op.dilation
    source, staged = x, False
    if (top, bottom, left, right) != (0, 0, 0, 0) and not zeros:
        staged = True
        source = te.compute(
            (n, in_h + top + bottom, in_w + left + right, depth),
            lambda b, i, j, c: te.if_then_else(
                te.all(i >= top, i < top + in_h, j >= left, j < left + in_w),
                x[b, i - top, j - left, c], tirx.const(0, "int32"),
            ),
            "padded",
        )  # fmt: skip

    def total(b: Any, oy: Any, ox: Any, g: Any, i: Any) -> Any:
        y, column = oy * sy + ky * dy, ox * sx + kx * dx
        weight = w[g, ky, kx, k, i]

        def count(word: Any) -> Any:
            bits = tirx.call_pure_extern("int32", "tinyc_popcount", word.astype("uint32") ^ weight)
            return bits * 2

        if not zeros:
            return te.sum(count(source[b, y, column, k]), axis=[ky, kx, k])
        y, column = y - top, column - left
        inside = te.all(y >= 0, y < in_h, column >= 0, column < in_w)
        outside = tirx.Select(k == 0, tirx.const(op.channels, "int32"), tirx.const(0, "int32"))
        return te.sum(
            te.if_then_else(inside, count(source[b, y, column, k]), outside), axis=[ky, kx, k]
        )

    acc = te.compute((n, oh, ow, groups, tile), total, "acc")
    low, high = op.clamps(node)

    def twice(b: Any, y: Any, column: Any, o: Any) -> Any:
        value = acc[b, y, column, o // tile, o % tile]
        if op.inner_activation == "none":
            return value
        return te.max(te.min(value, high), low)

    arrays = [x, w]
    if kind is DType.I32:
        (limits,) = ending
        wide = np.full(words(outs) * WORD, 2 * op.depth(node), np.int32)
        wide[:outs] = limits.data
        ending = (Constant(limits.suffix, wide, limits.note),)
        t = te.placeholder(wide.shape, "int32", "thresholds")
        bit = te.reduce_axis((0, WORD), "bit")

        def word(b: Any, y: Any, column: Any, o: Any) -> Any:
            at = o * WORD + bit
            negative = tirx.Select(twice(b, y, column, at) > t[at], tirx.const(1, "uint32"),
                                   tirx.const(0, "uint32"))  # fmt: skip
            return te.sum(negative << bit.astype("uint32"), axis=[bit])

        word_of = te.compute((n, oh, ow, words(outs)), word, "word")
        out = te.compute((n, oh, ow, words(outs)), lambda *at: word_of[at].astype("int32"), "out")
        arrays.append(t)
    else:
        ctype = "float32" if kind is DType.F32 else "int32"
        t = te.placeholder((outs, 2), ctype, "channels")
        arrays.append(t)

        def last(b: Any, y: Any, column: Any, o: Any) -> Any:
            value = twice(b, y, column, o)
            if kind is DType.F32:
                return value.astype("float32") * t[o, 0] + t[o, 1]
            return tirx.call_pure_extern("int8", "tinyc_bits_scaled", value, t[o, 0], t[o, 1])

        out = te.compute((n, oh, ow, outs), last, "out")
    s = module.s_tir.Schedule(te.create_prim_func([*arrays, out]))
    _, row, _, o = s.get_loops(s.get_sblock("out"))
    block = s.get_sblock("acc")
    if kind is DType.I32:
        word_block = s.get_sblock("word")
        s.compute_at(word_block, o, preserve_unit_loops=True)
        s.set_scope(word_block, 0, "local")
        outer, _ = s.split(s.get_loops(word_block)[-1], [None, tile])
        s.decompose_reduction(word_block, outer)
        s.compute_at(block, outer, preserve_unit_loops=True)
    else:
        group, _ = s.split(o, [None, tile])
        s.compute_at(block, group, preserve_unit_loops=True)
    s.set_scope(block, 0, "local")
    if staged:
        s.compute_at(s.get_sblock("padded"), row, preserve_unit_loops=True)
    i, *reduced = s.get_loops(block)[-4:]
    s.reorder(*reduced, i)
    init = s.decompose_reduction(block, reduced[0])
    for loop in (i, s.get_loops(init)[-1]):
        s.unroll(loop)
    caption = f"binary {kh}x{kw} convolution, {op.channels} to {outs} channels"
    return Form(caption, s, (weights, *ending), support=SUPPORT)


def schedules(node: Node) -> list[Schedule]:
    return [{"channels": n} for n in (1, 2, 4)]


def binary_kernel(
    reject: Callable[[Node[LceBconv2d]], str | None],
    ending: Callable[[Node[LceBconv2d]], tuple[Constant, ...]],
) -> Kernel[LceBconv2d]:
    """reject, ending: of lce_bconv2d.py, which know what the last steps can be."""

    def refused(node: Node[LceBconv2d]) -> str | None:
        weights = node.inputs[1].data
        if weights is not None and words(node.op.channels) != weights.shape[3]:
            return "grouped"
        return reject(node)

    return kernel(
        "lce_bconv2d_tvm", frozenset(), refused, schedules,
        lambda node, schedule: form(node, schedule, ending(node)),
    )  # fmt: skip

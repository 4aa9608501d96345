"""DEPTHWISE_CONV_2D: output channel c * multiplier + j filters input channel c alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import DType, Node
from ..op import Binding, Constant, Kernel, Op, expect_arity, expect_shape, fail, register
from . import _conv_dsp, _tir_conv
from ._conv import (
    NO_PADDING,
    Padding,
    Pair,
    centred_weights,
    channel_table,
    check_operands,
    check_window,
    clamp_params,
    finish,
    import_window,
    int8_sums,
    out_sizes,
    portable,
    unsigned_case,
    weighted_case,
    window_params,
    windows,
)
from ._hybrid import Hybrid, bind_hybrid, hybrid_cases, hybrid_kernel, import_layer, plain
from ._int16 import check_sums, finishing, narrow


@register
@dataclass(frozen=True)
class DepthwiseConv2d(Op):
    """Inputs: x [n, h, w, c], weights [1, kh, kw, c * multiplier], bias [c * multiplier];
    output [n, oh, ow, c * multiplier].

    int8 (bias int32, weights per tensor or per channel along 3), int16 (bias int64, weights as
    before) or float32.
    stride, dilation: (height, width); padding: ((top, bottom), (left, right)) in elements;
    unsigned: see `_conv.unsigned`.
    """

    stride: Pair
    dilation: Pair
    padding: Padding
    activation: str
    multiplier: int = 1
    unsigned: bool = False

    tflite = ("DEPTHWISE_CONV_2D",)
    weight_axis = 3

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        x, weights, *rest = src.operands(2, 3)
        if len(weights.type.shape) != 4 or not x.type.shape:
            raise src.fail("its weights are not of rank 4", CONVERT_AGAIN, "E301")
        _, kh, kw, channels = weights.type.shape
        window = import_window(src, x, (kh, kw))
        # Files state the multiplier too; like TFLite's kernel, take what the shapes say.
        multiplier = channels // x.type.shape[3]
        op = cls(**window, activation=src.activation(), multiplier=multiplier,
                 unsigned=src.unsigned)  # fmt: skip
        return [import_layer(src, op, [x, weights, *rest], channels, HybridDepthwiseConv2d)]

    def check(self, node: Node) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        if len(x.shape) != 4 or len(weights.shape) != 4:
            raise fail(node, "input or weights are not of rank 4", CONVERT_AGAIN)
        one, kh, kw, channels = weights.shape
        if one != 1 or channels != x.shape[3] * self.multiplier:
            raise fail(
                node,
                f"weights {list(weights.shape)} do not fit {x.shape[3]} input channels",
                CONVERT_AGAIN,
            )
        check_operands(node, channels, 3, kh * kw, (DType.I64,))
        check_sums(node, _flat(node))
        height, width = check_window(node, (kh, kw), self.stride, self.dilation, self.padding)
        expect_shape(node, node.output.type, (x.shape[0], height, width, channels), "output")

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x, zero = inputs[0], node.inputs[0].type.zero_point
        return (finish(node, self.sums(node, x, centred_weights(node, inputs[1]), zero)),)

    def sums(self, node: Node, x: np.ndarray, weights: np.ndarray, zero: int) -> np.ndarray:
        """Sums [n, oh, ow, c * multiplier] of x minus ``zero`` times the weights."""
        _, kh, kw, channels = weights.shape
        wide = np.float32 if x.dtype == np.float32 else np.int64
        acc = np.zeros((*node.output.type.shape[:3], x.shape[3], self.multiplier), wide)
        patches = windows(x, node, (kh, kw), zero)
        taps = weights.reshape(kh, kw, x.shape[3], self.multiplier)
        for ky in range(kh):  # one tap at a time keeps the order of float sums
            for kx in range(kw):
                tap = patches[:, :, :, ky, kx, :, None].astype(wide) - wide(zero)
                acc += tap * taps[ky, kx]
        return acc.reshape(*acc.shape[:3], channels)

    def macs(self, node: Node) -> int:
        _, kh, kw, _ = node.inputs[1].type.shape
        return node.output.type.elements * kh * kw

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        one = (1, 1)
        # x, (kernel h, w), stride, dilation, padding, multiplier, activation
        shapes: list[tuple[Any, Pair, Pair, Pair, Padding, int, str]] = [
            ((1, 1, 1, 1), (1, 1), one, one, NO_PADDING, 1, "none"),
            ((1, 5, 7, 4), (3, 3), one, one, ((1, 1), (1, 1)), 1, "relu"),
            ((1, 9, 5, 8), (3, 2), (2, 3), one, ((0, 1), (1, 0)), 1, "relu6"),
            ((1, 6, 1, 12), (5, 1), one, one, NO_PADDING, 1, "none"),
            ((1, 9, 8, 4), (3, 3), one, (2, 3), ((2, 2), (3, 3)), 1, "none"),
            ((1, 7, 3, 5), (3, 3), (1, 2), one, ((1, 1), (1, 1)), 1, "none"),
            ((1, 4, 4, 3), (2, 3), one, one, ((0, 1), (1, 1)), 3, "relu_n1_to_1"),
            ((1, 6, 5, 1), (4, 4), (2, 2), one, ((1, 2), (1, 1)), 8, "none"),
            ((1, 7, 8, 4), (6, 6), one, one, ((2, 3), (2, 3)), 1, "none"),
            ((2, 3, 3, 4), (3, 3), one, one, ((1, 1), (1, 1)), 1, "none"),
        ]
        for x, kernel, stride, dilation, padding, multiplier, activation in shapes:
            op = cls(stride, dilation, padding, activation, multiplier)
            size = out_sizes(x[1:3], kernel, stride, dilation, padding)
            channels = x[3] * multiplier
            for dtype, per_channel in (
                (DType.I8, True), (DType.I8, False), (DType.I16, True), (DType.F32, False)
            ):  # fmt: skip
                triple = (x, (1, *kernel, channels), (x[0], *size, channels))
                yield weighted_case(op, rng, dtype, triple, 3, per_channel)
            yield unsigned_case(op, rng, triple)
        # Sums of more than 32 bits.
        triple = ((1, 40, 40, 2), (1, 40, 40, 2), (1, 1, 1, 2))
        yield weighted_case(cls(one, one, NO_PADDING, "none"), rng, DType.I16, triple, 3)


def _rows(node: Node) -> np.ndarray:
    """The weights as [channels, kh, kw]: a kernel walks the taps of one channel at a time."""
    weights = node.inputs[1].data
    assert weights is not None
    return weights[0].transpose(2, 0, 1)


def _flat(node: Node) -> np.ndarray:
    """The weights as [channels, depth]."""
    rows = _rows(node)
    return rows.reshape(len(rows), -1)


def _params(node: Node) -> dict[str, Any]:
    _, kh, kw, _ = node.inputs[1].type.shape
    op: Any = node.op
    params = window_params(node, (kh, kw))
    return {
        **params,
        **clamp_params(node),
        "multiplier": op.multiplier,
        "filter_size": kh * kw,
        "tap_step": params["dilation_w"] * params["in_c"],
    }


def _bind_s8(node: Node) -> Binding:
    params, rows = _params(node), _rows(node)
    fold = not params["padded"]
    centred = centred_weights(node, rows).reshape(len(rows), -1)
    return Binding(
        params={**params, **int8_sums(node, 0 if fold else -node.inputs[0].type.zero_point)},
        constants=(
            Constant("weights", rows, "weights, channel by channel"),
            channel_table(node, centred if fold else None),
        ),
        support=("tinyc_requant.h", "tinyc_window.h", "tinyc_dot.h"),
    )


def _bind_s16(node: Node) -> Binding:
    params, table = finishing(node, _flat(node))
    return Binding(
        params={**_params(node), **params},
        constants=(Constant("weights", _rows(node), "weights, channel by channel"), table),
        support=("tinyc_requant.h", "tinyc_window.h", "tinyc_sum16.h"),
    )


def _bind_f32(node: Node) -> Binding:
    bias = node.inputs[2].data
    assert bias is not None
    return Binding(
        params=_params(node),
        constants=(
            Constant("weights", _rows(node), "weights, channel by channel"),
            Constant("bias", bias, "bias"),
        ),
        support=("tinyc_window.h",),
    )


def _bind_hybrid(node: Node) -> Binding:
    layer = plain(node)
    return bind_hybrid(
        node, _params(layer), Constant("weights", _rows(node), "weights, channel by channel")
    )


def _reject_tile4(node: Node, dtype: DType = DType.I8) -> str | None:
    if node.inputs[0].type.dtype is not dtype:
        return f"not {dtype.value}"
    op: Any = node.op
    if op.multiplier > 1 or node.output.type.shape[3] % 4:
        return "a depth multiplier, or channels that are no multiple of 4"
    return None


def _reject_s16_tile4(node: Node) -> str | None:
    reason = _reject_tile4(node, DType.I16)
    if reason is None and not narrow(node, _flat(node)):
        return "a sum could reach 2^31"
    return reason


def _bind_tile4(node: Node) -> Binding:
    bound = (_bind_s16 if node.inputs[0].type.dtype is DType.I16 else _bind_s8)(node)
    _, table = bound.constants
    rows = _rows(node)
    groups = rows.reshape(len(rows) // 4, 4, -1).transpose(0, 2, 1)
    taps = groups.shape[1]
    return replace(
        bound,
        params={
            **bound.params,
            "row_weights": 4 * bound.params["kernel_w"],
            "group_weights": 4 * taps,
        },
        constants=(
            Constant(
                "weights", np.ascontiguousarray(groups), "weights of four channels, tap by tap"
            ),
            table,
        ),
    )


DepthwiseConv2d.kernels = (
    _conv_dsp.DEPTHWISE_CONV2D,
    Kernel(
        "depthwise_conv2d_s8_tile4",
        "depthwise_conv2d_s8_tile4.c.j2",
        frozenset(),
        _reject_tile4,
        _bind_tile4,
    ),
    portable("depthwise_conv2d_s8_scalar", DType.I8, _bind_s8),
    Kernel(
        "depthwise_conv2d_s16_tile4",
        "depthwise_conv2d_s8_tile4.c.j2",
        frozenset(),
        _reject_s16_tile4,
        _bind_tile4,
    ),
    portable(
        "depthwise_conv2d_s16_scalar", DType.I16, _bind_s16, "depthwise_conv2d_s8_scalar.c.j2"
    ),
    portable("depthwise_conv2d_f32", DType.F32, _bind_f32),
)
DepthwiseConv2d.tir = _tir_conv.DEPTHWISE_CONV2D


@register
class HybridDepthwiseConv2d(Hybrid[DepthwiseConv2d]):
    """See `Hybrid`: always of asymmetric numbers."""

    always_asymmetric = True

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from hybrid_cases(cls, DepthwiseConv2d.cases(rng), rng)


HybridDepthwiseConv2d.kernels = (hybrid_kernel("depthwise_conv2d_hybrid", _bind_hybrid),)

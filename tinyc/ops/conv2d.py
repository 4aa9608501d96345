"""CONV_2D: y[n, oy, ox, o] = b[o] + sum x[n, oy*s + ky*d, ox*s + kx*d, i] * w[o, ky, kx, i]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import DType, Node
from ..op import Binding, Constant, Kernel, Op, expect_arity, expect_shape, fail, register
from . import _conv_dsp, _conv_dsp16, _tir_conv
from ._conv import (
    NO_PADDING,
    Padding,
    Pair,
    centred_weights,
    channel_table,
    check_operands,
    check_window,
    clamp_params,
    filter_rows,
    finish,
    four_channels,
    import_window,
    int8_sums,
    matmul,
    out_sizes,
    portable,
    unsigned_case,
    weight_support,
    weighted_case,
    window_params,
    windows,
)
from ._hybrid import Hybrid, bind_hybrid, hybrid_cases, hybrid_kernel, import_layer, plain
from ._int16 import check_sums, finishing, narrow


@register
@dataclass(frozen=True)
class Conv2d(Op):
    """Inputs: x [n, h, w, c], weights [o, kh, kw, c / groups], bias [o]; output [n, oh, ow, o].

    int8 (bias int32, weights per tensor or per channel along 0), int16 (bias int64 or int32,
    weights as before) or float32.
    stride, dilation: (height, width); padding: ((top, bottom), (left, right)) in elements;
    unsigned: see `_conv.unsigned`.
    """

    stride: Pair
    dilation: Pair
    padding: Padding
    activation: str
    unsigned: bool = False

    tflite = ("CONV_2D",)
    weight_axis = 0

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        x, weights, *rest = src.operands(2, 3)
        if len(weights.type.shape) != 4:
            raise src.fail("its weights are not of rank 4", CONVERT_AGAIN, "E301")
        channels, kh, kw, _ = weights.type.shape
        window = import_window(src, x, (kh, kw))
        op = cls(**window, activation=src.activation(), unsigned=src.unsigned)
        return [import_layer(src, op, [x, weights, *rest], channels, HybridConv2d)]

    def check(self, node: Node) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        if len(x.shape) != 4 or len(weights.shape) != 4:
            raise fail(node, "input or weights are not of rank 4", CONVERT_AGAIN)
        channels, kh, kw, depth = weights.shape
        if x.shape[3] % depth or channels % (x.shape[3] // depth):
            raise fail(node, f"{x.shape[3]} channels do not fit filters of {depth}", CONVERT_AGAIN)
        check_operands(node, channels, 0, kh * kw * depth)
        check_sums(node, filter_rows(node))
        height, width = check_window(node, (kh, kw), self.stride, self.dilation, self.padding)
        expect_shape(node, node.output.type, (x.shape[0], height, width, channels), "output")

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x, zero = inputs[0], node.inputs[0].type.zero_point
        return (finish(node, self.sums(node, x, centred_weights(node, inputs[1]), zero)),)

    def sums(self, node: Node, x: np.ndarray, weights: np.ndarray, zero: int) -> np.ndarray:
        """Sums [n, oh, ow, o] of x minus ``zero`` times the weights."""
        _, kh, kw, depth = weights.shape
        patches = windows(x, node, (kh, kw), zero)
        groups = x.shape[3] // depth
        sums = [
            matmul(patch.reshape(*patch.shape[:3], -1), rows.reshape(len(rows), -1).T, zero)
            for patch, rows in zip(
                np.split(patches, groups, -1), np.split(weights, groups), strict=True
            )
        ]
        return np.concatenate(sums, -1)

    def macs(self, node: Node) -> int:
        _, kh, kw, depth = node.inputs[1].type.shape
        return node.output.type.elements * kh * kw * depth

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        one = (1, 1)
        # (n, h, w, in), (out, kernel h, w), stride, dilation, padding, groups, activation
        shapes: list[
            tuple[tuple[int, ...], tuple[int, int, int], Pair, Pair, Padding, int, str]
        ] = [
            ((1, 1, 1, 1), (1, 1, 1), one, one, NO_PADDING, 1, "none"),
            ((1, 5, 7, 4), (3, 3, 3), one, one, ((1, 1), (1, 1)), 1, "relu"),
            ((1, 9, 5, 3), (5, 3, 2), (2, 3), one, ((0, 1), (1, 0)), 1, "relu6"),
            ((1, 4, 3, 8), (2, 1, 1), one, one, NO_PADDING, 1, "none"),
            ((1, 6, 6, 5), (7, 1, 1), (3, 2), one, NO_PADDING, 1, "none"),
            ((1, 8, 9, 4), (4, 3, 3), one, (2, 3), ((2, 2), (3, 3)), 1, "relu_n1_to_1"),
            ((1, 7, 3, 6), (4, 3, 3), (1, 2), one, ((1, 1), (1, 1)), 2, "none"),
            ((1, 2, 2, 2), (9, 5, 5), one, one, ((2, 2), (2, 2)), 1, "none"),
            ((3, 4, 3, 3), (2, 2, 2), one, one, ((3, 0), (0, 4)), 1, "none"),
        ]
        for x, (channels, kh, kw), stride, dilation, padding, groups, activation in shapes:
            op = cls(stride, dilation, padding, activation)
            size = out_sizes(x[1:3], (kh, kw), stride, dilation, padding)
            weights = (channels, kh, kw, x[3] // groups)
            triple = (x, weights, (x[0], *size, channels))
            for dtype, per_channel in ((DType.I8, True), (DType.I8, False), (DType.F32, False)):
                yield weighted_case(op, rng, dtype, triple, 0, per_channel)
            yield unsigned_case(op, rng, triple)
            for bias in (DType.I64, DType.I32):
                yield weighted_case(op, rng, DType.I16, triple, 0, True, bias)
        # Sums of more than 32 bits.
        for bias in (DType.I64, DType.I32):
            triple = ((1, 3, 3, 130), (3, 3, 3, 130), (1, 3, 3, 3))
            op = cls(one, one, ((1, 1), (1, 1)), "none")
            yield weighted_case(op, rng, DType.I16, triple, 0, True, bias)


def _params(node: Node) -> dict[str, Any]:
    channels, kh, kw, depth = node.inputs[1].type.shape
    groups = node.inputs[0].type.shape[3] // depth
    op: Any = node.op
    # The taps of a row of the filter and their pixels then lie side by side in memory.
    rows = groups == 1 and op.dilation[1] == 1
    return {
        **window_params(node, (kh, kw)),
        **clamp_params(node),
        "depth": depth,
        "filter_size": kh * kw * depth,
        "group_size": channels // groups,
        "groups": groups,
        "rows": rows,
    }


def _centred_rows(node: Node) -> np.ndarray:
    """[channels, depth]: the weights less their zero point."""
    weights = centred_weights(node)
    return weights.reshape(len(weights), -1)


def _bind_s8(node: Node) -> Binding:
    weights = node.inputs[1].data
    assert weights is not None
    params = _params(node)
    fold = not params["padded"]
    return Binding(
        params={**params, **int8_sums(node, 0 if fold else -node.inputs[0].type.zero_point)},
        constants=(
            Constant("weights", weights, "weights, OHWI"),
            channel_table(node, _centred_rows(node) if fold else None),
        ),
        support=("tinyc_requant.h", "tinyc_window.h", "tinyc_dot.h", *weight_support(node)),
    )


def _bind_s16(node: Node) -> Binding:
    weights = node.inputs[1].data
    assert weights is not None
    params, table = finishing(node, filter_rows(node))
    return Binding(
        params={**_params(node), **params},
        constants=(Constant("weights", weights, "weights, OHWI"), table),
        support=("tinyc_requant.h", "tinyc_window.h", "tinyc_sum16.h"),
    )


def _bind_f32(node: Node) -> Binding:
    _, weights, bias = (v.data for v in node.inputs)
    assert weights is not None and bias is not None
    return Binding(
        params=_params(node),
        constants=(Constant("weights", weights, "weights, OHWI"), Constant("bias", bias, "bias")),
        support=("tinyc_window.h", "tinyc_dot_f32.h"),
    )


def _bind_hybrid(node: Node) -> Binding:
    weights = node.inputs[1].data
    assert weights is not None
    layer = plain(node)
    return bind_hybrid(node, _params(layer), Constant("weights", weights, "weights, OHWI"))


def _reject_tile4(node: Node, dtype: DType = DType.I8) -> str | None:
    if node.inputs[0].type.dtype is not dtype:
        return f"not {dtype.value}"
    if node.inputs[1].type.shape[3] != node.inputs[0].type.shape[3]:
        return "grouped"
    return None


def _reject_s16_tile4(node: Node) -> str | None:
    reason = _reject_tile4(node, DType.I16)
    if reason is None and not narrow(node, filter_rows(node)):
        return "a sum could reach 2^31"
    return reason


def _bind_tile4(node: Node) -> Binding:
    x, weights = node.inputs[0].type, node.inputs[1].data
    assert weights is not None
    op: Any = node.op
    params = _params(node)
    rows = filter_rows(node)
    pointwise = weights.shape[1:3] == (1, 1) and op.stride == (1, 1) and not params["padded"]
    if x.dtype is DType.I16:
        types, table = finishing(node, rows)
        support = ("tinyc_requant.h", "tinyc_sum16.h")
    else:
        types, table = int8_sums(node), channel_table(node, _centred_rows(node))
        support = ("tinyc_requant.h", "tinyc_dot.h", "tinyc_tile4.h", *weight_support(node))
    return Binding(
        params={
            **params,
            **types,
            "size": x.dtype.size,
            "pointwise": pointwise,
            "pixels": params["out_h"] * params["out_w"],
            "last_x": params["in_w"] - params["kernel_w"],
            "row": params["kernel_w"] * params["in_c"],
            "padding_byte": x.zero_point,
        },
        constants=(
            four_channels(rows, "weights of four channels, input by input"),
            table,
        ),
        scratch=0 if pointwise else rows.shape[1] * x.dtype.size,
        support=support,
    )


Conv2d.kernels = (
    _conv_dsp.CONV2D,
    _conv_dsp16.CONV2D,
    Kernel("conv2d_s8_tile4", "conv2d_s8_tile4.c.j2", frozenset(), _reject_tile4, _bind_tile4),
    portable("conv2d_s8_scalar", DType.I8, _bind_s8),
    Kernel(
        "conv2d_s16_tile4",
        "conv2d_s8_tile4.c.j2",
        frozenset(),
        _reject_s16_tile4,
        _bind_tile4,
    ),
    portable("conv2d_s16_scalar", DType.I16, _bind_s16, "conv2d_s8_scalar.c.j2"),
    portable("conv2d_f32", DType.F32, _bind_f32),
)
Conv2d.tir = _tir_conv.CONV2D


@register
class HybridConv2d(Hybrid[Conv2d]):
    """See `Hybrid`. Weights quantized as a whole take symmetric numbers, those of each channel
    asymmetric ones, whatever the file asks for."""

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from hybrid_cases(cls, Conv2d.cases(rng), rng)


HybridConv2d.kernels = (hybrid_kernel("conv2d_hybrid", _bind_hybrid),)

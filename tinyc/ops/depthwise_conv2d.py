"""DEPTHWISE_CONV_2D: each input channel i is filtered alone into channels i * m .. i * m + m - 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Binding, Constant, Kernel, Op, expect_arity, expect_shape, fail, register
from . import _conv_dsp
from ._conv import (
    Padding,
    Pair,
    channel_table,
    check_operands,
    clamp_params,
    finish,
    geometry_params,
    import_geometry,
    out_size,
    reject_dtype,
    too_large,
    windows,
    with_bias,
)
from .conv2d import case


@register
@dataclass(frozen=True)
class DepthwiseConv2d(Op):
    """Inputs: x [n, h, w, c], weights [1, kh, kw, c * m], bias [c * m]; output [n, oh, ow, c * m].

    int8 (bias int32, weights per tensor or per channel along 3) or float32; fields as `Conv2d`.
    """

    stride: Pair
    dilation: Pair
    padding: Padding
    activation: str

    tflite = ("DEPTHWISE_CONV_2D",)

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        x, weights, *rest = src.operands(2, 3)
        if len(weights.type.shape) != 4:
            raise src.fail("its weights are not of rank 4", id="E301")
        op = cls(**import_geometry(src, x, weights.type.shape[1:3]), activation=src.activation())
        return [src.node(op, with_bias(src, [x, weights, *rest], weights.type.shape[3]))]

    def check(self, node: Node) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        if len(x.shape) != 4 or len(weights.shape) != 4 or weights.shape[0] != 1:
            raise fail(node, "input or weights have another rank than [n, h, w, c]", id="E301")
        _, kh, kw, channels = weights.shape
        if channels % x.shape[3]:
            raise fail(node, f"{x.shape[3]} channels do not fit {channels} filters", id="E301")
        check_operands(node, channels, 3)
        sizes = tuple(
            out_size(*args)
            for args in zip(
                x.shape[1:3], (kh, kw), self.stride, self.dilation, self.padding, strict=True
            )
        )
        if min(sizes) < 1:
            raise fail(node, "the filter is larger than its padded input", id="E301")
        expect_shape(node, node.output.type, (x.shape[0], *sizes, channels), "output")
        if error := too_large(node, kh * kw):
            raise error

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x, weights, bias = inputs
        _, kh, kw, channels = weights.shape
        out = node.output.type.shape
        integer = x.dtype == np.int8
        wide = np.int64 if integer else np.float64
        zero = node.inputs[0].type.zero_point if integer else 0
        w_zero = node.inputs[1].type.quant.zero_point[0] if integer else 0
        patches = windows(x, (kh, kw), self, out[1:3], zero).astype(wide) - zero
        patches = np.repeat(patches, channels // x.shape[3], -1)
        acc = np.einsum("nyxhwc,hwc->nyxc", patches, weights[0].astype(wide) - w_zero)
        return (finish(node, acc + bias),)

    def macs(self, node: Node) -> int:
        _, kh, kw, _ = node.inputs[1].type.shape
        return node.output.type.elements * kh * kw

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        # (h, w, channels, multiplier, kernel, stride, dilation, padding, activation)
        shapes = [
            (1, 1, 1, 1, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), "none"),
            (5, 7, 4, 1, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), "relu"),
            (9, 6, 8, 1, (3, 3), (2, 2), (1, 1), ((0, 1), (0, 1)), "relu6"),
            (4, 5, 3, 2, (3, 2), (1, 2), (1, 1), ((1, 1), (0, 1)), "none"),
            (9, 8, 4, 1, (3, 3), (1, 1), (2, 3), ((2, 2), (3, 3)), "none"),
            (6, 6, 12, 1, (6, 6), (5, 5), (1, 1), ((2, 2), (2, 2)), "relu_n1_to_1"),
            (7, 1, 40, 1, (5, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), "relu"),
            (3, 3, 1, 5, (2, 2), (1, 1), (1, 1), ((0, 0), (0, 0)), "none"),
        ]
        for h, w, i, m, kernel, stride, dilation, padding, activation in shapes:
            op = cls(stride, dilation, padding, activation)
            sizes = [
                out_size(*a) for a in zip((h, w), kernel, stride, dilation, padding, strict=True)
            ]
            c = i * m
            for dtype in (DType.I8, DType.F32):
                yield case(op, rng, dtype, (1, h, w, i), (1, *kernel, c), (1, *sizes, c), c, 3)


def _params(node: Node) -> dict:
    _, kh, kw, channels = node.inputs[1].type.shape
    return {
        **geometry_params(node),
        **clamp_params(node),
        "kernel_h": kh,
        "kernel_w": kw,
        "multiplier": channels // node.inputs[0].type.shape[3],
    }


def _bind_s8(node: Node) -> Binding:
    weights = node.inputs[1]
    assert weights.data is not None and weights.type.quant is not None
    return Binding(
        params={**_params(node), "weight_offset": -weights.type.quant.zero_point[0]},
        constants=(Constant("weights", weights.data, "weights HWC"), channel_table(node)),
        support=("tinyc_requant.h",),
    )


def _bind_f32(node: Node) -> Binding:
    _, weights, bias = (v.data for v in node.inputs)
    assert weights is not None and bias is not None
    return Binding(
        params=_params(node),
        constants=(Constant("weights", weights, "weights HWC"), Constant("bias", bias, "bias")),
    )


DepthwiseConv2d.kernels = (
    _conv_dsp.DEPTHWISE_CONV2D,
    Kernel(
        "depthwise_conv2d_s8_scalar",
        "depthwise_conv2d_s8_scalar.c.j2",
        frozenset(),
        reject_dtype(DType.I8),
        _bind_s8,
    ),
    Kernel(
        "depthwise_conv2d_f32",
        "depthwise_conv2d_f32.c.j2",
        frozenset(),
        reject_dtype(DType.F32),
        _bind_f32,
    ),
)

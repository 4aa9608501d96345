"""CONV_2D: y[n, oy, ox, o] = sum x[n, oy*s + ky*d, ox*s + kx*d, i] * w[o, ky, kx, i] + b[o]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node, Quant, TensorType, Value
from ..op import Binding, Constant, Kernel, Op, expect_arity, expect_shape, fail, register
from . import _conv_dsp
from ._conv import (
    Padding,
    Pair,
    channel_table,
    check_operands,
    clamp_params,
    exact_matmul,
    finish,
    geometry_params,
    import_geometry,
    out_size,
    reject_dtype,
    too_large,
    windows,
    with_bias,
)


@register
@dataclass(frozen=True)
class Conv2d(Op):
    """Inputs: x [n, h, w, c], weights [o, kh, kw, c / groups], bias [o]; output [n, oh, ow, o].

    int8 (bias int32, weights per tensor or per channel along 0) or float32.
    stride, dilation: (height, width); padding: ((top, bottom), (left, right)) in elements.
    """

    stride: Pair
    dilation: Pair
    padding: Padding
    activation: str

    tflite = ("CONV_2D",)

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        x, weights, *rest = src.operands(2, 3)
        if len(weights.type.shape) != 4:
            raise src.fail("its weights are not of rank 4", id="E301")
        op = cls(**import_geometry(src, x, weights.type.shape[1:3]), activation=src.activation())
        return [src.node(op, with_bias(src, [x, weights, *rest], weights.type.shape[0]))]

    def check(self, node: Node) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        if len(x.shape) != 4 or len(weights.shape) != 4:
            raise fail(node, "input or weights are not of rank 4", id="E301")
        channels, kh, kw, depth = weights.shape
        if x.shape[3] % depth or channels % (x.shape[3] // depth):
            raise fail(node, f"{x.shape[3]} channels do not fit weights for {depth}", id="E301")
        check_operands(node, channels, 0)
        sizes = tuple(
            out_size(*args)
            for args in zip(
                x.shape[1:3], (kh, kw), self.stride, self.dilation, self.padding, strict=True
            )
        )
        if min(sizes) < 1:
            raise fail(node, "the filter is larger than its padded input", id="E301")
        expect_shape(node, node.output.type, (x.shape[0], *sizes, channels), "output")
        if error := too_large(node, kh * kw * depth):
            raise error

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x, weights, bias = inputs
        channels, kh, kw, depth = weights.shape
        out = node.output.type.shape
        groups = x.shape[3] // depth
        w_zero = node.inputs[1].type.zero_point if not _per_channel(node) else 0
        zero = node.inputs[0].type.zero_point
        wide = np.float64 if x.dtype == np.float32 else np.int64
        patches = windows(x, (kh, kw), self, out[1:3], zero).astype(wide) - zero
        parts = []
        for g in range(groups):
            patch = patches[..., g * depth : (g + 1) * depth].reshape(*out[:3], -1)
            count = channels // groups
            rows = weights[g * count : (g + 1) * count].reshape(count, -1).astype(wide) - w_zero
            parts.append(patch @ rows.T if wide is np.float64 else exact_matmul(patch, rows.T))
        return (finish(node, np.concatenate(parts, -1) + bias),)

    def macs(self, node: Node) -> int:
        _, kh, kw, depth = node.inputs[1].type.shape
        return node.output.type.elements * kh * kw * depth

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        # (h, w, in, out, kernel, stride, dilation, padding, groups, activation)
        shapes = [
            (1, 1, 1, 1, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), 1, "none"),
            (5, 7, 4, 3, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), 1, "relu"),
            (9, 5, 3, 5, (3, 2), (2, 3), (1, 1), ((0, 1), (1, 0)), 1, "relu6"),
            (4, 3, 8, 2, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), 1, "none"),
            (6, 6, 5, 7, (1, 1), (3, 2), (1, 1), ((0, 0), (0, 0)), 1, "none"),
            (8, 9, 4, 4, (3, 3), (1, 1), (2, 3), ((2, 2), (3, 3)), 1, "relu_n1_to_1"),
            (7, 3, 6, 4, (3, 3), (1, 2), (1, 1), ((1, 1), (1, 1)), 2, "none"),
            (2, 2, 2, 9, (5, 5), (1, 1), (1, 1), ((2, 2), (2, 2)), 1, "none"),
        ]
        for h, w, i, o, kernel, stride, dilation, padding, groups, activation in shapes:
            op = cls(stride, dilation, padding, activation)
            sizes = [
                out_size(*a) for a in zip((h, w), kernel, stride, dilation, padding, strict=True)
            ]
            for dtype in (DType.I8, DType.F32):
                yield case(
                    op, rng, dtype, (1, h, w, i), (o, *kernel, i // groups), (1, *sizes, o), o, 0
                )


def case(
    op: Op,
    rng: np.random.Generator,
    dtype: DType,
    x: tuple[int, ...],
    weights: tuple[int, ...],
    out: tuple[int, ...],
    channels: int,
    axis: int,
) -> Node:
    """A random node of (x, weights, bias): extreme zero points and multipliers for int8."""
    if dtype is DType.F32:
        data = rng.normal(0, 1, weights).astype(np.float32)
        bias = rng.normal(0, 1, channels).astype(np.float32)
        tx, tw, ty = (TensorType(s, dtype) for s in (x, weights, out))
        tb = TensorType((channels,), dtype)
    else:
        data = rng.integers(-127, 128, weights).astype(np.int8)
        bias = rng.integers(-4000, 4000, channels).astype(np.int32)
        f = [float(np.float32(v)) for v in rng.uniform(0.001, 0.02, channels)]
        tx = TensorType(x, dtype, Quant((0.5,), (int(rng.choice([-128, 0, 127, 5])),)))
        tw = TensorType(weights, dtype, Quant(tuple(f), (0,) * channels, axis))
        scale = float(np.float32(rng.choice([0.05, 0.3, 0.9])))
        ty = TensorType(out, dtype, Quant((scale,), (int(rng.choice([-128, -1, 127])),)))
        tb = TensorType((channels,), DType.I32)
    return Node(
        op,
        (Value("x", tx, "case"), Value("w", tw, "case", data), Value("b", tb, "case", bias)),
        (Value("y", ty, "case"),),
        "case",
    )


def _per_channel(node: Node) -> bool:
    quant = node.inputs[1].type.quant
    return quant is not None and quant.per_channel


def _bind_s8(node: Node) -> Binding:
    weights = node.inputs[1].data
    zero = 0 if _per_channel(node) else node.inputs[1].type.zero_point
    return Binding(
        params={**_params(node), "weight_offset": -zero},
        constants=(Constant("weights", weights, "weights OHWI"), channel_table(node)),
        support=("tinyc_requant.h",),
    )


def _bind_f32(node: Node) -> Binding:
    _, weights, bias = (v.data for v in node.inputs)
    return Binding(
        params=_params(node),
        constants=(Constant("weights", weights, "weights OHWI"), Constant("bias", bias, "bias")),
    )


def _params(node: Node) -> dict:
    channels, kh, kw, depth = node.inputs[1].type.shape
    groups = node.inputs[0].type.shape[3] // depth
    return {
        **geometry_params(node),
        **clamp_params(node),
        "kernel_h": kh,
        "kernel_w": kw,
        "depth": depth,
        "group_size": channels // groups,
        "groups": groups,
    }


Conv2d.kernels = (
    _conv_dsp.CONV2D,
    Kernel(
        "conv2d_s8_scalar", "conv2d_s8_scalar.c.j2", frozenset(), reject_dtype(DType.I8), _bind_s8
    ),
    Kernel("conv2d_f32", "conv2d_f32.c.j2", frozenset(), reject_dtype(DType.F32), _bind_f32),
)

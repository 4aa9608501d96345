"""FULLY_CONNECTED: y[b, o] = sum over i of x[b, i] * w[o, i], plus bias[o]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Binding, Constant, Kernel, Op, expect_arity, fail, register
from ..quant import activation_range, multiply_single_rounding, quantize_multipliers
from . import _conv_dsp
from ._conv import (
    channel_table,
    check_operands,
    clamp_params,
    exact_matmul,
    finish,
    real_multipliers,
    reject_dtype,
    too_large,
    with_bias,
)
from .conv2d import case


@register
@dataclass(frozen=True)
class FullyConnected(Op):
    """Inputs: x of any rank, read as [batches, depth], weights [o, depth], bias [o].

    Output [..., o] with as many elements before o as there are batches. int8 (weights per
    tensor or per channel along 0, requantized with a single rounding) or float32.
    """

    activation: str

    tflite = ("FULLY_CONNECTED",)

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        x, weights, *rest = src.operands(2, 3)
        if src.option("weights_format"):
            raise src.fail("shuffled weights are not supported", "convert without them")
        if len(weights.type.shape) != 2:
            raise src.fail("its weights are not of rank 2", id="E301")
        return [
            src.node(
                cls(src.activation()), with_bias(src, [x, weights, *rest], weights.type.shape[0])
            )
        ]

    def check(self, node: Node) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        if len(weights.shape) != 2:
            raise fail(node, "its weights are not of rank 2", id="E301")
        channels, depth = weights.shape
        check_operands(node, channels, 0)
        out = node.output.type
        if (
            x.elements % depth
            or out.shape[-1:] != (channels,)
            or out.elements != x.elements // depth * channels
        ):
            raise fail(
                node,
                f"input {list(x.shape)} and weights {list(weights.shape)} do not give "
                f"{list(out.shape)}",
                id="E301",
            )
        if error := too_large(node, depth):
            raise error

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x, weights, bias = inputs
        rows = x.reshape(-1, weights.shape[1])
        out = node.output.type
        if x.dtype == np.float32:
            acc = rows.astype(np.float64) @ weights.T.astype(np.float64) + bias
            return (finish(node, acc).reshape(out.shape),)
        w_zero = node.inputs[1].type.quant.zero_point[0]
        acc = exact_matmul(
            rows.astype(np.int64) - node.inputs[0].type.zero_point,
            weights.T.astype(np.int64) - w_zero,
        )
        multipliers, shifts = quantize_multipliers(real_multipliers(node))
        y = multiply_single_rounding(acc + bias, multipliers, shifts) + out.zero_point
        return (
            np.clip(y, *activation_range(self.activation, out)).astype(np.int8).reshape(out.shape),
        )

    def macs(self, node: Node) -> int:
        return node.output.type.elements * node.inputs[1].type.shape[1]

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        # (batches, depth, channels, activation)
        shapes = [
            (1, 1, 1, "none"),
            (1, 64, 12, "none"),
            (3, 7, 5, "relu"),
            (2, 33, 2, "relu6"),
            (1, 10, 9, "relu_n1_to_1"),
        ]
        for b, depth, o, activation in shapes:
            for dtype in (DType.I8, DType.F32):
                yield case(cls(activation), rng, dtype, (b, depth), (o, depth), (b, o), o, 0)


def _params(node: Node) -> dict:
    channels, depth = node.inputs[1].type.shape
    return {
        **clamp_params(node),
        "batches": node.inputs[0].type.elements // depth,
        "depth": depth,
        "channels": channels,
    }


def _bind_s8(node: Node) -> Binding:
    weights = node.inputs[1]
    assert weights.data is not None and weights.type.quant is not None
    return Binding(
        params={**_params(node), "weight_offset": -weights.type.quant.zero_point[0]},
        constants=(Constant("weights", weights.data, "weights [out, in]"), channel_table(node)),
        support=("tinyc_requant.h",),
    )


def _bind_f32(node: Node) -> Binding:
    _, weights, bias = (v.data for v in node.inputs)
    assert weights is not None and bias is not None
    return Binding(
        params=_params(node),
        constants=(
            Constant("weights", weights, "weights [out, in]"),
            Constant("bias", bias, "bias"),
        ),
    )


FullyConnected.kernels = (
    _conv_dsp.FULLY_CONNECTED,
    Kernel(
        "fully_connected_s8_scalar",
        "fully_connected_s8_scalar.c.j2",
        frozenset(),
        reject_dtype(DType.I8),
        _bind_s8,
    ),
    Kernel(
        "fully_connected_f32",
        "fully_connected_f32.c.j2",
        frozenset(),
        reject_dtype(DType.F32),
        _bind_f32,
    ),
)

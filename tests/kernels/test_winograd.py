"""Winograd's convolutions at the bounds under which they are exact, and beyond."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_models import firmware
from test_ops import alone, check_on_host

from tinyc.ir import DType, Node, Quant, TensorType, Value, interpret
from tinyc.kernels import base
from tinyc.kernels.base import kernels_of
from tinyc.ops.conv2d import Conv2d
from tinyc.target.boards import load_board

KERNELS = {k.name: k for k in kernels_of(Conv2d) if "winograd" in k.name}


def convolution(weights: np.ndarray, activation: str = "none", zero: int = 3) -> Node[Conv2d]:
    """int8 [1, 8, 8, i], padded, by [o, 3, 3, i], whose greatest sums stay within int8."""
    channels, _, _, depth = weights.shape
    scale = np.abs(weights.astype(np.int64)).sum((1, 2, 3)).max() * 256 / 120
    x = TensorType((1, 8, 8, depth), DType.I8, Quant((1.0,), (zero,)))
    w = TensorType(weights.shape, DType.I8, Quant((1.0,) * channels, (0,) * channels, 0))
    b = TensorType((channels,), DType.I32, None)
    y = TensorType((1, 8, 8, channels), DType.I8, Quant((float(scale),), (5,)))
    op = Conv2d((1, 1), (1, 1), ((1, 1), (1, 1)), activation)
    bias = np.arange(channels, dtype=np.int32) * 999 - 1500
    inputs = (
        Value("x", x, "case"), Value("w", w, "case", weights), Value("b", b, "case", bias)
    )  # fmt: skip
    return Node(op, inputs, (Value("y", y, "case"),), "case")


def extreme(depth: int) -> np.ndarray:
    """Filters of 127, of -128, of both in turn, and of both at random."""
    rng = np.random.default_rng(5)
    w = np.empty((4, 3, 3, depth), np.int8)
    w[0], w[1], w[2] = 127, -128, np.where(np.arange(depth) % 2, -128, 127)
    w[3] = rng.choice(np.array([-128, 127], np.int8), w.shape[1:])
    return w


def images(node: Node, kind: str) -> list[np.ndarray]:
    shape = node.inputs[0].type.shape
    if kind == "mixed":
        ends = np.array([-128, 127], np.int8)
        return [np.random.default_rng(6).choice(ends, shape)]
    return [np.full(shape, int(kind), np.int8)]


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("kind", ["-128", "127", "mixed"])
def test_the_largest_sums(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = replace(KERNELS[name], aims=frozenset(base.AIMS))
    monkeypatch.setitem(base._TEMPLATES, Conv2d, (kernel,))
    nodes = [convolution(extreme(112)), convolution(extreme(16), "relu6", -128)]
    assert [kernel.reject(node) for node in nodes] == [None, None]
    gcc = shutil.which("gcc")
    if gcc is not None:
        (tmp_path / "host").mkdir()
        check_on_host(nodes, tmp_path / "host", gcc, lambda node, _: images(node, kind))
    for node in nodes:
        arrays = images(node, kind)
        trace = firmware(
            alone(node, "net"),
            load_board("mps2_an386"),
            tmp_path / node.op.activation,
            arrays[0].reshape(1, -1).view(np.uint8),
            "unicorn",
        )
        expected = interpret(alone(node, "net"), arrays)[node.output]
        np.testing.assert_array_equal(trace.outputs[0].view(np.int8), expected.ravel())


def filters_of(count: int) -> np.ndarray:
    """A filter in which ``count`` weights are -128, and the others 0."""
    weights = np.zeros((1, 3, 3, 128), np.int8)
    weights.reshape(-1)[:count] = -128
    return weights


def test_what_is_left_to_plain_convolutions() -> None:
    four, two = (KERNELS[f"conv2d_s8_winograd{m}_dsp"] for m in (4, 2))
    # 1,028 * 128 * 255 is just under 2^25.
    assert four.reject(convolution(filters_of(1028))) is None
    assert four.reject(convolution(filters_of(1029))) == "a sum of products could reach 2^25"
    assert two.reject(convolution(filters_of(1029))) is None
    assert two.reject(convolution(extreme(24))) == "the inputs of a pixel are no multiple of 16"

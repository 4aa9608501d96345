"""Pooling of four channels at a time: the largest sums that a halfword holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from test_ops import check_on_core, check_on_host

from tinyc.ir import DType, Node, Quant, TensorType, Value
from tinyc.kernels.base import kernels_of
from tinyc.ops.average_pool import AveragePool2d


def pool(height: int, width: int) -> Node[AveragePool2d]:
    """One window of five channels."""
    types = [
        TensorType((1, h, w, 5), DType.I8, Quant((0.1,), (3,)))
        for h, w in ((height, width), (1, 1))
    ]
    x, y = (Value(name, t, "case") for name, t in zip("xy", types, strict=True))
    padding = ((0, 0), (0, 0))
    op = AveragePool2d(stride=(1, 1), padding=padding, activation="none", kernel=(height, width))
    return Node(op, (x,), (y,), "case")


def ends(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """The least, the greatest, and both, of one channel each."""
    image = np.zeros(node.inputs[0].type.shape, np.int8)
    image[..., 0], image[..., 1], image[..., 3] = -128, 127, -128
    image[..., 4] = rng.choice([-128, 127], image.shape[:3])
    return [image]


def test_largest_sums(tmp_path: Path) -> None:
    nodes = [pool(16, 16), pool(256, 1)]
    for node in nodes:
        assert next(k.name for k in kernels_of(AveragePool2d) if not k.reject(node)) == (
            "average_pool_s8_dsp"
        )
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    check_on_host(nodes, tmp_path, gcc, inputs=ends)


def test_largest_sums_on_core(tmp_path: Path) -> None:
    check_on_core([pool(16, 16)], "mps2_an386", tmp_path, inputs=ends)


def test_larger_windows_are_left_to_others() -> None:
    assert kernels_of(AveragePool2d)[0].reject(pool(257, 1)) is not None

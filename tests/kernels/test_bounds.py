"""Kernels at the bounds under which they are exact: the largest sums that each takes, and the first
that it leaves to another."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_models import firmware
from test_ops import ALL_FEATURES, alone, check_on_host

from tinyc.ir import DType, Node, Quant, TensorType, Value, interpret
from tinyc.kernels.base import kernels_of
from tinyc.ops.batch_matmul import BatchMatMul
from tinyc.target.boards import load_board


def product(depth: int, scale: float) -> Node[BatchMatMul]:
    """int8 [2, depth] by [depth, 1], whose factors reach from -255 to 255."""
    a = TensorType((2, depth), DType.I8, Quant((0.5,), (127,)))
    b = TensorType((depth, 1), DType.I8, Quant((0.5,), (-128,)))
    y = TensorType((2, 1), DType.I8, Quant((0.25 / scale,), (3,)))
    inputs = Value("a", a, "case"), Value("b", b, "case")
    return Node(BatchMatMul(False, False), inputs, (Value("y", y, "case"),), "case")


def extremes(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """One row of the least and one of the greatest sums."""
    (_, depth), _ = (v.type.shape for v in node.inputs)
    return [
        np.repeat(np.array([[-128], [127]], np.int8), depth, 1),
        np.full((depth, 1), 127, np.int8),
    ]


def chosen(node: Node, features: frozenset[str] = ALL_FEATURES) -> str:
    kernels = (k for k in kernels_of(type(node.op)) if k.requires <= features)
    return next(k.name for k in kernels if k.reject(node) is None)


@pytest.mark.slow
def test_the_largest_matrix_product(tmp_path: Path) -> None:
    # 16512 * 255 * 255 is just under 2^30; the outputs are -125 and 3.
    node = product(16512, 1.19e-7)
    assert chosen(node) == "batch_matmul_s8_dsp"
    gcc = shutil.which("gcc")
    if gcc is not None:
        (tmp_path / "host").mkdir()
        check_on_host([node], tmp_path / "host", gcc, extremes)
    arrays = extremes(node, np.random.default_rng())
    rows = np.concatenate([a.ravel() for a in arrays])[None].view(np.uint8)
    trace = firmware(
        alone(node, "net"), load_board("mps2_an386"), tmp_path / "out", rows, "unicorn"
    )
    expected = interpret(alone(node, "net"), arrays)[node.output]
    assert -128 < expected[0, 0] < -100
    np.testing.assert_array_equal(trace.outputs[0].view(np.int8), expected.ravel())


def test_what_matrix_products_leave_to_portable_c() -> None:
    node = product(16513, 1e-7)
    assert chosen(node) == "batch_matmul_s8"
    assert chosen(product(8, 0.49)) == "batch_matmul_s8_dsp"
    assert chosen(product(8, 0.5)) == "batch_matmul_s8"
    y = node.output
    masked = replace(y, type=replace(y.type, quant=Quant((9.3e35,), (127,))))
    assert chosen(replace(product(8, 1), outputs=(masked,))) == "batch_matmul_s8_dsp"

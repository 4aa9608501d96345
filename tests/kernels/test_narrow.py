"""Weights of 4 and of 2 bits on cores without SIMD: exact at the ends of what weights and inputs
are, in as many bytes and cycles as is promised."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_ops import alone, check_on_core, check_on_host
from test_thumb2 import ends, pointwise

from tinyc.ir import Node
from tinyc.kernels.base import kernels_of
from tinyc.kernels.narrow import BITS, pack_bits
from tinyc.kernels.typical import convolution, dense, narrow
from tinyc.plan import plan
from tinyc.tuning.costs import boards, measured

SUFFIX = {"nucleo_g0b1re": "armv6m", "mps2_an385": "thumb2"}


def layers(bits: int) -> list[Node]:
    """Every weight at even and odd inputs, the least and the greatest at all of them: those of
    several pixels, of one, and of a row, with channels over."""
    most = 1 << (bits - 1)
    every = np.resize(np.arange(-most, most), 516)
    weights = np.stack([np.full(516, -most), every, np.full(516, most - 1), every[::-1], every])
    bias = np.array([99999, -9999, 0, 1, 7])
    found = [pointwise(weights, bias, pixels, zero, 2e-6) for pixels, zero in ((7, -128), (1, 127))]
    row = narrow(dense(2, 516, 5), bits)
    x, known, added = row.inputs
    inputs = (x, replace(known, data=weights.astype(np.int8)), added)
    return [*found, replace(row, inputs=inputs)]


def test_bits_lie_side_by_side() -> None:
    assert pack_bits(np.array([[-8, 7], [1, -1]]), 4).view(np.uint8).tolist() == [0x78, 0xF1]
    assert pack_bits(np.array([-2, 1, 0, -1]), 2).view(np.uint8).tolist() == [0b11000110]


@pytest.mark.slow
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("core", SUFFIX.values())
def test_exact_at_the_ends_on_the_host(core: str, bits: int, tmp_path: Path) -> None:
    gcc = shutil.which("gcc") or pytest.skip("no host gcc with ASan and UBSan found")
    for node in layers(bits):
        (step,) = plan(alone(node, "case"), "", frozenset({core})).steps
        assert step.kernel.name.endswith(f"_s{bits}_{core}")
    check_on_host(layers(bits), tmp_path, gcc, ends, features=frozenset({core}))


@pytest.mark.slow
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("board", SUFFIX)
def test_exact_at_the_ends_on_a_core(board: str, bits: int, tmp_path: Path) -> None:
    check_on_core(layers(bits), board, tmp_path, ends)


@pytest.mark.slow
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(("core", "suffix"), [("Cortex-M0+", "armv6m"), ("Cortex-M3", "thumb2")])
def test_bytes_and_cycles(core: str, suffix: str, bits: int) -> None:
    """Of the weights so many bits as promised; at most 1.1 times the cycles of int8."""
    (board,) = boards([core])
    for node in (convolution(5, 4, 32, 16, 3), dense(1, 128, 40)):
        node = narrow(node, bits)
        of = {k.name: k for k in kernels_of(type(node.op))}
        stem = "conv2d" if len(node.output.type.shape) == 4 else "fully_connected"
        names = [f"{stem}_s{n}_{suffix}" for n in (bits, 8)]
        (few,), (wide,) = (measured(node, board, only=name) for name in names)
        assert few.cycles < 1.1 * wide.cycles
        sizes = [of[name].bind(node).constants[0].data.nbytes for name in names]
        assert sizes[0] * 8 == sizes[1] * bits

"""Packed constants: what is unpacked is what was there, and layers that unpack compute the same."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sanitized import unpacked
from test_ops import ALL_FEATURES, alone, check_on_core, check_on_host

from tinyc.ir import Array, DType, Node, Op
from tinyc.kernels.packed import READ_AHEAD, bundle, encode
from tinyc.ops._conv import NO_PADDING, weighted_case
from tinyc.ops._mixins import Padding
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.fully_connected import FullyConnected
from tinyc.plan import plan

ONE = (1, 1)


def arrays() -> list[tuple[Array, int]]:
    """Arrays and how far apart their like bytes are: none of them, one, one of many; one value,
    two at the ends, all, few and far from zero; distributions narrow and wide; tables."""
    rng = np.random.default_rng(4)
    bell = np.clip(rng.normal(0, 40, 3000), -127, 127)
    sparse = rng.normal(0, 3, 3000) * (rng.random(3000) < 0.3)
    table = np.stack(
        [
            rng.integers(-30000, 30000, 50),
            rng.integers(1 << 30, (1 << 31) - 1, 50),
            rng.integers(5, 9, 50),
        ],
        1,
    )
    plain: list[Array] = [
        np.zeros(0, np.int8),
        np.zeros(1, np.int8),
        np.full(1, -128, np.int8),
        np.full(37, -128, np.int8),
        np.zeros(5000, np.int8),
        np.arange(256, dtype=np.uint8),
        rng.integers(-128, 128, 1000).astype(np.int8),
        rng.integers(100, 104, 333).astype(np.int8),
        rng.choice([-128, 127], 500).astype(np.int8),
        np.where(rng.random(500) < 0.02, 127, 0).astype(np.int8),
        np.where(rng.random(500) < 0.02, 0, -128).astype(np.int8),
        *(rng.integers(-reach, reach + 1, 64).astype(np.int8) for reach in (1, 7, 8, 15, 63)),
        bell.astype(np.int8),
        sparse.astype(np.int8),
    ]
    tables: list[tuple[Array, int]] = [
        (table.astype(np.int32), 12),
        (np.array([[0, -(1 << 31), (1 << 31) - 1]], np.int32), 12),
        (rng.normal(0, 1, 60).astype(np.float32), 4),
    ]
    return [*((data, 1) for data in plain), *tables]


def two_of_four(rng: np.random.Generator, *shape: int) -> Array:
    """int8 of which each four, along the last axis but one, have zeros in two places of any."""
    data = rng.choice([-128, -1, 1, 127], shape)
    data = np.where(rng.random(shape) < 0.6, rng.integers(-120, 121, shape), data)
    kept = rng.random(shape).reshape(*shape[:-2], -1, 4, shape[-1]).argsort(-2) < 2
    return np.where(kept.reshape(shape), data, 0).astype(np.int8)


def fours() -> list[tuple[Array, int]]:
    """Arrays that are two of four, side by side and apart; one that has less; and some that are not
    so: in one place, and of a number that is no multiple of four."""
    rng = np.random.default_rng(6)
    other = two_of_four(rng, 400, 1)
    other[100:104] = 5
    few = np.where(np.arange(400) % 4 == 3, 77, 0).astype(np.int8)
    return [
        (two_of_four(rng, 4, 1), 1),
        (two_of_four(rng, 400, 1), 1),
        (two_of_four(rng, 300, 2), 2),
        (two_of_four(rng, 64, 4), 4),
        (few, 1),
        (other, 1),
        (two_of_four(rng, 400, 1)[:-1], 1),
    ]


def test_two_of_four_take_19_bits() -> None:
    sizes = [len(encode(data, period, True)) for data, period in fours()]
    assert sizes[:4] == [4, 1 + 238, 2 * (1 + 179), 4 * (1 + 38)]
    assert sizes[4] <= 239 and min(sizes[5:]) > 239


@pytest.mark.parametrize("twos", [False, True])
def test_unpacked_is_what_was_packed(twos: bool, tmp_path: Path) -> None:
    """In C, under ASan and UBSan, from a stream of its exact length."""
    gcc = shutil.which("gcc") or pytest.skip("no host gcc")
    pieces, streams = [], b""
    some = arrays() + fours()
    for data, period in some:
        # No array takes more than a byte for each run beyond its own.
        assert len(encode(data, period, twos)) <= data.nbytes + period
        stream = bundle([data], [period], twos)
        pieces.append((data.nbytes, data.nbytes, len(stream)))
        streams += stream
    packed = np.frombuffer(streams + bytes(READ_AHEAD), np.uint8)
    name = f"tinyc_unpack{'_two_of_four' if twos else ''}"
    made = unpacked(gcc, tmp_path, f"{name}.h", name, packed, pieces)
    assert made == b"".join(data.tobytes() for data, _ in some)


def layers() -> list[tuple[Node, tuple[str, ...], int]]:
    """A layer with narrow weights, which of its arrays are packed, in how many pieces."""
    rng = np.random.default_rng(5)

    def narrow(node: Node) -> Node:
        x, weights, bias = node.inputs
        data = np.rint(rng.normal(0, 9, weights.type.shape)).clip(-127, 127).astype(np.int8)
        data.ravel()[:2] = -127, 127
        return replace(node, inputs=(x, replace(weights, data=data), bias))

    def dense(channels: int, depth: int) -> Node:
        shapes = (1, depth), (channels, depth), (1, channels)
        op = FullyConnected("relu")
        return narrow(weighted_case(op, rng, DType.I8, shapes, 0))

    def conv(channels: int, size: int, depth: int) -> Node:
        edge = size // 2
        padding: Padding = ((edge, edge), (edge, edge))
        shapes = (1, 5, 6, depth), (channels, size, size, depth), (1, 5, 6, channels)
        return narrow(weighted_case(Conv2d(ONE, ONE, padding, "none"), rng, DType.I8, shapes, 0))

    def depthwise(channels: int) -> Node:
        shapes = (1, 7, 6, channels), (1, 3, 3, channels), (1, 5, 4, channels)
        op = DepthwiseConv2d(ONE, ONE, NO_PADDING, "relu")
        return narrow(weighted_case(op, rng, DType.I8, shapes, 3))

    both = ("weights", "channels")
    return [
        (dense(13, 77), both, 1),
        (dense(128, 640), both, 16),
        (dense(72, 130), both, 3),
        (conv(20, 3, 16), both, 1),
        (conv(16, 1, 64), both, 1),
        (conv(400, 1, 64), ("channels",), 1),
        (depthwise(50), both, 1),
    ]


def pruned() -> list[Node]:
    """Layers with two of four weights: a convolution of one pixel of each window and one of nine,
    a dense one."""
    rng = np.random.default_rng(7)

    def of(op: Op, x: tuple[int, ...], weights: tuple[int, ...], y: tuple[int, ...]) -> Node:
        node = weighted_case(op, rng, DType.I8, (x, weights, y), 0)
        data = two_of_four(rng, *weights, 1)[..., 0]
        first, value, bias = node.inputs
        return replace(node, inputs=(first, replace(value, data=data), bias))

    edge: Padding = ((1, 1), (1, 1))
    return [
        of(Conv2d(ONE, ONE, NO_PADDING, "relu"), (1, 3, 2, 128), (64, 1, 1, 128), (1, 3, 2, 64)),
        of(Conv2d(ONE, ONE, edge, "none"), (1, 3, 2, 32), (32, 3, 3, 32), (1, 3, 2, 32)),
        of(FullyConnected("none"), (1, 128), (64, 128), (1, 64)),
    ]


@pytest.mark.parametrize("core", ["Cortex-M4", "Cortex-M0+"])
def test_two_of_four_weights_take_less_than_their_lists(core: str) -> None:
    """Six tenths of the bytes of weights, by kernels that have the weights between zeros."""
    features = frozenset({"dsp", "thumb2"} if core == "Cortex-M4" else {"armv6m"})
    for node in pruned():
        (step,) = plan(alone(node, "case"), core, features, optimize="flash").steps
        assert "sparse" not in step.kernel.name, step.kernel.name
        assert step.binding.packing is not None
        assert step.binding.packing.unpack == "tinyc_unpack_two_of_four"
        weights, bias = (v.array for v in node.inputs[1:])
        taken = sum(c.data.nbytes for c in step.binding.constants)
        assert taken < 0.6 * weights.size + 12 * bias.size


def test_which_arrays_are_packed() -> None:
    for node, arrays, pieces in layers():
        if isinstance(node.op, DepthwiseConv2d):
            continue  # whose kernels differ in what they hold
        for aim in ("balanced", "flash"):
            features = frozenset({"dsp"})
            (step,) = plan(alone(node, "case"), "Cortex-M4", features, optimize=aim).steps
            packing = step.binding.packing
            if aim == "balanced":
                assert packing is None
                continue
            assert packing is not None
            assert tuple(a.suffix for a in packing.arrays) in (arrays, arrays[::-1])
            assert packing.pieces == pieces
            assert packing.outputs * pieces == node.output.type.elements


@pytest.mark.slow
@pytest.mark.parametrize("features", [ALL_FEATURES, frozenset()], ids=["all", "none"])
def test_layers_that_unpack_on_the_host(features: frozenset[str], tmp_path: Path) -> None:
    gcc = shutil.which("gcc") or pytest.skip("no host gcc with ASan and UBSan found")
    nodes = [node for node, _, _ in layers()] + pruned()
    check_on_host(nodes, tmp_path, gcc, features=features, optimize="flash")


@pytest.mark.slow
@pytest.mark.parametrize("board", ["mps2_an386", "mps2_an385", "nucleo_g0b1re"])
def test_layers_that_unpack_on_a_core(board: str, tmp_path: Path) -> None:
    nodes = [node for node, _, _ in layers()] + pruned()
    check_on_core(nodes, board, tmp_path, optimize="flash")

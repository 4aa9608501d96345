"""Layers of whose weights many are zero: awkward shapes, both sides of every bound under which they
are exact, and when lists of the others are worth it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_halves import dense, layer
from test_ops import alone, check_on_core, check_on_host, random_inputs

from tinyc.ir import Node
from tinyc.kernels.base import kernels_of
from tinyc.kernels.typical import convolution, zeroed
from tinyc.kernels.typical import dense as dense_layer
from tinyc.ops.conv2d import Conv2d
from tinyc.plan import plan
from tinyc.tuning.costs import boards, measured

CONV = ("conv2d_s8_sparse_dsp", "conv2d_s8_sparse")
ROW = ("fully_connected_s8_sparse_dsp", "fully_connected_s8_sparse")
TWOS = "fully_connected_s8_sparse_twos"


def random_weights(
    rng: np.random.Generator, shape: tuple[int, ...], zeros: float = 0.7
) -> np.ndarray:
    """Weights of which so many are zero, others the least and the greatest."""
    weights = rng.choice([-128, -127, -1, 1, 127], shape)
    weights = np.where(rng.random(shape) < 0.6, rng.integers(-90, 91, shape), weights)
    return np.where(rng.random(shape) < 0.7, 0, weights)


def gaps(rng: np.random.Generator) -> np.ndarray:
    """Channels of 800 inputs: without a weight, with the first, with the last one alone, with both,
    with steps of 254 to 256 and of twice that, with a whole pass of entries and one more."""
    weights = np.zeros((12, 800), int)
    weights[1, 0], weights[2, -1], weights[3, [0, -1]] = 5, -128, (127, -127)
    for channel, step in enumerate((254, 255, 256, 510, 511), 4):
        weights[channel, [3, 3 + step, -1]] = (-100, 99, 98)
    for channel, count in ((9, 16), (10, 17), (11, 33)):
        weights[channel, :: 800 // count][:count] = 7 * rng.choice(
            [-1, 1], len(weights[0, :: 800 // count][:count])
        )
    return weights


def convolutions() -> Iterator[Node[Conv2d]]:
    """One pixel to two passes of eight and one more; windows that overlap, hang over, skip."""
    rng = np.random.default_rng(0)
    for i, size in enumerate(((1, 2), (1, 7), (1, 8), (3, 3), (4, 4), (17, 1), (3, 5))):
        zeros = (int(rng.choice([-128, 0, 127])), int(rng.choice([-128, 0, 127])))
        weights = random_weights(rng, (int(rng.integers(1, 9)), 1, 1, int(rng.integers(1, 40))))
        weights[0] = 0
        activation = ("none", "relu", "relu6")[i % 3]
        yield layer(size, weights, int(rng.integers(-5000, 5000)), 0.003, zeros, 0, 1, activation)
    for kernel, depth, stride, padding in (
        (3, 3, 1, 1),
        (3, 4, 2, 1),
        (2, 5, 1, 0),
        (5, 1, 2, 2),
        (1, 6, 2, 0),
    ):
        weights = random_weights(rng, (5, kernel, kernel, depth))
        yield layer((7, 6), weights, 77, 0.001, (-5, 3), padding, stride)
    yield layer((1, 9), gaps(rng)[:, None, None], 900, 0.004, (7, -3))
    wide = replace(layer((9, 9), random_weights(rng, (3, 3, 3, 4)), 5, 0.004).op, dilation=(2, 2))
    node = layer((9, 9), random_weights(rng, (3, 5, 5, 4)), 5, 0.004)
    w = replace(
        node.inputs[1],
        type=replace(node.inputs[1].type, shape=(3, 3, 3, 4)),
        data=node.inputs[1].array[:, :3, :3],
    )
    yield replace(node, op=wide, inputs=(node.inputs[0], w, node.inputs[2]))


def rows() -> Iterator[Node]:
    """One row of inputs and several, of every rest of four entries."""
    rng = np.random.default_rng(1)
    for count, depth, channels in ((1, 1, 1), (1, 40, 9), (1, 33, 5), (3, 20, 4), (2, 129, 3)):
        zeros = (int(rng.choice([-128, 0, 127])), int(rng.choice([-128, 0, 127])))
        weights = random_weights(rng, (channels, depth)) if depth > 1 else np.zeros((1, 1), int)
        activation = ("none", "relu", "relu6")[depth % 3]
        yield dense(count, weights, int(rng.integers(-5000, 5000)), 0.003, zeros, activation)
    yield dense(1, gaps(rng), 900, 0.004, (7, -3))


def twos() -> Iterator[Node]:
    """Few inputs and odd numbers of them, two for all of two rounds, words that have numbers of
    their own and the first ones that have not, several passes over the code and several rows; the
    least and the greatest sums, of which an output is the zero point and one more."""
    rng = np.random.default_rng(3)
    for count, depth, channels in (
        (1, 2, 1),
        (1, 3, 40),
        (3, 31, 7),
        (1, 128, 64),
        (1, 129, 64),
        (2, 300, 5),
    ):
        zeros = (int(rng.choice([-128, 0, 127])), int(rng.choice([-128, 0, 127])))
        weights = random_weights(rng, (channels, depth))
        weights[0] = 0
        activation = ("none", "relu", "relu6")[channels % 3]
        yield dense(count, weights, int(rng.integers(-5000, 5000)), 0.003, zeros, activation)
    yield dense(1, gaps(rng), 900, 0.004, (7, -3))
    for zero in (-128, 127):
        for real in (1e-5, 2.0**-25):
            yield dense(2, largest(), 0, real, (zero, 3))


def windows() -> Iterator[Node[Conv2d]]:
    """Convolutions of a single pixel, which are rows."""
    rng = np.random.default_rng(2)
    yield layer((4, 3), random_weights(rng, (6, 4, 3, 5)), 9, 0.002, (-4, 127), activation="relu6")
    yield layer((1, 1), gaps(rng)[:, None, None], 900, 0.004, (7, -128))


DEPTH = 700


def largest() -> np.ndarray:
    """Weights of two channels whose sums of products are the least and the greatest that a word's
    lower pixel may have: -2^22 and 2^22 - 1; and of two of the other signs."""
    weights = np.zeros((4, DEPTH), int)
    weights[0, :258], weights[0, 400] = 127, 2
    weights[1, :258], weights[1, [400, 600]] = -127, (1, -1)
    weights[2, 1:259], weights[3, 1:259] = 127, -127
    return weights


def extremes() -> Iterator[Node[Conv2d]]:
    """Sums at the ends of what a word holds, biases at theirs, the largest shift."""
    weights = largest()[:, None, None]
    for zero in (-128, 127):
        for edge in (-1 << 23, (1 << 23) - 1):
            bias = list(np.clip(edge, *_room(weights, zero)))
            yield layer((1, 16), weights, bias, 1e-5, (zero, 3))
    for real in (5.9e-8, 2.0**-25):
        yield layer((1, 16), weights, 0, real, (0, 127))
        yield layer((1, 16), weights, 0, real, (0, -128))


def extremes_of_pairs() -> Iterator[Node[Conv2d]]:
    """The greatest sums of weights of either sign, as many negative ones as there may be, sums near
    2^30."""
    weights = largest()[:, None, None]
    weights[0, 0, 0, 400] = 1
    many = np.zeros((2, 1, 1, 5 * DEPTH), int)
    many[0, ..., 1:2048], many[1, ..., -2047:] = -16, -1
    for found, zero, sign in ((weights, -128, 1), (weights, 127, -1), (many, 0, 1)):
        most = (1 << 30) - 1 - 256 * np.abs(found).sum((1, 2, 3))
        yield layer((1, 16 if found is weights else 9), found, list(sign * most), 1e-7, (zero, 3))


def _room(weights: np.ndarray, zero: int) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest bias, to which the zero point comes, of 24 bits."""
    totals = weights.sum((1, 2, 3)) * zero
    return (-1 << 23) + totals, (1 << 23) - 1 + totals


def ends(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """Of each channel the inputs that make its sum the least and the greatest, in pixels of either
    half of a word."""
    shape, weights = node.inputs[0].type.shape, node.inputs[1].array
    weights = weights.reshape(len(weights), -1)
    most = np.where(weights > 0, 127, -128)
    least = np.where(weights > 0, -128, 127)
    pixels = np.stack([least, most, most, least], 1).reshape(-1, shape[-1])
    return [np.resize(pixels, shape).astype(np.int8)]


def ends_of_most(node: Node, rng: np.random.Generator) -> list[np.ndarray]:
    """`ends` of the largest sums, any inputs of others."""
    return (ends if node.inputs[1].type.shape[1] == DEPTH else random_inputs)(node, rng)


CASES = {
    "convolutions": (convolutions, CONV, {}),
    "windows": (windows, CONV, {}),
    "rows": (rows, ROW, {}),
    "twos": (twos, (TWOS,), {"inputs": ends_of_most}),
    "extremes": (extremes, CONV[:1], {"inputs": ends}),
    "extremes of pairs": (extremes_of_pairs, CONV[1:], {"inputs": ends}),
}


def checks(names: tuple[str, ...]) -> list:
    return [
        pytest.param(case, kernel, *boards, id="-".join((case, kernel, *boards)))
        for case, (_, kernels, _) in CASES.items()
        for kernel in kernels
        for boards in ([()] if not names else [(board,) for board in names if fits(kernel, board)])
    ]


def fits(kernel: str, board: str) -> bool:
    dsp = kernel.endswith("dsp") or kernel == TWOS
    return dsp == (board in ("mps2_an386", "stm32f746g_disco"))


@pytest.mark.slow
@pytest.mark.parametrize(("case", "kernel"), checks(()))
def test_host(case: str, kernel: str, tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    nodes, _, options = CASES[case]
    check_on_host(list(nodes()), tmp_path, gcc, kernel=kernel, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "kernel", "board"), checks(("mps2_an386", "mps2_an385", "nucleo_g0b1re"))
)
def test_core(case: str, kernel: str, board: str, tmp_path: Path) -> None:
    """Cortex-M4, M3 and M0+."""
    nodes, _, options = CASES[case]
    check_on_core(list(nodes()), board, tmp_path, kernel=kernel, **options)


def chosen(node: Node, core: str, optimize: str = "balanced") -> str:
    (board,) = boards([core])
    features = board.core.features
    (step,) = plan(alone(node, "net"), core, features, optimize=optimize).steps
    return step.kernel.name


def compared(node: Node, dense_kernel: str, sparse_kernel: str, core: str) -> tuple[float, float]:
    """How many times the cycles, and what part of the bytes of constants, a layer of lists takes of
    what one by a dense kernel does."""
    (board,) = boards([core])
    cycles, sizes = [], []
    for name in (dense_kernel, sparse_kernel):
        (point,) = measured(node, board, only=name)
        kernel = next(k for k in kernels_of(type(node.op)) if k.name == name)
        cycles.append(point.cycles)
        sizes.append(sum(c.data.nbytes for c in kernel.bind(node).constants))
    return cycles[0] / cycles[1], sizes[1] / sizes[0]


@pytest.mark.parametrize(
    ("core", "node", "dense_kernel", "sparse_kernel", "quicker", "size"),
    [
        ("Cortex-M4", convolution(25, 5, 64, 64, 1), "conv2d_s8_halves", CONV[0], 1.8, 0.5),
        ("Cortex-M4", dense_layer(1, 640, 128), "fully_connected_s8_halves", TWOS, 1.8, 0.4),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (
                    "Cortex-M4",
                    convolution(8, 8, 64, 64, 3),
                    "conv2d_s8_halves",
                    CONV[0],
                    2.15,
                    0.42,
                ),
                ("Cortex-M3", convolution(25, 5, 64, 64, 1), "conv2d_s8_thumb2", CONV[1], 2.7, 0.5),
                (
                    "Cortex-M0+",
                    convolution(25, 5, 64, 64, 1),
                    "conv2d_s8_armv6m",
                    CONV[1],
                    1.8,
                    0.53,
                ),
            )
        ),
    ],
)
def test_four_fifths_of_zeros(
    core: str, node: Node, dense_kernel: str, sparse_kernel: str, quicker: float, size: float
) -> None:
    """Cycles on the emulated core, and bytes of constants, against the dense kernel."""
    times, part = compared(zeroed(node, 0.8), dense_kernel, sparse_kernel, core)
    assert times >= quicker and part <= size, (times, part)


@pytest.mark.parametrize("core", ["Cortex-M4", "Cortex-M3", "Cortex-M0+"])
def test_lists_are_taken_from_where_they_pay(core: str) -> None:
    """By their price, and by that of their bytes."""
    for node in (convolution(25, 5, 64, 64, 1), dense_layer(1, 640, 128)):
        for optimize in ("balanced", "speed", "flash"):
            assert "sparse" not in chosen(zeroed(node, 0.3), core, optimize)
            assert "sparse" in chosen(zeroed(node, 0.9), core, optimize)
    assert "sparse" not in chosen(zeroed(convolution(8, 8, 64, 64, 3), 0.9), core, "ram")


def test_what_is_left_to_others() -> None:
    """The first sum, bias, shift and part of zeros beyond each bound."""
    kernels = {k.name: k for k in kernels_of(Conv2d)}
    by_long, by_pairs = (kernels[name].reject for name in CONV)

    def pixels(change: tuple[int, int, int] = (0, 0, 0), bias: int = 0, **more: object) -> Node:
        weights = largest()[:, None, None]
        weights[change[0], 0, 0, change[1]] += change[2]
        return layer((1, 8), weights, bias, **{"real": 1e-5, "zeros": (0, 3), **more})

    assert by_long(pixels()) is None
    assert "2^22" in by_long(pixels((0, 500, 1)))  # below -2^22
    assert "2^22" in by_long(pixels((1, 400, 1), 0))  # 2^22 + 126
    assert by_long(pixels(bias=(1 << 23) - 1)) is None
    assert "2^23" in by_long(pixels(bias=1 << 23))
    assert by_long(pixels(real=2.0**-25)) is None
    assert "23 bits" in by_long(pixels(real=2.0**-26))
    assert "2^31" in by_long(pixels(bias=1 << 22, real=2.0**-25, zeros=(0, 127)))
    assert "2^15" in by_pairs(pixels())
    assert by_pairs(pixels((0, 400, -1))) is None
    many = np.zeros((1, 1, 1, 5 * DEPTH), int)
    many[..., :2047] = -1
    assert by_pairs(layer((1, 8), many)) is None
    many[..., 2047] = -1
    assert "2048" in by_pairs(layer((1, 8), many))
    half = np.arange(100).reshape(1, 1, 1, 100) % 2 * 5
    assert by_long(layer((1, 8), half)) is None
    half[..., :22] = 5
    assert "40%" in by_long(layer((1, 8), half))

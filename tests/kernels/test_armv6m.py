"""The kernels of cores with nothing beyond Armv6-M at the bounds under which they are exact."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_models import firmware
from test_ops import alone, check_on_host

from tinyc.emit.emitter import emit
from tinyc.ir import Array, DType, Node, Quant, TensorType, Value, interpret
from tinyc.kernels import conv_armv6m
from tinyc.kernels.base import kernels_of
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.fully_connected import FullyConnected
from tinyc.plan import plan
from tinyc.target.boards import load_board
from tinyc.target.toolchain import find_toolchain

BOARD = load_board("nucleo_g0b1re")
ONE = (1, 1)


def chosen(node: Node, optimize: str = "balanced") -> str:
    return next(
        k.name
        for k in kernels_of(type(node.op))
        if optimize in k.aims and k.requires <= BOARD.core.features and k.reject(node) is None
    )


def pointwise(
    weights: Array,
    biases: list[int],
    scales: list[float],
    zero: int,
    out_zero: int,
    pixels: int = 5,
    activation: str = "none",
) -> Node[Conv2d]:
    """1x1 convolution of ``pixels`` pixels by int8 weights [channels, depth], whose sums are
    multiplied by ``scales``."""
    channels, depth = weights.shape
    x = TensorType((1, 1, pixels, depth), DType.I8, Quant((0.5,), (zero,)))
    w = TensorType(
        (channels, 1, 1, depth), DType.I8, Quant(tuple(2 * s for s in scales), (0,) * channels, 0)
    )
    y = TensorType((1, 1, pixels, channels), DType.I8, Quant((1.0,), (out_zero,)))
    data = weights.astype(np.int8).reshape(w.shape)
    inputs = (
        Value("x", x, "case"),
        Value("w", w, "case", data),
        Value("b", TensorType((channels,), DType.I32), "case", np.array(biases, np.int32)),
    )
    op = Conv2d(ONE, ONE, ((0, 0), (0, 0)), activation)
    return Node(op, inputs, (Value("y", y, "case"),), "c")


def check(node: Node, inputs: Array, tmp_path: Path, optimize: str = "balanced") -> Array:
    """The outputs, which the reference, the host and the core have in common."""
    gcc = shutil.which("gcc")
    if gcc is not None:
        (tmp_path / "host").mkdir(parents=True)
        check_on_host([node], tmp_path / "host", gcc, lambda _, rng: [inputs], optimize=optimize)
    rows = inputs.reshape(1, -1).view(np.uint8)
    trace = firmware(alone(node, "net"), BOARD, tmp_path / "out", rows, "unicorn", optimize)
    expected = interpret(alone(node, "net"), [inputs])[node.output]
    np.testing.assert_array_equal(trace.outputs[0].view(np.int8), expected.ravel())
    return expected


def extremes(weights: Array) -> Array:
    """int8 [1, 1, 2 * channels + 1, depth]: what brings the sum of each channel to its greatest and
    to its least, by turns, and the least input."""
    highest = np.where(weights > 0, 127, -128)
    lowest = np.where(weights > 0, -128, 127)
    rows = np.stack([highest, lowest], 1).reshape(-1, weights.shape[1])
    rows = np.concatenate([rows, np.full_like(rows[:1], -128)])
    return rows.astype(np.int8)[None, None]


def signs(channels: int, depth: int) -> Array:
    """Weights of 127 and -127: of one sign, by turns, and as they come."""
    found = np.random.default_rng(0).choice([-127, 127], (channels, depth))
    found[0], found[1], found[2, ::2], found[2, 1::2] = 127, -127, 127, -127
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zero", "optimize"), [(-128, "balanced"), (127, "balanced"), (5, "balanced"), (5, "speed")]
)
def test_the_greatest_sums(zero: int, optimize: str, tmp_path: Path) -> None:
    """Just under 2^23, either way."""
    weights = signs(5, 256)
    sums = [127 * 256 * (127 - zero), 127 * 256 * (zero + 128)]
    up, down = (1 << 23) - 1 - sums[0], sums[0] - (1 << 23) + 1
    biases = [up, down, (1 << 23) - 1 - sum(sums) // 2, 0, 77]
    scales = [2**-13, 2**-12.3, 2**-13, 2**-14, 2**-15]
    node = pointwise(weights, biases, scales, zero, 3, 11)
    assert chosen(node) == "conv2d_s8_armv6m"
    over = [up + 1, *biases[1:]]
    assert chosen(pointwise(weights, over, scales, zero, 3)) == "conv2d_s8_tile4"
    assert chosen(pointwise(weights, over, scales, zero, 3), "speed") == "conv2d_s8_tile4"
    check(node, extremes(weights), tmp_path, optimize)


def test_what_is_left_to_portable_c() -> None:
    weights = np.full((2, 64), 127)
    for case, name in {
        (2.0**-1, 0): "conv2d_s8_tile4",
        (2.0**-1 - 2**-20, 0): "conv2d_s8_armv6m",
        (2.0**-19, -128): "conv2d_s8_tile4",
        (2.0**-16, -128): "conv2d_s8_armv6m",
    }.items():
        scale, out_zero = case
        assert chosen(pointwise(weights, [0, 0], [scale] * 2, 0, out_zero)) == name, case
    weights[1, 2:4] = -128
    assert chosen(pointwise(weights, [0, 0], [0.01] * 2, 0, 0)) == "conv2d_s8_tile4"
    weights[1, 3] = -127
    assert chosen(pointwise(weights, [0, 0], [0.01] * 2, 0, 0)) == "conv2d_s8_armv6m"
    assert chosen(pointwise(weights[:1], [0], [0.01], 0, 0)) == "conv2d_s8_tile4"


@pytest.mark.slow
@pytest.mark.parametrize("out_zero", [-128, 0, 40])
def test_halves(out_zero: int, tmp_path: Path) -> None:
    """Every sum around zero, by powers of two and by others, halves among them."""
    weights = np.zeros((14, 4), np.int64)
    weights[:, :2] = 1, 127
    scales = [2.0**-n for n in range(2, 9)] + [(2**-1 - 2**-24) * 2.0**-n for n in range(1, 8)]
    node = pointwise(weights, [0] * 14, scales, 0, out_zero, 256 * 9)
    assert chosen(node) == "conv2d_s8_armv6m"
    x = np.zeros((9, 256, 4), np.int8)
    x[..., 0] = np.arange(-128, 128)
    x[..., 1] = np.arange(-4, 5)[:, None]
    found = check(node, x.reshape(1, 1, -1, 4), tmp_path)
    assert len(np.unique(found[..., 7])) > 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zero", "out_zero", "activation", "optimize", "scale", "high"),
    [
        (-128, -128, "relu", "balanced", 2**-12.1, 500_000),
        (5, 3, "none", "balanced", 2**-13.1, 1_200_000),
        (-128, -128, "relu", "speed", 2**-12.1, 500_000),
        (5, 3, "none", "speed", 2**-13.1, 1_200_000),
    ],
)
def test_pieces_of_ten_bits(
    zero: int,
    out_zero: int,
    activation: str,
    optimize: str,
    scale: float,
    high: int,
    tmp_path: Path,
) -> None:
    """Sums that fewer pieces of the multiplier do for: the greatest, and those over the edge."""
    weights = signs(5, 12)

    def node(bias: int) -> Node[Conv2d]:
        scales = [scale, scale, 2 * scale, 3 * scale, 4 * scale]
        return pointwise(weights, [bias, -bias, 0, 77, 5], scales, zero, out_zero, 11, activation)

    def pieces(bias: int) -> str:
        params = conv_armv6m.CONV2D.bind(node(bias)).params
        return params["outputs"].removeprefix("tinyc_pair_outputs_").removesuffix("_away")

    low = 0
    assert (pieces(low), pieces(high)) == ("10", "8")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if pieces(middle) == "10" else (low, middle)
    assert low > 1 << 16
    for bias in (low, high):
        check(node(bias), extremes(weights), tmp_path / str(bias), optimize)


def test_running_words_have_room(tmp_path: Path) -> None:
    """Weights that bring a word to 255, to 256, and to what one of both signs leaves; inputs that
    no channel has weights for, as many as one instruction goes past and more; channels that have
    none; an odd depth."""
    weights = np.zeros((8, 301), int)
    weights[0, :4], weights[0, 4:8] = (127, 127, 1, 0), (-127, -127, 0, -1)
    weights[1, :4], weights[1, 4:8] = (127, 127, 0, 1), (-127, -127, -1, 0)
    weights[2, :4], weights[2, 4:8] = (127, 127, 1, 1), (-64, -127, -64, -1)
    weights[3, 0], weights[3, 1], weights[3, 2] = -128, 127, 1
    weights[4, 8:24] = [1, -1, 2, -2, 4, -4, 8, -8, 16, -16, 32, -32, 64, -64, 3, -128]
    weights[6, 86:88], weights[6, 300] = 5, 7
    node = pointwise(weights, [5] * 8, [2.0**-8] * 8, 5, 3, 17)
    assert chosen(node, "speed") == "conv2d_s8_immediates"
    check(node, extremes(weights), tmp_path, "speed")


def depthwise(
    weights: Array, bias: int, scale: float, zero: int, out_zero: int, activation: str = "none"
) -> Node[DepthwiseConv2d]:
    """Weights [height, width, channels] over an image of 7x8 pixels with a border of one."""
    height, width, channels = weights.shape
    x = TensorType((1, 7, 8, channels), DType.I8, Quant((0.5,), (zero,)))
    w = TensorType((1, *weights.shape), DType.I8, Quant((2 * scale,), (0,)))
    shape = (1, 10 - height, 11 - width, channels)
    y = TensorType(shape, DType.I8, Quant((1.0,), (out_zero,)))
    biases = np.array([bias, -bias, *[77] * (channels - 2)], np.int32)
    inputs = (
        Value("x", x, "case"),
        Value("w", w, "case", weights.astype(np.int8)[None]),
        Value("b", TensorType((channels,), DType.I32), "case", biases),
    )
    op = DepthwiseConv2d(ONE, ONE, ((1, 1), (1, 1)), activation, 1)
    return Node(op, inputs, (Value("y", y, "case"),), "c")


def edge(node: Callable[[int], Node], name: str, high: int) -> int:
    """The largest bias with which the kernel takes the node; it leaves larger ones, up to
    ``high``, behind which the channel is one number."""
    low = 0
    assert chosen(node(low)) == name and chosen(node(high)) != name
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if chosen(node(middle)) == name else (low, middle)
    return low


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "scale", "zero", "out_zero", "activation", "high"),
    [
        ((3, 3), 2**-12.1, -128, -128, "relu", 500_000),
        ((4, 5), 2**-11.1, -128, -128, "relu", 500_000),
        ((3, 3), 2**-13.1, 127, 9, "none", 1_200_000),
        ((4, 5), 2**-13.1, 127, 9, "none", 1_200_000),
    ],
)
def test_the_greatest_sums_of_a_channel(
    size: tuple[int, int],
    scale: float,
    zero: int,
    out_zero: int,
    activation: str,
    high: int,
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    weights = rng.choice([-127, 127], (*size, 6))
    weights[..., 0], weights[..., 1] = 127, -127

    def node(bias: int) -> Node[DepthwiseConv2d]:
        return depthwise(weights, bias, scale, zero, out_zero, activation)

    bias = edge(node, "depthwise_conv2d_s8_armv6m", high)
    assert bias > 1 << 17
    x = rng.choice([-128, 127], (1, 7, 8, 6)).astype(np.int8)
    x[:, :4, :, :2], x[:, 4:, :, :2] = 127, -128
    check(node(bias), x, tmp_path)
    check(depthwise(weights, 0, scale, zero, out_zero, activation), x, tmp_path / "small")


def test_channels_that_are_one_number_do_not_matter() -> None:
    """A bias that saturates whatever the inputs are, and sums that are scaled to nothing."""
    weights = np.full((2, 8), 100)
    assert chosen(pointwise(weights, [1 << 28, -(1 << 28)], [0.01] * 2, 0, 0)) == (
        "conv2d_s8_armv6m"
    )
    assert chosen(pointwise(weights, [0, 0], [2**-22, 0.01], 0, -128)) == "conv2d_s8_armv6m"


def dense(
    weights: Array, biases: list[int], scale: float, zero: int, out_zero: int, rows: int = 1
) -> Node[FullyConnected]:
    channels, depth = weights.shape
    x = TensorType((rows, depth), DType.I8, Quant((0.5,), (zero,)))
    w = TensorType(weights.shape, DType.I8, Quant((2 * scale,), (0,)))
    y = TensorType((rows, channels), DType.I8, Quant((1.0,), (out_zero,)))
    inputs = (
        Value("x", x, "case"),
        Value("w", w, "case", weights.astype(np.int8)),
        Value("b", TensorType((channels,), DType.I32), "case", np.array(biases, np.int32)),
    )
    return Node(FullyConnected("none"), inputs, (Value("y", y, "case"),), "case")


@pytest.mark.slow
@pytest.mark.parametrize("zero", [-128, 127, 5])
def test_the_greatest_sums_of_dense_layers(zero: int, tmp_path: Path) -> None:
    """Just under 2^23, either way, by weights that have all of int8."""
    weights = signs(5, 253)
    weights[3:] = np.where(weights[3:] < 0, -128, 127)
    sums = [127 * 253 * (127 - zero), 127 * 253 * (zero + 128)]
    up, down = (1 << 23) - 1 - sums[0], sums[0] - (1 << 23) + 1
    node = dense(weights, [up, down, 0, 0, 77], 2**-13.3, zero, 3, 11)
    assert chosen(node) == "fully_connected_s8_armv6m"
    over = dense(weights, [up + 1, down, 0, 0, 77], 2**-13.3, zero, 3)
    assert chosen(over) == "fully_connected_s8_scalar"
    check(node, extremes(weights)[0, 0], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.9, 0.5, 2**-3, 2**-3.7, 7 / 40])
def test_halves_of_dense_layers(scale: float, tmp_path: Path) -> None:
    """Every sum around zero, of scales of up to one."""
    weights = np.array([[1], [3], [-5], [9], [-1], [2]])
    node = dense(weights, [0, 1, -2, 3, 0, 5], scale, 5, -7, 256)
    assert chosen(node) == "fully_connected_s8_armv6m"
    check(node, np.arange(-128, 128, dtype=np.int8)[:, None], tmp_path)


@pytest.mark.slow
def test_compiles_whatever_a_project_optimizes(tmp_path: Path) -> None:
    """A library is compiled with its user's flags: GCC may have few registers."""
    toolchain = find_toolchain("gcc")
    rng = np.random.default_rng(0)
    nodes = [
        depthwise(rng.integers(-127, 128, (3, 3, 4)), 5, 2**-12, -128, -128, "relu"),
        pointwise(rng.integers(-127, 128, (3, 8)), [5] * 3, [2**-12] * 3, -128, 3),
        dense(rng.integers(-127, 128, (3, 8)), [5] * 3, 2**-12, -128, 3),
    ]
    jobs = []
    for i, node in enumerate(nodes):
        graph = alone(node, f"net{i}")
        library = emit(plan(graph, "M0", BOARD.core.features, optimize="speed"))
        for name, text in library.files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        for level in ("-Os", "-O1", "-O3"):
            flags = (level, "-fno-omit-frame-pointer", "-Iinclude", "-Isrc")
            jobs.append((Path(f"src/net{i}.c"), Path(f"net{i}{level}.o"), flags))
    toolchain.compile(BOARD.core, jobs, tmp_path)

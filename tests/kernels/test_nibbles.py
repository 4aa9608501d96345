"""Convolutions and dense layers by weights of 4 and of 2 bits: awkward shapes, both sides of every
bound under which they are exact, and what they take beside those of 8 bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but
from test_halves import dense, ends, layer
from test_ops import check_on_core, check_on_host, random_inputs

from tinyc.emit.emitter import emit
from tinyc.image.build import BuildOptions, build
from tinyc.ir import Node, Quant, interpret, verify
from tinyc.ir.graph import Graph
from tinyc.kernels.base import Kernel, kernels_of
from tinyc.kernels.typical import convolution, narrow
from tinyc.kernels.typical import dense as typical
from tinyc.ops.fully_connected import FullyConnected
from tinyc.ops.reshape import Reshape
from tinyc.plan import plan
from tinyc.run import run
from tinyc.target.boards import load_board
from tinyc.tuning.costs import measured

BOARD = load_board("mps2_an386")
CONV, DENSE = "conv2d_", "fully_connected_"


def kernel(node: Node, name: str) -> Kernel:
    return next(k for k in kernels_of(type(node.op)) if k.name == name)


def chosen(node: Node, aim: str = "balanced") -> str:
    allowed = (k for k in kernels_of(type(node.op)) if aim in k.aims)
    return next(k.name for k in allowed if k.reject(node) is None)


def few(rng: np.random.Generator, bits: int, *shape: int) -> np.ndarray:
    return rng.integers(-(1 << bits - 1), 1 << bits - 1, shape)


def awkward(bits: int) -> Iterator[Node]:
    """Every rest of channels, of inputs, of rows of code and of pixels; all zero points; windows
    of which rows of the output share some, none, and some that they leave out."""
    rng = np.random.default_rng(bits)
    shapes = (
        (16, 3, 3, 16, 1, 1), (17, 3, 3, 16, 2, 1), (18, 1, 1, 64, 1, 0), (9, 5, 5, 8, 1, 2),
        (7, 3, 3, 33, 1, 1), (32, 3, 1, 20, 1, 0), (7, 2, 2, 48, 3, 0), (21, 1, 1, 50, 2, 1),
        (5, 3, 2, 49, 1, 0), (4, 4, 4, 18, 2, 3), (6, 1, 5, 40, 1, 2),
    )  # fmt: skip
    for i, (channels, kh, kw, depth, stride, padding) in enumerate(shapes):
        for zero in (-128, int(rng.integers(-127, 128))):
            zeros, bias = (int(rng.choice([-128, -3, 127])), zero), int(rng.integers(-3000, 3000))
            activation = ("none", "relu", "relu6")[i % 3]
            weights = few(rng, bits, channels, kh, kw, depth)
            yield layer((7, 6), weights, bias, 0.0027, zeros, padding, stride, activation)
        yield layer((3, 2), weights, bias, 0.04, (zero, -128), padding, 1)  # by a steep product
    for depth in (16, 17):
        weights = few(rng, bits, 8, 3, 3, depth)
        yield layer((7, 6), weights, 9, 0.0027, (-128, -128), 2, 1, dilation=2)
    for rows, channels, depth in (
        (1, 64, 64), (1, 19, 132), (1, 8, 128), (2, 33, 36), (3, 20, 57), (5, 4, 260),
    ):  # fmt: skip
        yield dense(rows, few(rng, bits, channels, depth), 77, 0.004, (4, -3), "relu")
        for real, zero in ((0.25, -128), (3.0, 127)):  # by a steep product, rounded once
            yield dense(rows, few(rng, bits, channels, depth), -9, real, (zero, zero))
    yield spread(dense(1, few(rng, bits, 8, 128)), 2.0**-16, 0.25)
    for channels, zero in ((16, -128), (17, 4)):  # windows that are the image
        for real in (0.0027, 0.04):
            yield layer((2, 2), few(rng, bits, channels, 2, 2, 20), 9, real, (-128, zero))
    dead = few(rng, bits, 8, 1, 1, 128)
    dead[[2, 3, 4]] = 0
    constants = [5, -5, 1 << 30, -(1 << 30), 9, 5, 5, 5]
    for zero in (-128, 7):
        yield layer((1, 3), dead, constants, 0.004, (3, zero))
        yield layer((1, 1), dead, constants, 0.004, (3, zero))
    yield dense(1, dead[:, 0, 0], constants, 0.004)


def spread(node: Node, *reals: float) -> Node:
    """The same whose channels have these multipliers in turn."""
    weights, channels = node.inputs[1], len(node.inputs[1].array)
    scales = tuple(node.output.type.quant.scale[0] * r for r in np.resize(reals, channels))
    quant = Quant(scales, (0,) * channels, 0)
    weights = replace(weights, type=replace(weights.type, quant=quant))
    return replace(node, inputs=(node.inputs[0], weights, *node.inputs[2:]))


def largest(make: Callable[[list[int]], Node], bits: int, field: int, sign: int) -> int:
    """The largest bias of every fourth channel that a kernel takes, towards one side."""

    def taken(bias: int) -> bool:
        biases = [sign * bias if c % 4 == field else 0 for c in range(8)]
        node = make(biases)
        prefix = DENSE if isinstance(node.op, FullyConnected) else CONV
        return kernel(node, f"{prefix}s{bits}_dsp").reject(node) is None

    low, high = 0, 1 << 27
    assert taken(low) and not taken(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(middle) else (low, middle)
    return sign * low


def extremes(bits: int) -> Iterator[Node]:
    """The largest sums of each of four channels, of either sign, that are taken."""
    least, most = -(1 << bits - 1), (1 << bits - 1) - 1
    weights = np.where(np.arange(8) % 3 == 0, least, most)[:, None] * np.ones((8, 256), int)
    for zero in (-128, 127):
        for out in (3, -128):

            def pixels(biases: list[int], zeros: tuple[int, int] = (zero, out)) -> Node:
                return layer((1, 3), weights[:, None, None], biases, 1.1e-5, zeros)

            def single(biases: list[int], zeros: tuple[int, int] = (zero, out)) -> Node:
                return layer((1, 1), weights[:, None, None], biases, 1.1e-5, zeros)

            def rows(biases: list[int], zeros: tuple[int, int] = (zero, out)) -> Node:
                return dense(2, weights, biases, 1.1e-5, zeros)

            def row(biases: list[int], zeros: tuple[int, int] = (zero, out)) -> Node:
                return dense(1, weights, biases, 1.1e-5, zeros)

            for sign in (1, -1):
                edges = [largest(pixels, bits, field, sign) for field in range(4)]
                biases = [edges[c % 4] for c in range(8)]
                for make in (pixels, single, rows, row):
                    yield make(biases)
                # Multipliers next to either end of a steep product's.
                for real in (2.0**-8, 0.4999999):
                    yield layer((1, 3), weights[:, None, None], biases, real, (zero, -128))
                    yield layer((1, 1), weights[:, None, None], biases, real, (zero, -128))
                for real in (0.25, 63.99999):
                    yield dense(2, weights, biases, real, (zero, out))
                    yield dense(1, weights, biases, real, (zero, out))


CASES = {
    f"{name}-int{bits}": (make, bits, options)
    for bits in (4, 2)
    for name, make, options in (
        ("awkward", awkward, {}), ("extremes", extremes, {"inputs": ends}),
    )
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_host(name: str, tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    make, bits, options = CASES[name]
    nodes = list(make(bits))
    assert {chosen(node) for node in nodes} == {f"{CONV}s{bits}_dsp", f"{DENSE}s{bits}_dsp"}
    check_on_host(nodes, tmp_path, gcc, **options)


@pytest.mark.parametrize("board", slow_but(["mps2_an386"], ["mps2_an386", "stm32f746g_disco"]))
@pytest.mark.parametrize("name", CASES)
def test_core(name: str, board: str, tmp_path: Path) -> None:
    """On cores with one and with two instructions in a cycle."""
    make, bits, options = CASES[name]
    check_on_core(list(make(bits)), board, tmp_path, **options)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 2])
def test_small_code(bits: int, tmp_path: Path) -> None:
    """As flash is optimized with: the same bits by loops and by bodies that layers share."""
    nodes = list(awkward(bits))
    assert chosen(nodes[0], "flash") == f"{CONV}s{bits}_dsp_alike"
    check_on_core(nodes, "mps2_an386", tmp_path, optimize="flash")


@pytest.mark.parametrize("bits", [4, 2])
def test_the_bounds_are_those_of_words(bits: int) -> None:
    """256 times a sum has to lie in 32 bits, and the fourth channel's as it stands above the other
    three; no first sum beyond is taken."""
    weights = np.full((8, 1, 1, 256), -1)

    def pixels(biases: list[int]) -> Node:
        return layer((1, 3), weights, biases, 1e-5, (-128, 3))

    for field, most in enumerate([23, 23, 23, 31 - max(8, 3 * bits)]):
        found = largest(pixels, bits, field, -1)
        # The sum is at least the bias less 255 for each input. That of the third channel of 4 bits
        # is shifted down with 8 times the sum of the inputs, which makes it 1024 less for each.
        reach = 1024 * 256 if (bits, field) == (4, 2) else 255 * 256
        assert found == -((1 << most) - 1 - reach), field


def test_what_is_left_to_others() -> None:
    ones = np.ones((8, 1, 1, 128), int)
    assert chosen(layer((2, 2), 7 * ones)) == chosen(layer((2, 2), -8 * ones)) == f"{CONV}s4_dsp"
    assert chosen(layer((2, 2), 8 * ones)) == chosen(layer((2, 2), -9 * ones)) == f"{CONV}s8_halves"
    assert chosen(layer((2, 2), ones)) == chosen(layer((2, 2), -2 * ones)) == f"{CONV}s2_dsp"
    assert chosen(layer((2, 2), 2 * ones)) == chosen(layer((2, 2), -3 * ones)) == f"{CONV}s4_dsp"
    assert chosen(layer((2, 2), ones[..., :127])) == f"{CONV}s8_halves"  # too small
    assert chosen(layer((2, 2), np.ones((3, 1, 1, 512), int))) == f"{CONV}s8_dsp"
    assert chosen(dense(1, ones[:, 0, 0])) == f"{DENSE}s2_dsp"
    assert chosen(dense(1, np.ones((9, 127), int))) == f"{DENSE}s8_dsp"
    assert chosen(dense(1, np.ones((7, 256), int))) == f"{DENSE}s8_dsp"
    assert chosen(dense(2, np.ones((7, 255), int))) == f"{DENSE}s2_dsp"
    assert chosen(layer((2, 2), ones), "speed") == f"{CONV}s8_halves"
    row = kernel(dense(1, ones[:, 0, 0]), f"{DENSE}s4_dsp")
    assert row.reject(dense(1, ones[:, 0, 0], real=63.9)) is None
    assert row.reject(dense(1, ones[:, 0, 0], real=64.0))
    assert row.reject(spread(dense(1, ones[:, 0, 0]), 2.0**-17, 0.25)) is None
    assert row.reject(spread(dense(1, ones[:, 0, 0]), 2.0**-18, 0.25))
    assert row.reject(spread(dense(1, ones[:, 0, 0]), 2.0**-18, 0.24)) is None


def network(bits: int) -> Graph:
    """3x3, 1x1 and dense layers that read one another, of weights of so many bits."""
    last = typical(1, 768, 32)
    scores = replace(last.output, type=replace(last.output.type, quant=Quant((0.1,), (40,))))
    last = replace(last, op=FullyConnected("none"), outputs=(scores,))
    parts = [convolution(7, 6, 16, 20, 3, 2), convolution(4, 3, 20, 64, 1), last]
    x, nodes = parts[0].inputs[0], []
    for i, part in enumerate(narrow(part, bits) for part in parts):
        shape = part.inputs[0].type.shape
        if x.type.shape != shape:
            y = replace(x, name="flat", type=replace(x.type, shape=shape))
            nodes.append(Node(Reshape(), (x,), (y,), "flat"))
            x = y
        y = replace(part.output, name=f"y{i}")
        nodes.append(replace(part, inputs=(x, *part.inputs[1:]), outputs=(y,)))
        x = y
    return verify(Graph("net", nodes[0].variable_inputs, (x,), tuple(nodes)))


@pytest.mark.parametrize("bits", [4, 2])
def test_a_network_whose_flash_falls(bits: int, tmp_path: Path) -> None:
    """By what its weights do, less the code that the compiler may make more of. It gives the same
    layer by layer and by rows."""
    graph, core = network(bits), BOARD.core
    weights = sum(node.inputs[1].array.size for node in graph.nodes if len(node.inputs) > 1)
    plans = {
        name: plan(graph, core.title, core.features, optimize=aim, spans=spans)
        for name, aim, spans in (
            ("few", "balanced", ()), ("rows", "balanced", [(0, 1, 1, False)]),
            ("usual", "speed", ()),
        )
    }  # fmt: skip
    made = {step.kernel.name for step in plans["few"].steps if step.binding.constants}
    assert made == {f"{CONV}s{bits}_dsp", f"{DENSE}s{bits}_dsp"}
    assert {s.kernel.name for s in plans["rows"].steps if s.binding.constants} == made
    assert plans["rows"].chains and not plans["few"].chains
    (x,) = random_inputs(graph.nodes[0], np.random.default_rng(0))
    expected = interpret(graph, [x])[graph.outputs[0]].ravel()
    assert len(np.unique(expected)) > 5
    flash = {}
    for name, planned in plans.items():
        image = build(emit(planned), BOARD, None, tmp_path / name, BuildOptions("test"))
        flash[name] = image.flash_bytes
        found = run(image, x.reshape(1, -1).view(np.uint8)).outputs[0]
        np.testing.assert_array_equal(found.view(np.int8), expected)
    spared = flash["usual"] - flash["few"]
    assert spared > weights * (1 - bits / 8) - MORE_CODE, flash


MORE_CODE = 2600
"""Bytes of the functions for few bits beyond those for 8."""


# What they take ----------------------------------------------------------------------------

LAYERS = {
    "3x3 of 64": (lambda: convolution(6, 6, 64, 64, 3), CONV),
    "3x3 of 32": (lambda: convolution(8, 8, 32, 32, 3), CONV),
    "3x3 of 16": (lambda: convolution(16, 16, 16, 16, 3), CONV),
    "1x1 of 64": (lambda: convolution(25, 5, 64, 64, 1), CONV),
    "dense 640 to 128": (lambda: typical(1, 640, 128), DENSE),
    "dense 128 to 128": (lambda: typical(1, 128, 128), DENSE),
}
SLOWER = 1.05
"""How many times the cycles of weights of 8 bits they may take, modelled, on Cortex-M4."""


@pytest.mark.parametrize("name", LAYERS)
def test_they_take_about_the_cycles_of_8_bits(name: str) -> None:
    make, prefix = LAYERS[name]
    for bits in (4, 2):
        node = narrow(make(), bits)
        few, usual = f"{prefix}s{bits}_dsp", f"{prefix}s8_halves"
        found = {name: measured(node, BOARD, only=name)[0].cycles for name in (few, usual)}
        assert found[few] <= SLOWER * found[usual], found
        weights, table = kernel(node, few).bind(node).constants
        usual_weights, usual_table = kernel(node, usual).bind(node).constants
        assert 8 * weights.data.nbytes == bits * usual_weights.data.nbytes
        assert table.data.nbytes == usual_table.data.nbytes

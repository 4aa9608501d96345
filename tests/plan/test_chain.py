"""Layers that take turns by rows: the same bits as layer by layer, in the rows that there are."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, slow_but
from golden_models import residual_block
from test_passes import constant, convolution, graph, value

from tinyc.emit.emitter import emit
from tinyc.image.build import BuildOptions, build
from tinyc.ir import DType, Graph, Node, Quant, TensorType, Value, interpret, verify
from tinyc.kernels import conv_armv6m
from tinyc.ops._conv import out_sizes
from tinyc.ops.add import Add
from tinyc.ops.average_pool import AveragePool2d
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.logistic import Logistic
from tinyc.ops.max_pool import MaxPool2d
from tinyc.ops.mul import Mul
from tinyc.plan import Plan, arena, plan, planner, rows
from tinyc.plan.chain import Ring, _Run
from tinyc.plan.heads import split_outputs
from tinyc.plan.rows import staged
from tinyc.plan.schedule import by_rows
from tinyc.run import run
from tinyc.target.boards import load_board

sys.path.append(str(ROOT / "tests" / "ops"))
from test_arena import Replay, sound
from test_ops import assert_same, random_array, run_on_host

QUANT = Quant((0.05,), (-11,))
DSP = frozenset({"dsp", "fpu"})


class Network:
    """A network of images that grows by random layers."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = self.pick(DType.I8, DType.I8, DType.I8, DType.I16, DType.F32)
        shape = (1, self.number(6, 17), self.number(1, 9), self.number(1, 9))
        self.images, self.nodes = [self.value("x", shape)], []

    def number(self, least: int, end: int) -> int:
        return int(self.rng.integers(least, end))

    def pick(self, *choices):
        return choices[self.number(0, len(choices))]

    def value(self, name: str, shape: tuple[int, ...]) -> Value:
        quant = None if self.dtype is DType.F32 else QUANT
        if self.dtype is DType.I16:
            quant = Quant((2.0**-9,), (0,))
        return Value(name, TensorType(shape, self.dtype, quant), "case")

    def grow(self) -> None:
        name = f"v{len(self.nodes)}"
        x = self.images[-1] if self.rng.random() < 0.8 else self.pick(*self.images)
        alike = [v for v in self.images if v.type.shape == x.type.shape]
        kind = self.pick("conv", "conv", "depthwise", "pool", "add", "curve")
        if kind == "add":
            self.made(self.pick(Add, Mul)("none"), (self.pick(*alike), x), x.type.shape, name)
        elif kind == "curve":
            if self.dtype is not DType.F32:
                return
            self.made(Logistic(), (x,), x.type.shape, name)
        else:
            self.windowed(kind, x, name)

    def windowed(self, kind: str, x: Value, name: str) -> None:
        _, height, width, channels = x.type.shape
        kernel = (self.number(1, min(5, height) + 1), self.number(1, min(4, width) + 1))
        stride, dilation = (self.pick(1, 1, 2), self.pick(1, 2)), (1, 1)
        if kind != "pool" and height > 2 * kernel[0]:
            dilation = (self.pick(1, 1, 2), 1)
        padding = tuple((self.number(0, k), self.number(0, k)) for k in kernel)
        sizes = out_sizes(x.type.shape, kernel, stride, dilation, padding)
        if min(sizes) < 1:
            return
        if kind == "pool":
            op = self.pick(MaxPool2d, AveragePool2d)(stride, padding, "none", kernel)
            self.made(op, (x,), (1, *sizes, channels), name)
            return
        outs = channels if kind == "depthwise" else self.pick(1, 3, 4, 8, 13)
        shape = (outs, *kernel, channels) if kind == "conv" else (1, *kernel, channels)
        depth = int(np.prod(shape)) // outs
        if self.dtype is DType.F32:
            weights = constant(f"{name}/w", self.rng.normal(0, 0.3, shape).astype(np.float32))
            bias = constant(f"{name}/b", self.rng.normal(0, 1, outs).astype(np.float32))
        else:
            data = self.rng.integers(-127, 128, shape).astype(np.int8)
            axis = 0 if kind == "conv" else 3
            scales = self.rng.uniform(0.5, 1, outs) / (70 * depth**0.5)
            scales = tuple(map(float, scales.astype(np.float32)))
            quant = Quant(scales, (0,) * outs, axis if outs > 1 else 0)
            weights = constant(f"{name}/w", data, quant)
            wide = np.int64 if self.dtype is DType.I16 else np.int32
            bias = constant(f"{name}/b", self.rng.integers(-900, 900, outs).astype(wide))
        if kind == "conv":
            op = Conv2d(stride, dilation, padding, self.pick("none", "relu"))
        else:
            op = DepthwiseConv2d(stride, dilation, padding, "none", multiplier=1)
        self.made(op, (x, weights, bias), (1, *sizes, outs), name)

    def made(self, op, inputs: tuple[Value, ...], shape: tuple[int, ...], name: str) -> None:
        self.images.append(self.value(name, shape))
        self.nodes.append(Node(op, inputs, (self.images[-1],), name))

    def graph(self, name: str) -> Graph:
        if self.rng.random() < 0.4:  # the mean of the whole image
            _, height, width, channels = self.images[-1].type.shape
            pool = AveragePool2d((1, 1), ((0, 0), (0, 0)), "none", (height, width))
            self.made(pool, self.images[-1:], (1, 1, 1, channels), "mean")
        inner = {v for node in self.nodes for v in node.inputs}
        ends = [v for v in self.images[1:] if v not in inner]
        if self.rng.random() < 0.3:  # one that others read as well
            ends.append(self.pick(*self.images[1:]))
        return verify(Graph(name, (self.images[0],), tuple(dict.fromkeys(ends)), tuple(self.nodes)))


def random_network(seed: int, name: str) -> Graph:
    network = Network(seed)
    while len(network.nodes) < 2 + seed % 7:
        network.grow()
    return network.graph(name)


@pytest.fixture
def chained(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """Plans a network with a chain of as many layers as can be, of so many rows at a time."""

    def planned(
        graph: Graph, features: frozenset[str], most: int, parks: bool, core: str = "host"
    ) -> Plan:
        def all_rows(graph, steps, *_):
            able = [staged(step) is not None for step in steps]
            spans, first = [], 0
            for i, is_able in enumerate([*able, False]):
                if not is_able:
                    if i - first > 1:
                        spans.append((first, i - 1, most, parks))
                    first = i + 1
            return by_rows(graph, steps, spans)

        monkeypatch.setattr(planner, "schedule", all_rows)
        return plan(graph, core, features)

    return planned


CORES = {"plain": (), "armv6m": ("armv6m",), "thumb2": ("thumb2",), "dsp": ("dsp", "fpu", "thumb2")}


def networks(seeds: range, chained: Callable[..., Plan], features: frozenset[str]) -> list[Plan]:
    """Random networks in strips of up to four rows."""
    plans = []
    for i, seed in enumerate(seeds):
        plans.append(
            chained(random_network(seed, f"case{i}"), features, 1 + seed % 4, seed % 3 > 0)
        )
        sound(plans[-1])
    assert sum(bool(p.chains) for p in plans) > 0.7 * len(plans)
    return plans


def test_random_networks_find_what_they_read(chained) -> None:
    assert len(networks(range(300, 360), chained, DSP)) == 60


@pytest.mark.parametrize("wrong", slow_but(["rings"], ["distance", "behind", "rings", "parked"]))
def test_a_replay_sees_what_is_wrong(wrong: str, chained, monkeypatch) -> None:
    """Eight bytes or a row less than there have to be."""
    if wrong == "distance":
        right = rows.distance
        monkeypatch.setattr(arena, "distance", lambda s: None if right(s) is None else right(s) - 8)
        monkeypatch.setattr(planner, "schedule", lambda g, s, *_: by_rows(g, s, []))
        plans = [plan(random_network(seed, "net"), "host", DSP) for seed in range(20)]
    else:
        start = _Run.__init__

        def less(self, chain) -> None:
            start(self, chain)
            for pieces in self.behind.values() if wrong == "behind" else ():
                for piece in pieces:
                    pieces[piece] -= 8
            for value, ring in self.rings.items() if wrong == "rings" else ():
                self.rings[value] = Ring(max(1, ring.rows - 1), ring.stay)
            for value, ring in self.rings.items() if wrong == "parked" else ():
                self.rings[value] = Ring(ring.rows, max(min(ring.stay, 1), ring.stay - 1))

        monkeypatch.setattr(_Run, "__init__", less)
        plans = [
            chained(random_network(seed, "net"), DSP, 2, wrong == "parked") for seed in range(20)
        ]
    seen = 0
    for planned in plans:
        try:
            Replay(planned)
        except (AssertionError, ValueError):
            seen += 1
    assert seen > 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), list(zip(CORES, range(0, 999, 15), strict=False)))
def test_random_networks_on_the_host(name: str, seed: int, chained, tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    rng = np.random.default_rng(seed)
    seeds = range(seed, seed + 15)
    plans = networks(seeds, chained, frozenset(CORES[name]))
    arrays = [[random_array(v, rng) for v in p.graph.inputs] for p in plans]
    run_on_host(plans, arrays, [f"network {seed}" for seed in seeds], tmp_path, gcc)


@pytest.mark.slow
def test_outputs_made_by_several_rows_lie_behind_them(monkeypatch, tmp_path: Path) -> None:
    """Depthwise convolutions that lay out a few rows, or all, of a channel at a time."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    monkeypatch.setattr(conv_armv6m, "PLANE_BYTES", 128)
    rng = np.random.default_rng(1)
    seeds = range(400, 430)
    found = [
        plan(random_network(seed, f"case{i}"), "host", frozenset({"armv6m"}), optimize="speed")
        for i, seed in enumerate(seeds)
    ]
    own = [s for p in found for s in p.steps if s.kernel is conv_armv6m.DEPTHWISE_CONV2D]
    assert {s.binding.inplace for s in own} == {None, 0}
    assert any(1 < s.binding.rows < rows.height(s.node.output) for s in own)
    for planned in found:
        sound(planned)
    arrays = [[random_array(v, rng) for v in p.graph.inputs] for p in found]
    run_on_host(found, arrays, [f"network {seed}" for seed in seeds], tmp_path, gcc)


def together(seeds: range) -> Graph:
    """Random networks beside each other."""
    graphs = [random_network(seed, "several") for seed in seeds]
    inputs, outputs, nodes = (
        tuple(item for g in graphs for item in getattr(g, part))
        for part in ("inputs", "outputs", "nodes")
    )
    return verify(Graph("several", inputs, outputs, nodes))


@pytest.mark.slow
@pytest.mark.parametrize("board_name", ["mps2_an386", "mps2_an385", "nucleo_g0b1re"])
def test_random_networks_on_a_core(board_name: str, chained, tmp_path: Path) -> None:
    board = load_board(board_name)
    network = together(range(200, 206))
    planned = chained(network, board.core.features, 2, True, board.core.name)
    image = build(emit(planned), board, None, tmp_path / "out", BuildOptions("test"))
    rng = np.random.default_rng(2)
    arrays = [random_array(v, rng) for v in network.inputs]
    sample = np.frombuffer(b"".join(a.tobytes() for a in arrays), np.uint8)[None]
    trace = run(image, sample)
    env = interpret(network, arrays)
    for output, actual in zip(network.outputs, split_outputs(network, trace.outputs), strict=True):
        assert_same(env[output], actual[0], output.name)


def test_what_is_held_of_a_residual_block() -> None:
    """Of the input of two 3x3 convolutions there are the rows that the first one sees: they are
    those that the sum still waits for."""
    planned = residual_block(load_board("stm32f4_discovery").core)
    (chain,) = planned.chains
    held = {v.name: (ring.rows, ring.stay) for v, ring in chain.rings.items()}
    assert held == {"stem": (4, 2), "one": (4, 2), "two": (2, 0), "sum": (2, 0)}
    assert planned.steps[4].kernel.name == "average_pool_strip_dsp"
    sound(planned)


def test_what_has_no_room_layer_by_layer_goes_by_rows() -> None:
    rng = np.random.default_rng(0)
    x, padding = value("x", 1, 40, 4, 4), ((1, 1), (1, 1))
    wide = convolution(x, rng.integers(-99, 99, (24, 3, 3, 4)), np.zeros(24), "wide", padding)
    thin = convolution(
        wide.output, rng.integers(-99, 99, (4, 3, 3, 24)), np.zeros(4), "thin", padding
    )
    network = graph([x], [wide, thin], [thin.output])
    needs = plan(network, "Cortex-M4", DSP, optimize="speed").arena_bytes
    for limit, chains in ((None, 0), (needs, 0), (needs - 1, 1)):
        planned = plan(network, "Cortex-M4", DSP, optimize="speed", limit=limit)
        assert len(planned.chains) == chains
    assert planned.arena_bytes < 0.7 * needs

"""Layers whose constants of few levels are unpacked: exact, smaller, hardly slower."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_ops import ALL_FEATURES, alone, check_on_core, check_on_host

from tinyc.ir import Graph, Node, verify
from tinyc.kernels.typical import convolution, dense, depthwise
from tinyc.plan import Plan, plan
from tinyc.run.data import random_samples
from tinyc.target.boards import load_board
from tinyc.tuning.measure import measure

FEATURES = (ALL_FEATURES, frozenset({"thumb2"}), frozenset({"armv6m"}))
BOARDS = ("mps2_an386", "mps2_an385", "nucleo_g0b1re")


def clustered(node: Node, count: int, seed: int = 0) -> Node:
    """A layer with so many levels in each channel, the least and the greatest among them; of a
    depthwise one in all."""
    x, weights, *others = node.inputs
    assert weights.type.quant is not None
    rng, axis = np.random.default_rng(seed), weights.type.quant.axis
    rows = np.moveaxis(weights.array, axis, 0).copy()
    for row in rows if axis == 0 else rows[None]:
        known = np.append(rng.choice(np.arange(-126, 127), count - 2, replace=False), [-127, 127])
        row[...] = known[np.abs(row[..., None].astype(int) - known).argmin(-1)]
        row.ravel()[:2] = -127, 127
    data = np.ascontiguousarray(np.moveaxis(rows, 0, axis))
    return replace(node, inputs=(x, replace(weights, data=data), *others))


def network(count: int) -> Graph:
    """An input that needs an arena of 37 KB, and layers whose weights fit in beside what they read
    and make: two that are alike, one of more channels, and one by its channels."""
    layers = [
        convolution(48, 48, 16, 32, 3, 4),
        convolution(12, 12, 32, 32, 3),
        convolution(12, 12, 32, 32, 3),
        convolution(12, 12, 32, 64, 3),
        depthwise(12, 12, 64, 3),
    ]
    nodes: list[Node] = []
    value = layers[0].inputs[0]
    for i, layer in enumerate(layers):
        node = clustered(layer, count, i)
        constants = (replace(v, name=f"{v.name}{i}") for v in node.inputs[1:])
        output = replace(node.output, name=f"y{i}")
        nodes.append(replace(node, inputs=(value, *constants), outputs=(output,)))
        value = output
    return verify(Graph("case0", nodes[0].variable_inputs, (value,), tuple(nodes)))


def planned(graph: Graph, board: str, optimize: str) -> Plan:
    core = load_board(board).core
    return plan(graph, core.title, core.features, optimize=optimize)


def size(plan: Plan) -> int:
    return sum(c.data.nbytes for step in plan.steps for c in step.binding.constants)


def plain(patch: pytest.MonkeyPatch, graph: Graph, board: str, optimize: str) -> Plan:
    """As if no constant had few levels."""
    with patch.context() as patched:
        patched.setattr("tinyc.kernels.levels.levels", lambda data: None)
        return planned(graph, board, optimize)


def pieces(plan: Plan) -> list[int]:
    return [s.binding.packing.pieces if s.binding.packing else 0 for s in plan.steps]


@pytest.mark.parametrize("optimize", ["balanced", "ram", "speed"])
def test_the_arena_hardly_grows(optimize: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, spare = network(4), 0 if optimize == "ram" else 1024
    for board in BOARDS:
        few = planned(graph, board, optimize)
        before = plain(monkeypatch, graph, board, optimize)
        assert few.arena_bytes <= before.arena_bytes + spare
        for step, other in zip(few.steps, before.steps, strict=True):
            assert (step.kernel, step.part) == (other.kernel, other.part)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "most"), [(16, 0.65), (4, 0.4)])
@pytest.mark.parametrize("board", BOARDS)
def test_bytes_and_cycles(
    board: str, count: int, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the linked image: the weights' bytes fall by what the places save, less the code that
    unpacks them; cycles rise by 5 % at the most."""
    graph, machine = network(count), load_board(board)
    few = planned(graph, board, "balanced")
    before = plain(monkeypatch, graph, board, "balanced")
    assert pieces(few)[1:4] == [1, 1, 1]
    samples = random_samples(graph, 1, 0)
    after, known = (measure(p, machine, None, samples) for p in (few, before))
    assert (after.outputs == known.outputs).all()
    assert after.cycles <= 1.05 * known.cycles
    assert size(few) <= most * size(before)
    assert after.image.flash_bytes <= known.image.flash_bytes - size(before) + size(few) + 1400


def layers() -> list[Node]:
    """Of 16 and of 4 levels, with channels over, of odd sizes, of one channel; those that have too
    few pixels to be unpacked, or are, among them."""
    return [
        clustered(node, count)
        for count in (16, 4)
        for node in (
            convolution(14, 14, 64, 20, 1),
            convolution(11, 9, 64, 21, 3),
            convolution(9, 9, 64, 16, 3),
            convolution(12, 12, 96, 1, 3),
            depthwise(12, 12, 65, 3),
            dense(1, 640, 16),
        )
    ]


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it costs."""
    monkeypatch.setattr("tinyc.plan.packing.LONGER", dict.fromkeys(("balanced", "speed"), 100))
    monkeypatch.setattr("tinyc.plan.packing.UNPACK_LEVELS", 0)


@pytest.mark.slow
@pytest.mark.parametrize("room", [1 << 20, 6500], ids=["whole", "pieces"])
@pytest.mark.parametrize("features", FEATURES)
def test_layers_that_unpack_on_the_host(
    features: frozenset[str],
    room: int,
    everything: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    gcc = shutil.which("gcc") or pytest.skip("no host gcc with ASan and UBSan found")
    monkeypatch.setattr("tinyc.plan.planner.MORE", {"balanced": room})
    nodes = layers() if room > 6500 else layers()[2::6]
    plans = [plan(alone(node, "case"), "host", features) for node in nodes]
    counts = [count for p in plans for count in pieces(p)]
    assert 1 in counts if room > 6500 else counts == [2, 2]
    check_on_host(nodes, tmp_path, gcc, features=features)


@pytest.mark.slow
@pytest.mark.parametrize("optimize", ["balanced", "flash"])
@pytest.mark.parametrize("board", BOARDS)
def test_layers_that_unpack_on_a_core(
    board: str, optimize: str, everything: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tinyc.plan.planner.MORE", {"balanced": 16384})
    check_on_core(layers(), board, tmp_path, optimize=optimize)

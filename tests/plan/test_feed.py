"""Networks that are fed row by row: the same bits as of the whole input, or a word why not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, slow_but
from mailbox_machine import Machine
from terminal import Terminal, check_inference, served
from test_passes import convolution, dense, graph, value

from tinyc.emit.emitter import emit
from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, build
from tinyc.image.mailbox import INBOX, OUTBOX, Batch
from tinyc.ir import Graph, Node, State, Value, interpret, verify
from tinyc.ops._conv import out_sizes
from tinyc.ops.add import Add
from tinyc.ops.concat import Concat
from tinyc.ops.reshape import Reshape
from tinyc.pipeline import CompileOptions, compile_model
from tinyc.plan import Chain, Plan, plan, planner
from tinyc.plan.chain import Ring, _Run
from tinyc.plan.feed import fed_image
from tinyc.plan.heads import split_outputs
from tinyc.plan.rows import staged
from tinyc.plan.schedule import by_rows
from tinyc.run import run
from tinyc.run.host import run_host
from tinyc.run.serve import serve
from tinyc.target.boards import load_board

sys.path.append(str(ROOT / "tests" / "ops"))
from test_arena import sound
from test_chain import CORES, DSP, random_network
from test_ops import assert_same, random_array, run_on_host

Planned = Callable[[Graph, frozenset[str], int, bool], Plan]


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Plans a network that is fed, with a chain of as many layers as can be, of so many rows."""

    def planned(network: Graph, features: frozenset[str], most: int, parks: bool) -> Plan:
        def all_rows(graph, steps, *_):
            stages = [staged(step) for step in steps]
            image = fed_image(graph, steps, stages)
            count = stages.index(None) if None in stages else len(stages)
            return by_rows(graph, steps, [(0, count - 1, most, parks)], image)

        monkeypatch.setattr(planner, "schedule", all_rows)
        return plan(network, "host", features)

    return planned


def networks(seeds: range, planned: Planned, features: frozenset[str]) -> list[Plan]:
    """Those random networks that can be fed."""
    plans = []
    for seed in seeds:
        network = random_network(seed, f"case{len(plans)}")
        try:
            plans.append(planned(network, features, 1 + seed % 4, seed % 3 > 0))
        except CompileError as error:
            assert error.id == "E355"
            continue
        sound(plans[-1])
        assert plans[-1].fed is network.inputs[0]
    assert len(plans) >= 0.6 * len(seeds)
    return plans


def test_random_networks_find_what_they_read(fed: Planned) -> None:
    networks(range(300, 360), fed, DSP)


@pytest.mark.parametrize("optimize", ["balanced", "speed", "ram", "flash"])
def test_whatever_is_optimized_the_input_never_lies_there_whole(optimize: str) -> None:
    for seed in range(400, 415):
        network = random_network(seed, "net")
        try:
            planned = plan(network, "host", DSP, optimize=optimize, feed="rows")
        except CompileError as error:
            assert error.id == "E355"
            continue
        sound(planned)
        assert planned.chains[0].fed is planned.fed is network.inputs[0]


def host_gcc() -> str:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    return gcc


@pytest.mark.parametrize("name", slow_but(["dsp"], CORES))
def test_random_networks_on_the_host(name: str, fed: Planned, tmp_path: Path) -> None:
    """Behind an image that is given up in the middle, and with all that is told on the way."""
    seed = 50 * list(CORES).index(name)
    gcc, rng = host_gcc(), np.random.default_rng(seed)
    plans = networks(range(seed, seed + (2 if name == "dsp" else 5)), fed, frozenset(CORES[name]))
    arrays = [[random_array(v, rng) for v in p.graph.inputs] for p in plans]
    run_on_host(plans, arrays, [f"network from {seed}"] * len(plans), tmp_path, gcc)


AROUND = ((1, 1), (1, 1))


def residual() -> Graph:
    """int8 [1, 13, 7, 5]: a convolution of stride 2, two more with the sum of their input, and
    layers that need that as a whole."""
    rng = np.random.default_rng(1)

    def layer(x: Value, name: str, stride: int = 1) -> Node:
        weights = rng.integers(-99, 100, (6, 3, 3, x.type.shape[3]))
        node = convolution(x, weights, rng.integers(-900, 900, 6), name, AROUND)
        sizes = out_sizes(x.type.shape, (3, 3), (stride, stride), (1, 1), AROUND)
        op = replace(node.op, stride=(stride, stride))
        return replace(node, op=op, outputs=(value(name, 1, *sizes, 6),))

    x = value("x", 1, 13, 7, 5)
    stem = layer(x, "stem", 2)
    one = layer(stem.output, "one")
    two = layer(one.output, "two")
    shape = two.output.type.shape
    both = Node(Add("none"), (stem.output, two.output), (value("sum", *shape),), "sum")
    flat = Node(Reshape(), (both.output,), (value("flat", 1, int(np.prod(shape))),), "flat")
    doubled = value("doubled", 1, 2 * int(np.prod(shape)))
    last = Node(Concat(1), (flat.output, flat.output), (doubled,), "doubled")
    return graph([x], [stem, one, two, both, flat, last], [doubled])


def samples(network: Graph, count: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Inputs as bytes, uint8 [n, bytes], and what the network makes of them."""
    rng = np.random.default_rng(7)
    arrays = [[random_array(v, rng) for v in network.inputs] for _ in range(count)]
    rows = np.stack([np.frombuffer(b"".join(a.tobytes() for a in s), np.uint8) for s in arrays])
    return rows, [interpret(network, s)[network.outputs[0]] for s in arrays]


def check(network: Graph, outputs: np.ndarray, expected: list[np.ndarray]) -> None:
    (found,) = split_outputs(network, outputs)
    for wanted, actual in zip(expected, found, strict=True):
        assert_same(wanted, actual, "fed")


@pytest.mark.parametrize("board_name", slow_but(["mps2_an386"], ["mps2_an386", "nucleo_g0b1re"]))
@pytest.mark.parametrize("emulator", slow_but(["unicorn"], ["unicorn", "qemu"]))
def test_a_core_is_fed(board_name: str, emulator: str, tmp_path: Path) -> None:
    """By `tinyc.in` and over the serial port; the counts are of pushes and of what follows."""
    network, board = residual(), load_board(board_name)
    if emulator == "qemu" and (board.qemu is None or shutil.which("qemu-system-arm") is None):
        pytest.skip("no QEMU, or no machine of its")
    found = {}
    rows, expected = samples(network, 2)
    for feed in ("whole", "rows"):
        core = board.core
        planned = plan(network, core.title, core.features, optimize="ram", feed=feed)
        main = {"unicorn": "test", "qemu": "test_serial"}[emulator]
        image = build(emit(planned), board, None, tmp_path / feed, BuildOptions(main))
        layers = [step.symbol for step in planned.steps]
        trace = run(image, rows, emulator, emulator == "unicorn", layers)
        check(network, trace.outputs, expected)
        found[feed] = trace
    whole, fed = found["whole"], found["rows"]
    assert whole.instructions is not None and fed.instructions is not None
    assert 0.9 < fed.instructions / whole.instructions < 1.5
    if emulator == "unicorn":
        assert set(fed.layers) == set(layers)
        inside = sum(count.cycles for count in fed.layers.values())
        assert 0.5 * fed.cycles < inside < fed.cycles


def test_the_mailbox_feeds(tmp_path: Path) -> None:
    """What Renode runs: the verdict, and the places between which it counts."""
    network, board = residual(), load_board("stm32f4_discovery")
    rows, expected = samples(network, 3)
    planned = plan(network, board.core.title, board.core.features, feed="rows")
    image = build(emit(planned), board, None, tmp_path / "out", BuildOptions("test_mailbox"))
    outputs = np.stack([y.view(np.uint8).ravel() for y in expected])
    machine = Machine(board, {"inbox": (INBOX, 4096), "outbox": (OUTBOX, 4096)})
    machine.load(image.elf)
    machine.write(INBOX, Batch(rows, outputs).pack())
    places = ["test_run", "infer_done"]
    machine.run(places)
    assert machine.console.startswith("verdict: 3 samples, 0 mismatches"), machine.console
    assert [place for place, _ in machine.counts] == places * 3


@pytest.mark.slow
def test_the_serial_port_feeds(tiny_model: Path, tmp_path: Path) -> None:
    """The firmware that keeps the input, and the one that takes each row as it comes."""
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    board = load_board("mps2_an385")
    with served(tiny_model, "--board", board.name, "--feed", "rows", "-o", tmp_path) as kept:
        for _ in range(2):
            check_inference(kept, tiny_model)
    made = compile_model(tiny_model, board, CompileOptions(feed="rows"))
    image = build(made.c_library, board, None, tmp_path / "out", BuildOptions("test_serial"))
    with serve(image) as (path, _):
        dut = Terminal(path)
        for loaded in (20, 32):  # the first image is given up within its third row
            dut.command("db load 32")
            dut.command("db " + "11" * loaded)
        assert dut.command("db print")[0] == "e-[This firmware keeps no input]"
        check_inference(dut, tiny_model)


def test_the_input_may_be_a_view(tmp_path: Path) -> None:
    """As of a network whose input is flat, and read as an image by its first layer."""
    x, image = value("x", 1, 60), value("image", 1, 6, 5, 2)
    weights = np.random.default_rng(0).integers(-99, 100, (3, 3, 3, 2))
    conv = convolution(image, weights, np.zeros(3), "conv", AROUND)
    network = graph([x], [Node(Reshape(), (x,), (image,), "image"), conv], [conv.output])
    planned = plan(network, "host", DSP, feed="rows")
    sound(planned)
    assert planned.fed is image
    rows, expected = samples(network, 2)
    check(network, run_host(emit(planned), rows), expected)


def test_a_first_layer_takes_a_kernel_that_goes_by_rows() -> None:
    """Of an image that is one pixel wide, that of Cortex-M0+ makes channel after channel."""
    x = value("x", 1, 30, 1, 8)
    weights = np.random.default_rng(0).integers(-99, 100, (1, 3, 1, 8))
    conv = convolution(x, weights, np.zeros(8), "conv")
    network, features = graph([x], [conv], [conv.output]), frozenset({"armv6m"})
    kernels = [
        plan(network, "Cortex-M0+", features, feed=feed).steps[0].kernel.name
        for feed in ("whole", "rows")
    ]
    assert kernels == ["depthwise_conv2d_s8_armv6m", "depthwise_conv2d_s8_tile4"]


def test_layers_behind_those_that_are_fed_are_packed() -> None:
    x = value("x", 1, 12, 8, 4)
    weights = np.random.default_rng(0).integers(-2, 3, (4, 3, 3, 4))
    first = convolution(x, weights, np.zeros(4), "first", AROUND)
    flat = Node(Reshape(), first.outputs, (value("flat", 1, 384),), "flat")
    weights = np.zeros((200, 384)) + (np.arange(200) % 3)[:, None]
    last = dense(flat.output, weights, np.zeros(200), "last")
    network = graph([x], [first, flat, last], [last.output])
    planned = plan(network, "host", DSP, optimize="flash", feed="rows")
    assert [step.binding.packing is not None for step in planned.steps] == [False, True]
    sound(planned)


def test_a_replay_sees_a_ring_that_is_too_small(
    fed: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = _Run.__init__

    def less(self: _Run, chain: Chain) -> None:
        start(self, chain)
        ring = self.rings[chain.fed]
        self.rings[chain.fed] = Ring(ring.rows - 1, ring.stay)

    monkeypatch.setattr(_Run, "__init__", less)
    with pytest.raises((AssertionError, ValueError)):
        sound(fed(residual(), DSP, 2, True))


def refusal(network: Graph, **options: object) -> str:
    with pytest.raises(CompileError) as caught:
        plan(network, "host", DSP, feed="rows", **options)
    assert caught.value.id == "E355" and caught.value.hint
    return f"{caught.value.origin}: {caught.value.what}"


def test_what_cannot_be_fed_says_why() -> None:
    x, y, z = (value(name, 1, 6, 5, 4) for name in "xyz")
    flat, flatter = value("flat", 1, 120), value("flatter", 1, 240)
    weights = np.random.default_rng(0).integers(-99, 100, (4, 3, 3, 4))
    conv = convolution(x, weights, np.zeros(4), "conv", AROUND)
    both = Node(Add("none"), (x, y), (z,), "both")
    assert "has 2 inputs" in refusal(graph([x, y], [both], [z]))
    dense = Node(Concat(1), (flat, flat), (flatter,), "dense")
    assert "dense: cannot be fed by rows: the first layer has not an image [1, h, w, c]" in refusal(
        graph([flat], [dense], [flatter])
    )
    low = value("low", 1, 2, 5, 4)
    thin = convolution(low, weights[:, :1], np.zeros(4), "thin", ((0, 0), (1, 1)))
    assert "fewer than 3 rows" in refusal(graph([low], [thin], [thin.output]))
    wide = value("wide", 2, 6, 5, 4)
    twice = Node(Concat(0), (conv.output, x), (wide,), "twice")
    text = refusal(graph([x], [conv, twice], [wide]))
    assert "twice: cannot be fed by rows: layer 1 reads the input again" in text
    entry = value("entry", 1, 6, 5, 4)
    total = Node(Add("none"), (conv.output, entry), (z,), "sum")
    state = State(entry, z, np.zeros((1, 6, 5, 4), np.int8))
    kept = verify(Graph("test", (x,), (z,), (conv, total), states=(state,)))
    assert "keeps states" in refusal(kept)
    assert "is an output, too" in refusal(graph([x], [conv], [conv.output, x]))

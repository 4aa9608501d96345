"""Values that a network keeps between its runs: reference, plan, generated C and harnesses."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but

from tinyc.deploy.export import export
from tinyc.emit.emitter import emit
from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, build
from tinyc.ir import DType, Graph, Node, Quant, State, TensorType, Value, interpret, kept, verify
from tinyc.ops.concat import Concat
from tinyc.ops.relu import Relu
from tinyc.ops.reshape import Reshape
from tinyc.ops.slice import Slice
from tinyc.ops.svdf import Svdf
from tinyc.passes import optimize
from tinyc.plan import plan
from tinyc.run import emulators, run
from tinyc.run.host import run_host
from tinyc.target.boards import load_board
from tinyc.tuning.backend import lower

QUANT = Quant((0.5,), (-3,))


def value(name: str, *shape: int, data: np.ndarray | None = None) -> Value:
    return Value(name, TensorType(shape, DType.I8, QUANT), "test", data)


def first(n: int, begin: int = 0) -> Slice:
    return Slice((0, begin), (1, 1), (1, n))


def ring() -> Graph:
    """The last five elements of a stream that comes by two."""
    x, old, whole, y = value("x", 1, 2), value("old", 1, 3), value("whole", 1, 5), value("y", 1, 5)
    new = value("new", 1, 3)
    nodes = (
        Node(Concat(1), (old, x), (whole,), "test"),
        Node(Relu("relu"), (whole,), (y,), "test"),
        Node(first(3, 2), (whole,), (new,), "test"),
    )
    initial = np.array([[1, -2, 3]], np.int8)
    return Graph("net", (x,), (y,), nodes, states=(State(old, new, initial),))


def delays() -> Graph:
    """x of the run before, of the one before that, and what is constant from the first run on."""
    x, one, two, seen = (value(n, 1, 4) for n in ("x", "one", "two", "seen"))
    y, flat = value("y", 1, 12), value("flat", 4)
    nodes = (
        Node(Concat(1), (one, two, seen), (y,), "test"),
        Node(Reshape(), (x,), (flat,), "test"),
        Node(Reshape(), (flat,), (value("again", 1, 4),), "test"),
    )
    zeros = np.zeros((1, 4), np.int8)
    constant = value("constant", 1, 4, data=np.array([[7, 8, 9, -9]], np.int8))
    states = (
        State(one, nodes[2].output, zeros),
        State(two, one, zeros + 5),
        State(seen, constant, zeros),
    )
    return Graph("net", (x,), (y,), nodes, states=states)


def early() -> Graph:
    """A state that is still read when its next value has been computed, and is an output too."""
    x, old, new, y = value("x", 1, 3), value("old", 1, 3), value("new", 1, 3), value("y", 1, 6)
    nodes = (
        Node(Relu("relu"), (x,), (new,), "test"),
        Node(Concat(1), (new, old), (y,), "test"),
    )
    return Graph(
        "net", (x,), (y, new), nodes, states=(State(old, new, np.full((1, 3), 4, np.int8)),)
    )


def shifts() -> Graph:
    """A state whose next value is what another was before."""
    x, old, older, new, y = (value(n, 1, 3) for n in ("x", "old", "older", "new", "y"))
    nodes = (
        Node(Relu("relu"), (older,), (y,), "test"),
        Node(Relu("relu"), (x,), (new,), "test"),
    )
    initial = np.full((1, 3), 4, np.int8)
    states = (State(old, new, initial), State(older, old, initial + 5))
    return Graph("net", (x,), (y,), nodes, states=states)


def before() -> Graph:
    """Outputs that are a state as the run found it, by itself and in another shape."""
    x, old, new, flat = value("x", 1, 3), value("old", 1, 3), value("new", 1, 3), value("flat", 3)
    nodes = (
        Node(Relu("relu"), (x,), (new,), "test"),
        Node(Reshape(), (old,), (flat,), "test"),
    )
    states = (State(old, new, np.full((1, 3), 4, np.int8)),)
    return Graph("net", (x,), (old, flat, new), nodes, states=states)


def filters() -> Graph:
    """A state that its only reader changes in place."""
    cases = Svdf.cases(np.random.default_rng(4))
    node = next(n for n in cases if n.inputs[4].type.dtype is DType.I16 and n.op.rank == 2)
    entry, (y, exit) = node.inputs[4], node.outputs
    initial = np.arange(entry.type.elements, dtype=np.int16).reshape(entry.type.shape)
    return Graph("net", (node.inputs[0],), (y,), (node,), states=(State(entry, exit, initial),))


GRAPHS = {
    "ring": ring, "delays": delays, "early": early, "shifts": shifts, "before": before,
    "filters": filters,
}  # fmt: skip
# More than one process of Unicorn takes at once.
RESETS = [True, False, False, True, *[False] * 17, True, *[False] * 30]


def sequence(graph: Graph) -> tuple[list[np.ndarray], bytes]:
    """Inputs of each step, and the outputs of all of them by the reference."""
    rng = np.random.default_rng(3)
    steps = [rng.integers(-128, 128, graph.inputs[0].type.shape).astype(np.int8) for _ in RESETS]
    states: Sequence[np.ndarray] | None = None
    found = b""
    for x, reset in zip(steps, RESETS, strict=True):
        values = interpret(graph, [x], None if reset else states)
        states = kept(graph, values)
        found += b"".join(values[v].tobytes() for v in graph.outputs)
    return steps, found


def rows(steps: list[np.ndarray]) -> np.ndarray:
    flags = [bytes([reset]) + x.tobytes() for reset, x in zip(RESETS, steps, strict=True)]
    return np.stack([np.frombuffer(row, np.uint8) for row in flags])


def test_the_reference_remembers() -> None:
    graph = verify(ring())
    x = np.array([[10, 20]], np.int8)
    before = interpret(graph, [x])
    assert before[graph.nodes[0].output].tolist() == [[1, -2, 3, 10, 20]]
    after = interpret(graph, [x + 1], kept(graph, before))
    assert after[graph.nodes[0].output].tolist() == [[3, 10, 20, 11, 21]]
    assert "%1 = state [1, -2, 3]: 1x3 i8" in str(graph) and "keep %4 as %1" in str(graph)


@pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
def test_passes_keep_states(make) -> None:
    before, after = verify(make()), optimize(make())
    assert len(after.states) == len(before.states)
    assert sequence(before)[1] == sequence(after)[1]


@pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
def test_the_host_remembers(make) -> None:
    graph = optimize(make())
    steps, expected = sequence(graph)
    found = run_host(emit(plan(graph, "host", frozenset())), rows(steps), sanitize=True)
    assert found.tobytes() == expected


@pytest.mark.parametrize("emulator", slow_but(["unicorn"], ["unicorn", "qemu"]))
@pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
def test_the_emulated_core_remembers(make, emulator: str, tmp_path: Path) -> None:
    if emulator == "qemu" and shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    board = load_board("mps2_an386")
    graph = optimize(make())
    steps, expected = sequence(graph)
    lowered = plan(graph, board.core.name, board.core.features)
    image = build(
        emit(lowered), board, None, tmp_path / "out", BuildOptions(emulators()[emulator].main)
    )
    assert image.c_library.states == len(graph.states)
    assert run(image, rows(steps), emulator=emulator).outputs.tobytes() == expected


@pytest.mark.parametrize(("form", "file"), [("library", "example/main.c"),
                                            ("arduino", "examples/net/net.ino")])  # fmt: skip
def test_an_example_resets_before_it_runs(form: str, file: str, tmp_path: Path) -> None:
    board = load_board("arduino_nano_33_ble")
    lowered = plan(optimize(ring()), board.core.name, board.core.features)
    export(emit(lowered), board, form, tmp_path / "out")
    text = (tmp_path / "out" / file).read_text()
    assert 0 < text.index("net_reset(arena);") < text.index("net_run(arena);")
    if form == "library" and shutil.which("make") and shutil.which("cc"):
        made = subprocess.run(
            ["make", "-s", "example"], cwd=tmp_path / "out", capture_output=True, text=True
        )
        x = np.zeros((1, 2), np.int8)
        expected = interpret(lowered.graph, [x])[lowered.graph.outputs[0]].ravel().tolist()
        assert made.stdout.split() == list(map(str, expected)), made.stderr


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tvm", "auto"])
def test_other_backends_keep_states(backend: str) -> None:
    pytest.importorskip("tvm")
    graph = optimize(ring())
    lowered = lower(graph, load_board("mps2_an386"), backend)
    steps, expected = sequence(graph)
    assert run_host(emit(lowered), rows(steps)).tobytes() == expected


@pytest.mark.parametrize("make", [ring, filters])
def test_a_state_takes_the_place_of_the_one_before(make) -> None:
    lowered = plan(optimize(make()), "host", frozenset())
    (state,) = lowered.graph.states
    assert lowered.offsets[state.exit] == lowered.offsets[state.entry] and not lowered.carries


def test_states_that_exchange_their_values_are_refused() -> None:
    a, b, y = value("a", 1, 2), value("b", 1, 2), value("y", 1, 4)
    zeros = np.zeros((1, 2), np.int8)
    node = Node(Concat(1), (a, b), (y,), "test")
    graph = Graph("net", (), (y,), (node,), states=(State(a, b, zeros), State(b, a, zeros)))
    with pytest.raises(CompileError, match="E306 test: its states exchange their values"):
        plan(verify(graph), "host", frozenset())

"""One small case of each error id: what raises it, on what it takes least to get there.

A case gets a `Case`: an empty folder that is the current one, and pytest's monkeypatch. What only
a missing tool, a slow program or a full disk would raise is raised by a stand-in for that.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import signal
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, write_binary, write_tiny
from tflite_writer import TensorSpec, write_model

from tinyc import config, coverage, fitting, plugins, report, sweep
from tinyc import run as running
from tinyc.compress.calibrate import calibrate
from tinyc.compress.keras import chain
from tinyc.compress.keras import load as keras_load
from tinyc.compress.keras.base import Data, Training, Work, layers_named
from tinyc.deploy import browser, export, flash, init, processes, tools
from tinyc.errors import CompileError, CompileErrors, disk_error
from tinyc.files import folder, inputs
from tinyc.frontends import keras, packages
from tinyc.frontends.base import Computed, read_model
from tinyc.frontends.keras import file as keras_file
from tinyc.frontends.keras import graph as keras_graph
from tinyc.frontends.keras import larq_layers, signatures
from tinyc.frontends.onnx import parse as onnx_parse
from tinyc.frontends.order import Wanted, in_order
from tinyc.frontends.original import read_original
from tinyc.frontends.refusal import Part, refused
from tinyc.frontends.tflite import read
from tinyc.image import build, stack
from tinyc.ir import DType, Graph, Node, Quant, State, TensorType, Value
from tinyc.kernels import tvm
from tinyc.ops.concat import Concat
from tinyc.ops.lce_bconv2d import LceBconv2d
from tinyc.ops.lstm import Lstm
from tinyc.pipeline import CompileOptions, compile_model
from tinyc.plan import plan
from tinyc.report import verdicts
from tinyc.run import collect, desk, forks, host, qemu, serve
from tinyc.run.data import given_samples, load_npz, random_samples
from tinyc.run.doubts import refuse
from tinyc.run.renode import emulator as renode
from tinyc.run.renode import project
from tinyc.search import front, study
from tinyc.search.measure import Figures, measure
from tinyc.settings import Expect
from tinyc.target import boards, toolchain
from tinyc.target.boards import load_board
from tinyc.train import dataset, loop, recipe
from tinyc.train import run as training
from tinyc.tuning import database, lock

F4 = "stm32f4_discovery"


@dataclass(frozen=True)
class Case:
    """folder: an empty one, the current one; patch: undone behind the case; cli: runs a command
    line, whose first line on stderr it returns."""

    folder: Path
    patch: pytest.MonkeyPatch
    cli: Callable[..., str]

    def file(self, name: str, content: str | bytes = "x") -> Path:
        path = Path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def model(self, operator: Any, *tensors: TensorSpec) -> Graph:
        """``m.tflite``, read: of one operator from all but the last tensor to that."""
        last = len(tensors) - 1
        name, options = operator if isinstance(operator, tuple) else (operator, {})
        operands = list(range(last))
        variable = [i for i in operands if tensors[i].data is None]
        write_model(
            Path("m.tflite"), [(name, options, operands, [last])], list(tensors), variable, [last]
        )
        return read(Path("m.tflite"))

    def dense(self, x: Any = ("int8", 0.1), w: Any = ("int8", 0.1), **changes: Any) -> Graph:
        """A dense layer of 4 numbers; x, w: TensorSpec's fields behind the shape; changes:
        ``bias`` and ``out``, likewise."""
        bias = TensorSpec("b", (4,), *changes.get("bias", ("int32", 0.01)), data=np.full(4, 7))
        return self.model(
            "FULLY_CONNECTED",
            TensorSpec("x", (1, 4), *x), TensorSpec("w", (4, 4), *w, data=np.eye(4)),
            changes.get("values", bias), TensorSpec("y", (1, 4), *changes.get("out", x)),
        )  # fmt: skip

    def samples(self, **arrays: np.ndarray) -> None:
        """Samples of a classifier of three numbers."""
        given_samples(arrays, classifier(), "d.npz")


CASES: dict[str, Callable[[Case], Any]] = {}


def case(id: str) -> Callable[[Callable[[Case], Any]], Callable[[Case], Any]]:
    def keep(function: Callable[[Case], Any]) -> Callable[[Case], Any]:
        assert id not in CASES
        CASES[id] = function
        return function

    return keep


def short(id: str, function: Callable[[Case], Any]) -> None:
    case(id)(function)


def raises(error: BaseException) -> Callable[..., Any]:
    def function(*args: Any, **options: Any) -> Any:
        raise error

    return function


def value(name: str, *shape: int, dtype: DType = DType.I8) -> Value:
    quant = Quant((0.1,), (0,)) if dtype is DType.I8 else None
    return Value(name, TensorType(shape, dtype, quant), "m.tflite")


def classifier() -> Graph:
    x, y = value("x", 1, 3), value("y", 1, 3)
    return Graph("m", (x,), (y,), (Node(Concat(1), (x,), (y,), "m.tflite"),))


X = np.zeros((2, 3), np.int8)
FAST = f'extends = "{F4}.toml"\n[clock]\nhz = "fast"'

# The command line and its files ------------------------------------------------------------


@case("E100")
def _(c: Case) -> Any:
    c.patch.setattr(boards, "all_boards", raises(ValueError("no such thing")))
    return c.cli("boards")


@case("E103")
def _(c: Case) -> Any:
    itself = bytes.fromhex("fff7feff")  # bl .
    stack.deepest_calls({"deep": (1, 4)}, [(0, "$t")], itself, 0, "deep")


short("E200", lambda c: c.cli("build", "--frobnicate"))
short("E201", lambda c: c.cli("build", "model.tflite"))
short("E202", lambda c: read(Path("nope.tflite")))
short("E203", lambda c: read(c.folder))
short("E204", lambda c: load_board("none_of_them"))
short("E205", lambda c: toolchain.find_toolchain("icc"))


@case("E206")
def _(c: Case) -> Any:
    c.patch.setattr(running, "emulators", lambda: {"qemu": None, "unicorn": None})
    running.find("gem5")


@case("E207")
def _(c: Case) -> Any:
    c.patch.setattr(qemu, "find_program", lambda name: name)
    c.patch.setattr(boards, "names_with", lambda field: "mps2_an386")
    qemu.command(load_board("nrf52840dk"), Path("m.elf"))


@case("E208")
def _(c: Case) -> Any:
    c.file("tinyc.toml", 'bord = "stm32"')
    config.load({})


@case("E209")
def _(c: Case) -> Any:
    c.file("tinyc.toml", "samples = 0")
    config.load({})


short("E210", lambda c: load_npz(c.file("d.npz"), classifier()))
short("E211", lambda c: c.samples(z=X))
short("E212", lambda c: c.samples(x=X[:, :2]))
short("E213", lambda c: c.samples(x=X.astype(np.int64)))
short("E214", lambda c: c.samples(x=np.full((2, 3), np.nan)))
short("E215", lambda c: compile_model(ROOT / "recipes" / "digits-bnn.tflite", load_board(F4)))


@case("E216")
def _(c: Case) -> Any:
    (c.folder / "net").mkdir()
    keras_file.inspect(Path("net"))


@case("E217")
def _(c: Case) -> Any:
    compile_model(
        write_tiny(Path("m.tflite")), load_board(F4), CompileOptions(calibration=Path("d.npz"))
    )


short("E218", lambda c: recipe.load("digits-int9"))
short("E219", lambda c: dataset.load("mine.npz", Path(), Path()))


@case("E220")
def _(c: Case) -> Any:
    made = loop.Training.__new__(loop.Training)
    made.folder = c.file("checkpoint.npz").parent
    made._restore()


short("E221", lambda c: loop._check_sizes(recipe.load("digits-int8")[1], (1, 1)))
short("E222", lambda c: export.check_form("mbed"))


@case("E223")
def _(c: Case) -> Any:
    name, settings = recipe.load("digits-int8")
    training.train(name, settings, c.file("cifar.tar.gz"), Path(), True, print, print)


@case("E225")
def _(c: Case) -> Any:
    class Failing(keras_graph.Network):
        def predict(self, inputs: Any) -> Any:
            raise RuntimeError("indices[0,0] = 50 is not in [0, 9)")

    found = keras_file.KerasFile(Path("m.keras"), 3, False, ())
    c.patch.setattr(keras_file, "inspect", lambda path: found)
    c.patch.setattr(keras, "_load", lambda file, trust: Failing(print, (), (), ()))
    c.patch.setattr(keras, "_convert", lambda network, model: b"")
    keras.load(str(c.file("m.keras"))).predict([X])


@case("E227")
def _(c: Case) -> Any:
    graph = Graph("m", (value("p", 1, 3), value("q", 1, 3)), (), (), input_names=("p", "q"))
    wanted = [Wanted(name, (name,), (3,), "int8") for name in ("a", "b")]
    in_order(graph, wanted, [], "m.keras")


short("E228", lambda c: random_samples(classifier(), 10**10, 0))
short("E229", lambda c: c.samples(x=X, y=np.array([0, 3])))
short("E230", lambda c: flash.choose(load_board(F4), "dfu"))
short("E231", lambda c: tools._probe_rs(tools.Target(Path("m.elf"), load_board(F4), "0123")))


@case("E232")
def _(c: Case) -> Any:
    # An ELF of 32 bits for Arm, whose one segment lies at 0.
    head = b"\x7fELF\1\1\1" + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 84, 0, 0, 4, 4, 5, 4)
    flash.check_image(c.file("m.elf", head + segment + bytes(4)), load_board(F4))


@case("E233")
def _(c: Case) -> Any:
    c.file("tinyc.toml", "# mine")
    init.create(c.folder, "stm32")


@case("E234")
def _(c: Case) -> Any:
    c.patch.setattr(project, "MOST_BYTES", 10)
    project.description(load_board(F4), type("Batch", (list,), {"pack": lambda self: bytes(99)})())


def make(name: str, kind: str = "build", model: str = "m.tflite", **files: str) -> None:
    with folder.replacing(Path("out"), kind, model) as work:
        for path in (name, *files):
            (work / path).write_text("x")


@case("E235")
def _(c: Case) -> Any:
    (c.folder / "out").mkdir()
    c.file("out/notes")
    make("m.c")


@case("E236")
def _(c: Case) -> Any:
    make("m.c", model="other/m.tflite")
    make("m.c")


@case("E237")
def _(c: Case) -> Any:
    make("m.c")
    c.file("out/m.h")
    make("m.c", **{"m.h": ""})


short("E238", lambda c: flash.check_probe("pyocd", "two words"))
short("E239", lambda c: tools._tcl("a{b.elf"))
short("E240", lambda c: database.read(c.file("schedules.jsonl", "{}\n{}\n")))


@case("E241")
def _(c: Case) -> Any:
    deaf, other = load_board("ek_ra8m1"), load_board(F4)
    c.patch.setattr(boards, "all_boards", lambda: (deaf, other))
    serve.choose(deaf, "renode")


short("E245", lambda c: inputs.check_file(c.folder))
short("E246", lambda c: load_board("./mine.toml"))
short("E247", lambda c: load_board(str(c.file("mine.toml", FAST))))
short("E248", lambda c: c.cli("show", str(write_tiny(Path("m.tflite"))), "--after", "calibrate"))
short("E251", lambda c: plugins.load_file(c.file("kernels.py", "1 / 0")))


@case("E252")
def _(c: Case) -> Any:
    raise plugins.twice("emulator 'qemu'")


short("E253", lambda c: report.read_bench(c.file("bench.json", '{"rows": [{}]}')))

short("E254", lambda c: lock.locked(locks(c, []), classifier(), load_board(F4), "speed"))
short("E255", lambda c: lock.read(locks(c, [{"model": "m"}])))
short("E256", lambda c: report.read_report(c.file("report.json", '{"schema_version": 1}')))
short("E257", lambda c: read_original(str(write_tiny(Path("m.tflite"))), classifier()))


short("E258", lambda c: refuse(["d.npz: x: 92% of the numbers saturate"], "d.npz"))


def locks(c: Case, builds: list[dict[str, Any]]) -> Path:
    return c.file("mine.lock", json.dumps({"schema_version": lock.VERSION, "builds": builds}))


# Models ------------------------------------------------------------------------------------

FLOATS = TensorSpec("x", (1, 4), "float32")


short("E300", lambda c: c.model("ATAN2", FLOATS, replace(FLOATS, name="y")))
short("E301", lambda c: read(c.file("m.tflite", "TFL3 no more")))
short("E302", lambda c: read(write_binary(Path("m.tflite"), channels_in=200)))


@case("E303")
def _(c: Case) -> Any:
    half = replace(FLOATS, dtype="float16")
    c.model(("RELU", None), half, replace(half, name="y"))


short("E304", lambda c: c.dense(w=("int8", 0.1, 9)))


@case("E305")
def _(c: Case) -> Any:
    order = TensorSpec("order", (2,), "int32")
    c.model("TRANSPOSE", FLOATS, order, TensorSpec("y", (4, 1), "float32"))


@case("E306")
def _(c: Case) -> Any:
    a, b = value("a", 1, 2), value("b", 1, 2)
    node, zeros = Node(Concat(1), (a, b), (value("y", 1, 4),), "m.tflite"), np.zeros((1, 2), "i1")
    states = (State(a, b, zeros), State(b, a, zeros))
    plan(Graph("m", (), node.outputs, (node,), states=states), "host", frozenset())


@case("E307")
def _(c: Case) -> Any:
    floats = [FLOATS, replace(FLOATS, name="y")]
    c.model(("SOFTMAX", {"beta": 1.0}), *floats)
    c.patch.setattr("tinyc.pipeline.kernels_of", lambda op: [SimpleNamespace(
        name="softmax_s8", requires=frozenset())])  # fmt: skip
    compile_model("m.tflite", load_board(F4), CompileOptions(strict=True))


@case("E308")
def _(c: Case) -> Any:
    big = TensorSpec("big", (), "float32", data=3e38)
    graph = c.model("MUL", FLOATS, big, replace(FLOATS, name="y"))
    calibrate(graph, [[np.full((1, 4), 1e20, np.float32)]])


@case("E309")
def _(c: Case) -> Any:
    with zipfile.ZipFile("m.keras", "w") as archive:
        archive.writestr("notes", "x")
    keras_file.inspect(Path("m.keras"))


@case("E310")
def _(c: Case) -> Any:
    kind = type("QuantMaxPool", (), {"__module__": "larq.layers", "name": "pool", "weights": ()})
    (error,) = larq_layers.problems(SimpleNamespace(layers=[kind()]), "m.keras")
    raise error


@case("E311")
def _(c: Case) -> Any:
    kinds = {"is_floating": False, "is_integer": False, "is_bool": False, "name": "string"}
    shape = SimpleNamespace(rank=2, as_list=lambda: [None, 4])
    spec = SimpleNamespace(shape=shape, dtype=SimpleNamespace(**kinds))
    keras_graph.fixed([spec], ["text"], "m.keras")


@case("E312")
def _(c: Case) -> Any:
    code = ("layer 'sly' (Lambda) holds Python code",)
    keras_file.KerasFile(Path("m.keras"), 3, False, code).refuse_code()


@case("E313")
def _(c: Case) -> Any:
    loaded = SimpleNamespace(load=lambda path: SimpleNamespace(signatures={}))
    c.patch.setitem(sys.modules, "tensorflow", SimpleNamespace(saved_model=loaded))
    signatures.of_saved_model(Path("net"), "net")


@case("E324")
def _(c: Case) -> Any:
    odd = TensorSpec("c", (1, 4), "float32", data=[[1, np.nan, 2, 3]])
    c.model("ADD", FLOATS, odd, replace(FLOATS, name="y"))


@case("E325")
def _(c: Case) -> Any:
    nodes = LceBconv2d.cases(np.random.default_rng(0))
    node = next(node for node in nodes if node.op.channels % 32)
    x, filters, *more = node.inputs
    filters = replace(filters, data=np.full_like(filters.data, -1))
    node = replace(node, inputs=(x, filters, *more), origin="m.tflite: op 1 'conv'")
    node.op.check(node)


@case("E330")
def _(c: Case) -> Any:
    x = TensorSpec("x", (1, 4, 4), "float32")
    w = TensorSpec("w", (1, 4, 4), "int8", 0.1, data=np.ones((1, 4, 4)))
    c.model("BATCH_MATMUL", x, w, replace(x, name="y"))


@case("E333")
def _(c: Case) -> Any:
    with open("m.tflite", "wb") as file:
        file.truncate(3 << 30)
    read(Path("m.tflite"))


def wide(c: Case, scale: float = 0.1, zero_point: int = 0, bias: int = 1) -> Any:
    """A dense layer of int16."""
    values = TensorSpec("b", (4,), "int64", scale, data=np.full(4, bias))
    x = ("int16", scale, zero_point)
    return c.dense(x, ("int8", 4.0), values=values, out=("int16", 0.5))


short("E340", lambda c: wide(c, bias=1 << 35))
short("E341", lambda c: wide(c, scale=2.0**12))
short("E342", lambda c: wide(c, zero_point=3))


def lstm(dtype: DType, op: dict[str, Any], cells: Quant | None = None) -> None:
    """The check of a changed LSTM."""
    nodes = Lstm.cases(np.random.default_rng(0))
    node = next(n for n in nodes if n.inputs[0].type.dtype is dtype)
    if cells is not None:
        old = node.inputs[-1]
        new = replace(old, type=replace(old.type, quant=cells))
        after = replace(node.outputs[2], type=new.type)
        node = replace(
            node, inputs=(*node.inputs[:-1], new), outputs=(*node.outputs[:2], after)
        )  # fmt: skip
    node = replace(node, op=replace(node.op, **op), origin="m.tflite: op 3 'h'")
    node.op.check(node)


short("E343", lambda c: lstm(DType.I8, {"activation": "relu"}))
short("E344", lambda c: lstm(DType.I8, {}, Quant((0.001,), (0,))))
short("E346", lambda c: c.dense(x=("uint8", 0.1, 7)))


@case("E350")
def _(c: Case) -> Any:
    x, y = TensorSpec("x", (3,), "int32"), TensorSpec("y", (3,), "int32", data=[2, 0, 1])
    c.model("DIV", x, y, replace(x, name="z"))


@case("E351")
def _(c: Case) -> Any:
    x = TensorSpec("x", (1, 4), "int8", 0.1, 3)
    c.model(("LOG_SOFTMAX", None), x, TensorSpec("y", (1, 4), "int8", 16 / 256, 127))


@case("E352")
def _(c: Case) -> Any:
    sets: Any = SimpleNamespace(opset_import=[SimpleNamespace(domain="", version=6)])
    onnx_parse.expect_opset(sets, "m.onnx")


@case("E353")
def _(c: Case) -> Any:
    places = [f"op {i} 'y' (RELU)" for i in range(8)]
    parts = [
        Part(place, (CompileError("E302", f"m.tflite: {place}", "is odd"),) if i > 5 else ())
        for i, place in enumerate(places)
    ]
    errors = refused("m.tflite", [e for part in parts for e in part.problems], parts)
    assert isinstance(errors, CompileErrors) and errors.summary is not None
    raise errors.summary


@case("E354")
def _(c: Case) -> Any:
    compile_model(write_tiny(c.folder / "tiny.tflite"), load_board(F4), CompileOptions(stream=1))


@case("E355")
def _(c: Case) -> Any:
    c.dense()
    compile_model("m.tflite", load_board(F4), CompileOptions(feed="rows"))


@case("E356")
def _(c: Case) -> Any:
    c.dense()
    compile_model("m.tflite", load_board(F4), CompileOptions(early_exit=0.8))


short("E360", lambda c: keras_load.load(str(write_tiny(c.folder / "m.tflite"))))


def _keras() -> Work:
    """A model with a dense layer, and data without classes, as far as messages ask for them."""
    dense = type("Dense", (), {"name": "scores"})()
    model = SimpleNamespace(layers=[dense], input_shape=(None, 4), output_shape=(None, 2))
    return Work(model, Data(np.zeros((2, 4)), np.zeros((1, 4)), name="x.npz"), Training())


short("E361", lambda c: chain.check(chain.parse("finetune"), _keras()))
short("E362", lambda c: layers_named(_keras(), ["score"], "prune"))


@case("E363")
def _(c: Case) -> Any:
    figures = Figures(0.9, None, 70000, 2000, 1000, 900, 60000)
    point = study.Point("prune:0.7", "", figures, c.folder)
    return front.chosen([point], front.Bounds(max_flash=65536), "flash")


# Boards, outputs, budgets ------------------------------------------------------------------


@case("E401")
def _(c: Case) -> Any:
    board = load_board(F4)
    raise build.too_large(board, "m", [(board.flash, 4096)])


BUILT = {"model": "m", "board": F4, "flash_bytes": 5000, "ram_bytes": 600}
OUTPUT = {"name": "y", "compared": "every bit", "agreement": 0.5}
TESTED = {
    "mismatches": 0, "samples": 8, "first_mismatch": None, "outputs": [OUTPUT], "accuracy": 0.5,
    "cycles": 7000, "instructions": 6000, "agreement": 0.5, "changed_by": ["calibration"],
    "data": None,
}  # fmt: skip


def judged(changes: dict[str, Any], **expect: Any) -> Any:
    """The first verdict that fails."""
    found = verdicts(Expect(**expect), BUILT, TESTED | changes)
    raise next(v.error for v in found if v.error is not None)


short("E501", lambda c: judged({"mismatches": 2, "first_mismatch": 5}))
short("E502", lambda c: judged({}, min_accuracy=0.9))
short("E503", lambda c: judged({"accuracy": None}, min_accuracy=0.9))
short("E504", lambda c: judged({"data": "d.npz", "cost": "after calibration it is 0.5000"}))


@case("E505")
def _(c: Case) -> Any:
    about = {"folder": "models"}
    rows = [
        {"model": f"{i}.tflite", "builds": i > 0, "exact": i > 1, "reasons": []} for i in range(3)
    ]
    verdict = report.coverage_verdict(report.coverage(rows, about))
    assert verdict.error is not None
    raise verdict.error


@case("E506")
def _(c: Case) -> Any:
    ours = np.zeros((3, 1, 3), np.int8)
    theirs = Computed("LiteRT 2.1", [ours + np.int8(2)])
    raise coverage.disagreements(classifier(), [ours], theirs)[0]


@case("E507")
def _(c: Case) -> Any:
    known = {"largest_deviation": None, "agreement": None, "relative_l2_error": None}
    plan = {"stage": "plan", "against": None, "verdict": "start", "mismatches": 0, **known}
    host = {"stage": "host", "against": "plan", "verdict": "FAIL", "mismatches": 1, **known}
    layer = {"name": "conv1", "op": "Conv2d", "what": "computes something else"}
    found = {
        "model": "kws",
        "board": F4,
        "samples": 10,
        "stages": [plan, host | {"largest_deviation": 7}],
    }
    found |= {"failed": "host", "layer": layer, "operands": "build/kws/verify/host-conv1.npz"}
    raise report.verified(found).error


short("E601", lambda c: judged({}, max_cycles=6000))
short("E602", lambda c: judged({}, max_flash=4096))
short("E603", lambda c: judged({}, max_ram=512))
short("E604", lambda c: judged({"instructions": None}, max_instructions=6000))


@case("E605")
def _(c: Case) -> Any:
    row = dict.fromkeys(("optimize", "backend", "toolchain"), "any") | {
        "model": "m.tflite", "board": F4, "cycles": 7000, "instructions": 6000, "ram_bytes": 600,
        "flash_bytes": 5000,
    }  # fmt: skip
    found = report.bench_verdicts([row], against="budgets.json", known=[row | {"cycles": 6800}])
    raise next(v.error for v in found if v.error is not None)


@case("E606")
def _(c: Case) -> Any:
    known = {
        "model": "m",
        "board": F4,
        "core": "cortex-m4",
        "toolchain": "gcc",
        "flash_bytes": 5000,
    }
    result = report.diff({"build": known}, {"build": known | {"flash_bytes": 5200}}, ("a", "b"))
    (verdict,) = report.diff_verdicts(result, {"flash": report.Limit(2, True)})
    raise verdict.error


@case("E607")
def _(c: Case) -> Any:
    row = fitting.Row(load_board(F4), facts={"milliseconds": 12.0})
    asked = fitting.Asked((F4,), max_milliseconds=10)
    row.why = asked.refuses(row)
    error = fitting.refused("m", [row], asked)
    assert error is not None
    raise error


# Tools -------------------------------------------------------------------------------------


@case("E701")
def _(c: Case) -> Any:
    c.patch.setattr(toolchain, "find_program", lambda name: None)
    toolchain.find_toolchain.__wrapped__("gcc")


@case("E702")
def _(c: Case) -> Any:
    c.patch.setattr(toolchain, "TIMEOUT_S", 0.01)
    toolchain._call(["sleep", "9"])


@case("E703")
def _(c: Case) -> Any:
    c.patch.setattr(host, "host_compilers", lambda: [])
    host._compile(c.folder, (), False)


@case("E704")
def _(c: Case) -> Any:
    c.patch.setattr(qemu, "find_program", lambda name: None)
    qemu.command(load_board(F4), Path("m.elf"))


short("E705", lambda c: packages.prepare("m.keras", {"no_such_module": "no-such-package"}))


@case("E706")
def _(c: Case) -> Any:
    c.patch.setattr(metadata, "version", raises(metadata.PackageNotFoundError()))
    tvm.check()


@case("E707")
def _(c: Case) -> Any:
    c.patch.setattr(renode, "find_renode", lambda: None)
    renode.tool()


@case("E708")
def _(c: Case) -> Any:
    c.patch.setattr(metadata, "version", lambda package: "0.18.0")
    tvm.check()


@case("E710")
def _(c: Case) -> Any:
    c.patch.setattr(tools, "find_program", lambda name: None)
    flash.choose(load_board(F4), "openocd")


@case("E711")
def _(c: Case) -> Any:
    c.patch.setattr(browser, "find_program", lambda name: None)
    browser.headless()


# Disk, emulators, probes -------------------------------------------------------------------


def disk(number: int) -> Callable[[Case], Any]:
    return lambda c: raises(disk_error(OSError(number, "why", "build")))()


short("E801", disk(errno.ENOSPC))
short("E802", lambda c: collect("fault: bus error at 0x00000000\n", b"", 3, "m.elf"))


@case("E803")
def _(c: Case) -> Any:
    image: Any = SimpleNamespace(name="m.elf")
    with qemu._session(["sleep", "9"], image, 0):
        pass


short("E805", disk(errno.EACCES))
short("E806", disk(errno.ENOENT))


@case("E807")
def _(c: Case) -> Any:
    image: Any = SimpleNamespace(board=load_board("mps2_an386"))
    with serve.serve(image, link=c.file("terminal")):
        pass


@case("E809")
def _(c: Case) -> Any:
    c.patch.setattr(tempfile, "mkdtemp", raises(OSError(errno.ENOSPC, "No space left on device")))
    toolchain._passing_folder.__wrapped__()


@case("E810")
def _(c: Case) -> Any:
    command = ("sh", "-c", "echo Error: open failed; exit 1")
    debug = load_board(F4).debug
    assert debug is not None
    processes.run(tools.TOOLS["openocd"], [command], debug)


@case("E811")
def _(c: Case) -> Any:
    c.patch.setattr(tools, "MOUNTS", ())
    tools.find_volume(load_board(F4))


@case("E812")
def _(c: Case) -> Any:
    raise coverage.unfinished("m.tflite", "running", 60)


short("E813", lambda c: next(forks.each(lambda item: os.kill(os.getpid(), signal.SIGKILL), [1])))


@case("E814")
def _(c: Case) -> Any:
    def client(*args: Any, **options: Any) -> Any:
        raise OSError("timed out")

    c.patch.setitem(sys.modules, "distributed", SimpleNamespace(Client=client))
    next(sweep.on_cluster("tcp://127.0.0.1:8786", [], {}))


@case("E815")
def _(c: Case) -> Any:
    model = write_tiny(c.folder / "m.tflite")
    c.patch.setattr(
        host, "run_host", lambda library, inputs: np.full((len(inputs), 4), 3, np.uint8)
    )
    settings = config.given({"model": str(model), "board": F4}, "tinyc.compile")
    shape = read_model(str(model))[0].inputs[0].type.shape[1:]
    measure(model, settings, Data(np.zeros((2, *shape)), np.zeros((2, *shape))))


@case("E816")
def _(c: Case) -> Any:
    with study.alone(Path("search")), study.alone(Path("search")):
        pass


@case("E817")
def _(c: Case) -> Any:
    c.patch.setattr(importlib.util, "find_spec", lambda name: True)
    with desk._opened("/dev/ttyNONE", 115200):
        pass


@case("E818")
def _(c: Case) -> Any:
    import serial

    c.patch.setattr(serial, "Serial", raises(OSError(errno.EBUSY, "Device or resource busy")))
    with desk._opened("/dev/ttyACM0", 115200):
        pass


def on_line(c: Case, *said: bytes) -> Any:
    """A conversation with what answers each line by the next of ``said``, at once or never."""
    answers = iter((b"", *said))
    pending: list[bytes] = []

    def read(most: int) -> bytes:
        return pending.pop() if pending else b""

    def write(data: bytes) -> None:
        pending.extend(piece for piece in (next(answers, b""),) if piece)

    c.patch.setattr(desk, "ANSWER_S", 0.01)
    c.patch.setattr(desk, "_QUIET_S", 0.001)
    line = desk._Line(SimpleNamespace(read=read, write=write), "/dev/ttyACM0")
    line.patience = 0.01
    next(answers)
    image: Any = SimpleNamespace(name="kws", c_library=SimpleNamespace(files={}))
    return desk._session(line, "/dev/ttyACM0", image)


short("E819", lambda c: on_line(c))
short("E820", lambda c: on_line(c, b"\xf8\x80\xff\0\xfe" * 20))


@case("E821")
def _(c: Case) -> Any:
    ready = b"\r\nm-ready\r\n"
    on_line(
        c, b"e-[Unknown command: ]" + ready, b"m-name-dut-[tinyc]" + ready,
        b"m-build-[0123456789abcdef]" + ready, b"m-model-[vww01]" + ready,
    )  # fmt: skip

"""TVM as the second way to C: every schedule of every form, the printer, the choice by cycles,
the search, and whole models layer by layer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from test_models import MODELS, random_rows, references
from test_ops import check_on_host

from tinyc.cli import app as cli
from tinyc.emit.emitter import emit
from tinyc.errors import CompileError
from tinyc.frontends.base import read_model
from tinyc.image.build import BuildOptions, build
from tinyc.ir import DType, Graph, Node, Op, TensorType, Value
from tinyc.kernels import base
from tinyc.kernels import tvm as tir
from tinyc.kernels.base import Kernel, tvm_kernels_of
from tinyc.ops._conv import out_sizes, random_type, weighted_case
from tinyc.ops.add import Add, Sub
from tinyc.ops.average_pool import AveragePool2d
from tinyc.ops.base import all_ops
from tinyc.ops.conv2d import Conv2d
from tinyc.ops.depthwise_conv2d import DepthwiseConv2d
from tinyc.ops.fully_connected import FullyConnected
from tinyc.ops.lce_bconv2d import LceBconv2d, binary_case
from tinyc.ops.max_pool import MaxPool2d
from tinyc.ops.maximum_minimum import Maximum, Minimum
from tinyc.ops.mul import Mul
from tinyc.ops.relu import Relu
from tinyc.passes import optimize
from tinyc.plan import Plan, plan, workload
from tinyc.run import run
from tinyc.target.boards import load_board
from tinyc.tuning import database, layers
from tinyc.tuning.backend import lower

try:
    tir.check()
except CompileError as _error:
    pytest.skip(str(_error), allow_module_level=True)

M4, M0 = "stm32f4_discovery", "nucleo_g0b1re"
ALL_FEATURES = frozenset({"dsp", "fpu", "mve"})
RECIPES = ["digits-int8", "digits-bnn", "cifar10-bnn"]


# Forms: random awkward shapes, every schedule ----------------------------------------------


def _pair(rng: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    a, b = rng.integers(low, high, 2, endpoint=True)
    return int(a), int(b)


def _window(rng: np.random.Generator, dilated: bool = True) -> dict[str, Any]:
    """Kernel, stride, dilation, padding, and an input size that the kernel fits."""
    kernel, stride = _pair(rng, 1, 4), _pair(rng, 1, 3)
    dilation = _pair(rng, 1, 2) if dilated else (1, 1)
    padding = tuple(
        (int(rng.integers(0, k)), int(rng.integers(0, k))) if rng.random() < 0.6 else (0, 0)
        for k in kernel
    )
    size = tuple(
        max((k - 1) * d + 1 - sum(p), 1) + int(rng.integers(0, 6))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    return {
        "kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding, "size": size,
        "out": out_sizes((1, *size, 1), kernel, stride, dilation, padding),
    }  # fmt: skip


ACTIVATIONS = ("none", "relu", "relu6", "relu_n1_to_1")


def random_conv(rng: np.random.Generator) -> Node:
    w = _window(rng)
    n, c, outs = (int(v) for v in rng.integers((1, 1, 1), (2, 9, 9), endpoint=True))
    op = Conv2d(w["stride"], w["dilation"], w["padding"], str(rng.choice(ACTIVATIONS)))
    shapes = ((n, *w["size"], c), (outs, *w["kernel"], c), (n, *w["out"], outs))
    return weighted_case(op, rng, DType.I8, shapes, 0, bool(rng.random() < 0.7))


def random_depthwise(rng: np.random.Generator) -> Node:
    w = _window(rng)
    n, c = (int(v) for v in rng.integers((1, 1), (2, 9), endpoint=True))
    c = 4 * c if rng.random() < 0.5 else c
    multiplier = 1 if rng.random() < 0.7 else 3
    op = DepthwiseConv2d(
        w["stride"], w["dilation"], w["padding"], str(rng.choice(ACTIVATIONS)), multiplier
    )
    outs = c * multiplier
    shapes = ((n, *w["size"], c), (1, *w["kernel"], outs), (n, *w["out"], outs))
    return weighted_case(op, rng, DType.I8, shapes, 3, bool(rng.random() < 0.7))


def random_dense(rng: np.random.Generator) -> Node:
    batches, depth, outs = (int(v) for v in rng.integers((1, 1, 1), (5, 40, 11), endpoint=True))
    op = FullyConnected(str(rng.choice(ACTIVATIONS)))
    shapes = ((batches, depth), (outs, depth), (batches, outs))
    return weighted_case(op, rng, DType.I8, shapes, 0)


def random_pool(op: type[Op]) -> Callable[[np.random.Generator], Node]:
    def make(rng: np.random.Generator) -> Node:
        w = _window(rng, dilated=False)
        n, c = (int(v) for v in rng.integers((1, 1), (2, 9), endpoint=True))
        x = random_type(rng, DType.I8, (n, *w["size"], c))
        y = TensorType((n, *w["out"], c), DType.I8, x.quant)
        made = op(
            kernel=w["kernel"], stride=w["stride"], padding=w["padding"],
            activation=str(rng.choice(ACTIVATIONS)),
        )  # fmt: skip
        return Node(made, (Value("x", x, "case"),), (Value("y", y, "case"),), "case")

    return make


def random_element(op: Callable[[], Op], one_quant: bool = False) -> Callable[..., Node]:
    def make(rng: np.random.Generator) -> Node:
        shape = tuple(int(v) for v in rng.integers(1, 6, int(rng.integers(1, 5))))
        other = tuple(1 if rng.random() < 0.3 else n for n in shape)
        other = other[int(rng.integers(0, len(other))) :]
        types = [random_type(rng, DType.I8, s) for s in (shape, other, shape)]
        if one_quant:
            types = [replace(t, quant=types[0].quant) for t in types]
        x, y = Value("x", types[0], "case"), Value("y", types[1], "case")
        if rng.random() < 0.4:
            data = np.asarray(rng.integers(-128, 128, other), np.int8)
            y = Value("y", types[1], "case", data)
        return Node(op(), (x, y), (Value("z", types[2], "case"),), "case")

    return make


def random_relu(rng: np.random.Generator) -> Node:
    shape = tuple(int(v) for v in rng.integers(1, 8, 3))
    x, y = (Value(n, random_type(rng, DType.I8, shape), "case") for n in "xy")
    return Node(Relu(str(rng.choice(ACTIVATIONS[1:]))), (x,), (y,), "case")


def random_binary(rng: np.random.Generator) -> Node:
    w = _window(rng)
    n, c, outs = (int(v) for v in rng.integers((1, 1, 1), (2, 70, 70), endpoint=True))
    kind = str(rng.choice(["f32", "i8", "packed"]))
    activation = "none" if kind == "packed" else str(rng.choice(ACTIVATIONS))
    value = int(rng.integers(0, 2))
    op = LceBconv2d(w["stride"], w["dilation"], w["padding"], value, c, activation)
    return binary_case(op, rng, (n, *w["size"], c), (outs, *w["kernel"]), 1, kind)


RANDOM: dict[type[Op], Callable[[np.random.Generator], Node]] = {
    Conv2d: random_conv,
    DepthwiseConv2d: random_depthwise,
    FullyConnected: random_dense,
    AveragePool2d: random_pool(AveragePool2d),
    MaxPool2d: random_pool(MaxPool2d),
    Add: random_element(lambda: Add("relu")),
    Sub: random_element(lambda: Sub("none")),
    Mul: random_element(lambda: Mul("none")),
    Maximum: random_element(Maximum, one_quant=True),
    Minimum: random_element(Minimum, one_quant=True),
    Relu: random_relu,
    LceBconv2d: random_binary,
}
FORMS = [
    pytest.param(o, k, id=f"{o.__name__}-{k.name}") for o in all_ops() for k in tvm_kernels_of(o)
]


def test_every_operator_with_a_form_has_random_shapes() -> None:
    assert {op for op in all_ops() if tvm_kernels_of(op)} == set(RANDOM)


@pytest.mark.slow
@pytest.mark.parametrize(("op", "kernel"), FORMS)
def test_random_shapes_under_every_schedule(
    op: type[Op], kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc with ASan and UBSan found")
    assert kernel.schedules is not None and kernel.scheduled is not None
    rng = np.random.default_rng(77)
    nodes: list[Node] = []
    under: dict[Node, dict[str, int]] = {}
    tried: set[str] = set()
    missing: list[Any] = []
    while len(nodes) < 12 or (len(nodes) < 30 and missing):
        node = RANDOM[op](rng)
        node.op.check(node)
        if kernel.reject(node) is not None:
            continue
        allowed = kernel.schedules(node)
        missing = [s for s in allowed if str(s) not in tried]
        under[node] = dict(missing[0] if missing else allowed[int(rng.integers(len(allowed)))])
        tried.add(str(under[node]))
        nodes.append(node)
    assert not missing, f"not tried: {missing}"
    scheduled = kernel.scheduled
    monkeypatch.setitem(
        base._TEMPLATES,
        op,
        (replace(kernel, schedules=None, bind=lambda n: scheduled(n, under[_same(n, under)])),),
    )
    check_on_host(nodes, tmp_path, gcc)


def _same(node: Node, known: dict[Node, dict[str, int]]) -> Node:
    """The node that ``node`` is: the planner may be given a copy."""
    return node if node in known else next(n for n in known if n.outputs == node.outputs)


# The C -----------------------------------------------------------------------------------------


def lowered(graph: Graph, board_name: str, backend: str = "tvm") -> Plan:
    board = load_board(board_name)
    return plan(graph, board.core.title, board.core.features, backend)


@pytest.mark.slow
def test_same_model_same_bytes(tiny_model: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tinyc.frontends.base import read_model;"
        "from tinyc.passes import optimize; from tinyc.plan import plan;"
        "from tinyc.emit.emitter import emit; import hashlib;"
        "graph = optimize(read_model(sys.argv[1])[0]);"
        "text = emit(plan(graph, 'Cortex-M4', frozenset({'dsp'}), 'tvm')).files;"
        "print(hashlib.sha256(repr(sorted(text.items())).encode()).hexdigest())"
    )
    seen = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tiny_model)], check=True, capture_output=True,
            text=True, cwd=ROOT, env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        seen.add(done.stdout)
    assert len(seen) == 1


@pytest.mark.slow
def test_output_is_plain_c(tiny_model: Path, tmp_path: Path) -> None:
    graph = optimize(read_model(str(tiny_model))[0])
    made = lowered(graph, M4)
    assert [s.backend for s in made.steps] == ["tvm", "tvm"]
    library = emit(made)
    text = re.sub(r"/\*.*?\*/", "", "".join(library.files.values()), flags=re.S)
    assert set(re.findall(r"#include (\S+)", text)) == {
        "<stdint.h>", "<string.h>", '"tiny.h"', '"tiny_kernels.h"',
    }  # fmt: skip
    assert not re.search(r"tvm|TVM|dlpack|malloc|packed", text)
    image = build(library, load_board(M4), None, tmp_path / "out")
    assert not [name for name in image.symbols if "tvm" in name.lower()]
    project = (tmp_path / "out" / "src" / "tiny.c").read_text()
    assert max(map(len, project.splitlines())) <= 100


@pytest.mark.slow
def test_padding_is_copied_by_rows(tiny_model: Path) -> None:
    graph = optimize(read_model(str(tiny_model))[0])
    text = emit(lowered(graph, M0)).files["src/tiny.c"]
    assert "memset(padded" in text and "memcpy(padded" in text


# Versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "id", "words"),
    [
        ({}, "E706", "is not installed"),
        ({"apache-tvm": "0.18.0", "apache-tvm-ffi": "0.1.14"}, "E708", "0.18.0"),
        ({"apache-tvm": "0.27.0.post1", "apache-tvm-ffi": "0.1.15.post2"}, "E708", "0.1.15"),
    ],
)
def test_missing_or_wrong_version(
    found: dict[str, str], id: str, words: str, tiny_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def version(name: str) -> str:
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(tir.metadata, "version", version)
    tir.tvm.cache_clear()
    monkeypatch.chdir(tmp_path)
    for verb in ("build --backend tvm", "build --backend auto", "tune --backend tvm"):
        assert cli.execute([*verb.split(), str(tiny_model), "--board", M4]) == 7
        lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("E")]
        assert len(lines) == 1 and lines[0].startswith(f"{id} TVM: ")
        assert words in lines[0] and "pip install 'tinyc[tvm]'" in lines[0]


@pytest.mark.slow
def test_templates_do_not_load_tvm(tiny_model: Path) -> None:
    code = (
        "import sys; from tinyc.cli import app as cli;"
        f"cli.execute(['build', sys.argv[1], '--board', '{M4}', '-o', sys.argv[2]]);"
        "print('tvm' in sys.modules)"
    )
    folder = str(tiny_model.parent / "late")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model), folder], check=True, capture_output=True,
        text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "False"


# The plan, auto ------------------------------------------------------------------------------


@pytest.mark.slow
def test_plan_says_what_tvm_is_not_given() -> None:
    graph = optimize(read_model(str(ROOT / "recipes" / "digits-bnn.tflite"))[0])
    by_kernel = {s.kernel.name: s for s in lowered(graph, M4).steps}
    assert ("tvm", "LceQuantize has no TIR form") in by_kernel["lce_quantize"].rejected
    assert ("conv2d_s8_tvm", "not i8") in by_kernel["conv2d_f32"].rejected
    assert by_kernel["lce_bconv2d_tvm"].backend == "tvm"


def _cycles(made: Plan, board_name: str, folder: Path) -> int:
    image = build(emit(made), load_board(board_name), None, folder, BuildOptions("test"))
    from tinyc.run.data import random_samples

    cycles = run(image, random_samples(made.graph, 1, 0).bytes()).cycles
    assert cycles is not None
    return cycles


@pytest.mark.slow
@pytest.mark.parametrize("board_name", [M4, M0])
def test_auto_is_never_slower(board_name: str, tmp_path: Path) -> None:
    graph = optimize(read_model(str(ROOT / "recipes" / "digits-int8.tflite"))[0])
    board = load_board(board_name)
    found = lower(graph, board, "auto")
    ours = _cycles(found, board_name, tmp_path / "auto")
    for backend in ("templates", "tvm"):
        assert ours <= _cycles(lowered(graph, board_name, backend), board_name, tmp_path / backend)
    for step in found.steps:
        assert set(step.cycles) == {"templates", "tvm"}


@pytest.mark.slow
def test_auto_keeps_to_the_flash(tiny_model: Path, tmp_path: Path) -> None:
    graph = optimize(read_model(str(tiny_model))[0])
    board = load_board(M4)
    sizes = {
        name: build(
            emit(lower(graph, board, name)), board, None, tmp_path / name, BuildOptions("test")
        )
        for name in ("templates", "tvm")
    }
    limit = min(image.flash_bytes for image in sizes.values())
    made = lower(graph, board, "auto", max_flash=limit)
    assert build(emit(made), board, None, tmp_path / "a", BuildOptions("test")).flash_bytes <= limit


@pytest.mark.slow
def test_report_shows_both_figures(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build", str(tiny_model), "--board", M4, "-o", str(tmp_path), "--json"]
    assert cli.execute([*arguments, "--backend", "auto"]) == 0
    report = json.loads(capsys.readouterr().out)
    for layer in report["layers"]:
        assert layer["backend"] in ("templates", "tvm")
        fewest = min(layer["templates_cycles"], layer["tvm_cycles"])
        assert layer[f"{layer['backend']}_cycles"] == fewest
    assert cli.execute(arguments) == 0
    plain = json.loads(capsys.readouterr().out)
    assert "backend" not in plain["layers"][0]


@pytest.mark.slow
def test_settings_file_names_the_backend(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    settings = (
        f'model = "{tiny_model}"\nboard = "{M4}"\nbackend = "tvm"\ndatabase = "found.jsonl"\n'
    )
    Path("tinyc.toml").write_text(settings)
    assert cli.execute(["tune", "-q"]) == 0
    assert Path("found.jsonl").exists()
    capsys.readouterr()
    assert cli.execute(["build", "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert [layer["backend"] for layer in layers] == ["tvm", "tvm"]
    Path("tinyc.toml").write_text(settings.replace('"tvm"', '"llvm"'))
    assert cli.execute(["build"]) == 2
    assert "E209" in capsys.readouterr().err


# Tuning --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_schedules_are_searched_and_builds_take_the_best(tiny_model: Path, tmp_path: Path) -> None:
    graph, board = optimize(read_model(str(tiny_model))[0]), load_board(M4)
    file = tmp_path / "schedules.jsonl"
    for layer in layers.measured(layers.Task(graph, board, "tvm"), file):
        assert len(layer.ways) > 2 and all(way.choice.schedule for way in layer.ways)
    # A build takes what the database calls the best, whatever it is.
    best = database.schedules(file, None)
    made = lower(graph, board, "tvm", best)
    names = [workload(s.node, s.kernel, board.core.title) for s in made.steps]
    assert [s.schedule for s in made.steps] == [best[name] for name in names]
    lines = list(map(json.loads, file.read_text().splitlines()))
    other = next(x for x in lines
                 if x["workload"] == names[0] and x["schedule"] != best[names[0]])  # fmt: skip
    file.write_text(json.dumps({**other, "cycles": 1}) + "\n")
    repeated = lower(graph, board, "tvm", database.schedules(file, None))
    assert other["schedule"] in [dict(s.schedule or {}) for s in repeated.steps]


@pytest.mark.parametrize("text", ["not json\n{}\n", '{"workload": "w"}\n{}\n', "[]\n{}\n"])
def test_database_that_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "schedules.jsonl"
    path.write_text(text)
    with pytest.raises(CompileError) as caught:
        database.read(path)
    assert caught.value.id == "E240" and "line 1" in caught.value.origin


@pytest.mark.slow
def test_tvm_and_templates_are_tuned_together(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    options = [str(tiny_model), "--board", M0, "--optimize", "speed", "--json"]
    assert cli.execute(["tune", *options, "--backend", "auto"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["database"] == "schedules.jsonl" and Path("schedules.jsonl").exists()
    tuned = found["build"]
    assert tuned["usual"]["cycles"] >= tuned["cycles"]
    assert all(layer["ways"] > 2 for layer in tuned["layers"])
    assert cli.execute(["profile", *options]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["cycles"] == tuned["cycles"]
    assert [x["kernel"] for x in made["layers"]] == [x["kernel"] for x in tuned["layers"]]


# Whole models --------------------------------------------------------------------------------


def _model(name: str, data_folder: Path) -> Path:
    recipe = ROOT / "recipes" / f"{name}.tflite"
    return recipe if recipe.exists() else data_folder / "mlperf-tiny" / f"{name}.tflite"


@pytest.mark.slow
@pytest.mark.parametrize("emulator", ["unicorn", "host"])
@pytest.mark.parametrize("board_name", ["mps2_an386", M0])
@pytest.mark.parametrize("name", [*MODELS, *RECIPES])
def test_every_layer_is_exact(
    name: str, board_name: str, emulator: str, data_folder: Path, tmp_path: Path
) -> None:
    """Each layer's output is made an output of the model: none may differ in a bit."""
    graph = optimize(read_model(str(_model(name, data_folder)))[0])
    inner = tuple(v for n in graph.nodes for v in n.outputs if v not in graph.outputs)
    whole = replace(graph, outputs=(*graph.outputs, *inner))
    board = load_board(board_name)
    floats = any(v.type.dtype is DType.F32 for v in whole.inputs)
    rows = random_rows(whole, 2)
    if floats:
        rng = np.random.default_rng(20)
        rows = np.concatenate(
            [rng.normal(0, 1, (2, v.type.elements)).astype(np.float32) for v in whole.inputs], 1
        ).view(np.uint8)
    # Room for all layers at once.
    roomy = tuple(
        m.model_copy(update={"size": max(m.size, 1 << 22)}) for m in (board.flash, board.ram)
    )
    board = board.model_copy(update={"memory": roomy})
    made = plan(whole, board.core.title, board.core.features, "tvm")
    assert any(step.backend == "tvm" for step in made.steps)
    image = build(emit(made), board, None, tmp_path / "out", BuildOptions("test"))
    trace = run(image, np.ascontiguousarray(rows), emulator=emulator)
    for row, want in zip(trace.outputs, references(whole, rows), strict=True):
        np.testing.assert_array_equal(row, np.frombuffer(want, np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kws", "ic"])
def test_budgets_against_the_templates(name: str, data_folder: Path, tmp_path: Path) -> None:
    """With the default schedules at most twice the cycles, and a fifth more flash."""
    graph = optimize(read_model(str(_model(name, data_folder)))[0])
    board = load_board(M4)
    cycles, flash = {}, {}
    for backend in ("templates", "tvm"):
        made = lowered(graph, M4, backend)
        cycles[backend] = _cycles(made, M4, tmp_path / f"{backend}-test")
        image = build(emit(made), board, None, tmp_path / backend)
        flash[backend] = image.flash_bytes
        assert not [symbol for symbol in image.symbols if "tvm" in symbol.lower()]
    assert cycles["tvm"] <= 2.0 * cycles["templates"]
    assert flash["tvm"] <= 1.2 * flash["templates"]

"""PyTorch models: functions and ``.pt2`` files, float, and quantized by PT2E."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from tflite_writer import run_litert

import tinyc
from tinyc.cli import app as cli
from tinyc.errors import CompileError
from tinyc.frontends import torch as frontend
from tinyc.frontends.base import read_model
from tinyc.frontends.torch import archive
from tinyc.frontends.torch.program import Program
from tinyc.ir import Graph, interpret

torch = pytest.importorskip(
    "torch", reason="needs PyTorch, in an environment of its own: make test-torch"
)
pytestmark = pytest.mark.slow  # a conversion takes seconds
MODELS = ROOT / "tests" / "torch_models.py"


@pytest.fixture(scope="module", autouse=True)
def once() -> Any:
    """Load and convert a model once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frontend, "load", cache(frontend.load))
        patch.setattr(Program, "convert", cache(Program.convert))
        yield


def computed(graph: Graph, inputs: list[Any]) -> list[Any]:
    """The outputs of one sample by the numpy reference."""
    values = interpret(graph, inputs)
    return [values[value] for value in graph.outputs]


def in_its_order(graph: Graph, x: Any) -> Any:
    """Images [n, c, h, w] as the one input of ``graph``."""
    order = graph.input_orders[0]
    return x.transpose(0, *order[1:]) if order else x


def normal(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(0, 1, shape).astype(np.float32)


# Functions ---------------------------------------------------------------------------------


def test_a_float_network(rng: np.random.Generator) -> None:
    graph, predict, *_ = read_model(f"{MODELS}:resnet8")
    assert (graph.input_names, graph.output_names) == (("image",), ("output_0",))
    assert graph.notes[-1].endswith("its example has a batch of 4; it is compiled for 1")
    layers = [node.output.name.partition(":")[0] for node in graph.nodes]
    assert {"stem.2", "blocks.2.norm2", "blocks.2.down", "pool", "head"} <= set(layers)
    assert not any("running" in layer for layer in layers)
    x = normal(rng, 3, 3, 16, 16)
    given = in_its_order(graph, x)
    assert given.shape == (3, 16, 16, 3)
    (theirs,) = predict([given])
    again = frontend.load(f"{MODELS}:resnet8", False).predict([x])[0]
    for sample, expected, plain in zip(given, theirs, again, strict=True):
        (found,) = computed(graph, [sample[None]])
        np.testing.assert_array_equal(expected, plain)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_inputs_and_outputs_keep_names_order_and_types(rng: np.random.Generator) -> None:
    graph, predict, *_ = read_model(f"{MODELS}:mixed")
    assert graph.input_names == ("ids", "more_w", "more_v", "gain")
    assert graph.output_names == ("zeta", "alpha_0", "alpha_1", "w")
    assert [v.type.dtype.name for v in graph.inputs] == ["I32", "F32", "F32", "F32"]
    inputs = [rng.integers(0, 9, (4, 5)).astype(np.int32)]
    inputs += [normal(rng, 4, n) for n in (2, 3, 3)]
    theirs = predict(inputs)
    for i in range(4):
        ours = computed(graph, [x[i : i + 1] for x in inputs])
        for found, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(found, expected[i], rtol=1e-4, atol=1e-5)


def test_an_example_whose_first_size_is_no_batch() -> None:
    graph, *_ = read_model(f"{MODELS}:unbatched")
    assert [v.type.shape for v in (*graph.inputs, *graph.outputs)] == [(16,), (3,)]
    assert graph.notes[-1].endswith("it is compiled for a batch of 16, that of its example")


@pytest.mark.parametrize(
    ("name", "id", "words"),
    [
        ("missing", "E216", ["the file has no function 'missing'", "resnet8"]),
        ("number", "E216", ["an object of type int", "return (module, example)"]),
        ("no_example", "E216", ["a ResNet8 without an example"]),
        ("no_tensor", "E216", ["no tensor for an input"]),
        ("branching", "E311", ["torch.export cannot export it"]),
        ("unknown", "E311", ["litert-torch cannot convert it", "linalg_eig"]),
        ("dynamic", "E305", ["the input 'input' has the shape", "fix every size but the batch"]),
    ],
)
def test_refused_functions(name: str, id: str, words: list[str]) -> None:
    with pytest.raises(CompileError) as caught:
        read_model(f"{MODELS}:{name}")
    assert caught.value.id == id, caught.value
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


def test_samples_that_pytorch_refuses() -> None:
    graph, predict, *_ = read_model(f"{MODELS}:mixed")
    inputs = [np.full((1, *v.type.shape[1:]), 50, v.type.dtype.numpy) for v in graph.inputs]
    with pytest.raises(CompileError, match=r"E225 .*: index out of range"):
        predict(inputs)


# Quantized ---------------------------------------------------------------------------------

SHAPES = {"resnet8_int8": (3, 16, 16), "depthwise_int8": (1, 16, 10)}


@pytest.mark.parametrize("name", SHAPES)
def test_what_pt2e_quantized_stays_so(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    model = f"{MODELS}:{name}"
    graph, predict, *_ = read_model(model)
    assert {v.type.dtype.name for n in graph.nodes for v in n.outputs} == {"I8"}
    x = normal(rng, 24, *SHAPES[name])
    scale, zero = graph.inputs[0].type.scale, graph.inputs[0].type.zero_point
    integers = np.clip(np.rint(x / scale) + zero, -128, 127).astype(np.int8)
    (theirs,) = predict([in_its_order(graph, integers)])
    # To the bit as LiteRT's reference, and a step at most from PyTorch's own arithmetic.
    path = tmp_path / "model.tflite"
    path.write_bytes(frontend.load(model, False).convert(model))
    output = graph.outputs[0].type
    off = []
    for sample, expected in zip(integers, theirs, strict=True):
        (found,) = computed(graph, [in_its_order(graph, sample[None])])
        np.testing.assert_array_equal(found, run_litert(path, [sample[None]])[0])
        exact = np.rint(expected / output.scale) + output.zero_point
        off.append(np.abs(found - np.clip(exact, -128, 127)))
    assert np.max(off) <= 1 and np.mean(off) < 0.35, np.mean(off)


@pytest.mark.parametrize("board", ["stm32", "microbit"])
@pytest.mark.parametrize("name", SHAPES)
def test_on_emulated_boards(name: str, board: str, rng: np.random.Generator) -> None:
    firmware = tinyc.compile(f"{MODELS}:{name}", board=board)
    result = firmware.test({"x": normal(rng, 3, *SHAPES[name])})
    assert result["mismatches"] == 0
    (output,) = result["outputs"]
    assert output["largest_error"] < 1.5 * output["scale"]  # from what PyTorch computes


# Files -------------------------------------------------------------------------------------


def saved(path: Path, module: Any, *example: Any, **options: Any) -> Path:
    torch.export.save(torch.export.export(module, example, **options), path)
    return path


def test_files_without_code_are_loaded(tmp_path: Path, rng: np.random.Generator) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Dropout(), torch.nn.Softmax(1))
    open_batch = ({0: torch.export.Dim.DYNAMIC},)
    path = saved(tmp_path / "net.pt2", net, torch.randn(4, 6), dynamic_shapes=open_batch)
    graph, predict, *_ = read_model(str(path))
    assert (graph.name, [v.type.shape for v in graph.inputs]) == ("net", [(1, 6)])
    x = normal(rng, 3, 6)
    with torch.no_grad():
        expected = net.eval()(torch.tensor(x)).numpy()  # it was saved as it is in training
    np.testing.assert_allclose(predict([x])[0].reshape(3, 4), expected, rtol=1e-5, atol=1e-6)
    for sample, y in zip(x, expected, strict=True):
        np.testing.assert_allclose(computed(graph, [sample[None]])[0][0], y, rtol=1e-5, atol=1e-6)


def rewritten(path: Path, record: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of an archive with one of its records changed."""
    target = path.with_name("rewritten.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as made:
        for name in source.namelist():
            content = source.read(name)
            made.writestr(name, change(content) if name.endswith(record) else content)
    return target


class Sly:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_files_with_code_are_not_loaded(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = saved(tmp_path / "net.pt2", torch.nn.Linear(6, 4), torch.randn(1, 6))
    pickled = io.BytesIO()
    torch.save((torch.randn(1, 6), Sly(mark)), pickled)
    sly = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    model, weights = "models/model.json", "model_weights_config.json"
    for record, change, words in (
        ("sample_inputs/model.pt", lambda _: pickled.getvalue(), "more than tensors"),
        (model, lambda c: c.replace(b"torch.ops.aten.linear.default", b"torch.os.system"),
         "the function 'torch.os.system'"),
        (model, lambda c: c.replace(b"ops.aten.linear.default", b"ops.aten.save.default"),
         "the function 'torch.ops.aten.save.default'"),
        (model, lambda c: c.replace(b'"as_int": 6', f'"as_expr": {{"expr_str": "{sly}"}}'.encode()),
         "the expression \"__import__"),
        (model, lambda c: c.replace(b'"name": "linear"', f'"name": "y = {sly}"'.encode()),
         "the name \"y = __import__"),
        (model, lambda c: c.replace(rb'\"builtins.dict\", \"context\": \"[]',
                                    rb'\"builtins.dict\", \"context\": \"[[1]]'), "the key '[1]'"),
        (weights, lambda c: c.replace(b'"use_pickle": false', b'"use_pickle": true'),
         "the pickled constant 'weight'"),
    ):  # fmt: skip
        other = rewritten(path, record, change)
        assert other.read_bytes() != path.read_bytes()
        with pytest.raises(CompileError) as caught:
            read_model(str(other))
        assert caught.value.id == "E312" and words in caught.value.what, caught.value
        assert not mark.exists()
    with pytest.raises(CompileError, match=r"E3\d\d "):
        frontend.load(str(rewritten(path, "inputs/model.pt", lambda _: pickled.getvalue())), True)
    assert mark.exists()  # its example inputs were unpickled


def test_no_operator_that_is_let_through_names_a_file() -> None:
    for schema in torch._C._jit_get_all_schemas():
        texts = [a.name for a in schema.arguments if str(a.type) == "str"]
        if any(word in text for text in texts for word in ("file", "path", "dir")):
            target = f"torch.ops.{schema.name.replace('::', '.')}.default"
            assert not archive._TARGET.fullmatch(target), target


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    for content in (b"", b"PK\x03\x04junk"):
        path.write_bytes(content)
        with pytest.raises(CompileError, match=r"E309 .*PyTorch cannot load it"):
            read_model(str(path))
    torch.save(torch.nn.Linear(2, 3).state_dict(), path)
    with pytest.raises(CompileError, match=r"E309 .*torch\.export\.save"):
        read_model(str(path))


# Options and the guide ---------------------------------------------------------------------


def test_calibration_of_a_float_network(rng: np.random.Generator, tmp_path: Path) -> None:
    data = tmp_path / "typical.npz"
    np.savez(data, x=normal(rng, 16, 3, 16, 16))  # in the module's order of the axes
    firmware = tinyc.compile(f"{MODELS}:resnet8", board="stm32", calibrate=str(data))
    assert firmware.plan.graph.inputs[0].type.shape == (1, 16, 16, 3)
    assert {v.type.dtype.name for n in firmware.plan.graph.nodes for v in n.outputs} == {"I8"}
    result = firmware.test(data)
    assert result["mismatches"] == 0 and result["outputs"][0]["relative_l2_error"] < 0.1


def test_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files and commands of docs/pytorch.md, as they stand."""
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "pytorch.md").read_text()
    trained, exported = re.findall(r"```python\n(.*?)```", text, re.S)
    Path("digits.py").write_text(trained)
    Path("save.py").write_text(exported)
    commands = re.findall(r"^(?:python|tinyc) .*(?:digits|save)\.p.*", text, re.M)
    assert len(commands) == 6
    for line in commands:
        program, *arguments = shlex.split(line)
        if program == "tinyc":
            assert cli.execute([*arguments, "--json"]) == 0
        else:
            subprocess.run([sys.executable, *arguments], check=True)

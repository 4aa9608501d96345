"""PyTorch models: functions and ``.pt2`` files, float, and quantized by PT2E."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from tflite_writer import run_litert

import tinyc
from tinyc.errors import CompileError
from tinyc.frontends import torch as frontend
from tinyc.frontends.base import read_model
from tinyc.frontends.packages import TORCH
from tinyc.frontends.torch.program import Program
from tinyc.ir import Graph, interpret

for _name in TORCH:
    if importlib.util.find_spec(_name) is None:
        reason = "needs PyTorch, in an environment of its own: make test-torch"
        pytest.skip(reason, allow_module_level=True)


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
    (theirs,) = predict([x])
    for sample, expected in zip(x, theirs, strict=True):
        (found,) = computed(graph, [sample.reshape(graph.inputs[0].type.shape)])
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
    (theirs,) = predict([integers])
    # To the bit as LiteRT's reference, and a step at most from PyTorch's own arithmetic.
    path = tmp_path / "model.tflite"
    path.write_bytes(frontend.load(model, False).convert(model))
    output = graph.outputs[0].type
    off = []
    for sample, expected in zip(integers, theirs, strict=True):
        (found,) = computed(graph, [sample[None]])
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

"""A model beside the one that it was made of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_heads import copy, value
from test_verdicts import Run, dense, run, verdict
from tflite_writer import TensorSpec, write_model

from tinyc.errors import CompileError
from tinyc.frontends import original
from tinyc.frontends.base import Model
from tinyc.ir import DType, Graph, Quant
from tinyc.reference import inputs_of
from tinyc.run.data import Samples

assert run  # the fixture


def int8(path: Path, weights: np.ndarray) -> Path:
    """The same as `dense`, quantized: real numbers of -1 to 1 in, -8 to 8 out."""
    n, k = weights.shape
    scale = float(np.abs(weights).max() / 127)
    tensors = [
        TensorSpec("x", (1, k), "int8", 1 / 127),
        TensorSpec("w", (n, k), "int8", scale, data=np.round(weights / scale)),
        TensorSpec("b", (n,), "int32", scale / 127, data=np.zeros(n)),
        TensorSpec("y", (1, n), "int8", 8 / 127),
    ]
    return write_model(path, [("FULLY_CONNECTED", {}, [0, 1, 2], [3])], tensors, [0], [3])


def test_the_float_model_beside_the_board(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.normal(0, 1, (7, 8)), rng.uniform(-1, 1, (80, 8)).astype(np.float32)
    given, floats = int8(tmp_path / "m.tflite", weights), dense(tmp_path / "f.tflite", weights)
    np.savez("d.npz", x=x, y=(x @ weights.T).argmax(1), classes=np.array(list("abcdefg")))
    code, report, err = run(given, "--original", floats, "--data", "d.npz")
    assert code == 0, err
    assert report["original_accuracy"] == 1 and report["changed_by"] == ["quantization"]
    assert report["accuracy"] == report["agreement"] == report["reference_accuracy"] < 1
    assert report["original_top_5_accuracy"] == 1 and report["original"] == str(floats)
    (output,) = report["outputs"]
    assert 0 < output["root_mean_square_error"] < 0.1 and 0.99 < output["cosine_similarity"] < 1
    assert report["worst"]["samples"][0]["original"] == report["worst"]["samples"][0]["label"]
    assert [check["name"] for check in report["verdicts"]] == ["bit_exact"]
    code, report, err = run(
        given, "--original", floats, "--data", "d.npz", "--min-agreement", 1, "--quiet"
    )
    assert code == 5 and verdict(report, "agreement")["error"]["id"] == "E504"
    assert "after quantization it is" in err
    other = dense(tmp_path / "o.tflite", weights[:3])
    code, _, err = run(given, "--original", other, "--quiet")
    assert code == 2 and err.startswith(f"E257 {other}: gives [1, 3], and 'm' [1, 7]; ")


def test_inputs_and_outputs_find_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(*names: str) -> Graph:
        graph = copy(*(value(n, 1, 3) for n in names))
        return Graph("g", graph.inputs, graph.outputs, graph.nodes, "", names, names)

    def read(model: Model, given: Graph) -> Model:
        monkeypatch.setattr(original, "read_model", lambda path, trust: model)
        return original.read_original("o.tflite", given)

    def predict(arrays: list[Any]) -> list[Any]:
        return [f"{a} as {n}" for a, n in zip(arrays, "abc", strict=True)]

    own = named("b", "c", "a")
    found = read(Model(named("a", "b", "c"), predict), own)
    assert found.graph.input_names == found.graph.output_names == ("b", "c", "a")
    assert [v.name for v in found.graph.outputs] == ["b", "c", "a"] and found.predict
    assert found.predict(["B", "C", "A"]) == ["B as b", "C as c", "A as a"]
    other = named("p", "q", "r")
    assert read(Model(other), own).graph is other
    with pytest.raises(CompileError) as caught:
        read(Model(named("a", "b")), own)
    assert caught.value.id == "E257" and "takes [1, 3] and [1, 3], and" in str(caught.value)


def test_an_original_of_another_quantization() -> None:
    own, theirs = (
        copy(value("x", 1, 4, quant=quant, dtype=DType.I8))
        for quant in (Quant((0.5,), (0,)), Quant((0.25,), (-4,)))
    )
    compiled: Any = SimpleNamespace(graph=own, stream=None)
    samples = Samples((np.array([[[2, -2, 0, 100]]], np.int8),))
    (x,) = inputs_of(compiled, theirs, samples)
    assert x.dtype == np.int8 and x.ravel().tolist() == [0, -8, -4, 127]
    assert inputs_of(compiled, own, samples)[0] is samples.inputs[0]
    (real,) = inputs_of(compiled, copy(value("x", 1, 4)), samples)
    assert real.ravel().tolist() == [1, -1, 0, 50]

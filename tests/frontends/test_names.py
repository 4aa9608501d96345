"""Inputs and outputs in the model's own order and by its own names, from Keras to the C code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import ROOT
from tflite_writer import TensorSpec, write_model

from tinyc.cli import app as cli
from tinyc.frontends.base import read_model
from tinyc.frontends.tflite import read
from tinyc.ir import Graph, interpret
from tinyc.ir.ports import output_ports

MODELS = ROOT / "tests" / "order_models.py"


@pytest.fixture(scope="module")
def models() -> ModuleType:
    pytest.importorskip("tf_keras")
    sys.path.insert(0, str(MODELS.parent))
    import order_models

    return order_models


def inputs_of(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 1, v.type.shape).astype(np.float32) for v in graph.inputs]


def outputs_of(graph: Graph, arrays: list[np.ndarray]) -> list[np.ndarray]:
    values = interpret(graph, arrays)
    return [values[v] for v in graph.outputs]


NAMES = {
    "zma": (["x"], ["z", "m", "a"]),
    "maz": (["x"], ["m", "a", "z"]),
    "amz": (["x"], ["a", "m", "z"]),
    "three_inputs": (["mag", "gyro", "accel"], ["sum"]),
    "both": (["b", "a"], ["y", "w", "n"]),
    "nested": (["u", "t"], ["twin", "twin_1", "twin_2"]),
    "dictionaries": (["alpha", "zulu"], ["pitch", "yaw"]),
    "crossed": (["x"], ["one", "two"]),
    "sequence": (None, ["last"]),
    "shapes": (["z", "image"], ["sum"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_keras_order_and_names(models: ModuleType, name: str) -> None:
    graph, predict = read_model(f"{MODELS}:{name}")
    ins, outs = NAMES[name]
    assert ins is None or graph.input_names == tuple(ins)
    assert graph.output_names == tuple(outs)
    arrays = inputs_of(graph)
    network = getattr(models, name)()
    theirs = network(arrays if len(arrays) > 1 else arrays[0])
    assert predict is not None
    for ours, again, value in zip(
        outputs_of(graph, arrays), predict(arrays), _flat(theirs), strict=True
    ):
        np.testing.assert_allclose(ours, value, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(again, value, rtol=1e-5, atol=1e-5)


def _flat(found: object) -> list[np.ndarray]:
    import tensorflow as tf

    return [np.asarray(y) for y in tf.nest.flatten(found)]


@pytest.mark.slow
@pytest.mark.parametrize("saved", ["model.h5", "model.keras", "folder"])
def test_saved_models_keep_their_order(models: ModuleType, saved: str, tmp_path: Path) -> None:
    for name in ("both", "dictionaries"):
        network = getattr(models, name)()
        path = tmp_path / name / saved
        path.parent.mkdir()
        network.save(path)
        graph, _ = read_model(str(path))
        assert graph.input_names == tuple(NAMES[name][0])
        arrays = inputs_of(graph)
        for ours, value in zip(outputs_of(graph, arrays), _flat(network(arrays)), strict=True):
            np.testing.assert_allclose(ours, value, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_file_of_the_converter_is_known_by_its_signature(
    models: ModuleType, tmp_path: Path
) -> None:
    import tensorflow as tf

    network = models.both()
    network.save(tmp_path / "saved")
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    path = tmp_path / "m.tflite"
    path.write_bytes(converter.convert())
    graph = read(path)
    assert set(graph.input_names) == {"a", "b"} and set(graph.output_names) == {"y", "w", "n"}
    given = {"a": np.float32([[1, 2, 3]]), "b": np.float32([[5, 7, 11]])}
    found = outputs_of(graph, [given[name] for name in graph.input_names])
    expected = {"y": 2 * given["a"], "w": 3 * given["b"], "n": 5 * given["a"]}
    for name, array in zip(graph.output_names, found, strict=True):
        np.testing.assert_allclose(array, expected[name], rtol=1e-6)


def test_a_file_without_a_signature_is_known_by_its_tensors(tmp_path: Path) -> None:
    names = ["serving_default_gyro:0", "accel:0", "StatefulPartitionedCall:1", "head/Add;more"]
    tensors = [TensorSpec(name, (1, 3), "float32") for name in names]
    path = write_model(
        tmp_path / "m.tflite",
        [("ADD", {}, [0, 1], [2]), ("MUL", {}, [0, 1], [3])],
        tensors, inputs=[0, 1], outputs=[2, 3],
    )  # fmt: skip
    graph = read(path)
    assert graph.input_names == ("gyro", "accel")
    assert graph.output_names == ("output_0", "head/Add")


def write_signed(path: Path, inputs: list[tuple[str, int]], outputs: list[tuple[str, int]]) -> Path:
    """Tensors 0 and 1, their sum 2 and their product 3, under a signature."""
    tensors = [TensorSpec(f"t{i}", (1, 3), "float32") for i in range(4)]
    ops = [("ADD", {}, [0, 1], [2]), ("MUL", {}, [0, 1], [3])]
    return write_model(path, ops, tensors, [0, 1], [2, 3, 2], (inputs, outputs))


def test_a_signature_names_tensors_in_any_order(tmp_path: Path) -> None:
    path = write_signed(
        tmp_path / "m.tflite", [("b", 1), ("a", 0)], [("sum", 2), ("product", 3), ("again", 2)]
    )
    graph = read(path)
    assert graph.input_names == ("a", "b")
    assert graph.output_names == ("sum", "product", "again")
    # What it does not name has its tensor's name.
    graph = read(write_signed(tmp_path / "m.tflite", [("b", 1)], [("product", 3)]))
    assert graph.input_names == ("t0", "b") and graph.output_names == ("t2", "product", "t2")
    assert [port.name for port in output_ports(graph)] == ["t2", "product", "t2_1"]


@pytest.mark.parametrize(
    "name",
    [
        "*/ int x; /*",
        'a"b\\',
        "a\n#error no",
        "??/",
        "??",
        "int",
        "é",
        "%s{{ x }}",
        "n" * 5000,
        "0",
    ],
)
def test_names_cannot_reach_the_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_signed(
        tmp_path / "m.tflite", [(name, 0), (f"{name}/", 1)], [(name, 2), ("p", 3), (name, 2)]
    )
    assert cli.execute(["test", str(path), "--board", "stm32"]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert out.count("output '") == 3


@pytest.mark.slow
def test_names_reach_reports_header_and_data(
    models: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (2, 8, 3)).astype(np.float32)
    y = a.argmax(1)
    np.savez("named.npz", a=a, b=b, y_n=y)
    np.savez("placed.npz", x_0=b, x_1=a, y=y)
    common = ["test", f"{MODELS}:both", "--board", "stm32", "--json"]
    for data, labelled in (("named.npz", "n"), ("placed.npz", "y")):
        assert cli.execute([*common, "--data", data, "--min-accuracy", "1"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert [port["name"] for port in report["inputs"]] == ["b", "a"]
        outputs = {port["name"]: port for port in report["outputs"]}
        assert list(outputs) == ["y", "w", "n"]
        assert outputs[labelled]["accuracy"] == report["accuracy"] == 1
        assert "agreement" in outputs[labelled] and "accuracy" not in outputs["w"]
        assert all(port["relative_l2_error"] < 1e-6 for port in outputs.values())
    folder = tmp_path / "build" / report["board"] / "both"
    header = (folder / "include" / "both.h").read_text()
    assert "/* input 1: 'a', 1x3 f32 */" in header
    assert "static inline float *both_input_a(void *arena)\n{\n    return both_input_1" in header
    assert "static inline const float *both_output_w(const void *arena)" in header
    assert "output 'w'" in (folder / "report" / "report.md").read_text()

"""Operators that index, pick or sum along an axis, against LiteRT's reference kernels, bit for
bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_oracle_movement import compare, data, spec
from tflite_writer import TensorSpec, write_model

from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.run.data import random_samples

pytest.importorskip("ai_edge_litert")


def model(
    path: Path,
    operator: tuple[str, dict[str, Any]],
    inputs: list[TensorSpec],
    outputs: list[TensorSpec],
) -> Path:
    """A model of one operator; its inputs are the tensors without data."""
    name, options = operator
    tensors = [*inputs, *outputs]
    results = list(range(len(inputs), len(tensors)))
    variable = [i for i, tensor in enumerate(inputs) if tensor.data is None]
    steps = [(name, options, list(range(len(inputs))), results)]
    return write_model(path, steps, tensors, variable, results)


def refused(path: Path) -> str:
    with pytest.raises(CompileError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "int32"])
@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize(("at", "out"), [((4, 1), (4, 5, 3)), ((2, 4, 2), (2, 4, 3)), ((3,), ())])
def test_gather_nd_matches_litert(
    dtype: str, index: str, at: tuple[int, ...], out: tuple[int, ...], tmp_path: Path
) -> None:
    rng = np.random.default_rng(8)
    shape = (2, 5, 3)
    inputs = [spec("x", shape, dtype), TensorSpec("i", at, index)]
    path = model(tmp_path / "m.tflite", ("GATHER_ND", {}), inputs, [spec("y", out, dtype)])
    compare(path, [data(rng, dtype, shape), rng.integers(0, shape[: at[-1]], at).astype(index)])


def test_gather_nd_refuses_deep_indices(tmp_path: Path) -> None:
    inputs = [spec("x", (2, 5), "int8"), TensorSpec("i", (4, 3), "int32")]
    path = model(tmp_path / "m.tflite", ("GATHER_ND", {}), inputs, [spec("y", (4,), "int8")])
    assert "indices of shape [4, 3] do not name places in [2, 5]" in refused(path)


def one_hot(
    path: Path, dtype: str, index: str, axis: int, out: tuple[int, ...], on: Any = 1
) -> Path:
    inputs = [
        TensorSpec("i", (4, 3), index),
        TensorSpec("depth", (), "int32", data=5),
        spec("on", (), dtype, on),
        spec("off", (), dtype, 0),
    ]
    return model(path, ("ONE_HOT", {"axis": axis}), inputs, [spec("y", out, dtype)])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32", "int32", "int64", "bool"])
@pytest.mark.parametrize(
    ("index", "axis", "out"),
    [("int32", -1, (4, 3, 5)), ("int64", 0, (5, 4, 3)), ("int32", 1, (4, 5, 3))],
)
def test_one_hot_matches_litert(
    dtype: str, index: str, axis: int, out: tuple[int, ...], tmp_path: Path
) -> None:
    path = one_hot(tmp_path / "m.tflite", dtype, index, axis, out)
    compare(path, [np.random.default_rng(8).integers(-2, 8, (4, 3)).astype(index)])


def test_one_hot_refuses_computed_values(tmp_path: Path) -> None:
    path = one_hot(tmp_path / "m.tflite", "float32", "int32", -1, (4, 3, 5), on=None)
    assert "operand 'on' depends on the model's input" in refused(path)


def cumsum(path: Path, dtype: str, axis: int, exclusive: bool, reverse: bool) -> Path:
    inputs = [spec("x", (2, 5, 3), dtype), TensorSpec("axis", (), "int32", data=axis)]
    options = {"exclusive": exclusive, "reverse": reverse}
    return model(path, ("CUMSUM", options), inputs, [spec("y", (2, 5, 3), dtype)])


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumsum_matches_litert(
    dtype: str, axis: int, exclusive: bool, reverse: bool, tmp_path: Path
) -> None:
    path = cumsum(tmp_path / "m.tflite", dtype, axis, exclusive, reverse)
    compare(path, [data(np.random.default_rng(8), dtype, (2, 5, 3))])


def test_cumsum_refuses_int8(tmp_path: Path) -> None:
    path = cumsum(tmp_path / "m.tflite", "int8", 0, False, False)
    assert "input is a quantized i8, of which TFLite has no sums" in refused(path)


def embedding(path: Path, dtype: str, out: str, scale: float | None, zero: int) -> Path:
    rows = data(np.random.default_rng(9), dtype, (7, 2, 3))
    inputs = [
        TensorSpec("i", (4,), "int32"),
        TensorSpec("table", (7, 2, 3), dtype, scale, zero, data=rows),
    ]
    kind = (None, 0) if out == "float32" else (scale, zero)
    return model(path, ("EMBEDDING_LOOKUP", {}), inputs, [TensorSpec("y", (4, 2, 3), out, *kind)])


@pytest.mark.parametrize(
    ("dtype", "out", "scale", "zero"),
    [("float32", "float32", None, 0), ("int8", "int8", 0.05, -9), ("int8", "float32", 0.0173, 0)],
)
def test_embedding_lookup_matches_litert(
    dtype: str, out: str, scale: float | None, zero: int, tmp_path: Path
) -> None:
    path = embedding(tmp_path / "m.tflite", dtype, out, scale, zero)
    compare(path, [np.array([6, 0, 3, 3], np.int32)])


def test_embedding_lookup_refuses_a_table_with_a_zero_point(tmp_path: Path) -> None:
    path = embedding(tmp_path / "m.tflite", "int8", "float32", 0.05, -9)
    assert "is not quantized with one scale and the zero point 0" in refused(path)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("activation", [0, 3])
def test_l2_pool_matches_litert(padding: int, activation: int, tmp_path: Path) -> None:
    options = {"padding": padding, "strideW": 1, "strideH": 2, "filterWidth": 2, "filterHeight": 3}
    options["fusedActivationFunction"] = activation
    shape = (2, 3, 6, 3) if padding == 0 else (2, 2, 5, 3)
    inputs, outputs = [spec("x", (2, 5, 6, 3), "float32")], [spec("y", shape, "float32")]
    path = model(tmp_path / "m.tflite", ("L2_POOL_2D", options), inputs, outputs)
    compare(path, [data(np.random.default_rng(8), "float32", (2, 5, 6, 3)) * np.float32(4)])


def test_l2_pool_refuses_int8(tmp_path: Path) -> None:
    options = {"padding": 1, "strideW": 1, "strideH": 1, "filterWidth": 2, "filterHeight": 2}
    inputs, outputs = [spec("x", (1, 3, 3, 1), "int8")], [spec("y", (1, 2, 2, 1), "int8")]
    path = model(tmp_path / "m.tflite", ("L2_POOL_2D", options), inputs, outputs)
    assert "input is i8; supported: f32" in refused(path)


def top_k(path: Path, dtype: str, shape: tuple[int, ...], k: int) -> Path:
    inputs = [spec("x", shape, dtype), TensorSpec("k", (), "int32", data=k)]
    out = (*shape[:-1], k)
    outputs = [spec("values", out, dtype), TensorSpec("indices", out, "int32")]
    return model(path, ("TOPK_V2", {}), inputs, outputs)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32", "int32", "int64"])
@pytest.mark.parametrize(("shape", "k"), [((2, 3, 40), 3), ((5,), 5), ((4, 1), 1)])
def test_top_k_matches_litert(dtype: str, shape: tuple[int, ...], k: int, tmp_path: Path) -> None:
    path = top_k(tmp_path / "m.tflite", dtype, shape, k)
    compare(path, [np.random.default_rng(6).integers(0, 9, shape).astype(dtype)])  # many equal ones


def test_top_k_refuses_more_than_there_are(tmp_path: Path) -> None:
    assert "takes 6 elements of [2, 5]" in refused(top_k(tmp_path / "m.tflite", "int8", (2, 5), 6))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "int32", "int64"])
@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("starts", [[0, 0, 0], [1, 2, 1], [-3, 9, 1], [1, 3, 9]])
def test_dynamic_update_slice_matches_litert(
    dtype: str, index: str, starts: list[int], tmp_path: Path
) -> None:
    rng, shapes = np.random.default_rng(8), ((3, 5, 4), (2, 2, 3))
    inputs = [spec(n, s, dtype) for n, s in zip("xu", shapes, strict=True)]
    inputs.append(TensorSpec("starts", (3,), index))
    outputs = [spec("y", shapes[0], dtype)]
    path = model(tmp_path / "m.tflite", ("DYNAMIC_UPDATE_SLICE", {}), inputs, outputs)
    compare(path, [*(data(rng, dtype, s) for s in shapes), np.array(starts, index)])


def test_dynamic_update_slice_refuses_a_larger_update(tmp_path: Path) -> None:
    inputs = [spec("x", (3, 4), "int8"), spec("u", (2, 5), "int8"), TensorSpec("s", (2,), "int32")]
    outputs = [spec("y", (3, 4), "int8")]
    path = model(tmp_path / "m.tflite", ("DYNAMIC_UPDATE_SLICE", {}), inputs, outputs)
    assert "an update of [2, 5] does not fit into [3, 4]" in refused(path)


@pytest.mark.parametrize("name", ["GATHER_ND", "ONE_HOT"])
def test_random_samples_are_indices_that_litert_takes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    if name == "ONE_HOT":
        one_hot(path, "float32", "int64", -1, (4, 3, 5))
    else:
        table = data(np.random.default_rng(8), "int8", (9, 4))
        inputs = [spec("x", (9, 4), "int8", table), TensorSpec("i", (50, 2), "int32")]
        model(path, (name, {}), inputs, [spec("y", (50,), "int8")])
    (indices,) = random_samples(read(path), 1, 0).at(0)
    assert indices.min() >= 0 and indices.max() < {"ONE_HOT": 5, "GATHER_ND": 4}[name]
    compare(path, [indices])


def test_where_is_refused_with_its_reason(tmp_path: Path) -> None:
    inputs, outputs = [TensorSpec("x", (4,), "bool")], [TensorSpec("y", (4, 1), "int64")]
    path = model(tmp_path / "m.tflite", ("WHERE", {}), inputs, outputs)
    assert "the size of its output depends on the data" in refused(path)

"""What the reader of TFLite files makes of what converters write, and what it refuses in a line."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_litert, sparse, write_model

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import Graph, interpret
from tinyc.passes import optimize
from tinyc.pipeline import compile_model
from tinyc.target.boards import load_board


def outputs(graph: Graph, *inputs: np.ndarray) -> list[np.ndarray]:
    values = interpret(graph, inputs)
    return [values[v] if v.data is None else v.data for v in graph.outputs]


def same_as_litert(path: Path, *inputs: np.ndarray, tolerance: float = 0.0) -> Graph:
    """Read and optimize; both graphs give LiteRT's outputs."""
    graph = read(path)
    wanted = run_litert(path, inputs)
    for version in (graph, optimize(graph)):
        for found, want in zip(outputs(version, *inputs), wanted, strict=True):
            np.testing.assert_allclose(found, want, rtol=0, atol=tolerance)
    return graph


def refusal(path: Path) -> str:
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(path)
    return str(raised.value)


def ints(name: str, *values: int, shape: tuple[int, ...] | None = None) -> TensorSpec:
    """A constant of int32."""
    return TensorSpec(name, (len(values),) if shape is None else shape, "int32", data=values)


# Static shapes ----------------------------------------------------------------------------


def test_sizes_computed_by_arithmetic_fold(tmp_path: Path) -> None:
    """h = SHAPE(x)[1] * 2 - 1 and so on, by every operator that Keras and TensorFlow use for it."""
    x = TensorSpec("x", (1, 3, 4, 2), "int8", 0.1, 3, signature=(-1, 3, 4, 2))
    tensors = [
        x, TensorSpec("shape", (4,), "int32"), ints("one", 1), ints("two", 2), ints("three", 3),
        TensorSpec("h", (), "int32"), ints("scalar2", 2, shape=()), ints("scalar1", 1, shape=()),
        TensorSpec("doubled", (), "int32"), TensorSpec("less", (), "int32"),
        TensorSpec("rest", (2,), "int32"), TensorSpec("product", (), "int32"),
        ints("axis", 0), TensorSpec("flat", (1,), "int32"), ints("minus", -1),
        TensorSpec("want", (2,), "int32"),
        TensorSpec("y", (1, 1), "int8", 0.1, 3, signature=(-1, -1)),
        ints("from", 2, 3), TensorSpec("back", (2,), "int32"),
        TensorSpec("wide", (2,), "int64"), TensorSpec("narrow", (2,), "int32"),
        TensorSpec("most", (2,), "int32"), TensorSpec("rows", (1, 1), "int8", 0.1, 3,
                                                     signature=(-1, -1)),
    ]  # fmt: skip
    at = {t.name: i for i, t in enumerate(tensors)}

    def op(name: str, options: Any, ins: str, out: str) -> tuple[str, Any, list[int], list[int]]:
        return name, options, [at[n] for n in ins.split()], [at[out]]

    write_model(
        tmp_path / "m.tflite",
        [
            op("SHAPE", {"outType": 2}, "x", "shape"),
            op("STRIDED_SLICE", {"shrinkAxisMask": 1}, "shape one two one", "h"),  # 3
            op("MUL", {}, "h scalar2", "doubled"),  # 6
            op("SUB", {}, "doubled scalar1", "less"),  # 5
            op("GATHER", {}, "shape from", "rest"),  # 4, 2
            op("REDUCE_PROD", {}, "rest axis", "product"),  # 8
            op("EXPAND_DIMS", {}, "product axis", "flat"),
            op("CONCATENATION", {}, "minus flat", "want"),  # -1, 8
            op("RESHAPE", None, "x want", "y"),
            op("SHAPE", {"outType": 2}, "y", "back"),  # 3, 8
            op("CAST", {"inDataType": 2, "outDataType": 4}, "back", "wide"),
            op("CAST", {"inDataType": 4, "outDataType": 2}, "wide", "narrow"),
            op("MAXIMUM", {}, "narrow one", "most"),
            op("RESHAPE", None, "y most", "rows"),
        ],
        tensors, [0], [at["rows"], at["less"]],
    )  # fmt: skip
    data = np.arange(24, dtype=np.int8).reshape(1, 3, 4, 2)
    graph = same_as_litert(tmp_path / "m.tflite", data)
    assert [v.type.shape for v in graph.outputs] == [(3, 8), ()]
    assert len(graph.nodes) == 2 and graph.outputs[1].data == 5


def test_sizes_computed_through_floats_fold(tmp_path: Path) -> None:
    """RESIZE to floor(1.5 * shape), and a constant's reciprocal root."""
    path = write_model(
        tmp_path / "m.tflite",
        [
            ("SHAPE", {"outType": 2}, [0], [1]), ("SLICE", {}, [1, 2, 3], [4]),
            ("CAST", {"inDataType": 2, "outDataType": 0}, [4], [5]), ("MUL", {}, [5, 6], [7]),
            ("FLOOR", None, [7], [8]), ("CAST", {"inDataType": 0, "outDataType": 2}, [8], [9]),
            ("RESIZE_NEAREST_NEIGHBOR", {}, [0, 9], [10]), ("RSQRT", None, [6], [11]),
            ("MUL", {}, [10, 11], [12]),
        ],
        [
            TensorSpec("x", (1, 3, 5, 1), "float32"), TensorSpec("shape", (4,), "int32"),
            ints("begin", 1), ints("size", 2), TensorSpec("hw", (2,), "int32"),
            TensorSpec("f", (2,), "float32"), TensorSpec("s", (), "float32", data=1.5),
            TensorSpec("g", (2,), "float32"), TensorSpec("h", (2,), "float32"),
            TensorSpec("n", (2,), "int32"),
            TensorSpec("big", (1, 1, 1, 1), "float32", signature=(-1, -1, -1, 1)),
            TensorSpec("r", (), "float32"),
            TensorSpec("y", (1, 1, 1, 1), "float32", signature=(-1, -1, -1, 1)),
        ],
        [0], [12],
    )  # fmt: skip
    x = np.arange(15, dtype=np.float32).reshape(1, 3, 5, 1)
    graph = same_as_litert(path, x)
    assert graph.outputs[0].type.shape == (1, 4, 7, 1) and len(graph.nodes) == 2


def test_a_size_that_depends_on_the_input_is_told(tmp_path: Path) -> None:
    write_model(
        tmp_path / "m.tflite",
        [("RESHAPE", None, [0, 1], [2])],
        [TensorSpec("x", (1, 6), "int8", 0.1), TensorSpec("n", (2,), "int32"),
         TensorSpec("y", (1, 1), "int8", 0.1, signature=(-1, -1))],
        [0, 1], [2],
    )  # fmt: skip
    text = refusal(tmp_path / "m.tflite")
    assert text.startswith("E305") and "depends on the model's input" in text


def test_an_open_batch_is_one_and_is_said(tmp_path: Path) -> None:
    def model(*signature: int) -> Path:
        return write_model(
            tmp_path / "m.tflite", [("RELU", None, [0], [1])],
            [TensorSpec("x", (1, 4), "float32", signature=signature),
             TensorSpec("y", (1, 4), "float32", signature=signature)], [0], [1],
        )  # fmt: skip

    (note,) = read(model(-1, 4)).notes
    assert "'x' [-1, 4]" in note and "for 1" in note
    assert read(model(1, 4)).notes == ()
    text = refusal(model(-1, -1))  # and nothing of what reads it
    assert text.startswith("E305") and "[-1, -1]" in text and text.count("\n") == 0


@pytest.mark.parametrize("name", ["FILL", "TILE", "BROADCAST_TO"])
def test_a_constant_of_monstrous_size_is_not_made(name: str, tmp_path: Path) -> None:
    size = (1 << 30, 1 << 30)
    given = [1, 2] if name == "FILL" else [2, 1]
    write_model(
        tmp_path / "m.tflite", [(name, None, given, [3]), ("ADD", {}, [0, 3], [4])],
        [TensorSpec("x", (1, 1), "float32"), ints("size", *size),
         TensorSpec("v", () if name == "FILL" else (1, 1), "float32", data=[1]),
         TensorSpec("big", (1, 1), "float32"), TensorSpec("y", (1, 1), "float32")], [0], [4],
    )  # fmt: skip
    assert "its constant operands do not fit" in refusal(tmp_path / "m.tflite")


# Constants --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "blocks", "csr"),
    [
        ((0, 1), {}, {1}),
        ((1, 0), {}, {1}),
        ((0, 1), {}, {0, 1}),
        ((0, 1, 2), {1: 4}, {1}),
        ((0, 1, 2), {1: 16}, {1}),
        ((0, 1, 2, 3), {0: 2, 1: 4}, {1}),
        ((1, 0, 3, 2), {0: 4, 1: 2}, {0, 1}),
        ((0, 1), {}, set()),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int8", "float16"])
def test_sparse_constants_are_what_litert_densifies(
    order: tuple[int, ...], blocks: dict[int, int], csr: set[int], dtype: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(len(order) + sum(blocks.values()))
    dense = rng.integers(-100, 100, (8, 16)) * (rng.random((8, 16)) < 0.2)
    dense[2:4] = 0
    values, sparsity = sparse(dense.astype(dtype), order, blocks, csr)
    scale = 0.5 if dtype == "int8" else None
    tensors = [
        TensorSpec("x", (16, 16), "float32"),
        TensorSpec("s", (8, 16), dtype, scale, raw=values.tobytes(), sparsity=sparsity),
        TensorSpec("d", (8, 16), dtype, scale),
        TensorSpec("f", (8, 16), "float32"),
        TensorSpec("y", (16, 8), "float32"),
    ]
    steps = [("DENSIFY", {}, [1], [2])]
    weights = 2
    if dtype != "float32":
        steps.append(("DEQUANTIZE", {}, [2], [3]))
        weights = 3
    steps.append(("FULLY_CONNECTED", {}, [0, weights, -1], [4]))
    write_model(tmp_path / "m.tflite", steps, tensors, [0], [4])
    graph = same_as_litert(tmp_path / "m.tflite", np.eye(16, dtype=np.float32))
    (node,) = graph.nodes
    np.testing.assert_array_equal(node.inputs[1].data, dense * (scale or 1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("traversalOrder", [0, 0]), ("traversalOrder", [1]), ("blockMap", [5]), ("blockMap", [0]),
        ("segments", [0, 1]), ("segments", [0] * 8 + [1 << 30]), ("indices", [99]),
        ("segments", [5, 3, 0]), ("dense", 1 << 30), ("levels", []), ("values", b"\0" * 7),
    ],
)  # fmt: skip
def test_wrong_sparsity_is_one_line(field: str, value: Any, tmp_path: Path) -> None:
    dense = np.eye(8, 16, dtype=np.int8)
    values, p = sparse(dense, (0, 1), {}, {1})
    content = values.tobytes()
    if field in ("traversalOrder", "blockMap"):
        setattr(p, field, value)
    elif field == "dense":
        p.dimMetadata[0].denseSize = value
    elif field == "levels":
        p.dimMetadata = value
    elif field == "values":
        content = value
    else:
        from ai_edge_litert import schema_py_generated as s

        vector = s.Int32VectorT()
        vector.values = value
        name = f"array{field.capitalize()}"
        setattr(p.dimMetadata[1], name, vector)
        setattr(p.dimMetadata[1], f"{name}Type", s.SparseIndexVector.Int32Vector)
    write_model(
        tmp_path / "m.tflite", [("FULLY_CONNECTED", {}, [0, 1, -1], [2])],
        [TensorSpec("x", (1, 16), "int8", 0.1),
         TensorSpec("w", (8, 16), "int8", 0.1, raw=content, sparsity=p),
         TensorSpec("y", (1, 8), "int8", 0.1)], [0], [2],
    )  # fmt: skip
    text = refusal(tmp_path / "m.tflite")
    assert text.startswith("E301") and "tensor 1 'w'" in text and "\n" not in text


def packed(numbers: np.ndarray, bits: int) -> bytes:
    """Numbers of so many bits each, the first in a byte's lowest ones."""
    each = 8 // bits
    whole = np.append(numbers.ravel(), np.zeros(-numbers.size % each, int)).reshape(-1, each)
    return ((whole & (1 << bits) - 1) << bits * np.arange(each)).sum(1).astype(np.uint8).tobytes()


@pytest.mark.parametrize("activations", ["int8", "float32"])
@pytest.mark.parametrize("bits", [4, 2])
def test_weights_of_few_bits_are_exact(bits: int, activations: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-(1 << bits - 1), 1 << bits - 1, (5, 9))
    whole = activations == "int8"
    s, t, u = (0.1, 0.002, 0.05) if whole else (None, None, None)
    write_model(
        tmp_path / "m.tflite", [("FULLY_CONNECTED", {}, [0, 1, 2], [3])],
        [TensorSpec("x", (1, 9), activations, s, 5),
         TensorSpec("w", (5, 9), f"int{bits}", 0.02, raw=packed(weights, bits)),
         TensorSpec("b", (5,), "int32" if whole else "float32", t, data=rng.integers(-9, 9, 5)),
         TensorSpec("y", (1, 5), activations, u, -3)], [0], [3],
    )  # fmt: skip
    x = rng.integers(-128, 128, (1, 9), np.int8) if whole else rng.normal(0, 1, (1, 9))
    graph = same_as_litert(tmp_path / "m.tflite", x.astype(activations))
    np.testing.assert_array_equal(graph.nodes[0].inputs[1].data, weights)


def test_float16_and_per_channel_weights_become_float32(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    halves = rng.normal(0, 1, (4, 6)).astype(np.float16)
    bytes_ = rng.integers(-127, 128, (3, 4))
    write_model(
        tmp_path / "m.tflite",
        [("DEQUANTIZE", {}, [1], [2]), ("FULLY_CONNECTED", {}, [0, 2, -1], [3]),
         ("DEQUANTIZE", {}, [4], [5]), ("FULLY_CONNECTED", {}, [3, 5, -1], [6])],
        [TensorSpec("x", (1, 6), "float32"), TensorSpec("h", (4, 6), "float16", data=halves),
         TensorSpec("w", (4, 6), "float32"), TensorSpec("m", (1, 4), "float32"),
         TensorSpec("q", (3, 4), "int8", (0.1, 0.2, 0.7), (0, 0, 0), 0, bytes_),
         TensorSpec("v", (3, 4), "float32"), TensorSpec("y", (1, 3), "float32")],
        [0], [6],
    )  # fmt: skip
    x = rng.normal(0, 1, (1, 6)).astype(np.float32)
    graph = same_as_litert(tmp_path / "m.tflite", x, tolerance=1e-5)
    assert len(graph.nodes) == 2


def test_float16_activations_are_told(tmp_path: Path) -> None:
    tensors = [TensorSpec("x", (1, 6), "float16"), TensorSpec("y", (1, 6), "float16")]
    write_model(tmp_path / "m.tflite", [("RELU", None, [0], [1])], tensors, [0], [1])
    assert "E303" in (text := refusal(tmp_path / "m.tflite")) and "FLOAT16" in text


def test_the_axis_of_a_bias_does_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    scales = (0.1, 0.2, 0.3)
    write_model(
        tmp_path / "m.tflite", [("FULLY_CONNECTED", {}, [0, 1, 2], [3])],
        [TensorSpec("x", (1, 4), "int8", 0.5, 1),
         TensorSpec("w", (3, 4), "int8", scales, (0,) * 3, 0, rng.integers(-127, 128, (3, 4))),
         TensorSpec("b", (3,), "int32", tuple(s / 2 for s in scales), (0,) * 3, 3, (10, -20, 30)),
         TensorSpec("y", (1, 3), "int8", 0.4, -2)], [0], [3],
    )  # fmt: skip
    x = np.array([[1, -5, 100, 7]], np.int8)
    graph = read(tmp_path / "m.tflite")
    assert graph.nodes[0].inputs[2].data.tolist() == [10, -20, 30]
    acc = graph.nodes[0].inputs[1].data.astype(int) @ (x[0].astype(int) - 1) + [10, -20, 30]
    want = np.clip(np.round(acc * np.array(scales) * 0.5 / 0.4) - 2, -128, 127)
    assert np.abs(outputs(graph, x)[0] - want).max() <= 1


# What nothing reads, and what is empty ----------------------------------------------------


def test_what_no_output_depends_on_is_ignored(tmp_path: Path) -> None:
    write_model(
        tmp_path / "m.tflite",
        [("RELU", None, [0], [1]), ("RFFT2D", {}, [0, 2], [3])],
        [TensorSpec("x", (1, 4), "float32"), TensorSpec("y", (1, 4), "float32"), ints("n", 1, 4),
         TensorSpec("c", (1, 3), "complex64"), TensorSpec("labels", (2,), "string", raw=b"ab")],
        [0], [1],
    )  # fmt: skip
    assert len(read(tmp_path / "m.tflite").nodes) == 1


def test_empty_parts_operands_and_biases(tmp_path: Path) -> None:
    write_model(
        tmp_path / "m.tflite",
        [("SPLIT_V", {"numSplits": 3}, [0, 1, 2], [3, 4, 5]),
         ("CONCATENATION", {"axis": 1}, [4, 5, 3], [6]),
         ("FULLY_CONNECTED", {}, [6, 7, 8], [9])],
        [TensorSpec("x", (1, 4), "float32"), ints("sizes", 3, 1, 0), ints("axis", 1, shape=()),
         TensorSpec("a", (1, 3), "float32"), TensorSpec("b", (1, 1), "float32"),
         TensorSpec("none", (1, 0), "float32"), TensorSpec("c", (1, 4), "float32"),
         TensorSpec("w", (2, 4), "float32", data=np.arange(8)), TensorSpec("bias", (0,), "float32"),
         TensorSpec("y", (1, 2), "float32")],
        [0], [9],
    )  # fmt: skip
    graph = read(tmp_path / "m.tflite")
    (y,) = outputs(graph, np.array([[1, 2, 3, 4]], np.float32))
    np.testing.assert_array_equal(y, [[0 * 4 + 1 + 4 + 9, 16 + 5 + 12 + 21]])


def test_an_empty_activation_is_told(tmp_path: Path) -> None:
    x, e, y = (TensorSpec(n, (1, 4 if n == "x" else 0), "float32") for n in "xey")
    tensors = [x, e, ints("begin", 0, 0), ints("size", 1, 0), y]
    write_model(
        tmp_path / "m.tflite", [("SLICE", {}, [0, 2, 3], [1]), ("RELU", None, [1], [4])],
        tensors, [0], [4],
    )  # fmt: skip
    text = refusal(tmp_path / "m.tflite")
    assert text.startswith("E302") and "empty" in text


# Errors -----------------------------------------------------------------------------------


def test_layers_that_are_never_hybrid_are_named_once(tmp_path: Path) -> None:
    tensors = [TensorSpec("x", (1, 4, 4), "float32")]
    for i in range(3):
        tensors += [TensorSpec(f"w{i}", (1, 4, 4), "int8", 0.1, data=np.ones((1, 4, 4))),
                    TensorSpec(f"y{i}", (1, 4, 4), "float32")]  # fmt: skip
    layers = [("BATCH_MATMUL", {}, [2 * i, 2 * i + 1], [2 * i + 2]) for i in range(3)]
    text = refusal(write_model(tmp_path / "m.tflite", layers, tensors, [0], [6]))
    assert text.startswith("E330") and "dynamic-range" in text and "3 of its layers" in text
    assert "\n" not in text and "representative_dataset" in text


@pytest.mark.parametrize(
    ("x", "w", "scales", "text"),
    [
        (("uint8", 7), ("int8", 0), 1, "E346"), (("int8", 7), ("uint8", 9), 1, "E346"),
        (("uint8", 7), ("uint8", 9), 4, "E304"), (("int8", 7), ("int8", 9), 1, "E304"),
        (("float32", 0), ("int8", 9), 1, "E304"), (("float32", 0), ("uint8", 128), 1, "E330"),
    ],
)  # fmt: skip
def test_weights_that_litert_would_not_take_are_refused(
    x: tuple[str, int], w: tuple[str, int], scales: int, text: str, tmp_path: Path
) -> None:
    """Types of another kind than the input's, and zero points where they do not count."""
    scale = None if x[0] == "float32" else 0.1
    path = write_model(
        tmp_path / "m.tflite", [("FULLY_CONNECTED", {}, [0, 1, -1], [2])],
        [TensorSpec("x", (1, 4), x[0], scale, x[1]),
         TensorSpec("w", (4, 4), w[0], [0.1] * scales, [w[1]] * scales, data=np.eye(4)),
         TensorSpec("y", (1, 4), x[0], scale, x[1])], [0], [2],
    )  # fmt: skip
    line = refusal(path)
    assert line.startswith(text) and "\n" not in line


def test_state_in_variable_tensors_is_named(tmp_path: Path) -> None:
    write_model(
        tmp_path / "m.tflite",
        [("BIDIRECTIONAL_SEQUENCE_RNN", None, [0, 1, 1, 1, 1], [2]), ("RELU", None, [2], [3])],
        [TensorSpec("x", (1, 4), "float32"), TensorSpec("h", (1, 4), "float32", variable=True),
         TensorSpec("m", (1, 4), "float32"), TensorSpec("y", (1, 4), "float32")],
        [0], [3],
    )  # fmt: skip
    (line,) = refusal(tmp_path / "m.tflite").splitlines()
    assert line.startswith("E300") and "unroll=True" in line
    write_model(
        tmp_path / "v.tflite", [("ADD", {}, [0, 1], [2])],
        [TensorSpec("x", (1, 4), "float32"), TensorSpec("h", (1, 4), "float32", variable=True),
         TensorSpec("y", (1, 4), "float32")], [0], [2],
    )  # fmt: skip
    text = refusal(tmp_path / "v.tflite")
    assert text.startswith("E302") and "keeps state" in text


def test_a_handle_is_no_number(tmp_path: Path) -> None:
    tensors = [TensorSpec(name, (1, 4), "float32") for name in ("x", "handle", "y")]
    read_it = [("VAR_HANDLE", {"sharedName": "v"}, [], [1]), ("ADD", {}, [0, 1], [2])]
    give_it = [("ADD", {}, [0, 0], [1]), ("VAR_HANDLE", {"sharedName": "v"}, [], [2])]
    for steps, words in ((read_it, "reads tensor 1 before"), (give_it, "2 is never computed")):
        write_model(tmp_path / "m.tflite", steps, tensors, [0], [2])
        text = refusal(tmp_path / "m.tflite")
        assert text.startswith("E30") and words in text


def test_errors_are_counted_by_kind(tmp_path: Path) -> None:
    tensors = [TensorSpec(f"t{i}", (1, 4), "float32") for i in range(2001)]
    steps = [(("MATRIX_DIAG", "SEGMENT_SUM")[i % 2], {}, [i], [i + 1]) for i in range(2000)]
    write_model(tmp_path / "m.tflite", steps, tensors, [0], [2000])
    first, second, last = refusal(tmp_path / "m.tflite").splitlines()
    assert "op 0 't1' (MATRIX_DIAG)" in first and first.endswith("(and 999 more like it)")
    assert "op 1 't2' (SEGMENT_SUM)" in second and second.endswith("(and 999 more like it)")
    assert last.startswith("E353 m.tflite: 2,000 of its 2,000 operators are refused, for 2 reasons")


@pytest.mark.parametrize(
    ("operators", "words"),
    [
        ("rrrrmr", "op 4 't5' (MATRIX_DIAG): this operator is not supported; see `tinyc ops`"),
        ("rrrrmrm", "2 of its 7 operators are refused; end the model before op 4 't5' (MATRIX_"),
        ("mmrrrr", "2 of its 6 operators are refused; begin the model behind op 1 't2' (MATRIX_"),
        ("rmrrsr", "2 of its 6 operators are refused, for 2 reasons; use other layers there"),
        ("reer", "2 of its 4 operators are refused; it is code for an accelerator: give the"),
        ("rfrrfr", "2 of its 6 operators are refused; convert the model without tf.lite.OpsSet"),
    ],
)
def test_a_refused_model_is_told_the_way_out(operators: str, words: str, tmp_path: Path) -> None:
    names = {
        "m": "MATRIX_DIAG", "s": "SEGMENT_SUM", "r": "RELU6", "f": "CUSTOM FlexErf",
        "e": "CUSTOM ethos-u",
    }  # fmt: skip
    tensors = [TensorSpec(f"t{i}", (1, 4), "float32") for i in range(len(operators) + 1)]
    steps = [(names[kind], {}, [i], [i + 1]) for i, kind in enumerate(operators)]
    write_model(tmp_path / "m.tflite", steps, tensors, [0], [len(operators)])
    *_, line = refusal(tmp_path / "m.tflite").splitlines()
    assert words in line


def test_only_some_kinds_are_printed() -> None:
    kinds = [CompileError("E300", f"m: op {i} 'x' (OP{i})", "is not supported") for i in range(50)]
    lines = str(CompileErrors((*kinds, *kinds))).splitlines()
    assert len(lines) == 21 and lines[0].endswith("(and 1 more like it)")
    assert lines[-1] == "E300 and 60 more, of 30 other kinds"


@pytest.mark.parametrize("called", [False, True])
def test_other_subgraphs_matter_only_if_they_are_called(called: bool, tmp_path: Path) -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as s

    tensors = [TensorSpec(name, (1, 4), "float32") for name in "xy"]
    steps = [
        ("RELU", None, [0], [1]),
        *([("CALL_ONCE", {"initSubgraphIndex": 1}, [], [])] if called else []),
    ]
    path = write_model(tmp_path / "m.tflite", steps, tensors, [0], [1])
    model = s.ModelT.InitFromObj(s.Model.GetRootAs(bytearray(path.read_bytes())))
    body = s.SubGraphT()
    body.name, body.tensors, body.operators, body.inputs, body.outputs = "init", [], [], [], []
    if called:
        # It reads a tensor of its own that nothing computes.
        body.tensors, body.outputs = model.subgraphs[0].tensors, [1]
        body.operators = model.subgraphs[0].operators[:1]
    model.subgraphs.append(body)
    model.signatureDefs = []
    for index, name in enumerate(("serving_default", "init")):
        signature = s.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name, index
        signature.inputs, signature.outputs = [], []
        model.signatureDefs.append(signature)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    if called:
        text = refusal(path)
        assert text.startswith("E301") and "reads tensor 0 before" in text and "\n" not in text
    else:
        (note,) = read(path).notes
        assert note == "m.tflite: its first signature is compiled, without 'init'"


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.tflite")
    with (tmp_path / "huge.tflite").open("wb") as file:
        file.truncate(3 << 30)
    for name, id in (
        ("fifo.tflite", "E203"), ("huge.tflite", "E333"), ("a\0b.tflite", "E202"), (".", "E203"),
    ):  # fmt: skip
        text = refusal(tmp_path / name)
        assert text.startswith(id) and text.isprintable()


# Resources --------------------------------------------------------------------------------


def flatbuffer(path: Path, operators: int, operands: int) -> Path:
    """A file whose vectors name one table again and again: it is small, what it says is not."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as s

    b = flatbuffers.Builder(1 << 16)

    def vector(start: Any, items: list[int], prepend: Any) -> int:
        start(b, len(items))
        for item in reversed(items):
            prepend(item)
        return b.EndVector()

    s.OperatorCodeStart(b)
    s.OperatorCodeAddBuiltinCode(b, s.BuiltinOperator.UNIQUE)
    s.OperatorCodeAddDeprecatedBuiltinCode(b, s.BuiltinOperator.UNIQUE)
    code = s.OperatorCodeEnd(b)
    shape = vector(s.TensorStartShapeVector, [1, 4], b.PrependInt32)
    label = b.CreateString("name" * 10_000)
    s.TensorStart(b)
    s.TensorAddShape(b, shape)
    s.TensorAddName(b, label)
    tensor = s.TensorEnd(b)
    ins = vector(s.OperatorStartInputsVector, [0] * operands, b.PrependInt32)
    outs = vector(s.OperatorStartOutputsVector, [1], b.PrependInt32)
    s.OperatorStart(b)
    s.OperatorAddInputs(b, ins)
    s.OperatorAddOutputs(b, outs)
    op = s.OperatorEnd(b)
    ops = vector(s.SubGraphStartOperatorsVector, [op] * operators, b.PrependUOffsetTRelative)
    both = vector(s.SubGraphStartTensorsVector, [tensor] * 2, b.PrependUOffsetTRelative)
    graph_in = vector(s.SubGraphStartInputsVector, [0], b.PrependInt32)
    graph_out = vector(s.SubGraphStartOutputsVector, [1], b.PrependInt32)
    s.SubGraphStart(b)
    s.SubGraphAddTensors(b, both)
    s.SubGraphAddInputs(b, graph_in)
    s.SubGraphAddOutputs(b, graph_out)
    s.SubGraphAddOperators(b, ops)
    graph = s.SubGraphEnd(b)
    graphs = vector(s.ModelStartSubgraphsVector, [graph], b.PrependUOffsetTRelative)
    codes = vector(s.ModelStartOperatorCodesVector, [code], b.PrependUOffsetTRelative)
    s.ModelStart(b)
    s.ModelAddVersion(b, 3)
    s.ModelAddOperatorCodes(b, codes)
    s.ModelAddSubgraphs(b, graphs)
    b.Finish(s.ModelEnd(b), b"TFL3")
    path.write_bytes(bytes(b.Output()))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operators", "operands", "word"),
    [(200_000, 1, "operators"), (16_000, 1, "15,999 more"), (100, 100_000, "operands")],
)
def test_a_small_file_that_says_much_is_refused_at_once(
    operators: int, operands: int, word: str, tmp_path: Path
) -> None:
    path = flatbuffer(tmp_path / "m.tflite", operators, operands)
    start = time.process_time()
    lines = refusal(path).splitlines()
    assert time.process_time() - start < 10
    assert len(lines) <= 2 and any(word in line for line in lines), lines


def test_sparse_constants_that_hold_nothing_take_no_memory(tmp_path: Path) -> None:
    """50 tensors of 4096 x 4096, all levels dense, with 8 values each: 15 KB of file."""
    from ai_edge_litert import schema_py_generated as s

    p = s.SparsityParametersT()
    p.traversalOrder, p.blockMap, p.dimMetadata = [0, 1], [], []
    for _ in range(2):
        level = s.DimensionMetadataT()
        level.denseSize = 4096
        p.dimMetadata.append(level)
    tensors = [TensorSpec("x", (1, 4096), "int8", 0.1)]
    for i in range(50):
        weights = TensorSpec(f"w{i}", (4096, 4096), "int8", 0.1, raw=bytes([i] * 8), sparsity=p)
        tensors += [weights, TensorSpec(f"y{i}", (1, 4096), "int8", 0.1)]
    steps = [("FULLY_CONNECTED", {}, [2 * i, 2 * i + 1, -1], [2 * i + 2]) for i in range(50)]
    path = write_model(tmp_path / "m.tflite", steps, tensors, [0], [100])
    tracemalloc.start()
    try:
        lines = refusal(path).splitlines()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(lines) <= 2 and all(line.startswith("E301") for line in lines)
    assert peak < 16 << 20


def test_names_with_nul_and_control_characters(tmp_path: Path) -> None:
    tensors = [
        TensorSpec("x\0\n*/", (1, 4), "float32"),
        TensorSpec("y\0\033[31m", (1, 4), "float32"),
    ]
    path = write_model(tmp_path / "m.tflite", [("SEGMENT_SUM", {}, [0], [1])], tensors, [0], [1])
    text = refusal(path)
    assert text.isprintable() and r"\x00" in text
    write_model(path, [("RELU", None, [0], [1])], tensors, [0], [1])
    sources = compile_model(path, load_board("nucleo_f446re")).c_library.files
    assert not any("\0" in text or "\033" in text for text in sources.values())


def test_deep_custom_options_are_one_line(tmp_path: Path) -> None:
    from flatbuffers import flexbuffers

    nested: Any = 1
    for _ in range(60):
        nested = {"a": nested}
    for options in (bytes(flexbuffers.Dumps(nested)), b"\xff" * 5000, b"\x00\x24\x01", b""):
        path = write_model(
            tmp_path / "m.tflite", [("CUSTOM LceBMaxPool2d", options, [0], [1])],
            [TensorSpec("x", (1, 4, 4, 1), "int32"), TensorSpec("y", (1, 2, 2, 1), "int32")],
            [0], [1],
        )  # fmt: skip
        text = refusal(path)
        assert text.startswith("E301") and "custom options" in text and "\n" not in text


def _wide(path: Path, side: int, layers: int) -> Path:
    """``layers`` fully connected layers that share one buffer of side x side weights."""
    weights = np.full((side, side), 3, np.int8)
    tensors = [TensorSpec("x", (1, side), "int8", 0.1)]
    for i in range(layers):
        tensors += [TensorSpec(f"w{i}", (side, side), "int8", 0.1, data=weights),
                    TensorSpec(f"y{i}", (1, side), "int8", 0.1)]  # fmt: skip
    steps = [("FULLY_CONNECTED", {}, [2 * i, 2 * i + 1, -1], [2 * i + 2]) for i in range(layers)]
    return write_model(path, steps, tensors, [0], [2 * layers])


@pytest.mark.slow
@pytest.mark.parametrize(("side", "layers"), [(2560, 150), (6000, 1)])
def test_weights_that_cannot_fit_are_told_before_any_work(
    side: int, layers: int, tmp_path: Path
) -> None:
    """A process of its own, whose memory is bounded to what the file itself takes and 250 MB."""
    path = _wide(tmp_path / "m.tflite", side, layers)
    most = path.stat().st_size + (250 << 20)
    code = (
        "import re, sys; from pathlib import Path; from tinyc.cli.app import execute; "
        f"code = execute(['build', {str(path)!r}, '-b', 'nucleo_f446re']); "
        "used = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]; "
        f"sys.exit(99 if int(used) * 1024 > {most} else code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert done.returncode == 4 and used < 10, done.stderr
    assert f"E401 m on nucleo_f446re: does not fit: its weights take at least {side**2 // 8:,}" in (
        done.stderr
    )


def test_the_least_size_counts_what_may_shrink(tmp_path: Path) -> None:
    from tinyc.image.fit import least_weights

    dead = np.ones((8, 1, 1, 4), np.int8)
    dead[:6] = 0
    tensors = [
        TensorSpec("x", (1, 2, 2, 4), "int8", 0.1),
        TensorSpec("w", (8, 1, 1, 4), "int8", 0.1, data=dead),
        TensorSpec("m", (1, 2, 2, 8), "int8", 0.1),
        TensorSpec("v", (4, 1, 1, 8), "int8", 0.1, data=np.ones((4, 1, 1, 8))),
        TensorSpec("y", (1, 2, 2, 4), "int8", 0.1),
    ]
    conv = {"strideW": 1, "strideH": 1, "padding": 1}
    write_model(
        tmp_path / "m.tflite",
        [("CONV_2D", conv, [0, 1, -1], [2]), ("CONV_2D", conv, [2, 3, -1], [4])],
        tensors, [0], [4],
    )  # fmt: skip
    graph = read(tmp_path / "m.tflite")
    kept = sum(n.inputs[1].type.bytes for n in optimize(graph).nodes)
    assert 0 < least_weights(graph, False, False) <= kept < 64
    for kind, scale, least in (("float32", None, 48), ("int8", 0.1, 1)):
        weights = TensorSpec("w", (3, 4), kind, scale, data=np.ones(12))
        write_model(
            tmp_path / "f.tflite", [("FULLY_CONNECTED", {}, [0, 1, -1], [2])],
            [TensorSpec("x", (1, 4), "float32"), weights, TensorSpec("y", (1, 3), "float32")],
            [0], [2],
        )  # fmt: skip
        graph = read(tmp_path / "f.tflite")
        assert least_weights(graph, False, False) == least
        assert least_weights(graph, True, False) == 1


@pytest.mark.slow
def test_tensorflow_s_lists_of_tensors_are_resolved(tmp_path: Path) -> None:
    """Recurrent layers as the converter leaves them with TensorFlow's operators allowed."""
    tf = pytest.importorskip("tensorflow")
    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    network = tf.keras.Sequential([
        layers.Input((5, 3), batch_size=1), layers.GRU(4, return_sequences=True),
        layers.SimpleRNN(2),
    ])  # fmt: skip
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS
    ]  # fmt: skip
    converter._experimental_lower_tensor_list_ops = False
    path = tmp_path / "m.tflite"
    path.write_bytes(converter.convert())
    assert b"FlexTensorListSetItem" in path.read_bytes()
    graph = read(path)
    x = np.random.default_rng(1).normal(size=(1, 5, 3)).astype(np.float32)
    found = interpret(graph, [x])[graph.outputs[0]]
    np.testing.assert_allclose(found, network(x).numpy(), rtol=1e-5, atol=1e-6)

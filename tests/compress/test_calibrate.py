"""Calibration: every operator's int8 form, what stays an integer, and where numbers meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import TensorSpec, run_litert, write_model

from tinyc.compress.calibrate import calibrate, coarse, float_nodes
from tinyc.errors import CompileError
from tinyc.frontends.tflite import read, rules
from tinyc.ir import (
    DType,
    Graph,
    Node,
    Op,
    Quant,
    State,
    TensorType,
    Value,
    interpret,
    kept,
    verify,
)
from tinyc.job import Job
from tinyc.ops.base import all_ops
from tinyc.ops.byte_table import ByteTable
from tinyc.ops.concat import Concat, Rescale
from tinyc.ops.div import Div
from tinyc.ops.elementwise_math import Log, Rsqrt, Sqrt
from tinyc.ops.fully_connected import FullyConnected
from tinyc.ops.gather import GatherComputed
from tinyc.ops.pow import Pow
from tinyc.ops.relu import Relu
from tinyc.ops.tanh import Tanh
from tinyc.passes import optimize
from tinyc.pipeline import CompileOptions, compile_model
from tinyc.reference import original, reference
from tinyc.run.data import dequantize, given_samples, quantize, random_samples
from tinyc.settings import Config
from tinyc.target.boards import load_board

STEPS = 1.0
"""How far an int8 output may lie from the float one, in steps of its quantization, where both
read the same numbers: half a step is the output's own rounding, the rest is that of the sums
and tables in between (the worst seen is 0.75, of PRELU)."""


def _float_cases(op: type[Op]) -> list[Node]:
    rng = np.random.default_rng(0)
    return [
        node
        for node in op.cases(rng)
        if type(node.op) is op
        and (op is not Pow or (node.inputs[1].constant and node.inputs[1].type.elements == 1))
        and any(v.type.dtype is DType.F32 for v in (*node.variable_inputs, *node.outputs))
    ]


def _has_int8(op: type[Op]) -> bool:
    """Whether it computes with int8; what stands in uint8 files alone is never calibrated."""
    values = (
        v for n in op.cases(np.random.default_rng(0)) for v in (*n.variable_inputs, *n.outputs)
    )
    return op is not Rescale and any(v.type.dtype is DType.I8 for v in values)


def _draw(node: Node, value: Value, rng: np.random.Generator) -> np.ndarray:
    shape, dtype = value.type.shape, value.type.dtype
    if dtype is DType.F32:
        numbers = rng.normal(0, 2, shape).astype(np.float32)
        # Below 0 there is no root and no logarithm, and near it they and quotients have no range.
        bounded = isinstance(node.op, (Sqrt, Rsqrt, Log, Div, Pow))
        return np.abs(numbers) + np.float32(0.5) if bounded else numbers
    if dtype is DType.BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    low, high = dtype.limits
    if isinstance(node.op, GatherComputed):
        low, high = 0, node.inputs[0].type.shape[node.op.axis] - 1
    return rng.integers(low, high, shape, dtype.numpy, endpoint=True)


def _narrowed(arrays: Sequence[np.ndarray], graph: Graph) -> list[np.ndarray]:
    """Samples of the float graph as ``graph`` takes them."""
    return [
        x if x.dtype == v.type.dtype.numpy else quantize(x, v.type)
        for x, v in zip(arrays, graph.inputs, strict=True)
    ]


def _real(array: np.ndarray, type: TensorType) -> np.ndarray:
    """The numbers for which an array stands, whatever its type and its axis of scales."""
    if type.quant is None or not type.quant.per_channel:
        return dequantize(array, type)
    shape = [1] * array.ndim
    shape[type.quant.axis] = -1
    return array * np.array(type.quant.scale, np.float32).reshape(shape)


def _with_rounded_constants(node: Node, made: Node) -> Node:
    """The float ``node`` with the constants that its int8 form has, where those are int8."""
    inputs = [
        replace(old, data=_real(new.data, new.type).astype(np.float32))
        if old.data is not None and new.data is not None and new.type.dtype is DType.I8
        and old.type.dtype is DType.F32
        else old
        for old, new in zip(node.inputs, made.inputs, strict=True)
    ]  # fmt: skip
    return replace(node, inputs=tuple(inputs))


IMPORTED = {rule.op for rule in rules.load().values()}


@pytest.mark.parametrize(
    "op", [op for op in all_ops() if op in IMPORTED and _has_int8(op)], ids=lambda op: op.__name__
)
def test_each_operator_calibrates_to_nearly_its_float_form(op: type[Op]) -> None:
    """Every float case of every operator that has an int8 form; `STEPS` is the bound."""
    rng = np.random.default_rng(1)
    cases = _float_cases(op)
    assert cases, "an int8 operator without a float case: nothing shows that it calibrates"
    for node in cases:
        graph = Graph("case", node.variable_inputs, node.outputs, (node,))
        samples = [[_draw(node, v, rng) for v in graph.inputs] for _ in range(6)]
        if not op.calibrates:
            with pytest.raises(CompileError, match=r"E308 .*full integer quantization"):
                calibrate(graph, samples)
            continue
        made = calibrate(graph, samples)
        better = optimize(made)
        (twin,) = (n for n in made.nodes if n.outputs == made.outputs)
        like = _with_rounded_constants(node, twin)
        for arrays in samples:
            narrow = _narrowed(arrays, made)
            real = [
                dequantize(q, v.type) if x.dtype == np.float32 else x
                for q, v, x in zip(narrow, made.inputs, arrays, strict=True)
            ]
            want = interpret(replace(graph, nodes=(like,)), real)
            values, exact = interpret(made, narrow), interpret(better, narrow)
            for old, new, out in zip(graph.outputs, made.outputs, better.outputs, strict=True):
                same = exact[out] if out.data is None else out.data
                np.testing.assert_array_equal(values[new], same)
                step = new.type.scale if new.type.quant else 0
                wanted = _real(want[old], old.type)
                if step:  # rounded inputs may lead beyond the range that was seen
                    wanted = np.clip(wanted, *dequantize(np.array(new.type.dtype.limits), new.type))
                off = np.abs(_real(values[new], new.type) - wanted).max()
                assert off <= STEPS * step, (str(node.op), off / step if step else off)


# Integers and what comes of them ----------------------------------------------------------

Ops = Sequence[tuple[str, dict[str, object] | None, Sequence[int], Sequence[int]]]


def _model(path: Path, ops: Ops, tensors: Sequence[TensorSpec], inputs: int = 1) -> Path:
    """A file whose first tensors are its inputs and whose last is its output."""
    return write_model(path, ops, tensors, list(range(inputs)), [len(tensors) - 1])


def _calibrated(path: Path, samples: Sequence[Sequence[np.ndarray]]) -> tuple[Graph, Graph]:
    """The float graph and what a firmware is made of."""
    source = read(path)
    made = optimize(calibrate(source, samples))
    return source, made


def _off(source: Graph, made: Graph, samples: Sequence[Sequence[np.ndarray]]) -> float:
    """The greatest difference of the outputs, in steps, or as they are where there is no scale."""
    worst = 0.0
    for arrays in samples:
        want = interpret(source, arrays)
        got = interpret(made, _narrowed(arrays, made))
        for old, new in zip(source.outputs, made.outputs, strict=True):
            a, b = _real(got[new], new.type), _real(want[old], old.type)
            step = new.type.scale if new.type.quant else 1.0
            worst = max(worst, float(np.abs(a - b).max()) / step)
    return worst


def _names(graph: Graph) -> list[str]:
    return [type(n.op).__name__ for n in graph.nodes]


def _embedding(path: Path, vocabulary: int, dtype: str) -> Path:
    """Ids [1, 6] of ``dtype`` -> CAST -> GATHER of [vocabulary, 4] -> MEAN."""
    table = np.random.default_rng(0).normal(0, 2, (vocabulary, 4))
    return _model(
        path,
        [
            ("CAST", {}, [0], [1]),
            ("GATHER", {"axis": 0}, [2, 1], [3]),
            ("MEAN", {"keepDims": False}, [3, 4], [5]),
        ],
        [
            TensorSpec("ids", (1, 6), dtype),
            TensorSpec("index", (1, 6), "int32"),
            TensorSpec("table", (vocabulary, 4), "float32", data=table),
            TensorSpec("rows", (1, 6, 4), "float32"),
            TensorSpec("axis", (1,), "int32", data=[1]),
            TensorSpec("mean", (1, 4), "float32"),
        ],
    )


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_ids_stay_what_they_are(tmp_path: Path, dtype: str) -> None:
    """No id of 500 is lost, seen in calibration or not, and the table becomes int8."""
    rng = np.random.default_rng(2)
    vocabulary = 250 if dtype == "uint8" else 500
    path = _embedding(tmp_path / "ids.tflite", vocabulary, dtype)
    few, all_ids = (
        [[ids.reshape(1, 6).astype(dtype)] for ids in rng.integers(0, most, (50, 6))]
        for most in (40, vocabulary)
    )
    source, made = _calibrated(path, few)
    (ids,), (out,) = made.inputs, made.outputs
    assert (ids.type, out.type.dtype) == (source.inputs[0].type, DType.I8)
    (table,) = (v for n in made.nodes for v in n.inputs if v.name == "table")
    assert table.type.dtype is DType.I8
    assert _off(source, made, few) <= 2
    # Means beyond those of the calibration saturate, rows do not.
    rows = [replace(g, outputs=(g.nodes[-1].inputs[0],)) for g in (source, made)]
    assert _off(*rows, all_ids) <= 0.51


def test_scaled_ids_stay_float32(tmp_path: Path) -> None:
    """Ids that come as fractions are multiplied before they are cut to integers."""
    rng = np.random.default_rng(3)
    table = TensorSpec("table", (300, 4), "float32", data=rng.normal(0, 2, (300, 4)))
    path = _model(
        tmp_path / "scaled.tflite",
        [
            ("MUL", {}, [0, 1], [2]),
            ("ADD", {}, [2, 3], [4]),
            ("CAST", {}, [4], [5]),
            ("GATHER", {"axis": 0}, [6, 5], [7]),
        ],
        [
            TensorSpec("x", (1, 3), "float32"),
            TensorSpec("count", (), "float32", data=300),
            TensorSpec("scaled", (1, 3), "float32"),
            TensorSpec("half", (), "float32", data=0.5),
            TensorSpec("rounded", (1, 3), "float32"),
            TensorSpec("index", (1, 3), "int32"),
            table,
            TensorSpec("rows", (1, 3, 4), "float32"),
        ],
    )
    x = (rng.integers(0, 300, (40, 1, 3)) / 300).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    made = compile_model(path, load_board("stm32"), CompileOptions(calibration=tmp_path / "x.npz"))
    assert _names(made.graph) == ["Mul", "Add", "Cast", "GatherComputed"]
    assert _off(made.source, made.plan.graph, [[row] for row in x]) <= 0.51


def test_a_column_of_ids_does_not_widen_the_range_of_the_others(tmp_path: Path) -> None:
    """[1, 3]: an id up to 400 and two numbers under 1; the numbers keep their own 256 steps."""
    rng = np.random.default_rng(4)
    path = _model(
        tmp_path / "columns.tflite",
        [
            ("SLICE", {}, [0, 1, 2], [3]),
            ("SLICE", {}, [0, 4, 5], [6]),
            ("CAST", {}, [3], [7]),
            ("GATHER", {"axis": 0}, [8, 7], [9]),
            ("RESHAPE", {"newShape": [1, 2]}, [9, 10], [11]),
            ("CONCATENATION", {"axis": 1}, [11, 6], [12]),
        ],
        [
            TensorSpec("x", (1, 3), "float32"),
            TensorSpec("b0", (2,), "int32", data=[0, 0]),
            TensorSpec("s0", (2,), "int32", data=[1, 1]),
            TensorSpec("id", (1, 1), "float32"),
            TensorSpec("b1", (2,), "int32", data=[0, 1]),
            TensorSpec("s1", (2,), "int32", data=[1, 2]),
            TensorSpec("numbers", (1, 2), "float32"),
            TensorSpec("index", (1, 1), "int32"),
            TensorSpec("table", (400, 2), "float32", data=rng.uniform(-1, 1, (400, 2))),
            TensorSpec("row", (1, 1, 2), "float32"),
            TensorSpec("shape", (2,), "int32", data=[1, 2]),
            TensorSpec("flat", (1, 2), "float32"),
            TensorSpec("y", (1, 4), "float32"),
        ],
    )
    ids = rng.integers(0, 400, (60, 1, 1))
    x = np.concatenate([ids, rng.uniform(-1, 1, (60, 1, 2))], 2).astype(np.float32)
    source, made = _calibrated(path, [[row] for row in x])
    assert made.inputs[0].type.dtype is DType.F32
    assert made.outputs[0].type.scale < 0.01
    assert _off(source, made, [[row] for row in x]) <= 0.51


@pytest.mark.parametrize(
    ("dtype", "stays"),
    [("uint8", []), ("int8", []), ("int16", []), ("int32", ["Cast", "Quantize"]),
     ("bool", ["Cast", "Quantize"])],
)  # fmt: skip
def test_integer_inputs_keep_their_type(tmp_path: Path, dtype: str, stays: list[str]) -> None:
    """CAST to float32, then a dense layer. Bytes are exact in int8, and no float is left."""
    rng = np.random.default_rng(5)
    path = _model(
        tmp_path / "cast.tflite",
        [("CAST", {}, [0], [1]), ("FULLY_CONNECTED", {}, [1, 2, 3], [4])],
        [
            TensorSpec("x", (1, 8), dtype),
            TensorSpec("real", (1, 8), "float32"),
            TensorSpec("weights", (3, 8), "float32", data=rng.normal(0, 1, (3, 8))),
            TensorSpec("bias", (3,), "float32", data=rng.normal(0, 9, 3)),
            TensorSpec("y", (1, 3), "float32"),
        ],
    )
    low, high = {"bool": (0, 1)}.get(dtype) or (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if dtype == "int32":
        low, high = -5000, 5000
    samples = [[row] for row in rng.integers(low, high + 1, (40, 1, 8)).astype(dtype)]
    source, made = _calibrated(path, samples)
    assert made.inputs[0].type.dtype.numpy == np.dtype(dtype)
    assert [type(n.op).__name__ for n in float_nodes(made)] == stays
    assert _off(source, made, samples) <= 4


def test_indices_out_of_a_network_stay_integers(tmp_path: Path) -> None:
    """ARG_MAX of 300 scores, and that index as float32: every one of them can come out."""
    rng = np.random.default_rng(6)
    path = _model(
        tmp_path / "best.tflite",
        [("ARG_MAX", {"outputType": 2}, [0, 1], [2]), ("CAST", {}, [2], [3])],
        [
            TensorSpec("x", (1, 300), "float32"),
            TensorSpec("axis", (1,), "int32", data=[1]),
            TensorSpec("best", (1,), "int32"),
            TensorSpec("y", (1,), "float32"),
        ],
    )
    samples = [[rng.permutation(300)[None].astype(np.float32)] for _ in range(20)]
    samples = [[np.where(x == 299, 900, x).astype(np.float32)] for (x,) in samples]
    source, made = _calibrated(path, samples)
    assert made.inputs[0].type.dtype is DType.I8
    assert made.outputs[0].type == TensorType((1,), DType.F32)
    assert _off(source, made, samples) == 0


def test_a_number_that_is_cut_to_an_integer_is_float32_there(tmp_path: Path) -> None:
    """sigmoid * 255 -> uint8: the product and the cut are those of the float network."""
    rng = np.random.default_rng(7)
    path = _model(
        tmp_path / "image.tflite",
        [("LOGISTIC", None, [0], [1]), ("MUL", {}, [1, 2], [3]), ("CAST", {}, [3], [4])],
        [
            TensorSpec("x", (1, 9), "float32"),
            TensorSpec("p", (1, 9), "float32"),
            TensorSpec("most", (), "float32", data=255),
            TensorSpec("real", (1, 9), "float32"),
            TensorSpec("y", (1, 9), "uint8"),
        ],
    )
    samples = [[row] for row in rng.normal(0, 2, (30, 1, 9)).astype(np.float32)]
    source, made = _calibrated(path, samples)
    (table,) = made.nodes
    assert isinstance(table.op, ByteTable)
    assert table.op.of == ("Logistic", "Dequantize", "Mul", "Cast")
    assert made.outputs[0].type.dtype is DType.U8
    # x has a step of about 1/20, of which a sigmoid changes by up to a quarter
    assert _off(source, made, samples) <= 255 * made.inputs[0].type.scale / 8 + 2


# Quantizations that meet ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        (["LOGISTIC", "TANH"], ["ByteTable", "ByteTable", "Concat"]),
        (["LOGISTIC", "LOGISTIC"], ["Logistic", "Logistic", "Concat"]),
        (["TANH", "RELU"], ["ByteTable", "Relu", "Concat"]),
    ],
)
def test_a_concatenation_requantizes_what_is_fixed(
    tmp_path: Path, operators: list[str], expected: list[str]
) -> None:
    """As TFLite's converter does; where all parts agree there is nothing to do."""
    path = _model(
        tmp_path / "concat.tflite",
        [
            (operators[0], None, [0], [1]),
            (operators[1], None, [0], [2]),
            ("CONCATENATION", {"axis": 1}, [1, 2], [3]),
        ],
        [TensorSpec(n, (1, 8), "float32") for n in "xab"] + [TensorSpec("y", (1, 16), "float32")],
    )
    rng = np.random.default_rng(8)
    samples = [[row] for row in rng.normal(0, 2, (30, 1, 8)).astype(np.float32)]
    source, made = _calibrated(path, samples)
    assert sorted(_names(made)) == sorted(expected)
    assert not float_nodes(made)
    # A step of x shifts tanh by as much, which is several of the output's steps.
    step = made.inputs[0].type.scale / made.outputs[0].type.scale
    assert _off(source, made, samples) <= 2 + step / 2


@pytest.mark.parametrize(
    ("operator", "number"), [("MINIMUM", 0.7), ("MAXIMUM", -0.7), ("MAXIMUM", -1e30)]
)
def test_clipping_by_a_constant_calibrates(tmp_path: Path, operator: str, number: float) -> None:
    """A constant that never counts does not widen the range."""
    path = _model(
        tmp_path / "clip.tflite",
        [(operator, None, [0, 1], [2])],
        [
            TensorSpec("x", (1, 8), "float32"),
            TensorSpec("bound", (), "float32", data=number),
            TensorSpec("y", (1, 8), "float32"),
        ],
    )
    rng = np.random.default_rng(9)
    samples = [[row] for row in rng.normal(0, 1, (30, 1, 8)).astype(np.float32)]
    source, made = _calibrated(path, samples)
    assert not float_nodes(made)
    assert _off(source, made, samples) <= 0.51


def test_an_int16_network_between_float_ends_keeps_its_16_bits(tmp_path: Path) -> None:
    path = _model(
        tmp_path / "ends.tflite",
        [
            ("QUANTIZE", {}, [0], [1]),
            ("RESHAPE", {"newShape": [8, 1]}, [1, 2], [3]),
            ("DEQUANTIZE", {}, [3], [4]),
        ],
        [
            TensorSpec("x", (1, 8), "float32"),
            TensorSpec("in", (1, 8), "int16", 2.0**-12, 0),
            TensorSpec("shape", (2,), "int32", data=[8, 1]),
            TensorSpec("out", (8, 1), "int16", 2.0**-12, 0),
            TensorSpec("y", (8, 1), "float32"),
        ],
    )
    samples = [[np.linspace(-5, 5, 8, dtype=np.float32)[None]]]
    source, made = _calibrated(path, samples)
    assert [v.type.dtype for v in (*made.inputs, *made.outputs)] == [DType.I16] * 2
    assert _off(source, made, samples) <= 0.51 and _names(made) == ["Reshape"]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_a_float_head_goes_on_from_the_numbers_that_are_there(tmp_path: Path, dtype: str) -> None:
    """float32 -> QUANTIZE -> pad -> DEQUANTIZE -> dense: the quantizations of the file stay."""
    rng = np.random.default_rng(10)
    quant = (0.03, 7 if dtype == "int8" else 135)
    path = _model(
        tmp_path / "head.tflite",
        [
            ("QUANTIZE", {}, [0], [1]),
            ("PAD", {}, [1, 2], [3]),
            ("DEQUANTIZE", {}, [3], [4]),
            ("FULLY_CONNECTED", {}, [4, 5, 6], [7]),
        ],
        [
            TensorSpec("x", (1, 6), "float32"),
            TensorSpec("q", (1, 6), dtype, *quant),
            TensorSpec("pads", (2, 2), "int32", data=[[0, 0], [1, 1]]),
            TensorSpec("padded", (1, 8), dtype, *quant),
            TensorSpec("real", (1, 8), "float32"),
            TensorSpec("weights", (3, 8), "float32", data=rng.normal(0, 1, (3, 8))),
            TensorSpec("bias", (3,), "float32", data=rng.normal(0, 1, 3)),
            TensorSpec("y", (1, 3), "float32"),
        ],
    )
    samples = [[row] for row in rng.normal(0, 1, (30, 1, 6)).astype(np.float32)]
    source, made = _calibrated(path, samples)
    assert not float_nodes(made)
    assert made.inputs[0].type == source.nodes[0].output.type
    assert _names(made) == ["Pad", "FullyConnected"]
    assert _off(source, made, samples) <= 2


def test_numbers_that_leave_float32_on_the_way(tmp_path: Path) -> None:
    """Behind finite samples."""
    path = _model(
        tmp_path / "nan.tflite",
        [("MUL", {}, [0, 1], [2]), ("SUB", {}, [2, 2], [3])],
        [
            TensorSpec("x", (1, 2), "float32"),
            TensorSpec("big", (), "float32", data=3e38),
            TensorSpec("huge", (1, 2), "float32"),
            TensorSpec("y", (1, 2), "float32"),
        ],
    )
    samples = [[np.full((1, 2), 1e20, np.float32)]]
    quiet = np.errstate(over="ignore", invalid="ignore")
    with quiet, pytest.raises(CompileError, match=r"'huge' becomes (inf|3.4e\+38) on") as caught:
        calibrate(read(path), samples)
    assert caught.value.id == "E308"


def test_what_a_hard_swish_makes_zero_takes_no_range(tmp_path: Path) -> None:
    """A dense layer reaches far below -3, where all is 0: its scale is that of the rest."""
    path = _model(
        tmp_path / "swish.tflite",
        [("FULLY_CONNECTED", {}, [0, 1, 2], [3]), ("HARD_SWISH", None, [3], [4])],
        [
            TensorSpec("x", (1, 2), "float32"),
            TensorSpec("weights", (2, 2), "float32", data=[[100, 0], [0, 1]]),
            TensorSpec("bias", (2,), "float32", data=[-200, 0]),
            TensorSpec("dense", (1, 2), "float32"),
            TensorSpec("y", (1, 2), "float32"),
        ],
    )
    rng = np.random.default_rng(12)
    samples = [[row] for row in rng.uniform(-1, 1, (30, 1, 2)).astype(np.float32)]
    source, made = _calibrated(path, samples)
    assert made.nodes[0].output.type.scale < 0.02
    assert _off(source, made, samples) <= 3


@pytest.mark.parametrize("operator", ["SELECT_V2", "ADD"])
def test_a_mask_before_a_softmax_takes_no_range(tmp_path: Path, operator: str) -> None:
    """Neither the lowest float32 in the place of a score nor -1e9 added to it."""
    seen = np.tril(np.ones((4, 4), np.bool_))
    if operator == "ADD":
        mask = TensorSpec("mask", (4, 4), "float32", data=np.where(seen, 0, -1e9))
        operands = [2, 3]
    else:
        mask = TensorSpec("mask", (4, 4), "bool_", data=seen)
        operands = [3, 2, 4]
    path = _model(
        tmp_path / "mask.tflite",
        [
            ("BATCH_MATMUL", {"adjY": True}, [0, 1], [2]),
            (operator, {}, operands, [5]),
            ("SOFTMAX", {"beta": 1.0}, [5], [6]),
        ],
        [
            TensorSpec("x", (4, 3), "float32"),
            TensorSpec("keys", (4, 3), "float32", data=np.eye(4, 3)),
            TensorSpec("scores", (4, 4), "float32"),
            mask,
            TensorSpec("lowest", (), "float32", data=np.finfo(np.float32).min),
            TensorSpec("masked", (4, 4), "float32"),
            TensorSpec("y", (4, 4), "float32"),
        ],
    )
    rng = np.random.default_rng(13)
    samples = [[row] for row in rng.uniform(-4, 4, (30, 4, 3)).astype(np.float32)]
    source, made = _calibrated(path, samples)
    assert all(node.output.type.scale < 0.1 for node in made.nodes)
    assert _off(source, made, samples) <= 8


@pytest.mark.parametrize("clamp", ["RELU", "MINIMUM"])
def test_what_is_clamped_later_takes_no_range(tmp_path: Path, clamp: str) -> None:
    """A dense layer between -9 and 9, maximum pooling, and a clamp to 0 and up, or to 0.5 and
    down, which drops most of that: all three have the scale of the rest, as the converter's."""
    path = _model(
        tmp_path / "clamp.tflite",
        [
            ("FULLY_CONNECTED", {}, [0, 1, 2], [3]),
            ("RESHAPE", {"newShape": [1, 2, 2, 1]}, [3, 4], [5]),
            ("MAX_POOL_2D", {"padding": 1, "filterWidth": 1, "filterHeight": 2, "strideW": 1,
                             "strideH": 2}, [5], [6]),
            (clamp, None, [6, 7][: 1 if clamp == "RELU" else 2], [8]),
        ],
        [
            TensorSpec("x", (1, 2), "float32"),
            TensorSpec("weights", (4, 2), "float32", data=[[1, 0], [0, 1], [-1, 0], [0, -1]]),
            TensorSpec("bias", (4,), "float32", data=[0] * 4),
            TensorSpec("dense", (1, 4), "float32"),
            TensorSpec("shape", (4,), "int32", data=[1, 2, 2, 1]),
            TensorSpec("image", (1, 2, 2, 1), "float32"),
            TensorSpec("pooled", (1, 1, 2, 1), "float32"),
            TensorSpec("bound", (), "float32", data=0.5),
            TensorSpec("y", (1, 1, 2, 1), "float32"),
        ],
    )  # fmt: skip
    rng = np.random.default_rng(14)
    samples = [[row] for row in rng.uniform(-9, 9, (50, 1, 2)).astype(np.float32)]
    source, made = _calibrated(path, samples)
    span = 9 if clamp == "RELU" else 0.5
    assert made.nodes[0].output.type.scale == pytest.approx(span / 255, rel=0.05)
    # half a step of x, as many of the output's
    assert _off(source, made, samples) <= 2 + 18 / span / 2


@pytest.mark.parametrize("clamp", ["RELU", "RELU6"])
def test_what_is_clamped_beside_other_numbers_stays_clamped(tmp_path: Path, clamp: str) -> None:
    """A concatenation gives its parts one scale: that of what is not clamped reaches farther."""
    path = _model(
        tmp_path / "beside.tflite",
        [
            ("FULLY_CONNECTED", {}, [0, 1, 2], [3]),
            (clamp, None, [3], [4]),
            ("CONCATENATION", {"axis": 1}, [4, 0], [5]),
        ],
        [
            TensorSpec("x", (1, 2), "float32"),
            TensorSpec("weights", (2, 2), "float32", data=[[1, 0], [0, 1]]),
            TensorSpec("bias", (2,), "float32", data=[0] * 2),
            TensorSpec("dense", (1, 2), "float32"),
            TensorSpec("clamped", (1, 2), "float32"),
            TensorSpec("y", (1, 4), "float32"),
        ],
    )
    rng = np.random.default_rng(15)
    samples = [[row] for row in rng.uniform(-9, 9, (50, 1, 2)).astype(np.float32)]
    assert _off(*_calibrated(path, samples), samples) <= 1.5


@pytest.mark.slow
def test_a_function_of_one_number_is_rounded_once(tmp_path: Path) -> None:
    """Swish, and SELU by a comparison and a choice: of one number each, and one table."""
    tensors = [TensorSpec(name, (1, 40), "float32") for name in ("x", "s", "swish")]
    ops: Ops = [("LOGISTIC", {}, [0], [1]), ("MUL", {}, [0, 1], [2])]
    tensors += [
        TensorSpec("zero", (1,), "float32", data=[0]),
        TensorSpec("slope", (1,), "float32", data=[1.0507]),
        TensorSpec("above", (1, 40), "bool"),
        *(TensorSpec(name, (1, 40), "float32") for name in ("e", "scaled", "selu")),
    ]
    ops += [
        ("GREATER", {}, [2, 3], [5]),
        ("ELU", {}, [2], [6]),
        ("MUL", {}, [2, 4], [7]),
        ("SELECT_V2", {}, [5, 7, 6], [8]),
    ]
    path = _model(tmp_path / "m.tflite", ops, tensors)
    samples = [[np.random.default_rng(i).normal(0, 3, (1, 40)).astype(np.float32)] for i in (1, 2)]
    source, made = _calibrated(path, samples)
    assert _names(made) == ["ByteTable"]
    # Half a step of the output, and half a step of the input at a slope of 1.15.
    slope = 1.15 * made.inputs[0].type.scale / made.outputs[0].type.scale
    assert _off(source, made, samples) <= 0.51 + 0.51 * slope


def _normalized(path: Path, scale: np.ndarray, term: np.ndarray, features: int) -> Path:
    """x [1, 4, 5, features] * scale + term -> a 3x3 convolution with a border of zeros."""
    rng = np.random.default_rng(0)
    shape = (1, 4, 5, features)
    tensors = [TensorSpec(name, shape, "float32") for name in ("x", "scaled", "normal")]
    tensors += [
        TensorSpec("scale", scale.shape, "float32", data=scale),
        TensorSpec("term", term.shape, "float32", data=term),
        TensorSpec("w", (2, 3, 3, features), "float32", data=rng.normal(0, 1, (2, 3, 3, features))),
        TensorSpec("b", (2,), "float32", data=[0.5, -1]),
        TensorSpec("y", (1, 4, 5, 2), "float32"),
    ]
    conv = {"strideH": 1, "strideW": 1, "padding": 0}
    ops = [("MUL", {}, [0, 3], [1]), ("ADD", {}, [1, 4], [2]), ("CONV_2D", conv, [2, 5, 6], [7])]
    return _model(path, ops, tensors)


@pytest.mark.parametrize(
    ("low", "high", "scale", "term", "quant"),
    [
        (0, 255, 1 / 127.5, -1.0, Quant((1.0,), (-128,))),
        (0, 255, 1 / 50, -2.44, Quant((1.0,), (-128,))),
        # Far from 0: a zero point that is no int8 keeps every step.
        (280, 305, 1 / 4, -73.6, Quant((np.float32(25 / 255).item(),), (-2984,))),
    ],
)
def test_what_scales_an_input_is_its_quantization(
    low: float, high: float, scale: float, term: float, quant: Quant, tmp_path: Path
) -> None:
    path = _normalized(tmp_path / "m.tflite", np.array([scale]), np.array([term]), 2)
    rng = np.random.default_rng(0)
    samples = [[rng.uniform(low, high, (1, 4, 5, 2)).astype(np.float32)] for _ in range(4)]
    samples[0][0][0, 0, 0] = low, high
    source, made = _calibrated(path, samples)
    assert _names(made) == ["Reinterpret", "Conv2d"]
    assert made.inputs[0].type.quant == quant
    middle = made.nodes[0].output.type
    assert middle.scale == pytest.approx(scale * quant.scale[0])
    steps = [middle.scale * (q - middle.zero_point) for q in (-128, 127)]
    assert steps[0] == pytest.approx(scale * low + term, abs=0.51 * middle.scale)
    assert _off(source, made, samples) < 4


def test_an_input_far_from_zero_keeps_its_steps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 1, (3, 6))
    tensors = [
        TensorSpec("x", (1, 6), "float32"),
        TensorSpec("w", (3, 6), "float32", data=weights),
        TensorSpec("b", (3,), "float32", data=-295 * weights.sum(1)),
        TensorSpec("y", (1, 3), "float32"),
    ]
    path = _model(tmp_path / "m.tflite", [("FULLY_CONNECTED", {}, [0, 1, 2], [3])], tensors)
    samples = [[rng.uniform(290, 300, (1, 6)).astype(np.float32)] for _ in range(9)]
    source, made = _calibrated(path, samples)
    assert _names(made) == ["Reinterpret", "FullyConnected"]
    assert made.inputs[0].type.scale < 0.04
    assert _off(source, made, samples) < 4


def test_unlike_features_stay_float32_up_to_their_normalization(tmp_path: Path) -> None:
    """Temperature, pressure, humidity: one scale for all would leave a single step to the last."""
    mean, spread = np.array([20, 101325, 0.5]), np.array([5, 500, 0.2])
    path = _normalized(tmp_path / "m.tflite", 1 / spread, -mean / spread, 3)
    rng = np.random.default_rng(0)
    samples = [[rng.normal(mean, spread, (1, 4, 5, 3)).astype(np.float32)] for _ in range(4)]
    source = read(path)
    normal = coarse(source, samples)
    assert [len(region.nodes) for region in normal] == [2]
    made = optimize(calibrate(source, samples, normal))
    assert _names(made) == ["Mul", "Add", "Quantize", "Conv2d"]
    assert made.inputs[0].type.dtype is DType.F32 and made.outputs[0].type.dtype is DType.I8
    assert _off(source, made, samples) < 4


@pytest.mark.slow
def test_calibration_is_as_good_as_the_converter_s(tmp_path: Path) -> None:
    """Against TFLite's own int8 of a Keras model with the same samples, run by LiteRT: the mean
    error of its output, and for these layers (none of which the converter expands) the same."""
    if find_spec("larq_compute_engine") is None:
        pytest.skip("TensorFlow is not installed")
    from tinyc.frontends.packages import KERAS2, prepare

    prepare("test", KERAS2)
    import tensorflow as tf
    import tf_keras as keras

    layers = keras.layers
    keras.utils.set_random_seed(5)
    x = layers.Input((8, 8, 3), batch_size=1)
    y = layers.Conv2D(6, 3, padding="same")(x)
    y = tf.minimum(tf.maximum(y, -0.3), 0.6)
    a = layers.Conv2D(4, 1, activation="sigmoid")(y)
    b = layers.Conv2D(4, 1, activation="tanh")(y)
    y = layers.Concatenate()([a, b, y])
    y = layers.MaxPooling2D()(y)
    y = layers.UpSampling2D(2, interpolation="bilinear")(y)
    y = layers.Dense(4)(layers.GlobalAveragePooling2D()(y))
    model = keras.Model(x, y)
    samples = np.random.default_rng(6).normal(0, 1, (30, 1, 8, 8, 3)).astype(np.float32)
    call = tf.function(model).get_concrete_function(tf.TensorSpec((1, 8, 8, 3)))
    paths = []
    for quantized in (False, True):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([call], model)
        if quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([row] for row in samples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        paths.append(tmp_path / f"{quantized}.tflite")
        paths[-1].write_bytes(converter.convert())
    real, theirs = (np.stack([run_litert(p, [row])[0] for row in samples]) for p in paths)
    np.savez(tmp_path / "x.npz", x=samples)
    compiled = compile_model(
        paths[0], load_board("stm32"), CompileOptions(calibration=tmp_path / "x.npz")
    )
    assert not float_nodes(compiled.plan.graph)
    made, out = compiled.graph, compiled.graph.outputs[0]
    ours = [interpret(made, _narrowed([row], made))[out] for row in samples]
    errors = [np.abs(y - real).mean() for y in (dequantize(np.stack(ours), out.type), theirs)]
    assert errors[0] <= 1.1 * errors[1]


@pytest.mark.parametrize("activation", [Tanh(), Relu("relu6")])
def test_states_are_quantized_alike_at_both_ends(activation: Op) -> None:
    """h = activation(W [x, h] + b), kept from run to run; its range comes up over the sequence."""
    rng = np.random.default_rng(15)

    def value(name: str, *shape: int, data: np.ndarray | None = None) -> Value:
        real = None if data is None else data.astype(np.float32)
        return Value(name, TensorType(shape, DType.F32), "here", real)

    x, h, both, dense, after = (
        value(n, 1, size) for n, size in zip("xhbda", (3, 4, 7, 4, 4), strict=True)
    )
    weights = value("w", 4, 7, data=rng.normal(0, 0.5, (4, 7)))
    bias = value("bias", 4, data=rng.normal(0, 0.5, 4))
    nodes = (
        Node(Concat(1), (x, h), (both,), "concat"),
        Node(FullyConnected("none"), (both, weights, bias), (dense,), "dense"),
        Node(activation, (dense,), (after,), "activation"),
    )
    state = State(h, after, np.full((1, 4), 0.25, np.float32))
    graph = verify(Graph("cell", (x,), (after,), nodes, states=(state,)))
    samples = [[row] for row in rng.normal(0, 1, (60, 1, 3)).astype(np.float32)]
    made = optimize(calibrate(graph, samples))
    assert not float_nodes(made)
    (ours,) = made.states
    assert ours.entry.type == ours.exit.type == made.outputs[0].type
    np.testing.assert_allclose(dequantize(ours.initial, ours.entry.type), 0.25, atol=0.02)
    real_states, int_states, worst = None, None, 0.0
    for arrays in samples:
        want = interpret(graph, arrays, real_states)
        got = interpret(made, _narrowed(arrays, made), int_states)
        real_states, int_states = kept(graph, want), kept(made, got)
        off = _real(got[made.outputs[0]], made.outputs[0].type) - want[after]
        worst = max(worst, float(np.abs(off).max()))
    assert worst <= 8 * made.outputs[0].type.scale


# The network before -----------------------------------------------------------------------


def _job(model: Path, **options: object) -> Job:
    board = load_board("stm32")
    return Job(Config(), board, compile_model(model, board, CompileOptions(**options)))  # type: ignore[arg-type]


def test_the_original_has_its_own_types(tmp_path: Path) -> None:
    """An int8 and a float32 input, an int8 and a float32 output: the former stay, and what is
    compared are real numbers."""
    rng = np.random.default_rng(11)
    path = write_model(
        tmp_path / "mixed.tflite",
        [
            ("DEQUANTIZE", {}, [0], [2]),
            ("ADD", {}, [1, 2], [3]),
            ("RESHAPE", {"newShape": [4, 1]}, [0, 4], [5]),
        ],
        [
            TensorSpec("a", (1, 4), "int8", 0.05, 3),
            TensorSpec("b", (1, 4), "float32"),
            TensorSpec("real", (1, 4), "float32"),
            TensorSpec("sum", (1, 4), "float32"),
            TensorSpec("shape", (2,), "int32", data=[4, 1]),
            TensorSpec("same", (4, 1), "int8", 0.05, 3),
        ],
        inputs=[0, 1],
        outputs=[3, 5],
    )
    a = rng.integers(-128, 128, (20, 1, 4)).astype(np.int8)
    b = rng.normal(0, 2, (20, 1, 4)).astype(np.float32)
    job = _job(path)
    samples = job.samples()
    expected = reference(job.compiled, samples).outputs
    for found, same, value in zip(
        original(job.compiled, samples, expected),
        expected,
        job.compiled.source.outputs,
        strict=True,
    ):
        np.testing.assert_array_equal(found, dequantize(same, value.type))
    keys = dict(zip(_keys(job.compiled.source), (a, b), strict=True))
    np.savez(tmp_path / "data.npz", **keys)
    job = _job(path, calibration=tmp_path / "data.npz")
    assert not float_nodes(job.compiled.plan.graph)
    samples = given_samples(keys, job.compiled.graph, "here")
    sums, same = original(job.compiled, samples, ())
    # As they were given, and not as the calibrated input holds them.
    np.testing.assert_allclose(sums, dequantize(a, job.compiled.source.inputs[0].type) + b, 1e-6)
    np.testing.assert_array_equal(same.reshape(a.shape), (a - np.float32(3)) * np.float32(0.05))


@pytest.mark.parametrize("glue", [False, True])
def test_the_original_takes_packed_inputs(tmp_path: Path, glue: bool) -> None:
    """Packed signs -> LceDequantize -> a dense layer of signs, which becomes binary."""
    rng = np.random.default_rng(13)
    weights = np.where(rng.random((3, 64)) < 0.5, -0.25, 0.25)
    path = _model(
        tmp_path / "packed.tflite",
        [("CUSTOM LceDequantize", {}, [0], [1]), ("FULLY_CONNECTED", {}, [1, 2, 3], [4])],
        [
            TensorSpec("bits", (1, 2), "int32"),
            TensorSpec("signs", (1, 64), "float32"),
            TensorSpec("weights", (3, 64), "float32", data=weights),
            TensorSpec("bias", (3,), "float32", data=rng.normal(0, 1, 3)),
            TensorSpec("y", (1, 3), "float32"),
        ],
    )
    x = rng.integers(-(1 << 31), 1 << 31, (20, 1, 2)).astype(np.int32)
    np.savez(tmp_path / "x.npz", x=x)
    job = _job(path, **({"float_glue": True} if glue else {"calibration": tmp_path / "x.npz"}))
    assert "LceBconv2d" in _names(job.compiled.plan.graph)
    samples = given_samples({"x": x}, job.compiled.graph, "here")
    np.testing.assert_array_equal(samples.inputs[0], x)
    source = job.compiled.source
    rows = [interpret(source, [row])[source.outputs[0]] for row in x]
    (found,) = original(job.compiled, samples, reference(job.compiled, samples).outputs)
    np.testing.assert_array_equal(found, np.stack(rows))


def test_random_indices_are_rows_of_their_table(tmp_path: Path) -> None:
    """Also where a float32 input carries them beside something else."""
    for dtype in ("float32", "int64", "uint8"):
        graph = read(_embedding(tmp_path / "ids.tflite", 30, dtype))
        (x,) = random_samples(graph, 200, 0).inputs
        assert x.dtype == dtype and (x.min(), x.max()) == (0, 29)
        np.testing.assert_array_equal(x, np.round(x))


def _keys(graph: Graph) -> list[str]:
    """How the arrays of its inputs are called in an ``.npz``."""
    return [f"x_{i}" for i in range(len(graph.inputs))]

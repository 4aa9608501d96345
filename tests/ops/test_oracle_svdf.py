"""SVDF layers and their states against LiteRT's reference kernels, run after run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sequences import Change, compare, having, int8_matrices, point
from tflite_writer import TensorSpec, litert, write_model

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import interpret, kept
from tinyc.passes import optimize

pytest.importorskip("ai_edge_litert")
NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)
STATE, OUTPUT = 4, 5
SIZES = [(1, 1, 1, 1, 1), (1, 5, 3, 1, 7), (2, 9, 5, 2, 4), (1, 40, 6, 2, 10), (3, 6, 1, 3, 2)]
"""batch, in, units, rank, memory."""


def svdf(
    path: Path,
    rng: np.random.Generator,
    sizes: tuple[int, int, int, int, int] = (2, 4, 3, 2, 5),
    levels: str = "float32",
    change: Change = lambda tensors, operands: None,
    zero: int = 0,
    largest: int = 3000,
    **options: Any,
) -> Path:
    """A model of one SVDF. levels: the type of its state, float32 for a float32 model; zero: the
    state's zero point; largest: of int16 weights of time."""
    batch, depth, units, rank, memory = sizes
    narrow = levels != "float32"
    outer, sums = ("int8", "int32") if narrow else ("float32", "float32")
    wide = levels == "int16"

    def weights(name: str, shape: tuple[int, ...], dtype: str, scale: float = 1e-4) -> TensorSpec:
        if not narrow:
            return TensorSpec(name, shape, dtype, data=rng.normal(0, 0.5, shape))
        most = {"int8": 127, "int16": largest, "int32": 30000}[dtype]
        data = rng.integers(-most, most, shape, endpoint=True)
        return TensorSpec(name, shape, dtype, scale, data=data)

    def moving(name: str, shape: tuple[int, ...]) -> TensorSpec:
        if not narrow:
            return TensorSpec(name, shape, outer)
        scale, point = float(rng.uniform(0.02, 0.05)), int(rng.choice([-128, 127, 0, -1, 31]))
        return TensorSpec(name, shape, outer, scale, point)

    state = (batch, units * rank * memory)
    scale = {"int16": 2e-4, "int8": 0.06}.get(levels)
    tensors = [
        moving("x", (batch, depth)),
        weights("features", (units * rank, depth), outer, 0.004),
        weights("times", (units * rank, memory), levels, 3e-4 if wide else 0.008),
        weights("bias", (units,), sums),
        TensorSpec("levels", state, levels, scale, zero, variable=True),
        moving("y", (batch, units)),
    ]
    operands = list(range(5))
    change(tensors, operands)
    given = {"rank": rank, "fusedActivationFunction": RELU, **options}
    return write_model(path, [("SVDF", given, operands, [OUTPUT])], tensors, [0], [OUTPUT])


@pytest.mark.parametrize("levels", ["float32", "int16"])
def test_svdf(levels: str, rng, tmp_path: Path) -> None:
    seen: set[float] = set()
    for i, sizes in enumerate(SIZES):
        path = svdf(tmp_path / f"{i}.tflite", rng, sizes, levels)
        seen |= compare(path, rng, (STATE,), 2e-5 if levels == "float32" else 0)
    assert len(seen) > 100


@pytest.mark.parametrize("asymmetric", [False, True])
def test_int8_weights(asymmetric: bool, rng, tmp_path: Path) -> None:
    seen: set[float] = set()
    narrow = int8_matrices(rng, 1, 2)
    for i, sizes in enumerate(SIZES):
        path = svdf(
            tmp_path / f"{i}.tflite", rng, sizes, change=narrow, asymmetricQuantizeInputs=asymmetric
        )
        seen |= compare(path, rng, (STATE,), 2e-5)
    assert len(seen) > 100


@pytest.mark.parametrize("activation", [NONE, RELU6, RELU_N1_TO_1])
def test_other_activations(activation: int, rng, tmp_path: Path) -> None:
    path = svdf(tmp_path / "m.tflite", rng, fusedActivationFunction=activation)
    assert len(compare(path, rng, (STATE,), 2e-5)) > 30


@pytest.mark.parametrize("levels", ["float32", "int16"])
def test_without_a_bias(levels: str, rng, tmp_path: Path) -> None:
    def drop(tensors: list[TensorSpec], operands: list[int]) -> None:
        operands[3] = -1

    path = svdf(tmp_path / "m.tflite", rng, levels=levels, change=drop)
    assert len(compare(path, rng, (STATE,), 2e-5 if levels == "float32" else 0)) > 30


def wider(path: Path, change: Any, **options: Any) -> tuple[Path, Path]:
    """A model with levels of int8, and the same one with levels of int16 without a zero point."""
    found = []
    for levels in ("int8", "int16"):

        def keep(tensors: list[TensorSpec], operands: list[int], levels: str = levels) -> None:
            change(tensors, operands)
            if levels == "int16":
                tensors[2] = replace(tensors[2], dtype=levels)
                tensors[STATE] = replace(tensors[STATE], dtype=levels, zero_point=0)

        rng = np.random.default_rng(5)
        target = path / f"{levels}.tflite"
        found.append(svdf(target, rng, SIZES[3], "int8", keep, **options))
    return found[0], found[1]


@pytest.mark.parametrize("zero", [0, 9, -128, 127])
@pytest.mark.parametrize("saturates", [False, True])
def test_levels_of_int8(saturates: bool, zero: int, rng, tmp_path: Path) -> None:
    """LiteRT has none, but those of int16 are equal, the zero point apart, until they saturate."""
    if not saturates and abs(zero) > 100:
        zero //= 8

    def loud(tensors: list[TensorSpec], operands: list[int]) -> None:
        tensors[STATE] = replace(tensors[STATE], scale=0.07 if saturates else 0.8)
        tensors[3] = replace(tensors[3], data=tensors[3].data // 100)
        tensors[OUTPUT] = replace(tensors[OUTPUT], scale=0.6, zero_point=0)

    narrow, wide = wider(tmp_path, loud, zero=zero)
    interpreter, graph, states = litert(wide), optimize(read(narrow)), None
    seen, clipped = set(), 0
    for _ in range(22):
        x = rng.integers(-128, 128, (1, 40)).astype(np.int8)
        interpreter.set_tensor(0, x)
        interpreter.invoke()
        values = interpret(graph, [x], states)
        states = kept(graph, values)
        levels = interpreter.get_tensor(STATE) + zero
        clipped += np.count_nonzero(levels != levels.clip(-128, 127))
        np.testing.assert_array_equal(states[0], levels.clip(-128, 127))
        if not saturates:
            y = values[graph.outputs[0]]
            np.testing.assert_array_equal(y, interpreter.get_tensor(OUTPUT))
            seen.update(y.ravel().tolist())
    assert (clipped > 0) is saturates and (saturates or len(seen) > 30)


def test_sums_that_leave_32_bits_wrap_around(rng, tmp_path: Path) -> None:
    """Weights of time and levels as large as int16 has them."""

    def loud(tensors: list[TensorSpec], operands: list[int]) -> None:
        tensors[STATE] = replace(tensors[STATE], scale=2e-5)
        tensors[2] = replace(tensors[2], scale=3e-5)
        tensors[OUTPUT] = replace(tensors[OUTPUT], scale=0.012)

    path = svdf(tmp_path / "m.tflite", rng, SIZES[3], "int16", loud, largest=32767)
    assert len(compare(path, rng, (STATE,), 0)) > 50


@pytest.mark.parametrize(
    ("levels", "change", "id", "words"),
    [
        ("float32", point(STATE, -1), "E301", "has no operand 4, its state"),
        ("float32", point(STATE, 0), "E302", "constant, or one tensor"),
        ("float32", having(STATE, variable=False), "E301", "before it is computed"),
        ("float32", having(STATE, shape=(2, 29)), "E302", "its state is 2x29 f32, not 2x6x5"),
        ("float32", point(1, -1), "E301", "lacks its input or weights"),
        ("float32", point(3, 0), "E302", "bias has shape [2, 4], its operands give [3]"),
        ("float32", having(1, shape=(6, 3), data=np.zeros((6, 3))), "E302", "weights of features"),
        ("float32", having(2, shape=(30,), data=np.zeros(30)), "E302", "not of rank 2"),
        ("float32", having(2, shape=(5, 5), data=np.ones((5, 5))), "E302", "5 filters are of rank"),
        ("float32", having(1, dtype="int8", scale=None), "E304", "weights has no quantization"),
        ("float32", having(1, dtype="uint8", scale=0.1), "E330", "dynamic-range"),
        ("int16", having(2, dtype="int8", data=np.zeros((6, 5))), "E303", "weights of time is i8"),
        ("int16", having(STATE, zero_point=3), "E342", "state is int16 with the zero point 3"),
        ("int8", having(1, zero_point=3), "E304", "have a zero point"),
        ("int8", having(1, scale=1e9), "E304", "32 bits do not hold"),
        ("int8", having(OUTPUT, scale=1e-6), "E304", "32 bits do not hold"),
        ("int8", having(OUTPUT, scale=None), "E304", "output has no quantization"),
    ],
)  # fmt: skip
def test_what_is_no_svdf_is_named(
    levels: str, change: Any, id: str, words: str, rng, tmp_path: Path
) -> None:
    path = svdf(tmp_path / "m.tflite", rng, levels=levels, change=change)
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(path)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(id) and words in line


@pytest.mark.parametrize(
    ("levels", "options", "words"),
    [
        ("int8", {"fusedActivationFunction": NONE}, "its activation is none"),
        ("int16", {"fusedActivationFunction": RELU6}, "its activation is relu6"),
        ("float32", {"fusedActivationFunction": 4}, "fused activation tanh is not supported"),
        ("float32", {"rank": 0}, "6 filters are of rank 0"),
    ],
)
def test_options_of_no_svdf_are_named(
    levels: str, options: dict[str, Any], words: str, rng, tmp_path: Path
) -> None:
    path = svdf(tmp_path / "m.tflite", rng, levels=levels, **options)
    with pytest.raises(CompileError) as raised:
        read(path)
    assert str(raised.value).startswith("E302") and words in str(raised.value)

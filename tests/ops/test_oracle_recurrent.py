"""LSTM layers and their states against LiteRT's reference kernels, run after run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import slow_but
from sequences import Change, compare, having, int8_matrices, point
from tflite_writer import TensorSpec, litert, run_litert, write_model

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import interpret, kept
from tinyc.passes import optimize

pytest.importorskip("ai_edge_litert")
TANH, RELU, RELU6 = 4, 1, 3
OUTPUT, HIDDEN, CELL, INNER = 25, 18, 19, range(26, 31)


def lstm(
    path: Path,
    rng: np.random.Generator,
    sizes: tuple[int, int, int, int] = (1, 3, 4, 5),
    narrow: bool = False,
    coupled: bool = False,
    unit: float = 2**-11,
    change: Change = lambda tensors, operands: None,
    inputs: tuple[int, ...] = (0,),
    **options: Any,
) -> Path:
    """A model of one LSTM. sizes: batch, time, in, cells; narrow: int8, with cells of the scale
    ``unit``; change: of the tensors and of the operator's 24 operands, before they are written;
    inputs: of the model."""
    batch, time, depth, cells = sizes
    dtype, bias, kind = ("int8", "int32", "int16") if narrow else ("float32",) * 3
    lead = (time, batch) if options.get("timeMajor") else (batch, time)

    def weights(shape: tuple[int, ...]) -> TensorSpec:
        if not narrow:
            return TensorSpec("w", shape, dtype, data=rng.normal(0, 0.6, shape))
        if len(shape) == 1:
            return TensorSpec("b", shape, bias, 1e-4, data=rng.integers(-9000, 9000, shape))
        data = rng.integers(-127, 127, shape, endpoint=True)
        return TensorSpec("w", shape, dtype, float(rng.uniform(0.001, 0.02)), 0, 0, data)

    def moving(name: str, shape: tuple[int, ...], variable: bool = False) -> TensorSpec:
        if not narrow:
            return TensorSpec(name, shape, dtype, variable=variable)
        scale, zero = float(rng.uniform(0.005, 0.03)), int(rng.choice([-128, 127, 0, -1, 31]))
        return TensorSpec(name, shape, dtype, scale, zero, variable=variable)

    tensors = [moving("x", (*lead, depth))]
    tensors += [weights((cells, depth)) for _ in range(4)]
    tensors += [weights((cells, cells)) for _ in range(4)]
    tensors += [weights((cells,)) for _ in range(9)]
    hidden = moving("h", (batch, cells), True)
    cell = TensorSpec("c", (batch, cells), kind, unit if narrow else None, 0, variable=True)
    tensors += [hidden, cell]
    tensors += [weights((cells,)) for _ in range(5)]
    tensors.append(replace(hidden, name="y", shape=(*lead, cells), variable=False))
    if narrow:
        tensors += [TensorSpec(f"inner{i}", (0,), "float32") for i in range(4)]
        tensors.append(replace(hidden, name="inner4", shape=(0,), variable=False))
    absent = {9, 10, 11, 16, 17, 20, 21, 22, 23} | ({1, 5, 12} if coupled else set())
    operands = [-1 if i in absent else i for i in range(24)]
    change(tensors, operands)
    inner = list(INNER) if narrow else []
    given = {"fusedActivationFunction": TANH, **options}
    operator = ("UNIDIRECTIONAL_SEQUENCE_LSTM", given, operands, [OUTPUT], inner)
    return write_model(path, [operator], tensors, inputs, [OUTPUT])


@pytest.mark.parametrize("major", slow_but(["False"], [False, True]))
@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("narrow", [False, True])
def test_lstm(narrow: bool, coupled: bool, major: bool, rng, tmp_path: Path) -> None:
    seen: set[float] = set()
    for i, sizes in enumerate([(1, 1, 1, 1), (1, 5, 3, 7), (3, 2, 9, 4), (2, 4, 16, 5)]):
        path = lstm(
            tmp_path / f"{i}.tflite", rng, sizes, narrow, coupled, 2.0 ** -(9 + 2 * i),
            timeMajor=major, cellClip=(0.0, 10.0, 0.3)[i % 3],
        )  # fmt: skip
        seen |= compare(path, rng, (HIDDEN, CELL), 0 if narrow else 1e-5)
    assert len(seen) > 100


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("asymmetric", [False, True])
def test_int8_weights(asymmetric: bool, coupled: bool, rng, tmp_path: Path) -> None:
    seen: set[float] = set()
    for i, sizes in enumerate([(1, 5, 3, 7), (3, 2, 9, 4)]):
        path = lstm(
            tmp_path / f"{i}.tflite", rng, sizes, coupled=coupled, timeMajor=asymmetric,
            change=int8_matrices(rng, *range(1, 9)), asymmetricQuantizeInputs=asymmetric,
        )  # fmt: skip
        seen |= compare(path, rng, (HIDDEN, CELL), 1e-5)
    assert len(seen) > 100


@pytest.mark.parametrize("activation", [RELU, RELU6])
def test_other_activations(activation: int, rng, tmp_path: Path) -> None:
    path = lstm(tmp_path / "m.tflite", rng, fusedActivationFunction=activation, cellClip=3.0)
    assert len(compare(path, rng, (HIDDEN, CELL), 1e-5)) > 100


def test_two_layers_keep_states_of_their_own(rng, tmp_path: Path) -> None:
    """The second reads what the first gives; a third, which nothing reads, has states too."""

    def layer(x: int, base: int) -> list[TensorSpec]:
        shapes = [(5, 5)] * 8 + [(5,)] * 4
        weights = [TensorSpec("w", s, "float32", data=rng.normal(0, 0.6, s)) for s in shapes]
        states = [TensorSpec(n, (1, 5), "float32", variable=True) for n in ("h", "c")]
        operands = [x, *range(base, base + 8), -1, -1, -1, *range(base + 8, base + 12), -1, -1,
                    base + 12, base + 13, -1, -1, -1, -1]  # fmt: skip
        options = {"fusedActivationFunction": TANH}
        layers.append(("UNIDIRECTIONAL_SEQUENCE_LSTM", options, operands, [base + 14]))
        return [*weights, *states, TensorSpec("y", (1, 3, 5), "float32")]

    layers: list[tuple[Any, ...]] = []
    tensors = [TensorSpec("x", (1, 3, 5), "float32")]
    for x, base in ((0, 1), (15, 16), (15, 31)):
        tensors += layer(x, base)
    path = write_model(tmp_path / "m.tflite", layers, tensors, [0], [30])
    graph, interpreter, states = optimize(read(path)), litert(path), None
    assert len(graph.states) == 6
    places = (30, 13, 14, 28, 29, 43, 44)
    for _ in range(6):
        x = rng.normal(0, 2, (1, 3, 5)).astype(np.float32)
        interpreter.set_tensor(0, x)
        interpreter.invoke()
        values = interpret(graph, [x], states)
        states = kept(graph, values)
        for y, place in zip((values[graph.outputs[0]], *states), places, strict=True):
            np.testing.assert_allclose(y, interpreter.get_tensor(place), rtol=0, atol=1e-5)


def test_states_without_a_batch(rng, tmp_path: Path) -> None:
    def flat(tensors: list[TensorSpec], operands: list[int]) -> None:
        tensors[HIDDEN] = replace(tensors[HIDDEN], shape=(5,))
        tensors[CELL] = replace(tensors[CELL], shape=(5,))
        del operands[20:]

    path = lstm(tmp_path / "m.tflite", rng, change=flat)
    assert len(compare(path, rng, (HIDDEN, CELL), 1e-5)) > 100


@pytest.mark.slow
def test_a_loop_of_keras_that_returns_its_steps(
    rng, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a GRU the converter makes a loop, which puts a list of rows together step by step."""
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    tf = pytest.importorskip("tensorflow")
    keras = pytest.importorskip("tf_keras")
    gru = keras.layers.GRU(4, return_sequences=True)
    model = keras.Sequential([keras.Input((6, 3), batch_size=1), gru])
    path = tmp_path / "gru.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    x = rng.normal(0, 1, (1, 6, 3)).astype(np.float32)
    graph = optimize(read(path))
    found = interpret(graph, [x])[graph.outputs[0]]
    np.testing.assert_allclose(found, run_litert(path, [x])[0], rtol=0, atol=1e-5)


def int16(tensors: list[TensorSpec], operands: list[int]) -> None:
    """An int8 LSTM as TensorFlow Lite Micro's tool requantizes it."""
    for place, scale in ((0, 1e-4), (HIDDEN, 2**-15), (OUTPUT, 2**-15)):
        tensors[place] = replace(tensors[place], dtype="int16", scale=scale, zero_point=0)
    for place in range(12, 16):
        data = tensors[place].data * 1000
        tensors[place] = replace(tensors[place], dtype="int64", data=data)


def runs_of_int16(path: Path) -> np.ndarray:
    """What 25 runs give, the last three after a reset."""
    rng = np.random.default_rng(6)
    graph, before, found = optimize(read(path)), None, []
    for i in range(25):
        x = rng.integers(-32768, 32768, graph.inputs[0].type.shape).astype(np.int16)
        values = interpret(graph, [x], before if i != 22 else None)
        before = kept(graph, values)
        found.append(values[graph.outputs[0]])
    return np.array(found)


INT16 = {
    False: [
        [[4980, 16, 24686, 0]], [[-2949, 654, 31155, 0]], [[-16093, 0, 24226, 0]],
        [[-9580, 24479, 5108, 1]],
    ],
    True: [
        [[-24940, 287, -5593, 32], [-26289, 0, -7502, 0], [-15760, 0, -2052, 0]],
        [[-14681, 9198, 3042, 0], [-17, 237, -23562, 0], [-952, 24229, -31008, 10617]],
        [[24941, 0, 81, 0], [3573, 17009, -6123, 9504], [-24280, 0, -531, 82]],
        [[-13917, 24939, 29328, 16], [1096, 32, -309, 38], [30465, 1, -241, 155]],
    ],
}  # fmt: skip
"""The last of each in run 0, 21, 22 and 24."""


@pytest.mark.parametrize("major", [False, True])
def test_int16(major: bool, tmp_path: Path) -> None:
    """LiteRT has none; what TensorFlow Lite Micro (0.dev20261023) gives."""
    path = lstm(
        tmp_path / "m.tflite", np.random.default_rng(5), (2, 3, 9, 4) if major else (1, 3, 9, 4),
        narrow=True, unit=2**-11, change=int16, timeMajor=major, cellClip=0.0 if major else 3.0,
    )  # fmt: skip
    found = runs_of_int16(path)
    assert found.shape[0] == 25
    np.testing.assert_array_equal(found[[0, 21, 22, 24], ..., -1, :], INT16[major])


@pytest.mark.parametrize(
    ("change", "id", "words"),
    [
        (having(2, scale=1000.0), "E341", "410 times 2^-12"),
        (having(13, data=[0, 0, 0, 1 << 40]), "E340", "its sums reach 1.1e+12"),
        (having(14, dtype="int32"), "E303", "bias is i32; supported: i64"),
        (having(CELL, scale=0.001), "E344", "no power of two"),
    ],
)
def test_what_is_no_int16_lstm_is_named(
    change: Change, id: str, words: str, rng, tmp_path: Path
) -> None:
    def both(tensors: list[TensorSpec], operands: list[int]) -> None:
        int16(tensors, operands)
        change(tensors, operands)

    path = lstm(tmp_path / "m.tflite", rng, (1, 3, 9, 4), narrow=True, change=both)
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(path)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(id) and words in line


@pytest.mark.parametrize(
    ("narrow", "change", "id", "words"),
    [
        (False, having(9), "E343", "peephole"),
        (True, having(16), "E343", "projection"),
        (False, having(21), "E343", "layer normalization"),
        (False, point(18, -1), "E301", "has no operand 18, its state"),
        (False, point(18, 19), "E302", "constant, or one tensor"),
        (False, point(18, 0), "E302", "constant, or one tensor"),
        (False, having(18, variable=False), "E301", "before it is computed"),
        (False, having(18, shape=(1, 4)), "E302", "its states are 1x4 f32 and 1x5 f32, not 1x5"),
        (False, point(1, -1), "E301", "lacks weights or a bias"),
        (False, having(6, shape=(5, 4), data=np.zeros((5, 4))), "E302", "recurrent weights"),
        (False, having(2, dtype="uint8", scale=0.1), "E330", "dynamic-range"),
        (False, having(2, dtype="int8", scale=0.1), "E303", "weights is i8; supported: f32"),
        (True, having(19, scale=0.001), "E344", "no power of two from 2^-15 to 2^-9"),
        (True, having(19, scale=2**-8), "E344", "no power of two from 2^-15 to 2^-9"),
        (True, having(19, scale=2**-16), "E344", "cells exceed 0.5"),
        (True, having(2, zero_point=3), "E304", "have a zero point"),
        (True, having(2, scale=1e9), "E304", "32 bits do not hold"),
        (True, having(30, scale=None), "E304", "quantization of its hidden numbers"),
        (True, having(25, scale=None), "E304", "output has no quantization"),
    ],
)  # fmt: skip
def test_what_is_no_plain_lstm_is_named(
    narrow: bool, change: Any, id: str, words: str, rng, tmp_path: Path
) -> None:
    path = lstm(tmp_path / "m.tflite", rng, (1, 3, 4, 5), narrow, change=change)
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(path)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(id) and words in line


def test_a_state_that_is_an_input_is_none(rng, tmp_path: Path) -> None:
    path = lstm(tmp_path / "m.tflite", rng, change=having(18, variable=False), inputs=(0, 18))
    with pytest.raises(CompileError, match=r"^E301 .* its state is no variable tensor"):
        read(path)


@pytest.mark.parametrize(
    ("narrow", "options", "words"),
    [
        (True, {"fusedActivationFunction": RELU}, "its activation is relu"),
        (False, {"fusedActivationFunction": 0}, "its activation is none"),
        (False, {"fusedActivationFunction": 77}, "its activation is 77"),
        (False, {"diagonalRecurrentTensors": True}, "diagonal weights"),
    ],
)
def test_options_of_other_lstms_are_named(
    narrow: bool, options: dict[str, Any], words: str, rng, tmp_path: Path
) -> None:
    path = lstm(tmp_path / "m.tflite", rng, narrow=narrow, **options)
    with pytest.raises(CompileError) as raised:
        read(path)
    assert str(raised.value).startswith("E343") and words in str(raised.value)

"""RNN layers and their states against LiteRT's reference kernels, run after run."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import TensorSpec, litert, write_model

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.ir import interpret, kept
from tinyc.passes import optimize

pytest.importorskip("ai_edge_litert")
NONE, RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT = range(6)
STATE, OUTPUT = 4, 5


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Seeded by the test's own name, its parameters included."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


def rnn(
    path: Path,
    rng: np.random.Generator,
    shape: tuple[int, ...] = (2, 3, 4),
    cells: int = 5,
    change: Callable[[list[TensorSpec], list[int]], None] = lambda tensors, operands: None,
    **options: Any,
) -> Path:
    """A model of one RNN over an input of ``shape``: of rank 2, one step; of 3, a sequence."""

    def tensor(name: str, *extents: int, constant: bool = True) -> TensorSpec:
        data = rng.normal(0, 0.4, extents) if constant else None
        return TensorSpec(name, extents, "float32", data=data)

    batch = shape[1] if options.get("timeMajor") else shape[0]
    tensors = [
        tensor("x", *shape, constant=False),
        tensor("weights", cells, shape[-1]),
        tensor("recurrent", cells, cells),
        tensor("bias", cells),
        TensorSpec("h", (batch, cells), "float32", variable=True),
        tensor("y", *shape[:-1], cells, constant=False),
    ]
    operands = list(range(5))
    change(tensors, operands)
    name = "RNN" if len(shape) == 2 else "UNIDIRECTIONAL_SEQUENCE_RNN"
    given = {"fusedActivationFunction": TANH, **options}
    return write_model(path, [(name, given, operands, [OUTPUT])], tensors, [0], [OUTPUT])


def compare(path: Path, rng: np.random.Generator) -> set[float]:
    """22 runs, the state of one the start of the next, then 3 more after a reset. Returns the
    numbers that come out."""
    graph, interpreter = optimize(read(path)), litert(path)
    states, seen = None, set()
    for i in range(25):
        if i == 22:
            interpreter.reset_all_variables()
            states = None
        x = rng.normal(0, 1, graph.inputs[0].type.shape).astype(np.float32)
        interpreter.set_tensor(0, x)
        interpreter.invoke()
        values = interpret(graph, [x], states)
        states = kept(graph, values)
        found = values[graph.outputs[0]], *states
        seen.update(found[0].ravel().tolist())
        for place, y in zip((OUTPUT, STATE), found, strict=True):
            np.testing.assert_allclose(y, interpreter.get_tensor(place), rtol=0, atol=1e-5)
    return seen


@pytest.mark.parametrize("major", [False, True])
def test_sequences(major: bool, rng, tmp_path: Path) -> None:
    seen: set[float] = set()
    for i, (shape, cells) in enumerate([((1, 1, 1), 1), ((1, 7, 3), 5), ((3, 2, 9), 4)]):
        path = rnn(tmp_path / f"{i}.tflite", rng, shape, cells, timeMajor=major)
        seen |= compare(path, rng)
    assert len(seen) > 100


@pytest.mark.parametrize("activation", [RELU, RELU_N1_TO_1, RELU6, TANH])
def test_steps(activation: int, rng, tmp_path: Path) -> None:
    path = rnn(tmp_path / "m.tflite", rng, (2, 7), 3, fusedActivationFunction=activation)
    assert len(compare(path, rng)) > 20


def test_no_activation(rng, tmp_path: Path) -> None:
    def calm(tensors: list[TensorSpec], operands: list[int]) -> None:
        tensors[2] = replace(tensors[2], data=tensors[2].data * 0.5)

    path = rnn(tmp_path / "m.tflite", rng, change=calm, fusedActivationFunction=NONE)
    assert len(compare(path, rng)) > 100


def _set(place: int, **fields: Any) -> Callable[[list[TensorSpec], list[int]], None]:
    def change(tensors: list[TensorSpec], operands: list[int]) -> None:
        tensors[place] = replace(tensors[place], **fields)

    return change


def _point(place: int, to: int) -> Callable[[list[TensorSpec], list[int]], None]:
    return lambda tensors, operands: operands.__setitem__(place, to)


@pytest.mark.parametrize(
    ("change", "id", "words"),
    [
        (_point(STATE, -1), "E301", "has no operand 4, its state"),
        (_point(STATE, 0), "E302", "constant, or one tensor"),
        (_set(STATE, variable=False), "E301", "before it is computed"),
        (_set(STATE, shape=(2, 4)), "E302", "its state is 2x4 f32, not 2x5"),
        (_point(3, -1), "E301", "lacks its input, weights or bias"),
        (lambda tensors, operands: operands.pop(), "E301", "has 4 inputs and 1 outputs"),
        (_set(2, shape=(5, 4), data=np.zeros((5, 4))), "E302", "recurrent weights"),
        (_set(1, shape=(5,), data=np.zeros(5)), "E302", "its weights 5 f32"),
        (_set(1, dtype="int8", scale=0.1), "E330", "dynamic-range"),
        (_set(0, dtype="int8", scale=0.1), "E303", "input is i8; supported: f32"),
    ],
)  # fmt: skip
def test_what_is_no_rnn_is_named(change: Any, id: str, words: str, rng, tmp_path: Path) -> None:
    path = rnn(tmp_path / "m.tflite", rng, change=change)
    with pytest.raises((CompileError, CompileErrors)) as raised:
        read(path)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(id) and words in line


@pytest.mark.parametrize(("activation", "name"), [(SIGN_BIT, "sign_bit"), (77, "77")])
def test_other_activations_are_named(activation: int, name: str, rng, tmp_path: Path) -> None:
    path = rnn(tmp_path / "m.tflite", rng, fusedActivationFunction=activation)
    with pytest.raises(CompileError, match=f"^E302 .* its activation is {name}; use one of none,"):
        read(path)

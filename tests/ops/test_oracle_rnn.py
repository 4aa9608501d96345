"""RNN layers and their states against LiteRT's reference kernels, run after run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sequences import Change, compare, having, int8_matrices, point
from tflite_writer import TensorSpec, write_model

from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read

pytest.importorskip("ai_edge_litert")
NONE, RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT = range(6)
STATE, OUTPUT = 4, 5


def rnn(
    path: Path,
    rng: np.random.Generator,
    shape: tuple[int, ...] = (2, 3, 4),
    cells: int = 5,
    change: Change = lambda tensors, operands: None,
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


@pytest.mark.parametrize("major", [False, True])
def test_sequences(major: bool, rng, tmp_path: Path) -> None:
    seen: set[float] = set()
    for i, (shape, cells) in enumerate([((1, 1, 1), 1), ((1, 7, 3), 5), ((3, 2, 9), 4)]):
        path = rnn(tmp_path / f"{i}.tflite", rng, shape, cells, timeMajor=major)
        seen |= compare(path, rng, (STATE,), 1e-5, spread=1)
    assert len(seen) > 100


@pytest.mark.parametrize("activation", [RELU, RELU_N1_TO_1, RELU6, TANH])
def test_steps(activation: int, rng, tmp_path: Path) -> None:
    path = rnn(tmp_path / "m.tflite", rng, (2, 7), 3, fusedActivationFunction=activation)
    assert len(compare(path, rng, (STATE,), 1e-5, spread=1)) > 20


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("shape", [(2, 9), (1, 5, 3), (3, 2, 17)])
def test_int8_weights(shape: tuple[int, ...], asymmetric: bool, rng, tmp_path: Path) -> None:
    options = {"asymmetricQuantizeInputs": asymmetric, "fusedActivationFunction": RELU6}
    if len(shape) == 3:
        options["timeMajor"] = asymmetric
    narrow = int8_matrices(rng, 1, 2)
    path = rnn(tmp_path / "m.tflite", rng, shape, 6, narrow, **options)
    assert len(compare(path, rng, (STATE,), 1e-6, spread=3)) > 100


def test_no_activation(rng, tmp_path: Path) -> None:
    def calm(tensors: list[TensorSpec], operands: list[int]) -> None:
        tensors[2] = replace(tensors[2], data=tensors[2].data * 0.5)

    path = rnn(tmp_path / "m.tflite", rng, change=calm, fusedActivationFunction=NONE)
    assert len(compare(path, rng, (STATE,), 1e-5, spread=1)) > 100


@pytest.mark.parametrize(
    ("change", "id", "words"),
    [
        (point(STATE, -1), "E301", "has no operand 4, its state"),
        (point(STATE, 0), "E302", "constant, or one tensor"),
        (having(STATE, variable=False), "E301", "before it is computed"),
        (having(STATE, shape=(2, 4)), "E302", "its state is 2x4 f32, not 2x5"),
        (point(3, -1), "E301", "lacks its input, weights or bias"),
        (lambda tensors, operands: operands.pop(), "E301", "has 4 inputs and 1 outputs"),
        (having(2, shape=(5, 4), data=np.zeros((5, 4))), "E302", "recurrent weights"),
        (having(1, shape=(5,), data=np.zeros(5)), "E302", "its weights 5 f32"),
        (having(1, dtype="int8", scale=0.1), "E303", "recurrent weights is f32; supported: i8"),
        (having(1, dtype="uint8", scale=0.1), "E330", "dynamic-range"),
        (having(0, dtype="int8", scale=0.1), "E303", "input is i8; supported: f32"),
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

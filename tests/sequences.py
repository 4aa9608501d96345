"""Runs of a network with states one after the other, by the numpy reference and by LiteRT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tflite_writer import TensorSpec, litert

from tinyc.frontends.tflite import read
from tinyc.ir import interpret, kept
from tinyc.passes import optimize

Change = Callable[[list[TensorSpec], list[int]], None]
"""What a test does to the tensors of a network and to the operands of its operator."""


def compare(
    path: Path, rng: np.random.Generator, states: Sequence[int], tolerance: float, spread: float = 2
) -> set[float]:
    """22 runs, the states of one the start of the next, then 3 more after a reset: as read and as
    optimized. states: of their tensors in the file; spread: the deviation of the inputs. Returns
    the numbers that come out."""
    graph = read(path)
    assert len(graph.states) == len(states)
    interpreter = litert(path)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    kind, seen = graph.inputs[0].type, set()
    for version in (graph, optimize(graph)):
        before = None
        interpreter.reset_all_variables()
        for i in range(25):
            if i == 22:
                interpreter.reset_all_variables()
                before = None
            x = rng.normal(0, spread, kind.shape).astype(np.float32)
            if kind.dtype.value == "i8":
                x = np.clip(x * 50 + kind.zero_point, -128, 127).astype(np.int8)
            interpreter.set_tensor(source["index"], x)
            interpreter.invoke()
            values = interpret(version, [x], before)
            before = kept(version, values)
            found = [values[version.outputs[0]], *before]
            seen.update(found[0].ravel().tolist())
            for place, y in zip((result["index"], *states), found, strict=True):
                want = interpreter.get_tensor(place)
                np.testing.assert_allclose(y, want, rtol=0, atol=tolerance)
    return seen


def int8_matrices(rng: np.random.Generator, *places: int) -> Change:
    """Matrices at ``places`` as dynamic-range quantization leaves them."""

    def change(tensors: list[TensorSpec], operands: list[int]) -> None:
        for place in places:
            shape = tensors[place].shape
            data, scale = (
                rng.integers(-127, 127, shape, endpoint=True),
                float(rng.uniform(1e-3, 5e-3)),
            )
            tensors[place] = replace(tensors[place], dtype="int8", scale=scale, data=data)

    return change


def having(place: int, **fields: Any) -> Change:
    """Another form of the tensor at ``place``; as an operand it is there even if it is optional."""

    def change(tensors: list[TensorSpec], operands: list[int]) -> None:
        tensors[place] = replace(tensors[place], **fields)
        if place < len(operands):
            operands[place] = place

    return change


def point(place: int, to: int) -> Change:
    """Another operand at ``place``."""
    return lambda tensors, operands: operands.__setitem__(place, to)

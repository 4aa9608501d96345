"""A plan as firmware on an emulated core: counted, sized, its outputs compared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..emit.emitter import emit
from ..errors import CompileError
from ..image.build import BuildOptions, Image, build
from ..ir import Array, Graph, Value
from ..plan import Plan
from ..plan.heads import deviation, rules, split_outputs
from ..run import run
from ..run.data import Samples
from ..target.boards import Board

_TEST = BuildOptions("test")


@dataclass(frozen=True)
class Measured:
    """A plan as its image ran on the emulated core; layers: cycles of each step; outputs: uint8
    [1, bytes]."""

    plan: Plan
    image: Image
    cycles: int
    layers: tuple[int, ...]
    outputs: Array


def measure(
    lowered: Plan,
    board: Board,
    toolchain: str | None,
    samples: Samples,
    options: BuildOptions = _TEST,
) -> Measured:
    """Build with the test harness in the place of the main program of ``options``, and count the
    inference of one sample. Raises CompileErrors of building and running, E401 among them."""
    name = lowered.graph.name
    symbols = tuple(step.symbol for step in lowered.steps)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / name
        image = build(emit(lowered), board, toolchain, out, replace(options, main="test"))
        rows = samples.bytes(bool(lowered.graph.states))
        trace = run(image, rows, profile=True, layers=symbols)
    assert trace.cycles is not None
    layers = tuple(trace.layers[symbol].cycles for symbol in symbols)
    return Measured(lowered, image, trace.cycles, layers, trace.outputs)


def refuse_wrong(
    graph: Graph, found: Measured, expected: Mapping[Value, Array], place: str
) -> None:
    """Raise E501 unless the inference gave what the reference does (`tinyc.ir.interpret`)."""
    outputs = split_outputs(graph, found.outputs)
    for value, rule, ours in zip(graph.outputs, rules(graph), outputs, strict=True):
        truth = value.data if value.data is not None else expected[value]
        wrong, _ = deviation(ours, np.asarray(truth)[None], rule)
        if wrong.any():
            names = ", ".join(dict.fromkeys(step.kernel.name for step in found.plan.steps))
            raise CompileError(
                "E501", place, f"{names} give other outputs than the reference",
                "this is a bug in tinyc or its compiler: report it with the model",
            )  # fmt: skip

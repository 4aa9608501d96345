"""The way of a model from its file to C text, in one call; no disk but the file is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .backend import lower
from .boards import Board
from .data import load_npz
from .emit.c import emit
from .errors import CompileError, CompileErrors
from .frontends import keras
from .frontends.tflite import lift, parse, read
from .ir import DType, Graph, verify
from .op import Schedule
from .ops._hybrid import Hybrid
from .ops.conv2d import Conv2d
from .ops.depthwise_conv2d import DepthwiseConv2d
from .ops.fully_connected import FullyConnected
from .ops.lce_bconv2d import LceBconv2d
from .ops.lce_dequantize import LceDequantize
from .ops.lce_quantize import LceQuantize
from .ops.transpose_conv import TransposeConv
from .passes import optimize
from .passes.binarize import binarize
from .passes.calibrate import calibrate, exact_nodes, float_nodes
from .passes.dequantize_weights import dequantize_weights
from .passes.fold_affine import fold_affine
from .passes.fold_constants import fold_constants
from .passes.fold_thresholds import fold_thresholds
from .passes.remove_dead import remove_dead
from .plan import Plan

Predict = Callable[[list[np.ndarray]], list[np.ndarray]]
WEIGHTED = (Conv2d, DepthwiseConv2d, FullyConnected, TransposeConv)
MOST_CALIBRATION = 256
"""Samples that calibration looks at; more change no range that matters."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """source: as it stands in the file; graph: what a verdict compares with, which is the same
    unless the model was binarized or calibrated here; plan: after the passes, for one core;
    predict: the Keras model, if there is one."""

    source: Graph
    graph: Graph
    plan: Plan
    predict: Predict | None = None

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """Path -> text of the generated library, printed when it is first asked for: what does
        not fit need not be."""
        return emit(self.plan)


def compile_model(
    model: str | Path,
    board: Board,
    strict: bool = False,
    calibration: Path | None = None,
    float_glue: bool = False,
    optional_calibration: bool = False,
    backend: str = "templates",
    schedules: Mapping[str, Schedule] | None = None,
    toolchain: str | None = None,
    max_flash: int | None = None,
) -> Compiled:
    """Read, rewrite and plan ``model`` for the core of ``board``.

    strict: a kernel that the core could run but a node does not allow is an error (E307), and
    so is a layer of signs that is not computed with bits;
    calibration: an ``.npz`` with inputs ``x``, by which float32 becomes int8; float_glue: leave
    what lies between binary layers in float32; optional_calibration: no error (E217) where there
    is nothing to calibrate; backend, schedules, toolchain, max_flash: see `tinyc.backend.lower`.
    Raises CompileError(s) E2xx and E3xx, E401 (before any work, for weights that no flash of the
    board could hold), and those of the backend.
    """
    source, predict = read_model(str(model))
    _refuse_too_large(source, board, calibration is not None)
    binary = verify(remove_dead(binarize(source))) if is_binary(source) else source
    graph = _prepare(binary, board, calibration, float_glue, optional_calibration)
    planned = lower(optimize(graph), board, backend, schedules, toolchain, max_flash)
    if strict:
        _refuse_fallbacks(planned)
    return Compiled(source, graph, planned, predict)


def read_model(model: str) -> tuple[Graph, Predict | None]:
    """The graph of a ``.tflite`` file or of a Keras model, and how to run the latter."""
    if not keras.is_keras(model):
        return read(Path(model)), None
    loaded = keras.load(model)
    path = Path(model)
    name = model.rpartition(":")[2] if path.suffix.startswith(".py:") else path.stem
    return lift(parse(loaded.tflite, path.name, name)), loaded.predict


def _refuse_too_large(graph: Graph, board: Board, calibrated: bool) -> None:
    """Raise E401 if what must remain of the weights exceeds the board's flash memories."""
    least = least_weights(graph, calibrated)
    room = sum(m.size for m in board.memory if m.kind == "flash")
    if least > room:
        shrink = "" if calibrated or not float_nodes(graph) else "pass --calibrate data.npz, "
        raise CompileError(
            "E401", f"{graph.name} on {board.name}",
            f"does not fit: its weights take at least {least:,} bytes, the flash has {room:,}",
            f"{shrink}shrink the weights or choose a larger board (`tinyc boards`)",
        )  # fmt: skip


def least_weights(graph: Graph, calibrated: bool) -> int:
    """A lower bound of the weights' bytes in flash, from a look at each constant.

    float32 counts one byte an element where it becomes int8 (``calibrated``), and one bit in a
    network of binary layers, where it may become signs. An int8 convolution loses channels whose
    filters are all zero, and the next layer what reads them.
    """
    binary = is_binary(graph)
    sizes, lost = [], 0.0
    for node in graph.nodes:
        op = node.op.layer if isinstance(node.op, Hybrid) else node.op
        if not isinstance(op, WEIGHTED):
            continue
        weights = node.inputs[1]
        if weights.data is None:
            continue
        axis = 3 if isinstance(op, DepthwiseConv2d) else 0
        filters = np.moveaxis(weights.data, axis, 0).reshape(weights.type.shape[axis], -1)
        alive = float(filters.any(axis=1).mean())
        size = weights.type.dtype.size
        if weights.type.dtype is DType.F32:
            size = 1 / 8 if binary else 1 if calibrated else size
        sizes.append(alive * weights.type.elements * size)
        lost += 1 - alive
    return int(sum(sizes) * max(0.0, 1 - lost))


def is_binary(graph: Graph) -> bool:
    """Whether a network has binary layers."""
    return any(isinstance(n.op, (LceBconv2d, LceQuantize, LceDequantize)) for n in graph.nodes)


def _prepare(
    graph: Graph, board: Board, calibration: Path | None, float_glue: bool, optional: bool
) -> Graph:
    """``graph``, in which all is binary that can be, with int8 in the place of float32 if that is
    asked for, or if binary layers demand it."""
    if float_glue:
        if calibration is not None:
            hint = "use one of the two"
            raise CompileError("E217", "--float-glue", "was given with --calibrate", hint)
        if "fpu" not in board.core.features and float_nodes(graph):
            raise CompileError(
                "E217", "--float-glue", f"the {board.core.title} of {board.name} has no FPU",
                "pass --calibrate data.npz instead",
            )  # fmt: skip
        return graph
    floats = float_nodes(graph)
    if calibration is None:
        if not is_binary(graph) or not floats:
            return graph
        layers = [n.output.name.split(";")[0] for n in floats]
        more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
        glue = "" if "fpu" not in board.core.features else ", or --float-glue to keep float32"
        raise CompileError(
            "E215", graph.name,
            f"the layers between its binary ones compute with float32 "
            f"({', '.join(layers[:3])}{more})",
            f"pass --calibrate data.npz with inputs 'x' like the real ones{glue}",
        )  # fmt: skip
    if not floats:
        if optional:
            return graph
        what = "there is no float32 to calibrate in this model"
        raise CompileError("E217", "--calibrate", what, "leave it out")
    graph = dequantize_weights(fold_constants(graph))
    graph = verify(remove_dead(fold_thresholds(graph)))
    graph = verify(fold_affine(graph, exact_nodes(graph)))
    samples = load_npz(calibration, graph)
    count = min(len(samples), MOST_CALIBRATION)
    # Samples that stand for themselves are taken from all over; a sequence has no gaps.
    chosen = range(count) if graph.states else np.linspace(0, len(samples) - 1, count).astype(int)
    return calibrate(graph, (samples.at(i) for i in chosen))


def _refuse_fallbacks(plan: Plan) -> None:
    errors = []
    for step in plan.steps:
        op = step.node.op
        requires = {kernel.name: kernel.requires for kernel in (*op.tir, *op.kernels)}
        requires |= {note.form: frozenset() for note in plan.graph.missed}
        errors += [
            CompileError("E307", step.node.origin, f"falls back from {name}: {reason}")
            for name, reason in step.rejected
            if name in requires and requires[name] <= plan.features
        ]
    if errors:
        raise CompileErrors(tuple(errors))

"""The way of a model from its file to C text, in one call; no disk but the file is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .boards import Board
from .emit.c import emit
from .errors import CompileError, CompileErrors
from .frontends.tflite import read
from .ir import Graph
from .passes import optimize
from .plan import Plan, plan


@dataclass(frozen=True, eq=False)
class Compiled:
    """graph: as it stands in the file, which is what a verdict compares with; plan: after the
    passes, for one core; sources: path -> text of the generated library."""

    graph: Graph
    plan: Plan
    sources: Mapping[str, str]


def compile_model(model: Path, board: Board, strict: bool = False) -> Compiled:
    """Read, rewrite, plan and emit ``model`` for the core of ``board``.

    strict: a kernel that the core could run but a node does not allow is an error (E307).
    Raises CompileError(s) E2xx and E3xx.
    """
    graph = read(model)
    planned = plan(optimize(graph), board.core.title, board.core.features)
    if strict:
        _refuse_fallbacks(planned)
    return Compiled(graph, planned, emit(planned))


def _refuse_fallbacks(plan: Plan) -> None:
    errors = []
    for step in plan.steps:
        requires = {kernel.name: kernel.requires for kernel in step.node.op.kernels}
        errors += [
            CompileError("E307", step.node.origin, f"falls back from {name}: {reason}")
            for name, reason in step.rejected
            if requires[name] <= plan.features
        ]
    if errors:
        raise CompileErrors(tuple(errors))

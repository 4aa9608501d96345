"""The table operator x dtype x core, derived from what the operators' own cases run on.

A cell names the kernel that the planner takes most readily on that core: the first whose
features the core has and that at least one case of that dtype allows.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..frontends.tflite import rules
from ..ir import Node, Op
from ..kernels.base import kernels_of
from ..ops.base import all_ops
from ..target.boards import all_boards

_INTRODUCTION = """\
# Operators

Made by `make docs`, and by `tinyc ops --markdown`: for each operator and type of its first
operand, the fastest kernel on each core. Every operator also has a numpy reference that is
bit-exact with TFLite's reference kernels, or with Larq Compute Engine's for signs, which are
packed into i32 words. `no code` stands for operators that the planner
makes into a renaming of the same bytes; `-` where a core has no kernel. WHERE and UNIQUE are
refused: how much they give depends on the data, and sizes are fixed at compile time.
"""


def _cores() -> dict[str, frozenset[str]]:
    return dict(sorted({b.core.name: frozenset(b.core.features) for b in all_boards()}.items()))


def _kernel(op: type[Op], nodes: list[Node], features: frozenset[str]) -> str:
    if op.view:
        return "no code"
    for kernel in kernels_of(op):
        if kernel.requires <= features and any(kernel.reject(n) is None for n in nodes):
            return kernel.name
    return "-"


@cache
def table() -> list[dict[str, Any]]:
    """One entry for each operator and dtype: ``operator``, ``tflite`` (list of names), ``dtype``,
    ``kernels`` (core -> kernel)."""
    cores = _cores()
    found = []
    for op in all_ops():
        by_dtype: dict[str, list[Node]] = {}
        for node in op.cases(np.random.default_rng(0)):
            if type(node.op) is op and node.inputs:
                by_dtype.setdefault(node.inputs[0].type.dtype.value, []).append(node)
        found += [
            {
                "operator": op.__name__,
                "tflite": sorted(name for name, rule in rules.load().items() if rule.op is op),
                "dtype": dtype,
                "kernels": {core: _kernel(op, nodes, f) for core, f in cores.items()},
            }
            for dtype, nodes in sorted(by_dtype.items())
        ]
    return found


def grid() -> tuple[list[str], list[list[str]]]:
    """The table as a heading and rows of text."""
    heading = ["operator", "TFLite", "dtype", *_cores()]
    return heading, [
        [e["operator"], ", ".join(e["tflite"]), e["dtype"], *e["kernels"].values()] for e in table()
    ]


def markdown() -> str:
    """The whole of docs/operators.md."""
    heading, rows = grid()
    lines = [f"| {' | '.join(heading)} |", f"|{' --- |' * len(heading)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return _INTRODUCTION + "\n" + "\n".join(lines) + "\n"

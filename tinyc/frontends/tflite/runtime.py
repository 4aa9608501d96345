"""A TFLite file as LiteRT computes it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from ...ir import Array
from ..base import Computed

_PACKAGE = "ai-edge-litert"


def compute(model: str, inputs: Sequence[Array]) -> Computed | None:
    """The outputs of LiteRT's reference kernels, or of its others where an operator has none
    there; None where it is not installed. inputs: for each input [n, *shape], a sequence to a
    model that keeps states. Raises RuntimeError or ValueError where it cannot run the model."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        return None
    from ai_edge_litert.interpreter import OpResolverType

    by = f"LiteRT {version(_PACKAGE)}"
    reference = OpResolverType.BUILTIN_REF
    try:
        return Computed(f"{by}, reference kernels", _run(model, inputs, reference))
    except (RuntimeError, ValueError):
        return Computed(by, _run(model, inputs, OpResolverType.AUTO))


def _run(model: str, inputs: Sequence[Array], kernels: Any) -> list[Array]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model, experimental_op_resolver_type=kernels, num_threads=1)
    sources, results = interpreter.get_input_details(), interpreter.get_output_details()
    for detail, array in zip(sources, inputs, strict=True):
        if tuple(detail["shape"]) != array.shape[1:]:
            interpreter.resize_tensor_input(detail["index"], array.shape[1:])
    interpreter.allocate_tensors()
    found: list[list[Array]] = [[] for _ in results]
    for sample in zip(*inputs, strict=True):
        for detail, array in zip(sources, sample, strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
        for rows, detail in zip(found, results, strict=True):
            rows.append(interpreter.get_tensor(detail["index"]))
    return [np.stack(rows) for rows in found]

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


def tensors(model: str, inputs: Sequence[Array]) -> dict[str, Array]:
    """The tensors that LiteRT's reference kernels make, by their names, in the inference of the
    last sample; those of one name are left out. inputs: as of `compute`."""
    from ai_edge_litert.interpreter import OpResolverType

    interpreter = _fed(
        model, inputs, OpResolverType.BUILTIN_REF, experimental_preserve_all_tensors=True
    )
    for sample in zip(*inputs, strict=True):
        _invoke(interpreter, sample)
    found: dict[str, Array] = {}
    twice = set()
    for detail in interpreter.get_tensor_details():
        name = detail["name"]
        twice |= {name} & found.keys()
        try:
            found[name] = interpreter.get_tensor(detail["index"])
        except ValueError:  # of what is not there between its operators
            continue
    return {name: array for name, array in found.items() if name not in twice}


def _fed(model: str, inputs: Sequence[Array], kernels: Any, **options: Any) -> Any:
    """An interpreter for inputs of these shapes."""
    from ai_edge_litert.interpreter import Interpreter

    made = Interpreter(model, experimental_op_resolver_type=kernels, num_threads=1, **options)
    for detail, array in zip(made.get_input_details(), inputs, strict=True):
        if tuple(detail["shape"]) != array.shape[1:]:
            made.resize_tensor_input(detail["index"], array.shape[1:])
    made.allocate_tensors()
    return made


def _invoke(interpreter: Any, sample: Sequence[Array]) -> None:
    for detail, array in zip(interpreter.get_input_details(), sample, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()


def _run(model: str, inputs: Sequence[Array], kernels: Any) -> list[Array]:
    interpreter = _fed(model, inputs, kernels)
    results = interpreter.get_output_details()
    found: list[list[Array]] = [[] for _ in results]
    for sample in zip(*inputs, strict=True):
        _invoke(interpreter, sample)
        for rows, detail in zip(found, results, strict=True):
            rows.append(interpreter.get_tensor(detail["index"]))
    return [np.stack(rows) for rows in found]

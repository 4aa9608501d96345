"""Read a PyTorch model: ``file.py:function``, or a ``.pt2`` file of torch.export.

The function takes nothing and returns ``(module, example)``, where example is what the module is
called with: a tensor, a tuple of them, or a dict of keyword arguments; or it returns what
`torch.export.export` gives. litert-torch makes the ``.tflite``; what PT2E quantized stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CompileError
from ...ir import Array, Graph, Order
from ...ir.ports import Port, input_ports, output_ports
from ...ir.quant import dequantize
from .. import script
from ..base import Frontend, Model, Predict, register
from ..images import images_last
from ..order import in_order
from ..packages import TORCH, line, quiet, require
from ..tflite import lift, parse
from . import archive
from .program import Program

SUFFIX = ".pt2"


def is_torch(model: str) -> bool:
    """Whether ``model`` names what this module reads."""
    place = script.split(model)
    return script.is_torch(place[0]) if place else Path(model).suffix == SUFFIX


def load(model: str, trust: bool = False) -> Program:
    """Load and export ``model``.

    trust: load a ``.pt2`` even if that could run code which came with it. Raises CompileError
    E202 (no such file), E216 (no function, or it returns no model), E305 (a size that is not
    fixed), E309 (the file cannot be loaded), E311 (it cannot be exported), E312 (code that is not
    trusted), E705 (packages).
    """
    place = script.split(model)
    path = place[0] if place else Path(model)
    if not path.exists():
        raise CompileError("E202", model, "no such file", "give the path of a model")
    require(model, TORCH)
    if place is None:
        return Program.of_export(archive.load(path, trust), model)
    return _of_function(script.call(path, place[1], TORCH), model)


def _of_function(made: Any, origin: str) -> Program:
    """The program of what a function returned."""
    import torch

    if isinstance(made, torch.export.ExportedProgram):
        return Program.of_export(made, origin)
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], torch.nn.Module):
        module, example = made
        args = tuple(example) if isinstance(example, (tuple, list)) else (example,)
        named = example if isinstance(example, dict) else {}
        return Program.of_module(module, () if named else args, named, origin)
    what = f"returns an object of type {type(made).__name__}"
    if isinstance(made, torch.nn.Module):
        what = f"returns a {type(made).__name__} without an example of its inputs"
    raise CompileError(
        "E216", origin, what, "return (module, example), example being a tensor or a tuple of them"
    )


def _read(model: str, trust: bool) -> Model:
    """Convert a model, and lift what came out of the converter."""
    with quiet():
        program = load(model, trust)
        content = program.convert(model)
    place, path = script.split(model), Path(model)
    source = parse(content, path.name, place[1] if place else path.stem)
    named = {
        i: replace(tensor, name=program.layer(tensor.name)) for i, tensor in source.tensors.items()
    }
    graph = lift(replace(source, tensors=named))
    graph = images_last(in_order(graph, program.inputs, program.outputs, model))
    graph = replace(graph, notes=(*graph.notes, *program.notes))
    return Model(graph, _predict(program, graph, model))


def _predict(program: Program, graph: Graph, origin: str) -> Predict:
    """What PyTorch computes of the inputs of ``graph``, in the order of its axes; they are integers
    where the module begins with their quantization."""

    def predict(inputs: list[Array]) -> list[Array]:
        try:
            with quiet():
                given = [_own(x, p) for x, p in zip(inputs, input_ports(graph), strict=True)]
                made = zip(program.predict(given), output_ports(graph), strict=True)
                return [_moved(y.astype(np.float32), port.order) for y, port in made]
        except Exception as error:  # PyTorch's own checks, as of indices
            raise CompileError(
                "E225", origin, f"PyTorch cannot compute these samples: {line(str(error))}",
                "pass --data data.npz with samples like the real ones",
            ) from None  # fmt: skip

    return predict


def _own(x: Array, port: Port) -> Array:
    """An input of the graph as the module takes it: real numbers, [n, *shape]."""
    type = port.value.type
    reals = (dequantize(x, type) if type.quant else x).reshape(-1, *type.shape)
    return _moved(reals, tuple(port.order.index(a) for a in range(len(port.order))))


def _moved(x: Array, order: Order) -> Array:
    """``x`` [n, ...] with the axes behind the first in ``order``, () for as they are."""
    return x.transpose(0, *(1 + a for a in order)) if order else x


register(Frontend("torch", is_torch, _read))

"""A model layer by layer, before and after techniques: bits, zeros, levels, bytes, cycles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..ir import Array, DType, Value
from ..plan import Step
from ..project import Project

_KERNEL = re.compile(r"Conv|MatMul|depthwise|separable|BiasAdd", re.IGNORECASE)
"""How the converter names what a layer of Keras with weights becomes."""


@dataclass(frozen=True)
class Layer:
    """name: Keras's, as far as the file tells it; kernel: what computes it; shape: of its weights;
    bits: in which they all fit, 8, 4, 2 or 1; zeros: the part of them that is 0; levels: most
    different ones of a channel; bytes: of its constants in flash; cycles: modelled, zero wait
    states, of one inference."""

    name: str
    kernel: str
    shape: tuple[int, ...]
    bits: int
    zeros: float
    levels: int
    bytes: int
    cycles: int


def layers(project: Project) -> list[Layer]:
    """Those with int8 weights of a model on its board, emulated. Raises those of a build."""
    cycles = {
        layer["index"]: layer["cycles"] for layer in project.profiled(project.samples(1))["layers"]
    }
    return [found for step in project.plan.steps for found in _layer(step, cycles[step.index])]


def _layer(step: Step, cycles: int) -> Iterator[Layer]:
    weights = next(
        (v for v in step.node.inputs if v.data is not None and v.type.dtype is DType.I8), None
    )
    if weights is None or weights.data is None or weights.type.quant is None:
        return
    data: Array = weights.data.astype(np.int64) - weights.type.quant.zero_point[0]
    channels = np.moveaxis(data, weights.type.quant.axis, 0).reshape(
        data.shape[weights.type.quant.axis], -1
    )
    yield Layer(
        _name((step.node.output, weights), step.name),
        step.kernel.name,
        weights.type.shape,
        _bits(data),
        float(np.mean(data == 0)),
        max(len(np.unique(row)) for row in channels),
        sum(c.data.nbytes for c in step.binding.constants),
        cycles,
    )


def _name(values: tuple[Value, ...], otherwise: str) -> str:
    for part in (part for value in values for part in value.name.split(";")):
        *path, last = part.split("/")
        if path and _KERNEL.match(last):
            return path[-1]
    return otherwise


def _bits(data: Array) -> int:
    """The fewest, of those that there are kernels for."""
    low, high = int(data.min()), int(data.max())
    if set(np.unique(data)) <= {-1, 1}:
        return 1
    return next((bits for bits in (2, 4) if -(1 << bits - 1) <= low and high < 1 << bits - 1), 8)


def paired(before: list[Layer], after: list[Layer]) -> list[tuple[Layer | None, Layer | None]]:
    """Layers of one name beside each other, those that are new or gone alone, in the order of the
    second."""
    known = {layer.name: layer for layer in before}
    found: list[tuple[Layer | None, Layer | None]] = [(known.pop(a.name, None), a) for a in after]
    return [*found, *((gone, None) for gone in known.values())]

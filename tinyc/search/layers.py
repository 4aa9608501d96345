"""A model layer by layer, before and after techniques: bits, zeros, levels, bytes, cycles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..ir import DType, Value
from ..plan import Step
from ..project import Project
from ..report.weights import weights

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
    found = next(
        (v for v in step.node.inputs if v.data is not None and v.type.dtype is DType.I8), None
    )
    known = weights(step)
    if found is None or known is None or known.levels is None:
        return
    yield Layer(
        _name((step.node.output, found), step.name),
        step.kernel.name,
        known.shape,
        known.bits,
        known.zeros,
        known.levels,
        sum(c.data.nbytes for c in step.binding.constants),
        cycles,
    )


def _name(values: tuple[Value, ...], otherwise: str) -> str:
    for part in (part for value in values for part in value.name.split(";")):
        *path, last = part.split("/")
        if path and _KERNEL.match(last):
            return path[-1]
    return otherwise


def paired(before: list[Layer], after: list[Layer]) -> list[tuple[Layer | None, Layer | None]]:
    """Layers of one name beside each other, those that are new or gone alone, in the order of the
    second."""
    known = {layer.name: layer for layer in before}
    found: list[tuple[Layer | None, Layer | None]] = [(known.pop(a.name, None), a) for a in after]
    return [*found, *((gone, None) for gone in known.values())]

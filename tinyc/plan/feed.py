"""Which image the layers may be fed with row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import CompileError
from ..ir import Graph, Value
from .arena import aliases
from .choose import Choice, choices, kernel_of
from .rows import FEWEST, Stage, height, staged
from .step import Step

HINT = (
    "leave out --feed rows, or begin the network with a layer that goes by rows, as a convolution"
)


def row_by_row(graph: Graph, steps: Sequence[Step], features: frozenset[str]) -> dict[int, Choice]:
    """Of the layers from the first through the last one that reads the input, those whose kernel
    needs it as a whole, with the fastest one that does not, where there is one."""
    last = max((step.index for step, _ in _readers(graph, steps)), default=-1)
    found = {}
    for step in steps[: last + 1]:
        for choice in choices(step.node, features, "templates") if staged(step) is None else ():
            kernel = kernel_of(step.node, choice)
            other = replace(step, kernel=kernel, binding=kernel.bind(step.node), schedule=None)
            if staged(other) is not None:
                found[step.index] = choice
                break
    return found


def _readers(graph: Graph, steps: Sequence[Step]) -> list[tuple[Step, Value]]:
    """Who reads the inputs, and as which value, which may be a view."""
    views = aliases(graph)
    return [
        (step, value)
        for step in steps
        for value in step.node.variable_inputs
        if views.get(value, value) in graph.inputs
    ]


def fed_image(graph: Graph, steps: Sequence[Step], stages: Sequence[Stage | None]) -> Value:
    """The input as the first layer reads it. stages: each step as a part of a chain, None where it
    cannot be. Raises CompileError E355 where its rows cannot come one at a time."""

    def refused(origin: str, why: str, hint: str = HINT) -> CompileError:
        return CompileError("E355", origin, f"cannot be fed by rows: {why}", hint)

    if graph.states:
        raise refused(graph.name, "it keeps states between runs", "leave out --feed rows")
    if len(graph.inputs) != 1:
        raise refused(graph.name, f"it has {len(graph.inputs)} inputs", "leave out --feed rows")
    (whole,) = graph.inputs
    views = aliases(graph)
    if whole in {views.get(v, v) for v in graph.outputs}:
        raise refused(graph.name, "its input is an output, too")
    readers = _readers(graph, steps)
    if not readers:
        raise refused(graph.name, "nothing reads its input")
    first, image = readers[0]
    if stages[0] is None or first.index > 0:
        raise refused(first.node.origin, f"the first layer {_why(steps[0])}")
    able = stages.index(None) if None in stages else len(stages)
    for step, value in readers:
        if step.index >= able:
            blocking = steps[able].name
            raise refused(
                step.node.origin,
                f"layer {step.index} reads the input again, and layer {able}, '{blocking}', "
                f"before it {_why(steps[able])}",
            )
        if value is not image:
            raise refused(step.node.origin, f"layer {step.index} reads the input in another shape")
    return image


def _why(step: Step) -> str:
    """Why a layer is no part of a chain."""
    images = (*step.node.variable_inputs, *step.node.outputs)
    shapes = ", ".join(str(v.type) for v in images)
    if step.schedule is not None:
        return "is computed by TVM"
    if any(len(v.type.shape) != 4 or v.type.shape[0] != 1 for v in images):
        return f"has not an image [1, h, w, c] as its input and as its output ({shapes})"
    if height(images[0]) < FEWEST:
        return f"has an image of fewer than {FEWEST} rows ({shapes})"
    return f"({type(step.node.op).__name__} by {step.kernel.name}) needs its input as a whole"

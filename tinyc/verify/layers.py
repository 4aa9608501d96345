"""The first layer of a plan whose C reads, or makes, something else than its graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..emit.emitter import Library
from ..ir import Array, Value
from ..plan import Plan, Step
from ..plan.heads import value_rules
from ..run.watching import Watched
from .values import Difference, Layer, difference, operands


def first_wrong(
    plan: Plan, library: Library, watched: Watched, expected: Mapping[Value, Array]
) -> Layer | None:
    """In the order in which the layers run; None where all is as it is to be.

    expected: what each value of the plan's graph is to be in that inference. A layer whose input
    was right when it was made, and no longer is when the layer is called, is told as such: others
    have written over it. A layer that makes what it should though a table of it is not the one
    that was planned comes after all others.
    """
    rule, made = value_rules(plan.graph), dict[Value, Step]()
    # What is another form of a tensor lies where that does.
    views = {n.output: n.inputs[0] for n in plan.graph.nodes if n.op.view}
    for step in plan.steps:
        pairs = zip(step.node.variable_inputs, watched.given.get(step.index, ()), strict=False)
        for value, found in pairs:
            if known := difference(found, expected[value], rule(value)):
                source = value
                while source in views:
                    source = views[source]
                maker = made.get(source)
                by = "before the first layer" if maker is None else f"'{maker.name}' had made it"
                what = f"finds its input '{value.name}' overwritten, though {by} right"
                if maker is None:
                    what = f"finds another input '{value.name}' than was given"
                return _layer(step, value, what, known, watched, library, expected, found)
        for value, found in zip(step.node.outputs, watched.made.get(step.index, ()), strict=False):
            if known := difference(found, expected[value], rule(value)):
                what = "computes something else"
                if damage := _damage(step, library, watched):
                    what = f"computes something else: {damage}"
                return _layer(step, value, what, known, watched, library, expected, found)
            made[value] = step
    for step in plan.steps:
        if damage := _damage(step, library, watched):
            output = step.node.outputs[0]
            what = f"is right on this input, but {damage}"
            return _layer(step, output, what, None, watched, library, expected, None)
    return None


def _damage(step: Step, library: Library, watched: Watched) -> str:
    """What is wrong with the tables of a layer, in words; empty where nothing is."""
    for constant in step.binding.constants:
        symbol = library.tables[constant]
        planned, found = (
            np.frombuffer(data, np.uint8)
            for data in (constant.data.tobytes(), watched.tables[symbol])
        )
        wrong = np.flatnonzero(planned != found)
        if len(wrong):
            at = int(wrong[0])
            return (
                f"{len(wrong)} of the {len(planned):,} bytes of its table {symbol} are not those "
                f"planned, the first at {at:,}: {found[at]:#04x} in the place of {planned[at]:#04x}"
            )
    return ""


def _layer(
    step: Step,
    value: Value,
    what: str,
    known: Difference | None,
    watched: Watched,
    library: Library,
    expected: Mapping[Value, Array],
    found: Array | None,
) -> Layer:
    node, ins = step.node, step.node.variable_inputs
    kept = operands(node, expected)
    for i, array in enumerate(watched.given.get(step.index, ())):
        if array.tobytes() != expected[ins[i]].tobytes():
            kept[f"input_{i}_found"] = array
    for constant in step.binding.constants:
        dtype = constant.data.dtype
        kept[f"table_{constant.suffix}"] = constant.data
        table = np.frombuffer(watched.tables[library.tables[constant]], dtype)
        if table.tobytes() != constant.data.tobytes():
            kept[f"table_{constant.suffix}_found"] = table.reshape(constant.data.shape)
    if found is not None:
        kept |= {"expected": expected[value], "found": found}
    return Layer(
        step.name, type(node.op).__name__, node.origin, value.name, what, step.kernel.name,
        step.symbol, known, kept,
    )  # fmt: skip

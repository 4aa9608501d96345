"""What the firmware has to give: by the numpy reference, and by the network as it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .frontends.base import Model
from .ir import Array, Graph, interpret, kept
from .ir.quant import dequantize
from .listener import SILENT, Listener
from .pipeline import Compiled
from .plan.heads import heads
from .run.data import Samples, quantize


@dataclass(frozen=True)
class Answers:
    """outputs: for each output an array [n, *shape] of its dtype; early: bool [n], which of them
    are those of the side head, None of a network without one."""

    outputs: list[Array]
    early: Array | None = None


def reference(compiled: Compiled, samples: Samples, listener: Listener = SILENT) -> Answers:
    """By the numpy reference: of a stream that of the network of its windows."""
    text, stream = "computing the reference", compiled.stream
    if stream is None:
        return _interpret(compiled.graph, samples, text, listener)
    windows = Samples(tuple(inputs_of(compiled, stream.window, samples)))
    return Answers(stream.newest(_interpret(stream.window, windows, text, listener).outputs))


def beside(compiled: Compiled, original: Model | None) -> Compiled:
    """The same as what was made of ``original``, if there is one: by its quantization first."""
    if original is None:
        return compiled
    rest = {name: graph for name, graph in compiled.changes.items() if name != "conversion"}
    changes = {"quantization": compiled.source, **rest}
    return replace(compiled, original=original, changes=changes)


def original(
    compiled: Compiled,
    samples: Samples,
    reference: Sequence[Array],
    listener: Listener = SILENT,
) -> list[Array]:
    """The same as float32, of the network as it was given, or of the one that it was made of: by
    Keras or PyTorch where it is theirs, and otherwise by the numpy reference, which is
    ``reference`` if nothing of the network changed."""
    stream = compiled.stream
    graph, predict = compiled.original or (compiled.source, compiled.predict)
    same = compiled.graph if stream is None else stream.window
    if predict is None and graph is same:
        found = list(reference)
    else:
        inputs = inputs_of(compiled, graph, samples)
        if predict is not None:
            found = predict(inputs)
            return found if stream is None else stream.newest(found)
        text = "computing the original"
        found = _interpret(graph, Samples(tuple(inputs)), text, listener).outputs
        found = found if stream is None else stream.newest(found)
    return [dequantize(y, v.type) for y, v in zip(found, graph.outputs, strict=True)]


def cost(
    compiled: Compiled,
    name: str,
    samples: Samples,
    original: Sequence[Array],
    listener: Listener = SILENT,
) -> dict[str, str]:
    """What of the agreement of the output ``name`` each change has cost, in words, and the
    costliest."""
    (head,) = (h for h in heads(compiled.graph) if h.port.name == name)
    index, before = head.port.index, 1.0
    truth = head.decide(original[index])
    lost, words = {}, []
    for change, graph in compiled.changes.items():
        inputs = Samples(tuple(inputs_of(compiled, graph, samples)))
        outputs = _interpret(graph, inputs, f"looking at the {change}", listener).outputs
        outputs = outputs if compiled.stream is None else compiled.stream.newest(outputs)
        decided = head.decide(outputs[index], graph.outputs[index].type)
        after = float(np.mean(decided == truth))
        lost[change], before = before - after, after
        words.append(f"after {change} it is {after:.4f}")
    return {"cost": ", ".join(words), "costliest": max(lost, key=lambda c: lost[c])}


def inputs_of(compiled: Compiled, graph: Graph, samples: Samples) -> list[Array]:
    """``samples`` as the inputs of ``graph``, which the compiled graph was made of: as they
    are where their type is the same, else the real numbers that were given; of a stream as its
    windows."""
    found, zeros = [], []
    for i, (to, own) in enumerate(zip(graph.inputs, compiled.graph.inputs, strict=True)):
        if (to.type.dtype, to.type.quant) == (own.type.dtype, own.type.quant):
            found.append(samples.inputs[i])
        else:
            reals = samples.reals(i, own.type)
            found.append(reals if to.type.quant is None else quantize(reals, to.type))
        zeros.append(0 if to.type.quant is None else to.type.zero_point)
    stream = compiled.stream
    return found if stream is None else stream.windows(found, samples.begins, zeros)


def _interpret(graph: Graph, samples: Samples, text: str, listener: Listener) -> Answers:
    """By the numpy reference, the samples one sequence where the graph keeps states."""
    states, early = None, list[bool]()
    found: list[list[Any]] = [[] for _ in graph.outputs]
    with listener.progress(text, len(samples)) as advance:
        for index in range(len(samples)):
            values = interpret(graph, samples.at(index), states)
            states = kept(graph, values)
            if graph.side is not None:
                early.append(bool(values[graph.side.sure].all()))
            for rows, value in zip(found, graph.outputs, strict=True):
                rows.append(value.data if value.data is not None else values[value])
            advance()
    return Answers([np.stack(rows) for rows in found], np.array(early) if early else None)

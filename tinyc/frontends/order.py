"""Put a converted graph's inputs and outputs into the order of the model that it was made from.

Converters sort them by name, or number them anew; the model's author knows them in the order in
which the model was built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..errors import CompileError
from ..ir import Graph, Value
from ..ir.names import identifier


@dataclass(frozen=True)
class Wanted:
    """An input or an output of the model before conversion.

    name: what its author calls it; known_as: what the converted file may call it, the surest
    first; shape: without the batch, None where it is not known; dtype: numpy's name.
    """

    name: str
    known_as: tuple[str, ...]
    shape: tuple[int, ...] | None
    dtype: str


def in_order(graph: Graph, inputs: Sequence[Wanted], outputs: Sequence[Wanted], file: str) -> Graph:
    """``graph`` with its inputs and outputs in the order of those wanted, and with their names.

    Matched by name (see `tinyc.frontends.tflite.signature`), else by shape and dtype where only
    one can be meant. Where nothing is known of those wanted, a single one needs no order, and names
    that Keras made up (``input_1``, ``output_2``) are numbered in it. Raises CompileError E227
    where that does not tell which is which.
    """
    ins = _match(inputs, graph.inputs, graph.input_names, f"{file}: input")
    outs = _match(outputs, graph.outputs, graph.output_names, f"{file}: output")
    return replace(
        graph,
        inputs=tuple(graph.inputs[i] for i in ins),
        outputs=tuple(graph.outputs[i] for i in outs),
        input_names=tuple(w.name for w in inputs) or tuple(graph.input_names[i] for i in ins),
        output_names=tuple(w.name for w in outputs) or tuple(graph.output_names[i] for i in outs),
    )


def _match(
    wanted: Sequence[Wanted], values: Sequence[Value], names: Sequence[str], origin: str
) -> list[int]:
    """For each of ``wanted`` the index of its value."""
    found_numbers = (re.fullmatch(r"(?:input|output)_(\d+)", name) for name in names)
    numbers = [int(found[1]) for found in found_numbers if found]
    if not wanted and len(values) == 1:
        return [0]
    if not wanted and len(numbers) == len(values):
        return sorted(range(len(values)), key=numbers.__getitem__)
    if len(wanted) != len(values):
        raise CompileError(
            "E227", f"{origin}s",
            f"the model names {len(wanted)}, the converted file {', '.join(map(repr, names))}",
            "build it as a functional Keras model, or convert it to .tflite yourself",
        )  # fmt: skip
    found: dict[int, int] = {}
    most = max((len(w.known_as) for w in wanted), default=0)
    for same in (str, identifier):
        for k in range(most):
            _pair(found, wanted, names, k, same)
    for position, one in enumerate(wanted):
        if position in found:
            continue
        rest = [i for i in range(len(values)) if i not in found.values()]
        fits = [i for i in rest if _could_be(one, values[i])]
        others = [w for p, w in enumerate(wanted) if p not in found and p != position]
        if len(fits) != 1 or any(_could_be(other, values[fits[0]]) for other in others):
            raise CompileError(
                "E227", f"{origin} '{one.name}'",
                f"could be any of {', '.join(repr(names[i]) for i in fits or rest)} of the "
                f"converted file",
                "give the layers names of their own, or convert it to .tflite yourself",
            )  # fmt: skip
        found[position] = fits[0]
    return [found[position] for position in range(len(wanted))]


def _pair(
    found: dict[int, int],
    wanted: Sequence[Wanted],
    names: Sequence[str],
    k: int,
    same: Callable[[str], str],
) -> None:
    """Pair what has one and the same k-th name, alike under ``same``, and no other has it."""
    free = [i for i in range(len(names)) if i not in found.values()]
    keys = {
        p: same(w.known_as[k])
        for p, w in enumerate(wanted)
        if p not in found and k < len(w.known_as)
    }
    for position, key in keys.items():
        fits = [i for i in free if same(names[i]) == key]
        if len(fits) == 1 and list(keys.values()).count(key) == 1:
            found[position] = fits[0]


def _could_be(wanted: Wanted, value: Value) -> bool:
    shape, kind = value.type.shape, value.type.dtype.numpy
    if wanted.shape is not None and shape[1:] != wanted.shape:
        return False
    # A converter may make numbers of fewer bits of floats, but no indices.
    return kind.name == wanted.dtype or (wanted.dtype == "float32" and value.type.quant is not None)

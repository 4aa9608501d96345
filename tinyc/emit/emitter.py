"""Emit: Plan -> Library, C99 text and the facts of it. Pure: no disk is written, same plan, same
bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import __version__
from ..ir import Array, Frames, TensorType, Value, applies
from ..ir.ports import Port, input_ports
from ..kernels import support
from ..kernels.base import Constant
from ..ops.confident import Confident
from ..plan import ALIGN, Plan, Step
from ..plan.heads import heads
from ..plan.rows import height, row_bytes
from .bodies import functions
from .chains import ROWS, chain_symbol, chained, described
from .identity import identity
from .names import CTYPES, comment, literals
from .render import render


@dataclass(frozen=True)
class Buffer:
    """An input or output, where it lies in the arena. name: the model's own; identifier: the same
    as a part of C identifiers; offset: in bytes from the arena's start."""

    name: str
    identifier: str
    type: TensorType
    offset: int

    @property
    def bytes(self) -> int:
        return self.type.bytes


@dataclass(frozen=True)
class ConstantArray:
    """A constant array. symbol: its C name; ctype: of an element, of ``itemsize`` bytes."""

    symbol: str
    ctype: str
    elements: int
    itemsize: int

    @property
    def bytes(self) -> int:
        return self.elements * self.itemsize

    @property
    def declaration(self) -> str:
        aligned = " __attribute__((aligned(4)))" if self.itemsize < 4 else ""
        return f"const {self.ctype} {self.symbol}[{self.elements}]{aligned}"


@dataclass(frozen=True)
class Fed:
    """An input that comes row by row. rows: of an image; bytes: of a row; ctype: of an element;
    offset: in bytes from the arena's start, of the first of those that there are; turns: the
    function in which the first layers take turns."""

    rows: int
    bytes: int
    ctype: str
    offset: int
    turns: str


@dataclass(frozen=True)
class Exit:
    """Where a run may end early. head: the model's name of the side head, safe in a comment;
    threshold: from which probability on its scores are the output; reaches: the least integer for
    that; sure: where in the arena it lies whether they are, in bytes; scores: where they lie;
    output: where they go."""

    head: str
    threshold: float
    reaches: int
    sure: int
    scores: int
    output: int


@dataclass(frozen=True)
class Library:
    """A network as C, and what whoever builds or runs it has to know.

    name: the prefix of every public symbol; files: path -> text, ``include/<name>.h`` and under
    ``src/`` ``<name>.c``, ``<name>_kernels.h``, ``<name>_weights.c``;
    arena_bytes: of the working memory that a run is given;
    inputs, outputs: in the order of the model's; arrays: every constant of ``<name>_weights.c``;
    states: how many the network keeps in the arena between its runs; tables: those of layers;
    fed: how the rows of the input come, None where it comes as a whole; frames: of a stream;
    exit: where a run may end early, None where it does not;
    floats: whether it computes with float32; libm: whether it calls a C library's functions of
    <math.h>.
    """

    name: str
    files: Mapping[str, str]
    arena_bytes: int
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    arrays: tuple[ConstantArray, ...] = ()
    states: int = 0
    floats: bool = False
    libm: bool = False
    fed: Fed | None = None
    frames: Frames | None = None
    exit: Exit | None = None
    tables: Mapping[Constant, str] = field(default_factory=dict, compare=False)

    @property
    def input_bytes(self) -> int:
        """Of all inputs of one run."""
        return sum(buffer.bytes for buffer in self.inputs)

    @property
    def output_bytes(self) -> int:
        """Of all outputs of one run, as a harness tells of them: where a run may end early, with a
        byte behind them that is 1 where it did."""
        return sum(buffer.bytes for buffer in self.outputs) + (self.exit is not None)

    @property
    def entries(self) -> tuple[str, ...]:
        """The functions that an inference consists of, the layers' own aside."""
        if self.fed is None:
            return (f"{self.name}_run",)
        return f"{self.name}_push_row", f"{self.name}_finish", self.fed.turns


@dataclass
class _Arrays:
    """The constant arrays of a library; equal ones of layers stand there once.

    layers: the arrays that each layer is the first to read; others: those that no layer reads;
    notes, texts: what stands in each, and its elements; symbols: of each constant of a layer.
    """

    layers: list[list[ConstantArray]] = field(default_factory=list)
    others: list[ConstantArray] = field(default_factory=list)
    notes: dict[ConstantArray, str] = field(default_factory=dict)
    texts: dict[ConstantArray, str] = field(default_factory=dict)
    symbols: dict[Constant, str] = field(default_factory=dict)
    _known: dict[tuple[str, bytes], str] = field(default_factory=dict)

    def add_layer(self, step: Step) -> None:
        self.layers.append([])
        for constant in step.binding.constants:
            symbol = f"{step.symbol}_{constant.suffix}"
            self.symbols[constant] = self._known.setdefault(constant.contents, symbol)
            if self.symbols[constant] == symbol:
                self.layers[-1].append(self._made(symbol, constant.data, constant.note))

    def add(self, symbol: str, data: Array, note: str) -> str:
        """An array that no layer reads; returns its symbol."""
        self.others.append(self._made(symbol, data, note))
        return symbol

    def _made(self, symbol: str, data: Array, note: str) -> ConstantArray:
        array = ConstantArray(symbol, CTYPES[data.dtype.name], data.size, data.dtype.itemsize)
        self.notes[array], self.texts[array] = note, literals(np.ascontiguousarray(data))
        return array


def emit(plan: Plan) -> Library:
    """The library of ``plan``."""
    graph, prefix = plan.graph, plan.prefix
    common = {
        "prefix": prefix,
        "PREFIX": prefix.upper(),
        "version": __version__,
        "sha256": graph.sha256 or "(none: built from a graph in memory)",
        "core": plan.core,
        "frames": graph.frames,
    }
    arrays = _Arrays()
    for step in plan.steps:
        arrays.add_layer(step)
    copies, resets = _copies(plan, arrays), _resets(plan, arrays)
    called = [name for step in plan.steps for name in step.binding.support]
    parts = support.needed([*called, *([ROWS] if plan.chains else [])])
    floats = support.FLOAT_SCALE in parts or any(step.floats for step in plan.steps)
    ports, ends = input_ports(graph), heads(graph)
    fed, exit = _fed(plan), _exit(plan)
    files = {
        f"include/{prefix}.h": render(
            "model.h",
            **common,
            summary=", ".join(
                [*(f"in {v.type}" for v in graph.inputs), *(f"out {v.type}" for v in graph.outputs)]
            ),
            arena_bytes=plan.arena_bytes,
            align=ALIGN,
            inputs=[_port(plan, "input", port) for port in ports],
            outputs=[_port(plan, "output", h.port) | {"threshold": h.least} for h in ends],
            states=len(resets),
            fed=fed,
            exit=exit,
        ),
        f"src/{prefix}.c": render(
            "model.c",
            **common,
            layers=[
                {"arrays": declared, "text": text}
                for text, declared in zip(
                    functions(plan.steps, arrays.symbols, prefix), arrays.layers, strict=True
                )
            ],
            arrays=arrays.others,
            chains=chained(plan),
            inputs=[_port(plan, "input", port) for port in ports],
            calls=_calls(plan),
            copies=copies,
            resets=resets,
            fed=fed,
            exit=exit,
        ),
        f"src/{prefix}_kernels.h": render(
            "kernels.h",
            **common,
            dual_issue="dual_issue" in plan.features,
            small=plan.small,
            floats=floats,
            parts=[support.text(name) for name in parts],
        ),
        f"src/{prefix}_weights.c": render(
            "weights.c", **common, arrays=arrays.texts, notes=arrays.notes
        ),
    }
    return Library(
        prefix,
        files,
        plan.arena_bytes,
        tuple(_buffer(plan, port) for port in ports),
        tuple(_buffer(plan, head.port) for head in ends),
        tuple(arrays.texts),
        len(resets),
        floats,
        support.MATH in parts,
        fed,
        graph.frames,
        exit,
        arrays.symbols,
    )


def main_program(library: Library, template: str, **options: Any) -> str:
    """``templates/port/<template>.c.j2``: a main program around ``library``."""
    return render(
        f"port/{template}.c",
        prefix=library.name,
        PREFIX=library.name.upper(),
        inputs=len(library.inputs),
        outputs=len(library.outputs),
        states=library.states,
        fed=library.fed,
        exit=library.exit,
        identity=identity(library.files),
        **options,
    )


def _copies(plan: Plan, arrays: _Arrays) -> list[dict[str, Any]]:
    """What is copied when all layers have run."""
    found = []
    for index, value in enumerate(dict.fromkeys(plan.graph.outputs)):
        if value.data is not None:
            symbol = f"{plan.prefix}_output_{index}_constant"
            source = arrays.add(symbol, value.data, f"output {value.type}, a constant")
            caption = "an output that does not depend on the input"
            found.append(_copy(caption, plan, value, source))
    for index, (exit, entry) in enumerate(plan.carries):
        if exit.data is None:
            source = f"a + {plan.offsets[exit]}"
        else:
            source = arrays.add(f"{plan.prefix}_kept_{index}", exit.data, f"state {exit.type}")
        caption = f"state '{comment(entry.name)}' for the next run"
        found.append(_copy(caption, plan, entry, source))
    return found


def _resets(plan: Plan, arrays: _Arrays) -> list[dict[str, Any]]:
    """What each state starts with, and where it lies."""
    found = []
    for index, state in enumerate(plan.graph.states):
        entry = state.entry
        byte, source = _only_byte(state.initial), f"{plan.prefix}_state_{index}"
        piece = _piece(state.initial)
        if byte is None:
            arrays.add(source, piece, f"state {entry.type} at the start")
        caption = f"{entry.type} '{comment(entry.name)}'"
        facts = {**_copy(caption, plan, entry, source), "byte": byte}
        found.append({**facts, "piece": piece.nbytes, "pieces": state.initial.size // piece.size})
    return found


def _piece(data: Array) -> Array:
    """The shortest run of an array's rows, of whatever axis, that all of it repeats."""
    found = data.ravel()
    for axis in range(data.ndim):
        rows = data.reshape(math.prod(data.shape[: axis + 1]), -1)
        if (rows == rows[0]).all():
            found = rows[0]
    return found


def _copy(caption: str, plan: Plan, value: Value, source: str) -> dict[str, Any]:
    """Bytes that go from ``source`` to where ``value`` lies."""
    to, bytes = plan.offsets[value], value.type.bytes
    return {"caption": caption, "to": to, "source": source, "bytes": bytes}


def _only_byte(data: Array) -> int | None:
    """The byte that all of an array's bytes are; None if there are several."""
    found = np.unique(np.frombuffer(data.tobytes(), np.uint8))
    return int(found[0]) if len(found) == 1 else None


def _fed(plan: Plan) -> Fed | None:
    image = plan.fed
    if image is None:
        return None
    return Fed(
        height(image), row_bytes(image), image.type.dtype.c, plan.offsets[image],
        chain_symbol(plan, plan.chains[0]),
    )  # fmt: skip


def _exit(plan: Plan) -> Exit | None:
    side = plan.graph.side
    if side is None:
        return None
    (decides,) = (s.node for s in plan.steps if applies(s.node, Confident))
    (output,), at = plan.graph.outputs, plan.offsets
    return Exit(
        comment(side.name), decides.op.threshold, decides.op.least(decides.inputs[0].type),
        at[side.sure], at[side.scores], at[output],
    )  # fmt: skip


def _buffer(plan: Plan, port: Port) -> Buffer:
    return Buffer(port.name, port.identifier, port.value.type, plan.offsets[port.value])


def _port(plan: Plan, role: str, port: Port) -> dict[str, Any]:
    value, index = port.value, port.index
    per_tensor = value.type.quant is not None and not value.type.quant.per_channel
    return {
        "role": role,
        "index": index,
        "name": comment(port.name),
        "caption": ", ".join(filter(None, (f"'{comment(port.name)}', {value.type}", port.ordered))),
        "macro": f"{plan.prefix.upper()}_{role.upper()}_{index}",
        "function": f"{plan.prefix}_{role}_{index}",
        "alias": f"{plan.prefix}_{role}_{port.identifier}",
        "ctype": value.type.dtype.c,
        "bytes": value.type.bytes,
        "elements": value.type.elements,
        "shape": value.type.shape or (1,),
        "scale": value.type.scale if per_tensor else 1.0,
        "zero_point": value.type.zero_point if per_tensor else 0,
        "offset": plan.offsets[value],
    }


def _calls(plan: Plan) -> list[dict[str, Any]]:
    """What a run calls: chains, and the layers that are in none; after which it may end."""
    found = [_call(plan, step) for step in plan.steps if not step.part]
    for chain in plan.chains:
        caption = f"{chain.first} to {chain.last} by rows"
        symbol = chain_symbol(plan, chain)
        found.append({"index": chain.first, "caption": caption, "symbol": symbol, "args": ["a"]})
    side = plan.graph.side
    decides = [s.index for s in plan.steps if side is not None and side.sure in s.node.outputs]
    return [
        {**call, "leaves": call["index"] in decides}
        for call in sorted(found, key=lambda call: call["index"])
    ]


def _call(plan: Plan, step: Step) -> dict[str, Any]:
    ins, outs = step.node.variable_inputs, step.node.outputs
    args = [_pointer("const ", plan, v) for v in ins] + [_pointer("", plan, v) for v in outs]
    if step.binding.scratch:
        args.append(f"a + {step.scratch_offset}")
    places = (", ".join(f"@{plan.offsets[v]}" for v in values) for values in (ins, outs))
    caption = f"{described(step)} | in {', out '.join(places)}"
    return {"index": step.index, "caption": caption, "symbol": step.symbol, "args": args}


def _pointer(const: str, plan: Plan, value: Value) -> str:
    return f"({const}{value.type.dtype.c} *)({const}void *)(a + {plan.offsets[value]})"

"""Inputs and labels of a test: from an ``.npz`` file, or seeded at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError
from ..ir import Array, DType, Graph, TensorType, Value
from ..ir.ports import Port, input_ports
from ..ir.quant import dequantize
from ..ops._move import Movement
from ..ops.cast import Cast
from ..ops.gather import GatherComputed
from ..ops.gather_nd import GatherNd
from ..ops.one_hot import OneHot
from ..passes.stream import Stream
from ..plan.heads import heads
from .arrays import accepted, as_long, expect_finite, listed, placed
from .doubts import limits, of_integers, of_reals, of_samples, of_truth
from .keys import input_keys, label_like
from .npz import MOST_BYTES, Npz, Rowed, Rows, too_large
from .passing import passing
from .truth import NAMES, read_truth

_PART = 1 << 22
"""Numbers that are quantized at once."""


@dataclass(frozen=True)
class Samples:
    """inputs: for each input of the graph an array [n, *shape] of its dtype;
    given: float32 [n, *shape] for each input that was given as real numbers and quantized here,
    else None; warnings: what is odd about all this, in words; starts: bool [n], with which of the
    samples a sequence begins, to a model that keeps states: with the first alone if None;
    labels, targets, anomalies, names: see `tinyc.run.truth.Truth`."""

    inputs: tuple[Array, ...]
    labels: Mapping[int, Array] = field(default_factory=dict)
    given: tuple[Array | None, ...] = ()
    warnings: tuple[str, ...] = ()
    starts: Array | None = None
    targets: Mapping[int, Array] = field(default_factory=dict)
    anomalies: Mapping[int, Array] = field(default_factory=dict)
    names: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs[0])

    def at(self, index: int) -> list[Array]:
        """The inputs of one sample, as `tinyc.ir.interpret` takes them."""
        return [array[index] for array in self.inputs]

    def only(self, index: int) -> Samples:
        """The one sample, without labels."""
        return Samples(
            tuple(array[index : index + 1] for array in self.inputs),
            given=tuple(None if g is None else g[index : index + 1] for g in self.given),
        )

    def reals(self, index: int, type: TensorType) -> Array:
        """One input, of ``type``, as the real numbers that were meant: float32 [n, *shape]."""
        given = self.given[index] if self.given else None
        return dequantize(self.inputs[index], type) if given is None else given

    def bytes(self, states: bool = False) -> Array:
        """uint8 [n, bytes]: each sample's inputs one after the other, little-endian.

        states: of a model that keeps some: each is led by a byte that is 1 where the states are
        reset before (see `tinyc.run.run`).
        """
        rows = [
            np.ascontiguousarray(a, a.dtype.newbyteorder("<")).reshape(len(a), -1).view(np.uint8)
            for a in self.inputs
        ]
        if states:
            rows.insert(0, self.begins.astype(np.uint8)[:, None])
        return np.concatenate(rows, axis=1)

    @property
    def begins(self) -> Array:
        """`starts`, which may be None."""
        return np.arange(len(self)) == 0 if self.starts is None else self.starts


def random_samples(graph: Graph, count: int, seed: int, stream: Stream | None = None) -> Samples:
    """``count`` seeded samples: integers over their whole range, floats from N(0, 1), indices
    into a table (of either type) over its rows; of a stream one sequence of frames, of which as
    many end a whole window; one of a network with a side head is one that passes that, if one is
    found (`passing`). Raises CompileError E228 (more than fits into memory)."""
    if stream is not None and count > 1:  # one is what it takes to measure
        count += stream.fills - 1
    size = count * sum(v.type.bytes for v in (*graph.inputs, *graph.outputs))
    if size > MOST_BYTES:
        raise too_large("--samples", f"{count:,} samples of '{graph.name}'", size)
    rng = np.random.default_rng(seed)
    rows = _table_rows(graph)

    def draw() -> tuple[Array, ...]:
        return tuple(_random(v.type, count, rng, rows.get(v)) for v in graph.inputs)

    return Samples(passing(graph, draw) if count == 1 and graph.side is not None else draw())


def _table_rows(graph: Graph) -> dict[Value, int]:
    """For each value that a GATHER or a ONE_HOT takes its indices from, cast, moved or as it is:
    how many there are, along any axis."""
    found: dict[Value, int] = {}
    for node in reversed(graph.nodes):
        if isinstance(node.op, GatherComputed):
            table, indices = node.inputs
            rows = [(indices, table.type.shape[node.op.axis])]
        elif isinstance(node.op, GatherNd):
            table, indices = node.inputs
            rows = [(indices, min(table.type.shape[: indices.type.shape[-1]]))]
        elif isinstance(node.op, OneHot):
            rows = [(node.inputs[0], node.op.depth)]
        elif isinstance(node.op, (Cast, Movement)) or node.op.view:
            least = [found[v] for v in node.outputs if v in found]
            rows = [(v, min(least)) for v in node.variable_inputs if least]
        else:
            continue
        for value, count in rows:
            found[value] = min(count, found.get(value, count))
    return found


def _random(type: TensorType, count: int, rng: np.random.Generator, rows: int | None) -> Array:
    shape = (count, *type.shape)
    if rows is not None and type.dtype is not DType.BOOL:
        most = rows if type.dtype is DType.F32 else min(rows, type.dtype.limits[1] + 1)
        return rng.integers(0, most, shape).astype(type.dtype.numpy)
    if type.dtype is DType.F32:
        return rng.standard_normal(shape, np.float32)
    if type.dtype is DType.BOOL:
        return rng.integers(0, 2, shape).astype(np.bool_)
    low, high = type.dtype.limits
    return rng.integers(low, high, shape, type.dtype.numpy, endpoint=True)


def load_npz(
    path: Path, graph: Graph, most: int | None = None, stream: Stream | None = None
) -> Samples:
    """The first ``most`` samples of an ``.npz`` (None: all), see `given_samples`. What is not
    used is not read. Raises CompileError E202 (no such file), E210 (not an npz), E228 (too large)
    and those of `given_samples`."""

    def first(count: int) -> Rows:
        return range(count if most is None else min(count, most))

    return given_samples(Npz(path), graph, str(path), first, stream=stream)


def load_inputs(path: Path, graph: Graph, most: int) -> Samples:
    """At most so many samples of an ``.npz``, evenly spread over it and without labels. Raises as
    `load_npz`."""

    def spread(count: int) -> Rows:
        return [int(i) for i in np.linspace(0, count - 1, min(count, most))]

    return given_samples(Npz(path), graph, str(path), spread, with_labels=False)


# Given ------------------------------------------------------------------------------------


def given_samples(
    arrays: Mapping[str, Rowed],
    graph: Graph,
    origin: str,
    choose: Callable[[int], Rows] = range,
    with_labels: bool = True,
    stream: Stream | None = None,
) -> Samples:
    """An array for each input and, with_labels, the optional labels; choose: the number of
    samples that there are -> the indices of those to take, rising.

    An input's key is its name, or the same as a C identifier; by position ``x_0``, ``x_1``, ...
    in the model's order, or ``x`` where there is one input. Each is [n, *shape], the batch
    dimension of 1 may be left out, in the model's own order of axes or in the firmware's, in the
    input's dtype or float (then quantized as TFLite's
    QUANTIZE does, halves away from zero). What is right is ``y``, of the first output that is a
    classifier (`tinyc.plan.heads.labelled`) or else has y's shape, and ``y_<output>``, of that
    output: class indices [n], or [n, classes] with a single 1 in each row; the numbers [n, *shape]
    that it should give, as float; 1 for an anomaly and 0 for none [n], of an output that reproduces
    an input. ``classes`` names the classes. origin: where they are from.

    stream: of one, ``graph`` takes frames, and a sample is a window, or a recording of any length,
    of which each becomes a sequence of frames whose last one has the label; zeros before it make
    these whole. Samples as long as a frame are one sequence.

    Raises CompileError E211 (a key is missing, or two are for the same), E212 (shape), E213
    (dtype), E214 (values), E229 (a label that
    is no class).
    """
    outputs = heads(graph)
    ports = input_ports(graph)
    keys = input_keys(arrays, ports, origin)
    warnings: list[str] = []
    chosen = [arrays[key] for key in keys]
    inputs, given = [], []
    times = [None] * len(ports) if stream is None else stream.inputs
    for key, array, port, time in zip(keys, chosen, ports, times, strict=True):
        x, real = _input(f"{origin}: {key}", array, port, choose, warnings, time)
        inputs.append(x)
        given.append(real)
    counts = {array.shape[0] for array in chosen}
    if len(counts) > 1 or counts == {0}:
        raise CompileError("E212", origin, f"holds {sorted(counts)} samples for its inputs")
    (count,) = counts
    rest = [k for k in arrays if k not in keys]
    others = {key: arrays[key] for key in rest} if with_labels else {}
    truth = read_truth(others, outputs, origin, count, choose)
    warnings += truth.warnings
    known = truth.read if with_labels else {*label_like(rest), NAMES}
    unused = [k for k in rest if k not in known]
    if unused:
        inputs_are = ", ".join(p.name for p in ports)
        outputs_are = ", ".join(h.port.name for h in outputs)
        warnings.append(
            f"{origin}: nothing reads {', '.join(map(repr, unused[:5]))} (the model's inputs are "
            f"{inputs_are}, its outputs {outputs_are})"
        )
    meant = [x if real is None else real for x, real in zip(inputs, given, strict=True)]
    odd = [*of_samples(meant, bool(graph.states)), *of_truth(truth)]
    warnings += (f"{origin}: {text}" for text in odd)
    samples = Samples(
        tuple(inputs), truth.labels, tuple(given), tuple(warnings), None, truth.targets,
        truth.anomalies, truth.names,
    )  # fmt: skip
    return samples if stream is None else _framed(samples, stream, origin)


def _framed(samples: Samples, stream: Stream, origin: str) -> Samples:
    """Recordings [n, *shape], longer than a frame along the time, as frames."""
    lengths = {
        x.shape[1 + axis]
        for x, axis in zip(samples.inputs, stream.inputs, strict=True)
        if axis is not None
    }
    if len(lengths) > 1:
        what = f"holds inputs of {' and '.join(map(str, sorted(lengths)))} steps"
        raise CompileError("E212", origin, what, "all inputs of a stream are equally long")
    steps = stream.frames.steps
    frames = -(-lengths.pop() // steps)
    if frames == 1:
        return samples

    def cut(array: Array, axis: int | None, zero: float) -> Array:
        if axis is None:
            return np.repeat(array, frames, 0)
        room = [(0, 0)] * array.ndim
        room[1 + axis] = (-array.shape[1 + axis] % steps, 0)
        whole = np.pad(array, room, constant_values=zero)
        parts = np.stack(np.split(whole, frames, 1 + axis), 1)
        return np.asarray(parts.reshape(-1, *parts.shape[2:]))

    inputs, given = [], []
    for i, axis in enumerate(stream.inputs):
        real = samples.given[i]
        inputs.append(cut(samples.inputs[i], axis, stream.graph.inputs[i].type.zero_point))
        given.append(None if real is None else cut(real, axis, 0))
    ends = (np.arange(len(inputs[0])) + 1) % frames == 0

    def last(truth: Mapping[int, Array], none: float) -> dict[int, Array]:
        """What is right of recordings, of the last frame of each."""
        found = {}
        for i, y in truth.items():
            found[i] = np.full((len(ends), *y.shape[1:]), none, y.dtype)
            found[i][ends] = y
        return found

    return replace(
        samples, inputs=tuple(inputs), given=tuple(given), starts=np.roll(ends, 1),
        labels=last(samples.labels, -1), targets=last(samples.targets, np.nan),
        anomalies=last(samples.anomalies, -1),
    )  # fmt: skip


# Contents ---------------------------------------------------------------------------------


def _input(
    origin: str,
    array: Rowed,
    port: Port,
    choose: Callable[[int], Rows],
    warnings: list[str],
    time: int | None = None,
) -> tuple[Array, Array | None]:
    """(an input's array, the real numbers that it was made of where it was quantized). time: the
    axis along which it may be of any length."""
    value, own = port.value, port.own_shape
    shape, dtype = value.type.shape, value.type.dtype
    given = array.shape[1:]
    also = f", the firmware [n, {listed(shape)}]" if port.order else ""
    takes = f"the model takes [n, {listed(own)}]{also}"
    if time is not None:
        takes += ", or longer along the time"
        own = as_long(own, port.order[time] if port.order else time, given)
        shape = as_long(shape, time, given)
    if not array.shape or given not in (*accepted(own), *accepted(shape)):
        raise CompileError("E212", origin, f"has shape {list(array.shape)}", takes)
    same = array.dtype == dtype.numpy
    if not same and (
        array.dtype.kind != "f" or (value.type.quant is None and dtype is not DType.F32)
    ):
        also = " or float" if value.type.quant else ""
        raise CompileError(
            "E213", origin, f"has dtype {array.dtype}",
            f"the model's input is {dtype.numpy}{also}{_moved(array.dtype, value.type)}",
        )  # fmt: skip
    x = array[choose(array.shape[0])]
    x = placed(x, port, shape, own)
    if same and dtype is not DType.F32:
        x = x.astype(dtype.numpy, copy=False)
        if x.size and value.type.quant is not None:
            warnings += (f"{origin}: {text}" for text in of_integers(x, value.type))
        return x, None
    with np.errstate(over="ignore"):
        x = x.astype(np.float32, copy=False)
    expect_finite(origin, x)
    if dtype is DType.F32:
        return x, None
    if x.size:
        warnings += (f"{origin}: {text}" for text in of_reals(x, value.type))
    # In parts: what lies between takes several times the memory.
    parts = np.array_split(x, -(-x.size // _PART) or 1)
    return np.concatenate([quantize(part, value.type) for part in parts]), x


def _moved(given: np.dtype[Any], type: TensorType) -> str:
    """How bytes of the other sign become an input's: as the numbers that they stand for."""
    if (given.name, type.dtype.numpy.name) not in (("uint8", "int8"), ("int8", "uint8")):
        return ""
    low, high = limits(type)
    step = "x.astype('int16') " + ("- 128" if given.name == "uint8" else "+ 128")
    return (
        f", of real numbers {low:.4g} to {high:.4g}: give x as float32 in these, or "
        f"({step}).astype('{type.dtype.numpy.name}') where its bytes are off by 128"
    )


def quantize(x: Array, type: TensorType) -> Array:
    """Floats to ``type``: round(x / scale) + zero_point, halves away from zero, clamped."""
    ratio = x.astype(np.float32) / np.float32(type.scale)
    rounded = np.trunc(ratio + np.copysign(np.float32(0.5), ratio))
    low, high = type.dtype.limits
    whole: Array = np.clip(rounded.astype(np.float64) + type.zero_point, low, high)
    return whole.astype(type.dtype.numpy)

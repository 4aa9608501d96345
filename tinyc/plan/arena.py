"""The layout of the arena: a place for each buffer while it is alive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

import numpy as np

from ..ir import Graph, Value
from .chain import Chain, bytes_of, counted_bytes, lives, parked
from .plan import Buffer, aligned
from .rows import Stage, distance
from .step import Step


@dataclass(eq=False)
class _Buffer:
    """A piece of the arena: alive from step ``first`` through ``last``.

    behind: of others that end while it is alive, how many bytes behind its start theirs may lie at
    the least (before it, if the number is negative): what they hold is read before this one grows
    over it; onto: one that ends where it begins and at whose start it may begin.
    """

    bytes: int
    first: int
    last: int
    offset: int = -1
    behind: dict[_Buffer, int] = field(default_factory=dict)
    onto: _Buffer | None = None

    def grow(self, other: _Buffer, behind: int) -> None:
        """Let another lie so many bytes behind, if that is worth something."""
        self.behind[other] = behind
        if self.saved(other) <= 0:
            del self.behind[other]

    def saved(self, other: _Buffer) -> int:
        """Bytes that both take together less than one behind the other."""
        both = max(self.bytes, aligned(max(self.behind.get(other, 0), 0)) + other.bytes)
        return aligned(self.bytes) + aligned(other.bytes) - aligned(both)


@dataclass(frozen=True, eq=False)
class Layout:
    """scratch: offset of each step's working memory; bytes: of the whole arena; offsets, parked,
    counted, peak, buffers: see `Plan`."""

    offsets: dict[Value, int]
    scratch: dict[Step, int]
    parked: dict[Value, int]
    counted: int
    bytes: int
    peak: tuple[int, int]
    buffers: tuple[Buffer, ...]


def aliases(graph: Graph) -> dict[Value, Value]:
    """Value -> the value whose bytes it shares because its node only renames them."""
    found: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.op.view and not node.inputs[0].constant:
            source = node.inputs[0]
            found[node.output] = found.get(source, source)
    return found


def layout(graph: Graph, steps: tuple[Step, ...], chains: Sequence[Chain] = ()) -> Layout:
    """Where everything lies that is not a constant. chains: of some of the steps."""
    pieces = _pieces(graph, steps, chains)
    size = _pack(pieces.live)
    when, alive = _most_alive(pieces.live)
    last = max(len(steps) - 1, 0)
    waiting = {buffer: value for value, buffer in pieces.parked.items()}
    return Layout(
        {value: buffer.offset for buffer, values in pieces.held.items() for value in values},
        {s: b.offset for s, b in pieces.scratch.items()},
        {v: b.offset for v, b in pieces.parked.items()},
        0 if pieces.counted is None else pieces.counted.offset,
        size,
        (min(max(when, 0), last), alive),
        tuple(
            Buffer(
                b.offset,
                b.bytes,
                b.first,
                b.last,
                tuple(pieces.held.get(b, ())),
                waiting.get(b),
                b is pieces.counted,
            )
            for b in pieces.live
        ),
    )


def alive(graph: Graph, steps: tuple[Step, ...], growing: bool) -> list[int]:
    """How many bytes are alive in each step, if they run one after the other. growing: whether
    outputs grow over inputs."""
    live = _pieces(graph, steps, ()).live
    change = _changes(live, growing)
    total = accumulate(change.get(i, 0) for i in range(-1, len(steps)))
    return list(total)[1:]


@dataclass(frozen=True)
class _Pieces:
    """What needs a place: live; held: the values in each piece; scratch: that of each step; parked:
    where rows of a value wait; counted: what tells which rows there are."""

    live: list[_Buffer]
    held: dict[_Buffer, list[Value]]
    scratch: dict[Step, _Buffer]
    parked: dict[Value, _Buffer]
    counted: _Buffer | None


def _pieces(graph: Graph, steps: tuple[Step, ...], chains: Sequence[Chain]) -> _Pieces:
    views = aliases(graph)

    def root(value: Value) -> Value:
        return views.get(value, value)

    end = len(steps)
    buffers: dict[Value, _Buffer] = {}
    for value in graph.sources:
        buffers[value] = _Buffer(value.type.bytes, -1, -1)
    counted = None
    for chain in chains:
        if chain.fed is not None:
            buffers[root(chain.fed)] = _Buffer(bytes_of(chain.fed, chains), -1, chain.last)
            counted = _Buffer(counted_bytes(chain), -1, end)
    scratch: dict[Step, _Buffer] = {}
    last_use: dict[Value, int] = {}
    made = {value: life for chain in chains for value, life in lives(chain).items()}
    together = {
        stage.step.index: (chain.first, chain.last) for chain in chains for stage in chain.stages
    }
    for step in steps:
        for value in step.reads(graph):
            # What a chain reads of others stays until its end.
            _, last = together.get(step.index, (step.index, step.index))
            last_use[root(value)] = last
    outputs = {root(v) for v in graph.lasting}
    for value in graph.outputs:
        if value.constant:  # written once at the end of the run
            buffers[value] = _Buffer(value.type.bytes, -1, end)
    entries = {state.entry: last_use.get(state.entry, -1) for state in graph.states}
    for value in (*outputs, *entries):
        last_use[value] = end
    for step in steps:
        for value in step.node.outputs:
            first, last = made.get(value, (step.index, step.index))
            buffers[value] = _Buffer(bytes_of(value, chains), first, last)
        if step.binding.scratch:
            first, last = step.index, step.index
            if step.part == "sum":
                first, last = together[step.index]
            scratch[step] = _Buffer(step.binding.scratch, first, last)
    rings = {value for chain in chains for value in chain.rings}
    waiting = {
        value: _Buffer(bytes, chain.first, chain.last)
        for chain in chains
        for value, bytes in parked(chain).items()
    }
    for value, buffer in buffers.items():
        if value not in rings:
            buffer.last = max(last_use.get(value, buffer.last), buffer.last)

    # A state's exit is written where its entry lies, if that is no result and has been read by
    # then, or is read for the last time by what makes the exit of it in place.
    inplace = {
        step.node.outputs[step.binding.renewed]: root(
            step.node.variable_inputs[step.binding.inplace]
        )
        for step in steps
        if step.binding.inplace is not None and not step.part
    }
    merged: dict[Value, Value] = {}
    for state in graph.states:
        target = root(state.exit)
        if target not in buffers or target in merged or state.entry in outputs:
            continue
        first, last = buffers[target].first, entries[state.entry]
        if first > last or (first == last and inplace.get(target) is state.entry):
            merged[target] = state.entry

    # An output takes over the buffer of an input that dies there.

    def home(value: Value) -> Value:
        value = root(value)
        while value in merged:
            value = merged[value]
        return value

    for step in steps:
        if step.binding.inplace is None or step.part:
            continue
        source = home(step.node.variable_inputs[step.binding.inplace])
        target = step.node.outputs[step.binding.renewed]
        if target in merged:
            continue
        a, b = buffers[source], buffers[target]
        if a.last == step.index and b.bytes <= a.bytes and source not in outputs:
            a.last = b.last
            merged[target] = source
            if target in outputs:
                outputs.add(source)
    # An output grows over the rows of an input that its layer has read, or begins where it begins.
    for step in steps:
        if step.binding.onto is not None and not step.part:
            a = buffers[home(step.node.variable_inputs[step.binding.onto])]
            b = buffers[home(step.node.output)]
            if a is not b and a.last == step.index == b.first:
                b.onto = a
        behind = distance(step)
        if behind is None:
            continue
        a, b = (buffers[home(v)] for v in (step.node.inputs[0], step.node.output))
        if a is b or a.last > step.index or b.first < step.index:
            continue
        b.grow(a, behind)
    for chain in chains:
        for image, pieces in chain.behind.items():
            a = buffers[home(image)]
            if a.last != chain.last or a.first >= chain.first:
                continue
            for piece, behind in pieces.items():
                if not isinstance(piece, Stage):
                    b = buffers[home(piece)]
                elif piece.step in scratch:
                    b = scratch[piece.step]
                else:
                    continue
                if b is not a and b.first >= chain.first:
                    b.grow(a, behind)
                if piece in waiting:  # written later than the rows themselves
                    waiting[piece].grow(a, behind - b.bytes + waiting[piece].bytes)
    live = [b for v, b in buffers.items() if v not in merged]
    live += [*scratch.values(), *waiting.values(), *([] if counted is None else [counted])]
    held: dict[_Buffer, list[Value]] = {}
    for value in [*buffers, *views]:
        held.setdefault(buffers[home(value)], []).append(value)
    return _Pieces(live, held, scratch, waiting, counted)


_ORDERS: tuple[Callable[[_Buffer], tuple[int, ...]], ...] = (
    lambda b: (-b.bytes, b.first),
    lambda b: (-(b.last - b.first), -b.bytes),
    lambda b: (-b.bytes * (b.last - b.first + 1), b.first),
    lambda b: (b.first, -b.bytes),
    lambda b: (-b.last, -b.bytes),
    lambda b: (-b.first, -b.bytes),
    # What grows over another one before that.
    lambda b: (-max([b.bytes, *(other.bytes for other in b.behind)]), -b.first),
)


TRIES = 256
"""Changes to the best of the orders that are tried, fewer of long ones: half of them to any
buffer, then to those that end where the arena does."""
MOST_PLACES = 16384
"""Buffers that are placed for that."""


@dataclass(frozen=True)
class _Order:
    """In which buffers were placed, and what came of it: the size of the arena, the offsets."""

    bytes: int
    buffers: list[_Buffer]
    offsets: list[int]


def _pack(buffers: list[_Buffer]) -> int:
    """Give each buffer the lowest offset at which nothing alive beside it lies, in the best of
    several orders, with one buffer after the other elsewhere in it if that is no worse. Returns
    the size of the arena in bytes."""
    _, lower = _most_alive(buffers)
    best = _Order(1 << 60, [], [])

    def tried(order: list[_Buffer]) -> _Order:
        _place(order)
        size = max((aligned(b.offset + b.bytes) for b in order), default=0)
        return _Order(size, order, [b.offset for b in buffers])

    for key in _ORDERS:
        found = tried(sorted(buffers, key=key))
        if found.bytes < best.bytes:
            best = found
        if best.bytes == lower:
            break
    random = Random(3)
    tries = min(TRIES, MOST_PLACES // max(len(buffers), 1))
    for count in range(tries):
        if best.bytes == lower:
            break
        order = list(best.buffers)
        to, moved = random.randrange(len(order)), random.randrange(len(order))
        if 2 * count >= tries:
            ends = {b: aligned(at + b.bytes) for b, at in zip(buffers, best.offsets, strict=True)}
            moved = random.choice([i for i, b in enumerate(order) if ends[b] == best.bytes])
            to = random.randrange(moved + 1)
        order.insert(to, order.pop(moved))
        found = tried(order)
        if found.bytes <= best.bytes:
            best = found
    for buffer, offset in zip(buffers, best.offsets, strict=True):
        buffer.offset = offset
    return best.bytes


def _most_alive(buffers: Sequence[_Buffer]) -> tuple[int, int]:
    """The first step in which most bytes are alive, and their number: no arena is smaller."""
    change = _changes(buffers)
    times = sorted(change)
    alive = accumulate(change[t] for t in times)
    return max(zip(times, alive, strict=True), key=lambda pair: pair[1], default=(0, 0))


def _changes(buffers: Sequence[_Buffer], growing: bool = True) -> dict[int, int]:
    """By how many bytes more are alive in a step than in the one before."""
    change: dict[int, int] = {}
    for b in buffers:
        change[b.first] = change.get(b.first, 0) + aligned(b.bytes)
        change[b.last + 1] = change.get(b.last + 1, 0) - aligned(b.bytes)
        if growing and b.onto is not None:
            change[b.first] -= b.saved(b.onto)
            change[b.first + 1] = change.get(b.first + 1, 0) + b.saved(b.onto)
    for other, growing_over in _growing(buffers).items() if growing else ():
        for step in range(min(b.first for b in growing_over), other.last + 1):
            beside = [b for b in growing_over if b.first <= step <= b.last]
            # They lie side by side, no further into the other than one of them may reach.
            reach = max((aligned(b.bytes - b.behind[other]) for b in beside), default=0)
            most = min(sum(b.saved(other) for b in beside), reach)
            change[step] = change.get(step, 0) - most
            change[step + 1] = change.get(step + 1, 0) + most
    return change


def _growing(buffers: Sequence[_Buffer]) -> dict[_Buffer, list[_Buffer]]:
    """Of each buffer those that grow over it."""
    found: dict[_Buffer, list[_Buffer]] = {}
    for b in buffers:
        for other in b.behind:
            found.setdefault(other, []).append(b)
    return found


def _place(buffers: Sequence[_Buffer]) -> None:
    """Give each buffer in turn the lowest offset beside those before it, or upon one of them, if
    that is where it may begin.

    In numpy, since each meets all before it: with thousands of layers that is what counts.
    """
    # Columns of what is placed, sorted by offset: offset, end, first, last, which.
    placed = np.empty((5, len(buffers)), np.int64)
    places = {id(buffer): count for count, buffer in enumerate(buffers)}
    growing = _growing(buffers)
    upon = {id(b.onto): b for b in buffers if b.onto is not None}
    for count, buffer in enumerate(buffers):
        offset, end, first, last, which = placed[:, :count]
        beside = (first <= buffer.last) & (last >= buffer.first)
        # It may start where it ends before a neighbour, or where that one has ended.
        below, above = offset[beside] - buffer.bytes, end[beside]
        if buffer.behind or buffer in growing:
            neighbours = which[beside]
            for other, behind in buffer.behind.items():
                found = neighbours == places[id(other)]
                below[found] = other.offset - behind
            for other in growing.get(buffer, ()):
                found = neighbours == places[id(other)]
                above[found] = aligned(other.offset + other.behind[buffer])
            order = np.argsort(below, kind="stable")
            below, above = below[order], above[order]
        # Below each neighbour it may start where all neighbours before that one have ended.
        starts = np.maximum.accumulate(np.append(0, above))
        fits = starts[:-1] <= below
        buffer.offset = int(starts[fits.argmax() if fits.any() else -1])
        for other in filter(None, (buffer.onto, upon.get(id(buffer)))):
            found = which == places[id(other)]
            apart = (offset >= other.offset + buffer.bytes) | (end <= other.offset)
            if found.any() and np.all(apart | found | ~beside):
                buffer.offset = min(buffer.offset, other.offset)
        at = int(offset.searchsorted(buffer.offset, "right"))
        placed[:, at + 1 : count + 1] = placed[:, at:count]
        placed[:, at] = (
            buffer.offset, aligned(buffer.offset + buffer.bytes), buffer.first, buffer.last, count
        )  # fmt: skip

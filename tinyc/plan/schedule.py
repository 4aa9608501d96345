"""Which layers are computed together by rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir import Graph, Value
from .arena import Layout, aliases, alive, layout
from .chain import Chain
from .rows import Stage, products, staged
from .step import Step

STRIPES = (1, 2, 3, 4, 6, 8)
"""Rows that the layers of a chain may make at a time."""
LONGEST = 40
"""Layers of a chain."""
CALL = 100
"""What a call for a strip costs besides its products, in as many of these."""
COPY = 1.0
"""What a byte costs that is copied once more, likewise."""
ALLOWED = {"ram": 0.15, "balanced": 0.05}
"""What chains may cost by what a build optimizes, as a part of the products of all layers."""
SPARED = {"ram": 1.0, "balanced": 1.25}
"""How many times the least peak is good enough, so that no more layers run by rows than have to."""


@dataclass(frozen=True)
class _Segment:
    """Layers ``first`` to ``last``, a chain of strips of ``most`` rows, or one alone if that is 0.
    peak: bytes; cost: of running by rows, in products; parks: see `Chain`."""

    first: int
    last: int
    most: int
    peak: int
    cost: float
    parks: bool = False


@dataclass(frozen=True)
class _Way:
    """Segments up to a layer: the greatest peak, what they cost, and the last one."""

    peak: int
    cost: float
    last: _Segment | None


@dataclass(frozen=True, eq=False)
class Schedule:
    """In which order layers run: chains of some of them, each of the others alone. steps: those of
    chains bound to make parts of their outputs; arena: their memory; cost: see `_Segment`."""

    steps: tuple[Step, ...]
    chains: tuple[Chain, ...]
    arena: Layout
    cost: float = 0


def schedule(
    graph: Graph, steps: tuple[Step, ...], optimize: str, limit: int | None = None
) -> Schedule:
    """The order that needs little memory; layer by layer where a network is to be fast or small.

    limit: bytes that the arena may have: what optimizes something else turns to ``ram`` where it
    would have more.
    """
    plain = Schedule(steps, (), layout(graph, steps))
    if limit is not None and plain.arena.bytes > limit:
        optimize = "ram"
    if optimize not in ALLOWED:
        return plain
    stages = [staged(step) for step in steps]
    values = _Values(graph, steps)
    found: dict[tuple[_Segment, ...], Schedule] = {(): plain}
    allowed = ALLOWED[optimize] * sum(products(step) for step in steps)
    # What the packing makes of it decides: it may need as much as if no output grew over an input,
    # or find room in what a chain has read.
    for growing in (True, False):
        alone = alive(graph, steps, growing)
        singles = [_Segment(i, i, 0, bytes, 0) for i, bytes in enumerate(alone)]
        chains = list(_chains(values, stages, alone, allowed))
        for most in (allowed, allowed / 4, allowed / 16):
            segments = [*singles, *(s for s in chains if s.cost <= most)]
            least = max((s.peak for s in _best(segments, len(steps), 0)), default=0)
            best = _best(segments, len(steps), int(least * SPARED[optimize]))
            chosen = tuple(s for s in best if s.most)
            cost = sum(s.cost for s in chosen)
            if chosen not in found and cost <= most:
                spans = [(s.first, s.last, s.most, s.parks) for s in chosen]
                found[chosen] = replace(by_rows(graph, steps, spans), cost=cost)
    enough = min(s.arena.bytes for s in found.values()) * SPARED[optimize]
    return min((s for s in found.values() if s.arena.bytes <= enough), key=lambda s: s.cost)


def by_rows(
    graph: Graph, steps: tuple[Step, ...], spans: Sequence[tuple[int, int, int, bool]]
) -> Schedule:
    """The order in which layers ``first`` to ``last`` make ``most`` rows at a time, for each of
    ``spans``, whose last part is `Chain.parks`, and the others all at once."""
    values, bound, chains = _Values(graph, steps), list(steps), []
    for first, last, most, parks in spans:
        stages = [staged(step) for step in steps[first : last + 1]]
        own = tuple(stage for stage in stages if stage is not None)
        assert len(own) == len(stages), "a layer needs its input as a whole"
        chains.append(Chain(own, most, frozenset(values.whole(first, last)), parks))
        bound[first : last + 1] = [stage.step for stage in own]
    arena = layout(graph, tuple(bound), chains)
    return Schedule(tuple(bound), tuple(chains), arena)


class _Values:
    """How long the values of a network live, if its layers run one after the other."""

    def __init__(self, graph: Graph, steps: Sequence[Step]) -> None:
        self.steps = steps
        views = aliases(graph)
        kept = {views.get(v, v) for v in (*graph.results, *(s.entry for s in graph.states))}
        self.made = dict.fromkeys(graph.sources, -1)
        self.last = dict.fromkeys(kept, len(steps))
        for step in steps:
            self.made.update(dict.fromkeys(step.node.outputs, step.index))
            for value in step.node.variable_inputs:
                source = views.get(value, value)
                if source not in kept:
                    self.last[source] = step.index
        self.renamed = set(views.values())
        """Values that have other names."""

    def whole(self, first: int, last: int) -> list[Value]:
        """What the layers from ``first`` to ``last`` make and others read, or under a name that
        stands for all of it."""
        made = (value for step in self.steps[first : last + 1] for value in step.node.outputs)
        return [v for v in made if self.last.get(v, -1) > last or v in self.renamed]

    def before(self, first: int) -> int:
        """Bytes of what there is before ``first`` and read then or later."""
        return sum(
            v.type.bytes for v, made in self.made.items() if made < first <= self.last.get(v, -1)
        )


@dataclass
class _Pace:
    """Of the rows of an image, in those of what a chain begins with: how far apart they are made,
    and how much later than those that they are made of."""

    step: float
    delay: float


def _chains(
    values: _Values, stages: Sequence[Stage | None], alone: Sequence[int], enough: float
) -> Iterator[_Segment]:
    """The chains that need less memory than their layers one by one, and cost no more than
    ``enough``."""
    # What there is no way around.
    floor = max([values.before(0), *(b for b, s in zip(alone, stages, strict=True) if s is None)])
    for first in range(len(stages)):
        paces: dict[Value, _Pace] = {}
        chain: list[Stage] = []
        before = values.before(first)
        for last in range(first, min(first + LONGEST, len(stages))):
            stage = stages[last]
            if stage is None:
                break
            chain.append(stage)
            paces[stage.output] = _pace(stage, paces)
            most_alone = max(alone[first : last + 1])
            if len(chain) < 2 or most_alone <= max(floor, before):
                continue
            whole = values.whole(first, last)
            fixed = before + sum(v.type.bytes for v in whole)
            if fixed >= most_alone:
                continue
            costs = {most: _cost(chain, paces, most, enough) for most in STRIPES}
            for parks in (False, True):
                held = _Held(chain, paces, whole, parks)
                for most in STRIPES:
                    peak = fixed + held.bytes(most)
                    cost = costs[most] + COPY * held.copied / most
                    if peak < most_alone and cost <= enough:
                        yield _Segment(first, last, most, peak, cost, parks)


def _pace(stage: Stage, paces: Mapping[Value, _Pace]) -> _Pace:
    """Of the output, from those of what it is made of; what lies there from the beginning does not
    count."""
    reach = stage.reach
    found = [paces[v] for v in stage.images if v in paces]
    if not found:
        return _Pace(1, 0)
    step = max(p.step for p in found)
    delay = max(p.delay + max(0, reach.rows - 1 - reach.top) * p.step for p in found)
    if stage.part == "sum":
        return _Pace(step, max(p.delay for p in found))
    return _Pace(step * reach.stride, delay)


class _Held:
    """Bytes of the rows between the layers of a chain, and of what they work with, where most of
    them are alive; `Chain.rings` are what it comes to in the end. copied: those that are brought
    back and put away again in each turn, if they are parked."""

    def __init__(
        self,
        chain: Sequence[Stage],
        paces: Mapping[Value, _Pace],
        whole: Sequence[Value],
        parks: bool,
    ) -> None:
        index = {stage.output: i for i, stage in enumerate(chain)}
        ends: dict[Value, int] = {}
        waits: dict[Value, int] = {}
        for i, stage in enumerate(chain):
            made = paces[stage.output]
            for value in stage.images:
                if value in index:
                    pace = paces[value]
                    wait = int((made.delay - pace.delay) / pace.step) + stage.reach.top
                    waits[value] = max(waits.get(value, 0), wait)
                    ends[value] = i
        self.stays, self.stays_row = 0, 0
        """What stays from turn to turn, and what more of it there is for each row of a turn."""
        self.passes, self.passes_row = [0] * len(chain), [0] * len(chain)
        self.copied = 0
        for i, stage in enumerate(chain):
            if stage.part == "sum":
                self.stays += stage.step.binding.scratch
            else:
                self.passes[i] += stage.step.binding.scratch
            value = stage.output
            if value not in ends or value in whole:
                continue
            waiting = waits[value] * stage.row_bytes
            self.stays += waiting
            if waiting and not parks:
                self.stays_row += stage.row_bytes
                continue
            self.copied += waiting * value.type.shape[1]
            for k in range(i, ends[value] + 1):
                self.passes[k] += waiting
                self.passes_row[k] += stage.row_bytes

    def bytes(self, most: int) -> int:
        """With so many rows in a turn."""
        passes = (p + most * row for p, row in zip(self.passes, self.passes_row, strict=True))
        return self.stays + most * self.stays_row + max(passes)


def _cost(chain: Sequence[Stage], paces: Mapping[Value, _Pace], most: int, enough: float) -> float:
    """What the strips cost, in products, as long as it is no more than ``enough``."""
    cost = 0.0
    for stage in chain:
        _, height, width, _ = stage.output.type.shape
        rows = 1 if stage.part == "row" else max(1, int(most / paces[stage.output].step))
        binding, pixels = stage.step.binding, rows * width
        waste = -(-pixels // binding.tile) * binding.tile / pixels - 1
        cost += stage.products * waste + (CALL + binding.call) * height / rows + binding.loss
        if cost > enough:
            break
    return cost


def _best(segments: Sequence[_Segment], count: int, enough: int) -> list[_Segment]:
    """Segments that cover ``count`` layers with the least peak, and of those with as little of one,
    or with ``enough``, those that cost least."""
    ending: list[list[_Segment]] = [[] for _ in range(count)]
    for segment in segments:
        ending[segment.last].append(segment)
    best = [_Way(enough, 0, None)]
    for last in range(count):
        ways = [
            _Way(max(best[s.first].peak, s.peak), best[s.first].cost + s.cost, s)
            for s in ending[last]
        ]
        best.append(min(ways, key=lambda way: (way.peak, way.cost)))
    chosen: list[_Segment] = []
    way = best[count]
    while way.last is not None:
        chosen.insert(0, way.last)
        way = best[way.last.first]
    return chosen

"""Which layers are computed together by rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir import Graph, Value
from .arena import Layout, aliases, alive, layout
from .chain import Chain
from .feed import fed_image
from .prices import BYTE, Prices
from .rows import Stage, row_bytes, staged
from .step import Step

STRIPES = (1, 2, 3, 4, 6, 8)
"""Rows that the layers of a chain may make at a time."""
LONGEST = 40
"""Layers of a chain."""
_ANY = 1 << 60
"""Bytes that any arena may have."""
ALLOWED = {"ram": 0.15, "balanced": 0.05}
"""What chains may cost by what a build optimizes, as a part of the cycles of all layers."""
FED = 2
"""Times that for a network that is fed by rows, which is for its memory's sake."""
PARTS = (1, 1.1, 1.25, 1.5, 2, 4, 16)
"""Of what is allowed, in which a schedule is looked for: by its turns it may cost more."""
SPARED = {"ram": 1.0, "balanced": 1.25}
"""How many times the least peak is good enough, so that no more layers run by rows than have to."""

Span = tuple[int, int, int, bool]
"""A chain: its first and last layer, the rows that they make at a time, `Chain.parks`."""


@dataclass(frozen=True)
class _Segment:
    """Layers ``first`` to ``last``, a chain of strips of ``most`` rows, or one alone if that is 0.
    peak: bytes; cost: of running by rows, in cycles; parks: see `Chain`."""

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
    graph: Graph,
    steps: tuple[Step, ...],
    optimize: str,
    core: str,
    limit: int | None = None,
    feed: str = "whole",
) -> Schedule:
    """The order that needs little memory; layer by layer where a network is to be fast or small.

    core: by whose prices, see `tinyc.kernels.cost.core_of`; limit: bytes that the arena may have:
    what optimizes something else turns to ``ram`` where it would have more; feed: how the input
    comes, ``whole`` or by ``rows``: then the first layers are a chain in any case. Raises
    CompileError E355 where they cannot be one.
    """
    stages = [staged(step) for step in steps]
    fed = fed_image(graph, steps, stages) if feed == "rows" else None
    values, prices = _Values(graph, steps, fed), Prices(steps, core)
    least_of_all: tuple[_Segment, ...] = ()
    if fed is not None:
        segments = [*_singles(graph, steps, True), *_fed(values, stages, prices, float("inf"))]
        least_of_all = _chosen(_best(segments, len(steps), _ANY, True))
    cheapest = _scheduled(graph, steps, prices, least_of_all, fed)
    if limit is not None and cheapest.arena.bytes > limit:
        optimize = "ram"
    if optimize not in ALLOWED:
        return cheapest
    found: dict[tuple[_Segment, ...], Schedule] = {least_of_all: cheapest}
    share = ALLOWED[optimize]
    if fed is not None and optimize != "ram":
        share *= FED
    allowed = cheapest.cost + share * sum(prices.whole)
    # What the packing makes of it decides: it may need as much as if no output grew over an input,
    # or find room in what a chain has read.
    for growing in (True, False):
        singles = _singles(graph, steps, growing)
        chains = list(_chains(values, stages, [s.peak for s in singles], prices, allowed))
        if fed is not None:
            chains += [*least_of_all, *_fed(values, stages, prices, allowed)]
        for part in PARTS:
            most = max(allowed / part, cheapest.cost)
            segments = [*singles, *(s for s in chains if s.cost <= most)]
            best = _best(segments, len(steps), 0, fed is not None)
            least = max((s.peak for s in best), default=0)
            enough = int(least * SPARED[optimize])
            chosen = _chosen(_best(segments, len(steps), enough, fed is not None))
            if chosen not in found and sum(s.cost for s in chosen) <= most:
                found[chosen] = _scheduled(graph, steps, prices, chosen, fed)
    found = {chains: s for chains, s in found.items() if s.cost <= allowed}
    most_bytes = min(s.arena.bytes for s in found.values()) * SPARED[optimize]
    return min((s for s in found.values() if s.arena.bytes <= most_bytes), key=lambda s: s.cost)


def _singles(graph: Graph, steps: tuple[Step, ...], growing: bool) -> list[_Segment]:
    return [_Segment(i, i, 0, bytes, 0) for i, bytes in enumerate(alive(graph, steps, growing))]


def _chosen(segments: Sequence[_Segment]) -> tuple[_Segment, ...]:
    """The chains among them."""
    return tuple(s for s in segments if s.most)


def _scheduled(
    graph: Graph,
    steps: tuple[Step, ...],
    prices: Prices,
    chains: Sequence[_Segment],
    fed: Value | None,
) -> Schedule:
    rows = by_rows(graph, steps, [(s.first, s.last, s.most, s.parks) for s in chains], fed)
    return replace(rows, cost=sum(prices.of(chain) for chain in rows.chains))


def by_rows(
    graph: Graph,
    steps: tuple[Step, ...],
    spans: Sequence[Span],
    fed: Value | None = None,
) -> Schedule:
    """The order in which those chains run, and the other layers each at once. fed: what the layers
    from the first on are fed with by rows."""
    values, bound, chains = _Values(graph, steps), list(steps), []
    for first, last, most, parks in spans:
        stages = [staged(step, most) for step in steps[first : last + 1]]
        own = tuple(stage for stage in stages if stage is not None)
        assert len(own) == len(stages), "a layer needs its input as a whole"
        whole = frozenset(values.whole(first, last))
        chains.append(Chain(own, most, whole, parks, None if first else fed))
        bound[first : last + 1] = [stage.step for stage in own]
    arena = layout(graph, tuple(bound), chains)
    return Schedule(tuple(bound), tuple(chains), arena)


class _Values:
    """How long the values of a network live, if its layers run one after the other."""

    def __init__(self, graph: Graph, steps: Sequence[Step], fed: Value | None = None) -> None:
        self.steps, self.fed = steps, fed
        views = aliases(graph)
        kept = {views.get(v, v) for v in (*graph.lasting, *(s.entry for s in graph.states))}
        # What is fed is in its chain alone, and is counted there.
        self.made = dict.fromkeys(() if fed is not None else graph.sources, -1)
        self.last = dict.fromkeys(kept, len(steps))
        for step in steps:
            self.made.update(dict.fromkeys(step.node.outputs, step.index))
            for value in step.reads(graph):
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
    values: _Values,
    stages: Sequence[Stage | None],
    alone: Sequence[int],
    prices: Prices,
    enough: float,
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
            costs = {most: _cost(prices, chain, paces, most, enough) for most in STRIPES}
            for parks in (False, True):
                held = _Held(chain, paces, whole, parks)
                for most in STRIPES:
                    peak = fixed + held.bytes(most)
                    cost = costs[most] + 2 * BYTE * held.copied(most)
                    if peak < most_alone and cost <= enough:
                        yield _Segment(first, last, most, peak, cost, parks)


def _fed(
    values: _Values, stages: Sequence[Stage | None], prices: Prices, enough: float
) -> Iterator[_Segment]:
    """The chains that are fed, which cost no more than ``enough``."""
    first, image = stages[0], values.fed
    assert first is not None and image is not None
    reach = first.reach
    # The rows that the first layer needs for its first one come before the turns begin.
    step = 1 / reach.stride
    paces = {image: _Pace(step, -max(0, reach.rows - 1 - reach.top) * step)}
    last_reader = max(i for i, stage in enumerate(stages) if stage and image in stage.images)
    chain: list[Stage] = []
    for last, stage in enumerate(stages[: max(LONGEST, last_reader + 1)]):
        if stage is None:
            break
        chain.append(stage)
        paces[stage.output] = _pace(stage, paces)
        if last < last_reader:
            continue
        whole = values.whole(0, last)
        fixed = sum(v.type.bytes for v in whole)
        for parks in (False, True):
            held = _Held(chain, paces, whole, parks, image)
            for most in STRIPES:
                cost = _cost(prices, chain, paces, most, enough)
                cost += 2 * BYTE * held.copied(most)
                if cost <= enough:
                    yield _Segment(0, last, most, fixed + held.bytes(most), cost, parks)


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
    them are alive; `Chain.rings` are what it comes to in the end."""

    def __init__(
        self,
        chain: Sequence[Stage],
        paces: Mapping[Value, _Pace],
        whole: Sequence[Value],
        parks: bool,
        fed: Value | None = None,
    ) -> None:
        index = {stage.output: i for i, stage in enumerate(chain)}
        ends: dict[Value, int] = {}
        waits: dict[Value, int] = {}
        for i, stage in enumerate(chain):
            made = paces[stage.output]
            for value in stage.images:
                if value in index or value is fed:
                    pace = paces[value]
                    wait = int((made.delay - pace.delay) / pace.step) + stage.reach.top
                    waits[value] = max(waits.get(value, 0), wait)
                    ends[value] = i
        self.stays, self.stays_row = 0, 0
        """What stays from turn to turn, and what more of it there is for each row of a turn."""
        self.passes, self.passes_row = [0] * len(chain), [0] * len(chain)
        self.parked: list[tuple[int, int, float]] = []
        """Bytes of what waits of an image, its rows, and how far apart they are made."""
        if fed is not None:
            ahead = chain[0].reach.stride
            self.stays += (waits[fed] + 1 - ahead) * row_bytes(fed)
            self.stays_row += ahead * row_bytes(fed)
        for i, stage in enumerate(chain):
            if stage.part == "sum":
                self.stays += stage.step.binding.scratch
            else:
                binding, rows = stage.step.binding, stage.output.type.shape[1]
                self.passes[i] += binding.scratch - rows * binding.row_scratch
                self.passes_row[i] += binding.row_scratch
            value = stage.output
            if value not in ends or value in whole:
                continue
            waiting = waits[value] * stage.row_bytes
            self.stays += waiting
            if waiting and not parks:
                self.stays_row += stage.row_bytes
                continue
            if waiting:
                self.parked.append((waiting, value.type.shape[1], paces[value].step))
            for k in range(i, ends[value] + 1):
                self.passes[k] += waiting
                self.passes_row[k] += stage.row_bytes

    def copied(self, most: int) -> float:
        """Bytes that are brought back and put away again, with so many rows in a turn: in each in
        which there are new ones of their image."""
        return sum(bytes * height / _rows(most, step) for bytes, height, step in self.parked)

    def bytes(self, most: int) -> int:
        """With so many rows in a turn."""
        passes = (p + most * row for p, row in zip(self.passes, self.passes_row, strict=True))
        return self.stays + most * self.stays_row + max(passes)


def _rows(most: int, step: float) -> int:
    """How many rows of an image are made at a time."""
    return max(1, int(most / step))


def _cost(
    prices: Prices,
    chain: Sequence[Stage],
    paces: Mapping[Value, _Pace],
    most: int,
    enough: float,
) -> float:
    """What the strips cost, as long as it is no more than ``enough``."""
    cost = 0.0
    for stage in chain:
        cost += prices.strips(stage, _rows(most, paces[stage.output].step))
        if cost > enough:
            break
    return cost


def _best(
    segments: Sequence[_Segment], count: int, enough: int, fed: bool = False
) -> list[_Segment]:
    """Segments that cover ``count`` layers with the least peak, and of those with as little of one,
    or with ``enough``, those that cost least. fed: the first of them is a chain."""
    ending: list[list[_Segment]] = [[] for _ in range(count)]
    for segment in segments:
        if segment.first or segment.most or not fed:
            ending[segment.last].append(segment)
    best: dict[int, _Way] = {0: _Way(enough, 0, None)}
    for last in range(count):
        ways = [
            _Way(max(best[s.first].peak, s.peak), best[s.first].cost + s.cost, s)
            for s in ending[last]
            if s.first in best
        ]
        if ways:
            best[last + 1] = min(ways, key=lambda way: (way.peak, way.cost))
    chosen: list[_Segment] = []
    way = best[count]
    while way.last is not None:
        chosen.insert(0, way.last)
        way = best[way.last.first]
    return chosen

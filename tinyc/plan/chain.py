"""Chains: layers that are computed together by rows, so that between two of them lie only the rows
that are still to be read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from ..ir import Value
from .rows import Stage, height, row_bytes


@dataclass(frozen=True, eq=False)
class Chain:
    """Layers that run in turns: in each of them every layer makes what can be made of the rows
    that there are, but no more than ``most`` rows.

    stages: in the order of their steps, which follow each other; whole: of what they make that of
    which other layers read, which all rows are kept of.
    """

    stages: tuple[Stage, ...]
    most: int
    whole: frozenset[Value]

    @property
    def first(self) -> int:
        """The index of the first step."""
        return self.stages[0].step.index

    @property
    def last(self) -> int:
        return self.stages[-1].step.index

    @cached_property
    def readers(self) -> dict[Value, list[Stage]]:
        """Of each image that the layers read or make, who reads it."""
        found: dict[Value, list[Stage]] = {}
        for stage in self.stages:
            for value in stage.images:
                found.setdefault(value, []).append(stage)
            found.setdefault(stage.output, [])
        return found

    @cached_property
    def rings(self) -> dict[Value, Ring]:
        """What there is of each image that no other layer reads."""
        return _run(self)


@dataclass(frozen=True)
class Ring:
    """rows: the most that there are at once of an image; stays: whether some of them do from one
    turn to the next."""

    rows: int
    stays: bool


def _run(chain: Chain) -> dict[Value, Ring]:
    """Let the layers run as the generated code does (`tinyc_rows.h`)."""
    made = [stage.output for stage in chain.stages]
    first = dict.fromkeys(chain.readers, 0)
    end = {v: 0 if v in made else height(v) for v in chain.readers}
    taken = dict.fromkeys(chain.stages, 0)
    most = dict.fromkeys(made, 0)
    stays = dict.fromkeys(made, False)
    rings = [v for v in made if v not in chain.whole]
    while any(end[v] < height(v) for v in made):
        before = sum(end.values()) + sum(taken.values())
        for stage in chain.stages:
            output = stage.output
            if stage.part == "sum":
                (image,) = stage.images
                taken[stage] = end[image]
                end[output] = int(end[image] == height(image))
            else:
                ready = (_ready(stage, v, end) for v in stage.images)
                end[output] += max(0, min(*ready, chain.most))
            most[output] = max(most[output], end[output] - first[output])
            for value in stage.images:
                if value in rings and chain.readers[value][-1] is stage:
                    first[value] = max(first[value], _needed(chain, value, end, taken))
        for value in rings:
            stays[value] |= first[value] < end[value]
        assert sum(end.values()) + sum(taken.values()) > before, "the layers wait for each other"
    return {v: Ring(most[v], stays[v]) for v in rings}


def _ready(stage: Stage, image: Value, end: dict[Value, int]) -> int:
    """How many more rows a layer can make of those that there are of an image."""
    reach, output = stage.reach, stage.output
    if end[image] == height(image):
        return height(output) - end[output]
    below = end[image] + reach.top - reach.rows
    whole = 0 if below < 0 else min(below // reach.stride + 1, height(output))
    return whole - end[output]


def _needed(chain: Chain, image: Value, end: dict[Value, int], taken: dict[Stage, int]) -> int:
    """The first row of an image that a layer still reads."""
    return min(
        taken[stage]
        if stage.part == "sum"
        else min(stage.reach.first_seen(end[stage.output]), end[image])
        for stage in chain.readers[image]
    )


def bytes_of(value: Value, chains: Collection[Chain]) -> int:
    """What a value takes of the arena."""
    for chain in chains:
        if value in chain.rings:
            return chain.rings[value].rows * row_bytes(value)
    return value.type.bytes


def lives(chain: Chain) -> dict[Value, tuple[int, int]]:
    """The steps from which and through which what a chain makes is alive: all of the chain's, if
    some of it stays from turn to turn."""
    found = {}
    for stage in chain.stages:
        output = stage.output
        ring = chain.rings.get(output)
        if ring is not None and not ring.stays:
            found[output] = stage.step.index, chain.readers[output][-1].step.index
        else:
            found[output] = chain.first, chain.last
    return found

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
    which other layers read, which all rows are kept of; parks: whether the rows that stay from turn
    to turn wait in a place of their own, so that rows of several images are worked with in one;
    fed: the image whose rows come from outside, one at a time: whenever the first layer can make
    ``most`` rows there is a turn, and when the last one has come, as many as it takes.
    """

    stages: tuple[Stage, ...]
    most: int
    whole: frozenset[Value]
    parks: bool = False
    fed: Value | None = None

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
        return self._ran.rings

    @cached_property
    def behind(self) -> dict[Value, dict[Value | Stage, int]]:
        """Of each image that others made: how many bytes behind the start of what a layer makes,
        or of its working memory, it may lie at the least if nobody else needs it, before the start
        if the number is negative: what they grow over has been read."""
        return self._ran.behind

    @cached_property
    def made(self) -> dict[Stage, list[int]]:
        """How many rows each layer makes in its turns; of a sum, how many it takes."""
        return self._ran.made

    @cached_property
    def moved(self) -> tuple[int, int]:
        """How often rows are moved, parked or fetched, and how many bytes they come to."""
        return self._ran.moves, self._ran.bytes

    @cached_property
    def _ran(self) -> _Run:
        return _Run(self)


@dataclass(frozen=True)
class Ring:
    """rows: the most that there are at once of an image; stay: from one turn to the next."""

    rows: int
    stay: int


class _Run:
    """The layers' turns, as they take place in the generated code (`tinyc_rows.h`)."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        made = [stage.output for stage in chain.stages]
        fed = [] if chain.fed is None else [chain.fed]
        self.inner = [*fed, *(v for v in made if v not in chain.whole)]
        self.given = [v for v in chain.readers if v not in made and v is not chain.fed]
        self.first = dict.fromkeys(chain.readers, 0)
        self.end = {v: height(v) if v in self.given else 0 for v in chain.readers}
        self.taken = dict.fromkeys(chain.stages, 0)
        self.made: dict[Stage, list[int]] = {stage: [] for stage in chain.stages}
        self.moves = self.bytes = 0
        # What waits between turns, and does so now.
        self.parked = set(self.inner).difference(fed) if chain.parks else set()
        self.waiting = set(self.parked)
        self.most = dict.fromkeys([*fed, *made], 0)
        self.stay = dict.fromkeys(self.inner, 0)
        # Bytes of a given image that have been read when a layer begins to write to a ring, or to
        # work; of an image that is made as a whole, less what of it has been written then.
        self.free: dict[Value, dict[Value | Stage, int]] = {v: {} for v in self.given}
        for image in fed:
            for end in range(1, height(image)):
                self._come(image, end)
                while self._can_make(chain.stages[0]) >= chain.most:
                    self._turns()
            self._come(image, height(image))
        while any(self.end[v] < height(v) for v in made):
            self._turns()
        self.rings = {v: Ring(self.most[v], self.stay[v]) for v in self.inner}
        sizes: dict[Value | Stage, int] = {v: self.most[v] * row_bytes(v) for v in self.inner}
        sizes.update((stage, stage.step.binding.scratch) for stage in chain.stages)
        self.behind = {
            image: {piece: sizes.get(piece, 0) - bytes for piece, bytes in pieces.items()}
            for image, pieces in self.free.items()
        }

    def _come(self, image: Value, end: int) -> None:
        """A row comes from outside, after which there are ``end``."""
        self.end[image] = end
        self.most[image] = max(self.most[image], end - self.first[image])

    def _turns(self) -> None:
        """A turn of each layer."""
        chain, progress = self.chain, False
        for stage in chain.stages:
            read = {v: row_bytes(v) * self._unread(v) for v in self.given}
            output = stage.output
            made = self.end[output]
            rows = self._turn(stage)
            gone = [v for v in stage.images if v in self.inner and chain.readers[v][-1] is stage]
            if not rows:
                self._park(gone)
                continue
            progress = True
            self.made[stage].append(rows)
            for value in self.waiting.intersection((output, *stage.images)):
                self._move(value, made if value is output else self.end[value])
                self.waiting.remove(value)
            self.most[output] = max(self.most[output], self.end[output] - self.first[output])
            written = 0 if output in self.inner else self.end[output] * stage.row_bytes
            for image, bytes in read.items():
                known = self.free[image]
                known.setdefault(stage, bytes)
                known[output] = min(known.get(output, bytes), bytes - written)
            for value in gone:
                needed = self._needed(value)
                if needed > self.first[value]:
                    self.first[value] = needed
                    if value not in self.parked:
                        self._move(value, self.end[value])
            self._park(gone)
        for value in self.inner:
            self.stay[value] = max(self.stay[value], self.end[value] - self.first[value])
        assert progress, "the layers wait for each other"

    def _park(self, images: Collection[Value]) -> None:
        """Have those wait that were worked with, if there is a place for that."""
        for image in self.parked.intersection(images) - self.waiting:
            self._move(image, self.end[image])
            self.waiting.add(image)

    def _move(self, image: Value, end: int) -> None:
        """Count that what there is of an image goes elsewhere."""
        rows = end - self.first[image]
        self.moves += rows > 0
        self.bytes += rows * row_bytes(image)

    def _turn(self, stage: Stage) -> int:
        """Let a layer make what it can; returns how many rows it made, or took for a sum."""
        output = stage.output
        rows = self._can_make(stage)
        if stage.part == "sum":
            (image,) = stage.images
            self.taken[stage] = self.end[image]
            self.end[output] = int(self.end[image] == height(image))
        else:
            rows = max(0, min(rows, self.chain.most))
            self.end[output] += rows
        return rows

    def _can_make(self, stage: Stage) -> int:
        """Rows that a layer can make, or take in if it makes one of all, of those that there
        are."""
        if stage.part == "sum":
            (image,) = stage.images
            return self.end[image] - self.taken[stage]
        return min(_ready(stage, v, self.end) for v in stage.images)

    def _needed(self, image: Value) -> int:
        """The first row of an image that is held for those who read it."""
        return min(self._seen(stage, image) for stage in self.chain.readers[image])

    def _unread(self, image: Value) -> int:
        """The first row of an image that somebody is going to read."""
        return min(
            height(image)
            if self.end[stage.output] == height(stage.output)
            else self._seen(stage, image)
            for stage in self.chain.readers[image]
        )

    def _seen(self, stage: Stage, image: Value) -> int:
        if stage.part == "sum":
            return self.taken[stage]
        return min(stage.reach.first_seen(self.end[stage.output]), self.end[image])


def _ready(stage: Stage, image: Value, end: dict[Value, int]) -> int:
    """How many more rows a layer can make of those that there are of an image."""
    reach, output = stage.reach, stage.output
    if end[image] == height(image):
        return height(output) - end[output]
    below = end[image] + reach.top - reach.rows
    whole = 0 if below < 0 else min(below // reach.stride + 1, height(output))
    return whole - end[output]


def bytes_of(value: Value, chains: Collection[Chain]) -> int:
    """What a value takes of the arena."""
    for chain in chains:
        if value in chain.rings:
            return chain.rings[value].rows * row_bytes(value)
    return value.type.bytes


def counted_bytes(chain: Chain) -> int:
    """Of what tells, from one row that is fed to the next, how far the layers have come: the first
    and the last row that there are of each image, and how many each mean has taken in."""
    sums = sum(stage.part == "sum" for stage in chain.stages)
    return 0 if chain.fed is None else 4 * (2 * len(chain.readers) + sums)


def parked(chain: Chain) -> dict[Value, int]:
    """Bytes of the place where the rows of an image wait for the next turn."""
    rings = chain.rings.items() if chain.parks else ()
    return {
        value: ring.stay * row_bytes(value)
        for value, ring in rings
        if ring.stay and value is not chain.fed
    }


def lives(chain: Chain) -> dict[Value, tuple[int, int]]:
    """The steps from which and through which what a chain makes is alive: all of the chain's, if
    some of it stays there from turn to turn."""
    found = {}
    for stage in chain.stages:
        output = stage.output
        ring = chain.rings.get(output)
        if ring is not None and (chain.parks or not ring.stay):
            found[output] = stage.step.index, chain.readers[output][-1].step.index
        else:
            found[output] = chain.first, chain.last
    return found

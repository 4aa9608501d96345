"""Which way to compute each layer: cycles against flash against RAM, as numbers alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import TypeVar

from ..ir import Array

_MOST = 1024
"""Points of a front that are kept while it is built; of more, those that are alike in flash."""

_Key = TypeVar("_Key")

Picks = tuple[int, ...]
"""For each layer the index of its option."""


@dataclass(frozen=True)
class Cost:
    """cycles: of an inference; flash: bytes; ram: bytes, of which a layer's own only the greatest
    counts."""

    cycles: int
    flash: int
    ram: int

    def within(self, flash: float, ram: float) -> bool:
        return self.flash <= flash and self.ram <= ram

    def beats(self, other: Cost) -> bool:
        """Whether it is better in something and worse in nothing."""
        ours, theirs = (self.cycles, self.flash, self.ram), (other.cycles, other.flash, other.ram)
        return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))

    def by(self, goal: str) -> tuple[float, ...]:
        """What is to be least: cycles for ``speed``, and for ``balanced`` the product of all."""
        first = {
            "speed": self.cycles, "flash": self.flash, "ram": self.ram,
            "balanced": math.prod((self.cycles, self.flash, self.ram)),
        }[goal]  # fmt: skip
        return first, self.cycles, self.flash, self.ram


def cost(layers: Sequence[Sequence[Cost]], picks: Picks) -> Cost:
    """Of layers with an option each: the sum of cycles and flash, the greatest RAM."""
    chosen = [options[pick] for options, pick in zip(layers, picks, strict=True)]
    return Cost(
        sum(c.cycles for c in chosen),
        sum(c.flash for c in chosen),
        max((c.ram for c in chosen), default=0),
    )


def front(layers: Sequence[Sequence[Cost]]) -> list[Picks]:
    """The picks that nothing beats (see `cost`), by cycles.

    Exact: for each bound of RAM that makes a difference the front of cycles and flash grows layer
    by layer, of which only what nothing beats goes on; beyond `_MOST` points those that are alike
    in flash are thinned.
    """
    bounds = sorted({option.ram for options in layers for option in options})
    least = max((min(option.ram for option in options) for options in layers), default=0)
    found: dict[Picks, Cost] = {}
    for bound in (b for b in bounds if b >= least):
        for picks in _bounded(layers, bound):
            found[picks] = cost(layers, picks)
    return unbeaten(found)


def unbeaten(found: Mapping[_Key, Cost]) -> list[_Key]:
    """Those that none of the others beats, one of each cost, by cycles."""
    kept: list[_Key] = []
    costs = np.empty((len(found), 3), np.int64)
    for key, mine in sorted(found.items(), key=lambda item: item[1].by("speed")):
        point = (mine.cycles, mine.flash, mine.ram)
        if not (costs[: len(kept)] <= point).all(axis=1).any():
            costs[len(kept)] = point
            kept.append(key)
    return kept


def _bounded(layers: Sequence[Sequence[Cost]], bound: int) -> list[Picks]:
    """The front of cycles and flash with options of no more RAM than ``bound``."""
    cycles, flash = np.zeros(1, np.int64), np.zeros(1, np.int64)
    trail: list[tuple[Array, Array]] = []  # where each point of a layer came from, and its pick
    for options in layers:
        allowed = [i for i, option in enumerate(options) if option.ram <= bound]
        more_cycles = np.array([options[i].cycles for i in allowed])
        more_flash = np.array([options[i].flash for i in allowed])
        all_cycles = (cycles[:, None] + more_cycles).ravel()
        all_flash = (flash[:, None] + more_flash).ravel()
        kept = _thinned(all_flash, _unbeaten_pairs(all_cycles, all_flash))
        trail.append((kept // len(allowed), np.array(allowed)[kept % len(allowed)]))
        cycles, flash = all_cycles[kept], all_flash[kept]
    found = []
    for point in range(len(cycles)):
        picks, at = [], point
        for origin, pick in reversed(trail):
            picks.append(int(pick[at]))
            at = int(origin[at])
        found.append(tuple(reversed(picks)))
    return found


def _unbeaten_pairs(cycles: Array, flash: Array) -> Array:
    """The indices of the points that nothing beats, by flash."""
    order = np.lexsort((cycles, flash))
    sorted_cycles = cycles[order]
    before = np.minimum.accumulate(np.append(np.iinfo(np.int64).max, sorted_cycles))[:-1]
    return np.asarray(order[sorted_cycles < before])


def _thinned(flash: Array, kept: Array) -> Array:
    """``kept``, of which no more than `_MOST`: of a step of flash the last, which has the fewest
    cycles of it, and the first of all."""
    if len(kept) <= _MOST:
        return kept
    low, high = int(flash[kept[0]]), int(flash[kept[-1]])
    steps = (flash[kept] - low) * (_MOST - 1) // max(high - low, 1)
    last = np.append(steps[1:] != steps[:-1], True)
    last[0] = True
    return np.asarray(kept[last])


def spread(known: Mapping[_Key, Cost], count: int) -> list[_Key]:
    """Of ``known`` the best for each goal, and others as far from those, and from each other, as
    can be by ratios; ``count`` in all."""
    keys, costs = list(known), list(known.values())
    if not keys:
        return []
    points = np.log([[max(c.cycles, 1), max(c.flash, 1), max(c.ram, 1)] for c in costs])
    chosen = list(
        dict.fromkeys(
            min(range(len(keys)), key=lambda i: costs[i].by(goal))
            for goal in ("speed", "balanced", "flash", "ram")
        )
    )
    while len(chosen) < min(count, len(keys)):
        distance = np.min([np.abs(points - points[i]).sum(axis=1) for i in chosen], axis=0)
        distance[chosen] = -1
        chosen.append(int(distance.argmax()))
    return [keys[i] for i in chosen[:count]]


def apart(one: Picks, other: Picks) -> int:
    """In how many layers they differ."""
    return sum(a != b for a, b in zip(one, other, strict=True))


def nearest(picks: Picks, known: Iterable[Picks]) -> Picks:
    """Of ``known`` the one that differs in the fewest layers."""
    return min(known, key=lambda other: apart(picks, other))

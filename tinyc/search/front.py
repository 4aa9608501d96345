"""What a search looks for: bounds, goals, and the points that no other beats in everything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, cast

from ..errors import CompileError
from .measure import Figures

Goal = Literal["latency", "ram", "flash", "balanced", "extreme"]
OPTIMIZE: Mapping[str, Literal["balanced", "speed", "ram", "flash"]] = {
    "latency": "speed", "ram": "ram", "flash": "flash", "balanced": "balanced", "extreme": "flash",
}  # fmt: skip
"""Goal -> what builds are optimized for, unless that is said."""


APART = (0.01, 0.05, 0.05, 0.05)
"""Parts of the best of accuracy, flash, RAM and cycles, which is as far from it as matters."""


def goal_of(text: str | None) -> Goal:
    """The goal of a word, ``balanced`` by default. Raises CompileError E209."""
    if text is not None and text not in OPTIMIZE:
        raise CompileError("E209", "--goal", f"{text!r} is none", f"use {', '.join(OPTIMIZE)}")
    return cast(Goal, text or "balanced")


class Measured(Protocol):
    """Something of a text, as its chain, that was measured."""

    @property
    def text(self) -> str: ...
    @property
    def figures(self) -> Figures: ...


M = TypeVar("M", bound=Measured)


def quality(figures: Figures) -> float:
    """More is better: the accuracy, or less the error of what reproduces its inputs."""
    if figures.accuracy is not None:
        return figures.accuracy
    return 0.0 if figures.error is None else -figures.error


def costs(figures: Figures) -> tuple[int, int, int]:
    """Bytes of flash and RAM, and cycles, of an emulator that counts none instructions."""
    time = figures.instructions if figures.cycles is None else figures.cycles
    return figures.flash_bytes, figures.ram_bytes, time


@dataclass(frozen=True)
class Bounds:
    """What a model may cost on the board, in bytes and cycles, and how right it has to be, 0..1;
    None is no bound."""

    min_accuracy: float | None = None
    max_flash: int | None = None
    max_ram: int | None = None
    max_cycles: int | None = None

    def over(self, figures: Figures) -> dict[str, float]:
        """By how much each bound is missed, of costs as a part of the bound; at most 0 where it is
        kept. ``fits``: 1 of what is too large for the board."""
        found = {"fits": 0.0 if figures.fits else 1.0}
        if self.min_accuracy is not None:
            found["min_accuracy"] = round(self.min_accuracy - quality(figures), 9)
        most = {"max_flash": self.max_flash, "max_ram": self.max_ram, "max_cycles": self.max_cycles}
        for (name, bound), cost in zip(most.items(), costs(figures), strict=True):
            if bound is not None:
                found[name] = cost / max(bound, 1) - 1
        return found

    def kept(self, figures: Figures) -> bool:
        return max(self.over(figures).values()) <= 0


def beats(a: Figures, b: Figures, margin: float = 0.0) -> bool:
    """Whether ``a`` costs at most what ``b`` does in all respects and is as right, by ``margin``
    more, and the two are not the same."""
    better = quality(a) >= quality(b) + margin
    cheaper = all(x <= y for x, y in zip(costs(a), costs(b), strict=True))
    return better and cheaper and (quality(a), costs(a)) != (quality(b), costs(b))


def pareto(points: Sequence[M]) -> list[M]:
    """Those that no other beats, one of equal ones, the smallest flash first."""
    ordered = sorted(points, key=lambda p: (*costs(p.figures), -quality(p.figures), p.text))
    found: list[M] = []
    for point in ordered:
        same = any(
            (quality(f.figures), costs(f.figures)) == (quality(point.figures), costs(point.figures))
            for f in found
        )
        if not same and not any(beats(p.figures, point.figures) for p in ordered):
            found.append(point)
    return found


def chosen(front: Sequence[M], bounds: Bounds, goal: Goal) -> M:
    """The point of the front that serves a goal best within the bounds.

    latency, ram, flash: the least of that. extreme: the least product of flash, RAM and cycles.
    balanced: the one that is nearest to the best of everything, each figure as a part of its range
    on the front (the compromise of M. Zeleny, 1973), or of `APART` where that is more, for a few
    cycles weigh no whole accuracy. Raises CompileError E363 where none keeps the bounds.
    """
    kept = [p for p in front if bounds.kept(p.figures)]
    if not kept:
        raise out_of_reach(front, bounds)
    if goal == "balanced":
        rows = [(-quality(p.figures), *map(float, costs(p.figures))) for p in kept]
        low, high = list(map(min, *rows, rows[0])), list(map(max, *rows, rows[0]))

        def far(row: Sequence[float]) -> float:
            parts = zip(row, low, high, APART, strict=True)
            return math.hypot(*((v - a) / (max(b - a, abs(a) * p) or 1) for v, a, b, p in parts))

        return min(zip(rows, kept, strict=True), key=lambda pair: far(pair[0]))[1]
    order = {"flash": 0, "ram": 1, "latency": 2}
    if goal == "extreme":
        return min(kept, key=lambda p: math.prod(costs(p.figures)))
    return min(kept, key=lambda p: (costs(p.figures)[order[goal]], -quality(p.figures)))


def out_of_reach(points: Sequence[Measured], bounds: Bounds) -> CompileError:
    """Of the point that misses its bounds by least: E363."""
    if not points:
        return CompileError("E363", "the search", "no trial gave a model", "see why they failed")
    near = min(points, key=lambda p: sum(max(v, 0) for v in bounds.over(p.figures).values()))
    missed = []
    for name, over in bounds.over(near.figures).items():
        if over <= 0:
            continue
        if name == "fits":
            missed.append("does not fit the board")
        elif name == "min_accuracy":
            missed.append(f"has accuracy {quality(near.figures):.4f} for {bounds.min_accuracy:.4f}")
        else:
            place = ("max_flash", "max_ram", "max_cycles").index(name)
            unit = "cycles" if place == 2 else f"bytes of {name.removeprefix('max_')}"
            bound = getattr(bounds, name)
            missed.append(f"takes {costs(near.figures)[place]:,} {unit} for {bound:,}")
    what = f"none of {len(points)} models keeps the bounds; the nearest, {near.text},"
    hint = "allow more, or search longer with --trials"
    return CompileError("E363", "the search", f"{what} {' and '.join(missed)}", hint)

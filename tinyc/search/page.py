"""What a compression or a search came to, as one page of HTML that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..report.drawing import Scale
from ..report.templates import rendered
from .layers import Layer, paired

WIDTH, HEIGHT, EDGE = 640, 360, 60
"""Of the plot, and of what stands around it, in its own units."""


@dataclass(frozen=True)
class Point:
    """A model of the front: text: its network, or its techniques; facts: its `Figures`; chosen:
    whether it is the one that was asked for."""

    text: str
    facts: Mapping[str, Any]
    chosen: bool = False

    @property
    def right(self) -> str:
        """The accuracy, or the error of what reproduces its inputs; empty without either."""
        if self.facts.get("accuracy") is not None:
            return f"{100 * self.facts['accuracy']:.2f} %"
        return "" if self.facts.get("error") is None else f"{self.facts['error']:.4g}"


def page(
    title: str,
    points: Sequence[Point],
    before: Sequence[Layer],
    after: Sequence[Layer],
    note: str = "",
    sensitive: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """The page. points: the front, what was given among them; before, after: layers of what was
    given, if anything was, and of what was chosen, if anything was; note: how to read what
    points are called; sensitive: layer -> how much the loss grows by its weights alone in 4 bits,
    of those of which that is known."""
    return rendered(
        "compression",
        title=title,
        points=points,
        plot=_plot(points),
        measure=_measure(points),
        layers=paired(list(before), list(after)) if after else [],
        compared=bool(before),
        note=note,
        sensitive=sensitive,
    )


def _measure(points: Sequence[Point]) -> str:
    """What the models of one page are judged by."""
    return "accuracy" if all(p.facts.get("error") is None for p in points) else "error"


def _plot(points: Sequence[Point]) -> dict[str, Any] | None:
    """Accuracy, or the error of what reproduces its inputs, over flash: the points' places in the
    plot, and its ticks; None where there is neither."""
    measure = _measure(points)
    if not points or any(p.facts.get(measure) is None for p in points):
        return None
    flash = [p.facts["flash_bytes"] for p in points]
    right = [p.facts[measure] for p in points]
    x = Scale(0, max(flash) * 1.05, EDGE, WIDTH - 20)
    spread = max(right) - min(right) or 0.01
    told = "{:.1%}".format if measure == "accuracy" else "{:.4g}".format
    y = Scale(min(right) - spread / 10, max(right) + spread / 10, HEIGHT - EDGE, 20)
    most = max(p.facts["cycles"] or 1 for p in points)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "bottom": HEIGHT - EDGE,
        "left": EDGE,
        "points": [
            {
                "x": x.at(p.facts["flash_bytes"]),
                "y": y.at(p.facts[measure]),
                "r": round(4 + 12 * ((p.facts["cycles"] or 0) / most) ** 0.5, 1),
                "point": p,
            }
            for p in points
        ],
        "x": [{"at": x.at(v), "text": f"{v / 1000:,.1f} KB"} for v in x.ticks()],
        "y": [{"at": y.at(v), "text": told(v)} for v in y.ticks()],
    }

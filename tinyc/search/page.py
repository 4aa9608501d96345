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
        layers=paired(list(before), list(after)) if after else [],
        compared=bool(before),
        note=note,
        sensitive=sensitive,
    )


def _plot(points: Sequence[Point]) -> dict[str, Any] | None:
    """Accuracy over flash: the points' places in the plot, and its ticks."""
    known = [p for p in points if p.facts.get("accuracy") is not None]
    if not known:
        return None
    flash = [p.facts["flash_bytes"] for p in known]
    right = [p.facts["accuracy"] for p in known]
    x = Scale(0, max(flash) * 1.05, EDGE, WIDTH - 20)
    spread = max(right) - min(right) or 0.01
    y = Scale(min(right) - spread / 10, max(right) + spread / 10, HEIGHT - EDGE, 20)
    most = max(p.facts["cycles"] or 1 for p in known)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "bottom": HEIGHT - EDGE,
        "left": EDGE,
        "points": [
            {
                "x": x.at(p.facts["flash_bytes"]),
                "y": y.at(p.facts["accuracy"]),
                "r": round(4 + 12 * ((p.facts["cycles"] or 0) / most) ** 0.5, 1),
                "point": p,
            }
            for p in known
        ],
        "x": [{"at": x.at(v), "text": f"{v / 1000:,.1f} KB"} for v in x.ticks()],
        "y": [{"at": y.at(v), "text": f"{v:.1%}"} for v in y.ticks()],
    }

"""What a technique is: how a network becomes another, smaller or quicker one.

Each file in `tinyc.compress` that is asked for by name tells of itself by `register`. What a model
and its data ask for (`binarize`, `calibrate`) is no technique in this sense.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import CompileError
from ..ir import Graph
from ..plugins import Registry


@dataclass(frozen=True)
class Technique:
    """name: that of ``--compress``; help: what it does, in one line; apply: the network that it
    makes of one, by an amount from ``least`` to ``most``; default: the amount if none is given."""

    name: str
    help: str
    apply: Callable[[Graph, float], Graph]
    least: float = 0.0
    most: float = 1.0
    default: float = 0.5


_TECHNIQUES: Registry[Technique] = Registry("technique", __package__)
register = _TECHNIQUES.add
techniques = _TECHNIQUES.all


def chosen(text: str | None) -> list[tuple[Technique, float]]:
    """The techniques of ``NAME``, ``NAME:AMOUNT`` or several with commas between them, in their
    order, and the amount of each. Raises CompileError E209."""
    known = techniques()
    found: list[tuple[Technique, float]] = []
    for part in text.split(",") if text else ():
        name, _, amount = part.strip().partition(":")
        if name not in known:
            hint = f"use one of {', '.join(known)}"
            raise CompileError("E209", "--compress", f"there is no technique {name!r}", hint)
        technique = known[name]
        if name in (t.name for t, _ in found):
            raise CompileError("E209", "--compress", f"{name!r} stands twice", "leave one out")
        found.append((technique, _amount(technique, amount)))
    return found


def _amount(technique: Technique, text: str) -> float:
    try:
        value = float(text) if text else technique.default
    except ValueError:
        value = math.nan
    if not technique.least <= value <= technique.most:
        what = f"{text!r} is no amount for {technique.name}"
        hint = f"give a number from {technique.least:g} to {technique.most:g}"
        raise CompileError("E209", "--compress", what, hint)
    return value

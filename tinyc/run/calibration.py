"""The samples that calibrate a float network, and what later ones are held against of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..ir import Array, DType, Graph
from .data import load_inputs, load_npz
from .doubts import Spread, of_calibration, spread

MOST = 256
"""Samples that calibration looks at; more change no range that matters."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """samples: inputs as `tinyc.ir.interpret` takes them; spreads: the numbers of each input of
    float32, None of others; warnings: what is odd about them, in words."""

    samples: list[list[Array]]
    spreads: tuple[Spread | None, ...]
    warnings: tuple[str, ...]


def load_calibration(path: Path, graph: Graph) -> Calibration:
    """The samples of an ``.npz`` that are to calibrate ``graph``: from all over it, or the first
    ones where the graph keeps states, since a sequence has no gaps. Raises as
    `tinyc.run.data.load_npz`."""
    load = load_npz if graph.states else load_inputs
    found = load(path, graph, MOST)
    spreads = tuple(
        spread(x) if value.type.dtype is DType.F32 and x.size else None
        for x, value in zip(found.inputs, graph.inputs, strict=True)
    )
    odd = tuple(f"{path}: {text}" for text in of_calibration(len(found)))
    rows = [found.at(i) for i in range(len(found))]
    return Calibration(rows, spreads, (*found.warnings, *odd))

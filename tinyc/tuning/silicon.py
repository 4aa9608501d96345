"""Fit what a board's flash costs to what was measured on silicon: `Waits` of a board.

A file of points names the board and the terms (`tinyc.run.cycles.TERMS`), and for each measured
image how long an inference took, and either what it counts or the image itself, which is run then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from ..errors import CompileError
from ..files.inputs import read_toml
from ..run.cycles import TERMS, events
from ..run.foreign import Register, inference
from ..target.boards import Board, load_board
from ..target.waits import Strict

Term = Literal["taken", "straddle", "read", "miss"]


class Counted(Strict):
    """What one inference counts: cycles at zero wait states, and how often each term came."""

    cycles: int = Field(gt=0)
    taken: int = Field(ge=0)
    straddle: int = Field(ge=0)
    read: int = Field(ge=0)
    miss: int = Field(ge=0)


class Point(Strict):
    """A measured image. apart: terms that cost otherwise there, and are fitted for all such points
    by themselves; image: its file beside that of the points, where ``counts`` are not known yet."""

    name: str
    milliseconds: float = Field(gt=0)
    apart: tuple[Term, ...] = ()
    image: str | None = None
    counts: Counted | None = None

    @model_validator(mode="after")
    def _check(self) -> Point:
        if (self.image is None) == (self.counts is None):
            raise ValueError("a point has either an image or its counts")
        return self


class Points(Strict):
    """source: where the times were published; registers: what the images' start-up needs of the
    chip, see `tinyc.run.foreign.Register`."""

    board: str
    source: str
    terms: tuple[Term, ...] = Field(min_length=1)
    registers: tuple[Register, ...] = ()
    points: tuple[Point, ...] = Field(min_length=2)


def read(path: Path) -> Points:
    """The points of a file. Raises CompileError E202 (no such file), E209 (a wrong value), and
    those of `read_toml`."""
    try:
        return Points.model_validate(read_toml(path))
    except FileNotFoundError:
        raise CompileError("E202", str(path), "no such file", "name a file of points") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        what = f"{place}: {first['msg'].removeprefix('Value error, ')}"
        hint = "see tinyc/tuning/silicon.py for each field"
        raise CompileError("E209", str(path), what, hint) from None


def counted(path: Path, points: Points) -> Iterator[Point]:
    """The points with their counts, one at a time. Raises CompileErrors of `inference`."""
    board = load_board(points.board)
    for point in points.points:
        if point.image is None:
            yield point
            continue
        price = inference(path.parent / point.image, board, points.registers)
        found = events(price)
        assert found is not None
        counts = Counted(cycles=round(price.cycles), **dict(zip(TERMS, found, strict=True)))
        yield point.model_copy(update={"image": None, "counts": counts})


def fit(points: Sequence[Point], terms: Sequence[str], board: Board) -> dict[str, Any]:
    """The charges that make the least squares of the relative errors, in cycles.

    ``charges``: term -> cycles, those of points apart as ``TERM apart``; ``rms_percent``,
    ``largest_percent``: of the errors of all points, ``left_out_``...: of each as the others
    foretell it; ``points``: each one's measured and modelled cycles and both errors.
    """
    measured = np.array([point.milliseconds * board.clock_hz / 1e3 for point in points])
    cycles, columns = [], []
    names = [*terms, *(f"{t} apart" for t in terms if any(t in p.apart for p in points))]
    for point in points:
        assert point.counts is not None
        cycles.append(point.counts.cycles)
        own = {f"{t} apart" if t in point.apart else t: getattr(point.counts, t) for t in terms}
        columns.append([own.get(name, 0) for name in names])
    counts = np.array(columns) / measured[:, None]
    missing = 1 - np.array(cycles) / measured
    charges = _solve(counts, missing)
    errors = counts @ charges - missing
    left_out = np.array([
        counts[i] @ _solve(np.delete(counts, i, 0), np.delete(missing, i)) - missing[i]
        for i in range(len(points))
    ])  # fmt: skip
    return {
        "board": board.name,
        "charges": {name: round(float(c), 3) for name, c in zip(names, charges, strict=True)},
        **_spread("", errors),
        **_spread("left_out_", left_out),
        "points": [
            {
                "name": point.name,
                "measured_cycles": round(float(measured[i])),
                "modelled_cycles": round(float(measured[i] * (1 + errors[i]))),
                "error_percent": round(100 * float(errors[i]), 2),
                "left_out_error_percent": round(100 * float(left_out[i]), 2),
                **({} if point.counts is None else {"counts": point.counts.model_dump()}),
            }
            for i, point in enumerate(points)
        ],
    }


def _solve(counts: Any, missing: Any) -> Any:
    return np.linalg.lstsq(counts, missing, rcond=None)[0]


def _spread(prefix: str, errors: Any) -> dict[str, float]:
    return {
        f"{prefix}rms_percent": round(100 * float(np.sqrt(np.mean(errors**2))), 2),
        f"{prefix}largest_percent": round(100 * float(np.max(np.abs(errors))), 2),
    }

"""Fit what a board's flash costs to what was measured on silicon: `Waits` of a board.

A file of points names the board and the terms (`tinyc.run.cycles.TERMS`), and for each measured
image how long an inference took, and either what it counts or the image itself, which is run then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    """source: where the times were published; expected: of charges, by their names in `fit`, what
    the chip's manual has them be, and give or take how much; registers: what the images' start-up
    needs of the chip, see `tinyc.run.foreign.Register`."""

    board: str
    source: str
    terms: tuple[Term, ...] = Field(min_length=1)
    expected: dict[str, tuple[float, float]] = Field(default_factory=dict)
    registers: tuple[Register, ...] = ()
    points: tuple[Point, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _check(self) -> Points:
        unknown = set(self.expected) - set(charged(self.points, self.terms))
        if unknown:
            raise ValueError(f"expected: no point is charged for {', '.join(sorted(unknown))}")
        if any(give_or_take <= 0 for _, give_or_take in self.expected.values()):
            raise ValueError("expected: give or take must be more than 0")
        return self


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
        price = inference(path.parent / point.image, board, points.registers).price
        found = events(price)
        assert found is not None
        counts = Counted(cycles=round(price.cycles), **dict(zip(TERMS, found, strict=True)))
        yield point.model_copy(update={"image": None, "counts": counts})


NOISE = 0.02
"""The error of a point, as a part of its time, against which what is expected is weighed."""


def charged(points: Sequence[Point], terms: Sequence[str]) -> list[str]:
    """The charges that are fitted, those of points apart as ``TERM apart``."""
    return [*terms, *(f"{t} apart" for t in terms if any(t in p.apart for p in points))]


def fit(
    points: Sequence[Point],
    terms: Sequence[str],
    board: Board,
    expected: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """The charges that make the least squares of the relative errors, in cycles, and of how far
    they are from what is ``expected`` (see `Points`).

    ``charges``: see `charged`; ``rms_percent``, ``largest_percent``: of the errors of all points,
    ``left_out_``...: of each as the others foretell it, ``left_out_model_``...: as those of other
    networks do (which a point's name begins with); ``points``: each one's measured and modelled
    cycles and both errors.
    """
    measured = np.array([point.milliseconds * board.clock_hz / 1e3 for point in points])
    cycles, columns = [], []
    names = charged(points, terms)
    for point in points:
        assert point.counts is not None
        cycles.append(point.counts.cycles)
        own = {f"{t} apart" if t in point.apart else t: getattr(point.counts, t) for t in terms}
        columns.append([own.get(name, 0) for name in names])
    counts = np.array(columns) / measured[:, None]
    missing = 1 - np.array(cycles) / measured
    known = [(expected or {}).get(name, (0.0, np.inf)) for name in names]
    rows = np.diag([NOISE / give_or_take for _, give_or_take in known])
    values = rows @ [value for value, _ in known]

    def solve(used: Any) -> Any:
        a, b = np.vstack([counts[used], rows]), np.append(missing[used], values)
        return np.linalg.lstsq(a, b, rcond=None)[0]

    def foretold(groups: Any) -> Any:
        """The errors of the points of each group, by the others."""
        found = np.zeros(len(points))
        for group in set(groups):
            out = np.array([other == group for other in groups])
            found[out] = counts[out] @ solve(~out) - missing[out]
        return found

    charges = solve(np.full(len(points), True))
    errors = counts @ charges - missing
    left_out = foretold(range(len(points)))
    by_model = foretold([point.name.partition(",")[0] for point in points])
    return {
        "board": board.name,
        "charges": {name: round(float(c), 3) for name, c in zip(names, charges, strict=True)},
        **_spread("", errors),
        **_spread("left_out_", left_out),
        **_spread("left_out_model_", by_model),
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


def _spread(prefix: str, errors: Any) -> dict[str, float]:
    return {
        f"{prefix}rms_percent": round(100 * float(np.sqrt(np.mean(errors**2))), 2),
        f"{prefix}largest_percent": round(100 * float(np.max(np.abs(errors))), 2),
    }

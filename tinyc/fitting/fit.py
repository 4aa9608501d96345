"""Which boards a model fits, and what it takes there."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import CompileError, CompileErrors
from ..image.build import TooLarge
from ..listener import SILENT, Listener
from ..plan import Plan
from ..project import Project
from ..run.forks import each
from ..search.measure import roomy
from ..settings import Config
from ..target.boards import Board
from ..target.toolchain import find_toolchain
from .asked import LINKED, PLANNED, Asked, Row, memories
from .model import Model, by_core, heavy, linked, row_of_error
from .ways import find_ways


def rows(
    settings: Config, asked: Asked, jobs: int | None = None, listener: Listener = SILENT
) -> tuple[str, list[Row]]:
    """The model's name, and a row for each board that is asked for, the best first: those that it
    fits by the time of an inference, the others by what they lack.

    What fits was linked for the board; cycles are of a run on each kind of core, and on each board
    of whose flash something is known. jobs: processes. Raises CompileError(s) of reading the model,
    E701, E813, and that of the first board where no core can compute it.
    """
    boards, named = asked.chosen(), bool(asked.boards)
    with listener.progress("reading"):
        model = Model.read(settings)
        find_toolchain(settings.toolchain)
        able = [board for board in boards if not heavy(model, board)]
        if able:
            model.made  # noqa: B018  # so that the processes inherit it
    found = [row for board in boards if (row := heavy(model, board)) is not None]
    groups = by_core(able)
    with listener.progress("building for each board"):
        for _, some in each(lambda group: _of_core(model, group, named), groups, jobs):
            found += some
    if not any(row.fits or row.too_large for row in found):
        raise next(_raised(row) for row in found)
    for row in found:
        row.why = asked.refuses(row) if row.fits else None
    find_ways(model, found, named, jobs, listener)
    return model.source.name, sorted(found, key=_order)


def _order(row: Row) -> tuple[bool, bool, bool, float, str]:
    spent = row.milliseconds if row.fits else row.over
    last = float("inf") if spent is None else float(spent)
    return not row.fits, row.why is not None, not row.used, last, row.board.name


def _raised(row: Row) -> CompileError:
    facts = dict(row.error or {})
    return CompileError(facts["id"], facts["place"], facts["what"], facts["hint"])


def _of_core(model: Model, boards: Sequence[Board], explain: bool) -> list[Row]:
    """The rows of boards of one core; explain: whether errors tell as much as those of a build."""
    found: list[Row] = []
    held: dict[Plan, list[tuple[Row, Project]]] = {}
    with tempfile.TemporaryDirectory(prefix="tinyc-") as folder:
        for board in boards:
            try:
                plan = model.planned(board)
            except (CompileError, CompileErrors) as error:
                found.append(row_of_error(board, error, PLANNED))
                continue
            project = model.project(board, plan, Path(folder))
            row, image = linked(project, model.planned if explain else None)
            found.append(row)
            if image is not None:
                held.setdefault(plan, []).append((row, project))
        for some in held.values():
            _time(some)
    return found


def _time(some: Sequence[tuple[Row, Project]]) -> None:
    """Tell rows of the same plan how long an inference takes: run it on each board of whose flash
    something is known, else on the first."""
    from .. import report

    run = [(row, project) for row, project in some if row.board.waits is not None] or some[:1]
    first: Mapping[str, Any] = {}
    for row, project in run:
        with contextlib.suppress(CompileError):  # it did not end in time: then no time is told
            first = row.facts = report.timed(_counted(project), row.board)
    for row, _ in some:
        if not row.facts and first.get("cycles") is not None:
            spent = report.milliseconds(first["cycles"], row.board)
            same = {key: first[key] for key in ("instructions", "cycles", "cycles_source")}
            row.facts = {**same, "milliseconds": spent}


def _counted(project: Project) -> Any:
    """The trace of an inference of a random input, on a board whose memories hold the harness."""
    try:
        project.test_image  # noqa: B018  # is built here
    except TooLarge:
        project = replace(project, board=roomy(project.board))
    return project.emulate(project.sample())


def facts(name: str, found: Sequence[Row]) -> dict[str, Any]:
    """The object of ``tinyc fit --json``."""
    return {
        "model": name,
        "boards": [
            {
                "board": row.board.name,
                "core": row.board.core.name,
                "clock_hz": row.board.clock_hz,
                "fits": row.fits,
                "asked": row.fits and row.why is None,
                **({"why": row.why} if row.why else {}),
                "memories": memories(row),
                "memories_source": row.source,
                **row.facts,
                **({} if row.error is None else {"error": dict(row.error)}),
                "ways": row.ways,
            }
            for row in found
        ],
    }


def refused(name: str, found: Sequence[Row], asked: Asked) -> CompileErrors | None:
    """What is wrong: each board that was named and is not as asked; of others, that none is."""
    good = [row for row in found if row.fits and row.why is None]
    if len(good) == len(found) or (good and not asked.boards):
        return None
    if asked.boards:
        bad = [row for row in found if row not in good]
        return CompileErrors(tuple(_told(name, row, asked) for row in bad))
    first = found[0]
    if first.fits:
        whys = Counter(row.why for row in found if row.fits)
        told = ", ".join(f"{why} on {count}" for why, count in whys.items())
        what = f"no board that it fits is as asked: {told}"
        return CompileErrors((CompileError("E607", name, what, "ask for less"),))
    error = _told(name, first, asked)
    what = f"fits none of {len(found)} boards; the nearest is {first.board.name}: {error.what}"
    return CompileErrors((replace(error, origin=name, what=what),))


def _told(name: str, row: Row, asked: Asked) -> CompileError:
    """Why a board is not as asked, and the first of what would do."""
    if row.error is None:
        hint = "choose another board, or ask for less"
        return CompileError("E607", f"{name} on {row.board.name}", asked.told(row), hint)
    error = _raised(row)
    fitting = [way for way in row.ways if way["fits"]]
    if not fitting:
        return error
    first = fitting[0]
    if first["source"] == LINKED:
        return replace(error, hint=f"it fits with {first['options']}")
    return replace(error, hint=f"try {first['options']} ({first['source']})")

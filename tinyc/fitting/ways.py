"""What would make a model fit a board: settings, and what compression may bring."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import CompileError, CompileErrors
from ..image import fit
from ..image.build import TooLarge
from ..listener import Listener
from ..plan import Plan
from ..run.forks import each
from ..search import advise
from ..target.boards import Board
from .asked import LINKED, PLANNED, READ, Row, memories
from .model import Model, by_core, heavy, linked

CALIBRATED = "--calibrate data.npz"


def find_ways(
    model: Model, found: Sequence[Row], every: bool, jobs: int | None, listener: Listener
) -> None:
    """Tell the rows that lack memory what would make them fit; every: all that saves something,
    not the first alone that is enough."""
    large = [row for row in found if row.too_large]
    if not large:
        return
    with tempfile.TemporaryDirectory(prefix="tinyc-") as folder:
        other = None
        if model.calibrates:
            with listener.progress("calibrating"):
                other = _calibrated(model, [row.board for row in large], Path(folder))
        with listener.progress("looking for what would fit"):
            groups = by_core([row.board for row in large])
            rows = {row.board.name: row for row in large}

            def ways(group: Sequence[Board]) -> list[tuple[str, list[dict[str, Any]]]]:
                return [
                    (b.name, list(_ways(model, other, rows[b.name], every))) for b in group
                ]  # fmt: skip

            for _, some in each(ways, groups, jobs):
                for name, those in some:
                    rows[name].ways = those
    floating = model.calibrates
    for row in large:
        if every or not any(way["fits"] for way in row.ways):
            row.ways += _expected(row, floating, other or model)


def _calibrated(model: Model, boards: Sequence[Board], folder: Path) -> Model | None:
    """The model as int8, if that can be, and one of the boards may hold it."""
    other = model.calibrated(folder)
    with contextlib.suppress(CompileError, CompileErrors):
        if any(heavy(other, board) is None for board in boards):
            other.made  # noqa: B018  # so that the processes inherit it
            return other
    return None


def _ways(
    model: Model, other: Model | None, row: Row, every: bool
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Of a board: settings under which the same network is planned and, where that may fit,
    linked; other: the same as int8."""
    board = row.board
    kinds = {m.kind for m in board.memory if row.used.get(m.name, 0) > m.size}
    base = model.planned(board) if row.source != READ else None
    with tempfile.TemporaryDirectory(prefix="tinyc-") as folder:
        for options, one, plan in _smaller(model, other, base, board, sorted(kinds)):
            way = _way(options, base, plan, row)
            try:
                fit.refuse_too_large(plan, board)
                made, image = linked(one.project(board, plan, Path(folder)))
                way |= {"fits": image is not None, "source": LINKED}
                if image is not None:
                    way["memories"] = memories(made)
            except TooLarge:
                way["fits"] = False
            yield way
            if way["fits"] and not every:
                return


def _smaller(
    model: Model, other: Model | None, base: Plan | None, board: Board, kinds: Sequence[str]
) -> Iterator[tuple[str, Model, Plan]]:
    """Options, whose they are, and the plan under them: those that leave the network as it is
    first."""
    if base is not None:
        for way in fit.ways(base, board, kinds, model.planned):
            yield way.options, model, way.plan
    if other is None or heavy(other, board) is not None:
        return
    with contextlib.suppress(CompileError, CompileErrors):
        int8 = other.planned(board)
        yield CALIBRATED, other, int8
        for way in fit.ways(int8, board, kinds, other.planned):
            yield f"{CALIBRATED} {way.options}", other, way.plan


def _way(options: str, base: Plan | None, plan: Plan, row: Row) -> dict[str, Any]:
    """base: None where the model as it was read is too heavy to be planned."""
    flash = row.used[row.board.flash.name] if base is None else fit.weight_bytes(base)
    return {
        "options": options,
        "flash_saved_bytes": flash - fit.weight_bytes(plan),
        "ram_saved_bytes": 0 if base is None else base.arena_bytes - plan.arena_bytes,
        "fits": False,
        "source": PLANNED,
    }


def _expected(row: Row, floating: bool, model: Model) -> Iterator[dict[str, Any]]:
    """What compression of the Keras model may bring, by the ratios of docs/compression.md to the
    network as int8; model: that, where it can be."""
    int8 = next((way for way in row.ways if way["options"] == CALIBRATED), None)
    if floating and int8 is None:
        return
    need = dict.fromkeys(("flash", "ram"), 0)
    for memory in row.board.memory:
        need[memory.kind] += row.used.get(memory.name, 0)
    room = {
        kind: sum(m.size for m in row.board.memory if m.kind == kind and m.name in row.used)
        for kind in need
    }
    before = {
        kind: bytes - (int8[f"{kind}_saved_bytes"] if int8 else 0) for kind, bytes in need.items()
    }
    for way in advise.ways("")[1:3]:
        ratios = advise.ratios(way.chain, advise.is_dense(model.made.graph), row.board.core)
        if ratios is None:
            continue
        after = {"flash": before["flash"] * ratios.flash, "ram": before["ram"] * ratios.ram}
        saved = {f"{kind}_saved_bytes": round(need[kind] - after[kind]) for kind in need}
        if all(saved[f"{kind}_saved_bytes"] <= 0 for kind in need if need[kind] > room[kind]):
            continue
        yield {
            "options": f"tinyc compress --with {way.chain}",
            **saved,
            "fits": all(after[kind] <= room[kind] for kind in need),
            "source": f"expected, by docs/compression.md ({ratios.network})",
            "accuracy_change": ratios.accuracy,
        }

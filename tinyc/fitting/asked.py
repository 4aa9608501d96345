"""Boards that are asked for, and what is known of a model on one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CompileError
from ..target.boards import Board, all_boards, load_board

READ = "read: a lower bound of the weights"
PLANNED = "planned: weights and activations alone"
LINKED = "linked: the firmware"
SLOW, HUNGRY = "too slow", "too much energy"


@dataclass(frozen=True)
class Asked:
    """Which boards are meant, and what is expected of them; None, and none, is any.

    boards: names, aliases or files; cores: ``m4`` is ``cortex-m4``; features: that the core has;
    min_flash, min_ram: bytes of the largest such memory; min_clock: in Hz.
    """

    boards: tuple[str, ...] = ()
    cores: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    min_flash: int | None = None
    min_ram: int | None = None
    min_clock: float | None = None
    max_milliseconds: float | None = None
    max_microjoules: float | None = None

    def chosen(self) -> list[Board]:
        """Raises CompileError E201 (no board is like that, or there is no such core or feature),
        and those of `load_board`."""
        known = all_boards()
        named = list({b.name: b for b in map(load_board, self.boards)}.values()) or list(known)
        cores = {b.core.name for b in (*known, *named)}
        wanted = {f"cortex-{c.lower().removeprefix('cortex-')}" for c in self.cores}
        features = set().union(*(b.core.features for b in (*known, *named)))
        for option, given, there in (
            ("--core", wanted, cores),
            ("--feature", set(self.features), features),
        ):
            if unknown := sorted(given - there):
                hint = f"use one of {', '.join(sorted(there)).replace('cortex-', '')}"
                raise CompileError("E201", f"{option} {unknown[0]}", "no board has it", hint)
        found = [b for b in named if self._takes(b, wanted)]
        if not found:
            hint = "ask for less; `tinyc boards` lists what there is"
            raise CompileError("E201", "tinyc fit", "no board is like that", hint)
        return found

    def _takes(self, board: Board, cores: set[str]) -> bool:
        return (
            (not cores or board.core.name in cores)
            and set(self.features) <= board.core.features
            and _largest(board, "flash") >= (self.min_flash or 0)
            and _largest(board, "ram") >= (self.min_ram or 0)
            and board.clock_hz >= (self.min_clock or 0)
        )

    def refuses(self, row: Row) -> str | None:
        """Why a board that a model fits is not what was asked for; None if it is."""
        if self.max_milliseconds is not None:
            if row.milliseconds is None:
                return "time unknown"
            if row.milliseconds > self.max_milliseconds:
                return SLOW
        if self.max_microjoules is not None:
            if row.microjoules is None:
                return "energy unknown"
            if row.microjoules > self.max_microjoules:
                return HUNGRY
        return None

    def told(self, row: Row) -> str:
        """The same with the numbers, where they are known."""
        if row.why == SLOW:
            limit = f"{self.max_milliseconds:g} are"
            return f"{SLOW}: {row.milliseconds:.4g} ms an inference, at most {limit} asked for"
        if row.why == HUNGRY:
            limit = f"{self.max_microjoules:g} are"
            return f"{HUNGRY}: {row.microjoules:.4g} uJ an inference, at most {limit} asked for"
        return str(row.why)


@dataclass
class Row:
    """A model on a board. used: memory -> bytes, those that it has not included, as far as they
    are known; source: of these; error: why it does not fit; why: see `Asked.refuses`; facts: of
    the time and the energy of an inference, as `tinyc test` calls them; ways: what would make it
    fit, see `tinyc.report.objects.FittingWay`."""

    board: Board
    used: Mapping[str, int] = field(default_factory=dict)
    source: str = LINKED
    error: Mapping[str, Any] | None = None
    why: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    ways: list[dict[str, Any]] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        return self.error is None

    @property
    def too_large(self) -> bool:
        """Whether memory is what it lacks."""
        return self.error is not None and self.error["id"] == "E401"

    @property
    def milliseconds(self) -> float | None:
        """Of an inference: with the board's flash where something is known of it, else at zero
        wait states."""
        found = self.facts.get("board_milliseconds", self.facts.get("milliseconds"))
        return None if found is None else float(found)

    @property
    def microjoules(self) -> float | None:
        found = self.facts.get("energy_microjoules")
        return None if found is None else float(found)

    @property
    def over(self) -> int:
        """Bytes that it lacks."""
        sizes = {m.name: m.size for m in self.board.memory}
        return sum(max(0, bytes - sizes[name]) for name, bytes in self.used.items())


def _largest(board: Board, kind: str) -> int:
    return max(m.size for m in board.memory if m.kind == kind)


def memories(row: Row) -> list[dict[str, Any]]:
    """`tinyc.report.objects.FitMemory` of each of which something is known."""
    return [
        {"name": m.name, "kind": m.kind, "used_bytes": row.used[m.name], "size_bytes": m.size}
        for m in row.board.memory
        if m.name in row.used
    ]

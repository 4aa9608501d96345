"""A model with what is the same of it for all boards, and its firmware for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..compress.calibrate import float_nodes
from ..errors import CompileError, CompileErrors
from ..frontends.base import Predict, read_model
from ..image import fit
from ..image.build import Image, TooLarge
from ..ir import Graph
from ..pipeline import Compiled, CompileOptions, Plans, Rewritten, is_binary, refuse_glue, rewritten
from ..plan import Plan
from ..project import Project
from ..search import advise
from ..settings import Config, Place
from ..target.boards import Board
from ..tuning.backend import arena_room
from .asked import LINKED, PLANNED, READ, Row


@dataclass(eq=False)
class Model:
    """A model with what it comes to under some options, the same for all boards."""

    settings: Config
    options: CompileOptions
    source: Graph
    predict: Predict | None

    @classmethod
    def read(cls, settings: Config) -> Model:
        options = replace(CompileOptions.of(settings), lock=None)
        return cls(settings, options, *read_model(str(settings.model), settings.trust))

    @cached_property
    def made(self) -> Rewritten:
        return rewritten(self.source, self.predict, self.options)

    @cached_property
    def _plans(self) -> Plans:
        return Plans(self.made.optimized, self.options)

    @cached_property
    def _compiled(self) -> dict[Plan, Compiled]:
        return {}

    @property
    def calibrates(self) -> bool:
        """Whether --calibrate would bring something."""
        return self.options.calibration is None and bool(float_nodes(self.source))

    def calibrated(self, folder: Path) -> Model:
        """As int8, by random samples, which is right for sizes."""
        path = folder / "random.npz"
        np.savez(path, **advise.random_inputs(self.source))
        options = replace(self.options, calibration=path, float_glue=False)
        return replace(self, options=options)

    def refuse_heavy(self, board: Board) -> None:
        """See `tinyc.image.fit.refuse_heavy`."""
        calibrated = self.options.calibration is not None
        fit.refuse_heavy(self.source, board, calibrated, is_binary(self.source))

    def planned(self, board: Board, **changes: str) -> Plan:
        """Raises CompileError(s): what the board's core cannot compute."""
        refuse_glue(self.made.graph, board, self.options)
        return self._plans(board, **changes)

    def project(self, board: Board, plan: Plan, folder: Path) -> Project:
        """folder: where the objects of each plan are kept."""
        compiled = self._compiled.setdefault(plan, self.made.compiled(plan))
        objects = folder / f"{id(self)}-{list(self._compiled).index(plan)}"  # of one network
        settings = replace(
            self.settings, board=board.name, placement=Place(), data=None, samples=None
        )
        return Project(settings, board, compiled, objects=objects, explains=False)


def heavy(model: Model, board: Board) -> Row | None:
    """The row of a board that cannot hold the weights as they were read."""
    try:
        model.refuse_heavy(board)
    except CompileError as error:
        return row_of_error(board, error, READ)
    return None


def row_of_error(board: Board, error: CompileError | CompileErrors, source: str) -> Row:
    first = error.errors[0] if isinstance(error, CompileErrors) else error
    over = first.over if isinstance(first, TooLarge) else ()
    return Row(board, {m.name: m.size + bytes for m, bytes in over}, source, first.facts)


def by_core(boards: Sequence[Board]) -> list[list[Board]]:
    """The boards of each core, most first; of each the one with most RAM and the one with least
    come first, since all between them often get the plan of both."""
    groups: dict[str, list[Board]] = {}
    for board in sorted(boards, key=arena_room, reverse=True):
        groups.setdefault(board.core.name, []).append(board)
    ordered = [[*group[:1], *group[1:][::-1]] for group in groups.values()]
    return sorted(ordered, key=len, reverse=True)


def linked(project: Project, plans: fit.Planner | None = None) -> tuple[Row, Image | None]:
    """plans: by which it is explained what does not fit."""
    board, source = project.board, PLANNED
    try:
        fit.refuse_too_large(project.plan, board)
        source = LINKED
        image = project.image(project.place("build"), project.config.main)
    except TooLarge as error:
        if plans is not None:
            error = fit.explained(error, project.plan, board, plans)
        return row_of_error(board, error, source), None
    return Row(board, image.used), image

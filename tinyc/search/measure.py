"""What a model costs on a board, and how right it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compress.keras.base import Data
from ..errors import CompileError
from ..ir import Array
from ..project import Project
from ..settings import Config
from ..target.boards import Board

if TYPE_CHECKING:
    from ..run.data import Samples

PROVEN = 2
"""Samples that the emulated core computes besides the host, which has to come to the same."""
ROOM = 256
"""Times by which memories are larger where what does not fit is measured."""


@dataclass(frozen=True)
class Figures:
    """accuracy: 0..1 on all that is held out, by the generated C on this machine, which the
    emulated core equals to the bit on `PROVEN` samples; None without labels; error: root mean
    square of what a model that reproduces its inputs misses, None of others; flash_bytes,
    ram_bytes: of the linked firmware; cycles: modelled, of a random input, of the worst case where
    the network may be left early, at zero wait states; instructions: of the same; file_bytes: of
    the model's file; fits: whether the firmware fits the board, or the figures are those on one
    with larger memories; early: the part of all that is held out that leaves the network early, and
    average_cycles: by that part, and one sample of each way; None of a network without a side
    head."""

    accuracy: float | None
    error: float | None
    flash_bytes: int
    ram_bytes: int
    cycles: int | None
    instructions: int
    file_bytes: int
    fits: bool = True
    early: float | None = None
    average_cycles: int | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        return asdict(self)


def opened(path: Path, settings: Config, fits: bool = True) -> Project:
    """The model of ``path`` compiled by ``settings``, which name the board; without ``fits`` for
    memories of `ROOM` times the size. Raises those of `Project.compile`."""
    project = Project.compile(replace(settings, model=str(path)), "tinyc compress", "name one")
    if not fits:
        project.board = roomy(project.board)
    return project


def measure(
    path: Path, settings: Config, data: Data | None = None, any_size: bool = False
) -> Figures:
    """Build the model of ``path`` by ``settings``, which name the board, and run it.

    any_size: whether what is too large for the board is measured all the same, in memories of
    `ROOM` times the size. Raises CompileError E401 (does not fit), E815 (host and core differ), and
    those of a build.
    """
    project = opened(path, settings)
    project.explains = not any_size
    try:
        return figures_of(project, data)
    except CompileError as error:
        if error.id != "E401" or not any_size:
            raise
    project.board = roomy(project.board)
    return replace(figures_of(project, data), fits=False)


def roomy(board: Board) -> Board:
    """The same with memories that end where another begins, or are `ROOM` times as large."""
    begins = [*(m.origin for m in board.memory), 1 << 32]
    larger = [
        min(m.size * ROOM, min(b for b in begins if b > m.origin) - m.origin) for m in board.memory
    ]
    memory = tuple(
        m.model_copy(update={"size": size}) for m, size in zip(board.memory, larger, strict=True)
    )
    return board.model_copy(update={"memory": memory})


def figures_of(project: Project, data: Data | None = None) -> Figures:
    """What `measure` gives, of a model that is compiled. Raises CompileError E401, E815 and those
    of a build."""
    built = project.measured(project.image(project.place("build"), project.config.main))
    judged = _Judged() if data is None else _judged(project, data)
    samples = project.sample()
    trace = project.emulate(samples)
    average = None
    if judged.early is not None and judged.early_cycles is not None and trace.cycles is not None:
        late = 1 - judged.early
        average = round(judged.early * judged.early_cycles + late * trace.cycles)
    file_bytes = Path(str(project.config.model)).stat().st_size
    return Figures(
        judged.accuracy, judged.error, built["flash_bytes"], built["ram_bytes"], trace.cycles,
        int(trace.instructions or 0), file_bytes, early=judged.early, average_cycles=average,
    )  # fmt: skip


@dataclass(frozen=True)
class _Judged:
    """See `Figures`; early_cycles: of one sample that leaves the network early, 0 if none does."""

    accuracy: float | None = None
    error: float | None = None
    early: float | None = None
    early_cycles: int | None = None


def _judged(project: Project, data: Data) -> _Judged:
    """What the network makes of all that is held out."""
    from ..ir.quant import dequantize
    from ..report import split_outputs
    from ..run.data import given_samples
    from ..run.host import run_host

    graph = project.compiled.graph
    held = given_samples({"x": data.inputs(data.x_test)}, graph, data.name)
    outputs = run_host(project.compiled.c_library, held.bytes())
    emulated = project.emulate(_some(held, slice(PROVEN))).outputs
    outputs, ways = outputs[:, : emulated.shape[1]], outputs[:, emulated.shape[1] :]
    if not np.array_equal(outputs[: len(emulated)], emulated):
        what = "the emulated core and the host come to different outputs"
        raise CompileError("E815", str(project.config.model), what, "report it with the model")
    made = _Judged()
    if ways.size:  # a byte for each sample, which tells whether it left the network early
        first = np.flatnonzero(ways[:, 0])[:1]
        cycles = project.emulate(_some(held, first)).cycles if first.size else 0
        made = _Judged(early=float(np.mean(ways != 0)), early_cycles=cycles)
    found: Array = dequantize(split_outputs(graph, outputs)[-1], graph.outputs[-1].type)
    found = found.reshape(len(found), -1)
    if data.y_test is not None:
        return replace(made, accuracy=float(np.mean(found.argmax(-1) == data.y_test)))
    wanted = data.inputs(data.x_test).reshape(len(found), -1)
    if wanted.shape != found.shape:
        return made
    return replace(made, error=float(np.sqrt(np.mean((found - wanted) ** 2))))


def _some(samples: Samples, which: Any) -> Samples:
    return replace(samples, inputs=tuple(a[which] for a in samples.inputs), given=())

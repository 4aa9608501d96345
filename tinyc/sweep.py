"""Models on boards under settings, measured beside each other: what ``tinyc bench`` prints."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import config
from .errors import CompileError, CompileErrors
from .project import Project
from .run.forks import each
from .settings import Config
from .target.boards import is_file, load_board
from .target.toolchain import find_toolchain

Row = dict[str, Any]
"""`tinyc.report.objects.BenchRow`."""

_COUNTED = (
    "core", "compiler", "sha256", "macs", "binary_macs", "cycles", "cycles_per_mac",
    "cycles_source", "board_cycles", "instructions", "flash_bytes", "ram_bytes",
    "arena_bytes", "stack_bytes",
)  # fmt: skip


def names(models: Sequence[str]) -> dict[str, str]:
    """Model -> what its rows call it: the file's name, the whole path where several share it."""
    count = Counter(Path(model).name for model in set(models))
    return {m: m if count[Path(m).name] > 1 else Path(m).name for m in models}


def measure(cell: Config, name: str) -> Row:
    """One row: the model of ``cell`` built for its board, run once on a seeded random input and
    compared with the reference. Where that fails, ``error`` says why, and what is not known is
    None; ``build_seconds`` are those of reading, planning, compiling and linking."""
    row: Row = {
        "model": name, "board": cell.board, "optimize": cell.optimize, "backend": cell.backend,
        "toolchain": cell.toolchain, "emulator": cell.emulator, **dict.fromkeys(_COUNTED),
    }  # fmt: skip
    try:
        for facts in _steps(config.in_use(cell)):
            row |= facts
    except (CompileError, CompileErrors) as error:
        first = error.errors[0] if isinstance(error, CompileErrors) else error
        row["error"] = first.facts
    except Exception as error:
        hint = "report it with the model"
        what = f"{type(error).__name__}: {error}"
        row["error"] = CompileError("E100", f"{name} on {cell.board}", what, hint).facts
    return row


def _steps(cell: Config) -> Iterator[Row]:
    """What is known of a cell after each step. Raises CompileError(s) where one fails."""
    from . import report
    from .reference import reference

    board = load_board(str(cell.board))
    yield {"board": board.name, "core": board.core.name}
    with contextlib.suppress(OSError):  # a folder, or a function of a file
        yield {"sha256": hashlib.sha256(Path(str(cell.model)).read_bytes()).hexdigest()}
    tools = find_toolchain(cell.toolchain)
    yield {"toolchain": tools.kind, "compiler": tools.title}
    began = time.monotonic()
    project = Project.compile(cell, "tinyc bench", "name one")
    yield report.macs(project.plan)
    built = project.measured(project.image(project.place("build"), cell.main))
    sizes = ("flash_bytes", "ram_bytes", "arena_bytes", "stack_bytes")
    yield {key: built[key] for key in sizes}
    yield {"build_seconds": round(time.monotonic() - began, 2)}
    samples = project.sample()
    trace = project.emulate(samples)
    total = sum(step.macs for step in project.plan.steps)
    per_mac = round(trace.cycles / total, 3) if trace.cycles and total else None
    yield {
        "cycles": trace.cycles, "cycles_per_mac": per_mac, "cycles_source": trace.cycles_source,
        "board_cycles": trace.board_cycles, "instructions": trace.instructions,
    }  # fmt: skip
    yield report.exit_of_one(project.plan, trace)
    project.compared(samples, trace, reference(project.compiled, samples), None)
    for verdict in project.verdicts():
        if verdict.error is not None:
            raise verdict.error


def here(
    cells: Sequence[Config], called: Mapping[str, str], jobs: int | None
) -> Iterator[tuple[int, Row]]:
    """The index and the row of each cell, in the order in which they end, from processes of this
    machine. called: see `names`; jobs: how many at once. Raises CompileError E813."""
    return each(lambda cell: measure(cell, called[str(cell.model)]), cells, jobs)


def on_cluster(
    scheduler: str, cells: Sequence[Config], called: Mapping[str, str]
) -> Iterator[tuple[int, Row]]:
    """The same from the workers of a Dask cluster, which find the files at the same places.

    Raises CompileError E201 (no address), E705 (no Dask), E814 (no scheduler answers, it has no
    workers, or tinyc is missing there or of another version).
    """
    from .run.cluster import connected

    with connected(scheduler) as client:
        import distributed

        found = {
            client.submit(measure, absolute(cell), called[str(cell.model)], pure=False): index
            for index, cell in enumerate(cells)
        }
        try:
            for future in distributed.as_completed(found):
                index = found[future]
                if (failure := future.exception()) is not None:
                    what = f"its worker gave no row: {type(failure).__name__}: {failure}"
                    raise CompileError("E814", scheduler, what, "see the worker's log")
                yield index, future.result()
        finally:
            client.cancel(list(found))


def absolute(cell: Config) -> Config:
    """``cell`` as it is understood in any folder."""
    moved: dict[str, Any] = {
        key: str(Path(value).absolute())
        for key in config.PATHS
        if isinstance(value := getattr(cell, key), str) and value
    }
    for key in config.OWN:
        moved[key] = tuple(str(Path(path).absolute()) for path in getattr(cell, key))
    if is_file(board := str(cell.board)):
        moved["board"] = str(Path(board).absolute())
    return replace(cell, **moved)

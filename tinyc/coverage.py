"""Which models of a folder build and are exact, each in a process of its own."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from .errors import CompileError, CompileErrors, printable
from .frontends.base import Computed, frontend_of, frontends
from .image import fit
from .image.build import TooLarge
from .ir import Array, Graph
from .listener import SILENT, Listener
from .pipeline import CompileOptions, Plans, compile_model
from .plan.heads import deviation, rules
from .project import Project
from .run import forks
from .run.data import Samples
from .settings import Config
from .target.boards import Board, load_board

_BOARD, _SAMPLES = "stm32", 3  # unless others are named
_UNLIMITED = "unlimited"
_LARGE = 1 << 27
"""Bytes that a memory may have at its place in the address map of any board."""
_SPARE = 1 << 20
"""Bytes of RAM that a model takes at most besides its arena."""

Row = dict[str, Any]
"""`tinyc.report.objects.CheckedModel`."""
_LAST_STEP = "computing by the runtime of its format"
_UNKNOWN: Row = {"builds": False, "exact": None, "reasons": []}


def usual(settings: Config) -> Config:
    """``settings`` with a board and a number of samples where they name none, and no lock."""
    board, samples = settings.board or _BOARD, settings.samples or _SAMPLES
    return replace(settings, board=board, samples=samples, lock="none")


def check(
    folder: Path, settings: Config, jobs: int, seconds: float, listener: Listener = SILENT
) -> list[Row]:
    """A row for each model under ``folder``, those of the same bytes in one.

    settings: see `usual`; jobs: how many models at once; seconds: what each may take. Raises
    CompileError E202 (no such folder, or no model in it).
    """
    found = _models(folder)
    rows: dict[Path, Row] = {}
    waiting, running = list(found)[::-1], list[_Run]()
    with listener.progress(f"checking {len(found)} models", len(found)) as advance:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    running.append(_Run.start(waiting.pop(), settings, seconds))
                soonest = min(run.deadline for run in running) - time.monotonic()
                wait([run.pipe for run in running], max(soonest, 0))
                for run in [run for run in running if run.ended()]:
                    running.remove(run)
                    rows[run.model] = run.close()
                    advance()
        finally:
            for run in running:
                run.close()

    def name(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    return [
        {"model": name(path), "copies": list(map(name, copies)), **rows[path]}
        for path, copies in found.items()
    ]


def _models(folder: Path) -> dict[Path, list[Path]]:
    """The files under ``folder`` that a frontend takes, in order, each with the others that hold
    the same bytes."""
    takes = [frontend.takes for frontend in frontends().values()]
    firsts: dict[str, Path] = {}
    found: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and any(taken(str(path)) for taken in takes):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found.setdefault(firsts.setdefault(digest, path), []).append(path)
    if not found:
        what = "holds no model" if folder.is_dir() else "no such folder"
        raise CompileError("E202", str(folder), what, "give a folder with .tflite or other models")
    return {first: paths[1:] for first, paths in found.items()}


@dataclass
class _Run:
    """The check of a model in a process, which tells what it found so far after each step."""

    model: Path
    process: ForkProcess
    pipe: Connection
    scratch: tempfile.TemporaryDirectory[str]
    seconds: float
    began: float = field(default_factory=time.monotonic)
    row: Row = field(default_factory=lambda: {**_UNKNOWN, "step": "starting"})

    @classmethod
    def start(cls, model: Path, settings: Config, seconds: float) -> _Run:
        scratch = tempfile.TemporaryDirectory(prefix="tinyc-")
        context = multiprocessing.get_context("fork")  # plugins are known there too
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_alone, args=(theirs, model, settings, scratch.name))
        process.start()
        theirs.close()
        return cls(model, process, ours, scratch, seconds)

    @property
    def deadline(self) -> float:
        return self.began + self.seconds

    def ended(self) -> bool:
        """Hear what there is to hear; whether that was all, or the time is over."""
        try:
            while self.pipe.poll():
                self.row = self.pipe.recv()
        except EOFError:
            return True
        return time.monotonic() >= self.deadline

    def close(self) -> Row:
        """End the process, with all that it started; what is known then."""
        over = time.monotonic() >= self.deadline
        self.process.join(0 if over else 1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.join()
        self.scratch.cleanup()
        step = self.row.pop("step")
        if step is not None:
            ending = None if over else self.process.exitcode
            error = unfinished(self.model.name, step, self.seconds, ending)
            if step == _LAST_STEP:  # of what is not tinyc's
                self.row["runtime_failed"] = error.what
            else:
                self.row["reasons"] = [error.facts]
        return {**self.row, "seconds": round(time.monotonic() - self.began, 2)}


def unfinished(model: str, step: str, seconds: float, ending: int | None = None) -> CompileError:
    """E812 for a model of which ``step`` did not end in its time, or, with ``ending``, ended the
    process with that exit code."""
    if ending is None:
        hint = "it is too large to run, or --limit is too short"
        return CompileError("E812", model, f"{step} did not end within {seconds:g} s", hint)
    code = signal.Signals(-ending).name if ending < 0 else f"exit code {ending}"
    return CompileError("E812", model, f"{step} ended the process with {code}")


def _alone(pipe: Connection, model: Path, settings: Config, scratch: str) -> None:
    """Check a model and tell what is found. In a session of its own, without words."""
    forks.begin()
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    tempfile.tempdir = scratch
    row = {**_UNKNOWN}
    try:
        for facts in _steps(model, settings):
            row |= facts
            pipe.send(row)
    except CompileErrors as error:
        row["reasons"] = [first.facts for first, _ in error.kinds()]
    except CompileError as error:
        row["reasons"] = [error.facts]
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        row["reasons"] = [CompileError("E100", model.name, what).facts]
    pipe.send({**row, "step": None})
    pipe.close()


def _steps(model: Path, settings: Config) -> Iterator[Row]:
    """What is known of a model after each step, and the step that follows. Raises CompileError(s)
    where one fails."""
    yield {"step": "building"}
    project = _built(model, settings)
    image = project.test_image
    project.measured(image)
    yield {
        "step": "running",
        "builds": True,
        "board": None if project.board.name == _UNLIMITED else project.board.name,
        "flash_bytes": image.flash_bytes,
        "ram_bytes": image.ram_bytes,
    }
    from .reference import reference

    samples = project.samples()
    trace = project.emulate(samples)
    yield {"step": "computing the reference"}
    expected = reference(project.compiled, samples)
    tested = project.compared(samples, trace, expected, None)
    compared = sorted({port["compared"] for port in tested["outputs"]})
    reasons = [check.error.facts for check in project.verdicts() if check.error is not None]
    yield {
        "step": _LAST_STEP,
        "exact": not reasons,
        "compared": compared,
        "reasons": reasons,
    }
    found = _by_runtime(project, samples, expected.outputs)
    reasons = [*reasons, *found.get("reasons", ())]
    yield {**found, "exact": not reasons, "reasons": reasons}


def _built(model: Path, settings: Config) -> Project:
    """The model on the board of ``settings``; where it does not fit, on the smallest with room of
    those whose core can do as much; or on that board as if its memories had no end."""
    assert settings.board is not None
    board = load_board(settings.board)
    options = CompileOptions.of(settings)
    unlimited = _unlimited(board, _LARGE)
    compiled = compile_model(model, unlimited, options)
    # Not larger than need be, since the firmware paints what is left to the stack.
    unlimited = _unlimited(board, compiled.plan.arena_bytes + _SPARE)
    able, plans = board.core.features, Plans(compiled.plan.graph, options)
    with_room = (
        b for b in fit.with_room(compiled.plan, ("flash", "ram"), plans) if able <= b.core.features
    )
    settings = replace(settings, model=str(model))
    for chosen in itertools.chain([board], with_room):
        if chosen.core.features != compiled.plan.features:
            compiled = compile_model(model, chosen, options)
        project = Project(settings, chosen, compiled, explains=False)
        try:
            project.test_image  # noqa: B018  # is built here
        except TooLarge:
            continue
        return project
    return Project(settings, unlimited, compile_model(model, unlimited, options))


def _unlimited(board: Board, ram: int) -> Board:
    """``board`` with `_LARGE` bytes in the first flash and ``ram`` in the first RAM."""
    sizes = ((board.flash, _LARGE), (board.ram, ram))
    memory = tuple(m.model_copy(update={"size": size}) for m, size in sizes)
    return board.model_copy(update={"name": _UNLIMITED, "memory": memory})


def _by_runtime(project: Project, samples: Samples, expected: Sequence[Array]) -> Row:
    """What the runtime of the model's format makes of the reference: ``runtime``, which computed
    it, or ``runtime_failed``, why not; ``reasons`` where the reference is wrong by it."""
    model, graph = str(project.config.model), project.compiled.graph
    compute = frontend_of(model).compute
    if compute is None or project.compiled.source is not graph:
        return {}
    try:
        computed = compute(model, samples.inputs)
    except Exception as error:  # of a package that is not tinyc's
        return {"runtime_failed": printable(str(error), 200)}
    if computed is None:
        return {}
    errors = disagreements(graph, expected, computed)
    return {"runtime": computed.by, "reasons": [error.facts for error in errors]}


def disagreements(
    graph: Graph, reference: Sequence[Array], computed: Computed
) -> list[CompileError]:
    """E506 for each output of ``graph`` that another runtime computed otherwise."""
    errors = []
    pairs = zip(graph.outputs, rules(graph), reference, computed.outputs, strict=True)
    for value, rule, ours, theirs in pairs:
        wrong, most = deviation(ours, theirs.reshape(ours.shape), rule)
        if wrong.any():
            what = (
                f"{int(wrong.sum())} of {len(wrong)} samples of output '{value.name}' differ from "
                f"those of {computed.by} by up to {most:.3g}"
            )
            errors.append(CompileError("E506", graph.name, what))
    return errors

"""Search TVM's schedules for the layers of a network, measured on the emulated core.

What is found is kept in a file of JSON lines, one for each schedule of each workload that was
measured. A later search measures only what is not there, and a later build takes the best.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..emit.emitter import emit
from ..errors import CompileError
from ..files.folder import written
from ..image.build import BuildOptions, build
from ..ir import Graph, Node, interpret, verify
from ..kernels.base import Kernel, Schedule, tvm_kernels_of
from ..kernels.tvm import check
from ..ops._bits import random_words
from ..ops.lce_bconv2d import LceBconv2d
from ..plan import plan, workload
from ..run import run
from ..run.data import Samples, random_samples
from ..run.forks import each
from ..target.boards import Board
from ..target.toolchain import find_toolchain

DATABASE = "schedules.jsonl"


@dataclass(frozen=True)
class Record:
    """Cycles of a workload under a schedule, compiled by ``compiler`` (gcc or clang)."""

    workload: str
    compiler: str
    schedule: Schedule
    cycles: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.workload, self.compiler, json.dumps(self.schedule, sort_keys=True)

    def line(self) -> str:
        return json.dumps(vars(self), sort_keys=True) + "\n"


def read(path: Path) -> list[Record]:
    """The records of a database, none where there is no file. A line that was cut short, as by a
    power failure, is left out if it is the last. Raises CompileError E240 (not a database)."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise CompileError("E240", str(path), f"is no database of schedules: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            record = Record(**entry)
            if not isinstance(record.schedule, dict) or not isinstance(record.cycles, int):
                raise TypeError("a schedule is an object, and cycles are a number")
            found.append(record)
        except (ValueError, TypeError) as error:
            if number == len(lines):
                break
            raise CompileError(
                "E240", f"{path}: line {number}", f"is no record of a schedule: {error}",
                "remove the line, or the file",
            ) from None  # fmt: skip
    return found


def best(records: Sequence[Record], compiler: str) -> dict[str, Schedule]:
    """Workload -> the schedule of the fewest cycles; of equals the first."""
    found: dict[str, Record] = {}
    for record in records:
        if record.compiler == compiler:
            rival = found.get(record.workload)
            if rival is None or record.cycles < rival.cycles:
                found[record.workload] = record
    return {name: record.schedule for name, record in found.items()}


def schedules(database: Path, toolchain: str | None) -> dict[str, Schedule]:
    """What a build is to lower with."""
    records = read(database)
    return best(records, find_toolchain(toolchain).kind) if records else {}


# Searching ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    node: Node
    kernel: Kernel
    schedule: Schedule
    record: Record  # its cycles are not known yet


def tune(
    graph: Graph,
    board: Board,
    database: Path,
    toolchain: str | None = None,
    started: Callable[[int], Callable[[], None]] = lambda _: lambda: None,
) -> list[dict[str, object]]:
    """Measure every schedule of every layer that TVM lowers and that ``database`` does not know.

    started: told how many there are; what it returns is called after each. Returns for each
    workload ``workload``, ``schedules``, ``default_cycles``, ``cycles``, ``schedule``. Raises
    CompileError E240, E706, E708, E70x, E80x.
    """
    check()  # TVM itself is loaded in the processes alone: its threads would not survive a fork
    compiler = find_toolchain(toolchain).kind
    known = {record.key: record for record in read(database)}
    jobs = list(_jobs(graph, board, compiler))
    missing = [job for job in jobs if job.record.key not in known]
    advance = started(len(missing))
    if missing:
        database.parent.mkdir(parents=True, exist_ok=True)
        _repair(database)
        with database.open("a", encoding="utf-8") as file:
            for record in _measured(missing, board, toolchain):
                known[record.key] = record
                file.write(record.line())
                file.flush()
                advance()
    return _summary(jobs, known)


def _repair(database: Path) -> None:
    """End a last line that was cut short, so that the next record is a line of its own."""
    if not database.exists():
        return
    text = database.read_bytes()
    if text and not text.endswith(b"\n"):
        whole = text[: text.rfind(b"\n") + 1]
        with written(database) as file:
            file.write(whole)


def _jobs(graph: Graph, board: Board, compiler: str) -> Iterator[_Job]:
    """Each schedule of each workload, once."""
    core, features = board.core.title, board.core.features
    seen = set()
    for node in graph.nodes:
        for kernel in tvm_kernels_of(type(node.op)):
            if kernel.requires <= features and kernel.reject(node) is None:
                break
        else:
            continue
        name = workload(node, kernel, core)
        if name in seen or kernel.schedules is None:
            continue
        seen.add(name)
        for schedule in kernel.schedules(node):
            yield _Job(node, kernel, schedule, Record(name, compiler, schedule, 0))


def _measured(jobs: Sequence[_Job], board: Board, toolchain: str | None) -> Iterator[Record]:
    """The jobs with their cycles, in the order in which they end."""
    for index, cycles in each(lambda job: _measure(job, board, toolchain), jobs):
        yield replace(jobs[index].record, cycles=cycles)


def _measure(job: _Job, board: Board, toolchain: str | None) -> int:
    """Cycles of a node alone, whose outputs must be the reference's."""
    node = job.node
    graph = verify(Graph("layer", node.variable_inputs, node.outputs, (node,)))
    chosen = {job.record.workload: job.schedule}
    lowered = plan(graph, board.core.title, board.core.features, "tvm", chosen)
    (step,) = lowered.steps
    assert step.schedule == job.schedule
    samples = _samples(graph, node)
    with tempfile.TemporaryDirectory() as folder:
        image = build(emit(lowered), board, toolchain, Path(folder) / "l", BuildOptions("test"))
        trace = run(image, samples.bytes(), profile=True, layers=(step.symbol,))
    expected = interpret(graph, samples.at(0))[graph.outputs[0]]
    if trace.outputs[0].tobytes() != expected.tobytes():
        raise CompileError(
            "E501", node.origin, f"{job.kernel.name} with {dict(job.schedule)} gives other outputs",
            "this is a bug in tinyc or its compiler: report it with the model",
        )  # fmt: skip
    return trace.layers[step.symbol].cycles


def _samples(graph: Graph, node: Node) -> Samples:
    """One random sample; of packed signs, those past the last channel are clear."""
    if isinstance(node.op, LceBconv2d):
        shape = (*node.inputs[0].type.shape[:-1], node.op.channels)
        return Samples((random_words(np.random.default_rng(0), shape)[None],))
    return random_samples(graph, 1, 0)


def _summary(
    jobs: Sequence[_Job], known: dict[tuple[str, str, str], Record]
) -> list[dict[str, object]]:
    by_name: dict[str, list[Record]] = {}
    for job in jobs:
        by_name.setdefault(job.record.workload, []).append(known[job.record.key])
    found: list[dict[str, object]] = []
    for name, records in by_name.items():
        winner = min(records, key=lambda record: record.cycles)
        found.append(
            {
                "workload": name,
                "schedules": len(records),
                "default_cycles": records[0].cycles,
                "cycles": winner.cycles,
                "schedule": ", ".join(f"{k} {v}" for k, v in winner.schedule.items()),
            }
        )
    return found

"""The ways to compute each layer, measured alone on the emulated core, in parallel, once for layers
that are alike, and kept in a file (`tinyc.tuning.database`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError
from ..files.paths import kernel_file
from ..image.build import BuildOptions
from ..ir import Graph, Node, interpret, verify
from ..kernels.base import Binding
from ..kernels.support import needed
from ..ops._bits import random_words
from ..ops.lce_bconv2d import LceBconv2d
from ..plan import Choice, Plan, Step, choices, kernel_of, plan, workload
from ..run.data import Samples, random_samples
from ..run.forks import each
from ..target.boards import Board
from ..target.toolchain import Toolchain, find_toolchain
from .database import Record, extended, read
from .measure import measure, refuse_wrong

ONE_BY_ONE = "speed"
"""What is optimized in `tinyc.plan.schedule` where layers are not to take turns by rows."""

Started = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Told what begins and of how many parts; within it, what it gives is called after each."""


@dataclass(frozen=True)
class Task:
    """What is tuned: ``graph`` for ``board``, by the kernels of ``backend`` (see
    `tinyc.plan.choices`), so that ``optimize`` is best within ``limits``: bytes of flash and of
    RAM of the firmware that ``options`` are of. feed: how its input comes, see `tinyc.plan.plan`.
    """

    graph: Graph
    board: Board
    backend: str = "templates"
    optimize: str = "balanced"
    limits: tuple[float, float] = (float("inf"), float("inf"))
    toolchain: str | None = None
    options: BuildOptions = field(default_factory=BuildOptions)
    feed: str = "whole"

    def plan(self, **more: Any) -> Plan:
        return plan(self.graph, self.board.core.title, self.board.core.features, **more)


@dataclass(frozen=True)
class Way:
    """A way to compute a layer. binding: as far as the arena depends on it; record: what was
    measured, None of what is the only way."""

    choice: Choice
    binding: Binding
    record: Record | None = None


@dataclass(frozen=True)
class Layer:
    """A step of the plan and the ways to compute it."""

    step: Step
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class _Job:
    node: Node
    choice: Choice
    binding: Binding | None  # of a template
    record: Record  # its numbers are not known yet

    def way(self, record: Record) -> Way:
        return Way(self.choice, self.binding or Binding(scratch=record.scratch), record)


def measured(
    task: Task, database: Path, started: Started = lambda *_: nullcontext(lambda: None)
) -> tuple[Layer, ...]:
    """The layers, with what each way of those costs that have several. Ways that do not fit the
    board are left out, unless none does. Raises what `tune` does for them."""
    tools = find_toolchain(task.toolchain)
    known = {record.key: record for record in read(database)}
    steps = task.plan(optimize=ONE_BY_ONE).steps  # not yet by rows
    features = task.board.core.features
    ways = [tuple(choices(step.node, features, task.backend)) for step in steps]
    jobs = [
        [_job(step.node, choice, task, tools) for choice in found] if len(found) > 1 else []
        for step, found in zip(steps, ways, strict=True)
    ]
    missing = {j.record.key: j for layer in jobs for j in layer if j.record.key not in known}
    with started("measuring", len(missing)) as advance:
        for record in extended(database, _records(list(missing.values()), task)):
            known[record.key] = record
            advance()
    layers = []
    for step, found, layer in zip(steps, ways, jobs, strict=True):
        fitting = [j.way(known[j.record.key]) for j in layer if j.record.key in known]
        layers.append(Layer(step, tuple(fitting or [Way(found[0], step.binding)])))
    return tuple(layers)


def _job(node: Node, choice: Choice, task: Task, tools: Toolchain) -> _Job:
    kernel = kernel_of(node, choice)
    name = workload(node, kernel, task.board.core.title)
    binding: Binding | None = None
    support: tuple[str, ...] = ()
    if choice.schedule is None:  # TVM's are bound in the processes alone
        binding = kernel.bind(node)
        support = needed(binding.support)
        # What is packed may depend on the weights: as many constants, as many cycles.
        name += f", {' + '.join(str(c.data.nbytes) for c in binding.constants) or 'no'} bytes"
    source = hashlib.sha256(tools.title.encode())
    for kind, files in (("templates", (kernel.template,)), ("firmware", support)):
        for file in files:
            source.update(kernel_file(kind, file).read_bytes())
    digest = source.hexdigest()[:16]
    record = Record(name, tools.kind, dict(choice.schedule or {}), 0, digest)
    return _Job(node, choice, binding, record)


def _records(jobs: Sequence[_Job], task: Task) -> Iterator[Record]:
    """The records of those that fit, in the order in which they end."""
    for _, record in each(lambda job: _alone(job, task), jobs):
        if record is not None:
            yield record


def _alone(job: _Job, task: Task) -> Record | None:
    """A node alone, whose outputs must be the reference's; None if it does not fit the board."""
    node = job.node
    sources = tuple(dict.fromkeys(node.variable_inputs))
    alone = replace(task, graph=verify(Graph("layer", sources, node.outputs, (node,))))
    lowered = alone.plan(optimize=ONE_BY_ONE, forced={0: job.choice})
    samples = _samples(alone.graph, node)
    try:
        found = measure(lowered, task.board, task.toolchain, samples)
    except CompileError as error:
        if error.id != "E401":
            raise
        return None
    refuse_wrong(alone.graph, found, interpret(alone.graph, samples.at(0)), node.origin)
    (cycles,), scratch = found.layers, lowered.steps[0].binding.scratch
    return replace(job.record, cycles=cycles, flash=found.image.flash_bytes, scratch=scratch)


def _samples(graph: Graph, node: Node) -> Samples:
    """One random sample; of packed signs, those past the last channel are clear."""
    if isinstance(node.op, LceBconv2d):
        shape = (*node.inputs[0].type.shape[:-1], node.op.channels)
        return Samples((random_words(np.random.default_rng(0), shape)[None],))
    return random_samples(graph, 1, 0)

"""The chain: what each stage of a model's way computes, from floats to the board."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..frontends.base import frontend_of
from ..ir import Array, DType, Graph, TensorType, Value, interpret, kept
from ..passes import stages as rewrites
from ..pipeline import CHANGES
from ..plan.heads import split_outputs
from ..reference import inputs_of
from ..run import find, run
from ..run.data import Samples

if TYPE_CHECKING:
    from ..image.build import Image
    from ..plan import Plan
    from ..project import Project
    from ..run import Emulator

Kind = Literal["floats", "runtime", "change", "rewrite", "program", "other"]
"""floats: the network as its framework or another file has it; runtime: its format's runtime;
change: a graph of another meaning than the stage before; rewrite: of the same; program: the C;
other: the graph of another model."""


@dataclass(frozen=True, eq=False)
class Stage:
    """name: as in ``tinyc show --after``, or the emulator's; by: what computed; outputs: for each
    output an array [n, *shape] of the type in ``types``; graph, samples: what was interpreted, and
    the samples as its inputs; way: how the program was run; image: which; plan: what it is of."""

    name: str
    kind: Kind
    by: str
    outputs: Sequence[Array]
    types: tuple[TensorType, ...]
    graph: Graph | None = None
    samples: Samples | None = None
    way: Emulator | None = None
    image: Image | None = None
    plan: Plan | None = None

    def values(self, index: int) -> dict[Value, Array]:
        """Of a graph: what each value is in the inference of one of the samples, as if no run
        ended early: the output is what its own layer makes."""
        assert self.graph is not None and self.samples is not None
        whole = replace(self.graph, side=None)
        *_, last = _inferences(whole, self.samples, begins(self.samples, index), index + 1)
        return {**dict(zip(whole.inputs, self.samples.at(index), strict=True)), **last}


def begins(samples: Samples, index: int) -> int:
    """The first sample of the sequence that one is of."""
    return int(np.flatnonzero(samples.begins[: index + 1])[-1])


def _inferences(
    graph: Graph, samples: Samples, first: int, end: int
) -> Iterator[dict[Value, Array]]:
    """What each value is, of samples of which the first begins a sequence."""
    states = None
    for index in range(first, end):
        values = interpret(graph, samples.at(index), None if samples.begins[index] else states)
        states = kept(graph, values)
        yield values


@dataclass
class Chain:
    """The stages of a compiled model on some samples, made one after the other.

    emulators: by which the C is run,
    after the host; target: the board on the desk, ``serial:PORT``; others: the same model on other
    boards, whose plans are held against what the last one gave.
    """

    project: Project
    samples: Samples
    emulators: Sequence[str] = ("unicorn",)
    target: str | None = None
    others: Sequence[Project] = ()

    def __iter__(self) -> Iterator[Stage]:
        """Raises the CompileErrors of a build and of a run."""
        compiled = self.project.compiled
        yield from self._floats()
        if (known := self._runtime()) is not None:
            yield known
        known = self.interpreted("read", "rewrite", compiled.source)
        yield known
        for change, graph in compiled.changes.items():
            if graph is not compiled.source:
                known = self.interpreted(CHANGES.get(change, change), "change", graph)
                yield known
        if compiled.stream is not None:
            known = self.interpreted("stream", "rewrite", compiled.graph, known)
            yield known
        for name, graph in (*rewrites(compiled.graph), ("plan", compiled.plan.graph)):
            known = self.interpreted(name, "rewrite", graph, known)
            yield known
        yield from self._programs(self.project)
        for other in self.others:
            label = f" on {other.board.name}"
            yield self.interpreted(f"plan{label}", "rewrite", other.plan.graph)
            yield from self._programs(other, label)

    def _floats(self) -> Iterator[Stage]:
        """The network before it was converted, or quantized: what the settings name as the
        original, or what the model's framework computes."""
        compiled, named = self.project.compiled, self.project.original
        if named is not None and named.predict is None:
            yield self.interpreted("original", "floats", named.graph)
        elif named is not None:
            assert named.predict is not None
            found = named.predict(inputs_of(compiled, named.graph, self.samples))
            yield self._computed(found, named.graph)
        elif compiled.predict is not None:
            found = compiled.predict(inputs_of(compiled, compiled.source, self.samples))
            yield self._computed(found, compiled.source)

    def _computed(self, found: Sequence[Array], graph: Graph) -> Stage:
        """Real numbers that a framework gave, for the outputs of ``graph``."""
        types = tuple(replace(v.type, dtype=DType.F32, quant=None) for v in graph.outputs)
        outputs = self._newest(found)
        return Stage("original", "floats", "its framework", outputs, types)

    def _runtime(self) -> Stage | None:
        """What the runtime of the file's format computes; None without one, and where the graph
        that was compiled is not all of the file's."""
        compiled, model = self.project.compiled, str(self.project.config.model)
        compute = frontend_of(model).compute
        if compute is None or compiled.source.side is not None or compiled.predict is not None:
            return None
        if len({bool(b) for b in self.samples.begins[1:]} | {False}) > 1:
            return None  # several sequences, of which it keeps one
        inputs = inputs_of(compiled, compiled.source, self.samples)
        try:
            found = compute(model, inputs)
        except Exception as error:  # of a package that is not tinyc's
            self.project.listener.info(f"the runtime of its format cannot run it: {error}")
            return None
        if found is None:
            return None
        outputs = [
            y.reshape(-1, *v.type.shape)
            for y, v in zip(found.outputs, compiled.source.outputs, strict=True)
        ]
        types = tuple(v.type for v in compiled.source.outputs)
        return Stage("runtime", "runtime", found.by, self._newest(outputs), types)

    def _newest(self, outputs: Sequence[Array]) -> Sequence[Array]:
        stream = self.project.compiled.stream
        return outputs if stream is None else stream.newest(outputs)

    def interpreted(
        self, name: str, kind: Kind, graph: Graph, before: Stage | None = None
    ) -> Stage:
        """A graph as numpy computes it; what the stage before has computed already is not computed
        again."""
        types = tuple(v.type for v in graph.outputs)
        compiled = self.project.compiled
        if before is not None and before.graph is not None and _same(before.graph, graph):
            return replace(before, name=name, kind=kind, by="the same", graph=graph)
        framed = compiled.stream is not None and graph.frames is not None
        samples = self.samples
        if not framed:  # of a stream they are windows, each by itself
            starts = samples.starts if compiled.stream is None else None
            samples = Samples(tuple(inputs_of(compiled, graph, samples)), starts=starts)
        rows: list[list[Array]] = [[] for _ in graph.outputs]
        with self.project.listener.progress(f"interpreting {name}", len(samples)) as advance:
            for values in _inferences(graph, samples, 0, len(samples)):
                for row, value in zip(rows, graph.outputs, strict=True):
                    row.append(values[value] if value.data is None else value.data)
                advance()
        outputs: Sequence[Array] = [np.stack(row) for row in rows]
        if not framed:
            outputs = self._newest(outputs)
        return Stage(name, kind, "numpy", outputs, types, graph, samples)

    def _programs(self, project: Project, label: str = "") -> Iterator[Stage]:
        """The C of a project, by each way to run it."""
        images: dict[str, Image] = {}
        graph = project.plan.graph
        types = tuple(v.type for v in graph.outputs)
        last = [] if self.target is None else [self.target]
        for name in dict.fromkeys(("host", *self.emulators, *last)):
            way = find(name)
            if way.main not in images:
                images[way.main] = project.image(project.place(way.main), way.main)
            image = images[way.main]
            rows = self.samples.bytes(image.c_library.states > 0)
            with project.listener.progress(f"running {len(self.samples)} in {name}"):
                trace = run(image, rows, emulator=name)
            outputs = split_outputs(graph, trace.outputs)
            yield Stage(
                f"{name}{label}", "program", f"C, {way.title}", outputs, types, way=way,
                image=image, plan=project.plan,
            )  # fmt: skip


def _same(before: Graph, after: Graph) -> bool:
    """Whether a rewrite has left all as it was."""
    return (before.nodes, before.results, before.inputs) == (
        after.nodes, after.results, after.inputs
    )  # fmt: skip

"""Each stage held against the one before it; where they part, the first layer that does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..frontends.base import frontend_of
from ..ir import Array, Value
from ..ir.quant import dequantize
from ..plan.heads import RULES, classifiers, deviation, heads, rules
from ..project import Project
from ..reference import inputs_of
from ..report.metrics import errors
from ..run import find
from ..run.data import Samples
from .graphs import first_changed, first_far, first_unlike, furthest
from .layers import first_wrong
from .stages import Chain, Stage, begins
from .values import Layer

MOST_ERROR = 0.1
"""The relative L2 error from which on two models' values of other types are not the same."""


_SEES = "unicorn"
"""The emulator that sees the layers of a whole run."""


@dataclass(frozen=True, eq=False)
class Step:
    """A stage beside the one before it.

    verdict: ``pass``, ``FAIL``, ``near`` where the numbers may differ, ``start`` of the first;
    compared: the rule, in words; wrong: samples that break it; first: the index of the first of
    them; largest: the greatest absolute difference; agreement: the part of the samples in the same
    class; relative: the greatest relative L2 error of an output.
    """

    stage: Stage
    before: Stage | None
    verdict: str
    compared: str = ""
    wrong: int = 0
    first: int | None = None
    largest: float | None = None
    agreement: float | None = None
    relative: float | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """steps: of all stages that were made; failed: the first that is not as the one before it;
    layer: the first that differs there, None where it is not known; sample: in which inference;
    note: why no layer is told, in words."""

    steps: tuple[Step, ...]
    failed: Step | None = None
    layer: Layer | None = None
    sample: int = 0
    note: str = ""
    operands: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Verifier:
    """How stages of a project's are judged. real: whether the samples are data, whose classes
    say something; most: see `MOST_ERROR`."""

    project: Project
    samples: Samples
    real: bool = False
    most: float = MOST_ERROR

    def verify(self, stages: Iterable[Stage], bisect: bool) -> Outcome:
        """Judge them all; to ``bisect`` is to look into the layers too, of the C even where the
        outputs are right, and to end with the first stage that fails."""
        steps: list[Step] = []
        graph: Stage | None = None
        layer: Layer | None
        for stage in stages:
            step = self.held(stage, steps[-1].stage if steps else None)
            at, layer, note = step.first or 0, None, ""
            if bisect and (step.verdict == "FAIL" or stage.kind in ("program", "other")):
                layer, note = self.inside(step, graph, at)
                if layer is not None and step.verdict != "FAIL":
                    compared = "every layer and table"
                    step = replace(step, verdict="FAIL", compared=compared)
            steps.append(step)
            graph = stage if stage.graph is not None else graph
            if bisect and step.verdict == "FAIL":
                kept = {**(layer.operands if layer else {}), **self._outputs(step, at)}
                return Outcome(tuple(steps), step, layer, at, note, kept)
        failed = next((step for step in steps if step.verdict == "FAIL"), None)
        return Outcome(tuple(steps), failed, None, (failed.first or 0) if failed else 0)

    def held(self, stage: Stage, before: Stage | None) -> Step:
        """A stage against the one before it, output by output."""
        if before is None:
            return Step(stage, None, "start")
        exact = stage.kind in ("rewrite", "program") and before.kind != "floats"
        same = [a.dtype is b.dtype for a, b in zip(stage.types, before.types, strict=False)]
        if stage.kind == "other":
            exact = stage.types == before.types
        if len(stage.types) != len(before.types) or not (all(same) or not exact):
            return Step(stage, before, "FAIL", "outputs alike", len(self.samples), 0)
        return self._exact(stage, before) if exact else self._near(stage, before)

    def _exact(self, stage: Stage, before: Stage) -> Step:
        graph = stage.graph or (stage.plan.graph if stage.plan else self.project.plan.graph)
        known = rules(graph)
        wrong, largest = np.zeros(len(stage.outputs[0]), bool), 0.0
        for rule, ours, truth in zip(known, stage.outputs, before.outputs, strict=True):
            broken, most = deviation(ours, truth.reshape(ours.shape), rule)
            wrong |= broken
            largest = max(largest, most) if not math.isnan(most) else most
        compared = " and ".join(dict.fromkeys(RULES[rule] for rule in known))
        first = int(wrong.argmax()) if wrong.any() else None
        verdict = "FAIL" if wrong.any() else "pass"
        return Step(stage, before, verdict, compared, int(wrong.sum()), first, largest)

    def _near(self, stage: Stage, before: Stage) -> Step:
        found = heads(self.project.compiled.graph)
        classes = classifiers(found, self.samples.labels)
        agreement, relative = None, 0.0
        wrong = np.zeros(len(stage.outputs[0]), bool)
        for head in found:
            i = head.port.index
            ours, truth = (dequantize(s.outputs[i], s.types[i]) for s in (stage, before))
            if ours.size != truth.size:
                return Step(stage, before, "FAIL", "outputs alike", len(wrong), 0)
            error = errors(ours, truth)["relative_l2_error"]
            relative = max(relative, math.inf if error is None else error)
            if i in classes:
                same = head.decide(ours) == head.decide(truth)
                wrong |= ~same
                agreement = min(1.0 if agreement is None else agreement, float(np.mean(same)))
        if stage.kind == "other":
            limit = f"a relative L2 error of {self.most:g}"
            failed = relative > self.most
        else:
            least = self._least(stage, before)
            limit, failed = "nothing: random inputs", False
            if self.real and least is None:
                limit = "nothing: no limit is set"
            elif self.real and least is not None:
                limit = f"agreement of {least:g}"
                failed = agreement is not None and agreement < least
        first = int(wrong.argmax()) if wrong.any() else None
        return Step(
            stage, before, "FAIL" if failed else "near", limit, int(wrong.sum()), first, None,
            agreement, relative if math.isfinite(relative) else None,
        )  # fmt: skip

    def _least(self, stage: Stage, before: Stage) -> float | None:
        """Of the agreement of a stage that may differ, as `tinyc test` has it."""
        change = stage.name
        if before.kind == "floats":
            change = "conversion" if self.project.original is None else "quantization"
        return self.project.config.expect.least_agreement([change])

    def inside(self, step: Step, earlier: Stage | None, at: int) -> tuple[Layer | None, str]:
        """The first layer of a stage that differs in one of the samples; or why there is none to
        be told. earlier: the last stage before it that was interpreted."""
        stage, before = step.stage, step.before
        assert before is not None
        if stage.kind == "program":
            return self._in_program(step, earlier, at)
        if stage.kind == "runtime":  # whose layers are those of the graph that was read
            graph = self.project.compiled.source
            stage = Chain(self.project, self.samples).interpreted("read", "rewrite", graph)
        if stage.graph is None:
            return None, f"of '{stage.name}' there are the outputs alone"
        now = stage.values(at)
        if before.kind == "runtime":
            return self._in_runtime(stage, now, at)
        known = before if before.graph is not None else earlier
        if known is None or known.graph is None:
            return None, f"of '{before.name}' there are the outputs alone"
        was = known.values(at)
        if stage.kind == "other":
            return first_far(known.graph, was, stage.graph, now, self.most), ""
        if stage.kind == "change" or before.kind == "floats":
            return furthest(known.graph, was, stage.graph, now), ""
        return first_changed(known.graph, was, stage.graph, now), "no layer of both is alike"

    def _in_runtime(
        self, stage: Stage, now: Mapping[Value, Array], at: int
    ) -> tuple[Layer | None, str]:
        model, compiled = str(self.project.config.model), self.project.compiled
        assert stage.graph is not None
        tensors = frontend_of(model).tensors
        if tensors is None or compiled.stream is not None:
            return None, "the runtime shows its outputs alone"
        begin = begins(self.samples, at) if stage.graph.states else at
        inputs = [a[begin : at + 1] for a in inputs_of(compiled, compiled.source, self.samples)]
        return first_unlike(tensors(model, inputs), stage.graph, now), ""

    def _in_program(self, step: Step, graph: Stage | None, at: int) -> tuple[Layer | None, str]:
        stage = step.stage
        way, image, plan = stage.way, stage.image, stage.plan
        assert way is not None and image is not None and plan is not None and graph is not None
        if way.watch is None:
            return None, f"the layers cannot be seen there, and those of '{graph.name}' are right"
        library = image.c_library
        begin = begins(self.samples, at) if library.states else at
        rows = self.samples.bytes(library.states > 0)[begin : at + 1]
        values = graph.values(at)
        found = first_wrong(plan, library, way.watch(image, plan, rows, values), values)
        if found is not None or step.verdict != "FAIL" or way.core:
            return found, "each layer is right: it is what is copied when they have run"
        # By themselves they are right; a run of them all is seen on an emulated core.
        core = find(_SEES)
        if core.watch is not None and core.main == image.main:
            watched = core.watch(image, plan, rows, values)
            found = first_wrong(plan, library, watched, values)
        return found, "each layer is right by itself: it is the arena, or a chain's turns"

    def _outputs(self, step: Step, at: int) -> dict[str, Array]:
        """The network's inputs, and its outputs by both stages, in one of the samples."""
        assert step.before is not None
        kept = {f"network_input_{i}": a[at] for i, a in enumerate(self.samples.inputs)}
        kept |= {f"network_expected_{i}": a[at] for i, a in enumerate(step.before.outputs)}
        return kept | {f"network_found_{i}": a[at] for i, a in enumerate(step.stage.outputs)}

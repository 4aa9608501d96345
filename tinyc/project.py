"""One model on one board, from its settings to what ran in an emulator, step by step."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CompileError
from .listener import SILENT, Listener

if TYPE_CHECKING:
    from typing import Self

    from .frontends.base import Model
    from .image.build import Image
    from .ir import Array
    from .pipeline import Compiled
    from .plan import Plan
    from .reference import Answers
    from .report import Report, Verdict
    from .run import Trace
    from .run.data import Samples
    from .settings import Config
    from .target.boards import Board

_RANDOM_SAMPLES = 10
_COUNTER = "unicorn"
"""What counts and models the inferences of a board that measures them."""


def _tell_of_lock(settings: Config, entry: Mapping[str, object], listener: Listener) -> None:
    from .target.toolchain import find_toolchain

    listener.info(f"kernels are those that {settings.lock} holds")
    with contextlib.suppress(CompileError):  # what needs no compiler is done without
        if (title := find_toolchain(settings.toolchain).title) != entry["compiler"]:
            listener.warn(f"they were tuned with {entry['compiler']}, this is {title}")


def _skipped(plan: Plan) -> str:
    """How many multiply-accumulates what comes after the side head takes."""
    side = plan.graph.side
    last = max(s.index for s in plan.steps if side is not None and side.sure in s.node.outputs)
    rest, whole = (sum(s.macs for s in plan.steps if s.index > i) for i in (last, -1))
    return f"which saves {rest:,} of {whole:,} MACs"


@dataclass(eq=False, repr=False)
class Project:
    """A compiled model with its board and settings.

    What is built to run it lies in a temporary folder, and goes with the object.
    """

    config: Config
    board: Board
    compiled: Compiled
    listener: Listener = SILENT
    trace: Trace | None = None
    """Of the latest run: ``instructions`` and ``cycles`` of its first sample (None where the
    emulator does not count), ``stack_bytes``, the deepest stack seen (that of the harness that
    feeds the model), ``console``; ``early``, which inferences were left early."""
    sections: dict[str, Report] = field(default_factory=dict)
    """What a report has to state: ``build``, ``test``, ``profile``, of those that were made."""
    objects: Path | None = None
    """See `tinyc.image.build.BuildOptions`."""
    explains: bool = True
    """Whether what does not fit tells what would, which takes more plans."""

    @classmethod
    def compile(
        cls,
        settings: Config,
        origin: str,
        hint: str,
        optional_calibration: bool = False,
        listener: Listener = SILENT,
    ) -> Self:
        """Read, rewrite and plan the model of ``settings`` for their board.

        origin: who asks; hint: how to name a model there; optional_calibration: a model without
        float32 does not look at the data for it. Raises CompileError(s) E201 (no model or no
        board is named), E204 and those of `tinyc.pipeline.compile_model`.
        """
        if not settings.model:
            raise CompileError("E201", origin, "no model is named", hint)
        if not settings.board:
            raise CompileError(
                "E201",
                origin,
                "no board is named",
                'pass --board, or board = "..." in tinyc.toml; see `tinyc boards`',
            )
        from .target.boards import load_board

        board = load_board(settings.board)
        from .pipeline import CompileOptions, compile_model
        from .plan.rows import height, row_bytes

        listener.info(f"compiling {settings.model} for {board.name} ({board.core.name})")
        options = replace(CompileOptions.of(settings), optional_calibration=optional_calibration)
        text = "measuring the backends" if settings.backend == "auto" else "compiling"
        with listener.progress(text):
            compiled = compile_model(settings.model, board, options)
        for note in compiled.source.notes:
            listener.info(note)
        for text in compiled.warnings:
            listener.warn(text)
        if compiled.stream is not None:
            frames = compiled.stream.frames
            listener.info(f"as a stream: {frames}")
            if frames.whole is not None:
                listener.info(f"from {frames.whole} on each window is computed as a whole")
        if (image := compiled.plan.fed) is not None:
            listener.info(f"fed by rows: {height(image)} of {row_bytes(image):,} bytes")
        if (side := compiled.plan.graph.side) is not None:
            listener.info(f"left early at '{side.name}', {_skipped(compiled.plan)}")
        if compiled.tuned is not None:
            _tell_of_lock(settings, compiled.tuned, listener)
        return cls(settings, board, compiled, listener)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.plan.graph.name

    @property
    def plan(self) -> Plan:
        """The kernel of each layer, and where in the arena each tensor lies."""
        return self.compiled.plan

    @property
    def suite(self) -> str:
        return f"tinyc.{self.board.name}.{self.name}"

    def image(self, folder: Path, main: str) -> Image:
        """Build the model with the main program ``main`` (`tinyc.image.build.MAINS`)."""
        from .image import fit
        from .image.build import BuildOptions, TooLarge, build

        self.listener.detail(f"building {folder}")
        placement = self.config.placement
        try:
            fit.refuse_too_large(self.plan, self.board, placement.arena)
            options = BuildOptions(
                main, self.config.model_id, placement.arena, placement.weights, self.config.model,
                self.objects,
            )  # fmt: skip
            return build(
                self.compiled.c_library, self.board, self.config.toolchain, folder, options
            )
        except TooLarge as error:
            if not self.explains:
                raise
            from .pipeline import CompileOptions, Plans

            plans = Plans(self.plan.graph, CompileOptions.of(self.config))
            plans.keep(self.board, self.plan)
            raise fit.explained(error, self.plan, self.board, plans) from None

    def place(self, kind: str) -> Path:
        """Where what is built for ``kind``, as ``test``, lies."""
        return Path(self._scratch.name) / kind

    @cached_property
    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="tinyc-")

    @cached_property
    def test_image(self) -> Image:
        """The model with the harness that the settings' emulator feeds, built when it is first
        asked for."""
        from .run import find

        return self.image(self.place("test"), find(self.config.emulator).main)

    def measured(self, image: Image) -> Report:
        """The object of ``tinyc build --json``."""
        from . import report

        built = report.build_report(self.plan, image, self.board)
        self.sections["build"] = {**built, "warnings": list(self.compiled.warnings)}
        return self.sections["build"]

    def samples(self, most: int | None = None) -> Samples:
        """The first of the settings' data, or as many random ones."""
        from .run.data import load_npz, random_samples

        graph, data, stream = self.compiled.graph, self.config.data, self.compiled.stream
        most = most or self.config.samples
        if data is None:
            return random_samples(graph, most or _RANDOM_SAMPLES, self.config.seed, stream)
        samples = load_npz(Path(data), graph, most, stream)
        if (
            most is not None
            and (count := int(samples.begins.sum()) if stream else len(samples)) < most
        ):
            fewer = f"{data}: has {count} samples, {most:,} were asked for"
            samples = replace(samples, warnings=(*samples.warnings, fewer))
        return self.heeded(samples, data)

    def heeded(self, samples: Samples, origin: str) -> Samples:
        """The same, with what is odd about them told, and with how they differ from those that
        calibrated the model. Raises CompileError(s) E258, if there is anything and the settings
        are strict."""
        from .run.doubts import refuse, unlike

        graph, spreads = self.compiled.graph, self.compiled.spreads
        if spreads:
            reals = [samples.reals(i, v.type) for i, v in enumerate(graph.inputs)]
            apart = unlike(spreads, reals, graph, self.compiled.stream is None)
            texts = (f"{origin}: {text}" for text in apart)
            samples = replace(samples, warnings=(*samples.warnings, *texts))
        if self.config.strict:
            refuse(samples.warnings, origin)
        for text in samples.warnings:
            self.listener.warn(text)
        return samples

    def sample(self) -> Samples:
        """One to measure with, of the settings' data or a random one: of a network that may be
        left early the first that is not, if there is one."""
        from .run.passing import passes

        graph = self.compiled.graph
        if graph.side is None or self.config.data is None:
            return self.samples(1)
        samples = self.samples(self.config.samples)
        ends = (i for i in range(len(samples)) if passes(graph, samples.at(i)))
        return samples.only(next(ends, 0))

    def emulate(self, samples: Samples, profile: bool = False) -> Trace:
        """Run the test image in the settings' emulator; see `tinyc.run.run`. Beside what a real
        board measures stands what is modelled of the same inference."""
        from .run import find, run
        from .run.hearing import hearing

        image, emulator = self.test_image, self.config.emulator
        symbols = tuple(step.symbol for step in self.plan.steps) if profile else ()
        rows = samples.bytes(image.c_library.states > 0)
        text = f"running {len(samples)} in {emulator}"
        with self.listener.progress(text, len(samples)) as advance, hearing(advance):
            self.trace = run(image, rows, emulator=emulator, profile=profile, layers=symbols)
        if find(emulator).real:
            self.trace = self._modelled(self.trace, rows)
            image, emulator = self._counted_image, _COUNTER
        early = self.trace.early
        if early is not None and early.all() and self.trace.counted:
            # What an inference takes at most is told by another sample, if one can be found.
            from .run.data import random_samples
            from .run.passing import passes

            other = random_samples(self.compiled.graph, 1, self.config.seed)
            if passes(self.compiled.graph, other.at(0)):
                longest = run(image, other.bytes(), emulator=emulator)
                self.trace = replace(self.trace, longest=longest)
        return self.trace

    def _modelled(self, trace: Trace, rows: Array) -> Trace:
        """A real board's trace with the counts of an emulated one: of the first of ``rows``, uint8
        [n, bytes], and of the first that does not end early."""
        from .run import run

        ends = [] if trace.early is None else [i for i, left in enumerate(trace.early) if not left]
        found = {i: run(self._counted_image, rows[i : i + 1], _COUNTER) for i in (0, *ends[:1])}
        first = found[0]
        return replace(
            trace, instructions=first.instructions, cycles=first.cycles,
            cycles_source=first.cycles_source, board_cycles=first.board_cycles,
            board_cycles_source=first.board_cycles_source, straddled=first.straddled,
            counted={} if trace.early is None else found, counted_by=_COUNTER,
        )  # fmt: skip

    @cached_property
    def _counted_image(self) -> Image:
        """The model with the harness that `_COUNTER` feeds."""
        from .run import find

        return self.image(self.place("modelled"), find(_COUNTER).main)

    def profiled(self, samples: Samples) -> Report:
        """The object of ``tinyc profile --json``."""
        from . import report

        trace = self.emulate(samples, profile=True)
        found = report.profile_report(self.plan, self.board, self.config.emulator, trace)
        if found.get("early_exit", {}).get("left_early"):
            self.listener.warn("this inference ended early: it is not the worst case")
        self.sections["profile"] = found
        return found

    @cached_property
    def original(self) -> Model | None:
        """What the model was made of, where the settings name it. Raises CompileError(s) E201 (it
        does not go with another setting) and those of
        `tinyc.frontends.original.read_original`."""
        named = self.config.original
        if named is None:
            return None
        from .frontends.original import read_original

        if self.config.early_exit is not None:
            hint = "leave out one of the two"
            raise CompileError("E201", "--original", "cannot be given with --early-exit", hint)
        self.listener.info(f"reading {named}")
        return read_original(named, self.compiled.source, self.config.trust)

    def compared(
        self, samples: Samples, trace: Trace, expected: Answers, data: str | None
    ) -> Report:
        """The object of ``tinyc test --json``. expected: by `tinyc.reference.reference`; data:
        where the samples are from, None for random ones."""
        from . import report
        from .reference import beside, cost, original

        compiled = beside(self.compiled, self.original)
        before = original(compiled, samples, expected.outputs, self.listener)
        result = report.test_report(
            compiled, self.board, self.config.emulator, trace, samples, expected.outputs,
            before, data, expected.early, self.config.original,
        )  # fmt: skip
        least = self.config.expect.least_agreement(result["changed_by"])
        if least is not None and (worst := report.low_agreement(result, least)):
            result |= cost(compiled, worst["name"], samples, before, self.listener)
            if data is None:  # what random inputs give is no verdict
                result["warnings"].append(report.disagreement(result, worst, least))
        for text in result["warnings"]:
            self.listener.warn(text)
        known = [*self.compiled.warnings, *samples.warnings, *result["warnings"]]
        self.sections["test"] = {**result, "warnings": list(dict.fromkeys(known))}
        return self.sections["test"]

    def verdicts(self) -> list[Verdict]:
        """What the settings expect, judged by the build and the test."""
        from . import report

        build, test = self.sections["build"], self.sections.get("test")
        return report.verdicts(self.config.expect, build, test, self.config.strict)

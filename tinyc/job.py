"""One model on one board, from its settings to what ran in an emulator.

What the verbs of the command line and the fixtures of pytest do in common.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CompileError

if TYPE_CHECKING:
    from typing import Self

    import numpy as np

    from .image.build import Image
    from .ir import Graph
    from .pipeline import Compiled
    from .report import Verdict
    from .run import Trace
    from .run.data import Samples
    from .settings import Config
    from .target.boards import Board

_RANDOM_SAMPLES = 10
_RENODE_SAMPLES = 5  # of a build; a test writes all of its own


@dataclass
class Job:
    """One model, board and configuration on their way through a verb.

    It is silent: a subclass hears of its steps by `info`, `detail` and `progress`.
    """

    config: Config
    board: Board
    compiled: Compiled
    earlier: dict[str, Any] = field(default_factory=dict)
    """What the report said of the same image before it was built again."""

    @classmethod
    def compile(
        cls, settings: Config, origin: str, hint: str, optional_calibration: bool = False
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

        cls.info(f"compiling {settings.model} for {board.name} ({board.core.name})")
        options = replace(CompileOptions.of(settings), optional_calibration=optional_calibration)
        with cls.progress("measuring the backends" if settings.backend == "auto" else "compiling"):
            compiled = compile_model(settings.model, board, options)
        for note in compiled.source.notes:
            cls.info(note)
        for text in compiled.warnings:
            cls.warn(text)
        return cls(settings, board, compiled)

    @staticmethod
    def warn(text: str) -> None:
        """Hear what is odd."""

    @staticmethod
    def info(text: str) -> None:
        """Hear what is being done."""

    @staticmethod
    def detail(text: str) -> None:
        """Hear more of it."""

    @staticmethod
    def progress(
        text: str, total: int | None = None
    ) -> contextlib.AbstractContextManager[Callable[[], object]]:
        """A block of work; yields what is called after each of its ``total`` steps."""
        return contextlib.nullcontext(lambda: None)

    @property
    def name(self) -> str:
        return self.compiled.plan.graph.name

    @property
    def folder(self) -> Path:
        return Path(self.config.output_dir) / self.board.name / self.name

    @property
    def suite(self) -> str:
        return f"tinyc.{self.board.name}.{self.name}"

    def image(self, folder: Path, main: str) -> Image:
        from .image import fit
        from .image.build import BuildOptions, TooLarge, build

        self.detail(f"building {folder}")
        placement = self.config.placement
        try:
            fit.refuse_too_large(self.compiled.plan, self.board, placement.arena)
            options = BuildOptions(
                main, self.config.model_id, placement.arena, placement.weights, self.config.model
            )
            return build(self.compiled.library, self.board, self.config.toolchain, folder, options)
        except TooLarge as error:
            raise fit.explained(error, self.compiled.plan, self.board) from None

    def built(self) -> dict[str, Any]:
        """Build the firmware in `folder`; the object of ``tinyc build --json``."""
        from . import report

        known, before = report.sections(self.folder / "report"), self._elf()
        built = report.build_report(
            self.compiled.plan, self.image(self.folder, self.config.main), self.board
        )
        self.earlier = known if before == self._elf() else {}
        return {**built, "warnings": list(self.compiled.warnings)}

    def _elf(self) -> bytes | None:
        """The bytes of the image in `folder`; None if there is none."""
        try:
            return (self.folder / f"{self.name}.elf").read_bytes()
        except OSError:
            return None

    def write_report(self, sections: dict[str, Any], checks: Sequence[Verdict]) -> None:
        """Write ``report/`` of the build: ``sections`` over what was known of the same image, and
        the verdicts, those that an earlier test came to among them."""
        from . import report

        sections = {k: v for k, v in (self.earlier | sections).items() if v}
        judged = {check.name for check in checks}
        tested = report.verdicts(self.config.expect, sections["build"], sections.get("test"))
        checks = [*(v for v in tested if v.name not in judged), *checks]
        self.earlier = sections
        report.write(self.folder / "report", sections, checks, self.suite)

    def reported(self) -> tuple[dict[str, Any], list[Any]]:
        """The build's report, written beside it, and its verdicts."""
        from . import report

        result = self.built()
        if self.board.renode is not None:
            from .run.data import random_samples

            # Not the settings' data: a build does without them.
            samples = random_samples(self.compiled.graph, _RENODE_SAMPLES, self.config.seed)
            self.for_renode(samples, self._expected(self.reference(samples)))
        checks = report.verdicts(self.config.expect, result)
        result["verdicts"] = [check.facts for check in checks]
        self.write_report({"build": result}, checks)
        return result, checks

    @cached_property
    def test_image(self) -> Image:
        """The model with the harness that the settings' emulator feeds, built when it is first
        asked for."""
        from .run import find

        main = find(self.config.emulator).main
        return self.image(self.folder.with_name(f".{self.name}-test"), main)

    def samples(self, most: int | None = None) -> Samples:
        """The first of the settings' data, or as many random ones."""
        from .run.data import load_npz, random_samples

        graph, data = self.compiled.graph, self.config.data
        most = most or self.config.samples
        if data is None:
            return random_samples(graph, most or _RANDOM_SAMPLES, self.config.seed)
        samples = load_npz(Path(data), graph, most)
        if most is not None and len(samples) < most:
            fewer = f"{data}: has {len(samples)} samples, {most:,} were asked for"
            samples = replace(samples, warnings=(*samples.warnings, fewer))
        for text in samples.warnings:
            self.warn(text)
        return samples

    def tested(self, samples: Samples) -> dict[str, Any]:
        """Run the samples in the settings' emulator and on the reference, write ``renode/``; the
        object of ``tinyc test --json``."""
        from . import report

        trace = self.run(samples)
        reference = self.reference(samples)
        self.for_renode(samples, self._expected(reference, trace))
        original = self.original(samples, reference)
        result = report.test_report(
            self.compiled, self.board, self.config.emulator, trace, samples, reference, original,
            self.config.data,
        )  # fmt: skip
        least = self.config.expect.min_agreement
        if worst := report.low_agreement(result, least):
            result |= self._cost(worst["name"], samples, original)
            if self.config.data is None:  # what random inputs give is no verdict
                result["warnings"].append(report.disagreement(result, worst, least))
        for text in result["warnings"]:
            self.warn(text)
        known = [*self.compiled.warnings, *samples.warnings, *result["warnings"]]
        return {**result, "warnings": list(dict.fromkeys(known))}

    def _cost(self, name: str, samples: Samples, original: list[np.ndarray]) -> dict[str, str]:
        """What of an output's agreement each change has cost, in words, and the costliest."""
        import numpy as np

        from .plan.heads import heads
        from .run.data import Samples

        (head,) = (h for h in heads(self.compiled.graph) if h.port.name == name)
        index, before = head.port.index, 1.0
        truth = head.decide(original[index])
        lost, words = {}, []
        for change, graph in self.compiled.changes.items():
            inputs = Samples(tuple(self._inputs(graph, samples)))
            outputs = self._interpret(graph, inputs, f"looking at the {change}")
            decided = head.decide(outputs[index], graph.outputs[index].type)
            after = float(np.mean(decided == truth))
            lost[change], before = before - after, after
            words.append(f"after {change} it is {after:.4f}")
        return {"cost": ", ".join(words), "costliest": max(lost, key=lambda c: lost[c])}

    def run(self, samples: Samples, profile: bool = False) -> Trace:
        """Run the test image in the settings' emulator; see `tinyc.run.run`."""
        from .run import run

        image = self.test_image
        symbols = tuple(step.symbol for step in self.compiled.plan.steps) if profile else ()
        with self.progress(f"running {len(samples)} in {self.config.emulator}"):
            return run(
                image,
                samples.bytes(image.library.states > 0),
                emulator=self.config.emulator,
                profile=profile,
                layers=symbols,
            )

    def for_renode(self, samples: Samples, expected: np.ndarray | None) -> None:
        """Write ``renode/`` of the build, where Renode describes the board, with ``samples`` and
        what is expected of them, see `tinyc.image.mailbox.Batch`."""
        if self.board.renode is None:
            return
        from .image.mailbox import Batch
        from .run import find
        from .run.renode import project as renode

        if expected is None:
            self.info("renode/ compares no outputs, which have a tolerance, until `tinyc test` ran")
        try:
            if find(self.config.emulator).main == "test_mailbox":
                image = self.test_image
            else:
                image = self.image(self.folder.with_name(f".{self.name}-renode"), "test_mailbox")
        except CompileError as error:
            if error.id != "E401":
                raise
            self.info(f"no renode/: its test firmware is larger, and {error.what}")
            return
        # The firmware counts what is right of the first output.
        batch = Batch(samples.bytes(image.library.states > 0), expected, samples.labels.get(0))
        expect = self.config.expect
        renode.write(
            self.folder / "renode", image, batch, expect.min_accuracy, expect.max_instructions
        )

    def _expected(
        self, reference: Sequence[np.ndarray], trace: Trace | None = None
    ) -> np.ndarray | None:
        """uint8 [n, bytes of all outputs] that the board gives to the bit: the reference's, or
        those of an emulated board where the reference has a tolerance; None without either."""
        from .plan.heads import rules
        from .run import find
        from .run.data import Samples

        if all(rule == "bits" for rule in rules(self.compiled.graph)):
            return Samples(tuple(reference)).bytes()
        return trace.outputs if trace is not None and find(trace.emulator).core else None

    def reference(self, samples: Samples) -> list[np.ndarray]:
        """For each output an array [n, *shape], by the numpy reference."""
        return self._interpret(self.compiled.graph, samples, "computing the reference")

    def original(self, samples: Samples, reference: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The same as float32, of the network as it was given: by Keras where it is a Keras
        model, and otherwise by the numpy reference, which is ``reference`` if nothing of the
        network changed."""
        from .ir.quant import dequantize
        from .run.data import Samples

        made = self.compiled
        if made.predict is None and made.source is made.graph:
            found = list(reference)
        else:
            inputs = self._inputs(made.source, samples)
            if made.predict is not None:
                return made.predict([x.reshape(-1, *x.shape[2:]) for x in inputs])
            found = self._interpret(made.source, Samples(tuple(inputs)), "computing the original")
        return [dequantize(y, v.type) for y, v in zip(found, made.source.outputs, strict=True)]

    def _inputs(self, graph: Graph, samples: Samples) -> list[np.ndarray]:
        """``samples`` as the inputs of ``graph``, which the compiled graph was made of: as they
        are where their type is the same, else the real numbers that were given."""
        found = []
        for i, (to, own) in enumerate(zip(graph.inputs, self.compiled.graph.inputs, strict=True)):
            same = to.type.dtype is own.type.dtype
            found.append(samples.inputs[i] if same else samples.reals(i, own.type))
        return found

    def _interpret(self, graph: Graph, samples: Samples, text: str) -> list[np.ndarray]:
        """For each output of ``graph`` an array [n, *shape], by the numpy reference, the samples
        one sequence where it keeps states."""
        import numpy as np

        from .ir import interpret, kept

        states = None
        found: list[list[Any]] = [[] for _ in graph.outputs]
        with self.progress(text, len(samples)) as advance:
            for index in range(len(samples)):
                values = interpret(graph, samples.at(index), states)
                states = kept(graph, values)
                for rows, value in zip(found, graph.outputs, strict=True):
                    rows.append(value.data if value.data is not None else values[value])
                advance()
        return [np.stack(rows) for rows in found]

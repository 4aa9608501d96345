"""One model on one board, from its settings to what ran in an emulator.

What the verbs of the command line and the fixtures of pytest do in common.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CompileError

if TYPE_CHECKING:
    from typing import Self

    import numpy as np

    from .boards import Board
    from .build import Image
    from .compile import Compiled
    from .config import Config
    from .data import Samples
    from .ir import Graph
    from .report import Verdict
    from .run import Trace

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
        board is named), E204 and those of `tinyc.compile.compile_model`.
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
        from .boards import load_board

        board = load_board(settings.board)
        from .compile import compile_model

        cls.info(f"compiling {settings.model} for {board.name} ({board.core.name})")
        calibration = Path(settings.calibrate) if settings.calibrate else None
        with cls.progress("measuring the backends" if settings.backend == "auto" else "compiling"):
            compiled = compile_model(
                settings.model, board, settings.strict, calibration, settings.float_glue,
                optional_calibration, settings.backend, _schedules(settings), settings.toolchain,
                settings.expect.max_flash,
            )  # fmt: skip
        for note in compiled.source.notes:
            cls.info(note)
        return cls(settings, board, compiled)

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
        from . import fit
        from .build import TooLarge, build

        self.detail(f"building {folder}")
        placement = self.config.placement
        try:
            fit.refuse_too_large(self.compiled.plan, self.board, placement.arena)
            return build(
                self.compiled.sources, self.name, self.board, self.config.toolchain, folder, main,
                self.config.model_id, placement.arena, placement.weights,
            )  # fmt: skip
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
        return built

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
            from .data import random_samples

            # Not the settings' data: a build does without them.
            samples = random_samples(self.compiled.graph, _RENODE_SAMPLES, self.config.seed)
            self.for_renode(samples, self.reference(samples))
        checks = report.verdicts(self.config.expect, result)
        self.write_report({"build": result}, checks)
        return result, checks

    @cached_property
    def test_image(self) -> Image:
        """The model with the harness that the settings' emulator feeds, built when it is first
        asked for."""
        from .run import MAINS

        # An emulator that there is not is refused when it is asked to run.
        main = MAINS.get(self.config.emulator, "test")
        return self.image(self.folder.with_name(f".{self.name}-test"), main)

    def samples(self, most: int | None = None) -> Samples:
        """The first of the settings' data, or as many random ones."""
        from .data import load_npz, random_samples

        graph = self.compiled.graph
        most = most or self.config.samples
        if self.config.data is None:
            return random_samples(graph, most or _RANDOM_SAMPLES, self.config.seed)
        return load_npz(Path(self.config.data), graph).first(most)

    def run(self, samples: Samples, profile: bool = False) -> Trace:
        """Run the test image in the settings' emulator; see `tinyc.run.run`."""
        from .run import run

        image = self.test_image
        symbols = tuple(step.symbol for step in self.compiled.plan.steps) if profile else ()
        with self.progress(f"running {len(samples)} in {self.config.emulator}"):
            return run(
                image,
                samples.bytes(image.states > 0),
                emulator=self.config.emulator,
                profile=profile,
                layers=symbols,
            )

    def for_renode(self, samples: Samples, reference: Sequence[np.ndarray]) -> None:
        """Write ``renode/`` of the build, where Renode describes the board, with ``samples`` and
        what ``reference`` says of them."""
        if self.board.renode is None:
            return
        from . import renode
        from .data import Samples
        from .mailbox import Batch

        try:
            if self.config.emulator == "renode":
                image = self.test_image
            else:
                image = self.image(self.folder.with_name(f".{self.name}-renode"), "test_mailbox")
        except CompileError as error:
            if error.id != "E401":
                raise
            self.info(f"no renode/: its test firmware is larger, and {error.what}")
            return
        batch = Batch(
            samples.bytes(image.states > 0), Samples(tuple(reference)).bytes(), samples.labels
        )
        expect = self.config.expect
        renode.write(
            self.folder / "renode", image, batch, expect.min_accuracy, expect.max_instructions
        )

    def reference(self, samples: Samples) -> list[np.ndarray]:
        """For each output an array [n, *shape], by the numpy reference."""
        return self._interpret(self.compiled.graph, samples, "computing the reference")

    def original(self, samples: Samples) -> list[np.ndarray] | None:
        """The same as real numbers (float32), of the network before its float layers became int8
        or bits: by Keras where it is a Keras model. Its inputs are those of ``samples``, of the
        types that they had there. None if nothing of it changed."""
        from .data import Samples, dequantize

        made = self.compiled
        if made.source is made.graph:
            return None
        triples = zip(samples.inputs, made.graph.inputs, made.source.inputs, strict=True)
        inputs = tuple(
            x if now.type.dtype is was.type.dtype else dequantize(x, now.type)
            for x, now, was in triples
        )
        if made.predict is not None:
            return made.predict([x.reshape(-1, *x.shape[2:]) for x in inputs])
        found = self._interpret(made.source, Samples(inputs), "computing the original")
        return [dequantize(y, v.type) for y, v in zip(found, made.source.outputs, strict=True)]

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


def _schedules(settings: Config) -> dict[str, Any]:
    """What TVM is to lower with, by workload."""
    if settings.backend == "templates":
        return {}
    from . import tune

    return tune.schedules(Path(settings.database), settings.toolchain)

"""One model on one board in the verbs of the command line: a folder of builds and their reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CompileError
from .firmware import Firmware

if TYPE_CHECKING:
    from .ir import Array
    from .reference import Answers
    from .report import Report, Verdict
    from .run import Trace
    from .run.data import Samples

_RENODE_SAMPLES = 5  # of a build; a test writes all of its own


class Job(Firmware):
    """A firmware whose builds lie in the settings' ``output_dir``."""

    @property
    def folder(self) -> Path:
        return Path(self.config.output_dir) / self.board.name / self.name

    def place(self, kind: str) -> Path:
        return self.folder.with_name(f".{self.name}-{kind}")

    def built(self) -> Report:
        """Build the firmware in `folder`; the object of ``tinyc build --json``. What the report
        there says of the same image is still known then."""
        from . import report

        known, before = report.sections(self.folder / "report"), self._elf()
        built = self.measured(self.image(self.folder, self.config.main))
        self.sections = {**(known if before == self._elf() else {}), "build": built}
        return built

    def _elf(self) -> bytes | None:
        """The bytes of the image in `folder`; None if there is none."""
        try:
            return (self.folder / f"{self.name}.elf").read_bytes()
        except OSError:
            return None

    def write_report(self, checks: Sequence[Verdict]) -> None:
        """Write ``report/`` of the build: what is known of the image, and the verdicts: these,
        those of the settings, and of others those that earlier commands came to."""
        from . import report

        found = {check.name: check for check in (*self.verdicts(), *checks)}
        for section in self.sections.values():
            for facts in section.get("verdicts", ()):
                found.setdefault(facts["name"], report.Verdict.of(facts))
        report.write(self.folder / "report", self.sections, list(found.values()), self.suite)

    def reported(self) -> tuple[Report, list[Verdict]]:
        """The build's report, written beside it, and its verdicts."""
        from . import report
        from .reference import reference

        result = self.built()
        if self.board.renode is not None:
            from .run.data import random_samples

            # Not the settings' data: a build does without them.
            samples = random_samples(self.compiled.graph, _RENODE_SAMPLES, self.config.seed)
            expected = reference(self.compiled, samples, self.listener)
            self.for_renode(samples, self._expected(expected))
        checks = report.verdicts(self.config.expect, result)
        result["verdicts"] = [check.facts for check in checks]
        self.write_report(checks)
        return result, checks

    def tested(self, samples: Samples) -> Report:
        """Run the samples in the settings' emulator and on the reference, write ``renode/``; the
        object of ``tinyc test --json``."""
        from .reference import reference

        _ = self.original  # which may be refused, before anything runs
        trace = self.emulate(samples)
        expected = reference(self.compiled, samples, self.listener)
        self.for_renode(samples, self._expected(expected, trace))
        return self.compared(samples, trace, expected, self.config.data)

    def for_renode(self, samples: Samples, expected: Array | None) -> None:
        """Write ``renode/`` of the build, where Renode describes the board, with ``samples`` and
        what is expected of them, see `tinyc.image.mailbox.Batch`."""
        if self.board.renode is None:
            return
        from .image.mailbox import Batch
        from .run import find
        from .run.renode import project as renode

        hear = self.listener.info
        if expected is None:
            hear("renode/ compares no outputs, which have a tolerance, until `tinyc test` ran")
        try:
            if find(self.config.emulator).main == "test_mailbox":
                image = self.test_image
            else:
                image = self.image(self.place("renode"), "test_mailbox")
        except CompileError as error:
            if error.id != "E401":
                raise
            hear(f"no renode/: its test firmware is larger, and {error.what}")
            return
        # The firmware counts what is right of the first output.
        batch = Batch(samples.bytes(image.c_library.states > 0), expected, samples.labels.get(0))
        expect = self.config.expect
        renode.write(
            self.folder / "renode", image, batch, expect.min_accuracy, expect.max_instructions
        )

    def _expected(self, reference: Answers, trace: Trace | None = None) -> Array | None:
        """uint8 [n, bytes of all outputs, as `Library.output_bytes` counts them] that the board
        gives to the bit: the reference's, or those of an emulated board where the reference has a
        tolerance; None without either."""
        import numpy as np

        from .plan.heads import rules
        from .run import find
        from .run.data import Samples

        if all(rule == "bits" for rule in rules(self.compiled.graph)):
            outputs, early = Samples(tuple(reference.outputs)).bytes(), reference.early
        elif trace is not None and find(trace.emulator).core:
            outputs, early = trace.outputs, trace.early
        else:
            return None
        return outputs if early is None else np.column_stack([outputs, early.astype(np.uint8)])

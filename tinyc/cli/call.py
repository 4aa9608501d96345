"""A call of a verb, and the job that it starts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ..job import Job
from . import printing
from .printing import log


@dataclass(frozen=True)
class Call:
    """What a verb is told.

    verb: as ``tinyc build``; given: field of `tinyc.settings.Config` or ``Expect`` -> its value,
    None where neither an option nor a variable gave one; named: whether the model stands on the
    command line; as_json: whether one JSON object is to be printed.
    """

    verb: str
    given: Mapping[str, Any]
    named: bool = False
    as_json: bool = False

    def job(self, optional_calibration: bool = False, **others: Any) -> CliJob:
        """Compile the model. others: settings in the place of those given; optional_calibration:
        see `Job.compile`. Raises what `tinyc.config.load` and `Job.compile` do."""
        from .. import config

        settings = config.load({**self.given, **others})
        hint = (
            f'`{self.verb} MODEL.tflite`, or model = "..." in tinyc.toml (`tinyc init` makes one)'
        )
        return CliJob.compile(settings, self.verb, hint, optional_calibration)


class CliJob(Job):
    """A job of the command line: it tells on stderr how far it is."""

    @staticmethod
    def warn(text: str) -> None:
        log.warn(text)

    @staticmethod
    def info(text: str) -> None:
        log.info(text)

    @staticmethod
    def detail(text: str) -> None:
        log.detail(text)

    @staticmethod
    def progress(text: str, total: int | None = None) -> AbstractContextManager[Any]:
        return printing.progress(text, total)

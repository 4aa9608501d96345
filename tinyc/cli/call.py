"""A call of a verb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..job import Job
from .printing import Terminal


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

    def job(self, optional_calibration: bool = False, **others: Any) -> Job:
        """Compile the model. others: settings in the place of those given; optional_calibration:
        see `Job.compile`. Raises what `tinyc.config.load` and `Job.compile` do."""
        from .. import config

        settings = config.load({**self.given, **others})
        hint = (
            f'`{self.verb} MODEL.tflite`, or model = "..." in tinyc.toml (`tinyc init` makes one)'
        )
        return Job.compile(settings, self.verb, hint, optional_calibration, Terminal())

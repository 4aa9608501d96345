"""Reports as JSON: what ``report.json`` of a build holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import schema
from .facts import Report

SECTIONS = ("build", "test", "profile", "verify")
"""What a report may state, each made by the verb of its name."""

_NUMBERS = re.compile(r"\[\n\s+(-?\d[^\[\]{}\"]*?)\s+\]")
"""An array of numbers alone, as json.dumps writes it: no text of JSON holds a line break."""


def text(value: Any) -> str:
    """JSON as a person reads it, each array of numbers in a line."""
    plain = json.dumps(value, indent=2)
    return _NUMBERS.sub(lambda m: "[" + re.sub(r",\s+", ", ", m[1]) + "]", plain)


def document(reports: Mapping[str, Report]) -> str:
    """``reports`` (title -> report) as one object."""
    return text(schema.stamped("report", reports)) + "\n"


def sections(folder: Path) -> dict[str, Report]:
    """Title -> report of what `write` wrote into ``folder``; empty where there is none."""
    try:
        known = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    known = known if isinstance(known, dict) else {}
    return {
        title: section
        for title in SECTIONS
        if isinstance(section := known.get(title), dict)
        and section.get("schema_version") == schema.SCHEMA_VERSION
    }

"""Reports as JSON: what ``report.json`` of a build holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from . import schema
from .facts import Report


def document(reports: Mapping[str, Report]) -> str:
    """``reports`` (title -> report) as one object."""
    return json.dumps(schema.stamped("report", reports), indent=2) + "\n"


def sections(folder: Path) -> dict[str, Report]:
    """Title -> report of what `write` wrote into ``folder``; empty where there is none."""
    try:
        known = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    known = known if isinstance(known, dict) else {}
    return {
        title: section
        for title in ("build", "test", "profile")
        if isinstance(section := known.get(title), dict)
        and section.get("schema_version") == schema.SCHEMA_VERSION
    }

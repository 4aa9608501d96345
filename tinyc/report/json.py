"""Reports as JSON: what ``report.json`` of a build holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CompileError
from ..files.inputs import check_file
from . import objects, schema
from .facts import Report

SECTIONS = ("build", "test", "profile", "verify")
"""What a report may state, each made by the verb of its name."""

_FILE = Path("report", "report.json")
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


def report_in(folder: Path) -> Path | None:
    """The report.json of a folder that ``tinyc build`` made, or of one around it that holds a
    single one (``build``, or that of a board); None of any other folder. Raises CompileError E201
    where it holds several."""
    for path in (folder / _FILE, folder / _FILE.name):
        if path.is_file():
            return path
    around = [path for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{_FILE}")]
    parts = (path.relative_to(folder).parts for path in around)
    found = sorted(part for part in parts if not any(name.startswith(".") for name in part))
    if len(found) > 1:
        named = ", ".join(str(folder.joinpath(*part[:-2])) for part in found[:3])
        more = f" and {len(found) - 3} more" if found[3:] else ""
        raise CompileError(
            "E201", str(folder), f"holds {len(found)} builds", f"name one: {named}{more}"
        )
    return folder.joinpath(*found[0]) if found else None


def read_report(path: Path) -> dict[str, Report]:
    """Title -> report of a report.json. Raises CompileError E202 (there is none), E203 (it cannot
    be read), E245 (no file), E256 (something else, or of another version)."""
    from pydantic import TypeAdapter, ValidationError

    if not check_file(path):
        raise CompileError("E202", str(path), "no such file", "`tinyc build` writes it")
    hint = "name a folder of `tinyc build`, its report.json, or a model"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        TypeAdapter(objects.Report).validate_python(known)
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        what = f"is no report of a build{f', at {at}' if at else ''}: {first['msg']}"
        raise CompileError("E256", str(path), what, hint) from None
    except (ValueError, RecursionError) as error:
        what = f"is no report of a build: {error}"
        raise CompileError("E256", str(path), what, hint) from None
    sections = {title: known[title] for title in SECTIONS if title in known}
    if not sections:
        raise CompileError("E256", str(path), "is a report of nothing", hint)
    return sections

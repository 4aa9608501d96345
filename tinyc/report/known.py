"""Reports of builds that are there already, of this version or an earlier one: found, read, and
checked for what `tinyc diff` reads of them.

What a version did not state yet is missing, and what a later one states besides is left alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from ..errors import CompileError
from ..files.inputs import check_file
from .facts import Report
from .objects import Rejected

_FILE = Path("report", "report.json")
_HINT = "name a folder of `tinyc build`, its report.json, or a model"


class _Named(TypedDict):
    index: int
    name: str
    op: str
    kernel: str
    macs: int


class _Layer(_Named, total=False):
    binary_macs: int
    shape: list[int]
    constant_bytes: int
    rejected: list[Rejected]
    instructions: int | None
    cycles: int | None


class _Section(TypedDict):
    model: str
    board: str
    core: str


class _Build(_Section, total=False):
    toolchain: str
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    layers: list[_Layer]


class _Exit(TypedDict, total=False):
    left_early: int
    """Whether a profile did, or how many samples of a test."""


class _Run(_Section, total=False):
    emulator: str
    instructions: int | None
    cycles: int | None
    cycles_source: str | None
    board_cycles: int | None
    early_exit: _Exit
    layers: list[_Layer]


class _Test(_Run):
    samples: int
    mismatches: int
    accuracy: NotRequired[float | None]
    agreement: NotRequired[float | None]
    measured_cycles: NotRequired[int]


class _Known(TypedDict):
    schema_version: Literal[1]
    build: NotRequired[_Build]
    test: NotRequired[_Test]
    profile: NotRequired[_Run]


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
    """Title -> report of a report.json, of ``build``, ``test`` and ``profile`` those that it has.
    Raises CompileError E202 (there is none), E203 (it cannot be read), E245 (no file), E256
    (something else, or of another version)."""
    from pydantic import TypeAdapter, ValidationError

    if not check_file(path):
        raise CompileError("E202", str(path), "no such file", "`tinyc build` writes it")
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        TypeAdapter(_Known).validate_python(known)
    except OSError as error:
        raise CompileError("E203", str(path), f"cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        what = f"is no report of a build{f', at {at}' if at else ''}: {first['msg']}"
        raise CompileError("E256", str(path), what, _HINT) from None
    except (ValueError, RecursionError) as error:
        what = f"is no report of a build: {error}"
        raise CompileError("E256", str(path), what, _HINT) from None
    sections = {title: known[title] for title in ("build", "test", "profile") if title in known}
    if not sections:
        raise CompileError("E256", str(path), "is a report of nothing", _HINT)
    return sections

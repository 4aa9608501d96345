"""Settings of a command: options > ``TINYC_*`` variables > ``tinyc.toml``, checked strictly.

typer resolves options and variables; this module lays them over the file's values.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import CompileError, CompileErrors
from .files.inputs import check_file, check_name, read_toml
from .target.boards import is_file

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
PATHS = ("model", "data", "calibrate", "output_dir", "database")
READ = ("model", "data", "calibrate", "database")
"""Those of `PATHS` that are read. A folder is left to the reader, since a model may be one."""
MOST_SAMPLES = 1_000_000


class Expect(BaseModel):
    """Thresholds of a verdict; None is not checked. Sizes in bytes, accuracy and agreement (with
    the network before binarization and calibration) in 0..1."""

    model_config = _STRICT

    min_accuracy: float | None = Field(None, ge=0, le=1)
    min_agreement: float = Field(0.98, ge=0, le=1)
    max_cycles: int | None = Field(None, ge=0)
    max_instructions: int | None = Field(None, ge=0)
    max_flash: int | None = Field(None, ge=0)
    max_ram: int | None = Field(None, ge=0)


class Place(BaseModel):
    """Where data lies, by the names of the board's memories; see `tinyc.image.placement.place`."""

    model_config = _STRICT

    arena: str | None = None
    weights: tuple[str, ...] = Field((), strict=False)  # TOML has lists


class Config(BaseModel):
    """Everything that a command may be told; paths are absolute or relative to the caller."""

    model_config = _STRICT

    model: str | None = None
    board: str | None = None
    data: str | None = None
    calibrate: str | None = None
    float_glue: bool = False
    trust: bool = False
    output_dir: str = "build"
    toolchain: Literal["gcc", "clang"] | None = None
    emulator: Literal["unicorn", "qemu", "renode", "host"] = "unicorn"
    main: Literal["demo", "serial"] = "demo"
    model_id: str | None = Field(None, pattern=r"^[\w.-]{1,40}$")
    samples: int | None = Field(None, ge=1, le=MOST_SAMPLES)
    seed: int = Field(0, ge=0, lt=1 << 64)
    strict: bool = False
    backend: Literal["templates", "tvm", "auto"] = "templates"
    database: str = "schedules.jsonl"
    placement: Place = Place()
    expect: Expect = Expect()


def load(options: Mapping[str, Any], folder: Path | None = None) -> Config:
    """The settings of one command.

    options: field of `Config` or of `Expect` -> value, None where it was not given;
    folder: where ``tinyc.toml`` or ``pyproject.toml`` with ``[tool.tinyc]`` may lie, by default
    the current one. Raises CompileError(s) E203 and E245 (what is named cannot be read, or is no
    file), E208 (unknown key), E209 (bad value).
    """
    file, values = _read(folder or Path())
    given = {k: v for k, v in options.items() if v is not None}
    limits = {k: given.pop(k) for k in Expect.model_fields if k in given}
    # Only a table can be overlaid; anything else is for the validation to name.
    if isinstance(values.setdefault("expect", {}), dict):
        values["expect"] |= limits
    for key in PATHS:
        if isinstance(values.get(key), str):
            values[key] = str(file.parent / values[key])
    if isinstance(board := values.get("board"), str) and is_file(board):
        values["board"] = str(file.parent / board)
    values |= given
    try:
        settings = Config.model_validate(values)
    except ValidationError as error:
        problems = tuple(_problem(str(file), e, given | limits) for e in error.errors())
        raise problems[0] if len(problems) == 1 else CompileErrors(problems) from None
    for key in PATHS:
        named = getattr(settings, key)
        if key in READ and named:
            check_file(named, folder=True)
        elif named:
            check_name(named)
    return settings


def _read(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The settings file of ``folder`` and its table, empty where there is none."""
    for name in ("tinyc.toml", "pyproject.toml"):
        file = folder / name
        try:
            table = read_toml(file)
        except FileNotFoundError:
            continue
        if name == "tinyc.toml":
            return file, table
        tools = table.get("tool")
        if isinstance(tools, dict) and isinstance(tools.get("tinyc"), dict):
            return file, tools["tinyc"]
    return folder / "tinyc.toml", {}


def _problem(file: str, error: Any, given: Mapping[str, Any]) -> CompileError:
    path = [str(part) for part in error["loc"]]
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        tables = {"expect": Expect, "placement": Place}
        known = tables.get(path[0], Config).model_fields
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return CompileError("E208", file, f"unknown key '{key}'", hint)
    origin = f"--{path[-1].replace('_', '-')}" if path[-1] in given else f"{file}: {key}"
    return CompileError("E209", origin, f"{reprlib.repr(error['input'])}: {error['msg']}")

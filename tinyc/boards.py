"""Boards and cores: strict TOML under ``boards/`` -> `Board` and `Core`."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .errors import CompileError
from .paths import resource


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Core(_Strict):
    """A Cortex-M core.

    features: what kernels may require; cpu, fpu, float_abi: GCC's names; clang: Clang's, with
    the optional features that its bare name leaves out; unicorn: its model there; cmsis: Arm's
    generic device of it in the pack Cortex_DFP; timing: see `tinyc.run.cycles`.
    """

    name: str
    title: str
    features: frozenset[str]
    cpu: str
    clang: str
    fpu: str | None = None
    float_abi: Literal["soft", "hard"]
    unicorn: str
    cmsis: str
    timing: dict[str, Any] = Field(default_factory=dict)


class Memory(_Strict):
    """A range of the address map; origin and size in bytes."""

    name: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    kind: Literal["flash", "ram"]
    origin: int = Field(ge=0, lt=1 << 32)
    size: int = Field(gt=0)

    @property
    def end(self) -> int:
        return self.origin + self.size


Register = tuple[int, int, int]
"""Address, mask and value."""


class Console(_Strict):
    """A UART that prints. setup: registers whose masked bits take a value, in order; ready: the
    register whose masked bits have that value when a byte may be written; data: where to.

    event: ready tells of each byte that is out, and not before the first; its masked bits have
    to be cleared before the next.
    """

    setup: tuple[Register, ...]
    ready: Register
    data: int
    event: bool = False


class Debug(_Strict):
    """How debug probes and their servers name the board's chip, where they know it.

    openocd: the file among OpenOCD's scripts; pyocd: the target type; jlink: the device; stlink:
    whether it is a chip of ST, whose own server needs no name; svd: the URL of its registers'
    description (CMSIS-SVD).
    """

    openocd: str | None = Field(None, pattern=r"^(board|target)/[\w./-]+\.cfg$")
    pyocd: str | None = Field(None, pattern=r"^[a-z0-9_]+$")
    jlink: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$")
    stlink: bool = False
    svd: str | None = Field(None, pattern=r"^https://[\w./-]+\.svd$")

    @model_validator(mode="after")
    def _check(self) -> Debug:
        if not (self.openocd or self.pyocd or self.jlink or self.stlink):
            raise ValueError("names no debug server: leave [debug] out")
        return self


class Names(_Strict):
    """How other ecosystems name the board or its chip, where they know it.

    arduino: the architecture of its Arduino core; platformio: platform and board, one with the
    framework arduino; zephyr: the board, with revision and qualifiers where it needs them;
    cubeide: the MCU in STM32CubeIDE.
    """

    arduino: str | None = Field(None, pattern=r"^\w+$")
    platformio: tuple[str, str] | None = None
    zephyr: str | None = Field(None, pattern=r"^[a-z0-9_]+(@[a-z0-9]+)?(/[a-z0-9_]+)*$")
    cubeide: str | None = Field(None, pattern=r"^STM32[A-Z0-9]+x[A-Z]?$")


class Board(_Strict):
    """A board. The first flash holds code and weights, the first RAM data, arena and stack.

    clock_hz: the core's rated clock; qemu: QEMU's machine name; sources: document and section
    of each fact.
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    core: Core
    clock_hz: int = Field(gt=0)
    console: Console
    qemu: str | None = None
    debug: Debug | None = None
    names: Names = Names()
    memory: tuple[Memory, ...]
    sources: dict[str, str]

    @model_validator(mode="after")
    def _check(self) -> Board:
        ranges = sorted(self.memory, key=lambda m: m.origin)
        for low, high in pairwise(ranges):
            if low.end > high.origin:
                raise ValueError(f"{low.name} and {high.name} overlap")
        if not {"flash", "ram"} <= {m.kind for m in self.memory}:
            raise ValueError("a board needs flash and ram")
        return self

    @property
    def flash(self) -> Memory:
        return next(m for m in self.memory if m.kind == "flash")

    @property
    def ram(self) -> Memory:
        return next(m for m in self.memory if m.kind == "ram")

    @property
    def flash_bytes(self) -> int:
        return self.flash.size

    @property
    def ram_bytes(self) -> int:
        return self.ram.size


@cache
def _core(name: str) -> Core:
    path = resource("boards") / "cores" / f"{name}.toml"
    if not path.is_file():
        raise ValueError(f"there is no core {name!r}")
    return Core.model_validate(tomllib.loads(path.read_text()))


@cache
def all_boards() -> tuple[Board, ...]:
    """Every board, by name."""
    boards = []
    for path in sorted(resource("boards").glob("*.toml")):
        facts = tomllib.loads(path.read_text())
        boards.append(Board.model_validate({**facts, "core": _core(facts["core"])}))
    return tuple(boards)


def load_board(name: str) -> Board:
    """The board of that name or alias. Raises CompileError E204 with the nearest names."""
    names = {n: b for b in all_boards() for n in (b.name, *b.aliases)}
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name.lower(), names, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`tinyc boards` lists them"
    raise CompileError("E204", f"board {name!r}", "there is no such board", hint)

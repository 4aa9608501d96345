"""What a board's and a core's file may say: `Board` and `Core`, checked strictly."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from .waits import Power, Strict, Waits


class Core(Strict):
    """A Cortex-M core.

    features: what kernels may require; cpu, fpu, float_abi: GCC's names, fpu empty where there is
    none; clang: Clang's, with the optional features that its bare name leaves out; unicorn: its
    model there; caches: whether it has some that are off after reset; cmsis: Arm's generic device
    of it in the pack Cortex_DFP; timing: see `tinyc.run.cycles`.
    """

    name: str
    title: str
    features: frozenset[str]
    cpu: str
    clang: str
    fpu: str = ""
    float_abi: Literal["soft", "hard"]
    unicorn: str
    caches: bool = False
    cmsis: str
    timing: dict[str, Any] = Field(default_factory=dict)


def _one_line(text: str) -> str:
    if not text.isprintable() or "*/" in text:
        raise ValueError("holds a control character or */, which end a comment")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
"""What stands in comments of generated files."""

Register = tuple[int, int, int]
"""Address, mask and value."""

REASON = r"^\S.* \([^()]+\)$"


class Step(Strict):
    """One access to a register: its masked bits take a value (``set``) or are awaited to have it
    (``wait``).

    set, wait: the register's name in its manual, one of the two; at: its address; width: of the
    access, in bits; why: the bits' names and what they do, then in parentheses the section of
    the manual, or the file, that says so.
    """

    set: str | None = Field(None, pattern=r"^[\w.\[\]]+$")
    wait: str | None = Field(None, pattern=r"^[\w.\[\]]+$")
    at: int = Field(ge=0, lt=1 << 32)
    mask: int = Field(0xFFFF_FFFF, gt=0, lt=1 << 32)
    value: int = Field(ge=0, lt=1 << 32)
    width: Literal[8, 16, 32] = 32
    why: Line = Field(pattern=REASON)

    @model_validator(mode="after")
    def _check(self) -> Step:
        if (self.set is None) == (self.wait is None):
            raise ValueError("a step either sets a register or waits for one")
        if self.value & ~self.mask:
            raise ValueError(f"0x{self.value:x} has bits outside of the mask 0x{self.mask:x}")
        if self.at % (self.width // 8):
            raise ValueError(f"0x{self.at:08x} is not aligned to {self.width} bits")
        return self


class Pause(Strict):
    """At least so many microseconds between two steps, as long as the clock is not above the rated
    one; why: as in `Step`."""

    pause: int = Field(gt=0, le=10_000)
    why: Line = Field(pattern=REASON)


class Memory(Strict):
    """A range of the address map; origin and size in bytes.

    setup: of one that has to be started, outside of the chip: from the clock that `Clock` leaves
    to a memory in which nothing is said of a word's alignment (Armv7-M ARM B3.1: below 0xA0000000,
    or above by the MPU).
    """

    name: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    kind: Literal["flash", "ram"]
    origin: int = Field(ge=0, lt=1 << 32)
    size: int = Field(gt=0)
    setup: tuple[Step | Pause, ...] = ()

    @property
    def end(self) -> int:
        return self.origin + self.size


class Clock(Strict):
    """The core's rated clock, and the steps from reset to it: oscillators, supply, the flash's
    wait states, prefetch. An emulator may never show a bit that is awaited, so that firmware
    gives up waiting after a while and goes on."""

    hz: int = Field(gt=0)
    setup: tuple[Step | Pause, ...] = ()


class Channel(Strict):
    """One direction of a UART.

    ready: the register whose masked bits have that value when a byte may be written or read;
    data: where to or from, in its low 8 bits; clear: the register whose masked bits take that
    value once ready was seen; event: ready tells of each byte that is out, and not before the
    first: the byte is written, then ready awaited.
    """

    ready: Register
    data: int
    clear: Register | None = None
    event: bool = False


class Console(Strict):
    """A UART at 115200 baud, 8 bits, no parity. uart: its name and pins; setup: from the clock
    that `Clock` leaves to a UART that sends and receives."""

    uart: Line
    setup: tuple[Step, ...]
    transmit: Channel
    receive: Channel


class Counter(Strict):
    """A timer that counts the core's cycles up, 32 bits wide, where there is no SysTick.

    name: of the timer; setup: starts it; capture: what has to be written before ``value``, the
    register of the count, is read.
    """

    name: str = Field(pattern=r"^[\w .-]+$")
    setup: tuple[Step, ...]
    capture: Register | None = None
    value: int


class Qemu(Strict):
    """QEMU's machine, and which of its serial ports the console is."""

    machine: str = Field(pattern=r"^[a-z0-9-]+$")
    serial: int = Field(0, ge=0, le=7)


class Pace(Strict):
    """How fast a receiver takes what comes: so many bytes, then milliseconds of rest."""

    bytes: int = Field(gt=0, le=1024)
    ms: int = Field(gt=0, le=1000)


Entry = Annotated[str, Field(pattern=r"^\w+$")]
"""The name of something in a description of Renode's, or of an attribute of it."""
Attribute = Annotated[str, Field(pattern=r'^([\w.+-]+|"[\w .+-]*")$')]


class Renode(Strict):
    """Renode's description of the board: the file below its root, and its names in there.

    add: memories of the board that it lacks; resize: those of its memories that are too small ->
    the board's in their place; attributes: entry -> attributes of it that are to differ; pace: of
    its UART's receiver, None where that holds whatever comes; receives: whether its UART tells of
    a byte that came.
    """

    platform: str = Field(pattern=r"^platforms/[\w./-]+\.repl$")
    cpu: Entry = "cpu"
    uart: Entry
    add: tuple[str, ...] = ()
    resize: dict[Entry, str] = Field(default_factory=dict)
    attributes: dict[Entry, dict[Entry, Attribute]] = Field(default_factory=dict)
    pace: Pace | None = None
    receives: bool = True

    @model_validator(mode="after")
    def _check(self) -> Renode:
        # board.repl tells of each entry once.
        told = {self.cpu, "nvic", "sysbus", *self.resize}
        if twice := told & set(self.attributes):
            raise ValueError(f"attributes: {', '.join(sorted(twice))} is told of elsewhere")
        return self


Script = Annotated[str, Field(pattern=r"^(interface|board|target)/[\w./-]+\.cfg$")]
Label = Annotated[str, Field(pattern=r"^[A-Z0-9_-]{1,11}$")]

# What flashes a board -> the field of `Debug` that it needs. The order is that of a board which
# names none: pyOCD comes after OpenOCD, since most chips cost it a download first.
FLASHERS = {
    "probe-rs": "probe_rs",
    "openocd": "openocd",
    "pyocd": "pyocd",
    "STM32_Programmer_CLI": "stlink",
    "st-flash": "stlink",
    "picotool": "picotool",
    "bossac": "bossac",
    "copy": "volumes",
}


class Debug(Strict):
    """How debug probes, their servers and boot loaders know the board, where they do.

    openocd: files among OpenOCD's scripts, in order; pyocd: the target type; probe_rs: the chip;
    jlink: the device; stlink: whether it is a chip of ST, whose own tools need no name; picotool:
    whether the boot loader is Raspberry Pi's; bossac: where in the flash, as the boot loader
    counts, bossac is to write; volumes: the labels that the board's drive may have, onto which an
    image is copied; uf2: the family ID, where that has to be a UF2 file; tools: those of
    `FLASHERS` to be tried first; svd: the URL of the registers' description (CMSIS-SVD).
    """

    openocd: tuple[Script, ...] = ()
    pyocd: str | None = Field(None, pattern=r"^[a-z0-9_]+$")
    probe_rs: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$")
    jlink: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$")
    stlink: bool = False
    picotool: bool = False
    bossac: int | None = Field(None, ge=0, lt=1 << 32)
    volumes: tuple[Label, ...] = ()
    uf2: int | None = Field(None, ge=0, lt=1 << 32)
    tools: tuple[str, ...] = ()
    svd: str | None = Field(None, pattern=r"^https://[\w./-]+\.svd$")

    @model_validator(mode="after")
    def _check(self) -> Debug:
        if not (self.jlink or self._known()):
            raise ValueError("names no debug server and no boot loader: leave [debug] out")
        if self.uf2 is not None and not self.volumes:
            raise ValueError("uf2 needs volumes")
        if self.picotool and self.uf2 is None:
            raise ValueError("picotool needs uf2")
        wrong = [tool for tool in self.tools if tool not in self._known()]
        if wrong or len(set(self.tools)) < len(self.tools):
            raise ValueError(f"tools: {', '.join(wrong) or 'one'} has no fact, or stands twice")
        return self

    def _known(self) -> list[str]:
        facts = {tool: getattr(self, fact) for tool, fact in FLASHERS.items()}
        # 0 is a fact: bossac's offset.
        return [tool for tool, fact in facts.items() if fact or (fact == 0 and fact is not False)]

    @property
    def flashers(self) -> tuple[str, ...]:
        """Those of `FLASHERS` that know the board, in its own order."""
        return (*self.tools, *(tool for tool in self._known() if tool not in self.tools))


class Names(Strict):
    """How other ecosystems name the board or its chip, where they know it.

    arduino: the architecture of its Arduino core; platformio: platform and board, one with the
    framework arduino; zephyr: the board, with revision and qualifiers where it needs them;
    cubeide: the MCU in STM32CubeIDE.
    """

    arduino: str | None = Field(None, pattern=r"^\w+$")
    platformio: tuple[str, str] | None = None
    zephyr: str | None = Field(None, pattern=r"^[a-z0-9_]+(@[a-z0-9]+)?(/[a-z0-9_]+)*$")
    cubeide: str | None = Field(None, pattern=r"^STM32[A-Z0-9]+x[A-Z]?$")


BOOT2_BYTES = 256


class Board(Strict):
    """A board. The first flash holds code and weights, the first RAM data, arena and stack.

    boot2: the file of firmware/, without its suffix, of a second stage of the boot that fills the
    first `BOOT2_BYTES` of the flash, before the vector table; counter: None where the core's
    SysTick counts; waits, power: None where nothing is published that they could rest on; sources:
    document and section of each fact.
    """

    name: str = Field(pattern=r"^[a-z0-9_]{1,64}$")
    title: Line
    aliases: tuple[str, ...]
    core: Core
    clock: Clock
    waits: Waits | None = None
    power: Power | None = None
    console: Console
    boot2: str | None = Field(None, pattern=r"^boot2_\w+$")
    counter: Counter | None = None
    qemu: Qemu | None = None
    renode: Renode | None = None
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
        if self.flash.setup or self.ram.setup:
            raise ValueError("the first flash and the first RAM need no setup")
        named = (*self.renode.add, *self.renode.resize.values()) if self.renode else ()
        if wrong := set(named) - {m.name for m in self.memory}:
            raise ValueError(f"renode: the board has no memory {', '.join(sorted(wrong))}")
        return self

    @property
    def clock_hz(self) -> int:
        """The core's rated clock."""
        return self.clock.hz

    @property
    def flash(self) -> Memory:
        return next(m for m in self.memory if m.kind == "flash")

    @property
    def ram(self) -> Memory:
        return next(m for m in self.memory if m.kind == "ram")

    @property
    def vectors(self) -> int:
        """The address of the vector table."""
        return self.flash.origin + (BOOT2_BYTES if self.boot2 else 0)

    @property
    def flash_bytes(self) -> int:
        return self.flash.size

    @property
    def ram_bytes(self) -> int:
        return self.ram.size

"""Build: Library, Board -> Image, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..emit.emitter import Library, main_program
from ..emit.render import render
from ..errors import CompileError
from ..files.folder import replacing
from ..files.paths import resource
from ..target.boards import Board, Core, Memory
from ..target.toolchain import Toolchain, find_toolchain
from .flat import write_flat
from .ide import project
from .mailbox import INBOX, OUTBOX
from .placement import place
from .stack import Frame, deepest_calls


@dataclass(frozen=True)
class Main:
    """A main program: its template under templates/port/, what its console and its transport are
    (``uart`` or ``semihosting``), and what the template is told besides."""

    template: str
    console: str
    options: Mapping[str, Any] = field(default_factory=dict)


MAINS = {
    # One inference, and its cycles by the board's counter.
    "demo": Main("main_demo", "uart"),
    # MLPerf Tiny's serial protocol; the input is kept, so that one can be inferred many times.
    "serial": Main("main_serial", "uart", {"keep_input": True}),
    # What the emulators run: the same without the RAM for a kept input, and files of the host.
    "test_serial": Main("main_serial", "uart", {"keep_input": False}),
    "test": Main("main_test", "semihosting"),
    # For an emulator that can read and write the memory of its machine.
    "test_mailbox": Main("main_mailbox", "uart", {"inbox": INBOX, "outbox": OUTBOX}),
}


@dataclass(frozen=True)
class BuildOptions:
    """main: one of `MAINS`; model_id: what the serial protocol calls the model, the library's
    name if None; arena, weights: see `tinyc.image.placement.place`; model: the path of what the
    library was made from; objects: a folder that keeps what the library's own files are compiled
    to, for builds of the same library for other boards of the core."""

    main: str = "demo"
    model_id: str | None = None
    arena: str | None = None
    weights: Sequence[str] = ()
    model: str | None = None
    objects: Path | None = None


@dataclass
class TooLarge(CompileError):
    """E401. over: the memories that are too small, and by how many bytes; more: what ``--json``
    states besides."""

    over: tuple[tuple[Memory, int], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of those memories, ``flash`` and ``ram``."""
        return tuple(dict.fromkeys(memory.kind for memory, _ in self.over))

    @property
    def facts(self) -> dict[str, Any]:
        memories = [
            {"name": m.name, "kind": m.kind, "size_bytes": m.size, "over_bytes": bytes}
            for m, bytes in self.over
        ]
        return {**super().facts, "memories": memories, **self.more}


@dataclass(frozen=True)
class Image:
    """A linked image and its sizes in bytes, those of the ELF.

    c_library: what was built; flash_bytes: everything allocated in flash, initial values of .data
    included; ram_bytes: .data, .bss (the arena lies there) and the deepest stack; stack_bytes:
    worst case from reset by call graph, the counter's interrupt included; symbols: name ->
    (address, size) of functions and objects; main: which of `MAINS` it runs; used: bytes of each
    of the board's memories, the stack with them; parts: what these bytes are; calls: those that
    take the stack.
    """

    elf: Path
    c_library: Library
    board: Board
    toolchain: str
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    symbols: Mapping[str, tuple[int, int]]
    main: str = "demo"
    used: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    calls: tuple[Frame, ...] = ()
    fits: bool = True

    @property
    def name(self) -> str:
        return self.c_library.name

    @property
    def data_bss_bytes(self) -> int:
        """.data and .bss, the arena included."""
        return self.ram_bytes - self.stack_bytes


def build(
    library: Library,
    board: Board,
    toolchain: str | None,
    out: Path,
    options: BuildOptions = BuildOptions(),
) -> Image:
    """Compile and link ``library`` with the firmware for ``board``.

    toolchain: see `tinyc.target.toolchain.find_toolchain`. ``out`` is replaced whole at the end;
    an interrupted build leaves what was there. Raises CompileError E209 (no such memory), E401
    (does not fit), E7xx (no compiler), those of `tinyc.files.folder.replacing`.
    """
    tools = find_toolchain(toolchain)
    out = Path(os.path.abspath(out))
    with replacing(out, "build", options.model) as work:
        image = _build(library, board, tools, work, options)
    return replace(image, elf=out / image.elf.name)


def firmware_files(
    library: Library,
    board: Board,
    options: BuildOptions = BuildOptions(),
) -> dict[str, str]:
    """Path -> text of ``library`` and of the firmware around it, under ``port/``, in the order in
    which its C files are linked."""
    main = MAINS[options.main]
    placement = place(library, board, options.arena, options.weights)
    files = dict(library.files)
    for part in _parts(main, board):
        files[f"port/{part}"] = (resource("firmware") / part).read_text()
    if main.console == "uart":
        in_use = {placement.arena.name, *placement.weights}
        files["port/board.c"] = render(
            "port/board.c",
            board=board,
            memories=[m for m in board.memory if m.setup and m.name in in_use],
        )
    files["port/main.c"] = main_program(
        library, main.template, model_id=options.model_id or library.name, **main.options
    )
    files["port/linker.ld"] = render(
        "linker.ld",
        title=board.title, memory=board.memory, flash=board.flash, ram=board.ram,
        arena=placement.arena, weights=placement.weights, boot2=board.boot2,
    )  # fmt: skip
    return files


def _build(
    library: Library, board: Board, tools: Toolchain, work: Path, options: BuildOptions
) -> Image:
    files = firmware_files(library, board, options)
    compiled = [
        path
        for path in files
        if path.endswith(".c") and (path != "port/tanhf.c" or not tools.has_libc)
    ]
    for path, text in {**files, **project(files, library, board, tools.kind)}.items():
        target = work / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (work / "obj").mkdir()
    more = ["-Iinclude", *([] if tools.has_libc else ["-isystem", "port/libc"])]
    port = [*more, "-Iport", *tools.freestanding()]
    jobs = [
        (
            Path(path),
            Path("obj") / f"{path.replace('/', '-')}.o",
            more if path in library.files else port,
        )
        for path in compiled
    ]
    _compile(tools, board.core, jobs, work, options.objects, library)
    (work / "compile_commands.json").write_text(_compile_commands(tools, board, jobs))
    elf = work / f"{library.name}.elf"
    complaint = tools.link(
        board.core, [str(o) for _, o, _ in jobs], "port/linker.ld", elf.name, work
    )
    if complaint:
        _refuse_overflow(complaint, board, library.name)
        _refuse_missing_libm(complaint, library.name, tools)
        raise RuntimeError(f"{library.name} does not link: {complaint[-2000:]}")
    image = _measure(elf, library, board, tools, options.main)
    shutil.rmtree(work / "obj")
    return image


def _compile(
    tools: Toolchain,
    core: Core,
    jobs: Sequence[tuple[Path, Path, Sequence[str]]],
    work: Path,
    kept: Path | None,
    library: Library,
) -> None:
    """Compile the jobs in ``work``; those of the library's own files only once for ``kept``."""
    own = [target for source, target, _ in jobs if str(source) in library.files]
    if kept is not None and kept.is_dir():
        for target in own:
            shutil.copyfile(kept / target.name, work / target)
        jobs = [job for job in jobs if job[1] not in own]
    tools.compile(core, jobs, work)
    if kept is not None and not kept.is_dir():
        kept.mkdir(parents=True)
        for target in own:
            shutil.copyfile(work / target, kept / target.name)


def _parts(main: Main, board: Board) -> Iterator[str]:
    """The files of firmware/ that a project carries, in the order of their linking."""
    yield from ("startup.c", "memory.c", "number.c", "tinyc_port.h", f"console_{main.console}.c")
    if board.boot2:
        yield f"{board.boot2}.c"
    if main.console == "uart":
        counter = "timer" if board.counter else "systick"
        yield from ("registers.c", f"counter_{counter}.c", "tinyc_board.h")
        if board.core.caches:
            yield "caches.c"
    else:
        yield "semihosting.h"
    # Compiled where the compiler has no C library, and by the project for such a compiler.
    yield from ("libc/string.h", "libc/math.h", "tanhf.c")


def _compile_commands(
    tools: Toolchain, board: Board, jobs: Sequence[tuple[Path, Path, Sequence[str]]]
) -> str:
    entries = []
    for source, target, more in jobs:
        command = [*map(os.path.basename, tools.cc[:1]), *tools.cc[1:]]
        arguments = [
            *command,
            *tools.flags(board.core),
            *more,
            "-c",
            str(source),
            "-o",
            str(target),
        ]
        entries.append({"directory": ".", "file": str(source), "arguments": arguments})
    return json.dumps(entries, indent=2) + "\n"


def _refuse_overflow(complaint: str, board: Board, name: str) -> None:
    found: dict[str, int] = {}
    for region, amount in re.findall(r"region [`']?(\w+)'?:? overflowed by (\d+) bytes", complaint):
        found[region] = max(int(amount), found.get(region, 0))
    if found:
        raise too_large(board, name, [(m, found[m.name]) for m in board.memory if m.name in found])


def _refuse_missing_libm(complaint: str, name: str, tools: Toolchain) -> None:
    """GNU ld and lld each have their words for a function of the C library that is not there."""
    header = (resource("firmware") / "libc" / "math.h").read_text()
    known = set(re.findall(r"(\w+)\(", header))
    missing = re.findall(r"undefined (?:reference to `|symbol: )(\w+)", complaint)
    for function in (m for m in missing if m in known):
        gcc = tools.kind == "gcc"
        package, other = "libnewlib-arm-none-eabi", "clang" if gcc else "gcc"
        packages = package if gcc else f"gcc-arm-none-eabi {package}"
        raise CompileError(
            "E703", name, f"needs {function}, and {tools.title} has no C library that has it",
            f"apt-get install {packages}, {'or' if gcc else 'and'} --toolchain {other}",
        )  # fmt: skip


def too_large(board: Board, name: str, over: Sequence[tuple[Memory, int]]) -> TooLarge:
    """over: each memory that is too small, and by how many bytes."""
    short = " and ".join(
        f"{m.name} ({m.size} bytes at 0x{m.origin:08x}) is {n} bytes too small" for m, n in over
    )
    remedies = {"flash": "shrink the weights", "ram": "shrink the activations"}
    kinds = dict.fromkeys(m.kind for m, _ in over)
    return TooLarge(
        "E401", f"{name} on {board.name}", f"does not fit: {short}",
        f"{' and '.join(remedies[k] for k in kinds)}, or choose a larger board (`tinyc boards`)",
        tuple(over),
    )  # fmt: skip


def _measure(elf: Path, library: Library, board: Board, tools: Toolchain, main: str) -> Image:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with elf.open("rb") as file:
        parsed = ELFFile(file)
        flash = ram = 0
        parts: dict[str, Counter[str]] = {m.name: Counter() for m in board.memory}
        for section in parsed.iter_sections():
            if not section["sh_flags"] & 2 or not section["sh_size"]:  # SHF_ALLOC
                continue
            loaded = section["sh_type"] != "SHT_NOBITS" and section.name not in (".bss", ".arena")
            home = next(m for m in board.memory if m.origin <= section["sh_addr"] < m.end)
            parts[home.name][_part(section.name)] += section["sh_size"]
            flash += section["sh_size"] if loaded else 0
            if home.kind == "ram":
                ram += section["sh_size"]
                if loaded:
                    parts[board.flash.name]["initial values"] += section["sh_size"]
        symbols, functions, marks = {}, {}, {}
        table, text = map(parsed.get_section_by_name, (".symtab", ".text"))
        assert isinstance(table, SymbolTableSection) and text is not None
        code_index = parsed.get_section_index(".text")
        for symbol in table.iter_symbols():
            kind = symbol["st_info"]["type"]
            # Sections of debuggers have marks too, and addresses from 0 on as a flash may have.
            if symbol.name[:2] in ("$t", "$d") and symbol["st_shndx"] == code_index:
                marks[symbol["st_value"]] = symbol.name
            if kind in ("STT_FUNC", "STT_OBJECT") and symbol.name:
                symbols[symbol.name] = (symbol["st_value"], symbol["st_size"])
                if kind == "STT_FUNC":
                    functions[symbol.name] = symbols[symbol.name]
        code, base = text.data(), text["sh_addr"]
        inside = sorted((a, kind) for a, kind in marks.items() if base <= a < base + len(code))
        calls = deepest_calls(functions, inside, code, base, "Reset_Handler")
        if functions["SysTick_Handler"] != functions["Fault_Handler"]:
            calls += (Frame("the interrupt's frame", _exception_frame(board.core)),)
            calls += deepest_calls(functions, inside, code, base, "SysTick_Handler")
    stack = sum(frame.bytes for frame in calls)
    if not any("arena" in part for part in parts.values()):  # then it is among the variables
        parts[board.ram.name].update(arena=library.arena_bytes, variables=-library.arena_bytes)
    parts[board.ram.name]["stack"] = stack
    used = {name: part.total() for name, part in parts.items()}
    over = used[board.ram.name] - board.ram.size
    if over > 0:
        raise too_large(board, library.name, [(board.ram, over)])
    write_flat(elf, board)
    return Image(
        elf, library, board, tools.title, flash, ram + stack, stack, symbols, main, used, parts,
        calls,
    )  # fmt: skip


def _part(section: str) -> str:
    """What the bytes of a section are."""
    if section.startswith((".rodata", ".weights")):
        return "constants"
    return {".arena": "arena", ".bss": "variables", ".data": "variables"}.get(section, "code")


def _exception_frame(core: Core) -> int:
    """Bytes that an interrupt takes off the stack: 8 words, with an FPU 26, and one for alignment
    (Armv7-M ARM B1.5.6 and B1.5.7, Armv6-M ARM B1.5.6)."""
    return 4 * (26 if "fpu" in core.features else 8) + 4

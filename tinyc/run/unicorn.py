"""Unicorn, in process: the default emulator, and the one that counts."""

from __future__ import annotations

import ctypes
import hashlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError
from . import LayerCount, Trace, collect
from .cycles import CycleModel, price, source

if TYPE_CHECKING:
    from ..build import Image

TIMEOUT_S = 1200
_PARALLEL_FROM = 16  # samples; fewer are not worth a second process
_KEEP, _RUN, _OUTSIDE = 0, 0xFFFF, 0xFFFE
# Peripherals (CPACR among them) read as the memory that is mapped in their place.
_PERIPHERALS = ((0x4000_0000, 0x0020_0000), (0x5000_0000, 0x0100_0000), (0xE000_0000, 0x0010_0000))


class _Counter(ctypes.Structure):
    """``struct counter`` of blockcount.c."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("halfwords", ctypes.c_uint64),
        ("run_entry", ctypes.c_uint64),
        ("owner", ctypes.c_void_p),
        ("count", ctypes.c_void_p),
        ("taken", ctypes.c_void_p),
        ("size", ctypes.c_void_p),
        ("previous_end", ctypes.c_uint64),
        ("previous_slot", ctypes.c_uint64),
        ("active", ctypes.c_uint32),
        ("current", ctypes.c_uint32),
    )


@dataclass
class _Machine:
    """One emulated board with semihosting: reads ``given``, appends to ``written``."""

    image: Image
    given: bytes
    at: int = 0
    written: bytearray = None
    console: str = ""
    exited: bool = False
    failed: bool = False


def run(image: Image, inputs: np.ndarray, layers: Sequence[str] = ()) -> Trace:
    """See `tinyc.run.run`. The first sample runs once more on a counted machine of its own;
    the others run uncounted, in as many processes as there are processors."""
    n = len(inputs)
    instructions, cycles, counts = _count(image, inputs[:1], layers)
    jobs = min(os.cpu_count() or 1, n // _PARALLEL_FROM + 1)
    chunks = [c for c in np.array_split(inputs, jobs) if len(c)]
    if len(chunks) > 1:
        with multiprocessing.get_context("fork").Pool(len(chunks)) as pool:
            done = pool.starmap(_outputs, [(image, chunk) for chunk in chunks])
    else:
        done = [_outputs(image, chunk) for chunk in chunks]
    return Trace(
        "unicorn",
        np.concatenate([outputs for outputs, _, _ in done]),
        "".join(console for _, _, console in done),
        instructions,
        cycles,
        source(image.board.core),
        max(stack or 0 for _, stack, _ in done),
        counts,
    )


def _outputs(image: Image, inputs: np.ndarray) -> tuple[np.ndarray, int | None, str]:
    machine = _Machine(image, inputs.tobytes(), written=bytearray())
    _emulate(machine)
    outputs, stack = collect(machine.console, bytes(machine.written), len(inputs), image.name)
    return outputs, stack, machine.console


def _emulate(machine: _Machine, prepare=None) -> None:
    import unicorn as uc_module
    from elftools.elf.elffile import ELFFile
    from unicorn import arm_const as arm

    image = machine.image
    uc = uc_module.Uc(uc_module.UC_ARCH_ARM, uc_module.UC_MODE_THUMB | uc_module.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_CORTEX_{image.board.core.unicorn}"))
    for memory in image.board.memory:
        uc.mem_map(memory.origin, memory.size)
    for base, size in _PERIPHERALS:
        uc.mem_map(base, size)
    with image.elf.open("rb") as file:
        for segment in ELFFile(file).iter_segments():
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                uc.mem_write(segment["p_paddr"], segment.data())
    keep_alive = prepare(uc) if prepare else None

    def interrupt(uc, number, _data) -> None:
        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        if bytes(uc.mem_read(pc, 2)) == b"\xab\xbe":  # BKPT 0xAB
            _semihost(machine, uc, arm)
            uc.reg_write(arm.UC_ARM_REG_PC, (pc + 2) | 1)
        else:
            machine.failed = True
            machine.console += f"fault: exception {number} at {_place(image, pc)}\n"
            uc.emu_stop()

    uc.hook_add(uc_module.UC_HOOK_INTR, interrupt)
    vectors = bytes(uc.mem_read(image.board.flash.origin, 8))
    uc.reg_write(arm.UC_ARM_REG_SP, int.from_bytes(vectors[:4], "little"))
    start = int.from_bytes(vectors[4:], "little")
    try:
        uc.emu_start(start | 1, 0xFFFF_FFFE, timeout=TIMEOUT_S * 1_000_000)
    except uc_module.UcError as error:
        place = _place(image, uc.reg_read(arm.UC_ARM_REG_PC))
        raise CompileError(
            "E802", image.name, f"the emulated core stopped at {place}: {error}"
        ) from None
    del keep_alive
    if not machine.exited and not machine.failed:
        raise CompileError("E803", image.name, f"did not end within {TIMEOUT_S} s")


def _semihost(machine: _Machine, uc, arm) -> None:
    """Serve one call: r0 the operation, r1 its argument; the result goes to r0."""
    operation = uc.reg_read(arm.UC_ARM_REG_R0)
    argument = uc.reg_read(arm.UC_ARM_REG_R1)
    result = 0

    def words() -> tuple[int, ...]:
        return tuple(np.frombuffer(bytes(uc.mem_read(argument, 12)), "<u4").tolist())

    if operation == 0x01:  # SYS_OPEN
        name, _, length = words()
        result = 1 if bytes(uc.mem_read(name, length)) == b"tinyc.in" else 2
    elif operation == 0x04:  # SYS_WRITE0
        text = bytearray()
        while (byte := uc.mem_read(argument + len(text), 1)[0]) != 0:
            text.append(byte)
        machine.console += text.decode("ascii", "replace")
    elif operation == 0x05:  # SYS_WRITE
        _, address, length = words()
        machine.written += uc.mem_read(address, length)
    elif operation == 0x06:  # SYS_READ
        _, address, length = words()
        piece = machine.given[machine.at : machine.at + length]
        machine.at += len(piece)
        uc.mem_write(address, piece)
        result = length - len(piece)
    elif operation == 0x18:  # SYS_EXIT
        machine.exited = True
        uc.emu_stop()
    uc.reg_write(arm.UC_ARM_REG_R0, result)


def _place(image: Image, pc: int) -> str:
    for name, (address, size) in image.symbols.items():
        if address & ~1 <= pc < (address & ~1) + size:
            return f"{name}+{pc - (address & ~1)}"
    return f"0x{pc:08x}"


def _count(
    image: Image, first: np.ndarray, layers: Sequence[str]
) -> tuple[int, int, dict[str, LayerCount]]:
    """Instructions and modelled cycles of one inference, in all and by layer."""
    code_start, code = _code(image)
    halfwords = len(code) // 2
    owner = np.zeros(halfwords, np.uint16)

    def mark(symbol: str, value: int) -> None:
        address, size = image.symbols[symbol]
        low = (address & ~1) - code_start
        owner[low // 2 : (low + size + 1) // 2] = value

    mark(f"{image.name}_run", _RUN)
    mark("main", _OUTSIDE)
    for i, symbol in enumerate(layers):
        mark(symbol, i + 1)
    shape = (len(layers) + 1, halfwords)
    count, taken = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
    size = np.zeros(halfwords, np.uint32)
    entry = image.symbols[f"{image.name}_run"][0] & ~1
    counter = _Counter(
        code_start, halfwords, entry, owner.ctypes.data, count.ctypes.data, taken.ctypes.data,
        size.ctypes.data,
    )  # fmt: skip

    def prepare(uc):
        import unicorn as uc_module
        from unicorn.unicorn_py3.unicorn import uclib

        hook = ctypes.c_size_t()
        function = ctypes.cast(_helper().tinyc_count_block, ctypes.c_void_p)
        # Added before the first block is translated: later it would miss those before it.
        status = uclib.uc_hook_add(
            uc._uch, ctypes.byref(hook), uc_module.UC_HOOK_BLOCK, function,
            ctypes.cast(ctypes.byref(counter), ctypes.c_void_p),
            ctypes.c_uint64(1), ctypes.c_uint64(0),
        )  # fmt: skip
        assert status == 0, f"uc_hook_add: {status}"
        return hook, counter

    machine = _Machine(image, first.tobytes(), written=bytearray())
    _emulate(machine, prepare)
    collect(machine.console, bytes(machine.written), len(first), image.name)
    model = CycleModel(image.board.core, code, code_start)
    totals = []
    for row in range(len(layers) + 1):
        used = np.flatnonzero(count[row])
        totals.append(
            price(
                model,
                (
                    (code_start + 2 * int(i), int(size[i]), int(count[row, i]), int(taken[row, i]))
                    for i in used
                ),
            )
        )
    counts = {
        symbol: LayerCount(symbol, totals[i + 1][0], round(totals[i + 1][1]))
        for i, symbol in enumerate(layers)
    }
    return sum(t[0] for t in totals), round(sum(t[1] for t in totals)), counts


def _code(image: Image) -> tuple[int, bytes]:
    """(address, bytes) of the part of .text that holds functions."""
    from elftools.elf.elffile import ELFFile

    with image.elf.open("rb") as file:
        parsed = ELFFile(file)
        text = parsed.get_section_by_name(".text")
        end = max(
            s["st_value"] + s["st_size"]
            for s in parsed.get_section_by_name(".symtab").iter_symbols()
            if s["st_info"]["type"] == "STT_FUNC"
        )
        base = text["sh_addr"]
        return base, text.data()[: (end - base + 3) & ~1]


@cache
def _helper() -> ctypes.CDLL:
    """blockcount.c as a shared library, compiled once by ziglang and kept."""
    from ..toolchain import cache_folder

    text = Path(__file__).with_name("blockcount.c").read_bytes()
    kept = cache_folder() / f"blockcount-{hashlib.sha256(text).hexdigest()[:12]}.so"
    if not kept.is_file():
        temporary = kept.with_suffix(f".{os.getpid()}.so")
        command = [
            sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O2",
            str(Path(__file__).with_name("blockcount.c")), "-o", str(temporary),
        ]  # fmt: skip
        env = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache_folder() / "zig"),
               "ZIG_LOCAL_CACHE_DIR": str(cache_folder() / "zig")}  # fmt: skip
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CompileError("E703", "ziglang", f"cannot compile: {done.stderr[-300:]}")
        temporary.replace(kept)
    return ctypes.CDLL(str(kept))

"""What Renode needs to run a firmware, to test it (the folder ``renode/`` of a build), and to
offer its UART."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...emit.render import render
from ...errors import CompileError
from ...files.folder import held, replacing
from ...image.mailbox import INBOX, MOST_BYTES, OUTBOX, Batch, collides
from ...target.boards import Board, Step, names_with
from .. import time_limit

if TYPE_CHECKING:
    from ...image.build import Image

MARK = "tinyc"
"""What the lines of the log that hold counts start with."""
END = "(verdict|fault): .*"
"""The line of the console after which there is nothing to wait for, a regular expression."""
_PAGE = 4096


def write(
    folder: Path,
    image: Image,
    batch: Batch,
    min_accuracy: float | None = None,
    max_instructions: int | None = None,
) -> None:
    """Put ``folder`` in place: the files of `project` and ``test.elf``, a copy of ``image``, of
    the main program ``test_mailbox``. Of a batch that is too large, as much as fits."""
    batch = batch.first(MOST_BYTES)
    files = project(
        image.name, image.board, batch, image.c_library.output_bytes, time_limit(len(batch)),
        min_accuracy, max_instructions,
    )  # fmt: skip
    folder = folder.absolute()
    # The build around it stays the one that it is of.
    with held(folder.parent), replacing(folder, "renode") as work:
        for file, content in files.items():
            (work / file).write_bytes(content)
        shutil.copyfile(image.elf, work / "test.elf")


def project(
    name: str,
    board: Board,
    batch: Batch,
    output_bytes: int,
    timeout: int,
    min_accuracy: float | None = None,
    max_instructions: int | None = None,
) -> dict[str, bytes]:
    """File -> contents: ``board.repl``, ``run.resc`` (the firmware ``../name.elf``),
    ``test.robot`` and its ``inputs.bin``. ``test.elf`` is the main program ``test_mailbox``.

    output_bytes: of one sample; timeout: of the test, in seconds of virtual time; min_accuracy:
    checked where the batch has labels; max_instructions: of one inference. Raises CompileError
    E207 (Renode does not describe the board), E234 (too many samples).
    """
    commands = {"load": load(board, "${FOLDER}/"), "count": count(board, name)}
    least = 0.0 if batch.labels is None or min_accuracy is None else min_accuracy
    labelled = 0 if batch.labels is None else int((batch.labels >= 0).sum())
    values = {
        "name": name,
        "board": board,
        "uart": uart(board),
        "samples": len(batch),
        # Rounded, so that 0.9 of 10 samples are 9.
        "min_correct": math.ceil(round(least * labelled, 6)),
        "max_instructions": max_instructions,
        "timeout": timeout,
        "mark": MARK,
        "end": END,
        **commands,
    }
    texts = {file: render(f"renode/{file}", **values) for file in ("run.resc", "test.robot")}
    texts["board.repl"] = description(board, batch, output_bytes)
    return {**{k: v.encode() for k, v in texts.items()}, "inputs.bin": batch.pack()}


def description(board: Board, batch: Batch | None = None, output_bytes: int = 0) -> str:
    """``board.repl``: Renode's description of the board, with room for a batch and its outputs if
    there is one. Raises as `project`."""
    if board.renode is None:
        raise CompileError(
            "E207", board.name, "Renode does not describe this board",
            f"--emulator unicorn, or one of {names_with('renode')}",
        )  # fmt: skip
    if collides(board.memory):
        raise CompileError("E207", board.name, "has a memory where Renode's samples are to lie")
    sizes = [len(batch.pack()), len(batch) * output_bytes] if batch is not None else [0, 0]
    if max(sizes) > MOST_BYTES:
        raise CompileError(
            "E234", "samples", f"take {max(sizes):,} bytes, Renode has {MOST_BYTES:,} for them",
            "pass fewer with --samples",
        )  # fmt: skip
    inbox, outbox = (-(-size // _PAGE) * _PAGE for size in sizes)
    return render(
        "renode/board.repl",
        board=board, memories={m.name: m for m in board.memory}, inbox=INBOX, outbox=OUTBOX,
        inbox_bytes=inbox, outbox_bytes=outbox, tags=_tags(board),
        mips=max(1, round(board.clock_hz / 1e6)),
    )  # fmt: skip


def _tags(board: Board) -> list[tuple[int, int, str, int]]:
    """(first byte, last byte, name, value) of each register that the board's steps wait for, in the
    order of addresses.

    Renode reads such a tag where no model lies, and a model elsewhere; without it the firmware
    gives up each bit after `tinyc_apply`'s many reads. A tag has one value: the first wait for a
    bit decides.
    """
    parts = (board.clock.setup, board.console.setup, *(m.setup for m in board.memory))
    found: dict[int, tuple[int, str, int, int]] = {}
    for step in (s for part in parts for s in part if isinstance(s, Step) and s.wait):
        width, name, known, value = found.get(step.at, (step.width, str(step.wait), 0, 0))
        value |= step.value & ~known
        found[step.at] = max(width, step.width), name, known | step.mask, value
    return [
        (at, at + width // 8 - 1, name, value)
        for at, (width, name, _, value) in sorted(found.items())
    ]


def escaped(path: str) -> str:
    """``path`` as the monitor takes it behind an ``@``."""
    return path.replace(" ", "\\ ")


def load(board: Board, folder: str) -> list[str]:
    """Commands that make a machine of ``board.repl`` with ``inputs.bin`` and ``test.elf``, all in
    ``folder``, which is `escaped` and ends with a slash where it is not empty."""
    return [
        # Not slowed down to the time of the clock on the wall.
        "emulation SetGlobalAdvanceImmediately true",
        'emulation SetGlobalQuantum "0.01"',
        *_machine(board, folder, "test.elf"),
        f"sysbus LoadBinary @{folder}inputs.bin 0x{INBOX:08x}",
    ]


def attach(board: Board, folder: str) -> list[str]:
    """Commands that make a machine of ``board.repl`` with ``serial.elf``, its UART attached to a
    pseudo-terminal to which the symbolic link ``terminal`` points, all in ``folder``, which ends
    with a slash. It runs no faster than the clock on the wall."""
    return [
        *_machine(board, escaped(folder), "serial.elf"),
        f'emulation CreateUartPtyTerminal "terminal" "{folder}terminal"',
        f"connector Connect {uart(board)} terminal",
    ]


def _machine(board: Board, folder: str, elf: str) -> list[str]:
    return [
        "mach create",
        f"machine LoadPlatformDescription @{folder}board.repl",
        f"sysbus LoadELF @{folder}{elf}",
        f"{_cpu(board)} VectorTableOffset 0x{board.flash.origin:08x}",
    ]


def count(board: Board, name: str) -> list[str]:
    """Commands that log the instructions that were executed when an inference begins and ends.
    Blocks are of one instruction, so that the difference is exact."""
    places = {"begin": f"{name}_run", "end": "infer_done"}
    return [
        f"{_cpu(board)} MaximumBlockSize 1",
        *(
            f'{_cpu(board)} AddHook `sysbus GetSymbolAddress "{symbol}"` '
            f"\"self.InfoLog('{MARK} {place} ' + str(self.ExecutedInstructions))\""
            for place, symbol in places.items()
        ),
    ]


def uart(board: Board) -> str:
    """What Renode calls the UART of the console; empty if it does not describe the board."""
    return f"sysbus.{board.renode.uart}" if board.renode else ""


def _cpu(board: Board) -> str:
    return f"sysbus.{board.renode.cpu}" if board.renode else ""

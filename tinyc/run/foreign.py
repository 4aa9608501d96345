"""Images of anybody's that speak MLPerf Tiny's protocol: what one inference of theirs counts.

Nothing is known of such an image but its bytes and its board. It runs from reset until it says
``m-ready`` on the board's console; a status register that it reads again and again takes other
values in turn until it goes on, and what its handlers would do is done by calling them. Then it is
asked for one inference and for two: the second one more than the first is the inference.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError
from ..target.boards import Board
from ..target.waits import Strict
from .counting import Counts
from .cycles import Price

_COMMANDS = (b"infer 1 0%", b"infer 2 0%")
_SECONDS = 150
_RETURN = 0x0070_0000
"""Where nothing of a board lies: what a handler that was called returns to."""
_MORE = ((0x0BF0_0000, 0x20_0000), (0x1000_0000, 0x10_0000), (0x1FF0_0000, 0x10_0000),
         (0x2000_0000, 0x40_0000), (0x2400_0000, 0x20_0000), (0x2800_0000, 0x10_0000),
         (0x3000_0000, 0x10_0000), (0x3800_0000, 0x10_0000))  # fmt: skip
"""Memories of the board's family, RAM or the manufacturer's, so that an image finds its own."""
_PERIPHERALS = ((0x4000_0000, 0x2000_0000), (0xA000_0000, 0x1000), (0xE000_0000, 0x10_0000))
_SPINS = 6
_SYSTICK, _FIRST_INTERRUPT, _HANDLERS = 15, 16, 166


class Register(Strict):
    """A register that a start-up does not go on without. value: after reset; ready: (bits, shift):
    what is written to ``bits`` is read so much higher as well; always: bits that are read as 1."""

    at: int
    value: int = 0
    ready: tuple[tuple[int, int], ...] = ()
    always: int = 0

    def read(self, stored: int) -> int:
        for bits, shift in self.ready:
            stored = stored & ~(bits << shift) | (stored & bits) << shift
        return stored | self.always


@dataclass(frozen=True)
class Inference:
    """price: what it counts; said: all that the image printed."""

    price: Price
    said: str


def inference(path: Path, board: Board, registers: tuple[Register, ...] = ()) -> Inference:
    """One inference of an image. path: an ELF, ``.hex``, or the bytes of the board's
    flash from its start; registers: those of its chip, where its start-up needs them. Raises
    CompileError E203 (no such image), E802 and E803 (it does not come to the inference)."""
    machine = _Machine(path, board, registers)
    for counted in machine.counted():
        # The first time found its caches cold, as the ones that were measured by hundreds did not.
        counted[1] = np.maximum(counted[1] - counted[0], 0)
    return Inference(machine.counts.prices()[1], machine.said)


class _Machine:
    def __init__(self, path: Path, board: Board, registers: tuple[Register, ...]) -> None:
        self.path, self.board = path, board
        self.image = _flat(path, board)
        self.registers = {register.at: register for register in registers}
        self.stored = {register.at: register.value for register in registers}
        self.counts = Counts(board, board.flash.origin, self.image, 1)
        self.said, self.given, self.taken, self.accesses = "", b"", 0, 0
        self.commands = list(_COMMANDS)
        self.interrupt: int | None = None
        self._read_last, self._spins, self._random = 0, 0, random.Random(1)

    def counted(self) -> tuple[Any, ...]:
        """What `Counts` counted, each with a row for each of `_COMMANDS`."""
        self._power_on()
        self.counts.attach(self.uc)
        self._start()
        while self.commands:
            self._interrupts()
        counts = self.counts
        return tuple(
            a.view(np.int64) for a in (counts.count, counts.taken, counts.reads, counts.misses)
        )

    def _power_on(self) -> None:
        import unicorn
        from unicorn import arm_const as arm

        board, self.arm = self.board, arm
        self.uc = uc = unicorn.Uc(
            unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
        )
        uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_CORTEX_{board.core.unicorn}"))
        for origin, size in ((0, _RETURN + 0x1000), (board.flash.origin, 0x20_0000), *_MORE):
            uc.mem_map(origin, size)
        for origin in (0, board.flash.origin):
            uc.mem_write(origin, self.image)
        for origin, size in _PERIPHERALS:
            uc.mmio_map(origin, size, self._read, origin, self._write, origin)
        uc.hook_add(unicorn.UC_HOOK_INSN_INVALID, self._skip)
        uc.reg_write(arm.UC_ARM_REG_SP, self._vector(0))

    def _vector(self, number: int) -> int:
        return int.from_bytes(self.image[4 * number : 4 * number + 4], "little")

    def _start(self) -> None:
        """To the first ``m-ready``, or through all commands where the image polls its console."""
        at = self._vector(1)
        for _ in range(40):
            over = threading.Event()
            watcher = threading.Thread(target=self._watch, args=(over,))
            watcher.start()
            try:
                self._run(at, _SECONDS)
            finally:
                over.set()
                watcher.join()
            if self.taken and self.commands:
                raise self._stopped("E803", "does not end its inference")
            if "m-ready" in self.said:
                break
            for _ in range(400):  # milliseconds for whoever waits for some
                self._call(self._vector(_SYSTICK), 0.05)
            at = self.uc.reg_read(self.arm.UC_ARM_REG_PC)
        else:
            raise self._stopped("E803", "does not come to its m-ready")
        self.given = b""

    def _watch(self, over: threading.Event) -> None:
        """Stop a core that waits for an interrupt; not one that took a command."""
        before = -1
        while not over.wait(0.4):
            if not self.taken and self.accesses == before:
                self.uc.emu_stop()
            before = self.accesses

    def _interrupts(self) -> None:
        """Have the console's handler take the next command."""
        command = self.commands[0]
        if self.interrupt is None:
            handlers = [self._vector(n) for n in range(_FIRST_INTERRUPT, _HANDLERS)]
            usual = Counter(handlers).most_common(1)[0][0]
            flash = range(self.board.flash.origin, self.board.flash.origin + len(self.image))
            for handler in handlers:
                before, self.given = self.taken, command[:1]
                if handler != usual and handler in flash:
                    self._call(handler, 0.05)
                    if self.taken > before:
                        self.interrupt, command = handler, command[1:]
                        break
            else:
                raise self._stopped("E803", "has no handler that takes a byte of the console")
        left = len(self.commands)
        for byte in command:
            self.given = bytes([byte])
            if not self._call(self.interrupt, _SECONDS):
                raise self._stopped("E803", "does not end its inference")
        self._run(
            self.uc.reg_read(self.arm.UC_ARM_REG_PC), 0.2 if len(self.commands) < left else 20
        )
        if len(self.commands) == left:
            raise self._stopped("E803", "makes no inference")

    def _run(self, at: int, seconds: float, until: int = 0xFFFF_FFFE) -> None:
        import unicorn

        try:
            self.uc.emu_start(at | 1, until, timeout=int(seconds * 1e6))
        except unicorn.UcError as error:
            pc = self.uc.reg_read(self.arm.UC_ARM_REG_PC)
            raise self._stopped("E802", f"stopped at 0x{pc:08x}: {error}") from None

    def _call(self, function: int, seconds: float) -> bool:
        """Whether a call from where the core is came back; it goes on there in any case."""
        uc, arm = self.uc, self.arm
        kept = uc.context_save()
        uc.reg_write(arm.UC_ARM_REG_SP, (uc.reg_read(arm.UC_ARM_REG_SP) & ~7) - 64)
        uc.reg_write(arm.UC_ARM_REG_LR, _RETURN | 1)
        self._run(function, seconds, _RETURN)
        back: bool = uc.reg_read(arm.UC_ARM_REG_PC) & ~1 == _RETURN
        uc.context_restore(kept)
        return back

    def _stopped(self, id: str, what: str) -> CompileError:
        said = self.said[-60:].strip().splitlines()
        return CompileError(
            id, str(self.path), f"{what}; it said {said[-1] if said else 'nothing'}"
        )

    def _skip(self, uc: Any, _data: Any) -> bool:
        """Pass over what Unicorn's core lacks: arithmetic in doubles, which prints a time."""
        pc = uc.reg_read(self.arm.UC_ARM_REG_PC)
        if uc.mem_read(pc, 2)[1] >> 3 not in (0b11101, 0b11110, 0b11111):
            return False
        uc.reg_write(self.arm.UC_ARM_REG_PC, (pc + 4) | 1)
        return True

    def _read(self, _uc: Any, offset: int, size: int, origin: int) -> int:
        at, console = origin + offset, self.board.console
        ones = (1 << 8 * size) - 1
        word = at & ~3
        self.accesses += 1
        if at == console.receive.data:
            byte, self.given = self.given[:1], self.given[1:]
            self.taken += len(byte)
            return byte[0] if byte else 0
        value = self.stored.get(word, 0)
        if word in self.registers:
            value = self.registers[word].read(value)
        if word in (console.transmit.ready[0], console.receive.ready[0]):
            for (register, _, ready), now in (
                (console.transmit.ready, True), (console.receive.ready, bool(self.given)),
            ):  # fmt: skip
                value |= ready if now and register == word else 0
            return value >> 8 * (at & 3) & ones
        value = value >> 8 * (at & 3) & ones
        self._spins = self._spins + 1 if at == self._read_last else 0
        self._read_last = at
        if self._spins < _SPINS:
            return value
        return (value, ones, 0, self._random.getrandbits(8 * size))[self._spins % 4]

    def _write(self, uc: Any, offset: int, size: int, value: int, origin: int) -> None:
        at = origin + offset
        self._read_last = 0
        if at != self.board.console.transmit.data:
            ones = (1 << 8 * size) - 1 << 8 * (at & 3)
            kept = self.stored.get(at & ~3, 0) & ~ones
            self.stored[at & ~3] = kept | value << 8 * (at & 3) & ones
            return
        self.said += chr(value & 0x7F)
        state = self.counts.state
        if self.said.endswith("m-infer-start-"):
            state.current, state.active = len(_COMMANDS) - len(self.commands), 1
        elif self.said.endswith("m-infer-done"):
            state.active = 0
            self.commands.pop(0)
            self.given = b""
        if self.said.endswith("m-ready\r\n") and self.interrupt is None:
            if self.commands:
                self.given = self.commands[0]
            else:
                uc.emu_stop()


def _flat(path: Path, board: Board) -> bytes:
    """An image as the bytes of the board's flash from its start, an even number."""
    origin, size = board.flash.origin, board.flash.size
    try:
        data = path.read_bytes()
        if data[:4] == b"\x7fELF":
            pieces = _elf(path)
        elif path.suffix == ".hex":
            pieces = _hex(data.decode("ascii"))
        else:
            pieces = [(origin, data)]
        pieces = [(at, piece) for at, piece in pieces if piece]
        end = max(at + len(piece) for at, piece in pieces)
        if min(at for at, _ in pieces) != origin or end > origin + size:
            raise ValueError(f"does not lie in the flash of {board.name}")
    except (OSError, ValueError) as error:
        raise CompileError("E203", str(path), f"is no image that can run: {error}") from None
    flat = bytearray(b"\xff" * (end - origin + (end & 1)))
    for at, piece in pieces:
        flat[at - origin : at - origin + len(piece)] = piece
    return bytes(flat)


def _elf(path: Path) -> list[tuple[int, bytes]]:
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        segments = ELFFile(file).iter_segments("PT_LOAD")
        return [(s["p_paddr"], s.data()) for s in segments]


def _hex(text: str) -> list[tuple[int, bytes]]:
    """The pieces of Intel's hexadecimal form."""
    pieces, high = [], 0
    for line in text.split():
        body = bytes.fromhex(line.removeprefix(":"))
        count, low, kind = body[0], int.from_bytes(body[1:3], "big"), body[3]
        if sum(body) & 0xFF or len(body) != count + 5:
            raise ValueError(f"a line of it is damaged: {line[:20]}")
        if kind == 0:
            pieces.append((high + low, body[4:-1]))
        elif kind in (2, 4):
            high = int.from_bytes(body[4:6], "big") << (4 if kind == 2 else 16)
    return pieces

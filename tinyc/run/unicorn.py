"""Unicorn, in process: the default emulator, and the one that counts."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CompileError
from ..ir import Array, Value
from . import Emulator, LayerCount, Trace, collect, register, time_limit
from .counting import OUTSIDE, RUN, Counts
from .cycles import Price, board_source, on_board, source
from .forks import begin
from .hearing import hear_alone, ran
from .watching import Watched, Watcher

if TYPE_CHECKING:
    from ..image.build import Image
    from ..plan import Plan

_PARALLEL_FROM = 16  # samples; fewer are not worth a second process
_POLL_S = 0.2
_PAGE = 1024  # Unicorn maps no less on Arm
# Peripherals (CPACR among them) read as the memory that is mapped in their place.
_PERIPHERALS = ((0x4000_0000, 0x0020_0000), (0x5000_0000, 0x0100_0000), (0xE000_0000, 0x0010_0000))
_BKPT_AB = b"\xab\xbe"
_ADP_STOPPED_APPLICATION_EXIT = 0x20026


def run(image: Image, inputs: Array, layers: Sequence[str] = ()) -> Trace:
    """See `tinyc.run.run`. All samples run uncounted, in a process for each processor, then the
    first once more on a counted machine of its own: hooks slow a machine down."""
    jobs = min(os.cpu_count() or 1, len(inputs) // _PARALLEL_FROM + 1)
    chunks = _chunks(image, inputs, jobs)
    if len(chunks) > 1:
        with warnings.catch_warnings():
            # JAX warns of each fork, for its threads; these processes compute without it.
            warnings.simplefilter("ignore", RuntimeWarning)
            context = multiprocessing.get_context("fork")
            count = context.Value("l", 0)
            pool = context.Pool(len(chunks), _begin, (count,))
        with pool:
            waiting = pool.starmap_async(_outputs, [(image, chunk) for chunk in chunks])
            heard = 0
            while heard < len(inputs) and not waiting.ready():
                waiting.wait(_POLL_S)
                now = count.value
                ran(now - heard)
                heard = now
            done = waiting.get()
    else:
        done = [_outputs(image, inputs)]
    outputs = np.concatenate([rows for rows, _, _ in done])
    whole, counts, counted_outputs = _count(image, inputs[:1], layers)
    if not np.array_equal(outputs[:1], counted_outputs):
        raise CompileError("E802", image.name, "gives other outputs when it is counted")
    return Trace(
        "unicorn",
        outputs,
        "".join(console for _, _, console in done),
        whole.instructions,
        whole.cycles,
        source(image.board.core),
        max((stack for _, stack, _ in done if stack is not None), default=None),
        counts,
        whole.board_cycles,
        None if whole.board_cycles is None else board_source(image.board),
        whole.straddled,
    )


def _begin(count: Any) -> None:
    """What a process starts with that adds the samples that it has run to ``count``."""

    def add(samples: int) -> None:
        with count.get_lock():
            count.value += samples

    begin()
    hear_alone(add)


def watch(image: Image, plan: Plan, inputs: Array, _: Mapping[Value, Array]) -> Watched:
    """See `tinyc.run.Emulator`. Raises what `_Machine.run` does."""
    machine, watcher = _Machine(image, memoryview(inputs.tobytes())), Watcher(image, plan)
    machine.run(time_limit(len(inputs)), watcher.attach)
    return watcher.watched()


def _chunks(image: Image, inputs: Array, jobs: int) -> list[Array]:
    """``inputs`` in about as many equal parts, none of which starts within a sequence."""
    starts = np.arange(len(inputs)) if not image.c_library.states else np.flatnonzero(inputs[:, 0])
    ideal = len(inputs) * np.arange(1, jobs) // jobs
    cuts = {int(s) for s in starts[np.searchsorted(starts, ideal) % len(starts)]} - {0}
    return np.split(inputs, sorted(cuts))


def _outputs(image: Image, inputs: Array) -> tuple[Array, int | None, str]:
    machine = _Machine(image, memoryview(inputs.tobytes()), told=image.c_library.output_bytes)
    machine.run(time_limit(len(inputs)))
    outputs, stack = collect(machine.console, bytes(machine.written), len(inputs), image.name)
    return outputs, stack, machine.console


@dataclass
class _Machine:
    """One emulated board with semihosting: the firmware reads ``given``, appends to
    ``written`` and prints on ``console``. told: the bytes of a sample's outputs, each of which is
    told of when it is there; 0 if none is."""

    image: Image
    given: memoryview
    written: bytearray = field(default_factory=bytearray)
    console: str = ""
    told: int = 0
    ended: bool = False
    refused: int | None = None

    def run(self, seconds: int, attach: Callable[[Any], None] = lambda _: None) -> None:
        """From reset until SYS_EXIT; ``attach(uc)`` adds hooks before anything is translated.
        Raises CompileError E802 (a fault, and where), E803 (no end within ``seconds``)."""
        import unicorn
        from unicorn import arm_const as arm

        uc = self._power_on()
        attach(uc)
        uc.hook_add(unicorn.UC_HOOK_INTR, self._interrupt)
        uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._refuse)
        vectors = bytes(uc.mem_read(self.image.board.vectors, 8))
        uc.reg_write(arm.UC_ARM_REG_SP, int.from_bytes(vectors[:4], "little"))
        reset = int.from_bytes(vectors[4:], "little")
        try:
            uc.emu_start(reset | 1, 0xFFFF_FFFE, timeout=seconds * 1_000_000)
        except unicorn.UcError as error:
            what = str(error)
            if self.refused is not None:
                what += f" at 0x{self.refused:08x}"
            raise self._fault(uc.reg_read(arm.UC_ARM_REG_PC), what) from None
        if not self.ended:
            raise CompileError("E803", self.image.name, f"did not end within {seconds} s")

    def _power_on(self) -> Any:
        """Memories of the board's sizes (flash cannot be written), the ELF's bytes in them."""
        import unicorn
        from elftools.elf.elffile import ELFFile
        from unicorn import arm_const as arm

        board = self.image.board
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_CORTEX_{board.core.unicorn}"))
        read_only = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
        for memory in board.memory:
            rights = read_only if memory.kind == "flash" else unicorn.UC_PROT_ALL
            try:
                uc.mem_map(memory.origin, -(-memory.size // _PAGE) * _PAGE, rights)
            except unicorn.UcError as error:
                raise CompileError(
                    "E802", board.name, f"Unicorn cannot map {memory.name}: {error}",
                    f"memories start at multiples of {_PAGE}, apart from each other",
                ) from None  # fmt: skip
        for base, size in _PERIPHERALS:
            uc.mem_map(base, size)
        with self.image.elf.open("rb") as file:
            for segment in ELFFile(file).iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    uc.mem_write(segment["p_paddr"], segment.data())
        return uc

    def _interrupt(self, uc: Any, number: int, _data: Any) -> None:
        from unicorn import arm_const as arm

        pc = uc.reg_read(arm.UC_ARM_REG_PC)
        if bytes(uc.mem_read(pc, 2)) != _BKPT_AB:
            raise self._fault(pc, f"exception {number}")
        self._semihost(uc, arm)
        # Unicorn leaves the pc on the breakpoint.
        uc.reg_write(arm.UC_ARM_REG_PC, (pc + 2) | 1)

    def _refuse(self, _uc: Any, _access: int, address: int, *_rest: Any) -> bool:
        self.refused = address
        return False

    def _fault(self, pc: int, what: str) -> CompileError:
        """Unicorn knows the pc of a store, and of all under hooks, by its block alone."""
        where = place(self.image, pc)
        return CompileError(
            "E802", self.image.name, f"the core stopped in the block at {where}: {what}"
        )

    def _semihost(self, uc: Any, arm: Any) -> None:
        """Serve one call: r0 the operation, r1 its argument; the result goes to r0."""
        operation = uc.reg_read(arm.UC_ARM_REG_R0)
        argument = uc.reg_read(arm.UC_ARM_REG_R1)
        result = 0

        def words(count: int) -> tuple[int, ...]:
            return tuple(np.frombuffer(bytes(uc.mem_read(argument, 4 * count)), "<u4").tolist())

        if operation == 0x01:  # SYS_OPEN
            name, _, length = words(3)
            result = 1 if bytes(uc.mem_read(name, length)) == b"tinyc.in" else 2
        elif operation == 0x03:  # SYS_WRITEC
            self.console += chr(uc.mem_read(argument, 1)[0])
        elif operation == 0x04:  # SYS_WRITE0
            text = bytearray()
            while byte := uc.mem_read(argument + len(text), 1)[0]:
                text.append(byte)
            self.console += text.decode("ascii", "replace")
        elif operation == 0x05:  # SYS_WRITE
            _, address, length = words(3)
            before = len(self.written)
            self.written += uc.mem_read(address, length)
            if self.told:
                ran(len(self.written) // self.told - before // self.told)
        elif operation == 0x06:  # SYS_READ
            _, address, length = words(3)
            piece, self.given = self.given[:length], self.given[length:]
            uc.mem_write(address, bytes(piece))
            result = length - len(piece)
        elif operation == 0x18:  # SYS_EXIT
            if argument != _ADP_STOPPED_APPLICATION_EXIT:
                self.console += f"the firmware stopped with reason 0x{argument:x}\n"
            self.ended = True
            uc.emu_stop()
        uc.reg_write(arm.UC_ARM_REG_R0, result)


def place(image: Image, pc: int) -> str:
    """``symbol+offset`` of an address, or the address."""
    for name, (address, size) in image.symbols.items():
        if address & ~1 <= pc < (address & ~1) + size:
            return f"{name}+{pc - (address & ~1)}"
    return f"0x{pc:08x}"


def _counts(image: Image, layers: Sequence[str]) -> Counts:
    """What counts an inference of an image, each of ``layers`` by itself."""
    base, code = _code(image)
    counts = Counts(image.board, base, code, len(layers))
    owners = [("main", OUTSIDE), *((name, RUN) for name in image.c_library.entries)]
    owners += [(symbol, i) for i, symbol in enumerate(layers, 1)]
    for symbol, owner in owners:
        counts.own(*image.symbols[symbol], owner)
    return counts


def _refuse_unaligned(image: Image, counts: Counts) -> None:
    """Raise E802 for an access that the real core would have refused."""
    if counts.state.unaligned_block:
        where = place(image, counts.state.unaligned_block)
        raise CompileError(
            "E802", image.name,
            f"the block at {where} accesses 0x{counts.state.unaligned:08x}, which is not "
            f"aligned, on a {image.board.core.title}",
        )  # fmt: skip


def _count(
    image: Image, first: Array, layers: Sequence[str]
) -> tuple[LayerCount, dict[str, LayerCount], Array]:
    """(the whole, its layers, outputs) of the inference of the one sample ``first``."""
    counts = _counts(image, layers)
    machine = _Machine(image, memoryview(first.tobytes()))
    machine.run(time_limit(10), counts.attach)
    _refuse_unaligned(image, counts)
    outputs, _ = collect(machine.console, bytes(machine.written), 1, image.name)
    prices = counts.prices()
    by_layer = {
        symbol: _layer_count(image, symbol, [price])
        for symbol, price in zip(layers, prices[1:], strict=True)
    }
    return _layer_count(image, image.name, prices), by_layer, outputs


def _layer_count(image: Image, symbol: str, prices: Sequence[Price]) -> LayerCount:
    on_flash = [on_board(price, image.board.waits) for price in prices]
    known = [cycles for cycles in on_flash if cycles is not None]
    return LayerCount(
        symbol,
        sum(price.instructions for price in prices),
        round(sum(price.cycles for price in prices)),
        round(sum(known)) if len(known) == len(prices) else None,
        sum(price.straddled for price in prices) if image.board.waits else None,
    )


def _code(image: Image) -> tuple[int, bytes]:
    """(address, bytes) of the part of .text that holds functions."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with image.elf.open("rb") as file:
        parsed = ELFFile(file)
        text, symbols = (parsed.get_section_by_name(name) for name in (".text", ".symtab"))
        assert text is not None and isinstance(symbols, SymbolTableSection)
        end = max(
            s["st_value"] + s["st_size"]
            for s in symbols.iter_symbols()
            if s["st_info"]["type"] == "STT_FUNC"
        )
        base = text["sh_addr"]
        return base, text.data()[: (end - base + 3) & ~1]


register(Emulator("unicorn", "Unicorn", "test", run, by_layer=True, watch=watch))

"""The cycle model against cycles counted by hand from Arm's manuals, instructions against QEMU."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but
from programs import assembly, image

from tinyc.image.build import BuildOptions, build
from tinyc.pipeline import compile_model
from tinyc.run import emulators, run
from tinyc.run.cycles import CycleModel
from tinyc.target.boards import all_boards
from tinyc.target.toolchain import find_toolchain

CORES = {board.core.name.removeprefix("cortex-"): board.core for board in all_boards()}

# Straight code and its cycles, branches not taken. M3 and M4: Arm DDI0337I and DDI0439D, tables
# 3-1 and 7-1; the pairs and triples of loads and stores are the examples of their 3.3.2.
V7 = [
    ("movs r0, #1; adds r0, r0, #2", 2),
    ("ldr r0, [r1]; ldr r1, [r2]", 3),
    ("ldr r0, [r1, r2]; str r0, [r3, #20]", 3),
    ("ldr r0, [r1, r2]; str r1, [r3, r2]", 3),
    ("ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", 4),
    ("ldr r0, [r1]; adds r2, r2, #1", 3),
    ("ldr r0, [r1]; ldr r2, [r0]", 4),  # the address waits for the load
    ("ldr r0, [r1], #4; ldrb r2, [r1], #1", 3),  # write-back does not
    ("ldrsh.w r0, [r1, #2]!", 2),
    ("str r0, [r1]", 1),
    ("strb r0, [r1, r2]", 2),
    ("ldrd r0, r1, [r2]", 3),
    ("strd r0, r1, [r2, #8]", 3),
    ("push {r4-r7, lr}", 6),
    ("ldm r0!, {r1, r2, r3}", 4),
    ("stm r0!, {r1, r2}", 3),
    ("mul r0, r1, r2", 1),
    ("sdiv r0, r1, r2", 12),
    ("it eq; moveq r0, #1", 2),
    ("cbz r0, 1f; 1: nop", 2),
    ("tbb [pc, r0]", 2),
    ("ssat r0, #8, r1, asr #2", 1),
]
V7E = [
    ("mla r0, r1, r2, r3", 1),
    ("smull r0, r1, r2, r3; smlal r0, r1, r2, r3", 2),
    ("smlad r0, r1, r2, r3; smmul r0, r1, r2; sxtb16 r0, r1, ror #8", 3),
    ("vadd.f32 s0, s1, s2; vmul.f32 s0, s1, s2; vcvt.s32.f32 s0, s0", 3),
    ("vfma.f32 s0, s1, s2", 3),
    ("vmla.f32 s0, s1, s2", 3),
    ("vdiv.f32 s0, s1, s2", 14),
    ("vsqrt.f32 s0, s1", 14),
    ("vldr s0, [r0]", 2),
    ("vldr d0, [r0]", 3),
    ("vstr s0, [r0, #4]", 2),
    ("vldmia r0!, {s0-s3}", 5),
    ("vpush {d8-d9}", 5),
    ("vmov s0, r0; vmov r0, s0", 2),
    ("vmov s0, s1, r0, r1", 2),
    ("vmov r0, r1, d0", 2),
    ("vcmp.f32 s0, s1; vmrs apsr_nzcv, fpscr", 2),
]
STRAIGHT = [
    *(("m3", *case) for case in V7),
    *(("m4", *case) for case in (*V7, *V7E)),
    ("m3", "mla r0, r1, r2, r3", 2),
    ("m3", "mls r0, r1, r2, r3", 2),
    ("m3", "umull r0, r1, r2, r3", 5),
    ("m3", "smlal r0, r1, r2, r3", 7),
    # Arm DDI0484C, table 3-1.
    ("m0plus", "movs r0, #1; muls r0, r1, r0; lsls r0, r0, #3", 3),
    ("m0plus", "ldr r0, [r1]; ldrb r0, [r1, r2]; strh r0, [r1]", 6),
    ("m0plus", "push {r4, lr}; ldm r0!, {r1, r2, r3}", 7),
    ("m0plus", "mrs r0, primask; dmb", 6),
    # Arm DDI0432C, 3.3.
    ("m0", "movs r0, #1; muls r0, r1, r0; lsls r0, r0, #3", 3),
    ("m0", "ldr r0, [r1]; ldrb r0, [r1, r2]; strh r0, [r1]", 6),
    ("m0", "push {r4, lr}; ldm r0!, {r1, r2, r3}", 7),
    ("m0", "mrs r0, primask; dmb", 8),
    # The fitted terms of the two cores without a published table.
    ("m33", "ldr r0, [r1]; adds r0, r0, #1", 3),
    ("m33", "ldr r0, [r1]; adds r2, r2, #1", 2),
    ("m33", "smull r0, r1, r2, r3; mla r0, r1, r2, r3", 4.8),
    ("m33", "ldrd r0, r1, [r2]; push {r4-r7, lr}", 7),
    ("m7", "add.w r0, r0, #1; add.w r1, r1, #1", 1),
    ("m7", "add.w r0, r0, #1; add.w r1, r0, #1", 2),
    ("m7", "add.w r0, r0, #1; add.w r1, r1, #1; add.w r2, r2, #1", 2),
    ("m7", "ldr r0, [r1]; ldr r2, [r3]; add.w r4, r4, #1", 2),
    ("m7", "ldr r0, [r1]; add.w r4, r0, #1", 3),
]


def _assemble(core: str, codes: list[str], folder: Path) -> tuple[bytes, list[tuple[int, int]]]:
    """The code, and (start, size) of each piece; a no-operation comes after each."""
    from elftools.elf.elffile import ELFFile

    tools = find_toolchain(None)
    pieces = {f"piece{i}": f"{code}; nop" for i, code in enumerate(codes)}
    (folder / "a.c").write_text(assembly(pieces) + "\n")
    flags = tools.flags(CORES[core])
    subprocess.run([*tools.cc, *flags, "-c", "a.c", "-o", "a.o"], cwd=folder, check=True)
    with (folder / "a.o").open("rb") as file:
        parsed = ELFFile(file)
        table = parsed.get_section_by_name(".symtab")
        symbols = [table.get_symbol_by_name(name)[0] for name in pieces]
        spans = [(s["st_value"] & ~1, s["st_size"] - 2) for s in symbols]
        return parsed.get_section_by_name(".text").data(), spans


@pytest.mark.parametrize("core", sorted({core for core, _, _ in STRAIGHT}))
def test_straight_code(core: str, tmp_path: Path) -> None:
    cases = [(code, cycles) for c, code, cycles in STRAIGHT if c == core]
    data, spans = _assemble(core, [code for code, _ in cases], tmp_path)
    model = CycleModel(CORES[core], data, 0)
    found = [round(model.block(*span).cycles, 6) for span in spans]
    assert list(zip([code for code, _ in cases], found, strict=True)) == cases


def test_a_load_at_the_end_of_a_block_pipelines_with_the_next(tmp_path: Path) -> None:
    data, _ = _assemble("m4", ["ldr r0, [r1]; ldr r2, [r3]"], tmp_path)
    model = CycleModel(CORES["m4"], data, 0)
    assert [model.block(0, 2).cycles, model.block(2, 2).cycles] == [1, 2]
    assert model.block(0, 4).cycles == 3


def test_an_unknown_encoding_is_an_instruction_of_one_cycle() -> None:
    # Two halfwords of a coprocessor that no Cortex-M has, then a no-operation.
    model = CycleModel(CORES["m4"], bytes.fromhex("ffffffff00bf"), 0)
    block = model.block(0, 6)
    assert (block.instructions, block.cycles) == (2, 2)


def test_a_misspelt_table_is_refused() -> None:
    core = CORES["m4"].model_copy(update={"timing": {"taken": 2, "load_stal": 1}})
    with pytest.raises(ValueError, match="load_stal"):
        CycleModel(core, b"", 0)


def test_opcodes_across_two_lines(tmp_path: Path) -> None:
    # A 32-bit opcode at 14 of a line of 16 bytes lies across two of them, one at 12 or 0 does not.
    wide, narrow = "add.w r0, r0, #1", "nop"
    code = "; ".join([*[narrow] * 7, wide, *[narrow] * 6, wide, narrow, *[wide] * 4])
    data, ((start, size),) = _assemble("m4", [code], tmp_path)
    assert start == 0 and size == 52  # wide ones at 14, 30, 36, 40, 44 and 48
    model = CycleModel(CORES["m4"], data, 0)
    assert model.block(0, 52).straddled == 2
    assert model.block(0, 14).straddled == 0 and model.block(14, 4).straddled == 1
    assert model.block(36, 16).straddled == 0
    assert CycleModel(CORES["m4"], data, 0, 8).block(0, 52).straddled == 2
    assert CycleModel(CORES["m4"], data, 0, 4).block(0, 52).straddled == 2
    price = model.price([(0, 52, 3, 1), (14, 4, 5, 0)])
    assert (price.straddled, price.taken, price.instructions) == (11, 1, 3 * 20 + 5)


LOOP = "movs r1, #10; 1: subs r1, r1, #1; bne 1b; bx lr"
CALL = "push {r4, lr}; bl helper; pop {r4, pc}"

# Whole calls on the emulated core, by hand. The loop runs ten times, its branch is taken nine:
#   M0, M3, M4: 1 + 10 x 1 + (9 x 3 + 1) + bx 3; M0+: 1 + 10 + (9 x 2 + 1) + bx 2.
# The call: M3, M4: push 3, bl 3, bx 3, pop 3 + 2; M0+: push 3, bl 3, bx 2, pop 3 + 2;
#   M0: push 3, bl 4, bx 3, pop 4 + 2.
CALLS = [
    ("mps2_an386", LOOP, 22, 42),
    ("mps2_an385", LOOP, 22, 42),
    ("nucleo_g0b1re", LOOP, 22, 32),
    ("microbit", LOOP, 22, 42),
    ("mps2_an386", CALL, 4, 14),
    ("nucleo_g0b1re", CALL, 4, 13),
    ("microbit", CALL, 4, 16),
]


@pytest.mark.parametrize(("board", "code", "instructions", "cycles"), CALLS)
def test_calls(board: str, code: str, instructions: int, cycles: int, tmp_path: Path) -> None:
    built = image(assembly({"prog_run": code, "helper": "bx lr"}), board, tmp_path / "out")
    trace = run(built, np.zeros((1, 8), np.uint8))
    assert (trace.instructions, trace.cycles) == (instructions, cycles)
    assert "modelled" in trace.cycles_source and "zero wait states" in trace.cycles_source


# Data of flash: what `Waits` of a board charges on top, in units of its terms, counted by hand.

TABLE = "bx lr; .balign 16; table: .space 288"
# Twice over so many lines; the cache of this board holds 16 of 16 bytes.
LINES = (
    "adr.w r0, table; movs r2, #2; 1: mov r1, r0; movs r3, #{lines}; "
    "2: ldr r12, [r1], #16; subs r3, r3, #1; bne 2b; subs r2, r2, #1; bne 1b; " + TABLE
)
DATA_CACHE = [
    ("adr.w r0, table; ldr r1, [r0]; ldr r1, [r0, #12]; ldrb r1, [r0, #5]; " + TABLE, 1),
    ("adr.w r0, table; ldr r1, [r0, #14]; ldrh r1, [r0, #30]; ldrh r1, [r0, #47]; " + TABLE, 4),
    (LINES.format(lines=16), 16),  # all are there the second time
    (LINES.format(lines=17), 34),  # the one that was longest unused is the next to be wanted
    # The first line is used again before the 17th comes, which takes the second's place.
    (
        "adr.w r0, table; mov r1, r0; movs r3, #16; 1: ldr r12, [r1], #16; subs r3, r3, #1; "
        "bne 1b; ldr r2, [r0]; ldr r2, [r1]; ldr r2, [r0]; ldr r2, [r0, #16]; " + TABLE,
        18,
    ),
]


@pytest.mark.parametrize(("code", "misses"), DATA_CACHE)
def test_lines_of_data(code: str, misses: int, tmp_path: Path) -> None:
    built = image(assembly({"prog_run": code}), "nucleo_l4r5zi", tmp_path / "out")
    trace = run(built, np.zeros((1, 8), np.uint8))
    waits = built.board.waits
    assert waits and waits.cache and waits.line * 16 == waits.cache.bytes and not waits.cache.code
    charged = waits.straddle * trace.straddled + waits.miss * misses
    assert trace.board_cycles == round(trace.cycles + charged)
    assert trace.board_cycles_source.startswith("cycles (modelled, NUCLEO-L4R5ZI, 120 MHz, 5 wait")


def test_each_read_of_data_and_each_branch(tmp_path: Path) -> None:
    # Two loads of flash in each of ten rounds, one of RAM, and the nine branches and the return.
    code = (
        "movs r1, #10; adr r2, table; mov r3, sp; 1: ldr r0, [r2]; ldrb r0, [r2, #5]; "
        "ldr r0, [r3]; subs r1, r1, #1; bne 1b; bx lr; .balign 4; table: .space 8"
    )
    built = image(assembly({"prog_run": code}), "nucleo_g0b1re", tmp_path / "out")
    trace = run(built, np.zeros((1, 8), np.uint8))
    waits = built.board.waits
    charged = waits.read * 20 + waits.taken * 10 + waits.straddle * trace.straddled
    assert trace.board_cycles == round(trace.cycles + charged)


def test_a_cache_of_code_and_data(tmp_path: Path) -> None:
    # 8 KB of two ways: lines 4 KB apart share a set. The code, 32 bytes from a multiple of 16, has
    # two lines, which no line of data meets; of data the first is read again after one other, which
    # is a hit, and after two others, which is a miss.
    code = (
        ".balign 16; prog_start: movw r0, #0x800; movt r0, #0x800; add.w r1, r0, #4096; "
        "add.w r2, r1, #4096; ldr r3, [r0]; ldr r3, [r1]; ldr r3, [r0]; ldr r3, [r2]; "
        "ldr r3, [r1]; nop; nop; bx lr"
    )
    built = image(assembly({"prog_run": code}), "nucleo_u575zi_q", tmp_path / "out")
    assert built.symbols["prog_run"][0] % 16 <= 1 and built.symbols["prog_run"][1] == 32
    trace = run(built, np.zeros((1, 8), np.uint8))
    assert trace.board_cycles == round(trace.cycles + built.board.waits.miss * (2 + 4))


def test_conditional_reads_of_flash_leave_the_code_as_it_is(tmp_path: Path) -> None:
    # Unicorn would go on in the IT block after a read under a hook, see blockcount.c.
    code = (
        "mov r3, r0; adr.w r1, table; movs r2, #40; movs r0, #0; 1: lsls r12, r2, #31; "
        "itte ne; ldrne.w r12, [r1]; addne r0, r0, #1; addeq r0, r0, #3; b 2f; nop; "
        "2: subs r2, r2, #1; bne 1b; str r0, [r3, #8]; bx lr; .balign 4; table: .word 7"
    )
    built = image(assembly({"prog_run": code}), "nucleo_l4r5zi", tmp_path / "out")
    bare = replace(built, board=built.board.model_copy(update={"waits": None}))
    traces = [run(some, np.zeros((1, 8), np.uint8)) for some in (built, bare)]
    assert [t.outputs.view("<u4").item() for t in traces] == [20 * 1 + 20 * 3] * 2
    assert traces[0].instructions == traces[1].instructions
    assert traces[0].cycles == traces[1].cycles
    assert traces[1].board_cycles is traces[1].straddled is traces[1].board_cycles_source is None


@pytest.mark.parametrize("board", slow_but(["mps2_an386"], [b for b in all_boards() if b.qemu]))
def test_instructions_are_those_of_qemu(board, tiny_model: Path, tmp_path: Path) -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    compiled = compile_model(tiny_model, board)
    built = {
        name: build(compiled.c_library, board, None, tmp_path / name, BuildOptions(emulator.main))
        for name, emulator in emulators().items()
    }
    inputs = np.random.default_rng(1).integers(0, 256, (2, 32), np.uint8)
    by_qemu = run(built["qemu"], inputs, "qemu")
    if by_qemu.instructions is None:
        pytest.skip("this QEMU takes no plugins")
    symbols = tuple(step.symbol for step in compiled.plan.steps)
    by_unicorn = run(built["unicorn"], inputs, profile=True, layers=symbols)
    assert by_unicorn.instructions == by_qemu.instructions > 1000
    assert np.array_equal(by_unicorn.outputs, by_qemu.outputs)
    of_layers = sum(layer.instructions for layer in by_unicorn.layers.values())
    assert 0.9 * by_unicorn.instructions < of_layers < by_unicorn.instructions

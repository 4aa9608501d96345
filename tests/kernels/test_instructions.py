"""Every image holds only instructions that its core has, by its disassembly."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import write_binary
from elftools.elf.elffile import ELFFile
from programs import assembly, library

from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, build
from tinyc.pipeline import compile_model
from tinyc.target.boards import Core, all_boards, load_board

BOARDS = {b.core.name: b for b in sorted(all_boards(), key=lambda b: b.ram_bytes)}

# Armv6-M ARM (DDI0419E) A5.3 and table A4-1: the 32-bit instructions, and what Thumb's 16 bits
# have in Armv7-M alone.
ARMV6M_32_BIT = re.compile(r"(bl|msr|mrs|dsb|dmb|isb|udf)(\.w)?$")
NOT_ARMV6M = re.compile(r"(cbn?z|it[te]*|nop\.w|sdiv|udiv)$")
# Armv7-M ARM (DDI0403E) A4.4.3 to A4.4.7: what the DSP extension adds, and the FPU.
DSP = re.compile(
    r"[us]?[qhsu]?(add|sub)(8|16)$|[us]?[qhsu]?(asx|sax)$|q(d?add|d?sub)$|[us]xta?b16$|[us]xta[bh]$|"
    r"sml[as][bt][bt]$|smul[bt][bt]$|sml?al?[bt][bt]$|smlaw[bt]$|smulw[bt]$|sml[as]l?dx?$|smu[as]dx?$|"
    r"smml[as]r?$|smmulr?$|umaal$|usada?8$|[us]sat16$|pkh(bt|tb)$|sel$"
)
FPU = re.compile(r"v\w+")
# Armv8-M's and double precision, which none of these FPUs before Cortex-M33's has.
LATER_FPU = re.compile(r"(vsel|v(max|min)nm|vrint|vcvt[anpm])\w*")
MVE = re.compile(r"(vctp|vpst|vpt|wlstp|dlstp|letp|vld[24]\d|vml[as]l?d?avx?)\w*")


def instructions(elf: Path) -> Iterator[tuple[int, int, str, str]]:
    """Address, size, mnemonic without width and condition, operands, of all code."""
    import capstone

    md = capstone.Cs(
        capstone.CS_ARCH_ARM,
        capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8,
    )
    with elf.open("rb") as file:
        parsed = ELFFile(file)
        text = parsed.get_section_by_name(".text")
        code, base = text.data(), text["sh_addr"]
        marks = {
            s["st_value"]: s.name[1]
            for s in parsed.get_section_by_name(".symtab").iter_symbols()
            if s.name[:2] in ("$t", "$d") and base <= s["st_value"] < base + len(code)
        }
    ends = [*sorted(marks)[1:], base + len(code)]
    for start, end in zip(sorted(marks), ends, strict=True):
        at = start
        while marks[start] == "t" and at < end:
            one = next(md.disasm(code[at - base : end - base], at, 1), None)
            assert one is not None, f"no instruction at 0x{at:08x}: {code[at - base :][:4].hex()}"
            mnemonic = one.mnemonic.split(".")[0]
            yield at, one.size, mnemonic, one.op_str
            at += one.size


def foreign(elf: Path, core: Core) -> list[str]:
    """The instructions of an image that ``core`` has not."""
    armv6m = "armv6m" in core.features
    found = []
    for at, size, mnemonic, operands in instructions(elf):
        wrong = MVE.fullmatch(mnemonic) is not None
        wrong |= armv6m and size == 4 and not ARMV6M_32_BIT.fullmatch(mnemonic)
        wrong |= armv6m and NOT_ARMV6M.fullmatch(mnemonic) is not None
        wrong |= "dsp" not in core.features and DSP.match(mnemonic) is not None
        wrong |= "fpu" not in core.features and FPU.fullmatch(mnemonic) is not None
        if core.fpu == "fpv4-sp-d16":
            wrong |= LATER_FPU.fullmatch(mnemonic) is not None
        if wrong:
            found.append(f"0x{at:08x}: {mnemonic} {operands}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gcc", "clang"])
@pytest.mark.parametrize("core", BOARDS)
def test_images(core: str, kind: str, data_folder: Path, tmp_path: Path) -> None:
    if kind == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    board = BOARDS[core]
    models = {"kws": data_folder / "mlperf-tiny" / "kws.tflite"}
    models["bits"] = write_binary(tmp_path / "bits.tflite")
    # Two main programs, two consoles.
    for (name, model), main in zip(models.items(), ("serial", "test"), strict=True):
        compiled = compile_model(model, board)
        try:
            image = build(compiled.c_library, board, kind, tmp_path / "out", BuildOptions(main))
        except CompileError as error:  # the largest board of a core may be small
            assert error.id == "E401" and name == "kws"
            continue
        assert sum(1 for _ in instructions(image.elf)) > 500
        assert foreign(image.elf, board.core) == [], main


@pytest.mark.parametrize(
    ("board", "code", "complaint"),
    [
        ("nucleo_g0b1re", ".arch armv7e-m; smlad r0, r1, r2, r3; bx lr", "smlad r0, r1, r2, r3"),
        ("nucleo_g0b1re", ".arch armv7-m; udiv r0, r1, r2; bx lr", "udiv r0, r1, r2"),
        ("nucleo_g0b1re", ".arch armv7-m; cbz r0, 1f; nop; 1: bx lr", "cbz r0"),
        ("nucleo_g0b1re", ".arch armv7-m; movw r0, #1234; bx lr", "movw r0"),
        ("mps2_an385", ".arch armv7e-m; sxtb16 r0, r1; bx lr", "sxtb16 r0, r1"),
        ("mps2_an385", ".arch armv7e-m; smulbb r0, r1, r2; bx lr", "smulbb r0, r1, r2"),
        ("mps2_an385", ".arch armv7e-m; .fpu fpv4-sp-d16; vadd.f32 s0, s1, s2; bx lr", "vadd s0"),
        ("stm32", ".fpu fpv5-sp-d16; vmaxnm.f32 s0, s1, s2; bx lr", "vmaxnm s0"),
    ],
    ids=lambda text: text.split(";")[0] if " " not in text else text[-14:],
)
def test_the_check_finds(board: str, code: str, complaint: str, tmp_path: Path) -> None:
    """An image with an instruction of another core fails it."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    target = load_board(board)
    program = library(assembly({"prog_run": code}))
    image = build(program, target, "gcc", tmp_path / "out", BuildOptions("test"))
    found = foreign(image.elf, target.core)
    assert len(found) == 1 and complaint in found[0]

"""The fit to silicon: points that were measured, points made up, images of one's own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from tinyc.cli import app as cli
from tinyc.errors import CompileError
from tinyc.run.foreign import Register, inference
from tinyc.target.boards import load_board
from tinyc.target.toolchain import find_toolchain
from tinyc.tuning.silicon import Counted, Point, counted, fit, read

FILES = sorted((ROOT / "boards" / "silicon").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_boards_charge_what_was_fitted(path: Path) -> None:
    points = read(path)
    board = load_board(points.board)
    assert board.name == path.stem and board.waits is not None
    found = fit(points.points, points.terms, board, points.expected)
    for term in points.terms:
        assert getattr(board.waits, term) == pytest.approx(found["charges"][term], rel=0.02)
    assert found["largest_percent"] <= board.waits.error < found["largest_percent"] + 1
    assert {t for t in ("taken", "straddle", "read", "miss") if getattr(board.waits, t)} == set(
        points.terms
    )


def made(charges: dict[str, float], noise: float = 0.0) -> list[Point]:
    """Points of a board of 120 MHz that cost just so."""
    rng = np.random.default_rng(5)
    points = []
    for number in range(12):
        counts = {
            key: int(rng.integers(1000, 90_000)) for key in ("taken", "straddle", "read", "miss")
        }
        apart = ("miss",) if number % 3 == 0 else ()
        cycles = 1_000_000
        for term, charge in charges.items():
            name, _, other = term.partition(" ")
            if bool(other) == (name in apart) or name != "miss":
                cycles += charge * counts[name]
        spent = cycles * (1 + noise * float(rng.standard_normal())) / 120e3
        counted = Counted(cycles=1_000_000, **counts)
        points.append(Point(name=str(number), milliseconds=spent, apart=apart, counts=counted))
    return points


def test_charges_are_found_again() -> None:
    charges = {"straddle": 1.25, "read": 0.5, "miss": 9.0, "miss apart": 5.5}
    found = fit(made(charges), ("straddle", "read", "miss"), load_board("nucleo_l4r5zi"))
    assert found["charges"] == charges
    assert found["rms_percent"] == found["left_out_largest_percent"] == 0.0
    noisy = fit(made(charges, 0.01), ("straddle", "read", "miss"), load_board("nucleo_l4r5zi"))
    assert noisy["charges"]["miss"] == pytest.approx(9.0, abs=0.5)
    assert 0 < noisy["rms_percent"] < 1.5 < 3 * noisy["left_out_largest_percent"]
    assert noisy["left_out_rms_percent"] > noisy["rms_percent"]


def test_what_is_expected_stands_in_for_points() -> None:
    """Without the one image that tells of a charge, what its manual says foretells it."""
    rows = [("a, one", 1_000, 0), ("b, one", 1_000, 30), ("c, one", 50, 200_000)]
    points = [
        Point(
            name=name,
            milliseconds=(1_000_000 + straddle + 9 * miss) / 120e3,
            counts=Counted(cycles=1_000_000, taken=0, straddle=straddle, read=0, miss=miss),
        )
        for name, straddle, miss in rows
    ]
    board, terms = load_board("nucleo_l4r5zi"), ("straddle", "miss")
    alone = fit(points, terms, board)
    held = fit(points, terms, board, {"miss": (9.5, 1.0)})
    assert alone["charges"] == pytest.approx({"straddle": 1, "miss": 9}, abs=0.01)
    assert held["charges"]["miss"] == pytest.approx(9, abs=0.1)
    noisy = [*points[:2], points[2].model_copy(update={"milliseconds": 20.0})]
    assert fit(noisy, terms, board, {"miss": (9.5, 0.01)})["charges"]["miss"] > 9.4
    assert fit(noisy, terms, board)["charges"]["miss"] < 7.5


# An image as anybody may have made it: it waits for its oscillator and for a millisecond of its
# SysTick, and says so on the board's LPUART1; an inference is the call of `work` and the loop about
# it, 1 + 22 + 2 instructions. It takes commands by polling, or by the interrupt of number 70.
SOURCE = """
#define REG(a) (*(volatile unsigned *)(a))
extern unsigned _estack;
static volatile unsigned ticks;
static char line[32];
static unsigned length;

static void say(const char *s)
{
    while (*s) {
        while (!(REG(0x4000801c) & 0x80)) {
        }
        REG(0x40008028) = *s++;
    }
}
__attribute__((naked, noinline, used)) static void work(void)
{
    __asm__("movs r1, #10\\n1: subs r1, r1, #1\\nbne 1b\\nbx lr");
}
static void answer(char c)
{
    line[length++ & 31] = c;
    if (c != '%') {
        return;
    }
    char count[2] = {line[6], 0};
    length = 0;
    say("m-infer-start-");
    say(count);
    __asm__ volatile(".balign 16\\nmov r4, %0\\n1: bl work\\nsubs r4, r4, #1\\nbne 1b"
                     :: "r"(count[0] - '0') : "r1", "r4", "lr", "cc");
    say("m-infer-done\\r\\nm-ready\\r\\n");
}
void tick(void) { ticks++; }
void take(void)
{
    if (REG(0x4000801c) & 0x20) {
        answer((char)REG(0x40008024));
    }
}
void reset(void)
{
    REG(0x40021000) |= 0x100;
    while (!(REG(0x40021000) & 0x400)) {
    }
    if (!(REG(0x40021000) & 0x400)) {
        for (;;) {
        }
    }
    while ((REG(0x40021008) & 0xc) != 0xc) {
    }
    while (!ticks) {
    }
    say("m-ready\\r\\n");
    for (;;) {
#ifdef POLLS
        take();
#endif
    }
}
void fault(void) { for (;;) {} }
__attribute__((section(".vectors"), used)) void (*const vectors[90])(void) = {
    (void (*)(void))0x20001000, reset, [2 ... 14] = fault, tick, [16 ... 85] = fault,
#ifndef POLLS
    [86] = take,
#endif
};
"""
LINK = """
ENTRY(reset)
SECTIONS {
    .text 0x08000000 : { KEEP(*(.vectors)) *(.text*) *(.rodata*) }
    .bss 0x20000000 (NOLOAD) : { *(.bss*) }
}
"""
REGISTERS = (Register(at=0x4002_1000, value=0x61, ready=((0x1, 1), (0x100, 2))),)


@pytest.fixture(scope="module", params=["-DPOLLS", "-DINTERRUPTS"])
def image(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    (folder / "a.c").write_text(SOURCE)
    (folder / "a.ld").write_text(LINK)
    tools = find_toolchain(None)
    flags = [*tools.flags(load_board("nucleo_l4r5zi").core), "-O1", "-ffreestanding", "-w"]
    command = [*tools.cc, *flags, request.param, "-nostdlib", "-Ta.ld", "a.c", "-o", "a.elf"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "a.elf"


@pytest.mark.slow
def test_an_image_of_anybodys(image: Path) -> None:
    price = inference(image, load_board("nucleo_l4r5zi"), REGISTERS).price
    # bl 1, movs 1, ten times subs and bne, bx 1, subs 1, bne 1; nine branches, and bl, bx and bne.
    assert (price.instructions, price.taken) == (25, 12)
    assert price.cycles == 25 + 2 * 12
    assert (price.reads, price.misses) == (0, 0)


@pytest.mark.slow
def test_images_are_run_for_their_counts(image: Path, tmp_path: Path, capsys) -> None:
    data = image.read_bytes()
    (tmp_path / "a.elf").write_bytes(data)
    points = tmp_path / "points.toml"
    point = '{ name = "%s", milliseconds = 1, %s }'
    known = "counts = { cycles = 100000, taken = 0, straddle = 0, read = 0, miss = 2000 }"
    rows = [point % ("own", 'image = "a.elf"'), point % ("known", known)]
    register = "[[registers]]\nat = 0x40021000\nvalue = 0x61\nready = [[1, 1], [0x100, 2]]\n"
    points.write_text(
        'board = "nucleo_l4r5zi"\nsource = "made up"\nterms = ["miss"]\npoints = [\n'
        + ",\n".join(rows) + f"\n]\n{register}"
    )  # fmt: skip
    first = next(iter(counted(points, read(points))))
    assert first.image is None and first.counts is not None
    assert first.counts.cycles == 49
    assert cli.execute(["boards", "calibrate", str(points), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["points"][0]["counts"]["cycles"] == 49 and found["charges"] == {"miss": 10.0}
    assert cli.execute(["boards", "calibrate", str(points)]) == 0
    assert "made up" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "id", "words"),
    [
        (b"", "E203", "no image that can run"),
        (b":00000001FE\n", "E203", "a line of it is damaged"),
        (b":020000040900F1\n:0100000000FF\n", "E203", "does not lie in the flash"),
    ],
)
def test_what_is_no_image(data: bytes, id: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.hex"
    path.write_bytes(data)
    with pytest.raises(CompileError, match=words) as caught:
        inference(path, load_board("nucleo_l4r5zi"))
    assert caught.value.id == id


def test_wrong_points(tmp_path: Path) -> None:
    path = tmp_path / "points.toml"
    with pytest.raises(CompileError, match="no such file"):
        read(path)
    path.write_text('board = "nucleo_l4r5zi"\nsource = ""\nterms = ["miss"]\npoints = [{}, {}]\n')
    with pytest.raises(CompileError, match=r"points\.0\.name"):
        read(path)
    path.write_text(
        'board = "b"\nsource = ""\nterms = ["miss"]\n'
        'points = [{ name = "a", milliseconds = 1 }, { name = "b", milliseconds = 1 }]\n'
    )
    with pytest.raises(CompileError, match="either an image or its counts"):
        read(path)
    point = '{ name = "a", milliseconds = 1, image = "a.elf" }'
    for expected, words in (
        ("read = [2, 1]", "charged for read"),
        ("miss = [5, 0]", "more than 0"),
    ):
        path.write_text(
            f'board = "b"\nsource = ""\nterms = ["miss"]\nexpected = {{ {expected} }}\n'
            f"points = [{point}, {point}]\n"
        )
        with pytest.raises(CompileError, match=words):
            read(path)

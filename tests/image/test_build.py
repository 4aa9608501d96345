"""Building a hand-written model for boards of every core with both compilers."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, slow_but
from tflite_writer import TensorSpec, write_model

from tinyc.emit.emitter import Buffer, ConstantArray, Library
from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, Image, _refuse_missing_libm, build
from tinyc.ir import DType, TensorType
from tinyc.pipeline import compile_model
from tinyc.run import qemu as emulator
from tinyc.target import toolchain
from tinyc.target.boards import BOOT2_BYTES, Board, all_boards, load_board

pytestmark = pytest.mark.compiles

HEADER = """
#include <stdint.h>
#define TOY_ARENA_BYTES (ARENAU)
#define TOY_ARENA_ALIGN (8U)
#define TOY_INPUTS (2)
#define TOY_OUTPUTS (1)
#define TOY_STATES (0)
#define TOY_INPUT_0_BYTES (4U)
#define TOY_INPUT_1_BYTES (4U)
#define TOY_OUTPUT_0_BYTES (4U)
#define TOY_OUTPUT_0_ELEMENTS (4U)
#define TOY_OUTPUT_0_SCALE (1.0f)
#define TOY_OUTPUT_0_ZERO_POINT (0)
static inline uint8_t *toy_input_0(void *arena) { return (uint8_t *)arena; }
static inline uint8_t *toy_input_1(void *arena) { return (uint8_t *)arena + 4; }
static inline const uint8_t *toy_output_0(const void *arena) { return (const uint8_t *)arena + 8; }
void toy_run(void *arena);
"""
# 0.5 x + 2 y, the weights found by a division that the compiler cannot foresee (the high byte of
# x, unless x is 0, has bits that 100 has not), and a frame of some size.
CODE = """
#include "toy.h"
#include <string.h>
extern const float toy_weights[WEIGHTS];
void toy_run(void *arena);
__attribute__((noinline)) static float toy_layer(const uint8_t *from, uint32_t by)
{
    volatile uint8_t frame[FRAME];
    float x;
    memcpy(&x, from, 4);
    frame[0] = (uint8_t)(100U / by);
    return x * toy_weights[frame[0]];
}
void toy_run(void *arena)
{
    uint8_t *a = arena;
    const float y = toy_layer(a, a[3] | 100U) + toy_layer(a + 4, 100U);
    memcpy(a + 8, &y, 4);
}
"""
WEIGHT_LINES = "#include <stdint.h>\nextern const float toy_weights[WEIGHTS];\n"
CORES = {b.core.name: b for b in all_boards()}
KINDS = ["gcc", "clang"]
QEMU_BOARDS = slow_but(["microbit", "mps2_an386"], [b for b in all_boards() if b.qemu])


def toy(arena: int = 16, weights: int = 2, frame: int = 8, name: str = "toy") -> Library:
    values = f"{WEIGHT_LINES}const float toy_weights[WEIGHTS] = {{0.5F, 2.0F}};\n"
    texts = {"include/toy.h": HEADER, "src/toy.c": CODE, "src/toy_weights.c": values}
    for word, number in (("ARENA", arena), ("WEIGHTS", weights), ("FRAME", frame)):
        texts = {p: re.sub(rf"\b{word}(?=\b|U)", str(number), t) for p, t in texts.items()}
    files = {
        p.replace("toy", name): t.replace("toy", name).replace("TOY", name.upper())
        for p, t in texts.items()
    }
    four = TensorType((4,), DType.U8)
    x, y, z = (Buffer(n, n, four, 4 * i) for i, n in enumerate("xyz"))
    array = ConstantArray(f"{name}_weights", "float", weights, 4)
    return Library(name, files, arena, (x, y), (z,), (array,), floats=True)


def with_code(library: Library, code: str) -> Library:
    """``library`` with another ``src/toy.c``."""
    return replace(library, files={**library.files, "src/toy.c": code})


@pytest.fixture(params=slow_but(["gcc"], KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "gcc" and not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed")
    return request.param


@pytest.fixture
def qemu() -> str:
    program = shutil.which("qemu-system-arm")
    if program is None:
        pytest.skip("qemu-system-arm is not installed")
    return program


def run_in_qemu(qemu: str, image: Image, data: bytes, folder: Path) -> tuple[bytes, str]:
    """Outputs and console of the test image."""
    (folder / "tinyc.in").write_bytes(data)
    machine = [qemu, "-M", image.board.qemu.machine, "-display", "none", "-monitor", "none"]
    machine += ["-serial", "none", "-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(
        [*machine, "-kernel", str(image.elf)],
        cwd=folder,
        timeout=60,
        capture_output=True,
        text=True,
    )
    return (folder / "tinyc.out").read_bytes(), done.stdout + done.stderr


@pytest.mark.parametrize("core", slow_but(["cortex-m0plus", "cortex-m4"], CORES))
def test_every_core(core: str, kind: str, tmp_path: Path) -> None:
    board = CORES[core]
    out = tmp_path / "out"
    image = build(toy(arena=64), board, kind, out)
    for name in (
        "include/toy.h src/toy.c src/toy_weights.c port/main.c port/startup.c port/linker.ld "
        "toy.elf toy.hex toy.bin toy.map compile_commands.json"
    ).split():
        assert (out / name).stat().st_size > 0, name
    assert list(tmp_path.iterdir()) == [out]

    flat = (out / "toy.bin").read_bytes()
    stack, reset = np.frombuffer(flat[board.vectors - board.flash.origin :][:8], "<u4")
    assert stack == board.ram.end
    assert reset == image.symbols["Reset_Handler"][0]
    assert image.flash_bytes == len(flat)
    assert decode_hex((out / "toy.hex").read_text()) == (board.flash.origin, flat)
    # The arena, the last fault's four words, the counter's and nothing else that is large.
    assert 64 + 16 <= image.data_bss_bytes <= 64 + 48
    assert 8 <= image.stack_bytes < 350
    # The hardware multiplies where there is an FPU, and a four-byte memcpy is a load.
    assert ("__aeabi_fmul" in image.symbols) == ("fpu" not in board.core.features)


@pytest.mark.parametrize("board", [b for b in all_boards() if b.boot2], ids=lambda b: b.name)
def test_second_stage_of_the_boot(board: Board, kind: str, tmp_path: Path) -> None:
    image = build(toy(), board, kind, tmp_path / "out")
    flat = image.elf.with_suffix(".bin").read_bytes()
    assert any(flat[:BOOT2_BYTES])
    checksum = 0xFFFF_FFFF  # RP2040 datasheet, 2.8.1.3.1
    for byte in flat[: BOOT2_BYTES - 4]:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (checksum >> 31) * 0x04C1_1DB7) & 0xFFFF_FFFF
    assert int.from_bytes(flat[BOOT2_BYTES - 4 : BOOT2_BYTES], "little") == checksum
    assert image.symbols["tinyc_vectors"][0] == board.vectors == board.flash.origin + BOOT2_BYTES
    assert board.vectors.to_bytes(4, "little") in flat[: BOOT2_BYTES - 4]
    # In the UF2, a block for each page, the first of them the second stage.
    block = image.elf.with_suffix(".uf2").read_bytes()[:512]
    assert board.debug is not None
    assert np.frombuffer(block[12:16], "<u4") == board.flash.origin
    assert np.frombuffer(block[28:32], "<u4") == board.debug.uf2
    assert block[32 : 32 + BOOT2_BYTES] == flat[:BOOT2_BYTES]


def decode_hex(text: str) -> tuple[int, bytes]:
    """Address and contents of an Intel HEX file without gaps."""
    upper, start, data = 0, None, bytearray()
    for line in text.splitlines():
        record = bytes.fromhex(line.removeprefix(":"))
        assert sum(record) & 0xFF == 0
        count, address, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if kind == 4:
            upper = int.from_bytes(record[4:6], "big") << 16
        elif kind == 0:
            start = upper + address if start is None else start
            assert upper + address == start + len(data)
            data += record[4 : 4 + count]
    assert start is not None
    return start, bytes(data)


@pytest.mark.parametrize("board", QEMU_BOARDS)
def test_runs_in_qemu(board, kind: str, qemu: str, tmp_path: Path) -> None:
    image = build(toy(), board, kind, tmp_path / "out", BuildOptions("test"))
    x = np.float32([[1.5, 2.25], [-8, 3], [0, -1]])
    data = x.tobytes() + b"abc"  # a short sample at the end is left
    out, console = run_in_qemu(qemu, image, data, tmp_path)
    np.testing.assert_array_equal(np.frombuffer(out, "<f4"), x @ np.float32([0.5, 2]))
    assert "samples: 3\n" in console
    assert 0 < int(re.search(r"stack: (\d+)", console)[1]) <= image.stack_bytes


TRAP = '#include "toy.h"\nvoid toy_run(void *arena) { (void)arena; __asm__("udf #0"); }\n'


def assert_says_where(console: str, image: Image) -> None:
    pc = int(re.search(r"fault: pc (0x[0-9a-f]+)", console)[1], 16)
    address, size = image.symbols["toy_run"]
    assert address & ~1 <= pc < (address & ~1) + size


@pytest.mark.parametrize("board", ["mps2_an385", "mps2_an505"])
def test_fault_says_where(board: str, kind: str, qemu: str, tmp_path: Path) -> None:
    trap = with_code(toy(), TRAP)
    image = build(trap, load_board(board), kind, tmp_path / "out", BuildOptions("test"))
    _, console = run_in_qemu(qemu, image, bytes(8), tmp_path)
    assert_says_where(console, image)


@pytest.mark.parametrize("board", QEMU_BOARDS)
def test_cycles_are_told_on_the_uart(board, kind: str, qemu: str, tmp_path: Path) -> None:
    # Some milliseconds: an emulator's timer is as fine as its bursts of instructions.
    loop = "for (volatile int i = 0; i < 100000; i++) {\n    }\n    const float y"
    library = with_code(toy(), toy().files["src/toy.c"].replace("const float y", loop))
    image = build(library, board, kind, tmp_path / "out")
    console = first_line_in_qemu(image, tmp_path)
    told = re.fullmatch(r"toy: (\d+) cycles \((\w+)\) at (\d+) Hz\r\n", console)
    assert told, console
    assert int(told[1]) > 1000 and int(told[3]) == board.clock_hz
    assert told[2] == (board.counter.name if board.counter else "SysTick")


@pytest.mark.parametrize("board", QEMU_BOARDS)
def test_fault_is_told_on_the_uart(board, kind: str, qemu: str, tmp_path: Path) -> None:
    image = build(with_code(toy(), TRAP), board, kind, tmp_path / "out")
    assert_says_where(first_line_in_qemu(image, tmp_path), image)


def first_line_in_qemu(image: Image, folder: Path) -> str:
    """What the firmware prints on its UART first, after a reset."""
    log = folder / "uart.txt"
    with subprocess.Popen(emulator.command(image.board, image.elf, f"file:{log}")) as process:
        try:
            end = time.monotonic() + 20
            while time.monotonic() < end and not (log.exists() and b"\n" in log.read_bytes()):
                time.sleep(0.05)
        finally:
            process.kill()
    return log.read_bytes().decode()


def test_too_large_says_by_how_much(kind: str, tmp_path: Path) -> None:
    board = load_board("nucleo_g0b1re")
    fits = build(toy(arena=1000), board, kind, tmp_path / "out")
    before = fits.elf.read_bytes()

    over = board.ram.size + 1000
    with pytest.raises(CompileError) as ram:
        build(toy(arena=1000 + over), board, kind, tmp_path / "out")
    # What is over: all that the small image has, and the arena's growth, the stack aside.
    needed = fits.data_bss_bytes + over - board.ram.size
    assert f"RAM ({board.ram.size} bytes at 0x20000000) is {needed} bytes too small" in str(
        ram.value
    )
    assert ram.value.id == "E401" and ram.value.exit_code == 4

    floats = board.flash.size // 4
    with pytest.raises(CompileError) as both:
        build(toy(arena=1000 + over, weights=floats), board, kind, tmp_path / "out")
    assert "FLASH (" in str(both.value) and "RAM (" in str(both.value)

    # It fits but for the stack.
    with pytest.raises(CompileError) as stack:
        build(
            toy(arena=1000 + board.ram.size - fits.data_bss_bytes),
            board,
            kind,
            tmp_path / "x",
        )
    assert f"is {fits.stack_bytes} bytes too small" in str(stack.value)

    # A build that fails leaves the one before, and nothing beside it.
    assert fits.elf.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanhf", "uart", "linker", "out"])
def test_a_model_named_as_a_file_of_the_build(name: str, kind: str, tmp_path: Path) -> None:
    image = build(toy(name=name), load_board("stm32"), kind, tmp_path / "out")
    assert {f"{name}_run", "main"} <= set(image.symbols)


def test_same_bytes_in_another_folder(kind: str, tmp_path: Path) -> None:
    board = load_board("stm32")
    one = build(toy(), board, kind, tmp_path / "one")
    two = build(toy(), board, kind, tmp_path / "deep" / "er" / "two")
    files = sorted(p.relative_to(one.elf.parent) for p in one.elf.parent.rglob("*") if p.is_file())
    for file in files:
        assert (one.elf.parent / file).read_bytes() == (two.elf.parent / file).read_bytes(), file
    assert str(tmp_path).encode() not in one.elf.read_bytes()
    commands = json.loads((one.elf.parent / "compile_commands.json").read_text())
    # tanhf.c lies there for compilers without a C library.
    code = {str(f) for f in files if f.suffix == ".c"}
    assert {c["file"] for c in commands} | {"port/tanhf.c"} == code


@pytest.mark.slow
def test_an_interrupted_build_leaves_the_old_one(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, out = load_board("stm32"), tmp_path / "out"
    before = build(toy(), board, kind, out).elf.read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for place in ("tinyc.target.toolchain.Toolchain.link", "tinyc.files.folder._swap"):
        with monkeypatch.context() as patch:
            patch.setattr(place, interrupt)
            with pytest.raises(KeyboardInterrupt):
                build(toy(frame=16), board, kind, out)
        assert (out / "toy.elf").read_bytes() == before
        assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CompileError) as error:
            build(toy(), load_board("stm32"), None, out)
        assert error.value.exit_code == 8
        assert (tmp_path / "file").read_text() == "mine"
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("status", "complaint", "told"),
    [
        (1, "fatal error: x.o: No space left on device", "the disk is full"),
        (1, "", "no message"),
        (-9, "", "status -9"),
    ],
)
def test_a_full_disk(
    status: int, complaint: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess(["cc"], status, "", complaint)
    assert toolchain.find_toolchain().has_libc in (True, False)  # known before it cannot be asked
    monkeypatch.setattr(toolchain, "_call", lambda *_: failed)
    with pytest.raises(CompileError, match=told) as error:
        build(toy(), load_board("stm32"), None, tmp_path / "out")
    assert error.value.exit_code == 8
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("frame", [200, 600, 5000])
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m4"])
def test_stack_is_what_the_compiler_says(core: str, frame: int, tmp_path: Path) -> None:
    """Against GCC's own -fstack-usage, summed along Reset_Handler, main, toy_run, toy_layer, and
    the interrupt that may come there."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed")
    out = tmp_path / "out"
    image = build(toy(frame=frame), CORES[core], "gcc", out)
    frames = {}
    for command in json.loads((out / "compile_commands.json").read_text()):
        arguments = command["arguments"][:-1]
        subprocess.run([*arguments, "x.o", "-fstack-usage"], cwd=out, check=True)
        for line in (out / "x.su").read_text().splitlines():
            place, size, how = line.split("\t")
            assert how in ("static", "ignoring_inline_asm,static") or "naked" in line, line
            frames[place.split(":")[-1]] = int(size)
    chain = sum(frames[f] for f in ("Reset_Handler", "main", "toy_run", "toy_layer"))
    chain += frames["SysTick_Handler"] + (108 if core == "cortex-m4" else 36)
    # Below the layer may lie a routine of libgcc: a division or a multiplication of floats.
    assert chain <= image.stack_bytes <= chain + 40


def test_recursion_is_refused(kind: str, tmp_path: Path) -> None:
    code = """
#include "toy.h"
static __attribute__((noinline)) int toy_deep(volatile uint8_t *a)
{
    return *a == 0 ? 0 : toy_deep(a + 1) * 3 + toy_deep(a + 2);
}
void toy_run(void *arena) { *(uint8_t *)arena = (uint8_t)toy_deep(arena); }
"""
    with pytest.raises(CompileError, match=r"toy_deep.*calls itself") as error:
        build(with_code(toy(), code), load_board("stm32"), kind, tmp_path / "out")
    assert error.value.id == "E103"


def test_without_gcc_clang_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    toolchain.find_toolchain.cache_clear()
    try:
        assert toolchain.find_toolchain().kind == "clang"
        with pytest.raises(CompileError, match="apt-get install") as error:
            toolchain.find_toolchain("gcc")
        assert error.value.id == "E701"
    finally:
        toolchain.find_toolchain.cache_clear()


def test_the_current_folder_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ziglang").mkdir()
    for file in ("ziglang/__init__.py", "ziglang/__main__.py", "stat.py"):
        (tmp_path / file).write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    toolchain.find_toolchain.cache_clear()
    assert toolchain.find_toolchain("clang").kind == "clang"
    assert not (tmp_path / "ran").exists()


def test_own_tanhf(tmp_path: Path) -> None:
    """Within 2 units in the last place of tanh in double precision."""
    library = tmp_path / "tanhf.so"
    source = (ROOT / "firmware" / "tanhf.c").read_text().replace("float tanhf(", "float own(")
    (tmp_path / "own.c").write_text(source)
    subprocess.run(
        ["gcc", "-O2", "-shared", "-fPIC", "own.c", "-lm", "-o", library], cwd=tmp_path, check=True
    )
    own = ctypes.CDLL(str(library)).own
    own.restype, own.argtypes = ctypes.c_float, [ctypes.c_float]
    edges = [0.0, 1e-30, 0.625, -0.625, 9.99, 10.0, -10.0, 1e30, float("inf"), -float("inf")]
    x = np.float32([*np.linspace(-12, 12, 4001), *edges])
    exact = np.tanh(x.astype(np.float64))
    found = np.float32([own(float(v)) for v in x])
    assert np.max(np.abs(found - exact) / np.spacing(np.abs(np.float32(exact)))) <= 2
    assert np.isnan(own(float("nan")))


@pytest.mark.parametrize(
    ("complaint", "kind", "message"),
    [
        ("m.c:11: undefined reference to `expf'", "gcc", "expf, .* or --toolchain clang"),
        ("ld.lld: error: undefined symbol: powf\n>>> m.c", "clang", "powf, .* and --toolchain gcc"),
    ],
)
def test_a_function_that_no_library_has_is_named(complaint: str, kind: str, message: str) -> None:
    tools = toolchain.Toolchain(kind, "a compiler", ("cc",))
    with pytest.raises(CompileError, match=f"E703.*needs {message}"):
        _refuse_missing_libm(complaint, "m", tools)
    _refuse_missing_libm("ld: undefined reference to `mine'", "m", tools)


def test_the_stack_of_several_hybrid_layers_is_bounded(tmp_path: Path) -> None:
    """What they are handed is inlined there: no pointer is left of which nobody knows where it
    leads."""
    rng = np.random.default_rng(1)
    conv = {"padding": 0, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    tensors, steps = [TensorSpec("t0", (1, 5, 4, 8), "float32")], []
    for i in range(5):
        weights = rng.integers(-127, 128, (8, 1, 1, 8))
        tensors += [
            TensorSpec(f"w{i}", weights.shape, "int8", 0.01, data=weights),
            TensorSpec(f"b{i}", (8,), "float32", data=rng.random(8)),
            TensorSpec(f"t{i + 1}", (1, 5, 4, 8), "float32"),
        ]
        steps.append(("CONV_2D", conv, [3 * i, 3 * i + 1, 3 * i + 2], [3 * i + 3]))
    path = write_model(tmp_path / "m.tflite", steps, tensors, [0], [15])
    board = load_board("stm32f4_discovery")
    library = compile_model(path, board).c_library
    assert build(library, board, "gcc", tmp_path / "out").stack_bytes < 1024

"""Images in Unicorn, in QEMU and on the host: the same outputs, and clear words for a fault."""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import slow_but
from programs import assembly, image, library

from tinyc.errors import CompileError
from tinyc.run import counting, forks, native, run
from tinyc.run.hearing import hearing
from tinyc.run.host import run_host
from tinyc.target.boards import load_board

# The sum of the eight input bytes, and a console that shows each sample once.
SUM = """void prog_run(void *arena)
{
    uint8_t *bytes = (uint8_t *)arena;
    uint32_t sum = 0;
    for (int i = 0; i < 8; i++) {
        sum += bytes[i];
    }
    for (int i = 0; i < 4; i++) {
        bytes[8 + i] = (uint8_t)(sum >> (8 * i));
    }
}"""
INPUTS = np.random.default_rng(7).integers(0, 256, (41, 8), np.uint8)
SUMS = INPUTS.sum(axis=1, dtype=np.uint32)
BOARDS = ["nucleo_g0b1re", "mps2_an385", "mps2_an386", "mps2_an500", "mps2_an505"]


def _refused(*args, **options) -> CompileError:
    with pytest.raises(CompileError) as caught:
        run(*args, **options)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("toolchain", slow_but(["gcc"], ["gcc", "clang"]))
@pytest.mark.parametrize("board", slow_but(["mps2_an386"], BOARDS))
def test_emulators_agree(board: str, toolchain: str, tmp_path: Path) -> None:
    if toolchain == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    kinds = ["unicorn", "host"]
    if load_board(board).qemu and shutil.which("qemu-system-arm"):
        kinds.append("qemu")
    for kind in kinds:
        built = image(SUM, board, tmp_path / kind, toolchain, kind)
        heard: list[int] = []
        with hearing(heard.append):
            trace = run(built, INPUTS, kind)  # enough samples for two processes
        assert trace.emulator == kind
        assert sum(heard) == (0 if kind == "host" else len(INPUTS)), kind
        assert trace.outputs.dtype == np.uint8
        assert trace.outputs.view("<u4")[:, 0].tolist() == SUMS.tolist(), kind
        lines = trace.console.splitlines()
        if kind == "qemu":
            assert lines.count("m-infer-done") == len(INPUTS)
        else:
            counts = [x.removeprefix("samples: ") for x in lines if x.startswith("samples: ")]
            assert sum(map(int, counts)) == len(INPUTS)
        if kind == "host":
            assert trace.stack_bytes is None
        else:
            assert 16 <= trace.stack_bytes <= built.stack_bytes


LAYERS = {
    "prog_run": "push {r4, lr}; bl prog_a; bl prog_b; bl prog_a; pop {r4, pc}",
    "prog_a": "push {r4, lr}; bl helper; bl helper; pop {r4, pc}",
    "prog_b": "push {r4, lr}; bl helper; nop; nop; pop {r4, pc}",
    "helper": "nop; bx lr",
}
# By hand: helper 2; a, twice: 4 + 2 x 2 = 8; b: 5 + 2 = 7; the run function itself 5.
LAYER_INSTRUCTIONS = {"prog_a": 16, "prog_b": 7}


@pytest.mark.parametrize("compiler", [True, False], ids=["c", "python"])
@pytest.mark.parametrize("board", ["stm32f4_discovery", "nucleo_g0b1re"])
def test_layers_count_what_they_call(
    board: str, compiler: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiler:

        def missing(_source: Path) -> Path:
            raise CompileError("E703", "the host's C compiler", "is missing")

        monkeypatch.setattr(counting, "shared_library", missing)
    built = image(assembly(LAYERS), board, tmp_path / "out")
    trace = run(built, INPUTS[:2], profile=True, layers=("prog_a", "prog_b"))
    found = {name: layer.instructions for name, layer in trace.layers.items()}
    assert found == LAYER_INSTRUCTIONS
    assert trace.instructions == sum(LAYER_INSTRUCTIONS.values()) + 5
    # helper 1 + 3 (M0+: 1 + 2), bl 3, push 3, pop 2 + 1 + 2.
    m4 = board == "stm32f4_discovery"
    helper = 7 if m4 else 6  # with the call
    assert trace.layers["prog_a"].cycles == 2 * (3 + 2 * helper + 5)
    assert trace.layers["prog_b"].cycles == 3 + helper + 2 + 5
    assert trace.cycles == sum(layer.cycles for layer in trace.layers.values()) + 3 + 9 + 5
    # Reads of flash are counted in C alone; none of this code reads any.
    waits = load_board(board).waits
    of_board = [t.board_cycles for t in (trace, *trace.layers.values())]
    if waits is None or not compiler:
        assert of_board == [None] * 3
    else:
        counts = (trace, trace.layers["prog_a"], trace.layers["prog_b"])
        taken = (4 + 10 + 3, 10, 3)  # each call and each return
        for count, branches in zip(counts, taken, strict=True):
            charged = waits.taken * branches + waits.straddle * count.straddled
            assert count.board_cycles == round(count.cycles + charged)


def test_counts_do_not_depend_on_the_number_of_samples(tmp_path: Path) -> None:
    built = image(SUM, "mps2_an386", tmp_path / "out")
    few, many = run(built, INPUTS[:1]), run(built, INPUTS)
    assert (few.instructions, few.cycles) == (many.instructions, many.cycles)


FAULTS = {
    "unmapped": (
        "movs r1, #7; lsls r1, r1, #28; str r0, [r1]; bx lr",
        "block at prog_run+0",
        "0x70000000",
    ),
    "read": ("movs r1, #7; lsls r1, r1, #28; ldr r0, [r1]; bx lr", "prog_run+", "0x70000000"),
    "undefined": ("nop; udf #1", "prog_run+2", "Invalid instruction"),
    "flash": ("adr r1, 1f; str r0, [r1]; bx lr; .p2align 2; 1: .word 0", "prog_run+0", "protect"),
    "nowhere": ("movs r1, #7; lsls r1, r1, #28; adds r1, #1; bx r1", "0x70000000", "fetch"),
    "exception": ("svc #0; bx lr", "prog_run", "exception"),
}


@pytest.mark.parametrize("board", ["mps2_an386", "nucleo_g0b1re"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_says_where(fault: str, board: str, tmp_path: Path) -> None:
    code, where, what = FAULTS[fault]
    built = image(assembly({"prog_run": code}), board, tmp_path / "out")
    error = _refused(built, INPUTS[:1])
    assert error.id == "E802"
    assert where in str(error) and what in str(error), str(error)


def test_a_fault_in_qemu_is_told_by_the_firmware(tmp_path: Path) -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    code = assembly({"prog_run": FAULTS["undefined"][0]})
    built = image(code, "mps2_an386", tmp_path / "out", emulator="qemu")
    error = _refused(built, INPUTS[:1], "qemu")
    address = built.symbols["prog_run"][0] + 2 & ~1
    assert error.id == "E802" and f"fault: pc 0x{address:08x}" in str(error)


def test_an_unaligned_access_is_refused_on_armv6m_only(tmp_path: Path) -> None:
    code = assembly({"prog_run": "adds r0, r0, #1; ldr r1, [r0]; bx lr"})
    error = _refused(image(code, "nucleo_g0b1re", tmp_path / "m0"), INPUTS[:1])
    assert error.id == "E802" and "prog_run+0" in str(error) and "aligned" in str(error)
    run(image(code, "mps2_an386", tmp_path / "m4"), INPUTS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unicorn", "qemu", "host"])
def test_what_does_not_end_is_stopped(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "qemu" and shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    monkeypatch.setattr(f"tinyc.run.{kind}.time_limit", lambda _samples: 1)
    endless = "void prog_run(void *arena)\n{\n    volatile uint8_t *p = arena;\n    for (;;) {\n"
    code = endless + "        p[8]++;\n    }\n}"
    built = image(code, "mps2_an386", tmp_path / "out", emulator=kind)
    assert _refused(built, INPUTS[:1], kind).id == "E803"


def test_a_missing_qemu_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = image(SUM, "mps2_an386", tmp_path / "out")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    error = _refused(built, INPUTS[:1], "qemu")
    assert error.id == "E704" and error.exit_code == 7 and "apt-get install" in error.hint


def test_usage_errors(tmp_path: Path) -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    built = image(SUM, "nucleo_g0b1re", tmp_path / "out")
    assert "mps2_an386" in _refused(built, INPUTS, "qemu").hint
    assert _refused(built, INPUTS, "bochs").id == "E206"
    assert _refused(built, INPUTS, "qemu", profile=True).id == "E206"
    for bad in (INPUTS[:0], INPUTS[0], INPUTS.astype(np.float32)):
        with pytest.raises(ValueError, match="inputs of a run"):
            run(built, bad)


def test_an_error_of_a_worker_reaches_the_caller(tmp_path: Path) -> None:
    # Stops at the first sample that does not begin with zero, which is none of the counted one's.
    code = assembly({"prog_run": "ldrb r1, [r0]; cmp r1, #0; beq 1f; udf #0; 1: bx lr"})
    inputs = INPUTS.copy()
    inputs[:, 0] = 0
    inputs[-1, 0] = 1
    built = image(code, "nucleo_g0b1re", tmp_path / "out")
    assert "prog_run+6" in str(_refused(built, inputs))


def test_host_dumps_the_arena() -> None:
    rows = run_host(library(SUM), INPUTS, dump_arena=True)
    assert rows.shape == (41, 16)
    assert np.array_equal(rows[:, :8], INPUTS)
    assert rows[:, 8:12].copy().view("<u4")[:, 0].tolist() == SUMS.tolist()


@pytest.mark.parametrize(
    ("line", "report"),
    [
        ("((uint8_t *)arena)[16 + *(uint8_t *)arena % 1] = 1;", "AddressSanitizer"),
        ("((int32_t *)arena)[2] = INT32_MAX - 1 + *(uint8_t *)arena;", "runtime error"),
    ],
)
def test_host_sanitizers_stop_at_a_fault(line: str, report: str) -> None:
    if all("ziglang" in cc for cc in native.host_compilers()):
        pytest.skip("ziglang's compiler has no AddressSanitizer")
    faulty = library(f"void prog_run(void *arena)\n{{\n    {line}\n}}")
    run_host(library(SUM), INPUTS[:1], sanitize=True)
    with pytest.raises(CompileError, match=report) as caught:
        run_host(faulty, np.full((1, 8), 9, np.uint8), sanitize=True)
    assert caught.value.id == "E802"


def test_host_without_a_working_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyc.run.host.host_compilers", lambda: iter(()))
    with pytest.raises(CompileError, match="E703"):
        run_host(library(SUM), INPUTS)


def test_memories_end_where_the_board_says(tmp_path: Path) -> None:
    """The image of a board with less RAM than the linker believed stops at its end."""
    built = image(SUM, "mps2_an386", tmp_path / "out")
    ram = replace_ram(built.board, 1024)
    error = _refused(replace(built, board=ram), INPUTS[:1])
    assert error.id == "E802" and "Invalid memory" in str(error)
    elsewhere = replace_ram(built.board, 4096, 0x2000_0100)
    assert "1024" in _refused(replace(built, board=elsewhere), INPUTS[:1]).hint


def replace_ram(board, size: int, origin: int = 0x2000_0000):
    new = {"size": size, "origin": origin}
    memory = tuple(m.model_copy(update=new) if m.kind == "ram" else m for m in board.memory)
    return board.model_copy(update={"memory": memory})


class _Garbage:
    """Part of a cycle, which only a collection ends."""

    def __init__(self, place: Path) -> None:
        self.place, self.itself = place, self

    def __del__(self) -> None:
        with self.place.open("a") as file:
            file.write(f"{os.getpid()}\n")


def _begun() -> int:
    forks.begin()
    gc.collect()
    return os.getpid()


def test_a_forked_process_leaves_what_its_parent_threw_away(tmp_path: Path) -> None:
    """Ending it may wait for a lock of a thread that was not forked."""
    place = tmp_path / "ended"
    gc.disable()
    try:
        _Garbage(place)
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            child = pool.submit(_begun).result()
    finally:
        gc.enable()
    gc.collect()
    ended = place.read_text().split()
    assert str(os.getpid()) in ended and str(child) not in ended

"""Where arena and weights lie: by the settings, or by themselves where one memory is too small."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import unicorn
from mailbox_machine import Machine
from test_build import toy

from tinyc.cli.app import execute
from tinyc.emit.emitter import ConstantArray
from tinyc.errors import CompileError
from tinyc.image.build import BuildOptions, build
from tinyc.image.mailbox import INBOX, OUTBOX, Batch
from tinyc.image.placement import RESERVED, place
from tinyc.ir import interpret
from tinyc.pipeline import compile_model
from tinyc.run import emulators, run
from tinyc.target.boards import Board, Memory, load_board


def memory(name: str, kind: str, origin: int, size: int) -> Memory:
    return Memory(name=name, kind=kind, origin=origin, size=size)


@pytest.fixture
def board() -> Board:
    """A Cortex-M4 with two memories of each kind."""
    memories = (
        memory("FLASH", "flash", 0x0800_0000, 0xA000),
        memory("FLASH2", "flash", 0x0900_0000, 0x8000),
        memory("RAM", "ram", 0x2000_0000, 0x2000),
        memory("RAM2", "ram", 0x2200_0000, 0x8000),
    )
    return load_board("stm32").model_copy(update={"memory": memories})


def test_an_arena_takes_the_first_ram_that_it_fits(board: Board) -> None:
    assert place(toy(arena=0x2000 - RESERVED), board).arena.name == "RAM"
    assert place(toy(arena=0x2001 - RESERVED), board).arena.name == "RAM2"
    # What fits nowhere is refused by the linker, with the memory's name.
    assert place(toy(arena=0x9000), board).arena.name == "RAM"


def test_weights_fill_memories_in_order(board: Board) -> None:
    sizes = enumerate((8, 6001, 7000, 50))
    library = replace(toy(), arrays=tuple(ConstantArray(f"w{i}", "int8_t", n, 1) for i, n in sizes))
    found = place(library, board, None, ["RAM", "FLASH2", "FLASH"]).weights
    # RAM has 8192 bytes, without those reserved and the arena: 6128; the largest one is too large.
    assert dict(found) == {"FLASH2": ("w2",), "RAM": ("w0", "w1", "w3")}
    assert dict(place(library, board).weights) == {}
    small = place(library, board, None, ["RAM"]).weights
    assert dict(small) == {"RAM": ("w0", "w1", "w2", "w3")}


@pytest.mark.slow
def test_weights_are_split_over_flash_memories(board: Board, tmp_path: Path) -> None:
    arrays = [ConstantArray(f"toy_{name}", "int32_t", 4096, 4) for name in ("one", "two", "three")]
    text = "#include <stdint.h>\n"
    text += "".join(f"extern {a.declaration};\n{a.declaration} = {{1}};\n" for a in arrays)
    code = "extern const int32_t toy_one[4096], toy_two[4096], toy_three[4096];\n"
    use = "    const float y = (float)(toy_one[a[0]] + toy_two[a[0]] + toy_three[a[0]]) + "
    files = dict(toy().files)
    files["src/toy_weights.c"] += text
    files["src/toy.c"] = files["src/toy.c"].replace("__attribute__", f"{code}__attribute__", 1)
    files["src/toy.c"] = files["src/toy.c"].replace("    const float y = ", use)
    library = replace(toy(), files=files, arrays=(*toy().arrays, *arrays))
    image = build(library, board, None, tmp_path / "out")
    homes = {n: image.symbols[f"toy_{n}"][0] >> 24 for n in ("one", "two", "three")}
    assert sorted(homes.values()) == [8, 8, 9]
    assert image.used["FLASH2"] == 16384
    assert 2 * 16384 < image.used["FLASH"] < 0xA000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gcc", "clang"])
def test_what_lies_in_other_memories_runs_the_same(
    kind: str, data_folder: Path, tmp_path: Path
) -> None:
    """The arena and most weights in core-coupled RAM, copied there at start-up."""
    if kind == "gcc":
        pytest.importorskip("shutil").which("arm-none-eabi-gcc") or pytest.skip("no GCC")
    board = load_board("stm32f429")
    compiled = compile_model(data_folder / "mlperf-tiny" / "kws.tflite", board)
    image = build(
        compiled.c_library, board, kind, tmp_path / "out",
        BuildOptions("test", arena="CCM", weights=["CCM", "FLASH"]),
    )  # fmt: skip
    ccm = next(m for m in board.memory if m.name == "CCM")
    arrays = [n for n in image.symbols if n.endswith(("_weights", "_packed", "_table"))]
    inside = [n for n in arrays if ccm.origin <= image.symbols[n][0] < ccm.end]
    assert inside and ccm.origin <= image.symbols["arena"][0] < ccm.end
    assert image.used["CCM"] > compiled.plan.arena_bytes > image.used["RAM"]
    # Copies cost flash as well; RAM counts all that is writable.
    assert image.flash_bytes == image.used["FLASH"]
    assert image.ram_bytes == image.used["CCM"] + image.used["RAM"]
    x = np.random.default_rng(3).integers(-128, 128, (2, 1, 49, 10, 1), np.int8)
    trace = run(image, x.reshape(2, -1).view(np.uint8))
    graph = compiled.graph
    for row, sample in zip(trace.outputs, x, strict=True):
        assert row.tobytes() == interpret(graph, [sample])[graph.outputs[0]].tobytes()


class Controller:
    """The flexible memory controller's SDRAM side beside a board in Unicorn: the memory is ready
    when the commands were given in the order of RM0090 37.7.3, a refresh rate was set, and the
    MPU was turned on. early, late: accesses to it before and after."""

    SDCMR, SDRTR, MPU_CTRL = 0xA000_0150, 0xA000_0154, 0xE000_ED94

    def __init__(self, machine: Machine, memory: Memory) -> None:
        self.commands, self.refresh, self.ready = [], 0, False
        self.early = self.late = 0
        for register in (self.SDCMR, self.SDRTR, self.MPU_CTRL):
            machine.uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, self._write, None, register, register)
        access = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
        machine.uc.hook_add(access, self._access, None, memory.origin, memory.end - 1)

    def _write(self, _uc: object, _kind: int, at: int, _size: int, value: int, _d: object) -> None:
        if at == self.SDCMR:
            self.commands.append(value & 7)
        elif at == self.SDRTR:
            self.refresh = value >> 1 & 0x1FFF
        elif self.commands == [1, 2, 3, 4] and self.refresh and value == 5:
            self.ready = True

    def _access(self, *_: object) -> None:
        self.early += not self.ready
        self.late += self.ready


@pytest.mark.parametrize("name", ["stm32f429", "stm32f7"])
def test_an_external_memory_is_started_before_it_is_filled(
    name: str, tiny_model: Path, tmp_path: Path
) -> None:
    board = load_board(name)
    sdram = next(m for m in board.memory if m.name == "SDRAM")
    compiled = compile_model(tiny_model, board)
    graph = compiled.graph
    image = build(
        compiled.c_library, board, None, tmp_path / "out",
        BuildOptions("test_mailbox", arena="SDRAM", weights=["SDRAM"]),
    )  # fmt: skip
    assert image.used["SDRAM"] > compiled.plan.arena_bytes
    text = (tmp_path / "out" / "port" / "board.c").read_text()
    turns = re.findall(r"/\* 100 us: .*\n +\{TINYC_PAUSE, 0, 0, (\d+)U\},", text)
    assert turns == [str(board.clock.hz // 10_000)]

    shape = graph.inputs[0].type.shape
    x = np.random.default_rng(5).integers(-128, 128, (3, *shape), np.int8)
    expected = np.stack([interpret(graph, [s])[graph.outputs[0]].reshape(-1) for s in x])
    batch = Batch(x.reshape(3, -1).view(np.uint8), expected.view(np.uint8))
    machine = Machine(board, {"inbox": (INBOX, 0x1000), "outbox": (OUTBOX, 0x1000)})
    controller = Controller(machine, sdram)
    machine.load(image.elf)
    machine.write(INBOX, batch.pack())
    machine.run()
    assert controller.early == 0 and controller.late > 0
    assert " 0 mismatches, " in machine.console, machine.console


@pytest.mark.slow
def test_external_memory_in_qemu(tiny_model: Path, tmp_path: Path) -> None:
    """From reset, over the UART; QEMU's FPGA image needs no start of its memory."""
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    board = load_board("mps3_an524")
    compiled = compile_model(tiny_model, board)
    graph = compiled.graph
    image = build(
        compiled.c_library, board, None, tmp_path / "out",
        BuildOptions(emulators()["qemu"].main, arena="DDR", weights=["DDR"]),
    )  # fmt: skip
    ddr = next(m for m in board.memory if m.name == "DDR")
    assert ddr.origin <= image.symbols["arena"][0] < ddr.end
    assert image.used["DDR"] > compiled.plan.arena_bytes
    x = np.random.default_rng(6).integers(-128, 128, (2, *graph.inputs[0].type.shape), np.int8)
    trace = run(image, x.reshape(2, -1).view(np.uint8), "qemu")
    for row, sample in zip(trace.outputs, x, strict=True):
        assert row.tobytes() == interpret(graph, [sample])[graph.outputs[0]].tobytes()


def test_a_board_without_use_for_its_external_memory_leaves_it_alone(
    tiny_model: Path, tmp_path: Path
) -> None:
    compiled = compile_model(tiny_model, load_board("stm32f7"))
    build(compiled.c_library, load_board("stm32f7"), None, tmp_path / "out")
    assert "FMC" not in (tmp_path / "out" / "port" / "board.c").read_text()


def test_settings(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = f'model = "{tiny_model}"\nboard = "stm32f429"\n[placement]\narena = "CCM"\n'
    (tmp_path / "tinyc.toml").write_text(settings)
    assert execute(["build"]) == 0
    report = json.loads(next(tmp_path.rglob("report.json")).read_text())["build"]
    used = {m["name"]: m["used_bytes"] for m in report["memories"]}
    assert used["CCM"] == report["arena_bytes"] and used["FLASH"] == report["flash_bytes"]
    assert sum(used.values()) == report["flash_bytes"] + report["ram_bytes"]


@pytest.mark.parametrize(
    ("arena", "weights", "complaint"),
    [
        ("FLASH", [], "placement.arena: FLASH is flash; use one of RAM, CCM"),
        (
            "DTCM",
            [],
            "placement.arena: stm32f4_discovery has no memory DTCM; use one of FLASH",
        ),
        (None, ["ram"], "placement.weights: stm32f4_discovery has no memory ram"),
    ],
)
def test_wrong_places(arena: str | None, weights: list[str], complaint: str) -> None:
    with pytest.raises(CompileError) as error:
        place(toy(), load_board("stm32"), arena, weights)
    assert error.value.exit_code == 2 and complaint in str(error.value)


def test_a_wrong_key_names_the_right_one(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tinyc.toml").write_text('[placement]\nweigths = ["RAM"]\n')
    assert execute(["build", str(tiny_model), "--board", "stm32"]) == 2
    assert "unknown key 'placement.weigths'; did you mean 'weights'?" in capsys.readouterr().err

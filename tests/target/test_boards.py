"""All board files at once: what a new board's TOML must satisfy."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT
from pydantic import ValidationError

from tinyc import config
from tinyc.cli import app as cli
from tinyc.errors import CompileError, CompileErrors
from tinyc.target.boards import (
    Board,
    Memory,
    Names,
    Pause,
    Step,
    all_boards,
    load_board,
    read_facts,
)

FILES = sorted((ROOT / "boards").glob("*.toml"))
CHIPS = sorted((ROOT / "boards" / "chips").glob("*.toml"))
CORES = sorted((ROOT / "boards" / "cores").glob("*.toml"))


def test_every_file_is_a_board() -> None:
    assert [b.name for b in all_boards()] == [f.stem for f in FILES]
    assert {b.core.name for b in all_boards()} == {f.stem for f in CORES}


@pytest.mark.parametrize("board", all_boards(), ids=lambda b: b.name)
def test_board(board: Board) -> None:
    # Armv7-M ARM B3.1: code below 0x20000000, SRAM below 0x40000000, peripherals above.
    assert board.flash.end <= 0x2000_0000 <= board.ram.origin < board.ram.end <= 0x4000_0000
    console = board.console
    fields = [f for c in (console.transmit, console.receive) for f in (c.ready, c.clear) if f]
    for address, mask, value in fields:
        assert is_peripheral(address) and address % 4 == 0
        assert value & ~mask == 0
    steps = [*board.clock.setup, *console.setup]
    steps += board.counter.setup if board.counter else ()
    steps += [s for m in board.memory for s in m.setup]
    assert all(is_peripheral(step.at) for step in steps if isinstance(step, Step))
    for memory in board.memory:
        assert is_memory(memory)
    parts = ("qemu", "debug", "renode", "counter", "boot2", "waits", "power")
    stated = {"memory", "clock", "console", *(k for k in parts if getattr(board, k))}
    stated |= {"names"} if board.names != Names() else set()
    assert stated == set(board.sources)
    assert board.core.float_abi == ("hard" if "fpu" in board.core.features else "soft")


def is_peripheral(address: int) -> bool:
    """Of the chip (0xA0000000: ST's controller of external memory), or (Armv7-M ARM B3.1) of the
    core itself."""
    ranges = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 0xA000_1000), (0xE000_0000, 0xE010_0000))
    return any(low <= address < high for low, high in ranges)


def is_memory(memory: Memory) -> bool:
    """Whether words may lie there as they like: where the address map (Armv7-M ARM B3.1) says so,
    or where the MPU does, by a normal region of just that range (B3.5.8, B3.5.9, B3.1.3)."""
    ranges = ((0, 0x4000_0000), (0x6000_0000, 0xA000_0000))
    if any(low <= memory.origin and memory.end <= high for low, high in ranges):
        return True
    mpu = {s.set: s.value for s in memory.setup if isinstance(s, Step) and s.set}
    attributes, last = mpu["MPU_RASR"], list(mpu)[-1]
    size = 2 << (attributes >> 1 & 31)
    tex, cb = attributes >> 19 & 7, attributes >> 16 & 3
    normal = (tex, cb) in {(0, 2), (0, 3), (1, 0), (1, 3)}
    readable = attributes >> 24 & 7 == 3
    return (
        mpu["MPU_RBAR"] == memory.origin | 0x10 and size == memory.size and normal and readable
        and attributes & 1 == 1 and (last, mpu[last]) == ("MPU_CTRL", 5)
    )  # fmt: skip


# What the last letter of ST's part numbers says of the flash, in KB (the data sheets' "Ordering
# information").
FLASH_CODES = {"8": 64, "B": 128, "Z": 192, "C": 256, "E": 512, "G": 1024, "I": 2048}
ST = [b for b in all_boards() if "(STM32" in b.title]


@pytest.mark.parametrize("board", ST, ids=lambda b: b.name)
def test_flash_is_what_the_part_number_says(board: Board) -> None:
    part = re.search(r"\(STM32\w+?[A-Z](\w)\)", board.title)
    flash = sum(m.size for m in board.memory if m.kind == "flash" and not m.setup)
    assert part and flash == FLASH_CODES[part[1]] * 1024


def test_memories_lie_within_the_parts_that_pyocd_knows() -> None:
    pytest.importorskip("pyocd", reason="pyocd is not installed")
    from pyocd.target import TARGET

    known = {
        b.name: TARGET[b.debug.pyocd] for b in all_boards() if b.debug and b.debug.pyocd in TARGET
    }
    assert {"microbit", "nrf52840dk", "raspberry_pi_pico"} <= set(known)
    for name, target in known.items():
        for memory in load_board(name).memory:
            # Regions that follow each other count as one.
            at = memory.origin
            for region in sorted(target.MEMORY_MAP, key=lambda r: r.start):
                if region.type.name == memory.kind.upper() and region.start <= at <= region.end:
                    at = region.end + 1
            assert at >= memory.end, (name, memory)


@pytest.mark.parametrize("file", CHIPS, ids=lambda f: f.stem)
def test_every_chip_is_on_a_board(file: Path) -> None:
    extended = [tomllib.loads(f.read_text()).get("extends") for f in (*FILES, *CHIPS)]
    assert f"chips/{file.name}" in extended or file.name in extended


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"set": None}, "either sets a register or waits"),
        ({"wait": "SR"}, "either sets a register or waits"),
        ({"mask": 1, "value": 2}, "outside of the mask"),
        ({"at": 0x4000_0002}, "not aligned"),
        ({"why": "on"}, "why"),
        ({"width": 64}, "width"),
    ],
    ids=str,
)
def test_wrong_steps_are_refused(change: dict, complaint: str) -> None:
    right = {"set": "CR1", "at": 0x4000_0000, "mask": 3, "value": 2, "why": "UE: on (RM0090 1.2)"}
    Step.model_validate(right)
    with pytest.raises(ValidationError, match=complaint):
        Step.model_validate(right | change)


def test_pauses_and_steps_are_told_apart() -> None:
    why = "as it wants (RM0090 1.2)"
    step = {"wait": "SR", "at": 0x4000_0000, "mask": 1, "value": 0, "why": why}
    memory = {"name": "SDRAM", "kind": "ram", "origin": 0x6000_0000, "size": 1024}
    setup = Memory.model_validate({**memory, "setup": [step, {"pause": 100, "why": why}]}).setup
    assert [type(s) for s in setup] == [Step, Pause]
    for wrong in ({"pause": 0, "why": why}, {"pause": 1}, {**step, "pause": 1}):
        with pytest.raises(ValidationError):
            Memory.model_validate({**memory, "setup": [wrong]})


def test_names_and_aliases_are_unique() -> None:
    names = Counter(n for b in all_boards() for n in (b.name, *b.aliases))
    assert set(names.values()) == {1}
    assert load_board("stm32") is load_board("stm32f4") is load_board("stm32f4_discovery")


@pytest.mark.parametrize(
    ("name", "near"),
    [("stm32f4_discover", "stm32f4_discovery"), ("STM32", "stm32"), ("mps2-an385", "mps2_an385")],
)
def test_unknown_board_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(CompileError) as error:
        load_board(name)
    assert error.value.exit_code == 2
    assert near in str(error.value)


def test_unlike_any_board() -> None:
    with pytest.raises(CompileError, match="`tinyc boards` lists them"):
        load_board("\n" * 10_000)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"colour": "red"}, "colour"),
        ({"clock": {"hz": 0}}, "clock.hz"),
        ({"clock": {"hz": "fast"}}, "clock.hz"),
        ({"console": {"transmit": {"ready": [1, 2], "data": 0}}}, "console.transmit.ready"),
        ({"memory": []}, "flash and ram"),
        (
            {
                "memory": [
                    {"name": "A", "kind": "flash", "origin": 0, "size": 16},
                    {"name": "B", "kind": "ram", "origin": 15, "size": 16},
                ]
            },
            "overlap",
        ),
        (
            {"renode": {"platform": "platforms/x.repl", "uart": "u", "add": ["CCM"]}},
            "has no memory CCM",
        ),
        (
            {
                "renode": {
                    "platform": "platforms/x.repl",
                    "uart": "u",
                    "attributes": {"nvic": {"systickFrequency": "1"}},
                }
            },
            "nvic is told of elsewhere",
        ),
        (
            {
                "renode": {
                    "platform": "platforms/x.repl",
                    "uart": "u",
                    "attributes": {"u": {"a": "false\n    init: x"}},
                }
            },
            "attributes.u.a",
        ),
        ({"waits": {"states": 5, "error": 4, "line": 12}}, "line: 12 is no power of two"),
        ({"waits": {"states": 5, "error": 4, "miss": 9}}, "miss: there is no cache"),
        (
            {"waits": {"states": 5, "error": 4, "cache": {"bytes": 240, "ways": 5}}},
            "cache: its sets are no power of two",
        ),
        ({"waits": {"states": 5}}, "waits.error"),
        ({"power": {"milliwatts": 0, "volts": 3, "error": 5}}, "power.milliwatts"),
    ],
    ids=lambda x: x if isinstance(x, str) else next(iter(x)),
)
def test_wrong_facts_are_refused(change: dict, complaint: str) -> None:
    facts = read_facts(FILES[0])
    board = next(b for b in all_boards() if b.name == facts["name"])
    with pytest.raises(ValidationError, match=complaint):
        Board.model_validate({**facts, "core": board.core, **change})


# A board of the user's own -----------------------------------------------------------------


def own(folder: Path, text: str, name: str = "mine.toml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_board_of_ones_own_file(tmp_path: Path, tiny_model: Path, monkeypatch, capsys) -> None:
    text = (ROOT / "boards" / "nucleo_g0b1re.toml").read_text()
    # Neither its names nor where its facts are from need be told.
    text = "\n".join(text.partition("[sources]")[0].splitlines()[3:])
    monkeypatch.chdir(tmp_path)
    own(tmp_path, text.replace("size = 0x2_4000", "size = 0x1_0000"), "My-Board.toml")
    command = [str(tiny_model), "--board", "./My-Board.toml", "--json", "-q"]
    assert cli.execute(["build", *command]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["board"] == "my_board" and report["memories"][1]["size_bytes"] == 0x1_0000
    assert (tmp_path / "build" / "my_board" / "tiny" / "tiny.elf").is_file()
    assert cli.execute(["test", *command, "--samples", "2"]) == 0
    # In the settings its path is relative to them.
    (tmp_path / "settings").mkdir()
    (tmp_path / "My-Board.toml").rename(tmp_path / "settings" / "b.toml")
    (tmp_path / "settings" / "tinyc.toml").write_text('board = "b.toml"\n')
    settings = config.load({}, tmp_path / "settings")
    assert load_board(settings.board).name == "b"


def test_an_own_board_extends_one_beside_it_or_one_of_tinyc(tmp_path: Path) -> None:
    board = load_board(own(tmp_path, 'extends = "stm32f405.toml"\n[clock]\nhz = 1_000_000\n'))
    assert (board.clock_hz, board.core.name, board.name) == (1_000_000, "cortex-m4", "mine")
    middle = load_board(own(tmp_path, 'extends = "mine.toml"\ntitle = "Mine"\n', "next.toml"))
    assert (middle.clock_hz, middle.title, middle.name) == (1_000_000, "Mine", "next")
    whole = load_board(own(tmp_path, 'extends = "blue_pill.toml"\nname = "red"\n'))
    assert whole.memory == load_board("blue_pill").memory and whole.aliases == ()


@pytest.mark.parametrize(
    ("text", "id", "words"),
    [
        ('extends = "mine.toml"', "E246", "extends itself"),
        ('extends = "nope.toml"', "E246", "extends 'nope.toml', which is not there; name a file"),
        ("extends = 3", "E246", "extends 3, which is not there"),
        ('extends = "a\\u0000b"', "E246", "which is not there"),
        ("core = 3", "E247", "core: 3 is no core; use cortex-m0, "),
        ('extends = "blue_pill.toml"\ncore = "../cores/cortex-m0"', "E247", "is no core"),
        ('extends = "blue_pill.toml"\nmemory = 2', "E247", "memory: 2: Input should be"),
        ('extends = "blue_pill.toml"\ncolour = 2', "E247", "colour: 2: Extra inputs"),
        ('extends = "blue_pill.toml"\ntitle = "*/ int x;"', "E247", "title: holds a control"),
        ('extends = "blue_pill.toml"\nname = "../x"', "E247", "name: '../x': String should match"),
        ('core = "cortex-m4"', "E247", "clock: Field required"),
        ("core = ", "E209", "is not valid TOML"),
        ("x = " + 20_000 * "[", "E209", "is nested too deep"),
        ("#" * (1 << 20) + "#", "E209", "which are no settings"),
    ],
)
def test_a_wrong_board_of_ones_own(tmp_path: Path, text: str, id: str, words: str) -> None:
    with pytest.raises((CompileError, CompileErrors)) as caught:
        load_board(own(tmp_path, text))
    errors = getattr(caught.value, "errors", (caught.value,))
    assert errors[0].id == id and words in str(errors[0]) and "mine.toml" in errors[0].origin


def test_an_own_board_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="no such file"):
        load_board(str(tmp_path / "nope.toml"))

"""All board files at once: what a new board's TOML must satisfy."""

from __future__ import annotations

import tomllib
from collections import Counter

import pytest
from conftest import ROOT
from pydantic import ValidationError

from tinyc.boards import Board, Names, all_boards, load_board
from tinyc.errors import CompileError

FILES = sorted((ROOT / "boards").glob("*.toml"))
CORES = sorted((ROOT / "boards" / "cores").glob("*.toml"))


def test_every_file_is_a_board() -> None:
    assert [b.name for b in all_boards()] == [f.stem for f in FILES]
    assert {b.core.name for b in all_boards()} == {f.stem for f in CORES}


@pytest.mark.parametrize("board", all_boards(), ids=lambda b: b.name)
def test_board(board: Board) -> None:
    # Armv7-M ARM B3.1: code below 0x20000000, SRAM below 0x40000000, peripherals above.
    assert board.flash.end <= 0x2000_0000 <= board.ram.origin < board.ram.end <= 0x4000_0000
    for address, mask, value in (*board.console.setup, board.console.ready):
        assert 0x4000_0000 <= address < 0x6000_0000 and address % 4 == 0
        assert value & ~mask == 0
    stated = {"memory", "clock_hz", "console", *(k for k in ("qemu", "debug") if getattr(board, k))}
    stated |= {"names"} if board.names != Names() else set()
    assert stated == set(board.sources)
    assert board.core.float_abi == ("hard" if "fpu" in board.core.features else "soft")


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
        ({"clock_hz": 0}, "clock_hz"),
        ({"clock_hz": "fast"}, "clock_hz"),
        ({"console": {"setup": [], "ready": [1, 2], "data": 0}}, "console.ready"),
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
    ],
    ids=lambda x: x if isinstance(x, str) else next(iter(x)),
)
def test_wrong_facts_are_refused(change: dict, complaint: str) -> None:
    facts = tomllib.loads(FILES[0].read_text())
    board = next(b for b in all_boards() if b.name == facts["name"])
    with pytest.raises(ValidationError, match=complaint):
        Board.model_validate({**facts, "core": board.core, **change})

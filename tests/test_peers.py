"""What the page of peers states of tinyc is what the budgets hold, and what a board's file does."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
BUDGETS = {
    (row["model"].removesuffix(".tflite"), row["board"]): row
    for row in json.loads((ROOT / "tests" / "budgets.json").read_text())["rows"]
    if row["optimize"] == "balanced"
}
CORES = {"Cortex-M4": "stm32f4_discovery", "Cortex-M0+": "nucleo_g0b1re"}
BOARDS = {
    "NUCLEO-L4R5ZI": "nucleo_l4r5zi", "NUCLEO-U575ZI-Q": "nucleo_u575zi_q",
    "STM32F746G-DISCO": "stm32f746g_disco", "NUCLEO-G0B1RE": "nucleo_g0b1re",
}  # fmt: skip
MODELS = ("kws", "ic", "vww", "ad")


def _rows(columns: int) -> list[list[str]]:
    lines = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line] for line in lines]
    return [row for row in cells if len(row) == columns and re.search(r"\d", row[-1])]


def test_the_interpreter_stands_beside_the_budgets() -> None:
    rows = _rows(8)
    assert len(rows) >= 5
    for model, core, *numbers in rows:
        budget = BUDGETS[model, CORES[core]]
        ours = [int(n.replace(",", "")) for n in numbers[1::2]]
        ram = budget["ram_bytes"] - budget["stack_bytes"]
        assert ours == [budget["cycles"], budget["flash_bytes"], ram], (model, core)


def test_times_are_those_of_the_boards_files() -> None:
    """The published ones to the digits that the page has, of tinyc those that have a budget."""
    board, checked = "", 0
    for place, engine, *times in _rows(6):
        board = BOARDS[place.split(",")[0]] if place else board
        if engine.startswith("tinyc"):
            clock = tomllib.loads((ROOT / "boards" / f"{board}.toml").read_text())["clock"]["hz"]
            for model, time in zip(MODELS, times, strict=True):
                known = BUDGETS.get((model, board), {}).get("board_cycles")
                if known:
                    assert float(time) == pytest.approx(known / clock * 1e3, rel=5e-3)
                    checked += 1
            continue
        points = tomllib.loads((ROOT / "boards" / "silicon" / f"{board}.toml").read_text())[
            "points"
        ]
        for model, time in zip(MODELS, times, strict=True):
            best = min(
                point["milliseconds"] for point in points
                if point["name"].startswith(f"{model}, {engine.split()[0]}")
            )  # fmt: skip
            assert float(time) == pytest.approx(best, rel=5e-3), (board, engine, model)
            checked += 1
    assert checked == 4 * (2 + 2 + 1 + 1 + 1)

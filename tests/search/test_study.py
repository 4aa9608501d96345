"""The engine of searches, on networks that cost nothing: what is tried, kept, resumed and found."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from toy import FAILS, Toy, evaluate, searched

from tinyc.errors import CompileError
from tinyc.search import front
from tinyc.search.front import Bounds, Measured, chosen, pareto
from tinyc.search.measure import Figures
from tinyc.search.network import Block, Network
from tinyc.search.recipe import Recipe, load
from tinyc.search.study import Found, Point, Status
from tinyc.search.workers import at_work

pytest.importorskip("optuna")


def shown(found: Found) -> list[Any]:
    """What of a search does not depend on where it was."""
    return [(p.text, p.digest, p.figures) for p in pareto(found.points)]


def computed(folder: Path) -> Counter[str]:
    return Counter((folder.parent / f"{folder.name}.log").read_text().splitlines())


def test_a_search_tells_failures_and_trains_what_earns_it(tmp_path: Path) -> None:
    seen: list[Status] = []
    found = searched(tmp_path / "a", 40, watch=seen.append)
    assert found.complete and found.points and found.estimated
    assert {error["id"] for _, error in found.failed} == {"E361"}
    assert all(text.startswith("c3x3:7-") for text, _ in found.failed)
    assert seen[-1].done == seen[-1].total == 40 and seen[-1].front
    counts = computed(tmp_path / "a")
    assert max(counts.values()) == 1
    assert sum(line.endswith("False") for line in counts) == len(found.points)
    for point in found.points:
        assert (point.folder / "model.tflite").read_bytes() == point.text.encode()
        recipe = load(point.folder / "recipe.toml")
        assert recipe.result is not None
        assert Toy().digest(recipe.model_copy(update={"result": None})) == point.digest


def test_what_is_over_its_bounds_is_not_trained(tmp_path: Path) -> None:
    found = searched(tmp_path / "a", bounds=Bounds(max_flash=2000))
    assert found.points and found.estimated
    assert all(point.figures.flash_bytes <= 2000 * 1.02 for point in found.points)


def test_a_search_that_is_killed_goes_on(tmp_path: Path) -> None:
    """At several moments, also while results and journal are being written."""
    whole = searched(tmp_path / "whole")
    folder = tmp_path / "killed"
    for moment in (1, 8, 14):
        child = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/search/toy.py"), str(folder)], cwd=ROOT
        )
        log = tmp_path / "killed.log"
        until = time.monotonic() + 60
        while time.monotonic() < until and child.poll() is None:
            if log.exists() and len(log.read_text().splitlines()) >= moment:
                break
            time.sleep(0.02)
        child.kill()
        child.wait()
    with open(folder / "journal.log", "ab") as file:
        file.write(b'{"op_code": 4, "half')
    if not (lock := folder / "journal.log.lock").is_symlink():
        lock.symlink_to("journal.log")
    found = searched(folder)
    assert shown(found) == shown(whole) and found.estimated == whole.estimated
    counts = computed(folder)
    assert counts.keys() == computed(tmp_path / "whole").keys()
    # What was at work when it was killed is computed again, and nothing else.
    assert sum(counts.values()) <= len(counts) + 3


def test_a_stopped_search_goes_on_to_the_same(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole")
    first = searched(tmp_path / "parts", seconds=0.05, pause=0.02)
    assert not first.complete
    assert shown(searched(tmp_path / "parts")) == shown(whole)


def test_one_search_at_a_time(tmp_path: Path) -> None:
    def within(jobs: Any, until: Any) -> Any:
        searched(tmp_path / "a")
        yield from ()

    with pytest.raises(CompileError, match="another search") as error:
        searched(tmp_path / "a", run=within)
    assert error.value.id == "E816"


@pytest.mark.slow
def test_two_workers_find_what_one_finds(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    alone = searched(tmp_path / "one")
    with at_work(2, None, evaluate) as run:
        together = searched(tmp_path / "two", run=run)
    assert shown(alone) == shown(together) and alone.failed == together.failed


def test_what_failed_is_not_tried_again(tmp_path: Path) -> None:
    """Neither where a later generation asks for the same, nor where the search goes on."""

    class Fails(Toy):
        def suggest(self, trial: Any) -> Recipe:
            stem = FAILS if trial.number % 3 else 8 + trial.number
            network = Network(stem=stem, blocks=[Block(filters=1)])
            return super().suggest(trial).model_copy(update={"network": network})

    first = searched(tmp_path / "a", 16, toy=Fails())
    again = searched(tmp_path / "a", 24, toy=Fails())
    assert [text for text, _ in first.failed] == ["c3x3:7-c3x3:1"] and again.failed == first.failed
    assert again.complete and len(again.points) > len(first.points)
    assert computed(tmp_path / "a")["c3x3:7-c3x3:1 True"] == 1


def test_the_search_is_named_by_its_bounds(tmp_path: Path) -> None:
    """Other bounds ask for other trials, whose results are known where they are the same."""
    searched(tmp_path / "a", 16)
    before = computed(tmp_path / "a")
    searched(tmp_path / "a", 16, bounds=Bounds(max_ram=600))
    assert computed(tmp_path / "a") == before


# The front -----------------------------------------------------------------------------------


def point(text: str, right: float, flash: int, ram: int, cycles: int, fits: bool = True) -> Point:
    figures = Figures(right, None, flash, ram, cycles, cycles, flash, fits)
    return Point(text, text, figures, Path(text))


POINTS = [
    point("large", 0.95, 1000, 100, 1000),
    point("small", 0.80, 400, 100, 900),
    point("quick", 0.90, 900, 150, 300),
    point("worse", 0.79, 400, 100, 900),
    point("twin", 0.80, 400, 100, 900),
]


def test_the_front_is_what_no_other_beats() -> None:
    assert [p.text for p in pareto(POINTS)] == ["small", "quick", "large"]


@pytest.mark.parametrize(
    ("goal", "bounds", "text"),
    [
        ("flash", Bounds(), "small"),
        ("flash", Bounds(min_accuracy=0.85), "quick"),
        ("latency", Bounds(max_ram=120), "small"),
        ("ram", Bounds(min_accuracy=0.92), "large"),
        ("extreme", Bounds(), "small"),
        ("balanced", Bounds(), "small"),
    ],
)
def test_goals(goal: front.Goal, bounds: Bounds, text: str) -> None:
    assert chosen(pareto(POINTS), bounds, goal).text == text


def test_a_few_cycles_weigh_no_whole_accuracy() -> None:
    near = [point("wrong", 0.35, 400, 100, 15_414), point("right", 1.0, 400, 100, 15_422)]
    for points in (near, near[::-1]):
        assert chosen(pareto(points), Bounds(), "balanced").text == "right"
    alike = [point("a", 0.950, 400, 100, 1000), point("b", 0.9501, 800, 100, 1000)]
    assert chosen(pareto(alike), Bounds(), "balanced").text == "a"


def test_a_bound_that_nothing_reaches_says_how_near_it_came() -> None:
    told = {
        "small, takes 400 bytes of flash for 390": Bounds(max_flash=390),
        "large, has accuracy 0.9500 for 0.9600": Bounds(min_accuracy=0.96),
        "quick, takes 300 cycles for 290": Bounds(max_cycles=290),
    }
    for text, bounds in told.items():
        with pytest.raises(CompileError, match=text) as error:
            chosen(pareto(POINTS), bounds, "balanced")
        assert error.value.id == "E363"
    large: Measured = point("too large", 1.0, 1, 1, 1, fits=False)
    with pytest.raises(CompileError, match="does not fit the board"):
        chosen([large], Bounds(), "flash")

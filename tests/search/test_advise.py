"""What `tinyc advise` says of a model: its facts on a board, and the ways in their order."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ROOT

from tinyc import config
from tinyc.search import advise
from tinyc.search.advise import BALANCED, EXTREME, Facts, Limits, facts, questions
from tinyc.target.boards import load_board

BOARD = "stm32f4_discovery"
MODEL = str(ROOT / "recipes" / "digits-int8.tflite")


def figures(flash: int, cycles: int, accuracy: float) -> dict[str, Any]:
    costs = {"flash_bytes": flash, "ram_bytes": 8_000, "cycles": cycles}
    return {"m4": {**costs, "accuracy": accuracy}}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of one network: the balanced way halves, the extreme one quarters flash alone."""
    rows = {
        "int8": figures(1000, 1000, 0.9),
        BALANCED: figures(500, 500, 0.89),
        EXTREME: figures(250, 1000, 0.85),
    }
    monkeypatch.setattr(advise, "measured", lambda: {"digits": rows})


def some(**others: Any) -> Facts:
    limits = others.pop("limits", Limits(60_000, 50_000, None))
    given: dict[str, Any] = {
        "model": "m.h5", "board": load_board(BOARD), "parameters": 90_000, "macs": 10**7,
        "binary": 0, "flash_bytes": 100_000, "ram_bytes": 20_000, "cycles": 10**7, "fits": True,
        "trainable": True, "floating": True, "dense": False, "limits": limits,
    }  # fmt: skip
    return Facts(**{**given, **others})


def test_ways_that_keep_the_limits_come_first_the_least_loss_of_them_ahead(known: None) -> None:
    first, second, *rest = advise.advise(some())
    assert (first.way.name, first.flash_bytes, first.cycles) == ("balanced", 50_000, 5_000_000)
    assert (second.way.name, second.flash_bytes, second.accuracy) == ("extreme", 25_000, -0.05)
    assert [way.reaches for way in (first, second, *rest)] == [True, True, False, False]
    assert first.command.startswith("tinyc compress m.h5 -b stm32f4_discovery")


def test_where_nothing_keeps_them_the_smallest_comes_first(known: None) -> None:
    first, *_ = advise.advise(some(limits=Limits(10_000, 50_000, None)))
    assert first.way.name == "extreme" and not first.reaches


def test_a_network_far_over_a_limit_is_to_go() -> None:
    answers = dict(questions(some(limits=Limits(10_000, 50_000, 5_000_000))))
    assert answers["Can the architecture stay?"].startswith("no: it is 10.0 times over")
    assert "2.00 times the limit of 5,000,000" in answers["How long does it take?"]
    assert answers["How much flash?"] == "100,000 of 10,000 bytes, 90,000 too many"


@pytest.mark.slow
def test_facts_are_those_of_the_firmware_also_where_it_does_not_fit() -> None:
    fits = facts(config.given({"model": MODEL, "board": BOARD}, "test"), None)
    large = str(ROOT / "recipes" / "cifar10-int8.tflite")
    small = facts(config.given({"model": large, "board": "blue_pill"}, "test"), 10**6)
    assert fits.fits and not fits.over() and fits.cycles > fits.macs / 2
    assert fits.parameters == 3 * 3 * (1 * 32 + 32 * 64 + 64 * 64) + 64 * 10
    assert not fits.trainable and not fits.floating
    few = facts(config.given({"model": MODEL, "board": BOARD, "max_flash": 30_000}, "test"), None)
    assert few.over() == {"flash": few.flash_bytes / 30_000} and few.fits
    assert not small.fits and small.limits == Limits(65536, 20480, 10**6)
    assert small.over().keys() >= {"flash", "cycles"} and small.flash_bytes > 100_000

"""The committed models of recipes/compress/: what they cost, and that this is what recipes say."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import DATA, ROOT

from tinyc import config
from tinyc.compress.keras.base import Data
from tinyc.compress.keras.chain import parse
from tinyc.search import data as datas
from tinyc.search.measure import Figures, measure
from tinyc.search.recipe import load

FOLDER = ROOT / "recipes" / "compress"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
BOARD = "stm32f4_discovery"
IMAGES_AT = DATA / "cifar10"


def told(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def measured(path: Path, data: Data | None = None) -> Figures:
    return measure(path, config.given({"board": BOARD}, "test"), data)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_one_and_its_file_is_small(name: str) -> None:
    recipe = load(FOLDER / f"{name}.toml")
    assert parse(recipe.with_) and recipe.result is not None
    content = (FOLDER / f"{name}.tflite").read_bytes()
    assert hashlib.sha256(content).hexdigest() == recipe.result.sha256
    assert len(content) == recipe.result.file_bytes < 150_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_firmware_costs_what_the_recipe_says(name: str) -> None:
    found, result = measured(FOLDER / f"{name}.tflite").facts, told(name)["result"]
    for key in ("flash_bytes", "ram_bytes", "cycles"):
        assert abs(found[key] / result[key] - 1) < 0.02, key


@pytest.mark.slow
def test_smaller_networks_are_as_much_smaller_as_they_are_to_be() -> None:
    whole = measured(ROOT / "recipes" / "cifar10-int8.tflite")
    slim, int4 = (measured(FOLDER / f"cifar10-{name}.tflite") for name in ("slim", "int4"))
    assert slim.flash_bytes <= 0.60 * whole.flash_bytes
    assert slim.cycles and whole.cycles and slim.cycles <= 0.60 * whole.cycles
    assert int4.flash_bytes <= 0.62 * whole.flash_bytes
    assert int4.cycles and int4.cycles <= whole.cycles


@pytest.mark.slow
@pytest.mark.skipif(not IMAGES_AT.exists(), reason=f"no CIFAR-10 in {IMAGES_AT}")
def test_accuracy_is_that_of_the_recipes_and_within_a_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYC_DATA", str(DATA))
    data = datas.load("cifar10", (32, 32, 3), tmp_path, (-1.0, 1.0))
    whole = tomllib.loads((ROOT / "recipes" / "cifar10-int8.toml").read_text())
    before = whole["result"]["accuracy"]
    for name in ("cifar10-slim", "cifar10-int4"):
        after = measured(FOLDER / f"{name}.tflite", data).accuracy
        assert after is not None and after == told(name)["result"]["accuracy"]
        assert before - after <= 0.01

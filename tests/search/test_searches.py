"""``tinyc compress`` as a search, from a Keras model to a front whose points repeat to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.cli.app import execute
from tinyc.search.network import Block, Network, build

BOARD = "stm32"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model and data: bars that stand or lie."""
    pytest.importorskip("tensorflow_model_optimization")
    pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 240)
    x = rng.normal(0, 0.1, (240, 6, 6, 1)).astype(np.float32)
    for image, kind, place in zip(x, y, rng.integers(0, 6, 240), strict=True):
        image[place, :] += 1 - kind
        image[:, place] += kind
    np.savez("bars.npz", x=x, y=y)
    network = Network(stem=4, blocks=[Block(filters=8, stride=2)])
    build(network, (6, 6, 1), 2, seed=1).save("m.h5")
    return tmp_path


def compress(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = execute(["compress", *words, "--board", BOARD, "--json", "-q"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_search_and_a_point_of_its_front(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["m.h5", "--data", "bars.npz", "--with", "finetune", "--epochs", "10"]
    asked += ["--batch", "16", "--learning-rate", "0.01", "--trials", "3", "--workers", "2"]
    code, result = compress(capsys, *asked, "--min-accuracy", "0.9")
    assert code == 0 and result["complete"] and not result["failed"]
    best = next(point for point in result["front"] if point["chosen"])
    assert best["text"] == "finetune" and best["figures"]["accuracy"] >= 0.9
    folder = here / "build/compress/m/search"
    assert json.loads((folder / "front.json").read_text())["front"] == result["front"]
    page = (folder / "report.html").read_text()
    assert page.count("<circle") >= len(result["front"]) and "cycles before" in page

    # In a process of its own, and elsewhere.
    recipe = folder / best["folder"] / "recipe.toml"
    command = [sys.executable, "-m", "tinyc.cli", "compress", str(recipe), "-o", "again", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    again = json.loads(done.stdout)
    assert again["repeats"] is True and again["sha256"] == best["sha256"]
    model = (folder / "m.tflite").read_bytes()
    assert (here / "again/compress/m/m.tflite").read_bytes() == model

    # Everything is known already, and nothing keeps such a bound.
    code, failure = compress(capsys, *asked, "--max-flash", "1K")
    assert code == 3 and failure["errors"][0]["id"] == "E363"
    assert "bytes of flash for 1,024" in failure["errors"][0]["what"]


BARS = """\
title = "Bars"
data = "bars.npz"
board = "stm32"
trials = 3
[space]
stem = [4]
stages = 1
depth = [1, 2]
filters = [4, 8]
[training]
batch = 16
learning_rate = 0.01
[supernet]
epochs = 12.0
"""


def search(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code = execute(["search", *words, "--json", "-q"])
    result = json.loads(capsys.readouterr().out)
    assert code == 0 and result["complete"] and not result["failed"], result
    return {point["text"]: point for point in result["front"]}


@pytest.mark.slow
def test_a_supernet_is_cut_for_two_boards_by_one_worker_or_two(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "bars.toml").write_text(BARS)
    first = search(capsys, "bars.toml", "--workers", "1")
    supernet = here / "build/search/bars/supernet.npz"
    trained = supernet.read_bytes()
    asked = ["--from", str(supernet), "--board", "microbit", "--trials", "3"]
    other = search(capsys, *asked, "--workers", "1")
    together = search(capsys, *asked, "--workers", "2", "-o", "two")
    assert supernet.read_bytes() == trained

    # The same networks, other firmware; and the same of two processes to the bit.
    assert {path.name for path in (here / "build/search/bars").iterdir()} == {
        "stm32", "microbit", "supernet.npz",
    }  # fmt: skip
    both = first.keys() & other.keys()
    assert both
    for text in both:
        assert first[text]["sha256"] == other[text]["sha256"]
        m4, m0 = first[text]["figures"], other[text]["figures"]
        assert m4["accuracy"] == m0["accuracy"] > 0.8
        assert m0["cycles"] > 1.5 * m4["cycles"] and m0["flash_bytes"] != m4["flash_bytes"]
    assert together == other
    page = (here / "two/search/bars/microbit/report.html").read_text()
    assert "Networks on microbit" in page and page.count("<circle") >= len(together)

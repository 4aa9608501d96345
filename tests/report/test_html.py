"""The page of a build: what it holds, by itself; and in a browser, where one is installed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_tiny
from html_page import Balanced

import tinyc
from tinyc.errors import CompileError
from tinyc.report import drawing
from tinyc.report.html import page
from tinyc.report.pages import find
from tinyc.report.shown import _drawn
from tinyc.report.verdicts import Verdict

MOST_BYTES = 600_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("page")
    firmware = tinyc.compile(write_tiny(folder / "net.tflite"), "stm32f4_discovery", max_flash=1000)
    rng = np.random.default_rng(1)
    x = rng.integers(-128, 128, (12, 4, 4, 2), np.int8)
    firmware.test({"x": x, "y": np.arange(12) % 3})
    firmware.profile()
    _ = firmware.sizes
    return firmware


def _text(built: Any) -> str:
    return page(built.sections, built.verdicts())


def test_a_page_needs_nothing_but_itself(built: Any) -> None:
    text = _text(built)
    parser = Balanced()
    parser.feed(text)
    assert not parser.open
    assert all(where.startswith(("#", "data:")) for where in parser.fetched)
    assert not re.search(r"https?:|@import|url\(", text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {where[1:] for where in parser.fetched if where[0] == "#"} <= set(ids)
    assert len(text.encode()) < MOST_BYTES


def test_the_verdict_comes_first_with_its_numbers(built: Any) -> None:
    text, flash = _text(built), built.sizes.flash_bytes
    assert text.index("FAIL") < text.index("<h2")
    assert f"E602: flash {flash:,} is over the budget of 1,000 by {flash - 1000:,}" in text
    assert "bit_exact" in text and "12 of 12 samples" in text


def test_each_layer_is_told_of(built: Any) -> None:
    text, report = _text(built), built.sections
    for layer, counted in zip(report["build"]["layers"], report["profile"]["layers"], strict=True):
        for part in ("time", "weights", "kernels"):
            assert f">{layer['name']}</th>" in text.split(f'id="{part}"')[1].split("<section")[0]
        assert layer["kernel"] in text and f"<td>{counted['cycles']:,}</td>" in text
        assert f"<td>{counted['cycles'] / counted['macs']:.2f}</td>" in text
    for call in report["build"]["calls"]:
        assert call["function"].replace("'", "&#39;") in text
    assert sum(call["bytes"] for call in report["build"]["calls"]) == built.sizes.stack_bytes
    for memory in report["build"]["memories"]:
        assert sum(part["bytes"] for part in memory["parts"]) == memory["used_bytes"]


def test_the_arena_is_drawn_as_the_plan_has_it(built: Any) -> None:
    build = built.sections["build"]
    drawn = drawing.arena(build)
    assert drawn is not None
    alive = [p["buffer"]["bytes"] for p in drawn["at_peak"]]
    assert sum(map(drawing.aligned, alive)) - drawn["shared"] == build["arena"]["peak_bytes"]
    for piece in drawn["pieces"]:
        assert piece["buffer"]["offset"] + piece["buffer"]["bytes"] <= build["arena_bytes"]
        assert piece["y"] >= 0 and piece["y"] + piece["height"] <= drawn["bottom"] + 1
        assert "%" not in piece["name"]
    assert {"input input", "conv"} <= {piece["name"] for piece in drawn["pieces"]}


def test_a_graph_goes_from_above_to_below(built: Any) -> None:
    drawn = drawing.graph(built.sections["build"])
    rows = {box["title"]: box["row"] for box in drawn["boxes"]}
    assert rows == {"input input": 0, "0 conv": 1, "1 scores": 2, "output scores": 3}
    assert len(drawn["paths"]) == 3


def test_classes_and_the_worst_samples_are_shown(built: Any) -> None:
    text = _text(built).split('id="outputs"')[1].split("<section")[0]
    (port,) = built.sections["test"]["outputs"]
    for one in port["classes"]:
        assert f"<td>{one['recall']:.4f}</td>" in text
    cells = re.findall(r'<td class="heat[^>]*>(\d+)</td>', text)
    assert [int(c) for c in cells] == [n for row in port["confusion"] for n in row]
    assert f"<td>{port['accuracy']:.4f}</td><td>{port['reference_accuracy']:.4f}</td>" in text
    shown = built.sections["test"]["worst"]["samples"]
    drawn = text.count("<img ") + text.count('class="curve"')
    assert shown and drawn == sum(len(sample["inputs"]) for sample in shown)
    assert f"sample {shown[0]['index']}, is {shown[0]['label']}, taken for" in text


def test_inputs_are_pictures_where_they_have_two_axes() -> None:
    def drawn(*shape: int) -> dict[str, Any]:
        values = np.arange(np.prod(shape), dtype=float).tolist()
        return _drawn({"name": "x", "shape": list(shape), "values": values})

    assert drawn(4, 5, 3)["shape"] == drawn(4, 5, 1)["shape"] == drawn(1, 4, 5)["shape"] == (4, 5)
    assert drawn(6)["points"].count(",") == drawn(6, 1)["points"].count(",") == 6
    assert drawn(2, 2, 2)["points"].count(",") == 8


def test_the_stages_of_a_verification_are_shown(built: Any) -> None:
    stage = {
        "stage": "read", "by": "numpy", "against": None, "compared": "", "verdict": "start",
        "mismatches": 0, "largest_deviation": None, "agreement": None, "relative_l2_error": None,
    }  # fmt: skip
    wrong = {**stage, "stage": "host", "against": "read", "verdict": "FAIL", "mismatches": 3}
    layer = {
        "name": "conv", "op": "Conv2d", "what": "differs by 2", "kernel": "conv2d_s8",
        "index": [1, 2], "expected": 4.0, "found": 6.0, "mismatches": 3, "elements": 64,
    }  # fmt: skip
    verify = {
        "samples": 10, "data": None, "stages": [stage, wrong], "failed": "host", "layer": layer,
        "operands": "verify/conv.npz",
    }  # fmt: skip
    text = page({**built.sections, "verify": verify})
    part = text.split('id="stages"')[1].split("</section")[0]
    assert part.count("badge fail") == 1 and "<b>conv</b>" in part
    assert "at 1, 2 it is 6 in the place of 4, 3 of 64 elements" in part and "conv.npz" in part
    assert "tinyc verify" not in text and "tinyc verify" in page(built.sections)


def test_a_build_alone_says_what_could_be_measured(built: Any) -> None:
    text = page({"build": built.sections["build"]})
    assert "Nothing is expected of this build" in text and 'id="time"' not in text
    assert "tinyc profile MODEL --board stm32f4_discovery" in text
    assert "tinyc test MODEL --board stm32f4_discovery --data" in text


def test_what_a_model_calls_things_is_no_html(built: Any) -> None:
    evil = json.loads(json.dumps(built.sections).replace('"conv"', '"<script>x</script>"'))
    text = page(evil, [Verdict("<u>", "<u>", CompileError("E602", "a", "<u>"))])
    assert text.count("<script>") == 1  # the page's own
    assert "<u>" not in text and text.count("&lt;u&gt;") == 3


def test_a_picture_is_a_png() -> None:
    pixels = np.linspace(0, 1, 4 * 5 * 3).reshape(4, 5, 3)
    assert drawing.picture(pixels).startswith("data:image/png;base64,iVBOR")
    points = drawing.curve([0.0, 1.0, 0.5]).split()
    assert points == ["2.0,118.0", "100.0,2.0", "198.0,60.0"]


def test_the_page_of_a_build_is_found(tmp_path: Path) -> None:
    older, newer = (tmp_path / "board" / name / "report" / "report.html" for name in "ab")
    for age, path in enumerate((newer, older)):
        path.parent.mkdir(parents=True)
        path.write_text("<html>")
        os.utime(path, (1000 - age, 1000 - age))
    assert find(tmp_path, latest=True) == newer
    for given in (newer, newer.parent, newer.parent.parent):
        assert find(given) == newer
    with pytest.raises(CompileError, match="has no report"):
        find(tmp_path)

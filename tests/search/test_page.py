"""The page of a compression: its plot, its models, its layers before and after."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from conftest import ROOT
from html_page import Balanced

from tinyc import config
from tinyc.search.layers import Layer, layers, paired
from tinyc.search.measure import opened
from tinyc.search.network import NOTATION
from tinyc.search.page import Point, page

LAYER = Layer("conv", "conv2d_s8_halves", (64, 3, 3, 64), 8, 0.02, 200, 37_000, 2_400_000)


def point(text: str, accuracy: float | None, flash: int, chosen: bool = False) -> Point:
    facts = {"accuracy": accuracy, "flash_bytes": flash, "ram_bytes": 9_000, "cycles": 16_000_000}
    return Point(text, facts, chosen)


def test_a_page_shows_the_front_and_each_layer_before_and_after() -> None:
    points = [point("int8", 0.83, 116_000), point("channels:0.3,<int4>", 0.825, 52_000, True)]
    after = replace(LAYER, bits=4, bytes=18_500, kernel="conv2d_s4_dsp")
    text = page("resnet8", points, [LAYER], [after], sensitive={"conv": 0.0041})
    parser = Balanced()
    parser.feed(text)
    assert not parser.open and not parser.fetched and "http" not in text
    assert "channels:0.3,&lt;int4&gt;" in text and "<int4>" not in text
    assert "37,000" in text and "18,500" in text and "+0.0041" in text
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', text)
    (x1, y1), (x2, y2) = (map(float, c) for c in circles)
    assert x2 < x1 and y2 > y1  # smaller is to the left, less accurate is lower


def test_without_accuracy_there_is_no_plot() -> None:
    text = page("ad", [point("int8", None, 270_000)], [], [])
    assert "<svg" not in text and "270,000" in text


def test_what_was_searched_has_nothing_before_it() -> None:
    points = [point("c3x3:8-s3x3:16/2", 0.95, 9_000, True), point("c3x3:8-c3x3:32/2", 0.97, 12_000)]
    text = page("digits on stm32", points, [], [LAYER], NOTATION)
    parser = Balanced()
    parser.feed(text)
    assert not parser.open and text.count("<circle") == 2 and NOTATION in text
    assert "before" not in text.lower() and "2,400,000" in text and "64x3x3x64" in text
    assert "Layers" not in page("digits on stm32", points, [], [])


def test_what_reproduces_its_inputs_is_shown_by_its_error() -> None:
    facts = [{**point("ad", None, 9_000 * n).facts, "error": 0.5 / n} for n in (1, 2)]
    text = page("ad", [Point("int8", facts[0]), Point("prune", facts[1], True)], [], [])
    (x1, y1), (x2, y2) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', text)
    assert "Error over flash" in text and "accuracy" not in text.lower() and "0.25" in text
    assert float(x1) < float(x2) and float(y1) < float(y2)  # a smaller error is lower


def test_layers_without_a_twin_stand_alone() -> None:
    first, second, new = (replace(LAYER, name=name) for name in ("a", "b", "b_2"))
    assert paired([first, second], [second, new]) == [(second, second), (None, new), (first, None)]


@pytest.mark.slow
def test_layers_of_a_model_are_named_and_measured() -> None:
    model = ROOT / "recipes" / "digits-int8.tflite"
    found = layers(opened(model, config.given({"board": "stm32f4_discovery"}, "test")))
    assert [layer.shape[-1] for layer in found] == [1, 32, 64, 64]
    assert all(layer.bits == 8 and layer.cycles and layer.bytes for layer in found)
    assert found[1].name.startswith("conv2d") and found[-1].name.startswith("dense")

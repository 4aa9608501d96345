"""Layers that are alike share one body, and compute and count as if each had its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_passes import convolution, graph, value

from tinyc.emit.emitter import emit
from tinyc.image.build import BuildOptions, build
from tinyc.ir import Graph, Quant, interpret
from tinyc.plan import plan
from tinyc.run import emulators, run
from tinyc.target.boards import load_board

BOARD = "stm32f4_discovery"


def chain(layers: int, channels: int = 8) -> Graph:
    """Convolutions of one geometry; the zero points of what they give differ."""
    rng = np.random.default_rng(5)
    first = x = value("x", 1, 3, 5, channels)
    nodes = []
    for i in range(layers):
        weights = rng.integers(-127, 128, (channels, 1, 1, channels))
        node = convolution(x, weights, rng.integers(-500, 500, channels), f"layer{i}")
        y = node.output
        quant = Quant((0.06,), (-100 + 30 * i,))
        x = replace(y, type=replace(y.type, quant=quant))
        nodes.append(replace(node, outputs=(x,)))
    return graph([first], nodes, [x])


def test_layers_that_are_alike_share_a_body(tmp_path: Path) -> None:
    network, board = chain(3), load_board(BOARD)
    lowered = plan(network, board.core.title, board.core.features)
    library = emit(lowered)
    code = library.files["src/test.c"]
    assert code.count("tinyc_conv2d_s8_halves(") == 1
    assert code.count("test_conv2d_s8_halves_0(in, out, scratch, &layer);") == 3
    assert "layer->zero_point" in code and ".zero_point = -40," in code
    image = build(library, board, None, tmp_path / "out", BuildOptions(emulators()["unicorn"].main))
    x = np.random.default_rng(1).integers(-128, 128, (2, *network.inputs[0].type.shape), np.int8)
    symbols = [step.symbol for step in lowered.steps]
    trace = run(image, x.reshape(2, -1).view(np.uint8), profile=True, layers=symbols)
    expected = [interpret(network, [row])[network.outputs[0]] for row in x]
    np.testing.assert_array_equal(trace.outputs.view(np.int8), np.stack(expected).reshape(2, -1))
    # Each is charged with its own share of what they have in common.
    counts = [trace.layers[symbol].instructions for symbol in symbols]
    assert max(counts) - min(counts) < 100 < min(counts)


def test_a_layer_without_a_like_is_a_function_by_itself() -> None:
    board = load_board(BOARD)
    code = emit(plan(chain(1), board.core.title, board.core.features)).files["src/test.c"]
    assert "struct test_" not in code and "layer->" not in code


def test_a_template_may_only_print_what_varies(monkeypatch: pytest.MonkeyPatch) -> None:
    board = load_board(BOARD)
    lowered = plan(chain(2), board.core.title, board.core.features)
    steps = tuple(
        replace(step, kernel=replace(step.kernel, varying=("in_h",), template="pad.c.j2"))
        for step in lowered.steps
    )
    monkeypatch.setattr(
        "tinyc.emit.layers.render", lambda template, **values: str(1 if values["in_h"] else 0)
    )
    with pytest.raises(TypeError, match="tests in_h, in which layers may differ"):
        emit(replace(lowered, steps=steps))

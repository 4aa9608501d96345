"""The prices of kernels: what they foretell of layers, against the emulated core."""

from __future__ import annotations

import numpy as np
import pytest

from tinyc.kernels import cost
from tinyc.kernels.base import AIMS, Binding, Constant, Kernel
from tinyc.kernels.cost import CODE, PRODUCT, WORTH, core_of, priced, quicker
from tinyc.kernels.typical import convolution, dense, depthwise
from tinyc.target.boards import all_boards, load_board
from tinyc.tuning.costs import (
    CORES,
    Measurement,
    boards,
    error,
    measured,
    prices,
    written,
)

OFF = 0.15
"""How far a layer of ordinary sizes may be from what is foretold."""


HALVES, PLANAR = "conv2d_s8_halves", "depthwise_conv2d_s8_planar"


@pytest.mark.parametrize(
    ("node", "rows", "kernel"),
    [
        (convolution(9, 7, 32, 24, 1), None, HALVES),
        (convolution(7, 9, 16, 12, 3), None, HALVES),
        (convolution(8, 6, 32, 16, 1), 2, HALVES),
        (depthwise(11, 6, 24, 3), None, PLANAR),
        (depthwise(12, 6, 32, 3), 2, PLANAR),
        (dense(1, 96, 40), None, "fully_connected_s8_halves"),
    ],
)
def test_layers_cost_what_is_foretold(node, rows, kernel) -> None:
    """None of these was among those that were measured for the prices. Where this fails after a
    kernel has changed, `python -m tinyc.tuning.costs` measures its prices anew."""
    (board,) = boards(["Cortex-M4"])
    (point,) = measured(node, board, rows, only=kernel)
    price = priced(kernel, "Cortex-M4")
    assert price is not None
    assert abs(error(point, price)) < OFF, (point, error(point, price))


def test_prices_are_found_again() -> None:
    rng = np.random.default_rng(0)
    real = {"product": 1.25, "output": 12.5, "call": 300.0}
    points = []
    for i in range(12):
        work = {name: int(rng.integers(100, 9000)) for name in (*real, "pixel")}
        cycles = round(sum(real.get(name, 0) * count for name, count in work.items()))
        points.append(Measurement("kernel", str(i), cycles, work))
    found = prices(points)
    assert {name: found[name] for name in real} == pytest.approx(real, rel=1e-3)
    assert found.get("pixel", 0) < 0.01  # which costs nothing
    text = written({"Cortex-M4": points}, "a compiler")
    assert "[Cortex-M4.kernel]" in text and "layers = 12" in text


def test_every_core_has_prices() -> None:
    assert set(PRODUCT) == set(CORES)
    for name in ("nucleo_g0b1re", "mps2_an385", "stm32f4_discovery", "nucleo_h753zi"):
        core = load_board(name).core
        assert core_of(core.title, core.features) == core.title
    assert core_of("Cortex-M85", frozenset({"dsp", "thumb2"})) == "Cortex-M4"
    assert core_of("Cortex-M0", frozenset({"armv6m"})) == "Cortex-M0+"


def test_what_was_not_measured_has_a_price_on_each_core() -> None:
    cores = {core_of(b.core.title, frozenset(b.core.features)) for b in all_boards()}
    assert cores <= PRODUCT.keys()


def candidate(name: str, size: int, code: int = 0) -> Kernel:
    """With so many bytes of constants and of code."""
    binding = Binding(constants=(Constant("weights", np.zeros(size, np.int8), ""),), code=code)
    return Kernel(name, "", frozenset(), lambda node: None, lambda node: binding)


def test_bytes_have_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is optimized; differences as small as the code that another kernel takes have none,
    neither way."""
    node, taken = convolution(8, 8, 64, 64, 3), {"first": 2.4e6}

    def choice(optimize: str, second: Kernel, cycles: float) -> str:
        taken["second"] = cycles
        found, binding = quicker(node, [first, second], "Cortex-M4", optimize)
        assert binding is not None and binding is found.bind(node)
        return found.name

    monkeypatch.setattr(cost, "priced", lambda name, core: {"rms": 0})
    monkeypatch.setattr(cost, "cycles", lambda node, kernel, *_: taken[kernel.name])
    first = candidate("first", 36864)
    half = candidate("second", 18432)
    chosen = {aim: choice(aim, half, 2.4e6 * 1.05) for aim in AIMS}
    assert chosen == {aim: "first" if aim == "speed" else "second" for aim in AIMS}
    assert choice("balanced", half, 2.4e6 * 1.1) == "first"
    assert choice("flash", half, 24e6) == "second"
    coded = candidate("second", 18432, 18432 + CODE)  # what it saves of constants, its code takes
    for other in (candidate("second", 36864 - CODE), candidate("second", 36864 + CODE), coded):
        for aim in AIMS:
            assert choice(aim, other, 2.4e6 - WORTH) == "first"
            assert choice(aim, other, 2.4e6 - WORTH - 1) == "second"
    large = candidate("second", 36864 + CODE + 1)
    assert choice("speed", large, 2.3e6) == "second"
    assert choice("flash", large, 2.3e6) == "first"


def test_what_is_unpriced_or_alone_is_not_bound_for_its_price() -> None:
    def refuse(node: object) -> Binding:
        raise AssertionError("bound")

    node = convolution(8, 8, 64, 64, 3)
    unpriced = Kernel("unpriced", "", frozenset(), lambda node: None, refuse)
    known = Kernel(HALVES, "", frozenset(), lambda node: None, refuse)
    for kernels in ([unpriced, known], [known]):
        assert quicker(node, kernels, "Cortex-M4", "balanced") == (kernels[0], None)

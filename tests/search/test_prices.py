"""What a search knows of layers at some bits: measured once, kept, and of no other model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from blobs import blobs

from tinyc.compress.keras.base import Price, Training, Work
from tinyc.errors import CompileError
from tinyc.search import prices
from tinyc.search.prices import BITS, Priced, measured
from tinyc.search.sensitivity import sensitivity
from tinyc.settings import Config

SETTINGS = Config(board="stm32f4_discovery", optimize="flash")


@pytest.fixture
def work() -> Work:
    """A dense layer that is worth halving, and one that is hardly."""
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(1)
    image = tf_keras.Input((4,))
    x = tf_keras.layers.Dense(256, activation="relu", name="hidden")(image)
    x = tf_keras.layers.Dense(3, activation="softmax", name="scores")(x)
    return Work(tf_keras.Model(image, x), blobs(), Training())


@pytest.mark.slow
def test_layers_are_measured_at_each_number_of_bits(work: Work) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    before = work.model.get_weights()
    found = measured(work, SETTINGS)
    assert {name: tuple(layer) for name, layer in found.items()} == {"hidden": BITS, "scores": BITS}
    assert all((a == b).all() for a, b in zip(before, work.model.get_weights(), strict=True))
    rounded = sensitivity(work, BITS[1:])
    for name, layer in found.items():
        losses = [layer[bits].loss for bits in BITS]
        assert (
            losses == [0, rounded[name][4].loss, rounded[name][2].loss] and losses[1] != losses[2]
        )
        assert all(price.cycles > 0 for price in layer.values())
    hidden, scores = found["hidden"], found["scores"]
    # Of 4 x 256 weights at least half, less tables; and half of that.
    assert hidden[8].flash - hidden[4].flash >= 400
    assert hidden[4].flash - hidden[2].flash >= 200
    assert hidden[8].flash > scores[8].flash and hidden[8].cycles > scores[8].cycles


def test_prices_are_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    known = {"conv": {8: Price(0.0, 100, 1000), 4: Price(0.25, 60, 1100)}}

    def counted(*asked: Any) -> Any:
        calls.append(asked)
        return known

    monkeypatch.setattr(prices, "measured", counted)
    file = tmp_path / "search" / "prices.json"

    def priced(digest: str) -> Priced:
        return Priced(Work(None, blobs(), Training()), SETTINGS, file, digest)

    first = priced("a")
    assert not calls and not file.exists()  # until they are asked for
    assert first() == first() == known and len(calls) == 1
    assert priced("a")() == known and len(calls) == 1
    assert priced("b")() == known and len(calls) == 2  # of another model, or board
    for damaged in ('{"digest": "b", "lay', '{"digest": "b", "layers": {"conv": {"8": {}}}}', "[]"):
        file.write_text(damaged)
        assert priced("b")() == known
        assert json.loads(file.read_text())["digest"] == "b"
    assert len(calls) == 5


@pytest.mark.slow
def test_what_does_not_fit_has_no_prices(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow_model_optimization")

    def refused(id: str) -> Any:
        def layers(project: Any) -> Any:
            raise CompileError(id, "model", "is refused")

        return layers

    monkeypatch.setattr(prices, "layers", refused("E401"))
    assert measured(work, SETTINGS) == {}
    monkeypatch.setattr(prices, "layers", refused("E815"))
    with pytest.raises(CompileError, match="is refused"):
        measured(work, SETTINGS)

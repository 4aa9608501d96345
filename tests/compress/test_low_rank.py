"""Layers that are split by their singular values: what they compute, and what they save."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effects import BOARD, effect, squares, trained

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Training, Work
from tinyc.compress.keras.splits import kinds, split
from tinyc.errors import CompileError
from tinyc.target.boards import load_board


def of_rank(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Weights [3, 3, 16, 24] of which a split of ``kind`` and rank 4 leaves everything."""
    inputs, outputs, r = 16, 24, 4
    if kind == "spatial":
        return np.einsum(
            "hir,wro->hwio", rng.normal(size=(3, inputs, r)), rng.normal(size=(3, r, outputs))
        )
    first = rng.normal(size=(inputs, r)) if kind != "output" else np.eye(inputs)
    last = rng.normal(size=(r, outputs)) if kind != "input" else np.eye(outputs)
    core = rng.normal(size=(3, 3, first.shape[1], last.shape[0]))
    return np.einsum("ir,hwrs,so->hwio", first, core, last)


@pytest.mark.parametrize("kind", ["output", "input", "spatial", "tucker"])
def test_weights_of_a_low_rank_are_split_without_loss(kind: str, rng: np.random.Generator) -> None:
    weights = of_rank(kind, rng).astype(np.float32)
    assert kind in kinds(weights)
    left, parts = split(weights, kind, 0.999999)
    assert left > 0.999999 and {p.shape[-1] for p in parts[:-1]} == {4}
    _, fewer = split(weights, kind, 4)
    assert [p.shape for p in fewer] == [p.shape for p in parts]
    noise = rng.normal(size=(3, 3, 16, 24)).astype(np.float32)
    for told in (0.3, 0.6):
        left, parts = split(noise, kind, told)
        assert told <= left < 1 and all(p.shape[-1] % 4 == 0 for p in parts[:-1])


def network(padding: str, strides: Any, dilation: int) -> Any:
    """Convolutions whose weights are of rank 4, each by another kind of split, and a dense layer
    of rank 4."""
    tf_keras = pytest.importorskip("tf_keras")
    keras, rng = tf_keras.layers, np.random.default_rng(2)
    image = tf_keras.Input((14, 17, 16))
    branches = []
    for kind in ("output", "input", "spatial", "tucker"):
        x = keras.Conv2D(
            24, 3, padding=padding, strides=strides, dilation_rate=dilation, activation="relu",
            name=kind,
        )(image)  # fmt: skip
        branches.append(keras.BatchNormalization()(x))
    x = keras.GlobalAveragePooling2D()(keras.Concatenate()(branches))
    x = keras.Dense(40, activation="tanh", name="hidden")(x)
    model = tf_keras.Model(image, keras.Dense(5, name="scores")(x))
    for kind in ("output", "input", "spatial", "tucker"):
        layer = model.get_layer(kind)
        layer.set_weights([of_rank(kind, rng) / 8, rng.normal(size=24)])
    model.get_layer("hidden").kernel.assign(
        rng.normal(size=(96, 4)) @ rng.normal(size=(4, 40)) / 20
    )
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("padding", "strides", "dilation"),
    [("same", 2, 1), ("valid", 3, 1), ("valid", 1, 2)],
)
def test_a_split_network_computes_the_same(padding: str, strides: Any, dilation: int) -> None:
    model = network(padding, strides, dilation)
    work = Work(model, squares(20), Training(epochs=0))
    for kind, names in {
        "output": ["output", "output_low"],
        "input": ["input", "input_low"],
        "spatial": ["spatial", "spatial_low"],
        "tucker": ["tucker", "tucker_low", "tucker_low_2"],
    }.items():
        others = ":".join(
            f"{name}=0" for name in ("output", "input", "spatial", "tucker") if name != kind
        )
        text = f"low_rank:0.999999:by=bytes:split={kind}:{others}"
        (made,) = chain.run(chain.parse(text), work)
        found = {layer.name for layer in made.model.layers}
        assert found - {layer.name for layer in model.layers} == {*names[1:], "hidden_low"}
        x = np.random.default_rng(5).normal(size=(3, 14, 17, 16)).astype(np.float32)
        first, second = model(x).numpy(), made.model(x).numpy()
        assert np.ptp(first) > 0.1 and np.abs(first - second).max() < 1e-4


@pytest.mark.parametrize(
    ("text", "id", "what"),
    [
        ("low_rank:1", "E209", "'1' is no energy"),
        ("low_rank:0.9:hidden=2.5", "E209", "is no hidden"),
        ("low_rank:0.9:hiden=8", "E362", "no layer 'hiden'"),
        ("low_rank:0.9:by=cycles", "E361", "no board is named"),
    ],
)
def test_what_cannot_be_split_is_told(text: str, id: str, what: str) -> None:
    with pytest.raises(CompileError, match=what) as error:
        work = Work(network("same", 1, 1), squares(20), Training(epochs=0))
        list(chain.run(chain.parse(text), work))
    assert error.value.id == id and error.value.hint


@pytest.mark.slow
def test_split_layers_are_smaller_and_quicker_on_the_core(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(3)
    keras = tf_keras.layers
    image = tf_keras.Input((8, 8, 3))
    x = keras.Conv2D(32, 3, strides=2, padding="same", activation="relu")(image)
    x = keras.Conv2D(64, 3, padding="same", activation="relu", name="wide")(x)
    x = keras.Dense(128, activation="relu", name="hidden")(keras.Flatten()(x))
    model = tf_keras.Model(image, keras.Dense(5, activation="softmax", name="scores")(x))
    work = trained(model, squares())
    work = replace(work, core=load_board(BOARD).core)
    before, after = effect(work, "low_rank:0.5:wide=16:hidden=8:scores=0", tmp_path)
    # wide: 32 x 16 x 9 + 16 x 64 of 32 x 64 x 9 weights; hidden: 8 x (1024 + 128) of 1024 x 128.
    assert after.flash_bytes < 0.3 * before.flash_bytes
    assert after.cycles is not None and after.cycles < 0.5 * before.cycles
    assert before.accuracy > 0.9 and after.accuracy > 0.9

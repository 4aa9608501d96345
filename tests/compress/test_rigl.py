"""RigL: how many weights there are where, how they move, and what is left of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effects import TRAINING, effect, squares, trained

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Training, Work, kernel
from tinyc.compress.keras.rigl import RigL, densities, moved_mask
from tinyc.errors import CompileError


def network() -> Any:
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(3)
    keras = tf_keras.layers
    image = tf_keras.Input((8, 8, 3))
    x = keras.Conv2D(16, 3, padding="same", activation="relu", name="first")(image)
    x = keras.DepthwiseConv2D(3, padding="same", activation="relu", name="deep")(x)
    x = keras.Conv2D(32, 3, padding="same", activation="relu", name="wide")(x)
    x = keras.Flatten()(keras.MaxPooling2D(2)(x))
    return tf_keras.Model(image, keras.Dense(5, activation="softmax", name="scores")(x))


def test_the_smallest_weights_move_to_the_largest_gradients() -> None:
    mask = np.float32([1, 1, 1, 1, 0, 0, 0])
    weights = np.float32([0.1, -3, 2, -0.2, 9, 9, 9])
    gradients = np.float32([9, 9, 9, 9, 1, -3, 2])
    assert moved_mask(mask, weights, gradients, 0.5).tolist() == [0, 1, 1, 0, 0, 1, 1]
    assert moved_mask(mask, weights, gradients, 0.25).tolist() == [0, 1, 1, 1, 0, 1, 0]
    assert moved_mask(mask, weights, gradients, 1).tolist() == [0, 1, 0, 0, 1, 1, 1]
    assert moved_mask(mask, weights, gradients, 0.1).tolist() == mask.tolist()


@pytest.mark.slow
def test_layers_share_what_weights_there_are() -> None:
    model = network()
    count = {n: kernel(model.get_layer(n)).numpy().size for n in ("first", "wide", "scores")}
    found = densities(model, RigL(sparsity=0.9))
    assert set(found) == set(count)
    total = sum(found[n] * count[n] for n in count)
    assert abs(total - 0.1 * sum(count.values())) < 1e-6 * total
    # Erdos-Renyi-Kernel: weights are as many as the sums of sizes.
    first, wide = (found[n] * count[n] for n in ("first", "wide"))
    assert first / wide == pytest.approx((3 + 3 + 3 + 16) / (3 + 3 + 16 + 32))
    some = densities(model, RigL(sparsity=0.3))
    assert some["first"] == 1 and max(some.values()) == 1
    total = sum(some[n] * count[n] for n in count)
    assert abs(total - 0.7 * sum(count.values())) < 1e-6 * total
    uniform = densities(model, RigL(sparsity=0.9, spread="uniform", layers={"scores": 0.5}))
    assert uniform == {"first": 1, "wide": pytest.approx(0.1), "scores": 0.5}


@pytest.mark.parametrize(
    ("text", "id", "what"),
    [("rigl:1", "E209", "'1' is no sparsity"), ("rigl:0.8:wise=0.5", "E362", "no layer 'wise'")],
)
def test_what_cannot_be_sparse_is_told(text: str, id: str, what: str) -> None:
    with pytest.raises(CompileError, match=what) as error:
        list(chain.run(chain.parse(text), Work(network(), squares(20), Training(epochs=0))))
    assert error.value.id == id and error.value.hint


@pytest.mark.slow
def test_weights_move_while_their_number_stays() -> None:
    work = Work(network(), squares(), replace(TRAINING, epochs=3))
    (made,) = chain.run(chain.parse("rigl:0.8:epochs=0"), work)
    start = kernel(made.model.get_layer("wide")).numpy() != 0
    for begin in ("weights", "scratch"):
        text = f"rigl:0.8:interval=5:begin={begin},finetune:1"
        *_, made = chain.run(chain.parse(text), replace(work, model=network()))
        weights = {n: kernel(made.model.get_layer(n)).numpy() for n in ("first", "wide", "scores")}
        zeros = sum((w == 0).sum() for w in weights.values())
        assert abs(zeros / sum(w.size for w in weights.values()) - 0.8) < 0.002
        moved = np.mean(start[weights["wide"] != 0] == 0)
        # Several changes of less than 0.3 each, but for those from places that are random.
        assert (0.05 < moved < 0.6) if begin == "weights" else moved > 0.6


@pytest.mark.slow
def test_sparse_training_makes_firmware_smaller_and_quicker(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(3)
    keras = tf_keras.layers
    image = tf_keras.Input((8, 8, 3))
    x = keras.MaxPooling2D(2)(keras.Conv2D(32, 3, padding="same", activation="relu")(image))
    x = keras.Flatten()(keras.Conv2D(64, 1, activation="relu")(x))
    x = keras.Dense(64, activation="relu", name="hidden")(x)
    model = tf_keras.Model(image, keras.Dense(5, activation="softmax", name="scores")(x))
    before, after = effect(trained(model, squares()), "rigl:0.9:interval=5", tmp_path)
    assert before.accuracy > 0.9 and after.accuracy > 0.9
    assert after.flash_bytes < 0.4 * before.flash_bytes
    assert after.cycles is not None and after.cycles < 0.6 * before.cycles

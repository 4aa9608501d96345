"""Quantization-aware training: int8 throughout, and what was pruned and clustered stays so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from effects import effect, squares, trained
from keras_models import exact, stored
from keras_models import trained as of_digits

from tinyc.compress.keras import chain
from tinyc.compress.keras.qat import quantized
from tinyc.compress.keras.training import accuracy
from tinyc.errors import CompileError


@pytest.mark.slow
def test_zeros_and_clusters_reach_the_file(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    pytest.importorskip("tensorflow_model_optimization")
    tf_keras.utils.set_random_seed(3)
    keras = tf_keras.layers
    image = tf_keras.Input((8, 8, 3))
    x = keras.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)
    x = keras.ReLU()(keras.BatchNormalization(momentum=0.9)(x))
    # TFMOT leaves the weights of a convolution right before a ReLU to the converter.
    x = keras.ReLU()(keras.Conv2D(12, 3, strides=2, name="inner")(x))
    x = keras.Dense(5, activation="softmax", name="scores")(keras.Flatten()(x))
    work = trained(tf_keras.Model(image, x), squares())
    text = "prune:0.5:epochs=2,cluster:4:epochs=1,qat:1"
    before, after = effect(work, text, tmp_path, optimize="flash")
    path = tmp_path / "after.tflite"
    for name, rows in stored(path, work).items():
        assert np.mean(rows == 0) >= 0.499, name
        assert max(len(np.unique(row)) for row in rows) <= 4, name
    types = exact(path, work)
    assert types[:2] == ("int8", "int8") and types[2] == after.accuracy
    assert after.accuracy is not None and after.accuracy > 0.9
    assert after.flash_bytes < before.flash_bytes - 300
    assert after.cycles and before.cycles and after.cycles < 0.9 * before.cycles


@pytest.mark.slow
def test_roundings_are_learnt_and_nothing_can_follow() -> None:
    pytest.importorskip("tensorflow_model_optimization")
    work = of_digits(epochs=1)
    (made,) = chain.run(chain.parse("qat"), work)
    assert made.wrapped and accuracy(made.model, made) > 0.93
    for layer in made.model.layers:  # ranges follow the data, not where TFMOT starts
        if hasattr(layer, "quantizer_vars"):
            assert layer.quantizer_vars["min_var"].numpy() == -1
            assert layer.quantizer_vars["max_var"].numpy() == 1
    with pytest.raises(CompileError, match="qat, behind which nothing"):
        list(chain.run(chain.parse("finetune"), made))


@pytest.mark.slow
def test_layers_that_tfmot_has_not_stay_as_they_are() -> None:
    tf_keras = pytest.importorskip("tf_keras")
    pytest.importorskip("tensorflow_model_optimization")
    keras = tf_keras.layers
    image = tf_keras.Input((16, 4))
    x = keras.Conv1D(8, 3, name="line")(image)
    x = keras.Dense(4, name="scores")(keras.Flatten()(x))
    model = tf_keras.Model(image, x)
    made, left = quantized(model)
    assert left == ["line"]
    one = np.random.default_rng(2).normal(size=(5, 16, 4)).astype(np.float32)
    assert np.abs(made(one).numpy() - model(one).numpy()).max() < 0.5

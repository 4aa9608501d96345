"""A small network and data that it learns in a moment, for trainings in tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyc.compress.keras.base import Data


def blobs(classes: int = 3, count: int = 300) -> Data:
    """Points around the corners of a cube: easy, and different for each class."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, classes, count)
    x = (rng.normal(0, 0.3, (count, 4)) + np.eye(4)[y] * 2).astype(np.float32)
    return Data(x[50:], x[:50], y[50:], y[:50], classes=classes, name="blobs")


def dense(seed: int = 1, classes: int = 3) -> Any:
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(seed)
    layers = [tf_keras.layers.Dense(8, activation="relu", name="hidden")]
    layers.append(tf_keras.layers.Dense(classes, activation="softmax", name="scores"))
    model = tf_keras.Sequential(layers)
    model.build((None, 4))
    return tf_keras.Model(model.inputs, model.outputs)

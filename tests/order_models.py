"""Keras models of the tests whose inputs and outputs a converter puts into another order. Each
output is one input, or a layer of it, times a number of its own, so that none can be taken for
another."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

L = tf_keras.layers


def _dense(x: Any, name: str, factor: float) -> Any:
    """``factor`` times x."""
    layer = L.Dense(x.shape[-1], use_bias=False, name=name)
    y = layer(x)
    layer.set_weights([factor * np.eye(x.shape[-1], dtype=np.float32)])
    return y


def _inputs(*names: str) -> list[Any]:
    return [tf_keras.Input((3,), name=name) for name in names]


def _outputs(*names: str) -> Any:
    (x,) = _inputs("x")
    return tf_keras.Model(x, [_dense(x, name, i + 1) for i, name in enumerate(names)])


def zma() -> Any:
    return _outputs("z", "m", "a")


def maz() -> Any:
    return _outputs("m", "a", "z")


def amz() -> Any:
    return _outputs("a", "m", "z")


def three_inputs() -> Any:
    """Three of one shape, in an order that no sorting gives."""
    inputs = _inputs("mag", "gyro", "accel")
    parts = [_dense(x, f"d{3 - i}", 10.0**i) for i, x in enumerate(inputs)]
    return tf_keras.Model(inputs, L.Add(name="sum")(parts))


def both() -> Any:
    """Two inputs and three outputs, all of one shape."""
    b, a = _inputs("b", "a")
    return tf_keras.Model([b, a], [_dense(a, "y", 2), _dense(b, "w", 3), _dense(a, "n", 5)])


def nested() -> Any:
    """A model inside, which gives two outputs, called twice."""
    u, t = _inputs("u", "t")
    (x,) = _inputs("inner")
    inner = tf_keras.Model(x, [_dense(x, "q", 2), _dense(x, "p", 3)], name="twin")
    (first, second), (third, _) = inner(u), inner(t)
    return tf_keras.Model([u, t], [third, second, first])


def dictionaries() -> Any:
    """Inputs and outputs by keys, which are not the layers' names and are sorted otherwise."""
    q, b = _inputs("q", "b")
    outputs = {"yaw": _dense(q, "one", 2), "pitch": _dense(b, "two", 3)}
    return tf_keras.Model({"zulu": b, "alpha": q}, outputs)


def crossed() -> Any:
    """The keys of the outputs are the names of each other's layers."""
    (x,) = _inputs("x")
    return tf_keras.Model(x, {"two": _dense(x, "one", 2), "one": _dense(x, "two", 3)})


def sequence() -> Any:
    (x,) = _inputs("x")
    inner = tf_keras.Model(x, _dense(x, "d", 2))
    return tf_keras.Sequential([inner, L.Activation("relu", name="last")])


def shapes() -> Any:
    """Inputs of different shapes."""
    z = tf_keras.Input((3,), name="z")
    image = tf_keras.Input((2, 2, 3), name="image")
    return tf_keras.Model([z, image], L.Add(name="sum")([z, L.GlobalMaxPooling2D()(image)]))

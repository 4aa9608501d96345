"""The layers that AutoKeras puts before a network it has found, by Keras alone: its package goes
with few versions of Keras, and a file that names it would have it imported."""

from __future__ import annotations

from typing import Any

MODULE = "autokeras.keras_layers"
"""Where AutoKeras 3 has them."""
NAMES = ("Custom>CastToFloat32", "Custom>ExpandLastDim")
"""As which it registers them with Keras, which looks there before it imports anything."""


def custom_objects() -> dict[str, Any]:
    """Registered name -> the class that takes its place when a file is loaded."""
    import keras

    calls = (
        lambda self, inputs: keras.ops.cast(inputs, "float32"),
        lambda self, inputs: keras.ops.expand_dims(inputs, axis=-1),
    )
    return {
        name: type(name.removeprefix("Custom>"), (keras.layers.Layer,), {"call": call})
        for name, call in zip(NAMES, calls, strict=True)
    }

"""A model that was compressed -> the bytes of a ``.tflite``, which `tinyc build` takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import CompileError
from ...frontends.packages import line, quiet
from .base import Work
from .levels import with_levels

CALIBRATION = 256
"""Training inputs by which activations get their ranges."""


def convert(work: Work) -> bytes:
    """The file: int8 weights by channel, activations and edges as the work has them. Raises
    CompileError E311 (TensorFlow's converter refuses), E361 (see `with_levels`)."""
    import tensorflow as tf

    samples = work.data.typical(CALIBRATION, work.training.seed)
    converter = tf.lite.TFLiteConverter.from_keras_model(_of_one(work.model))
    if work.edges != "float32":
        kinds = {"int8": tf.int8, "uint8": tf.uint8}
        edge = tf.int16 if work.activations == "int16" else kinds[work.edges]
        converter.inference_input_type = converter.inference_output_type = edge
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[np.newaxis]] for row in samples)
    narrow = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
    wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [wide if work.activations == "int16" else narrow]
    try:
        with quiet():
            content = bytes(converter.convert())
    except Exception as error:
        what = f"TensorFlow's converter refuses: {line(str(error))}"
        raise CompileError("E311", work.model.name, what) from None
    return with_levels(content, work) if work.levels else content


def _of_one(model: Any) -> Any:
    """``model`` for a batch of one, as firmware computes it."""
    import tf_keras

    shape = model.input_shape
    image = tf_keras.Input(shape[1:], batch_size=1, name=model.input_names[0])
    return tf_keras.Model(image, model(image), name=model.name)

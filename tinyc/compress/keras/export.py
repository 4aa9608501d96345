"""A model that was compressed -> the bytes of a ``.tflite``, which `tinyc build` takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import CompileError
from ...frontends.packages import line, quiet
from .base import Work
from .levels import with_levels
from .ranges import with_ranges

CALIBRATION = 256
"""Training inputs by which activations get their ranges."""


def convert(work: Work) -> bytes:
    """The file: int8 weights by channel, activations and edges as the work has them. Raises
    CompileError E311 (TensorFlow's converter refuses), E361 (see `with_levels`)."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    wide = work.activations == "int16"
    if wide and (work.edges == "uint8" or work.ranges != "minmax"):
        told = "edges:uint8" if work.edges == "uint8" else f"int8:{work.ranges}"
        what = f"{told} is for int8 activations"
        raise CompileError("E361", "--with", what, "leave it out, or int16")
    samples = work.data.typical(CALIBRATION, work.training.seed)
    kinds = {"int8": tf.int16 if wide else tf.int8, "uint8": tf.uint8, "float32": tf.float32}
    edge = kinds[work.edges]
    converter = tf.lite.TFLiteConverter.from_keras_model(_of_one(work.model))
    converter.inference_input_type = converter.inference_output_type = edge
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[np.newaxis]] for row in samples)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        if wide
        else tf.lite.OpsSet.TFLITE_BUILTINS_INT8
    ]
    # Ranges other than the converter's own come between its two halves.
    converter._experimental_calibrate_only = work.ranges != "minmax"
    try:
        with quiet():
            content = bytes(converter.convert())
            if work.ranges != "minmax":
                content = with_ranges(content, samples, work.ranges)
                content = mlir_quantize(content, input_data_type=edge, output_data_type=edge)
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

"""A trained Keras model -> the bytes of a ``.tflite``, and what these score."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Array
from . import packages
from .dataset import Dataset
from .recipe import Recipe

CALIBRATION = 256
"""Training images by which float layers become int8."""


def calibration(data: Dataset, seed: int) -> Array:
    """float32 [`CALIBRATION`, height, width, channels]: training images, at random."""
    order = np.random.default_rng(seed).permutation(len(data.x))[:CALIBRATION]
    return data.normalized(data.x[order])


def convert(recipe: Recipe, model: Any, data: Dataset) -> bytes:
    """The file: with larq's operators and float32 at its edges where the body is binary (one
    bit a weight), else int8 throughout, quantized by `calibration`."""
    with packages.quiet():
        if recipe.model.body == "binary":
            import larq_compute_engine

            return bytes(larq_compute_engine.convert_keras_model(model))
        import tensorflow as tf

        samples = calibration(data, recipe.seed)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[np.newaxis]] for row in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def accuracy(recipe: Recipe, content: bytes, data: Dataset) -> float:
    """0..1 on the held-out images: by the interpreter of Larq Compute Engine, or of
    TFLite with its own kernels."""
    x = data.normalized(data.x_test)
    with packages.quiet():
        if recipe.model.body == "binary":
            from larq_compute_engine import testing

            scores = testing.Interpreter(content).predict(x)
        else:
            scores = _int8_scores(content, x)
    return float(np.mean(scores.argmax(-1) == data.y_test))


def _int8_scores(content: bytes, x: Array) -> Array:
    """int8 [n, classes] of float32 images."""
    import tensorflow as tf

    # Delegates round in another order than TFLite's own kernels.
    kernels = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = source["quantization"]
    scores = []
    for row in x:
        quantized = np.clip(np.round(row / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], quantized[np.newaxis])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(target["index"])[0])
    return np.array(scores)

"""Quantization-aware training: the network learns with the roundings of int8."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from pydantic import Field

from .base import Params, Space, Technique, Work, register
from .tfmot import float32_alone
from .training import fit

DECAY = 0.999
"""By which TFMOT averages ranges of activations (``quant_ops.MovingAvgQuantize``)."""
PASSES = 4
CALIBRATION = 256
_RANGE = re.compile(r"(activation|output)_(min|max)(:0)?$")


class Qat(Params):
    """epochs: other than the training's."""

    epochs: float | None = Field(None, gt=0)


def qat(work: Work, params: Qat) -> Work:
    """The model in TFMOT's wrappers, trained: its weights and activations are rounded to int8, by
    ranges that the file takes over.

    What earlier techniques made of the weights is kept by their projections, also under the
    roundings: zeros and clusters, so that this is PQAT, CQAT or PCQAT where there are such. The
    schemes of ``tfmot.experimental.combine`` do less: those of clusters keep a convolution's by
    channel only where all its channels have as many, and know no others' structures.
    """
    float32_alone(work, "qat")
    model, left = quantized(work.model)
    for name in left:
        kind = type(work.model.get_layer(name)).__name__
        work.listener.warn(f"qat leaves {name} in float32: TFMOT quantizes no {kind}")
    calibrate(model, work)
    fit(work, model, epochs=params.epochs, label="qat")
    return replace(work, model=model, wrapped=True, activations="int8")


def quantized(model: Any) -> tuple[Any, list[str]]:
    """A copy of ``model`` in wrappers, and the names of the layers for which TFMOT has none."""
    import tensorflow_model_optimization as tfmot
    import tf_keras

    left: list[str] = []
    keras = tfmot.quantization.keras

    def annotated(layer: Any) -> Any:
        made = type(layer).from_config(layer.get_config())
        return made if layer.name in left else keras.quantize_annotate_layer(made)

    while True:
        clone = tf_keras.models.clone_model(model, clone_function=annotated)
        clone.set_weights(model.get_weights())
        try:
            return keras.quantize_apply(clone), left
        except RuntimeError as error:
            # Which layers it takes depends on those around: a normalization behind a convolution.
            refused = re.match(r"Layer (\S+?):", str(error))
            if refused is None or refused[1] in left:
                raise
            left.append(refused[1])


def calibrate(model: Any, work: Work) -> None:
    """Set the ranges of activations to those of training data. TFMOT has them start from -6 to 6,
    beneath which those of inputs never fall, while the others follow the data by a thousandth a
    step, which a short training does not bring far."""
    import tensorflow as tf

    samples = work.data.typical(CALIBRATION, work.training.seed)
    for layer in model.layers:
        if hasattr(layer, "quantizer_vars"):
            layer.quantizer_vars["min_var"].assign(min(samples.min(), 0))
            layer.quantizer_vars["max_var"].assign(max(samples.max(), 0))
    ranges = [v for v in model.variables if _RANGE.search(v.name)]
    others = [v for v in model.variables if not _RANGE.search(v.name)]
    held = [v.numpy() for v in others]
    for _ in range(PASSES):  # what a range has to be depends on those before it
        old = [v.numpy() for v in ranges]
        model(tf.constant(samples), training=True)
        for variable, start in zip(ranges, old, strict=True):
            variable.assign(start + (variable.numpy() - start) / (1 - DECAY))
    for variable, value in zip(others, held, strict=True):
        variable.assign(value)


_SPACE = Space("precision", lambda trial, known: "qat")
register(Technique("qat", "train with the roundings of int8", Qat, qat, space=_SPACE))

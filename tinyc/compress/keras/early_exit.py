"""Early exit: a side head after a layer, where the firmware stops if that is sure enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from ...errors import CompileError
from .base import Params, Technique, Work, layer_named, register
from .training import fit, gives_probabilities

WHERE = "--with early_exit"
SIDE, FINAL = "early", "final"
"""Names of the heads' layers."""


class EarlyExit(Params):
    """after: the layer whose output the side head reads; threshold: the probability from which on
    the firmware stops there, see docs/early-exit.md; weight: of the side head's part of the loss;
    epochs: other than the training's."""

    after: str
    threshold: float = Field(0.8, ge=0, le=1)
    weight: float = Field(0.3, gt=0)
    epochs: float | None = Field(None, ge=0)


def early_exit(work: Work, params: EarlyExit) -> Work:
    """The model with two outputs, side head and final head, both softmaxes, trained together by
    their cross-entropies, which later trainings keep. The side head is the mean of the layer's
    output, of images, and a dense layer.

    Raises CompileError E361 (no classes, or a side head is there already), E362 (no such layer).
    """
    if work.early_exit is not None:
        raise CompileError("E361", WHERE, "there is a side head already", "leave one out")
    if work.data.y is None:
        raise CompileError("E361", WHERE, "decides by classes, and there are none")
    made = _with_side(work.model, layer_named(work.model, params.after, WHERE, "model"))
    loss = _loss(params.weight)
    work = replace(work, model=made, loss=loss, early_exit=params.threshold)
    fit(work, epochs=params.epochs, label="early_exit")
    return work


def _with_side(model: Any, layer: Any) -> Any:
    import tf_keras

    layers = tf_keras.layers
    classes = int(model.output_shape[-1])
    x, final = layer.output, model.output
    if len(x.shape) > 2:
        x = getattr(layers, f"GlobalAveragePooling{len(x.shape) - 2}D")(name=f"{SIDE}_mean")(x)
    side = layers.Dense(classes, activation="softmax", name=SIDE)(x)
    if not gives_probabilities(model):
        final = layers.Softmax(name=FINAL)(final)
    return tf_keras.Model(model.inputs, [side, final], name=model.name)


def _loss(weight: float) -> Any:
    """(model, x, y, training) -> scalar."""
    import tensorflow as tf
    import tf_keras

    def loss(model: Any, x: Any, y: Any, training: bool) -> Any:
        crossed = tf_keras.losses.sparse_categorical_crossentropy
        side, final = (tf.cast(scores, tf.float32) for scores in model(x, training=training))
        return tf.reduce_mean(weight * crossed(y, side) + crossed(y, final))

    return loss


register(
    Technique("early_exit", "stop at a side head where it is sure", EarlyExit, early_exit)
)  # fmt: skip

"""Distillation: train a model to give what a better one gives, and to look where that looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from ...errors import CompileError
from .base import Params, Space, Technique, Work, layer_named, register
from .chain import reproduces
from .training import accuracy, copied, fit, gives_probabilities, in_precision, precision

WHERE = "--with distill"


class Distillation(Params):
    """temperature: what scores are divided by before they are compared; alpha: how much of the loss
    is that of labels, of which there need be none if it is 0; the rest is the teacher's; maps:
    layers whose outputs attend to the same places, as ``add+add_1`` or, where the teacher's have
    other names, ``add=block1+add_1=block2``; attention: how much those count; epochs: other than
    the training's, 0 to have later techniques alone train so."""

    temperature: float = Field(5.0, gt=0)
    alpha: float = Field(0.1, ge=0, le=1)
    maps: str = ""
    attention: float = Field(1000.0, ge=0)
    epochs: float | None = Field(None, ge=0)


def distill(work: Work, params: Distillation) -> Work:
    """The model trained by its teacher, which later trainings keep: ``alpha`` times the
    cross-entropy of labels, plus ``1 - alpha`` times the Kullback-Leibler divergence of scores,
    softened by the temperature T and times T^2 (Hinton et al., arXiv:1503.02531); of a model
    without classes that reproduces its inputs, mean squares of what it misses. And
    ``attention / 2`` times the mean square by which normalised maps differ (`attention`).

    Raises CompileError E361 (a teacher of other inputs or outputs, maps that cannot be compared),
    E362 (no such layer).
    """
    teacher = work.model if work.teacher is None else work.teacher
    _check(work, teacher)
    pairs = _pairs(work, teacher, params.maps)
    chosen = precision(work.training.precision, work)
    taught = in_precision(copied(teacher) if teacher is work.model else teacher, chosen)
    right = [accuracy(model, work) for model in (taught, work.model)]
    if right[0] is not None and right[1] is not None and right[0] < right[1]:
        said = f"the teacher is right on {right[0]:.1%}, the model itself on {right[1]:.1%}"
        work.listener.warn(f"{said}; --teacher names a better one")
    loss = _loss(work, taught, params, pairs)
    work = replace(work, loss=loss)
    fit(work, epochs=params.epochs, label="distill")
    return work


def _loss(work: Work, taught: Any, params: Distillation, pairs: Sequence[tuple[str, str]]) -> Any:
    """(model, x, y, training) -> scalar."""
    import tensorflow as tf
    import tf_keras

    smoothing = work.training.label_smoothing
    classes = work.data.y is not None or not reproduces(work.model)
    temperature = params.temperature
    student_of = _Scores(gives_probabilities(work.model) and classes, [s for s, _ in pairs])
    teacher_of = _Scores(gives_probabilities(taught) and classes, [t for _, t in pairs])

    def compared(scores: Any, wanted: Any, x: Any, y: Any) -> Any:
        """(what labels say, what the teacher says)."""
        if not classes:
            return tf.reduce_mean(tf.square(scores - x)), tf.reduce_mean(tf.square(scores - wanted))
        target = tf.one_hot(y, scores.shape[-1])
        hard = tf_keras.losses.categorical_crossentropy(
            target, scores, from_logits=True, label_smoothing=smoothing
        )
        soft = tf.nn.softmax(wanted / temperature)
        apart = tf.nn.log_softmax(wanted / temperature) - tf.nn.log_softmax(scores / temperature)
        divergence = tf.reduce_sum(soft * apart, -1) * temperature**2
        return tf.reduce_mean(hard), tf.reduce_mean(divergence)

    def loss(model: Any, x: Any, y: Any, training: bool) -> Any:
        wanted, *aims = (tf.stop_gradient(t) for t in teacher_of(taught, x, False))
        scores, *maps = student_of(model, x, training)
        hard, soft = compared(scores, wanted, x, y)
        total = (1 - params.alpha) * soft
        if params.alpha:
            total += params.alpha * hard
        for own, aim in zip(maps, aims, strict=True):
            apart = tf.square(attention(own, aim.shape) - attention(aim, own.shape))
            total += params.attention / 2 * tf.reduce_mean(apart)
        return total

    return loss


def attention(output: Any, other: Any) -> Any:
    """float32 [n, places]: the squares of a layer's ``output`` [n, places..., channels], summed
    over channels, averaged where ``other``, the shape of what it is compared with, is smaller, and
    of length 1 (Zagoruyko and Komodakis, arXiv:1612.03928)."""
    import tensorflow as tf

    summed = tf.reduce_sum(tf.square(output), -1, keepdims=True)
    steps = [max(1, a // b) for a, b in zip(output.shape[1:-1], other[1:-1], strict=True)]
    summed = tf.nn.avg_pool(summed, steps, steps, "VALID")
    flat = tf.reshape(summed, (-1, int(summed.shape[1:].num_elements())))
    return tf.math.l2_normalize(flat, -1, 1e-12)


class _Scores:
    """Of a model and inputs: [scores before a softmax, outputs of layers ``names``], float32."""

    def __init__(self, softmax: bool, names: Sequence[str]) -> None:
        self._softmax, self._names = softmax, names
        self._last: tuple[Any, Any, bool] | None = None  # of the model that was asked last

    def __call__(self, model: Any, x: Any, training: bool) -> list[Any]:
        import tensorflow as tf

        if self._last is None or self._last[0] is not model:
            with tf.init_scope():  # a training asks while its step is traced
                self._last = (model, *self._made(model))
        _, inner, is_probable = self._last
        found = [tf.cast(t, tf.float32) for t in tf.nest.flatten(inner(x, training=training))]
        if is_probable:
            found[0] = tf.math.log(tf.maximum(found[0], 1e-12))
        return found

    def _made(self, model: Any) -> tuple[Any, bool]:
        """The model that gives them, and whether its scores are probabilities."""
        import tf_keras

        layer = model.get_layer(model.output_names[0])
        scores, is_probable = model.outputs[0], self._softmax
        if self._softmax and type(layer).__name__ in ("Softmax", "Activation"):
            scores, is_probable = layer.input, False
        elif self._softmax and hasattr(layer, "activation"):
            twin = type(layer).from_config({**layer.get_config(), "activation": "linear"})
            scores, is_probable = twin(layer.input), False
            for name in ("kernel", "bias") if layer.use_bias else ("kernel",):
                setattr(twin, name, getattr(layer, name))
        maps = [_layer(model, name).output for name in self._names]
        return tf_keras.Model(model.inputs, [scores, *maps]), is_probable


def _layer(model: Any, name: str) -> Any:
    """The layer of a name, also where TFMOT has wrapped it."""
    found = {layer.name: layer for layer in model.layers}
    within = {layer.layer.name: layer for layer in model.layers if hasattr(layer, "layer")}
    return found.get(name) or within[name]


def _check(work: Work, teacher: Any) -> None:
    if len(work.model.outputs) > 1 or len(teacher.outputs) > 1:
        what = "distill compares one output, and there are several"
        raise CompileError("E361", WHERE, what, "put it before early_exit")
    for what, own, other in (
        ("inputs", work.model.input_shape, teacher.input_shape),
        ("outputs", work.model.output_shape, teacher.output_shape),
    ):
        if tuple(own[1:]) != tuple(other[1:]):
            said = f"the teacher's {what} are {list(other[1:])}, the model's {list(own[1:])}"
            raise CompileError("E361", WHERE, said, "give one that was trained for the same data")


def _pairs(work: Work, teacher: Any, text: str) -> list[tuple[str, str]]:
    """(layer of the model, layer of the teacher) of ``maps``."""
    pairs = []
    for part in text.split("+") if text else ():
        own, _, other = part.partition("=")
        pairs.append((own, other or own))
    for own, other in pairs:
        shapes = []
        for model, name, whose in ((work.model, own, "model"), (teacher, other, "teacher")):
            shape = tuple(layer_named(model, name, WHERE, whose).output_shape[1:])
            if len(shape) < 2 or None in shape:
                what = f"'{name}' of the {whose} has no places, its outputs are {list(shape)}"
                raise CompileError("E361", WHERE, what, "name convolutions or additions")
            shapes.append(shape[:-1])
        fits = len(shapes[0]) == len(shapes[1]) and all(
            max(a, b) % min(a, b) == 0 for a, b in zip(*shapes, strict=True)
        )
        if not fits:
            what = f"maps '{own}' of {list(shapes[0])} and '{other}' of {list(shapes[1])} differ"
            raise CompileError("E361", WHERE, what, "name layers of the same size, or multiples")
    return pairs


register(
    Technique(
        "distill", "train by what a teacher gives", Distillation, distill,
        labels=lambda params: params.alpha > 0,
        space=Space("training", lambda trial, known: "distill"),
    )
)  # fmt: skip

"""Which layers take it badly to have few bits: each one alone rounded, nothing trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compress.keras.base import Work, kernel, kernel_layers
from ..compress.keras.bits import uniform
from ..compress.keras.chain import reproduces
from ..compress.keras.training import copied, task_loss

SAMPLES = 256
"""Training inputs by which layers are judged."""


@dataclass(frozen=True)
class Change:
    """What rounding one layer does: loss: how much it grows (cross-entropy; of a model that
    reproduces its inputs the mean square of what it misses; of another without labels the mean
    square by which its outputs move); accuracy: change of 0..1, None without labels."""

    loss: float
    accuracy: float | None


def sensitivity(
    work: Work, bits: Iterable[int] = (4, 2), samples: int = SAMPLES
) -> dict[str, dict[int, Change]]:
    """Layer -> bits -> the change by giving its kernel alone so many, as `Uniform` rounds it.

    By up to ``samples`` training inputs, in float32; the work's model stays as it is.
    """
    import tensorflow as tf

    model = copied(work.model)
    data = work.data
    order = np.random.default_rng(work.training.seed).permutation(len(data.x))[:samples]
    x = tf.constant(data.inputs(data.x[order]))
    labels = np.zeros(len(order), np.int64) if data.y is None else data.y[order]
    y = tf.constant(labels)
    before = model(x, training=False)
    if data.y is not None or reproduces(model):
        loss_of = task_loss(work)
    else:
        loss_of = lambda model, x, _, training: tf.reduce_mean(  # noqa: E731
            tf.square(model(x, training=training) - before)
        )

    def judged() -> tuple[Any, Any]:
        right = tf.argmax(model(x, training=False), -1) == y if data.y is not None else y == y
        return loss_of(model, x, y, False), tf.reduce_mean(tf.cast(right, tf.float32))

    compiled = tf.function(judged)

    def measured() -> tuple[float, float]:
        loss, right = compiled()
        return float(loss), float(right)

    loss, right = measured()
    found: dict[str, dict[int, Change]] = {}
    for name, layer in kernel_layers(model).items():
        held = kernel(layer).numpy()
        for count in bits:
            kernel(layer).assign(uniform(layer, count)(held))
            now, hits = measured()
            accuracy = None if data.y is None else hits - right
            found.setdefault(name, {})[count] = Change(now - loss, accuracy)
        kernel(layer).assign(held)
    return found

"""Bias correction: give each rounded layer back the mean that its sums had, and their spread where
a batch normalization follows.

Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction
(arXiv:1906.04721), section 4.2, with data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...ir import Array
from .base import kernel_layers
from .structure import structure

SAMPLES = 256
"""Training inputs by which sums are known."""

Moments = Mapping[str, tuple[Array, Array]]
"""Layer -> mean and variance, each float32 [channels], of its sums before its activation."""


def moments(model: Any, names: Iterable[str], x: Array) -> Moments:
    """Of the layers ``names`` that are called once; x: float32 [n, *input]."""
    import tensorflow as tf

    layers = kernel_layers(model)
    found = {}
    for name in names:
        layer = layers[name]
        if len(layer._inbound_nodes) == 1:
            sums = _sums(model, layer, x)
            mean, variance = tf.nn.moments(sums, list(range(len(sums.shape) - 1)))
            found[name] = (mean.numpy(), variance.numpy())
    return found


def _sums(model: Any, layer: Any, x: Array) -> Any:
    import tf_keras

    given = tf_keras.Model(model.inputs, layer.input)(x, training=False)
    activation, layer.activation = layer.activation, tf_keras.activations.linear
    try:
        return layer(given)
    finally:
        layer.activation = activation


def correct(model: Any, wanted: Moments, x: Array) -> None:
    """Change biases, or the batch normalization right behind, of layers with ``wanted`` moments,
    in place and in the model's order, so that they have them again; a layer that has neither stays
    as it is."""
    norms = structure(model).norms
    for name, (mean, variance) in wanted.items():
        layer = model.get_layer(name)
        ((now, spread),) = moments(model, [name], x).values()
        if name in norms:
            norm = model.get_layer(norms[name])
            known = (variance > 0) & (spread > 0)
            ratio = np.where(known, np.sqrt(spread / np.where(known, variance, 1)), 1)
            norm.moving_mean.assign(now - (mean - norm.moving_mean) * ratio)
            norm.moving_variance.assign(
                np.maximum(0, (norm.moving_variance + norm.epsilon) * ratio**2 - norm.epsilon)
            )
        elif layer.use_bias:
            layer.bias.assign_add(mean - now)

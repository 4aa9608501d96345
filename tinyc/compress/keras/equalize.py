"""Cross-layer equalization: spread what channels hold so that one scale serves all of a tensor.

A channel is divided by a factor where it is made and multiplied by it where it is read, which
leaves the network as it is, through all that is homogeneous, as ReLU is (Nagel et al.,
arXiv:1906.04721, section 4.1). Weights have a scale a channel here and activations one a tensor, so
that the factor is that between the range of a channel's activations and the range of the weights
that read it (Xiao et al., SmoothQuant, arXiv:2211.10438, equation 4 with alpha = 0.5).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import CompileError
from ...ir import Array
from .base import Params, Space, Technique, Work, kernel, register
from .structure import Structure, structure

SAMPLES = 256
"""Training inputs by which activations have their ranges."""
MOST = 64.0
"""The largest factor, and one over the least."""

_READERS = ("Conv1D", "Conv2D", "Dense")
_HOMOGENEOUS = ("linear", "relu", "leaky_relu")
_OTHERS = ("ELU", "ThresholdedReLU", "Multiply", "PReLU", "SeparableConv2D", "Conv2DTranspose")


class Equalize(Params):
    """Nothing to tell."""


def equalize(work: Work, params: Equalize) -> Work:
    """The same network, whose channels have ranges closer to each other. Raises CompileError E361
    (after a technique that holds weights to something; a layer through which no factor goes)."""
    if work.projections:
        what = "equalize would change weights that an earlier technique holds"
        raise CompileError("E361", "--with", what, f"put it before {work.done[-1]}")
    known = structure(work.model)
    fixed = _fixed(work.model, known)
    x = work.data.typical(SAMPLES, work.training.seed)
    factors = _factors(work.model, known, x)
    for channel in fixed:
        factors.pop(channel, None)
    _apply(work.model, known, factors)
    return work


def _fixed(model: Any, known: Structure) -> set[int]:
    """Channels that go through what is not homogeneous, as far as it belongs to what makes them."""
    found: set[int] = set()
    for layer in model.layers:
        kind = type(layer).__name__
        name = getattr(getattr(layer, "activation", None), "__name__", "linear")
        bends = name not in _HOMOGENEOUS
        if kind == "ReLU":
            bends = layer.max_value is not None or bool(layer.threshold)
        if layer.name in known.made and kind not in _OTHERS:
            found |= set(known.made[layer.name].tolist()) if bends else set()
        elif (bends or kind in _OTHERS) and layer.name not in model.output_names:
            what = f"no factor goes through layer '{layer.name}' ({kind})"
            raise CompileError("E361", "--with equalize", what, "leave equalize out")
    return found


def _factors(model: Any, known: Structure, x: Array) -> dict[int, float]:
    """Channel of a group -> its factor, whose geometric mean over a group is 1."""
    import tf_keras

    made: dict[int, float] = {}
    read: dict[int, float] = {}
    for layer in model.layers:
        if type(layer).__name__ not in _READERS or layer.name not in known.weights:
            continue
        channels = known.weights[layer.name][0][-2]
        if channels is None or len(layer._inbound_nodes) != 1:
            continue
        given = np.asarray(tf_keras.Model(model.inputs, layer.input)(x, training=False))
        held = np.abs(given).reshape(-1, given.shape[-1]).max(0)
        weights = np.moveaxis(np.abs(np.asarray(kernel(layer))), -2, 0)
        weighed = weights.reshape(len(weights), -1).max(1)
        for channel, most, weight in zip(channels.tolist(), held, weighed, strict=True):
            made[channel] = max(made.get(channel, 0), float(most))
            read[channel] = max(read.get(channel, 0), float(weight))
    found: dict[int, float] = {}
    for group in known.groups:
        live = [c for c in group.channels.tolist() if made.get(c, 0) > 0 and read.get(c, 0) > 0]
        if live:
            factors = np.sqrt([made[c] / read[c] for c in live])
            factors /= np.exp(np.mean(np.log(factors)))
            found |= dict(zip(live, np.clip(factors, 1 / MOST, MOST).tolist(), strict=True))
    return found


def _apply(model: Any, known: Structure, factors: dict[int, float]) -> None:
    def of(channels: Any) -> Array:
        return np.asarray([factors.get(c, 1.0) for c in channels.tolist()], np.float32)

    for layer in model.layers:
        axes = known.weights.get(layer.name)
        if axes is None:
            continue
        if type(layer).__name__ == "BatchNormalization":
            # gamma and the variance stay: what comes in is divided already.
            for variable in (layer.beta, layer.moving_mean):
                if variable is not None:
                    variable.assign(variable / of(axes[0][0]))
            continue
        weights = kernel(layer)
        if type(layer).__name__ in _READERS:
            inward, outward = axes[0][-2:]
            if inward is not None:
                weights.assign(weights * of(inward)[:, np.newaxis])
            if outward is not None:
                weights.assign(weights / of(outward))
        if layer.use_bias:
            layer.bias.assign(layer.bias / of(known.made[layer.name]))


def _check(work: Work) -> None:
    """Raises CompileError E361 where no factor goes through a layer, or none changes anything."""
    known = structure(work.model)
    fixed = _fixed(work.model, known)
    if not any(set(group.channels.tolist()) - fixed for group in known.groups):
        what = "no channel of the model can be divided and multiplied again"
        raise CompileError("E361", "--with equalize", what, "leave equalize out")


register(
    Technique(
        "equalize", "spread the ranges of channels, for what is quantized after training",
        Equalize, equalize, labels=False, trains=False,
        space=Space("ranges", lambda trial, known: "equalize", _check),
    )
)  # fmt: skip

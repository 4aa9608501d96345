"""Structured pruning: remove filters, and all that hangs on them, from the network itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...errors import CompileError
from .base import Known, Params, Space, Technique, Work, kernel, layers_named, register, unheld
from .structure import Group, Structure, structure, without
from .training import fit, task_loss

MULTIPLE = 4
"""What remains is a multiple of this: kernels take so many channels at once."""

BATCHES = 8
"""Batches of training data over which Taylor terms are taken."""

Ratio = Annotated[float, Field(ge=0, lt=1)]
Scores = Mapping[int, float]
"""Channel -> how much the network would miss it."""


class ChannelPruning(Params):
    """ratio: the part of each layer's channels that is removed; by: what ranks them, the L2 or L1
    norm of filters as batch normalization scales them, or Taylor terms (Molchanov et al.,
    arXiv:1906.10771); steps: trainings, before each of which some are removed; epochs: of all of
    them together, other than the training's; layers: the ratio of single ones."""

    ratio: Ratio = 0.3
    by: Literal["l2", "l1", "taylor"] = "l2"
    steps: int = Field(1, ge=1)
    epochs: float | None = Field(None, ge=0)
    layers: Mapping[str, Ratio] = {}


def channels(work: Work, params: ChannelPruning) -> Work:
    """A smaller model, trained. Raises CompileError E361 (after a technique that holds weights to
    something; layers that lose none, or that meet in an addition and are told different ratios),
    E362."""
    unheld(work, "channels")
    layers_named(work, params.layers, "channels")
    first = structure(work.model)
    ratios = {group.layers: _ratio(group, params) for group in first.groups}
    _check_layers(first, params.layers)
    sizes = {group.layers: len(group.channels) for group in first.groups}
    epochs = work.training.epochs if params.epochs is None else params.epochs
    for step in range(1, params.steps + 1):
        known = structure(work.model)
        scores = _taylor(work, known) if params.by == "taylor" else _norms(work, known, params.by)
        removed: list[int] = []
        for group in known.groups:
            left = (1 - ratios[group.layers]) ** (step / params.steps)
            excess = len(group.channels) - kept(sizes[group.layers], 1 - left)
            ranked = sorted(group.channels.tolist(), key=lambda channel: scores[channel])
            removed += ranked[: max(0, excess)]
        work = replace(work, model=without(work.model, known, removed))
        fit(work, epochs=epochs / params.steps, label=f"channels-{step}")
    return work


def kept(count: int, ratio: float) -> int:
    """How many of ``count`` channels remain: a multiple of `MULTIPLE`, or all."""
    if not ratio:
        return count
    return min(count, max(MULTIPLE, MULTIPLE * round(count * (1 - ratio) / MULTIPLE)))


def _ratio(group: Group, params: ChannelPruning) -> float:
    told = {name: params.layers[name] for name in group.layers if name in params.layers}
    if len(set(told.values())) > 1:
        what = f"{' and '.join(told)} lose the same channels, and are told different ratios"
        raise CompileError("E361", "--with channels", what, "give one of them")
    return next(iter(told.values()), params.ratio)


def _check_layers(known: Structure, names: Mapping[str, float]) -> None:
    losing = dict.fromkeys(name for group in known.groups for name in group.layers)
    for name in names:
        if name not in losing:
            what = f"'{name}' keeps its channels, which go into an output or an unknown layer"
            raise CompileError("E361", "--with channels", what, f"of {', '.join(losing)}")


def _norms(work: Work, known: Structure, by: str) -> Scores:
    """The norm of each filter, times gamma / sqrt(variance + epsilon) of the batch normalization
    behind it; within a layer in parts of the root mean square, so that layers that meet in an
    addition count alike."""
    found: dict[int, float] = {}
    for name, made in known.made.items():
        layer = work.model.get_layer(name)
        filters = _filters(layer, _weights(layer))
        norms = np.abs(filters).sum(0) if by == "l1" else np.sqrt(np.square(filters).sum(0))
        if name in known.norms:
            norms = norms * _scale(work.model.get_layer(known.norms[name]))
        norms = norms / max(float(np.sqrt(np.mean(np.square(norms)))), 1e-12)
        for channel, norm in zip(made.tolist(), norms.tolist(), strict=True):
            found[channel] = found.get(channel, 0.0) + norm**2
    return found


def _weights(layer: Any) -> Any:
    """The variable whose filters count a layer's outputs."""
    if type(layer).__name__ == "SeparableConv2D":
        return layer.pointwise_kernel
    return kernel(layer)


def _filters(layer: Any, values: Any) -> NDArray[np.float32]:
    """What has the shape of a layer's weights, bias or scale, as [all of a filter, filters]."""
    array = np.asarray(values, np.float32)
    if array.ndim > 1 and type(layer).__name__ == "Conv2DTranspose":
        array = array.swapaxes(-1, -2)
    if array.ndim > 1 and "depthwise" in _weights(layer).name:
        return array.reshape(-1, array.shape[-2] * array.shape[-1])
    return array.reshape(-1, array.shape[-1])


def _scale(norm: Any) -> NDArray[np.float32]:
    gamma = norm.gamma.numpy() if norm.scale else 1.0
    return np.asarray(np.abs(gamma) / np.sqrt(norm.moving_variance.numpy() + norm.epsilon))


def _taylor(work: Work, known: Structure) -> Scores:
    """By how much the loss changes, to the first order, where a channel becomes zero, squared and
    averaged over batches: of each layer that makes it, the sum of gradient times weight over gamma
    and beta of the batch normalization behind it, or over filter and bias."""
    import tensorflow as tf

    model, training = work.model, work.training
    loss_of = work.loss or task_loss(work)
    layers = {name: model.get_layer(name) for name in known.made}
    moved: dict[str, list[Any]] = {}
    for name, layer in layers.items():
        norm = model.get_layer(known.norms[name]) if name in known.norms else None
        own = [_weights(layer), *([layer.bias] if layer.use_bias else [])]
        moved[name] = list(norm.trainable_weights) if norm is not None else []
        moved[name] = moved[name] or own
    order = np.random.default_rng(training.seed).permutation(len(work.data.x))
    order = order[: BATCHES * training.batch]
    found = dict.fromkeys((c for made in known.made.values() for c in made.tolist()), 0.0)
    for at in range(0, len(order), training.batch):
        now = order[at : at + training.batch]
        y = np.zeros(len(now), np.int64) if work.data.y is None else work.data.y[now]
        with tf.GradientTape() as tape:
            loss = loss_of(model, tf.constant(work.data.inputs(work.data.x[now])), y, False)
        gradients = tape.gradient(loss, moved, unconnected_gradients="zero")
        change = dict.fromkeys(found, 0.0)
        for name, made in known.made.items():
            for gradient, weight in zip(gradients[name], moved[name], strict=True):
                terms = _filters(layers[name], gradient * weight).sum(0)
                for channel, term in zip(made.tolist(), terms.tolist(), strict=True):
                    change[channel] += term
        for channel, term in change.items():
            found[channel] += term**2
    return found


def _suggest(trial: Any, known: Known) -> str:
    return f"channels:{trial.suggest_float('channels', 0.1, 0.7, step=0.05):g}"


register(
    Technique(
        "channels", "remove filters from the network", ChannelPruning, channels,
        space=Space("structure", _suggest),
    )
)  # fmt: skip

"""RigL: sparse training, which drops the smallest weights and grows those of the largest
gradients (Evci et al., arXiv:1911.11134)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ...ir import Array
from .base import (
    Known,
    Params,
    Projection,
    Space,
    Technique,
    Work,
    kernel,
    kernel_layers,
    layers_named,
    register,
)
from .training import fit, steps_of

KINDS = ("Conv1D", "Conv2D", "Dense")

Sparsity = Annotated[float, Field(ge=0, lt=1)]


class RigL(Params):
    """sparsity: the part of all weights of convolutions and dense layers that are zero; spread:
    what the layers get of it, ``erk``: the smaller a layer the less, by the sum of its kernel's
    sizes to their product (Erdos-Renyi-Kernel), ``uniform``: as much; begin: with the ``weights``
    that there are, of which the largest stay, or from ``scratch``, new ones at random places;
    interval: steps from one change of places to the next; fraction: of the weights, that change
    their places at first, from where it falls to none along half a cosine by the part ``until`` of
    the training; epochs: other than the training's; layers: the sparsity of single ones."""

    sparsity: float = Field(0.8, gt=0, lt=1)
    spread: Literal["erk", "uniform"] = "erk"
    begin: Literal["weights", "scratch"] = "weights"
    interval: int = Field(100, ge=1)
    fraction: float = Field(0.3, ge=0, le=1)
    until: float = Field(0.75, gt=0, le=1)
    epochs: float | None = Field(None, ge=0)
    layers: Mapping[str, Sparsity] = {}


def rigl(work: Work, params: RigL) -> Work:
    """The model with zeros, which later trainings hold. Raises CompileError E362."""
    import tensorflow as tf
    import tf_keras

    layers_named(work, params.layers, "rigl")
    if params.begin == "scratch":
        tf_keras.utils.set_random_seed(work.training.seed)
        work = replace(work, model=tf_keras.models.clone_model(work.model))
    layers = kernel_layers(work.model)
    weights = {name: kernel(layer).numpy() for name, layer in layers.items()}
    rng = np.random.default_rng(work.training.seed)
    masks = {}
    for name, density in densities(work.model, params).items():
        ranks = rng.random(weights[name].shape) if params.begin == "scratch" else weights[name]
        masks[name] = tf.Variable(_largest(np.abs(ranks), round(density * ranks.size)))
    last = params.until * steps_of(work, params.epochs)

    def change(step: int, gradients: Mapping[str, Any], latent: Mapping[str, Any]) -> None:
        if (step + 1) % params.interval or step + 1 > last:
            return
        part = params.fraction / 2 * (1 + math.cos(math.pi * (step + 1) / last))
        for name, mask in masks.items():
            moved = moved_mask(mask.numpy(), latent[name].numpy(), gradients[name].numpy(), part)
            # New weights begin at zero; those of no place must not drift.
            latent[name].assign(latent[name] * mask * moved)
            mask.assign(moved)

    held = {name: _masked(mask) for name, mask in masks.items()}
    fit(work, projections=held, epochs=params.epochs, on_gradients=change, label="rigl")
    return work.then({name: _masked(mask.numpy()) for name, mask in masks.items()})


def _masked(mask: Any) -> Projection:
    return lambda weights: weights * mask


def moved_mask(mask: Array, weights: Array, gradients: Array, part: float) -> Array:
    """``mask`` (1 where a weight is) with a ``part`` of its places changed: the smallest weights
    leave theirs, to those where there was none and the gradients are largest. All float32 of one
    shape; the count of ones stays."""
    active = int(mask.sum())
    count = min(int(part * active), mask.size - active)
    kept = _largest(np.where(mask > 0, np.abs(weights), -1), active - count)
    return kept + _largest(np.where(mask > 0, -1, np.abs(gradients)), count)


def densities(model: Any, params: RigL) -> Mapping[str, float]:
    """Layer -> part of its weights that are not zero, so that ``sparsity`` of those of all layers
    that are told nothing are, at most. Uniformly the first layer stays whole."""
    shapes = {n: tuple(kernel(layer).shape) for n, layer in kernel_layers(model, KINDS).items()}
    found = {name: 1 - told for name, told in params.layers.items()}
    free = [name for name in shapes if name not in found]
    if params.spread == "uniform":
        first = next(iter(shapes), None)
        return found | {n: 1.0 if n == first else 1 - params.sparsity for n in free}
    sizes = {name: math.prod(shapes[name]) for name in free}
    # Layers that would have more than all of their weights are whole, and the others share the
    # rest (the paper's section 3).
    whole: set[str] = set()
    while True:
        sparse = [name for name in free if name not in whole]
        left = (1 - params.sparsity) * sum(sizes.values()) - sum(sizes[n] for n in whole)
        scale = left / max(sum(sum(shapes[n]) for n in sparse), 1)
        over = {n for n in sparse if scale * sum(shapes[n]) > sizes[n]}
        if not over:
            break
        whole |= over
    share = {n: scale * sum(shapes[n]) / sizes[n] for n in sparse}
    return found | dict.fromkeys(whole, 1.0) | {n: max(share[n], 1 / sizes[n]) for n in sparse}


def _largest(values: Array, count: int) -> Array:
    """float32 of the shape of ``values``: 1 at the ``count`` largest."""
    order = np.argsort(-values, axis=None, kind="stable")[:count]
    found = np.zeros(values.size, np.float32)
    found[order] = 1
    return found.reshape(values.shape)


def _suggest(trial: Any, known: Known) -> str:
    return f"rigl:{trial.suggest_float('rigl', 0.5, 0.9, step=0.05):g}"


register(
    Technique(
        "rigl", "train sparse, and change where weights are", RigL, rigl,
        space=Space("sparsity", _suggest),
    )
)  # fmt: skip

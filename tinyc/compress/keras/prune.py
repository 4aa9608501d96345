"""Prune: the smallest weights become zero while the others are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from ...errors import CompileError
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
from .tfmot import unwrap, wrap, wrappers
from .training import fit, precision, steps_of

UPDATES = 100
"""How often the ratio rises, at most."""


class Prune(Params):
    """ratio: part of a layer's weights that become zero; begin: at first, from where the ratio
    rises by a cubic until the part ``until`` of the training (Zhu and Gupta 2017, "To prune, or
    not to prune"); structure: MxN, M zeros in each N weights that follow each other along the
    input channels, from the first step on; depthwise: whether depthwise convolutions lose weights
    too; keep_ends: whether the first and the last layer keep theirs; layers: their ratios, 0 to
    leave one; epochs: other than the training's, 0 to prune at once."""

    ratio: float = Field(0.7, gt=0, lt=1)
    begin: float = Field(0.3, ge=0, lt=1)
    until: float = Field(0.7, gt=0, le=1)
    structure: str | None = Field(None, pattern=r"^[1-9]\d*x[1-9]\d*$")
    depthwise: bool = False
    keep_ends: bool = False
    epochs: float | None = Field(None, ge=0)
    layers: Mapping[str, Annotated[float, Field(ge=0, lt=1)]] = {}

    @model_validator(mode="after")
    def _agrees(self) -> Prune:
        if "begin" in self.model_fields_set and self.begin > self.ratio:
            raise ValueError(f"it begins at {self.begin:g}, above the ratio {self.ratio:g}")
        if (pattern := self.pattern) is None:
            return self
        zeros, group = pattern
        if zeros >= group:
            raise ValueError(f"of {group} weights fewer than {group} can be zero")
        given = [self.ratio] if "ratio" in self.model_fields_set else []
        for ratio in [*given, *self.layers.values()]:
            if ratio and abs(ratio - zeros / group) > 1e-6:
                what = f"{self.structure} makes {zeros / group:g} of the weights zero"
                raise ValueError(f"{what}, not {ratio:g}")
        return self

    @property
    def pattern(self) -> tuple[int, int] | None:
        """(zeros, weights) of a group."""
        if self.structure is None:
            return None
        zeros, group = self.structure.split("x")
        return int(zeros), int(group)


def prune(work: Work, params: Prune) -> Work:
    """The model with zeros, which every later training leaves where they are. Raises CompileError
    E361 (its weights are clustered), E362 (no such layer)."""
    import tensorflow_model_optimization as tfmot

    if any(text.split(":")[0] == "cluster" for text in work.done):
        what = "prune follows cluster, whose centroids it would tear apart"
        raise CompileError("E361", "--with", what, "put it first: prune,cluster")
    ratios = _ratios(work, params)
    layers = kernel_layers(work.model)
    ours = {name: ratio for name, ratio in ratios.items() if _depthwise(layers[name])}
    steps = steps_of(work, params.epochs)
    rise = max(1, round(params.until * steps))
    frequency = max(1, rise // UPDATES)
    rise -= rise % frequency

    def around(ratio: float) -> Any:
        schedule = tfmot.sparsity.keras.PolynomialDecay(
            min(params.begin, ratio), ratio, 0, rise, frequency=frequency
        )
        return lambda layer: tfmot.sparsity.keras.prune_low_magnitude(
            layer, schedule, sparsity_m_by_n=params.pattern, dtype=layer.dtype_policy
        )

    theirs = {n: around(ratio) for n, ratio in ratios.items() if n not in ours}
    wrapped = wrap(work, theirs, precision(work.training.precision, work))
    masks = {n: _smallest(kernel(layers[n]).numpy(), ratio) for n, ratio in ours.items()}
    held = {name: masked(mask) for name, mask in masks.items()}
    if any(layer.compute_dtype != "float32" for layer in wrapped.layers):
        # The wrapper writes back what it has masked, rounded: the optimizer moves float32 copies.
        held |= {name: lambda weights: weights for name in wrappers(wrapped)}
    update = tfmot.sparsity.keras.UpdatePruningStep()
    fit(work, wrapped, callbacks=[update], projections=held, epochs=params.epochs, label="prune")
    for name, wrapper in wrappers(wrapped).items():
        if not steps:
            wrapper.pruning_step.assign(rise)
            wrapper.pruning_obj.conditional_mask_update()
        masks[name] = np.asarray(wrapper.pruning_vars[0][1].value(), np.float32)
        if params.pattern is None:
            # TFMOT keeps all weights that are equal to the threshold, many in a mixed precision.
            masks[name] = _smallest(kernel(wrapper).numpy() * masks[name], ratios[name])
    unwrap(work.model, wrapped)
    for name, mask in masks.items():
        variable = kernel(layers[name])
        variable.assign(variable.numpy() * mask)
    return work.then({name: masked(mask) for name, mask in masks.items()})


def _ratios(work: Work, params: Prune) -> Mapping[str, float]:
    """Layer -> part of its weights that become zero; what is left out is told."""
    layers_named(work, params.layers, "prune")
    layers = kernel_layers(work.model)
    ends = {*list(layers)[:1], *list(layers)[-1:]} if params.keep_ends else set()
    fixed = params.ratio if params.pattern is None else params.pattern[0] / params.pattern[1]
    found, left = {}, []
    for name, layer in layers.items():
        asked = name in params.layers
        ratio = params.layers.get(name, 0.0 if name in ends else fixed)
        refused = _depthwise(layer) and not (params.depthwise or asked)
        if params.pattern is not None:
            # Groups lie along the input channels, of which a depthwise filter has one.
            refused |= _depthwise(layer) or len(layer.kernel.shape) not in (2, 4)
        if ratio and refused:
            left.append(name)
        elif ratio:
            found[name] = ratio
    if left:
        more = "" if params.pattern else "; depthwise=true prunes them"
        work.listener.info(f"prune leaves {', '.join(left)} as they are{more}")
    return found


def _depthwise(layer: Any) -> bool:
    return type(layer).__name__ == "DepthwiseConv2D"


def _smallest(weights: Array, ratio: float) -> Array:
    """A mask, float32 of the shape of ``weights``, that is 0 for a part of the smallest."""
    order = np.argsort(np.abs(weights), axis=None, kind="stable")
    mask = np.ones(weights.size, np.float32)
    mask[order[: round(ratio * weights.size)]] = 0
    return mask.reshape(weights.shape)


def masked(mask: Array) -> Projection:
    """What keeps weights zero where ``mask`` is."""
    return lambda weights: weights * mask


def _suggest(trial: Any, known: Known) -> str:
    return f"prune:{trial.suggest_float('prune', 0.5, 0.9, step=0.05):g}:keep_ends=true"


register(
    Technique(
        "prune", "make the smallest weights zero", Prune, prune, space=Space("sparsity", _suggest)
    )
)

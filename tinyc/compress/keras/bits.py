"""Weights of few bits: whole numbers between -7 and 7, -1 and 1, or but -1 and 1, by one scale a
channel, trained with straight-through gradients or rounded after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from .base import (
    Known,
    Levels,
    Params,
    Price,
    Space,
    Technique,
    Work,
    channel_axes,
    kernel,
    kernel_layers,
    layers_named,
    register,
)
from .correction import SAMPLES, correct, moments
from .training import fit

BYTE = 8
"""The bits of a layer that is left to the export, whose weights are int8."""

Count = Annotated[
    Literal[8, 4, 2, 1],
    BeforeValidator(lambda v: int(v) if isinstance(v, str) and v.isdecimal() else v),
]


@dataclass(frozen=True)
class Uniform:
    """The projection on levels of ``bits`` (see `Levels`), by the scale of each channel that misses
    the least of it in the mean square; axes: those of the kernel that count no output channels.

    Of 1 bit that scale is the mean of magnitudes (Rastegari et al., XNOR-Net, arXiv:1603.05279,
    section 3.1). Of more, several are tried, each bettered by turns: the numbers nearest to the
    weights, the scale that fits those best (Lloyd's algorithm). Levels project on themselves.
    """

    bits: int
    axes: tuple[int, ...]

    # Largest magnitude : scale, where each of them starts. Those up to the largest level find
    # weights that are levels already, others cut outliers off.
    _CUT = (1.15, 1.3, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
    _TURNS = 2

    def __call__(self, weights: Any) -> Any:
        import tensorflow as tf

        if self.bits == 1:
            scale = tf.reduce_mean(tf.abs(weights), self.axes, keepdims=True)
            return tf.where(weights < 0, -scale, scale)
        most = 2 ** (self.bits - 1) - 1
        cuts = [most * cut for cut in self._CUT]
        starts = [*range(1, most + 1), *cuts] if self.bits < BYTE else [most]
        axes = [axis + 1 for axis in self.axes]  # behind that of the starts
        top = tf.reduce_max(tf.abs(weights), self.axes, keepdims=True)
        scale = top / tf.reshape(tf.constant(starts, weights.dtype), [-1] + [1] * len(top.shape))

        def levels() -> Any:
            return tf.clip_by_value(tf.round(tf.math.divide_no_nan(weights, scale)), -most, most)

        for _ in range(self._TURNS):
            q = levels()
            fit_to = tf.reduce_sum(q * q, axes, keepdims=True)
            scale = tf.math.divide_no_nan(tf.reduce_sum(q * weights, axes, keepdims=True), fit_to)
        found = scale * levels()
        missed = tf.reduce_sum(tf.square(found - weights), axes, keepdims=True)
        best = tf.one_hot(tf.argmin(missed), len(starts), axis=0, dtype=weights.dtype)
        return tf.reduce_sum(found * best, 0)


def uniform(layer: Any, bits: int) -> Uniform:
    """The projection of a layer's kernel."""
    kept = channel_axes(layer)
    return Uniform(bits, tuple(a for a in range(len(kernel(layer).shape)) if a not in kept))


class Bits(Params):
    """bits: 8, 4, 2 or 1; epochs: other than the training's, 0 to round alone; first: bits of the
    network's first convolution; correct: whether layers that are rounded alone get their means
    back, see `tinyc.compress.keras.correction`; layers: bits of single layers."""

    bits: Count = 4
    epochs: float | None = Field(None, ge=0)
    first: Count = 8
    correct: bool = True
    layers: Mapping[str, Count] = {}


class Alias(Params):
    """epochs: other than the training's, 0 to round alone; first: bits of the network's first
    convolution; correct: whether layers that are rounded alone get their means back; layers: bits
    of single layers."""

    epochs: float | None = Field(None, ge=0)
    first: Count = 8
    correct: bool = True
    layers: Mapping[str, Count] = {}


def bits_of(work: Work, params: Bits) -> dict[str, int]:
    """Name -> bits, of each layer with a kernel. Raises CompileError E362 (see `layers_named`)."""
    layers_named(work, params.layers, "bits")
    found: dict[str, int] = dict.fromkeys(kernel_layers(work.model), params.bits)
    convolutions = [n for n in found if hasattr(work.model.get_layer(n), "kernel_size")]
    if convolutions and convolutions[0] == next(iter(found)):
        found[convolutions[0]] = params.first
    return {**found, **params.layers}


def bits(work: Work, params: Bits) -> Work:
    """The work with kernels of few bits, trained as such, or rounded by 0 epochs. A layer's earlier
    bits end; 8 are left to the export."""
    wanted = bits_of(work, params)
    layers = kernel_layers(work.model)
    few = {name: count for name, count in wanted.items() if count != BYTE}
    others = {
        name: tuple(project for project in projections if not isinstance(project, Uniform))
        for name, projections in work.projections.items()
    }
    levels = {name: Levels(count) for name, count in few.items()}
    work = replace(work, projections=others, levels=levels)
    work = work.then({name: uniform(layers[name], count) for name, count in few.items()})
    epochs = work.training.epochs if params.epochs is None else params.epochs
    if epochs or not params.correct:
        fit(work, epochs=epochs, label="bits")
        return work
    x = work.data.typical(SAMPLES, work.training.seed)
    before = moments(work.model, few, x)
    fit(work, epochs=0)
    correct(work.model, before, x)
    return work


def _alias(name: str, count: Literal[4, 2, 1], help: str) -> None:
    def apply(work: Work, params: Alias) -> Work:
        return bits(work, Bits(bits=count, **params.model_dump()))

    register(Technique(name, help, Alias, apply))


def _suggest(trial: Any, known: Known) -> str:
    """Each layer at the bits whose loss and cost, the latter times a weight that the trial chooses,
    are least together (Shoham and Gersho, 1988): one number goes from all 8 to all of the fewest.
    Costs are measured, as by HAQ's simulator (arXiv:1811.08886)."""
    by = trial.suggest_categorical("bits_by", ["flash", "cycles"])
    weight = trial.suggest_float("bits_weight", 1e-3, 10, log=True)
    prices = known.prices()
    if not prices:
        return f"bits:{trial.suggest_categorical('bits', [4, 2])}"
    bytes_ = [layer[BYTE] for layer in prices.values()]
    whole = sum(price.flash if by == "flash" else price.cycles for price in bytes_) or 1

    def cost(price: Price) -> float:
        share = (price.flash if by == "flash" else price.cycles) / whole
        return float(max(price.loss, 0.0) + weight * share)

    chosen = {
        name: min(sorted(layer, reverse=True), key=lambda count: cost(layer[count]))
        for name, layer in prices.items()
    }
    few = "".join(f":{name}={count}" for name, count in chosen.items() if count != BYTE)
    return f"bits:{BYTE}{few}" if few else "int8"


register(
    Technique(
        "bits", "weights of 8, 4, 2 or 1 bits, by channel", Bits, bits,
        space=Space("precision", _suggest),
    )
)  # fmt: skip
_alias("int4", 4, "weights of 4 bits, by channel")
_alias("int2", 2, "weights of -1, 0 and 1, by channel")
_alias("int1", 1, "weights of -1 and 1, by channel")

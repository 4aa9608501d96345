"""Low rank: convolutions and dense layers become two or three smaller ones where that saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from ...errors import CompileError
from ...kernels import typical
from .base import Params, Technique, Work, kernel, kernel_layers, layers_named, register, unheld
from .rebuild import rebuilt
from .splits import Weights, kinds, split
from .training import fit

CHANNEL = 9
"""Bytes of an output channel besides its weights: bias, multiplier and shift."""

WORTH = 0.95
"""What a split may leave at most: the prices of kernels are off by some percent, see
docs/cycles.md, and each split costs accuracy."""

KINDS = ("Conv1D", "Conv2D", "Dense")


def _whole(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError("give a part of the energy, a whole rank, or 0")
    return value


class LowRank(Params):
    """energy: the part of the squares of a layer's singular values that is kept at least; by: what
    a split has to save, and that of which most is saved is taken, by default the cycles of the
    board's core; split: what a convolution k x k becomes, ``output``: k x k and 1 x 1, ``input``:
    1 x 1 and k x k, ``spatial``: k x 1 and 1 x k, ``tucker``: 1 x 1, k x k and 1 x 1; epochs: other
    than the training's; layers: of single ones the energy, or the rank, or 0 to leave them."""

    energy: float = Field(0.9, gt=0, lt=1)
    by: Literal["cycles", "macs", "bytes"] | None = None
    split: Literal["any", "output", "input", "spatial", "tucker"] = "any"
    epochs: float | None = Field(None, ge=0)
    layers: Mapping[str, Annotated[float, Field(ge=0), AfterValidator(_whole)]] = {}


@dataclass(frozen=True, eq=False)
class Part:
    """A layer in the place of another. strides, dilation: of each direction."""

    weights: Weights
    strides: tuple[int, ...]
    dilation: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """kind, energy: see `tinyc.compress.keras.splits.split`; spent: of the whole layer's cycles,
    multiplications or bytes."""

    kind: str
    energy: float
    parts: Sequence[Part]
    spent: float

    @property
    def ranks(self) -> tuple[int, ...]:
        return tuple(part.weights.shape[-1] for part in self.parts[:-1])


def low_rank(work: Work, params: LowRank) -> Work:
    """The model with layers split where that saves, trained. The last part of a layer has its name,
    bias and activation, those before it are ``<name>_low``, of three ``<name>_low_2`` too. Raises
    CompileError E361 (after a technique that holds weights; cycles without a core), E362."""
    unheld(work, "low_rank")
    layers_named(work, params.layers, "low_rank")
    by = params.by or ("macs" if work.core is None else "cycles")
    if by == "cycles" and work.core is None:
        what = "low_rank weighs cycles, and no board is named"
        raise CompileError("E361", "--with low_rank", what, "by=macs does without")
    found = {
        name: best
        for name, layer in kernel_layers(work.model, KINDS).items()
        if (best := _best(work, layer, params, by))
    }
    for name, best in found.items():
        ranks = ", ".join(map(str, best.ranks))
        said = f"{best.energy:.1%} of its energy and {best.spent:.0%} of its {by}"
        work.listener.info(f"{name}: {best.kind} split of rank {ranks}, {said}")
    if not found:
        work.listener.warn(f"low_rank saves {by} in no layer")
    work = replace(work, model=_with(work.model, found))
    fit(work, epochs=params.epochs, label="low_rank")
    return work


def _best(work: Work, layer: Any, params: LowRank, by: str) -> Split | None:
    """That which leaves least, of a given rank that which keeps most; None if none saves."""
    told = params.layers.get(layer.name, params.energy)
    whole = _whole_of(layer)
    if not told or not np.any(whole.weights) or not _plain(layer):
        return None
    full = cost(work, layer, [whole], by)
    found = []
    for kind in kinds(whole.weights):
        if params.split in ("any", kind) or whole.weights.ndim == 2:
            energy, weights = split(whole.weights, kind, told)
            parts = list(_parts(whole, weights))
            spent = cost(work, layer, parts, by) / full
            found.append(Split(kind, energy, parts, spent))
    saving = [one for one in found if one.spent <= WORTH]
    best = (lambda one: -one.energy) if told >= 1 else (lambda one: one.spent)
    return min(saving, key=best, default=None)


def _plain(layer: Any) -> bool:
    """Whether a layer's channels come last, and all of them from all."""
    first = getattr(layer, "data_format", None) == "channels_first"
    return not first and getattr(layer, "groups", 1) == 1


def _whole_of(layer: Any) -> Part:
    strides = tuple(getattr(layer, "strides", ()))
    return Part(kernel(layer).numpy(), strides, tuple(getattr(layer, "dilation_rate", ())))


def _parts(whole: Part, weights: Sequence[Weights]) -> Iterator[Part]:
    """Strides are those of the part that has the whole window (the first, if that is one place),
    or of a part's own direction."""
    places = [w.shape[:-2] for w in weights]
    whole_size = whole.weights.shape[:-2]
    at_once = next((i for i, place in enumerate(places) if place == whole_size), None)
    for i, (w, place) in enumerate(zip(weights, places, strict=True)):
        mine = tuple(n > 1 if at_once is None else i == at_once for n in place)
        strides, dilation = (
            tuple(n if own else 1 for n, own in zip(steps, mine, strict=True))
            for steps in (whole.strides, whole.dilation)
        )
        yield Part(w, strides, dilation)


def cost(work: Work, layer: Any, parts: Sequence[Part], by: str) -> float:
    """Of layers one after the other in the place of ``layer``: multiplications; bytes of weights
    and what goes with their channels, as int8; or cycles of the work's core, zero wait states."""
    image, total = tuple(layer.input_shape[1:-1]), 0.0
    if None in image:
        image = (1,) * len(image)
    for part in parts:
        *size, _, outputs = part.weights.shape
        after = image
        if part.strides:
            reach = (part.dilation[i] * (k - 1) for i, k in enumerate(size))
            inside = layer.padding == "valid"
            after = tuple(
                max(1, -(-(n - (r if inside else 0)) // s))
                for n, r, s in zip(image, reach, part.strides, strict=True)
            )
        if by == "bytes":
            total += part.weights.size + CHANNEL * outputs
        elif by == "macs":
            total += part.weights.size * prod(after)
        else:
            total += _cycles(work.core, part, after)
        image = after
    return total


def _cycles(core: Any, part: Part, after: tuple[int, ...]) -> float:
    *size, inputs, outputs = part.weights.shape
    if not size:
        node = typical.dense(prod(after), inputs, outputs)
    else:
        # Of one direction, TensorFlow Lite has a row.
        image = [n * s for n, s in zip(after, part.strides, strict=True)]
        (high, wide), (kh, kw), (down, right) = (
            [*[1] * (2 - len(size)), *values] for values in (image, size, part.strides)
        )
        node = typical.convolution(high, wide, inputs, outputs, (kh, kw), (down, right))
    return typical.price(node, core.title, core.features)


def _with(model: Any, splits: Mapping[str, Split]) -> Any:
    """The model with some layers split, and all weights."""
    names = {
        name: (*(f"{name}_low", f"{name}_low_2")[: len(found.parts) - 1], name)
        for name, found in splits.items()
    }

    def layers_for(layer: Any) -> list[Any]:
        config = layer.get_config()
        if layer.name not in splits:
            return [type(layer).from_config(config)]
        made = []
        for name, part in zip(names[layer.name], splits[layer.name].parts, strict=True):
            own = {**config, "name": name}
            if name != layer.name:
                own |= {"use_bias": False, "activation": "linear"}
            own["units" if "units" in config else "filters"] = part.weights.shape[-1]
            if part.strides:
                own |= {
                    "kernel_size": part.weights.shape[:-2],
                    "strides": part.strides,
                    "dilation_rate": part.dilation,
                }
            made.append(type(layer).from_config(own))
        return made

    made = rebuilt(model, layers_for)
    for layer in model.layers:
        values = layer.get_weights()
        if layer.name in splits:
            for name, part in zip(names[layer.name], splits[layer.name].parts, strict=True):
                bias = values[1:] if name == layer.name else []
                made.get_layer(name).set_weights([part.weights, *bias])
        else:
            made.get_layer(layer.name).set_weights(values)
    return made


register(Technique("low_rank", "split layers by their singular values", LowRank, low_rank))

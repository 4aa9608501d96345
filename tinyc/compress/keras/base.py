"""What a technique on a Keras model is, and what it is given and gives on.

Each file in `tinyc.compress.keras` that is asked for by name (``tinyc compress --with NAME``) tells
of itself by `register`. A technique takes a `Work` and returns another one; nothing is changed in
place but the weights of a model while it is trained.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from ...errors import CompileError
from ...ir import Array
from ...listener import SILENT, Listener
from ...plugins import Registry
from ...target.schema import Core
from .ranges import Ranges

Precision = Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
"""Keras's policy of a training; ``auto``: mixed_bfloat16 where the machine multiplies such."""


@dataclass(frozen=True, eq=False)
class Data:
    """x [n, ...], x_test [m, ...]: inputs of the network, which takes ``scale * x + offset``;
    y, y_test: int64 class indices [n], [m], None where there are none; classes: how many;
    name: what they were given as."""

    x: Array
    x_test: Array
    y: Array | None = None
    y_test: Array | None = None
    scale: float = 1.0
    offset: float = 0.0
    classes: int = 0
    name: str = "data"

    def inputs(self, x: Array) -> Array:
        """float32, as the network takes them."""
        return x.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)

    def typical(self, count: int, seed: int) -> Array:
        """Up to ``count`` training inputs at random, as the network takes them."""
        order = np.random.default_rng(seed).permutation(len(self.x))[:count]
        return self.inputs(self.x[order])


@dataclass(frozen=True)
class Training:
    """How a technique trains: Adam, whose rate falls to zero along half a cosine.

    epochs: of each technique that trains; shift, flip: what is done to training images at random,
    see `tinyc.train.recipe.Augment`; precision: see `Precision`; threads: of TensorFlow's
    operations, 0 for all processors: sums are split among them, so that bits depend on their
    number; folder: takes TensorBoard's logs, none if None.
    """

    epochs: float = 1.0
    batch: int = 128
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0
    shift: int = 0
    flip: bool = False
    precision: Precision = "auto"
    seed: int = 0
    threads: int = 0
    folder: Path | None = None


Projection = Callable[[Any], Any]
"""What weights may be: tensor float32 of the shape of a kernel -> the nearest such that is allowed,
by TensorFlow's operations. The gradient passes through it unchanged (straight-through)."""


@dataclass(frozen=True)
class Levels:
    """Whole numbers as which a layer's weights are stored, int8 in the file: those of ``bits``,
    symmetric (-(2^(bits-1) - 1) to 2^(bits-1) - 1; of 1 bit -1 and 1), by one scale a channel."""

    bits: int


@dataclass(frozen=True, eq=False)
class Work:
    """A model on its way.

    model: of tf_keras, functional, float32; teacher: what a distillation learns from, by default
    the model as it was given; projections: layer -> what keeps its kernel to what an earlier
    technique made of it, which every later training applies (see `then`); levels: layer -> how its
    kernel is stored; activations, edges: dtype of what lies between layers, and of inputs and
    outputs; ranges: how those of activations are found; wrapped: whether layers are those of
    TFMOT's quantization-aware training, which no technique can follow; loss: what trains in the
    place of cross-entropy: (model, x, y, training) -> scalar; core: a `tinyc.target.schema.Core`,
    whose cycles techniques may weigh; done: the techniques so far.
    """

    model: Any
    data: Data
    training: Training
    teacher: Any = None
    projections: Mapping[str, tuple[Projection, ...]] = field(default_factory=dict)
    levels: Mapping[str, Levels] = field(default_factory=dict)
    activations: Literal["int8", "int16"] = "int8"
    edges: Literal["int8", "uint8", "float32"] = "int8"
    ranges: Ranges = "minmax"
    wrapped: bool = False
    loss: Callable[[Any, Any, Any, bool], Any] | None = None
    core: Core | None = None
    early_exit: float | None = None
    done: tuple[str, ...] = ()
    listener: Listener = SILENT

    def then(self, projections: Mapping[str, Projection], **others: Any) -> Work:
        """With a projection of some layers more, behind those that they have, and ``others``."""
        known = {
            name: (*self.projections.get(name, ()), project)
            for name, project in projections.items()
        }
        return replace(self, projections={**self.projections, **known}, **others)


class Params(BaseModel):
    """What a technique may be told. The first field is its value (``prune:0.7``), the others have
    names (``prune:0.7:begin=0.3``); ``layers``, where a technique has it, is the value of single
    layers by their names (``bits:4:conv2d_1=8``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)


P = TypeVar("P", bound=Params)

Step = Literal["structure", "training", "ranges", "sparsity", "sharing", "precision"]
"""The parts of a chain that a search makes, in their order, of each at most one technique."""


@dataclass(frozen=True)
class Price:
    """What a layer is at some bits. loss: by how much that alone makes the network's larger; flash:
    bytes of its constants; cycles: modelled, of the layer in a build."""

    loss: float
    flash: int
    cycles: int


@dataclass(frozen=True)
class Known:
    """What a search knows when it begins. work: before the first technique; prices: layer -> bits
    -> its `Price`, measured when it is first asked for; none of layers that were not found, nor
    where the structure is another by then."""

    work: Work
    prices: Callable[[], Mapping[str, Mapping[int, Price]]]


@dataclass(frozen=True)
class Space:
    """Where a search tries a technique, and as what.

    step: of the chain; suggest: (trial, what is known) -> its text, as ``prune:0.7``, by what the
    trial, of Optuna, suggests under names that begin with the technique's; check: raises
    CompileError where the model of a work is none for it.
    """

    step: Step
    suggest: Callable[[Any, Known], str]
    check: Callable[[Work], None] = lambda work: None


@dataclass(frozen=True)
class Technique(Generic[P]):
    """name: that of ``--with``; help: what it does, in one line; params: what it takes; apply: the
    work; labels: whether it needs classes, or a function of what it was told: one that then needs
    none leaves a loss without, by which later ones train; trains: whether it trains; space: where a
    search tries it, None where none does."""

    name: str
    help: str
    params: type[P]
    apply: Callable[[Work, P], Work]
    labels: bool | Callable[[P], bool] = True
    trains: bool = True
    space: Space | None = None


_TECHNIQUES: Registry[Technique[Any]] = Registry("technique on Keras models", __package__)
register = _TECHNIQUES.add
techniques = _TECHNIQUES.all

KERNELS = ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")
"""Layers whose kernels techniques change, as Keras calls their classes."""


def kernel_layers(model: Any, kinds: Iterable[str] = KERNELS) -> dict[str, Any]:
    """Name -> layer, of those with a kernel, in the model's order; what TFMOT has wrapped is in
    its wrapper."""
    kinds = tuple(kinds)
    return {
        inner(layer).name: layer for layer in model.layers if type(inner(layer)).__name__ in kinds
    }


def inner(layer: Any) -> Any:
    """The layer inside of a wrapper of TFMOT's; any other itself."""
    wraps = type(layer).__module__.startswith("tensorflow_model_optimization.")
    return layer.layer if wraps and hasattr(layer, "layer") else layer


def kernel(layer: Any) -> Any:
    """The variable that holds a layer's weights: [kh, kw, in, out], of a depthwise convolution
    [kh, kw, in, multiplier], of a dense layer [in, out]."""
    # Clustering and quantization put a tensor, computed of the variable, in its place.
    if hasattr(layer, "original_clusterable_weights"):
        return layer.original_clusterable_weights["kernel"]
    if getattr(layer, "_weight_vars", None):
        return layer._weight_vars[0][0]
    layer = inner(layer)
    return layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel


def channel_axes(layer: Any) -> tuple[int, ...]:
    """The axes of a layer's kernel that count its output channels; scales are by them."""
    layer = inner(layer)
    return (2, 3) if hasattr(layer, "depthwise_kernel") else (len(layer.kernel.shape) - 1,)


def unheld(work: Work, technique: str) -> None:
    """Raises CompileError E361 where an earlier technique holds weights to something, before one
    that makes other weights of them."""
    if work.projections:
        what = f"{technique} makes other layers, whose weights {work.done[-1]} does not hold"
        raise CompileError("E361", f"--with {technique}", what, f"put {technique} before it")


def layers_named(work: Work, names: Iterable[str], technique: str) -> dict[str, Any]:
    """The layers with kernels of some names. Raises CompileError E362 for one that is none."""
    known = kernel_layers(work.model)
    return {n: _named(known, n, f"--with {technique}", "the model", " with weights") for n in names}


def layer_named(model: Any, name: str, where: str, whose: str) -> Any:
    """The layer of a name; whose: what the model is called. Raises CompileError E362."""
    return _named({layer.name: layer for layer in model.layers}, name, where, f"the {whose}")


def _named(known: Mapping[str, Any], name: str, where: str, owner: str, kind: str = "") -> Any:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"they are {', '.join(known)}"
        raise CompileError("E362", where, f"{owner} has no layer '{name}'{kind}", hint)
    return known[name]

"""Which channels of a network depend on which, and the network without some of them.

Each channel that a layer makes is a number. What an addition brings together is one channel from
then on; a concatenation puts the numbers one behind the other, a Flatten repeats them. So a layer
knows of each row and column of its weights to which channel it belongs, and loses those of channels
that are removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Channels = NDArray[np.int64]
"""Of each position of an axis the number of its channel."""

_PASS = set(
    "Activation ReLU LeakyReLU ELU ThresholdedReLU Dropout SpatialDropout1D SpatialDropout2D "
    "GaussianNoise GaussianDropout ActivityRegularization MaxPooling1D MaxPooling2D "
    "AveragePooling1D AveragePooling2D GlobalAveragePooling1D GlobalAveragePooling2D "
    "GlobalMaxPooling1D GlobalMaxPooling2D ZeroPadding1D ZeroPadding2D Cropping1D Cropping2D "
    "UpSampling1D UpSampling2D".split()
)
_MAKERS = {"Dense", "Conv1D", "Conv2D", "Conv2DTranspose", "SeparableConv2D"}
_MERGE = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}


@dataclass(frozen=True, eq=False)
class Group:
    """Channels [n] that the same layers make, by the names of those: one alone, or several that
    meet in an addition."""

    layers: tuple[str, ...]
    channels: Channels


@dataclass(frozen=True, eq=False)
class Structure:
    """weights: layer -> of each of its weights, of each axis, the channels, None where it counts
    something else; sizes: layer -> what of its description counts its outputs, and those;
    made: layer -> the channels that it makes or scales by weights of its own; norms: layer -> the
    batch normalization right behind it; groups: of all channels that can be removed."""

    weights: Mapping[str, tuple[tuple[Channels | None, ...], ...]]
    sizes: Mapping[str, tuple[str, Channels]]
    made: Mapping[str, Channels]
    norms: Mapping[str, str]
    groups: tuple[Group, ...]


def structure(model: Any) -> Structure:
    """Of a functional model of tf_keras. Inputs and outputs of the model stay whole, and so does
    what goes into a layer of which is not known here how it treats channels."""
    return _Walk(model).structure()


def without(model: Any, known: Structure, removed: Iterable[int]) -> Any:
    """A model of the same layers without the channels ``removed``, with the weights that remain."""
    import tf_keras

    gone = np.asarray(sorted(removed), np.int64)

    def left(channels: Channels) -> NDArray[np.bool_]:
        return ~np.isin(channels, gone)

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name in known.sizes:
            key, channels = known.sizes[layer.name]
            count = int(left(channels).sum())
            shape = config[key]
            config[key] = (*shape[:-1], count) if isinstance(shape, (tuple, list)) else count
        return type(layer).from_config(config)

    made = tf_keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        values = layer.get_weights()
        for at, axes in enumerate(known.weights.get(layer.name, ())):
            for axis, channels in enumerate(axes):
                if channels is not None:
                    values[at] = values[at].compress(left(channels), axis)
        made.get_layer(layer.name).set_weights(values)
    return made


class _Walk:
    """Through the calls of layers, from inputs to outputs."""

    def __init__(self, model: Any) -> None:
        self._parent: list[int] = []
        self._whole: set[int] = set()
        self._of: dict[int, Channels] = {}  # by the id of a tensor
        self._weights: dict[str, tuple[tuple[Channels | None, ...], ...]] = {}
        self._sizes: dict[str, tuple[str, Channels]] = {}
        self._made: dict[str, Channels] = {}
        self._makers: dict[str, Channels] = {}
        self._norms: dict[str, str] = {}
        self._maker: dict[int, str] = {}  # by the id of a tensor
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                self._call(node.layer, list(node.keras_inputs), _flat(node.outputs))
        for tensor in model.outputs:
            self._keep(self._of[id(tensor)])

    def structure(self) -> Structure:
        weights = {
            name: tuple(tuple(None if a is None else self._roots(a) for a in w) for w in axes)
            for name, axes in self._weights.items()
        }
        sizes = {name: (key, self._roots(c)) for name, (key, c) in self._sizes.items()}
        made = {name: self._roots(c) for name, c in self._made.items()}
        whole = {self._root(c) for c in self._whole}
        by: dict[int, list[str]] = {}
        for name, channels in self._makers.items():
            for channel in dict.fromkeys(self._roots(channels).tolist()):
                by.setdefault(channel, []).append(name)
        groups: dict[tuple[str, ...], list[int]] = {}
        for channel, names in by.items():
            if channel not in whole:
                groups.setdefault(tuple(names), []).append(channel)
        found = tuple(Group(names, np.asarray(c, np.int64)) for names, c in groups.items())
        return Structure(weights, sizes, made, self._norms, found)

    # Channels: those that are one have one root.

    def _new(self, count: int) -> Channels:
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def _root(self, channel: int) -> int:
        while self._parent[channel] != channel:
            self._parent[channel] = self._parent[self._parent[channel]]
            channel = self._parent[channel]
        return channel

    def _roots(self, channels: Channels) -> Channels:
        return np.asarray([self._root(c) for c in channels.tolist()], np.int64)

    def _unite(self, first: Channels, second: Channels) -> None:
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            self._parent[self._root(b)] = self._root(a)

    def _keep(self, channels: Channels) -> None:
        self._whole.update(channels.tolist())

    # Layers.

    def _call(self, layer: Any, inputs: list[Any], outputs: list[Any]) -> None:
        given = [self._of[id(t)] for t in inputs]
        foreign = getattr(layer, "data_format", None) == "channels_first"
        made = None if foreign else self._known(layer, inputs, outputs, given)
        if made is None:
            for channels in given:
                self._keep(channels)
            for tensor in outputs:
                self._of[id(tensor)] = self._new(tensor.shape[-1] or 0 if tensor.shape.rank else 0)
                self._keep(self._of[id(tensor)])
        else:
            self._of[id(outputs[0])] = made

    def _known(
        self, layer: Any, inputs: list[Any], outputs: list[Any], given: list[Channels]
    ) -> Channels | None:
        """The channels of a layer's output, or None where they are not understood."""
        kind = type(layer).__name__
        if len(outputs) != 1 or not given:
            return None
        x, shape = given[0], outputs[0].shape
        if kind in _PASS and not _softmax(layer):
            return x
        if kind in _MERGE:
            return self._merged(given)
        if kind == "Concatenate" and layer.axis in (-1, shape.rank - 1):
            return np.concatenate(given)
        if kind in ("Flatten", "Reshape"):
            return self._reshaped(layer, x, inputs[0].shape, shape)
        if kind == "BatchNormalization" and list(layer.axis) == [shape.rank - 1]:
            maker = self._maker.get(id(inputs[0]))
            if maker is not None:
                self._norms[maker] = layer.name
            return self._weighs(layer, x, [(x,)] * len(layer.weights))
        if kind == "PReLU":
            axes = [x if at == shape.rank - 2 else None for at in range(shape.rank - 1)]
            return self._weighs(layer, x, [tuple(axes)])
        made = self._product(layer, kind, x)
        if made is not None:
            self._maker[id(outputs[0])] = layer.name
            if _softmax(layer):
                self._keep(made)
        return made

    def _product(self, layer: Any, kind: str, x: Channels) -> Channels | None:
        """Of convolutions and dense layers."""
        axes: list[tuple[Channels | None, ...]]
        if kind == "DepthwiseConv2D":
            made = np.repeat(x, layer.depth_multiplier)
            self._made.setdefault(layer.name, made)
            axes = [(None, None, x, None), (made,)]
            return self._weighs(layer, made, axes[: len(layer.weights)])
        if kind not in _MAKERS or getattr(layer, "groups", 1) != 1:
            return None
        known = self._makers.get(layer.name)
        key = "units" if kind == "Dense" else "filters"
        made = self._new(getattr(layer, key)) if known is None else known
        if kind == "SeparableConv2D":
            axes = [(None, None, x, None), (None, None, np.repeat(x, layer.depth_multiplier), made)]
        elif kind == "Conv2DTranspose":
            axes = [(None, None, made, x)]
        else:
            axes = [(*[None] * (len(layer.kernel.shape) - 2), x, made)]
        self._sizes[layer.name] = (key, made)
        self._makers[layer.name] = self._made[layer.name] = made
        return self._weighs(layer, made, [*axes, (made,)][: len(layer.weights)])

    def _weighs(
        self, layer: Any, made: Channels, axes: list[tuple[Channels | None, ...]]
    ) -> Channels:
        """``made``, with what the axes of a layer's weights count noted; of a layer that is called
        again they count the same."""
        for first, second in zip(self._weights.get(layer.name, ()), axes, strict=False):
            for a, b in zip(first, second, strict=True):
                if a is not None and b is not None:
                    self._unite(a, b)
        self._weights.setdefault(layer.name, tuple(axes))
        return made

    def _merged(self, given: list[Channels]) -> Channels:
        count = max(len(channels) for channels in given)
        wide = [channels for channels in given if len(channels) == count]
        for channels in given:
            if len(channels) == count:
                self._unite(wide[0], channels)
            else:  # one value for all channels
                self._keep(channels)
        return wide[0]

    def _reshaped(self, layer: Any, x: Channels, before: Any, after: Any) -> Channels | None:
        """Of a Flatten or Reshape that leaves channels next to each other."""
        if before[-1] == after[-1]:
            made = x
        elif after.rank == 2 and after[-1] is not None:
            made = np.tile(x, after[-1] // len(x))
        else:
            return None
        if type(layer).__name__ == "Reshape":
            known = self._sizes.setdefault(layer.name, ("target_shape", made))
            self._unite(known[1], made)
        return made


def _flat(tensors: Any) -> list[Any]:
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]


def _softmax(layer: Any) -> bool:
    return getattr(getattr(layer, "activation", None), "__name__", "") == "softmax"

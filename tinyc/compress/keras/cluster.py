"""Cluster: weights share few values, so that a short index can stand for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

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
    channel_axes,
    kernel,
    kernel_layers,
    layers_named,
    register,
)
from .tfmot import float32_alone, unwrap, wrap, wrappers
from .training import fit

SHARED = ("Dense", "Conv1D")
"""Layers of which TFMOT clusters the whole kernel at once, so that all channels have one table."""


class Cluster(Params):
    """clusters: values of a channel's weights, of dense layers and Conv1D those of the layer's;
    zeros, where an earlier technique has made some, are one of them; depthwise: whether depthwise
    convolutions are clustered too; layers: their numbers of clusters, 256 to leave one; epochs:
    other than the training's, 0 for the nearest centroids alone."""

    clusters: int = Field(16, ge=2, le=256)
    depthwise: bool = False
    epochs: float | None = Field(None, ge=0)
    layers: Mapping[str, Annotated[int, Field(ge=2, le=256)]] = {}


def cluster(work: Work, params: Cluster) -> Work:
    """The model with few values of weights, of which every later training moves all equal ones
    together. Raises CompileError E362 (no such layer)."""
    from tensorflow_model_optimization.python.core.clustering.keras import cluster_wrapper

    layers = kernel_layers(work.model)
    numbers = _numbers(work, params)

    def around(count: int, sparse: bool) -> Any:
        # `tfmot.clustering.keras.cluster_weights` leaves convolutions without a bias as they are:
        # it takes the size of the last weight, which it thinks a bias, for the channels.
        return lambda layer: cluster_wrapper.ClusterWeights(
            layer, count, preserve_sparsity=sparse, cluster_per_channel=True,
            dtype=layer.dtype_policy,
        )  # fmt: skip

    theirs, ours, sparse = {}, {}, {}
    for name, count in numbers.items():
        weights = kernel(layers[name]).numpy()
        sparse[name] = name in work.projections and not weights.all()
        if _enough(layers[name], weights, count, sparse[name]):
            theirs[name] = around(count, sparse[name])
        else:
            ours[name] = _clustered(layers[name], weights, count, sparse[name], work.training.seed)
    wrapped = wrap(work, theirs, float32_alone(work, "cluster"))
    for name, weights in ours.items():
        kernel(kernel_layers(wrapped)[name]).assign(weights)
    ties = {name: tied(layers[name], weights) for name, weights in ours.items()}
    fit(work, wrapped, projections=ties, epochs=params.epochs, label="cluster")
    for wrapper in wrappers(wrapped).values():
        wrapper.update_clustered_weights_associations()
    unwrap(work.model, wrapped)
    for name in theirs:
        ties[name] = tied(layers[name], kernel(layers[name]).numpy())
    return work.then(ties)


def _numbers(work: Work, params: Cluster) -> dict[str, int]:
    """Layer -> clusters; what is left out is told."""
    layers_named(work, params.layers, "cluster")
    found, left = {}, []
    for name, layer in kernel_layers(work.model).items():
        asked = name in params.layers
        if hasattr(layer, "depthwise_kernel") and not (params.depthwise or asked):
            left.append(name)
        elif (count := params.layers.get(name, params.clusters)) < 256:
            found[name] = count
    if left:
        more = "depthwise=true clusters them"
        work.listener.info(f"cluster leaves {', '.join(left)} as they are; {more}")
    return found


def _groups(layer: Any, weights: Array) -> Array:
    """The weights that share values, one such group a row: [groups, weights of a group]."""
    if type(layer).__name__ in SHARED:
        return weights.reshape(1, -1)
    axes = channel_axes(layer)
    first = np.moveaxis(weights, axes, range(len(axes)))
    return first.reshape(int(np.prod(first.shape[: len(axes)])), -1)


def _of_groups(layer: Any, groups: Array, shape: tuple[int, ...]) -> Array:
    """Of `_groups` back: a kernel of ``shape``."""
    if type(layer).__name__ in SHARED:
        return groups.reshape(shape)
    axes = channel_axes(layer)
    first = [shape[axis] for axis in axes]
    others = [length for axis, length in enumerate(shape) if axis not in axes]
    return np.moveaxis(groups.reshape(*first, *others), range(len(axes)), axes)


def _enough(layer: Any, weights: Array, count: int, sparse: bool) -> bool:
    """Whether TFMOT clusters a layer: none that is depthwise, and none with a channel of fewer
    weights than clusters, of which one is that of zeros where these are kept."""
    if hasattr(layer, "depthwise_kernel"):
        return False
    groups = _groups(layer, weights)
    least = int(np.count_nonzero(groups, -1).min()) if sparse else groups.shape[1]
    return least >= count - sparse and count > 1 + sparse


def _clustered(layer: Any, weights: Array, count: int, sparse: bool, seed: int) -> Array:
    """The kernel with at most ``count`` values a group, by k-means (k-means++ at the start)."""
    from scipy.cluster.vq import kmeans2

    groups = _groups(layer, weights).copy()
    for row in groups:
        chosen = row != 0 if sparse else np.ones(len(row), bool)
        few = count - (sparse and not chosen.all())
        points = row[chosen]
        if len(np.unique(points)) <= few:
            continue
        centroids, nearest = kmeans2(
            points[:, None].astype(np.float64), few, minit="++", seed=seed, missing="warn"
        )
        row[chosen] = centroids[nearest, 0]
    return _of_groups(layer, groups, weights.shape).astype(np.float32)


def tied(layer: Any, weights: Array) -> Projection:
    """What keeps weights that are equal now, within a channel, equal: each becomes the mean of its
    like; and zeros zero."""
    import tensorflow as tf

    groups = _groups(layer, weights)
    index = np.zeros(groups.shape, np.int32)
    values = 0
    for row, group in zip(index, groups, strict=True):
        found, place = np.unique(group, return_inverse=True)
        row[:] = values + place
        values += len(found)
    flat = _of_groups(layer, index, weights.shape).ravel()
    share = (1 / np.bincount(flat)).astype(np.float32)
    kept = (weights != 0).astype(np.float32)

    def project(latent: Any) -> Any:
        sums = tf.math.unsorted_segment_sum(tf.reshape(latent, [-1]), flat, values)
        return tf.reshape(tf.gather(sums * share, flat), weights.shape) * kept

    return project


def _suggest(trial: Any, known: Known) -> str:
    """As many as places of 4 and of 2 bits tell apart, see `tinyc.kernels.levels`."""
    return f"cluster:{trial.suggest_categorical('cluster', [16, 4])}"


register(
    Technique(
        "cluster", "let weights share few values", Cluster, cluster,
        space=Space("sharing", _suggest),
    )
)  # fmt: skip

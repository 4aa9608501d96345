"""A functional model made anew with several layers in the place of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def rebuilt(model: Any, layers_for: Callable[[Any], Sequence[Any]]) -> Any:
    """``model`` with the layers that stand, one after the other, in the place of each of its own;
    their weights are as they were made. One that is called several times is made once."""
    import tensorflow as tf
    import tf_keras

    tensors: dict[int, Any] = {}
    made: dict[str, Sequence[Any]] = {}
    for tensor in model.inputs:
        name = tensor.node.layer.name
        tensors[id(tensor)] = tf_keras.Input(tensor.shape[1:], name=name, dtype=tensor.dtype)

    def given(value: Any) -> Any:
        return tensors.get(id(value), value)

    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            if node.layer.name not in made:
                made[node.layer.name] = layers_for(node.layer)
            first, *others = made[node.layer.name]
            args, options = tf.nest.map_structure(given, (node.call_args, node.call_kwargs))
            found = first(*args, **options)
            for layer in others:
                found = layer(found)
            pairs = zip(tf.nest.flatten(node.outputs), tf.nest.flatten(found), strict=True)
            tensors.update((id(old), new) for old, new in pairs)
    outputs = [tensors[id(tensor)] for tensor in model.outputs]
    return tf_keras.Model([tensors[id(t)] for t in model.inputs], outputs, name=model.name)

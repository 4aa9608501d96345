"""A functional model made anew: several layers in the place of one, nested models in line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

LayersFor = Callable[[Any], Sequence[Any]]


def rebuilt(model: Any, layers_for: LayersFor) -> Any:
    """``model`` with the layers that stand, one after the other, in the place of each of its own,
    also of those in models that are its layers; their weights are as they were made. One that is
    called several times is made once."""
    import tf_keras

    inputs = [
        tf_keras.Input(tensor.shape[1:], name=tensor.node.layer.name, dtype=tensor.dtype)
        for tensor in model.inputs
    ]
    return tf_keras.Model(inputs, _called(model, inputs, layers_for, {}), name=model.name)


def inlined(model: Any) -> Any:
    """``model`` with the layers of nested models as its own, and all weights; itself if there are
    none. Raises ValueError where two of them have one name."""
    import tf_keras

    if not any(isinstance(layer, tf_keras.Model) for layer in model.layers):
        return model
    pairs = []

    def layers_for(layer: Any) -> list[Any]:
        pairs.append((layer, type(layer).from_config(layer.get_config())))
        return [pairs[-1][1]]

    made = rebuilt(model, layers_for)
    for old, new in pairs:
        new.set_weights(old.get_weights())
    return made


def _called(
    model: Any, inputs: Sequence[Any], layers_for: LayersFor, made: dict[str, Sequence[Any]]
) -> list[Any]:
    """What a model comes to of other tensors. made: the layers for each of its own, by name."""
    import tensorflow as tf
    import tf_keras

    tensors = {id(tensor): given for tensor, given in zip(model.inputs, inputs, strict=True)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            args, options = tf.nest.map_structure(
                lambda value: tensors.get(id(value), value), (node.call_args, node.call_kwargs)
            )
            if isinstance(node.layer, tf_keras.Model):
                found = _called(node.layer, tf.nest.flatten(args), layers_for, {})
            else:
                if node.layer.name not in made:
                    made[node.layer.name] = layers_for(node.layer)
                first, *others = made[node.layer.name]
                found = first(*args, **options)
                for layer in others:
                    found = layer(found)
            pairs = zip(tf.nest.flatten(node.outputs), tf.nest.flatten(found), strict=True)
            tensors.update((id(old), new) for old, new in pairs)
    return [tensors[id(tensor)] for tensor in model.outputs]

"""A model of Keras 3 as one of tf_keras: the same layers by their descriptions, nested ones in
line, with their weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import CompileError
from ...frontends.packages import line

_NEW = ("dtype", "build_config", "registered_name", "module", "quantization_config")
"""What Keras 3 says of a layer that Keras 2 does not ask for."""

_RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}

_THROUGH = ("CastToFloat32", "Identity")
"""Layers, AutoKeras's first among them, that leave float32 as it is."""

_MERGING = ("Add", "Multiply", "Subtract", "Maximum", "Minimum")
_FUNCTIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "Silu": "swish",
    "Softmax": "softmax", "Elu": "elu", "HardSigmoid": "hard_sigmoid",
}  # fmt: skip
"""Operations that are no layers, of two tensors and of one, by their classes in `keras.ops`."""


def to_keras2(model: Any, origin: str) -> Any:
    """Each layer is made anew of its description, called as the other was, and given its weights.
    Raises CompileError E360 where one is not as in Keras 2."""
    import tf_keras

    try:
        inputs = [
            tf_keras.Input(tuple(tensor.shape)[1:], name=tensor.name.split(":")[0])
            for tensor in model.inputs
        ]
        outputs = _called(model, inputs, {})
        result = tf_keras.Model(inputs, outputs, name=model.name)
    except Exception as error:
        what = f"a layer of Keras 3 has no twin in Keras 2: {line(str(error))}"
        raise CompileError("E360", origin, what, "save it with tf-keras") from None
    return result


def _called(model: Any, inputs: Sequence[Any], made: dict[str, Any]) -> list[Any]:
    """What a model comes to of tensors of tf_keras. made: its layers by their names, in the order
    of their first calls; those that are missing are added."""
    import keras
    import tensorflow as tf

    model = getattr(model, "_functional", None) or model
    known = {id(tensor): given for tensor, given in zip(model.inputs, inputs, strict=True)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            operation = node.operation
            if node.is_input or isinstance(operation, keras.layers.InputLayer):
                continue
            given = [known[id(tensor)] for tensor in node.input_tensors]
            if isinstance(operation, keras.Model):
                inner = made.setdefault(operation.name, {})
                found = _called(operation, given, inner)
            elif type(operation).__name__ in _THROUGH:
                found = given
            else:
                is_new = operation.name not in made
                layer = made[operation.name] = made.get(operation.name) or _layer(operation, node)
                found = tf.nest.flatten(layer(given if len(given) > 1 else given[0]))
                if is_new and layer.weights:
                    layer.set_weights(operation.get_weights())
            pairs = zip(node.output_tensors, found, strict=True)
            known.update((id(old), new) for old, new in pairs)
    return [known[id(tensor)] for tensor in model.outputs]


def _layer(operation: Any, node: Any) -> Any:
    import keras
    import tf_keras

    kind = type(operation).__name__
    if not isinstance(operation, keras.layers.Layer):
        constants = len(node.arguments.args) - len(node.input_tensors)
        if kind in _MERGING and not constants and not node.arguments.kwargs:
            return getattr(tf_keras.layers, kind)(name=operation.name)
        if kind in _FUNCTIONS:
            return tf_keras.layers.Activation(_FUNCTIONS[kind], name=operation.name)
        raise ValueError(f"'{operation.name}' computes keras.ops.{kind}, which is no layer")
    if kind == "ExpandLastDim":  # AutoKeras's, of images without channels
        wide = (*node.input_tensors[0].shape[1:], 1)
        return tf_keras.layers.Reshape(wide, name=operation.name)
    twin = getattr(tf_keras.layers, kind, None)
    if twin is None or not type(operation).__module__.startswith("keras."):
        raise ValueError(f"'{operation.name}' is a {kind}, which Keras 2 does not have")
    config = {k: v for k, v in operation.get_config().items() if k not in _NEW}
    if kind == "Normalization":  # which may have learnt them
        shape = [node.input_tensors[0].shape[axis] for axis in operation._keep_axis]
        config["mean"] = np.asarray(operation.mean).reshape(shape)
        config["variance"] = np.asarray(operation.variance).reshape(shape)
    config = {_RENAMED.get((kind, k), k): _plain(v) for k, v in config.items()}
    return twin.from_config(_asked_for(config, operation, twin))


def _asked_for(config: Mapping[str, Any], operation: Any, twin: Any) -> dict[str, Any]:
    """What Keras 2 asks for; the rest must be as if it were not there. Raises ValueError."""
    asked = {"name", "trainable"} | {
        name for cls in twin.__mro__ for name in inspect.signature(cls.__init__).parameters
    }
    usual = inspect.signature(type(operation).__init__).parameters
    for key, value in config.items():
        default = usual[key].default if key in usual else None
        if key not in asked and value not in (default, None, False, "channels_last"):
            raise ValueError(f"'{operation.name}' has {key}={value!r}, which Keras 2 does not know")
    return {key: value for key, value in config.items() if key in asked}


def _plain(value: Any) -> Any:
    """Initializers and the like, as Keras 2 describes them; None where it has no such."""
    import tf_keras

    if not isinstance(value, dict) or "class_name" not in value:
        return value
    name, config = value["class_name"], value.get("config", {})
    for module in (tf_keras.initializers, tf_keras.regularizers, tf_keras.constraints):
        found = getattr(module, name, None)
        if found is not None:
            asked = inspect.signature(found.__init__).parameters
            return {"class_name": name, "config": {k: v for k, v in config.items() if k in asked}}
    raise ValueError(f"Keras 2 has no {name}")

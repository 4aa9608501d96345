"""A model of Keras 3 as one of tf_keras: the same layers by their descriptions."""

from __future__ import annotations

from typing import Any

from ...errors import CompileError
from ...frontends.packages import line

_NEW = ("dtype", "build_config", "registered_name", "module", "quantization_config")
"""What Keras 3 says of a layer that Keras 2 does not ask for."""


def to_keras2(model: Any, origin: str) -> Any:
    """Each layer is made anew of its description, called as the other was, and given its weights.
    Raises CompileError E360 where one is not as in Keras 2."""
    import tf_keras

    tensors: dict[int, Any] = {}
    made: dict[str, Any] = {}
    try:
        for tensor in model.inputs:
            shape = tuple(tensor.shape)[1:]
            name = tensor.name.split(":")[0]
            tensors[id(tensor)] = tf_keras.Input(shape, name=name)
        for operation in model.operations:
            if type(operation).__name__ == "InputLayer":
                continue
            for node in operation._inbound_nodes:
                if not all(id(t) in tensors for t in node.input_tensors):
                    continue
                layer = made.get(operation.name) or _layer(operation)
                made[operation.name] = layer
                given = [tensors[id(t)] for t in node.input_tensors]
                # Of the two Keras alone a layer that merges takes a list.
                merges = isinstance(layer, tf_keras.layers.Concatenate) or len(given) > 1
                found = layer(given if merges else given[0])
                for tensor, out in zip(
                    node.output_tensors, found if isinstance(found, list) else [found], strict=True
                ):
                    tensors[id(tensor)] = out
        outputs = [tensors[id(t)] for t in model.outputs]
        result = tf_keras.Model([tensors[id(t)] for t in model.inputs], outputs, name=model.name)
        for name, layer in made.items():
            layer.set_weights(model.get_layer(name).get_weights())
    except Exception as error:
        what = f"a layer of Keras 3 has no twin in Keras 2: {line(str(error))}"
        raise CompileError("E360", origin, what, "save it with tf-keras") from None
    return result


def _layer(operation: Any) -> Any:
    import tf_keras

    config = {k: v for k, v in operation.get_config().items() if k not in _NEW}
    config = {k: _plain(v) for k, v in config.items()}
    return getattr(tf_keras.layers, type(operation).__name__).from_config(config)


def _plain(value: Any) -> Any:
    """Initializers and the like, as Keras 2 describes them."""
    if isinstance(value, dict) and "class_name" in value:
        return {"class_name": value["class_name"], "config": value.get("config", {})}
    return value

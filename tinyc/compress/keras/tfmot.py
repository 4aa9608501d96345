"""TensorFlow Model Optimization's wrappers around layers: put on for a training, and taken off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .base import Work, inner
from .training import in_precision

Wrapper = Callable[[Any], Any]
"""A layer that has its weights, and is in no model -> the same inside of one of TFMOT's."""


def wrap(work: Work, around: Mapping[str, Wrapper], policy: str) -> Any:
    """A clone of the work's model, of equal weights and in the precision ``policy``, where the
    layers of the names in ``around`` are in wrappers."""
    import tf_keras

    model = in_precision(work.model, policy)

    def clone(layer: Any) -> Any:
        made = type(layer).from_config(layer.get_config())
        if layer.name not in around:
            return made
        # Wrappers read the weights when they are built.
        made.build(layer.get_input_shape_at(0))
        made.set_weights(layer.get_weights())
        return around[layer.name](made)

    made = tf_keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer.name not in around:
            made.get_layer(layer.name).set_weights(layer.get_weights())
    return made


def float32_alone(work: Work, technique: str) -> str:
    """The policy of techniques that TFMOT has in no other precision, and a word to who asked."""
    if work.training.precision not in ("auto", "float32"):
        work.listener.warn(
            f"{technique} trains in float32: TFMOT has it in no {work.training.precision}"
        )
    return "float32"


def wrappers(model: Any) -> dict[str, Any]:
    """Name of a layer -> the wrapper that it is in, of those that are in one."""
    return {inner(layer).name: layer for layer in model.layers if inner(layer) is not layer}


def unwrap(model: Any, trained: Any) -> None:
    """Give ``model`` the weights of ``trained``, its clone by `wrap`: in this way its layers stay
    Keras's own and keep their names, and their weights float32."""
    inside = {inner(layer).name: layer for layer in trained.layers}
    for layer in model.layers:
        wrapper = inside[layer.name]
        weights = inner(wrapper).get_weights()
        for place, name in getattr(wrapper, "position_original_weights", {}).items():
            weights.insert(place, wrapper.get_weight_from_layer(name).numpy())
        layer.set_weights(weights)

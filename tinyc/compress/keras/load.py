"""A Keras model as techniques take it: of tf_keras, functional, float32."""

from __future__ import annotations

from typing import Any

from ...errors import CompileError
from ...frontends.keras import is_keras, opened
from ...frontends.keras.graph import Network
from ...frontends.packages import KERAS2, TFMOT, line, prepare, quiet
from .rebuild import inlined


def load(model: str, trust: bool = False) -> Any:
    """The model of a path or of ``file.py:function``.

    Raises CompileError E360 (not a Keras model of layers), E705 (a package is missing), and those
    of `tinyc.frontends.keras.opened`.
    """
    if not is_keras(model):
        what = "is no Keras model, which can be trained"
        hint = "`tinyc build --compress` has techniques for other files"
        raise CompileError("E360", model, what, hint)
    prepare(model, KERAS2 | TFMOT)
    with quiet():
        loaded, larq = opened(model, trust)
    if larq or isinstance(loaded, Network):
        what = "is binarized already" if larq else "holds a graph without layers"
        raise CompileError("E360", model, what, "give a Keras model of float32 layers")
    return functional(loaded, model)


def functional(loaded: Any, origin: str) -> Any:
    """A functional model of tf_keras with the layers and weights of ``loaded``, which may be of
    Keras 3, and hold models as layers. Raises CompileError E360 where there are several inputs, or
    no layers."""
    import tf_keras

    if not isinstance(loaded, tf_keras.Model):
        from .keras3 import to_keras2

        loaded = to_keras2(loaded, origin)
    if not getattr(loaded, "inputs", None) or len(loaded.inputs) != 1:
        what = "techniques take models of one input, made of layers"
        raise CompileError("E360", origin, what, "build it as Sequential or functional")
    if isinstance(loaded, tf_keras.Sequential):
        loaded = tf_keras.Model(loaded.inputs, loaded.outputs, name=loaded.name)
    try:
        return inlined(loaded)
    except ValueError as error:
        what = f"its nested models cannot be taken apart: {line(str(error))}"
        raise CompileError("E360", origin, what, "give their layers names of their own") from None

"""What ``file.py:function`` returns. The file is the user's own code, and runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ...errors import CompileError
from .. import script
from ..packages import JAX, KERAS3, LARQ, prepare
from . import larq_layers
from .signatures import of_jax, of_module


def call(path: Path, function: str) -> tuple[Any, bool]:
    """The Keras model, or the `Network`, that ``function`` of the file returns, and whether it is
    one of larq."""
    origin = f"{path}:{function}"
    imported = script.imported(path)  # `tf.keras` is chosen before any of it runs
    larq = "larq" in imported
    packages = (LARQ if larq else KERAS3) | (JAX if "jax" in imported else {})
    prepare(origin, packages, legacy=bool({"larq", "tf_keras"} & imported))
    made = script.call(path, function, LARQ | JAX)
    kinds = [sys.modules[name].Model for name in ("keras", "tf_keras") if name in sys.modules]
    if isinstance(made, tuple(kinds)):
        return made, larq or any(map(larq_layers.is_larq, larq_layers.layers(made)))
    return _network(made, origin), False


def _network(made: Any, origin: str) -> Any:
    """The `Network` of what is no Keras model. Raises CompileError E216 where it is of none of the
    kinds that are known."""
    import tensorflow as tf

    if isinstance(made, tf.Module | tf.types.experimental.PolymorphicFunction):
        return of_module(made, origin)
    if isinstance(made, tuple | list) and len(made) > 1 and callable(made[0]):
        prepare(origin, KERAS3 | JAX)
        return of_jax(made[0], made[1:], origin)
    raise CompileError(
        "E216", origin, f"returns an object of type {type(made).__name__}",
        "return a keras.Model, a tf_keras.Model, a tf.Module, or a function of JAX and an array "
        "like each of its inputs",
    )  # fmt: skip

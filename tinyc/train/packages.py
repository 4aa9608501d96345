"""TensorFlow, Keras 2 and larq: loaded late, with the settings that they read once."""

from __future__ import annotations

import contextlib
import importlib.metadata
from types import ModuleType

from ..frontends.keras import PACKAGES, prepare, quiet

_PACKAGES = {**PACKAGES, "sklearn": "scikit-learn"}

__all__ = ["quiet", "tensorflow", "versions"]


def tensorflow() -> ModuleType:
    """Import TensorFlow. Raises CompileError E705 if it, larq or another package is missing."""
    prepare("tinyc train", _PACKAGES)
    with quiet():
        import tensorflow

        # A GPU's driver speaks when it is first asked.
        for gpu in tensorflow.config.list_physical_devices("GPU"):
            with contextlib.suppress(RuntimeError):
                tensorflow.config.experimental.set_memory_growth(gpu, True)
    return tensorflow


def versions() -> dict[str, str]:
    """The version of each package that training depends on."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES.values()}

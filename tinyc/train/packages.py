"""TensorFlow, Keras 2 and larq: loaded late, with the settings that they read once."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from types import ModuleType

from ..frontends.packages import KERAS2, LARQ, prepare, quiet

_DIGITS = {"sklearn": "scikit-learn"}  # which come with it
_PACKAGES = LARQ | _DIGITS

__all__ = ["quiet", "tensorflow", "versions"]


def tensorflow(binary: bool = False, digits: bool = False) -> ModuleType:
    """Import TensorFlow. binary: for a network with layers of larq; digits: with scikit-learn's
    data. Raises CompileError E705 if a package is missing."""
    needed = (LARQ if binary else KERAS2) | (_DIGITS if digits else {})
    prepare("tinyc train", needed)
    with quiet():
        found = importlib.import_module("tensorflow")
        # A GPU's driver speaks when it is first asked.
        for gpu in found.config.list_physical_devices("GPU"):
            with contextlib.suppress(RuntimeError):
                found.config.experimental.set_memory_growth(gpu, True)
    return found


def versions() -> dict[str, str]:
    """The version of each package that training depends on, of those that are installed."""
    found = {}
    for name in _PACKAGES.values():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found

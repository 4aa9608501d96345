"""TensorFlow, Keras 2 and larq: loaded late, with the settings that they read once."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType

from ..errors import CompileError

_PACKAGES = {
    "tensorflow": "tensorflow", "tf_keras": "tf-keras", "larq": "larq",
    "larq_compute_engine": "larq-compute-engine", "sklearn": "scikit-learn",
}  # fmt: skip


def tensorflow() -> ModuleType:
    """Import TensorFlow. Raises CompileError E705 if it, larq or another package is missing."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CompileError(
            "E705", "tinyc train", f"needs {', '.join(_PACKAGES[name] for name in missing)}",
            "pip install 'tinyc[train]'",
        )  # fmt: skip
    # larq builds on Keras 2; both variables are read when TensorFlow is first imported.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what native code writes to stderr out of the user's sight."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)

"""The frameworks that a model may need: loaded late and in silence, and what they say."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping

from ..errors import CompileError

KERAS3 = {"tensorflow": "tensorflow"}  # which depends on Keras 3
KERAS2 = KERAS3 | {"tf_keras": "tf-keras"}
ONNX = {"onnx": "onnx"}
LARQ = KERAS2 | {"larq": "larq", "larq_compute_engine": "larq-compute-engine"}
JAX = {"jax": "jax"}
TFMOT = {"tensorflow_model_optimization": "tensorflow-model-optimization"}
NETRON = {"netron": "netron"}
TORCH = {"torch": "torch", "litert_torch": "litert-torch"}
"""What a model needs: module -> package."""

EXTRAS = {
    **dict.fromkeys(KERAS2, "keras"),
    **dict.fromkeys(LARQ.keys() - KERAS2, "larq"),
    **dict.fromkeys(ONNX, "onnx"),
    **dict.fromkeys(JAX, "jax"),
    **dict.fromkeys(TORCH, "torch"),
    **dict.fromkeys(TFMOT, "compress"),
    **dict.fromkeys(NETRON, "compress"),
}
"""Module -> the extra of tinyc that brings it; any other comes with ``tinyc[train]``."""
NO_LARQ_FROM = (3, 13)
"""The first Python for which larq-compute-engine has no wheels, nor numpy 1, which larq needs."""


def prepare(origin: str, packages: Mapping[str, str], legacy: bool = True) -> None:
    """Make TensorFlow importable with the settings that it reads once.

    packages: module -> package; legacy: whether ``tf.keras`` is to be Keras 2, on which larq
    builds. Raises CompileError E705 where a package is missing, with the extra that has it.
    """
    require(origin, packages)
    # These are read when TensorFlow or Keras is first imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if legacy:
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


def require(origin: str, packages: Mapping[str, str]) -> None:
    """Raise CompileError E705 where one of ``packages`` is missing, with the extra that has it."""
    missing = [module for module in packages if importlib.util.find_spec(module) is None]
    if missing:
        names = ", ".join(packages[module] for module in missing)
        raise CompileError("E705", origin, f"needs {names}", remedy(missing))


def remedy(modules: list[str]) -> str:
    """How to get ``modules``, which are missing."""
    extras = {EXTRAS.get(module, "train") for module in modules}
    if "larq" in extras and sys.version_info >= NO_LARQ_FROM:
        return (
            f"larq's converter has no wheels for Python {sys.version_info[0]}."
            f"{sys.version_info[1]}: use Python 3.11 or 3.12, and pip install 'tinyc[larq]' there"
        )
    order = ("train", "compress", "larq", "jax", "keras", "onnx", "torch")
    extra = next(name for name in order if name in extras)
    if extra == "torch":  # whose versions of packages are not TensorFlow's
        return "in an environment of its own, pip install 'tinyc[torch]'"
    return f"pip install 'tinyc[{extra}]'"


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


_FRAME = re.compile(
    r'^ *File ".*\n.*|^in user code:|^Traceback.*|.*Exception encountered when calling.*'
    r"|\x1b\[[0-9;]*m|\{\{.*?\}\} *|\[\[.*|^\S+:\d+:\d+: (?=error)",
    re.MULTILINE,
)
"""What of frameworks' messages tells where, and not what."""


def line(text: str) -> str:
    """The telling line of a long message."""
    lines = [line.strip() for line in _FRAME.sub("", text).splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line.lower()]
    return (telling or lines or ["no reason is given"])[0][:300]

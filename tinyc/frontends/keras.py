"""Read a Keras or larq model: checked layer by layer, converted by Larq Compute Engine.

A model is a file (``.h5``, ``.keras``), a SavedModel folder, or ``file.py:function``, where the
function takes nothing and returns a Keras model.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError, CompileErrors
from .order import Wanted

SUFFIXES = (".h5", ".hdf5", ".keras")
PACKAGES = {
    "tensorflow": "tensorflow", "tf_keras": "tf-keras", "larq": "larq",
    "larq_compute_engine": "larq-compute-engine",
}  # fmt: skip
"""What a Keras model needs: module -> package."""

SIGNS = ("SteSign", "ApproxSign", "SwishSign", "MagnitudeAwareSign")
"""larq's quantizers to +1 and -1 (larq/quantizers.py); the last one, with a scale for each
output channel, is one of weights only."""

_INSTEAD = {
    "DoReFa": "it has more than one bit: use ste_sign for a binary layer, or no quantizer and "
    "--calibrate for an int8 one",
    "SteTern": "it is ternary: use ste_sign or magnitude_aware_sign",
    "SteHeaviside": "it gives 0 and 1: use ste_sign",
    "NoOp": "it quantizes nothing: leave it out, or use ste_sign",
}
_BINARY_LAYERS = (
    "QuantConv1D", "QuantConv2D", "QuantDense", "QuantDepthwiseConv2D", "QuantSeparableConv2D",
)  # fmt: skip


@dataclass(frozen=True)
class KerasModel:
    """tflite: the converted file's bytes; predict: float32 inputs [n, ...] -> the outputs of
    the Keras model, a list of float32 [n, ...], raises CompileError E225 where Keras fails at
    them; inputs, outputs: both in the Keras model's order, which is predict's."""

    tflite: bytes
    predict: Callable[[list[np.ndarray]], list[np.ndarray]]
    inputs: tuple[Wanted, ...]
    outputs: tuple[Wanted, ...]


def is_keras(model: str) -> bool:
    """Whether ``model`` names what this module reads."""
    path = Path(model)
    return path.suffix in SUFFIXES or path.is_dir() or _split(model) is not None


def _split(model: str) -> tuple[Path, str] | None:
    """(file, function) of ``file.py:function``."""
    file, colon, function = model.rpartition(":")
    return (Path(file), function) if colon and file.endswith(".py") else None


def load(model: str) -> KerasModel:
    """Load, check and convert ``model``.

    Raises CompileError E202 (no such file), E216 (no function, or it returns no model), E309
    (the file cannot be loaded), E310 (a layer of larq), E311 (not converted), E705 (packages).
    """
    place = _split(model)
    path = place[0] if place else Path(model)
    if not path.exists():
        raise CompileError("E202", model, "no such file", "give the path of a model")
    if path.is_dir() and not (path / "saved_model.pb").exists():
        raise CompileError("E216", model, "is a folder without a saved_model.pb", "give a model")
    prepare(model)
    with quiet():
        network = _call(path, place[1]) if place else _load(path)
        check(network, model)
        tflite = _convert(network, model)

    def predict(inputs: list[np.ndarray]) -> list[np.ndarray]:
        try:
            with quiet():
                found = network.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
        except Exception as error:  # TensorFlow's own checks, as of indices
            raise CompileError(
                "E225", model, f"Keras cannot compute these samples: {_cause(str(error))}",
                "pass --data data.npz with samples like the real ones",
            ) from None  # fmt: skip
        return [np.asarray(y, np.float32) for y in _flat(found)]

    return KerasModel(tflite, predict, *ports(network))


def ports(network: Any) -> tuple[tuple[Wanted, ...], tuple[Wanted, ...]]:
    """The inputs and the outputs of a Keras model in its own order, by the keys of the
    dictionary in which they stand, else by their layers' names, which the converted file's
    signature has; nothing where the model does not tell."""
    found = []
    for role in ("input", "output"):
        tensors = list(getattr(network, f"{role}s", None) or ())
        names = list(getattr(network, f"{role}_names", None) or ())
        # Keras 2 keeps what Model(...) was given, and sorts dictionaries by their keys.
        given = getattr(network, f"_nested_{role}s", None)
        keys = sorted(given) if isinstance(given, dict) else []
        shown = keys if len(keys) == len(names) else names
        same = len(tensors) == len(names)
        found.append(tuple(map(_wanted, tensors, names, shown)) if same else ())
    return found[0], found[1]


def _wanted(tensor: Any, layer: str, shown: str) -> Wanted:
    shape = tuple(tensor.shape[1:])
    known = None if None in shape else tuple(map(int, shape))
    dtype = getattr(tensor.dtype, "name", str(tensor.dtype))
    return Wanted(shown, tuple(dict.fromkeys((layer, shown))), known, dtype)


def _flat(found: Any) -> list[Any]:
    """The leaves of nested lists and dictionaries, these sorted by their keys, as Keras has it."""
    if isinstance(found, dict):
        return [leaf for key in sorted(found) for leaf in _flat(found[key])]
    if isinstance(found, (list, tuple)):
        return [leaf for entry in found for leaf in _flat(entry)]
    return [found]


def _load(path: Path) -> Any:
    import larq  # noqa: F401  registers its layers and quantizers with Keras
    import tf_keras

    try:
        return tf_keras.models.load_model(path, compile=False)
    except Exception as error:
        text = str(error).strip() or type(error).__name__
        hint = "save it with larq 0.14 and tf-keras, or give file.py:function"
        raise CompileError(
            "E309", str(path), f"Keras cannot load it: {_line(text)}", hint
        ) from None


def _call(path: Path, function: str) -> Any:
    import tf_keras

    origin = f"{path}:{function}"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
        maker = getattr(module, function, None)
        if not callable(maker):
            known = [n for n in vars(module) if callable(getattr(module, n)) and n[0] != "_"]
            hint = f"it has {', '.join(known)}" if known else ""
            raise CompileError("E216", origin, f"the file has no function '{function}'", hint)
        network = maker()
    except CompileError:
        raise
    except Exception as error:
        raise CompileError(
            "E216", origin, f"fails: {type(error).__name__}: {_line(str(error))}", "run it alone"
        ) from None
    finally:
        sys.path.pop(0)
    if not isinstance(network, tf_keras.Model):
        hint = "return a tf_keras.Model (TF_USE_LEGACY_KERAS=1)"
        raise CompileError("E216", origin, f"returns a {type(network).__name__}", hint)
    return network


def check(network: Any, file: str) -> None:
    """Raise CompileError(s) E310 for layers of larq that cannot become bits, and E305 for
    inputs without a fixed shape."""
    errors = []
    weighted = 0
    for layer in _layers(network):
        kind = type(layer).__name__
        origin = f"{file}: layer '{layer.name}' ({kind})"
        if type(layer).__module__.startswith("larq") and kind.startswith("Quant"):
            errors += _problems(layer, kind, origin, first=weighted == 0)
        weighted += bool(layer.weights) and "Normalization" not in kind
    for tensor in network.inputs or ():
        if None in tensor.shape[1:]:
            what = f"the input '{tensor.name}' has the shape {list(tensor.shape)}"
            errors.append(CompileError("E305", file, what, "fix every size but the batch"))
    if errors:
        raise errors[0] if len(errors) == 1 else CompileErrors(tuple(errors))


def _layers(network: Any) -> Iterator[Any]:
    for layer in network.layers:
        yield from _layers(layer) if hasattr(layer, "layers") else (layer,)


def _problems(layer: Any, kind: str, origin: str, first: bool) -> list[CompileError]:
    """What keeps a layer of larq from being binary; the first layer may take plain pixels."""
    if kind not in _BINARY_LAYERS:
        hint = f"use {', '.join(_BINARY_LAYERS)}"
        return [CompileError("E310", origin, "has no binary form here", hint)]
    names = [n for n in ("input_quantizer", "kernel_quantizer", "depthwise_quantizer",
                         "pointwise_quantizer") if hasattr(layer, n)]  # fmt: skip
    if kind == "QuantDepthwiseConv2D":  # it inherits the other one, which it does not use
        names = [n for n in names if n != "kernel_quantizer"]
    found = {name: getattr(layer, name) for name in names}
    errors = []
    for name, quantizer in found.items():
        if quantizer is None:
            continue
        quantizer_name = _quantizer_name(quantizer)
        allowed = SIGNS if name != "input_quantizer" else SIGNS[:3]
        if quantizer_name not in allowed:
            hint = _INSTEAD.get(quantizer_name, "use ste_sign, approx_sign or swish_sign")
            what = f"its {name} {quantizer_name} is not supported"
            errors.append(CompileError("E310", origin, what, hint))
    if errors:
        return errors
    weights = [name for name in names if name != "input_quantizer"]
    signs = [name for name in weights if found[name] is not None]
    if found["input_quantizer"] is not None and len(signs) < len(weights):
        missing = next(name for name in weights if found[name] is None)
        return [CompileError(
            "E310", origin, f"has binary inputs but no {missing}",
            f'pass {missing}="ste_sign", or take the input_quantizer away',
        )]  # fmt: skip
    if found["input_quantizer"] is None and signs and not first:
        return [CompileError(
            "E310", origin, "has binary weights but no input_quantizer",
            'pass input_quantizer="ste_sign" (only the first layer takes numbers), or take the '
            f"{signs[0]} away",
        )]  # fmt: skip
    return []


def _quantizer_name(quantizer: Any) -> str:
    kind = type(quantizer)
    if kind.__name__ in ("function", "partial", "Functional", "Lambda"):
        return str(getattr(quantizer, "__name__", kind.__name__))
    return kind.__name__


def _convert(network: Any, origin: str) -> bytes:
    import larq_compute_engine as lce

    try:
        return bytes(lce.convert_keras_model(network))
    except Exception as error:
        raise CompileError(
            "E311", origin, f"larq_compute_engine cannot convert it: {_line(str(error))}",
            "use layers that TensorFlow Lite knows",
        ) from None  # fmt: skip


def _line(text: str) -> str:
    """The telling line of a long message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line.lower()]
    return (telling or lines or ["no reason is given"])[0][:300]


def _cause(text: str) -> str:
    """The line of TensorFlow's report that says what is wrong: the last but for its own marks."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(("[[", "File "))]
    return (telling or ["no reason is given"])[-1].partition(" [[")[0][:300]


def prepare(origin: str, packages: Mapping[str, str] = PACKAGES) -> None:
    """Make TensorFlow importable with the settings that it reads once. packages: module ->
    package; raises CompileError E705 where one is missing."""
    missing = [
        name for module, name in packages.items() if importlib.util.find_spec(module) is None
    ]
    if missing:
        hint = "pip install 'tinyc[train]'"
        raise CompileError("E705", origin, f"needs {', '.join(missing)}", hint)
    # larq builds on Keras 2; both variables are read when TensorFlow is first imported.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


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

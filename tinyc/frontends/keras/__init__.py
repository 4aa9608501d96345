"""Read a Keras model: of Keras 3, of Keras 2, with layers of larq, or a SavedModel's graph.

A model is a file (``.h5``, ``.keras``), a SavedModel folder, or ``file.py:function``, where the
function takes nothing and returns a Keras model; that file is the user's own code, and runs. All
else is inspected first: what would run code that came with the file needs the user's word.
TensorFlow's converter makes the ``.tflite``, for larq Larq Compute Engine's.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CompileError, CompileErrors
from ...ir import Array
from ..base import Frontend, Model, Predict, register
from ..order import Wanted, in_order
from ..packages import KERAS2, KERAS3, LARQ, line, prepare, quiet
from ..script import is_torch, split
from ..tflite import lift, parse
from . import autokeras_layers, larq_layers
from . import file as keras_file
from .file import KerasFile, unreadable
from .function import call
from .graph import Network, of_keras
from .signatures import of_saved_model

SUFFIXES = (".h5", ".hdf5", ".keras")


@dataclass(frozen=True)
class KerasModel:
    """tflite: the converted file's bytes; predict: an array [n, ...] for each input -> the
    outputs of the Keras model, a list of float32 [n, ...], raises CompileError E225 where Keras
    fails at them; inputs, outputs: both in the Keras model's order, which is predict's."""

    tflite: bytes
    predict: Predict
    inputs: tuple[Wanted, ...]
    outputs: tuple[Wanted, ...]


def is_keras(model: str) -> bool:
    """Whether ``model`` names what this module reads."""
    path, place = Path(model), split(model)
    if place:
        return not is_torch(place[0])
    return path.suffix in SUFFIXES or path.is_dir()


def load(model: str, trust: bool = False) -> KerasModel:
    """Load, check and convert ``model``.

    trust: load it even if that runs code which came with it. Raises CompileError E202 (no such
    file), E216 (no function, or it returns no model), E305 (a size that is not fixed), E309 (the
    file cannot be loaded), E310 (a layer of larq), E311 (not converted), E312 (code that is not
    trusted), E705 (packages).
    """
    with quiet():
        loaded, larq = opened(model, trust)
        network = loaded if isinstance(loaded, Network) else of_keras(loaded, model)
        if larq and loaded is not network:
            prepare(model, LARQ)
            _check_larq(loaded, model)
            tflite = _convert_larq(loaded, model)
        else:
            tflite = _convert(network, model)

    def predict(inputs: list[Array]) -> list[Array]:
        try:
            with quiet():
                return network.predict(inputs)
        except Exception as error:  # TensorFlow's own checks, as of indices
            raise CompileError(
                "E225", model, f"Keras cannot compute these samples: {line(str(error))}",
                "pass --data data.npz with samples like the real ones",
            ) from None  # fmt: skip

    return KerasModel(tflite, predict, network.inputs, network.outputs)


def opened(model: str, trust: bool = False) -> tuple[Any, bool]:
    """The Keras model that ``model`` names, or the `Network` of a SavedModel's graph alone, and
    whether layers of larq are in it. Raises the same as `load`, but for E310 and E311."""
    place = split(model)
    path = place[0] if place else Path(model)
    if not path.exists():
        raise CompileError("E202", model, "no such file", "give the path of a model")
    if place:
        return call(path, place[1])
    file = keras_file.inspect(path)
    if not trust:
        file.refuse_code()
    return _load(file, trust), file.larq


def _load(file: KerasFile, trust: bool) -> Any:
    """The Keras model of a file that was inspected, or the `Network` of a graph alone."""
    origin = str(file.path)
    if file.keras == 0:
        return of_saved_model(file.path, origin)
    prepare(origin, LARQ if file.larq else KERAS2 if file.keras == 2 else KERAS3)
    if file.larq:
        import larq  # noqa: F401  registers its layers and quantizers with Keras
    try:
        with _named(file.path) as path:
            if file.keras == 3:
                import keras

                known = autokeras_layers.custom_objects()
                return keras.models.load_model(path, known, compile=False, safe_mode=not trust)
            import tf_keras

            return tf_keras.models.load_model(path, compile=False, safe_mode=not trust)
    except Exception as error:
        if file.path.is_dir() and not file.larq:
            return of_saved_model(file.path, origin)  # which keeps the graph of its layers too
        raise unreadable(file.path, error, file.larq) from None


@contextlib.contextmanager
def _named(path: Path) -> Iterator[Path]:
    """``path`` by a name that ends as its content wants, for Keras goes by that."""
    packed = zipfile.is_zipfile(path)
    if path.is_dir() or path.suffix in ((".keras",) if packed else (".h5", ".hdf5")):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "model.keras" if packed else "model.h5")
        link.symlink_to(path.resolve())
        yield link


# Conversion --------------------------------------------------------------------------------


def _check_larq(loaded: Any, origin: str) -> None:
    errors = larq_layers.problems(loaded, origin)
    if errors:
        raise errors[0] if len(errors) == 1 else CompileErrors(tuple(errors))


def _convert(network: Network, origin: str) -> bytes:
    import tensorflow as tf

    try:
        function, holder = network.traced(), tf.Module()
        holder.variables_of = function.variables
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(holder, folder, signatures=function)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.experimental_enable_resource_variables = True
            return bytes(converter.convert())
    except Exception as error:
        raise _unconverted(origin, "TensorFlow", error) from None


def _convert_larq(loaded: Any, origin: str) -> bytes:
    import larq_compute_engine as lce

    try:
        return bytes(lce.convert_keras_model(loaded))
    except Exception as error:
        raise _unconverted(origin, "larq_compute_engine", error) from None


def _unconverted(origin: str, converter: str, error: Exception) -> CompileError:
    text = str(error)
    missing = list(dict.fromkeys(re.findall(r"'tf\.(\w+)' op is neither", text)))
    found = re.search(r"see current operation: .*x(f16|bf16|f64)>", text) if missing else None
    if not missing:
        what = f"{converter} cannot convert it: {line(text)}"
        return CompileError("E311", origin, what, "use layers that TensorFlow Lite knows")
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    type = f" in {found[1].replace('f', 'float')}" if found else ""
    return CompileError(
        "E311", origin, f"TensorFlow Lite has no {', '.join(missing[:3])}{more}{type}",
        "compute in float32" if found else "use other layers, or leave that work before the model",
    )  # fmt: skip


def _read(model: str, trust: bool) -> Model:
    """Convert a model, and lift what came out of the converter."""
    loaded = load(model, trust)
    place, path = split(model), Path(model)
    graph = lift(parse(loaded.tflite, path.name, place[1] if place else path.stem))
    return Model(in_order(graph, loaded.inputs, loaded.outputs, model), loaded.predict)


register(Frontend("keras", is_keras, _read))

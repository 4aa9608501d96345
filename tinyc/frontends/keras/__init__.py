"""Read a Keras model: of Keras 3, of Keras 2, with layers of larq, or a SavedModel's graph.

A model is a file (``.h5``, ``.keras``), a SavedModel folder, or ``file.py:function``, where the
function takes nothing and returns a Keras model; that file is the user's own code, and runs. All
else is inspected first: what would run code that came with the file needs the user's word.
TensorFlow's converter makes the ``.tflite``, for larq Larq Compute Engine's.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import sys
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
from ..packages import KERAS2, KERAS3, LARQ, prepare, quiet
from ..tflite import lift, parse
from . import file as keras_file
from . import larq_layers
from .file import KerasFile, line, unreadable
from .graph import Network, of_keras, of_saved_model

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
    path = Path(model)
    return path.suffix in SUFFIXES or path.is_dir() or _split(model) is not None


def _split(model: str) -> tuple[Path, str] | None:
    """(file, function) of ``file.py:function``."""
    file, colon, function = model.rpartition(":")
    return (Path(file), function) if colon and file.endswith(".py") else None


def load(model: str, trust: bool = False) -> KerasModel:
    """Load, check and convert ``model``.

    trust: load it even if that runs code which came with it. Raises CompileError E202 (no such
    file), E216 (no function, or it returns no model), E305 (a size that is not fixed), E309 (the
    file cannot be loaded), E310 (a layer of larq), E311 (not converted), E312 (code that is not
    trusted), E705 (packages).
    """
    place = _split(model)
    path = place[0] if place else Path(model)
    if not path.exists():
        raise CompileError("E202", model, "no such file", "give the path of a model")
    with quiet():
        if place:
            loaded, larq = _call(path, place[1])
        else:
            file = keras_file.inspect(path)
            if not trust:
                file.refuse_code()
            loaded, larq = _load(file, trust), file.larq
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

                return keras.models.load_model(path, compile=False, safe_mode=not trust)
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


# Functions ---------------------------------------------------------------------------------


def _call(path: Path, function: str) -> tuple[Any, bool]:
    """The model that ``function`` of the file returns, and whether it is one of larq."""
    origin = f"{path}:{function}"
    imported = _imported(path)
    larq = "larq" in imported
    prepare(origin, LARQ if larq else KERAS3, legacy=bool({"larq", "tf_keras"} & imported))
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
        if isinstance(error, ModuleNotFoundError) and error.name in LARQ:
            prepare(origin, {error.name: LARQ[error.name]})
        raise CompileError(
            "E216", origin, f"fails: {type(error).__name__}: {line(str(error))}", "run it alone"
        ) from None
    finally:
        sys.path.pop(0)
    kinds = [sys.modules[name].Model for name in ("keras", "tf_keras") if name in sys.modules]
    if not isinstance(network, tuple(kinds)):
        what = f"returns an object of type {type(network).__name__}"
        raise CompileError("E216", origin, what, "return a keras.Model or a tf_keras.Model")
    return network, larq or any(map(larq_layers.is_larq, larq_layers.layers(network)))


def _imported(path: Path) -> set[str]:
    """The packages that a Python file and the files beside it that it imports ask for, anywhere
    in them: ``tf.keras`` must be chosen before the first of them runs."""
    found: set[str] = set()
    seen: set[Path] = set()
    queue = [path]
    while queue:
        file = queue.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        try:
            nodes = list(ast.walk(ast.parse(file.read_bytes())))
        except (SyntaxError, ValueError, RecursionError):
            continue  # It will be told when it is run.
        names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
        tops = {name.partition(".")[0] for name in names}
        found |= tops
        queue += [path.parent / f"{top}.py" for top in tops]
    return found


# Conversion --------------------------------------------------------------------------------


def _check_larq(loaded: Any, origin: str) -> None:
    errors = larq_layers.problems(loaded, origin)
    if errors:
        raise errors[0] if len(errors) == 1 else CompileErrors(tuple(errors))


def _convert(network: Network, origin: str) -> bytes:
    import tensorflow as tf

    try:
        function = network.traced()
        return bytes(
            tf.lite.TFLiteConverter.from_concrete_functions([function], network.root).convert()
        )
    except Exception as error:
        raise _unconverted(origin, "TensorFlow", error) from None


def _convert_larq(loaded: Any, origin: str) -> bytes:
    import larq_compute_engine as lce

    try:
        return bytes(lce.convert_keras_model(loaded))
    except Exception as error:
        raise _unconverted(origin, "larq_compute_engine", error) from None


def _unconverted(origin: str, converter: str, error: Exception) -> CompileError:
    return CompileError(
        "E311", origin, f"{converter} cannot convert it: {line(str(error))}",
        "use layers that TensorFlow Lite knows",
    )  # fmt: skip


def _read(model: str, trust: bool) -> Model:
    """Convert a model, and lift what came out of the converter."""
    loaded = load(model, trust)
    place, path = _split(model), Path(model)
    graph = lift(parse(loaded.tflite, path.name, place[1] if place else path.stem))
    return Model(in_order(graph, loaded.inputs, loaded.outputs, model), loaded.predict)


register(Frontend("keras", is_keras, _read))

"""What ``file.py:function`` returns. The file is the user's own code, and runs."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ...errors import CompileError
from ..packages import JAX, KERAS3, LARQ, prepare
from . import larq_layers
from .file import line
from .signatures import of_jax, of_module


def split(model: str) -> tuple[Path, str] | None:
    """(file, function) of ``file.py:function``."""
    file, colon, function = model.rpartition(":")
    return (Path(file), function) if colon and file.endswith(".py") else None


def call(path: Path, function: str) -> tuple[Any, bool]:
    """The Keras model, or the `Network`, that ``function`` of the file returns, and whether it is
    one of larq."""
    origin = f"{path}:{function}"
    imported = imports(path)
    larq = "larq" in imported
    packages = (LARQ if larq else KERAS3) | (JAX if "jax" in imported else {})
    prepare(origin, packages, legacy=bool({"larq", "tf_keras"} & imported))
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
        made = maker()
    except CompileError:
        raise
    except Exception as error:
        known_packages = LARQ | JAX
        if isinstance(error, ModuleNotFoundError) and error.name in known_packages:
            prepare(origin, {error.name: known_packages[error.name]})
        raise CompileError(
            "E216", origin, f"fails: {type(error).__name__}: {line(str(error))}", "run it alone"
        ) from None
    finally:
        sys.path.pop(0)
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


def imports(path: Path) -> set[str]:
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

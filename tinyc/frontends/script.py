"""``file.py:function``: a model that the user's own Python makes; the file runs as it stands."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CompileError
from .packages import line, require

_OTHERS = {"jax", "keras", "larq", "tensorflow", "tf_keras"}


def split(model: str) -> tuple[Path, str] | None:
    """(file, function) of ``file.py:function``."""
    file, colon, function = model.rpartition(":")
    return (Path(file), function) if colon and file.endswith(".py") else None


def is_torch(file: Path) -> bool:
    """Whether what a Python file imports is PyTorch, and no other framework."""
    found = imported(file)
    return "torch" in found and not found & _OTHERS


def imported(path: Path) -> set[str]:
    """The packages that a Python file and the files beside it that it imports ask for, anywhere
    in them; nothing is run."""
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


def call(path: Path, function: str, packages: Mapping[str, str]) -> Any:
    """What ``function`` of a file returns, called with nothing.

    packages: module -> package, of those of which a missing one is told as such. Raises
    CompileError E216 (no such function, or it fails), E705.
    """
    origin = f"{path}:{function}"
    name = f"tinyc_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the module of a class
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
        maker = getattr(module, function, None)
        if not callable(maker):
            known = [n for n in vars(module) if callable(getattr(module, n)) and n[0] != "_"]
            hint = f"it has {', '.join(known)}" if known else ""
            raise CompileError("E216", origin, f"the file has no function '{function}'", hint)
        return maker()
    except CompileError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError):
            require(origin, {m: packages[m] for m in packages if m == error.name})
        raise CompileError(
            "E216", origin, f"fails: {type(error).__name__}: {line(str(error))}", "run it alone"
        ) from None
    finally:
        sys.path.pop(0)

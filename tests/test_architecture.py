"""The house's own rules, read from the syntax trees: imports go one way, heavy ones late."""

from __future__ import annotations

import ast
import graphlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "tinyc"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    tuple(part for part in f.relative_to(PACKAGE).with_suffix("").parts if part != "__init__"): f
    for f in FILES
}
"""The path of a module in the package -> its file; the package's own is ()."""

MOST_LINES = 400
TABLES = {"report/objects.py"}  # one description after the other, for looking up

# Imports go down this list, one layer for each folder or module of the package.
LAYERS = (
    "errors listener settings plugins files ir ops passes frontends kernels target compress plan "
    "emit image run tuning deploy train config pipeline reference report project coverage sweep "
    "firmware job verify search fitting pytest_plugin cli"
).split()
LEVEL = {name: level for level, name in enumerate(LAYERS)}

# Imported inside a function only, so that a command pays for what it uses.
HEAVY = {
    "tensorflow", "tf_keras", "keras", "jax", "h5py", "larq", "tvm", "onnx", "unicorn", "capstone",
    "jinja2", "elftools", "ai_edge_litert", "ziglang", "rich", "sklearn", "larq_compute_engine",
    "distributed", "optuna", "tensorflow_model_optimization", "flatbuffers", "torch", "torchao",
    "litert_torch", "serial",
}  # fmt: skip


def _imports(tree: ast.AST, late: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports at module level, those for a type checker too; with ``late`` those inside
    functions as well."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            if late:
                yield from _imports(node, late)
        elif late or "TYPE_CHECKING" not in ast.unparse(node)[:20]:
            yield from _imports(node, late)


def _part(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _targets(file: Path, node: ast.Import | ast.ImportFrom) -> list[str]:
    """The parts of tinyc that an import names."""
    if isinstance(node, ast.Import):
        names = [a.name for a in node.names]
        return [n.split(".")[1] for n in names if n.startswith("tinyc.")]
    if not node.level:
        names = [node.module or ""]
        return [n.split(".")[1] for n in names if n.startswith("tinyc.")]
    base = list(file.relative_to(PACKAGE).parent.parts)
    base = base[: len(base) - (node.level - 1)]
    path = [*base, *(node.module.split(".") if node.module else [])]
    return [path[0]] if path else [alias.name for alias in node.names]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_go_one_way(file: Path) -> None:
    part = _part(file)
    if part == "__init__":  # the API: nothing but its modules, and late
        early = _imports(ast.parse(file.read_text()), False)
        assert [ast.unparse(node) for node in early] == ["from typing import TYPE_CHECKING, Any"]
        return
    assert part in LEVEL, f"{part} has no layer: give it one in LAYERS"
    for node in _imports(ast.parse(file.read_text()), True):
        for target in _targets(file, node):
            if target != "__version__":
                assert LEVEL[target] <= LEVEL[part], f"{file.name}:{node.lineno} imports {target}"


def _modules(file: Path) -> Iterator[tuple[str, ...]]:
    """The modules of tinyc that one imports, inside functions and for a type checker too; but for
    the API, which others import for the version alone."""
    for node in _imports(ast.parse(file.read_text()), True):
        if isinstance(node, ast.ImportFrom) and node.level:
            parent = file.relative_to(PACKAGE).parent.parts
            path = parent[: len(parent) - (node.level - 1)]
            path += tuple(node.module.split(".")) if node.module else ()
            for alias in node.names:
                yield (*path, alias.name) if (*path, alias.name) in MODULES else path


def test_no_module_needs_itself() -> None:
    needs = {m: {n for n in _modules(file) if n not in ((), m)} for m, file in MODULES.items() if m}
    list(graphlib.TopologicalSorter(needs).static_order())  # or a CycleError, which names them


def test_modules_can_be_read_at_a_sitting() -> None:
    long = {str(f.relative_to(PACKAGE)): len(f.read_text().splitlines()) for f in FILES}
    assert {f: n for f, n in long.items() if n > MOST_LINES and f not in TABLES} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_heavy_imports_come_late(file: Path) -> None:
    for node in _imports(ast.parse(file.read_text()), False):
        names = (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
        level = getattr(node, "level", 0)
        assert level or not HEAVY & {n.split(".")[0] for n in names}, f"{file.name}:{node.lineno}"


def test_no_board_is_named_in_code() -> None:
    boards = {f.stem for f in (ROOT / "boards").glob("*.toml")}
    assert boards
    static = [f for folder in ("templates", "firmware") for f in (ROOT / folder).rglob("*.*")]
    for file in [*FILES, *static]:
        text = file.read_text()
        assert not {b for b in boards if b in text}, file


def test_help_is_instant() -> None:
    # Processor time, which other work on the machine leaves alone.
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    times = []
    for _ in range(3):
        before = spent()
        subprocess.run(
            [sys.executable, "-m", "tinyc.cli", "--help"], check=True, capture_output=True
        )
        times.append(spent() - before)
    assert min(times) < 0.5, times


def test_help_loads_nothing_heavy() -> None:
    heavy = sorted({*HEAVY, "numpy", "pydantic"} - {"rich"})
    code = (
        "import sys, tinyc.cli.app; tinyc.cli.app.execute(['--help']); "
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"

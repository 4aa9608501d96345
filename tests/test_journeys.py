"""What CONTRIBUTING.md says of adding things: a toy of each, in a copy of tinyc, takes the files
that its table names and no other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from tflite_writer import TensorSpec, write_model

TOYS = ROOT / "tests" / "journeys"
ORDER = Path("tinyc/passes/__init__.py")

PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
from tinyc import passes
from tinyc.compress.base import techniques
from tinyc.compress.keras.chain import parse
from tinyc.image.build import BuildOptions, build
from tinyc.ir import interpret
from tinyc.kernels.base import kernels_of
from tinyc.ops.base import all_ops
from tinyc.pipeline import CompileOptions, compile_model
from tinyc.run import find, run
from tinyc.target.boards import load_board
from tinyc.train import recipe

board = load_board("toy")
found = {"core": board.core.name, "recipe": recipe.load("toy")[1].title}
(stage,) = parse("toy_rest:0.25")
found["stage"] = [stage.technique.help, stage.params.weight]
found["operator"] = "ToyRaise" in [op.__name__ for op in all_ops()]
x = np.array([[-128, -3, 0, 5, 100, 127]], np.int8)
for model, options in (("m.tflite", {}), ("two.toy", {}), ("two.toy", {"compress": "toy_calm"})):
    made = compile_model(model, board, CompileOptions(**options))
    steps = [step.kernel.name for step in made.plan.steps]
    out = Path(f"{len(found)}")
    image = build(made.c_library, board, None, out, BuildOptions(main=find("toy").main))
    traces = [run(image, x.view(np.uint8), emulator) for emulator in ("toy", "host")]
    (value,) = made.graph.outputs
    values = interpret(made.graph, [x])
    found[f"{model} {options}"] = {
        "steps": steps, "changes": list(made.changes), "reference": values[value].tolist(),
        "emulators": [trace.emulator for trace in traces],
        "outputs": [trace.outputs.view(np.int8).tolist() for trace in traces],
    }
print(json.dumps(found))
"""


def journeys() -> dict[str, list[str]]:
    """What the table says is written: journey -> its files, ``<name>`` for the name."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| an? ([\w ]+) \| (.+?) \|", text, re.M)
    return {what: re.findall(r"`([\w./<>-]+\.\w+)`", files) for what, files in rows}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of tinyc with all the toys in it."""
    folder = tmp_path_factory.mktemp("journeys")
    for part in ("tinyc", "templates", "boards", "firmware", "recipes"):
        ignored = shutil.ignore_patterns("__pycache__", "*.tflite", "*.npz")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    for toy in (path for path in TOYS.rglob("*") if path.is_file()):
        place = folder / toy.relative_to(TOYS)
        assert not place.exists(), f"{place} is no new file"
        shutil.copyfile(toy, place)
    order = (folder / ORDER).read_text()
    order = order.replace("PIPELINE = (\n", "PIPELINE = (\n    toy_join,\n")
    order = order.replace("\nPIPELINE", "from .toy_join import toy_join\n\nPIPELINE")
    (folder / ORDER).write_text(order)
    yield folder
    shutil.rmtree(folder)


def test_the_table_names_what_a_toy_takes() -> None:
    table = journeys()
    assert {"operator", "kernel", "board", "core", "frontend", "technique", "emulator"} < set(table)
    assert {"rewrite pass", "training recipe", "error"} < set(table)
    # An error has no toy: tests/test_errors.py holds its places together.
    places = table.pop("error")
    assert places == ["tinyc/errors/catalogue.py", "tests/error_cases.py"]
    named = {file for files in table.values() for file in files} - {str(ORDER)}
    patterns = {name: re.escape(name).replace("<name>", r"\w+(-\w+)?") for name in named}
    toys = {str(path.relative_to(TOYS)) for path in TOYS.rglob("*") if path.is_file()}
    for toy in toys:
        assert any(re.fullmatch(p, toy) for p in patterns.values()), f"{toy} is in no journey"
    for name, pattern in patterns.items():
        assert any(re.fullmatch(pattern, toy) for toy in toys), f"there is no toy of {name}"


def test_the_readme_points_there() -> None:
    text = (ROOT / "README.md").read_text()
    assert "(CONTRIBUTING.md)" in text
    for what in journeys():
        assert re.search(rf"^\| an? {what}\b", text, re.M), f"README.md has no row for {what}"


@pytest.mark.slow
def test_the_tests_of_operators_find_a_toy(copy: Path, tmp_path: Path) -> None:
    options = ("-vv", "-n", "0", "-p", "no:cacheprovider", "-k", "ToyRaise", "-c")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, ROOT / "pyproject.toml", ROOT / "tests/ops"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert not done.returncode, done.stdout[-3000:]
    for test in ("operator_has_cases[ToyRaise]", "emulated[ToyRaise-toy_raise_s8-nucleo_g0b1re]"):
        assert re.search(rf"test_{re.escape(test)} PASSED", done.stdout), test


@pytest.mark.slow
def test_a_toy_of_each_runs(copy: Path, tmp_path: Path) -> None:
    kind = {"shape": (1, 6), "dtype": "int8", "scale": 1.0}
    write_model(
        tmp_path / "m.tflite", [("CUSTOM ToyRaise", {"by": 7}, [0], [1])],
        [TensorSpec("x", **kind), TensorSpec("y", **kind)], inputs=[0], outputs=[1],
    )  # fmt: skip
    (tmp_path / "two.toy").write_text("6 4 20")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(copy)}, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert (found["core"], found["recipe"], found["operator"]) == ("toy-core", "A toy", True)
    assert found["stage"] == ["rest", 0.25]
    for run, by, changes in (
        ("m.tflite {}", 7, []),
        ("two.toy {}", 24, []),
        ("two.toy {'compress': 'toy_calm'}", 12, ["toy_calm"]),
    ):
        expected = [[min(x + by, 127) for x in (-128, -3, 0, 5, 100, 127)]]
        told = found[run]
        assert told["reference"] == expected and told["outputs"] == [expected, expected], run
        # The pass has left one step of two.
        assert told["steps"] == ["toy_raise_s8"] and told["changes"] == changes
        assert told["emulators"] == ["toy", "host"]

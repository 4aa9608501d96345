"""The catalogue of errors: it has what the source raises, and each id has its message pinned."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from conftest import GOLDEN, ROOT, pinned
from error_cases import CASES, Case

from tinyc import plugins
from tinyc.cli.app import execute
from tinyc.errors import CompileError, CompileErrors
from tinyc.errors.catalogue import CATALOGUE, CLASSES

PACKAGE = ROOT / "tinyc"


def ids_in(source: str) -> set[str]:
    """The ids that a file hands to an error: not those that it looks for."""
    tree = ast.parse(source)
    looked_for = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in looked_for
        if isinstance(node.value, str) and re.fullmatch(r"E\d{3}", node.value)
    }


def test_the_catalogue_has_what_the_source_raises() -> None:
    texts = [f.read_text("utf-8") for f in PACKAGE.rglob("*.py") if f.name != "catalogue.py"]
    raised = set().union(*(ids_in(text) for text in texts if re.search(r'"E\d{3}"', text)))
    assert raised == set(CATALOGUE)
    assert list(CATALOGUE) == sorted(CATALOGUE)
    assert {int(id[1]) for id in CATALOGUE} == set(CLASSES)
    assert all(re.fullmatch(r"[A-Z`].*\.", text) for text in CATALOGUE.values())
    assert len(set(CATALOGUE.values())) == len(CATALOGUE)


def test_only_what_hands_an_id_on_counts() -> None:
    source = 'fail("E301")\nif error.id != "E401": pass\ntable = {1: ("E801", "full")}\n"E302 no"'
    assert ids_in(source) == {"E301", "E801"}


def test_each_error_has_a_case_and_a_message() -> None:
    assert list(CASES) == list(CATALOGUE)
    assert {path.stem for path in (GOLDEN / "errors").iterdir()} == set(CATALOGUE)


@pytest.mark.parametrize("id", CATALOGUE)
def test_the_message(
    id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "_folders", [])  # as if no test had loaded one

    def cli(*args: str) -> str:
        """The line of a command that fails; its status is the id's."""
        assert execute(list(args)) == int(id[1])
        return capsys.readouterr().err.strip()

    try:
        said = CASES[id](Case(tmp_path, monkeypatch, cli))
    except (CompileError, CompileErrors) as error:
        assert error.exit_code == int(id[1])
        said = str(error)
    monkeypatch.undo()
    line = str(said).replace(str(tmp_path), "FOLDER")
    assert line.startswith(f"{id} ") and line.isprintable(), line
    pinned(request, f"errors/{id}.txt", line + "\n")

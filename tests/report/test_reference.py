"""The pages that are made from the code, and the schemas of what tinyc prints."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT, schema_of

from tinyc.cli.app import execute
from tinyc.cli.pages import pages
from tinyc.report import schema

TOOL = {"group": "g", "tool": "gcc", "version": None, "problem": None, "purpose": "p", "remedy": ""}


def test_pages_are_current() -> None:
    made = pages()
    for path, text in made.items():
        assert (ROOT / "docs" / path).read_text(encoding="utf-8") == text, f"{path}: `make docs`"
    published = {p.name for p in (ROOT / "docs" / "schemas").iterdir()}
    assert published == {f"{kind}.json" for kind in schema.KINDS}


def test_a_schema_refuses_what_it_does_not_describe() -> None:
    good = {"schema_version": 1, "tools": [TOOL]}
    for bad in (
        {"tools": []},
        {**good, "more": 1},
        {**good, "schema_version": 2},
        {**good, "tools": [{**TOOL, "version": 3}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            schema_of("doctor").validate(bad)


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """What a command line prints with ``--json``, which its schema has to allow."""
    monkeypatch.chdir(tmp_path)

    def run(kind: str, *args: object, code: int = 0):
        assert execute([*map(str, args), "--json"]) == code
        found = json.loads(capsys.readouterr().out)
        schema_of(kind).validate(found)
        return found

    return run


def test_what_any_test_prints_is_checked() -> None:
    """By a fixture of all tests, so that each verb's own tests hold its schema."""
    with pytest.raises(jsonschema.ValidationError):
        schema.stamped("doctor", {"tools": [TOOL], "more": 1})
    assert schema.stamped("doctor", {"tools": [TOOL]})["schema_version"] == 1


def test_boards_and_tools(printed, tiny_model: Path) -> None:
    printed("boards", "boards")
    printed("board", "boards", "show", "stm32")
    printed("ops", "ops")
    printed("error", "boards", "show", "nope", code=2)
    printed("export", "export", tiny_model, "--board", "stm32", "--to", "library")

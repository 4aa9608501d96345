"""`tinyc init`: what it writes, that it works as it stands, and that nothing is half-written."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from tinyc import __version__, cli, config, init
from tinyc.boards import all_boards
from tinyc.errors import CompileError

FILES = {
    ".github/workflows/firmware.yml", ".gitignore", "model.tflite", "samples.npz",
    "tests/test_firmware.py", "tinyc.toml",
}  # fmt: skip
WORKFLOW = ".github/workflows/firmware.yml"


def contents(folder: Path) -> dict[str, bytes]:
    """Path -> bytes of every file, and an empty entry for every folder."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b""
        for p in folder.rglob("*")
    }


def written(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder of `tinyc init`, and the current one."""
    place = tmp_path / "firmware"
    init.create(place, "stm32")
    monkeypatch.chdir(place)
    return place


# What is written ---------------------------------------------------------------------------


def test_the_files(folder: Path) -> None:
    assert written(folder) == FILES
    assert (folder / "model.tflite").read_bytes() == (
        ROOT / "recipes" / "digits-int8.tflite"
    ).read_bytes()
    for file in FILES - {"model.tflite", "samples.npz"}:
        text = (folder / file).read_text()
        assert text.endswith("\n") and not text.endswith("\n\n") and "{{" not in text
    assert init.files("stm32") == init.files("stm32")


def test_every_setting_is_there_and_explained(folder: Path) -> None:
    text = (folder / "tinyc.toml").read_text()
    live = tomllib.loads(text)
    assert config.load({}).model == "model.tflite"
    assert live["board"] == "stm32" and live["expect"]["max_flash"] == init.MAX_FLASH
    lines = text.splitlines()
    # A commented key is a line like `# key = value`; with all of them the file still loads.
    keys = {
        i: line.removeprefix("# ").partition(" = ")[0]
        for i, line in enumerate(lines)
        if line.removeprefix("# ").partition(" = ")[0].isidentifier() and " = " in line
    }
    tables = {"expect": config.Expect, "placement": config.Place}
    every = {*config.Config.model_fields, *(k for t in tables.values() for k in t.model_fields)}
    every -= set(tables)
    assert sorted(keys.values()) == sorted(every)
    for i in keys:
        above = lines[i - 1]
        assert above.startswith("# ") or (i - 1) in keys, f"{lines[i]} is not explained"
    for i in keys:
        lines[i] = lines[i].removeprefix("# ")
    lines = [x.removeprefix("# ") if x.removeprefix("# ")[0:1] == "[" else x for x in lines]
    (folder / "tinyc.toml").write_text("\n".join(lines))
    loaded = config.load({})
    for name in every & set(config.Config.model_fields):
        assert getattr(loaded, name) is not None, name
    assert loaded.placement == config.Place(arena="RAM", weights=("FLASH",))


def test_the_samples_are_digits_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location(
        "samples", ROOT / "examples" / "digits" / "samples.py"
    )
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    fresh = made.samples()
    with np.load(made.FILE) as kept:
        assert set(kept.files) == set(fresh) == {"x", "y"}
        for name, array in fresh.items():
            assert kept[name].dtype == array.dtype and np.array_equal(kept[name], array)
        assert kept["x"].shape == (100, 8, 8, 1) and set(kept["y"].tolist()) == set(range(10))


def test_a_wheel_has_what_it_copies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for kind, name in init._COPIES.values():
        assert included[kind] == f"tinyc/_data/{kind}" and (ROOT / kind / name).is_file()
    assert included["templates"] == "tinyc/_data/templates"


# The workflow ------------------------------------------------------------------------------


def test_the_workflow_keeps_to_githubs_schema(folder: Path) -> None:
    pytest.importorskip("check_jsonschema")

    def check(file: str) -> subprocess.CompletedProcess[str]:
        schema = ("--builtin-schema", "vendor.github-workflows")
        return subprocess.run(
            [sys.executable, "-m", "check_jsonschema", *schema, file],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = check(WORKFLOW)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (folder / WORKFLOW).read_text()
    (folder / "bad.yml").write_text(text.replace("runs-on:", "run-on:"))
    assert check("bad.yml").returncode != 0


def workflow(folder: Path) -> dict:
    """The workflow's one job."""
    yaml = pytest.importorskip("ruamel.yaml")
    table = yaml.YAML(typ="safe").load((folder / WORKFLOW).read_text())
    (job,) = table["jobs"].values()
    return job


def test_the_workflows_actions_are_pinned(folder: Path) -> None:
    uses = [step["uses"] for step in workflow(folder)["steps"] if "uses" in step]
    assert [u.partition("@")[0] for u in uses] == [
        "actions/checkout", "actions/setup-python", "actions/upload-artifact",
        "mikepenz/action-junit-report",
    ]  # fmt: skip
    assert all(u.partition("@")[2].removeprefix("v").isdigit() for u in uses)
    (install,) = (s["run"] for s in workflow(folder)["steps"] if "pip" in s.get("run", ""))
    assert f"tinyc=={__version__}" in install


@pytest.mark.slow
def test_the_workflows_commands_work_as_they_stand(folder: Path, tmp_path: Path) -> None:
    steps = workflow(folder)["steps"]
    shims = tmp_path / "bin"
    shims.mkdir()
    for name, module in (("tinyc", "tinyc.cli"), ("pytest", "pytest")):
        (shims / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (shims / name).chmod(0o755)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{shims}:{os.environ['PATH']}"}
    # An installed plugin is loaded by itself, and must not be named twice.
    from test_pytest_plugin import PLUGIN

    env["PYTEST_ADDOPTS"] = " ".join(PLUGIN)
    ran = 0
    for step in steps:
        line = step.get("run")
        if line is None or "pip install" in line:
            continue
        done = subprocess.run(
            ["bash", "-e", "-c", line], cwd=folder, env=env, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        ran += 1
    assert ran == 3
    (report,) = (s["with"]["report_paths"] for s in steps if "junit" in s.get("uses", ""))
    (kept,) = (s["with"]["path"] for s in steps if "upload" in s.get("uses", ""))
    files = sorted(folder.glob(report))
    assert len(files) == 2 and all(f.is_relative_to(folder / kept) for f in files)
    cases = [case.get("name") for f in files for case in ET.parse(f).getroot().iter("testcase")]
    assert {"bit_exact", "accuracy", "flash", "ram", "test_it_reads_digits"} <= set(cases)
    assert not [f for file in files for f in ET.parse(file).getroot().iter("failure")]


# It works as it stands ---------------------------------------------------------------------


def test_build_and_test_work_as_they_stand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["build", "--board", "stm32", "-q", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flash_bytes"] <= init.MAX_FLASH
    assert cli.execute(["test", "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["samples"] == 100 and report["mismatches"] == 0
    assert report["accuracy"] == report["reference_accuracy"] >= 0.95
    for check in ("bit_exact", "accuracy", "flash", "ram"):
        assert f"pass  {check}" in captured.err


@pytest.mark.slow
@pytest.mark.parametrize("board", [board.name for board in all_boards()])
def test_the_sample_fits_every_board(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.execute(["init", str(tmp_path), "--board", board, "-q"]) == 0
    monkeypatch.chdir(tmp_path)
    assert cli.execute(["build", "--json", "-q"]) == 0, capsys.readouterr().err
    assert json.loads(capsys.readouterr().out)["board"] == board


# Nothing is half-written -------------------------------------------------------------------


def test_the_command_names_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.execute(["init", "deep/below"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(f"wrote deep/below/{file}\n" in captured.err for file in FILES)
    assert captured.err.endswith("next: cd deep/below && tinyc build && tinyc test\n")
    assert written(tmp_path / "deep" / "below") == FILES
    assert cli.execute(["init", "other", "--board", "nope"]) == 2
    assert capsys.readouterr().err.startswith("E204 board 'nope'")
    assert not (tmp_path / "other").exists()


def test_settings_that_are_there_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tinyc.toml").write_text("# mine\n")
    before = contents(tmp_path)
    assert cli.execute(["init", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"E233 {tmp_path}: already has tinyc.toml; ") and "--force" in error
    assert error.count("\n") == 1 and contents(tmp_path) == before
    assert cli.execute(["init", str(tmp_path), "--force"]) == 0
    assert written(tmp_path) == FILES and "mine" not in (tmp_path / "tinyc.toml").read_text()


def test_other_files_that_are_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"mine")
    before = contents(tmp_path)
    with pytest.raises(CompileError, match=r"E233 .*already has model\.tflite"):
        init.create(tmp_path, "stm32")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("force", [False, True])
def test_what_it_does_not_write_stays(tmp_path: Path, force: bool) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").write_text("")
    assert ".gitignore" not in init.create(tmp_path, "stm32", force)
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    assert written(tmp_path) == {*FILES, "tests/test_mine.py"}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("fails_at", range(9))
def test_a_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, error: BaseException
) -> None:
    old, fresh = tmp_path / "old", tmp_path / "fresh" / "below"
    (old / "tests").mkdir(parents=True)
    for file in ("tinyc.toml", "samples.npz", "tests/test_firmware.py"):
        (old / file).write_text("mine\n")
    before = contents(tmp_path)
    replace = os.replace
    for folder, moves in ((old, 9), (fresh, 6)):
        count = 0

        def limited(source: Path, target: Path) -> None:
            nonlocal count
            count += 1
            if count == fails_at + 1:
                raise error
            replace(source, target)

        monkeypatch.setattr(init.os, "replace", limited)
        if fails_at < moves:
            with pytest.raises((CompileError, KeyboardInterrupt)) as caught:
                init.create(folder, "stm32", force=True)
            if isinstance(error, OSError):
                assert isinstance(caught.value, CompileError) and caught.value.id == "E801"
            assert contents(tmp_path) == before
        monkeypatch.setattr(init.os, "replace", replace)


def test_a_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert cli.execute(["init", str(tmp_path / "file" / "below")]) == 8
    assert capsys.readouterr().err.startswith(f"E801 {tmp_path}/file/below: cannot be written: ")
    assert contents(tmp_path) == {"file": b"mine"}
